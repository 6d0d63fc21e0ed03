#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run bench output [--runs N] [--no-guest] [--json FILE]

What it costs to print every entry of a space, as lines and as JSON: of the image of bench images, beside a bare walker in C that prints
the same bytes (bare.h), and of a guest that stands still, beside QEMU's `info tlb` of the same space. All are measured in turn in each round,
what is printed are medians and their ratios. Nothing is asserted: times differ from machine to machine.
"""

import contextlib
import json
import os
import socket
import sys
import time

import image
import report

PAGEWALK = os.path.join(report.BUILD, "pagewalk")
WAYS = {
    "walk": "pagewalk's walk alone: every leaf, merged",
    "text": "the walk, and every leaf as a line",
    "json": "the walk, and every leaf as JSON",
    "exact": "the walk, and runs split at every difference as lines",
    "exact-json": "the same as JSON",
    "bare": "a bare walker in C: the same lines",
    "whole-runs": "'pagewalk dump root:PA' as a whole process",
    "whole-text": "'pagewalk dump root:PA --entries'",
    "whole-frozen": "'pagewalk dump root:PA --entries --frozen': nothing to check",
    "whole-json": "'pagewalk dump root:PA --entries --json'",
    "tlb": "QEMU: info tlb, up to the last byte",
}
WHOLE = ("whole-runs",)
WHOLE_WAYS = {"whole-runs": [], "whole-text": ["--entries"], "whole-json": ["--entries", "--json"], "whole-frozen": ["--entries", "--frozen"]}
BUFFER = "1700M"
ENOUGH = 400_000


class Space:
    """One space in a raw file, and what was measured on it."""

    def __init__(self, raw, ranges, root, levels, half):
        self.command = [os.path.join(report.BUILD, "bench", "output"), PAGEWALK, raw, ranges, root, str(levels), half]
        self.dump = [PAGEWALK, "dump", f"root:{root}", "-s", f"raw:{raw}", "--ranges", ranges, "--paging", str(levels),
                     *(["--user"] if half == "user" else [])]
        self.times = {}
        self.leaves = self.runs = 0

    def add(self, way, ns):
        self.times.setdefault(way, []).append(ns)

    def round(self):
        found = report.lines_of(self.command)
        (self.leaves, self.runs), = found.pop("runs")
        for way, more in WHOLE_WAYS.items():
            found.update(report.whole(way, [*self.dump, *more], statuses="0")[0])
        for way, measured in found.items():
            for _, ns in measured:
                self.add(way, ns)

    def table(self, base):
        brief = self.times.pop("brief")
        report.table(WAYS, self.times, self.leaves, "leaf", base, whole=WHOLE)
        self.times["brief"] = brief

    def figures(self):
        return {"leaves": self.leaves, "runs": self.runs, "ns": self.times}


class Monitor:
    """QEMU's monitor with the answer not looked at before it is whole."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.buffer = bytearray(64 << 20)
        self._receive(b'{"QMP"')
        self._ask("qmp_capabilities")

    def _receive(self, first):
        """The line that begins so; events come before it."""
        n, at = 0, -1
        while at < 0 or self.buffer[n - 1] != ord("\n"):
            got = self.socket.recv_into(memoryview(self.buffer)[n:])
            if not got:
                sys.exit("bench: QEMU's monitor is gone")
            n += got
            at = self.buffer.find(first, 0, n) if at < 0 else at
        return memoryview(self.buffer)[at:n]

    def _ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        return self._receive(b'{"return"')

    def info_tlb(self):
        """(leaves, nanoseconds)"""
        started = time.perf_counter_ns()
        answer = self._ask("human-monitor-command", **{"command-line": "info tlb"})
        ns = time.perf_counter_ns() - started
        return json.loads(bytes(answer))["return"].count("\n"), ns


@contextlib.contextmanager
def guest():
    """(a Space, a Monitor) of a guest that stands still with its CPU in a process that has nearly all the pages."""
    print(f"bench: starting a guest of {image.MEM} MiB", file=sys.stderr)
    with image.Guest(image.SERIES, image.LEVELS, mem=image.MEM, cmdline="transparent_hugepage=never") as g:
        g.spawn(f"exec dd if=/dev/zero of=/dev/null bs={BUFFER}", stdin=None)
        monitor, leaves, end = Monitor(g.qmp_path), 0, time.monotonic() + 300
        while leaves < ENOUGH:
            if time.monotonic() > end:
                sys.exit("bench: the guest's process did not get its pages")
            g.cont()
            time.sleep(1)
            g.stop()
            leaves, _ = monitor.info_tlb()
        ranges = ",".join(f"{pa:x}-{pa + n - 1:x}" for pa, _, n in image.images.ranges_of(g.memory))
        root = g.registers()["CR3"] & ~0xFFF
        yield Space(g.ram_path, ranges, f"{root:x}", image.LEVELS, "both"), monitor


def measure(runs, space, other, monitor):
    for _ in range(runs):
        space.round()
        if not monitor:
            continue
        other.round()
        leaves, ns = monitor.info_tlb()
        if leaves != other.leaves:
            sys.exit(f"bench: info tlb has {leaves} leaves, pagewalk {other.leaves}")
        other.add("tlb", ns)


def of_image():
    raw, facts = image.get()
    return Space(raw, facts["ranges"], facts["root"], facts["levels"], "user")


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--no-guest", action="store_true", help="without the guest and info tlb")
    args = parser.parse_args()
    space, other = of_image(), None
    if args.no_guest:
        measure(args.runs, space, None, None)
    else:
        with guest() as (other, monitor):
            measure(args.runs, space, other, monitor)

    print(f"the image: {space.leaves} leaves in {space.runs} runs that are alike; medians of {args.runs}\n")
    space.table("bare")
    m = report.medians(space.times)
    print(f"\nlines take {m['text'] / m['bare']:.2f} x the bare walker's time, JSON {m['json'] / m['text']:.2f} x that of lines; "
          f"a line of translate --brief is\nwritten in {m['brief'] / 1e6:.0f} ns")
    if other:
        print(f"\nthe guest, both halves of one space: {other.leaves} leaves\n")
        other.table("text")
        m = report.medians(other.times)
        print(f"\ninfo tlb takes {m['tlb'] / m['text']:.0f} x the time of lines, {m['tlb'] / m['whole-text']:.0f} x that of a whole process that "
              f"has yet to find the kernel")
    report.write_json(args.json, image=space.figures(), guest=other and other.figures())


if __name__ == "__main__":
    main()
