# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each state that mkmaps puts into a process: it exists where states.tsv says, shows the flags that it was made to have,
and every page of the process agrees with /proc/PID/pagemap."""

import os

from testing import guest_test
from tool import EVERY_STATE, HELPERS, Mkmaps, SOURCES, number, pagemap, pagewalk, prepare, vmas

HUGE_VMA = 1 << 30  # of a larger VMA only the pages around what is mapped are compared
PRESENT, SWAPPED, FILE, UFFD_WP, SOFT_DIRTY = 1 << 63, 1 << 62, 1 << 61, 1 << 57, 1 << 55
PFN = (1 << 55) - 1
ONE_GIB = {"mem": 3584, "cmdline": "hugepagesz=1G hugepages=1 secretmem.enable=y",
           "modules": ("lzo-rle",), "files": EVERY_STATE["files"]}


def expected_states(kernel, conditions):
    """The states that must exist there, by states.tsv."""
    with open(os.path.join(HELPERS, "states.tsv")) as f:
        rows = [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]
    column = rows[0].index(kernel)
    return sorted(r[0] for r in rows[1:] if r[column] == "y" or r[column] in conditions)


def entries(answer):
    """{va: record} of a dump with --entries."""
    table = {}
    for va, r in answer.entries():
        assert va not in table, f"{va:#x} twice"
        table[va] = r
    return table


def entry_of(table, va):
    """The entry that covers a page, of any size."""
    for size in (1 << 12, 1 << 21, 1 << 30):
        r = table.get(va & -size)
        if r and r["size"] == size:
            return r
    return None


def dump(g, source, pid):
    answer = pagewalk(g, "-s", source, "dump", pid, "--user", "--entries")
    assert answer.end["complete"] and not answer.end["unstable"] and not answer.end["unreadable"], answer.end
    return entries(answer)


def holds(wanted, attrs):
    """Whether one word of an expectation ("a", "!b", "a|b") holds for the attribute names."""
    if wanted.startswith("!"):
        return wanted[1:] not in attrs
    return any(w in attrs for w in wanted.split("|"))


def check_range(table, r):
    """What is wrong with one range of a state; a string a page, at most a few."""
    wrong = []
    pages = range(r.addr, r.addr + min(r.len, HUGE_VMA), r.page)
    for va in pages:
        e = entry_of(table, va)
        if r.kind == "none":
            if e:
                wrong.append(f"{va:#x} has {e}")
            continue
        if not e or e["kind"] != r.kind or (e["kind"] != "soft" and e["size"] != r.page):
            wrong.append(f"{va:#x} is not {r.kind} of {r.page}: {e}")
            continue
        if r.kind == "leaf" and e["perm"] != r.perm:
            wrong.append(f"{va:#x} perm {e['perm']}, not {r.perm}")
        wrong += [f"{va:#x} {w} does not hold: {e['attrs']}" for w in r.expect if w != "-" and not holds(w, e["attrs"])]
    return wrong


def check_word(va, word, e, vma):
    """What one page's word of pagemap contradicts, or None."""
    kind = e["kind"] if e else "none"
    if word & PRESENT:
        if kind not in ("leaf", "protnone"):
            return f"{va:#x}: pagemap has a page, the dump {e}"
        pfn = (number(e["pa"]) + (va & (e["size"] - 1))) >> 12
        if pfn != word & PFN:
            return f"{va:#x}: frame {pfn:#x}, pagemap {word & PFN:#x}"
    elif word & SWAPPED:
        if kind != "soft":
            return f"{va:#x}: pagemap has it swapped, the dump {e}"
        if (e["swap"]["type"], e["swap"]["offset"]) != (word & 31, word >> 5 & (1 << 50) - 1):
            return f"{va:#x}: {e}, pagemap {word:#x}"
    elif kind != "none":
        return f"{va:#x}: nothing in pagemap, the dump has {e}"
    attrs = e["attrs"] if e else []
    if "soft-dirty" in attrs and not word & SOFT_DIRTY:
        return f"{va:#x}: soft-dirty, not so in pagemap"
    if word & SOFT_DIRTY and e and "soft-dirty" not in attrs and "sd" not in vma.flags:
        return f"{va:#x}: soft-dirty in pagemap alone"
    if bool(word & UFFD_WP) != ("uffd-wp" in attrs):
        return f"{va:#x}: uffd-wp differs: {word:#x} {attrs}"
    return None


def ranges_to_read(vma, table):
    """All of a VMA, or of a huge one what is around its entries."""
    if vma.hi - vma.lo <= HUGE_VMA:
        return [(vma.lo, vma.hi)]
    near = sorted(va for va in table if vma.lo <= va < vma.hi)
    return [(max(vma.lo, va - 4096), min(vma.hi, va + 8192)) for va in near]


@guest_test(**EVERY_STATE)
def test_states_exist_as_the_table_says(g):
    prepare(g)
    m = Mkmaps(g)
    expected = expected_states(g.name, ("prepare", "secretmem", "display"))
    assert sorted(m.states) == expected, \
        f"too many: {set(m.states) - set(expected)}, missing: {[(s, m.absent.get(s)) for s in set(expected) - set(m.states)]}"


@guest_test(each=SOURCES, timeout=600, **EVERY_STATE)
def test_states_show_their_flags(g, source):
    prepare(g)
    m = Mkmaps(g)
    table = dump(g, source, m.pid)
    wrong = [f"{r.state}: {w}" for r in m.ranges for w in check_range(table, r)[:3]]
    assert not wrong, "\n".join(wrong[:20])


@guest_test(each=SOURCES, timeout=600, **EVERY_STATE)
def test_every_page_agrees_with_pagemap(g, source):
    prepare(g)
    m = Mkmaps(g)
    table = dump(g, source, m.pid)
    checked, wrong = 0, []
    areas = [v for v in vmas(g, m.pid) if not v.flags & {"pf", "mm"} and v.lo < 1 << 63]
    words = pagemap(g, m.pid, [r for v in areas for r in ranges_to_read(v, table)])
    for v in areas:
        for lo, hi in ranges_to_read(v, table):
            for va in range(lo, hi, 4096):
                checked += 1
                wrong.append(check_word(va, words[va], entry_of(table, va), v))
        if v.hi - v.lo > HUGE_VMA:
            mapped = sum(r["size"] for va, r in table.items() if v.lo <= va < v.hi and r["kind"] == "leaf")
            assert mapped == v.rss, f"{v}: {mapped} bytes mapped"
    wrong = [w for w in wrong if w]
    assert not wrong, f"{len(wrong)} of {checked} pages: " + "\n".join(wrong[:10])
    assert checked > 2000
    print(f"     {g.name} {source}: {checked} pages agree", flush=True)


@guest_test(kernels=("5.10-4", "6.1-5", "6.12-4", "7.2-5"), each=SOURCES, timeout=600, **ONE_GIB)
def test_pages_of_1g(g, source):
    m = Mkmaps(g, "--only", "hugetlb-1g")
    assert m.states == ["hugetlb-1g"], m.absent
    table = dump(g, source, m.pid)
    wrong = [w for r in m.ranges for w in check_range(table, r)]
    assert not wrong, wrong
    r = m.ranges[0]
    word = pagemap(g, m.pid, [(r.addr, r.addr + 4096)])[r.addr]
    assert number(entry_of(table, r.addr)["pa"]) >> 12 == word & PFN
