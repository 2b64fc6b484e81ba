# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 by hand: a client and a runtime for the tests, on the library h2, which judges every frame of ours by RFC 9113."""

import json
import socket
import struct
import time

import h2.config
import h2.connection
import h2.errors
import h2.events

from harness import Conn, Response, events_of

CANCEL = h2.errors.ErrorCodes.CANCEL


class Reset(EOFError):
    """The stream was cut off; `code` says how."""

    def __init__(self, code):
        super().__init__(f"the stream was reset: {code!r}")
        self.code = code


class Answer(Response):
    """An answer as it comes on a stream."""

    def __init__(self):
        self.version, self.status, self.headers, self.raw = "HTTP/2", 0, [], b""
        self.body = b""
        self.trailers = []
        self.interim = []  # statuses of 1xx
        self.ended = False
        self.reset = None  # its code
        self.taken = 0     # bytes of the body that event() has given

    def add_head(self, headers):
        self.status = int(dict(headers)[b":status"])
        self.headers = [(name.decode(), value.decode("latin-1")) for name, value in headers if not name.startswith(b":")]


class H2Conn:
    """A connection with any number of requests on it. `window`: how much of each answer may come unasked; `hold`: windows stay
    closed until open() is called."""

    def __init__(self, address, tls=None, window=None, hold=False, receive_buffer=None, name="localhost", **options):
        self.wire = Conn(address, tls=tls, receive_buffer=receive_buffer, name=name, **options)
        if tls:
            assert self.wire.socket.selected_alpn_protocol() == "h2"
        self.scheme, self.name, self.hold = "https" if tls else "http", name, hold
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.h2.local_settings.enable_push = 0
        if window is not None:
            self.h2.local_settings.initial_window_size = window
        self.answers = {}
        self.goaways = []  # (last stream, error code)
        self.input = b""
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def flush(self):
        self.wire.socket.sendall(self.h2.data_to_send())

    # --- what is asked ---

    def request(self, method, path, body=None, headers=(), end=True):
        """Sends a request, its body as the windows allow; returns the stream's number."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", self.scheme), (":authority", self.name), (":path", path)]
        fields += [(k.lower(), v) for k, v in (headers.items() if isinstance(headers, dict) else headers)]
        if body is not None and end:
            fields.append(("content-length", str(len(body))))
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, fields, end_stream=end and not body)
        if body:
            self.send_body(stream, body, end)
        self.flush()
        return stream

    def send_body(self, stream, body, end=True):
        while body and not self.over(stream):
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room <= 0:
                self.flush()
                self.more()
                continue
            piece, body = body[:room], body[room:]
            self.h2.send_data(stream, piece, end_stream=end and not body)
        self.flush()

    def cancel(self, stream, code=CANCEL):
        self.h2.reset_stream(stream, code)
        self.flush()

    # --- what comes ---

    def more(self):
        """Reads on; False at the end."""
        data = self.wire.socket.recv(65536)
        found, self.input = frames_of(self.input + data)
        for kind, flags, stream, payload in found:
            if kind == GOAWAY:  # after which the library would take nothing more
                self.goaways.append((int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big")))
                continue
            for event in self.h2.receive_data(frame(kind, flags, stream, payload)):
                self.note(event)
        if data:
            self.flush()
        return bool(data)

    def note(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if not answer:
            return
        if isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(int(dict(event.headers)[b":status"]))
        elif isinstance(event, h2.events.ResponseReceived):
            answer.add_head(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = event.headers
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if not self.hold and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = event.error_code

    def open(self, stream, count):
        """The server may send so many more bytes of a stream."""
        self.h2.increment_flow_control_window(count, stream)
        self.h2.increment_flow_control_window(count)
        self.flush()

    def over(self, stream):
        return self.answers[stream].ended or self.answers[stream].reset is not None

    def wait(self, stream, seen):
        """Reads until `seen` is true of the answer. Reset or EOFError when that will not be."""
        answer = self.answers[stream]
        while not seen(answer):
            if answer.reset is not None:
                raise Reset(answer.reset)
            if answer.ended or not self.more():
                raise EOFError(f"cut: {answer.body!r}")
        return answer

    def head(self, stream):
        return self.wait(stream, lambda answer: answer.status)

    def response(self, stream):
        """The answer, whole; one that was reset after its end is whole, too (RFC 9113 section 8.1)."""
        return self.wait(stream, lambda answer: answer.ended)

    def event(self, stream):
        """The next event's data."""
        while True:
            answer = self.wait(stream, lambda a: b"\n\n" in a.body[a.taken:])
            end = answer.body.index(b"\n\n", answer.taken) + 2
            block, answer.taken = answer.body[answer.taken:end], end
            if data := events_of(block):
                return data[0]

    def ask(self, method, path, body=None, headers=()):
        return self.response(self.request(method, path, body, headers))

    def at_end(self):
        """Reads until the server closes. An orderly end or a reset, no matter which."""
        try:
            while self.more():
                pass
        except ConnectionResetError:
            pass
        return True

    def ping(self):
        self.h2.ping(b"12345678")
        self.flush()

    def close(self):
        self.wire.close()

    def reset(self):
        self.wire.reset()


# --- frames as bytes, for what no library sends ---

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(**values):
    """header_table_size 1, enable_push 2, max_concurrent_streams 3, initial_window_size 4, max_frame_size 5, max_header_list_size 6"""
    names = ["", "header_table_size", "enable_push", "max_concurrent_streams", "initial_window_size", "max_frame_size",
             "max_header_list_size"]
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", names.index(k), v) for k, v in values.items()))


def literal(name, value):
    """A field that enters no table, by HPACK (RFC 7541 section 6.2.2)."""
    return b"\x00" + text(name) + text(value)


def text(octets):
    octets = octets.encode("latin-1") if isinstance(octets, str) else octets
    return integer(len(octets), 7, 0) + octets


def integer(value, bits, first):
    top = (1 << bits) - 1
    if value < top:
        return bytes([first | value])
    out = [first | top]
    value -= top
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + [value])


def request_block(path="/livez", method="GET", fields=()):
    """A head as HPACK, without any table."""
    pseudo = [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
    return b"".join(literal(name, value) for name, value in [*pseudo, *fields])


def frames_of(data):
    """The whole frames of some bytes, as (kind, flags, stream, payload), and the rest."""
    found = []
    while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
        length = int.from_bytes(data[:3], "big")
        found.append((data[3], data[4], int.from_bytes(data[5:9], "big") & 0x7fffffff, data[9:9 + length]))
        data = data[9 + length:]
    return found, data


def goaway_within(sock, seconds):
    """Reads until a GOAWAY comes: its error code; None: the connection ended without."""
    end, data = time.monotonic() + seconds, b""
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            piece = sock.recv(65536)
        except (TimeoutError, socket.timeout) as late:
            raise AssertionError(f"no GOAWAY within {seconds} s") from late
        except OSError:
            return None
        if not piece:
            return None
        found, data = frames_of(data + piece)
        for kind, _, _, payload in found:
            if kind == GOAWAY:
                return int.from_bytes(payload[4:8], "big")
    raise AssertionError(f"no GOAWAY within {seconds} s")


# --- a runtime of the test's own ---


class H2Runtime:
    """Serves one connection of a scripted server: `answer(runtime, stream, headers, body)` for each request that is there in full."""

    def __init__(self, sock, answer):
        self.socket, self.answer = sock, answer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        self.requests = {}
        self.resets = []  # streams that the client has given up

    def serve(self):
        self.h2.initiate_connection()
        self.flush()
        while data := self.socket.recv(65536):
            for event in self.h2.receive_data(data):
                self.note(event)
            self.flush()
            if self.h2.state_machine.state is h2.connection.ConnectionState.CLOSED:
                return

    def note(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.requests[event.stream_id] = [event.headers, b""]
        elif isinstance(event, h2.events.DataReceived):
            self.requests[event.stream_id][1] += event.data
            if event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.answer(self, event.stream_id, *self.requests[event.stream_id])
        elif isinstance(event, h2.events.StreamReset):
            self.resets.append(event.stream_id)

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def head(self, stream, status=200, kind="text/event-stream", fields=(), end=False):
        self.h2.send_headers(stream, [(":status", str(status)), ("content-type", kind), *fields], end_stream=end)
        self.flush()

    def data(self, stream, body, end=False):
        self.h2.send_data(stream, body, end_stream=end)
        self.flush()

    def whole(self, stream, body, status=200, kind="application/json"):
        self.head(stream, status, kind)
        self.data(stream, body, end=True)
