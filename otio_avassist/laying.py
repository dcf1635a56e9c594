"""A sound of a library -> exactly as long as a shot: its hits at the shot's moments, or on and on. numpy.

What is struck, knocked or stepped is a row of hits with silence between them; what goes on, like rain, is an
ambience. All is drawn from a seed: another one gives another variation of the same sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

RATE = 48_000
"""Samples a second of all sound here."""
TILE = RATE // 100
"""Levels are told every 10 ms."""
AUDIBLE_DB = -40.0
"""Beside its loudest: less is the silence round a sound."""
ONSET_DB = -15.0
"""Beside its loudest: where a hit is struck."""
APART_S = 0.12
"""Hits with less silence between them are one."""
LEAD_S = 0.01
"""What is kept of a hit before it is struck."""
STEADY_DB, STEADY = 20.0, 0.7
"""A sound goes on where so much of its time is within so many decibels of its loudest."""
LASTS_S = 1.5
"""What is shorter is a hit, however steady it is."""
LOUD = (0.4, 1.0)
"""Of a hit at the weakest and at the strongest moment, beside its own level."""
SEAM_S = 0.25
"""Of cross-fades."""
PAUSE_S = (0.6, 1.8)
"""Between hits where no moment says when."""

Kind = Literal["hits", "ambience"]
Moments = Sequence[tuple[float, float]]
"""(seconds, strength 0 to 1)."""


@dataclass(frozen=True)
class Hit:
    """A piece of a sound in which something is struck."""

    samples: np.ndarray
    struck: int
    """Which of its samples should fall on a moment."""


def kind_of(samples: np.ndarray) -> Kind:
    """Whether a sound is one or more hits, or goes on and on. Shape: (N,)."""
    level = _level_db(samples)
    heard = np.flatnonzero(level > AUDIBLE_DB)
    if len(heard) < LASTS_S * RATE / TILE:
        return "hits"
    inside = level[heard[0] : heard[-1] + 1]
    # A fade at either end is no silence between hits.
    return "ambience" if np.mean(inside > -STEADY_DB) >= STEADY else "hits"


def hits(samples: np.ndarray) -> list[Hit]:
    """A sound cut where it is silent; none where it is silent throughout."""
    level = _level_db(samples)
    loud = level > AUDIBLE_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(int))).reshape(-1, 2)
    spans: list[list[int]] = []
    for first, last in edges.tolist():
        if spans and (first - spans[-1][1]) * TILE < APART_S * RATE:
            spans[-1][1] = last
        else:
            spans.append([first, last])
    loudest = [level[first:last].max() for first, last in spans]
    # What is that faint beside the loudest is its echo, or somebody who breathes.
    kept = [span for span, peak in zip(spans, loudest, strict=True) if peak > AUDIBLE_DB / 2]
    return [_hit(samples, *span) for span in kept]


def _hit(samples: np.ndarray, first: int, last: int) -> Hit:
    begin = max(0, first * TILE - round(LEAD_S * RATE))
    piece = np.array(samples[begin : last * TILE], np.float32)
    peak = float(np.abs(piece).max())
    struck = int(np.argmax(np.abs(piece) >= peak * 10 ** (ONSET_DB / 20)))
    return Hit(_ends(piece, min(struck, round(0.002 * RATE)), round(0.02 * RATE)), struck)


def lay(samples: np.ndarray, moments: Moments, duration_s: float, seed: int) -> np.ndarray:
    """The sound for a shot: float32 (ceil(duration_s * RATE),) at the library's own level.

    Args:
        samples: of one file, mono at `RATE`. Shape: (N,).
        moments: when the shot asks for a sound, in its own seconds, and how strongly.
        duration_s: of the shot.
        seed: another one gives another variation.
    """
    count = int(np.ceil(duration_s * RATE - 1e-6))
    draw = np.random.default_rng([seed, 0xF0])
    if kind_of(samples) == "ambience":
        return on_and_on(samples, count, draw)
    struck = hits(samples)
    out = np.zeros(count, np.float32)
    if not struck:
        return out
    order: list[int] = []
    for at_s, strength in moments or _rhythm(struck, duration_s, draw):
        if not order:  # each comes once before any comes again
            order = draw.permutation(len(struck)).tolist()
        hit = struck[order.pop()]
        gain = (LOUD[0] + (LOUD[1] - LOUD[0]) * strength) * draw.uniform(0.9, 1.1)
        _add(out, round(at_s * RATE) - hit.struck, gain * hit.samples)
    return out


def on_and_on(samples: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    """A piece of an ambience, or the whole of it again and again, cross-faded. Shape: (N,) -> (count,)."""
    level = _level_db(samples)
    heard = np.flatnonzero(level > -STEADY_DB)
    if not len(heard):
        return np.zeros(count, np.float32)
    body = np.asarray(samples[heard[0] * TILE : (heard[-1] + 1) * TILE], np.float32)
    if len(body) >= count:
        first = int(draw.integers(len(body) - count + 1))
        return body[first : first + count].copy()
    seam = min(round(SEAM_S * RATE), len(body) // 3)
    rise = np.sin(np.pi / 2 * (np.arange(seam) + 0.5) / seam).astype(np.float32)  # of equal power
    # Variations begin at another place.
    begin = int(draw.integers(len(body) - 2 * seam))
    out = np.zeros(count + len(body), np.float32)
    piece, at = body[begin:].copy(), 0
    while at < count:
        if at:
            piece[:seam] *= rise
        piece[-seam:] *= rise[::-1]
        out[at : at + len(piece)] += piece
        at += len(piece) - seam
        piece = body.copy()
    return out[:count]


def _rhythm(struck: Sequence[Hit], duration_s: float, draw: np.random.Generator) -> list[tuple[float, float]]:
    """Where the picture doesn't say when: one after the other, with pauses."""
    longest_s = max(len(hit.samples) for hit in struck) / RATE
    found: list[tuple[float, float]] = []
    at_s = min(0.25, duration_s / 4) * draw.uniform(0.5, 1.5)
    while at_s < duration_s and (not found or at_s + longest_s <= duration_s):
        found.append((at_s, float(draw.uniform(0.7, 1.0))))
        at_s += longest_s + draw.uniform(*PAUSE_S)
    return found


def _add(out: np.ndarray, at: int, piece: np.ndarray) -> None:
    """What reaches beyond either end is left out; a hit that is cut off is faded."""
    if at < 0:
        piece, at = piece[-at:], 0
    piece = piece[: max(0, len(out) - at)]
    if len(piece):
        out[at : at + len(piece)] += piece


def _ends(piece: np.ndarray, rise: int, fall: int) -> np.ndarray:
    """Faded in and out over so many samples."""
    if rise:
        piece[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    fall = min(fall, len(piece))
    piece[len(piece) - fall :] *= np.linspace(1, 0, fall, dtype=np.float32)
    return piece


def _level_db(samples: np.ndarray) -> np.ndarray:
    """Decibels beside the loudest 10 ms; -inf in silence. Shape: (N,) -> (ceil(N / TILE),)."""
    padded = np.pad(np.asarray(samples, np.float64), (0, -len(samples) % TILE))
    power = (padded.reshape(-1, TILE) ** 2).mean(axis=1)
    loudest = power.max(initial=0.0)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power / loudest) if loudest > 1e-12 else np.full(len(power), -np.inf)
