# SPDX-License-Identifier: LGPL-2.1-or-later
"""iommu_spy's su_devmem.ko and dev_mem: its README line by line, and what /dev/mem shows and takes with it and without."""

import re

from kmod import Kio, load
from testing import SERIES, guest_test
from tool import Answer

SU = {"modules": ("su_devmem", "pagewalk")}
FEW = ("5.10-4", "6.1-5", "7.2-5")
PAGE = 4096


def load_su(g, **parameters):
    unload_su(g)
    g.check(["modprobe", "su_devmem", *(f"{k}={v}" for k, v in parameters.items())])


def unload_su(g):
    if g.run(["test", "-d", "/sys/module/su_devmem"])[0] == 0:
        g.check(["rmmod", "su_devmem"])


def iomem(g):
    """[(name, first, behind its last byte)] of /proc/iomem."""
    return [(m[3], int(m[1], 16), int(m[2], 16) + 1)
            for m in re.finditer(r"(?m)^ *([0-9a-f]+)-([0-9a-f]+) : (.*)$", g.read_file("/proc/iomem").decode())]


def part(g, name):
    return next((lo, end) for n, lo, end in iomem(g) if n == name and lo >= 1 << 20)


class Memio(Kio):
    """A memio that holds /dev/mem open."""

    def __init__(self, g, **how):
        self.process = g.spawn(["memio"], stdin=None, **how)
        self.process.wait_line(rb"(?m)^open$", 30)
        self._at = self.process.stdout.index(b"\n") + 1

    def __call__(self, *call, timeout=60):
        done = re.compile(rb"^(ok|err)\b(.*)\n", re.M)
        self.process.write((" ".join(f"{c:x}" if isinstance(c, int) else c for c in call) + "\n").encode())
        self.process.wait_until(lambda: done.search(self.process.stdout, self._at) or self.process.rc is not None,
                                timeout, call[0])
        m = done.search(self.process.stdout, self._at)
        assert m, f"memio ended: {self.process.rc} {self.process.stderr!r}"
        self._at = m.end()
        return m[1].decode() + m[2].decode()

    def own(self):
        return [int(w, 16) for w in self("own").split()[1:]]


def same_as_ram(g, m, pa, n=PAGE):
    """Whether what /dev/mem shows is what is there: a page in use can change in between, so that several looks count."""
    for _ in range(5):
        before = g.read_phys(pa, n)
        got = m("read", pa, n)
        assert got.startswith("ok "), (hex(pa), got)
        got = bytes.fromhex(got[3:])
        assert len(got) == n, (hex(pa), len(got))
        if got in (before, g.read_phys(pa, n)):
            return True
    return False


def assert_shut(m, pa):
    assert m("read", pa, 16) == "err EPERM", m("read", pa, 16)
    assert m("write", pa, "00") == "err EPERM"
    for how in "rw":
        assert m("mmap", pa, PAGE, how) == "err EPERM"


@guest_test(kernels=SERIES, **SU)
def test_reads_of_ram_are_refused_then_served_then_refused(g):
    unload_su(g)
    m = Memio(g)
    code, rodata, ram = part(g, "Kernel code")[0], part(g, "Kernel rodata")[0], part(g, "System RAM")
    own = m.own()
    r = g.registers()
    tables = [s.entry_pa & -PAGE for s in g.walk(r["RIP"])]
    pages = [code, code + 5 * PAGE, rodata, *own[:4], r["CR3"] & 0xffffffffff000, *tables]
    pages += [ram[0] + (ram[1] - ram[0]) // 200 * i & -PAGE for i in range(200)]
    for pa in pages[:20]:
        assert_shut(m, pa)
    g.check(["modprobe", "su_devmem"])
    assert "su_devmem: on: " in g.kernel_log()
    differ = [hex(pa) for pa in pages if not same_as_ram(g, m, pa)]
    assert not set(differ) & {hex(p) for p in pages[:7]} and len(differ) <= 3, differ
    # A read across pages, from and to the middle of one.
    assert same_as_ram(g, m, code + 100, 3 * PAGE + 1)
    # Written and mapped it is not.
    for pa in (code, own[0], ram[0]):
        assert m("write", pa, "00") == "err EPERM"
        for how in "rw":
            assert m("mmap", pa, PAGE, how) == "err EPERM"
    g.check(["rmmod", "su_devmem"])
    assert re.search(r"su_devmem: off: \d+ pages were let through, 0 calls missed", g.kernel_log())
    for pa in pages[:20]:
        assert_shut(m, pa)
    print(f"     {g.name}: {len(pages)} pages, {len(differ)} changed under the eyes", flush=True)


@guest_test(**SU)
def test_low_memory_is_shown_instead_of_zeros(g):
    unload_su(g)
    m = Memio(g)
    low = next((lo, end) for n, lo, end in iomem(g) if n == "System RAM" and lo < 1 << 20)
    pages = [pa for pa in range(low[0], low[1] & -PAGE, PAGE) if any(g.read_phys(pa, PAGE))]
    assert pages
    assert all(m("read", pa, PAGE) == "ok " + "00" * PAGE for pa in pages)
    edge = low[1] & -PAGE
    devices = [m("read", pa, 64) for pa in (0, 0xf0000, edge)]
    load_su(g)
    assert all(same_as_ram(g, m, pa) for pa in pages)
    # What is no RAM, or only in part, is as before; memory behind all RAM as well.
    assert [m("read", pa, 64) for pa in (0, 0xf0000, edge)] == devices
    assert m("read", 1 << 46, 16) == "err EFAULT" and m("write", 1 << 46, "00") == "err EFAULT"
    unload_su(g)


@guest_test(kernels=("6.1-5", "6.12-4", "7.2-5"), cmdline="secretmem.enable=y", **SU)
def test_holes_of_the_direct_map_end_a_read(g):
    load_su(g, writable=1)
    m = Memio(g)
    said = m("secret")
    if said == "err ENOSYS" and g.series == "5.10":
        return
    pa = int(said.split()[1], 16)
    assert g.read_phys(pa, 4) == b"\x55" * 4
    assert m("read", pa, 16) == "err EFAULT"
    # What is before the hole is lost with it, as in any read of /dev/mem; dev_mem reads by page.
    assert m("write", pa, "00") == "err EFAULT"
    assert m("mmap", pa, PAGE, "r") == "err EPERM"
    rc, _, err = g.run(["dev_mem", hex(pa), "r", "1", "-s", "/dev/mem"])
    assert rc == 3 and b"direct map" in err, err
    assert g.read_phys(pa, 4) == b"\x55" * 4
    unload_su(g)


@guest_test(kernels=FEW, **SU)
def test_slabs_and_page_tables_are_written(g):
    """The kernel's own write function calls a write to a slab a bug (hardened usercopy), and zeroes what it could not copy."""
    load_su(g, writable=1)
    m = Memio(g)
    flags = g.check("dd if=/proc/kpageflags bs=8 2>/dev/null", timeout=60)
    slabs = [i * PAGE for i in range(len(flags) // 8) if flags[8 * i] & 1 << 7][:2000:100]
    assert len(slabs) > 5
    for pa in slabs:
        # What is there is put back: of a page that does not change while that is done.
        was = g.read_phys(pa, 8)
        if m("read", pa, 8) == "ok " + was.hex():
            assert m("write", pa, was.hex()) == "ok 8"
    own = m.own()
    was = g.read_phys(own[0], PAGE)
    assert m("bad", own[0], 0x100) == "err EFAULT"
    assert g.read_phys(own[0], PAGE) == was
    unload_su(g)




def come_and_go(g, stop=":", go=":"):
    """Loads and unloads it 8 times beside three readers, each of whose reads has to be right or refused."""
    unload_su(g)
    readers = [g.spawn(["memio", "loop", "20"]) for _ in range(3)]
    for _ in range(8):
        for step in ("modprobe su_devmem", "rmmod su_devmem"):
            g.check(f"{stop}; {step} && {go}", timeout=120)
            g.check("usleep 300000")
    sums = {"ok": 0, "eperm": 0, "wrong": 0}
    for p in readers:
        rc, out, err = p.wait(200)
        assert rc == 0, (out, err)
        for k, n in re.findall(rb"(\w+) (\d+)", out):
            sums[k.decode()] += int(n)
    assert sums["wrong"] == 0 and sums["ok"] > 100 and sums["eperm"] > 100, sums
    print(f"     {g.name}: {sums}", flush=True)


# Setting any probe on a function that the other vCPU is calling can crash a guest of QEMU 7.2 whose vCPUs are threads, with
# the kernel's own kprobe_events as well: seen in 4 of 20 boots, and in none of 13 with one thread.
@guest_test(kernels=("5.10-4", "newest-5"), smp=2, timeout=600, accel="tcg,thread=single", **SU)
def test_comes_and_goes_under_readers_on_two_cpus(g):
    come_and_go(g)


@guest_test(kernels=("7.2-5",), smp=2, timeout=600, **SU)
def test_comes_and_goes_between_reads_on_two_cpus(g):
    come_and_go(g, "killall -STOP memio", "killall -CONT memio")


@guest_test(kernels=FEW, smp=2, **SU)
def test_what_the_probe_misses_is_refused(g):
    load_su(g, maxactive=1)
    readers = [g.spawn(["memio", "loop", "8"]) for _ in range(4)]
    out = [p.wait(120)[1] for p in readers]
    missed = int(g.read_file("/sys/module/su_devmem/parameters/nmissed"))
    eperm = sum(int(re.search(rb"eperm (\d+)", o)[1]) for o in out)
    assert all(b"wrong 0" in o for o in out), out
    # The kernel counts what it misses without a lock: two CPUs can count one.
    assert missed <= eperm <= missed * 1.1, (eperm, missed)
    unload_su(g)
    print(f"     {g.name}: {missed} missed", flush=True)


@guest_test(**SU)
def test_writing_is_allowed_by_itself(g):
    load(g)
    load_su(g, writable=1)
    m = Memio(g)
    own = m.own()
    before = g.read_phys(own[0], PAGE)
    assert m("write", own[0] + 5, "a1b2c3d4e5") == "ok 5"
    assert g.read_phys(own[0], PAGE) == before[:5] + bytes.fromhex("a1b2c3d4e5") + before[10:]
    assert m("store", own[1] + 8, "77665544").startswith("ok 77665544")
    assert g.read_phys(own[1] + 8, 4) == bytes.fromhex("77665544")
    assert m("mmap", own[2], PAGE, "r").startswith("ok ")
    for name in ("Kernel code", "Kernel rodata"):
        pa = part(g, name)[0] + PAGE
        was = g.read_phys(pa, PAGE)
        assert m("write", pa + 16, "00112233") == "err EFAULT"
        for how in "rw":
            assert m("mmap", pa, PAGE, how) == "err EPERM"
        assert g.read_phys(pa, PAGE) == was
    # A page table's page is a page like others; the kernel's own write function would say so of a slab as a bug.
    log = g.kernel_log()
    assert re.search(r"su_devmem: pid \d+ \(memio\) wrote 5 of 5 bytes at physical 0x", log), log[-500:]
    unload_su(g)
    assert m("write", own[0], "00") == "err EPERM"


@guest_test(kernels=("5.10-4", "6.12-4", "newest-5"), cmdline="lockdown= ", fresh=True, **SU)
def test_lockdown_ends_it_for_open_descriptors(g):
    load_su(g, writable=1)
    m = Memio(g)
    own = m.own()
    assert m("read", own[0], 4).startswith("ok ") and m("write", own[0], "00") == "ok 1"
    g.check("echo integrity >/sys/kernel/security/lockdown")
    assert m("read", own[0], 4) == "err EPERM"
    assert m("write", own[0], "00") == "err EPERM"
    assert m("mmap", own[0], PAGE, "r") == "err EPERM"
    g.check(["rmmod", "su_devmem"])
    assert g.run(["modprobe", "su_devmem"])[0] != 0
    rc, _, err = g.run(["dev_mem", "0x100000", "r", "1", "-s", "/dev/mem"])
    assert rc == 3 and b"lockdown" in err, err


@guest_test(kernels=("7.2-5",), timeout=900, smp=2, **SU)
def test_random_calls(g):
    for writable in (0, 1):
        load_su(g, writable=writable)
        rc, out, err = g.run(["memio", "fuzz", "100000", str(7 + writable), *(["write"] if writable else [])], timeout=800)
        assert rc == 0 and b"wrong 0" in out, (out, err)
        n = {k.decode(): (int(c), int(ok)) for k, c, ok in re.findall(rb"(\w+) calls (\d+) ok (\d+)", out)}
        assert n["read"][1] > 30000 and n["mmap"][1] == 0, out
        assert n["write"][1] > 5000 if writable else n["write"][1] == 0, out
        print(f"     {g.name}: writable={writable} " + " ".join(out.decode().split()), flush=True)
    unload_su(g)


# dev_mem


def words(out, title=True):
    """(title, [(address, value)]) of dev_mem's text."""
    lines = out.decode().splitlines()
    rows = [tuple(int(x, 16) for x in l.split(": ")) for l in lines[title:]]
    assert all(re.fullmatch(r"0x[0-9a-f]{12,}: 0x[0-9a-f]+", l) for l in lines[title:]), out
    return lines[0], rows


def expected(g, pa, count, width=4):
    data = g.read_phys(pa, count * width)
    return [(pa + i * width, int.from_bytes(data[i * width:(i + 1) * width], "little")) for i in range(count)]


@guest_test(**SU)
def test_readme(g):
    """sudo insmod su-devmem.ko; sudo ./dev_mem $((0x00000000)) r 4: through sessions of their own, as sudo does."""
    unload_su(g)
    _, rows = words(g.check("setsid dev_mem $((0x00000000)) r 4 | cat"))
    assert rows == expected(g, 0, 4)
    g.check("setsid insmod /lib/modules/$(uname -r)/updates/dkms/su_devmem.ko | cat")
    title, rows = words(g.check("setsid dev_mem $((0x00000000)) r 4 | cat"))
    assert rows == expected(g, 0, 4) and title == "physical memory  /dev/mem", title
    # The same address in each of its forms; all of a page, zeros too.
    pa = part(g, "Kernel rodata")[0]
    want = expected(g, pa, 1024)
    for form in (str(pa), hex(pa), f"0{pa:o}", f"0X{pa:X}"):
        title, rows = words(g.check(["dev_mem", form, "r", "02000"]))
        assert rows == want and title == "physical memory  /dev/mem", (form, title)
    own = Memio(g)
    at = own.own()[0]
    assert words(g.check(["dev_mem", hex(at), "r", "3", "--width", "8"]))[1] == expected(g, at, 3, 8)
    assert words(g.check(["dev_mem", hex(at + 1), "r", "5", "-w", "1"]))[1] == expected(g, at + 1, 5, 1)
    zero = part(g, "Kernel bss")[1] - PAGE
    if not any(g.read_phys(zero, 64)):
        assert words(g.check(["dev_mem", hex(zero), "r", "16"]))[1] == [(zero + 4 * i, 0) for i in range(16)]
    g.check("setsid rmmod su-devmem | cat")
    assert g.run(["test", "-d", "/sys/module/su_devmem"])[0]


@guest_test(each=("kmod", "bpf", "kcore"), **SU)
def test_dev_mem_by_own_sources(g, source):
    unload_su(g)
    load(g)
    pa = part(g, "Kernel rodata")[0] + PAGE - 8
    title, rows = words(g.check(["dev_mem", hex(pa), "r", "4", "-s", source]))
    assert rows == expected(g, pa, 4) and f"physical memory  {source}, " in title, title
    # Where /dev/mem is shut, the best of them is taken, and named; the same through its other name, and JSON.
    title, rows = words(g.check(["pagewalk", "dev_mem", str(pa), "r", "4"]))
    assert rows == expected(g, pa, 4) and "physical memory  kmod, " in title, title
    a = Answer(g.check(["dev_mem", hex(pa), "r", "4", "-s", source, "--json"]))
    assert [(int(r["pa"], 16), int(r["value"], 16)) for r in a.of("word")] == expected(g, pa, 4)
    assert a.head["source"] == source and all(r["width"] == 4 for r in a.of("word"))


@guest_test(**SU)
def test_dev_mem_writes(g):
    load_su(g, writable=1)
    m = Memio(g)
    own = m.own()[0]
    before = g.read_phys(own, 64)
    title, rows = words(g.check(["dev_mem", hex(own + 8), "w", "0xdeadbeef"]))
    assert title == "physical memory, written  /dev/mem" and rows == [(own + 8, 0xdeadbeef)], (title, rows)
    assert g.read_phys(own, 64) == before[:8] + b"\xef\xbe\xad\xde" + before[12:]
    assert words(g.check(["dev_mem", hex(own + 8), "r", "1"]))[1] == [(own + 8, 0xdeadbeef)]
    g.check(["dev_mem", str(own + 8), "w", "0", "-w", "8"])
    assert g.read_phys(own, 64) == before[:8] + bytes(8) + before[16:]
    unload_su(g)
    # By the module instead.
    load(g, writable=True)
    title, rows = words(g.check(["dev_mem", hex(own + 8), "w", "017", "-w", "1"]))
    assert "physical memory, written  kmod, " in title and g.read_phys(own + 8, 1) == b"\x0f", title
    text = part(g, "Kernel code")[0]
    rc, out, err = g.run(["dev_mem", hex(text), "w", "0"])
    assert rc == 3 and not out and b"may not be written" in err and b"su_devmem writable=1" in err, err
    load(g)
    rc, out, err = g.run(["dev_mem", hex(own), "w", "1"])
    assert rc == 3 and not out and b"writable=1" in err, err
    rc, out, err = g.run(["dev_mem", hex(own), "w", "1", "-s", "bpf"])
    assert rc == 3 and b"module" in err, err


@guest_test(**SU)
def test_dev_mem_says_what_is_wrong(g):
    unload_su(g)
    ram = part(g, "System RAM")
    shut = hex(ram[0])
    for args, status, what in (
            ([shut, "r", "1", "-s", "/dev/mem"], 3, b"modprobe su_devmem"),
            ([shut, "w", "1", "-s", "/dev/mem"], 3, b"su_devmem writable=1"),
            # Below 1 MiB the kernel gives zeros for RAM: these are not taken for what is there.
            (["0x1000", "r", "1", "-s", "/dev/mem"], 3, b"modprobe su_devmem"),
            (["0x1000", "w", "1", "-s", "/dev/mem"], 3, b"su_devmem writable=1"),
            (["0x400000000000", "r", "1", "-s", "/dev/mem"], 3, b"nothing there"),
            ([shut, "r", "1", "-s", "nonsense"], 3, b"nonsense"),
            (["08", "r", "1"], 2, b"octal"), (["-1", "r", "1"], 2, b"no number"), (["0x", "r", "1"], 2, b"no number"),
            (["", "r", "1"], 2, b"no number"), (["1 ", "r", "1"], 2, b"no number"), (["0", "r", "0"], 2, b"0 words"),
            (["0", "r", "-1"], 2, b"no number"), (["0", "r", "18446744073709551616"], 2, b"no number"),
            (["0", "r", "4194305"], 2, b"16M"), (["0x10000000000000", "r", "1"], 2, b"52 bits"),
            (["0xffffffffffffffff", "r", "4"], 2, b"52 bits"), (["2", "w", "1"], 2, b"multiple"),
            (["0", "w", "0x100000000"], 2, b"fit"), (["0", "w", "256", "-w", "1"], 2, b"fit"),
            (["0", "x", "1"], 2, b"ADDR"), (["0"], 2, b"ADDR"), ([], 2, b"ADDR"), (["0", "r", "1", "2"], 2, b"ADDR"),
            (["0", "r", "1", "-w", "3"], 2, b"1|2|4|8")):
        rc, out, err = g.run(["dev_mem", *args])
        assert rc == status and not out and what in err, (args, rc, out, err)
    # A part is shown, and said to be one: from what is no RAM into what is.
    rc, out, err = g.run(["dev_mem", "0xffff8", "r", "4", "-s", "/dev/mem"])
    assert rc == 4 and len(words(out)[1]) == 2 and b"0x100000 is RAM" in err, (rc, out, err)
    for user, what in ((1000, b"root"),):
        rc, out, err = g.run(["dev_mem", "0", "r", "1", "-s", "/dev/mem"], user=user)
        assert rc == 3 and not out and what in err, err
    g.check("dev_mem --help | grep -q 'ADDR r'")
