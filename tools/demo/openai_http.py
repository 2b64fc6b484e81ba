# SPDX-License-Identifier: Apache-2.0
"""The few HTTP calls the check scripts need, with the standard library only."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass

_TIMEOUT_S = 120


@dataclass(frozen=True)
class Server:
    """One OpenAI-compatible server; base is the address with /v1."""

    base: str
    model: str = "demo"
    key: str = "none"

    def post(self, url: str, body: dict) -> dict:
        """Posts JSON and returns the JSON answer; raises urllib.error.HTTPError on a bad status."""
        request = urllib.request.Request(
            url, data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            return json.load(response)

    def ask(self, question: str, system: str | None = None, max_tokens: int = 128) -> str:
        """Returns the greedy answer to one question, stripped."""
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": question})
        body = {"model": self.model, "messages": messages, "temperature": 0,
                "max_tokens": max_tokens}
        answer = self.post(f"{self.base.rstrip('/')}/chat/completions", body)
        return (answer["choices"][0]["message"]["content"] or "").strip()
