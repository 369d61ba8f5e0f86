# SPDX-License-Identifier: MIT
"""What the journal gets: fields, priorities, one line for a change and none for a request."""

import re
import time

from .. import web
from ..sluice import SERVICE
from ..tap import case, expect, expect_equal, say, wait_for

OURS = f"_SYSTEMD_UNIT={SERVICE}"
PORT = ("127.0.0.1", 8081)
ERR, WARNING, NOTICE, INFO = 3, 4, 5, 6


def of_server(sluice, name="blog"):
    """Entries about a server, the oldest first; those of one call may come a moment later."""
    time.sleep(0.3)
    return sluice.journal(OURS, f"SLUICE_SERVER={name}")


@case("changes")
def changes(sluice):
    """A start, a reload and a stop are a line each, under the server's name."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.bus.manager("Status")
    counts = []
    for member, word in (("Start", "running"), ("Reload", "reload"), ("Stop", "stopped")):
        before = len(of_server(sluice))
        sluice.bus.server("blog", member)
        fresh = of_server(sluice)[before:]
        say("\n".join(f"{entry['PRIORITY']} {entry['MESSAGE']}" for entry in fresh))
        counts.append(len(fresh))
        expect(any(word in entry["MESSAGE"] for entry in fresh), f"no line tells of {member}")
    expect_equal(counts, [1, 1, 1], "lines for Start, Reload and Stop")


@case("fields")
def fields(sluice):
    """MESSAGE_ID= is there for every change, priorities and the identifier are right."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.bus.server("blog", "Start")
    sluice.bus.server("blog", "Stop")
    entries = of_server(sluice)
    expect(len(entries) >= 2, f"only {len(entries)} entries")
    for entry in entries:
        expect(re.fullmatch("[0-9a-f]{32}", entry.get("MESSAGE_ID", "")),
               f"no MESSAGE_ID: {entry}")
        expect_equal(entry["SYSLOG_IDENTIFIER"], "sluiced", "SYSLOG_IDENTIFIER")
        expect(int(entry["PRIORITY"]) in (NOTICE, INFO), f"priority of {entry['MESSAGE']}")
    chosen = sluice.journal(f"MESSAGE_ID={entries[0]['MESSAGE_ID']}")
    expect(chosen, "journalctl MESSAGE_ID= finds nothing")


@case("message-ids")
def message_ids(sluice):
    """The same change has the same ID for all servers."""
    for number, name in enumerate(("one", "two")):
        sluice.configure(name, f"127.0.0.1:{8081 + number}")
    sluice.bus.server("one", "Start")
    sluice.bus.server("two", "Start")
    found = [[entry["MESSAGE_ID"] for entry in of_server(sluice, name)] for name in ("one", "two")]
    expect(found[0] and found[0] == found[1], f"IDs: {found}")


@case("failure")
def failure(sluice):
    """A failure is an error that says all that the caller is told."""
    sluice.machine.write("/etc/sluice/servers/blog.conf", "listen: 8081\nno-such-command: 1\n")
    message = sluice.bus.server_error("blog", "Start")[1]
    entries = [entry for entry in of_server(sluice) if int(entry["PRIORITY"]) <= ERR]
    expect_equal(len(entries), 1, "errors in the journal")
    expect(message in entries[0]["MESSAGE"], f"{entries[0]['MESSAGE']!r} lacks {message!r}")
    expect("MESSAGE_ID" in entries[0], "the error has no MESSAGE_ID")


@case("requests")
def requests(sluice):
    """Nobody has asked for a line for each request."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.bus.server("blog", "Start")
    before = len(sluice.log())
    web.get_many(100, PORT)
    web.get_many(100, PORT, "/nothing-there")
    time.sleep(0.5)
    expect_equal(len(sluice.log()), before, "lines after 200 requests")


@case("access-log")
def access_log(sluice):
    """Somebody has: each has fields of its own."""
    sluice.configure("blog", "127.0.0.1:8081", top="access-log: journal")
    sluice.bus.server("blog", "Start")
    for path in ("/", "/nothing-there"):
        web.get(PORT, path)

    def lines():
        return sluice.journal(OURS, "SLUICE_SERVER=blog", "SLUICE_METHOD=GET")

    wait_for(lambda: len(lines()) == 2, lambda: f"2 lines; there are {len(lines())}")
    found = [(entry["SLUICE_PATH"], entry["SLUICE_STATUS"], entry["PRIORITY"])
             for entry in lines()]
    expect_equal(found, [("/", "200", "6"), ("/nothing-there", "404", "6")], "fields")


@case("quiet")
def quiet(sluice):
    """An activation that changes nothing has nothing to say."""
    sluice.options("--exit-idle-time=0.1")
    sluice.bus.manager("Status")
    sluice.wait_gone()
    loud = [line for line in sluice.log() if line[0] <= WARNING]
    expect(not loud, f"warnings: {loud}")
    expect(len(sluice.log()) <= 2, f"lines: {sluice.log()}")


@case("status")
def status(sluice):
    """Lines end up in `systemctl status`, too."""
    sluice.configure("blog", "127.0.0.1:8081")
    sluice.bus.server("blog", "Start")
    wait_for(lambda: "http://127.0.0.1:8081/" in sluice.units.systemctl("status", SERVICE).out,
             "systemctl status tells where it listens")
