# SPDX-License-Identifier: Apache-2.0
"""Figure 8: what a long prompt and those beside it do to each other in the engine and in llama-server."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from pathlib import Path

from engines import THREADS, backends, end_of_loading, llama_server, model_file
from harness import ENGINE, ROOT, Stage, Unmeasured, cores, free_port, in_turn, median, note, wait_for

CHAT_MODEL = ROOT / "build" / "models" / "smollm2.gguf"
SLOTS = 8
CONTEXT = 4096  # tokens per sequence
STREAMS = 4
LONG, SHORT = 3000, 20  # prompts, in tokens
SHORT_AFTER = 0.2       # seconds behind the long one
BEFORE = 2.0            # seconds of the streams alone
PEERS = ("hostler", "llama-server")


def weights() -> Path:
    """The chat model, where it was fetched; else random weights, whose prompts cost as much."""
    return CHAT_MODEL if CHAT_MODEL.exists() else Path(model_file())


class Stream:
    """A streamed completion on a thread of its own, which notes when each frame came."""

    def __init__(self, port: int, prompt: list[int], tokens: int) -> None:
        self.sent = time.monotonic()
        self.times: list[float] = []
        self.error = ""
        self.began, self.leaving = threading.Event(), threading.Event()
        body = json.dumps({"prompt": prompt, "max_tokens": tokens, "stream": True, "temperature": 0, "ignore_eos": True,
                           "cache_prompt": True})
        self.thread = threading.Thread(target=self.read, args=(port, body), daemon=True)
        self.thread.start()

    def read(self, port: int, body: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        try:
            connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                self.error = answer.read().decode(errors="replace")[:200]
            while not self.error and not self.leaving.is_set():
                line = answer.readline()
                if not line or line.startswith(b"data: [DONE]"):
                    break
                if line.startswith(b"data:"):
                    self.times.append(time.monotonic())
                    self.began.set()
        except (OSError, http.client.HTTPException) as why:
            self.error = str(why)
        finally:
            connection.close()
            self.began.set()

    def first(self) -> float:
        """Seconds to the first frame."""
        self.began.wait(300)
        if not self.times:
            raise Unmeasured(f"no token came: {self.error or 'too slow'}")
        return self.times[0] - self.sent

    def leave(self) -> None:
        self.leaving.set()
        self.thread.join(300)

    def gaps(self, begin: float, end: float) -> list[float]:
        """Between frames, where they overlap that time."""
        return [b - a for a, b in zip(self.times, self.times[1:]) if b > begin and a < end]


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def prompt(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(1000, 20000) for _ in range(count)]


def meet(port: int, seed: int) -> dict[str, float]:
    """Seconds."""
    rng = random.Random(seed)
    streams = [Stream(port, prompt(rng, SHORT), CONTEXT - 2 * SHORT) for _ in range(STREAMS)]
    for s in streams:
        s.first()
    begin = time.monotonic()
    time.sleep(BEFORE)
    long = Stream(port, prompt(rng, LONG), 2)
    time.sleep(SHORT_AFTER)
    short = Stream(port, prompt(rng, SHORT), 2)
    found = {"long": long.first(), "short": short.first()}
    for s in streams:
        s.leave()
        if s.error:
            raise Unmeasured(s.error)
    before = [g for s in streams for g in s.gaps(begin, long.sent)]
    during = [g for s in streams for g in s.gaps(long.sent, long.times[0])]
    return {**found, "before p50": median(before), "before p99": quantile(before, 0.99), "p50": median(during),
            "p99": quantile(during, 0.99), "max": max(during)}


def command(name: str, port: int) -> list:
    if name == "hostler":
        return [ENGINE, "--model", weights(), "--listen", f"127.0.0.1:{port}", "--threads", THREADS, "--slots", SLOTS,
                "--context", CONTEXT]
    return [llama_server(), "-m", weights(), "--host", "127.0.0.1", "--port", port, "-t", THREADS, "-np", SLOTS,
            "-c", SLOTS * CONTEXT, "--no-webui"]


def measure(name: str, seed: int) -> dict[str, float]:
    """One engine, started anew; they take turns, so that neither disturbs the other."""
    with Stage() as stage:
        port = free_port()
        p = stage.start(name, command(name, port), set(cores()), cwd=backends(name))
        wait_for(p, port, "/health", 120)
        end_of_loading(p, port)
        warm = Stream(port, prompt(random.Random(-seed), LONG), 2)
        alone = warm.first()
        warm.leave()
        return {"alone": alone, **meet(port, seed)}


def row(what: str, runs: dict[str, list[dict]], key: str, most: float | None, bound: str, times_most: float | None = None) -> dict:
    ours, theirs = ([r[key] for r in runs[name]] for name in PEERS)
    ratio = median([a / b for a, b in zip(ours, theirs)])
    ok = ratio <= times_most if times_most else median(ours) <= (most or 0)
    return {"what": what, "bound": bound, "ok": ok, "ratio": ratio,
            "value": f"{median(ours) * 1000:.0f} ms = {ratio:.2f}x ({median(theirs) * 1000:.0f} ms)"}


def company(rounds: int, quick: bool) -> dict:
    if not ENGINE.exists():
        raise Unmeasured("build/hostler-engine is missing; `make` builds it")
    runs: dict[str, list[dict]] = {name: [] for name in PEERS}
    for turn in range(1 if quick else rounds):
        for name in in_turn(PEERS, turn):
            runs[name].append(measure(name, turn + 1))
            note(f"round {turn + 1}/{rounds}  {name:12} " +
                 "  ".join(f"{key} {seconds * 1000:.0f}" for key, seconds in runs[name][-1].items()) + " ms")
    beside = f"beside {STREAMS} streams"
    rows = [
        row(f"time to first token of {LONG} tokens {beside}", runs, "long", None, "1.50x llama-server", 1.5),
        row(f"... of {SHORT} tokens, {SHORT_AFTER} s later", runs, "short", 1.0, "1000 ms"),
        row(f"the {STREAMS} streams meanwhile, gap at p99", runs, "p99", None, "0.25x llama-server", 0.25),
    ]
    ours = runs["hostler"]
    notes = [f"{weights().name}, {SLOTS} slots of {CONTEXT} tokens, {THREADS} threads. Hostler's long prompt alone takes "
             f"{median([r['alone'] for r in ours]):.1f} s; the streams' gaps are {median([r['before p50'] for r in ours]) * 1000:.0f} ms at p50 "
             f"before it, {median([r['p50'] for r in ours]) * 1000:.0f} ms meanwhile (llama-server "
             f"{median([r['before p50'] for r in runs['llama-server']]) * 1000:.0f} and {median([r['p50'] for r in runs['llama-server']]) * 1000:.0f})"]
    return {"rows": rows, "runs": runs, "notes": notes}
