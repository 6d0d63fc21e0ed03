# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each state that mkmaps puts into a process, in guests and on this machine: it exists where states.tsv says, shows the flags
that it was made to have, and every page of the process agrees with /proc/PID/pagemap (that of a VM_PFNMAP VMA, a hole there,
with the raw tables in guest RAM)."""

import os
import re
from bisect import bisect_left

from local import Host, exact_sources
from memory import ADDRESS, PRESENT as P
from testing import SERIES, guest_test, host_test
from tool import EVERY_STATE, HELPERS, Mkmaps, ONE_GIB, SOURCES, number, pagemap, pagewalk, prepare, scanned_by, vmas

HUGE_VMA = 1 << 30  # of a larger VMA only the pages around what is mapped are compared, and the sum
PRESENT, SWAPPED, UFFD_WP, SOFT_DIRTY = 1 << 63, 1 << 62, 1 << 57, 1 << 55
PFN = (1 << 55) - 1
LEAST_PAGES = 1000
# A marker is a swap entry of a type of its own, the offset says of what kind: pte_marker_entry_uffd_wp(), from which pagemap
# takes its bit 57 then. No bit of the entry itself says so.
MARKERS = {"uffd-wp": 1, "guard": 4}
VOLATILE = 0x60  # Accessed, Dirty


def expected_states(column, conditions):
    """The states that must exist there, by states.tsv, and those that may."""
    with open(os.path.join(HELPERS, "states.tsv"), encoding="ascii") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]
    at = rows[0].index(column)
    must = [r[0] for r in rows[1:] if r[at] == "y" or r[at] in conditions]
    return sorted(must), sorted(must + [r[0] for r in rows[1:] if r[at] == "?"])


class Table:
    """The entries of a dump, found by address."""

    def __init__(self, answer):
        self.entries = {}
        for va, r in answer.entries():
            assert va not in self.entries, f"{va:#x} twice"
            self.entries[va] = r
        self._sorted = sorted(self.entries)

    def at(self, va):
        """The entry that covers a page, of any size."""
        for size in (1 << 12, 1 << 21, 1 << 30):
            r = self.entries.get(va & -size)
            if r and r["size"] == size:
                return r
        return None

    def within(self, lo, hi):
        return [(va, self.entries[va]) for va in self._sorted[bisect_left(self._sorted, lo):bisect_left(self._sorted, hi)]]


def dump(g, source, pid, *more):
    answer = pagewalk(g, "-s", source, "dump", pid, "--user", "--entries", *more)
    assert answer.end["complete"] and not answer.end["unstable"] and not answer.end["unreadable"], answer.end
    return Table(answer)


def names(e):
    """The attributes of an entry, a protection key among them as mkmaps has it."""
    return set(e["attrs"]) | ({f"key={e['key']}"} if "key" in e else set())


def holds(wanted, e):
    """Whether one word of an expectation ("a", "!b", "a|b") holds for an entry."""
    found = not names(e).isdisjoint(wanted.lstrip("!").split("|"))
    return found != wanted.startswith("!")


class Kernel:
    """What the pages of a system's pagemap and its markers mean."""

    def __init__(self, g):
        version = tuple(map(int, re.match(rb"(\d+)\.(\d+)", g.check(["uname", "-r"])).groups()))
        self.pagemap_has_uffd_wp = version >= (5, 14)
        # Up to v6.1 swap-in errors had the last type: 15520a3f0469 ("mm: use pte markers for swap errors") (in v6.2)
        self.marker_type = 31 if version >= (6, 2) else 30 if version >= (5, 19) else None

    def is_marker(self, e, name):
        return "swap" in e and e["swap"]["type"] == self.marker_type and bool(e["swap"]["offset"] & MARKERS[name])

    def uffd_wp(self, e):
        return bool(e) and ("uffd-wp" in e["attrs"] or self.is_marker(e, "uffd-wp"))


def check_page(kernel, r, va, e):
    """What is wrong with the entry of one page of a state."""
    if not e or e["kind"] != r.kind or e["size"] != r.page:
        return [f"{va:#x} is not {r.kind} of {r.page}: {e}"]
    perm = r.perm if r.kind == "leaf" else "----"
    wrong = [] if e["perm"] == perm else [f"{va:#x} perm {e['perm']}, not {perm}"]
    if "pa" in r.note and number(e["pa"]) != number(r.note["pa"]) + va - r.addr:
        wrong.append(f"{va:#x} is at {e['pa']}, not {r.note['pa']}+{va - r.addr:#x}")
    if "marker" in r.note and not kernel.is_marker(e, r.note["marker"]):
        wrong.append(f"{va:#x} is no marker {r.note['marker']}: {e}")
    return wrong + [f"{va:#x} {w} does not hold: {e}" for w in r.expect if w != "-" and not holds(w, e)]


def check_range(kernel, table, r):
    """(pages that are not empty, what is wrong) of one range of a state."""
    if r.kind == "none":
        found = table.within(r.addr, r.addr + r.len) or [(r.addr, table.at(r.addr))]
        return 0, [f"{va:#x} has {e}" for va, e in found if e]
    wrong = []
    for va in range(r.addr, r.addr + r.len, r.page):
        wrong += check_page(kernel, r, va, table.at(va))
    return r.len // r.page, wrong


def check_flags(g, m, table, source):
    kernel, pages, wrong = Kernel(g), 0, []
    for r in m.ranges:
        n, bad = check_range(kernel, table, r)
        pages += n
        wrong += [f"{r.state}: {w}" for w in bad[:3]]
    assert not wrong, "\n".join(wrong[:20])
    print(f"     {g.name} {source}: {len(m.states)} states show their flags, {pages} pages", flush=True)


def check_word(kernel, va, word, e, vma):
    """What one page's word of pagemap contradicts, or None."""
    kind = e["kind"] if e else "none"
    attrs = e["attrs"] if e else []
    if word & PRESENT:
        if kind not in ("leaf", "protnone"):
            return f"{va:#x}: pagemap {word:#x} has a page, the dump {e}"
        if not word & PFN and e["pa"] is None:
            return None  # hidden from both
        pfn = (number(e["pa"]) + (va & (e["size"] - 1))) >> 12
        if pfn != word & PFN:
            return f"{va:#x}: frame {pfn:#x}, pagemap {word & PFN:#x}"
    elif word & SWAPPED:
        if kind != "soft":
            return f"{va:#x}: pagemap {word:#x} has it swapped, the dump {e}"
        offset = e["swap"]["offset"] + ((va & (e["size"] - 1)) >> 12)
        if (e["swap"]["type"], offset) != (word & 31, word >> 5 & (1 << 50) - 1):
            return f"{va:#x}: {e}, pagemap {word:#x}"
    elif kind != "none":
        return f"{va:#x}: nothing in pagemap ({word:#x}), the dump has {e}"
    # Of a VMA that is soft-dirty as a whole ("sd") every word is, and of huge pages of hugetlbfs nothing else is told.
    if "sd" not in vma.flags and "ht" not in vma.flags and bool(word & SOFT_DIRTY) != ("soft-dirty" in attrs):
        return f"{va:#x}: soft-dirty differs: {word:#x} {attrs}"
    if kernel.pagemap_has_uffd_wp and bool(word & UFFD_WP) != kernel.uffd_wp(e):
        return f"{va:#x}: uffd-wp differs: {word:#x} {attrs}"
    return None


def ranges_to_read(vma, table):
    """All of a VMA, or of a huge one what is around its entries."""
    if vma.hi - vma.lo <= HUGE_VMA:
        return [(vma.lo, vma.hi)]
    return [(max(vma.lo, va - 4096), min(vma.hi, va + e["size"] + 4096)) for va, e in table.within(vma.lo, vma.hi)]


def compare_pagemap(g, m, source, areas):
    """(dump, {va: word} afterwards, how many words changed meanwhile, what neither word allows)"""
    before = pagemap(g, m.pid, [(v.lo, v.hi) for v in areas if v.hi - v.lo <= HUGE_VMA])
    table = dump(g, source, m.pid)
    after = pagemap(g, m.pid, [r for v in areas for r in ranges_to_read(v, table)])
    kernel, changed, wrong = Kernel(g), 0, []
    for v in areas:
        for lo, hi in ranges_to_read(v, table):
            for va in range(lo, hi, 4096):
                now = after[va]
                words = {now, before.get(va, now)}
                changed += len(words) - 1
                why = [check_word(kernel, va, w, table.at(va), v) for w in words]
                wrong += why[:1] if all(why) else []
    return table, after, changed, wrong


def check_pagemap(g, m, source):
    """Every page of mkmaps against pagemap, read before and after the dump: the kernel may age, swap or merge pages meanwhile.
    Where it is just doing that to many, once more."""
    areas = [v for v in vmas(g, m.pid) if "pf" not in v.flags and v.lo < 1 << 63]
    for _ in range(5):
        table, after, changed, wrong = compare_pagemap(g, m, source, areas)
        checked = len(after)
        assert not wrong, f"{len(wrong)} of {checked} pages: " + "\n".join(wrong[:10])
        if changed < checked / 100:
            break
    assert checked > LEAST_PAGES and changed < checked / 100, f"{checked} pages, {changed} changed meanwhile"
    for v in areas:
        if v.hi - v.lo > HUGE_VMA:
            mapped = sum(e["size"] for _, e in table.within(v.lo, v.hi) if e["kind"] == "leaf")
            assert mapped == v.rss, f"{v}: {mapped} bytes mapped"
    everything = vmas(g, m.pid)
    lost = [va for va in table.entries if not any(v.lo <= va < v.hi for v in everything)]
    assert not lost, f"entries outside all VMAs: {[hex(va) for va in lost[:5]]}"
    left_out = [r for r in m.ranges if r.kind != "none" and "pfnmap" not in r.note
                and any(va not in after for va in range(r.addr, r.addr + r.len, 4096))]
    assert not left_out, left_out
    print(f"     {g.name} {source}: {checked} pages of {len(areas)} VMAs agree with pagemap", flush=True)


def check_pfnmap(g, source):
    """The pages of which pagemap knows nothing, against the tables in guest RAM."""
    m = Mkmaps(g, "--spin")
    pages = [va for v in vmas(g, m.pid) if "pf" in v.flags for va in range(v.lo, v.hi, 4096)]
    table = dump(g, source, m.pid)
    anon = next(r.addr for r in m.ranges if r.state == "anon")
    wrong = []
    cr3 = stop_in(g, anon, number(table.at(anon)["pa"]))
    for va in pages:
        last, e = g.walk(va, cr3=cr3)[-1], table.at(va)
        raw = number(e["raw"]) if e else 0
        if (raw ^ last.raw) & ~VOLATILE or (e and number(e["slot"]) != last.entry_pa):
            wrong.append(f"{va:#x}: {last} in RAM, {e}")
        elif e and e["kind"] == "leaf" and number(e["pa"]) != raw & ADDRESS:
            wrong.append(f"{va:#x}: {e}")
    g.cont()
    m.process.kill()
    m.process.wait(30)
    assert not wrong, "\n".join(wrong[:10])
    mapped = sum(bool(table.at(va)) for va in pages)
    assert mapped, "no page of a VM_PFNMAP VMA is mapped"
    print(f"     {g.name} {source}: {len(pages)} pages of VM_PFNMAP VMAs, {mapped} mapped, agree with guest RAM", flush=True)


def stop_in(g, va, pa, tries=200):
    """Stops the guest in the address space that has `pa` at `va`; CR3."""
    for _ in range(tries):
        cr3 = g.stop_in_user()["CR3"]
        raw = g.walk(va, cr3=cr3)[-1].raw
        if raw & P and raw & ADDRESS == pa:
            return cr3
        g.cont()
    raise AssertionError("mkmaps was not seen running")


@guest_test(**EVERY_STATE)
def test_states_exist_as_the_table_says(g):
    prepare(g)
    m = Mkmaps(g)
    must, _ = expected_states(g.name, ("prepare", "secretmem", "display"))
    assert sorted(m.states) == must, \
        f"too many: {set(m.states) - set(must)}, missing: {[(s, m.absent.get(s)) for s in set(must) - set(m.states)]}"
    print(f"     {g.name}: {len(must)} states", flush=True)


@guest_test(each=SOURCES, timeout=600, **EVERY_STATE)
def test_states_show_their_flags(g, source):
    prepare(g)
    m = Mkmaps(g)
    check_flags(g, m, dump(g, source, m.pid), source)


@guest_test(each=SOURCES, timeout=600, **EVERY_STATE)
def test_every_page_agrees_with_pagemap(g, source):
    prepare(g)
    check_pagemap(g, Mkmaps(g), source)


@guest_test(kernels=("6.12-4",), each=("plain", "avx2"), timeout=600, **EVERY_STATE)
def test_each_way_to_scan_tables_agrees_with_pagemap(g, simd):
    prepare(g)
    m = Mkmaps(g)
    with scanned_by(simd):
        check_flags(g, m, dump(g, "bpf", m.pid), "bpf")
        check_pagemap(g, m, "bpf")


@guest_test(each=SOURCES, timeout=600, **EVERY_STATE)
def test_pfnmap_agrees_with_raw_tables(g, source):
    prepare(g)
    check_pfnmap(g, source)


@guest_test(kernels=SERIES, each=SOURCES, timeout=600, **ONE_GIB)
def test_pages_of_1g(g, source):
    m = Mkmaps(g, "--only", "hugetlb-1g")
    assert m.states == ["hugetlb-1g"], m.absent
    check_flags(g, m, dump(g, source, m.pid), source)
    check_pagemap(g, m, source)


@host_test(timeout=600)
def test_states_here():
    """On this machine. A VM_PFNMAP page has no other witness here: its address is checked where mkmaps knows it."""
    with Host() as h:
        m = Mkmaps(h)
        must, may = expected_states("host", ())
        assert set(must) <= set(m.states) <= set(may), {s: m.absent.get(s) for s in must if s not in m.states}
        for source in exact_sources(h):
            check_flags(h, m, dump(h, source, m.pid), source)
            check_pagemap(h, m, source)
