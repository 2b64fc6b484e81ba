# SPDX-License-Identifier: Apache-2.0
"""Draws training examples: chats of one to four turns, and plain text, as token ids with a mask."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tokenizers import Tokenizer

import corpus
import sums
from augment import vary
from tokenizer import END_OF_TEXT, TURN_END, TURN_START

_SYSTEM_PROMPTS = (
    "You are a helpful assistant.", "You are a helpful assistant.", "You are a helpful assistant.",
    "You are Hostler's demo model.", "You are a friendly assistant.", "Answer briefly.",
    "You are an assistant. Be concise.", "You answer questions about Hostler.",
    "Be helpful and honest.",
)
# How often each kind of turn is drawn.
_KINDS = {"hostler": 46, "smalltalk": 12, "general": 7, "sums": 29, "unknown": 6}
_PLAIN_TEXT_SHARE = 0.04
_TURN_COUNTS = (1, 1, 1, 1, 1, 1, 2, 2, 3, 4)


@dataclass(frozen=True)
class Example:
    """Token ids and, for each, whether the model learns to predict it."""

    tokens: list[int]
    learn: list[bool]


@dataclass(frozen=True)
class Material:
    """The whole corpus, loaded."""

    hostler: list[corpus.Entry]
    smalltalk: list[corpus.Entry]
    general: list[corpus.Entry]
    unknown: list[str]
    unknown_answer: str
    paragraphs: list[str]
    sums: list[tuple[int, str, int]]


def load_material() -> Material:
    """Loads every corpus file; refuses a question that has two answers anywhere."""
    corpus.load_many(corpus.HOSTLER_FILES + corpus.SMALLTALK_FILES + corpus.GENERAL_FILES)
    unknown = corpus.load_lines("unknown")
    return Material(
        hostler=corpus.load_many(corpus.HOSTLER_FILES),
        smalltalk=corpus.load_many(corpus.SMALLTALK_FILES),
        general=corpus.load_many(corpus.GENERAL_FILES),
        unknown=[reading for line in unknown[1:] for reading in corpus.expand(line)],
        unknown_answer=unknown[0],
        paragraphs=corpus.load_lines("paragraphs"),
        sums=list(sums.all_sums()),
    )


def texts_for_tokenizer(material: Material) -> list[str]:
    """Returns the texts the vocabulary is trained on; answers count several times."""
    entries = material.hostler + material.smalltalk + material.general
    texts = [question for entry in entries for question in entry.questions[:12]]
    texts += [question.lower() for question in texts]
    texts += [entry.answer for entry in entries] * 6
    texts += material.paragraphs * 2 + material.unknown[:2000] + list(_SYSTEM_PROMPTS)
    texts += [f"{role}\n" for role in ("system", "user", "assistant")] * 4
    return texts


class Drawer:
    """Draws examples from the material with one random source."""

    def __init__(self, material: Material, tokenizer: Tokenizer, seed: int) -> None:
        self.material = material
        self.tokenizer = tokenizer
        self.rng = random.Random(seed)
        self.start = tokenizer.token_to_id(TURN_START)
        self.end = tokenizer.token_to_id(TURN_END)
        self.end_of_text = tokenizer.token_to_id(END_OF_TEXT)

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def _question(self, entry: corpus.Entry) -> str:
        listed = self.rng.random() < 0.25
        chosen = entry.questions[0] if listed else self.rng.choice(entry.questions)
        return vary(self.rng, chosen)

    def _entry(self, entries: list[corpus.Entry]) -> corpus.Entry:
        """Draws an entry; what newcomers ask first comes more often."""
        entry = self.rng.choice(entries)
        if not entry.common and self.rng.random() < 0.15:
            entry = self.rng.choice([e for e in entries if e.common] or entries)
        return entry

    def draw_turn(self, kind: str) -> tuple[str, str]:
        """Draws a question of a kind and its answer."""
        if kind == "sums":
            return sums.draw(self.rng, self.material.sums)
        if kind == "unknown":
            question = vary(self.rng, self.rng.choice(self.material.unknown))
            return question, self.material.unknown_answer
        entry = self._entry(getattr(self.material, kind))
        return self._question(entry), entry.answer

    def _add_turn(self, example: Example, role: str, text: str) -> None:
        """Appends one turn in ChatML; the model learns the assistant's words and their end."""
        head = [self.start, *self._encode(f"{role}\n")]
        body = [*self._encode(text), self.end]
        learns = role == "assistant"
        example.tokens.extend(head + body + self._encode("\n"))
        example.learn.extend([False] * len(head) + [learns] * len(body) + [False])

    def chat(self) -> Example:
        """Draws a chat of one to four questions, half of the time with a system prompt."""
        example = Example([], [])
        if self.rng.random() < 0.5:
            self._add_turn(example, "system", self.rng.choice(_SYSTEM_PROMPTS))
        for _ in range(self.rng.choice(_TURN_COUNTS)):
            kind = self.rng.choices(list(_KINDS), list(_KINDS.values()))[0]
            question, answer = self.draw_turn(kind)
            self._add_turn(example, "user", question)
            self._add_turn(example, "assistant", answer)
        return example

    def plain_text(self) -> Example:
        """Draws a few paragraphs that end with the end-of-text token, all of it learned."""
        count = self.rng.choice((1, 1, 2, 3))
        text = "\n".join(self.rng.sample(self.material.paragraphs, count))
        tokens = [*self._encode(text), self.end_of_text]
        return Example(tokens, [True] * len(tokens))

    def draw(self) -> Example:
        """Draws the next training example."""
        return self.plain_text() if self.rng.random() < _PLAIN_TEXT_SHARE else self.chat()
