# SPDX-License-Identifier: MIT
"""systemctl(1), drop-ins and the journal of the container."""

import json

from .tap import wait_for


class Units:
    def __init__(self, machine):
        self.machine = machine

    def systemctl(self, *arguments, check=True, timeout_s=60):
        return self.machine.run("systemctl", *arguments, check=check, timeout_s=timeout_s)

    def show(self, unit, *properties):
        """Properties as text: a dict, or the value if one is asked for."""
        out = self.systemctl("show", f"--property={','.join(properties)}", unit).out
        found = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        return found.get(properties[0], "") if len(properties) == 1 else found

    def state(self, unit):
        return self.show(unit, "ActiveState")

    def main_pid(self, unit="sluiced.service"):
        return int(self.show(unit, "MainPID"))

    def wait_state(self, unit, state, timeout_s=10):
        wait_for(lambda: self.state(unit) == state,
                 lambda: f"{unit} {state}; it is {self.state(unit)}", timeout_s)

    def drop_in(self, unit, text, name="test"):
        """Settings on top of a unit's, until the next reset."""
        self.machine.write(f"/run/systemd/system/{unit}.d/90-{name}.conf", text)
        self.systemctl("daemon-reload")

    def write(self, unit, text):
        """A unit of the test's own, until the next reset."""
        self.machine.write(f"/run/systemd/system/{unit}", text)
        self.systemctl("daemon-reload")

    # ---- The journal ----

    def cursor(self):
        """Where the journal ends now."""
        self.machine.run("journalctl", "--sync")
        out = self.machine.run("journalctl", "--quiet", "--lines=0", "--show-cursor").out
        return out.strip().removeprefix("-- cursor: ")

    def journal(self, *matches, since=None):
        """Entries as dicts, the oldest first; `since` is a cursor.

        Not with --after-cursor=, which also skips the first entry that matches (systemd 252).
        """
        self.machine.run("journalctl", "--sync")
        cursor = [f"--cursor={since}"] if since else []
        out = self.machine.run("journalctl", "--quiet", "--no-pager", "--output=json", "--all",
                               *cursor, *matches).out
        entries = [json.loads(line) for line in out.splitlines()]
        return [entry for entry in entries if entry["__CURSOR"] != since]
