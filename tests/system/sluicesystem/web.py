# SPDX-License-Identifier: MIT
"""Requests from the container's network, which the tests have entered: single ones, many at once,
and attempts at a steady rate that tell refusals from everything else."""

import asyncio
import collections
import threading
import time

TIMEOUT_S = 10.0


class Answer:
    """`result` is "ok", "refused", "reset", "closed" (without an answer), or "timeout"."""

    def __init__(self, result, status=0, body="", seconds=0.0):
        self.result = result
        self.status = status
        self.body = body
        self.seconds = seconds

    def __repr__(self):
        return f"{self.result} {self.status}" if self.status else self.result


async def _talk(where, path):
    if isinstance(where, str):
        reader, writer = await asyncio.open_unix_connection(where)
    else:
        reader, writer = await asyncio.open_connection(*where)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
                     "Connection: close\r\n\r\n".encode())
        text = (await reader.read()).decode(errors="replace")
    finally:
        writer.close()
    if not text.startswith("HTTP/1."):
        return Answer("closed")
    return Answer("ok", int(text[9:12]), text.partition("\r\n\r\n")[2])


async def _request(where, path, timeout_s):
    began = time.monotonic()
    try:
        answer = await asyncio.wait_for(_talk(where, path), timeout_s)
    except ConnectionRefusedError:
        answer = Answer("refused")
    except FileNotFoundError:
        answer = Answer("refused")
    except (ConnectionResetError, BrokenPipeError):
        answer = Answer("reset")
    except asyncio.TimeoutError:
        answer = Answer("timeout")
    answer.seconds = time.monotonic() - began
    return answer


def address(port=8080, host="127.0.0.1"):
    return (host, port)


def get(where=("127.0.0.1", 8080), path="/", timeout_s=TIMEOUT_S):
    """One request on a connection of its own; `where` is (host, port) or a socket's path."""
    return asyncio.run(_request(where, path, timeout_s))


def get_many(number, where=("127.0.0.1", 8080), path="/", timeout_s=TIMEOUT_S):
    """`number` requests at once, each on a connection of its own: a Counter of what came back."""
    async def all_of_them():
        return await asyncio.gather(*(_request(where, path, timeout_s) for _ in range(number)))

    return collections.Counter(map(repr, asyncio.run(all_of_them())))


class Hammer:
    """Connects `rate` times a second from a thread of its own, whatever became of those before.

    A context manager; afterwards `found` counts what came back and `slowest_s` is the longest that
    somebody waited for an answer.
    """

    def __init__(self, rate=200, where=("127.0.0.1", 8080), path="/", timeout_s=TIMEOUT_S):
        self.rate = rate
        self.where = where
        self.path = path
        self.timeout_s = timeout_s
        self.found = collections.Counter()
        self.slowest_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    async def _one(self):
        answer = await _request(self.where, self.path, self.timeout_s)
        self.found[repr(answer)] += 1
        if answer.result == "ok":
            self.slowest_s = max(self.slowest_s, answer.seconds)

    async def _run(self):
        tasks = set()
        began = time.monotonic()
        number = 0
        while not self._stop.is_set():
            task = asyncio.create_task(self._one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
            await asyncio.sleep(max(0.0, began + number / self.rate - time.monotonic()))
        await asyncio.gather(*tasks)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(self.timeout_s + 5)

    def __str__(self):
        found = ", ".join(f"{count} {what}" for what, count in sorted(self.found.items()))
        return f"{found}; the slowest answer took {self.slowest_s * 1000:.0f} ms"

    def count(self, *results):
        """How many came back with one of these results, whatever their status."""
        return sum(n for what, n in self.found.items() if what.split()[0] in results)
