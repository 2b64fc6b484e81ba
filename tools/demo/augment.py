# SPDX-License-Identifier: Apache-2.0
"""Surface noise: the ways in which people write the same question."""

from __future__ import annotations

import random
import re

# Beginnings that ask for the same thing: a question may change one for another of its row.
_SAME = (
    (re.compile(r"^(?:How do I|How can I|How to|How do you) "), (
        "how do i ", "how can i ", "how to ", "how would I ", "how should I ", "tell me how to ",
        "show me how to ", "explain how to ", "I want to ", "i'd like to ", "i need to ",
        "what is the way to ", "is there a way to ", "how does one ", "Can I ", "how could I ",
    )),
    (re.compile(r"^What (?:is|are) (?:the |a |an )?"), (
        "what is ", "what's ", "whats ", "what is the ", "what are ", "explain ", "define ",
        "describe ", "tell me about ", "tell me what is ", "what exactly is ",
        "what do you mean by ",
        "do you know what is ", "i don't know what is ", "",
    )),
    (re.compile(r"^What does "), (
        "what does ", "what exactly does ", "tell me what ", "explain what ", "do you know what ",
    )),
    (re.compile(r"^Does Hostler (?:support|have) "), (
        "does hostler support ", "does it support ", "do you support ", "can hostler do ",
        "is there support for ", "what about ", "does hostler have ", "does it have ", "can I use ",
        "is there ", "support for ",
    )),
    (re.compile(r"^(?:What happens (?:when|if)|What if) "), (
        "what happens when ", "what happens if ", "what if ", "what does hostler do when ",
        "what will happen if ", "and if ", "tell me what happens when ",
    )),
    (re.compile(r"^Can (?:I|Hostler) "), (
        "can I ", "can hostler ", "is it possible to ", "could I ", "am I able to ", "can you ",
        "could hostler ",
    )),
)
_STANDS_FOR_HOSTLER = (
    "it", "this", "hostler", "the server", "the program", "this program", "the gateway",
    "the hostler server", "this thing", "this hostler thing", "HOSTLER", "your server",
)
_FILLERS = ("exactly", "actually", "really", "just", "now", "again", "the", "then", "maybe", "also")
_TAILS = (
    " exactly", " in hostler", " with hostler", " for me", " then", " again", " here", " now",
    " in detail", " in general", " for hostler", " or not", " really",
)
_OPENERS = (
    "please ", "hey, ", "hi, ", "hello, ", "hi! ", "ok, ", "so, ", "um, ", "now, ", "and ",
    "ok so ", "quick question: ", "question: ", "can you tell me: ", "tell me, ",
    "please tell me: ", "i wonder, ", "hey hostler, ", "i have a question: ",
)
_CLOSERS = (
    " please", ", please", " thanks", " thank you", " in one sentence", " briefly",
    "??", " ?", "!", "...",
)
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
    if roll < 0.40:
        return text.lower()
    if roll < 0.42:
        return text.upper()
    if roll < 0.50:
        return text[0].upper() + text[1:]
    return text


def _reword(rng: random.Random, text: str) -> str:
    """Changes the beginning for one that asks the same."""
    for pattern, others in _SAME:
        if pattern.match(text):
            return pattern.sub(lambda _: rng.choice(others), text, count=1)
    return text


def _change_words(rng: random.Random, text: str) -> str:
    """Drops or adds one word, lets another word stand for Hostler, or adds a tail."""
    words = text.split(" ")
    roll = rng.random()
    if roll < 0.3 and len(words) > 4:
        del words[rng.randrange(len(words) - 1)]
    elif roll < 0.5 and len(words) > 2:
        words.insert(rng.randrange(1, len(words)), rng.choice(_FILLERS))
    elif roll < 0.8 and len(words) > 3:
        other = rng.choice(_STANDS_FOR_HOSTLER)
        return re.sub(r"\bHostler\b", other, text, count=1)
    else:
        return text.rstrip("?.!") + rng.choice(_TAILS)
    return " ".join(words)


def vary(rng: random.Random, question: str) -> str:
    """Returns the question as some person might type it; some stay as they are."""
    text = question
    if rng.random() < 0.3:
        return text
    if rng.random() < 0.35:
        text = _reword(rng, text) or text
    if rng.random() < 0.25:
        text = _change_words(rng, text)
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
