# SPDX-License-Identifier: MIT
"""What the tests of configurations share: a daemon on a private bus, its servers, a fetch by curl.

A class of tests has one daemon; each test has a directory and a server of its own. When the class
is done the daemon has to leave with status 0 and without a word from a sanitizer.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from bus import BusError, Connection

SLUICED = os.environ.get("SLUICED") or str(pathlib.Path(__file__).parents[2] / "build" / "sluiced")
NAME = "org.sluice.Sluice1"
PATH = "/org/sluice/Sluice1"
ERROR = NAME + ".Error."
LOG_LINE = re.compile(r"<\d>")  # of the daemon's own; not an assertion's or a sanitizer's
SANITIZER = re.compile(r"Sanitizer|runtime error:")
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


def wait_until(condition, what, seconds=30):
    """Returns the first true answer of `condition`. The time is for a machine that is stuck."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"gave up waiting: {what}")
        time.sleep(0.01)
    return answer


def free_port():
    """A TCP port of 127.0.0.1 that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check(path, env=None, timeout=60):
    """sluiced --check: the completed process, with what it said as text."""
    return subprocess.run([SLUICED, "--check", str(path)], capture_output=True, text=True,
                          errors="replace", timeout=timeout, env=env, stdin=subprocess.DEVNULL)


class Daemon:
    """A sluiced on a bus of its own."""

    def __init__(self, *arguments, stdout=None, **environment):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sluice-conf-"))
        (self.directory / "servers").mkdir()
        bus = self.directory / "bus"
        config = self.directory / "bus.conf"
        config.write_text(BUS_CONFIG.format(path=bus))
        self.bus_process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--nosyslog"],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.connection = wait_until(self.connect, "for the bus")
        self.log_path = self.directory / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [SLUICED, "--user", f"--address=unix:path={bus}", "--exit-idle-time=0",
                 f"--config-dir={self.directory}", "--threads=2", *arguments],
                stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log, cwd=self.directory,
                env={**os.environ, **environment})
        try:
            wait_until(self.has_name, "for sluiced")
        except BaseException:
            self.process.kill()
            self.bus_process.kill()
            raise

    def connect(self):
        try:
            return Connection(str(self.directory / "bus"))
        except (FileNotFoundError, ConnectionError):
            return None

    def has_name(self):
        if self.process.poll() is not None:
            raise AssertionError(f"sluiced has left:\n{self.log()}")
        return self.connection.call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                    "org.freedesktop.DBus", "NameHasOwner", "s", NAME)[0]

    def log(self):
        return self.log_path.read_text(errors="replace")

    def leave(self):
        """Ends it politely and returns what was wrong, or ''."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = f"{self.process.wait()} after it would not leave"
        self.connection.close()
        self.bus_process.terminate()
        self.bus_process.wait()
        log = self.log()
        shutil.rmtree(self.directory)
        if not code and not SANITIZER.search(log):
            return ""
        last = "\n".join(line for line in log.splitlines() if not LOG_LINE.match(line))[-20000:]
        return f"sluiced left with status {code}:\n{last}"

    # ---- The bus ----

    def manager(self, member, *arguments):
        return self.connection.call(NAME, PATH, NAME + ".Manager", member, *arguments)

    def send(self, name, member, *arguments):
        """A call to a server that is not waited for; see Connection.wait()."""
        return self.connection.send(NAME, self.object(name), NAME + ".Server", member, *arguments)

    def server(self, name, member, *arguments):
        return self.connection.wait(self.send(name, member, *arguments))

    def object(self, name):
        """As sd_bus_path_encode(3)."""
        return f"{PATH}/server/" + re.sub("^[0-9]|[^A-Za-z0-9]", lambda c: f"_{ord(c[0]):02x}", name)

    def status(self, name):
        return self.server(name, "Status")[0]

    # ---- Servers ----

    def file(self, name):
        return self.directory / "servers" / f"{name}.conf"

    def configure(self, name, text):
        """Writes a server's file and has the manager find it; returns the file."""
        known = self.file(name).exists()
        self.file(name).write_text(text)
        if not known:
            self.manager("Reload")
        return self.file(name)

    def serve(self, name, text):
        """Configures and starts a server; returns its URLs without the `/` at the end."""
        self.configure(name, text)
        return [url.rstrip("/") for url in self.server(name, "Start")[0]]

    def reload(self, name, text=None):
        if text is not None:
            self.file(name).write_text(text)
        self.server(name, "Reload")

    def remove(self, name):
        self.file(name).unlink(missing_ok=True)

    # ---- The process ----

    def is_sanitized(self):
        """Then its memory tells nothing."""
        return "san.so" in pathlib.Path(f"/proc/{self.process.pid}/maps").read_text()

    def resident(self):
        """KiB of memory that only this process has."""
        rollup = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return sum(int(n) for n in re.findall(r"^Private_\w+: +(\d+) kB", rollup, re.M))

    def descriptors(self):
        found = {}
        for entry in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                found[entry.name] = os.readlink(entry)
            except FileNotFoundError:
                pass
        return found

    def children(self):
        """{pid: state} of its children; a zombie is "Z"."""
        found = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == self.process.pid:
                found[int(entry.parent.name)] = fields[0]
        return found


class Answer:
    """What a server answered, as curl saw it: the last response, and those before it."""

    def __init__(self, headers, body, written):
        blocks = [block for block in re.split(r"\r?\n\r?\n", headers) if block.strip()]
        self.blocks = [self.parse(block) for block in blocks]
        self.status, self.headers = self.blocks[-1]
        self.body = body
        self.version = written["http_version"]
        self.connects = written["num_connects"]
        self.url = written["url_effective"]

    @staticmethod
    def parse(block):
        lines = block.splitlines()
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        return int(lines[0].split()[1]), headers

    @property
    def text(self):
        return self.body.decode()


class CurlFailed(AssertionError):
    def __init__(self, code, message):
        super().__init__(f"curl: {code}: {message}")
        self.code = code


def get(url, *options, timeout=60):
    """Fetches a URL with curl; raises CurlFailed if there is no answer."""
    with tempfile.TemporaryDirectory(prefix="sluice-conf-") as directory:
        headers, body = pathlib.Path(directory, "headers"), pathlib.Path(directory, "body")
        done = subprocess.run(
            ["curl", "-q", "-sS", "--noproxy", "*", "--max-time", str(timeout), "-D", headers,
             "-o", body, "-w", "%{json}", *options, url],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise CurlFailed(done.returncode, done.stderr.strip())
        return Answer(headers.read_text(errors="replace"),
                      body.read_bytes() if body.exists() else b"", json.loads(done.stdout))


def port_of(url):
    return int(url.rpartition(":")[2])


class Case(unittest.TestCase):
    """A class of tests with one daemon; see the top of this file."""

    arguments = ()
    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(*cls.arguments, **cls.environment)

    @classmethod
    def tearDownClass(cls):
        wrong = cls.daemon.leave()
        assert not wrong, wrong

    def setUp(self):
        self.name = self._testMethodName.removeprefix("test_")[:64]
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sluice-conf-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.addCleanup(self.forget)

    def forget(self):
        """A dead daemon fails every test after the one that killed it, too."""
        for name in [self.name] + [f"{self.name}-{i}" for i in range(3)]:
            if self.daemon.file(name).exists():
                self.daemon.server(name, "StopWithOptions", "a{sv}", {"timeout-usec": ("t", 0)})
                self.daemon.remove(name)

    def file(self, name, content=""):
        """Writes a file below the test's directory; returns its path as text."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content)
        return str(path)

    def serve(self, text, name=None):
        """Starts a server; its first URL. `LISTEN` in the text stands for a free loopback port."""
        return self.daemon.serve(name or self.name, self.fill(text))[0]

    def fill(self, text):
        """Puts the test's directory and the usual `listen` into a configuration."""
        return (text.replace("DIR", str(self.directory))
                .replace("LISTEN", "listen: {host: 127.0.0.1, port: 0}"))

    def serve_paths(self, paths, top=""):
        """Starts a server with these paths of the default host, one `path: {...}` a line."""
        lines = "\n".join(f"      {line}" for line in paths.strip("\n").splitlines())
        return self.serve(f"LISTEN\n{top}\nhosts:\n  default:\n    paths:\n{lines}\n")

    def assert_bus_error(self, name, call, *arguments):
        """That the call fails with this error; returns its message."""
        with self.assertRaises(BusError) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.name, ERROR + name, caught.exception.message)
        return caught.exception.message
