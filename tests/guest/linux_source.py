# SPDX-License-Identifier: LGPL-2.1-or-later
"""The newest of Debian's linux-source packages of a series, unpacked, all of it or some of its folders."""

import os
import subprocess
import tempfile

import kernels
from apt import AptError, say

SERIES = "6.12"
PACKAGE = f"linux-source-{SERIES}"


def unpack(to, *folders):
    """Makes the folder `to`, whole or not at all; without `folders` all of the source is in there. AptError when it cannot be had."""
    why = None
    for name in kernels.SUITES[SERIES]:
        suite = kernels.suite_of(name)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=os.path.dirname(to)) as tmp:
            try:
                with kernels.cache_lock():
                    suite.update()
                    say(f"fetching {PACKAGE} from {name} (150 MB)")
                    deb, = suite.download([PACKAGE], tmp)
            except AptError as e:
                why = e
                continue
            subprocess.run(["dpkg-deb", "-x", deb, tmp], check=True)
            say("unpacking it")
            subprocess.run(["tar", "-xf", os.path.join(tmp, "usr/src", f"{PACKAGE}.tar.xz"), "-C", tmp,
                            *(f"{PACKAGE}/{f}" for f in folders)], check=True)
            os.rename(os.path.join(tmp, PACKAGE), to)
            return
    raise why
