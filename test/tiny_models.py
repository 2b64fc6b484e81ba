# SPDX-License-Identifier: Apache-2.0
"""Small models of random weights, for what the demo model cannot do. They are written to build/test once; the same weights
each time.

    build/venv/bin/python test/tiny_models.py     writes them all and prints where
"""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(os.environ.get("HOSTLER_ROOT", pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(ROOT / "tools"))

import gguf  # noqa: E402
import numpy as np  # noqa: E402

import bert_gguf  # noqa: E402
from bert_reference import Network, WordPiece  # noqa: E402

FOLDER = ROOT / "build/test"
SHAPE = bert_gguf.Shape(layers=2, width=64, heads=2, ffn=128, context=512)
LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789"]
TOKENS = [*bert_gguf.SPECIALS, *".,:;!?'-", *LETTERS, *("##" + letter for letter in LETTERS)]  # any ASCII word is known


SOURCES = (pathlib.Path(__file__), ROOT / "tools/bert_gguf.py", ROOT / "tools/random_gguf.py")


def is_stale(path):
    return not path.exists() or path.stat().st_mtime < max(source.stat().st_mtime for source in SOURCES)


def made(name, write):
    """build/test/NAME, which `write` makes when it is not there, or older than what makes it."""
    path = FOLDER / name
    if is_stale(path):
        FOLDER.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}")
        write(half)
        half.rename(path)
    return path


def norm(name, width):
    return {f"{name}.weight": np.ones(width), f"{name}.bias": np.zeros(width)}


def bert_tensors():
    """The encoder's, and a ranking head with one output."""
    rng = np.random.default_rng(1)
    width, ffn = SHAPE.width, SHAPE.ffn

    def linear(name, rows, columns):
        return {f"{name}.weight": rng.standard_normal((rows, columns)) * columns ** -0.5,
                f"{name}.bias": rng.standard_normal(rows) * 0.02}

    tensors = {"token_embd.weight": rng.standard_normal((len(TOKENS), width)), "token_types.weight": np.zeros((2, width)),
               "position_embd.weight": rng.standard_normal((SHAPE.context, width)) * 0.1, **norm("token_embd_norm", width)}
    for i in range(SHAPE.layers):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors |= linear(f"blk.{i}.{part}", width, width)
        tensors |= linear(f"blk.{i}.ffn_up", ffn, width) | linear(f"blk.{i}.ffn_down", width, ffn)
        tensors |= norm(f"blk.{i}.attn_output_norm", width) | norm(f"blk.{i}.layer_output_norm", width)
    return tensors | linear("cls", width, width) | linear("cls.output", 1, width)


def reranker():
    """BERT with pooling `rank`: a score for each pair of question and text."""
    return made("tiny-reranker.gguf", lambda path: bert_gguf.write(path, "tiny-reranker", SHAPE, TOKENS, bert_tensors(),
                                                                   gguf.PoolingType.RANK))


def rank(question, texts):
    """The scores that the reranker gives, in NumPy; no limits, the higher the better."""
    network, word_piece = Network(bert_tensors(), SHAPE.layers, SHAPE.heads, SHAPE.norm_epsilon), WordPiece(TOKENS)
    return [network.score(word_piece.pair(question, text)) for text in texts]


def last_pooling():
    """A llama-like decoder whose embeddings are the last token's."""
    return made("tiny-last.gguf", lambda path: subprocess.run(
        [sys.executable, ROOT / "tools/random_gguf.py", "--preset", "tiny", "--type", "F16", "--pooling", "last", "--quiet",
         "--name", "tiny-last", "--out", path], check=True))


if __name__ == "__main__":
    print(reranker(), last_pooling(), sep="\n")
