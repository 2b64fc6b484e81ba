# SPDX-License-Identifier: Apache-2.0
"""The commands besides serve."""

import json
import re
import subprocess

import jsonschema
import pytest
import yaml

from harness import HOSTLER, ROOT, Terminal, config_of, model_of, run_cli

COMMANDS = ["run", "serve", "check", "config", "cert", "models", "chat", "launch", "client", "bench", "mock", "version", "help"]


@pytest.mark.parametrize("argv", [["help"], ["--help"], ["-h"], *[["help", c] for c in COMMANDS], *[[c, "--help"] for c in COMMANDS]])
def test_help(argv):
    done = run_cli(*argv)
    assert done.returncode == 0, done.stderr
    assert done.stdout and not done.stderr


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["serve", "--nonsense"], ["check", "extra", "words"], ["help", "nonsense"],
                                  ["serve", "-c"], ["bench", "--rate", "x"], ["mock", "--ttft-ms", "-1"], ["config", "nonsense"],
                                  ["chat", "--url"], ["cert"], ["cert", "nonsense"]])
def test_wrong_usage(argv):
    done = run_cli(*argv)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stderr and not done.stdout


def test_version():
    assert run_cli("version").stdout.startswith("hostler ")
    assert json.loads(run_cli("version", "--json").stdout)["version"]


@pytest.mark.parametrize("argv", [["version"], ["help"], ["--help"], ["config", "schema"], ["config", "manual"], ["client"],
                                  ["launch", "--help"]])
def test_output_that_cannot_be_written_is_a_failure(argv):
    with open("/dev/full", "w") as full:
        done = subprocess.run([HOSTLER, *argv], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 1 and "the output" in done.stderr


# --- check and config ---

BAD = """listen: 0.0.0.0:8080
models:
  - name: a
    endpoints:
      - { url: "http://127.0.0.1:1", capacity: -3 }
  - name: a
    endpoints: [ { url: "gopher://x" } ]
  - name: b
timeouts:
  connect: 5 parsecs
nonsense: 1
"""


def test_check_tells_everything(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    done = run_cli("check", "-c", path)
    assert done.returncode == 1
    text = done.stdout + done.stderr
    for line, word in ((5, "capacity"), (6, "name"), (7, "url"), (8, "endpoints"), (10, "connect"), (11, "nonsense")):
        assert any(l.startswith(f"{path}:{line}:") and word in l for l in text.splitlines()), (line, word, text)
    problems = json.loads(run_cli("check", "-c", path, "--json").stdout)["problems"]
    assert {5, 6, 7, 8, 10, 11} <= {p["line"] for p in problems}
    assert all(p["file"] == str(path) and p["setting"] and p["text"] for p in problems)


@pytest.mark.parametrize("text", ["", "[]", "x", "{", "models: &a []\n", "models: *a\n", "a: 1\na: 2\n",
                                  "listen: !!binary x\n", "\x00", "\xff" * 100,
                                  "models:\n" + "- " * 10000, "{" * 5000])
def test_check_of_odd_files(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_bytes(text.encode("latin-1"))
    done = run_cli("check", "-c", path)
    assert done.returncode == 1 and str(path) in done.stdout + done.stderr


def test_check_without_a_file(tmp_path):
    done = run_cli("check", "-c", tmp_path / "none.yaml")
    assert done.returncode == 1 and "none.yaml" in done.stderr + done.stdout


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_examples(example):
    done = run_cli("check", "-c", example, env={"HOSTLER_CI_KEY": "sk-ci-0123456789", "HOSTLER_TEAM_KEY": "sk-team-0123456789",
                                                "UPSTREAM_KEY": "sk-up-0123456789"})
    assert done.returncode == 0, done.stdout + done.stderr
    schema = json.loads(run_cli("config", "schema").stdout)
    jsonschema.validate(yaml.safe_load(example.read_text()), schema)


def test_schema(tmp_path):
    schema = json.loads(run_cli("config", "schema").stdout)
    validator = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    good = config_of([model_of("http://127.0.0.1:1/v1")])
    validator.validate(good)
    for bad in ({**good, "nonsense": 1}, {**good, "threads": 5000}, {**good, "models": [{"name": {}}]},
                {**good, "retry": {"attempts_max": 0}}, {**good, "models": [{**good["models"][0], "policy": "random"}]}):
        assert not validator.is_valid(bad), bad
        path = tmp_path / "bad.yaml"
        path.write_text(yaml.safe_dump(bad))
        assert run_cli("check", "-c", path).returncode == 1, bad


def test_check_warns(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text("workers: 2\nmodels: []\n")
    done = run_cli("check", "-c", path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [f"{path}:1: workers: warning: has a new name: write `threads`",
                                        f"{path}: ok, 0 models, 0 endpoints, 0 keys, 1 warning"]
    verdict = json.loads(run_cli("check", "-c", path, "--json").stdout)
    assert verdict["ok"] and verdict["problems"] == []
    assert [w["setting"] for w in verdict["warnings"]] == ["workers"]
    both = run_cli("check", "-c", path, env={"HOSTLER_THREADS": "2", "HOSTLER_WORKERS": "3"})
    assert both.returncode == 1 and "HOSTLER_WORKERS: is the old name of HOSTLER_THREADS" in both.stdout


def test_schema_of_forms(tmp_path):
    """What `check` takes and refuses beside the common forms, the schema does, too."""
    validator = jsonschema.Draft202012Validator(json.loads(run_cli("config", "schema").stdout))
    engine = {"command": ["x", "${socket}"]}
    for good, config in ((True, {"listen": "127.0.0.1:1"}), (True, {"listen": {"address": "127.0.0.1:1"}}),
                         (True, {"listen": ["127.0.0.1:1", {"address": "127.0.0.1:2"}]}), (False, {"listen": {"port": 1}}),
                         (False, {"listen": {"address": "127.0.0.1:2", "tls": {"certificate": "/etc/passwd", "client": "yes"}}}),
                         (True, {"models": [{"name": "m", "endpoints": [{"url": "https://h", "http2": "on", "tls": {"verify": False}}]}]}),
                         (False, {"models": [{"name": "m", "endpoints": [{"url": "https://h", "http2": "h2c"}]}]}),
                         (True, {"models": [{"name": "m", "engine": engine}]}),
                         (False, {"models": [{"name": "m", "engine": {}}]}),
                         (False, {"models": [{"name": "m", "engine": {**engine, "file": "/dev/null"}}]}),
                         (False, {"models": [{"name": "m", "engine": {**engine, "slots": 2}}]}),
                         (True, {"workers": 2}), (True, {"models": []})):
        assert validator.is_valid(config) == good, config
        path = tmp_path / "c.yaml"
        path.write_text(yaml.safe_dump(config))
        assert (run_cli("check", "-c", path).returncode == 0) == good, config


def test_show_leaves_secrets_out(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config_of([model_of("http://127.0.0.1:1/v1", key="canary-upstream")],
                                             keys=[{"name": "k", "key": "${env.THE_KEY}"}])))
    for flags in ([], ["--json"]):
        done = run_cli("config", "show", "-c", path, *flags, env={"THE_KEY": "canary-client", "HOSTLER_LOG_LEVEL": "debug"})
        assert done.returncode == 0 and "canary" not in done.stdout + done.stderr
        assert "debug" in done.stdout


def test_environment_overrides(processes, mock):
    gate = processes.gate([model_of(mock)], env={"HOSTLER_LISTEN": "127.0.0.1:0", "HOSTLER_LIMITS_BODY_MAX": "1KiB"}, listen="127.0.0.1:1")
    assert gate.chat(x="y" * 2000).status == 413


@pytest.mark.parametrize("text, word", [
    ("models: [{name: m, endpoints: [{url: 'http://127.0.0.1:1'}]}]\nlisten: 0.0.0.0:0\n", "key"), ("listen: [\n", ""),
    ("listen: 127.0.0.1:0\nmodels: [{name: m, endpoints: [{url: 'http://127.0.0.1:1', key: '${file:/none}'}]}]\n", "/none")])
def test_serve_refuses_a_bad_configuration(tmp_path, text, word):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    done = run_cli("serve", "-c", path)
    assert done.returncode == 1
    assert f"{path}:" in done.stderr and word in done.stderr


# --- models, chat, bench ---


def test_models(start_gate, mock):
    gate = start_gate([model_of(mock, name="org/a:1", aliases=["b"])], keys=[{"name": "k", "key": "sk-k-0123456789"}])
    done = run_cli("models", "--url", gate.url, "--key", "sk-k-0123456789")
    assert done.returncode == 0 and {"org/a:1", "b"} <= set(done.stdout.split())
    listed = json.loads(run_cli("models", "--url", gate.url, "--json", env={"HOSTLER_KEY": "sk-k-0123456789"}).stdout)
    assert {m["id"] for m in listed} == {"org/a:1", "b"}
    named = run_cli("models", env={"HOSTLER_URL": gate.url, "HOSTLER_KEY": "sk-k-0123456789"})
    assert named.returncode == 0 and "org/a:1" in named.stdout
    refused = run_cli("models", "--url", gate.url)
    assert refused.returncode == 1 and "key" in refused.stderr.lower() and not refused.stdout


@pytest.mark.parametrize("argv", [["models"], ["chat", "m", "-m", "x"], ["bench", "http://127.0.0.1:1", "--model", "m"]],
                         ids=lambda argv: argv[0])
def test_a_key_that_would_end_its_header(argv):
    key = "sk-canary\r\nx-injected: 1"
    for done in (run_cli(*argv, "--key", key), run_cli(*argv, env={"HOSTLER_KEY": key})):
        assert done.returncode == 2 and "control character" in done.stderr
        assert "canary" not in done.stderr and not done.stdout


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
    chat.shows("searches them.")
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
    chat.shows("searches them.")
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
        chat.shows("searches them.", 5)
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


def test_bench(start_gate, mock):
    gate = start_gate(mock)
    done = run_cli("bench", gate.url, "--model", "m", "--concurrency", 2, "--requests", 20, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert mock.stats()["completed"] >= 20


def test_mock_refuses_unknown_knobs(mock):
    for path, body in (("/mock/knobs", {"tokens": 2, "stall_afer": 3}),
                       ("/v1/chat/completions", {"model": "m", "messages": [], "mock": {"id": "x", "stall_afer": 3}})):
        answer = mock.post(path, body)
        assert answer.status == 400 and "stall_afer" in answer.json()["error"]["message"]
    assert mock.post("/mock/knobs", {"stall_after": 3}).status == 200


def test_output_to_a_closed_pipe():
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {HOSTLER} config manual | head -1"], capture_output=True, text=True, timeout=20)
    assert "Sanitizer" not in done.stderr
