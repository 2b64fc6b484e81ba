# SPDX-License-Identifier: Apache-2.0
"""The program `llm`, with models of a file that says where they are."""

import json
import sys

import pytest

from kinds import OWN


def run(stage, home, *argv):
    home.write("llm/extra-openai-models.yaml", json.dumps([
        {"model_id": f"hostler-{kind}", "model_name": kind, "api_base": f"{stage.url}/v1", "api_key_name": "hostler",
         "supports_tools": True, "supports_schema": True} for kind in [*OWN, "none"]]))
    home.write("llm/keys.json", {"hostler": stage.key})
    return home.run(sys.executable, "-m", "llm", *argv, env={"LLM_USER_PATH": str(home.path / "llm")})


@pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
def test_a_prompt(stage, home, kind, how):
    stage.script("Hi, you.")
    done = run(stage, home, "-m", f"hostler-{kind}", "-s", "Be short.", *how, "hello")
    assert (done.returncode, done.stdout) == (0, "Hi, you.\n"), done.stderr
    assert "Be short." in stage.last()


def test_tools(stage, home, kind):
    stage.script({"say": [{"call": {"id": "call_1", "name": "add", "arguments": {"a": 40, "b": 2}}}]}, "It is 42.")
    function = 'def add(a: int, b: int) -> str:\n    """Adds."""\n    return f"sum={a + b}"\n'
    done = run(stage, home, "-m", f"hostler-{kind}", "--functions", function, "40 + 2?")
    assert done.returncode == 0 and done.stdout.endswith("It is 42.\n"), done.stdout + done.stderr
    assert "sum=42" in stage.last()


def test_a_schema(stage, home, kind):
    stage.script('{"n": 2}')
    done = run(stage, home, "-m", f"hostler-{kind}", "--schema", "n int", "One and one?")
    assert json.loads(done.stdout) == {"n": 2}, done.stderr


@pytest.mark.parametrize("kind", ["openai"])
def test_errors(stage, home, kind):
    done = run(stage, home, "-m", "hostler-none", "hello")
    assert done.returncode != 0 and "none" in done.stderr
