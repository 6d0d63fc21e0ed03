# SPDX-License-Identifier: LGPL-2.1-or-later
"""What looking at a space costs: its tables, each read once, whatever is mapped or reserved; and memory that does not grow with any of it.

The kernel's count of tables is VmPTE, which has those of pte, pmd and pud. Times are bench/curve.py's matter.
"""

import json
import re

from testing import guest_test

SOURCES = ("bpf", "kcore")
ROOM = 1024  # KiB by which the peak may differ: lists of VMAs, where they are long, are more


class Victim:
    def __init__(self, g, *shapes):
        self.g = g
        self.process = g.spawn(["victim", *shapes], stdin=None)
        self.shapes = 0
        self.pid = self._next()

    def _next(self):
        self.shapes += 1
        made = self.process.wait_line(rb"(\d+) [0-9a-f]+ \d+\n" * self.shapes, 240)
        assert made, self.process.stderr
        return int(made[1])

    def grow(self):
        self.process.write(b"\n")
        self._next()

    def vm_pte(self):
        return int(re.search(r"VmPTE:\s+(\d+) kB", self.g.check(f"cat /proc/{self.pid}/status").decode())[1]) // 4

    def vmas(self):
        return int(self.g.check(f"wc -l </proc/{self.pid}/maps"))


def walk(g, v, source):
    """(the end record of a dump, peak memory in KiB)"""
    end = json.loads(g.check(f"pagewalk dump {v.pid} -s {source} --json | tail -n 1"))
    assert end["rec"] == "end" and end["complete"] and not end["unstable"] and not end["unreadable"], end
    peak = g.check(f"timeit peak 1 0 /usr/bin/pagewalk dump {v.pid} -s {source}").split()
    assert peak[-3] == b"rss:peak", peak
    return end, int(peak[-1])


def upper_tables(g):
    """The root, and the p4d table of a process that has nothing above 47 bits."""
    return 2 if g.levels == 5 else 1


@guest_test(kernels=("5.10-4", "6.1-5", "7.2-5"), each=SOURCES)
def test_what_is_reserved_costs_nothing(g, source):
    shapes = ["none:40000", "rw:40000", *(["high:32"] if g.levels == 5 else [])]  # GiB; PiB
    v = Victim(g, "pages:16", *shapes)
    first, least = walk(g, v, source)
    assert first["tables"] == v.vm_pte() + upper_tables(g), (first, v.vm_pte())
    for shape in shapes:
        v.grow()
        end, peak = walk(g, v, source)
        print(f"     {g.name} {source}: {shape}: {end['tables']} tables, {peak} KiB", flush=True)
        assert end["tables"] == v.vm_pte() + upper_tables(g) and end["tables"] - first["tables"] <= 1, (shape, first, end)
        assert end["leaves"] - first["leaves"] <= 4, (shape, first, end)  # pages of its own stack and heap
        assert peak < least + ROOM, (shape, least, peak)


@guest_test(kernels=("5.10-4", "7.2-5"), each=SOURCES, mem=512)
def test_a_tib_of_hugetlb_costs_its_entries(g, source):
    g.check("echo 32 >/proc/sys/vm/nr_hugepages && [ $(cat /proc/sys/vm/nr_hugepages) = 32 ]")
    v = Victim(g, "nothing", "hugetlb:1024:32")
    small, least = walk(g, v, source)
    v.grow()
    end, peak = walk(g, v, source)
    g.check("echo 0 >/proc/sys/vm/nr_hugepages")
    print(f"     {g.name} {source}: {end['leaves']} leaves, {end['tables']} tables, {v.vmas()} VMAs, {peak} KiB", flush=True)
    assert (1 << 19) <= end["leaves"] - small["leaves"] <= (1 << 19) + 64, (small, end)
    assert end["tables"] == v.vm_pte() + upper_tables(g), (end, v.vm_pte())
    assert end["tables"] - small["tables"] in range(1024, 1032), (small, end)
    assert peak < least + ROOM + v.vmas() // 4, (least, peak)  # 16,384 VMAs, 256 bytes each
