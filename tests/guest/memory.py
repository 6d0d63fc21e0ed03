# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's physical memory and page tables as the host sees them: an oracle, not a product.

RAM is one file, mapped here. Below 4 GiB it starts at 0; what does not fit under the PCI hole goes
on at 4 GiB (QEMU's q35: the split is at 2 GiB once RAM exceeds 2.75 GiB).
"""

import mmap
import os
import re
import struct
from typing import NamedTuple

GIB = 1 << 30
ADDRESS = 0x000FFFFFFFFFF000
PRESENT, WRITE, USER, PWT, PCD, ACCESSED, DIRTY, HUGE, GLOBAL = (1 << i for i in range(9))
NX = 1 << 63
# The letters of `info tlb`, in its order, and the entry's bits that they stand for.
LETTERS = (("X", NX), ("G", GLOBAL), ("P", HUGE), ("D", DIRTY), ("A", ACCESSED),
           ("C", PCD), ("T", PWT), ("U", USER), ("W", WRITE))
LINE = re.compile(r"^([0-9a-f]{16}): ([0-9a-f]{16}) ([XGPDACTUW-]{9})\r?$", re.M)


class Leaf(NamedTuple):
    """One line of `info tlb`: `flags` are the letters that are set, `bits` their bits in the entry."""

    pa: int
    flags: str
    bits: int
    size: int


class Step(NamedTuple):
    """One level of a walk: level 5..1, the entry's physical address, its raw value."""

    level: int
    entry_pa: int
    raw: int


class Memory:
    def __init__(self, path, size):
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._map = mmap.mmap(self.fd, size, access=mmap.ACCESS_READ)
        self.size = size
        self.low = 2 * GIB if size > 0xB0000000 else size

    def ranges(self):
        """[(pa, bytes)] of RAM."""
        high = self.size - self.low
        return [(0, self.low)] + ([(4 * GIB, high)] if high else [])

    def _offset(self, pa, n):
        if 0 <= pa and pa + n <= self.low:
            return pa
        if pa >= 4 * GIB and pa + n <= 4 * GIB + self.size - self.low:
            return pa - 4 * GIB + self.low
        raise ValueError(f"{pa:#x}+{n:#x} is not in the guest's RAM")

    def read(self, pa, n):
        at = self._offset(pa, n)
        return self._map[at:at + n]

    def entry(self, pa):
        return struct.unpack_from("<Q", self._map, self._offset(pa, 8))[0]

    def table(self, pa):
        """The 512 entries of a table."""
        return struct.unpack_from("<512Q", self._map, self._offset(pa, 4096))

    def walk(self, cr3, va, levels):
        """[Step] from the root to the leaf, or to the first entry that is not present."""
        steps, table = [], cr3 & ADDRESS
        for level in range(levels, 0, -1):
            pa = table + 8 * (va >> (12 + 9 * (level - 1)) & 511)
            raw = self.entry(pa)
            steps.append(Step(level, pa, raw))
            if not raw & PRESENT or (raw & HUGE and level in (2, 3)):
                break
            table = raw & ADDRESS
        return steps

    def words(self, cr3, levels):
        """{pa: raw} of all nonzero words of all tables of an address space."""
        found, seen = {}, set()

        def copy(table, level):
            if table in seen:
                return
            seen.add(table)
            for i, raw in enumerate(self.table(table)):
                if raw:
                    found[table + 8 * i] = raw
                if level > 1 and raw & PRESENT and not (level < 4 and raw & HUGE):
                    copy(raw & ADDRESS, level - 1)
        copy(cr3 & ADDRESS, levels)
        return found

    def close(self):
        self._map.close()
        os.close(self.fd)


def parse_tlb(text, level_of):
    """{va: Leaf} from `info tlb`. It prints no sizes: a leaf without P is a 4K page; P is also a 4K
    entry's PAT bit, so where both addresses are 2M-aligned `level_of(va)` looks at the tables."""
    leaves = {}
    for va, pa, letters in LINE.findall(text):
        va, pa = int(va, 16), int(pa, 16)
        bits = sum(bit for letter, bit in LETTERS if letter in letters)
        level = 1
        if bits & HUGE and not (va | pa) & 0x1FFFFF:
            level = level_of(va)
        leaves[va] = Leaf(pa, letters.replace("-", ""), bits, 1 << (12 + 9 * (level - 1)))
    return leaves
