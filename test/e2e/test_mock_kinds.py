# SPDX-License-Identifier: Apache-2.0
"""The mock runtime itself, asked directly: each surface's shape, its knobs, its scripts, the products that it plays."""

import json

import pytest

from harness import Processes

ASK = {"model": "m", "messages": [{"role": "user", "content": "how do you do"}]}
RESPONSE = {"model": "m", "input": "how do you do"}
MESSAGE = {**ASK, "max_tokens": 1000}
PROMPT = {"model": "m", "prompt": "how do you do"}
# Where words are asked for, and how.
WORDS = {
    "/v1/chat/completions": ASK,
    "/v1/responses": RESPONSE,
    "/v1/messages": MESSAGE,
    "/api/chat": ASK,
    "/api/generate": PROMPT,
}
TALK = [{"reasoning": "hm, well"}, "Let me see.",
        {"call": {"id": "call_a", "name": "add", "arguments": {"a": 1, "text": "zwei \u00fc\n\"drei\""}}},
        {"call": {"id": "call_b", "name": "now", "arguments": "{}"}}]
ARGUMENTS = {"a": 1, "text": "zwei \u00fc\n\"drei\""}
REPORTED = {"prompt_tokens": 50, "completion_tokens": 20, "cached_tokens": 30, "reasoning_tokens": 5}


@pytest.fixture(scope="module")
def one_mock():
    started = Processes()
    yield started.mock("--record", 100)
    started.stop()


@pytest.fixture
def every(one_mock):
    """A mock of all kinds, as if new."""
    one_mock.reset()
    return one_mock


def words_body(path, stream, **mock):
    return {**WORDS[path], "stream": stream, "mock": mock}


def frames(answer):
    """What a stream consists of: (name, object) of each event or line, and whether [DONE] ends it."""
    assert answer.status == 200, answer.body
    text = answer.body.decode()
    if answer.get("content-type").startswith("application/x-ndjson"):
        return [(None, json.loads(line)) for line in text.splitlines()]
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if fields:
            found.append((fields.get("event"), fields["data"] if fields["data"] == "[DONE]" else json.loads(fields["data"])))
    return found


# --- what an answer says, read as a client of each dialect would ---


class Said:
    """An answer: text, thoughts, calls as (id, name, arguments), why it ended, usage as (in, out, cached, reasoning)."""

    def __init__(self):
        self.text = self.thoughts = ""
        self.calls, self.end, self.usage, self.error = [], None, None, None


def said_by_chat(objects):
    said = Said()
    for _, frame in objects:
        if frame == "[DONE]":
            continue
        if "error" in frame:
            said.error = frame["error"]["message"]
            continue
        for choice in frame["choices"]:
            part = choice.get("delta") or choice.get("message") or {}
            said.text += part.get("content") or ""
            said.thoughts += part.get("reasoning_content") or ""
            for position, call in enumerate(part.get("tool_calls") or []):
                index = call.get("index", position)
                if index == len(said.calls):
                    said.calls.append([call["id"], call["function"]["name"], ""])
                said.calls[index][2] += call["function"]["arguments"]
            said.end = choice["finish_reason"] or said.end
        if usage := frame.get("usage"):
            said.usage = (usage["prompt_tokens"], usage["completion_tokens"], usage["prompt_tokens_details"]["cached_tokens"],
                          usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0))
    return said


def said_by_response(objects):
    said = Said()
    pieces = ""
    for position, (name, frame) in enumerate(objects):
        if name is None:
            response = frame
        else:
            assert frame["type"] == name and frame["sequence_number"] == position
            if name == "response.output_text.delta":
                pieces += frame["delta"]
            if name == "error":
                said.error = frame["message"]
            response = frame.get("response")
            if name == "response.failed":
                said.error = response["error"]["message"]
            if name not in ("response.completed", "response.incomplete"):
                continue
        said.end = (response.get("incomplete_details") or {}).get("reason") or response["status"]
        for item in response["output"]:
            if item["type"] == "message":
                said.text += "".join(part["text"] for part in item["content"])
            elif item["type"] == "reasoning":
                said.thoughts += "".join(part["text"] for part in item.get("content") or item["summary"])
            else:
                said.calls.append([item["call_id"], item["name"], item["arguments"]])
        usage = response["usage"]
        said.usage = usage and (usage["input_tokens"], usage["output_tokens"], usage["input_tokens_details"]["cached_tokens"],
                                usage["output_tokens_details"]["reasoning_tokens"])
    if not said.end:
        said.text = pieces
    assert not pieces or pieces == said.text
    return said


def usage_of_message(usage):
    cached = usage.get("cache_read_input_tokens") or 0
    return (usage["input_tokens"] + cached + (usage.get("cache_creation_input_tokens") or 0), usage["output_tokens"], cached)


def message_of(objects):
    """A stream's events, put together as Anthropic's SDKs do."""
    message = None
    for name, event in objects:
        assert event["type"] == name
        if name == "message_start":
            assert message is None
            message = event["message"]
        elif name == "content_block_start":
            assert event["index"] == len(message["content"])
            message["content"].append({**event["content_block"], "json": ""})
        elif name == "content_block_delta":
            block, delta = message["content"][event["index"]], event["delta"]
            kind = delta["type"].removesuffix("_delta")
            field = {"text": "text", "thinking": "thinking", "signature": "signature", "input_json": "partial_json"}[kind]
            member = "json" if kind == "input_json" else field
            block[member] = block.get(member, "") + delta[field]
        elif name == "message_delta":
            message.update(event["delta"])
            message["usage"].update(event["usage"])
        elif name == "error":
            message = {**(message or {"content": []}), "error": event["error"]["message"]}
    return message


def said_by_message(objects):
    message = objects[0][1] if objects[0][0] is None else message_of(objects)
    said = Said()
    for block in message["content"]:
        if block["type"] == "text":
            said.text += block["text"]
        elif block["type"] == "thinking":
            said.thoughts += block["thinking"]
        else:
            said.calls.append([block["id"], block["name"], block.get("json") or json.dumps(block["input"])])
    said.end, said.error = message.get("stop_reason"), message.get("error")
    said.usage = usage_of_message(message["usage"]) if "usage" in message else None
    return said


def said_by_ollama(objects):
    said = Said()
    for _, line in objects:
        message = line.get("message", {})
        said.text += message.get("content") or line.get("response") or ""
        said.thoughts += message.get("thinking") or line.get("thinking") or ""
        for call in message.get("tool_calls", []):
            said.calls.append([call.get("id"), call["function"]["name"], json.dumps(call["function"]["arguments"])])
        said.error = line.get("error")
        if line.get("done"):
            said.end = line["done_reason"]
            said.usage = (line["prompt_eval_count"], line["eval_count"])
    return said


READ = {
    "/v1/chat/completions": said_by_chat,
    "/v1/responses": said_by_response,
    "/v1/messages": said_by_message,
    "/api/chat": said_by_ollama,
    "/api/generate": said_by_ollama,
}


def ask(mock, path, stream, **knobs):
    """Asks for words, and reads them."""
    body = words_body(path, stream, **knobs)
    if stream and path == "/v1/chat/completions":
        body["stream_options"] = {"include_usage": True}
    answer = mock.post(path, body)
    assert answer.status == 200, answer.body
    return READ[path](frames(answer) if stream else [(None, answer.json())])


each_surface = pytest.mark.parametrize("path", WORDS)
streamed_or_not = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


@each_surface
@streamed_or_not
def test_tokens(every, path, stream):
    said = ask(every, path, stream, tokens=4, **REPORTED)
    assert said.text == "t0 t1 t2 t3 "
    assert said.end in ("stop", "completed", "end_turn")
    assert said.usage == (50, 20, 30, 5)[:len(said.usage)]
    assert said.error is None and not said.calls and not said.thoughts


@each_surface
@streamed_or_not
def test_the_echo_is_the_last_message(every, path, stream):
    assert ask(every, path, stream, echo=True).text == "how do you do"


@each_surface
@streamed_or_not
def test_a_script_says_thoughts_words_and_calls(every, path, stream):
    said = ask(every, path, stream, say=TALK)
    assert said.text == "Let me see."
    assert said.thoughts == "hm, well"
    if path != "/api/generate":
        assert [(i, n, json.loads(a)) for i, n, a in said.calls] == [("call_a", "add", ARGUMENTS), ("call_b", "now", {})]
        assert said.end == {"/v1/chat/completions": "tool_calls", "/v1/responses": "completed", "/v1/messages": "tool_use"}.get(path, "stop")


LIMITS = {
    "/v1/chat/completions": ({"max_tokens": 2}, "length"),
    "/v1/responses": ({"max_output_tokens": 2}, "max_output_tokens"),
    "/v1/messages": ({"max_tokens": 2}, "max_tokens"),
    "/api/chat": ({"options": {"num_predict": 2}}, "length"),
    "/api/generate": ({"options": {"num_predict": 2}}, "length"),
}


@each_surface
def test_limits_cut(every, path):
    fields, end = LIMITS[path]
    for mock in ({}, {"say": "one two three"}):
        answer = every.post(path, {**words_body(path, False, **mock), **fields})
        said = READ[path]([(None, answer.json())])
        assert said.text == ("one two " if mock else "t0 t1 ")
        assert said.end == end


@each_surface
def test_a_stream_without_its_end(every, path):
    """The body ends cleanly, the stream does not."""
    said = ask(every, path, True, tokens=3, no_done=True)
    assert said.text == "t0 t1 t2 " and said.end is None and said.error is None


@each_surface
def test_an_error_event(every, path):
    said = ask(every, path, True, tokens=5, error_after=2)
    assert said.text == "t0 t1 "
    assert said.error == "mock: the error after so many tokens" and said.end is None


@each_surface
@streamed_or_not
def test_death(every, path, stream):
    with every.connect() as conn:
        conn.request("POST", path, words_body(path, stream, tokens=5, die_after=2))
        with pytest.raises(EOFError):
            conn.response()
    assert every.idle()["died"] == 1


@each_surface
def test_a_script_may_die_or_fail_by_frames(every, path):
    assert ask(every, path, True, say="one two three", error_after=2).text == "one two "
    with every.connect() as conn:
        conn.request("POST", path, words_body(path, True, say="one two three", die_after=2))
        with pytest.raises(EOFError):
            conn.response()


@each_surface
def test_streams_are_kept_alive(every, path):
    """Ollama's lines have nothing for that."""
    body = every.post(path, words_body(path, True, ttft_ms=120, comment_ms=20, tokens=1)).body
    assert path.startswith("/api/") or b"ping" in body.split(b"t0")[0]


ERRORS = {
    "/v1/chat/completions": {"error": {"message": "mock: the error that was asked for", "type": "rate_limit_error", "param": None,
                                       "code": "rate_limit_exceeded"}},
    "/v1/messages": {"type": "error", "error": {"type": "rate_limit_error", "message": "mock: the error that was asked for"}},
    "/api/chat": {"error": "mock: the error that was asked for"},
}
ERRORS["/v1/responses"] = ERRORS["/v1/chat/completions"]
ERRORS["/api/generate"] = ERRORS["/api/chat"]


@each_surface
def test_errors_have_the_dialect_of_the_question(every, path):
    answer = every.post(path, words_body(path, True, status=429, retry_after=3))
    assert answer.status == 429 and answer.get("retry-after") == "3"
    assert answer.json() == ERRORS[path]
    assert every.post(path, "{").status == 400
    assert every.post(path, {**words_body(path, True), "mock": {"tokns": 1}}).status == 400


# --- scripts for all who come ---


def test_a_session_with_a_tool(every):
    """As an agent has it: what is asked calls a tool, what the tool says is answered."""
    every.script([{"when": "the tool says 5", "say": "It is 5."}, {"when": "how do you do", "say": TALK[-1:]}])
    first = every.post("/v1/messages", MESSAGE).json()
    assert first["stop_reason"] == "tool_use" and first["content"][0]["id"] == "call_b"
    messages = [*ASK["messages"], {"role": "assistant", "content": first["content"]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_b", "content": "the tool says 5"}]},
                {"role": "system", "content": "a reminder"}]
    second = every.post("/v1/messages", {**MESSAGE, "messages": messages}).json()
    assert second["content"] == [{"type": "text", "text": "It is 5."}]
    assert every.played() == [1, 1]
    assert every.sent()["messages"] == messages


def test_turns_come_in_order_whatever_the_surface(every):
    every.script(["one", {"say": "two", "times": 2}, {"knobs": {"status": 529}}, {"when_body": "how", "say": "always"}])
    said = [ask(every, path, False).text for path in ("/v1/chat/completions", "/api/chat", "/v1/responses")]
    assert said == ["one", "two", "two"]
    assert every.post("/v1/messages", MESSAGE).status == 529
    assert ask(every, "/v1/messages", True).text == ask(every, "/api/generate", True).text == "always"
    assert every.post("/v1/completions", PROMPT).json()["choices"][0]["text"] == "always"
    assert every.played() == [1, 2, 1, 3]
    every.reset()
    assert every.played() == []


def test_a_request_says_itself_what_it_gets(every):
    """And takes no turn then; nor do requests for numbers."""
    every.script(["scripted"])
    assert ask(every, "/v1/chat/completions", True, say="asked").text == "asked"
    assert every.post("/v1/embeddings", {"model": "m", "input": "x"}).status == 200
    assert every.post("/v1/messages/count_tokens", ASK).status == 200
    assert every.played() == [0]


def test_answers_as_they_are(every):
    every.script([{"body": {"any": "thing"}}, {"say": ["a ", {"raw": ": none knows this\n\n"}, "b"]}])
    assert every.chat(stream=True).json() == {"any": "thing"}
    assert b"\n\n: none knows this\n\ndata: " in every.chat(stream=True).body


def test_mixed_calls(every):
    say = [{"call": {"name": "f"}}, {"call": {"name": "g"}}, {"arguments": "{\"x\"", "of": 0}, {"arguments": "{}", "of": 1},
           {"arguments": ":1}", "of": 0}]
    said = ask(every, "/v1/chat/completions", True, say=say)
    assert [call[1:] for call in said.calls] == [["f", '{"x":1}'], ["g", "{}"]]
    assert len({call[0] for call in said.calls}) == 2


def test_tools_of_a_namespace(every):
    """Codex calls those of MCP servers by two names; a script calls them by one."""
    tools = [{"type": "namespace", "name": "mcp__calc", "description": "", "tools": [{"type": "function", "name": "add"}]}]
    answer = every.post("/v1/responses", {**RESPONSE, "tools": tools, "mock": {"say": [{"call": {"name": "mcp__calc__add"}}]}})
    call = answer.json()["output"][0]
    assert (call["namespace"], call["name"]) == ("mcp__calc", "add")


def test_long_requests_are_recorded_whole(every):
    text = "long " * 40000
    every.chat(messages=[{"role": "user", "content": text}])
    assert every.sent()["messages"][0]["content"] == text


@pytest.mark.parametrize("script", ["{}", "[{\"sya\": 1}]", "[{\"say\": [{}]}]", "[{\"when\": 1}]", "[3]", "["])
def test_wrong_scripts(every, script):
    answer = every.post("/mock/script", script)
    assert answer.status == 400 and answer.json()["error"]["message"]


def test_a_scripted_chat_has_one_choice(every):
    assert every.chat(n=2, mock={"say": "x"}).status == 400


# --- numbers ---


def test_vectors_are_the_same_everywhere(every):
    texts = ["one", "two"]
    openai = [item["embedding"] for item in every.post("/v1/embeddings", {"model": "m", "input": texts}).json()["data"]]
    ollama = every.post("/api/embed", {"model": "m", "input": texts}).json()
    assert ollama["embeddings"] == openai and ollama["model"] == "m" and ollama["prompt_eval_count"] > 0
    assert every.post("/api/embeddings", {"model": "m", "prompt": "two"}).json() == {"embedding": openai[1]}
    assert every.post("/api/embed", {"model": "m", "input": {}}).json() == {"error": "invalid input type"}


def test_ranks(every):
    documents = ["one", {"text": "two"}, "three"]
    answer = every.post("/v1/rerank", {"model": "m", "query": "q", "documents": documents, "top_n": 2, "return_documents": True}).json()
    scores = [result["relevance_score"] for result in answer["results"]]
    assert len(scores) == 2 and scores == sorted(scores, reverse=True)
    assert answer["results"][0]["document"]["text"] == ["one", "two", "three"][answer["results"][0]["index"]]
    pairs = every.post("/score", {"model": "m", "text_1": "q", "text_2": ["one", "two", "three"]}).json()["data"]
    assert max(pair["score"] for pair in pairs) == scores[0]
    assert every.post("/rerank", {"model": "m", "query": "q"}).status == 400


def test_counts(every):
    expected = every.chat().json()["usage"]["prompt_tokens"]
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    assert every.post("/v1/messages/count_tokens", body).json() == {"input_tokens": expected}
    for path in ("/v1/chat/completions/input_tokens", "/v1/responses/input_tokens"):
        answer = every.post(path, {**body, "input": body["messages"]}).json()
        assert answer == {"object": "response.input_tokens", "input_tokens": expected}
    tokens = every.post("/tokenize", body).json()
    assert tokens["count"] == expected == len(tokens["tokens"]) and tokens["max_model_len"] > 0
    assert every.post("/v1/messages/count_tokens", {**body, "mock": {"prompt_tokens": 77}}).json() == {"input_tokens": 77}


def test_a_prompt(every):
    assert every.post("/apply-template", ASK).json() == {"prompt": "<|user|>how do you do\n<|assistant|>"}


# --- products ---

NOT_FOUND = {
    "vllm": b'{"detail":"Not Found"}',
    "ollama": b"404 page not found",
    "anthropic": b'{"type":"error","error":{"type":"not_found_error","message":"Not found"}}',
    "llama-server": b'{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}',
    "openai": b'{"error":{"message":"no such path","type":"invalid_request_error","param":null,"code":null}}',
}
HAS = {
    "vllm": {"/v1/chat/completions", "/v1/responses", "/v1/messages"},
    "ollama": {"/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat", "/api/generate"},
    "anthropic": {"/v1/messages"},
    "llama-server": {"/v1/chat/completions", "/v1/responses", "/v1/messages"},
    "openai": {"/v1/chat/completions"},
}


@pytest.mark.parametrize("kind", HAS)
def test_a_kind_has_its_own_paths_only(start_mock, kind):
    mock = start_mock("--kind", kind)
    headers = {"anthropic-version": "2023-06-01"}
    for path, body in WORDS.items():
        answer = mock.post(path, body, headers)
        assert answer.status == (200 if path in HAS[kind] else 404), path
        if answer.status == 404:
            assert answer.body == NOT_FOUND[kind]
    assert mock.post("/chat/completions", ASK).body == NOT_FOUND[kind]
    assert mock.get("/v1/models").status == mock.get("/mock/stats").status == 200
    assert mock.get("/health").status == (200 if kind in ("vllm", "llama-server") else 404)


def test_ollama_tells_of_itself(start_mock):
    mock = start_mock("--kind", "ollama", "--models", "qwen,llama")
    assert mock.get("/").body == b"Ollama is running"
    assert mock.get("/api/version").json()["version"]
    assert [model["name"] for model in mock.get("/api/tags").json()["models"]] == ["qwen", "llama"]
    assert mock.get("/api/ps").json()["models"][0]["context_length"] > 0
    assert "completion" in mock.post("/api/show", {"model": "qwen"}).json()["capabilities"]
    assert mock.post("/api/show", {"model": "gone"}).json() == {"error": "no such model"}
    assert mock.post("/api/chat", {"model": "qwen"}).json()["done_reason"] == "load"
    assert mock.get("/v1/models").json()["data"][0]["owned_by"] == "library"


def test_others_tell_of_themselves(start_mock):
    assert start_mock("--kind", "vllm").get("/version").json()["version"]
    assert start_mock("--kind", "llama-server").get("/props").json()["default_generation_settings"]["n_ctx"] > 0
    models = start_mock("--kind", "anthropic").get("/v1/models").json()
    assert models["data"][0]["type"] == "model" and models["has_more"] is False


def test_quirks(start_mock):
    anthropic = start_mock("--kind", "anthropic")
    assert anthropic.post("/v1/messages", MESSAGE).json()["error"]["message"] == "anthropic-version: header is required"
    headers = {"anthropic-version": "2023-06-01"}
    assert anthropic.post("/v1/messages", ASK, headers).json()["error"]["message"] == "max_tokens: Field required"
    mistral = start_mock("--kind", "mistral")
    assert mistral.chat(stream=True, stream_options={"include_usage": True}).status == 422
    assert b'"usage":{"prompt_tokens":' in mistral.chat(stream=True).body
