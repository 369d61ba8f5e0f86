# SPDX-License-Identifier: MIT
"""Cases, and what they found, as TAP.

A theme is a module with functions marked @case(NAME), each with one assertion of substance; they
run in the order of the file, each on a machine that was put back to how it was after booting.
"""

import contextlib
import signal
import time
import traceback

from . import Failure


def case(name, timeout_s=60):
    """Marks a function of one argument, the machine's Sluice, as a test."""
    def mark(function):
        function.case = (name, timeout_s)
        return function
    return mark


def cases_of(theme):
    return [function for function in vars(theme).values() if hasattr(function, "case")]


def say(text):
    """Something worth knowing that decides nothing."""
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def expect(condition, what):
    if not condition:
        raise Failure(what() if callable(what) else what)


def expect_equal(found, wanted, what):
    expect(found == wanted, lambda: f"{what}: {found!r}, not {wanted!r}")


def wait_for(condition, what, timeout_s=10.0, interval_s=0.02):
    """Calls `condition` until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failure(f"not after {timeout_s} s: {what() if callable(what) else what}")
        time.sleep(interval_s)


@contextlib.contextmanager
def _time_limit(seconds):
    def on_alarm(_number, _frame):
        raise Failure(f"no end after {seconds} s")

    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def run(theme, cases, sluice):
    """Runs cases; returns how many failed."""
    failed = 0
    name = theme.__name__.rpartition(".")[2]
    for number, function in enumerate(cases, 1):
        title, timeout_s = function.case
        began = time.monotonic()
        try:
            with _time_limit(timeout_s):
                sluice.reset()
                function(sluice)
        except Failure as failure:
            problem = str(failure)
        except Exception:  # pylint: disable=broad-except
            problem = traceback.format_exc()
        else:
            problem = None
        print(f"{'not ' if problem else ''}ok {number} /system/{name}/{title}", flush=True)
        if problem:
            failed += 1
            say(problem)
            with contextlib.suppress(Exception), _time_limit(30):
                say(sluice.describe())
        say(f"{time.monotonic() - began:.1f} s")
    print(f"1..{len(cases)}", flush=True)
    return failed
