# SPDX-License-Identifier: LGPL-2.1-or-later
"""page-types of the kernel's tools/mm, which is in no Debian package: built once from Debian's linux-source, kept beside the cached kernels."""

import os
import subprocess
import sys

import report

sys.path.insert(0, os.path.join(report.TREE, "tests", "guest"))
import kernels  # noqa: E402
import linux_source  # noqa: E402

FOLDERS = ("include/uapi/linux", "scripts", "tools/arch", "tools/build", "tools/include", "tools/lib", "tools/mm", "tools/scripts")


def get():
    """The path of the program."""
    directory = os.path.join(kernels.cache_dir(), "bench", f"tools-{linux_source.SERIES}")
    program = os.path.join(directory, "tools/mm/page-types")
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    if not os.path.isdir(directory):
        linux_source.unpack(directory, *FOLDERS)
    if not os.path.exists(program):
        made = subprocess.run(["make", "-s", "-C", os.path.dirname(program), "page-types"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        if made.returncode:
            sys.exit(f"bench: page-types cannot be built:\n{made.stdout[-2000:]}")
    return program
