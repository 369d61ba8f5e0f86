# SPDX-License-Identifier: MIT
"""A certificate for "localhost" in the container, and requests that trust it."""


def make_certificate(machine, directory, key_mode="644"):
    """Writes DIRECTORY/cert.pem and DIRECTORY/key.pem."""
    machine.run("mkdir", "-p", directory)
    machine.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem")
    machine.run("chmod", key_mode, f"{directory}/key.pem")


def settings(directory=None, certificate="cert.pem", key="key.pem"):
    """The `ssl` part of a listen entry, with files of a directory or with credentials."""
    where = f"{directory}/" if directory else "credential:"
    return f"  ssl:\n    certificate-file: {where}{certificate}\n    key-file: {where}{key}"


def get(machine, url, certificate="/etc/sluice/tls/cert.pem", check=True):
    """curl(1), with that certificate as the only authority."""
    return machine.run("curl", "--silent", "--show-error", "--max-time", "10", "--cacert",
                       certificate, url, check=check)
