"""Answers by clip -> figures with intervals. The shifts of one clip are no independent samples: what is drawn
anew is whole clips, and each clip counts as much as another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from bench.sync.road import Answer

DRAWS = 2000
Clips = Sequence[Sequence[Answer]]
"""The answers of each clip."""
Figure = Callable[[Clips], float | None]


@dataclass(frozen=True)
class Measured:
    """A figure and its 95 % interval; None: there is nothing to measure it on."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def words(self, spec: str = ".0%") -> str:
        if self.value is None or self.low is None or self.high is None:
            return "none"
        return f"{self.value:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


def best_right(clips: Clips) -> float | None:
    """How often the likeliest offset is right, mean over clips."""
    return _mean([_share(clip, lambda each: each.best_right) for clip in clips])


def coverage(clips: Clips) -> float | None:
    """How often it stands for an answer, mean over clips."""
    return _mean([_share(clip, lambda each: each.named) for clip in clips])


def precision(clips: Clips) -> float | None:
    """Of the answers it stands for, how many are right."""
    return _share([each for clip in clips for each in clip if each.named], lambda each: each.named_right)


def error_ms(clips: Clips) -> float | None:
    """Median of how far off are the answers that it stands for."""
    errors = [each.error_ms for clip in clips for each in clip if each.error_ms is not None]
    return median(errors) if errors else None


def applied_coverage(clips: Clips) -> float | None:
    """How often it is sure enough to mend by itself, mean over clips."""
    return _mean([_share(clip, lambda each: each.applied) for clip in clips])


def applied_precision(clips: Clips) -> float | None:
    """Of what it mends by itself, how much is right."""
    return _share([each for clip in clips for each in clip if each.applied], lambda each: each.named_right)


FIGURES: Mapping[str, Figure] = {
    "likeliest right": best_right,
    "stood for": coverage,
    "of those right": precision,
    "of those median error ms": error_ms,
    "applied": applied_coverage,
    "of those applied right": applied_precision,
}


def measured(figure: Figure, clips: Clips) -> Measured:
    """A figure over all clips, with its interval bootstrapped by clip."""
    clips = [clip for clip in clips if clip]
    value = figure(clips) if clips else None
    if value is None:
        return Measured(None)
    picks = np.random.default_rng(0).integers(0, len(clips), (DRAWS, len(clips)))
    drawn = [figure([clips[number] for number in pick]) for pick in picks]
    low, high = np.percentile([each for each in drawn if each is not None], [2.5, 97.5])
    return Measured(float(value), float(low), float(high))


def often_wrong(clips: Mapping[str, Sequence[Answer]]) -> list[str]:
    """Clips for which it stands for a wrong answer at more than one shift."""
    return [
        name
        for name, answers in clips.items()
        if sum(each.named and not each.named_right for each in answers) > 1
    ]


def to_json(clips: Mapping[str, Sequence[Answer]]) -> dict[str, Any]:
    """All figures, and the answers they rest on."""
    every = list(clips.values())
    return {
        **{name: asdict(measured(figure, every)) for name, figure in FIGURES.items()},
        "wrong in more than one shift": often_wrong(clips),
        "clips": len(clips),
        "answers": {name: [asdict(each) for each in answers] for name, answers in clips.items()},
    }


def chance(offsets_s: Sequence[float], within_s: float) -> float:
    """How often a guess among the offsets is right within so much."""
    apart = np.abs(np.subtract.outer(offsets_s, offsets_s))
    return float((apart <= within_s + 1e-6).mean())


def _share(answers: Sequence[Answer], holds: Callable[[Answer], bool]) -> float | None:
    return sum(map(holds, answers)) / len(answers) if answers else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
