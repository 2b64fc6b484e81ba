# SPDX-License-Identifier: Apache-2.0
"""`hostler run`: model files, and a chat, an answer or an address."""

import os
import pathlib
import re
import signal

import pytest

from harness import ENGINE, FAKE_ENGINE, HOSTLER, ROOT, Program, Terminal, free_port, run_cli, until


class Place:
    """A folder with model files for a scripted engine, and the runtime folder of what runs on them."""

    def __init__(self, folder):
        self.folder, self.runtime = folder, folder / "run"
        self.runtime.mkdir(exist_ok=True)

    def file(self, name="tiny.gguf", content=b"GGUF and more"):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def engine(self, script):
        """The environment in which each file is this fake model."""
        program = self.folder / "engine"
        program.write_text(f"#!/bin/sh\nexec '{FAKE_ENGINE}' \"$@\" --model 'fake:{script}'\n")
        program.chmod(0o755)
        return {"HOSTLER_ENGINE": str(program), "XDG_RUNTIME_DIR": str(self.runtime)}

    def left(self):
        return [p.name for p in self.runtime.iterdir()]


@pytest.fixture
def place(processes):
    return Place(processes.folder)


def children(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def descendants(pid, count=2):
    """The gateway and its engines, once there are so many."""
    def look():
        gateways = children(pid)
        found = gateways + [engine for gateway in gateways for engine in children(gateway)]
        return len(found) >= count and found
    return until(look, "gateway and engine run")


def runs(pid):
    """An orphan may stay as a zombie until whoever got it looks."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_end(pids):
    until(lambda: not any(map(runs, pids)), "all have ended")


def serve(processes, place, *files, script="mode echo", **env):
    """`hostler run FILE... --listen`, once it is ready."""
    program = processes.keep(Program([HOSTLER, "run", *files, "--listen", f"127.0.0.1:{free_port()}"],
                                     processes.folder, processes.name("run"), {**place.engine(script), **env}))
    program.address = int(program.started_line(program.output, r" ready on http://127.0.0.1:(\d+);").group(1))
    return program


# --- a question ---


def test_a_question(place):
    env = place.engine("mode echo;load_us 200000")
    done = run_cli("run", place.file(), "what is this?", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "what is this?\n", "")
    done = run_cli("run", place.file(), env=env, input="from standard input\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "from standard input\n", "")
    assert place.left() == []


def test_a_question_to_a_real_model(place):
    done = run_cli("run", ROOT / "models/demo.gguf", "What is Hostler?", env={"HOSTLER_ENGINE": ENGINE, "XDG_RUNTIME_DIR": str(place.runtime)})
    assert done.returncode == 0 and len(done.stdout) > 20 and not done.stderr


def test_no_question(place):
    done = run_cli("run", place.file(), env=place.engine("mode echo"))
    assert done.returncode == 1 and "the question is empty" in done.stderr


def test_a_failed_answer_shows_why(place):
    done = run_cli("run", place.file(), "hello", env=place.engine("mode echo;fail 2"))
    assert done.returncode == 1 and "hostler run: " in done.stderr
    assert place.left() == []


def test_options_reach_the_engine(place):
    done = run_cli("run", place.file("a b*.gguf"), "hello", "--context", "2k", "--slots", 2, "--threads", 1, "--system", "Be brief.",
                   "--log", place.folder / "log", env=place.engine("mode echo"))
    assert (done.returncode, done.stdout) == (0, "hello\n")
    log = (place.folder / "log").read_text()
    assert "a-b-" in log and re.search(r"\bslots=2\b", log) and re.search(r"\bcontext=2048\b", log), log


# --- what is refused before anything starts ---


@pytest.mark.parametrize("arguments, code, words", [
    ([], 2, "name a model file"),
    (["none.gguf"], 1, "No such file"),
    (["llama3.2"], 1, "a model is the path of a GGUF file here"),
    (["/"], 1, "is a folder"),
    (["/dev/null"], 1, "not a regular file"),
    (["/proc/version"], 1, "not a GGUF file"),
    (["{file}", "none.gguf"], 1, "none.gguf: No such file"),
    (["{file}", "two", "words"], 2, "in quotes"),
    (["{file}", "one", "-m", "two"], 2, "two questions"),
    (["{file}", "{file}"], 2, "would be called tiny"),
    (["{file}", "--name", "a", "--name", "b"], 2, "more names"),
    (["{file}", "--name", "a "], 2, "--name: has a blank at its end"),
    (["{file}", "--slots", "1000"], 2, "--slots: "),
    (["{file}", "--context", "many"], 2, "--context: "),
    (["{file}", "--listen", "nowhere"], 2, "HOST:PORT"),
    (["{file}", "--listen", "0.0.0.0:8080"], 2, "hostler init --model FILE --listen 0.0.0.0:8080"),
    (["{file}", "--listen", "127.0.0.1:0"], 2, "choose a port"),
    (["{file}", "question", "--listen", "127.0.0.1:8080"], 2, "hostler chat"),
    (["{file}", "question", "--log", "/none/log"], 1, "/none/log"),
])
def test_refusals(place, arguments, code, words):
    file = str(place.file())
    done = run_cli("run", *[a.format(file=file) for a in arguments], env=place.engine("load_us 60000000"))
    assert done.returncode == code and words in done.stderr, done.stderr
    assert not done.stdout and place.left() == []


def test_an_address_that_is_taken(place, mock):
    done = run_cli("run", place.file(), "--listen", f"127.0.0.1:{mock.address}", env=place.engine("load_us 60000000"))
    assert done.returncode == 1 and "cannot listen" in done.stderr and place.left() == []


def test_a_file_that_does_not_load(place):
    """The engine's own line is shown."""
    done = run_cli("run", place.file(), "hello", env=place.engine("nonsense 1"))
    assert done.returncode == 1 and not done.stdout
    assert "hostler run: the engine for model tiny failed to start: fake:nonsense 1: " in done.stderr
    assert "see the log" not in done.stderr and place.left() == []


def test_one_of_two_files_does_not_load(place):
    env = place.engine("mode echo")
    program = pathlib.Path(env["HOSTLER_ENGINE"])
    program.write_text(program.read_text().replace("exec", 'case "$*" in *bad.gguf*) kill -9 $$ ;; esac\nexec'))
    done = run_cli("run", place.file(), place.file("bad.gguf"), "hello", env=env)
    assert done.returncode == 1 and "model bad failed to start: killed by signal 9" in done.stderr
    assert place.left() == []


# --- at a terminal ---


def test_a_chat(place):
    terminal = Terminal("run", place.file(), env=place.engine("mode echo;load_us 500000"))
    pids = descendants(terminal.pid)
    terminal.shows("Loading tiny, ")
    terminal.shows(" s (Ctrl-C stops)")
    terminal.shows("tiny, loaded in ")
    terminal.shows("> ")
    terminal.type("hello\r")
    terminal.shows("\r\nhello\r\n")
    terminal.shows("tokens/s]")
    terminal.shows("> ")
    terminal.type("\x04")
    assert terminal.ends() == 0
    all_end(pids)
    assert place.left() == []


def test_several_models_in_a_chat(place):
    terminal = Terminal("run", place.file("a.gguf"), place.file("b.gguf"), "--name", "first", env=place.engine("mode echo"))
    terminal.shows("first, loaded in ")
    terminal.shows("> ")
    terminal.type("/model\r")
    terminal.shows("  first")
    terminal.shows("  b")
    terminal.shows("> ")
    terminal.type("/quit\r")
    assert terminal.ends() == 0 and place.left() == []


def test_ctrl_c_while_loading(place):
    terminal = Terminal("run", place.file(), env=place.engine("load_us 60000000"))
    pids = descendants(terminal.pid)
    terminal.shows("Loading tiny, ")
    terminal.type("\x03")
    terminal.shows("stopped while loading")
    assert terminal.ends() == 1
    all_end(pids)
    assert place.left() == []


def test_ctrl_c_in_a_chat_cancels_the_answer(place):
    terminal = Terminal("run", place.file(), env=place.engine("mode random;decode_us 20000"))
    terminal.shows("> ")
    terminal.type("go\r")
    until(lambda: terminal.look() > 10, "the answer has begun")
    terminal.type("\x03")
    terminal.shows("cancelled, ")
    terminal.shows("> ")
    terminal.type("\x04")
    assert terminal.ends() == 1 and place.left() == []  # the last answer was not whole


def test_sigkill_leaves_no_process(place):
    for script, shown, typed in (("load_us 60000000", "Loading tiny, ", ""), ("mode echo", "> ", ""),
                                 ("mode random;decode_us 20000", "> ", "go on for long\r")):
        terminal = Terminal("run", place.file(), env=place.engine(script))
        pids = descendants(terminal.pid)
        terminal.shows(shown)
        terminal.type(typed)
        until(lambda: terminal.look() >= 2 * len(typed), "the answer has begun")
        os.kill(terminal.pid, signal.SIGKILL)
        assert terminal.ends(whole=False) == -signal.SIGKILL
        all_end(pids)
    # The next start removes the folder that was left.
    assert run_cli("run", place.file(), "hello", env=place.engine("mode echo")).returncode == 0
    assert place.left() == []


# --- at an address ---


def test_listen(processes, place):
    program = serve(processes, place, place.file("a.gguf"), place.file("b.gguf"), HOSTLER_LISTEN="127.0.0.1:1", HOSTLER_MODELS="[]")
    pids = descendants(program.pid, 3)
    assert {m["id"] for m in program.get("/v1/models").json()["data"]} == {"a", "b"}
    for model in ("a", "b"):
        assert program.chat(model=model).json()["choices"][0]["message"]["content"] == "hello"
    program.signal(signal.SIGINT)
    assert program.wait() == 0
    all_end(pids)
    assert place.left() == [] and program.errors() == ""


def test_what_is_said_to_try_works(processes, place):
    program = serve(processes, place, place.file())
    chat = re.search(r"(\S+) chat --url (\S+)\n", program.output())
    assert chat.group(1) == HOSTLER
    done = run_cli("chat", "--url", chat.group(2), "-m", "it works")
    assert (done.returncode, done.stdout) == (0, "it works\n")
    assert f"curl -s http://127.0.0.1:{program.address}/v1/chat/completions" in program.output()


def test_problems_are_shown_as_they_come(processes, place):
    program = serve(processes, place, place.file())
    _, engine = descendants(program.pid)
    os.kill(engine, signal.SIGKILL)
    until(lambda: "killed by signal 9" in program.errors(), "it is shown")
    until(lambda: program.chat(model="tiny").status == 200, "it runs again")
    pids = descendants(program.pid)
    os.kill(pids[0], signal.SIGKILL)
    program.expected = {1}
    assert program.wait() == 1 and "the gateway has ended" in program.errors()
    all_end(pids)
    assert [name for name in place.left() if f"-{program.pid}-" in name] == []
