# SPDX-License-Identifier: Apache-2.0
"""Two builds of the gateway beside each other: CPU time and memory, in pairs of measurements that take turns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import proxies
from harness import Process, Stage, Unmeasured, in_turn, note

BEFORE, AFTER = "before", "after"
CONNECTIONS = 32


class Pair:
    """Both gateways before one mock runtime; mock runtime and load are of the later build."""

    def __init__(self, stage: Stage, programs: dict[str, Path], config) -> None:
        self.stage = stage
        _, self.mock_port = stage.mock()
        self.gateways: dict[str, tuple[Process, int]] = {
            name: stage.hostler(config(program, self.mock_port), program) for name, program in programs.items()}


def request_us(pair: Pair, name: str, quick: bool, warm: bool) -> float:
    gateway, port = pair.gateways[name]
    run = proxies.measure_requests(pair.stage, gateway, port, CONNECTIONS, 1 if warm or quick else 3)
    if run["wrong"]:
        raise Unmeasured(f"{name}: {run['wrong']}")
    return run["us"]


def frame_us(pair: Pair, name: str, quick: bool, warm: bool) -> float:
    run = proxies.stream_round(pair.stage, *pair.gateways[name], pair.mock_port, seconds=1 if warm else 2 if quick else 4,
                               warm=1 if warm else 2)
    if proxies.missing_frames(run):
        raise Unmeasured(f"{name}: {proxies.missing_frames(run)} frames were lost, repeated or failed")
    return run["us"]


def measured(one: Callable, pairs: int, quick: bool, programs: dict[str, Path], config) -> dict[str, list[float]]:
    """The values of one kind, pair by pair. Each pair is started anew and runs a round that does not count."""
    values: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(pairs):
        with Stage(programs[AFTER]) as stage:
            pair = Pair(stage, programs, config)
            for name in programs:
                one(pair, name, quick, warm=True)
            for name in in_turn(programs, turn):
                values[name].append(one(pair, name, quick, warm=False))
        note(f"pair {turn + 1}/{pairs}  {one.__name__}  " + "  ".join(f"{name} {values[name][-1]:.2f}" for name in programs))
    return values


def memory(rounds: int, programs: dict[str, Path], config) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Idle megabytes, and kilobytes more per stream."""
    idle: dict[str, list[float]] = {name: [] for name in programs}
    per_stream: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(rounds):
        for name in in_turn(programs, turn):
            with Stage(programs[AFTER]) as stage:
                _, mock_port = stage.mock()
                gateway = stage.hostler(config(programs[name], mock_port), programs[name])
                idle_kb, stream_kb = proxies.memory_round(stage, *gateway, mock_port)
                idle[name].append(idle_kb / 1024)
                per_stream[name].append(stream_kb)
                note(f"memory {turn + 1}/{rounds}  {name} {idle_kb} KB, {stream_kb:.1f} KB per stream")
    return idle, per_stream
