# SPDX-License-Identifier: Apache-2.0
"""Thousands of clients that leave and of runtimes that die, in every phase and by every way. torture_edge.py runs it.

Good means: a runtime learns within 100 ms (p99) that its client has left, and nothing stays taken; a client of a runtime that has died gets an error
that it can read, and no false end.
"""

import collections
import concurrent.futures
import contextlib
import itertools
import json
import random
import time

from h2_client import H2Runtime
from harness import chat_body, model_of, read_request, sse, whole
from secure import Authority, scripted_tls, secure_gate, secure_mock
from ways import WAYS, Client

AT_ONCE = 8
P99_MS = 100
PHASES = ["body", "waiting", "streaming", "held_back"]
LEAVES = [("h1", "close"), ("h1", "reset"), ("h2", "stream"), ("h2", "close"), ("h1-tls", "close"), ("h2-tls", "stream"), ("h2-tls", "close")]


class Edge:
    """A gateway and mocks to which four models lead, each by another way."""

    def __init__(self, processes):
        self.authority = Authority(processes.folder / "tls")
        plain, secure = processes.mock("--threads", 2), secure_mock(processes, self.authority, "--threads", 2)
        self.mocks = [plain, secure]
        self.gate = secure_gate(processes, [self.model(way, secure if way.endswith("tls") else plain) for way in WAYS], self.authority,
                                health={"failures": 1000})

    def model(self, way, mock):
        return model_of(mock, name=way, http2="on" if way.startswith("h2") else "off",
                        **({"tls": {"ca": str(self.authority.ca)}} if way.endswith("tls") else {}))

    def client(self, way, **options):
        return Client(self.gate, way, self.authority, **options)


def many(count, work):
    """The results of work(i) for all i, some at once."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, range(count)))


# --- clients that leave ---


def leave_once(edge, number):
    """One client that comes and goes; its id, its phase and when it left."""
    (way, how), phase, up = next(itertools.islice(itertools.product(LEAVES, PHASES, WAYS), number % (len(LEAVES) * 16), None))
    name, slow = f"a{number}", phase == "held_back"
    options = {"receive_buffer": 4096, **({"hold": True} if way.startswith("h2") else {})} if slow else {}
    with edge.client(way, **options) as client:
        if phase == "body":
            begin_body(client, up, name)
        elif phase == "waiting":
            client.send("/v1/chat/completions", chat_body(model=up, mock={"ttft_ms": 60_000, "id": name}), {"x-request-id": name})
            time.sleep(random.Random(number).uniform(0.03, 0.1))
        else:
            knobs = {"tokens": 400, "pad": 4000, "stall_after": 399} if slow else {"rate": 100, "tokens": 10_000}
            client.begin({"x-request-id": name}, model=up, mock={**knobs, "id": name})
            if not slow:
                client.event()
            time.sleep(random.Random(number).uniform(0, 0.04))
        left = time.monotonic_ns() // 1000
        client.leave(how)
    return name, phase, left


def begin_body(client, up, name):
    """Half of a request; its runtime will never hear of it."""
    half = json.dumps(chat_body(model=up, mock={"id": name}))[:30].encode()
    if client.is_h2:
        client.stream = client.conn.request("POST", "/v1/chat/completions", half, {"x-request-id": name}, end=False)
    else:
        client.conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-request-id: %s\r\nContent-Length: 500\r\n\r\n" %
                         name.encode() + half)


def aborts(edge, count):
    """`count` clients that leave; how long runtimes took to see it, in ms."""
    left = many(count, lambda number: leave_once(edge, number))
    edge.gate.idle()
    seen = {abort["id"]: abort["at_us"] for mock in edge.mocks for abort in mock.idle()["aborts"]}
    times_ms = sorted((seen[name] - at) / 1000 for name, _, at in left if name in seen)
    # A request that its runtime never saw was given up on the way; each that it saw must be told of.
    arrived = sum(mock.stats()["requests"] for mock in edge.mocks)
    assert arrived == len(seen), f"{arrived} requests came, {len(seen)} of them were told to be given up"
    assert len(seen) > count / 2
    p99 = times_ms[int(len(times_ms) * 0.99)]
    assert p99 <= P99_MS, f"p99 {p99:.1f} ms"
    return {"aborts": count, "arrived": arrived, "p50_ms": round(times_ms[len(times_ms) // 2], 2), "p99_ms": round(p99, 2),
            "max_ms": round(times_ms[-1], 2)}


# --- runtimes that die ---

EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"t0 "},"finish_reason":null}]}\n\n'


def goaway(conn, _raw=None):
    """Says in the middle of an answer that it has done nothing more, and leaves."""
    def answer(runtime, stream, headers, _body):
        if dict(headers)[":method"] != "POST":
            runtime.whole(stream, b"{}")
            return
        runtime.head(stream)
        runtime.data(stream, EVENT)
        time.sleep(0.002)
        runtime.h2.close_connection(2, last_stream_id=stream)
        runtime.flush()
        raise EOFError
    H2Runtime(conn, answer).serve()


def no_farewell(conn, _raw):
    """Ends TLS by closing TCP, as somebody on the way might have."""
    while True:
        head, _ = read_request(conn)
        if not head.startswith(b"POST"):
            conn.sendall(b"".join(whole(b"{}")))
            continue
        conn.sendall(b"".join(sse(EVENT)[:2]))
        return


class Graves:
    """Models whose runtimes die, by the way they do it: the mock's, and two of our own."""

    def __init__(self, processes):
        self.edge = Edge(processes)
        authority, gate = self.edge.authority, self.edge.gate
        urls = {"goaway": processes.script(goaway), "goaway-tls": scripted_tls(processes, authority.server(["h2"]), goaway),
                "no-farewell": scripted_tls(processes, authority.server(), no_farewell)}
        models = [self.edge.model(way, self.edge.mocks[way.endswith("tls")]) for way in WAYS]
        models += [model_of(url, name=name, http2="on" if "goaway" in name else "off",
                            **({"tls": {"ca": str(authority.ca)}} if url.startswith("https") else {})) for name, url in urls.items()]
        gate.stop()
        processes.programs.remove(gate)
        self.edge.gate = secure_gate(processes, models, authority, health={"failures": 1000})
        self.deaths = [(way, {"die_after": 3, "rate": 500, "die": die}) for way in WAYS for die in ("fin", "rst")] + [(name, {}) for name in urls]

    def one(self, number):
        (model, knobs), way = next(itertools.islice(itertools.product(self.deaths, WAYS), number % (len(self.deaths) * 4), None))
        with self.edge.client(way) as client:
            return client.judge_death(client.begin(model=model, mock={"tokens": 1000, **knobs}))


def deaths(processes, count):
    """`count` runtimes that die within their answer, and by what their clients were told."""
    graves = Graves(processes)
    told = collections.Counter(many(count, graves.one))
    graves.edge.gate.idle()
    return {"deaths": count, "told_by": told}


def run(processes, count):
    return {"aborts": aborts(Edge(processes), count), "deaths": deaths(processes, count)}
