# SPDX-License-Identifier: Apache-2.0
"""Web pages as clients, and proxies in front: over real sockets, as a browser or a proxy would ask."""

import re
import socket
import struct
import time

import pytest

from harness import Processes, chat_body, model_of

LOCAL, APP, EVIL = "http://localhost:5173", "https://app.example.com", "https://evil.example"
KEY = "sk-one-0123456789"
KEYS = [{"name": "one", "key": KEY}]


@pytest.fixture(scope="module")
def keyed():
    """A gateway with a key that pages of two origins may call."""
    started = Processes()
    yield started.gate(started.mock(), keys=KEYS, cors={"origins": [APP, "https://*.example.net"]})
    started.stop()


def bearer(key):
    return [("Authorization", f"Bearer {key}")]


def origin(value, more=()):
    return [("Origin", value), *more]


def preflight(gate, page, path="/v1/chat/completions", headers="authorization,content-type", more=()):
    return gate.ask("OPTIONS", path, headers=origin(page, [("Access-Control-Request-Method", "POST"),
                                                           ("Access-Control-Request-Headers", headers), *more]))


def readable(answer):
    """What a browser would let the page do: read it, and which headers besides the few that it always sees."""
    exposed = {name.strip().lower() for name in (answer.get("access-control-expose-headers") or "").split(",")}
    assert answer.get("access-control-allow-credentials") is None
    return answer.get("access-control-allow-origin"), exposed


# --- without keys ---


def test_a_local_page_may_call(shared_gate, shared_mock):
    answer = preflight(shared_gate, LOCAL)
    assert answer.status == 204 and answer.body == b""
    assert answer.get("access-control-allow-origin") == LOCAL
    assert answer.get("access-control-allow-headers") == "authorization,content-type"
    assert "POST" in answer.get("access-control-allow-methods")
    assert int(answer.get("access-control-max-age")) > 60
    assert answer.get("vary") == "Origin"
    assert shared_mock.stats()["requests"] == 0
    answer = shared_gate.chat(headers=origin(LOCAL))
    allowed, exposed = readable(answer)
    assert answer.status == 200 and allowed == LOCAL and "x-request-id" in exposed


@pytest.mark.parametrize("page", ["app://obsidian.md", "tauri://localhost", "vscode-webview://0a1b", "chrome-extension://abcdef",
                                  "http://127.0.0.1:3000", "http://[::1]:3000", "http://ui.localhost"])
def test_local_programs_may_call(shared_gate, page):
    assert preflight(shared_gate, page).get("access-control-allow-origin") == page
    assert readable(shared_gate.chat(headers=origin(page)))[0] == page


@pytest.mark.parametrize("page", [EVIL, "null", "http://localhost.evil.example", "http://0.0.0.0:3000", "http://192.168.1.5:3000"])
def test_no_other_page_gets_anything_done(shared_gate, shared_mock, page):
    for answer in (preflight(shared_gate, page), shared_gate.chat(headers=origin(page)),
                   shared_gate.post("/api/chat", chat_body(), origin(page)), shared_gate.get("/metrics", headers=origin(page))):
        assert answer.status == 403
        assert not [name for name, _ in answer.headers if name.startswith("access-control")]
    assert shared_mock.stats()["requests"] == 0


def test_streams_and_errors_can_be_read(shared_gate, start_gate, start_mock):
    with shared_gate.connect() as conn:
        answer = conn.open_stream("/v1/chat/completions", chat_body(stream=True), origin(LOCAL))
        assert readable(answer)[0] == LOCAL
        assert conn.event()
    for path, body, status in (("/v1/chat/completions", "{", 400), ("/v1/chat/completions", chat_body(model="x"), 404), ("/v1/no", "{}", 404),
                               ("/v1/models", "{}", 405), ("/api/chat", "{", 400), ("/v1/messages", "{", 400)):
        answer = shared_gate.post(path, body, origin(LOCAL))
        assert (answer.status, readable(answer)[0]) == (status, LOCAL)
    gate = start_gate(start_mock("--status", 429))
    allowed, exposed = readable(gate.chat(headers=origin(LOCAL)))
    assert allowed == LOCAL and "x-request-id" in exposed


def test_what_breaks_http_can_be_read(shared_gate):
    for head, status in ((b"Expect: x", 417), (b"X: " + b"x" * 70000, 431), (b"Transfer-Encoding: gzip", 501), (b"broken", 400)):
        with shared_gate.connect() as conn:
            conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: " + LOCAL.encode() + b"\r\n" + head + b"\r\n\r\n")
            answer = conn.response()
            assert (answer.status, readable(answer)[0]) == (status, LOCAL)


def test_private_networks_are_allowed_where_asked_for(shared_gate):
    asked = [("Access-Control-Request-Private-Network", "true")]
    assert preflight(shared_gate, LOCAL, more=asked).get("access-control-allow-private-network") == "true"
    assert preflight(shared_gate, LOCAL).get("access-control-allow-private-network") is None
    assert preflight(shared_gate, EVIL, more=asked).get("access-control-allow-private-network") is None


def test_a_page_may_be_configured_without_keys(start_gate, mock):
    gate = start_gate(mock, cors={"origins": [APP]})
    assert readable(gate.chat(headers=origin(APP)))[0] == APP
    assert readable(gate.chat(headers=origin(LOCAL)))[0] == LOCAL
    assert gate.chat(headers=origin(EVIL)).status == 403
    assert gate.get("/v1/models", headers=origin(APP), host="evil.example").status == 403


# --- with keys ---


def test_a_configured_page_may_call(keyed):
    for page in (APP, "https://x.example.net"):
        assert preflight(keyed, page).status == 204
        assert preflight(keyed, page).get("access-control-allow-origin") == page
        assert readable(keyed.chat(headers=origin(page, bearer(KEY))))[0] == page
        answer = keyed.chat(headers=origin(page))
        assert answer.status == 401 and readable(answer)[0] == page


@pytest.mark.parametrize("page", [EVIL, "null", LOCAL, "app://x", "https://a.b.example.net", "http://app.example.com"])
def test_no_other_page_can_read(keyed, page):
    answer = preflight(keyed, page)
    assert not [name for name, _ in answer.headers if name.startswith("access-control")]
    assert answer.get("vary") == "Origin"
    answer = keyed.chat(headers=origin(page, bearer(KEY)))
    assert answer.status == 200 and readable(answer) == (None, {""})


def test_every_page_where_keys_decide(start_gate, mock):
    gate = start_gate(mock, keys=KEYS, cors={"origins": ["*"]})
    assert preflight(gate, EVIL).get("access-control-allow-origin") == "*"
    assert readable(gate.chat(headers=origin(EVIL, bearer(KEY))))[0] == "*"
    assert gate.chat(headers=origin(EVIL)).status == 401


def test_a_reload_changes_who_may_read(start_gate, mock):
    gate = start_gate(mock, keys=KEYS)
    config = {"listen": "127.0.0.1:0", "models": [model_of(mock)], "keys": KEYS}
    assert preflight(gate, APP).get("access-control-allow-origin") is None
    gate.reload({**config, "cors": {"origins": [APP]}})
    assert preflight(gate, APP).get("access-control-allow-origin") == APP


# --- a UNIX socket, behind which there may be a proxy ---


def test_pages_by_a_socket(processes, mock):
    gate = processes.gate(mock, listen=f"unix:{processes.folder}/s")
    assert gate.get("/v1/models", host="llm.example.org").status == 200
    own = origin("https://llm.example.org")
    assert gate.ask("POST", "/v1/chat/completions", chat_body(), own, host="llm.example.org").status == 200
    assert gate.ask("POST", "/v1/chat/completions", chat_body(), own, host="other.example.org").status == 403
    assert gate.ask("POST", "/v1/chat/completions", chat_body(), origin(EVIL), host="llm.example.org").status == 403


# --- proxies in front ---


def client_of(gate, headers):
    answer = gate.chat(headers=headers)
    line = gate.exchange(request_id=answer.get("x-request-id"))
    assert line["peer"].startswith("127.0.0.1:") or line["peer"] == "unix"
    return line.get("client"), line.get("secure", False)


def test_a_trusted_proxy_is_believed(start_gate, mock):
    gate = start_gate(mock, trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"])
    told = [("X-Forwarded-For", "198.51.100.9, 203.0.113.7, 10.1.1.1"), ("X-Forwarded-Proto", "https")]
    assert client_of(gate, told) == ("203.0.113.7", True)
    assert client_of(gate, [("Forwarded", 'for="[2001:db8::7]:4711";proto=https, for=10.1.1.1')]) == ("2001:db8::7", True)
    assert client_of(gate, [("X-Forwarded-For", "203.0.113.7, unknown")]) == (None, False)
    assert client_of(gate, told + [("Forwarded", "for=198.51.100.9")]) == (None, False)
    assert client_of(gate, []) == (None, False)
    for request in mock.requests():
        sent = " ".join(f"{name}: {value}" for name, value in request["headers"]).lower()
        assert "forwarded" not in sent and "203.0.113.7" not in sent and "10.1.1.1" not in sent


def test_nobody_else_is_believed(start_gate, mock):
    told = [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https"), ("Forwarded", "for=203.0.113.7;proto=https"),
            ("X-Forwarded-Host", "evil.example")]
    for settings in ({}, {"trusted_proxies": ["192.0.2.0/24", "unix"]}):
        assert client_of(start_gate(mock, **settings), told) == (None, False)


def test_a_proxy_by_a_socket(processes, mock):
    gate = processes.gate(mock, listen=f"unix:{processes.folder}/s", trusted_proxies=["unix"])
    assert client_of(gate, [("X-Forwarded-For", "203.0.113.7")]) == ("203.0.113.7", False)


def test_the_host_that_a_proxy_was_asked_for_counts(start_gate, mock):
    gate = start_gate(mock, trusted_proxies=["127.0.0.1"], hosts=["llm.example.org"])
    assert gate.chat(headers=[("X-Forwarded-Host", "llm.example.org")]).status == 200
    assert gate.chat(headers=[("X-Forwarded-Host", "evil.example")]).status == 403
    assert gate.get("/v1/models", headers=[("X-Forwarded-Host", "localhost")], host="evil.example").status == 403


# --- the PROXY protocol ---


def proxy_header(source="203.0.113.9", port=4444, version=b"\x21"):
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", port, 8080)
    return b"\r\n\r\n\0\r\nQUIT\n" + version + b"\x11" + struct.pack("!H", len(addresses)) + addresses


REQUEST = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


def talk(gate, *pieces):
    """What comes back when these pieces are sent one after the other."""
    with socket.create_connection(("127.0.0.1", gate.address), 10) as s:
        for piece in pieces:
            s.sendall(piece)
            time.sleep(0.02)
        got = b""
        while more := s.recv(4096):
            got += more
    return got


def peer_of(gate, answer):
    request_id = re.search(rb"x-request-id: (\S+)", answer).group(1).decode()
    return gate.exchange(request_id=request_id)["peer"]


def test_a_trusted_proxy_introduces_its_client(start_gate, mock):
    gate = start_gate(mock, trusted_proxies=["127.0.0.1"])
    header = proxy_header()
    for pieces in ((header + REQUEST,), (header[:5], header[5:20], header[20:] + REQUEST), (header, REQUEST[:9], REQUEST[9:])):
        answer = talk(gate, *pieces)
        assert answer.startswith(b"HTTP/1.1 200") and peer_of(gate, answer) == "203.0.113.9:4444"
    answer = talk(gate, REQUEST)
    assert answer.startswith(b"HTTP/1.1 200") and peer_of(gate, answer).startswith("127.0.0.1:")
    assert talk(gate, proxy_header(version=b"\x99") + REQUEST) == b""


def test_nobody_else_introduces_anybody(shared_gate):
    assert talk(shared_gate, proxy_header() + REQUEST).startswith(b"HTTP/1.1 400")
