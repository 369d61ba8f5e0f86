# SPDX-License-Identifier: MIT
"""What activation takes, beside systemd-hostnamed in the same container, and what is kept in
memory."""

import statistics
import time

from .. import web
from ..bus import MANAGER, NAME, PATH
from ..sluice import SERVICE, SOCKET
from ..tap import case, expect, say

ROUNDS = 15
# What the bar allows for other work on the same CPUs: both are mostly systemd setting up a sandbox.
NOISE = 1.25
RESIDENT_MAX_KIB = 8192
PROPERTIES = "org.freedesktop.DBus.Properties"
HOSTNAME = "org.freedesktop.hostname1"


def timed(function):
    began = time.monotonic()
    function()
    return (time.monotonic() - began) * 1000


def get_property(sluice, name, path, interface, member):
    return lambda: sluice.machine.run("busctl", "get-property", name, path, interface, member)


@case("activation", timeout_s=100)
def activation(sluice):
    """By the bus, by the first connection: no slower than hostnamed by the bus, but for noise."""
    calls = {
        "hostnamed, by the bus": ("systemd-hostnamed.service", get_property(
            sluice, HOSTNAME, "/org/freedesktop/hostname1", HOSTNAME, "Hostname")),
        "sluiced, by the bus": (SERVICE, get_property(sluice, NAME, PATH, MANAGER, "Version")),
        "sluiced, by a connection": (SERVICE, web.get),
    }
    times = {what: [] for what in calls}
    for _ in range(ROUNDS):
        for what, (unit, call) in calls.items():
            if call is web.get:
                sluice.units.systemctl("start", SOCKET)
            times[what].append(timed(call))
            sluice.units.systemctl("stop", unit, *([SOCKET] if call is web.get else []))
    medians = {what: statistics.median(found) for what, found in times.items()}
    reference = medians["hostnamed, by the bus"]
    for what, median in medians.items():
        say(f"{what}: {median:.1f} ms, {median / reference:.2f} of hostnamed "
            f"({min(times[what]):.1f} to {max(times[what]):.1f})")
    slow = [what for what, median in medians.items() if median > reference * NOISE]
    expect(not slow, f"slower than hostnamed: {slow}")


def sizes(sluice):
    with open(f"{sluice.process()}/smaps_rollup", encoding="ascii") as file:
        found = {line.split(":")[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}
    return found["Rss"], found["Pss"]


@case("memory")
def memory(sluice):
    """Resident, with one server that runs and idles."""
    sluice.configure("default")
    sluice.bus.manager("Start")
    rss, pss = sizes(sluice)
    say(f"Rss {rss} KiB, Pss {pss} KiB")
    web.get_many(20)
    say("after 20 requests: Rss {} KiB, Pss {} KiB".format(*sizes(sluice)))
    expect(rss <= RESIDENT_MAX_KIB, f"{rss} KiB are resident")
