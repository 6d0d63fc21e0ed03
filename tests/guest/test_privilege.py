# SPDX-License-Identifier: LGPL-2.1-or-later
"""What works with fewer rights, and how the rest is refused: one clear line, the documented exit status."""

import json

from testing import guest_test
from tool import Answer, Mkmaps, SOURCES, pagewalk

FEW = ("5.10-4", "6.1-5", "7.2-5")


def refused(g, args, words, rc=3, **how):
    """Runs pagewalk and checks that it says why not, in one line, on stderr alone."""
    got, out, err = g.run(["pagewalk", *args], **how)
    text = err.decode(errors="replace")
    assert got == rc, f"{args}: exit {got}, {text}"
    assert out == b"", f"{args}: something on stdout: {out[:200]!r}"
    assert text.count("\n") == 1 and text.startswith("pagewalk: "), text
    for w in words:
        assert w.lower() in text.lower(), f"'{w}' is not in: {text}"
    return text


@guest_test(kernels=FEW)
def test_ordinary_user_sees_own_leaves_without_frames(g):
    m = Mkmaps(g, "--only", "anon,anon-ro", user=1000)
    rc, out, err = g.run(["pagewalk", "dump", str(m.pid), "--json"], user=1000)
    answer = Answer(out)
    assert rc == 0, err
    assert answer.head["source"] == "pagemap" and answer.head["consistency"] == "leaf-only"
    runs = answer.of("run")
    assert runs and all(r["pa"] is None for r in runs if r["kind"] == "leaf"), runs[:3]
    rc, out, err = g.run(["pagewalk", "dump", str(m.pid)], user=1000)
    assert rc == 0 and b"CAP_SYS_ADMIN" in out + err, (out, err)


@guest_test(kernels=FEW)
def test_ordinary_user_is_refused_another_process(g):
    m = Mkmaps(g, "--only", "anon", user=1001)
    refused(g, ["dump", str(m.pid)], [str(m.pid)], user=1000)
    refused(g, ["translate", str(m.pid), "1000"], [str(m.pid)], user=1000)
    refused(g, ["dump", "kernel"], ["kernel"], user=1000)


@guest_test(kernels=FEW)
def test_two_capabilities_are_not_enough(g):
    m = Mkmaps(g, "--only", "anon", user=1000)
    text = refused(g, ["-s", "bpf", "dump", str(m.pid)], ["CAP_SYS_ADMIN"], user=1000, caps=("bpf", "perfmon"))
    assert "CAP_BPF" not in text.split("needs")[-1], text


@guest_test(kernels=FEW)
def test_every_capability_that_is_named_suffices(g):
    """What doctor asks for, given to an ordinary user, opens the source."""
    m = Mkmaps(g, "--only", "anon", user=1001)
    caps = ("bpf", "perfmon", "sys_admin", "sys_ptrace", "dac_read_search", "sys_resource")
    rc, out, err = g.run(["pagewalk", "-s", "bpf", "dump", str(m.pid), "--json"], user=1000, caps=caps)
    assert rc == 0, err
    assert Answer(out).head["consistency"] == "validated"


@guest_test(kernels=FEW)
def test_doctor_tells_root_and_user_apart(g):
    assert g.run(["pagewalk", "doctor"])[0] == 0
    rc, out, _ = g.run(["pagewalk", "doctor"], user=1000)
    assert rc == 1 and b"pagemap" in out, out
    rc, out, _ = g.run(["pagewalk", "doctor", "--json"], user=1000)
    states = {r["source"]: r["state"] for r in map(json.loads, out.splitlines()) if r["rec"] == "source"}
    assert states["bpf"] == "denied" and states["pagemap"] == "limited", states


@guest_test(kernels=FEW, cmdline="lockdown=integrity", each=SOURCES)
def test_lockdown_integrity_works(g, source):
    assert b"[integrity]" in g.check(["cat", "/sys/kernel/security/lockdown"])
    m = Mkmaps(g, "--only", "anon,thp")
    answer = pagewalk(g, "-s", source, "dump", m.pid)
    assert answer.head["consistency"] == "validated" and answer.of("run")


@guest_test(kernels=FEW, cmdline="lockdown=confidentiality")
def test_lockdown_confidentiality_refuses_exact_sources(g):
    m = Mkmaps(g, "--only", "anon")
    for source in SOURCES:
        refused(g, ["-s", source, "dump", str(m.pid)], ["lockdown", "confidentiality"])
    rc, out, _ = g.run(["pagewalk", "doctor"])
    assert rc == 1 and b"confidentiality" in out, out
    assert pagewalk(g, "dump", m.pid).head["source"] == "pagemap"


@guest_test(kernels=FEW)
def test_what_cannot_be_looked_at_is_one_line(g):
    refused(g, ["dump", "999999"], ["999999"])
    refused(g, ["dump", "2"], ["kernel thread"])
    refused(g, ["translate", "1", "xyz"], ["xyz"], rc=2)
    refused(g, ["dump", "1", "zzz-1"], ["zzz-1"], rc=2)
    refused(g, ["dump", "name:nosuchthing"], ["nosuchthing"])
    rc, out, err = g.run(["sh", "-c", "pagewalk dump kernel --entries | head -n 3; exit 0"])
    assert out.count(b"\n") == 3 and err == b"", (out, err)
