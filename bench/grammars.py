# SPDX-License-Identifier: Apache-2.0
"""Figure 10: what grammars cost: compiling schemas, and masks over vocabularies of 49 and 128 thousand tokens."""

from __future__ import annotations

import base64
import json
import random
import string
import subprocess
from pathlib import Path

from harness import ROOT, Unmeasured, median

PROGRAM = ROOT / "build" / "release" / "bench" / "grammar-masks"
MODELS = ROOT / "build" / "models"
STORED = ROOT / "build" / "bench"
MEAN_BOUND, TAIL_BOUND, COMPILE_BOUND = 100, 2000, 5000  # microseconds


# --- vocabularies ---


def bytes_of_letters() -> dict[str, int]:
    """The letters that byte-level vocabularies write bytes as: those that can be seen stand for themselves."""
    seen = [*range(ord("!"), ord("~") + 1), *range(0xa1, 0xad), *range(0xae, 0x100)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + i): byte for i, byte in enumerate(hidden)}


def read_gguf(path: Path) -> list[bytes]:
    from gguf import GGUFReader  # pylint: disable=import-outside-toplevel # build/venv has it
    field = GGUFReader(path).fields["tokenizer.ggml.tokens"]
    letters = bytes_of_letters()
    tokens = (bytes(field.parts[at]).decode() for at in field.data)
    return [bytes(letters[c] for c in token) if all(c in letters for c in token) else b"" for token in tokens]


def small_vocabulary() -> Path:
    """SmolLM2's, as the program reads it."""
    path = STORED / "smollm2-vocabulary.txt"
    if not (MODELS / "smollm2.gguf").exists():
        raise Unmeasured("build/models/smollm2.gguf is missing; `scripts/setup --for models` fetches it")
    if not path.exists():
        STORED.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(base64.b64encode(token).decode() + "\n" for token in read_gguf(MODELS / "smollm2.gguf")))
    return path


def large_vocabulary() -> Path:
    path = MODELS / "llama3-vocabulary.txt"
    if not path.exists():
        raise Unmeasured(f"{path.relative_to(ROOT)} is missing; `scripts/models llama3-vocabulary` fetches it")
    return path


VOCABULARIES = {"49k": small_vocabulary, "128k": large_vocabulary}


# --- schemas, and a text for each ---


def words(count: int) -> str:
    source = random.Random(count)
    return " ".join("".join(source.choices(string.ascii_lowercase, k=source.randint(1, 9))) for _ in range(count))


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 60},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "email": {"type": "string", "pattern": "^[a-z0-9._]{1,40}@[a-z0-9-]{1,30}\\.[a-z]{2,6}$"},
        "phone": {"type": "string", "pattern": "^\\+?[0-9]{3}-[0-9]{4,8}$"},
        "active": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 8},
        "address": {
            "type": "object",
            "properties": {"street": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9]{5}$"},
                           "country": {"enum": ["AT", "CH", "DE", "FR", "IT"]}},
            "required": ["street", "zip", "country"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "age", "email", "phone", "active", "tags", "address"],
    "additionalProperties": False,
}
ANN = {"name": "Ann Example of Somewhere", "age": 41, "email": "ann.example@example-mail.org", "phone": "+436-5551234",
       "active": True, "tags": ["early", "customer since 2019", "Gr\u00fc\u00dfe"],
       "address": {"street": "12 Long \"Old\" Road\nBack door", "zip": "10115", "country": "DE"}}
ANYTHING = {"title": words(5), "list": [1, 2.5, -3e10, None, True], "deep": {"deeper": {"text": words(30)}}, "empty": {}}
NAMES = [f"{words(2)} {n}" for n in range(500)]

CASES = {
    "person, 7 properties": (PERSON, ANN),
    "any object": ({"type": "object"}, ANYTHING),
    "array of an enum of 500": ({"type": "array", "items": {"enum": NAMES}}, NAMES[::25]),
    "string of 100 to 2000": ({"type": "string", "minLength": 100, "maxLength": 2000}, words(200)),
}


# --- the figure ---


def build() -> None:
    run = subprocess.run([ROOT / "scripts" / "build", "release", "bench/grammar-masks"], capture_output=True, text=True, check=False)
    if run.returncode:
        raise Unmeasured(f"bench/grammar-masks cannot be built: {run.stderr.strip()[-300:]}")


def run_all(vocabulary: Path) -> list[dict]:
    lines = "".join(json.dumps({"schema": schema, "text": json.dumps(value, ensure_ascii=False)}) + "\n" for schema, value in CASES.values())
    run = subprocess.run([PROGRAM, vocabulary], input=lines, capture_output=True, text=True, check=False)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode or len(results) != len(CASES):
        raise Unmeasured(f"grammar-masks failed: {run.stderr.strip()[-300:]}")
    for title, result in zip(CASES, results):
        if not result.get("taken"):
            raise Unmeasured(f"the text of '{title}' was not taken")
    return results


def mask_rows(size: str, title: str, results: list[dict]) -> list[dict]:
    mean, tail, most = (median([r[key] for r in results]) for key in ("mean_us", "p99_us", "max_us"))
    return [{"what": f"masks, {size} vocabulary, {title}", "value": f"mean {mean:.1f} us, p99 {tail:.0f} us, max {most:.0f} us",
             "bound": f"mean {MEAN_BOUND} us, p99 {TAIL_BOUND} us", "ok": mean <= MEAN_BOUND and tail <= TAIL_BOUND}]


def grammars(rounds: int, _: bool) -> dict:
    build()
    rows: list[dict] = []
    compiled: list[float] = []
    for size, vocabulary in VOCABULARIES.items():
        measured = [run_all(vocabulary()) for _ in range(rounds)]
        for i, title in enumerate(CASES):
            of_case = [results[i] for results in measured]
            rows += mask_rows(size, title, of_case)
            compiled += [r["compile_us"] for r in of_case]
    rows.append({"what": "compiling one of these schemas", "value": f"median {median(compiled):.0f} us, max {max(compiled):.0f} us",
                 "bound": f"median {COMPILE_BOUND} us", "ok": median(compiled) <= COMPILE_BOUND})
    return {"rows": rows}
