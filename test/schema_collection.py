# SPDX-License-Identifier: Apache-2.0
"""What our terms make of a collection of schemas with instances, such as JSONSchemaBench.

    build/venv/bin/python test/schema_collection.py FILE.jsonl[.xz] [--samples N] [--show]

Each line of the file is {"id": ..., "schema": ..., "tests": [...]}, a test being {"data": ..., "valid": ...} or [valid, text].
A schema passes when it compiles, takes all valid instances in the order that they have, and no invalid one. --samples looks
with jsonschema at random texts that are taken, too; --show names each schema that does not pass, and why. The exit status is 1
when a text that is not valid was taken. HOSTLER_GRAMMAR_CHECK is the program, build/asan/test/grammar/grammar-check if unset.
"""

import argparse
import collections
import json
import lzma
import sys

import schema_reference as reference


def read(path):
    with (lzma.open if path.endswith(".xz") else open)(path, "rt") as file:
        return [json.loads(line) for line in file]


def instances(row):
    """Pairs of validity and text."""
    for test in row["tests"]:
        yield (test["valid"], json.dumps(test["data"])) if isinstance(test, dict) else test


def judge(row, answer):
    """How a schema fared, and a text or a reason that shows it."""
    if "error" in answer:
        return "refused", answer["why"] or answer["error"]
    pairs = [(valid, taken, text) for (valid, text), taken in zip(instances(row), answer["taken"])]
    let_through = [text for valid, taken, text in pairs if taken and not valid]
    let_through += [text for text in answer["samples"] if reference.is_valid(row["schema"], json.loads(text)) is False]
    if let_through:
        return "invalid taken", let_through[0]
    missed = [text for valid, taken, text in pairs if valid and not taken]
    return ("valid not taken", missed[0]) if missed else ("pass", "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    rows = read(options.file)
    answers = reference.check([{"schema": row["schema"], "texts": [text for _, text in instances(row)], "samples": options.samples}
                               for row in rows])
    verdicts, reasons = collections.Counter(), collections.Counter()
    for row, answer in zip(rows, answers):
        verdict, why = judge(row, answer)
        verdicts[verdict] += 1
        if verdict == "refused":
            reasons[why.partition(": ")[2] or why] += 1
        if options.show and verdict != "pass":
            print(f"{verdict}: {row.get('id')}: {why[:300]}")
    times = sorted(answer["us"] for answer in answers)
    for verdict, count in verdicts.most_common():
        print(f"{count:6} {100 * count / len(rows):5.1f} %  {verdict}")
    for reason, count in reasons.most_common():
        print(f"{count:6}          {reason}")
    print("compile, us of CPU time: " + ", ".join(f"{name} {times[int(len(times) * part)]}"
                                      for name, part in (("median", 0.5), ("p90", 0.9), ("p99", 0.99))) + f", max {times[-1]}")
    sys.exit(1 if verdicts["invalid taken"] else 0)


if __name__ == "__main__":
    main()
