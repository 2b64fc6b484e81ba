# SPDX-License-Identifier: Apache-2.0
import pytest

from harness import CLIENT_KEY, Processes, model_of
from kinds import KINDS


@pytest.fixture
def locked(processes, mock):
    """A gateway that asks for a key and has one model per way to fail."""
    gate = processes.gate([model_of(mock, name="m", aliases=["org/nick:1"]), model_of(mock, name="other")],
                          keys=[{"name": "all", "key": CLIENT_KEY}, {"name": "few", "key": "sk-few-0123456789", "models": ["m"]}])
    gate.headers = {"Authorization": f"Bearer {CLIENT_KEY}"}
    gate.secrets += [CLIENT_KEY, "sk-few-0123456789"]
    return gate


@pytest.fixture(scope="session")
def zoo():
    """A mock per kind of runtime, and a gateway with a model for each, named as the kind. No failure counts."""
    started = Processes()
    try:
        mocks = {kind: started.mock("--record", 100, "--kind", kind) for kind in KINDS}
        gate = started.gate([model_of(mock, name=kind, kind=kind) for kind, mock in mocks.items()], health={"failures": 1000},
                            retry={"attempts_max": 1})
        yield mocks, gate
    finally:
        started.stop()


@pytest.fixture
def runtime(zoo, kind):
    """The mock that plays the kind."""
    mock = zoo[0][kind]
    mock.reset()
    return mock


@pytest.fixture
def talk(zoo):
    """Begins a talk: talk(Chat, "openai")."""
    begun = []

    def begin(sdk, model):
        begun.append(sdk(zoo[1].url, model))
        return begun[-1]
    yield begin
    for one in begun:
        one.client.close()
