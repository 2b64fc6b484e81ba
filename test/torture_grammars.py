#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers under random schemas at a high temperature: each is valid, or was cut off at its limit. `make torture` runs it.

    test/torture_grammars.py [--model FILE] [--count 10000] [--schemas 200] [--seed 1]
"""

import argparse
import concurrent.futures
import json
import pathlib
import sys

import harness
from harness import ROOT, Processes, chat_body
from schemas import schemas, wrong

AT_ONCE = 8
TOKENS_MAX = 400
PATIENCE = 600  # seconds for an answer, on a machine that has other work


class Verdicts:
    """Of all answers so far."""

    def __init__(self):
        self.valid = self.cut = 0
        self.bad = []

    def add(self, schema, answer):
        if answer.status != 200:
            self.bad.append(f"{answer.status} {answer.body[:300]!r} for {json.dumps(schema)}")
            return
        choice = answer.json()["choices"][0]
        text, reason = choice["message"]["content"] or "", choice["finish_reason"]
        why = wrong(schema, text) if reason == "stop" else None
        if why or reason not in ("stop", "length"):
            self.bad.append(f"finish_reason {reason}, {text!r}, {why}, for {json.dumps(schema)}")
        self.valid += reason == "stop" and not why
        self.cut += reason == "length"

    def __str__(self):
        return f"{self.valid} valid, {self.cut} cut off at their limit, {len(self.bad)} wrong"


def ask(gate, schema, seed):
    body = chat_body(messages=[{"role": "user", "content": "Write some JSON."}], temperature=1.2, seed=seed, max_tokens=TOKENS_MAX,
                     response_format={"type": "json_schema", "json_schema": {"name": "it", "schema": schema}})
    with gate.connect(timeout=PATIENCE) as conn:
        conn.request("POST", "/v1/chat/completions", body)
        return conn.response("POST")


def generate(gate, count, all_schemas, told=lambda done: None):
    """`count` answers, several at once."""
    verdicts = Verdicts()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        work = {pool.submit(ask, gate, all_schemas[i % len(all_schemas)], i): all_schemas[i % len(all_schemas)] for i in range(count)}
        for done, future in enumerate(concurrent.futures.as_completed(work)):
            verdicts.add(work[future], future.result())
            told(done + 1)
    return verdicts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=lambda text: pathlib.Path(text).absolute(), default=ROOT / "models/demo.gguf")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--schemas", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    processes = Processes()
    try:
        gate = processes.gate([{"name": "m", "engine": {"file": str(args.model), "slots": AT_ONCE, "context": 1024}}],
                              env={"HOSTLER_ENGINE": harness.ENGINE})
        def told(done):
            if sys.stderr.isatty() or done % 1000 == 0:
                print(f"\rtorture: {args.model.name}: {done} of {args.count}", end="", file=sys.stderr, flush=True)
        verdicts = generate(gate, args.count, schemas(args.schemas, args.seed), told)
    finally:
        processes.stop()
    print(f"\ntorture: {args.model.name}: {verdicts}", *verdicts.bad[:10], sep="\n", flush=True)
    return 1 if verdicts.bad or not verdicts.valid else 0


if __name__ == "__main__":
    sys.exit(main())
