# SPDX-License-Identifier: Apache-2.0
"""`hostler launch` with the clients themselves, and what `hostler client` says to paste."""

import os
import sys

import pytest

from harness import HOSTLER, ROOT, SANITIZERS
from stage import AGENTS, NODE, SHELL, package

pytestmark = pytest.mark.parametrize("kind", ["openai", "anthropic"])
QUIET = {"DISABLE_TELEMETRY": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "IS_SANDBOX": "1", "AIDER_ANALYTICS_DISABLE": "1",
         "LITELLM_LOCAL_MODEL_COST_MAP": "True",
         **{f"OPENCODE_DISABLE_{what}": "1" for what in ("AUTOUPDATE", "MODELS_FETCH", "DEFAULT_PLUGINS", "LSP_DOWNLOAD")}}
PLACES = {
    "claude": lambda: f"exec {package('@anthropic-ai', 'claude-code-linux-*', 'claude')}",
    "codex": lambda: f"exec {NODE} {package('@openai', 'codex', 'bin', 'codex.js')}",
    "opencode": lambda: f"exec {package('opencode-linux-*', 'bin', 'opencode')}",
    "aider": lambda: f"exec {AGENTS}/aider/bin/aider",
    "llm": lambda: f"exec {AGENTS}/openai3/bin/llm",
}


def launch(stage, home, kind, client, *argv):
    bin = home.path / "bin"
    bin.mkdir()
    (bin / client).write_text(f'#!/bin/sh\n{PLACES[client]()} "$@"\n')
    (bin / client).chmod(0o755)
    return home.run(HOSTLER, "launch", client, "--model", kind, "--url", stage.url, "--", *argv,
                    env={**SANITIZERS, **QUIET, "HOSTLER_KEY": stage.key, "PATH": f"{bin}:{os.environ['PATH']}"})


SHELL_CALLS = {"claude": ("Bash", {"command": SHELL, "description": "looks"}), "codex": ("exec_command", {"cmd": SHELL})}
ARGUMENTS = {
    "claude": ["-p", "Do it.", "--allowedTools", "Bash"],
    "codex": ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "Do it."],
}


@pytest.mark.parametrize("client", SHELL_CALLS)
def test_agents(stage, home, kind, client):
    name, arguments = SHELL_CALLS[client]
    stage.script({"say": [{"call": {"id": "call_1", "name": name, "arguments": arguments}}]}, "All done.")
    done = launch(stage, home, kind, client, *ARGUMENTS[client])
    assert done.returncode == 0 and "All done." in done.stdout, done.stdout + done.stderr
    assert (home.work / "made.txt").read_text() == "seen-42\n" and "seen-42" in stage.last()


@pytest.mark.skipif(not any(AGENTS.glob("node/node_modules/opencode-linux-*")), reason="opencode is not for this machine")
def test_opencode(stage, home, kind):
    stage.script("All done.")
    done = launch(stage, home, kind, "opencode", "run", "--title", "t", "Do it.")
    assert done.returncode == 0 and "All done." in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(not (AGENTS / "aider").exists(), reason="aider is not for this machine")
def test_aider(stage, home, kind):
    stage.script("hello.py\n```\nprint(42)\n```\n")
    done = launch(stage, home, kind, "aider", "--no-git", "--yes-always", "--no-check-update", "--no-pretty", "--edit-format", "whole",
                  "--map-tokens", "0", "--message", "write hello.py", "hello.py")
    assert done.returncode == 0 and (home.work / "hello.py").read_text() == "print(42)\n", done.stdout + done.stderr


def test_llm(stage, home, kind):
    stage.script("Hi, you.")
    done = launch(stage, home, kind, "llm", "hello")
    assert (done.returncode, done.stdout) == (0, "Hi, you.\n"), done.stderr


PASTED = {
    "openai-python": ([sys.executable, "-"], None),
    "anthropic-python": ([sys.executable, "-"], None),
    "langchain": ([AGENTS / "openai3/bin/python", "-"], None),
    "openai-node": ([NODE, "pasted.mjs"], "pasted.mjs"),
    "curl": (["sh", "-e"], None),
}


@pytest.mark.parametrize("client", PASTED)
def test_what_is_pasted(stage, home, kind, client):
    told = home.run(HOSTLER, "client", client, "--model", kind, "--url", stage.url, env={**SANITIZERS, "HOSTLER_KEY": stage.key})
    assert told.returncode == 0 and stage.key not in told.stdout, told.stderr
    argv, file = PASTED[client]
    if file:
        (home.work / "node_modules").symlink_to(ROOT / "build/clients/node_modules")
        (home.work / file).write_text(told.stdout)
    stage.script("Hi, you.")
    done = home.run(*argv, env={"HOSTLER_KEY": stage.key}, input=None if file else told.stdout)
    assert done.returncode == 0 and "Hi, you." in done.stdout, done.stdout + done.stderr
