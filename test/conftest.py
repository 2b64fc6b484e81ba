# SPDX-License-Identifier: Apache-2.0
import zlib

import pytest

from harness import Processes


def pytest_make_parametrize_id(config, val, argname):
    """Short names for tests with long or binary parameters."""
    if isinstance(val, (bytes, str, dict, list)) and (len(str(val)) > 40 or isinstance(val, (bytes, dict, list))):
        return f"{argname}-{zlib.crc32(repr(val).encode()):08x}"
    return None


@pytest.fixture
def processes():
    """Starts programs; ends them and judges how they ended."""
    started = Processes()
    yield started
    started.stop()


@pytest.fixture
def start_gate(processes):
    return processes.gate


@pytest.fixture
def start_mock(processes):
    return processes.mock


@pytest.fixture
def mock(processes):
    """A mock runtime that records requests."""
    return processes.mock("--record", 100)


@pytest.fixture
def gate(processes, mock):
    """A gateway whose model m the mock serves."""
    return processes.gate(mock)


@pytest.fixture(scope="module")
def shared():
    """A gateway and its mock for the tests of one file that leave nothing behind."""
    started = Processes()
    mock = started.mock("--record", 100)
    yield mock, started.gate(mock)
    started.stop()


@pytest.fixture
def shared_mock(shared):
    mock, _ = shared
    mock.reset()
    return mock


@pytest.fixture
def shared_gate(shared, shared_mock):
    _, gate = shared
    return gate
