# SPDX-License-Identifier: LGPL-2.1-or-later
"""The report of corny/intel_pagetables and `pagewalk cpu`, as values; and the same from guest RAM."""

import re
from typing import NamedTuple

from memory import ADDRESS, HUGE, PRESENT

FILE = "/sys/kernel/debug/corny/intel_pagetables"
SIZES = {"4K": 1 << 12, "2M": 1 << 21, "1G": 1 << 30}
VOLATILE = 0x60  # Accessed, Dirty
# What a line shows of a raw entry: W U PWT PCD A NX of all; D G PAT and the key of pages besides.
OF_ALL = 1 << 63 | 0x3E
WORDS = {"D": 1 << 6, "G": 1 << 8, "NX": 1 << 63}
LINE = re.compile(
    r"^(?P<indent> *)v (?P<va>[0-9a-f]{16}) (?P<last>[0-9a-f]{16}) (?P<w>[WR]) (?P<u>[UK]) (?P<pwt>PWT)? (?P<pcd>PCD)? "
    r"(?P<a>A)?(?P<words>( (D|G|PAT|key=\d+|NX))*) ((?P<size>4K|2M|1G) p|t) (?P<pa>[0-9a-f]{16})$")
ENTRY = re.compile(r"^( *)entry ([0-9a-f]{16})$")


class Line(NamedTuple):
    depth: int
    va: int
    last: int
    bits: int  # of the entry, as far as they are shown
    pa: int
    size: int  # of the pages; 0: a table
    raw: object  # of the entry line above, or None
    text: str
    remarks: tuple


def pat_bit(size):
    return 1 << 7 if size == 4096 else 1 << 12


def shown(raw, size):
    """The bits of a raw entry that a line shows; size 0: it leads to a table."""
    bits = raw & OF_ALL
    if size:
        bits |= raw & (WORDS["D"] | WORDS["G"] | pat_bit(size) | 0xF << 59)
    return bits


def _bits(m):
    bits = ((m["w"] == "W") << 1 | (m["u"] == "U") << 2 | bool(m["pwt"]) << 3 | bool(m["pcd"]) << 4 | bool(m["a"]) << 5)
    for word in m["words"].split():
        if word.startswith("key="):
            bits |= int(word[4:]) << 59
        else:
            bits |= pat_bit(SIZES[m["size"]]) if word == "PAT" else WORDS[word]
    return bits


class Report:
    """Checks the form: each line is one that is known, indented below what it belongs to, in order of address."""

    def __init__(self, text):
        assert text.endswith("\n"), text[-200:]
        self.text, self.lines, self.head = text, [], []
        entry, above = None, []
        for number, line in enumerate(text[:-1].split("\n")):
            if m := ENTRY.match(line):
                entry = m
            elif m := LINE.match(line):
                depth = len(m["indent"]) // 2
                assert entry is None or entry[1] == m["indent"], f"line {number}: {line}"
                del above[depth:]
                assert len(above) == depth, f"line {number} hangs in the air: {line}"
                new = Line(depth, int(m["va"], 16), int(m["last"], 16), _bits(m), int(m["pa"], 16),
                           SIZES.get(m["size"], 0), entry and int(entry[2], 16), line, ())
                if depth:
                    assert above[-1].va <= new.va and new.last <= above[-1].last and not above[-1].size, line
                before = next((l for l in reversed(self.lines) if l.depth == depth), None)
                assert not before or before.last < new.va, f"line {number} is not in order: {line}"
                above.append(new)
                self.lines.append(new)
                entry = None
            elif self.lines and not entry and line.strip():
                self.lines[-1] = self.lines[-1]._replace(remarks=(*self.lines[-1].remarks, line.strip()))
            else:
                assert not self.lines and not entry, f"line {number}: {line!r}"
                self.head.append(line)
        assert entry is None
        self.remarks = [r for l in self.lines for r in l.remarks if r != "the same table as before"]

    def value(self, pattern):
        m = re.search(f"(?m)^{pattern}$", "\n".join(self.head))
        assert m, f"no {pattern!r} in {self.head}"
        return m[1]

    @property
    def cr3(self):
        return int(self.value(r"cr3: 0x([0-9a-f]+)"), 16)

    def pages(self):
        """{va: (pa, size, bits)}, each page of each line."""
        found = {}
        for l in self.lines:
            for va in range(l.va, l.last + 1, l.size) if l.size else ():
                found[va] = (l.pa + va - l.va, l.size, l.bits)
        return found

    def tables(self):
        """{(depth, va): (pa of the table, bits)}"""
        return {(l.depth, l.va): (l.pa, l.bits) for l in self.lines if not l.size}

    def split_runs(self):
        """Neighbouring lines that could have been one."""
        at, bad = {}, []
        for l in self.lines:
            b = at.get(l.depth)
            for deeper in [d for d in at if d >= l.depth]:
                del at[deeper]
            at[l.depth] = l
            if (b and b.size and (b.size, b.bits, b.last + 1, b.pa + b.last + 1 - b.va) == (l.size, l.bits, l.va, l.pa)
                    and not b.remarks and not l.remarks):
                bad.append((b.text, l.text))
        return bad


class Ram:
    """All tables below a root in guest RAM: pages {va: (pa, size, raw)}, tables {(depth, va): raw}."""

    def __init__(self, g, root, levels, depth=5):
        self.pages, self.tables, self._g, self._levels, self._depth = {}, {}, g, levels, depth
        self._go(root & ADDRESS, 0, 0)

    def _go(self, table, depth, base):
        shift = 12 + 9 * (self._levels - 1 - depth)
        before = None  # a table that several entries lead to is shown once
        for i, raw in enumerate(self._g.memory.table(table)):
            if not raw & PRESENT:
                continue
            va = base + (i << shift)
            if not depth and i > 255:
                va += (1 << 64) - (1 << shift + 9)
            if shift == 12 or (shift < 39 and raw & HUGE):
                self.pages[va] = (raw & ADDRESS & ~((1 << shift) - 1), 1 << shift, raw)
                continue
            self.tables[depth, va] = raw
            if depth + 1 < min(self._depth, self._levels) and raw & ADDRESS != before:
                before = raw & ADDRESS
                self._go(raw & ADDRESS, depth + 1, va)


def differences(report, ram, half, ignore=VOLATILE):
    """What a report says otherwise than RAM about a half ("user", "kernel"), as texts."""
    def mine(va):
        return (va >> 63 != 0) == (half == "kernel")

    ours = {("page", va): v for va, v in report.pages().items() if mine(va)}
    ours |= {("table", *k): (*v, 0) for k, v in report.tables().items() if mine(k[1])}
    theirs = {("page", va): (pa, size, shown(raw, size)) for va, (pa, size, raw) in ram.pages.items() if mine(va)}
    theirs |= {("table", *k): (raw & ADDRESS, shown(raw, 0), 0) for k, raw in ram.tables.items() if mine(k[1])}

    def same(kind, a, b):
        if a is None or b is None:
            return False
        i = 2 if kind == "page" else 1
        return all((x ^ y) & ~ignore == 0 if n == i else x == y for n, (x, y) in enumerate(zip(a, b)))

    return {k: (ours.get(k), theirs.get(k)) for k in ours.keys() | theirs.keys()
            if not same(k[0], ours.get(k), theirs.get(k))}, len(theirs)


class Reader:
    """A running readstay in guest `g`."""

    def __init__(self, g, path=FILE, **how):
        self.g = g
        self.process = g.spawn(["readstay", path], stdin=None, **how)
        self.process.wait_line(rb"(?m)^ready$", 60)
        self.idle = int(re.search(rb"idle ([0-9a-f]+)", self.process.stdout)[1], 16)
        self.pid = self.process.pid

    def ask(self, command, timeout=120):
        """The answer's first line, split, and the report behind it."""
        at = len(self.process.stdout)
        self.process.write(command.encode() + b"\n")

        def whole():
            line, newline, rest = self.process.stdout[at:].partition(b"\n")
            words = line.split()
            return newline and (words[0] != b"report" or len(rest) >= int(words[1])) and (words, rest)

        self.process.wait_until(lambda: whole() or self.process.rc is not None, timeout, command)
        assert whole(), f"readstay ended: {self.process.rc} {self.process.stderr!r}"
        return whole()

    def read(self, chunk=1 << 20, timeout=120):
        (_, length, error), text = self.ask(f"read {chunk}", timeout)
        assert error == b"0", error
        return text[:int(length)].decode()

    def report(self, chunk=1 << 20, timeout=120):
        return Report(self.read(chunk, timeout))
