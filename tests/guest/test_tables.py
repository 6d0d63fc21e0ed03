# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every entry of a whole address space against two walkers that are not ours.

The guest is stopped inside a user process: QEMU's `info tlb` gives every leaf that its CPU would use (T1), and the
tables are copied from guest RAM. The guest goes on, pagewalk dumps the same space and is held at its end, so that what it
mapped itself is still there; the guest is stopped again (T2). What T1 and T2 agree on must be in the dump; what is in the dump
must be in T1 or T2. The bits that `info tlb` does not show are compared as raw words with the RAM.
"""

from testing import guest_test
from tool import EVERY_STATE, Answer, Mkmaps, SOURCES, number, prepare, scanned_by

TRIES = 3  # the kernel may map and unmap something of its own exactly during the dump
VOLATILE = 0x60  # Accessed, Dirty


class Shot:
    """What the guest's MMU would do at one moment."""

    def __init__(self, g, cr3=None):
        self.registers = g.stop_in_user(cr3=cr3)
        self.cr3 = self.registers["CR3"]
        self.leaves = g.info_tlb()
        self.words = g.memory.words(self.cr3, g.paging_levels())
        g.cont()


class Changed(Exception):
    """The kernel was busy: the shots differ too much, or something lived only between them."""


def held_dump(g, source, target, cr3, form):
    """(the Answer of a dump of both halves, the Shot taken while the dumping process was held at its end)"""
    p = g.spawn(["hold", "/tmp/dump", "pagewalk", "-s", source, "dump", target, "--user", "--kernel", form, "--json",
                 "-o", "/tmp/dump"], stdin=None)
    p.wait_until(lambda: b"held" in p.stderr or p.rc is not None, 180, "the end of the dump")
    after = Shot(g, cr3)
    p.write(b"")
    rc, _, err = p.wait(60)
    assert rc == 0, f"pagewalk exits {rc}: {err.decode()}"
    answer = Answer(g.read_file("/tmp/dump"))
    g.check(["rm", "/tmp/dump"])
    return answer, after


def leaves_of(dump):
    """(va, (pa, size, raw)) of all leaves, those of exact runs, too, in which no page is unlike another; raw is not in these."""
    for va, r in dump.entries("leaf"):
        yield va, (number(r["pa"]), r["size"], number(r["raw"]))
    for r in dump.of("run"):
        for i in range(r["pages"] if r["kind"] == "leaf" else 0):
            yield number(r["va"]) + i * r["size"], (number(r["pa"]) + i * r["size"], r["size"], None)


def compare_leaves(dump, t1, t2):
    """Leaves against info tlb; the bits it shows, one by one."""
    ours = {}
    for va, leaf in leaves_of(dump):
        assert va not in ours, f"{va:#x} is in the dump twice"
        ours[va] = leaf
    for va, leaf in t1.leaves.items():
        if t2.leaves.get(va, leaf)[0] != leaf.pa or va not in t2.leaves:
            continue
        assert va in ours, f"{va:#x} is missing: {leaf}"
        pa, size, raw = ours[va]
        assert (pa, size) == (leaf.pa, leaf.size), f"{va:#x}: {pa:#x}, {size:#x} but {leaf}"
        shown = 0x80000000000001FE
        agreed = shown & ~(leaf.bits ^ t2.leaves[va].bits)
        if raw is not None and (raw ^ leaf.bits) & agreed:  # a freed BPF program's page in the direct map is read-only for a moment
            raise Changed(f"{va:#x}: {raw:#x} but {leaf}")
    strangers = [va for va in ours if va not in t1.leaves and va not in t2.leaves]
    if strangers:
        raise Changed(f"{len(strangers)} leaves are in neither shot: {[hex(v) for v in strangers[:5]]}")
    return ours


def compare_words(dump, t1, t2):
    """Every raw word that the dump shows against guest RAM, and every word of RAM that the dump must show."""
    ours, wrong = {}, []
    for va, r in dump.entries():
        ours[number(r["slot"])] = number(r["raw"])
    for pa, raw in ours.items():
        if all((t.words.get(pa, 0) ^ raw) & ~VOLATILE for t in (t1, t2)):
            wrong.append(f"{pa:#x}: {raw:#x}, RAM {t1.words.get(pa, 0):#x} {t2.words.get(pa, 0):#x}")
    steady = [pa for pa, raw in t1.words.items() if not (t2.words.get(pa, 0) ^ raw) & ~VOLATILE]
    missing = [f"{pa:#x}: {t1.words[pa]:#x}" for pa in steady if pa not in ours]
    if wrong or missing:
        raise Changed(f"{len(wrong)} words differ from RAM: {wrong[:5]}; {len(missing)} are missing: {missing[:5]}")
    return len(steady)


def sandwich(g, source, target, fewest=100, form="--tree"):
    t1 = Shot(g)
    dump, t2 = held_dump(g, source, target, t1.cr3, form)
    assert dump.end["complete"] and dump.end["unstable"] == 0 and dump.end["unreadable"] == 0, dump.end
    assert dump.head["consistency"] == "validated" and dump.head["source"] == source, dump.head
    assert dump.head["mode"].startswith(str(g.paging_levels())), dump.head
    vas = t1.leaves.keys() | t2.leaves.keys()
    differ = sum(1 for va in vas if va not in t1.leaves or va not in t2.leaves or t1.leaves[va].pa != t2.leaves[va].pa)
    if differ >= 0.01 * len(t1.leaves):
        raise Changed(f"{differ} of {len(t1.leaves)} leaves differ between the shots")
    ours = compare_leaves(dump, t1, t2)
    words = compare_words(dump, t1, t2) if form == "--tree" else 0
    for half, mine in (("user", [va for va in ours if va < 1 << 63]), ("kernel", [va for va in ours if va >> 63])):
        assert len(mine) > fewest, f"only {len(mine)} leaves in the {half} half"
    print(f"     {g.name} {source}: {len(ours)} leaves, {words} words, {differ} differ between the shots")


def settled_sandwich(g, source, target, **how):
    for left in range(TRIES - 1, -1, -1):
        try:
            return sandwich(g, source, target, **how)
        except Changed as e:
            if not left:
                raise AssertionError(str(e)) from None


@guest_test(each=SOURCES, timeout=600, **EVERY_STATE)
def test_dump_equals_info_tlb_and_guest_ram(g, source):
    prepare(g)
    settled_sandwich(g, source, str(Mkmaps(g, "--spin").pid))


@guest_test(kernels=("6.1-4",), each=SOURCES, timeout=600, **{**EVERY_STATE, "cmdline": "pti=on secretmem.enable=y"})
def test_user_root_under_pti_equals_info_tlb(g, source):
    """In user mode the CPU runs on the user root: that is what info tlb then sees, and what PID:user shows."""
    prepare(g)
    settled_sandwich(g, source, f"{Mkmaps(g, '--spin').pid}:user", fewest=10)


@guest_test(kernels=("6.12-4",), each=("plain", "avx2"), timeout=600, **EVERY_STATE)
def test_each_way_to_scan_tables_equals_info_tlb(g, simd):
    """Entries, and runs that are exact. QEMU's CPU has AVX2."""
    prepare(g)
    pid = str(Mkmaps(g, "--spin").pid)
    with scanned_by(simd):
        settled_sandwich(g, "bpf", pid)
        settled_sandwich(g, "bpf", pid, form="--exact")
