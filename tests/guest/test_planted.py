# SPDX-License-Identifier: LGPL-2.1-or-later
"""The debug kernel notices bugs: each that the module planted.ko has is reported, in the way that tests look."""

import re

import watch
from testing import guest_test

# What each is told as. A report can end the watch for others of its kind: each has a guest of its own.
BUGS = {
    "order": r"WARNING: possible circular locking dependency",
    "held": r"WARNING: lock held when returning to user space",
    "sleeping": r"BUG: sleeping function called from invalid context",
    "unprotected": r"WARNING: suspicious RCU usage",
    "out-of-bounds": r"BUG: KASAN: slab-out-of-bounds in out_of_bounds",
    "after-free": r"BUG: KASAN: slab-use-after-free in after_free",
}
PLANTED = {"kernels": ("debug-4",), "modules": ("planted",), "allow_log": ".", "fresh": True, "timeout": 300}


def plant(g, bug):
    g.check(["modprobe", "planted"])
    watch.assert_watching(g)
    mark = g.log_mark()
    g.check(f"echo {bug} >/sys/module/planted/parameters/plant")
    return mark


def complaint(check, *arguments):
    """What an assertion says that has to fail."""
    try:
        check(*arguments)
    except AssertionError as e:
        return str(e)
    raise RuntimeError("nothing was reported")


@guest_test(each=tuple(BUGS), **PLANTED)
def test_bug_is_reported(g, bug):
    said = complaint(g.assert_clean_log, plant(g, bug))
    assert re.search(BUGS[bug], said), said


@guest_test(**PLANTED)
def test_leak_is_reported(g):
    watch.assert_no_leaks(g)
    plant(g, "leak")
    said = complaint(watch.assert_no_leaks, g)
    assert re.search(r"unreferenced object .*size 64\)", said) and "[planted]" in said, said


@guest_test(**PLANTED)
def test_lockdep_that_is_off_is_noticed(g):
    plant(g, "order")
    assert "lockdep is off" in complaint(watch.assert_watching, g)
