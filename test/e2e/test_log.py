# SPDX-License-Identifier: Apache-2.0
"""What the log says of requests and runtimes, at which level, and what it leaves out."""

import json
import pathlib
import re

import pytest

from harness import canned, config_of, free_port, model_of, until, whole
from test_engine import ask, engine_model


def test_probes_are_no_news(start_gate):
    """Not even those that are answered that nothing is ready."""
    models = [model_of(f"http://127.0.0.1:{free_port()}/v1")]
    gate = start_gate(models, health={"failures": 1})
    gate.chat()
    assert gate.get("/readyz").status == 503
    assert (gate.get("/healthz").status, gate.get("/metrics").status) == (200, 200)
    last = gate.get("/v1/models").get("x-request-id")
    gate.exchange(request_id=last)
    assert [line["route"] for line in gate.exchanges()] == ["chat", "models"]
    gate.reload(config_of(models, log={"level": "debug"}, health={"failures": 1}))
    gate.get("/readyz")
    assert gate.exchange(route="readyz")["level"] == "debug"


def test_a_scrape_without_a_key_is_news(start_gate, mock):
    gate = start_gate([model_of(mock)], keys=[{"name": "ann", "key": "sk-ann-0123456789"}])
    assert gate.get("/metrics").status == 401
    assert gate.exchange(route="metrics")["level"] == "info"


def test_what_is_not_served_is_told_with_its_path(gate):
    gate.get("/v2/chat?key=secret")
    line = gate.exchange(route="unknown")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v2/chat", 404)
    gate.ask("PUT", "/v1/chat/completions?key=secret")
    line = gate.exchange(status=405)
    assert (line["method"], line["path"], line["route"]) == ("PUT", "/v1/chat/completions", "chat")
    gate.get("/" + "x" * 5000)
    line = until(lambda: [l for l in gate.exchanges(route="unknown") if l["path"].startswith("/x")], "it is logged")[0]
    assert line["path"] == "/" + "x" * 199
    gate.chat()
    assert "path" not in gate.exchange(status=200)
    assert "secret" not in gate.errors()


def test_a_model_that_is_not_there_is_named(gate):
    gate.chat(model="no\nne")
    assert gate.exchange(code="model_not_found", route="chat")["model_asked"] == "no\nne"
    gate.get("/v1/models/nobody")
    assert gate.exchange(route="model")["model_asked"] == "nobody"
    gate.post("/api/show", {"model": "nothing"})
    assert gate.exchange(route="ollama_show")["model_asked"] == "nothing"
    gate.chat(model="é" * 500)
    line = until(lambda: [l for l in gate.exchanges(route="chat") if l["model_asked"].startswith("é")], "it is logged")[0]
    assert line["model_asked"] == "é" * 100
    assert all("model" not in line for line in gate.exchanges())


def test_a_model_that_a_key_may_not_use_is_named(start_gate, mock):
    gate = start_gate([model_of(mock), model_of(mock, name="n")], keys=[{"name": "ann", "key": "sk-ann-0123456789", "models": ["n"]}])
    gate.chat(headers={"Authorization": "Bearer sk-ann-0123456789"})
    line = gate.exchange(code="model_not_allowed")
    assert (line["model_asked"], line["key"]) == ("m", "ann")


@pytest.mark.parametrize(("error", "word"), [
    ({"message": "canary", "type": "invalid_request_error", "code": "context_length_exceeded"}, "context_length_exceeded"),
    ({"message": "canary", "type": "BadRequestError", "code": 400}, "BadRequestError"),
    ({"message": "canary", "type": "the canary said", "code": "sk-canary-1234"}, None),
    ({"message": "canary", "type": "x" * 65, "code": None}, None),
    ("canary", None),
])
def test_why_a_runtime_refuses(processes, error, word):
    """By its own name for that, and nothing of what it says."""
    answer = whole(json.dumps({"error": error}).encode(), status=b"400 Bad Request")
    gate = processes.gate([model_of(canned(processes, answer))])
    gate.secrets.append("canary")
    assert gate.chat().status == 400
    line = gate.exchange(outcome="upstream_status")
    assert line.get("upstream_error") == word and line["result"] == "refused"
    assert "canary" not in gate.errors()


def test_how_the_last_attempt_ended(gate):
    """As in the metrics and in docs/failures.md."""
    gate.chat(mock={"status": 500})
    assert gate.exchange(status=500)["result"] == "status_5xx"
    gate.chat()
    assert "result" not in gate.exchange(status=200)


def test_cooldowns_begin_and_end(start_gate, start_mock):
    mock = start_mock()
    gate = start_gate([model_of(mock)], health={"failures": 1, "cooldown": "1s"})
    port = mock.address
    mock.stop()
    assert gate.chat().status in (502, 503)
    def health():
        return [line for line in gate.log() if line["event"] == "endpoint_health"]
    [line] = until(health, "its cooldown is logged")
    assert (line["level"], line["state"], line["model"], line["endpoint"]) == ("warn", "cooling", "m", "e0") and line["reason"]
    start_mock(listen=f"127.0.0.1:{port}")
    until(lambda: len(health()) == 2, "its end is logged", 20)
    assert (health()[1]["level"], health()[1]["state"]) == ("info", "up")


def test_levels(start_gate, mock):
    """warn: we or a runtime failed, be it in the middle of an answer; info: all else."""
    gate = start_gate([model_of(mock), model_of(f"http://127.0.0.1:{free_port()}/v1", name="gone")])
    asked = {"ok": gate.chat(), "gone": gate.chat(model="gone"), "none": gate.chat(model="none"), "said": gate.chat(mock={"status": 500}),
             "cut": gate.chat(stream=True, mock={"die_after": 1})}
    levels = {name: gate.exchange(request_id=answer.get("x-request-id"))["level"] for name, answer in asked.items()}
    assert levels == {"ok": "info", "gone": "warn", "none": "info", "said": "warn", "cut": "warn"}


def test_one_line_of_a_request_with_an_own_engine(processes):
    models = [engine_model(processes)]
    gate = processes.gate(models)
    first = ask(gate).get("x-request-id")
    gate.exchange(request_id=first)
    gate.reload(config_of(models, log={"level": "debug"}))
    second = ask(gate).get("x-request-id")
    line = until(lambda: [line for line in gate.log() if line["event"] == "engine_answer"], "the engine's line is there at debug")
    assert [l["request_id"] for l in line] == [second] and line[0]["level"] == "debug"
    assert gate.exchange(request_id=second)["outcome"] == "ok"


def test_text_has_what_matters_first(start_gate, mock):
    gate = start_gate(mock, log={"format": "text"}, wait=False)
    gate.address = int(gate.started_line(gate.errors, r"http://127\.0\.0\.1:(\d+)").group(1))
    gate.log = list
    identifier = gate.chat().get("x-request-id")
    line = until(lambda: re.search(r".* exchange .*", gate.errors()), "it is logged")[0]
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} INFO  exchange  route=chat status=200 outcome=ok model=m ", line)
    assert re.search(rf" bytes_in=\d+ bytes_out=\d+ peer=\S+ request_id={identifier}$", line)
    assert "\x1b" not in line


# --- docs/logs.md ---

ROOT = pathlib.Path(__file__).resolve().parents[2]


def sources(below="src"):
    return [(path, path.read_text()) for path in sorted((ROOT / below).rglob("*.c"))]


def events_logged(text):
    """Event and level of all calls that begin a line, where they are words in the source."""
    begun = re.findall(r"(?:log_begin\(&?\w+|log_note\(|node__log_problems\()[^;\"]*?((?:LOG_\w+[^;\"]*?)+),\s*\"(\w+)\"", text)
    return {(event, level.lower()) for levels, event in begun for level in re.findall(r"LOG_(DEBUG|INFO|WARN|ERROR)", levels)}


def tables(heading):
    """The rows below a heading of the page, as lists of cells."""
    page = (ROOT / "docs/logs.md").read_text()
    part = re.split(r"\n#+ ", page.partition(f"\n{heading}\n")[2])[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in part.splitlines() if line.startswith("| `")]


def words(cell):
    return re.findall(r"`(\w+)`", cell)


def test_the_page_has_each_event_with_its_levels():
    source = {pair for _, text in sources() for pair in events_logged(text)}
    # Those whose event or level is no word where they begin.
    source |= {("exchange", "debug"), ("exchange", "info"), ("exchange", "warn"), ("endpoint_health", "info"), ("endpoint_health", "warn"),
               ("started", "info"), ("reload", "info"), ("embeddings", "info"), ("rerank", "info")}
    page = {(word, level) for cells in tables("## Events") for word in words(cells[0]) for level in cells[1].split(", ")}
    assert page == source


def test_the_page_has_each_field():
    calls = re.compile(r"log_(?:str|cstr|u64|i64|bool|phase)\(\s*&?\w+,\s*\"(\w+)\"")
    source = {field for _, text in sources() for field in calls.findall(text)} | {"time", "level", "event", "truncated"}
    assert {word for cells in tables("## Fields") for word in words(cells[0])} == source


def test_the_page_has_each_outcome():
    source = re.findall(r'^OUTCOME\(\w+, "(\w+)"\)', (ROOT / "src/gate/outcome.def").read_text(), re.M)
    assert [word for cells in tables("### Outcomes") for word in words(cells[0])] == source
