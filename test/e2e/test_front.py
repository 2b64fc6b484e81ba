# SPDX-License-Identifier: Apache-2.0
"""The page at /: for people, for programs, and for clients that look whether anybody is there."""

import html.parser

import pytest

from harness import model_of, until

KEY = "sk-one-0123456789"
HTML = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")]
JSON = [("accept", "application/json")]
NASTY = """<img src=x onerror=alert(1)> "Llama" & 'co' """.strip()


class Page(html.parser.HTMLParser):
    """What a browser would make of it: elements, their attributes, and text."""

    def __init__(self, answer):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(answer.body.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def test_people_see_what_runs_and_how_to_call_it(processes, mock):
    gate = processes.gate([model_of(mock, name="falcon"), {"name": "gone", "endpoints": [{"url": "http://127.0.0.1:1/v1", "kind": "vllm"}]}])

    def refused():  # how long a runtime is left alone depends on how often it failed
        gate.chat(model="gone")
        page = gate.get("/", headers=HTML, host=f"127.0.0.1:{gate.address}")
        return page if "cannot be reached" in page.body.decode() else None

    answer = until(refused, "the page says that one is gone")
    assert answer.status == 200 and answer.get("content-type") == "text/html; charset=utf-8"
    page = Page(answer)
    for text in ("falcon", "ready", "gone", "vllm", f"http://127.0.0.1:{gate.address}/v1/chat/completions", f'base_url="http://127.0.0.1:{gate.address}/v1"',
                 'model="falcon"', "ANTHROPIC_BASE_URL=", "OLLAMA_HOST=", "hostler chat --url", "127.0.0.1:1: cannot be reached"):
        assert text in page.text, text
    assert "Bearer" not in page.text and KEY not in page.text


def test_nothing_foreign_is_loaded_and_nothing_runs(processes, mock):
    answer = processes.gate(mock).get("/", headers=HTML)
    policy = answer.get("content-security-policy")
    page = Page(answer)
    nonce = dict(page.attributes)["nonce"]
    assert f"default-src 'none'; style-src 'nonce-{nonce}'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert answer.get("x-content-type-options") == "nosniff" and answer.get("cache-control") == "no-store"
    assert "script" not in page.tags and not [v for n, v in page.attributes if n.startswith("on")]
    links = [v for n, v in page.attributes if n in ("href", "src")]
    assert all(link.startswith(("/", "data:")) and not link.startswith("//") for link in links), links
    assert dict(Page(processes.gate(mock).get("/", headers=HTML)).attributes)["nonce"] != nonce


def test_text_from_elsewhere_stays_text(processes, mock):
    gate = processes.gate([model_of(mock, name=NASTY)])
    page = Page(gate.get("/", headers=HTML))
    assert "img" not in page.tags and page.text.count(NASTY) == 1
    named = gate.ask("GET", "/", headers=HTML, host="localhost\"><script>alert(1)</script>")
    assert b"<script>" not in named.body


def test_what_is_to_be_pasted_has_no_command_in_it(processes, mock):
    nasty = ["'; touch pwned; '", "$(touch pwned)", "`touch pwned`", "a\\", 'b"', "c!d", "e; touch pwned"]
    gate = processes.gate([model_of(mock, name=name) for name in nasty])
    shown = Page(gate.get("/", headers=HTML)).text
    assert all(shown.count(name) == 1 for name in nasty[:-1])  # in the list of models
    assert shown.count(nasty[-1]) == 1 and "claude --model 'MODEL'" in shown
    gate = processes.gate([model_of(mock, name=name) for name in (*nasty, "org/llama-3.1:8b")], keys=[{"name": "me", "key": KEY}])
    named = gate.ask("GET", "/", headers=[*HTML, ("authorization", f"Bearer {KEY}")], host="x$(pwned).example.org")
    shown = Page(named).text
    assert "x$(" not in shown and "curl http://HOST:PORT/v1" in shown and "claude --model 'org/llama-3.1:8b'" in shown


def test_programs_get_json_and_others_a_line(processes, mock):
    gate = processes.gate([model_of(mock, name="falcon", aliases=["l"])])
    told = gate.get("/", headers=JSON).json()
    assert told["name"] == "hostler" and told["ready"] is True and told["key_required"] is False
    assert told["models"] == [{"id": "falcon", "ready": True}] and told["apis"]["openai"] == "/v1"
    assert gate.get("/").body == b"Hostler is running"
    assert gate.ask("HEAD", "/").status == 200


def test_with_keys_strangers_learn_nothing_of_models(processes, mock):
    gate = processes.gate([model_of(mock, name="falcon"), model_of(mock, name="secret-project")], keys=[{"name": "one", "key": KEY, "models": ["falcon"]}])
    stranger = gate.get("/", headers=HTML)
    assert stranger.status == 200 and b"falcon" not in stranger.body and b"secret-project" not in stranger.body
    assert "Who has a key sees them" in Page(stranger).text and "Authorization: Bearer $HOSTLER_KEY" in Page(stranger).text
    told = gate.get("/", headers=JSON).json()
    assert told["key_required"] is True and "models" not in told
    known = [("authorization", f"Bearer {KEY}")]
    assert [m["id"] for m in gate.get("/", headers=JSON + known).json()["models"]] == ["falcon"]
    page = gate.get("/", headers=HTML + known)
    assert b"falcon" in page.body and b"secret-project" not in page.body and KEY.encode() not in page.body


def test_a_foreign_site_sees_nothing(processes, mock):
    gate = processes.gate(mock)
    answer = gate.get("/", headers=HTML, host="rebound.example")
    assert answer.status == 403 and b"<html" not in answer.body


@pytest.mark.parametrize("count, told", [(0, "None yet."), (203, "And 3 more:")])
def test_few_and_many_models(processes, mock, count, told):
    gate = processes.gate([model_of(mock, name=f"m{i}") for i in range(count)])
    assert told in Page(gate.get("/", headers=HTML)).text
