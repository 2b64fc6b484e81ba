#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything at once, for a long time, on sanitized builds: many kinds of clients, aborts, reloads, runtimes that come and go, engines that
are killed. `make torture` runs it.

    test/torture.py [--seconds 600] [asan] [tsan] [faults]

Good means: no sanitizer report, an orderly end, nothing left in flight, and a client of a runtime that is always there was never refused. `faults` is
torture_faults.py: one thing that fails at a time.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import random
import signal
import sys
import threading
import time

import harness
from harness import ROOT, Conn, Processes, chat_body, until
from torture_faults import GATEWAY, FaultTorture

CLIENTS = 14
OPTIONS = {"asan": harness.SANITIZERS,
           "tsan": {"TSAN_OPTIONS": f"halt_on_error=1:second_deadlock_stack=1:suppressions={ROOT}/test/tsan.supp"}}


def configuration(steady, flapping, script, turn):
    """Every reload changes something else."""
    return {
        "threads": 3,
        "models": [
            {"name": "steady", "endpoints": [{"name": "s", "url": steady.url}]},
            {"name": "flapping", "aliases": [f"alias-{turn % 3}"], "fallback": ["steady"] if turn % 2 else [],
             "endpoints": [{"name": f"f{i}", "url": url, "capacity": 1 + (turn + i) % 4,
                            **({"health": "/health"} if (turn + i) % 3 == 0 else {})} for i, url in enumerate(flapping)]},
            {"name": "engine", "engine": {"file": str(script), "slots": 2, "idle_stop": "700ms" if turn % 4 == 3 else "1h"}},
            *([{"name": "other", "engine": {"file": str(script), "slots": 1}}] if turn % 2 else []),
        ],
        "timeouts": {"first_byte": "2s", "between": "2s", "connect": "1s", "write": "2s"},
        "health": {"interval": "500ms", "timeout": "500ms"},
        "limits": {"bodies_total": "32MiB"},
    }


class Flapper:
    """A mock that is killed and started again at the same address."""

    def __init__(self, processes, number):
        self.processes, self.number = processes, number
        self.mock = processes.mock("--error-rate", "0.1" if number else "0")
        self.address = self.mock.address

    @property
    def url(self):
        return f"http://127.0.0.1:{self.address}/v1"

    def flap(self, rng):
        self.mock.kill()
        self.processes.programs.remove(self.mock)
        time.sleep(rng.uniform(0, 1))
        with contextlib.suppress(AssertionError):
            self.mock = self.processes.mock("--error-rate", "0.1" if self.number else "0", listen=f"127.0.0.1:{self.address}")


# --- clients: each gets a fresh connection, and may leave it in any state ---


def whole(conn, rng, model):
    for _ in range(rng.randint(1, 4)):
        conn.request("POST", "/v1/chat/completions", chat_body(model=model, mock={"ttft_ms": rng.choice([0, 1, 30]), "tokens": 4}))
        conn.response()


def streamed(conn, rng, model):
    body = chat_body(model=model, stream=True, mock={"rate": 2000, "tokens": rng.randint(1, 50), "early_head": rng.random() < 0.5},
                     **({"stream_options": {"include_usage": True}} if rng.random() < 0.5 else {}))
    conn.request("POST", "/v1/chat/completions", body)
    events = conn.response().events()
    if events and "[DONE]" in events:
        assert events[-1] == "[DONE]" and not any('"error"' in e for e in events), events


def aborted(conn, rng, model):
    knobs = rng.choice([{"ttft_ms": 5000}, {"stall_after": 2, "tokens": 9}, {"rate": 100, "tokens": 1000}, {"die_after": 2, "die": "rst"}])
    conn.request("POST", "/v1/chat/completions", chat_body(model=model, stream=rng.random() < 0.7, mock=knobs))
    time.sleep(rng.uniform(0, 0.1))
    if rng.random() < 0.5:
        conn.reset()


def large(conn, rng, model):
    size = rng.choice([20_000, 300_000, 3_000_000])
    body = chat_body(model=model, messages=[{"role": "user", "content": "x" * size}], mock={"tokens": 1})
    if rng.random() < 0.3:  # leaves in the middle of it
        conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n" + b"x" * size)
        return
    conn.request("POST", "/v1/chat/completions", body)
    conn.response()


def slow(conn, rng, model):
    conn.request("POST", "/v1/chat/completions", chat_body(model=model, stream=True, mock={"tokens": 4000, "pad": 200}))
    time.sleep(rng.uniform(0, 0.5))
    with contextlib.suppress(EOFError):
        for _ in range(20):
            conn.more()
            time.sleep(0.01)


def wrong(conn, rng, model):
    path, body = rng.choice([
        ("/v1/chat/completions", b"{"), ("/v1/chat/completions", b'{"model":"nobody"}'), ("/v1/nothing", b"{}"),
        ("/v1/chat/completions", b'{"model":"steady","Model":"x"}'), ("/v1/chat/completions", b'{"model":["x"]}'),
        ("/v1/embeddings", f'{{"model":"{model}","input":"x","mock":{{"status":501}}}}'.encode()),
        ("/v1/chat/completions", f'{{"model":"{model}","messages":[],"mock":{{"status":500}}}}'.encode())])
    conn.request("POST", path, body)
    conn.response()


def pipelined(conn, rng, model):
    body = chat_body(model=model, mock={"tokens": 1})
    for _ in range(5):
        conn.request("POST", "/v1/chat/completions", body)
    for _ in range(rng.randint(0, 5)):
        conn.response()


def garbage(conn, rng, _model):
    conn.send(rng.choice([b"\x00\xff" * 20, b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/chat/completions HTTP/1.1\r\nHost: a b\r\n\r\n"]))
    conn.response()


KINDS = [whole, whole, streamed, streamed, streamed, aborted, aborted, large, slow, wrong, pipelined, garbage]


class Torture:
    def __init__(self, processes, variant, seconds, seed):
        self.processes, self.rng = processes, random.Random(seed)
        self.steady = processes.mock()
        self.flappers = [Flapper(processes, i) for i in range(2)]
        self.script = processes.folder / "model.fake"
        self.script.write_text("hostler fake model\n")
        self.turn = 0
        self.gate = processes.gate(env=OPTIONS[variant], **self.config())
        self.end = time.monotonic() + seconds
        self.counts = collections.Counter()
        self.problems = []

    def config(self):
        urls = [f.url for f in self.flappers] + ["http://127.0.0.1:9/v1"] * (self.turn % 2)
        return configuration(self.steady, urls, self.script, self.turn)

    def running(self):
        return time.monotonic() < self.end and not self.problems and self.gate.running()

    def client(self, number):
        rng = random.Random(number)
        while self.running():
            kind = rng.choice(KINDS)
            model = rng.choice(["steady", "flapping", "flapping", "engine", "other", "alias-1"])
            with contextlib.suppress(OSError, EOFError), Conn(self.gate.address) as conn:
                kind(conn, rng, model)
                self.counts[kind.__name__] += 1

    def innocent(self):
        while self.running():
            answer = self.gate.chat(model="steady", mock={"tokens": 2})
            self.counts["innocent"] += 1
            assert answer.status == 200, answer.raw + answer.body
            time.sleep(0.02)

    def disturb(self):
        while self.running():
            what = self.rng.choice([self.flap, self.reload, self.reload, self.kill_engines, self.look])
            what()
            self.counts[what.__name__] += 1
            time.sleep(self.rng.uniform(0, 0.6))

    def flap(self):
        self.rng.choice(self.flappers).flap(self.rng)

    def reload(self):
        self.turn += 1
        self.gate.write({"listen": "127.0.0.1:0", **self.config()})
        self.gate.signal(signal.SIGHUP)

    def kill_engines(self):
        for pid in self.gate.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def look(self):
        assert self.gate.get("/metrics").status == 200
        self.gate.get("/readyz")

    def guarded(self, work, *args):
        try:
            work(*args)
        except BaseException as error:  # what a thread finds must end the run
            self.problems.append(f"{work.__name__}: {type(error).__name__}: {error}")

    def run(self):
        threads = [threading.Thread(target=self.guarded, args=(self.client, i)) for i in range(CLIENTS)]
        threads += [threading.Thread(target=self.guarded, args=(work,)) for work in (self.innocent, self.disturb)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not self.gate.running():
            self.problems.append(f"the gateway has ended: {self.gate.errors()[-6000:]}")
        if self.problems:
            raise AssertionError("\n".join(self.problems[:5]))
        self.gate.idle()
        until(lambda: self.gate.metric("hostler_request_bodies_held_bytes") == 0, "all bodies are given back")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("variants", nargs="*", help="asan, tsan, faults (default: all)")
    args = parser.parse_args()
    failed = False
    for variant in args.variants or ["asan", "tsan", "faults"]:
        build = ROOT / "build" / ("asan" if variant == "faults" else variant) / "src"
        harness.HOSTLER, harness.FAKE_ENGINE = str(build / "hostler"), str(build / "hostler-engine-fake")
        for program in [harness.HOSTLER] + [GATEWAY] * (variant == "faults"):
            if not pathlib.Path(program).exists():
                sys.exit(f"torture: {program} is missing: make torture builds it")
        print(f"torture: {variant}, {args.seconds:.0f} s", flush=True)
        processes, torture = Processes(), None
        try:
            torture = (FaultTorture(processes, args.seconds, args.seed) if variant == "faults" else
                       Torture(processes, variant, args.seconds, args.seed))
            torture.run()
            processes.stop()
        except BaseException as error:
            failed = True
            print(f"torture: {variant} failed: {error}\nlogs: {processes.folder}", flush=True)
            for program in processes.programs:
                with contextlib.suppress(ProcessLookupError):
                    program.child.kill()
        print(f"torture: {variant}:", *(f"{name} {count}" for name, count in sorted(torture.counts.items())) if torture else "", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
