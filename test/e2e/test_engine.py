# SPDX-License-Identifier: Apache-2.0
"""Engines that the gateway starts: the real supervisor and processes, on the engine's scripted model."""

import concurrent.futures
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from harness import FAKE_ENGINE, HOSTLER, Server, chat_body, config_of, free_port, model_of, text_of, until


def engine_model(processes, name="m", script="", **settings):
    """A model on the engine, whose scripted model echoes the last message."""
    path = processes.folder / f"{name}.fake"
    path.write_text(f"hostler fake model\n{script}")
    model = {"name": name, "engine": {"file": str(path), **settings}}
    return model


def ask(gate, text="hello there", **fields):
    return gate.chat(messages=[{"role": "user", "content": text}], **fields)


def content(answer):
    assert answer.status == 200, answer.body
    return answer.json()["choices"][0]["message"]["content"]


def the_engine(processes):
    """The only one that runs, on its private socket."""
    engine = Server()
    [engine.address] = [str(p) for p in processes.folder.rglob("*") if p.is_socket()]
    return engine


def engine_pid(gate):
    return until(lambda: gate.children(), "the engine runs")[0]


def alive(pid):
    try:
        return "State:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_first_request_starts_it_and_waits(processes):
    gate = processes.gate([engine_model(processes, script="load_us 300000\n")])
    assert not gate.children()
    assert gate.metric("hostler_engine_state", model="m", state="stopped") == 1
    assert gate.get("/readyz").status == 200  # it would be served
    began = time.monotonic()
    assert content(ask(gate)) == "hello there"
    assert time.monotonic() - began > 0.29
    assert gate.metric("hostler_engine_state", model="m", state="ready") == 1
    assert gate.metric("hostler_engine_starts_total", model="m") == 1
    pid = engine_pid(gate)
    assert content(ask(gate, "again")) == "again"
    assert gate.children() == [pid]


def families(text):
    return re.findall(r"^# TYPE (\S+) ", text, re.M)


def test_every_metric_is_on_the_page_of_its_program(processes, mock):
    """Each row of the table is in one set that its program writes. What either program has is in the gateway's rows."""
    gate = processes.gate([model_of(mock, name="relayed"), engine_model(processes)])
    for model in ("relayed", "m"):
        assert ask(gate, model=model).status == 200
    manual = subprocess.run([HOSTLER, "config", "metrics"], capture_output=True, text=True, check=True).stdout
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.+?) \|$", manual, re.M))
    own = {name for name, meaning in rows.items() if meaning.startswith("Engine: ")}
    common = {f"hostler_{what}" for what in ("build_info", "uptime_seconds", "ready")} | {n for n in rows if n.startswith(("hostler_client_", "process_"))}
    page = families(gate.get("/metrics").body.decode())
    assert sorted(set(page) - own) == sorted(rows.keys() - own)  # the engine's are passed on once they have been read
    engine = the_engine(processes)
    page = families(engine.get("/metrics").body.decode())
    assert sorted(page) == sorted(own | common | {"hostler_request_bodies_refused_total"})


def test_many_first_requests_start_one(processes):
    gate = processes.gate([engine_model(processes, script="load_us 200000\n", slots=4)])
    conns = [gate.connect() for _ in range(12)]
    for i, conn in enumerate(conns):
        conn.request("POST", "/v1/chat/completions", chat_body(messages=[{"role": "user", "content": f"number {i}"}]))
    for i, conn in enumerate(conns):
        assert content(conn.response()) == f"number {i}"
        conn.close()
    assert gate.metric("hostler_engine_starts_total") == 1
    assert len(gate.children()) == 1


def test_at_start(processes):
    gate = processes.gate([engine_model(processes, script="load_us 300000\n", start="at_start")])
    assert gate.metric("hostler_ready") == 0 or gate.metric("hostler_engine_state", state="ready") == 1
    until(lambda: gate.get("/readyz").status == 200, "it is ready")
    assert content(ask(gate)) == "hello there"


def test_streams_and_embeddings(processes):
    gate = processes.gate([engine_model(processes)])
    answer = ask(gate, "grün \U0001f600 done", stream=True, stream_options={"include_usage": True})
    assert text_of(answer.events()) == "grün \U0001f600 done"
    assert answer.events()[-1] == "[DONE]"
    vectors = gate.post("/v1/embeddings", {"model": "m", "input": ["a", "b"]}).json()["data"]
    assert len(vectors) == 2 and len(vectors[0]["embedding"]) == len(vectors[1]["embedding"])


def test_kill_9_is_healed(processes):
    gate = processes.gate([engine_model(processes)])
    assert content(ask(gate)) == "hello there"
    for n in range(2):
        pid = engine_pid(gate)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), "it is dead")
        until(lambda: ask(gate, f"after {n}").status == 200, "it serves again")
        assert engine_pid(gate) != pid
    assert gate.metric("hostler_engine_starts_total", model="m") == 3
    assert gate.get("/livez").status == 200
    gate.idle()


def test_kill_9_within_a_stream(processes):
    gate = processes.gate([engine_model(processes, script="decode_us 20000\n")])
    with gate.connect() as conn:
        answer = gate.stream(conn, messages=[{"role": "user", "content": "x" * 400}])
        for _ in range(3):
            conn.event()
        os.kill(engine_pid(gate), signal.SIGKILL)
        answer.body = conn.stream + b"".join(conn.pieces)
        assert "error" in answer.events()[-1] and "[DONE]" not in answer.events()
    until(lambda: ask(gate).status == 200, "it serves again")
    gate.idle()


def test_a_client_that_leaves_frees_the_slot(processes):
    gate = processes.gate([engine_model(processes, script="decode_us 5000\n", slots=1)])
    conn = gate.connect()
    gate.stream(conn, messages=[{"role": "user", "content": "x" * 3000}])
    conn.event()
    conn.close()
    began = time.monotonic()
    assert content(ask(gate, "next")) == "next"
    assert time.monotonic() - began < 3
    gate.idle()


def test_malformed_models(processes, mock):
    """Each is refused in time, with a reason; what else there is goes on."""
    models = []
    for i, data in enumerate([b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64, b"not a model at all\n" * 100]):
        path = processes.folder / f"bad-{i}.gguf"
        path.write_bytes(data)
        models.append({"name": f"m{i}", "engine": {"file": str(path)}})
    gate = processes.gate([*models, model_of(mock, name="n")])
    began = time.monotonic()
    conns = [gate.connect() for _ in models]
    for conn, model in zip(conns, models):
        conn.request("POST", "/v1/chat/completions", chat_body(model=model["name"]))
    for _ in range(10):
        assert gate.chat(model="n").status == 200
    for conn, model in zip(conns, models):
        answer = conn.response()
        conn.close()
        assert answer.status == 503
        assert answer.error()["type"] == "server_error" and answer.error()["code"] == "no_endpoint"
        assert model["engine"]["file"] in answer.error()["message"]
        assert answer.get("retry-after")
        ready = {m["model"]: m for m in gate.get("/readyz").json()["models"]}[model["name"]]
        assert not ready["ready"] and ready["reason"]
        assert gate.metric("hostler_engine_state", model=model["name"], state="failed") + \
            gate.metric("hostler_engine_state", model=model["name"], state="stopped") == 1
    assert time.monotonic() - began < 5
    assert any(line["event"] == "engine_output" and "bad-3.gguf" in line["line"] for line in gate.log())


def test_the_engines_log_is_part_of_ours(processes):
    gate = processes.gate([engine_model(processes)], log={"level": "debug"})
    assert ask(gate).status == 200
    for event in ("engine_loaded", "engine_answer"):
        until(lambda: any(line["event"] == event and line["model"] == "m" for line in gate.log()), f"its line {event}")
    states = [line["state"] for line in gate.log() if line["event"] == "engine"]
    assert states == ["starting", "ready"]


def test_the_family_of_tool_calls_is_told(processes):
    gate = processes.gate([engine_model(processes)])
    assert ask(gate).status == 200
    until(lambda: gate.get("/v1/models/m").json().get("meta") == {"tool_calls": "hermes"}, "the card says it")
    loaded = until(lambda: [line for line in gate.log() if line["event"] == "engine_loaded"], "the log has it")
    assert loaded[0]["tool_calls"] == "hermes"


def test_the_engines_metrics_are_at_its_socket(processes):
    gate = processes.gate([engine_model(processes)])
    assert ask(gate).status == 200
    told = until(lambda: [line for line in gate.log() if line["event"] == "engine_listening"], "the log has it")
    path = told[0]["msg"].removeprefix("unix:")
    page = subprocess.run(["curl", "-sf", "--unix-socket", path, "http://localhost/metrics"], capture_output=True, text=True, check=True)
    assert "hostler_engine_mask_seconds_count 0" in page.stdout


@pytest.mark.parametrize("change", ["removed", "changed"])
def test_a_reload_lets_an_engines_answers_finish(processes, mock, change):
    gate = processes.gate([engine_model(processes, script="token_us 30000\n"), model_of(mock, name="n")])
    with gate.connect() as running:
        gate.stream(running, messages=[{"role": "user", "content": "x" * 60}], max_tokens=60)
        running.event()
        pid = engine_pid(gate)
        models = [model_of(mock, name="n")]
        if change == "changed":
            models.append(engine_model(processes, script="token_us 30000\n", slots=2, stop_timeout="100ms"))
        gate.reload(config_of(models))
        rest = running.stream + b"".join(running.pieces)
        assert rest.endswith(b"data: [DONE]\n\n") and b"error" not in rest
    until(lambda: not alive(pid), "the old process has gone")
    assert ask(gate).status == (404 if change == "removed" else 200)


def test_a_model_file_that_is_not_there(processes, mock):
    gate = processes.gate([{"name": "m", "engine": {"file": "/nowhere/model.gguf"}}, model_of(mock, name="n")], wait=False)
    until(lambda: '"event":"started"' in gate.errors() or not gate.running(), "it starts, or refuses")
    if not gate.running():
        gate.expected = {1}
        assert "/nowhere/model.gguf" in gate.errors()
        return
    gate.ready()
    assert ask(gate).status == 503
    assert gate.chat(model="n").status == 200


def test_an_engine_that_cannot_be_run(processes, mock):
    gate = processes.gate([engine_model(processes), model_of(mock, name="n")], env={"HOSTLER_ENGINE": "/nowhere/engine"})
    answer = ask(gate)
    assert answer.status == 503 and answer.error()
    assert gate.chat(model="n").status == 200


def test_an_engine_that_fails_while_it_computes(processes):
    gate = processes.gate([engine_model(processes, script="fail 3\n")])
    answer = ask(gate)
    assert answer.status >= 500 and answer.json()["error"]["message"]
    until(lambda: ask(gate).status == 200, "it serves again")
    gate.idle()


def test_loading_that_takes_too_long(processes):
    gate = processes.gate([engine_model(processes, script="load_us 30000000\n", start_timeout="1s", stop_timeout="100ms")])
    began = time.monotonic()
    answer = ask(gate)
    assert answer.status == 503 and time.monotonic() - began < 10
    gate.idle()


def test_idle_stop(processes):
    gate = processes.gate([engine_model(processes, idle_stop="1s")])
    assert content(ask(gate)) == "hello there"
    pid = engine_pid(gate)
    until(lambda: not alive(pid), "it stops", 5)
    until(lambda: gate.metric("hostler_engine_state", model="m", state="stopped") == 1, "it is stopped")
    assert content(ask(gate, "woken")) == "woken"
    assert gate.metric("hostler_engine_starts_total", model="m") == 2


def test_idle_stop_waits_for_streams(processes):
    gate = processes.gate([engine_model(processes, script="decode_us 10000\n", idle_stop="1s")])
    answer = ask(gate, "y" * 150, stream=True)
    assert text_of(answer.events()) == "y" * 150
    assert gate.metric("hostler_engine_starts_total", model="m") == 1


def test_draining_ends_the_engine_after_its_streams(processes):
    gate = processes.gate([engine_model(processes, script="decode_us 10000\n")])
    with gate.connect() as conn:
        answer = gate.stream(conn, messages=[{"role": "user", "content": "z" * 60}])
        conn.event()
        pid = engine_pid(gate)
        gate.signal(signal.SIGTERM)
        answer.body = conn.stream + b"".join(conn.pieces)
        assert answer.events()[-1] == "[DONE]"
        assert gate.wait(10) == 0
    assert not alive(pid)
    assert not [p for p in processes.folder.rglob("*") if p.is_socket()]


def test_a_second_signal_kills_the_engine(processes):
    gate = processes.gate([engine_model(processes, script="load_us 20000000\n", start="at_start")])
    pid = engine_pid(gate)
    gate.signal(signal.SIGTERM)
    gate.signal(signal.SIGTERM)
    assert gate.wait(5) == 0
    until(lambda: not alive(pid), "the engine is gone", 2)


def test_a_killed_gateway_takes_its_engines_along(processes):
    gate = processes.gate([engine_model(processes)])
    assert content(ask(gate)) == "hello there"
    pid = engine_pid(gate)
    gate.kill()
    until(lambda: not alive(pid), "the engine is gone", 5)


def test_reload_restarts_changed_engines_only(processes):
    one, two = engine_model(processes, name="one"), engine_model(processes, name="two")
    gate = processes.gate([one, two])
    for name in ("one", "two"):
        assert content(ask(gate, model=name)) == "hello there"
    before = set(gate.children())
    two["engine"]["slots"] = 2
    gate.reload(config_of([one, two]))
    until(lambda: ask(gate, model="two").status == 200 and len(set(gate.children()) - before) == 1 and len(gate.children()) == 2,
          "one of them is new")
    assert len(set(gate.children()) & before) == 1
    gate.reload(config_of([one]))
    until(lambda: len(gate.children()) == 1, "the model's engine ends with it")
    assert content(ask(gate, model="one")) == "hello there"


def test_a_command_of_ones_own(processes):
    """Any runtime: here the mock, told by its arguments where to listen."""
    models = [{"name": "m", "engine": {"command": [HOSTLER, "mock", "--listen", "unix:${socket}"], "model": "up"}},
              {"name": "n", "engine": {"command": [HOSTLER, "mock", "--listen", "127.0.0.1:${port}"],
                                       "url": f"http://127.0.0.1:{free_port()}"}}]
    gate = processes.gate(models)
    assert gate.chat().json()["model"] == "up"
    assert gate.chat(model="n").json()["model"] == "n"
    assert len(gate.children()) == 2


def test_no_secret_reaches_the_engines_environment(processes):
    gate = processes.gate([engine_model(processes, env={"GIVEN": "yes"})], env={"SOME_SECRET": "canary-91b2", "GGML_VK_VISIBLE_DEVICES": "0"})
    assert content(ask(gate)) == "hello there"
    environment = pathlib.Path(f"/proc/{engine_pid(gate)}/environ").read_text()
    assert "canary-91b2" not in environment and "GIVEN=yes" in environment and "GGML_VK_VISIBLE_DEVICES=0" in environment


def test_a_command_inherits_all_but_what_is_ours(processes):
    program = processes.folder / "runtime.py"
    program.write_text("import http.server, json, os, sys\n"
                       "class Answer(http.server.BaseHTTPRequestHandler):\n"
                       "    def do_GET(self): self.send_response(200); self.send_header('content-length', '0'); self.end_headers()\n"
                       "    def do_POST(self):\n"
                       "        body = json.dumps(dict(os.environ)).encode()\n"
                       "        self.rfile.read(int(self.headers['content-length']))\n"
                       "        self.send_response(200); self.send_header('content-type', 'application/json')\n"
                       "        self.send_header('content-length', str(len(body))); self.end_headers(); self.wfile.write(body)\n"
                       "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Answer).serve_forever()\n")
    kept = {"HF_HOME": "a", "VLLM_LOGGING_LEVEL": "b", "https_proxy": "c", "OWN_INVENTION": "d", "SHADOWED": "e"}
    ours = {"RUNTIMES_KEY": "a-secret-1", "NOTIFY_SOCKET": "@f", "LISTEN_FDS": "0", "HOSTLER_KEY": "a-secret-2"}
    models = [{"name": "m", "engine": {"command": [sys.executable, str(program), "${port}"], "health": "/", "url": f"http://127.0.0.1:{free_port()}",
                                       "env": {"GIVEN": "${env.GIVEN_FROM}", "SHADOWED": "other"}}},
              {"name": "n", "endpoints": [{"url": "http://127.0.0.1:1", "key": "${env.RUNTIMES_KEY}"}]}]
    gate = processes.gate(models, env={**kept, **ours, "GIVEN_FROM": "a-secret-3"})
    got = gate.chat().json()
    assert kept | {"SHADOWED": "other", "GIVEN": "a-secret-3"} == {n: got.get(n) for n in [*kept, "GIVEN"]}
    assert not [n for n in [*ours, "GIVEN_FROM"] if n in got]


# --- chats' templates ---

HELLO = [{"role": "user", "content": "hello <|im_end|>"}]


def prompt(gate, **fields):
    answer = gate.post("/apply-template", {"model": "m", "messages": HELLO, **fields})
    assert answer.status == 200, answer.body
    return answer.json()["prompt"]


def test_a_template_by_setting(processes):
    """A file beside the configuration, a text, one of ours; what clients see of a chat is what the engine makes of it."""
    (processes.folder / "mine.jinja").write_text("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}")
    plain = "<|im_start|>user\nhello <|im_end|><|im_end|>\n<|im_start|>assistant\n"
    for settings, expected in [({}, plain), ({"template": "builtin:chatml"}, plain), ({"template": "mine.jinja"}, "<user>hello <|im_end|>"),
                               ({"template_text": "{{ x }}|{{ messages | length }}"}, "y|1")]:
        gate = processes.gate([engine_model(processes, **settings)])
        assert prompt(gate, chat_template_kwargs={"x": "y"}) == expected


def test_a_bad_template_is_told_at_once(processes):
    """One that is named in the configuration: whoever asks hears where it is wrong, as does the log."""
    gate = processes.gate([engine_model(processes, template_text="a\n{% if %}", start_timeout="5s")])
    answer = ask(gate)
    assert answer.status == 503 and "line 2, column" in answer.error()["message"], answer.body
    until(lambda: "line 2, column" in gate.errors(), "the log says it")


def test_only_a_key_that_may_ask_sees_a_prompt(processes):
    keys = [{"name": "a", "key": "sk-of-those-who-may", "models": ["m"]}, {"name": "b", "key": "sk-of-the-others", "models": ["other"]}]
    gate = processes.gate([engine_model(processes), engine_model(processes, name="other")], keys=keys)
    body = {"model": "m", "messages": HELLO}
    assert gate.post("/apply-template", body).status == 401
    assert gate.post("/apply-template", body, [("authorization", "Bearer sk-of-the-others")]).status == 403
    assert gate.post("/apply-template", body, [("authorization", "Bearer sk-of-those-who-may")]).status == 200


def test_input_tokens_are_counted_as_a_chat_counts_them(processes):
    gate = processes.gate([engine_model(processes)])
    body = {"model": "m", "messages": HELLO}
    counted = gate.post("/v1/chat/completions/input_tokens", body)
    assert counted.status == 200, counted.body
    assert counted.json() == {"input_tokens": gate.post("/v1/chat/completions", body).json()["usage"]["prompt_tokens"]}


def test_another_models_template_is_no_answer(processes):
    gate = processes.gate([engine_model(processes, template_text="{% if %}", start_timeout="5s") | {"fallback": ["b"]},
                           engine_model(processes, name="b")])
    assert ask(gate).status == 200  # by its fallback
    assert gate.post("/apply-template", {"model": "m", "messages": HELLO}).status == 503


def test_thoughts_and_their_setting(processes):
    script = "template thinks\nmode script\ntext <think>hm</think>hello\n"
    for settings, thoughts, text in [({}, "hm", "hello"), ({"reasoning": "off"}, None, "<think>hm</think>hello")]:
        gate = processes.gate([engine_model(processes, script=script, **settings)])
        message = ask(gate).json()["choices"][0]["message"]
        assert message.get("reasoning_content") == thoughts and message["content"] == text


def test_ranks_through_the_gateway(processes):
    gate = processes.gate([engine_model(processes, script="ranks 1\n")])
    for path in ("/v1/rerank", "/rerank", "/v1/reranking"):
        answer = gate.post(path, {"model": "m", "query": "abc", "documents": ["xyz", "abc"], "return_documents": True}).json()
        assert [r["index"] for r in answer["results"]] == [1, 0] and answer["results"][0]["document"]["text"] == "abc"
    scores = gate.post("/v1/score", {"model": "m", "text_1": "abc", "text_2": ["abc", "xyz"]}).json()["data"]
    assert scores[0]["score"] > scores[1]["score"]
    assert ask(gate).status == 400


# --- its command line ---


@pytest.mark.parametrize("option, value", [("--alias", ""), ("--blas", "on"), ("--slots", "0"), ("--threads", "none"), ("--batch", "8"),
                                           ("--kv-type", "q4_0"), ("--inter-token", "1x"), ("--listen", "nowhere"), ("--reasoning", "on"), ("--pooling", "max")])
def test_a_bad_option_is_named(option, value):
    good = {"--model": "fake:mode echo", "--listen": "127.0.0.1:1"}
    line = [part for pair in {**good, option: value}.items() for part in pair]
    run = subprocess.run([FAKE_ENGINE, *line], capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 2
    assert option in run.stderr and len(run.stderr.splitlines()) == 2, run.stderr


def is_healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            return answer.status == 200
    except OSError:
        return False


def test_descriptors_that_are_closed_at_the_start(processes):
    """No socket may take the log's place."""
    port = free_port()
    run = subprocess.Popen(["/bin/sh", "-c", f"exec {FAKE_ENGINE} --model 'fake:mode echo' --listen 127.0.0.1:{port} 0<&- 1>&- 2>&-"])
    try:
        until(lambda: is_healthy(port), "it serves")
        fds = pathlib.Path(f"/proc/{run.pid}/fd")
        assert [os.readlink(fds / str(n)) for n in range(3)] == ["/dev/null"] * 3
    finally:
        run.terminate()
    assert run.wait(20) == 0


def test_an_engine_ends_in_order_beside_a_client_that_says_nothing(tmp_path):
    port = free_port()
    log = tmp_path / "log"
    with open(log, "wb") as err:
        run = subprocess.Popen([FAKE_ENGINE, "--model", "fake:mode echo", "--listen", f"127.0.0.1:{port}"], stderr=err)
    try:
        until(lambda: is_healthy(port), "it serves")
        with socket.create_connection(("127.0.0.1", port)) as idle, socket.create_connection(("127.0.0.1", port)):
            idle.sendall(b"GET /hea")
            time.sleep(0.1)
            run.terminate()
            assert run.wait(20) == 0, log.read_text()
    finally:
        run.kill()
        run.wait()


def test_a_bad_pace_is_named_with_its_field(processes):
    path = processes.folder / "bad.yaml"
    path.write_text(f"models:\n  - name: m\n    engine: {{file: {processes.folder / 'bad.yaml'}, inter_token: fast}}\n")
    run = subprocess.run([HOSTLER, "check", "-c", path], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert 'models[0].engine.inter_token' in run.stdout + run.stderr and "a factor such as 2x" in run.stdout + run.stderr


# --- tenants ---


def test_a_key_does_not_wait_for_the_queue_of_another(processes):
    """Turns of tenants, from the key at the gateway to the slot of the engine."""
    def headers(name):
        return [("authorization", f"Bearer secret-key-{name}"), ("x-hostler-tenant", "0123456789abcdef")]

    keys = [{"name": name, "key": f"secret-key-{name}", "models": ["*"]} for name in ("crowd", "one")]
    crowd = 12
    gate = processes.gate([engine_model(processes, script="decode_us 8000\n", slots=1, capacity=64)], keys=keys)
    gate.headers = dict(headers("one"))
    assert content(ask(gate, "warm", headers=headers("one"))) == "warm"
    done = []

    def request(name, text):
        assert content(ask(gate, text, headers=headers(name))) == text
        done.append(name)

    with concurrent.futures.ThreadPoolExecutor(crowd + 1) as pool:
        asked = [pool.submit(request, "crowd", f"{i:02} of a crowd of answers") for i in range(crowd)]
        until(lambda: gate.metric("hostler_endpoint_inflight", model="m") + len(done) >= crowd, "all are there")
        before = len(done)
        asked.append(pool.submit(request, "one", "another"))
        for future in asked:
            future.result()
    assert done.index("one") <= before + 3 < crowd, (before, done)


def test_the_line_of_an_answer_says_where_its_time_went(processes):
    gate = processes.gate([engine_model(processes, script="decode_us 3000\n", slots=1)], log={"level": "debug"})
    assert content(ask(gate, "some ten tokens")) == "some ten tokens"
    [line] = until(lambda: [line for line in gate.log() if line["event"] == "engine_answer"], "it is told")
    assert line["queue_us"] < 1_000_000
    assert line["prefill_us"] >= 3000 and line["decode_us"] >= 10 * 3000
    assert line["queue_us"] + line["prefill_us"] + line["decode_us"] <= line["total_us"]


def test_a_key_does_not_find_what_was_computed_for_another(processes):
    """Else the time to the first token would tell what others have asked."""
    def cached(name):
        answer = ask(gate, "a question of more than a few tokens", headers=[("authorization", f"Bearer secret-key-{name}")])
        assert answer.status == 200, answer.body
        return answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"]

    keys = [{"name": name, "key": f"secret-key-{name}", "models": ["*"]} for name in ("one", "other")]
    gate = processes.gate([engine_model(processes, slots=2)], keys=keys)
    gate.headers = {"authorization": "Bearer secret-key-one"}
    assert cached("one") == 0
    assert cached("one") > 30
    assert cached("other") == 0


# --- every value that the configuration takes, the engine takes ---


@pytest.mark.parametrize("settings", [{"slots": 1}, {"slots": 128}, {"context": 16}, {"context": "8k"}, {"batch": 32}, {"batch": 8192},
                                      {"threads": 1}, {"threads": 1024}, {"threads": "auto"}, {"inter_token": "auto"}, {"inter_token": "2x"},
                                      {"inter_token": "50ms"}, {"kv_type": "f16"}, {"kv_type": "f32"},
                                      {"kv_type": "q8_0"}, {"blas": "auto"}, {"blas": "off"}, {"template": "builtin:chatml"},
                                      {"template_text": "{{ messages[0].content }}"}, {"pooling": "model"}, {"pooling": "mean"},
                                      {"pooling": "cls"}, {"pooling": "last"}, {"reasoning": "auto"}, {"reasoning": "off"},
                                      {"cache_ram": "auto"}, {"cache_ram": "off"}, {"cache_ram": "1MiB"}, {"cache_ram": "64GiB"}])
def test_the_engine_takes_what_the_configuration_takes(processes, settings):
    gate = processes.gate([engine_model(processes, **settings)])
    assert ask(gate, "a").status in (200, 400)


def test_without_cache_ram_nothing_is_kept_of_what_has_no_slot(processes):
    gate = processes.gate([engine_model(processes, slots=1, cache_ram="off")])
    for text in ("the first of two conversations, which is some sixty tokens long or more than that", "another one"):
        assert content(ask(gate, text)) == text
    engine = the_engine(processes)
    cache = engine.get("/cache").json()
    assert cache["ram_limit_bytes"] == 0 and cache["states"] == []


def test_the_cache_is_shown_pinned_and_dropped_on_the_private_socket(processes):
    gate = processes.gate([engine_model(processes, slots=1, cache_ram="1MiB")])
    for text in ("the first of two conversations, which is some sixty tokens long or more than that", "another one"):
        assert content(ask(gate, text)) == text
    engine = the_engine(processes)
    cache = engine.get("/cache").json()
    assert cache["ram_limit_bytes"] == 1 << 20
    assert [s["in_use"] for s in cache["slots"]] == [False]
    # The second's state may be saved already: the slot was idle.
    first = cache["states"][0]
    assert first["tokens"] > 64 and len(first["blocks"]) == first["tokens"] // cache["block_tokens"]
    assert not first["pinned"]
    assert engine.post(f"/cache/pin/{first['id']}", "").json()["pinned"]
    assert engine.post("/cache/pin/ram-999", "").status == 404
    assert engine.post("/cache/drop", "").json()["dropped"] >= 1
    left = engine.get("/cache").json()
    assert (left["slots"], [s["id"] for s in left["states"]]) == ([], [first["id"]])
    assert engine.post(f"/cache/unpin/{first['id']}", "").json() == {"state": int(first["id"][4:]), "pinned": False}
    assert engine.post(f"/cache/drop/{first['id']}", "").json() == {"dropped": 1}
    assert engine.get("/cache").json()["states"] == []
    assert gate.get("/cache").status == 404
    port = free_port()
    run = subprocess.Popen([FAKE_ENGINE, "--model", "fake:mode echo", "--listen", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: is_healthy(port), "it serves")
        public = Server()
        public.address = port
        assert public.get("/cache").status == 404
        assert public.post("/cache/drop", "").status == 404
    finally:
        run.kill()
        run.wait()
