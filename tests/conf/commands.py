# SPDX-License-Identifier: MIT
"""Every command of h2o 2.2.5: where it may stand, what it takes, what it must refuse.

One Command a command. `levels` are g(lobal), h(ost), p(ath) and e(xtension, that is inside of
file.custom-handler); `types` s(calar), q (a sequence) and m(apping). `good` are values that are
accepted and `bad` ones that are not, as YAML on one line; the wrong types and the wrong levels
follow from the table. `DIR` is a directory with the files of FILES in it.
"""

from dataclasses import dataclass

LEVELS = "ghpe"
ON_OFF = ["ON", "off"]
NOT_ON_OFF = ["maybe", '""', "1"]
NUMBER = ["1", "10"]
NOT_NUMBER = ["some", '""']
HEADER = ['"x-test: 1"', '"x-test:"']
NOT_HEADER = ["x-test", '": 1"', '"content-length: 1"', '"connection: close"', '""']

FILES = {"page.html": "page", "plain": "plain", "broken.pem": "no certificate"}


@dataclass
class Command:
    name: str
    levels: str
    types: str
    good: list
    bad: list
    ignored: bool = False  # accepted with a warning, whatever the value


COMMANDS = [Command(*row) for row in [
    # The file handler and MIME types.
    ("file.dir", "p", "s", ["DIR"], ["DIR/nothing", "DIR/plain", '""']),
    ("file.file", "p", "s", ["DIR/plain"], ["DIR/nothing", "DIR", "/dev/zero", "DIR/fifo", '""']),
    ("file.index", "ghp", "q", ["[index.html, a]", "[]"], ["[[a]]", "[{a: b}]"]),
    ("file.etag", "ghp", "s", ON_OFF, NOT_ON_OFF),
    ("file.dirlisting", "ghp", "s", ON_OFF, NOT_ON_OFF),
    ("file.send-compressed", "ghp", "s", ON_OFF + ["gunzip"], NOT_ON_OFF),
    ("file.send-gzip", "ghp", "s", ON_OFF, NOT_ON_OFF),
    ("file.mime.settypes", "ghp", "m",
     ['{text/x: .x}', '{text/x: [.x, .y]}', "{}",
      '{text/x: {extensions: [.x], is_compressible: yes, priority: highest}}'],
     ['{text: .x}', '{text/x: x}', '{text/x: [x]}', '{text/x: {}}', '{text/x: {extensions: .x}}',
      '{text/x: {extensions: [x]}}', '{text/x: {extensions: [.x], priority: low}}',
      '{text/x: {extensions: [.x], is_compressible: 7}}', '{[text/x]: .x}', '{text/x: [[.x]]}']),
    ("file.mime.addtypes", "ghp", "m", ['{text/x: .x}'],
     ['{text: .x}', '{text/x: x}', '{text/x: {extensions: x}}', '{text/x: [{a: b}]}']),
    ("file.mime.removetypes", "ghp", "q", ["[.html]", "[]"], ["[html]", "[[.html]]"]),
    ("file.mime.setdefaulttype", "ghp", "s", ["text/x"], ["text", '""']),
    ("file.custom-handler", "ghp", "m",
     ['{extension: .q, fastcgi.connect: 1}',
      '{extension: [.q, .r], fastcgi.connect: 1}'],
     ["{}", "{extension: .q}", "{extension: q, fastcgi.connect: 1}", "{fastcgi.connect: 1}",
      "{extension: {a: b}, fastcgi.connect: 1}", "{extension: [[.q]], fastcgi.connect: 1}",
      "{extension: .q, fastcgi.connect: 1, fastcgi.connect: 2}", "{extension: .q, file.dir: DIR}",
      "{extension: .q, nothing: 1}", "{extension: .q, listen: 1}"]),
    # Redirects and the rest of the handlers.
    ("redirect", "p", "sm",
     ["http://a/", "/b", "{status: 301, url: /b}", "{status: 307, url: /b, internal: YES}"],
     ["{url: /b}", "{status: 301}", "{status: 200, url: /b}", "{status: x, url: /b}",
      "{status: 301, url: [b]}", "{status: 301, url: /b, internal: maybe}", "{}"]),
    ("reproxy", "ghpe", "s", ON_OFF, NOT_ON_OFF),
    ("status", "p", "s", ON_OFF, NOT_ON_OFF),
    ("duration-stats", "g", "s", ON_OFF, NOT_ON_OFF),
    ("http2-debug-state", "h", "s", ["minimum", "hpack"], ["maximum", '""']),
    # The proxy.
    ("proxy.reverse.url", "p", "s",
     ["http://127.0.0.1:1/", "https://localhost/a", '"http://[unix:/tmp/a]/"', "http://[::1]:1/"],
     ["127.0.0.1:1", '""', "ftp://a/", "http:///", "/a", '"http://a:99999/"']),
    ("proxy.preserve-host", "ghpe", "s", ON_OFF, NOT_ON_OFF),
    ("proxy.preserve-x-forwarded-proto", "g", "s", ON_OFF, NOT_ON_OFF),
    ("proxy.emit-x-forwarded-headers", "g", "s", ON_OFF, NOT_ON_OFF),
    ("proxy.emit-via-header", "g", "s", ON_OFF, NOT_ON_OFF),
    ("proxy.proxy-protocol", "ghpe", "s", ON_OFF, NOT_ON_OFF),
    ("proxy.timeout.io", "ghpe", "s", NUMBER, NOT_NUMBER),
    ("proxy.timeout.keepalive", "ghpe", "s", NUMBER + ["0"], NOT_NUMBER),
    ("proxy.websocket", "ghpe", "s", ON_OFF, NOT_ON_OFF),
    ("proxy.websocket.timeout", "ghpe", "s", NUMBER, NOT_NUMBER),
    ("proxy.ssl.verify-peer", "ghpe", "s", ON_OFF, NOT_ON_OFF),
    ("proxy.ssl.cafile", "ghpe", "s", ["DIR/cert.pem"],
     ["DIR/nothing", "DIR/broken.pem", "DIR", '""', "DIR/fifo", "/dev/zero"]),
    ("proxy.ssl.session-cache", "ghpe", "sm", ON_OFF + ["{capacity: 1, lifetime: 1}"],
     ["maybe", "{}", "{capacity: 0, lifetime: 1}", "{capacity: 1}", "{lifetime: 1}",
      "{capacity: 1, lifetime: 0}", "{capacity: x, lifetime: 1}", "{other: 1}", "{[a]: 1}"]),
    *[(f"proxy.header.{verb}", "ghpe", "s", HEADER, NOT_HEADER)
      for verb in ("add", "append", "merge", "set", "setifempty")],
    ("proxy.header.unset", "ghpe", "s", ["x-test"], ["content-length", "connection", '""']),
    # FastCGI.
    ("fastcgi.connect", "pe", "sm",
     ["1", "{port: 1}", "{host: localhost, port: 1}", "{port: DIR/socket, type: unix}"],
     ["x", "{}", "{host: a}", "{port: [1]}", "{port: 1, type: udp}", "{port: 1, type: [unix]}",
      "{port: 1, host: [a]}", '""', "{port: %s, type: unix}" % ("/a" * 60)]),
    ("fastcgi.spawn", "pe", "sm", ["exec true", "{command: exec true}"],
     ["{}", "{user: root}", "{command: [a]}", "{command: a, user: [a]}"]),
    ("fastcgi.timeout.io", "ghpe", "s", NUMBER, NOT_NUMBER),
    ("fastcgi.timeout.keepalive", "ghpe", "s", NUMBER + ["0"], NOT_NUMBER),
    ("fastcgi.document_root", "ghpe", "s", ["/a", '""'], ["a"]),
    ("fastcgi.send-delegated-uri", "ghpe", "s", ON_OFF, NOT_ON_OFF),
    # What is done to answers.
    *[(f"header.{verb}", "ghpe", "s", HEADER, NOT_HEADER)
      for verb in ("add", "append", "merge", "set", "setifempty")],
    ("header.unset", "ghpe", "s", ["x-test"], ["content-length", "connection", '""']),
    ("expires", "ghpe", "s", ["1 day", "2 hours", "OFF", "3 seconds", "1 year"],
     ["day", "1", "1 fortnight", '""']),
    ("compress", "ghpe", "sqm",
     ON_OFF + ["[gzip, br]", "[]", "{gzip: 9, br: 0}", "{gzip: ON, br: OFF}", "{}"],
     ["maybe", "[zip]", "[[gzip]]", "{gzip: 0}", "{gzip: 10}", "{br: 12}", "{zip: 1}",
      "{gzip: [1]}", '""']),
    ("compress-minimum-size", "ghpe", "s", NUMBER, NOT_NUMBER),
    ("gzip", "ghpe", "s", ON_OFF, NOT_ON_OFF),
    ("error-doc", "ghpe", "qm",
     ["{status: 404, url: /a}", "{status: [404, 500], url: /a}",
      "[{status: 404, url: /a}, {status: 500, url: /b}]", "[]"],
     ["{}", "{status: 404}", "{url: /a}", "{status: 200, url: /a}", "{status: 600, url: /a}",
      "{status: x, url: /a}", "{status: [], url: /a}", "{status: [404, 404], url: /a}",
      "{status: 404, url: [a]}", "{status: 404, url: /a, more: 1}", "[404]",
      "{status: 404, status: 500, url: /a}", "{status: 404, url: /a, url: /b}",
      "{status: {a: b}, url: /a}", "{[status]: 404, url: /a}"]),
    ("throttle-response", "ghpe", "s", ON_OFF, NOT_ON_OFF),
    ("access-log", "ghpe", "sm",
     ["DIR/log", '"|cat"', "/dev/null", '{path: DIR/log, format: "%h %s"}', "journal",
      '{path: DIR/log, escape: json, format: "%r"}', '{path: journal, format: "%r"}'],
     ["{}", "{format: a}", "{path: [a]}", "{path: DIR/log, format: [a]}", "DIR", "DIR/no/log",
      "DIR/fifo", "{path: DIR/log, escape: html}", "{path: journal, format: [a]}",
      '{path: journal, format: "%Z"}', "{path: journal, escape: html}", '""', '{path: ""}']),
    ("error-log.emit-request-errors", "ghpe", "s", ON_OFF, NOT_ON_OFF),
    # The environment of FastCGI programs.
    ("setenv", "ghpe", "m", ["{A: b}", "{}"], ["{A: [b]}", "{[A]: b}", "{A: {b: c}}"]),
    ("unsetenv", "ghpe", "sq", ["A", "[A, B]", "[]"], ["[[A]]", "[{A: b}]"]),
    # HTTP.
    ("limit-request-body", "g", "s", NUMBER, NOT_NUMBER),
    ("max-delegations", "g", "s", NUMBER, NOT_NUMBER),
    ("handshake-timeout", "g", "s", NUMBER, NOT_NUMBER),
    ("http1-request-timeout", "g", "s", NUMBER, NOT_NUMBER),
    ("http1-upgrade-to-http2", "g", "s", ON_OFF, NOT_ON_OFF),
    ("http2-idle-timeout", "g", "s", NUMBER, NOT_NUMBER),
    ("http2-graceful-shutdown-timeout", "g", "s", NUMBER + ["0"], NOT_NUMBER),
    ("http2-max-concurrent-requests-per-connection", "g", "s", NUMBER, NOT_NUMBER),
    ("http2-latency-optimization-min-rtt", "g", "s", NUMBER, NOT_NUMBER),
    ("http2-latency-optimization-max-additional-delay", "g", "s", ["0.1"], ["0", "-1", "x", '""']),
    ("http2-latency-optimization-max-cwnd", "g", "s", NUMBER, NOT_NUMBER),
    ("http2-reprioritize-blocking-assets", "gh", "s", ON_OFF, NOT_ON_OFF),
    ("http2-push-preload", "gh", "s", ON_OFF, NOT_ON_OFF),
    ("http2-casper", "gh", "sm",
     ON_OFF + ["{capacity-bits: 12}", "{tracking-types: all}", "{tracking-types: blocking-assets}"],
     ["{capacity-bits: 16}", "{capacity-bits: x}", "{tracking-types: some}",
      "{capacity-bits: [1]}"]),
    ("server-name", "g", "s", ["me", '""'], []),
    ("send-server-name", "g", "s", ON_OFF + ["preserve"], NOT_ON_OFF),
    # The structure.
    ("hosts", "g", "m", ["{a: {paths: {/: {file.dir: DIR}}}}", '{"*.a:80": {paths: {}}}'],
     ["{}", "{a: 1}", "{a: {}}", "{a: {paths: 1}}", '{"a:x": {paths: {}}}', "{[a]: {paths: {}}}",
      '{"": {paths: {}}}', '{":80": {paths: {}}}', '{"a*": {paths: {}}}', '{"*a": {paths: {}}}',
      "{a: {paths: {}}, A: {paths: {}}}", '{"[]": {paths: {}}}', "{a: [{paths: {}}]}", "{a: }"]),
    ("paths", "h", "m",
     ["{/: {file.dir: DIR}}", "{/: [{file.dir: DIR}, {file.dir: DIR}]}", "{/: {}}", "{/: []}"],
     ["{/: 1}", "{/: [1]}", "{[/]: {}}", '{"": {}}', "{/: }", "{/: {nothing: 1}}"]),
    # What h2o's program defines, not its library.
    ("listen", "gh", "sm",
     ["0", "{host: 127.0.0.1, port: 0}", "{type: unix, port: DIR/new, permission: 600}",
      "{port: 0, ssl: {certificate-file: DIR/cert.pem, key-file: DIR/key.pem}}",
      "{port: 0, proxy-protocol: ON}", "{port: 0, type: tcp}"],
     ["http", "65536", "-1", '""', "{}", "{host: a}", "{port: [0]}", "{port: 0, host: [a]}",
      "{port: 0, host: no.such.host.invalid}", "{port: 0, type: udp}", "{port: 0, type: [tcp]}",
      "{port: 0, ssl: 1}", "{port: 0, ssl: {}}", "{port: 0, ssl: {certificate-file: DIR/cert.pem}}",
      "{port: 0, ssl: {key-file: DIR/key.pem}}", "{port: 0, proxy-protocol: 1}",
      "{port: 0, proxy-protocol: [ON]}", "{type: unix, port: DIR/new, permission: 999}",
      "{type: unix, port: DIR/new, permission: [600]}", "{type: unix, port: DIR/new, owner: nobody0}",
      "{type: unix, port: DIR/new, owner: [root]}", "{type: unix, port: %s}" % ("/a" * 60)]),
    ("max-connections", "g", "s", NUMBER, NOT_NUMBER + ["0", "-1", "1x"]),
    ("num-threads", "g", "s", NUMBER, NOT_NUMBER + ["0", "-1"]),
    ("num-name-resolution-threads", "g", "s", NUMBER, NOT_NUMBER + ["0"]),
    ("tcp-fastopen", "g", "s", NUMBER + ["0"], NOT_NUMBER + ["-1"]),
    ("temp-buffer-path", "g", "s", ["DIR"], ["DIR/nothing", "/a" * 2000]),
    ("ssl-session-resumption", "g", "m",
     ["{mode: %s}" % mode for mode in ("off", "all", "cache", "ticket")]
     + ["{mode: all, lifetime: 10}", "{mode: cache, cache-store: internal}"],
     ["{}", "{mode: some}", "{mode: [all]}", "{mode: all, lifetime: 0}", "{mode: all, lifetime: x}",
      "{mode: all, cache-store: disk}", "{mode: all, ticket-store: disk}",
      "{mode: all, cache-store: [internal]}"]),
    # Accepted and ignored.
    ("user", "g", "s", ["root"], [], True),
    ("pid-file", "g", "s", ["DIR/pid"], [], True),
    ("error-log", "g", "s", ["DIR/error"], [], True),
    ("crash-handler", "g", "s", ["true"], [], True),
    ("crash-handler.wait-pipe-close", "g", "s", ["ON"], [], True),
    ("num-ocsp-updaters", "g", "s", ["1"], [], True),
]]

# Refused wherever they stand.
MRUBY = ["mruby.handler", "mruby.handler-file", "mruby.handler_path"]

WRONG_TYPE = {"s": "x", "q": "[x]", "m": "{x: y}"}


def configuration(level, command, value):
    """A whole configuration with the command at that level; returns it and the command's line."""
    lines = ["listen: {host: 127.0.0.1, port: 0}", "hosts:", "  default:", "    paths:", "      /:",
             "        file.dir: DIR", "        file.custom-handler:", "          extension: .x"]
    # An extension has exactly one handler.
    if not (level == "e" and command in ("fastcgi.connect", "fastcgi.spawn")):
        lines.append("          fastcgi.connect: 1")
    at, indent = {"g": (0, 0), "h": (3, 4), "p": (5, 8), "e": (7, 10)}[level]
    lines.insert(at, f"{' ' * indent}{command}: {value}")
    if level == "g" and command == "hosts":
        lines = lines[:2]
    return "\n".join(lines) + "\n", at + 1


def mistakes(command):
    """(what it is, level, value) of all that must be refused."""
    first = command.levels[0]
    if not command.ignored:
        for kind, value in WRONG_TYPE.items():
            if kind not in command.types:
                yield "wrong type", first, value
    for value in command.bad:
        yield "wrong value", first, value
    for level in LEVELS:
        if level not in command.levels:
            yield "wrong level", level, command.good[0]
