# SPDX-License-Identifier: Apache-2.0
"""What is installed beside the program: manual page, completions, unit of systemd."""

import os
import re
import shutil
import subprocess

import pytest

from harness import HOSTLER, ROOT

PACKAGING = ROOT / "packaging"
COMPLETIONS = {"bash": "hostler.bash", "zsh": "_hostler", "fish": "hostler.fish"}
COMMANDS = ["run", "init", "serve", "check", "config", "cert", "models", "chat", "launch", "client", "bench", "mock"]


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"there is no {program}")


def options_of(command):
    words = [["init"], ["show"], ["check"]] if command == "cert" else [[]]
    text = "".join(subprocess.run([HOSTLER, command, *w, "--help"], capture_output=True, text=True).stdout for w in words)
    return {name for pair in re.findall(r"^ {2,6}(?:-\w, )?(--[\w-]+)(?:, (--[\w-]+))?", text, re.M) for name in pair if name}


def complete(*words):
    script = f"""source {PACKAGING}/completions/hostler.bash
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _hostler; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_everywhere(command):
    options = options_of(command)
    assert len(options) > 1
    page = (PACKAGING / "hostler.1").read_text().replace("\\-", "-")
    section = page.split(f"\n.SH HOSTLER {command.upper()}\n")[1].split("\n.SH ")[0]
    assert not [o for o in options if o not in section]
    assert options <= set(complete("hostler", command, "--"))
    zsh = re.search(rf"^    {command}\) .*$", (PACKAGING / "completions/_hostler").read_text(), re.M)[0]
    assert not [o for o in options if f"{o}[" not in zsh]
    fish = re.findall(rf"__fish_seen_subcommand_from {command}'.* -l ([\w-]+)", (PACKAGING / "completions/hostler.fish").read_text())
    assert options == {f"--{name}" for name in fish}


def test_bash_completes():
    assert complete("hostler", "se") == ["serve"]
    assert set(complete("hostler", "config", "m")) == {"manual", "metrics"}
    assert "README.md" in complete("hostler", "check", "-c", "READ")
    assert complete("hostler", "help", "ben") == ["bench"]


@needs("man")
def test_the_manual_page_is_well_formed():
    done = subprocess.run(["man", "--warnings", "-l", PACKAGING / "hostler.1"], capture_output=True, text=True, env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert "HOSTLER SERVE" in done.stdout


@pytest.mark.parametrize("shell", COMPLETIONS)
def test_shells_can_read_their_completions(shell):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    done = subprocess.run([shell, "-n", PACKAGING / "completions" / COMPLETIONS[shell]], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


@needs("systemd-analyze")
def test_the_service_is_confined(tmp_path):
    unit = tmp_path / "hostler.service"
    unit.write_text((PACKAGING / "systemd/hostler.service.in").read_text().replace("@bindir@/hostler", "/bin/true"))
    rated = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit], capture_output=True, text=True)
    assert float(re.search(r"Overall exposure level for hostler.service: ([0-9.]+)", rated.stdout)[1]) < 3.0, rated.stdout
    (tmp_path / "hostler.service.d").mkdir()
    shutil.copy(PACKAGING / "systemd/models.conf", tmp_path / "hostler.service.d")
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert verified.returncode == 0 and not verified.stderr, verified.stderr


def test_everything_is_installed(tmp_path):
    release = ROOT / "build/hostler"
    done = subprocess.run([ROOT / "scripts/install", "/usr"], env={**os.environ, "DESTDIR": str(tmp_path)}, capture_output=True, text=True)
    assert release.exists() and done.returncode == 0, done.stderr
    for path in ("bin/hostler", "bin/hostler-engine", "share/man/man1/hostler.1", "share/bash-completion/completions/hostler",
                 "share/zsh/site-functions/_hostler", "share/fish/vendor_completions.d/hostler.fish", "share/doc/hostler/models.conf"):
        assert (tmp_path / "usr" / path).stat().st_size, path
    assert "ExecStart=/usr/bin/hostler serve" in (tmp_path / "usr/lib/systemd/system/hostler.service").read_text()
    version = subprocess.run([tmp_path / "usr/bin/hostler", "version"], capture_output=True, text=True)
    assert version.returncode == 0 and version.stdout.startswith("hostler ")
