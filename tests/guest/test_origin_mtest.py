# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/mtest: its README line by line, each answer against RAM, QEMU's walker, /proc or the process itself."""

import random
import re
import struct
import time

from ask import Ask, check_errors, commands_only, gates
from kmod import ORIGINS, Kio, load_origins
from memory import ADDRESS, HUGE, PRESENT
from ofuzz import ofuzz
from test_kmod_calls import start_cow
from testing import SERIES, guest_test
from tool import EVERY_STATE, ONE_GIB, Mkmaps, pagemap, prepare, vmas

FILE = "/proc/mtest"
FEW = ("5.10-4", "6.1-5", "7.2-5")
NAMES = {5: ("pgd", "p4d", "pud", "pmd", "pte"), 4: ("pgd", "pud", "pmd", "pte")}
PROTNONE = 1 << 8


def with_origins(options):
    return {**options, "modules": (*options.get("modules", ()), *ORIGINS["modules"])}


class Letters:
    """The README's program: a malloc'ed buffer of 64 letters A."""

    def __init__(self, g, name="test"):
        self.process = g.spawn(["letters", name], stdin=None)
        self.process.wait_line(rb"(?m)^Ready$")
        self.pid = self.process.pid
        self.va = int(re.search(rb"buffer (\w+)", self.process.stdout)[1], 16)

    def say(self, line, answer):
        before = len(self.process.stdout)
        self.process.write(line.encode() + b"\n")
        pattern = re.compile(answer, re.M)
        self.process.wait_until(lambda: pattern.search(self.process.stdout, before), 30, line)
        return self.process.stdout[before:]

    def fork(self):
        return int(self.say("fork", rb"^child \d+\n").split()[1])

    def show(self):
        """{pid: the buffer as that process sees it}"""
        out = self.say("show", rb"^shown\n")
        return {int(p): bytes.fromhex(h.decode()) for p, h in re.findall(rb"(?m)^(\d+) (\w+)$", out)}

    def rename(self, name):
        self.say(f"name {name.hex()}", rb"^named\n")


def maps(g, pid):
    """Lines of listvma by /proc/PID/maps; [vsyscall] is nobody's VMA."""
    lines = g.check(["cat", f"/proc/{pid}/maps"]).decode().splitlines()
    found = [re.match(r"([0-9a-f]+)-([0-9a-f]+) (...)", l).groups() for l in lines if "[vsyscall]" not in l]
    return [f"0x{int(lo, 16):x} 0x{int(hi, 16):x} {perms}" for lo, hi, perms in found]


def processes(answer):
    """{(name, pid): lines} of listvma."""
    found = {}
    for line in answer.splitlines():
        m = re.fullmatch(r"Process = (.*), PID = (\d+)", line)
        if m:
            key = m[1], int(m[2])
            assert key not in found, f"{key} twice"
            found[key] = []
        else:
            assert re.fullmatch(r"0x[0-9a-f]+ 0x[0-9a-f]+ [r-][w-][x-]", line), line
            found[key].append(line)
    return found


def log_since(g, mark):
    """Our lines in the kernel's log: it says something of its clocks, too, on a busy host."""
    log = g.kernel_log()
    lines = [re.sub(r"^\[ *[0-9.]+\] ", "", l) for l in log[log.rindex(mark):].splitlines()[1:]]
    return [l for l in lines if l.startswith(("[mtest", "pagewalk"))]


def root_of(g, pid):
    return Kio(g)("root", 1, pid, 0).root


def expected(levels, va, steps, name, pid):
    """The answer of findpage for a walk through RAM, A and D bits left out; None for `why` is whatever it says."""
    lines = [f"vaddr = {va:#x}", f"pgtable_l5_enabled = {int(levels == 5)}", f"current = {name}, PID = {pid}"]
    for level, step in zip(NAMES[levels], steps):
        lines += [f"{level}_val = {step.raw:#x}", f"{level}_index = {step.entry_pa % 4096 // 8}"]
        if level == "pgd" and levels == 4:
            lines += [f"p4d_val = {step.raw:#x}", "p4d_index = 0"]
    last, level = steps[-1], NAMES[levels][len(steps) - 1]
    if levels == 4 and level == "pgd":
        level = "p4d"
    if not last.raw & PRESENT:
        return lines + [f"translation not found: {reason(last.raw)} {level}"]
    size = 1 << (12 + 9 * (last.level - 1))
    pa = last.raw & ADDRESS & ~(size - 1)
    if last.level > 1:
        lines.append(f"huge page of {size >> 20}M in {level}")
    return lines + [f"page_addr = {pa:#x}, page_offset = {va % size:#x}",
                    f"vaddr = {va:#x} -> paddr = {pa + va % size:#x}"]


def reason(raw):
    if not raw & ~0x60:
        return "not mapped in"
    if raw & PROTNONE:
        return "PROT_NONE in"
    if raw & HUGE:
        return "a huge page is being split in"
    return "swapped, by" if raw >> 59 < 23 else "migration, poison or a marker in"


def stable(lines):
    """Without Accessed and Dirty, which hardware sets meanwhile."""
    return [re.sub(r"(_val = 0x)([0-9a-f]+)$", lambda m: f"{m[1]}{int(m[2], 16) & ~0x60:x}", l) for l in lines]


def check_findpage(g, ask, pid, name, root, va, levels):
    """One address of a process against RAM; the answer's lines."""
    for attempt in range(4):
        want = expected(levels, va, g.memory.walk(root, va, levels), name, pid)
        got = ask(f"pid {pid} findpage {va:#x}").splitlines()
        if stable(got) == stable(want):
            return got
        time.sleep(0.1 * attempt)  # it may just have been moved
    raise AssertionError(f"{va:#x}:\n" + "\n".join(got) + "\nRAM says\n" + "\n".join(want))


def paddr(answer):
    m = re.search(r"^vaddr = 0x[0-9a-f]+ -> paddr = (0x[0-9a-f]+)$", answer, re.M)
    return int(m[1], 16) if m else None


# The README

@guest_test(**ORIGINS)
def test_readme(g):
    load_origins(g, writable=True, log=1)
    assert g.check(["stat", "-c", "%a %u", FILE]) == b"600 0\n"
    assert g.check(["cat", FILE]) == b"", "an answer before there was a question"
    test = Letters(g)
    levels, root = g.paging_levels(), root_of(g, test.pid)

    # listvma: each VMA as start end permission, under its process; the buffer is in one of them.
    mark = g.log_mark()
    g.check(f"echo listvma > {FILE}")
    answer = g.check(["cat", FILE]).decode()
    mine = processes(answer)["test", test.pid]
    assert mine == maps(g, test.pid)
    assert any(lo <= test.va < hi and perm == "rw-" for lo, hi, perm in
               ((int(a, 16), int(b, 16), p) for a, b, p in map(str.split, mine)))
    log = log_since(g, mark)
    assert log[0] == "[mtest] Got command: listvma", log[:2]
    assert [l for l in log if l.startswith("[mtest.listvma] ")] == [f"[mtest.listvma] {l}" for l in answer.splitlines()]
    assert f"[mtest.listvma] Process = test, PID = {test.pid}" in log

    # findpage as typed there: of the process that writes, which does not have it.
    g.check(f"echo findpage 0x561dfa462000 > {FILE}")
    answer = g.check(["cat", FILE]).decode()
    assert re.search(r"^current = sh, PID = \d+$", answer, re.M), answer
    assert re.search(r"^translation not found: not mapped in p[4gum]d$", answer, re.M), answer

    # Of the process with the buffer: QEMU finds the same, and so does a walk through RAM.
    g.stop_in_user(cr3=root)
    qemu = int(re.search(r"gpa: (0x[0-9a-f]+)", g.hmp(f"gva2gpa {test.va:#x}"))[1], 16)
    want = expected(levels, test.va, g.walk(test.va), "test", test.pid)
    g.cont()
    mark = g.log_mark()
    g.check(f"echo comm test findpage {test.va:#x} > {FILE}")
    answer = g.check(["cat", FILE]).decode()
    assert stable(answer.splitlines()) == stable(want), answer
    pa = paddr(answer)
    assert pa == qemu and g.read_phys(pa, 64) == b"A" * 64
    assert int(re.search(r"pte_val = (\w+)", answer)[1], 16) >> 63, "the entry of data is to have NX"
    log = log_since(g, mark)
    assert log[0] == f"[mtest] Got command: comm test findpage {test.va:#x}"
    assert log[1:] == [f"[mtest.findpage] {l}" for l in answer.splitlines()]

    # writeval: that byte, in memory and for the process; nothing beside it.
    page = g.read_phys(pa & ~4095, 4096)
    mark = g.log_mark()
    g.check(f"echo comm test writeval {test.va:#x} 0x1 > {FILE}")
    assert g.check(["cat", FILE]) == b"found\n"
    assert g.read_phys(pa, 8) == b"\1AAAAAAA"
    changed = [i for i, (x, y) in enumerate(zip(page, g.read_phys(pa & ~4095, 4096))) if x != y]
    assert changed == [pa % 4096], changed
    assert test.show() == {test.pid: b"\1" + b"A" * 63}
    log = log_since(g, mark)
    assert re.fullmatch(rf"pagewalk: pid \d+ \(sh\) wrote 1 of 1 bytes at {test.va:#x} of pid {test.pid}", log[0]), log
    assert log[1:] == [f"[mtest] Got command: comm test writeval {test.va:#x} 0x1", "[mtest.writeval] found"], log
    g.check(f"echo pid {test.pid} writeval {test.va + 63:x} 255 > {FILE}")
    assert test.show() == {test.pid: b"\1" + b"A" * 62 + b"\xff"}


@guest_test(kernels=FEW, **ORIGINS)
def test_each_command_in_a_session_of_its_own(g):
    """As sudo does it: who asked has ended when the answer is read."""
    load_origins(g)
    mark = g.log_mark()
    test = Letters(g)
    g.check(f'echo "comm test findpage {test.va:#x}" | setsid tee {FILE}; true')
    first = g.check(f"setsid cat {FILE}; true").decode()
    assert paddr(first) and first == g.check(f"setsid cat {FILE}; true").decode()
    g.check(f'echo "findpage 0x400000" | setsid tee {FILE}; true')
    assert b"current = tee, PID = " in g.check(f"setsid cat {FILE}; true")
    # Who has asked reads his own answer, whoever asks later.
    a, b = Ask(g, FILE), Ask(g, FILE)
    assert a.write(f"pid {test.pid} findpage {test.va:#x}") is None and b.write("listvma") is None
    idle = Ask(g, FILE)
    listed = b.read()
    assert idle.do("r 7")[1] == b"Process"
    assert a.read() == first and a.read() == ""
    assert idle.read() == listed[7:], "an answer changed while it was read"
    # It outlives who asked, and the process in question.
    for p in (a, b, idle):
        p.close()
    test.process.kill()
    test.process.wait(30)
    assert g.check(["cat", FILE]).decode() == listed
    # Nothing of all that is in the log, which was not asked for.
    assert not [l for l in log_since(g, mark) if "mtest" in l]
    held = Ask(g, FILE)
    g.check(["rmmod", "pagewalk_origins"])
    assert held.write("listvma") == "EIO", "a descriptor that outlives the module"


# listvma

@guest_test(**ORIGINS)
def test_listvma_is_what_proc_says(g):
    load_origins(g)
    m = Mkmaps(g)
    test = Letters(g, "te st")
    ask = Ask(g, FILE)
    got = processes(ask("listvma"))
    pids = {int(p) for p in g.check("ls /proc | grep '^[0-9]'").split()}
    having = {p for p in pids if g.run(["test", "-d", f"/proc/{p}"])[0] == 0 and maps(g, p)}
    assert {p for _, p in got} >= having >= {1, m.pid, test.pid, ask.process.pid}, (got.keys(), having)
    for (name, pid), lines in got.items():
        if pid not in having:
            continue  # it has ended
        assert name == g.check(["cat", f"/proc/{pid}/comm"]).decode().rstrip("\n")
        assert lines == maps(g, pid), f"{name} {pid}"
    assert processes(ask(f"pid {m.pid} listvma")) == {("mkmaps", m.pid): maps(g, m.pid)}
    assert ask("pid 2 listvma") == "Process = kthreadd, PID = 2\n"
    # Whatever a process calls itself, its line stays one line.
    test.rename(b"\nProcess = x\x1b")
    assert ask(f"pid {test.pid} listvma").splitlines()[0] == rf"Process = \nProcess = x\e, PID = {test.pid}"


@guest_test(kernels=FEW, mem=768, timeout=600, **ORIGINS)
def test_listvma_of_a_crowd_is_whole(g):
    load_origins(g)
    n = 400 if g.kernel.slowness == 1 else 40
    crowd = g.spawn(["crowd", str(n), "200"], stdin=None)
    crowd.wait_line(rb"ready", 120)
    ask = Ask(g, FILE)
    answer = ask("listvma", timeout=120)
    mine = {k: v for k, v in processes(answer).items() if k[0] == "crowd"}
    one = maps(g, crowd.pid)
    assert len(mine) == n and len(one) >= 200, (len(mine), len(one))
    assert all(lines == one for lines in mine.values())
    print(f"     {g.name}: {answer.count(chr(10))} lines, {len(answer)} bytes", flush=True)
    # A name that many have.
    error, said = ask.fails("comm crowd listvma")
    assert error == "ENOTUNIQ" and said.startswith(f"{n} processes are named crowd: PID = {crowd.pid}, "), said
    assert said.endswith(", and more\n") and said.count(",") == 32
    # In pieces, from a descriptor that asked nothing: the same.
    assert ask(f"pid {crowd.pid} listvma") == g.check(["dd", f"if={FILE}", "bs=13", "status=none"]).decode()


@guest_test(kernels=("6.12-4",), mem=1024, timeout=900, **ORIGINS)
def test_listvma_says_when_it_would_be_too_long(g):
    load_origins(g)
    crowd = g.spawn(["crowd", "10", "60000"], stdin=None)
    crowd.wait_line(rb"ready", 400)
    ask = Ask(g, FILE)
    assert ask(f"pid {crowd.pid} listvma", timeout=120).count("\n") > 60000
    error = ask.write("listvma", timeout=300)
    assert error == "EFBIG" and ask.read() == "the answer is longer than 16 MiB\n", error
    assert g.check(["cat", FILE]) == b"the answer is longer than 16 MiB\n"
    # A signal ends it.
    killed = g.run(f"for i in 1 2 3; do (timeout -s KILL 0.1 sh -c 'echo listvma >{FILE}'); done; echo alive", timeout=300)
    assert b"alive" in killed[1]


# findpage

def samples(r, seed):
    """Addresses of a range, from its pages' beginnings, middles and ends."""
    rng = random.Random(seed)
    pages = range(r.addr, r.addr + r.len, 4096)
    picked = {pages[0], pages[-1]} | {rng.choice(pages) for _ in range(3)}
    return [p + rng.choice((0, 1, 0x7FF, 0xFFF)) for p in sorted(picked)]


@guest_test(kernels=SERIES, timeout=600, **with_origins(EVERY_STATE))
def test_findpage_of_every_state(g):
    """Each kind of entry: values, indices and address as RAM has them, the frame as pagemap has it."""
    load_origins(g)
    prepare(g)
    m = Mkmaps(g, "--spin")
    ask, levels, root = Ask(g, FILE), g.paging_levels(), root_of(g, m.pid)
    reasons, n, huge, frames = {}, 0, 0, 0
    for r in m.ranges:
        for va in samples(r, n):
            got = check_findpage(g, ask, m.pid, "mkmaps", root, va, levels)
            n += 1
            huge += "huge page of 2M in pmd" in got
            if "->" not in got[-1]:
                reasons.setdefault(got[-1].rsplit(" ", 1)[0], set()).add(r.state)
                assert r.kind != "leaf" or r.state in ("anon-holes", "zero-huge"), (r, got)
                continue
            assert r.kind != "protnone" and r.kind != "soft", (r, got)
            word = pagemap(g, m.pid, [(va & ~4095, (va & ~4095) + 4096)])[va & ~4095]
            if word >> 63:
                assert (word & (1 << 55) - 1) << 12 == paddr(got[-1]) & ~4095, (r, got, hex(word))
                frames += 1
    assert huge, "no huge page was looked at"
    text = "".join(f" {k.split(': ')[1]} {sorted(v)}" for k, v in reasons.items())
    for want in ("PROT_NONE in", "swapped, by", "not mapped in"):
        assert f"translation not found: {want}" in reasons, text
    assert g.series == "5.10" or "translation not found: migration, poison or a marker in" in reasons, text
    assert "swap" in reasons["translation not found: swapped, by"]
    print(f"     {g.name}: {n} addresses of {len(m.states)} states, {huge} huge, {frames} frames by pagemap", flush=True)


@guest_test(kernels=("6.12-5",), **with_origins(ONE_GIB))
def test_findpage_of_a_page_of_1g(g):
    load_origins(g, writable=True)
    m = Mkmaps(g, "--only", "hugetlb-1g")
    ask, levels, root = Ask(g, FILE), g.paging_levels(), root_of(g, m.pid)
    va = m.ranges[0].addr + 0x2345678
    got = check_findpage(g, ask, m.pid, "mkmaps", root, va, levels)
    assert "huge page of 1024M in pud" in got, got
    assert ask(f"pid {m.pid} writeval {va:#x} 0x5a") == "found\n"
    assert g.read_phys(paddr(got[-1]), 1) == b"\x5a"


@guest_test(**ORIGINS)
def test_findpage_beside_memory(g):
    load_origins(g)
    test = Letters(g)
    ask, levels, root = Ask(g, FILE), g.paging_levels(), root_of(g, test.pid)
    top = 1 << (47 if levels == 4 else 56)
    for va in (0, 0xFFF, 0x1000, 0x400000, test.va, test.va + 1, test.va + 4095, top - 4096, top - 1):
        check_findpage(g, ask, test.pid, "test", root, va, levels)
    for va in (top, 1 << 63, (1 << 64) - top - 1):
        assert ask(f"pid {test.pid} findpage {va:x}").splitlines()[-1] == "translation not found: no canonical address"
    # The kernel's half, by the same tables as everybody's: its image, the direct map, nothing.
    text = int(g.check("grep -m1 ' _text$' /proc/kallsyms").split()[0], 16)
    direct = int(g.check("grep -m1 ' page_offset_base$' /proc/kallsyms").split()[0], 16)
    kernel = [text, text + 0x1234, (1 << 64) - top, (1 << 64) - 1]
    step = g.walk(direct)[-1]
    size = 1 << (12 + 9 * (step.level - 1))
    offset = direct & size - 1
    base = struct.unpack("<Q", g.read_phys((step.raw & ADDRESS & ~(size - 1)) + offset, 8))[0]
    kernel += [base + 0x1000000, base + 0x1234567]
    for va in kernel:
        got = check_findpage(g, ask, test.pid, "test", root, va, levels)
    assert paddr(got[-1]) == 0x1234567, got
    assert ask("pid 2 findpage 0x1000").splitlines()[-1] == "translation not found: the process has no memory"


@guest_test(kernels=("6.1-4",), cmdline="pti=on", **ORIGINS)
def test_findpage_with_page_table_isolation(g):
    """What user mode runs on has no NX in its pgd, which the kernel's copy of it has."""
    load_origins(g)
    test = Letters(g)
    ask, root = Ask(g, FILE), root_of(g, test.pid)
    got = check_findpage(g, ask, test.pid, "test", root | 0x1000, 0x400000, 4)
    assert not int(re.search(r"pgd_val = (\w+)", "\n".join(got))[1], 16) >> 63
    assert check_findpage(g, ask, test.pid, "test", root | 0x1000, test.va, 4)
    text = int(g.check("grep -m1 ' _text$' /proc/kallsyms").split()[0], 16)
    check_findpage(g, ask, test.pid, "test", root, text, 4)


# writeval

@guest_test(**ORIGINS)
def test_writeval_breaks_copy_on_write(g):
    load_origins(g, writable=True)
    test = Letters(g)
    child = test.fork()
    ask = Ask(g, FILE)

    def where(pid):
        return paddr(ask(f"pid {pid} findpage {test.va:#x}"))

    shared = where(test.pid)
    assert shared == where(child)
    at = test.va + 17
    assert ask(f"pid {child} writeval {at:#x} 0x42") == "found\n"
    assert test.show() == {test.pid: b"A" * 64, child: b"A" * 17 + b"B" + b"A" * 46}
    own = where(child)
    assert own != shared == where(test.pid)
    assert g.read_phys(own + 17, 1) == b"B" and g.read_phys(shared, 64) == b"A" * 64
    # By name there are two now.
    error, said = ask.fails(f"comm test writeval {at:#x} 1")
    assert error == "ENOTUNIQ" and said == f"2 processes are named test: PID = {test.pid}, {child}\n", said


def mem(g, pid, va, n=1):
    """Bytes of a process by /proc/PID/mem."""
    return g.check(f"dd if=/proc/{pid}/mem bs={n} count=1 iflag=skip_bytes skip={va} status=none")


@guest_test(**ORIGINS)
def test_writeval_keeps_to_what_the_vma_allows(g):
    load_origins(g, writable=True)
    c, ask = start_cow(g), Ask(g, FILE)
    file = g.read_file("/tmp/cowfile")
    own = c["private"]
    for at, pid in ((own, c["child"]), (own + 4096 + 123, c["child"]), (own + 4095, c["parent"])):
        assert ask(f"pid {pid} writeval {at:#x} 0x7a") == "found\n"
        assert mem(g, pid, at) == b"z"
    assert mem(g, c["parent"], own) == b"p" and mem(g, c["child"], own + 4095) == b"f"
    assert g.read_file("/tmp/cowfile") == file, "a private mapping was written through to its file"
    assert ask(f"pid {c['child']} writeval {c['edge'] + 4095:#x} 0x21") == "found\n"
    before = mem(g, c["child"], c["edge"] + 4096), mem(g, c["child"], c["ro"])
    for at, errno, text in ((c["ro"], "EACCES", "vma has no write permission\n"), (c["edge"] + 4096, "EACCES", None),
                            (0, "EFAULT", "vma not found\n"), (1 << 46, "EFAULT", "vma not found\n"),
                            (0xFFFFFFFF81000000, "EFAULT", "vma not found\n"), ((1 << 64) - 1, "EFAULT", None)):
        error, said = ask.fails(f"pid {c['child']} writeval {at:#x} 1")
        assert error == errno and (text is None or said == text), (hex(at), error, said)
    vvar = [v for v in vmas(g, c["child"]) if v.name == "[vvar]"][0]
    assert ask.fails(f"pid {c['child']} writeval {vvar.lo:#x} 1")[0] == "EACCES"
    assert before == (mem(g, c["child"], c["edge"] + 4096), mem(g, c["child"], c["ro"]))
    # One's own memory: that of whoever writes to the file.
    me = [v for v in vmas(g, ask.process.pid) if v.name == "[heap]"][0]
    assert ask(f"writeval {me.hi - 1:x} 0101") == "found\n" and mem(g, ask.process.pid, me.hi - 1) == b"A"


@guest_test(timeout=600, **with_origins(EVERY_STATE))
def test_writeval_in_every_state(g):
    """Also where there is a huge page, a zero page, one that is swapped out, or none yet."""
    load_origins(g, writable=True)
    prepare(g)
    m = Mkmaps(g)
    ask, levels, root = Ask(g, FILE), g.paging_levels(), root_of(g, m.pid)
    flags = {v.lo: v for v in vmas(g, m.pid)}
    done = []
    for i, r in enumerate(m.ranges):
        vma = next((v for v in flags.values() if v.lo <= r.addr < v.hi), None)
        if not vma or "pf" in vma.flags or "io" in vma.flags or r.note.get("secret"):
            continue
        if r.state.startswith(("uffd", "thp-uffd")) or r.state in ("guard-region", "memfd-sealed"):
            continue  # a fault there waits for its handler, or is a signal
        va = r.addr + random.Random(i).randrange(r.len)
        command = f"pid {m.pid} writeval {va:#x} {0x60 + i % 64}"
        if "w" not in vma.perms:
            assert ask.fails(command)[0] == "EACCES", r
            continue
        before = mem(g, m.pid, va & ~4095, 4096) if "r" in vma.perms else None
        assert ask(command) == "found\n", r
        pa = paddr("\n".join(check_findpage(g, ask, m.pid, "mkmaps", root, va, levels)))
        assert g.read_phys(pa, 1)[0] == 0x60 + i % 64, r
        if before:
            want = bytearray(before)
            want[va % 4096] = 0x60 + i % 64
            assert g.read_phys(pa & ~4095, 4096) == want, f"{r}: neighbours changed"
        done.append(r.state)
    assert {"anon", "zero", "swap", "thp", "hugetlb-2m", "file-private", "file-shared"} <= set(done), done
    print(f"     {g.name}: {len(done)} ranges of {len(set(done))} states written", flush=True)


@guest_test(kernels=FEW, **ORIGINS)
def test_writeval_needs_more(g):
    load_origins(g)
    test = Letters(g)
    ask = Ask(g, FILE)
    line = f"pid {test.pid} writeval {test.va:#x} 1"
    assert ask.fails(line) == ("EROFS", "pagewalk.ko was not loaded with writable=1\n")
    ask.close()
    load_origins(g, writable=True)
    for cap in (17, 19):  # CAP_SYS_RAWIO, CAP_SYS_PTRACE
        ask = Ask(g, FILE)
        assert ask(line) == "found\n"
        ask.do(f"d {cap}")
        assert ask.write(line) == "EPERM" and ask(f"pid {test.pid} findpage {test.va:x}")
    assert test.show()[test.pid] == b"\1" + b"A" * 63


# Names and input

@guest_test(kernels=FEW, **ORIGINS)
def test_names_are_whole_names(g):
    load_origins(g)
    others = [Letters(g, n) for n in ("tes", "testing", "Test")]
    ask = Ask(g, FILE)
    assert ask.fails("comm test listvma") == ("ESRCH", "no process is named test\n")
    test = Letters(g)
    assert list(processes(ask("comm test listvma"))) == [("test", test.pid)]
    for p in others:
        assert f"PID = {p.pid}\n" in ask(f"pid {p.pid} findpage {p.va:x}")
    # Words of the commands are names like any other.
    word = Letters(g, "listvma")
    assert list(processes(ask("comm listvma listvma"))) == [("listvma", word.pid)]
    assert ask.fails("pid 999999 listvma") == ("ESRCH", "no process has PID 999999\n")
    test.process.kill()
    test.process.wait(30)
    assert ask.write(f"pid {test.pid} findpage {test.va:x}") == "ESRCH"


@guest_test(kernels=FEW, **ORIGINS)
def test_bad_input(g):
    load_origins(g, writable=True)
    ask = Ask(g, FILE)
    commands_only(ask, "pid 1 listvma")
    check_errors(ask, [
        ("findpage", "EINVAL"), ("findpage -1", "EINVAL"), ("findpage 0x", "EINVAL"), ("findpage xyz", "EINVAL"),
        ("findpage 0x10000000000000000", "ERANGE"), ("findpage " + "f" * 200, "ERANGE"), ("findpage 1 2", "EINVAL"),
        ("findpage 12345678", None), ("writeval", "EINVAL"), ("writeval 0x1000", "EINVAL"), ("writeval 0x1000 -1", "EINVAL"),
        ("writeval 0x1000 256", "ERANGE"), ("writeval 0x1000 0x100000000000000000", "ERANGE"),
        ("writeval 0x1000 0x41z", "EINVAL"), ("writeval zz 1", "EINVAL"), ("writeval 0x1000 1 1", "EINVAL"),
        ("listvma all", "EINVAL"), ("pid listvma", "EINVAL"), ("pid 1", "EINVAL"), ("pid", "EINVAL"), ("comm", "EINVAL"),
        ("comm init", "EINVAL"), ("pid 0 listvma", "ESRCH"), ("pid -1 listvma", "EINVAL"), ("pid 4294967296 listvma", "ERANGE"),
        ("pid 4294967295 listvma", "ESRCH"), ("pid 0x1 listvma", "EINVAL"), ("pid 1 pid 1 listvma", "EINVAL"),
        ("pid 1 comm init findpage 0", "EINVAL"), ("pid 1 findpage", "EINVAL"), ("pid one listvma", "EINVAL"),
        ("comm " + "n" * 200 + " listvma", "ESRCH"), ("pid 2 writeval 0x1000 1", "ESRCH"),
    ])


@guest_test(fresh=True, kernels=FEW, **ORIGINS)
def test_gates(g):
    load_origins(g, writable=True)
    test = Letters(g)
    ask = Ask(g, FILE)
    write = f"pid {test.pid} writeval {test.va:x} 1"
    assert ask(write) == "found\n"
    g.check("echo integrity >/sys/kernel/security/lockdown")
    assert ask.write(write) == "EPERM" and ask(f"pid {test.pid} findpage {test.va:x}")
    gates(g, FILE, "pid 1 listvma")


# At random, and beside everything else

WORDS = ("findpage @va", "findpage 0x@n", "findpage @n", "listvma", "pid @pid listvma", "pid 1 findpage @n", "comm init listvma",
         "pid @pid findpage @va", "comm ofuzz findpage 0x@n", "pid 2 findpage @va", "pid @n listvma", "pid @pid writeval @va @n",
         "pid @pid", "pid 1", "pid 2", "pid @n", "comm ofuzz", "comm init", "comm", "pid", "writeval @va 65", "writeval 0x@n @n",
         "writeval", "findpage", "@va", "@n", "-1", "=")


@guest_test(kernels=("5.10-4", "6.1-4", "newest-5"), timeout=900, **ORIGINS)
def test_random_input(g):
    load_origins(g)
    count = 50_000 if g.kernel.slowness == 1 else 5_000
    n = ofuzz(g, [FILE], {"write": {"EINVAL", "E2BIG", "ERANGE", "ESRCH", "EROFS", "ESPIPE", "ENOTUNIQ"},
                          "read": {"ESPIPE"}, "seek": {"ESPIPE"}}, words=WORDS, count=count, timeout=800)[FILE]
    assert n["write"][1] > n["write"][0] // 50 and n["read"][1], n
    print(f"     {g.name}: " + ", ".join(f"{k} {ok}/{all_}" for k, (all_, ok) in n.items()), flush=True)


@guest_test(kernels=("6.12-4",), timeout=900, **ORIGINS)
def test_random_writes(g):
    """Into the fuzzer itself, whose @va is a page for that."""
    load_origins(g, writable=True)
    n = ofuzz(g, [FILE], {"write": {"EINVAL", "E2BIG", "ERANGE", "ESRCH", "EACCES", "ESPIPE", "ENOTUNIQ"},
                          "read": {"ESPIPE"}, "seek": {"ESPIPE"}},
              words=("writeval @va 65", "writeval @va @n", "writeval @va", "findpage @va", "listvma", "-1", "@n", "="),
              count=100_000, timeout=800)[FILE]
    assert n["write"][1] > n["write"][0] // 50, n


BUSY = """
end=$(($(date +%s) + 8))
while [ $(date +%s) -lt $end ]; do
    for c in listvma "pid PID listvma" "pid PID findpage AT" "pid PID writeval AT 1" "comm churn listvma" "findpage 400000"; do
        echo "$c" >/proc/mtest || echo refused
        cat /proc/mtest >/dev/null || echo unread
    done 2>/dev/null
    (sh -c : &)
done
"""


@guest_test(kernels=("5.10-4", "7.2-5"), smp=2, mem=512, timeout=600, **ORIGINS)
def test_beside_churn(g):
    """Tables and VMAs change, processes come and go, several ask at once: no splat, and what stands still is found."""
    load_origins(g, writable=True)
    churn = g.spawn(["churn", "--sentinel", str(1 << 20)], stdin=None)
    at = int(churn.wait_line(rb"sentinel addr=(0x[0-9a-f]+)", 60)[1], 16)
    churn.wait_line(rb"ready", 60)
    script = BUSY.replace("PID", str(churn.pid)).replace("AT", f"{at + 4096:x}")
    busy = [g.spawn(script) for _ in range(3)]
    ask = Ask(g, FILE)
    for i in range(100):
        got = ask(f"pid {churn.pid} findpage {at + (i % 256) * 4096:#x}")
        assert paddr(got), got
        assert any(int(lo, 16) <= at and at + (1 << 20) <= int(hi, 16) for lo, hi in
                   re.findall(r"(?m)^(\w+) (\w+) rw-$", ask(f"pid {churn.pid} listvma"))), "the region is not listed"
    for p in busy:
        p.wait(120)
    churn.kill()
