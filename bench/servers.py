# SPDX-License-Identifier: Apache-2.0
"""The engine and the llama-server of the same libllama, as figures compare them: model files, command lines, starting, loads, rows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import llama
from harness import (ENGINE, ROOT, Process, Stage, Unmeasured, bench_result, cores, free_port, http, median, note, start_bench,
                     wait_for)

OURS, THEIRS = PEERS = ("hostler", "llama-server")
WITH_BLAS = "llama-server-blas"
CHAT_MODEL = ROOT / "build" / "models" / "smollm2.gguf"
THREADS = 2


# --- model files ---

def random_model(preset: str = "135m", kind: str = "Q8_0") -> Path:
    """Random weights in one of the shapes of tools/random_gguf.py, written when they are first asked for."""
    path = ROOT / "build" / "bench" / f"random-{preset}-{kind.lower()}.gguf"
    if not path.exists():
        note(f"writing {path.relative_to(ROOT)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        venv = ROOT / "build" / "venv" / "bin" / "python"
        python = venv if venv.exists() else sys.executable
        part = path.with_suffix(".part")
        run = subprocess.run([python, ROOT / "tools" / "random_gguf.py", "--out", part, "--preset", preset, "--type", kind, "--quiet"],
                             capture_output=True, text=True, check=False)
        if run.returncode:
            raise Unmeasured(f"tools/random_gguf.py failed: {run.stderr.strip()[-300:]}")
        part.rename(path)
    return path


def chat_model() -> Path:
    """SmolLM2, where it was fetched; else random weights, whose prompts cost as much."""
    return CHAT_MODEL if CHAT_MODEL.exists() else random_model()


# --- programs ---

def need_engine() -> None:
    if not ENGINE.exists():
        raise Unmeasured("build/hostler-engine is missing; `make` builds it")


def llama_server() -> str:
    found = llama.server()
    if not found:
        raise Unmeasured("llama-server is not installed; `scripts/setup --for bench` installs it")
    return found


def backends(name: str) -> Path | None:
    """Where a program finds its back ends. The one for BLAS is a package that Hostler asks for."""
    return llama.unpacked_backends() if name in (OURS, WITH_BLAS) else llama.own_backends()


@dataclass(frozen=True)
class Server:
    process: Process
    port: int
    model: str


@dataclass(frozen=True)
class Setup:
    """What both are started with."""

    model: Path
    slots: int
    context: int                # tokens per sequence
    threads: str = str(THREADS)     # of the engine
    options: tuple[str, ...] = ()   # more of the engine's

    def command(self, name: str, port: int) -> list:
        if name == OURS:
            return [ENGINE, "--model", self.model, "--listen", f"127.0.0.1:{port}", "--threads", self.threads,
                    "--slots", self.slots, "--context", self.context, *self.options]
        return [llama_server(), "-m", self.model, "--host", "127.0.0.1", "--port", port, "-t", THREADS,
                "-np", self.slots, "-c", self.slots * self.context, "--no-webui"]

    def start(self, stage: Stage, name: str, pause: float = 0.05) -> Server:
        """Returns once it is ready, which is asked every `pause` seconds: /health answers 503 while a model loads."""
        port = free_port()
        p = stage.start(name, self.command(name, port), set(cores()), cwd=backends(name))
        wait_for(p, port, "/health", 120, pause)
        return Server(p, port, json.loads(http(port, "/v1/models")[1])["data"][0]["id"])


# --- loads and rows ---

def load(stage: Stage, server: Server, seconds: float, extra: dict, *options: object) -> dict:
    """What `hostler bench` measured with these options, `seconds` of patience, and `extra` in each request."""
    p = start_bench(stage, f"http://127.0.0.1:{server.port}", "--model", server.model, "--extra", json.dumps(extra),
                    "--timeout", 600, *options, on=set(cores()))
    result = bench_result(p, seconds)
    stage.processes.remove(p)
    if result["failed"] or not result["tokens_per_s"]:
        raise Unmeasured(f"{server.model}: no token in {seconds:.0f} s; {result['errors'] or 'too slow'}")
    return result


def streams_of(n: int) -> str:
    return f"{n} stream{'s' if n > 1 else ''}"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def versus(what: str, ours: list[float], theirs: list[float], write: Callable[[float], str], *,
           times_most: float | None = None, times_least: float | None = None, most: float | None = None) -> dict:
    """A row of medians of the rounds, with one bound or none: the median of the rounds' ratios is at most or at least so much,
    or our own median is at most so much."""
    middle, ratio = median(ours), median([a / b for a, b in zip(ours, theirs)])
    bound, ok = "reported", True
    if times_most is not None:
        bound, ok = f"{times_most:.2f}x llama-server", ratio <= times_most
    elif times_least is not None:
        bound, ok = f"{times_least:.2f}x llama-server", ratio >= times_least
    elif most is not None:
        bound, ok = write(most), middle <= most
    return {"what": what, "bound": bound, "ok": ok, "ratio": ratio, "value": f"{write(middle)} = {ratio:.2f}x ({write(median(theirs))})"}
