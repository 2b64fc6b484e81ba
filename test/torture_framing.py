# SPDX-License-Identifier: Apache-2.0
"""Ambiguous messages and mutants of them through a gateway to nginx, HAProxy and Node: each is refused, or exactly the one request that was
authorised arrives. torture_edge.py runs it.

The judges write down every request that they have understood. The gateway's log says which ones it has sent: nothing else may have arrived.
"""

import asyncio
import collections
import json
import os
import random
import shutil
import subprocess
import time

import ambiguous
from harness import CLIENT_KEY, PATIENCE, ROOT, Gate, config_of, free_port, model_of, until

AT_ONCE = 64
IDLE_S = 0.03  # a connection on which nothing comes for so long has said all
PATHS = {"/v1/chat/completions"}

NODE = """
const http = require('http'), fs = require('fs');
const log = fs.openSync(process.argv[3], 'a');
http.createServer((req, res) => {
  let body = Buffer.alloc(0);
  req.on('data', (piece) => { body = Buffer.concat([body, piece]); });
  req.on('end', () => {
    let whole = true;
    try { JSON.parse(body); } catch { whole = req.method == 'GET'; }
    fs.writeSync(log, JSON.stringify({ method: req.method, url: req.url, id: req.headers['x-request-id'] || '', whole }) + '\\n');
    res.setHeader('Content-Type', 'application/json');
    res.end('{}');
  });
}).listen(+process.argv[2], '127.0.0.1');
"""

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err; worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  log_format judge escape=json '{{"method":"$request_method","url":"$request_uri","id":"$http_x_request_id"}}';
  access_log {log} judge;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 100000;
  server {{ listen 127.0.0.1:{port}; default_type application/json; location / {{ return 200 '{{}}'; }} }}
}}
"""

HAPROXY = """
global
  log stdout format raw local0
  maxconn 4096
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend judge
  bind 127.0.0.1:{port}
  log global
  option http-buffer-request
  http-request capture req.hdr(x-request-id) len 64
  log-format '{{"method":"%HM","url":"%HU","id":"%[capture.req.hdr(0)]"}}'
  http-request return status 200 content-type application/json string {{}}
"""


class Judge:
    """A server that logs what it understands."""

    def __init__(self, kind, folder):
        self.kind, self.port, self.log = kind, free_port(), folder / f"{kind}.jsonl"
        self.log.write_text("")
        argv, out = getattr(self, kind)(folder), subprocess.DEVNULL
        if kind == "haproxy":
            out = open(self.log, "wb")
        self.child = subprocess.Popen(argv, stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        if out is not subprocess.DEVNULL:
            out.close()

    def node(self, folder):
        (folder / "judge.js").write_text(NODE)
        return [os.environ.get("HOSTLER_NODE", ROOT / "build/venv/bin/node"), folder / "judge.js", str(self.port), self.log]

    def nginx(self, folder):
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, log=self.log, port=self.port))
        return ["nginx", "-p", folder, "-c", folder / "nginx.conf"]

    def haproxy(self, folder):
        (folder / "haproxy.cfg").write_text(HAPROXY.format(port=self.port))
        return ["haproxy", "-db", "-f", folder / "haproxy.cfg"]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def arrivals(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"method"')]

    def stop(self):
        self.child.terminate()
        self.child.wait(PATIENCE)


def judges():
    """Those that this machine has."""
    return [kind for kind in ("node", "nginx", "haproxy") if kind == "node" or shutil.which(kind)]


# --- sending ---


async def play(port, data):
    """Sends a message and takes what comes; returns the first status, or None."""
    seen, writer = b"", None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        while piece := await asyncio.wait_for(reader.read(65536), IDLE_S if seen else 10 * IDLE_S):
            seen += piece
    except (OSError, TimeoutError, asyncio.TimeoutError):
        pass
    finally:
        if writer:
            writer.transport.abort()
    return int(seen[9:12]) if seen.startswith(b"HTTP/1.1 ") else None


async def play_all(port, messages):
    """Sends (id, message) pairs, many at once; the statuses by id."""
    statuses = {}

    async def work():
        for name, data in messages:
            statuses[name] = await play(port, data)
    messages = iter(messages)
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return statuses


def named(messages):
    """Gives each message its id."""
    for number, data in enumerate(messages):
        name = b"n%011d" % number
        yield name.decode(), data.replace(ambiguous.MARK, name)


def mutants(seeds, count, seed):
    rng = random.Random(seed)
    return (ambiguous.mutant(rng.choice(seeds), rng) for _ in range(count))


# --- judging ---


def judge(arrivals, exchanges, statuses):
    """What arrived is what was authorised, at most as often as it was sent."""
    sent = collections.Counter()
    for line in exchanges:
        sent[line["request_id"]] += line.get("attempts", 0)
    came = collections.Counter(a["id"] for a in arrivals)
    for arrival in arrivals:
        assert arrival["id"] != ambiguous.SMUGGLED.decode(), f"smuggled: {arrival}"
        assert arrival["method"] == "POST" and arrival["url"] in PATHS, f"nobody has asked for that: {arrival}"
        assert arrival.get("whole", True), f"not the body that was judged: {arrival}"
    for name, count in came.items():
        assert count <= sent[name], f"{name} was sent {sent[name]} times and came {count} times"
    for name, status in statuses.items():
        if status == 200 and sent[name]:  # else it had lost its id, or was no model's
            assert came[name] >= 1, f"{name} was answered and has not come"
    return came


def one(processes, kind, messages):
    """Plays them before one judge; how many were refused and how many arrived."""
    server = Judge(kind, processes.folder)
    try:
        config = config_of([model_of(server.url)], keys=[{"name": "k", "key": CLIENT_KEY}], health={"failures": 1000, "interval": "1h"},
                           limits={"connections_max": 10000})
        gate = processes.keep(Gate(processes.folder, processes.name("gate"), config)).ready()
        gate.headers = {"Authorization": f"Bearer {CLIENT_KEY}"}
        until(lambda: gate.chat(headers=gate.headers).status == 200, f"{kind} answers")
        until(lambda: [a for a in server.arrivals() if a["method"] == "POST"], f"{kind} writes")
        before = len(server.arrivals())
        began = time.monotonic()
        statuses = asyncio.run(play_all(gate.address, named(messages)))
        seconds = time.monotonic() - began
        gate.idle()
        time.sleep(0.2)
        came = judge(server.arrivals()[before:], gate.exchanges(), statuses)
        assert gate.chat(headers=gate.headers).status == 200
        return {"messages": len(statuses), "arrived": len(came), "refused": sum(1 for s in statuses.values() if s and s >= 400),
                "seconds": round(seconds)}
    finally:
        server.stop()


def run(processes, count, seed=1):
    """All messages and `count` mutants, before every judge there is."""
    seeds = [*ambiguous.http1(), *ambiguous.http2()]
    results = {}
    kinds = judges()
    for number, kind in enumerate(kinds):
        results[kind] = one(processes, kind, [*seeds, *mutants([*seeds, *ambiguous.valid()], count // len(kinds), seed + number)])
    return results
