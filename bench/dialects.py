# SPDX-License-Identifier: Apache-2.0
"""Figure 9: what translating between dialects costs beside relaying: instructions per stream frame, time per request, memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import instructions
from clients import CHAT, CLIENTS, MESSAGES, OLLAMA, RESPONSES, Client, Connection, Unreading, long, short
from harness import HOSTLER, KEY, Process, Stage, Unmeasured, http, in_turn, load_cores, median, note
from instructions import Profile


@dataclass(frozen=True)
class Pair:
    """A client's dialect and the runtime's."""
    client: Client
    runtime: Client

    @property
    def title(self) -> str:
        return f"{self.client.title} client, {self.runtime.title} runtime"

    @property
    def model(self) -> str:
        return model_of(self.runtime)


RELAYED = Pair(CHAT, CHAT)
TRANSLATED = (Pair(MESSAGES, CHAT), Pair(RESPONSES, CHAT), Pair(OLLAMA, CHAT), Pair(CHAT, MESSAGES), Pair(RESPONSES, MESSAGES))
STALLED = (RELAYED, Pair(MESSAGES, CHAT), Pair(RESPONSES, CHAT))

FRAME_BOUND = 2.0  # times the relayed frame's instructions
REQUEST_BOUND = 400  # microseconds
MEMORY_BOUNDS = {True: 16, False: 24}  # KB of a stream that is relayed, or not


def model_of(runtime: Client) -> str:
    """Each as long, so that requests are."""
    return f"on-{runtime.dialect:-<9}"


def config(_: Path, mock_port: int) -> str:
    """A model for each dialect of the mock runtime, which has them all."""
    models = "".join(f"  - name: {model_of(c)}\n    endpoints:\n      - {{ url: \"http://127.0.0.1:{mock_port}/v1\", model: mock, "
                     f"dialects: [{c.dialect}] }}\n" for c in CLIENTS)
    return f"threads: 1\nmodels:\n{models}keys:\n  - {{ name: bench, key: {KEY}, models: [\"*\"] }}\nlog: {{ format: json }}\n"


def set_knobs(mock_port: int, **knobs: object) -> None:
    status, text = http(mock_port, "/mock/knobs", knobs)
    if status != 200:
        raise Unmeasured(f"the mock runtime answers {status} to its knobs: {text}")


# --- instructions per frame ---

STREAMS = 4         # one after the other
FRAMES = (50, 250)  # of each; so that each is a read of its own on a busy machine, too
STREAM_SECONDS = 2.5
READS_MIN = 0.97    # per frame
TRIES = 5


def stream_all(pair: Pair, port: int, mock_port: int, frames: int) -> None:
    """All of a load; it takes the same time for any number of frames."""
    set_knobs(mock_port, tokens=frames, rate=frames / STREAM_SECONDS)
    request = pair.client.request(pair.model, short(), stream=True)
    with Connection(port) as connection:
        for _ in range(STREAMS):
            answer = connection.ask(request)
            if pair.client.pieces(answer) != list(range(frames)):
                raise Unmeasured(f"{pair.title}: frames were lost, repeated or none: {answer[-300:]!r}")


def count_frame(pair: Pair) -> Profile:
    """What one frame more costs."""
    small, large = (instructions.profile_under(HOSTLER, HOSTLER, config, lambda _, port, mock_port, n=frames: stream_all(
        pair, port, mock_port, n)) for frames in FRAMES)
    return instructions.difference(small, large, STREAMS * (FRAMES[1] - FRAMES[0]))


def frame_profile(pair: Pair) -> Profile:
    """The same, where the machine was not too busy: frames that come together cost less."""
    for _ in range(TRIES):
        frame = count_frame(pair)
        reads = frame.called("read")
        note(f"{pair.title}: {frame.total():,.0f} instructions per frame, {reads:.2f} reads")
        if reads >= READS_MIN:
            return frame
    raise Unmeasured(f"{pair.title}: frames came together, {reads:.2f} reads for each")


def frame_row(pair: Pair, frame: Profile, relayed: float) -> dict:
    ratio = frame.total() / relayed
    return {"what": f"instructions per frame, {pair.title}",
            "value": f"{frame.total():,.0f} = {ratio:.2f}x relayed ({relayed:,.0f})",
            "bound": f"{FRAME_BOUND:.2f}x relayed", "ok": ratio <= FRAME_BOUND, "instructions": frame.total(), "relayed": relayed,
            "reads": frame.called("read"), "functions": dict(frame.cost.most_common(60))}


def frames() -> list[dict]:
    instructions.needs_valgrind()
    relayed = frame_profile(RELAYED).total()
    return [frame_row(pair, frame_profile(pair), relayed) for pair in TRANSLATED]


# --- time per request ---

REQUEST_BYTES = 100_000
BLOCK = 50  # requests of one route before it is the other's turn


@contextlib.contextmanager
def beside_the_gateway():
    """Meanwhile this thread is on the cores of loads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, load_cores())
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Route:
    """What was seen of one way to the runtime."""
    latencies: list[float]
    cpu_us: float = 0.0

    def latency(self) -> float:
        return median(self.latencies)

    def cpu(self) -> float:
        """Of the gateway, per request."""
        return self.cpu_us / max(1, len(self.latencies))


def ask_block(connection: Connection, gateway: Process, request: bytes, route: Route) -> None:
    before = gateway.cpu_us()
    for _ in range(BLOCK):
        began = time.perf_counter_ns()
        connection.ask(request)
        route.latencies.append((time.perf_counter_ns() - began) / 1000)
    route.cpu_us += gateway.cpu_us() - before


def request_round(gateway: Process, port: int, pair: Pair, turn: int, blocks: int) -> dict[str, Route]:
    """The same request on its native route and on the one with a translation, in turns; the first blocks do not count."""
    turns = long(REQUEST_BYTES)
    requests = {"native": pair.client.request(model_of(pair.client), turns, stream=False),
                "translated": pair.client.request(pair.model, turns, stream=False)}
    found = {}
    with Connection(port) as connection:
        for block in range(-1, blocks):
            for name in in_turn(requests, turn + block):
                if block <= 0:
                    found[name] = Route([])
                ask_block(connection, gateway, requests[name], found[name])
    return found


def more(found: list[dict[str, Route]], what) -> list[float]:
    """How much more the translated route took, in each round."""
    return [what(routes["translated"]) - what(routes["native"]) for routes in found]


def request_row(pair: Pair, found: list[dict[str, Route]]) -> dict:
    each = more(found, Route.latency)
    us, cpu = median(each), median(more(found, Route.cpu))
    native, translated = (median([routes[name].latency() for routes in found]) for name in ("native", "translated"))
    return {"what": f"more per request of {REQUEST_BYTES // 1000} KB, {pair.title}",
            "value": f"{us:+.0f} us, {min(each):+.0f} to {max(each):+.0f} ({translated:.0f} beside {native:.0f} us native; "
                     f"CPU {cpu:+.0f} us)",
            "bound": f"{REQUEST_BOUND} us", "ok": us <= REQUEST_BOUND, "us": each, "cpu_us": more(found, Route.cpu),
            "native_us": native, "translated_us": translated}


def requests(rounds: int, quick: bool) -> list[dict]:
    found: dict[Pair, list[dict[str, Route]]] = {pair: [] for pair in TRANSLATED}
    for turn in range(rounds):
        with Stage() as stage:
            runtime = Unreading()
            gateway, port = stage.hostler(config(HOSTLER, runtime.port))
            with beside_the_gateway(), runtime:
                for pair in TRANSLATED:
                    routes = request_round(gateway, port, pair, turn, 2 if quick else 8)
                    found[pair].append(routes)
                    note(f"round {turn + 1}/{rounds}  {pair.title:36} " + "  ".join(
                        f"{name} {route.latency():.0f} us (CPU {route.cpu():.0f})" for name, route in routes.items()))
    return [request_row(pair, found[pair]) for pair in TRANSLATED]


# --- memory per stream ---

OPEN = 1000
HEARD = 20  # frames of each before the runtime falls silent
FRAMES_PER_SECOND = 10


async def open_streams(request: bytes, port: int) -> list[asyncio.StreamWriter]:
    """All of them, each with the frames that it gets."""
    async def one() -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        writer.write(request)
        await reader.readuntil(b"t%d " % (HEARD - 1))
        return writer

    try:
        return list(await asyncio.wait_for(asyncio.gather(*(one() for _ in range(OPEN))), 60))
    except (asyncio.IncompleteReadError, TimeoutError) as why:
        raise Unmeasured(f"not all of {OPEN} streams had {HEARD} frames: {why!r}") from None


async def stream_memory(gateway: Process, port: int, pair: Pair) -> float:
    """KB that each open stream adds."""
    before = gateway.rss_kb()
    writers = await open_streams(pair.client.request(pair.model, short(), stream=True), port)
    await asyncio.sleep(0.5)
    after = gateway.rss_kb()
    for writer in writers:
        writer.transport.abort()
    return (after - before) / OPEN


def memory_round(pair: Pair) -> float:
    with Stage() as stage:
        _, mock_port = stage.mock()
        set_knobs(mock_port, tokens=1000, rate=FRAMES_PER_SECOND, stall_after=HEARD)
        gateway, port = stage.hostler(config(HOSTLER, mock_port))
        time.sleep(1)
        return asyncio.run(stream_memory(gateway, port, pair))


def memory_row(pair: Pair, kb: list[float]) -> dict:
    bound = MEMORY_BOUNDS[pair.client is pair.runtime]
    return {"what": f"more per stream, {OPEN} open, {pair.title}", "value": f"{median(kb):.1f} KB", "bound": f"{bound} KB",
            "ok": median(kb) <= bound, "kb": kb}


def memory(rounds: int) -> list[dict]:
    found: dict[Pair, list[float]] = {pair: [] for pair in STALLED}
    for turn in range(rounds):
        for pair in STALLED:
            found[pair].append(memory_round(pair))
            note(f"round {turn + 1}/{rounds}  {pair.title}: {found[pair][-1]:.1f} KB more per stream")
    return [memory_row(pair, found[pair]) for pair in STALLED]


def dialects(rounds: int, quick: bool) -> dict:
    """Translated beside relayed: frames, requests, streams that are open."""
    return {"rows": [*frames(), *requests(rounds, quick), *memory(1 if quick else rounds)]}
