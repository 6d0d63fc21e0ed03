# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that runs, seen from the host over QEMU's monitor, with nothing of ours in it."""

import os
import signal
import subprocess

from local import Host
from test_foreign import entry_at, processes, shown_vmas
from test_states import HUGE_VMA, Kernel, check_word
from testing import guest_test, host_test
from tool import EVERY_STATE, Mkmaps, number, pagemap, pagewalk, prepare, vmas
from vm import Guest

OPTIONS = {**EVERY_STATE, "timeout": 600}
SOME = ("5.10-4", "6.1-5", "6.12-4", "7.2-5")


def source(g):
    return "qemu:" + g.qmp_path


def check_all_vmas(g, h, m, *more, **how):
    said = {p: areas for p, (comm, areas) in processes(g).items() if areas and comm not in ("sh", "cat")}
    answer = pagewalk(h, "vmas", "-s", source(g), *said, *more, ok=(0, 4), timeout=300, **how)
    got = shown_vmas(answer, said)
    assert got == said, {p: set(got[p]) ^ set(said[p]) for p in said if got[p] != said[p]}
    assert m.pid in said
    return answer


def check_pages(g, h, m):
    areas = [v for v in vmas(g, m.pid) if "pf" not in v.flags and v.hi - v.lo <= HUGE_VMA and v.lo < 1 << 63]
    ranges, kernel = [(v.lo, v.hi) for v in areas], Kernel(g)
    before = pagemap(g, m.pid, ranges)
    entries = dict(pagewalk(h, "dump", "-s", source(g), "--entries", m.pid, timeout=300).entries())
    after, n = pagemap(g, m.pid, ranges), 0
    for area in areas:
        for va in range(area.lo, area.hi, 4096):
            if before[va] != after[va]:
                continue  # the kernel ages, merges and swaps meanwhile
            why = check_word(kernel, va, after[va], entry_at(entries, va), area)
            assert not why, why
            n += 1
    assert n > len(after) * 0.9
    return n


@guest_test(kernels=SOME, **OPTIONS)
def test_a_guest_that_runs(g):
    prepare(g)
    m = Mkmaps(g)
    with Host() as h:
        answer = check_all_vmas(g, h, m)
        assert answer.head["consistency"] == "validated" and answer.head["system"] == f"Linux {g.release}"
        listed = {r["pid"]: r["name"] for r in pagewalk(h, "ps", "-s", source(g)).of("process")}
        assert listed[m.pid] == "mkmaps" and listed[1] == "init" and None not in listed
        n = check_pages(g, h, m)
        g.stop()
        registers = g.registers()
        answer = pagewalk(h, "cpu", "0", "-s", source(g), "--user", ok=(0, 4))
        assert answer.head["consistency"] == "frozen"
        shown = answer.of("cpu")[0]
        assert all(number(shown[r.lower()]) == registers[r] for r in ("CR0", "CR3", "CR4", "EFER")), (shown, registers)
        g.cont()
        print(f"     {g.name}: {len(listed)} processes, {n} pages; CR3 {registers['CR3']:#x}", flush=True)


@guest_test(kernels=("6.1-4", "7.2-5"), smp=2, **OPTIONS)
def test_beside_churn_nothing_is_lost(g):
    m = Mkmaps(g, "--only", "anon")
    for _ in range(2):
        g.spawn(["churn"], stdin=None)
    with Host() as h:
        def leaves():
            answer = pagewalk(h, "dump", "-s", source(g), "--entries", "--user", m.pid)
            return {va: e["pa"] for va, e in answer.entries("leaf") if any(r.addr <= va < r.addr + r.len for r in m.ranges)}

        first = leaves()
        assert first and all(leaves() == first for _ in range(100))
        # Everything there is, tables that come and go included: whatever does not hold still is said.
        answer = pagewalk(h, "vmas", "--all", "-s", source(g), ok=(0, 4), timeout=300)
        assert answer.end["unreadable"] == 0, answer.end


@guest_test(kernels=("6.12-5",), **OPTIONS)
def test_stopping_and_going_on(g):
    def running():
        return g.qmp("query-status")["running"]

    with Host() as h:
        answer = pagewalk(h, "dump", "kernel", "--stop", "-s", source(g))
        assert answer.head["consistency"] == "frozen" and running()
        program, where = h.program("pagewalk"), ["-s", source(g)]
        for sig in (signal.SIGTERM, signal.SIGINT):
            # Its output is not read, so that it does not end.
            p = subprocess.Popen([program, "dump", "kernel", "--entries", "--stop", *where], stdout=subprocess.PIPE)
            p.stdout.read(1)
            assert not running()
            # QEMU serves one client of a monitor at a time.
            rc, out, err = h.run(["pagewalk", "ps", *where])
            assert rc == 3 and not out and b"something else uses this monitor" in err, (rc, err)
            p.send_signal(sig)
            assert p.wait(20) == -sig and running()
        g.stop()
        pagewalk(h, "dump", "kernel", "--stop", *where)
        assert not running(), "it was not we who stopped it"


@guest_test(kernels=("6.1-5",), **OPTIONS)
def test_memory_that_cannot_be_opened_comes_by_the_monitor(g):
    """An ordinary user, to whom QEMU's descriptors are shut: by pmemsave, a command a read."""
    m = Mkmaps(g, "--only", "anon")
    os.chmod(g.directory, 0o755)
    os.chmod(g.qmp_path, 0o777)
    with Host() as h:
        how = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
        by_file = pagewalk(h, "dump", "-s", source(g), "--entries", "--user", m.pid)
        saved = pagewalk(h, "dump", "-s", source(g), "--entries", "--user", m.pid, timeout=300, **how)
        want = [e for e in by_file.entries() if any(r.addr <= e[0] < r.addr + r.len for r in m.ranges)]
        got = [e for e in saved.entries() if any(r.addr <= e[0] < r.addr + r.len for r in m.ranges)]
        assert got == want and want


@host_test(timeout=300)
def test_a_guest_that_dies():
    with Guest("6.1", 4) as g, Host() as h:
        g.spawn(["crowd", "200", "200"], stdin=None).wait_line(rb"ready", 120)
        p = subprocess.Popen([h.program("pagewalk"), "vmas", "--all", "-s", source(g)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        p.stdout.read(1)
        g._qemu.kill()
        g._qemu.wait()
        out, err = p.communicate(timeout=60)
        assert p.returncode == 4 and b"the guest has gone" in err, (p.returncode, err[-500:], out[-500:])
        rc, out, err = h.run(["pagewalk", "ps", "-s", source(g)])
        assert rc == 3 and not out and g.qmp_path.encode() in err, (rc, err)
