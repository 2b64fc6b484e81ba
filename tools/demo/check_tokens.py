# SPDX-License-Identifier: Apache-2.0
"""Compares the trained vocabulary with libllama's reading of it: the whole corpus, odd strings.

    python tools/demo/check_tokens.py http://127.0.0.1:8081/tokenize --checkpoint build/demo

The URL is the /tokenize of a server that loaded the exported file (llama-server or hostler-engine).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dialogue import load_material, texts_for_tokenizer
from openai_http import Server
from tokenizer import load_tokenizer

_ODD = (
    "", " ", "  ", "\n", "\n\n", " \n \t x", "a  b   c", "it's we're I'LL", "12345 x6 7y",
    "naïve café",
    "日本語 テスト", "🐴🐎", "a\tb\r\nc", "http://10.0.0.5:8000/v1", '{"a": [1, 2.5]}',
    "…—“quoted”", "--json -c",
    "x^2 + y_1", "\u00a0nbsp", "٣٤ ½ ²", "e\u0301", "_HOSTLER_", "trailing ", "don't  stop",
)


def main() -> int:
    """Compares every text and prints the count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--checkpoint", type=Path, default=Path("build/demo"))
    args = parser.parse_args()
    tokenizer = load_tokenizer(args.checkpoint / "tokenizer.json")
    server = Server(args.url)
    texts = list(dict.fromkeys([*texts_for_tokenizer(load_material()), *_ODD]))
    differing = 0
    for text in texts:
        theirs = server.post(args.url, {"content": text, "add_special": False})["tokens"]
        if theirs != tokenizer.encode(text).ids:
            differing += 1
            print(f"differs: {text!r}\n  {theirs}\n  {tokenizer.encode(text).ids}")
    print(f"{len(texts) - differing} equal of {len(texts)}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
