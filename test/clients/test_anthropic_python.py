# SPDX-License-Identifier: Apache-2.0
"""The official Python SDK of Anthropic against the gateway: what is its own, beside what all have (test_dialects.py)."""

import asyncio
import json
import re

import anthropic
import pytest

from harness import CLIENT_KEY as KEY
from harness import canned, model_of, until, whole

MESSAGES = [{"role": "user", "content": "hello"}]
ASK = {"model": "m", "max_tokens": 100, "messages": MESSAGES}


def client_of(gate, base="", **options):
    options = {"api_key": KEY, "max_retries": 0, "http_client": anthropic.DefaultHttpxClient(trust_env=False), **options}
    return anthropic.Anthropic(base_url=gate.url + base, **options)


@pytest.fixture
def client(locked):
    with client_of(locked) as client:
        yield client


@pytest.mark.parametrize("base", ["", "/anthropic"])
@pytest.mark.parametrize("how", ["api_key", "auth_token"])
def test_both_keys_at_both_places(locked, mock, base, how):
    mock.script("Hi.")
    with client_of(locked, base, **{"api_key": None, how: KEY}) as client:
        answer = client.messages.create(**ASK)
    assert answer.content[0].text == "Hi." and answer.id.startswith("msg_") and answer._request_id
    sent = {name.lower() for name, _ in mock.requests()[-1]["headers"]}
    assert not sent & {"x-api-key", "authorization"}


def test_keys_that_are_refused(locked):
    for key, kind in (("sk-wrong-0123456", anthropic.AuthenticationError), ("sk-few-0123456789", anthropic.PermissionDeniedError)):
        with client_of(locked, api_key=key) as client, pytest.raises(kind) as caught:
            client.messages.create(**{**ASK, "model": "other"})
        assert caught.value.type in ("authentication_error", "permission_error")


def test_no_such_model(client):
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(**{**ASK, "model": "none"})
    assert caught.value.type == "not_found_error" and "none" in str(caught.value)


def test_the_stream_helper(client, mock):
    mock.script({"say": ["It is ", "noon.", {"call": {"id": "call_1", "name": "clock", "arguments": {"zone": "UTC"}}}]})
    seen = []
    with client.messages.stream(**ASK) as stream:
        seen += [event.type for event in stream]
        final = stream.get_final_message()
    assert {"text", "input_json", "content_block_stop", "message_stop"} <= set(seen)
    assert final.content[0].text == "It is noon." and final.content[1].input == {"zone": "UTC"}
    assert final.stop_reason == "tool_use" and final.usage.output_tokens > 0


def test_the_tool_runner(client, mock):
    """The SDK's own loop over calls and results."""
    @anthropic.beta_tool
    def add(a: int, b: int) -> str:
        """Adds.

        Args:
            a: one
            b: another
        """
        return str(a + b)
    mock.script({"say": [{"call": {"id": "call_1", "name": "add", "arguments": {"a": 40, "b": 2}}}]}, "42.")
    runner = client.beta.messages.tool_runner(**ASK, tools=[add])
    assert runner.until_done().content[0].text == "42."
    assert '"42"' in mock.requests()[-1]["body"]


def test_what_other_runtimes_do_not_know_is_left_out(client, mock):
    """As Claude Code sends it: none of it is refused, and none reaches a runtime that has no word for it."""
    raw = client.beta.messages.with_raw_response.create(
        **{**ASK, "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}]},
            {"role": "system", "content": "Mind the time."}]},
        betas=["context-management-2025-06-27", "interleaved-thinking-2025-05-14"], thinking={"type": "adaptive"},
        system=[{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=abcde;"},
                {"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}],
        tools=[{"name": "add", "input_schema": {"type": "object", "properties": {}}, "cache_control": {"type": "ephemeral"},
                "eager_input_streaming": True, "defer_loading": True},
               {"type": "web_search_20250305", "name": "web_search"}],
        metadata={"user_id": "someone"}, context_management={"edits": []}, extra_body={"output_config": {"effort": "high"}})
    assert raw.parse().content
    body = json.loads(mock.requests()[-1]["body"])
    text = json.dumps(body)
    for word in ("cache_control", "billing", "cch=", "context_management", "defer_loading", "web_search", "betas", "output_config"):
        assert word not in text, word
    assert "Be short." in text and "Mind the time." in text and "add" in text
    assert "context_management" in raw.headers["x-hostler-dropped"]


def test_tools_that_are_searched_for(client, mock):
    """As Claude Code has them: what its search found is a reference, and a placeholder is never to be called."""
    named = {"description": "x", "input_schema": {"type": "object", "properties": {}}}
    tools = [{"name": "ToolSearch", **named}, {"name": "DeferredToolPlaceholder", **named, "defer_loading": True},
             {"name": "mcp__calc__add", **named, "defer_loading": True}]
    history = [*MESSAGES, {"role": "assistant", "content": [
        {"type": "tool_use", "id": "toolu_1", "name": "ToolSearch", "input": {"query": "select:mcp__calc__add"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [
            {"type": "tool_reference", "tool_name": "mcp__calc__add"}]}]}]
    assert client.beta.messages.create(**{**ASK, "messages": history}, tools=tools).content
    body = mock.sent()
    assert body["messages"][-1]["role"] == "tool" and "mcp__calc__add" in body["messages"][-1]["content"]
    assert [t["function"]["name"] for t in body["tools"]] == ["ToolSearch", "mcp__calc__add"]


def test_the_retries(processes, mock):
    gate = processes.gate(mock, health={"failures": 1000}, retry={"attempts_max": 1})
    for status in (500, 529):
        mock.script({"knobs": {"status": status}}, "At last.")
        with client_of(gate, max_retries=2) as client:
            assert client.messages.create(**ASK).content[0].text == "At last."


def test_overload_and_rate_limits_are_told(processes, mock):
    gate = processes.gate(mock, health={"failures": 1000}, retry={"attempts_max": 1})
    for status, kind, type in ((503, anthropic.APIStatusError, "overloaded_error"), (500, anthropic.InternalServerError, "api_error"),
                               (413, anthropic.RequestTooLargeError, "request_too_large"), (429, anthropic.RateLimitError, "rate_limit_error")):
        mock.script({"knobs": {"status": status, "retry_after": 7}})
        with client_of(gate) as client, pytest.raises(kind) as caught:
            client.messages.create(**ASK)
        assert caught.value.type == type
        assert status != 429 or caught.value.response.headers["retry-after"] == "7"


def test_an_error_within_a_stream_has_its_type(client, mock):
    mock.script({"knobs": {"error_after": 2}})
    with pytest.raises(anthropic.APIError) as caught:
        for _ in client.messages.create(**ASK, stream=True):
            pass
    assert caught.value.body["type"] == "error" and caught.value.body["error"]["type"] in ("api_error", "overloaded_error")


def test_a_prompt_that_is_too_long(processes):
    """The words that make agents shorten their history, of an error in another dialect."""
    why = {"message": "This model's maximum context length is 4096 tokens. However, your prompt has 5000 tokens.",
           "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}
    gate = processes.gate(canned(processes, whole(json.dumps({"error": why}).encode(), status=b"400 Bad Request")))
    with client_of(gate) as client, pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(**ASK)
    assert caught.value.type == "invalid_request_error" and "prompt is too long" in str(caught.value)


def test_many_at_once(locked, mock):
    mock.knobs(echo=True)

    async def one(client, i):
        ask = {**ASK, "messages": [{"role": "user", "content": f"number {i}"}]}
        if i % 2:
            return (await client.messages.create(**ask)).content[0].text
        async with client.messages.stream(**ask) as stream:
            return (await stream.get_final_message()).content[0].text

    async def all_of_them():
        async with anthropic.AsyncAnthropic(base_url=locked.url, api_key=KEY, max_retries=0) as client:
            return await asyncio.gather(*(one(client, i) for i in range(40)))
    assert asyncio.run(all_of_them()) == [f"number {i}" for i in range(40)]
    locked.idle()


def test_leaving_while_it_waits(locked, mock):
    async def leave():
        async with anthropic.AsyncAnthropic(base_url=locked.url, api_key=KEY, max_retries=0) as client:
            for stream in (True, False):
                task = asyncio.create_task(client.messages.create(**ASK, stream=stream))
                while mock.stats()["active"] == 0:
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                while mock.stats()["active"]:
                    await asyncio.sleep(0.01)
    mock.knobs(ttft_ms=60_000)
    asyncio.run(asyncio.wait_for(leave(), 20))
    until(lambda: mock.stats()["aborted"] == 2, "the runtime sees it")
    locked.idle()


def test_an_anthropic_runtime_gets_it_as_it_is(processes, mock):
    """With the client's headers, and the endpoint's key in the place where it belongs."""
    gate = processes.gate([model_of(mock, kind="anthropic", key="sk-ant-upstream-1")])
    gate.secrets.append("sk-ant-upstream-1")
    mock.script("Hi.")
    with client_of(gate) as client:
        client.beta.messages.create(**ASK, betas=["context-management-2025-06-27"], context_management={"edits": []},
                                    system=[{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}])
    request = mock.requests()[-1]
    headers = {name.lower(): value for name, value in request["headers"]}
    body = json.loads(request["body"])
    assert request["target"].startswith("/v1/messages")
    assert headers["x-api-key"] == "sk-ant-upstream-1" and re.fullmatch(r"\d{4}-\d\d-\d\d", headers["anthropic-version"])
    assert "context-management-2025-06-27" in headers["anthropic-beta"]
    assert body["context_management"] == {"edits": []} and body["system"][0]["cache_control"] == {"type": "ephemeral"}
