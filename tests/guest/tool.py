# SPDX-License-Identifier: LGPL-2.1-or-later
"""pagewalk and mkmaps as the tests see them: their output as Python values."""

import contextlib
import json
import os
import re
import struct
from typing import NamedTuple


HERE = os.path.dirname(os.path.abspath(__file__))
HELPERS = os.path.join(os.path.dirname(HERE), "helpers")
SOURCES = ("bpf", "kcore")
# A guest in which every state of mkmaps can exist, but for 1G pages.
EVERY_STATE = {
    "modules": ("lzo-rle",),
    "files": (os.path.join(HELPERS, "prepare-guest"),),
    "cmdline": "secretmem.enable=y",
    "qemu": ("-device", "bochs-display"),
}
# One page of 1G. QEMU's q35 has no whole aligned GiB free with less RAM.
ONE_GIB = {"mem": 3584, "cmdline": "hugepagesz=1G hugepages=1"}


def number(text):
    """An address or raw value of pagewalk's JSON."""
    return None if text is None else int(text, 16)


class Answer:
    """The records of one --json run, by kind. `head` and `end` are checked to be there."""

    def __init__(self, out):
        self.records = [json.loads(line) for line in out.splitlines()]
        assert self.records and self.records[0]["rec"] == "head", out[:200]
        assert self.records[-1]["rec"] == "end", f"truncated: {out[-200:]!r}"
        self.head, self.end = self.records[0], self.records[-1]

    def of(self, kind):
        return [r for r in self.records if r["rec"] == kind]

    def entries(self, *kinds):
        """Entry records as (va, record), the kinds named or all."""
        return [(number(r["va"]), r) for r in self.of("entry") if not kinds or r["kind"] in kinds]


def pagewalk(g, *args, ok=(0,), timeout=120, **how):
    """Runs pagewalk in guest `g` with --json and returns its Answer."""
    rc, out, err = g.run(["pagewalk", *map(str, args), "--json"], timeout, **how)
    assert rc in ok, f"pagewalk {args} exits {rc}: {err.decode(errors='replace')}{out[-300:]!r}"
    return Answer(out)


@contextlib.contextmanager
def scanned_by(simd):
    """Has the pagewalks that are started meanwhile scan tables by "plain" or "avx2"."""
    os.environ["PAGEWALK_SIMD"] = simd
    try:
        yield
    finally:
        del os.environ["PAGEWALK_SIMD"]


class Range(NamedTuple):
    """One range of a mkmaps state, as its line says; `expect` is a list of "a" "!b" "a|b"."""

    state: str
    addr: int
    len: int
    page: int
    kind: str
    perm: str
    expect: list
    note: dict


def prepare(g):
    """Huge pages and swap, for the states that need them."""
    g.check(["sh", "/with/prepare-guest"])


class Vma(NamedTuple):
    lo: int
    hi: int
    perms: str
    name: str
    flags: frozenset
    rss: int
    key: int


def vmas(g, pid):
    """The VMAs of a process by its smaps."""
    found, head, flags, rss, key = [], None, frozenset(), 0, 0
    for line in g.check(["cat", f"/proc/{pid}/smaps"]).decode(errors="replace").splitlines() + ["0-0 ---p 0 0 0"]:
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$", line)
        if m:
            if head:
                found.append(Vma(*head, flags, rss, key))
            head, flags, rss, key = (int(m[1], 16), int(m[2], 16), m[3], m[4]), frozenset(), 0, 0
        elif line.startswith("VmFlags:"):
            flags = frozenset(line.split()[1:])
        elif line.startswith("Rss:"):
            rss = int(line.split()[1]) << 10
        elif line.startswith("ProtectionKey:"):
            key = int(line.split()[1])
    return found


def pagemap(g, pid, ranges):
    """{va: word} of /proc/PID/pagemap for the pages of [(lo, hi)], in one command."""
    script = "".join(f"dd if=/proc/{pid}/pagemap bs=65536 iflag=skip_bytes,count_bytes,fullblock "
                     f"skip={lo // 4096 * 8} count={(hi - lo) // 4096 * 8} 2>/dev/null || exit 1\n" for lo, hi in ranges)
    data = g.check(script, timeout=120)
    words = struct.unpack(f"<{len(data) // 8}Q", data)
    pages = [va for lo, hi in ranges for va in range(lo, hi, 4096)]
    assert len(pages) == len(words), f"{len(words)} words of pagemap for {len(pages)} pages"
    return dict(zip(pages, words))


class Mkmaps:
    """A running mkmaps in guest `g`."""

    LINE = re.compile(r"^state (\S+) (.*)$")

    def __init__(self, g, *args, timeout=120, **how):
        self.process = g.spawn(["mkmaps", *args], stdin=None, **how)
        self.process.wait_line(rb"(?m)^ready ", timeout)
        text = self.process.stdout.decode()
        self.pid = int(re.search(r"^pid (\d+)$", text, re.M)[1])
        self.absent = dict(re.findall(r"^absent (\S+) (.*)$", text, re.M))
        self.ranges = [self._range(m) for m in map(self.LINE.match, text.splitlines()) if m]
        self.states = list(dict.fromkeys(r.state for r in self.ranges))

    @staticmethod
    def _range(match):
        values = dict(w.split("=", 1) for w in match[2].split())
        take = {k: values.pop(k) for k in ("addr", "len", "page", "kind", "perm", "expect")}
        return Range(match[1], int(take["addr"], 16), int(take["len"], 16), int(take["page"]), take["kind"],
                     take["perm"], [e for e in take["expect"].split(",") if e], values)

    def ask(self, command, timeout=60):
        """Sends a command and returns the lines up to its `done`."""
        before = len(self.process.stdout)
        self.process.write(command.encode() + b"\n")
        done = re.compile(rb"^(done|error) .*$", re.M)
        self.process.wait_until(lambda: done.search(self.process.stdout[before:]), timeout, command)
        return self.process.stdout[before:].decode().splitlines()
