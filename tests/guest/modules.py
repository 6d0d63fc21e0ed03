#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our modules for any kernel of kernels.py, built here with this machine's gcc-12.

    modules.py [--sparse] [--force] SERIES...      builds and prints the paths

Cache (beside that of kernels.py):

    headers/VERSION/       the packages' usr/, their absolute paths rewritten to this place
    headers/libc-SUITE/    C library of a newer suite, to run its programs with: kernel build tools, sparse
    headers/sparse-SUITE/  sparse
    modules/VERSION/HASH/  the module and build.log

Packages of a kernel come as they would be installed: headers of the flavour, headers in common, kbuild.
What keeps them from working below another directory, and with an older compiler, is in _adapt().
"""

import glob
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import kernels
from apt import AptError

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
CC = "gcc-12"
# Kernels built by a suite newer than this machine's: their build tools want its C library.
NEWER = re.compile(r"\+deb13")
LIBRARY_SUITE = "trixie"
LIBRARIES = ("libc6", "libelf1t64", "zlib1g", "libzstd1", "libssl3t64")
# Since Linux kernel commit fd69b2f7d5f4 ("compiler: Use __typeof_unqual__() for __unqual_scalar_typeof()") (in v7.0) it
# takes a sparse newer than 0.6.4, which trixie still has.
SPARSE_SUITE = "sid"


class BuildError(Exception):
    """A module that cannot be built; the text is the end of the build's log."""


def _libraries(name, packages):
    """Directory of a newer suite's C library and its friends."""
    directory = os.path.join(kernels.cache_dir(), "headers", f"libc-{name}")
    if not os.path.isdir(directory):
        suite = kernels.suite_of(name)
        suite.update()
        with suite.unpacked(packages, directory):
            pass
    return directory


def _is_elf(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


def _script(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)


def loader_of(libraries):
    """What to write before a program that is to run with the C library that is unpacked there."""
    loader = glob.glob(os.path.join(libraries, "usr/lib*/**/ld-linux-x86-64.so.2"), recursive=True)[0]
    return [loader, "--library-path", os.path.join(libraries, "usr/lib/x86_64-linux-gnu")]


def _wrap_tools(tree, libraries):
    """ELF programs below `tree` are run by the newer C library's loader."""
    loader = " ".join(loader_of(libraries))
    for directory, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and mode & 0o111 and not name.endswith(".so") and _is_elf(path):
                os.rename(path, path + ".elf")
                _script(path, f'exec {loader} --argv0 "$0" "$0.elf" "$@"\n')


def _adapt(tree, directory, kernel):
    """What is absolute in the packages is made to mean `directory`; old compilers are helped."""
    for path in glob.glob(os.path.join(tree, "usr/src/linux-headers-*/Makefile")) + \
            glob.glob(os.path.join(tree, "usr/src/linux-headers-*/.kernelvariables")):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        text = re.sub(r"(?<![\w/$)])/usr/(src|lib)/linux-", rf"{directory}/usr/\1/linux-", text)
        os.chmod(path, 0o644)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    # Links between packages (scripts, tools) are absolute or lead out of usr/src.
    for directory_in, dirs, names in os.walk(os.path.join(tree, "usr/src")):
        for name in dirs + names:
            path = os.path.join(directory_in, name)
            if os.path.islink(path) and os.readlink(path).startswith("/usr/"):
                to = directory + os.readlink(path)
                os.unlink(path)
                os.symlink(to, path)
    # gcc before 14 has no -fmin-function-alignment; aligning each function is what it is for.
    _script(os.path.join(tree, "cc"),
            'n=$#\nwhile [ $n -gt 0 ]; do\n\tcase $1 in\n'
            '\t-fmin-function-alignment=*) set -- "$@" "-falign-functions=${1#*=}" ;;\n'
            '\t*) set -- "$@" "$1" ;;\n\tesac\n\tshift\n\tn=$((n - 1))\ndone\n'
            f'exec {CC} "$@"\n')
    if NEWER.search(kernel.version):
        _wrap_tools(tree, _libraries(LIBRARY_SUITE, LIBRARIES))


def _header_packages(suite, kernel):
    """The flavour's headers and what of its dependencies a build needs."""
    flavour = f"linux-headers-{kernel.version}"
    needed = [n for n in suite.depends(flavour) if re.match(r"linux-(headers-.*-common|kbuild-)", n)]
    if len(needed) < 2:
        raise AptError(f"{flavour} is not in {suite.name}")
    return [flavour, *needed]


def headers(kernel):
    """Directory with the kernel's build tree at usr/src/linux-headers-VERSION."""
    directory = os.path.join(kernels.cache_dir(), "headers", kernel.version)
    with kernels.cache_lock():
        if not os.path.isdir(directory):
            suite = kernels.suite_of(kernel.suite)
            try:
                packages = _header_packages(suite, kernel)
            except AptError:
                suite.update()
                packages = _header_packages(suite, kernel)
            with suite.unpacked(packages, directory) as tree:
                _adapt(tree, directory, kernel)
    return directory


def sparse():
    """Path of a sparse that this machine can run and every kernel's headers can be read by."""
    directory = os.path.join(kernels.cache_dir(), "headers", f"sparse-{SPARSE_SUITE}")
    with kernels.cache_lock():
        if not os.path.isdir(directory):
            libraries = _libraries(SPARSE_SUITE, ("libc6",))
            suite = kernels.suite_of(SPARSE_SUITE)
            suite.update()
            with suite.unpacked(("sparse",), directory) as tree:
                _wrap_tools(tree, libraries)
    return os.path.join(directory, "usr/bin/sparse")


@dataclass(frozen=True)
class Module:
    """One that is built here: its file, its source folders as (folder of the tree, folder of the build).
    Those of the same sources come from one build."""

    file: str
    folders: tuple
    define: str = ""  # a macro


PAGEWALK = (("kmod", ""), ("include/uapi", "include/uapi"))
MODULES = {
    "pagewalk": Module("pagewalk.ko", PAGEWALK),
    "pagewalk_check": Module("pagewalk.ko", PAGEWALK, "PAGEWALK_CHECK"),  # checks itself
    "pagewalk_origins": Module("origins/pagewalk_origins.ko", PAGEWALK),
    "pagewalk_origins_check": Module("origins/pagewalk_origins.ko", PAGEWALK, "PAGEWALK_CHECK"),
    "su_devmem": Module("origins/su_devmem.ko", PAGEWALK),
    "planted": Module("planted.ko", (("tests/guest/planted", ""),)),
    "unsound": Module("unsound.ko", (("tests/guest/unsound", ""),)),
}
# What others install.
OURS = tuple(name for name, module in MODULES.items() if module.folders[0][0].startswith("kmod") and not module.define)


def sources_of(module):
    """{path below the build directory: contents}"""
    found = {}
    for folder, sub in module.folders:
        base = os.path.join(TREE, folder)
        for directory, _, names in os.walk(base):
            for n in names:
                if re.search(r"(\.[chS]|^Kbuild|^Makefile)$", n) and not n.endswith(".mod.c"):
                    path = os.path.join(directory, n)
                    with open(path, "rb") as f:
                        found[os.path.join(sub, os.path.relpath(path, base))] = f.read()
    return found


def make(kernel, directory, *more, cflags="-Werror"):
    """Runs the kernel's make for the sources in `directory`; (exit status, output)."""
    if kernel.build:
        tree, cc = kernel.build, CC
    else:
        place = headers(kernel)
        tree, cc = os.path.join(place, "usr/src", f"linux-headers-{kernel.version}"), f"{place}/cc"
    done = subprocess.run(
        ["make", "-C", tree, f"M={directory}", f"CC={cc}", "CONFIG_DEBUG_INFO_BTF_MODULES=", "W=1",
         f"KCFLAGS={cflags}", *more, "modules"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={**os.environ, "LC_ALL": "C", "MAKEFLAGS": ""})
    return done.returncode, done.stdout


# What the makefiles say of the tools that we bring is not of our code.
WARNING = re.compile(r"warning:(?! (the compiler|pahole version) differs)|^WARNING: modpost|\berror:", re.M)


# C=2 would do, but Debian leaves out scripts/checker-valid.sh, by which the same commit's makefile knows an old sparse: all
# are old then, and it sets this to 0. What the command line has it cannot set.
CHECK = ("KBUILD_CHECKSRC=2", "CF=-Wsparse-error")


def _all_checked(log, directory):
    """Whether sparse has seen each file of `directory` that was compiled, by what make says of both."""
    def files(what):
        found = re.findall(rf"^  {what} +(\S+)\.[co]$", log, re.M)  # absolute before 6.13
        return {os.path.relpath(os.path.join(directory, f), directory) for f in found}

    compiled = {f for f in files(r"CC \[M\]") if not f.endswith((".mod", ".module-common"))}
    return bool(compiled) and compiled <= files("CHECK")


def compile_in(directory, kernel, module, check=False):
    """Builds a module from the sources in `directory`; the log. BuildError when anything at all is warned of.

    With `check` sparse goes through each file, and has nothing to say either.
    """
    more = (*CHECK, f"CHECK={sparse()}") if check else ()
    rc, log = make(kernel, directory, *more, cflags=f"-Werror -D{module.define}" if module.define else "-Werror")
    if rc or WARNING.search(log):
        raise BuildError(f"{module.file} for {kernel.version}: exit {rc}\n{log[-4000:]}")
    if check and not _all_checked(log, directory):
        raise BuildError(f"{module.file} for {kernel.version}: sparse did not see all of it\n{log[-4000:]}")
    return log


def write(sources, directory):
    for path, data in sources.items():
        os.makedirs(os.path.dirname(os.path.join(directory, path)), exist_ok=True)
        with open(os.path.join(directory, path), "wb") as f:
            f.write(data)


def build(kernel, name="pagewalk", check=False, force=False):
    """Path of one of MODULES for the kernel; it is built if it is not there yet, or is to be checked."""
    module = MODULES[name]
    sources = sources_of(module)
    text = module.define.encode() + b"".join(k.encode() + b"\0" + v + b"\0" for k, v in sorted(sources.items()))
    directory = os.path.join(kernels.cache_dir(), "modules", kernel.version, hashlib.sha256(text).hexdigest()[:16])
    ko = os.path.join(directory, os.path.basename(module.file))
    if os.path.exists(ko) and not force and not check:
        return ko
    with tempfile.TemporaryDirectory(prefix="pagewalk-kmod-") as tmp:
        write(sources, tmp)
        log = compile_in(tmp, kernel, module, check)
        os.makedirs(directory, exist_ok=True)
        for m in MODULES.values():
            if (m.folders, m.define) == (module.folders, module.define):
                to = os.path.join(directory, os.path.basename(m.file))
                mine = f"{to}.{os.getpid()}"  # guests of the same kernel may be built for at the same time
                shutil.copy(os.path.join(tmp, m.file), mine)
                os.rename(mine, to)
        with open(os.path.join(directory, "build.log"), "w", encoding="utf-8") as f:
            f.write(log)
    return ko


def main():
    args = sys.argv[1:]
    check, force = "--sparse" in args, "--force" in args
    rc = 0
    for series in [a for a in args if not a.startswith("-")]:
        try:
            print(build(kernels.get(series), check=check, force=force))
        except (AptError, BuildError) as e:
            print(e, file=sys.stderr)
            rc = 1
    return rc


if __name__ == "__main__":
    sys.exit(main())
