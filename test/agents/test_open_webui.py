# SPDX-License-Identifier: Apache-2.0
"""Open WebUI's server, without a browser, with the gateway as its Ollama and as its OpenAI connection."""

import json
import pathlib
import shutil
import tempfile

import pytest

from harness import Program, free_port, until
from kinds import OWN
from stage import AGENTS, needs

pytestmark = needs("open-webui")
OFFLINE = {"OFFLINE_MODE": "true", "HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "false", "DO_NOT_TRACK": "1",
           "ENABLE_VERSION_UPDATE_CHECK": "false", "RAG_EMBEDDING_MODEL_AUTO_UPDATE": "false", "WEBUI_AUTH": "False",
           "WEBUI_SECRET_KEY": "x"}
CONNECTIONS = {
    "ollama": lambda s: {"ENABLE_OPENAI_API": "false", "ENABLE_OLLAMA_API": "true", "OLLAMA_BASE_URLS": s.url,
                         "OLLAMA_API_CONFIGS": json.dumps({"0": {"enable": True, "key": s.key}})},
    "openai": lambda s: {"ENABLE_OLLAMA_API": "false", "ENABLE_OPENAI_API": "true", "OPENAI_API_BASE_URLS": f"{s.url}/v1",
                         "OPENAI_API_KEYS": s.key},
}


class WebUI(Program):
    """The server, and what its pages ask of it."""

    def __init__(self, folder, environment):
        self.address = free_port()
        self.token = None
        super().__init__([AGENTS / "open-webui/bin/open-webui", "serve", "--host", "127.0.0.1", "--port", self.address], folder,
                         "open-webui", {"HOME": str(folder), "DATA_DIR": str(folder / "data"), **OFFLINE, **environment})
        self.expected = {0, -15}

    def ready(self):
        until(self.alive, "Open WebUI starts", 150)
        self.token = self.call("/api/v1/auths/signin", {"email": "", "password": ""}).json()["token"]
        return self

    def alive(self):
        assert self.running(), self.errors()[-3000:] + self.output()[-3000:]
        try:
            return self.get("/health").status == 200
        except OSError:
            return False

    def call(self, path, body=None):
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {self.token}"} if self.token else {})}
        return self.post(path, body, headers) if body is not None else self.get(path, headers=headers)


@pytest.fixture(scope="module", params=CONNECTIONS)
def webui(request, house):
    """The server, with all kinds of runtimes behind one connection."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hostler-webui-"))
    server = WebUI(folder, CONNECTIONS[request.param](house))
    try:
        yield server.ready()
        server.stop()
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def over(request):
    """Which connection it is."""
    return request.node.callspec.params["webui"]


def ask(kind, stream, **more):
    return {"model": kind, "stream": stream, "messages": [{"role": "user", "content": "hello"}], **more}


@pytest.mark.parametrize("kind", ["openai"])
def test_the_models(webui, stage):
    assert {m["id"] for m in webui.call("/api/models").json()["data"]} == set(OWN)


def test_a_page_of_chat(webui, stage, kind):
    """What the page asks: always OpenAI's dialect, which the server translates for Ollama."""
    webui.call("/api/models")
    stage.script("One two three.")
    answer = webui.call("/api/chat/completions", ask(kind, True))
    pieces = [json.loads(e) for e in answer.events() if e != "[DONE]"]
    text = "".join(c["delta"].get("content") or "" for p in pieces for c in p.get("choices", []))
    assert answer.status == 200 and text == "One two three.", answer.body
    stage.script("Hi, you.")
    assert webui.call("/api/chat/completions", ask(kind, False)).json()["choices"][0]["message"]["content"] == "Hi, you."


def test_tools(webui, stage, kind):
    tool = {"type": "function", "function": {"name": "add", "description": "adds", "parameters": {
        "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}}}
    webui.call("/api/models")
    stage.script({"say": [{"call": {"id": "call_1", "name": "add", "arguments": {"a": 40, "b": 2}}}]})
    message = webui.call("/api/chat/completions", ask(kind, False, tools=[tool])).json()["choices"][0]["message"]
    called = message["tool_calls"][0]["function"]
    assert called["name"] == "add" and json.loads(called["arguments"]) == {"a": 40, "b": 2}


def test_its_proxy(webui, stage, kind, over):
    """Programs that use it as their server."""
    webui.call("/api/models")
    stage.script("Hi, you.", "One two three.")
    if over == "openai":
        assert webui.call("/openai/chat/completions", ask(kind, False)).json()["choices"][0]["message"]["content"] == "Hi, you."
        return
    assert webui.call("/ollama/api/chat", ask(kind, False)).json()["message"]["content"] == "Hi, you."
    lines = [json.loads(line) for line in webui.call("/ollama/api/chat", ask(kind, True)).body.splitlines()]
    assert "".join(line["message"]["content"] for line in lines) == "One two three." and lines[-1]["done"]
    if "embeddings" in OWN[kind]:
        assert len(webui.call("/ollama/api/embed", {"model": kind, "input": ["a"]}).json()["embeddings"][0]) == 8


def test_errors(webui, stage, kind):
    webui.call("/api/models")
    stage.script({"knobs": {"status": 400}})
    answer = webui.call("/api/chat/completions", ask(kind, False))
    assert answer.status == 400 and {"detail", "error"} & set(answer.json())
