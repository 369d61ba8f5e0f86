# SPDX-License-Identifier: MIT
"""A private message bus, the daemon on it, and calls to it through bench-buslatency."""

import json
import os
import select
import subprocess

from . import Unmeasurable
from .process import Process

BUS_NAME = "org.sluice.Sluice1"
SERVER = "bench"  # the one server all rows use

_BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class Bus:
    """A dbus-daemon of our own at `.address`; a context manager that ends it."""

    def __init__(self, workdir):
        socket = os.path.join(workdir, "bus")
        config = os.path.join(workdir, "bus.xml")
        with open(config, "w", encoding="ascii") as file:
            file.write(_BUS_CONFIG.format(socket=socket))
        self._process = Process(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile",
             "--print-address=1"], os.path.join(workdir, "bus.log"), stdout=subprocess.PIPE)
        try:
            ready, _, _ = select.select([self._process.popen.stdout], [], [], 5)
            self.address = self._process.popen.stdout.readline().decode().strip() if ready else ""
            if not self.address:
                raise Unmeasurable(f"dbus-daemon did not start: {self._process.log_tail()}")
        except BaseException:
            self._process.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.end()


class Daemon:
    """sluiced on a private bus, with one configured server named `SERVER`; a context manager.

    `.process` is the daemon itself, without its bus.
    """

    def __init__(self, tools, workdir, config, threads=None, cpu=None):
        """`threads` None leaves the number of workers to the daemon; `cpu` is where it runs."""
        self._tools = tools
        self._workdir = workdir
        self._config_file = os.path.join(workdir, "servers", f"{SERVER}.conf")
        os.makedirs(os.path.dirname(self._config_file), exist_ok=True)
        self.configure(config)
        self._bus = Bus(workdir)
        argv = [tools.sluiced, "--user", f"--config-dir={workdir}", "--exit-idle-time=infinity"]
        if threads is not None:
            argv.append(f"--threads={threads}")
        try:
            self.process = Process(argv, os.path.join(workdir, "sluiced.log"),
                                   env={"DBUS_SESSION_BUS_ADDRESS": self._bus.address}, cpu=cpu)
        except BaseException:
            self._bus.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.process.end()
        finally:
            self._bus.__exit__()

    def configure(self, config):
        """Replaces the server's configuration file at once, as a good editor does."""
        with open(self._config_file + ".new", "w", encoding="ascii") as file:
            file.write(config)
        os.rename(self._config_file + ".new", self._config_file)

    def _helper(self, mode, options=()):
        return [self._tools.helper, f"--address={self._bus.address}", f"--service={BUS_NAME}",
                f"--server={SERVER}", *options, mode]

    def latencies(self, mode, iterations, warmup, interval_us=0, timeout_s=120):
        """Runs bench-buslatency in `mode`: {method: {calls, min, median, p90, p99, max}}, in us."""
        log = os.path.join(self._workdir, "helper.log")
        options = (f"--iterations={iterations}", f"--warmup={warmup}",
                   f"--interval-usec={interval_us}")
        with Process(self._helper(mode, options), log, stdout=subprocess.PIPE) as helper:
            try:
                output, _ = helper.popen.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                raise Unmeasurable(f"bench-buslatency {mode} did not end in time") from None
            self.process.check()
            if helper.popen.returncode != 0:
                raise Unmeasurable(helper.log_tail(2))
        return json.loads(output)

    def caller(self):
        return Caller(self._helper("drive"), os.path.join(self._workdir, "helper.log"),
                      self.process)


class Caller:
    """Calls methods of the server one at a time: `caller("Start")`; a context manager."""

    def __init__(self, argv, log, daemon_process):
        self._daemon_process = daemon_process
        self._process = Process(argv, log, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.end()

    def __call__(self, method):
        """(reply, duration in us); the reply is a list for Start and Stop. Errors raise."""
        stream = self._process.popen
        try:
            stream.stdin.write(f"{method}\n".encode())
            stream.stdin.flush()
        except BrokenPipeError:
            pass  # the missing answer tells
        line = stream.stdout.readline()
        if not line:
            self._daemon_process.check()
            raise Unmeasurable(f"{method}: {self._process.log_tail(2)}")
        answer = json.loads(line)
        if answer["error"] is not None:
            self._daemon_process.check()
            raise Unmeasurable(f"{method}: {answer['error']}: {answer['message']}")
        return answer["reply"], answer["usec"]
