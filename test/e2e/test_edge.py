# SPDX-License-Identifier: Apache-2.0
"""What clients send that a runtime could understand in another way than the gateway did."""

import re

import pytest

from harness import canned, free_port, model_of, until, whole


@pytest.mark.parametrize("body", [
    '{"Model":"secret"}', '{"model":"m","Model":"secret"}', '{"MODEL":"secret","model":"m"}', '{"model":"m","\\u004dodel":"secret"}',
    '{"model":"m","mod\\u0065l":"secret"}', '{"mod\\u0065l":"secret"}', '{"model":"m","Stream":true}', '{"model":"m","\u017ftream":true}',
    '{"model":"m","\\u017Ftream":true}', '{"model":"m","stream":true,"STREAM_OPTIONS":{"include_usage":false}}',
    '{"model":"m","stream":true,"stream_options":{"Include_Usage":false}}'])
def test_a_field_under_a_name_that_only_some_parsers_know(shared_gate, shared_mock, body):
    answer = shared_gate.chat(body)
    assert answer.status == 400
    assert answer.error()["param"] in ("model", "stream", "stream_options")
    assert shared_mock.stats()["requests"] == 0


# --- how the body is labelled ---

BODY = b'{"model":"m"}'


@pytest.mark.parametrize("kinds", [
    [], ["application/json"], ["application/json; charset=utf-8"], ['application/json;charset="UTF-8"'],
    ["application/x-www-form-urlencoded"], ["text/plain;charset=UTF-8"], ["application/json", "text/plain"]])
def test_runtimes_get_json(processes, kinds):
    seen = []
    gate = processes.gate(canned(processes, whole(b"{}"), seen))
    assert gate.chat(BODY, [("Content-Type", kind) for kind in kinds]).status == 200
    lines = seen[0][0].lower().split(b"\r\n")
    assert [line for line in lines if line.startswith(b"content-type")] == [b"content-type: application/json"]


@pytest.mark.parametrize("headers", [
    [("Content-Type", "application/json; charset=utf-7")], [("Content-Type", "text/plain; x=y; Charset = 'UTF-16'")],
    [("Content-Type", "application/json"), ("Content-Type", "application/json; charset=ibm037")],
    [("Content-Encoding", "gzip")], [("Content-Encoding", "identity"), ("Content-Encoding", "br")],
    [("Content-Encoding", "identity, gzip")]])
def test_other_codings_and_charsets_are_refused(shared_gate, shared_mock, headers):
    answer = shared_gate.chat(BODY, headers)
    assert answer.status == 415
    assert answer.error()["code"] in ("unsupported_charset", "unsupported_encoding")
    assert shared_mock.stats()["requests"] == 0


# --- loops ---


def test_an_endpoint_that_leads_back(processes):
    port = free_port()
    gate = processes.gate([model_of(f"http://127.0.0.1:{port}/v1")], listen=f"127.0.0.1:{port}")
    assert gate.chat().error()["code"] == "loop_detected"
    until(lambda: len(gate.exchanges(status=508)) == 2, "it came round once")
    gate.idle()


def test_a_loop_of_two_gateways(processes):
    port = free_port()
    second = processes.gate([model_of(f"http://127.0.0.1:{port}/v1")])
    first = processes.gate([model_of(f"{second.url}/v1")], listen=f"127.0.0.1:{port}")
    until(lambda: second.get("/readyz").status == 200, "the second one has found the first")
    assert first.chat().error()["code"] == "loop_detected"
    until(lambda: len(first.exchanges(status=508)) == 2 and len(second.exchanges(status=508)) == 1, "it came round once")


def test_too_many_gateways(shared_gate, shared_mock):
    for hops, status in ((7, 200), (8, 200), (9, 508)):
        for headers in ([("Via", "1.1 hostler-b2")] * hops, [("Via", ", ".join(["1.1 hostler-b2 (x)"] * hops))]):
            answer = shared_gate.chat(headers=headers)
            assert answer.status == status
    assert answer.error()["code"] == "loop_detected"
    via = [v for k, v in shared_mock.requests()[0]["headers"] if k.lower() == "via"]
    assert len(via) == 1 and re.fullmatch("(1.1 hostler-b2, ){7}1.1 hostler-[0-9a-f]{16}", via[0])
    assert shared_gate.metric("hostler_loops_total") == 2


def test_names_of_other_proxies_stay_here(shared_gate, shared_mock):
    answer = shared_gate.chat(headers=[("Via", "1.1 alice-laptop.corp:3128 (squid)"), ("Via", "2 hostler-b2")])
    assert answer.status == 200 and answer.get("via") is None
    via = [v for k, v in shared_mock.requests()[-1]["headers"] if k.lower() == "via"]
    assert re.fullmatch("1.1 proxy, 2 hostler-b2, 1.1 hostler-[0-9a-f]{16}", via[0]) and len(via) == 1
