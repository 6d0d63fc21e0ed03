#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel that watches itself, built here from Debian's linux-source: KASAN, lockdep, kmemleak, debug.config.

    debug_kernel.py        builds it if it is not there yet and prints its directory

It is the kernel `debug` of kernels.get() and of tests. Cache (beside that of kernels.py):

    debug/VERSION-debug-HASH/    vmlinuz, config, modules/, and build/ to build modules with; HASH is debug.config's
    debug/work/                  source and objects of a build that has not ended; the next try goes on there

One that was built is used until debug.config changes or its folder is removed; newer sources do not matter to it.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

import kernels
import linux_source
from apt import AptError, say

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = os.path.join(HERE, "debug.config")
CC = "gcc-12"
PROGRESS = 60
# What KASAN's shadow, kmemleak and lockdep take of a guest's RAM, in MiB, and how much slower it all is.
RAM, SLOWNESS = 768, 4


def _hash():
    with open(CONFIG, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()[:8]


def _directory():
    return os.path.join(kernels.cache_dir(), "debug")


def _built():
    """The newest kernel that was built with today's debug.config, or None."""
    found = [d for d in glob.glob(os.path.join(_directory(), f"*-debug-{_hash()}"))
             if os.path.exists(os.path.join(d, "vmlinuz"))]
    if not found:
        return None
    best = max(found, key=lambda d: kernels.abi_key(os.path.basename(d)))
    return kernels.Kernel("debug", os.path.basename(best), best, build=os.path.join(best, "build"), ram=RAM,
                          slowness=SLOWNESS)


def _source(work):
    """The source in work/source, unpacked once."""
    source = os.path.join(work, "source")
    if not os.path.isdir(source):
        linux_source.unpack(source)
    return source


class Make:
    """The kernel's make for one source and directory of objects."""

    def __init__(self, source, objects):
        self.objects = objects
        self.log = os.path.join(objects, "log")
        os.makedirs(objects, exist_ok=True)
        self._command = ["nice", "-n", "10", "make", "-s", "-C", source, f"O={objects}", f"CC={CC}", f"HOSTCC={CC}",
                         f"LOCALVERSION=-debug-{_hash()}", "KBUILD_BUILD_USER=pagewalk", "KBUILD_BUILD_HOST=pagewalk"]
        self._env = {**os.environ, "LC_ALL": "C", "MAKEFLAGS": "", "KCONFIG_ALLCONFIG": CONFIG}

    def start(self, *arguments):
        with open(self.log, "ab") as log:
            return subprocess.Popen([*self._command, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    env=self._env)

    def __call__(self, *arguments):
        """Runs it to its end, saying now and then how far it is."""
        started, told = time.monotonic(), time.monotonic()
        p = self.start(*arguments)
        while p.poll() is None:
            time.sleep(0.2)
            if time.monotonic() - told > PROGRESS:
                told = time.monotonic()
                count = sum(n.endswith(".o") for _, _, names in os.walk(self.objects) for n in names)
                say(f"debug kernel: {count} objects after {(told - started) / 60:.0f} min")
        if p.returncode:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                raise AptError(f"the debug kernel cannot be built: make {' '.join(arguments)}\n{f.read()[-3000:]}")


def _configure(make):
    make("allnoconfig")
    with open(os.path.join(make.objects, ".config"), encoding="utf-8") as f:
        have = set(f.read().splitlines())
    with open(CONFIG, encoding="utf-8") as f:
        missing = [l for l in f.read().splitlines() if l.startswith("CONFIG_") and l not in have]
    if missing:
        raise AptError(f"this kernel does not take {', '.join(missing)} of debug.config")


def _install(make, tree):
    """What tests need of a build: some 100 MB of its gigabytes."""
    copy = os.path.join(tree, "build")
    make("run-command", f"KBUILD_RUN_COMMAND=$(srctree)/scripts/package/install-extmod-build {copy}")
    shutil.copy(os.path.join(make.objects, ".config"), os.path.join(tree, "config"))
    shutil.copy(os.path.join(make.objects, "System.map"), os.path.join(tree, "System.map"))
    os.mkdir(os.path.join(tree, "modules"))
    shutil.copy(os.path.join(make.objects, "modules.builtin"), os.path.join(tree, "modules"))
    shutil.copy(os.path.join(make.objects, "arch/x86/boot/bzImage"), os.path.join(tree, "vmlinuz"))


def _build():
    work = os.path.join(_directory(), "work")
    os.makedirs(work, exist_ok=True)
    make = Make(_source(work), os.path.join(work, f"objects-{_hash()}"))
    _configure(make)
    say(f"building the debug kernel, once: about 10 min of both CPUs of a small machine; log: {make.log}")
    make(f"-j{max(2, os.cpu_count() or 1)}", "bzImage", "modules")
    with open(os.path.join(make.objects, "include/config/kernel.release"), encoding="ascii") as f:
        release = f.read().strip()
    with tempfile.TemporaryDirectory(prefix=".new-", dir=_directory()) as tmp:
        tree = os.path.join(tmp, "tree")
        os.mkdir(tree)
        _install(make, tree)
        os.rename(tree, os.path.join(_directory(), release))
    shutil.rmtree(work, ignore_errors=True)


def get():
    """The debug kernel as a kernels.Kernel, built if it is not there yet."""
    if not _built():
        with kernels.locked(os.path.join(_directory(), "lock")):
            if not _built():  # another process may have just done it
                _build()
    return _built()


if __name__ == "__main__":
    try:
        print(get().directory)
    except AptError as e:
        sys.exit(f"{e}")
