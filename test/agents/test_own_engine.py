# SPDX-License-Identifier: Apache-2.0
"""Runs own_engine.test.mjs, and tells each of its tests as one of ours."""

import pathlib

import pytest

from stage import check_node_test, node_tests

SCRIPT = pathlib.Path(__file__).with_name("own_engine.test.mjs")
PROVIDERS = ["openai-responses", "openai-chat", "anthropic", "openai-compatible"]
TESTS = [*(f"openai {what}" for what in ("schema", "schema streamed", "tool", "tool streamed")),
         *(f"{p} {what}" for p in PROVIDERS for what in ("object", "tool", "tool streamed"))]


@pytest.fixture(scope="module")
def verdicts(own):
    return node_tests(SCRIPT, {"GATE": own.url, "KEY": own.key, "MODEL": own.model})


@pytest.mark.parametrize("name", TESTS, ids=lambda n: n.replace(" ", "-"))
def test_node(verdicts, name):
    check_node_test(verdicts, name)
