# SPDX-License-Identifier: Apache-2.0
"""Figure 5: clients that leave, in every phase of a request and in every dialect; how soon the runtime learns it, and whether anything is left behind."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import time

from harness import KEY, Stage, metric_values, mock_stats, note, quantile

CONFIG = """
threads: 1
models:
  - name: mock
    endpoints:
      - { url: "http://127.0.0.1:%(mock)d/v1", capacity: 512 }
  - name: one
    endpoints:
      - { url: "http://127.0.0.1:%(mock)d/v1", model: mock, capacity: 1 }
    queue_max: 1000
    queue_timeout: 60s
  - name: deaf
    endpoints:
      - { url: "http://127.0.0.1:%(deaf)d/v1", model: mock }
%(dialects)skeys:
  - { name: bench, key: %(key)s, models: ["*"] }
"""

# phase -> share of the aborts, model, streamed, knobs of the mock; and whether the runtime has the request by then.
PHASES = {
    "queued": (0.1, "one", True, {}, False),
    "connecting": (0.1, "deaf", True, {}, False),
    "waiting, streamed": (0.2, "mock", True, {"ttft_ms": 60000}, True),
    "waiting, not streamed": (0.2, "mock", False, {"ttft_ms": 60000}, True),
    "streaming": (0.3, "mock", True, {"rate": 50, "tokens": 10000}, True),
    "stalled in mid-stream": (0.1, "mock", True, {"stall_after": 2, "tokens": 10000}, True),
}
AT_ONCE = 40

# Client's dialect -> route, what a body has beside model and stream, and the dialect of a runtime that is asked by translation.
DIALECTS = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}, "messages"),
    "messages": ("/v1/messages", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 10000}, "chat"),
    "responses": ("/v1/responses", {"input": "x"}, "chat"),
    "ollama": ("/api/chat", {"messages": [{"role": "user", "content": "x"}]}, "chat"),
}
TURNS = [(dialect, translated, stream) for dialect in DIALECTS for translated in (False, True) for stream in (False, True)]


class Deaf:
    """A listener that never accepts, with a full backlog: connecting to it does not end."""

    def __init__(self) -> None:
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)

    def close(self) -> None:
        for s in [*self.fillers, self.listener]:
            s.close()


def request(port: int, model: str, stream: bool, knobs: dict) -> bytes:
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "x"}],
                       "mock": knobs}).encode()
    head = (f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {KEY}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n")
    return head.encode() + body


def model_of(dialect: str, translated: bool, stream: bool) -> str:
    return f"{dialect}-{'translated' if translated else 'relayed'}-{'streamed' if stream else 'whole'}"


def models_of_dialects(slow_tokens: int, slow_first: int) -> str:
    """A model for each turn, at the runtime whose pace goes with it."""
    out = []
    for dialect, translated, stream in TURNS:
        spoken = DIALECTS[dialect][2] if translated else dialect
        url = f"http://127.0.0.1:{slow_tokens if stream else slow_first}/v1"
        out.append(f"  - name: {model_of(dialect, translated, stream)}\n    endpoints:\n"
                   f"      - {{ url: \"{url}\", model: mock, dialects: [{spoken}], capacity: 512 }}\n")
    return "".join(out)


async def leave_turn(port: int, turn: tuple[str, bool, bool], number: int, rng: random.Random, left: dict[str, float]) -> None:
    dialect, _, stream = turn
    path, members, _ = DIALECTS[dialect]
    name = f"{model_of(*turn)}-{number}"
    body = json.dumps({"model": model_of(*turn), "stream": stream, **members}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {KEY}\r\nx-request-id: {name}\r\n"
                 f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    if stream:
        await reader.readuntil(b"t1 ")
    await asyncio.sleep(rng.uniform(0.02, 0.1))
    left[name] = time.monotonic_ns() / 1000
    writer.transport.abort()


async def leave_all_turns(port: int, count: int, seed: int) -> dict[str, float]:
    """`count` clients of each turn leave, AT_ONCE at a time."""
    rng = random.Random(seed)
    left: dict[str, float] = {}
    plan = [(turn, i) for turn in TURNS for i in range(count)]
    rng.shuffle(plan)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(turn: tuple[str, bool, bool], number: int) -> None:
        async with gate:
            await leave_turn(port, turn, number, rng, left)

    await asyncio.gather(*(one(*p) for p in plan))
    await asyncio.sleep(0.5)
    return left


def dialect_rows(left: dict[str, float], seen: dict[str, float]) -> list[dict]:
    """The slowest of the dialects, which each must hold the bound."""
    rows, worst = [], 0.0
    for turn in TURNS:
        name = model_of(*turn)
        delays = sorted(max(0.0, seen[n] - at) / 1000 for n, at in left.items() if n.rsplit("-", 1)[0] == name and n in seen)
        note(f"{name:32} {len(delays):4} aborts  p50 {quantile(delays, 0.5):.2f} ms  p99 {quantile(delays, 0.99):.2f} ms")
        worst = max(worst, quantile(delays, 0.99) if delays else float("inf"))
    missing = [n for n in left if n not in seen]
    rows.append({"what": f"{len(left)} aborts in {len(TURNS)} pairs of dialects: the slowest pair", "bound": "100 ms at p99",
                 "value": f"p99 {worst:.2f} ms", "ok": worst <= 100, "p99_ms": worst})
    rows.append({"what": "... of them that upstream never saw", "bound": "0", "value": str(len(missing)), "ok": not missing,
                 "which": missing[:10]})
    return rows


async def abort_one(port: int, phase: str, number: int, rng: random.Random, left: dict[str, float]) -> None:
    _, model, stream, knobs, _ = PHASES[phase]
    name = f"{phase}-{number}"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(port, model, stream, {**knobs, "id": name}))
    if knobs.get("rate") or knobs.get("stall_after"):
        await reader.readuntil(b"t1 ")
    await asyncio.sleep(rng.uniform(0.02, 0.1))
    sock = writer.get_extra_info("socket")
    if number % 2:
        # Every other client leaves by a reset.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    left[name] = time.monotonic_ns() / 1000
    writer.transport.abort()


async def abort_all(port: int, count: int, seed: int) -> dict[str, float]:
    """Runs the aborts, AT_ONCE at a time, in an order drawn from the seed. When each client left, in microseconds."""
    rng = random.Random(seed)
    left: dict[str, float] = {}
    plan = [(phase, i) for phase, (share, *_) in PHASES.items() for i in range(round(share * count))]
    rng.shuffle(plan)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(phase: str, number: int) -> None:
        async with gate:
            await abort_one(port, phase, number, rng, left)

    # Holds the only place of the model "one", so that all others queue.
    _, holder = await asyncio.open_connection("127.0.0.1", port)
    holder.write(request(port, "one", True, {"ttft_ms": 600000, "id": "holder"}))
    await asyncio.sleep(0.2)
    await asyncio.gather(*(one(*p) for p in plan))
    await asyncio.sleep(0.5)
    holder.transport.abort()
    return left


def leftovers(port: int, mock_port: int, seconds: float) -> dict[str, float]:
    """What is still in flight after `seconds` of patience; nothing when all was given back."""
    end = time.monotonic() + seconds
    while True:
        found = {}
        for metric in ("hostler_endpoint_inflight", "hostler_queue_length", "hostler_requests_active"):
            for labels, value in metric_values(port, metric).items():
                if value:
                    found[metric + labels] = value
        active = mock_stats(mock_port)["active"]
        if active:
            found["requests at the runtime"] = active
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.1)


def aborts(rounds: int, quick: bool) -> dict:
    del rounds
    count = 200 if quick else 1000
    with Stage() as stage:
        deaf = Deaf()
        try:
            _, mock_port = stage.mock()
            _, slow_tokens = stage.mock("--rate", "50", "--tokens", "10000")
            _, slow_first = stage.mock("--ttft-ms", "60000")
            gateway, port = stage.hostler(CONFIG % {"mock": mock_port, "deaf": deaf.port, "key": KEY,
                                                    "dialects": models_of_dialects(slow_tokens, slow_first)})
            left = asyncio.run(abort_all(port, count, seed=1))
            of_dialects = asyncio.run(leave_all_turns(port, count // 10, seed=2))
            heard = {a["id"]: a["at_us"] for p in (slow_tokens, slow_first) for a in mock_stats(p)["aborts"]}
            rest = leftovers(port, mock_port, 3)
            seen = {a["id"]: a["at_us"] for a in mock_stats(mock_port)["aborts"]}
            alive = gateway.alive()
        finally:
            deaf.close()
    delays: dict[str, list[float]] = {}
    unseen = []
    for name, at in left.items():
        phase = name.rsplit("-", 1)[0]
        if not PHASES[phase][4]:
            continue
        if name in seen:
            delays.setdefault(phase, []).append(max(0.0, seen[name] - at) / 1000)
        else:
            unseen.append(name)
    intruders = [name for name in seen if name in left and not PHASES[name.rsplit("-", 1)[0]][4]]
    everything = sorted(d for ds in delays.values() for d in ds)
    for phase, ds in delays.items():
        ds.sort()
        note(f"{phase:24} {len(ds):4} aborts  p50 {quantile(ds, 0.5):.2f} ms  p99 {quantile(ds, 0.99):.2f} ms  max {ds[-1]:.2f} ms")
    p50, p99 = quantile(everything, 0.5), quantile(everything, 0.99)
    greatest = everything[-1] if everything else float("nan")
    ok_seen = not unseen and not intruders and alive
    return {"rows": [
        {"what": f"{len(left)} aborts: close seen upstream", "bound": "100 ms at p99",
         "value": f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {greatest:.2f} ms", "ok": p99 <= 100, "p99_ms": p99},
        {"what": "aborts that upstream never saw, or should not have", "bound": "0",
         "value": str(len(unseen) + len(intruders)), "ok": ok_seen, "which": (unseen + intruders)[:10]},
        {"what": "endpoint credit, queue places, requests left", "bound": "0", "value": str(int(sum(rest.values()))),
         "ok": not rest, "which": rest},
        *dialect_rows(of_dialects, heard),
    ]}
