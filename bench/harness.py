# SPDX-License-Identifier: Apache-2.0
"""What the comparison runs stand on: processes that are started, pinned, measured and stopped; HTTP for control; the machine."""

from __future__ import annotations

import itertools
import json
import math
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOSTLER = Path(os.environ.get("HOSTLER", ROOT / "build" / "hostler"))
ENGINE = Path(os.environ.get("HOSTLER_ENGINE", ROOT / "build" / "hostler-engine"))
KEY = "sk-bench-0123456789abcdef"


class Unmeasured(Exception):
    """A figure cannot be measured here; the text says why."""


def note(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


# --- the machine ---

def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def proxy_cores() -> set[int]:
    """One core for what is measured."""
    return {cores()[0]}


def load_cores() -> set[int]:
    """The others for load and mock runtime; on one core they share it."""
    return set(cores()[1:]) or proxy_cores()


def machine() -> dict:
    model = "unknown"
    memory_kb = 0
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal"):
            memory_kb = int(line.split()[1])
    flags = Path("/proc/cpuinfo").read_text()
    system = {}
    for line in Path("/etc/os-release").read_text().splitlines():
        key, _, value = line.partition("=")
        system[key] = value.strip('"')
    return {
        "cpu": model,
        "cores": len(cores()),
        "memory_gib": round(memory_kb / 1024 / 1024, 1),
        "virtual": " hypervisor" in flags,
        "kernel": platform.release(),
        "system": system.get("PRETTY_NAME", "unknown"),
    }


def describe(box: dict) -> str:
    """What machine() found, in a line."""
    return (f"{box['cpu']}, {box['cores']} cores{' (virtual)' if box['virtual'] else ''}, {box['memory_gib']} GiB, "
            f"Linux {box['kernel']}, {box['system']}")


def command_line_version(program: str, flag: str) -> str:
    """The first line that `program flag` prints, or ''."""
    try:
        run = subprocess.run([program, flag], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (run.stdout + run.stderr).strip().splitlines()
    return lines[0] if lines else ""


# --- ports and folders ---

PORTS = range(18100, 18200)
_ports = itertools.cycle(PORTS)


def free_port() -> int:
    for port in itertools.islice(_ports, len(PORTS)):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Unmeasured("no free port between 18100 and 18199")


# --- processes ---

class Process:
    """A child in its own process group, pinned to `on`, its output in a file."""

    def __init__(self, args: list, on: set[int], log: Path, env: dict | None = None,
                 cwd: Path | None = None) -> None:
        self.args = [str(a) for a in args]
        self.log = log
        with open(log, "wb") as out:
            self.child = subprocess.Popen(
                self.args, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True, cwd=cwd, env={**os.environ, **(env or {})},
                preexec_fn=lambda: os.sched_setaffinity(0, on))

    @property
    def pid(self) -> int:
        return self.child.pid

    def pids(self) -> list[int]:
        """The child and its descendants (nginx works in a child process)."""
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    todo += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
            except OSError:
                continue
        return found

    def cpu_us(self) -> float:
        """CPU time of all threads so far, in microseconds, to the nanosecond (schedstat)."""
        total = 0
        for pid in self.pids():
            for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                total += int(stat.read_text().split()[0])
        return total / 1000

    def rss_kb(self) -> int:
        """Resident memory of the child and its descendants."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    total += int(line.split()[1])
        return total

    def alive(self) -> bool:
        return self.child.poll() is None

    def stop(self) -> None:
        """Ends the whole group: gently, then not."""
        if self.alive():
            os.killpg(self.pid, signal.SIGTERM)
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.child.wait()

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])


def _leave(signum: int, _: object) -> None:
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, signal.SIG_IGN)
    sys.exit(128 + signum)


def stop_in_order() -> None:
    """From now on a signal ends this program as an exception would: stages stop what they started, and a second signal does not
    keep them from it."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _leave)


class Stage:
    """The processes of one figure, in a folder of their own. Leaving it stops them all. Mock runtimes and loads are of `program`."""

    def __init__(self, program: Path = HOSTLER) -> None:
        self.program = program
        self.dir = Path(tempfile.mkdtemp(prefix="hostler-bench-"))
        self.processes: list[Process] = []

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        for p in reversed(self.processes):
            p.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, name: str, args: list, on: set[int], env: dict | None = None, cwd: Path | None = None) -> Process:
        p = Process(args, on, self.dir / f"{name}-{len(self.processes)}.log", env, cwd)
        self.processes.append(p)
        return p

    def drop(self, p: Process) -> None:
        p.stop()
        self.processes.remove(p)

    def mock(self, *options: str) -> tuple[Process, int]:
        port = free_port()
        p = self.start("mock", [self.program, "mock", "--listen", f"127.0.0.1:{port}", *options], load_cores())
        wait_for(p, port, "/health")
        return p, port

    def hostler(self, config: str, program: Path | None = None, under: tuple = ()) -> tuple[Process, int]:
        """`hostler serve` on `config`, a YAML text without `listen`; `under` a command that runs it."""
        port = free_port()
        path = self.dir / f"hostler-{port}.yaml"
        path.write_text(f"listen: 127.0.0.1:{port}\n" + config)
        p = self.start("hostler", [*under, program or self.program, "serve", "-c", path], proxy_cores())
        wait_for(p, port, "/livez")
        return p, port


def wait_for(p: Process, port: int, path: str, seconds: float = 30, pause: float = 0.05) -> None:
    """Until `path` answers below 500; asks again after each `pause`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not p.alive():
            raise Unmeasured(f"{p.args[0]} ended: {p.tail()}")
        try:
            status, _ = http(port, path, timeout=2)
            if status < 500:
                return
        except OSError:
            pass
        time.sleep(pause)
    raise Unmeasured(f"{p.args[0]} was not ready after {seconds:.0f} s: {p.tail()}")


# --- control requests ---

def http(port: int, path: str, body: dict | None = None, timeout: float = 10, key: str = KEY) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data, headers={"authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def mock_stats(port: int) -> dict:
    return json.loads(http(port, "/mock/stats")[1])


def metric_values(port: int, name: str) -> dict[str, float]:
    """label text -> value of each series of one metric of a gateway."""
    found = {}
    for line in http(port, "/metrics")[1].splitlines():
        if line.startswith((name + "{", name + " ")):
            series, _, value = line.rpartition(" ")
            found[series[len(name):]] = float(value)
    return found


# --- loads ---

def start_bench(stage: Stage, url: str, *options: object, on: set[int] | None = None) -> Process:
    args = [stage.program, "bench", url, "--key", KEY, "--model", "mock", "--json", *options]
    return stage.start("bench", args, on or load_cores())


def bench_result(p: Process, seconds: float) -> dict:
    """What a started `hostler bench` printed; waits for it."""
    try:
        p.child.wait(seconds)
    except subprocess.TimeoutExpired:
        p.stop()
        raise Unmeasured(f"the load did not end within {seconds:.0f} s") from None
    lines = p.log.read_text().strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise Unmeasured(f"the load failed: {p.tail()}")
    return json.loads(lines[-1])


def interval_of_median(values: list[float]) -> tuple[float, float]:
    """Between which the median lies with a probability of 95 %, whatever the distribution (by the sign test)."""
    ordered = sorted(values)
    n = len(ordered)
    outside, k = 1 / 2 ** n, 0  # the chance that at most k of n lie below the median
    while k + 1 < n // 2 and outside + math.comb(n, k + 1) / 2 ** n <= 0.025:
        k += 1
        outside += math.comb(n, k) / 2 ** n
    return ordered[k], ordered[n - 1 - k]


def in_turn(names, turn: int) -> list[str]:
    """The names in the order of a round: every other one begins at the end."""
    return list(names) if turn % 2 == 0 else list(reversed(list(names)))


def median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def quantile(values: list[float], share: float) -> float:
    """NaN when there are none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else math.nan
