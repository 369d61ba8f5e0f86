# SPDX-License-Identifier: MIT
"""A thread that hangs while the others of its process go on."""

import os
import subprocess
import sys

from . import Failure


class Wedge:
    """Holds a thread, by its TID as we see it; a context manager that lets it go."""

    def __init__(self, tid):
        self.tid = tid
        self.holder = None

    def __enter__(self):
        program = f"{os.path.dirname(os.path.realpath(__file__))}/hold_thread.py"
        self.holder = subprocess.Popen([sys.executable, program, str(self.tid)], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != "held\n":
            raise Failure(f"thread {self.tid} cannot be held")
        return self

    def __exit__(self, *_):
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait()


def threads(pid):
    """{TID: name} of a process, the main thread first."""
    found = {}
    for tid in sorted(map(int, os.listdir(f"/proc/{pid}/task"))):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii", errors="replace") as file:
            found[tid] = file.read().strip()
    return found
