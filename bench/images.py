#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run bench images [--runs N] [--json FILE]

All user pages of the busiest process of a 3 GiB memory image, by pagewalk, libaddrxlat and drgn, with the file in the page cache
and without; docs/performance.md says what each line is. All are measured in turn in each round, what is printed are medians and
their ratios. Nothing is asserted: times differ from machine to machine.
"""

import argparse
import os
import subprocess
import sys

import image
import report

WARM = {
    "walk": "pagewalk's walk: every leaf, merged, printed to /dev/null",
    "exact": "the same, split at every difference",
    "root": "'pagewalk dump root:PA' as a whole process",
    "pid": "'pagewalk dump PID', the kernel's root given",
    "search": "'pagewalk dump PID', the kernel searched in all of memory",
    "entries": "'pagewalk dump root:PA --entries': a line a leaf",
    "addrxlat": "libaddrxlat, page by page",
    "drgn": "drgn's memory reader, a Python walker",
    "sum": "the limit: all slots of all tables added up in place",
}
COLD = {
    "cold-root": "'pagewalk dump root:PA' as a whole process",
    "cold-pid": "'pagewalk dump PID', the kernel's root given",
    "cold-search": "'pagewalk dump PID', the kernel searched in all of memory",
    "cold-addrxlat": "libaddrxlat, the loop alone",
    "cold-drgn": "drgn, the loop alone",
    "cold-read": "the limit: each table by one pread, in the order of the file",
}
WHOLE = ("root", "pid", "search", "cold-root", "cold-pid", "cold-search")


def python_with_drgn():
    """Debian's drgn is for Debian's Python, which need not be the one that runs here."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import drgn"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return python
    sys.exit("bench: no Python has drgn: install python3-drgn")


class Bench:
    def __init__(self):
        self.raw, self.facts = image.get()
        self.python = python_with_drgn()
        self.pagewalk = os.path.join(report.BUILD, "pagewalk")
        self.leaves = self._leaves()
        self.times, self.pages, self.tables = {}, 0, 0

    def _leaves(self):
        """What libaddrxlat is asked for: the pages that there are, as "LO HI" lines."""
        f = self.facts
        out = subprocess.run([self.pagewalk, "dump", f"root:{f['root']}", "--user", "-s", f"raw:{self.raw}", "--ranges", f["ranges"],
                              "--paging", str(f["levels"]), "--columns", "va,end,kind", "--noheadings"],
                             check=True, stdout=subprocess.PIPE, text=True).stdout
        return "".join(f"{va} {end}\n" for va, end, kind in map(str.split, out.splitlines()) if kind == "leaf")

    def drop(self):
        fd = os.open(self.raw, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)

    def add(self, way, pages, ns):
        assert pages == self.pages, f"{way} has {pages} pages, pagewalk {self.pages}"
        self.times.setdefault(way, []).append(ns)

    def by_pagewalk(self):
        f = self.facts
        found = report.lines_of([os.path.join(report.BUILD, "bench", "images"), self.pagewalk, self.raw, f["ranges"],
                                 str(f["pid"]), f["root"], str(f["levels"]), f["kernel_root"]])
        (self.pages, self.tables), = found.pop("tables")
        for way, measured in found.items():
            for pages, ns in measured:
                self.add(way, pages, ns)

    def by_peers(self, prefix, loops):
        """The last of so many loops in a process of its own."""
        f = self.facts
        addrxlat = [os.path.join(report.BUILD, "tests/peers/addrxlat"), self.raw, f["root"], str(f["levels"]), "--raw", f["ranges"],
                    "--time", str(loops)]
        drgn = [self.python, os.path.join(report.TREE, "bench/drgn_walk.py"), self.raw, f["ranges"], f["root"], str(f["levels"]),
                str(loops)]
        for way, command, given in (("addrxlat", addrxlat, self.leaves), ("drgn", drgn, "")):
            if prefix:
                self.drop()
            out = subprocess.run(command, check=True, input=given, stdout=subprocess.PIPE, text=True).stdout
            self.add(prefix + way, *map(int, out.split()))

    def round(self):
        self.by_pagewalk()
        self.by_peers("", 2)
        self.by_peers("cold-", 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", help="write the figures there")
    args = parser.parse_args()
    b = Bench()
    print(f"bench: {args.runs} rounds", file=sys.stderr)
    for _ in range(args.runs):
        b.round()

    print(f"{b.pages} pages of 4K in {b.tables} tables of one process, {os.path.getsize(b.raw) >> 20} MiB raw; medians of {args.runs}\n")
    print("warm: all that is read is in the page cache")
    report.table(WARM, b.times, b.pages, "leaf", "walk", whole=WHOLE)
    print("\ncold: the file was dropped from the page cache (posix_fadvise)")
    report.table(COLD, b.times, b.pages, "leaf", "cold-root", whole=WHOLE)
    m = report.medians(b.times)
    print(f"\nwarm, the walk is {m['addrxlat'] / m['walk']:.0f} x as fast as libaddrxlat and {m['drgn'] / m['walk']:.0f} x as fast as drgn, "
          f"{m['walk'] / m['sum']:.1f} x the time of adding up all slots;\ncold, a whole process takes {m['cold-root'] / 1e6:.0f} ms, libaddrxlat "
          f"{m['cold-addrxlat'] / m['cold-root']:.1f} x and drgn {m['cold-drgn'] / m['cold-root']:.1f} x that")
    report.write_json(args.json, pages=b.pages, tables=b.tables, ns=b.times)


if __name__ == "__main__":
    main()
