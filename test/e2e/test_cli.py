# SPDX-License-Identifier: Apache-2.0
"""The commands besides serve."""

import json
import pathlib
import re
import subprocess

import jsonschema
import pytest
import yaml

from harness import HOSTLER, ROOT, Program, canned, config_of, model_of, run_cli, until, whole

COMMANDS = ["run", "init", "serve", "check", "config", "cert", "models", "chat", "launch", "client", "bench", "mock", "version", "help"]


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


@pytest.mark.parametrize("argv, meant", [(["sreve"], "did you mean 'serve'?"), (["help", "moc"], "did you mean 'mock'?"),
                                         (["cert", "shwo"], "did you mean 'show'?"), (["serve", "--modle", "x"], "did you mean --model?"),
                                         (["mock", "--die-befor-head"], "did you mean --die-before-head?"),
                                         (["bench", "--no-steam"], "did you mean --no-stream?")])
def test_a_slip_is_told_what_it_may_mean(argv, meant):
    done = run_cli(*argv)
    assert done.returncode == 2 and meant in done.stderr, done.stderr


@pytest.mark.parametrize("argv, text", [(["serve", "-c"], "-c needs a value"), (["models", "--json=3"], "--json=3 takes no value"),
                                        (["chat", "-x"], "there is no option -x"), (["chat", "--zzz=1"], "there is no option --zzz\n"),
                                        (["mock", "--kind", "olama"], "--kind cannot be 'olama'; it is one of openai, hostler, vllm, "),
                                        (["mock", "--rate", "-1"], "--rate cannot be '-1'\n"),
                                        (["xyzzy"], "there is no command 'xyzzy'; `hostler help` lists them")])
def test_what_is_wrong_with_an_option_is_said(argv, text):
    done = run_cli(*argv)
    assert done.returncode == 2 and text in done.stderr, done.stderr


def test_all_commands_and_options_can_be_had_as_json():
    """What it says of each command is what that command's --help says."""
    described = json.loads(run_cli("help", "--json").stdout)
    names = [c["name"] for c in described["commands"]]
    assert [n for n in names if " " not in n] == COMMANDS and "cert show" in names
    for command in described["commands"]:
        text = run_cli(*command["name"].split(), "--help").stdout
        told = set(re.findall(r"^  (?:-\w, |    )--([a-z-]+)", text, re.M))
        assert told == {o["name"] for o in command["options"]}, command["name"]
        for row in command["options"] + command["arguments"]:
            assert row["help"].splitlines()[0] in text and all(v in text for v in row.get("values", []))
    bench = next(c for c in described["commands"] if c["name"] == "bench")
    arrival = next(o for o in bench["options"] if o["name"] == "arrival")
    assert arrival["values"] == ["poisson", "constant"]


@pytest.mark.parametrize("word", ["-v", "-V", "--version"])
def test_the_version_has_options(word):
    assert run_cli(word).stdout == run_cli("version").stdout


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


# --- models, bench ---


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


@pytest.mark.parametrize("key", [["--key", "sk-canary-0123456789"], ["--key=sk-canary-0123456789"], ["--ke", "sk-canary-0123456789"]], ids=" ".join)
def test_a_key_is_not_shown_to_who_lists_processes(processes, mock, key):
    argv = [HOSTLER, "serve", "--upstream", mock.url, *key, "--listen", "127.0.0.1:0"]
    gate = processes.keep(Program(argv, processes.folder, "gate"))
    gate.started_line(gate.errors, r'"event":"started"')
    until(lambda: "offers" in gate.errors(), "the runtime has been asked")
    shown = pathlib.Path(f"/proc/{gate.pid}/cmdline").read_bytes().split(b"\0")
    assert shown[1:4] == [b"serve", b"--upstream", mock.url.encode()] and shown[-3:-1] == [b"--listen", b"127.0.0.1:0"]
    assert b"canary" not in b" ".join(shown)


STEERING = "\x1b]0;title\x07\x1b[31m\u009b7m\x7f\r\n"


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("argv", [["models"], ["chat", "-m", "x"], ["chat", "m", "-m", "x"], ["client", "curl"], ["launch", "claude", "--model", "no"],
                                  ["bench", "--requests", 1, "URL"]], ids=lambda argv: " ".join(map(str, argv)))
def test_what_a_runtime_says_does_not_steer_the_terminal(processes, argv, status):
    listed = {"data": [{"id": name + STEERING, "owned_by": STEERING} for name in ("", "m")]}
    said = {200: json.dumps(listed), 400: json.dumps({"error": {"message": STEERING, "code": STEERING}}), 500: STEERING}[status]
    url = canned(processes, whole(said.encode(), status=b"%d Well" % status))
    where = [url] if argv[-1] == "URL" else ["--url", url]
    done = run_cli(*[word for word in argv if word != "URL"], *where)
    shown = done.stdout + done.stderr
    assert shown and not [c for c in shown if (c < " " or "\x7f" <= c < "\xa0") and c not in "\n\t"], shown


@pytest.mark.parametrize("argv", [["models"], ["chat", "-m", "x"], ["client", "curl"], ["bench", "--requests", 1]], ids=lambda argv: argv[0])
def test_address_and_key_of_the_environment(start_gate, mock, argv):
    """What the command line says goes before."""
    key = "sk-k-0123456789"
    gate = start_gate([model_of(mock, name="only-here")], keys=[{"name": "k", "key": key}])
    assert all(name in run_cli(argv[0], "--help").stdout for name in ("$HOSTLER_URL", "HOSTLER_KEY"))
    done = run_cli(*argv, env={"HOSTLER_URL": gate.url, "HOSTLER_KEY": key})
    assert done.returncode == 0 and ("only-here" in done.stdout or mock.stats()["completed"] == 1), done.stderr
    refused = run_cli(*argv, "--key", "wrong", env={"HOSTLER_URL": gate.url, "HOSTLER_KEY": key})
    assert refused.returncode == 1 and "401" in refused.stderr
    elsewhere = ["http://127.0.0.1:1"] if argv[0] == "bench" else ["--url", "http://127.0.0.1:1"]
    nowhere = run_cli(*argv, *elsewhere, env={"HOSTLER_URL": gate.url, "HOSTLER_KEY": key})
    assert nowhere.returncode == 1 and "nothing listens at http://127.0.0.1:1" in nowhere.stderr


@pytest.mark.parametrize("argv", [["models"], ["chat", "m", "-m", "x"], ["bench", "http://127.0.0.1:1", "--model", "m"]],
                         ids=lambda argv: argv[0])
def test_a_key_that_would_end_its_header(argv):
    key = "sk-canary\r\nx-injected: 1"
    for done in (run_cli(*argv, "--key", key), run_cli(*argv, env={"HOSTLER_KEY": key})):
        assert done.returncode == 2 and "control character" in done.stderr
        assert "canary" not in done.stderr and not done.stdout


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
