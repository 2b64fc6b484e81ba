# SPDX-License-Identifier: Apache-2.0
"""`hostler init`: runtimes are found, and a first configuration is written that works as it is."""

import os
import re
import socket
import subprocess

import pytest

from harness import ENGINE, HOSTLER, ROOT, Gate, Program, Terminal, free_port, run_cli, until

DEMO = ROOT / "models/demo.gguf"
USUAL = [11434, 8080, 8000, 30000, 1234, 3000, 1337, 5001]


@pytest.fixture
def init(tmp_path):
    def run(*arguments, **more):
        return run_cli("init", "-o", tmp_path / "hostler.yaml", *arguments, **more)
    run.path = tmp_path / "hostler.yaml"
    return run


def usual_port(ports=USUAL):
    for port in ports:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("every usual port is in use here")


def test_a_runtime_on_a_usual_port_is_found_and_served(init, processes, start_mock):
    port = usual_port()
    start_mock("--models", "llama3.2,qwen3", listen=f"127.0.0.1:{port}")
    done = init("--listen", "127.0.0.1:0")
    assert done.returncode == 0, done.stderr
    [line] = [l for l in done.stderr.splitlines() if f"http://127.0.0.1:{port}/v1" in l]
    assert "2 models: llama3.2, qwen3" in line
    assert f"hostler serve -c {init.path}" in done.stderr and "level" not in done.stderr
    assert init.path.stat().st_mode & 0o777 == 0o600
    gate = processes.keep(Gate.__new__(Gate))
    Program.__init__(gate, [HOSTLER, "serve", "-c", init.path], processes.folder, processes.name("gate"))
    gate.secrets, gate.headers = [], {}
    gate.ready()
    until(lambda: {"llama3.2", "qwen3"} <= {m["id"] for m in gate.get("/v1/models").json()["data"]}, "they are offered")
    assert gate.chat(model="qwen3").status == 200


def test_what_is_named_is_written(init, start_mock):
    mock = start_mock("--models", "a,b,c,d")
    absent = f"http://127.0.0.1:{free_port()}/v1"
    done = init("--upstream", mock.url, "--upstream", absent, "--key", 'x${y}"z', "--model", os.path.relpath(DEMO),
                "--listen", "127.0.0.1:9999")
    assert done.returncode == 0, done.stderr
    assert "4 models: a, b, c, ..." in done.stderr and "does not answer yet" in done.stderr and "Looking" not in done.stderr
    shown = run_cli("config", "show", "-c", init.path).stdout
    assert mock.url in shown and absent in shown and str(DEMO.resolve()) in shown and "x$" not in shown
    assert run_cli("check", "-c", init.path).returncode == 0
    assert "keys:" not in re.sub(r"#.*", "", init.path.read_text())


def test_beyond_this_machine_there_is_a_key(init):
    first, second = (init("--model", DEMO, "--listen", "0.0.0.0:8080", "--force") and init.path.read_text() for _ in range(2))
    keys = [re.search(r'^    key: "(sk-[0-9a-f]{48})"$', text, re.M)[1] for text in (first, second)]
    assert keys[0] != keys[1]
    done = run_cli("init", "--model", DEMO, "--listen", "0.0.0.0:8080", "-o", "-")
    assert done.returncode == 0 and "key: " in done.stdout and "sk-" not in done.stderr


def test_a_file_is_not_replaced_unasked(init):
    init.path.write_text("mine")
    done = init("--model", DEMO)
    assert done.returncode == 1 and "--force" in done.stderr and init.path.read_text() == "mine"
    assert init("--model", DEMO, "--force").returncode == 0 and "demo" in init.path.read_text()


def test_what_is_no_file_is_not_replaced(init, start_mock):
    """Root could put a file in the place of /dev/null."""
    os.mkfifo(init.path)
    done = init("--upstream", start_mock().url, "--force")
    assert done.returncode == 1 and "is not a file" in done.stderr and init.path.is_fifo()


@pytest.mark.parametrize("arguments, code, told", [
    (["--upstream", "gopher://x"], 2, "--upstream gopher://x: "),
    (["--model", "/no/such.gguf"], 1, "/no/such.gguf"),
    (["--model", str(DEMO), "--listen", "nowhere"], 2, "'nowhere' is no address"),
    (["--upstream", "http://127.0.0.1:1", "--key", "a b"], 2, "--key: "),
    (["more"], 2, "unexpected argument 'more'"),
])
def test_what_is_wrong_is_told(init, arguments, code, told):
    done = init(*arguments)
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert not init.path.exists()


def next_question(terminal):
    """Whether it is about a runtime, and all that was shown before it."""
    asked = until(lambda: terminal.look() and re.search(r"Where shall clients call|Offer its models\? \[Y/n\]", terminal.shown), "the next question")
    before = terminal.shown
    terminal.shown = before[asked.end():]
    return asked[0].startswith("Offer"), before[:asked.start()]


def test_questions_are_asked_at_a_terminal(init, start_mock):
    port = usual_port()
    start_mock("--models", "llama", listen=f"127.0.0.1:{port}")
    terminal = Terminal("init", "-o", init.path)
    about, shown = next_question(terminal)
    seen = 0
    while about:  # other runtimes may be there as well
        if f"http://127.0.0.1:{port}/v1" in shown:
            assert "1 model: llama" in shown
            terminal.type("maybe\n")
            assert next_question(terminal)[0], "it asks again"
            seen += 1
        terminal.type("y\n" if f":{port}/v1" in shown else "n\n")
        about, shown = next_question(terminal)
    assert seen == 1
    terminal.type("[::1]:9876\n")
    terminal.shows("HOSTLER_URL=http://[::1]:9876 hostler chat")
    assert terminal.ends() == 0
    assert 'listen: "[::1]:9876"' in init.path.read_text() and init.path.read_text().count("/v1") == 1 and f":{port}/v1" in init.path.read_text()


def test_an_address_that_is_none_is_asked_for_again(init):
    terminal = Terminal("init", "-o", init.path, "--model", DEMO)
    terminal.shows("Where shall clients call?")
    terminal.type("nowhere\n")
    terminal.shows("'nowhere' is no address; HOST:PORT or unix:PATH")
    terminal.shows("Where shall clients call?")
    terminal.type(":9876\n")
    terminal.shows("HOSTLER_URL=http://127.0.0.1:9876 HOSTLER_KEY=KEY hostler chat")  # with what stands in the file
    assert terminal.ends() == 0
    assert 'listen: ":9876"' in init.path.read_text()


def test_who_leaves_writes_nothing(init):
    terminal = Terminal("init", "-o", init.path, "--model", DEMO)
    terminal.shows("Where shall clients call?")
    terminal.type("\x04")
    terminal.shows("nothing is written")
    assert terminal.ends() == 1 and not init.path.exists()


def test_serve_with_nothing_says_what_to_do(tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "HOSTLER_CONFIG"}
    done = subprocess.run([HOSTLER, "serve"], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.returncode == 1
    for way in ("hostler init", "--upstream http://", "--model FILE.gguf", "-c FILE"):
        assert way in done.stderr, done.stderr
    for command in (["check"], ["config", "show"]):
        done = subprocess.run([HOSTLER, *command], capture_output=True, text=True, cwd=tmp_path, env=env)
        assert done.returncode and "`hostler init` writes one" in done.stderr, done.stderr
