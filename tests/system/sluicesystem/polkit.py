# SPDX-License-Identifier: MIT
"""Polkit in the container: rules, polkitd itself, and users who are asked for their password."""

import contextlib
import os
import select
import shlex
import signal
import time

from . import Failure
from .bus import NAME
from .tap import wait_for

SERVICE = "polkit.service"
# Before all others: the first rule that decides has decided.
RULES = "/etc/polkit-1/rules.d/00-test.rules"
PASSWORD = "open sesame"


class Polkit:
    def __init__(self, machine):
        self.machine = machine

    def rule(self, *lines):
        """Has polkit decide by these lines of JavaScript, with `action` and `subject`."""
        self.rules("polkit.addRule(function(action, subject) {\n" + "\n".join(lines) + "\n});\n")

    def allow(self, user, *actions):
        """Lets `user` do `actions`, which are named without what they have in common."""
        names = ", ".join(f'"{NAME}.{action}"' for action in actions)
        self.rule(f'if (subject.user == "{user}" && [{names}].indexOf(action.id) >= 0)',
                  "    return polkit.Result.YES;")

    def rules(self, text):
        self.machine.write(RULES, text)
        # It would read them by itself, sooner or later.
        self.machine.run("systemctl", "restart", SERVICE)

    def mask(self):
        """As if it were not installed."""
        self.machine.run("systemctl", "mask", "--runtime", "--now", SERVICE)

    def reset(self):
        if self.machine.exists(f"/run/systemd/system/{SERVICE}"):
            self.machine.run("systemctl", "unmask", "--runtime", SERVICE)
        if self.machine.exists(RULES):
            self.machine.remove(RULES)
            self.machine.run("systemctl", "stop", SERVICE)

    @contextlib.contextmanager
    def stopped(self):
        """polkitd is there and says nothing."""
        self.machine.run("systemctl", "start", SERVICE)
        self.machine.run("systemctl", "kill", "--signal=STOP", SERVICE)
        try:
            yield
        finally:
            self.machine.run("systemctl", "kill", "--signal=CONT", SERVICE)

    def action(self, name):
        """What pkaction(1) says of an action, as a dict."""
        out = self.machine.run("pkaction", "--verbose", "--action-id", f"{NAME}.{name}").out
        return {key.strip(): value.strip() for key, _, value in
                (line.partition(":") for line in out.splitlines() if line.startswith(" "))}


class Asked:
    """A user at a terminal, whose call polkit has an agent ask about: pkttyagent(1) and busctl(1).

    A context manager; it ends both programs.
    """

    def __init__(self, machine, user, *call):
        """`call` is what follows `busctl call`."""
        # The agent speaks for the process that is to make the call, which exec keeps.
        script = ("set -e; ready=$(mktemp -u); mkfifo $ready; "
                  "pkttyagent --process $$ --notify-fd 9 9>$ready & cat $ready; rm $ready; "
                  "exec busctl --system --timeout=60 --allow-interactive-authorization=yes call "
                  + shlex.join(call))
        argv = machine.argv("bash", "-c", script, user=user)
        self.output = ""
        self.status = None
        self.pid, self.terminal = os.forkpty()
        if self.pid == 0:
            os.execvp(argv[0], argv)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()

    def _read(self, timeout_s):
        """Takes what has been printed; false at the end."""
        if not select.select([self.terminal], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self.terminal, 4096)
        except OSError:
            data = b""
        self.output += data.decode(errors="replace")
        return bool(data)

    def wait_asked(self, timeout_s=15):
        """Until the agent asks for the password."""
        def asked():
            self._read(0.05)
            return "Password:" in self.output

        wait_for(asked, lambda: f"an agent asks; the terminal shows: {self.output}", timeout_s)

    def answer(self, password):
        os.write(self.terminal, f"{password}\n".encode())

    def finish(self, timeout_s=20):
        """Until the call has ended: its status."""
        deadline = time.monotonic() + timeout_s
        while self.status is None:
            if time.monotonic() > deadline:
                raise Failure(f"the call has not ended; the terminal shows: {self.output}")
            self._read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        while self._read(0.1) and select.select([self.terminal], [], [], 0)[0]:
            pass
        return self.status

    def leave(self):
        """The user closes the terminal."""
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
