"""Places along a recording, each with a belief over offsets -> one offset, a drift, or jumps. numpy only.

Sound against sound measures an offset to a millisecond; what is seen tells it to a frame or two, and errs
now and then. So the ways in which an offset may run are weighed against each other by all places at once: it
stays, it drifts as clocks do, or it jumps where somebody cut. A change is believed only if places agree on it
that don't fit without. Knows no files, no timeline and no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from otio_avassist.alignment import early_words
from otio_avassist.findings import Jump, Posterior

SLOWEST, FASTEST = 20e-6, 500e-6
"""Drifts that are looked for, in seconds a second: slower ones can't be seen, faster ones aren't clocks'."""
SEEN_DRIFT_S = 0.06
"""What drifts by less between the first and the last place stays, as finely as can be seen."""
DRIFT_STEP_S = 0.02
"""Drifts are told apart by what they come to between the first place and the last."""
SEEN_JUMP_S = 0.12
"""Jumps by less are no jumps, as finely as can be seen."""
CHANGES = 0.05
"""Belief, before looking, in a drift, and as much in jumps."""
STRAY = 0.1
"""Share of chance in what a place says, so that one that errs with conviction can't outvote the others."""
WITHIN_S = 0.1
"""A confidence is the belief that the answer is right within this."""
SURE = 0.9
"""A drift or a jump less sure isn't named."""
ODDS = 20.0
"""Where a jump might be is all that is not so many times less likely than where it most likely is."""
ENOUGH_PLACES = 2
"""Places that must agree on the offset of each piece."""


@dataclass(frozen=True)
class Place:
    """What was seen and heard in some seconds, weighed by itself."""

    at_s: float
    """Its middle, in seconds from where the course begins."""
    posterior: Posterior


@dataclass(frozen=True)
class Course:
    """An offset that doesn't stay the same."""

    early_s: float
    """`audio_early_s` at the beginning."""
    confidence: float
    """The belief that it runs so, and that all of its offsets are right within `WITHIN_S`."""
    drift_ppm: float | None = None
    """> 0: the sound grows later against the picture."""
    jumps: tuple[Jump, ...] = ()
    residual_s: float | None = None
    """Root mean square of what it leaves of the places' own best offsets, but for strays."""
    note: str = ""

    def at(self, second: float) -> float:
        """`audio_early_s` so many seconds from the beginning."""
        passed = [jump for jump in self.jumps if jump.at_s <= second]
        since = passed[-1] if passed else Jump(0.0, self.early_s)
        return since.audio_early_s - (self.drift_ppm or 0.0) * 1e-6 * (second - since.at_s)

    def from_second(self, second: float, duration_s: float) -> Course:
        """The same as it holds for a cut that begins so many seconds into it."""
        ahead = [jump for jump in self.jumps if second < jump.at_s < second + duration_s]
        return replace(
            self,
            early_s=self.at(second),
            jumps=tuple(replace(jump, at_s=jump.at_s - second) for jump in ahead),
        )


def course(places: Sequence[Place]) -> Course | None:
    """How the offset runs where it doesn't stay; None where it stays, or where nobody can tell.

    Args:
        places: in order of time, with beliefs on one grid of offsets that is even and ascending.
    """
    if len(places) < 2 * ENOUGH_PLACES:
        return None
    offsets_s = np.array(places[0].posterior.offsets_s)
    at_s = np.array([place.at_s for place in places])
    log = np.array([_log_ratio(place.posterior) for place in places])  # (places, offsets)
    stays = _log_mean(log.sum(axis=0))
    drift, drifts = _drift(at_s, offsets_s, log)
    path, jumps = _jumps(offsets_s, log, stays)
    beliefs = np.array([stays + np.log(1 - 2 * CHANGES), drifts + np.log(CHANGES), jumps + np.log(CHANGES)])
    beliefs = np.exp(beliefs - beliefs.max())
    stays, drifts, jumps = (beliefs / beliefs.sum()).tolist()
    if drifts >= max(stays, jumps) and drift is not None:
        found = _drifting(at_s, offsets_s, log, drift, drifts)
    elif jumps >= max(stays, drifts):
        found = _jumping(at_s, offsets_s, log, path, jumps)
    else:
        return None
    return found if found is not None and found.confidence >= SURE else None


def _log_ratio(posterior: Posterior) -> np.ndarray:
    """How much likelier each offset makes what was seen, against an even belief, in logarithms."""
    ratio = np.array(posterior.probabilities) * len(posterior.probabilities)
    return np.log((1 - STRAY) * ratio + STRAY)


def _log_mean(log: np.ndarray) -> float:
    """Logarithm of the mean of what these are logarithms of."""
    top = float(log.max())
    return top + float(np.log(np.mean(np.exp(log - top))))


def _along(at_s: np.ndarray, offsets_s: np.ndarray, log: np.ndarray, drift: float) -> np.ndarray:
    """How well each offset at time 0 fits with a drift, in logarithms; what leaves the grid says nothing."""
    return np.sum(
        [
            np.interp(offsets_s - drift * second, offsets_s, row, left=0.0, right=0.0)
            for second, row in zip(at_s, log, strict=True)
        ],
        axis=0,
    )


def _drift(at_s: np.ndarray, offsets_s: np.ndarray, log: np.ndarray) -> tuple[float | None, float]:
    """(the drift that fits best, logarithm of how well there being one fits)."""
    span_s = float(at_s[-1] - at_s[0])
    steps = np.arange(np.ceil(SEEN_DRIFT_S / DRIFT_STEP_S - 1e-9), FASTEST * span_s / DRIFT_STEP_S + 1e-9)
    sizes = steps * DRIFT_STEP_S / max(span_s, 1e-9)
    sizes = sizes[sizes >= SLOWEST]
    if not len(sizes):
        return None, -np.inf
    drifts = np.concatenate([-sizes[::-1], sizes])
    # Around the middle, so that no drift takes more of the places off the grid than another.
    middle_s = float(at_s.mean())
    fits = np.array([_along(at_s - middle_s, offsets_s, log, drift) for drift in drifts])
    return float(drifts[fits.max(axis=1).argmax()]), _log_mean(fits.ravel())


def _drifting(
    at_s: np.ndarray, offsets_s: np.ndarray, log: np.ndarray, drift: float, belief: float
) -> Course | None:
    """The course by this drift; None where too few places agree with it."""
    middle_s = float(at_s.mean())
    fit = _along(at_s - middle_s, offsets_s, log, drift)
    early_s, sure = _top(offsets_s, fit)
    own_s = offsets_s[log.argmax(axis=1)]
    left_s = own_s - (early_s - drift * (at_s - middle_s))
    agree = np.abs(left_s) <= WITHIN_S
    # One end alone, or a lone place at the other, would be no drift.
    early_half, late_half = agree[at_s < middle_s], agree[at_s >= middle_s]
    if min(early_half.sum(), late_half.sum()) < ENOUGH_PLACES:
        return None
    # Least squares over those that agree: the grid of drifts is coarse.
    slope, middle = np.polyfit(at_s[agree] - middle_s, own_s[agree], 1)
    if not SLOWEST <= abs(slope) <= FASTEST or np.sign(slope) == np.sign(drift):
        slope, middle = -drift, early_s
    residual_s = own_s[agree] - (middle + slope * (at_s[agree] - middle_s))
    start_s = float(middle - slope * middle_s)
    return Course(
        early_s=start_s,
        confidence=belief * sure,
        drift_ppm=float(-slope * 1e6),
        residual_s=float(np.sqrt(np.mean(residual_s**2))),
        note=f"the sound is {early_words(start_s)} at first, and drifts {'later' if slope < 0 else 'earlier'}"
        f" by about {abs(slope) * 1e6:.0f} ppm: {agree.sum()} of {len(at_s)} places agree",
    )


def _jumps(offsets_s: np.ndarray, log: np.ndarray, stays: float) -> tuple[np.ndarray, float]:
    """(which offset holds in each place, logarithm of how well there being a jump fits).

    A chain of states: from place to place the offset stays, or becomes any other that lies far enough.
    """
    count, classes = log.shape
    leave = 1 / count
    far = np.abs(np.subtract.outer(offsets_s, offsets_s)) >= SEEN_JUMP_S
    steps = leave * far / np.maximum(far.sum(axis=1, keepdims=True), 1) + (1 - leave) * np.eye(classes)
    forward, best = log[0] - np.log(classes), log[0] - np.log(classes)
    came_from = np.zeros((count, classes), int)
    log_steps = np.log(steps, where=steps > 0, out=np.full_like(steps, -np.inf))
    for place in range(1, count):
        top = forward.max()
        forward = np.log(np.exp(forward - top) @ steps) + top + log[place]
        ways = best[:, None] + log_steps
        came_from[place] = ways.argmax(axis=0)
        best = ways.max(axis=0) + log[place]
    path = np.zeros(count, int)
    path[-1] = best.argmax()
    for place in range(count - 1, 0, -1):
        path[place - 1] = came_from[place, path[place]]
    # What never leaves is no jump.
    still = (count - 1) * np.log(1 - leave)
    top = forward.max()
    all_ways = np.exp(forward - top).sum()
    others = all_ways - np.exp(stays + still - top)
    if others <= 1e-9 * all_ways:
        return path, -np.inf
    return path, float(np.log(others) + top - np.log(1 - np.exp(still)))


def _jumping(
    at_s: np.ndarray, offsets_s: np.ndarray, log: np.ndarray, path: np.ndarray, belief: float
) -> Course | None:
    """The course by these states; None where a piece has too few places that agree."""
    firsts = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist()]
    pieces = list(zip(firsts, [*firsts[1:], len(path)], strict=True))
    own_s = offsets_s[log.argmax(axis=1)]
    early_s, sure, agreeing, left_s = [], belief, 0, []
    for first, last in pieces:
        offset_s, right = _top(offsets_s, log[first:last].sum(axis=0))
        off_s = own_s[first:last] - offset_s
        agree = np.abs(off_s) <= WITHIN_S
        if agree.sum() < ENOUGH_PLACES:
            return None
        early_s.append(offset_s)
        left_s.append(off_s[agree])
        sure *= right
        agreeing += int(agree.sum())
    if len(pieces) == 1:
        return None
    jumps = []
    for ((begins, at), (_, ends)), offsets in zip(pairwise(pieces), pairwise(early_s), strict=True):
        old, new = (_near(offsets_s, log[begins:ends], offset_s) for offset_s in offsets)
        first, last = _likely(np.concatenate([[0.0], np.cumsum(old - new)]), at - begins)
        # Where places tell nothing, it may be on either side of them.
        from_s, to_s = at_s[max(begins + first, 1) - 1], at_s[min(begins + last, len(at_s) - 1)]
        jumps.append(Jump(float(from_s + to_s) / 2, offsets[1], float(to_s - from_s) / 2))
    words = ", then ".join(early_words(each) for each in early_s)
    return Course(
        early_s=early_s[0],
        confidence=sure,
        jumps=tuple(jumps),
        residual_s=float(np.sqrt(np.mean(np.concatenate(left_s) ** 2))),
        note=f"the sound is {words}: {agreeing} of {len(at_s)} places agree",
    )


def _top(offsets_s: np.ndarray, log: np.ndarray) -> tuple[float, float]:
    """The offset that fits best, and the belief that it is right within `WITHIN_S`."""
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    near = np.abs(offsets_s - offsets_s[weights.argmax()]) <= WITHIN_S + 1e-9
    early_s = float(offsets_s[near] @ weights[near] / weights[near].sum())
    return early_s, float(weights[near].sum())


def _near(offsets_s: np.ndarray, log: np.ndarray, offset_s: float) -> np.ndarray:
    """How well each place fits with an offset, or one beside it, in logarithms. Shape: (P, K) -> (P,)."""
    return log[:, np.abs(offsets_s - offset_s) <= WITHIN_S + 1e-9].max(axis=1)


def _likely(balance: np.ndarray, top: int) -> tuple[int, int]:
    """The first and the last turn that a balance of logarithms leaves as likely as `top`, but for `ODDS`."""
    likely = np.flatnonzero(balance >= balance[top] - np.log(ODDS))
    return int(likely[0]), int(likely[-1])


def split(seen: np.ndarray, heard: np.ndarray, fps: float, old_s: float, new_s: float) -> tuple[float, float]:
    """Where a lag becomes another: up to there things fit by the old one, from there on by the new.

    Args:
        seen, heard: what stands out of two curves over the same time, mean 0. Shape: (T,).
        fps: of both.
        old_s, new_s: how much sooner the same shows in `heard`, before and after.

    Returns:
        Seconds from the start of the curves, and how much sooner or later it may be.
    """
    frames = np.arange(len(seen), dtype=np.float64)
    by_old, by_new = (
        seen * np.interp(frames + lag_s * fps, frames, heard, left=0.0, right=0.0)
        for lag_s in (-old_s, -new_s)
    )
    gain: np.ndarray = by_old - by_new
    balance = np.concatenate([[0.0], np.cumsum(gain)])
    top = int(balance.argmax())
    # What a frame gains on its own side of the jump, beside how far frames stray, says how much a sum tells.
    mean = (2 * balance[top] - balance[-1]) / len(gain)
    first, last = _likely(balance * 2 * mean / max(gain.var(), 1e-12), top)
    return top / fps, max(top - first, last - top) / fps
