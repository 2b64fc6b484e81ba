# SPDX-License-Identifier: Apache-2.0
"""Figures 1 to 3: what relaying costs, in CPU time per request and per frame, and in memory."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path

import peers
from harness import (KEY, Process, Stage, Unmeasured, bench_result, http, in_turn, load_cores, median,
                     mock_stats, note, start_bench)

CONFIG = """
threads: 1
models:
  - name: mock
    endpoints:
      - { url: "http://127.0.0.1:%d/v1" }
keys:
  - { name: bench, key: %s, models: ["*"] }
pool: { idle_max: 1024 } # as nginx: keepalive 1024
log: { format: json }
"""

CONNECTIONS = (8, 32, 128)

# Most CPU per request, as a share of the peer's; a frame may cost FRAME_BOUND times the peer's.
BOUNDS = {peers.PLAIN: 1.10, peers.NGINX: 0.80, peers.HAPROXY: 0.80}
FRAME_BOUND = 1.10


def brand(peer: str) -> str:
    return peer.split()[0]


# A small chat request of about 1 KB; the mock answers with about 380 bytes.
WRK_SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer %s"
wrk.body = '{"model":"%s","messages":[{"role":"user","content":"' .. string.rep("lorem ipsum ", %d) .. '"}]}'
"""
SMALL, LARGE = 75, 87380  # repetitions: bodies of about 1 KB and 1 MB
LARGE_CONNECTIONS = 8


def gateway_config(mock_port: int) -> str:
    return CONFIG % (mock_port, KEY)


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


class Proxies:
    """The mock runtime and the proxies before it, side by side; one is loaded at a time. Each round starts them anew: two
    starts of the same program can differ by 20 %."""

    def __init__(self, stage: Stage) -> None:
        self.mock, self.mock_port = stage.mock()
        self.processes: dict[str, Process] = {}
        self.ports: dict[str, int] = {}
        self.logs: dict[str, Path] = {}
        gateway, port = stage.hostler(gateway_config(self.mock_port))
        self.add("hostler", (gateway, port, gateway.log))
        for name in BOUNDS:
            self.add(name, peers.start(stage, name, self.mock_port))
        self.check()

    def add(self, name: str, started: tuple[Process, int, Path]) -> None:
        self.processes[name], self.ports[name], self.logs[name] = started

    def check(self) -> None:
        """Each relays, and all but the plain nginx refuse a wrong key."""
        body = {"model": "mock", "messages": [{"role": "user", "content": "x"}]}
        for name, port in self.ports.items():
            status, text = http(port, "/v1/chat/completions", body)
            if status != 200:
                raise Unmeasured(f"{name} does not relay: {status} {text}")
            status, _ = http(port, "/v1/chat/completions", body, key="sk-wrong")
            if name != peers.PLAIN and status != 401:
                raise Unmeasured(f"{name} answers {status} to a wrong key")

    def check_log(self, name: str, requests: int) -> None:
        """It has logged a line for each of these requests, and for what else there was, and the last one is JSON."""
        if name == peers.PLAIN:
            return
        time.sleep(0.3)  # lines may wait for 100 ms
        with open(self.logs[name], "rb") as log:
            lines = sum(1 for _ in log)
            log.seek(max(0, log.tell() - 4096))
            last = log.read().splitlines()[-1]
        if lines < requests or not is_json(last):
            raise Unmeasured(f"{name} logged {lines} lines for {requests} requests, the last one: {last.decode(errors='replace')}")


# --- figure 1 ---

def large(size: int) -> str:
    return " of 1 MB" if size == LARGE else ""


def wrk(stage: Stage, port: int, connections: int, seconds: float, size: int = SMALL) -> tuple[int, str]:
    """Requests done in `seconds`, and what went wrong."""
    return wrk_at(stage, f"http://127.0.0.1:{port}/v1/chat/completions", "mock", connections, seconds, size)


def wrk_at(stage: Stage, url: str, model: str, connections: int, seconds: float, size: int) -> tuple[int, str]:
    script = stage.dir / "post.lua"
    script.write_text(WRK_SCRIPT % (KEY, model, size))
    run = stage.start("wrk", ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", script, url], load_cores())
    run.child.wait(seconds + 30)
    text = run.log.read_text()
    stage.processes.remove(run)
    done = re.search(r"(\d+) requests in", text)
    wrong = [line.strip() for line in text.splitlines() if "Non-2xx" in line or "Socket errors" in line]
    if not done:
        raise Unmeasured(f"wrk failed: {text[-300:]}")
    return int(done.group(1)), "; ".join(wrong)


def measure_requests(stage: Stage, process: Process, port: int, connections: int, seconds: float, size: int = SMALL) -> dict:
    """What a load of some seconds costs the process: CPU microseconds per request, requests done, per second, what went wrong."""
    before, started = process.cpu_us(), time.monotonic()
    done, wrong = wrk(stage, port, connections, seconds, size)
    taken = time.monotonic() - started
    return {"us": (process.cpu_us() - before) / max(1, done), "done": done, "per_s": done / taken, "wrong": wrong}


def needs_wrk() -> None:
    if not shutil.which("wrk"):
        raise Unmeasured("wrk is not installed; `scripts/setup --for bench` installs it")


# Peers with a log get small requests only: beside a large one, a line costs nothing.
LOADS = [(SMALL, connections) for connections in CONNECTIONS] + [(LARGE, LARGE_CONNECTIONS)]


def request_round(turn: int, seconds: float) -> dict[tuple[str, int, int], dict]:
    """One measurement of each proxy under each load."""
    found = {}
    with Stage() as stage:
        p = Proxies(stage)
        done = {name: wrk(stage, port, 32, 1)[0] for name, port in p.ports.items()}
        for size, connections in LOADS:
            for name in in_turn([n for n in p.ports if size == SMALL or n not in peers.LOGGING], turn):
                run = measure_requests(stage, p.processes[name], p.ports[name], connections, seconds, size)
                done[name] += run["done"]
                found[name, size, connections] = run
                note(f"round {turn + 1}  {name:36} {connections:4} connections{large(size)}  {run['us']:6.2f} us/request  "
                     f"{run['per_s']:8.0f}/s {run['wrong']}")
        for name, requests_done in done.items():
            p.check_log(name, requests_done)
    return found


def beside(name: str) -> str:
    """What a row's title adds for peers that do as much as Hostler."""
    return "" if name == peers.PLAIN else f", {name}"


def request_row(found: list[dict], peer: str, size: int, connections: int) -> dict:
    ours, theirs = ([one[name, size, connections] for one in found] for name in ("hostler", peer))
    ratio = median([a["us"] / b["us"] for a, b in zip(ours, theirs)])
    hostler_us, peer_us = ([run["us"] for run in runs] for runs in (ours, theirs))
    return {
        "what": f"CPU per request{large(size)}, {connections} connections{beside(peer)}",
        "value": f"{median(hostler_us):.2f} us = {ratio:.2f}x {brand(peer)} ({median(peer_us):.2f} us)",
        "bound": f"{BOUNDS[peer]:.2f}x {brand(peer)}", "ok": ratio <= BOUNDS[peer], "ratio": ratio, "peer": peer,
        "hostler_us": hostler_us, "peer_us": peer_us,
        "hostler_per_s": [run["per_s"] for run in ours], "peer_per_s": [run["per_s"] for run in theirs],
    }


def requests(rounds: int, quick: bool) -> dict:
    """CPU microseconds per relayed chat request: small ones, and ones with a body of 1 MB."""
    needs_wrk()
    found = [request_round(turn, 1 if quick else 4) for turn in range(rounds)]
    errors = [f"{name} at {connections}: {run['wrong']}" for one in found for (name, _, connections), run in one.items() if run["wrong"]]
    rows = [request_row(found, peer, size, connections) for peer in BOUNDS for size, connections in LOADS
            if (peer, size, connections) in found[0]]
    for row in rows:
        row["ok"] = row["ok"] and not errors
    return {"rows": rows, "errors": errors,
            "notes": ["hostler checks the key, counts, and logs each request to a file; nginx alone writes no access log",
                      "bodies of 1 MB: nginx, as by its defaults, puts them into a file before it passes them on",
                      "the logs of hostler and nginx leave in blocks of 16 KiB or after 100 ms, HAProxy writes each line by itself"]}


# --- figure 2 ---

STREAMS = 1000
FRAMES_PER_SECOND = 50


def stream_round(stage: Stage, process: Process | None, port: int, mock_port: int, seconds: float, warm: float = 3.0) -> dict:
    """Cost per frame in the middle of a run in which all streams are open."""
    tokens = int(FRAMES_PER_SECOND * (seconds + 2 * warm))
    load = start_bench(stage, f"http://127.0.0.1:{port}", "--concurrency", STREAMS, "--requests", STREAMS,
                       "--output-tokens", tokens, "--prompt-tokens", 16, "--timeout", tokens,
                       "--extra", '{"mock":{"rate":%d}}' % FRAMES_PER_SECOND)
    time.sleep(warm)
    frames = mock_stats(mock_port)["frames"]
    cpu = process.cpu_us() if process else 0.0
    time.sleep(seconds)
    cpu = (process.cpu_us() if process else 0.0) - cpu
    frames = mock_stats(mock_port)["frames"] - frames
    result = bench_result(load, tokens / FRAMES_PER_SECOND + 60)
    stage.processes.remove(load)
    return {"us": cpu / frames if frames else 0.0, "frames_per_s": frames / seconds, "lost": result["lost"],
            "repeated": result["repeated"], "merged": result["merged"], "frames": result["frames"],
            "failed": result["failed"], "expected": STREAMS * tokens, "itl_p99_ms": result["itl_ms"]["p99"]}


def stream_row(runs: dict[str, list[dict]], peer: str) -> dict:
    ours, theirs = ([run["us"] for run in runs[name]] for name in ("hostler", peer))
    ratio = median([a / b for a, b in zip(ours, theirs)])
    return {"what": f"CPU per frame, {STREAMS} streams x {FRAMES_PER_SECOND}/s{beside(peer)}",
            "value": f"{median(ours):.2f} us = {ratio:.2f}x {brand(peer)} ({median(theirs):.2f} us)",
            "bound": f"{FRAME_BOUND:.2f}x {brand(peer)}", "ok": ratio <= FRAME_BOUND, "ratio": ratio}


def missing_frames(run: dict) -> int:
    return run["lost"] + run["repeated"] + run["failed"] + run["expected"] - run["frames"]


def streams(rounds: int, quick: bool) -> dict:
    """CPU microseconds per relayed stream frame."""
    seconds = 3 if quick else 8
    runs: dict[str, list[dict]] = {}
    for turn in range(rounds):
        with Stage() as stage:
            p = Proxies(stage)
            for name in in_turn(p.ports, turn) + (["no proxy"] if turn == 0 else []):
                run = stream_round(stage, p.processes.get(name), p.ports.get(name, p.mock_port), p.mock_port, seconds)
                runs.setdefault(name, []).append(run)
                note(f"round {turn + 1}/{rounds}  {name:36} {run['us']:6.2f} us/frame  {run['frames_per_s']:.0f} frames/s  "
                     f"lost {run['lost']}  merged {run['merged']} of {run['frames']}  itl p99 {run['itl_p99_ms']:.1f} ms")
    missing = sum(map(missing_frames, runs["hostler"]))

    def share(name: str) -> float:
        return 100 * sum(r["merged"] for r in runs[name]) / max(1, sum(r["frames"] for r in runs[name]))

    return {
        "rows": [
            *(stream_row(runs, peer) for peer in BOUNDS),
            {"what": "frames lost, repeated or failed", "value": str(missing), "bound": "0", "ok": missing == 0},
            {"what": "frames that share a read with another",
             "value": f"{share('hostler'):.2f} % (nginx {share('nginx'):.2f} %, no proxy {share('no proxy'):.2f} %)",
             "bound": "what one read returned", "ok": True},
        ],
        "runs": runs,
    }


# --- figure 3 ---

def memory_round(stage: Stage, process: Process, port: int, mock_port: int) -> tuple[float, float]:
    """Resident KB of a gateway that was just started, and KB that each open stream adds."""
    time.sleep(1)
    idle = process.rss_kb()
    load = start_bench(stage, f"http://127.0.0.1:{port}", "--concurrency", STREAMS, "--requests", STREAMS,
                       "--output-tokens", 60, "--prompt-tokens", 128, "--extra", '{"mock":{"rate":10}}')
    end = time.monotonic() + 5
    while mock_stats(mock_port)["active"] < STREAMS and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1.5)
    open_streams = mock_stats(mock_port)["active"]
    loaded = process.rss_kb()
    result = bench_result(load, 60)
    stage.processes.remove(load)
    if open_streams < STREAMS or result["failed"]:
        raise Unmeasured(f"only {open_streams} streams were open, {result['failed']} failed: {result['errors']}")
    return idle, (loaded - idle) / STREAMS


def memory(rounds: int, quick: bool) -> dict:
    """Resident memory: idle, and what each open stream adds."""
    del quick
    idle, per_stream = [], []
    for turn in range(rounds):
        with Stage() as stage:
            _, mock_port = stage.mock()
            one = memory_round(stage, *stage.hostler(gateway_config(mock_port)), mock_port)
            idle.append(one[0] / 1024)
            per_stream.append(one[1])
            note(f"round {turn + 1}/{rounds}  idle {one[0]} KB, {one[1]:.1f} KB more per stream")
    return {"rows": [
        {"what": "resident memory, idle, no engine", "value": f"{median(idle):.1f} MB", "bound": "8 MB",
         "ok": median(idle) <= 8, "mb": idle},
        {"what": f"more per active stream, {STREAMS} open", "value": f"{median(per_stream):.1f} KB", "bound": "16 KB",
         "ok": median(per_stream) <= 16, "kb": per_stream},
    ]}
