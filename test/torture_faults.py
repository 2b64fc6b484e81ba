# SPDX-License-Identifier: Apache-2.0
"""A real gateway in which one thing fails: for each kind of point (src/base/fault.h) and each number, a gateway of the build `faults` before a
mock, and clients that do the same things every time. torture.py runs it.

Good means: the process goes on, or ends at its start with a word about why; a client never takes half an answer for a whole one; nothing is left
in flight; the end is orderly, and nothing is lost.
"""

import concurrent.futures
import contextlib
import json
import os
import random
import re
import signal
import socket
import time

import harness
from harness import ROOT, SANITIZER_REPORT, Conn, Processes, chat_body, events_of

GATEWAY = ROOT / "build" / "faults" / "src" / "hostler"
MARGIN = 1.1  # runs differ a little in how many points they pass
CUT = (OSError, EOFError)


class Wrong(Exception):
    """What a client must never see."""


def judged(response, right):
    """The answer is the right one, or an error of ours."""
    if response.status >= 500:
        return
    if response.status != right["status"]:
        raise Wrong(f"status {response.status}, not {right['status']}: {response.body[:300]}")
    if right["status"] >= 400 or "body" not in right:
        return
    if response.body != right["body"]:
        raise Wrong(f"another body: {response.body[:300]}")


def judge_stream(body, right):
    """A stream whose body has ended: whole, or whole events and an error."""
    events = events_of(body)
    if body and not body.endswith(b"\n\n"):
        raise Wrong(f"part of an event: {body[-200:]}")
    failed = bool(events) and events[-1].startswith('{"error"')
    if failed and "[DONE]" in events:
        raise Wrong("an error behind [DONE]")
    if not failed and len(events) != right:
        raise Wrong(f"{len(events)} events and an end, not {right}: {body[-200:]}")


class Clients:
    """The same requests every time. `right` has what they get when nothing fails; the first run fills it."""

    def __init__(self, gate, right):
        self.gate, self.right = gate, right

    def expect(self, name, response, exact=False):
        if name not in self.right:
            self.right[name] = {"status": response.status, **({"body": response.body} if exact else {})}
        judged(response, self.right[name])

    def whole(self):
        with Conn(self.gate.address) as conn:
            for turn in range(2):
                conn.request("POST", "/v1/chat/completions", chat_body(mock={"tokens": 4}))
                response = conn.response()
                self.expect("whole", response)
                if response.status == 200 and not json.loads(response.body)["choices"][0]["finish_reason"]:
                    raise Wrong(f"no end: {response.body}")

    def stream(self, name="stream", version="1.1", **knobs):
        with Conn(self.gate.address) as conn:
            conn.request("POST", "/v1/chat/completions", chat_body(stream=True, mock=knobs), version=version)
            response = conn.head()
            if name == "slow":
                time.sleep(0.05)
            response.body = b"".join(conn.chunks(response))
            if response.status == 200:
                judge_stream(response.body, self.right.setdefault(name, len(events_of(response.body))))
            elif response.status < 500:
                raise Wrong(f"status {response.status}")

    def slow(self):
        self.stream("slow", tokens=3000, pad=200)

    def old(self):
        self.stream("old", version="1.0", tokens=5)

    def large(self):
        body = chat_body(messages=[{"role": "user", "content": "x" * 300_000}], mock={"tokens": 1})
        with Conn(self.gate.address) as conn:
            conn.request("POST", "/v1/chat/completions", body)
            self.expect("large", conn.response())

    def aborted(self):
        with Conn(self.gate.address) as conn:
            conn.request("POST", "/v1/chat/completions", chat_body(stream=True, mock={"tokens": 3, "stall_after": 1}))
            conn.head()
            conn.reset()

    def queued(self):
        """The endpoint takes one at a time: the second waits for the first."""
        body = chat_body(mock={"ttft_ms": 20, "tokens": 1})
        with Conn(self.gate.address) as first, Conn(self.gate.address) as second:
            for conn in (first, second):
                conn.request("POST", "/v1/chat/completions", body)
            for conn in (first, second):
                with contextlib.suppress(*CUT):
                    self.expect("queued", conn.response())

    def pages(self):
        with Conn(self.gate.address) as conn:
            for path in ("/v1/models", "/readyz", "/metrics", "/v1/nothing"):
                conn.request("GET", path)
                self.expect(path, conn.response())

    def refused(self):
        with Conn(self.gate.address) as conn:
            conn.send(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
            self.expect("refused", conn.response())

    def reloaded(self):
        self.gate.signal(signal.SIGHUP)
        self.whole()

    def run(self):
        for act in (self.whole, self.stream, self.large, self.slow, self.old, self.aborted, self.queued, self.pages, self.refused,
                    self.reloaded, self.whole):
            try:
                act()
            except socket.timeout:
                raise Wrong(f"{act.__name__}: nothing came for {harness.PATIENCE} s") from None
            except CUT:
                pass  # closed or cut: that can be seen
            except Wrong as error:
                raise Wrong(f"{act.__name__}: {error}") from None


def settled(gate):
    """Nothing is in progress. The page that tells so may be what fails."""
    def look():
        with contextlib.suppress(*CUT, AssertionError):
            return all(gate.metric(name) == 0 for name in
                       ("hostler_requests_active", "hostler_endpoint_inflight", "hostler_queue_length"))
    harness.until(look, "requests and credits are settled")


def ended_at_start(gate):
    """The gateway ended before it served: with a word about why, and in order."""
    gate.wait()
    report = SANITIZER_REPORT.search(gate.errors())
    if report:
        raise Wrong(gate.errors()[max(0, report.start() - 500):][:4000])
    if gate.child.returncode <= 0 or not (gate.errors() + gate.output()).strip():
        raise Wrong(f"ended at its start with {gate.child.returncode}: {gate.errors()}")


def start(processes, config, fault):
    """A gateway with the fault, or None when it has ended at its start."""
    gate = processes.keep(harness.Gate(processes.folder, processes.name("gate"), config, {"HOSTLER_FAULT": fault}, program=GATEWAY))
    try:
        return gate.ready()
    except AssertionError:
        if gate.running():
            raise
        ended_at_start(gate)
        processes.programs.remove(gate)
        return None


def run_once(mock, fault, right):
    """One gateway with one fault; its standard error, or "" when it did not start."""
    processes = Processes()
    config = {"listen": "127.0.0.1:0", "workers": 1, "keys": [], "health": {"interval": "200ms"},
              "models": [{"name": "m", "endpoints": [{"name": "e", "url": mock.url.replace("127.0.0.1", "localhost"), "capacity": 1,
                                                      "health": "/health"}]}]}
    try:
        gate = start(processes, config, fault)
        if not gate:
            return ""
        Clients(gate, right).run()
        if not gate.running():
            raise Wrong(f"the gateway has ended: {gate.errors()[-3000:]}")
        settled(gate)
        harness.Program.stop(gate)
        processes.programs.remove(gate)
        return gate.errors()
    finally:
        for program in processes.programs:
            with contextlib.suppress(ProcessLookupError):
                program.child.kill()
                program.child.wait()
        processes.programs.clear()
        processes.stop()


class FaultTorture:
    def __init__(self, processes, seconds, seed):
        self.mocks = [processes.mock() for _ in range(max(2, os.cpu_count() or 2))]
        self.end, self.rng = time.monotonic() + seconds, random.Random(seed)
        self.right, self.problems, self.counts = {}, [], {}

    def points(self):
        """How many points of each kind a run has."""
        text = run_once(self.mocks[0], "count", self.right)
        found = re.search(r"fault points:(.*)", text).group(1)
        return {kind: int(n) for kind, _, n in (pair.partition(":") for pair in found.split())}

    def faults(self):
        """All of them in an order by chance, so that a short time sees some of each."""
        all_of = [f"{kind}:{n}" for kind, count in self.points().items() for n in range(1, int(count * MARGIN) + 1) if count]
        all_of += [f"alloc:{n}+" for n in range(1, 4)]
        self.rng.shuffle(all_of)
        print(f"torture: faults: {len(all_of)} runs, as far as the time goes", flush=True)
        return all_of

    def one(self, number, fault):
        if time.monotonic() > self.end or len(self.problems) > 5:
            return
        kind = fault.partition(":")[0]
        try:
            run_once(self.mocks[number], fault, self.right)
        except BaseException as error:
            self.problems.append(f"HOSTLER_FAULT={fault}: {type(error).__name__}: {str(error)[:2500]}")
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def run(self):
        """Each mock has a thread of its own, and the faults take turns."""
        faults, width = self.faults(), len(self.mocks)

        def work(number):
            for fault in faults[number::width]:
                self.one(number, fault)

        with concurrent.futures.ThreadPoolExecutor(width) as pool:
            list(pool.map(work, range(width)))
        if self.problems:
            raise AssertionError("\n".join(self.problems[:5]))
