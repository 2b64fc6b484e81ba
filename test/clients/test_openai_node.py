# SPDX-License-Identifier: Apache-2.0
"""Runs openai_node.test.mjs, and tells each of its tests as one of ours."""

import os
import pathlib
import re
import subprocess

import pytest

from harness import CLIENT_KEY as KEY
from harness import ROOT, Processes, clean_environment, model_of

SCRIPT = pathlib.Path(__file__).with_name("openai_node.test.mjs")
TESTS = re.findall(r"^test\('([^']+)'", SCRIPT.read_text(), re.M)
NODE = os.environ.get("HOSTLER_NODE", str(ROOT / "build/venv/bin/node"))
MODULES = os.environ.get("NODE_PATH", str(ROOT / "build/clients/node_modules"))


@pytest.fixture(scope="module")
def verdicts():
    """What node's test runner said: {test: (passed, output)}."""
    started = Processes()
    mock = started.mock()
    gate = started.gate([model_of(mock, name="m", aliases=["org/nick:1"]), model_of(mock, name="other")], health={"failures": 1000},
                        keys=[{"name": "all", "key": KEY}, {"name": "few", "key": "sk-few-0123456789", "models": ["m"]}])
    gate.headers = {"Authorization": f"Bearer {KEY}"}
    environment = {**clean_environment(), "GATE": gate.url, "MOCK": f"http://127.0.0.1:{mock.address}", "KEY": KEY,
                   "FEW": "sk-few-0123456789", "NODE_PATH": MODULES}
    try:
        done = subprocess.run([NODE, "--test", "--test-reporter=tap", str(SCRIPT)], env=environment, capture_output=True, text=True,
                              timeout=120)
        gate.idle()
        yield {name: (verdict == "ok", done.stdout + done.stderr)
               for verdict, name in re.findall(r"^\s*(ok|not ok) \d+ - (.+)$", done.stdout, re.M)}, done
    finally:
        started.stop()


@pytest.mark.parametrize("name", TESTS, ids=lambda n: n.replace(" ", "-"))
def test_node(verdicts, name):
    results, done = verdicts
    passed, output = results.get(name, (False, done.stdout + done.stderr))
    assert passed, output[-6000:]
