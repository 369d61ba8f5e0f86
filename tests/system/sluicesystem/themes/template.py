# SPDX-License-Identifier: MIT
"""sluice@NAME.service: a server as a unit."""

import time

from .. import web
from ..sluice import SERVICE
from ..tap import case, expect, expect_equal, wait_for

PORT = ("127.0.0.1", 8081)
UNIT = "sluice@blog.service"


@case("enable-now")
def enable_now(sluice):
    """`systemctl enable --now` serves, `systemctl disable --now` stops."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.units.systemctl("enable", "--now", UNIT)
    expect_equal(web.get(PORT).body, "blog\n", "a request")
    expect_equal((sluice.units.state(UNIT), sluice.bus.state("blog")), ("active", "running"),
                 "the unit and the server")
    expect_equal(sluice.units.systemctl("is-enabled", UNIT).out.strip(), "enabled", "is-enabled")
    sluice.units.systemctl("disable", "--now", UNIT)
    expect_equal(web.get(PORT).result, "refused", "a request after stop")
    expect_equal((sluice.units.state(UNIT), sluice.bus.state("blog")), ("inactive", "stopped"),
                 "the unit and the server after stop")


@case("boot")
def boot(sluice):
    """What is enabled is wanted by the target that boots."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.units.systemctl("enable", UNIT)
    wants = sluice.units.show("multi-user.target", "Wants").split()
    expect(UNIT in wants, f"multi-user.target wants {wants}")


@case("follows/stop")
def follows_stop(sluice):
    """A Stop over the bus ends the unit, and not as a failure."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.units.systemctl("start", UNIT)
    sluice.bus.server("blog", "Stop")
    sluice.units.wait_state(UNIT, "inactive", 5)
    expect_equal(sluice.units.show(UNIT, "Result"), "success", "Result")


@case("follows/failure")
def follows_failure(sluice):
    """A server that cannot start fails the unit, and its status says why."""
    sluice.machine.write("/etc/sluice/servers/blog.conf", "listen: 8081\nno-such-command: 1\n")
    done = sluice.units.systemctl("start", UNIT, check=False)
    expect(done.status != 0, "systemctl start succeeded")
    sluice.units.wait_state(UNIT, "failed", 5)
    shown = sluice.units.systemctl("status", UNIT, check=False).out
    expect("blog.conf:2:" in shown, f"the status does not name the place: {shown}")


@case("follows/nosuch")
def follows_nosuch(sluice):
    done = sluice.units.systemctl("start", "sluice@nosuch.service", check=False)
    expect(done.status != 0, "systemctl start succeeded")
    shown = sluice.units.systemctl("status", "sluice@nosuch.service", check=False).out
    expect("nosuch" in shown.split("\n", 3)[-1], shown)


@case("reload")
def reload(sluice):
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.units.systemctl("start", UNIT)
    sluice.configure("blog", "127.0.0.1:8082")
    sluice.units.systemctl("reload", UNIT)
    expect_equal(web.get(("127.0.0.1", 8082)).body, "blog\n", "a request to the new address")


@case("restart")
def restart(sluice):
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.units.systemctl("start", UNIT)
    sluice.units.systemctl("restart", UNIT)
    expect_equal((sluice.units.state(UNIT), web.get(PORT).body), ("active", "blog\n"),
                 "the unit and a request")


@case("daemon-restarted")
def daemon_restarted(sluice):
    """The daemon dies, or is restarted: the server comes back, the unit is as the server is."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.units.systemctl("start", UNIT)
    pid = sluice.pid()
    sluice.kill()
    pid = sluice.wait_restarted(pid)
    sluice.units.systemctl("restart", SERVICE)
    wait_for(lambda: web.get(PORT).result == "ok", "an answer")
    time.sleep(1)
    expect_equal((sluice.bus.state("blog"), sluice.units.state(UNIT)), ("running", "active"),
                 "the server and the unit")
    sluice.units.systemctl("stop", UNIT)
    expect_equal(web.get(PORT).result, "refused", "a request after stop")


@case("names")
def names(sluice):
    """Names are taken as they are: a hyphen is one, and no path."""
    ports = {"my-blog": 8081, "a.b_c": 8082, "9lives": 8083}
    for name, port in ports.items():
        sluice.configure(name, f"127.0.0.1:{port}")
    for name, port in ports.items():
        sluice.units.systemctl("start", f"sluice@{name}.service")
        expect_equal(web.get(("127.0.0.1", port)).body, f"{name}\n", name)


@case("new-file")
def new_file(sluice):
    """A file that was written after the daemon has started is no reason to fail."""
    sluice.bus.manager("Status")
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.units.systemctl("start", UNIT)
    expect_equal(web.get(PORT).body, "blog\n", "a request")


@case("two")
def two(sluice):
    """One stops, the other goes on."""
    for number, name in enumerate(("blog", "wiki")):
        sluice.configure(name, f"127.0.0.1:{8081 + number}")
    sluice.units.systemctl("start", UNIT, "sluice@wiki.service")
    sluice.units.systemctl("stop", UNIT)
    found = [web.get(("127.0.0.1", port)).result for port in (8081, 8082)]
    expect_equal(found, ["refused", "ok"], "requests")


@case("already-running")
def already_running(sluice):
    """A server that runs is taken over as it is."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.bus.server("blog", "Start")
    sluice.units.systemctl("start", UNIT)
    expect_equal(sluice.units.state(UNIT), "active", "the unit")
    sluice.units.systemctl("stop", UNIT)
    expect_equal(sluice.bus.state("blog"), "stopped", "the server")
