# SPDX-License-Identifier: MIT
"""What every row is given: the programs under test, places to work in, how long to measure."""

import contextlib
import os

from . import Unmeasurable, net, servers
from .bus import Daemon

CONNECTIONS = 64


class Tools:
    """The programs under test: the daemon, and the bus client built beside it."""

    def __init__(self, sluiced, helper):
        self.sluiced = sluiced
        self.helper = helper

    def available(self):
        return all(os.access(path, os.X_OK) for path in (self.sluiced, self.helper))

    def require(self):
        for path in (self.sluiced, self.helper):
            if not os.access(path, os.X_OK):
                raise Unmeasurable(f"{path} is not there; build it first")


class Bench:
    """What every row needs: the tools, a directory of its own each, how long to measure."""

    def __init__(self, tools, workdir, quick=False, rounds=None, seconds=None):
        """`rounds` and `seconds` of the cpu row; None for the usual ones."""
        self.tools = tools
        self.quick = quick
        self.rounds = rounds or (3 if quick else 15)
        self.seconds = seconds or 1
        self._workdir = workdir
        self.root = os.path.join(workdir, "root")
        os.mkdir(self.root)
        with open(self.root + net.FILE, "wb") as file:
            file.write(net.BODY)

    def directory(self, name):
        """A new directory for one row or server."""
        path = os.path.join(self._workdir, name)
        os.mkdir(path)
        return path

    def pick(self, usual, quick):
        return quick if self.quick else usual

    def say(self, text=""):
        """Tells the reader what the table will not."""
        print(text, flush=True)

    @contextlib.contextmanager
    def daemon(self, name, config=None):
        """(daemon, call, port) with the daemon up and its server configured but not started."""
        self.tools.require()
        port = net.free_port()
        if config is None:
            config = servers.h2o_config(port, self.root)
        else:
            config = config(port)
        with Daemon(self.tools, self.directory(name), config) as daemon, daemon.caller() as call:
            call("Ping")
            yield daemon, call, port
