# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stopped guest as a memory image, in every format: what is read from it is what QEMU's MMU would do, exactly.

QEMU writes ELF and kdump itself, the other formats are made from its RAM by images.py. The pagewalk that reads them runs on
the host: it has nothing but the file.
"""

import os
import resource
import shutil
import struct
import subprocess
import tempfile
import zlib
from contextlib import contextmanager

import images
import initramfs
from testing import guest_test, host_test
from tool import EVERY_STATE, Answer, Mkmaps, number, prepare

KERNELS = ("5.10-4", "6.1-4", "6.12-5", "7.2-5")
SHOWN = 0x80000000000001FE  # the bits that `info tlb` shows
MOST_MEMORY = 64 << 20
MAKEDUMPFILE_KNOWS = ("5.10", "6.1")


@contextmanager
def directory():
    path = tempfile.mkdtemp(prefix="pagewalk-images-", dir="/var/tmp")
    try:
        yield path
    finally:
        shutil.rmtree(path)


def little_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def ask_image(path, *args):
    """(the Answer of a command, what it said beside); with no more memory than images may take."""
    command = [initramfs.programs()["pagewalk"], "-s", path, *args, "--json"]
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=little_memory, timeout=300,
                       check=False)
    assert p.returncode == 0, f"{command} exits {p.returncode}: {p.stderr.decode()}"
    return Answer(p.stdout), p.stderr.decode()


def read_image(path, *args):
    """The same of a whole dump."""
    return ask_image(path, "dump", *args, "--user", "--kernel", "--entries")


def read_processes(path, pid, *args):
    """What an image has of its processes, and of the VMAs of one."""
    return ask_image(path, "ps", *args)[0].of("process"), ask_image(path, "vmas", str(pid), *args)[0].of("vma")


def text_lines(path, *args):
    command = [initramfs.programs()["pagewalk"], *args, "-s", path]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300).stdout.decode().splitlines()


def check_without_kernel(path, root, *args):
    """Where tables say all that is shown, the kernel is not looked for: it changes nothing. With names of bits it is."""
    columns = "range,size,perm,pages,accessed,dirty,phys,name"
    for more in ((), ("--phys",)):
        dump = ("dump", root, "--user", "--kernel", *more, *args, "--columns")
        alone, beside = text_lines(path, *dump, columns), text_lines(path, *dump, f"{columns},bits")
        assert len(alone) == len(beside) > 20
        differ = [pair for pair in zip(alone, beside) if not pair[1].startswith(pair[0])]
        assert not differ, f"{path}: {differ[:3]}"


class Frozen:
    """The guest stopped in user code, and the truth about its address space."""

    def __init__(self, g, cr3=None):
        self.g = g
        self.registers = g.stop_in_user(cr3=cr3)
        self.cr3 = self.registers["CR3"]
        self.levels = g.paging_levels()
        self.leaves = g.info_tlb()
        self.words = g.memory.words(self.cr3, self.levels)

    def compare(self, answer, what):
        ours = {va: (number(r["pa"]), r["size"], number(r["raw"]) & SHOWN) for va, r in answer.entries("leaf")}
        theirs = {va: (leaf.pa, leaf.size, leaf.bits) for va, leaf in self.leaves.items()}
        if ours != theirs:
            wrong = [va for va in ours.keys() | theirs.keys() if ours.get(va) != theirs.get(va)]
            raise AssertionError(f"{what}: {len(wrong)} of {len(theirs)} leaves differ from info tlb, as "
                                 + "; ".join(f"{va:#x}: {ours.get(va)}, {theirs.get(va)}" for va in sorted(wrong)[:3]))
        for va, r in answer.entries():
            raw = self.words.get(number(r["slot"]), 0)
            assert number(r["raw"]) == raw, f"{what}: {va:#x} at {r['slot']}: {r['raw']} but RAM has {raw:#x}"
        assert answer.end["complete"], f"{what}: {answer.end}"


def dump_by_qemu(g, path, **how):
    g.qmp("dump-guest-memory", protocol=f"file:{path}", **how)
    return path


def move_program_headers(elf):
    """To where makedumpfile takes them for granted: QEMU has section headers between them and the ELF header."""
    with open(elf, "r+b") as f:
        head = bytearray(f.read(64))
        at, size = struct.unpack_from("<Q", head, 32)[0], 56 * struct.unpack_from("<H", head, 56)[0]
        f.seek(at)
        headers = f.read(size)
        struct.pack_into("<QQ", head, 32, 64, 0)
        struct.pack_into("<HHH", head, 58, 64, 0, 0)
        f.seek(0)
        f.write(head + headers)


def makedumpfile(elf, path, args):
    command = ["makedumpfile", args, "--message-level", "7", elf, *([] if "F" in args else [path])]
    if os.path.exists(path):
        os.unlink(path)
    with open(path + ".flat", "wb") as out:
        p = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False)
    assert p.returncode == 0, (command, p.stderr, initramfs.read(path + ".flat")[-500:])
    return path + ".flat" if "F" in args else path


def make_all(g, where):
    """(name, file, options, what it must be called) of the guest's RAM in every format."""
    ranges = images.ranges_of(g.memory)
    size = g.memory.size

    def at(name):
        return os.path.join(where, name)

    yield "elf", dump_by_qemu(g, at("elf"), paging=False, format="elf"), (), "frozen"
    yield "elf with paging", dump_by_qemu(g, at("elf-paging"), paging=True), (), "frozen"
    yield "kdump-zlib, flattened", dump_by_qemu(g, at("flat"), paging=False, format="kdump-zlib"), (), "frozen"
    images.unflatten(at("flat"), at("kdump"))
    yield "kdump-zlib", at("kdump"), (), "frozen"
    if g.series in MAKEDUMPFILE_KNOWS:
        move_program_headers(at("elf"))
        for name, args in (("zlib", "-c"), ("lzo, without pages of zeros, caches, users' and free ones", "-ld31"),
                           ("lzo, flattened", "-lF")):
            yield f"kdump by makedumpfile, {name}", makedumpfile(at("elf"), at("made"), args), (), "frozen"
    g.qmp("pmemsave", val=0, size=g.memory.low, filename=at("raw"))
    yield "raw, by pmemsave", at("raw"), (), "smeared"
    yield "raw, that is known to be frozen", at("raw"), ("--frozen",), "frozen"
    packed = images.write_packed(g.ram_path, ranges, at("packed"))
    assert os.path.getsize(at("packed")) == size
    yield "packed", at("packed"), ("--ranges", packed), "smeared"
    yield "packed, by iomem", at("packed"), ("--ranges", iomem(at("iomem"), ranges)), "smeared"
    images.write_lime(g.ram_path, ranges, at("lime"))
    yield "lime", at("lime"), (), "smeared"
    images.write_lime(g.ram_path, ranges, at("padded"), padded=True)
    yield "lime, padded", at("padded"), (), "smeared"
    for version in (1, 2):
        images.write_avml(g.ram_path, ranges, at(f"avml{version}"), version)
        yield f"avml {version}", at(f"avml{version}"), (), "smeared"


def iomem(path, ranges):
    with open(path, "w", encoding="ascii") as f:
        for pa, _, n in ranges:
            f.write(f"{pa:08x}-{pa + n - 1:08x} : System RAM\n  {pa:08x}-{pa + 4095:08x} : Kernel code\n")
    return path


def start_processes(g, *mkmaps):
    prepare(g)
    g.spawn(["crowd", "40", "20"], stdin=None).wait_line(rb"ready", 120)
    return Mkmaps(g, "--spin", *mkmaps)


@guest_test(kernels=KERNELS, timeout=900, **{**EVERY_STATE, "modules": ("lzo-rle", "qemu_fw_cfg"),
                                             "qemu": ("-device", "bochs-display", "-device", "vmcoreinfo")})
def test_every_format_gives_what_info_tlb_gives(g):
    m = start_processes(g)
    g.check(["modprobe", "qemu_fw_cfg"])  # tells QEMU where VMCOREINFO is
    with directory() as where:
        truth = Frozen(g)
        told, processes = [], None
        for name, path, args, consistency in make_all(g, where):
            levels = () if "elf" in name or "kdump" in name else ("--paging", str(truth.levels))
            answer, said = read_image(path, f"root:{truth.cr3:x}", *levels, *args)
            truth.compare(answer, name)
            assert answer.head["consistency"] == consistency and answer.head["source"] == "image", (name, answer.head)
            assert not said, f"{name}: {said}"
            told.append(name)
            found = read_processes(path, m.pid, *args)
            processes = processes or found
            assert found == processes and len(found[0]) > 60 and len(found[1]) > 100, name
            if consistency == "frozen":
                check_without_kernel(path, f"root:{truth.cr3:x}", *args)
                check_without_kernel(path, f"root:{truth.cr3:x}", "--paging", str(truth.levels), *args)
            if consistency == "frozen" and "raw" not in name:
                truth.compare(read_image(path, "cpu:0")[0], f"{name}, cpu:0")
                if "elf" in name:
                    shown = ask_image(path, "cpu", "0", "--depth", "1")[0].of("cpu")[0]
                    assert [number(shown[r]) for r in ("cr0", "cr3", "cr4", "efer")] == \
                        [*(truth.registers[r] for r in ("CR0", "CR3", "CR4")), None], (shown, truth.registers)
                    assert (shown["pid"], shown["name"]) == (m.pid, "mkmaps"), shown
                assert answer.head["system"] == f"Linux {g.release}", answer.head
        assert truth.words == g.memory.words(truth.cr3, truth.levels), "the guest has moved"
    print(f"     {g.name}: {len(truth.leaves)} leaves, {len(truth.words)} words, {len(processes[0])} processes, "
          f"{len(processes[1])} VMAs in each: {', '.join(told)}")


@guest_test(kernels=("6.1-4",), timeout=900, mem=3072, whole_kernel=True)
def test_memory_on_both_sides_of_the_pci_hole(g):
    """QEMU's own file has the part above 4 GiB right behind the one below; no copy is made of it."""
    Mkmaps(g, "--spin")
    ranges = images.ranges_of(g.memory)
    assert len(ranges) == 2, ranges
    listed = ",".join(f"{pa:x}-{pa + n - 1:x}" for pa, _, n in ranges)
    with directory() as where:
        truth = Frozen(g)
        truth.compare(read_image(g.ram_path, f"root:{truth.cr3:x}", "--ranges", listed,
                                 "--paging", str(truth.levels))[0], "QEMU's own file")
        high = sum(pa >= 4 << 30 for pa in truth.words)
        assert high > 1000, f"only {high} words of tables are above the hole"
        flat = dump_by_qemu(g, os.path.join(where, "flat"), paging=False, format="kdump-zlib")
        truth.compare(read_image(flat, "cpu:0")[0], "flattened")
        os.unlink(flat)
        elf = dump_by_qemu(g, os.path.join(where, "elf"), paging=False)
        truth.compare(read_image(elf, "cpu:0")[0], "elf")
    print(f"     {g.name}: {len(truth.leaves)} leaves, {high} of {len(truth.words)} words above the hole")


# Images that are larger than memory, or in more pieces than fit: read within MOST_MEMORY.

LEAVES = 2000


def tables(top):
    """{pa: page} of an address space with LEAVES pages of 4K whose tables lie far apart below `top`; the root is at 0x1000."""
    pages = {0x1000: [0] * 512, top - 0x1000: [0] * 512, 0x3000: [0] * 512}
    pages[0x1000][0], pages[top - 0x1000][0] = (top - 0x1000) | 0x67, 0x3067
    for i in range(4):
        pa = top // 8 * (i + 1)
        pages[0x3000][i] = pa | 0x67
        pages[pa] = [(0x5000000 + 4096 * (512 * i + k)) | 0x67 for k in range(LEAVES // 4)] + [0] * (512 - LEAVES // 4)
    return {pa: struct.pack("<512Q", *words) for pa, words in pages.items()}


def check_large(path, *args):
    answer, said = read_image(path, "root:1000", *args)
    assert len(answer.entries("leaf")) == LEAVES and answer.end["complete"], (path, answer.end, said)


@host_test()
def test_sparse_64_gib_raw_takes_little_memory():
    with directory() as where:
        path = os.path.join(where, "raw")
        with open(path, "wb") as f:
            f.truncate(64 << 30)
            for pa, page in tables(64 << 30).items():
                f.seek(pa)
                f.write(page)
        check_large(path)
        check_large(path, "--ranges", f"0-{(64 << 30) - 1:x}")


@host_test(each=("elf", "lime"))
def test_100000_pieces_of_memory_take_little_memory(kind):
    """Every other page of 800 MiB, the last first, and the tables among them."""
    pages = {pa: bytes(4096) for pa in range(0x5000, 0x5000 + 8192 * 100000, 8192)}
    pages.update(tables(1 << 30))
    order = sorted(pages, reverse=True)
    with directory() as where:
        path = os.path.join(where, kind)
        with open(path, "wb") as f:
            at = 64 + 64 + 56 * len(order)
            if kind == "elf":
                f.write(struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 62, 1, 0, 128, 64, 0, 64, 56, 0xFFFF, 64, 1, 0))
                f.write(struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, len(order), 0, 0))
                for pa in order:
                    f.write(struct.pack("<IIQQQQQQ", 1, 0, at, 0, pa, 4096, 4096, 0))
                    at += 4096
            for pa in order:
                if kind == "lime":
                    f.write(struct.pack("<4sIQQQ", b"EMiL", 1, pa, pa + 4095, 0))
                f.write(pages[pa])
        check_large(path)
        # Cut off within the memory, it still gives what it has, and says so.
        os.truncate(path, os.path.getsize(path) - 300 * 4096)
        p = subprocess.run([initramfs.programs()["pagewalk"], "-s", path, "dump", "root:1000"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, preexec_fn=little_memory, timeout=60, check=False)
        assert p.returncode == 4 and b"truncated" in p.stderr, (p.returncode, p.stderr)


@host_test(each=("whole", "flattened"))
def test_kdump_of_64_gib_takes_little_memory(form):
    """16 million pages of zeros that share one block, as QEMU writes them, and the tables."""
    own = tables(64 << 30)
    count, block = (64 << 30) // 4096, 4096
    half = count // 8
    head = bytearray(2 * block)
    struct.pack_into("<8sI", head, 0, b"KDUMP   ", 6)
    head[12 + 4 * 65:12 + 4 * 65 + 6] = b"x86_64"
    struct.pack_into("<IIIII", head, 424, 1, block, 1, 2 * half // block, count)
    struct.pack_into("<Q", head, block + 96, count)
    descs = 2 * block + 2 * half
    data = descs + 24 * count
    packed = {}
    blocks = b""
    for pa, page in [(None, bytes(4096)), *own.items()]:
        z = zlib.compress(page, 1)
        packed[pa] = struct.pack("<QIIQ", data + len(blocks), len(z), 1, 0)
        blocks += z
    with directory() as where:
        path = os.path.join(where, form)
        with open(path, "wb") as f:
            if form == "whole":
                def put(offset, what):
                    f.seek(offset)
                    f.write(what)
            else:
                f.write(b"makedumpfile".ljust(16, b"\0") + struct.pack(">QQ", 1, 1))
                f.seek(4096)

                def put(offset, what):
                    for i in range(0, len(what), 16384):
                        part = what[i:i + 16384]
                        f.write(struct.pack(">QQ", offset + i, len(part)) + part)
            put(0, bytes(head))
            put(2 * block, b"\xff" * (2 * half))
            for first in range(0, count, 4096):
                part = [packed[None]] * 4096
                for pa in own:
                    if first <= pa // 4096 < first + 4096:
                        part[pa // 4096 - first] = packed[pa]
                put(descs + 24 * first, b"".join(part))
            put(data, blocks)
            if form != "whole":
                f.write(b"\xff" * 16)
        check_large(path)
