# SPDX-License-Identifier: Apache-2.0
"""The official Python SDK of Ollama against the gateway: what is its own, beside what all have (test_dialects.py)."""

import asyncio
import json

import ollama
import pytest

from harness import CLIENT_KEY as KEY
from harness import until

MESSAGES = [{"role": "user", "content": "hello"}]


def client_of(gate, key=KEY):
    return ollama.Client(host=gate.url, headers={"authorization": f"Bearer {key}"}, trust_env=False)


@pytest.fixture
def client(locked):
    with client_of(locked) as client:
        yield client


def refused(status, ask):
    with pytest.raises(ollama.ResponseError) as caught:
        ask()
    assert caught.value.status_code == status and caught.value.error and isinstance(caught.value.error, str)
    return caught.value.error


def test_models(client):
    listed = client.list().models
    assert [m.model for m in listed] == ["m", "org/nick:1", "other"]
    assert all(m.digest is not None and m.details for m in listed)
    shown = client.show("m")
    assert shown.capabilities and shown.details and shown.modelinfo is not None
    assert isinstance(client.ps().models, list)
    assert "none" in refused(404, lambda: client.show("none"))


def test_version(locked):
    answer = locked.get("/api/version", headers=locked.headers)
    assert answer.status == 200 and answer.json()["version"][0].isdigit()


def test_errors(client, locked):
    assert "none" in refused(404, lambda: client.chat("none", MESSAGES))
    assert "none" in refused(404, lambda: list(client.chat("none", MESSAGES, stream=True)))
    refused(401, lambda: client_of(locked, "sk-wrong-0123456").chat("m", MESSAGES))
    refused(403, lambda: client_of(locked, "sk-few-0123456789").chat("other", MESSAGES))
    refused(400, lambda: client.chat("m", [{"role": "user", "content": "x", "images": ["no base64"]}]))


def test_what_only_ollama_does_is_refused(client):
    for ask in (lambda: client.pull("none"), lambda: client.delete("m"), lambda: client.copy("m", "n"), lambda: client.push("m"),
                lambda: client.create("n", from_="m")):
        with pytest.raises(ollama.ResponseError) as caught:
            ask()
        assert 400 <= caught.value.status_code < 502


def test_generate(client, mock):
    mock.script({"say": "One two.", "usage": {"prompt_tokens": 20, "completion_tokens": 4}, "times": 2})
    answer = client.generate("m", "Count.", system="Be short.", options={"temperature": 0.5, "num_predict": 50, "seed": 7})
    assert (answer.response, answer.done, answer.done_reason, answer.model) == ("One two.", True, "stop", "m")
    assert (answer.prompt_eval_count, answer.eval_count) == (20, 4)
    body = json.loads(mock.requests()[-1]["body"])
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert (body["temperature"], body["max_tokens"], body["seed"]) == (0.5, 50, 7)
    parts = list(client.generate("m", "Count.", stream=True))
    assert "".join(p.response for p in parts) == "One two." and [p.done for p in parts].count(True) == 1 and parts[-1].done


def test_generate_thinks(client, mock):
    mock.script({"say": [{"reasoning": "Hm. "}, "Two."], "times": 2})
    answer = client.generate("m", "One and one?", think=True)
    assert (answer.thinking, answer.response) == ("Hm. ", "Two.")
    parts = list(client.generate("m", "One and one?", think=True, stream=True))
    assert "".join(p.thinking or "" for p in parts) == "Hm. " and "".join(p.response or "" for p in parts) == "Two."


def test_generate_raw(client, mock):
    """Without a template: the runtime's completions."""
    answer = client.generate("m", "Once upon", raw=True, options={"num_predict": 3})
    assert answer.response == "t0 t1 t2 " and answer.done_reason == "length"
    assert mock.requests()[-1]["target"] == "/v1/completions"
    assert "".join(p.response for p in client.generate("m", "x", raw=True, stream=True, options={"num_predict": 2})) == "t0 t1 "


def test_embeddings(client):
    two = client.embed("m", ["a", "b"])
    assert len(two.embeddings) == 2 and len(two.embeddings[0]) == 8 and two.model == "m" and two.prompt_eval_count
    assert list(client.embed("m", "a").embeddings[0]) == pytest.approx(list(two.embeddings[0]))
    assert list(client.embeddings("m", "a").embedding) == pytest.approx(list(two.embeddings[0]))  # the older call


def test_loading_a_model(client):
    """An empty request loads a model; here it is always there."""
    answer = client.chat("m", [])
    assert answer.done and answer.done_reason == "load"
    answer = client.generate("m", "", keep_alive=0)
    assert answer.done and answer.done_reason in ("load", "unload")


def test_options(client, mock):
    options = {"num_predict": 5, "temperature": 0.1, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "seed": 3, "stop": ["END"],
               "repeat_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": 0.3, "num_ctx": 8192, "num_gpu": 1, "mirostat": 0}
    assert client.chat("m", MESSAGES, options=options, keep_alive="5m").message.content
    body = json.loads(mock.requests()[-1]["body"])
    assert body["stop"] in (["END"], "END") and body["top_k"] == 40 and body["min_p"] == 0.05 and body["top_p"] == 0.9
    assert body["presence_penalty"] == 0.2 and body["frequency_penalty"] == 0.3
    assert "keep_alive" not in body and "options" not in body


def test_json(client, mock):
    mock.script({"say": '{"n": 1}', "times": 2})
    assert json.loads(client.chat("m", MESSAGES, format="json").message.content) == {"n": 1}
    assert json.loads(mock.requests()[-1]["body"])["response_format"] == {"type": "json_object"}


def test_functions_as_tools(client, mock):
    """The SDK makes a schema of a function; a result without an id belongs to the call by its name."""
    def add(a: int, b: int) -> int:
        """Adds.

        Args:
          a: one
          b: another
        """
        return a + b
    mock.script({"say": [{"call": {"id": "call_1", "name": "add", "arguments": {"a": 40, "b": 2}}},
                         {"call": {"id": "call_2", "name": "add", "arguments": {"a": 1, "b": 2}}}]}, "42 and 3.")
    history = list(MESSAGES)
    answer = client.chat("m", history, tools=[add])
    history.append(answer.message)
    for call in answer.message.tool_calls:
        history.append({"role": "tool", "tool_name": call.function.name, "content": str(add(**call.function.arguments))})
    assert client.chat("m", history, tools=[add]).message.content == "42 and 3."
    messages = json.loads(mock.requests()[-1]["body"])["messages"]
    ids = [c["id"] for c in messages[1]["tool_calls"]]
    assert len(set(ids)) == 2 and [(m["tool_call_id"], m["content"]) for m in messages[2:]] == [(ids[0], "42"), (ids[1], "3")]


def test_many_at_once(locked, mock):
    mock.knobs(echo=True)

    async def one(client, i):
        messages = [{"role": "user", "content": f"number {i}"}]
        if i % 2:
            return (await client.chat("m", messages)).message.content
        return "".join([p.message.content async for p in await client.chat("m", messages, stream=True)])

    async def all_of_them():
        client = ollama.AsyncClient(host=locked.url, headers={"authorization": f"Bearer {KEY}"}, trust_env=False)
        return await asyncio.gather(*(one(client, i) for i in range(40)))
    assert asyncio.run(all_of_them()) == [f"number {i}" for i in range(40)]
    locked.idle()


def test_leaving_while_it_waits(locked, mock):
    async def leave():
        client = ollama.AsyncClient(host=locked.url, headers={"authorization": f"Bearer {KEY}"}, trust_env=False)
        task = asyncio.create_task(client.chat("m", MESSAGES))
        while mock.stats()["active"] == 0:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    mock.knobs(ttft_ms=60_000)
    asyncio.run(asyncio.wait_for(leave(), 20))
    until(lambda: mock.stats()["aborted"] == 1, "the runtime sees it")
    locked.idle()
