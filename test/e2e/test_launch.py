# SPDX-License-Identifier: Apache-2.0
"""`hostler launch` with programs that stand in for the clients, and `hostler client`."""

import ast
import json
import os
import pathlib
import signal
import subprocess
import sys
import tomllib

import pytest
import yaml

from harness import CLIENT_KEY, HOSTLER, Program, Terminal, clean_environment, model_of, run_cli, until

LAUNCHED = ["claude", "codex", "opencode", "aider", "llm"]
NAMES = LAUNCHED + ["curl", "openai-python", "openai-node", "anthropic-python", "langchain", "ollama", "open-webui", "continue", "zed"]

# Writes down what it was given, then does what it is told.
FAKE = """#!{python}
import json, os, pathlib, signal, sys, time
folder = os.environ.get("LLM_USER_PATH") or next((os.path.dirname(w) for w in sys.argv if w.endswith("/settings.json")), None)
read = lambda pid: pathlib.Path(f"/proc/{{pid}}/cmdline").read_text()
given = {{"argv": sys.argv[1:], "environment": dict(os.environ), "input": None if os.isatty(0) else sys.stdin.read(), "folder": folder,
         "lines": read(os.getpid()) + read(os.getppid()), "pid": os.getpid(), "group": os.getpgrp() == os.getpgid(os.getppid()),
         "files": {{p.name: (oct(p.stat().st_mode), p.read_text()) for p in pathlib.Path(folder).iterdir()}} if folder else {{}}}}
def say(text):
    print(text, flush=True)
def until_told(number):
    told = []
    signal.signal(number, lambda *_: told.append(1))
    say("ready")
    while not told:
        time.sleep(0.01)
    say("told")
def mess():
    os.makedirs(folder + "/a/b")
    pathlib.Path(folder + "/a/b/logs.db").write_text("x")
    os.symlink("/", folder + "/a/root")
def note():
    with open(os.environ["FAKE_NOTE"] + ".new", "w") as f:
        json.dump(given, f)
    os.rename(os.environ["FAKE_NOTE"] + ".new", os.environ["FAKE_NOTE"])
note()
exec(os.environ.get("FAKE_DOES", ""))
"""


class Place:
    """A PATH whose first folder has the clients, a home, and where launches may put their folders."""

    def __init__(self, folder, gate):
        self.home, self.runtime, self.note, self.gate = folder / "home", folder / "runtime", folder / "note", gate
        bin = folder / "bin"
        for path in (bin, self.home, self.runtime):
            path.mkdir()
        for name in LAUNCHED:
            program = bin / name
            program.write_text(FAKE.format(python=sys.executable))
            program.chmod(0o755)
        self.bin = bin

    def env(self, does="", **more):
        return {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.runtime),
                "HOSTLER_URL": self.gate.url, "HOSTLER_KEY": CLIENT_KEY, "FAKE_NOTE": str(self.note), "FAKE_DOES": does, **more}

    def run(self, *argv, does="", input=None, **more):
        return run_cli("launch", *argv, env=self.env(does, **more), input=input)

    def given(self):
        """What the client was given, once it runs."""
        until(self.note.exists, "the client runs")
        return json.loads(self.note.read_text())

    def left(self):
        return [p.name for p in self.runtime.iterdir()]


@pytest.fixture
def gate(processes, mock):
    """Two models, whose names try quotes, and a key."""
    return processes.gate([model_of(mock, name="org/a:1"), model_of(mock, name='b"\'$x')],
                          keys=[{"name": "k", "key": CLIENT_KEY, "models": ["*"]}])


@pytest.fixture
def place(processes, gate):
    place = Place(processes.folder, gate)
    yield place
    assert place.left() == [] and list(place.home.iterdir()) == []


# --- what each client is given ---


def test_claude(place, gate):
    done = place.run("claude", "--", "-p", "hi", ANTHROPIC_API_KEY="sk-ant", CLAUDE_CODE_USE_BEDROCK="1")
    assert done.returncode == 0, done.stderr
    given = place.given()
    folder = given["folder"]
    assert given["argv"] == ["--settings", f"{folder}/settings.json", "-p", "hi"]
    env = given["environment"]
    want = {"ANTHROPIC_BASE_URL": gate.url, "ANTHROPIC_AUTH_TOKEN": CLIENT_KEY}
    want |= {f"ANTHROPIC_{n}MODEL": "org/a:1" for n in ("", "SMALL_FAST_", "DEFAULT_HAIKU_", "DEFAULT_SONNET_", "DEFAULT_OPUS_")}
    assert {k: env.get(k) for k in want} == want
    assert "ANTHROPIC_API_KEY" not in env and "CLAUDE_CODE_USE_BEDROCK" not in env
    mode, text = given["files"]["settings.json"]
    settings = json.loads(text)["env"]
    assert mode == "0o100600" and want.items() <= settings.items()
    assert settings["ANTHROPIC_API_KEY"] == settings["CLAUDE_CODE_USE_BEDROCK"] == ""
    assert pathlib.Path(folder).parent == place.runtime


def test_codex(place, gate):
    assert place.run("codex", "--", "exec", "--json", "hi").returncode == 0
    given = place.given()
    assert given["argv"] == ["-c", 'model="org/a:1"', "-c", 'model_provider="hostler"', "-c",
                             f'model_providers.hostler={{name="Hostler",base_url="{gate.url}/v1",env_key="HOSTLER_KEY",wire_api="responses"}}',
                             "exec", "--json", "hi"]
    assert given["environment"]["HOSTLER_KEY"] == CLIENT_KEY


def test_opencode(place, gate):
    assert place.run("opencode", "--model", 'b"\'$x').returncode == 0
    env = place.given()["environment"]
    config = json.loads(env["OPENCODE_CONFIG_CONTENT"])
    assert config["model"] == config["small_model"] == 'hostler/b"\'$x'
    provider = config["provider"]["hostler"]
    assert provider["options"] == {"baseURL": f"{gate.url}/v1", "apiKey": "{env:HOSTLER_KEY}"} and list(provider["models"]) == ['b"\'$x']
    assert env["HOSTLER_KEY"] == CLIENT_KEY


def test_aider(place, gate):
    assert place.run("aider", "--", "--message", "hi").returncode == 0
    given = place.given()
    assert given["argv"] == ["--openai-api-base", f"{gate.url}/v1", "--model", "openai/org/a:1", "--weak-model", "openai/org/a:1",
                             "--no-show-model-warnings", "--message", "hi"]
    assert given["environment"]["AIDER_OPENAI_API_KEY"] == CLIENT_KEY


def test_llm(place, gate):
    assert place.run("llm", "--model", 'b"\'$x', "--", "hi").returncode == 0
    given = place.given()
    assert given["argv"] == ["hi"] and given["folder"]
    env = given["environment"]
    assert (env["LLM_MODEL"], env["OPENAI_API_KEY"]) == ('b"\'$x', CLIENT_KEY)
    [model] = yaml.safe_load(given["files"]["extra-openai-models.yaml"][1])
    assert model["model_id"] == model["model_name"] == 'b"\'$x'
    assert model["api_base"] == f"{gate.url}/v1"


@pytest.mark.parametrize("client", LAUNCHED)
def test_no_key_on_a_command_line(place, client):
    key = ["--key", CLIENT_KEY] if client != "codex" else [f"--key={CLIENT_KEY}"]
    done = place.run(client, *key, HOSTLER_KEY="")
    assert done.returncode == 0, done.stderr
    given = place.given()
    assert CLIENT_KEY not in given["lines"] and CLIENT_KEY not in done.stdout + done.stderr
    assert CLIENT_KEY in given["environment"].values()


def test_a_gateway_without_keys_and_with_a_base(place, processes, mock):
    open_gate = processes.gate(mock)
    done = place.run("llm", HOSTLER_URL=f"{open_gate.url}/v1/", HOSTLER_KEY="")
    assert done.returncode == 0 and not done.stderr  # one model: there is no choice to tell of
    given = place.given()
    assert given["environment"]["OPENAI_API_KEY"] == "none"
    assert f"{open_gate.url}/v1\"" in given["files"]["extra-openai-models.yaml"][1]


def test_the_choice_of_a_model_is_told(place):
    assert "model org/a:1, the first of 2; --model names another" in place.run("llm").stderr
    assert place.run("llm", "--model", "org/a:1").stderr == ""


def test_arguments_are_passed_as_they_are(place):
    words = ["--help", "--model", "x", "", "a b", "$HOME", "--", "-"]
    assert place.run("llm", "--", *words).returncode == 0
    assert place.given()["argv"] == words


# --- as if it had been started by itself ---


def test_input_output_and_status(place):
    done = place.run("llm", input="a question", does="say('an answer'); print('a word', file=sys.stderr); sys.exit(7)")
    assert (done.returncode, done.stdout) == (7, "an answer\n") and done.stderr.endswith("a word\n")
    given = place.given()
    assert given["input"] == "a question" and given["group"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGINT])
def test_a_client_that_is_killed(place, number):
    assert place.run("llm", does=f"mess(); signal.signal({number}, signal.SIG_DFL) if {number} != 9 else 0; os.kill(os.getpid(), {number})") \
        .returncode == 128 + number


def test_the_folder_goes_with_all_that_is_in_it(place):
    assert place.run("claude", does="mess()").returncode == 0
    assert place.left() == [] and pathlib.Path("/").is_dir()


def launched(processes, place, does, client="llm"):
    # a group of its own, since one that nobody could wake is not stopped by SIGTSTP
    program = processes.keep(Program([HOSTLER, "launch", client], processes.folder, processes.name("launch"), place.env(does), group=True))
    until(lambda: "ready" in program.output(), "the client is ready")
    return program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1])
def test_signals_are_passed_on(processes, place, number):
    program = launched(processes, place, f"until_told({number}); sys.exit(5)")
    program.signal(number)
    program.expected = {5}
    assert program.wait() == 5 and program.output() == "ready\ntold\n"


def test_a_client_that_does_not_mind_signals(processes, place):
    program = launched(processes, place, f"signal.signal({signal.SIGTERM}, signal.SIG_DFL); say('ready'); time.sleep(60)")
    program.signal(signal.SIGTERM)
    program.expected = {128 + signal.SIGTERM}
    assert program.wait() == 128 + signal.SIGTERM


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_stopping_and_going_on(processes, place):
    program = launched(processes, place, f"until_told({signal.SIGTERM}); say('on')")
    client = place.given()["pid"]
    for _ in range(3):
        os.kill(client, signal.SIGTSTP)
        until(lambda: state_of(program.pid) == state_of(client) == "T", "both stop")
        program.signal(signal.SIGCONT)
        until(lambda: "T" not in state_of(program.pid) + state_of(client), "both go on")
    program.signal(signal.SIGTERM)
    assert program.wait() == 0 and program.output() == "ready\ntold\non\n"


def test_sigkill_ends_the_client_too(processes, place):
    program = launched(processes, place, f"mess(); signal.signal({signal.SIGTERM}, signal.SIG_DFL); say('ready'); time.sleep(60)")
    client = place.given()["pid"]
    program.kill()
    until(lambda: not pathlib.Path(f"/proc/{client}").exists() or state_of(client) == "Z", "the client ends")
    assert len(place.left()) == 1
    assert place.run("llm").returncode == 0  # the next one removes what was left
    assert place.left() == []


def test_at_a_terminal(place):
    terminal = Terminal("launch", "llm", "--model", "org/a:1", env=place.env(f"until_told({signal.SIGINT}); say('so: ' + input('asks ')); sys.exit(3)"))
    terminal.shows("ready")
    terminal.type("\x03")
    terminal.shows("told")
    terminal.shows("asks ")
    terminal.type("typed\r")
    terminal.shows("so: typed")
    assert terminal.ends() == 3


def test_job_control_of_a_shell(place):
    """Ctrl-Z stops the job as a whole, fg brings it back, Ctrl-C is the client's."""
    env = place.env(f"until_told({signal.SIGINT})", PS1="shell> ", HISTFILE="/dev/null")
    shell = Terminal("--norc", "-i", env=env, program="/bin/bash")
    shell.shows("shell> ")
    shell.type(f"{HOSTLER} launch llm --model org/a:1\r")
    shell.shows("ready")
    shell.type("\x1a")
    shell.shows("Stopped")
    shell.shows("shell> ")
    client = place.given()["pid"]
    assert state_of(client) == "T"
    shell.type("fg\r")
    until(lambda: state_of(client) != "T", "the client goes on")
    shell.type("\x03")
    shell.shows("told")
    shell.shows("shell> ")
    shell.type("exit $?\r")
    assert shell.ends(whole=False) == 0


# --- what does not work ---


@pytest.mark.parametrize("argv, env, code, words", [
    ([], {}, 2, "name a client: claude, codex, opencode, aider and llm"),
    (["nobody"], {}, 2, "there is no client 'nobody'; there are claude, "),
    (["zed"], {}, 2, "`hostler client zed`"),
    (["llm", "hi"], {}, 2, "come after --"),
    (["llm", "--nonsense"], {}, 2, "come after --"),
    (["llm", "--model", "none"], {}, 1, "there is no model 'none'; there are org/a:1, b\"'$x"),
    (["llm"], {"HOSTLER_KEY": ""}, 1, "--key"),
    (["llm"], {"HOSTLER_KEY": "wrong"}, 1, "401"),
    (["llm"], {"HOSTLER_KEY": "sk\r\nx: 1"}, 2, "control character"),
    (["llm", "--url", "http://127.0.0.1:1"], {}, 1, "`hostler serve`"),
    (["llm", "--url", "nonsense"], {}, 2, "not a URL"),
    (["llm", "--url", "unix:/run/h.sock"], {}, 2, "http://HOST:PORT"),
    (["llm", "--url", "http://127.0.0.1/$(x)"], {}, 2, "character"),
    (["llm", "--url", "https://127.0.0.1:1"], {}, 1, "`hostler serve`"),
])
def test_refusals(place, argv, env, code, words):
    done = place.run(*argv, **env)
    assert done.returncode == code and words in done.stderr, done.stderr
    assert not done.stdout and not place.note.exists()


@pytest.mark.parametrize("client, words", [("claude", "npm install -g @anthropic-ai/claude-code"), ("codex", "npm install -g @openai/codex"),
                                           ("opencode", "npm install -g opencode-ai"), ("aider", "pip install aider-chat"),
                                           ("llm", "pip install llm")])
def test_a_program_that_is_not_installed(place, client, words):
    done = place.run(client, PATH="/usr/share")
    assert done.returncode == 1 and f"{client} is not installed" in done.stderr and words in done.stderr


def test_a_program_that_does_not_start(place):
    (place.bin / "claude").write_text("#!/none/such\n")
    done = place.run("claude")
    assert done.returncode == 1 and f"cannot run {place.bin}/claude: " in done.stderr


# --- hostler client ---


def client(*argv, **env):
    return run_cli("client", *argv, env=env)


def test_list_of_clients():
    done = client()
    assert done.returncode == 0 and [line.split()[0] for line in done.stdout.splitlines()] == NAMES
    listed = json.loads(client("--json").stdout)
    assert [c["name"] for c in listed] == NAMES and [c["name"] for c in listed if c["launch"]] == LAUNCHED


@pytest.mark.parametrize("name", NAMES)
def test_what_is_pasted(name):
    """Needs no gateway when the model is given, names address and model, and shows no key."""
    argv = (name, "--url", "http://10.0.0.5:8080/v1", "--model", "org/a:1")
    done = client(*argv, "--key", CLIENT_KEY)
    assert done.returncode == 0, done.stderr
    assert "http://10.0.0.5:8080" in done.stdout and ("org/a:1" in done.stdout or name == "open-webui")
    assert "export HOSTLER_KEY=none" in done.stderr
    spoken = json.loads(client(*argv, "--json", HOSTLER_KEY=CLIENT_KEY).stdout)
    assert spoken["url"] == "http://10.0.0.5:8080" and spoken["model"] == "org/a:1"
    assert "HOSTLER_KEY" in done.stdout or name == "llm"
    for text in (done.stdout, done.stderr, json.dumps(spoken), client(*argv, HOSTLER_KEY=CLIENT_KEY).stdout):
        assert CLIENT_KEY not in text


ODD = 'b"\'$(x)\\'  # a model whose name is too much for whoever does not quote it


def words_of(value):
    """All keys and strings of a document."""
    if isinstance(value, dict):
        return {word for pair in value.items() for part in pair for word in words_of(part)}
    if isinstance(value, list):
        return {word for part in value for word in words_of(part)}
    return {value}


@pytest.mark.parametrize("name", ["opencode", "zed", "llm", "continue", "codex"])
def test_files_are_well_formed(name):
    [file] = json.loads(client(name, "--model", ODD, "--json").stdout)["files"]
    read = {".json": json.loads, ".yaml": yaml.safe_load, ".toml": tomllib.loads}[pathlib.Path(file["path"]).suffix]
    words = words_of(read(file["text"]))
    assert (f"hostler/{ODD}" if name == "opencode" else ODD) in words
    assert "http://127.0.0.1:8080/v1" in words


@pytest.mark.parametrize("name", ["openai-python", "anthropic-python", "langchain"])
def test_programs_are_well_formed(name):
    code = ast.parse(client(name, "--model", ODD).stdout)
    assert ODD in [node.value for node in ast.walk(code) if isinstance(node, ast.Constant)]


@pytest.mark.parametrize("name", ["claude", "aider", "ollama", "open-webui", "curl"])
def test_shells_read_it_as_it_is_meant(name):
    """The lines run in a shell in which the programs only show what they were given."""
    script = client(name, "--model", ODD).stdout.replace("open-webui serve", "webui")
    show = "".join(f"{p}() {{ printf '%s\\0' \"$@\"; env -0; cat; }}\n" for p in ("claude", "aider", "ollama", "curl", "webui"))
    done = subprocess.run(["bash", "-euc", show + script], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL,
                          env={**clean_environment(), "HOSTLER_KEY": CLIENT_KEY, "ANTHROPIC_API_KEY": "sk-ant"})
    assert done.returncode == 0, done.stderr
    shown = done.stdout.split("\0")
    want = {"claude": [f"ANTHROPIC_MODEL={ODD}", f"ANTHROPIC_AUTH_TOKEN={CLIENT_KEY}"],
            "aider": [f"openai/{ODD}", f"AIDER_OPENAI_API_KEY={CLIENT_KEY}"],
            "ollama": [ODD, f"OLLAMA_API_KEY={CLIENT_KEY}", "OLLAMA_HOST=http://127.0.0.1:8080"],
            "open-webui": [f"OPENAI_API_KEY={CLIENT_KEY}", "OPENAI_API_BASE_URL=http://127.0.0.1:8080/v1"],
            "curl": [f"Authorization: Bearer {CLIENT_KEY}", "http://127.0.0.1:8080/v1/chat/completions"]}[name]
    assert set(want) <= set(shown)
    assert ("ANTHROPIC_API_KEY=sk-ant" in shown) == (name != "claude")
    assert name != "curl" or json.loads(shown[-1])["model"] == ODD


def test_a_program_that_was_printed_runs(gate):
    env = {"HOSTLER_URL": gate.url, "HOSTLER_KEY": CLIENT_KEY}
    printed = client("openai-python", **env)
    assert printed.returncode == 0 and "the first of 2" in printed.stderr
    done = subprocess.run([sys.executable, "-"], input=printed.stdout, capture_output=True, text=True, timeout=60,
                          env={**clean_environment(), **env})
    assert done.returncode == 0 and done.stdout.startswith("t0 t1"), done.stderr


@pytest.mark.parametrize("argv, code, words", [
    (["nobody"], 2, "`hostler client` lists them"),
    (["zed", "curl"], 2, "one argument too many"),
    (["zed", "--nonsense"], 2, "there is no option --nonsense"),
    (["zed", "--url", "http://127.0.0.1:1"], 1, "nothing listens"),
    (["zed", "--url", "unix:/run/h.sock", "--model", "m"], 2, "http://HOST:PORT"),
    (["zed", "--url", "https://127.0.0.1:1"], 1, "nothing listens"),
])
def test_refusals_of_client(argv, code, words):
    done = client(*argv)
    assert done.returncode == code and words in done.stderr and not done.stdout
