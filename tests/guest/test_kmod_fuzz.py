# SPDX-License-Identifier: LGPL-2.1-or-later
"""A million random and mutated calls of /dev/pagewalk: nothing breaks, each errno is a documented one, and of every call
enough succeed to have been tried. In two runs: everything with writable=0; with writable=1 writes that can only reach
the fuzzer's own locked memory, or have to be refused."""

import re

from kmod import MODULE, load
from testing import guest_test

CALLS = 500_000  # a million in the two runs
NAMES = ("INFO", "ROOT", "WALK", "READ_TABLES", "READ_PHYS", "WRITE_PHYS", "READ_USER", "WRITE_USER", "KALLOC")


def counts(out):
    """{call: (all, succeeded)}"""
    return {m[1].decode(): (int(m[2]), int(m[3])) for m in re.finditer(rb"(?m)^(\w+) calls (\d+) ok (\d+)", out)}


def fuzz(g, seed, write):
    load(g, writable=write)
    calls = CALLS if g.kernel.slowness == 1 else CALLS // 25
    rc, out, err = g.run(["kfuzz", str(calls), str(seed), *(["write"] if write else [])], timeout=1700)
    assert rc == 0, out + err
    n = counts(out)
    for name in NAMES:
        all_, ok = n[name]
        if not write and name in ("WRITE_PHYS", "WRITE_USER"):
            assert ok == 0, out
        else:
            assert ok * 10 >= all_, out.decode()
    print(f"     {g.name}: " + ", ".join(f"{k} {ok}/{all_}" for k, (all_, ok) in n.items()), flush=True)


@guest_test(kernels=("6.1-4",), timeout=1800, mem=512, **MODULE)
def test_reading_only(g):
    fuzz(g, 1, False)


@guest_test(kernels=("newest-5",), timeout=1800, mem=512, cmdline="printk.devkmsg=on loglevel=1", **MODULE)
def test_with_writes(g):
    fuzz(g, 2, True)


@guest_test(kernels=("6.1-4", "newest-5"), mem=512, timeout=400, **MODULE)
def test_without_privilege_nothing_works(g):
    load(g)
    rc, out, err = g.run(["kfuzz", "1000", "3"], user=1000)
    assert rc == 3 and b"ermission" in err, (rc, out, err)
    # Nor does a descriptor help that somebody with privilege has opened.
    rc, out, err = g.run(["kfuzz", "100000", "4", "drop"], timeout=280)
    assert rc == 0 and {name: ok for name, (_, ok) in counts(out).items()} == dict.fromkeys(["other", *NAMES], 0), out + err
