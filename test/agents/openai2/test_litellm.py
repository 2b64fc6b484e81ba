# SPDX-License-Identifier: Apache-2.0
"""LiteLLM's SDK as a client, by the prefixes of its providers."""

import json

import litellm
import pytest

from kinds import OWN

litellm.suppress_debug_info = True
MESSAGES = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {
    "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}}}]
PROVIDERS = {
    "openai": lambda s: {"api_base": f"{s.url}/v1", "api_key": s.key},
    "hosted_vllm": lambda s: {"api_base": f"{s.url}/v1", "api_key": s.key},
    "anthropic": lambda s: {"api_base": s.url, "api_key": s.key},
    "ollama_chat": lambda s: {"api_base": s.url, "api_key": s.key},
}


@pytest.fixture(params=PROVIDERS)
def provider(request):
    return request.param


@pytest.fixture
def complete(provider, stage):
    return lambda model, messages=MESSAGES, **options: litellm.completion(
        model=f"{provider}/{model}", messages=messages, max_retries=0, num_retries=0, **PROVIDERS[provider](stage), **options)


def test_chat(complete, stage, kind):
    stage.script({"say": "Hi, you.", "usage": {"prompt_tokens": 20, "completion_tokens": 4}})
    answer = complete(kind, max_tokens=50, temperature=0.5)
    assert answer.choices[0].message.content == "Hi, you." and answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (20, 4)


def test_stream(complete, stage, kind):
    stage.script({"say": "One two three.", "usage": {"prompt_tokens": 20, "completion_tokens": 4}})
    chunks = list(complete(kind, stream=True, stream_options={"include_usage": True}))
    texts = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(texts) == "One two three." and len([t for t in texts if t]) > 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]


@pytest.mark.parametrize("stream", [False, True])
def test_tools(complete, provider, stage, kind, stream):
    wanted = [{"a": 40, "b": 2}, {"a": 1, "b": 2}]
    if provider == "ollama_chat" and stream:
        wanted.pop()  # it makes one call of two that come one after the other
    stage.script({"say": [{"call": {"id": f"call_{i}", "name": "add", "arguments": a}} for i, a in enumerate(wanted)]}, "It is 42 and 3.")
    answer = complete(kind, tools=TOOLS, stream=stream)
    if stream:
        answer = litellm.stream_chunk_builder(list(answer), messages=MESSAGES)
    message = answer.choices[0].message
    assert [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls] == [("add", a) for a in wanted]
    assert answer.choices[0].finish_reason == "tool_calls"
    results = [{"role": "tool", "tool_call_id": c.id, "name": "add", "content": str(sum(json.loads(c.function.arguments).values()))}
               for c in message.tool_calls]
    answer = complete(kind, [*MESSAGES, message.model_dump(), *results], tools=TOOLS)
    assert answer.choices[0].message.content == "It is 42 and 3." and "42" in stage.last()


def test_errors(complete, stage, kind):
    with pytest.raises((litellm.NotFoundError, litellm.APIConnectionError, litellm.BadRequestError)):
        complete("none")
    stage.script({"knobs": {"status": 429}, "times": 3})
    with pytest.raises((litellm.RateLimitError, litellm.APIConnectionError)):
        complete(kind)


@pytest.mark.parametrize("how", [{"die_after": 2}, {"error_after": 2}])
def test_a_broken_stream(complete, stage, kind, how):
    stage.script({"knobs": {"tokens": 5, **how}})
    with pytest.raises(Exception):
        list(complete(kind, stream=True))


def test_responses(stage, kind):
    stage.script("Hi, you.")
    answer = litellm.responses(model=f"openai/{kind}", input="hello", **PROVIDERS["openai"](stage))
    assert answer.output_text == "Hi, you."
    stage.script("One two three.")
    events = list(litellm.responses(model=f"openai/{kind}", input="hello", stream=True, **PROVIDERS["openai"](stage)))
    assert events[-1].type == "response.completed"


@pytest.mark.parametrize("kind", [k for k in OWN if "embeddings" in OWN[k]])
def test_embeddings(stage, kind):
    vectors = [litellm.embedding(model=f"{provider}/{kind}", input=["a", "b"], **PROVIDERS[via](stage)).data
               for provider, via in (("openai", "openai"), ("ollama", "ollama_chat"))]
    assert len(vectors[0][0]["embedding"]) == 8
    assert vectors[0][1]["embedding"] == pytest.approx(vectors[1][1]["embedding"])
