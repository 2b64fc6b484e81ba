# SPDX-License-Identifier: Apache-2.0
"""Runs ai_sdk.test.mjs, and tells each of its tests as one of ours."""

import json
import pathlib

import pytest

from kinds import OWN
from stage import check_node_test, node_tests

SCRIPT = pathlib.Path(__file__).with_name("ai_sdk.test.mjs")
PROVIDERS = ["openai-responses", "openai-chat", "anthropic", "openai-compatible"]
SCENARIOS = ["generate", "stream", "tools", "tools streamed", "object", "errors", "broken"]
EMBED = [kind for kind in OWN if "embeddings" in OWN[kind]]
TESTS = [f"{p} {k} {s}" for p in PROVIDERS for k in OWN for s in SCENARIOS] + [f"embeddings {kind}" for kind in EMBED]


@pytest.fixture(scope="module")
def verdicts(house):
    mocks = {kind: f"http://127.0.0.1:{mock.address}" for kind, mock in house.mocks.items()}
    return node_tests(SCRIPT, {"GATE": house.url, "KEY": house.key, "MOCKS": json.dumps(mocks), "EMBED": json.dumps(EMBED)})


@pytest.mark.parametrize("name", TESTS, ids=lambda n: n.replace(" ", "-"))
def test_node(verdicts, name):
    check_node_test(verdicts, name)
