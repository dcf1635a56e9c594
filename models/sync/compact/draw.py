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
from otio_avassist.energies import ACROSS, BANDS, COLUMNS, DOWN, ENERGY, QUIET, ROWS, SPREAD, STEPS

Rng = np.random.Generator
PACE = 0.15
"""How much faster or slower sources go by than they were: the deviation of the logarithm."""


def cut(
    source: Source, rng: Rng, frames: int, lag: int, view: int = 0, pace: float = 1.0
) -> tuple[np.ndarray, np.ndarray] | None:
    """Motion (T, C, R, W) and sound (T, F) of windows `lag` frames apart; None: the source is too short.

    The sound is cut `lag` frames later than the picture, and is early by so much.

    Args:
        pace: how much faster than it was all goes by, picture and sound alike.
    """
    span = frames + abs(lag)
    needed = span if pace == 1 else int(np.ceil(span * pace)) + 1
    if needed > source.frames:
        return None
    first = int(rng.integers(source.frames - needed + 1))
    moves = source.moves[view, first : first + needed].astype(np.float32)
    bands = source.bands[first : first + needed].astype(np.float32)
    if pace != 1:
        moves, bands = _paced(moves, bands, span, pace)
    seen, heard = max(0, -lag), max(0, lag)
    return moves[seen : seen + frames], bands[heard : heard + frames]


def _paced(moves: np.ndarray, bands: np.ndarray, span: int, pace: float) -> tuple[np.ndarray, np.ndarray]:
    """`span` frames of what goes by faster, or slower. What moves faster changes more from frame to frame."""
    looks = (np.arange(span * STEPS) + 0.5) * pace - 0.5  # A look stands for the middle of its time.
    rows = _between(bands.reshape(-1, BANDS), looks)
    return _between(moves, np.arange(span) * pace) * np.float32(pace), rows.reshape(span, -1)


def _between(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows of `x` at places between them."""
    places = places.clip(0, len(x) - 1)
    lower = np.minimum(places.astype(int), len(x) - 2)
    share = (places - lower).astype(np.float32).reshape(-1, *[1] * (x.ndim - 1))
    return x[lower] * (1 - share) + x[lower + 1] * share


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
        if not changed:
            found = cut(source, rng, frames, lag)
        else:
            # As fast as the source is long enough for.
            pace = min(float(np.exp(rng.normal(0, PACE))), (source.frames - 1) / (frames + abs(lag)))
            found = cut(source, rng, frames, lag, int(rng.integers(len(source.moves))), pace)
        if found is None:
            continue
        seen, heard = found
        if changed:
            other = sources[rng.choice(len(sources), p=shares)]
            beside = cut(other, rng, frames, 0, int(rng.integers(len(other.moves))))
            if beside is not None and rng.random() < 0.3:
                seen = _shared(seen, beside[0], rng)
            heard = _heard_otherwise(heard, rng, beside and beside[1])
            seen = _seen_otherwise(seen, rng)
        moves.append(seen)
        bands.append(heard)
        classes.append(lag + reach)
    return torch.from_numpy(np.stack(moves)), torch.from_numpy(np.stack(bands)), torch.tensor(classes)


def _shared(moves: np.ndarray, other: np.ndarray, rng: Rng) -> np.ndarray:
    """A picture, a part of which shows something else, that may be heard or not."""
    top, left = rng.integers(ROWS - 2), rng.integers(COLUMNS - 2)
    bottom, right = top + rng.integers(3, ROWS), left + rng.integers(3, COLUMNS)
    moves = moves.copy()
    moves[:, :, top:bottom, left:right] = other[:, :, top:bottom, left:right]
    return moves


def _handheld(moves: np.ndarray, rng: Rng) -> np.ndarray:
    """Filmed by a camera that sways: all moves alike, now more, now less, for no sound's sake."""
    smooth = int(rng.integers(3, 40))
    tremor = rng.standard_normal((len(moves) + smooth - 1, 2)) * np.exp(rng.normal(-1.5, 0.8, 2))
    sway = np.lib.stride_tricks.sliding_window_view(tremor, smooth, axis=0).sum(2) / np.sqrt(smooth)
    across, down = sway.T.astype(np.float32)
    # Where there is more to see, the same sway changes more.
    detail = np.exp(rng.normal(0, 0.6, (ROWS, COLUMNS))) * rng.uniform(0.01, 0.06)
    moved = (np.hypot(across, down)[:, None, None] * detail).astype(np.float32)
    moves[:, ENERGY] += moved
    moves[:, SPREAD] += 1.4 * moved
    moves[:, ACROSS] += across[:, None, None]
    moves[:, DOWN] += down[:, None, None]
    return moves


def _seen_otherwise(moves: np.ndarray, rng: Rng) -> np.ndarray:
    """Mirrored, with other contrast and speed, by another camera, behind something, under grain."""
    if rng.random() < 0.5:
        moves = np.ascontiguousarray(moves[..., ::-1])
        moves[:, ACROSS] *= -1
    moves[:, :ACROSS] *= np.float32(np.exp(rng.normal(0, 0.5)))
    moves[:, ACROSS:] *= np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.25:
        moves = _handheld(moves, rng)
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
