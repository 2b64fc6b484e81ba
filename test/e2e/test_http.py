# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 itself: framing, limits, keep-alive, pipelining, sockets."""

import contextlib
import json
import random
import socket
import time

import pytest

import harness
from harness import Conn, canned, chat_body, model_of, until, whole

CHAT = "/v1/chat/completions"


def chunked(body, size=7):
    """A body in chunks."""
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def raw_chat(**fields):
    return json.dumps(chat_body(**fields)).encode()


# --- well-formed ---


def test_keep_alive(gate):
    with gate.connect() as conn:
        for i in range(5):
            conn.request("POST", CHAT, chat_body(max_tokens=1 + i))
            answer = conn.response()
            assert answer.json()["usage"]["completion_tokens"] == 1 + i
            assert answer.get("connection") is None
    assert gate.metric("hostler_client_connections_total") == 2


def test_connection_close(shared_gate):
    with shared_gate.connect() as conn:
        conn.request("POST", CHAT, chat_body(), {"Connection": "close"})
        answer = conn.response()
        assert (answer.status, answer.get("connection")) == (200, "close")
        assert conn.at_end()


def test_pipelining_is_answered_in_order(shared_gate):
    with shared_gate.connect() as conn:
        delays = [60, 0, 30, 0, 10, 0]
        requests = b""
        for i, delay in enumerate(delays):
            body = raw_chat(max_tokens=1 + i, stream=bool(i % 2))
            requests += (b"POST %s HTTP/1.1\r\nHost: localhost\r\nx-request-id: p-%d\r\nx-mock-ttft-ms: %d\r\n"
                         b"Content-Length: %d\r\n\r\n%s" % (CHAT.encode(), i, delay, len(body), body))
        conn.send(requests)
        for i in range(len(delays)):
            answer = conn.response()
            assert answer.get("x-request-id") == f"p-{i}"
            assert answer.body.count(b" ") >= 1


def test_many_pipelined_requests(shared_gate):
    with shared_gate.connect() as conn:
        conn.send(b"GET /v1/models/m HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
        for _ in range(500):
            assert conn.response().json()["id"] == "m"


def test_a_request_byte_by_byte(shared_gate):
    body = raw_chat(max_tokens=1)
    request = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (CHAT.encode(), len(body), body)
    with shared_gate.connect() as conn:
        for i in range(len(request)):
            conn.send(request[i:i + 1])
        assert conn.response().status == 200


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_chunked_request(shared_gate, shared_mock, size):
    body = raw_chat(pad="x" * 10000)
    with shared_gate.connect() as conn:
        conn.send(b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % CHAT.encode() +
                  chunked(body, size))
        assert conn.response().status == 200
        conn.send(b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n" % CHAT.encode() +
                  chunked(body, 100)[:-2] + b"x-t: 1\r\n\r\n")
        assert conn.response().status == 200
    for request in shared_mock.requests():
        assert request["body"].encode() == body
        assert ["content-length", str(len(body))] in request["headers"]
        assert "transfer-encoding" not in [name.lower() for name, _ in request["headers"]]


def test_expect_continue(shared_gate):
    body = raw_chat()
    with shared_gate.connect() as conn:
        conn.send(b"POST %s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
                  % (CHAT.encode(), len(body)))
        assert conn.head().status == 100
        conn.send(body)
        assert conn.response().status == 200


def test_expect_continue_of_what_is_refused_anyway(shared_gate):
    for head in (b"POST /nope HTTP/1.1", b"POST %s HTTP/1.1\r\nContent-Length: 99999999999" % CHAT.encode()):
        with shared_gate.connect() as conn:
            conn.send(head + b"\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n")
            assert conn.head().status in (404, 413)


def test_http_1_0(shared_gate):
    with shared_gate.connect() as conn:
        conn.request("POST", CHAT, chat_body(stream=True, max_tokens=3), version="1.0", host=None)
        answer = conn.response()
        assert answer.status == 200 and answer.get("transfer-encoding") is None
        assert answer.events()[-1] == "[DONE]"
        assert conn.at_end()
    with shared_gate.connect() as conn:
        for _ in range(2):
            conn.request("POST", CHAT, chat_body(), {"Connection": "keep-alive"}, version="1.0", host=None)
            answer = conn.response()
            assert (answer.status, answer.get("connection")) == (200, "keep-alive")


def test_absolute_form_and_query(shared_gate, shared_mock):
    with shared_gate.connect() as conn:
        conn.request("POST", f"http://localhost:1{CHAT}?api-version=1&x=%2F", chat_body())
        assert conn.response().status == 200
    assert shared_mock.requests()[-1]["target"] == CHAT  # nobody has read the query
    with shared_gate.connect() as conn:
        conn.request("GET", "http://evil.example/v1/models")  # the target's host counts, not the Host header's
        assert conn.response().status == 403


# --- malformed: answered in the dialect's shape, and the connection closes ---

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize("request_bytes, status", [
    (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", 400),
    (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    (HEAD + b"Content-Length: 2, 2\r\n\r\n{}", 400),
    (HEAD + b"Content-Length: -1\r\n\r\n", 400),
    (HEAD + b"Content-Length: +2\r\n\r\n{}", 400),
    (HEAD + b"Content-Length: 0x2\r\n\r\n{}", 400),
    (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400),
    (b"POST /v1/chat/completions HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nBad Name: x\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nx: a\x00b\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nx: a\nb: c\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: localhost\rx: y\r\n\r\n", 400),
    (b"GET /v1/mod els HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /v1/models HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
    (b"GET /v1/models HTTP/1.7\r\nHost: localhost\r\n\r\n", 505),
    (b"GET /v1/models RTSP/1.0\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\nHost: localhost\n\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: local host\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    (b"GET /v1/models#x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /v1/models?a#x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET ftp://localhost/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET http://u@localhost/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET http:///v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 70000 + b"\r\n{\r\n0\r\n\r\n", 400),
    (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 400),
    (b"NONSENSE /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, 400),
    (b"GET /v1/models\r\n\r\n", 505),
    (HEAD + b"Expect: something-else\r\nContent-Length: 2\r\n\r\n{}", 417),
    (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 415),
])
def test_malformed(shared_gate, shared_mock, request_bytes, status):
    with shared_gate.connect() as conn:
        conn.send(request_bytes)
        answer = conn.response()
        assert answer.status == status, answer.body
        assert answer.error()["type"] == "invalid_request_error" if status < 500 else answer.error()
        if status != 415:
            assert answer.get("connection") == "close"
            conn.socket.shutdown(socket.SHUT_WR)
            assert conn.at_end()
    assert shared_mock.stats()["requests"] == 0
    assert shared_gate.chat().status == 200


@pytest.mark.parametrize("body, says", [
    (b"", "no body"), (b"{", "not valid JSON"), (b"[]", "must be a JSON object"), (b'"m"', "must be a JSON object"),
    (b"null", "must be a JSON object"), (b'{"model":"m"', "not valid JSON"), (b'{"model":"m"} x', "not valid JSON"),
    (b'{"model":"m",}', "not valid JSON"), (b"{'model':'m'}", "not valid JSON"), (b'{"model":"m","x":NaN}', "not valid JSON"),
    (b'{"model":"m","x":01}', "not valid JSON"), (b'{"model":"m","x":"\n"}', "not valid JSON"),
    (b'\xef\xbb\xbf{"model":"m"}', "not valid JSON"), (b'{"model":"m\\ud800"}', "'model' must be a string"),
    (b'{"model":"m","x":"\xff"}', "not valid UTF-8"), (b'{"model":"m","x":"\xc0\xaf"}', "not valid UTF-8"),
    (b'{"model":"m","x":"\xed\xa0\x80"}', "not valid UTF-8"), (b'{"model":"m\xe2\x82"}', "not valid UTF-8"),
    (b'{"model":"m","model":"m"}', "'model' is given twice"), (b'{"model":"m","mode\\u006c":"x"}', "'model' is given twice"),
    (b'{"\\u006dodel":"m","model":"x"}', "'model' is given twice"), (b'{"model":"m","stream":true,"stream":false}', "'stream' is given twice"),
    (b'{"model":"m","stream_options":{},"stream_options":{}}', "given twice"),
    (b'{"model":"m","stream_options":{"include_usage":true,"include_usage":false}}', "given twice"),
    (b'{}', "'model' is missing"), (b'{"Model":"m"}', "'model' must be written just so"), (b'{"x":{"model":"m"}}', "'model' is missing"),
    (b'{"model":1}', "'model' must be a string"), (b'{"model":null}', "'model' must be a string"),
    (b'{"model":["m"]}', "'model' must be a string"), (b'{"model":"m","stream":"true"}', "'stream' must be true or false"),
    (b'{"model":"m","stream":1}', "'stream' must be true or false"), (b'{"model":"m","stream_options":[]}', "must be an object"),
    (b'{"model":"m","stream_options":{"include_usage":1}}', "must be true or false"),
    (b'{"model":"m","x":' + b"[" * 64 + b"]" * 64 + b"}", "nested too deeply"),
    (b'{"model":"m","x":' + b'{"a":' * 100000 + b"1" + b"}" * 100001, "nested too deeply"),
    (b"[" * 1000000, ""),
])
def test_bad_bodies(shared_gate, shared_mock, body, says):
    with shared_gate.connect() as conn:
        conn.request("POST", CHAT, body)
        answer = conn.response()
        assert answer.status == 400
        assert says in answer.error()["message"]
        assert answer.error()["type"] == "invalid_request_error"
        conn.request("POST", CHAT, chat_body())
        assert conn.response().status == 200  # the connection goes on
    assert shared_mock.stats()["requests"] == 1


@pytest.mark.parametrize("body", [
    b'{"x":' + b"[" * 63 + b"]" * 63 + b',"model":"m"}', b' \t\r\n{ "model" : "m" } \n', b'{"model":"\\u006d"}',
    '{"model":"m","x":"\U0001f600\\ud83d\\ude00\\u0000 ￿"}'.encode(), b'{"model":"m","x":1,"x":2}',
    b'{"model":"m","x":"half an emoji \\ud83d","\\ude00":"\\ud83d\\ud83d"}', b'{"model":"m","x":1e999,"y":123456789012345678901234567890}', b'{"model":"m","stream":null,"stream_options":null}'])
def test_good_but_unusual_bodies(processes, body):
    seen = []
    gate = processes.gate(canned(processes, whole(b"{}"), seen))
    answer = gate.chat(body)
    assert answer.status == 200, answer.body
    assert seen[0][1] == body


# --- limits ---


def test_413_by_length(start_gate, mock):
    gate = start_gate(mock, limits={"body_max": "64KiB"})
    with gate.connect() as conn:
        conn.send(HEAD + b"Content-Length: 65537\r\n\r\n")
        answer = conn.response()  # before any of the body was sent
        assert answer.status == 413 and answer.error()["code"] == "request_too_large"
    body = raw_chat(x="y" * (65536 - len(raw_chat(x=""))))
    assert len(body) == 65536 and gate.chat(body).status == 200
    answer = gate.chat(body + b" ")
    assert answer.status == 413 and answer.get("connection") == "close"


def test_413_reaches_a_client_that_is_still_sending(start_gate, mock):
    gate = start_gate(mock, limits={"body_max": "64KiB"})
    for head in (b"Content-Length: 400000\r\n\r\n" + b"x" * 400000,
                 b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 400000, 10000)):
        with gate.connect() as conn:
            conn.send(HEAD + head)
            assert conn.response().status == 413


def test_413_by_chunks(start_gate, mock):
    gate = start_gate(mock, limits={"body_max": "64KiB"})
    with gate.connect() as conn:
        conn.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            conn.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        answer = conn.response()
        assert answer.status == 413 and answer.get("connection") == "close"
    assert mock.stats()["requests"] == 0


def test_all_bodies_together_are_limited(start_gate, mock):
    gate = start_gate(mock, limits={"body_max": "4MiB", "bodies_total": "4MiB"})
    first, second = raw_chat(x="y" * (3 << 20)), raw_chat(x="y" * (2 << 20))
    with gate.connect() as holder, gate.connect() as late:
        holder.request("POST", CHAT, first, {"x-mock-ttft-ms": "1000"})
        until(lambda: mock.stats()["active"] == 1, "the first body is held")
        assert gate.metric("hostler_request_bodies_held_bytes") == len(first)
        late.request("POST", CHAT, second)
        answer = late.response()
        assert (answer.status, answer.error()["code"], answer.get("retry-after")) == (503, "overloaded", "1")
        assert holder.response().status == 200
    until(lambda: gate.metric("hostler_request_bodies_held_bytes") == 0, "all is given back")
    assert gate.metric("hostler_request_bodies_refused_total") == 1
    assert gate.chat(second).status == 200


def test_large_bodies_do_not_stay(shared_gate):
    shared_gate.chat(raw_chat(x="y" * 1000))
    body = raw_chat(x="y" * (20 << 20))
    with shared_gate.connect() as conn:
        for _ in range(3):
            conn.request("POST", CHAT, body)
            assert conn.response().status == 200


@pytest.mark.parametrize("head", [
    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 20000,
    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + b"x: y\r\n" * 200,
    b"GET /" + b"y" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + b"y" * 20000 + b": x"])
def test_431(start_gate, mock, head):
    gate = start_gate(mock, limits={"head_max": "16KiB", "header_count_max": 50})
    with gate.connect() as conn:
        conn.send(head + b"\r\n\r\n")
        answer = conn.response()
        assert answer.status == 431 and answer.error()
        assert answer.get("connection") == "close"
    assert gate.get("/v1/models").status == 200


def test_slow_heads_and_bodies_are_cut(start_gate, mock):
    gate = start_gate(mock, timeouts={"head": "150ms", "body": "150ms", "idle": "150ms"})
    with gate.connect() as idle, gate.connect() as head, gate.connect() as body, gate.connect() as drip:
        began = time.monotonic()
        head.send(b"GET / HTTP/1.1\r\n")
        body.send(HEAD + b"Content-Length: 100\r\n\r\n{")
        for byte in (b"G", b"E", b"T", b" "):  # dripping does not extend a head's time
            drip.send(byte)
            time.sleep(0.05)
        assert body.response().status == 408
        assert idle.at_end() and head.at_end() and drip.at_end() and body.at_end()
        assert time.monotonic() - began < 2
    assert gate.chat().status == 200


def test_connections_max_fits_the_limit_of_open_files(processes, mock, monkeypatch):
    limited = processes.folder / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -n 400\nexec {harness.HOSTLER} "$@"\n')
    limited.chmod(0o755)
    monkeypatch.setattr(harness, "HOSTLER", str(limited))
    gate = processes.gate(mock, threads=2, limits={"connections_max": 100000})
    assert "lowered to 75" in next(l["msg"] for l in gate.log() if l["event"] == "connections_max")
    assert gate.chat().status == 200


# --- sockets ---


def test_unix_sockets(processes):
    below, above = f"{processes.folder}/up.sock", f"{processes.folder}/gate.sock"
    mock = processes.mock("--record", 5, listen=f"unix:{below}")
    gate = processes.gate([model_of(f"unix:{below}:/v1")], listen=[f"unix:{above}"])
    assert gate.address == above
    assert gate.chat().json()["usage"]["completion_tokens"] == 16
    for _ in range(20):
        with Conn(above) as conn:
            conn.request("POST", CHAT, chat_body(stream=True), host="any.example")  # a UNIX socket is this machine
            assert conn.response().events()[-1] == "[DONE]"
    assert len(mock.requests()) == 5


def test_several_listeners(processes, mock):
    path = f"{processes.folder}/gate.sock"
    gate = processes.gate(mock, listen=["127.0.0.1:0", f"unix:{path}"])
    assert gate.chat().status == 200
    with Conn(path) as conn:
        conn.request("GET", "/v1/models")
        assert conn.response().status == 200


def test_a_taken_port(processes, mock, gate):
    other = processes.gate(mock, listen=f"127.0.0.1:{mock.address}", wait=False)
    other.expected = {1}
    assert other.wait() == 1
    assert "in use" in other.errors()


def test_a_stale_unix_socket_is_replaced(processes, mock):
    path = f"{processes.folder}/gate.sock"
    first = processes.gate(mock, listen=f"unix:{path}")
    first.kill()
    second = processes.gate(mock, listen=f"unix:{path}")
    assert second.chat().status == 200


# --- mutants ---

SEED = (b"POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Request-Id: abc\r\n"
        b"Content-Length: 92\r\n\r\n"
        b'{"model":"m","stream":true,"messages":[{"role":"user","content":"h\xc3\xa4"}],"stream_options":{}}')
CHUNKED = SEED.replace(b"Content-Length: 92", b"Transfer-Encoding: chunked").replace(b"{\"model", b"5c\r\n{\"model") + b"\r\n0\r\n\r\n"
PIECES = [b"\r\n", b"\n", b"\x00", b"\xff", b":", b" ", b"\t", b"{", b"[", b'"', b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
          b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.0", b"%00", b"\\u0000", b"ffffffffffffffff\r\n", b"0\r\n\r\n"]


def mutant(rng):
    data = bytearray(rng.choice([SEED, CHUNKED, SEED + CHUNKED]))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 1:
            data[at:at] = rng.choice(PIECES)
        elif kind == 2:
            del data[at:at + rng.randint(1, 20)]
        else:
            data[at:at] = data[at:at + rng.randint(1, 60)]
    return bytes(data)


def test_mutants_do_no_harm(gate, mock):
    """Whatever comes is answered with well-formed HTTP or the connection is closed; others do not notice."""
    rng = random.Random(7)
    statuses = set()
    with gate.connect() as other:
        for _ in range(15):
            with contextlib.ExitStack() as stack:
                batch = [(stack.enter_context(gate.connect()), mutant(rng)) for _ in range(100)]
                for conn, data in batch:
                    half = rng.randrange(len(data) + 1)
                    conn.send(data[:half])
                    conn.send(data[half:])
                until(lambda: gate.metric("hostler_requests_active") == 0, "what can be answered is answered")
                for conn, data in batch:
                    conn.socket.setblocking(False)
                    with contextlib.suppress(BlockingIOError, ConnectionResetError):
                        answer = conn.socket.recv(65536)
                        assert not answer or answer.startswith(b"HTTP/1.1 "), (data, answer)
                        statuses.add(answer[9:12])
                other.request("POST", CHAT, chat_body())
                assert other.response().status == 200
    assert {b"200", b"400", b"404"} <= statuses and b"500" not in statuses, statuses
    gate.idle()
