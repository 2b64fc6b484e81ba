# SPDX-License-Identifier: Apache-2.0
"""The whole gateway under ThreadSanitizer: several workers, a queue, clients that leave, reloads and scrapes at once."""

import contextlib
import os
import pathlib
import signal
import threading
import time

import harness
from harness import ROOT, Conn, chat_body

TSAN = os.environ.get("HOSTLER_BIN_TSAN", str(ROOT / "build/tsan/src/hostler"))
SECONDS = 6


def models(mock):
    return [{"name": "m", "aliases": ["n"], "endpoints": [{"name": "a", "url": mock.url, "capacity": 2},
                                                          {"name": "b", "url": mock.url, "capacity": 1}]}]


def worker(gate, number, until, counts):
    """Asks again and again; every third request is given up on the way."""
    done = 0
    while time.monotonic() < until:
        with contextlib.suppress(OSError, EOFError), Conn(gate.address) as conn:
            body = chat_body(stream=number % 2 == 0, model="mn"[done % 2], mock={"ttft_ms": 2, "rate": 2000, "tokens": 6})
            conn.request("POST", "/v1/chat/completions", body)
            if done % 3 == 2:
                time.sleep(0.001 * (done % 7))
            else:
                assert conn.response().status == 200
                counts[number] += 1
        done += 1


def test_no_data_race_under_load(start_mock, start_gate, monkeypatch):
    assert pathlib.Path(TSAN).exists(), f"{TSAN} is missing: scripts/build tsan"
    mock = start_mock()
    monkeypatch.setattr(harness, "HOSTLER", TSAN)
    gate = start_gate(models(mock), threads=3, env={"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"})
    counts = [0] * 12
    until = time.monotonic() + SECONDS
    threads = [threading.Thread(target=worker, args=(gate, i, until, counts)) for i in range(len(counts))]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        gate.signal(signal.SIGHUP)
        for _ in range(15):
            time.sleep(0.02)
            assert gate.get("/metrics").status == 200
        assert gate.get("/readyz").status == 200
    for thread in threads:
        thread.join()
    assert all(counts), counts
    gate.idle()
    assert mock.stats()["peak"] <= 3
