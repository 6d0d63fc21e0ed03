# SPDX-License-Identifier: LGPL-2.1-or-later
"""VmFlags of VMAs as an exact source reads them from kernel memory, against /proc/PID/smaps: vmaflags compares all VMAs of a process."""

import re

from testing import guest_test
from tool import EVERY_STATE, SOURCES, Mkmaps, prepare

# With no flag that no VMA of ours has.
USUAL = "anon,anon-holes,anon-ro,protnone,sparse,growsdown,thp,thp-ro,thp-exec,thp-protnone,thp-split,file-private,alias,exec,rwx"
KERNELS = ("5.10-4", "6.1-5", "6.12-4", "7.2-5", "newest-5")


def ask(g, source, pids):
    rc, out, err = g.run(["vmaflags", source, *map(str, pids)], 120)
    assert rc == 0, f"exit {rc}: {out.decode()}{err.decode()}"
    return [line.split() for line in out.decode().splitlines()]


@guest_test(kernels=KERNELS, each=SOURCES, **EVERY_STATE)
def test_vma_flags_as_smaps_has_them(g, source):
    prepare(g)
    m, usual = Mkmaps(g), Mkmaps(g, "--only", USUAL)
    held = g.spawn(["crowd", "5", "40"], stdin=None)
    held.wait_line(rb"ready", 30)
    crowd = [int(p) for p in g.check(["pidof", "crowd"]).split()]
    # The first small one is left to smaps; what has flags that no VMA of ours has, as mkmaps, always is.
    answers = ask(g, source, [crowd[0], *crowd, usual.pid, m.pid])
    print(f"     {g.name} {source}: {answers}", flush=True)
    told = [a for a in answers if a[1] == "same"]
    if "5.10" in g.name:  # no maple tree
        assert not told, answers
    else:
        assert len(told) == len(crowd) + 1 and all(int(a[2]) > 20 for a in told), answers
    assert all(re.fullmatch(r"same|smaps", a[1]) for a in answers), answers
