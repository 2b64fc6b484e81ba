# SPDX-License-Identifier: Apache-2.0
"""Writes test/data/demo_questions.json: the corpus' questions that a server answers exactly.

    python tools/demo/list_questions.py http://127.0.0.1:8080/v1

Asks the first question of every entry about Hostler, greedily, with and without a system prompt,
and lists those that are right both ways. Ten entries marked @e2e in the corpus are marked for the
end-to-end test; the script fails if fewer than ten of them, or fewer than 100 in all, are right.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from check_answers import QUESTIONS
from corpus import HOSTLER_FILES, Entry, load_many
from openai_http import Server

_SYSTEM_PROMPTS = (None, "You are a helpful assistant.")
_E2E_COUNT = 10
_LEAST = 100


def is_right(server: Server, entry: Entry) -> bool:
    """Asks an entry's first question in each setting; prints what is wrong."""
    for system in _SYSTEM_PROMPTS:
        answer = server.ask(entry.questions[0], system)
        if answer != entry.answer:
            print(f"wrong: {entry.questions[0]} (system: {system})\n  {answer}", file=sys.stderr)
            return False
    return True


def as_items(entries: list[Entry]) -> list[dict]:
    """Returns the JSON items, the first ten @e2e entries marked."""
    items = []
    marked = 0
    for entry in entries:
        item: dict[str, str | bool] = {
            "question": entry.questions[0], "answer": entry.answer, "anchor": entry.anchor}
        if entry.e2e and marked < _E2E_COUNT:
            item["e2e"] = True
            marked += 1
        items.append(item)
    return items


def main() -> int:
    """Asks everything and writes the list."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="base URL, with /v1")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--out", type=Path, default=QUESTIONS)
    args = parser.parse_args()
    server = Server(args.base, args.model)
    entries = load_many(HOSTLER_FILES)
    right = [entry for entry in entries if is_right(server, entry)]
    items = as_items(right)
    print(f"{len(right)} right of {len(entries)}")
    if len(right) < _LEAST or sum("e2e" in item for item in items) < _E2E_COUNT:
        print("too few right answers; nothing written", file=sys.stderr)
        return 1
    args.out.write_text(json.dumps(items, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
