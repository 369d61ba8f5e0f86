# SPDX-License-Identifier: MIT
"""TLS: versions, certificates by name, resumption, and what can be wrong with a certificate."""

import os
import socket
import ssl
import subprocess
import tempfile

import tap
from certificate import Certificate, openssl
from sluice import Case, CurlFailed, check, free_port, get, port_of

SERVER = """
listen: {host: 127.0.0.1, port: 0, ssl: {SSL}}
hosts: {default: {paths: {/: {file.dir: DIR}}}}
"""


class TlsCase(Case):
    def setUp(self):
        super().setUp()
        self.file("page", "hello")
        self.certificate = Certificate(self.directory, "127.0.0.1", "localhost")

    def serve_tls(self, more="", top="", certificate=None, name=None):
        yaml = (certificate or self.certificate).yaml + (more and ", " + more)
        return self.serve(top + SERVER.replace("{SSL}", f"{{{yaml}}}"), name)

    def context(self, **options):
        """A client that trusts anybody."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for name, value in options.items():
            setattr(context, name, value)
        return context

    def connect(self, url, context=None, name=None, session=None):
        """Fetches /page over a new connection; the connection, still open."""
        plain = socket.create_connection(("127.0.0.1", port_of(url)), timeout=30)
        connection = (context or self.context()).wrap_socket(plain, server_hostname=name,
                                                             session=session)
        self.addCleanup(connection.close)
        connection.sendall(b"GET /page HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
        self.assertIn(b"hello", answer)
        return connection

    def serial(self, url, name=None):
        """Of the certificate that is served to a client that asks for `name`."""
        with socket.create_connection(("127.0.0.1", port_of(url)), timeout=30) as plain:
            with self.context().wrap_socket(plain, server_hostname=name) as connection:
                pem = ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True))
        return openssl("x509", "-noout", "-serial", "-in", self.file("seen", pem)).strip()

    def version_of(self, url, version):
        """What openssl s_client agrees on if it offers this version only; None if nothing."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", url[len("https://"):], version, "-cipher",
             "ALL@SECLEVEL=0"], input=b"", capture_output=True, timeout=60, check=False)
        lines = [line for line in done.stdout.decode(errors="replace").splitlines()
                 if line.startswith("New, TLS")]
        return lines[0].split(",")[1].strip() if done.returncode == 0 and lines else None


class Versions(TlsCase):
    def test_trusted(self):
        """curl checks the name and the chain."""
        self.assertEqual(get(self.serve_tls() + "/page", "--cacert", self.certificate.file).text,
                         "hello")

    def test_url(self):
        self.assertTrue(self.serve_tls().startswith("https://127.0.0.1:"))

    def test_1_3(self):
        self.assertEqual(self.connect(self.serve_tls()).version(), "TLSv1.3")

    def test_1_2(self):
        self.assertEqual(self.version_of(self.serve_tls(), "-tls1_2"), "TLSv1.2")

    def test_1_1_is_refused(self):
        self.assertIsNone(self.version_of(self.serve_tls(), "-tls1_1"))

    def test_1_1_if_asked_for(self):
        url = self.serve_tls("minimum-version: TLSv1.1, cipher-suite: 'ALL@SECLEVEL=0'")
        self.assertIsNotNone(self.version_of(url, "-tls1_1"))

    def test_minimum(self):
        self.assertIsNone(self.version_of(self.serve_tls("minimum-version: TLSv1.3"), "-tls1_2"))

    def test_maximum(self):
        self.assertIsNone(self.version_of(self.serve_tls("maximum-version: TLSv1.2"), "-tls1_3"))

    def test_cipher_suite(self):
        url = self.serve_tls("cipher-suite: ECDHE-ECDSA-AES256-GCM-SHA384, max-version: TLSv1.2")
        self.assertEqual(self.connect(url).cipher()[0], "ECDHE-ECDSA-AES256-GCM-SHA384")

    def test_cipher_preference(self):
        """With `server` the server's first choice is taken, not the client's."""
        suites = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384")
        url = self.serve_tls(f"cipher-preference: server, cipher-suite: '{':'.join(suites)}'")
        context = self.context(maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(":".join(reversed(suites)))
        self.assertEqual(self.connect(url, context).cipher()[0], suites[0])

    def test_dh_file(self):
        key = self.directory / "rsa.key"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", key,
                "-out", self.directory / "rsa.crt")
        openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048",
                "-out", self.directory / "dh")
        url = self.serve(SERVER.replace(
            "{SSL}", "{certificate-file: DIR/rsa.crt, key-file: DIR/rsa.key, dh-file: DIR/dh}"))
        context = self.context(maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("DHE-RSA-AES256-GCM-SHA384")
        self.assertEqual(self.connect(url, context).cipher()[0], "DHE-RSA-AES256-GCM-SHA384")

    def test_no_renegotiation(self):
        url = self.serve_tls()
        done = subprocess.run(["openssl", "s_client", "-tls1_2", "-connect", url[8:]], input=b"R\n",
                              capture_output=True, timeout=60, check=False)
        self.assertIn(b"RENEGOTIATING", done.stderr)
        self.assertNotEqual(done.returncode, 0)
        self.connect(url)

    def test_plain_http_at_the_tls_port(self):
        url = self.serve_tls()
        with self.assertRaises(CurlFailed):
            get(url.replace("https", "http") + "/page")
        self.connect(url)

    def test_garbage(self):
        url = self.serve_tls()
        for garbage in (b"\x16\x03\x01", b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x80\x01\x01"):
            with socket.create_connection(("127.0.0.1", port_of(url)), timeout=30) as client:
                client.sendall(garbage)
                client.shutdown(socket.SHUT_WR)
                try:
                    while client.recv(4096):
                        pass
                except ConnectionError:
                    pass
        self.connect(url)

    def test_proxy_protocol(self):
        url = self.serve(SERVER.replace("port: 0", "port: 0, proxy-protocol: ON").replace(
            "{SSL}", f"{{{self.certificate.yaml}}}"))
        self.assertEqual(get(url + "/page", "-k", "--haproxy-protocol").text, "hello")

    def test_ocsp_response(self):
        """A response that is there is stapled as it is."""
        index = self.file("index", "V\t400101000000Z\t\t%s\tunknown\t/CN=x\n"
                          % self.certificate.serial.partition("=")[2])
        openssl("ocsp", "-index", index, "-CA", self.certificate.file, "-issuer",
                self.certificate.file, "-cert", self.certificate.file, "-rsigner",
                self.certificate.file, "-rkey", self.certificate.key, "-ndays", "1", "-respout",
                self.directory / "response")
        url = self.serve_tls("ocsp-response-file: DIR/response")
        done = subprocess.run(["openssl", "s_client", "-status", "-connect", url[8:]], input=b"",
                              capture_output=True, timeout=60, check=False)
        self.assertIn(b"OCSP Response Status: successful", done.stdout)


class Names(TlsCase):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.certificates = [Certificate(self.directory, name)
                             for name in ("first.example", "*.wild.example", "third.example")]
        hosts = "".join(
            f'  "{certificate.names[0]}:{self.port}":\n'
            f"    listen: {{host: 127.0.0.1, port: {self.port}, ssl: {{{certificate.yaml}}}}}\n"
            f"    paths: {{/: {{file.dir: DIR}}}}\n" for certificate in self.certificates)
        self.url = self.serve("hosts:\n" + hosts)

    def seen(self, name):
        """Which of the certificates it is."""
        return [c.serial for c in self.certificates].index(self.serial(self.url, name))

    def test_by_name(self):
        self.assertEqual([self.seen("first.example"), self.seen("third.example")], [0, 2])

    def test_wildcard(self):
        self.assertEqual(self.seen("a.wild.example"), 1)

    def test_wildcard_is_not_its_own_parent(self):
        self.assertEqual(self.seen("wild.example"), 0)

    def test_wildcard_needs_the_dot(self):
        self.assertEqual(self.seen("notwild.example"), 0)

    def test_case_does_not_matter(self):
        self.assertEqual(self.seen("THIRD.Example"), 2)

    def test_unknown_name_gets_the_first(self):
        self.assertEqual(self.seen("other.org"), 0)

    def test_no_name_gets_the_first(self):
        self.assertEqual(self.seen(None), 0)

    def test_default_at_the_top(self):
        """The certificate of a `listen` at the top is the default, whatever hosts add."""
        port = free_port()
        first = self.certificates[1]
        url = self.serve(f"""
listen: {{host: 127.0.0.1, port: {port}, ssl: {{{self.certificate.yaml}}}}}
hosts:
  "a.wild.example:{port}":
    listen: {{host: 127.0.0.1, port: {port}, ssl: {{{first.yaml}}}}}
    paths: {{/: {{file.dir: DIR}}}}
""", f"{self.name}-1")
        self.assertEqual([self.serial(url, "other.org"), self.serial(url, "a.wild.example")],
                         [self.certificate.serial, first.serial])


class Resumption(TlsCase):
    TLS_1_2 = {"maximum_version": ssl.TLSVersion.TLSv1_2}

    def resumed(self, mode, options=None, ticket=True, url=None, between=None):
        """How many of five connections resume the session of one before."""
        top = f"ssl-session-resumption: {{mode: {mode}}}\n" if mode else ""
        url = url or self.serve_tls(top=top)
        context = self.context(**(options or {}))
        if not ticket:
            context.options |= ssl.OP_NO_TICKET
        session = self.connect(url, context).session
        reused = 0
        for _ in range(5):
            if between is not None:
                between()
            connection = self.connect(url, context, session=session)
            reused += connection.session_reused
            session = connection.session
        return reused

    def test_default(self):
        self.assertEqual(self.resumed(None), 5)

    def test_all_1_3(self):
        self.assertEqual(self.resumed("all"), 5)

    def test_all_1_2_by_ticket(self):
        self.assertEqual(self.resumed("all", self.TLS_1_2), 5)

    def test_all_1_2_by_cache(self):
        self.assertEqual(self.resumed("all", self.TLS_1_2, ticket=False), 5)

    def test_ticket_1_3(self):
        self.assertEqual(self.resumed("ticket"), 5)

    def test_ticket_1_2(self):
        self.assertEqual(self.resumed("ticket", self.TLS_1_2), 5)

    def test_ticket_means_no_cache(self):
        self.assertEqual(self.resumed("ticket", self.TLS_1_2, ticket=False), 0)

    def test_cache_1_3(self):
        self.assertEqual(self.resumed("cache"), 5)

    def test_cache_1_2(self):
        self.assertEqual(self.resumed("cache", self.TLS_1_2), 5)

    def test_cache_means_no_ticket(self):
        url = self.serve_tls(top="ssl-session-resumption: {mode: cache}\n")
        self.assertFalse(self.connect(url, self.context(**self.TLS_1_2)).session.has_ticket)

    def test_off_1_3(self):
        url = self.serve_tls(top="ssl-session-resumption: {mode: off}\n")
        session = self.connect(url).session
        self.assertFalse(session is not None and session.has_ticket)

    def test_off_1_2(self):
        self.assertEqual(self.resumed("off", self.TLS_1_2), 0)

    def test_by_another_name(self):
        """Sessions are those of the address, whichever certificate the name leads to."""
        other = Certificate(self.directory, "b.example")
        port = free_port()
        url = self.serve(f"""
hosts:
  "a.example:{port}":
    listen: {{host: 127.0.0.1, port: {port}, ssl: {{{self.certificate.yaml}}}}}
    paths: {{/: {{file.dir: DIR}}}}
  "b.example:{port}":
    listen: {{host: 127.0.0.1, port: {port}, ssl: {{{other.yaml}}}}}
    paths: {{/: {{file.dir: DIR}}}}
""")
        context = self.context()
        session = self.connect(url, context, "b.example").session
        self.assertTrue(self.connect(url, context, "b.example", session).session_reused)

    def test_survives_reload(self):
        url = self.serve_tls()
        self.assertEqual(self.resumed(None, url=url,
                                      between=lambda: self.daemon.reload(self.name)), 5)

    def test_survives_reload_1_2(self):
        url = self.serve_tls()
        self.assertEqual(self.resumed(None, self.TLS_1_2, url=url,
                                      between=lambda: self.daemon.reload(self.name)), 5)

    def test_not_of_another_server(self):
        first = self.serve_tls(name=f"{self.name}-1")
        second = self.serve_tls(name=f"{self.name}-2")
        context = self.context()
        session = self.connect(first, context).session
        self.assertFalse(self.connect(second, context, session=session).session_reused)

    def test_counted_by_openssl(self):
        url = self.serve_tls()
        done = subprocess.run(["openssl", "s_client", "-tls1_2", "-reconnect", "-connect", url[8:]],
                              input=b"", capture_output=True, timeout=60, check=False)
        self.assertEqual(done.stdout.count(b"Reused, TLSv1.2"), 5)


class Mistakes(TlsCase):
    """Each is refused with the place of what is wrong, by --check and by Start alike."""

    def refused(self, ssl_yaml, word, offset=0):
        """The message about these properties, which begins with the place of `word`."""
        path = self.daemon.configure(self.name, self.fill(SERVER.replace("{SSL}",
                                                                         f"{{{ssl_yaml}}}")))
        message = self.assert_bus_error("InvalidConfig", self.daemon.server, self.name, "Start")
        column = path.read_text().splitlines()[1].index(word) + 1 + offset
        self.assertTrue(message.startswith(f"{path}:2:{column}: listen: "), message)
        done = check(path)
        self.assertEqual(done.returncode, 1)
        self.assertIn(message, done.stderr)
        return message

    def test_key_of_another_certificate(self):
        key = Certificate(self.directory, "x").key
        message = self.refused(f"certificate-file: {self.certificate.file}, key-file: {key}", key)
        self.assertIn("does not belong to", message)

    def test_sealed_key(self):
        sealed = Certificate(self.directory, "x", passphrase="secret")
        self.assertIn("passphrase", self.refused(sealed.yaml, sealed.key))

    def test_key_in_place_of_certificate(self):
        key = self.certificate.key
        self.refused(f"certificate-file: {key}, key-file: {key}", key)

    def test_garbage(self):
        garbage = self.file("garbage", "-----BEGIN CERTIFICATE-----\nxxxx\n")
        self.refused(f"certificate-file: {garbage}, key-file: {self.certificate.key}", garbage)

    def test_unreadable_key(self):
        """Nobody may read it. Root may, so for root it is in a directory that does not exist."""
        key = self.certificate.key
        if os.geteuid() == 0:
            key = "/nonexistent/key"
        else:
            os.chmod(key, 0)
        self.assertIn(key, self.refused(
            f"certificate-file: {self.certificate.file}, key-file: {key}", key))

    def test_no_file_at_all(self):
        """What can be opened and is no file, or never ends, holds nobody up."""
        fifo = str(self.directory / "fifo")
        os.mkfifo(fifo)
        for other in (fifo, str(self.directory), "/dev/zero", "/dev/null", "/nonexistent"):
            for prop in ("certificate-file", "key-file", "dh-file", "ocsp-response-file"):
                with self.subTest(what=other, prop=prop):
                    parts = dict(part.split(": ") for part in self.certificate.yaml.split(", "))
                    parts[prop] = other
                    ssl_yaml = ", ".join(f"{name}: {value}" for name, value in parts.items())
                    self.refused(ssl_yaml, f"{prop}: {other}", len(f"{prop}: "))

    def test_unknown_version(self):
        self.refused(self.certificate.yaml + ", minimum-version: TLSv2", "TLSv2")

    def test_versions_crossed(self):
        self.refused(self.certificate.yaml + ", min-version: TLSv1.3, max-version: TLSv1.2",
                     "TLSv1.2")

    def test_no_such_cipher(self):
        self.refused(self.certificate.yaml + ", cipher-suite: ROT13", "ROT13")

    def test_unknown_preference(self):
        self.refused(self.certificate.yaml + ", cipher-preference: mine", "mine")

    def test_unknown_property(self):
        self.refused(self.certificate.yaml + ", colour: blue", "colour")

    def test_http_and_https_at_one_address(self):
        port = free_port()
        path = self.daemon.configure(self.name, self.fill(
            f"listen: {{host: 127.0.0.1, port: {port}}}\n"
            f"listen: {{host: 127.0.0.1, port: {port}, ssl: {{{self.certificate.yaml}}}}}\n"
            "hosts: {default: {paths: {/: {file.dir: DIR}}}}\n"))
        self.assertIn(f"{path}:2:", check(path).stderr)
        self.assertEqual(check(path).returncode, 1)

    def test_expired(self):
        """It warns, in Status and on standard error, and serves."""
        expired = Certificate(self.directory, "127.0.0.1", expired=True)
        url = self.serve_tls(certificate=expired)
        self.connect(url)
        warnings = self.daemon.status(self.name)["warnings"]
        self.assertEqual(len(warnings), 1)
        self.assertRegex(warnings[0], rf"^\S+\.conf:2:\d+: listen: .*{expired.file}.* has expired")
        self.assertEqual(self.daemon.log().count("has expired"), 1)

    def test_expired_check(self):
        """--check warns and is content."""
        expired = Certificate(self.directory, "127.0.0.1", expired=True)
        done = check(self.file("c.conf", self.fill(
            SERVER.replace("{SSL}", f"{{{expired.yaml}}}"))))
        self.assertEqual((done.returncode, done.stderr.count("has expired")), (0, 1))

    def test_h2o_process_settings(self):
        """The settings of h2o's helper processes are accepted, and a warning names each once."""
        self.connect(self.serve_tls("neverbleed: ON, ocsp-update-cmd: x, ocsp-update-interval: 0, "
                                    "ocsp-max-failures: 3"))
        warnings = "\n".join(self.daemon.status(self.name)["warnings"])
        self.assertEqual([warnings.count(f"`{name}`") for name in (
            "neverbleed", "ocsp-update-cmd", "ocsp-update-interval", "ocsp-max-failures")], [1] * 4)


class Credentials(TlsCase):
    @classmethod
    def setUpClass(cls):
        cls.credentials = tempfile.TemporaryDirectory(prefix="sluice-conf-")
        cls.environment = {"CREDENTIALS_DIRECTORY": cls.credentials.name}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.credentials.cleanup()

    SSL = "{certificate-file: 'credential:it.crt', key-file: 'credential:it.key'}"

    def test_served(self):
        Certificate(self.credentials.name, "127.0.0.1", stem="it")
        self.connect(self.serve(SERVER.replace("{SSL}", self.SSL)))

    def test_name_leads_nowhere_else(self):
        Certificate(self.directory, "127.0.0.1", stem="it")
        for name in ("../it.crt", f"{self.directory}/it.crt", ".it.crt", ""):
            with self.subTest(name=name):
                self.daemon.configure(self.name, SERVER.replace("{SSL}", self.SSL.replace(
                    "it.crt", name)))
                self.assertIn("not the name of a credential", self.assert_bus_error(
                    "InvalidConfig", self.daemon.server, self.name, "Start"))

    def test_none_given(self):
        path = self.file("c.conf", SERVER.replace("{SSL}", self.SSL))
        environment = {name: value for name, value in os.environ.items()
                       if name != "CREDENTIALS_DIRECTORY"}
        self.assertIn("c.conf:2:", check(path, environment).stderr)


if __name__ == "__main__":
    tap.main()
