#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""help, man pages, bash completion and option tables agree.

  check-docs.py PAGEWALK ROOT

The option tables come from `pagewalk --dump-options`. Speaks TAP: one test a command and kind of document.
"""
import os
import re
import subprocess
import sys


class Command:
    def __init__(self, name, alias, args, summary, program, origin):
        self.name, self.alias, self.args, self.summary = name, alias, args, summary
        self.program, self.origin = program, origin  # another name to run it by; whether --help leaves it out
        self.options, self.columns = [], []  # (name, letter, arg), name


def output(*argv):
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return p.stdout if p.returncode == 0 else sys.exit(f"{argv}: exit {p.returncode}: {p.stdout}")


def option_tables(pagewalk):
    commands = []
    for line in output(pagewalk, "--dump-options").splitlines():
        word, *fields = line.split("\t")
        if word == "command":
            commands.append(Command(*fields))
        elif word == "option":
            commands[-1].options.append(tuple(fields[:3]))
        elif word == "column":
            commands[-1].columns.append(fields[0])
    return commands


def section(text, heading):
    m = re.search(rf"^# {heading}\n(.*?)(?=^# |\Z)", text, re.M | re.S)
    return m.group(1) if m else ""


def same(what, expected, got):
    return [f"{what}: not there: {x}" for x in expected if x not in got] + [
        f"{what}: too much: {x}" for x in got if x not in expected]


def check_help(pagewalk, _root, c):
    text = output(pagewalk, c.name, "--help")
    options = re.findall(r"^  (?:-(\w), |    )--([\w-]+)(?: (\S+))? ", text, re.M)
    got = [(name, letter, arg) for letter, name, arg in options]
    faults = same("option", c.options, got)
    listed = re.search(rf"^  {c.name} ", output(pagewalk, "--help"), re.M)
    if bool(listed) == bool(c.origin):
        faults.append("is among the commands of --help" if listed else "is not among the commands of --help")
    if "EXAMPLES\n  " not in text:
        faults.append("no EXAMPLES")
    examples = text.split("EXAMPLES\n")[-1]
    if not re.search(rf"pagewalk ({c.name}|{c.alias or c.name})\b|\b{c.program or c.name} ", examples):
        faults.append("no example of the command itself")
    for line in text.splitlines():
        if len(line) > 110:
            faults.append(f"too wide: {line}")
    return faults


def check_man(_pagewalk, root, c):
    with open(os.path.join(root, "man", f"pagewalk-{c.name}.1.scd"), encoding="utf-8") as f:
        text = f.read()
    options = re.findall(r"^(?:\*-(\w)\*, )?\*--([\w-]+)\*(?: _(.+)_)?$", section(text, "OPTIONS"), re.M)
    faults = same("option", c.options, [(name, letter, arg) for letter, name, arg in options])
    faults += same("column", c.columns, re.findall(r"^\*([\w-]+)\*$", section(text, "COLUMNS"), re.M))
    if f"pagewalk-{c.name} - {c.summary}" not in text:
        faults.append(f"NAME is not: {c.summary}")
    faults += [f"{name} is not named" for name in (c.alias, c.program) if name and f"*{name}*" not in text]
    # An underscore inside a word is the word's own.
    plain = re.sub(r"\*|(?<!\w)_|_(?!\w)", "", section(text, "SYNOPSIS")).strip()
    if plain != f"pagewalk {c.name} [OPTION]... {c.args}".strip():
        faults.append(f"SYNOPSIS: {plain}")
    for word in ("DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
        if not section(text, word).strip():
            faults.append(f"no {word}")
    with open(os.path.join(root, "man", "pagewalk.1.scd"), encoding="utf-8") as f:
        heading = "COMMANDS OF THE ORIGINS" if c.origin else "COMMANDS"
        if f"*pagewalk-{c.name}*(1)" not in section(f.read(), heading):
            faults.append(f"not among the {heading} of pagewalk(1)")
    return faults


def shell(root, call):
    return output("bash", "-c", f". {os.path.join(root, 'completions', 'pagewalk.bash')}; {call}").split()


def check_completion(_pagewalk, root, c):
    faults = []
    for name in filter(None, (c.name, c.alias)):
        expected = ["--" + o[0] for o in c.options] + ["-" + o[1] for o in c.options if o[1]]
        faults += same("option", expected, shell(root, f"_pagewalk_options {name}"))
        faults += same("column", c.columns, shell(root, f"_pagewalk_columns {name}"))
        for option, _letter, arg in c.options:
            if "|" in arg:
                faults += same(f"--{option}", arg.split("|"), shell(root, f"_pagewalk_values {name} --{option}"))
        words = shell(root, 'COMP_WORDS=(pagewalk ""); COMP_CWORD=1; _pagewalk; echo "${COMPREPLY[@]}"')
        if name not in words:
            faults.append(f"{name} is not offered")
    return faults


def main():
    pagewalk, root = sys.argv[1:3]
    commands = option_tables(pagewalk)
    checks = [("help", check_help), ("man page", check_man), ("completion", check_completion)]
    print(f"1..{len(commands) * len(checks)}")
    number = failed = 0
    for c in commands:
        for what, check in checks:
            number += 1
            faults = check(pagewalk, root, c)
            failed += bool(faults)
            print(f"{'not ok' if faults else 'ok'} {number} - {c.name}: {what}")
            for fault in faults:
                print(f"# {fault}")
    print(f"# {number - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
