"""When things happen and how things move between: times, beats, strokes, springs and wanderings.

All times are in seconds from a scene's first frame and run from before it to after its end, so that nothing
tells where a window was cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.data.noises import RATE, Rng

LEAD_S = 2.5
"""What happens is drawn up from so long before the scene to so long after it."""


@dataclass(frozen=True)
class Clock:
    """The moments at which a scene is seen and heard."""

    frame_s: np.ndarray
    """(T,) what moment each exposure shows."""
    sample_count: int

    @property
    def end_s(self) -> float:
        """The scene's length."""
        return self.sample_count / RATE


def moments(rng: Rng, clock: Clock, least_s: float, mean_s: float) -> np.ndarray:
    """Uneven times, at least `least_s` apart, on average `mean_s`."""
    count = int((clock.end_s + 2 * LEAD_S) / least_s) + 1
    gaps_s = least_s + rng.exponential(max(0.05, mean_s - least_s), count)
    times_s = np.cumsum(gaps_s) - LEAD_S - rng.uniform(0, mean_s)
    return times_s[times_s < clock.end_s + LEAD_S]


def beats(rng: Rng, clock: Clock, least_s: float = 0.12) -> np.ndarray:
    """Times on a beat that isn't kept quite, with rests."""
    beat_s = rng.uniform(max(0.16, least_s), 0.8)
    times_s = np.arange(-LEAD_S - rng.uniform(0, beat_s), clock.end_s + LEAD_S, beat_s)
    times_s = times_s + rng.normal(0, rng.uniform(0.002, 0.06) * beat_s, len(times_s))
    played = rng.random(len(times_s)) < rng.uniform(0.45, 0.95)
    # Whole bars of rest.
    for start_s in rng.uniform(-LEAD_S, clock.end_s, rng.integers(0, 3)):
        played &= (times_s < start_s) | (times_s > start_s + rng.uniform(0.8, 3))
    return apart(times_s[played], least_s)


def bursts(rng: Rng, clock: Clock, least_s: float = 0.15) -> np.ndarray:
    """A few at once, then none for a while."""
    times_s: list[float] = []
    now_s = -LEAD_S - rng.uniform(0, 1)
    pace_s = rng.uniform(max(0.18, least_s), 0.5)
    while now_s < clock.end_s + LEAD_S:
        for _ in range(rng.integers(1, 6)):
            times_s.append(now_s)
            now_s += pace_s * rng.uniform(0.8, 1.4)
        now_s += rng.uniform(0.4, 2.8)
    return apart(np.array(times_s), least_s)


def times(rng: Rng, clock: Clock, least_s: float = 0.15) -> np.ndarray:
    """One of the three, not yet empty."""
    kind = rng.random()
    if kind < 0.35:
        found = beats(rng, clock, least_s)
    elif kind < 0.6:
        found = bursts(rng, clock, least_s)
    else:
        found = moments(rng, clock, max(least_s, rng.uniform(0.15, 0.6)), rng.uniform(0.5, 1.9))
    return found if len(found) > 2 else moments(rng, clock, max(least_s, 0.3), 0.9)


def apart(times_s: np.ndarray, least_s: float) -> np.ndarray:
    """In order, without those that come too soon after another."""
    kept: list[float] = []
    for time_s in np.sort(times_s):
        if not kept or time_s - kept[-1] >= least_s:
            kept.append(float(time_s))
    return np.array(kept)


def missed(rng: Rng, times_s: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Gains of which, in some scenes, a few are nothing: a move that isn't heard. Shape: (n,) -> (n,)."""
    share = rng.uniform(0, 0.3) if rng.random() < 0.35 else 0.0
    return gains * (rng.random(len(times_s)) >= share)


def strengths(rng: Rng, count: int) -> np.ndarray:
    """How hard each blow is, (count,), 0.15 to 1: some play evenly, some with accents."""
    return np.clip(rng.uniform(0.5, 1.0) * (1 - rng.uniform(0, 0.8) * rng.random(count)), 0.15, 1)


def stroke(
    rng: Rng, at_s: np.ndarray, struck_s: np.ndarray, strength: np.ndarray, *, fall_s: float, raise_s: float
) -> np.ndarray:
    """How high a hand is that strikes at these times: 0 at each blow. Shape: (T,) of `at_s` -> (T,).

    It falls faster and faster, rebounds a little, rests, and is raised in time for the next.
    """
    rebound, rest = rng.uniform(0.05, 0.4), rng.uniform(0.0, 0.3)
    ready = rng.uniform(0.0, 0.12)  # held up high before the fall
    knots_s, levels = [-LEAD_S - 5.0], [rest]
    before_s = -LEAD_S - 5.0
    for now_s, hard in zip(struck_s, strength, strict=True):
        gap_s = now_s - before_s
        fall, lift = min(fall_s, 0.4 * gap_s), min(raise_s, 0.4 * gap_s)
        top = 0.35 + 0.65 * hard
        hold = min(ready, max(0.0, gap_s - fall - lift - 0.1))
        if gap_s - fall - lift - hold > 0.14:
            knots_s += [now_s - fall - lift - hold]
            levels += [rest]
        knots_s += [now_s - fall - hold, now_s - fall, now_s, now_s + min(0.07, 0.2 * gap_s)]
        levels += [top * 0.98, top, 0.0, rebound * hard]
        before_s = now_s
    knots, level = np.array(knots_s), np.array(levels)
    order = np.argsort(knots, kind="stable")
    knots, level = knots[order], level[order]
    index = np.clip(np.searchsorted(knots, at_s, side="right") - 1, 0, len(knots) - 2)
    share = np.clip((at_s - knots[index]) / np.maximum(knots[index + 1] - knots[index], 1e-4), 0, 1)
    falls = level[index + 1] == 0.0
    eased = np.where(falls, share**2, (1 - np.cos(np.pi * share)) / 2)
    return level[index] + (level[index + 1] - level[index]) * eased


def ring(
    at_s: np.ndarray, struck_s: np.ndarray, strength: np.ndarray, *, hz: float, decay_s: float
) -> np.ndarray:
    """A struck thing that shakes and comes to rest, (T,): a sum of decaying sines from each blow."""
    since = at_s[:, None] - struck_s
    with np.errstate(over="ignore"):
        swings = np.exp(-np.maximum(since, 0) / decay_s) * np.sin(2 * np.pi * hz * np.maximum(since, 0))
    return ((since >= 0) * swings) @ strength


def jerk(
    at_s: np.ndarray, struck_s: np.ndarray, strength: np.ndarray, *, rise_s: float, fall_s: float
) -> np.ndarray:
    """A sudden movement and the way back, (T,): 0 before each time, its strength `rise_s` later."""
    since = at_s[:, None] - struck_s
    up = np.clip(since / rise_s, 0, 1)
    back = np.exp(-np.maximum(since - rise_s, 0) / fall_s)
    return (np.sin(np.pi / 2 * up) * back * strength * (since > 0)).max(1, initial=0.0)


def wander(rng: Rng, at_s: np.ndarray, reach: float, pace_s: float) -> np.ndarray:
    """A smooth aimless path within ±`reach`, a new aim about every `pace_s`. Shape: (T,) -> (T,)."""
    knots_s = np.arange(at_s[0] - pace_s, at_s[-1] + 2 * pace_s, pace_s)
    aims = rng.uniform(-reach, reach, len(knots_s))
    place = (at_s - knots_s[0]) / pace_s
    knot = np.minimum(place.astype(int), len(knots_s) - 2)
    ease = (1 - np.cos(np.pi * (place - knot))) / 2
    return aims[knot] * (1 - ease) + aims[knot + 1] * ease


def smooth(curve: np.ndarray, width: float) -> np.ndarray:
    """A curve without what is quicker than `width` of its values: a Gaussian, that doesn't shift it."""
    reach = max(1, int(3 * width))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(width, 1e-3)) ** 2)
    padded = np.pad(curve, reach, mode="edge")
    return np.convolve(padded, weights / weights.sum(), mode="valid")


def envelope(samples: np.ndarray, rate: int = 100) -> np.ndarray:
    """How loud it is, `rate` values a second, peak 1."""
    hop = RATE // rate
    level = np.sqrt(np.square(samples[: len(samples) // hop * hop].reshape(-1, hop)).mean(1))
    return level / (level.max() + 1e-9)
