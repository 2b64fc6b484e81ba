# SPDX-License-Identifier: Apache-2.0
"""The OpenAI surface: models, errors, ids, methods, keys."""

import json

import pytest

from harness import chat_body, config_of, model_of, until

KEYS = [
    {"name": "all", "key": "sk-all-0123456789"},
    {"name": "some", "key": "sk-some-0123456789", "models": ["free-*", "exact"]},
]


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def names(start_gate, mock):
    return start_gate([model_of(mock, name="org/name:tag", aliases=["gpt-4o-mini", "a%c"]), model_of(mock, name="plain")])


def test_models_are_listed(names):
    answer = names.get("/v1/models")
    assert answer.status == 200
    body = answer.json()
    assert body["object"] == "list"
    assert {m["id"] for m in body["data"]} == {"org/name:tag", "gpt-4o-mini", "a%c", "plain"}
    for model in body["data"]:
        assert set(model) == {"id", "object", "created", "owned_by", "capabilities"}
        assert model["capabilities"] == ["completion"]
        assert model["object"] == "model" and model["created"] > 1_700_000_000


@pytest.mark.parametrize("path, model", [
    ("org/name:tag", "org/name:tag"), ("org%2Fname%3Atag", "org/name:tag"), ("org%2fname:tag", "org/name:tag"),
    ("plain?x=1", "plain"), ("a%25c", "a%c")])
def test_a_model_is_shown(names, path, model):
    answer = names.get(f"/v1/models/{path}")
    assert (answer.status, answer.json()["id"]) == (200, model)


@pytest.mark.parametrize("path", ["other", "org/name", "plain/", "plain%2", "%00", "x" * 5000])
def test_a_model_that_is_not_there(names, path):
    answer = names.get(f"/v1/models/{path}")
    assert answer.status == 404
    if answer.error()["code"] != "unknown_url":
        assert answer.error()["code"] == "model_not_found"
        assert answer.error()["param"] == "model"
    assert answer.error()["type"] == "invalid_request_error"


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", ""])
@pytest.mark.parametrize("model", ["org/name:tag", "gpt-4o-mini", "a%c", "plain"])
def test_every_name_and_prefix_is_served(names, prefix, model):
    answer = names.post(f"{prefix}/chat/completions", chat_body(model=model))
    assert answer.status == 200
    assert answer.json()["choices"][0]["message"]["content"].startswith("t0 ")


def test_all_three_apis(shared_gate):
    chat = shared_gate.chat(max_tokens=2).json()
    assert chat["object"] == "chat.completion" and chat["usage"]["completion_tokens"] == 2
    text = shared_gate.post("/v1/completions", {"model": "m", "prompt": "x", "max_tokens": 2}).json()
    assert text["choices"][0]["text"] == "t0 t1 "
    vectors = shared_gate.post("/v1/embeddings", {"model": "m", "input": ["a", "b"]}).json()
    assert [len(v["embedding"]) for v in vectors["data"]] == [8, 8]


def test_unknown_model(shared_gate, shared_mock):
    answer = shared_gate.chat(model="nope")
    assert answer.status == 404
    assert answer.error() == {"message": "The model 'nope' does not exist.", "type": "invalid_request_error", "param": "model",
                              "code": "model_not_found"}
    assert shared_mock.stats()["requests"] == 0


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/chat", "/v1/chat/completions/", "/v2/models", "/V1/models",
                                  "/v1/files", "/v1//models", "/v1/models/../models", "/etc/passwd", "/v1/chat/completionsx"])
def test_unknown_url(shared_gate, path):
    answer = shared_gate.get(path)
    assert answer.status == 404, answer.body
    assert answer.error()["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/v1/chat/completions", "//v1/chat/completions", "/v1/chat/completions/", "/api/v1/chat/completions"])
def test_a_path_nearly_right(shared_gate, path):
    answer = shared_gate.post(path, chat_body())
    assert answer.status == 404
    assert "Did you mean /v1/chat/completions?" in answer.body.decode()


@pytest.mark.parametrize("method, path", [("POST", "/api/chats"), ("GET", "/api/tag"), ("DELETE", "/api/none")])
def test_ollamas_clients_can_read_errors(shared_gate, method, path):
    answer = shared_gate.ask(method, path, "{}" if method == "POST" else None)
    assert answer.status == 404
    assert answer.json() == {"error": f"Unknown request URL: {method} {path}."}


@pytest.mark.parametrize("method, path, allow", [
    ("GET", "/v1/chat/completions", "POST"), ("PUT", "/v1/completions", "POST"), ("DELETE", "/v1/embeddings", "POST"),
    ("POST", "/v1/models", "GET"), ("PATCH", "/v1/models/m", "GET"), ("POST", "/metrics", "GET")])
def test_wrong_method(shared_gate, method, path, allow):
    answer = shared_gate.ask(method, path, b"{}" if method != "GET" else None)
    assert answer.status == 405
    assert allow in answer.get("allow").split(", ")
    assert answer.error()["code"] == "method_not_allowed"


def test_options_and_head(shared_gate):
    answer = shared_gate.ask("OPTIONS", "/v1/chat/completions")
    assert (answer.status, answer.body) == (204, b"")
    assert "POST" in answer.get("allow") and answer.get("x-request-id")
    with shared_gate.connect() as conn:
        for path in ("/v1/models", "/livez", "/metrics", "/v1/models/nope"):
            conn.request("HEAD", path)
            head = conn.response("HEAD")
            assert head.status == (404 if "nope" in path else 200) and int(head.get("content-length")) > 0
        conn.request("GET", "/livez")
        assert conn.response().status == 200  # so no HEAD left a body behind


def test_probes(shared_gate):
    assert shared_gate.get("/livez").json() == {"status": "ok"}
    assert shared_gate.get("/healthz").json() == {"status": "ok"}
    ready = shared_gate.get("/readyz")
    assert ready.status == 200 and ready.json() == {"status": "ready", "models": [{"model": "m", "ready": True}]}


def test_no_models(processes, mock):
    gate = processes.gate([])
    ready = gate.get("/readyz")
    assert ready.status == 200
    assert ready.json() == {"status": "ready", "reason": "no models are configured yet", "models": []}
    assert gate.metric("hostler_ready") == 1
    assert gate.get("/v1/models").json() == {"object": "list", "data": []}
    refused = gate.chat(model="m")
    assert refused.status == 404 and refused.error()["code"] == "model_not_found"
    gate.reload(config_of(mock))
    until(lambda: gate.chat().status == 200, "the model is served")
    gate.reload(config_of([], keys=[{"name": "k", "key": "sk-k-0123456789", "models": ["m"]}]))
    until(lambda: gate.get("/readyz").json() == {"status": "ready"}, "what there is, is for those who have a key")
    assert gate.get("/readyz", headers=bearer("sk-k-0123456789")).json()["models"] == []


# --- request ids ---


def test_every_answer_has_an_id(shared_gate):
    seen = set()
    for answer in (shared_gate.chat(), shared_gate.chat(stream=True), shared_gate.chat(model="nope"), shared_gate.chat("{"),
                   shared_gate.get("/nope"), shared_gate.get("/v1/models"), shared_gate.get("/livez"), shared_gate.get("/metrics"),
                   shared_gate.get("/v1/chat/completions"),
                   shared_gate.get("/v1/models", host=None), shared_gate.get("/v1/models", headers={"Content-Length": "x"})):
        identifier = answer.get("x-request-id")
        assert identifier, answer.raw
        assert identifier.startswith("req_") and len(identifier) == 36
        seen.add(identifier)
    assert len(seen) == 11


def test_a_clients_id_is_kept(shared_gate, shared_mock):
    answer = shared_gate.chat(headers={"X-Request-Id": "my-id_1.2"})
    assert answer.get("x-request-id") == "my-id_1.2"
    assert [v for k, v in answer.headers if k == "x-request-id"] == ["my-id_1.2"]
    assert shared_mock.requests()[-1]["id"] == "my-id_1.2"
    assert shared_gate.exchange(request_id="my-id_1.2")["status"] == 200


@pytest.mark.parametrize("identifier", ["a b", "x" * 65, 'a"b', "a{}", "\xe4", "a;b"])
def test_a_clients_bad_id_is_replaced(shared_gate, shared_mock, identifier):
    answer = shared_gate.chat(headers={"X-Request-Id": identifier})
    assert answer.status == 200
    assert answer.get("x-request-id").startswith("req_")
    assert shared_mock.requests()[-1]["id"] == answer.get("x-request-id")


# --- keys ---


@pytest.fixture
def locked(start_gate, mock):
    gate = start_gate([model_of(mock, name=n) for n in ("free-1", "exact", "other")] +
                      [model_of(mock, name="long", aliases=["free-alias"])], keys=KEYS)
    gate.secrets += [k["key"] for k in KEYS]
    gate.headers = bearer(KEYS[0]["key"])
    return gate


@pytest.mark.parametrize("headers", [
    {}, {"Authorization": "Bearer wrong-key-123456"}, {"Authorization": "Bearer "}, {"Authorization": "Basic c2stYWxs"},
    {"Authorization": "Bearer sk-all-012345678"}, {"Authorization": "Bearer sk-all-01234567890"}, {"x-api-key": ""},
    {"Authorization": "sk-all-0123456789"}, {"Cookie": "key=sk-all-0123456789"}, {"Authorization": "Bearer " + "x" * 20000}])
def test_no_or_wrong_key(locked, mock, headers):
    for method, path, body in (("GET", "/v1/models", None), ("POST", "/v1/chat/completions", chat_body(model="exact")),
                               ("GET", "/metrics", None), ("GET", "/nope", None)):
        answer = locked.ask(method, path, body, headers)
        assert answer.status == 401, path
        assert answer.error()["type"] == "authentication_error" and answer.error()["code"] == "invalid_api_key"
        assert answer.error()["param"] is None
        assert answer.get("www-authenticate") == "Bearer"
    assert mock.stats()["requests"] == 0
    assert locked.get("/livez").status == 200
    assert locked.get("/readyz").status == 200


@pytest.mark.parametrize("headers", [
    bearer("sk-all-0123456789"), {"authorization": "bearer   sk-all-0123456789"}, {"X-Api-Key": "sk-all-0123456789"},
    {"api-key": "sk-all-0123456789"}])
def test_a_key_in_every_carrier(locked, mock, headers):
    for name in ("free-1", "exact", "other", "long"):
        assert locked.post("/v1/chat/completions", chat_body(model=name), headers).status == 200
    assert b"sk-all" not in json.dumps(mock.requests()).encode()


def test_different_keys_at_once(locked, mock):
    for headers in ({"Authorization": "Bearer sk-all-0123456789", "x-api-key": "sk-some-0123456789"},
                    [("api-key", "sk-some-0123456789"), ("api-key", "sk-all-0123456789")]):
        answer = locked.post("/v1/chat/completions", chat_body(model="exact"), headers)
        assert (answer.status, answer.error()["code"]) == (400, "ambiguous_api_key")
    assert mock.stats()["requests"] == 0
    same = [("Authorization", "Bearer sk-all-0123456789"), ("api-key", "sk-all-0123456789"), ("Authorization", "Basic eDp5")]
    assert locked.post("/v1/chat/completions", chat_body(model="exact"), same).status == 200


def test_allowed_models(locked):
    key = bearer("sk-some-0123456789")
    assert {m["id"] for m in locked.get("/v1/models", headers=key).json()["data"]} == {"free-1", "exact", "free-alias"}
    for name, status in (("free-1", 200), ("exact", 200), ("free-alias", 200), ("other", 403), ("long", 403), ("none", 404)):
        answer = locked.post("/v1/chat/completions", chat_body(model=name), key)
        assert answer.status == status, name
        if status == 403:
            assert answer.error()["type"] == "permission_error"
            assert (answer.error()["code"], answer.error()["param"]) == ("model_not_allowed", "model")
    assert locked.get("/v1/models/other", headers=key).status == 404
    assert locked.get("/v1/models/exact", headers=key).status == 200


def test_auth_comes_before_the_body(locked):
    with locked.connect() as conn:
        conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        answer = conn.response()
        assert answer.status == 401
        assert answer.get("connection") == "close"


def test_key_name_is_logged_not_the_key(locked):
    answer = locked.post("/v1/chat/completions", chat_body(model="exact"), bearer("sk-all-0123456789"))
    assert locked.exchange(request_id=answer.get("x-request-id"))["key"] == "all"
    assert locked.metric("hostler_auth_failures_total") == 0


# --- without keys: this machine only ---


@pytest.mark.parametrize("host, origin, status", [
    ("localhost", None, 200), ("localhost:1234", None, 200), ("127.0.0.1:8080", None, 200), ("127.1.2.3", None, 200),
    ("[::1]:80", None, 200), ("evil.example", None, 403), ("localhost.evil.example", None, 403), ("127.0.0.1.evil.example", None, 403),
    ("localhost", "http://evil.example", 403), ("localhost", "null", 403), ("localhost", "http://localhost:3000", 200),
    ("localhost", "app://obsidian.md", 200), ("localhost", "vscode-webview://0abc", 200), ("localhost", "tauri://localhost", 200),
    ("localhost", "file://", 200), ("localhost", "chrome-extension://abc", 200), ("localhost", "https://tauri.localhost", 200),
    ("app.localhost:80", None, 200), ("evillocalhost", None, 403), ("localhost", "HTTPS://evil.example", 403),
    ("localhost", "://x", 403), ("localhost", "app://x http://evil.example", 403), ("localhost", "app", 403),
    ("[::1", None, 400), ("[::1]x", None, 400), ("[::2]:80", None, 403)])
def test_dns_rebinding(shared_gate, host, origin, status):
    answer = shared_gate.get("/v1/models", headers={"Origin": origin} if origin else (), host=host)
    assert answer.status == status
    assert shared_gate.get("/metrics", headers={"Origin": origin} if origin else (), host=host).status == status


def test_every_origin_counts(shared_gate):
    origins = [("Origin", "http://localhost"), ("Origin", "http://evil.example")]
    assert shared_gate.get("/v1/models", headers=origins).error()["code"] == "foreign_host"


# --- fallbacks ---


def test_fallback_model(start_gate, start_mock, mock):
    bad = start_mock("--status", 500)
    gate = start_gate([model_of(bad, name="m", fallback=["second", "third"]),
                       model_of(start_mock("--status", 503), name="second"), model_of(mock, name="third")])
    answer = gate.chat()
    assert answer.status == 200 and answer.json()["model"] == "third"
    line = gate.exchange(request_id=answer.get("x-request-id"))
    assert (line["model"], line["fallback"], line["attempts"]) == ("m", "third", 3)


def test_a_key_may_name_a_fallback_by_its_alias(start_gate, start_mock, mock):
    """The fallback's own name or any of its aliases will do, whichever the fallback list has."""
    bad = start_mock("--status", 500)
    gate = start_gate([model_of(bad, name="m", fallback=["small"]), model_of(mock, name="second", aliases=["small"])],
                      keys=[{"name": "k", "key": "sk-one-0123456789", "models": ["m", "small"]}])
    assert gate.chat(headers=bearer("sk-one-0123456789")).status == 200
    assert mock.stats()["requests"] == 1
    ready = gate.get("/readyz", headers=bearer("sk-one-0123456789")).json()
    assert [m["model"] for m in ready["models"]] == ["m", "second"]


def test_fallback_respects_the_key(start_gate, start_mock, mock):
    bad = start_mock("--status", 500)
    gate = start_gate([model_of(bad, name="m", fallback=["second"]), model_of(mock, name="second")],
                      keys=[{"name": "k", "key": "sk-one-0123456789", "models": ["m"]}])
    assert gate.chat(headers=bearer("sk-one-0123456789")).status == 500
    assert mock.stats()["requests"] == 0


def test_hosts_may_be_named(start_gate, mock):
    gate = start_gate(mock, hosts=["llm.example.org", "10.1.2.3"])
    for host, status in [("llm.example.org", 200), ("LLM.example.org:443", 200), ("10.1.2.3:8080", 200), ("localhost", 200),
                         ("evil.example.org", 403), ("x.llm.example.org", 403), ("llm.example.org.evil", 403)]:
        assert gate.get("/v1/models", host=host).status == status, host
    assert gate.get("/v1/models", headers={"origin": "https://llm.example.org"}, host="llm.example.org").status == 200
    assert gate.get("/v1/models", headers={"origin": "https://evil.example.org"}, host="llm.example.org").status == 403
