"""Bi-SST (Wang et al. 2018), which proposes MDVC's events: features of a film -> when something happens.

A film is gone through from both ends. At each row the forward pass says for every anchor whether an event of
that length ends there; the backward pass, whether one begins there. A stretch counts by the product of both.
Published on C3D features; there are no released weights in the form that this package reads, so this is built
from the papers' text. Knows no words.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.captions.config import BisstConfig
from models.captions.layers import row_mask
from models.captions.proposals import tiou

PAD_VALUE = 1.0
"""A row of features that begins with it is padding, as for the other networks."""


class BiSst(nn.Module):
    """The network.

    Both passes lay their anchors over the same stretches: the forward pass' anchor of `k` rows at row `t`,
    and the backward pass' at row `t - k + 1`.
    """

    def __init__(self, config: BisstConfig) -> None:
        super().__init__()
        self.config = config
        between = config.dropout if config.layers > 1 else 0.0
        self.forward_pass = nn.LSTM(
            config.features, config.width, config.layers, batch_first=True, dropout=between
        )
        self.backward_pass = nn.LSTM(
            config.features, config.width, config.layers, batch_first=True, dropout=between
        )
        self.dropout = nn.Dropout(config.dropout)
        self.forward_scores = nn.Linear(config.width, len(config.anchors_s))
        self.backward_scores = nn.Linear(config.width, len(config.anchors_s))

    @property
    def anchor_rows(self) -> list[int]:
        """The anchors' lengths in rows, one at least."""
        return [max(1, round(anchor / self.config.stride_s)) for anchor in self.config.anchors_s]

    def logits(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n, features) -> of events that end at each row and that begin there, (B, n, A) both."""
        mask = row_mask(features, PAD_VALUE).transpose(1, 2)  # (B, n, 1)
        rows = features * mask
        order = _backward(mask.squeeze(2))
        ends = self.forward_scores(self.dropout(self.forward_pass(rows)[0]))
        turned = torch.take_along_dim(rows, order.unsqueeze(2), dim=1)
        begins = self.backward_scores(self.dropout(self.backward_pass(turned)[0]))
        return ends, torch.take_along_dim(begins, order.unsqueeze(2), dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, n, features) -> (B, n x A, 3): centre and length in seconds and confidence, as other networks.

        Stretches that would begin before the film have confidence 0, as has padding.
        """
        ends, begins = (torch.sigmoid(each) for each in self.logits(features))
        mask = row_mask(features, PAD_VALUE).transpose(1, 2)
        # The backward pass' score of the same stretch stands where the stretch begins.
        begun = [
            F.pad(
                begins[:, : max(0, begins.shape[1] - rows + 1), number], (min(rows - 1, begins.shape[1]), 0)
            )
            for number, rows in enumerate(self.anchor_rows)
        ]
        confidence = ends * torch.stack(begun, dim=-1) * mask  # (B, n, A)
        centres, lengths = self._stretches(features.shape[1], confidence)
        centres, lengths = (each.expand_as(confidence) for each in (centres, lengths))
        return torch.stack([centres, lengths, confidence], dim=-1).flatten(1, 2)

    def loss(self, features: Tensor, events: Tensor) -> Tensor:
        """Weighted cross-entropy of both passes: rare stretches that are events count as much as all others.

        Args:
            features: (B, n, features).
            events: (E, 3 or more), each the number of its film in the batch, its centre and its length in
                seconds.
        """
        wanted = self._wanted(features, events)  # (B, n, A) of stretches by their last row
        # The same by their first row.
        rows = features.shape[1]
        first = [
            F.pad(wanted[:, min(long - 1, rows) :, number], (0, min(long - 1, rows)))
            for number, long in enumerate(self.anchor_rows)
        ]
        mask = row_mask(features, PAD_VALUE).transpose(1, 2).expand_as(wanted)
        logits = self.logits(features)
        parts = [
            _balanced(each[mask], target[mask])
            for each, target in zip(logits, (wanted, torch.stack(first, dim=-1)), strict=True)
        ]
        return parts[0] + parts[1]

    def _stretches(self, rows: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Centres (n, A) and lengths (A,) in seconds of the stretches that end at each row."""
        lengths = torch.tensor(self.anchor_rows, dtype=like.dtype, device=like.device) * self.config.stride_s
        ends = torch.arange(1, rows + 1, dtype=like.dtype, device=like.device) * self.config.stride_s
        return ends.unsqueeze(1) - lengths / 2, lengths

    def _wanted(self, features: Tensor, events: Tensor) -> Tensor:
        centres, lengths = self._stretches(features.shape[1], features)
        stretches = torch.stack([centres - lengths / 2, centres + lengths / 2], dim=-1)  # (n, A, 2)
        there = []
        for film in range(len(features)):
            own = events[events[:, 0] == film]
            segments = torch.stack([own[:, 1] - own[:, 2] / 2, own[:, 1] + own[:, 2] / 2], dim=-1)
            overlap = tiou(stretches.flatten(0, 1), segments.to(stretches.dtype))
            best = overlap.amax(dim=1) if len(own) else overlap.new_zeros(len(overlap))
            # A stretch from before the film is none.
            inside = stretches[..., 0].flatten() > -self.config.stride_s / 2
            there.append(((best >= self.config.positive_overlap) & inside).view(stretches.shape[:2]))
        return torch.stack(there).to(features.dtype)


def _backward(mask: Tensor) -> Tensor:
    """Rows from a film's last to its first, then its padding; its own inverse. Shape: (B, n) -> (B, n)."""
    rows = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape)
    count = mask.sum(dim=1, keepdim=True)
    return torch.where(rows < count, count - 1 - rows, rows)


def _balanced(logits: Tensor, wanted: Tensor) -> Tensor:
    share = wanted.mean().clamp(0.01, 0.99)
    weight = torch.where(wanted > 0, 0.5 / share, 0.5 / (1 - share))
    return F.binary_cross_entropy_with_logits(logits, wanted, weight)
