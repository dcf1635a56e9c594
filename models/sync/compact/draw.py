"""Windows with a known offset, cut from sources in step, and changed as cameras, microphones and rooms do.

In: `pool.Source`s and a generator. Out: batches for `CompactSync`. Nothing is padded: both windows lie inside
the source. What changes a window changes it as a whole, so nothing tells where or how far apart it was cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.sync.compact.pool import Source
from otio_avassist.energies import ACROSS, BANDS, COLUMNS, QUIET, ROWS, STEPS

Rng = np.random.Generator


def cut(
    source: Source, rng: Rng, frames: int, lag: int, view: int = 0
) -> tuple[np.ndarray, np.ndarray] | None:
    """Motion (T, C, R, W) and sound (T, F) of windows `lag` frames apart; None: the source is too short.

    The sound is cut `lag` frames later than the picture, and is early by so much.
    """
    low, high = max(0, -lag), min(source.frames - frames, source.frames - frames - lag)
    if high < low:
        return None
    first = int(rng.integers(low, high + 1))
    return (
        source.moves[view, first : first + frames].astype(np.float32),
        source.bands[first + lag : first + lag + frames].astype(np.float32),
    )


def batch(
    sources: Sequence[Source],
    shares: np.ndarray,
    rng: Rng,
    *,
    count: int,
    frames: int,
    reach: int,
    changed: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Motion (B, T, C, R, W), sound (B, T, F), and the class of each window (B,).

    Args:
        sources, shares: what to cut from, and how often from each.
        reach: largest lag in frames.
        changed: as in training; otherwise as they are.
    """
    moves: list[np.ndarray] = []
    bands: list[np.ndarray] = []
    classes: list[int] = []
    while len(moves) < count:
        source = sources[rng.choice(len(sources), p=shares)]
        lag = int(rng.integers(-reach, reach + 1))
        found = cut(source, rng, frames, lag, int(rng.integers(len(source.moves))) if changed else 0)
        if found is None:
            continue
        seen, heard = found
        if changed:
            other = sources[rng.choice(len(sources), p=shares)]
            beside = cut(other, rng, frames, 0)
            seen, heard = _seen_otherwise(seen, rng), _heard_otherwise(heard, rng, beside and beside[1])
        moves.append(seen)
        bands.append(heard)
        classes.append(lag + reach)
    return torch.from_numpy(np.stack(moves)), torch.from_numpy(np.stack(bands)), torch.tensor(classes)


def _seen_otherwise(moves: np.ndarray, rng: Rng) -> np.ndarray:
    """Mirrored, with other contrast and speed, behind something, under grain."""
    if rng.random() < 0.5:
        moves = np.ascontiguousarray(moves[..., ::-1])
        moves[:, ACROSS] *= -1
    moves[:, :ACROSS] *= np.float32(np.exp(rng.normal(0, 0.3)))
    moves[:, ACROSS:] *= np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.5:
        grain = rng.uniform(0, 0.01) * (1 + 0.2 * rng.standard_normal(moves[:, :2].shape))
        moves[:, :2] += np.maximum(grain, 0).astype(np.float32)
    if rng.random() < 0.3:
        top, left = rng.integers(ROWS), rng.integers(COLUMNS)
        moves[:, :, top : top + rng.integers(1, 5), left : left + rng.integers(1, 6)] = 0
    return moves


def _heard_otherwise(bands: np.ndarray, rng: Rng, other: np.ndarray | None) -> np.ndarray:
    """Through another microphone, with another sound or a noise beside it."""
    power = np.exp(bands.reshape(-1, STEPS, BANDS))
    colour = np.cumsum(rng.normal(0, 0.35, BANDS))
    power = power * np.exp(colour - colour.mean() + rng.normal(0, 1.2))
    if other is not None and rng.random() < 0.3:
        beside = np.exp(other.reshape(-1, STEPS, BANDS))
        power = power + beside * (power.mean() / (beside.mean() + 1e-9) * 10 ** (-rng.uniform(3, 20) / 10))
    if rng.random() < 0.4:
        floor = np.exp(rng.uniform(-14, -6) + np.cumsum(rng.normal(0, 0.3, BANDS)))
        power = power + floor * rng.exponential(1, power.shape)
    return np.log(power + QUIET).astype(np.float32).reshape(len(bands), -1)
