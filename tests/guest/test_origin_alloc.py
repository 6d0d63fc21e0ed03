# SPDX-License-Identifier: LGPL-2.1-or-later
"""memalloc, as memory-page-table-walker's README has it: each line against /proc/PID/pagemap and against the tables in guest RAM,
then the form; and what its origin did wrong: blocks of 4K that were none, a hidden frame as address 0, a pread a page."""

import json
import re

from kmod import MODULE, load
from memory import ADDRESS, HUGE, PRESENT
from testing import guest_test
from tool import pagemap, pagewalk

LINE = re.compile(rb"VA=0x([0-9a-f]+) -> PA=0x([0-9a-f]+)")
PFN = (1 << 55) - 1
FEW = ("5.10-4", "6.1-5", "7.2-5")
ALL = ("bpf", "kcore", "kmod", "pagemap")
ADMIN = {"modules": ("pagewalk",)}


def pages(text):
    """{va: pa} of an output in which every line is of the README's form."""
    found = {}
    for line in text.splitlines():
        m = LINE.fullmatch(line)
        assert m, line
        va = int(m[1], 16)
        assert va not in found and va % 4096 == 0, line
        found[va] = int(m[2], 16)
    return found


def sums(found):
    """(stretches, pages of the longest) of lines in the order of their addresses."""
    stretches, longest, run, before = 0, 0, 0, None
    for va in sorted(found):
        run = run + 1 if before is not None and found[va] == before + 4096 else 1
        stretches += run == 1
        longest, before = max(longest, run), found[va]
    return stretches, longest


def check_sums(summary, found):
    stretches, longest = sums(found)
    m = re.search(rb"^(\d+) physically contiguous stretch(?:es)?, the longest of (\d+)([KMG])$", summary, re.M)
    assert m, summary
    bytes_of = {b"K": 1 << 10, b"M": 1 << 20, b"G": 1 << 30}[m[3]]
    assert int(m[1]) == stretches and int(m[2]) == longest * 4096 // bytes_of, (summary, stretches, longest)


def ranges_of(found):
    """[(lo, hi)] of the addresses."""
    out = []
    for va in sorted(found):
        if out and out[-1][1] == va:
            out[-1][1] = va + 4096
        else:
            out.append([va, va + 4096])
    return out


class Kept:
    """A memalloc --keep: its process, its lines, what it said at the end."""

    def __init__(self, g, *args, file="/tmp/kept", **how):
        self.g, self.file = g, file
        self.process = g.spawn(["memalloc", *args, "-o", file, "--keep"], stdin=None, **how)
        m = self.process.wait_line(rb"(?m)^PID (\d+) keeps it\n", 120)
        assert m, (self.process.rc, self.process.stderr)
        self.pid, self.summary = int(m[1]), self.process.stdout
        self.pages = pages(g.read_file(file))

    def end(self):
        self.process.write(b"")
        rc, _, err = self.process.wait(30)
        assert rc == 0, (rc, err)
        self.g.check(["rm", self.file])


def check_answers(g, kept, sample=400):
    """Every line against pagemap; some against a walk through guest RAM."""
    words = pagemap(g, kept.pid, ranges_of(kept.pages))
    wrong = [f"{va:#x}: {pa:#x}, pagemap {words[va]:#x}" for va, pa in kept.pages.items()
             if not words[va] >> 63 or (words[va] & PFN) << 12 != pa]
    assert not wrong, wrong[:5]
    root = next(int(r["root"], 16) for r in pagewalk(g, "ps").of("process") if r["pid"] == kept.pid)
    some = sorted(kept.pages)[::max(1, len(kept.pages) // sample)]
    g.stop()
    try:
        for va in some:
            last = g.walk(va, cr3=root)[-1]
            size = 1 << (12 + 9 * (last.level - 1))
            assert last.raw & PRESENT and (last.level == 1 or last.raw & HUGE), (hex(va), last)
            assert (last.raw & ADDRESS & -size) + va % size == kept.pages[va], (hex(va), hex(kept.pages[va]), last)
    finally:
        g.cont()
    return root, len(some)


def levels(g, kept, root):
    """The level of the entry that maps each 2 MiB of the allocation."""
    g.stop()
    try:
        return [g.walk(va, cr3=root)[-1].level for va in sorted(kept.pages) if va % (2 << 20) == 0]
    finally:
        g.cont()


@guest_test(timeout=600, **ADMIN)
def test_readme(g):
    """Its three commands, typed as there, in the directory of the program."""
    seen = {}
    for block, file in (("4K", "out_4k.txt"), ("1G", "out_big.txt")):
        out = g.check(f"./memalloc -b {block} -m 64M -o {file}", cwd="/usr/bin")
        found = pages(g.read_file(f"/usr/bin/{file}"))
        assert len(found) == 16384, len(found)
        assert (b"16384 blocks of 4K" if block == "4K" else b"1 block:") in out, out
        check_sums(out, found)
        g.check(f"rm /usr/bin/{file}")
        k = Kept(g, "-b", block, "-m", "64M")
        assert len(k.pages) == 16384 and len(set(k.pages.values())) == 16384
        _, some = check_answers(g, k)
        check_sums(k.summary, k.pages)
        seen[block] = sums(k.pages)[0]
        k.end()
    print(f"     {g.name}: 2 x 16384 lines agree with pagemap, 2 x {some} with guest RAM; stretches {seen}", flush=True)


@guest_test(kernels=("6.1-4", "7.2-5"), timeout=600, mem=1536)
def test_readme_1g(g):
    out = g.check("./memalloc -b 1G -m 1G -o out_1g.txt", cwd="/usr/bin", timeout=300)
    found = pages(g.read_file("/usr/bin/out_1g.txt"))
    g.check("rm /usr/bin/out_1g.txt")
    assert len(found) == 1 << 18 and max(found) - min(found) == (1 << 30) - 4096
    check_sums(out, found)


@guest_test(kernels=FEW, each=ALL, **MODULE)
def test_each_source_says_the_same(g, source):
    load(g)
    for block in ("4K", "1G"):
        k = Kept(g, "-b", block, "-m", "3M", "-s", source)
        assert len(k.pages) == 768
        check_answers(g, k)
        by_size = b"pages by size: 768 x 4K" if block == "4K" else b"pages by size: "
        assert (b"not known" if source == "pagemap" else by_size) in k.summary, k.summary
        k.end()


@guest_test(**ADMIN)
def test_blocks_of_4k_are_blocks_of_4k(g):
    k = Kept(g, "-b", "4K", "-m", "1M")
    vmas = {tuple(int(a, 16) for a in line.split()[0].split(b"-")) for line in g.read_file(f"/proc/{k.pid}/maps").splitlines()}
    missing = [hex(va) for va in k.pages if (va, va + 4096) not in vmas]
    assert len(k.pages) == 256 and not missing, missing[:5]
    k.end()
    k = Kept(g, "-b", "1G", "-m", "1M")
    assert ranges_of(k.pages) == [[min(k.pages), min(k.pages) + (1 << 20)]]
    k.end()


@guest_test(**ADMIN)
def test_huge_pages(g):
    g.check("echo 4 >/proc/sys/vm/nr_hugepages")
    k = Kept(g, "-b", "1G", "-m", "4M", "--huge")
    root, _ = check_answers(g, k)
    assert len(k.pages) == 1024 and levels(g, k, root) == [2, 2] and b"pages by size: 2 x 2M\n" in k.summary, k.summary
    k.end()
    rc, out, err = g.run("memalloc -m 64M --huge")
    assert rc == 3 and not out and b"nr_hugepages" in err, (rc, out, err)
    g.check("echo 0 >/proc/sys/vm/nr_hugepages")


@guest_test(**ADMIN)
def test_transparent_huge_pages(g):
    """Less than 512 MiB of RAM, and the kernel turns them off by itself."""
    enabled = "/sys/kernel/mm/transparent_hugepage/enabled"
    before = re.search(rb"\[(\w+)\]", g.read_file(enabled))[1].decode()
    g.check(f"echo madvise >{enabled}; echo 1 >/proc/sys/vm/compact_memory")
    k = Kept(g, "-m", "8M", "--thp")
    root, _ = check_answers(g, k)
    found = levels(g, k, root)
    assert len(found) == 4 and 2 in found, found
    small = sum(512 for l in found if l == 1)
    expected = ", ".join(f"{n} x {size}" for n, size in ((small, "4K"), (found.count(2), "2M")) if n)
    assert f"pages by size: {expected}\n".encode() in k.summary, (k.summary, found)
    k.end()
    # What has blocks of 4K has no huge pages, whatever the kernel would like.
    g.check(f"echo always >{enabled}")
    assert b"pages by size: 2048 x 4K\n" in g.check("memalloc -b 4K -m 8M -o /dev/null")
    g.check(f"echo never >{enabled}")
    rc, _, err = g.run("memalloc -m 2M --thp -o /dev/null")
    assert rc == 0 and b"are off here" in err, (rc, err)
    g.check(f"echo {before} >{enabled}")


@guest_test(kernels=FEW)
def test_locked_memory(g):
    k = Kept(g, "-b", "4K", "-m", "1.5M", "--lock")
    assert len(k.pages) == 384
    assert re.search(rb"VmLck:\s+1536 kB", g.read_file(f"/proc/{k.pid}/status"))
    k.end()
    rc, out, err = g.run("ulimit -l 64; memalloc -m 1M --lock", user=1000)
    assert rc == 3 and not out and b"ulimit -l" in err, (rc, out, err)


@guest_test()
def test_hidden_frames_are_said(g):
    rc, out, err = g.run("memalloc -b 4K -m 64K", user=1000)
    assert rc == 0, err
    lines = out.splitlines()
    assert all(re.fullmatch(rb"VA=0x[0-9a-f]+ -> PA=hidden", l) for l in lines[:16]), out
    assert b"PA=0x" not in out and b"hidden: needs CAP_SYS_ADMIN" in out and b"stretch" not in out, out
    records = [json.loads(l) for l in g.check("memalloc -b 4K -m 64K --json", user=1000).splitlines()]
    assert all(r["pa"] is None for r in records if r["rec"] == "page")
    assert records[-1]["hidden"] and records[-2]["extents"] is None, records[-2:]


@guest_test(kernels=FEW, each=("pagemap", "kcore"))
def test_not_a_read_a_page(g, source):
    k = Kept(g, "-b", "4K", "-m", "32M", "-s", source)
    reads = int(re.search(rb"syscr: (\d+)", g.read_file(f"/proc/{k.pid}/io"))[1])
    assert reads < 2000, f"{reads} reads for {len(k.pages)} pages"
    k.end()


@guest_test(kernels=FEW)
def test_keep_ends_as_it_says(g):
    """At the end of a pipe, at a signal; /dev/null is no end."""
    Kept(g, "-m", "4K").end()
    for sig in (15, 2, 1):
        k = Kept(g, "-m", "4K")
        k.process.kill(sig)
        assert k.process.wait(30)[0] == 0
    out = g.check("memalloc -m 8K -k -o /tmp/k </dev/null >/tmp/s & p=$!; sleep 2; kill -0 $p && cat /tmp/s; kill $p; wait $p; rm /tmp/k /tmp/s")
    assert b"keeps it" in out, out


@guest_test(kernels=FEW)
def test_bad_input(g):
    for args in ("", "-m", "-m 0", "-m -1", "-m x", "-m 1Q", "-m 1.", "-m .5M", "-m 1.5.2M", "-m 99999999999999999999G", "-m 1M 2M",
                 "-b 8K -m 1M", "-b 4K -m 1M --huge", "-b 4K -m 1M --thp", "-m 2M --huge --thp", "-m 1M --frob"):
        rc, out, err = g.run(f"memalloc {args}")
        assert rc == 2 and not out and err.count(b"\n") == 1, (args, rc, out, err)
    for args, word in (("-m 10G", b"ask for less"), ("-m 8000000G", b"no process"), ("-m 4K -o /no/such/file", b"No such"),
                       ("-m 4K -s nonsense", b"nonsense")):
        rc, out, err = g.run(f"memalloc {args}")
        assert rc == 3 and not out and word in err, (args, rc, out, err)
    assert len(g.check("memalloc -m 1.001K -n").splitlines()) == 1
    assert len(g.check("memalloc -m 0.01g -n").splitlines()) == 2622
