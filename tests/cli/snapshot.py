#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of the synthetic machines: every golden case says the same from them; kill -9 leaves nothing broken.

  snapshot.py PAGEWALK

Speaks TAP.
"""
import glob
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

import golden

HERE = os.path.dirname(os.path.abspath(__file__))
PAGEWALK = ""
WHERE = ""
# They need memory, or a live system.
OTHERS = ("mem ", "alloc", "kalloc", "dev_mem", "pagemap_dump", "doctor", "snapshot", "diff", "info")


def run(*args, env=None, **more):
    return subprocess.run([PAGEWALK, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False,
                          cwd=HERE, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000", **(env or {})}, **more)


def snapshot(text, name=None, *more):
    path = os.path.join(WHERE, name or text.replace(".text", ".snapshot"))
    p = run("snapshot", *(more or ["--all"]), "-s", text, "-o", path)
    assert p.returncode in (0, 4), p.stderr
    return path


def neutral(text):
    """What is said, without what names the source and the command."""
    text = re.sub(r"(?m)^\$ .*\n", "", text)
    text = re.sub(r"snapshot of text, frozen, [\d-]+ [\d:]+ UTC", "text, frozen", text)
    text = text.replace("source snapshot ", "source text ")
    text = text.replace(" in the snapshot: 'pagewalk ps' lists those that are", "")
    return text.replace('"source":"snapshot"', '"source":"text"').replace(
        ',"snapshot_of":"text","taken":"2023-11-14T22:13:20Z"', "")


def cases():
    for path in sorted(glob.glob(os.path.join(HERE, "*.cases"))):
        for name, stdin, arguments in golden.read_cases(path):
            words = shlex.split(arguments)
            texts = [w for w in words if w.endswith(".text") and os.path.exists(os.path.join(HERE, w))]
            if len(texts) == 1 and not any(arguments.startswith(o) for o in OTHERS):
                yield name, stdin, arguments, texts[0]


def test_golden_cases_say_the_same_from_a_snapshot():
    done, other = 0, []
    for name, stdin, arguments, text in cases():
        path = os.path.join(WHERE, text.replace(".text", ".snapshot"))
        if not os.path.exists(path):
            snapshot(text)
        got = golden.run(PAGEWALK, stdin, arguments.replace(text, path))
        expected = golden.run(PAGEWALK, stdin, arguments)
        done += 1
        if neutral(got) != neutral(expected):
            other.append((name, neutral(expected)[:600], neutral(got)[:600]))
    assert done > 30 and not other, (done, other)


def test_a_snapshot_of_a_snapshot_is_the_same_file():
    one = snapshot("machine.text", "one")
    two = os.path.join(WHERE, "two")
    assert run("snapshot", "--all", "-s", one, "-o", two).returncode == 4  # the machine has what cannot be read
    with open(one, "rb") as f, open(two, "rb") as g:
        assert f.read() == g.read()


def test_only_what_was_asked_for_is_in_it():
    path = snapshot("machine.text", "part", "4242", "--user")
    assert [line.split()[0] for line in run("ps", "-n", "-s", path).stdout.decode().splitlines()] == ["4242"]
    assert run("dump", "4300", "-s", path).returncode == 3
    assert b"no tables of the kernel" in run("dump", "kernel", "-s", path).stderr
    assert run("dump", "4242", "--kernel", "-s", path).returncode == 3
    assert neutral(run("dump", "4242", "-s", path).stdout.decode()) == run("dump", "4242", "-s", "machine.text").stdout.decode()


def test_a_kernel_half_brings_the_kernel():
    path = snapshot("machine.text", "both", "4242")
    for command in (["layout"], ["dump", "kernel"], ["dump", "4242", "--kernel"], ["pagetables", "4242", "--stats"]):
        assert neutral(run(*command, "-s", path).stdout.decode()) == run(*command, "-s", "machine.text").stdout.decode()


def test_a_root_is_found_by_its_address():
    path = snapshot("machine.text", "root", "root:20000")
    got, expected = run("dump", "root:20000", "-s", path), run("dump", "root:20000", "-s", "machine.text")
    assert (got.returncode, neutral(got.stdout.decode())) == (expected.returncode, expected.stdout.decode())


def test_failures_leave_no_file():
    path = os.path.join(WHERE, "none")
    for args, status in ((["99999"], 3), (["4242", "99999"], 3), (["nonsense"], 2), ([], 2)):
        p = run("snapshot", *args, "-s", "machine.text", "-o", path)
        assert p.returncode == status and p.stderr and not os.path.exists(path), (args, p)
    assert run("snapshot", "4242", "-s", "machine.text").returncode == 2
    p = run("snapshot", "4242", "-s", "machine.text", "-o", os.path.join(WHERE, "no", "dir"))
    assert p.returncode == 3 and b"No such file" in p.stderr, p


def test_only_plain_files_are_replaced():
    for path in ("/dev/null", WHERE):
        p = run("snapshot", "4242", "-s", "machine.text", "-o", path)
        assert p.returncode == 3 and b"no plain file" in p.stderr, (path, p)
    real, link = os.path.join(WHERE, "real"), os.path.join(WHERE, "link")
    with open(real, "w", encoding="ascii") as f:
        f.write("old")
    os.symlink("real", link)
    assert run("snapshot", "4242", "-s", "machine.text", "-o", link).returncode == 0
    assert os.path.islink(link) and run("ps", "-s", real).returncode == 0


def test_a_full_disk_is_an_error():
    p = run("snapshot", "--all", "-s", "machine.text", "-o", os.path.join(WHERE, "full"),
            preexec_fn=lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_FSIZE, (1000, 1000)))
    assert p.returncode in (3, -signal.SIGXFSZ) and not os.path.exists(os.path.join(WHERE, "full")), p


def test_what_reads_no_memory_says_so():
    p = run("mem", "read", "4242", "7f3a5c2d41b8", "-s", snapshot("machine.text", "mem"))
    assert p.returncode == 3 and b"does not read memory" in p.stderr, p


def test_kill_leaves_no_broken_file():
    """The old file or the new one; and at most a whole one beside it, when it comes between the two steps of taking the name over."""
    where = os.path.join(WHERE, "kill")
    os.mkdir(where)
    path = os.path.join(where, "file")
    old, killed = None, 0
    for i in range(60):
        p = subprocess.Popen([PAGEWALK, "snapshot", "--all", "-s", "machine.text", "-o", path], cwd=HERE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.0015 * i)
        p.kill()
        killed += p.wait() == -signal.SIGKILL
        for name in os.listdir(where):
            assert name == "file" or name == f".file.{p.pid}.0", name
            assert run("ps", "-s", os.path.join(where, name)).returncode == 0
            if name == "file":
                old = True
            else:
                os.unlink(os.path.join(where, name))
    p = run("snapshot", "--all", "-s", "machine.text", "-o", path)
    assert killed and (old or p.returncode == 4) and os.listdir(where) == ["file"], killed


def test_every_byte_and_every_length_counts():
    path = snapshot("machine.text", "whole", "4242", "--user")
    with open(path, "rb") as f:
        whole = f.read()
    bad = os.path.join(WHERE, "bad")
    for at in range(0, len(whole), 61):  # all of them: tests/unit/test_snapshot.c
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:]):
            with open(bad, "wb") as f:
                f.write(data)
            p = run("dump", "4242", "-s", bad)
            assert p.returncode == 3 and p.stdout == b"" and p.stderr.startswith(b"pagewalk: "), (at, p)


def test_json_says_what_it_is():
    path = snapshot("machine.text", "json")
    head = json.loads(run("ps", "--json", "-s", path).stdout.splitlines()[0])
    assert (head["source"], head["snapshot_of"], head["consistency"], head["taken"]) == (
        "snapshot", "text", "frozen", "2023-11-14T22:13:20Z"), head


def main():
    global PAGEWALK, WHERE
    PAGEWALK = os.path.abspath(sys.argv[1])
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    tests = [(n[5:].replace("_", " "), f) for n, f in sorted(globals().items()) if n.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    with tempfile.TemporaryDirectory() as WHERE:
        for number, (name, test) in enumerate(tests, 1):
            try:
                test()
                print(f"ok {number} - {name}", flush=True)
            except (AssertionError, OSError, subprocess.TimeoutExpired, ValueError) as e:
                failed += 1
                print(f"not ok {number} - {name}")
                print("\n".join("# " + line for line in repr(e)[:8000].replace("\\n", "\n").splitlines()), flush=True)
    print(f"# {len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
