# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private apt root: packages of any Debian suite without touching the host's apt.

One root a suite, so that a suite that cannot be had spoils nothing else. The mirror is the one that
the host's own sources name; the archive keyring on the host verifies every suite.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
RELEASE = re.compile(
    r"^(bullseye|bookworm|trixie|forky|duke|sid|(old){0,2}stable|testing|unstable)(-[a-z-]+)?$"
)
TRIES = 4


class AptError(Exception):
    """A suite or package that cannot be had; the text says why."""


def say(text):
    print(f"guest: {text}", file=sys.stderr, flush=True)


def host_mirrors():
    """(uri of the archive, uri of the security archive), from the host's own sources."""
    out = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"],
        capture_output=True, text=True, check=False,
    ).stdout
    main = security = None
    for line in out.splitlines():
        uri, _, release = line.partition(" ")
        if not RELEASE.match(release):
            continue
        if release.endswith("-security"):
            security = security or uri
        else:
            main = main or uri
    if not main and not security:
        raise AptError("no Debian archive in this machine's apt sources to fetch kernels from")
    # Mirrors carry the two side by side.
    main = main or re.sub(r"debian-security/?$", "debian/", security)
    security = security or re.sub(r"debian/?$", "debian-security/", main)
    return main, security


class Suite:
    """One suite in a private apt root below `base`. The caller holds the cache's lock."""

    def __init__(self, name, base):
        self.name = name
        self.root = os.path.join(base, name)

    def _options(self):
        r = self.root
        return [
            "-o", "APT::Architecture=amd64", "-o", "APT::Architectures=amd64",
            "-o", f"Dir::Etc::sourcelist={r}/sources.list", "-o", "Dir::Etc::sourceparts=/dev/null",
            "-o", f"Dir::State={r}/state", "-o", f"Dir::State::status={r}/state/status",
            "-o", f"Dir::Cache={r}/cache", "-o", "APT::Sandbox::User=root",
            # Suites past their life are tested too; signatures are still checked.
            "-o", "Acquire::Check-Valid-Until=false", "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=0",
        ]

    def _apt(self, tool, *args, cwd=None):
        return subprocess.run(
            [tool, *self._options(), *args], capture_output=True, text=True, check=False, cwd=cwd,
            stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"},
        )

    def _retry(self, what, *args, tries=TRIES, cwd=None):
        for attempt in range(tries):
            done = self._apt("apt-get", *args, cwd=cwd)
            # `update` exits 0 when a list could not be fetched and an old one is used.
            if done.returncode == 0 and not re.search(r"^(E|W): .*(Failed|failed)", done.stderr, re.M):
                return
            if attempt + 1 < tries:
                time.sleep(2 * 3 ** attempt)
                say(f"{what}: trying again ({attempt + 2} of {tries})")
        errors = [l for l in done.stderr.splitlines() if l.startswith(("E:", "W:"))] or ["no reason given"]
        raise AptError(f"{what}: {errors[0]}")

    def update(self, tries=TRIES):
        """Fetch the suite's package lists."""
        main, security = host_mirrors()
        for d in ("state/lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(self.root, d), exist_ok=True)
        open(os.path.join(self.root, "state/status"), "a", encoding="ascii").close()
        uri = security if self.name.endswith("-security") else main
        with open(os.path.join(self.root, "sources.list"), "w", encoding="ascii") as f:
            f.write(f"deb [signed-by={KEYRING}] {uri} {self.name} main\n")
        self._retry(f"package lists of {self.name}", "update", tries=tries)

    def names(self, prefix):
        """Package names that start with `prefix`."""
        return self._apt("apt-cache", "pkgnames", prefix).stdout.split()

    def depends(self, package):
        """Names of the packages that one depends on, alternatives and all."""
        out = self._apt("apt-cache", "depends", package).stdout
        return re.findall(r"^[ |]*Depends: ([^<\s]+)$", out, re.M)

    def download(self, packages, directory):
        """Download packages into `directory`; returns the paths of the .debs."""
        self._retry(f"download from {self.name}", "download", *packages, cwd=directory)
        return [os.path.join(directory, n) for n in os.listdir(directory) if n.endswith(".deb")]

    @contextlib.contextmanager
    def unpacked(self, packages, directory):
        """Packages in a new `directory`, which appears whole at the end; until then what it gives can be changed."""
        os.makedirs(os.path.dirname(directory), exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=os.path.dirname(directory)) as tmp:
            debs, tree = os.path.join(tmp, "debs"), os.path.join(tmp, "tree")
            os.mkdir(debs)
            say(f"fetching {packages[0]} from {self.name}")
            for deb in self.download(packages, debs):
                subprocess.run(["dpkg-deb", "-x", deb, tree], check=True)
            yield tree
            os.rename(tree, directory)
