# SPDX-License-Identifier: LGPL-2.1-or-later
"""pagewalk layout: where the kernel's regions are, against the kernel's own variables in guest RAM, its symbols, /proc/kcore,
/proc/modules and /proc/vmallocinfo; what is mapped in them, against QEMU's `info tlb` and a dump."""

import re
import struct
from bisect import bisect_right

from kmod import MODULE, load
from memory import ADDRESS
from testing import SERIES, guest_test
from tool import number, pagewalk

EXACT = ("bpf", "kcore", "kmod")
TOP = 1 << 64
NOKASLR = {**MODULE, "cmdline": "nokaslr"}


class Layout:
    def __init__(self, g, source, **how):
        self.answer = pagewalk(g, "layout", "-s", source, **how)
        self.all = self.answer.of("region")
        for r in self.all:
            r["lo"], r["hi"] = int(r["va"], 16), int(r["end"], 16)
        self._lows = [r["lo"] for r in self.all]

    def at(self, va):
        return self.all[bisect_right(self._lows, va) - 1]

    def named(self, name):
        found = [r for r in self.all if r["name"] == name]
        assert len(found) == 1, (name, found)
        return found[0]


def check_partition(layout):
    """Every address is in one region, and every region says what it is."""
    assert layout.all[0]["lo"] == 0 and layout.all[-1]["hi"] == TOP
    for a, b in zip(layout.all, layout.all[1:]):
        assert a["hi"] == b["lo"], (a, b)
    kinds = {"user", "logical", "virtual", "hole", "non-canonical", "unknown"}
    assert all(r["lo"] < r["hi"] and r["kind"] in kinds and r["name"] and r["found"] for r in layout.all)


def symbols(g, *names):
    """Addresses by /proc/kallsyms, which the guest's root may read."""
    pattern = "|".join(names)
    out = g.check(["grep", "-E", f" ({pattern})$", "/proc/kallsyms"], timeout=300).decode()
    return {line.split()[2]: int(line.split()[0], 16) for line in out.splitlines()}


def read_variable(g, va):
    """A word of kernel memory, by a walk through guest RAM."""
    last = g.walk(va)[-1]
    if not last.raw & 1:  # page-table isolation, and the CPU is in user mode: the kernel's root is the page before
        last = g.walk(va, cr3=g.registers()["CR3"] & ~0x1FFF)[-1]
    size = 1 << (12 + 9 * (last.level - 1))
    return struct.unpack("<Q", g.read_phys((last.raw & ADDRESS & -size) + va % size, 8))[0]


def bases(g):
    names = ("page_offset_base", "vmalloc_base", "vmemmap_base")
    at = symbols(g, *names)
    g.stop()
    try:
        return [read_variable(g, at[n]) for n in names]
    finally:
        g.cont()


def ram_end(g):
    return max(pa + n for pa, n in g.memory.ranges())


def check_moving(g, layout, moved):
    direct, vmalloc, vmemmap = bases(g)
    five = g.levels == 5
    assert layout.named("direct map")["lo"] == direct and layout.named("direct map")["kind"] == "logical"
    assert layout.named("direct map")["hi"] >= direct + ram_end(g)
    assert layout.named("vmalloc")["lo"] == vmalloc
    assert layout.named("vmalloc")["hi"] == vmalloc + ((12800 if five else 32) << 40)
    assert layout.named("vmemmap")["lo"] == vmemmap
    assert layout.named("vmemmap")["hi"] >= vmemmap + ram_end(g) // 4096 * 64
    default = (0xff11000000000000, 0xffa0000000000000, 0xffd4000000000000) if five else \
        (0xffff888000000000, 0xffffc90000000000, 0xffffea0000000000)
    assert ((direct, vmalloc, vmemmap) != default) == moved, [hex(b) for b in (direct, vmalloc, vmemmap)]
    if not moved:
        assert layout.named("direct map")["bytes"] == (32 << 50 if five else 64 << 40)
        assert layout.named("vmemmap")["bytes"] == (512 << 40 if five else 1 << 40)


def check_image(g, layout):
    s = symbols(g, "_text", "_stext", "_etext", "__start_rodata", "__end_rodata", "_sdata", "_edata", "__bss_start", "__bss_stop",
                "_end")
    assert layout.named("kernel text")["lo"] == s["_text"]
    assert layout.at(s["_etext"] - 1)["name"] == "kernel text"
    assert layout.named("kernel rodata")["lo"] == s["__start_rodata"]
    assert layout.at(s["_sdata"])["name"] == "kernel data" and layout.at(s["_edata"] - 1)["name"] == "kernel data"
    assert layout.named("kernel bss")["lo"] == s["__bss_start"] and layout.at(s["__bss_stop"] - 1)["name"] == "kernel bss"
    for va in range(s["_text"], s["_end"], 1 << 20):
        assert layout.at(va)["name"].startswith("kernel "), (hex(va), layout.at(va))
    moved = number(layout.answer.of("layout")[0]["image_offset"])
    assert s["_text"] - moved == 0xffffffff81000000, (s, moved)
    return moved


def vmalloc_areas(g):
    """[(lo, hi, line)] of /proc/vmallocinfo, which is hashed unless told otherwise."""
    out = g.check("echo 1 >/proc/sys/kernel/kptr_restrict; cat /proc/vmallocinfo; echo 0 >/proc/sys/kernel/kptr_restrict").decode()
    found = re.findall(r"^0x([0-9a-f]+)-0x([0-9a-f]+) (.*)$", out, re.M)
    return [(int(lo, 16), int(hi, 16), rest) for lo, hi, rest in found]


def check_lists(g, layout):
    """What the kernel lists itself: modules, vmalloc areas. (modules, areas)"""
    modules = [int(l.split()[-1] if l.split()[-1].startswith("0x") else l.split()[-2], 16)
               for l in g.check(["cat", "/proc/modules"]).decode().splitlines()]
    assert modules and all(layout.at(va)["name"] == "modules" for va in modules)
    areas = vmalloc_areas(g)
    names = {"vmalloc": 0, "modules": 0}
    for lo, hi, _ in areas:
        r = layout.at(lo)
        assert hi <= r["hi"], (hex(lo), r)
        names[r["name"]] += 1
    assert names["vmalloc"] > 20 and names["modules"], names
    return len(modules), len(areas)


def check_kcore(g, layout):
    """/proc/kcore's own segments: vmalloc and modules from end to end; RAM in the direct map; the rest in the image or vmemmap."""
    head = g.check("dd if=/proc/kcore bs=65536 count=1 2>/dev/null")
    phoff, phentsize, phnum = struct.unpack_from("<Q14xHH", head, 32)
    vmalloc, modules, seen = layout.named("vmalloc"), layout.named("modules"), set()
    for i in range(phnum):
        kind, _, _, va, pa, _, size, _ = struct.unpack_from("<IIQQQQQQ", head, phoff + i * phentsize)
        if kind != 1:
            continue
        r = layout.at(va)
        seen.add(r["name"])
        if r["name"] == "vmalloc":
            assert va == vmalloc["lo"] and vmalloc["hi"] - va - size <= 1, (hex(va), hex(size))
        elif r["name"] == "modules":
            assert va == modules["lo"] and modules["hi"] - va - size <= 1, (hex(va), hex(size))
        elif r["name"] == "direct map":
            assert pa == va - r["lo"] and va + size <= r["hi"], (hex(va), hex(pa))
        else:
            assert r["name"] == "vmemmap" or r["name"].startswith("kernel ") or r["name"] == "vsyscall", (hex(va), r)
    assert seen >= {"vmalloc", "modules", "direct map", "vmemmap"}, seen


def check_leaves(g, layout):
    """Each leaf of the kernel half by QEMU's own walk: in a region that has a name and is no hole. {name: bytes}"""
    g.stop()
    leaves = {va: l for va, l in g.info_tlb().items() if va >> 63}
    g.cont()
    found = {}
    for va, leaf in leaves.items():
        at = va
        while at < va + leaf.size:
            r = layout.at(at)
            assert r["kind"] in ("logical", "virtual"), f"{va:#x} {leaf} is in {r}"
            end = min(r["hi"], va + leaf.size)
            found[r["lo"]] = found.get(r["lo"], 0) + end - at
            at = end
    steady = [r for r in layout.all if r["name"] in ("direct map", "vmemmap", "cpu entry area", "kernel data", "kernel rodata", "fixmap",
                                                     "vsyscall", "kernel bss") or r["kind"] == "hole"]
    for r in steady:
        assert (r["mapped"] or 0) == found.get(r["lo"], 0), (r, found.get(r["lo"]))
    ours, theirs = sum(r["mapped"] or 0 for r in layout.all), sum(found.values())
    assert abs(ours - theirs) < theirs / 100, (ours, theirs)
    return len(leaves)


def check_sums(g, source):
    """Of all regions together: what a whole dump of the kernel has. The kernel maps and unmaps a little all the time."""
    for _ in range(5):
        layout = Layout(g, source)
        runs = pagewalk(g, "dump", "kernel", "-s", source).of("run")
        again = Layout(g, source)
        mine, after = ([sum(r[k] or 0 for r in l.all) for k in ("mapped", "mapped_4k", "mapped_2m", "mapped_1g")]
                       for l in (layout, again))
        theirs = [sum(r["size"] * r["pages"] for r in runs if r["kind"] == "leaf" and size in (0, r["size"]))
                  for size in (0, 1 << 12, 1 << 21, 1 << 30)]
        tables = sum(r["tables"] or 0 for r in layout.all)
        assert tables == layout.answer.end["tables"] - 1, (tables, layout.answer.end)
        assert sum(r["table_bytes"] or 0 for r in layout.all) == tables * 4096
        if mine == theirs or after == theirs:
            return
    raise AssertionError((mine, theirs))


@guest_test(kernels=(*SERIES, "newest-5"), each=EXACT, timeout=600, whole_kernel=True, **MODULE)
def test_layout_with_kaslr(g, source):
    load(g)
    layout = Layout(g, source)
    check_partition(layout)
    check_moving(g, layout, True)
    moved = check_image(g, layout)
    modules, areas = check_lists(g, layout)
    check_kcore(g, layout)
    leaves = check_leaves(g, Layout(g, source))
    check_sums(g, source)
    print(f"     {g.name} {source}: image +{moved:#x}, {modules} modules, {areas} vmalloc areas, {leaves} leaves in their regions",
          flush=True)


@guest_test(kernels=("5.10-4", "7.2-5"), each=EXACT, timeout=600, whole_kernel=True, **NOKASLR)
def test_layout_without_kaslr(g, source):
    load(g)
    layout = Layout(g, source)
    check_partition(layout)
    check_moving(g, layout, False)
    assert check_image(g, layout) == 0
    check_lists(g, layout)
    check_kcore(g, layout)
    check_leaves(g, Layout(g, source))
    out = g.check(["pagewalk", "layout", "-s", source])
    assert b"in its place (no KASLR)" in out, out


@guest_test(kernels=("6.1-4", "7.2-5"), each=("bpf",), timeout=600, **{**MODULE, "mem": 3584})
def test_layout_with_ram_above_4_gib(g, source):
    """A hole of the machine's in the middle of the direct map."""
    layout = Layout(g, source)
    check_partition(layout)
    check_moving(g, layout, True)
    check_leaves(g, Layout(g, source))
    high = (4 << 30) + 0x123456
    r = place(g, source, layout.named("direct map")["lo"] + high)[0]
    assert number(r["pa"]) == high and r["verdict"] == "mapped", r
    r = place(g, source, layout.named("direct map")["lo"] + (3 << 30))[0]
    assert number(r["pa"]) == 3 << 30 and r["verdict"] == "none", r


@guest_test(kernels=("6.1-4",), each=EXACT, timeout=600, **{**MODULE, "cmdline": "pti=on"})
def test_layout_with_pti(g, source):
    load(g)
    layout = Layout(g, source)
    check_partition(layout)
    check_moving(g, layout, True)
    check_image(g, layout)
    check_lists(g, layout)
    check_sums(g, source)


def place(g, source, *addresses, ok=(0,)):
    return pagewalk(g, "layout", "-s", source, *(f"{a:x}" for a in addresses), ok=ok).of("place")


@guest_test(each=EXACT, timeout=600, **MODULE)
def test_what_an_address_is(g, source):
    load(g)
    layout = Layout(g, source)
    direct, vmemmap = layout.named("direct map")["lo"], layout.named("vmemmap")["lo"]
    text = layout.named("kernel text")["lo"]
    module = int(g.check("awk '{print $6}' /proc/modules | head -1").decode().strip(), 16)
    area = next(lo for lo, _, rest in vmalloc_areas(g) if "pages=" in rest and layout.at(lo)["name"] == "vmalloc")
    asked = [0x7f0000001234, direct + 0x1234567, vmemmap + 0x1234 * 64 + 8, text + 0x123, module, area, 0xffffffffff600000]
    p = place(g, source, *asked)
    assert [r["kind"] for r in p] == ["user", "logical"] + 5 * ["virtual"], p
    assert [r["name"] for r in p] == ["user space", "direct map", "vmemmap", "kernel text", "modules", "vmalloc", "vsyscall"], p
    assert number(p[1]["pa"]) == 0x1234567 and p[2]["frame"] == 0x1234 and p[0]["pa"] is None
    g.stop()
    try:
        for va, r in zip(asked[1:6], p[1:6]):
            last = g.walk(va)[-1]
            size = 1 << (12 + 9 * (last.level - 1))
            assert r["verdict"] == "mapped" and r["size"] == size, (r, last)
            assert number(r["pa"]) == (last.raw & ADDRESS & -size) + va % size, (r, last)
            assert ("x" in r["perm"]) == (not last.raw >> 63) or va == asked[3], (r, last)
    finally:
        g.cont()
    # Holes of all kinds: the answer is no.
    for va, kind in ((1 << 62, "non-canonical"), (TOP - 1, "hole"), (0xffffff8000000000, "hole"),
                     (0x00fffffffffff000 if g.levels == 5 else 0x7ffffffff000, "hole")):
        r = place(g, source, va, ok=(1,))[0]
        assert r["kind"] == kind and r["pa"] is None, r
    by_name = pagewalk(g, "layout", "-s", source, "_text+10").of("place")[0]
    assert int(by_name["va"], 16) == text + 0x10
    out = g.check(["pagewalk", "layout", "-s", source, f"{vmemmap + 0x1234 * 64:x}"])
    assert b"struct page of frame 0x1234;" in out, out


@guest_test(timeout=600, **MODULE)
def test_without_privilege(g):
    """What the kernel fixes, and not one address that it hides; the exit status says that it is not all."""
    load(g)
    full = Layout(g, "kmod")
    rc, out, err = g.run(["pagewalk", "layout"], user=1000)
    assert rc == 4 and b"pagewalk doctor" in out and not err, (rc, out, err)
    part = Layout(g, "auto", user=1000, ok=(4,))
    check_partition(part)
    hidden = [r for r in part.all if r["kind"] == "unknown"]
    assert "hidden" in hidden[0]["found"] and all(r["mapped"] is None for r in part.all)
    for name in ("direct map", "vmalloc", "vmemmap", "kernel text"):
        va = full.named(name)["lo"]
        assert hidden[0]["lo"] < va < hidden[0]["hi"] or part.at(va)["name"].startswith("kernel image"), name
        assert f"{va:x}" not in out.decode()
    for r in full.all:  # what is known is so
        if part.at(r["lo"])["kind"] not in ("unknown", "hole") and not r["name"].startswith("kernel "):
            assert part.at(r["lo"])["name"] == r["name"] or r["kind"] == "hole", (r, part.at(r["lo"]))
    rc, out, _ = g.run(["pagewalk", "layout", f"{full.named('direct map')['lo']:x}"], user=1000)
    assert rc == 4 and b"unknown" in out and b"KASLR moves them" in out, (rc, out)
    rc, out, _ = g.run(["pagewalk", "layout", "4000000000000000"], user=1000)
    assert rc == 1 and b"non-canonical" in out, (rc, out)


@guest_test(kernels=("5.10-4", "7.2-5"), **NOKASLR)
def test_without_privilege_nor_kaslr(g):
    load(g)
    full, part = Layout(g, "kmod"), Layout(g, "auto", user=1000, ok=(4,))
    for name in ("direct map", "vmalloc", "vmemmap", "cpu entry area", "espfix", "EFI", "LDT", "user space"):
        assert (full.named(name)["lo"], full.named(name)["hi"]) == (part.named(name)["lo"], part.named(name)["hi"]), name
    assert "nokaslr" in part.named("vmalloc")["found"]


@guest_test(kernels=("6.1-5",))
def test_bad_addresses(g):
    for args in ("no_such_symbol", "0x", "1ffffffffffffffff", "-5", "--frob", "ffff 1 no_such_symbol"):
        rc, out, err = g.run(f"pagewalk layout {args}")
        assert rc == 2 and not out and err.count(b"\n") == 1, (args, rc, out, err)
