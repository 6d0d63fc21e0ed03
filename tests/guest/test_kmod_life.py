# SPDX-License-Identifier: LGPL-2.1-or-later
"""The module while everything around it ends: walked processes, walking processes, and the module itself."""

import re

from kmod import MODULE, Kio, load
from testing import guest_test

USER_LAST = (1 << 56) - 4097

# Walks init, itself and whatever is there, until it is killed at a moment nobody chose.
WALKERS = """
for i in 1 2 3; do
    (while :; do for p in $(ls /proc | grep '^[0-9]'); do
        echo "walk 0 $(printf %x $p) 0 fffffffffffff 0 40"; done; done | kio >/dev/null 2>&1) &
done
"""
BOMB = "n=0; while [ $n -lt {} ]; do n=$((n+1)); (sh -c : &) ; done; wait"


def slab(g):
    """Bytes of task, mm and page-table memory that are in use."""
    return {k.decode(): int(v) for k, v in re.findall(rb"(?m)^(PageTables|KernelStack): +(\d+)", g.read_file("/proc/meminfo"))}


@guest_test(kernels=("5.10-4", "6.12-5", "newest-5"), smp=2, mem=512, timeout=600, **MODULE)
def test_walkers_and_walked_die_at_any_moment(g):
    load(g)
    g.check("echo 3 >/proc/sys/vm/drop_caches")
    before = slab(g)
    churn = g.spawn(["churn", "--sentinel", str(1 << 20)], stdin=None)
    walkers = g.spawn(WALKERS + "wait")
    for _ in range(3):
        g.check(BOMB.replace("{}", str(int(100 / g.kernel.slowness**2))), timeout=120)
    killed = g.check("sleep 1; killall -9 kio; sleep 1; killall -9 kio; echo done", timeout=120)
    assert b"done" in killed
    walkers.kill()
    churn.kill()
    for p in (walkers, churn):
        p.wait(60)
    g.check("while killall -9 kio 2>/dev/null; do sleep 0.1; done")
    stuck = g.check("for i in 1 2 3 4 5; do ps -o stat,args | grep '^D.*kio' || exit 0; sleep 1; done; echo stuck")
    assert b"stuck" not in stuck, stuck
    g.check("for i in $(seq 50); do rmmod pagewalk 2>/dev/null && exit 0; sleep 0.2; done; exit 1", timeout=60)
    after = slab(g)
    assert all(after[k] < before[k] + 1024 for k in before), f"{before}, {after}"


@guest_test(**MODULE)
def test_pinned_process_keeps_no_memory(g):
    """A pin keeps the mm's name, not what it maps: the memory of a dead process comes back at once."""
    load(g)
    k = Kio(g)
    p = g.spawn(["sh", "-c", "echo up; read x"], stdin=None)
    p.wait_line(rb"up")
    pin = k("root", 1, p.pid, 1).pin
    assert k("walk", pin, 0, 0, USER_LAST, 0, 64).error is None
    p.kill()
    p.wait(10)
    assert k("walk", pin, 0, 0, USER_LAST, 0, 64).error == "ESRCH"
    k.close()
    g.check(["rmmod", "pagewalk"])
