# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random input for the files of the origins, by the helper ofuzz."""

import re

LINE = re.compile(rb"(?m)^(\S+) (open|write|read|seek) calls (\d+) ok (\d+)(.*)$")


def ofuzz(g, files, may_fail, words=(), count=50_000, seed=1, timeout=600):
    """`count` rounds on `files`: writes may fail with the errnos in may_fail["write"], and so on for "read", "seek", "open";
    what ofuzz provokes on purpose is always allowed: EFAULT (no such memory), EBADF (opened for the other direction) and
    EINVAL (a negative offset). {file: {operation: (calls, succeeded)}}"""
    rc, out, err = g.run(["ofuzz", str(count), str(seed), *files, *(["--", *words] if words else [])], timeout)
    assert rc == 0, f"ofuzz exits {rc}: {out.decode()[-2000:]}{err.decode()}"
    found = {}
    for path, op, calls, ok, rest in LINE.findall(out):
        errnos = set(re.findall(r"[A-Z]\w+", rest.decode()))
        odd = errnos - {"EFAULT", "EBADF", "EINVAL"} - set(may_fail.get(op.decode(), ()))
        assert not odd, f"{path.decode()}: {op.decode()} fails with {odd}: {rest.decode()}"
        found.setdefault(path.decode(), {})[op.decode()] = (int(calls), int(ok))
    return found
