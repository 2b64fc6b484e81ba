# SPDX-License-Identifier: Apache-2.0
"""The proxies that Hostler is measured against: nginx as it is fastest, nginx and HAProxy with a key check and a JSON access log."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harness import KEY, Process, Stage, Unmeasured, command_line_version, free_port, proxy_cores, wait_for

PLAIN, NGINX, HAPROXY = "nginx", "nginx with key and JSON access log", "HAProxy with key and JSON access log"
LOGGING = (NGINX, HAPROXY)
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"

# Keep-alive on both sides, nothing buffered. What %(log)s and %(check)s say is all that the two nginx differ in.
NGINX_CONF = """
worker_processes 1;
daemon off;
%(user)s
pid %(dir)s/nginx.pid;
error_log %(dir)s/error.log crit;
worker_rlimit_nofile 65536;
events { worker_connections 16384; }
http {
    %(log)s
    client_body_temp_path %(dir)s/body;
    proxy_temp_path %(dir)s/proxy;
    fastcgi_temp_path %(dir)s/fastcgi;
    uwsgi_temp_path %(dir)s/uwsgi;
    scgi_temp_path %(dir)s/scgi;
    keepalive_requests 1000000000;
    upstream runtime {
        server 127.0.0.1:%(upstream)d;
        keepalive 1024;
        keepalive_requests 1000000000;
    }
    server {
        listen 127.0.0.1:%(port)d backlog=4096;
        %(check)s
        location / {
            client_max_body_size 32m;
            proxy_pass http://runtime;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 600s;
        }
    }
}
"""

# Lines leave in blocks of 16 KiB or after 100 ms, as Hostler's do.
NGINX_LOG = """
    map $http_authorization $key_name { default ""; "Bearer %(key)s" bench; }
    log_format line escape=json '{"time":"$time_iso8601","method":"$request_method","uri":"$request_uri","status":$status,'
        '"key":"$key_name","upstream":"$upstream_addr","total_s":$request_time,"await_s":"$upstream_header_time",'
        '"bytes_in":$request_length,"bytes_out":$body_bytes_sent,"peer":"$remote_addr:$remote_port"}';
    access_log %(log)s line buffer=16k flush=100ms;
"""
NGINX_CHECK = 'if ($key_name = "") { return 401; }'

# HAProxy writes each line of its log by itself; standard output is a file.
HAPROXY_CONF = """
global
    nbthread 1
    maxconn 8192
    log stdout len 4096 format raw local0
defaults
    mode http
    log global
    option http-no-delay
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    http-reuse always
frontend clients
    bind 127.0.0.1:%(port)d backlog 4096
    acl known req.hdr(authorization) -m str "Bearer %(key)s"
    http-request set-var(txn.key) str(bench) if known
    http-request deny deny_status 401 unless known
    log-format '{"time":%%Ts.%%ms,"method":"%%HM","uri":"%%[capture.req.uri,json(utf8s)]","status":%%ST,"key":"%%[var(txn.key)]","upstream":"%%s","total_ms":%%Ta,"await_ms":%%Tr,"bytes_in":%%U,"bytes_out":%%B,"peer":"%%ci:%%cp"}'
    default_backend runtime
backend runtime
    server runtime 127.0.0.1:%(upstream)d
"""


def program(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if not found:
        raise Unmeasured(f"{name} is not installed; `scripts/setup --for bench` installs it")
    return found


def version(name: str) -> str:
    """What the program says of itself, or ''."""
    return command_line_version(shutil.which(name, path=PATH) or name, "-v")


def start_nginx(stage: Stage, upstream: int, logging: bool) -> tuple[Process, int, Path]:
    folder, port = stage.dir / f"nginx-{len(stage.processes)}", free_port()
    folder.mkdir()
    log = folder / "access.log"
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF % {
        "dir": folder, "port": port, "upstream": upstream, "user": "user root;" if os.geteuid() == 0 else "",
        "log": NGINX_LOG % {"key": KEY, "log": log} if logging else "access_log off;",
        "check": NGINX_CHECK if logging else ""})
    p = stage.start("nginx", [program("nginx"), "-p", folder, "-c", conf], proxy_cores())
    wait_for(p, port, "/health")
    return p, port, log


def start_haproxy(stage: Stage, upstream: int) -> tuple[Process, int, Path]:
    port = free_port()
    conf = stage.dir / f"haproxy-{port}.cfg"
    conf.write_text(HAPROXY_CONF % {"port": port, "upstream": upstream, "key": KEY})
    p = stage.start("haproxy", [program("haproxy"), "-db", "-f", conf], proxy_cores())
    wait_for(p, port, "/health")
    return p, port, p.log


def start(stage: Stage, name: str, upstream: int) -> tuple[Process, int, Path]:
    """Starts a peer before the runtime at that port: its process, its own port, and its access log if it keeps one."""
    return start_haproxy(stage, upstream) if name == HAPROXY else start_nginx(stage, upstream, name == NGINX)
