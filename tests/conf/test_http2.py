# SPDX-License-Identifier: MIT
"""HTTP/2 over TLS by ALPN and over plain TCP by upgrade and by prior knowledge, and server push, as
curl, nghttp, h2load and openssl see it."""

import json
import re
import ssl
import socket
import subprocess

import tap
from certificate import Certificate
from sluice import Case, get, port_of
from upstream import Upstream


def run(*command):
    """What a program said, on both streams; it has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}:\n{done.stdout}{done.stderr}")
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


class Http2Case(Case):
    def setUp(self):
        super().setUp()
        self.file("page", "hello")

    def serve_tls(self, top="", paths="      /: {file.dir: DIR}\n"):
        yaml = Certificate(self.directory, "127.0.0.1").yaml
        return self.serve(f"listen: {{host: 127.0.0.1, port: 0, ssl: {{{yaml}}}}}\n{top}\n"
                          f"hosts:\n  default:\n    paths:\n{paths}")

    def serve_plain(self, top=""):
        return self.serve_paths("/: {file.dir: DIR}", top)


class Choice(Http2Case):
    def test_curl_over_tls(self):
        answer = get(self.serve_tls() + "/page", "-k", "--http2")
        self.assertEqual((answer.version, answer.text), ("2", "hello"))

    def test_curl_old_over_tls(self):
        answer = get(self.serve_tls() + "/page", "-k", "--http1.1")
        self.assertEqual((answer.version, answer.text), ("1.1", "hello"))

    def test_alpn(self):
        """What the server takes of what clients offer; it prefers HTTP/2."""
        url = self.serve_tls()
        chosen = []
        for offer in (["http/1.1", "h2"], ["http/1.1"], ["spdy/3"], []):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if offer:
                context.set_alpn_protocols(offer)
            with socket.create_connection(("127.0.0.1", port_of(url))) as plain:
                with context.wrap_socket(plain) as connection:
                    chosen.append(connection.selected_alpn_protocol())
        self.assertEqual(chosen, ["h2", "http/1.1", None, None])

    def test_alpn_by_openssl(self):
        self.assertIn("ALPN protocol: h2", run(
            "openssl", "s_client", "-alpn", "h2,http/1.1", "-connect", self.serve_tls()[8:]))

    def test_upgrade(self):
        answer = get(self.serve_plain() + "/page", "--http2")
        self.assertEqual((answer.version, answer.text, answer.blocks[0][0]), ("2", "hello", 101))

    def test_no_upgrade(self):
        answer = get(self.serve_plain("http1-upgrade-to-http2: OFF") + "/page", "--http2")
        self.assertEqual((answer.version, answer.text), ("1.1", "hello"))

    def test_prior_knowledge(self):
        answer = get(self.serve_plain() + "/page", "--http2-prior-knowledge")
        self.assertEqual((answer.version, answer.text), ("2", "hello"))

    def test_nghttp(self):
        self.assertEqual(run("nghttp", "--no-verify-peer", self.serve_tls() + "/page"), "hello")

    def test_nghttp_upgrade(self):
        self.assertEqual(run("nghttp", "-u", self.serve_plain() + "/page"), "hello")


class Streams(Http2Case):
    def succeeded(self, *arguments):
        """How many of h2load's requests were answered with 2xx, and how many failed somehow."""
        found = re.search(r"requests: \d+ total, .* (\d+) succeeded, (\d+) failed, (\d+) errored, "
                          r"(\d+) timeout\nstatus codes: (\d+) 2xx", run("h2load", *arguments))
        numbers = [int(number) for number in found.groups()]
        return numbers[4], sum(numbers[1:4])

    def test_h2load_over_tls(self):
        url = self.serve_tls()
        self.assertEqual(self.succeeded("-n", "2000", "-c", "10", "-m", "20", url + "/page"),
                         (2000, 0))

    def test_h2load_plain(self):
        url = self.serve_plain()
        self.assertEqual(self.succeeded("-n", "2000", "-c", "10", "-m", "20", url + "/page"),
                         (2000, 0))

    def test_h2load_old(self):
        url = self.serve_tls()
        self.assertEqual(self.succeeded("--h1", "-n", "1000", "-c", "10", url + "/page"), (1000, 0))

    def test_large_answer(self):
        self.file("large", b"0123456789" * 500000)
        answer = get(self.serve_tls() + "/large", "-k", "--http2")
        self.assertEqual(answer.body, b"0123456789" * 500000)

    def test_large_body(self):
        upstream = Upstream(lambda request: (200, {}, str(len(request.body)).encode()))
        self.addCleanup(upstream.close)
        url = self.serve_tls(paths=f"      /: {{proxy.reverse.url: {upstream.url}/}}\n")
        body = self.file("body", b"x" * 3000000)
        self.assertEqual(get(url, "-k", "--http2", "--data-binary", f"@{body}").text, "3000000")

    def test_limit_holds(self):
        url = self.serve_tls("http2-max-concurrent-requests-per-connection: 1")
        self.assertEqual(self.succeeded("-n", "100", "-c", "1", "-m", "1", url + "/page"), (100, 0))

    def test_debug_state(self):
        self.daemon.configure(self.name, self.fill(
            "LISTEN\nhosts: {default: {http2-debug-state: minimum, paths: {/: {file.dir: DIR}}}}\n"))
        url = self.daemon.server(self.name, "Start")[0][0]
        answer = get(url + ".well-known/h2/state", "--http2-prior-knowledge")
        self.assertEqual(json.loads(answer.text)["streams"]["1"]["state"], "HALF_CLOSED_REMOTE")

    def test_counted(self):
        """Requests over HTTP/2 count as others do."""
        url = self.serve_tls()
        self.succeeded("-n", "100", "-c", "2", "-m", "10", url + "/page")
        status = self.daemon.status(self.name)
        self.assertEqual((status["requests"], status["responses-2xx"]), (100, 100))

    def test_stop_says_goodbye(self):
        """An idle connection gets GOAWAY and is closed; Stop does not wait for it."""
        url = self.serve_plain()
        with socket.create_connection(("127.0.0.1", port_of(url)), timeout=30) as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            seen = client.recv(4096)
            client.sendall(b"\0\0\0\4\1\0\0\0\0")
            self.daemon.server(self.name, "Stop")
            while piece := client.recv(4096):
                seen += piece
        kinds = []
        while len(seen) >= 9:
            kinds.append(seen[3])
            seen = seen[9 + int.from_bytes(seen[:3], "big"):]
        self.assertIn(7, kinds)


class Push(Http2Case):
    """An upstream's Link header makes the server push what it names."""

    def fetch(self, top="", link="</style.css>; rel=preload; as=style", *options):
        self.file("style.css", "p {}")
        upstream = Upstream(lambda request: (200, {"link": link}, b"<html>"))
        self.addCleanup(upstream.close)
        url = self.serve_tls(top, f"      /: {{proxy.reverse.url: {upstream.url}/}}\n"
                                  "      /style.css: {file.file: DIR/style.css}\n")
        return run("nghttp", "-nv", "--no-verify-peer", *options, url + "/")

    def test_pushed(self):
        said = self.fetch()
        self.assertIn("recv PUSH_PROMISE", said)
        self.assertIn(":path: /style.css", said)
        self.assertRegex(said, r"x-http2-push: pushed|recv DATA frame <length=4")

    def test_off(self):
        self.assertNotIn("recv PUSH_PROMISE", self.fetch("http2-push-preload: OFF"))

    def test_nopush(self):
        self.assertNotIn("recv PUSH_PROMISE",
                         self.fetch("", "</style.css>; rel=preload; nopush"))

    def test_client_does_not_want_it(self):
        self.assertNotIn("recv PUSH_PROMISE", self.fetch(
            "", "</style.css>; rel=preload", "--no-push"))

    def test_casper(self):
        """The cookie that tells later what the client has already."""
        self.assertIn("set-cookie: h2o_casper=", self.fetch("http2-casper: ON"))


if __name__ == "__main__":
    tap.main()
