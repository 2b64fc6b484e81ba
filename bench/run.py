#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Hostler against nginx, HAProxy and llama-server and prints a table; `make bench` calls it.

Everything is started on ports 18100-18199 and stopped again. Proxies run on one core, load and mock runtime on the others.
Rounds of the peers alternate, and each ratio is the median of the rounds' ratios. Results go to build/bench/*.json.

  bench/run.py                     all figures
  bench/run.py --figure 1 --quick  the first one, short rounds
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import aborts
import beginnings
import chats
import company
import decode
import dialects
import edges
import engines
import faults
import grammars
import overload
import peers
import proxies
import ready
import shapes
from harness import HOSTLER, ROOT, Unmeasured, command_line_version, describe, machine, note, stop_in_order

DOCS = ROOT / "docs" / "benchmarks.md"
COMMAND = "make bench"

FIGURES = {
    1: ("relayed requests", proxies.requests),
    2: ("relayed streams", proxies.streams),
    3: ("memory", proxies.memory),
    4: ("engine", engines.engine),
    5: ("aborts", aborts.aborts),
    6: ("faults", faults.innocents),
    7: ("many models", faults.scale),
    8: ("a long prompt in company", company.company),
    9: ("dialects", dialects.dialects),
    10: ("grammars", grammars.grammars),
    11: ("answers of a shape", shapes.shapes),
    12: ("chats on fewer slots", chats.chats),
    13: ("a shared beginning", beginnings.beginnings),
    14: ("a long prompt beside eight streams", company.crowd),
    15: ("ready", ready.ready),
    16: ("decode", decode.decode),
    17: ("TLS and HTTP/2", edges.edges),
    18: ("idle connections", edges.idle_connections),
    19: ("overload", overload.overloads),
}
FIVE_ROUNDS = (1, 2, 15, 17)


def measure(number: int, rounds: int, quick: bool) -> dict:
    title, function = FIGURES[number]
    note(f"figure {number}: {title}")
    result: dict = {"figure": number, "title": title, "rounds": rounds, "quick": quick}
    started = time.monotonic()
    try:
        result.update(function(rounds, quick))
    except Unmeasured as why:
        result.update(rows=[], unmeasured=str(why))
        note(f"not measured: {why}")
    result["seconds"] = round(time.monotonic() - started, 1)
    return result


def verdict(row: dict) -> str:
    return "pass" if row["ok"] else "MISS"


def print_table(results: list[dict]) -> None:
    lines = [("", "what", "measured", "bound", "")]
    for r in results:
        lines += [(str(r["figure"]), row["what"], row["value"], row["bound"], verdict(row)) for row in r["rows"]]
        if "unmeasured" in r:
            lines.append((str(r["figure"]), r["title"], "not measured: " + r["unmeasured"], "", "MISSING"))
    widths = [min(80, max(len(line[i]) for line in lines)) for i in range(5)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    for r in results:
        for text in r.get("notes", []) + r.get("errors", []):
            print(f"{r['figure']}: {text}")


def stored(folder: Path) -> list[dict]:
    """The last result of each figure."""
    return [json.loads(path.read_text()) for number in FIGURES if (path := folder / f"figure{number}.json").exists()]


def markdown(results: list[dict]) -> str:
    places = {(r["date"], describe(r["machine"])): [] for r in results}
    for r in results:
        places[r["date"], describe(r["machine"])].append(str(r["figure"]))
    lines = [f"Figures {', '.join(numbers)}: measured {date} on {place}, with `{COMMAND}`." for (date, place), numbers in places.items()]
    lines += ["", "| figure | what | measured | bound | |", "|--:|---|---|---|---|"]
    for r in results:
        lines += [f"| {r['figure']} | {row['what']} | {row['value']} | {row['bound']} | {verdict(row)} |" for row in r["rows"]]
    notes = [f"Figure {r['figure']}: {text}." for r in results for text in r.get("notes", [])]
    return "\n".join([*lines, "", *notes])


def update_docs(text: str) -> None:
    """Puts the table between the marks of docs/benchmarks.md."""
    page = DOCS.read_text()
    head, begin, rest = page.partition("<!-- figures: begin -->\n")
    _, end, tail = rest.partition("<!-- figures: end -->\n")
    if not begin or not end:
        raise SystemExit(f"bench: {DOCS} has lost its marks")
    DOCS.write_text(f"{head}{begin}{text}\n{end}{tail}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", type=int, choices=sorted(FIGURES), action="append", help="only this one (repeatable)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (3; 5 for figures 1, 2, 15 and 17)")
    parser.add_argument("--quick", action="store_true", help="short rounds, for a first look")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench" / "results.json", help="where the results go")
    parser.add_argument("--docs", action="store_true", help="write the last results of all figures into docs/benchmarks.md, too")
    parser.add_argument("--strict", action="store_true", help="a missed bound is a failure, too")
    return parser.parse_args()


def main() -> int:
    args = parse()
    if not HOSTLER.exists():
        print("bench: build/hostler is missing; `make` builds it", file=sys.stderr)
        return 2
    stop_in_order()
    box = machine()
    args.json.parent.mkdir(parents=True, exist_ok=True)
    results = []
    for number in args.figure or sorted(FIGURES):
        rounds = args.rounds or (5 if number in FIVE_ROUNDS else 3)
        result = measure(number, rounds, args.quick)
        results.append(result)
        date = time.strftime("%Y-%m-%d", time.gmtime())
        (args.json.parent / f"figure{number}.json").write_text(
            json.dumps({"date": date, "machine": box, **result}, indent=1) + "\n")
    args.json.write_text(json.dumps({
        "machine": box,
        "hostler": command_line_version(str(HOSTLER), "version"),
        "nginx": peers.version("nginx"),
        "haproxy": peers.version("haproxy"),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "figures": results,
    }, indent=1) + "\n")
    print(describe(box) + "\n")
    print_table(results)
    if args.docs:
        update_docs(markdown(stored(args.json.parent)))
    if any("unmeasured" in r for r in results):
        return 1
    missed = any(not row["ok"] for r in results for row in r["rows"])
    return 1 if missed and args.strict else 0


if __name__ == "__main__":
    sys.exit(main())
