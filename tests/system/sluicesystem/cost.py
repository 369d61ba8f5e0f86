# SPDX-License-Identifier: MIT
"""What activation takes, beside systemd-hostnamed in the same container, and what the installed
service keeps in memory. Measures for tests/bench; judges nothing.
"""

import time

from . import Failure
from .bus import MANAGER, NAME, PATH
from .sluice import SERVICE, SOCKET

CONNECT = r"""exec 3<>/dev/tcp/127.0.0.1/8080
printf "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" >&3
read -r line <&3
echo "$line"
"""
HOSTNAMED = "systemd-hostnamed.service"
HOSTNAME = "org.freedesktop.hostname1"


def _timed(function):
    began = time.monotonic()
    function()
    return (time.monotonic() - began) * 1000


def _activations(sluice, rounds):
    """Milliseconds, a list each, that a client waits for its first answer; the rounds alternate."""
    run = sluice.machine.run

    def hostnamed():
        run("busctl", "get-property", HOSTNAME, "/org/freedesktop/hostname1", HOSTNAME, "Hostname")

    def bus():
        run("busctl", "get-property", NAME, PATH, MANAGER, "Version")

    # A client that starts as quickly as busctl does, which curl does not.
    def connection():
        done = run("bash", "-c", CONNECT)
        if not done.out.startswith("HTTP/1.1 200"):
            raise Failure(f"the first connection: {done}")

    found = {"hostnamed": [], "bus": [], "connection": []}
    for _ in range(rounds):
        found["hostnamed"].append(_timed(hostnamed))
        sluice.units.systemctl("stop", HOSTNAMED)
        found["bus"].append(_timed(bus))
        sluice.units.systemctl("stop", SERVICE)
        sluice.units.systemctl("start", SOCKET)
        found["connection"].append(_timed(connection))
        sluice.units.systemctl("stop", SERVICE, SOCKET)
    return found


def _memory(sluice):
    """KiB of the daemon with one server that runs and idles."""
    sluice.bus.manager("Start")
    time.sleep(0.5)
    with open(f"{sluice.process()}/smaps_rollup", encoding="ascii") as file:
        found = {line.split(":")[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}
    return {"rss-kib": found["Rss"], "pss-kib": found["Pss"]}


def measure(sluice, rounds):
    sluice.reset()
    sluice.configure("default")
    return {"activation-ms": _activations(sluice, rounds), "memory": _memory(sluice)}
