# SPDX-License-Identifier: LGPL-2.1-or-later
"""pagewalk audit of the user half: entries of a process that contradict its VMAs, that lead where they must not, that the CPU faults on. They are written into
the memory of a guest that stands still, an image is taken, and each is found there by its rule, at its place, and nothing else that was not there before."""

import os
import tempfile

from images import ranges_of, write_raw
from local import Host
from memory import ADDRESS, HUGE, NX, PRESENT, USER, WRITE
from smear import Symbols
from testing import guest_test
from tool import Mkmaps, number, pagewalk

NO_RAM = 1 << 38


class Process:
    """The tables of a mkmaps, to write into: `plant` remembers what was there."""

    def __init__(self, g, m):
        self.g, self.m = g, m
        self.root = next(number(r["root"]) for r in pagewalk(g, "ps").of("process") if r["pid"] == m.pid)
        self.before, self.expected = {}, set()
        self.ram = open(g.ram_path, "r+b", buffering=0)

    def page(self, state, n=0, kind="leaf"):
        ranges = [r for r in self.m.ranges if r.state == state and r.kind == kind]
        return ranges[0].addr + 4096 * n

    def step(self, va, level=1):
        return next(s for s in self.g.walk(va, cr3=self.root) if s.level == level)

    def plant(self, pa, raw, va, *rules):
        self.before.setdefault(pa, self.g.memory.entry(pa))
        self.write(pa, raw)
        self.expected |= {(rule, va) for rule in rules}

    def write(self, pa, raw):
        assert pa + 8 <= self.g.memory.low
        self.ram.seek(pa)
        self.ram.write(raw.to_bytes(8, "little"))

    def undo(self):
        for pa, raw in self.before.items():
            self.write(pa, raw)
        self.ram.close()


def sparse(p):
    return sorted(r.addr for r in p.m.ranges if r.state == "sparse" and r.kind == "leaf")


def plant_most(p, text):
    """text: a frame of the kernel's code."""
    def change(va, rules, clear=0, put=0, level=1):
        step = p.step(va, level)
        p.plant(step.entry_pa, step.raw & ~clear | put, va, *rules)

    anon = p.step(p.page("anon"))
    change(p.page("anon-ro"), ["vma-write"], put=WRITE)
    change(p.page("anon-ro", 2), ["vma-exec", "user-exec-anon"], clear=NX)
    change(p.page("anon-ro", 4), ["vma-write", "vma-exec", "user-wx"], clear=NX, put=WRITE)
    change(p.page("anon", 2), ["user-supervisor"], clear=USER)
    change(p.page("anon", 4), ["not-ram"], clear=ADDRESS, put=NO_RAM + 4096)
    change(p.page("anon", 6), ["table-map"], clear=ADDRESS, put=anon.entry_pa & ADDRESS)
    change(p.page("anon", 8), ["text-alias"], clear=ADDRESS, put=text)
    change(p.page("protnone", 1, "protnone"), ["vma-none"], clear=-1, put=anon.raw)

    # Nothing is there: below the last page of the user half no VMA is, nor a table.
    top = p.page("top47")
    last, above = p.step(top), p.step(top, 2)
    p.plant(last.entry_pa - 16, anon.raw, top - 2 * 4096, "no-vma")
    p.plant(above.entry_pa - 8, NO_RAM | 0x67, (top & -1 << 21) - (1 << 21), "table-not-ram")

    alone = sparse(p)[1]  # in its 512G
    step = p.step(alone, 4)
    p.plant(step.entry_pa, step.raw | HUGE, alone & -1 << 39, "reserved")


def plant_huge(p, _):
    """A TiB of memory ends in the middle of 2M, in which others have theirs."""
    last = sparse(p)[2]
    p.plant(p.step(last, 2).entry_pa, NX | HUGE | USER | WRITE | PRESENT | 0x60, last & -1 << 21, "vma-huge")


def found_in(g, pid):
    with Host() as h, tempfile.TemporaryDirectory() as directory:
        raw = os.path.join(directory, "raw")
        write_raw(g.ram_path, ranges_of(g.memory), raw)
        answer = pagewalk(h, "audit", str(pid), "-s", raw, "--frozen", "--exact", ok=(0, 1), timeout=300)
    return {(f["rule"], number(f["va"])) for f in answer.of("finding") if f["pid"] == pid}


@guest_test(kernels=("5.10-4", "7.2-5"), timeout=300)
def test_planted_entries_of_a_process_are_found_out(g):
    m = Mkmaps(g, "--only", "anon,anon-ro,protnone,sparse,top47")
    text = g.walk(Symbols(g, "_text").va["_text"])[-1].raw & ADDRESS & -1 << 21
    before, rules = None, set()
    for plant in (plant_most, plant_huge):
        p = Process(g, m)
        g.stop()
        try:
            before = before or found_in(g, m.pid)
            plant(p, text)
            after = found_in(g, m.pid)
        finally:
            p.undo()
            g.cont()
        assert after - before == p.expected, (after - before) ^ p.expected
        rules |= {rule for rule, _ in p.expected}
    print(f"     {g.name}: {len(rules)} rules", flush=True)
