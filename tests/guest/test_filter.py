# SPDX-License-Identifier: LGPL-2.1-or-later
"""`--filter` of a process in every state: just the entries of a full dump of which the same is true, in Python's words."""

from testing import guest_test
from tool import EVERY_STATE, Mkmaps, number, pagewalk, prepare, vmas


def has(bit):
    return lambda e: bit in e["attrs"]


CASES = {
    "w": lambda e: "w" in e["perm"],
    "x and not w": lambda e: "x" in e["perm"] and "w" not in e["perm"],
    "not u": lambda e: "u" not in e["perm"],
    "leaf": lambda e: e["kind"] == "leaf",
    "protnone or soft": lambda e: e["kind"] in ("protnone", "soft"),
    "swap": lambda e: "swap" in e and e["swap"]["type"] < 23,
    "size=2M": lambda e: e["size"] == 2 << 20,
    "size>4K and (protnone or leaf)": lambda e: e["size"] > 4096 and e["kind"] in ("protnone", "leaf"),
    "pmd": lambda e: e["level"] == "pmd",
    "huge": lambda e: e["level"] != "pte" and e["kind"] in ("protnone", "leaf"),
    "dirty and not global": lambda e: has("dirty")(e) and not has("global")(e),
    "soft-dirty": has("soft-dirty"),
    "uffd-wp": has("uffd-wp"),
    "key>0": lambda e: (e.get("key") or 0) > 0,
    "memtype!=WB": lambda e: e.get("memtype") != "WB",
    "pa>=1000000 and pa<8000000": lambda e: e["pa"] and number(e["pa"]) < 0x8000000
    and number(e["pa"]) + e["size"] - 1 >= 0x1000000 and e["kind"] != "soft",
    "name=[heap] or name=[stack]": lambda e: e["vma"] in ("[heap]", "[stack]"),
    "file~mkmaps and not x": lambda e: "mkmaps" in e["vma"] and "x" not in e["perm"],
    "reserved": lambda e: False,
}


@guest_test(kernels=("5.10-4", "7.2-5"), **EVERY_STATE)
def test_entries_that_match(g):
    prepare(g)
    m = Mkmaps(g)
    areas = vmas(g, m.pid)
    every = [r | {"vma": next((a.name for a in areas if a.lo <= va < a.hi), "")}
             for va, r in pagewalk(g, "dump", "--entries", m.pid).entries()]
    found = {}
    for text, true in CASES.items():
        got = pagewalk(g, "dump", "--entries", m.pid, "--filter", text)
        assert got.head["filter"] == text
        # Accessed, and what follows from it, is the CPU's and the kernel's to change at any time.
        want = [(r["va"], r["level"]) for r in every if r["kind"] != "none" and true(r)]
        assert [(r["va"], r["level"]) for _, r in got.entries()] == want, (text, len(want), len(got.entries()))
        found[text] = len(want)
        levels = pagewalk(g, "stats", m.pid, "--filter", text).of("level")
        for kind in ("leaf", "protnone", "soft"):
            assert sum(r["entries"][kind] for r in levels) == sum(r["kind"] == kind for _, r in got.entries()), (text, kind, levels)
    assert sum(n > 0 for n in found.values()) > len(found) - 5, found
    merged = pagewalk(g, "dump", m.pid, "--filter", "w and size=4K")
    assert sum(r["pages"] for r in merged.of("run")) == merged.end["leaves"] \
        == sum("w" in r["perm"] and r["size"] == 4096 for r in every)
    print(f"     {g.name}: {len(every)} entries; {sum(found.values())} matches of {len(found)} filters", flush=True)
