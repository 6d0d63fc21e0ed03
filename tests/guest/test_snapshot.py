# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of a process that stands still: every command prints from them what it printed live, byte for byte but for the first
line; and between two of them, diff says what a process did to its memory, all of it, and nothing else."""

import json
import re

from kmod import MODULE, load, with_module
from local import Host, exact_sources
from testing import guest_test, host_test
from tool import EVERY_STATE, Mkmaps, SOURCES, prepare

FILE = "/tmp/pagewalk-test.snapshot"
ALL = (*SOURCES, "kmod")
AD = {"accessed", "aged", "dirtied", "cleaned"}


def commands(pid, some):
    """What is compared of a process; `some` are addresses in it."""
    yield from (["dump", pid], ["dump", pid, "--phys", "--bytes"], ["dump", pid, "--exact"], ["dump", pid, "--tree"],
                ["dump", pid, "--entries", "--json"], ["vmas", pid], ["vmas", pid, "--json"],
                ["pagetables", pid, "--no-kernel"], ["va2pa", pid, some[0]],
                ["translate", pid, *some], ["translate", pid, "--json", *some], ["translate", pid, "--brief", *some])


def without_head(out):
    """All but what names the source."""
    lines = out.split(b"\n")
    return [re.sub(rb"  (snapshot of )?((bpf|kcore), validated|kmod, locked)(, [-\d]+ [\d:]+ UTC)?$", b"", line) for line in lines
            if not line.startswith(b'{"rec":"head"')]


def without_reasons(answer):
    """What translate says of reasons comes from page flags, counts and VMA flags of the running system as well: that is not in a snapshot."""
    rc, lines, err = answer
    lines = [re.sub(rb"^(PA    none|[0-9a-f]+ +none) .*|,\"(why|reason|not_larger)\":(null|\"(\\\\.|[^\"])*\")", rb"\1", line)
             for line in lines if not line.startswith((b"page  ", b"why  ", b"      "))]  # and what goes on in the next line
    return rc, lines, err


def ask(g, *args):
    rc, out, err = g.run(["pagewalk", *map(str, args)], 120)
    return rc, without_head(out), err


def take(g, source, pid):
    rc, _, err = g.run(["pagewalk", "snapshot", str(pid), "-s", source, "-o", FILE], 120)
    assert rc == 0, err


def compare_one(g, source, pid, command):
    """Bytes that are the same. The kernel itself can age a page at any time: what counts is a snapshot between two equal answers."""
    for _ in range(20):
        before = ask(g, *command, "-s", source)
        take(g, source, pid)
        after = ask(g, *command, "-s", source)
        if before == after:
            break
    assert before == after, f"{command}: never the same twice"
    stored = ask(g, *command, "-s", FILE)
    if command[0] == "translate":
        stored, after = without_reasons(stored), without_reasons(after)
    assert stored == after, (command, [(a, b) for a, b in zip(after[1], stored[1]) if a != b][:3], stored[2])
    return sum(map(len, stored[1]))


def compare(g, source, pid, some):
    nbytes = sum(compare_one(g, source, pid, c) for c in commands(pid, some))
    for command in (["layout"], ["dump", "kernel"], ["dump", pid, "--kernel"], ["ps"]):
        rc, out, err = g.run(["pagewalk", *map(str, command), "-s", FILE], 120)
        assert rc in (0, 4) and out, (command, rc, err)
    return nbytes


def check_same(g, m, sources):
    some = [f"{r.addr:x}" for r in m.ranges if r.len][:40]
    g.check(["kill", "-STOP", str(m.pid)])
    for source in sources:
        nbytes = compare(g, source, m.pid, some)
        size = len(g.check(["cat", FILE]))
        print(f"     {g.name} {source}: {nbytes} bytes of output are the same, from a snapshot of {size}", flush=True)
    g.check(["kill", "-CONT", str(m.pid)])


# ---- diff ----

EXPECTED = {  # name: (what beside Accessed and Dirty, perm before, perm after, VMA changes)
    "grown": ({"mapped"}, None, "rw-u", set()),
    "guarded": ({"perm"}, "rw-u", "r--u", {"perm"}),
    "shut": ({"perm"}, "rw-u", None, {"perm"}),
    "holed": ({"unmapped"}, "rw-u", None, {"shrank"}),
    "copied": ({"moved", "perm"}, "r--u", "rw-u", set()),
    "gone": ({"unmapped"}, "rw-u", None, {"vanished"}),
    "fresh": ({"mapped"}, None, "rw-u", {"appeared"}),
    "still": (set(), None, None, set()),
    "split": ({"split"}, "rw-u", "rw-u", {"perm"}),
    "whole": ({"moved", "collapsed"}, "rw-u", "rw-u", set()),
}


def of_range(records, lo, hi):
    return [r for r in records if int(r["va"], 16) < hi and int(r["end"], 16) > lo]


def side(r, key):
    return r[key] and r[key]["perm"]


def check_change(name, lo, hi, records):
    what, before, after, areas = EXPECTED[name]
    pages = [r for r in of_range(records, lo, hi) if r["rec"] == "change" and set(r["what"]) - AD]
    if name == "split":  # one of its pages has lost w as well
        one = [r for r in pages if "perm" in r["what"]]
        assert len(one) == 1 and int(one[0]["va"], 16) == lo + 4096 and one[0]["bytes"] == 4096, pages
        pages = [r for r in pages if r not in one]
        assert sum(r["bytes"] for r in pages) == hi - lo - 4096, pages
    elif what:
        assert sum(r["bytes"] for r in pages) == hi - lo, (name, hex(lo), pages)
    for r in pages:
        assert set(r["what"]) - AD - {"bits"} == what, (name, r)
        assert (side(r, "before"), side(r, "after")) == (before, after), (name, r)
        assert lo <= int(r["va"], 16) and int(r["end"], 16) <= hi, (name, r)
    got = {r["what"] for r in of_range(records, lo, hi) if r["rec"] == "vma_change"}
    assert got == areas, (name, got)


def check_diff(g, source):
    p = g.spawn(["alter"], stdin=None)
    p.wait_line(rb"(?m)^ready", 60)
    pid = re.search(rb"pid (\d+)", p.stdout)[1].decode()
    files = ["/tmp/before.snapshot", "/tmp/after.snapshot"]
    for i, file in enumerate(files):
        g.check(["kill", "-STOP", pid])
        g.check(["pagewalk", "snapshot", pid, "--user", "-s", source, "-o", file])
        g.check(["kill", "-CONT", pid])
        if i == 0:
            p.write(b"go\n")
            p.wait_line(rb"(?m)^done", 60)
    rc, out, err = g.run(["pagewalk", "diff", *files, "--exact", "--json"], 60)
    g.check(["kill", "-KILL", pid])
    assert rc == 1, (rc, err)
    records = [json.loads(line) for line in out.splitlines()]
    assert records[-1]["rec"] == "end" and records[-1]["complete"], records[-1]
    records = [r for r in records if r["rec"] in ("change", "vma_change")]
    told = re.findall(r"^change (\S+) (\S+) (\S+)$", p.stdout.decode(), re.M)
    for name, lo, length in told:
        check_change(name, int(lo, 16), int(lo, 16) + int(length, 16), records)
    ranges = [(int(lo, 16) & -(1 << 26), (int(lo, 16) & -(1 << 26)) + (1 << 26)) for _, lo, _ in told]
    others = [r for r in records if not any(of_range([r], lo, hi) for lo, hi in ranges)]
    loud = [r for r in others if r["rec"] == "vma_change" or not (set(r["what"]) <= AD or r["name"] in (
        "[heap]", "[stack]", "[anon]", "alter"))]
    assert not loud, loud
    same = g.run(["pagewalk", "diff", files[1], files[1]], 60)
    assert same[0] == 0, same
    print(f"     {g.name} {source}: {len(told)} changes, {len(records)} records; absent: "
          + (" ".join(re.findall(r"^absent (\S+)", p.stdout.decode(), re.M)) or "none"), flush=True)


def check_live_diff(g):
    """A process that does nothing but wait is the same after a while; who ends is gone."""
    p = g.spawn(["alter"], stdin=None)
    p.wait_line(rb"(?m)^ready", 60)
    pid = re.search(rb"pid (\d+)", p.stdout)[1].decode()
    rc, out, err = g.run(["pagewalk", "diff", pid, "--interval", "200ms", "--count", "2", "--json"], 60)
    records = [json.loads(line) for line in out.splitlines()]
    assert rc in (0, 1) and [r["rec"] for r in records].count("sums") == 2, (rc, out, err)
    assert all(set(r["what"]) <= AD for r in records if r["rec"] == "change"), records
    g.check(["kill", "-KILL", pid])
    assert g.run(["pagewalk", "diff", pid, "--interval", "100ms"], 60)[0] == 3


def check_all(g):
    """Every process there is, and ps."""
    rc, out, err = g.run(["pagewalk", "snapshot", "--all", "-o", FILE, "--json"], 120)
    taken = [json.loads(line) for line in out.splitlines()][1]
    assert rc in (0, 4) and taken["kernel"] and taken["processes"] >= 2, (rc, out, err)
    assert len(g.check(["pagewalk", "ps", "-n", "-s", FILE]).splitlines()) >= taken["processes"]
    print(f"     {g.name}: {taken['processes']} processes and the kernel, {taken['tables']} tables in {taken['bytes']} bytes",
          flush=True)


@guest_test(kernels=("5.10-4", "6.12-5", "7.2-5"), **with_module(EVERY_STATE))
def test_commands_print_the_same(g):
    prepare(g)
    load(g)
    m = Mkmaps(g)
    check_same(g, m, ALL)
    check_all(g)


@guest_test(kernels=("5.10-4", "6.12-5", "7.2-5"), **MODULE)
def test_diff_says_what_was_done(g):
    load(g)
    g.check("echo always > /sys/kernel/mm/transparent_hugepage/enabled")
    for source in ALL:
        check_diff(g, source)
    check_live_diff(g)


@host_test()
def test_commands_print_the_same_here():
    with Host() as h:
        m = Mkmaps(h)
        check_same(h, m, exact_sources(h))
        check_live_diff(h)
