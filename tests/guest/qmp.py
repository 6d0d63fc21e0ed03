# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's machine protocol: one command at a time over a connected socket, events put aside."""

import json

from channel import GuestError


class Qmp:
    def __init__(self, sock, timeout=60):
        sock.settimeout(timeout)
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=1 << 20)
        self.events = []
        self._receive()  # the greeting
        self.command("qmp_capabilities")

    def _receive(self):
        try:
            line = self._stream.readline()
        except OSError as e:
            raise GuestError(f"QEMU's monitor: {e}") from e
        if not line:
            raise GuestError("QEMU's monitor closed")
        return json.loads(line)

    def command(self, name, **arguments):
        """The command's return value."""
        message = {"execute": name, "arguments": arguments}
        try:
            self._sock.sendall(json.dumps(message).encode() + b"\n")
        except OSError as e:
            raise GuestError(f"QEMU's monitor: {e}") from e
        while True:
            answer = self._receive()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise GuestError(f"QMP {name}: {answer['error'].get('desc')}")
            self.events.append(answer)

    def hmp(self, line, cpu=None):
        """What the human monitor prints for `line`, as seen from vCPU `cpu`."""
        arguments = {"command-line": line}
        if cpu is not None:
            arguments["cpu-index"] = cpu
        return self.command("human-monitor-command", **arguments)

    def close(self):
        self._stream.close()
        self._sock.close()
