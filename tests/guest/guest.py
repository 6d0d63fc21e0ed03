#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run guest SERIES[-4|-5] [--with FILE]... -- CMD...

Runs a command in a guest of that kernel; its output passes through unchanged, its exit status is
ours (128+N when signal N killed it). One argument with spaces or shell signs goes through sh.
125: the guest itself could not be had.
"""

import os
import re
import signal
import sys

from channel import GuestError
from kernels import AptError
from vm import Guest

USAGE = "usage: run guest SERIES[-4|-5] [--with FILE]... [--mem MIB] [--smp N] [--append KERNEL-ARGS] -- CMD..."
FOREVER = 10 * 365 * 24 * 3600


def usage(text):
    print(f"run guest: {text}\n{USAGE}", file=sys.stderr)
    sys.exit(2)


def parse(args):
    """(series, levels, files, Guest options, argv)"""
    if "--" not in args:
        usage("no command: it follows --")
    at = args.index("--")
    args, argv = args[:at], args[at + 1:]
    series, files, more = None, [], {}
    while args:
        a = args.pop(0)
        if a in ("--with", "--mem", "--smp", "--append"):
            if not args:
                usage(f"{a} needs an argument")
            value = args.pop(0)
            if a == "--with":
                files.append(value)
            elif a == "--append":
                more["cmdline"] = value
            elif value.isdigit():
                more[a[2:]] = int(value)
            else:
                usage(f"{a}: {value!r} is no number")
        elif a.startswith("-") or series:
            usage(f"what is {a!r}?")
        else:
            series = a
    m = re.match(r"^(\d+\.\d+(?:\+\w+)?|newest|debug)(?:-([45]))?$", series or "")
    if not m:
        usage("a kernel series is wanted, such as 6.12 or 6.12-4" if not series else f"{series!r} is no series")
    for f in files:
        if not os.path.isfile(f) or not os.access(f, os.R_OK):
            usage(f"--with {f}: not a readable file")
    if not argv:
        usage("no command after --")
    if len(argv) == 1 and re.search(r"[\s|&;<>$`*?()]", argv[0]):
        argv = ["/bin/sh", "-c", argv[0]]
    return m[1], int(m[2]) if m[2] else None, files, more, argv


def main():
    series, levels, files, more, argv = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    broken = []  # nobody reads us any more

    def sink(fd):
        def write(data):
            view = memoryview(data)
            try:
                while view and not broken:
                    view = view[os.write(fd, view):]
            except BrokenPipeError:
                broken.append(fd)
        return write

    try:
        with Guest(series, levels, files=files, **more) as g:
            p = g.spawn(argv, sink=(sink(1), sink(2)))
            p.wait_until(lambda: p.rc is not None or broken, FOREVER)
            if broken:
                return 128 + signal.SIGPIPE
            sink(2)(p.stderr)
            return p.rc if p.rc >= 0 else 128 - p.rc
    except (AptError, GuestError) as e:
        print(f"run guest: {e}", file=sys.stderr)
        return 125


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
