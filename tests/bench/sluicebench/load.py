# SPDX-License-Identifier: MIT
"""The load generators: wrk and h2load, each as a process that runs for a given time."""

import json
import os
import re
import subprocess

from . import Unmeasurable
from .net import FILE, HOST
from .process import Process

# Prints the totals as JSON; wrk's own text rounds them. Only done() is defined: a request() or
# response() would slow wrk down.
_WRK_SCRIPT = """
done = function(s, latency, requests)
    local e = s.errors
    io.write(string.format('JSON {"requests": %d, "duration_us": %d, "connect": %d, "read": %d, '
        .. '"write": %d, "status": %d, "timeout": %d, "p50_us": %d, "p99_us": %d}\\n',
        s.requests, s.duration, e.connect, e.read, e.write, e.status, e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"""


class Outcome:
    """What a load generator saw: requests answered, requests failed, for how long."""

    def __init__(self, requests, failed, duration_s, errors):
        self.requests = requests
        self.failed = failed
        self.duration_s = duration_s
        self.errors = errors  # by kind, as the tool counts them

    def per_s(self):
        return self.requests / self.duration_s if self.duration_s > 0 else 0.0


class _Generator:
    """A load generator at work: a context manager; `finish()` waits for it and reads its report."""

    tool = ""

    def __init__(self, workdir, argv, duration_s, cpu=None):
        self._duration_s = duration_s
        self._process = Process(argv, os.path.join(workdir, f"{self.tool}.log"),
                                stdout=subprocess.PIPE, cpu=cpu)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.end()

    def running(self):
        return self._process.alive()

    def finish(self):
        try:
            output, _ = self._process.popen.communicate(timeout=self._duration_s + 20)
        except subprocess.TimeoutExpired:
            raise Unmeasurable(f"{self.tool} did not end in time") from None
        if self._process.popen.returncode != 0:
            raise Unmeasurable(f"{self.tool} failed: {self._process.log_tail()}")
        return self._parse(output.decode())

    def _parse(self, text):
        raise NotImplementedError


class Wrk(_Generator):
    """wrk over HTTP/1.1 keep-alive connections."""

    tool = "wrk"

    def __init__(self, workdir, port, duration_s, connections=64, threads=1, cpu=None):
        script = os.path.join(workdir, "wrk.lua")
        with open(script, "w", encoding="ascii") as file:
            file.write(_WRK_SCRIPT)
        super().__init__(workdir, ["wrk", f"-c{connections}", f"-t{threads}", f"-d{duration_s}s",
                                   "-s", script, f"http://{HOST}:{port}{FILE}"], duration_s, cpu)

    def _parse(self, text):
        found = re.search(r"^JSON (.*)$", text, re.MULTILINE)
        if found is None:
            raise Unmeasurable(f"wrk printed no totals: {text.strip()[-200:]}")
        totals = json.loads(found.group(1))
        errors = {kind: totals[kind] for kind in ("connect", "read", "write", "status", "timeout")}
        return Outcome(totals["requests"], sum(errors.values()), totals["duration_us"] / 1e6,
                       errors)


class H2load(_Generator):
    """h2load over HTTP/1.1 keep-alive connections: a second opinion on failed requests."""

    tool = "h2load"

    def __init__(self, workdir, port, duration_s, connections=64):
        super().__init__(workdir, ["h2load", "--h1", f"-c{connections}", "-t1", f"-D{duration_s}s",
                                   f"http://{HOST}:{port}{FILE}"], duration_s)

    def _parse(self, text):
        line = re.search(r"^requests: .*$", text, re.MULTILINE)
        codes = re.search(r"^status codes: (\d+) 2xx", text, re.MULTILINE)
        if line is None or codes is None:
            raise Unmeasurable(f"h2load printed no totals: {text.strip()[-200:]}")
        counts = {kind: int(n) for n, kind in re.findall(r"(\d+) (\w+)", line.group(0))}
        errors = {kind: counts[kind] for kind in ("failed", "errored", "timeout")}
        errors["status"] = counts["done"] - int(codes.group(1))
        # h2load counts an errored or timed out request as failed too.
        return Outcome(counts["done"], max(errors.values()), self._duration_s, errors)
