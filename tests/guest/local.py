# SPDX-License-Identifier: LGPL-2.1-or-later
"""This machine, with the part of vm.Guest that tests of both need: run(), spawn(), check(), name.

    with Host() as h:
        m = Mkmaps(h)
        out = h.check(["pagewalk", "dump", str(m.pid)])
"""

import json
import os
import re
import signal
import subprocess
import threading
import time

import initramfs


class LocalTimeout(Exception):
    """A command did not end in time."""


class LocalProcess:
    """channel.Process for a command of this machine."""

    def __init__(self, argv, **how):
        self.argv = argv
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         start_new_session=True, **how)
        self.pid = self._process.pid
        self.rc = None
        self._data = {"stdout": bytearray(), "stderr": bytearray()}
        self._changed = threading.Condition()
        self._readers = [threading.Thread(target=self._read, args=(n,), daemon=True) for n in self._data]
        for t in (*self._readers, threading.Thread(target=self._reap, daemon=True)):
            t.start()

    def _read(self, name):
        pipe = getattr(self._process, name)
        while data := os.read(pipe.fileno(), 1 << 16):
            with self._changed:
                self._data[name] += data
                self._changed.notify_all()

    def _reap(self):
        rc = self._process.wait()
        for t in self._readers:
            t.join(5)  # a child of it may hold the pipe open
        with self._changed:
            self.rc = rc
            self._changed.notify_all()

    @property
    def stdout(self):
        return bytes(self._data["stdout"])

    @property
    def stderr(self):
        return bytes(self._data["stderr"])

    def wait_until(self, true, timeout, what="the awaited"):
        end = time.monotonic() + timeout
        with self._changed:
            while not true():
                left = end - time.monotonic()
                if left <= 0:
                    raise LocalTimeout(f"{self.argv}: {what} not within {timeout} s; stderr: {self.stderr[-500:]!r}")
                self._changed.wait(left)

    def wait(self, timeout=60):
        self.wait_until(lambda: self.rc is not None, timeout, "end")
        return self.rc, self.stdout, self.stderr

    def wait_line(self, pattern, timeout=30):
        self.wait_until(lambda: re.search(pattern, self.stdout) or self.rc is not None, timeout, f"{pattern!r}")
        return re.search(pattern, self.stdout)

    def write(self, data):
        if data:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        else:
            self._process.stdin.close()

    def kill(self, sig=signal.SIGKILL):
        if self.rc is None:
            os.killpg(self.pid, sig)


class Host:
    name = "host"

    def __init__(self):
        self._programs = initramfs.programs()
        self._running = []

    def spawn(self, cmd, stdin=b"", **how):
        """`how` goes to subprocess.Popen."""
        argv = ["/bin/sh", "-c", cmd] if isinstance(cmd, str) else list(cmd)
        p = LocalProcess([self._programs.get(argv[0], argv[0]), *argv[1:]], **how)
        self._running.append(p)
        if stdin is not None:
            if stdin:
                p.write(stdin)
            p.write(b"")
        return p

    def run(self, cmd, timeout=60, **how):
        return self.spawn(cmd, **how).wait(timeout)

    def check(self, cmd, timeout=60, **how):
        rc, out, err = self.run(cmd, timeout, **how)
        if rc:
            raise AssertionError(f"{cmd!r} exits {rc}: {err[-1000:].decode(errors='replace')}")
        return out

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self._running:
            p.kill()


def exact_sources(h):
    """The sources with which this machine's tables can be had; a machine that has none fails the test."""
    _, out, err = h.run(["pagewalk", "doctor", "--json"])
    found = [r for r in map(json.loads, out.splitlines()) if r["rec"] == "source"]
    exact = [r["source"] for r in found if r["exact"] and r["state"] == "ok"]
    assert exact, f"no exact source here: {found} {err.decode(errors='replace')}"
    return exact
