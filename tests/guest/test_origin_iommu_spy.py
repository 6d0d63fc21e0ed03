# SPDX-License-Identifier: LGPL-2.1-or-later
"""va2pa and pagemap_dump, of iommu_spy: against the raw words of /proc/PID/pagemap and guest RAM; and what their origin did
wrong: soft-dirty from bit 54, swap offsets as addresses, decimal addresses only."""

import re
from bisect import bisect_right

from kmod import load, with_module
from testing import SERIES, guest_test
from tool import Answer, EVERY_STATE, Mkmaps, pagemap, prepare, vmas

PRESENT, SWAPPED, FILE, SOFT_DIRTY = 1 << 63, 1 << 62, 1 << 61, 1 << 55
OTHER = 1 << 57 | 1 << 58  # uffd-wp, guard: a page by these alone
PFN = (1 << 55) - 1
HEAD = ["addr", "pfn", "soft-dirty", "file/shared", "swapped", "present", "library"]
EVERY = with_module(EVERY_STATE)


def areas_of(g, pid):
    return [v for v in vmas(g, pid) if v.lo < 1 << 63 and v.hi - v.lo <= 1 << 30]


def words_of(g, pid, areas):
    """{va: word} of the pages of which pagemap says something."""
    return {va: w for va, w in pagemap(g, pid, [(v.lo, v.hi) for v in areas]).items() if w & (PRESENT | SWAPPED | OTHER)}


def expected_row(word, name):
    pfn = "-" if not word & PRESENT else f"{word & PFN:#x}" if word & PFN else "hidden"
    return [pfn, *(str(int(bool(word & bit))) for bit in (SOFT_DIRTY, FILE, SWAPPED, PRESENT)), name]


def rows_of(out):
    head, *lines = out.decode(errors="backslashreplace").splitlines()
    assert head.split() == HEAD, head
    rows = {}
    for line in lines:
        va, *row = line.split(None, 6)
        assert va.startswith("0x") and int(va, 16) not in rows, line
        rows[int(va, 16)] = row
    return rows


@guest_test(kernels=SERIES, timeout=600, **EVERY)
def test_pagemap_dump_shows_every_word(g):
    """All pages of a process with every state; the kernel may age or merge pages between the two reads of pagemap."""
    prepare(g)
    m = Mkmaps(g)
    areas = areas_of(g, m.pid)
    before = words_of(g, m.pid, areas)
    rows = rows_of(g.check(["pagemap_dump", str(m.pid)], timeout=120))
    after = words_of(g, m.pid, areas)
    lows = [v.lo for v in areas]
    wrong, changed = [], 0
    for va in before.keys() | after.keys():
        changed += before.get(va) != after.get(va)
        v = areas[bisect_right(lows, va) - 1]
        good = [expected_row(w[va], v.name or "[anon]") for w in (before, after) if va in w]
        if rows.get(va) not in good:
            wrong.append(f"{va:#x}: {rows.get(va)}, not {good}")
    assert not wrong, f"{len(wrong)} of {len(after)}: " + "\n".join(wrong[:10])
    huge = [v for v in vmas(g, m.pid) if v.lo < 1 << 63 and v.hi - v.lo > 1 << 30]
    strangers = [hex(va) for va in rows if va not in before and va not in after and not any(v.lo <= va < v.hi for v in huge)]
    assert not strangers and changed < len(after) / 50, (strangers[:5], changed)
    # The comparison is worth something only where the bits differ.
    for bit in (SOFT_DIRTY, FILE, SWAPPED, PRESENT):
        assert 0 < sum(bool(w & bit) for w in after.values()) < len(after), hex(bit)
    assert any(bool(w & SOFT_DIRTY) != bool(w & 1 << 54) for w in after.values())
    swapped = [va for va, w in after.items() if w & SWAPPED and not w & PRESENT and w & PFN]
    assert swapped and all(rows[va][0] == "-" for va in swapped if va in before)
    print(f"     {g.name}: {len(after)} words, {len(swapped)} swapped, {changed} changed meanwhile", flush=True)


@guest_test(kernels=("5.10-4", "6.1-5", "7.2-5"), **EVERY)
def test_pagemap_dump_as_json(g):
    prepare(g)
    m = Mkmaps(g, "--only", "swap,anon,zero")
    areas = areas_of(g, m.pid)
    words = words_of(g, m.pid, areas)
    found = {int(r["va"], 16): r for r in Answer(g.check(["pagemap_dump", str(m.pid), "--json"])).of("pagemap")}
    assert found.keys() >= words.keys()
    for va, w in words.items():
        r = found[va]
        assert int(r["raw"], 16) == w or w != words_of(g, m.pid, areas).get(va), (r, hex(w))
        w = int(r["raw"], 16)
        assert r["pfn"] == (w & PFN if w & PRESENT else None), r
        assert [r["soft_dirty"], r["file"], r["swapped"], r["present"]] == [
            bool(w & b) for b in (SOFT_DIRTY, FILE, SWAPPED, PRESENT)], r
        if w & SWAPPED and not w & PRESENT and w & PFN:
            assert (r["swap"]["type"], int(r["swap"]["offset"], 16)) == (w & 31, (w & PFN) >> 5), r


@guest_test()
def test_soft_dirty_is_bit_55(g):
    """After clear_refs no page is soft-dirty, then those that are written."""
    p = g.spawn("while read x; do echo $x; done", stdin=None)
    p.write(b"a\n")
    p.wait_line(rb"a")
    g.check(f'until [ "$(cut -d " " -f 3 /proc/{p.pid}/stat)" = S ]; do :; done')  # it waits for the next line
    g.check(f"echo 4 >/proc/{p.pid}/clear_refs")
    clean = rows_of(g.check(["pagemap_dump", str(p.pid)]))
    assert not any(r[1] == "1" for r in clean.values()), [r for r in clean.values() if r[1] == "1"][:3]
    p.write(b"b\n")
    p.wait_line(rb"b")
    dirty = rows_of(g.check(["pagemap_dump", str(p.pid)]))
    written = [va for va, r in dirty.items() if r[1] == "1"]
    assert 0 < len(written) < len(dirty) and any(dirty[va][5] == "[stack]" for va in written), written


@guest_test()
def test_hidden_frames_are_said(g):
    p = g.spawn("echo up; read x", user=1000, stdin=None)
    p.wait_line(rb"up")
    rc, out, err = g.run(["pagemap_dump", str(p.pid)], user=1000)
    rows = rows_of(out)
    assert rc == 0 and rows and b"CAP_SYS_ADMIN" in err, (rc, err)
    assert {r[0] for r in rows.values() if r[4] == "1"} == {"hidden"} and "0x0" not in {r[0] for r in rows.values()}
    va = next(va for va, r in rows.items() if r[4] == "1")
    rc, out, err = g.run(["va2pa", str(p.pid), hex(va)], user=1000)
    assert rc == 3 and not out and b"hidden" in err, (rc, out, err)
    # Another's process is not to be looked at.
    for command in (["pagemap_dump", "1"], ["va2pa", "1", hex(va)]):
        rc, out, err = g.run(command, user=1000)
        assert rc == 3 and not out and err, (command, rc, out, err)


@guest_test(kernels=("5.10-4", "7.2-5"), each=("bpf", "pagemap"), timeout=600, **EVERY)
def test_va2pa(g, source):
    """One page of each range of each state: the physical address, or why there is none."""
    load(g)
    prepare(g)
    m = Mkmaps(g)
    checked, refused = 0, 0
    script, asked = "", []
    for r in m.ranges:
        if "pfnmap" not in r.note:
            asked.append((r, r.addr + 0x123))
            script += f"a=$(va2pa -s {source} {m.pid} {r.addr + 0x123:#x} 2>/dev/null); echo $a $?;"
    answers = g.check(script, timeout=300).decode().splitlines()
    words = pagemap(g, m.pid, [(va & ~0xfff, (va & ~0xfff) + 4096) for _, va in asked])
    for (r, va), answer in zip(asked, answers):
        word = words[va & ~0xfff]
        if word & PRESENT:
            assert answer.split() == [hex((word & PFN) << 12 | 0x123), "0"], (r, answer, hex(word))
            checked += 1
        else:
            assert answer == "1", (r, answer, hex(word))
            refused += 1
    assert checked > 20 and refused > 2, (checked, refused)
    print(f"     {g.name} {source}: {checked} addresses, {refused} refused", flush=True)


@guest_test(kernels=("5.10-4", "6.1-5", "7.2-5"), **EVERY)
def test_va2pa_says_why(g):
    prepare(g)
    m = Mkmaps(g, "--only", "swap,anon")
    at = {r.state: r.addr for r in m.ranges if r.kind != "none"}
    for source, word in (("bpf", b"not in memory: swap0"), ("pagemap", b"not in memory: swap0")):
        rc, out, err = g.run(["va2pa", "-s", source, str(m.pid), hex(at["swap"])])
        assert rc == 1 and not out and word in err, (rc, out, err)
    rc, out, err = g.run(["va2pa", "-s", "bpf", str(m.pid), "0x1000"])
    assert rc == 1 and not out and b"empty" in err, (rc, out, err)
    rc, out, err = g.run(["va2pa", "-s", "bpf", str(m.pid), "0x900000000000000"])
    assert rc == 1 and not out and b"not canonical" in err, (rc, out, err)
    # Decimal, octal, hexadecimal are the same; what is none of them is refused, as is 64 bits and more.
    va = at["anon"]
    same = {g.check(["va2pa", str(m.pid), form]) for form in (hex(va), str(va), f"0{va:o}", f"0X{va:x}")}
    assert len(same) == 1 and re.fullmatch(rb"0x[0-9a-f]+\n", same.pop()), same
    for args in ("", "1", "1 2 3", "1 7f00abc", "1 -5", "1 0x", "1 0x1ffffffffffffffff", "1 '' ", "x 0x1000", "-1 0x1000", "1 5g"):
        rc, out, err = g.run(f"va2pa {args}")
        assert rc == 2 and not out and err.count(b"\n") == 1, (args, rc, out, err)
    for args in ("", "x", "1 2", "-1", "--frob 1"):
        rc, out, err = g.run(f"pagemap_dump {args}")
        assert rc == 2 and not out and err.count(b"\n") == 1, (args, rc, out, err)
    for args in ("999999", "2"):  # no such process; a kernel thread
        for command in (f"pagemap_dump {args}", f"va2pa {args} 0x1000"):
            rc, out, err = g.run(command)
            assert rc == 3 and not out and err.count(b"\n") == 1, (command, rc, out, err)
    a = Answer(g.check(["va2pa", str(m.pid), hex(va), "--json"]))
    assert a.of("translation")[0]["verdict"] == "mapped"
