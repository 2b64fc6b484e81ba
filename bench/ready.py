# SPDX-License-Identifier: Apache-2.0
"""Figure 15: how long a 1B model takes from the start of the process to the first 200 of /health, in the engine and in llama-server, with
its file in the page cache."""

from __future__ import annotations

import time

from harness import Stage, in_turn, note
from servers import OURS, PEERS, THEIRS, Setup, need_engine, random_model, versus

SLOTS = 8
CONTEXT = 1024  # tokens per sequence
PAUSE = 0.01    # seconds between two questions for /health


def seconds_to_ready(setup: Setup, name: str) -> float:
    with Stage() as stage:
        begin = time.monotonic()
        setup.start(stage, name, PAUSE)
        return time.monotonic() - begin


def ready(rounds: int, quick: bool) -> dict:
    need_engine()
    setup = Setup(random_model("1b", "Q4_0"), SLOTS, CONTEXT)
    for name in PEERS:
        seconds_to_ready(setup, name)  # the file and the programs come into the page cache
    times: dict[str, list[float]] = {name: [] for name in PEERS}
    for turn in range(1 if quick else rounds):
        for name in in_turn(PEERS, turn):
            times[name].append(seconds_to_ready(setup, name))
        note(f"round {turn + 1}  " + "  ".join(f"{name} {values[-1]:.2f} s" for name, values in times.items()))
    row = versus("start to ready, 1B in Q4_0, warm page cache", times[OURS], times[THEIRS], lambda v: f"{v:.2f} s", times_most=1.1)
    return {"rows": [row], "seconds_to_ready": times,
            "notes": [f"{setup.model.name}, {setup.model.stat().st_size / 1e6:.0f} MB, {SLOTS} slots of {CONTEXT} tokens"]}
