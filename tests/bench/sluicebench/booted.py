# SPDX-License-Identifier: MIT
"""The row that needs a booted systemd: tests/system boots one, installs the build, and measures."""

import json
import os
import statistics
import subprocess

from . import Unmeasurable
from .report import Result

SYSTEM = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "system", "system")


def activation(bench):
    """The first answer of a service that did not run, by the bus and by a connection; memory."""
    bench.tools.require()
    build = os.path.dirname(os.path.realpath(bench.tools.sluiced))
    done = subprocess.run([SYSTEM, "--build", build, "--measure", str(bench.pick(30, 8))],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or len(lines) != 1:
        raise Unmeasurable(done.stdout.strip() or "tests/system/system has failed")
    seen = json.loads(lines[0])
    times, memory = seen["activation-ms"], seen["memory"]
    medians = {what: statistics.median(values) for what, values in times.items()}
    for what, values in times.items():
        bench.say(f"{what:10} median {medians[what]:.1f} ms, {min(values):.1f} to "
                  f"{max(values):.1f}, {len(values)} activations")
    reference = medians["hostnamed"]
    results = [Result("activation", f"by {what}, median", "ms", medians[key], "hostnamed by the bus",
                      reference, "<= 1 x", medians[key] <= reference, detail=times)
               for key, what in (("bus", "the bus"), ("connection", "the first connection"))]
    results.append(Result("activation", "installed service, idle, Rss", "KiB", memory["rss-kib"],
                          "-", None, "<= 8192 KiB", memory["rss-kib"] <= 8192, detail=memory))
    return results
