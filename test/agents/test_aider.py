# SPDX-License-Identifier: Apache-2.0
"""aider writes a file, over OpenAI's, Anthropic's and Ollama's API."""

import pytest

from stage import AGENTS, needs

pytestmark = needs("aider")

WAYS = {
    "chat": ("openai/", lambda s: {"OPENAI_API_BASE": f"{s.url}/v1", "OPENAI_API_KEY": s.key}),
    "messages": ("anthropic/", lambda s: {"ANTHROPIC_API_BASE": s.url, "ANTHROPIC_API_KEY": s.key}),
    "ollama": ("ollama_chat/", lambda s: {"OLLAMA_API_BASE": s.url, "OLLAMA_API_KEY": s.key}),
}
FLAGS = ["--no-git", "--yes-always", "--no-check-update", "--no-show-release-notes", "--no-show-model-warnings", "--no-analytics",
         "--no-pretty", "--edit-format", "whole", "--map-tokens", "0", "--chat-history-file", "/dev/null", "--input-history-file", "/dev/null"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["openai", "llama-server", "ollama", "anthropic"])
@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_a_file(stage, home, kind, way, stream):
    prefix, environment = WAYS[way]
    stage.script("hello.py\n```\nprint(42)\n```\n")
    done = home.run(AGENTS / "aider/bin/aider", "--model", prefix + kind, *FLAGS, stream, "--message", "write hello.py", "hello.py",
                    env={"AIDER_ANALYTICS_DISABLE": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True", **environment(stage)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home.work / "hello.py").read_text() == "print(42)\n", done.stdout + done.stderr
    assert "write hello.py" in stage.last()
