# SPDX-License-Identifier: Apache-2.0
"""Figure 4: the engine against llama-server, on a model of random weights with the shape of a 135M chat model."""

from __future__ import annotations

import sys

import llama
from harness import Process, Stage, Unmeasured, cores, in_turn, interval_of_median, median, note
from servers import (OURS, PEERS, THEIRS, THREADS, WITH_BLAS, Server, Setup, load, need_engine, random_model, streams_of)

STREAMS = (1, 4, 8, 16)
SLOTS = 16
CONTEXT = 1024  # tokens per sequence
TOKENS = 128    # of each answer
SHORT, LONG = 30, 500  # prompts, in tokens, about: with the template's
WORDS = {SHORT: 4, LONG: 168}  # of a prompt, in this vocabulary
WARMUP = 8.0  # seconds of load before the first window: memory that is new to a virtual machine is slow at first
BUSY_TOKENS = 16  # beside a busy core, where llama-server may need a minute for 128


class Engines:
    def __init__(self, stage: Stage, ours_threads: str) -> None:
        self.stage = stage
        self.setup = Setup(random_model(), SLOTS, CONTEXT, ours_threads)
        self.servers: dict[str, Server] = {}
        self.loads = 0  # of the engine that was started last

    def start(self, name: str) -> Process:
        """Starts one engine; they take turns, so that neither disturbs the other."""
        self.loads = 0
        self.servers[name] = self.setup.start(self.stage, name)
        return self.servers[name].process

    def bench(self, name: str, seconds: float, *options: object) -> dict:
        return load(self.stage, self.servers[name], seconds, {"temperature": 0}, *options)

    def load(self, name: str, streams: int, seconds: float, warmup: float, tokens: int = TOKENS) -> dict:
        """Decoding: short prompts, long answers, `streams` of them at any time. An engine gets each prompt in one of its
        loads only, or what it remembers would count; the other engine gets the same ones."""
        self.loads += 1
        return self.bench(name, seconds + warmup + 300, "--concurrency", streams, "--duration", seconds, "--warmup", warmup,
                          "--output-tokens", tokens, "--prompt-tokens", WORDS[SHORT], "--seed", 1000 + self.loads)

    def single_ms(self, name: str, length: int, seed: int) -> float:
        """Time to first token of one stream: of a long prompt, or the median of short ones whose answers follow one another."""
        answers = (1, 2) if length == LONG else (12, 32)
        result = self.bench(name, 300, "--concurrency", 1, "--requests", answers[0], "--output-tokens", answers[1],
                            "--prompt-tokens", WORDS[length], "--seed", seed)
        return result["ttft_ms"]["p50"]


def measure(rounds: int, seconds: float, ours_threads: str, levels: tuple[int, ...], busy: bool) -> dict:
    """(engine, streams) -> list of load results."""
    runs: dict[tuple[str, int], list[dict]] = {}
    with Stage() as stage:
        engines = Engines(stage, ours_threads)
        if busy:
            stage.start("busy", [sys.executable, "-c", "while True: pass"], {cores()[-1]})
        for turn in range(rounds):
            for name in in_turn(PEERS, turn):
                p = engines.start(name)
                if not busy:
                    engines.load(name, 4, WARMUP, 0.0)
                for streams in levels:
                    warmup = 4.0 if busy else 2.0
                    # Many streams end and begin together, and beside a busy core llama-server may make a token a second:
                    # the window must hold some of each.
                    window = seconds * 2 if streams >= 8 or busy else seconds
                    r = engines.load(name, streams, window, warmup, BUSY_TOKENS if busy else TOKENS)
                    runs.setdefault((name, streams), []).append(r)
                    note(f"round {turn + 1}/{rounds}  {name:12} {streams_of(streams):10}{' (one core busy)' if busy else ''}  "
                         f"{r['tokens_per_s']:7.1f} tokens/s" + (f"  ttft p50 {r['ttft_ms']['p50']:.0f} ms" if r["ttft_ms"]["count"] else ""))
                stage.drop(p)
    return runs


def first_token_ms(result: dict) -> float:
    if not result["ttft_ms"]["count"]:
        raise Unmeasured("no answer began within a window")
    return result["ttft_ms"]["p50"]


def measure_single(length: int, rounds: int, pairs: int, ours_threads: str) -> dict[str, list[float]]:
    """Times to first token of one stream, with equal prompts. Both engines are up and take turns: the difference is smaller
    than what such a machine's speed changes within a minute. Each round starts them anew: where their memory comes to lie
    makes a difference of its own."""
    times: dict[str, list[float]] = {name: [] for name in PEERS}
    if length == LONG and llama.unpacked_backends():
        times[WITH_BLAS] = []
    for turn in range(rounds):
        with Stage() as stage:
            engines = Engines(stage, ours_threads)
            order = in_turn(times, turn)
            for name in order:
                engines.start(name)
            for name in order:
                engines.single_ms(name, LONG, 1)  # the first one warms up
            for pair in range(pairs):
                for name in in_turn(order, pair):
                    times[name].append(engines.single_ms(name, length, pair + 2))
                note(f"round {turn + 1}/{rounds}  prompt of {length} tokens  ttft " +
                     "  ".join(f"{name} {ms[-1]:.0f} ms" for name, ms in times.items()))
    return times


def ratio_of_pairs(times: dict[str, list[float]], peer: str) -> tuple[float, str]:
    ours, theirs = times[OURS], times[peer]
    ratios = [a / b for a, b in zip(ours, theirs)]
    ratio, (low, high) = median(ratios), interval_of_median(ratios)
    return ratio, f"{median(ours):.0f} ms = {ratio:.2f}x ({median(theirs):.0f} ms), {low:.2f}-{high:.2f}x"


def compare_single(length: int, times: dict[str, list[float]]) -> dict:
    ratio, value = ratio_of_pairs(times, THEIRS)
    return {"what": f"time to first token, 1 stream, prompt of {length} tokens", "bound": "1.00x llama-server",
            "value": value, "ok": ratio <= 1.0, "ratio": ratio}


def compare(runs: dict, streams: int, pick) -> tuple[float, float, float]:
    """Medians of both, and the median of the ratios round by round."""
    ours = [pick(r) for r in runs[OURS, streams]]
    theirs = [pick(r) for r in runs[THEIRS, streams]]
    return median(ours), median(theirs), median([a / b for a, b in zip(ours, theirs)])


def engine(rounds: int, quick: bool) -> dict:
    need_engine()
    seconds = 4.0 if quick else 8.0
    levels = (1, 8) if quick else STREAMS
    rows = []
    runs = measure(rounds, seconds, str(THREADS), levels, busy=False)
    for streams in levels:
        ours, theirs, ratio = compare(runs, streams, lambda r: r["tokens_per_s"])
        rows.append({"what": f"decode, {streams_of(streams)}, {THREADS} threads", "bound": "0.95x llama-server",
                     "value": f"{ours:.1f} tokens/s = {ratio:.2f}x ({theirs:.1f})", "ok": ratio >= 0.95, "ratio": ratio})
    single = {length: measure_single(length, rounds if quick else 2 * rounds, pairs, str(THREADS))
              for length, pairs in ((LONG, 5), (SHORT, 3))}
    rows += [compare_single(length, times) for length, times in single.items()]
    for streams in levels[1:]:
        ours, theirs, ratio = compare(runs, streams, first_token_ms)
        rows.append({"what": f"time to first token, {streams_of(streams)}", "bound": "1.00x llama-server",
                     "value": f"{ours:.0f} ms = {ratio:.2f}x ({theirs:.0f} ms)", "ok": ratio <= 1.0, "ratio": ratio})
    busy = measure(rounds, seconds, "auto", (4,) if quick else (1, 4), busy=True)
    for _, streams in sorted(k for k in busy if k[0] == OURS):
        ours, theirs, ratio = compare(busy, streams, lambda r: r["tokens_per_s"])
        rows.append({"what": f"one core busy, {streams_of(streams)}, auto threads", "bound": "1.50x llama-server -t 2",
                     "value": f"{ours:.1f} tokens/s = {ratio:.2f}x ({theirs:.1f})", "ok": ratio >= 1.5, "ratio": ratio})
    notes = [f"greedy, short prompts, {TOKENS} tokens per answer ({BUSY_TOKENS} beside a busy core), {SLOTS} slots of {CONTEXT} tokens"]
    if WITH_BLAS in single[LONG]:
        notes.append("the prompt of 500 tokens against a llama-server that was given the same BLAS back end and library, which its "
                     f"package does not bring: {ratio_of_pairs(single[LONG], WITH_BLAS)[1]}")
    return {"rows": rows, "tokens_per_s": {f"{k[0]} {k[1]}": [r["tokens_per_s"] for r in v] for k, v in runs.items()},
            "single_ms": single,
            "busy_tokens_per_s": {f"{k[0]} {k[1]}": [r["tokens_per_s"] for r in v] for k, v in busy.items()},
            "notes": notes}
