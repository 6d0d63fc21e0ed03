# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images of a guest that runs: what is consistent in them is shown as it was, what is not is marked; and an image of a guest that stands
still, which could have been smeared, has no mark at all, until damage is planted in it."""

import os
import random
import re
import tempfile
import time
from contextlib import contextmanager

import smear
from images import ranges_of, write_raw
from local import Host
from memory import ADDRESS
from test_states import HUGE_VMA, PFN, PRESENT, Kernel, check_word
from test_foreign import entry_at, processes, shown_vmas
from testing import guest_test
from tool import EVERY_STATE, Mkmaps, number, pagemap, pagewalk, prepare, vmas

KERNELS = ("5.10-4", "6.1-4", "6.12-5", "7.2-5", "newest-5")
SYMBOLS = ("init_task", "init_top_pgt", "page_offset_base", "vmemmap_base", "phys_base")
ALL = ["not-a-table", "other-root", "met-twice", "not-mapped", "other-page", "no-vma"]
PIECE = 1 << 20


def facts(h, image):
    return {r["fact"]: r["value"] for r in pagewalk(h, "info", "-s", image).of("fact")}


class Planter:
    """An image of a guest with processes in it, and what is planted."""

    def __init__(self, g, h, directory):
        prepare(g)
        g.spawn(["crowd", "20", "20"], stdin=None).wait_line(rb"ready", 120)
        self.every = Mkmaps(g)
        self.a, self.b = (Mkmaps(g, "--only", "anon,anon-holes") for _ in range(2))
        self.h, self.raw = h, os.path.join(directory, "raw")
        btf = g.read_file("/sys/kernel/btf/vmlinux")
        symbols = smear.Symbols(g, *SYMBOLS).va
        g.stop()
        write_raw(g.ram_path, ranges_of(g.memory), self.raw)
        # The test of images found in memory compares it with the guest's own.
        phys_base = int(facts(h, self.raw)["phys-base"], 16)
        self.image = smear.Image(self.raw, btf, symbols, phys_base, g.paging_levels(), directory)
        self.va = next(r.addr for r in self.a.ranges if r.state == "anon")
        self.root = self.image.root_of(self.a.pid)

    def entry(self, level, va=None, root=None):
        """(where it is, what it holds)"""
        return next(s[1:] for s in self.image.walk(root or self.root, va or self.va) if s[0] == level)

    def dump(self, pid=None, *more, ok=(4,)):
        return pagewalk(self.h, "dump", pid or self.a.pid, "--entries", "-s", self.raw, *more, ok=ok)

    def marks(self, pid=None):
        return {(number(r["va"]), r["doubt"]) for r in self.dump(pid).of("hole") if r["reason"] == "inconsistent"}

    def all_marks(self):
        answer = pagewalk(self.h, "vmas", "--all", "-s", self.raw, ok=(0, 4), timeout=120)
        return answer.end["inconsistent"]

    @contextmanager
    def planted(self):
        try:
            yield self.image
        finally:
            self.image.restore()


def table_that_was_freed(p):
    """A table of PTEs whose page was given back and has something else in it."""
    pa = p.entry(2)[1] & ADDRESS
    with p.planted() as image:
        image.free(pa)
        image.write(pa, random.Random(5).randbytes(4096))
        assert p.marks() == {(p.va & -1 << 21, "not-a-table")}
        translated = pagewalk(p.h, "translate", p.a.pid, f"{p.va:x}", "-s", p.raw, ok=(4,)).of("translation")[0]
        assert (translated["verdict"], translated["doubt"]) == ("inconsistent", "not-a-table"), translated


def snapshot_of_what_is_marked(p):
    """The marks are in it as well."""
    table, page = p.entry(2)[1] & ADDRESS, p.entry(1, next(r.addr for r in p.a.ranges if r.state == "anon-holes"))
    path = p.raw + ".snapshot"

    def told(source):
        answers = (pagewalk(p.h, "dump", p.a.pid, "--entries", "-s", source, ok=(4,)),
                   pagewalk(p.h, "translate", p.a.pid, f"{p.va:x}", f"{p.va - 4096:x}", "-s", source, ok=(4,)))
        return [(a.head["checked"], a.records[1:]) for a in answers]

    with p.planted() as image:
        image.free(table)
        image.free(page[1] & ADDRESS)
        pagewalk(p.h, "snapshot", p.a.pid, "-o", path, "-s", p.raw, ok=(4,))
        assert told(path) == told(p.raw)


def upper_tables_that_were_freed(p):
    """Those above, too; where they have no type of their own, a free page still is no table."""
    for level in range(3, p.image.levels + 1):
        pa = p.entry(level)[1] & ADDRESS
        with p.planted() as image:
            image.free(pa)
            image.write(pa, random.Random(level).randbytes(4096))
            assert p.marks() == {(p.va & -1 << (9 * level + 3), "not-a-table")}, level


def table_that_is_a_page_of_data(p):
    """The entry for a table leads to a page that the process itself has."""
    at, raw = p.entry(2)
    with p.planted() as image:
        image.put(at, p.entry(1)[1] & ADDRESS | raw & ~ADDRESS)
        assert p.marks() == {(p.va & -1 << 21, "not-a-table")}


def tables_that_changed_places(p):
    """Two processes have each other's table of PTEs: their leaves are of other addresses."""
    va_b = next(r.addr for r in p.b.ranges if r.state == "anon")
    at_a, raw_a = p.entry(2)
    at_b, raw_b = p.entry(2, va_b, p.image.root_of(p.b.pid))
    with p.planted() as image:
        image.put(at_a, raw_b)
        image.put(at_b, raw_a)
        for pid in (p.a.pid, p.b.pid):
            marks = p.marks(pid)
            assert marks and {d for _, d in marks} <= {"other-page", "no-vma"}, marks
            # All of its anonymous pages are, but those that are mapped there by chance at their own place.
            left = p.dump(pid).entries("leaf")
            base = (p.va if pid == p.a.pid else va_b) & -1 << 21
            inside = [va for va, e in left if base <= va < base + (1 << 21) and "special" not in e["attrs"]]
            assert len(inside) <= len(marks), (len(inside), len(marks))


def table_that_is_met_twice(p):
    at, raw = p.entry(2)
    other = at & ~4095 | (at + 8 & 4095)
    with p.planted() as image:
        image.put(other, raw)
        marks = p.marks()
        # Of the two it is the one at the higher address; behind the last slot the plant is the lower one, where no VMA is.
        allowed = {"met-twice"} if other > at else {"met-twice", "no-vma"}
        assert sum(d == "met-twice" for _, d in marks) == 1 and {d for _, d in marks} <= allowed, marks


def root_of_another(p):
    mm = p.image.mm_of(p.a.pid) + p.image.mm["pgd"]
    with p.planted() as image:
        image.put(image.phys(mm), image.u64(image.phys(image.mm_of(p.b.pid) + image.mm["pgd"])))
        assert p.marks() == {(0, "other-root")}


def leaf_of_a_free_page(p):
    pa = p.entry(1)[1] & ADDRESS
    with p.planted() as image:
        image.free(pa)
        assert p.marks() == {(p.va, "not-mapped")}


def leaf_of_a_table(p):
    at, raw = p.entry(1)
    with p.planted() as image:
        image.put(at, p.entry(2)[1] & ADDRESS | raw & ~ADDRESS)
        assert p.marks() == {(p.va, "not-mapped")}


def leaf_of_another_address(p):
    at, raw = p.entry(1)
    with p.planted() as image:
        image.put(at, p.entry(1, p.va + 4096)[1] & ADDRESS | raw & ~ADDRESS)
        assert p.marks() == {(p.va, "other-page")}


def leaf_without_a_vma(p):
    areas = sorted((number(r["va"]), number(r["end"])) for r in pagewalk(p.h, "vmas", p.a.pid, "-s", p.raw).of("vma"))
    va = next(end for (_, end), (lo, _) in zip(areas, areas[1:]) if lo > end and end & 0x1FFFFF
              and p.image.walk(p.root, end)[-1][0] == 1)
    with p.planted() as image:
        image.put(p.entry(1, va)[0], p.entry(1)[1])
        assert p.marks() == {(va, "no-vma")}


def list_of_tasks_that_breaks(p):
    """All are there but the one whose links are broken on both sides, which is seen by its root; none is lost where one side holds."""
    def listed(ok):
        return {r["pid"] for r in pagewalk(p.h, "ps", "-s", p.raw, ok=ok).of("process")}

    before, tasks = listed((0,)), p.image.tasks()
    at = p.image.phys(tasks[p.a.pid] + p.image.task["tasks"])
    with p.planted() as image:
        image.put(at, 0x1234)
        assert listed((4,)) == before
        image.put(at + 8, 0x1234)
        assert listed((4,)) == before - {p.a.pid} | {None}
        rc, out, err = p.h.run(["pagewalk", "vmas", "--all", "-s", p.raw])
        assert rc == 4 and b"list of tasks is broken" in err and out, (rc, err)
    with p.planted() as image:
        image.put(image.phys(tasks[p.a.pid] + image.task["mm"]), 0x1234)
        assert listed((4,)) == before - {p.a.pid} | {None}
    with p.planted() as image:
        image.put(image.phys(image.mm_of(p.a.pid) + image.mm["pgd"]), 0x1234)
        assert listed((0,)) == before | {None}
        rc, out, err = p.h.run(["pagewalk", "vmas", "--all", "-s", p.raw])
        assert rc == 4 and str(p.a.pid).encode() in err and out, (rc, err)


def list_of_vmas_that_breaks(p):
    at = p.image.mm_of(p.a.pid)
    at += p.image.mm["mm_mt"] + p.image.types.members("maple_tree")["ma_root"] if "mm_mt" in p.image.mm else p.image.mm["mmap"]
    leaves = len(p.dump(ok=(0,)).entries("leaf"))
    with p.planted() as image:
        image.put(image.phys(at), 0x123456)
        rc, out, err = p.h.run(["pagewalk", "dump", str(p.a.pid), "--entries", "-s", p.raw])
        assert rc == 4 and b"its list of VMAs is broken" in err, (rc, err)
        answer = p.dump()
        assert len(answer.entries("leaf")) == leaves and answer.end["inconsistent"] == 0
        assert not {"no-vma", "other-page"} & set(answer.head["checked"]), answer.head


PLANTS = (table_that_was_freed, snapshot_of_what_is_marked, upper_tables_that_were_freed, table_that_is_a_page_of_data, tables_that_changed_places,
          table_that_is_met_twice, root_of_another, leaf_of_a_free_page, leaf_of_a_table, leaf_of_another_address,
          leaf_without_a_vma, list_of_tasks_that_breaks, list_of_vmas_that_breaks)


def check_plants(g):
    with tempfile.TemporaryDirectory() as d, Host() as h:
        p = Planter(g, h, d)
        answer = pagewalk(h, "vmas", "--all", "-s", p.raw, timeout=120)
        assert answer.head["checked"] == ALL and answer.head["consistency"] == "smeared", answer.head
        assert answer.end["inconsistent"] == 0 and answer.end["complete"], answer.end
        spaces = len(answer.of("space"))
        everything = p.dump(p.every.pid, ok=(0,))
        assert everything.end["inconsistent"] == 0 and everything.end["leaves"] > 500, everything.end
        for plant in PLANTS:
            try:
                plant(p)
            except AssertionError as e:
                raise AssertionError(f"{plant.__name__}: {e}") from e
        assert p.all_marks() == 0
        # Whoever knows better is not told.
        with p.planted() as image:
            image.free(p.entry(1)[1] & ADDRESS)
            frozen = p.dump(None, "--frozen", ok=(0,))
            assert "checked" not in frozen.head and "inconsistent" not in frozen.end
        p.image.close()
        print(f"     {g.name}: {spaces} spaces, {answer.end['leaves']} leaves, no mark; {len(PLANTS)} plants are marked", flush=True)


@guest_test(kernels=KERNELS, **EVERY_STATE, timeout=300)
def test_planted_damage_is_marked_and_nothing_else(g):
    check_plants(g)


@guest_test(kernels=("6.1-4",), **{**EVERY_STATE, "cmdline": "pti=on nokaslr"}, timeout=300)
def test_planted_damage_under_pti(g):
    check_plants(g)


# -------- a guest that runs


def copy_slowly(g, path):
    """In pieces, the last first: VMAs, tables, struct pages and pages are seconds apart."""
    with open(g.ram_path, "rb") as f, open(path, "wb") as out:
        out.truncate(g.memory.size)
        for at in range(g.memory.size - PIECE, -1, -PIECE):
            f.seek(at)
            data = f.read(PIECE)
            out.seek(at)
            out.write(data)
            time.sleep(0.012)


def save_by_qemu(g, path):
    g.qmp("pmemsave", val=0, size=g.memory.low, filename=path)


def everything(h, raw):
    """{pid: (name, marks, exit status)} of each process, one after another."""
    found = {}
    for r in pagewalk(h, "ps", "-s", raw, ok=(0, 4), timeout=60).of("process"):
        if r["kthread"] or not r["pid"]:
            continue
        rc, out, err = h.run(["pagewalk", "dump", str(r["pid"]), "-s", raw, "--json"], timeout=60)
        assert rc in (0, 3, 4), (rc, r, err)
        assert rc == 0 or err or b'"complete":false' in out, (rc, r)
        found[r["pid"]] = (r["name"], out.count(b'"reason":"inconsistent"'), rc)
    return found


def sentinels(g, churns):
    """{pid: {va: frame}} of the region that each churn never touches again."""
    found = {}
    for c in churns:
        addr, n = (int(x, 16) for x in re.search(rb"sentinel addr=0x([0-9a-f]+) len=0x([0-9a-f]+)", c.stdout).groups())
        words = pagemap(g, c.pid, [(addr, addr + n)])
        found[c.pid] = {va: (w & PFN) << 12 for va, w in words.items() if w & PRESENT}
    return found


def check_sentinels(h, raw, regions):
    """They are whole in the midst of what the churns do."""
    for pid, pages in regions.items():
        where = f"{min(pages):x}-{max(pages) + 4096:x}"
        answer = pagewalk(h, "dump", pid, where, "--entries", "-s", raw, ok=(0, 4))
        got = {va: number(r["pa"]) for va, r in answer.entries("leaf")}
        assert got == pages and answer.end["inconsistent"] == 0, (pid, len(got), len(pages), answer.end)


@guest_test(kernels=("5.10-4", "6.1-4", "7.2-5"), each=("slowly", "by QEMU"), timeout=300, smp=2, mem=384)
def test_an_image_of_a_guest_that_runs(g, how):
    g.spawn(["crowd", "10", "20"], stdin=None).wait_line(rb"ready", 60)
    m = Mkmaps(g, "--only", "anon,anon-holes,anon-ro,exec-only")
    areas = [v for v in vmas(g, m.pid) if v.lo < 1 << 63 and v.hi - v.lo <= HUGE_VMA]
    ranges, kernel = [(v.lo, v.hi) for v in areas], Kernel(g)
    churns = [g.spawn(["churn"], stdin=None) for _ in range(3)]
    for c in churns:
        c.wait_line(rb"(?m)^ready", 30)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as d, Host() as h:
        raw = os.path.join(d, "raw")
        before, said, regions = pagemap(g, m.pid, ranges), processes(g), sentinels(g, churns)
        (copy_slowly if how == "slowly" else save_by_qemu)(g, raw)
        after = pagemap(g, m.pid, ranges)
        # What did not change is there, whole and without a mark.
        still = [m.pid, 1, *(p for p, (comm, _) in said.items() if comm == "crowd")]
        answer = pagewalk(h, "vmas", "-s", raw, *still)
        assert answer.head["consistency"] == "smeared" and answer.head["checked"] == ALL, answer.head
        assert answer.end["complete"] and answer.end["inconsistent"] == 0, answer.end
        got = shown_vmas(answer, still)
        assert all(got[p] == said[p][1] for p in still), [p for p in still if got[p] != said[p][1]]
        entries = dict(pagewalk(h, "dump", "--entries", "-s", raw, m.pid).entries())
        same = [(v, va) for v in areas for va in range(v.lo, v.hi, 4096) if before[va] == after[va]]
        wrong = [w for w in (check_word(kernel, va, after[va], entry_at(entries, va), v) for v, va in same) if w]
        assert not wrong and len(same) > 100, (len(same), wrong[:5])
        check_sentinels(h, raw, regions)
        # Whatever the others look like, each is shown or said; marks are those of processes that were busy.
        every = everything(h, raw)
        pagewalk(h, "vmas", "--all", "-s", raw, ok=(0, 4), timeout=60)
        quiet = {p: e for p, e in every.items() if e[0] not in ("churn", "exe", "sh", "cat") and e[1:] != (0, 0)}
        assert not quiet, quiet
        assert {c.pid for c in churns} & every.keys(), every
        marks = [n for _, n, _ in every.values()]
        print(f"     {g.name} {how}: {len(every)} processes, {len(same)} pages as pagemap said; {sum(marks)} marks in "
              f"{sum(map(bool, marks))} processes, {sum(e[2] == 3 for e in every.values())} not shown", flush=True)
