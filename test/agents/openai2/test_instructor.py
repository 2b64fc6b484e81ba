# SPDX-License-Identifier: Apache-2.0
"""Instructor: an answer of a type, by a tool, a schema or JSON in the text, with repair of what does not fit."""

import anthropic
import instructor
import openai
import pydantic
import pytest


class Answer(pydantic.BaseModel):
    n: int


MESSAGES = [{"role": "user", "content": "One and one?"}]
CALL = {"say": [{"call": {"id": "call_1", "name": "Answer", "arguments": {"n": 2}}}]}
MODES = {
    "tools": (instructor.Mode.TOOLS, CALL),
    "schema": (instructor.Mode.JSON_SCHEMA, {"say": '{"n": 2}'}),
    "json": (instructor.Mode.JSON, {"say": '{"n": 2}'}),
}


@pytest.mark.parametrize(("mode", "turn"), MODES.values(), ids=MODES)
@pytest.mark.parametrize("stream", [False, True])
def test_chat(stage, kind, mode, turn, stream):
    client = instructor.from_openai(openai.OpenAI(base_url=f"{stage.url}/v1", api_key=stage.key, max_retries=0), mode=mode)
    stage.script(turn)
    if stream:
        answer = list(client.chat.completions.create_partial(model=kind, messages=MESSAGES, response_model=Answer))[-1]
    else:
        answer = client.chat.completions.create(model=kind, messages=MESSAGES, response_model=Answer)
    assert answer.n == 2


def test_responses(stage, kind):
    client = instructor.from_openai(openai.OpenAI(base_url=f"{stage.url}/v1", api_key=stage.key, max_retries=0),
                                    mode=instructor.Mode.RESPONSES_TOOLS)
    stage.script(CALL)
    assert client.responses.create(model=kind, input="One and one?", response_model=Answer).n == 2


@pytest.mark.parametrize("mode", [instructor.Mode.ANTHROPIC_TOOLS, instructor.Mode.ANTHROPIC_JSON])
def test_messages(stage, kind, mode):
    client = instructor.from_anthropic(anthropic.Anthropic(base_url=stage.url, api_key=stage.key, max_retries=0), mode=mode)
    stage.script(CALL if mode == instructor.Mode.ANTHROPIC_TOOLS else '{"n": 2}')
    assert client.messages.create(model=kind, max_tokens=100, messages=MESSAGES, response_model=Answer).n == 2


def test_repair(stage, kind):
    """What does not fit goes back with the reason, as the result of the call."""
    client = instructor.from_openai(openai.OpenAI(base_url=f"{stage.url}/v1", api_key=stage.key, max_retries=0))
    stage.script({"say": [{"call": {"id": "call_1", "name": "Answer", "arguments": {"n": "two"}}}]}, CALL)
    assert client.chat.completions.create(model=kind, messages=MESSAGES, response_model=Answer, max_retries=2).n == 2
    assert "two" in stage.last()
