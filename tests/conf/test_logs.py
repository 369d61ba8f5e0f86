# SPDX-License-Identifier: MIT
"""Access logs: to files, through pipes, over a rotation; and what h2o's program logs and we do not."""

import json
import os
import pathlib

import tap
from sluice import Case, check, get, wait_until

SITE = "\nhosts: {default: {paths: {/: {file.dir: DIR/root}}}}\n"


class Files(Case):
    def setUp(self):
        super().setUp()
        self.file("root/page", "hello")
        self.log = self.directory / "log"

    def logged(self, text, path="/page", *options):
        """The lines logged of one request."""
        get(self.serve("LISTEN\n" + text + SITE) + path, *options)
        return self.log.read_text().splitlines()

    def test_combined(self):
        lines = self.logged("access-log: DIR/log", "/page", "-A", "me", "-e", "http://r/")
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], r'^127\.0\.0\.1 - - \[.*\] "GET /page HTTP/1\.1" 200 5 '
                                   r'"http://r/" "me"$')

    def test_format(self):
        self.assertEqual(self.logged(
            'access-log: {path: DIR/log, format: "%m %U %q %H %s %b %{X-In}i %{content-type}o %%"}',
            "/page?a=b", "-H", "x-in: 1"), ["GET /page ?a=b HTTP/1.1 200 5 1 application/octet-stream %"])

    def test_escape_apache(self):
        lines = self.logged('access-log: {path: DIR/log, format: "%{X-In}i"}', "/page",
                            "-H", 'x-in: a"\\b\xe9')
        self.assertEqual(len(lines), 1)
        self.assertNotIn('"', lines[0])

    def test_escape_json(self):
        lines = self.logged("access-log: {path: DIR/log, escape: json, format: "
                            "'{\"in\": \"%{X-In}i\"}'}", "/page", "-H", 'x-in: a"b')
        self.assertEqual(json.loads(lines[0]), {"in": 'a"b'})

    def test_several(self):
        """The logs of all levels are written."""
        get(self.serve('LISTEN\naccess-log: {path: DIR/a, format: "%s"}\nhosts:\n  default:\n    access'
                       '-log: {path: DIR/b, format: "%m"}\n    paths:\n      /: {file.dir: DIR/root, '
                       'access-log: {path: DIR/c, format: "%U"}}\n') + "/page")
        self.assertEqual([(self.directory / name).read_text() for name in "abc"],
                         ["200\n", "GET\n", "/page\n"])

    def test_only_of_its_path(self):
        self.file("root/x/page", "x")
        url = self.serve_paths("/: {file.dir: DIR/root}\n"
                               '/x: {file.dir: DIR/root/x, access-log: {path: DIR/log, format: "%U"}}')
        get(url + "/page")
        get(url + "/x/page")
        self.assertEqual(self.log.read_text(), "/x/page\n")

    def test_appends(self):
        self.log.write_text("before\n")
        self.assertEqual(self.logged('access-log: {path: DIR/log, format: "%s"}'), ["before", "200"])

    def test_rotation(self):
        """A log that was moved away is opened anew by Reload; until then the old one is written."""
        url = self.serve('LISTEN\naccess-log: {path: DIR/log, format: "%U"}' + SITE)
        get(url + "/1")
        self.log.rename(self.directory / "log.1")
        get(url + "/2")
        self.assertFalse(self.log.exists())
        self.daemon.reload(self.name)
        get(url + "/3")
        self.assertEqual((self.directory / "log.1").read_text(), "/1\n/2\n")
        self.assertEqual(self.log.read_text(), "/3\n")

    def test_rotation_by_the_manager(self):
        """For Manager.Reload and SIGHUP a log that was moved away counts as a change."""
        url = self.serve('LISTEN\naccess-log: {path: DIR/log, format: "%U"}' + SITE)
        self.log.rename(self.directory / "log.1")
        self.daemon.manager("Reload")
        get(url + "/1")
        self.assertEqual(self.log.read_text(), "/1\n")

    def test_closed_by_stop(self):
        self.serve("LISTEN\naccess-log: DIR/log" + SITE)
        self.daemon.server(self.name, "Stop")
        wait_until(lambda: str(self.log) not in self.daemon.descriptors().values(),
                   "for the log to be closed", 10)

    def test_restart(self):
        self.logged('access-log: {path: DIR/log, format: "%s"}')
        self.daemon.server(self.name, "Stop")
        get(self.daemon.server(self.name, "Start")[0][0] + "page")
        self.assertEqual(self.log.read_text(), "200\n200\n")

    def test_http2(self):
        self.assertEqual(self.logged('access-log: {path: DIR/log, format: "%H %s"}', "/page",
                                     "--http2-prior-knowledge"), ["HTTP/2 200"])

    def test_bad_format(self):
        """A format that is wrong is found by --check, as by Start."""
        path = self.daemon.configure(self.name, self.fill(
            'LISTEN\naccess-log: {path: DIR/log, format: "%Z"}' + SITE))
        message = self.assert_bus_error("InvalidConfig", self.daemon.server, self.name, "Start")
        self.assertIn(f"{path}:2:", message)
        self.assertEqual(check(path).returncode, 1)

    def test_no_file_at_all(self):
        os.mkfifo(self.directory / "fifo")
        for what in ("DIR/fifo", "DIR", "DIR/none/log", '""'):
            with self.subTest(what=what):
                path = self.daemon.configure(self.name, self.fill(
                    f"LISTEN\naccess-log: {what}" + SITE))
                message = self.assert_bus_error("InvalidConfig", self.daemon.server, self.name,
                                                "Start")
                self.assertIn(f"{path}:2:13: access-log: ", message)
                self.assertEqual(check(path).returncode, 1)

    def test_endless_device(self):
        """/dev/zero takes what is written to it."""
        self.assertEqual(get(self.serve("LISTEN\naccess-log: /dev/zero" + SITE) + "/page").text,
                         "hello")

    def test_full_disk(self):
        """A line that cannot be written is lost, not the request."""
        self.assertEqual(get(self.serve("LISTEN\naccess-log: /dev/full" + SITE) + "/page").text,
                         "hello")


class Pipes(Case):
    def setUp(self):
        super().setUp()
        self.file("root/page", "hello")
        self.log = self.directory / "log"
        self.others = self.daemon.children().keys()

    def loggers(self):
        return {pid: state for pid, state in self.daemon.children().items()
                if pid not in self.others}

    def start(self, command="exec cat >> DIR/log"):
        """A site that logs paths through a program."""
        return self.serve(f"LISTEN\naccess-log: {{path: '|{command}', format: '%U'}}" + SITE)

    def test_written(self):
        get(self.start() + "/page")
        wait_until(lambda: self.log.exists() and self.log.read_text() == "/page\n", "for the line")

    def test_one_per_generation(self):
        """Reload starts another and lets the one before end at the end of its input."""
        self.start()
        for _ in range(10):
            self.daemon.reload(self.name)
        wait_until(lambda: len(self.loggers()) == 1, "for the old loggers to end", 10)

    def test_nothing_is_lost_over_reloads(self):
        url = self.start()
        paths = [f"/{number}" for number in range(10)]
        for path in paths:
            get(url + path)
            self.daemon.reload(self.name)
        wait_until(lambda: sorted(self.log.read_text().split()) == paths, "for all lines")

    def test_ends_with_stop(self):
        self.start()
        self.daemon.server(self.name, "Stop")
        wait_until(lambda: not self.loggers(), "for the logger to end", 10)

    def test_no_zombie(self):
        """A logger that dies is nobody's to wait for, and stays nobody's child."""
        self.start("exec true")
        for _ in range(5):
            self.daemon.reload(self.name)
        wait_until(lambda: not self.loggers(), "for the dead to be gone", 10)

    def test_dead_logger_does_not_stop_requests(self):
        url = self.start("exec true")
        wait_until(lambda: not self.loggers(), "for the logger to die")
        self.assertEqual([get(url + "/page").text for _ in range(3)], ["hello"] * 3)

    def test_signals_reach_it(self):
        """No signal is blocked in it, so that SIGTERM ends it as any program."""
        self.start()
        logger, = self.loggers()
        status = pathlib.Path(f"/proc/{logger}/status").read_text()
        self.assertIn("SigBlk:\t0000000000000000", status)

    def test_inherits_no_descriptors(self):
        """Nothing of ours is open in it: not a listener, nor the other end of another's pipe."""
        self.start("exec sleep 300")
        logger, = self.loggers()
        open_there = {entry.name: os.readlink(entry)
                      for entry in pathlib.Path(f"/proc/{logger}/fd").iterdir()}
        self.assertEqual(set(open_there) - {"0", "1", "2"}, set(), open_there)
        os.kill(logger, 9)

    def test_check_starts_nothing(self):
        path = self.file("c.conf", self.fill("LISTEN\naccess-log: '|touch DIR/started'" + SITE))
        self.assertEqual(check(path).returncode, 0)
        self.assertFalse((self.directory / "started").exists())


class Ignored(Case):
    NAMES = {"user": "nobody", "pid-file": "DIR/pid", "error-log": "DIR/error",
             "crash-handler": "/bin/true", "crash-handler.wait-pipe-close": "ON",
             "num-ocsp-updaters": "2"}

    def test_each_once(self):
        """A warning with its place, in Status and once in the log; nothing is made of it."""
        lines = [f"{name}: {value}" for name, value in self.NAMES.items()]
        self.serve("\n".join(lines) + "\nLISTEN" + SITE.replace("/root", ""))
        warnings = self.daemon.status(self.name)["warnings"]
        path = self.daemon.file(self.name)
        self.assertEqual(len(warnings), len(lines))
        for number, (name, warning) in enumerate(zip(self.NAMES, warnings), 1):
            self.assertRegex(warning, rf"^{path}:{number}:\d+: {name}: ignored")
            self.assertEqual(self.daemon.log().count(warning), 1)
        self.assertEqual({entry.name for entry in self.directory.iterdir()}, set())

    def test_check(self):
        """--check says so, too, and is content."""
        done = check(self.file("c.conf", self.fill("pid-file: DIR/pid\nLISTEN" + SITE.replace(
            "DIR/root", "DIR"))))
        self.assertEqual(done.returncode, 0)
        self.assertIn("c.conf:1:11: pid-file: ignored", done.stderr)

    def test_mruby(self):
        """mruby is refused with the line of the handler; of a block that is its first line."""
        handlers = {"mruby.handler": "|\n          Proc.new {|env| [200, {}, []]}",
                    "mruby.handler-file": "DIR/handler.rb", "mruby.handler_path": "DIR/handler.rb"}
        for name, value in handlers.items():
            with self.subTest(name=name):
                path = self.daemon.configure(self.name, self.fill(
                    "LISTEN\nhosts:\n  default:\n    paths:\n      /:\n"
                    f"        {name}: {value}\n        file.dir: DIR\n"))
                message = self.assert_bus_error("InvalidConfig", self.daemon.server, self.name,
                                                "Start")
                line = 7 if value.startswith("|") else 6
                self.assertRegex(message, rf"^{path}:{line}:\d+: {name}: mruby is not part of Sluice")


if __name__ == "__main__":
    tap.main()
