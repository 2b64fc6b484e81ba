# SPDX-License-Identifier: Apache-2.0
"""What the tests of clients that are programs share: a gateway with a model per kind of runtime, mocks that play the models,
and homes for programs."""

import json
import os
import pathlib
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
