# SPDX-License-Identifier: Apache-2.0
"""Runtimes whose models need not be listed: what they list is served, while it is there."""

import concurrent.futures
import json

import pytest

from harness import chat_body, config_of, run_cli, until


def names_of(gate, headers=()):
    return [model["id"] for model in gate.get("/v1/models", headers=headers).json()["data"]]


def offers(gate, *names):
    until(lambda: names_of(gate) == list(names), f"the models are {names}")


def ask(gate, model):
    return gate.post("/v1/chat/completions", chat_body(model=model))


def runtime(mock, **settings):
    return {"url": mock.url, "poll": "1s", **settings}


def lister(processes, *lists):
    """A runtime that shows these lists, one after the other and then the last one: its URL, and what it was asked."""
    asked = []

    def answer(conn):
        request = conn.recv(65536)
        if not request:
            return  # who only looked whether somebody is there
        target = request.split(b" ")[1].decode()
        body = lists[min(asked.count("/v1/models"), len(lists) - 1)] if target == "/v1/models" else b"{}"
        asked.append(target)
        conn.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    return processes.script(answer), asked


def test_listed_models_are_served(start_gate, start_mock):
    mock = start_mock("--models", "llama,qwen,phi", "--record", 10)
    gate = start_gate([], runtimes=[runtime(mock, prefix="lab/", models=["llama", "q*"], key="sk-of-the-runtime")])
    offers(gate, "lab/llama", "lab/qwen")
    assert ask(gate, "lab/qwen").status == 200
    assert ask(gate, "qwen").status == 404
    assert ask(gate, "lab/phi").status == 404
    assert mock.sent()["model"] == "qwen"
    assert ["authorization", "Bearer sk-of-the-runtime"] in [[k.lower(), v] for k, v in mock.requests()[-1]["headers"]]


def test_a_name_of_two_runtimes_is_shared(start_gate, start_mock):
    one, two = start_mock("--models", "a,b", "--record", 100), start_mock("--models", "b,c", "--record", 100)
    gate = start_gate([], runtimes=[runtime(one), runtime(two)])
    offers(gate, "a", "b", "c")
    for _ in range(40):
        assert ask(gate, "b").status == 200
    for mock in (one, two):
        assert [body["model"] for _, body in mock.bodies()]
    assert ask(gate, "a").status == ask(gate, "c").status == 200


def test_listed_models_have_a_queue(start_gate, start_mock):
    mock = start_mock("--models", "a", "--ttft-ms", 400)
    gate = start_gate([], runtimes=[runtime(mock, capacity=1, queue_max=1)])
    offers(gate, "a")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(gate, "a").status, range(4)))
    assert sorted(answers) == [200, 200, 429, 429]


def test_configured_names_win(start_gate, start_mock):
    listed, configured = start_mock("--models", "a,b,c", "--record", 10), start_mock("--record", 10)
    gate = start_gate([{"name": "a", "aliases": ["b"], "endpoints": [{"url": configured.url}]}], runtimes=[runtime(listed)])
    offers(gate, "a", "b", "c")
    assert ask(gate, "a").status == ask(gate, "b").status == ask(gate, "c").status == 200
    assert [body["model"] for _, body in listed.bodies()] == ["c"]


def test_a_list_changes_and_one_that_fails_changes_nothing(start_gate, start_mock):
    mock = start_mock("--models", "a,b")
    place = mock.url.removeprefix("http://").split("/")[0]
    gate = start_gate([], runtimes=[runtime(mock)])
    offers(gate, "a", "b")
    mock.stop()
    until(lambda: any("the last one stays" in line.get("msg", "") for line in gate.log()), "the failure is told")
    assert names_of(gate) == ["a", "b"]
    start_mock("--models", "b,c", listen=place)
    offers(gate, "b", "c")
    assert ask(gate, "c").status == 200


def test_an_answer_that_is_no_list_changes_nothing(start_gate, processes):
    """A proxy's page, say, with status 200."""
    url, asked = lister(processes, b'{"data": [{"id": "a"}]}', b"<html>busy</html>")
    gate = start_gate([], runtimes=[{"url": url, "poll": "1s", "kind": "openai"}])
    offers(gate, "a")
    until(lambda: len(asked) >= 3, "the list is asked for again")
    assert names_of(gate) == ["a"]
    assert any("the last one stays" in line.get("msg", "") for line in gate.log())


def test_a_kind_that_is_written_stays(start_gate, start_mock):
    """The list tells that it is vLLM, which would be sent messages as they are."""
    mock = start_mock("--models", "a", "--kind", "vllm", "--record", 10)
    gate = start_gate([], runtimes=[runtime(mock, kind="openai")])
    offers(gate, "a")
    assert gate.post("/v1/messages", {"model": "a", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}).status == 200
    assert [path for path, _ in mock.bodies()] == ["/v1/chat/completions"]


def test_what_is_known_is_not_asked_again(start_gate, processes):
    """A runtime that no page tells the kind of: the other pages are asked once by the list, and once by its model."""
    url, asked = lister(processes, b'{"data": [{"id": "a"}]}')
    gate = start_gate([], runtimes=[{"url": url, "poll": "1s"}])
    offers(gate, "a")
    until(lambda: len(asked) - len(set(asked)) * 2 >= 3, "the list is asked for again")
    assert asked[-2:] == ["/v1/models"] * 2
    assert all(asked.count(target) == 2 for target in set(asked) - {"/v1/models"})


def test_a_runtime_may_come_later(start_gate, start_mock):
    mock = start_mock("--models", "a")
    place = mock.url.removeprefix("http://").split("/")[0]
    mock.stop()
    gate = start_gate([], runtimes=[{"url": f"http://{place}/v1", "poll": "1h"}])
    until(lambda: any("shows no list of models yet" in line.get("msg", "") for line in gate.log()), "it is told")
    start_mock("--models", "a", listen=place)
    offers(gate, "a")


def test_a_reload_keeps_what_was_listed(start_gate, start_mock):
    mock = start_mock("--models", "llama,qwen")
    gate = start_gate([], runtimes=[runtime(mock)])
    offers(gate, "llama", "qwen")
    mock.stop()  # so that only what it told before is known
    gate.reload(config_of([], runtimes=[runtime(mock, models=["qwen"], prefix="x/")]))
    assert names_of(gate) == ["x/qwen"]
    gate.reload(config_of([], runtimes=[]))
    offers(gate)


def test_keys_name_models_that_are_not_there_yet(start_gate, start_mock):
    mock = start_mock("--models", "llama,qwen")
    keys = [{"name": "k", "key": "secret-of-the-test", "models": ["qwen"]}]
    gate = start_gate([], runtimes=[runtime(mock)], keys=keys)
    until(lambda: names_of(gate, [("authorization", "Bearer secret-of-the-test")]) == ["qwen"], "the key has its model")


@pytest.mark.parametrize("runtimes, complaint", [
    ([{"name": "x"}], "runtimes[0].url"),
    ([{"url": "nowhere"}], "runtimes[0].url: is no URL"),
    ([{"url": "http://a:1", "models": ["a*b"]}], 'runtimes[0].models[0]: "a*b": a * may only stand at the end'),
    ([{"url": "http://a:1", "models": []}], "runtimes[0].models: is empty"),
    ([{"url": "http://a:1"}, {"url": "http://a:1/v2"}], "runtimes[1]: is called"),
    ([{"url": "http://a:1", "poll": "1ms"}], "runtimes[0].poll"),
])
def test_what_is_wrong_is_told(tmp_path, runtimes, complaint):
    path = tmp_path / "hostler.yaml"
    path.write_text(json.dumps({"models": [], "runtimes": runtimes}))
    said = run_cli("check", "-c", path)
    assert said.returncode == 1
    assert complaint in said.stderr + said.stdout
