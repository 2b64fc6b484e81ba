# SPDX-License-Identifier: Apache-2.0
"""The client leaves, in every phase: the runtime is told at once and nothing stays taken."""

import os
import socket
import threading
import time

import pytest

from harness import PATIENCE, chat_body, model_of, until

LIMIT_US = 250_000
HOW = ["close", "reset"]


def now_us():
    return time.monotonic_ns() // 1000


def leave(conn, how):
    at = now_us()
    conn.close() if how == "close" else conn.reset()
    return at


def seen_abort(mock, identifier):
    """The one abort that the mock saw for a request."""
    return until(lambda: [a for a in mock.stats()["aborts"] if a["id"] == identifier], f"the mock sees {identifier} leave")[0]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("path, stream", [("chat/completions", True), ("chat/completions", False), ("completions", True),
                                          ("completions", False), ("embeddings", False)])
def test_waiting_for_the_head(gate, mock, path, stream, how):
    conn = gate.connect()
    conn.request("POST", f"/v1/{path}", {**chat_body(stream=stream, mock={"ttft_ms": 60_000}), "prompt": "x", "input": "x"},
                 {"x-request-id": "a"})
    until(lambda: mock.stats()["active"] == 1, "it arrived")
    left = leave(conn, how)
    abort = seen_abort(mock, "a")
    assert abort["phase"] == "waiting" and 0 <= abort["at_us"] - left < LIMIT_US
    line = gate.exchange(request_id="a")
    assert (line["outcome"], line["state"], line["status"]) == ("client_gone", "AWAIT", 499)
    gate.idle()


@pytest.mark.parametrize("how", HOW)
def test_streaming(gate, mock, how):
    conn = gate.connect()
    gate.stream(conn, headers={"x-request-id": "a"}, max_tokens=10_000, mock={"rate": 100})
    for _ in range(3):
        conn.event()
    left = leave(conn, how)
    abort = seen_abort(mock, "a")
    assert abort["phase"] == "streaming" and 0 <= abort["at_us"] - left < LIMIT_US
    gate.idle()
    line = gate.exchange(request_id="a")
    assert (line["outcome"], line["state"]) == ("client_gone", "RELAY")


@pytest.mark.parametrize("how", HOW)
def test_a_stream_that_is_silent(gate, mock, how):
    conn = gate.connect()
    gate.stream(conn, headers={"x-request-id": "a"}, mock={"stall_after": 2})
    conn.event()
    left = leave(conn, how)
    assert 0 <= seen_abort(mock, "a")["at_us"] - left < LIMIT_US
    gate.idle()


@pytest.mark.parametrize("how", HOW)
def test_a_stream_whose_reader_was_slow(gate, mock, how):
    conn = gate.connect(receive_buffer=4096)
    gate.stream(conn, headers={"x-request-id": "a"}, max_tokens=20_000, mock={"tokens": 20_000, "pad": 4000})
    seen = [0]

    def settled():
        last, seen[0] = seen[0], mock.stats()["frames"]
        time.sleep(0.05)
        return last and seen[0] == last
    until(settled, "the upstream is held back")
    left = leave(conn, how)
    assert 0 <= seen_abort(mock, "a")["at_us"] - left < LIMIT_US
    gate.idle()


def test_half_a_whole_answer(gate, mock):
    conn = gate.connect()
    conn.request("POST", "/v1/chat/completions", chat_body(mock={"early_head": True, "ttft_ms": 60_000}), {"x-request-id": "a"})
    until(lambda: mock.stats()["active"] == 1, "it arrived")
    left = leave(conn, "close")
    assert 0 <= seen_abort(mock, "a")["at_us"] - left < LIMIT_US
    gate.idle()


@pytest.mark.parametrize("how", HOW)
def test_queued(start_gate, mock, how):
    gate = start_gate([model_of(mock, capacity=1)])
    with gate.connect() as held:
        gate.stream(held, mock={"stall_after": 1})
        conn = gate.connect()
        conn.request("POST", "/v1/chat/completions", chat_body(), {"x-request-id": "a"})
        until(lambda: gate.metric("hostler_queue_length") == 1, "it waits")
        leave(conn, how)
        until(lambda: gate.metric("hostler_queue_length") == 0, "it left the queue", 2)
        assert mock.stats()["requests"] == 1
        line = gate.exchange(request_id="a")
        assert (line["outcome"], line["state"]) == ("client_gone", "QUEUE")
        assert "attempts" not in line
    gate.idle()
    assert gate.chat().status == 200


@pytest.fixture
def black_hole():
    """An address that neither accepts nor refuses: a listener whose backlog is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fill = []
    for _ in range(8):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(listener.getsockname())
        fill.append(s)
    until(lambda: refuses_more(listener), "the backlog is full")
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    for s in [*fill, listener]:
        s.close()


def refuses_more(listener):
    with socket.socket() as s:
        s.settimeout(0.05)
        try:
            s.connect(listener.getsockname())
        except TimeoutError:
            return True
        return False


def sockets_of(gate):
    links = []
    for fd in os.listdir(f"/proc/{gate.pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{gate.pid}/fd/{fd}"))
        except OSError:
            pass
    return sum(1 for link in links if link.startswith("socket:"))


@pytest.mark.parametrize("how", HOW)
def test_connecting(start_gate, black_hole, how):
    gate = start_gate(black_hole, timeouts={"connect": "30s"})
    before = sockets_of(gate)
    conn = gate.connect()
    conn.request("POST", "/v1/chat/completions", chat_body(), {"x-request-id": "a"})
    until(lambda: sockets_of(gate) == before + 2, "it connects")
    leave(conn, how)
    until(lambda: sockets_of(gate) == before, "both sockets are closed", 1)
    line = gate.exchange(request_id="a")
    assert (line["outcome"], line["state"]) == ("client_gone", "AWAIT")
    gate.idle()


@pytest.mark.parametrize("how", HOW)
def test_while_the_body_arrives(gate, mock, how):
    conn = gate.connect()
    conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-request-id: a\r\nContent-Length: 1000\r\n\r\n{")
    time.sleep(0.02)
    leave(conn, how)
    line = gate.exchange(request_id="a")
    assert (line["outcome"], line["state"]) == ("client_gone", "BODY")
    assert mock.stats()["requests"] == 0
    gate.idle()


def test_while_it_is_sent(processes):
    """The runtime does not read: the request's body is stuck half-way."""
    arrived, over = threading.Event(), threading.Event()

    def handler(conn):
        conn.recv(100)
        arrived.set()
        time.sleep(0.2)
        while conn.recv(1 << 20):
            pass
        over.set()
    gate = processes.gate(processes.script(handler))
    conn = gate.connect()
    conn.request("POST", "/v1/chat/completions", chat_body(x="y" * (20 << 20)), {"x-request-id": "a"})
    assert arrived.wait(PATIENCE)
    leave(conn, "close")
    assert over.wait(PATIENCE)
    assert gate.exchange(request_id="a")["outcome"] == "client_gone"
    gate.idle()


def test_pipelined_behind_a_stream(gate, mock):
    """The connection goes, and with it the request in progress; the one behind it never starts."""
    conn = gate.connect()
    conn.request("POST", "/v1/chat/completions", chat_body(stream=True, mock={"stall_after": 1}), {"x-request-id": "a"})
    conn.request("POST", "/v1/chat/completions", chat_body(), {"x-request-id": "b"})
    conn.head()
    leave(conn, "reset")
    seen_abort(mock, "a")
    gate.idle()
    assert [r["id"] for r in mock.requests()] == ["a"]


def test_a_half_closed_client(gate, mock):
    """A client that will send no more may be gone or not: it counts as gone, as an SDK never does that."""
    conn = gate.connect()
    gate.stream(conn, headers={"x-request-id": "a"}, mock={"stall_after": 1})
    conn.socket.shutdown(socket.SHUT_WR)
    seen_abort(mock, "a")
    conn.close()
    gate.idle()


def test_hundreds_at_once(start_gate, start_mock):
    mock = start_mock("--threads", 2)
    gate = start_gate([model_of(mock, capacity=60, queue_max=1000)])
    conns = []
    for i in range(200):
        conn = gate.connect()
        conn.request("POST", "/v1/chat/completions", chat_body(stream=bool(i % 2), mock={"ttft_ms": 60_000 if i % 3 else 0,
                                                                                        "stall_after": 2}))
        conns.append(conn)
    until(lambda: mock.stats()["active"] == 60, "sixty are in progress")
    for i, conn in enumerate(conns):
        leave(conn, HOW[i % 2])
    gate.idle()
    mock.idle()
    stats = mock.stats()
    assert stats["aborted"] == stats["requests"] - stats["completed"] - stats["errors"] - stats["died"]
    assert gate.chat().status == 200


# --- time runs out ---


def test_connect_timeout(start_gate, black_hole):
    gate = start_gate(black_hole, timeouts={"connect": "200ms"})
    began = time.monotonic()
    answer = gate.chat()
    assert 0.19 < time.monotonic() - began < 2
    assert answer.status == 504 and answer.error()["code"] == "upstream_timeout"
    gate.idle()


def test_connect_timeout_then_another(start_gate, black_hole, mock):
    gate = start_gate([model_of(black_hole, mock, policy="round_robin")], timeouts={"connect": "100ms"})
    for _ in range(2):
        assert gate.chat().status == 200


@pytest.mark.parametrize("early", [False, True])
def test_first_byte_timeout(start_gate, mock, early):
    gate = start_gate(mock, timeouts={"first_byte": "200ms"})
    began = time.monotonic()
    answer = gate.chat(stream=True, mock={"ttft_ms": 60_000, "early_head": early})
    assert 0.19 < time.monotonic() - began < 2
    # A head that comes early is held back until the answer begins, so that the client hears of it by the status.
    assert answer.status == 504 and answer.error()["code"] == "upstream_timeout"
    until(lambda: mock.stats()["aborted"] == 1, "the runtime is told")
    gate.idle()


@pytest.mark.parametrize("stream", [True, False])
def test_total_timeout(start_gate, mock, stream):
    gate = start_gate(mock, timeouts={"total": "200ms"})
    began = time.monotonic()
    answer = gate.chat(stream=stream, mock={"ttft_ms": 60_000})
    assert 0.19 < time.monotonic() - began < 2
    assert answer.status == 504 and answer.error()["type"] == "server_error"
    until(lambda: mock.stats()["aborted"] == 1, "the runtime is told")
    assert gate.exchange(request_id=answer.get("x-request-id"))["outcome"] == "timeout"
    gate.idle()


def test_the_deadline_holds_in_the_queue(start_gate, mock):
    gate = start_gate([model_of(mock, capacity=1)])
    with gate.connect() as held:
        gate.stream(held, mock={"stall_after": 1})
        began = time.monotonic()
        assert gate.chat(headers={"X-Stainless-Timeout": "1"}).status == 504
        assert 0.95 < time.monotonic() - began < 3
    gate.idle()


@pytest.mark.parametrize("value, status", [("1", 504), ("100", 200), ("0", 200), ("x", 200), ("-1", 200), ("", 200),
                                           ("99999999999999999999999", 200)])
def test_the_sdks_timeout_shortens_ours(gate, mock, value, status):
    began = time.monotonic()
    wait = 60_000 if status == 504 else 0
    answer = gate.chat(headers={"X-Stainless-Timeout": value}, mock={"ttft_ms": wait})
    assert answer.status == status
    if status == 504:
        assert 0.95 < time.monotonic() - began < 3
        until(lambda: mock.stats()["aborted"] == 1, "the runtime is told")
    gate.idle()
