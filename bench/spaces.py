#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run bench spaces [--runs N] [--source NAME] [--json FILE]

All processes of this machine at once, with 0, 100, 200 and 400 more than there are: one pass over their tables counts them (stats) or finds who
maps frames (rmap), beside what else can be asked of every process; and peak memory with 400 and 4,000 more. Whole processes are measured, from start to end, in turn
in the same run. Nothing is asserted. The peer is page-types of the kernel's tools/mm, which page_types.py builds.
"""

import glob
import json
import os
import struct
import subprocess
import sys
import time
from contextlib import contextmanager

import page_types
import report

CROWDS = (0, 100, 200, 400)
FRAMES = 1000
MANY = (400, 4000)
ALL = {
    "stats": ["stats", "--all"],
    "rmap": ["rmap", "pfn:1", "--user"],
    "dump": ["dump", "--all"],
    "vmas": ["vmas", "--all"],
    "audit": ["audit", "--all"],
    "ps": ["ps"],
}
PAGEWALK = os.path.join(report.BUILD, "pagewalk")
WAYS = {
    "stats": "pagewalk stats --all",
    "rmap1": "pagewalk rmap: one frame, user halves",
    "rmap": f"the same: {FRAMES} frames",
    "smaps": "every /proc/PID/smaps, read and thrown away",
    "pagemap": "pagemap of every VMA in 64 KiB reads, thrown away",
    "page-types": "page-types -N -p PID, for each process: flags counted",
    "page-types-L": "page-types -N -L -p PID: each page and its frame, thrown away",
}


@contextmanager
def crowd(n):
    """So many more processes, with 30 VMAs each."""
    if not n:
        yield
        return
    with subprocess.Popen([os.path.join(report.BUILD, "tests/helpers/crowd"), str(n), "20"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as p:
        assert p.stdout.readline() == b"ready\n", "the crowd did not come up"
        try:
            yield
        finally:
            p.stdin.close()


def pids():
    return [p.rsplit("/", 1)[1] for p in glob.glob("/proc/[0-9]*")]


def user_ranges(pid):
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as f:
            found = [tuple(int(x, 16) for x in line.split(None, 1)[0].split("-")) for line in f]
    except OSError:
        return []
    return [(lo, hi) for lo, hi in found if lo < 1 << 63]


def pagemap_words(pid):
    """Bytes of pagemap of the VMAs of a process, 64 KiB at a time."""
    try:
        fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
    except OSError:
        return
    try:
        for lo, hi in user_ranges(pid):
            at, end = lo // 512, hi // 512
            while at < end:
                data = os.pread(fd, min(65536, end - at), at)
                if not data:
                    break
                yield data
                at += len(data)
    except OSError:
        pass
    finally:
        os.close(fd)


def frames():
    """Some that processes have: from the last ones on, so that the crowd's are among them."""
    found = {}
    for pid in sorted(pids(), key=int, reverse=True):
        for data in pagemap_words(pid):
            for word in struct.unpack(f"<{len(data) // 8}Q", data):
                if word >> 63 and word & (1 << 55) - 1:
                    found[word & (1 << 55) - 1] = None
            if len(found) >= FRAMES:
                return list(found)[:FRAMES]
    sys.exit("bench: frame numbers are hidden: run this as root")


def by_pagewalk(*args, text=""):
    out = subprocess.run([PAGEWALK, *args, "--json"], input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                         check=False).stdout
    return json.loads(out.splitlines()[-1])


def read_smaps():
    for pid in pids():
        try:
            with open(f"/proc/{pid}/smaps", "rb") as f:
                f.read()
        except OSError:
            pass


def read_pagemaps():
    for pid in pids():
        for _ in pagemap_words(pid):
            pass


def by_page_types(*command):
    for pid in pids():
        subprocess.run([*command, "-N", "-p", pid], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def measure(runs, source, program):
    """({way: [ns]}, processes, tables) with the processes that there are now."""
    known = frames()
    some = "".join(f"pfn:{f:x}\n" for f in known)
    ways = {
        "stats": lambda: by_pagewalk("stats", "--all", "-s", source),
        "rmap1": lambda: by_pagewalk("rmap", f"pfn:{known[0]:x}", "--user", "-s", source),
        "rmap": lambda: by_pagewalk("rmap", "-", "--user", "-s", source, text=some),
        "smaps": read_smaps,
        "pagemap": read_pagemaps,
        "page-types": lambda: by_page_types(program),
        "page-types-L": lambda: by_page_types(program, "-L"),
    }
    times = {way: [] for way in ways}
    for _ in range(runs):
        for way, run in ways.items():
            started = time.perf_counter_ns()
            end = run()
            times[way].append(time.perf_counter_ns() - started)
            if way == "stats":
                tables = end["tables"]
    return times, len(pids()), tables


def of_many(source):
    """{command: [(ms, peak memory in MiB) a crowd]}"""
    found = {}
    for n in MANY:
        with crowd(n):
            for way, command in ALL.items():
                times, kib = report.whole(way, [PAGEWALK, *command, "-s", source])
                found.setdefault(way, []).append((times[way][0][1] / 1e6, kib / 1024))
    return found


def print_many(found):
    print(f"{'once, with so many processes more':66}" + "".join(f"{n:>18}" for n in MANY))
    for way, figures in found.items():
        print(f"{'pagewalk ' + ' '.join(ALL[way]):66}" + "".join(f"{ms:8.0f} ms {mib:3.1f} MiB" for ms, mib in figures))
    print()


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--source", default="bpf")
    args = parser.parse_args()
    program, found = page_types.get(), []
    for n in CROWDS:
        with crowd(n):
            times, processes, tables = measure(args.runs, args.source, program)
        found.append({"crowd": n, "processes": processes, "tables": tables, "ns": times})
        print(f"{n} more: {processes} processes and kernel threads, {tables} tables; medians of {args.runs}")
        report.table(WAYS, times, tables, "table", "stats")
        print()
    first, last = found[1], found[-1]
    for way in ("stats", "rmap1", "rmap"):
        more = report.medians(last["ns"])[way] - report.medians(first["ns"])[way]
        print(f"{WAYS[way]}: {more / (last['tables'] - first['tables']):.0f} ns for each table that came")
    print()
    many = of_many(args.source)
    print_many(many)
    report.write_json(args.json, found=found, many=many)


if __name__ == "__main__":
    main()
