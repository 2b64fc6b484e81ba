# SPDX-License-Identifier: Apache-2.0
"""Writes GGUF files of the BERT architecture: encoders for embeddings and rankings.

Used by scripts/minilm for real weights and by test/tiny_models.py for random ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORD_BEGINS = "\u2581"


@dataclass(frozen=True)
class Shape:
    """The numbers of the architecture."""

    layers: int
    width: int
    heads: int
    ffn: int
    context: int  # positions
    norm_epsilon: float = 1e-12


def spelled(token: str) -> str:
    """A WordPiece token as libllama wants it: marked where a word begins, and not where one goes on."""
    if token in SPECIALS:
        return token
    return token[2:] if token.startswith("##") else WORD_BEGINS + token


def add_vocabulary(writer: gguf.GGUFWriter, tokens: list[str]) -> None:
    """Writes WordPiece tokens, "##" marking those that go on, and which ones are special. A text is enclosed in [CLS] and
    [SEP]; of two, each ends with [SEP]."""
    kinds = [gguf.TokenType.CONTROL if token in SPECIALS else gguf.TokenType.NORMAL for token in tokens]
    pad, unknown, begin, separator, mask = (tokens.index(token) for token in SPECIALS)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([spelled(token) for token in tokens])
    writer.add_token_types(kinds)
    writer.add_token_type_count(2)
    writer.add_bos_token_id(begin)
    writer.add_eos_token_id(separator)
    writer.add_sep_token_id(separator)
    writer.add_unk_token_id(unknown)
    writer.add_pad_token_id(pad)
    writer.add_mask_token_id(mask)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
    writer.add_add_sep_token(False)


def add_shape(writer: gguf.GGUFWriter, shape: Shape, pooling: gguf.PoolingType) -> None:
    """Writes the numbers, and what is made of the last layer."""
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_eps(shape.norm_epsilon)
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling)


def add_tensor(writer: gguf.GGUFWriter, name: str, array: np.ndarray) -> None:
    """Matrices as F16; F32 what is added or multiplied element by element."""
    by_element = array.ndim == 1 or name.startswith(("position_embd", "token_types"))
    writer.add_tensor(name, np.ascontiguousarray(array, dtype=np.float32 if by_element else np.float16))


def write(path: Path, name: str, shape: Shape, tokens: list[str], tensors: dict[str, np.ndarray],
          pooling: gguf.PoolingType) -> None:
    """Writes the file. `tensors` have GGUF's names."""
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    add_shape(writer, shape, pooling)
    add_vocabulary(writer, tokens)
    if pooling == gguf.PoolingType.RANK:
        writer.add_classifier_output_labels(["relevance"])
    for tensor, array in tensors.items():
        add_tensor(writer, tensor, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
