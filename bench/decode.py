# SPDX-License-Identifier: Apache-2.0
"""Figure 16: decode from 1 to 32 streams, in the engine and in llama-server, on a small chat model in Q4_1 and on random weights with the
shape of a 1B model in Q4_0.

So many short prompts are answered at any time, each answer is as long, and one that ends is followed by the next: tokens per second, and
the gap between tokens at p99, in which the prompts that come meanwhile show."""

from __future__ import annotations

from harness import Stage, in_turn, median, note
from servers import OURS, PEERS, THEIRS, THREADS, Server, Setup, chat_model, load, need_engine, random_model, streams_of, versus

STREAMS = (1, 2, 3, 4, 8, 16, 32)
QUICK_STREAMS = (1, 3, 16)
GAPS_AT = 16          # streams at which the gap has a bound
SLOTS = 32
CONTEXT = 512         # tokens per sequence
TOKENS = 64           # of each answer
UNEVEN = "32-96"      # likewise: answers end one by one, and prompts come beside running streams
WORDS = 4             # of a prompt
LEAST_ANSWERS = 4
PAD_AT, PAD_GAIN = 3, 1.3  # Q4_0's kernels work on four rows and take longer for three: what a fourth should bring there

MODELS = {"SmolLM2 in Q4_1": chat_model, "1B in Q4_0": lambda: random_model("1b", "Q4_0")}


def answers(stage: Stage, server: Server, streams: int, count: int, seed: int, tokens: int | str = TOKENS) -> dict:
    return load(stage, server, 900, {"temperature": 0, "ignore_eos": True}, "--concurrency", streams, "--requests", count,
                "--output-tokens", tokens, "--prompt-tokens", WORDS, "--seed", seed)


def measure(setup: Setup, levels: tuple[int, ...], times: int, seed: int) -> dict[str, dict[int, dict[str, float]]]:
    """Both, started anew. Both are up and take turns at each level, since such a machine's speed changes within minutes. Each load
    has prompts of its own, or what an engine remembers would count."""
    found: dict[str, dict[int, dict[str, float]]] = {name: {} for name in PEERS}
    with Stage() as stage:
        servers = {name: setup.start(stage, name) for name in in_turn(PEERS, seed)}
        for server in servers.values():
            answers(stage, server, 4, 4, 1000 * seed)  # memory that is new to a virtual machine is slow at first
        for turn, streams in enumerate(levels):
            for name in in_turn(PEERS, seed + turn):
                r = answers(stage, servers[name], streams, max(LEAST_ANSWERS, times * streams), 1000 * seed + streams)
                found[name][streams] = {"tokens_per_s": r["tokens_per_s"], "gap": r["itl_ms"]["p99"]}
        for name in in_turn(PEERS, seed):
            r = answers(stage, servers[name], GAPS_AT, max(LEAST_ANSWERS, times * GAPS_AT), 1000 * seed + GAPS_AT + 1, UNEVEN)
            found[name][GAPS_AT]["uneven_gap"] = r["itl_ms"]["p99"]
    return found


def rows_of(title: str, levels: tuple[int, ...], runs: dict[str, list[dict]]) -> list[dict]:
    def values(name: str, streams: int, key: str) -> list[float]:
        return [r[streams][key] for r in runs[name]]

    def row(what: str, streams: int, key: str, write, **bound: float) -> dict:
        return versus(f"{title}, {streams_of(streams)}, {what}", values(OURS, streams, key), values(THEIRS, streams, key), write, **bound)

    rows = [row("decode", streams, "tokens_per_s", lambda v: f"{v:.1f} tokens/s",
                times_least=PAD_GAIN if streams == PAD_AT and "Q4_0" in title else 1.0) for streams in levels]
    def gap(what: str, key: str) -> dict:
        return row(what, GAPS_AT, key, lambda v: f"{v:.0f} ms", times_most=1.0)

    return [*rows, gap("gap at p99", "gap"), gap(f"gap at p99, answers of {UNEVEN} tokens", "uneven_gap")]


def note_of(title: str, levels: tuple[int, ...], runs: dict[str, list[dict]]) -> str:
    gaps = ", ".join(f"{streams_of(streams)} " + " / ".join(f"{median([r[streams]['gap'] for r in runs[name]]):.0f}" for name in PEERS)
                     for streams in levels)
    return f"{title}: gaps at p99, in ms, of {OURS} / {THEIRS}: {gaps}"


def decode(rounds: int, quick: bool) -> dict:
    need_engine()
    levels = QUICK_STREAMS if quick else STREAMS
    rows, everything = [], {}
    notes = [f"greedy, short prompts, {TOKENS} tokens per answer, {SLOTS} slots of {CONTEXT} tokens, {THREADS} threads"]
    for title, model in MODELS.items():
        setup = Setup(model(), SLOTS, CONTEXT)
        runs: dict[str, list[dict]] = {name: [] for name in PEERS}
        for turn in range(1 if quick else rounds):
            for name, found in measure(setup, levels, 1 if quick else 3, turn + 1).items():
                runs[name].append(found)
                note(f"round {turn + 1}  {title}  {name:12} " + "  ".join(
                    f"{streams}: {r['tokens_per_s']:.1f} tokens/s, p99 {r['gap']:.0f} ms" for streams, r in found.items()))
        rows += rows_of(title, levels, runs)
        notes.append(note_of(title, levels, runs))
        everything[title] = runs
    return {"rows": rows, "runs": everything, "notes": notes}
