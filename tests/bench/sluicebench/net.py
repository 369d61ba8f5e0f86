# SPDX-License-Identifier: MIT
"""Loopback helpers: free ports, one-shot HTTP requests, an upstream for the proxy handler."""

import http.client
import http.server
import random
import socket
import threading
import time

from . import Unmeasurable

HOST = "127.0.0.1"
BODY = bytes(range(0x21, 0x61)) * 16  # 1 KiB of printable text
FILE = "/1k.txt"


def free_port():
    """A TCP port nobody listens on, outside the range that outgoing connections are given.

    A port from within that range could be taken by a client's own end while a server is stopped.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        low, high = (int(field) for field in file.read().split())
    candidates = [*range(10240, low), *range(high + 1, 65536)]
    for port in random.sample(candidates, len(candidates)):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                continue
    raise Unmeasurable("no free port on the loopback")


def request(connection, path):
    """One GET over an http.client connection: (status, headers, body)."""
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.headers, response.read()


def get(port, path=FILE, timeout_s=5.0):
    """One GET over a connection of its own: (status, headers, body)."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        return request(connection, path)
    finally:
        connection.close()


def wait_serving(port, process, timeout_s=10.0):
    """Waits until the server on `port` answers with the file; otherwise raises Unmeasurable."""
    deadline = time.monotonic() + timeout_s
    problem = None
    while time.monotonic() < deadline:
        process.check()
        try:
            status, _, body = get(port)
        except (OSError, http.client.HTTPException) as error:
            problem = error
            time.sleep(0.02)
            continue
        if status != 200 or body != BODY:
            raise Unmeasurable(f"{process.name} answers {status} with {len(body)} bytes, "
                               f"not 200 with {len(BODY)}")
        return
    raise Unmeasurable(f"{process.name} does not answer on port {port}: {problem}")


class _UpstreamHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format, *args):
        pass


class Upstream:
    """A keep-alive HTTP server in threads of this process, on `.port`; a context manager."""

    def __init__(self):
        self._server = http.server.ThreadingHTTPServer((HOST, free_port()), _UpstreamHandler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
