# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test file says about its tests.

    @guest_test()                                   once a kernel of KERNELS, in a shared guest
    def test_something(g): ...

    @guest_test(kernels=["6.1-4"], cmdline="pti=on", each=["bpf", "kcore"])
    def test_other(g, source): ...                  once a kernel and value

    @host_test()
    def test_here(): ...

Tests with equal guest options share one boot, whatever file they are in: leave nothing behind, or say
fresh=True. Processes started through `g` are killed after each test, and the kernel's log must have
no splat since the test began.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Callable

KERNELS = ("5.10-4", "6.1-4", "6.1-5", "6.12-4", "6.12-5", "7.2-4", "7.2-5", "newest-5")
# Each series once and both numbers of levels: for what does not depend on which of them go together.
SERIES = ("5.10-4", "6.1-5", "6.12-4", "7.2-5")


@dataclass(frozen=True)
class Spec:
    kernels: tuple
    each: tuple
    fresh: bool
    timeout: float
    allow_log: str
    whole_kernel: bool
    options: dict = field(hash=False)


@dataclass(frozen=True)
class Test:
    """One function for one kernel (None: on the host) and one value of `each`."""

    name: str
    function: Callable
    spec: Spec
    kernel: Any
    arguments: tuple

    @property
    def guest(self):
        """Equal for tests that can share a guest."""
        return self.kernel, repr(sorted(self.spec.options.items()))


def guest_test(kernels=KERNELS, each=(), fresh=False, timeout=300, allow_log=None, whole_kernel=False, **options):
    """Marks a test; `options` go to vm.Guest.

    allow_log     regex of log lines that may look bad
    whole_kernel  it goes through every leaf of the kernel half, or QEMU does for `info tlb`: not on the debug
                  kernel, where KASAN's shadow of what does not exist is 2^32 pages at least
    """
    def mark(function):
        function.spec = Spec(tuple(kernels), tuple(each), fresh, timeout, allow_log, whole_kernel,
                             options)
        return function
    return mark


def host_test(each=(), timeout=300):
    """Marks a test that runs on this machine."""
    def mark(function):
        function.spec = Spec((None,), tuple(each), False, timeout, None, False, {})
        return function
    return mark


def split_kernel(kernel):
    """("6.1", 5) of "6.1-5"."""
    m = re.match(r"^(.*?)(?:-([45]))?$", kernel)
    return m[1], int(m[2]) if m[2] else None


def tests_of(module, name, kernels=()):
    """Every Test of a module, with `kernels` in place of its own; `name` is the file's name without test_ and .py.

    Tests on the debug kernel alone run only when it is among `kernels`, and never on others.
    """
    for key, function in vars(module).items():
        spec = getattr(function, "spec", None)
        if not key.startswith("test_") or not isinstance(spec, Spec):
            continue
        if split_kernel(spec.kernels[0] or "")[0] == "debug":
            mine = [k for k in spec.kernels if k in kernels]
        else:
            mine = kernels if kernels and spec.kernels != (None,) else spec.kernels
            if spec.whole_kernel:
                mine = [k for k in mine if not k.startswith("debug")]
        for kernel in mine:
            for value in spec.each or (None,):
                tags = [str(t) for t in (kernel, value) if t is not None]
                label = f"{name}.{key[5:]}" + (f"[{','.join(tags)}]" if tags else "")
                yield Test(label, function, spec, kernel, () if value is None else (value,))
