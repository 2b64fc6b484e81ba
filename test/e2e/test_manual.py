# SPDX-License-Identifier: Apache-2.0
"""The manual page and the completions that scripts/manual makes of the commands' tables."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from harness import HOSTLER, ROOT, run_cli

PAGES = ["hostler.1", "hostler.bash", "_hostler", "hostler.fish"]
SETTINGS = "hostler.yaml.5"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    subprocess.run([sys.executable, ROOT / "scripts/manual", HOSTLER, folder], check=True, timeout=60)
    assert sorted(p.name for p in folder.iterdir()) == sorted([*PAGES, SETTINGS])
    return folder


@pytest.fixture(scope="module")
def described():
    return json.loads(run_cli("help", "--json").stdout)["commands"]


def program(name):
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def complete(pages, line):
    """What bash offers for the last word of a command line."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hostler 2>/dev/null; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "--norc", "-c", script, "bash", pages / "hostler.bash", *line.split(" ")],
                          capture_output=True, text=True, timeout=20, cwd=ROOT, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("line, offered", [
    ("hostler ser", ["serve"]),
    ("hostler c", ["check", "config", "cert", "chat", "client"]),
    ("hostler serve --up", ["--upstream"]),
    ("hostler serve -c models/", ["models/demo.gguf"]),
    ("hostler cert s", ["show"]),
    ("hostler cert init --f", ["--force"]),
    ("hostler cert show --f", []),
    ("hostler bench --arrival ", ["poisson", "constant"]),
    ("hostler mock --die r", ["rst"]),
    ("hostler launch co", ["codex"]),
    ("hostler config ma", ["manual"]),
    ("hostler help mo", ["models", "mock"]),
    ("hostler chat --system -", []),
    ("hostler nonsense -", []),
])
def test_bash_offers(pages, line, offered):
    found = complete(pages, line)
    assert set(offered) <= set(found) if offered and "/" in offered[0] else found == offered


def test_bash_offers_every_option(pages, described):
    for command in described:
        want = {f"--{o['name']}" for o in command["options"]}
        assert want <= set(complete(pages, f"hostler {command['name']} -")), command["name"]


@pytest.mark.parametrize("page", PAGES)
def test_each_has_every_command_and_option(pages, described, page):
    text = (pages / page).read_text().replace("\\-", "-")
    for command in described:
        assert command["name"].split()[-1] in text
        for option in command["options"]:
            word = f" -l {option['name']} " if page.endswith(".fish") else f"--{option['name']}"
            assert word in text, (command["name"], option["name"])


@pytest.mark.parametrize("shell, page", [("bash", "hostler.bash"), ("zsh", "_hostler"), ("fish", "hostler.fish")])
def test_shells_can_read_them(pages, shell, page):
    done = subprocess.run([program(shell), "-n", pages / page], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.parametrize("page", ["hostler.1", SETTINGS])
@pytest.mark.parametrize("argv", [["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"], ["mandoc", "-T", "lint", "-W", "warning"]], ids=lambda argv: argv[0])
def test_the_manual_page_is_sound(pages, argv, page):
    done = subprocess.run([program(argv[0]), *argv[1:], pages / page], capture_output=True, text=True, timeout=60,
                          env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANWIDTH": "80"})
    said = done.stderr + (done.stdout if argv[0] == "mandoc" else "")
    assert done.returncode == 0 and not said, said


def as_man_shows(page):
    done = subprocess.run([program("man"), "-E", "ascii", "-l", page], capture_output=True, text=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin", "MANWIDTH": "400", "MANPAGER": "cat", "LC_ALL": "C.UTF-8"}, check=True)
    return letters(done.stdout)


def letters(text):
    return re.sub(r"[^\w]+", "", text)


def test_the_manual_page_says_what_help_says(pages, described):
    """The text of each option, as man shows it."""
    plain = as_man_shows(pages / "hostler.1")
    for command in described:
        for row in command["options"] + command["arguments"]:
            if row.get("name") != "help":
                assert letters(row["help"]) in plain, (command["name"], row)


def setting_texts(node):
    """The description of every setting in the schema."""
    if isinstance(node, dict):
        for setting in node.get("properties", {}).values():
            group = {"properties", "$ref"} & setting.keys()
            if "description" in setting and not group and not setting.get("deprecated"):
                yield setting["description"]
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from setting_texts(value)


def test_the_page_of_the_configuration_says_what_the_schema_says(pages):
    plain = as_man_shows(pages / SETTINGS)
    texts = list(setting_texts(json.loads(run_cli("config", "schema").stdout)))
    assert len(texts) > 100
    for text in texts:
        assert letters(re.sub(r"\]\([^)]*\)", "", text)) in plain, text  # a page has no links
