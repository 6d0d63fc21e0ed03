# SPDX-License-Identifier: LGPL-2.1-or-later
"""The CPU judges `perm`: mkmaps tries to read, write and execute pages of each state in its own process. A dump made afterwards
must say the same of each access: those that went well are those that `perm` and the protection key allow; of the others the
signal and its code follow from the entry and the VMA, by the rules of the kernel's page-fault handler."""

import re

from testing import SERIES, guest_test, host_test
from local import Host, exact_sources
from test_states import Kernel, Table
from tool import EVERY_STATE, Mkmaps, ONE_GIB, SOURCES, pagewalk, prepare, vmas

PROBE = re.compile(r"^probe (\S+) va=0x([0-9a-f]+) r=(\S+) w=(\S+) x=(\S+)$")
PKRU = re.compile(r"^pkru 0x([0-9a-f]+)$")


def key_forbids(key, pkru, access):
    """Protection keys know reading and writing only."""
    rights = pkru >> 2 * key & 3
    return access != "x" and bool(rights & 1 or (rights & 2 and access == "w"))


def vma_allows(vma, access, present):
    """access_error() of arch/x86/mm/fault.c. To fetch or read what is not there any right of the VMA will do."""
    if access == "w":
        return "w" in vma.perms
    return not present and vma.perms[:3] != "---"


def verdict(kernel, e, vma, access, pkru):
    """What the CPU and the kernel must say of an access to a page with that entry after it."""
    if e and e["kind"] == "leaf" and "u" in e["perm"] and access in e["perm"]:
        return "SEGV_PKUERR" if key_forbids(e.get("key", 0), pkru, access) else "ok"
    if not vma:
        return "SEGV_MAPERR"
    if key_forbids(vma.key, pkru, access):  # asked before the VMA's rights
        return "SEGV_PKUERR"
    if not vma_allows(vma, access, e and e["hw"]):
        return "SEGV_ACCERR"
    # The VMA allows what the entry does not.
    if kernel.uffd_wp(e):
        return "SIGBUS"  # as mkmaps has asked of userfaultfd
    if e and kernel.is_marker(e, "guard"):
        return "SEGV_MAPERR"  # VM_FAULT_SIGSEGV
    return "to be mapped"


def vma_of(areas, va):
    return next((v for v in areas if v.lo <= va < v.hi), None)


def judge(g, m, source, state):
    """([outcomes], what was wrong) in one state."""
    lines = m.ask(f"probe {state}")
    probes = [p for p in map(PROBE.match, lines) if p]
    pkru = next((int(k[1], 16) for k in map(PKRU.match, lines) if k), 0)
    ranges = [r for r in m.ranges if r.state == state]
    span = f"{min(r.addr for r in ranges):x}-{max(r.addr + r.len for r in ranges):x}"
    answer = pagewalk(g, "-s", source, "dump", m.pid, span, "--entries")
    assert answer.end["complete"], answer.end
    kernel, table, areas, outcomes, wrong = Kernel(g), Table(answer), vmas(g, m.pid), [], []
    for p in probes:
        va = int(p[2], 16)
        e, vma = table.at(va), vma_of(areas, va)
        for access, said in zip("rwx", p.groups()[2:]):
            outcomes.append(said)
            ours = verdict(kernel, e, vma, access, pkru)
            if said != ours:
                wrong.append(f"{state} {va:#x} {access}: the CPU says {said}, the entry {ours}: {e} {vma}")
    return outcomes, wrong


def judge_all(g, m, source):
    outcomes, wrong = [], []
    for state in m.states:
        heard, bad = judge(g, m, source, state)
        assert heard, f"{state} was not probed"
        outcomes += heard
        wrong += bad
    assert not wrong, f"{len(wrong)} contradictions: " + "\n".join(wrong[:10])
    counts = {o: outcomes.count(o) for o in sorted(set(outcomes))}
    print(f"     {g.name} {source}: the CPU agrees on {len(outcomes)} accesses in {len(m.states)} states: {counts}", flush=True)
    return counts


def all_states(g, source):
    prepare(g)
    counts = judge_all(g, Mkmaps(g), source)
    assert {"ok", "SEGV_ACCERR", "SEGV_PKUERR", "SIGBUS"} <= set(counts), counts


@guest_test(each=SOURCES, timeout=600, **EVERY_STATE)
def test_cpu_agrees(g, source):
    all_states(g, source)


@guest_test(kernels=SERIES, timeout=600, **ONE_GIB)
def test_cpu_agrees_on_1g(g):
    judge_all(g, Mkmaps(g, "--only", "hugetlb-1g"), "bpf")


@guest_test(kernels=("6.1-4",), each=SOURCES, timeout=600, **{**EVERY_STATE, "cmdline": "pti=on secretmem.enable=y"})
def test_cpu_agrees_under_pti(g, source):
    assert re.search(rb"^flags.* pti\b", g.check(["cat", "/proc/cpuinfo"]), re.M)
    all_states(g, source)


@host_test()
def test_cpu_agrees_here():
    with Host() as h:
        for source in exact_sources(h):
            judge_all(h, Mkmaps(h), source)
