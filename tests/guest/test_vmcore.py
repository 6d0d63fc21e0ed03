# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel that crashed, looked at in /proc/vmcore by the kernel that took over: its processes, VMAs and pages are what it said before."""

import gzip

import initramfs
from test_foreign import Said, check_pages, check_processes, check_vmas
from testing import guest_test
from tool import EVERY_STATE, pagewalk

OPTIONS = {**EVERY_STATE, "mem": 768, "cmdline": EVERY_STATE["cmdline"] + " crashkernel=256M"}
IMAGE = "/proc/vmcore"


def load_crash_kernel(g):
    g.write_file("/tmp/vmlinuz", initramfs.read(g.kernel.image))
    g.write_file("/tmp/initrd", gzip.compress(initramfs.build(g.kernel), 1))
    args = "console=ttyS0 panic=-1 maxcpus=1" + (" no5lvl" if g.levels == 4 else "")
    g.check(["crashload", "/tmp/vmlinuz", "/tmp/initrd", args])
    g.check("rm /tmp/vmlinuz /tmp/initrd")


@guest_test(kernels=("5.10-4", "7.2-5"), fresh=True, timeout=600, **OPTIONS)
def test_a_crash_dump_has_what_the_kernel_said(g):
    load_crash_kernel(g)
    said = Said(g)
    g.crash()
    n = check_processes(g, said, IMAGE, also=("sh",))  # whose write crashed it
    vmas, pages = check_vmas(g, said, IMAGE), check_pages(g, said, IMAGE)
    answer = pagewalk(g, "info", "-s", IMAGE)
    assert answer.head["consistency"] == "frozen" and answer.head["system"] == f"Linux {g.release}", answer.head
    assert {r["fact"]: r["value"] for r in answer.of("fact")}["format"] == "elf", answer.records
    print(f"     {g.name}: {n} processes, {vmas} VMAs, {pages} pages", flush=True)
