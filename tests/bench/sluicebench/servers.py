# SPDX-License-Identifier: MIT
"""The servers compared. Each serves `root` on one loopback port.

Equal footing: as many workers each, no access log, keep-alive connections of unlimited length,
plain HTTP/1.1, no compression. For the rest each server's own defaults, with what its documentation
recommends for static files (sendfile for nginx).
"""

import contextlib
import dataclasses
import os
import shutil
import subprocess

from . import Unmeasurable
from .bus import Daemon
from .net import HOST, free_port, wait_serving
from .process import Process


@dataclasses.dataclass(frozen=True)
class Footing:
    """What all servers of a comparison are given: how many workers, and which CPU (None: all)."""

    workers: int = 2
    cpu: int | None = None


def h2o_config(port, root, more=""):
    """An h2o configuration: one loopback listener, `root` at /, and `more` entries of `paths`."""
    return (f"listen: {{host: {HOST}, port: {port}}}\n"
            f"hosts:\n  default:\n    paths:\n      /:\n        file.dir: {root}\n{more}")


class Server:
    """A way to run one HTTP server. `running()` is a context manager that yields it on a port."""

    name = ""
    program = ""
    version_argv = ()
    absent = "not installed"

    def __init__(self, workdir, root, footing):
        """`workdir` is this server's own directory; `root` the directory to serve."""
        self.workdir = workdir
        self.root = root
        self.footing = footing
        self.port = None
        self.process = None

    def installed(self):
        return shutil.which(self.program) is not None

    def version(self):
        """The first line it prints about itself, or None."""
        if not self.installed() or not self.version_argv:
            return None
        done = subprocess.run(self.version_argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=10, check=False, text=True)
        return done.stdout.splitlines()[0] if done.stdout else None

    def __enter__(self):
        """Starts it and waits until it serves the file."""
        os.makedirs(self.workdir, exist_ok=True)
        self.port = free_port()
        self.process = self.start()
        try:
            wait_serving(self.port, self.process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts the server on `self.port`; returns its Process."""
        raise NotImplementedError

    def stop(self):
        self.process.end()

    def file(self, name, text):
        """Writes a file below the work directory; returns its path."""
        path = os.path.join(self.workdir, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def spawn(self, *argv, env=None):
        return Process(argv, os.path.join(self.workdir, f"{self.name}.log"), env=env,
                       cpu=self.footing.cpu)


class Sluice(Server):
    """Our daemon, started on a bus of its own, then its server over that bus."""

    name = "sluice"
    absent = "not built"

    def __init__(self, workdir, root, footing, tools):
        super().__init__(workdir, root, footing)
        self._tools = tools
        self.daemon = None

    def installed(self):
        return self._tools.available()

    def start(self):
        self.daemon = Daemon(self._tools, self.workdir, h2o_config(self.port, self.root),
                             self.footing.workers, self.footing.cpu)
        try:
            with self.daemon.caller() as call:
                call("Start")
        except BaseException:
            self.stop()
            raise
        return self.daemon.process

    def stop(self):
        self.daemon.__exit__()


class H2o(Server):
    name = "h2o"
    program = "h2o"
    version_argv = ("h2o", "--version")

    def start(self):
        # As root h2o would become "nobody", who cannot read the work directory.
        user = "user: root\n" if os.geteuid() == 0 else ""
        config = self.file("h2o.conf", f"{user}num-threads: {self.footing.workers}\n"
                           + h2o_config(self.port, self.root))
        return self.spawn("h2o", "-m", "worker", "-c", config)


class Nginx(Server):
    name = "nginx"
    program = "nginx"
    version_argv = ("nginx", "-v")

    def start(self):
        user = "user root;\n" if os.geteuid() == 0 else ""
        temporary = "".join(f"    {kind}_temp_path {self.workdir}/{kind};\n" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = self.file("nginx.conf", f"""{user}worker_processes {self.footing.workers};
daemon off;
pid {self.workdir}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
{temporary}    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    default_type text/plain;
    server {{
        listen {HOST}:{self.port};
        location / {{ root {self.root}; }}
    }}
}}
""")
        return self.spawn("nginx", "-e", "stderr", "-p", self.workdir, "-c", config)


class Lighttpd(Server):
    name = "lighttpd"
    program = "lighttpd"
    version_argv = ("lighttpd", "-v")

    def start(self):
        # 0 is a single process; from 1 on another one only watches the workers.
        workers = self.footing.workers if self.footing.workers > 1 else 0
        config = self.file("lighttpd.conf", f"""server.document-root = "{self.root}"
server.bind = "{HOST}"
server.port = {self.port}
server.max-worker = {workers}
server.max-keep-alive-requests = 65535
server.upload-dirs = ( "{self.workdir}" )
mimetype.assign = ( ".txt" => "text/plain" )
""")
        return self.spawn("lighttpd", "-D", "-f", config)


class Caddy(Server):
    name = "caddy"
    program = "caddy"
    version_argv = ("caddy", "version")

    def start(self):
        config = self.file("Caddyfile", f"""{{
    admin off
    auto_https off
    servers {{
        protocols h1
    }}
}}
http://{HOST}:{self.port} {{
    bind {HOST}
    root * {self.root}
    file_server
}}
""")
        return self.spawn("caddy", "run", "--adapter", "caddyfile", "--config", config,
                          env={"GOMAXPROCS": str(self.footing.workers), "HOME": self.workdir,
                               "XDG_DATA_HOME": self.workdir, "XDG_CONFIG_HOME": self.workdir})


COMPETITORS = (H2o, Nginx, Lighttpd, Caddy)


def contestants(workdir, root, footing, tools):
    """All servers, ours first, each with its own directory below `workdir`."""
    return [Sluice(os.path.join(workdir, Sluice.name), root, footing, tools),
            *(kind(os.path.join(workdir, kind.name), root, footing) for kind in COMPETITORS)]


class Absent(dict):
    """Why a competitor has no values: {name: text}. Ours must have them, or there is no row."""

    def __init__(self, servers):
        super().__init__((server.name, server.absent) for server in servers
                         if not server.installed())

    @contextlib.contextmanager
    def excused(self, server):
        """Notes that a competitor cannot be measured, and goes on; does not excuse ours."""
        try:
            yield
        except Unmeasurable as problem:
            if isinstance(server, Sluice):
                raise
            self[server.name] = f"not measured: {problem}"
