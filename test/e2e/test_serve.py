# SPDX-License-Identifier: Apache-2.0
"""`hostler serve` without a configuration file: model files and runtimes of the command line."""

import os
import signal

import pytest

from harness import ENGINE, HOSTLER, ROOT, Gate, Program, chat_body, run_cli, until

DEMO = ROOT / "models/demo.gguf"


class Plain(Gate):
    """A gateway on what its command line says."""

    def __init__(self, folder, name, *arguments):
        Program.__init__(self, [HOSTLER, "serve", "--listen", "127.0.0.1:0", *arguments], folder, name,
                         {"HOSTLER_ENGINE": ENGINE, "XDG_RUNTIME_DIR": str(folder)})
        self.secrets = []
        self.headers = {}


@pytest.fixture
def serve(processes):
    return lambda *arguments: processes.keep(Plain(processes.folder, processes.name("plain"), *arguments)).ready()


def names_of(gate):
    return [model["id"] for model in gate.get("/v1/models").json()["data"]]


def test_a_file_and_a_runtime_together(serve, start_mock):
    mock = start_mock("--models", "llama,qwen", "--record", 10)
    gate = serve("--model", os.path.relpath(DEMO), "--upstream", mock.url, "--key", "sk-${env.not-a-reference}")
    until(lambda: names_of(gate) == ["demo", "llama", "qwen"], "both are served")
    for model in ("demo", "qwen"):
        answer = gate.post("/v1/chat/completions", chat_body(model=model, max_tokens=4))
        assert answer.status == 200, answer.body
    assert ["authorization", "Bearer sk-${env.not-a-reference}"] in [[k.lower(), v] for k, v in mock.requests()[-1]["headers"]]


def test_there_is_nothing_to_reload(serve, start_mock):
    gate = serve("--upstream", start_mock("--models", "a").url)
    gate.signal(signal.SIGHUP)
    until(lambda: any("there is no file" in line.get("msg", "") for line in gate.log()), "it is told")
    until(lambda: names_of(gate) == ["a"], "it goes on")


def test_an_address_that_is_taken(mock, tmp_path):
    taken = f"127.0.0.1:{mock.address}"
    said = run_cli("serve", "--upstream", mock.url, "--listen", taken)
    assert said.returncode == 1 and f"{taken}: Address already in use" in said.stderr
    assert "--listen HOST:PORT chooses another address" in said.stderr.splitlines()[-1]
    (tmp_path / "hostler.yaml").write_text(f"listen: {taken}\n")
    said = run_cli("serve", "-c", tmp_path / "hostler.yaml")
    assert said.returncode == 1 and "choose another `listen`" in said.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments, complaint", [
    (["--model", "nowhere.gguf"], "nowhere.gguf: No such file"),
    (["--model", ROOT / "README.md"], "is not a GGUF file"),
    (["--model", f"{DEMO},{DEMO}"], '"demo" is a name of the model'),
    (["--upstream", "nowhere"], "--upstream nowhere: is no URL"),
    (["--upstream", "http://a:1", "--key", "a b"], "--key: a key has no blanks"),
    (["--model", "llama3.2"], "a model is the path of a GGUF file here"),
    (["--upstream", "http://a:1", "--listen", "nowhere"], "--listen nowhere: "),
    (["--upstream", "http://a:1", "--listen", "0.0.0.0:1"], "`hostler init --listen 0.0.0.0:1` with the same --model"),
    (["--key", "k", "--model", DEMO], "--key is for the runtime"),
    (["--listen", ":1"], "--listen goes with"),
    (["-c", "x.yaml", "--model", DEMO], "a configuration says all of it"),
])
def test_what_is_wrong_is_told(arguments, complaint):
    said = run_cli("serve", *arguments)
    assert said.returncode in (1, 2)
    assert complaint in said.stderr
