#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Very many requests, each with a nonce that the runtime says back, 30 % of them aborted at any moment: no answer goes to another client,
and the gateway's memory stays flat. The long form of test/e2e/test_crosstalk.py; `make crosstalk` runs it.

    test/crosstalk.py [--requests 1000000] [--processes 3]

The gateway is the release build, or what HOSTLER_BIN names.
"""

import argparse
import multiprocessing
import os
import pathlib
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("HOSTLER_BIN", str(ROOT / "build/hostler"))
sys.path[:0] = [str(ROOT / "test"), str(ROOT / "test/e2e")]

from harness import Processes, model_of  # noqa: E402
from test_crosstalk import talk  # noqa: E402

THREADS = 6  # clients of one process
ROUND = 250  # requests of one client, then another seed
WARM = 0.1   # of the requests, until memory has its size
GROWTH_MAX = 1.05


def clients(address, number, rounds, done, failures):
    """One process of clients: `rounds` times ROUND requests of each thread."""
    def loop(thread):
        for turn in range(rounds):
            found = []
            talk(address, (number * THREADS + thread) * 1_000_000 + turn, ROUND, found)
            for failure in found:
                failures.put(failure)
            with done.get_lock():
                done.value += ROUND

    threads = [threading.Thread(target=loop, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resident_kb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def watch(pid, running, done, total):
    """Shows how far it is; returns the resident memory after the warm-up and at its largest behind that."""
    warm = most = 0
    while any(p.is_alive() for p in running):
        time.sleep(1)
        now = resident_kb(pid)
        if done.value >= total * WARM:
            warm = warm or now
            most = max(most, now)
        if sys.stderr.isatty():
            print(f"\r{done.value:,} of {total:,}, {now / 1024:.1f} MB ", end="", file=sys.stderr, flush=True)
    return warm, most


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=3)
    args = parser.parse_args()
    rounds = -(-args.requests // (args.processes * THREADS * ROUND))
    total = rounds * args.processes * THREADS * ROUND
    processes = Processes()
    mocks = [processes.mock("--echo"), processes.mock("--echo", "--threads", 2)]
    gate = processes.gate([model_of(*mocks, capacity=6)], log={"requests": False})
    done, failures = multiprocessing.Value("q", 0), multiprocessing.Queue()
    started = time.monotonic()
    running = [multiprocessing.Process(target=clients, args=(gate.address, i, rounds, done, failures))
               for i in range(args.processes)]
    for process in running:
        process.start()
    warm, most = watch(gate.pid, running, done, total)
    gate.idle()
    for mock in mocks:
        mock.idle()
    wrong = []
    while not failures.empty():
        wrong.append(failures.get())
    problems = processes.stop() or []
    growth = most / warm if warm else 1
    print(f"{done.value:,} requests in {time.monotonic() - started:.0f} s: {len(wrong)} wrong answers; "
          f"memory {warm / 1024:.1f} MB after the first tenth, {most / 1024:.1f} MB at most behind it ({growth:.3f}x)")
    for failure in wrong[:5]:
        print("wrong:", failure)
    for problem in problems:
        print("problem:", problem)
    return 1 if wrong or problems or done.value != total or growth > GROWTH_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
