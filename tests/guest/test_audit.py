# SPDX-License-Identifier: LGPL-2.1-or-later
"""pagewalk audit: on a stock kernel it finds just what tests/guest/audit/ has, which docs/audit.md explains; the module unsound.ko makes
mappings that no kernel should have, and each is found out by its rule; beside processes that change all the time nothing is made up."""

import os
import re
import tempfile

from images import ranges_of, write_raw
from kmod import load
from local import Host
from testing import guest_test
from tool import EVERY_STATE, Mkmaps, SOURCES, number, pagewalk, prepare

HERE = os.path.dirname(os.path.abspath(__file__))
SOME = ("5.10-4", "6.1-4", "6.12-5", "7.2-5")
UNSOUND = {"modules": ("unsound", "pagewalk"), "timeout": 600}
PTI = {**UNSOUND, "cmdline": "pti=on"}
FILE = "/tmp/pagewalk-audit.snapshot"
# Parameter of unsound.ko with the address: rule, what it may.
PLANTED = {
    "wx": ("kernel-wx", "rwx-"),
    "exec": ("kernel-exec", "r-x-"),
    "user": ("kernel-user", "rw-u"),
    "reserved": ("reserved", "rw--"),
    "alias": ("text-alias", "rw--"),
    "code": ("text-alias", "rw--"),
    "table": ("table-map", "rw--"),
}


def stock(kernel):
    """The reviewed list of a kernel, as the set of its lines."""
    with open(os.path.join(HERE, "audit", f"{kernel}.txt"), encoding="utf-8") as f:
        return {line.rstrip("\n") for line in f if not line.startswith("#")}


def name_of(g, pti=False):
    return re.sub(r"^.*?(\d+\.\d+-\d).*$", r"\1", g.name) + ("-pti" if pti else "")


def audit(g, source, *more, ok=(0,)):
    return pagewalk(g, "audit", "-s", source, *more, ok=ok, timeout=300)


def key(f):
    """As a baseline has it; what every process has has no name of one."""
    space = "*" if f["rule"] == "pti-entry" else f["space"]
    return f'{f["rule"]} {space} {f["perm"]} {f["path"]}'


def check_stock(g, source, pti):
    answer = audit(g, source)
    found, expected = answer.of("finding"), stock(name_of(g, pti))
    assert {key(f) for f in found} == expected, ({key(f) for f in found} ^ expected, found)
    assert len({f["rule"] for f in found}) <= 10
    sums = answer.of("audit")[0]
    assert not sums["high"] and not sums["medium"] and sums["spaces"] >= 3, sums
    return found, sums["spaces"]


def check_baseline(g, source, pti):
    """The list is a baseline as it is."""
    lines = "\n".join(sorted(stock(name_of(g, pti))))
    g.check(["sh", "-c", "printf '%s\\n' \"$1\" >/tmp/baseline", "sh", lines])
    answer = audit(g, source, "--baseline", "/tmp/baseline", "--fail-on", "info")
    assert answer.of("finding") and all(f["known"] for f in answer.of("finding")), answer.of("finding")
    out = g.check(["pagewalk", "audit", "-s", source, "--baseline", "/tmp/baseline", "--fail-on", "info"])
    assert b": nothing new; " in out, out
    g.check(["pagewalk", "audit", "-s", source, "--write-baseline", "/tmp/written", "--fail-on", "info"])
    g.check(["pagewalk", "audit", "-s", source, "--baseline", "/tmp/written", "--all"])
    rc, _, _ = g.run(["pagewalk", "audit", "-s", source, "--fail-on", "info"])
    assert rc == 1, rc


def stock_guest(g, source, pti=False):
    load(g)
    found, spaces = check_stock(g, source, pti)
    check_baseline(g, source, pti)
    print(f"     {g.name} {source}: {len({f['rule'] for f in found})} kinds in {spaces} spaces", flush=True)


@guest_test(kernels=SOME, each=(*SOURCES, "kmod"), whole_kernel=True, **UNSOUND)
def test_stock_kernel(g, source):
    stock_guest(g, source)


@guest_test(kernels=("6.1-4",), each=(*SOURCES, "kmod"), whole_kernel=True, **PTI)
def test_stock_kernel_with_pti(g, source):
    stock_guest(g, source, pti=True)


def parameters(g):
    names = (*PLANTED, "leak")
    out = g.check("cd /sys/module/unsound/parameters; cat " + " ".join(names)).decode().split()
    return dict(zip(names, map(int, out)))


def check_planted(findings, at, known, pti=False, width=True, exact=False):
    """Each is found by its rule, where it is, and nothing else is new: exact, or those that are alike as one. Without the CPU's address width a
    reserved bit is one of the address."""
    if not width:
        mine = [f for f in findings if f["rule"] == "kernel-not-ram" and number(f["va"]) == at["reserved"]]
        assert len(mine) == 1 and number(mine[0]["pa"]) >> 51, mine
    # What init's user root leaks has the same findings once more.
    left = [f for f in findings if key(f) not in known and (f["pid"] is None or not pti)]
    leaks = [f for f in findings if f["rule"] == "pti-leak"]
    assert bool(leaks) == pti and all(f["pid"] == 1 for f in leaks), leaks[:3]
    expected = {}
    for name, what in PLANTED.items():
        if name != "reserved" or width:
            expected.setdefault(what if not exact else (*what, name), []).append(at[name])
    for (rule, perm, *_), places in expected.items():
        mine = [f for f in left if f["rule"] == rule and number(f["va"]) == min(places)]
        assert len(mine) == 1, (list(map(hex, places)), rule, mine[:3], left[:9])
        assert mine[0]["perm"] == perm and mine[0]["bytes"] == 4096 * len(places) and mine[0]["space"] == "kernel", mine
        left.remove(mine[0])
    assert not left, left[:9]
    return len(PLANTED) + bool(leaks)


def plant(g, source, pti=False):
    load(g)
    check_stock(g, source, pti)
    g.check(["modprobe", "unsound"])
    try:
        at, known = parameters(g), stock(name_of(g, pti))
        assert bool(at["leak"]) == pti, at
        # Exact: a W+X page and a page of user mode are beside each other in vmalloc, and not one finding.
        n = check_planted(audit(g, source, "--exact", ok=(1,)).of("finding"), at, known, pti, exact=True)
        check_planted(audit(g, source, ok=(1,)).of("finding"), at, known, pti)
        check_planted(audit(g, source, "kernel", "1", ok=(1,)).of("finding"), at, known, pti)
        assert g.run(["pagewalk", "audit", "-s", source, "--fail-on", "never"])[0] == 0
        assert g.run(["pagewalk", "audit", "kernel", "-s", source, "--fail-on", "high"])[0] == 1
        g.check(["pagewalk", "snapshot", "1", "-s", source, "-o", FILE])
        check_planted(audit(g, FILE, ok=(1,)).of("finding"), at, known, pti)
    finally:
        g.check(["rmmod", "unsound"])
    check_stock(g, source, pti)
    print(f"     {g.name} {source}: {n} planted mappings found out", flush=True)


@guest_test(kernels=SOME, each=(*SOURCES, "kmod"), whole_kernel=True, **UNSOUND)
def test_planted_mappings_are_found_out(g, source):
    plant(g, source)


@guest_test(kernels=("6.1-4",), each=(*SOURCES, "kmod"), whole_kernel=True, **PTI)
def test_planted_mappings_are_found_out_with_pti(g, source):
    plant(g, source, pti=True)


@guest_test(kernels=SOME, whole_kernel=True, **UNSOUND)
def test_planted_mappings_are_found_out_from_outside(g):
    """In a running guest, from the host; and in an image of it, whose kernel has to be found first."""
    g.check(["modprobe", "unsound"])
    at, known = parameters(g), stock(name_of(g))
    try:
        with Host() as h, tempfile.TemporaryDirectory() as directory:
            check_planted(audit(h, "qemu:" + g.qmp_path, "--exact", ok=(1,)).of("finding"), at, known, width=False, exact=True)
            g.stop()
            try:
                raw = os.path.join(directory, "raw")
                write_raw(g.ram_path, ranges_of(g.memory), raw)
            finally:
                g.cont()
            check_planted(audit(h, raw, "--frozen", "--exact", ok=(1,)).of("finding"), at, known, width=False, exact=True)
    finally:
        g.check(["rmmod", "unsound"])


@guest_test(kernels=SOME, each=SOURCES, **{**EVERY_STATE, "timeout": 600})
def test_every_state_of_a_process_is_sound(g, source):
    """But for its memory that is writable and executable, and its code of no file."""
    prepare(g)
    m = Mkmaps(g)
    found = audit(g, source, str(m.pid), ok=(1,)).of("finding")
    rules = {f["rule"] for f in found}
    assert rules <= {"user-wx", "user-exec-anon"} and "user-wx" in rules, found
    rwx = [r for r in m.ranges if r.state == "rwx"]
    exact = [f for f in audit(g, source, str(m.pid), "--exact", ok=(1,)).of("finding") if f["rule"] == "user-wx"]
    pages = {va for r in rwx for va in range(r.addr, r.addr + r.len, 4096)}
    got = {va for f in exact for va in range(number(f["va"]), number(f["end"]), 4096)}
    assert pages and got == pages, (pages ^ got, exact)


@guest_test(kernels=("5.10-4", "7.2-5"), each=("bpf",), smp=2, mem=512, timeout=900)
def test_beside_churn_nothing_is_made_up(g, source):
    for _ in range(2):
        g.spawn(["churn"], stdin=None)
    looks = 0
    for _ in range(20):
        answer = audit(g, source, "--all", ok=(0, 4))
        assert not answer.of("finding"), answer.of("finding")
        looks += answer.of("audit")[0]["spaces"]
    print(f"     {g.name} {source}: {looks} spaces looked at", flush=True)
