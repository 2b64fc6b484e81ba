# SPDX-License-Identifier: Apache-2.0
"""LlamaIndex: OpenAI-like servers, OpenAI's Responses, Anthropic and Ollama."""

import asyncio

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai import OpenAIResponses
from llama_index.llms.openai_like import OpenAILike
from ollama import AsyncClient, Client

from kinds import OWN


def ollama_of(stage, model):
    headers = {"authorization": f"Bearer {stage.key}"}
    return Ollama(model=model, base_url=stage.url, client=Client(host=stage.url, headers=headers),
                  async_client=AsyncClient(host=stage.url, headers=headers), context_window=8000, request_timeout=20)


MAKERS = {
    "chat": lambda s, m: OpenAILike(model=m, api_base=f"{s.url}/v1", api_key=s.key, is_chat_model=True, is_function_calling_model=True,
                                    context_window=8000, max_retries=0),
    "responses": lambda s, m: ResponsesOfAnyModel(model=m, api_base=f"{s.url}/v1", api_key=s.key, max_retries=0),
    "messages": lambda s, m: AnthropicOfAnyModel(model=m, base_url=s.url, api_key=s.key, max_tokens=500, max_retries=0),
    "ollama": ollama_of,
}


class ResponsesOfAnyModel(OpenAIResponses):
    """It knows the models of OpenAI only."""

    @property
    def metadata(self):
        return OpenAILike(model=self.model, is_chat_model=True, is_function_calling_model=True, context_window=8000).metadata


class AnthropicOfAnyModel(Anthropic):
    """It knows the models of Anthropic only."""

    @property
    def metadata(self):
        return OpenAILike(model=self.model, is_chat_model=True, is_function_calling_model=True, context_window=8000).metadata


@pytest.fixture(params=MAKERS)
def make(request, stage):
    return lambda model: MAKERS[request.param](stage, model)


HELLO = [ChatMessage(role="system", content="Be short."), ChatMessage(role="user", content="hello")]


def test_chat(make, stage, kind):
    stage.script("Hi, you.")
    assert make(kind).chat(HELLO).message.content == "Hi, you."
    assert "Be short." in stage.last()


def test_stream(make, stage, kind):
    stage.script("One two three.")
    pieces = [part.delta for part in make(kind).stream_chat(HELLO) if part.delta]
    assert len(pieces) > 1 and "".join(pieces) == "One two three."


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


def test_an_agent(make, stage, kind):
    stage.script({"say": [{"call": {"id": "call_1", "name": "add", "arguments": {"a": 40, "b": 2}}},
                          {"call": {"id": "call_2", "name": "add", "arguments": {"a": 1, "b": 2}}}]}, "It is 42 and 3.")

    async def run():
        return await FunctionAgent(tools=[add], llm=make(kind), system_prompt="Compute.").run("40 + 2, 1 + 2?")
    assert str(asyncio.run(run())) == "It is 42 and 3."
    assert "42" in stage.last() and "Compute." in stage.last()


def test_errors(make, stage, kind):
    with pytest.raises(Exception) as caught:
        make("none").chat(HELLO)
    assert getattr(caught.value, "status_code", None) == 404


@pytest.mark.parametrize("kind", [k for k in OWN if "embeddings" in OWN[k]])
def test_embeddings(stage, kind):
    model = OpenAILikeEmbedding(model_name=kind, api_base=f"{stage.url}/v1", api_key=stage.key, max_retries=0)
    a, b = model.get_text_embedding_batch(["a", "b"])
    assert len(a) == 8 and a != b
