# SPDX-License-Identifier: Apache-2.0
"""Libraries on our own engine: whatever a small model says, an answer of a type has it, and a call of a tool fits the tool."""

import typing

import instructor
import openai
import pydantic
import pytest
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from haystack.utils import Secret
from llama_index.core.llms import ChatMessage as LlamaMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from smolagents import OpenAIModel, ToolCallingAgent, tool

Colour = typing.Literal["red", "green", "blue"]


class Answer(pydantic.BaseModel):
    """A colour, and how many."""
    colour: Colour
    n: int = pydantic.Field(ge=0, le=1000)
    sure: bool


PAINT = {"type": "object", "properties": {"colour": {"enum": ["red", "green", "blue"]}, "coats": {"type": "integer", "minimum": 1, "maximum": 3}},
         "required": ["colour", "coats"], "additionalProperties": False}


def fits_paint(arguments):
    return set(arguments) == {"colour", "coats"} and arguments["colour"] in typing.get_args(Colour) and 1 <= arguments["coats"] <= 3


# --- instructor ---


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA], ids=lambda m: m.name)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_instructor(own, mode, stream):
    client = instructor.from_openai(openai.OpenAI(base_url=f"{own.url}/v1", api_key=own.key, max_retries=0), mode=mode)
    ask = {"model": own.model, "messages": [{"role": "user", "content": "Three green ones, surely."}], "response_model": Answer}
    answer = list(client.chat.completions.create_partial(**ask))[-1] if stream else client.chat.completions.create(**ask, max_retries=0)
    assert Answer.model_validate(answer.model_dump())


# --- LlamaIndex ---


def llama(own):
    return OpenAILike(model=own.model, api_base=f"{own.url}/v1", api_key=own.key, is_chat_model=True, is_function_calling_model=True,
                      should_use_structured_outputs=True, max_retries=0, timeout=120)


def test_llama_index_of_a_type(own):
    answer = llama(own).as_structured_llm(Answer).chat([LlamaMessage(role="user", content="Three green ones, surely.")])
    assert isinstance(answer.raw, Answer)


def test_llama_index_tool(own):
    def paint(colour: Colour, coats: int) -> str:
        """Paints the house."""
        return f"{colour} {coats}"
    model = llama(own)
    answer = model.chat_with_tools([FunctionTool.from_defaults(paint)], user_msg="Paint it red, with 2 coats.", tool_required=True)
    (call, *_) = model.get_tool_calls_from_response(answer)
    assert call.tool_name == "paint" and call.tool_kwargs["colour"] in typing.get_args(Colour)
    assert isinstance(call.tool_kwargs["coats"], int)


# --- Haystack ---


def haystack(own, **options):
    return OpenAIChatGenerator(api_key=Secret.from_token(own.key), model=own.model, api_base_url=f"{own.url}/v1", max_retries=0, **options)


def test_haystack_of_a_type(own):
    reply = haystack(own, generation_kwargs={"response_format": Answer}).run([ChatMessage.from_user("Three green ones, surely.")])
    assert Answer.model_validate_json(reply["replies"][0].text)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_haystack_tool(own, stream):
    paint = Tool(name="paint", description="Paints the house.", parameters=PAINT, function=lambda colour, coats: f"{colour} {coats}")
    options = {"streaming_callback": lambda chunk: None} if stream else {}
    reply = haystack(own, tools=[paint], generation_kwargs={"tool_choice": "required"}, **options).run([ChatMessage.from_user("Paint it red.")])
    (call, *_) = reply["replies"][0].tool_calls
    assert call.tool_name == "paint" and fits_paint(call.arguments)
    assert reply["replies"][0].meta["finish_reason"] == "tool_calls"


# --- smolagents ---


def test_smolagents(own):
    """Each step is a call, until the model calls for the end or has had all its steps."""
    called = []

    @tool
    def paint(colour: str, coats: int) -> str:
        """Paints the house.

        Args:
            colour: which one
            coats: how many
        """
        called.append((colour, coats))
        return "painted"

    agent = ToolCallingAgent(tools=[paint], model=OpenAIModel(model_id=own.model, api_base=f"{own.url}/v1", api_key=own.key, max_tokens=200),
                             max_steps=2, verbosity_level=0)
    agent.run("Paint the house red.")
    calls = [call for step in agent.memory.steps for call in getattr(step, "tool_calls", None) or []]
    assert calls and all(call.name in ("paint", "final_answer") for call in calls)
