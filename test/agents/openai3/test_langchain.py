# SPDX-License-Identifier: Apache-2.0
"""LangChain's chat models and embeddings in all four dialects."""

import langchain.agents
import langchain_anthropic
import langchain_ollama
import langchain_openai
import pydantic
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from kinds import OWN

MAKERS = {
    "chat": lambda s, model: langchain_openai.ChatOpenAI(model=model, base_url=f"{s.url}/v1", api_key=s.key, max_retries=0, stream_usage=True),
    "responses": lambda s, model: langchain_openai.ChatOpenAI(model=model, base_url=f"{s.url}/v1", api_key=s.key, max_retries=0,
                                                              use_responses_api=True),
    "messages": lambda s, model: langchain_anthropic.ChatAnthropic(model=model, base_url=s.url, api_key=s.key, max_retries=0, max_tokens=500),
    "ollama": lambda s, model: langchain_ollama.ChatOllama(model=model, base_url=s.url,
                                                           client_kwargs={"headers": {"authorization": f"Bearer {s.key}"}}),
}


@pytest.fixture(params=MAKERS)
def make(request, stage):
    return lambda model: MAKERS[request.param](stage, model)


def test_chat(make, stage, kind):
    stage.script({"say": "Hi, you.", "usage": {"prompt_tokens": 20, "completion_tokens": 4}})
    answer = make(kind).invoke("hello")
    assert answer.text == "Hi, you."
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (20, 4)


def test_stream(make, stage, kind):
    stage.script({"say": "One two three.", "usage": {"prompt_tokens": 20, "completion_tokens": 4}})
    chunks = list(make(kind).stream("hello"))
    assert len([c for c in chunks if c.text]) > 1 and "".join(c.text for c in chunks) == "One two three."
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert (whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]) == (20, 4)


@tool
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


def test_an_agent(make, stage, kind):
    stage.script({"say": [{"call": {"id": "call_1", "name": "add", "arguments": {"a": 40, "b": 2}}},
                          {"call": {"id": "call_2", "name": "add", "arguments": {"a": 1, "b": 2}}}]}, "It is 42 and 3.")
    agent = langchain.agents.create_agent(make(kind), [add], system_prompt="Compute.")
    messages = agent.invoke({"messages": [HumanMessage("40 + 2, 1 + 2?")]})["messages"]
    assert messages[-1].text == "It is 42 and 3."
    assert "Compute." in stage.last() and '"42"' in stage.last() and '"3"' in stage.last()


def test_an_agent_streams(make, stage, kind):
    stage.script({"say": [{"call": {"id": "call_1", "name": "add", "arguments": {"a": 40, "b": 2}}}]}, "It is 42.")
    agent = langchain.agents.create_agent(make(kind), [add])
    texts = [m.text for m, _ in agent.stream({"messages": [HumanMessage("40 + 2?")]}, stream_mode="messages") if m.type == "AIMessageChunk"]
    assert "".join(texts) == "It is 42."


class Answer(pydantic.BaseModel):
    """An answer."""

    n: int


def test_structured_output(make, stage, kind):
    """By a tool where that is the dialect's way, else by a schema."""
    model = make(kind)
    if isinstance(model, langchain_anthropic.ChatAnthropic):
        stage.script({"say": [{"call": {"id": "call_1", "name": "Answer", "arguments": {"n": 2}}}]})
    else:
        stage.script('{"n": 2}')
    assert model.with_structured_output(Answer).invoke("One and one?") == Answer(n=2)


def test_errors(make, stage, kind):
    with pytest.raises(Exception) as caught:
        make("none").invoke("hello")
    assert getattr(caught.value, "status_code", None) == 404
    stage.script({"knobs": {"status": 429}})
    with pytest.raises(Exception) as caught:
        make(kind).invoke("hello")
    assert getattr(caught.value, "status_code", None) == 429


@pytest.mark.parametrize("how", [{"die_after": 2}, {"error_after": 2}])
def test_a_broken_stream(make, stage, kind, how):
    stage.script({"knobs": {"tokens": 5, **how}})
    with pytest.raises(Exception):
        list(make(kind).stream("hello"))


@pytest.mark.parametrize("kind", [k for k in OWN if "embeddings" in OWN[k]])
def test_embeddings(stage, kind):
    models = [langchain_openai.OpenAIEmbeddings(model=kind, base_url=f"{stage.url}/v1", api_key=stage.key, check_embedding_ctx_length=False),
              langchain_ollama.OllamaEmbeddings(model=kind, base_url=stage.url,
                                                client_kwargs={"headers": {"authorization": f"Bearer {stage.key}"}})]
    vectors = [model.embed_documents(["a", "b"]) for model in models]
    assert len(vectors[0][0]) == 8 and vectors[0][0] != vectors[0][1]
    assert vectors[0][0] == pytest.approx(vectors[1][0])


@pytest.mark.parametrize("kind", [k for k in OWN if "count" in OWN[k]])
def test_token_count(stage, kind):
    model = MAKERS["messages"](stage, kind)
    assert 0 < model.get_num_tokens_from_messages([HumanMessage("hello")]) < 1000
