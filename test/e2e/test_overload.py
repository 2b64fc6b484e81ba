# SPDX-License-Identifier: Apache-2.0
"""More than can be done: what is refused is refused at once and in words, probes are answered, and it passes."""

import contextlib
import os
import resource
import subprocess
import time

import harness
from harness import Conn, chat_body, free_port, model_of, until

SPARE = 16  # connections above connections_max that are told so


def refused(answer):
    assert answer.status == 503, answer.raw + answer.body
    assert answer.get("retry-after") == "1" and answer.get("x-should-retry") == "false"
    assert answer.error()["code"] == "overloaded"
    return True


def shed(gate, cause):
    return gate.metric("hostler_requests_shed_total", cause=cause)


# --- connections ---


def test_a_connection_too_many_is_told_so(start_gate, mock):
    gate = start_gate(mock, threads=1, limits={"connections_max": 3})
    conns = [gate.connect() for _ in range(3)]
    for conn in conns:
        conn.request("GET", "/livez")
        assert conn.response().status == 200
    with gate.connect() as extra:
        extra.request("POST", "/v1/chat/completions", chat_body())
        answer = extra.response()
        assert refused(answer) and answer.get("connection") == "close" and extra.at_end()
    assert gate.get("/livez").status == 200  # one too many as well
    assert shed(gate, "connections") == 1
    conns[0].close()
    until(lambda: gate.chat().status == 200, "there is room again")
    for conn in conns[1:]:
        conn.close()


def test_very_many_connections_are_closed(start_gate, mock):
    gate = start_gate(mock, threads=1, limits={"connections_max": 3})
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(gate.connect()) for _ in range(3)]
        for conn in conns:
            conn.request("GET", "/livez")
            assert conn.response().status == 200
        began = time.monotonic()
        silent = [stack.enter_context(gate.connect()) for _ in range(SPARE)]
        for _ in range(5):
            with gate.connect() as extra:
                assert extra.at_end()
        assert all(conn.at_end() for conn in silent)  # they keep the places from others, so not for long
        assert time.monotonic() - began < 10
        assert gate.get("/livez").status == 200
        assert gate.metric("hostler_client_connections_refused_total") == 5
        assert len([l for l in gate.log() if l["event"] == "connections_max"]) == 1


# --- requests ---


def test_requests_max(start_gate, mock):
    gate = start_gate(mock, threads=2, limits={"requests_max": 2})
    with gate.connect() as one, gate.connect() as two:
        for conn in (one, two):
            gate.stream(conn, mock={"stall_after": 1})
        assert refused(gate.chat()) and refused(gate.chat())
        assert gate.get("/livez").status == 200
        assert shed(gate, "requests") == 2
        assert any(l["event"] == "overload" and l["level"] == "warn" for l in gate.log())
    until(lambda: gate.chat().status == 200, "the two have left")


# --- one address ---


def test_an_address_has_limits_of_its_own(start_gate, mock):
    port = free_port()
    gate = start_gate(mock, threads=2, listen=[{"address": "127.0.0.1:0"}, {"address": f"127.0.0.1:{port}", "connections_max": 2, "requests_max": 1, "bodies_total": "8KiB"}])
    with Conn(port) as one, Conn(port) as two:
        gate.stream(one, mock={"stall_after": 1})
        two.request("POST", "/v1/chat/completions", chat_body())
        assert refused(two.response())
        two.request("GET", "/livez")
        assert two.response().status == 200
        with Conn(port) as three:
            three.request("POST", "/v1/chat/completions", chat_body())
            answer = three.response()
            assert refused(answer) and answer.get("connection") == "close"
        assert shed(gate, "requests") == 1 and shed(gate, "connections") == 1
        assert gate.chat().status == 200  # the other address
        one.close()

        def served():
            two.request("POST", "/v1/chat/completions", chat_body())
            return two.response().status == 200
        until(served, "the first one's place is free")
        two.request("POST", "/v1/chat/completions", {**chat_body(), "user": "u" * 10000})
        assert refused(two.response())
        assert gate.post("/v1/chat/completions", {**chat_body(), "user": "u" * 10000}).status == 200


def test_a_refusal_is_in_the_client_s_words(start_gate, mock):
    gate = start_gate(mock, limits={"requests_max": 1})
    with gate.connect() as conn:
        gate.stream(conn, mock={"stall_after": 1})
        answer = gate.post("/v1/messages", {"model": "m", "max_tokens": 9, "messages": []})
        assert answer.status == 503 and answer.json()["error"]["type"] == "overloaded_error"
        answer = gate.post("/api/chat", {"model": "m", "messages": []})
        assert answer.status == 503 and isinstance(answer.json()["error"], str)


# --- descriptors ---


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_without_descriptors_it_neither_spins_nor_is_mute(start_gate, mock):
    gate = start_gate(mock, threads=1)
    assert gate.chat().status == 200
    before = resource.prlimit(gate.pid, resource.RLIMIT_NOFILE)
    highest = max(int(fd) for fd in os.listdir(f"/proc/{gate.pid}/fd"))
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(gate.connect()) for _ in range(10)]
        until(lambda: gate.metric("hostler_client_connections") > 10, "they are accepted")
        resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, (highest + 1, before[1]))
        waiting = [stack.enter_context(gate.connect()) for _ in range(60)]
        began, used = time.monotonic(), cpu_seconds(gate.pid)
        assert gate.get("/livez").status == 200  # behind those who wait and say nothing
        assert time.monotonic() - began < 10
        time.sleep(1)
        assert cpu_seconds(gate.pid) - used < 0.5 * (time.monotonic() - began)
        assert gate.metric("hostler_accept_pauses_total") > 0
        for conn in conns:  # those that were there go on
            conn.request("GET", "/livez")
            assert conn.response().status == 200
        resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, before)
        began = time.monotonic()
        until(lambda: gate.chat().status == 200, "it serves again")
        assert time.monotonic() - began < 3
        del waiting


# --- its own time ---


def flood(gate, rate, seconds, *options):
    return subprocess.Popen([harness.HOSTLER, "bench", gate.url, "--model", "m", "--no-stream", "--rate", str(rate), "--duration",
                             str(seconds), "--timeout", "2", "--connections", "400", "--json", *options],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_more_than_the_thread_can_do(processes, mock):
    """A flood is shed, what watches the process is answered meanwhile, and when it is over all is as before."""
    sock = f"{processes.folder}/watch.sock"
    gate = processes.gate(mock, threads=1, listen=[f"127.0.0.1:{free_port()}", f"unix:{sock}"], overload={"lag": "2ms"}, wait=False)
    gate.ready()
    load = flood(gate, 20000, 4)
    with contextlib.closing(load.stdout):
        slowest = 0
        while load.poll() is None:
            began = time.monotonic()
            with Conn(sock) as conn:
                conn.request("GET", "/livez")
                assert conn.response().status == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)
        assert load.stdout.read().startswith(b"{")
    assert slowest < 2
    assert shed(gate, "lag") > 0
    assert gate.metric("hostler_loop_put_off_total") > 0
    until(lambda: gate.chat().status == 200, "it is over")
    for _ in range(50):
        assert gate.chat().status == 200
    gate.idle()


def test_it_can_be_turned_off(start_gate, mock):
    gate = start_gate(mock, threads=1, overload={"lag": "none"})
    load = flood(gate, 20000, 1)
    with contextlib.closing(load.stdout):
        load.communicate()
    assert shed(gate, "lag") == 0
