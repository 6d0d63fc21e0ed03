# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a debug kernel knows beyond its log: lost memory, and whether it still watches."""

import time

OLD = 6  # seconds after which kmemleak speaks of an allocation
KMEMLEAK = "/sys/kernel/debug/kmemleak"


def leaks(g):
    """kmemleak's reports as text, after two scans: what only seemed lost in the first is gone in the second."""
    time.sleep(OLD)
    for _ in range(2):
        g.check(f"echo scan >{KMEMLEAK}", timeout=120)
    return g.check(["cat", KMEMLEAK], timeout=120).decode(errors="replace")


def assert_no_leaks(g):
    text = leaks(g)
    assert not text, f"{text.count('unreferenced object')} allocations are lost:\n{text[:3000]}"


def assert_watching(g):
    """lockdep turns itself off after its first report, or when one of its tables is full."""
    stats = g.check(["cat", "/proc/lockdep_stats"]).decode()
    assert " debug_locks:                             1" in stats, f"lockdep is off:\n{stats[-300:]}"


def finish(g):
    """The end of a guest's use: our modules go, and nothing of them is left."""
    for module in ("pagewalk_origins", "pagewalk"):
        if g.run(["test", "-d", f"/sys/module/{module}"])[0] == 0:
            g.check(["rmmod", module])
    if b"[none]" not in g.check(["cat", "/sys/kernel/security/lockdown"]):
        return  # debugfs is shut, after a test of just that
    assert_watching(g)
    assert_no_leaks(g)
