# SPDX-License-Identifier: Apache-2.0
"""Attacks of HTTP/2 on a gateway that others use: what each costs in memory, how soon it is told to go, and what the others feel.

torture_edge.py runs it. The others' p99 is compared with a time in which the same attack goes to somebody who only reads, so that both have
the same machine.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time

from h2_attacks import FLOODS, HOLDERS, HOLDS
from harness import ROOT, chat_body, model_of, until

CALM = "11"  # ENHANCE_YOUR_CALM
GOAWAY_MS = 1000
TRIES = 3  # others on the machine disturb, too
STREAMS = 90
# Bytes of heap for each connection. Who lets no answer come holds as much as a slow reader, on each of its streams: limits.stream_buffer and one
# read of 64 KiB.
HEAP_MAX = {"bomb": 1 << 20, "crumbs": 1 << 20, "zero_window": STREAMS * 128 * 1024}


class Sink:
    """Reads and throws away what comes, in a process of its own."""

    CODE = ("import socket,threading\n"
            "def eat(c):\n"
            "    try:\n"
            "        while c.recv(1 << 20): pass\n"
            "    except OSError: pass\n"
            "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
            "while True: threading.Thread(target=eat, args=(s.accept()[0],), daemon=True).start()\n")

    def __enter__(self):
        self.child = subprocess.Popen([sys.executable, "-c", self.CODE], stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline())
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()


class Attack:
    """A running attack. `report()` waits for what it has seen."""

    def __init__(self, name, port, seconds):
        self.child = subprocess.Popen([sys.executable, ROOT / "test/h2_attacks.py", name, str(port), str(seconds)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def report(self):
        return json.loads(self.child.stdout.readline())

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.child.stdin.close()
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()


class Innocents:
    """A few clients that ask at an easy pace, and how long each answer took."""

    def __init__(self, gate, count=4, pause_s=0.01):
        self.gate, self.pause_s = gate, pause_s
        self.over, self.times_s, self.problems = threading.Event(), [], []
        self.threads = [threading.Thread(target=self.ask) for _ in range(count)]

    def ask(self):
        try:
            with self.gate.connect() as conn:
                while not self.over.is_set():
                    began = time.monotonic()
                    conn.request("POST", "/v1/chat/completions", chat_body(max_tokens=4))
                    answer = conn.response()
                    self.times_s.append(time.monotonic() - began)
                    if answer.status != 200:
                        self.problems.append(f"status {answer.status}")
                    time.sleep(self.pause_s)
        except (OSError, EOFError) as error:
            self.problems.append(repr(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def p99_ms(self):
        assert not self.problems, self.problems[:3]
        ordered = sorted(self.times_s)
        return 1000 * ordered[int(len(ordered) * 0.99)]


def p99_beside(gate, name, port, seconds):
    """Others' p99 while an attack goes to `port`, and what it has seen."""
    with Attack(name, port, seconds) as attack:
        with Innocents(gate) as innocents:
            report = attack.report()
        return innocents.p99_ms(), report


def heap(gate):
    """Anonymous memory of the process: what is not files."""
    for line in open(f"/proc/{gate.pid}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def flood(gate, name, seconds):
    with Sink() as sink:
        calm_ms, _ = p99_beside(gate, name, sink.port, seconds)
    attacked_ms, report = p99_beside(gate, name, gate.address, seconds)
    assert set(report["codes"]) <= {CALM, "1"}, f"{name}: {report['codes']}: a connection was not told to go"
    assert report["goaway_max_ms"] <= GOAWAY_MS, f"{name}: GOAWAY came after {report['goaway_max_ms']} ms"
    return {**report, "p99_ms": round(attacked_ms, 1), "p99_calm_ms": round(calm_ms, 1)}


def hold(gate, name, seconds):
    """Memory while many hold what they have, per connection, and that it comes back."""
    with Sink() as sink:
        calm_ms, _ = p99_beside(gate, name, sink.port, seconds)
    before = heap(gate)
    with Attack(name, gate.address, seconds) as attack:
        with Innocents(gate) as innocents:
            report = attack.report()
            time.sleep(seconds)  # for what runtimes have sent to arrive
        each = (heap(gate) - before) / HOLDERS
    assert each <= HEAP_MAX[name], f"{name}: {each / 1024:.0f} KiB a connection"
    until(lambda: gate.metric("hostler_requests_active") == 0, f"{name} has let go", 60)
    return {**report, "kib_each": round(each / 1024), "p99_ms": round(innocents.p99_ms(), 1), "p99_calm_ms": round(calm_ms, 1)}


def run(processes, seconds, p99_factor=2.0, names=(*FLOODS, *HOLDS)):
    """Figures of each attack. `p99_factor`: how much slower others may get; 0: it is not judged."""
    results = {}
    attacked = processes.mock("--threads", 4)  # not the one that the others use
    gate = processes.gate([model_of(processes.mock()), model_of(attacked, name="attacked")])
    for name in names:
        tries = [attempt(gate, name, seconds)]
        while p99_factor and tries[-1]["slower"] > p99_factor and len(tries) < TRIES:
            tries.append(attempt(gate, name, seconds))
        results[name] = min(tries, key=lambda result: result["slower"])
        assert not p99_factor or results[name]["slower"] <= p99_factor, f"{name}: others' p99: {results[name]}"
    gate.idle()
    return results


def attempt(gate, name, seconds):
    result = (flood if name in FLOODS else hold)(gate, name, seconds)
    return {**result, "slower": round(result["p99_ms"] / result["p99_calm_ms"], 2)}
