"""The parts of which MDVC's and BMT's transformers are made. Names of layers are those of the released code.

In: tokens (B, n, d) and masks that are true where one may look. Out: tokens. Knows no stream and no words.

Each attention can be asked in two steps, keys and values first, so that a sentence that is said word by word
projects what it looks at only once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

KeysValues = tuple[Tensor, Tensor]
"""(B, heads, m, d/heads) each."""


class Attention(nn.Module):
    """Multi-head attention between tokens of different widths, inside a third.

    Unlike in most transformers, dropout falls on what was gathered, not on where was looked.
    """

    def __init__(
        self,
        query_width: int,
        memory_width: int,
        inner_width: int,
        heads: int,
        *,
        dropout: float = 0.0,
        listed: bool = False,
    ) -> None:
        """`listed`: the four layers are a list, as in MDVC's released weights, and not named as in BMT's."""
        super().__init__()
        if inner_width % heads:
            raise ValueError(f"a width of {inner_width} can't be shared by {heads} heads")
        self.heads = heads
        query, key = nn.Linear(query_width, inner_width), nn.Linear(memory_width, inner_width)
        value, back = nn.Linear(memory_width, inner_width), nn.Linear(inner_width, query_width)
        self.listed = listed
        if listed:
            self.linears = nn.ModuleList([query, key, value, back])
        else:
            self.linear_Q2d, self.linear_K2d, self.linear_V2d, self.linear_d2Q = query, key, value, back
        self.dropout = nn.Dropout(dropout)

    def keys_values(self, memory: Tensor) -> KeysValues:
        """(B, m, d_memory) -> what `look` needs of it."""
        _, key, value, _ = self._layers()
        return self._split(key(memory)), self._split(value(memory))

    def look(self, x: Tensor, keys_values: KeysValues, mask: Tensor) -> Tensor:
        """Let each token of `x` (B, n, d) gather from the tokens behind `keys_values`.

        Args:
            x: the tokens.
            keys_values: of m tokens.
            mask: (B, n or 1, m), true where a token may look.
        """
        keys, values = keys_values
        query, _, _, back = self._layers()
        q = self._split(query(x))
        scores = q @ keys.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, h, n, m)
        # Not minus infinity: a token that may look nowhere shall not become NaN.
        scores = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min)
        gathered = self.dropout(torch.softmax(scores, dim=-1) @ values)
        # (B, n, d) <- (B, h, n, d/h)
        return back(gathered.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """(B, n, d), (B, m, d_memory), (B, n or 1, m) -> (B, n, d)."""
        return self.look(x, self.keys_values(memory), mask)

    def _layers(self) -> tuple[nn.Module, ...]:
        if self.listed:
            return tuple(self.linears)
        return self.linear_Q2d, self.linear_K2d, self.linear_V2d, self.linear_d2Q

    def _split(self, x: Tensor) -> Tensor:
        # (B, h, n, d/h) <- (B, n, d)
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Residual(nn.Module):
    """x + dropout(f(norm(x))), as every sublayer is wrapped."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """(B, n, d) -> (B, n, d)."""
        return x + self.dropout(sublayer(self.norm(x)))


class FeedForward(nn.Module):
    """Two linear layers, rectified between."""

    def __init__(self, width: int, hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n, d) -> (B, n, d)."""
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class Positions(nn.Module):
    """Adds where a token stands.

    Sines on even channels, cosines on odd ones; an odd channel's wavelength is its own, not its neighbour's.
    """

    def __init__(self, width: int, longest: int, dropout: float) -> None:
        super().__init__()
        channels = np.arange(width)
        angles = np.arange(longest)[:, None] / 10000 ** (channels / width)
        table = np.where(channels % 2, np.cos(angles), np.sin(angles))
        # No weight of the released networks.
        self.register_buffer("table", torch.tensor(table, dtype=torch.float32), persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens that begin at position 0. Shape: (B, n, d) -> (B, n, d)."""
        return self.dropout(x + self.table[: x.shape[1]].to(x.dtype))

    def at(self, x: Tensor, position: Tensor) -> Tensor:
        """Tokens that all stand at one position. Shape: (B, 1, d), (1,) int64 -> (B, 1, d)."""
        return self.dropout(x + self.table[position].to(x.dtype))


class Words(nn.Module):
    """Tokens -> word vectors, times the root of their width."""

    def __init__(self, vocabulary: int, width: int, word_width: int | None = None) -> None:
        super().__init__()
        self.scale = math.sqrt(width)
        if word_width is None or word_width == width:
            self.embedder: nn.Module = nn.Embedding(vocabulary, width)
        else:
            self.embedder = nn.Sequential(
                nn.Embedding(vocabulary, word_width), nn.Linear(word_width, width), nn.ReLU()
            )

    @property
    def vectors(self) -> nn.Embedding:
        """The table itself, where GloVe's vectors go."""
        table = self.embedder[0] if isinstance(self.embedder, nn.Sequential) else self.embedder
        assert isinstance(table, nn.Embedding)
        return table

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, n) int64 -> (B, n, d)."""
        return self.embedder(tokens) * self.scale


class Features(nn.Module):
    """Rows of features -> tokens, by a linear layer times the root of the width; BMT rectifies it."""

    def __init__(self, features: int, width: int, *, rectified: bool = True) -> None:
        super().__init__()
        self.scale = math.sqrt(width)
        self.embedder = nn.Linear(features, width)
        self.rectified = rectified

    def forward(self, rows: Tensor) -> Tensor:
        """(B, n, features) -> (B, n, d)."""
        tokens = self.embedder(rows) * self.scale
        return F.relu(tokens) if self.rectified else tokens


def embedder(features: int, width: int, *, linear: bool, rectified: bool = True) -> nn.Module:
    """What turns rows of features into tokens.

    Raises:
        ValueError: the widths differ and there is no layer between.
    """
    if linear:
        return Features(features, width, rectified=rectified)
    if features != width:
        raise ValueError(f"features of {features} numbers need a linear embedder to be tokens of {width}")
    return nn.Identity()


class EncoderLayer(nn.Module):
    """Tokens look at one another."""

    def __init__(self, width: int, hidden: int, dropout: float, attention: Callable[[], Attention]) -> None:
        super().__init__()
        self.res_layers = nn.ModuleList(Residual(width, dropout) for _ in range(2))
        self.self_att = attention()
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, n, d), (B, 1, n) -> (B, n, d)."""
        x = self.res_layers[0](x, lambda own: self.self_att(own, own, mask))
        return self.res_layers[1](x, self.feed_forward)


class Encoder(nn.Module):
    """A stack of encoder layers, without a norm at its end."""

    def __init__(
        self, layers: int, width: int, hidden: int, dropout: float, attention: Callable[[], Attention]
    ) -> None:
        super().__init__()
        self.enc_layers = nn.ModuleList(
            EncoderLayer(width, hidden, dropout, attention) for _ in range(layers)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, n, d), (B, 1, n) -> (B, n, d)."""
        for layer in self.enc_layers:
            x = layer(x, mask)
        return x


class DecoderLayer(nn.Module):
    """Words look at the words before them, then at what they describe."""

    def __init__(self, width: int, hidden: int, dropout: float, attention: Callable[[], Attention]) -> None:
        super().__init__()
        self.res_layers = nn.ModuleList(Residual(width, dropout) for _ in range(3))
        self.self_att = attention()
        self.enc_att = attention()
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, x: Tensor, before: Before, memory: KeysValues, memory_mask: Tensor) -> Tensor:
        """(B, n, d) -> (B, n, d)."""
        x = self.res_layers[0](x, lambda own: before.look(self.self_att, own))
        x = self.res_layers[1](x, lambda own: self.enc_att.look(own, memory, memory_mask))
        return self.res_layers[2](x, self.feed_forward)


class Decoder(nn.Module):
    """A stack of decoder layers, without a norm at its end."""

    def __init__(
        self, layers: int, width: int, hidden: int, dropout: float, attention: Callable[[], Attention]
    ) -> None:
        super().__init__()
        self.dec_layers = nn.ModuleList(
            DecoderLayer(width, hidden, dropout, attention) for _ in range(layers)
        )

    def memories(self, memory: Tensor) -> list[KeysValues]:
        """What each layer needs of the tokens (B, m, d) that are described."""
        return [layer.enc_att.keys_values(memory) for layer in self.dec_layers]

    def forward(self, x: Tensor, before: Before, memories: list[KeysValues], memory_mask: Tensor) -> Tensor:
        """(B, n, d) -> (B, n, d)."""
        for layer, memory in zip(self.dec_layers, memories, strict=True):
            x = layer(x, before, memory, memory_mask)
        return x


class Before:
    """What the self-attentions of a decoder see: the words so far.

    A whole sentence is seen through a mask. Where a sentence is said word by word, each attention's keys and
    values of the words before come in, one pair an attention in the order of their asking, and go out with
    those of the new word.
    """

    def __init__(self, said: Tensor, past: list[KeysValues] | None = None) -> None:
        """`said`: (B, n) bool, false for padding among the words; n is 1 where there is a past."""
        self._said = said
        self._past = None if past is None else list(past)
        self.present: list[KeysValues] = []

    def look(self, attention: Attention, own: Tensor) -> Tensor:
        """(B, n, d) -> (B, n, d): the tokens look at themselves and at what was before."""
        keys, values = attention.keys_values(own)
        if self._past is None:
            words = own.shape[1]
            causal = torch.ones(words, words, dtype=torch.bool, device=own.device).tril()
            return attention.look(own, (keys, values), self._said.unsqueeze(1) & causal)
        # Padding is never looked at again. Its key is remembered as zeros, which no biased layer gives.
        keys = keys * self._said[:, None, :, None].to(keys.dtype)
        past_keys, past_values = self._past[len(self.present)]
        keys, values = torch.cat([past_keys, keys], dim=2), torch.cat([past_values, values], dim=2)
        self.present.append((keys, values))
        return attention.look(own, (keys, values), (keys[:, 0] != 0).any(dim=-1).unsqueeze(1))


class Generator(nn.Module):
    """Tokens -> log-probabilities of the next word."""

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, vocabulary)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n, d) -> (B, n, V)."""
        return torch.log_softmax(self.linear(x), dim=-1)


def xavier(module: nn.Module) -> None:
    """The authors' start: every weight with two or more axes by Glorot's uniform rule."""
    for weight in module.parameters():
        if weight.dim() > 1:
            nn.init.xavier_uniform_(weight)


def row_mask(rows: Tensor, pad_value: float) -> Tensor:
    """Where there are features. Shape: (B, n, features) -> bool (B, 1, n)."""
    return (rows[..., 0] != pad_value).unsqueeze(1)


def smoothed_loss(log_probs: Tensor, targets: Tensor, *, smoothing: float = 0.7, pad: int = 1) -> Tensor:
    """Label-smoothed divergence, summed and divided by the number of words.

    A word's target is 1 - `smoothing` for itself and the rest shared by the others, of which the authors
    count V - 2; nothing is asked of padding, neither as a word nor as an answer.

    Shape: (B, n, V), (B, n) -> ().
    """
    words = targets != pad
    share = smoothing / (log_probs.shape[-1] - 2)
    wanted = torch.full_like(log_probs, share)
    wanted.scatter_(-1, targets.unsqueeze(-1), 1 - smoothing)
    wanted[..., pad] = 0
    wanted = wanted * words.unsqueeze(-1)
    return F.kl_div(log_probs, wanted, reduction="sum") / words.sum()
