# SPDX-License-Identifier: Apache-2.0
"""Small arithmetic: sums and differences up to 20, products up to 10 x 10."""

from __future__ import annotations

import random
from collections.abc import Iterator

_WORDS = {"+": ("plus",), "-": ("minus",), "*": ("times", "multiplied by")}
_FORMS = (
    "What is {a} {op} {b}?", "What is {a}{op}{b}?", "{a} {op} {b}", "{a}{op}{b}",
    "{a} {op} {b} = ?",
    "{a}{op}{b}=", "What's {a} {op} {b}?", "Calculate {a} {op} {b}.", "How much is {a} {op} {b}?",
    "What is {a} {word} {b}?", "How much is {a} {word} {b}?", "what's {a} {word} {b}",
    "{a} {word} {b}?",
    "Can you calculate {a} {op} {b}?", "Compute {a} {op} {b}", "Tell me {a} {op} {b}.",
    "What is the answer to {a} {op} {b}?",
)
LISTED_FORM = "What is {a} {op} {b}?"


def _result(a: int, op: str, b: int) -> int:
    return {"+": a + b, "-": a - b, "*": a * b}[op]


def all_sums() -> Iterator[tuple[int, str, int]]:
    """Yields every sum the model is taught."""
    for a in range(21):
        for b in range(21):
            yield a, "+", b
            if b <= a:
                yield a, "-", b
            if a <= 10 and b <= 10:
                yield a, "*", b


def answer(a: int, op: str, b: int) -> str:
    """Returns the one right answer."""
    return f"{a} {op} {b} = {_result(a, op, b)}."


def ask(form: str, a: int, op: str, b: int, word: str | None = None) -> str:
    """Fills one form of the question."""
    return form.format(a=a, op=op, b=b, word=word or _WORDS[op][0])


def draw(rng: random.Random, sums: list[tuple[int, str, int]]) -> tuple[str, str]:
    """Draws a question and its answer."""
    a, op, b = rng.choice(sums)
    if max(a, b) > 10 and rng.random() < 0.5:
        a, op, b = rng.choice(sums)
    sign = "x" if op == "*" and rng.random() < 0.25 else op
    form = LISTED_FORM if rng.random() < 0.2 else rng.choice(_FORMS)
    question = ask(form, a, sign, b, rng.choice(_WORDS[op]))
    return question, answer(a, op, b)
