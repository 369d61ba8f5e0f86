# SPDX-License-Identifier: MIT
"""The measurements: one function a row, from `Bench` to a list of `Result`."""

import http.client
import os
import statistics
import time

from . import Unmeasurable, net, servers
from .booted import activation
from .context import CONNECTIONS
from .cpu import cpu
from .load import H2load, Wrk
from .process import core_times, cores_busy
from .report import Result, table

def start_stop(bench):
    """Start and Stop of a static server over the bus, nothing to drain, beside Peer.Ping."""
    with bench.daemon("start-stop") as (daemon, call, port):
        call("Start")
        net.wait_serving(port, daemon.process)
        call("Stop")
        seen = daemon.latencies("cycle", iterations=bench.pick(1000, 300), warmup=100)
    for method, one in seen.items():
        bench.say(f"{method:6} median {one['median']:.1f} us, p99 {one['p99']:.1f} us, "
                  f"min {one['min']:.1f} us, {one['calls']} calls")
    ping = seen["Ping"]["median"]
    return [Result("start-stop", f"{method}, median", "us", seen[method]["median"],
                   "Peer.Ping, median", ping, "<= 2 x", seen[method]["median"] <= 2 * ping,
                   detail=seen) for method in ("Start", "Stop")]


def status(bench):
    """p99 of Server.Status while every core is busy with requests."""
    calls = bench.pick(2000, 400)
    interval_us = 2000
    cores = len(os.sched_getaffinity(0))
    with bench.daemon("status") as (daemon, call, port):
        call("Start")
        net.wait_serving(port, daemon.process)
        idle = daemon.latencies("status", calls // 2, 20, interval_us)
        duration_s = calls * interval_us // 1_000_000 + 2
        with Wrk(bench.directory("status-load"), port, duration_s * 10, CONNECTIONS,
                 max(2, cores)) as wrk:
            time.sleep(0.5)
            before = core_times()
            loaded = daemon.latencies("status", calls, 20, interval_us)
            if not wrk.running():
                raise Unmeasurable("wrk ended before the calls did")
            busy = cores_busy(before, core_times())
    for situation, seen in (("idle", idle), ("loaded", loaded)):
        for method, one in seen.items():
            bench.say(f"{situation:6} {method:6} median {one['median']:.1f} us, "
                      f"p99 {one['p99']:.1f} us, max {one['max']:.1f} us")
    bench.say(f"cores busy under load: {busy:.0%}")
    if busy < 0.8:
        raise Unmeasurable(f"the load kept the cores only {busy:.0%} busy")
    measured = loaded["Status"]["p99"]
    return [Result("status", "Status under load, p99", "us", measured, "Peer.Ping idle, median",
                   idle["Ping"]["median"], "<= 10000 us", measured <= 10_000,
                   detail={"idle": idle, "loaded": loaded, "cores-busy": busy})]


def memory(bench):
    """Resident memory of the daemon with one server running and idle, beside the others."""
    contestants = servers.contestants(bench.directory("memory"), bench.root, servers.Footing(),
                                      bench.tools)
    absent = servers.Absent(contestants)
    seen = {}
    for server in contestants:
        if server.name not in absent:
            with absent.excused(server), server:  # which asks for the file once
                time.sleep(0.5)
                rss, pss = server.process.memory_kib()
                seen[server.name] = {"rss-kib": rss, "pss-kib": pss}
    bench.say(table([(server.name, *(map(str, seen[server.name].values()) if server.name in seen
                                     else (absent[server.name], ""))) for server in contestants],
                    ("server", "Rss KiB", "Pss KiB"), right=(1, 2)))
    ours, reference = (seen.get(name, {}).get("rss-kib") for name in ("sluice", "h2o"))
    return [Result("memory", "one server running, idle, Rss", "KiB", ours, "h2o", reference,
                   "<= 8192 KiB", None if ours is None else ours <= 8192, absent.get("sluice"),
                   detail=seen)]


def _settled(process):
    """(Rss in KiB, descriptors) once three readings in a row agree, or after five seconds."""
    last, same = None, 0
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        now = (process.memory_kib()[0], process.descriptors())
        same = same + 1 if now == last else 0
        if same == 2:
            break
        last = now
        time.sleep(0.2)
    return last


def _growth_cycle(call, port, leave_open):
    """Start, a request to each handler over one connection, Stop with it closed or left open."""
    call("Start")
    connection = http.client.HTTPConnection(net.HOST, port, timeout=5)
    try:
        for path in (net.FILE, "/proxy/"):
            code, _, body = net.request(connection, path)
            if code != 200 or body != net.BODY:
                raise Unmeasurable(f"GET {path} gives {code} with {len(body)} bytes")
        if not leave_open:
            connection.close()
        call("Stop")
    except (OSError, http.client.HTTPException) as error:
        raise Unmeasurable(f"a request failed: {error}") from None
    finally:
        connection.close()


def growth(bench):
    """Memory and descriptors after 1,000 cycles of Start, requests to file and proxy, Stop."""
    warmup, cycles = 100, bench.pick(1000, 300)
    with net.Upstream() as upstream:
        proxy = ("      /proxy:\n"
                 f"        proxy.reverse.url: http://{net.HOST}:{upstream.port}/\n")
        with bench.daemon("growth", lambda port: servers.h2o_config(port, bench.root, proxy)) as (
                daemon, call, port):
            trend = []
            for i in range(warmup + cycles + 1):
                if i == warmup or (i > warmup and (i - warmup) % (cycles // 4) == 0):
                    trend.append(_settled(daemon.process))
                if i < warmup + cycles:
                    _growth_cycle(call, port, leave_open=i % 2 == 0)
    bench.say(f"after {warmup} cycles, then every {cycles // 4}: "
              + ", ".join(f"{rss} KiB {fds} fds" for rss, fds in trend))
    (rss_before, fds_before), (rss_after, fds_after) = trend[0], trend[-1]
    detail = {"cycles": cycles, "trend": trend}
    return [Result("growth", f"Rss after {cycles} cycles", "KiB", rss_after, "before them",
                   rss_before, "<= +256 KiB", rss_after - rss_before <= 256, detail=detail),
            Result("growth", f"descriptors after {cycles} cycles", "", fds_after, "before them",
                   fds_before, "<= +0", fds_after <= fds_before, detail=detail)]


class _Probe:
    """A client that connects right after each reload, to see which configuration answers."""

    def __init__(self, port, process):
        self._port = port
        self._process = process
        self.requests = self.stale = 0
        self.failures = []

    def wait_for(self, generation):
        """Asks, over new connections, until the answer bears `generation`, for up to a second."""
        deadline = time.monotonic() + 1
        seen = None
        while time.monotonic() < deadline:
            self.requests += 1
            try:
                code, headers, _ = net.get(self._port)
            except (OSError, http.client.HTTPException) as error:
                self._process.check()
                self.failures.append(f"reload {generation}: {error!r}")
                continue
            seen = headers.get("X-Generation")
            if code != 200:
                self.failures.append(f"reload {generation}: {code}")
            if seen == str(generation):
                return
            self.stale += 1
        raise Unmeasurable(f"a second after reload {generation} was answered, new connections "
                           f"still get generation {seen}")


def _reload_under(bench, kind, reloads):
    """Reloads under one load generator: (Outcome, _Probe, Reload's median in us).

    Each reload changes a header, and an answer with the new header must follow it, so that a
    Reload that does nothing does not pass for one that loses nothing.
    """
    def config(port, n):
        return servers.h2o_config(port, bench.root) + f'header.set: "X-Generation: {n}"\n'

    pace_s = 0.1
    with bench.daemon(f"reload-{kind.tool}", lambda port: config(port, 0)) as (daemon, call, port):
        call("Start")
        net.wait_serving(port, daemon.process)
        probe = _Probe(port, daemon.process)
        durations_us = []
        with kind(bench.directory(f"reload-{kind.tool}-load"), port, int(reloads * pace_s) + 2,
                  connections=CONNECTIONS) as load:
            begun = time.monotonic() + 0.5
            for n in range(1, reloads + 1):
                time.sleep(max(0.0, begun + n * pace_s - time.monotonic()))
                daemon.configure(config(port, n))
                durations_us.append(call("Reload")[1])
                probe.wait_for(n)
                if not load.running():
                    raise Unmeasurable(f"{kind.tool} ended at reload {n} of {reloads}")
            outcome = load.finish()
        daemon.process.check()
    return outcome, probe, statistics.median(durations_us)


def reload(bench):
    """Requests that fail while the server is reloaded again and again, seen by wrk and h2load.

    A third client makes a new connection right after each reply. Its failures count too; answers
    from the old configuration are reported, not judged.
    """
    reloads = bench.pick(100, 30)
    results = []
    for kind in (Wrk, H2load):
        outcome, probe, median_us = _reload_under(bench, kind, reloads)
        bench.say(f"{kind.tool}: {reloads} reloads (median {median_us:.0f} us), "
                  f"{outcome.requests} requests, errors {outcome.errors}; {probe.requests} probes, "
                  f"{len(probe.failures)} failed, {probe.stale} got the old configuration")
        for failure in probe.failures[:5]:
            bench.say(f"  probe failed: {failure}")
        failed = outcome.failed + len(probe.failures)
        results.append(Result(
            "reload", f"failed requests in {reloads} reloads", "", failed,
            f"requests, {kind.tool}", outcome.requests + probe.requests, "0", failed == 0,
            detail={"errors": outcome.errors, "reload-median-us": median_us,
                    "probes": probe.requests, "probe-failures": probe.failures,
                    "stale-answers": probe.stale}))
    return results


ROWS = {
    "start-stop": start_stop,
    "cpu": cpu,
    "status": status,
    "memory": memory,
    "growth": growth,
    "reload": reload,
    "activation": activation,
}
