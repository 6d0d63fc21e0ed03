#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run bench [--mib N] [--runs N] [--source NAME] [--json FILE]

Compares ways to learn where every page of a live process is: all are measured in turn in the same run, on the same
process, and what is printed are medians and their ratios. Nothing is asserted: times differ from machine to machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TREE, "build")
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
    with open("/proc/meminfo") as f:
        for line in f:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    return 0


def in_process(source, mib, runs):
    """{way: [nanoseconds]} and the number of pages, from bench/live."""
    print(f"bench: touching {mib} MiB in 4K pages, {runs} rounds of each way", file=sys.stderr)
    command = [os.path.join(BUILD, "bench", "live"), source, str(mib), str(runs), os.path.join(BUILD, "pagewalk")]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    times, pages = {}, 0
    for line in out.splitlines():
        way, pages, ns = line.split()
        times.setdefault(way, []).append(int(ns))
    return times, int(pages)


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
    times, pages = in_process(args.source, mib, args.runs)
    times["memcpy"] = memcpy_times(pages, args.runs)
    rss = times.pop("rss")[0]

    median = {way: statistics.median(t) for way, t in times.items()}
    print(f"{pages} pages of 4K, source {args.source}, medians of {args.runs} (single: once)\n")
    print(f"{'':58} {'ms':>9} {'ns/page':>8} {'spread':>7} {'x dump':>8}")
    for way, what in WAYS.items():
        m, t = median[way], times[way]
        page = f"{m / pages:8.2f}" if way not in ("open", "process") else " " * 8
        print(f"{what:58} {m / 1e6:9.2f} {page} {(max(t) - min(t)) / m:6.0%} {m / median['dump']:8.2f}")
    print(f"\ndump is {median['bulk'] / median['dump']:.1f} x as fast as bulk reads of pagemap, "
          f"{median['single'] / median['dump']:.0f} x as fast as one pread a page; "
          f"{median['dump'] / median['memcpy']:.1f} x the time of a memcpy of the tables; "
          f"peak memory of the process {rss / 1024:.1f} MiB")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"pages": pages, "source": args.source, "ns": times, "process_rss_kib": rss}, f, indent=1)


if __name__ == "__main__":
    main()
