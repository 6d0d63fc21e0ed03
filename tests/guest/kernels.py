# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian kernels to boot: resolved by series at run time, fetched once, cached outside the tree.

Cache (${XDG_CACHE_HOME:-~/.cache}/pagewalk):

    apt/SUITE/                     private apt roots
    resolved/SERIES-FLAVOUR.json   {"abi", "suite", "time"}: which kernel a series means today
    kernels/ABI-FLAVOUR-amd64/     vmlinuz, config, modules/ (as in /lib/modules/VERSION)
    lock                           held while anything above changes

A kernel directory appears by rename, whole. ABI names change with each security upload and old ones
leave the archive, so a series is resolved again after a day; when that fails, the cached one is used.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass

from apt import TRIES, AptError, Suite, say

# Where a series lives, best first. `newest` is whatever is newest in the suite; +deb13 says whose build it is.
SUITES = {
    "5.10": ["bullseye-security", "bullseye"],
    "6.1": ["bookworm-security", "bookworm"],
    "6.12": ["bookworm-security", "trixie-security", "trixie"],
    "6.12+deb13": ["trixie-security", "trixie"],
    "7.2": ["trixie-backports", "sid"],
    "7.3": ["trixie-backports", "sid"],
    "newest": ["trixie-backports"],
}
ELSEWHERE = ["trixie-backports", "sid"]
FRESH = 24 * 3600
NAME = re.compile(
    r"^linux-(?P<kind>image|binary)-(?P<abi>\d+\.\d[\d.]*(?:-[\d.]+(?:\.deb\d+\.\d+)?)?(?:\+[a-z0-9]+)?)"
    r"-(?P<flavour>cloud-)?amd64(?P<unsigned>-unsigned)?$"
)


@dataclass(frozen=True)
class Kernel:
    """A kernel to boot. `version` is what `uname -r` says."""

    series: str
    version: str
    directory: str
    suite: str = ""  # that it was fetched from
    build: str = ""  # its own build tree; without one, headers come from the suite
    ram: int = 0  # MiB that it takes for itself
    slowness: float = 1  # than what tests' timeouts were made for

    @property
    def image(self):
        return os.path.join(self.directory, "vmlinuz")

    @property
    def config(self):
        return os.path.join(self.directory, "config")

    @property
    def modules(self):
        return os.path.join(self.directory, "modules")

    def has_config(self, option):
        """True for y and m."""
        with open(self.config, encoding="ascii") as f:
            return re.search(rf"^{option}=[ym]$", f.read(), re.M) is not None


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "pagewalk")
    os.makedirs(path, exist_ok=True)
    return path


def suite_of(name):
    """A suite of Debian's, in the cache."""
    return Suite(name, os.path.join(cache_dir(), "apt"))


@contextmanager
def locked(path):
    """Holds a lock file, which is made as needed."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def cache_lock():
    """One process at a time changes the cache."""
    return locked(os.path.join(cache_dir(), "lock"))


def abi_key(abi):
    return [int(n) for n in re.findall(r"\d+", abi)]


def _candidates(names, series, flavour):
    """{abi: [package]} of the kernels of a series among package names."""
    found = {}
    number, plus, whose = series.partition("+")
    for name in names:
        m = NAME.match(name)
        if not m or (m["flavour"] == "cloud-") != (flavour == "cloud"):
            continue
        if number != "newest" and not re.match(rf"{re.escape(number)}(?![\d])", m["abi"]):
            continue
        if not m["abi"].endswith(plus + whose):
            continue
        found.setdefault(m["abi"], []).append(name)
    return found


def _packages(abi, names, flavour):
    """What holds image, config and modules of an ABI: one package up to 6.x, three from 7.x."""
    full = f"{abi}-cloud-amd64" if flavour == "cloud" else f"{abi}-amd64"
    parts = sorted(n for n in names if n.startswith("linux-binary-")) or sorted(names)
    wanted = [parts[0]]  # the signed one sorts before -unsigned
    if parts[0].startswith("linux-binary-"):
        wanted += [f"linux-modules-{full}", f"linux-base-{full}"]
    return wanted


def _find(series, flavour, tries):
    """(suite, abi, packages) of the newest kernel of a series, from fresh package lists."""
    why = None
    for name in SUITES.get(series, ELSEWHERE):
        suite = suite_of(name)
        try:
            suite.update(tries)
        except AptError as e:
            why = e
            continue
        found = _candidates(suite.names("linux-"), series, flavour)
        if found:
            abi = max(found, key=abi_key)
            return suite, abi, _packages(abi, found[abi], flavour)
    raise why or AptError(f"no {flavour} kernel {series} in {', '.join(SUITES.get(series, ELSEWHERE))}")


def _extract(debs, directory):
    """Image, config and modules of kernel packages into `directory`."""
    layout = [
        (re.compile(r"^\./boot/(vmlinuz|config)-"), None),
        (re.compile(r"^\./usr/lib/modules/[^/]+/(vmlinuz|config)$"), None),
        (re.compile(r"^\./(?:usr/)?lib/modules/[^/]+/(.+)$"), "modules"),
    ]
    for deb in debs:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as p:
            with tarfile.open(fileobj=p.stdout, mode="r|") as tar:
                for member in tar:
                    for pattern, sub in layout:
                        m = pattern.match(member.name)
                        if m and member.isfile():
                            path = os.path.join(directory, sub or "", m[1])
                            os.makedirs(os.path.dirname(path), exist_ok=True)
                            with tar.extractfile(member) as src, open(path, "wb") as dst:
                                shutil.copyfileobj(src, dst)
                            break
        if p.returncode:
            raise AptError(f"{os.path.basename(deb)} cannot be unpacked")
    for part in ("vmlinuz", "config", "modules"):
        if not os.path.exists(os.path.join(directory, part)):
            raise AptError(f"{part} is missing from {', '.join(map(os.path.basename, debs))}")


def _fetch(suite, packages, directory):
    parent = os.path.dirname(directory)
    os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=parent) as tmp:
        debs, tree = os.path.join(tmp, "debs"), os.path.join(tmp, "tree")
        os.mkdir(debs)
        os.mkdir(tree)
        say(f"fetching {packages[0]} from {suite.name}")
        _extract(suite.download(packages, debs), tree)
        os.rename(tree, directory)


def _prune():
    """Removes kernels that no series means any more and that are a week old."""
    base = cache_dir()
    kept = set()
    for name in os.listdir(os.path.join(base, "resolved")):
        note = _note(os.path.join(base, "resolved", name))
        if note:
            kept.add(_kernel("", name[:-5].rpartition("-")[2], note).directory)
    for entry in os.scandir(os.path.join(base, "kernels")):
        if entry.path not in kept and time.time() - entry.stat().st_mtime > 7 * 24 * 3600:
            shutil.rmtree(entry.path, ignore_errors=True)


def _note(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def _write_note(path, note):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        json.dump(note, f)
    os.rename(path + ".tmp", path)


def _kernel(series, flavour, note):
    suffix = "cloud-amd64" if flavour == "cloud" else "amd64"
    version = f"{note['abi']}-{suffix}"
    return Kernel(series, version, os.path.join(cache_dir(), "kernels", version), note["suite"])


def get(series, flavour="cloud"):
    """The kernel that `series` ("6.1", "newest") means today, fetched if it is not here yet; "debug": built."""
    if series == "debug":
        import debug_kernel  # which needs this file
        return debug_kernel.get()
    path = os.path.join(cache_dir(), "resolved", f"{series}-{flavour}.json")

    def usable(note, age):
        return note and time.time() - note["time"] < age and \
            os.path.isdir(_kernel(series, flavour, note).directory)

    note = _note(path)
    if usable(note, FRESH):
        return _kernel(series, flavour, note)
    with cache_lock():
        note = _note(path)  # another process may have just done it
        if usable(note, FRESH):
            return _kernel(series, flavour, note)
        try:
            say(f"looking for kernel {series}")
            # With one to fall back on there is no point in patience.
            suite, abi, packages = _find(series, flavour, 1 if usable(note, float("inf")) else TRIES)
            fresh = {"abi": abi, "suite": suite.name, "time": time.time()}
            kernel = _kernel(series, flavour, fresh)
            if not os.path.isdir(kernel.directory):
                _fetch(suite, packages, kernel.directory)
            _write_note(path, fresh)
            _prune()
            return kernel
        except AptError as e:
            if not usable(note, float("inf")):
                raise
            say(f"{e}; using the cached {note['abi']}")
            _write_note(path, {**note, "time": time.time() - FRESH + 3600})
            return _kernel(series, flavour, note)
