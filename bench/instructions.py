# SPDX-License-Identifier: Apache-2.0
"""Instructions per request and per stream frame, counted by callgrind.

Each load runs twice, small and large, each time on a new gateway. The difference of the two counts, divided by the difference of the
loads, leaves out starting, stopping and the first request. Both runs of the streams take the same time, so that what a gateway does
by the clock is left out, too."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harness import Stage, Unmeasured, bench_result, note, start_bench

REQUESTS = (1000, 3000)
STREAMS = 4         # one after the other: each frame then is a read and a turn of the loop of its own
FRAMES = (100, 500) # of each stream
STREAM_SECONDS = 2.5
WORDS = 200         # of a prompt: a body of about 1 KB
ANSWER_TOKENS = 16  # an answer of about 380 bytes


@dataclass
class Profile:
    """Instructions of the functions themselves, and how often each was called; by name."""
    cost: Counter = field(default_factory=Counter)
    calls: Counter = field(default_factory=Counter)

    def total(self) -> float:
        return sum(self.cost.values())

    def called(self, *names: str) -> float:
        return sum(self.calls[name] for name in names)


class Names:
    """Callgrind says a name once, "(12) name", and then only "(12)"."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def read(self, text: str, prefix: str = "") -> str:
        number, _, name = text.strip().partition(" ")
        if name:
            self.known[number] = prefix + name
        return self.known.get(number, "?")


def readable(name: str) -> str:
    """Without what the compiler and callgrind add: parts, clones, depths of recursion."""
    return re.sub(r"(\.(part|isra|constprop|lto_priv|cold)(\.\d+)*|'\d+|@@?GLIBC\S*)+$", "", name)


def read_profile(path: Path) -> Profile:
    """Reads a file of the format that https://valgrind.org/docs/manual/cl-format.html describes."""
    profile, functions, objects = Profile(), Names(), Names()
    library = function = callee = ""
    inclusive = False  # the next line is what a call cost with all that it called
    for line in path.read_text(errors="replace").splitlines():
        key, equals, value = line.partition("=")
        if line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if not inclusive:
                profile.cost[function] += int(line.split()[1])
            inclusive = False
        elif not equals:
            continue
        elif key == "ob":
            library = Path(objects.read(value)).name
        elif key == "cob":
            objects.read(value)
        elif key == "fn":
            function = readable(functions.read(value))
            if function.startswith("0x"):
                function = f"{library} {function}"
        elif key == "cfn":
            callee = readable(functions.read(value))
        elif key == "calls":
            profile.calls[callee] += int(value.split()[0])
            inclusive = True
    return profile


def difference(small: Profile, large: Profile, units: int) -> Profile:
    """What one unit more costs."""
    def each(a: Counter, b: Counter) -> Counter:
        return Counter({name: (b[name] - a[name]) / units for name in a.keys() | b.keys()})
    return Profile(each(small.cost, large.cost), each(small.calls, large.calls))


def whole(size: int) -> list:
    return ["--no-stream", "--requests", REQUESTS[size], "--output-tokens", ANSWER_TOKENS, "--prompt-tokens", WORDS,
            "--shared-prefix", WORDS]


def streamed(size: int) -> list:
    return ["--requests", STREAMS, "--output-tokens", FRAMES[size], "--prompt-tokens", WORDS, "--shared-prefix", WORDS,
            "--extra", '{"mock":{"rate":%g}}' % (FRAMES[size] / STREAM_SECONDS)]


def profile_under(program: Path, peer: Path, config, load) -> Profile:
    """One gateway from start to end under one load, load(stage, port, mock_port). Mock runtime and load are of `peer`."""
    with Stage(peer) as stage:
        _, mock_port = stage.mock()
        counts = stage.dir / "callgrind.out"
        gateway, port = stage.hostler(config(program, mock_port), program,
                                      under=("valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}"))
        load(stage, port, mock_port)
        gateway.stop()
        if not counts.exists():
            raise Unmeasured(f"valgrind left no counts: {gateway.tail()}")
        return read_profile(counts)


def profile_of(program: Path, peer: Path, config, options: list) -> Profile:
    """The same under `hostler bench` with these options, over one connection."""
    def load(stage: Stage, port: int, _: int) -> None:
        result = bench_result(start_bench(stage, f"http://127.0.0.1:{port}", "--concurrency", 1, *options), 120)
        if result["failed"] or result["lost"] or result["repeated"] or result["connections"] != 1:
            raise Unmeasured(f"below valgrind {result['failed']} requests failed, {result['lost']} frames were lost, and "
                             f"{result['connections']} connections were made instead of 1: {result['errors']}")
    return profile_under(program, peer, config, load)


def needs_valgrind() -> None:
    if not shutil.which("valgrind"):
        raise Unmeasured("valgrind is not installed; `scripts/setup --for bench` installs it")


def count(program: Path, peer: Path, config) -> dict[str, Profile]:
    """Profiles of one whole request and of one stream frame. config(program, mock_port) is the gateway's configuration."""
    found = {}
    for what, load, units in (("request", whole, REQUESTS[1] - REQUESTS[0]), ("frame", streamed, STREAMS * (FRAMES[1] - FRAMES[0]))):
        small, large = (profile_of(program, peer, config, load(size)) for size in (0, 1))
        found[what] = difference(small, large, units)
        note(f"{found[what].total():,.0f} instructions per {what}")
    return found
