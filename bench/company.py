# SPDX-License-Identifier: Apache-2.0
"""Figures 8 and 14: what a long prompt and those beside it do to each other in the engine and in llama-server.

Streams run; then comes a long prompt, and a short one soon after it. Measured are the times to the first token of both, and what the
streams' gaps between tokens become in the long prompt's time. Figure 8 has four streams beside 3,000 tokens, figure 14 eight beside
4,096, by default and with the engine's `--inter-token 2x`."""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass, replace

from harness import ENGINE, Stage, Unmeasured, in_turn, mean, median, note, quantile
from servers import OURS, PEERS, THEIRS, THREADS, Setup, chat_model, milliseconds, need_engine, versus
from streams import completion, random_prompt

SHORT = 20         # tokens
SHORT_AFTER = 0.2  # seconds behind the long one
BEFORE = 2.0       # seconds of the streams alone


@dataclass(frozen=True)
class Scene:
    streams: int
    long: int     # tokens of the prompt
    slots: int
    context: int  # tokens per sequence

    def setup(self) -> Setup:
        return Setup(chat_model(), self.slots, self.context)

    def described(self) -> str:
        return f"{chat_model().name}, {self.slots} slots of {self.context} tokens, {THREADS} threads"


FOUR = Scene(streams=4, long=3000, slots=8, context=4096)
EIGHT = Scene(streams=8, long=4096, slots=10, context=4352)


def meet(scene: Scene, port: int, seed: int) -> dict[str, float]:
    """Seconds."""
    rng = random.Random(seed)
    streams = [completion(port, random_prompt(rng, SHORT), scene.context - 2 * SHORT) for _ in range(scene.streams)]
    for s in streams:
        s.first()
    begin = time.monotonic()
    time.sleep(BEFORE)
    long = completion(port, random_prompt(rng, scene.long), 2)
    time.sleep(SHORT_AFTER)
    short = completion(port, random_prompt(rng, SHORT), 2)
    found = {"long": long.first(), "short": short.first()}
    for s in streams:
        s.leave()
    before = [g for s in streams for g in s.gaps(begin, long.sent)]
    during = [g for s in streams for g in s.gaps(long.sent, long.times[0])]
    if not before or not during:
        raise Unmeasured("the streams ended, or stood, before the long prompt came")
    return {**found, "before mean": mean(before), "before p50": median(before), "before p99": quantile(before, 0.99),
            "mean": mean(during), "p50": median(during), "p99": quantile(during, 0.99), "max": max(during)}


def measure(scene: Scene, setup: Setup, name: str, seed: int) -> dict[str, float]:
    """One engine, started anew; they take turns, so that neither disturbs the other."""
    with Stage() as stage:
        server = setup.start(stage, name)
        warm = completion(server.port, random_prompt(random.Random(-seed), scene.long), 2)
        alone = warm.first()
        warm.end()
        return {"alone": alone, **meet(scene, server.port, seed)}


def play(scene: Scene, setups: dict[str, tuple[str, Setup]], rounds: int) -> dict[str, list[dict]]:
    """What each of the set-ups, by its title, measured in each round."""
    runs: dict[str, list[dict]] = {title: [] for title in setups}
    for turn in range(rounds):
        for title in in_turn(setups, turn):
            name, setup = setups[title]
            runs[title].append(measure(scene, setup, name, turn + 1))
            note(f"round {turn + 1}/{rounds}  {title:12} " +
                 "  ".join(f"{key} {seconds * 1000:.0f}" for key, seconds in runs[title][-1].items()) + " ms")
    return runs


def middle(runs: list[dict], key: str) -> float:
    return median([r[key] for r in runs])


def against(what: str, runs: dict[str, list[dict]], title: str, key: str, **bound: float) -> dict:
    ours, theirs = ([r[key] for r in runs[name]] for name in (title, THEIRS))
    return versus(what, ours, theirs, milliseconds, **bound)


# --- figure 8 ---

def company(rounds: int, quick: bool) -> dict:
    need_engine()
    runs = play(FOUR, {name: (name, FOUR.setup()) for name in PEERS}, 1 if quick else rounds)
    beside = f"beside {FOUR.streams} streams"
    rows = [
        against(f"time to first token of {FOUR.long} tokens {beside}", runs, OURS, "long", times_most=1.5),
        against(f"... of {SHORT} tokens, {SHORT_AFTER} s later", runs, OURS, "short", most=1.0),
        against(f"the {FOUR.streams} streams meanwhile, gap at p99", runs, OURS, "p99", times_most=0.25),
    ]
    ours, theirs = runs[OURS], runs[THEIRS]
    notes = [f"{FOUR.described()}. Hostler's long prompt alone takes {middle(ours, 'alone'):.1f} s; the streams' gaps are "
             f"{milliseconds(middle(ours, 'before p50'))} at p50 before it, {milliseconds(middle(ours, 'p50'))} meanwhile (llama-server "
             f"{middle(theirs, 'before p50') * 1000:.0f} and {middle(theirs, 'p50') * 1000:.0f})"]
    return {"rows": rows, "runs": runs, "notes": notes}


# --- figure 14 ---

GENTLE = "hostler --inter-token 2x"


def has_inter_token() -> bool:
    return "--inter-token" in subprocess.run([ENGINE, "--help"], capture_output=True, text=True, check=False).stdout


def slower(what: str, runs: list[dict], most: float) -> dict:
    """The mean gap beside the one of the same streams undisturbed."""
    ratio = median([r["mean"] / r["before mean"] for r in runs])
    return {"what": what, "bound": f"{most:.2f}x undisturbed", "ok": ratio <= most, "ratio": ratio,
            "value": f"{milliseconds(middle(runs, 'mean'))} = {ratio:.2f}x ({milliseconds(middle(runs, 'before mean'))})"}


def crowd(rounds: int, quick: bool) -> dict:
    need_engine()
    setup = EIGHT.setup()
    setups = {name: (name, setup) for name in PEERS}
    if has_inter_token():
        setups[GENTLE] = (OURS, replace(setup, options=("--inter-token", "2x")))
    runs = play(EIGHT, setups, 1 if quick else rounds)
    streams, prompt, short = f"{EIGHT.streams} streams", f"{EIGHT.long} tokens", f"... of {SHORT} tokens, {SHORT_AFTER} s later"
    rows = [
        slower(f"{streams} beside a prompt of {prompt}, mean gap", runs[OURS], 3.0),
        against("... gap at p99", runs, OURS, "p99", most=0.4),
        against(f"time to first token of {prompt} beside {streams}", runs, OURS, "long", times_most=1.3),
        against(short, runs, OURS, "short", most=1.0),
    ]
    if GENTLE in setups:
        rows += [
            slower(f"with --inter-token 2x: {streams}, mean gap", runs[GENTLE], 2.0),
            against("... gap at p99", runs, GENTLE, "p99"),
            against(f"... time to first token of {prompt}", runs, GENTLE, "long"),
            against(short, runs, GENTLE, "short", most=1.0),
        ]
    alone = ", ".join(f"{title} {middle(runs[title], 'alone'):.1f} s" for title in runs)
    gaps = ", ".join(f"{title} {milliseconds(middle(runs[title], 'max'))}" for title in runs)
    return {"rows": rows, "runs": runs, "notes": [f"{EIGHT.described()}. The long prompt alone takes: {alone}. The longest gap: {gaps}"]}
