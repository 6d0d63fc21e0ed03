# SPDX-License-Identifier: LGPL-2.1-or-later
"""The module while memory comes and goes under its hands: a DIMM is plugged, its blocks go online and offline with a
process in them, and it is pulled out again, beside calls that never stop asking for it.

All of Debian's kernels have ACPI_HOTPLUG_MEMORY and MEMORY_HOTREMOVE, the cloud flavour too, and so has the debug
kernel. This runs on the oldest, on one that brings new memory online by itself unless it is told not to, and on the newest.
"""

import re
import signal
import struct
import time
from collections import Counter

from kmod import MODULE, Kio, Storm, load
from testing import guest_test
from tool import pagemap

ROUNDS = 3
BLOCK, BLOCKS = 128 << 20, 2
MEMORY = "/sys/devices/system/memory"
USER_LAST = (1 << 56) - 4097
ENXIO, PFN = -6, (1 << 55) - 1
# Room for one DIMM, which q35 puts behind all RAM and 4 GiB.
HOTPLUG = {"kernels": ("5.10-4", "6.12-5", "newest-5"), "smp": 2, "fresh": True, "timeout": 300,
           "qemu": ("-m", "slots=1,maxmem=4G"), **MODULE}


class Dimm:
    """The one slot's memory: `lo` and `last` are known once it was plugged."""

    def __init__(self, g):
        self.g = g
        assert g.kernel.has_config("CONFIG_ACPI_HOTPLUG_MEMORY") and g.kernel.has_config("CONFIG_MEMORY_HOTREMOVE")
        g.check(f"echo offline >{MEMORY}/auto_online_blocks")
        assert int(g.read_file(f"{MEMORY}/block_size_bytes"), 16) == BLOCK

    def plug(self):
        self.g.qmp("object-add", **{"qom-type": "memory-backend-ram", "id": "backend", "size": BLOCKS * BLOCK})
        self.g.qmp("device_add", driver="pc-dimm", id="dimm", memdev="backend")
        self.lo = self.g.qmp("query-memory-devices")[0]["data"]["addr"]
        self.last = self.lo + BLOCKS * BLOCK - 1
        self.blocks = [f"{MEMORY}/memory{self.lo // BLOCK + i}/state" for i in range(BLOCKS)]
        for b in self.blocks:
            self.g.check(f"until grep offline {b}; do sleep 0.05; done 2>/dev/null")

    def turn(self, state, blocks=None):
        """Its blocks, or some of them, online or offline; what pins pages for a moment may be in the way."""
        for b in blocks or self.blocks:
            self.g.check(f"for i in $(seq 50); do echo {state} >{b} && exit 0; sleep 0.1; done; exit 1", timeout=120)

    def pull(self, meanwhile=lambda: time.sleep(0.05)):
        """Asks for it as a user of the machine would: what is online goes offline by the kernel's own doing."""
        for _ in range(10):
            self.g.qmp("device_del", id="dimm")
            end = time.monotonic() + 5 * self.g.kernel.slowness
            while time.monotonic() < end:
                if not self.g.qmp("query-memory-devices"):
                    self.g.qmp("object-del", id="backend")
                    return
                meanwhile()
        raise AssertionError("the guest does not give the memory back: " + self.g.kernel_log()[-2000:])

    def word(self, pa):
        """What QEMU finds there."""
        return int(re.search(r": 0x([0-9a-f]+)", self.g.hmp(f"xp /1gx {pa:#x}"))[1], 16)


def word(reply):
    assert reply.error is None, reply.text
    return struct.unpack("<Q", bytes.fromhex(reply.data))[0]


def answers(k, dimm, there):
    """What each call has to say of it now: RAM in whatever state, or nothing; a device it never is."""
    for pa in (dimm.lo, dimm.lo + BLOCK - 4, dimm.lo + BLOCK, dimm.last - 7):
        assert k("rphys", pa, 8, 0, 0).error == (None if there else "ENXIO"), hex(pa)
        assert k("tables", 0, pa & ~7, 8).status == (0 if there else ENXIO), hex(pa)
        assert k("rphys", pa & ~7, 8, 8, 1).error == "ENXIO", hex(pa)
    for pa in (dimm.lo - 8, dimm.last - 7):
        assert k("rphys", pa, 16, 0, 0).error == k("rphys", pa, 16, 8, 1).error == "ENXIO", hex(pa)
    assert k("wphys", dimm.last - 7, bytes(16), 0, 0).error == "ENXIO"
    if not there:
        assert k("wphys", dimm.lo, bytes(8), 0, 0).error == "ENXIO"


def write_where_nobody_lives(k, dimm, value):
    """Memory that is offline is RAM that can be written: by QEMU's account as well."""
    for pa in (dimm.lo, dimm.lo + BLOCK - 4096, dimm.last - 7):
        assert k("wphys", pa, struct.pack("<Q", value), 0, 0).error is None
        assert word(k("rphys", pa, 8, 0, 0)) == dimm.word(pa) == value


class Tenant:
    """A process that stands still, and whose memory may be moved: each page of its sentinel says where it is."""

    def __init__(self, g):
        self.g, self.process = g, g.spawn(["churn", "--no-fork", "--sentinel", str(4 << 20)], stdin=None)
        m = self.process.wait_line(rb"sentinel addr=0x([0-9a-f]+) len=0x([0-9a-f]+)\nready", 60)
        self.pid, self.va, self.len = self.process.pid, int(m[1], 16), int(m[2], 16)
        self.process.kill(signal.SIGSTOP)

    def pages(self, dimm):
        """{va: pa} of its pages in the DIMM."""
        found = pagemap(self.g, self.pid, [(self.va, self.va + self.len)])
        return {va: pa for va, w in found.items() if dimm.lo <= (pa := (w & PFN) << 12) <= dimm.last}

    def kill(self):
        self.process.kill()
        self.process.wait(30)


def read_its_pages(k, dimm, tenant):
    pages = tenant.pages(dimm)
    assert len(pages) * 2 > tenant.len // 4096, f"only {len(pages)} pages of the process are in the new memory"
    for va, pa in list(pages.items())[::len(pages) // 8]:
        assert word(k("rphys", pa, 8, 0, 0)) == dimm.word(pa) == word(k("ruser", tenant.pid, va, 8, 0)) == va


class Storms:
    """Calls that go on at once; what they said is added up in `seen`: {name: Counter}."""

    def __init__(self):
        self.seen, self._on = {}, {}

    def start(self, g, **calls):
        for name, call in calls.items():
            self.seen.setdefault(name, Counter())
            self._on[name] = Storm(g, *call)

    def finish(self, *names):
        for name in names:
            outcomes, differ = self._on.pop(name).finish()
            self.seen[name].update(outcomes)
            assert name != "ruser" or not differ, f"{differ} times other data"

    def add(self, name, outcome):
        self.seen.setdefault(name, Counter())[outcome] += 1

    def only(self, name, *allowed):
        assert set(self.seen[name]) <= set(allowed), f"{name}: {self.seen[name]}"


def stay(g, k, dimm, storms):
    """A process's stay in the memory, which goes offline below it, a block at a time, and is pulled away."""
    tenant = Tenant(g)
    read_its_pages(k, dimm, tenant)
    storms.start(g, ruser=("ruser", tenant.pid, tenant.va, 1 << 18, 0),
                 walk=("walk", 0, tenant.pid, 0, USER_LAST, 0, 64))
    for block in dimm.blocks:
        dimm.turn("offline", [block])
        answers(k, dimm, True)
        dimm.turn("online_movable", [block])
    dimm.turn("offline", dimm.blocks[-1:])
    # The last block is nobody's any more: it may be written to as long as it is there. Each write is logged.
    dimm.pull(lambda: storms.add("wphys", k("wphys", dimm.last - 7, b"too late", 0, 0).error or "ok"))
    storms.finish("ruser", "walk")
    assert not tenant.pages(dimm)
    va = tenant.va + tenant.len - 4096
    assert word(k("ruser", tenant.pid, va, 8, 0)) == va
    tenant.kill()


@guest_test(**HOTPLUG)
def test_memory_comes_and_goes(g):
    load(g, writable=True)
    k, dimm, storms = Kio(g), Dimm(g), Storms()
    dimm.plug()
    dimm.pull()
    within = f"{dimm.lo:x}+{BLOCKS * BLOCK:x}"
    storms.start(g, rphys=("rphys", f"{dimm.lo - BLOCK:x}+{(BLOCKS + 2) * BLOCK:x}", 64, 0, 0),
                 longer=("rphys", within, 1 << 20, 0, 0), mmio=("rphys", within, 8, 8, 1),
                 tables=("tables", 0, within, 8, within, 0, 0))
    for i in range(max(1, int(ROUNDS / g.kernel.slowness))):
        answers(k, dimm, False)
        dimm.plug()
        answers(k, dimm, True)
        write_where_nobody_lives(k, dimm, 0x1234567800000000 + i)
        dimm.turn("online_movable")
        answers(k, dimm, True)
        stay(g, k, dimm, storms)
    answers(k, dimm, False)
    storms.finish("rphys", "longer", "mmio", "tables")
    print(f"     {g.name}: " + "; ".join(f"{n} {dict(c)}" for n, c in storms.seen.items()), flush=True)
    storms.only("rphys", "ok", "ENXIO", "EFAULT")
    storms.only("longer", "ok", "ENXIO", "EFAULT")
    storms.only("tables", "ok", "ENXIO", "EFAULT", "EAGAIN")
    storms.only("wphys", "ok", "ENXIO", "EFAULT")
    storms.only("mmio", "ENXIO")
    storms.only("ruser", "ok")
    storms.only("walk", "ok", "EAGAIN")  # a table that had changed at each of several looks
    k.close()
    g.check(["rmmod", "pagewalk"])


@guest_test(**HOTPLUG)
def test_tables_live_in_new_memory(g):
    """Memory for the kernel's own use: page tables are in it, are read there, and hold it when it is asked back."""
    load(g)
    k, dimm = Kio(g), Dimm(g)
    dimm.plug()
    dimm.turn("online_kernel")
    tenant = Tenant(g)
    walk = k("walk", 0, tenant.pid, tenant.va, tenant.va + tenant.len - 1, 0, 64)
    assert walk.error is None and walk.bad == 0 and walk.locked == walk.tables, walk.text
    new = [t for t in walk.lines if dimm.lo <= int(t["pa"], 16) <= dimm.last]
    assert int(new[-1]["level"], 16) == 0, walk.lines
    storms = Storms()
    storms.start(g, walk=("walk", 0, tenant.pid, tenant.va, tenant.va + tenant.len - 1, 0, 64))
    for block in dimm.blocks:
        g.run(f"for i in 1 2 3; do echo offline >{block}; done", timeout=120)
    storms.finish("walk")
    storms.only("walk", "ok")
    tenant.kill()
    k.close()
    g.check(["rmmod", "pagewalk"])
