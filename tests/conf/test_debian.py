# SPDX-License-Identifier: MIT
"""Debian's own h2o.conf and every example of h2o's documentation that needs no mruby.

The texts are taken from where the packages h2o and h2o-doc install them. Nothing in them is changed
but ports, paths and the dots that stand for more lines; what is missing around a snippet is put
there. A snippet that is neither tried nor listed as no configuration fails the tests.
"""

import html
import json
import os
import pathlib
import pwd
import re
import socket
import stat
import tempfile
import unittest

import tap
from certificate import Certificate
from sluice import Case, Daemon, free_port, get, wait_until
from upstream import FastCgi, Upstream

DEBIAN = pathlib.Path("/etc/h2o/h2o.conf")
DOCUMENTATION = pathlib.Path("/usr/share/doc/h2o")
NEEDS_MRUBY = {"access_control", "basic_auth", "dos_detection", "mruby", "mruby_directives"}
NO_CONFIGURATION = {("cgi", 1), ("command_options", 0), ("http2_directives", 0),
                    ("http2_directives", 1), ("quick_start", 1), ("quick_start", 2),
                    ("syntax_and_structure", 5)}
SITE = "hosts: {default: {paths: {/: {file.dir: /path/to/doc-root}}}}\n"
SPAWNED = f"""#!/usr/bin/python3 -B
import socket, sys
sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
from upstream import FastCgi
listener = socket.socket(fileno=0)
responder = FastCgi.__new__(FastCgi)
responder.socket, responder.connections = listener, 0
responder.accept()
"""


def snippets():
    """{(page, number): text} of the documentation's code blocks."""
    found = {}
    for page in sorted(DOCUMENTATION.glob("configure/*.html")):
        blocks = re.findall("<pre><code>(.*?)</code></pre>", page.read_text(), re.S)
        for number, block in enumerate(blocks):
            found[page.stem, number] = html.unescape(re.sub("<[^>]*>", "", block)).strip("\n")
    return found


class Page(Case):
    def setUp(self):
        super().setUp()
        self.root = self.directory
        self.file("path/to/doc-root/page.html", "page")
        self.ports = {number: free_port() for number in (80, 443, 8080, 8081)}

    @classmethod
    def setUpClass(cls):
        # Something that looks like rotatelogs but writes where it is told at once.
        cls.programs = tempfile.TemporaryDirectory(prefix="sluice-conf-")
        program = pathlib.Path(cls.programs.name, "rotatelogs")
        program.write_text("#!/bin/sh\nwhile [ $# -gt 2 ]; do shift; done\nexec cat >> \"$1\"\n")
        program.chmod(0o755)
        cls.environment = {"PATH": f"{cls.programs.name}:{os.environ['PATH']}"}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.programs.cleanup()

    def replace(self, text):
        """Other ports, and paths below the test's directory."""
        for number, port in self.ports.items():
            text = re.sub(rf"(?<![\d/]){number}(?!\d)", str(port), text)
        text = re.sub(r"/(path/to|tmp|usr/local|var|run|etc)(?=/)",
                      lambda match: f"{self.root}/{match[1]}", text)
        return re.sub(r"(?<=[ :])(etc|htdocs|icons|default_ssl)(?=[/.\n])",
                      lambda match: f"{self.root}/{match[1]}", text + "\n")

    def serve_text(self, text):
        """Starts it; the ports that the example names now have other numbers."""
        for name in re.findall(r"(?:(?:certificate|key)-file|pid-file|access-log|error-log|path|port|"
                               r"file\.file|file\.dir):\s+\"?(?:\|[^/]*)?(/[^\s\"}]+)", text):
            pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
        return self.daemon.serve(self.name, text)

    def url(self, number, path="/page.html", scheme="http"):
        return f"{scheme}://127.0.0.1:{self.ports[number]}{path}"

    def fetch(self, number, path="/page.html", host=None, scheme="http", options=()):
        headers = ("-H", f"host: {host}:{self.ports[number]}") if host else ()
        return get(self.url(number, path, scheme), "-k", *headers, *options)


@unittest.skipUnless(DEBIAN.exists(), "the package h2o is not installed")
class Debian(Page):
    def test_conf(self):
        self.file("var/www/page.html", "page")
        self.file("var/log/h2o/none")
        self.serve_text(self.replace(DEBIAN.read_text()))
        answer = self.fetch(80)
        self.assertEqual((answer.text, answer.headers["server"]), ("page", "h2o (Debian)"))
        status = json.loads(self.fetch(80, "/server-status/json").text)
        self.assertEqual(status["connections"], 1)
        logs = self.directory / "var/log/h2o"
        wait_until(lambda: any("GET /page.html" in path.read_text()
                               for path in logs.glob("access.log*")), "for the log")
        self.assertEqual(len(self.daemon.status(self.name)["warnings"]), 3)


@unittest.skipUnless((DOCUMENTATION / "examples").exists(), "the package h2o-doc is not installed")
class Example(Page):
    def config(self):
        text = (DOCUMENTATION / "examples/h2o/h2o.conf").read_text()
        return self.replace(text.replace("examples/", f"{DOCUMENTATION}/examples/"))

    def test_h2o_conf(self):
        self.serve_text(self.config())
        root = (DOCUMENTATION / "examples/doc_root/index.html").read_text()
        self.assertEqual(self.fetch(8080, "/", "127.0.0.1.xip.io").text, root)
        alternate = (DOCUMENTATION / "examples/doc_root.alternate/index.txt").read_text()
        self.assertEqual(self.fetch(8081, "/index.txt", "alternate.127.0.0.1.xip.io",
                                    "https").text, alternate)
        self.assertIn('"GET /index.txt HTTP/2"', self.daemon.log())

    def test_where_standard_output_is_a_socket(self):
        """As it is for a service whose output goes to the journal: a socket cannot be opened by the
        name /dev/stdout, so the lines go to the journal by its own way."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            daemon = Daemon(stdout=theirs)
            try:
                daemon.serve(self.name, self.config())
                status = self.fetch(8080, "/", "127.0.0.1.xip.io").status
            finally:
                wrong = daemon.leave()
        self.assertFalse(wrong, wrong)
        self.assertEqual(status, 200)

    def test_mruby(self):
        """The other example needs mruby, and that is what its error says."""
        text = (DOCUMENTATION / "examples/h2o_mruby/h2o.conf").read_text()
        path = self.daemon.configure(self.name, self.replace(
            text.replace("examples/", f"{DOCUMENTATION}/examples/")))
        self.assertRegex(self.assert_bus_error("InvalidConfig", self.daemon.server, self.name,
                                               "Start"), rf"^{path}:\d+:\d+: mruby\.handler")


@unittest.skipUnless((DOCUMENTATION / "configure").exists(), "the package h2o-doc is not installed")
class Documentation(Page):
    """Each `test_PAGE_NUMBER` is that code block of that page."""

    def setUp(self):
        super().setUp()
        page, _, number = self.name.rpartition("_")
        self.text = self.replace(re.sub(r"^ *\.\.\.$", "", snippets().get(
            (page, int(number)) if number.isdigit() else None, ""), flags=re.M))

    def listen(self, number):
        return f"listen: {{host: 127.0.0.1, port: {self.ports[number]}}}\n"

    def serve_commands(self, text=None, site=None):
        """A snippet of commands at the top level."""
        text = self.text if text is None else text
        if "hosts:" not in text:
            text += site or self.replace(SITE)
        self.serve_text(self.listen(80) + text)

    def serve_level(self, level):
        """A snippet of `paths`, or of what stands in a path."""
        indent = " " * (4 if level == "host" else 8)
        text = "".join(f"{indent}{line}\n" for line in self.text.splitlines())
        head = "hosts:\n  default:\n" + ("" if level == "host" else "    paths:\n      /:\n")
        self.serve_text(self.listen(80) + head + text)

    def certificate(self, name, crt, key):
        """A certificate and its key where the example has them."""
        certificate = Certificate(self.directory, name)
        for source, target in ((certificate.file, crt), (certificate.key, key)):
            path = self.directory / target
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab") as stream:
                stream.write(pathlib.Path(source).read_bytes())
        return certificate

    def test_all_are_tried(self):
        tried = {name.removeprefix("test_").rpartition("_")[::2]
                 for name in unittest.defaultTestLoader.getTestCaseNames(type(self))}
        missing = [(page, number) for (page, number), text in snippets().items()
                   if page not in NEEDS_MRUBY and (page, number) not in NO_CONFIGURATION
                   and "mruby" not in text and (page, str(number)) not in tried]
        self.assertEqual(missing, [])

    # ---- Access logs ----

    def log_text(self):
        log, = (self.directory / "path/to").glob("access-log-file*")
        return log.read_text()

    def test_access_log_directives_0(self):
        self.serve_commands()
        self.fetch(80)
        self.assertIn("GET /page.html", self.log_text())

    def test_access_log_directives_1(self):
        self.serve_commands()
        self.fetch(80)
        wait_until(lambda: "GET /page.html" in self.log_text(), "for the log")

    def test_access_log_directives_2(self):
        self.serve_commands()
        self.fetch(80)
        self.assertTrue(self.log_text().endswith('"GET /page.html HTTP/1.1" 200 4\n'))

    # ---- Hosts and listeners ----

    def test_base_directives_0(self):
        self.certificate("www.example.com", "path/to/ssl-certificate-file", "path/to/ssl-key-file")
        self.serve_text(self.text)
        self.assertEqual(self.fetch(80, host="www.example.com").headers["location"],
                         "https://www.example.com/page.html")
        self.assertEqual(self.fetch(443, host="www.example.com", scheme="https").text, "page")

    def test_base_directives_1(self):
        self.file("path/to/assets/a.css", "asset")
        self.serve_text(self.text)
        self.assertEqual(self.fetch(80, "/assets/a.css", "www.example.com").text, "asset")

    def test_base_directives_2(self):
        """Four ways to listen, of which two are for the same port."""
        self.certificate("x", "path/to/certificate-file", "path/to/key-file")
        for number, (text, fetch) in enumerate(zip(self.text.split("\n\n"), (
                lambda: self.fetch(80), lambda: self.fetch(8080),
                lambda: self.fetch(443, scheme="https"),
                lambda: self.fetch(443, scheme="https", options=["--haproxy-protocol"])))):
            with self.subTest(number=number):
                self.daemon.configure(self.name, text + "\n" + self.replace(SITE))
                self.daemon.server(self.name, "Start")
                self.assertEqual(fetch().text, "page")
                self.daemon.server(self.name, "Stop")

    def test_base_directives_3(self):
        names = ("www.example.com", "www.example.jp")
        for name in names:
            stem = "path/to/" + name.replace(".", "_")
            certificate = self.certificate(name, stem + ".crt", stem + ".key")
            self.file(f"path/to/doc-root_of_{name.replace('.', '_')}/page.html", name)
        self.serve_text(self.text)
        answer = get(f"https://www.example.jp:{self.ports[443]}/page.html", "--cacert",
                     certificate.file, "--connect-to", f"::127.0.0.1:{self.ports[443]}")
        self.assertEqual(answer.text, "www.example.jp")

    def test_base_directives_4(self):
        self.file("tmp/none")
        owner = "www-data" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.serve_text(self.text.replace("www-data", owner) + self.replace(SITE))
        path = self.directory / "tmp/h2o.sock"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(get("http://x/page.html", "--unix-socket", str(path)).text, "page")

    def test_base_directives_5(self):
        self.serve_commands()
        self.assertIn("error-log: ignored", self.daemon.status(self.name)["warnings"][0])

    test_base_directives_6 = test_base_directives_5

    def fastcgi(self):
        path = self.directory / "tmp/fcgi.sock"
        path.parent.mkdir(exist_ok=True)
        responder = FastCgi(str(path))
        self.addCleanup(responder.close)
        return path

    def test_base_directives_7(self):
        site = (f"hosts: {{default: {{paths: {{/: {{fastcgi.connect: {{port: {self.fastcgi()}, "
                "type: unix}}}}}\n")
        self.serve_commands(site=site)
        self.assertEqual(json.loads(self.fetch(80).text)["params"]["FOO"], "value_of_FOO")

    def test_base_directives_8(self):
        handler = f"        fastcgi.connect: {{port: {self.fastcgi()}, type: unix}}\n"
        self.serve_commands(self.text.rstrip() + "\n" + handler + "      /:\n" + handler)
        seen = [json.loads(self.fetch(80, path).text)["params"].get("FOO")
                for path in ("/", "/specific-path")]
        self.assertEqual(seen, ["value_of_FOO", None])

    def test_base_directives_9(self):
        """Three ways to keep sessions; two name stores that are ours alone to keep."""
        for number, text in enumerate(self.text.strip().split("\n\n")):
            with self.subTest(number=number):
                self.daemon.configure(self.name, text + "\n" + self.listen(80) + self.replace(SITE))
                self.daemon.server(self.name, "Start")
                self.assertEqual(self.fetch(80).text, "page")
                self.daemon.server(self.name, "Stop")

    # ---- What is done to answers ----

    def test_compress_directives_0(self):
        self.file("path/to/doc-root/large.html", "x" * 10000)
        self.serve_commands()
        self.assertEqual(self.fetch(80, "/large.html", options=["--compressed"])
                         .headers["content-encoding"], "gzip")

    def test_errordoc_directives_0(self):
        self.file("path/to/doc-root/404.html", "sorry")
        self.serve_commands()
        self.assertEqual(self.fetch(80, "/nothing").text, "sorry")

    def site(self, up):
        return (f"hosts: {{default: {{paths: {{/: {{file.dir: {self.root}/path/to/doc-root}}, "
                f"/up: {{{up}}}}}}}}}\n")

    def test_errordoc_directives_1(self):
        """A status 503, which a FastCGI responder that is not there leads to."""
        self.file("path/to/doc-root/service-unavailable.html", "sorry")
        self.serve_commands(site=self.site("fastcgi.connect: 1"))
        answer = self.fetch(80, "/up")
        self.assertEqual((answer.status, answer.text), (503, "sorry"))

    def test_errordoc_directives_2(self):
        self.file("path/to/doc-root/50x.html", "sorry")
        self.serve_commands(site=self.site("proxy.reverse.url: 'http://127.0.0.1:1/'"))
        self.assertEqual(self.fetch(80, "/up").text, "sorry")

    def test_expires_directives_0(self):
        self.serve_commands()
        self.assertEqual(self.fetch(80).headers["cache-control"], "max-age=86400")

    def test_headers_directives_0(self):
        self.serve_commands()
        self.assertEqual(self.fetch(80).headers["set-cookie"], "test=1")

    def test_headers_directives_1(self):
        self.serve_commands()
        self.assertEqual(self.fetch(80).headers["cache-control"], "must-revalidate")

    def test_headers_directives_2(self):
        self.serve_commands()
        self.assertEqual(self.fetch(80).headers["x-content-type-options"], "nosniff")

    def test_headers_directives_3(self):
        upstream = Upstream(lambda request: (200, {"x-powered-by": "it"}, b""))
        self.addCleanup(upstream.close)
        self.serve_commands(site=f"hosts: {{default: {{paths: {{/: {{proxy.reverse.url: "
                                 f"'{upstream.url}/'}}}}}}}}\n")
        self.assertNotIn("x-powered-by", self.fetch(80).headers)

    def test_http2_directives_2(self):
        self.serve_commands()
        self.assertEqual(self.fetch(80, options=["--http2-prior-knowledge"]).text, "page")

    def test_throttle_response_directives_0(self):
        self.file("path/to/assets/page.html", "page")
        self.serve_commands()
        self.assertEqual(self.fetch(80).text, "page")

    # ---- Handlers ----

    def test_proxy_directives_0(self):
        upstream = Upstream()
        self.addCleanup(upstream.close)
        self.text = self.text.replace(str(self.ports[8080]), upstream.url.rpartition(":")[2])
        self.serve_level("path")
        self.assertEqual(json.loads(self.fetch(80).text)["path"], "/page.html")

    def test_redirect_directives_0(self):
        self.file("path/to/rss/feed", "feed")
        self.serve_commands()
        self.assertEqual(self.fetch(80, host="example.com").status, 301)
        self.assertEqual(self.fetch(80, "/rss/feed", "example.com").text, "feed")

    def test_fastcgi_directives_0(self):
        self.fastcgi()
        self.serve_commands()
        self.assertEqual(self.fetch(80, "/app", "example.com").headers["x-responder"], "fastcgi")

    def spawned(self, text=None):
        """A snippet that starts php-cgi, for which a program of ours stands."""
        program = pathlib.Path(self.file("usr/local/bin/php-cgi", SPAWNED))
        program.chmod(0o755)
        for directory in [program, *program.parents][:5]:
            directory.chmod(0o755)
        self.file("path/to/doc-root/index.php", "<?php")
        self.serve_commands(text)
        self.assertEqual(json.loads(self.fetch(80, "/index.php").text)["params"]["SCRIPT_NAME"],
                         "/index.php")

    @unittest.skipUnless(os.path.exists("/usr/share/h2o/kill-on-close"), "h2o is not installed")
    def test_fastcgi_directives_1(self):
        self.spawned()

    @unittest.skipUnless(os.path.exists("/usr/share/h2o/kill-on-close"), "h2o is not installed")
    @unittest.skipIf(os.geteuid(), "only root can run a program as another user")
    def test_fastcgi_directives_2(self):
        """There is no user `fastcgi` here."""
        self.spawned(self.text.replace("fastcgi\n", "nobody\n"))

    @unittest.skipUnless(os.path.exists("/usr/share/h2o/fastcgi-cgi"), "h2o is not installed")
    def test_cgi_0(self):
        program = self.file("path/to/doc-root/a.cgi",
                            "#!/bin/sh\necho 'content-type: a/b'; echo; echo $QUERY_STRING\n")
        os.chmod(program, 0o755)
        self.serve_commands()
        answer = self.fetch(80, "/a.cgi?asked")
        self.assertEqual((answer.headers["content-type"], answer.text), ("a/b", "asked\n"))

    # ---- Files ----

    def test_file_directives_0(self):
        self.fastcgi()
        self.file("path/to/doc-root/index.php")
        self.serve_commands()
        self.assertEqual(self.fetch(80, "/index.php").headers["x-responder"], "fastcgi")

    def test_file_directives_1(self):
        self.file("path/to/icons-dir/a.png", "icon")
        self.serve_level("host")
        self.assertEqual((self.fetch(80).text, self.fetch(80, "/icons/a.png").text),
                         ("page", "icon"))

    def test_file_directives_2(self):
        self.file("path/to/robots.txt", "Allow: /")
        self.serve_level("host")
        self.assertEqual(self.fetch(80, "/robots.txt").text, "Allow: /")

    def content_type(self, name):
        self.file(f"path/to/doc-root/{name}", "x")
        self.serve_commands()
        return self.fetch(80, f"/{name}").headers["content-type"]

    def test_file_directives_3(self):
        self.assertEqual(self.content_type("a.js"), "application/javascript")

    def test_file_directives_4(self):
        self.assertEqual(self.content_type("a.css"), "text/css")

    def test_file_directives_5(self):
        self.assertEqual(self.content_type("a.jpg"), "application/octet-stream")

    def test_file_directives_6(self):
        self.assertEqual(self.content_type("a.css"), "application/octet-stream")

    # ---- Whole configurations ----

    def test_quick_start_0(self):
        self.file("path/to/the/public-files/page.html", "public")
        self.serve_text(self.text)
        self.assertEqual(self.fetch(8080, host="myhost.example.com").text, "public")

    def syntax(self):
        self.file("htdocs/site1/page.html", "page")
        self.file("icons/a.png", "icon")
        self.certificate("example.com", "etc/site1.crt", "etc/site1.key")
        self.serve_text(self.text)

    def test_syntax_and_structure_0(self):
        self.syntax()
        answer = self.fetch(443, "/icons/a.png", "example.com", "https")
        self.assertEqual((answer.text, answer.headers["cache-control"]), ("icon", "max-age=86400"))
        self.assertEqual(self.fetch(80, host="example.com").headers["location"],
                         "https://example.com/page.html")

    def socket_of_path(self):
        responder = FastCgi(str(self.directory / "path/to/fcgi.sock"))
        self.addCleanup(responder.close)

    def test_syntax_and_structure_1(self):
        self.socket_of_path()
        self.syntax()
        self.assertEqual(self.fetch(443, "/nothing", scheme="https").headers["x-responder"],
                         "fastcgi")

    test_syntax_and_structure_2 = test_syntax_and_structure_1

    def combined(self):
        """Two hosts, each with its certificate and its key in one file."""
        certificates = [self.certificate(name, f"path/to/{name}.crt", f"path/to/{name}.crt")
                        for name in ("example.com", "example.org")]
        self.serve_text(re.sub(r"^    paths:$", "    paths: {/: {file.dir: %s/path/to/doc-root}}"
                               % self.root, self.text, flags=re.M) if "doc-root" not in self.text
                        else self.text)
        answer = get(f"https://example.org:{self.ports[443]}/page.html", "--cacert",
                     certificates[1].file, "--connect-to", f"::127.0.0.1:{self.ports[443]}")
        self.assertEqual(answer.text, "page")

    def test_syntax_and_structure_3(self):
        self.combined()

    def test_syntax_and_structure_4(self):
        self.combined()

    def test_syntax_and_structure_6(self):
        """!file, whose file is the documentation's snippet before."""
        self.file("default_ssl.conf", self.replace(snippets()["syntax_and_structure", 5]))
        self.combined()


if __name__ == "__main__":
    tap.main()
