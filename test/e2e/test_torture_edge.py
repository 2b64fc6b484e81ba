# SPDX-License-Identifier: Apache-2.0
"""A quick selection of test/torture_edge.py on the sanitized build, where times and memory are not the release's."""

import pytest

import torture_breaks
import torture_edge
import torture_floods
import torture_framing


def test_floods(processes, monkeypatch):
    monkeypatch.setattr(torture_floods, "HEAP_MAX", {name: 16 << 20 for name in torture_floods.HEAP_MAX})
    monkeypatch.setattr(torture_floods, "GOAWAY_MS", 5000)
    results = torture_floods.run(processes, 0.3, p99_factor=0, names=["rapid_reset", "made_you_reset", "continuation", "pings", "bomb"])
    assert all(result["connections"] for result in results.values())


def test_framing(processes):
    results = torture_framing.run(processes, 1500)
    assert results["node"]["arrived"] > 30 and results["node"]["refused"] > 200


@pytest.mark.parametrize("variant", ["aborts", "deaths"])
def test_breaks(processes, monkeypatch, variant):
    monkeypatch.setattr(torture_breaks, "P99_MS", 1000)
    if variant == "aborts":
        torture_breaks.aborts(torture_breaks.Edge(processes), 224)
    else:
        torture_breaks.deaths(processes, 220)


@pytest.mark.skipif(torture_edge.MISSING["h2spec"], reason="h2spec is installed where Go is (scripts/setup)")
def test_h2spec(processes):
    torture_edge.h2spec(processes)
