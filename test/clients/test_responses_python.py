# SPDX-License-Identifier: Apache-2.0
"""Responses through the official Python SDK: what is its own, beside what all dialects have (test_dialects.py)."""

import json

import httpx
import openai
import pydantic
import pytest

from harness import model_of
from kinds import KINDS


@pytest.fixture
def client(gate):
    with openai.OpenAI(base_url=f"{gate.url}/v1", api_key="sk-none", max_retries=0, http_client=httpx.Client(trust_env=False)) as client:
        yield client


def chat(mock):
    """The chat that the last request became."""
    request = mock.requests()[-1]
    assert request["target"] == "/v1/chat/completions"
    return json.loads(request["body"])


def test_a_string_and_instructions(client, mock):
    mock.script("Hi.")
    answer = client.responses.create(model="m", input="hello", instructions="Be short.", temperature=0.5, top_p=0.9,
                                     max_output_tokens=50, metadata={"a": "b"}, user="someone")
    assert answer.output_text == "Hi." and answer.id.startswith("resp_") and answer.output[0].id.startswith("msg_")
    assert answer.instructions == "Be short." and answer.metadata == {"a": "b"} and answer.temperature == 0.5
    body = chat(mock)
    assert [(m["role"], m["content"]) for m in body["messages"]] == [("system", "Be short."), ("user", "hello")]
    assert (body["temperature"], body["top_p"]) == (0.5, 0.9)
    assert 50 in (body.get("max_tokens"), body.get("max_completion_tokens"))


class Answer(pydantic.BaseModel):
    n: int


def test_a_type_for_the_answer(client, mock):
    mock.script({"say": '{"n": 2}', "times": 2})
    assert client.responses.parse(model="m", input="One and one?", text_format=Answer).output_parsed == Answer(n=2)
    wanted = chat(mock)["response_format"]
    assert wanted["type"] == "json_schema" and wanted["json_schema"]["strict"] and "n" in wanted["json_schema"]["schema"]["properties"]
    with client.responses.stream(model="m", input="One and one?", text_format=Answer) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_parsed == Answer(n=2)


def test_the_stream_helper(client, mock):
    mock.script({"say": ["It is ", "noon.", {"call": {"id": "call_1", "name": "clock", "arguments": {"zone": "UTC"}}}]})
    tool = {"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}, "strict": False}
    snapshots = []
    with client.responses.stream(model="m", input="When?", tools=[tool]) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                snapshots.append(event.snapshot)
        final = stream.get_final_response()
    assert snapshots[-1] == final.output_text == "It is noon."
    assert final.output[1].parsed_arguments == {"zone": "UTC"} or json.loads(final.output[1].arguments) == {"zone": "UTC"}


def test_tools_of_a_namespace(client, mock):
    """A runtime knows one flat list of short names; the client gets back what it gave."""
    inner = {"type": "function", "name": "add", "description": "adds", "strict": False,
             "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}
    tools = [{"type": "namespace", "name": space, "description": "computes", "tools": [inner]}
             for space in ("mcp__calc", "mcp__other", "mcp__" + "x" * 60)] + [{**inner, "name": "add"}]
    mock.script({"say": "Hm.", "times": 1})
    client.responses.create(model="m", input="Add.", tools=tools)
    names = [t["function"]["name"] for t in chat(mock)["tools"]]
    assert len(set(names)) == 4 and all(len(n) <= 64 for n in names)
    mock.script({"say": [{"call": {"id": f"call_{i}", "name": name, "arguments": {"a": i}}} for i, name in enumerate(names)]}, "Done.")
    answer = client.responses.create(model="m", input="Add.", tools=tools)
    calls = [(getattr(i, "namespace", None), i.name) for i in answer.output if i.type == "function_call"]
    assert calls == [(t["name"], "add") if t["type"] == "namespace" else (None, "add") for t in tools]
    history = [{"role": "user", "content": "Add."}, *(i.to_dict() for i in answer.output),
               *({"type": "function_call_output", "call_id": i.call_id, "output": "5"} for i in answer.output)]
    assert client.responses.create(model="m", input=history, tools=tools).output_text == "Done."
    assert [c["function"]["name"] for c in chat(mock)["messages"][1]["tool_calls"]] == names


def test_custom_tools(client, mock):
    """Free text for a model that knows only JSON."""
    tools = [{"type": "custom", "name": "apply_patch", "description": "patches", "format": {"type": "text"}}]
    patch = '*** Begin Patch\n+"x"\\\n*** End Patch'
    mock.script({"say": [{"call": {"id": "call_1", "name": "apply_patch", "arguments": {"input": patch}}}], "times": 2}, "Done.")
    answer = client.responses.create(model="m", input="Patch.", tools=tools)
    assert [(i.type, i.name, i.input) for i in answer.output] == [("custom_tool_call", "apply_patch", patch)]
    events = list(client.responses.create(model="m", input="Patch.", tools=tools, stream=True))
    assert "".join(e.delta for e in events if e.type == "response.custom_tool_call_input.delta") == patch
    assert [e.item.input for e in events if e.type == "response.output_item.done"] == [patch]
    history = [{"role": "user", "content": "Patch."}, *(i.to_dict() for i in answer.output),
               {"type": "custom_tool_call_output", "call_id": answer.output[0].call_id, "output": "patched"}]
    assert client.responses.create(model="m", input=history, tools=tools).output_text == "Done."
    messages = chat(mock)["messages"]
    assert json.loads(messages[1]["tool_calls"][0]["function"]["arguments"]) == {"input": patch} and messages[2]["content"] == "patched"


def test_reasoning_that_the_client_keeps(client, mock):
    """store: false and encrypted_content: the state is with the client."""
    mock.script({"say": [{"reasoning": "Hm, two. "}, "Two."]}, "Three.")
    ask = {"model": "m", "store": False, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "high", "summary": "auto"}}
    answer = client.responses.create(input="One and one?", **ask)
    assert [i.type for i in answer.output] == ["reasoning", "message"]
    history = [{"role": "user", "content": "One and one?"}, *(i.to_dict() for i in answer.output), {"role": "user", "content": "And one?"}]
    assert client.responses.create(input=history, **ask).output_text == "Three."
    body = chat(mock)
    assert body["reasoning_effort"] == "high" and [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]


def test_parts_of_all_kinds_in_results(client, mock):
    """Codex sends results as a string or as parts, and messages of the assistant between a call and its result."""
    mock.script("Done.")
    history = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be short."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Look."}]},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "seen"}]},
    ]
    tools = [{"type": "function", "name": "look", "strict": False, "parameters": {"type": "object", "properties": {}}}]
    assert client.responses.create(model="m", input=history, tools=tools).output_text == "Done."
    messages = chat(mock)["messages"]
    assert messages[-1]["role"] == "tool" and messages[-2]["role"] == "assistant" and messages[-2]["tool_calls"]
    assert "seen" in json.dumps(messages[-1]) and "I look." in json.dumps(messages)


def test_items_that_nobody_knows_are_no_end(client, mock):
    mock.script("Hi.")
    history = [{"type": "message", "role": "user", "content": "hello"}, {"type": "moon_phase", "phase": 3},
               {"type": "message", "role": "user", "content": "again"}]
    assert client.responses.create(model="m", input=history, extra_body={"client_metadata": {"x": "y"}, "text": {"verbosity": "low"}}).output_text == "Hi."


def test_what_is_not_kept_cannot_be_asked_for(client):
    for fields in ({"previous_response_id": "resp_1"}, {"conversation": "conv_1"}, {"background": True}):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="m", input="hello", **fields)
        assert caught.value.body["param"] == next(iter(fields))
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.retrieve("resp_1")
    assert caught.value.status_code in (404, 405, 501)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "azure"])  # which keeps them itself
@pytest.mark.parametrize("stream", [False, True])
def test_going_on_from_an_earlier_one(zoo, runtime, kind, stream):
    """The gateway keeps what was said; the runtime is told all of it."""
    def ask(client, **fields):
        if not stream:
            return client.responses.create(model=kind, tools=[tool], **fields)
        return list(client.responses.create(model=kind, tools=[tool], stream=True, **fields))[-1].response
    tool = {"type": "function", "name": "clock", "strict": False, "parameters": {"type": "object", "properties": {}}}
    runtime.script({"say": ["I look. ", {"call": {"id": "call_1", "name": "clock", "arguments": "{}"}}]}, "Noon.", "Yes.")
    with openai.OpenAI(base_url=f"{zoo[1].url}/v1", api_key="sk-none", max_retries=0) as client:
        first = ask(client, input="When?", instructions="Be short.")
        [call] = [i for i in first.output if i.type == "function_call"]
        second = ask(client, previous_response_id=first.id, input=[
            {"type": "function_call_output", "call_id": call.call_id, "output": "twelve"}])
        third = ask(client, previous_response_id=second.id, input="Sure?")
        assert (second.output_text, third.output_text, third.previous_response_id) == ("Noon.", "Yes.", second.id)
        told = runtime.requests()[-1]["body"]
        at = [told.find(word) for word in ("When?", "I look.", "twelve", "Noon.", "Sure?")]
        assert min(at) >= 0 and at == sorted(at) and "Be short." not in told
        assert client.responses.retrieve(first.id).output_text == "I look. "
        assert [i.type for i in client.responses.input_items.list(second.id)]
        client.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(first.id)


@pytest.mark.parametrize("by", ["previous_response_id", "item_reference"])
def test_going_on_from_what_a_runtime_keeps(processes, start_mock, by):
    """Azure keeps responses itself: it is told of them by their ids, as the client tells."""
    azure = start_mock("--record", 10, "--kind", "azure")
    gate = processes.gate([model_of(azure, kind="azure")])
    azure.script("Hi.", "Yes.")
    with openai.OpenAI(base_url=f"{gate.url}/v1", api_key="sk-none", max_retries=0) as client:
        first = client.responses.create(model="m", input="hello")
        more = {"previous_response_id": first.id, "input": "sure?"} if by == "previous_response_id" else {"input": [
            {"role": "user", "content": "hello"}, {"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "sure?"}]}
        assert client.responses.create(model="m", **more).output_text == "Yes."
    assert azure.sent() == {"model": "m", **more}


def test_an_alias_and_a_request_id(processes, mock):
    gate = processes.gate(model_of(mock, name="m", aliases=["nick"]))
    with openai.OpenAI(base_url=f"{gate.url}/v1", api_key="sk-none", max_retries=0) as client:
        raw = client.responses.with_raw_response.create(model="nick", input="hello", prompt_cache_key="k", safety_identifier="s",
                                                        extra_headers={"X-Request-Id": "mine-1"})
        assert raw.headers["x-request-id"] == "mine-1" and raw.parse().model == "nick"
