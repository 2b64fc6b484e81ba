#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a llama-architecture GGUF file with random weights, for benchmarks.

Examples:
  # about 135M parameters, the shape of a small chat model, 145 MB
  tools/random_gguf.py --out build/random-135m.gguf --layers 30 --width 576 --heads 9 \\
      --kv-heads 3 --ffn 1536 --vocab 49152 --type Q8_0
  # the same by name
  tools/random_gguf.py --out build/random-135m.gguf --preset 135m
  # a tiny one for tests, a megabyte or two
  tools/random_gguf.py --out build/tiny.gguf --preset tiny

What the file promises:
  * The same arguments and seed give the same bytes.
  * The vocabulary is byte-level BPE (pre-tokeniser gpt-2), so that any text can be tokenised. Its
    other tokens are made-up words: every word " CVCV" of two syllables from the letters
    bcdfghjklmnpqrstvwxz and aeiouy, such as " bako", is one token if --vocab is at least 29179,
    so a prompt of N such words has N tokens.
  * The chat template is ChatML. End of sequence is <|im_end|>.
  * Generated text is made of printable ASCII, tabs and line feeds: the special tokens, the other
    control bytes and the bytes from 128 on carry a logit about 20 below the rest, whatever the
    input, unless the input itself ends in such a token. So a request runs to its max_tokens even
    without ignore_eos or logit_bias, with greedy decoding as well as at temperature 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

import gguf
import numpy as np

CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SPACE = "\u0120"  # how byte-level BPE spells the space
BLOCK = 32        # numbers per quantisation block

_TYPES = {
    "F32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "F16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "Q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "Q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}

# Channel 0 of the residual stream is a constant that no layer writes; see Weights.embedding.
_EMBEDDING_STD = 0.05
_CONSTANT = 1.0
_UNWANTED = -10.0
_CONSTANT_GAIN = 8.0


@dataclass(frozen=True)
class Shape:
    """The numbers that fix a model's size."""

    layers: int = 30
    width: int = 576
    heads: int = 9
    kv_heads: int = 3
    ffn: int = 1536
    vocab: int = 49152
    context: int = 8192

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    def problem(self) -> str | None:
        """Says what makes the shape impossible, or None."""
        if self.width % self.heads or self.heads % self.kv_heads:
            return "width must be a multiple of heads, and heads of kv-heads"
        if self.head_width % 2:
            return "width / heads must be even"
        if self.width % BLOCK or self.ffn % BLOCK:
            return f"width and ffn must be multiples of {BLOCK}"
        if self.vocab < len(SPECIALS) + 256:
            return f"vocab must be at least {len(SPECIALS) + 256}"
        return None


PRESETS = {
    "tiny": Shape(layers=2, width=64, heads=2, kv_heads=1, ffn=128, vocab=4096, context=2048),
    "135m": Shape(),
    "1b": Shape(layers=16, width=2048, heads=32, kv_heads=8, ffn=8192, vocab=128256, context=8192),
}


def byte_alphabet() -> dict[int, str]:
    """Maps each byte to the printable character by which byte-level BPE spells it."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: chr(byte) for byte in plain}
    others = (byte for byte in range(256) if byte not in table)
    table.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return table


def synthetic_merges() -> Iterator[tuple[str, str]]:
    """Yields merges in rank order; each one makes a new token of its two parts."""
    syllables = [(c, v) for c in "bcdfghjklmnpqrstvwxz" for v in "aeiouy"]
    single = [c + v for c, v in syllables]
    double = [a + b for a, b in product(single, single)]
    yield from syllables
    yield from product(single, single)
    yield from ((SPACE, word) for word in double)
    yield from ((SPACE, word) for word in single)
    yield from product(double, single)


def is_wanted(byte: int) -> bool:
    """Tells whether generated text may contain the byte."""
    return byte in (0x09, 0x0A) or 0x20 <= byte < 0x7F


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, their merges, and the ids that generated text must not contain."""

    tokens: list[str]
    merges: list[str]
    unwanted: list[int]


def make_vocabulary(size: int) -> Vocabulary:
    """Builds specials, one token per byte, then synthetic words up to the size."""
    alphabet = byte_alphabet()
    first_byte = len(SPECIALS)
    merges = list(islice(synthetic_merges(), size - first_byte - 256))
    tokens = [*SPECIALS, *(alphabet[byte] for byte in range(256)), *(a + b for a, b in merges)]
    unwanted = [*range(first_byte), *(first_byte + b for b in range(256) if not is_wanted(b))]
    if len(tokens) != size:
        raise ValueError(f"vocab can be at most {len(tokens)}")
    return Vocabulary(tokens, [f"{a} {b}" for a, b in merges], unwanted)


class Weights:
    """Draws the tensors, one at a time."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        self.rng = np.random.default_rng(seed)

    def _normal(self, rows: int, columns: int, std: float) -> np.ndarray:
        array = self.rng.standard_normal((rows, columns), dtype=np.float32)
        array *= std
        return array

    def matrix(self, rows: int, columns: int) -> np.ndarray:
        """A projection that about keeps the size of its input."""
        return self._normal(rows, columns, columns ** -0.5)

    def to_residual(self, columns: int) -> np.ndarray:
        """A projection into the residual stream; channel 0 stays as it is."""
        array = self.matrix(self.shape.width, columns)
        array[0] = 0
        return array

    def embedding(self, unwanted: list[int]) -> np.ndarray:
        """Token rows. Channel 0 is positive for wanted tokens, so the last hidden state's is too,
        and strongly negative for unwanted ones, which pushes their logits down."""
        array = self._normal(self.shape.vocab, self.shape.width, _EMBEDDING_STD)
        array[:, 0] = _CONSTANT
        array[unwanted, 0] = _UNWANTED
        return array

    def output_norm(self) -> np.ndarray:
        """The last normalisation, which amplifies channel 0."""
        scale = np.ones(self.shape.width, dtype=np.float32)
        scale[0] = _CONSTANT_GAIN
        return scale

    def layer(self, index: int) -> Iterator[tuple[str, np.ndarray]]:
        """Yields names and values of one layer's tensors."""
        width, ffn = self.shape.width, self.shape.ffn
        kv_width = self.shape.kv_heads * self.shape.head_width
        prefix = f"blk.{index}."
        yield prefix + "attn_norm.weight", np.ones(width, dtype=np.float32)
        yield prefix + "attn_q.weight", self.matrix(width, width)
        yield prefix + "attn_k.weight", self.matrix(kv_width, width)
        yield prefix + "attn_v.weight", self.matrix(kv_width, width)
        yield prefix + "attn_output.weight", self.to_residual(width)
        yield prefix + "ffn_norm.weight", np.ones(width, dtype=np.float32)
        yield prefix + "ffn_gate.weight", self.matrix(ffn, width)
        yield prefix + "ffn_up.weight", self.matrix(ffn, width)
        yield prefix + "ffn_down.weight", self.to_residual(ffn)


def add_metadata(writer: gguf.GGUFWriter, shape: Shape, name: str, kind: str, pooling: str | None) -> None:
    """Writes name and shape, and what an embedding is made of."""
    writer.add_name(name)
    writer.add_description("Random weights, for benchmarks only.")
    writer.add_file_type(_TYPES[kind][1])
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_vocab_size(shape.vocab)
    if pooling:
        writer.add_pooling_type(gguf.PoolingType[pooling.upper()])


def add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """Writes tokens, merges, special ids and the chat template."""
    control = [gguf.TokenType.CONTROL] * len(SPECIALS)
    normal = [gguf.TokenType.NORMAL] * (len(vocabulary.tokens) - len(SPECIALS))
    end = SPECIALS.index("<|im_end|>")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(control + normal)
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(0)
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def add_tensor(writer: gguf.GGUFWriter, name: str, array: np.ndarray, kind: str) -> None:
    """Adds a matrix in the chosen type, or a vector as F32."""
    if array.ndim == 1 or kind == "F32":
        writer.add_tensor(name, array)
        return
    raw = _TYPES[kind][0]
    writer.add_tensor(name, gguf.quants.quantize(array, raw), raw_dtype=raw)


def build(writer: gguf.GGUFWriter, shape: Shape, args: argparse.Namespace) -> int:
    """Fills the writer and returns the number of parameters."""
    vocabulary = make_vocabulary(shape.vocab)
    add_metadata(writer, shape, args.name or args.out.stem, args.type, args.pooling)
    add_vocabulary(writer, vocabulary)
    weights = Weights(shape, args.seed)
    embedding = weights.embedding(vocabulary.unwanted)
    add_tensor(writer, "token_embd.weight", embedding, args.type)
    parameters = embedding.size
    if args.untied:
        add_tensor(writer, "output.weight", weights.embedding(vocabulary.unwanted), args.type)
        parameters += embedding.size
    for index in range(shape.layers):
        for name, array in weights.layer(index):
            add_tensor(writer, name, array, args.type)
            parameters += array.size
        progress(args, f"layer {index + 1} of {shape.layers}, {parameters / 1e6:.1f}M parameters")
    norm = weights.output_norm()
    add_tensor(writer, "output_norm.weight", norm, args.type)
    return parameters + norm.size


def progress(args: argparse.Namespace, text: str) -> None:
    """Shows one line that replaces the one before; only on a terminal."""
    if not args.quiet and sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


def write(shape: Shape, args: argparse.Namespace) -> None:
    """Writes the file beside its place, then moves it there."""
    began = time.monotonic()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    partial = args.out.with_name(args.out.name + ".partial")
    writer = gguf.GGUFWriter(partial, "llama")
    parameters = build(writer, shape, args)
    progress(args, "writing")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(args.out)
    progress(args, "")
    if not args.quiet:
        print(f"{args.out}: {parameters / 1e6:.1f}M parameters, {args.type}, "
              f"{args.out.stat().st_size / 1e6:.1f} MB, {time.monotonic() - began:.1f} s")


def parse_args() -> tuple[Shape, argparse.Namespace]:
    """Reads the command line; numbers override the preset's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="135m")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--width", type=int, help="embedding width, a multiple of 32")
    parser.add_argument("--heads", type=int, help="attention heads")
    parser.add_argument("--kv-heads", type=int, help="key and value heads")
    parser.add_argument("--ffn", type=int, help="feed-forward width, a multiple of 32")
    parser.add_argument("--vocab", type=int, help="number of tokens, at least 259")
    parser.add_argument("--context", type=int, help="declared context length")
    parser.add_argument("--type", choices=list(_TYPES), default="Q8_0", help="type of the matrices")
    parser.add_argument("--untied", action="store_true", help="give the output its own matrix")
    parser.add_argument("--pooling", choices=["mean", "cls", "last"], help="declared way from a text's tokens to one vector")
    parser.add_argument("--name", help="general.name in the file; the file's stem unless given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    args = parser.parse_args()
    fields = ("layers", "width", "heads", "kv_heads", "ffn", "vocab", "context")
    given = {field: getattr(args, field) for field in fields if getattr(args, field) is not None}
    if any(value < 1 for value in given.values()):
        parser.error("sizes must be positive")
    shape = replace(PRESETS[args.preset], **given)
    if shape.problem():
        parser.error(str(shape.problem()))
    return shape, args


def main() -> None:
    """Writes the file that the command line describes."""
    write(*parse_args())


if __name__ == "__main__":
    main()
