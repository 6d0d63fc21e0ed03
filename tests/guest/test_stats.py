# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sums of `stats` of a stopped process that has every state: the same as those of all entries of a dump, added up here, and as what the
kernel counts by itself.

What smaps has as Rss leaves out what it has no page of: entries with the special bit (the zero page, VM_PFNMAP), the huge zero page, and
hugetlbfs, which it lists beside. AnonHugePages leaves out the huge zero page. Both know PROT_NONE pages, but for huge ones on some kernels. VmPTE has the tables of pte, pmd
and pud, and one put aside for each transparent huge page.
"""

import re
import struct

from kmod import load, with_module
from testing import guest_test
from tool import EVERY_STATE, SOURCES, Mkmaps, number, pagewalk, prepare, vmas

TRIES = 6  # the kernel may age, swap or merge pages of a stopped process, too
SIZES = {"pte": 1 << 12, "pmd": 1 << 21, "pud": 1 << 30}
KINDS = ("table", "leaf", "protnone", "soft")
SWAP_TYPES = 32 - 9
HUGE = 1 << 21


def one(answer, kind):
    found = answer.of(kind)
    assert len(found) == 1, f"{len(found)} records {kind}"
    return found[0]


class Sums:
    """What the entries of `dump --tree` add up to."""

    def __init__(self, answer):
        self.entries = [r for _, r in answer.entries() if r["kind"] != "none"]
        self.leaves = [r for r in self.entries if r["kind"] == "leaf"]

    def count(self, level, kind):
        return sum(r["level"] == level and r["kind"] == kind for r in self.entries)

    def bytes(self, kind, test=lambda r: True):
        return sum(r["size"] for r in self.entries if r["kind"] == kind and test(r))

    def flags(self):
        """{(name, level): entries}"""
        found = {}
        for r in self.entries:
            for name in set(r["attrs"]):
                found[name, r["level"]] = found.get((name, r["level"]), 0) + 1
        return found

    def extents(self, alike=lambda r: None):
        """[(va, pa, bytes)]: as long as virtual and physical addresses go on and pages are alike."""
        found, before = [], object()
        for r in self.leaves:
            va, pa = number(r["va"]), number(r["pa"])
            last = found[-1] if found else None
            if last and last[0] + last[2] == va and last[1] + last[2] == pa and alike(r) == before:
                found[-1] = (last[0], last[1], last[2] + r["size"])
            else:
                found.append((va, pa, r["size"]))
            before = alike(r)
        return found


def blocks(extents):
    """{order: how many}, by trying the largest that fits at each address."""
    found = {}
    for va, pa, size in extents:
        while size:
            order = next(k for k in range(18, -1, -1)
                         if 4096 << k <= size and not va % (4096 << k) and not pa % (4096 << k))
            found[order] = found.get(order, 0) + 1
            va, pa, size = va + (4096 << order), pa + (4096 << order), size - (4096 << order)
    return found


def rights(r):
    return r["perm"], r.get("key", 0), r.get("memtype")


def check_dump(answer, tree):
    """The records of stats against the entries."""
    sums, stats = Sums(tree), one(answer, "stats")
    for r in answer.of("level"):
        for kind in KINDS:
            assert r["entries"][kind] == sums.count(r["level"], kind), (r, kind, sums.count(r["level"], kind))
    flags = {(r["flag"], level): r[level] for r in answer.of("flag") for level in ("pgd", "p4d", "pud", "pmd", "pte") if r.get(level)}
    assert flags == sums.flags(), set(flags.items()) ^ set(sums.flags().items())
    tables = {r["level"]: r["tables"] for r in answer.of("level")}
    levels = [r["level"] for r in answer.of("level")]
    assert tables[levels[0]] == 1
    for above, below in zip(levels, levels[1:]):
        assert tables[below] == sums.count(above, "table"), (below, tables)
    assert stats["mapped"] == sums.bytes("leaf") and stats["protnone"] == sums.bytes("protnone"), stats
    assert stats["swapped"] == sums.bytes("soft", lambda r: "swap" in r and r["swap"]["type"] < SWAP_TYPES), stats
    assert stats["swapped"] + stats["soft"] == sums.bytes("soft"), stats
    for r in answer.of("pagesize"):
        level = next(k for k, v in SIZES.items() if v == r["size"])
        assert r["pages"] == sums.count(level, "leaf")
        for bit in ("accessed", "dirty"):
            assert r[bit] == sums.bytes("leaf", lambda e, b=bit, s=r["size"]: e["size"] == s and b in e["attrs"]), (r, bit)
    check_fill(answer, sums)
    check_contiguity(answer, sums)
    return len(sums.entries)


def check_fill(answer, sums):
    used = {}
    for e in sums.entries:
        used.setdefault(e["level"], {}).setdefault(e["table"], []).append(e)
    for r in answer.of("level"):
        sizes = [len(v) for v in used.get(r["level"], {}).values()]
        assert r["empty_tables"] == r["tables"] - len(sizes), r
        assert r["single_tables"] == sizes.count(1), r
        assert r["slots"] == (256 if r["level"] == "pgd" else 512 * r["tables"]), r
        assert r["full_tables"] == sizes.count(512) + (sizes.count(256) if r["level"] == "pgd" else 0), r


def check_contiguity(answer, sums):
    extents, orders = sums.extents(), {}
    for _, _, size in extents:
        order = min(18, (size >> 12).bit_length() - 1)
        n, total = orders.get(order, (0, 0))
        orders[order] = n + 1, total + size
    cut = blocks(extents)
    for r in answer.of("contiguity"):
        assert (r["extents"], r["extent_bytes"]) == orders.pop(r["order"], (0, 0)), r
        assert r["blocks"] == cut.pop(r["order"], 0), r
    assert not orders and not cut, (orders, cut)
    tlb, alike = one(answer, "tlb"), blocks(sums.extents(rights))
    assert tlb["now"] == {"4k": sums.count("pte", "leaf"), "2m": sums.count("pmd", "leaf"), "1g": sums.count("pud", "leaf")}
    assert tlb["blocks"] == sum(alike.values()), (tlb, alike)
    assert tlb["merged"]["4k"] == sum(n << k for k, n in alike.items() if k < 9), (tlb, alike)
    assert tlb["merged"]["2m"] == sum(n << k - 9 for k, n in alike.items() if 9 <= k < 18), (tlb, alike)


def smaps(g, pid):
    """{field: bytes}, summed over the VMAs, and VmPTE."""
    sums = {}
    for line in g.check(["cat", f"/proc/{pid}/smaps", f"/proc/{pid}/status"]).decode(errors="replace").splitlines():
        m = re.match(r"(\w+):\s+(\d+) kB$", line)
        if m:
            sums[m[1]] = sums.get(m[1], 0) + int(m[2]) * 1024
    return sums


def in_state(m, state, kind):
    return sum(r.len for r in m.ranges if r.state == state and r.kind == kind)


def not_in_smaps(g, m):
    """Bytes of huge PROT_NONE pages that are not in smaps: none, but for some kernels. Since Linux kernel commit 474098edac26 ("mm/gup: replace
    FOLL_NUMA by gup_can_follow_protnone()") (in v6.1); smaps no longer asks gup since v6.6."""
    version = tuple(map(int, re.match(rb"(\d+)\.(\d+)", g.check(["uname", "-r"])).groups()))
    return in_state(m, "thp-protnone", "protnone") if (6, 1) <= version < (6, 6) else 0


def check_kernel(g, answer, kernel, m):
    """The records of stats against what the kernel counts."""
    stats, thp, lost = one(answer, "stats"), one(answer, "thp"), not_in_smaps(g, m)
    special = {level: sum(r[level] for r in answer.of("flag") if r["flag"] == "special") for level in SIZES}
    zero = in_state(m, "zero-huge", "leaf")
    # From v6.18 on the entry of the huge zero page is special as well.
    not_rss = special["pte"] * 4096 + max(special["pmd"] << 21, zero)
    hugetlb = kernel["Shared_Hugetlb"] + kernel["Private_Hugetlb"]
    assert stats["mapped"] + stats["protnone"] - not_rss - lost - hugetlb == kernel["Rss"], (stats, special, zero, kernel)
    assert (thp["huge"] << 21) - zero - lost == kernel["AnonHugePages"], (thp, zero, kernel)
    assert stats["swapped"] == kernel["Swap"], (stats, kernel)
    assert stats["kernel_table_bytes"] == kernel["VmPTE"], (stats, kernel)
    return kernel


class AnonVma:
    """A VMA of anonymous memory, by /proc/PID/maps and smaps."""

    def __init__(self, vma, no_thp):
        self.lo, self.hi, self.no_thp = vma.lo, vma.hi, no_thp

    def holds(self, lo):
        return self.lo <= lo and lo + HUGE <= self.hi


def anon_vmas(g, pid):
    setting = g.check(["cat", "/sys/kernel/mm/transparent_hugepage/enabled"])
    inodes = {int(l.split(b"-")[0], 16): int(l.split()[4]) for l in g.check(["cat", f"/proc/{pid}/maps"]).splitlines()}
    found = []
    for v in vmas(g, pid):
        named = v.name and v.name != "[heap]" and not v.name.startswith(("[stack", "[anon:"))
        if not named and not inodes[v.lo]:
            off = b"[never]" in setting or "nh" in v.flags or (b"[madvise]" in setting and "hg" not in v.flags)
            found.append(AnonVma(v, off))
    return found


def cause_of(vma, lo, entries):
    """Why the range is no huge page, given all its entries."""
    kinds = [e["kind"] for e in entries]
    if vma.no_thp:
        return "disabled"
    if "soft" in kinds:
        return "swapped"
    if "protnone" in kinds:
        return "protnone"
    if len(entries) < 512:
        return "holes"
    if len({rights(e) for e in entries}) > 1:
        return "mixed"
    first = number(entries[0]["pa"])
    together = first % HUGE == 0 and all(number(e["pa"]) == first + number(e["va"]) - lo for e in entries)
    return "split" if together else "copy"


def check_thp(g, pid, answer, tree):
    """Huge pages and missed ones, range by range."""
    areas, by_range, found = anon_vmas(g, pid), {}, {}
    for e in Sums(tree).entries:
        if e["kind"] != "table" and e["level"] in ("pte", "pmd"):
            by_range.setdefault(number(e["va"]) // HUGE, []).append(e)
    for at, entries in by_range.items():
        lo = at * HUGE
        mine = [(a, [e for e in entries if a.lo <= number(e["va"]) < a.hi]) for a in areas if a.lo < lo + HUGE and lo < a.hi]
        mine = [(a, es) for a, es in mine if es]
        if not mine:
            continue
        area, entries = mine[0]
        if not area.holds(lo):
            cause = "misaligned"
        elif entries[0]["level"] == "pmd":
            cause = "swapped" if entries[0]["kind"] == "soft" else "huge"
        else:
            cause = cause_of(area, lo, entries)
        found[cause] = found.get(cause, 0) + 1
    thp = one(answer, "thp")
    got = {k: n for k, n in {**thp["missed"], "huge": thp["huge"]}.items() if n}
    assert got == found, (got, found)
    ranges = sum(max(0, a.hi // HUGE - -(-a.lo // HUGE)) for a in areas)
    assert thp["ranges"] == ranges, (thp, ranges)
    assert thp["untouched"] == ranges - sum(n for k, n in found.items() if k != "misaligned"), (thp, found)
    return found


def check_areas(g, pid, answer):
    """The tables of all VMAs are all tables but the root."""
    areas = answer.of("area_tables")
    stats = one(answer, "stats")
    assert sum(r["table_bytes"] for r in areas) == stats["table_bytes"] - 4096, (areas, stats)
    rss = {v.lo: v.rss for v in vmas(g, pid) if v.name == "[heap]"}
    for r in areas:
        assert rss.get(number(r["va"]), r["mapped"]) == r["mapped"], r


def check_sums(g, source):
    m = Mkmaps(g, "--stay")
    g.check(["kill", "-STOP", str(m.pid)])
    for left in range(TRIES - 1, -1, -1):
        before = smaps(g, m.pid)
        answer = pagewalk(g, "-s", source, "stats", m.pid, "--top", 100000)
        tree = pagewalk(g, "-s", source, "dump", m.pid, "--user", "--tree")
        after = smaps(g, m.pid)
        try:
            assert before == after, {k: (v, after.get(k)) for k, v in before.items() if v != after.get(k)}
            entries = check_dump(answer, tree)
            kernel = check_kernel(g, answer, after, m)
            check_areas(g, m.pid, answer)
            thp = check_thp(g, m.pid, answer, tree)
            break
        except AssertionError:
            if not left:
                raise
    assert kernel["Swap"] and kernel["AnonHugePages"] and kernel["VmPTE"] and entries > 1000, (kernel, entries)
    print(f"     {g.name} {source}: {entries} entries; Rss {kernel['Rss'] >> 10} KiB, AnonHugePages "
          f"{kernel['AnonHugePages'] >> 10} KiB, Swap {kernel['Swap'] >> 10} KiB, VmPTE {kernel['VmPTE'] >> 10} KiB; 2M ranges {thp}", flush=True)
    check_pages(g, source, m)
    check_all(g, source, m)
    check_watch(g, source, m)
    check_leaf_only(g, m)


def check_pages(g, source, m):
    """What --pages has, against the kernel's files read as a whole."""
    for left in range(TRIES - 1, -1, -1):
        answer = pagewalk(g, "-s", source, "stats", m.pid, "--pages")
        tree = pagewalk(g, "-s", source, "dump", m.pid, "--user", "--entries")
        flags, counts = (struct.unpack(f"<{len(d) // 8}Q", d) for d in (g.check(["cat", f"/proc/{f}"]) for f in ("kpageflags", "kpagecount")))
        frames = [f for _, r in tree.entries("leaf") for f in range(number(r["pa"]) >> 12, (number(r["pa"]) + r["size"]) >> 12)]
        words = [flags[f] if f < len(flags) else 1 << 20 for f in frames]
        want = {name: sum(w >> bit & 1 for w in words)
                for name, bit in (("anon", 12), ("hugetlb", 17), ("none", 20), ("ksm", 21), ("thp", 22), ("zero", 24))}
        want["pages"] = len(frames)
        want["shared"] = sum(counts[f] > 1 and not w & (1 << 24 | 1 << 20) for f, w in zip(frames, words) if f < len(counts))
        pages = one(answer, "pages")
        if all(pages[k] == v for k, v in want.items()):
            break
        assert left, ({k: v for k, v in pages.items() if want.get(k, v) != v}, want)
    zero = sum(r.len // 4096 for r in m.ranges if r.note.get("zero") == "1" and r.kind == "leaf")
    assert zero and pages["zero"] >= zero and pages["shared"] and pages["anon"] and pages["hugetlb"] and pages["none"], (pages, zero)
    nodes = answer.of("node")
    sums = one(answer, "stats")
    assert sum(r["mapped"] for r in nodes) == sums["mapped"] + sums["protnone"], (nodes, sums)
    assert sum(r["tables"] for r in nodes) == one(answer, "stats")["tables"], nodes


def check_all(g, source, m):
    """--all: each process as by itself, and their sum."""
    answer = pagewalk(g, "-s", source, "stats", "--all", "--sort", "tables", ok=(0, 4))
    rows, total = answer.of("process_stats"), one(answer, "total_stats")
    mine = [r for r in rows if r["target"] == str(m.pid)]
    stats = one(pagewalk(g, "-s", source, "stats", m.pid), "stats")
    assert len(mine) == 1 and all(mine[0][k] == stats[k] for k in ("mapped", "swapped", "protnone", "table_bytes")), (mine, stats)
    assert [r["table_bytes"] for r in rows] == sorted((r["table_bytes"] for r in rows), reverse=True)
    for key in ("mapped", "swapped", "tables", "table_bytes", "tlb_now", "tlb_merged", "tlb_blocks", "pte_entries"):
        assert total[key] == sum(r[key] for r in rows), key
    assert total["processes"] == len(rows)


def check_watch(g, source, m):
    """A process that stands still does not change, but for what the kernel does."""
    rounds = pagewalk(g, "-s", source, "stats", m.pid, "--watch", "100ms", "--count", "2").of("round")
    assert [r["round"] for r in rounds] == [0, 1, 2] and rounds[0]["changed"] is None
    assert all(r["changed"][what] == 0 for r in rounds[1:] for what in ("mapped", "dirtied", "perm")), rounds


def check_leaf_only(g, m):
    """What pagemap does not tell is null, and no 0."""
    stats = one(pagewalk(g, "-s", "pagemap", "stats", m.pid), "stats")
    assert stats["mapped"] and all(stats[k] is None for k in ("tables", "table_bytes", "accessed", "dirty", "protnone")), stats
    last = pagewalk(g, "-s", "pagemap", "stats", m.pid, "--watch", "50ms", "--count", "1").of("round")[-1]
    assert last["mapped"] and last["table_bytes"] is None and last["accessed"] is None, last
    assert last["changed"]["mapped"] == 0 and last["changed"]["accessed"] is None and last["changed"]["split"] is None, last


@guest_test(kernels=("5.10-4", "7.2-5"), each=SOURCES[:1], timeout=600, **EVERY_STATE)
def test_sums_are_those_of_the_dump_and_of_the_kernel(g, source):
    prepare(g)
    check_sums(g, source)


@guest_test(kernels=("6.1-5",), timeout=600, **with_module(EVERY_STATE))
def test_sums_by_the_module(g):
    load(g)
    prepare(g)
    check_sums(g, "kmod")


def by_numa_maps(g, pid):
    """{node: bytes} that the kernel says of a process; it leaves out what has no page of its own, and the kernel's image."""
    found = {}
    for line in g.check(["cat", f"/proc/{pid}/numa_maps"]).decode().splitlines():
        size = re.search(r"kernelpagesize_kB=(\d+)", line)
        for node, pages in re.findall(r" N(\d+)=(\d+)", line):
            found[int(node)] = found.get(int(node), 0) + int(pages) * int(size[1]) * 1024
    return found


@guest_test(kernels=("6.1-4", "7.2-5"), fresh=True, smp=2, node1=160)
def test_nodes_of_pages_are_those_of_numa_maps(g):
    """More memory than one node has."""
    p = g.spawn("memalloc -b 4K -m 230M --keep -o /dev/null", stdin=None)
    pid = int(p.wait_line(rb"PID (\d+) keeps it", 120)[1])
    for left in range(TRIES - 1, -1, -1):
        before = by_numa_maps(g, pid)
        answer = pagewalk(g, "stats", pid, "--filter", "not special and name!=[vdso]")
        ours = {r["node"]: r["mapped"] for r in answer.of("node")}
        if ours == before or not left:
            break
    assert ours == before and min(ours[0], ours[1]) > 20 << 20, (ours, before)
    tables = {r["node"]: r["tables"] for r in answer.of("node")}
    assert sum(tables.values()) == sum(r["tables"] for r in answer.of("level")), (tables, answer.of("level"))
    print(f"     {g.name}: {ours[0] >> 20} and {ours[1] >> 20} MiB, {tables} tables", flush=True)
