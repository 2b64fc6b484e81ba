# SPDX-License-Identifier: Apache-2.0
"""Pydantic AI: `openai:` is Responses; `openai-chat:` and `anthropic:` beside it."""

import asyncio

import pydantic
import pydantic_ai
import pytest
from pydantic_ai.exceptions import ModelHTTPError

PREFIXES = ["openai", "openai-chat", "anthropic"]


class Answer(pydantic.BaseModel):
    n: int


@pytest.fixture(params=PREFIXES)
def prefix(request, stage, monkeypatch):
    """The name of a provider, which finds the gateway in the environment."""
    for name in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{name}_API_KEY", stage.key)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{stage.url}/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", stage.url)
    return request.param


def agent_of(prefix, kind, **options):
    return pydantic_ai.Agent(f"{prefix}:{kind}", retries=0, **options)


def test_chat(stage, prefix, kind):
    stage.script({"say": "Hi, you.", "usage": {"prompt_tokens": 20, "completion_tokens": 4}})
    result = agent_of(prefix, kind, instructions="Be short.").run_sync("hello")
    assert result.output == "Hi, you."
    usage = result.usage() if callable(result.usage) else result.usage
    assert (usage.input_tokens, usage.output_tokens) == (20, 4)
    assert "Be short." in stage.last()


async def streamed(agent, prompt):
    async with agent.run_stream(prompt) as result:
        return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]


def test_stream(stage, prefix, kind):
    stage.script("One two three.")
    pieces = asyncio.run(streamed(agent_of(prefix, kind), "hello"))
    assert len(pieces) > 1 and "".join(pieces) == "One two three."


def test_tools(stage, prefix, kind):
    agent = agent_of(prefix, kind)
    asked = []

    @agent.tool_plain
    def add(a: int, b: int) -> int:
        asked.append((a, b))
        return a + b
    stage.script({"say": [{"reasoning": "I compute. "}, {"signature": "c2ln"},
                          {"call": {"id": "call_1", "name": "add", "arguments": {"a": 40, "b": 2}}},
                          {"call": {"id": "call_2", "name": "add", "arguments": {"a": 1, "b": 2}}}]}, "It is 42 and 3.")
    assert agent.run_sync("40 + 2, 1 + 2?").output == "It is 42 and 3."
    assert sorted(asked) == [(1, 2), (40, 2)] and "42" in stage.last()


def test_a_type_for_the_answer(stage, prefix, kind):
    stage.script({"say": [{"call": {"id": "call_1", "name": "final_result", "arguments": {"n": 2}}}]})
    assert agent_of(prefix, kind, output_type=Answer).run_sync("One and one?").output == Answer(n=2)


@pytest.mark.parametrize("prefix", ["openai", "openai-chat"], indirect=True)  # it trusts Anthropic's own models only
def test_a_schema_for_the_answer(stage, prefix, kind):
    stage.script('{"n": 2}')
    assert agent_of(prefix, kind, output_type=pydantic_ai.NativeOutput(Answer)).run_sync("One and one?").output == Answer(n=2)


def test_errors(stage, prefix, kind):
    with pytest.raises(ModelHTTPError) as caught:
        agent_of(prefix, "none").run_sync("hello")
    assert caught.value.status_code == 404
    stage.script({"knobs": {"status": 400}})
    with pytest.raises(ModelHTTPError) as caught:
        agent_of(prefix, kind).run_sync("hello")
    assert caught.value.status_code == 400
