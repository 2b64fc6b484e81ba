# SPDX-License-Identifier: Apache-2.0
"""`hostler chat`: one question, lines of a pipe, and a person at a terminal."""

import json
import os
import re
import signal

import pytest

from harness import Terminal, config_of, model_of, read_request, run_cli, whole


def test_chat(start_gate, start_mock):
    gate = start_gate(start_mock("--echo"))
    done = run_cli("chat", "m", "--url", gate.url, "-m", "what is this?")
    assert (done.returncode, done.stdout.strip()) == (0, "what is this?")
    done = run_cli("chat", "--url", gate.url, "-m", "-", input="from stdin\n")
    assert (done.returncode, done.stdout.strip()) == (0, "from stdin")
    done = run_cli("chat", "nope", "--url", gate.url, "-m", "x")
    assert done.returncode == 1 and "nope" in done.stderr and not done.stdout
    done = run_cli("chat", "m", "--url", "http://127.0.0.1:1", "-m", "x")
    assert done.returncode == 1 and done.stderr


def test_chat_shows_calls_of_tools(start_mock):
    mock = start_mock()
    mock.script({"say": ["I look.", {"call": {"name": "add", "arguments": {"a": 2, "b": 3}}}, {"call": {"name": "now", "arguments": {}}}]})
    done = run_cli("chat", "m", "--url", mock.url.removesuffix("/v1"), "-m", "x")
    assert (done.returncode, done.stdout) == (0, 'I look.\ncall add {"a":2,"b":3}\ncall now {}\n')


def test_chat_on_input_lines(start_gate, start_mock):
    gate = start_gate(start_mock("--echo"))
    done = run_cli("chat", "m", "--url", gate.url, input="first line\nsecond line\n")
    assert done.returncode == 0, done.stderr
    assert "first line" in done.stdout and "second line" in done.stdout


def test_a_very_long_answer_is_whole(start_mock):
    """It is larger than what is kept of any single piece."""
    tokens, pad = 3_000, 8_000
    mock = start_mock("--tokens", tokens, "--pad", pad)
    done = run_cli("chat", "m", "--url", mock.url, "-m", "x")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > tokens * pad
    assert re.findall(r"t\d+ ", done.stdout) == [f"t{i} " for i in range(tokens)]


def test_chat_with_a_broken_stream(start_gate, start_mock):
    gate = start_gate(start_mock("--die-after", 2))
    done = run_cli("chat", "m", "--url", gate.url, "-m", "x")
    assert done.returncode == 1 and done.stdout.startswith("t0 t1") and done.stderr


# --- at a terminal ---


def test_chat_at_a_terminal(start_mock):
    chat = Terminal("chat", "m", "--url", start_mock("--echo").url.removesuffix("/v1"))
    chat.shows("/help lists the commands")
    chat.shows("> ")
    chat.type("what is grünn\x7f?\r")  # a wrong letter, taken back
    chat.shows("\r\nwhat is grün?\r\n")
    chat.shows("tokens/s]")
    chat.shows("> ")
    chat.type("\x1b[A\r")  # the line before
    chat.shows("\r\nwhat is grün?\r\n")
    chat.shows("tokens/s]")
    chat.shows("> ")
    chat.type("one\\\r")
    chat.shows("... ")
    chat.type("two\r")
    chat.shows("\r\none\r\ntwo\r\n")
    chat.shows("tokens/s]")
    chat.shows("> ")  # from here on the editor reads, and not the kernel's lines, which end at 4095 bytes
    chat.type("x" * 6000 + "\r")
    chat.shows("\r\n" + "x" * 6000 + "\r\n")
    chat.shows("tokens/s]")
    chat.shows("> ")
    chat.type("/save\r")
    chat.shows("name a file")
    chat.shows("> ")
    chat.type("\x04")
    assert chat.ends() == 0


PASTE = "\x1b[200~{}\x1b[201~"
FIVE_LINES = ["/one", "  two \\", "drei grün", "four\ttabs", "five"]


def test_a_paste_at_a_terminal(start_mock):
    """It is one message, which Enter sends."""
    mock = start_mock("--echo", "--record", 10)
    chat = Terminal("chat", "m", "--url", mock.url.removesuffix("/v1"))
    for newline in ("\r", "\n", "\r\n"):
        chat.shows("> ")
        chat.type(PASTE.format(newline.join(FIVE_LINES) + "\x1b[31m\x07") + " and\r")
        chat.shows("tokens/s]")
        said = mock.sent()["messages"][-1]["content"]
        assert said == "\n".join(FIVE_LINES) + "[31m and"
    chat.shows("> ")
    chat.type("\x1b[A\r")  # recalled, it is one message still
    chat.shows("tokens/s]")
    assert mock.sent()["messages"][-1]["content"] == said and len(mock.bodies()) == 4
    chat.shows("> ")
    chat.type("before " + PASTE.format("") + PASTE.format("x" * 100_000) + "\r")
    chat.shows("tokens/s]", 60)
    assert mock.sent()["messages"][-1]["content"] == "before " + "x" * 100_000
    chat.shows("> ")
    chat.type("\x1b[200~it never ends\r\x03/help\r")
    chat.shows("names of models.")
    chat.shows("> ")
    chat.type("\x04")
    assert chat.ends() == 0 and len(mock.bodies()) == 5


def test_ctrl_c_at_a_terminal(start_mock):
    chat = Terminal("chat", "m", "--url", start_mock("--rate", 20, "--tokens", 10000).url.removesuffix("/v1"))
    chat.shows("> ")
    chat.type("go\r")
    chat.shows("t3")
    chat.type("\x03")
    chat.shows("cancelled, ")
    chat.shows("> ")
    chat.type("\x03")
    chat.shows("again or /quit leaves")
    chat.shows("> ")
    chat.type("\x03")
    assert chat.ends() == 1  # the last answer was not whole


def test_ctrl_c_on_a_typed_line(start_mock):
    """It clears the line, and what was pressed before does not count any more."""
    chat = Terminal("chat", "m", "--url", start_mock("--echo").url.removesuffix("/v1"))
    for typed, prompt in (("not this", "> "), (" ", "> "), ("and not\\\r", "... ")):
        chat.shows("> ")
        chat.type("\x03")
        chat.shows("again or /quit leaves")
        chat.shows("> ")
        chat.type(typed)
        chat.shows(prompt if prompt == "... " else typed)
        chat.type("\x03")
        chat.shows("^C\r\n> ")
        chat.type("\x03")
        chat.shows("again or /quit leaves")
        chat.shows("> ")
        chat.type("this\r")
        chat.shows("\r\nthis\r\n")
        chat.shows("tokens/s]")
    chat.shows("> ")
    chat.type("\x03\x03")
    assert chat.ends() == 0


def test_typing_while_an_answer_streams(start_mock):
    """It is shown and sent when its turn comes, even in the same write as the question or Ctrl-C."""
    chat = Terminal("chat", "m", "--url", start_mock("--rate", 100, "--tokens", 200).url.removesuffix("/v1"))
    chat.shows("> ")
    chat.type("go\r/sys")
    chat.shows("t3 ")
    chat.type("tem Be brief.\r" + PASTE.format("one\rtwo") + " three\r")
    chat.shows("t198 t199 \r\n")
    chat.shows("> /system Be brief.\r\n")
    chat.shows("system message set")
    chat.shows("one\r\ntwo three\r\n")
    chat.shows("t3 ")
    chat.type("/he\x03lp\r")
    chat.shows("cancelled, ")
    chat.shows("> /help\r\n")
    chat.shows("names of models.")
    chat.shows("> ")
    chat.type("again\r\x03")
    chat.shows("[cancelled")
    chat.shows("> ")
    chat.type("\x04")
    assert chat.ends() == 1  # the last answer was not whole


def test_ctrl_c_before_the_editor_reads(start_mock):
    """What is typed between the prompt and the first read is not lost."""
    chat = Terminal("chat", "m", "--url", start_mock().url.removesuffix("/v1"))
    for i in range(300):
        chat.shows("> ")
        if i % 3 == 2:  # between an answer's end and the prompt
            chat.type("hi\r")
            chat.shows("tokens/s]")
        chat.type("\x03")
        chat.shows("again or /quit leaves", 5)
        chat.shows("> ")
        chat.type("/help\r")
        chat.shows("names of models.", 5)
    chat.shows("> ")
    chat.type("/quit\r")
    assert chat.ends() == 0


def talk(url, typed, state, *flags):
    """A session at a terminal in which each of these is typed and answered."""
    chat = Terminal("chat", "m", "--url", url, *flags, env={"XDG_STATE_HOME": str(state)})
    for text in typed:
        chat.shows("> ")
        chat.type(text + "\r")
        chat.shows("tokens/s]")
    chat.shows("> ")
    chat.type("\x04")
    assert chat.ends() == 0


def test_history_over_sessions(start_mock, tmp_path):
    mock = start_mock("--echo", "--record", 100)
    url, state = mock.url.removesuffix("/v1"), tmp_path / "a" / "state"
    said = lambda: mock.sent()["messages"][-1]["content"]
    talk(url, ["one", PASTE.format("a \\n\rb")], state)
    file = state / "hostler" / "history"
    assert file.read_text() == "one\na \\\\n\\nb\n"
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    file.chmod(0o644)
    talk(url, ["\x1b[A"], state)
    assert said() == "a \\n\nb" and file.stat().st_mode & 0o777 == 0o600
    talk(url, ["\x1b[A\x1b[A"], state)
    assert said() == "one"
    kept = file.read_text()
    talk(url, ["\x1b[Anothing to recall"], state, "--no-history")
    assert said() == "nothing to recall" and file.read_text() == kept


def test_history_has_a_limit(start_mock, tmp_path):
    mock = start_mock("--echo", "--record", 100)
    file = tmp_path / "hostler" / "history"
    file.parent.mkdir()
    file.write_text("".join(f"line {i} {'x' * 1000}\n" for i in range(1100)))
    talk(mock.url.removesuffix("/v1"), ["\x1b[A", PASTE.format("y" * 70_000)], tmp_path)
    lines = file.read_text().splitlines()
    assert mock.bodies()[0][1]["messages"][-1]["content"].startswith("line 1099 ")
    assert 400 < len(lines) < 600 and lines[-1] == lines[-2] and lines[0].startswith("line ") and len(lines[0]) > 1000
    assert [p.name for p in file.parent.iterdir()] == ["history"] and file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("env, words", [({"XDG_STATE_HOME": "/dev/null"}, "/dev/null/hostler/history: "),
                                        ({"XDG_STATE_HOME": "not/absolute", "HOME": ""}, "neither XDG_STATE_HOME nor HOME says where")])
def test_history_that_cannot_be_kept(start_mock, env, words):
    chat = Terminal("chat", "m", "--url", start_mock("--echo").url.removesuffix("/v1"), env=env)
    chat.shows("what you type is not kept: ")
    chat.shows(words)
    chat.shows("> ")
    chat.type("hello\r")
    chat.shows("\r\nhello\r\n")
    chat.shows("> ")
    chat.type("\x04")
    assert chat.ends() == 0


def test_sigterm_gives_the_terminal_back(start_mock):
    url = start_mock("--rate", 20, "--tokens", 10000).url.removesuffix("/v1")
    for typed in ("half a line", "go\r"):
        chat = Terminal("chat", "m", "--url", url)
        chat.shows("> ")
        chat.type(typed)
        chat.shows("t3 " if typed == "go\r" else typed)
        os.kill(chat.pid, signal.SIGTERM)
        assert chat.ends() == -signal.SIGTERM


def test_something_moves_until_the_answer_comes(start_mock):
    chat = Terminal("chat", "m", "--url", start_mock("--ttft-ms", 2000, "--tokens", 2).url.removesuffix("/v1"))
    chat.shows("> ")
    chat.type("go\r")
    for turn in ("|", "/", "-", "\\", "|"):
        chat.shows("\r\x1b[K" + turn)
    chat.shows(" 1 s")
    chat.shows("\r\x1b[Kt0 t1 \r\n")
    chat.shows("[2 tokens, first after ")
    chat.shows("> ")
    chat.type("go\r")
    chat.shows("\r\x1b[K|")
    chat.type("\x03")
    chat.shows("\r\x1b[K\x1b[2m[cancelled]")
    chat.shows("> ")
    chat.type("\x04")
    assert chat.ends() == 1


def test_thoughts_are_dimmed(start_mock):
    mock = start_mock("--record", 9)
    mock.script([{"say": [{"reasoning": "I think."}, "I say."]}] * 2)
    for env, dim, plain in (({}, "\x1b[2m", "\x1b[0m"), ({"NO_COLOR": "1"}, "", "")):
        chat = Terminal("chat", "m", "--url", mock.url.removesuffix("/v1"), env=env)
        chat.shows("> ")
        chat.type("go\r")
        chat.shows(f"go\r\n{dim}I think.{plain}\r\n\r\nI say.\r\n{dim}[")
        chat.shows("tokens/s]" + plain)
        chat.shows("> ")
        chat.type("\x04")
        assert chat.ends() == 0


def test_a_dumb_terminal(start_mock):
    chat = Terminal("chat", "m", "--url", start_mock("--ttft-ms", 500, "--tokens", 2).url.removesuffix("/v1"), env={"TERM": "dumb"})
    for typed in ("go\r", "\x04"):
        while "> " not in chat.shown:
            chat.look()
        assert "\x1b" not in chat.shown
        chat.shows("> ")
        chat.type(typed)
    assert chat.ends() == 0


MARKDOWN = ["#", " Ti", "tle\n- **bo", "ld** and `co", "de`\n``", "`py\nx = 2 ** 3\n", "```\nend\x1b[31m\u009b7m"]


def test_markdown(start_mock):
    mock = start_mock()
    mock.script([{"say": [*MARKDOWN]}] * 4)
    url = mock.url.removesuffix("/v1")
    raw = "".join(MARKDOWN)
    clean = raw.replace("\x1b", "").replace("\u009b", "").replace("\n", "\r\n")
    styled = ("\x1b[1;4mTitle\x1b[0m\r\n\u2022 \x1b[1mbold\x1b[22m and \x1b[36mcode\x1b[39m\r\n"
              "\x1b[2m```py\x1b[22m\x1b[36m\r\nx = 2 ** 3\r\n\x1b[39m\x1b[2m```\x1b[22m\r\nend[31m7m\r\n")
    for argv, env, shown in (([], {}, styled), ([], {"NO_COLOR": "1"}, clean + "\r\n"), (["-m", "x"], {}, styled)):
        chat = Terminal("chat", "m", "--url", url, *argv, env=env)
        if not argv:
            chat.shows("> ")
            chat.type("x\r")
            chat.shows("x\r\n" + shown)
            chat.shows("> ")
            chat.type("\x04")
        else:
            chat.shows(shown)
        assert chat.ends() == 0
    assert run_cli("chat", "m", "--url", url, "-m", "x").stdout == raw + "\n"


def test_retry_and_edit(start_mock, tmp_path):
    mock = start_mock("--echo", "--record", 100)
    said = lambda: [(m["role"], m["content"]) for m in mock.sent()["messages"]]
    one, two, system = ("user", "one"), ("user", "a\n\tb"), ("system", "Be brief.")
    chat = Terminal("chat", "m", "--url", mock.url.removesuffix("/v1"), "--system", "Be brief.")

    def types(text, *shown):
        chat.shows("> ")
        chat.type(text)
        for wanted in shown:
            chat.shows(wanted)

    types("/retry\r", "nothing was asked yet")
    types("/edit\r", "nothing was asked yet")
    types("one\r", "tokens/s]")
    types(PASTE.format("a\n\tb") + "\r", "tokens/s]")
    assert said() == [system, one, ("assistant", "one"), two]
    types("/retry\r", "tokens/s]")
    assert said() == [system, one, ("assistant", "one"), two]
    types("/edit\r", "> a", "b")
    chat.type(" and more\r")
    chat.shows("tokens/s]")
    changed = ("user", "a\n\tb and more")
    assert said() == [system, one, ("assistant", "one"), changed]
    types(f"/save {tmp_path}/talk.json\r", "saved to ")
    saved = json.loads((tmp_path / "talk.json").read_text())
    assert saved["model"] == "m" and [(m["role"], m["content"]) for m in saved["messages"]] == \
        [system, one, ("assistant", "one"), changed, ("assistant", changed[1])]
    mock.knobs(status=500)
    types("three\r", "hostler chat: 500")
    mock.knobs(status=0)
    types("/retry\r", "three\r\n", "tokens/s]")  # what failed, and not the one before
    assert said()[-3:] == [changed, ("assistant", changed[1]), ("user", "three")]
    types("/reset\r", "forgotten")
    types("/retry\r", "nothing was asked yet")
    types("\x04")
    assert chat.ends() == 0
    done = run_cli("chat", "m", "--url", mock.url, input="x\n/edit\n/retry\n")
    assert done.stdout == "x\nx\n" and "only at a terminal" in done.stderr


def test_a_model_that_is_not_there(start_gate, mock):
    gate = start_gate([model_of(mock, name="one"), model_of(mock, name="two")])
    chat = Terminal("chat", "none", "--url", gate.url)
    chat.shows("a model of that name is not listed")
    chat.shows("> ")
    chat.type("/model one\r")
    chat.shows("talking to one")
    chat.shows("> ")
    chat.type("/model three\r")
    chat.shows("there is no model three; talking to one still; there are:")
    chat.shows("  one")
    chat.shows("  two")
    chat.shows("> ")
    gate.reload(config_of([model_of(mock, name="one"), model_of(mock, name="three")]))
    chat.type("/model three\r")
    chat.shows("talking to three")
    chat.shows("> ")
    chat.type("\x04")
    assert chat.ends() == 0


def test_ctrl_c_ends_the_look_for_models(processes):
    asked = []

    def handler(conn):
        """Lists its models once; later it takes the question and never answers."""
        asked.append(read_request(conn))
        if len(asked) == 1:
            conn.sendall(b"".join(whole(b'{"object":"list","data":[{"id":"m"}]}')))
        conn.recv(1)

    url = processes.script(handler)
    chat = Terminal("chat", "m", "--url", url)
    chat.shows("> ")
    for typed in ("/model m\r", "/model\r"):
        chat.type(typed)
        chat.shows("\r\x1b[K|")  # something moves
        chat.type("\x03")
        chat.shows("[cancelled]")
        chat.shows("> ")
    chat.type("\x04")
    assert chat.ends() == 0
    chat = Terminal("chat", "m", "--url", url)
    chat.shows("\r\x1b[K|")
    os.kill(chat.pid, signal.SIGINT)
    chat.shows("cancelled")
    assert chat.ends() == 1
