# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every user page of a dump, as libaddrxlat (of libkdumpfile) translates it: an implementation that shares nothing with ours.

Both read the same ELF dump, which QEMU wrote of a stopped guest; libaddrxlat through libkdumpfile, one page after the other.

What must be equal is what the CPU does: the physical address of a page that it maps, or that it maps none. Entries that have a
frame which the CPU does not use (PROT_NONE; swapped, migrating) are no translation for libaddrxlat, and are pages of a
kind of their own, not leaves, for us: equal is that both say so.
"""

import array
import os
import re
import subprocess

import initramfs
from test_images import directory, dump_by_qemu
from test_states import HUGE_VMA
from testing import guest_test
from tool import EVERY_STATE, Mkmaps, prepare, vmas

PAGE = 4096
NO = (1 << 64) - 1


def peer(name):
    """A program of tests/peers: of the newest build that has it."""
    given = os.environ.get("PAGEWALK_BUILD")
    builds = [given] if given else [os.path.join(initramfs.TREE, b) for b in ("build/check", "build")]
    found = [p for p in (os.path.join(b, "tests/peers", name) for b in builds) if os.path.exists(p)]
    assert found, f"{name} is not built: meson configure -Dpeers=true"
    return max(found, key=os.path.getmtime)


def pagewalk(*args):
    """Rows of a text table."""
    out = subprocess.run([initramfs.programs()["pagewalk"], *map(str, args), "--noheadings"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [line.split() for line in out.splitlines()]


def translations(image, pid):
    """{va: pa, or None where the CPU would find nothing} of each page of 4K that an entry is for, and how many entries of each kind."""
    pages, kinds = {}, {}
    for va, kind, pa, size in pagewalk("-s", image, "dump", pid, "--user", "--entries", "--bytes", "--columns", "va,kind,pa,size"):
        va, kinds[kind] = int(va, 16), kinds.get(kind, 0) + 1
        for skip in range(0, int(size), PAGE):
            pages[va + skip] = int(pa, 16) + skip if kind == "leaf" else None
    return pages, kinds


def joined(ranges):
    """Sorted and without overlaps."""
    out = []
    for lo, hi in sorted(ranges):
        if out and lo <= out[-1][1]:
            out[-1][1] = max(out[-1][1], hi)
        else:
            out.append([lo, hi])
    return out


def places(pages, areas, end):
    """[(lo, hi)] of all pages, one more on both sides of each stretch of them, and every page of every VMA."""
    wanted = [(max(lo - PAGE, 0), min(hi + PAGE, end)) for lo, hi in joined((va, va + PAGE) for va in pages)]
    return joined(wanted + [(v.lo, v.hi) for v in areas if v.hi <= end and v.hi - v.lo <= HUGE_VMA])


def by_libaddrxlat(image, root, levels, ranges):
    """{va: pa or None}"""
    p = subprocess.run([peer("addrxlat"), image, root, str(levels)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       input="".join(f"{lo:x} {hi:x}\n" for lo, hi in ranges).encode(), timeout=60, check=False)
    assert p.returncode == 0, p.stderr.decode()[-2000:]
    answers = array.array("Q", p.stdout)
    asked = [va for lo, hi in ranges for va in range(lo, hi, PAGE)]
    assert len(asked) == len(answers), (len(asked), len(answers))
    return {va: None if pa == NO else pa for va, pa in zip(asked, answers)}


def compare(image, pid, root, levels, areas):
    """(pages that are mapped, pages that are not, entries by kind)"""
    ours, kinds = translations(image, pid)
    theirs = by_libaddrxlat(image, root, levels, places(ours, areas, 1 << (47 if levels == 4 else 56)))
    wrong = [va for va, pa in theirs.items() if ours.get(va) != pa]
    assert not wrong, f"PID {pid}: {len(wrong)} of {len(theirs)} pages differ, as " \
        + "; ".join(f"{va:#x}: {ours.get(va)}, libaddrxlat: {theirs[va]}" for va in wrong[:3])
    assert ours.keys() <= theirs.keys()
    mapped = sum(pa is not None for pa in theirs.values())
    return mapped, len(theirs) - mapped, kinds


@guest_test(kernels=("6.1-4", "7.2-5"), mem=768, **EVERY_STATE)
def test_libaddrxlat_translates_every_user_page_alike(g):
    prepare(g)
    m = Mkmaps(g)
    keeper = g.spawn("memalloc -b 4K -m 400M --keep -o /dev/null", stdin=None)
    keeper.wait_line(rb"PID \d+ keeps it", 120)
    busy = int(re.search(rb"PID (\d+) keeps it", keeper.stdout)[1])
    areas = {pid: vmas(g, pid) for pid in (busy, m.pid)}
    g.stop()
    with directory() as where:
        image = dump_by_qemu(g, os.path.join(where, "elf"), paging=False)
        roots = dict(pagewalk("-s", image, "ps", "--columns", "pid,root"))
        counts = {pid: compare(image, pid, roots[str(pid)], g.levels, areas[pid]) for pid in areas}
    assert counts[busy][0] >= 100_000, counts
    assert {"leaf", "protnone", "soft"} <= counts[m.pid][2].keys(), counts
    print(f"     {g.name}: {counts[busy][0]} pages and {counts[busy][1]} that are not mapped of memalloc; {counts[m.pid][0]} and "
          f"{counts[m.pid][1]} of mkmaps, {', '.join(f'{n} x {kind}' for kind, n in counts[m.pid][2].items())}", flush=True)
