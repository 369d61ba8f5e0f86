# SPDX-License-Identifier: MIT
"""A user's own: session-bus activation, user units, no question asked."""

from .. import web
from ..bus import Bus
from ..machine import USERS
from ..tap import case, expect, expect_equal, wait_for

RUNTIME = f"/run/user/{USERS['alice']}"
ENVIRONMENT = {"XDG_RUNTIME_DIR": RUNTIME, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={RUNTIME}/bus",
               "HOME": "/home/alice"}
SERVICE = "sluiced.service"
PORT = ("127.0.0.1", 8081)


class Own:
    """Alice's session: her bus and her manager."""

    def __init__(self, sluice):
        self.machine = sluice.machine
        sluice.machine.run("loginctl", "enable-linger", "alice")
        wait_for(lambda: sluice.machine.exists(f"{RUNTIME}/bus"), "alice's bus", 20)
        self.bus = Bus(sluice.machine, user="alice", scope="--user", env=ENVIRONMENT)
        self.systemctl("stop", "sluice*", check=False)
        sluice.machine.remove("/home/alice/.config", "/home/alice/www")
        self.systemctl("daemon-reload")

    def systemctl(self, *arguments, check=True):
        return self.machine.run("systemctl", "--user", *arguments, user="alice", env=ENVIRONMENT,
                                check=check)

    def show(self, unit, name):
        return self.systemctl("show", f"--property={name}", "--value", unit).out.strip()

    def configure(self, sluice, name="blog", port=8081):
        sluice.configure(name, f"127.0.0.1:{port}", root="/home/alice/www",
                         directory="/home/alice/.config/sluice/servers")
        self.machine.run("chown", "-R", "alice:alice", "/home/alice")


@case("activation")
def activation(sluice):
    """One call on the session bus starts it as a user unit, and serves."""
    own = Own(sluice)
    own.configure(sluice)
    expect_equal(own.bus.server("blog", "Start"), ["http://127.0.0.1:8081/"], "Start")
    expect_equal(web.get(PORT).body, "blog\n", "a request, for a page below /home")
    expect_equal(own.show(SERVICE, "ActiveState"), "active", SERVICE)
    own.bus.manager("Stop")
    expect_equal(web.get(PORT).result, "refused", "a request after Stop")


@case("shipped")
def shipped(sluice):
    """The welcome page is there for users, too."""
    own = Own(sluice)
    expect_equal(own.bus.manager("Start"), ["http://127.0.0.1:8080/"], "Start")
    expect_equal(web.get().status, 200, "a request")


@case("beside-system")
def beside_system(sluice):
    """It has nothing to do with the system's."""
    own = Own(sluice)
    own.configure(sluice, "mine", 8082)
    sluice.configure("blog", "127.0.0.1:8081")
    own.bus.server("mine", "Start")
    sluice.bus.server("blog", "Start")
    found = [web.get(("127.0.0.1", port)).body for port in (8081, 8082)]
    expect_equal(found, ["blog\n", "mine\n"], "answers")


@case("socket")
def socket(sluice):
    """A user's socket unit wakes a user's daemon."""
    own = Own(sluice)
    own.systemctl("start", "sluiced.socket")
    expect_equal(own.show(SERVICE, "ActiveState"), "inactive", f"{SERVICE} before")
    expect_equal(dict(web.get_many(20)), {"ok 200": 20}, "first connections")
    own.systemctl("stop", "sluiced.socket", SERVICE)


@case("kill-9")
def kill_9(sluice):
    """Its servers come back, too, on the same sockets."""
    own = Own(sluice)
    own.configure(sluice)
    own.bus.server("blog", "Start")
    with web.Hammer(where=PORT) as hammer:
        for _ in range(3):
            pid = own.show(SERVICE, "MainPID")
            own.systemctl("kill", "--signal=KILL", SERVICE)
            wait_for(lambda: own.show(SERVICE, "MainPID") not in ("0", pid) and
                     own.show(SERVICE, "ActiveState") == "active", "a new daemon")
    expect_equal(hammer.count("refused", "timeout"), 0, "refused")
    expect_equal(web.get(PORT).body, "blog\n", "a request")


@case("template")
def template(sluice):
    """systemctl --user enable --now sluice@blog."""
    own = Own(sluice)
    own.configure(sluice)
    own.systemctl("enable", "--now", "sluice@blog.service")
    expect_equal(web.get(PORT).body, "blog\n", "a request")
    own.systemctl("disable", "--now", "sluice@blog.service")
    expect_equal(web.get(PORT).result, "refused", "a request after stop")


@case("not-for-others")
def not_for_others(sluice):
    """Bob has no way to alice's."""
    own = Own(sluice)
    own.configure(sluice)
    own.bus.server("blog", "Start")
    bob = Bus(sluice.machine, user="bob", scope="--user", env=ENVIRONMENT)
    done = bob.busctl("call", "org.sluice.Sluice1", "/org/sluice/Sluice1",
                      "org.sluice.Sluice1.Manager", "Stop", check=False)
    expect(done.status != 0, "bob has stopped it")
    expect_equal(web.get(PORT).status, 200, "a request")
