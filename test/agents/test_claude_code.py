# SPDX-License-Identifier: Apache-2.0
"""Claude Code in sessions with tools, whatever dialect the model's runtime speaks."""

import json

import pytest

from kinds import asked_at
from stage import CALC, PYTHON, SHELL, in_order, package, spoken_call

RUN = {"say": [{"reasoning": "I should run it. "}, {"signature": "c2lnbmVk"}, "I look. ",
               {"call": {"id": "toolu_1", "name": "Bash", "arguments": {"command": SHELL, "description": "looks"}}}]}
FIND = {"say": [{"call": {"id": "toolu_2", "name": "ToolSearch", "arguments": {"query": "select:mcp__calc__add", "max_results": 5}}}]}
ADD = {"say": [{"call": {"id": "toolu_3", "name": "mcp__calc__add", "arguments": {"a": 40, "b": 2}}}]}


def run(stage, home, model, prompt="Do it.", base="", **env):
    servers = {"mcpServers": {"calc": {"command": PYTHON, "args": [str(CALC)]}}}
    return home.run(package("@anthropic-ai", "claude-code-linux-*", "claude"), "-p", prompt, "--model", model, "--output-format", "stream-json",
                    "--verbose", "--allowedTools", "Bash", "mcp__calc__add", "--mcp-config", home.write("mcp.json", servers),
                    env={"ANTHROPIC_BASE_URL": stage.url + base, "ANTHROPIC_AUTH_TOKEN": stage.key, "DISABLE_TELEMETRY": "1",
                         "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "IS_SANDBOX": "1", **env})


def result_of(done):
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines and lines[-1]["type"] == "result", done.stdout + done.stderr
    return lines[-1]


def requests(stage, kind):
    bodies = [(path, body) for path, body in stage.bodies() if not path.endswith("/count_tokens")]
    assert {path for path, _ in bodies} == {asked_at(kind, "messages")}
    return [body for _, body in bodies]


@pytest.mark.parametrize("base", ["", "/anthropic"])
def test_a_session(stage, home, kind, base):
    """Tools of MCP servers are told of only when the model has searched for them."""
    stage.script(RUN, FIND, ADD, {"say": "All done: 42.", "usage": {"prompt_tokens": 900, "cached_tokens": 600, "completion_tokens": 7}})
    done = run(stage, home, kind, "Please do it all.", base)
    result = result_of(done)
    assert done.returncode == 0 and not result["is_error"] and result["result"] == "All done: 42.", done.stdout
    assert result["num_turns"] == 4 and result["usage"]["output_tokens"] > 0 and result["usage"]["cache_read_input_tokens"] == 600
    assert (home.work / "made.txt").read_text() == "seen-42\n"
    check_what_the_runtime_got(requests(stage, kind), asked_at(kind, "messages"))


def check_what_the_runtime_got(bodies, path):
    first, second, third, fourth = bodies
    for body, texts in ((first, ["Please do it all."]), (second, ["Please do it all.", "I look.", "seen-42"]),
                        (fourth, ["Please do it all.", "seen-42", "mcp__calc__add", "sum=42"])):
        in_order(json.dumps(body), *texts)
    if path == "/v1/chat/completions":
        text = json.dumps(fourth)
        for word in ("x-anthropic-billing-header", "cache_control", "context_management", "c2lnbmVk"):
            assert word not in text, word
        names = [[t["function"]["name"] for t in body["tools"]] for body in bodies]
        assert first["messages"][0]["role"] == "system" and {"Bash", "ToolSearch"} <= set(names[0])
        assert "mcp__calc__add" not in names[1] and "mcp__calc__add" in names[2] and "DeferredToolPlaceholder" not in names[3]
        calls = [c["id"] for m in fourth["messages"] for c in m.get("tool_calls") or []]
        results = [m for m in fourth["messages"] if m["role"] == "tool"]
        assert [m["tool_call_id"] for m in results] == calls and len(calls) == 3
        assert "mcp__calc__add" in results[1]["content"], "what was found must be told"
        assert second["messages"][:len(first["messages"])] == first["messages"], "the beginning must stay, for prefix caches"
    else:
        assert "x-anthropic-billing-header" in json.dumps(first["system"])
        thoughts = [b for m in second["messages"] for b in m["content"] if isinstance(b, dict) and b["type"] == "thinking"]
        assert thoughts == [{"type": "thinking", "thinking": "I should run it. ", "signature": "c2lnbmVk"}]


def test_calls_at_once(stage, home, kind):
    stage.script({"say": [RUN["say"][3], *ADD["say"]]}, "Both done.")
    assert result_of(run(stage, home, kind))["result"] == "Both done."
    assert "seen-42" in stage.last() and "sum=42" in stage.last()


def test_a_call_that_fails(stage, home, kind):
    stage.script({"say": [{"call": {"id": "toolu_1", "name": "Bash", "arguments": {"command": "echo bad >&2; exit 3", "description": "x"}}}]},
                 "Pity.")
    assert result_of(run(stage, home, kind))["result"] == "Pity."
    assert "bad" in stage.last()


@pytest.mark.parametrize("how", [{"status": 529}, {"status": 429}, {"status": 500}, {"tokens": 9, "die_after": 3}],
                         ids=lambda how: "-".join(f"{k}_{v}" for k, v in how.items()))
def test_what_fails_is_asked_for_again(stage, home, kind, how):
    stage.script({"knobs": how}, "At last.")
    assert result_of(run(stage, home, kind))["result"] == "At last."


def test_errors(stage, home, kind):
    stage.script({"knobs": {"status": 400}, "times": 9})
    done = run(stage, home, kind)
    result = result_of(done)
    assert done.returncode != 0 and result["is_error"] and "400" in result["result"]


@pytest.mark.parametrize("kind", ["openai"])
def test_no_such_model(stage, home, kind):
    done = run(stage, home, "none")
    assert done.returncode != 0 and result_of(done)["is_error"] and "none" in result_of(done)["result"]


def test_own_engine(echo, home):
    done = run(echo, home, echo.model, spoken_call("Bash", command=SHELL, description="looks"))
    result = result_of(done)
    assert done.returncode == 0 and not result["is_error"] and "seen-42" in result["result"], done.stdout
    assert result["num_turns"] == 2 and (home.work / "made.txt").read_text() == "seen-42\n"
