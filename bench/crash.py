# SPDX-License-Identifier: LGPL-2.1-or-later
"""crash, which looks at a core with the kernel's debugging symbols: of Debian 13, as Debian 12's finds no process of a kernel from 6.1 on.

Cache (in the image's folder): crash/ with root/ (crash and its libraries), vmlinux and core (the image as an ELF core, all of it once more).
"""

import contextlib
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile

import image
import report

sys.path.insert(0, os.path.join(report.TREE, "tests", "guest"))
import kernels  # noqa: E402
import modules  # noqa: E402
from apt import AptError  # noqa: E402

SUITE = "trixie"
PAGE = 4096
REPEAT = 5
NOTE = b"VMCOREINFO\0\0"


def _vmcoreinfo(ram):
    at = ram.find(b"OSRELEASE=")
    while at >= 0:
        text = ram[at:ram.find(b"\0", at)]
        if b"KERNELOFFSET=" in text and b"NUMBER(phys_base)=" in text:
            return text
        at = ram.find(b"OSRELEASE=", at + 1)
    raise AptError("the image has no VMCOREINFO")


def _header(text, ranges):
    """An ELF core's header: the note, and each range after the other from the next page on."""
    note = struct.pack("<III", 11, len(text), 0) + NOTE + text + b"\0" * (-len(text) % 4)
    notes = 64 + 56 * (1 + len(ranges))
    at = (notes + len(note) + PAGE - 1) // PAGE * PAGE
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1 + len(ranges), 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 4, 0, notes, 0, 0, len(note), len(note), 0)
    first = at
    for lo, hi in ranges:
        head += struct.pack("<IIQQQQQQ", 1, 7, at, 0, lo, hi - lo + 1, hi - lo + 1, 0)
        at += hi - lo + 1
    return (head + note).ljust(first, b"\0")


def _write_core(raw, ranges, path):
    with open(raw, "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as ram:
        head = _header(_vmcoreinfo(ram), [tuple(int(x, 16) for x in r.split("-")) for r in ranges.split(",")])
    image.copy(raw, path, head)


def _make(directory, raw, ranges):
    kernel = kernels.get(image.SERIES, "cloud")
    root, vmlinux = os.path.join(directory, "root"), f"usr/lib/debug/boot/vmlinux-{kernel.version}"
    with kernels.cache_lock():
        newer, own = kernels.suite_of(SUITE), kernels.suite_of(kernel.suite)
        newer.update()
        with newer.unpacked(["crash", *(d for d in newer.depends("crash") if d.startswith("lib"))], root):
            pass
        own.update()
        with own.unpacked([f"linux-image-{kernel.version}-dbg"], os.path.join(directory, "symbols")) as tree:
            os.rename(os.path.join(tree, vmlinux), os.path.join(directory, "vmlinux"))
    shutil.rmtree(os.path.join(directory, "symbols"))
    _write_core(raw, ranges, os.path.join(directory, "core"))


class Crash:
    """Commands for report.whole(): `start` does nothing, `pages` writes all pages of a process to a file, REPEAT times."""

    def __init__(self, raw, facts):
        where = os.path.join(os.path.dirname(raw), "crash")
        image.once(where, "what crash needs", lambda directory: _make(directory, raw, facts["ranges"]))
        root = os.path.join(where, "root")
        self._work = tempfile.TemporaryDirectory(prefix="pagewalk-bench-")
        self._out = os.path.join(self._work.name, "out")
        self._command = [*modules.loader_of(root), os.path.join(root, "usr/bin/crash"), "-s"]
        self._files = [os.path.join(where, "vmlinux"), os.path.join(where, "core")]
        self.start = self._run("start", "quit\n")
        self.pages = self._run("pages", f"set {facts['pid']}\n" + f"vm -p > {self._out}\n" * REPEAT + "quit\n")

    def _run(self, name, commands):
        path = os.path.join(self._work.name, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(commands)
        return [*self._command, "-i", path, *self._files]

    def forget(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self._out)

    def found(self):
        """{VA: PA} of the last time that `pages` ran."""
        pages = {}
        with open(self._out, encoding="ascii", errors="replace") as f:
            for line in f:
                words = line.split()
                if len(words) == 2 and words[0][:1].isalnum() and words[0] != "VIRTUAL":
                    pages[int(words[0], 16)] = int(words[1], 16)
        return pages


def get(raw, facts):
    """None, and why on stderr, where it cannot be had."""
    try:
        return Crash(raw, facts)
    except (AptError, OSError, subprocess.CalledProcessError) as e:
        print(f"bench: without crash: {e}", file=sys.stderr)
        return None
