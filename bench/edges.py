# SPDX-License-Identifier: Apache-2.0
"""Figures 17 and 18: what TLS and HTTP/2 cost, in CPU time per request and in memory per idle connection."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import peers
import proxies
from harness import (HOSTLER, KEY, Process, Stage, Unmeasured, free_port, in_turn, load_cores, median, note, proxy_cores,
                     wait_for)

CONFIG = """
threads: 1
listen:
  - 127.0.0.1:{port}
  - address: 127.0.0.1:{tls_port}
    tls: {{ certificate: {node}, key: {key} }}
models:
  - name: mock
    endpoints: [{{ url: "http://127.0.0.1:{mock}/v1" }}]
  - name: tls
    endpoints: [{{ url: "https://127.0.0.1:{tls_mock}/v1", model: mock, http2: off, tls: {{ ca: {ca} }} }}]
  - name: h2
    endpoints: [{{ url: "http://127.0.0.1:{mock}/v1", model: mock, http2: on }}]
keys:
  - {{ name: bench, key: {api_key}, models: ["*"] }}
pool: {{ idle_max: 1024 }}
log: {{ format: json }}
"""

# What both nginx have: one relays, the other stands before the mock runtime.
NGINX_COMMON = """
worker_processes 1;
daemon off;
{user}
pid {dir}/nginx.pid;
error_log {dir}/error.log crit;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    keepalive_requests 1000000000;
    client_max_body_size 32m;
    ssl_certificate {node};
    ssl_certificate_key {key};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
    upstream runtime {{ server 127.0.0.1:{mock}; keepalive 1024; keepalive_requests 1000000000; }}
"""

NGINX = NGINX_COMMON + """
    http2_max_requests 1000000000;
    ssl_protocols TLSv1.2 TLSv1.3;
    proxy_ssl_trusted_certificate {ca};
    proxy_ssl_verify on;
    proxy_ssl_name localhost;
    upstream runtime_tls {{ server 127.0.0.1:{tls_mock}; keepalive 1024; keepalive_requests 1000000000; }}
    server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://runtime; }} }}
    server {{ listen 127.0.0.1:{tls_port} ssl http2 backlog=4096; location / {{ proxy_pass http://runtime; }} }}
    server {{ listen 127.0.0.1:{both_port} ssl backlog=4096; location / {{ proxy_pass https://runtime_tls; }} }}
    server {{ listen 127.0.0.1:{h2_port} http2 backlog=4096; location / {{ proxy_pass http://runtime; }} }}
}}
"""

HAPROXY = """
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    option http-no-delay
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    http-reuse always
frontend h1
    bind 127.0.0.1:{port} backlog 4096
    default_backend runtime
frontend h2
    bind 127.0.0.1:{h2_port} proto h2 backlog 4096
    default_backend runtime
backend runtime
    server runtime 127.0.0.1:{mock} proto h2
"""

# In front of the mock runtime, on the load's core: its own cost is nobody's.
TERMINATOR = NGINX_COMMON + """
    server {{ listen 127.0.0.1:{port} ssl backlog=4096; location / {{ proxy_pass http://runtime; }} }}
}}
"""

SMALL, LARGE = proxies.SMALL, proxies.LARGE

# What is measured: title, client (h1, tls, h2, h2s), model of Hostler's, peer, its port's name, body, most of the peer's CPU.
SMALL_BOUND, LARGE_BOUND = 1.10, 1.20
LOADS = [
    ("TLS to the client", "tls", "mock", "nginx", "tls_port", SMALL, SMALL_BOUND),
    ("TLS to the client, bodies of 1 MB", "tls", "mock", "nginx", "tls_port", LARGE, LARGE_BOUND),
    ("TLS on both sides", "tls", "tls", "nginx", "both_port", SMALL, SMALL_BOUND),
    ("TLS on both sides, bodies of 1 MB", "tls", "tls", "nginx", "both_port", LARGE, LARGE_BOUND),
    ("HTTP/2 to the client", "h2", "mock", "nginx", "h2_port", SMALL, SMALL_BOUND),
    ("HTTP/2 to the client, bodies of 1 MB", "h2", "mock", "nginx", "h2_port", LARGE, LARGE_BOUND),
    ("HTTP/2 over TLS to the client", "h2s", "mock", "nginx", "tls_port", SMALL, SMALL_BOUND),
    ("HTTP/2 to the runtime", "h1", "h2", "haproxy", "port", SMALL, SMALL_BOUND),
    ("HTTP/2 on both sides", "h2", "h2", "haproxy", "h2_port", SMALL, SMALL_BOUND),
]
CONNECTIONS, LARGE_CONNECTIONS = 32, 8
H2_CONNECTIONS, H2_STREAMS = 8, 16


def certificates(folder: Path) -> dict[str, Path]:
    done = subprocess.run([HOSTLER, "cert", "init", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unmeasured(f"hostler cert init: {done.stderr.strip()}")
    return {"ca": folder / "ca.pem", "node": folder / "node.pem", "key": folder / "node.key"}


class Edges:
    """The mock runtime, plain and behind TLS, and the proxies before it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.files = certificates(stage.dir / "tls")
        _, mock = stage.mock()
        self.values = {**self.files, "mock": mock, "user": "user root;" if os.geteuid() == 0 else "", "api_key": KEY}
        self.values["tls_mock"] = self.nginx("terminator", TERMINATOR, load_cores())[1]["port"]
        self.sides = {"hostler": self.hostler(), "nginx": self.nginx("nginx", NGINX, proxy_cores()), "haproxy": self.haproxy()}

    def ports(self) -> dict[str, int]:
        return {name: free_port() for name in ("port", "tls_port", "both_port", "h2_port")}

    def hostler(self) -> tuple[Process, dict[str, int]]:
        ports = self.ports()
        file = self.stage.dir / "edges.yaml"
        file.write_text(CONFIG.format(**self.values, **ports))
        p = self.stage.start("hostler", [HOSTLER, "serve", "--config", file], proxy_cores())
        wait_for(p, ports["port"], "/livez")
        return p, ports

    def nginx(self, name: str, text: str, on: set[int]) -> tuple[Process, dict[str, int]]:
        folder, ports = self.stage.dir / name, self.ports()
        folder.mkdir()
        conf = folder / "nginx.conf"
        conf.write_text(text.format(dir=folder, **self.values, **ports))
        p = self.stage.start(name, [peers.program("nginx"), "-p", folder, "-c", conf], on)
        self.wait_open(p, ports["port"])
        return p, ports

    def haproxy(self) -> tuple[Process, dict[str, int]]:
        ports = self.ports()
        conf = self.stage.dir / "edges.cfg"
        conf.write_text(HAPROXY.format(**self.values, **ports))
        p = self.stage.start("haproxy", [peers.program("haproxy"), "-db", "-f", conf], proxy_cores())
        self.wait_open(p, ports["port"])
        return p, ports

    @staticmethod
    def wait_open(p: Process, port: int) -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise Unmeasured(f"nobody listens: {p.tail()}")

    def url(self, side: str, client: str, port_name: str) -> str:
        ports = self.sides[side][1]
        if side == "hostler":
            port_name = "tls_port" if client in ("tls", "h2s") else "port"
        scheme = "https" if client in ("tls", "h2s") else "http"
        return f"{scheme}://127.0.0.1:{ports[port_name]}/v1/chat/completions"


def wrk(stage: Stage, url: str, model: str, size: int, seconds: float) -> tuple[int, str]:
    return proxies.wrk_at(stage, url, model, CONNECTIONS if size == SMALL else LARGE_CONNECTIONS, seconds, size)


def h2load(stage: Stage, url: str, model: str, size: int, seconds: float) -> tuple[int, str]:
    body = stage.dir / f"edges-{model}-{size}.json"
    body.write_text('{"model":"%s","messages":[{"role":"user","content":"%s"}]}' % (model, "lorem ipsum " * size))
    streams = H2_STREAMS if size == SMALL else 1
    run = stage.start("h2load", ["h2load", "-t1", f"-c{H2_CONNECTIONS}", f"-m{streams}", "-D", f"{seconds:g}", "-d", body,
                                 "-H", f"authorization: Bearer {KEY}", "-H", "content-type: application/json", url], load_cores())
    run.child.wait(seconds + 30)
    text = run.log.read_text()
    stage.processes.remove(run)
    done = re.search(r"requests: .* (\d+) succeeded, (\d+) failed", text)
    good = re.search(r"status codes: (\d+) 2xx", text)
    if not done or not good:
        raise Unmeasured(f"h2load failed: {text[-300:]}")
    wrong = "" if done.group(2) == "0" and int(good.group(1)) >= int(done.group(1)) else f"{done.group(0)}; {good.group(0)}"
    return int(done.group(1)), wrong


def needs(*programs: str) -> None:
    for name in programs:
        if not shutil.which(name, path=peers.PATH):
            raise Unmeasured(f"{name} is not installed; `scripts/setup --for bench` installs it")


def one_load(edges: Edges, side: str, load: tuple, seconds: float) -> dict:
    _, client, model, _, port_name, size, _ = load
    run = h2load if client.startswith("h2") else wrk
    process = edges.sides[side][0]
    url, model = edges.url(side, client, port_name), model if side == "hostler" else "mock"
    run(edges.stage, url, model, size, 1)
    before, started = process.cpu_us(), time.monotonic()
    done, wrong = run(edges.stage, url, model, size, seconds)
    taken = time.monotonic() - started
    return {"us": (process.cpu_us() - before) / max(1, done), "per_s": done / taken, "wrong": wrong}


def edge_round(turn: int, seconds: float) -> dict:
    found = {}
    with Stage() as stage:
        edges = Edges(stage)
        for load in LOADS:
            for side in in_turn(["hostler", load[3]], turn):
                found[load[0], side] = run = one_load(edges, side, load, seconds)
                note(f"round {turn + 1}  {side:8} {load[0]:40} {run['us']:8.2f} us/request {run['per_s']:8.0f}/s {run['wrong']}")
    return found


def edge_row(found: list[dict], load: tuple) -> dict:
    title, _, _, peer, _, _, bound = load
    ours, theirs = ([one[title, side] for one in found] for side in ("hostler", peer))
    ratio = median([a["us"] / b["us"] for a, b in zip(ours, theirs)])
    wrong = [run["wrong"] for run in ours + theirs if run["wrong"]]
    return {
        "what": f"CPU per request, {title}",
        "value": f"{median([r['us'] for r in ours]):.2f} us = {ratio:.2f}x {peer} ({median([r['us'] for r in theirs]):.2f} us)",
        "bound": f"{bound:.2f}x {peer}", "ok": ratio <= bound and not wrong, "ratio": ratio, "errors": wrong,
        "hostler_us": [r["us"] for r in ours], "peer_us": [r["us"] for r in theirs],
    }


def edges(rounds: int, quick: bool) -> dict:
    """CPU microseconds per relayed chat request over TLS and HTTP/2, on either side."""
    needs("wrk", "h2load", "nginx", "haproxy")
    found = [edge_round(turn, 1 if quick else 4) for turn in range(rounds)]
    return {"rows": [edge_row(found, load) for load in LOADS],
            "notes": [f"HTTP/2: {H2_CONNECTIONS} connections with {H2_STREAMS} requests at once, 1 with bodies of 1 MB; "
                      f"HTTP/1.1: {CONNECTIONS} connections, {LARGE_CONNECTIONS} with bodies of 1 MB",
                      "hostler checks the key, counts, and logs each request to a file; nginx and HAProxy do nothing of that",
                      "the runtime behind TLS is the mock behind another nginx"]}


# --- figure 18 ---

IDLE = 1000


def open_plain(port: int) -> socket.socket:
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    s.recv(4096)
    return s


def open_tls(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
    s.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    s.recv(4096)
    return s


def idle_kb(process: Process, connect) -> float:
    """KB that each of IDLE connections adds, which have had an answer and wait."""
    first = [connect() for _ in range(20)]
    time.sleep(0.5)
    before = process.rss_kb()
    held = [connect() for _ in range(IDLE)]
    time.sleep(1)
    after = process.rss_kb()
    for s in first + held:
        s.close()
    time.sleep(0.5)
    return (after - before) / IDLE


def idle_round(turn: int) -> dict:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    found = {}
    with Stage() as stage:
        stand = Edges(stage)
        for side in in_turn(["hostler", "nginx"], turn):
            process, ports = stand.sides[side]
            found["plain", side] = idle_kb(process, lambda: open_plain(ports["port"]))
            found["TLS", side] = idle_kb(process, lambda: open_tls(ports["tls_port"], context))
            note(f"round {turn + 1}  {side}: {found['plain', side]:.1f} KB per idle plain connection, {found['TLS', side]:.1f} KB with TLS")
    return found


def idle_connections(rounds: int, quick: bool) -> dict:
    """Resident memory that idle client connections take."""
    del quick
    needs("nginx", "haproxy")
    found = [idle_round(turn) for turn in range(rounds)]
    rows = []
    for kind, bound in (("plain", 2), ("TLS", 24)):
        ours, theirs = (median([one[kind, side] for one in found]) for side in ("hostler", "nginx"))
        rows.append({"what": f"resident memory per idle {kind} connection, {IDLE} open", "value": f"{ours:.1f} KB (nginx {theirs:.1f} KB)",
                     "bound": f"{bound} KB", "ok": ours <= bound})
    return {"rows": rows}
