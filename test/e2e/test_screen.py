# SPDX-License-Identifier: Apache-2.0
"""What a person sees of `hostler chat` and `hostler run`."""

import pytest

from harness import HOSTLER, model_of, until
from screen import Screen
from test_run import Place

LINES = ["first of five", "  - second", "", "fourth is grün", "**fifth**"]
ANSWER = ["first of five", "  • second", "", "fourth is grün", "fifth"]
SPEED = "[* tokens/s]"
HINT = "Ctrl-C again or /quit leaves"


@pytest.fixture(params=["chat", "run"])
def start(request, processes):
    """Starts the command in a terminal, as often as wanted. Its model repeats what it is told."""
    screens = []
    place = Place(processes.folder)
    mock = request.param == "chat" and processes.mock("--echo", "--models", "m")

    def start(width, *flags):
        if mock:
            screen = Screen(processes.folder, "chat", "m", "--url", mock.url.removesuffix("/v1"), *flags, width=width)
        else:
            screen = Screen(processes.folder, "run", place.file("m.gguf"), *flags, width=width, env=place.engine("mode echo"))
        screens.append(screen)
        screen.shows("m*/help lists the commands", ">")
        return screen

    yield start
    for screen in screens:
        screen.stop()


def leave(screen):
    screen.press("C-d")
    until(screen.over, "it has ended")


@pytest.mark.parametrize("width", [80, 140])
def test_a_paste_of_five_lines(start, width):
    screen = start(width)
    screen.paste("\n".join(LINES))
    pasted = ["> " + LINES[0], *LINES[1:]]
    screen.shows(*pasted)
    screen.press("Enter")
    screen.shows(*pasted, *ANSWER, SPEED, ">")
    leave(screen)


@pytest.mark.parametrize("width", [80, 140])
def test_ctrl_c(start, width):
    screen = start(width)
    screen.press("C-c")
    screen.shows("> ^C", HINT, ">")
    screen.type("not this")
    screen.press("C-c")
    screen.shows("> ^C", HINT, "> not this^C", ">")
    screen.press("C-c")
    screen.shows("> ^C", HINT, "> not this^C", "> ^C", HINT, ">")
    screen.press("C-c")
    until(screen.over, "the second one leaves")


def test_help_fits(start):
    """Nothing in it is wider than 80 columns."""
    seen = []
    for width in (80, 140):
        screen = start(width)
        screen.type("/help\r")
        seen.append(screen.shows("*names of models.", ">")[1:])
        leave(screen)
    assert seen[0] == seen[1]


def test_resize(start):
    screen = start(80)
    text = " ".join(f"word{i}" for i in range(17))  # longer than 80, shorter than 140 columns
    screen.type(text)
    screen.shows("m*/help lists the commands", "> " + text[:78].rstrip(), text[78:])
    screen.resize(140)
    screen.shows("m*/help lists the commands", "> " + text)
    assert screen.cursor() == (2 + len(text), 1)
    screen.resize(80)
    screen.shows("> " + text[:78].rstrip(), text[78:])
    assert screen.cursor()[0] == len(text) - 78
    screen.type("!")
    screen.press("C-a")
    screen.type("so ")
    screen.shows("> so " + text[:75].rstrip(), text[75:] + "!")
    screen.press("Enter")
    screen.shows("> so " + text[:75].rstrip(), text[75:] + "!", "so " + text[:77].rstrip(), text[77:] + "!", SPEED, ">")
    leave(screen)


def test_resize_of_a_pasted_text(start):
    """Short lines in it are not joined."""
    screen = start(80)
    text = ["> one", "y" * 100, "", "three"]
    screen.paste("\n".join(text)[2:])
    screen.shows("> one", "y" * 80, "y" * 20, "", "three")
    screen.resize(140)
    screen.shows("m*/help lists the commands", *text)
    screen.resize(90)
    screen.shows("> one", "y" * 90, "y" * 10, "", "three")
    screen.press("C-c", "C-d")
    until(screen.over, "it has ended")


@pytest.mark.parametrize("width", [80, 140])
def test_history_over_two_starts(start, width):
    screen = start(width)
    screen.paste("\n".join(LINES))
    screen.press("Enter")
    screen.shows(SPEED, ">")
    screen.type("/help")
    screen.press("Enter")
    screen.shows("*names of models.", ">")
    leave(screen)
    screen = start(width)
    screen.press("Up")
    screen.shows("> /help")
    screen.press("Up")
    screen.shows("> " + LINES[0], *LINES[1:])
    screen.press("C-c", "C-d")
    until(screen.over, "it has ended")
    screen = start(width, "--no-history")
    screen.press("Up")
    screen.type("nothing")
    screen.shows("> nothing")
    screen.press("C-c", "C-d")
    until(screen.over, "it has ended")


def test_back_to_the_shell(processes):
    """Ctrl-Z while a line is edited, and while an answer comes."""
    mock = processes.mock("--rate", 20, "--tokens", 30)
    (processes.folder / "rc").write_text("PS1='shell: '\n")
    screen = Screen(processes.folder, "--rcfile", processes.folder / "rc", "-i", program="/bin/bash", width=200)
    try:
        screen.shows("shell:")
        screen.type(f"{HOSTLER} chat m --url {mock.url.removesuffix('/v1')}\r")
        screen.shows(">")
        screen.type("half a")
        screen.press("C-z")
        screen.shows("*Stopped*", "shell:")
        screen.type("stty -a | tr ' ' '\\n' | grep -c '^-icanon'; fg\r")  # the shell sets its own while it reads
        screen.shows("0", "*chat*", "> half a")
        screen.type(" line\r")
        screen.shows("t0 t1 *")
        screen.press("C-z")
        screen.shows("*Stopped*", "shell:")
        screen.type("fg\r")
        screen.shows("*t29", SPEED, ">")
        screen.press("C-d")
        screen.shows("shell:")
    finally:
        screen.stop()


def test_tab_completes(processes, mock):
    gate = processes.gate([model_of(mock, name=name) for name in ("llama-1b", "llama-8b", "qwen-grün", *(f"m{i}" for i in range(30)))])
    screen = Screen(processes.folder, "chat", "llama-8b", "--url", gate.url, height=60)
    try:
        screen.shows(">")
        screen.type("/mo\t")
        screen.shows("> /model")
        assert screen.cursor()[0] == len("> /model ")
        screen.type("l\t")
        screen.shows("> /model llama-")
        screen.type("\t")
        screen.shows("> /model llama-", "  llama-1b", "  llama-8b", "> /model llama-")
        screen.type("1\t\r")
        screen.shows("> /model llama-1b", "talking to llama-1b", ">")
        screen.type("/model q\t\r")
        screen.shows("> /model qwen-grün", "talking to qwen-grün", ">")
        screen.type("/model m\t")
        screen.shows("> /model m", *(f"  m{i}" for i in range(20)), "  ... and 10 more", "> /model m")
        screen.press("C-c")
        screen.type("\twhat\t/\t/none\t\r")
        screen.shows("> what//none", "*", "*", ">")
        screen.type("/res\t\r")
        screen.shows("> /reset", "the conversation is forgotten", ">")
        leave(screen)
    finally:
        screen.stop()


def test_a_name_that_would_steer_the_terminal_is_not_offered(processes):
    mock = processes.mock("--models", "safe,bad\u009b31m")
    screen = Screen(processes.folder, "chat", "safe", "--url", mock.url.removesuffix("/v1"))
    try:
        screen.shows(">")
        screen.type("/model b\tx")
        screen.shows("> /model bx")
        screen.press("C-c")
        screen.type("/model s\t")
        screen.shows("> /model safe")
        screen.press("C-c")
        leave(screen)
    finally:
        screen.stop()
