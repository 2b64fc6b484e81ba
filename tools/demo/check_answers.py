# SPDX-License-Identifier: Apache-2.0
"""Asks a running server the listed questions, greedily, and counts exact answers.

    python tools/demo/check_answers.py http://127.0.0.1:8080/v1
    python tools/demo/check_answers.py http://127.0.0.1:8080/v1 --e2e --system "Answer briefly."

Needs only the standard library. Exit code 0: all right; 1: some wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from openai_http import Server

QUESTIONS = Path(__file__).resolve().parents[2] / "test" / "data" / "demo_questions.json"


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="base URL, with /v1")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--key", default="none")
    parser.add_argument("--system", help="system prompt to send first")
    parser.add_argument("--questions", type=Path, default=QUESTIONS)
    parser.add_argument("--e2e", action="store_true",
                        help="only the questions of the end-to-end test")
    parser.add_argument("-j", "--jobs", type=int, default=1,
                        help="questions asked at the same time")
    return parser.parse_args()


def main() -> int:
    """Asks, prints the wrong answers and the count."""
    args = parse_args()
    listed = json.loads(args.questions.read_text(encoding="utf-8"))
    listed = [item for item in listed if item.get("e2e") or not args.e2e]
    server = Server(args.base, args.model, args.key)
    with ThreadPoolExecutor(args.jobs) as pool:
        answers = list(pool.map(lambda item: server.ask(item["question"], args.system), listed))
    right = 0
    for item, answer in zip(listed, answers):
        if answer == item["answer"]:
            right += 1
        else:
            print(f"wrong: {item['question']}\n  want: {item['answer']}\n  got:  {answer}")
    print(f"{right} right of {len(listed)}")
    return 0 if right == len(listed) else 1


if __name__ == "__main__":
    sys.exit(main())
