"""Feature selectors (SparseSync, thesis 5.2): many tokens -> the few that matter to sync.

In: tokens (B, n, d). Out: `selectors` tokens (B, k, d), and where each of them looked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.sync.config import NetworkConfig
from models.transformer import CrossBlock


class SelectorPositions(nn.Module):
    """A learned position for each selector."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.time_embed = nn.Embedding(count, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, k, d) -> (B, k, d)."""
        return x + self.time_embed.weight


class FeatureSelector(nn.Module):
    """Learned queries that gather from one modality's tokens."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.selectors = nn.Parameter(torch.randn(config.selectors, config.width))
        self.selectors_pos_emb = SelectorPositions(config.selectors, config.width)
        self.drop = nn.Dropout(config.embedding_dropout)
        self.blocks = nn.ModuleList(
            CrossBlock(
                config.width,
                config.heads,
                attention_dropout=config.attention_dropout,
                residual_dropout=config.residual_dropout,
            )
            for _ in range(config.selector_layers)
        )

    def forward(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Select from `context` (B, n, d).

        Returns:
            Selected tokens (B, k, d), and where they looked, (B, layers, heads, k, n).
        """
        # (B, k, d) <- (k, d)
        x = self.selectors.expand(context.shape[0], -1, -1)
        x, context = self.drop(self.selectors_pos_emb(x)), self.drop(context)
        maps = []
        for block in self.blocks:
            x, looked = block(x, context)
            maps.append(looked)
        return x, torch.stack(maps, dim=1)
