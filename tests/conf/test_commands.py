# SPDX-License-Identifier: MIT
"""Every command of the table in commands.py: accepted, run and reloaded where it is right, refused
with its place where it is wrong; and no command of h2o is missing from the table."""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import tap
from certificate import Certificate
from commands import COMMANDS, FILES, LEVELS, MRUBY, configuration, mistakes
from bus import BusError
from sluice import Case, CurlFailed, check, get

DOCUMENTATION = pathlib.Path("/usr/share/doc/h2o/configure")
# Anchors in the documentation that are no commands.
NO_COMMAND = re.compile(r"^(main|menu|top|body|footer|search|note_|listen-|ssl-session-resumption-|"
                        r"close_search|server-push$|prioritization$|latency-optimization$)")
# Properties of `ssl`, which test_tls.py is about.
SSL = {"certificate-file", "key-file", "dh-file", "min-version", "minimum-version",
       "maximum-version", "cipher-suite", "cipher-preferences", "neverbleed",
       "ocsp-update-interval", "ocsp-max-failures"}


class Commands(Case):
    def setUp(self):
        super().setUp()
        for name, content in FILES.items():
            self.file(name, content)
        Certificate(self.directory, "x", stem="it")
        os.rename(self.directory / "it.crt", self.directory / "cert.pem")
        os.rename(self.directory / "it.key", self.directory / "key.pem")
        os.mkfifo(self.directory / "fifo")

    def check_all(self, cases, wrong_with):
        """Runs --check for each (command, level, value, ...), and collects what is wrong."""
        def check_one(number, case):
            command, level, value = case[:3]
            text, line = configuration(level, command.name, value)
            path = self.file(f"{number}.conf", text.replace("DIR", str(self.directory)))
            try:
                done = check(path)
            except subprocess.TimeoutExpired:
                return f"{case[1:]}: {command.name}: --check hangs"
            problem = wrong_with(done, path, line, command)
            return problem and f"{command.name} {case[1:]}: {problem}: {done.stderr.strip()[-300:]}"

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            problems = [problem for problem in pool.map(check_one, range(len(cases)), cases)
                        if problem]
        self.assertEqual(problems, [], "\n".join(["", *problems]))

    def test_accepted(self):
        def wrong_with(done, path, line, command):
            if done.returncode != 0:
                return f"status {done.returncode}"
            if command.ignored and not re.search(f"{path}:{line}:\\d+: {command.name}: ignored",
                                                 done.stderr):
                return "no word about being ignored"
            return None
        self.check_all([(command, level, value) for command in COMMANDS
                        for level in command.levels for value in command.good], wrong_with)

    def test_refused(self):
        """Exit status 1, and a message that begins with FILE:LINE:COLUMN of the command."""
        def wrong_with(done, path, line, command):
            if done.returncode != 1:
                return f"status {done.returncode}"
            if not re.search(rf"^(<\d>)?{path}:{line}:\d+: .", done.stderr, re.M):
                return "no message with its place"
            return None
        self.check_all([(command, level, value, what) for command in COMMANDS
                        for what, level, value in mistakes(command)], wrong_with)

    def test_run(self):
        """Each is started, asked for a page, reloaded, asked again, and stopped."""
        problems = []
        for command in COMMANDS:
            # What cannot answer because its programs or addresses are made up still has to run.
            for level in command.levels:
                for value in command.good:
                    text = configuration(level, command.name, value)[0]
                    problem = self.run_one(text.replace("DIR", str(self.directory)))
                    if problem:
                        problems.append(f"{command.name} at {level}: {value}: {problem}")
        self.assertEqual(problems, [], "\n".join(["", *problems]))

    def run_one(self, text):
        self.daemon.configure(self.name, text)
        try:
            urls = self.daemon.server(self.name, "Start")[0]
            for _ in range(2):
                self.fetch(urls)
                self.daemon.server(self.name, "Reload")
            self.fetch(self.daemon.status(self.name)["Listen"])
            self.daemon.server(self.name, "StopWithOptions", "a{sv}", {"timeout-usec": ("t", 0)})
        except (BusError, CurlFailed) as error:
            self.assertNotIsInstance(error, BusError, f"{error} with\n{text}")
            return str(error)
        return None

    @staticmethod
    def fetch(urls):
        for url in urls:
            if url.startswith("http://127.0.0.1:"):
                try:
                    get(f"{url}page.html", "-H", "accept-encoding: gzip", timeout=0.3)
                except CurlFailed as error:
                    if error.code != 28:  # a time limit: nobody answers behind the proxy
                        raise

    def test_check_config(self):
        """CheckConfig over the bus finds the same mistakes as --check."""
        problems = []
        for command in COMMANDS:
            for what, level, value in list(mistakes(command))[:2]:
                text, line = configuration(level, command.name, value)
                message = self.assert_bus_error("InvalidConfig", self.daemon.manager, "CheckConfig",
                                                "s", text.replace("DIR", str(self.directory)))
                if not re.match(rf"config:{line}:\d+: .", message):
                    problems.append(f"{command.name} {what} {level} {value}: {message}")
        self.assertEqual(problems, [])

    def test_all_levels_are_there(self):
        for command in COMMANDS:
            self.assertLessEqual(set(command.levels), set(LEVELS), command.name)

    @unittest.skipUnless(DOCUMENTATION.exists(), "the package h2o-doc is not installed")
    def test_none_is_missing(self):
        """Whatever the documentation has an anchor for is in the table."""
        names = set()
        for page in DOCUMENTATION.glob("*_directives.html"):
            names.update(re.findall(r'id="([a-z][^"]*)"', page.read_text()))
        names = {name for name in names if not NO_COMMAND.match(name)}
        known = {command.name for command in COMMANDS} | set(MRUBY) | SSL
        self.assertEqual(names - known, set())


class Texts(unittest.TestCase):
    """Files that are hardly configurations; each is refused in time, with status 1 and a place."""

    SITE = "hosts: {default: {paths: {/: {file.dir: /}}}}\n"

    def refused(self, content, place=r"\d+:\d+"):
        with tempfile.NamedTemporaryFile(suffix=".conf") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode())
            stream.flush()
            done = check(stream.name, timeout=20)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, rf"(?m)^(<\d>)?{stream.name}:{place}: .")

    def test_empty(self):
        for content in ("", "\n", "# nothing\n", "---\n", "{}\n", "[]\n", "word\n", "~\n"):
            with self.subTest(content=content.strip()):
                self.refused(content)

    def test_broken_yaml(self):
        for content in ("a: [", "a: b: c", "\ta: b", "'", "a: *b", "? [", "%YAML 9.9\n---\na: b",
                        "a: &x [*x]", "{a: b", "!!binary |\n ==="):
            with self.subTest(content=content):
                self.refused(content)

    def test_bytes(self):
        for content in (b"\xff\xfe\xfd", b"a: \x00b", b"\x80: 1", b"a: \xc3", b"\x1b[0m: 1"):
            with self.subTest(content=content.hex()):
                self.refused(content)

    def test_deep(self):
        for deep in ("a: " + "[" * 200000, "{a: " * 100000, "- " * 200000, "? " * 200000):
            with self.subTest(deep=deep[:8]):
                self.refused(deep)

    def test_wide(self):
        """A small text that aliases make large."""
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
        self.refused("\n".join(lines))

    def test_large(self):
        self.refused("a: " + "x" * 2000000)

    def test_key_is_no_string(self):
        self.refused("[a]: b\nlisten: 0\n" + self.SITE, "1:1")

    def test_unknown_command(self):
        self.refused("listen: 0\nnothing: 1\n" + self.SITE, "2:1")

    def test_no_listen(self):
        self.refused(self.SITE)

    def test_no_hosts(self):
        self.refused("listen: 0\n")

    def test_file_tag(self):
        """!file of what is no file ends in an error that names it."""
        for target in ("/dev/zero", "/", "/nonexistent", "/dev/stdin"):
            with self.subTest(target=target):
                with tempfile.NamedTemporaryFile("w", suffix=".conf") as stream:
                    stream.write(f"listen: 0\nhosts: !file {target}\n")
                    stream.flush()
                    done = check(stream.name)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"{target}:1:1: cannot read the file", done.stderr)

    def test_many_mistakes_at_once(self):
        self.refused("listen: x\nhosts: 1\nfile.dir: /\nnothing: 2\n", "1:9")

    def test_no_file_at_all(self):
        for path in ("/", "/dev/zero", "/dev/null", "/nonexistent"):
            with self.subTest(path=path):
                done = check(path)
                self.assertEqual(done.returncode, 1)
                self.assertIn(path, done.stderr)

    def test_fifo(self):
        with tempfile.TemporaryDirectory() as directory:
            os.mkfifo(f"{directory}/fifo")
            self.assertEqual(check(f"{directory}/fifo").returncode, 1)


if __name__ == "__main__":
    tap.main()
