# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Agents SDK: Responses by default, chat beside it."""

import asyncio
import json

import agents
import openai
import pydantic
import pytest

agents.set_tracing_disabled(True)


class Answer(pydantic.BaseModel):
    n: int


@pytest.fixture(params=[agents.OpenAIResponsesModel, agents.OpenAIChatCompletionsModel], ids=["responses", "chat"])
def make(request, stage):
    client = openai.AsyncOpenAI(base_url=f"{stage.url}/v1", api_key=stage.key, max_retries=0)
    return lambda model, **options: agents.Agent(name="tester", instructions="Be short.",
                                                 model=request.param(model=model, openai_client=client), **options)


def test_chat(make, stage, kind):
    stage.script("Hi, you.")
    assert asyncio.run(agents.Runner.run(make(kind), "hello")).final_output == "Hi, you."
    assert "Be short." in stage.last()


async def streamed(agent, prompt):
    run = agents.Runner.run_streamed(agent, prompt)
    types = [event.data.type async for event in run.stream_events() if event.type == "raw_response_event"]
    return types, run.final_output


def test_stream(make, stage, kind):
    stage.script("One two three.")
    types, output = asyncio.run(streamed(make(kind), "hello"))
    assert output == "One two three." and types.count("response.output_text.delta") > 1 and types[-1] == "response.completed"


@agents.function_tool
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


@pytest.mark.parametrize("stream", [False, True])
def test_tools(make, stage, kind, stream):
    stage.script({"say": [{"reasoning": "I compute. "}, {"signature": "c2ln"},
                          {"call": {"id": "call_1", "name": "add", "arguments": {"a": 40, "b": 2}}},
                          {"call": {"id": "call_2", "name": "add", "arguments": {"a": 1, "b": 2}}}]}, "It is 42 and 3.")
    agent = make(kind, tools=[add])
    if stream:
        output = asyncio.run(streamed(agent, "40 + 2, 1 + 2?"))[1]
    else:
        output = asyncio.run(agents.Runner.run(agent, "40 + 2, 1 + 2?")).final_output
    assert output == "It is 42 and 3." and '"42"' in stage.last()


def test_a_hand_over(make, stage, kind):
    """Between agents, which is a call, too."""
    other = make(kind)
    other.name = "other"
    agent = make(kind, handoffs=[other])
    stage.script({"say": [{"call": {"id": "call_1", "name": "transfer_to_other", "arguments": "{}"}}]}, "I am the other.")
    result = asyncio.run(agents.Runner.run(agent, "hello"))
    assert result.final_output == "I am the other." and result.last_agent is other


def test_a_type_for_the_answer(make, stage, kind):
    stage.script('{"n": 2}')
    assert asyncio.run(agents.Runner.run(make(kind, output_type=Answer), "One and one?")).final_output == Answer(n=2)
    assert json.dumps(Answer.model_json_schema()["properties"]) in stage.last()


def test_errors(make, stage, kind):
    async def both():
        with pytest.raises(openai.NotFoundError):
            await agents.Runner.run(make("none"), "hello")
        stage.script({"knobs": {"status": 400}})
        with pytest.raises(openai.BadRequestError):
            await agents.Runner.run(make(kind), "hello")
    asyncio.run(both())
