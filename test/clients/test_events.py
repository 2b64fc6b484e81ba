# SPDX-License-Identifier: Apache-2.0
"""The events of streams: of the SDKs' own types with all that these require, and in the order that their makers promise."""

import datetime
import json

import pydantic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

from harness import Conn
from kinds import KINDS
from sdks import TOOLS, Chat, Messages, Ollama, Responses

every_kind = pytest.mark.parametrize("kind", KINDS)
TURNS = {
    "text": {"say": "One two three."},
    "nothing": {"say": []},
    "call": {"say": [{"call": {"id": "call_1", "name": "clock", "arguments": "{}"}}]},
    "calls": {"say": ["Wait. ", {"call": {"id": "call_1", "name": "weather", "arguments": {"city": "Ulm"}}},
                      {"call": {"id": "call_2", "name": "clock", "arguments": "{}"}}]},
    "thoughts": {"say": [{"reasoning": "Let me see. "}, {"signature": "c2ln"}, "Two. ",
                         {"call": {"id": "call_1", "name": "clock", "arguments": "{}"}}]},
    "length": {"say": "One two", "finish": "length"},
    "usage": {"say": "One.", "usage": {"prompt_tokens": 50, "cached_tokens": 30, "completion_tokens": 9, "reasoning_tokens": 4}},
}
every_turn = pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)


def valid(kind, value):
    """Of the type, with every field that it requires; what the SDK itself does not look at."""
    pydantic.TypeAdapter(kind).validate_python(value.to_dict() if hasattr(value, "to_dict") else value)
    return value


def events_of(one, turn, runtime):
    runtime.script(turn)
    one.user("Hello")
    client = one.client
    made = {Chat: lambda **r: client.chat.completions.create(**r, stream_options={"include_usage": True}),
            Responses: lambda **r: client.responses.create(**r), Messages: lambda **r: client.messages.create(**r),
            Ollama: lambda **r: client.chat(**r)}
    return list(made[type(one)](**one.request(tools=TOOLS), stream=True))


def spoken(turn):
    return "".join(part for part in turn["say"] if isinstance(part, str))


def called(turn):
    return [part["call"] for part in turn["say"] if isinstance(part, dict) and "call" in part]


def thought(turn):
    return "".join(part["reasoning"] for part in turn["say"] if isinstance(part, dict) and "reasoning" in part)


# --- chat ---


@every_kind
@every_turn
def test_chat(talk, runtime, kind, turn):
    chunks = events_of(talk(Chat, kind), turn, runtime)
    assert len({(valid(ChatCompletionChunk, c).id, c.created, c.model) for c in chunks}) == 1
    *chunks, usage = chunks
    assert not usage.choices and usage.usage.total_tokens == usage.usage.prompt_tokens + usage.usage.completion_tokens
    assert all(not c.usage and len(c.choices) == 1 for c in chunks)
    deltas = [c.choices[0].delta for c in chunks]
    assert deltas[0].role == "assistant" and not any(d.role for d in deltas[1:])
    finishes = [c.choices[0].finish_reason for c in chunks]
    assert finishes[-1] == turn.get("finish", "tool_calls" if called(turn) else "stop") and not any(finishes[:-1])
    assert "".join(d.content or "" for d in deltas) == spoken(turn)
    assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == thought(turn)
    assert calls_of_chunks(deltas) == [(c["id"], c["name"], c["arguments"]) for c in calls_as_text(turn)]


def calls_as_text(turn):
    return [{**c, "arguments": c["arguments"] if isinstance(c["arguments"], str) else json.dumps(c["arguments"], separators=(",", ":"))}
            for c in called(turn)]


def calls_of_chunks(deltas):
    calls = []
    for part in (part for d in deltas for part in d.tool_calls or []):
        if part.index == len(calls):
            assert part.id and part.type == "function" and part.function.name
            calls.append([part.id, part.function.name, part.function.arguments or ""])
        else:  # of the last one that has begun
            assert part.index == len(calls) - 1 and not part.id and not part.function.name
            calls[-1][2] += part.function.arguments
    return [(i, n, json.dumps(json.loads(a), separators=(",", ":"))) for i, n, a in calls]


# --- Responses ---

PARTS = {"response.output_text": "output_text", "response.reasoning_text": "reasoning_text"}


@every_kind
@every_turn
def test_responses(talk, runtime, kind, turn):
    events = events_of(talk(Responses, kind), turn, runtime)
    for event in events:
        valid(ResponseStreamEvent, event)
    assert [e.sequence_number for e in events] == list(range(len(events)))
    first, second, *inner, last = events
    assert (first.type, second.type) == ("response.created", "response.in_progress")
    assert first.response.status == second.response.status == "in_progress" and not first.response.output
    cut = turn.get("finish") == "length"
    assert last.type == ("response.incomplete" if cut else "response.completed")
    assert first.response.id == second.response.id == last.response.id
    items = items_of(inner)
    assert [i.to_dict() for i in items] == [i.to_dict() for i in last.response.output]
    check_response(valid(Response, last.response), turn)


def items_of(events):
    """The items of a stream, each told piece by piece and then whole. They begin in order; calls at once may overlap."""
    begun = [e.output_index for e in events if e.type == "response.output_item.added"]
    assert begun == list(range(len(begun)))
    items = []
    for index in begun:
        added, *mine, done = [e for e in events if e.output_index == index]
        assert (added.type, done.type) == ("response.output_item.added", "response.output_item.done")
        assert (done.item.id, done.item.type) == (added.item.id, added.item.type)
        assert all(e.item_id == added.item.id for e in mine)
        check = {"message": check_parts, "reasoning": check_reasoning, "function_call": check_call}[added.item.type]
        check(added.item, mine, done.item)
        items.append(done.item)
    return items


def check_parts(item, events, done):
    assert item.status == "in_progress" and not item.content and done.status in ("completed", "incomplete")
    for index, content in enumerate(done.content):
        end = next(i for i, e in enumerate(events) if e.type == "response.content_part.done")
        added, *deltas, text, over = events[:end + 1]
        assert added.type == "response.content_part.added" and added.part.text == ""
        assert {d.type for d in deltas} <= {"response.output_text.delta"} and text.type == "response.output_text.done"
        assert {e.content_index for e in (added, *deltas, text, over)} == {index}
        assert "".join(d.delta for d in deltas) == text.text == over.part.text == content.text
        assert all(d.delta for d in deltas)
        events = events[end + 1:]
    assert not events


def check_reasoning(item, events, done):
    """As summary or as text, or neither."""
    kinds = [e.type.rpartition(".")[0] for e in events]
    for kind in ("response.reasoning_summary_text", "response.reasoning_text"):
        deltas = [e for e in events if e.type == f"{kind}.delta"]
        over = [e for e in events if e.type == f"{kind}.done"]
        assert "".join(d.delta for d in deltas) == "".join(o.text for o in over)
    assert set(kinds) <= {"response.reasoning_summary_part", "response.reasoning_summary_text", "response.reasoning_text",
                          "response.content_part"}


def check_call(item, events, done):
    *deltas, over = events
    assert item.arguments == "" and item.call_id == done.call_id and item.name == done.name
    assert {d.type for d in deltas} <= {"response.function_call_arguments.delta"}
    assert over.type == "response.function_call_arguments.done"
    assert "".join(d.delta for d in deltas) == over.arguments == done.arguments
    json.loads(done.arguments)


def check_response(response, turn):
    assert response.output_text == spoken(turn)
    calls = [i for i in response.output if i.type == "function_call"]
    assert [(c.name, json.loads(c.arguments)) for c in calls] == [(c["name"], json.loads(c["arguments"])) for c in calls_as_text(turn)]
    assert len({i.id for i in response.output}) == len(response.output)
    thoughts = "".join(p.text for i in response.output if i.type == "reasoning" for p in i.content or i.summary)
    assert thoughts == thought(turn)
    if turn.get("finish") == "length":
        assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens"
    else:
        assert response.status == "completed" and response.error is None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


# --- Messages ---


@every_kind
@every_turn
def test_messages(talk, runtime, kind, turn):
    events = events_of(talk(Messages, kind), turn, runtime)
    for event in events:
        valid(RawMessageStreamEvent, event)
    first, *inner, delta, last = events
    assert (first.type, delta.type, last.type) == ("message_start", "message_delta", "message_stop")
    assert first.message.content == [] and first.message.stop_reason is None and first.message.usage.input_tokens is not None
    blocks = blocks_of(inner)
    assert "".join(b["text"] for b in blocks if b["type"] == "text") == spoken(turn)
    assert "".join(b["thinking"] for b in blocks if b["type"] == "thinking") == thought(turn)
    assert all(b["signature"] for b in blocks if b["type"] == "thinking")
    uses = [b for b in blocks if b["type"] == "tool_use"]
    assert [(b["name"], b["input"]) for b in uses] == [(c["name"], json.loads(c["arguments"])) for c in calls_as_text(turn)]
    assert len({b["id"] for b in uses}) == len(uses)
    assert delta.delta.stop_reason == ("max_tokens" if turn.get("finish") else "tool_use" if called(turn) else "end_turn")
    if "usage" in turn:
        usage = delta.usage
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (20, 30, 9)


def blocks_of(events):
    """The blocks of a message, one after the other, each with deltas of its own kind only."""
    kinds = {"text": {"text_delta"}, "thinking": {"thinking_delta", "signature_delta"}, "tool_use": {"input_json_delta"}}
    blocks = []
    while events:
        end = next(i for i, e in enumerate(events) if e.type == "content_block_stop")
        start, *deltas, _ = events[:end + 1]
        assert start.type == "content_block_start" and all(e.type == "content_block_delta" for e in deltas)
        assert {e.index for e in events[:end + 1]} == {len(blocks)}
        block = start.content_block.to_dict()
        assert {d.delta.type for d in deltas} <= kinds[block["type"]]
        blocks.append(filled(block, [d.delta for d in deltas]))
        events = events[end + 1:]
    return blocks


def filled(block, deltas):
    if block["type"] == "text":
        assert block["text"] == ""
        block["text"] = "".join(d.text for d in deltas)
        assert block["text"], "an empty text block is refused when it comes back"
    elif block["type"] == "thinking":
        assert block["thinking"] == ""
        block["thinking"] = "".join(d.thinking for d in deltas if d.type == "thinking_delta")
        block["signature"] = [d.signature for d in deltas if d.type == "signature_delta"][-1]
    else:
        assert block["input"] == {}
        block["input"] = json.loads("".join(d.partial_json for d in deltas) or "{}")
    return block


# --- Ollama ---


@every_kind
@every_turn
def test_ollama(talk, runtime, kind, turn):
    parts = events_of(talk(Ollama, kind), turn, runtime)
    *inner, last = parts
    assert last.done and last.done_reason == turn.get("finish", "stop") and not any(p.done for p in inner)
    assert {p.model for p in parts} == {kind} and {p.message.role for p in parts} == {"assistant"}
    for part in parts:
        datetime.datetime.fromisoformat(part.created_at[:26].rstrip("Z"))
    assert "".join(p.message.content or "" for p in parts) == spoken(turn)
    assert "".join(p.message.thinking or "" for p in parts) == thought(turn)
    calls = [(c.function.name, c.function.arguments) for p in parts for c in p.message.tool_calls or []]
    assert calls == [(c["name"], json.loads(c["arguments"])) for c in calls_as_text(turn)]
    for name in ("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration"):
        assert isinstance(getattr(last, name), int) and all(getattr(p, name) is None for p in inner)


# --- answers that are not streamed ---


@every_kind
@every_turn
def test_whole_answers(talk, runtime, kind, turn):
    runtime.script({**turn, "times": 3})
    wishes = {"tools": TOOLS}
    one = talk(Chat, kind)
    one.user("Hello")
    valid(ChatCompletion, one.client.chat.completions.create(**one.request(**wishes)))
    one = talk(Responses, kind)
    one.user("Hello")
    check_response(valid(Response, one.client.responses.create(**one.request(**wishes))), turn)
    one = talk(Messages, kind)
    one.user("Hello")
    message = valid(Message, one.client.messages.create(**one.request(**wishes)))
    assert [b.input for b in message.content if b.type == "tool_use"] == [json.loads(c["arguments"]) for c in calls_as_text(turn)]


# --- bytes ---

BODIES = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hello"}], "stream": True},
    "/v1/responses": {"input": "Hello", "stream": True},
    "/v1/messages": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9, "stream": True},
    "/anthropic/v1/messages": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9, "stream": True},
    "/api/chat": {"messages": [{"role": "user", "content": "Hello"}]},
    "/api/generate": {"prompt": "Hello"},
}


@every_kind
@pytest.mark.parametrize("path", BODIES)
def test_frames(zoo, runtime, kind, path):
    """As SDKs read them, whatever `Accept` says."""
    gate = zoo[1]
    runtime.script(TURNS["thoughts"] if path != "/api/generate" else TURNS["text"])
    with Conn(gate.address) as conn:
        conn.request("POST", path, {"model": kind, **BODIES[path]}, {"accept": "application/json", "content-type": "application/json"})
        answer = conn.response()
    assert answer.status == 200 and answer.get("x-request-id")
    text = answer.body.decode()
    if path.startswith("/api/"):
        assert answer.get("content-type").startswith("application/x-ndjson")
        assert text.endswith("\n") and all(json.loads(line)["model"] == kind for line in text.splitlines())
        return
    assert answer.get("content-type").startswith("text/event-stream")
    frames = [frame.split("\n") for frame in text.split("\n\n")[:-1]]
    frames = [[line for line in frame if not line.startswith(":")] for frame in frames]
    if path == "/v1/chat/completions":
        assert frames[-1] == ["data: [DONE]"] and all(len(f) == 1 and f[0].startswith("data: {") for f in frames[:-1])
        return
    for name, data in frames:
        assert name == f"event: {json.loads(data.removeprefix('data: '))['type']}"
