#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run bench [live] [--mib N] [--runs N] [--source NAME] [--json FILE]

Compares ways to learn where every page of a live process is: all are measured in turn in the same run, on the same
process, and what is printed are medians and their ratios. Nothing is asserted: times differ from machine to machine.
"""

import argparse
import os
import sys
import time

import report

WAYS = {
    "dump": "pagewalk's walk: exact tables, merged, printed to /dev/null",
    "exact": "the same, split at every difference",
    "bulk": "pagemap in 64 KiB reads",
    "single": "one pread of pagemap a page",
    "memcpy": "the limit: memcpy of as many bytes of tables",
    "open": "pagewalk: opening the live kernel, once a process",
    "process": "'pagewalk dump' as a whole process",
}


def available_mib():
    with open("/proc/meminfo", encoding="ascii") as f:
        for line in f:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    return 0


def in_process(source, mib, runs):
    """{way: [nanoseconds]}, the number of pages, and the peak memory of a process in KiB, from bench/live."""
    print(f"bench: touching {mib} MiB in 4K pages, {runs} rounds of each way", file=sys.stderr)
    found = report.lines_of([os.path.join(report.BUILD, "bench", "live"), source, str(mib), str(runs),
                             os.path.join(report.BUILD, "pagewalk")])
    (pages, rss), = found.pop("rss")
    return {way: [ns for _, ns in t] for way, t in found.items()}, pages, rss


def memcpy_times(pages, runs):
    source, times = bytearray(8 * pages), []
    target = bytearray(8 * pages)
    for _ in range(runs):
        started = time.perf_counter_ns()
        target[:] = source
        times.append(time.perf_counter_ns() - started)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, help="memory of the process that is looked at (8192, or what fits)")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--source", default="bpf")
    parser.add_argument("--json", help="write the figures there")
    args = parser.parse_args()
    mib = args.mib or max(64, min(8192, available_mib() * 3 // 4))
    times, pages, rss = in_process(args.source, mib, args.runs)
    times["memcpy"] = memcpy_times(pages, args.runs)

    print(f"{pages} pages of 4K, source {args.source}, medians of {args.runs} (single: once)\n")
    report.table(WAYS, times, pages, "page", "dump", whole=("open", "process"))
    m = report.medians(times)
    print(f"\ndump is {m['bulk'] / m['dump']:.1f} x as fast as bulk reads of pagemap, {m['single'] / m['dump']:.0f} x as fast as one "
          f"pread a page; {m['dump'] / m['memcpy']:.1f} x the time of a memcpy of the tables; peak memory of the process "
          f"{rss / 1024:.1f} MiB")
    report.write_json(args.json, pages=pages, source=args.source, ns=times, process_rss_kib=rss)


if __name__ == "__main__":
    main()
