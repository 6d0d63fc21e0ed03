#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run bench [live] [--mib N] [--runs N] [--source NAME] [--peers] [--json FILE]

Compares ways to learn where every page of a live process is: all are measured in turn in the same run, on the same
process, and what is printed are medians and their ratios. Nothing is asserted: times differ from machine to machine.
With --peers also page-types of the kernel's tools/mm, which page_types.py builds.
"""

import os
import sys

import report
from victim import PAGEWALK, available_mib, victim

# In one process, again and again.
WAYS = {
    "sum": "the limit: summing as many words as the tables have, in memory",
    "memcpy": "memcpy of as many bytes",
    "dump": "pagewalk's walk: exact tables, merged for reading, counted",
    "exact": "the same, split at every difference",
    "leaves": "pagewalk -s pagemap: leaves, merged for reading, counted",
    "bulk": "pagemap in 64 KiB reads",
    "scan": "PAGEMAP_SCAN: which pages are there, no frames",
    "smaps": "smaps, read and thrown away",
    "single": "one pread of pagemap a page",
    "open": "pagewalk: opening the live kernel, once a process",
}
RARE = ("single", "page-types")  # these take long: once

# Whole processes, output thrown away. PID and ADDR are put in.
COMMANDS = {
    "p-dump": ("'pagewalk dump PID'", [PAGEWALK, "dump", "PID"]),
    "p-exact": ("'pagewalk dump PID --exact'", [PAGEWALK, "dump", "PID", "--exact"]),
    "p-entries": ("'pagewalk dump PID --entries': a line a page", [PAGEWALK, "dump", "PID", "--entries"]),
    "p-json": ("'pagewalk dump PID --entries --json'", [PAGEWALK, "dump", "PID", "--entries", "--json"]),
    "p-stats": ("'pagewalk stats PID'", [PAGEWALK, "stats", "PID"]),
    "p-vmas": ("'pagewalk vmas PID'", [PAGEWALK, "vmas", "PID"]),
    "p-all": ("'pagewalk stats --all'", [PAGEWALK, "stats", "--all"]),
}
SMALL = {
    "t-plain": ("'pagewalk translate PID ADDR', a small process", [PAGEWALK, "translate", "PID", "ADDR"]),
    "t-brief": ("the same with --brief", [PAGEWALK, "translate", "PID", "ADDR", "--brief"]),
    "t-libbpf": ("a program that only loads the same BPF object, by libbpf", [os.path.join(report.BUILD, "bench", "load"), "bpf"]),
    "t-btf": ("a program that only reads the kernel's types, by libbpf", [os.path.join(report.BUILD, "bench", "load"), "btf"]),
    "t-both": ("a program that does both", [os.path.join(report.BUILD, "bench", "load"), "bpf", "btf"]),
    "t-version": ("'pagewalk --version': starting a program", [PAGEWALK, "--version"]),
}
LARGE = {
    "l-plain": ("'pagewalk translate PID ADDR', the large process", [PAGEWALK, "translate", "PID", "ADDR"]),
    "l-brief": ("the same with --brief", [PAGEWALK, "translate", "PID", "ADDR", "--brief"]),
}


def has_scan():
    """Since v6.7."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(c for c in minor if c.isdigit()))) >= (6, 7)


def filled_in(command, v, source):
    """With the PID and an address in the middle; the source is given to commands that look at a target."""
    words = {"PID": str(v.pid), "ADDR": f"{v.addr + v.size // 2:x}"}
    made = [words.get(c, c) for c in command]
    return made + ["-s", source] if command[0] == PAGEWALK and "--version" not in command else made


class Figures:
    """times {way: [nanoseconds]}, rss {way: KiB}."""

    def __init__(self):
        self.times, self.rss = {}, {}

    def add(self, found):
        for way, t in found.items():
            self.times.setdefault(way, []).extend(ns for _, ns in t)

    def whole(self, way, command):
        found, rss = report.whole(way, command)
        self.add(found)
        self.rss[way] = max(rss, self.rss.get(way, 0))


def in_process(f, source, v, ways):
    f.add(report.lines_of([os.path.join(report.BUILD, "bench", "live"), source, str(v.pid), f"{v.addr:x}", str(v.pages), "1", *ways]))


def measure(source, mib, runs, page_types):
    """(Figures for the process of mib MiB, the same for a tenth of it, its pages)."""
    f, tenth = Figures(), Figures()
    ways = [w for w in WAYS if w not in RARE and (w != "scan" or has_scan())]
    with victim(f"pages:{mib}") as large, victim(f"pages:{mib // 10}") as smaller, victim("pages:1") as small:
        for n in range(runs):
            print(f"bench: round {n + 1} of {runs}", file=sys.stderr)
            in_process(f, source, large, ways)
            for way, (_, command) in COMMANDS.items():
                f.whole(way, filled_in(command, large, source))
                if not n:
                    tenth.whole(way, filled_in(command, smaller, source))
            for way, (_, command) in SMALL.items():
                f.whole(way, filled_in(command, small, source))
            for way, (_, command) in LARGE.items():
                f.whole(way, filled_in(command, large, source))
        for way in ("t-plain", "t-brief"):
            tenth.rss[way] = f.rss[way]
            f.rss[way] = f.rss["l" + way[1:]]
        in_process(f, source, large, ["single"])
        if page_types:
            f.whole("page-types", [page_types, "-p", str(large.pid)])
        return f, tenth, large.pages


def print_figures(f, tenth, pages):
    m = report.medians(f.times)
    report.table({**WAYS, "page-types": "page-types -p PID, as a whole process"}, f.times, pages, "page", "dump", whole=("open",))
    print()
    report.table({way: text for way, (text, _) in COMMANDS.items()}, f.times, pages, "page", "p-dump", whole=("p-all",))
    print()
    startup = {way: text for way, (text, _) in {**SMALL, **LARGE}.items()}
    report.table(startup, f.times, pages, "page", "t-plain", whole=tuple(startup))
    for way in ("dump", "exact", "p-dump", "p-exact"):
        print(f"\n{way}: {m['bulk'] / m[way]:.1f} x as fast as bulk reads of pagemap, {m['single'] / m[way]:.0f} x as fast as one pread a page", end="")
    print(f"\nleaves: {m['leaves'] / m['bulk']:.2f} x the time of bulk reads\n")
    print(f"{'peak memory, MiB':66} {'this':>9} {'a tenth':>9}")
    for way in (*COMMANDS, "t-plain", "t-brief"):
        text = {**COMMANDS, **SMALL}[way][0]
        print(f"{text:66} {f.rss[way] / 1024:9.1f} {tenth.rss[way] / 1024:9.1f}")


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--mib", type=int, help="memory of the process that is looked at (8192, or what fits)")
    parser.add_argument("--source", default="bpf")
    parser.add_argument("--peers", action="store_true", help="page-types as well")
    args = parser.parse_args()
    page_types = None
    if args.peers:
        import page_types as build  # pylint: disable=import-outside-toplevel
        page_types = build.get()
    mib = args.mib or max(64, min(8192, available_mib() * 2 // 3))
    print(f"bench: touching {mib} MiB in 4K pages", file=sys.stderr)
    f, tenth, pages = measure(args.source, mib, args.runs, page_types)
    print(f"{pages} pages of 4K, source {args.source}, medians of {args.runs} (single, page-types: once)\n")
    print_figures(f, tenth, pages)
    report.write_json(args.json, pages=pages, source=args.source, ns=f.times, rss_kib=f.rss, rss_kib_of_a_tenth=tenth.rss)


if __name__ == "__main__":
    main()
