# SPDX-License-Identifier: LGPL-2.1-or-later
"""What works with fewer rights, and how the rest is refused: one clear line, the documented exit status. What doctor says would
open a source does open it."""

import re
import subprocess

from testing import guest_test, host_test
from local import Host, exact_sources
from tool import Answer, Mkmaps, SOURCES, pagewalk

KERNELS = ("5.10-4", "6.1-5", "6.12-5", "7.2-5", "newest-5")
USER, OTHER = 1000, 1001
EVIL = "a\nb\x1b[31m"


def one_line(err, words):
    text = err.decode()
    assert text.count("\n") == 1 and text.startswith("pagewalk: ") and text[:-1].isprintable(), err
    for w in words:
        assert w.lower() in text.lower(), f"'{w}' is not in: {text}"
    return text


def refused(g, args, words, rc=3, **how):
    """Runs pagewalk and checks that it says why not, in one line, on stderr alone."""
    got, out, err = g.run(["pagewalk", *args], **how)
    assert got == rc, f"{args}: exit {got}, {err}"
    assert out == b"", f"{args}: something on stdout: {out[:200]!r}"
    return one_line(err, words)


def doctor(g, **how):
    """(exit status, {source: record}) of doctor."""
    rc, out, err = g.run(["pagewalk", "doctor", "--json"], **how)
    assert err == b"", err
    answer = Answer(out)
    return rc, {r["source"]: r for r in answer.of("source")}


def capabilities(text):
    return tuple(c.lower() for c in re.findall(r"\bCAP_([A-Z_]+)", text))


@guest_test(kernels=KERNELS)
def test_ordinary_user_sees_own_leaves_without_frames(g):
    m = Mkmaps(g, "--only", "anon,anon-ro", user=USER)
    answer = pagewalk(g, "dump", m.pid, user=USER)
    assert answer.head["source"] == "pagemap" and answer.head["consistency"] == "leaf-only"
    runs = answer.of("run")
    assert runs and all(r["pa"] is None for r in runs), runs[:3]
    assert answer.end["hidden"], answer.end
    at = m.ranges[0].addr
    t = pagewalk(g, "translate", m.pid, f"{at:x}", user=USER).of("translation")[0]
    assert t["verdict"] == "mapped" and t["pa"] is None, t
    for args in (["dump", str(m.pid)], ["translate", str(m.pid), f"{at:x}"]):
        rc, out, err = g.run(["pagewalk", *args], user=USER)
        assert rc == 0 and b"CAP_SYS_ADMIN" in out + err, (args, out, err)
    rc, out, _ = g.run(["pagewalk", "ps"], user=USER)
    assert rc == 0 and b"mkmaps" in out, out


@guest_test(kernels=KERNELS)
def test_ordinary_user_is_refused_another_process(g):
    m = Mkmaps(g, "--only", "anon", user=OTHER)
    for args in (["dump", str(m.pid)], ["translate", str(m.pid), "1000"], ["vmas", str(m.pid)]):
        refused(g, args, [str(m.pid), "mkmaps", "CAP_SYS_PTRACE"], user=USER)
    refused(g, ["dump", "kernel"], ["kernel", "pagewalk doctor"], user=USER)
    for source in SOURCES:
        refused(g, ["-s", source, "dump", str(m.pid)], [source, "CAP_"], user=USER)


@guest_test(kernels=KERNELS)
def test_two_capabilities_are_not_enough(g):
    m = Mkmaps(g, "--only", "anon", user=USER)
    two = ("bpf", "perfmon")
    text = refused(g, ["-s", "bpf", "dump", str(m.pid)], ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE"], user=USER, caps=two)
    rest = capabilities(text)
    assert not set(two) & set(rest), text
    out = g.check(["pagewalk", "-s", "bpf", "dump", str(m.pid)], user=USER, caps=two + rest)
    assert b"validated" in out


@guest_test(kernels=KERNELS)
def test_capabilities_that_are_named_suffice(g):
    """Exactly what doctor asks an ordinary user for opens other users' processes, too; without the last two, only own ones."""
    m = Mkmaps(g, "--only", "anon", user=OTHER)
    _, found = doctor(g, user=USER)
    assert found["bpf"]["state"] == "denied", found
    caps = capabilities(found["bpf"]["why"])
    rc, found = doctor(g, user=USER, caps=caps)
    assert rc == 0 and found["bpf"]["state"] == "ok" and found["bpf"]["auto"], found
    answer = pagewalk(g, "dump", m.pid, user=USER, caps=caps)
    assert answer.head["source"] == "bpf" and answer.head["consistency"] == "validated"
    # may_access_mm() of newer kernels takes CAP_PERFMON for CAP_SYS_PTRACE.
    for other in ("dac_read_search",) + (("sys_ptrace",) if g.series in ("5.10", "6.1", "6.12") else ()):
        fewer = tuple(c for c in caps if c != other)
        refused(g, ["dump", str(m.pid)], [str(m.pid), f"CAP_{other.upper()}"], user=USER, caps=fewer)


@guest_test(kernels=KERNELS)
def test_root_opens_what_doctor_says_it_does(g):
    rc, found = doctor(g, user=USER)
    assert rc == 1 and {s: r["state"] for s, r in found.items()} == \
        {"kmod": "absent", "bpf": "denied", "kcore": "denied", "pagemap": "limited"}, found
    assert "modprobe" in found.pop("kmod")["fix"]
    assert all("run as root" in r["fix"] for r in found.values()), found
    rc, found = doctor(g)
    assert found.pop("kmod")["state"] == "absent"
    assert rc == 0 and all(r["state"] == "ok" and not r["fix"] for r in found.values()), found
    rc, out, _ = g.run(["pagewalk", "doctor"], user=USER)
    assert rc == 1 and b"auto -> pagemap" in out, out


@guest_test(kernels=("5.10-4",))
def test_locked_memory_opens_bpf(g):
    """5.10 counts BPF memory as locked memory; the limit that doctor names is enough in place of the capability."""
    caps = ("bpf", "perfmon", "sys_admin")
    _, found = doctor(g, user=USER, caps=caps)
    limit = re.search(r"ulimit -l \d+", found["bpf"]["why"])
    assert limit and capabilities(found["bpf"]["why"]) == ("sys_resource",), found
    drop = "busybox setpriv --inh-caps -sys_resource --ambient-caps -sys_resource"
    out = g.check(f"{limit[0]} && exec {drop} pagewalk doctor --json", user=USER, caps=(*caps, "sys_resource"))
    found = {r["source"]: r for r in Answer(out).of("source")}
    assert found["bpf"]["state"] == "ok", found
    out = g.check(f"{drop} pagewalk doctor --json; true", user=USER, caps=(*caps, "sys_resource"))
    found = {r["source"]: r for r in Answer(out).of("source")}
    assert found["bpf"]["state"] == "denied", "the capability was not dropped: nothing was tested"


@guest_test(kernels=KERNELS, cmdline="lockdown=integrity", each=SOURCES)
def test_lockdown_integrity_works(g, source):
    assert b"[integrity]" in g.check(["cat", "/sys/kernel/security/lockdown"])
    m = Mkmaps(g, "--only", "anon,thp")
    answer = pagewalk(g, "-s", source, "dump", m.pid)
    assert answer.head["consistency"] == "validated" and answer.of("run")
    rc, found = doctor(g)
    assert rc == 0 and found[source]["state"] == "ok", found


@guest_test(kernels=KERNELS, cmdline="lockdown=confidentiality")
def test_lockdown_confidentiality_refuses_exact_sources(g):
    m = Mkmaps(g, "--only", "anon")
    for source in SOURCES:
        for target in (str(m.pid), "kernel"):
            refused(g, ["-s", source, "dump", target], [source, "lockdown", "confidentiality"])
    rc, found = doctor(g)
    assert rc == 1 and found["pagemap"]["auto"], found
    for source in SOURCES:  # the other tests boot like that, and the sources work
        assert found[source]["state"] == "denied" and found[source]["fix"] == \
            "reboot with lockdown=integrity, or without lockdown=", found[source]
    assert pagewalk(g, "dump", m.pid).head["source"] == "pagemap"


@guest_test(kernels=KERNELS, cmdline="lockdown=confidentiality", fresh=True)
def test_lockdown_that_cannot_be_seen(g):
    """Without securityfs nobody says that there is lockdown. The sources are shut all the same, and doctor says how to see why."""
    g.check(["umount", "/sys/kernel/security"])
    for source in SOURCES:
        refused(g, ["-s", source, "dump", "1"], [source, "lockdown"])
    rc, found = doctor(g)
    assert rc == 1, found
    for source in SOURCES:
        mount = re.search(r"mount -t securityfs \S+ \S+", found[source]["fix"])
        assert mount, found[source]
    g.check(mount[0])
    assert all("lockdown=confidentiality" in doctor(g)[1][source]["why"] for source in SOURCES)


@guest_test(kernels=KERNELS)
def test_what_cannot_be_looked_at_is_one_line(g):
    m = Mkmaps(g, "--only", "anon")
    pid = str(m.pid)
    for command in ("dump", "vmas"):
        refused(g, [command, "999999"], ["999999"])
        refused(g, [command, "2"], ["kernel thread"])
        refused(g, [command, "name:nosuchthing"], ["nosuchthing"])
    for bad in ("0", "-1", "99999999999", "nonsense", "pid:1"):
        refused(g, ["dump", "--", bad], [bad], rc=2)
    for bad in ("xyz", "1ffffffffffffffff", "0x", "-5"):
        refused(g, ["translate", pid, "--", bad], [bad], rc=2)
    for bad in ("zzz-1", "5-5", "6-5", "5+", "5+0", "5+3X", "1000-", "[nosuch]"):
        refused(g, ["dump", pid, bad], [bad], rc=2)
    refused(g, ["-s", "nosuch", "dump", pid], ["nosuch"])
    refused(g, ["dump", pid, "--columns", "range,nosuch"], ["nosuch"], rc=2)
    refused(g, ["dump", pid, "-o", "/nosuch/file"], ["/nosuch/file"])
    rc, out, err = g.run("pagewalk dump kernel --entries | head -n 3; exit 0")
    assert out.count(b"\n") == 3 and err == b"", (out, err)


@guest_test(kernels=KERNELS)
def test_names_from_outside_stay_on_the_line(g):
    """A process may call itself anything."""
    p = g.spawn(["sh", "-c", 'printf "a\\nb\\033[31m" >/proc/self/comm 2>/dev/null; printf "a\\nb\\033[31m" >/proc/$$/comm; '
                 "echo ready; exec 1>&-; while :; do sleep 1; done"], user=OTHER)
    assert p.wait_line(rb"ready")
    refused(g, ["dump", str(p.pid)], [str(p.pid), "a\\x0ab\\x1b[31m"], user=USER)
    refused(g, ["dump", str(p.pid), EVIL], ["a\\x0ab\\x1b[31m"], rc=2)
    out = g.check(["pagewalk", "dump", str(p.pid)]).decode()
    assert out.replace("\n", "").isprintable() and "a\\x0ab\\x1b[31m" in out, out[:200]


@guest_test(kernels=KERNELS, each=SOURCES)
def test_a_process_that_has_ended(g, source):
    """A zombie has no memory; one that ends while it is looked at is not shown as if it were empty."""
    p = g.spawn("sleep 1 & echo $!; exec sleep 1000")  # who does not wait for its child
    zombie = p.wait_line(rb"^(\d+)\n")[1].decode()
    g.check(f"until grep -q '^State:.Z' /proc/{zombie}/status; do sleep 0.1; done")
    refused(g, ["-s", source, "dump", zombie], [zombie, "has exited"])
    refused(g, ["-s", source, "translate", zombie, "1000"], [zombie, "has exited"])
    m = Mkmaps(g, "--only", "anon")
    address = b"%x\n" % m.ranges[0].addr
    t = g.spawn(["pagewalk", "-s", source, "translate", str(m.pid), "-"], stdin=None)
    t.write(address)
    t.wait_until(lambda: address.strip() in t.stdout or t.rc is not None, 60, "the first answer")
    assert t.rc is None, t.stderr
    m.process.kill()
    m.process.wait(30)
    t.write(address)
    rc, out, err = t.wait(60)
    assert rc == 4 and out.count(address.strip()) == 1, (rc, out, err)
    one_line(err, [str(m.pid), "gone"])


MANY_TABLES = """
import mmap
m = mmap.mmap(-1, 600 << 20)
m.madvise(mmap.MADV_NOHUGEPAGE)
for at in range(0, 600 << 20, 2 << 20):
    for i in range(32):
        m[at + 4096 * i] = 1
print("ready", flush=True)
input()
"""


@host_test()
def test_a_process_that_ends_during_its_dump():
    """It has more tables than are read ahead, and more lines than all buffers hold: when it ends not all can have been read."""
    with Host() as h:
        for source in (*exact_sources(h), "pagemap"):
            for style in ("--json", "--bytes"):
                p = h.spawn(["python3", "-c", MANY_TABLES], stdin=None)
                assert p.wait_line(rb"ready")
                with subprocess.Popen([h.program("pagewalk"), "-s", source, "dump", str(p.pid), "--entries", style],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE) as d:
                    first = d.stdout.readline()
                    p.kill()
                    p.wait()
                    rest = d.stdout.read()
                    one_line(d.stderr.read(), [str(p.pid), "gone"])
                assert d.returncode == 4, d.returncode
                assert first and b'"rec":"end"' not in rest and rest.count(b"\n") < 9600
