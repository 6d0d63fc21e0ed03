# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our modules build for every kernel without a warning of gcc, modpost or sparse; what they say of themselves is complete."""

import glob
import os
import re
import subprocess
import tempfile

import kernels
import modules
from testing import host_test

SERIES = ("5.10", "6.1", "6.12", "6.12+deb13", "7.2", "7.3")
TIMEOUT = 900  # headers may have to be fetched first

# {what is wrong: (file, what of it, is replaced by this, what is said then)}
WRONG = {
    "sparse": ("main.c", b"(void __user *)arg", b"(void *)arg", "different address spaces"),
    "W=1": ("main.c", b"\nstatic int __init pw_init(void)", b"\nint __init pw_init(void)", "no previous prototype"),
}


def modinfo(path):
    """{field: [values]} of a module file, as modinfo shows them."""
    out = subprocess.run(["readelf", "-W", "-p", ".modinfo", path], capture_output=True, text=True, check=True).stdout
    fields = {}
    for text in re.findall(r"^  \[ *[0-9a-f]+\]  (.*)$", out, re.M):
        key, _, value = text.partition("=")
        fields.setdefault(key, []).append(value)
    return fields


def dkms_conf(folder):
    """{variable: [values]} of a dkms.conf, which bash reads for DKMS."""
    names = ("PACKAGE_VERSION", "BUILT_MODULE_NAME", "BUILT_MODULE_LOCATION", "MAKE", "CLEAN")
    script = '. "$0"; for n; do declare -n v=$n; printf "%s" "$n"; printf "\\t%s" "${v[@]}"; echo; done'
    out = subprocess.run(["bash", "-c", script, os.path.join(modules.TREE, folder, "dkms.conf"), *names],
                         capture_output=True, text=True, check=True).stdout
    return {name: [v for v in values if v] for name, *values in (line.split("\t") for line in out.splitlines())}


@host_test(each=SERIES, timeout=TIMEOUT)
def test_builds_without_a_warning(series):
    modules.build(kernels.get(series), check=True)  # one build makes them all


@host_test(each=("6.1", "7.3"), timeout=TIMEOUT)  # their makefiles differ in what they know of sparse
def test_a_warning_is_not_missed(series):
    for file, text, wrong, said in WRONG.values():
        sources = modules.sources_of(modules.MODULES["pagewalk"])
        assert text in sources[file], f"{file} has no longer {text}"
        sources[file] = sources[file].replace(text, wrong)
        with tempfile.TemporaryDirectory(prefix="pagewalk-kmod-") as tmp:
            modules.write(sources, tmp)
            try:
                modules.compile_in(tmp, kernels.get(series), modules.MODULES["pagewalk"], check=True)
            except modules.BuildError as e:
                assert said in str(e), str(e)
            else:
                raise AssertionError(f"{wrong} in {file} was not warned of")


@host_test(each=SERIES, timeout=TIMEOUT)
def test_modinfo_is_complete(series):
    kernel = kernels.get(series)
    for name in modules.OURS:
        path = modules.build(kernel, name)
        info = modinfo(path)
        for field in ("description", "author", "version", "license", "depends", "vermagic", "name"):
            assert len(info.get(field, ())) == 1, f"{path}: {field} is {info.get(field)}"
        assert info["description"] != [""] and info["author"] != [""], info
        assert info["version"] == dkms_conf("kmod")["PACKAGE_VERSION"], info
        assert info["license"] == ["GPL"], info
        assert info["vermagic"][0].startswith(f"{kernel.version} SMP "), info
        assert info["name"] == [os.path.basename(path)[:-3]], info
        described = dict(p.split(":", 1) for p in info.get("parm", ()))
        assert described.keys() == {p.split(":")[0] for p in info.get("parmtype", ())}, info
        assert all(described.values()), info


@host_test(timeout=TIMEOUT)
def test_modinfo_of_pagewalk():
    info = modinfo(modules.build(kernels.get("6.1")))
    assert info["depends"] == [""], info
    assert info["parmtype"] == ["writable:bool"], info


@host_test(timeout=TIMEOUT)
def test_dkms_conf_names_each_module_that_is_built():
    named = set()
    for folder in ("kmod", "kmod/origins"):
        conf = dkms_conf(folder)
        assert not conf["MAKE"] and not conf["CLEAN"], "this test does what DKMS does by itself"
        with open(os.path.join(modules.TREE, "meson.build"), encoding="utf-8") as f:
            assert conf["PACKAGE_VERSION"] == re.findall(r"^\s*version: '(.+?)'", f.read(), re.M), conf
        places = conf["BUILT_MODULE_LOCATION"] or [""] * len(conf["BUILT_MODULE_NAME"])
        named |= {os.path.join(place, f"{name}.ko") for place, name in zip(places, conf["BUILT_MODULE_NAME"], strict=True)}
    with tempfile.TemporaryDirectory(prefix="pagewalk-kmod-") as tmp:
        modules.write(modules.sources_of(modules.MODULES["pagewalk"]), tmp)
        modules.compile_in(tmp, kernels.get("6.1"), modules.MODULES["pagewalk"])
        built = {os.path.relpath(path, tmp) for path in glob.glob(f"{tmp}/**/*.ko", recursive=True)}
    assert named == built == {modules.MODULES[name].file for name in modules.OURS}, (named, built)


@host_test()
def test_run_module_names_the_headers_that_are_missing():
    done = subprocess.run([os.path.join(modules.TREE, "run"), "module", "9.9.9-nowhere"], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False, env={**os.environ, "CI": ""})
    assert done.returncode == 3 and not done.stdout, done
    assert "missing package: linux-headers-9.9.9-nowhere" in done.stderr, done.stderr
