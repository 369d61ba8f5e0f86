# SPDX-License-Identifier: MIT
"""Calls over the container's buses, made with busctl(1), which has JSON, and gdbus(1), which names
errors."""

import json
import re
import string

from . import Failure

NAME = "org.sluice.Sluice1"
PATH = "/org/sluice/Sluice1"
MANAGER = f"{NAME}.Manager"
SERVER = f"{NAME}.Server"
ERROR = f"{NAME}.Error."
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
INTERACTIVE = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"


def label(name):
    """As sd_bus_path_encode(3) escapes it."""
    plain = string.ascii_letters + string.digits
    return "".join(c if c in plain and not (i == 0 and c.isdigit()) else f"_{ord(c):02x}"
                   for i, c in enumerate(name)) or "_"


def server_path(name):
    return f"{PATH}/server/{label(name)}"


def _plain(value):
    """busctl's JSON says the type of each variant; what is wanted is mostly the value."""
    if isinstance(value, dict):
        if set(value) == {"type", "data"}:
            return _plain(value["data"])
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value


class Bus:
    def __init__(self, machine, user=None, scope="--system", env=None):
        self.machine = machine
        self.user = user
        self.scope = scope
        self.env = env

    def busctl(self, *arguments, check=True, timeout_s=30):
        return self.machine.run("busctl", self.scope, "--json=short", *arguments, user=self.user,
                                env=self.env, check=check, timeout_s=timeout_s)

    def call(self, path, method, *arguments, timeout_s=30, name=NAME, options=()):
        """A method's results: None, the only one, or a tuple. `method` has its interface.

        `arguments` are busctl's: the signature, then the values.
        """
        interface, _, member = method.rpartition(".")
        out = self.busctl(*options, f"--timeout={timeout_s}", "call", name, path, interface, member,
                          *map(str, arguments), timeout_s=timeout_s + 5).out
        if not out.strip():
            return None
        results = [_plain(value) for value in json.loads(out)["data"]]
        return results[0] if len(results) == 1 else tuple(results)

    def error(self, path, method, *arguments, timeout_s=30):
        """(name, message) of the error that a call ends in; `arguments` are gdbus's."""
        done = self.machine.run("gdbus", "call", self.scope, f"--timeout={timeout_s}",
                                f"--dest={NAME}", f"--object-path={path}", f"--method={method}",
                                *arguments, user=self.user, env=self.env, check=False,
                                timeout_s=timeout_s + 5)
        if done.status == 0:
            raise Failure(f"{method} succeeded: {done.out.strip()}")
        match = re.search(r"GDBus\.Error:([\w.]+): (.*)", done.err, re.DOTALL)
        return (match[1], match[2].strip()) if match else ("", done.err.strip())

    # ---- What is called most ----

    def manager(self, member, *arguments, **options):
        return self.call(PATH, f"{MANAGER}.{member}", *arguments, **options)

    def server(self, name, member, *arguments, **options):
        return self.call(server_path(name), f"{SERVER}.{member}", *arguments, **options)

    def server_error(self, name, member, *arguments, **options):
        return self.error(server_path(name), f"{SERVER}.{member}", *arguments, **options)

    def property(self, name, member):
        out = self.busctl("get-property", NAME, server_path(name), SERVER, member).out
        return json.loads(out)["data"]

    def state(self, name):
        return self.property(name, "State")

    def owner(self):
        """The unique name that has ours, or None; does not activate."""
        try:
            return self.call("/org/freedesktop/DBus", "org.freedesktop.DBus.GetNameOwner", "s",
                             NAME, name="org.freedesktop.DBus")
        except Failure:
            return None
