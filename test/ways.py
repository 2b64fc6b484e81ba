# SPDX-License-Identifier: Apache-2.0
"""One face for clients of both HTTPs, with and without TLS, so that a test is written once and run each way."""

import contextlib
import json

from h2_client import H2Conn
from harness import Conn, chat_body, text_of

WAYS = ["h1", "h1-tls", "h2", "h2-tls"]


class Client:
    """A client's connection to a gateway, one request after the other."""

    def __init__(self, gate, way, authority=None, **options):
        self.is_h2, self.is_tls = way.startswith("h2"), way.endswith("tls")
        address = gate.secure if self.is_tls else gate.address
        if self.is_tls:
            options["tls"] = authority.client(["h2"] if self.is_h2 else ["http/1.1"])
        self.conn = (H2Conn if self.is_h2 else Conn)(address, **options)
        self.stream = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.conn.close()

    def send(self, path, body, headers=(), method="POST"):
        self.stream = self.conn.request(method, path, body, headers)

    def answer(self):
        return self.conn.response(self.stream) if self.is_h2 else self.conn.response()

    def ask(self, path, body, headers=(), method="POST"):
        """The whole answer to one request."""
        self.send(path, body, headers, method)
        return self.answer()

    def chat(self, headers=(), **fields):
        return self.ask("/v1/chat/completions", chat_body(**fields), headers)

    def begin(self, headers=(), **fields):
        """Begins a streamed chat; returns its head, and event() gives what follows."""
        body = chat_body(stream=True, **fields)
        if not self.is_h2:
            return self.conn.open_stream("/v1/chat/completions", body, headers)
        self.send("/v1/chat/completions", body, headers)
        return self.conn.head(self.stream)

    def event(self):
        return self.conn.event(self.stream) if self.is_h2 else self.conn.event()

    def events(self):
        """The events until the answer ends, in whatever way."""
        found = []
        with contextlib.suppress(EOFError, StopIteration, ConnectionResetError):
            while True:
                found.append(self.event())
        return found

    def judge_death(self, head):
        """Judges what came behind the head of a stream whose runtime has died: words and an `event` that tells the error, or an error's
        `status`, where nothing had been said. Returns which."""
        if head.status != 200:
            body = self.answer().body if self.is_h2 else b"".join(self.conn.pieces)
            assert head.status in (502, 503) and json.loads(body)["error"]["message"], (head.status, body)
            return "status"
        events = self.events()
        assert events and "[DONE]" not in events and json.loads(events[-1])["error"]["message"], f"a false end: {events[-3:]}"
        words = text_of(events[:-1]).split()
        assert words and words == [f"t{i}" for i in range(len(words))]
        return "event"

    def leave(self, how):
        """Goes: `stream` gives up one request where that is possible, `close` and `reset` all."""
        if how == "stream" and self.is_h2:
            self.conn.cancel(self.stream)
        elif how == "reset":
            self.conn.reset()
        else:
            self.conn.close()
