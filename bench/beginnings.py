# SPDX-License-Identifier: Apache-2.0
"""Figure 13: requests that come at once and share a beginning that nobody has computed yet, in the engine and in llama-server.

Measured are how many of their prompts' tokens are computed, beside the fewest possible, which are the beginning once and each one's own
tokens, and the mean time to the first token. Every burst has a new beginning."""

from __future__ import annotations

import random

from harness import Stage, in_turn, mean, median, note
from servers import OURS, PEERS, THEIRS, THREADS, Setup, chat_model, milliseconds, need_engine, versus
from streams import completion, random_prompt

BURSTS = (16, 32)       # requests at once
SHARED, OWN = 1024, 24  # tokens of a prompt
TOKENS = 16             # of each answer
SLOTS = 8
CONTEXT = 2048          # tokens per sequence


def burst(port: int, requests: int, rng: random.Random) -> dict[str, float]:
    shared = random_prompt(rng, SHARED)
    streams = [completion(port, shared + random_prompt(rng, OWN), TOKENS) for _ in range(requests)]
    for s in streams:
        s.end()
    computed = sum(s.prompt_tokens - s.cached_tokens for s in streams)
    return {"computed": computed, "of the fewest": computed / (SHARED + requests * OWN),
            "first token": mean([s.first() for s in streams])}


def measure(name: str, bursts: tuple[int, ...], seed: int) -> dict[int, dict[str, float]]:
    """One engine, started anew; they take turns, so that neither disturbs the other."""
    rng = random.Random(seed)
    with Stage() as stage:
        server = Setup(chat_model(), SLOTS, CONTEXT).start(stage, name)
        burst(server.port, SLOTS, rng)  # memory that is new to a virtual machine is slow at first
        return {requests: burst(server.port, requests, rng) for requests in bursts}


def rows_of(requests: int, runs: dict[str, list[dict]]) -> list[dict]:
    ours, theirs = ([r[requests] for r in runs[name]] for name in (OURS, THEIRS))
    share = median([r["of the fewest"] for r in ours])
    value = (f"{median([r['computed'] for r in ours]):.0f} = {share:.2f}x "
             f"(llama-server {median([r['of the fewest'] for r in theirs]):.2f}x)")
    return [
        {"what": f"{requests} requests that share {SHARED} tokens, tokens computed", "bound": "1.10x the fewest possible",
         "value": value, "ok": share <= 1.1, "ratio": share},
        versus("... mean time to first token", [r["first token"] for r in ours], [r["first token"] for r in theirs], milliseconds,
               times_most=0.25),
    ]


def beginnings(rounds: int, quick: bool) -> dict:
    need_engine()
    bursts = BURSTS[:1] if quick else BURSTS
    runs: dict[str, list[dict]] = {name: [] for name in PEERS}
    for turn in range(1 if quick else rounds):
        for name in in_turn(PEERS, turn):
            runs[name].append(measure(name, bursts, turn + 1))
            note(f"round {turn + 1}  {name:12} " + "  ".join(
                f"{requests} requests: {r['of the fewest']:.2f}x computed, ttft {milliseconds(r['first token'])}"
                for requests, r in runs[name][-1].items()))
    return {"rows": [row for requests in bursts for row in rows_of(requests, runs)], "runs": runs,
            "notes": [f"{chat_model().name}, {THREADS} threads, {SLOTS} slots of {CONTEXT} tokens; each request has {OWN} tokens of its "
                      f"own, each answer {TOKENS}"]}
