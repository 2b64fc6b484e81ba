# SPDX-License-Identifier: Apache-2.0
"""What is installed beside the program: manual page, completions, unit of systemd."""

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from harness import HOSTLER, ROOT, run_cli, until

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


DOCKERFILE = (PACKAGING / "docker/Dockerfile").read_text()


def test_the_image_has_every_library(tmp_path):
    listed = subprocess.run(["ldd", ROOT / "build/hostler"], capture_output=True, text=True).stdout
    owners = set()
    for path in re.findall(r"=> (/\S+)", listed):
        owner = subprocess.run(["dpkg", "-S", os.path.realpath(path)], capture_output=True, text=True).stdout
        owners.add(owner.partition(":")[0])
    assert owners and owners - {"libc6", ""} <= set(DOCKERFILE.split()), owners


def test_the_image_is_confined_and_its_configuration_sound():
    final = DOCKERFILE.split("\nFROM ")[-1]
    assert "\nUSER hostler\n" in final and "STOPSIGNAL SIGTERM" in final
    for path in re.findall(r"scripts/\w+", DOCKERFILE):
        assert os.access(ROOT / path, os.X_OK), path
    compose = yaml.safe_load((PACKAGING / "docker/compose.yaml").read_text())
    service = compose["services"]["hostler"]
    assert (PACKAGING / "docker" / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == PACKAGING.resolve() / "docker/Dockerfile"
    mounted = service["volumes"][0].split(":")[0]
    done = run_cli("check", "-c", PACKAGING / "docker" / mounted, env={"HOSTLER_CLIENT_KEY": "sk-0123456789abcdef"})
    assert done.returncode == 0, done.stdout


def test_the_image_knows_whether_it_serves(processes, mock):
    probe = json.loads(re.search(r"CMD (\[\"bash.*\])$", DOCKERFILE, re.M)[1])
    gate = processes.gate(mock, keys=[{"name": "a", "key": "sk-0123456789"}])
    gone = processes.gate([{"name": "x", "endpoints": [{"url": "http://127.0.0.1:1/v1"}]}], wait=False).ready()
    until(lambda: gone.get("/readyz").status == 503, "it is not ready")
    for server, code in ((gate, 0), (gone, 1)):
        argv = [part.replace("/8080", f"/{server.address}") for part in probe]
        assert subprocess.run(argv, capture_output=True).returncode == code


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
