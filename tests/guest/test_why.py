# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each reason that `translate` gives, made to happen: by a state of mkmaps, whose own word for it is in its ranges, or by mkreasons, which asks pagemap and
kpageflags whether it is there. reasons.tsv says which reason happens where; all of these must be met, and no other."""

import json
import os
import re
import time

from testing import guest_test
from tool import EVERY_STATE, HERE, Mkmaps, number, pagewalk, prepare

KERNELS = ("5.10-4", "6.1-4", "6.12-4", "7.2-4")
ALONE = ("ksm", "uffd-missing", "file-not-read", "past-end-of-file", "reserved", "stack-guard-gap", "thp-madvise", "nohugepage", "holes")
SMALL = ("thp-madvise", "nohugepage", "holes", "thp-off-process")


def table(by, kernel):
    with open(os.path.join(HERE, "reasons.tsv"), encoding="ascii") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]
    at = rows[0].index(kernel)
    return sorted(r[0] for r in rows[1:] if r[1] == by and r[at] == "y")


class Reasons:
    """Processes whose pages are asked for, and the reasons that were met."""

    def __init__(self, g, source="bpf"):
        self.g, self.source, self.met, self.wrong, self.asked = g, source, {}, [], 0

    def ask(self, target, *addresses, source=None):
        """The translations of some addresses."""
        answer = pagewalk(self.g, "-s", source or self.source, "translate", target, "--why", *(f"{va:x}" for va in addresses),
                          ok=(0, 1, 4))
        found = answer.of("translation")
        assert len(found) == len(addresses)
        self.asked += len(found)
        return found

    def check(self, what, t, *allowed, larger=None):
        """That a translation has one of these reasons, and evidence."""
        self.met[t["why"]] = self.met.get(t["why"], 0) + 1
        if t["not_larger"] in SMALL + ("misaligned", "split", "file"):
            key = "not-larger:" + t["not_larger"]
            self.met[key] = self.met.get(key, 0) + 1
        if t["why"] not in allowed or (larger and t["not_larger"] != larger) or not t["evidence"] or not t["reason"]:
            self.wrong.append(f"{what}: {t['va']} is {t['why']} ({t['reason']}; {t['not_larger']}), not {allowed} {larger or ''}; "
                              f"{t['evidence']}")

    def one(self, what, target, va, *allowed, larger=None, source=None):
        t = self.ask(target, va, source=source)[0]
        self.check(what, t, *allowed, larger=larger)
        return t

    def finish(self, by):
        assert not self.wrong, "\n".join(self.wrong[:20])
        expected = table(by, self.g.name)
        assert sorted(self.met) == expected, f"not in the table: {sorted(set(self.met) - set(expected))}, not met: {sorted(set(expected) - set(self.met))}"
        print(f"     {self.g.name} {by}: {len(self.met)} reasons, {self.asked} addresses", flush=True)


class Made:
    """A running mkreasons."""

    def __init__(self, g, *names, timeout=120):
        self.process = g.spawn(["mkreasons", *names], stdin=None)
        self.process.wait_line(rb"(?m)^ready", timeout)
        text = self.process.stdout.decode()
        self.pid = int(re.search(r"^pid (\d+)$", text, re.M)[1])
        self.pages = {}
        for name, va in re.findall(r"^page (\S+) addr=0x(\w+)$", text, re.M):
            self.pages.setdefault(name, []).append(int(va, 16))
        self.absent = dict(re.findall(r"^absent (\S+) (.*)$", text, re.M))
        assert not self.absent, self.absent


FILE = ("file", "shmem")  # a file in memory is of tmpfs, or of the guest's ramfs
LEAVES = {
    "thp": ("thp",), "thp-ro": ("thp",), "thp-exec": ("thp",), "thp-uffd-wp": ("thp",),
    "hugetlb-2m": ("hugetlb",), "memfd-secret": ("secret",), "vvar": ("special",), "vdso": ("special",), "devmem": ("device",),
    "pci-bar": ("device",), "file-shared": FILE, "memfd-sealed": FILE, "alias": FILE, "shared-child": FILE, "uffd-marker": FILE,
    "file-private": (*FILE, "anon"),
}


def expected_of(r):
    """What a range of a state of mkmaps is to give."""
    if r.kind == "leaf":
        if r.note.get("zero") == "1":
            return ("huge-zero-page",) if r.page > 4096 else ("zero-page",)
        return LEAVES.get(r.state, ("anon",))
    if r.kind == "protnone":
        return ("mprotect",)
    if r.kind == "soft":
        return ({"guard": "guard-region", "uffd-wp": "uffd-wp"}[r.note["marker"]],) if "marker" in r.note else ("swapped",)
    return {"stack-guard": ("guard-page",), "protnone": ("reserved",), "mremap": ("reserved", "guard-page")}.get(r.state, ("untouched",))


def check_states(reasons, m):
    for r in m.ranges:
        found = reasons.ask(m.pid, r.addr, r.addr + r.len - 1)
        for t in found:
            reasons.check(r.state, t, *expected_of(r), larger="split" if r.state == "thp-split" else None)


def of_state(m, state, kind=None):
    return next(r for r in m.ranges if r.state == state and kind in (None, r.kind))


def check_around(reasons, m):
    """What is between VMAs, beyond them, and not in the process."""
    anon = of_state(m, "anon").addr
    lowest = min(r.addr for r in m.ranges if r.state == "growsdown")
    reasons.one("below a mapping that grows", m.pid, lowest - 8192, "stack-growth")
    reasons.one("null", m.pid, 0x18, "outside")
    reasons.one("not canonical", m.pid, 1 << 63, "non-canonical")
    t = reasons.one("tagged", m.pid, anon | 0x2A << 57, "tagged")
    assert f"{anon:#x}" in t["reason"], t["reason"]
    reasons.one("the old system calls", m.pid, 0xFFFFFFFFFF600000, "vsyscall")
    reasons.one("a user address", "kernel", 0x400000, "other-half")


def check_kernel(reasons, m):
    facts = {f["fact"]: f["value"] for f in pagewalk(reasons.g, "-s", reasons.source, "info").of("fact")}
    direct = number(facts["page-offset"])
    pa = number(reasons.ask(m.pid, of_state(m, "anon").addr)[0]["pa"])
    reasons.one("the direct map", "kernel", direct + (pa & ~0xFFF), "kernel-page")
    reasons.one("no memory", "kernel", direct + (1 << 44), "kernel-unmapped")
    if "memfd-secret" in m.states:
        pa = number(reasons.ask(m.pid, of_state(m, "memfd-secret").addr)[0]["pa"])
        reasons.one("secret memory in the direct map", "kernel", direct + pa, "kernel-removed")


def check_root(reasons, m):
    """The same tables without a process around them."""
    root = next(r["root"] for r in pagewalk(reasons.g, "-s", reasons.source, "ps").of("process") if r["pid"] == m.pid)
    for state, kind, reason in (("anon", "leaf", "anon"), ("anon-holes", "none", "unknown"), ("protnone", "protnone", "protnone-unknown")):
        reasons.one(f"{state} by root", f"root:{root}", of_state(m, state, kind).addr, reason)


def check_leaves(reasons, m):
    """What pagemap alone tells: the same notes, and of frames without pages nothing."""
    for state, kind in (("anon", "leaf"), ("swap", "soft"), ("guard-region", "soft"), ("uffd-marker", "soft")):
        if state in m.states:
            r = of_state(m, state, kind)
            reasons.one(f"{state} by pagemap", m.pid, r.addr, *expected_of(r), source="pagemap")
    reasons.one("frames without pages by pagemap", m.pid, of_state(m, "devmem").addr, "pfnmap-hidden", source="pagemap")


@guest_test(kernels=KERNELS, timeout=600, **EVERY_STATE)
def test_reasons_of_states(g):
    prepare(g)
    g.check("echo 0 >/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none\n"
            "echo 1000 >/sys/kernel/mm/ksm/pages_to_scan; echo 1 >/sys/kernel/mm/ksm/run")
    reasons, m = Reasons(g), Mkmaps(g)
    check_states(reasons, m)
    check_around(reasons, m)
    check_kernel(reasons, m)
    check_root(reasons, m)
    check_leaves(reasons, m)
    made = Made(g, *ALONE)
    for name in ALONE:
        for va in made.pages[name]:
            if name in SMALL:
                reasons.one(name, made.pid, va, "anon", larger=name)
            else:
                reasons.one(name, made.pid, va, name)
    off = Made(g, "thp-off-process")
    reasons.one("prctl", off.pid, off.pages["thp-off-process"][0], "anon", larger="thp-off-process")
    reasons.finish("states")


@guest_test(kernels=KERNELS, fresh=True, timeout=600, modules=("ext4", "lzo-rle"), mem=320)
def test_swap_to_a_file_and_to_zram(g):
    reasons = Reasons(g)
    # A swap file needs a file system on a block device: that one is zram as well, the swap area is the file.
    g.check("modprobe lzo-rle 2>/dev/null; modprobe zram num_devices=2; modprobe ext4 2>/dev/null\n"
            "echo 48M >/sys/block/zram1/disksize && mke2fs -b 4096 /dev/zram1 >/dev/null 2>&1 && mkdir -p /mnt/swap && mount -t ext4 /dev/zram1 /mnt/swap\n"
            "dd if=/dev/zero of=/mnt/swap/swapfile bs=1M count=16 2>/dev/null && chmod 600 /mnt/swap/swapfile\n"
            "mkswap /mnt/swap/swapfile >/dev/null && swapon /mnt/swap/swapfile")
    by_file = Made(g, "swapped")
    t = reasons.one("a file", by_file.pid, by_file.pages["swapped"][0], "swapped")
    assert "(swapfile)" in t["reason"], t["reason"]
    by_file.process.kill()
    by_file.process.wait(30)
    g.check("swapoff /mnt/swap/swapfile && echo 16M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null && swapon /dev/zram0")
    by_zram = Made(g, "swapped")
    t = reasons.one("zram", by_zram.pid, by_zram.pages["swapped"][0], "swapped")
    assert "(zram0)" in t["reason"] and "compressed in memory" in t["reason"], t["reason"]
    reasons.finish("swap")


@guest_test(kernels=KERNELS, fresh=True, timeout=300, smp=2, node1=160)
def test_numa_hint_and_migration(g):
    reasons = Reasons(g)
    g.check("mount -t debugfs none /sys/kernel/debug 2>/dev/null; echo 1 >/proc/sys/kernel/numa_balancing")
    made, end = Made(g, "numa-hint"), time.monotonic() + 100
    while time.monotonic() < end and "numa-hint" not in reasons.met:
        for t in reasons.ask(made.pid, *made.pages["numa-hint"]):
            if t["verdict"] == "protnone":
                reasons.check("numa", t, "numa-hint")
        time.sleep(0.5)
    made.process.kill()
    made.process.wait(30)
    moving, end = Made(g, "migration"), time.monotonic() + 100
    # One process looks many times: while it runs, what moves pages waits for its CPU now and then, and must not do so each time that it looks.
    g.write_file("/tmp/pages", "".join(f"{va:x}\n" for va in moving.pages["migration"] * 100).encode())
    while time.monotonic() < end and "migration" not in reasons.met:
        found = g.run(f"pagewalk translate {moving.pid} - -s bpf --why --json </tmp/pages | grep -m 8 '\"verdict\":\"soft\"'")[1]
        for t in map(json.loads, found.splitlines()):
            reasons.check("moving", t, "migration")
    reasons.finish("numa")


def check_poison(g):
    reasons, made = Reasons(g), Made(g, "hwpoison")
    for source in ("bpf", "kcore", "pagemap"):
        t = reasons.one("poisoned", made.pid, made.pages["hwpoison"][0], "hwpoison", source=source)
        assert any("PG_hwpoison" in e["says"] and "no PG_hwpoison" not in e["says"] for e in t["evidence"]), t["evidence"]
    reasons.finish("hwpoison")


@guest_test(kernels=("6.12-4", "7.2-4"), fresh=True, allow_log="Memory failure|hwpoison|Injecting")
def test_hwpoison(g):
    check_poison(g)


@guest_test(kernels=("5.10-4", "6.1-4"), fresh=True, flavour="generic", mem=384, allow_log="Memory failure|hwpoison|Injecting")
def test_hwpoison_generic(g):
    """The cloud flavours of these have no MEMORY_FAILURE."""
    check_poison(g)


@guest_test(kernels=KERNELS, cmdline="pti=on")
def test_kernel_addresses_under_pti(g):
    reasons, m = Reasons(g), Mkmaps(g, "--only", "anon")
    direct = number(next(f["value"] for f in pagewalk(g, "-s", "bpf", "info").of("fact") if f["fact"] == "page-offset"))
    reasons.one("by the user root", f"{m.pid}:user", direct + 0x100000, "pti")
    reasons.one("by the kernel's", m.pid, direct + 0x100000, "kernel-page")
    reasons.finish("pti")
