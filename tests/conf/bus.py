# SPDX-License-Identifier: MIT
"""A D-Bus client of a hundred lines: enough to call the daemon's methods a thousand times quickly,
to see the names of errors, and to depend on no binding. D-Bus Specification, 0.40."""

import os
import socket
import struct

CALL, RETURN, ERROR = 1, 2, 3
ALIGN = {"y": 1, "b": 4, "u": 4, "i": 4, "t": 8, "x": 8, "d": 8, "n": 2, "q": 2, "s": 4, "o": 4,
         "g": 1, "a": 4, "(": 8, "{": 8, "v": 1, "h": 4}
PLAIN = {"y": "B", "u": "I", "i": "i", "t": "Q", "x": "q", "d": "d", "n": "h", "q": "H", "b": "I",
         "h": "I"}


class BusError(Exception):
    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


def split(signature):
    """The complete types in a signature."""
    while signature:
        end = 0
        while signature[end] == "a":
            end += 1
        if signature[end] in "({":
            depth = 0
            while True:
                depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[end], 0)
                if depth == 0:
                    break
                end += 1
        yield signature[:end + 1]
        signature = signature[end + 1:]


def pad(data, alignment):
    data += b"\0" * (-len(data) % alignment)


def marshal(data, kind, value):
    """Appends a value; what a test sends is plain, a string, an array, a structure or a variant,
    which is written as a pair (signature, value)."""
    pad(data, ALIGN[kind[0]])
    if kind in PLAIN:
        data += struct.pack("<" + PLAIN[kind], value)
    elif kind in "so":
        text = value.encode()
        data += struct.pack("<I", len(text)) + text + b"\0"
    elif kind == "g":
        data += bytes([len(value)]) + value.encode() + b"\0"
    elif kind == "v":
        marshal(data, "g", value[0])
        marshal(data, *value)
    elif kind[0] == "a":
        at = len(data)
        data += b"\0\0\0\0"
        pad(data, ALIGN[kind[1]])
        start = len(data)
        for item in value.items() if isinstance(value, dict) else value:
            marshal(data, kind[1:], item)
        data[at:at + 4] = struct.pack("<I", len(data) - start)
    else:
        for part, item in zip(split(kind[1:-1]), value):
            marshal(data, part, item)


def unmarshal(data, at, kind):
    """Returns a value and where it ends."""
    at += -at % ALIGN[kind[0]]
    if kind in PLAIN:
        size = struct.calcsize(PLAIN[kind])
        value = struct.unpack_from("<" + PLAIN[kind], data, at)[0]
        return bool(value) if kind == "b" else value, at + size
    if kind in "sog":
        size = data[at] if kind == "g" else struct.unpack_from("<I", data, at)[0]
        at += 1 if kind == "g" else 4
        return data[at:at + size].decode(), at + size + 1
    if kind == "v":
        inner, at = unmarshal(data, at, "g")
        return unmarshal(data, at, inner)
    if kind[0] == "a":
        size = struct.unpack_from("<I", data, at)[0]
        at += 4
        at += -at % ALIGN[kind[1]]
        end, items = at + size, []
        while at < end:
            item, at = unmarshal(data, at, kind[1:])
            items.append(item)
        return dict(items) if kind[1] == "{" else items, at
    items = []
    for part in split(kind[1:-1]):
        item, at = unmarshal(data, at, part)
        items.append(item)
    return tuple(items), at


class Connection:
    """A client of the bus at `path`, a Unix socket."""

    def __init__(self, path, timeout=60):
        self.serial = 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        if not self.stream.readline().startswith(b"OK"):
            raise OSError("the bus does not want us")
        self.socket.sendall(b"BEGIN\r\n")
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")

    def close(self):
        self.stream.close()
        self.socket.close()

    def send(self, destination, path, interface, member, signature="", *values):
        """Sends a call without waiting; returns its serial for wait()."""
        self.serial += 1
        body = bytearray()
        for kind, value in zip(split(signature), values):
            marshal(body, kind, value)
        fields = [(1, ("o", path)), (2, ("s", interface)), (3, ("s", member)),
                  (6, ("s", destination)), (8, ("g", signature))]
        message = bytearray(b"l" + bytes([CALL, 0, 1]))
        message += struct.pack("<II", len(body), self.serial)
        marshal(message, "a(yv)", fields)
        pad(message, 8)
        self.socket.sendall(message + body)
        return self.serial

    def wait(self, serial):
        """The values of the reply; raises BusError."""
        while True:
            fixed = self.stream.read(16)
            if len(fixed) < 16:
                raise OSError("the bus is gone")
            size = struct.unpack_from("<I", fixed, 12)[0]
            length = struct.unpack_from("<I", fixed, 4)[0]
            rest = self.stream.read(size + -size % 8)
            fields = dict(unmarshal(fixed + rest, 12, "a(yv)")[0])
            body = self.stream.read(length)
            if fixed[1] not in (RETURN, ERROR) or fields.get(5) != serial:
                continue
            values, at = [], 0
            for kind in split(fields.get(8, "")):
                value, at = unmarshal(body, at, kind)
                values.append(value)
            if fixed[1] == ERROR:
                raise BusError(fields[4], values[0] if values else "")
            return values

    def call(self, *arguments):
        return self.wait(self.send(*arguments))
