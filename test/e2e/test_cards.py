# SPDX-License-Identifier: Apache-2.0
"""What lists of models tell of them, to clients of every dialect."""

import json
import urllib.parse

import pytest

from harness import config_of, model_of, run_cli, until

CLAUDE = {"anthropic-version": "2023-06-01"}
CARD = {"context_length": "32k", "capabilities": ["completion", "tools", "thinking"], "input": ["text", "image"], "output": ["text"]}


@pytest.fixture
def cards(start_gate, mock):
    return start_gate([model_of(mock, name="told", card=CARD), model_of(mock, name="plain")])


def test_openai_clients_are_told(cards):
    told, plain = cards.get("/v1/models").json()["data"]
    assert told["context_length"] == 32768
    assert told["capabilities"] == ["completion", "tools", "vision", "thinking"]
    assert told["modalities"] == {"input": ["text", "image"], "output": ["text"]}
    assert plain["capabilities"] == ["completion"] and not {"context_length", "modalities"} & plain.keys()
    assert cards.get("/v1/models/told").json() == told


def test_ollama_clients_are_told(cards):
    shown = cards.post("/api/show", {"model": "told:latest"}).json()
    assert shown["capabilities"] == ["completion", "tools", "vision", "thinking"]
    assert shown["model_info"]["general.architecture"] == "hostler"
    assert shown["model_info"]["hostler.context_length"] == 32768
    assert shown["details"]["context_length"] == 32768
    tags = {m["name"]: m for m in cards.get("/api/tags").json()["models"]}
    assert tags["told"]["details"]["context_length"] == 32768
    assert tags["plain"]["capabilities"] == ["completion", "tools"] and "context_length" not in tags["plain"]["details"]


@pytest.mark.parametrize("path, headers", [("/v1/models", CLAUDE), ("/anthropic/v1/models", {})])
def test_anthropic_clients_are_told(cards, path, headers):
    listed = cards.get(path, headers=headers).json()
    assert [m["id"] for m in listed["data"]] == ["told", "plain"] == [listed["first_id"], listed["last_id"]]
    assert listed["has_more"] is False
    told = listed["data"][0]
    assert told["type"] == "model" and told["max_input_tokens"] == 32768
    assert told["capabilities"]["image_input"] == {"supported": True}
    assert cards.get(f"{path}/told", headers=headers).json() == told
    missing = cards.get(f"{path}/none", headers=headers)
    assert missing.status == 404 and missing.json()["error"]["type"] == "not_found_error"
    assert missing.json()["request_id"]


def test_a_card_changes_with_a_reload(cards, mock):
    lines = cards.reload({"listen": "127.0.0.1:0", "models": [model_of(mock, name="told", card={**CARD, "context_length": "8k"})]})
    assert lines[-1]["level"] != "error"
    until(lambda: cards.get("/v1/models/told").json()["context_length"] == 8192, "every thread tells it")


def test_a_wrong_card_is_told(processes, mock):
    path = processes.folder / "wrong.yaml"
    path.write_text(f"models:\n  - name: m\n    endpoints: [{{ url: '{mock.url}' }}]\n    card: {{ capabilities: [sight] }}\n")
    result = run_cli("check", "-c", str(path))
    assert result.returncode and "capabilities" in result.stdout + result.stderr


@pytest.mark.parametrize("name", ["Llama 3 8B", "modèle ü", "模型 a@b"])
def test_names_with_blanks(processes, mock, name):
    gate = processes.gate([model_of(mock, name=name)])
    assert [m["id"] for m in gate.get("/v1/models").json()["data"]] == [name]
    assert gate.get("/v1/models/" + urllib.parse.quote(name)).json()["id"] == name
    answer = gate.chat(model=name)
    assert answer.status == 200 and answer.json()["model"] == name
    assert gate.metric("hostler_requests_total", model=name, code="200") == 1
    assert gate.post("/api/show", {"model": name}).status == 200


@pytest.mark.parametrize("name", [" m", "m ", "a\tb"])
def test_names_that_would_be_mistaken(processes, mock, name):
    path = processes.folder / "wrong.json"
    path.write_text(json.dumps(config_of([model_of(mock, name=name)])))
    result = run_cli("check", "-c", str(path))
    told = result.stdout + result.stderr
    assert result.returncode and ("blank at its end" in told or "control character" in told), told
