"""People who speak, seen and heard -> belief over offsets, by their lips. numpy only.

How far mouths are open (`faces`) is set against the energy of speech. All offsets are `audio_early_s`, > 0
where the sound comes before its picture. Knows no files, no timeline and no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from otio_avassist.faces import FPS, Mouth
from otio_avassist.findings import Posterior

SPEECH_HZ = (200, 4000)
ROWS_A_SECOND, ROW_S = 100, 0.025
TREND_S = 0.7
"""Slower ups and downs than this are of words and phrases, not of syllables."""
BRIDGED_S = 0.2
"""A face that is lost for so long is taken to have gone on evenly."""
LEAST_S = 2.0
"""Of a face and its sound together, without which an offset isn't spoken of."""
STILL = 0.008
"""A mouth whose opening deviates by less, as a share of the distance between the eyes, doesn't speak."""
LEAD_S = 0.07
"""Lips lead what is heard by so much even in step: measured on three people (docs/sync-network.md).

Schwartz and Savariaux 2014 find from 20 ms behind to 200 ms before, by the sound that is made.
"""
SPREAD_S = 0.04
"""The true offset is seen so far beside itself."""
UNRELATED = 0.3
"""Belief, before looking, that nobody who is seen is heard."""
VAGUE, TYPICAL = 0.1, 0.35
"""If they are related: the share of it that shows nothing, and how the rest's correlations fall off."""
OVER = 0.95
"""Chance correlates so much as its theory for curves of this length says, times this: calibrated on mouths
that speak against voices of others."""
THIN = 0.3
"""Below this confidence no offset is named."""
SURE_WITHIN_S = 0.08
"""A confidence is the belief that the answer is right within this."""


@dataclass(frozen=True)
class LipMatch:
    """What lips say about the sound."""

    posterior: Posterior
    early_s: float | None
    """> 0: the sound comes before its picture. None: abstained."""
    confidence: float
    """Of the best offset, whether it is named or not."""
    note: str


def speech_energy(samples: np.ndarray, *, rate: int, fps: float = FPS) -> np.ndarray:
    """How loud it is where voices are, picture by picture: the fourth root of the energy, much like loudness.

    Shape: (N,) mono -> float64 (N * fps / rate,); the k-th is of half a picture round k / fps seconds.
    """
    hop, length = round(rate / ROWS_A_SECOND), round(rate * ROW_S)
    count = int(len(samples) * fps / rate + 1e-6)
    if not count:
        return np.zeros(0)
    # A row is of what lies round the middle of its ten milliseconds.
    padded = np.pad(np.asarray(samples, np.float64), (length - hop) // 2 + 1)
    rows = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop] * np.hanning(length)
    hertz = np.fft.rfftfreq(length, 1 / rate)
    voiced = (hertz >= SPEECH_HZ[0]) & (hertz < SPEECH_HZ[1])
    energy = (np.abs(np.fft.rfft(rows)[:, voiced]) ** 2).sum(axis=1)
    picture = ((np.arange(len(energy)) + 0.5) * fps / ROWS_A_SECOND + 0.5).astype(int)
    inside = picture < count
    sums = np.bincount(picture[inside], energy[inside], minlength=count)
    means = sums / np.maximum(np.bincount(picture[inside], minlength=count), 1)
    return means**0.25


@dataclass(frozen=True)
class Said:
    """What the lips of one stretch say, of the offsets that `offsets` gives."""

    log_ratio: np.ndarray
    """How many times likelier each offset is than chance, as a logarithm. Shape: (K,)."""
    best: float = 0.0
    """The largest correlation of all."""
    why_not: str = ""
    """Why they say nothing; empty where they do."""


def offsets(max_offset_s: float, fps: float = FPS) -> np.ndarray:
    """One a picture, to either side. Shape: (K,)."""
    steps = int(max_offset_s * fps + 1e-6)
    return np.arange(-steps, steps + 1) / fps


def nothing(max_offset_s: float, why_not: str, fps: float = FPS) -> Said:
    """What is said where there is nothing to go by."""
    return Said(np.zeros(len(offsets(max_offset_s, fps))), why_not=why_not)


def listen(
    mouths: Sequence[Mouth], speech: np.ndarray, fps: float = FPS, *, max_offset_s: float = 2.0
) -> Said:
    """Set the mouths of one stretch against its sound.

    Each face is correlated with the sound at each offset, and compared with what chance gives for curves of
    its length and smoothness. Of faces that are there at one time, one speaks; faces of different times are
    evidence apart.

    Args:
        mouths: of `Faces`; their pictures count from the first of `speech`.
        speech: of `speech_energy`. Shape: (T,).
        fps: of both.
        max_offset_s: how far to look to either side.
    """
    offsets_s = offsets(max_offset_s, fps)
    curves = [each for mouth in mouths if (each := _curve(mouth, len(speech), fps)) is not None]
    if not curves:
        return nothing(max_offset_s, "no face can be followed for long enough", fps)
    moving = [each for each in curves if np.std(each[1][each[0]]) >= STILL]
    if not moving:
        return nothing(max_offset_s, "there is a face, but its lips hardly move", fps)
    heard = _without_trend(speech, np.ones(len(speech), bool), fps)
    if not np.std(heard) > 1e-3 * np.mean(speech):
        return nothing(max_offset_s, "there is a face, but no sound that comes and goes", fps)
    reach = len(offsets_s) // 2
    # One more at either end: the lead needn't be whole pictures.
    lags = np.arange(-reach - 1, reach + 2) - round(LEAD_S * fps)
    ratio, best = np.zeros(len(lags)), 0.0
    for together in _at_one_time(moving):
        of_each = []
        for known, seen in together:
            r, chance = correlate(seen, known, heard, lags, fps)
            best = max(best, float(r.max()))
            of_each.append(_ratio(r, chance))
        ratio += np.log(np.mean(of_each, axis=0))
    return Said(np.interp(offsets_s, lags / fps + LEAD_S, ratio), best)


def conclude(said: Sequence[Said], fps: float = FPS, *, max_offset_s: float = 2.0) -> LipMatch:
    """One belief from what the lips of several stretches say."""
    offsets_s = offsets(max_offset_s, fps)
    telling = [each for each in said if not each.why_not]
    if not telling:
        even = Posterior(tuple(offsets_s.tolist()), tuple([1 / len(offsets_s)] * len(offsets_s)))
        return LipMatch(even, None, 0.0, said[0].why_not if said else "no face is seen")
    posterior = _believe(np.sum([each.log_ratio for each in telling], axis=0), offsets_s)
    early_s, confidence = _best(posterior)
    if confidence < THIN:
        note = "lips move, but what is heard doesn't go with them at any offset"
        return LipMatch(posterior, None, confidence, note)
    where = f"{abs(early_s) * 1000:.0f} ms {'early' if early_s > 0 else 'late'}"
    best = max(each.best for each in telling)
    note = (
        f"lips fit best with a voice {where if abs(early_s) >= 0.005 else 'in step'} (correlation {best:.2f})"
    )
    return LipMatch(posterior, early_s, confidence, note)


_Curve = tuple[np.ndarray, np.ndarray]
"""Which pictures the face is known in, and its opening without trend, 0 where it isn't. Both (T,)."""


def _curve(mouth: Mouth, length: int, fps: float) -> _Curve | None:
    opening = np.full(length, np.nan)
    there = np.array(mouth.opening[: max(0, length - mouth.first)])
    opening[mouth.first : mouth.first + len(there)] = there
    known = np.isfinite(opening)
    if known.sum() < LEAST_S * fps:
        return None
    at = np.flatnonzero(known)
    filled = np.interp(np.arange(length), at, opening[at])
    gaps = np.diff(at)
    for start, gap in zip(at, gaps, strict=False):
        if 1 < gap <= BRIDGED_S * fps + 1:
            known[start : start + gap] = True
    return known, _without_trend(filled, known, fps)


def _without_trend(curve: np.ndarray, known: np.ndarray, fps: float) -> np.ndarray:
    weights = np.hanning(round(TREND_S * fps) | 1)
    total = np.convolve(known.astype(float), weights, mode="same")
    trend = np.convolve(np.where(known, curve, 0), weights, mode="same") / np.maximum(total, 1e-9)
    return np.where(known, curve - trend, 0)


def correlate(
    seen: np.ndarray, known: np.ndarray, heard: np.ndarray, lags: np.ndarray, fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation at each lag, and the deviation that chance has there; 0 and 1 where too little overlaps.

    At lag k the sound is k pictures early: what is seen at t is heard at t - k.
    """
    length = len(seen)
    spread = _smoothness(seen[known], heard, round(fps))
    found, chance = np.zeros(len(lags)), np.ones(len(lags))
    for at, lag in enumerate(lags):
        first, end = max(0, lag), min(length, length + lag)
        both = known[first:end]
        count = int(both.sum())
        if count < LEAST_S * fps:
            continue
        one, other = seen[first:end][both], heard[first - lag : end - lag][both]
        one, other = one - one.mean(), other - other.mean()
        size = np.sqrt((one @ one) * (other @ other))
        found[at] = one @ other / size if size > 1e-12 else 0.0
        chance[at] = np.sqrt(spread / count)
    return found, chance


def _smoothness(seen: np.ndarray, heard: np.ndarray, reach: int) -> float:
    """How many pictures go into one independent pair of numbers: Bartlett 1946."""

    def own(curve: np.ndarray) -> np.ndarray:
        curve = curve - curve.mean()
        power = max(float(curve @ curve), 1e-12)
        return np.array([curve[lag:] @ curve[: len(curve) - lag] / power for lag in range(1, reach)])

    return OVER**2 * max(1.0, float(1 + 2 * own(seen) @ own(heard)))


def _ratio(r: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """How many times likelier each lag's correlation is if it is the true one than by chance."""
    true = np.arange(0.05, 0.95, 0.05)
    weights = np.exp(-true / TYPICAL) * true
    weights *= (1 - VAGUE) / weights.sum()
    z, means = r / chance, true / chance[:, None]
    likelier = np.exp(np.clip(z[:, None] * means - means**2 / 2, -700, 700)) @ weights
    return VAGUE + np.where(chance < 1, likelier, 1 - VAGUE)


def _at_one_time(curves: Sequence[_Curve]) -> list[list[_Curve]]:
    """Faces grouped by whether they are there together for more than a moment."""
    groups: list[list[_Curve]] = []
    for known, seen in curves:
        near = [group for group in groups if any((known & other).any() for other, _ in group)]
        groups = [group for group in groups if group not in near]
        groups.append([(known, seen), *(each for group in near for each in group)])
    return groups


def _believe(ratio: np.ndarray, offsets_s: np.ndarray) -> Posterior:
    top = ratio.max()
    related = (1 - UNRELATED) * np.exp(ratio - top) / len(ratio)
    unrelated = UNRELATED * np.exp(-top)
    none = unrelated / (unrelated + related.sum())
    spread = np.exp(-0.5 * (np.subtract.outer(offsets_s, offsets_s) / SPREAD_S) ** 2)
    spread /= spread.sum(axis=0)
    belief = (1 - none) * (spread @ (related / related.sum())) + none / len(ratio)
    return Posterior(tuple(offsets_s.tolist()), tuple((belief / belief.sum()).tolist()))


def _best(posterior: Posterior) -> tuple[float, float]:
    """The most likely offset, to a part of a picture, and the belief that it is right."""
    offsets_s, belief = np.array(posterior.offsets_s), np.array(posterior.probabilities)
    top = int(belief.argmax())
    near = slice(max(0, top - 1), top + 2)
    best_s = float(belief[near] @ offsets_s[near] / belief[near].sum())
    return best_s, float(min(1.0, belief[np.abs(offsets_s - best_s) <= SURE_WITHIN_S + 1e-9].sum()))
