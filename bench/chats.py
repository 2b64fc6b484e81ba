# SPDX-License-Identifier: Apache-2.0
"""Figure 12: conversations of more users than there are slots, in the engine and in llama-server.

Each user has a system prompt of their own and sends a turn as soon as the last answer is there, with the whole history: their own messages
and the answers as they came. Measured are what the servers took from their caches of the prompts' tokens, answers per second, all of them
and those that began in time, and the time to the first token turn by turn."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass

from harness import Stage, Unmeasured, in_turn, mean, median, note
from servers import OURS, PEERS, THEIRS, THREADS, Setup, chat_model, need_engine, versus
from streams import Stream, chat

CONTEXT = 2048      # tokens per sequence
TOKENS = 128        # of each answer
IN_TIME = 5.0       # seconds to the first token of an answer that counts as goodput
SYSTEM, MESSAGE = 40, 16  # words
WORDS = ("river stone green window paper music winter table garden letter silver market summer street morning water yellow story island "
         "bridge mountain doctor teacher picture kitchen number forest evening station animal country village").split()


@dataclass(frozen=True)
class Crowd:
    users: int
    turns: int
    slots: int


CROWDS = (Crowd(users=8, turns=6, slots=4), Crowd(users=16, turns=8, slots=8))
QUICK_CROWDS = (Crowd(users=8, turns=3, slots=4),)


def words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(WORDS, k=count))


class User(threading.Thread):
    def __init__(self, port: int, turns: int, seed: str) -> None:
        super().__init__(daemon=True)
        self.port, self.turns = port, turns
        self.rng = random.Random(seed)
        self.answers: list[Stream] = []
        self.error = ""

    def run(self) -> None:
        history = [{"role": "system", "content": f"You know about {words(self.rng, SYSTEM)}."}]
        try:
            for _ in range(self.turns):
                history.append({"role": "user", "content": f"Tell me of {words(self.rng, MESSAGE)}."})
                answer = chat(self.port, history, TOKENS)
                answer.end()
                history.append({"role": "assistant", "content": answer.text})
                self.answers.append(answer)
        except Unmeasured as why:
            self.error = str(why)

    def repeated_tokens(self) -> int:
        """Of the prompts, those that the turn before had in its prompt or as its answer: what can be cached."""
        return sum(a.prompt_tokens + a.usage["completion_tokens"] for a in self.answers[:-1])


def talk(port: int, users: int, turns: int, seed: str) -> tuple[list[User], float]:
    """All users at once. The seconds until the last one has all answers."""
    people = [User(port, turns, f"{seed} {i}") for i in range(users)]
    begin = time.monotonic()
    for user in people:
        user.start()
    for user in people:
        user.join()
    for user in people:
        if user.error:
            raise Unmeasured(user.error)
    return people, time.monotonic() - begin


def measure(name: str, crowd: Crowd, seed: int) -> dict:
    """One engine, started anew; they take turns, so that neither disturbs the other."""
    with Stage() as stage:
        server = Setup(chat_model(), crowd.slots, CONTEXT).start(stage, name)
        talk(server.port, crowd.slots, 1, f"warm {seed}")  # memory that is new to a virtual machine is slow at first
        people, wall = talk(server.port, crowd.users, crowd.turns, str(seed))
    answers = [a for user in people for a in user.answers]
    prompts = sum(a.prompt_tokens for a in answers)
    return {
        "cached": sum(a.cached_tokens for a in answers) / prompts,
        "repeated": sum(user.repeated_tokens() for user in people) / prompts,
        "prompt_tokens": prompts,
        "wall": wall,
        "per second": len(answers) / wall,
        "in time per second": sum(a.first() <= IN_TIME for a in answers) / wall,
        "first token by turn": [mean([user.answers[turn].first() for user in people]) for turn in range(crowd.turns)],
        "first tokens": [[a.first() for a in user.answers] for user in people],
    }


def by_turn(runs: list[dict]) -> list[float]:
    return [median(list(turn)) for turn in zip(*(r["first token by turn"] for r in runs))]


def seconds(values: list[float]) -> str:
    return " ".join(f"{v:.1f}" for v in values) + " s"


def growth(run: dict) -> float:
    """How much later first tokens come in the later half of the turns than in the earlier."""
    turns = run["first token by turn"]
    half = len(turns) // 2
    return mean(turns[half:]) / mean(turns[:half])


def rates(what: str, runs: dict[str, list[dict]], key: str, times_least: float) -> dict:
    if not all(r[key] for r in runs[THEIRS]):  # nothing to divide by
        ours = median([r[key] for r in runs[OURS]])
        return {"what": what, "bound": f"{times_least:.2f}x llama-server", "ok": ours > 0, "value": f"{ours:.2f}/s (0.00/s in a round)"}
    return versus(what, [r[key] for r in runs[OURS]], [r[key] for r in runs[THEIRS]], lambda v: f"{v:.2f}/s", times_least=times_least)


def rows_of(crowd: Crowd, runs: dict[str, list[dict]]) -> list[dict]:
    ours, theirs = runs[OURS], runs[THEIRS]
    cached, flat = median([r["cached"] for r in ours]), median([growth(r) for r in ours])
    title = f"{crowd.users} users x {crowd.turns} turns on {crowd.slots} slots"
    return [
        {"what": f"{title}, prompt tokens from cache", "bound": "90.0 %",
         "value": f"{100 * cached:.1f} % (llama-server {100 * median([r['cached'] for r in theirs]):.1f} %)", "ok": cached >= 0.9},
        rates(f"... answers begun within {IN_TIME:.0f} s", runs, "in time per second", 2.0),
        rates("... answers", runs, "per second", 1.0),
        {"what": "... time to first token, later half of the turns", "bound": "1.25x the earlier half", "ok": flat <= 1.25, "ratio": flat,
         "value": f"{flat:.2f}x (llama-server {median([growth(r) for r in theirs]):.2f}x)"},
    ]


def note_of(crowd: Crowd, runs: dict[str, list[dict]]) -> str:
    walls = {name: median([r["wall"] for r in runs[name]]) for name in PEERS}
    parts = [f"{name} {walls[name]:.1f} s in all, first tokens turn by turn after {seconds(by_turn(runs[name]))}" for name in PEERS]
    repeated = 100 * median([r["repeated"] for r in runs[OURS]])
    return (f"{crowd.users} users on {crowd.slots} slots: {'; '.join(parts)}. {repeated:.1f} % of the prompts' tokens had been there in "
            "the turn before; but for beginnings that users have in common, no more can come from a cache")


def chats(rounds: int, quick: bool) -> dict:
    need_engine()
    rows, everything = [], {}
    notes = [f"{chat_model().name}, {THREADS} threads, slots of {CONTEXT} tokens, {TOKENS} tokens per answer"]
    for crowd in QUICK_CROWDS if quick else CROWDS:
        runs: dict[str, list[dict]] = {name: [] for name in PEERS}
        for turn in range(1 if quick else rounds):
            for name in in_turn(PEERS, turn):
                r = measure(name, crowd, turn + 1)
                runs[name].append(r)
                note(f"round {turn + 1}  {crowd.users} users, {crowd.slots} slots  {name:12} {100 * r['cached']:.1f} % cached of "
                     f"{r['prompt_tokens']}  {r['wall']:.1f} s  ttft by turn {seconds(r['first token by turn'])}")
        rows += rows_of(crowd, runs)
        notes.append(note_of(crowd, runs))
        everything[f"{crowd.users} users"] = runs
    return {"rows": rows, "runs": everything, "notes": notes}
