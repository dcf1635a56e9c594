"""Of all that could be said, what is worth saying: once, and not too much of it at a time.

Captions in seconds of their media become fewer where they say the same again; findings in seconds of the
timeline become as many a minute as somebody wants to read.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

from otio_avassist.captioner import Crop, Said
from otio_avassist.findings import CaptionFinding, CarriedBy, Level
from otio_avassist.wording import alike, content

JOIN_S = 1.0
"""The same event twice, no further apart than this, is one."""
SCENE_JOIN_S = 10.0
"""The same scene: between two in which music plays it plays as well, whatever else is said there."""
ONGOING_S = 20.0
"""What lasts longer goes on and on: when a part of it is to be heard is nothing to tell."""
MINUTE_S = 60.0
A_FEW = 3
"""Captions that there is room for in any clip, and in any quarter of a minute."""
REPEAT_S = 60.0
"""What was said within this time is worth less when it is said again."""
LEAST_WORTH = 0.2
"""What is worth less, said so often, isn't said; at twelve captions a minute."""
RANK_UNNAMED = 0.5
"""What names nothing is worth so much of what does, where there is room for one only."""


@dataclass(frozen=True)
class Caption:
    """Something that happens in a file, in seconds of it."""

    start_s: float
    end_s: float
    level: Level
    said: Said
    weight: float = 1.0
    """Of an event: the belief that it is one."""
    carried_by: CarriedBy = "heard"
    doubts: tuple[str, ...] = ()
    crop: Crop | None = field(default=None, repr=False, compare=False)
    """What the network was asked about, as long as it may be asked again."""

    @property
    def confidence(self) -> float:
        return self.said.confidence * self.weight

    @property
    def rank(self) -> float:
        return self.confidence * (1.0 if self.said.named else RANK_UNNAMED)

    @property
    def says(self) -> frozenset[str]:
        return content([word for word, _ in self.said.words])


Ranked = tuple[float, CaptionFinding]
"""What a finding is worth where there isn't room for all."""


def merged(captions: Sequence[Caption]) -> list[Caption]:
    """Captions that say the same of stretches that overlap or adjoin become one: the surer one, over both.

    An event and a scene that say the same: of what goes on and on the scene stays, and so it does where the
    event fills most of it; else the event, which tells when.
    """
    found: list[Caption] = []
    for each in sorted(captions, key=lambda one: (one.start_s, one.end_s)):
        at = next((at for at, other in enumerate(found) if _same(each, other)), None)
        if at is None:
            found.append(each)
        else:
            twin = found[at]
            found[at] = replace(
                max(twin, each, key=lambda one: one.rank),
                start_s=min(twin.start_s, each.start_s),
                end_s=max(twin.end_s, each.end_s),
            )
    dropped = set()
    for scene in (each for each in found if each.level == "scene"):
        lasts_s = scene.end_s - scene.start_s
        inside = [
            each
            for each in found
            if each.level == "event" and each.says <= scene.says and _both_s(each, scene) > 0
        ]
        if lasts_s > ONGOING_S or sum(_both_s(each, scene) for each in inside) > lasts_s / 2:
            dropped |= {id(each) for each in inside}
        elif any(each.says == scene.says for each in inside):
            dropped.add(id(scene))
    return sorted((each for each in found if id(each) not in dropped), key=lambda each: each.start_s)


def _same(one: Caption, other: Caption) -> bool:
    apart_s = SCENE_JOIN_S if one.level == "scene" else JOIN_S
    return one.level == other.level and _both_s(one, other) >= -apart_s and alike(one.says, other.says)


def _both_s(one: Caption, other: Caption) -> float:
    """How long both last; negative: how far they are apart."""
    return min(one.end_s, other.end_s) - max(one.start_s, other.start_s)


def without_repeats(found: Sequence[Ranked]) -> list[Ranked]:
    """Of findings that say the same at the same moment of the timeline, the one that is worth more.

    Shots over one another may play the same: two microphones of one scene, or a copy on a track above.
    """
    kept: list[Ranked] = []
    for rank, each in sorted(found, key=lambda one: (-one[0], one[1].start_s)):
        if not any(_repeats(each, other) for _, other in kept):
            kept.append((rank, each))
    return kept


def _repeats(one: CaptionFinding, other: CaptionFinding) -> bool:
    both_s = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    return (
        one.shot is not other.shot
        and one.level == other.level
        and both_s > min(one.duration_s, other.duration_s) / 2
        and alike(_content(one), _content(other))
    )


def _content(each: CaptionFinding) -> frozenset[str]:
    words = [word for word, _ in each.words] or each.text.lower().rstrip(".").split()
    return content(words)


def thinned(
    found: Sequence[Ranked], per_minute: float, duration_s: float, *, least_worth: float = LEAST_WORTH
) -> list[CaptionFinding]:
    """No more than so many in any minute and in all, none right behind another of its level; the best stay.

    What was said a short while ago is worth half as much the second time, a third the third time, until it
    isn't worth saying. What people say stays whole. In the timeline's order.

    Args:
        duration_s: of all that was looked at. The shortest clip has room for a few.
        least_worth: what is worth less isn't said; at twelve captions a minute.
    """
    apart_s = MINUTE_S / per_minute / 2
    most = max(A_FEW, round(per_minute * duration_s / MINUTE_S))
    least = least_worth * min(1.0, 12 / per_minute)
    kept: list[CaptionFinding] = []
    times: list[float] = []
    by_level: dict[str, list[float]] = {}
    said: dict[frozenset[str], list[float]] = {}
    waiting = [(-rank, each.start_s, at) for at, (rank, each) in enumerate(found) if each.level != "speech"]
    heapify(waiting)
    while waiting and len(times) < most:
        worth, start_s, at = heappop(waiting)
        rank, each = found[at]
        says = _content(each)
        before = sum(
            abs(other - start_s) < REPEAT_S
            for words, others in said.items()
            if says <= words
            for other in others
        )
        if rank / (1 + before) < least:
            continue
        if rank / (1 + before) < -worth:
            # It has lost since it was put in: others may be worth more now.
            heappush(waiting, (-rank / (1 + before), start_s, at))
            continue
        level = by_level.setdefault(each.level, [])
        if (
            min(_next_to(level, start_s), default=apart_s) >= apart_s
            and _room(times, start_s, MINUTE_S, per_minute)
            and _room(times, start_s, MINUTE_S / 4, max(A_FEW, per_minute / 4))
        ):
            insort(level, start_s)
            insort(times, start_s)
            said.setdefault(says, []).append(start_s)
            kept.append(each)
    kept += [each for _, each in found if each.level == "speech"]
    return sorted(kept, key=lambda each: (each.start_s, each.end_s, each.level))


def _next_to(times_s: Sequence[float], at_s: float) -> list[float]:
    """How far the neighbours of a moment are away; ascending times."""
    at = bisect_left(times_s, at_s)
    return [abs(other - at_s) for other in times_s[max(0, at - 1) : at + 1]]


def _room(times_s: Sequence[float], at_s: float, window_s: float, most: float) -> bool:
    """Whether one more at `at_s` leaves no window with more than so many; ascending times."""
    near = [*times_s[bisect_right(times_s, at_s - window_s) : bisect_left(times_s, at_s + window_s)], at_s]
    near.sort()
    return all(later - near[k] >= window_s for k, later in enumerate(near[max(1, int(most)) :]))
