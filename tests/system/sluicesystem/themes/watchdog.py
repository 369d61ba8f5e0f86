# SPDX-License-Identifier: MIT
"""A daemon that hangs, as a whole or in one of its threads, is restarted; a busy one is not."""

import time

from .. import web
from ..sluice import SERVICE
from ..tap import case, expect, expect_equal, say, wait_for
from ..wedge import Wedge, threads

PERIOD_S = 2
PORT = ("127.0.0.1", 8081)


def serving(sluice, *more):
    """A server that runs under a watchdog of PERIOD_S; the daemon's PID in the container."""
    sluice.settings(f"WatchdogSec={PERIOD_S}", *more)
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.bus.server("blog", "Start")
    return sluice.pid()


def expect_restarted(sluice, pid):
    """By the watchdog, in time, and serving again."""
    began = time.monotonic()
    sluice.wait_restarted(pid, timeout_s=PERIOD_S * 2 + 5)
    say(f"back after {time.monotonic() - began:.1f} s")
    told = [entry["MESSAGE"] for entry in sluice.journal("_PID=1", f"UNIT={SERVICE}")
            if "atchdog timeout" in entry["MESSAGE"]]
    expect(told, "systemd does not say that it was the watchdog")
    expect_equal(sluice.bus.state("blog"), "running", "the server")
    expect_equal(web.get(PORT).body, "blog\n", "a request")


@case("healthy")
def healthy(sluice):
    """Idle for several periods: nothing happens."""
    pid = serving(sluice)
    time.sleep(PERIOD_S * 2.5)
    expect_equal(sluice.pid(), pid, "the daemon's PID")


@case("busy")
def busy(sluice):
    """Every CPU busy with requests, and the bus with calls: neither does anything."""
    pid = serving(sluice, "Nice=5")
    wrk = sluice.machine.spawn("wrk", "--threads=2", "--connections=256",
                               f"--duration={PERIOD_S * 3}s", "http://127.0.0.1:8081/")
    while wrk.poll() is None:
        sluice.bus.manager("Status")
    say(wrk.communicate()[0].splitlines()[-2])
    expect_equal(sluice.pid(), pid, "the daemon's PID")


@case("main-hangs")
def main_hangs(sluice):
    pid = serving(sluice)
    with Wedge(sluice.machine.pid(pid)):
        expect_restarted(sluice, pid)


@case("worker-hangs")
def worker_hangs(sluice):
    """Each of them in turn: the others, which go on, do not hide it."""
    pid = serving(sluice)
    workers = [number for number, name in
               enumerate(threads(sluice.machine.pid(pid)).values()) if name.startswith("worker")]
    expect(workers, "no thread is called worker-N")
    for number in workers:
        ours = sluice.machine.pid(pid)
        tid = list(threads(ours))[number]
        with Wedge(tid):
            expect_restarted(sluice, pid)
        pid = sluice.pid()


@case("all-hang")
def all_hang(sluice):
    pid = serving(sluice)
    sluice.kill("STOP")
    expect_restarted(sluice, pid)


@case("while-starting")
def while_starting(sluice):
    """Servers that start with the daemon and take their time do not upset it."""
    for number in range(100):
        sluice.configure(f"auto{number}", f"127.0.0.1:{8100 + number}", top="sluice.autostart: ON")
    pid = serving(sluice)
    time.sleep(PERIOD_S * 2)
    expect_equal(sluice.pid(), pid, "the daemon's PID")
    wait_for(lambda: web.get(("127.0.0.1", 8199)).status == 200, "the last one answers")
