# SPDX-License-Identifier: Apache-2.0
"""Streams that break, stall and meet slow readers."""

import json
import threading
import time

import pytest

from harness import PATIENCE, canned, chat_body, read_request, sse, text_of, until


def assert_broken(answer, tokens):
    """Whole events, `tokens` of them with text, then one error event and nothing else."""
    events = answer.events()
    assert b"".join(b"data: %s\n\n" % e.encode() for e in events) == answer.body
    assert "[DONE]" not in events
    error = json.loads(events[-1])
    assert set(error) == {"error"} and set(error["error"]) == {"message", "type", "param", "code"}
    assert error["error"]["type"] == "server_error"
    assert text_of(events[:-1]) == "".join(f"t{i} " for i in range(tokens))
    return error["error"]


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("tokens", [1, 5])
def test_an_upstream_that_dies(gate, how, tokens):
    answer = gate.chat(stream=True, max_tokens=20, mock={"die_after": tokens, "die": how})
    assert answer.status == 200
    assert assert_broken(answer, tokens)["code"] == "upstream_error"
    assert gate.exchange(request_id=answer.get("x-request-id"))["outcome"] == "upstream_broken"
    gate.idle()


def test_an_upstream_that_is_killed(gate, mock):
    with gate.connect() as conn:
        answer = gate.stream(conn, max_tokens=20, mock={"stall_after": 3})
        for _ in range(4):
            conn.event()
        mock.kill()
        began = time.monotonic()
        answer.body = conn.stream + b"".join(conn.pieces)
        assert time.monotonic() - began < 1
        assert json.loads(answer.events()[-1])["error"]["code"] == "upstream_error"
        conn.request("GET", "/livez")
        assert conn.response().status == 200  # the connection lives on
    gate.idle()


def test_an_end_without_done(gate):
    answer = gate.chat(stream=True, max_tokens=4, mock={"no_done": True})
    assert_broken(answer, 4)


def test_an_error_event_of_the_runtime_passes(gate):
    answer = gate.chat(stream=True, max_tokens=9, mock={"error_after": 2})
    events = answer.events()
    assert "[DONE]" not in events
    assert [("error" in json.loads(e)) for e in events].count(True) == 1 and "error" in json.loads(events[-1])
    gate.idle()


EVENT = 'data: {"choices":[{"delta":{"content":"h€llo \U0001f600"}}]}\n\n'.encode()


@pytest.mark.parametrize("cut", sorted({*range(0, len(EVENT), 7), 41, 42, 43, len(EVENT) - 1}))
def test_a_cut_anywhere_leaves_whole_events(processes, cut):
    """In mid-JSON and mid-character: nothing of the unfinished event reaches the client; one that lacks only line ends does."""
    body = EVENT + EVENT[:cut]

    def handler(conn):
        read_request(conn)
        conn.sendall(sse(b"")[0] + b"%x\r\n%s\r\n" % (len(body), body))
    gate = processes.gate(processes.script(handler))
    answer = gate.chat(stream=True)
    events = EVENT * (2 if cut >= len(EVENT) - 2 else 1)
    assert answer.body.startswith(events + b'data: {"error":{') and answer.body.count(b"data: ") == events.count(b"data: ") + 1


END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


def test_a_stream_may_end_with_its_finish_reason(processes):
    """Some runtimes send no [DONE]; clients wait for one."""
    gate = processes.gate(canned(processes, sse(EVENT + END)))
    for _ in range(4):  # and the endpoint is not blamed
        answer = gate.chat(stream=True)
        assert answer.body == EVENT + END + b"data: [DONE]\n\n"
        assert gate.exchange(request_id=answer.get("x-request-id"))["outcome"] == "ok"


def test_done_ends_the_answer_though_the_body_goes_on(processes):
    def handler(conn):
        read_request(conn)
        body = EVENT + b"data: [DONE]\n\n"
        conn.sendall(sse(b"")[0] + b"%x\r\n%s\r\n" % (len(body), body))
        conn.recv(1)  # until the gateway closes
    gate = processes.gate(processes.script(handler), threads=1)
    begun = time.monotonic()
    for _ in range(2):
        assert gate.chat(stream=True).body == EVENT + b"data: [DONE]\n\n"
    assert time.monotonic() - begun < 5
    gate.idle()


def test_a_reset_after_done_is_no_error(processes):
    def handler(conn):
        read_request(conn)
        body = EVENT + b"data: [DONE]\n\n"
        conn.sendall(sse(b"")[0] + b"%x\r\n%s\r\n" % (len(body), body))
    gate = processes.gate(processes.script(handler))
    answer = gate.chat(stream=True)
    assert answer.body == EVENT + b"data: [DONE]\n\n"
    assert gate.exchange(request_id=answer.get("x-request-id"))["outcome"] == "ok"


def test_garbage_within_a_chunked_stream(processes):
    go_on = threading.Event()

    def handler(conn):
        read_request(conn)
        conn.sendall(b"".join(sse(EVENT)[:2]))
        go_on.wait(PATIENCE)
        conn.sendall(b"ZZZ\r\n")
        conn.recv(1)
    gate = processes.gate(processes.script(handler))
    with gate.connect() as conn:
        gate.stream(conn)
        assert "content" in conn.event()
        go_on.set()
        assert "upstream_error" in conn.event()
        assert list(conn.pieces) == [] and not conn.stream


def test_garbage_right_behind_the_head_is_an_error_of_its_own(processes):
    """Nothing has gone to the client yet: no stream begins."""
    gate = processes.gate(canned(processes, [b"".join(sse(EVENT)[:2]) + b"ZZZ\r\n"]))
    answer = gate.chat(stream=True)
    assert answer.status == 502 or answer.body.startswith(EVENT + b'data: {"error":{')


def test_a_stream_over_http_1_0(gate):
    with gate.connect() as conn:
        conn.request("POST", "/v1/chat/completions", chat_body(stream=True, mock={"die_after": 2}), version="1.0")
        answer = conn.response()
        assert_broken(answer, 2)


# --- stalls ---


def test_a_stall_ends_with_an_error(start_gate, mock):
    gate = start_gate(mock, timeouts={"between": "300ms"})
    began = time.monotonic()
    answer = gate.chat(stream=True, max_tokens=9, mock={"stall_after": 3})
    assert 0.28 < time.monotonic() - began < 1.5
    assert assert_broken(answer, 3)["code"] == "upstream_timeout"
    assert gate.exchange(request_id=answer.get("x-request-id"))["outcome"] == "timeout"
    until(lambda: mock.stats()["aborted"] == 1, "the runtime sees it")
    gate.idle()


def test_comments_count_as_life(start_gate, mock):
    gate = start_gate(mock, timeouts={"between": "300ms", "first_byte": "2s"})
    answer = gate.chat(stream=True, max_tokens=3, mock={"ttft_ms": 900, "comment_ms": 100})
    assert answer.events()[-1] == "[DONE]"
    assert answer.body.count(b": ping\n\n") >= 3


def test_a_slow_but_steady_stream_passes(start_gate, mock):
    gate = start_gate(mock, timeouts={"between": "300ms"})
    answer = gate.chat(stream=True, max_tokens=10, mock={"rate": 10}, headers={"x-stainless-timeout": "0.5"})
    assert text_of(answer.events()) == "".join(f"t{i} " for i in range(10))


def test_a_stream_ends_with_the_total_timeout(start_gate, mock):
    gate = start_gate(mock, timeouts={"total": "500ms"})
    answer = gate.chat(stream=True, max_tokens=100, mock={"rate": 10, "tokens": 100})
    assert json.loads(answer.events()[-1])["error"]["code"] == "upstream_timeout"
    until(lambda: mock.stats()["aborted"] == 1, "the runtime is told")
    gate.idle()


# --- slow readers ---

PAD = 4000


def test_a_slow_reader_holds_the_upstream_back(start_gate, mock):
    gate = start_gate(mock, threads=1, limits={"stream_buffer": "64KiB"})
    gate.chat()
    before = gate.memory()
    tokens = 8_000  # 32 MB
    with gate.connect(receive_buffer=4096) as slow:
        gate.stream(slow, max_tokens=tokens, mock={"tokens": tokens, "pad": PAD})
        seen = [0]

        def settled():  # the runtime stopped: kernel buffers and ours are full
            last, seen[0] = seen[0], mock.stats()["frames"]
            time.sleep(0.1)
            return last and seen[0] == last
        until(settled, "the upstream is held back")
        assert seen[0] < tokens / 2
        assert gate.memory() - before < 4 << 20
        for _ in range(20):  # others are served as ever
            assert gate.chat(stream=True).events()[-1] == "[DONE]"
        slow.hurry()
        answer = b"".join(slow.pieces)
        assert answer.endswith(b"data: [DONE]\n\n")
        assert answer.count(b'"content":"t') == tokens
    gate.idle()


def test_a_reader_that_stopped_is_cut(start_gate, mock):
    gate = start_gate(mock, timeouts={"write": "300ms"})
    with gate.connect(receive_buffer=4096) as stuck:
        gate.stream(stuck, headers={"x-request-id": "stuck"}, max_tokens=100_000, mock={"tokens": 100_000, "pad": PAD})
        assert gate.exchange(request_id="stuck")["outcome"] == "client_slow"
        until(lambda: mock.stats()["aborted"] == 1, "the runtime is told")
        gate.idle()


def test_a_slow_reader_of_a_whole_answer(start_gate, mock):
    gate = start_gate(mock, threads=1)
    gate.chat()
    before = gate.memory()
    with gate.connect(receive_buffer=4096) as slow:
        slow.request("POST", "/v1/chat/completions", chat_body(max_tokens=5000, mock={"tokens": 5000, "pad": PAD}))
        head = slow.head()
        time.sleep(0.2)
        assert gate.memory() - before < 4 << 20
        slow.hurry()
        body = b"".join(slow.chunks(head))
        assert len(json.loads(body)["choices"][0]["message"]["content"]) > 5000 * PAD
    gate.idle()


def test_many_slow_readers(start_gate, mock):
    gate = start_gate(mock, threads=1)
    gate.chat()
    before = gate.memory()
    conns = [gate.connect(receive_buffer=4096) for _ in range(50)]
    for conn in conns:
        gate.stream(conn, max_tokens=5000, mock={"tokens": 5000, "pad": PAD})
    time.sleep(0.3)
    assert gate.memory() - before < 50 * (512 << 10)  # sanitized: several times the real figure
    assert gate.chat(stream=True).events()[-1] == "[DONE]"
    for conn in conns:
        conn.close()
    gate.idle()


def test_an_upstream_that_never_ends_its_head(processes):
    def handler(conn):
        read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            conn.sendall(b"x-more: " + b"y" * 1000 + b"\r\n")
    gate = processes.gate(processes.script(handler), limits={"upstream_head_max": "16KiB"})
    assert gate.chat().status == 502


def test_an_event_that_never_ends(processes):
    def handler(conn):
        read_request(conn)
        conn.sendall(sse(b"")[0] + b"ffffffff\r\n" + b"data: ")
        for _ in range(300):
            conn.sendall(b"x" * 65536)
    gate = processes.gate(processes.script(handler), threads=1)
    gate.get("/livez")
    before = gate.memory()
    with gate.connect() as conn:
        conn.open_stream("/v1/chat/completions", chat_body(stream=True))
        with pytest.raises(EOFError):
            for _ in conn.pieces:
                pass
    assert gate.memory() - before < 16 << 20
    gate.idle()
