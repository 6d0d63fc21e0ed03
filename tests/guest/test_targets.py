# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which processes a command takes: all of them, or those of a control group."""

from testing import guest_test
from tool import Mkmaps, pagewalk

ROOT = "/sys/fs/cgroup"


def targets(g, *args, ok=(0,)):
    return {int(r["target"]) for r in pagewalk(g, "vmas", *args, ok=ok).of("vma")}


@guest_test(kernels=("5.10-4", "7.2-5"), fresh=True)
def test_a_control_group_and_those_below_it(g):
    g.check(f"mount -t cgroup2 none {ROOT} && mkdir -p {ROOT}/one/below {ROOT}/other {ROOT}/onetwo {ROOT}/empty")
    inside, below, other = (Mkmaps(g, "--only", "anon").pid for _ in range(3))
    for pid, group in ((inside, "one"), (below, "one/below"), (other, "other")):
        g.check(f"echo {pid} >{ROOT}/{group}/cgroup.procs")
    for path in ("/one", "/one/", f"{ROOT}/one"):
        assert targets(g, "--cgroup", path) == {inside, below}, path
    assert targets(g, "--cgroup", "/one/below") == {below}
    g.check(["pagewalk", "snapshot", "--cgroup", "/one", "-o", "/tmp/one.snapshot"])
    assert targets(g, "--all", "-s", "/tmp/one.snapshot") == {inside, below}
    dumped = pagewalk(g, "dump", "--cgroup", "/one", "[stack]").of("run")
    assert {int(r["target"]) for r in dumped} == {inside, below} and {r["name"] for r in dumped} == {"[stack]"}
    assert {inside, below, other, 1} <= targets(g, "--all", ok=(0, 4)) and \
        {inside, below, other, 1} <= targets(g, "--cgroup", "/", ok=(0, 4))
    for path in ("/onetwo", "/empty", "/absent"):
        rc, out, err = g.run(["pagewalk", "vmas", "--cgroup", path])
        assert rc == 3 and not out and b"no process is in it" in err, (path, rc, err)
    rc, out, err = g.run(["pagewalk", "vmas", "--cgroup", f"{ROOT}/absent"])
    assert rc == 3 and b"No such file or directory" in err, (rc, err)
    rc, out, err = g.run(["pagewalk", "vmas", "--cgroup", "one"])
    assert rc == 2 and b"it is a path" in err, (rc, err)
