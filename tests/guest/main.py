#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs tests/guest/test_*.py: main.py [--list] [--counts FILE] [-j SLOTS] [--kernels KERNEL,...] [--simd plain|avx2] [NAME]...

NAME: only tests whose name contains one of them. KERNEL: these instead of the ones that the tests name. --simd: how pagewalk scans tables,
here and in guests.
One line a test. Tests that share a guest run one after another in a process of their own; as many of these run
at once as there are CPUs (two at least).
"""

import argparse
import glob
import importlib.util
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time
import traceback

import debug_kernel
import kernels
import watch
from channel import GuestError
from testing import split_kernel, tests_of
from vm import Guest

HERE = os.path.dirname(os.path.abspath(__file__))
GRACE = 60  # a worker that says nothing this long after a test's timeout is lost


class TestTimeout(BaseException):
    """Not an Exception, so that no test catches it by accident."""


def discover(kernels_instead=()):
    tests = []
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        name = os.path.basename(path)[5:-3]
        spec = importlib.util.spec_from_file_location(f"test_{name}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tests += tests_of(module, name, kernels_instead)
    return tests


def on_alarm(_signal, _frame):
    raise TestTimeout


def boot(test):
    """A guest for `test`. A boot that fails is tried again: with two vCPUs QEMU 7.2 at times runs an
    instruction that the other vCPU is just patching, and the kernel dies of it before any test began."""
    series, levels = split_kernel(test.kernel)
    for left in (2, 1, 0):
        try:
            return Guest(series, levels, **test.spec.options)
        except GuestError as e:
            if not left:
                raise
            print(f"guest: {e}; once more", file=sys.stderr, flush=True)


def explain(error):
    """The traceback of a failure, without this file's own frames in front."""
    tb = error.__traceback__
    while tb.tb_next and tb.tb_frame.f_code.co_filename == __file__:
        tb = tb.tb_next
    return "".join(traceback.format_exception(type(error), error, tb))


def timeout(test):
    slow = test.kernel and split_kernel(test.kernel)[0] == "debug"
    return test.spec.timeout * (debug_kernel.SLOWNESS if slow else 1)


def run_one(test, guest, last):
    """Runs one test; the guest to go on with, or None when it is spent. `last`: nobody needs it after this."""
    if test.kernel is None:
        test.function(*test.arguments)
        return None
    if guest and (not guest.alive or test.spec.fresh):
        guest.close()
        guest = None
    guest = guest or boot(test)
    spent = True
    try:
        mark = guest.log_mark()
        test.function(guest, *test.arguments)
        guest.cont()
        guest.kill_all()
        if (last or test.spec.fresh) and not test.spec.allow_log and guest.kernel.has_config("CONFIG_DEBUG_KMEMLEAK"):
            watch.finish(guest)  # the last test answers for what all lost
        guest.assert_clean_log(mark, test.spec.allow_log)
        spent = test.spec.fresh
    finally:
        if spent:  # after a failure too: the next test gets a guest it can trust
            guest.close()
    return None if spent else guest


def worker(tests, results):
    """Body of a worker process: sends (index, seconds, failure text or None) a test."""
    signal.signal(signal.SIGALRM, on_alarm)
    guest = None
    for i, test in enumerate(tests):
        started, failure = time.monotonic(), None
        signal.setitimer(signal.ITIMER_REAL, timeout(test))
        try:
            guest = run_one(test, guest, i + 1 == len(tests))
        except TestTimeout:
            guest, failure = None, f"not done within {timeout(test):g} s\n{traceback.format_exc(limit=-3)}"
        except Exception as e:
            guest, failure = None, explain(e)
        signal.setitimer(signal.ITIMER_REAL, 0)
        results.send((i, time.monotonic() - started, failure))
    if guest:
        guest.close()
    results.close()


class Group:
    """Tests that share a guest, and the process that runs them."""

    def __init__(self, tests, slots):
        self.tests, self.done = tests, 0
        options = tests[0].spec.options
        self.weight = 1 if "thread=single" in options.get("accel", "") else min(slots, options.get("smp", 1))
        self.process = self.results = self.deadline = None

    def start(self):
        self.results, theirs = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=worker, args=(self.tests, theirs))
        self.process.start()
        theirs.close()
        self._expect()

    def _expect(self):
        if self.done < len(self.tests):
            # Besides the test itself there may be a boot, or two.
            self.deadline = time.monotonic() + timeout(self.tests[self.done]) + GRACE

    def receive(self):
        """[(test, seconds, failure)] that is new; whatever can no longer come has failed."""
        try:
            _, seconds, failure = self.results.recv()
        except EOFError:
            lost, self.done = self.tests[self.done:], len(self.tests)
            return [(t, 0, "its process died") for t in lost]
        test = self.tests[self.done]
        self.done += 1
        self._expect()
        return [(test, seconds, failure)]

    def give_up(self):
        lost, self.done = self.tests[self.done:], len(self.tests)
        self.process.kill()
        return [(t, 0, "its process hung") for t in lost]

    def finish(self):
        self.process.join()
        self.results.close()


def report(outcome):
    test, seconds, failure = outcome
    print(f"{'FAIL' if failure else 'ok  '} {test.name}  {seconds:.1f}s", flush=True)
    if failure:
        print("     " + failure.rstrip().replace("\n", "\n     "), flush=True)
    return not failure


def prefetch(tests):
    """Fetches every kernel before the tests' clocks run; (tests that can run, [outcome] of the others)."""
    def wanted(t):
        return split_kernel(t.kernel)[0], t.spec.options.get("flavour", "cloud")

    missing = {}
    for series, flavour in dict.fromkeys(wanted(t) for t in tests if t.kernel):
        try:
            kernels.get(series, flavour)
        except kernels.AptError as e:
            missing[series, flavour] = str(e)

    def why(t):
        return missing.get(wanted(t)) if t.kernel else None

    return [t for t in tests if not why(t)], [(t, 0, why(t)) for t in tests if why(t)]


def run_all(tests, slots):
    """Runs the tests; (passed, failed)."""
    tests, outcomes = prefetch(tests)
    good = [report(o) for o in outcomes]
    groups = {}
    for i, t in enumerate(tests):
        groups.setdefault(t.guest if t.kernel else i, []).append(t)
    waiting = [Group(g, slots) for g in groups.values()]
    running = []
    while waiting or running:
        for g in list(waiting):
            if sum(r.weight for r in running) + g.weight <= slots:
                waiting.remove(g)
                running.append(g)
                g.start()
        ready = multiprocessing.connection.wait([g.results for g in running], timeout=1)
        for g in list(running):
            if g.results in ready:
                good += [report(o) for o in g.receive()]
            elif time.monotonic() > g.deadline:
                good += [report(o) for o in g.give_up()]
            if g.done == len(g.tests):
                g.finish()
                running.remove(g)
    return sum(good), len(good) - sum(good)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--counts", help="write passed and failed there")
    parser.add_argument("-j", type=int, default=max(2, os.cpu_count() or 1), dest="slots")
    parser.add_argument("--kernels", type=lambda text: tuple(text.split(",")), default=())
    parser.add_argument("--simd", choices=("plain", "avx2"))
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if args.simd:
        os.environ["PAGEWALK_SIMD"] = args.simd
    tests = [t for t in discover(args.kernels) if not args.names or any(n in t.name for n in args.names)]
    if args.list:
        print("\n".join(t.name for t in tests))
        return 0
    passed, failed = run_all(tests, args.slots)
    if args.counts:
        with open(args.counts, "w", encoding="ascii") as f:
            f.write(f"{passed} {failed}\n")
    print(f"guests: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    sys.exit(main())
