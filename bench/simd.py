#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run bench simd [--runs N] [--json FILE]

The walker and the merging of runs alone, on page tables in the program's own memory, with and without vector instructions; beside
them a loop that adds up all slots. All are measured in turn in each round, what is printed are medians and their ratios. Nothing is
asserted: times differ from machine to machine.
"""

import os

import report

SHAPES = {
    "one": "one piece of physical memory, all bits alike",
    "pieces": "pieces of 66 pages on average",
    "touched": "pieces of 66 pages; Accessed or Dirty changes every 8 pages",
    "scattered": "no two pages are neighbours",
    "sparse": "one of 8 slots is a leaf",
}
MODES = {"read": "merged for a reader", "phys": "split at physical breaks", "exact": "split at every difference"}
TABLES = 891


def print_shape(times, leaves, shape):
    median = {way: m for way, m in report.medians(times).items() if way.startswith(shape + "-")}
    limit = median[f"{shape}-sum"]
    for way, m in median.items():
        _, mode, *which = way.split("-")
        what = f"  {MODES[mode]}, {which[0]}" if which else f"{SHAPES[shape]}: the limit, all slots added up"
        t = times[way]
        print(f"{what:88} {m / 1e6:8.3f} {m / leaves[shape]:8.2f} {m / TABLES:8.0f} {(max(t) - min(t)) / m:6.0%} {m / limit:7.2f}")


def main():
    args = report.parser(__doc__, runs=21).parse_args()
    found = report.lines_of([os.path.join(report.BUILD, "bench", "simd"), str(args.runs)])
    times = {way: [ns for _, ns in t] for way, t in found.items()}
    leaves = {shape: found[f"{shape}-sum"][0][0] for shape in SHAPES}
    print(f"{TABLES} tables of 512 slots; medians of {args.runs}\n")
    print(f"{'':88} {'ms':>8} {'ns/leaf':>8} {'ns/table':>8} {'spread':>6} {'x limit':>7}")
    for shape in SHAPES:
        print_shape(times, leaves, shape)
    report.write_json(args.json, tables=TABLES, leaves=leaves, ns=times)


if __name__ == "__main__":
    main()
