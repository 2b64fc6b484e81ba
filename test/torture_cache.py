#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine's prefix cache for a long time. `make torture` runs it.

    test/torture_cache.py [--only outputs,growth,kills] [--rounds 100] [--requests 100000] [--kills 1000]

outputs   answers of SmolLM2 in random company, from random beginnings, with little memory for them, are those that the same prompts have
          alone and from nothing; where kernels make a difference, as often as llama-server's are
growth    so many requests of chats that come and go: the engine's memory does not grow
kills     an engine is killed so often under load: each comes back, and neither memory, descriptors nor files are left
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import harness
from harness import ENGINE, FAKE_ENGINE, ROOT, Processes, Program, Server, free_port, until

MODEL = ROOT / "build/models/smollm2.gguf"
SLOTS, CONTEXT, CACHE_MIB = 3, 1024, 48
TOKENS = 12
COMPANY = 6
PATIENCE = 600  # seconds for an answer, on a machine that has other work
GATEWAY = ROOT / "build/hostler"  # the release, whose memory is what a user sees
ENGINES = 25  # that are killed; each so often until it is given a rest
KILLS_IN_A_ROW = 4
ROUNDS_OF_A_SERVER = 10


# --- outputs ---


def prompts(rng, systems=4, each=6):
    """Conversations, many of which begin alike."""
    def words(n):
        return " ".join(rng.choices("river stone green window paper music winter table garden letter silver market".split(), k=n))
    found = []
    for _ in range(systems):
        system = {"role": "system", "content": f"You know all about {words(rng.randint(10, 120))}."}
        talk = [system]
        for turn in range(each):
            talk = [*(talk if rng.random() < 0.7 else [system]), {"role": "user", "content": f"Tell me of {words(rng.randint(2, 30))}."}]
            found.append(list(talk))
            talk.append({"role": "assistant", "content": words(rng.randint(3, 20))})
    return found


class Peer(Server):
    """A server of the model, ours or llama-server."""

    def __init__(self, processes, name, argv, cwd=None):
        self.name, self.address = name, free_port()
        self.log = open(processes.folder / f"{name}.log", "wb")
        self.child = subprocess.Popen([str(a) for a in argv(self.address)], stdout=self.log, stderr=self.log, cwd=cwd)
        until(self.healthy, f"{name} is ready", 120)

    def healthy(self):
        try:
            return self.get("/health").status == 200
        except OSError:
            return False

    def stop(self):
        self.child.terminate()
        self.child.wait()
        self.log.close()

    def answer(self, messages, **fields):
        body = {"messages": messages, "max_tokens": TOKENS, "temperature": 0, **fields}
        with self.connect(timeout=PATIENCE) as conn:
            conn.request("POST", "/v1/chat/completions", body)
            answer = conn.response("POST")
        assert answer.status == 200, answer.body
        return answer.json()["choices"][0]["message"]["content"]

    def figures(self):
        page = self.get("/metrics")  # llama-server has none unless it is asked for
        return harness.parse_metrics(page.body.decode()) if page.status == 200 else {}

    def leave(self, messages):
        """Goes away before the answer is whole."""
        with self.connect(timeout=PATIENCE) as conn:
            conn.request("POST", "/v1/chat/completions", {"messages": messages, "max_tokens": TOKENS, "temperature": 0, "stream": True})
            time.sleep(random.random() * 0.3)


def note(text):
    print(f"\r{text}", end="", file=sys.stderr, flush=True)


def in_company(peer, todo, rng):
    """Asks for some at once, and leaves some; `todo` has pairs of a prompt and its answer alone. Which answers were the same."""
    alike, lock = [], threading.Lock()

    def client():
        while True:
            with lock:
                if not todo:
                    return
                (messages, alone), leaves = todo.pop(), rng.random() < 0.1
            if leaves:
                peer.leave(messages)
                continue
            text = peer.answer(messages)
            with lock:
                alike.append(text == alone)

    threads = [threading.Thread(target=client) for _ in range(rng.randint(1, COMPANY))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return alike


def in_rounds(start, every, rounds):
    """Whether each answer in company is as it is alone, and what each server that `start` started said of itself in the end. What all
    prompts begin with is computed once in a server's life and touches each of its answers, so that there must be many servers."""
    alike, told = [], []
    for n in range(rounds):
        if n % ROUNDS_OF_A_SERVER == 0:
            peer = start()
        rng = random.Random(n)
        alike += in_company(peer, rng.sample(every, 10), rng)
        note(f"{peer.name}: {n + 1} of {rounds} rounds, {sum(alike)} of {len(alike)} answers as alone")
        if (n + 1) % ROUNDS_OF_A_SERVER == 0 or n + 1 == rounds:
            told.append(peer.figures())
            peer.stop()
    print(file=sys.stderr)
    return alike, told


def engine(processes, name, slots, cache):
    return Peer(processes, name, lambda port: [ENGINE, "--model", MODEL, "--listen", f"127.0.0.1:{port}", "--slots", slots,
                                               "--context", CONTEXT, "--cache-ram", cache, "--threads", 2])


def answers_alone(processes, every):
    """From nothing: each has an engine of its own."""
    alone = []
    for messages in every:
        peer = engine(processes, "alone", 1, "off")
        alone.append(peer.answer(messages))
        peer.stop()
    return alone


def least_share(share, count):
    """What another share of so many answers is not below but by chance, in one of forty cases (normal approximation)."""
    return share - 1.96 * math.sqrt(2 * share * (1 - share) / count)


def llama_server(processes):
    sys.path.insert(0, str(ROOT / "bench"))
    import llama  # pylint: disable=import-outside-toplevel,import-error
    return Peer(processes, "llama-server", lambda port: [llama.server(), "-m", MODEL, "--host", "127.0.0.1", "--port", port, "-t", 2,
                                                         "-np", SLOTS, "-c", SLOTS * CONTEXT, "--no-webui"],
                cwd=llama.own_backends())


def outputs(processes, options):
    every = prompts(random.Random(1))
    alone = answers_alone(processes, every)
    alike, told = in_rounds(lambda: engine(processes, "hostler", SLOTS, CACHE_MIB), list(zip(every, alone)), options.rounds)
    restores = sum(m["hostler_engine_prefix_hits_total", (("tier", "ram"),)] for m in told)
    evictions = sum(m["hostler_engine_state_evictions_total", ()] for m in told)
    theirs = llama_server(processes)
    alone = [theirs.answer(messages, cache_prompt=False) for messages in every]
    theirs.stop()
    theirs, _ = in_rounds(lambda: llama_server(processes), list(zip(every, alone)), options.rounds)
    own, share = sum(alike) / len(alike), sum(theirs) / len(theirs)
    least = least_share(share, len(theirs))
    print(f"outputs: {own:.1%} of the answers of {options.rounds} rounds are as they are alone (llama-server's {share:.1%}, least {least:.1%}); "
          f"{restores:.0f} beginnings came from memory, {evictions:.0f} states were evicted")
    assert restores > options.rounds / 2 and evictions > 0, "the cache was not used"
    return own >= least


# --- growth ---


def chat_of(rng):
    return {"messages": [{"role": "system", "content": f"system {rng.randint(0, 50)} " * 20},
                         {"role": "user", "content": "".join(rng.choices("abcdef ", k=rng.randint(1, 200)))}], "max_tokens": 3}


def growth(processes, options):
    path = processes.folder / "engine.sock"
    engine = Program([FAKE_ENGINE, "--model", "fake:mode echo", "--listen", f"unix:{path}", "--slots", 8, "--cache-ram", 16,
                      "--log-level", "warn"], processes.folder, "engine", {"ASAN_OPTIONS": "quarantine_size_mb=16"})
    engine.address = str(path)
    until(lambda: path.exists() and engine.get("/health").status == 200, "the engine is ready")
    done, lock, seen = [0], threading.Lock(), []

    def client(seed):
        rng = random.Random(seed)
        with engine.connect(timeout=PATIENCE) as conn:
            while True:
                with lock:
                    if done[0] >= options.requests:
                        return
                    done[0] += 1
                    if done[0] % max(1, options.requests // 20) == 0:
                        seen.append(engine.memory())
                        note(f"growth: {done[0]} of {options.requests} requests, {seen[-1] >> 20} MiB")
                conn.request("POST", "/v1/chat/completions", chat_of(rng))
                answer = conn.response("POST")
                assert answer.status == 200, answer.body

    threads = [threading.Thread(target=client, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(file=sys.stderr)
    early, late = max(seen[2:6]), max(seen[-4:])
    engine.stop()
    print(f"growth: {done[0]} requests, {early >> 20} MiB after a fifth, {late >> 20} MiB at the end")
    return done[0] >= options.requests and late <= 1.05 * early


# --- kills ---


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def engines_of(script, turn):
    """Other settings each turn, since a reload that changes an engine forgets how often it failed."""
    return [{"name": f"m{i}", "engine": {"file": str(script), "slots": 4, "start": "at_start", "env": {"TURN": str(turn)}}} for i in range(ENGINES)]


class Storm:
    """Clients of a gateway, and engines of it that are killed meanwhile."""

    def __init__(self, gate, script):
        self.gate, self.script = gate, script
        self.killed = self.answered = self.turn = 0
        self.stop = threading.Event()

    def client(self, seed):
        rng = random.Random(seed)
        while not self.stop.is_set():
            answer = self.gate.chat({"model": f"m{rng.randrange(ENGINES)}", **chat_of(rng)})
            self.answered += answer.status == 200
            time.sleep(0 if answer.status == 200 else 0.01)

    def kill_all(self):
        self.turn += 1
        if self.turn % KILLS_IN_A_ROW == 0:
            self.gate.reload(harness.config_of(engines_of(self.script, self.turn), listen="127.0.0.1:0"))
        pids = self.all_back()
        before = self.answered
        until(lambda: self.answered > before + ENGINES, "they answer", 60)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # one that a reload has ended meanwhile
                os.kill(pid, 9)
                self.killed += 1

    def all_back(self):
        return until(lambda: len(self.gate.children()) == ENGINES and self.gate.children(), "every engine is back", 60)

    def rage(self, kills):
        """Until so many were killed. What the gateway has afterwards: bytes, descriptors."""
        self.stop.clear()
        threads = [threading.Thread(target=self.client, args=(i,), daemon=True) for i in range(6)]
        for t in threads:
            t.start()
        while self.killed < kills:
            self.kill_all()
            note(f"kills: {self.killed} of {kills}, {self.answered} answers, {self.gate.memory() >> 20} MiB")
        self.stop.set()
        for t in threads:
            t.join()
        print(file=sys.stderr)
        self.all_back()
        self.gate.idle()
        return self.gate.memory(), descriptors(self.gate.pid)


def kills(processes, options):
    script = processes.folder / "m.fake"
    script.write_text("hostler fake model\ntoken_us 100\n")
    gate = processes.keep(harness.Gate(processes.folder, "gate", harness.config_of(engines_of(script, 0)), program=GATEWAY)).ready()
    storm = Storm(gate, script)
    begin = storm.rage(ENGINES * KILLS_IN_A_ROW)
    end = storm.rage(options.kills)
    sockets = [p for p in pathlib.Path(processes.folder).rglob("*") if p.is_socket()]
    print(f"kills: {storm.killed}, {storm.answered} answers; the gateway's memory {begin[0] >> 20} and {end[0] >> 20} MiB, "
          f"descriptors {begin[1]} and {end[1]}; {len(sockets)} sockets of {ENGINES} engines")
    return len(sockets) <= ENGINES and end[1] <= begin[1] + 10 and end[0] <= 1.1 * begin[0] + (16 << 20)


PARTS = {"outputs": outputs, "growth": growth, "kills": kills}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between them")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=1000)
    options = parser.parse_args()
    bad = []
    for name in options.only.split(","):
        processes = Processes()
        try:
            if not PARTS[name](processes, options):
                bad.append(name)
        finally:
            processes.stop()
    if bad:
        sys.exit(f"torture_cache: {', '.join(bad)}: not good")


if __name__ == "__main__":
    main()
