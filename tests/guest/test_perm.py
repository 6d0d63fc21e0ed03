# SPDX-License-Identifier: LGPL-2.1-or-later
"""The CPU judges `perm`: mkmaps tries to read, write and execute pages of each state in its own process, and afterwards
the access that went well is one that `perm` and the protection key allow, the one that failed is not; the signal's code says
which of the two forbade it."""

import re

from testing import guest_test
from tool import EVERY_STATE, Mkmaps, pagewalk, prepare
from test_states import entries, entry_of

PROBE = re.compile(r"^probe (\S+) va=0x([0-9a-f]+) r=(\S+) w=(\S+) x=(\S+)$")
PKRU = re.compile(r"pkru 0x([0-9a-f]+)")
FEW = 40  # pages looked at by the CPU, in all states, at the very least


def verdict(e, access, pkru):
    """What the CPU must say of an entry: "ok", or the code of the signal."""
    if not e or e["kind"] != "leaf" or "u" not in e["perm"] or access not in e["perm"]:
        return "no"
    if access != "x":
        rights = pkru >> 2 * e["key"] & 3
        if rights & 1 or (rights & 2 and access == "w"):
            return "SEGV_PKUERR"
    return "ok"


def judged(said, ours):
    return said == ours if ours != "no" else said in ("SEGV_MAPERR", "SEGV_ACCERR", "SIGBUS")


def judge(g, m, state):
    """(pages judged, what was wrong) in one state."""
    lines = m.ask(f"probe {state}")
    probes = [p for p in map(PROBE.match, lines) if p]
    pkru = next((int(k[1], 16) for k in map(PKRU.search, lines) if k), 0)
    ranges = [r for r in m.ranges if r.state == state]
    table = {}
    for lo, hi in {(min(r.addr for r in ranges), max(r.addr + r.len for r in ranges))}:
        table = entries(pagewalk(g, "-s", "bpf", "dump", m.pid, f"{lo:x}-{hi:x}", "--entries", ok=(0, 1)))
    wrong = []
    for p in probes:
        e = entry_of(table, int(p[2], 16))
        for access, said in zip("rwx", p.groups()[2:]):
            ours = verdict(e, access, pkru)
            if not judged(said, ours):
                wrong.append(f"{state} {p[2]} {access}: the CPU says {said}, the entry {ours}: {e}")
    return len(probes), wrong


def all_states(g):
    prepare(g)
    m = Mkmaps(g)
    pages, wrong = 0, []
    for state in m.states:
        n, bad = judge(g, m, state)
        assert n, f"{state} was not probed"
        pages += n
        wrong += bad
    assert not wrong, f"{len(wrong)} contradictions: " + "\n".join(wrong[:10])
    assert pages > FEW
    print(f"     {g.name}: the CPU agrees on {pages} pages of {len(m.states)} states", flush=True)


@guest_test(timeout=600, **EVERY_STATE)
def test_cpu_agrees_with_perm(g):
    all_states(g)


@guest_test(kernels=("6.1-4",), timeout=600, **{**EVERY_STATE, "cmdline": "pti=on secretmem.enable=y"})
def test_cpu_agrees_with_perm_under_pti(g):
    assert b" pti" in g.check(["cat", "/proc/cpuinfo"]) or b"Mitigation: PTI" in g.check(
        ["cat", "/sys/devices/system/cpu/vulnerabilities/meltdown"])
    all_states(g)
