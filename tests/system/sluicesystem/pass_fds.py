# SPDX-License-Identifier: MIT
"""Runs a program with descriptors as if systemd had passed them (sd_listen_fds(3)).

usage: pass_fds.py [NAME=KIND]... -- PROGRAM [ARGUMENT]...

KIND is one of the functions below. Runs in the container.
"""

import os
import socket
import sys
import tempfile

kept = []


def tcp():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def bound():
    """Bound, and nobody listens yet."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


def udp():
    return socket.socket(type=socket.SOCK_DGRAM)


def connected():
    listener = tcp()
    kept.append(listener)
    return socket.create_connection(listener.getsockname())


def accepted():
    listener = tcp()
    kept.append(socket.create_connection(listener.getsockname()))
    return listener.accept()[0]


def pair():
    ends = socket.socketpair()
    kept.append(ends[1])
    return ends[0]


def seqpacket():
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind("\0sluice-test-seqpacket")
    listener.listen()
    return listener


def shut():
    """A listener that was shut down, as a Stop leaves it."""
    listener = tcp()
    listener.shutdown(socket.SHUT_RD)
    return listener


def fifo():
    path = f"{tempfile.mkdtemp()}/fifo"
    os.mkfifo(path)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


def pipe():
    return os.pipe()[0]


def file():
    return os.open("/etc/passwd", os.O_RDONLY)


def directory():
    return os.open("/", os.O_RDONLY)


def null():
    return os.open("/dev/null", os.O_RDWR)


def closed():
    return None


def main():
    end = sys.argv.index("--")
    names, fds = [], []
    for argument in sys.argv[1:end]:
        name, _, kind = argument.rpartition("=")
        thing = globals()[kind]()
        kept.append(thing)
        names.append(name)
        fds.append(thing if thing is None or isinstance(thing, int) else thing.fileno())
    # Out of the way first, then to where they belong.
    high = [None if fd is None else os.dup2(fd, 200 + i) for i, fd in enumerate(fds)]
    for fd in range(3, 200):
        try:
            os.close(fd)
        except OSError:
            pass
    for number, fd in enumerate(high):
        if fd is not None:
            os.dup2(fd, 3 + number, inheritable=True)
            os.close(fd)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)),
                      LISTEN_FDNAMES=":".join(names))
    os.execv(sys.argv[end + 1], sys.argv[end + 1:])


if __name__ == "__main__":
    main()
