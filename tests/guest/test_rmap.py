# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who reaches a frame: of every frame of a process with all states, what rmap finds is what the kernel counts and what pagemap says, and
each address that it names leads back to the frame; frames that processes share in every way; page tables by their pages."""

import os
import re
import struct
import tempfile
import time
from collections import defaultdict

from images import ranges_of, write_raw
from kmod import load, with_module
from local import Host
from test_states import HUGE_VMA
from testing import guest_test
from tool import Answer, EVERY_STATE, Mkmaps, ONE_GIB, SOURCES, number, pagemap, pagewalk, prepare, vmas

PRESENT, PFN = 1 << 63, (1 << 55) - 1
# Of a frame whose count by the kernel is another one, one of these must be the reason.
STATED = ("the zero page", "no struct page", "mapped by its number", "processes share the table")
KERNELS = ("5.10-4", "6.1-5", "7.2-5")
ALL = (*SOURCES, "kmod")


def rmap(g, source, frames, *more, ok=(0,)):
    """The answer about frames, given by standard input."""
    words = "".join(f"pa:{pa:x}\n" for pa in sorted(frames)).encode()
    rc, out, err = g.run(["pagewalk", "rmap", "-", "-s", source, "--json", *more], 300, stdin=words)
    assert rc in ok, (rc, err)
    return Answer(out)


def mappings(answer):
    """{frame: {(target, va)}}"""
    found = defaultdict(set)
    for r in answer.of("mapping"):
        found[number(r["pa"])].add((r["target"], number(r["va"])))
    return found


def frames_of(g, pid):
    """{frame: {va}} by pagemap, and the VMAs that were asked about."""
    areas = [v for v in vmas(g, pid) if v.lo < 1 << 63 and v.hi - v.lo <= HUGE_VMA]
    found = defaultdict(set)
    for va, word in pagemap(g, pid, [(v.lo, v.hi) for v in areas]).items():
        if word & PRESENT:
            found[(word & PFN) << 12].add(va)
    return found, areas


def kpagecount(g, frames):
    """{frame: count} by the file itself."""
    script = "".join(f"dd if=/proc/kpagecount bs=8 skip={pa >> 12} count=1 2>/dev/null\n" for pa in frames)
    return dict(zip(frames, struct.unpack(f"<{len(frames)}Q", g.check(script, timeout=120))))


def check_counts(answer):
    """Frames that agree, and {reason: frames}."""
    agree, reasons = 0, defaultdict(int)
    for r in answer.of("frame"):
        if r["mapcount"] is None:  # behind the last frame that has a struct page
            continue
        assert (r["why"] is None) == (r["user"] == r["mapcount"]), r
        if r["why"] is None:
            agree += 1
            continue
        reason = next((s for s in STATED if r["why"].startswith(s)), None)
        assert reason, r
        reasons[reason] += 1
    return agree, dict(reasons)


def check_pagemap(answer, pid, said, areas):
    """What is found of the process is what its pagemap says."""
    found = mappings(answer)
    for pa, addresses in said.items():
        own = {va for target, va in found[pa] if target == str(pid) and any(v.lo <= va < v.hi for v in areas)}
        assert own == addresses, (hex(pa), set(map(hex, own)) ^ set(map(hex, addresses)))
    return sum(map(len, said.values()))


def translated(g, source, target, addresses):
    """{va: pa or None} of addresses of one target, what only the kernel has mapped included."""
    words = "".join(f"{va:x}\n" for va in addresses).encode()
    rc, out, err = g.run(["pagewalk", "translate", target, "-", "-s", source, "--json"], 300, stdin=words)
    assert rc in (0, 1), (target, rc, err)
    where = {}
    for r in Answer(out).of("translation"):
        last = r["path"][-1]
        here = last["kind"] in ("leaf", "protnone") and r["verdict"] in ("mapped", "protnone")
        where[number(r["va"])] = number(last["pa"]) + (number(r["va"]) & last["size"] - 1) if here else None
    return where


def check_back(g, source, answer):
    """Every address leads back to its frame, but for those of the program itself, which is no more."""
    of = defaultdict(dict)
    for r in (r for r in answer.of("mapping") if "(pagewalk)" not in r["title"]):
        of[r["target"]].setdefault(number(r["va"]), number(r["pa"]))
    for target, said in of.items():
        where = translated(g, source, target, said)
        wrong = {hex(va): (hex(pa), where[va]) for va, pa in said.items() if where[va] != pa}
        assert not wrong, (target, wrong)
    return sum(map(len, of.values()))


def check_direct_map(answer, secret):
    """Each frame of RAM is where the direct map has it, but for those that were taken out of it."""
    at = defaultdict(set)
    for r in answer.of("mapping"):
        if r["name"] == "direct map":
            at[number(r["pa"])].add(number(r["va"]) - number(r["pa"]))
    offsets = set().union(*at.values())
    assert len(offsets) == 1 and all(len(v) == 1 for v in at.values()), offsets
    missing = {number(r["pa"]) for r in answer.of("frame")} - set(at)
    assert missing <= secret, list(map(hex, missing - secret))
    return len(at)


def steady(check, what):
    """The kernel moves pages, and mkmaps' neighbours live: what counts is one time at which nothing did."""
    for _ in range(8):
        try:
            return check()
        except AssertionError as e:
            error = e
            time.sleep(1)
    raise AssertionError(f"{what}: never agreed: {error}") from error


def secret_frames(g, m):
    ranges = [(r.addr, r.addr + r.len) for r in m.ranges if r.state == "memfd-secret"]
    return {(w & PFN) << 12 for w in pagemap(g, m.pid, ranges).values() if w & PRESENT} if ranges else set()


def mapped_by_number(g, source, pid):
    """{frame: {va}} of what pagemap does not show: VM_PFNMAP."""
    found = defaultdict(set)
    for va, r in pagewalk(g, "dump", pid, "--user", "--entries", "-s", source).entries("leaf"):
        if "special" in r["attrs"]:
            found[number(r["pa"])].add(va)
    return found


def check_special(answer, pid, special):
    """The kernel counts none of them, and it is said why."""
    found = mappings(answer)
    for r in answer.of("frame"):
        pa = number(r["pa"])
        if pa not in special:
            continue
        assert special[pa] <= {va for target, va in found[pa] if target == str(pid)}, r
        assert r["mapcount"] is None or r["why"].startswith(STATED[:3]), r
    return len(special)


def check_frames(g, m, source):
    secret = secret_frames(g, m)

    def once():
        said, areas = frames_of(g, m.pid)
        special = mapped_by_number(g, source, m.pid)
        answer = rmap(g, source, set(said) | set(special))
        assert answer.end["complete"] and not answer.end["unstable"], answer.end
        n = check_pagemap(answer, m.pid, said, areas), check_special(answer, m.pid, special)
        counts = check_counts(answer)
        # Who asks for the count maps some of what all processes have.
        alone = {pa for pa, who in mappings(answer).items() if {t for t, _ in who} <= {str(m.pid), "kernel"}}
        some = sorted(alone & set(said))[::max(1, len(said) // 200)]
        own = kpagecount(g, some)
        by_frame = {number(r["pa"]): r["mapcount"] for r in answer.of("frame")}
        assert own == {pa: by_frame[pa] for pa in some}
        return said, n, counts, check_back(g, source, answer), check_direct_map(answer, secret | set(special)), answer

    said, n, (agree, reasons), back, direct, answer = steady(once, source)
    sizes = {r["size"] for r in answer.of("mapping") if r["target"] == str(m.pid)}
    kinds = {r["kind"] for r in answer.of("mapping") if r["target"] == str(m.pid)}
    assert {4096, 1 << 21} <= sizes and kinds == {"leaf", "protnone"}, (sizes, kinds)
    assert agree > 500 and "the zero page" in reasons, (agree, reasons)
    print(f"     {g.name} {source}: {len(said)} frames, {n[0]} pages of pagemap, {n[1]} mapped by number; {agree} as the kernel counts, "
          f"{', '.join(f'{v} {k}' for k, v in reasons.items())}; {back} addresses lead back, {direct} in the direct map", flush=True)
    return {number(r["pa"]) for r in answer.of("frame")}, answer


# ---- page tables ----

def tables_of(g, source, target):
    """{(frame of a table, level of its entries, va)} by a tree of all its entries."""
    levels = ["pte", "pmd", "pud", "p4d", "pgd"]
    tree = pagewalk(g, "dump", target, "--tree", "-s", source, *(["--user"] if target != "kernel" else []), ok=(0, 4))
    found = set()
    for va, r in tree.entries("table"):
        below = levels[levels.index(r["level"]) - 1]
        if below == "p4d" and tree.head["mode"] == "4-level":
            below = "pud"
        found.add((number(r["pa"]), below, va))
    return found


def check_tables(g, source, pid):
    def once():
        own = tables_of(g, source, pid)
        answer = rmap(g, source, {pa for pa, _, _ in own})
        got = {(number(r["pa"]), r["level"], number(r["va"])) for r in answer.of("table") if r["target"] == str(pid)}
        assert got == own, got ^ own
        # Their entries are in it, and it covers what these do.
        size = {"pte": 1 << 21, "pmd": 1 << 30, "pud": 1 << 39, "p4d": 1 << 48}
        for r in answer.of("table"):
            assert r["target"] == str(pid) and not r["root"], r
            assert number(r["end"]) - number(r["va"]) == size[r["level"]], r
        assert all(r["user"] == 0 and r["tables"] == 1 for r in answer.of("frame"))
        return len(own)
    return steady(once, "tables")


def check_kernel_tables(g, source):
    def once():
        own = tables_of(g, source, "kernel")
        answer = rmap(g, source, {pa for pa, _, _ in own})
        got = {(number(r["pa"]), r["level"], number(r["va"])) for r in answer.of("table") if r["target"] == "kernel"}
        assert got <= own, got - own
        assert {pa for pa, _, _ in got} == {pa for pa, _, _ in own}
        # What is left out are repetitions, which are told as such.
        again = [(number(r["va"]), int(r["end"], 16)) for r in answer.of("again")]
        missing = [t for t in own - got if not any(lo <= t[2] < end for lo, end in again)]
        assert not missing, missing[:5]
        return len(got)
    return steady(once, "kernel's tables")


def check_roots(g, source, pid, pti):
    roots = {r["pid"]: number(r["root"]) for r in pagewalk(g, "ps", "-s", source).of("process") if r["root"]}
    root = roots[pid]
    got = rmap(g, source, {root, root + 4096} if pti else {root}).of("table")
    assert {(number(r["pa"]), r["target"], r["root"], r["user_root"], r["level"]) for r in got} == {
        (root, str(pid), True, False, "pgd"), *([(root + 4096, str(pid), True, True, "pgd")] if pti else [])}, got


# ---- frames that are shared ----

class Sharers:
    def __init__(self, g):
        g.run("echo 0 >/sys/kernel/mm/ksm/run; echo 1000 >/sys/kernel/mm/ksm/pages_to_scan; "
              "echo 10 >/sys/kernel/mm/ksm/sleep_millisecs; echo 1 >/sys/kernel/mm/ksm/run")
        p = g.spawn(["sharers"], stdin=None)
        p.wait_line(rb"(?m)^ready", 60)
        text = p.stdout.decode()
        self.parent, self.child, self.same = (int(re.search(rf"(?m)^{w} (\d+)$", text)[1]) for w in ("parent", "child", "same"))
        self.at = {m[1]: (int(m[2], 16), int(m[3])) for m in re.finditer(r"(?m)^(\w+) ([0-9a-f]+) (\d+)$", text)}
        self.absent = re.findall(r"(?m)^absent (\w+)", text)

    def frames(self, g, pid, name):
        va, n = self.at[name]
        return [(w & PFN) << 12 for w in pagemap(g, pid, [(va, va + 4096 * n)]).values()]


def merged(g, s):
    """Waits for KSM to have made one of the twins."""
    for _ in range(120):
        frames = set(s.frames(g, s.parent, "twins") + s.frames(g, s.child, "twins"))
        if len(frames) == 1:
            return
        time.sleep(1)
    raise AssertionError(f"KSM has {len(frames)} frames of the twins")


def both(s, name):
    va, n = s.at[name]
    return {(str(pid), va + 4096 * i) for pid in (s.parent, s.child) for i in range(n)}


def check_shared(g, source, s):
    for name in ("cow", "file", "twins", "huge"):
        if name not in s.at or name in s.absent:
            continue
        frames = s.frames(g, s.parent, name)
        answer = rmap(g, source, frames)
        users = {(r["target"], number(r["va"])) for r in answer.of("mapping") if r["target"] != "kernel"}
        assert users == both(s, name), (name, users)
        told = answer.of("frame")
        assert [r["user"] for r in told] == ([8] if name == "twins" else [2] * len(frames)), (name, told)
        if name == "huge":
            assert told[0]["mapcount"] == 1 and told[0]["shared"] == 1 and told[0]["why"].startswith(STATED[3]), told
            assert all(r["size"] == 1 << 21 for r in answer.of("mapping") if r["target"] != "kernel")
        else:
            assert all(r["mapcount"] == r["user"] and r["why"] is None for r in told), (name, told)
        assert ("ksm" in told[0]["flags"]) == (name == "twins"), told
        same = [(r["target"], r["as"]) for r in answer.of("same")]
        assert {str(s.parent), str(s.same)} in [set(x) for x in same], same
        check_back(g, source, answer)
    out = g.check(["pagewalk", "rmap", str(s.parent), f"{s.at['cow'][0]:x}", "-s", source]).decode()
    assert re.search(rf"(?m)^0x[0-9a-f]+ +2/2  {s.parent} ", out) and f"{s.same} (sharers) has the memory of" in out \
        or f"{s.parent} (sharers) has the memory of" in out, out


# ---- tests ----

@guest_test(kernels=KERNELS, timeout=900, **with_module(EVERY_STATE))
def test_every_frame_of_a_process(g):
    prepare(g)
    load(g)
    m = Mkmaps(g)
    g.check(["kill", "-STOP", str(m.pid)])
    for source in ALL if g.name.startswith("6.1") else ("bpf",):
        frames, answer = check_frames(g, m, source)
        n = check_tables(g, source, m.pid), check_kernel_tables(g, source)
        check_roots(g, source, m.pid, False)
        print(f"     {g.name} {source}: {n[0]} tables of the process, {n[1]} of the kernel", flush=True)
    check_image(g, m, frames, answer)


def check_image(g, m, frames, answer):
    """The same from its memory, when it is stopped."""
    live = {(number(r["pa"]), number(r["va"]), r["size"], r["kind"], r["perm"], r["name"]) for r in answer.of("mapping")
            if r["target"] == str(m.pid)}
    with tempfile.TemporaryDirectory() as d, Host() as h:
        g.stop()
        image = os.path.join(d, "raw")
        write_raw(g.ram_path, ranges_of(g.memory), image)
        g.cont()
        got = rmap(h, image, frames, "--frozen", ok=(0, 4))
        assert {(number(r["pa"]), number(r["va"]), r["size"], r["kind"], r["perm"], r["name"]) for r in got.of("mapping")
                if r["target"] == str(m.pid)} == live
        assert {r["mapcount"] for r in got.of("frame")} == {None}
        counts = {number(r["pa"]): r["user"] for r in got.of("frame")}
        before = {number(r["pa"]): r["user"] for r in answer.of("frame")}
        differ = {hex(pa) for pa in before if counts[pa] != before[pa]}
        assert len(differ) < len(before) / 20, differ
    print(f"     {g.name} image: {len(live)} mappings are the same", flush=True)


@guest_test(kernels=("6.1-4",), **{**EVERY_STATE, **ONE_GIB})
def test_a_page_of_one_gib(g):
    m = Mkmaps(g, "--only", "hugetlb-1g")
    lo = m.ranges[0].addr
    got = pagewalk(g, "rmap", m.pid, f"{lo + 0x12345678:x}", "-s", "bpf").of("mapping")
    own = [r for r in got if r["target"] == str(m.pid)]
    assert [(number(r["va"]), r["size"], r["level"]) for r in own] == [(lo + 0x12345000, 1 << 30, "pud")], got
    whole = pagewalk(g, "rmap", m.pid, f"{lo:x}+1G", "-s", "bpf", "--user")
    assert len(whole.of("mapping")) == len(whole.of("frame")) == 1 << 18
    assert {(r["user"], r["mapcount"]) for r in whole.of("frame")} == {(1, 1)}


@guest_test(kernels=KERNELS, timeout=600, **with_module({}))
def test_frames_that_are_shared(g):
    load(g)
    g.check("echo 4 >/proc/sys/vm/nr_hugepages")
    s = Sharers(g)
    merged(g, s)
    for source in ALL if g.name.startswith("6.1") else ("bpf",):
        check_shared(g, source, s)
    print(f"     {g.name}: {' '.join(s.at)}; absent: {' '.join(s.absent) or 'none'}", flush=True)


@guest_test(kernels=("6.1-4",), cmdline="pti=on")
def test_page_table_isolation(g):
    m = Mkmaps(g, "--only", "anon")
    for source in SOURCES:
        check_roots(g, source, m.pid, True)
        check_tables(g, source, m.pid)
        # The tables of the part of the kernel that user mode sees.
        user = rmap(g, source, {number(r["root"]) + 4096 for r in pagewalk(g, "ps", "-s", source).of("process")
                                if r["root"] and r["name"] != "pagewalk"})
        assert len(user.of("table")) == len(user.of("frame")), user.records
        assert all(r["user_root"] for r in user.of("table"))


@guest_test(kernels=("6.12-4",), mem=512)
def test_one_pass_over_a_crowd(g):
    """1,000 frames cost no more than one, with 400 processes."""
    g.spawn(["crowd", "400", "20"], stdin=None).wait_line(rb"ready", 120)
    m = Mkmaps(g)
    said, _ = frames_of(g, m.pid)
    some = sorted(said)[:1000]
    took = {}
    for n in (1, 1000):
        words = "".join(f"pa:{pa:x}\n" for pa in some[:n]).encode()
        best = 1e9
        for _ in range(3):
            start = time.monotonic()
            rc, out, err = g.run(["pagewalk", "rmap", "-", "-s", "bpf", "--json"], 300, stdin=words)
            best = min(best, time.monotonic() - start)
            assert rc == 0, err
        took[n] = best
        answer = Answer(out)
    rec = answer.of("rmap")[0]
    assert rec["spaces"] > 400 and rec["frames"] == 1000, rec
    assert took[1000] < 3 * took[1] + 1, took
    print(f"     {g.name}: {rec['spaces']} spaces, {answer.end['tables']} tables: 1 frame {took[1]:.2f} s, 1000 {took[1000]:.2f} s", flush=True)
