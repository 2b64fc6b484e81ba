# SPDX-License-Identifier: Apache-2.0
"""Kinds that are found: runtimes are asked which product they are, and requests go as they like them."""

import pytest

from harness import HOSTLER, chat_body, config_of, until

MESSAGE = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}
# What a client of Anthropic's becomes at each.
PATHS = {
    "vllm": "/v1/messages",
    "sglang": "/v1/messages",
    "llama-server": "/v1/messages",
    "ollama": "/v1/messages",
    "anthropic": "/v1/messages",
    "tgi": "/v1/chat/completions",
    "trt-llm": "/v1/chat/completions",
    "mistral": "/v1/chat/completions",
    "openai": "/v1/chat/completions",
}


def auto(mock, **settings):
    return {"name": "m", "endpoints": [{"name": "e0", "url": mock.url, "kind": "auto", **settings}]}


def kinds_of(gate):
    return gate.get("/readyz").json()["models"][0].get("kinds")


def found(gate, kind):
    until(lambda: kinds_of(gate) == {"e0": kind}, f"the kind is {kind}")


def lines_of(gate):
    return [line for line in gate.log() if line["event"] == "endpoint_kind"]


@pytest.mark.parametrize("kind", PATHS)
def test_a_product_is_known_by_its_answers(start_gate, start_mock, kind):
    mock = start_mock("--kind", kind, "--record", 10)
    gate = start_gate([auto(mock)])
    found(gate, kind)
    assert mock.stats()["requests"] == 0  # nothing was computed
    assert gate.post("/v1/messages", MESSAGE).json()["content"][0]["text"]
    assert mock.requests()[-1]["target"] == PATHS[kind]
    assert gate.chat(max_tokens=2).json()["choices"][0]["message"]["content"]
    lines = until(lambda: lines_of(gate), "it is logged")
    assert [(line["model"], line["endpoint"], line["kind"]) for line in lines] == [("m", "e0", kind)]
    assert lines[0]["sign"] == ("none" if kind == "openai" else "/models")


def test_it_is_found_when_it_appears_and_anew_when_it_was_down(start_gate, start_mock):
    mock = start_mock("--kind", "vllm")
    address = f"127.0.0.1:{mock.address}"
    mock.stop()
    gate = start_gate([auto(mock)], health={"interval": "1s"})
    assert kinds_of(gate) == {"e0": None}
    mock = start_mock("--kind", "vllm", listen=address)
    found(gate, "vllm")
    mock.stop()
    until(lambda: gate.chat().status >= 500, "it is down")
    assert kinds_of(gate) == {"e0": "vllm"}
    start_mock("--kind", "ollama", listen=address)
    found(gate, "ollama")
    until(lambda: [line["kind"] for line in lines_of(gate)] == ["vllm", "ollama"], "both are logged")


def test_it_survives_a_reload(start_gate, start_mock):
    mock = start_mock("--kind", "sglang", "--record", 10)
    gate = start_gate([auto(mock)])
    found(gate, "sglang")
    listen = {"listen": f"127.0.0.1:{gate.address}"}
    gate.reload(config_of([auto(mock, capacity=3)], **listen))
    assert kinds_of(gate) == {"e0": "sglang"}
    gate.reload(config_of([auto(mock, dialects=["chat"])], **listen))
    assert kinds_of(gate) == {"e0": "sglang"}
    def translated():
        assert gate.post("/v1/messages", MESSAGE).status == 200
        return mock.requests()[-1]["target"] == "/v1/chat/completions"
    until(translated, "every thread knows the dialects")
    assert len(lines_of(gate)) == 1


def test_a_command_is_asked_when_it_runs(start_gate):
    command = [str(HOSTLER), "mock", "--kind", "llama-server", "--listen", "unix:${socket}"]
    gate = start_gate([{"name": "m", "engine": {"command": command, "kind": "auto"}}])
    assert kinds_of(gate) == {"engine": None}
    assert gate.chat(max_tokens=2).status == 200
    until(lambda: kinds_of(gate) == {"engine": "llama-server"}, "the kind is found")


def test_our_own_engine_tells_what_its_file_is_for(start_gate, processes):
    path = processes.folder / "m.fake"
    path.write_text("hostler fake model\n")
    gate = start_gate([{"name": "m", "engine": {"file": str(path)}}])
    before = gate.get("/v1/models/m").json()
    assert before["capabilities"] == ["completion", "tools", "embedding"] and "context_length" not in before
    assert gate.post("/v1/chat/completions", chat_body(max_tokens=2)).status == 200
    told = until(lambda: (m := gate.get("/v1/models/m").json()).get("context_length") and m, "the engine has told")
    assert told["capabilities"] == ["completion", "tools", "embedding"]
    assert told["modalities"] == {"input": ["text"], "output": ["text"]}
    assert "kinds" not in gate.get("/readyz").json()["models"][0] and not lines_of(gate)
