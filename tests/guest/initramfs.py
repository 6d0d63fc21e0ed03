# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's whole file system: a newc cpio archive written here, unpacked by the kernel to a ramfs.

    /init                    agent.c, linked statically: mounts, loads modules, runs commands
    /bin/busybox, /bin/*     busybox-static and a link an applet
    /usr/bin/                pagewalk, mkmaps and the other test helpers (static)
    /lib/modules/VERSION/    the modules asked for and what they need, with modules.dep for modprobe
    /lib/agent-modules       modules the agent loads before it can talk, one path a line
    /with/NAME               each file given by the caller
"""

import functools
import hashlib
import lzma
import os
import re
import stat
import struct
import subprocess
import tempfile

import kernels

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
BUSYBOX = "/bin/busybox"
PROGRAMS = ("pagewalk", "tests/helpers/mkmaps", "tests/helpers/churn", "tests/helpers/hold",
            "tests/helpers/walkmany")
CHANNEL_MODULES = ("virtio_pci", "virtio_console")
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
    if data[:4] != b"\x7fELF":
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


def built(name):
    """The newest static build of `name` ("pagewalk", "tests/helpers/mkmaps"), or None.

    $PAGEWALK_BUILD names a build directory; else the usual two are looked at.
    """
    given = os.environ.get("PAGEWALK_BUILD")
    dirs = [given] if given else [os.path.join(TREE, "build", "static"), os.path.join(TREE, "build")]
    paths = [p for p in (os.path.join(d, name) for d in dirs) if os.path.isfile(p) and is_static(p)]
    return max(paths, key=os.path.getmtime, default=None)


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
        if name not in files:
            raise kernels.AptError(f"{kernel.version} has no module {name}")
        data, depends = _load_module(files[name])
        for d in depends:
            visit(d)
        order.append((name, data, [d for d in depends if d not in _builtin(kernel)]))

    for n in names:
        visit(n)
    return order


@functools.cache
def _applets():
    return subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()


def build(kernel, files=(), modules=()):
    """Bytes of the initramfs. `files` are host paths or (name, path) pairs; `modules` are names."""
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
    for program in PROGRAMS:
        path = built(program)
        if path:
            c.file(f"usr/bin/{os.path.basename(path)}", read(path), 0o755)

    root = f"lib/modules/{kernel.version}"
    early = [n for n, _, _ in module_closure(kernel, CHANNEL_MODULES)]
    c.file("lib/agent-modules", "".join(f"/{root}/{n}.ko\n" for n in early).encode())
    dep = ""
    for name, data, depends in module_closure(kernel, [*CHANNEL_MODULES, *modules]):
        c.file(f"{root}/{name}.ko", data)
        dep += f"{name}.ko: {' '.join(f'{d}.ko' for d in depends)}\n"
    c.file(f"{root}/modules.dep", dep.encode())

    for entry in files:
        name, path = entry if isinstance(entry, tuple) else (os.path.basename(entry), entry)
        c.file(f"with/{name}", read(path), stat.S_IMODE(os.stat(path).st_mode) | 0o444)
    return c.finish()
