# SPDX-License-Identifier: Apache-2.0
"""Clients of every dialect before our own engine, and what only processes show: models that are loaded and put away."""

import json

from harness import until
from test_engine import engine_model

ASK = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def state(gate):
    return next(m for m in gate.get("/readyz").json()["models"] if m["model"] == "m")


def running(gate):
    return [m["name"] for m in gate.get("/api/ps").json()["models"]]


def test_a_model_is_loaded_and_put_away(processes):
    gate = processes.gate([engine_model(processes)])
    assert running(gate) == []
    for path, body in (("/api/generate", {"model": "m"}), ("/api/chat", {"model": "m:latest", "messages": []})):
        loaded = gate.post(path, body)
        assert loaded.status == 200 and loaded.json()["done_reason"] == "load", loaded.body
        assert running(gate) == ["m"]
        gone = gate.post(path, body | {"keep_alive": 0})
        assert gone.status == 200 and gone.json()["done_reason"] == "unload", gone.body
        until(lambda: running(gate) == [], "the process ends")
    assert gate.post("/api/chat", ASK | {"stream": False}).json()["message"]["content"], "it starts again when it is asked"


def test_a_model_that_cannot_be_loaded_says_why(processes):
    gate = processes.gate([engine_model(processes, template_text="{% if %}", start_timeout="5s")])
    answer = gate.post("/api/generate", {"model": "m"})
    assert answer.status == 503 and "template" in answer.json()["error"], answer.body


def test_every_dialect_before_the_engine(processes):
    gate = processes.gate([engine_model(processes)])
    said = gate.post("/v1/chat/completions", ASK).json()
    text, usage = said["choices"][0]["message"]["content"], said["usage"]
    response = gate.post("/v1/responses", {"model": "m", "input": "hello"}).json()
    assert response["output"][0]["content"][0]["text"] == text
    assert response["usage"]["input_tokens"] == usage["prompt_tokens"] and response["usage"]["output_tokens"] == usage["completion_tokens"]
    message = gate.post("/v1/messages", ASK | {"max_tokens": 100}).json()
    assert message["content"] == [{"type": "text", "text": text}]
    assert message["usage"]["input_tokens"] + message["usage"]["cache_read_input_tokens"] == usage["prompt_tokens"]
    chat = gate.post("/api/chat", ASK | {"stream": False}).json()
    assert chat["message"]["content"] == text and chat["prompt_eval_count"] == usage["prompt_tokens"]
    counts = [gate.post("/v1/messages/count_tokens", ASK).json(), gate.post("/v1/responses/input_tokens", {"model": "m", "input": "hello"}).json()]
    assert [c["input_tokens"] for c in counts] == [usage["prompt_tokens"]] * 2
    vectors = gate.post("/api/embed", {"model": "m", "input": ["a", "b"]}).json()["embeddings"]
    assert vectors == [d["embedding"] for d in gate.post("/v1/embeddings", {"model": "m", "input": ["a", "b"]}).json()["data"]]


def test_the_engines_refusals_are_in_the_clients_words(processes):
    """What it cannot keep to is refused: each client hears so as its SDK reads it."""
    gate = processes.gate([engine_model(processes)])
    schema = {"type": "object", "properties": {"a": {"$dynamicRef": "#a"}}}
    messages = gate.post("/v1/messages", ASK | {"max_tokens": 9, "output_config": {"format": {"type": "json_schema", "schema": schema}}})
    assert messages.status == 400 and messages.json()["error"]["type"] == "invalid_request_error", messages.body
    said = messages.json()["error"]["message"]
    assert said.startswith("'output_config.format.schema' ") and "$dynamicRef" in said and "response_format" not in said
    responses = gate.post("/v1/responses", {"model": "m", "input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}})
    assert responses.status == 400 and "$dynamicRef" in responses.json()["error"]["message"], responses.body
    assert responses.json()["error"]["message"].startswith("'text.format.schema' ") and responses.json()["error"]["param"] == "text.format.schema"
    chat = gate.post("/api/chat", ASK | {"format": schema})
    assert chat.status == 400 and "$dynamicRef" in chat.json()["error"], chat.body
    assert chat.json()["error"].startswith("'format' ")
    tool = gate.post("/v1/messages", ASK | {"max_tokens": 9, "tools": [{"name": "f", "input_schema": {}}, {"name": "a b", "input_schema": {}}]})
    assert tool.json()["error"]["message"].startswith("'tools[1].name' "), tool.body


def test_runtimes_own_shapes_pass_in_every_dialect(processes):
    gate = processes.gate([engine_model(processes)])
    shape = {"guided_choice": ["yes"]}
    assert gate.post("/v1/messages", ASK | {"max_tokens": 9} | shape).json()["content"] == [{"type": "text", "text": "yes"}]
    response = gate.post("/v1/responses", {"model": "m", "input": "hello"} | shape).json()
    assert response["output"][0]["content"][0]["text"] == "yes"
    assert gate.post("/api/chat", ASK | {"stream": False} | shape).json()["message"]["content"] == "yes"
    wrong = gate.post("/v1/responses", {"model": "m", "input": "hello", "response_format": {"type": "json_object"}})
    assert wrong.status == 400 and wrong.json()["error"]["param"] == "response_format" and "'text.format'" in wrong.json()["error"]["message"]


WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def test_the_engines_calls_in_every_dialect(processes):
    """The scripted model repeats a call that it is told."""
    gate = processes.gate([engine_model(processes)])
    ask = {"model": "m", "messages": [{"role": "user", "content": '<tool_call>{"name": "weather", "arguments": {"city": "Bonn"}}</tool_call>'}]}
    function = {"name": "weather", "parameters": WEATHER}
    message = gate.post("/v1/messages", ask | {"max_tokens": 200, "tools": [{"name": "weather", "input_schema": WEATHER}]}).json()
    assert message["stop_reason"] == "tool_use", message
    assert [(b["type"], b["name"], b["input"]) for b in message["content"]] == [("tool_use", "weather", {"city": "Bonn"})]
    response = gate.post("/v1/responses", {"model": "m", "input": ask["messages"], "tools": [{"type": "function"} | function]}).json()
    call = response["output"][0]
    assert (call["type"], call["name"], json.loads(call["arguments"])) == ("function_call", "weather", {"city": "Bonn"}), response
    chat = gate.post("/api/chat", ask | {"stream": False, "tools": [{"type": "function", "function": function}]}).json()
    assert [c["function"]["name"] for c in chat["message"]["tool_calls"]] == ["weather"], chat
    assert chat["message"]["tool_calls"][0]["function"]["arguments"] == {"city": "Bonn"}


def test_a_stream_of_lines(processes, mock):
    gate = processes.gate(mock)
    answer = gate.post("/api/generate", {"model": "m", "prompt": "x", "options": {"num_predict": 3}})
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert "".join(line["response"] for line in lines) == "t0 t1 t2 " and [line["done"] for line in lines] == [False, False, False, True]


def test_a_runtimes_own_codes_are_any(processes, start_gate):
    """A translated error keeps the runtime's words, and its code may be any."""
    body = json.dumps({"error": {"message": "not today", "type": "t", "param": None, "code": "very_own_code"}}).encode()

    def answer(conn):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body))

    gate = start_gate([{"name": "m", "endpoints": [{"url": processes.script(answer)}]}])
    said = [{"role": "user", "content": "x"}]
    for path, more in (("/v1/messages", {"max_tokens": 9, "messages": said}), ("/v1/responses", {"input": "x"}), ("/api/chat", {"messages": said})):
        told = gate.post(path, {"model": "m", **more})
        assert told.status == 400 and b"not today" in told.body, told.body
