# SPDX-License-Identifier: Apache-2.0
"""Figure 11: what it costs to keep answers to a JSON schema, in the engine and in llama-server."""

from __future__ import annotations

import re

from harness import Stage, http, in_turn, median, note
from servers import OURS, PEERS, THEIRS, THREADS, Server, Setup, chat_model, load, need_engine, streams_of

STREAMS = (1, 8)
SLOTS = 8
CONTEXT = 1024  # tokens per sequence
TOKENS = 128    # of each answer: more persons than that must come
ANSWERS = {1: 4, 8: 24}  # of each load, by its streams

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "email": {"type": "string", "pattern": "^[a-z]{2,12}@[a-z]{2,12}\\.(com|org)$"},
        "active": {"type": "boolean"},
        "role": {"enum": ["admin", "editor", "reader"]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 4},
        "address": {
            "type": "object",
            "properties": {"street": {"type": "string", "maxLength": 40}, "zip": {"type": "string", "pattern": "^[0-9]{5}$"}},
            "required": ["street", "zip"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "age", "email", "active", "role", "tags", "address"],
    "additionalProperties": False,
}
PERSONS = {"type": "array", "items": PERSON, "minItems": 30}

ASKS = {
    "free": {"ignore_eos": True},
    "kept": {"response_format": {"type": "json_schema", "json_schema": {"name": "persons", "schema": PERSONS}}},
}


def decode(stage: Stage, server: Server, streams: int, answers: int, ask: dict, seed: int) -> float:
    """Tokens per second of so many answers, `streams` of them at any time."""
    result = load(stage, server, 600, {"temperature": 1, "seed": seed, **ask}, "--concurrency", streams, "--requests", answers,
                  "--output-tokens", TOKENS, "--prompt-tokens", 4, "--seed", seed)
    return result["tokens_per_s"]


def masks(port: int) -> dict[str, float]:
    """How many there were, how long they took, and how many took at most 2.5 ms."""
    page = http(port, "/metrics")[1]
    text = page.decode() if isinstance(page, bytes) else page
    names = {"count": "_count", "sum": "_sum", "fast": r'_bucket\{le="0.0025"\}'}
    return {key: float(re.search(rf"^hostler_engine_mask_seconds{end} (\S+)", text, re.M)[1]) for key, end in names.items()}


def measure(name: str, seed: int, quick: bool) -> dict:
    """One engine, started anew; they take turns, so that neither disturbs the other."""
    found: dict = {}
    with Stage() as stage:
        server = Setup(chat_model(), SLOTS, CONTEXT).start(stage, name)
        decode(stage, server, 4, 8, ASKS["free"], seed)  # memory that is new to a virtual machine is slow at first
        for streams in STREAMS:
            for what in in_turn(ASKS, seed):
                seed += 1
                answers = streams if quick else ANSWERS[streams]
                found[f"{what} {streams}"] = decode(stage, server, streams, answers, ASKS[what], 1000 + seed)
        if name == OURS:
            found["masks"] = masks(server.port)
    return found


def ratio(runs: list[dict], streams: int) -> float:
    return median([r[f"kept {streams}"] / r[f"free {streams}"] for r in runs])


def shapes(rounds: int, quick: bool) -> dict:
    need_engine()
    runs: dict[str, list[dict]] = {name: [] for name in PEERS}
    for turn in range(1 if quick else rounds):
        for name in in_turn(PEERS, turn):
            runs[name].append(measure(name, 100 * turn, quick))
            note(f"round {turn + 1}/{rounds}  {name:12} " + "  ".join(f"{key} {value:.1f}" for key, value in runs[name][-1].items()
                                                                     if key != "masks") + " tokens/s")
    ours = runs[OURS]
    rows = [{"what": f"decode kept to a schema, {streams_of(streams)}", "bound": "0.90x free decode",
             "value": f"{median([r[f'kept {streams}'] for r in ours]):.1f} tokens/s = {ratio(ours, streams):.2f}x",
             "ok": ratio(ours, streams) >= 0.9, "ratio": ratio(ours, streams)} for streams in STREAMS]
    count, total, fast = (sum(r["masks"][key] for r in ours) for key in ("count", "sum", "fast"))
    rows += [
        {"what": "a mask, mean", "bound": "100 us", "value": f"{total / count * 1e6:.0f} us", "ok": total / count <= 100e-6},
        {"what": "masks within 2.5 ms", "bound": "99 %", "value": f"{100 * fast / count:.2f} % of {count:.0f}", "ok": fast / count >= 0.99},
    ]
    theirs = "; ".join(f"{streams_of(streams)}: {ratio(runs[THEIRS], streams):.2f}x "
                       f"({median([r[f'kept {streams}'] for r in runs[THEIRS]]):.1f} tokens/s)" for streams in STREAMS)
    return {"rows": rows, "runs": runs,
            "notes": [f"{chat_model().name}, {THREADS} threads, {SLOTS} slots, {TOKENS} tokens per answer, temperature 1, a list of persons "
                      f"with seven members each. llama-server with the same schema, beside itself without: {theirs}"]}
