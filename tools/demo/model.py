# SPDX-License-Identifier: Apache-2.0
"""A llama-architecture transformer in plain PyTorch, laid out the way GGUF expects it.

Rotary embedding turns neighbouring pairs (llama.cpp's NORM layout), so the weights of q and k go
into the file as they are, without the permutation that converters of other layouts need.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """Everything that fixes the size of the model."""

    vocab: int = 2048
    layers: int = 6
    width: int = 256
    heads: int = 8
    kv_heads: int = 4
    ffn: int = 704
    context: int = 2048
    rope_base: float = 10000.0
    norm_eps: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class RMSNorm(nn.Module):
    """Root-mean-square normalisation with a learned scale."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + self.eps)
        return (x.float() * scale * self.weight).to(x.dtype)


def rope_table(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Returns cosine and sine of each position and pair, both [length, head_width / 2]."""
    pairs = torch.arange(0, shape.head_width, 2, dtype=torch.float32)
    frequency = shape.rope_base ** (-pairs / shape.head_width)
    angle = torch.outer(torch.arange(length, dtype=torch.float32), frequency)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns each pair (2i, 2i+1) of x [batch, heads, length, head_width] by its angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)


class Attention(nn.Module):
    """Causal grouped-query attention."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_width
        self.q = nn.Linear(shape.width, shape.width, bias=False)
        self.k = nn.Linear(shape.width, kv_width, bias=False)
        self.v = nn.Linear(shape.width, kv_width, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, width = x.shape
        size = self.shape.head_width
        q = self.q(x).view(batch, length, self.shape.heads, size).transpose(1, 2)
        k = self.k(x).view(batch, length, self.shape.kv_heads, size).transpose(1, 2)
        v = self.v(x).view(batch, length, self.shape.kv_heads, size).transpose(1, 2)
        group = self.shape.heads // self.shape.kv_heads
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(mixed.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """One layer: attention, then the gated feed-forward network."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.attn_norm = RMSNorm(shape.width, shape.norm_eps)
        self.attn = Attention(shape)
        self.ffn_norm = RMSNorm(shape.width, shape.norm_eps)
        self.gate = nn.Linear(shape.width, shape.ffn, bias=False)
        self.up = nn.Linear(shape.width, shape.ffn, bias=False)
        self.down = nn.Linear(shape.ffn, shape.width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.dropout(self.attn(self.attn_norm(x), cos, sin))
        hidden = self.ffn_norm(x)
        return x + self.dropout(self.down(F.silu(self.gate(hidden)) * self.up(hidden)))


class DemoModel(nn.Module):
    """The whole model; the embedding doubles as the output projection."""

    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab, shape.width)
        self.blocks = nn.ModuleList(Block(shape, dropout) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.width, shape.norm_eps)
        cos, sin = rope_table(shape, shape.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._init_weights()

    def _init_weights(self) -> None:
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                continue
            residual = name.endswith(("output.weight", "down.weight"))
            std = 0.02 / (2 * self.shape.layers) ** 0.5 if residual else 0.02
            nn.init.normal_(parameter, std=std)

    def hidden(self, tokens: Tensor) -> Tensor:
        """Returns the normalised last hidden states [batch, length, width]."""
        length = tokens.shape[1]
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cos[:length], self.sin[:length])
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Projects hidden states of any leading shape to the vocabulary."""
        return F.linear(hidden, self.embedding.weight)

    def loss(self, tokens: Tensor, learn: Tensor) -> Tensor:
        """Mean cross-entropy of the tokens marked in `learn`, each predicted from those before."""
        states = self.hidden(tokens[:, :-1])
        wanted = learn[:, 1:]
        return F.cross_entropy(self.logits(states[wanted]).float(), tokens[:, 1:][wanted])

    def count_parameters(self) -> int:
        """Returns the number of trained numbers."""
        return sum(parameter.numel() for parameter in self.parameters())
