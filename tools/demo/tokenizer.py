# SPDX-License-Identifier: Apache-2.0
"""The demo model's byte-level BPE, trained on the corpus; libllama reads it the same way.

It uses the pre-tokeniser that libllama calls `smollm`: first isolate each digit, then split like
GPT-2. Single digits let a small model learn sums instead of memorising number tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

PRE_TOKENIZER = "smollm"
END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
SPECIALS = (END_OF_TEXT, TURN_START, TURN_END)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Trains the vocabulary; the specials take the ids 0, 1 and 2."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def load_tokenizer(path: Path) -> Tokenizer:
    """Loads a vocabulary written by Tokenizer.save."""
    return Tokenizer.from_file(str(path))
