# SPDX-License-Identifier: Apache-2.0
import pytest

from harness import CLIENT_KEY, model_of


@pytest.fixture
def locked(processes, mock):
    """A gateway that asks for a key and has one model per way to fail."""
    gate = processes.gate([model_of(mock, name="m", aliases=["org/nick:1"]), model_of(mock, name="other")],
                          keys=[{"name": "all", "key": CLIENT_KEY}, {"name": "few", "key": "sk-few-0123456789", "models": ["m"]}])
    gate.headers = {"Authorization": f"Bearer {CLIENT_KEY}"}
    gate.secrets += [CLIENT_KEY, "sk-few-0123456789"]
    return gate
