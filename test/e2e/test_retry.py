# SPDX-License-Identifier: Apache-2.0
"""Where requests go: balancing, retries, cooldown, capacity, queue."""

import concurrent.futures
import threading
import time

import pytest

from harness import canned, chat_body, free_port, model_of, read_request, until, whole

FAST = {"health": {"cooldown": "100ms", "failures": 1}}
NO_BUDGET = {"budget_min": 10000}


def at_once(count, ask):
    """The results of `count` concurrent calls of ask(i)."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


# --- retries ---


def dying(processes, reset=False):
    """A runtime that reads the request and leaves."""
    def handler(conn):
        read_request(conn)
    return processes.script(handler)


def go_away(mock):
    """Later than the gateway's first look at it, which takes a moment: only a request finds out."""
    time.sleep(0.3)
    mock.kill()


@pytest.mark.parametrize("failure", ["refused", "dies", "nonsense", "500", "502", "503", "429", "head then nothing"])
def test_another_endpoint_answers(processes, start_mock, mock, failure):
    if failure == "refused":
        bad = start_mock()
    elif failure == "dies":
        bad = dying(processes)
    elif failure == "nonsense":
        bad = canned(processes, [b"SSH-2.0-OpenSSH_9.2\r\n\r\n"])
    elif failure == "head then nothing":
        bad = canned(processes, [b"HTTP/1.1 200 OK\r\nContent-Le"])
    else:
        bad = start_mock("--status", failure)
    gate = processes.gate([model_of(bad, mock, policy="round_robin")], retry=NO_BUDGET)
    if failure == "refused":
        go_away(bad)
    for i in range(6):
        answer = gate.chat(stream=bool(i % 2))
        assert answer.status == 200
        assert answer.get("retry-after") is None
    lines = until(lambda: len(gate.exchanges()) >= 6 and gate.exchanges(), "six exchanges are logged")
    assert {line["endpoint"] for line in lines} == {"e1"}
    assert max(line["attempts"] for line in lines) == 2
    assert mock.stats()["requests"] == 6
    gate.idle()


def test_no_retry_after_the_first_byte(processes, start_mock):
    bad, good = start_mock("--die-after", 2), start_mock()
    gate = processes.gate([model_of(bad, good, policy="round_robin")], retry=NO_BUDGET)
    for _ in range(4):
        gate.chat(stream=True, max_tokens=5)
    assert (bad.stats()["requests"], good.stats()["requests"]) == (2, 2)


def test_a_whole_answer_that_breaks_is_cut(processes, start_mock):
    bad, good = start_mock("--die-after", 2, "--tokens", 50), start_mock()
    gate = processes.gate([model_of(bad, good, policy="round_robin")])
    with gate.connect() as conn:
        conn.request("POST", "/v1/chat/completions", chat_body())
        with pytest.raises(EOFError):
            conn.response()
            conn.request("POST", "/v1/chat/completions", chat_body())
            conn.response()
    gate.idle()


def test_an_error_is_relayed_though_others_wait(processes):
    """A queue at the only endpoint is no reason to try again."""
    others_wait = threading.Event()

    def handler(conn):
        while True:
            if b"first" in read_request(conn)[1]:
                others_wait.wait(10)
                conn.sendall(b"".join(whole(b'{"error":{"message":"its own words"}}', status=b"500 Oops")))
            else:
                conn.sendall(b"".join(whole(b'{"id":"second"}')))
    gate = processes.gate([model_of(processes.script(handler), capacity=1)], retry=NO_BUDGET, health={"failures": 100})
    with gate.connect() as first, gate.connect() as second:
        first.request("POST", "/v1/chat/completions", chat_body(messages=[{"role": "user", "content": "first"}]))
        until(lambda: gate.metric("hostler_requests_active", model="m") == 1, "the first is under way")
        second.request("POST", "/v1/chat/completions", chat_body())
        until(lambda: gate.metric("hostler_queue_length", model="m") == 1, "the second waits")
        others_wait.set()
        answer = first.response()
        assert answer.status == 500 and answer.json()["error"]["message"] == "its own words"
        assert second.response().json()["id"] == "second"
    gate.idle()


def test_client_errors_are_not_retried(start_gate, start_mock):
    for status in (400, 404, 409, 422):
        mocks = start_mock("--status", status), start_mock("--status", status)
        gate = start_gate([model_of(*mocks)])
        assert gate.chat().status == status
        assert sum(m.stats()["requests"] for m in mocks) == 1
        assert gate.metric("hostler_endpoint_up", model="m") == 2


def test_all_fail_the_last_answer_is_relayed(start_gate, start_mock):
    mocks = start_mock("--status", 503, "--retry-after", 7), start_mock("--status", 503, "--retry-after", 7)
    gate = start_gate([model_of(*mocks)])
    answer = gate.chat()
    assert (answer.status, answer.get("retry-after")) == (503, "7")
    assert [m.stats()["requests"] for m in mocks] == [1, 1]


def test_attempts_max(start_gate, start_mock):
    mocks = [start_mock("--status", 500) for _ in range(4)]
    gate = start_gate([model_of(*mocks)], retry={"attempts_max": 2, **NO_BUDGET})
    answer = gate.chat()
    assert answer.status == 500
    assert sum(m.stats()["requests"] for m in mocks) == 2
    assert gate.exchange(request_id=answer.get("x-request-id"))["attempts"] == 2


def test_retry_budget(start_gate, start_mock):
    mocks = [start_mock("--status", 500) for _ in range(3)]
    gate = start_gate([model_of(*mocks)], threads=1, retry={"budget_percent": 20, "budget_min": 3}, health={"failures": 1000})
    with gate.connect() as conn:
        for _ in range(100):
            conn.request("POST", "/v1/chat/completions", chat_body())
            assert conn.response().status == 500
    attempts = sum(m.stats()["requests"] for m in mocks)
    assert 110 <= attempts <= 124, attempts
    assert gate.metric("hostler_upstream_retries_total") == attempts - 100
    assert gate.metric("hostler_upstream_retries_denied_total") > 0


def test_the_budget_spent_an_answer_of_429_is_still_429(start_gate, start_mock):
    mocks = [start_mock("--status", 429, "--retry-after", 3) for _ in range(2)]
    gate = start_gate([model_of(*mocks)], retry={"budget_percent": 0, "budget_min": 0})
    answer = gate.chat()
    assert (answer.status, answer.get("retry-after")) == (429, "3")
    assert answer.json()["error"]["type"]


def test_one_endpoint_that_cannot_be_reached(start_gate, start_mock):
    gone = start_mock()
    gate = start_gate(gone)
    go_away(gone)
    answer = gate.chat()
    assert answer.status == 502
    assert answer.error()["type"] == "server_error" and answer.error()["code"] == "upstream_error"
    assert "refused" in answer.error()["message"].lower()


def test_a_host_that_does_not_resolve(start_gate, mock):
    gate = start_gate([model_of("http://no-such-host.invalid/v1", name="m"), model_of(mock, name="n")])
    answer = gate.chat()  # 503 when it has been looked for already
    assert answer.status in (502, 503) and answer.error()
    until(lambda: gate.chat().status == 503, "it is known")
    assert gate.chat(model="n").status == 200


# --- cooldown ---


def test_cooldown_and_recovery(start_gate, start_mock):
    bad, good = start_mock("--status", 500), start_mock()
    gate = start_gate([model_of(bad, good, policy="round_robin")], retry=NO_BUDGET, health={"failures": 2, "cooldown": "300ms"})
    for _ in range(6):
        assert gate.chat().status == 200
    assert bad.stats()["requests"] == 2
    assert gate.metric("hostler_endpoint_up", endpoint="e0") == 0
    bad.knobs(status=200)
    bad.reset()
    bad.knobs(status=0)
    until(lambda: gate.chat().status == 200 and bad.stats()["requests"] > 0, "the endpoint is tried again", 5)
    assert gate.metric("hostler_endpoint_up", endpoint="e0") == 1


def events(gate, name):
    return [line for line in gate.log() if line["event"] == name]


def test_nobody_there_is_503_with_retry_after(start_gate, start_mock):
    gone = start_mock()
    gate = start_gate(gone, health={"failures": 1, "cooldown": "30s"}, pool={"idle_max": 0})
    assert gate.chat().status == 200
    gone.kill()
    assert gate.chat().status == 502
    answer = gate.chat()
    assert answer.status == 503 and answer.error()["code"] == "no_endpoint"
    assert answer.get("retry-after") == "1"  # it is probed each second
    ready = gate.get("/readyz")
    assert ready.status == 503 and ready.json()["status"] == "not ready" and "m" in ready.json()["models"][0]["model"]
    assert "cannot be reached" in ready.json()["models"][0]["reason"]
    # an answer of our own is counted right behind its write, perhaps when another thread has begun to sum
    until(lambda: gate.metric("hostler_outcomes_total", outcome="not_ready") == 1, "it is counted", 5)
    assert gate.get("/livez").status == 200


def test_a_runtime_that_comes_back_serves_again_at_once(processes):
    first = processes.mock()
    gate = processes.gate([model_of(f"http://127.0.0.1:{first.address}/v1")], pool={"idle_max": 0})
    assert gate.chat().status == 200
    first.kill()
    until(lambda: gate.chat().status == 503, "it cools down")
    time.sleep(3)  # however long it was away
    processes.mock(listen=f"127.0.0.1:{first.address}")
    back = time.monotonic()
    until(lambda: gate.chat().status == 200, "it serves again", 5)
    assert time.monotonic() - back < 2
    until(lambda: [line["state"] for line in events(gate, "endpoint_health")] == ["cooling", "up"], "both are logged")


def test_who_was_never_there_is_said_at_the_start(processes):
    mock = processes.mock()
    mock.kill()
    gate = processes.gate([model_of(f"http://127.0.0.1:{mock.address}/v1")])
    until(lambda: gate.get("/readyz").status == 503, "it is looked at")
    assert "cannot be reached" in gate.get("/readyz").json()["models"][0]["reason"]
    assert [line["state"] for line in events(gate, "endpoint_health")] == ["cooling"]


def test_an_only_runtime_is_not_taken_away_for_its_answers(start_gate, start_mock):
    for status in (400, 401, 403, 404, 422, 500, 501, 503):
        mock = start_mock("--status", status, "--fail-first", 10)
        gate = start_gate(mock)
        ask = lambda: gate.chat(headers={"x-request-id": "r"}).status  # the mock counts by it
        assert [ask() for _ in range(11)] == [502 if status == 401 else status] * 10 + [200]
        assert len(events(gate, "endpoint_key")) == (status == 401)


def test_two_of_three_broken_from_the_start_hurt_nobody(start_gate, start_mock):
    bad, gone, good = start_mock("--status", 500), start_mock(), start_mock()
    gone.kill()
    gate = start_gate([model_of(bad, gone, good)])
    assert [gate.chat().status for _ in range(60)] == [200] * 60


def test_retry_after_of_the_runtime_is_honoured(start_gate, start_mock):
    limited, good = start_mock("--status", 429, "--retry-after", 2), start_mock()
    gate = start_gate([model_of(limited, good, policy="round_robin")], retry=NO_BUDGET,
                      health={"failures": 100, "cooldown": "10ms"})
    began = time.monotonic()
    for _ in range(10):
        assert gate.chat().status == 200
    assert limited.stats()["requests"] == 1
    assert time.monotonic() - began < 2
    until(lambda: gate.chat().status == 200 and limited.stats()["requests"] > 1, "it is asked again", 10)
    assert time.monotonic() - began >= 1.9


def test_a_pause_that_the_only_runtime_asks_for_is_waited_for(start_gate, start_mock):
    mock = start_mock("--status", 429, "--retry-after", 1, "--fail-first", 1)
    gate = start_gate(mock, health={"failures": 3, "cooldown": "30s"})
    began = time.monotonic()
    assert gate.chat(headers={"x-request-id": "r"}).status == 429
    assert gate.chat(headers={"x-request-id": "r"}).status == 200
    assert 0.95 < time.monotonic() - began < 4


def test_active_probes(start_gate, start_mock):
    sick, good = start_mock("--health", 503), start_mock("--health", 200)
    gate = start_gate([model_of(sick, good, health="/health")], health={"interval": "100ms", "timeout": "1s", "failures": 1,
                                                                       "cooldown": "100ms"})
    until(lambda: gate.metric("hostler_endpoint_up", endpoint="e0") == 0, "the probe fails")
    sick.reset()
    for _ in range(5):
        assert gate.chat().status == 200
    assert sick.stats()["requests"] == 0
    sick.knobs(health=200)
    until(lambda: gate.metric("hostler_endpoint_up", endpoint="e0") == 1, "the probe succeeds")
    assert gate.metric("hostler_endpoint_up", endpoint="e1") == 1


@pytest.mark.parametrize("status, up", [(200, 1), (204, 1), (401, 1), (404, 1), (500, 0), (503, 0)])
def test_a_probe_that_is_answered_below_500_is_healthy(start_gate, start_mock, status, up):
    """As docs/configuration.md has it: Ollama has no /health, and others ask for a key there; 503 is what loads."""
    mock = start_mock("--health", 503 if up else 200)
    gate = start_gate([model_of(mock, health="/health")], health={"interval": "100ms", "timeout": "1s", "failures": 1})
    until(lambda: gate.metric("hostler_endpoint_up", endpoint="e0") == 1 - up, "it begins the other way")
    mock.knobs(health=status)
    until(lambda: gate.metric("hostler_endpoint_up", endpoint="e0") == up, "the probe is judged")


# --- pooled connections ---


def test_connections_are_reused(start_gate, mock):
    gate = start_gate(mock, threads=1)
    for i in range(20):
        assert gate.chat(stream=bool(i % 2)).status == 200
    assert gate.metric("hostler_upstream_connects_total") == 1
    assert gate.metric("hostler_upstream_reuses_total") == 19


@pytest.mark.parametrize("how", ["restart", "close on request"])
def test_a_stale_connection_is_replaced(processes, how):
    if how == "restart":
        first = processes.mock()
        gate = processes.gate([model_of(f"http://127.0.0.1:{first.address}/v1")], threads=1)
        assert gate.chat().status == 200
        first.kill()
        processes.mock(listen=f"127.0.0.1:{first.address}")
    else:
        def handler(conn):  # closes as soon as a second request comes
            read_request(conn)
            conn.sendall(whole(b"{}")[0])
            conn.recv(1)
        gate = processes.gate(processes.script(handler), threads=1)
        assert gate.chat().status == 200
    for _ in range(3):
        answer = gate.chat()
        assert answer.status == 200
        assert gate.exchange(request_id=answer.get("x-request-id"))["attempts"] == 1
    assert gate.metric("hostler_endpoint_up", endpoint="e0") == 1


def test_upstream_idle_timeout(processes):
    closed = threading.Event()

    def handler(conn):
        read_request(conn)
        conn.sendall(whole(b"{}")[0])
        if conn.recv(1) == b"":
            closed.set()
    gate = processes.gate(processes.script(handler), timeouts={"upstream_idle": "100ms"})
    assert gate.chat().status == 200
    assert closed.wait(5)


# --- balancing ---


def test_round_robin(start_gate, start_mock):
    mocks = [start_mock() for _ in range(3)]
    gate = start_gate([model_of(*mocks, policy="round_robin")])
    for _ in range(30):
        gate.chat()
    assert [m.stats()["requests"] for m in mocks] == [10, 10, 10]


def test_weighted(start_gate, start_mock):
    mocks = [start_mock() for _ in range(2)]
    model = model_of(*mocks, policy="weighted")
    model["endpoints"][0]["weight"] = 9
    gate = start_gate([model])
    with gate.connect() as conn:
        for _ in range(300):
            conn.request("POST", "/v1/chat/completions", chat_body(max_tokens=1))
            conn.response()
    assert 240 <= mocks[0].stats()["requests"] <= 295


def test_least_busy_prefers_the_idle_one(start_gate, start_mock):
    mocks = [start_mock() for _ in range(2)]
    gate = start_gate([model_of(*mocks)])
    with gate.connect() as held:
        gate.stream(held, mock={"stall_after": 1})
        busy, idle = sorted(mocks, key=lambda m: -m.stats()["active"])
        assert (busy.stats()["active"], idle.stats()["active"]) == (1, 0)
        for _ in range(10):
            gate.chat()
            until(lambda: gate.metric("hostler_endpoint_inflight") == 1, "its credit is back")
        assert (busy.stats()["requests"], idle.stats()["requests"]) == (1, 10)
    gate.idle()


def test_least_busy_spreads(start_gate, start_mock):
    mocks = [start_mock("--ttft-ms", 100) for _ in range(3)]
    gate = start_gate([model_of(*mocks)])
    at_once(30, lambda i: gate.chat())
    assert max(m.stats()["peak"] for m in mocks) <= 14
    assert min(m.stats()["requests"] for m in mocks) >= 6


# --- capacity and the queue ---


def test_capacity_is_never_exceeded(start_gate, start_mock):
    mocks = [start_mock("--ttft-ms", 5), start_mock("--ttft-ms", 5)]
    gate = start_gate([model_of(*mocks, capacity=3)])
    answers = at_once(24, lambda i: [gate.chat(stream=bool((i + k) % 2)).status for k in range(8)])
    assert {s for a in answers for s in a} == {200}
    assert [m.stats()["peak"] for m in mocks] == [3, 3]
    gate.idle()


def test_the_queue_is_first_in_first_out(start_gate, start_mock):
    mock = start_mock("--record", 50)
    gate = start_gate([model_of(mock, capacity=1)])
    held = gate.connect()
    gate.stream(held, mock={"stall_after": 1})
    waiting = []
    for i in range(12):
        conn = gate.connect()
        conn.request("POST", "/v1/chat/completions", chat_body(), {"x-request-id": f"w-{i}"})
        waiting.append(conn)
        until(lambda n=i + 1: gate.metric("hostler_queue_length", model="m") == n, "it waits")
    held.close()
    for conn in waiting:
        assert conn.response().status == 200
        conn.close()
    assert [r["id"] for r in mock.requests()[1:]] == [f"w-{i}" for i in range(12)]
    assert gate.exchange(request_id="w-11")["queue_us"] > 0
    gate.idle()


def test_a_full_queue_is_429(start_gate, start_mock):
    mock = start_mock()
    gate = start_gate([model_of(mock, capacity=1, queue_max=2)])
    with gate.connect() as held, gate.connect() as one, gate.connect() as two:
        gate.stream(held, mock={"stall_after": 1})
        for n, conn in ((1, one), (2, two)):
            conn.request("POST", "/v1/chat/completions", chat_body())
            until(lambda: gate.metric("hostler_queue_length") == n, "it waits")
        answer = gate.chat()
        assert answer.status == 429 and int(answer.get("retry-after")) >= 1
        assert answer.error()["type"] == "rate_limit_error"
        assert gate.metric("hostler_queue_refused_total", reason="full") == 1
        held.close()
        assert one.response().status == 200 and two.response().status == 200
    assert gate.exchange(request_id=answer.get("x-request-id"))["outcome"] == "queue_full"
    gate.idle()


def test_no_queue(start_gate, start_mock):
    gate = start_gate([model_of(start_mock(), capacity=1, queue_max=0)])
    with gate.connect() as held:
        gate.stream(held, mock={"stall_after": 1})
        assert gate.chat().status == 429
    gate.idle()
    assert gate.chat().status == 200


def test_waiting_too_long_is_503(start_gate, start_mock):
    gate = start_gate([model_of(start_mock(), capacity=1, queue_timeout="200ms")])
    with gate.connect() as held:
        gate.stream(held, mock={"stall_after": 1})
        began = time.monotonic()
        answer = gate.chat()
        assert 0.19 <= time.monotonic() - began < 2
        assert answer.status == 503 and answer.get("retry-after")
        assert answer.error()["code"] == "queue_timeout" and answer.error()["type"] == "server_error"
        assert gate.metric("hostler_queue_refused_total", reason="deadline") == 1
        assert gate.metric("hostler_queue_length") == 0


def test_fallback_when_the_queue_is_full(start_gate, start_mock):
    small, large = start_mock(), start_mock()
    gate = start_gate([model_of(small, name="m", capacity=1, queue_max=0, fallback=["big"]), model_of(large, name="big")])
    with gate.connect() as held:
        gate.stream(held, mock={"stall_after": 1})
        assert gate.chat().json()["model"] == "big"
    gate.idle()


def test_a_waiting_request_survives_its_endpoints_failure(start_gate, start_mock):
    """The one in progress fails; who waits goes to what is left."""
    mocks = [start_mock("--ttft-ms", 50), start_mock("--ttft-ms", 50)]
    gate = start_gate([model_of(*mocks, capacity=1)], retry=NO_BUDGET, **FAST)
    mocks[0].knobs(status=500)
    answers = at_once(12, lambda i: gate.chat().status)
    assert set(answers) == {200}
    gate.idle()
