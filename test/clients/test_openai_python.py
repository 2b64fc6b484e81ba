# SPDX-License-Identifier: Apache-2.0
"""The official Python SDK against the gateway."""

import asyncio
import base64
import struct
import time

import httpx
import openai
import pytest

from harness import CLIENT_KEY as KEY
from harness import model_of, until

MESSAGES = [{"role": "user", "content": "hello"}]


def client_of(gate, key=KEY, **options):
    options.setdefault("max_retries", 0)
    return openai.OpenAI(base_url=f"{gate.url}/v1", api_key=key, http_client=httpx.Client(trust_env=False), **options)


@pytest.fixture
def client(locked):
    with client_of(locked) as client:
        yield client


def knobs(**values):
    return {"extra_body": {"mock": values}}


# --- answers ---


def test_chat(client, mock):
    answer = client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=3, temperature=0.5, user="someone")
    assert answer.choices[0].message.content == "t0 t1 t2 "
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3
    assert answer._request_id.startswith("req_")
    headers = {k.lower() for k, _ in mock.requests()[0]["headers"]}
    assert "x-stainless-lang" in headers and "authorization" not in headers


def test_chat_by_alias(client):
    assert client.chat.completions.create(model="org/nick:1", messages=MESSAGES).model == "m"


def test_stream(client):
    chunks = list(client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=5, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "t0 t1 t2 t3 t4 "
    assert chunks[-1].choices[0].finish_reason == "length"
    assert all(c.choices for c in chunks)


def test_stream_with_usage(client):
    chunks = list(client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=5, stream=True,
                                                 stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens == 5 and not chunks[-1].choices
    assert all(c.usage is None for c in chunks[:-1])


def test_usage_of_a_runtime_that_must_not_be_asked(processes, start_mock):
    """Mistral refuses `stream_options` and always tells."""
    gate = processes.gate([model_of(start_mock("--kind", "mistral"), kind="mistral")])
    with client_of(gate) as client:
        for options in ({"stream_options": {"include_usage": True}}, {}):
            chunks = list(client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=5, stream=True, **options))
            assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "t0 t1 t2 t3 t4 "
            assert bool(chunks[-1].usage) == bool(options)


def test_stream_helper(client):
    with client.chat.completions.stream(model="m", messages=MESSAGES, **knobs(tokens=4)) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == "t0 t1 t2 t3 "


def test_completions(client):
    assert client.completions.create(model="m", prompt="x", max_tokens=2).choices[0].text == "t0 t1 "
    assert "".join(c.choices[0].text for c in client.completions.create(model="m", prompt="x", max_tokens=2, stream=True)) == "t0 t1 "


def test_embeddings(client, mock):
    """The SDK asks for base64 by itself and decodes it."""
    by_default = client.embeddings.create(model="m", input=["a", "b"])
    assert '"encoding_format":"base64"' in mock.requests()[-1]["body"]
    as_float = client.embeddings.create(model="m", input=["a", "b"], encoding_format="float")
    as_base64 = client.embeddings.create(model="m", input=["a", "b"], encoding_format="base64")
    for one, two, three in zip(by_default.data, as_float.data, as_base64.data):
        assert len(one.embedding) == 8
        assert one.embedding == pytest.approx(two.embedding, abs=1e-6)
        raw = base64.b64decode(three.embedding)
        assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == pytest.approx(two.embedding, abs=1e-6)


def test_models(client):
    assert [m.id for m in client.models.list()] == ["m", "org/nick:1", "other"]
    assert client.models.retrieve("org/nick:1").id == "org/nick:1"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")


def test_raw_response_and_headers(client):
    raw = client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES, extra_headers={"X-Request-Id": "mine-1"})
    assert raw.headers["x-request-id"] == "mine-1"
    assert raw.parse().choices


# --- errors ---


def raised(kind, status, ask, code=None):
    with pytest.raises(kind) as caught:
        ask()
    error = caught.value
    assert type(error) is kind and error.status_code == status
    assert error.request_id and error.body["message"] and error.body["message"] in str(error)
    if code:
        assert error.code == code
    return error


def test_errors_have_their_classes(client, locked):
    def chat(**fields):
        return lambda: client.chat.completions.create(**{"model": "m", "messages": MESSAGES, **fields})
    assert raised(openai.NotFoundError, 404, chat(model="none"), "model_not_found").param == "model"
    raised(openai.BadRequestError, 400, chat(extra_body={"stream": "yes"}))
    raised(openai.AuthenticationError, 401, lambda: client_of(locked, "sk-wrong-0123456").models.list(), "invalid_api_key")
    few = client_of(locked, "sk-few-0123456789")
    raised(openai.PermissionDeniedError, 403, lambda: few.chat.completions.create(model="other", messages=MESSAGES), "model_not_allowed")
    for status, kind in ((400, openai.BadRequestError), (409, openai.ConflictError), (422, openai.UnprocessableEntityError),
                         (429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.InternalServerError)):
        with pytest.raises(kind) as caught:
            chat(extra_body={"mock": {"status": status}})()
        assert caught.value.status_code == status and caught.value.request_id


def test_an_error_within_a_stream(client):
    for how in ({"die_after": 2}, {"die_after": 2, "die": "rst"}, {"error_after": 2}, {"no_done": True}):
        text = ""
        with pytest.raises(openai.APIError):
            for chunk in client.chat.completions.create(model="m", messages=MESSAGES, stream=True, **knobs(**how)):
                text += chunk.choices[0].delta.content or ""
        assert text.startswith("t0 t1 ")


def test_connection_refused(locked):
    with client_of(locked) as client:
        locked.stop()
        with pytest.raises(openai.APIConnectionError):
            client.models.list()


# --- retries ---


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_sdk_retries(processes, mock, status):
    gate = processes.gate(mock, health={"failures": 1000})
    mock.knobs(status=status, fail_first=2)
    client = client_of(gate, max_retries=2, default_headers={"x-request-id": "again"})
    assert client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=1).choices[0].message.content == "t0 "
    assert mock.stats()["requests"] == 3


def test_retry_after_reaches_the_sdk(processes, mock):
    gate = processes.gate(model_of(mock) | {"policy": "round_robin"})
    mock.knobs(status=429, fail_first=1, retry_after=1)
    began = time.monotonic()
    client = client_of(gate, max_retries=3, default_headers={"x-request-id": "later"})
    client.chat.completions.create(model="m", messages=MESSAGES)
    assert 0.9 < time.monotonic() - began < 8


def test_the_gateway_retries_for_the_sdk(processes, mock, start_mock):
    bad = start_mock("--status", 500)
    gate = processes.gate([model_of(bad, mock, policy="round_robin")], retry={"budget_min": 100})
    client = client_of(gate)
    for _ in range(4):
        assert client.chat.completions.create(model="m", messages=MESSAGES).choices


# --- leaving and waiting ---


def test_leaving_a_stream_tells_the_runtime(client, mock, locked):
    stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True, **knobs(stall_after=2))
    next(iter(stream))
    left = time.monotonic_ns() // 1000
    stream.close()
    abort = until(lambda: mock.stats()["aborts"], "the runtime sees it")[0]
    assert abort["phase"] == "streaming" and abort["at_us"] - left < 250_000
    locked.idle()


def test_the_sdks_timeout(client, mock, locked):
    untold = {"x-stainless-read-timeout": "0"}  # or the gateway would end it at the same moment
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.3).chat.completions.create(model="m", messages=MESSAGES, extra_headers=untold,
                                                                 **knobs(ttft_ms=60_000))
    until(lambda: mock.stats()["aborted"] == 1, "the runtime sees it")
    locked.idle()


def test_the_gateways_timeout(processes, mock):
    gate = processes.gate(mock, timeouts={"first_byte": "200ms"})
    with pytest.raises(openai.InternalServerError) as caught:
        client_of(gate).chat.completions.create(model="m", messages=MESSAGES, **knobs(ttft_ms=60_000))
    assert caught.value.status_code == 504 and caught.value.code == "upstream_timeout"


# --- asynchronous ---


def async_client_of(gate):
    return openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key=KEY, max_retries=0, http_client=httpx.AsyncClient(trust_env=False))


def test_async_many_at_once(locked, mock):
    async def one(client, i):
        messages = [{"role": "user", "content": f"number {i}"}]
        if i % 2:
            answer = await client.chat.completions.create(model="m", messages=messages, **knobs(echo=True))
            return answer.choices[0].message.content
        stream = await client.chat.completions.create(model="m", messages=messages, stream=True, **knobs(echo=True))
        return "".join([c.choices[0].delta.content or "" async for c in stream])

    async def all_of_them():
        async with async_client_of(locked) as client:
            return await asyncio.gather(*(one(client, i) for i in range(40)))
    assert asyncio.run(all_of_them()) == [f"number {i}" for i in range(40)]
    locked.idle()


def test_async_cancel(locked, mock):
    async def leave():
        async with async_client_of(locked) as client:
            for stream in (True, False):
                task = asyncio.create_task(client.chat.completions.create(model="m", messages=MESSAGES, stream=stream,
                                                                          **knobs(ttft_ms=60_000)))
                while mock.stats()["active"] == 0:
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                while mock.stats()["active"]:
                    await asyncio.sleep(0.01)
    asyncio.run(asyncio.wait_for(leave(), 20))
    assert mock.stats()["aborted"] == 2
    locked.idle()
