# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes with memory of a known shape (tests/helpers/victim.c)."""

import os
import subprocess
from contextlib import contextmanager

import report

PAGEWALK = os.path.join(report.BUILD, "pagewalk")


class Victim:
    """pid, addr, and size of what was added last, in bytes."""

    def __init__(self, process):
        self._process = process
        self._read()

    def _read(self):
        pid, addr, size = self._process.stdout.readline().split()
        self.pid, self.addr, self.size = int(pid), int(addr, 16), int(size)

    @property
    def pages(self):
        return self.size // 4096

    def grow(self):
        """Adds the next shape."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._read()


@contextmanager
def victim(*shapes):
    with subprocess.Popen([os.path.join(report.HELPERS, "victim"), *shapes], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as p:
        try:
            yield Victim(p)
        finally:
            p.kill()


def available_mib():
    with open("/proc/meminfo", encoding="ascii") as f:
        for line in f:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    return 0
