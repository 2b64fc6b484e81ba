# SPDX-License-Identifier: Apache-2.0
"""Reloading and ending."""

import contextlib
import ctypes
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import (HOSTLER, SANITIZER_REPORT, Program, chat_body, clean_environment, config_of, free_port, model_of,
                     text_of, until)

KEY_A, KEY_B = "sk-aaaa-0123456789", "sk-bbbb-0123456789"


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


# --- reload ---


def test_a_model_is_added_and_removed(gate, mock):
    assert gate.chat(model="new").status == 404
    gate.reload(config_of([model_of(mock), model_of(mock, name="new")], listen="127.0.0.1:0"))
    until(lambda: gate.chat(model="new").status == 200, "the new model is served")
    assert gate.metric("hostler_config_reloads_total", result="ok") == 1
    gate.reload(config_of([model_of(mock, name="new")]))
    until(lambda: gate.chat(model="m").status == 404, "the old model is gone")
    assert [m["id"] for m in gate.get("/v1/models").json()["data"]] == ["new"]


@pytest.mark.parametrize("text, line, problem", [
    ("listen: 127.0.0.1:0\nmodels:\n  - name: x\n    endpoints: [ { url: 'ftp://x' } ]\n", 4, "url"),
    ("listen: 127.0.0.1:0\nmodels: [\n", None, ""),
    ("listen: 127.0.0.1:0\nmodles: []\n", 2, "modles"),
    ("", None, ""),
    ("listen: 0.0.0.0:0\nmodels:\n  - name: x\n    endpoints: [ { url: 'http://127.0.0.1:1' } ]\n", 1, "listen"),
    ("models:\n  - name: x\n    endpoints: [ { url: 'http://127.0.0.1:1', key: '${env.NOT_SET_ANYWHERE}' } ]\n", 3, "key")])
def test_a_bad_file_changes_nothing(gate, text, line, problem):
    lines = gate.reload(text)
    problems = [l for l in lines if l["event"] == "config_problem"]
    assert problems and all(p["level"] == "error" and p["file"] == str(gate.path) for p in problems)
    if line:
        assert any(p["line"] == line and problem in p["setting"] + p["problem"] for p in problems), problems
    assert any(l["event"] == "reload" and "old configuration stays" in l["msg"] for l in lines)
    assert gate.chat().status == 200
    assert gate.metric("hostler_config_reloads_total", result="failed") == 1


def test_a_file_that_vanished(gate):
    gate.path.unlink()
    gate.signal(signal.SIGHUP)
    until(lambda: any(l["event"] == "reload" for l in gate.log()), "it is logged")
    assert gate.chat().status == 200


def test_a_file_that_became_a_pipe(gate):
    """Nobody writes to it: whoever opens it to read waits for ever."""
    gate.path.unlink()
    os.mkfifo(gate.path)
    gate.signal(signal.SIGHUP)
    until(lambda: any("not a regular file" in l.get("problem", "") for l in gate.log()), "it is refused")
    assert gate.metric("hostler_config_reloads_total", result="failed") == 1  # the main thread writes that
    assert gate.chat().status == 200


def test_streams_survive_reloads(gate, mock, start_mock):
    other = start_mock()
    with gate.connect() as conn:
        answer = gate.stream(conn, max_tokens=60, mock={"rate": 100, "tokens": 60})
        conn.event()
        for target in (other, mock, other):
            gate.reload(config_of(target))
        gate.reload(config_of([model_of(other, name="else")]))
        until(lambda: gate.chat(model="m").status == 404, "the model is gone")
        answer.body = conn.stream + b"".join(conn.pieces)
        assert answer.events()[-1] == "[DONE]"
        assert text_of(answer.events()).endswith("t59 ")
    gate.idle()


def test_a_waiting_request_meets_new_capacity(start_gate, mock):
    gate = start_gate([model_of(mock, capacity=1)])
    with gate.connect() as held, gate.connect() as conn:
        gate.stream(held, mock={"stall_after": 1})
        conn.request("POST", "/v1/chat/completions", {"model": "m", "messages": []})
        until(lambda: gate.metric("hostler_queue_length") == 1, "it waits")
        gate.reload(config_of([model_of(mock, capacity=2)]))
        assert conn.response().status == 200
    gate.idle()


def test_keys_change(start_gate, mock):
    gate = start_gate(mock, keys=[{"name": "a", "key": KEY_A}])
    gate.secrets += [KEY_A, KEY_B]
    assert [gate.chat(headers=bearer(k)).status for k in (KEY_A, KEY_B)] == [200, 401]
    gate.reload(config_of(mock, keys=[{"name": "b", "key": KEY_B}]))
    until(lambda: [gate.chat(headers=bearer(k)).status for k in (KEY_A, KEY_B)] == [401, 200], "the keys changed", 2)


def test_keys_from_files_and_environment(processes, mock):
    secret = processes.folder / "secret"
    secret.write_text(KEY_A + "\n")
    keys = [{"name": "a", "key": f"${{file:{secret}}}"}, {"name": "b", "key": "${env.TEST_KEY}"}]
    gate = processes.gate(mock, keys=keys, env={"TEST_KEY": KEY_B})
    gate.secrets += [KEY_A, KEY_B]
    assert [gate.chat(headers=bearer(k)).status for k in (KEY_A, KEY_B)] == [200, 200]
    secret.write_text("sk-cccc-0123456789")
    gate.reload(config_of(mock, keys=keys))
    until(lambda: gate.chat(headers=bearer(KEY_A)).status == 401, "the file is read again", 2)


def test_log_settings_change(gate, mock):
    gate.reload(config_of(mock, log={"requests": False}))
    until(lambda: not logged(gate, gate.chat()), "requests are not logged any more")
    gate.reload(config_of(mock))
    until(lambda: logged(gate, gate.chat()), "they are logged again")


def logged(gate, answer):
    """Whether a request is in the log after the flush that follows it."""
    time.sleep(0.15)
    return gate.exchanges(request_id=answer.get("x-request-id"))


def test_settings_that_need_a_restart_are_named(gate, mock):
    lines = gate.reload(config_of(mock, threads=3))
    assert any("threads" in l.get("msg", "") and l["level"] == "warn" for l in lines)


def test_an_old_name_is_warned_of_once(processes, mock):
    config = config_of(mock)
    config["workers"] = config.pop("threads")
    config = json.dumps(config)
    gate = processes.gate(config)
    warnings = [l for l in gate.log() if l["event"] == "config_warning"]
    assert [(l["level"], l["setting"]) for l in warnings] == [("warn", "workers")] and "threads" in warnings[0]["problem"]
    lines = gate.reload(config)
    assert len([l for l in lines if l["event"] == "config_warning"]) == 1
    assert gate.chat().status == 200


def test_many_reloads_under_load(gate, mock):
    over, statuses = threading.Event(), []

    def load():
        with gate.connect() as conn:
            while not over.is_set():
                conn.request("POST", "/v1/chat/completions", {"model": "m", "messages": [], "max_tokens": 2})
                statuses.append(conn.response().status)
    threads = [threading.Thread(target=load) for _ in range(4)]
    for t in threads:
        t.start()
    for i in range(40):
        gate.reload(config_of([model_of(mock), model_of(mock, name=f"n{i}")]))
    over.set()
    for t in threads:
        t.join()
    assert statuses and set(statuses) == {200}
    gate.idle()


# --- ending ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_gateway_ends(gate, number):
    gate.chat()
    with gate.connect() as idle:
        idle.request("GET", "/livez")
        idle.response()
        gate.signal(number)
        assert idle.at_end()
        assert gate.wait(5) == 0
    assert gate.log()[-1]["event"] == "ended"


def test_draining(gate, mock):
    with gate.connect() as running, gate.connect() as kept:
        answer = gate.stream(running, max_tokens=40, mock={"rate": 40, "tokens": 40})
        running.event()
        kept.send(b"GET /readyz HTTP/1.1\r\n")  # began before the signal
        until(lambda: gate.metric("hostler_client_connections") >= 2, "both are connected")
        gate.signal(signal.SIGTERM)
        until(lambda: any(l["event"] == "draining" for l in gate.log()), "it drains")
        time.sleep(0.2)  # each thread is told by a mail of its own
        kept.send(b"Host: localhost\r\n\r\n")
        ready = kept.response()
        assert (ready.status, ready.json()["reason"], ready.get("connection")) == (503, "shutting down", "close")
        refused = gate.chat()
        assert refused.status == 503 and refused.error()["code"] == "draining" and refused.get("retry-after")
        assert gate.get("/readyz").status == 503
        assert gate.get("/livez").status == 200
        answer.body = running.stream + b"".join(running.pieces)
        assert text_of(answer.events()).endswith("t39 ") and answer.events()[-1] == "[DONE]"
        assert gate.wait(5) == 0


def test_a_waiting_request_is_finished_too(start_gate, mock):
    gate = start_gate([model_of(mock, capacity=1)])
    with gate.connect() as first, gate.connect() as second:
        first.request("POST", "/v1/chat/completions", {"model": "m", "messages": [], "mock": {"ttft_ms": 300}})
        until(lambda: mock.stats()["active"] == 1, "the first runs")
        second.request("POST", "/v1/chat/completions", {"model": "m", "messages": []})
        until(lambda: gate.metric("hostler_queue_length") == 1, "the second waits")
        gate.signal(signal.SIGTERM)
        assert first.response().status == 200
        assert second.response().status == 200
        assert gate.wait(5) == 0


def test_a_slow_reader_gets_the_rest_of_its_answer(start_gate, mock):
    """The exchange has ended, but its last bytes wait here for the client."""
    gate = start_gate(mock, threads=1, limits={"stream_buffer": "16MiB"})
    tokens = 2_000  # 8 MB
    with gate.connect(receive_buffer=4096) as slow:
        gate.stream(slow, headers={"x-request-id": "slow"}, max_tokens=tokens, mock={"tokens": tokens, "pad": 4000})
        until(lambda: gate.exchanges(request_id="slow"), "the runtime's part is done")
        gate.signal(signal.SIGTERM)
        until(lambda: any(l["event"] == "draining" for l in gate.log()), "it drains")
        time.sleep(0.3)
        slow.hurry()
        answer = b"".join(slow.pieces)
        assert answer.endswith(b"data: [DONE]\n\n")
        assert answer.count(b'"content":"t') == tokens
        assert gate.wait(5) == 0


def test_two_do_not_share_a_port(processes, gate, mock):
    second = processes.gate([model_of(mock)], wait=False, listen=f"127.0.0.1:{gate.address}")
    second.expected = {1}
    assert second.wait() == 1
    assert "ddress already in use" in second.errors()
    assert gate.chat().status == 200


def test_threads_follow_the_affinity_mask(processes, mock):
    mask = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mask)})
    try:
        gate = processes.gate(mock, threads="auto")
    finally:
        os.sched_setaffinity(0, mask)
    assert len(os.listdir(f"/proc/{gate.pid}/task")) == 2  # the main thread and one that serves


@pytest.mark.parametrize("abstract", [False, True])
def test_a_service_manager_is_told(processes, mock, abstract):
    name = f"{processes.folder}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind("\0" + name if abstract else name)
        s.settimeout(20)
        gate = processes.gate(mock, env={"NOTIFY_SOCKET": "@" + name if abstract else name})
        assert s.recv(999) == b"READY=1"
        gate.reload(config_of(mock))
        begun, _, time_us = s.recv(999).partition(b"\nMONOTONIC_USEC=")
        assert begun == b"RELOADING=1" and 0 < int(time_us) <= time.monotonic_ns() // 1000
        assert s.recv(999) == b"READY=1"
        gate.signal(signal.SIGTERM)
        assert s.recv(999) == b"STOPPING=1"


def test_a_service_manager_that_is_not_there_is_no_harm(processes, mock):
    gate = processes.gate(mock, env={"NOTIFY_SOCKET": f"{processes.folder}/nobody"})
    assert gate.chat().status == 200
    assert [l["level"] for l in gate.log() if l["event"] == "service_manager"] == ["warn"]


@pytest.mark.parametrize("host", ["localhost", ""])
def test_both_families_of_ip(processes, mock, host):
    if not pathlib.Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    port = free_port()
    gate = processes.gate(mock, listen=f"{host}:{port}", keys=[{"name": "a", "key": KEY_A}])
    for address in ("127.0.0.1", "::1"):
        until(lambda: can_connect(address, port), f"{address} is open")
    with socket.create_connection(("::1", port)) as s:
        s.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY_A.encode() + b"\r\n\r\n")
        assert s.recv(99).startswith(b"HTTP/1.1 200")
    assert gate.pid


def can_connect(host, port):
    try:
        socket.create_connection((host, port)).close()
        return True
    except OSError:
        return False


def test_a_reload_does_not_open_the_door(processes, mock):
    """Without keys only this machine may ask, also when the listeners were opened with keys."""
    gate = processes.gate([model_of(mock)], listen="0.0.0.0:0", keys=[{"name": "k", "key": KEY_A}])
    gate.write(config_of([model_of(mock)], listen="127.0.0.1:0"))
    gate.signal(signal.SIGHUP)
    until(lambda: any(l["event"] == "reload" and l["level"] == "error" for l in gate.log()), "the reload is refused")
    assert gate.chat().status == 401
    assert gate.chat(headers=bearer(KEY_A)).status == 200


def test_the_drain_has_a_limit(start_gate, mock):
    """What has an answer's beginning gets an error event, what has nothing a 503."""
    gate = start_gate([model_of(mock, capacity=2)], timeouts={"drain": "300ms"})
    with gate.connect() as stream, gate.connect() as waiting, gate.connect() as queued:
        gate.stream(stream, headers={"x-request-id": "cut"}, mock={"stall_after": 1})
        waiting.request("POST", "/v1/chat/completions", chat_body(mock={"ttft_ms": 60000}), {"x-request-id": "waiting"})
        until(lambda: mock.stats()["active"] == 2, "both are with the runtime")
        queued.request("POST", "/v1/chat/completions", chat_body(), {"x-request-id": "queued"})
        until(lambda: gate.metric("hostler_queue_length", model="m") == 1, "the third waits")
        began = time.monotonic()
        gate.signal(signal.SIGTERM)
        assert gate.wait(5) == 0
        assert 0.25 < time.monotonic() - began < 3
        assert b'"error"' in b"".join(stream.pieces)
        for conn in (waiting, queued):
            answer = conn.response()
            assert (answer.status, answer.error()["code"], answer.get("connection")) == (503, "draining", "close")
            assert answer.get("retry-after")
        for name in ("cut", "waiting", "queued"):
            assert gate.exchange(request_id=name)["outcome"] == "draining"
    assert any(l["event"] == "drain_timeout" for l in gate.log())
    mock.idle()


@pytest.mark.parametrize("first, second", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)])
def test_a_second_signal_ends_at_once(gate, mock, first, second):
    with gate.connect() as conn:
        gate.stream(conn, mock={"stall_after": 1})
        gate.signal(first)
        until(lambda: any(l["event"] == "draining" for l in gate.log()), "it drains")
        began = time.monotonic()
        gate.signal(second)
        assert gate.wait(5) == 0
        assert time.monotonic() - began < 1
        assert b"shutting down" in b"".join(conn.pieces)
    assert until(lambda: mock.stats()["aborted"] == 1, "the runtime is told")


def test_a_second_signal_ends_a_gateway_whose_thread_hangs(gate):
    """A thread in a debugger stands for one that hangs in the log or in a file system."""
    attach, all_kinds = 16, 0x40000000  # PTRACE_ATTACH, __WALL
    thread = next(int(tid) for tid in os.listdir(f"/proc/{gate.pid}/task") if int(tid) != gate.pid)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.ptrace(attach, thread, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(thread, all_kinds)
    gate.signal(signal.SIGTERM)
    until(lambda: any(l["event"] == "draining" for l in gate.log()), "it drains")
    time.sleep(0.3)
    assert gate.running()
    gate.expected = {1}
    gate.signal(signal.SIGTERM)
    os.waitpid(thread, all_kinds)
    assert gate.wait(5) == 1


def test_a_reload_while_draining_is_ignored(gate, mock):
    with gate.connect() as conn:
        gate.stream(conn, max_tokens=10, mock={"rate": 50, "tokens": 10})
        gate.signal(signal.SIGTERM)
        gate.signal(signal.SIGHUP)
        assert gate.wait(5) == 0


def test_sigpipe_does_no_harm(gate):
    gate.signal(signal.SIGPIPE)
    assert gate.chat().status == 200


def test_kill_9_leaves_nothing_that_blocks_a_restart(processes, mock):
    path = f"{processes.folder}/gate.sock"
    for _ in range(3):
        gate = processes.gate(mock, listen=f"unix:{path}")
        assert gate.chat().status == 200
        gate.kill()


# --- a bare start ---


def test_closed_standard_descriptors_are_nobodys(processes, mock):
    """What a program opens first must not get the log."""
    path = processes.folder / "bare.yaml"
    path.write_text(json.dumps(config_of(mock, listen=f"127.0.0.1:{free_port()}")))
    gate = processes.keep(Program(["bash", "-c", 'exec "$0" serve -c "$1" <&- >&- 2>&-', HOSTLER, path], processes.folder, "bare"))
    gate.address = int(json.loads(path.read_text())["listen"].rpartition(":")[2])

    def answers():
        with contextlib.suppress(OSError):
            return gate.chat().status == 200
    until(answers, "it serves")
    assert [os.readlink(f"/proc/{gate.pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3


# --- starts that fail ---


def test_starts_with_too_few_descriptors_fail_in_order(tmp_path, mock):
    """Whatever cannot be opened: it says so and ends; nothing is taken down that was not there yet."""
    path = tmp_path / "few.yaml"
    path.write_text(f"listen: [127.0.0.1:0, 'unix:{tmp_path}/few.sock']\nthreads: 4\n"
                    f"models: [{{ name: m, endpoints: [{{ url: '{mock.url}' }}] }}]\n")
    for count in range(8, 200):  # libuv itself aborts below
        with open(tmp_path / "err", "w+") as err:
            child = subprocess.Popen([HOSTLER, "serve", "-c", path], stderr=err, env=clean_environment(),
                                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count)))
            text = until(lambda: child.poll() is not None and (tmp_path / "err").read_text()
                         or '"event":"started"' in (tmp_path / "err").read_text() and "started", "it starts or ends")
            if text == "started":
                child.terminate()
                assert child.wait(20) == 0
                break
            assert child.returncode == 1 and not SANITIZER_REPORT.search(text), f"with {count}: {text}"
            assert "could not start: Too many open files" in text or "LeakSanitizer" in text, text
    assert count > 20
