# SPDX-License-Identifier: Apache-2.0
"""What is installed beside the program: a unit of systemd, an image, and the rest."""

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from harness import ROOT, run_cli, until

PACKAGING = ROOT / "packaging"


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"there is no {program}")


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
        owners.add(owner.partition(":")[0].removesuffix("t64"))  # what newer releases call some of them
    assert owners and owners - {"libc6", ""} <= {word.removesuffix("t64") for word in DOCKERFILE.split()}, owners


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
    for path in ("bin/hostler", "bin/hostler-engine", "share/man/man1/hostler.1", "share/man/man5/hostler.yaml.5", "share/bash-completion/completions/hostler.bash",
                 "share/zsh/site-functions/_hostler", "share/fish/vendor_completions.d/hostler.fish", "share/doc/hostler/models.conf"):
        assert (tmp_path / "usr" / path).stat().st_size, path
    assert "ExecStart=/usr/bin/hostler serve" in (tmp_path / "usr/lib/systemd/system/hostler.service").read_text()
    version = subprocess.run([tmp_path / "usr/bin/hostler", "version"], capture_output=True, text=True)
    assert version.returncode == 0 and version.stdout.startswith("hostler ")
