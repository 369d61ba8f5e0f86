# SPDX-License-Identifier: MIT
"""Certificates that sign themselves, made by openssl."""

import pathlib
import subprocess

CA_CONFIG = """[ca]
default_ca = it
[it]
new_certs_dir = {directory}
database = {directory}/index
serial = {directory}/serial
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def openssl(*arguments, **options):
    """Runs openssl; its output as text."""
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, **options).stdout


class Certificate:
    """A certificate for some names, in NAME.crt and NAME.key of a directory. With `expired` it was
    good for a month in 2020; with a `passphrase` its key is sealed."""

    made = 0

    def __init__(self, directory, *names, expired=False, passphrase=None, stem=None):
        Certificate.made += 1
        self.names = names
        stem = pathlib.Path(directory) / (stem or f"certificate-{Certificate.made}")
        self.file, self.key = f"{stem}.crt", f"{stem}.key"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key)
        subject = ["-subj", f"/CN={names[0]} {Certificate.made}"]
        if expired:
            self.make_expired(stem, subject)
        else:
            kinds = ",".join(("IP:" if name[0].isdigit() else "DNS:") + name for name in names)
            openssl("req", "-x509", "-new", "-key", self.key, *subject, "-days", 30,
                    "-addext", f"subjectAltName={kinds}", "-out", self.file)
        if passphrase is not None:
            openssl("pkey", "-in", self.key, "-aes128", "-passout", f"pass:{passphrase}",
                    "-out", self.key + ".sealed")
            self.key += ".sealed"

    def make_expired(self, stem, subject):
        directory = pathlib.Path(f"{stem}.ca")
        directory.mkdir()
        (directory / "index").touch()
        (directory / "serial").write_text("01\n")
        (directory / "conf").write_text(CA_CONFIG.format(directory=directory))
        openssl("req", "-new", "-key", self.key, *subject, "-out", directory / "csr")
        openssl("ca", "-batch", "-selfsign", "-config", directory / "conf", "-keyfile", self.key,
                "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext",
                "-in", directory / "csr", "-out", self.file)

    @property
    def pair(self):
        return self.file, self.key

    @property
    def yaml(self):
        """The properties for `ssl`, on one line."""
        return f"certificate-file: {self.file}, key-file: {self.key}"

    @property
    def serial(self):
        return openssl("x509", "-in", self.file, "-noout", "-serial").strip()
