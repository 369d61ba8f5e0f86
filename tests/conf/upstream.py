# SPDX-License-Identifier: MIT
"""What stands behind a proxy in the tests: HTTP over TCP, TLS and Unix sockets, FastCGI, WebSocket.

Each runs in threads of the test's process and ends with close().
"""

import asyncio
import http.server
import json
import os
import socket
import socketserver
import ssl
import struct
import threading


class Request:
    """What an upstream has been asked."""

    def __init__(self, handler, body):
        self.method = handler.command
        self.path = handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = body
        self.connection = handler.number


def echo(request):
    """Tells in JSON what was asked; the answer of an upstream that is not told otherwise."""
    told = {"method": request.method, "path": request.path, "headers": request.headers,
            "body": request.body.decode(errors="replace"), "connection": request.connection}
    return 200, {"content-type": "application/json"}, json.dumps(told).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        with self.server.lock:
            self.server.connections += 1
            self.number = self.server.connections
        super().setup()

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError):
            pass

    def handle_any(self):
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status, headers, body = self.server.answer(Request(self, body))
        self.send_response(status)
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(name, one)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = handle_any

    def log_message(self, *arguments):
        pass

    def address_string(self):
        return "somebody"


class Upstream(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """An HTTP server that answers with `answer(request)`: (status, headers, body).

    Listens on a free port of 127.0.0.1, or at the Unix socket `path`; with `tls`, a pair of the
    files of a certificate and its key, it speaks HTTPS.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, answer=echo, path=None, tls=None):
        self.answer = answer
        self.connections = 0
        self.lock = threading.Lock()
        self.path = path
        if path is not None:
            self.address_family = socket.AF_UNIX
        super().__init__(path or ("127.0.0.1", 0), Handler)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True,
                                              do_handshake_on_connect=False)
        if path is not None:
            self.url = f"http://[unix:{path}]"
        else:
            self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def close(self):
        self.shutdown()
        self.server_close()
        if self.path is not None:
            os.unlink(self.path)


class FastCgi:
    """A FastCGI responder (FastCGI 1.0, https://fastcgi-archives.github.io) at a Unix socket, or on
    a free port if there is no path. Tells in JSON the parameters and the body."""

    BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6

    def __init__(self, path=None):
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.socket.bind(path or ("127.0.0.1", 0))
        self.socket.listen(64)
        self.port = None if path else self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def accept(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rwb") as stream:
            try:
                while self.serve_one(stream):
                    pass
            except OSError:
                pass

    def serve_one(self, stream):
        streams = {self.PARAMS: b"", self.STDIN: b""}
        keep = False
        while True:
            header = stream.read(8)
            if len(header) < 8:
                return False
            kind, request, length, padding = struct.unpack(">xBHHBx", header)
            content = stream.read(length + padding)[:length]
            if kind == self.BEGIN:
                keep = bool(content[2] & 1)
            elif kind in streams and content:
                streams[kind] += content
            elif kind == self.STDIN:
                break
        told = {"params": self.parse(streams[self.PARAMS]), "connection": self.connections,
                "body": streams[self.STDIN].decode()}
        answer = (b"Status: 203 Told\r\nContent-Type: application/json\r\n"
                  b"X-Responder: fastcgi\r\n\r\n" + json.dumps(told).encode())
        for at in range(0, len(answer), 65000):
            self.write(stream, self.STDOUT, request, answer[at:at + 65000])
        self.write(stream, self.STDOUT, request, b"")
        self.write(stream, self.END, request, b"\0" * 8)
        stream.flush()
        return keep

    @staticmethod
    def write(stream, kind, request, content):
        stream.write(struct.pack(">BBHHBB", 1, kind, request, len(content), 0, 0) + content)

    @staticmethod
    def parse(data):
        params, at = {}, 0
        while at < len(data):
            sizes = []
            for _ in range(2):
                size = data[at]
                if size & 0x80:
                    size = struct.unpack_from(">I", data, at)[0] & 0x7fffffff
                at += 4 if data[at] & 0x80 else 1
                sizes.append(size)
            name, value = (data[at:at + sizes[0]], data[at + sizes[0]:at + sum(sizes)])
            params[name.decode()] = value.decode(errors="replace")
            at += sum(sizes)
        return params


class WebSocketEcho:
    """Sends back every message, in capitals."""

    def __init__(self):
        import websockets
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()

        async def echo_back(socket_):
            async for message in socket_:
                await socket_.send(message.upper())

        async def run():
            server = await websockets.serve(lambda s, *_: echo_back(s), "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self.stop = asyncio.Event()
            ready.set()
            await self.stop.wait()
            server.close()
            await server.wait_closed()

        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(run(),),
                                       daemon=True)
        self.thread.start()
        ready.wait(30)

    def close(self):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(30)
