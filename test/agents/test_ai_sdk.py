# SPDX-License-Identifier: Apache-2.0
"""Runs ai_sdk.test.mjs, and tells each of its tests as one of ours."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from harness import clean_environment
from kinds import OWN
from stage import AGENTS, NODE

SCRIPT = pathlib.Path(__file__).with_name("ai_sdk.test.mjs")
PROVIDERS = ["openai-responses", "openai-chat", "anthropic", "openai-compatible"]
SCENARIOS = ["generate", "stream", "tools", "tools streamed", "object", "errors", "broken"]
EMBED = [kind for kind in OWN if "embeddings" in OWN[kind]]
TESTS = [f"{p} {k} {s}" for p in PROVIDERS for k in OWN for s in SCENARIOS] + [f"embeddings {kind}" for kind in EMBED]


@pytest.fixture(scope="module")
def verdicts(house):
    mocks = {kind: f"http://127.0.0.1:{mock.address}" for kind, mock in house.mocks.items()}
    environment = {**clean_environment(), "GATE": house.url, "KEY": house.key, "MOCKS": json.dumps(mocks), "EMBED": json.dumps(EMBED),
                   "NODE_PATH": str(AGENTS / "node/node_modules"), "AI_SDK_LOG_WARNINGS": "false"}
    done = subprocess.run([NODE, "--test", "--test-reporter=tap", str(SCRIPT)], env=environment, capture_output=True, text=True,
                          timeout=170, stdin=subprocess.DEVNULL, cwd=os.fspath(AGENTS))
    blocks = re.split(r"(?m)^(?=\s*(?:ok|not ok) \d+ - )", done.stdout)
    found = {}
    for block in blocks:
        if match := re.match(r"\s*(ok|not ok) \d+ - (.+)", block):
            found[match.group(2).strip()] = (match.group(1) == "ok", block[:3000])
    return found, done


@pytest.mark.parametrize("name", TESTS, ids=lambda n: n.replace(" ", "-"))
def test_node(verdicts, name):
    found, done = verdicts
    passed, output = found.get(name, (False, done.stdout[-3000:] + done.stderr[-3000:]))
    assert passed, output
