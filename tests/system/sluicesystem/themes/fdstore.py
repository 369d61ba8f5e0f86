# SPDX-License-Identifier: MIT
"""Listening sockets in systemd's store: a daemon that dies or is restarted is missed by nobody."""

import os
import time

from .. import tls, web
from ..bus import server_path
from ..sluice import SCRATCH, SERVICE
from ..tap import case, expect, expect_equal, say, wait_for

KILLS = 10
RESTARTS = 10


def running(sluice, *names):
    """Configures servers on ports from 8081 on, and starts them; their ports."""
    ports = list(range(8081, 8081 + len(names)))
    for name, port in zip(names, ports):
        sluice.configure(name, f"127.0.0.1:{port}")
    for name in names:
        sluice.bus.server(name, "Start")
    return ports


def kill_and_wait(sluice, signal="KILL"):
    pid = sluice.pid()
    sluice.kill(signal)
    return sluice.wait_restarted(pid)


def stored(sluice):
    return int(sluice.units.show(SERVICE, "NFileDescriptorStore"))


@case("kill-9/under-load", timeout_s=120)
def kill_9_under_load(sluice):
    """Ten kill -9 during a minute of 200 attempts to connect a second: none is refused."""
    sluice.configure("default")
    sluice.bus.manager("Start")
    began = time.monotonic()
    with web.Hammer(rate=200) as hammer:
        for number in range(KILLS):
            time.sleep(max(0.0, began + (number + 0.5) * 60 / KILLS - time.monotonic()))
            kill_and_wait(sluice)
            expect_equal(sluice.bus.state("default"), "running", f"the server after {number + 1}")
        time.sleep(max(0.0, began + 60 - time.monotonic()))
    say(hammer)
    expect(sum(hammer.found.values()) >= 11500, "fewer attempts than 200 a second")
    expect_equal(hammer.count("refused", "timeout"), 0, "attempts refused or never answered")
    # What the old daemon had accepted dies with it; that is all.
    expect(hammer.count("reset", "closed") <= KILLS * 4, f"too many were cut: {hammer}")


@case("restart/under-load", timeout_s=90)
def restart_under_load(sluice):
    """Ten `systemctl restart` under wrk, new connections, and a client that keeps its own as long
    as it may: none is refused; none but wrk, which takes a connection for granted, is cut."""
    sluice.configure("default")
    sluice.bus.manager("Start")
    sluice.machine.write(f"{SCRATCH}/urls", "".join('url = "http://127.0.0.1:8080/"\n'
                                                    'output = "/dev/null"\n'
                                                    'write-out = "%{http_code}\\n"\n'
                                                    for _ in range(3000)))
    curl = sluice.machine.spawn("curl", "--silent", "--show-error", "--rate", "250/s", "--config",
                                f"{SCRATCH}/urls")
    wrk = sluice.machine.spawn("wrk", "--threads=1", "--connections=32", "--duration=12s",
                               "http://127.0.0.1:8080/")
    with web.Hammer(rate=200) as hammer:
        for _ in range(RESTARTS):
            time.sleep(0.8)
            sluice.units.systemctl("restart", SERVICE)
        wrote = wrk.communicate(timeout=30)[0]
        codes, errors = curl.communicate(timeout=60)
    say(hammer)
    say(wrote)
    expect_equal(dict(hammer.found), {"ok 200": sum(hammer.found.values())}, "new connections")
    expect(curl.returncode == 0 and codes.split() == ["200"] * 3000,
           f"curl: {codes.split().count('200')} of 3,000 answered: {errors}")
    expect("connect 0" in wrote or "Socket errors" not in wrote, "wrk could not connect")
    expect("Non-2xx" not in wrote, "wrk got answers other than 200")
    expect_equal(sluice.bus.state("default"), "running", "the server")


@case("restart/drains")
def restart_drains(sluice):
    """A download that is under way at `systemctl restart` ends as it should."""
    sluice.configure("default")
    sluice.machine.run("sh", "-c", "head -c 6000000 /dev/zero >/srv/default/big")
    sluice.bus.manager("Start")
    curl = sluice.machine.spawn("sh", "-c", "curl --silent --show-error --limit-rate 2M "
                                "http://127.0.0.1:8080/big | wc -c")
    time.sleep(0.5)
    sluice.units.systemctl("restart", SERVICE)
    out, err = curl.communicate(timeout=20)
    expect_equal((out.strip(), err), ("6000000", ""), "the download")
    expect_equal(web.get().body, "default\n", "a request afterwards")


@case("tls")
def tls_server(sluice):
    """A server with TLS comes back as one."""
    tls.make_certificate(sluice.machine, "/etc/sluice/tls")
    sluice.configure("secure", "127.0.0.1:8443", ssl=tls.settings("/etc/sluice/tls"))
    sluice.bus.server("secure", "Start")
    kill_and_wait(sluice)
    expect_equal(tls.get(sluice.machine, "https://localhost:8443/").out, "secure\n", "a request")
    expect_equal(sluice.bus.property("secure", "Listen"), ["https://127.0.0.1:8443/"], "Listen")


@case("crash")
def crash(sluice):
    """A crash is no different."""
    running(sluice, "blog")
    for signal in ("SEGV", "ABRT", "BUS"):
        kill_and_wait(sluice, signal)
        expect_equal(web.get(("127.0.0.1", 8081)).body, "blog\n", f"a request after SIG{signal}")


@case("same-sockets")
def same_sockets(sluice):
    """The very sockets, a port that the kernel chose included."""
    sluice.configure("any", "127.0.0.1:0")
    sluice.configure("unix", "/run/sluice/unix.sock")
    sluice.configure("six", "[::1]:8086")
    for name in ("any", "unix", "six"):
        sluice.bus.server(name, "Start")
    path = sluice.machine.path("/run/sluice/unix.sock")

    def look():
        urls = {name: sluice.bus.property(name, "Listen") for name in ("any", "unix", "six")}
        port = int(urls["any"][0].rstrip("/").rpartition(":")[2])
        return {"urls": urls, "inode": sluice.listening(port), "file": os.lstat(path).st_ino,
                "answers": [web.get(("127.0.0.1", port)).body, web.get(path).body,
                            web.get(("::1", 8086)).body]}

    before = look()
    expect_equal(before["answers"], ["any\n", "unix\n", "six\n"], "answers")
    sluice.units.systemctl("restart", SERVICE)
    expect_equal(look(), before, "after systemctl restart")
    kill_and_wait(sluice)
    expect_equal(look(), before, "after kill -9")


@case("stopped-stays-stopped")
def stopped_stays_stopped(sluice):
    ports = running(sluice, "keeps", "stops")
    sluice.bus.server("stops", "Stop")
    for how in ("kill -9", "systemctl restart"):
        if how == "kill -9":
            kill_and_wait(sluice)
        else:
            sluice.units.systemctl("restart", SERVICE)
        found = {name: (sluice.bus.state(name), web.get(("127.0.0.1", port)).result)
                 for name, port in zip(("keeps", "stops"), ports)}
        expect_equal(found, {"keeps": ("running", "ok"), "stops": ("stopped", "refused")}, how)


@case("stopped-stays-stopped/draining")
def stopped_draining(sluice):
    """A Stop that comes while the daemon drains for a restart counts, too."""
    sluice.configure("auto", "127.0.0.1:8081", top="sluice.autostart: ON")
    sluice.machine.run("sh", "-c", "head -c 12000000 /dev/zero >/srv/auto/big")
    sluice.units.systemctl("start", SERVICE)
    curl = sluice.machine.spawn("curl", "--silent", "--limit-rate", "3M", "--output", "/dev/null",
                                "http://127.0.0.1:8081/big")
    wait_for(lambda: sluice.bus.property("auto", "Connections") == 1, "a connection")
    restart = sluice.machine.spawn("systemctl", "restart", SERVICE)
    wait_for(lambda: sluice.bus.state("auto") == "stopping", "the server stops")
    sluice.bus.server("auto", "Stop")
    restart.communicate(timeout=20)
    curl.communicate(timeout=20)
    expect_equal(sluice.bus.state("auto"), "stopped", "the server after the restart")


@case("stopped-stays-stopped/autostart")
def stopped_autostart(sluice):
    """Once somebody has stopped it, a server does not start by itself before the next boot."""
    sluice.configure("auto", "127.0.0.1:8081", top="sluice.autostart: ON")
    sluice.configure("other", "127.0.0.1:8082", top="sluice.autostart: ON")
    sluice.units.systemctl("start", SERVICE)
    sluice.bus.server("auto", "Stop")
    for how in ("kill -9", "restart", "stop and start"):
        if how == "kill -9":
            kill_and_wait(sluice)
        elif how == "restart":
            sluice.units.systemctl("restart", SERVICE)
        else:
            sluice.units.systemctl("stop", SERVICE)
            sluice.units.systemctl("start", SERVICE)
        found = (sluice.bus.state("auto"), sluice.bus.state("other"))
        expect_equal(found, ("stopped", "running"), f"after {how}")


@case("stop")
def stop(sluice):
    """`systemctl stop` ends the servers; being activated again starts none of them."""
    port, = running(sluice, "blog")
    sluice.units.systemctl("stop", SERVICE)
    expect_equal(web.get(("127.0.0.1", port)).result, "refused", "a request")
    expect_equal(sluice.bus.manager("Status")["running"], 0, "servers running")
    expect_equal(web.get(("127.0.0.1", port)).result, "refused", "a request after activation")


@case("many-sockets")
def many_sockets(sluice):
    """More than fit into one message of systemd's protocol."""
    listens = "".join(f"  - {{host: 127.0.0.1, port: {port}}}\n" for port in range(20000, 20255))
    sluice.configure("many", listen=None, top=f"listen:\n{listens}")
    expect_equal(len(sluice.bus.server("many", "Start")), 255, "URLs")
    wait_for(lambda: stored(sluice) == 255, lambda: f"255 stored; there are {stored(sluice)}")
    kill_and_wait(sluice)
    expect_equal([web.get(("127.0.0.1", port)).result for port in (20000, 20254)], ["ok"] * 2,
                 "requests to the first and the last")


@case("store")
def store(sluice):
    """The store has the sockets of running servers, and nothing else."""
    running(sluice, "one", "two")
    wait_for(lambda: stored(sluice) == 2, lambda: f"2 sockets stored; there are {stored(sluice)}")
    sluice.bus.server("one", "Stop")
    wait_for(lambda: stored(sluice) == 1, lambda: f"1 socket stored; there are {stored(sluice)}")
    kill_and_wait(sluice)
    time.sleep(0.5)
    expect_equal(stored(sluice), 1, "sockets stored after kill -9")
    sluice.bus.server("two", "Stop")
    wait_for(lambda: stored(sluice) == 0, lambda: f"none stored; there are {stored(sluice)}")


@case("store/reload")
def store_reload(sluice):
    """A reload that moves a server to another port moves what is stored."""
    running(sluice, "blog")
    sluice.configure("blog", "127.0.0.1:8085")
    sluice.bus.call(server_path("blog"), "org.sluice.Sluice1.Server.Reload")
    wait_for(lambda: stored(sluice) == 1, lambda: f"1 socket stored; there are {stored(sluice)}")
    kill_and_wait(sluice)
    found = (web.get(("127.0.0.1", 8081)).result, web.get(("127.0.0.1", 8085)).body)
    expect_equal(found, ("refused", "blog\n"), "the old port and the new one after kill -9")


@case("many")
def many(sluice):
    """Fifty servers come back."""
    names = [f"s{number}" for number in range(50)]
    ports = running(sluice, *names)
    kill_and_wait(sluice)
    found = [web.get(("127.0.0.1", port)).body.strip() for port in ports]
    expect_equal(found, names, "answers after kill -9")


@case("file-changed")
def file_changed(sluice):
    """A server whose file has become wrong fails and says so; the others come back."""
    ports = running(sluice, "broken", "fine")
    sluice.machine.write("/etc/sluice/servers/broken.conf", "listen: 8081\nno-such-command: 1\n")
    kill_and_wait(sluice)
    found = [(sluice.bus.state(name), web.get(("127.0.0.1", port)).result)
             for name, port in zip(("broken", "fine"), ports)]
    expect_equal(found, [("failed", "refused"), ("running", "ok")], "states and answers")
