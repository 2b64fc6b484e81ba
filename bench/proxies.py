# SPDX-License-Identifier: Apache-2.0
"""Figures 1 to 3: what relaying costs, in CPU time per request and per frame, and in memory."""

from __future__ import annotations

import re
import shutil
import time

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

# A small chat request of about 1 KB; the mock answers with about 380 bytes.
WRK_SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer %s"
wrk.body = '{"model":"mock","messages":[{"role":"user","content":"' .. string.rep("lorem ipsum ", %d) .. '"}]}'
"""
SMALL, LARGE = 75, 87380  # repetitions: bodies of about 1 KB and 1 MB
LARGE_CONNECTIONS = 8


def gateway_config(mock_port: int) -> str:
    return CONFIG % (mock_port, KEY)


class Proxies:
    """The mock runtime and the proxies before it, side by side; one is loaded at a time. Each round starts them anew: two
    starts of the same program can differ by 20 %."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.mock, self.mock_port = stage.mock()
        self.ports: dict[str, int] = {}
        self.processes: dict[str, Process] = {}
        self.add("hostler", stage.hostler(gateway_config(self.mock_port)))
        self.add("nginx", stage.nginx(self.mock_port))
        for name, port in self.ports.items():
            body = {"model": "mock", "messages": [{"role": "user", "content": "x"}]}
            status, text = http(port, "/v1/chat/completions", body)
            if status != 200:
                raise Unmeasured(f"{name} does not relay: {status} {text}")

    def add(self, name: str, started: tuple[Process, int]) -> None:
        self.processes[name], self.ports[name] = started


# --- figure 1 ---

def large(size: int) -> str:
    return " of 1 MB" if size == LARGE else ""


def wrk(stage: Stage, port: int, connections: int, seconds: float, size: int = SMALL) -> tuple[int, str]:
    """Requests done in `seconds`, and what went wrong."""
    script = stage.dir / "post.lua"
    script.write_text(WRK_SCRIPT % (KEY, size))
    run = stage.start("wrk", ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", script,
                              f"http://127.0.0.1:{port}/v1/chat/completions"], load_cores())
    run.child.wait(seconds + 30)
    text = run.log.read_text()
    stage.processes.remove(run)
    done = re.search(r"(\d+) requests in", text)
    wrong = [line.strip() for line in text.splitlines() if "Non-2xx" in line or "Socket errors" in line]
    if not done:
        raise Unmeasured(f"wrk failed: {text[-300:]}")
    return int(done.group(1)), "; ".join(wrong)


def requests(rounds: int, quick: bool) -> dict:
    """CPU microseconds per relayed chat request: small ones, and ones with a body of 1 MB."""
    if not shutil.which("wrk"):
        raise Unmeasured("wrk is not installed; `scripts/setup --for bench` installs it")
    seconds = 1 if quick else 4
    loads = [(SMALL, connections) for connections in CONNECTIONS] + [(LARGE, LARGE_CONNECTIONS)]
    cost: dict[tuple[str, int, int], list[float]] = {}
    rate: dict[tuple[str, int, int], list[float]] = {}
    errors: list[str] = []
    for turn in range(rounds):
        with Stage() as stage:
            p = Proxies(stage)
            for name in p.ports:
                wrk(stage, p.ports[name], 32, 1)
            for size, connections in loads:
                for name in in_turn(p.ports, turn):
                    before = p.processes[name].cpu_us()
                    started = time.monotonic()
                    done, wrong = wrk(stage, p.ports[name], connections, seconds, size)
                    taken = time.monotonic() - started
                    us = (p.processes[name].cpu_us() - before) / max(1, done)
                    cost.setdefault((name, size, connections), []).append(us)
                    rate.setdefault((name, size, connections), []).append(done / taken)
                    if wrong:
                        errors.append(f"{name} at {connections}: {wrong}")
                    note(f"round {turn + 1}/{rounds}  {name:8} {connections:4} connections{large(size)}  "
                         f"{us:6.2f} us/request  {done / taken:8.0f}/s {wrong}")
    rows = []
    for load in loads:
        ours, theirs = (median(cost[name, *load]) for name in ("hostler", "nginx"))
        pairs = [a / b for a, b in zip(cost["hostler", *load], cost["nginx", *load])]
        rows.append({
            "what": f"CPU per request{large(load[0])}, {load[1]} connections",
            "value": f"{ours:.2f} us = {median(pairs):.2f}x nginx ({theirs:.2f} us)",
            "bound": "1.10x nginx",
            "ok": median(pairs) <= 1.10 and not errors,
            "ratio": median(pairs),
            "hostler_us": cost["hostler", *load],
            "nginx_us": cost["nginx", *load],
            "hostler_per_s": rate["hostler", *load],
            "nginx_per_s": rate["nginx", *load],
        })
    return {"rows": rows, "errors": errors,
            "notes": ["nginx writes no access log; hostler checks the key, counts, and logs each request to a file",
                      "bodies of 1 MB: nginx, as by its defaults, puts them into a file before it passes them on"]}


# --- figure 2 ---

STREAMS = 1000
FRAMES_PER_SECOND = 50


def stream_round(stage: Stage, p: Proxies, name: str, port: int, seconds: float) -> dict:
    """Cost per frame in the middle of a run in which all streams are open."""
    warm = 3.0
    tokens = int(FRAMES_PER_SECOND * (seconds + 2 * warm))
    load = start_bench(stage, f"http://127.0.0.1:{port}", "--concurrency", STREAMS, "--requests", STREAMS,
                       "--output-tokens", tokens, "--prompt-tokens", 16, "--timeout", tokens,
                       "--extra", '{"mock":{"rate":%d}}' % FRAMES_PER_SECOND)
    time.sleep(warm)
    process = p.processes.get(name)
    frames = mock_stats(p.mock_port)["frames"]
    cpu = process.cpu_us() if process else 0.0
    time.sleep(seconds)
    cpu = (process.cpu_us() if process else 0.0) - cpu
    frames = mock_stats(p.mock_port)["frames"] - frames
    result = bench_result(load, tokens / FRAMES_PER_SECOND + 60)
    stage.processes.remove(load)
    return {"us": cpu / frames if frames else 0.0, "frames_per_s": frames / seconds, "lost": result["lost"],
            "repeated": result["repeated"], "merged": result["merged"], "frames": result["frames"],
            "failed": result["failed"], "expected": STREAMS * tokens, "itl_p99_ms": result["itl_ms"]["p99"]}


def streams(rounds: int, quick: bool) -> dict:
    """CPU microseconds per relayed stream frame."""
    seconds = 3 if quick else 8
    runs: dict[str, list[dict]] = {}
    for turn in range(rounds):
        with Stage() as stage:
            p = Proxies(stage)
            for name in in_turn(p.ports, turn) + (["no proxy"] if turn == 0 else []):
                run = stream_round(stage, p, name, p.ports.get(name, p.mock_port), seconds)
                runs.setdefault(name, []).append(run)
                note(f"round {turn + 1}/{rounds}  {name:8} {run['us']:6.2f} us/frame  {run['frames_per_s']:.0f} frames/s  "
                     f"lost {run['lost']}  merged {run['merged']} of {run['frames']}  itl p99 {run['itl_p99_ms']:.1f} ms")
    ours, theirs = (median([r["us"] for r in runs[name]]) for name in ("hostler", "nginx"))
    ratio = median([a["us"] / b["us"] for a, b in zip(runs["hostler"], runs["nginx"])])
    missing = sum(r["lost"] + r["repeated"] + r["failed"] + r["expected"] - r["frames"] for r in runs["hostler"])

    def share(name: str) -> float:
        return 100 * sum(r["merged"] for r in runs[name]) / max(1, sum(r["frames"] for r in runs[name]))

    return {
        "rows": [
            {"what": f"CPU per frame, {STREAMS} streams x {FRAMES_PER_SECOND}/s",
             "value": f"{ours:.2f} us = {ratio:.2f}x nginx ({theirs:.2f} us)", "bound": "1.10x nginx",
             "ok": ratio <= 1.10, "ratio": ratio},
            {"what": "frames lost, repeated or failed", "value": str(missing), "bound": "0", "ok": missing == 0},
            {"what": "frames that share a read with another",
             "value": f"{share('hostler'):.2f} % (nginx {share('nginx'):.2f} %, no proxy {share('no proxy'):.2f} %)",
             "bound": "what one read returned", "ok": True},
        ],
        "runs": runs,
    }


# --- figure 3 ---

def memory(rounds: int, quick: bool) -> dict:
    """Resident memory: idle, and what each open stream adds."""
    del quick
    idle, per_stream = [], []
    for turn in range(rounds):
        with Stage() as stage:
            _, mock_port = stage.mock()
            gateway, port = stage.hostler(gateway_config(mock_port))
            time.sleep(1)
            before = gateway.rss_kb()
            load = start_bench(stage, f"http://127.0.0.1:{port}", "--concurrency", STREAMS, "--requests", STREAMS,
                               "--output-tokens", 60, "--prompt-tokens", 128, "--extra", '{"mock":{"rate":10}}')
            end = time.monotonic() + 5
            while mock_stats(mock_port)["active"] < STREAMS and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(1.5)
            open_streams = mock_stats(mock_port)["active"]
            after = gateway.rss_kb()
            result = bench_result(load, 60)
            stage.processes.remove(load)
            if open_streams < STREAMS or result["failed"]:
                raise Unmeasured(f"only {open_streams} streams were open, {result['failed']} failed: {result['errors']}")
            idle.append(before / 1024)
            per_stream.append((after - before) / STREAMS)
            note(f"round {turn + 1}/{rounds}  idle {before} KB, with {STREAMS} streams {after} KB")
    return {"rows": [
        {"what": "resident memory, idle, no engine", "value": f"{median(idle):.1f} MB", "bound": "8 MB",
         "ok": median(idle) <= 8, "mb": idle},
        {"what": f"more per active stream, {STREAMS} open", "value": f"{median(per_stream):.1f} KB", "bound": "16 KB",
         "ok": median(per_stream) <= 16, "kb": per_stream},
    ]}
