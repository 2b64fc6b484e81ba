# SPDX-License-Identifier: Apache-2.0
"""Clients of an engine that note when each piece of an answer came, what it said and what of its prompt was computed."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time

from harness import Unmeasured

PATIENCE = 600  # seconds


class Stream:
    """A streamed, greedy answer of exactly `tokens` tokens, read on a thread of its own."""

    def __init__(self, port: int, path: str, asked: dict, tokens: int) -> None:
        self.sent = time.monotonic()
        self.times: list[float] = []
        self.pieces: list[str] = []
        self.usage: dict = {}
        self.error = ""
        self.began, self.leaving = threading.Event(), threading.Event()
        body = json.dumps({**asked, "max_tokens": tokens, "stream": True, "stream_options": {"include_usage": True},
                           "temperature": 0, "ignore_eos": True, "cache_prompt": True})
        self.thread = threading.Thread(target=self.read, args=(port, path, body), daemon=True)
        self.thread.start()

    def read(self, port: int, path: str, body: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("POST", path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                self.error = answer.read().decode(errors="replace")[:200]
            while not self.error and not self.leaving.is_set():
                line = answer.readline()
                if not line or line.startswith(b"data: [DONE]"):
                    break
                if line.startswith(b"data:"):
                    self.take(time.monotonic(), json.loads(line[5:]))
        except (OSError, ValueError, http.client.HTTPException) as why:
            self.error = str(why)
        finally:
            connection.close()
            self.began.set()

    def take(self, now: float, frame: dict) -> None:
        """A frame without text, such as the one that tells the role, is none of the answer's tokens."""
        self.usage = frame.get("usage") or self.usage
        for choice in frame.get("choices", []):
            piece = choice.get("text") or choice.get("delta", {}).get("content")
            if piece:
                self.times.append(now)
                self.pieces.append(piece)
                self.began.set()

    def first(self) -> float:
        """Seconds to the first token."""
        self.began.wait(PATIENCE)
        if not self.times:
            raise Unmeasured(f"no token came: {self.error or 'too slow'}")
        return self.times[0] - self.sent

    def leave(self) -> None:
        self.leaving.set()
        self.end()

    def end(self) -> None:
        """Waits for it."""
        self.thread.join(PATIENCE)
        if self.error or self.thread.is_alive():
            raise Unmeasured(f"an answer failed: {self.error or 'too slow'}")

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def prompt_tokens(self) -> int:
        return self.usage["prompt_tokens"]

    @property
    def cached_tokens(self) -> int:
        return self.usage["prompt_tokens_details"]["cached_tokens"]

    def gaps(self, begin: float, end: float) -> list[float]:
        """Between tokens, where they overlap that time."""
        return [b - a for a, b in zip(self.times, self.times[1:]) if b > begin and a < end]


def completion(port: int, prompt: list[int], tokens: int) -> Stream:
    return Stream(port, "/v1/completions", {"prompt": prompt}, tokens)


def chat(port: int, messages: list[dict], tokens: int) -> Stream:
    return Stream(port, "/v1/chat/completions", {"messages": messages}, tokens)


def random_prompt(rng: random.Random, count: int) -> list[int]:
    """Tokens of any vocabulary in use here."""
    return [rng.randrange(1000, 20000) for _ in range(count)]
