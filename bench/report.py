# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measurements as a table of medians, and as JSON. Nothing is asserted: times differ from machine to machine."""

import argparse
import json
import os
import statistics
import subprocess

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TREE, "build")
HELPERS = os.path.join(BUILD, "tests", "helpers")


def parser(doc, runs=7):
    """What every benchmark takes: so many rounds, and where the figures go."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runs", type=int, default=runs)
    p.add_argument("--json", help="write the figures there")
    return p


def lines_of(command, **how):
    """{way: [(count, nanoseconds)]} of a program that prints a line a measurement: WAY COUNT NANOSECONDS."""
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **how).stdout
    found = {}
    for line in out.splitlines():
        way, count, ns = line.split()
        found.setdefault(way, []).append((int(count), int(ns)))
    return found


def whole(way, command, runs=1, given=os.devnull, statuses="014"):
    """({way: [(1, nanoseconds)]}, peak memory in KiB) of whole processes, which read the file `given`.

    statuses: digits of those with which they may end; pagewalk's 1 is that the answer is no, 4 that it is partial, as when some
    processes have ended.
    """
    with open(given, "rb") as f:
        found = lines_of([os.path.join(HELPERS, "timeit"), way, str(runs), statuses, *map(str, command)], stdin=f)
    (_, rss), = found.pop("rss:" + way)
    return found, rss


def medians(times):
    return {way: statistics.median(t) for way, t in times.items()}


def table(ways, times, pages, unit, base, whole=()):
    """A line a way of `ways` {way: text} that was measured; `whole`: those of which nanoseconds a page say nothing."""
    median = medians(times)
    print(f"{'':66} {'ms':>9} {'ns/' + unit:>8} {'spread':>7} {'x ' + base:>8}")
    for way, what in ways.items():
        if way not in times:
            continue
        m, t = median[way], times[way]
        each = f"{m / pages:8.2f}" if way not in whole else " " * 8
        print(f"{what:66} {m / 1e6:9.2f} {each} {(max(t) - min(t)) / m:6.0%} {m / median[base]:8.2f}")


def write_json(path, **values):
    if path:
        with open(path, "w", encoding="ascii") as f:
            json.dump(values, f, indent=1)
