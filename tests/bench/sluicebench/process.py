# SPDX-License-Identifier: MIT
"""One process we started, with its descendants: start it, read it from /proc, end it.

Each child gets its own session: lighttpd signals its whole process group when it ends, which must
not be ours. Only processes started here, and their descendants, are ever signalled, by PID.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time

from . import Unmeasurable

TICKS_PER_S = os.sysconf("SC_CLK_TCK")

# Has the kernel end the child should we be killed without warning. It executes the program in its
# own place, so the PID is the program's.
_END_WITH_PARENT = ["setpriv", "--pdeathsig", "TERM", "--"]


def _stat(pid):
    """The fields of /proc/PID/stat after the command name: [0] is the state, [1] the parent."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def _start_time(pid):
    """When the process began, in ticks since boot: with the PID it names one process for good."""
    try:
        return int(_stat(pid)[19])
    except (OSError, IndexError):
        return None


def tree(pid):
    """The process and all its descendants, as PIDs."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(int(_stat(entry)[1]), []).append(int(entry))
            except (OSError, IndexError):
                continue
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += children.get(current, [])
    return found


class Process:
    """A running child, with `.pid`; a context manager that ends it."""

    def __init__(self, argv, log, env=None, stdin=subprocess.DEVNULL, stdout=None, cpu=None):
        """Starts `argv`; both outputs go to the file `log`, unless `stdout` says otherwise.

        With `cpu` the process and its threads and children run on that CPU only.
        """
        if shutil.which(argv[0]) is None:
            raise Unmeasurable(f"{argv[0]} is not installed")
        self.name = os.path.basename(argv[0])
        self.log = log
        pin = [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(
                [*_END_WITH_PARENT, *pin, *argv], stdin=stdin, stderr=output,
                stdout=output if stdout is None else stdout,
                env={**os.environ, "LC_ALL": "C", **(env or {})}, start_new_session=True)
        self.pid = self.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def alive(self):
        return self.popen.poll() is None

    def log_tail(self, lines=8):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:]).strip()

    def check(self):
        """Raises Unmeasurable, with what the process last said, if it has ended."""
        if not self.alive():
            raise Unmeasurable(f"{self.name} ended with status {self.popen.returncode}: "
                               f"{self.log_tail() or 'it said nothing'}")

    def end(self, grace_s=5.0):
        """SIGTERM, and SIGKILL after `grace_s`, to the process; then the same to what it left."""
        left = {pid: _start_time(pid) for pid in tree(self.pid) if pid != self.pid}
        if self.alive():
            self.popen.terminate()
            try:
                self.popen.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 1.0
            while (any(began is not None and _start_time(pid) == began
                       for pid, began in left.items()) and time.monotonic() < deadline):
                time.sleep(0.01)
            for pid, began in left.items():
                if began is not None and _start_time(pid) == began:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)

    def cpu_s(self):
        """User and system time used so far by the process and its living descendants, in seconds.

        Exact to one tick (10 ms) for each process.
        """
        ticks = 0
        for pid in tree(self.pid):
            try:
                fields = _stat(pid)
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_PER_S

    def memory_kib(self):
        """(Rss, Pss) of the process and its descendants together, in KiB."""
        rss = pss = 0
        for pid in tree(self.pid):
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                for line in file:
                    if line.startswith("Rss:"):
                        rss += int(line.split()[1])
                    elif line.startswith("Pss:"):
                        pss += int(line.split()[1])
        return rss, pss

    def descriptors(self):
        """The number of open file descriptors of the process alone."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def cores_busy(before, after):
    """The share of all cores' time (0 to 1) that was not idle between two `core_times()`."""
    spent = [b - a for a, b in zip(before, after)]
    idle = spent[3] + spent[4]
    return 1.0 - idle / max(sum(spent), 1)


def core_times():
    """Time spent by all cores since boot, in ticks: user, nice, system, idle, iowait, ..."""
    with open("/proc/stat", encoding="ascii") as file:
        return [int(field) for field in file.readline().split()[1:9]]
