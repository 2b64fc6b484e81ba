# SPDX-License-Identifier: Apache-2.0
"""What passes through the gateway: bodies byte for byte, headers but for those of the connection."""

import json

import pytest

from harness import canned, chat_body, model_of, sse, until, whole

ODD = (b' { "unknown" : {"deep":[1, 2.50, 1e3, -0, "\\u00e4\\/"]} ,\n\t"messages":[ {"role":"user","content":"h\xc3\xa4\\n\xf0\x9f\x98\x80"} ],'
       b'"model" : "m" ,"temperature":0.70,"dup":1,"dup":2, "seed":12345678901234567890 }\r\n')


def test_a_body_passes_as_it_is(shared_gate, shared_mock):
    assert shared_gate.chat(ODD).status == 200
    assert shared_mock.requests()[0]["body"].encode() == ODD


def test_only_the_models_name_is_replaced(processes, start_gate):
    seen = []
    gate = start_gate([model_of(canned(processes, whole(b"{}"), seen), model='up/"stream":\\x')])
    assert gate.chat(ODD).status == 200
    assert gate.chat(b'{"model":"\\u006d","m":"m"}').status == 200
    assert [body for _, body in seen] == [ODD.replace(b'"m"', b'"up/\\"stream\\":\\\\x"'),
                                          b'{"model":"up/\\"stream\\":\\\\x","m":"m"}']


USAGE = b'{"include_usage":true}'


@pytest.mark.parametrize("sent, seen", [
    (b'{"model":"m","stream":true}', b'{"model":"m","stream":true,"stream_options":' + USAGE + b"}"),
    (b'{"stream":true,"model":"m" } ', b'{"stream":true,"model":"m" ,"stream_options":' + USAGE + b"} "),
    (b'{"stream_options":null,"stream":true,"model":"m"}', b'{"stream_options":' + USAGE + b',"stream":true,"model":"m"}'),
    (b'{"stream_options":{ },"stream":true,"model":"m"}', b'{"stream_options":{"include_usage":true },"stream":true,"model":"m"}'),
    (b'{"stream_options":{"x":1},"stream":true,"model":"m"}',
     b'{"stream_options":{"include_usage":true,"x":1},"stream":true,"model":"m"}'),
    (b'{"stream_options":{"include_usage" : false},"stream":true,"model":"m"}',
     b'{"stream_options":{"include_usage" : true},"stream":true,"model":"m"}'),
    (b'{"stream_options":{"include_usage":null},"stream":true,"model":"m"}',
     b'{"stream_options":{"include_usage":true},"stream":true,"model":"m"}'),
    (b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}', None),
    (b'{"model":"m","stream":false}', None), (b'{"model":"m","stream_options":{"include_usage":true}}', None),
])
@pytest.mark.parametrize("path", ["chat/completions", "completions"])
def test_usage_is_asked_for(shared_gate, shared_mock, path, sent, seen):
    fields = b',"messages":[],"prompt":""'
    sent, seen = (b and b.replace(b'"model":"m"', b'"model":"m"' + fields) for b in (sent, seen))
    answer = shared_gate.post(f"/v1/{path}", sent)
    assert answer.status == 200
    assert shared_mock.requests()[0]["body"].encode() == (seen or sent)
    assert shared_gate.exchange(request_id=answer.get("x-request-id"))["completion_tokens"] == 16
    if b'"stream":true' in sent:
        events = [json.loads(e) for e in answer.events()[:-1]]
        assert answer.events()[-1] == "[DONE]"
        assert any(e.get("usage") for e in events) == (seen is None)
        assert all(e["choices"] for e in events) == (seen is not None)


def test_embeddings_are_not_asked_for_usage(shared_gate, shared_mock):
    body = b'{"model":"m","input":"x","stream":true}'
    shared_gate.post("/v1/embeddings", body)
    assert shared_mock.requests()[0]["body"].encode() == body


def test_stream_without_usage_upstream(shared_gate):
    answer = shared_gate.chat(stream=True, mock={"no_usage": True})
    assert answer.events()[-1] == "[DONE]"
    line = shared_gate.exchange(request_id=answer.get("x-request-id"))
    assert (line["completion_tokens"], line["usage"]) == (16, "estimated")


def test_usage_that_comes_unasked_is_left_in_when_it_has_choices(processes):
    """Runtimes that put usage into every chunk: those have choices, and pass."""
    chunks = [{"choices": [{"index": 0, "delta": {"content": "a"}}], "usage": {"prompt_tokens": 1, "completion_tokens": n}}
              for n in range(3)]
    stream = "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + "data: [DONE]\n\n"
    gate = processes.gate(canned(processes, sse(stream.encode())))
    answer = gate.chat(stream=True)
    assert answer.body == stream.encode()


# --- answers ---


@pytest.mark.parametrize("body", [
    b'{"choices":[],"odd":  1.0,"x":"\\u00e4"}\n', b"", b"not json at all", b"\x00\xff" * 1000,
    b'{"usage":{"prompt_tokens":5,"completion_tokens":7}}',
    b'{"usage":' * 500, b'{"usage":}}}}', b'"usage"', b"x" * 3_000_000])
def test_an_answer_passes_as_it_is(processes, body):
    gate = processes.gate(canned(processes, whole(body)))
    answer = gate.chat()
    assert (answer.status, answer.body) == (200, body)
    assert answer.get("content-length") == str(len(body))


@pytest.mark.parametrize("first", [True, False])
def test_usage_of_a_large_answer(processes, first):
    usage = {"usage": {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3}}}
    text = {"text": "x" * 100_000}
    body = json.dumps({**usage, **text} if first else {**text, **usage}).encode()
    gate = processes.gate(canned(processes, whole(body)))
    answer = gate.chat()
    assert answer.body == body
    line = gate.exchange(request_id=answer.get("x-request-id"))
    assert (line["prompt_tokens"], line["completion_tokens"], line["cached_tokens"]) == (5, 7, 3)
    until(lambda: gate.metric("hostler_completion_tokens_total", model="m") == 7, "they are counted")


@pytest.mark.parametrize("size", [1, 3, 50, None])
def test_a_stream_passes_as_it_is(processes, size):
    body = ('data: {"a":"ä"}\n\n: comment\n\nevent: x\ndata: 1\ndata: 2\n\nid: 7\r\ndata: crlf\r\n\r\ndata:tight\n\n\n'
            'retry: 5\n\ndata: {"choices":[],"usage":null}\n\ndata: [DONE]\n\n').encode()
    gate = processes.gate(canned(processes, sse(body, size)))
    answer = gate.chat(stream=True)
    assert answer.body == body.replace(b',"usage":null', b"")  # of our asking
    answer = gate.chat(stream=True, stream_options={"include_usage": True})
    assert answer.body == body
    assert answer.get("content-type") == "text/event-stream"


def test_a_huge_event_passes(processes):
    body = b'data: {"x":"' + b"y" * 3_000_000 + b'"}\n\ndata: [DONE]\n\n'
    gate = processes.gate(canned(processes, sse(body, 60_000)))
    assert gate.chat(stream=True).body == body


@pytest.mark.parametrize("status", [200, 201, 400, 404, 409, 422, 499, 500, 503])
def test_statuses_pass(processes, status):
    body = b'{"error":{"message":"mine","type":"t","param":null,"code":"c"}}'
    gate = processes.gate(canned(processes, whole(body, status=b"%d Whatever" % status)))
    answer = gate.chat()
    assert (answer.status, answer.body) == (status, body)


def test_no_content(processes):
    gate = processes.gate(canned(processes, [b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"]))
    with gate.connect() as conn:
        for _ in range(2):
            conn.request("POST", "/v1/chat/completions", chat_body())
            assert conn.response().status == 204


def test_an_answer_until_close(processes):
    gate = processes.gate(canned(processes, [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b'{"a":1}']))
    assert gate.chat().body == b'{"a":1}'


def test_interim_answers_are_skipped(processes):
    gate = processes.gate(canned(processes, [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"] + whole(b"{}")))
    answer = gate.chat()
    assert (answer.status, answer.body, answer.get("link")) == (200, b"{}", None)


def test_an_upstreams_401_is_not_the_clients(processes):
    gate = processes.gate(canned(processes, whole(b'{"error":"bad key sk-upstream"}', status=b"401 Unauthorized")))
    answer = gate.chat()
    assert answer.status == 502
    assert answer.error()["code"] == "upstream_error" and b"sk-upstream" not in answer.body


@pytest.mark.parametrize("answer", [
    b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 5000 + b"\r\n",
    b"\x00" * 100, b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"])
def test_nonsense_from_upstream(processes, answer):
    gate = processes.gate(canned(processes, [answer]))
    reply = gate.chat()
    assert reply.status == 502 and reply.error()["type"] == "server_error"
    gate.idle()


def test_bytes_after_an_answer_taint_the_connection(processes):
    seen = []
    gate = processes.gate(canned(processes, whole(b"{}") + [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!"], seen), threads=1)
    for _ in range(5):
        answer = gate.chat()
        assert (answer.status, answer.body) == (200, b"{}")
    assert len(seen) == 5


# --- headers ---


def test_headers_to_the_runtime(start_gate, mock, processes):
    gate = start_gate([model_of(mock, key="sk-upstream-0123456789")], keys=[{"name": "k", "key": "sk-client-0123456789"}])
    gate.secrets += ["sk-upstream-0123456789", "sk-client-0123456789"]
    answer = gate.chat(headers=[
        ("Authorization", "Bearer sk-client-0123456789"), ("X-Api-Key", "sk-client-0123456789"), ("api-key", "sk-client-0123456789"),
        ("Cookie", "session=sk-client-0123456789"), ("Connection", "keep-alive, X-Secret-Hop"), ("X-Secret-Hop", "1"), ("Keep-Alive", "x"),
        ("TE", "trailers"), ("Trailer", "x"), ("Upgrade", "websocket"), ("Proxy-Authorization", "Basic eDp5"), ("Proxy-Connection", "x"),
        ("Accept-Encoding", "gzip"), ("OpenAI-Beta", "assistants=v2"), ("X-Custom", "kept"), ("User-Agent", "test/1"),
        ("Content-Type", "application/json"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")])
    assert answer.status == 200
    headers = [(k.lower(), v) for k, v in mock.requests()[0]["headers"]]
    names = [k for k, _ in headers]
    assert len(names) == len(set(names))
    assert set(names) == {"host", "openai-beta", "x-custom", "user-agent", "content-type", "traceparent", "x-request-id", "authorization",
                          "content-length", "accept-encoding", "via"}
    assert dict(headers)["accept-encoding"] == "identity"
    assert dict(headers)["authorization"] == "Bearer sk-upstream-0123456789"
    assert dict(headers)["host"] == f"127.0.0.1:{mock.address}"
    assert "sk-client" not in json.dumps(mock.requests())


def test_a_clients_key_is_not_passed_even_without_keys(shared_gate, shared_mock):
    assert shared_gate.chat(headers={"Authorization": "Bearer sk-client-0123456789"}).status == 200
    assert "sk-client" not in json.dumps(shared_mock.requests())


def test_headers_to_the_client(processes):
    headers = (b"Connection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Request-Id: theirs\r\nServer: vllm\r\n"
               b"openai-processing-ms: 12\r\nx-ratelimit-remaining-tokens: 7\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTrailer: x\r\n")
    gate = processes.gate(canned(processes, whole(b"{}", headers)))
    answer = gate.chat(headers={"X-Request-Id": "ours"})
    names = [k for k, _ in answer.headers]
    assert len(names) == len(set(names))
    assert answer.get("x-request-id") == "ours"
    assert answer.get("openai-processing-ms") == "12" and answer.get("x-ratelimit-remaining-tokens") == "7"
    assert not set(names) & {"connection", "x-hop", "keep-alive", "proxy-authenticate", "upgrade", "trailer", "transfer-encoding", "server"}


CLAIMS = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Client-Cert", "Forwarded", "X-Real-IP", "X-SSL-Client-Verify", "X-Client-Cert",
          "X-Auth-Request-User", "X-Remote-User", "Remote-User", "True-Client-IP", "CF-Connecting-IP", "X-Original-URL",
          "X-HTTP-Method-Override", "Origin", "Referer", "Sec-Fetch-Site", "Cookie"]


def test_what_browsers_and_proxies_say_stays_here(shared_gate, shared_mock):
    headers = [(name, "http://localhost") for name in CLAIMS] + [("X-Title", "mine"), ("X-Stainless-Lang", "c"), ("Accept", "*/*")]
    assert shared_gate.chat(headers=headers).status == 200
    names = {k.lower() for k, _ in shared_mock.requests()[0]["headers"]}
    assert not names & {name.lower() for name in CLAIMS}
    assert {"x-title", "x-stainless-lang", "accept"} <= names


def test_what_only_the_runtimes_own_clients_need_stays_here(processes):
    kept = [b"Retry-After: 1", b"X-Custom: 1", b"Cache-Control: max-age=9", b"request-id: 2", b"RateLimit-Policy: 5"]
    lost = [b"Set-Cookie: a=b", b"Alt-Svc: h3", b"Strict-Transport-Security: x", b"Public-Key-Pins: x", b"NEL: x", b"Report-To: x",
            b"Clear-Site-Data: x", b"Location: http://10.0.0.5/", b"Access-Control-Allow-Origin: *", b"X-Accel-Redirect: /secret",
            b"X-Sendfile: /etc/passwd", b"X-Powered-By: x", b"Via: 1.1 x", b"WWW-Authenticate: Basic", b"Refresh: 1"]
    gate = processes.gate(canned(processes, whole(b"{}", b"".join(line + b"\r\n" for line in kept + lost))))
    names = {k for k, _ in gate.chat().headers}
    assert {line.decode().split(":")[0].lower() for line in kept} <= names
    assert not {line.decode().split(":")[0].lower() for line in lost} & names


def test_streams_tell_proxies_not_to_gather_them(processes):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: max-age=60\r\nX-Accel-Buffering: yes\r\n"
    body = b"data: [DONE]\n\n"
    gate = processes.gate(canned(processes, [head + b"Content-Length: %d\r\n\r\n" % len(body) + body]))
    headers = gate.chat(stream=True).headers
    assert [v for k, v in headers if k == "cache-control"] == ["no-cache, no-transform"]
    assert [v for k, v in headers if k == "x-accel-buffering"] == ["no"]


def test_a_base_path_is_kept(processes, start_gate):
    seen = []
    url = canned(processes, whole(b"{}"), seen)[:-len("/v1")]
    gate = start_gate([model_of(f"{url}/some/base", name="m"), model_of(url, name="n"), model_of(f"{url}/v1/", name="o")])
    for name in "mno":
        gate.chat(model=name)
    assert [head.split()[1] for head, _ in seen] == [b"/some/base/chat/completions", b"/v1/chat/completions",
                                                     b"/v1/chat/completions"]
