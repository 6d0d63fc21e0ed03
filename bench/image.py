# SPDX-License-Identifier: LGPL-2.1-or-later
"""A memory image to measure on, made once: 3 GiB of a guest in which one process has nearly all the pages.

Cache (beside that of kernels.py):

    bench/RELEASE-MEM/raw           RAM, one range after the other; a sparse file
    bench/RELEASE-MEM/facts.json    {"ranges", "pid", "root", "levels", "kernel_root"}: --ranges and so on

The folder appears by rename, whole; removing it makes a new one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import report

sys.path.insert(0, os.path.join(report.TREE, "tests", "guest"))
import images  # noqa: E402
import kernels  # noqa: E402
from vm import Guest  # noqa: E402

SERIES, LEVELS, MEM = "6.12", 4, 3072
BLOCK = 1 << 20


def copy(source, to, head=b""):
    """Without the zeros; head comes first."""
    with open(source, "rb") as f, open(to, "wb") as o:
        o.write(head)
        while data := f.read(BLOCK):
            if any(data):
                o.write(data)
            else:
                o.seek(len(data), os.SEEK_CUR)
        o.truncate()
        os.fsync(o.fileno())  # what is dirty cannot be dropped from the page cache


def _ask(raw, ranges, *args):
    out = subprocess.run([os.path.join(report.BUILD, "pagewalk"), *args, "-s", f"raw:{raw}", "--ranges", ranges, "--json"],
                         check=True, stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in out.splitlines()]


def _make(directory):
    with Guest(SERIES, LEVELS, mem=MEM) as g:
        p = g.spawn("memalloc -b 4K -m 1.7G --keep -o /dev/null", stdin=None)
        p.wait_line(rb"PID \d+ keeps it", 300)
        pid = int(re.search(rb"PID (\d+) keeps it", p.stdout)[1])
        ranges = ",".join(f"{pa:x}-{pa + n - 1:x}" for pa, _, n in images.ranges_of(g.memory))
        g.stop()
        raw = os.path.join(directory, "raw")
        copy(g.ram_path, raw)
    root = next(r["root"] for r in _ask(raw, ranges, "ps") if r["rec"] == "process" and r["pid"] == pid)
    kernel = next(r["value"] for r in _ask(raw, ranges, "info") if r["rec"] == "fact" and r["fact"] == "kernel-root")
    with open(os.path.join(directory, "facts.json"), "w", encoding="ascii") as f:
        json.dump({"ranges": ranges, "pid": pid, "root": f"{int(root, 16):x}", "levels": LEVELS,
                   "kernel_root": f"{int(kernel, 16):x}"}, f)


def once(path, what, make):
    """A folder of the cache, which make(folder) fills if it is not there yet: whole, or not at all."""
    with kernels.locked(os.path.join(kernels.cache_dir(), "bench", "lock")):
        if not os.path.exists(path):
            print(f"bench: making {what}, once", file=sys.stderr)
            work = tempfile.mkdtemp(dir=os.path.dirname(path))
            try:
                make(work)
                os.rename(work, path)
            finally:
                shutil.rmtree(work, ignore_errors=True)


def get():
    """(path of the raw file, its facts)"""
    path = os.path.join(kernels.cache_dir(), "bench", f"{kernels.get(SERIES, 'cloud').version}-{MEM}")
    once(path, f"an image of {MEM} MiB", _make)
    with open(os.path.join(path, "facts.json"), encoding="ascii") as f:
        return os.path.join(path, "raw"), json.load(f)
