# SPDX-License-Identifier: Apache-2.0
"""What breaks on the way is an error in every SDK, never a shorter answer; what a client leaves, the runtime sees."""

import dataclasses
import time

import httpx
import pytest

from harness import Conn, Processes, model_of, until
from kinds import EVERYTHING, KINDS, asked_at
from sdks import TALKS, TOOLS, Chat, Messages, Ollama, Responses

every_kind = pytest.mark.parametrize("kind", KINDS)
every_client = pytest.mark.parametrize("sdk", TALKS.values(), ids=TALKS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
# What an SDK lets through of its HTTP library when a connection is cut, as a whole answer's must be once its head is out.
CUT = {Chat: (), Responses: (), Messages: (), Ollama: (httpx.TransportError,)}


@pytest.mark.parametrize("how", [{"die_after": 2}, {"die_after": 2, "die": "rst"}, {"error_after": 2}, {"no_done": True},
                                 {"die_after": 0}, {"die_before_head": True}, {"error_after": 0}],
                         ids=lambda how: "-".join(f"{k}_{v}" for k, v in how.items()))
@every_kind
@every_client
def test_a_stream_that_breaks(talk, runtime, kind, sdk, how):
    runtime.script({"knobs": {"tokens": 5, **how}, "times": 3})
    one = talk(sdk, kind)
    one.user("count")
    text = ""
    with pytest.raises(sdk.failures):
        stream, pieces = one.pieces()
        for piece in pieces:
            text += piece
    assert "t0 t1 t2 t3 t4 ".startswith(text)
    if how.get("die_after") == 2 or how.get("error_after") == 2:
        assert text == "t0 t1 "


@pytest.mark.parametrize("how", [{"die_after": 2}, {"die_after": 0}, {"error_after": 0}, {"die_before_head": True}],
                         ids=lambda how: "-".join(f"{k}_{v}" for k, v in how.items()))
@every_kind
@every_client
def test_a_whole_answer_that_breaks(talk, runtime, kind, sdk, how):
    runtime.script({"knobs": how, "times": 3})
    with pytest.raises(sdk.failures + CUT[sdk]):
        talk(sdk, kind).say("count")


# --- a connection that ends at some byte ---

TURN = {"say": [{"reasoning": "Let me think. "}, {"signature": "c2ln"}, 'A "b" \\ \u00fc. ',
                {"call": {"id": "call_1", "name": "weather", "arguments": {"city": "Ulm"}}}, {"call": {"id": "call_2", "name": "clock"}}]}


class Cutter:
    """A runtime that sends what the mock sent, but only some first bytes of it."""

    def __init__(self, processes, mock):
        self.mock = mock
        self.recorded = {}
        self.bytes = 0  # sent of an answer
        self.url = processes.script(self.serve)

    def serve(self, conn):
        data = b""
        while b"\r\n\r\n" not in data:
            data += conn.recv(65536) or self.over()
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(l.split(b":")[1]) for l in head.split(b"\r\n") if l.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += conn.recv(65536) or self.over()
        conn.sendall(self.answer(head.split(b" ")[1].decode(), body)[:self.bytes])

    def over(self):
        raise EOFError

    def answer(self, path, body):
        streamed = b'"stream":true' in body.replace(b" ", b"")
        if (path, streamed) not in self.recorded:
            self.recorded[path, streamed] = self.record(path, body)
        return self.recorded[path, streamed]

    def record(self, path, body):
        """All bytes of the mock's answer, with the head, framed as they came."""
        self.mock.script({**TURN, "times": 100})
        with Conn(self.mock.address) as conn:
            conn.request("POST", path, body, {"connection": "close", "content-type": "application/json"})
            while conn.more():
                pass
            return conn.input


@pytest.fixture(scope="module")
def cutting():
    started = Processes()
    try:
        cutter = Cutter(started, started.mock())
        models = [model_of(cutter.url, name=kind, kind=kind) for kind in KINDS]
        yield cutter, started.gate(models, health={"failures": 1000}, retry={"attempts_max": 1})
    finally:
        started.stop()


def substance(said):
    calls = [(c.name, c.arguments) for c in said.calls]
    return dataclasses.replace(said, calls=calls, tokens=None, cached=None)


@every_kind
@every_client
@both_ways
def test_an_answer_cut_at_any_byte(cutting, kind, sdk, stream):
    cutter, gate = cutting

    def said():
        with sdk(gate.url, kind) as one:
            return substance(one.say("count", stream, tools=TOOLS))
    cutter.bytes = 1 << 30
    whole = said()
    assert whole.text and len(whole.calls) == 2
    total = len(cutter.answer(asked_at(kind, sdk.dialect), b'{"stream":true}' if stream else b"{}"))
    failed = 0
    for cutter.bytes in places(total):
        try:
            assert said() == whole, f"a false end after {cutter.bytes} of {total} bytes"
        except sdk.failures + CUT[sdk]:
            failed += 1
    assert failed


def places(total):
    if EVERYTHING:
        return range(1, total, 5)
    return sorted({total * i // 14 for i in range(1, 14)} | {total - n for n in (1, 5, 6, 12, 20, 40, 80)})


# --- leaving ---


@every_kind
@every_client
def test_leaving_a_stream(talk, runtime, kind, sdk, zoo):
    runtime.script({"knobs": {"tokens": 50, "stall_after": 2}})
    one = talk(sdk, kind)
    one.user("count")
    stream, pieces = one.pieces()
    assert next(pieces) == "t0 "
    left = time.monotonic_ns() // 1000
    pieces.close()
    stream.close()
    abort = until(lambda: runtime.stats()["aborts"], "the runtime sees it")[0]
    assert abort["phase"] == "streaming" and abort["at_us"] - left < 250_000
    zoo[1].idle()


@every_kind
@every_client
def test_leaving_before_the_answer(talk, runtime, kind, sdk, zoo):
    """A client's own timeout."""
    runtime.script({"knobs": {"ttft_ms": 60_000}})
    one = talk(sdk, kind)
    impatient(one)
    with pytest.raises(sdk.failures + (httpx.TimeoutException,)):
        one.say("count")
    until(lambda: runtime.stats()["aborted"] == 1, "the runtime sees it")
    zoo[1].idle()


def impatient(one):
    if isinstance(one, Ollama):
        one.client = type(one.client)(host=one.base, timeout=0.3, trust_env=False)
    else:
        untold = {"x-stainless-read-timeout": "0", "x-stainless-timeout": "0"}  # or the gateway would end it at the same moment
        one.client = one.client.with_options(timeout=0.3, default_headers=untold)
