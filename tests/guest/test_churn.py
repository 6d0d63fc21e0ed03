# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process that maps, unmaps, forks and execs as fast as two CPUs allow, walked over and over beside a region
that never changes; and the same with the chain check left out, which must be found to fail."""

import re

from testing import guest_test
from tool import SOURCES

WALKS = 1000
KERNELS = ("5.10-4", "6.1-5", "6.12-4", "7.2-5", "newest-5")


def start(g, sentinel):
    churn = g.spawn(["churn", "--sentinel", str(sentinel)], stdin=None)
    m = churn.wait_line(rb"pid (\d+)\nsentinel addr=0x([0-9a-f]+) len=0x([0-9a-f]+)\nready", 60)
    return churn, [m[1].decode(), m[2].decode(), m[3].decode()]


def walk(g, source, where, walks, timeout):
    rc, out, err = g.run(["walkmany", source, *where, str(walks)], timeout)
    m = re.match(rb"walks (\d+) tables (\d+) retries (\d+) unstable (\d+) lost (\d+) impossible (\d+)", out)
    assert m, f"exit {rc}: {err.decode(errors='replace')}"
    names = ("walks", "tables", "retries", "unstable", "lost", "impossible")
    return rc, dict(zip(names, map(int, m.groups()))), err.decode(errors="replace")


@guest_test(kernels=KERNELS, each=SOURCES, smp=2, mem=512, timeout=900)
def test_sentinel_is_complete_beside_churn(g, source):
    churn, where = start(g, 16 << 20)
    rc, n, err = walk(g, source, where, WALKS, 800)
    assert churn.rc is None, "churn ended by itself"
    print(f"     {g.name} {source}: {n}", flush=True)
    assert rc == 0 and n["lost"] == 0 and n["impossible"] == 0, f"{n}: {err}"
    assert n["walks"] == WALKS and n["unstable"] * 20 < n["tables"], n


@guest_test(kernels=("6.1-5",), smp=2, mem=512, timeout=900)
def test_without_the_chain_check_the_same_is_wrong(g):
    _, where = start(g, 16 << 20)
    for _ in range(20):
        rc, n, _ = walk(g, "bpf:nocheck", where, WALKS, 300)
        print(f"     {g.name} bpf:nocheck: {n}", flush=True)
        if rc == 1:
            return
    raise AssertionError(f"nothing went wrong without the check: {n}")
