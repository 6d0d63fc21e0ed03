# SPDX-License-Identifier: LGPL-2.1-or-later
"""dump-x86_64-pagetable's README, and every line of the report against guest RAM and QEMU's own walk."""

import re
import time

import tool
from intel_report import FILE, VOLATILE, Ram, Reader, Report, differences, shown
from kmod import ORIGINS, Kio, load, load_origins
from ofuzz import ofuzz
from testing import guest_test

TRIES = 4  # the kernel may map and unmap something of its own while it is looked at
INTEL = {**ORIGINS, "cpu": ",vendor=GenuineIntel,phys-bits=36"}
SOME = ("5.10-4", "6.1-5", "7.2-5")
DEPTH = "/sys/module/pagewalk_origins/parameters/depth"


def set_depth(g, n):
    g.check(f"echo {n} >{DEPTH}")


def vmas_of(text):
    """[(lo, hi)] of user VMAs in the lines of a maps file."""
    found = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"(?m)^([0-9a-f]+)-([0-9a-f]+) [r-][w-][x-][ps] ", text)]
    return [v for v in found if v[0] < 1 << 63]


def settled(attempt, *args):
    """The result of an attempt that gives differences (empty: none) and a result; a few times."""
    for left in range(TRIES - 1, -1, -1):
        wrong, result = attempt(*args)
        if not wrong:
            return result
    raise AssertionError(f"{len(wrong)} differ: {[(k, *map(str, v)) for k, v in list(wrong.items())[:5]]}")


# The README

@guest_test(**INTEL)
def test_the_readme_line_by_line(g):
    load_origins(g)
    out = g.check("cat /sys/kernel/debug/corny/intel_pagetables /proc/self/maps").decode()
    text, maps = re.match(r"(?s)(.*?\n)([0-9a-f]+-[0-9a-f]+ r.*)", out).groups()
    r, levels = Report(text), g.paging_levels()
    head = iter(r.head)
    assert re.fullmatch(r"pagewalk_origins: cpu 0, pid \d+ \(cat\)", next(head)), r.head
    assert next(head) == "(GenuineIntel) x86_phys_bits 36", r.head
    cr3 = int(re.fullmatch(r"cr3: 0x([0-9a-f]+)", next(head))[1], 16)
    assert next(head) == f"paging according to Tab 4-12 intel dev manual (vol. 3A): {levels} levels, CR4.PCIDE = 0", r.head
    assert next(head) == "Protection keys enabled: PKE", r.head
    virt = int(re.fullmatch(r"page table in virtual memory at ([0-9a-f]{16})", next(head))[1], 16)
    assert g.walk(virt)[-1].raw & 1 and virt == Kio(g)("info", 0).page_offset + cr3, hex(virt)
    # Of an Intel CPU these kernels distrust, so that PTI is on.
    assert f"user mode runs on 0x{cr3 + 0x1000:x}" in next(head) and not list(head), r.head
    # "The module prints the outer two levels": entries with lines at the first, lines at the second.
    assert {l.depth for l in r.lines} == {0, 1}
    assert all((l.raw is not None) == (l.depth == 0) for l in r.lines)
    for l in r.lines:
        if l.raw is not None:
            assert (l.raw & 0x000FFFFFFFFFF000, shown(l.raw, 0)) == (l.pa, l.bits), l.text
        assert l.last - l.va == (1 << (12 + 9 * (levels - 1 - l.depth))) - 1, l.text
    # "As we can see, the userspace addresses agree."
    vmas = vmas_of(maps)
    assert len(vmas) > 5
    for l in r.lines:
        if l.va < 1 << 63:
            assert any(lo <= l.last and l.va < hi for lo, hi in vmas), f"{l.text} is outside all VMAs\n{maps}"
    print(f"     {g.name}: {len(r.lines)} lines, {len(vmas)} VMAs", flush=True)


@guest_test(whole_kernel=True, **ORIGINS)
def test_lines_agree_with_maps(g):
    for depth in (5, 4, 2):
        load_origins(g, depth=depth)
        out = g.check("cat /sys/kernel/debug/corny/intel_pagetables /proc/self/maps").decode()
        text, maps = re.match(r"(?s)(.*?\n)([0-9a-f]+-[0-9a-f]+ r.*)", out).groups()
        lowest, vmas = min(depth, g.paging_levels()) - 1, vmas_of(maps)
        for l in Report(text).lines:
            if l.va < 1 << 63 and (l.size or l.depth == lowest):
                inside = [v for v in vmas if v[0] <= l.last and l.va < v[1]]
                assert inside, f"{l.text} is outside all VMAs\n{maps}"
                assert not l.size or any(lo <= l.va for lo, hi in inside), l.text
    # As many pages as the kernel counts in each VMA, of a process that stands still.
    set_depth(g, 5)
    reader = Reader(g)
    before, r, after = tool.vmas(g, reader.pid), reader.report(), tool.vmas(g, reader.pid)
    # The zero page is in none of these counts.
    pages = {va: 0 if not bits & 2 and not any(g.read_phys(pa, size)) else size
             for va, (pa, size, bits) in r.pages().items() if va < 1 << 63 and pa < g.memory.size}
    assert [v[:2] for v in before] == [v[:2] for v in after]
    for b, a in zip(before, after):
        ours = sum(size for va, size in pages.items() if b.lo <= va < b.hi)
        assert b.rss <= ours <= a.rss or "pf" in b.flags or b.lo >> 63, f"{b}: {ours} bytes in lines, then {a.rss}"
    assert all(any(v.lo <= va < v.hi for v in after) for va in pages)
    print(f"     {g.name}: {len(pages)} user pages of {len(after)} VMAs", flush=True)


# Every line

def compare_all(g, reader):
    """One report between two looks at RAM; the user half must be exactly as it is at the second."""
    t1 = g.stop_in_user()
    g.cont()
    root = Kio(g)("root", 1, reader.pid, 0).root
    g.stop_in_user(cr3=root)
    before = Ram(g, root, g.paging_levels())
    g.cont()
    r = reader.report()
    now = g.stop_in_user(cr3=root)
    after, leaves = Ram(g, root, g.paging_levels()), g.info_tlb()
    g.cont()
    assert r.cr3 == root and f"pid {reader.pid} (readstay)" in r.head[0], (r.head, hex(root))
    del t1
    wrong, user = differences(r, after, "user")
    # The kernel's half moves by itself: what both looks agree on must be there, what is there be in one of them.
    b, n1 = differences(r, before, "kernel")
    a, kernel = differences(r, after, "kernel")
    wrong |= {k: (a[k], b[k]) for k in a.keys() & b.keys()}
    if not now["CR3"] & 0x1000 or root & 0x1000:  # not PTI's root
        wrong |= {va: (v, leaf) for va, v in r.pages().items()
                  if (leaf := leaves.get(va)) is None or (leaf.pa, leaf.size) != v[:2] or
                  (leaf.bits ^ v[2]) & ~VOLATILE & shown((1 << 64) - 1, 0)
                  if va < 1 << 63 or va in before.pages and va in after.pages}
    assert not r.remarks, r.remarks
    assert not r.split_runs(), r.split_runs()[:3]
    return wrong, (user, kernel, len(r.lines), min(n1, kernel) - len(a))


@guest_test(timeout=600, whole_kernel=True, **ORIGINS)
def test_every_line_equals_guest_ram_and_info_tlb(g):
    load_origins(g, depth=5)
    user, kernel, lines, _ = settled(compare_all, g, Reader(g))
    assert user > 20 and kernel > 500 and lines > 100, (user, kernel, lines)
    print(f"     {g.name}: {user} user and {kernel} kernel pages and tables in {lines} lines", flush=True)


@guest_test(kernels=("6.1-4",), timeout=600, whole_kernel=True, cmdline="pti=on", **ORIGINS)
def test_isolation_says_whose_table_it_is(g):
    load_origins(g, depth=5)
    reader = Reader(g)
    user, kernel, lines, _ = settled(compare_all, g, reader)
    r = reader.report()
    assert re.search(rf"isolation: .*user mode runs on 0x{r.cr3 + 0x1000:x}$", r.head[-1]), r.head
    assert g.stop_in_user(cr3=r.cr3)["CR3"] & ~0xFFF == r.cr3 + 0x1000
    g.cont()
    assert all(l.bits >> 63 for l in r.lines if not l.depth and l.va < 1 << 63)
    print(f"     {g.name} pti: {user} user and {kernel} kernel pages and tables in {lines} lines", flush=True)


# Depth and pieces

@guest_test(whole_kernel=True, **ORIGINS)
def test_depth_is_the_number_of_levels(g):
    load_origins(g)
    assert g.check(["cat", DEPTH]) == b"2\n"
    reader, levels = Reader(g), g.paging_levels()
    root = reader.report().cr3
    for depth in range(1, 6):
        set_depth(g, depth)
        def look(depth=depth):
            r = reader.report()
            assert max(l.depth for l in r.lines) == min(depth, levels) - 1
            assert all((l.raw is None) == (bool(l.size) or l.depth == min(depth, levels) - 1 or bool(l.remarks))
                       for l in r.lines)
            g.stop()
            ram = Ram(g, root, levels, depth)
            g.cont()
            return differences(r, ram, "user")[0] | differences(r, ram, "kernel")[0], r
        settled(look)
    for bad in ("0", "6", "-1", "abc", "4294967298", "", "2 2"):
        assert g.run(f"echo '{bad}' >{DEPTH}")[0] != 0, bad
        assert g.check(["cat", DEPTH]) == b"5\n"
    g.kill_all()
    g.check(["rmmod", "pagewalk_origins"])
    assert g.run(["modprobe", "pagewalk_origins", "depth=9"])[0] != 0
    assert g.run(["test", "-e", FILE])[0] != 0


@guest_test(whole_kernel=True, **ORIGINS)
def test_small_pieces_make_the_same_report(g):
    load_origins(g)
    reader = Reader(g)
    for chunk in (1, 100, 4095, 65536):
        def look(chunk=chunk):
            whole, pieces = reader.read(), reader.read(chunk)
            return {} if whole == pieces else {chunk: (whole, pieces)}, len(whole)
        length = settled(look)
    # From the middle, too.
    for at in (1, 3000, length - 10, length, length + 1, 1 << 40):
        def sought(at=at):
            whole = reader.read()
            (_, n, error), rest = reader.ask(f"seek {at}")
            part = rest[:int(n)].decode()
            assert error == b"0" and (n == b"0") == (at >= len(whole)), (at, n, error)
            return {} if whole[at:at + len(part)] == part else {at: (whole[at:], part)}, None
        settled(sought)
    # With all levels the kernel may clear an Accessed bit meanwhile.
    set_depth(g, 5)
    for chunk in (1, 100, 4095):
        def look_deep(chunk=chunk):
            whole, pieces = reader.report(), reader.report(chunk)
            a, b = ({k: (*v[:-1], v[-1] & ~VOLATILE) for k, v in (*r.pages().items(), *r.tables().items())}
                    for r in (whole, pieces))
            return {k: (a.get(k), b.get(k)) for k in a.keys() | b.keys() if a.get(k) != b.get(k)}, None
        settled(look_deep)
    set_depth(g, 2)
    size = len(g.check(["cat", FILE]))
    got = len(g.check(f"dd if={FILE} bs=1 2>/dev/null", timeout=120))
    assert abs(got - size) < 200, (got, size)
    # A process without the file's first byte goes on with the report of who had it; when that has gone, so has the report.
    rc, out, err = g.run(f"exec 3<{FILE}; dd bs=100 count=1 <&3 2>/dev/null; cat <&3")
    assert rc == 1 and len(out) <= 4096 and b"No such process" in err, (rc, err)
    # Not of the shell that opened it, but of cat.
    assert b"(cat)" in g.check(f"cat <{FILE}") and Report(g.check(f"setsid cat {FILE} | cat").decode()).lines


@guest_test(kernels=SOME, timeout=600, mem=640, whole_kernel=True, **ORIGINS)
def test_megabytes_take_linear_time_and_no_memory(g):
    load_origins(g, depth=5)
    reader, took = Reader(g), {}
    for n in (10_000, 30_000):  # 40,000 together
        at = int(reader.ask(f"spread {n}")[0][1], 16)
        started = time.monotonic()
        r = reader.report(timeout=300)
        took[n] = time.monotonic() - started
        ours = [l for l in r.lines if at <= l.va < at + 8192 * n and l.size]
        assert [l.va for l in ours] == [at + 8192 * i for i in range(n)] and all(l.size == 4096 for l in ours)
        root = r.cr3
    assert len(r.text) > 2 << 20, len(r.text)
    assert took[30_000] < 10 * took[10_000] + 3, took
    g.stop_in_user(cr3=root)
    wrong, n = differences(r, Ram(g, root, g.paging_levels()), "user")
    g.cont()
    assert not wrong and n > 40_000, (n, list(wrong.items())[:3])
    # Half read, in ten descriptors: what the kernel keeps for one is less than 256 KiB.
    used = ("sync; echo 3 >/proc/sys/vm/drop_caches; "
            "awk '/^(Slab|VmallocUsed|MemFree)/ { s += /MemFree/ ? -$2 : 0 } END { print s }' /proc/meminfo")
    out = g.check(f"{used}; for i in 3 4 5 6 7 8 9; do eval \"exec $i<{FILE}\"; read x <&$i; done; {used}", timeout=120)
    before, after = map(int, out.split())
    assert after - before < 7 * 256 + 1024, (before, after)
    print(f"     {g.name}: {len(r.text) >> 10} KiB, {took[30_000]:.1f} s with the pipe", flush=True)


@guest_test(kernels=("5.10-4", "7.2-5"), smp=2, mem=512, timeout=900, whole_kernel=True, **ORIGINS)
def test_while_tables_come_and_go(g):
    """A second thread of the reader maps and unmaps: what stands still is whole in each report, nothing is elsewhere."""
    load_origins(g, depth=5)
    reader = Reader(g)
    reader.ask("spread 2000")
    words = reader.ask("churn")[0]
    lo, hi = (int(w, 16) for w in words[1:])
    reader.report()
    still = {va: v for va, v in reader.report().pages().items() if va < 1 << 63 and not lo <= va < hi}
    assert len(still) > 4000, len(still)
    changing, seen = 0, set()
    for _ in range(60):
        r = reader.report()
        pages = {va: v for va, v in r.pages().items() if va < 1 << 63}
        missing = [va for va, (pa, size, bits) in still.items()
                   if va not in pages or pages[va][:2] != (pa, size) or (pages[va][2] ^ bits) & ~VOLATILE]
        assert not missing, [hex(v) for v in missing[:5]]
        moving = {va for va in pages if lo <= va < hi}
        vmas = vmas_of(g.check(["cat", f"/proc/{reader.pid}/maps"]).decode())
        strangers = [va for va in pages if va not in still and va not in moving and
                     not any(a <= va < b for a, b in vmas)]
        assert not strangers, [hex(v) for v in strangers[:5]]
        ram = g.memory.size
        assert all(pages[va][0] < ram and pages[va][2] & 6 == 6 for va in moving), "impossible pages"
        changing += len(r.remarks)
        seen |= moving
    assert len(seen) > 50, len(seen)
    assert changing < 60, changing
    print(f"     {g.name}: {len(still)} pages stood still, {len(seen)} came and went, {changing} remarks", flush=True)


# Bits

@guest_test(kernels=SOME, cmdline="transparent_hugepage=never", whole_kernel=True, **ORIGINS)
def test_reserved_bits_are_complained_about(g):
    load_origins(g, writable=True, depth=5)
    reader, k = Reader(g), Kio(g)
    bits = int(reader.report().value(r"\(AuthenticAMD\) x86_phys_bits (\d+)"))
    assert bits == 40
    root = k("root", 1, reader.pid, 0).root
    step = g.walk(reader.idle, cr3=root)[-1]
    for bad in (1 << bits, 1 << 51 | 1 << 45):
        raw = step.raw | bad
        try:
            assert k("wphys", step.entry_pa, raw.to_bytes(8, "little"), 8, 0).error is None
            r = reader.report()
        finally:
            k("wphys", step.entry_pa, step.raw.to_bytes(8, "little"), 8, 0)
        line = next(l for l in r.lines if l.size and l.va <= reader.idle <= l.last)
        assert (line.va, line.last) == (reader.idle, reader.idle + 4095), line.text
        assert line.remarks == (f"reserved bits {bad:016x} are set in entry {raw:016x}: the CPU does not use it",), line
        assert line.pa == raw & 0x000FFFFFFFFFF000
        assert len(r.remarks) == 1, r.remarks
    assert not reader.report().remarks


@guest_test(kernels=SOME, cmdline="transparent_hugepage=never", whole_kernel=True, **ORIGINS)
def test_a_table_that_hangs_there_twice_is_shown_once(g):
    """As those of espfix and of KASAN's shadow do: here for a moment, by hand, where the process has nothing."""
    load_origins(g, writable=True, depth=5)
    reader, k = Reader(g), Kio(g)
    root = k("root", 1, reader.pid, 0).root
    before = reader.report()
    step = g.walk(reader.idle, cr3=root)[-2]
    pmd = g.memory.table(step.entry_pa & ~0xFFF)
    first = (step.entry_pa & 0xFFF) // 8
    slot = next(i for i in range(first + 1, 512) if not pmd[i])
    at = step.entry_pa & ~0xFFF | 8 * slot
    try:
        assert k("wphys", at, step.raw.to_bytes(8, "little"), 8, 0).error is None
        r = reader.report()
        out = g.check(["pagewalk", "-s", "kmod", "cpu", "name:readstay", "--depth", "5", "--user"]).decode()
    finally:
        k("wphys", at, bytes(8), 8, 0)
    va = (reader.idle & -1 << 21) + ((slot - first) << 21)
    line = next(l for l in r.lines if l.va == va)
    assert line.remarks == ("the same table as before",) and line.raw is None, line
    assert line.pa == step.raw & 0x000FFFFFFFFFF000 and not line.size
    assert not any(va < l.va < va + (2 << 20) for l in r.lines) and not r.remarks
    ours = Report(out)
    assert next(l for l in ours.lines if l.va == va)[:-1] == line[:-1], out
    pages = [{va: v[:2] for va, v in x.pages().items() if va < 1 << 63} for x in (before, reader.report())]
    assert pages[0] == pages[1] and len(pages[0]) > 2000


@guest_test(kernels=SOME, cpu=",-pku", **ORIGINS)
def test_without_protection_keys(g):
    load_origins(g)
    reader = Reader(g)
    assert "No protection keys enabled (this is normal)" in reader.report().head
    assert reader.ask("key")[0][1] == b"0"


@guest_test(kernels=SOME, whole_kernel=True, **ORIGINS)
def test_protection_keys(g):
    load_origins(g, depth=5)
    reader = Reader(g)
    key = int(reader.ask("key")[0][1])
    r = reader.report()
    assert key and "Protection keys enabled: PKE" in r.head, (key, r.head)
    levels = g.paging_levels()
    assert f"paging according to 5.3 amd64 manual vol. 2: {levels} levels, CR4.PCIDE = 0" in r.head, r.head
    line = next(l for l in r.lines if l.size and l.va <= reader.idle <= l.last)
    assert f" key={key} " in line.text and sum(" key=" in l.text for l in r.lines) == 1, line.text


@guest_test(kernels=SOME, cpu=",vendor=GenuineIntel", modules=("pagewalk_origins_check",), whole_kernel=True)
def test_a_cpu_with_pcids_is_not_refused(g):
    """QEMU emulates none: a build for tests adds the bits to what it read."""
    load(g)
    g.check(["modprobe", "pagewalk_origins_check", "check_cr3=0x801", f"check_cr4={1 << 17 | 1 << 24}", "depth=5"])
    reader = Reader(g)
    r = reader.report()
    root = Kio(g)("root", 1, reader.pid, 0).root
    assert r.cr3 == root | 0x801, r.head
    assert f"paging according to Tab 4-13 intel dev manual (vol. 3A): {g.paging_levels()} levels, CR4.PCIDE = 1, PCID 0x801" in r.head
    assert "Protection keys enabled: PKE PKS" in r.head, r.head
    virt = int(r.value("page table in virtual memory at ([0-9a-f]{16})"), 16)
    assert virt == Kio(g)("info", 0).page_offset + root
    g.stop_in_user(cr3=root)
    wrong, n = differences(r, Ram(g, root, g.paging_levels()), "user")
    g.cont()
    assert not wrong and n > 2000, (n, list(wrong.items())[:3])
    g.kill_all()
    g.check(["rmmod", "pagewalk_origins"])


# pagewalk cpu

def lines_of(text):
    """A report's lines below its head, without Accessed bits: a kernel that ages pages takes them away at any time."""
    return text[re.search(r"(?m)^ *(entry|v) ", text).start():].replace(" A ", "  ").splitlines()


def on_cpu_1(g):
    """A reader that keeps CPU 1, and what makes the Report of `pagewalk cpu 1` while it does."""
    p = Reader.__new__(Reader)
    p.g, p.process = g, g.spawn(["taskset", "2", "readstay", FILE], stdin=None)
    p.process.wait_line(rb"(?m)^ready$", 60)
    p.pid = p.process.pid

    def look(*options):
        for _ in range(50):
            r = Report(g.check(["pagewalk", "-s", "kmod", "cpu", "1", *options]).decode())
            if f"pagewalk: cpu 1, tables of pid {p.pid} (readstay)" == r.head[0]:
                return r
        raise AssertionError(f"cpu 1 never had the tables of {p.pid}: {r.head}")
    return p, look


@guest_test(kernels=SOME, smp=2, timeout=600, whole_kernel=True, **ORIGINS)
def test_command_shows_another_cpu(g):
    load_origins(g, depth=5)
    reader, look = on_cpu_1(g)
    root = Kio(g)("root", 1, reader.pid, 0).root

    def attempt():
        g.stop()
        before = Ram(g, root, g.paging_levels())
        g.cont()
        r = look("--depth", "5")
        g.stop()
        after, regs = Ram(g, root, g.paging_levels()), g.registers(1)
        g.cont()
        assert r.cr3 == root and not r.remarks and not r.split_runs()
        wrong, user = differences(r, after, "user")
        a, kernel = differences(r, after, "kernel")
        b = differences(r, before, "kernel")[0]
        wrong |= {k: (a[k], b[k]) for k in a.keys() & b.keys()}
        assert regs["CR3"] & ~0xFFF == root or regs["CPL"] == 0
        return wrong, (user, kernel)
    user, kernel = settled(attempt)
    assert user > 20 and kernel > 500
    # The file's report, by the process itself, has the same lines.
    def same():
        ours = [l for l in lines_of(look("--depth", "5", "--user").text)]
        theirs = lines_of(reader.read())[:len(ours)]
        return {i: (a, b) for i, (a, b) in enumerate(zip(ours, theirs)) if a != b}, len(ours)
    n = settled(same)
    assert n > 20
    two = look()
    assert {l.depth for l in two.lines} == {0, 1} and {l.va >> 63 for l in look("-k").lines} == {1}
    out = g.check(["pagewalk", "-s", "kmod", "dump", "cpu:1", "--json"])
    assert b'"rec":"end","complete":true' in out
    print(f"     {g.name}: {user} user and {kernel} kernel pages and tables, {n} equal lines", flush=True)


@guest_test(kernels=SOME, smp=2, **ORIGINS)
def test_command_knows_registers_and_owners(g):
    load(g)
    a = tool.pagewalk(g, "-s", "kmod", "cpu")
    cpu = a.of("cpu")[0]
    regs = g.registers(cpu["cpu"])
    assert cpu["name"] == "pagewalk" and cpu["owner"] == "process" and cpu["vendor"] == "AuthenticAMD", cpu
    assert tool.number(cpu["cr4"]) & ~0x100 == regs["CR4"] & ~0x100 and tool.number(cpu["efer"]) == regs["EFER"], cpu
    assert tool.number(cpu["cr3"]) & ~0xFFF == tool.number(cpu["root"]) and cpu["phys_bits"] == 40, cpu
    assert a.head["consistency"] == "validated" and a.end["complete"], (a.head, a.end)
    assert tool.pagewalk(g, "-s", "kmod", "cpu", "--user").head["consistency"] == "locked"
    assert {r["level"] for r in a.of("entry")} <= {"pgd", "p4d" if g.paging_levels() == 5 else "pud"}
    # Without anything to run a CPU has the kernel's tables, or those of who was there last.
    kernel, owners = Kio(g)("root", 2, 0, 0).root, set()
    for _ in range(8):
        for n in (0, 1):
            c = tool.pagewalk(g, "-s", "kmod", "cpu", n, "--depth", "1").of("cpu")[0]
            assert c["cpu"] == n and (c["owner"] == "kernel") == (tool.number(c["root"]) == kernel), c
            owners.add(c["owner"])
        time.sleep(0.1)
    assert "process" in owners, owners
    for n in ("2", "99", "99999999999"):
        rc, out, err = g.run(["pagewalk", "-s", "kmod", "cpu", n])
        assert rc == 3 and not out and b"no such CPU is online" in err, (rc, err)


@guest_test(kernels=SOME, each=tool.SOURCES, **ORIGINS)
def test_command_by_other_sources(g, source):
    load_origins(g, depth=5)
    reader = Reader(g)
    run = ["pagewalk", "-s", source, "cpu"]

    def same():
        ours = lines_of(g.check([*run, "name:readstay", "-d", "5", "--user"]).decode())
        theirs = lines_of(reader.read())[:len(ours)]
        return {i: (a, b) for i, (a, b) in enumerate(zip(ours, theirs)) if a != b}, len(ours)
    assert settled(same) > 20
    r = Report(g.check(run).decode())
    assert re.fullmatch(r"pagewalk: tables of pid \d+ \(pagewalk\)", r.head[0]) and "-s kmod" in r.head[2], r.head
    assert "Protection keys enabled: PKE" in r.head, r.head
    rc, out, err = g.run([*run, "0"])
    assert rc == 3 and not out and b"cpu:0: a running CPU's CR3 is read by the module only (-s kmod)" in err, (rc, err)
    rc, out, err = g.run(["pagewalk", "-s", "pagemap", "cpu"])
    assert rc == 3 and not out and b"has no tables" in err, (rc, err)


# Gates and bad input

@guest_test(kernels=SOME, fresh=True, **ORIGINS)
def test_only_who_may_look(g):
    load_origins(g)
    assert g.check(["stat", "-c", "%a %u", FILE]) == b"400 0\n"
    assert g.run(["cat", FILE], user=1000)[0] != 0
    rc, _, err = g.run(["cat", FILE], user=1000, caps=("dac_override",))
    assert rc == 1 and b"not permitted" in err, err
    assert g.run(["cat", FILE], user=1000, caps=("dac_override", "sys_admin"))[0] == 0
    # Asked again at each read.
    rc, out, err = g.run(f"exec 3<{FILE}; su user -s /bin/sh -c 'cat <&3'")
    assert rc != 0 and not out and b"not permitted" in err, (rc, out[:99], err)
    # It is not for writing.
    rc, _, err = g.run(f"echo 1 >{FILE}")
    assert rc and b"Invalid argument" in err, err
    reader = Reader(g)
    assert g.run(["rmmod", "pagewalk_origins"])[0] != 0, "unloaded while open"
    g.check("echo integrity >/sys/kernel/security/lockdown")
    assert reader.report().lines and g.check(["cat", FILE])
    g.check("echo confidentiality >/sys/kernel/security/lockdown")
    assert reader.ask("read 4096")[0][2] == b"1", "EPERM"
    assert reader.ask("seek 100")[0][2] == b"1", "EPERM"
    rc, _, err = g.run(["cat", FILE])
    assert rc == 1 and b"not permitted" in err, err


@guest_test(kernels=("6.1-4", "newest-5"), timeout=1800, **ORIGINS)
def test_random_reads_and_writes(g):
    load_origins(g, depth=1)
    n = ofuzz(g, [FILE], {"write": ("ESPIPE",)}, timeout=1700)[FILE]
    # Some kernels let a writev() of nothing pass.
    assert n["read"][1] * 4 > n["read"][0] and n["write"][1] * 100 < n["write"][0], n
    print(f"     {g.name}: {n}", flush=True)
