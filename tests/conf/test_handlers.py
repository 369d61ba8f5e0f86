# SPDX-License-Identifier: MIT
"""The handlers and filters that need no upstream, each as h2o's documentation describes it."""

import gzip
import json

import tap
from sluice import Case, free_port, get, port_of

LONG = "0123456789" * 1000


class Files(Case):
    def test_content(self):
        self.file("page.html", "<p>hello</p>")
        answer = get(self.serve_paths("/: {file.dir: DIR}") + "/page.html")
        self.assertEqual((answer.status, answer.headers["content-type"], answer.text),
                         (200, "text/html", "<p>hello</p>"))

    def test_missing(self):
        self.assertEqual(get(self.serve_paths("/: {file.dir: DIR}") + "/nothing").status, 404)

    def test_outside(self):
        self.file("root/page", "inside")
        self.file("secret", "outside")
        url = self.serve_paths("/: {file.dir: DIR/root}")
        answers = [get(url + path, "--path-as-is")
                   for path in ("/../secret", "/%2e%2e/secret", "/a/../../secret")]
        self.assertNotIn("outside", [answer.text for answer in answers])

    def test_head(self):
        self.file("page", "hello")
        answer = get(self.serve_paths("/: {file.dir: DIR}") + "/page", "--head")
        self.assertEqual((answer.status, answer.headers["content-length"]), (200, "5"))

    def test_slash_is_added(self):
        self.file("sub/index.html")
        answer = get(self.serve_paths("/: {file.dir: DIR}") + "/sub")
        self.assertEqual((answer.status, answer.headers["location"]), (301, "/sub/"))

    def test_index(self):
        self.file("sub/second.html", "second")
        url = self.serve_paths("/: {file.dir: DIR, file.index: [first.html, second.html]}")
        self.assertEqual(get(url + "/sub/").text, "second")

    def test_longest_path_wins(self):
        self.file("root/page", "root")
        self.file("icons/page", "icon")
        url = self.serve_paths("/: {file.dir: DIR/root}\n/icons: {file.dir: DIR/icons}")
        self.assertEqual(get(url + "/icons/page").text, "icon")

    def test_single_file(self):
        url = self.serve_paths(f"/robots.txt: {{file.file: {self.file('r.txt', 'Allow: /')}}}")
        self.assertEqual(get(url + "/robots.txt").text, "Allow: /")

    def test_listing(self):
        self.file("some <file>.txt")
        url = self.serve_paths("/: {file.dir: DIR, file.dirlisting: ON}")
        self.assertIn("some &lt;file&gt;.txt", get(url + "/").text)

    def test_no_listing(self):
        self.assertEqual(get(self.serve_paths("/: {file.dir: DIR}") + "/").status, 404)

    def test_range(self):
        self.file("page", LONG)
        answer = get(self.serve_paths("/: {file.dir: DIR}") + "/page", "-r", "5-9")
        self.assertEqual((answer.status, answer.headers["content-range"], answer.text),
                         (206, "bytes 5-9/10000", "56789"))

    def test_range_of_several(self):
        self.file("page", LONG)
        answer = get(self.serve_paths("/: {file.dir: DIR}") + "/page", "-r", "0-1,9998-9999")
        self.assertTrue(answer.headers["content-type"].startswith("multipart/byteranges"))
        self.assertIn("\r\n01\r\n", answer.text)

    def test_range_not_satisfiable(self):
        self.file("page", "hello")
        answer = get(self.serve_paths("/: {file.dir: DIR}") + "/page", "-r", "50-60")
        self.assertEqual((answer.status, answer.headers["content-range"]), (416, "bytes */5"))

    def test_etag(self):
        self.file("page", "hello")
        url = self.serve_paths("/: {file.dir: DIR}") + "/page"
        answer = get(url, "-H", "If-None-Match: " + get(url).headers["etag"])
        self.assertEqual((answer.status, answer.body), (304, b""))

    def test_no_etag(self):
        self.file("page", "hello")
        url = self.serve_paths("/: {file.dir: DIR, file.etag: OFF}")
        self.assertNotIn("etag", get(url + "/page").headers)

    def test_modified_since(self):
        self.file("page", "hello")
        url = self.serve_paths("/: {file.dir: DIR}") + "/page"
        modified = get(url).headers["last-modified"]
        self.assertEqual(get(url, "-H", f"If-Modified-Since: {modified}").status, 304)

    def test_method_not_allowed(self):
        self.file("page", "hello")
        url = self.serve_paths("/: {file.dir: DIR}")
        self.assertEqual(get(url + "/page", "-X", "DELETE").status, 405)

    def test_changed_file_is_seen_at_once(self):
        self.file("page", "old")
        url = self.serve_paths("/: {file.dir: DIR}") + "/page"
        get(url)
        self.file("page", "new")
        self.assertEqual(get(url).text, "new")

    def test_second_handler_is_asked(self):
        """A sequence of handlers: what the first does not have, the second serves."""
        self.file("a/one", "1")
        self.file("b/two", "2")
        url = self.serve_paths("/: [{file.dir: DIR/a}, {file.dir: DIR/b}]")
        self.assertEqual(get(url + "/two").text, "2")


class Mime(Case):
    def content_type(self, name, settings):
        self.file(name, "x")
        url = self.serve_paths("/: {file.dir: DIR, %s}" % settings)
        return get(f"{url}/{name}").headers["content-type"]

    def test_settypes(self):
        self.assertEqual(self.content_type("a.html", '"file.mime.settypes": {a/b: .c}'),
                         "application/octet-stream")

    def test_addtypes(self):
        self.assertEqual(self.content_type("a.new", '"file.mime.addtypes": {a/b: [.n, .new]}'), "a/b")

    def test_removetypes(self):
        self.assertEqual(self.content_type("a.html", '"file.mime.removetypes": [.html]'),
                         "application/octet-stream")

    def test_setdefaulttype(self):
        self.assertEqual(self.content_type("a.unknown", '"file.mime.setdefaulttype": a/b'), "a/b")

    def test_attributes(self):
        """A type that is declared compressible is compressed."""
        self.file("a.new", LONG)
        url = self.serve_paths(
            "/: {file.dir: DIR, compress: ON, file.mime.addtypes: {a/b: {extensions: [.new], "
            "is_compressible: yes}}}")
        self.assertEqual(get(url + "/a.new", "-H", "accept-encoding: gzip")
                         .headers["content-encoding"], "gzip")


class Compress(Case):
    def fetch(self, settings, encoding="gzip", name="a.txt"):
        self.file(name, LONG)
        url = self.serve_paths("/: {file.dir: DIR, %s}" % settings)
        return get(f"{url}/{name}", "-H", f"accept-encoding: {encoding}")

    def test_gzip(self):
        answer = self.fetch("compress: ON")
        self.assertEqual(gzip.decompress(answer.body).decode(), LONG)
        self.assertEqual(answer.headers["vary"].lower(), "accept-encoding")

    def test_gzip_only(self):
        self.assertEqual(self.fetch("compress: [gzip]", "gzip, br").headers["content-encoding"],
                         "gzip")

    def test_brotli_is_not_there(self):
        """Debian's libh2o has no brotli encoder, unlike its h2o: who offers gzip too gets that."""
        self.assertEqual(self.fetch("compress: [gzip, br]", "gzip, br").headers["content-encoding"],
                         "gzip")

    def test_not_wanted(self):
        self.assertEqual(self.fetch("compress: ON", "identity").text, LONG)

    def test_minimum_size(self):
        self.assertEqual(self.fetch("compress: ON, compress-minimum-size: 10001").text, LONG)

    def test_old_command(self):
        self.assertEqual(self.fetch("gzip: ON").headers["content-encoding"], "gzip")

    def test_precompressed(self):
        self.file("a.txt.gz", gzip.compress(b"from the file"))
        answer = self.fetch("file.send-compressed: ON")
        self.assertEqual(gzip.decompress(answer.body), b"from the file")

    def test_precompressed_brotli(self):
        self.file("a.txt.br", b"not really brotli")
        answer = self.fetch("file.send-gzip: ON", "br")
        self.assertEqual((answer.headers["content-encoding"], answer.body),
                         ("br", b"not really brotli"))

    def test_gunzip(self):
        """Only the compressed file is there, and the client cannot read it."""
        self.file("b.txt.gz", gzip.compress(b"from the file"))
        url = self.serve_paths("/: {file.dir: DIR, file.send-compressed: gunzip}")
        self.assertEqual(get(url + "/b.txt").text, "from the file")


class Headers(Case):
    def headers(self, settings):
        self.file("page.html", "x")
        url = self.serve_paths("/: {file.dir: DIR, %s}" % settings)
        return get(url + "/page.html").headers

    def test_add(self):
        self.assertEqual(self.headers('header.add: "Set-Cookie: test=1"')["set-cookie"], "test=1")

    def test_append(self):
        self.assertEqual(self.headers('header.append: "X-A: 1", header.append: "X-A: 2"')["x-a"],
                         "1, 2")

    def test_merge(self):
        self.assertEqual(self.headers('header.set: "Cache-Control: private", '
                                      'header.merge: "Cache-Control: must-revalidate"')
                         ["cache-control"], "private, must-revalidate")

    def test_set(self):
        self.assertEqual(self.headers('header.set: "Content-Type: a/b"')["content-type"], "a/b")

    def test_setifempty(self):
        self.assertEqual(self.headers('header.setifempty: "Content-Type: a/b"')["content-type"],
                         "text/html")

    def test_unset(self):
        self.assertNotIn("etag", self.headers('header.unset: "ETag"'))

    def test_inherited(self):
        """What is said at the top holds for every path below."""
        self.file("page.html", "x")
        url = self.serve_paths("/: {file.dir: DIR}", 'header.add: "X-Top: 1"')
        self.assertEqual(get(url + "/page.html").headers["x-top"], "1")

    def test_expires(self):
        self.assertEqual(self.headers("expires: 1 day")["cache-control"], "max-age=86400")

    def test_expires_off(self):
        self.file("page.html", "x")
        url = self.serve_paths("/: {file.dir: DIR, expires: OFF}", "expires: 1 day")
        self.assertNotIn("cache-control", get(url + "/page.html").headers)

    def test_server_name(self):
        self.file("page.html", "x")
        url = self.serve_paths("/: {file.dir: DIR}", "server-name: somebody")
        self.assertEqual(get(url + "/page.html").headers["server"], "somebody")

    def test_no_server_name(self):
        self.file("page.html", "x")
        url = self.serve_paths("/: {file.dir: DIR}", "send-server-name: OFF")
        self.assertNotIn("server", get(url + "/page.html").headers)


class Redirects(Case):
    def test_short(self):
        answer = get(self.serve_paths("/: {redirect: http://127.0.0.1:1/x/}") + "/page?a=b")
        self.assertEqual((answer.status, answer.headers["location"]),
                         (302, "http://127.0.0.1:1/x/page?a=b"))

    def test_status(self):
        url = self.serve_paths('/: {redirect: {status: 301, url: "https://example.com/"}}')
        answer = get(url + "/rss")
        self.assertEqual((answer.status, answer.headers["location"]),
                         (301, "https://example.com/rss"))

    def test_internal(self):
        self.file("real/page", "here")
        url = self.serve_paths("/real: {file.dir: DIR/real}\n"
                               "/old: {redirect: {status: 307, url: /real, internal: YES}}")
        answer = get(url + "/old/page")
        self.assertEqual((answer.status, answer.text), (200, "here"))

    def test_internal_without_end(self):
        url = self.serve_paths("/a: {redirect: {status: 307, url: /a, internal: YES}}")
        self.assertEqual(get(url + "/a/").status, 502)


class ErrorDocuments(Case):
    def test_one(self):
        self.file("404.html", "not here")
        url = self.serve_paths("/: {file.dir: DIR}", "error-doc: {status: 404, url: /404.html}")
        answer = get(url + "/nothing")
        self.assertEqual((answer.status, answer.text, answer.headers["content-type"]),
                         (404, "not here", "text/html"))

    def test_several(self):
        self.file("50x.html", "down")
        url = self.serve_paths("/: {file.dir: DIR}\n/up: {proxy.reverse.url: http://127.0.0.1:1/}",
                               "error-doc: [{status: [500, 502, 503, 504], url: /50x.html}]")
        answer = get(url + "/up")
        self.assertEqual((answer.status, answer.text), (502, "down"))

    def test_itself_missing(self):
        url = self.serve_paths("/: {file.dir: DIR}", "error-doc: {status: 404, url: /none.html}")
        self.assertEqual(get(url + "/nothing").status, 404)


class Throttle(Case):
    def test_throttled(self):
        """The whole body comes; how fast is h2o's matter."""
        self.file("page", LONG)
        url = self.serve_paths("/: {file.dir: DIR, throttle-response: ON, "
                               "header.add: 'X-Traffic: 1000000'}")
        answer = get(url + "/page")
        self.assertEqual((answer.text, "x-traffic" in answer.headers), (LONG, False))


class Status(Case):
    def test_page(self):
        answer = get(self.serve_paths("/s: {status: ON}") + "/s/")
        self.assertEqual((answer.status, answer.headers["content-type"]),
                         (200, "text/html; charset=utf-8"))

    def test_json(self):
        url = self.serve_paths("/s: {status: ON}", "duration-stats: ON")
        for _ in range(2):
            status = json.loads(get(url + "/s/json").text)
        self.assertEqual(status["worker-threads"], 2)
        self.assertEqual(status["listeners"], 1)
        self.assertIn("request-total-time-99", status)

    def test_parts(self):
        status = json.loads(get(self.serve_paths("/s: {status: ON}") + "/s/json?show=main").text)
        self.assertNotIn("requests", status)
        self.assertIn("server-version", status)

    def test_after_reload(self):
        url = self.serve_paths("/s: {status: ON}")
        self.daemon.reload(self.name)
        self.assertEqual(json.loads(get(url + "/s/json?show=main").text)["generation"], 2)


class Hosts(Case):
    CONFIG = """
listen: {host: 127.0.0.1, port: PORT}
hosts:
  "www.example.com:PORT": {paths: {/: {file.dir: DIR/www}}}
  "*.example.com:PORT": {paths: {/: {file.dir: DIR/wild}}}
  default: {paths: {/: {file.dir: DIR/default}}}
"""

    def fetch(self, host, config=CONFIG):
        for name in ("www", "wild", "default"):
            self.file(f"{name}/page", name)
        port = free_port()
        url = self.serve(config.replace("PORT", str(port)))
        return get(f"{url}/page", "-H", f"host: {host.replace('PORT', str(port))}").text

    def test_by_name(self):
        self.assertEqual(self.fetch("www.example.com:PORT"), "www")

    def test_case_does_not_matter(self):
        self.assertEqual(self.fetch("WWW.Example.COM:PORT"), "www")

    def test_wildcard(self):
        self.assertEqual(self.fetch("a.b.example.com:PORT"), "wild")

    def test_unknown_name_gets_the_first(self):
        """h2o serves a name that no host has from the first host."""
        self.assertEqual(self.fetch("other.org:PORT"), "www")

    def test_own_listeners(self):
        """A `listen` in a host serves that host only, whatever name is asked for."""
        self.file("a/page", "a")
        self.file("b/page", "b")
        ports = free_port(), free_port()
        self.serve("""
hosts:
  "a.example": {listen: {host: 127.0.0.1, port: %d}, paths: {/: {file.dir: DIR/a}}}
  "b.example": {listen: {host: 127.0.0.1, port: %d}, paths: {/: {file.dir: DIR/b}}}
""" % ports)
        answer = get(f"http://127.0.0.1:{ports[1]}/page", "-H", "host: a.example")
        self.assertEqual(answer.text, "b")

    def test_ipv6(self):
        self.file("page", "six")
        url = self.serve("listen: {host: '::1', port: 0}\n"
                         "hosts: {default: {paths: {/: {file.dir: DIR}}}}\n")
        self.assertEqual(get(f"http://[::1]:{port_of(url)}/page").text, "six")

    def test_unix_socket(self):
        self.file("page", "local")
        path = self.directory / "socket"
        self.serve(f"listen: {{type: unix, port: {path}, permission: 600}}\n"
                   "hosts: {default: {paths: {/: {file.dir: DIR}}}}\n")
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(get("http://localhost/page", "--unix-socket", str(path)).text, "local")

    def test_proxy_protocol(self):
        self.file("page", "proxied")
        log = self.directory / "log"
        url = self.serve("listen: {host: 127.0.0.1, port: 0, proxy-protocol: ON}\n"
                         'access-log: {path: DIR/log, format: "%h"}\n'
                         "hosts: {default: {paths: {/: {file.dir: DIR}}}}\n")
        self.assertEqual(get(url + "/page", "--haproxy-protocol").text, "proxied")
        self.assertEqual(log.read_text(), "127.0.0.1\n")


class Limits(Case):
    def test_body_too_large(self):
        url = self.serve_paths("/: {file.dir: DIR}", "limit-request-body: 10")
        self.assertEqual(get(url + "/page", "-d", "x" * 11).status, 413)

    def test_one_thread(self):
        url = self.serve_paths("/s: {status: ON}", "num-threads: 1")
        self.assertEqual(json.loads(get(url + "/s/json").text)["worker-threads"], 1)


if __name__ == "__main__":
    tap.main()
