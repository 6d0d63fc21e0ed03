# SPDX-License-Identifier: LGPL-2.1-or-later
"""drgn_walk.py FILE RANGES ROOT LEVELS N: all pages of a user half by drgn, a table a read, N times; prints "PAGES NANOSECONDS" of the last.

drgn's own walker wants the kernel's debug information, which an image does not bring along. Its memory reader is used, on physical
memory, with the walk in Python above it.
"""

import os
import struct
import sys
import time

from drgn import Architecture, Platform, Program

ADDRESS = 0x000FFFFFFFFFF000
PRESENT, HUGE = 1, 1 << 7
TABLE = struct.Struct("<512Q")


def program(path, ranges):
    prog = Program(Platform(Architecture.X86_64))
    fd, at = os.open(path, os.O_RDONLY), 0
    for text in ranges.split(","):
        lo, last = (int(n, 16) for n in text.split("-"))
        prog.add_memory_segment(lo, last - lo + 1, lambda _pa, n, skip, _physical, at=at: os.pread(fd, n, at + skip), True)
        at += last - lo + 1
    return prog


def walk(prog, table, level, va, pages):
    shift = 12 + 9 * (level - 1)
    entries = TABLE.unpack(prog.read(table, 4096, True))
    if level == 1:
        pages += [(va + (i << 12), e & ADDRESS) for i, e in enumerate(entries) if e & PRESENT]
        return
    for i, e in enumerate(entries):
        if not e & PRESENT:
            continue
        if level < 4 and e & HUGE:
            pages += [(va + (i << shift) + skip, (e & ADDRESS & -1 << shift) + skip) for skip in range(0, 1 << shift, 4096)]
        else:
            walk(prog, e & ADDRESS, level - 1, va + (i << shift), pages)


def user_half(prog, root, levels):
    pages = []
    shift = 12 + 9 * (levels - 1)
    for i, e in enumerate(TABLE.unpack(prog.read(root, 4096, True))[:256]):
        if e & PRESENT:
            walk(prog, e & ADDRESS, levels - 1, i << shift, pages)
    return len(pages)


def main():
    path, ranges, root, levels, rounds = sys.argv[1:]
    prog = program(path, ranges)
    for _ in range(int(rounds)):
        started = time.perf_counter_ns()
        n = user_half(prog, int(root, 16), int(levels))
        ns = time.perf_counter_ns() - started
    print(n, ns)


if __name__ == "__main__":
    main()
