# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/pagetable: the kernel half of its README line by line; each line against a walk through guest RAM."""

import re
import time

from ask import Ask, check_errors, commands_only, gates
from kmod import ORIGINS, load_origins
from memory import ADDRESS, PRESENT
from ofuzz import ofuzz
from testing import guest_test

FILE = "/proc/pagetable"
FEW = ("5.10-4", "6.1-5", "7.2-5")
LINE = re.compile(r"(Vmalloc|Kmalloc): VA=0x([0-9a-f]{16}) -> PA=0x([0-9a-f]{16})")


def pages(answer, title):
    """[(va, pa)] of the lines, all of which have to be of that form."""
    found = [LINE.fullmatch(l) for l in answer.splitlines()]
    assert found and all(found) and {m[1] for m in found} == {title}, answer[:300]
    return [(int(m[2], 16), int(m[3], 16)) for m in found]


def in_ram(g, va):
    """Where a walk through guest RAM leads from the CPU's root, or None."""
    step = g.walk(va)[-1]
    size = 1 << (12 + 9 * (step.level - 1))
    return (step.raw & ADDRESS & ~(size - 1)) + va % size if step.raw & PRESENT else None


def check_pages(g, answer, title, bytes_):
    """Every page of an allocation that is still held."""
    got = pages(answer, title)
    assert len(got) == (bytes_ + 4095) // 4096, (len(got), bytes_)
    assert [va for va, _ in got] == [got[0][0] + 4096 * i for i in range(len(got))], "a page is missing"
    for va, pa in got:
        assert pa == in_ram(g, va), f"{va:#x} -> {pa:#x}, RAM says {in_ram(g, va)}"
        assert not any(g.read_phys(pa, 4096)) or bytes_ < 4096, f"{pa:#x} is not the memory that was asked for"
    return got


def physically_contiguous(got):
    return all(b == a + 4096 for (_, a), (_, b) in zip(got, got[1:]))


@guest_test(**ORIGINS)
def test_readme(g):
    load_origins(g, log=1)
    assert b"pagewalk_origins" in g.check("lsmod | grep pagewalk")
    for title in ("Vmalloc", "Kmalloc"):
        mark = g.log_mark()
        # As typed, and again in sessions of their own.
        for session in ("", "setsid "):
            assert g.check(f'echo "{title.lower()}" | {session}tee {FILE}; true') == title.lower().encode() + b"\n"
            answer = g.check(f"{session}cat {FILE}; true").decode()
            assert len(pages(answer, title)) == 256, "1 MiB is 256 pages"
        log = g.check("dmesg | tail -n 100").decode()
        assert log.count(title + ":") > 90, log[-300:]  # the kernel may say something meanwhile
        log = g.kernel_log()
        log = [m[0] for m in map(LINE.search, log[log.rindex(mark):].splitlines()) if m]
        assert log[256:] == answer.splitlines(), "the log has something else than the file"
    g.check(["rmmod", "pagewalk_origins"])
    assert g.run(["test", "-e", FILE])[0] == 1


@guest_test(**ORIGINS)
def test_each_page_is_where_ram_has_it(g):
    load_origins(g)
    mark = g.log_mark()
    a = Ask(g, FILE)
    for command, bytes_ in (("vmalloc", 1 << 20), ("kmalloc", 1 << 20), ("vmalloc 8M", 8 << 20), ("kmalloc 64K", 65536),
                            ("vmalloc 4097", 4097), ("kmalloc 4096", 4096), ("kmalloc 1", 1), ("vmalloc 1", 1)):
        title = command[0].upper() + command[1:7]
        got = check_pages(g, a(command), title, bytes_)
        if title == "Kmalloc":
            assert physically_contiguous(got), "kmalloc's memory is in one piece"
            assert len({va - pa for va, pa in got}) == 1, "the direct map has one offset"
    # Two descriptors have memory of their own, both at once.
    b = Ask(g, FILE)
    one, two = check_pages(g, a("vmalloc"), "Vmalloc", 1 << 20), check_pages(g, b("vmalloc"), "Vmalloc", 1 << 20)
    assert not {pa for _, pa in one} & {pa for _, pa in two}
    assert all(pa == in_ram(g, va) for va, pa in one), "given back while its descriptor was open"
    log = g.kernel_log()
    assert "malloc" not in log[log.rindex(mark):], "nobody asked for a log"


def free_bytes(g):
    """Free memory, with the lists of free pages that each CPU keeps."""
    out = g.check("echo 3 >/proc/sys/vm/drop_caches; cat /proc/meminfo /proc/zoneinfo")
    kept = sum(int(n) for n in re.findall(rb"(?m)^ +count: +(\d+)$", out))
    return (int(re.search(rb"MemFree: +(\d+)", out)[1]) << 10) + kept * 4096


def assert_given_back(g, before):
    for _ in range(30):
        if before - free_bytes(g) < 4 << 20:
            return
        time.sleep(0.2)
    raise AssertionError(f"not given back: {before >> 10} K were free, now {free_bytes(g) >> 10} K")


@guest_test(kernels=FEW, mem=768, **ORIGINS)
def test_memory_is_bounded_and_given_back(g):
    load_origins(g)
    before = free_bytes(g)
    asks = [Ask(g, FILE) for _ in range(5)]
    for a in asks[:4]:
        assert len(pages(a("vmalloc 64M"), "Vmalloc")) == 16384
    error, said = asks[4].fails("vmalloc 64M")
    assert error == "ENOMEM" and said == "Vmalloc: 67108864 bytes cannot be had\n", (error, said)
    assert before - free_bytes(g) > 240 << 20
    # The next command gives back what the last one got; so does closing, and the module's end.
    asks[0]("kmalloc 4K")
    assert asks[4].write("vmalloc 60M") is None
    asks[1].close()
    asks[2].process.kill()
    g.check(["rmmod", "pagewalk_origins"])
    assert_given_back(g, before)
    assert asks[0].write("kmalloc") == "EIO"


@guest_test(kernels=FEW, **ORIGINS)
def test_a_failing_kmalloc_says_so(g):
    """One that the allocator cannot serve: memory is filled until there is no 4 MiB in one piece, or by the bound of all."""
    load_origins(g)
    asks = []
    if g.mem_mib > 512:  # the debug kernel's; the agent runs 64 commands at most
        asks = [Ask(g, FILE) for _ in range(3)]
        assert all(a.write("vmalloc 64M") is None for a in asks)
    for _ in range(50):
        a = Ask(g, FILE)
        asks.append(a)
        error = a.write("kmalloc 4M")
        if error:
            break
    assert error == "ENOMEM" and a.read() == "Kmalloc: 4194304 bytes cannot be had\n", error
    assert g.check(["cat", FILE]) == b"Kmalloc: 4194304 bytes cannot be had\n"
    print(f"     {g.name}: {len(asks) - 1} blocks of 4 MiB before", flush=True)


@guest_test(kernels=FEW, **ORIGINS)
def test_bad_input(g):
    load_origins(g)
    a = Ask(g, FILE)
    commands_only(a, "kmalloc 8K")
    held = pages(a("vmalloc 16K"), "Vmalloc")
    check_errors(a, [
        ("vmalloc 0", "ERANGE"), ("kmalloc 0K", "ERANGE"), ("kmalloc 4194305", "ERANGE"), ("kmalloc 5M", "ERANGE"),
        ("vmalloc 65M", "ERANGE"), ("vmalloc 67108865", "ERANGE"), ("vmalloc 18446744073709551615", "ERANGE"),
        ("vmalloc 18446744073709551616", "ERANGE"), ("vmalloc 18014398509481984K", "ERANGE"), ("vmalloc -1", "EINVAL"),
        ("vmalloc -1M", "EINVAL"), ("vmalloc K", "EINVAL"), ("vmalloc 1G", "EINVAL"), ("vmalloc 1k", "EINVAL"),
        ("vmalloc 1KK", "EINVAL"), ("vmalloc 0x1000", "EINVAL"), ("vmalloc 1.5M", "EINVAL"), ("vmalloc 1 M", "EINVAL"),
        ("vmallocs", "EINVAL"), ("vmalloc,1", "EINVAL"), ("malloc", "EINVAL"),
    ])
    assert all(pa == in_ram(g, va) for va, pa in held), "a refused command took the memory away"


@guest_test(fresh=True, kernels=FEW, **ORIGINS)
def test_gates(g):
    load_origins(g)
    gates(g, FILE, "kmalloc 4K")


@guest_test(kernels=("5.10-4", "newest-5"), timeout=900, mem=512, **ORIGINS)
def test_random_input(g):
    load_origins(g)
    before = free_bytes(g)
    count = 50_000 if g.kernel.slowness == 1 else 5_000
    words = ("vmalloc", "kmalloc", "vmalloc 64K", "kmalloc 8K", "vmalloc 4097", "kmalloc 1", "vmalloc 64M", "kmalloc 4M",
             "vmalloc @n", "kmalloc @n", "4096", "1M", "1K", "0", "65M", "@n", "-1", "K", "M")
    n = ofuzz(g, [FILE], {"write": {"EINVAL", "E2BIG", "ERANGE", "ENOMEM", "ESPIPE"}, "read": {"ESPIPE"}, "seek": {"ESPIPE"}},
              words=words, count=count, timeout=800)[FILE]
    assert n["write"][1] > n["write"][0] // 50 and n["read"][1], n
    print(f"     {g.name}: " + ", ".join(f"{k} {ok}/{all_}" for k, (all_, ok) in n.items()), flush=True)
    load_origins(g)
    assert_given_back(g, before)
