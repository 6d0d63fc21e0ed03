# SPDX-License-Identifier: LGPL-2.1-or-later
"""Unloading the module returns memory to what it was, after every call, its failures, and descriptors that were closed
with all that they still held.

No count of a running kernel stands still, so rounds are made, of which each loads, uses and unloads the module: what is
lost in each grows with their number. Of every count the smallest of several is taken, each after caches were emptied, as
what is lost is in all of them; and what has grown has to grow again in the next rounds to be believed.
"""

import re
import struct
import time
from collections import Counter
from itertools import count

from kmod import MODULE, Kio, load
from test_kmod_calls import USER_LAST, all_calls, errors, pid_of, start_cow
from testing import guest_test

WARM, ROUNDS, SAMPLES = 3, 10, 4
TRIES = 3  # of so many rounds; a slab that is counted as full looks like a loss, but once
OPEN, REPEAT = 4, 8  # descriptors in a round; calls of a kind
PATIENCE = 20  # seconds in which what is in use may still become less

# A slab that a CPU allocates from counts as full, so nothing is opened or run between emptying and looking.
COUNTS = """
echo 3 >/proc/sys/vm/drop_caches
exec 3</proc/slabinfo 4>/sys/kernel/slab/filp/shrink
for i in 1 2; do for c in /sys/kernel/slab/*; do [ -L $c ] || echo 1 >$c/shrink; done; done
echo 1 >&4
while read -r line <&3; do lines="$lines
$line"; done
echo "$lines"
cat /proc/vmallocinfo /proc/meminfo /proc/zoneinfo /proc/vmstat
"""


def counts(g):
    """{what: how much is in use}: objects of each cache, vmalloc areas by who made them, pages."""
    out = g.check(COUNTS, timeout=120).decode()
    slabs = re.findall(r"(?m)^(\S+) +(\d+)(?: +\d+){4} : tunables", out)
    n = Counter({f"objects of {name}": int(used) for name, used in slabs})
    # Who is no longer there is a bare address. Areas that are free already wait to be purged.
    for maker in re.findall(r"(?m)^0x[0-9a-f]+-0x[0-9a-f]+ +\d+ (?!unpurged)([^ +]+)", out):
        n["areas of " + ("nobody" if maker.startswith("0x") else maker)] += 1
    kept = sum(int(k) for k in re.findall(r"(?m)^ +count: +(\d+)$", out))  # in the lists that each CPU has
    kib = {k: int(v) for k, v in re.findall(r"(?m)^(\w+): +(\d+) kB$", out)}
    n["pages"] = (kib["MemTotal"] - kib["MemFree"]) // 4 - kept
    for k in ("PageTables", "KernelStack", "Percpu"):
        n[f"pages of {k}"] = kib[k] // 4
    pinned = dict(re.findall(r"(?m)^nr_foll_pin_(acquired|released) (\d+)$", out))
    n["pinned pages"] = int(pinned["acquired"]) - int(pinned["released"])
    return n


def settled(g, enough=lambda n: True):
    """The smallest of several counts: what is only on its way back is not in all of them."""
    least, end = counts(g), time.monotonic() + PATIENCE
    for i in count(1):
        if i >= SAMPLES and enough(least) or time.monotonic() > end:
            return least
        time.sleep(0.3)
        now = counts(g)
        least = Counter({k: min(least[k], now[k]) for k in least})


def bad_pointers(pid, va):
    """Calls that fail when they have done all but to give the answer back, or before they began."""
    yield 3, 80, struct.pack("<IQIIQQIIQQII", 0, 0, pid, 0, 0, USER_LAST, 0, 16, 0, 0, 0, 0)
    yield 4, 32, struct.pack("<IQQII", 0, 0, 0, 16, 128)
    yield 5, 48, struct.pack("<IQQQIIQ", 0, 0x10000, 64, 0, 0, 0, 0)
    yield 6, 48, struct.pack("<IQQQIIQ", 0, 0x10000, 64, 0, 0, 0, 0)
    yield 7, 48, struct.pack("<IIIQQQQ", 0, pid, 0, va, 8, 0, 0)
    yield 8, 48, struct.pack("<IIIQQQQ", 0, pid, 0, va, 8, 0, 0)
    yield 9, 64, struct.pack("<IIIQIIQQIIII", 0, 2, 0, 0, 1, 0, 0, 0, 16, 0, 0, 0)


def leave(k, *pids):
    """Pins of several processes, more than there is room for, and memory of every kind."""
    sizes = ((0, 3000), (0, 100_000), (1, 50_000), (2, 4 << 20), (3, 65536), (4, 512), (4, 32768))
    for r in k.all([("root", 1, pids[i % len(pids)], 1) for i in range(70)] + [("kalloc", *s) for s in sizes]):
        assert r.error is None or r.error == "EOPNOTSUPP" and int(r.values["kind"]) == 2, r.text


def use(k, cow):
    """Every call, with success and without; a pin of the process."""
    calls, pid, va = all_calls(k), cow["child"], cow["private"]
    root = k("root", 1, pid, 1)
    pin = root.pin
    errors(k, REPEAT * [
        *((call, None) for call in calls.values()),
        (("ruser", pid, va, 8192, 0), None), (("wuser", pid, va, b"x" * 8192, 0), None),
        (("wuser", pid, cow["edge"] + 4090, b"x" * 12, 0), "EFAULT"),
        (("walk", pin, 0, 0, USER_LAST, 0, 16), None), (("tables", pin, root.root, 4096), None),
        (("walk", 0, 0, 0xFFFFFFFF80000000, 0xFFFFFFFFBFFFFFFF, 4, 16), None),
        *((("raw", *bad), "EFAULT") for bad in bad_pointers(pid, va)),
        (("walk", 0, 2, 0, USER_LAST, 0, 16), "ESRCH"), (("ruser", 2, va, 8, 0), "ESRCH"),
        (("root", 1, 2, 1), "ESRCH"), (("kalloc", 1, 64 << 20), "ENOMEM"),
    ])
    ids = [r.id for r in k.all([("kalloc", 0, 4096)] * REPEAT)]
    errors(k, [(("kfree", i), None) for i in ids])
    return pin


def one_round(g):
    load(g, writable=True)
    cow = start_cow(g)
    kios = [Kio(g) for _ in range(OPEN)]
    for k in kios:
        leave(k, pid_of(kios[0]), cow["parent"], cow["child"], pid_of(k))
    assert b"[pagewalk]" in g.read_file("/proc/vmallocinfo"), "what is in use is not seen"
    pin = use(kios[0], cow)
    g.check(f"kill -9 {cow['parent']} {cow['child']}; while [ -e /proc/{cow['child']} ]; do sleep 0.02; done")
    errors(kios[0], [(("walk", pin, 0, 0, USER_LAST, 0, 16), "ESRCH"), (("tables", pin, 4096, 8), "ESRCH")])
    kios.pop().process.kill()
    for k in kios:
        k.close()
    g.check("for i in $(seq 100); do rmmod pagewalk 2>/dev/null && exit 0; sleep 0.05; done; exit 1")


def lost(before, after):
    """What there is more of, at least one in nearly every round; of pages, as calls of a kind are many, several."""
    def least(what):
        return ROUNDS * REPEAT // 2 if what.startswith("pages") else ROUNDS - 2

    return {k: n for k in after if (n := after[k] - before[k]) >= least(k)}


@guest_test(kernels=("5.10-4", "6.1-5", "newest-5"), timeout=400, fresh=True, **MODULE)
def test_unloading_returns_memory(g):
    # On 7.x the kernel watches itself from boot on (DAMON_STAT), in regions that become more and fewer.
    g.run("echo N >/sys/module/damon_stat/parameters/enabled")
    for _ in range(WARM):
        one_round(g)
    before, suspects = settled(g), None
    for _ in range(TRIES):
        for _ in range(ROUNDS):
            one_round(g)
        after = settled(g, lambda n: not lost(before, n))
        assert not after["areas of nobody"], "areas of what was unloaded"
        more = {k: after[k] - before[k] for k in after if after[k] > before[k]}
        print(f"     {g.name}: {len(after)} counts, {ROUNDS} rounds; more than before: {more or 'none'}", flush=True)
        suspects = lost(before, after).keys() & (more if suspects is None else suspects)
        if not suspects:
            return
        before = after
    raise AssertionError(f"each {ROUNDS} rounds there are more: " + ", ".join(f"{more[k]} {k}" for k in suspects))
