# SPDX-License-Identifier: MIT
"""What systemd, the bus, the clock and the file system may throw at the daemon."""

import os
import time

from .. import web
from ..bus import NAME
from ..sluice import RUNTIME_DIR, SCRATCH, SERVICE, SOCKET
from ..tap import case, expect, expect_equal, say, wait_for

HERE = os.path.dirname(os.path.realpath(__file__))
PORT = ("127.0.0.1", 8081)
WARNING = 4

# Each is passed under the name of a server that exists, and is not fit to listen on.
WRONG_KINDS = ("udp", "connected", "accepted", "pair", "seqpacket", "fifo", "pipe", "file",
               "directory", "null")


def socket_unit(sluice, unit, *lines):
    sluice.units.write(unit, "\n".join(["[Socket]", f"Service={SERVICE}", *lines, ""]))
    sluice.units.systemctl("start", unit)


def expect_serving(sluice):
    """The daemon is up, and the server can be started."""
    sluice.bus.server("blog", "Start")
    expect_equal(web.get(PORT).body, "blog\n", "a request")


def expect_sound(sluice):
    """Besides, the daemon is calm."""
    expect_serving(sluice)
    before = cpu_seconds(sluice)
    time.sleep(0.4)
    expect(cpu_seconds(sluice) - before < 0.2, "the daemon uses a CPU for nothing")


def cpu_seconds(sluice):
    with open(f"{sluice.process()}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def with_passed(sluice, *descriptors):
    """Has the unit start the daemon with these descriptors (see pass_fds.py)."""
    with open(f"{HERE}/../pass_fds.py", encoding="utf-8") as file:
        sluice.machine.write(f"{SCRATCH}/pass_fds.py", file.read())
    sluice.settings("ExecStart=", f"ExecStart=/usr/bin/python3 {SCRATCH}/pass_fds.py "
                    f"{' '.join(descriptors)} -- /usr/bin/sluiced", name="passed")


@case("sockets/wrong-kind", timeout_s=90)
def wrong_kind(sluice):
    """Descriptors that nobody can listen on: a warning names each, and life goes on."""
    for kind in WRONG_KINDS:
        sluice.configure("blog", "127.0.0.1:8081")
        with_passed(sluice, f"blog={kind}")
        cursor = sluice.units.cursor()
        sluice.units.systemctl("restart", SERVICE)
        expect_sound(sluice)
        warned = [entry["MESSAGE"] for entry in
                  sluice.units.journal(f"_SYSTEMD_UNIT={SERVICE}", since=cursor)
                  if int(entry["PRIORITY"]) <= WARNING]
        expect(len(warned) == 1 and "blog" in warned[0], f"{kind}: warnings: {warned}")
        sluice.bus.server("blog", "Stop")


@case("sockets/closed")
def closed(sluice):
    """A descriptor that is promised and not there is not taken for one of the daemon's own."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.settings("Restart=no")
    for descriptors in (["blog=closed"], ["blog=closed"] * 8, ["blog=tcp", "blog=closed"]):
        with_passed(sluice, *descriptors)
        sluice.units.systemctl("restart", SERVICE, check=False)
        result = sluice.units.show(SERVICE, "Result", "ActiveState")
        expect(result["Result"] in ("success", "exit-code"), f"{descriptors}: {result}")
        sluice.wait_logged("descriptor|Bad file", WARNING)
        if result["ActiveState"] == "active":
            expect_sound(sluice)
            sluice.bus.server("blog", "Stop")


@case("sockets/wrong-units")
def wrong_units(sluice):
    """The same from real socket units: datagrams, a FIFO, packets."""
    sluice.configure("blog", "127.0.0.1:8081")
    for number, line in enumerate(("ListenDatagram=127.0.0.1:8099", "ListenFIFO=/run/test/fifo",
                                   "ListenSequentialPacket=/run/test/packets",
                                   "ListenNetlink=kobject-uevent 1")):
        socket_unit(sluice, f"test-wrong{number}.socket", line, "FileDescriptorName=blog")
    sluice.units.systemctl("start", SERVICE)
    expect_sound(sluice)
    warned = [text for priority, text in sluice.log() if priority <= WARNING and "blog" in text]
    expect(len(warned) >= 3, f"warnings: {warned}")


@case("sockets/shut")
def shut(sluice):
    """One that was shut when the daemon died: it listens again."""
    sluice.configure("blog", "127.0.0.1:8081")
    for kind in ("tcp", "shut"):
        with_passed(sluice, f"blog={kind}")
        sluice.units.systemctl("restart", SERVICE)
        urls = sluice.bus.server("blog", "Start")
        expect_equal(len(urls), 2, f"{kind}: number of URLs")
        ports = [int(url.rstrip("/").rpartition(":")[2]) for url in urls]
        found = [web.get(("127.0.0.1", port)).body for port in ports]
        expect_equal(found, ["blog\n"] * 2, f"{kind}: requests")
        sluice.bus.server("blog", "Stop")


@case("sockets/unknown-name")
def unknown_name(sluice):
    """A socket for which there is no server: a warning, and whoever connects is not kept."""
    sluice.configure("blog", "127.0.0.1:8081")
    socket_unit(sluice, "test-nobody.socket", "ListenStream=127.0.0.1:8082",
                "FileDescriptorName=nobody")
    answer = web.get(("127.0.0.1", 8082), timeout_s=5)
    expect(answer.result in ("closed", "reset", "refused"), f"the first connection: {answer}")
    sluice.wait_logged("nobody", WARNING)
    expect_sound(sluice)
    expect_equal(sluice.units.state("test-nobody.socket"), "active", "the socket unit")


@case("sockets/unknown-name/idle")
def unknown_name_idle(sluice):
    """It does not wake the daemon again and again."""
    sluice.options("--exit-idle-time=0.1")
    socket_unit(sluice, "test-nobody.socket", "ListenStream=127.0.0.1:8082",
                "FileDescriptorName=nobody")
    for _ in range(3):
        web.get(("127.0.0.1", 8082), timeout_s=5)
    time.sleep(3)
    daemons = {entry["INVOCATION_ID"] for entry in sluice.journal("_PID=1", f"UNIT={SERVICE}")
               if "INVOCATION_ID" in entry}
    expect(1 <= len(daemons) <= 4, f"{len(daemons)} daemons for 3 connections")
    expect_equal(sluice.units.state("test-nobody.socket"), "active", "the socket unit")


@case("sockets/bad-names")
def bad_names(sluice):
    """Names that no server can have."""
    sluice.configure("blog", "127.0.0.1:8081")
    with_passed(sluice, "..=tcp", "a/b=tcp", "=tcp", "x" * 200 + "=tcp", "stored+=tcp",
                "stored+nobody=tcp", "unknown=tcp", "%n=tcp", "stored=tcp", "connection=tcp")
    sluice.units.systemctl("start", SERVICE)
    expect_sound(sluice)
    expect([text for priority, text in sluice.log() if priority <= WARNING], "no warning")


@case("sockets/too-many")
def too_many(sluice):
    """More sockets than servers: all of a name are served, the others warned of."""
    sluice.configure("blog", "127.0.0.1:8081")
    socket_unit(sluice, "test-many.socket", "FileDescriptorName=blog",
                *(f"ListenStream=127.0.0.1:{port}" for port in range(8100, 8120)))
    for number in range(20):
        socket_unit(sluice, f"test-lost{number}.socket",
                    f"ListenStream=127.0.0.1:{8200 + number}", f"FileDescriptorName=lost{number}")
    found = [web.get(("127.0.0.1", port)).body for port in range(8100, 8120)]
    expect_equal(found, ["blog\n"] * 20, "answers")
    expect_equal(len(sluice.bus.property("blog", "Listen")), 21, "URLs in Listen")


@case("sockets/environment")
def environment(sluice):
    """Variables of another's making."""
    sluice.configure("blog", "127.0.0.1:8081")
    for assignments in (
            "LISTEN_PID=$$ LISTEN_FDS=junk", "LISTEN_PID=$$ LISTEN_FDS=-1",
            "LISTEN_PID=$$ LISTEN_FDS=99999999", "LISTEN_PID=$$ LISTEN_FDS=3",
            "LISTEN_PID=1 LISTEN_FDS=1", "LISTEN_PID=junk LISTEN_FDS=1",
            "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a:b:c",
            "LISTEN_PID=$$ LISTEN_FDS=0 LISTEN_FDNAMES="):
        escaped = assignments.replace("$", "$$")
        sluice.settings("Restart=no", "ExecStart=",
                        f"ExecStart=/bin/sh -c '{escaped} exec /usr/bin/sluiced'")
        if sluice.units.systemctl("restart", SERVICE, check=False).status == 0:
            expect_sound(sluice)
            sluice.bus.server("blog", "Stop")
        else:
            # It may refuse what makes no sense, if it says so.
            sluice.wait_logged("socket|LISTEN_FDS", 3)
            sluice.units.systemctl("stop", SERVICE)


@case("store/file-gone")
def file_gone(sluice):
    """A stored socket whose server's file is gone: closed, out of the store, and said."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.configure("stays", "127.0.0.1:8082")
    sluice.bus.server("blog", "Start")
    sluice.bus.server("stays", "Start")
    sluice.machine.remove("/etc/sluice/servers/blog.conf")
    pid = sluice.pid()
    sluice.kill()
    sluice.wait_restarted(pid)
    found = (web.get(PORT).result, web.get(("127.0.0.1", 8082)).result)
    expect_equal(found, ("refused", "ok"), "the one that is gone, and the other")
    wait_for(lambda: sluice.units.show(SERVICE, "NFileDescriptorStore") == "1",
             "the socket has left the store")
    sluice.wait_logged("blog", WARNING)


@case("state/corrupt", timeout_s=90)
def corrupt(sluice):
    """Whatever the state file holds, the daemon comes back and works."""
    sluice.configure("blog", "127.0.0.1:8081")
    contents = {
        "empty": ": >$f",
        "noise": "head -c 4096 /dev/urandom >$f",
        "cut short": "head -c 20 $f >$f.x; mv $f.x $f",
        "of another version": "printf '# Sluice state 99\\nrunning blog\\n' >$f",
        "JSON": "echo '{\"running\": [\"blog\"]}' >$f",
        "a name that is none": "printf '# Sluice state 1\\nrunning ../../etc/passwd\\n' >$f",
        "unknown servers": "printf '# Sluice state 1\\nrunning nobody\\nstopped no2\\n' >$f",
        "twice": "printf '# Sluice state 1\\nrunning blog\\nstopped blog\\n' >$f",
        "huge": "truncate -s 1G $f",
        "root's": "chown root:root $f; chmod 600 $f",
        "a directory": "rm $f; mkdir -p $f/x",
        "a link": "rm $f; ln -s /etc/shadow $f",
        "a fifo": "rm $f; mkfifo $f; chmod 666 $f",
    }
    sluice.settings(f"ExecStartPre=+/bin/sh {SCRATCH}/corrupt")
    for what, command in contents.items():
        sluice.machine.write(f"{SCRATCH}/corrupt", "true\n")
        expect_serving(sluice)
        expect(sluice.machine.exists(f"{RUNTIME_DIR}/state"), f"there is no {RUNTIME_DIR}/state")
        sluice.machine.write(f"{SCRATCH}/corrupt", f"f={RUNTIME_DIR}/state\n{command}\n")
        pid = sluice.pid()
        sluice.kill()
        sluice.wait_restarted(pid)
        say(f"{what}: {sluice.bus.state('blog')}")
        expect_serving(sluice)
        sluice.machine.write(f"{SCRATCH}/corrupt", "true\n")
        sluice.units.systemctl("stop", SERVICE)
        sluice.machine.run("sh", "-c", f"rm -rf {RUNTIME_DIR}/*")
    expect([text for priority, text in sluice.log() if priority <= WARNING], "no warning")


@case("state/full")
def full(sluice):
    """No room in the runtime directory: servers run all the same, and the log tells of it."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.machine.run("mkdir", "-p", RUNTIME_DIR)
    sluice.machine.run("mount", "-t", "tmpfs", "-o", "size=4k,mode=755", "tmpfs", RUNTIME_DIR)
    try:
        sluice.machine.run("sh", "-c", f"cat /dev/zero >{RUNTIME_DIR}/ballast", check=False)
        expect_sound(sluice)
        sluice.wait_logged(r"state|runtime|No space", WARNING)
        sluice.bus.server("blog", "Stop")
        expect_equal(web.get(PORT).result, "refused", "a request after Stop")
    finally:
        sluice.units.systemctl("stop", SERVICE)
        sluice.machine.run("umount", RUNTIME_DIR)


@case("state/read-only")
def read_only(sluice):
    """The same for one that cannot be written."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.settings(f"ReadOnlyPaths={RUNTIME_DIR}")
    expect_sound(sluice)
    sluice.wait_logged(r"state|runtime|Read-only", WARNING)
    pid = sluice.pid()
    sluice.kill()
    sluice.wait_restarted(pid)
    expect_sound(sluice)


@case("directory-unreadable")
def directory_unreadable(sluice):
    """The daemon starts all the same, once, and says so; Reload finds what can be read by then."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.machine.run("chmod", "700", "/etc/sluice/servers")
    sluice.machine.run("chown", "root:root", "/etc/sluice/servers")
    sluice.bus.manager("Status")
    sluice.wait_logged("/etc/sluice/servers", 3)
    expect_equal(sluice.units.show(SERVICE, "NRestarts"), "0", "restarts")
    sluice.machine.run("chmod", "755", "/etc/sluice/servers")
    sluice.bus.manager("Reload")
    expect_serving(sluice)
    # What ran when the daemon was killed comes back as soon as it is known again.
    sluice.machine.run("chmod", "700", "/etc/sluice/servers")
    pid = sluice.pid()
    sluice.kill()
    sluice.wait_restarted(pid)
    sluice.machine.run("chmod", "755", "/etc/sluice/servers")
    sluice.bus.manager("Reload")
    expect_equal(web.get(PORT).body, "blog\n", "a request after the second Reload")


@case("name-owned")
def name_owned(sluice):
    """Somebody has the name: the daemon says who and ends; who has it is not disturbed."""
    sluice.configure("blog", "127.0.0.1:8081")
    user = sluice.units.show(SERVICE, "User") or "root"
    sluice.units.write("test-foreign.service",
                       f"[Service]\nUser={user}\n"
                       "ExecStart=/usr/bin/sluiced --exit-idle-time=infinity\n")
    sluice.units.systemctl("start", "test-foreign.service")
    wait_for(sluice.bus.owner, "somebody has the name")
    sluice.bus.server("blog", "Start")
    # It may succeed: systemd takes a name that is owned for a service that is up.
    sluice.units.systemctl("start", SERVICE, check=False, timeout_s=40)
    sluice.wait_logged(f"{NAME} belongs to", 3)
    time.sleep(1)
    tries = [text for _, text in sluice.log() if f"{NAME} belongs to" in text]
    expect(len(tries) <= 10, f"{len(tries)} tries in a second or so")
    expect_equal(web.get(PORT).body, "blog\n", "a request to the one who has it")
    sluice.units.systemctl("stop", "test-foreign.service")
    wait_for(lambda: sluice.units.state(SERVICE) == "active" or
             sluice.units.systemctl("start", SERVICE, check=False).status == 0,
             "the unit starts once the name is free", 15, interval_s=0.5)


@case("watchdog/no-socket")
def watchdog_no_socket(sluice):
    """A watchdog is asked for and there is nobody to tell."""
    sluice.configure("blog", "127.0.0.1:8081")
    for number, variables in enumerate(("WATCHDOG_USEC=1000000", "WATCHDOG_USEC=junk",
                                        "WATCHDOG_USEC=0", "WATCHDOG_USEC=1",
                                        "WATCHDOG_USEC=18446744073709551615",
                                        "NOTIFY_SOCKET=/nonexistent WATCHDOG_USEC=1000000")):
        sluice.settings(
            "NotifyAccess=none", "Restart=no", "WatchdogSec=0", "ExecStart=",
            "ExecStart=/usr/bin/env -u NOTIFY_SOCKET -u WATCHDOG_PID -u WATCHDOG_USEC "
            f"{variables} /usr/bin/sluiced", name="watchdog")
        sluice.units.systemctl("restart", SERVICE)
        pid = sluice.pid()
        expect_sound(sluice)
        if number == 0:
            time.sleep(2)
        expect_equal(sluice.pid(), pid, f"{variables}: the daemon's PID")
        sluice.bus.server("blog", "Stop")


def jump(sluice, seconds):
    """Moves the daemon's wall clock; see clockjump.c."""
    sluice.machine.write(f"{SCRATCH}/clock.new", str(seconds))
    sluice.machine.run("mv", f"{SCRATCH}/clock.new", f"{SCRATCH}/clock")


def with_clock(sluice):
    sluice.machine.write(f"{SCRATCH}/clock", "0")
    sluice.settings("Environment=LD_PRELOAD=/usr/lib/sluice-test/clockjump.so", "WatchdogSec=4")


@case("clock/jumps", timeout_s=120)
def clock_jumps(sluice):
    """A day ahead, a day back, to 1970: servers answer, drain in time, and the daemon stays."""
    sluice.configure("blog", "127.0.0.1:8081", top="sluice.stop-timeout: 1")
    sluice.machine.run("sh", "-c", "head -c 20000000 /dev/zero >/srv/blog/big")
    with_clock(sluice)
    sluice.bus.server("blog", "Start")
    pid = sluice.pid()
    for seconds in (86400, 0, -86400, 0, -1700000000, 0):
        jump(sluice, seconds)
        time.sleep(0.3)
        expect_equal(web.get(PORT).body, "blog\n", f"{seconds} s: a request")
        # Busy with a slow client until the deadline of Stop.
        curl = sluice.machine.spawn("curl", "--silent", "--limit-rate", "1M",
                                    "http://127.0.0.1:8081/big")
        wait_for(lambda: sluice.bus.property("blog", "Connections") == 1, "a connection")
        began = time.monotonic()
        sluice.bus.server("blog", "Stop", timeout_s=15)
        took = time.monotonic() - began
        expect(0.5 < took < 3, f"{seconds} s: a Stop with a deadline of 1 s took {took:.1f} s")
        curl.communicate(timeout=10)
        stamp = sluice.bus.property("blog", "StateChangeTimestamp") / 1e6
        expect(abs(stamp - time.time() - seconds) < 10, f"{seconds} s: the timestamp is {stamp}")
        sluice.bus.server("blog", "Start")
    expect_equal(sluice.pid(), pid, "the daemon's PID")


@case("clock/jump-while-busy")
def clock_while_busy(sluice):
    """A jump cuts nobody's download."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.machine.run("sh", "-c", "head -c 6000000 /dev/zero >/srv/blog/big")
    with_clock(sluice)
    sluice.bus.server("blog", "Start")
    for seconds in (86400, -86400):
        jump(sluice, 0)
        curl = sluice.machine.spawn("sh", "-c", "curl --silent --show-error --limit-rate 2M "
                                    "http://127.0.0.1:8081/big | wc -c")
        time.sleep(0.8)
        jump(sluice, seconds)
        out, err = curl.communicate(timeout=20)
        expect_equal((out.strip(), err), ("6000000", ""), f"{seconds} s: a download")


@case("clock/idle")
def clock_idle(sluice):
    """The idle time is one of a clock that does not jump."""
    with_clock(sluice)
    sluice.options("--exit-idle-time=2")
    for seconds in (86400, -86400):
        jump(sluice, 0)
        sluice.bus.manager("Status")
        began = time.monotonic()
        time.sleep(0.5)
        jump(sluice, seconds)
        sluice.wait_gone(timeout_s=6)
        took = time.monotonic() - began
        expect(took > 1.5, f"{seconds} s: it has left after {took:.1f} s of 2")


@case("bus-restarted", timeout_s=90)
def bus_restarted(sluice):
    """The bus dies: servers are there again once it is, and nobody is refused meanwhile."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.bus.server("blog", "Start")
    with web.Hammer(where=PORT) as hammer:
        for number in range(3):
            pid = sluice.pid()
            sluice.machine.run("systemctl", "kill", "--signal=KILL", "dbus.service")
            time.sleep(0.2)
            wait_for(lambda: sluice.machine.run("systemctl", "start", "dbus.service",
                                                check=False).status == 0, "a new bus", 15)
            sluice.wait_restarted(pid, timeout_s=20)
            wait_for(lambda: sluice.bus.owner() is not None, "the name is taken again", 15)
            expect_equal(sluice.bus.state("blog"), "running", f"the server after {number + 1}")
    say(hammer)
    expect_equal(hammer.count("refused", "timeout"), 0, "attempts refused or never answered")


@case("bus-restarted/socket", timeout_s=60)
def bus_restarted_socket(sluice):
    """The same for a server on systemd's socket."""
    sluice.units.systemctl("start", SOCKET)
    expect_equal(web.get().status, 200, "the first connection")
    pid = sluice.pid()
    with web.Hammer() as hammer:
        sluice.machine.run("systemctl", "kill", "--signal=KILL", "dbus.service")
        time.sleep(0.2)
        wait_for(lambda: sluice.machine.run("systemctl", "start", "dbus.service",
                                            check=False).status == 0, "a new bus", 15)
        sluice.wait_restarted(pid, timeout_s=20)
    say(hammer)
    expect_equal(hammer.count("refused", "timeout"), 0, "attempts refused or never answered")
