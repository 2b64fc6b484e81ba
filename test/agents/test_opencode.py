# SPDX-License-Identifier: Apache-2.0
"""opencode in sessions with tools, over each of the providers that it has for such servers."""

import json

import pytest

from stage import CALC, PYTHON, SHELL, needs, package

pytestmark = needs("node/node_modules/opencode-linux-*")

PROVIDERS = {"chat": ("@ai-sdk/openai-compatible", "/v1"), "responses": ("@ai-sdk/openai", "/v1"), "messages": ("@ai-sdk/anthropic", "/v1")}
RUN = {"say": ["I look. ", {"call": {"id": "call_1", "name": "bash", "arguments": {"command": SHELL, "description": "looks"}}}]}
ADD = {"say": [{"call": {"id": "call_2", "name": "calc_add", "arguments": {"a": 40, "b": 2}}}]}


def run(stage, home, provider, model):
    npm, base = PROVIDERS[provider]
    home.write("work/opencode.json", {
        "$schema": "https://opencode.ai/config.json", "model": f"hostler/{model}", "small_model": f"hostler/{model}",
        "autoupdate": False, "share": "disabled", "permission": {"bash": "allow", "edit": "allow"},
        "mcp": {"calc": {"type": "local", "command": [PYTHON, str(CALC)], "enabled": True}},
        "provider": {"hostler": {
            "npm": npm, "name": "hostler", "options": {"baseURL": stage.url + base, "apiKey": stage.key},
            "models": {model: {"name": model, "tool_call": True, "limit": {"context": 32000, "output": 4000}}}}}})
    done = home.run(package("opencode-linux-*", "bin", "opencode"), "run", "--title", "t", "--format", "json", "Please do it all.",
                    env={f"OPENCODE_DISABLE_{what}": "1" for what in ("AUTOUPDATE", "MODELS_FETCH", "DEFAULT_PLUGINS", "LSP_DOWNLOAD")})
    return done, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("kind", ["openai", "llama-server", "ollama", "anthropic"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_session(stage, home, kind, provider):
    stage.script(RUN, ADD, "All done: 42.")
    done, lines = run(stage, home, provider, kind)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home.work / "made.txt").read_text() == "seen-42\n"
    tools = {line["part"]["tool"]: line["part"]["state"] for line in lines if line["type"] == "tool_use"}
    assert tools["bash"]["output"] == "seen-42\n" and tools["calc_add"]["output"] == "sum=42"
    assert [line["part"]["text"] for line in lines if line["type"] == "text"][-1] == "All done: 42."
    text = stage.last()
    assert -1 < text.find("Please do it all.") < text.find("seen-42") < text.find("sum=42")


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_errors(stage, home, kind, provider):
    stage.script({"knobs": {"status": 400}, "times": 9})
    done, lines = run(stage, home, provider, kind)
    assert any(line["type"] == "error" for line in lines), done.stdout + done.stderr
