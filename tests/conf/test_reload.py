# SPDX-License-Identifier: MIT
"""Reload: under load, a thousand times, of certificates and listeners; and who gets an address."""

import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import tap
from certificate import Certificate
from sluice import Case, CurlFailed, free_port, get, port_of, wait_until
from upstream import FastCgi, Upstream

TLS = """
listen: {host: 127.0.0.1, port: 0, ssl: {certificate-file: DIR/it.crt, key-file: DIR/it.key}}
hosts: {default: {paths: {/: {file.dir: DIR}}}}
"""


class Load(Case):
    """A hundred reloads with another certificate each, while clients ask for more."""

    RELOADS = 100

    def setUp(self):
        super().setUp()
        self.file("page", "hello")
        self.certificates = [Certificate(self.directory, "127.0.0.1") for _ in range(5)]
        self.exchange(0)
        self.url = self.serve(TLS)

    def exchange(self, number):
        """Puts a certificate and its key in the place of those before, at once."""
        certificate = self.certificates[number % len(self.certificates)]
        for source, target in ((certificate.file, "it.crt"), (certificate.key, "it.key")):
            shutil.copy(source, self.directory / "new")
            os.rename(self.directory / "new", self.directory / target)
        return certificate

    def under(self, *command):
        """Reloads while the program runs; what it said."""
        client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, errors="replace", stdin=subprocess.DEVNULL)
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        wait_until(lambda: self.daemon.status(self.name)["requests"] > 100, "for the first requests")
        for number in range(1, self.RELOADS + 1):
            last = self.exchange(number)
            self.daemon.reload(self.name)
        self.assertIsNone(client.poll(), "the load was over before the reloads")
        said = client.communicate(timeout=120)[0]
        self.assertEqual(client.returncode, 0, said)
        self.assertEqual(self.daemon.status(self.name)["Generation"], self.RELOADS + 1)
        get(self.url + "/page", "--cacert", last.file)
        return said

    def assert_none_failed(self, said):
        found = re.search(r"requests: (\d+) total, .* (\d+) done, (\d+) succeeded, (\d+) failed, "
                          r"(\d+) errored, (\d+) timeout\nstatus codes: (\d+) 2xx, (\d+) 3xx, "
                          r"(\d+) 4xx, (\d+) 5xx", said)
        self.assertIsNotNone(found, said)
        numbers = [int(number) for number in found.groups()]
        self.assertGreater(numbers[2], 1000, said)
        self.assertEqual(numbers[3:6] + numbers[7:], [0] * 6, said)

    def test_h2load(self):
        """New connections all the time, of ten requests each that are sent together. h2load has
        no answer to GOAWAY: what it had not sent by then it calls failed, with any server."""
        self.assert_none_failed(self.under("h2load", "-n", "8000", "-c", "800", "-m", "10", "-r",
                                           "10", "--rate-period=100ms", self.url + "/page"))

    def test_h2load_old(self):
        self.assert_none_failed(self.under("h2load", "--h1", "-D", "8", "-c", "8",
                                           self.url + "/page"))

    def test_wrk(self):
        said = self.under("wrk", "-t", "1", "-c", "8", "-d", "8", self.url + "/page")
        self.assertNotIn("Socket errors", said)
        self.assertNotIn("Non-2xx", said)
        self.assertGreater(int(re.search(r"(\d+) requests in", said)[1]), 1000, said)


class Flat(Case):
    """A thousand reloads, after some to warm up, cost neither memory nor descriptors."""

    WARM_UP, RELOADS = 200, 1000

    def assert_flat(self, text):
        self.serve(text)
        for _ in range(self.WARM_UP):
            self.daemon.reload(self.name)
        descriptors, memory = self.settled()
        for _ in range(self.RELOADS):
            self.daemon.reload(self.name)
        more_descriptors, more_memory = self.settled()
        self.assertEqual(more_descriptors - descriptors, 0)
        if not self.daemon.is_sanitized():
            self.assertLessEqual(more_memory - memory, 256, "KiB")

    def settled(self):
        """Descriptors and KiB once what was retired is gone."""
        def look():
            return len(self.daemon.descriptors())
        last = look()
        wait_until(lambda: self.daemon.status(self.name)["Draining"] == 0, "for the generations")
        for _ in range(50):
            time.sleep(0.02)
            last, before = look(), last
            if last == before:
                break
        return last, self.daemon.resident()

    def test_files(self):
        self.assert_flat("LISTEN\nhosts: {default: {paths: {/: {file.dir: DIR}}}}\n")

    def test_tls(self):
        Certificate(self.directory, "127.0.0.1", stem="it")
        self.assert_flat(TLS)

    def test_proxy(self):
        self.assert_flat('LISTEN\nhosts: {default: {paths: {/: {proxy.reverse.url: "http://127.0.0.1'
                         ':1/"}, /f: {fastcgi.connect: 1}}}}\n')

    def test_filters(self):
        self.assert_flat("""
LISTEN
header.add: "X-A: 1"
header.set: "X-B: 1"
expires: 1 day
error-doc: {status: [404, 500], url: /error.html}
compress: ON
hosts: {default: {paths: {/: {file.dir: DIR}, /a: {redirect: /b}, /s: {status: ON}}}}
""")

    def test_by_extension(self):
        self.assert_flat("""
LISTEN
hosts:
  default:
    paths: {/: {file.dir: DIR, file.custom-handler: {extension: .php, fastcgi.connect: 1}}}
""")

    def test_logs(self):
        self.assert_flat("LISTEN\naccess-log: DIR/log\naccess-log: journal\n"
                         "hosts: {default: {paths: {/: {file.dir: DIR}}}}\n")

    def test_refused(self):
        """A thousand configurations that are wrong leave nothing behind either."""
        self.serve("LISTEN\nhosts: {default: {paths: {/: {file.dir: DIR}}}}\n")
        self.daemon.file(self.name).write_text(self.fill(
            'LISTEN\nheader.add: "X-A: 1"\nexpires: 1 day\nhosts:\n  default:\n    paths:\n'
            "      /: {proxy.reverse.url: 'http://127.0.0.1:1/', header.set: 'X: 1'}\n"
            "      /a: {file.dir: DIR, error-doc: {status: 404, url: /x}, nothing: 1}\n"))

        def refuse(times):
            for _ in range(times):
                self.assert_bus_error("InvalidConfig", self.daemon.server, self.name, "Reload")
            return self.daemon.resident()
        before = refuse(self.WARM_UP)
        after = refuse(self.RELOADS)
        if not self.daemon.is_sanitized():
            self.assertLessEqual(after - before, 256, "KiB")


class UnderWay(Case):
    """Requests that are being answered while the server is reloaded."""

    def setUp(self):
        super().setUp()
        self.going, self.go = threading.Event(), threading.Event()
        self.addCleanup(self.go.set)

        def answer(request):
            self.going.set()
            self.go.wait(60)
            return 200, {}, b"done"
        self.upstream = Upstream(answer)
        self.addCleanup(self.upstream.close)
        self.ports = free_port(), free_port()

    def config(self, *ports):
        listens = "".join(f"listen: {{host: 127.0.0.1, port: {port}}}\n" for port in ports)
        return (f"{listens}hosts: {{default: {{paths: {{/: {{proxy.reverse.url: "
                f"'{self.upstream.url}/'}}}}}}}}\n")

    def fetch_over(self, reload, *options):
        """Begins a request at the second port, reloads, and lets the request end."""
        self.serve(self.config(*self.ports))
        answers = []
        client = threading.Thread(target=lambda: answers.append(
            get(f"http://127.0.0.1:{self.ports[1]}/", *options)))
        client.start()
        self.going.wait(30)
        reload()
        self.go.set()
        client.join()
        return answers[0].text

    def test_listener_vanishes(self):
        def reload():
            self.daemon.reload(self.name, self.config(self.ports[0]))
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.ports[1]))
        self.assertEqual(self.fetch_over(reload), "done")

    def test_listener_comes_back(self):
        def reload():
            self.daemon.reload(self.name, self.config(self.ports[0]))
            self.daemon.reload(self.name, self.config(*self.ports))
        self.assertEqual(self.fetch_over(reload), "done")
        self.assertEqual(get(f"http://127.0.0.1:{self.ports[1]}/").text, "done")

    def test_over_http2(self):
        self.assertEqual(self.fetch_over(lambda: self.daemon.reload(self.name),
                                         "--http2-prior-knowledge"), "done")

    def test_before_the_http2_preface(self):
        """A server's first frame is SETTINGS (RFC 9113 §3.4), even if it says goodbye next."""
        Certificate(self.directory, "127.0.0.1", stem="it")
        port = port_of(self.serve(TLS))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            with context.wrap_socket(plain) as connection:
                self.daemon.reload(self.name)
                connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
                self.assertEqual(connection.recv(9)[3], 4)

    def test_many_reloads(self):
        def reload():
            for _ in range(50):
                self.daemon.reload(self.name)
        self.assertEqual(self.fetch_over(reload), "done")

    def test_idle_connection(self):
        """An idle connection stays for one more request, which tells its client to go."""
        self.go.set()
        self.serve(self.config(self.ports[0]))
        client = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=30)
        self.addCleanup(client.close)
        client.request("GET", "/")
        client.getresponse().read()
        self.daemon.reload(self.name)
        client.request("GET", "/")
        answer = client.getresponse()
        self.assertEqual((answer.read(), answer.headers["connection"]), (b"done", "close"))


class Change(Case):
    CONFIG = "LISTEN\nhosts: {default: {paths: {/: {file.dir: DIR}}}}\n"

    def test_new_content(self):
        self.file("page", "old")
        self.file("new/page", "new")
        url = self.serve(self.CONFIG)
        self.daemon.reload(self.name, self.fill(self.CONFIG.replace("DIR", "DIR/new")))
        self.assertEqual(get(url + "/page").text, "new")

    def test_port_stays(self):
        url = self.serve(self.CONFIG)
        self.daemon.reload(self.name)
        self.assertEqual(self.daemon.status(self.name)["Listen"], [url + "/"])

    def refuse(self, text):
        """A reload that is refused changes nothing; the message."""
        self.file("page", "old")
        url = self.serve(self.CONFIG)
        path = self.daemon.file(self.name)
        path.write_text(self.fill(text))
        message = self.assert_bus_error("InvalidConfig", self.daemon.server, self.name, "Reload")
        self.assertTrue(message.startswith(f"{path}:"), message)
        self.assertEqual((get(url + "/page").text, self.daemon.status(self.name)["Generation"]),
                         ("old", 1))
        return message

    def test_refused(self):
        self.assertIn(".conf:1:1: ", self.refuse("nonsense: 1\n"))

    def test_refused_certificate(self):
        self.refuse(TLS)

    def test_no_file_at_all(self):
        """What stands in the place of the file may be anything."""
        self.file("page", "old")
        url = self.serve(self.CONFIG)
        path = self.daemon.file(self.name)
        for what in ("fifo", "directory", "/dev/zero", "nothing"):
            with self.subTest(what=what):
                path.unlink()
                if what == "fifo":
                    os.mkfifo(path)
                elif what == "directory":
                    path.mkdir()
                elif what != "nothing":
                    path.symlink_to(what)
                self.assert_bus_error("InvalidConfig", self.daemon.server, self.name, "Reload")
                self.assertEqual(get(url + "/page").text, "old")
                if what == "directory":
                    path.rmdir()
                    path.touch()
                elif what == "nothing":
                    path.touch()

    def test_sighup(self):
        """SIGHUP reads the directories again, and reloads what has changed."""
        self.file("page", "old")
        self.file("new/page", "new")
        url = self.serve(self.CONFIG)
        self.daemon.file(self.name).write_text(
            self.fill(self.CONFIG.replace("DIR", "DIR/new").replace("port: 0",
                                                                    f"port: {port_of(url)}")))
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.daemon.status(self.name)["Generation"] == 2, "for the reload")
        self.assertEqual(get(self.daemon.status(self.name)["Listen"][0] + "page").text, "new")

    def test_manager_reload(self):
        url = self.serve(self.CONFIG)
        self.file("new/page", "new")
        self.daemon.file(self.name).write_text(self.fill(self.CONFIG.replace("DIR", "DIR/new")))
        self.daemon.manager("Reload")
        self.assertEqual(get(url + "/page").text, "new")

    def test_manager_reload_of_a_certificate(self):
        """A certificate that was exchanged counts as a change, though the file did not."""
        Certificate(self.directory, "127.0.0.1", stem="it")
        url = self.serve(TLS)
        new = Certificate(self.directory, "127.0.0.1", stem="it")
        self.daemon.manager("Reload")
        get(url + "/", "--cacert", new.file)

    def test_start_after_stop_takes_the_new_certificate(self):
        Certificate(self.directory, "127.0.0.1", stem="it")
        self.serve(TLS)
        self.daemon.server(self.name, "Stop")
        new = Certificate(self.directory, "127.0.0.1", stem="it")
        url = self.daemon.server(self.name, "Start")[0][0]
        get(url, "--cacert", new.file)

    def test_to_https_and_back(self):
        """The same address speaks HTTPS after a reload, and HTTP after another."""
        self.file("page", "here")
        certificate = Certificate(self.directory, "127.0.0.1", stem="it")
        port = free_port()
        plain = self.fill(self.CONFIG).replace("port: 0", f"port: {port}")
        self.serve(plain)
        self.daemon.reload(self.name, self.fill(TLS).replace("port: 0", f"port: {port}"))
        self.assertEqual(get(f"https://127.0.0.1:{port}/page", "--cacert", certificate.file).text,
                         "here")
        self.daemon.reload(self.name, plain)
        self.assertEqual(get(f"http://127.0.0.1:{port}/page").text, "here")


class Addresses(Case):
    """Two servers that want one address: the second is told who has it."""

    def config(self, listen):
        return self.fill(f"listen: {listen}\nhosts: {{default: {{paths: {{/: {{file.dir: DIR}}}}}}}}\n")

    def assert_taken(self, first, second):
        self.serve(self.config(first), f"{self.name}-1")
        self.daemon.configure(f"{self.name}-2", self.config(second))
        message = self.assert_bus_error("AddressInUse", self.daemon.server, f"{self.name}-2", "Start")
        self.assertIn(f"'{self.name}-1'", message)
        self.assertIn(f"{self.name}-2.conf:1:", message)
        self.assertEqual(self.daemon.status(f"{self.name}-2")["Result"], "listen")
        self.daemon.server(f"{self.name}-1", "Stop")
        self.daemon.server(f"{self.name}-2", "Start")

    def test_same(self):
        listen = f"{{host: 127.0.0.1, port: {free_port()}}}"
        self.assert_taken(listen, listen)

    def test_any_after_one(self):
        port = free_port()
        self.assert_taken(f"{{host: 127.0.0.1, port: {port}}}", f"{{host: 0.0.0.0, port: {port}}}")

    def test_one_after_any(self):
        port = free_port()
        self.assert_taken(f"{{host: 0.0.0.0, port: {port}}}", f"{{host: 127.0.0.1, port: {port}}}")

    def test_unix(self):
        listen = f"{{type: unix, port: {self.directory}/socket}}"
        self.assert_taken(listen, listen)

    def test_a_stranger(self):
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = stranger.getsockname()[1]
            self.daemon.configure(self.name, self.config(f"{{host: 127.0.0.1, port: {port}}}"))
            message = self.assert_bus_error("AddressInUse", self.daemon.server, self.name, "Start")
        self.assertIn(f"127.0.0.1:{port}", message)

    def test_reload_into_a_taken_one(self):
        """The reload is refused, and the server stays where it was."""
        port = free_port()
        listen = f"{{host: 127.0.0.1, port: {port}}}"
        self.serve(self.config(listen), f"{self.name}-1")
        url = self.serve(self.config("{host: 127.0.0.1, port: 0}"), f"{self.name}-2")
        self.daemon.file(f"{self.name}-2").write_text(self.config(listen))
        self.assert_bus_error("AddressInUse", self.daemon.server, f"{self.name}-2", "Reload")
        self.assertEqual(get(url + "/").status, 404)

    def test_two_of_a_server(self):
        """One server that names an address twice listens there once."""
        listen = f"{{host: 127.0.0.1, port: {free_port()}}}"
        self.assertEqual(len(self.daemon.serve(self.name, self.config(f"[{listen}, {listen}]"))), 1)

    def test_not_ours_to_bind(self):
        message = self.refused("{host: 192.0.2.1, port: 0}")
        self.assertIn("192.0.2.1:0", message)

    def test_unix_in_place_of_a_file(self):
        path = self.file("precious", "data")
        self.assertIn("not a socket", self.refused(f"{{type: unix, port: {path}}}"))
        with open(path) as stream:
            self.assertEqual(stream.read(), "data")

    def refused(self, listen):
        self.daemon.configure(self.name, self.config(listen))
        return self.assert_bus_error("ListenFailed", self.daemon.server, self.name, "Start")


if __name__ == "__main__":
    tap.main()
