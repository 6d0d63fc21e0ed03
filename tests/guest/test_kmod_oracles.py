# SPDX-License-Identifier: LGPL-2.1-or-later
"""The walkers that are not ours, asked again with the module as the source: info tlb and guest RAM, the CPU
itself, pagemap, and churn beside a sentinel."""

import re

import test_churn
import test_perm
import test_states
import test_tables
from kmod import MODULE, load, with_module
from testing import SERIES, guest_test
from tool import EVERY_STATE, ONE_GIB, Mkmaps, prepare

STATES = with_module(EVERY_STATE)
PTI = {**STATES, "cmdline": "pti=on secretmem.enable=y"}


@guest_test(timeout=600, whole_kernel=True, **STATES)
def test_dump_equals_info_tlb_and_guest_ram(g):
    load(g)
    prepare(g)
    test_tables.settled_sandwich(g, "kmod", str(Mkmaps(g, "--spin").pid))


@guest_test(kernels=("6.1-4",), timeout=600, **PTI)
def test_user_root_under_pti_equals_info_tlb(g):
    load(g)
    prepare(g)
    test_tables.settled_sandwich(g, "kmod", f"{Mkmaps(g, '--spin').pid}:user", fewest=10)


@guest_test(timeout=600, **STATES)
def test_states_show_their_flags(g):
    load(g)
    prepare(g)
    m = Mkmaps(g)
    test_states.check_flags(g, m, test_states.dump(g, "kmod", m.pid), "kmod")


@guest_test(timeout=600, **STATES)
def test_every_page_agrees_with_pagemap(g):
    load(g)
    prepare(g)
    test_states.check_pagemap(g, Mkmaps(g), "kmod")


@guest_test(kernels=SERIES, timeout=600, **with_module(ONE_GIB))
def test_pages_of_1g(g):
    load(g)
    m = Mkmaps(g, "--only", "hugetlb-1g")
    test_states.check_flags(g, m, test_states.dump(g, "kmod", m.pid), "kmod")
    test_states.check_pagemap(g, m, "kmod")


@guest_test(timeout=600, **STATES)
def test_cpu_agrees(g):
    load(g)
    test_perm.all_states(g, "kmod")


@guest_test(kernels=("6.1-4",), timeout=600, **PTI)
def test_cpu_agrees_under_pti(g):
    assert re.search(rb"^flags.* pti\b", g.check(["cat", "/proc/cpuinfo"]), re.M)
    load(g)
    test_perm.all_states(g, "kmod")


def counter(g, name):
    return int(g.read_file(f"/sys/module/pagewalk/parameters/check_{name}"))


@guest_test(kernels=("5.10-4", "newest-5"), smp=2, mem=512, timeout=900, modules=("pagewalk_check",))
def test_a_table_does_not_change_under_its_lock(g):
    """A build of the module that looks at each table twice while it holds the lock."""
    g.check(["modprobe", "pagewalk_check"])
    _, where = test_churn.start(g, 16 << 20)
    rc, n, err = test_churn.walk(g, "kmod", where, 300, 800)
    assert rc == 0 and n["unstable"] == 0, f"{n}: {err}"
    copies, changed, cleared = (counter(g, c) for c in ("copies", "changed", "cleared"))
    print(f"     {g.name} kmod: {copies} copies, {changed} entries changed, {cleared} cleared by munmap", flush=True)
    assert copies > n["tables"] // 2 and changed == 0, (copies, changed)


@guest_test(kernels=test_churn.KERNELS[::2], smp=2, mem=512, timeout=900, **MODULE)
def test_nothing_is_unstable_beside_churn(g):
    """As with the other sources, but that a table under its lock cannot be unstable."""
    load(g)
    churn, where = test_churn.start(g, 16 << 20)
    rc, n, err = test_churn.walk(g, "kmod", where, test_churn.WALKS, 800)
    assert churn.rc is None, "churn ended by itself"
    print(f"     {g.name} kmod: {n}", flush=True)
    assert rc == 0 and n["lost"] == 0 and n["impossible"] == 0 and n["unstable"] == 0, f"{n}: {err}"
    assert n["walks"] == test_churn.WALKS, n
