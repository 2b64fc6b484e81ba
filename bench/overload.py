# SPDX-License-Identifier: Apache-2.0
"""Figure 19: what is left of the capacity while more is asked than can be done, and how innocent clients fare beside slow ones."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import threading
import time
from pathlib import Path
from typing import Iterator

import peers
from harness import (HOSTLER, KEY, Process, Stage, Unmeasured, bench_result, http, load_cores, metric_values, note,
                     quantile, start_bench, wait_for)

TIMEOUT_S = 5
SECONDS, QUICK_SECONDS = 120, 10
QUOTA = 0.20  # of a core
QUOTA_PERIOD_US = 10_000

CONFIG = """
threads: 1
models:
  - name: mock
    endpoints:
      - { url: "http://127.0.0.1:%d/v1"%s }
keys:
  - { name: bench, key: %s, models: ["*"] }
log: { format: json }
"""

# The runtime bounds: 64 at once, 20 ms each.
RUNTIME_CAPACITY, RUNTIME_MS = 64, 20

# Our own CPU bounds: short answers, and streams of 64 paced tokens.
SHORT = ("--no-stream", "--prompt-tokens", 128, "--output-tokens", 16, "--connections", 4000)
STREAMS = ("--prompt-tokens", 128, "--output-tokens", 64, "--connections", 15000)
PACE = ("--rate", "100")  # the mock's tokens per second


# --- a share of a core ---

def _write(path: Path, text: object) -> None:
    path.write_text(f"{text}\n")


@contextlib.contextmanager
def share_of_core(share: float) -> Iterator[Path]:
    """A control group whose processes together get that much CPU time (v2, else v1)."""
    name = f"hostler-bench-{os.getpid()}"
    quota = int(share * QUOTA_PERIOD_US)
    v1, v2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    group = (v1 if (v1 / "cpu.cfs_quota_us").exists() or v1.is_dir() else v2) / name
    try:
        group.mkdir()
        if (group / "cpu.max").exists():
            _write(group / "cpu.max", f"{quota} {QUOTA_PERIOD_US}")
        else:
            _write(group / "cpu.cfs_period_us", QUOTA_PERIOD_US)
            _write(group / "cpu.cfs_quota_us", quota)
    except OSError as error:
        raise Unmeasured(f"no control group for a share of a core: {error}") from None
    try:
        yield group
    finally:
        until = time.monotonic() + 10
        while group.exists() and time.monotonic() < until:
            with contextlib.suppress(OSError):
                group.rmdir()
            time.sleep(0.05)


def confine(process: Process, group: Path) -> None:
    for pid in process.pids():
        _write(group / "cgroup.procs", pid)


# --- one overload ---

def load(stage: Stage, port: int, seconds: float, *options: object) -> dict:
    p = start_bench(stage, f"http://127.0.0.1:{port}", "--duration", seconds, "--timeout", TIMEOUT_S, *options)
    result = bench_result(p, seconds + 60)
    stage.processes.remove(p)
    return result


def capacity_of(stage: Stage, port: int, seconds: float, concurrency: int, options: tuple) -> float:
    """Requests per second of a closed loop."""
    closed = [o for i, o in enumerate(options) if "--connections" not in options[max(0, i - 1):i + 1]]
    return load(stage, port, seconds, "--concurrency", concurrency, "--warmup", 1, *closed)["requests_per_s"]


def overload(stage: Stage, port: int, capacity: float, factor: float, seconds: float, options: tuple) -> dict:
    """What comes of `factor` times the capacity, and then of half of it: from the fifth second on all must be as ever."""
    run = load(stage, port, seconds, "--rate", round(capacity * factor, 1), *options)
    after = load(stage, port, 5, "--rate", round(capacity * 0.5, 1), "--warmup", 5, *options)
    kinds, later = (", ".join(f"{kind} {count}" for kind, count in r["errors"].items()) or "none" for r in (run, after))
    found = {"goodput": run["requests_per_s"] / capacity, "offered": run["started"] / run["window_s"] / capacity,
             "refused_p99_ms": run["refused_ms"]["p99"], "refused": run["refused_ms"]["count"],
             "total_p99_ms": run["total_ms"]["p99"], "late_p99_ms": run["late_ms"]["p99"], "kinds": kinds,
             "after_failed": after["failed"], "after_p99_ms": after["total_ms"]["p99"], "after": after["completed"]}
    note(f"  {factor:g}x of {capacity:.0f}/s: goodput {found['goodput']:.1%}, offered {found['offered']:.2f}x, failed: {kinds}; "
         f"refused p99 {found['refused_p99_ms']:.1f} ms, answered p99 {found['total_p99_ms']:.0f} ms, sent late p99 "
         f"{found['late_p99_ms']:.0f} ms; then of {after['started']} failed: {later}; p99 {found['after_p99_ms']:.0f} ms")
    return found


def shed(port: int) -> str:
    """What the gateway says that it has done."""
    return ", ".join(f"{name} {value:.0f}" for name, value in sorted(metric_values(port, "hostler_requests_shed_total").items()) if value)


# --- bound by runtimes ---

def runtime_bound(stage: Stage, seconds: float) -> list[dict]:
    _, mock_port = stage.mock("--ttft-ms", str(RUNTIME_MS))
    rows = []
    options = ("--no-stream", "--output-tokens", 16, "--connections", 8000)
    for factor in (2, 5):
        gateway, port = stage.hostler(CONFIG % (mock_port, f", capacity: {RUNTIME_CAPACITY}", KEY))
        capacity = capacity_of(stage, port, 3, RUNTIME_CAPACITY, options)
        found = overload(stage, port, capacity, factor, seconds, options)
        stage.drop(gateway)
        name = f"runtimes {factor}x over (64 at once, 20 ms), {seconds:.0f} s"
        rows += [
            {"what": f"{name}: goodput", "value": f"{found['goodput']:.1%} of {capacity:.0f}/s", "bound": "95 %",
             "ok": found["goodput"] >= 0.95, **found},
            {"what": "... refusals at p99", "value": f"{found['refused_p99_ms']:.1f} ms", "bound": "20 ms",
             "ok": found["refused_p99_ms"] <= 20},
            back_to_normal(found)]
    return rows


def back_to_normal(found: dict) -> dict:
    return {"what": "... from 5 s after it, at half the capacity", "value": f"{found['after_failed']} failed, p99 {found['after_p99_ms']:.0f} ms",
            "bound": "0 failed", "ok": found["after_failed"] == 0 and found["after"] > 0}


# --- bound by our own CPU ---

def start_proxy(stage: Stage, name: str, mock_port: int) -> tuple[Process, int]:
    if name == "hostler":
        return stage.hostler(CONFIG % (mock_port, "", KEY))
    process, port, _ = peers.start(stage, name, mock_port)
    return process, port


def cpu_bound_one(name: str, factor: float, seconds: float, pace: tuple, options: tuple, concurrency: int) -> dict:
    with share_of_core(QUOTA) as group, Stage() as stage:
        _, mock_port = stage.mock(*pace)
        process, port = start_proxy(stage, name, mock_port)
        confine(process, group)
        capacity = capacity_of(stage, port, 4, concurrency, options)
        note(f"{name}:")
        found = overload(stage, port, capacity, factor, seconds, options)
        found["capacity"] = capacity
        if name == "hostler":
            found["shed"] = shed(port)
            note(f"  {found['shed'] or 'nothing was shed'}; {process.rss_kb() / 1024:.0f} MB resident")
        return found


def cpu_rows(what: str, factor: float, seconds: float, pace: tuple, options: tuple, concurrency: int) -> list[dict]:
    """At least 70 % at twice the capacity; above that, more than nginx."""
    ours, nginx = (cpu_bound_one(name, factor, seconds, pace, options, concurrency) for name in ("hostler", peers.PLAIN))
    least = 0.70 if factor <= 2 else nginx["goodput"]
    return [
        {"what": f"own CPU {factor:g}x over (20 % of a core), {what}, {seconds:.0f} s: goodput",
         "value": f"{ours['goodput']:.1%} of {ours['capacity']:.0f}/s (nginx {nginx['goodput']:.1%} of {nginx['capacity']:.0f}/s)",
         "bound": "70 %" if factor <= 2 else "more than nginx",
         "ok": ours["goodput"] >= least, "hostler": ours, "nginx": nginx},
        back_to_normal(ours)]


def cpu_bound(seconds: float) -> list[dict]:
    rows = []
    for what, pace, options, concurrency in (("streams of 64 tokens", PACE, STREAMS, 1024), ("short answers", (), SHORT, 64)):
        for factor in (2, 5):
            rows += cpu_rows(what, factor, seconds, pace, options, concurrency)
    return rows


# --- slow clients ---

class SlowHeads:
    """Connections that send a byte of a request's head now and then, and come back when they are closed."""

    REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-A: "

    def __init__(self, port: int, count: int, each_s: float = 2.0) -> None:
        self.port, self.count, self.each_s = port, count, each_s
        self.over = threading.Event()
        self.opened = self.closed = 0
        self.sockets: dict[int, socket.socket] = {}
        self.thread = threading.Thread(target=self.run)

    def dial(self) -> None:
        s = socket.socket()
        s.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            s.connect(("127.0.0.1", self.port))
        self.sockets[s.fileno()] = s
        self.poll.register(s, select.EPOLLOUT | select.EPOLLONESHOT)
        self.opened += 1

    def close(self, s: socket.socket) -> None:
        self.sockets.pop(s.fileno())
        s.close()
        self.closed += 1

    def speak(self) -> None:
        for s in list(self.sockets.values()):
            try:
                s.send(b"x")
            except BlockingIOError:
                continue
            except OSError:
                self.close(s)

    def run(self) -> None:
        self.poll = select.epoll()
        spoken = time.monotonic()
        while not self.over.is_set():
            for _ in range(min(50, self.count - len(self.sockets))):
                self.dial()
            for fd, events in self.poll.poll(0.02):
                s = self.sockets.get(fd)
                if not s:
                    continue
                if events & (select.EPOLLHUP | select.EPOLLERR) or events & select.EPOLLIN:
                    self.close(s)
                elif events & select.EPOLLOUT:
                    with contextlib.suppress(OSError):
                        s.send(self.REQUEST)
                    self.poll.modify(s, select.EPOLLIN | select.EPOLLRDHUP)
            if time.monotonic() - spoken >= self.each_s:
                spoken = time.monotonic()
                self.speak()
        for s in list(self.sockets.values()):
            s.close()

    def __enter__(self) -> "SlowHeads":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def slow_clients(stage: Stage, seconds: float, count: int) -> list[dict]:
    _, mock_port = stage.mock()
    _, port = stage.hostler(CONFIG % (mock_port, "", KEY))
    options = ("--no-stream", "--rate", 200, "--output-tokens", 16)
    alone = load(stage, port, max(5, seconds / 6), *options)
    with SlowHeads(port, count) as slow:
        time.sleep(3)
        beside = load(stage, port, seconds, *options)
    ratio = beside["total_ms"]["p99"] / alone["total_ms"]["p99"]
    note(f"{count} slow connections ({slow.opened} opened, {slow.closed} closed): {beside['failed']} failed of {beside['started']}, p99 "
         f"{alone['total_ms']['p99']:.2f} -> {beside['total_ms']['p99']:.2f} ms")
    return [{"what": f"beside {count} slow connections, {seconds:.0f} s: requests that fail", "value": f"{beside['failed']} of {beside['started']}",
             "bound": "0", "ok": beside["failed"] == 0 and beside["completed"] > 0},
            {"what": "... p99", "value": f"{beside['total_ms']['p99']:.2f} ms = {ratio:.2f}x", "bound": "2.00x alone", "ok": ratio <= 2}]


def stalled_readers(stage: Stage, count: int) -> dict:
    """Clients that take nothing of a stream which is much longer than any buffer."""
    _, mock_port = stage.mock()
    gateway, port = stage.hostler(CONFIG % (mock_port, "", KEY) + "timeouts: { write: 5m }\n")
    body = b'{"model":"mock","stream":true,"messages":[],"max_tokens":40000,"mock":{"pad":200}}'
    request = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
               b"Content-Length: %d\r\n\r\n" % (KEY.encode(), len(body))) + body
    before = gateway.rss_kb()
    readers = []
    for _ in range(count):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", port))
        s.send(request)
        readers.append(s)
    previous = 0
    until = time.monotonic() + 60
    while time.monotonic() < until and gateway.rss_kb() - previous > 1024:
        previous = gateway.rss_kb()
        time.sleep(2)
    each = (gateway.rss_kb() - before) / count
    for s in readers:
        s.close()
    return {"what": f"memory of each of {count} stalled readers", "value": f"{each:.0f} KB", "bound": "128 KB", "ok": each <= 128}


# --- all of it ---

def allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def overloads(_rounds: int, quick: bool) -> dict:
    seconds = QUICK_SECONDS if quick else SECONDS
    allow_files(20000)
    rows = []
    with Stage() as stage:
        rows += runtime_bound(stage, seconds)
    rows += cpu_bound(seconds)
    with Stage() as stage:
        rows += slow_clients(stage, 20 if quick else 240, 4000)
    with Stage() as stage:
        rows.append(stalled_readers(stage, 200 if quick else 1000))
    return {"rows": rows, "notes": [
        f"clients wait {TIMEOUT_S} s; goodput is what is answered in time, of what a closed loop gets under the same bound",
        "streams: 64 tokens at 100/s; up to 15000 clients at once. Short answers: up to 4000 clients at once, the others wait for one of them to end"]}
