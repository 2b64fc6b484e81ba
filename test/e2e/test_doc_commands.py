# SPDX-License-Identifier: Apache-2.0
"""The command lines of hostler in README.md and docs/ do what a reader expects: each is run here, in their order."""

import contextlib
import os
import re
import shlex
import signal
import subprocess

import pytest

from harness import ENGINE, HOSTLER, ROOT, SANITIZERS, Processes, clean_environment, free_port, until

PAGES = ["README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
LINE = re.compile(r"^    ((?:[A-Z_]+=\S+ )*(?:sudo )?(?:build/)?hostler .*)$", re.M)
COMMENT = re.compile(r"\s+#.*$| {2,}\S.*$")

# Why a line is not run here. One that no page has any more fails.
NOT_RUN = {
    "hostler launch claude": "Claude Code is not here; test_launch runs what stands in for it",
    "hostler launch codex --model qwen3-coder -- exec 'What does this repository do?'": "likewise Codex",
    "hostler launch llm -- 'What is Hostler?'": "likewise llm",
}


def lines_of(page):
    return [COMMENT.sub("", line).replace("build/hostler", "hostler").removeprefix("sudo ").strip() for line in LINE.findall((ROOT / page).read_text())]


EVERY = [(page, line) for page in PAGES for line in lines_of(page)]


def test_there_are_lines_and_no_exception_is_stale():
    lines = {line for _, line in EVERY}
    assert len(EVERY) > 20 and set(NOT_RUN) <= lines, set(NOT_RUN) - lines


def arguments_of(line, gate):
    """The line's words with this place's addresses, its pipe left out."""
    words = shlex.split(line.split(" | ")[0])
    if gate:
        words = [re.sub(r"^http://(127.0.0.1:8080|10.0.0.5:8000)$", f"http://127.0.0.1:{gate.address}", word) for word in words]
    words = [re.sub(r"^127\.0\.0\.1:80[89]0$", f"127.0.0.1:{free_port()}", word) for word in words]
    if words[1] == "serve" and "-c" not in words:
        words += ["--listen", "127.0.0.1:0"]  # the standard port may be in use here
    short = {"FILE": "hostler.yaml", "60": "1", "/etc/hostler/hostler.yaml": "new.yaml", "llama": "demo", "qwen3-coder": "demo"}
    return [short.get(word, word) for word in words]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A reader's folder: hostler on the PATH, the demo model, a configuration."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "bin").mkdir()
    (folder / "bin/hostler").symlink_to(HOSTLER)
    for name in ("models", "examples"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "hostler.yaml").write_text("listen: 127.0.0.1:0\nmodels:\n  - name: demo\n    engine: { file: models/demo.gguf }\n")
    return folder


@pytest.fixture(scope="module")
def gate(place):
    started = Processes()
    yield started.gate([{"name": "demo", "engine": {"file": str(ROOT / "models/demo.gguf")}}], env={"HOSTLER_ENGINE": ENGINE})
    started.stop()


@contextlib.contextmanager
def running(words, place, gate):
    env = {**clean_environment(), **SANITIZERS, "PATH": f"{place}/bin:{os.environ['PATH']}", "HOSTLER_URL": f"http://127.0.0.1:{gate.address}",
           "HOSTLER_ENGINE": str(ENGINE), "XDG_RUNTIME_DIR": str(place), "XDG_STATE_HOME": str(place), "HOME": str(place)}
    with open(place / "shown", "w") as shown:
        child = subprocess.Popen(words, cwd=place, env=env, stdin=subprocess.PIPE, stdout=shown, stderr=subprocess.STDOUT, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def serves(words):
    return words[1] in ("serve", "mock") or (words[1] == "run" and "--listen" in words)


@pytest.mark.parametrize("page, line", [pytest.param(page, line, id=f"{page}-{i}") for i, (page, line) in enumerate(EVERY)])
def test_a_line_works(place, gate, page, line):
    if line in NOT_RUN:
        return
    words, shown = arguments_of(line, gate), (place / "shown").read_text
    with running(words, place, gate) as child:
        if serves(words):
            until(lambda: re.search(r"127\.0\.0\.1:\d\d", shown()) or child.poll() is not None, f"{line}: it listens", 30)
            assert child.poll() is None, shown()
            child.send_signal(signal.SIGINT)
        child.communicate("What is Hostler?\n" if words[1] in ("chat", "run") and not serves(words) else "", timeout=120)
        if words[1] == "init" and "no runtime " in shown():
            return  # test_init has some
        assert child.returncode == 0, f"{page}: {line}\n{shown()}"
        assert shown().strip(), line


def test_a_line_that_is_wrong_is_seen(place, gate):
    with running(["hostler", "serve", "--upstrem", "http://127.0.0.1:1"], place, gate) as child:
        child.communicate("", timeout=60)
    assert child.returncode == 2 and "--upstrem" in (place / "shown").read_text()
