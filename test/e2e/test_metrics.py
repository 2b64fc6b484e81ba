# SPDX-License-Identifier: Apache-2.0
"""The metrics page as those who read it see it: Prometheus's own checker, a strict parser, and what the numbers say."""

import os
import re
import resource
import shutil
import signal
import subprocess
import time

import pytest

from harness import model_of, until
from test_engine import ask, engine_model

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
VALUE = r"[+-]?Inf|NaN|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=[a-zA-Z_])|$)')
SUFFIXES = {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}


def labels_of(text):
    """The labels of a series, in order; each name once."""
    labels, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, text
        labels.append((match[1], match[2]))
        at = match.end()
    assert len({name for name, _ in labels}) == len(labels), text
    return tuple(labels)


def read_page(text):
    """A page of the text format 0.0.4 as {family: (kind, {(name, labels): value})}; fails at the first thing that breaks it."""
    assert text.endswith("\n") and "\r" not in text
    families, kind, family, help_of = {}, None, None, None
    for line in text[:-1].split("\n"):
        if match := re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line):
            help_of = match[1]
        elif match := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", line):
            family, kind = match.groups()
            assert help_of == family, f"{line}: HELP stands before it"
            assert family not in families, f"{family} comes twice"
            families[family] = (kind, {})
        else:
            match = re.fullmatch(rf"({NAME})(?:\{{(.+)\}})? ({VALUE})", line)
            assert match, line
            assert match[1] in [family + suffix for suffix in SUFFIXES[kind]], f"{line}: below {family}"
            series = match[1], labels_of(match[2] or "")
            assert series not in families[family][1], f"{line}: twice"
            families[family][1][series] = float(match[3])
    return families


def test_the_parser_is_strict():
    head = "# HELP a_total A.\n# TYPE a_total counter\n"
    assert read_page(head + 'a_total{x="\\"\\\\\\n",y="é"} 1\n')
    for bad in ("a_total 1", "a_total{} 1\n", 'a_total{x="1",} 1\n', 'a_total{x="1" y="2"} 1\n', 'a_total{x="\\t"} 1\n', "b_total 1\n",
                "a_total 1 \n", "a_total one\n", "a_total 1\na_total 2\n", 'a_total{x="1",x="2"} 1\n', "\n", "a_total 1\n" + head):
        with pytest.raises(AssertionError):
            read_page(head + bad)


def busy(gate):
    """Lets each family of series have some."""
    assert gate.chat().status == 200
    assert gate.chat(stream=True, max_tokens=5).status == 200
    gate.chat(model="none")
    gate.get("/nope")
    gate.idle()


def test_the_page_can_be_read(gate):
    busy(gate)
    families = read_page(gate.get("/metrics").body.decode())
    assert len(families) > 40
    for family, (kind, series) in families.items():
        assert series, f"{family} has nothing below its head"
        assert family.endswith("_total") == (kind == "counter")
        for (name, labels), value in series.items():
            assert value >= 0, name
            assert ("le" in dict(labels)) == name.endswith("_bucket")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is in Debian's package prometheus")
def test_promtool_has_nothing_to_say(gate):
    busy(gate)
    page = gate.get("/metrics").body
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_the_process(gate):
    m = gate.metric
    assert 0 < m("process_cpu_seconds_total") < 60
    assert 1 << 20 < m("process_resident_memory_bytes") <= m("process_virtual_memory_bytes")
    assert 3 < m("process_open_fds") <= len(os.listdir(f"/proc/{gate.pid}/fd")) + 1
    assert m("process_max_fds") == resource.prlimit(gate.pid, resource.RLIMIT_NOFILE)[0]
    assert abs(m("process_start_time_seconds") + m("hostler_uptime_seconds") - time.time()) < 5


def test_requests_by_route(gate):
    m = gate.metric
    assert gate.chat().status == 200
    assert gate.chat(model="none").status == 404
    gate.post("/v1/messages/count_tokens", {"model": "none", "messages": []})
    gate.post("/v1/responses/input_tokens", {"model": "none", "input": "x"})
    for path in ("/nope", "/nope/2", "/v1/../x"):
        assert gate.get(path).status == 404
    gate.idle()
    assert m("hostler_requests_by_route_total", route="chat", code="200") == 1
    assert m("hostler_requests_by_route_total", route="chat", code="404") == 1
    assert m("hostler_requests_by_route_total", route="count_tokens", code="404") == 2, "two routes have this name"
    assert m("hostler_requests_by_route_total", route="unknown", code="404") == 3
    assert m("hostler_requests_by_route_total", route="metrics", code="200") >= 4


def test_requests_by_key(start_gate, mock):
    keys = [{"name": name, "key": f"sk-secret-of-{name}"} for name in ("ann", "bob")]
    gate = start_gate([model_of(mock)], keys=keys)
    gate.headers = {"Authorization": "Bearer sk-secret-of-ann"}
    for name in ("ann", "bob", "bob", "eve"):
        gate.chat(headers={"Authorization": f"Bearer sk-secret-of-{name}"})
    m = gate.metric
    gate.idle()
    assert m("hostler_requests_by_key_total", key="bob") == m("hostler_requests_by_key_total", key="bob", code="200") == 2
    assert m("hostler_requests_by_key_total", key="", code="401") == 1
    assert b"secret" not in gate.get("/metrics", headers=gate.headers).body


def test_keys_are_bounded(start_gate, mock):
    names = [f"key-{i}" for i in range(120)]
    gate = start_gate([model_of(mock)], keys=[{"name": name, "key": f"sk-secret-of-{name}"} for name in names])
    gate.headers = {"Authorization": "Bearer sk-secret-of-key-0"}
    for name in names:
        assert gate.get("/v1/models", headers={"Authorization": f"Bearer sk-secret-of-{name}"}).status == 200
    gate.idle()
    series = {dict(labels)["key"]: value for (name, labels), value in gate.metrics().items() if name == "hostler_requests_by_key_total"}
    assert len(series) == 101 and series["other"] == 20


def test_models_of_lists_are_bounded(start_gate, start_mock):
    """Those that were asked are there; a list that names many leaves the page as it was."""
    gate = start_gate([model_of(start_mock(), name="ours")], runtimes=[{"url": start_mock("--models", 9000).url, "poll": "1s"}])
    until(lambda: len(gate.get("/v1/models").json()["data"]) == 9001, "all are listed")
    for i in range(1100):
        assert gate.chat(model=f"model-{i}").status == 200
    page = gate.get("/metrics")
    assert page.status == 200, page.body
    _, answered = read_page(page.body.decode())["hostler_requests_total"]
    told = {dict(labels)["model"] for _, labels in answered}
    assert len(told - {"", "ours"}) == 1000 and told < {"", "ours", *(f"model-{i}" for i in range(1100))}
    assert gate.metric("hostler_endpoint_up", model="ours") == 1


def test_codes_that_the_gateway_gives_itself_have_their_own_series(gate):
    with gate.connect() as conn:
        conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
        assert conn.response().status == 501
    assert gate.post("/v1/models", {}).status == 405
    gate.idle()
    assert gate.metric("hostler_requests_total", model="", code="501") == 1
    assert gate.metric("hostler_requests_total", model="", code="405") == 1
    assert gate.metric("hostler_requests_total", code="other") == 0


def bucket_bounds(gate, name):
    bounds = [float(dict(labels)["le"]) for (sample, labels) in gate.metrics() if sample == f"{name}_bucket"]
    return sorted(set(bounds))[:-1]


def test_buckets_reach_as_far_as_requests_may_take(gate):
    gate.chat(stream=True)
    for name in ("hostler_request_duration_seconds", "hostler_time_to_first_token_seconds", "hostler_queue_wait_seconds"):
        assert bucket_bounds(gate, name)[-1] == 1800
    assert bucket_bounds(gate, "hostler_inter_token_latency_seconds")[0] < 0.001


def test_time_between_tokens(gate):
    m = gate.metric
    assert gate.chat().status == 200
    assert m("hostler_inter_token_latency_seconds_count") == 0, "not of an answer in one piece"
    assert gate.chat(stream=True, max_tokens=10, mock={"rate": 50, "ttft_ms": 300}).status == 200
    until(lambda: m("hostler_time_to_first_token_seconds_count") == 1, "it is counted")
    count = m("hostler_inter_token_latency_seconds_count", model="m")
    assert 8 <= count <= 12
    assert 0.010 < m("hostler_inter_token_latency_seconds_sum") / count < 0.040


# --- what own engines tell ---


def told_by_engines(gate):
    """The engines' series on the gateway's page, by model."""
    told = {}
    for (name, labels), value in gate.metrics().items():
        if name.startswith("hostler_engine_") and not name.startswith(("hostler_engine_state{", "hostler_engine_starts")):
            told.setdefault(dict(labels)["model"], {})[name] = value
    return told


def test_the_engines_numbers_are_passed_on(processes):
    gate = processes.gate([engine_model(processes, "one"), engine_model(processes, "two", slots=3)])
    for name in ("one", "two"):
        assert ask(gate, "a few words", model=name).status == 200
    until(lambda: gate.metric("hostler_engine_output_tokens_total", model="one") > 0 and gate.metric("hostler_engine_slots", model="two") == 3,
          "they are told", 15)
    families = read_page(gate.get("/metrics").body.decode())
    for family, (kind, series) in families.items():
        if family.startswith("hostler_engine_") and family not in ("hostler_engine_starts_total", "hostler_engine_state"):
            assert {dict(labels)["model"] for _, labels in series} == {"one", "two"}, family
    hits = families["hostler_engine_prefix_hits_total"][1]
    assert {dict(labels)["tier"] for _, labels in hits} == {"slot", "copy", "ram", "none"}
    assert families["hostler_engine_decode_seconds"][0] == "histogram"


def test_an_engine_that_hangs_or_is_gone_holds_nothing_up(processes):
    gate = processes.gate([engine_model(processes)])
    assert ask(gate).status == 200
    told = lambda: gate.metric("hostler_engine_slots", model="m")
    until(told, "it is told", 15)
    [pid] = gate.children()
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        while told():
            assert time.monotonic() - began < 15, "what is old is told for ever"
            time.sleep(0.2)
        began = time.monotonic()
        assert gate.get("/metrics").status == 200
        assert time.monotonic() - began < 1
    finally:
        os.kill(pid, signal.SIGCONT)
    until(told, "it is told again", 15)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not told(), "it is gone")
