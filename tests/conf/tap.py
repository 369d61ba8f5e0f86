# SPDX-License-Identifier: MIT
"""Runs a module's unittest cases and prints TAP: `ok 1 - /proxy/keep_alive`, ..., `1..N`.

A failure is told by its traceback in `#` lines. What fails in setUpClass or tearDownClass, a
daemon that did not leave cleanly say, is a test of its own.
"""

import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.count = 0

    def report(self, ok, test, directive="", details=""):
        self.count += 1
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name_of(test)}{directive}")
        for line in details.splitlines():
            print(f"# {line}")
        sys.stdout.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.report(True, test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.report(False, test, details="".join(traceback.format_exception(*err)))

    def addError(self, test, err):
        super().addError(test, err)
        self.report(False, test, details="".join(traceback.format_exception(*err)))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.report(False, subtest, details="".join(traceback.format_exception(*err)))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.report(True, test, f" # SKIP {reason}")


def name_of(test):
    """/class/case, or what a class's fixture and a subtest call themselves."""
    case = getattr(test, "test_case", test)
    method = getattr(case, "_testMethodName", None)
    if method is None:
        return str(test)
    params = getattr(test, "params", None)
    inside = "" if not params else " " + " ".join(str(value) for value in params.values())
    return f"/{type(case).__name__.lower()}/{method.removeprefix('test_')}{inside}".replace("#", "")


def main():
    """Runs the cases of the calling program; its arguments select some by (part of) their name."""
    loader = unittest.TestLoader()
    if sys.argv[1:]:
        loader.testNamePatterns = [f"*{argument}*" for argument in sys.argv[1:]]
    result = TapResult()
    loader.loadTestsFromModule(sys.modules["__main__"]).run(result)
    print(f"1..{result.count}")
    sys.exit(not result.wasSuccessful())
