# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file that takes commands and gives answers, held open in the guest by the helper ask."""

import re

from kmod import ORIGINS, load_origins  # noqa: F401


class Ask:
    """Bytes or text that is written goes there in one write."""

    def __init__(self, g, path, **how):
        self.process = g.spawn(["ask", path], stdin=None, **how)
        self.process.wait_line(rb"(?m)^(open|err .*)$", 30)
        assert b"\n" in self.process.stdout, f"ask ended: {self.process.rc} {self.process.stderr!r}"
        self._at = self.process.stdout.index(b"\n") + 1
        self.refused = None if self.process.stdout.startswith(b"open") else self.process.stdout.split()[1].decode()

    def do(self, line, timeout=60):
        """(what the call returned or an errno's name, bytes)"""
        done = re.compile(rb"^(ok (-?\d+) (\w*)|err (\w+))\n", re.M)
        self.process.write(line.encode() + b"\n")
        self.process.wait_until(lambda: done.match(self.process.stdout, self._at) or self.process.rc is not None,
                                timeout, line[:60])
        m = done.match(self.process.stdout, self._at)
        assert m, f"ask ended during {line[:60]}: {self.process.rc} {self.process.stderr!r}"
        self._at = m.end()
        return (m[4].decode(), b"") if m[4] else (int(m[2]), bytes.fromhex(m[3].decode()))

    def write(self, data, timeout=60):
        """None, or an errno's name."""
        data = data.encode() if isinstance(data, str) else data
        got = self.do(f"w {data.hex() or '-'}", timeout)[0]
        return got if isinstance(got, str) else None if got == len(data) else f"{got} of {len(data)}"

    def read(self, timeout=60):
        """All that is left to read."""
        got, data = self.do("a", timeout)
        assert not isinstance(got, str), got
        return data.decode()

    def __call__(self, command, timeout=60):
        """The answer to a command that succeeds."""
        error = self.write(command + "\n", timeout)
        assert error is None, f"{command}: {error}"
        return self.read(timeout)

    def fails(self, command):
        """(errno's name, the answer)"""
        return self.write(command), self.read()

    def close(self):
        self.process.write(b"")
        self.process.wait(30)


def check_errors(ask, expected):
    """Writes each and compares its errno's name (None: success)."""
    wrong = [f"{data[:80]!r}: {got}, not {want}" for data, want in expected for got in [ask.write(data)] if got != want]
    assert not wrong, "\n".join(wrong)


def commands_only(ask, good):
    """What every such file refuses, and that nothing has changed by it; `good` is a command."""
    before = ask(good)
    check_errors(ask, [
        (b"", "EINVAL"), (b"\n", "EINVAL"), (b"   \n", "EINVAL"), (b"\0", "EINVAL"), (good.encode() + b"\0", "EINVAL"),
        (b"\xff\xfe\x80\x01", "EINVAL"), (good + " \x7f", "EINVAL"), (f"{good}\n{good}\n", "EINVAL"), (f"{good}\n\n", "EINVAL"),
        (f"{good}\r\n", "EINVAL"), ("A" * 255, "EINVAL"), ("A" * 256, "E2BIG"), (good + " " * 300, "E2BIG"),
        ("x" * 100_000, "E2BIG"), (" ".join("abcdefgh"), "EINVAL"), ("hello", "EINVAL"), (good[:3], "EINVAL"),
        (good[3:], "EINVAL"), (good + " extra words", "EINVAL"), (good.upper(), "EINVAL"),
    ])
    assert ask.do("b 20")[0] == "EFAULT" and ask.do("b 4000")[0] == "E2BIG"
    assert ask.do(f"p 5 {good.encode().hex()}")[0] == "ESPIPE" and ask.do("s 0")[0] == "ESPIPE"
    assert ask.read() == "", "what was refused left an answer"
    assert ask.write(" \t" + good + "\t ") is None
    first, rest = ask.do("r 10")[1], ask.do("a")[1]
    assert len(first) == 10 and re.sub(r"[0-9a-f]", "", (first + rest).decode())[:20] == re.sub(r"[0-9a-f]", "", before)[:20]


def gates(g, path, good):
    """Who may open it, and that each call asks again. Leaves the guest locked down."""
    assert g.check(["stat", "-c", "%a %u %g", path]) == b"600 0 0\n"
    assert Ask(g, path, user=1000).refused == "EACCES"
    assert Ask(g, path, user=1000, caps=("dac_override",)).refused == "EPERM"
    capable = Ask(g, path, user=1000, caps=("dac_override", "sys_admin"))
    assert capable.refused is None and capable(good)
    capable.do("d 21")
    assert capable.write(good) == "EPERM" and capable.do("r 10")[0] == "EPERM"
    a = Ask(g, path)
    g.run("echo integrity >/sys/kernel/security/lockdown")  # it may be already
    assert a(good)
    g.check("echo confidentiality >/sys/kernel/security/lockdown")
    assert a.write(good) == "EPERM" and a.do("r 10")[0] == "EPERM"
    assert Ask(g, path).refused == "EPERM"
