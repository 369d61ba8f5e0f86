# SPDX-License-Identifier: MIT
"""The container: a copy of the running root file system with Sluice in it, booted by systemd.

What is changed in it lives in memory and is gone with it. Programs are run in it with nsenter(1),
as root or as one of the USERS; files are read and written through /proc, as it sees them.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time

from . import Failure, Unusable, install, jail

# Unprivileged; nobody has said anything about them to polkit.
USERS = {"alice": 59001, "bob": 59002}

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "SYSTEMD_PAGER": "",
    "SYSTEMD_COLORS": "0",
}

# For what is preloaded into the daemon, which may not see much else.
TEST_LIBRARY_DIR = "/usr/lib/sluice-test"

# Needs a terminal, a network, or is only in the way.
MASKED = ("console-getty.service", "getty@.service", "systemd-networkd.service",
          "systemd-resolved.service", "systemd-timesyncd.service", "systemd-firstboot.service",
          "e2scrub_reap.service", "ldconfig.service", "systemd-hwdb-update.service",
          "systemd-journal-catalog-update.service", "systemd-update-done.service")

TOOLS = ("systemd-nspawn", "nsenter", "setpriv", "busctl", "systemctl", "gdbus", "pkcheck",
         "pkttyagent", "curl", "wrk", "dbus-daemon", "meson", "useradd", "openssl")


def check_host():
    """Raises Unusable unless this is a host on which the container can be booted."""
    if os.geteuid() != 0:
        raise Unusable("only root can boot a container")
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise Unusable(f"{tool} is not installed")
    if not os.path.exists("/usr/lib/polkit-1/polkitd"):
        raise Unusable("polkitd is not installed")


def _kill_tree(pid):
    """nsenter(1) leaves its program alone when it is killed itself."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            for child in file.read().split():
                _kill_tree(int(child))
        os.kill(pid, signal.SIGKILL)


class Done:
    """What a program did: `status`, `out`, `err`."""

    def __init__(self, argv, status, out, err):
        self.argv = argv
        self.status = status
        self.out = out
        self.err = err

    def __str__(self):
        return f"{' '.join(self.argv)}: status {self.status}: {(self.err + self.out).strip()}"


class Machine:
    def __init__(self, directory, group):
        self.directory = directory
        self.group = group
        self.root = f"{directory}/root"
        self.nspawn = None
        self.leader = None

    # ---- Before it is booted ----

    def create(self, build, extra=()):
        """The file system, with `build` installed; trees of `extra` files go on top."""
        for name in ("root", "upper", "work"):
            os.mkdir(f"{self.directory}/{name}")
        # Which user the root directory belongs to and who may enter it is the upper one's matter.
        os.chmod(f"{self.directory}/upper", 0o755)
        jail.mount("overlay", self.root, "overlay",
                   options=f"lowerdir=/,upperdir={self.directory}/upper,"
                           f"workdir={self.directory}/work")
        self._make_pristine()
        install.install(build, self.root)
        os.makedirs(f"{self.root}{TEST_LIBRARY_DIR}")
        shutil.copy(f"{build}/tests/system/clockjump.so", f"{self.root}{TEST_LIBRARY_DIR}")
        for tree in extra:
            subprocess.run(["cp", "-RT", "--remove-destination", tree, self.root], check=True)
        for name, uid in USERS.items():
            # Status 6: there is none of that name on the host.
            subprocess.run(["userdel", "--prefix", self.root, "--force", name],
                           stderr=subprocess.DEVNULL, check=False)
            subprocess.run(["useradd", "--prefix", self.root, "--uid", str(uid), "--user-group",
                            "--create-home", "--shell", "/bin/bash", name], check=True)

    def _make_pristine(self):
        """As the packages have left it: nothing that was enabled or configured on the host."""
        etc = f"{self.root}/etc"
        for name in ("systemd/system", "systemd/user"):
            shutil.rmtree(f"{etc}/{name}", ignore_errors=True)
            os.makedirs(f"{etc}/{name}")
        for name in os.listdir(etc):
            if name.startswith("rc") and name.endswith(".d"):
                shutil.rmtree(f"{etc}/{name}")
        for name in ("fstab", "machine-id"):
            with open(f"{etc}/{name}", "w", encoding="ascii"):
                pass
        # A bare installation may have none; and one address, as a proxy picks any.
        with open(f"{etc}/hosts", "w", encoding="ascii") as file:
            file.write("127.0.0.1 localhost\n")
        # What hangs is killed before the case's time is over.
        for scope in ("system", "user"):
            os.makedirs(f"{etc}/systemd/{scope}.conf.d", exist_ok=True)
            with open(f"{etc}/systemd/{scope}.conf.d/test.conf", "w", encoding="ascii") as file:
                file.write("[Manager]\nDefaultTimeoutStopSec=15s\n")
        for unit in MASKED:
            os.symlink("/dev/null", f"{etc}/systemd/system/{unit}")
        # They look for disks, consoles and the like, at each daemon-reload.
        for scope in ("system", "user"):
            masked = f"{etc}/systemd/{scope}-generators"
            os.makedirs(masked, exist_ok=True)
            for name in os.listdir(f"{self.root}/usr/lib/systemd/{scope}-generators"):
                if not os.path.lexists(f"{masked}/{name}"):
                    os.symlink("/dev/null", f"{masked}/{name}")

    # ---- Booting ----

    def boot(self, timeout_s=60):
        with open(f"{self.directory}/console.log", "wb") as log:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", f"--directory={self.root}", "--machine=sluice",
                 "--register=no", "--keep-unit", "--boot", "--private-network",
                 "--link-journal=no", "--rlimit=RLIMIT_NOFILE=1024:524288",
                 "--resolv-conf=off", "--timezone=off", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                preexec_fn=self.group.enter)
        deadline = time.monotonic() + timeout_s
        state = "never reached"
        while state not in ("running", "degraded"):
            if self.nspawn.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the container has not booted ({state}):\n{self.console()}")
            time.sleep(0.05)
            self.leader = self.leader or self._find_leader()
            if self.leader:
                state = self.run("systemctl", "is-system-running", check=False).out.strip()
        jail.enter_network(self.leader)
        self.run("ip", "link", "set", "lo", "up")

    def _find_leader(self):
        """The container's process 1: the child of systemd-nspawn in another PID namespace."""
        pid = self.nspawn.pid
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                for child in file.read().split():
                    if os.readlink(f"/proc/{child}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                        return int(child)
        return None

    def console(self):
        with open(f"{self.directory}/console.log", encoding="utf-8", errors="replace") as file:
            return file.read()

    # ---- Programs ----

    def argv(self, *argv, user=None, env=None):
        """The command line that runs `argv` in there."""
        variables = {**ENVIRONMENT, **(env or {})}
        enter = ["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net",
                 "--pid", "--cgroup", "--wdns=/", "--",
                 "env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        if user:
            enter += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [*enter, *argv]

    def spawn(self, *argv, user=None, env=None, **options):
        """A Popen of a program in there; it dies with the tests, or when its pipes close."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.argv(*argv, user=user, env=env), text=True, errors="replace",
                                **options)

    def run(self, *argv, user=None, env=None, check=True, stdin=None, timeout_s=30):
        """Runs a program; raises Failure if it fails, unless `check` is false."""
        pipe = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        with self.spawn(*argv, user=user, env=env, stdin=pipe) as process:
            try:
                out, err = process.communicate(stdin, timeout=timeout_s)
            except subprocess.TimeoutExpired:
                _kill_tree(process.pid)
                out, err = process.communicate()
                raise Failure(f"{' '.join(argv)}: no end after {timeout_s} s: "
                              f"{err + out}") from None
        done = Done(argv, process.returncode, out, err)
        if check and done.status != 0:
            raise Failure(str(done))
        return done

    def pid(self, inner):
        """A process's PID as we see it, from what it is in there; None if it is not there."""
        space = os.readlink(f"/proc/{self.leader}/ns/pid")
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{entry}/ns/pid") != space:
                        continue
                    with open(f"/proc/{entry}/status", encoding="ascii", errors="replace") as file:
                        for line in file:
                            if line.startswith("NSpid:") and int(line.split()[-1]) == inner:
                                return int(entry)
        return None

    # ---- Files ----

    def path(self, path):
        """Where a file in there is for us."""
        return f"/proc/{self.leader}/root{path}"

    def exists(self, path):
        return os.path.lexists(self.path(path))

    def read(self, path):
        with open(self.path(path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def write(self, path, text, mode=0o644, owner=None):
        """Writes a file, and makes the directories above it."""
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        data = text if isinstance(text, bytes) else text.encode()
        with open(self.path(path), "wb") as file:
            file.write(data)
        os.chmod(self.path(path), mode)
        if owner:
            self.run("chown", owner, path)

    def remove(self, *paths):
        """Removes files and whole directories; what is not there is fine."""
        self.run("rm", "-rf", "--one-file-system", "--", *paths)
