#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run bench curve [--runs N] [--source NAME] [--json FILE]

What looking at a process costs as it grows: 1, 2, 4, 8 GiB of pages; then 1, 10, 100 TiB that are only reserved, inaccessible and accessible;
then mappings that are large and have few entries, and a TiB of huge pages. A plane is fitted to the first two, by least squares: so much for nothing, so much a table page, so
much a TiB reserved. Times are the least of the runs: what others on the machine took meanwhile would bend the curve. Nothing is asserted: times differ
from machine to machine.
"""

import json
import subprocess
import sys
from contextlib import contextmanager

import report
from live import Figures, in_process
from victim import PAGEWALK, available_mib, victim

SIZES = (1, 2, 4, 8)
RESERVED = (1, 10, 100)
WAYS = ("dump", "exact", "leaves")
COMMANDS = {
    "p-dump": ["dump", "PID"],
    "p-leaves": ["dump", "PID", "-s", "pagemap"],
    "p-vmas": ["vmas", "PID"],
    "p-stats": ["stats", "PID"],
    "p-leafstats": ["stats", "PID", "-s", "pagemap"],
}
TEXT = {
    "dump": "walk, exact tables, merged for reading",
    "exact": "the same, split at every difference",
    "leaves": "walk, -s pagemap",
    "p-dump": "'pagewalk dump PID'",
    "p-leaves": "'pagewalk dump PID -s pagemap'",
    "p-vmas": "'pagewalk vmas PID'",
    "p-stats": "'pagewalk stats PID'",
    "p-leafstats": "'pagewalk stats PID -s pagemap'",
}


def tables(pid, source):
    """Table pages of the process."""
    out = subprocess.run([PAGEWALK, "stats", str(pid), "--json", "-s", source], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.splitlines()[-1])["tables"]


def look(v, source, runs, pages, label):
    """One point of the curve. v is all of the process; pages of 4K are known to be in what was added last."""
    print(f"bench: {label}", file=sys.stderr)
    f = Figures()
    for _ in range(runs):
        v_ways = type("Part", (), {"pid": v.pid, "addr": v.addr, "pages": pages})
        in_process(f, source, v_ways, WAYS)
        for way, command in COMMANDS.items():
            words = [str(v.pid) if c == "PID" else c for c in command]
            f.whole(way, [PAGEWALK, *words, *([] if "-s" in words else ["-s", source])])
    return {"label": label, "tables": tables(v.pid, source), "ns": f.times, "rss": f.rss}


def growing(source, runs, most):
    """1, 2, 4, 8 GiB of pages, in steps of what is missing."""
    sizes = [s for s in SIZES if s <= most]
    steps = [s - t for s, t in zip(sizes, [0, *sizes])]
    points = []
    with victim(*(f"pages:{s * 1024}" for s in steps)) as v:
        for n, size in enumerate(sizes):
            if n:
                v.grow()
            points.append({"gib": size, "tib": 0, **look(v, source, runs, v.pages, f"{size} GiB of pages")})
    return points


def reserved(source, runs):
    """A GiB of pages, and reservations."""
    points = []
    for kind, text in (("none", "inaccessible"), ("rw", "accessible")):
        for size in RESERVED:
            with victim("pages:1024", f"{kind}:{size * 1024}") as v:
                v.grow()
                points.append({"gib": 1, "tib": size, **look(v, source, runs, 0, f"1 GiB of pages and {size} TiB reserved, {text}")})
    return points


@contextmanager
def huge_pool(pages):
    """So many more free pages of 2M in the pool; False: there are not."""
    def value(text=None):
        with open("/proc/sys/vm/nr_hugepages", "w" if text else "r", encoding="ascii") as f:
            return f.write(text) if text else int(f.read())
    try:
        before = value()
        value(str(before + pages))
    except (PermissionError, FileNotFoundError):
        yield False
        return
    try:
        yield value() >= before + pages
    finally:
        value(str(before))


def few_entries(source, runs):
    shapes = {"huge:4096": "4 GiB in pages of 2M", "file:1024:1000": "a file of 1 TiB, of which 1000 pages are mapped",
              "file:10240:1000": "a file of 10 TiB, of which 1000 pages are mapped"}
    points = []
    for shape, text in shapes.items():
        with victim(shape) as v:
            points.append(look(v, source, runs, 0, text))
    with huge_pool(64) as there:
        if not there:
            print("bench: there are no 64 huge pages for the pool (nr_hugepages, which only root can raise): no mapping of hugetlb", file=sys.stderr)
            return points
        with victim("hugetlb:1024:64") as v:
            points.append(look(v, source, runs, 0, "1 TiB of hugetlb in 8192 VMAs"))
    return points


def least(times):
    return {way: min(t) for way, t in times.items()}


def solve(a, b):
    """a x = b by elimination; a is small, square and regular."""
    n = len(b)
    rows = [[*map(float, r), float(c)] for r, c in zip(a, b)]
    for i in range(n):
        p = max(range(i, n), key=lambda k: abs(rows[k][i]))
        rows[i], rows[p] = rows[p], rows[i]
        for k in range(n):
            if k != i:
                q = rows[k][i] / rows[i][i]
                rows[k] = [x - q * y for x, y in zip(rows[k], rows[i])]
    return [rows[i][n] / rows[i][i] for i in range(n)]


def fit(points, way):
    """([ns for nothing, ns a table, ns a TiB], share of the variance that this explains)."""
    x = [[1, p["tables"], p["tib"]] for p in points]
    y = [least(p["ns"])[way] for p in points]
    normal = [[sum(r[i] * r[k] for r in x) for k in range(3)] for i in range(3)]
    c = solve(normal, [sum(r[i] * v for r, v in zip(x, y)) for i in range(3)])
    mean = sum(y) / len(y)
    rest = sum((v - sum(q * r for q, r in zip(c, row))) ** 2 for row, v in zip(x, y))
    return c, 1 - rest / sum((v - mean) ** 2 for v in y)


def print_points(points):
    print(f"{'':52} {'tables':>7}" + "".join(f"{way:>12}" for way in TEXT) + f"{'MiB':>8}")
    for p in points:
        m = least(p["ns"])
        print(f"{p['label']:52} {p['tables']:7}" + "".join(f"{m[way] / 1e6:12.2f}" for way in TEXT) + f"{max(p['rss'].values()) / 1024:8.1f}")
    print("milliseconds, least of the runs; peak memory of the largest process\n")


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--source", default="bpf")
    args = parser.parse_args()
    most = available_mib() * 2 // 3 // 1024
    points = growing(args.source, args.runs, most) + reserved(args.source, args.runs)
    few = few_entries(args.source, args.runs)
    print_points(points + few)
    fits = {way: fit(points, way) for way in TEXT}
    print(f"{'least squares: for nothing + a table page + a TiB reserved':60} {'ms':>9} {'ns/table':>9} {'ms/TiB':>9} {'R2':>6}")
    for way, ((start, table, tib), good) in fits.items():
        print(f"{TEXT[way]:60} {start / 1e6:9.2f} {table:9.0f} {tib / 1e6:9.4f} {good:6.3f}")
    report.write_json(args.json, points=points, few=few, fits=fits)


if __name__ == "__main__":
    main()
