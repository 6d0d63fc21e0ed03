#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run bench images [--runs N] [--json FILE]

All user pages of the busiest process of a 3 GiB memory image, by pagewalk, libaddrxlat, drgn and crash, with the file in the page cache
and without; docs/performance.md says what each line is. All are measured in turn in each round, what is printed are medians and
their ratios. Nothing is asserted: times differ from machine to machine.
"""

import os
import statistics
import subprocess
import sys
import tempfile

import crash
import image
import report

WARM = {
    "walk": "pagewalk's walk: every leaf, merged, printed to /dev/null",
    "exact": "the same, split at every difference",
    "walk-count": "every leaf, merged, and only counted",
    "exact-count": "the same, split at every difference",
    "root": "'pagewalk dump root:PA' as a whole process",
    "part": "the same of a range with a tenth of the pages",
    "smeared": "'pagewalk dump root:PA', not known to have stood still",
    "pid": "'pagewalk dump PID', the kernel's root given",
    "search": "'pagewalk dump PID', the kernel searched in all of memory",
    "entries": "'pagewalk dump root:PA --entries': a line a leaf",
    "entries-part": "the same of a range with a tenth of the pages",
    "bare": "a process that only reads the tables, level by level",
    "addrxlat": "libaddrxlat, page by page",
    "drgn": "drgn's memory reader, a Python walker",
    "crash-start": "crash: reading the symbols, and no more",
    "crash": f"crash: {crash.REPEAT} times vm -p, a line a page, and that start",
    "sum": "the limit: all slots of all tables added up in place",
}
COLD = {
    "cold-root": "'pagewalk dump root:PA' as a whole process",
    "cold-smeared": "the same, not known to have stood still",
    "cold-pid": "'pagewalk dump PID', the kernel's root given",
    "cold-search": "'pagewalk dump PID', the kernel searched in all of memory",
    "cold-addrxlat": "libaddrxlat, the loop alone",
    "cold-drgn": "drgn, the loop alone",
    "cold-bare": "a process that only reads the tables, level by level",
    "cold-read": "the limit: each table by one pread, in the order of the file",
}
TRANSLATE = {
    "random": "pw_translate(), 64 at a time, pages anywhere",
    "sequential": "the same, one page after another",
    "translate": "'pagewalk translate root:PA - --brief', as a whole process",
}
TRANSLATIONS = 1000000
CRASHES = 3  # rounds with crash, which takes 10 s
WHOLE = ("crash-start", "crash", "root", "part", "smeared", "pid", "search", "bare", "cold-root", "cold-smeared", "cold-pid", "cold-search", "cold-bare")


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
        self.addresses = tempfile.NamedTemporaryFile(prefix="pagewalk-bench-")
        self.times, self.kib, self.pages, self.tables = {}, {}, 0, 0
        self.crash = crash.get(self.raw, self.facts)

    def dump(self, *more, of=None):
        """The command that dumps the space, or another one."""
        f = self.facts
        return [self.pagewalk, "dump", of or f"root:{f['root']}", "--user", "-s", f"raw:{self.raw}", "--ranges", f["ranges"],
                "--paging", str(f["levels"]), *more]

    def _leaves(self):
        """What libaddrxlat is asked for: the pages that there are, as "LO HI" lines."""
        out = subprocess.run(self.dump("--frozen", "--columns", "va,end,kind", "--noheadings"), check=True, stdout=subprocess.PIPE,
                             text=True).stdout
        return "".join(f"{va} {end}\n" for va, end, kind in map(str.split, out.splitlines()) if kind == "leaf")

    def part(self):
        """A range with a tenth of the pages: of the longest one."""
        lo, hi = max(((int(va, 16), int(end, 16)) for va, end in map(str.split, self.leaves.splitlines())), key=lambda r: r[1] - r[0])
        return f"{lo:x}-{min(hi, lo + self.pages // 10 * 4096):x}"

    def drop(self):
        fd = os.open(self.raw, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)

    def add(self, way, pages, ns):
        assert pages == self.pages, f"{way} has {pages} pages, pagewalk {self.pages}"
        self.times.setdefault(way, []).append(ns)

    def by_library(self):
        f = self.facts
        found = report.lines_of([os.path.join(report.BUILD, "bench", "images"), self.raw, f["ranges"], f["root"], str(f["levels"]),
                                 self.addresses.name])
        (self.pages, self.tables), = found.pop("tables")
        for way, measured in found.items():
            for count, ns in measured:
                self.add(way, self.pages if count == TRANSLATIONS else count, ns)

    def whole(self, way, command, given=os.devnull, statuses="0"):
        """A process from its start to its end."""
        if way.startswith("cold"):
            self.drop()
        found, kib = report.whole(way, command, given=given, statuses=statuses)
        self.add(way, self.pages, found[way][0][1])
        self.kib.setdefault(way, []).append(kib)

    def by_processes(self):
        f = self.facts
        pid, given = self.dump("--frozen", of=str(f["pid"])), ("--root", f["kernel_root"])
        bare = [os.path.join(report.BUILD, "bench", "reader"), self.raw, f["ranges"], f["root"], str(f["levels"])]
        # What is warm has just been read by the same command.
        self.whole("cold-bare", bare)
        self.whole("bare", bare)
        self.whole("cold-root", self.dump("--frozen"))
        self.whole("root", self.dump("--frozen"))
        self.whole("part", self.dump(self.part(), "--frozen"))
        self.whole("entries", self.dump("--frozen", "--entries"))
        self.whole("entries-part", self.dump(self.part(), "--frozen", "--entries"))
        self.whole("cold-smeared", self.dump())
        self.whole("smeared", self.dump())
        self.whole("cold-pid", [*pid, *given])
        self.whole("pid", [*pid, *given])
        self.whole("cold-search", pid)
        self.whole("search", pid)
        self.whole("translate", [self.pagewalk, "translate", f"root:{f['root']}", "-", "--brief", "-s", f"raw:{self.raw}", "--ranges",
                                 f["ranges"], "--paging", str(f["levels"]), "--frozen"], self.addresses.name)

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

    def by_crash(self):
        self.whole("crash-start", self.crash.start)
        self.crash.forget()
        self.whole("crash", self.crash.pages)
        out = subprocess.run(self.dump("--frozen", "--entries", "--columns", "va,pa", "--noheadings"), check=True, stdout=subprocess.PIPE,
                             text=True).stdout
        ours = {int(va, 16): int(pa, 16) for va, pa in map(str.split, out.splitlines())}
        assert self.crash.found() == ours, "crash and pagewalk do not find the same pages"

    def round(self, n):
        self.by_library()
        self.by_processes()
        if self.crash and n < CRASHES:
            self.by_crash()
        self.by_peers("", 2)
        self.by_peers("cold-", 1)


def main():
    args = report.parser(__doc__).parse_args()
    b = Bench()
    print(f"bench: {args.runs} rounds", file=sys.stderr)
    for n in range(args.runs):
        b.round(n)

    print(f"{b.pages} pages of 4K in {b.tables} tables of one process, {os.path.getsize(b.raw) >> 20} MiB raw; medians of {args.runs} (crash: {min(args.runs, CRASHES)})\n")
    print("warm: all that is read is in the page cache")
    report.table(WARM, b.times, b.pages, "leaf", "walk", whole=WHOLE)
    print("\ncold: the file was dropped from the page cache (posix_fadvise)")
    report.table(COLD, b.times, b.pages, "leaf", "cold-root", whole=WHOLE)
    print(f"\n{TRANSLATIONS} translations, warm")
    report.table(TRANSLATE, b.times, TRANSLATIONS, "address", "random")
    print("\npeak memory of whole processes, MiB")
    for way, kib in b.kib.items():
        print(f"{ {**WARM, **COLD, **TRANSLATE}[way] + (', cold' if way.startswith('cold') else ''):75} {statistics.median(kib) / 1024:6.1f}")
    m = report.medians(b.times)
    print(f"\nwarm, the walk is {m['addrxlat'] / m['walk']:.0f} x as fast as libaddrxlat and {m['drgn'] / m['walk']:.0f} x as fast as drgn, "
          f"{m['walk'] / m['sum']:.1f} x the time of adding up all slots;\nsplit at every difference and counted "
          f"{m['exact-count'] / m['sum']:.1f} x that; an address anywhere {m['random'] / TRANSLATIONS:.0f} ns;\ncold, a whole process takes "
          f"{m['cold-root'] / 1e6:.0f} ms, {m['cold-root'] / m['cold-bare']:.2f} x one that only reads the tables; libaddrxlat "
          f"{m['cold-addrxlat'] / m['cold-root']:.1f} x and drgn {m['cold-drgn'] / m['cold-root']:.1f} x that")
    if b.crash:
        each = (m["crash"] - m["crash-start"]) / crash.REPEAT
        print(f"crash has the same {b.pages} pages; it takes {each / 1e6:.0f} ms for them beside its start of {m['crash-start'] / 1e6:.0f} ms, "
              f"{each / m['entries']:.0f} x the time of a whole pagewalk that prints them")
    report.write_json(args.json, pages=b.pages, tables=b.tables, translations=TRANSLATIONS, ns=b.times, kib=b.kib)


if __name__ == "__main__":
    main()
