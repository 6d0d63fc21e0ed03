# SPDX-License-Identifier: LGPL-2.1-or-later
"""The module in a guest: loading it, and its calls one by one through the helper kio."""

import re

# The same kernels as everything else, and options for vm.Guest that bring the module.
MODULE = {"modules": ("pagewalk",)}


def with_module(options):
    """Guest options that bring the module as well."""
    return {**options, "modules": (*options.get("modules", ()), "pagewalk")}


# With the interfaces of the origins, for load_origins().
ORIGINS = {"modules": ("pagewalk_origins",)}


def load_origins(g, writable=False, **parameters):
    """Loads pagewalk_origins.ko anew, with module parameters, on top of pagewalk.ko."""
    if g.run(["test", "-d", "/sys/module/pagewalk_origins"])[0] == 0:
        g.check(["rmmod", "pagewalk_origins"])
    load(g, writable)
    g.check(["modprobe", "pagewalk_origins", *(f"{k}={v}" for k, v in parameters.items())])


def load(g, writable=False):
    """Loads the module, anew if it is there with the other setting."""
    want = b"Y" if writable else b"N"
    rc, out, _ = g.run(["cat", "/sys/module/pagewalk/parameters/writable"])
    if rc == 0 and out.strip() == want:
        return
    if rc == 0:
        g.run(["rmmod", "pagewalk_origins"])
        g.check(["rmmod", "pagewalk"])
    g.check(["modprobe", "pagewalk", f"writable={int(writable)}"])


class Reply:
    """One answer of kio: `error` is None or the errno's name; numbers are members; lines before it are `lines`."""

    def __init__(self, text):
        *lines, last = text.strip().splitlines()
        words = last.split()
        self.text = last
        self.error = None if words[0] == "ok" else words[1]
        self.values = dict(w.split("=", 1) for w in words[1:] if "=" in w)
        self.lines = [dict(w.split("=", 1) for w in l.split()[1:]) for l in lines]

    def __getattr__(self, name):
        try:
            value = self.values[name]
        except KeyError:
            raise AttributeError(f"{name} is not in {self.text!r}") from None
        return value if name == "data" else int(value) if name == "status" else int(value, 16)


def words(values):
    return [v if isinstance(v, str) else bytes(v).hex() if isinstance(v, (bytes, bytearray)) else f"{v:x}" for v in values]


class Kio:
    """A kio that holds /dev/pagewalk open."""

    def __init__(self, g, **how):
        self.process = g.spawn(["kio"], stdin=None, **how)
        self.process.wait_line(rb"(?m)^(open|err .*)$", 30)
        self._at = self.process.stdout.index(b"\n") + 1
        assert self.process.stdout.startswith(b"open"), self.process.stdout

    def __call__(self, *call, timeout=60):
        return self.all([call], timeout)[0]

    def all(self, calls, timeout=60):
        """The replies to calls that are sent at once."""
        self.process.write("".join(" ".join(words(c)) + "\n" for c in calls).encode())
        return [self._reply(c, timeout) for c in calls]

    def _reply(self, call, timeout):
        done = re.compile(rb"^(ok|err)\b.*\n", re.M)
        self.process.wait_until(lambda: done.search(self.process.stdout, self._at) or self.process.rc is not None,
                                timeout, call[0])
        m = done.search(self.process.stdout, self._at)
        assert m, f"kio ended during {call}: {self.process.rc} {self.process.stderr!r}"
        text, self._at = self.process.stdout[self._at:m.end()].decode(), m.end()
        return Reply(text)

    def close(self):
        self.process.write(b"")
        self.process.wait(30)


class Storm(Kio):
    """A kio that makes one call over and over until it is asked to finish; kio.c says how addresses vary."""

    def __init__(self, g, *call):
        super().__init__(g)
        self.process.write((" ".join(["storm", *words(call)]) + "\n").encode())

    def finish(self):
        """({outcome: how often}, successes with other data than the first)"""
        self.close()
        said = self.process.stdout[self._at:].decode()
        assert self.process.rc == 0 and said.startswith("ok"), (self.process.rc, said)
        r = Reply(said)
        return {k: int(v, 16) for k, v in r.values.items() if k not in ("calls", "differ")}, r.differ


def kio(g, *call, **how):
    """One call of a kio of its own."""
    _, out, err = g.run(["kio", *words(call)], **how)
    assert out, err
    return Reply(out.decode())
