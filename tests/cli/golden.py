#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Golden tests: pagewalk's output, messages and exit status on synthetic machines.

  golden.py PAGEWALK CASES [--update] [NAME...]

CASES holds one case a line, "name: arguments", in the shell's quoting; "name < TEXT: arguments" gives TEXT
(with \\n) on standard input. What is expected is in golden/NAME. Speaks TAP.
"""
import os
import re
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "golden")


def read_cases(path):
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            m = re.fullmatch(r"([\w-]+)(?: < (.*?))?:(| .*)", line)
            if not m:
                sys.exit(f"{path}:{number}: not a case: {line}")
            name, stdin, args = m.groups()
            yield name, (stdin or "").replace("\\n", "\n"), args.strip()


def run(pagewalk, stdin, args):
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORTERM")}
    env.update(TERM="xterm", LC_ALL="C.UTF-8")
    p = subprocess.run([pagewalk, *shlex.split(args)], input=stdin.encode(), cwd=HERE, env=env, timeout=60,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    text = f"$ pagewalk {args}\n" + p.stdout.decode("utf-8", "backslashreplace")
    for line in p.stderr.decode("utf-8", "backslashreplace").splitlines():
        text += f"stderr: {line}\n"
    return text + f"exit {p.returncode}\n"


def difference(expected, got):
    import difflib
    return "".join("# " + line for line in difflib.unified_diff(
        expected.splitlines(True), got.splitlines(True), "expected", "got"))


def main():
    args = [a for a in sys.argv[1:] if a != "--update"]
    update = "--update" in sys.argv
    pagewalk, cases, names = os.path.abspath(args[0]), args[1], args[2:]
    todo = [c for c in read_cases(cases) if not names or c[0] in names]
    if len({c[0] for c in todo}) != len(todo):
        sys.exit(f"{cases}: a name occurs twice")
    failed = 0
    print(f"1..{len(todo)}")
    for number, (name, stdin, arguments) in enumerate(todo, 1):
        path = os.path.join(GOLDEN, name)
        got = run(pagewalk, stdin, arguments)
        if update:
            with open(path, "w", encoding="utf-8") as f:
                f.write(got)
        try:
            with open(path, encoding="utf-8") as f:
                expected = f.read()
        except FileNotFoundError:
            expected = ""
        ok = got == expected
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {number} - {name}")
        if not ok:
            print(difference(expected, got), end="")
    print(f"# {len(todo) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
