# SPDX-License-Identifier: Apache-2.0
"""What a person sees of the commands that find, write and serve: `init`, `serve`, `run --listen` and `make run`."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from harness import ENGINE, HOSTLER, ROOT, Server, free_port, run_cli, until
from screen import Screen
from test_init import USUAL, usual_port
from test_run import Place

WIDTHS = pytest.mark.parametrize("width", [80, 140])
LOG_LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} ")
# A shell that says how the program ended, and stays; Ctrl-C is the program's.
SHELL = 'cd "$0" || exit; trap : INT; "$@"; echo "ended with $?"; read -r _'


@pytest.fixture
def terminal(processes):
    """Runs a program in a terminal of that width, in a folder of its own."""
    screens = []
    folder = processes.folder / "here"
    folder.mkdir()

    def terminal(width, *argv, **env):
        place = processes.folder / f"tmux{len(screens)}"
        place.mkdir()
        screens.append(Screen(place, "-c", SHELL, folder, *argv, program="/bin/sh", width=width, height=40,
                              env={"XDG_RUNTIME_DIR": str(processes.folder), "HOSTLER_ENGINE": ENGINE, "HOSTLER_LIMITS_CONNECTIONS_MAX": "100",
                                   "TERM": "screen", **env}))
        return screens[-1]

    terminal.folder = folder
    yield terminal
    for screen in screens:
        screen.stop()


def arguments_of(process):
    """None of one that has ended, whether or not somebody has looked at how."""
    try:
        return (process / "cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def at(port):
    server = Server()
    server.address = port
    return server


def has(screen, *wanted):
    """Waits for these rows, in this order, wherever they are; a * stands for anything."""
    pattern = re.compile("^" + r"$.*?^".join(".*".join(map(re.escape, row.split("*"))) for row in wanted) + "$", re.M | re.S)
    try:
        until(lambda: pattern.search("\n".join(screen.rows())), "")
    except AssertionError:
        raise AssertionError("\n".join(["missing:", *wanted, "in:", *screen.rows()])) from None


def is_clean(screen):
    """Nothing but text; and all of it fits, but for lines of a log."""
    shown = "\n".join(screen.rows())
    assert not re.search(r"[^\n\x20-\x7e]|\[[0-9;?]+[a-zA-Z]|\(null\)|%[sdu]|\\x", shown), shown
    assert [line for line in screen.wide() if not LOG_LINE.match(line)] == []


# --- init ---


@WIDTHS
def test_from_init_to_an_answer(terminal, start_mock, width):
    """What each command says to do next is done next."""
    port, listen = usual_port(USUAL[::-1]), free_port()  # test_init takes the first
    start_mock("--models", "llama3.2,qwen3", "--echo", listen=f"127.0.0.1:{port}")
    init = terminal(width, HOSTLER, "init")
    ours = f"http://127.0.0.1:{port}/v1 "

    def question():
        rows = init.rows()
        return re.fullmatch(r".*\? \[.*\]", rows[-1]) and rows

    while not (rows := until(question, "a question"))[-1].startswith("Where shall clients call? ["):  # others may have runtimes here
        init.type(("y" if ours in rows[-2] else "n") + "\r")
        until(lambda: init.rows() != rows, "it is answered")
    assert rows[0] == "Looking for runtimes on this machine ..."
    assert any(ours in row and row.endswith("2 models: llama3.2, qwen3") for row in rows), rows
    init.type(f"127.0.0.1:{listen}\r")
    init.shows("", "hostler.yaml is written. Next:", "  hostler serve", "and in another terminal:",
               f"  HOSTLER_URL=http://127.0.0.1:{listen} hostler chat", "ended with 0")
    is_clean(init)
    serve = terminal(width, HOSTLER, "serve")
    has(serve, f"* INFO  listening  msg=http://127.0.0.1:{listen}", "* INFO  runtime  msg=*offers 2 models*")
    done = run_cli("chat", "-m", "hello", env={"HOSTLER_URL": f"http://127.0.0.1:{listen}"})
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    serve.press("C-c")
    serve.shows("* INFO  ended  *", "ended with 0")


@WIDTHS
def test_init_where_a_file_is(terminal, width):
    (terminal.folder / "hostler.yaml").write_text("mine")
    init = terminal(width, HOSTLER, "init")
    init.shows("hostler init: hostler.yaml is there already; --force replaces it", "ended with 1")
    is_clean(init)


# --- serve ---


@WIDTHS
def test_serve_with_nothing(terminal, width):
    serve = terminal(width, HOSTLER, "serve")
    serve.shows("*hostler init *", "*hostler serve --upstream http://*", "*hostler serve --model FILE.gguf *", "*hostler serve -c FILE *", "ended with 1")
    is_clean(serve)


@WIDTHS
def test_serve(terminal, start_mock, width):
    mock, port = start_mock("--models", "llama"), free_port()
    serve = terminal(width, HOSTLER, "serve", "--upstream", mock.url, "--listen", f"127.0.0.1:{port}")
    has(serve, f"* INFO  listening  msg=http://127.0.0.1:{port}", "* INFO  started  * models=0 runtimes=1 *", "* INFO  runtime  msg=*offers 1 model*")
    assert serve.wide() == [] and all(LOG_LINE.match(row) for row in serve.rows())
    assert at(port).chat(model="llama").status == 200
    has(serve, "* INFO  exchange  route=chat status=200 outcome=ok model=llama *")
    is_clean(serve)
    assert all(re.match(r"\S*\x1b\[32m INFO ", row) for row in serve.coloured() if " INFO " in row)
    serve.press("C-c")
    has(serve, "^C* INFO  draining  *", "* INFO  ended  *", "ended with 0")


def test_serve_without_colours(terminal, start_mock):
    port = free_port()
    serve = terminal(80, HOSTLER, "serve", "--upstream", start_mock().url, "--listen", f"127.0.0.1:{port}", NO_COLOR="1")
    has(serve, f"* INFO  listening  msg=http://127.0.0.1:{port}")
    assert "\x1b" not in "".join(serve.coloured())


def test_serve_ends_with_its_terminal(terminal, start_mock):
    port = free_port()
    serve = terminal(80, HOSTLER, "serve", "--upstream", start_mock().url, "--listen", f"127.0.0.1:{port}", HOSTLER_LOG_FORMAT="text")
    has(serve, f"* INFO  listening  msg=http://127.0.0.1:{port}")
    [pid] = [int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit() and arguments_of(p)[:2] == [str(HOSTLER), "serve"] and f"127.0.0.1:{port}" in arguments_of(p)]
    os.kill(pid, signal.SIGHUP)  # from elsewhere: a reload
    has(serve, "* WARN  reload  *")
    serve.stop()
    until(lambda: not arguments_of(pathlib.Path(f"/proc/{pid}")), "it ends")


@WIDTHS
def test_serve_a_broken_configuration(terminal, width):
    (terminal.folder / "hostler.yaml").write_text("listen: 127.0.0.1:0\nmodel: []\n")
    serve = terminal(width, HOSTLER, "serve")
    serve.shows("hostler.yaml:2: model: unknown setting; did you mean \"models\"?", "ended with 1")
    is_clean(serve)


# --- a model and what to try with it ---


def what_to_try(screen):
    """The commands shown, each as one text."""
    rows = screen.rows()
    start = next(i for i, row in enumerate(rows) if row.endswith("Try:"))
    return [block.strip() for block in "\n".join(rows[start + 1:]).split("\n\n") if block.startswith(" ") or block.startswith("\n ")]


def tried(screen, url, model):
    """Each of them works."""
    curl, chat = what_to_try(screen)[:2]
    done = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, timeout=20)
    answer = json.loads(done.stdout)
    assert answer["model"] == model and answer["choices"][0]["message"]["content"], answer
    assert chat.endswith(f"hostler chat --url {url}"), chat
    assert run_cli(*chat.split()[1:], "-m", "hello").returncode == 0


@WIDTHS
def test_run_at_an_address(terminal, processes, width):
    place, port = Place(processes.folder), free_port()
    run = terminal(width, HOSTLER, "run", place.file("tiny.gguf"), "--listen", f"127.0.0.1:{port}", **place.engine("mode echo"))
    url = f"http://127.0.0.1:{port}"
    has(run, f"tiny ready on {url}; Ctrl-C stops it. Try:", f"  * chat --url {url}")
    assert "Loading" not in "".join(run.rows())  # what moved is gone
    tried(run, url, "tiny")
    run.press("C-c")
    run.shows("^C", "ended with 0")
    assert [line for line in run.wide() if HOSTLER not in line] == []


@WIDTHS
def test_make_run(terminal, width):
    """On what is built already; the demo model answers."""
    port = free_port()
    make = terminal(width, "make", "--no-print-directory", "-C", ROOT, "-o", "all", "run", HOSTLER_LISTEN=f"127.0.0.1:{port}")
    url = f"http://127.0.0.1:{port}"
    has(make, f"Hostler is ready on {url}. Ctrl-C drains and stops it. Try:", f"  build/hostler chat --url {url}")
    tried(make, url, "demo")
    has(make, "* INFO  exchange  route=chat *")
    # It has asked itself whether it is ready, and does not tell of that.
    rows = make.rows()
    assert not re.search("readyz|livez|route=models", "".join(rows).split("exchange  route=chat")[0]), rows
    is_clean(make)
    second = terminal(width, "make", "--no-print-directory", "-C", ROOT, "-o", "all", "run", HOSTLER_LISTEN=f"127.0.0.1:{port}")
    has(second, f"run: {url} is taken; stop what answers there, or choose:", "  HOSTLER_LISTEN=127.0.0.1:* make run")
    assert second.wide() == []
    make.press("C-c")
    has(make, "* INFO  ended  *", "ended with *")
