# SPDX-License-Identifier: Apache-2.0
"""Thousands of requests, many of them aborted: each answer is the one to its own question."""

import json
import random
import threading
import uuid

from harness import Conn, chat_body, model_of, text_of


def talk(address, seed, count, failures):
    rng = random.Random(seed)
    conn = None
    for _ in range(count):
        nonce = " ".join(uuid.UUID(int=rng.getrandbits(128)).hex[i:i + 4] for i in range(0, 32, 4))
        stream, leave = rng.random() < 0.5, rng.random() < 0.3
        conn = conn or Conn(address)
        knobs = {"ttft_ms": rng.choice([0, 0, 1, 3]), "rate": rng.choice([0, 0, 3000])}
        conn.request("POST", "/v1/chat/completions", chat_body(messages=[{"role": "user", "content": nonce}], stream=stream,
                                                               max_tokens=20, mock=knobs), {"x-request-id": nonce.replace(" ", "-")})
        if leave:
            if stream and rng.random() < 0.5:
                conn.socket.recv(rng.choice([1, 100, 400]))
            conn.reset() if rng.random() < 0.5 else conn.close()
            conn = None
            continue
        answer = conn.response()
        if answer.status != 200 or answer.get("x-request-id") != nonce.replace(" ", "-"):
            failures.append((nonce, answer.status, answer.body[:200]))
            continue
        text = text_of(answer.events()) if stream else answer.json()["choices"][0]["message"]["content"]
        if text != nonce or (stream and answer.events()[-1] != "[DONE]"):
            failures.append((nonce, text, json.dumps(knobs)))
    if conn:
        conn.close()


def test_no_answer_goes_astray(start_gate, start_mock):
    mocks = [start_mock("--echo"), start_mock("--echo", "--threads", 2)]
    gate = start_gate([model_of(*mocks, capacity=6)], log={"requests": False})
    failures = []
    threads = [threading.Thread(target=talk, args=(gate.address, seed, 250, failures)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:5]
    gate.idle()
    for mock in mocks:
        mock.idle()
    assert sum(m.stats()["requests"] for m in mocks) > 1500


def test_with_failing_and_dying_runtimes(start_gate, start_mock):
    """Retries and broken streams do not mix answers up either."""
    good = start_mock("--echo")
    flaky = start_mock("--echo", "--error-rate", 0.3, "--status", 503)
    gate = start_gate([model_of(good, flaky)], log={"requests": False}, health={"failures": 1000},
                      retry={"budget_min": 10000, "attempts_max": 5})
    failures = []
    threads = [threading.Thread(target=talk, args=(gate.address, 100 + seed, 60, failures)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:5]
    gate.idle()
