# SPDX-License-Identifier: MIT
"""What the rows return, and how it is printed and stored."""

import dataclasses
import os
import platform
import time


@dataclasses.dataclass
class Result:
    """One measured value beside its reference from the same run, and the bar it must reach.

    `met` is None where there is nothing to compare with: a competitor that is not installed, or a
    row that could not be measured (then `problem` says why). `margin` is relative to the ratio;
    `close` says that the bar lies within it.
    """

    row: str
    what: str
    unit: str
    measured: float | None
    reference_name: str
    reference: float | None
    bar: str
    met: bool | None
    problem: str | None = None
    margin: float | None = None
    close: bool = False
    detail: dict = dataclasses.field(default_factory=dict)

    @property
    def ratio(self):
        """measured / reference; None without either, or with a reference of 0."""
        if self.measured is None or not self.reference:
            return None
        return self.measured / self.reference

    def as_json(self):
        return {**dataclasses.asdict(self), "ratio": self.ratio}


def number(value, missing="-"):
    """Four significant digits, without an exponent."""
    if value is None:
        return missing
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    if abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:.4g}"


def verdict(result):
    if result.met is None:
        return result.problem or "no verdict"
    return ("met" if result.met else "MISSED") + (" (within the noise)" if result.close else "")


HEADINGS = ("row", "what", "measured", "reference", "", "ratio", "bar", "verdict")


def table(rows, headings, right=()):
    """Aligned text, a column as wide as its widest cell; `right` are the columns of numbers."""
    cells = [headings, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    return "\n".join(
        "  ".join(cell.rjust(width) if i in right else cell.ljust(width)
                  for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in cells)


def results_table(results):
    def with_unit(value, unit):
        return "-" if value is None else f"{number(value)} {unit}".rstrip()

    def with_margin(result):
        margin = "" if result.margin is None else f" +-{result.margin:.1%}"
        return number(result.ratio) + margin

    return table([(r.row, r.what, with_unit(r.measured, r.unit), with_unit(r.reference, r.unit),
                   r.reference_name, with_margin(r), r.bar, verdict(r)) for r in results],
                 HEADINGS, right=(2, 3, 5))


def host():
    """The machine, for whoever reads the JSON later."""
    return {
        "kernel": platform.release(),
        "cpus": len(os.sched_getaffinity(0)),
        "load-average": os.getloadavg()[0],
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
