"""A shot's pictures -> the moments at which they ask for a sound. Knows no timeline and no network.

Things sound when they hit something, turn back, stop, or light up. What moved into a picture and moves less,
or back, out of it has been stopped in it; what only sets off, or goes on evenly, asks for nothing. Pictures
are streamed: what is kept of them is a number each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from otio_avassist import signals, windows

FPS = 25.0
"""Pictures are looked at so many times a second: as finely as ears tell sound from picture."""
SIDE = 96
"""Pixels of the short side."""
ROWS = 9
"""Blocks from top to bottom, which overlap, so that even motion looks even."""
AROUND_S = 1.0
"""A moment stands out of what is so near, to either side, …"""
ABOVE = 2.0
"""… so many times its median, …"""
SHARE = 0.3
"""… is at least this share of the strongest of the shot, …"""
LEAST = 0.004
"""… and more than noise and codecs make of a still picture: root mean square change of log brightness."""
APART_S = 0.2
"""Two moments are no nearer: one of them is the echo of the other."""


@dataclass(frozen=True)
class Moment:
    """Something is seen that would be heard."""

    at_s: float
    """Seconds from the start of the stretch."""
    strength: float
    """Beside the strongest of the stretch, which has 1."""


class Stopping:
    """How much of the motion into each picture has stopped in it, piece by piece of a stream.

    Call it with uint8 (T, H, W, 3) RGB; it answers float32, one number for each picture up to the last but
    one of all so far. Only what gets brighter counts: of a thing that moves it is half, and what goes out
    makes no sound. What changes everywhere at once (fades, flicker) is left out.
    """

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._change: np.ndarray | None = None

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        if not len(frames):
            return np.zeros(0, np.float32)
        log = _overlapping(np.log(signals.luma_blocks(frames) + 16))  # as `signals.MotionEnergy` has it
        before = log[:1] if self._last is None else self._last[None]
        self._last = log[-1]
        change = np.diff(np.concatenate([before, log]), axis=0).reshape(len(log), -1)
        change -= np.median(change, axis=1, keepdims=True)
        if self._change is not None:
            change = np.concatenate([self._change[None], change])
        self._change = change[-1]
        into, out = np.maximum(change[:-1], 0), change[1:]
        size, left = (np.linalg.norm(np.maximum(each, 0), axis=1) for each in (into, out))
        back = -(into * out).sum(axis=1) / (size + 1e-9)
        stopped = np.maximum(size - left, 0) + np.maximum(back, 0)
        return (stopped / np.sqrt(change.shape[1])).astype(np.float32)


def _overlapping(blocks: np.ndarray) -> np.ndarray:
    """Shape: (T, R, C) -> (T, ROWS or R, columns), each a mean by weights that fall off towards the next."""
    _, rows, columns = blocks.shape
    fewer = min(ROWS, rows)
    across = min(columns, max(2, round(columns * fewer / rows)))
    return np.einsum("trc,ra,cb->tab", blocks, _tents(rows, fewer), _tents(columns, across))


@cache
def _tents(fine: int, coarse: int) -> np.ndarray:
    """Weights of straight lines between the middles of coarse cells. Shape: (fine, coarse)."""
    at = (np.arange(fine) + 0.5) / fine * coarse - 0.5
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(coarse)))
    return (weights / weights.sum(axis=0)).astype(np.float32)


def watch(stretch: windows.Stretch, tick: Callable[[float], None] = lambda seconds: None) -> list[Moment]:
    """The moments of a stretch, in order; there may be none.

    Args:
        stretch: what to look at.
        tick: told how many seconds have been looked at; may raise CancelledError.

    Raises:
        MediaError: as `windows.pictures`.
    """
    stopping, cuts = Stopping(), windows.CutFinder()
    curve = []
    for block in windows.blocks(stretch, None, fps=FPS, side=SIDE, rate=0, cuts=cuts):
        if block.frames is not None:
            curve.append(stopping(block.frames))
        tick(block.start_s)
    return find(np.concatenate(curve) if curve else np.zeros(0, np.float32), FPS, cuts.cuts_s)


def find(curve: np.ndarray, fps: float, cuts_s: Sequence[float] = ()) -> list[Moment]:
    """Where a curve of `Stopping` stands out.

    Args:
        curve: a number a picture. Shape: (T,).
        fps: of it.
        cuts_s: where another picture begins, which is no motion.
    """
    curve = np.array(curve, dtype=np.float64)
    for cut_s in cuts_s:
        at = round(cut_s * fps)
        curve[max(0, at - 1) : at + 2] = 0
    if not curve.any():
        return []
    # A hit falls between two pictures as a rule, and shows in both; what slows down gently shows in many.
    pairs = np.convolve(curve, (1.0, 1.0))
    smooth = np.maximum(pairs[:-1], pairs[1:])
    half = min(round(AROUND_S * fps), len(curve) - 1)
    around = np.median(
        np.lib.stride_tricks.sliding_window_view(np.pad(smooth, half, mode="reflect"), 2 * half + 1), axis=1
    )
    strongest = float(smooth.max())
    rest = np.where(smooth > np.maximum(ABOVE * around, max(SHARE * strongest, LEAST)), smooth, 0)
    apart = max(1, round(APART_S * fps))
    found = []
    while rest.any():
        top = int(rest.argmax())
        # The side of a top that was taken already is none of its own.
        if smooth[top] >= smooth[max(0, top - 1) : top + 2].max():
            found.append(Moment(_centre(curve, top) / fps, float(smooth[top]) / strongest))
        rest[max(0, top - apart) : top + apart + 1] = 0
    return sorted(found, key=lambda moment: moment.at_s)


def _centre(curve: np.ndarray, top: int) -> float:
    """Centre of gravity of a top and its neighbours, in pictures."""
    places = np.arange(max(0, top - 1), min(len(curve), top + 2))
    return float(places @ curve[places] / curve[places].sum())
