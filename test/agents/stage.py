# SPDX-License-Identifier: Apache-2.0
"""What the tests of clients that are programs share: a gateway with a model per kind of runtime, mocks that play the models,
and homes for programs."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from harness import CLIENT_KEY, ROOT, clean_environment, model_of
from kinds import OWN

AGENTS = pathlib.Path(os.environ.get("HOSTLER_AGENTS", ROOT / "build/agents"))
NODE = os.environ.get("HOSTLER_NODE", str(ROOT / "build/venv/bin/node"))
CALC = pathlib.Path(__file__).with_name("calc_mcp.py")
PYTHON = "/usr/bin/python3"
SHELL = "echo seen-$((40 + 2)) > made.txt; cat made.txt"  # what a model has a shell do


class Stage:
    """What a client and the runtime behind the gateway need of each other."""

    key = CLIENT_KEY

    def __init__(self, processes):
        self.mocks = {kind: processes.mock("--record", 200, "--kind", kind) for kind in OWN}
        self.mock = None  # of the kind that a test is about
        self.gate = processes.gate([model_of(mock, name=kind, kind=kind) for kind, mock in self.mocks.items()],
                                   health={"failures": 1000}, retry={"attempts_max": 1},
                                   keys=[{"name": "all", "key": CLIENT_KEY}])
        self.gate.headers = {"Authorization": f"Bearer {CLIENT_KEY}"}
        self.gate.secrets.append(CLIENT_KEY)
        self.url = self.gate.url

    def script(self, *turns):
        self.mock.script(*turns)

    def bodies(self):
        return self.mock.bodies()

    def last(self):
        """The last request that the runtime got, as text."""
        return json.dumps(self.bodies()[-1][1], ensure_ascii=False)


class OwnEngine:
    """A gateway and an engine for the model m."""

    key = CLIENT_KEY
    model = "m"

    def __init__(self, processes, file, program, **settings):
        gate = processes.gate([{"name": self.model, "engine": {"file": str(file), "slots": 4, **settings}}], env={"HOSTLER_ENGINE": program},
                              keys=[{"name": "all", "key": CLIENT_KEY}])
        self.url = gate.url


class Home:
    """An empty home with a work folder for a program, and what it needs to run there."""

    def __init__(self, folder):
        self.path = folder
        self.work = folder / "work"
        self.work.mkdir()

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return path

    def run(self, *argv, env=None, input=None, timeout=120):
        """Runs a program to its end in the work folder."""
        own = {"HOME": str(self.path), "NO_COLOR": "1", "DO_NOT_TRACK": "1", **(env or {})}
        names = ("PATH", "LANG", "LC_ALL", "TZ")
        inherited = {k: v for k, v in clean_environment().items() if k in names}
        return subprocess.run([str(a) for a in argv], cwd=self.work, env={**inherited, **own}, input=input or "",
                              capture_output=True, text=True, timeout=timeout)


def spoken_call(name, **arguments):
    """A call as the engine's scripted model writes it."""
    return f"Well.\n<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def node_tests(script, environment):
    """What Node's test runner says of a script, {test: (passed, what it printed)}, and the finished process."""
    modules = os.pathsep.join([str(AGENTS / "node/node_modules"), str(ROOT / "build/clients/node_modules")])
    env = {**clean_environment(), "NODE_PATH": modules, "AI_SDK_LOG_WARNINGS": "false", **environment}
    done = subprocess.run([NODE, "--test", "--test-reporter=tap", str(script)], env=env, capture_output=True, text=True,
                          timeout=170, stdin=subprocess.DEVNULL, cwd=os.fspath(AGENTS))
    found = {}
    for block in re.split(r"(?m)^(?=\s*(?:ok|not ok) \d+ - )", done.stdout):
        if match := re.match(r"\s*(ok|not ok) \d+ - (.+)", block):
            found[match.group(2).strip()] = (match.group(1) == "ok", block[:3000])
    return found, done


def check_node_test(verdicts, name):
    found, done = verdicts
    passed, output = found.get(name, (False, done.stdout[-3000:] + done.stderr[-3000:]))
    assert passed, output


def in_order(text, *parts):
    """The parts are in the text, one behind the other."""
    at = -1
    for part in parts:
        at = text.find(part, at + 1)
        assert at >= 0, f"{part!r} is missing or out of order in {text}"


def package(*parts):
    """A file of the installed Node packages, by a pattern."""
    pattern = "/".join(("node/node_modules", *parts))
    found = sorted(p for p in AGENTS.glob(pattern) if "musl" not in p.as_posix())
    assert found, f"{AGENTS}/{pattern} is missing; run scripts/setup --for clients"
    return found[0]


def needs(*parts):
    """The tests of a file are skipped where its program is not to be had; test/skips.txt says why that may be."""
    there = (AGENTS / "node/lock.sha256").exists() and not any(AGENTS.glob("/".join(parts)))
    return pytest.mark.skipif(there, reason=f"{'/'.join(parts)} is not for this machine")
