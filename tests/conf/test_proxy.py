# SPDX-License-Identifier: MIT
"""The reverse proxy, FastCGI and WebSocket, against upstreams in this process."""

import asyncio
import json
import os
import shutil
import signal
import socket
import threading
import unittest

import tap
from certificate import Certificate
from sluice import Case, CurlFailed, get, wait_until
from upstream import FastCgi, Upstream, WebSocketEcho

try:
    import websockets
except ImportError:
    websockets = None


class Proxy(Case):
    def upstream(self, *arguments, **options):
        upstream = Upstream(*arguments, **options)
        self.addCleanup(upstream.close)
        return upstream

    def proxy(self, upstream, settings="", top=""):
        return self.serve_paths(
            f'/: {{proxy.reverse.url: "{upstream.url}/up/"{settings and ", " + settings}}}', top)

    def asked(self, upstream, *options, settings="", path="/a?b=c"):
        """What the upstream was told."""
        return json.loads(get(self.proxy(upstream, settings) + path, *options).text)

    def test_path(self):
        self.assertEqual(self.asked(self.upstream())["path"], "/up/a?b=c")

    def test_body(self):
        asked = self.asked(self.upstream(), "-d", "x" * 100000)
        self.assertEqual((asked["method"], len(asked["body"])), ("POST", 100000))

    def test_chunked_body(self):
        asked = self.asked(self.upstream(), "-d", "abc", "-H", "transfer-encoding: chunked")
        self.assertEqual(asked["body"], "abc")

    def test_large_answer(self):
        upstream = self.upstream(lambda request: (200, {}, b"x" * 5000000))
        self.assertEqual(len(get(self.proxy(upstream)).body), 5000000)

    def test_unix(self):
        self.assertEqual(self.asked(self.upstream(path=self.file("socket-dir/x") + ".s"))["path"],
                         "/up/a?b=c")

    def test_https(self):
        certificate = Certificate(self.directory, "127.0.0.1")
        upstream = self.upstream(tls=certificate.pair)
        asked = self.asked(upstream, settings=f"proxy.ssl.cafile: {certificate.file}")
        self.assertEqual(asked["path"], "/up/a?b=c")

    def test_https_not_trusted(self):
        upstream = self.upstream(tls=Certificate(self.directory, "127.0.0.1").pair)
        self.assertEqual(get(self.proxy(upstream)).status, 502)

    def test_https_unverified(self):
        upstream = self.upstream(tls=Certificate(self.directory, "127.0.0.1").pair)
        asked = self.asked(upstream, settings="proxy.ssl.verify-peer: OFF")
        self.assertEqual(asked["path"], "/up/a?b=c")

    def test_keep_alive(self):
        upstream = self.upstream()
        url = self.proxy(upstream, top="num-threads: 1")
        connections = {json.loads(get(url).text)["connection"] for _ in range(10)}
        self.assertEqual(len(connections), 1)

    def test_no_keep_alive(self):
        upstream = self.upstream()
        url = self.proxy(upstream, "proxy.timeout.keepalive: 0")
        connections = {json.loads(get(url).text)["connection"] for _ in range(3)}
        self.assertEqual(len(connections), 3)

    def test_forwarded_headers(self):
        headers = self.asked(self.upstream())["headers"]
        self.assertEqual((headers["x-forwarded-for"], headers["x-forwarded-proto"]),
                         ("127.0.0.1", "http"))
        self.assertIn("via", headers)

    def test_no_forwarded_headers(self):
        url = self.proxy(self.upstream(),
                         top="proxy.emit-x-forwarded-headers: OFF\nproxy.emit-via-header: OFF")
        headers = json.loads(get(url).text)["headers"]
        self.assertFalse({"x-forwarded-for", "x-forwarded-proto", "via"} & headers.keys())

    def test_forwarded_proto_is_kept(self):
        url = self.proxy(self.upstream(), top="proxy.preserve-x-forwarded-proto: ON")
        headers = json.loads(get(url, "-H", "x-forwarded-proto: https").text)["headers"]
        self.assertEqual(headers["x-forwarded-proto"], "https")

    def test_host(self):
        upstream = self.upstream()
        self.assertEqual(self.asked(upstream)["headers"]["host"], upstream.url[len("http://"):])

    def test_host_is_kept(self):
        asked = self.asked(self.upstream(), "-H", "host: a.example",
                           settings="proxy.preserve-host: ON")
        self.assertEqual(asked["headers"]["host"], "a.example")

    def test_request_headers(self):
        headers = self.asked(self.upstream(), "-A", "me", settings=(
            'proxy.header.add: "X-Add: 1", proxy.header.unset: User-Agent'))["headers"]
        self.assertEqual((headers.get("x-add"), headers.get("user-agent")), ("1", None))

    def test_location_is_rewritten(self):
        upstream = self.upstream(lambda request: (302, {"location": upstream.url + "/up/else"}, b""))
        url = self.proxy(upstream)
        self.assertEqual(get(url + "/x").headers["location"], url + "/else")

    def test_server_header_is_kept(self):
        upstream = self.upstream(lambda request: (200, {}, b""))
        url = self.proxy(upstream, top="send-server-name: preserve")
        self.assertIn("BaseHTTP", get(url).headers["server"])

    def test_proxy_protocol(self):
        with socket.create_server(("127.0.0.1", 0)) as upstream:
            url = self.serve_paths("/: {proxy.reverse.url: http://127.0.0.1:%d/, proxy.proxy-protocol"
                                   ": ON, proxy.timeout.keepalive: 0}" % upstream.getsockname()[1])
            client = threading.Thread(target=get, args=(url,))
            client.start()
            with upstream.accept()[0] as connection, connection.makefile() as stream:
                line = stream.readline()
            client.join()
        self.assertRegex(line, r"^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r?\n$")

    def test_upstream_down(self):
        upstream = Upstream()
        upstream.close()
        self.assertEqual(get(self.proxy(upstream)).status, 502)

    def test_name_that_does_not_resolve(self):
        url = self.serve_paths("/: {proxy.reverse.url: http://no.such.host.invalid/}")
        self.assertEqual(get(url).status, 502)

    def test_slow_upstream(self):
        forever = self.upstream(lambda request: wait_until(lambda: None, "for ever", 5))
        self.assertEqual(get(self.proxy(forever, "proxy.timeout.io: 100")).status, 502)

    def test_compressed(self):
        upstream = self.upstream(lambda r: (200, {"content-type": "text/plain"}, b"x" * 10000))
        answer = get(self.proxy(upstream, "compress: ON"), "--compressed")
        self.assertEqual((answer.headers["content-encoding"], len(answer.body)), ("gzip", 10000))

    def test_reproxy(self):
        behind = self.upstream(lambda request: (200, {}, b"from behind"))
        upstream = self.upstream(lambda request: (200, {"x-reproxy-url": behind.url + "/x"}, b""))
        self.assertEqual(get(self.proxy(upstream, "reproxy: ON")).text, "from behind")

    def test_no_reproxy(self):
        upstream = self.upstream(
            lambda request: (200, {"x-reproxy-url": "http://127.0.0.1:1/"}, b"as it is"))
        self.assertEqual(get(self.proxy(upstream)).text, "as it is")

    def test_reproxy_into_a_file(self):
        self.file("page", "private")
        upstream = self.upstream(lambda request: (200, {"x-reproxy-url": "/files/page"}, b""))
        url = self.serve_paths("/files: {file.dir: DIR}\n"
                               f"/: {{proxy.reverse.url: {upstream.url}/, reproxy: ON}}")
        self.assertEqual(get(url).text, "private")

    def test_error_document_of_another_server(self):
        """h2o fetches an error document that is a URL, as a client."""
        upstream = self.upstream(lambda request: (200, {}, b"sorry"))
        url = self.serve_paths(
            f'/: {{file.dir: DIR, error-doc: {{status: 404, url: "{upstream.url}/sorry"}}}}')
        answer = get(url + "/nothing")
        self.assertEqual((answer.status, answer.text), (404, "sorry"))

    def test_error_document_of_another_server_over_tls(self):
        """Nobody trusts the certificate; but the server lives on."""
        upstream = self.upstream(tls=Certificate(self.directory, "127.0.0.1").pair)
        url = self.serve_paths(
            f'/: {{file.dir: DIR, error-doc: {{status: 404, url: "{upstream.url}/sorry"}}}}')
        self.assertEqual(get(url + "/nothing").status, 404)

    def test_after_reload(self):
        url = self.proxy(self.upstream())
        for _ in range(10):
            self.daemon.reload(self.name)
            self.assertEqual(get(url).status, 200)


class WebSocket(Case):
    @unittest.skipIf(websockets is None, "python3-websockets is not installed")
    def test_echo(self):
        self.assertEqual(self.talk("proxy.websocket: ON"), ["ONE", "TWO"])

    @unittest.skipIf(websockets is None, "python3-websockets is not installed")
    def test_over_a_reload(self):
        """A tunnel stays up in the generation that is retired."""
        self.assertEqual(self.talk("proxy.websocket: ON", lambda: self.daemon.reload(self.name)),
                         ["ONE", "TWO"])

    @unittest.skipIf(websockets is None, "python3-websockets is not installed")
    def test_off_by_default(self):
        with self.assertRaises(websockets.exceptions.InvalidHandshake):
            self.talk("proxy.websocket: OFF")

    def talk(self, settings, between=lambda: None):
        echo = WebSocketEcho()
        self.addCleanup(echo.close)
        url = self.serve_paths(
            f"/: {{proxy.reverse.url: http://127.0.0.1:{echo.port}/, {settings}}}")

        async def run():
            answers = []
            async with websockets.connect(url.replace("http", "ws")) as connection:
                for message in ("one", "two"):
                    await connection.send(message)
                    answers.append(await connection.recv())
                    between()
            return answers

        return asyncio.run(run())


class FastCgiHandler(Case):
    def responder(self, path=None):
        responder = FastCgi(path)
        self.addCleanup(responder.close)
        return responder

    def unix_path(self, more=""):
        path = str(self.directory / "socket")
        self.responder(path)
        return f"fastcgi.connect: {{port: {path}, type: unix}}{more and ', ' + more}"

    def told(self, url, *options):
        return json.loads(get(url, *options).text)

    def test_over_unix_socket(self):
        answer = get(self.serve_paths(f"/app: {{{self.unix_path()}}}") + "/app/x?y=z")
        params = json.loads(answer.text)["params"]
        self.assertEqual((answer.status, answer.headers["x-responder"]), (203, "fastcgi"))
        self.assertEqual((params["PATH_INFO"], params["QUERY_STRING"]), ("/app/x", "y=z"))

    def test_over_tcp(self):
        url = self.serve_paths(f"/: {{fastcgi.connect: {self.responder().port}}}")
        self.assertEqual(self.told(url)["params"]["REQUEST_METHOD"], "GET")

    def test_body(self):
        url = self.serve_paths(f"/: {{{self.unix_path()}}}")
        self.assertEqual(self.told(url, "-d", "x" * 100000)["body"], "x" * 100000)

    def test_environment(self):
        more = "setenv: {B: path}, unsetenv: [C]"
        url = self.serve_paths(f"/: {{{self.unix_path(more)}}}", "setenv: {A: top, C: gone}")
        params = self.told(url)["params"]
        self.assertEqual([params.get(name) for name in "ABC"], ["top", "path", None])

    def test_document_root(self):
        url = self.serve_paths(f"/: {{{self.unix_path('fastcgi.document_root: /some/where')}}}")
        self.assertEqual(self.told(url + "/a.php")["params"]["DOCUMENT_ROOT"], "/some/where")

    def test_by_extension(self):
        self.file("a.php", "<?php")
        self.file("a.txt", "text")
        url = self.serve_paths(
            "/: {file.dir: DIR, file.custom-handler: {extension: .php, %s}}" % self.unix_path())
        params = self.told(url + "/a.php/more")["params"]
        self.assertEqual((params["SCRIPT_FILENAME"], params["PATH_INFO"]),
                         (str(self.directory / "a.php"), "/more"))
        self.assertEqual(get(url + "/a.txt").text, "text")

    def test_keep_alive(self):
        url = self.serve_paths(
            f"/: {{{self.unix_path('fastcgi.timeout.keepalive: 5000')}}}", "num-threads: 1")
        self.assertEqual({self.told(url)["connection"] for _ in range(5)}, {1})

    def test_responder_down(self):
        url = self.serve_paths("/: {fastcgi.connect: {port: DIR/nobody, type: unix}}")
        self.assertEqual(get(url).status, 503)


class Cut(Case):
    """Stop cuts a request that waits for an upstream which says nothing. Memory is overwritten when
    it is freed, so that a use of it afterwards ends the daemon."""

    environment = {"MALLOC_PERTURB_": "165"}

    def cut(self, handler, family=socket.AF_INET, options=(), reload=False):
        """Five times over; {handler} with the upstream's port or path in it."""
        with socket.socket(family) as upstream:
            upstream.bind(("127.0.0.1", 0) if family == socket.AF_INET
                          else str(self.directory / "silent"))
            upstream.listen()
            where = upstream.getsockname()
            text = handler.replace("UPSTREAM", where if isinstance(where, str) else str(where[1]))
            for _ in range(5):
                url = self.serve_paths(f"/: {{{text}}}")
                client = threading.Thread(target=self.ask, args=(url, *options))
                client.start()
                with upstream.accept()[0]:
                    if "--max-time" in options:
                        client.join()
                    if reload:
                        self.daemon.reload(self.name)
                    _, cut = self.daemon.server(self.name, "StopWithOptions", "a{sv}",
                                                {"timeout-usec": ("t", 0)})
                    client.join()
                self.assertEqual(cut, 1)

    @staticmethod
    def ask(url, *options):
        try:
            get(url, *options)
        except CurlFailed:
            pass

    def test_proxy(self):
        self.cut("proxy.reverse.url: 'http://127.0.0.1:UPSTREAM/'")

    def test_proxy_unix(self):
        self.cut("proxy.reverse.url: 'http://[unix:UPSTREAM]/'", socket.AF_UNIX)

    def test_proxy_over_http2(self):
        self.cut("proxy.reverse.url: 'http://127.0.0.1:UPSTREAM/'",
                 options=["--http2-prior-knowledge"])

    def test_proxy_after_reload(self):
        self.cut("proxy.reverse.url: 'http://127.0.0.1:UPSTREAM/'", reload=True)

    def test_fastcgi(self):
        self.cut("fastcgi.connect: UPSTREAM")

    def test_fastcgi_unix(self):
        self.cut("fastcgi.connect: {port: UPSTREAM, type: unix}", socket.AF_UNIX)

    def test_client_is_gone_already(self):
        self.cut("fastcgi.connect: UPSTREAM", options=["--max-time", "0.1"])


@unittest.skipUnless(shutil.which("/usr/share/h2o/kill-on-close"), "h2o is not installed")
class FastCgiSpawn(Case):
    """A program that h2o starts; what stands for it here waits and does not answer."""

    def setUp(self):
        super().setUp()
        self.others = self.daemon.children().keys()

    def count(self):
        return len(self.daemon.children().keys() - self.others)

    def spawn(self, paths):
        self.serve_paths(paths)
        wait_until(lambda: self.count() == 1, "for the program")
        for _ in range(3):
            self.daemon.reload(self.name)
        wait_until(lambda: self.count() == 1, "for the programs of old generations to end", 10)
        self.daemon.server(self.name, "Stop")
        wait_until(lambda: self.count() == 0, "for the program to end", 10)

    def test_ends_with_its_generation(self):
        self.spawn('/: {fastcgi.spawn: "exec sleep 300"}')

    def test_by_extension_ends_with_its_generation(self):
        self.spawn('/: {file.dir: DIR, file.custom-handler: '
                   '{extension: .php, fastcgi.spawn: "exec sleep 300"}}')

    def forget(self):
        """Nothing that this test has started is left, whatever came of it."""
        for parent in self.daemon.children():
            with open(f"/proc/{parent}/task/{parent}/children") as children:
                for child in children.read().split():
                    os.kill(int(child), signal.SIGKILL)
        super().forget()


if __name__ == "__main__":
    tap.main()
