# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host's side of the agent's protocol (agent.c describes it): many commands over one socket.

A reader thread hands every message to the command it belongs to, so that the guest never blocks on us.
"""

import os
import queue
import re
import socket
import struct
import threading
import time

EXEC, STDIN, SIGNAL = 1, 2, 3
HELLO, STARTED, STDOUT, STDERR, EXIT = 16, 17, 18, 19, 20
HEADER = struct.Struct("<III")
PASSED = ("PAGEWALK_SIMD",)  # from this environment to that of the guest's commands
CHUNK = 128 * 1024
CAPABILITIES = {"dac_override": 1, "dac_read_search": 2, "net_admin": 12, "sys_module": 16, "sys_rawio": 17,
                "sys_ptrace": 19, "sys_admin": 21, "sys_resource": 24, "syslog": 34, "perfmon": 38, "bpf": 39}


class GuestError(Exception):
    """The guest did not do its part: died, hung, refused. Not a command's own failure."""


class CommandTimeout(GuestError):
    """A command did not end in time."""


class Process:
    """A command in the guest. `stdout`, `stderr` grow while it runs; `rc` is None until it ends."""

    def __init__(self, channel, ident, argv):
        self.argv, self.pid, self.rc = argv, None, None
        self._channel, self._id = channel, ident
        self._out, self._err = bytearray(), bytearray()
        self._changed = channel.changed
        self.sink = None  # (stdout function, stderr function) instead of keeping the data

    @property
    def stdout(self):
        return bytes(self._out)

    @property
    def stderr(self):
        return bytes(self._err)

    def wait_until(self, true, timeout, what="the awaited"):
        """Waits until `true()`; it is asked again after each message from the guest."""
        timeout *= self._channel.slowness
        end = time.monotonic() + timeout
        with self._changed:
            while not true():
                if self._channel.dead:
                    raise GuestError(f"guest gone while {' '.join(self.argv)!r} ran: {self._channel.dead}; "
                                     f"{self._channel.post_mortem()}")
                left = end - time.monotonic()
                if left <= 0:
                    raise CommandTimeout(f"{' '.join(self.argv)!r}: {what} not within {timeout} s; "
                                         f"stderr: {self.stderr[-500:].decode(errors='replace')}")
                self._changed.wait(left)

    def wait(self, timeout=60):
        """(rc, stdout, stderr); rc is -N when signal N killed it."""
        self.wait_until(lambda: self.rc is not None, timeout, "end")
        return self.rc, self.stdout, self.stderr

    def wait_line(self, pattern, timeout=30):
        """Waits until stdout matches the bytes regex `pattern`, or the command ends; the match or None."""
        found = None

        def look():
            nonlocal found
            found = re.search(pattern, self._out)
            return found or self.rc is not None

        self.wait_until(look, timeout, f"{pattern!r}")
        return re.search(pattern, self.stdout)

    def write(self, data):
        """Data for its stdin; b"" closes it."""
        for i in range(0, len(data) or 1, CHUNK):
            self._channel.send(self._id, STDIN, data[i:i + CHUNK])

    def kill(self, sig=9):
        """Signals its process group."""
        self._channel.send(self._id, SIGNAL, struct.pack("<I", sig))

    def message(self, kind, data):
        """One message from the agent; called by the reader with the lock held."""
        if kind == STARTED:
            if data:
                self.pid = struct.unpack("<I", data)[0]
            else:
                self.rc, self._err = 127, bytearray(b"agent: could not start the command\n")
        elif kind in (STDOUT, STDERR):
            if self.sink:
                self.sink[kind - STDOUT](data)
            else:
                (self._out if kind == STDOUT else self._err).extend(data)
        elif kind == EXIT:
            self.rc = os.waitstatus_to_exitcode(struct.unpack("<I", data)[0])


class Channel:
    """Speaks to the agent over `sock`; `post_mortem()` says more when the guest has died. Every wait is `slowness`
    times as long as it says."""

    def __init__(self, sock, post_mortem, slowness=1):
        self.post_mortem, self.slowness = post_mortem, slowness
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=1 << 20)
        self._next, self._running = 1, {}
        self.changed = threading.Condition()
        self.hello = None
        self.dead = None
        self._outbox = queue.SimpleQueue()
        for body in (self._read, self._write):
            threading.Thread(target=body, daemon=True).start()

    def _die(self, why):
        with self.changed:
            self.dead = self.dead or why
            self.changed.notify_all()

    def _read(self):
        try:
            while True:
                head = self._stream.read(HEADER.size)
                if len(head) < HEADER.size:
                    return self._die("the connection closed")
                size, ident, kind = HEADER.unpack(head)
                data = self._stream.read(size)
                with self.changed:
                    if kind == HELLO:
                        self.hello = data.decode()
                    elif ident in self._running:
                        self._running[ident].message(kind, data)
                        if self._running[ident].rc is not None:
                            del self._running[ident]
                    self.changed.notify_all()
        except (OSError, ValueError) as e:
            self._die(str(e))

    def _write(self):
        try:
            while True:
                data = self._outbox.get()
                if data is None:
                    return
                self._sock.sendall(data)
        except OSError as e:
            self._die(str(e))

    def send(self, ident, kind, data):
        self._outbox.put(HEADER.pack(len(data), ident, kind) + data)

    def spawn(self, argv, *, uid=0, gid=None, caps=(), env=None, cwd="/tmp", sink=None):
        """Starts a command; `caps` are names from CAPABILITIES that an ordinary user keeps."""
        passed = {k: os.environ[k] for k in PASSED if k in os.environ}
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root" if uid == 0 else "/tmp",
               "USER": "root" if uid == 0 else "user", "TERM": "dumb", **passed, **(env or {})}
        mask = sum(1 << CAPABILITIES[c] for c in caps)
        envp = [f"{k}={v}" for k, v in env.items()]
        words = struct.pack("<IIQII", uid, uid if gid is None else gid, mask, len(argv), len(envp))
        strings = b"".join(os.fsencode(s) + b"\0" for s in (cwd, *argv, *envp))
        with self.changed:
            if self.dead:
                raise GuestError(f"guest gone: {self.dead}")
            ident, self._next = self._next, self._next + 1
            p = self._running[ident] = Process(self, ident, argv)
            p.sink = sink
        self.send(ident, EXEC, words + strings)
        return p

    def running(self):
        """Commands that have not ended."""
        with self.changed:
            return list(self._running.values())

    def forget(self, greeted=False):
        """The guest's commands are gone with its kernel; unless greeted, another one is about to say hello."""
        with self.changed:
            self._running.clear()
            self.hello = self.hello if greeted else None

    def close(self):
        self._outbox.put(None)
        self._die("closed")
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._sock.close()
