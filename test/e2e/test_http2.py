# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and TLS towards clients and towards runtimes: the same requests by every way, and what only HTTP/2 has."""

import contextlib
import json
import signal
import socket
import struct
import time

import pytest

from h2_client import (DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, H2Conn, H2Runtime, Reset, frame, frames_of, literal,
                       request_block)
from harness import Processes, chat_body, model_of, read_request, sse, text_of, until, whole
from secure import Authority, scripted_tls, secure_gate, secure_mock
from ways import WAYS, Client

LIMIT_US = 250_000


class Edge:
    """A gateway with models named as the ways to their runtime, and the runtimes: one plain, one with TLS."""

    def __init__(self):
        self.processes = Processes()
        self.authority = Authority(self.processes.folder / "tls")
        self.mocks = {"h1": self.processes.mock("--record", 100), "tls": secure_mock(self.processes, self.authority, "--record", 100)}
        self.mocks.update({"h2": self.mocks["h1"], "h1-tls": self.mocks["tls"], "h2-tls": self.mocks["tls"]})
        self.gate = secure_gate(self.processes, [self.model(way) for way in WAYS], self.authority,
                                health={"failures": 1000})

    def model(self, way):
        return model_of(self.mocks[way], name=way, http2="on" if way.startswith("h2") else "off",
                        **({"tls": {"ca": str(self.authority.ca)}} if way.endswith("tls") else {}))

    def client(self, way, **options):
        return Client(self.gate, way, self.authority, **options)


@pytest.fixture(scope="module")
def shared_edge():
    edge = Edge()
    yield edge
    edge.processes.stop()


@pytest.fixture
def edge(shared_edge):
    for mock in (shared_edge.mocks["h1"], shared_edge.mocks["tls"]):
        mock.reset()
    yield shared_edge
    shared_edge.gate.idle()


both_ways = pytest.mark.parametrize("up", WAYS)
each_client = pytest.mark.parametrize("way", WAYS)


# --- every way in, every way out ---


@each_client
@both_ways
def test_chat_and_stream(edge, way, up):
    with edge.client(way) as client:
        answer = client.chat(model=up, max_tokens=5)
        assert answer.status == 200 and answer.json()["choices"][0]["message"]["content"] == "t0 t1 t2 t3 t4 "
        client.begin(model=up, max_tokens=3)
        events = client.events()
        assert events[-1] == "[DONE]" and text_of(events) == "t0 t1 t2 "
        assert edge.mocks[up].stats()["requests"] == 2


@each_client
@both_ways
def test_large_bodies(edge, way, up):
    """Far more than all windows, both ways."""
    text = "".join(f"{i} " for i in range(100_000))
    with edge.client(way) as client:
        answer = client.chat(model=up, messages=[{"role": "user", "content": text}], mock={"echo": True}, max_tokens=1_000_000)
        assert answer.status == 200 and answer.json()["choices"][0]["message"]["content"] == text


@each_client
@both_ways
def test_errors_come_through(edge, way, up):
    with edge.client(way) as client:
        refused = client.chat(model=up, mock={"status": 429, "retry_after": 0.1})
        assert (refused.status, refused.get("retry-after")) == (429, "0.1") and refused.json()["error"]["message"]
        assert client.ask("/v1/chat/completions", b"{").error()["type"] == "invalid_request_error"
        assert client.chat(model="nobody").error()["code"] == "model_not_found"
        assert client.chat(model=up).status == 200
        assert client.ask("/v1/nothing", b"{}").status == 404


@each_client
@both_ways
@pytest.mark.parametrize("stream", [True, False])
def test_a_runtime_that_dies_in_its_answer(edge, way, up, stream):
    """No false end: an error event in a stream; of a whole answer an error, or a cut."""
    headers = {"x-request-id": f"{way}-{up}-{stream}"}
    with edge.client(way) as client:
        if stream:
            client.judge_death(client.begin(headers, model=up, mock={"die_after": 3, "rate": 100}))
        else:
            client.send("/v1/chat/completions", chat_body(model=up, max_tokens=500, mock={"die_after": 2}), headers)
            with contextlib.suppress(EOFError):
                answer = client.answer()
                assert answer.status == 502 and answer.error()
    assert edge.gate.exchange(**{"request_id": headers["x-request-id"]})["outcome"] not in ("ok", "client_gone")



@each_client
@both_ways
@pytest.mark.parametrize("how", ["stream", "close", "reset"])
@pytest.mark.parametrize("phase", ["waiting", "streaming"])
def test_a_client_that_leaves(edge, way, up, how, phase):
    with edge.client(way) as client:
        headers = {"x-request-id": f"{way}-{up}-{how}-{phase}"}
        if phase == "waiting":
            client.send("/v1/chat/completions", chat_body(model=up, mock={"ttft_ms": 60_000}), headers)
            until(lambda: edge.mocks[up].stats()["active"] == 1, "it arrived")
        else:
            client.begin(headers, model=up, mock={"rate": 100, "tokens": 10_000})
            client.event()
        left = time.monotonic_ns() // 1000
        client.leave(how)
        abort = until(lambda: edge.mocks[up].stats()["aborts"], "the runtime is told")[0]
        assert abort["phase"] == phase and 0 <= abort["at_us"] - left < LIMIT_US
        assert edge.gate.exchange(request_id=headers["x-request-id"])["outcome"] == "client_gone"


@each_client
@both_ways
def test_a_slow_reader_holds_the_runtime_back(edge, way, up):
    options = {"hold": True} if way.startswith("h2") else {}
    with edge.client(way, receive_buffer=4096, **options) as client:
        client.begin(model=up, max_tokens=20_000, mock={"tokens": 20_000, "pad": 4000})
        seen = [0]

        def settled():
            last, seen[0] = seen[0], edge.mocks[up].stats()["frames"]
            time.sleep(0.05)
            return last and seen[0] == last
        until(settled, "the upstream is held back")
        assert seen[0] < 19_000
        client.leave("reset")
    until(lambda: edge.mocks[up].stats()["active"] == 0, "the runtime is told")


# --- many at once on one connection ---


def test_many_streams_at_once(edge):
    with edge.client("h2-tls") as client:
        streams = [client.conn.request("POST", "/v1/chat/completions",
                                       chat_body(model=WAYS[i % 4], stream=True, max_tokens=20, mock={"rate": 200 + i})) for i in range(80)]
        for stream in streams:
            assert text_of(client.conn.response(stream).events()) == "".join(f"t{i} " for i in range(20))


def test_fetches_share_a_connection(edge):
    """A hundred at a time go to a runtime of HTTP/2 on few connections."""
    before = edge.mocks["h2"].stats()["connections"]
    with edge.client("h2") as client:
        streams = [client.conn.request("POST", "/v1/chat/completions", chat_body(model="h2", mock={"ttft_ms": 100})) for _ in range(60)]
        assert all(client.conn.response(s).status == 200 for s in streams)
    assert edge.mocks["h2"].stats()["connections"] - before <= 4  # the gateway has two threads


def test_a_stream_of_many_is_given_up(edge):
    with edge.client("h2") as client:
        stays = client.conn.request("POST", "/v1/chat/completions", chat_body(model="h2", stream=True, max_tokens=50, mock={"rate": 100}))
        goes = client.conn.request("POST", "/v1/chat/completions", chat_body(model="h2", mock={"ttft_ms": 60_000}))
        until(lambda: edge.mocks["h2"].stats()["active"] == 2, "both are under way")
        client.conn.cancel(goes)
        until(lambda: edge.mocks["h2"].stats()["aborted"] == 1, "the runtime is told")
        assert client.conn.response(stays).events()[-1] == "[DONE]"


def test_more_streams_than_are_allowed(edge):
    """A client that does not keep to the limit is told so, and nothing stays taken."""
    with edge.client("h2") as client:
        client.ask("/livez", None, method="GET")
        most = client.conn.h2.remote_settings.max_concurrent_streams
        for i in range(most + 1):
            client.conn.wire.send(frame(HEADERS, END_HEADERS, 3 + 2 * i, request_block("/v1/chat/completions", "POST")))
        client.conn.at_end()
        assert [code for _, code in client.conn.goaways] == [1]


# --- the rules of HTTP/2 ---


def test_preface_and_http1_on_one_address(edge):
    assert edge.gate.get("/livez").status == 200
    with edge.client("h2") as client:
        assert client.ask("/livez", None, method="GET").status == 200


def test_expect_continue(edge):
    with edge.client("h2") as client:
        body = json.dumps(chat_body(model="h1")).encode()
        stream = client.conn.request("POST", "/v1/chat/completions", None, {"expect": "100-continue"}, end=False)
        client.conn.wait(stream, lambda answer: answer.interim)
        client.conn.send_body(stream, body)
        answer = client.conn.response(stream)
        assert answer.status == 200 and answer.interim == [100]


def test_trailers_are_nobodys(edge):
    with edge.client("h2") as client:
        body = json.dumps(chat_body(model="h1")).encode()
        stream = client.conn.request("POST", "/v1/chat/completions", body, end=False)
        client.conn.h2.send_headers(stream, [("x-checksum", "1")], end_stream=True)
        client.conn.flush()
        assert client.conn.response(stream).status == 200
    assert "x-checksum" not in {k.lower() for k, _ in edge.mocks["h1"].requests()[0]["headers"]}


@pytest.mark.parametrize("head, status", [
    ({":method": "CONNECT"}, (501,)),
    ({":path": "*"}, (400,)),
    ({":path": "/livez#x"}, (400,)),
    ({":authority": "a b"}, (400,)),
    ({":authority": "localhost", "host": "elsewhere"}, (400,)),
    ({"content-length": "x"}, (400,)),
    ({"transfer-encoding": "chunked"}, ()),
    ({"connection": "close"}, ()),
    ({"upgrade": "h2c"}, ()),
    ({"te": "gzip"}, ()),
    ({"X-Upper": "1"}, ()),
    ({"x y": "1"}, ()),
    ({"x": "a\r\nb"}, ()),
    ({"x": "a\0b"}, ()),
    ({":scheme": ""}, ()),
    ({":path": ""}, ()),
    ({":other": "1"}, ())])
def test_heads_that_break_a_rule(edge, head, status):
    """Refused with a status, or reset (RFC 9113 section 8.1.1): never answered. The connection goes on."""
    fields = {":method": "POST", ":scheme": "http", ":authority": "localhost", ":path": "/v1/chat/completions", **head}
    block = b"".join(literal(name, value) for name, value in fields.items())
    body = json.dumps(chat_body(model="h1")).encode()
    with edge.client("h2") as client:
        stream = client.conn.request("GET", "/livez")  # so that the session knows the number of the next
        client.conn.response(stream)
        client.conn.wire.send(frame(HEADERS, END_HEADERS, 3, block) + frame(DATA, END_STREAM, 3, body))
        answer = raw_answer(client.conn)
        assert answer == "reset" or answer in status
    assert edge.mocks["h1"].stats()["requests"] == 0


def raw_answer(conn):
    """The status of the answer on stream 3, or `reset`."""
    data = b""
    while True:
        piece = conn.wire.socket.recv(65536)
        assert piece, "the connection ended"
        found, data = frames_of(data + piece)
        for kind, _, stream, payload in found:
            assert kind != GOAWAY, payload
            if stream == 3 and kind == RST_STREAM:
                return "reset"
            if stream == 3 and kind == HEADERS:
                return int(dict(conn.h2.decoder.decode(payload))[":status"])


# --- leaving ---


def test_drain_in_two_steps(processes):
    """The client hears first that nothing new should come, then which request was the last; what runs is finished."""
    gate = processes.gate(processes.mock())
    with H2Conn(gate.address) as conn:
        stream = conn.request("POST", "/v1/chat/completions", chat_body(stream=True, max_tokens=60, mock={"rate": 60}))
        conn.event(stream)
        gate.signal(signal.SIGTERM)
        answer = conn.response(stream)
        assert answer.events()[-1] == "[DONE]" and len(text_of(answer.events()).split()) == 60
        conn.at_end()
        assert conn.goaways[0] == (2**31 - 1, 0) and set(conn.goaways[1:]) == {(stream, 0)}
    assert gate.wait() == 0


def test_a_request_between_the_two_steps_is_served(processes):
    gate = processes.gate(processes.mock())
    with H2Conn(gate.address) as conn:
        stream = conn.request("POST", "/v1/chat/completions", chat_body(stream=True, max_tokens=60, mock={"rate": 60}))
        conn.event(stream)
        gate.signal(signal.SIGTERM)
        while not conn.goaways:
            conn.more()
        late = conn.request("GET", "/livez")
        assert conn.response(late).status == 200
        assert conn.response(stream).events()[-1] == "[DONE]"
    assert gate.wait() == 0


# --- runtimes that misbehave ---


class Deaths:
    """A runtime of HTTP/2 that begins a stream of events and dies as it is told."""

    def __init__(self, how):
        self.how = how

    def __call__(self, runtime, stream, headers, _body):
        if dict(headers)[":method"] != "POST":
            runtime.whole(stream, b"{}")
            return
        runtime.head(stream)
        runtime.data(stream, b'data: {"choices":[{"index":0,"delta":{"content":"t0 "},"finish_reason":null}]}\n\n')
        time.sleep(0.03)
        getattr(self, self.how)(runtime, stream)

    def rst_stream(self, runtime, stream):
        runtime.h2.reset_stream(stream, 2)

    def no_error(self, runtime, stream):
        runtime.h2.reset_stream(stream, 0)

    def goaway(self, runtime, stream):
        runtime.h2.close_connection(2, last_stream_id=stream)
        runtime.flush()
        raise EOFError

    def goaway_of_all(self, runtime, _stream):
        runtime.h2.close_connection(0, last_stream_id=0)
        runtime.flush()
        raise EOFError

    def fin(self, _runtime, _stream):
        raise EOFError

    def early_end(self, runtime, stream):
        runtime.data(stream, b"", end=True)

    def nonsense(self, runtime, _stream):
        runtime.socket.sendall(b"\xff" * 100)
        raise EOFError

    def short(self, runtime, stream):
        """Says less than it has announced: here, an empty trailer that ends the stream."""
        runtime.h2.send_headers(stream, [("grpc-status", "1")], end_stream=True)


@each_client
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("how", ["rst_stream", "no_error", "goaway", "goaway_of_all", "fin", "early_end", "nonsense", "short"])
def test_deaths_of_h2_runtimes(processes, authority, way, tls, how):
    death = Deaths(how)

    def serve(conn, _raw=None):
        H2Runtime(conn, death).serve()
    url = scripted_tls(processes, authority.server(["h2"]), serve) if tls else processes.script(serve)
    gate = secure_gate(processes, [model_of(url, http2="on", **({"tls": {"ca": str(authority.ca)}} if tls else {}))], authority)
    with Client(gate, way, authority) as client:
        client.judge_death(client.begin())
    gate.idle()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("how", ["fin", "rst", "farewell"])
@each_client
def test_deaths_of_h1_runtimes_on_tls(processes, authority, way, how):
    """Without a length or chunks, only the peer's farewell tells a whole answer from a cut one."""
    def serve(conn, raw):
        while True:
            head, _ = read_request(conn)
            if not head.startswith(b"POST"):
                conn.sendall(b"".join(whole(b"{}")))
                continue
            conn.sendall(b"".join(sse(b'data: {"choices":[{"index":0,"delta":{"content":"t0 "}}]}\n\n')[:2]))
            if how == "rst":
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if how == "farewell":
                conn.unwrap()
            return
    url = scripted_tls(processes, authority.server(), serve)
    gate = secure_gate(processes, [model_of(url, tls={"ca": str(authority.ca)})], authority)
    with Client(gate, way, authority) as client:
        client.judge_death(client.begin())
    gate.idle()


@pytest.mark.parametrize("farewell", [True, False])
def test_an_answer_that_the_end_of_the_connection_ends(processes, authority, farewell):
    """RFC 9112 section 9.8: without close_notify it may be cut off, and is no whole answer."""
    def serve(conn, _raw):
        while True:
            head, _ = read_request(conn)
            if not head.startswith(b"POST"):
                conn.sendall(b"".join(whole(b"{}")))
                continue
            conn.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"id":"x"}')
            if farewell:
                conn.unwrap()
            return
    gate = processes.gate([model_of(scripted_tls(processes, authority.server(), serve), tls={"ca": str(authority.ca)})])
    if farewell:
        assert gate.chat().json() == {"id": "x"}
    else:
        with gate.connect() as conn, pytest.raises(EOFError):
            conn.request("POST", "/v1/chat/completions", chat_body())
            answer = conn.response()
            raise EOFError if answer.status == 502 else AssertionError(answer.body)


@pytest.mark.parametrize("refusals, status", [(1, 200), (1000, 502)])
def test_a_refused_stream_is_tried_again(processes, refusals, status):
    """REFUSED_STREAM says that nothing was done with it (RFC 9113 section 8.7). Once more, on another connection."""
    asked = []

    def answer(runtime, stream, headers, _body):
        if dict(headers)[":method"] == "POST":
            asked.append(stream)
        if 0 < len(asked) <= refusals:
            runtime.h2.reset_stream(stream, 7)
        else:
            runtime.whole(stream, b'{"id":"second"}')
    gate = processes.gate([model_of(processes.script(lambda conn: H2Runtime(conn, answer).serve()), http2="on")])
    assert gate.chat().status == status
    assert len(asked) == 2
    gate.idle()


def test_a_connection_that_the_runtime_leaves_is_not_used_again(processes):
    """After GOAWAY the next request goes on another connection; none is lost."""
    connections = []

    def serve(conn):
        connections.append(conn)

        def answer(runtime, stream, _headers, _body):
            runtime.whole(stream, b'{"id":"x"}')
            runtime.h2.close_connection(0, last_stream_id=stream)
            runtime.flush()
        H2Runtime(conn, answer).serve()
    gate = processes.gate([model_of(processes.script(serve), http2="on")], threads=1)
    for _ in range(5):
        assert gate.chat().json()["id"] == "x"
    assert len(connections) >= 5
    gate.idle()


def test_interim_answers_of_a_runtime(processes):
    def answer(runtime, stream, _headers, _body):
        runtime.h2.send_headers(stream, [(":status", "103"), ("link", "</x>")])
        runtime.whole(stream, b'{"id":"x"}')
    gate = processes.gate([model_of(processes.script(lambda conn: H2Runtime(conn, answer).serve()), http2="on")])
    answer = gate.chat()
    assert answer.status == 200 and answer.json() == {"id": "x"}


def test_two_gateways(processes, authority):
    """One behind the other, HTTP/2 and TLS between them: what breaks behind the second is told by the first."""
    mock = processes.mock("--record", 10)
    second = secure_gate(processes, mock, authority)
    first = secure_gate(processes, [model_of(f"https://127.0.0.1:{second.secure}/v1", http2="on", tls={"ca": str(authority.ca)})], authority)
    with Client(first, "h2-tls", authority) as client:
        assert client.chat(max_tokens=2).json()["choices"][0]["message"]["content"] == "t0 t1 "
        client.judge_death(client.begin(max_tokens=9, mock={"die_after": 3, "rate": 100}))
    first.idle()
    second.idle()


def test_what_a_runtime_speaks_is_remembered(processes, authority):
    """Idle connections have been closed, and many requests come at once: they need not dial each to learn that one connection is enough."""
    mock = secure_mock(processes, authority)
    gate = secure_gate(processes, [model_of(mock, tls={"ca": str(authority.ca)})], authority, threads=1, timeouts={"upstream_idle": "100ms"})
    assert gate.chat().status == 200

    def dials():
        """How many connections a burst takes after a pause; 0 when there is one still."""
        time.sleep(0.3)
        before = gate.metric("hostler_upstream_connects_total")
        with Client(gate, "h2-tls", authority) as client:
            streams = [client.conn.request("POST", "/v1/chat/completions", chat_body(mock={"ttft_ms": 100})) for _ in range(30)]
            assert all(client.conn.response(s).status == 200 for s in streams)
        return gate.metric("hostler_upstream_connects_total") - before

    assert until(dials, "idle connections are closed") == 1
