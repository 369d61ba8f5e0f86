# SPDX-License-Identifier: MIT
"""Sluice in the booted container: what the tests know of its units, files and bus name."""

import os
import re
import shlex

from . import Failure
from .bus import Bus
from .polkit import Polkit
from .tap import wait_for
from .units import Units

SERVICE = "sluiced.service"
SOCKET = "sluiced.socket"
ALIAS = "dbus-org.sluice.Sluice1.service"
TEMPLATE = "sluice@.service"
UNIT_DIR = "/usr/lib/systemd/system"
CONFIG = "/etc/sluice/servers"
RUNTIME_DIR = "/run/sluice"
STATE_DIR = "/var/lib/sluice"
# Where tests put what they need besides.
SCRATCH = "/run/test"

RESET = f"""
set -x
rm -rf --one-file-system /etc/sluice {STATE_DIR}/* {RUNTIME_DIR}/* {SCRATCH} /srv/* /var/www
rm -rf /run/systemd/system/*sluice* /run/systemd/system/test-* /etc/systemd/system/*sluice*
rm -rf /etc/systemd/system/*.wants/*sluice*
mkdir -p {SCRATCH}
systemctl daemon-reload
systemctl reset-failed
journalctl --sync
journalctl --quiet --lines=0 --show-cursor
"""


class Sluice:
    def __init__(self, machine):
        self.machine = machine
        self.units = Units(machine)
        self.polkit = Polkit(machine)
        self.bus = Bus(machine)
        self.alice = Bus(machine, user="alice")
        self.bob = Bus(machine, user="bob")
        self.began = None  # where the journal was when the case began

    def reset(self):
        """Back to a fresh install: nothing runs, nothing is configured, nothing is remembered."""
        units = self.machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend",
                                 "--full", "*sluice*", "test-*").out
        names = [line.split()[0] for line in units.splitlines()]
        if names:
            self.machine.run("systemctl", "stop", *names, check=False, timeout_s=100)
        out = self.machine.run("sh", "-c", RESET).out
        self.began = out.strip().removeprefix("-- cursor: ")
        self.polkit.reset()

    def describe(self):
        """For who reads of a failure: the units, and what was logged."""
        status = self.machine.run("systemctl", "status", "--lines=0", SERVICE, SOCKET,
                                  check=False).out
        log = self.machine.run("journalctl", "--quiet", "--no-pager", "--output=short-precise",
                               f"--after-cursor={self.began}", "--unit=*sluice*",
                               "--unit=test-*.socket", "--unit=dbus.service",
                               "--unit=polkit.service", check=False).out
        return "\n".join(line for line in status.splitlines() + log.splitlines()[-30:]
                         if line and not line.strip().startswith(("Docs:", "man:", "Loaded:")))

    def journal(self, *matches):
        """Entries since the case began."""
        return self.units.journal(*matches, since=self.began)

    def log(self, *matches):
        """What the daemon has logged since the case began: (priority, text) of each entry."""
        return [(int(entry.get("PRIORITY", 6)), entry["MESSAGE"])
                for entry in self.journal(f"_SYSTEMD_UNIT={SERVICE}", *matches)]

    def wait_logged(self, pattern, worst=7, timeout_s=10):
        """Until a line of at most this priority matches `pattern`, however it is written."""
        wait_for(lambda: any(priority <= worst and re.search(pattern, text, re.IGNORECASE)
                             for priority, text in self.log()),
                 lambda: f"a line like \"{pattern}\" of priority {worst} or worse is logged; "
                         f"there are {self.log()}", timeout_s, interval_s=0.2)

    # ---- Configuration ----

    def configure(self, name="default", listen="127.0.0.1:8080", root="/srv/NAME", paths="",
                  top="", ssl="", directory=CONFIG):
        """A server that serves a page, whose text is its name, on HOST:PORT or a Unix socket.

        `listen` and `root` may be None; `paths`, `top` and `ssl` are what the file says besides.
        """
        root = root and root.replace("NAME", name)
        text = top + "\n"
        if listen and listen.startswith("/"):
            text += f"listen: {{type: unix, port: {listen}, permission: 666}}\n"
        elif listen:
            host, _, port = listen.rpartition(":")
            text += f"listen:\n  host: \"{host.strip('[]')}\"\n  port: {port}\n{ssl}\n"
        text += "hosts:\n  default:\n    paths:\n"
        if root:
            self.machine.write(f"{root}/index.html", f"{name}\n")
            text += f"      \"/\":\n        file.dir: {root}\n"
        self.machine.write(f"{directory}/{name}.conf", text + paths)

    def options(self, *options):
        """Starts the daemon with these options besides those of its unit."""
        for line in self.machine.read(f"{UNIT_DIR}/{SERVICE}").splitlines():
            if line.startswith("ExecStart="):
                return self.units.drop_in(
                    SERVICE, f"[Service]\nExecStart=\n{line} {shlex.join(options)}\n", "options")
        raise Failure(f"{SERVICE} has no ExecStart=")

    def settings(self, *lines, unit=SERVICE, section="Service", name="test"):
        """Settings of a unit on top of its own."""
        self.units.drop_in(unit, "\n".join([f"[{section}]", *lines, ""]), name)

    # ---- The daemon ----

    def pid(self):
        return self.units.main_pid(SERVICE)

    def wait_gone(self, timeout_s=10):
        """Until the daemon has left by itself."""
        self.units.wait_state(SERVICE, "inactive", timeout_s)

    def kill(self, signal="KILL"):
        self.units.systemctl("kill", f"--signal={signal}", "--kill-who=main", SERVICE)

    def wait_restarted(self, old_pid, timeout_s=15):
        """Until another process than `old_pid` is the daemon and has said that it is ready."""
        def restarted():
            found = self.units.show(SERVICE, "MainPID", "ActiveState")
            return found["ActiveState"] == "active" and int(found["MainPID"]) not in (0, old_pid)

        wait_for(restarted, f"{SERVICE} has been started again", timeout_s)
        return self.pid()

    def process(self):
        """The daemon's /proc directory, as we see it."""
        return f"/proc/{self.machine.pid(self.pid())}"

    def process_status(self):
        with open(f"{self.process()}/status", encoding="ascii", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)

    def listening(self, port, host="127.0.0.1"):
        """The inode of the socket that listens on an IPv4 address of the container, or None."""
        packed = "".join(f"{int(part):02X}" for part in reversed(host.split(".")))
        with open(f"/proc/{self.machine.leader}/net/tcp", encoding="ascii") as file:
            for line in file:
                fields = line.split()
                if fields[1] == f"{packed}:{port:04X}" and fields[3] == "0A":
                    return int(fields[9])
        return None

    def users_of_program(self):
        """PIDs, as we see them, of everything in the container that runs /usr/bin/sluiced."""
        space = os.readlink(f"/proc/{self.machine.leader}/ns/pid")
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if (os.readlink(f"/proc/{entry}/ns/pid") == space and
                        os.readlink(f"/proc/{entry}/exe").endswith("/sluiced")):
                    found.append(int(entry))
            except OSError:
                continue
        return found
