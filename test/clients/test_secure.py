# SPDX-License-Identifier: Apache-2.0
"""Clients that people have, over https and HTTP/2: curl, h2load, OpenAI's SDKs on httpx and on Node.js, and Node's own http2."""

import asyncio
import json
import os
import subprocess

import httpx
import openai
import pytest

from harness import ROOT, Processes, chat_body, clean_environment, model_of, until
from secure import Authority, secure_gate

MESSAGES = [{"role": "user", "content": "hello"}]
NODE = os.environ.get("HOSTLER_NODE", str(ROOT / "build/venv/bin/node"))
MODULES = os.environ.get("NODE_PATH", str(ROOT / "build/clients/node_modules"))


class Place:
    """A gateway with TLS before a mock, which it reaches by both HTTPs."""

    def __init__(self):
        self.processes = Processes()
        self.authority = Authority(self.processes.folder / "tls")
        self.mock = self.processes.mock("--record", 50)
        self.gate = secure_gate(self.processes, [model_of(self.mock), model_of(self.mock, name="h2", http2="on")], self.authority,
                                health={"failures": 1000})
        self.url = f"https://localhost:{self.gate.secure}"

    def aborted(self):
        until(lambda: self.mock.stats()["aborted"] == 1, "the runtime is told")


@pytest.fixture(scope="module")
def shared_place():
    place = Place()
    yield place
    place.processes.stop()


@pytest.fixture
def place(shared_place):
    shared_place.mock.reset()
    yield shared_place
    shared_place.gate.idle()


# --- curl ---

CURL = {"h2": ["--http2"], "h1": ["--http1.1"], "prior": ["--http2-prior-knowledge"]}


def curl(place, how, path, body=None, *options, timeout=30):
    plain = how == "prior"
    url = (place.gate.url if plain else place.url) + path
    data = ["--data-binary", "@-", "-H", "Content-Type: application/json"] if body is not None else []
    return subprocess.run(["curl", "-sS", "--cacert", place.authority.ca, *CURL[how], *data, *options, "-w", "\n%{http_version} %{http_code}", url],
                          input=json.dumps(body) if body is not None else None, capture_output=True, text=True, timeout=timeout,
                          env=clean_environment())


@pytest.mark.parametrize("how, version", [("h2", "2"), ("h1", "1.1"), ("prior", "2")])
def test_curl(place, how, version):
    chat = curl(place, how, "/v1/chat/completions", chat_body(max_tokens=3))
    body, _, told = chat.stdout.rpartition("\n")
    assert told == f"{version} 200" and json.loads(body)["choices"][0]["message"]["content"] == "t0 t1 t2 ", chat
    streamed = curl(place, how, "/v1/chat/completions", chat_body(max_tokens=3, stream=True), "-N").stdout
    assert streamed.count("data: ") >= 4 and "data: [DONE]" in streamed
    large = curl(place, how, "/v1/chat/completions", chat_body(messages=[{"role": "user", "content": "x " * 1_000_000}], mock={"echo": True},
                                                              max_tokens=2_000_000))
    assert json.loads(large.stdout.rpartition("\n")[0])["choices"][0]["message"]["content"] == "x " * 1_000_000
    missing = curl(place, how, "/v1/nothing", {})
    assert missing.stdout.endswith(f"{version} 404")


@pytest.mark.parametrize("how", CURL)
def test_curl_leaves(place, how):
    late = curl(place, how, "/v1/chat/completions", chat_body(mock={"ttft_ms": 60_000}), "--max-time", "0.5")
    assert late.returncode == 28
    place.aborted()


def test_curl_does_not_trust_strangers(place):
    done = subprocess.run(["curl", "-sS", f"{place.url}/livez"], capture_output=True, text=True, timeout=30, env=clean_environment())
    assert done.returncode == 60, done


# --- h2load ---


@pytest.mark.parametrize("secure", [True, False])
def test_h2load(place, secure, tmp_path):
    (tmp_path / "body").write_text(json.dumps(chat_body(model="h2", max_tokens=5, stream=True)))
    done = subprocess.run(["h2load", "-n", "2000", "-c", "8", "-m", "16", "-d", tmp_path / "body", "-H", "content-type: application/json",
                           f"{place.url if secure else place.gate.url}/v1/chat/completions"], capture_output=True, text=True, timeout=100)
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout


# --- OpenAI's SDK on httpx ---


@pytest.fixture(params=["h2", "h1", "plain"])
def client(place, request):
    url = place.gate.url if request.param == "plain" else place.url
    web = httpx.Client(http2=request.param == "h2", http1=request.param != "h2", verify=place.authority.client(["h2", "http/1.1"]), trust_env=False)
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", http_client=web, max_retries=2) as sdk:
        sdk.expected = "HTTP/2" if request.param == "h2" else "HTTP/1.1"
        yield sdk


def test_sdk_chat_and_stream(client):
    raw = client.chat.completions.with_raw_response.create(model="h2", messages=MESSAGES, max_tokens=3)
    assert raw.http_response.http_version == client.expected
    assert raw.parse().choices[0].message.content == "t0 t1 t2 "
    chunks = list(client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=50, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "".join(f"t{i} " for i in range(50))


def test_sdk_leaves_a_stream(place, client):
    stream = client.chat.completions.create(model="h2", messages=MESSAGES, stream=True, extra_body={"mock": {"rate": 50, "tokens": 5000}})
    next(iter(stream))
    stream.close()
    if client.expected == "HTTP/2":
        client.close()  # httpx only forgets the stream; who leaves must close the connection
    place.aborted()


def test_sdk_tries_again(place, client):
    answer = client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=1, extra_body={"mock": {"fail_first": 2, "id": "r", "status": 409}})
    assert answer.choices[0].message.content == "t0 " and place.mock.stats()["errors"] == 2


def test_sdk_large_bodies(client):
    text = "x " * 500_000
    answer = client.chat.completions.create(model="h2", messages=[{"role": "user", "content": text}], max_tokens=1_000_000,
                                            extra_body={"mock": {"echo": True}})
    assert answer.choices[0].message.content == text


def test_sdk_errors(client):
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="nobody", messages=MESSAGES)
    assert error.value.code == "model_not_found"
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="h2", messages=MESSAGES, stream=True, extra_body={"mock": {"die_after": 3, "rate": 100}}))


def test_sdk_many_at_once(place):
    """Forty streams share one connection."""
    async def ask(sdk, number):
        stream = await sdk.chat.completions.create(model="h2", messages=[{"role": "user", "content": f"this is {number}"}], stream=True,
                                                   max_tokens=50, extra_body={"mock": {"echo": True, "rate": 50}})
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def ask_all():
        web = httpx.AsyncClient(http2=True, http1=False, verify=place.authority.client(["h2"]), trust_env=False,
                                limits=httpx.Limits(max_connections=1))
        async with openai.AsyncOpenAI(base_url=f"{place.url}/v1", api_key="none", http_client=web) as sdk:
            return await asyncio.gather(*(ask(sdk, i) for i in range(40)))
    assert asyncio.run(ask_all()) == [f"this is {i}" for i in range(40)]


# --- Node.js ---

NODE_HTTP2 = """
import http2 from 'node:http2';
import fs from 'node:fs';
const [url, ca] = process.argv.slice(2);
const session = http2.connect(url, ca ? { ca: fs.readFileSync(ca) } : {});
function ask(body, leaveAfter) {
  return new Promise((resolve, reject) => {
    const request = session.request({ ':method': 'POST', ':path': '/v1/chat/completions', 'content-type': 'application/json' });
    let status, text = '';
    request.setEncoding('utf8');
    request.on('response', (headers) => { status = headers[':status']; });
    request.on('data', (piece) => { text += piece; if (leaveAfter) request.close(http2.constants.NGHTTP2_CANCEL); });
    request.on('error', reject);
    request.on('close', () => resolve({ status, text }));
    request.end(JSON.stringify({ model: 'h2', messages: [{ role: 'user', content: 'hello' }], ...body }));
  });
}
const chat = await ask({ max_tokens: 3 });
const streams = await Promise.all([...Array(50)].map((_, i) => ask({ stream: true, max_tokens: 20 + i })));
const large = 'x '.repeat(500000);
const echoed = await ask({ messages: [{ role: 'user', content: large }], max_tokens: 1000000, mock: { echo: true } });
const left = await ask({ stream: true, mock: { rate: 100, tokens: 5000 } }, true);
const refused = await ask({ model: 'nobody' });
session.close();
console.log(JSON.stringify({
  chat: JSON.parse(chat.text).choices[0].message.content,
  whole: streams.filter((s) => s.status === 200 && s.text.trimEnd().endsWith('[DONE]')).length,
  large: JSON.parse(echoed.text).choices[0].message.content === large,
  left: left.status, refused: refused.status }));
"""


def node(tmp_path, code, *argv, **environment):
    script = tmp_path / "script.mjs"
    script.write_text(code)
    done = subprocess.run([NODE, script, *map(str, argv)], capture_output=True, text=True, timeout=60,
                          env={**clean_environment(), "NODE_PATH": MODULES, **environment})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("secure", [True, False])
def test_node_http2(place, tmp_path, secure):
    argv = (place.url, place.authority.ca) if secure else (place.gate.url,)
    assert node(tmp_path, NODE_HTTP2, *argv) == {"chat": "t0 t1 t2 ", "whole": 50, "large": True, "left": 200, "refused": 404}
    place.aborted()


NODE_SDK = """
import { createRequire } from 'node:module';
import path from 'node:path';
const OpenAI = createRequire(path.join(process.env.NODE_PATH, 'package.json'))('openai');
const client = new OpenAI({ baseURL: process.argv[2] + '/v1', apiKey: 'none', maxRetries: 0 });
let text = '';
for await (const chunk of await client.chat.completions.create({ model: 'h2', messages: [{ role: 'user', content: 'hello' }], max_tokens: 5, stream: true }))
  text += chunk.choices[0]?.delta?.content ?? '';
console.log(JSON.stringify({ text }));
"""


def test_node_sdk_over_https(place, tmp_path):
    assert node(tmp_path, NODE_SDK, place.url, NODE_EXTRA_CA_CERTS=str(place.authority.ca)) == {"text": "t0 t1 t2 t3 t4 "}
