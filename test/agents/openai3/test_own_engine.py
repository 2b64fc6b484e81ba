# SPDX-License-Identifier: Apache-2.0
"""Libraries on our own engine: whatever a small model says, an answer of a type has it, and a call of a tool fits the tool."""

import json
import sys
import typing

import openai
import pydantic
import pydantic_ai
import pytest
from langchain_openai import ChatOpenAI
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

Colour = typing.Literal["red", "green", "blue"]
ASK = [{"role": "user", "content": "Three green ones, surely."}]


class Answer(pydantic.BaseModel):
    """A colour, and how many."""
    colour: Colour
    n: int = pydantic.Field(ge=0, le=1000)
    sure: bool


class Paint(pydantic.BaseModel):
    """Paints the house."""
    colour: Colour
    coats: int = pydantic.Field(ge=1, le=3)


# --- OpenAI's own ---


@pytest.fixture
def client(own):
    with openai.OpenAI(base_url=f"{own.url}/v1", api_key=own.key, max_retries=0) as made:
        yield made


def test_parse(own, client):
    done = client.chat.completions.parse(model=own.model, messages=ASK, response_format=Answer, temperature=1.2)
    assert done.choices[0].finish_reason == "stop" and isinstance(done.choices[0].message.parsed, Answer)


def test_parse_streamed(own, client):
    with client.chat.completions.stream(model=own.model, messages=ASK, response_format=Answer) as stream:
        kinds = {event.type for event in stream}
        done = stream.get_final_completion()
    assert "content.delta" in kinds and isinstance(done.choices[0].message.parsed, Answer)


def test_parse_responses(own, client):
    assert isinstance(client.responses.parse(model=own.model, input="Three green ones.", text_format=Answer).output_parsed, Answer)


def test_a_call(own, client):
    done = client.chat.completions.parse(model=own.model, messages=ASK, tools=[openai.pydantic_function_tool(Paint)], tool_choice="required")
    (call, *_) = done.choices[0].message.tool_calls
    assert done.choices[0].finish_reason == "tool_calls" and isinstance(call.function.parsed_arguments, Paint)
    after = [*ASK, done.choices[0].message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}),
             *({"role": "tool", "tool_call_id": c.id, "content": "painted"} for c in done.choices[0].message.tool_calls)]
    for message in after:
        for c in message.get("tool_calls") or []:
            c["function"].pop("parsed_arguments", None)
    then = client.chat.completions.create(model=own.model, messages=after, tools=[openai.pydantic_function_tool(Paint)], tool_choice="none", max_tokens=20)
    assert then.choices[0].finish_reason in ("stop", "length") and not then.choices[0].message.tool_calls


def test_a_call_streamed(own, client):
    with client.chat.completions.stream(model=own.model, messages=ASK, tools=[openai.pydantic_function_tool(Paint)],
                                        tool_choice={"type": "function", "function": {"name": "Paint"}}) as stream:
        pieces = [event.arguments_delta for event in stream if event.type == "tool_calls.function.arguments.delta"]
        done = stream.get_final_completion()
    (call, *_) = done.choices[0].message.tool_calls
    assert len(pieces) > 2 and isinstance(call.function.parsed_arguments, Paint)


# --- Pydantic AI ---


@pytest.mark.parametrize("way", [OpenAIChatModel, OpenAIResponsesModel], ids=lambda w: w.__name__)
@pytest.mark.parametrize("how", [pydantic_ai.ToolOutput, pydantic_ai.NativeOutput], ids=lambda h: h.__name__)
def test_pydantic_ai(own, way, how):
    model = way(own.model, provider=OpenAIProvider(base_url=f"{own.url}/v1", api_key=own.key))
    assert isinstance(pydantic_ai.Agent(model, output_type=how(Answer), retries=0).run_sync("Three green ones, surely.").output, Answer)


# --- LangChain ---


def langchain(own, **options):
    return ChatOpenAI(model=own.model, base_url=f"{own.url}/v1", api_key=own.key, max_retries=0, **options)


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
def test_langchain(own, method, responses):
    model = langchain(own, use_responses_api=responses).with_structured_output(Answer, method=method)
    assert isinstance(model.invoke("Three green ones, surely."), Answer)


def test_langchain_tools(own):
    answer = langchain(own).bind_tools([Paint], tool_choice="any").invoke("Paint it red.")
    assert answer.tool_calls and not answer.invalid_tool_calls and all(Paint.model_validate(c["args"]) for c in answer.tool_calls)


# --- llm ---


def llm(own, home, *argv):
    home.write("llm/extra-openai-models.yaml", json.dumps([{"model_id": "own", "model_name": own.model, "api_base": f"{own.url}/v1",
                                                            "api_key_name": "hostler", "supports_tools": True, "supports_schema": True}]))
    home.write("llm/keys.json", {"hostler": own.key})
    return home.run(sys.executable, "-m", "llm", "-m", "own", *argv, env={"LLM_USER_PATH": str(home.path / "llm")})


@pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
def test_llm_schema(own, home, how):
    schema = {**Answer.model_json_schema(), "additionalProperties": False}
    done = llm(own, home, *how, "--schema", json.dumps(schema), "Three green ones, surely.")
    assert done.returncode == 0 and Answer.model_validate_json(done.stdout), done.stdout + done.stderr


def test_llm_tool(own, home):
    """The model may call the tool or not."""
    done = llm(own, home, "-T", "llm_version", "-o", "max_tokens", "60", "--chain-limit", "2", "Which version is it?")
    assert done.returncode == 0 or "Chain limit" in done.stderr, done.stdout + done.stderr
