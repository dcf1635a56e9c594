"""Attention and the two blocks built on it.

In: tokens (B, n, d). Out: tokens of the same shape, and where another set is looked at, where each looked.
Knows nothing of what the tokens stand for.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention with a separate, biased projection for queries, keys, values and the result."""

    def __init__(self, width: int, heads: int, *, attention_dropout: float, residual_dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} can't be shared by {heads} heads")
        self.heads = heads
        self.key = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)
        self.attn_drop = nn.Dropout(attention_dropout)
        self.resid_drop = nn.Dropout(residual_dropout)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Let each token of `x` (B, n, d) gather from `context` (B, m, d).

        Returns:
            The gathered tokens (B, n, d), and the probabilities (B, heads, n, m) before dropout.
        """
        q, k, v = self._split(self.query(x)), self._split(self.key(context)), self._split(self.value(context))
        # (B, h, n, m) <- (B, h, n, d/h) x (B, h, d/h, m)
        probabilities = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)
        gathered = self.attn_drop(probabilities) @ v
        # (B, n, d) <- (B, h, n, d/h)
        return self.resid_drop(self.proj(gathered.transpose(1, 2).flatten(2))), probabilities

    def _split(self, x: Tensor) -> Tensor:
        # (B, h, n, d/h) <- (B, n, d)
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def feed_forward(width: int, dropout: float) -> nn.Sequential:
    """Two linear layers around an exact GELU, four times as wide inside."""
    return nn.Sequential(
        nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout)
    )


class SelfBlock(nn.Module):
    """A pre-norm block: every token looks at all of its own set."""

    def __init__(self, width: int, heads: int, *, attention_dropout: float, residual_dropout: float) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width)
        self.ln2 = nn.LayerNorm(width)
        self.attn = Attention(
            width, heads, attention_dropout=attention_dropout, residual_dropout=residual_dropout
        )
        self.mlp = feed_forward(width, residual_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n, d) -> (B, n, d)."""
        own = self.ln1(x)
        x = x + self.attn(own, own)[0]
        return x + self.mlp(self.ln2(x))


class CrossBlock(nn.Module):
    """A pre-norm block: tokens look at their own set, then at a context that is taken as it comes."""

    def __init__(self, width: int, heads: int, *, attention_dropout: float, residual_dropout: float) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width)
        self.ln2 = nn.LayerNorm(width)
        self.ln3 = nn.LayerNorm(width)
        dropouts = {"attention_dropout": attention_dropout, "residual_dropout": residual_dropout}
        self.attn = Attention(width, heads, **dropouts)
        self.xattn = Attention(width, heads, **dropouts)
        self.mlp = feed_forward(width, residual_dropout)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n, d), (B, m, d) -> (B, n, d) and where each token looked, (B, heads, n, m)."""
        own = self.ln1(x)
        x = x + self.attn(own, own)[0]
        gathered, looked = self.xattn(self.ln2(x), context)
        x = x + gathered
        return x + self.mlp(self.ln3(x)), looked
