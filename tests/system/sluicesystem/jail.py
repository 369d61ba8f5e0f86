# SPDX-License-Identifier: MIT
"""A process with PID, mount and control group namespaces of its own, so that nothing outlives it.

All that the tests start and mount belongs to a child that is process 1 of its PID namespace. The
kernel ends everything in there with it, and its mounts vanish with its last process: cleaning up
works after Ctrl-C, SIGTERM and even SIGKILL. Only the parent is seen from outside; it waits, and
removes the two empty directories that are left.
"""

import contextlib
import ctypes
import os
import signal
import sys
import tempfile
import time

from . import Unusable

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
CLONE_NEWPID = 0x20000000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
PR_SET_PDEATHSIG = 1
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def mount(source, target, kind=None, flags=0, options=None):
    def encode(text):
        return None if text is None else os.fsencode(text)

    check(libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags),
                     encode(options)), f"mount {target}")


def enter_network(pid):
    """Moves this thread, and those it starts from now on, to the network of a process."""
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        check(libc.setns(fd, CLONE_NEWNET), "setns")
    finally:
        os.close(fd)


class ControlGroup:
    """A group of version 2 for the container, below the root so that no manager minds."""

    def __init__(self):
        for top in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
            if os.path.exists(f"{top}/cgroup.procs"):
                break
        else:
            raise Unusable("no control groups of version 2 are mounted at /sys/fs/cgroup")
        self.path = f"{top}/sluice-system-{os.getpid()}"
        os.mkdir(self.path)

    def enter(self):
        with open(f"{self.path}/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")

    def remove(self):
        """Once its processes have ended; the kernel may take a moment to notice."""
        for _ in range(100):
            for path, _, _ in os.walk(self.path, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
            if not os.path.exists(self.path):
                return
            time.sleep(0.05)
        print(f"# {self.path} could not be removed", flush=True)


def _inside(main, directory, group):
    """The child: leaves with the status that main() returns."""
    status = 1
    try:
        # A session of its own, so that Ctrl-C is the parent's alone.
        os.setsid()
        check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
        for number in END_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        check(libc.unshare(CLONE_NEWNS), "unshare")
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
        mount("proc", "/proc", "proc")
        mount("tmpfs", directory, "tmpfs", options="mode=755")
        status = main(directory, group)
    except Unusable as reason:
        print(f"1..0 # SKIP {reason}")
        status = 0
    except BaseException:  # pylint: disable=broad-except
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def run(main):
    """main(directory, group) in the jail; returns its status, or 128 and a signal that ended it.

    `directory` is an empty tmpfs, `group` a ControlGroup.
    """
    directory = tempfile.mkdtemp(prefix="sluice-system-")
    group = None
    child = None
    ended_by = 0

    def on_end(number, _frame):
        nonlocal ended_by
        ended_by = number
        if child:
            os.kill(child, signal.SIGKILL)

    for number in END_SIGNALS:
        signal.signal(number, on_end)
    try:
        group = ControlGroup()
        check(libc.unshare(CLONE_NEWPID), "unshare")
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _inside(main, directory, group)
        if ended_by:
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        child = None
    finally:
        if group:
            group.remove()
        os.rmdir(directory)
    if ended_by:
        return 128 + ended_by
    return status if status >= 0 else 128 - status
