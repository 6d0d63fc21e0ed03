# SPDX-License-Identifier: LGPL-2.1-or-later
"""mkmaps as tests use it: its table of states, its records, its commands.

    m = Mkmaps(g)                       starts it in guest `g`, spinning in user mode; waits for "ready"
    m.ranges, m.absent                  what it made (Range records), what it could not ({name: reason})
    m.command("probe all")              the lines that answer
    m.root()                            stops the guest in mkmaps; CR3
"""

import os
import re
import time
from typing import NamedTuple

HELPERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "helpers")
PREPARE = os.path.join(HELPERS, "prepare-guest")
# Guest options with which all states exist but hugetlb-1g, and what states.tsv calls that.
OPTIONS = {"cmdline": "secretmem.enable=y", "modules": ("lzo-rle",), "files": (PREPARE,),
           "qemu": ("-device", "bochs-display")}
HAVE = frozenset(("prepare", "secretmem", "display"))
# The same with the 1G page.
OPTIONS_1G = {**OPTIONS, "cmdline": "secretmem.enable=y hugepagesz=1G hugepages=1", "mem": 3584}


class Range(NamedTuple):
    """One `state` line. `expect` are attributes, "!a" for absent, "a|b" for one of them."""

    name: str
    addr: int
    len: int
    page: int
    kind: str
    perm: str
    expect: tuple
    notes: dict

    def pages(self, limit=4096):
        """The addresses of its 4K pages; of a larger range, half of `limit` from either end."""
        end = self.addr + self.len
        if self.len <= limit << 12:
            return list(range(self.addr, end, 4096))
        part = limit // 2 << 12
        return [*range(self.addr, self.addr + part, 4096), *range(end - part, end, 4096)]


class Probe(NamedTuple):
    """One `probe` line: the outcomes are "ok" or the signal."""

    name: str
    va: int
    r: str
    w: str
    x: str


def parse(text):
    """([Range], {absent state: reason}) of mkmaps' output."""
    ranges, absent = [], {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["state"]:
            f = dict(w.split("=", 1) for w in words[2:])
            expect = f.pop("expect")
            ranges.append(Range(words[1], int(f.pop("addr"), 16), int(f.pop("len"), 16), int(f.pop("page")),
                                f.pop("kind"), f.pop("perm"),
                                () if expect == "-" else tuple(expect.split(",")), f))
        elif words[:1] == ["absent"]:
            absent[words[1]] = " ".join(words[2:])
    return ranges, absent


def parse_probes(lines):
    """[Probe] of the lines that answer a probe command."""
    found = []
    for line in lines:
        m = re.match(r"^probe (\S+) va=0x([0-9a-f]+) r=(\S+) w=(\S+) x=(\S+)$", line)
        if m:
            found.append(Probe(m[1], int(m[2], 16), m[3], m[4], m[5]))
    return found


def table():
    """{state: {column: cell}} of states.tsv."""
    with open(os.path.join(HELPERS, "states.tsv"), encoding="ascii") as f:
        rows = [l.rstrip("\n").split("\t") for l in f if not l.startswith("#")]
    return {r[0]: dict(zip(rows[0][1:], r[1:], strict=True)) for r in rows[1:]}


def expected(kernel, have=HAVE):
    """The states that must exist on "6.1-5", or on "host" (there: at least these), with `have`."""
    cells = {state: row.get(kernel) or row["newest-" + kernel[-1]] for state, row in table().items()}
    return {state for state, cell in cells.items() if cell == "y" or cell in have}


class Mkmaps:
    """A running mkmaps in guest `g`."""

    def __init__(self, g, only=None, timeout=120):
        self.guest = g
        g.check(["/with/prepare-guest"])
        choice = ["--only", ",".join(only)] if only else []
        self.process = g.spawn(["mkmaps", "--spin", *choice], stdin=None)
        if not self.process.wait_line(rb"(?m)^ready .*\n", timeout):
            raise AssertionError(f"mkmaps ended: {self.process.stderr.decode(errors='replace')}")
        self.pid = self.process.pid
        self.ranges, self.absent = parse(self.process.stdout.decode())

    @property
    def made(self):
        return {r.name for r in self.ranges}

    def command(self, line, timeout=120):
        """The lines that answer `line`, without the last ("done ..."); AssertionError on "error"."""
        at = len(self.process.stdout)
        self.process.write(line.encode() + b"\n")
        m = self.process.wait_line(rb"(?ms)\A.{%d}(.*?)^(done|error) ([^\n]*)\n" % at, timeout)
        if not m or m[2] == b"error":
            raise AssertionError(f"mkmaps: {line}: {m[3].decode() if m else 'it ended'}")
        return m[1].decode().splitlines()

    def root(self, timeout=30):
        """Stops the guest while mkmaps runs in user mode; its CR3 then (with PTI the user's)."""
        mine = next(r for r in self.ranges if r.kind == "leaf" and r.notes.get("pa") is None)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            cr3 = self.guest.stop_in_user()["CR3"]
            if self.guest.walk(mine.addr, cr3=cr3)[-1].raw & 1:
                return cr3
            self.guest.cont()
            time.sleep(0.02)
        raise AssertionError("mkmaps was not seen running")

    def end(self):
        self.guest.cont()
        self.process.kill()
        self.process.wait()
