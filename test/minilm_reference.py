# SPDX-License-Identifier: Apache-2.0
"""all-MiniLM-L6-v2 in NumPy, from its original weights in build/models/minilm (scripts/models minilm)."""

import functools
import json
import os
import pathlib

import gguf
import numpy as np

from bert_reference import Network, WordPiece

ROOT = pathlib.Path(os.environ.get("HOSTLER_ROOT", pathlib.Path(__file__).resolve().parent.parent))
FOLDER = ROOT / "build/models/minilm"
LAYERS, HEADS, POSITIONS = 6, 12, 512
LEFT_OUT = ("embeddings.position_ids", "pooler.")  # the vectors are means of the last layer


def read_safetensors(path):
    """The tensors of a file by name; only F32 and I64 are known."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    types = {"F32": np.float32, "I64": np.int64}
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[start + begin:start + end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def read_tensors(folder=FOLDER):
    """The encoder's tensors under GGUF's names."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, LAYERS)
    return {names.get_name(name, try_suffixes=(".weight", ".bias")): array
            for name, array in read_safetensors(folder / "model.safetensors").items() if not name.startswith(LEFT_OUT)}


def read_tokens(folder=FOLDER):
    """The tokens in the order of their ids."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    return sorted(vocabulary, key=vocabulary.get)


@functools.cache
def network():
    return Network(read_tensors(), LAYERS, HEADS)


@functools.cache
def word_piece():
    return WordPiece(read_tokens())


def tokens_of(text, limit=POSITIONS):
    return word_piece().text(text, limit)


def embed(texts, limit=POSITIONS):
    """The vectors of the texts, of length 1, as rows. What is longer than `limit` tokens is cut off."""
    return np.array([network().embed(tokens_of(text, limit)) for text in texts])
