# SPDX-License-Identifier: MIT
"""What `bench` is made of.

process    one process tree: start, CPU time, memory, descriptors, end
net        ports, a one-shot HTTP client, a small upstream
load       wrk and h2load
bus        a private bus, the daemon on it, calls to it
servers    the HTTP servers compared, each behind the same few methods
context    what every row is given
cpu        the comparison of CPU time
rows       the other measurements, one function each
report     results, the table and the JSON

Units are in the names: _us microseconds, _s seconds, _kib KiB.
"""


class Unmeasurable(Exception):
    """A row could not be measured; the text says why."""
