# SPDX-License-Identifier: Apache-2.0
"""Surface noise: the ways in which people write the same question."""

from __future__ import annotations

import random

_OPENERS = (
    "please ", "hey, ", "hi, ", "hello, ", "hi! ", "ok, ", "so, ", "um, ", "quick question: ",
    "question: ", "can you tell me: ", "tell me, ", "please tell me: ", "i wonder, ", "hey hostler, ",
    "now, ", "and ", "ok so ", "i have a question: ",
)
_CLOSERS = (" please", ", please", " thanks", " thank you", " in one sentence", " briefly", "??", " ?", "!", "...")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _typo(rng: random.Random, text: str) -> str:
    """Drops, doubles, swaps or replaces one letter somewhere after the first."""
    if len(text) < 8:
        return text
    at = rng.randrange(1, len(text) - 2)
    if not text[at].isalpha() or not text[at + 1].isalpha():
        return text
    return rng.choice((
        text[:at] + text[at + 1:],
        text[:at] + text[at] + text[at:],
        text[:at] + text[at + 1] + text[at] + text[at + 2:],
        text[:at] + rng.choice(_LETTERS) + text[at + 1:],
    ))


def _change_case(rng: random.Random, text: str) -> str:
    roll = rng.random()
    if roll < 0.30:
        return text.lower()
    if roll < 0.33:
        return text.upper()
    if roll < 0.40:
        return text[0].upper() + text[1:]
    return text


def vary(rng: random.Random, question: str) -> str:
    """Returns the question as some person might type it; about a third stay as they are."""
    text = question
    if rng.random() < 0.35:
        return text
    if rng.random() < 0.35:
        text = text.rstrip("?.!")
    if rng.random() < 0.15:
        text = rng.choice(_OPENERS) + text[0].lower() + text[1:]
    if rng.random() < 0.10:
        text = text.rstrip("?.!") + rng.choice(_CLOSERS)
    text = _change_case(rng, text)
    if rng.random() < 0.15:
        text = _typo(rng, text)
    if rng.random() < 0.04:
        text = rng.choice((text + "\n", " " + text, text + " "))
    return text
