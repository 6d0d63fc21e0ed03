# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest: a Debian kernel under QEMU (TCG) that runs commands for us and whose memory we can see.

    with Guest("6.12", levels=4) as g:
        rc, out, err = g.run("id")
        p = g.spawn(["mkmaps"]); p.wait_line(rb"ready")
        g.stop_in_user(); leaves = g.info_tlb(); g.cont()
"""

import atexit
import collections
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import weakref

import initramfs
import kernels
from channel import Channel, CommandTimeout, GuestError, Process  # noqa: F401
from memory import Memory, parse_tlb
from qmp import Qmp

BOOT_TIMEOUT = 180
SEEN = 3  # times that an address space is met before it is taken for that of the process that spins, and not for the agent's
# A busy host stalls an emulated CPU for seconds; the kernel is not to take that for a fault.
PATIENCE = "no_timer_check watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120"
BAD_LOG = re.compile(
    r"\bBUG\b|WARNING:|Oops|general protection fault(,|: )|[Uu]nable to handle|KASAN|UBSAN|KFENCE|"
    r"possible (circular|recursive) locking|inconsistent lock state|INFO: (task|rcu|trying)|"
    r"Bad page|bad pmd|bad pud|bad pgd|double fault|Kernel panic|corrupted page table|"
    r"scheduling while atomic|suspicious RCU|Call Trace|detected stall|kmemleak: (\d+ new|Automatic|Kernel memory leak)"
)
_live = weakref.WeakSet()


@atexit.register
def _end_all():
    for g in list(_live):
        g.close()


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def ram_directory(mem):
    """Where RAM files go: /dev/shm when it has room."""
    try:
        if shutil.disk_usage("/dev/shm").free > (mem + 64) << 20 and os.access("/dev/shm", os.W_OK):
            return "/dev/shm"
    except OSError:
        pass
    return None


class Guest:
    """Boots on construction; `close()` or the `with` block ends it.

    series   "5.10", "6.1", "6.12", "7.2", "7.3", "newest", any series the archive has, or "debug" (debug_kernel.py)
    levels   4, 5, or None: what the kernel does by itself (5 from 6.1 on)
    cmdline  added to the kernel's command line
    cpu      added to `-cpu max`, e.g. ",-smep"
    mem, smp MiB, vCPUs
    files    host paths, or (name, path), that appear as /with/NAME
    modules  kernel modules for `modprobe`, besides initramfs.OPTIONAL_MODULES
    qemu     further QEMU arguments
    node1    MiB of a second NUMA node, which has the last vCPU; its memory is not in `memory`
    accel    "tcg,thread=single" takes turns with the vCPUs in one thread, a translated block at a time
    """

    def __init__(self, series, levels=None, cmdline="", mem=256, smp=1, files=(), modules=(), cpu="",
                 qemu=(), flavour="cloud", boot_timeout=BOOT_TIMEOUT, accel="tcg", node1=0):
        self.series, self.levels, self.smp = series, levels, smp
        self._qemu = self._channel = self._qmp = self.memory = None
        self._marks = 0
        self._dirs = []
        self.kernel = kernels.get(series, flavour)
        self.mem_mib = mem + self.kernel.ram
        _live.add(self)
        started = time.monotonic()
        try:
            self._start(cmdline, files, modules, cpu, self._numa(node1) + list(qemu), accel, node1)
            self._wait_boot(boot_timeout * self.kernel.slowness)
        except BaseException:
            self.close()
            raise
        self.boot_seconds = time.monotonic() - started

    # Starting and ending

    def _directory(self, where=None):
        path = tempfile.mkdtemp(prefix="pagewalk-guest-", dir=where)
        self._dirs.append(path)
        return path

    def _numa(self, node1):
        if not node1:
            return ["-machine", "q35,memory-backend=ram0"]
        return ["-machine", "q35", "-object", f"memory-backend-ram,id=ram1,size={node1}M",
                "-numa", f"node,nodeid=0,memdev=ram0,cpus=0-{self.smp - 2}", "-numa", f"node,nodeid=1,memdev=ram1,cpus={self.smp - 1}"]

    def _start(self, cmdline, files, modules, cpu, qemu, accel, node1):
        self.directory = self._directory()
        self.console_path = os.path.join(self.directory, "console")
        self.qmp_path = os.path.join(self.directory, "qmp")  # a second monitor, for programs under test
        ram = os.path.join(self._directory(ram_directory(self.mem_mib)), "ram")
        initrd = os.path.join(self.directory, "initrd")
        with open(initrd, "wb") as f:
            f.write(initramfs.build(self.kernel, files, modules))
        append = f"console=ttyS0 quiet panic=-1 log_buf_len=1M {PATIENCE}"
        if self.levels == 4:
            append += " no5lvl"
        ours, theirs = zip(socket.socketpair(), socket.socketpair())
        command = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-accel", accel, "-cpu", f"max{cpu}", "-smp", str(self.smp), "-m", f"{self.mem_mib + node1}M",
            "-object", f"memory-backend-file,id=ram0,size={self.mem_mib}M,mem-path={ram},share=on",
            "-kernel", self.kernel.image, "-initrd", initrd, "-append", f"{append} {cmdline}".strip(),
            "-chardev", f"file,id=console,path={self.console_path}", "-serial", "chardev:console",
            "-chardev", f"socket,id=control,fd={theirs[0].fileno()}", "-mon", "chardev=control,mode=control",
            "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,fd={theirs[1].fileno()}",
            "-device", "virtserialport,chardev=agent,name=pagewalk.agent",
            *qemu,
        ]
        with open(os.path.join(self.directory, "qemu"), "wb") as log:
            self._qemu = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[s.fileno() for s in theirs], preexec_fn=_die_with_parent)
        for s in theirs:
            s.close()
        self._qmp = Qmp(ours[0])
        self._channel = Channel(ours[1], self._tail, self.kernel.slowness)
        self.memory = Memory(ram, self.mem_mib << 20)
        # Both hold it open now. Without names nothing stays behind, however we end.
        os.unlink(ram)
        os.unlink(initrd)

    def _wait_boot(self, timeout):
        end = time.monotonic() + timeout
        with self._channel.changed:
            while not self._channel.hello:
                left = end - time.monotonic()
                if self._channel.dead or left <= 0:
                    break
                self._channel.changed.wait(left)
        if not self._channel.hello:
            why = "died at boot" if self._channel.dead else f"did not boot in {timeout} s"
            raise GuestError(f"guest {self.name} {why}: {self._tail()}")
        self.release = self._channel.hello
        if self.levels and self.paging_levels() != self.levels:
            raise GuestError(f"{self.release} runs with {self.paging_levels()}-level paging, not {self.levels}")

    def crash(self, timeout=BOOT_TIMEOUT):
        """Crashes the kernel, so that the one takes over that was loaded for it, with its own agent."""
        self._channel.forget()
        self.spawn("echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger", stdin=None)
        self._wait_boot(timeout * self.kernel.slowness)
        self._channel.forget(greeted=True)

    def _tail(self):
        said = initramfs.read(os.path.join(self.directory, "qemu")) + self.console()[-2000:]
        return said.decode(errors="replace").strip() or "nothing on its console"

    @property
    def name(self):
        return self.series + (f"-{self.levels}" if self.levels else "")

    @property
    def ram_path(self):
        """RAM as a file that can be opened while this process runs."""
        return f"/proc/{os.getpid()}/fd/{self.memory.fd}"

    @property
    def alive(self):
        return self._qemu is not None and self._qemu.poll() is None and not self._channel.dead

    def close(self):
        if self._channel:
            self._channel.close()
        if self._qmp:
            self._qmp.close()
        if self._qemu:
            self._qemu.kill()
            self._qemu.wait()
        if self.memory:
            self.memory.close()
        for d in self._dirs:
            shutil.rmtree(d, ignore_errors=True)
        self._qemu = self._channel = self._qmp = self.memory = None
        self._dirs = []
        _live.discard(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Commands in the guest

    def spawn(self, cmd, user=0, caps=(), env=None, cwd="/tmp", stdin=b"", sink=None):
        """Starts a command (a string goes through sh) and returns a channel.Process.

        user   uid to be (1000 is `user`, 1001 `other`); caps: names it keeps, e.g. ("bpf", "perfmon")
        stdin  bytes, then end of file; None leaves it open for Process.write()
        """
        argv = ["/bin/sh", "-c", cmd] if isinstance(cmd, str) else list(cmd)
        p = self._channel.spawn(argv, uid=user, caps=caps, env=env, cwd=cwd, sink=sink)
        if stdin is not None:
            if stdin:
                p.write(stdin)
            p.write(b"")
        return p

    def run(self, cmd, timeout=60, **how):
        """(rc, stdout, stderr) of a command; kills it and raises CommandTimeout when it takes too long."""
        p = self.spawn(cmd, **how)
        try:
            return p.wait(timeout)
        except CommandTimeout:
            p.kill()
            raise

    def check(self, cmd, timeout=60, **how):
        """stdout of a command that must succeed."""
        rc, out, err = self.run(cmd, timeout, **how)
        if rc:
            raise AssertionError(f"{cmd!r} exits {rc}: {err[-1000:].decode(errors='replace')}")
        return out

    def kill_all(self):
        """Ends what run() and spawn() started and is still there."""
        for p in self._channel.running():
            p.kill()
            p.wait(30)

    def write_file(self, path, data, mode="644"):
        self.check(["/bin/sh", "-c", 'cat >"$1" && chmod "$2" "$1"', "sh", path, mode], stdin=data)

    def read_file(self, path):
        return self.check(["cat", path])

    # The machine

    def hmp(self, line, cpu=None):
        return self._qmp.hmp(line, cpu)

    def qmp(self, name, **arguments):
        return self._qmp.command(name, **arguments)

    def stop(self):
        self._qmp.command("stop")

    def cont(self):
        self._qmp.command("cont")

    def registers(self, cpu=0):
        """{"RIP", "CPL", "CR0", "CR2", "CR3", "CR4", "EFER", ...} as numbers."""
        text = self._qmp.hmp("info registers", cpu)
        return {k: int(v, 16) for k, v in re.findall(r"\b([A-Z][A-Z0-9]+) ?=([0-9a-f]+)\b", text)}

    def stop_in_user(self, cpu=0, cr3=None, timeout=120):
        """Stops the guest while `cpu` runs user code of the address space `cr3`, or of one that it is seen in again and again; its
        registers."""
        seen = collections.Counter()
        end, pause = time.monotonic() + timeout * self.kernel.slowness, 0.001
        while time.monotonic() < end:
            self.stop()
            r = self.registers(cpu)
            # With PTI the user's root is the kernel's plus a page.
            if r["CPL"] == 3:
                seen[r["CR3"]] += 1
                if seen[r["CR3"]] == SEEN if cr3 is None else r["CR3"] & ~0xFFF in (cr3 & ~0xFFF, cr3 & ~0xFFF | 0x1000):
                    return r
            self.cont()
            time.sleep(pause)
            pause = min(pause * 1.3, 0.5)  # longer and longer: on a busy host the guest hardly moves in a short one
        raise GuestError(f"cpu {cpu} was not seen in user code within {timeout} s")

    def paging_levels(self, cpu=0):
        return 5 if self.registers(cpu)["CR4"] & 0x1000 else 4

    def walk(self, va, cpu=0, cr3=None):
        """[memory.Step] of a walk through RAM from `cr3`, or from what the vCPU uses now."""
        r = self.registers(cpu)
        return self.memory.walk(r["CR3"] if cr3 is None else cr3, va, 5 if r["CR4"] & 0x1000 else 4)

    def info_tlb(self, cpu=0):
        """{va: memory.Leaf(pa, flags, bits, size)}: every present leaf of the vCPU's address space."""
        r = self.registers(cpu)
        levels = 5 if r["CR4"] & 0x1000 else 4
        return parse_tlb(self._qmp.hmp("info tlb", cpu),
                         lambda va: self.memory.walk(r["CR3"], va, levels)[-1].level)

    def read_phys(self, pa, n):
        return self.memory.read(pa, n)

    # Its log

    def console(self):
        try:
            return initramfs.read(self.console_path)
        except OSError:
            return b""

    def kernel_log(self):
        """The kernel's log as text; what the console got when the guest no longer answers."""
        if self.alive:
            try:
                return self.check(["dmesg"], timeout=30).decode(errors="replace")
            except GuestError:
                pass
        return self.console().decode(errors="replace")

    def log_mark(self):
        """Puts a mark into the kernel's log; give it to assert_clean_log()."""
        self._marks += 1
        mark = f"pagewalk-mark-{self._marks}"
        self.check(f"echo {mark} >/dev/kmsg")
        return mark

    def assert_clean_log(self, mark=None, allow=None):
        """Fails on any splat after `mark` (from boot without one); lines matching `allow` are well."""
        log = self.kernel_log()
        if mark and mark in log:
            log = log[log.rindex(mark):]
        bad = [l for l in log.splitlines() if BAD_LOG.search(l) and not (allow and re.search(allow, l))]
        if bad:
            raise AssertionError("kernel log: " + "; ".join(bad[:5]))
