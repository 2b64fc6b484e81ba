# SPDX-License-Identifier: Apache-2.0
"""Codex CLI in sessions with tools, whatever dialect the model's runtime speaks."""

import json

import pytest

from kinds import asked_at
from stage import CALC, NODE, PYTHON, SHELL, in_order, package, spoken_call

CONFIG = """
model = "{model}"
model_provider = "hostler"
[model_providers.hostler]
name = "hostler"
base_url = "{url}/v1"
env_key = "HOSTLER_KEY"
wire_api = "responses"
request_max_retries = {retries}
stream_max_retries = {retries}
[mcp_servers.calc]
command = "{python}"
args = ["{calc}"]
"""
RUN = {"say": [{"reasoning": "I should run it. "}, "I look. ", {"call": {"id": "call_1", "name": "exec_command", "arguments": {"cmd": SHELL}}}]}
ADD = {"say": [{"call": {"id": "call_2", "name": "mcp__calc__add", "arguments": {"a": 40, "b": 2}}}]}


def run(stage, home, model, prompt="Do it.", retries=0):
    home.write(".codex/config.toml", CONFIG.format(model=model, url=stage.url, python=PYTHON, calc=CALC, retries=retries))
    done = home.run(NODE, package("@openai", "codex", "bin", "codex.js"), "exec", "--json", "--skip-git-repo-check",
                    "--dangerously-bypass-approvals-and-sandbox", prompt,
                    env={"CODEX_HOME": str(home.path / ".codex"), "HOSTLER_KEY": stage.key})
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    items = [line["item"] for line in lines if line["type"] == "item.completed"]
    return done, lines, items


def requests(stage, kind):
    """The bodies of the model calls; each came the way that its kind has."""
    bodies = stage.bodies()
    assert {path for path, _ in bodies} == {asked_at(kind, "responses", other_tools=True)}
    return [body for _, body in bodies]


def test_a_session(stage, home, kind):
    stage.script(RUN, ADD, "All done: 42.")
    done, lines, items = run(stage, home, kind, "Please do it all.")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home.work / "made.txt").read_text() == "seen-42\n"
    by_type = {item["type"]: item for item in items}
    assert by_type["command_execution"]["aggregated_output"] == "seen-42\n"
    call = by_type["mcp_tool_call"]
    assert (call["server"], call["tool"], call["status"]) == ("calc", "add", "completed")
    assert [i["text"] for i in items if i["type"] == "agent_message"] == ["I look. ", "All done: 42."]
    assert lines[-1]["type"] == "turn.completed" and lines[-1]["usage"]["output_tokens"] > 0
    check_what_the_runtime_got(requests(stage, kind), asked_at(kind, "responses", other_tools=True))


def check_what_the_runtime_got(bodies, path):
    first, second, third = bodies
    for body, texts in ((first, ["Please do it all."]), (second, ["Please do it all.", "I look.", "seen-42"]),
                        (third, ["Please do it all.", "seen-42", "sum=42"])):
        in_order(json.dumps(body), *texts)
    if path == "/v1/chat/completions":
        names = [t["function"]["name"] for t in first["tools"]]
        assert {"exec_command", "mcp__calc__add"} <= set(names) and len(set(names)) == len(names)
        assert all(len(n) <= 64 and t["type"] == "function" for n, t in zip(names, first["tools"]))
        roles = [m["role"] for m in third["messages"]]
        assert roles[-4:] == ["assistant", "tool", "assistant", "tool"]
        assert [m["tool_call_id"] for m in third["messages"] if m["role"] == "tool"] == [
            c["id"] for m in third["messages"] for c in m.get("tool_calls") or []]
        assert second["messages"][:len(first["messages"])] == first["messages"], "the beginning must stay, for prefix caches"
    elif path == "/v1/messages":
        names = [t["name"] for t in first["tools"]]
        assert {"exec_command", "mcp__calc__add"} <= set(names)
        assert [m["role"] for m in third["messages"]][-4:] == ["assistant", "user", "assistant", "user"]
        assert third["messages"][-1]["content"][0]["type"] == "tool_result"


def test_calls_at_once(stage, home, kind):
    stage.script({"say": [RUN["say"][2], *ADD["say"]]}, "Both done.")
    done, _, items = run(stage, home, kind)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"command_execution", "mcp_tool_call"} <= {i["type"] for i in items} and items[-1]["text"] == "Both done."
    assert "seen-42" in stage.last() and "sum=42" in stage.last()


def test_a_broken_stream_is_asked_for_again(stage, home, kind):
    stage.script({"knobs": {"tokens": 9, "die_after": 3}}, "At last.")
    done, _, items = run(stage, home, kind, retries=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert items[-1]["text"] == "At last." and len(stage.bodies()) == 2


@pytest.mark.parametrize("turn", [{"knobs": {"status": 400}}, {"knobs": {"status": 429}}, {"knobs": {"tokens": 9, "error_after": 2}}],
                         ids=["bad", "limit", "within"])
def test_errors(stage, home, kind, turn):
    stage.script({**turn, "times": 5})
    done, lines, _ = run(stage, home, kind)
    assert done.returncode != 0 and lines[-1]["type"] in ("turn.failed", "error"), done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["openai"])
def test_no_such_model(stage, home, kind):
    done, lines, _ = run(stage, home, "none")
    assert done.returncode != 0 and "none" in lines[-1]["error"]["message"]


def test_own_engine(echo, home):
    done, lines, items = run(echo, home, echo.model, spoken_call("exec_command", cmd=SHELL))
    assert done.returncode == 0 and lines[-1]["type"] == "turn.completed", done.stdout + done.stderr
    (ran,) = (item for item in items if item["type"] == "command_execution")
    assert ran["aggregated_output"] == "seen-42\n" and "seen-42" in items[-1]["text"]
