# SPDX-License-Identifier: Apache-2.0
"""Logs and metrics: complete, bounded, and without anyone's secrets or words."""

import re
import uuid

import pytest

from harness import Conn, chat_body, config_of, free_port, model_of, parse_metrics, until

CANARY = "canary-7f3a9c"


def test_one_line_per_exchange(gate):
    ids = []
    for ask in (lambda: gate.chat(), lambda: gate.chat(stream=True, max_tokens=3), lambda: gate.chat(model="no"),
                lambda: gate.chat("{"), lambda: gate.get("/v1/models"), lambda: gate.get("/nope"),
                lambda: gate.chat(stream=True, mock={"die_after": 1}), lambda: gate.chat(mock={"status": 500})):
        ids.append(ask().get("x-request-id"))
    for identifier in ids:
        gate.exchange(request_id=identifier)
    assert sorted(l["request_id"] for l in gate.exchanges()) == sorted(ids)


def test_what_a_line_says(start_gate, mock):
    gate = start_gate([model_of(mock, name="m", aliases=["nick"], model="up")], keys=[{"name": "ann", "key": "sk-ann-0123456789"}])
    answer = gate.chat(model="nick", stream=True, max_tokens=3, headers={"Authorization": "Bearer sk-ann-0123456789"},
                       mock={"ttft_ms": 30, "rate": 100, "prompt_tokens": 11, "cached_tokens": 4})
    line = gate.exchange(request_id=answer.get("x-request-id"))
    expected = {"level": "info", "event": "exchange", "route": "chat", "status": 200, "outcome": "ok", "key": "ann", "model": "m",
                "endpoint": "e0", "attempts": 1, "stream": True, "prompt_tokens": 11, "completion_tokens": 3, "cached_tokens": 4}
    assert {k: line[k] for k in expected} == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])
    assert 25_000 < line["ttft_us"] <= line["total_us"] < 5_000_000
    assert line["await_us"] <= line["ttft_us"]
    assert line["bytes_out"] == len(answer.body) and line["bytes_in"] > 50
    assert line["peer"].startswith("127.0.0.1:")


def test_no_secrets_and_no_words(processes, start_mock):
    """Canaries in everything a client, a runtime or a configuration says."""
    mock = start_mock("--echo")
    gate = processes.gate([model_of(mock, key=f"{CANARY}-upstream-key")], keys=[{"name": "k", "key": f"{CANARY}-client-key"}],
                          log={"level": "debug"})
    gate.secrets.append(CANARY)
    gate.headers = {"Authorization": f"Bearer {CANARY}-client-key"}
    odd = {"X-Header": f"{CANARY}-header", "Cookie": f"{CANARY}-cookie", "User-Agent": f"{CANARY}-agent", **gate.headers}
    messages = [{"role": "user", "content": f"{CANARY}-prompt"}]
    assert gate.chat(messages=messages, headers=odd, user=f"{CANARY}-user").status == 200
    assert CANARY in gate.chat(messages=messages, stream=True, headers=odd).body.decode()
    gate.chat(f'{{"model":"m","{CANARY}":', headers=odd)
    gate.chat(f'{{"model":"m","x":"{CANARY}\xff"}}'.encode("latin-1"), headers=odd)
    gate.chat(headers={"Authorization": f"Bearer {CANARY}-wrong"})
    gate.chat(messages=messages, headers=odd, mock={"status": 500})
    gate.chat(messages=messages, stream=True, headers=odd, mock={"die_after": 1})
    gate.get(f"/v1/chat/completions?key={CANARY}", headers=odd)
    gate.post(f"/v1/embeddings?{CANARY}", {"model": "m", "input": f"{CANARY}-input"}, odd)
    with gate.connect() as conn:
        conn.send(f"GET /{CANARY} HTTP/1.1\r\nBad Header: {CANARY}\r\n\r\n".encode())
        conn.response()
    gate.reload(config_of([model_of(mock, key=f"{CANARY}-new")], keys=[{"name": "k", "key": f"{CANARY}-client-key"}]))
    gate.reload(config_of([model_of(mock, key=f"{CANARY}-new")], keys=[{"name": "k", "key": f"{CANARY} bad"}]))
    text = gate.get("/metrics", headers=gate.headers).body.decode()
    assert CANARY not in text


@pytest.mark.parametrize("payload", ["a\\nb", '\\"}\\n{\\"x\\":1', "\\u001b[31m", "\\u0000", "\\u2028", "\x7f", "é" * 1000, "\\u202e"])
def test_log_injection(gate, payload):
    before = len(gate.log())
    answer = gate.chat('{"model":"%s","messages":[]}' % payload)
    assert answer.status == 404 and answer.error()
    gate.exchange(request_id=answer.get("x-request-id"))
    assert len(gate.log()) == before + 1  # log() checks that each line is JSON
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xe2\x80[\xa8\xa9\xae]", gate.err.read_bytes())


def test_text_format_and_level(start_gate, mock):
    gate = start_gate(mock, log={"format": "text", "level": "info"}, wait=False)
    port = int(gate.started_line(gate.errors, r"http://127\.0\.0\.1:(\d+)").group(1))
    gate.log = list
    gate.address = port
    answer = gate.chat()
    until(lambda: answer.get("x-request-id") in gate.errors(), "it is logged")
    assert not gate.errors().startswith("{")


# --- metrics ---


def test_metrics_are_well_formed(gate):
    gate.chat()
    gate.chat(stream=True)
    gate.chat(model="none")
    answer = gate.get("/metrics")
    assert answer.get("content-type").startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    samples = parse_metrics(text)
    helps, types, order = {}, {}, []
    for line in text.splitlines():
        if match := re.match(r"# HELP (\S+) (.+)", line):
            assert match[1] not in helps, f"{match[1]} twice"
            helps[match[1]] = match[2]
        elif match := re.match(r"# TYPE (\S+) (counter|gauge|histogram)$", line):
            assert match[1] not in types
            types[match[1]] = match[2]
        else:
            family = re.sub(r"_(bucket|sum|count)$", "", re.match(r"\w+", line)[0])
            family = family if types.get(family) == "histogram" else re.match(r"\w+", line)[0]
            if not order or order[-1] != family:
                assert family not in order, f"{family} is not in one piece"
                order.append(family)
    assert set(helps) == set(types) >= set(order)
    for name, kind in types.items():
        assert re.fullmatch(r"(hostler|process)_[a-z0-9_]+", name)
        assert name.endswith("_total") == (kind == "counter")
        assert helps[name].endswith(".")
        if kind == "histogram":
            assert name.endswith("_seconds")
            check_histogram(name, samples)
    assert text.endswith("\n")


def check_histogram(name, samples):
    buckets = {}
    for (sample, labels), value in samples.items():
        if sample == f"{name}_bucket":
            rest = tuple(l for l in labels if l[0] != "le")
            buckets.setdefault(rest, []).append((float(dict(labels)["le"]), value))
    for rest, series in buckets.items():
        assert series == sorted(series) and [v for _, v in series] == sorted(v for _, v in series)
        assert series[-1][0] == float("inf") and series[-1][1] == samples[f"{name}_count", rest]
        assert (f"{name}_sum", rest) in samples


def test_counters_count(start_gate, start_mock, mock):
    bad = start_mock("--status", 500)
    gate = start_gate([model_of(bad, mock, name="m", policy="round_robin"), model_of(mock, name="n")])
    for _ in range(2):
        assert gate.chat().status == 200
    gate.chat(model="n", stream=True, max_tokens=5, mock={"prompt_tokens": 9, "cached_tokens": 2})
    gate.chat(model="nope")
    gate.chat("{")
    gate.get("/nope")
    m = gate.metric
    assert m("hostler_requests_total", model="m", code="200") == 2
    assert m("hostler_requests_total", model="n", code="200") == 1
    assert m("hostler_requests_total", model="", code="404") == 2
    assert m("hostler_requests_total", model="", code="400") == 1
    assert m("hostler_upstream_attempts_total", model="m", endpoint="e0", result="status_5xx") >= 1
    assert m("hostler_upstream_attempts_total", model="m", endpoint="e1", result="ok") == 2
    assert m("hostler_upstream_retries_total") == m("hostler_upstream_attempts_total", endpoint="e0", model="m")
    assert m("hostler_prompt_tokens_total", model="n") == 9
    assert m("hostler_completion_tokens_total", model="n") == 5
    assert m("hostler_cached_tokens_total", model="n") == 2
    assert m("hostler_request_duration_seconds_count", model="m") == 2
    assert m("hostler_time_to_first_token_seconds_count", model="n") == 1
    assert m("hostler_requests_active") == 0
    assert m("hostler_ready") == 1
    assert m("hostler_outcomes_total", outcome="not_found") == 2


def test_labels_are_bounded(gate):
    gate.chat()
    before = len(gate.metrics())
    with gate.connect() as conn:
        for i in range(300):
            conn.request("POST", "/v1/chat/completions", chat_body(model=f"{uuid.uuid4()}"))
            assert conn.response().status == 404
            conn.request("GET", f"/{uuid.uuid4()}")
            assert conn.response().status == 404
    assert len(gate.metrics()) <= before + 8  # a few by code and route
    assert len(gate.get("/metrics").body) < 100_000


def test_metrics_of_many_models(start_gate, mock):
    gate = start_gate([model_of(mock, name=f"model-{i}") for i in range(300)])
    for i in range(0, 300, 50):
        assert gate.chat(model=f"model-{i}").status == 200
    assert len(gate.get("/v1/models").json()["data"]) == 300
    until(lambda: sum(gate.metric("hostler_requests_total", model=f"model-{i}", code="200") for i in range(0, 300, 50)) == 6,
          "all are counted")


def test_metrics_while_the_client_leaves(gate):
    for _ in range(30):
        conn = gate.connect()
        conn.request("GET", "/metrics")
        conn.reset()
    assert gate.get("/metrics").status == 200


def test_readiness_reasons(start_gate, mock):
    gate = start_gate([model_of(f"http://127.0.0.1:{free_port()}/v1", name="gone"), model_of(mock, name="here")], health={"failures": 1})
    gate.chat(model="gone")
    ready = gate.get("/readyz")
    assert ready.status == 200
    models = {m["model"]: m for m in ready.json()["models"]}
    assert models["here"] == {"model": "here", "ready": True}
    assert not models["gone"]["ready"] and models["gone"]["reason"]
    assert gate.metric("hostler_endpoint_up", model="gone") == 0


def test_what_nobody_can_read_is_logged_in_any_case(start_gate, mock):
    gate = start_gate(mock, log={"requests": False})
    conn = Conn(gate.address)
    conn.socket.sendall(b"BAD\r\n\r\n")
    assert conn.response().status == 400
    assert gate.chat().status == 200
    lines = until(gate.exchanges, "it is logged", 5)
    assert [line["status"] for line in lines] == [400] and lines[0]["reason"]
