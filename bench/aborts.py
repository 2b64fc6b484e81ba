# SPDX-License-Identifier: Apache-2.0
"""Figure 5: clients that leave, in every phase of a request; how soon the runtime learns it, and whether anything is left behind."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import time

from harness import KEY, Stage, metric_values, mock_stats, note

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
keys:
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


def quantile(ordered: list[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


def aborts(rounds: int, quick: bool) -> dict:
    del rounds
    count = 200 if quick else 1000
    with Stage() as stage:
        deaf = Deaf()
        try:
            _, mock_port = stage.mock()
            gateway, port = stage.hostler(CONFIG % {"mock": mock_port, "deaf": deaf.port, "key": KEY})
            left = asyncio.run(abort_all(port, count, seed=1))
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
    ]}
