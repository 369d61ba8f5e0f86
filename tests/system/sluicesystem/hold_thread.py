# SPDX-License-Identifier: MIT
"""Holds one thread with ptrace(2), which SIGSTOP cannot, until standard input is closed or the
thread is to die: a thread that hangs can be killed, one that is held could not. The argument is
its TID."""

import ctypes
import os
import select
import signal
import sys

PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WALL = 0x40000000  # __WALL: threads, too


def main():
    tid = int(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, tid, None, None) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(tid, WALL)
    print("held", flush=True)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        # Whoever traces a thread has to reap it, too, else its process is never gone.
        if os.waitpid(tid, WALL | os.WNOHANG)[0] or is_dying(tid):
            break


def is_dying(tid):
    """Whether SIGABRT is pending, which the watchdog sends and nobody handles."""
    with open(f"/proc/{tid}/status", encoding="ascii", errors="replace") as file:
        pending = [int(line.split()[1], 16) for line in file if line[:7] in ("SigPnd:", "ShdPnd:")]
    return any(mask >> (signal.SIGABRT - 1) & 1 for mask in pending)


if __name__ == "__main__":
    main()
