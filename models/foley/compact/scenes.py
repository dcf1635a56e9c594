"""Ten seconds of a kind of sound, composed of recordings: steps at a walk, blows, notes, what goes on.

In: a kind, recordings, a seeded generator. Out: float32 samples at `RATE`. Nothing is made up but when, how
fast and how loud. Knows no network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from models.foley.compact.kinds import Kind
from models.foley.compact.material import Recording
from otio_avassist.signals import FOLEY_HOP
from otio_avassist.signals import FOLEY_RATE as RATE

Rng = np.random.Generator
COLUMNS = 848
"""Of a spectrogram."""
LENGTH = COLUMNS * FOLEY_HOP
"""Samples: 9.85 s."""
GRID = 8 * FOLEY_HOP
"""Samples of one column of codes, 93 ms: sounds begin on it, so that a recording is always the same codes."""


def scene(rng: Rng, kind: Kind, recordings: Sequence[Recording]) -> np.ndarray:
    """Ten seconds of a kind, out of its recordings. Shape: float32 (LENGTH,), peak 0.8."""
    made = WAYS[kind.way](rng, kind, recordings)
    if kind.way == "steps":
        # One of two rooms: dry steps are nowhere.
        made = in_a_room(np.random.default_rng(int(rng.integers(2))), made)
    # All are as loud: what differs by a little only would be other codes.
    return (made * (0.8 / (np.abs(made).max() + 1e-9))).astype(np.float32)


# Ways


def _one_place(rng: Rng, recordings: Sequence[Recording]) -> Sequence[Recording]:
    """Takes of one thing, as their names tell: a floor doesn't change from step to step."""
    stems = [each.name.split(".")[0] for each in recordings]
    chosen = stems[rng.integers(len(stems))]
    return [each for each, stem in zip(recordings, stems, strict=True) if stem == chosen]


def _steps(rng: Rng, kind: Kind, recordings: Sequence[Recording]) -> np.ndarray:
    """Left and right, evenly."""
    takes = _one_place(rng, recordings)
    period_s, speed = rng.uniform(*kind.every_s), _speed(rng, kind)
    starts_s = np.arange(rng.uniform(0, period_s), LENGTH / RATE, period_s)
    starts_s = starts_s + rng.normal(0, 0.04 * period_s, len(starts_s))
    return _laid(rng, takes, starts_s, speed=speed, softest=1)


def _events(rng: Rng, kind: Kind, recordings: Sequence[Recording]) -> np.ndarray:
    """One after the other, no two as far apart."""
    takes = _one_place(rng, recordings)
    gaps_s = rng.uniform(*kind.every_s, 64)
    starts_s = np.cumsum(gaps_s) - gaps_s[0] * rng.uniform(0.4, 1)
    return _laid(rng, takes, starts_s, speed=_speed(rng, kind), softest=1)


def _notes(rng: Rng, kind: Kind, recordings: Sequence[Recording]) -> np.ndarray:
    """A few notes of one instrument in a steady beat, now and then two at once."""
    count = min(len(recordings), int(rng.integers(3, 8)))
    takes = [recordings[k] for k in rng.choice(len(recordings), count, replace=False)]
    beat_s = rng.uniform(*kind.every_s)
    starts_s = np.arange(rng.uniform(0, beat_s), LENGTH / RATE, beat_s)
    starts_s = starts_s[rng.random(len(starts_s)) < 0.85]
    chords = starts_s[rng.random(len(starts_s)) < 0.3]
    return _laid(rng, takes, np.concatenate([starts_s, chords]), speed=_speed(rng, kind), softest=1)


def _beat(rng: Rng, kind: Kind, recordings: Sequence[Recording]) -> np.ndarray:
    """A loop again and again; or strokes on a kit of three or four pieces, the same every bar."""
    loops = [each for each in recordings if each.name.startswith("loop")]
    kit = [each for each in recordings if not each.name.startswith("loop")]
    if loops and (not kit or rng.random() < 0.5):
        samples = faster(loops[rng.integers(len(loops))].samples, _speed(rng, kind))
        return np.resize(np.roll(samples, -int(rng.integers(4)) * (len(samples) // 4)), LENGTH).astype(float)
    step_s, speed, out = rng.uniform(*kind.every_s), _speed(rng, kind), np.zeros(LENGTH)
    for number in rng.choice(len(kit), min(len(kit), int(rng.integers(3, 5))), replace=False):
        bar = np.flatnonzero(rng.random(8) < rng.uniform(0.2, 0.6))
        bars = np.arange(0, LENGTH / RATE, 8 * step_s)
        starts_s = (bars[:, None] + bar * step_s).ravel()
        out += rng.uniform(0.4, 1) * _laid(rng, [kit[number]], starts_s, speed=speed, softest=1)
    return out if out.any() else _beat(rng, kind, recordings)


def _goes_on(rng: Rng, kind: Kind, recordings: Sequence[Recording]) -> np.ndarray:
    """A recording over and over, faded over into itself."""
    samples = faster(recordings[rng.integers(len(recordings))].samples, _speed(rng, kind))
    seam = min(RATE // 4, len(samples) // 3)
    whole = max(GRID, (len(samples) - seam) // GRID * GRID)
    samples = np.resize(samples, max(len(samples), whole + seam))[: whole + seam]
    up = np.sqrt(np.linspace(0, 1, seam))
    body = samples[:whole].copy()
    body[:seam] = body[:seam] * up + samples[whole:] * up[::-1]
    start = int(rng.integers(whole // GRID)) * GRID
    return np.take(body, np.arange(start, start + LENGTH), mode="wrap")


WAYS: dict[str, Callable[[Rng, Kind, Sequence[Recording]], np.ndarray]] = {
    "steps": _steps, "events": _events, "notes": _notes, "beat": _beat, "goes on": _goes_on,
}  # fmt: skip


def _laid(
    rng: Rng, takes: Sequence[Recording], starts_s: np.ndarray, *, speed: float, softest: int
) -> np.ndarray:
    """A take at each time, never the same twice in a row where there are several. Shape: (LENGTH,).

    Args:
        softest: times 3 dB: each is softer than the loudest by a whole number of these, up to so many.
    """
    out = np.zeros(LENGTH)
    last = -1
    for start_s in starts_s:
        start = round(max(0.0, start_s) * RATE / GRID) * GRID
        if start >= LENGTH:
            continue
        number = int(rng.integers(len(takes)))
        last = (number + (number == last)) % len(takes)
        samples = faster(takes[last].samples, speed)[: LENGTH - start]
        out[start : start + len(samples)] += samples * 10 ** (-3 * rng.integers(softest + 1) / 20)
    return out


# Changes


def _speed(rng: Rng, kind: Kind) -> float:
    """One of three."""
    return float(np.exp(kind.pitch * rng.choice([-1, 0, 1])))


def faster(samples: np.ndarray, speed: float) -> np.ndarray:
    """The same, played so much faster: higher and shorter."""
    return np.interp(np.arange(0, len(samples) - 1, speed), np.arange(len(samples)), samples)


def in_a_room(rng: Rng, samples: np.ndarray) -> np.ndarray:
    """With the decaying noise of a small or a middling room behind it."""
    decay_s = rng.uniform(0.05, 0.35)
    count = int(2 * decay_s * RATE)
    tail = rng.normal(size=count) * np.exp(-3.5 * np.arange(count) / count) * np.sqrt(40 / count)
    size = len(samples) + count
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    return samples + rng.uniform(0.05, 0.35) * wet
