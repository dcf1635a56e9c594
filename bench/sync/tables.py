"""What `clips` and `film` print: a line a film as it comes, then all of them with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.sync import tally
from bench.sync.road import RIGHT_WITHIN_S, Answer
from bench.sync.shifted import Shifted

HEAD = (
    f"{'':26} {'cut':>6} {'windows':>9} {'whole':>7} {'motion':>7} {'named':>6} {'right':>6}"
    f" {'error':>7} {'applied':>8} {'right':>6}"
)


def line(found: Shifted) -> str:
    """One film: how many of its shifts were right, and how many of those named and applied."""
    named = [each for each in found.whole if each.named]
    applied = [each for each in found.whole if each.applied]
    errors = [each.error_ms for each in named if each.error_ms is not None]
    error = f"{median(errors):4.0f} ms" if errors else ""
    words = (
        f"{found.name[:26]:26} {found.length_s:4.1f} s {_of(found.single):>9} {_of(found.whole):>7}"
        f" {_of(found.baseline):>7} {len(named):6} {_right(named):6} {error:>7}"
        f" {len(applied):8} {_right(applied):6}"
    )
    return words + (f"   every 8 s: {_of(found.long)}" if found.long else "")


def _of(answers: Sequence[Answer]) -> str:
    return f"{sum(each.best_right for each in answers)}/{len(answers)}"


def _right(answers: Sequence[Answer]) -> int:
    return sum(each.named_right for each in answers)


def figures(found: Mapping[str, Shifted]) -> dict[str, Any]:
    """Of single windows, whole cuts, motion energy alone and long windows, as plain JSON."""
    parts = {
        "whole": {name: each.whole for name, each in found.items()},
        "single windows": {name: each.single for name, each in found.items()},
        "motion energy alone": {name: each.baseline for name, each in found.items()},
        "every 8 s window": {name: each.long for name, each in found.items() if each.long},
    }
    return {what: tally.to_json(clips) for what, clips in parts.items() if clips}


def show(title: str, found: Mapping[str, Shifted], offsets_s: Sequence[float]) -> None:
    """The sums over some films, each with its interval."""
    if not found:
        return
    single, whole, alone = (
        [getattr(each, part) for each in found.values()] for part in ("single", "whole", "baseline")
    )
    rows = (
        ("single windows right", tally.best_right, single, ".0%"),
        ("whole right, likeliest offset", tally.best_right, whole, ".0%"),
        ("stood for an answer", tally.coverage, whole, ".0%"),
        ("  of those right", tally.precision, whole, ".0%"),
        ("  their median error in ms", tally.error_ms, whole, ".0f"),
        ("sure enough to mend by itself", tally.applied_coverage, whole, ".0%"),
        ("  of those right", tally.applied_precision, whole, ".0%"),
        ("motion energy alone: likeliest right", tally.best_right, alone, ".0%"),
        ("  stood for an answer", tally.coverage, alone, ".0%"),
        ("  of those right", tally.precision, alone, ".0%"),
    )
    guessing = tally.chance(offsets_s, RIGHT_WITHIN_S)
    print(f"\n{title}: {len(found)}, {len(offsets_s)} shifts each; right is within {RIGHT_WITHIN_S:g} s")
    for what, figure, clips, spec in rows:
        print(f"  {what:38} {tally.measured(figure, clips).words(spec)}")
    print(f"  {'guessing one of the offsets':38} {guessing:.0%}")
