# SPDX-License-Identifier: Apache-2.0
"""Reads the corpus files: blocks of questions that share one answer, and plain paragraphs.

A block is a run of lines, and an empty line ends it:

    @e2e                              the end-to-end test may assert this entry (optional)
    @common                           newcomers ask this first, so it is trained more (optional)
    Q: What is Hostler?               the first question is the listed one
    Q: {Explain|Describe} Hostler.    more questions; {a|b} is a choice, {a|} may be empty
    A: Hostler is [[one C program]]   the answer; [[...]] marks the words that make it right

A line that starts with '#' is a comment. Paragraph files hold one paragraph per line.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path

CORPUS_DIR = Path(__file__).resolve().parent / "corpus"

# Files about Hostler: each entry's first question is listed in test/data/demo_questions.json.
HOSTLER_FILES = (
    "about", "project", "cli", "config", "routing", "reliability", "engine", "api",
    "clients", "operations", "planned",
)
SMALLTALK_FILES = ("smalltalk",)
GENERAL_FILES = ("general",)

_CHOICE = re.compile(r"\{([^{}]*)\}")
_ANCHOR = re.compile(r"\[\[(.*?)\]\]")


class CorpusError(ValueError):
    """A corpus file breaks the format; the message names file and line."""


@dataclass
class Entry:
    """One answer and all the questions that lead to it."""

    questions: list[str] = field(default_factory=list)
    answer: str = ""
    anchor: str = ""
    e2e: bool = False
    common: bool = False


def expand(pattern: str) -> list[str]:
    """Returns every reading of a pattern with {a|b} choices (not nested), in a fixed order."""
    parts = _CHOICE.split(pattern)
    options = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    readings = ("".join(choice) for choice in itertools.product(*options))
    cleaned = (re.sub(r" {2,}", " ", text).strip() for text in readings)
    return list(dict.fromkeys(cleaned))


def _set_answer(entry: Entry, text: str) -> None:
    text = text.replace("\\n", "\n")
    found = _ANCHOR.search(text)
    entry.answer = _ANCHOR.sub(r"\1", text)
    entry.anchor = found.group(1) if found else ""


def _take_line(entry: Entry, line: str, where: str) -> None:
    if line == "@e2e":
        entry.e2e = entry.common = True
    elif line == "@common":
        entry.common = True
    elif line.startswith("Q: "):
        entry.questions.extend(expand(line[3:]))
    elif line.startswith("A: "):
        _set_answer(entry, line[3:])
    else:
        raise CorpusError(f"{where}: expected '@e2e', '@common', 'Q: ' or 'A: '")


def load_entries(name: str) -> list[Entry]:
    """Returns the entries of corpus/NAME.txt; raises CorpusError on a malformed one."""
    path = CORPUS_DIR / f"{name}.txt"
    entries: list[Entry] = []
    entry = Entry()
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate([*lines, ""], start=1):
        line = line.strip()
        where = f"{path.name}:{number}"
        if line.startswith("#"):
            continue
        if line:
            _take_line(entry, line, where)
        elif entry.questions or entry.answer:
            if not entry.questions or not entry.answer:
                raise CorpusError(f"{where}: a block needs questions and an answer")
            entry.questions = list(dict.fromkeys(entry.questions))
            entries.append(entry)
            entry = Entry()
    return entries


def load_many(names: tuple[str, ...]) -> list[Entry]:
    """Returns the entries of several files, and refuses a question with two answers."""
    entries = [entry for name in names for entry in load_entries(name)]
    owner: dict[str, str] = {}
    for entry in entries:
        for question in entry.questions:
            key = question.lower().rstrip("?.! ")
            if owner.setdefault(key, entry.answer) != entry.answer:
                raise CorpusError(f"two answers for {question!r}")
    return entries


def load_lines(name: str) -> list[str]:
    """Returns the non-empty lines of corpus/NAME.txt that are not comments."""
    text = (CORPUS_DIR / f"{name}.txt").read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
