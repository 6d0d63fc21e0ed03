# SPDX-License-Identifier: LGPL-2.1-or-later
"""mkmaps itself, without pagewalk: the raw tables in guest RAM show what its states claim, the kernel's
own views agree, and the CPU's outcomes agree with the raw tables.
"""

import os
import re
import subprocess
import time

import initramfs
from testing import guest_test, host_test
from tool import EVERY_STATE, HELPERS, Mkmaps, prepare

BITS = {"present": 0, "write": 1, "user": 2, "pwt": 3, "pcd": 4, "accessed": 5, "dirty": 6, "huge": 7,
        "special": 9, "uffd-wp": 10, "soft-dirty": 11, "saved-dirty": 58, "nx": 63}
PROBE = re.compile(r"^probe (\S+) va=0x([0-9a-f]+) r=(\S+) w=(\S+) x=(\S+)$")
FEW = 2048  # of a larger range so many pages are looked at from either end


def has(raw, attribute):
    if attribute.startswith("key="):
        return raw >> 59 & 15 == int(attribute[4:])
    return bool(raw >> BITS[attribute] & 1)


def holds(raw, wanted):
    found = any(has(raw, a) for a in wanted.lstrip("!").split("|"))
    return found != wanted.startswith("!")


def kind(raw):
    if raw & 1:
        return "leaf"
    if raw & 0x100:  # _PAGE_PROTNONE
        return "protnone"
    return "soft" if raw else "none"


def perm(steps):
    """What all levels of a walk allow together."""
    if not all(s.raw & 5 == 5 for s in steps):
        return "----"
    write = all(s.raw & 2 for s in steps)
    execute = not any(s.raw >> 63 for s in steps)
    return "r" + "-w"[write] + "-x"[execute] + "u"


def pages(r):
    end, part = r.addr + r.len, FEW << 12
    if r.len <= 2 * part:
        return range(r.addr, end, 4096)
    return [*range(r.addr, r.addr + part, 4096), *range(end - part, end, 4096)]


def wrong_page(r, steps):
    """What is wrong with one page of range `r`, given the walk to it: a list of words."""
    last, wrong = steps[-1], []
    if kind(last.raw) != r.kind:
        wrong.append(f"kind {kind(last.raw)}")
    if r.kind != "none" and 1 << (12 + 9 * (last.level - 1)) != r.page:
        wrong.append(f"level {last.level}")
    if r.kind == "leaf" and perm(steps) != r.perm:
        wrong.append(perm(steps))
    return wrong + [a for a in r.expect if a != "-" and not holds(last.raw, a)]


def stop_in(g, m, timeout=30):
    """Stops the guest while mkmaps runs in user mode; CR3, with PTI the user's."""
    anon = next(r.addr for r in m.ranges if r.state == "anon")
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        cr3 = g.stop_in_user()["CR3"]
        if g.walk(anon, cr3=cr3)[-1].raw & 1:
            return cr3
        g.cont()
        time.sleep(0.02)
    raise AssertionError("mkmaps was not seen running")


def check_tables(g, m):
    cr3, wrong = stop_in(g, m), []
    for r in m.ranges:
        for va in pages(r):
            steps = g.walk(va, cr3=cr3)
            why = wrong_page(r, steps)
            if why:
                wrong.append(f"{r.state} {va:#x} {steps[-1].raw:#x}: {' '.join(why)}")
    g.cont()
    assert not wrong, f"{len(wrong)} pages are not what their state says: " + "; ".join(wrong[:5])


def check_judge(g, m):
    probes = [p for p in map(PROBE.match, m.ask("probe all", 120)) if p]
    assert {p[1] for p in probes} == set(m.states)
    keyed = {va for r in m.ranges if "key" in r.note for va in pages(r)}
    cr3, wrong = stop_in(g, m), []
    for p in probes:
        va = int(p[2], 16)
        allowed = perm(g.walk(va, cr3=cr3))
        for outcome, letter in zip(p.groups()[2:], allowed):
            by_key = outcome == "SEGV_PKUERR" and va in keyed
            if (outcome == "ok") != (letter != "-") and not by_key:
                wrong.append(f"{p[0]}: {allowed}")
    g.cont()
    assert not wrong, f"{len(wrong)} outcomes differ: " + "; ".join(wrong[:5])


@guest_test(kernels=("5.10-4", "6.12-5", "newest-5"), **EVERY_STATE)
def test_states_are_what_they_claim(g):
    prepare(g)
    m = Mkmaps(g, "--spin")
    check_tables(g, m)
    assert m.ask("verify all", 120)[-1] == "done verify all 0"
    check_judge(g, m)


@host_test()
def test_states_on_this_machine():
    mkmaps = initramfs.built("tests/helpers/mkmaps")
    out = subprocess.run([mkmaps], input="verify all\nprobe all\nquit\n", capture_output=True, text=True,
                         timeout=120, check=True).stdout
    made = set(re.findall(r"^state (\S+)", out, re.M))
    absent = dict(re.findall(r"^absent (\S+) (.+)$", out, re.M))
    with open(os.path.join(HELPERS, "states.tsv"), encoding="ascii") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    host = rows[0].index("host")
    must = {r[0] for r in rows[1:] if r[host] == "y"}
    assert must <= made, {s: absent.get(s) for s in must - made}
    listed = subprocess.run([mkmaps, "--list"], capture_output=True, text=True, check=True).stdout
    assert {r[0] for r in rows[1:]} == made | set(absent) == {l.split()[0] for l in listed.splitlines()}
    assert "\ndone verify all 0\n" in out, re.findall(r"^differs .*", out, re.M)[:5]
    assert {p[1] for p in map(PROBE.match, out.splitlines()) if p} == made
