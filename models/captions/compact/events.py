"""The event network: a log-mel spectrogram -> stretches in which something sounds, each with a confidence.

In: `log_mel` (B, T, 64) of `signals.yamnet_log_mel`, 100 rows a second. Out: `proposals` (B, N, 3): centre
and length in seconds and confidence, one for each step of 40 ms.

What is heard is set against what is heard all the time: before any convolution each band loses its background
over the seconds around, its quiet moments and its mean. The published heads regress lengths against K-means
anchors from every cell; here each cell regresses how long ago the event around it began and how soon it ends,
on a scale of logarithms, since events of a tenth of a second and of ten seconds stand side by side and an
onset has to be right to a few hundredths. That is an anchor a cell; nothing else of the heads' use changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROWS_A_SECOND = 100
STRIDE = 4
"""Rows a cell."""
BANDS = 64


@dataclass(frozen=True)
class EventConfig:
    """The network's shape."""

    width: int = 96
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1, 4, 16)
    dropout: float = 0.05

    def to_dict(self) -> dict[str, object]:
        """Plain values, for a checkpoint."""
        return {"width": self.width, "dilations": list(self.dilations), "dropout": self.dropout}

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> EventConfig:
        """The inverse of `to_dict`."""
        return cls(**{**held, "dilations": tuple(held["dilations"])})


def background(log_mel: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """The quiet moments and the mean of each band over `rows` rows around. Shape: (B, 64, T) -> twice that.

    Quiet: the least of the smoothed spectrum, smoothed again, so that one soft moment doesn't rule for long.
    Edges count only what is there.
    """
    smooth = F.avg_pool1d(log_mel, 15, 1, 7, count_include_pad=False)
    half = rows // 2
    # In one dimension torch.export would fix the number of rows.
    quiet = -F.max_pool2d(-smooth.unsqueeze(2), (1, 2 * half + 1), 1, (0, half)).squeeze(2)
    quiet = F.avg_pool1d(quiet, half + 1 - half % 2, 1, (half - half % 2) // 2, count_include_pad=False)
    mean = F.avg_pool1d(log_mel, 2 * half + 1, 1, half, count_include_pad=False)
    return quiet, mean


class Block(nn.Module):
    """A dilated convolution with a residual: (B, D, T) -> the same."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.wide = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
        self.out = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (B, D, T) -> (B, D, T)."""
        return x + self.drop(self.out(F.gelu(self.wide(self.norm(x)))))


class EventNetwork(nn.Module):
    """`log_mel` (B, T, 64) -> `proposals` (B, ceil(T / 4), 3)."""

    def __init__(self, config: EventConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.first = nn.Conv1d(4 * BANDS, width, 5, padding=2)
        self.halve = nn.Conv1d(width, width, 5, stride=2, padding=2)
        self.quarter = nn.Conv1d(width, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(Block(width, each, config.dropout) for each in config.dilations)
        self.norm = nn.GroupNorm(1, width)
        self.heads = nn.Conv1d(width, 3, 3, padding=1)
        nn.init.constant_(self.heads.bias, -2.0)  # type: ignore[arg-type]

    def raw(self, log_mel: Tensor) -> Tensor:
        """(B, 3, cells): logs of the seconds since the start and until the end, and the confidence's
        logit."""
        x = log_mel.transpose(1, 2)  # (B, 64, T) <- (B, T, 64)
        quiet, mean = background(x, 600)
        near, _ = background(x, 150)
        # A level of a whole recording tells nothing.
        x = torch.cat([x - quiet, x - mean, x - near, (x - x.mean((1, 2), keepdim=True)) / 2], 1) / 2
        x = F.gelu(self.first(x))
        x = F.gelu(self.halve(x))
        x = F.gelu(self.quarter(x))
        for block in self.blocks:
            x = block(x)
        return self.heads(F.gelu(self.norm(x)))

    def forward(self, log_mel: Tensor) -> Tensor:
        """Shape: (B, T, 64) -> (B, N, 3), centre and length in seconds, confidence 0 to 1."""
        return decode(self.raw(log_mel))


def cells_s(count: int, device: torch.device | None = None) -> Tensor:
    """The middle of each cell, in seconds: that of its first row's window."""
    return (torch.arange(count, device=device) * STRIDE + 1.25) / ROWS_A_SECOND


def decode(raw: Tensor) -> Tensor:
    """Shape: (B, 3, N) -> (B, N, 3)."""
    before, after = raw[:, :2].clamp(-6.0, 3.5).exp().unbind(1)
    at = cells_s(raw.shape[2], raw.device)
    return torch.stack([at + (after - before) / 2, before + after, raw[:, 2].sigmoid()], 2)


# Learning


def targets(events_s: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """What cells should say: whether they are in an event, and (start, end) of the shortest one round them.

    Shape: (n, 2), count -> (count,) bool, (count, 2).
    """
    at = (np.arange(count) * STRIDE + 1.25) / ROWS_A_SECOND
    inside, spans = np.zeros(count, bool), np.zeros((count, 2), np.float32)
    for start_s, end_s in sorted(events_s.tolist(), key=lambda span: span[0] - span[1]):
        cells = (at >= start_s) & (at <= end_s)
        if not cells.any():
            cells[np.abs(at - (start_s + end_s) / 2).argmin()] = True
        inside |= cells
        spans[cells] = start_s, end_s
    return inside, spans


def loss(raw: Tensor, inside: Tensor, spans: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the stretches (1 - IoU, and the onset's own), and of the confidence; and the mean IoU.

    A cell is as confident as its own stretch is right: what is sure to be an event but not where it ends
    comes behind what is sure of both.

    Shapes: (B, 3, N), (B, N), (B, N, 2).
    """
    before, after = raw[:, :2].clamp(-6.0, 3.5).exp().unbind(1)
    at = cells_s(raw.shape[2], raw.device)
    wanted_before = (at - spans[..., 0]).clamp(min=0.005)
    wanted_after = (spans[..., 1] - at).clamp(min=0.005)
    both = torch.minimum(before, wanted_before) + torch.minimum(after, wanted_after)
    either = torch.maximum(before, wanted_before) + torch.maximum(after, wanted_after)
    iou = both / either
    hits = inside.float()
    total = hits.sum().clamp(min=1)
    # What is wrong by 30 ms is wrong, however long the event.
    onset = F.smooth_l1_loss(before, wanted_before, reduction="none", beta=0.03).clamp(max=0.5)
    stretch = ((1 - iou) * hits).sum() / total + 0.5 * (onset * hits).sum() / total
    wanted = (iou.detach() * hits).clamp(0, 1)
    logit = raw[:, 2]
    weight = (logit.detach().sigmoid() - wanted).abs().square()  # quality focal loss, Li et al. 2020
    confidence = (weight * F.binary_cross_entropy_with_logits(logit, wanted, reduction="none")).sum() / total
    return stretch, confidence, (iou.detach() * hits).sum() / total


# What is made of proposals


def pick(proposals: np.ndarray, sure: float, duration_s: float, *, nms: float = 0.3) -> np.ndarray:
    """Events (n, 2) out of proposals (N, 3): those at least as `sure`, the surest of any that overlap."""
    proposals = proposals[proposals[:, 2] >= sure]
    proposals = proposals[np.argsort(-proposals[:, 2], kind="stable")]
    spans = np.stack([proposals[:, 0] - proposals[:, 1] / 2, proposals[:, 0] + proposals[:, 1] / 2], 1)
    spans = np.clip(spans, 0, duration_s)
    kept: list[np.ndarray] = []
    for span in spans:
        if all(overlap(span[None], other[None])[0, 0] <= nms for other in kept):
            kept.append(span)
    return np.array(sorted(kept, key=lambda span: span[0])).reshape(-1, 2)


def overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Temporal IoU of stretches. Shape: (n, 2), (m, 2) -> (n, m)."""
    both = np.minimum(one[:, None, 1], other[None, :, 1]) - np.maximum(one[:, None, 0], other[None, :, 0])
    either = np.maximum(one[:, None, 1], other[None, :, 1]) - np.minimum(one[:, None, 0], other[None, :, 0])
    return np.maximum(both, 0) / np.maximum(either, 1e-9)


def by_energy(log_mel: np.ndarray, over: float = 2.0) -> np.ndarray:
    """What a plain detector finds: where the 12 strongest bands stand on average more than `over` above the
    quiet fifth of their time. Holes under 60 ms are closed, what is shorter than 40 ms is dropped.

    Shape: (T, 64) -> (n, 2) seconds.
    """
    above = log_mel - np.percentile(log_mel, 20, axis=0)
    level = np.sort(above, axis=1)[:, -12:].mean(1)
    loud = (level > over).astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud, [0]]))).reshape(-1, 2) / ROWS_A_SECOND
    merged: list[list[float]] = []
    for start, end in edges.tolist():
        if merged and start - merged[-1][1] < 0.06:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return np.array([span for span in merged if span[1] - span[0] >= 0.04]).reshape(-1, 2)


def score(found: np.ndarray, true: np.ndarray, at_least: float = 0.5) -> tuple[int, np.ndarray]:
    """How many of the found match a true event each, best first; and the errors of their onsets in
    seconds."""
    iou = overlap(true, found) if len(true) and len(found) else np.zeros((len(true), len(found)))
    errors = []
    while iou.size and iou.max() >= at_least:
        row, column = np.unravel_index(iou.argmax(), iou.shape)
        errors.append(abs(found[column, 0] - true[row, 0]))
        iou[row], iou[:, column] = 0, 0
    return len(errors), np.array(errors)
