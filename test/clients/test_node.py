# SPDX-License-Identifier: Apache-2.0
"""Runs the official SDKs for Node.js (*_node.test.mjs), and tells each of their tests as one of ours."""

import os
import pathlib
import re
import subprocess

import pytest

from harness import CLIENT_KEY as KEY
from harness import ROOT, Processes, clean_environment, model_of

SCRIPTS = sorted(pathlib.Path(__file__).parent.glob("*_node.test.mjs"))
TESTS = [(script.name, name) for script in SCRIPTS for name in re.findall(r"^test\('([^']+)'", script.read_text(), re.M)]
NODE = os.environ.get("HOSTLER_NODE", str(ROOT / "build/venv/bin/node"))
MODULES = os.environ.get("NODE_PATH", str(ROOT / "build/clients/node_modules"))


def run(script):
    """What node's test runner says of one script: {test: passed}, and all that it printed."""
    started = Processes()
    mock = started.mock("--record", 50)
    gate = started.gate([model_of(mock, name="m", aliases=["org/nick:1"]), model_of(mock, name="other")], health={"failures": 1000},
                        keys=[{"name": "all", "key": KEY}, {"name": "few", "key": "sk-few-0123456789", "models": ["m"]}])
    gate.headers = {"Authorization": f"Bearer {KEY}"}
    environment = {**clean_environment(), "GATE": gate.url, "MOCK": f"http://127.0.0.1:{mock.address}", "KEY": KEY,
                   "FEW": "sk-few-0123456789", "NODE_PATH": MODULES}
    try:
        done = subprocess.run([NODE, "--test", "--test-reporter=tap", str(script)], env=environment, capture_output=True, text=True,
                              timeout=120)
        gate.idle()
        verdicts = {name: verdict == "ok" for verdict, name in re.findall(r"^\s*(ok|not ok) \d+ - (.+)$", done.stdout, re.M)}
        return verdicts, done.stdout + done.stderr
    finally:
        started.stop()


@pytest.fixture(scope="module")
def results():
    return {}


@pytest.mark.parametrize(("script", "name"), TESTS, ids=lambda text: text.replace("_node.test.mjs", "").replace(" ", "-"))
def test_node(results, script, name):
    if script not in results:
        results[script] = run(pathlib.Path(__file__).with_name(script))
    verdicts, output = results[script]
    assert verdicts.get(name), output[-6000:]
