# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel found in nothing but memory: its processes, VMAs and tables are what the guest itself said just before it was stopped."""

import json
import os
import re
import subprocess
import tempfile

from images import ranges_of, write_raw
from local import Host
from test_states import HUGE_VMA, Kernel, check_word
from testing import KERNELS, guest_test
from tool import EVERY_STATE, Mkmaps, number, pagemap, pagewalk, prepare, vmas

SCRIPT = """for p in /proc/[0-9]*; do
    read -r comm <$p/comm && echo "=== ${p#/proc/} $comm" && cat $p/maps
done 2>/dev/null; true"""
LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) (\S+) (\d+) *(.*)$")
CROWD = 200
OPTIONS = {**EVERY_STATE, "timeout": 600}


def processes(g):
    """{pid: (comm, [(lo, hi, perms, offset, inode, path)])} by /proc."""
    found, pid = {}, None
    for line in g.check(SCRIPT, timeout=300).decode(errors="replace").splitlines():
        head = re.match(r"=== (\d+) (.*)$", line)
        if head:
            pid = int(head[1])
            found[pid] = (head[2], [])
        else:
            m = LINE.match(line)
            found[pid][1].append((int(m[1], 16), int(m[2], 16), m[3], int(m[4], 16), int(m[6]), m[7] or None))
    return found


class Said:
    """A guest with a crowd and mkmaps in it, and what it says of itself."""

    def __init__(self, g):
        prepare(g)
        g.spawn(["crowd", str(CROWD), "20"], stdin=None).wait_line(rb"ready", 120)
        self.mkmaps = Mkmaps(g)
        areas = [v for v in vmas(g, self.mkmaps.pid) if "pf" not in v.flags and v.lo < 1 << 63]
        self.areas = [v for v in areas if v.hi - v.lo <= HUGE_VMA]
        self.kernel = Kernel(g)
        self.symbols = {name: int(va, 16) for va, name in
                        re.findall(r"(?m)^(\S+) \S (init_task|init_top_pgt|page_offset_base)$",
                                   g.check("cat /proc/kallsyms").decode())}
        self.processes = processes(g)
        self.words = pagemap(g, self.mkmaps.pid, [(v.lo, v.hi) for v in self.areas])


class Shot(Said):
    """The same, and then stopped: its memory as a raw image."""

    def __init__(self, g, directory):
        super().__init__(g)
        g.stop()
        self.raw = os.path.join(directory, "raw")
        write_raw(g.ram_path, ranges_of(g.memory), self.raw)


def listed(h, image, *more):
    """{pid: record} of ps, and the roots that no task has."""
    got = pagewalk(h, "ps", "-s", image, "--frozen", *more).of("process")
    return {r["pid"]: r for r in got if r["pid"]}, [number(r["root"]) for r in got if not r["pid"]]


def check_processes(h, shot, image, also=()):
    got, orphans = listed(h, image)
    said = shot.processes
    # Who said it has ended meanwhile; workers of the kernel come and go, and have what they do in their name.
    gone = {p for p in said if p not in got}
    assert all(said[p][0].startswith("kworker/") or len(said[p][1]) == 0 or said[p][0] in ("sh", "cat") for p in gone), gone
    assert len(gone) < 6, gone
    new = {p: got[p]["name"] for p in got if p not in said}
    assert all(n.startswith("kworker/") or n in also for n in new.values()), new
    for pid, record in got.items():
        if pid in said and not said[pid][0].startswith("kworker/"):
            # The kernel keeps longer names of its threads elsewhere.
            name = said[pid][0][:15] if record["kthread"] else said[pid][0]
            assert record["name"] == name and record["kthread"] == (not said[pid][1]), (record, said[pid][0])
    assert not orphans, [hex(r) for r in orphans]
    assert sum(r["name"] == "crowd" for r in got.values()) == CROWD
    return len(got)


def shown_vmas(answer, pids):
    """{pid: what processes() has of it} of vmas."""
    got = {p: [] for p in pids}
    for r in answer.of("vma"):
        got[int(r["target"])].append((number(r["va"]), number(r["end"]), r["vma"], number(r["offset"]), r["inode"],
                                      r["path"]))
    return got


def entry_at(entries, va):
    """What a dump has for a page of 4K, which can be in a huge one."""
    e = entries.get(va) or next((entries[at] for at in (va & ~0x1FFFFF, va & ~0x3FFFFFFF)
                                 if at in entries and at + entries[at]["size"] > va), None)
    return None if e and e["kind"] == "none" else e


def check_vmas(h, shot, image):
    users = [p for p, (comm, areas) in shot.processes.items() if areas and comm not in ("sh", "cat")]
    answer = pagewalk(h, "vmas", "-s", image, "--frozen", *users, ok=(0, 4), timeout=300)
    got = shown_vmas(answer, users)
    for pid in users:
        assert got[pid] == shot.processes[pid][1], \
            (pid, shot.processes[pid][0], set(got[pid]) ^ set(shot.processes[pid][1]))
    return sum(map(len, got.values()))


def check_pages(h, shot, image):
    entries = dict(pagewalk(h, "dump", "-s", image, "--frozen", "--entries", shot.mkmaps.pid, ok=(0, 4), timeout=300).entries())
    wrong, n = [], 0
    for area in shot.areas:
        for va in range(area.lo, area.hi, 4096):
            why = check_word(shot.kernel, va, shot.words[va], entry_at(entries, va), area)
            n += 1
            if why:
                wrong.append(why)
    assert not wrong, "\n".join(wrong[:10]) + f"\n{len(wrong)} of {n}"
    return n


def check_memory(h, shot, image):
    """The bytes of VMAs as mem read extracts them: what is in memory is there, what is not is a hole in the file."""
    n, holes, out = 0, 0, os.path.join(os.path.dirname(image), "extracted")
    areas = [a for a in shot.areas if any(shot.words[va] for va in range(a.lo, a.hi, 4096))]
    with open(image, "rb") as ram:
        for area in {*areas[::8], *sorted(areas, key=lambda a: a.lo - a.hi)[:20]}:
            rc, _, err = h.run(["pagewalk", "mem", "read", str(shot.mkmaps.pid), f"{area.lo:x}-{area.hi:x}", "--raw", "-o", out,
                                "-s", image])
            assert rc in (0, 4) and os.path.getsize(out) == area.hi - area.lo, (area, rc, err)
            fd, missing = os.open(out, os.O_RDONLY), 0
            for va in range(area.lo, area.hi, 4096):
                word, at = shot.words[va], va - area.lo
                if word >> 63:
                    ram.seek((word & (1 << 55) - 1) << 12)
                    assert os.pread(fd, 4096, at) == ram.read(4096), f"{va:#x} of {area}"
                    n += 1
                else:
                    assert os.lseek(fd, at, os.SEEK_HOLE) == at, f"{va:#x} of {area} is no hole"
                    missing += 1
            os.close(fd)
            assert (rc == 4) == (missing > 0) and (not missing or f" {4096 * missing} bytes" in err.decode()), (area, rc, err)
            holes += missing
    assert n > 1000 and holes > 50, (n, holes)
    return n


def facts(h, image, *more):
    return {r["fact"]: r["value"] for r in pagewalk(h, "info", "-s", image, *more).of("fact")}


def check_facts(g, h, shot, image):
    f = facts(h, image)
    assert f["system"] == f"Linux {g.kernel.version}", f
    init_task = shot.symbols["init_task"]
    assert int(f["first-task"], 16) == init_task, (f, hex(init_task))
    phys_base = int(f["phys-base"], 16)
    root = shot.symbols["init_top_pgt"] - 0xFFFFFFFF80000000 + phys_base & (1 << 64) - 1
    assert int(f["kernel-root"], 16) == root, (f, hex(root))
    at = shot.symbols["page_offset_base"] - 0xFFFFFFFF80000000 + phys_base & (1 << 64) - 1
    assert int(f["page-offset"], 16) == g.memory.entry(at), f
    assert f["paging"] == f"x86-64, {g.paging_levels()} levels"


def blind(image, to):
    """The same without any VMCOREINFO."""
    with open(image, "rb") as f:
        data = bytearray(f.read())
    n = 0
    for m in list(re.finditer(rb"OSRELEASE=\d", data)):
        page = m.start() & ~4095
        data[m.start():page + 4096] = bytes(page + 4096 - m.start())
        n += 1
    assert n >= 2, "VMCOREINFO was not there"
    with open(to, "wb") as f:
        f.write(data)


def check_all(g, h, shot, image):
    check_facts(g, h, shot, image)
    n = check_processes(h, shot, image)
    return n, check_vmas(h, shot, image), check_pages(h, shot, image)


@guest_test(kernels=KERNELS, **OPTIONS)
def test_processes_vmas_and_pages_are_the_guests(g):
    with tempfile.TemporaryDirectory() as d, Host() as h:
        shot = Shot(g, d)
        counts = check_all(g, h, shot, shot.raw)
        without = os.path.join(d, "blind")
        blind(shot.raw, without)
        assert check_all(g, h, shot, without) == counts
        extracted = check_memory(h, shot, shot.raw)
        print(f"     {g.name}: {counts[0]} processes, {counts[1]} VMAs, {counts[2]} pages; {extracted} extracted", flush=True)


def members(btf, directory):
    """{member: byte offset} of task_struct."""
    path = os.path.join(directory, "btf.raw")
    with open(path, "wb") as f:
        f.write(btf)
    out = subprocess.run(["bpftool", "-j", "btf", "dump", "file", path], check=True, stdout=subprocess.PIPE).stdout
    task = next(t for t in json.loads(out)["types"] if t["kind"] == "STRUCT" and t["name"] == "task_struct")
    return {m["name"]: m["bits_offset"] // 8 for m in task["members"]}


@guest_test(kernels=("5.10-4", "6.12-5", "7.2-5"), **OPTIONS)
def test_a_process_that_left_the_list_is_seen_by_its_root(g):
    """Its task is taken out of the list of tasks in the image, as rootkits do it."""
    with tempfile.TemporaryDirectory() as d, Host() as h:
        at = members(g.read_file("/sys/kernel/btf/vmlinux"), d)
        hidden = g.spawn(["mkmaps", "--only", "anon"], stdin=None)
        hidden.wait_line(rb"(?m)^ready ", 60)
        g.stop()
        raw = os.path.join(d, "raw")
        write_raw(g.ram_path, ranges_of(g.memory), raw)
        before, _ = listed(h, raw)
        f = facts(h, raw)
        direct, image = int(f["page-offset"], 16), 0xFFFFFFFF80000000 - int(f["phys-base"], 16) & (1 << 64) - 1

        def phys(va):
            return va - image & (1 << 64) - 1 if va >= 0xFFFFFFFF80000000 else va - direct

        with open(raw, "r+b") as f:
            data = bytearray(f.read())

            def word(pa):
                return int.from_bytes(data[pa:pa + 8], "little") if 0 <= pa < len(data) else 0

            def is_task(pa):
                node = pa + at["tasks"]
                return word(pa + at["pid"]) & 0xFFFFFFFF == hidden.pid and word(phys(word(node)) + 8) == node + direct

            task = next(m.start() - at["comm"] for m in re.finditer(rb"mkmaps\0", data) if is_task(m.start() - at["comm"]))
            following, prior = word(task + at["tasks"]), word(task + at["tasks"] + 8)
            f.seek(phys(prior))
            f.write(following.to_bytes(8, "little"))
            f.seek(phys(following) + 8)
            f.write(prior.to_bytes(8, "little"))
        after, orphans = listed(h, raw)
        assert hidden.pid in before and hidden.pid not in after
        assert orphans == [number(before[hidden.pid]["root"])], (orphans, before[hidden.pid])
        answer = pagewalk(h, "dump", f"root:{orphans[0]:x}", "--user", "--entries", "-s", raw, "--frozen", ok=(0, 4))
        assert len(answer.entries("leaf")) > 50


@guest_test(kernels=("6.1-4",), **{**OPTIONS, "cmdline": "pti=on nokaslr"})
def test_under_pti_without_kaslr(g):
    with tempfile.TemporaryDirectory() as d, Host() as h:
        shot = Shot(g, d)
        check_all(g, h, shot, shot.raw)
        assert facts(h, shot.raw)["pti"] == "on"
