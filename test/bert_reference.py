# SPDX-License-Identifier: Apache-2.0
"""BERT in NumPy: what an engine's embeddings and rankings are compared with.

libllama makes other tokens of some texts: it leaves Hangul whole, drops vowel signs that are spacing marks, and has no
limit for the length of a word. Texts to compare have none of those.
"""

import math
import unicodedata

import numpy as np

WORD_MAX = 100  # longer ones are unknown


# --- tokens ---


def is_ideograph(c):
    return any(low <= ord(c) <= high for low, high in ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
                                                       (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)))


def is_punctuation(c):
    ascii_symbol = 33 <= ord(c) <= 47 or 58 <= ord(c) <= 64 or 91 <= ord(c) <= 96 or 123 <= ord(c) <= 126
    return ascii_symbol or unicodedata.category(c).startswith("P")


def words_of(text):
    """Lower case without accents; punctuation and ideographs stand alone."""
    plain = "".join(" " if c.isspace() else c for c in text if c != "\ufffd" and (c in "\t\n\r" or unicodedata.category(c)[0] != "C"))
    lower = "".join(c for c in unicodedata.normalize("NFD", plain) if unicodedata.category(c) != "Mn").lower()
    return "".join(f" {c} " if is_punctuation(c) or is_ideograph(c) else c for c in lower).split()


class WordPiece:
    """Tokens by id; "##" marks those that go on."""

    def __init__(self, tokens):
        self.ids = {token: i for i, token in enumerate(tokens)}

    def pieces_of(self, word):
        """The longest known piece, then the longest that goes on with the rest; a word with an unknown rest is unknown."""
        pieces, start = [], 0
        while start < len(word) <= WORD_MAX:
            mark = "##" if start else ""
            end = next((e for e in range(len(word), start, -1) if mark + word[start:e] in self.ids), None)
            if end is None:
                return ["[UNK]"]
            pieces.append(mark + word[start:end])
            start = end
        return pieces or ["[UNK]"]

    def plain(self, text):
        return [self.ids[piece] for word in words_of(text) for piece in self.pieces_of(word)]

    def text(self, text, limit):
        """The ids of a text, enclosed; what is longer than `limit` is cut off."""
        return [self.ids["[CLS]"], *self.plain(text)[:limit - 2], self.ids["[SEP]"]]

    def pair(self, question, text):
        separator = self.ids["[SEP]"]
        return [self.ids["[CLS]"], *self.plain(question), separator, *self.plain(text), separator]


# --- the network ---


ERF = np.frompyfunc(math.erf, 1, 1)


def gelu(x):
    return x * 0.5 * (1 + ERF(x / math.sqrt(2)).astype(np.float32))


class Network:
    """An encoder of tensors with GGUF's names. All tokens are of type 0, as they are in libllama."""

    def __init__(self, tensors, layers, heads, epsilon=1e-12):
        self.tensors = {name: np.asarray(array, np.float32) for name, array in tensors.items()}
        self.layers, self.heads, self.epsilon = layers, heads, epsilon

    def linear(self, x, name):
        return x @ self.tensors[name + ".weight"].T + self.tensors[name + ".bias"]

    def normed(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon)
        return x / scale * self.tensors[name + ".weight"] + self.tensors[name + ".bias"]

    def attention(self, x, name):
        """Each token looks at all."""
        query, key, value = (self.linear(x, f"{name}.attn_{part}").reshape(len(x), self.heads, -1).transpose(1, 0, 2)
                             for part in "qkv")
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return self.linear((weights @ value).transpose(1, 0, 2).reshape(x.shape), f"{name}.attn_output")

    def layer(self, x, name):
        x = self.normed(x + self.attention(x, name), f"{name}.attn_output_norm")
        inner = gelu(self.linear(x, f"{name}.ffn_up"))
        return self.normed(x + self.linear(inner, f"{name}.ffn_down"), f"{name}.layer_output_norm")

    def encode(self, ids):
        """A vector for each token."""
        known = self.tensors
        x = known["token_embd.weight"][ids] + known["position_embd.weight"][:len(ids)] + known["token_types.weight"][0]
        x = self.normed(x, "token_embd_norm")
        for i in range(self.layers):
            x = self.layer(x, f"blk.{i}")
        return x

    def embed(self, ids):
        """The mean of all tokens, of length 1."""
        mean = self.encode(ids).mean(0)
        return mean / np.linalg.norm(mean)

    def score(self, ids):
        """What the ranking head says of the first token; no limits."""
        return float(self.linear(np.tanh(self.linear(self.encode(ids)[0], "cls")), "cls.output")[0])
