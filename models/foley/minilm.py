"""all-MiniLM-L6-v2: the tokens of a text -> a row of numbers that tells what it means.

BERT (Devlin et al., 2018) of six layers, distilled (Wang et al., MiniLM, 2020), the mean of its tokens, of
length 1 (Reimers and Gurevych, Sentence-BERT, 2019). Weights are not part of this project: `python -m export
fetch minilm`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WORDS, PLACES, WIDTH, LAYERS, HEADS, INNER = 30522, 512, 384, 6, 12, 1536
EPS = 1e-12


class Embeddings(nn.Module):
    """A token, its place, and that there is but one text."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(WORDS, WIDTH)
        self.position_embeddings = nn.Embedding(PLACES, WIDTH)
        self.token_type_embeddings = nn.Embedding(2, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, EPS)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, n) -> (B, n, d)."""
        places = self.position_embeddings.weight[: ids.shape[1]]
        return self.LayerNorm(self.word_embeddings(ids) + places + self.token_type_embeddings.weight[0])


class Added(nn.Module):
    """What a part of a layer found, added to what went in."""

    def __init__(self, given: int) -> None:
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(given, WIDTH), nn.LayerNorm(WIDTH, EPS)

    def forward(self, found: Tensor, x: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(found) + x)


class Attention(nn.Module):
    """Names of weights are BERT's: `self.query`, `output.dense` …"""

    def __init__(self) -> None:
        super().__init__()
        self.self = nn.ModuleDict({name: nn.Linear(WIDTH, WIDTH) for name in ("query", "key", "value")})
        self.output = Added(WIDTH)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """x (B, n, d); hidden (B, 1, 1, n) is very low where there is no token."""
        query, key, value = (
            self.self[name](x).unflatten(2, (HEADS, WIDTH // HEADS)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        weights = (query @ key.transpose(2, 3) / (WIDTH // HEADS) ** 0.5 + hidden).softmax(3)
        return self.output((weights @ value).transpose(1, 2).flatten(2), x)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, INNER)})
        self.output = Added(INNER)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        x = self.attention(x, hidden)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class MiniLM(nn.Module):
    """Names of weights are those of the released file, without what only its training used."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer() for _ in range(LAYERS))})

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Tokens (B, n), and 1 where there is one (B, n) -> (B, 384) of length 1."""
        there = mask.to(torch.float32)
        hidden = (1 - there)[:, None, None] * -1e9
        x = self.embeddings(ids)
        for layer in self.encoder["layer"]:
            x = layer(x, hidden)
        mean = (x * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        return F.normalize(mean, dim=1)


def texts(count: int, length: int) -> dict[str, Tensor]:
    """Tokens that mean nothing, always the same; each text is shorter than the one before."""
    ids = torch.randint(1000, WORDS, (count, length), generator=torch.Generator().manual_seed(count))
    mask = (torch.arange(length) < length - torch.arange(count)[:, None]).to(torch.int64)
    return {"ids": ids, "mask": mask}
