# SPDX-License-Identifier: Apache-2.0
"""What clients send that a runtime could understand in another way than the gateway did."""

import pytest

from harness import canned, model_of, whole


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


def test_half_an_emoji_passes(processes):
    seen = []
    gate = processes.gate(canned(processes, whole(b"{}"), seen))
    body = b'{"model":"m","messages":[{"role":"user","content":"cut off \\ud83d"}]}'
    assert gate.chat(body).status == 200
    assert [b for _, b in seen] == [body]
    assert gate.chat(b'{"model":"m\\ud83d"}').error()["param"] == "model"


def test_the_query_stays_here(processes, start_gate):
    seen = []
    gate = start_gate([model_of(canned(processes, whole(b"{}"), seen))])
    assert gate.post("/v1/chat/completions?model=secret&api-version=1", {"model": "m"}).status == 200
    assert seen[0][0].split(b"\r\n")[0] == b"POST /v1/chat/completions HTTP/1.1"
