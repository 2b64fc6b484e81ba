# SPDX-License-Identifier: Apache-2.0
"""Every client with every kind of runtime: what is said arrives, whichever dialect either of them has."""

import base64
import json
import zlib

import pytest

from kinds import KINDS, OWN, asked_at
from sdks import SCHEMA, TALKS, TOOLS, Chat, Messages, Ollama, Responses

HARD = 'Grüße, "quoted" \\ back\nline\ttab \u2028 € 𝄞 </s>'
every_kind = pytest.mark.parametrize("kind", KINDS)
every_client = pytest.mark.parametrize("sdk", TALKS.values(), ids=TALKS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def text_in(body):
    """All strings of a body in their order, as one text."""
    if isinstance(body, dict):
        return "\n".join(text_in(v) for v in body.values())
    if isinstance(body, list):
        return "\n".join(text_in(v) for v in body)
    return body if isinstance(body, str) else ""


def in_order(text, *parts):
    at = -1
    for part in parts:
        at = text.find(part, at + 1)
        assert at >= 0, f"{part!r} is missing or out of order in {text}"


@every_kind
@every_client
@both_ways
def test_text(talk, runtime, kind, sdk, stream):
    runtime.script({"say": HARD, "usage": {"prompt_tokens": 31, "completion_tokens": 7}})
    said = talk(sdk, kind).say(HARD, stream)
    assert said.text == HARD
    assert (said.finish, said.tokens, said.model) == ("stop", (31, 7), kind)
    path, body = runtime.bodies()[-1]
    assert path == asked_at(kind, sdk.dialect)
    assert HARD in text_in(body) and body["model"] == kind


@every_kind
@every_client
@both_ways
def test_limit(talk, runtime, kind, sdk, stream):
    said = talk(sdk, kind).say("count", stream, limit=3)
    assert (said.text, said.finish, said.tokens[1]) == ("t0 t1 t2 ", "length", 3)


@every_kind
@pytest.mark.parametrize("sdk", [Chat, Messages, Ollama], ids=lambda s: s.dialect)
def test_stop(talk, runtime, kind, sdk):
    assert talk(sdk, kind).say("count", stop=["END", "FIN"]).text
    in_order(json.dumps(runtime.bodies()[-1][1]), '"END"', '"FIN"')


@every_kind
@every_client
@both_ways
def test_tools(talk, runtime, kind, sdk, stream):
    """Two calls at once, their results, and a talk that goes on."""
    runtime.script(
        {"say": ["I look. ", {"call": {"id": "call_w1", "name": "weather", "arguments": {"city": HARD}}},
                 {"call": {"id": "call_c2", "name": "clock", "arguments": "{}"}}]},
        {"say": "It is warm at noon."}, {"say": "Bye."})
    one = talk(sdk, kind)
    one.system("Be short.")
    said = one.say("What is it like outside, and when?", stream, tools=TOOLS)
    assert (said.text, said.finish) == ("I look. ", "tool_calls")
    assert [(c.name, c.arguments) for c in said.calls] == [("weather", {"city": HARD}), ("clock", {})]
    if sdk is not Ollama:
        assert said.calls[0].id != said.calls[1].id and all(c.id for c in said.calls)
    one.result(said.calls[0], "21 degrees")
    one.result(said.calls[1], "twelve o'clock")
    said = one.ask(stream, tools=TOOLS)
    assert (said.text, said.finish, said.calls) == ("It is warm at noon.", "stop", [])
    assert one.say("Thanks.", stream, tools=TOOLS).text == "Bye."
    (_, first), (_, second), (path, third) = runtime.bodies()
    in_order(json.dumps(first), "weather", "what it is like outside", "city", "clock", "what time it is")
    in_order(text_in(second), "outside, and when?", "weather", "clock", "21 degrees", "twelve o'clock")
    in_order(text_in(third), "twelve o'clock", "It is warm at noon.", "Thanks.")
    assert "Be short." in text_in(third)
    check_history(path, third)


def check_history(path, body):
    """Calls and results belong together as the runtime's dialect has it."""
    if path == "/v1/chat/completions":
        roles = [m["role"] for m in body["messages"]]
        assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
        calls = body["messages"][2]["tool_calls"]
        assert [c["function"]["name"] for c in calls] == ["weather", "clock"]
        assert json.loads(calls[0]["function"]["arguments"]) == {"city": HARD}
        assert [m["tool_call_id"] for m in body["messages"][3:5]] == [c["id"] for c in calls]
    elif path == "/v1/messages":
        assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]
        calls = [b for b in body["messages"][1]["content"] if b["type"] == "tool_use"]
        assert calls[0]["input"] == {"city": HARD}
        results = body["messages"][2]["content"]
        assert [b["type"] for b in results] == ["tool_result", "tool_result"]
        assert [b["tool_use_id"] for b in results] == [c["id"] for c in calls]


@every_kind
@every_client
def test_a_result_that_failed(talk, runtime, kind, sdk):
    runtime.script({"say": [{"call": {"id": "call_1", "name": "clock", "arguments": "{}"}}]}, "Pity.")
    one = talk(sdk, kind)
    said = one.say("When?", tools=TOOLS)
    one.result(said.calls[0], "it is broken", failed=True)
    assert one.ask(tools=TOOLS).text == "Pity."
    path, body = runtime.bodies()[-1]
    if sdk is Messages and path != "/v1/messages":
        assert "Error: it is broken" in text_in(body)


@every_kind
@pytest.mark.parametrize("sdk", [Chat, Responses, Messages], ids=lambda s: s.dialect)
@pytest.mark.parametrize("choice", ["auto", "none", "required", "clock"])
def test_tool_choice(talk, runtime, kind, sdk, choice):
    runtime.script("Well.")
    assert talk(sdk, kind).say("When?", tools=TOOLS, choice=choice).text == "Well."
    path, body = runtime.bodies()[-1]
    if path == "/v1/messages":
        assert body.get("tool_choice", {"type": "auto"})["type"] == {"required": "any", "clock": "tool"}.get(choice, choice)
    elif choice == "clock":
        assert "clock" in text_in(body["tool_choice"])
    else:
        assert body["tool_choice"] == choice


@every_kind
@every_client
@both_ways
def test_reasoning(talk, runtime, kind, sdk, stream):
    """It arrives, and goes back with the history without harm."""
    runtime.script({"say": [{"reasoning": "Let me see. It is two."}, {"signature": "c2lnbmVk"}, "Two."]}, "Three.")
    one = talk(sdk, kind)
    said = one.say("One and one?", stream, think="high")
    assert (said.reasoning, said.text, said.finish) == ("Let me see. It is two.", "Two.", "stop")
    assert one.say("And one?", stream, think="high").text == "Three."
    path, body = runtime.bodies()[-1]
    in_order(text_in(body), "One and one?", "Two.", "And one?")
    if path == "/v1/messages" and sdk is Messages:
        assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "Let me see. It is two.", "signature": "c2lnbmVk"}


@every_kind
@every_client
def test_reasoning_before_a_call(talk, runtime, kind, sdk):
    runtime.script({"say": [{"reasoning": "I need a clock."}, {"signature": "c2ln"},
                            {"call": {"id": "call_1", "name": "clock", "arguments": "{}"}}]}, "Noon.")
    one = talk(sdk, kind)
    said = one.say("When?", stream=True, tools=TOOLS, think="high")
    assert (said.reasoning, said.text, said.finish) == ("I need a clock.", "", "tool_calls")
    one.result(said.calls[0], "twelve")
    assert one.ask(stream=True, tools=TOOLS, think="high").text == "Noon."
    in_order(text_in(runtime.bodies()[-1][1]), "When?", "clock", "twelve")


@every_kind
@every_client
def test_schema(talk, runtime, kind, sdk):
    runtime.script('{"n": 2}')
    assert json.loads(talk(sdk, kind).say("One and one?", schema=SCHEMA).text) == {"n": 2}
    body = runtime.bodies()[-1][1]
    assert json.dumps(SCHEMA) in json.dumps(body)


@every_kind
@every_client
@both_ways
def test_cached_tokens(talk, runtime, kind, sdk, stream):
    runtime.script({"say": "Yes.", "usage": {"prompt_tokens": 100, "cached_tokens": 60, "completion_tokens": 5}})
    said = talk(sdk, kind).say("Hello", stream)
    assert said.tokens == (100, 5)
    assert said.cached in (60, None)


@every_kind
@every_client
@both_ways
def test_empty_answers(talk, runtime, kind, sdk, stream):
    runtime.script({"say": []})
    said = talk(sdk, kind).say("Be silent.", stream)
    assert (said.text, said.calls, said.finish) == ("", [], "stop")


@every_kind
@every_client
@both_ways
def test_filtered(talk, runtime, kind, sdk, stream):
    runtime.script({"say": "I ", "finish": "content_filter"})
    said = talk(sdk, kind).say("Curse.", stream)
    assert said.text == "I "
    assert said.finish == "content_filter" or sdk is Ollama  # which has no word for it


@every_kind
@every_client
def test_arguments_that_are_no_json(talk, runtime, kind, sdk):
    """Never an error of the gateway: dialects of text get the text, those of objects an object."""
    runtime.script({"say": [{"call": {"id": "call_1", "name": "clock", "arguments": '{"a": '}}]})
    one = talk(sdk, kind)
    try:
        said = one.say("When?", tools=TOOLS)
    except json.JSONDecodeError as error:  # ours, of the text that arrived
        assert error.doc == '{"a": ' and sdk in (Chat, Responses)
    else:
        assert said.calls[0].name == "clock" and isinstance(said.calls[0].arguments, dict)


def picture():
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\10\0\0\0\0") + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


@every_kind
@every_client
def test_pictures(talk, runtime, kind, sdk):
    data = base64.b64encode(picture()).decode()
    url = f"data:image/png;base64,{data}"
    says = {
        Chat: {"content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]},
        Responses: {"content": [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": url, "detail": "auto"}]},
        Messages: {"content": [{"type": "text", "text": "What is it?"},
                               {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}]},
        Ollama: {"content": "What is it?", "images": [picture()]},
    }
    runtime.script("A dot.")
    one = talk(sdk, kind)
    one.history.append({"role": "user", **says[sdk]})
    assert one.ask().text == "A dot."
    path, body = runtime.bodies()[-1]
    where = text_in(body)
    assert "What is it?" in where and (data if path in ("/v1/messages", "/api/chat") else url) in where


# --- errors ---


@every_kind
@every_client
@both_ways
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_a_runtimes_error(talk, runtime, kind, sdk, stream, status):
    runtime.script({"knobs": {"status": status}, "times": 2})  # a 404 may mean that the runtime has only another dialect
    refused(sdk, status, lambda: talk(sdk, kind).say("Hello", stream))


def refused(sdk, status, ask):
    with pytest.raises(sdk.kinds[status]) as caught:
        ask()
    error = caught.value
    assert error.status_code == status
    said = error.error if sdk is Ollama else error.body
    if sdk is Messages:
        assert said["type"] == "error" and error.type.endswith("_error") and error.request_id
        said = said["error"]
    assert isinstance(said if sdk is Ollama else said["message"], str)
    return error


@every_client
@both_ways
def test_no_such_model(talk, sdk, stream):
    refused(sdk, 404, lambda: talk(sdk, "none").say("Hello", stream))


@every_kind
@every_client
def test_a_bad_request(talk, runtime, kind, sdk):
    """The gateway or the runtime says what is wrong, and where."""
    one = talk(sdk, kind)
    one.history.append({"role": "wizard", "content": [{"type": "wand"}]} if sdk is not Ollama else {"role": "wizard", "content": "x"})
    runtime.script({"knobs": {"status": 400}, "times": 3})
    refused(sdk, 400, one.ask)


# --- besides ---


@every_kind
@pytest.mark.parametrize("sdk", [Chat, Ollama], ids=lambda s: s.dialect)
def test_embeddings(talk, kind, sdk):
    one = talk(sdk, kind)
    if "embeddings" in OWN[kind]:
        a, b, again = one.embed(["a", "b", "a"])
        assert len(a) == 8 and a != b and a == again
    else:
        with pytest.raises(sdk.failures) as caught:
            one.embed(["a"])
        assert 400 <= caught.value.status_code < 502


@every_kind
@pytest.mark.parametrize("sdk", [Responses, Messages], ids=lambda s: s.dialect)
def test_count_tokens(talk, runtime, kind, sdk):
    one = talk(sdk, kind)
    one.user("How long is this?")

    def count():
        if sdk is Messages:
            return one.client.messages.count_tokens(model=kind, messages=one.history)
        return one.client.responses.input_tokens.count(model=kind, input=one.history)
    if "count" in OWN[kind]:
        assert 0 < count().input_tokens < 1000
    else:  # better no number than a wrong one
        with pytest.raises(sdk.failures) as caught:
            count()
        assert 400 <= caught.value.status_code < 502


@every_client
def test_the_model_list(talk, sdk):
    one = talk(sdk, "m")
    if sdk is Ollama:
        assert [m.model for m in one.client.list().models] == KINDS
    else:
        assert [m.id for m in one.client.models.list()] == KINDS
