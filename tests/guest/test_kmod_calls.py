# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each call of /dev/pagewalk: what it gives, checked against something that is not the module, and each errno that
include/uapi/pagewalk.h documents for it."""

import re
import struct
import time

from kmod import MODULE, Kio, kio, load
from testing import SERIES, guest_test
from tool import Mkmaps

USER_LAST = (1 << 56) - 4097  # with 4 levels the rest is no address at all
RAWIO, PTRACE, ADMIN = 17, 19, 21
NONE = (1 << 64) - 1


def errors(k, expected):
    """Makes each call and compares its errno's name (None: success)."""
    replies = k.all([call for call, _ in expected])
    wrong = [f"{' '.join(map(str, call))}: {r.text}" for (call, want), r in zip(expected, replies) if r.error != want]
    assert not wrong, "\n".join(wrong)


def iomem(g, name):
    m = re.search(rf"^ *([0-9a-f]+)-([0-9a-f]+) : {name}$", g.check(["cat", "/proc/iomem"]).decode(), re.M)
    return int(m[1], 16), int(m[2], 16)


def pid_of(k):
    return k.process.pid


# The module

@guest_test(kernels=SERIES, **MODULE)
def test_module_comes_and_goes(g):
    before = g.log_mark()
    for _ in range(3):
        load(g)
        assert kio(g, "info", 0).error is None
        g.check(["rmmod", "pagewalk"])
        assert g.run(["ls", "/dev/pagewalk"])[0] != 0
    load(g)
    assert g.check(["stat", "-c", "%a %u", "/dev/pagewalk"]) == b"600 0\n"
    k = Kio(g)
    k("root", 1, 1, 1)
    k("kalloc", 0, 4096)
    assert g.run(["rmmod", "pagewalk"])[0] != 0, "unloaded while open"
    k.close()
    g.check(["rmmod", "pagewalk"])
    log = g.kernel_log()
    ours = [l for l in log[log.rindex(before):].splitlines() if "pagewalk" in l and re.search(r"0x|[0-9a-f]{12}", l)]
    assert not ours, ours


@guest_test(**MODULE)
def test_malformed_calls_are_refused(g):
    load(g)
    k = Kio(g)
    for nr in range(1, 10):
        errors(k, [
            (("raw", nr, 0), "EINVAL"),
            (("raw", nr, 7), "EINVAL"),
            (("raw", nr, 0x1001), "E2BIG"),
            (("raw", nr, 0x400, "00" * 0x3F8 + "01"), "EROFS" if nr in (6, 8) else "E2BIG"),
        ] if nr not in (6, 8) else [(("raw", nr, 0), "EROFS")])
    errors(k, [(("raw", nr, 8), "ENOTTY") for nr in (0, 10, 63, 255)])
    flags = "00000080"
    load_sizes = {1: 144, 2: 40, 3: 80, 4: 32, 5: 48, 7: 48, 9: 64}
    errors(k, [(("raw", nr, size, flags), "EINVAL") for nr, size in load_sizes.items()])
    # Longer than the module knows, the rest zeros: well.
    errors(k, [(("raw", 1, 0x400), None)])


# INFO and ROOT

@guest_test(**MODULE)
def test_info_is_what_qemu_says(g):
    load(g)
    info = kio(g, "info", 0)
    regs = g.registers()
    assert info.abi == 1 and info.levels == g.paging_levels() and info.phys_bits == 40, info.text
    assert info.cr4 & ~0x100 == regs["CR4"] & ~0x100 and info.efer == regs["EFER"], (info.text, regs)
    assert info.cr0 | 8 == regs["CR0"] | 8, (info.text, regs)
    assert info.features & 4 == 0 and info.pat == 0x0407050600070106, info.text
    start, _ = iomem(g, "Kernel code")
    text = g.check("grep -m1 ' _text$' /proc/kallsyms").split()[0]
    assert (int(text, 16) - info.image_start + info.phys_base) % (1 << 64) == start, (text, info.text)
    errors(Kio(g), [(("info", 99), "ENXIO"), (("info", 0xFFFFFFFF), "ENXIO")])


@guest_test(**MODULE)
def test_roots_are_what_qemu_says(g):
    load(g)
    m = Mkmaps(g, "--only", "anon", "--spin")
    k = Kio(g)
    root = k("root", 1, m.pid, 1)
    assert root.error is None and root.pin and root.user_root == NONE, root.text
    r = g.stop_in_user(cr3=root.root)
    g.cont()
    assert r["CR3"] & ~0xFFF == root.root
    own = k("root", 0, 0, 0)
    assert own.root == k("root", 1, pid_of(k), 0).root != root.root
    cpu = k("root", 3, 0, 0)
    assert cpu.root == own.root, "the CPU that serves the call runs the caller"
    kernel = k("root", 2, 0, 0).root
    levels = g.paging_levels()
    for slot in range(256, 512):  # all kernel halves share their tables; PTI, which is off, has a slot of its own
        a, b = (struct.unpack("<Q", g.read_phys(p + 8 * slot, 8))[0] & ~0x60 for p in (kernel, root.root))
        assert a == b, f"slot {slot}: {a:#x}, {b:#x} ({levels} levels)"
    errors(k, [
        (("root", 1, 999999, 0), "ESRCH"), (("root", 1, 2, 0), "ESRCH"), (("root", 1, 0, 0), "ESRCH"),
        (("root", 1, 0xFFFFFFFF, 0), "ESRCH"), (("root", 3, 99, 0), "ENXIO"), (("root", 4, 0, 0), "EINVAL"),
        (("root", 0, 1, 0), "EINVAL"), (("root", 2, 0, 1), "EINVAL"), (("root", 3, 0, 1), "EINVAL"),
        (("root", 1, 1, 2), "EINVAL"),
    ])


# WALK and READ_TABLES

def tree(g, root, lo, hi):
    """{pa of table: level} of the tables that RAM has below a root for slots lo..hi of it."""
    found = {root: 4}

    def below(pa, level, first, last):
        for i, raw in enumerate(g.memory.table(pa)):
            if first <= i <= last and raw & 1 and not (level < 4 and raw & 0x80):
                child = raw & 0x000FFFFFFFFFF000
                found[child] = level - 2 if level == 5 else min(level - 2, 2)
                if level > 2:
                    below(child, level - 1, 0, 511)

    below(root, g.paging_levels(), lo, hi)
    return found


@guest_test(**MODULE)
def test_walk_finds_every_table(g):
    load(g)
    m = Mkmaps(g)
    k = Kio(g)
    root = k("root", 1, m.pid, 1)
    all_at_once = k("walk", root.pin, 0, 0, USER_LAST, 0, 4096)
    assert all_at_once.error is None and all_at_once.bad == 0 and all_at_once.locked == all_at_once.tables
    want = tree(g, root.root, 0, 255)
    got = {int(t["pa"], 16): int(t["level"], 16) for t in all_at_once.lines}
    assert got == want, f"{len(got)} tables, RAM has {len(want)}: {set(got.items()) ^ set(want.items())}"
    # In steps of one, and of those of one level: the same.
    steps = k("walk", root.pin, 0, 0, USER_LAST, 0, 1)
    assert steps.calls >= steps.tables == all_at_once.tables
    assert [t["pa"] for t in steps.lines] == [t["pa"] for t in all_at_once.lines]
    low = k("walk", 0, m.pid, 0, USER_LAST, 1, 7)
    assert [t["pa"] for t in low.lines] == [t["pa"] for t in all_at_once.lines if t["level"] == "0"]
    upper = k("walk", root.pin, 0, 0, USER_LAST, 0xC, 16)  # of pud and p4d, where there is one
    assert [t["pa"] for t in upper.lines] == [t["pa"] for t in all_at_once.lines if t["level"] in "23"]
    # A part, by its addresses.
    one = int(low.lines[len(low.lines) // 2]["va"], 16)
    part = k("walk", root.pin, 0, one, one, 1, 16)
    assert [t["va"] for t in part.lines] == [f"{one:x}"], part.text


@guest_test(whole_kernel=True, **MODULE)
def test_walk_of_the_kernel_finds_every_table(g):
    load(g)
    k = Kio(g)
    root = k("root", 2, 0, 0).root
    lo = 0xFF00000000000000 if g.paging_levels() == 5 else 0xFFFF800000000000
    w = k("walk", 0, 0, lo, NONE, 0, 256)
    assert w.error is None and w.bad == 0 and w.locked == 0, w.text
    want = tree(g, root, 256, 511)
    got = {int(t["pa"], 16) for t in w.lines}
    assert len(got ^ set(want)) <= 4, f"{len(got)} tables, RAM has {len(want)}"


@guest_test(**MODULE)
def test_walk_errors(g):
    load(g)
    k = Kio(g)
    sleeper = g.spawn(["sleep", "100"])
    sleeper.wait_until(lambda: sleeper.pid, 10)
    pin = k("root", 1, sleeper.pid, 1).pin
    errors(k, [
        (("walk", 0, 999999, 0, USER_LAST, 0, 16), "ESRCH"), (("walk", 0, 2, 0, USER_LAST, 0, 16), "ESRCH"),
        (("walk", 77, 0, 0, USER_LAST, 0, 16), "ESTALE"), (("walk", pin, 0, 0, USER_LAST, 0, 0), "EINVAL"),
        (("walk", pin, 0, 0, USER_LAST, 0, 4097), "EINVAL"), (("walk", pin, 0, 1, 0, 0, 16), "EINVAL"),
        (("walk", pin, 0, 0, USER_LAST, 0x20, 16), "EINVAL"), (("walk", pin, 0, 0, NONE, 0, 16), "EINVAL"),
        (("walk", pin, 0, 1 << 60, NONE, 0, 16), "EINVAL"),
    ])
    sleeper.kill()
    sleeper.wait(10)
    errors(k, [(("walk", pin, 0, 0, USER_LAST, 0, 16), "ESRCH"), (("tables", pin, 0x1000, 8), "ESRCH")])
    for _ in range(64):  # a descriptor's pins; the oldest gives way
        k("root", 0, 0, 1)
    errors(k, [(("walk", pin, 0, 0, USER_LAST, 0, 16), "ESTALE"), (("tables", pin, 0x1000, 8), "ESTALE")])


@guest_test(**MODULE)
def test_tables_are_checked_by_their_links(g):
    load(g)
    m = Mkmaps(g, "--only", "anon")
    k = Kio(g)
    root = k("root", 1, m.pid, 1)
    walk = k("walk", root.pin, 0, m.ranges[0].addr, m.ranges[0].addr, 0, 16)
    *_, parent, pte = walk.lines
    links, at = [], len(walk.lines) - 1
    for t in reversed(walk.lines[1:]):
        links += [t["slot"], t["entry"], "60"]
    for pin in (0, root.pin):
        r = k("tables", pin, pte["pa"], "1000", *links)
        assert r.error is None and r.status == 0 and r.flags == (1 if pin else 0), r.text
        assert r.values["sum"] == pte["sum"], r.text
        wrong = list(links)
        wrong[1] = f"{int(wrong[1], 16) ^ 0x8000000000000000:x}"
        assert k("tables", pin, pte["pa"], "1000", *wrong).status == -11
    assert at == g.paging_levels() - 1
    # Links that do not lead to the table, or not from this root: nothing is taken for a lock.
    assert k("tables", root.pin, parent["pa"], "1000", *links).status == -22
    assert k("tables", root.pin, pte["pa"], "1000", *links[:-3]).status == -22
    assert k("tables", root.pin, pte["pa"], "1000").status == -22
    # Nor what is not aligned, too long, or not RAM.
    ram_last = max(int(x, 16) for x in re.findall(rb"-([0-9a-f]+) : System RAM", g.check(["cat", "/proc/iomem"])))
    for pa, bytes_, status in ((root.root + 4, 8, -22), (root.root, 12, -22), (root.root + 8, 4096, -22),
                               (root.root, 0, -22), (root.root, 8192, -22), (0xFED00000, 8, -6),
                               ((ram_last + 0x100000) & ~7, 8, -6), (1 << 63, 8, -6), (NONE & ~7, 8, -6)):
        assert k("tables", 0, pa, bytes_).status == status, (hex(pa), bytes_)


# Physical memory

def frame(k, kind=0, size=4096):
    """(id, pa) of kernel memory of our own."""
    ident = k("kalloc", kind, size).id
    return ident, int(k("kdesc", ident, 0, 1).lines[0]["pa"], 16)


@guest_test(**MODULE)
def test_physical_memory_is_guest_ram(g):
    load(g, writable=True)
    k = Kio(g)
    _, pa = frame(k, 3)
    data = bytes(range(256))
    assert k("wphys", pa, data, 0, 0).done == 256
    assert g.read_phys(pa, 256) == data
    for width in (1, 2, 4, 8):
        assert k("wphys", pa + 8 * width, data[:16], width, 0).error is None
        assert g.read_phys(pa + 8 * width, 16) == data[:16]
        assert k("rphys", pa + 8 * width, 16, width, 0).data == data[:16].hex()
    assert k("wphys", pa + 3, data[:7], 0, 0).error is None and g.read_phys(pa + 3, 7) == data[:7]
    log = g.kernel_log()
    assert re.search(rf"pagewalk: pid \d+ \(kio\) wrote 7 of 7 bytes at physical {pa + 3:#x}", log), log[-400:]
    _, last = iomem(g, "System RAM")
    errors(k, [
        (("rphys", 0xFED00000, 8, 8, 0), "ENXIO"), (("rphys", last - 7, 16, 0, 0), "ENXIO"),
        (("rphys", 1 << 62, 8, 0, 0), "ENXIO"), (("rphys", NONE - 3, 8, 0, 0), "EINVAL"),
        (("rphys", pa, 0, 0, 0), "EINVAL"), (("rphys", pa, (1 << 20) + 1, 0, 0), "EINVAL"),
        (("rphys", pa, 8, 3, 0), "EINVAL"), (("rphys", pa, 8, 16, 0), "EINVAL"), (("rphys", pa + 1, 8, 2, 0), "EINVAL"),
        (("rphys", pa, 9, 4, 0), "EINVAL"), (("rphys", pa, 8, 0, 2), "EINVAL"), (("rphys", pa, 8, 0, 1), "EINVAL"),
        (("wphys", 0xFED00000, b"12345678", 8, 0), "ENXIO"),
    ])


@guest_test(mem=512, cmdline="mem=320M", **MODULE)
def test_what_is_beside_ram_is_not_ram(g):
    """The end of RAM with nothing at all behind it: what the kernel calls RAM buffer reaches to a multiple of 64 MiB."""
    load(g)
    k = Kio(g)
    end = max(int(x, 16) for x in re.findall(rb"-([0-9a-f]+) : System RAM", g.check(["cat", "/proc/iomem"]))) + 1
    assert end == 320 << 20, hex(end)
    errors(k, [(("rphys", end - 8, 8, 0, 0), None), (("rphys", end - 4, 8, 0, 0), "ENXIO"),
               (("rphys", end, 8, 0, 0), "ENXIO"), (("rphys", end + (1 << 20), 8, 0, 0), "ENXIO")])
    assert k("tables", 0, end - 8, 8).status == 0 and k("tables", 0, end, 8).status == -6


@guest_test(**MODULE)
def test_kernel_text_and_read_only_data_are_not_written(g):
    load(g, writable=True)
    k = Kio(g)
    start, _ = iomem(g, "Kernel code")
    for pa in (start, start + 0x1234, iomem(g, "Kernel rodata")[0]):
        before = g.read_phys(pa, 64)
        r = k("wphys", pa, b"\xcc" * 64, 0, 0)
        assert r.error == "EFAULT" and r.done == 0, r.text
        assert g.read_phys(pa, 64) == before
    assert g.check(["echo", "alive"]) == b"alive\n"


@guest_test(**MODULE)
def test_devices_only_by_their_flag(g):
    load(g)
    assert kio(g, "rphys", 0xFED00000, 8, 8, 1).error == "EROFS"
    load(g, writable=True)
    k = Kio(g)
    _, pa = frame(k)
    hpet = k("rphys", 0xFED00000, 8, 8, 1)
    assert hpet.error is None and bytes.fromhex(hpet.data)[2:4] == b"\x86\x80", hpet.text
    errors(k, [
        (("rphys", pa, 8, 8, 1), "ENXIO"), (("rphys", 1 << 50, 8, 8, 1), "ENXIO"),
        # The page behind it is nothing that the kernel knows of: RAM may be plugged in such a place.
        (("rphys", 0xFED01000, 8, 8, 1), "ENXIO"), (("rphys", 0xFED00FF8, 16, 8, 1), "ENXIO"),
        (("rphys", 0xFED00FF8, 8, 8, 1), None),
        (("rphys", 0xFED00000, 4104, 8, 1), "EINVAL"), (("rphys", 0xFED00000, 8, 0, 1), "EINVAL"),
    ])


# Memory of processes

def start_cow(g):
    p = g.spawn(["cow", "/tmp/cowfile"], stdin=None)
    p.wait_line(rb"(?m)^ready$")
    out = dict(l.split() for l in p.stdout.decode().splitlines() if " " in l)
    return {k: int(v, 10 if k in ("parent", "child") else 16) for k, v in out.items()}


@guest_test(**MODULE)
def test_write_user_breaks_copy_on_write_of_one_process_only(g):
    load(g, writable=True)
    k, c = Kio(g), start_cow(g)
    file = g.read_file("/tmp/cowfile")
    for at, old in ((c["private"], "p"), (c["private"] + 4096, "f")):
        assert k("wuser", c["child"], at, b"CHILD", 0).done == 5
        assert k("ruser", c["child"], at, 5, 0).data == b"CHILD".hex()
        assert bytes.fromhex(k("ruser", c["parent"], at, 1, 0).data).decode() == old
    assert g.read_file("/tmp/cowfile") == file
    # Across the boundary of two pages.
    assert k("wuser", c["parent"], c["private"] + 4094, b"PQRS", 0).done == 4
    assert k("ruser", c["parent"], c["private"] + 4094, 4, 0).data == b"PQRS".hex()
    assert bytes.fromhex(k("ruser", c["child"], c["private"] + 4094, 2, 0).data) == b"ff"
    assert g.read_file("/tmp/cowfile") == file
    assert re.search(rf"wrote 4 of 4 bytes at {c['private'] + 4094:#x} of pid {c['parent']}", g.kernel_log())


@guest_test(**MODULE)
def test_write_user_refuses_what_the_vma_forbids(g):
    load(g, writable=True)
    k, c = Kio(g), start_cow(g)
    errors(k, [(("wuser", c["child"], c["ro"], b"x", 0), "EFAULT"),
               (("wuser", c["child"], c["edge"] + 4096, b"x", 0), "EFAULT")])
    r = k("wuser", c["child"], c["edge"] + 4090, b"x" * 12, 0)
    assert r.error == "EFAULT" and r.done == 0, r.text
    assert bytes.fromhex(k("ruser", c["child"], c["edge"] + 4090, 12, 0).data) == b"e" * 12
    # Forced, as a debugger does: a private copy, the file is left alone.
    assert k("wuser", c["child"], c["ro"], b"x", 1).error is None
    assert g.read_file("/tmp/cowfile") == b"f" * 8192
    assert bytes.fromhex(k("ruser", c["parent"], c["ro"], 1, 0).data) == b"f"
    errors(k, [
        (("ruser", 999999, c["ro"], 1, 0), "ESRCH"), (("ruser", 2, c["ro"], 1, 0), "ESRCH"),
        (("ruser", c["child"], 0, 1, 0), "EFAULT"), (("ruser", c["child"], 0xFFFFFFFF81000000, 8, 0), "EFAULT"),
        (("ruser", c["child"], c["ro"], 0, 0), "EINVAL"), (("ruser", c["child"], c["ro"], 1, 2), "EINVAL"),
        (("ruser", c["child"], c["ro"], (16 << 20) + 1, 0), "EINVAL"),
    ])
    # Longer than 64 KiB: as far as it goes.
    r = k("ruser", c["child"], c["ro"], 0x20000, 0)
    assert r.error == "EFAULT" or 0 < r.done < 0x20000, r.text


# KALLOC

@guest_test(**MODULE)
def test_kalloc_says_where_pages_are(g):
    load(g)
    k = Kio(g)
    for kind, size in ((0, 100), (0, 40960), (1, 40960), (1, 1 << 20), (2, 4 << 20), (3, 65536), (3, 4096), (4, 64)):
        a = k("kalloc", kind, size)
        if kind == 2 and a.error == "EOPNOTSUPP":
            assert g.series == "5.10"
            continue
        assert a.error is None and a.bytes == size and a.kind == kind, a.text
        d = k("kdesc", a.id, 0, 4096)
        assert d.count == d.total == len(d.lines) == a.total, d.text
        for p in d.lines:
            assert p["pa"] == p["api"], p
            step = g.walk(int(p["va"], 16))[-1]
            assert step.raw & ~0x60 == int(p["entry"], 16) & ~0x60, (p, step)
        assert int(d.lines[0]["va"], 16) == a.va
        if kind == 2:
            assert any(p["level"] == "1" for p in d.lines) or g.series == "5.10", "no huge page"
        assert k("kfree", a.id).error is None and k("kfree", a.id).error == "ENOENT"
    errors(k, [
        (("kalloc", 0, 0), "EINVAL"), (("kalloc", 0, (4 << 20) + 1), "EINVAL"), (("kalloc", 3, 5000), "EINVAL"),
        (("kalloc", 3, 8 << 20), "EINVAL"), (("kalloc", 4, 65536), "EINVAL"), (("kalloc", 9, 4096), "EINVAL"),
        (("kdesc", 999, 0, 1), "ENOENT"), (("raw", 9, 64, "00000000ff000000"), "EINVAL"),
    ])


@guest_test(**MODULE)
def test_kalloc_is_bounded_and_given_back(g):
    load(g)

    def free():
        """Free memory, with the lists of free pages that each CPU keeps."""
        out = g.check("echo 3 >/proc/sys/vm/drop_caches; cat /proc/meminfo /proc/zoneinfo")
        kept = sum(int(n) for n in re.findall(rb"(?m)^ +count: +(\d+)$", out))
        return (int(re.search(rb"MemFree: +(\d+)", out)[1]) << 10) + kept * 4096

    before = free()
    k = Kio(g)
    got = 0
    while (r := k("kalloc", 1, 8 << 20)).error is None:
        got += 8 << 20
    assert r.error == "ENOMEM" and got == 64 << 20, (r.text, got)
    assert before - free() > 56 << 20
    k.close()
    for _ in range(20):  # what was freed can wait for a worker
        if before - free() < 4 << 20:
            return
        time.sleep(0.2)
    raise AssertionError(f"not given back at close: {before >> 10} K were free, now {free() >> 10} K")


# Gates

def all_calls(k):
    """{name: a call that succeeds where everything is allowed}"""
    _, pa = frame(k)
    own = pid_of(k)
    va = k("walk", 0, own, 0, USER_LAST, 1, 16).lines[0]["va"]
    m = next(a for a in range(int(va, 16), int(va, 16) + (2 << 20), 4096) if k("ruser", own, a, 8, 0).error is None)
    return {
        "info": ("info", 0), "root": ("root", 0, 0, 0), "walk": ("walk", 0, own, 0, USER_LAST, 0, 16),
        "tables": ("tables", 0, pa, 8), "rphys": ("rphys", pa, 8, 0, 0), "wphys": ("wphys", pa, b"12345678", 0, 0),
        "ruser": ("ruser", own, m, 8, 0), "wuser": ("wuser", own, m, b"12345678", 1), "kalloc": ("kalloc", 0, 64),
        "mmio": ("rphys", 0xFED00000, 8, 8, 1),
    }


NEEDS = {"tables": RAWIO, "rphys": RAWIO, "wphys": RAWIO, "mmio": RAWIO, "ruser": PTRACE, "wuser": PTRACE}
WRITES = ("wphys", "wuser", "mmio")


@guest_test(**MODULE)
def test_opening_needs_a_capability(g):
    load(g)
    rc, out, _ = g.run(["kio", "info", "0"], user=1000)
    assert rc == 1 and out.startswith(b"err EACCES"), out
    rc, out, _ = g.run(["kio", "info", "0"], user=1000, caps=("dac_override",))
    assert rc == 1 and out.startswith(b"err EPERM"), out
    assert kio(g, "info", 0, user=1000, caps=("dac_override", "sys_admin")).error is None


@guest_test(**MODULE)
def test_each_call_needs_its_capability(g):
    load(g, writable=True)
    for cap in (RAWIO, PTRACE, ADMIN):
        k = Kio(g)
        calls = all_calls(k)
        errors(k, [(c, None) for c in calls.values()])
        k("drop", cap)
        errors(k, [(c, "EPERM" if cap == ADMIN or NEEDS.get(n) == cap or (n == "wuser" and cap == RAWIO) else None)
                   for n, c in calls.items()])


@guest_test(**MODULE)
def test_writing_needs_the_parameter(g):
    load(g)
    k = Kio(g)
    errors(k, [(c, "EROFS" if n in WRITES else None) for n, c in all_calls(k).items()])


@guest_test(fresh=True, **MODULE)
def test_lockdown_is_asked_at_every_call(g):
    load(g, writable=True)
    k = Kio(g)
    calls = all_calls(k)
    g.check("echo integrity >/sys/kernel/security/lockdown")
    errors(k, [(c, "EPERM" if n in WRITES else None) for n, c in calls.items()])
    g.check("echo confidentiality >/sys/kernel/security/lockdown")
    errors(k, [(c, "EPERM") for c in calls.values()])
    k.close()
    rc, _, err = g.run(["pagewalk", "-s", "kmod", "dump", "1"])
    assert rc == 3 and b"confidentiality" in err, err
