"""BMT's proposal generator: features of a whole film -> when something happens, and how sure that is.

In: streams of rows, padded to a length, and for training the events that there are. Out: (B, N, 3), each a
centre and a length in seconds and a confidence from 0 to 1; the losses. Names of layers are those of the
released code. What is done to proposals afterwards, and the anchors and kernel sizes before all training, are
here too. Knows no words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.captions.bmt import BiModal, BiModalEncoder, Streams, UniModal
from models.captions.config import HeadsConfig, ProposalConfig
from models.captions.layers import Attention, Encoder, Positions, embedder, row_mask, xavier

CENTRE, LENGTH, CONFIDENCE = 0, 1, 2
SHORTEST_S = 0.2
"""Proposals that aren't longer are dropped."""


class _Swapped(nn.Module):
    """Channels last for a norm, and first again for a convolution; it has a number in the released names."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class Head(nn.Module):
    """Convolutions over time: what a row and its neighbours say of events round there."""

    def __init__(self, widths: Sequence[int], kernel: int, *, dropout: float, layer_norm: bool) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"a kernel of {kernel} rows has no middle")
        layers: list[nn.Module] = []
        for number, (narrow, wide) in enumerate(pairwise(widths)):
            if number and dropout > 0:
                layers.append(nn.Dropout(dropout))
            if number:
                layers.append(nn.ReLU())
            if layer_norm:
                layers += [_Swapped(), nn.LayerNorm(narrow), _Swapped()]
            size = kernel if number == 0 else 1
            layers.append(nn.Conv1d(narrow, wide, size, padding=size // 2))
        self.conv_layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, d) -> (B, S, 3 x anchors)."""
        return self.conv_layers(x.transpose(1, 2)).transpose(1, 2)


@dataclass(frozen=True)
class Losses:
    """Of one stream, summed over its heads."""

    centre: Tensor
    length: Tensor
    event: Tensor
    """Of the confidence where there is an event."""
    no_event: Tensor
    """Of the confidence where there is none."""

    def total(self, config: ProposalConfig) -> Tensor:
        """As the authors weigh them."""
        confidence = config.event_weight * self.event + config.no_event_weight * self.no_event
        return self.centre + self.length + confidence


class Proposals(nn.Module):
    """The network: bi-modal as published, or over one stream as in the papers' comparisons."""

    def __init__(self, config: ProposalConfig) -> None:
        super().__init__()
        self.config = config
        encoder = config.encoder
        both = len(config.streams) > 1
        for stream in config.streams:
            suffix = f"_{stream[0].upper()}" if both else ""
            width = encoder.width(stream)
            self.add_module(
                f"emb{suffix}", embedder(encoder.features(stream), width, linear=encoder.linear_embedder)
            )
            self.add_module(f"pos_enc{suffix}", Positions(width, encoder.longest, encoder.dropout))
            heads = config.heads(stream)
            widths = (width, *heads.convolutions, 3 * len(heads.anchors_s))
            layers = nn.ModuleList(
                Head(widths, kernel, dropout=config.dropout, layer_norm=config.layer_norm)
                for kernel in heads.kernels
            )
            self.add_module(f"detection_layers{suffix}", layers)
        if both:
            self.encoder: nn.Module = BiModalEncoder(encoder)
        else:
            width, hidden = encoder.width(config.streams[0]), encoder.hidden(config.streams[0])
            self.encoder = Encoder(
                encoder.layers,
                width,
                hidden,
                encoder.dropout,
                lambda: Attention(width, width, width, encoder.heads),
            )
        xavier(self.encoder)

    def take_encoder(self, captioner: BiModal | UniModal, *, train: bool = False) -> None:
        """Begin with what a captioner has learnt of looking and listening ("Cap -> Prop").

        The authors keep it as it is (`train` false). The linear embedder, where there is one, comes along.
        """
        self.encoder.load_state_dict(captioner.encoder.state_dict())
        for name, layer in self.named_children():
            if name.startswith("emb") and list(layer.parameters()):
                theirs = getattr(captioner, name if name != "emb" else "src_emb")
                layer.load_state_dict(theirs.state_dict())
        self.encoder.requires_grad_(train)

    def attended(self, streams: Streams) -> dict[str, Tensor]:
        """Tokens (B, n, d) of each stream, after they have been looked at together."""
        given = [streams[stream] for stream in self.config.streams]
        masks = [row_mask(rows, self.config.encoder.pad_value) for rows in given]
        tokens = [
            self._part("pos_enc", stream)(self._part("emb", stream)(rows))
            for stream, rows in zip(self.config.streams, given, strict=True)
        ]
        out = self.encoder(*tokens, *masks)
        return dict(zip(self.config.streams, out if len(given) > 1 else (out,), strict=True))

    def forward(self, streams: Streams) -> Tensor:
        """Every proposal of every head, the sound's before the picture's; each head anchor by anchor.

        Shape: streams of rows (B, n, features) -> (B, N, 3): centre and length in seconds, confidence.
        """
        answers = []
        for stream, tokens in self.attended(streams).items():
            heads = self.config.heads(stream)
            for head in self._part("detection_layers", stream):
                answers.append(_decoded(_answers(head(tokens)), heads).flatten(1, 2))
        return torch.cat(answers, dim=1)

    def losses(self, streams: Streams, events: Tensor) -> dict[str, Losses]:
        """How far the heads of each stream are from the events.

        Args:
            streams: rows, padded.
            events: (E, 3 or more), each the number of its film in the batch, its centre and its length in
                seconds.
        """
        losses = {}
        for stream, tokens in self.attended(streams).items():
            heads = self.config.heads(stream)
            layers = self._part("detection_layers", stream)
            each = [_losses(_answers(head(tokens)), events, heads) for head in layers]
            losses[stream] = Losses(*(torch.stack(parts).sum() for parts in zip(*each, strict=True)))
        return losses

    def _part(self, name: str, stream: str) -> nn.Module:
        suffix = f"_{stream[0].upper()}" if len(self.config.streams) > 1 else ""
        return getattr(self, name + suffix)


def total_loss(losses: dict[str, Losses], config: ProposalConfig) -> Tensor:
    """What training makes small."""
    return torch.stack([each.total(config) for each in losses.values()]).sum()


def _answers(x: Tensor) -> Tensor:
    # (B, A, S, 3) <- (B, S, 3 A)
    return x.unflatten(-1, (-1, 3)).transpose(1, 2)


def _decoded(answers: Tensor, heads: HeadsConfig) -> Tensor:
    """(B, A, S, 3) -> the same as centres, lengths and confidences."""
    rows = torch.arange(answers.shape[2], device=answers.device).to(answers.dtype)
    centres = (torch.sigmoid(answers[..., CENTRE]) + rows) * heads.stride_s
    lengths = _anchors(answers, heads) * torch.exp(answers[..., LENGTH]) * heads.stride_s
    return torch.stack([centres, lengths, torch.sigmoid(answers[..., CONFIDENCE])], dim=-1)


def _anchors(answers: Tensor, heads: HeadsConfig) -> Tensor:
    """Lengths in rows, (A, 1)."""
    lengths = [anchor / heads.stride_s for anchor in heads.anchors_s]
    return torch.tensor(lengths, dtype=answers.dtype, device=answers.device).unsqueeze(1)


def _losses(answers: Tensor, events: Tensor, heads: HeadsConfig) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of one head. An event is asked of one anchor, whose length fits best, in the row of its centre."""
    events = events.to(answers.dtype)
    film, centre, length = events[:, 0].long(), events[:, 1] / heads.stride_s, events[:, 2] / heads.stride_s
    anchors = _anchors(answers, heads)
    # tIoU of two stretches with the same centre.
    fit = torch.minimum(anchors, length) / torch.maximum(anchors, length)  # (A, E)
    anchor = fit.argmax(dim=0)
    row = centre.long().clamp(0, answers.shape[2] - 1)
    place = film, anchor, row
    is_event = torch.zeros(answers.shape[:3], dtype=torch.bool, device=answers.device)
    wanted = torch.zeros_like(answers[..., :2])
    is_event[place] = True
    # Where two events meet in one place the later one counts.
    wanted[place] = torch.stack([centre - centre.floor(), (length / anchors[anchor, 0]).log()], dim=-1)

    given = answers[is_event]
    if not len(given):
        nothing = answers.sum() * 0
        centre_loss = length_loss = event_loss = nothing
    else:
        centre_loss = F.mse_loss(torch.sigmoid(given[:, CENTRE]), wanted[is_event][:, CENTRE])
        length_loss = F.mse_loss(given[:, LENGTH], wanted[is_event][:, LENGTH])
        event_loss = F.softplus(-given[:, CONFIDENCE]).mean()
    return centre_loss, length_loss, event_loss, F.softplus(answers[~is_event][:, CONFIDENCE]).mean()


# After the network


def corners(proposals: Tensor) -> Tensor:
    """Centres and lengths -> starts and ends, in front of whatever follows. Shape: (..., 2+) -> the same."""
    centre, half = proposals[..., CENTRE], proposals[..., LENGTH] / 2
    return torch.cat([torch.stack([centre - half, centre + half], dim=-1), proposals[..., 2:]], dim=-1)


def clipped(segments: Tensor, duration_s: Tensor | float) -> Tensor:
    """Starts and ends inside a film: (..., n, 2+), with one duration, or one each of the first axis."""
    end = torch.as_tensor(duration_s, dtype=segments.dtype, device=segments.device)
    end = end.reshape(*end.shape, *[1] * (segments.dim() - 1 - end.dim()))
    starts = torch.minimum(segments[..., 0].clamp(min=0), end)
    ends = torch.minimum(segments[..., 1], end)
    return torch.cat([torch.stack([starts, ends], dim=-1), segments[..., 2:]], dim=-1)


def without_short(segments: Tensor, shortest_s: float = SHORTEST_S) -> Tensor:
    """Those longer than that. Shape: (n, 2+) -> (m, 2+)."""
    return segments[segments[:, 1] - segments[:, 0] > shortest_s]


def surest(proposals: Tensor, most: int) -> Tensor:
    """By falling confidence, no more than `most`. Shape: (..., n, 3) -> (..., m, 3)."""
    order = proposals[..., CONFIDENCE].argsort(dim=-1, descending=True)[..., :most]
    return torch.take_along_dim(proposals, order.unsqueeze(-1), dim=-2)


def apart(segments: Tensor, most_overlap: float) -> Tensor:
    """Without those that overlap a surer one by so much tIoU or more; the surest come first.

    Shape: (n, 3) -> (m, 3).
    """
    overlap = tiou(segments, segments)
    kept: list[int] = []
    for number in range(len(segments)):
        if not kept or overlap[number, kept].max() < most_overlap:
            kept.append(number)
    return segments[kept]


def tiou(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of every stretch with every other. Shape: (n, 2+), (m, 2+) -> (n, m)."""
    one_start, one_end = one[:, None, 0], one[:, None, 1]
    start, end = other[None, :, 0], other[None, :, 1]
    both = (torch.minimum(one_end, end) - torch.maximum(one_start, start)).clamp(min=0)
    union = (one_end - one_start) + (end - start) - both
    union = torch.minimum(torch.maximum(one_end, end) - torch.minimum(one_start, start), union)
    return both / (union + 1e-8)


def crop(rows: int, start_s: float, end_s: float, duration_s: float) -> slice:
    """Which rows of a film's features an event has: one at least."""
    first, end = int(rows * start_s / duration_s), int(rows * end_s / duration_s)
    if first >= end:
        first = min(first, rows - 1)
        end = first + 1
    return slice(first, end)


# Before all training: which lengths and kernel sizes


def k_means(values: np.ndarray, count: int, *, seed: int = 13, rounds: int = 300) -> np.ndarray:
    """Lloyd's K-means in one dimension, begun at values drawn at random; ascending.

    As scikit-learn's with init "random" and n_init 1, by which the published anchors were made: the same
    draw, single precision, the same end, and a cluster that runs empty moves to the value that fits worst.

    Shape: (N,) -> (count,).

    Raises:
        ValueError: fewer values than clusters.
    """
    values = np.asarray(values, dtype=np.float32)
    if len(values) < count:
        raise ValueError(f"{len(values)} lengths make no {count} clusters")
    mean = values.mean()
    values = values - mean
    weights = np.full(len(values), 1 / np.float32(len(values)))
    draw = np.random.RandomState(seed)
    centres = values[draw.choice(len(values), count, replace=False, p=weights)]
    tolerance = 1e-4 * values.var()
    before = np.zeros(len(values), dtype=int)
    for _ in range(rounds):
        # Squared distances, less the value's own square: (N, count).
        nearest = (centres * centres - 2 * values[:, None] * centres).argmin(axis=1)
        sizes = np.bincount(nearest, minlength=count)
        sums = np.bincount(nearest, weights=values, minlength=count)
        empty = np.flatnonzero(sizes == 0)
        worst = np.argsort(-((values - centres[nearest]) ** 2), kind="stable")[: len(empty)]
        np.subtract.at(sums, nearest[worst], values[worst])
        np.subtract.at(sizes, nearest[worst], 1)
        sums[empty], sizes[empty] = values[worst], 1
        moved = (sums / np.maximum(sizes, 1)).astype(np.float32)
        step, centres = ((moved - centres) ** 2).sum(), moved
        if step <= tolerance or (nearest == before).all():
            break
        before = nearest
    return np.sort(centres) + mean


def anchors_s(lengths_s: np.ndarray, count: int) -> tuple[float, ...]:
    """Lengths that stand for those of a training set's events; 48 for VGGish and 128 for I3D as published."""
    lengths_s = np.asarray(lengths_s, dtype=np.float32)
    return tuple(float(length) for length in k_means(lengths_s[lengths_s > 0], count))


def kernel_sizes(lengths_s: np.ndarray, count: int, stride_s: float) -> tuple[int, ...]:
    """Rows that heads look at: K-means of the events' lengths in rows, to the nearest odd number."""
    centres = np.array(anchors_s(lengths_s, count)) / stride_s
    return tuple(int(size) for size in 2 * np.floor(centres / 2).astype(int) + 1)
