# SPDX-License-Identifier: Apache-2.0
import pathlib
import shutil
import tempfile

import pytest

from harness import ENGINE, FAKE_ENGINE, ROOT, Processes
from kinds import OWN
from stage import Home, OwnEngine, Stage


@pytest.fixture(scope="session")
def house():
    processes = Processes()
    try:
        yield Stage(processes)
    finally:
        processes.stop()


@pytest.fixture
def stage(house, kind):
    house.mock = house.mocks[kind]
    house.mock.reset()
    return house


@pytest.fixture(params=list(OWN))
def kind(request):
    """A kind of runtime, which is the name of a model, too."""
    return request.param


@pytest.fixture
def home():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hostler-home-"))
    yield Home(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def own():
    """A gateway with our own engine on real weights, which is no good talker: shapes are what counts."""
    weights = ROOT / "build/models/smollm2.gguf"
    assert weights.exists(), f"{weights} is missing; run scripts/setup --for models"
    processes = Processes()
    try:
        yield OwnEngine(processes, weights, ENGINE)
    finally:
        processes.stop()


@pytest.fixture(scope="session")
def echo():
    """A gateway with our own engine on a model that repeats what it is told last: a call of a tool becomes its own."""
    processes = Processes()
    file = processes.folder / "echo.fake"
    file.write_text("hostler fake model\ncontext 1000000\n")
    try:
        yield OwnEngine(processes, file, FAKE_ENGINE, context=400000)
    finally:
        processes.stop()
