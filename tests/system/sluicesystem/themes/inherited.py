# SPDX-License-Identifier: MIT
"""Servers whose sockets systemd has bound: matched by name and by address, stopped and started."""

import time

from .. import tls, web
from ..bus import server_path
from ..sluice import SERVICE, SOCKET
from ..tap import case, expect, expect_equal, say, wait_for


def socket_unit(sluice, unit, *streams, name=None, more=()):
    """A socket unit of the daemon's, started."""
    lines = [f"ListenStream={stream}" for stream in streams]
    if name:
        lines.append(f"FileDescriptorName={name}")
    sluice.units.write(unit, "\n".join(["[Socket]", f"Service={SERVICE}", *lines, *more, ""]))
    sluice.units.systemctl("start", unit)


@case("stop-start", timeout_s=90)
def stop_start(sluice):
    """Refused as soon as Stop has replied, answered as soon as Start has; 30 times."""
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    inode = sluice.listening(8080)
    for number in range(30):
        sluice.bus.server("default", "Stop")
        expect_equal(web.get().result, "refused", f"round {number}: a request after Stop")
        expect_equal(sluice.bus.server("default", "Start"), ["http://127.0.0.1:8080/"], "Start")
        expect_equal(web.get().status, 200, f"round {number}: a request after Start")
    expect_equal(sluice.listening(8080), inode, "the socket, which should still be systemd's")
    expect_equal(sluice.units.state(SOCKET), "active", SOCKET)


@case("stop-start/under-load", timeout_s=90)
def stop_start_under_load(sluice):
    """Whoever is not refused is served: what waits in the queue at Stop, too. Reset is who comes in
    the microseconds between the last look at the queue and the socket's end."""
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    with web.Hammer(rate=400) as hammer:
        for _ in range(20):
            time.sleep(0.1)
            sluice.bus.server("default", "Stop")
            time.sleep(0.05)
            sluice.bus.server("default", "Start")
    say(hammer)
    bad = {what: n for what, n in hammer.found.items()
           if what not in ("ok 200", "refused", "reset")}
    expect(not bad, f"neither served nor refused: {bad}")
    expect(hammer.count("reset") <= 5, "a reset in more than one of four Stops")
    expect(hammer.count("refused") > 0, "nothing was ever refused")


@case("stopped/no-idle-exit")
def no_idle_exit(sluice):
    """While a socket of systemd's is shut the daemon stays, which is there for the next Start."""
    sluice.options("--exit-idle-time=0.1")
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    pid = sluice.pid()
    sluice.bus.server("default", "Stop")
    time.sleep(1.5)
    expect_equal(sluice.pid(), pid, "the daemon, with a socket shut")
    expect_equal(web.get().result, "refused", "a request")
    shown = sluice.units.systemctl("status", SERVICE).out
    expect("socket-keeper\n" in shown, f"no keeper of the socket: {shown}")
    sluice.bus.server("default", "Start")
    expect_equal(web.get().status, 200, "a request after Start")


@case("stopped/daemon-stopped")
def daemon_stopped(sluice):
    """The daemon is told to leave while the server is stopped: systemd gets a socket that works."""
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    for signal in ("systemctl stop", "SIGTERM"):
        sluice.bus.server("default", "Stop")
        if signal == "SIGTERM":
            sluice.kill("TERM")
            sluice.wait_gone()
        else:
            sluice.units.systemctl("stop", SERVICE)
        time.sleep(0.3)
        expect_equal(sluice.units.state(SOCKET), "active", f"{SOCKET} after {signal}")
        expect(sluice.listening(8080), f"nobody listens after {signal}")
        sluice.bus.server("default", "Start")
        expect_equal(web.get().status, 200, f"a request after {signal} and Start")


@case("stopped/daemon-killed", timeout_s=90)
def daemon_killed(sluice):
    """The daemon dies while the server is stopped: the socket unit does not fail over it."""
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    for number in range(15):
        sluice.bus.server("default", "Stop")
        pid = sluice.pid()
        sluice.kill()
        sluice.wait_restarted(pid)
        expect_equal(sluice.units.state(SOCKET), "active", f"{SOCKET} after {number + 1}")
        sluice.bus.server("default", "Start")
        expect_equal(web.get().status, 200, f"{number}: a request after Start")


@case("stopped/daemon-reload", timeout_s=90)
def daemon_reload(sluice):
    """Systemd is busy when the server is stopped right after the daemon has started, and still
    watches the socket: it is not shut under its eyes."""
    for number in range(8):
        sluice.units.systemctl("stop", SERVICE, SOCKET)
        sluice.machine.run("rm", "-f", "/run/sluice/state")
        sluice.units.systemctl("start", SOCKET)
        busy = sluice.machine.spawn("systemctl", "daemon-reload")
        sluice.bus.server("default", "Start")
        sluice.bus.server("default", "Stop")
        busy.communicate(timeout=30)
        wait_for(lambda: web.get().result == "refused", f"round {number}: refused at last")
        expect_equal(sluice.units.state(SOCKET), "active", f"round {number}: {SOCKET}")


@case("stopped/restarted")
def stopped_restarted(sluice):
    """A server that is stopped is refused by the next daemon, too."""
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    sluice.bus.server("default", "Stop")
    sluice.units.systemctl("restart", SERVICE)
    wait_for(lambda: web.get().result == "refused", "a request is refused")
    sluice.wait_logged("does not start by itself", 5)
    expect_equal(sluice.units.state(SOCKET), "active", SOCKET)


THIEF = """
import socket
thief = socket.socket()
thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
thief.bind(("127.0.0.1", 8080))
thief.listen()
"""


@case("stopped/thief")
def thief(sluice):
    """Nobody else gets the address of a socket that is shut."""
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    sluice.bus.server("default", "Stop")
    wait_for(lambda: web.get().result == "refused", "a request is refused")
    done = sluice.machine.run("/usr/bin/python3", "-c", THIEF, user="bob", check=False)
    expect("Address already in use" in done.err, f"bob: {done}")
    sluice.bus.server("default", "Start")
    expect_equal(web.get().status, 200, "a request after Start")


@case("by-address/reload")
def by_address_reload(sluice):
    """A reload that begins to listen on the address of a socket gets it, and one that ends gives it
    back."""
    sluice.configure("blog", "127.0.0.1:8081")
    socket_unit(sluice, "test-late.socket", "127.0.0.1:8082", name="ghost")
    where = ("127.0.0.1", 8082)
    sluice.bus.server("blog", "Start")
    wait_for(lambda: web.get(where).result == "refused", "a request is refused")
    for _ in range(2):
        sluice.configure("blog", "127.0.0.1:8082")
        sluice.bus.call(server_path("blog"), "org.sluice.Sluice1.Server.Reload")
        expect_equal(web.get(where).body, "blog\n", "a request with the address")
        sluice.configure("blog", "127.0.0.1:8081")
        sluice.bus.call(server_path("blog"), "org.sluice.Sluice1.Server.Reload")
        wait_for(lambda: web.get(where).result == "refused", "a request without")
        expect_equal(web.get(("127.0.0.1", 8081)).body, "blog\n", "a request to its own")


@case("removed")
def removed(sluice):
    """The file of a server with systemd's socket goes and comes back: nobody hangs meanwhile."""
    sluice.configure("blog", "127.0.0.1:8081")
    socket_unit(sluice, "test-removed.socket", "127.0.0.1:8082", name="blog")
    where = ("127.0.0.1", 8082)
    expect_equal(web.get(where).body, "blog\n", "the first connection")
    sluice.machine.remove("/etc/sluice/servers/blog.conf")
    sluice.bus.manager("Reload")
    answer = web.get(where, timeout_s=3)
    expect(answer.result in ("refused", "closed", "reset"), f"without a server: {answer}")
    sluice.configure("blog", "127.0.0.1:8081")
    expect_equal(len(sluice.bus.manager("GetServer", "s", "blog")) > 0, True, "GetServer")
    expect_equal(len(sluice.bus.server("blog", "Start")), 2, "URLs")
    expect_equal(web.get(where).body, "blog\n", "a request after Start")


@case("by-name")
def by_name(sluice):
    """The server that a socket unit names serves on its sockets, whatever it listens on itself."""
    sluice.configure("blog", "127.0.0.1:8081")
    socket_unit(sluice, "test-name.socket", "127.0.0.1:8082", "127.0.0.1:8083", name="blog")
    expect_equal(web.get(("127.0.0.1", 8082)).body, "blog\n", "the first connection")
    expect_equal(web.get(("127.0.0.1", 8083)).body, "blog\n", "its other socket")
    expect_equal(web.get(("127.0.0.1", 8081)).body, "blog\n", "what it binds itself")
    expect_equal(len(sluice.bus.property("blog", "Listen")), 3, "URLs in Listen")


@case("by-name/no-listen")
def no_listen(sluice):
    """A server that binds nothing itself lives on what it is given."""
    sluice.configure("blog", listen=None)
    socket_unit(sluice, "test-name.socket", "127.0.0.1:8082", name="blog")
    expect_equal(web.get(("127.0.0.1", 8082)).body, "blog\n", "the first connection")


@case("by-address")
def by_address(sluice):
    """A socket unit that says no name is the server's that listens on its address."""
    sluice.configure("blog", "127.0.0.1:8081", top="sluice.autostart: ON")
    socket_unit(sluice, "test-address.socket", "127.0.0.1:8081")
    expect_equal(web.get(("127.0.0.1", 8081)).body, "blog\n", "the first connection")
    expect_equal(sluice.bus.property("blog", "Listen"), ["http://127.0.0.1:8081/"], "Listen")
    expect_equal(sluice.units.show("test-address.socket", "Result"), "success", "Result")


@case("by-address/restart")
def by_address_restart(sluice):
    """It comes back after a restart, though nothing but its address tells whose the socket is."""
    sluice.configure("blog", "127.0.0.1:8081")
    socket_unit(sluice, "test-back.socket", "127.0.0.1:8081")
    sluice.bus.server("blog", "Start")
    for how in ("restart", "kill"):
        pid = sluice.pid()
        if how == "restart":
            sluice.units.systemctl("restart", SERVICE)
        else:
            sluice.kill()
            sluice.wait_restarted(pid)
        expect_equal(web.get(("127.0.0.1", 8081)).body, "blog\n", f"a request after {how}")


@case("by-address/tls")
def by_address_tls(sluice):
    """The entry with a socket's address gives it its TLS settings."""
    tls.make_certificate(sluice.machine, "/etc/sluice/tls")
    sluice.configure("secure", "127.0.0.1:8443", ssl=tls.settings("/etc/sluice/tls"))
    socket_unit(sluice, "test-tls.socket", "127.0.0.1:8443", name="secure")
    done = tls.get(sluice.machine, "https://localhost:8443/")
    expect_equal(done.out, "secure\n", f"the first connection ({done})")
    expect_equal(sluice.bus.property("secure", "Listen"), ["https://127.0.0.1:8443/"], "Listen")


@case("ipv6")
def ipv6(sluice):
    sluice.configure("blog", "[::1]:8081")
    socket_unit(sluice, "test-six.socket", "[::1]:8081", name="blog")
    expect_equal(web.get(("::1", 8081)).body, "blog\n", "the first connection")
    sluice.bus.server("blog", "Stop")
    expect_equal(web.get(("::1", 8081)).result, "refused", "a request after Stop")
    expect_equal(sluice.bus.server("blog", "Start"), ["http://[::1]:8081/"], "Start")
    expect_equal(web.get(("::1", 8081)).status, 200, "a request after Start")


@case("public")
def public(sluice):
    """The example that is installed: ports 80 and 443 of every address, the latter with TLS."""
    tls.make_certificate(sluice.machine, "/etc/sluice/tls")
    sluice.configure("default", listen=None,
                     top=f"listen: 80\nlisten:\n  port: 443\n{tls.settings('/etc/sluice/tls')}")
    with open(sluice.machine.path("/usr/share/doc/sluice/examples/ports.conf"),
              encoding="ascii") as file:
        lines = [line.strip() for line in file if line.startswith("Listen")]
    sluice.settings(*lines, unit=SOCKET, section="Socket")
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get(("127.0.0.1", 80)).body, "default\n", "IPv4")
    expect_equal(web.get(("::1", 80)).body, "default\n", "IPv6")
    for url in ("https://localhost/", "https://127.0.0.1/"):
        expect_equal(tls.get(sluice.machine, url).out, "default\n", url)
    expect_equal(len(sluice.bus.property("default", "Listen")), 2, "URLs in Listen")


@case("dual-stack")
def dual_stack(sluice):
    """One socket for IPv4 and IPv6, as ListenStream=80 makes it, is what `listen: 80` means."""
    sluice.configure("default", listen=None, top="listen: 80")
    socket_unit(sluice, "test-dual.socket", "80", name="default")
    expect_equal(web.get(("127.0.0.1", 80)).body, "default\n", "IPv4")
    expect_equal(web.get(("::1", 80)).body, "default\n", "IPv6")


@case("unix")
def unix(sluice):
    """Such a socket cannot be opened again, so while stopped connections are closed at once."""
    sluice.configure("blog", listen=None)
    socket_unit(sluice, "test-unix.socket", "/run/test/blog.sock", name="blog")
    where = sluice.machine.path("/run/test/blog.sock")
    expect_equal(web.get(where).body, "blog\n", "the first connection")
    for number in range(3):
        sluice.bus.server("blog", "Stop")
        answer = web.get(where, timeout_s=3)
        expect(answer.result in ("closed", "reset"), f"round {number}: after Stop: {answer}")
        sluice.bus.server("blog", "Start")
        expect_equal(web.get(where).status, 200, f"round {number}: a request after Start")
    expect_equal(sluice.units.state("test-unix.socket"), "active", "the socket unit")


@case("restart")
def restart(sluice):
    """The daemon is restarted and killed: nobody who connects to systemd's socket is refused."""
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    inode = sluice.listening(8080)
    with web.Hammer() as hammer:
        for _ in range(3):
            sluice.units.systemctl("restart", SERVICE)
            pid = sluice.pid()
            sluice.kill()
            sluice.wait_restarted(pid)
    say(hammer)
    expect_equal(hammer.count("refused", "timeout"), 0, "attempts refused or never answered")
    expect_equal(sluice.listening(8080), inode, "the socket")


@case("reload")
def reload(sluice):
    """A reload keeps systemd's socket."""
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    inode = sluice.listening(8080)
    with web.Hammer() as hammer:
        for number in range(10):
            sluice.configure("default", root=f"/srv/www{number}")
            sluice.bus.call(server_path("default"), "org.sluice.Sluice1.Server.Reload")
    expect_equal(dict(hammer.found), {"ok 200": sum(hammer.found.values())}, "answers meanwhile")
    expect_equal(sluice.listening(8080), inode, "the socket")


@case("socket-stopped")
def socket_stopped(sluice):
    """`systemctl stop sluiced.socket` takes the socket from systemd, not from the server."""
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    sluice.units.systemctl("stop", SOCKET)
    expect_equal(web.get().status, 200, "a request after the socket unit has stopped")
    sluice.units.systemctl("stop", SERVICE)
    wait_for(lambda: web.get().result == "refused", "requests are refused at last")
