# SPDX-License-Identifier: LGPL-2.1-or-later
"""The harness itself: every kernel boots as asked, commands and data pass unchanged, oracles agree."""

import hashlib
import random

from testing import guest_test, split_kernel


@guest_test()
def test_boots_with_the_levels_asked_for(g):
    wanted = split_kernel(g.name)[1]
    assert g.paging_levels() == wanted
    assert g.check(["uname", "-r"]).decode().strip() == g.kernel.version


@guest_test()
def test_exit_status_and_streams_pass_through(g):
    assert g.run(["true"]) == (0, b"", b"")
    assert g.run("echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")
    assert g.run("kill -9 $$")[0] == -9
    assert g.run(["/no/such"])[0] == 127


@guest_test()
def test_binary_data_passes_unchanged_both_ways(g):
    data = random.Random(1).randbytes(3 << 20)
    g.write_file("/tmp/data", data)
    assert g.check(["sha256sum", "/tmp/data"]).split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert g.read_file("/tmp/data") == data
    g.check(["rm", "/tmp/data"])


@guest_test()
def test_users_and_capabilities(g):
    assert g.check(["id", "-u"], user=1000) == b"1000\n"
    status = g.check(["cat", "/proc/self/status"], user=1000, caps=("bpf", "perfmon")).decode()
    assert "CapEff:\t000000c000000000" in status
    status = g.check(["cat", "/proc/self/status"], user=1000).decode()
    assert "CapEff:\t0000000000000000" in status


@guest_test()
def test_info_tlb_agrees_with_the_tables_in_ram(g):
    spin = g.spawn("while :; do :; done")
    registers = g.stop_in_user()
    leaves = g.info_tlb()
    levels = g.paging_levels()
    for va, leaf in leaves.items():
        step = g.memory.walk(registers["CR3"], va, levels)[-1]
        mask = 0x000FFFFFFFFFF000 & -leaf.size
        assert step.raw & mask == leaf.pa and leaf.size == 1 << (12 + 9 * (step.level - 1)), hex(va)
        assert step.raw & 0x80000000000001FE == leaf.bits, hex(va)
    assert any(l.size == 1 << 21 for l in leaves.values()) and any("U" in l.flags for l in leaves.values())
    g.cont()
    spin.kill()


@guest_test(kernels=["6.12-5"], allow_log="nowhere")
def test_a_splat_in_the_kernel_log_is_noticed(g):
    mark = g.log_mark()
    g.check("echo 'WARNING: CPU: 0 PID: 1 at nowhere' >/dev/kmsg")
    try:
        g.assert_clean_log(mark)
    except AssertionError:
        pass
    else:
        raise RuntimeError("a WARNING after the mark passed as clean")
    g.assert_clean_log(g.log_mark())


@guest_test()
def test_swap_on_zram_can_be_had(g):
    g.check("prepare-guest && grep -q zram0 /proc/swaps && swapoff /dev/zram0")
