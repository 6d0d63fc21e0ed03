#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What golden outputs cannot pin: pipes, terminals, files, order in time, the machine at hand.

  behaviour.py PAGEWALK

Speaks TAP.
"""
import glob
import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PAGEWALK = ""
MACHINE = ["-s", os.path.join(HERE, "machine.text")]


def run(*args, stdin=b"", **more):
    return subprocess.run([PAGEWALK, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                          check=False, **more)


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def on_terminal(args, **env):
    """What a command prints to a terminal."""
    master, slave = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    environ.update({"TERM": "xterm", **env})
    p = subprocess.Popen([PAGEWALK, *args], stdout=slave, stderr=slave, env=environ)
    os.close(slave)
    text = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # EIO: the other end is closed
            break
        if not part:
            break
        text += part
    p.wait(timeout=60)
    os.close(master)
    return text


def test_a_closed_pipe_is_no_error():
    p = subprocess.Popen([PAGEWALK, "dump", "kernel", "--entries", "--json", *MACHINE], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    assert p.stdout.readline().startswith(b'{"rec":"head"')
    p.stdout.close()
    assert p.wait(timeout=60) == 0
    assert p.stderr.read() == b""
    p.stderr.close()


def test_a_full_device_is_an_error():
    with open("/dev/full", "wb") as full:
        p = subprocess.run([PAGEWALK, "dump", "4242", *MACHINE], stdout=full, stderr=subprocess.PIPE, check=False)
    assert p.returncode == 3, p.returncode
    assert p.stderr == b"pagewalk: standard output: No space left on device\n", p.stderr


def test_tables_are_scanned_by_what_is_asked_for():
    def dump(simd):
        return run("dump", "4242", "--exact", "--kernel", *MACHINE, env={**os.environ, "PAGEWALK_SIMD": simd})

    assert dump("plain").stdout == dump("").stdout
    assert dump("plain").returncode == 0
    wrong = dump("mmx")
    assert (wrong.returncode, wrong.stdout) == (2, b""), wrong
    assert wrong.stderr == b"pagewalk: PAGEWALK_SIMD is 'mmx': there are plain and avx2\n", wrong.stderr


def test_colours_only_on_a_terminal():
    command = ["dump", "kernel", *MACHINE]
    assert b"\033[" not in run(*command).stdout
    assert b"\033[31mrwx-\033[0m" in on_terminal(command)


def test_no_color_is_respected():
    assert b"\033[" not in on_terminal(["dump", "kernel", *MACHINE], NO_COLOR="1")
    assert b"\033[" in on_terminal(["dump", "kernel", "--color", "always", *MACHINE], NO_COLOR="1")
    assert b"\033[" not in on_terminal(["dump", "kernel", *MACHINE], TERM="dumb")


def test_names_cannot_reach_the_terminal_raw():
    for args in (["dump", "4300"], ["vmas", "4300"], ["translate", "4300", "401000"], ["dump", "4300", "--json"]):
        for command in (args, args + ["--color", "never"]):
            out = on_terminal(command + MACHINE)
            out = out.replace(b"\033[1m", b"").replace(b"\033[0m", b"")
            assert b"\033" not in out and b"\xff" not in out, out


def test_output_goes_to_the_file():
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "out")
        p = run("dump", "4242", "-o", path, *MACHINE)
        assert (p.returncode, p.stdout, p.stderr) == (0, b"", b"")
        with open(path, "rb") as f:
            assert f.read() == run("dump", "4242", *MACHINE).stdout


def test_a_failure_leaves_the_file_alone():
    with tempfile.NamedTemporaryFile() as f:
        f.write(b"precious\n")
        f.flush()
        assert run("dump", "99999", "-o", f.name, *MACHINE).returncode == 3
        assert run("translate", "4242", "xyz", "-o", f.name, *MACHINE).returncode == 2
        with open(f.name, "rb") as again:
            assert again.read() == b"precious\n"


def test_an_address_is_answered_before_the_next_is_asked():
    p = subprocess.Popen([PAGEWALK, "translate", "4242", "-", "-n", *MACHINE], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    for address in (b"7f3a5c2d41b8", b"7ffd1c3a9000"):
        p.stdin.write(address + b"\n")
        p.stdin.flush()
        assert select.select([p.stdout], [], [], 60)[0], "no answer"
        assert p.stdout.readline().startswith(b"0x" + address)
    p.stdin.close()
    assert p.wait(timeout=60) == 0
    p.stdout.close()


def test_many_addresses_are_all_answered_in_order():
    asked = [0x55d0c8e2c000 + i * 8 for i in range(100000)]
    text = " ".join(f"{va:x}" for va in asked)  # without a newline at the end
    p = run("translate", "4242", "-", "--json", *MACHINE, stdin=text.encode())
    got = [r["va"] for r in records(p.stdout) if r["rec"] == "translation"]
    assert got == [hex(va) for va in asked]
    assert p.returncode == 0


def test_json_is_framed_and_valid():
    for path in glob.glob(os.path.join(HERE, "golden", "*-json")):
        with open(path, encoding="utf-8") as f:
            lines = [line for line in f if line.startswith("{")]
        got = records("".join(lines))
        assert got[0]["rec"] == "head" and got[0]["schema"] == "pagewalk/1", path
        assert got[-1]["rec"] == "end" and [r["rec"] for r in got].count("end") == 1, path
        for r in got:
            for key in ("va", "end", "pa", "raw", "slot", "table"):
                assert r.get(key) is None or r[key].startswith("0x"), (path, r)


def test_text_fits_its_width():
    for args in (["dump", "4242"], ["dump", "4242", "[heap]", "--entries"], ["vmas", "4242"],
                 ["translate", "4242", "7f3a5c2d41b8"], ["decode", "80000001a2f3c867"]):
        for line in run(*args, *(MACHINE if args[0] != "decode" else [])).stdout.decode().splitlines():
            if not line.startswith(("mapped ", "8 VMAs ")) and "(deleted)" not in line:  # a sum, a long name
                assert len(line) <= 102, line


def test_tree_holds_every_word_of_every_table():
    words = {}
    page = None
    with open(MACHINE[1], "rb") as f:
        for line in f.read().decode("latin-1").splitlines():
            field = line.split("#")[0].split()
            if not field:
                continue
            if field[0] == "page":
                page = int(field[1], 16)
            elif "=" in field and page is not None:
                first, _, last = field[0].partition("-")
                step = int(field[4], 16) if len(field) > 3 else 0
                for i in range(int(first), int(last or first) + 1):
                    words[page + 8 * i] = (int(field[2], 16) + (i - int(first)) * step) & (2**64 - 1)
    seen = {}
    for args in (["kernel"], ["4242", "--user", "--kernel"], ["4300"], ["4400"], ["4500"]):
        for r in records(run("dump", *args, "--tree", "--json", *MACHINE).stdout):
            if r["rec"] == "entry":
                seen[int(r["slot"], 16)] = int(r["raw"], 16)
    assert seen == words, {hex(k) for k in set(seen.items()) ^ set(words.items())}


def test_doctor_tells_what_auto_takes():
    p = run("doctor", "--json")
    got = records(p.stdout)
    exact = [r["exact"] for r in got if r["rec"] == "source" and r["auto"]]
    assert p.returncode == (3 if not exact else 0 if exact[0] else 1), (p.returncode, got)
    assert {r["source"] for r in got if r["rec"] == "source"} >= {"bpf", "kcore", "pagemap"}
    assert run("doctor").returncode == p.returncode


def test_own_process_can_be_looked_at():
    p = run("dump", "self", "--json")
    if p.returncode == 3:
        assert p.stderr.startswith(b"pagewalk: "), p.stderr
        return
    got = records(p.stdout)
    assert p.returncode in (0, 4) and got[-1]["rec"] == "end" and got[-1]["leaves"] > 0
    assert any(r.get("name") == "[stack]" for r in got)


def lime(path, *ranges):
    """An image with an address space that maps 0x7000 to 0x12345000; its root is at 0x1000. Ranges are (first, last)."""
    memory = bytearray(0x6000)
    for slot, raw in ((0x1000, 0x2067), (0x2000, 0x3067), (0x3000, 0x4067), (0x4038, 0x12345067)):
        struct.pack_into("<Q", memory, slot, raw)
    with open(path, "wb") as f:
        for lo, last in ranges:
            f.write(struct.pack("<4sIQQQ", b"EMiL", 1, lo, last, 0) + memory[lo:last + 1])


def test_an_image_is_walked_and_says_how_far_it_can_be_trusted():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "image")
        lime(path, (0x1000, 0x5fff))
        for options, consistency in ((), "smeared"), (("--frozen",), "frozen"):
            p = run("dump", "-s", path, "root:1000", "--entries", "--json", *options)
            got = records(p.stdout)
            assert p.returncode == 0 and not p.stderr and got[0]["source"] == "image", p
            assert got[0]["consistency"] == consistency, got[0]
            assert [r["pa"] for r in got if r.get("kind") == "leaf"] == ["0x12345000"], got
        p = run("mem", "read", "-s", path, "pa:4038", "--count", "1", "--width", "8")
        assert p.returncode == 0 and b"12345067" in p.stdout, p
        p = run("mem", "read", "-s", path, "pa:6000", "--count", "1")
        assert p.returncode == 3 and p.stderr, p
        for command in ("cpu", "0"), ("dump", "cpu:0"):
            p = run(*command, "-s", path)
            assert p.returncode == 3 and b"no registers" in p.stderr, p


def test_what_an_image_does_not_have_is_a_hole_and_no_zeros():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "image")
        lime(path, (0x1000, 0x2fff), (0x4000, 0x4fff))
        p = run("dump", "-s", path, "root:1000", "--json")
        assert p.returncode == 4 and not p.stderr, p
        assert [r["reason"] for r in records(p.stdout) if r["rec"] == "hole"] == ["not-ram"], p
        lime(path, (0x1000, 0x4fff))
        os.truncate(path, 32 + 0x2800)
        p = run("dump", "-s", path, "root:1000", "--json")
        assert p.returncode == 4 and b"truncated: 6144 bytes" in p.stderr and b"from 0x3800 on" in p.stderr, p


def test_options_for_images_are_for_images():
    for options in ("--frozen",), ("--ranges", "0-fff"):
        p = run("dump", *MACHINE, "4242", *options)
        assert p.returncode == 3 and b"is about a memory image, and source text is none" in p.stderr, p


def main():
    global PAGEWALK
    PAGEWALK = os.path.abspath(sys.argv[1])
    tests = [(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    for number, (name, test) in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} - {name}")
        except (AssertionError, subprocess.TimeoutExpired, ValueError) as e:
            failed += 1
            print(f"not ok {number} - {name}")
            print("\n".join("# " + line for line in repr(e)[:4000].splitlines()))
    print(f"# {len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
