# SPDX-License-Identifier: LGPL-2.1-or-later
"""pagewalk mem and pagewalk kalloc on real kernels."""

import re

from kmod import MODULE, load
from test_kmod_calls import start_cow
from testing import guest_test
from tool import Answer, number, pagewalk

FEW = ("5.10-4", "6.1-5", "7.2-5")


def memory(answer):
    return b"".join(bytes.fromhex(r["hex"]) for r in answer.of("memory"))


@guest_test(kernels=FEW, each=("kmod", "bpf", "kcore"), **MODULE)
def test_mem_reads_a_process(g, source):
    load(g)
    c = start_cow(g)
    got = memory(pagewalk(g, "-s", source, "mem", "read", c["parent"], f"{c['edge']:x}", "--count", 5000))
    assert got == b"e" * 5000
    out = g.check(["pagewalk", "-s", source, "mem", "read", str(c["parent"]), f"{c['edge']:x}", "-w", "4", "-c", "4", "-n"])
    assert out.split()[1:5] == [b"65656565"] * 4, out
    # To the end of what is mapped, and no further.
    rc, out, err = g.run(["pagewalk", "-s", source, "mem", "read", str(c["parent"]), "0"])
    assert rc == 3 and b"is not there (none)" in err, (out, err)


@guest_test(kernels=FEW, **MODULE)
def test_mem_writes_and_verifies(g):
    load(g, writable=True)
    c = start_cow(g)
    at, pid = f"{c['edge']:x}", str(c["child"])
    g.check(["pagewalk", "mem", "write", pid, at, "11223344", "-w", "4", "--verify"])
    assert memory(pagewalk(g, "mem", "read", pid, at, "-c", 5)) == bytes.fromhex("4433221165")
    g.check(["pagewalk", "mem", "write", pid, at, "--input", "-", "--verify"], stdin=b"from a pipe")
    assert g.check(["pagewalk", "mem", "read", pid, at, "--raw", "-c", "11"]) == b"from a pipe"
    pa = pagewalk(g, "translate", pid, at).of("translation")[0]["pa"]
    g.check(["pagewalk", "mem", "write", f"pa:{pa}", "0102", "-w", "2", "--verify"])
    assert g.read_phys(number(pa), 2) == b"\x02\x01"
    rc, _, err = g.run(["pagewalk", "mem", "write", pid, f"{c['ro']:x}", "1", "-w", "1"])
    assert rc == 3 and b"may not be written" in err, err
    load(g)
    rc, _, err = g.run(["pagewalk", "mem", "write", pid, at, "1", "-w", "1"])
    assert rc == 3 and b"writable=1" in err, err
    rc, _, err = g.run(["pagewalk", "-s", "bpf", "mem", "write", pid, at, "1", "-w", "1"])
    assert rc == 3 and b"module" in err, err


@guest_test(kernels=FEW, **MODULE)
def test_kalloc_sums_up(g):
    load(g)
    a = pagewalk(g, "kalloc", "kmalloc", "64K")
    k = a.of("kalloc")[0]
    assert k["pages"] == 16 == len(a.of("kpage")) and k["extents"] == 1 and k["differing"] == 0, k
    assert all(r["pa"] == r["api_pa"] for r in a.of("kpage"))
    out = g.check(["pagewalk", "kalloc", "percpu", "64", "--columns", "cpu,va,pa"])
    assert re.search(rb"percpu of 64B: 1 page, physically contiguous", out), out
    rc, _, err = g.run(["pagewalk", "kalloc", "kmalloc", "5M"])
    assert rc == 3 and b"does not take" in err, err
    rc, out, _ = g.run(["pagewalk", "kalloc", "vmalloc-huge", "4M", "--json"])
    assert rc == (3 if g.series == "5.10" else 0)
    if rc == 0:
        assert {r["level"] for r in Answer(out).of("kpage")} == {"pmd"}
