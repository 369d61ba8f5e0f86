# SPDX-License-Identifier: MIT
"""The cpu row: CPU time a request, compared with other servers.

Two comparisons, both of a 1 KiB file over 64 keep-alive connections from one wrk thread:

one worker    on a CPU of its own, with wrk on another. It shows what a request costs and little
              else; the same server measured twice differs by some 2 % in 15 rounds.
two workers   wherever the kernel puts them. Which worker happens to accept how many of the 64
              connections decides how many events it finds at a time, and that moves a round's cost
              by 10 to 20 %, for all servers alike: read it with its margin.
"""

import math
import os
import statistics

from . import Unmeasurable, servers
from .context import CONNECTIONS
from .load import Wrk
from .report import Result, number, table

MAX_RATIO_TO_H2O = 1.05


def _round(server, seconds, load_cpu):
    """Starts a server, loads it, stops it: (us of CPU a request, requests/s)."""
    with server:
        before_s = server.process.cpu_s()
        with Wrk(server.workdir, server.port, seconds, CONNECTIONS, cpu=load_cpu) as wrk:
            seen = wrk.finish()
        spent_s = server.process.cpu_s() - before_s
        server.process.check()
    if seen.failed > 0 or seen.requests == 0:
        raise Unmeasurable(f"{server.name}: {seen.requests} requests, {seen.failed} failed "
                           f"({seen.errors})")
    return spent_s * 1e6 / seen.requests, seen.per_s()


def _margin(ours, others):
    """The half width of the 95 % interval around the ratio of two medians, from paired rounds.

    1.2533 is what a median's standard error is to a mean's, for values about a normal one.
    """
    ratios = [math.log(a / b) for a, b in zip(ours, others)]
    if len(ratios) < 3:
        return None
    return 1.96 * 1.2533 * statistics.stdev(ratios) / math.sqrt(len(ratios))


def _compare(bench, title, footing, load_cpu):
    """One comparison: prints a line a server, returns a Result a competitor.

    The servers take turns, one at a time, each round in the opposite order of the last, so that
    what else the machine does falls on all alike. A server's value is the median of its rounds.
    """
    directory = bench.directory("cpu-" + title.replace(" ", "-"))
    contestants = servers.contestants(directory, bench.root, footing, bench.tools)
    absent = servers.Absent(contestants)
    cost_us = {server.name: [] for server in contestants}
    per_s = {server.name: [] for server in contestants}
    for turn in range(bench.rounds):
        for server in contestants if turn % 2 == 0 else reversed(contestants):
            if server.name not in absent:
                with absent.excused(server):
                    cost, rate = _round(server, bench.seconds, load_cpu)
                    cost_us[server.name].append(cost)
                    per_s[server.name].append(rate)

    median = {name: statistics.median(values) for name, values in cost_us.items()
              if name not in absent}
    lines = []
    for server in contestants:
        name = server.name
        values = ([absent[name], "", "", ""] if name in absent else
                  [number(median[name]), number(min(cost_us[name])), number(max(cost_us[name])),
                   number(statistics.median(per_s[name]))])
        lines.append((name, *values, server.version() or ""))
    bench.say(f"{title}, {bench.rounds} rounds of {bench.seconds} s:")
    bench.say(table(lines, ("server", "us CPU/request", "min", "max", "requests/s", "version"),
                    right=(1, 2, 3, 4)))

    ours = median.get(servers.Sluice.name)
    results = []
    for kind in servers.COMPETITORS:
        other = median.get(kind.name)
        limit = MAX_RATIO_TO_H2O if kind is servers.H2o else 1.0
        met = margin = None
        close = False
        if ours is not None and other is not None:
            ratio = ours / other
            met = ratio <= limit if kind is servers.H2o else ratio < limit
            margin = _margin(cost_us[servers.Sluice.name], cost_us[kind.name])
            close = margin is not None and abs(ratio / limit - 1) <= margin
        results.append(Result(
            "cpu", f"CPU a request, {title}", "us", ours, kind.name, other,
            f"<= {limit} x" if kind is servers.H2o else "< 1 x", met,
            absent.get(servers.Sluice.name, absent.get(kind.name)), margin, close,
            {name: {"cpu-us": cost_us[name], "requests-per-s": per_s[name]}
             for name in (servers.Sluice.name, kind.name)}))
    return results


def cpu(bench):
    """CPU time a request: a 1 KiB file over 64 keep-alive connections."""
    cpus = sorted(os.sched_getaffinity(0))
    return (_compare(bench, "1 worker", servers.Footing(1, cpus[-1]), cpus[0])
            + _compare(bench, "2 workers", servers.Footing(2), None))
