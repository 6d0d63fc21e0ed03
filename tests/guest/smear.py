# SPDX-License-Identifier: LGPL-2.1-or-later
"""A raw memory image that is changed here and there, as if parts of it had been copied at another moment.

Where things are is told by the guest (kallsyms, its BTF by bpftool) and by the tables, walked here; nothing is asked of what reads the image.
"""

import json
import os
import re
import struct
import subprocess

from memory import ADDRESS, PRESENT

IMAGE = 0xFFFFFFFF80000000
MASK = (1 << 64) - 1


class Types:
    """Byte offsets of members, also those in anonymous structs and unions, by bpftool."""

    def __init__(self, btf, directory):
        path = os.path.join(directory, "btf.raw")
        with open(path, "wb") as f:
            f.write(btf)
        out = subprocess.run(["bpftool", "-j", "btf", "dump", "file", path], check=True, stdout=subprocess.PIPE).stdout
        self._types = {t["id"]: t for t in json.loads(out)["types"]}
        self._structs = {}
        for t in self._types.values():
            if t["kind"] == "STRUCT":
                self._structs.setdefault(t["name"], t)

    def size(self, name):
        return self._structs[name]["size"]

    def members(self, name):
        return dict(self._members(self._structs[name], 0)) if name in self._structs else {}

    def _members(self, t, at):
        for m in t["members"]:
            offset = at + m["bits_offset"] // 8
            inner = self._types.get(m["type_id"])
            if m["name"] == "(anon)":
                yield from self._members(inner, offset)
            else:
                yield m["name"], offset


class Symbols:
    def __init__(self, g, *names):
        text = g.check("cat /proc/kallsyms").decode()
        self.va = {n: int(v, 16) for v, n in re.findall(rf"(?m)^(\S+) \S ({'|'.join(names)})$", text)}


class Image:
    """The image's bytes; `with image.changed():` undoes what is written in it."""

    def __init__(self, path, btf, symbols, phys_base, levels, directory):
        self.f = open(path, "r+b", buffering=0)
        self.types = Types(btf, directory)
        self.levels, self.phys_base = levels, phys_base
        self.root = self._image(symbols["init_top_pgt"])
        self.direct = self.u64(self._image(symbols["page_offset_base"]))
        self.vmemmap = self.u64(self._image(symbols["vmemmap_base"]))
        self.init_task = symbols["init_task"]
        self.page = {**self.types.members("page"), **self.types.members("ptdesc")}
        self.page_bytes = self.types.size("page")
        self.task, self.mm = self.types.members("task_struct"), self.types.members("mm_struct")
        self._undo = []

    def close(self):
        self.f.close()

    def _image(self, va):
        return va - IMAGE + self.phys_base & MASK

    def read(self, pa, n):
        self.f.seek(pa)
        return self.f.read(n)

    def u64(self, pa):
        return struct.unpack("<Q", self.read(pa, 8))[0]

    def u32(self, pa):
        return struct.unpack("<I", self.read(pa, 4))[0]

    def write(self, pa, data):
        self._undo.append((pa, self.read(pa, len(data))))
        self.f.seek(pa)
        self.f.write(data)

    def put(self, pa, word):
        self.write(pa, struct.pack("<Q", word & MASK))

    def restore(self):
        for pa, data in reversed(self._undo):
            self.f.seek(pa)
            self.f.write(data)
        self._undo = []

    # -------- tables

    def walk(self, root, va):
        """[(level, address of the entry, entry)] down to the leaf or the first that is not present."""
        steps, table = [], root
        for level in range(self.levels, 0, -1):
            at = table + 8 * (va >> (12 + 9 * (level - 1)) & 511)
            raw = self.u64(at)
            steps.append((level, at, raw))
            if not raw & PRESENT or (raw >> 7 & 1 and 1 < level < 4):
                break
            table = raw & ADDRESS
        return steps

    def phys(self, va):
        """Physical address of a kernel address."""
        level, _, raw = self.walk(self.root, va)[-1]
        assert raw & PRESENT, hex(va)
        size = 1 << (12 + 9 * (level - 1))
        return raw & ADDRESS & -size | va & size - 1

    def note(self, pa, member):
        """Where the struct page of a page has that member."""
        return self.phys(self.vmemmap + (pa >> 12) * self.page_bytes + self.page[member])

    # -------- tasks

    def tasks(self):
        """{pid: physical address of the task}"""
        found, node = {}, self.init_task + self.task["tasks"]
        while True:
            node = self.u64(self.phys(node))
            task = node - self.task["tasks"]
            if task == self.init_task:
                return found
            found[self.u32(self.phys(task + self.task["pid"]))] = task

    def mm_of(self, pid):
        return self.u64(self.phys(self.tasks()[pid] + self.task["mm"]))

    def root_of(self, pid):
        return self.phys(self.u64(self.phys(self.mm_of(pid) + self.mm["pgd"])))

    def free(self, pa):
        """As if the page had been given back."""
        self.write(self.note(pa, "_refcount"), struct.pack("<I", 0))
        self.write(self.note(pa, "page_type"), struct.pack("<I", 0xFFFFFFFF))
