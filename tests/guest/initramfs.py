# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's whole file system: a newc cpio archive written here, unpacked by the kernel to a ramfs.

    /init                    agent.c, linked statically: mounts, loads modules, runs commands
    /bin/busybox, /bin/*     busybox-static and a link an applet
    /usr/bin/                pagewalk and the programs and scripts of tests/helpers
    /lib/modules/VERSION/    the modules asked for and what they need, with modules.dep for modprobe
    /lib/agent-modules       modules the agent loads before it can talk, one path a line
    /with/NAME               each file given by the caller
"""

import functools
import glob
import hashlib
import lzma
import os
import re
import stat
import struct
import subprocess
import tempfile

import kernels
import modules

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
BUSYBOX = "/bin/busybox"
CHANNEL_MODULES = ("virtio_pci", "virtio_console")
# Swap to compressed memory: lzo-rle is a module of its own up to 6.1.
OPTIONAL_MODULES = ("zram", "lzo-rle")
# Names under which pagewalk is installed as well.
ORIGINS = ("memalloc", "pagetables", "dev_mem", "va2pa", "pagemap_dump")
ETC = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n"
                  "other:x:1001:1001:other:/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\nuser:x:1000:\nother:x:1001:\n",
    "etc/hostname": "guest\n",
}


class Cpio:
    """Builds a newc archive in memory. Paths are relative; parents are made as needed."""

    def __init__(self):
        self._parts = []
        self._seen = set()
        self._ino = 0

    def _entry(self, path, mode, data=b"", rdev=(0, 0)):
        self._ino += 1
        name = path.encode() + b"\0"
        fields = (self._ino, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name
        self._parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]

    def directory(self, path, mode=0o755):
        if path and path not in self._seen:
            self.directory(os.path.dirname(path))
            self._seen.add(path)
            self._entry(path, stat.S_IFDIR | mode)

    def file(self, path, data, mode=0o644):
        self.directory(os.path.dirname(path))
        self._entry(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        self.directory(os.path.dirname(path))
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, major, minor):
        self.directory(os.path.dirname(path))
        self._entry(path, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def finish(self):
        self._entry("TRAILER!!!", 0)
        return b"".join(self._parts)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def is_static(path):
    """True for an ELF executable with no program interpreter."""
    data = read(path)[:4096]
    if data[:4] != b"\x7fELF" or struct.unpack_from("<H", data, 16)[0] not in (2, 3):  # EXEC, DYN
        return False
    phoff, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    return all(struct.unpack_from("<I", data, phoff + i * size)[0] != 3 for i in range(count))


def agent():
    """Path of the compiled agent, made once a source text."""
    source = os.path.join(HERE, "agent.c")
    path = os.path.join(kernels.cache_dir(), f"agent-{hashlib.sha256(read(source)).hexdigest()[:12]}")
    if not os.path.exists(path):
        with tempfile.TemporaryDirectory(dir=kernels.cache_dir()) as tmp:
            out = os.path.join(tmp, "agent")
            cc = os.environ.get("CC", "cc").split()
            subprocess.run([*cc, "-O2", "-static", "-Wall", "-Wextra", "-o", out, source], check=True)
            os.rename(out, path)
    return path


def programs():
    """{name: path} for /usr/bin: of each program the newest static build, and the helpers' scripts.

    $PAGEWALK_BUILD names a build directory; else the usual two are looked at.
    """
    given = os.environ.get("PAGEWALK_BUILD")
    found = {}
    for d in [given] if given else [os.path.join(TREE, "build", "static"), os.path.join(TREE, "build")]:
        for path in [os.path.join(d, "pagewalk"), *glob.glob(os.path.join(d, "tests/helpers/*"))]:
            name = os.path.basename(path)
            if os.path.isfile(path) and is_static(path) and \
                    (name not in found or os.path.getmtime(path) > os.path.getmtime(found[name])):
                found[name] = path
    scripts = glob.glob(os.path.join(TREE, "tests", "helpers", "*"))
    return found | {os.path.basename(s): s for s in scripts if read(s)[:2] == b"#!"}


def built(name):
    """The static build of one program, or None."""
    return programs().get(os.path.basename(name))


@functools.cache
def _module_files(kernel):
    """{module name: path} of everything the kernel's packages hold."""
    found = {}
    for directory, _, names in os.walk(kernel.modules):
        for n in names:
            m = re.match(r"(.+)\.ko(\.xz)?$", n)
            if m:
                found[m[1].replace("-", "_")] = os.path.join(directory, n)
    return found


@functools.cache
def _builtin(kernel):
    text = read(os.path.join(kernel.modules, "modules.builtin")).decode()
    return {os.path.basename(l)[:-3].replace("-", "_") for l in text.split()}


@functools.cache
def _load_module(path):
    """(contents, [names it depends on]) of a module file."""
    data = read(path)
    if path.endswith(".xz"):
        data = lzma.decompress(data)
    m = re.search(rb"\0depends=([^\0]*)\0", data)
    return data, [n.replace("-", "_") for n in m[1].decode().split(",") if n] if m else []


def module_closure(kernel, names):
    """[(name, contents, [direct dependencies])] in load order; built-in ones are left out."""
    files, done, order = _module_files(kernel), set(), []

    def visit(name):
        name = name.replace("-", "_")
        if name in done or name in _builtin(kernel):
            return
        done.add(name)
        if name not in files and name not in modules.MODULES:
            raise kernels.AptError(f"{kernel.version} has no module {name}")
        data, depends = _load_module(modules.build(kernel, name) if name in modules.MODULES else files[name])
        for d in depends:
            visit(d)
        order.append((name, data, [d for d in depends if d not in _builtin(kernel)]))

    for n in names:
        visit(n)
    return order


def module_path(name):
    """Where a module lies below /lib/modules/VERSION: ours where DKMS puts what it builds."""
    return f"updates/dkms/{name}.ko" if name in modules.MODULES else f"{name}.ko"


@functools.cache
def _applets():
    return subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()


def build(kernel, files=(), wanted=()):
    """Bytes of the initramfs. `files` are host paths or (name, path) pairs; `wanted` are modules' names."""
    c = Cpio()
    for d in ("proc", "sys", "dev", "tmp", "run", "root", "mnt", "with", "usr/bin"):
        c.directory(d, 0o1777 if d == "tmp" else 0o755)
    c.device("dev/console", 5, 1)
    c.file("init", read(agent()), 0o755)
    c.file("bin/busybox", read(BUSYBOX), 0o755)
    for name in _applets():
        if name != "busybox":
            c.link(f"bin/{name}", "busybox")
    for path, text in ETC.items():
        c.file(path, text.encode())
    for name, path in programs().items():
        c.file(f"usr/bin/{name}", read(path), 0o755)
    for name in ORIGINS:
        c.link(f"usr/bin/{name}", "pagewalk")

    root = f"lib/modules/{kernel.version}"
    early = [n for n, _, _ in module_closure(kernel, CHANNEL_MODULES)]
    c.file("lib/agent-modules", "".join(f"/{root}/{n}.ko\n" for n in early).encode())
    dep = ""
    optional = [m for m in OPTIONAL_MODULES if m.replace("-", "_") in _module_files(kernel)]
    for name, data, depends in module_closure(kernel, [*CHANNEL_MODULES, *optional, *wanted]):
        c.file(f"{root}/{module_path(name)}", data)
        dep += f"{module_path(name)}: {' '.join(map(module_path, depends))}\n"
    c.file(f"{root}/modules.dep", dep.encode())

    for entry in files:
        name, path = entry if isinstance(entry, tuple) else (os.path.basename(entry), entry)
        c.file(f"with/{name}", read(path), stat.S_IMODE(os.stat(path).st_mode) | 0o444)
    return c.finish()
