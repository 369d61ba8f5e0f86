# SPDX-License-Identifier: MIT
"""What is documented works inside the sandbox, and what does not says why."""

import re
import resource

from .. import tls, web
from ..bus import ERROR
from ..sluice import SCRATCH, SERVICE, SOCKET, TEMPLATE
from ..tap import case, expect, expect_equal, say, wait_for

EXPOSURE_MAX = 1.5
CAP_NET_BIND_SERVICE = 10


@case("process")
def process(sluice):
    """A user of its own, one capability, seccomp, and no way to more."""
    sluice.bus.manager("Start")
    status = sluice.process_status()
    uid = int(status["Uid"].split()[0])
    expect(uid != 0, "the daemon runs as root")
    found = {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")}
    allowed = 1 << CAP_NET_BIND_SERVICE
    expect(not any(mask & ~allowed for mask in found.values()), f"capabilities: {found}")
    expect_equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), "NoNewPrivs and Seccomp")


@case("exposure")
def exposure(sluice):
    for unit in (SERVICE, TEMPLATE.replace("@", "@blog")):
        out = sluice.machine.run("systemd-analyze", "security", "--no-pager", unit).out
        match = re.search(r"Overall exposure level for \S+: ([\d.]+)", out)
        expect(match, out)
        say(match[0])
        if unit == SERVICE:
            # "✗ PrivateNetwork=   ... 0.5" are the lines that count.
            say("\n".join(line for line in out.splitlines() if line.startswith("✗")))
            expect(float(match[1]) <= EXPOSURE_MAX, f"the exposure is {match[1]}")


@case("verify")
def verify(sluice):
    """systemd-analyze verify has nothing to say about any unit that is installed."""
    for scope in ("system", "user"):
        directory = f"/usr/lib/systemd/{scope}"
        names = sluice.machine.run("sh", "-c", f"cd {directory} && ls -d *luice*").out.split()
        expect(len(names) >= 2, f"only {names} in {directory}")
        units = [name.replace("@.", "@blog.") for name in names
                 if name.endswith((".service", ".socket"))]
        done = sluice.machine.run("systemd-analyze", "verify", f"--{scope}", "--man=no", *units,
                                  check=False, env={"XDG_RUNTIME_DIR": SCRATCH, "HOME": SCRATCH})
        ours = [line for line in (done.err + done.out).splitlines() if "luice" in line]
        expect(done.status == 0 and not ours, f"{scope}: {done}")
        say(f"{scope}: {', '.join(units)}")


@case("manual")
def manual(sluice):
    """The manual pages that the units name are there."""
    pages = set()
    for unit in (SERVICE, SOCKET, TEMPLATE.replace("@", "@blog")):
        pages |= set(sluice.units.show(unit, "Documentation").replace('"', "").split())
    expect(pages, "no Documentation=")
    for page in pages:
        match = re.fullmatch(r"man:(\S+)\((\d)\)", page)
        expect(match, f"Documentation={page}")
        found = sluice.machine.run("sh", "-c", f"ls /usr/share/man/man{match[2]}/{match[1]}.*",
                                   check=False)
        expect(found.status == 0, f"{page} is not installed")


@case("roots")
def roots(sluice):
    """Documents below /srv and /var/www, where they usually are."""
    sluice.configure("srv", "127.0.0.1:8081", root="/srv/site")
    sluice.configure("var", "127.0.0.1:8082", root="/var/www/html")
    sluice.bus.manager("Start")
    found = [web.get(("127.0.0.1", port)).body for port in (8081, 8082)]
    expect_equal(found, ["srv\n", "var\n"], "answers")


@case("home")
def home(sluice):
    """/home is out of reach; Start says that it is so, where it is said, and what keeps it out."""
    sluice.configure("blog", "127.0.0.1:8081", root="/home/alice/www")
    name, message = sluice.bus.server_error("blog", "Start")
    expect_equal(name, f"{ERROR}InvalidConfig", "the error")
    expect(re.match(r"/etc/sluice/servers/blog\.conf:\d+:\d+: .*/home/alice/www", message) and
           "ProtectHome" in message, f"the message: {message}")
    expect_equal(sluice.bus.state("blog"), "failed", "State")


@case("home/run-user")
def home_run_user(sluice):
    """The same goes for /root."""
    sluice.configure("blog", "127.0.0.1:8081", root="/root/www")
    message = sluice.bus.server_error("blog", "Start")[1]
    expect("ProtectHome" in message, f"the message: {message}")


@case("unreadable")
def unreadable(sluice):
    """A document root that the service's user may not enter."""
    sluice.configure("blog", "127.0.0.1:8081", root="/srv/secret")
    sluice.machine.run("chmod", "700", "/srv/secret")
    sluice.bus.server("blog", "Start")
    expect_equal(web.get(("127.0.0.1", 8081)).status, 403, "the answer")


@case("tls/credentials")
def credentials(sluice):
    """A key that only root can read comes by LoadCredential=."""
    tls.make_certificate(sluice.machine, "/etc/sluice/tls", key_mode="600")
    sluice.settings("LoadCredential=blog.pem:/etc/sluice/tls/cert.pem",
                    "LoadCredential=blog.key:/etc/sluice/tls/key.pem")
    sluice.configure("blog", "127.0.0.1:8443", ssl=tls.settings(None, "blog.pem", "blog.key"))
    sluice.bus.server("blog", "Start")
    expect_equal(tls.get(sluice.machine, "https://localhost:8443/").out, "blog\n", "the answer")


@case("tls/key-unreadable")
def key_unreadable(sluice):
    """Such a key named by its path is an error that names the path and the way out."""
    tls.make_certificate(sluice.machine, "/etc/sluice/tls", key_mode="600")
    sluice.configure("blog", "127.0.0.1:8443", ssl=tls.settings("/etc/sluice/tls"))
    name, message = sluice.bus.server_error("blog", "Start")
    expect_equal(name, f"{ERROR}InvalidConfig", "the error")
    expect("/etc/sluice/tls/key.pem" in message, f"the message: {message}")


@case("unix-socket")
def unix_socket(sluice):
    """A Unix socket below /run/sluice, with its permissions."""
    sluice.configure("blog", "/run/sluice/blog.sock")
    sluice.bus.server("blog", "Start")
    done = sluice.machine.run("curl", "--silent", "--show-error", "--unix-socket",
                              "/run/sluice/blog.sock", "http://localhost/", user="alice")
    expect_equal(done.out, "blog\n", "what alice gets")
    sluice.bus.server("blog", "Stop")
    expect(not sluice.machine.exists("/run/sluice/blog.sock"), "the socket's file is left")


@case("privileged-port")
def privileged_port(sluice):
    sluice.configure("blog", "127.0.0.1:80")
    expect_equal(sluice.bus.server("blog", "Start"), ["http://127.0.0.1:80/"], "Start")
    expect_equal(web.get(("127.0.0.1", 80)).body, "blog\n", "the answer")


@case("upstream/tcp")
def upstream_tcp(sluice):
    """A server behind it on the loopback."""
    sluice.machine.write("/srv/behind/index.html", "behind\n")
    sluice.units.write("test-behind.service",
                       "[Service]\nExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 "
                       "--directory /srv/behind 9000\nStandardError=null\n")
    sluice.units.systemctl("start", "test-behind.service")
    wait_for(lambda: web.get(("127.0.0.1", 9000)).status == 200, "the upstream answers")
    sluice.configure("blog", "127.0.0.1:8081", root=None,
                     paths='      "/":\n        proxy.reverse.url: http://127.0.0.1:9000/\n')
    sluice.bus.server("blog", "Start")
    expect_equal(web.get(("127.0.0.1", 8081)).body, "behind\n", "the answer")


@case("upstream/unix")
def upstream_unix(sluice):
    """One on a Unix socket: here another server of ours."""
    sluice.configure("behind", "/run/sluice/behind.sock")
    sluice.configure("blog", "127.0.0.1:8081", root=None,
                     paths='      "/":\n        proxy.reverse.url: '
                           '"http://[unix:/run/sluice/behind.sock]/"\n')
    sluice.bus.manager("Start")
    expect_equal(web.get(("127.0.0.1", 8081)).body, "behind\n", "the answer")


@case("upstream/name")
def upstream_name(sluice):
    """An upstream by its name, which is looked up in a thread of its own."""
    sluice.configure("behind", "127.0.0.1:9000")
    sluice.configure("blog", "127.0.0.1:8081", root=None,
                     paths='      "/":\n        proxy.reverse.url: http://localhost:9000/\n')
    sluice.bus.manager("Start")
    expect_equal(web.get(("127.0.0.1", 8081)).body, "behind\n", "the answer")


@case("large-body")
def large_body(sluice):
    """An answer that is buffered in a temporary file."""
    sluice.machine.run("sh", "-c", "mkdir /srv/behind; "
                       "head -c 50000000 /dev/zero >/srv/behind/big")
    sluice.configure("behind", "127.0.0.1:9000")
    sluice.configure("blog", "127.0.0.1:8081", root=None,
                     paths='      "/":\n        proxy.reverse.url: http://127.0.0.1:9000/\n')
    sluice.bus.manager("Start")
    done = sluice.machine.run("sh", "-c", "curl --silent --limit-rate 30M "
                              "http://127.0.0.1:8081/big | wc -c")
    expect_equal(int(done.out), 50000000, "bytes")


@case("access-log/file")
def access_log_file(sluice):
    """A log in the service's state directory."""
    sluice.configure("blog", "127.0.0.1:8081", top='access-log: /var/lib/sluice/access.log')
    sluice.bus.server("blog", "Start")
    web.get(("127.0.0.1", 8081))
    wait_for(lambda: "GET / HTTP/1.1" in sluice.machine.read("/var/lib/sluice/access.log"),
             "the request is in the log")


@case("access-log/program")
def access_log_program(sluice):
    sluice.configure("blog", "127.0.0.1:8081",
                     top='access-log: "|cat >>/var/lib/sluice/program.log"')
    sluice.bus.server("blog", "Start")
    web.get(("127.0.0.1", 8081))
    wait_for(lambda: sluice.machine.exists("/var/lib/sluice/program.log") and
             "GET / HTTP/1.1" in sluice.machine.read("/var/lib/sluice/program.log"),
             "the request is in the log")


@case("reload-by-signal")
def reload_by_signal(sluice):
    """ExecReload= of the unit finds new servers."""
    sluice.bus.manager("Status")
    sluice.configure("late", "127.0.0.1:8081")
    sluice.units.systemctl("reload", SERVICE)
    wait_for(lambda: "late" in [entry[0] for entry in sluice.bus.manager("ListServers")],
             "the new server is there")


@case("limits")
def limits(sluice):
    """LimitNOFILE= of the unit leaves room for many connections, as far as the host lets us."""
    sluice.bus.manager("Status")
    expect(int(sluice.units.show(SERVICE, "LimitNOFILE")) >= 65536, "LimitNOFILE= is too small")
    with open(f"{sluice.process()}/limits", encoding="ascii") as file:
        line, = (line for line in file if line.startswith("Max open files"))
    wanted = min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    expect(int(line.split()[3]) >= wanted, line)


@case("shipped")
def shipped(sluice):
    """The unit as the design has it."""
    sluice.bus.manager("Status")
    found = sluice.units.show(SERVICE, "Type", "BusName", "Restart", "WatchdogUSec",
                              "FileDescriptorStoreMax", "RuntimeDirectoryPreserve", "NotifyAccess")
    expect_equal((found["Type"], found["BusName"], found["Restart"]),
                 ("dbus", "org.sluice.Sluice1", "on-failure"), "Type=, BusName=, Restart=")
    expect(found["WatchdogUSec"] not in ("", "0", "infinity"), "WatchdogSec= is not set")
    expect(int(found["FileDescriptorStoreMax"]) >= 100, "FileDescriptorStoreMax= is too small")
    expect(found["RuntimeDirectoryPreserve"] in ("restart", "yes"), "RuntimeDirectoryPreserve=")
    found = sluice.units.show(SOCKET, "Listen", "FileDescriptorName")
    expect_equal(found, {"Listen": "127.0.0.1:8080 (Stream)", "FileDescriptorName": "default"},
                 SOCKET)
