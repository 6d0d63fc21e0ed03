# SPDX-License-Identifier: LGPL-2.1-or-later
"""linux-vm-hacks: /sys/kernel/debug/pagetables, and the tool pagetables.

Its README says, and is followed here: the reader's pgd is in `pgd`; a number in `pgdindex` makes `pud` (with five levels
`p4d`) the table that this entry of it refers to; `pudindex`, `pmdindex` and `pte` go on like that; kernel mappings are in
it as well; and `pagetables` prints all of it. What the files give is compared with guest RAM, word by word.
"""

import functools
import re
import struct

from kmod import ORIGINS, load_origins
from memory import ADDRESS, HUGE, NX, PRESENT, USER, WRITE
from ofuzz import ofuzz
from testing import guest_test
from tool import pagewalk

AD = 0x60
DIR = "/sys/kernel/debug/pagetables"
TWO = {**ORIGINS, "smp": 2}
PTI = {**ORIGINS, "cmdline": "pti=on"}
NAMES = {5: ("pgd", "p4d", "pud", "pmd", "pte"), 4: ("pgd", "pud", "pmd", "pte")}


class Hold:
    """A process with memory at two addresses, that reads files and spins as it is told."""

    def __init__(self, g, **how):
        self.g = g
        self.process = g.spawn(["vmtables", "hold"], stdin=None, **how)
        self.process.wait_line(rb"(?m)^ready$")
        out = self.process.stdout.decode()
        self.pid = int(re.search(r"^pid (\d+)$", out, re.M)[1])
        self.places = [int(x, 16) for x in re.search(r"^places (\S+) (\S+)$", out, re.M).groups()]
        self._at = len(self.process.stdout)

    def tell(self, line):
        """The answer to a line: one line."""
        self.process.write(line.encode() + b"\n")
        self.process.wait_until(lambda: b"\n" in self.process.stdout[self._at:], 60, line)
        end = self.process.stdout.index(b"\n", self._at)
        text, self._at = self.process.stdout[self._at:end].decode(), end + 1
        return text

    def read(self, name):
        """The 512 words of a file that the process itself reads, or the errno's name."""
        word, rest = self.tell(f"read {name}").split(" ", 1)
        return rest if word == "errno" else struct.unpack("<512Q", bytes.fromhex(rest))

    @functools.cached_property
    def root(self):
        """CR3 while it runs, told by what it has written to its memory."""
        mark = b"vmtables %d place 0" % self.pid
        self.tell("spin")
        for _ in range(50):
            r = self.g.stop_in_user()
            step = self.g.walk(self.places[0], cr3=r["CR3"])[-1]
            found = step.level == 1 and step.raw & PRESENT and \
                self.g.read_phys(step.raw & ADDRESS, len(mark)) == mark
            self.g.cont()
            if found:
                self.process.write(b"rest\n")
                self.process.wait_line(rb"what\?")
                self._at = len(self.process.stdout)
                # With PTI user code has a root of its own, beside the kernel's.
                return r["CR3"] & ADDRESS
        raise AssertionError("never seen running")


def echo(g, value, name):
    """As the README has it, in a session of its own, as sudo may give one to each command."""
    g.check(f"setsid sh -c 'echo {value} > {DIR}/{name}'; exit $?")  # else setsid would be its group's leader, and fork


def cat(g, name):
    """The words of a file, or what cat says."""
    rc, out, err = g.run(["cat", f"{DIR}/{name}"])
    if rc:
        assert not out
        return err.decode().split(": ")[-1].strip()
    assert len(out) == 4096, f"{name}: {len(out)} bytes"
    return struct.unpack("<512Q", out)


def in_ram(g, root, va, level):
    """The table of a level on the way to va, by guest RAM: its words, or why not."""
    levels = g.paging_levels()
    table = root
    for at in range(levels, 0, -1):
        words = g.memory.table(table)
        if at == level:
            return words
        raw = words[va >> (12 + 9 * (at - 1)) & 511]
        if not raw & PRESENT:
            return "No data available"
        if raw & HUGE and at in (2, 3):
            return "Not a directory"
        table = raw & ADDRESS
    raise AssertionError(level)


def plain(words):
    return words if isinstance(words, str) else tuple(w & ~AD for w in words)


def agree(g, root, va, level, look, what):
    """The kernel goes on changing its own half: what was the same before and after has to agree."""
    for _ in range(5):
        before = plain(in_ram(g, root, va, level))
        got = plain(look())
        if plain(in_ram(g, root, va, level)) == before:
            if isinstance(before, tuple) and isinstance(got, tuple):
                odd = [(i, hex(a), hex(b)) for i, (a, b) in enumerate(zip(before, got)) if a != b]
                assert not odd, f"{what}: index, RAM, file: {odd[:4]}"
            assert got == before, f"{what}: {before if isinstance(before, str) else 'a table'} by RAM, {got!r}"
            return before
    raise AssertionError(f"{what}: RAM does not hold still")


def kernel_addresses(g, root):
    """Addresses of the kernel half, by RAM: of each level at which the way down ends, with a table, a huge page or nothing."""
    levels = g.paging_levels()
    found = {}

    def visit(table, level, va, slots):
        words = g.memory.table(table)
        for i in slots:
            at = va | i << (12 + 9 * (level - 1))
            if not words[i] & PRESENT:
                found.setdefault(("nothing", level), at)
            elif level in (2, 3) and words[i] & HUGE:
                found.setdefault(("huge", level), at)
            elif level == 2:
                found.setdefault(("table", level), at)
            else:
                visit(words[i] & ADDRESS, level - 1, at, range(512))

    visit(root, levels, -1 << (11 + 9 * levels) & (1 << 64) - 1, range(256, 512))
    kinds = {kind for kind, _ in found}
    assert kinds == {"nothing", "huge", "table"}, found
    return list(found.values())


def indices(va, levels):
    shift = 12 + 9 * (levels - 1)
    return {name + "index": va >> (shift - 9 * i) & 511 for i, name in enumerate(NAMES[levels][:-1])}


@guest_test(**ORIGINS)
def test_readme_step_by_step(g):
    load_origins(g)
    levels = g.paging_levels()
    files = set(g.check(["ls", DIR]).decode().split())
    assert files == {*NAMES[levels], *(n + "index" for n in NAMES[levels][:-1]), "vaddr", "pid"}, files
    assert g.check(f"stat -c %a {DIR}/* | sort -u") == b"600\n"
    h = Hold(g)
    seen = {}
    for pid, reader in ((h.pid, lambda name: cat(g, name)), (0, h.read)):
        echo(g, pid, "pid")
        assert g.check(["cat", f"{DIR}/pid"]) == b"%d\n" % pid
        for va in (*h.places, *kernel_addresses(g, h.root)):
            # The steps of the README: an index, then the file below.
            for i, (name, index) in enumerate(indices(va, levels).items()):
                agree(g, h.root, va, levels - i, lambda: named(reader(NAMES[levels][i])), f"{va:#x} {NAMES[levels][i]} of {pid}")
                echo(g, index, name)
                assert g.check(["cat", f"{DIR}/{name}"]) == b"%d\n" % index
            last = agree(g, h.root, va, 1, lambda: named(reader("pte")), f"{va:#x} pte of {pid}")
            seen[va] = last if isinstance(last, str) else "table"
            assert int(g.read_file(f"{DIR}/vaddr"), 16) == va & ~0x1FFFFF
            # The same by the address as a whole.
            echo(g, 0, "vaddr")
            echo(g, hex(va), "vaddr")
            agree(g, h.root, va, 1, lambda: named(reader("pte")), f"{va:#x} pte of {pid} by vaddr")
    # All of it was there to be seen: tables, huge pages, holes, in both halves.
    assert seen[h.places[0]] == seen[h.places[1]] == "table" and set(seen.values()) == {
        "table", "Not a directory", "No data available"}, seen
    echo(g, 0, "pid")
    print(f"     {g.name}: {len(seen)} addresses, {levels} levels", flush=True)


def named(got):
    return {"ENODATA": "No data available", "ENOTDIR": "Not a directory"}.get(got, got) if isinstance(got, str) else got


@guest_test(kernels=("6.1-4",), **PTI)
def test_both_roots_with_pti(g):
    """The pgd as the kernel has it has NX on user entries; root=user gives the one that user mode runs on."""
    load_origins(g)
    h = Hold(g)
    kernel, user = h.root & ~0x1000, h.root | 0x1000
    index = h.places[0] >> 39

    def look(root):
        out = g.check(f"exec 3<>{DIR}/pgd; echo pid={h.pid} root={root} >&3; dd bs=4096 count=1 <&3 2>/dev/null")
        return struct.unpack("<512Q", out)

    agree(g, kernel, 0, 4, lambda: look("kernel"), "kernel root")
    agree(g, user, 0, 4, lambda: look("user"), "user root")
    assert look("kernel")[index] & NX and not look("user")[index] & NX
    echo(g, h.pid, "pid")
    assert plain(cat(g, "pgd")) == plain(look("kernel"))
    echo(g, 0, "pid")
    tables = counts_in_ram(g, user, range(256), 4)
    for source in ("kmod", "debugfs"):
        check_counts(pagewalk(g, "pagetables", h.pid, "--no-kernel", "-s", source), tables, source)


def lines(out, key):
    return [int(n) for n in re.search(rb"(?m)^.*\b" + key + rb" (.*)$", out)[1].split()]


@guest_test(kernels=("5.10-4", "7.2-5"), timeout=600, **TWO)
def test_two_processes_at_once_for_ten_seconds(g):
    load_origins(g)
    both = [g.spawn(["vmtables", "own", "10"]) for _ in range(2)]
    reads = []
    for p in both:
        rc, out, err = p.wait(200)
        assert rc == 0, (out[-500:], err)
        m = re.search(rb"reads (\d+) wrong 0", out)
        reads.append(int(m[1]))
    assert min(reads) > 1000, reads
    print(f"     {g.name}: {reads[0]} and {reads[1]} tables", flush=True)


@guest_test(kernels=("5.10-4", "6.12-4"), timeout=600, **TWO)
def test_shared_files_never_mix_two_selections(g):
    load_origins(g)
    p, q = Hold(g), Hold(g)
    rc, out, err = g.run(["vmtables", "shared", "10", str(p.pid), str(q.pid)], 200)
    assert rc == 0, (out[-800:], err)
    seen = [list(map(int, m.split())) for m in re.findall(rb"(?m)^seen (.*)$", out)]
    reads = [int(n) for n in re.findall(rb"reads (\d+) wrong 0", out)]
    assert len(seen) == len(reads) == 2 and all(map(all, seen)), "not every selection was seen: " + out.decode()
    echo(g, 0, "pid")
    print(f"     {g.name}: {sum(reads)} reads", flush=True)


@guest_test(kernels=("6.1-5", "7.2-5"), timeout=600, **TWO)
def test_processes_that_exit_meanwhile(g):
    load_origins(g)
    rc, out, err = g.run(["vmtables", "chase", "10"], 200)
    assert rc == 0, (out[-800:], err)
    children, gone, found = map(int, re.search(rb"children (\d+) gone (\d+) found (\d+)", out).groups())
    assert children == gone and found > children > 20, out
    echo(g, 0, "pid")
    g.check(["rmmod", "pagewalk_origins"])
    print(f"     {g.name}: {children} processes, {found} tables of them", flush=True)


# What is refused

def refused(g, text, name):
    """What dd says of one write; None: it was taken."""
    _, out, _ = g.run(["sh", "-c", f'printf "%b" "$1" | dd bs=64k of={DIR}/{name} conv=notrunc 2>&1', "sh", text])
    m = re.search(rb"(?m)^dd: .*: (.*)$", out)
    assert m or b"records out" in out, out
    return m[1].decode() if m else None


INVALID, RANGE, LONG, NONE = ("Invalid argument", "Numerical result out of range", "Argument list too long",
                              "No such process")


@guest_test(**ORIGINS)
def test_bad_input_is_refused_by_name(g):
    load_origins(g)
    levels = g.paging_levels()
    echo(g, 7, "pudindex")
    for name in ("pgdindex", "pudindex", "pmdindex", "pid", "vaddr"):
        before = g.read_file(f"{DIR}/{name}")
        for text, why in (("x", INVALID), ("\\n", INVALID), ("-1", INVALID), ("1 2", INVALID), ("1\\0002", INVALID),
                          ("\\377", INVALID), ("0x", INVALID), ("1" * 300, LONG), ("1" * 40, RANGE), (" ", INVALID)):
            assert refused(g, text, name) == why, (name, text, refused(g, text, name))
        assert refused(g, "18446744073709551616", name) == RANGE
        assert g.read_file(f"{DIR}/{name}") == before
    for name, text in (("pgdindex", "512"), ("pmdindex", "0x200"), ("pid", "2147483648"),
                       ("vaddr", "0x800000000000" if levels == 4 else "0x100000000000000")):
        assert refused(g, text, name) == RANGE, (name, text)
    for text, why in (("", None), ("pid", INVALID), ("pid=", INVALID), ("=1", INVALID), ("pid=1 pid=1", INVALID),
                      ("vaddr=0 pgdindex=0", INVALID), ("pgd=1", INVALID), ("vaddr=0x1,pid=1", INVALID), ("pid=1\\000", INVALID),
                      ("pgdindex=512", RANGE), ("vaddr=0x8000000000000000", RANGE), ("pid=999999", NONE), ("pid=2", NONE),
                      ("root=x", INVALID), ("p4dindex=1", RANGE if levels == 4 else None), ("p4dindex=0", None),
                      ("pid=1 " * 60, LONG), ("pid=1\\tvaddr=0x1000\\n", None), ("root=user", None)):
        for name in ("pgd", "pte"):
            assert refused(g, text, name) == why, (name, text, refused(g, text, name))


@guest_test(**ORIGINS)
def test_each_reason_has_its_errno(g):
    load_origins(g)
    h = Hold(g)
    echo(g, h.pid, "pid")
    for va, want in ((h.places[0], None), (h.places[0] + (1 << 30), "No data available")):
        echo(g, hex(va), "vaddr")
        got = cat(g, "pte")
        assert (got if isinstance(got, str) else None) == want, (hex(va), got)
    for pid, want in ((999999, NONE), (2, NONE)):  # nobody, a kernel thread
        echo(g, pid, "pid")
        assert cat(g, "pgd") == want
    # A descriptor's process that exits: said, whoever has its pid then; and its memory is not kept.
    d = g.spawn(["sh", "-c", f"exec 3<>{DIR}/pgd; echo pid={h.pid} >&3; echo on; read x; cat <&3"], stdin=None)
    d.wait_line(rb"on")
    h.process.kill()
    h.process.wait(10)
    d.write(b"\n")
    assert d.wait(10)[0] == 1 and b"No such process" in d.stderr, d.stderr
    # It has the same pid after exec, but another address space.
    other = g.spawn(["sh", "-c", "echo up; read x; exec sleep 1000"], stdin=None)
    other.wait_line(rb"up")
    d = g.spawn(["sh", "-c", f"exec 3<>{DIR}/pgd; echo pid={other.pid} >&3; echo on; read x; cat <&3"], stdin=None)
    d.wait_line(rb"on")
    other.write(b"\n")
    g.check(f"until grep -q sleep /proc/{other.pid}/comm; do sleep 0.1; done")
    d.write(b"\n")
    assert d.wait(10)[0] == 1 and b"No such process" in d.stderr, d.stderr
    echo(g, other.pid, "pid")
    assert isinstance(cat(g, "pgd"), tuple)
    echo(g, 0, "pid")


@guest_test(**ORIGINS)
def test_one_copy_however_it_is_read(g):
    """A table that is read in pieces is one copy; a write to the descriptor begins a new one; other offsets go on."""
    load_origins(g)
    h = Hold(g)
    a, b = (f"pid={h.pid} vaddr={va:#x}" for va in h.places)
    script = f"""exec 3<>{DIR}/pte
        echo {a} >&3; dd bs=1000 count=2 <&3; echo {b} >&3; dd bs=4096 count=1 <&3
        dd bs=4096 count=1 <&3; echo {a} >&3; dd bs=7 <&3; dd bs=4096 skip=1 if={DIR}/pgd"""
    out = g.check(f"({script}) 2>/dev/null")
    assert len(out) == 2000 + 4096 + 0 + 4096, len(out)
    first, second, third = out[:2000], out[2000:6096], out[6096:]
    assert third[:2000] == first and first != second[:2000]
    for got, va in ((third, h.places[0]), (second, h.places[1])):
        assert plain(struct.unpack("<512Q", got)) == plain(in_ram(g, h.root, va, 1))


@guest_test(**ORIGINS)
def test_root_alone_and_only_with_capabilities(g):
    load_origins(g)
    for name in ("pgd", "vaddr"):
        assert g.run(["cat", f"{DIR}/{name}"], user=1000)[0] == 1
        rc, _, err = g.run(["cat", f"{DIR}/{name}"], user=1000, caps=("dac_override",))
        assert rc == 1 and b"not permitted" in err, err
        # Opened by root, handed to somebody else.
        rc, out, err = g.run(f"exec 3<>{DIR}/{name}; su user -c 'cat <&3; echo 0 >&3; true'")
        assert not out and err.count(b"not permitted") == 2, (out, err)


@guest_test(fresh=True, kernels=("5.10-4", "7.2-5"), **ORIGINS)
def test_lockdown_shuts_what_is_open(g):
    load_origins(g)
    p = g.spawn(["sh", "-c", f"exec 3<>{DIR}/pgd; head -c 8 <&3 | wc -c; echo on; read x; cat <&3; echo pid=1 >&3; echo end"],
                stdin=None)
    p.wait_line(rb"on")
    assert p.stdout.startswith(b"8\n")
    g.check("echo confidentiality >/sys/kernel/security/lockdown")
    p.write(b"\n")
    p.wait(10)
    assert p.stdout.endswith(b"on\nend\n") and p.stderr.count(b"not permitted") == 2, (p.stdout, p.stderr)
    assert b"not permitted" in g.run(["cat", f"{DIR}/pgd"])[2]


@guest_test(kernels=("5.10-4", "6.1-5", "6.12-4", "7.2-5"), timeout=900, **ORIGINS)
def test_random_input_to_every_file(g):
    load_origins(g)
    files = [f"{DIR}/{name}" for name in g.check(["ls", DIR]).decode().split()]
    found = ofuzz(g, files, {"write": {"ERANGE", "E2BIG", "ESRCH"}, "read": {"ENODATA", "ENOTDIR", "ESRCH"}},
                  words=("pid=@pid", "pid=0", "pid=1", "pid=2", "pid=@n", "vaddr=@va", "vaddr=@n", "pgdindex=@n", "pudindex=0",
                         "pmdindex=1", "p4dindex=0", "pgdindex=511", "root=user", "root=kernel", "@pid", "@va", "@n", "0", "1",
                         "511", "512", "pid", "vaddr="))
    for path, ops in found.items():
        for op in ("write", "read"):
            calls, ok = ops[op]
            assert ok * 50 > calls > 1000, (path, op, ops)
    for name in ("pid", "vaddr"):
        echo(g, 0, name)
    print(f"     {g.name}: {sum(o['write'][0] for o in found.values())} writes, "
          f"{sum(o['read'][0] for o in found.values())} reads", flush=True)


# The tool

FLAGS = {"present": PRESENT, "write": WRITE, "user": USER, "nx": NX}


def counts_in_ram(g, root, slots, levels):
    """What the tool counts, of those slots of the root: {level name: {"tables", "table", "leaf", flag...}}, by RAM."""
    found = {n: dict.fromkeys(("tables", "table", "leaf", "soft", *FLAGS), 0) for n in NAMES[levels]}

    def visit(pa, level, slots):
        n = found[NAMES[levels][levels - level]]
        n["tables"] += 1
        words = g.memory.table(pa)
        for raw in (words[i] for i in slots):
            if not raw & PRESENT:
                continue
            for flag, bit in FLAGS.items():
                n[flag] += bool(raw & bit)
            leaf = level == 1 or (level <= 3 and raw & HUGE)
            n["leaf" if leaf else "table"] += 1
            if not leaf:
                visit(raw & ADDRESS, level - 1, range(512))

    visit(root, levels, slots)
    return found


def check_counts(answer, ram, what):
    got = {r["level"]: r for r in answer.of("level")}
    for level, want in ram.items():
        have = {**got[level]["entries"], "tables": got[level]["tables"]}
        for key in ("tables", "table", "leaf"):
            assert have[key] == want[key], (what, level, key, have, want)
    flags = {r["flag"]: r for r in answer.of("flag")}
    for flag in FLAGS:
        for level, want in ram.items():
            # protnone and swap entries have no `present`, but can have the others; the helper has none of them.
            assert flags.get(flag, {}).get(level, 0) == want[flag], (what, flag, level, flags.get(flag), want)
    sizes = {r["size"]: r for r in answer.of("pagesize")}
    for size, level in ((4096, "pte"), (2 << 20, "pmd"), (1 << 30, "pud")):
        n = ram[level]["leaf"]
        assert (sizes[size]["pages"], sizes[size]["bytes"]) == (n, n * size), (what, sizes, n)


def known(answer):
    """Its entries without Accessed and Dirty, which the kernel may clear at any time."""
    return [(r["va"], r["slot"], int(r["raw"], 16) & ~AD) for r in answer.of("entry")]


def steady_flags(answer):
    return [r for r in answer.of("flag") if r["flag"] not in ("accessed", "dirty")]


@guest_test(timeout=600, **ORIGINS)
def test_tool_counts_what_is_in_ram(g):
    load_origins(g)
    h = Hold(g)
    levels = g.paging_levels()
    user = counts_in_ram(g, h.root, range(256), levels)
    for source in ("kmod", "debugfs", "bpf"):
        a = pagewalk(g, "pagetables", h.pid, "--no-kernel", "-s", source)
        check_counts(a, user, source)
        assert a.head["source"] == source and a.head["consistency"] == ("locked" if source == "kmod" else "validated")
        # Each entry is what RAM has in its slot, and they are what dump shows.
        for r in a.of("entry"):
            raw = g.memory.entry(int(r["slot"], 16))
            assert (raw ^ int(r["raw"], 16)) & ~AD == 0, (r, hex(raw))
        assert known(pagewalk(g, "dump", h.pid, "--tree", "-s", "kmod")) == known(a)
        stats = pagewalk(g, "pagetables", h.pid, "--no-kernel", "--stats", "-s", source)
        assert not stats.of("entry") and stats.of("level") == a.of("level")
        assert steady_flags(stats) == steady_flags(a), (stats.of("flag"), a.of("flag"))
    print(f"     {g.name}: user half {user['pte']['leaf']} leaves in {sum(n['tables'] for n in user.values())} tables",
          flush=True)


@guest_test(timeout=600, whole_kernel=True, **ORIGINS)
def test_tool_counts_the_kernel_half(g):
    load_origins(g)
    h = Hold(g)
    levels = g.paging_levels()
    for source in ("kmod", "debugfs"):
        for _ in range(8):
            before = counts_in_ram(g, h.root, range(256, 512), levels)
            a = pagewalk(g, "pagetables", h.pid, "--no-user", "--stats", "-s", source)
            if counts_in_ram(g, h.root, range(256, 512), levels) == before:
                break
        else:
            raise AssertionError("the kernel half does not hold still")
        check_counts(a, before, source)
    print(f"     {g.name}: kernel half {before['pte']['leaf']} + {before['pmd']['leaf']} leaves", flush=True)


@guest_test(kernels=("5.10-4", "7.2-5"), **ORIGINS)
def test_tool_as_it_is_typed(g):
    load_origins(g)
    levels = g.paging_levels()
    # Without arguments, under its own name: itself, both halves, a tree and three tables of sums.
    out = g.check(["pagetables"]).decode()
    assert re.match(r"\d+ \(pagetables\)  both halves  x86-64 [45]-level  kmod, ", out), out[:200]
    tree, by_level, by_size, by_flag, last = out.split("\n\n")
    rows = [re.match(r"( *)(\d+) +(0x[0-9a-f]+|swap|soft|-) +\S", l) for l in tree.splitlines()[2:]]
    assert len(rows) > 200 and all(rows), [l for l, r in zip(tree.splitlines()[2:], rows) if not r][:3]
    assert {len(r[1]) for r in rows} == {2 * i for i in range(levels)}
    assert [l.split()[0] for l in by_level.splitlines()] == ["LEVEL", *NAMES[levels]]
    assert [l.split()[0] for l in by_size.splitlines()] == ["PAGE", "4K", "2M", "1G"]
    assert by_flag.startswith("FLAG") and "\npresent " in by_flag and last.startswith("mapped ")
    # By the interface itself the same form; and less of it.
    via = g.check(["pagetables", "-s", "debugfs", "1"]).decode()
    assert re.match(r"1 \(\S+\)  both halves  \S+ \S+  debugfs, validated\n", via), via[:100]
    assert g.check(["pagetables", "1", "--stats", "--no-user"]).decode().split("\n")[1].startswith("LEVEL")
    pmd = g.check(["pagetables", "1", "--max-level", "pmd", "-n", "--no-kernel"]).decode().splitlines()
    assert {len(l) - len(l.lstrip()) for l in pmd} == {2 * i for i in range(levels - 1)}
    assert pmd == g.check(["pagetables", "1", f"--max-level={levels - 1}", "-n", "--no-kernel"]).decode().splitlines()
    for args, rc, text in ((["1", "--max-level", "7"], 2, b"no level '7'"), (["1", "--no-user", "--no-kernel"], 2, b"nothing"),
                           (["1", "2"], 2, b"too much"), (["999999"], 3, b"no process"), (["kernel", "-s", "debugfs"], 3, b"processes only"),
                           (["1", "-s", "pagemap"], 3, b"only leaves")):
        got, _, err = g.run(["pagetables", *args])
        assert got == rc and text in err, (args, got, err)
    g.check(["rmmod", "pagewalk_origins"])
    rc, _, err = g.run(["pagetables", "-s", "debugfs"])
    assert rc == 3 and b"modprobe pagewalk_origins" in err, err
    assert g.check(["pagetables", "--stats"])
