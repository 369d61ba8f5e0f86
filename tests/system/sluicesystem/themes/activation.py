# SPDX-License-Identifier: MIT
"""By the bus, by the first connection, by both; leaving when idle, and coming back."""

import time

from .. import web
from ..bus import MANAGER, NAME, PATH
from ..sluice import SCRATCH, SERVICE, SOCKET
from ..tap import case, expect, expect_equal, say, wait_for

# A thousand calls from four callers, each with a pause of up to 30 ms before it: what is answered,
# and every other line that busctl says.
CALLS = f"""
caller() {{
    for _ in {{1..250}}; do
        sleep "$(printf '0.%03d' $((RANDOM % 30)))"
        busctl --timeout=10 call {NAME} {PATH} {MANAGER} Status 2>&1
    done
}}
for _ in {{1..4}}; do caller & done
wait
"""


@case("fresh", timeout_s=90)
def fresh(sluice):
    """A fresh install, as it is shipped: one call starts and serves; then nothing is left."""
    expect_equal(sluice.units.state(SERVICE), "inactive", "the daemon before the first call")
    urls = sluice.bus.manager("Start")
    expect_equal(urls, ["http://127.0.0.1:8080/"], "Manager.Start")
    answer = web.get()
    expect(answer.status == 200 and "Sluice" in answer.body, f"the welcome page: {answer}")
    sluice.bus.manager("Stop")
    expect_equal(web.get().result, "refused", "a request after Stop")
    sluice.wait_gone(timeout_s=45)
    expect_equal(sluice.users_of_program(), [], "processes that are left")
    expect_equal(sluice.units.show(SERVICE, "Result"), "success", "Result")


@case("status")
def status(sluice):
    """`systemctl status` is green and says what is served."""
    sluice.bus.manager("Start")
    shown = sluice.units.systemctl("status", SERVICE).out
    expect("active (running)" in shown, shown)
    for call, wanted in ((None, "1 of 1 servers running"), ("Stop", "0 of 1 servers running")):
        if call:
            sluice.bus.manager(call)
        wait_for(lambda text=wanted: sluice.units.show(SERVICE, "StatusText") == text,
                 f"STATUS= is \"{wanted}\"")


@case("bus/starts-nothing")
def starts_nothing(sluice):
    """To be asked is no reason to serve."""
    sluice.configure("blog", "127.0.0.1:8081")
    expect_equal(sluice.bus.manager("Status")["running"], 0, "servers running")
    expect_equal(web.get(("127.0.0.1", 8081)).result, "refused", "a request")


@case("stop-while-starting", timeout_s=120)
def stop_while_starting(sluice):
    """`systemctl stop` in the middle of the start is a stop, whenever it comes."""
    for milliseconds in (0, 3, 6, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 80):
        sluice.units.systemctl("start", "--no-block", SERVICE)
        time.sleep(milliseconds / 1000)
        sluice.units.systemctl("stop", SERVICE, timeout_s=10)
        found = sluice.units.show(SERVICE, "ActiveState", "Result")
        expect_equal(found, {"ActiveState": "inactive", "Result": "success"},
                     f"after {milliseconds} ms")


@case("bus/ready")
def ready(sluice):
    """When `systemctl start` returns, what starts by itself is up."""
    for number in range(5):
        sluice.configure(f"auto{number}", f"127.0.0.1:{8081 + number}", top="sluice.autostart: ON")
    sluice.units.systemctl("start", SERVICE)
    found = [web.get(("127.0.0.1", 8081 + number)).status for number in range(5)]
    expect_equal(found, [200] * 5, "answers right after systemctl start")


@case("socket/100-at-once")
def socket_100_at_once(sluice):
    sluice.units.systemctl("start", SOCKET)
    expect_equal(sluice.units.state(SERVICE), "inactive", "the daemon before the first connection")
    expect_equal(dict(web.get_many(100)), {"ok 200": 100}, "100 first connections")


@case("200-times", timeout_s=120)
def two_hundred_times(sluice):
    """By the bus and by a connection in turn: no limit of systemd's is hit."""
    sluice.units.systemctl("start", SOCKET)
    for number in range(100):
        called = sluice.bus.busctl("call", NAME, PATH, MANAGER, "Status", check=False)
        expect(called.status == 0, f"activation {number * 2 + 1}: {called}")
        sluice.units.systemctl("stop", SERVICE)
        answer = web.get()
        expect(answer.status == 200, f"activation {number * 2 + 2}: {answer}")
        sluice.units.systemctl("stop", SERVICE)
    expect_equal(sluice.units.state(SOCKET), "active", SOCKET)


@case("both-at-once")
def both_at_once(sluice):
    """Connections and calls race for the first daemon: there is one, and all are answered."""
    for number in range(5):
        sluice.units.systemctl("start", SOCKET)
        cursor = sluice.units.cursor()
        calls = [sluice.machine.spawn("busctl", "call", NAME, PATH, MANAGER, "Start")
                 for _ in range(10)]
        found = web.get_many(50)
        ended = [(call.communicate(timeout=20)[1], call.returncode) for call in calls]
        failed = [text for text, code in ended if code != 0]
        expect(not failed, f"round {number}: calls failed: {failed}")
        expect_equal(dict(found), {"ok 200": 50}, f"round {number}: 50 connections")
        daemons = {entry["INVOCATION_ID"] for entry in sluice.units.journal(
            "_PID=1", f"UNIT={SERVICE}", since=cursor) if "INVOCATION_ID" in entry}
        expect_equal(len(daemons), 1, f"round {number}: how many daemons there were")
        sluice.units.systemctl("stop", SERVICE, SOCKET)


@case("idle/no-call-lost", timeout_s=120)
def no_call_lost(sluice):
    """1,000 calls, most of them near the moment at which the daemon leaves: each is answered."""
    sluice.options("--exit-idle-time=0.001")
    sluice.machine.write(f"{SCRATCH}/calls", CALLS)
    lines = sluice.machine.run("bash", f"{SCRATCH}/calls", timeout_s=100).out.splitlines()
    sluice.wait_gone()
    daemons = {entry["INVOCATION_ID"] for entry in sluice.journal("_PID=1", f"UNIT={SERVICE}")
               if "INVOCATION_ID" in entry}
    others = [line for line in lines if not line.startswith("a{sv} ")]
    say(f"{len(lines) - len(others)} calls answered, by {len(daemons)} daemons")
    expect(len(lines) == 1000 and not others, f"{len(others)} calls were lost: {others[:5]}")
    expect(len(daemons) >= 20, f"only {len(daemons)} daemons: too few exits to tell anything")


@case("idle/not-while-serving")
def not_while_serving(sluice):
    """A server that runs keeps the daemon, however short the idle time."""
    sluice.options("--exit-idle-time=0.05")
    sluice.configure("default")
    sluice.bus.manager("Start")
    pid = sluice.pid()
    time.sleep(1)
    expect_equal(sluice.pid(), pid, "the daemon's PID")
    expect_equal(web.get().status, 200, "an answer")
