"""Clips of a timeline -> the stretches of picture that are to get a sound, and why the others aren't.

Without a word from anybody these are the pictures that are seen and have nothing to hear under them: no sound
clip, no sound of their own, or one that is digital silence. What is named by track, clip or marker gets its
sound whatever lies under it. Knows seconds and spans; what a file sounds like is asked of the caller.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Literal

from otio_avassist.errors import UsageError
from otio_avassist.findings import PassedOver
from otio_avassist.spans import MediaSpan, Shot, Skipped, Spans, cut
from otio_avassist.traces import untagged
from otio_avassist.urls import path_from_url

if TYPE_CHECKING:
    from otio_avassist.marks import Mark
    from otio_avassist.pairing import Clip

Which = Literal["silent", "all"]
WHICH: tuple[Which, ...] = ("silent", "all")
PART_S = 0.5
"""What is left of a picture beside a sound or under another picture gets none if it is shorter."""
TOUCH_S = 0.02
"""Clips that overlap by no more only touch: float noise, and ranges counted at two rates."""

Path = tuple[int, ...]
Stretch = tuple[float, float]
"""(start, end) in timeline seconds."""


@dataclass(frozen=True)
class Wish:
    """Which pictures are to get a sound; what several of these say must all hold."""

    which: Which | None = None
    """None: those with nothing to hear under them, but all of those that are named below."""
    tracks: tuple[str, ...] = ()
    """By name, or by index among all tracks, from 0, as reports count."""
    clips: tuple[str, ...] = ()
    """By name, by file name, or by index on the track, from 0."""
    markers: tuple[str, ...] = ()
    """Names of markers: the stretches they mark; one of a frame or less means the clip under it."""

    def __post_init__(self) -> None:
        if self.which is not None and self.which not in WHICH:
            raise UsageError(f"no such choice of shots: {self.which}; there is: {', '.join(WHICH)}")

    @property
    def only_silent(self) -> bool:
        named = self.tracks or self.clips or self.markers
        return self.which == "silent" or (self.which is None and not named)


def wanted(
    looked: Spans,
    wish: Wish,
    marks_of: Callable[[Path], Sequence[Mark]],
    is_silent: Callable[[MediaSpan], bool],
) -> tuple[list[Shot], list[PassedOver]]:
    """(shots, or parts of them, that are to get a sound; pictures that are not, each with the reason)

    Args:
        looked: the timeline without sounds that were made before.
        marks_of: the markers of the timeline at a path.
        is_silent: whether a span sounds of nothing at all.

    Raises:
        UsageError: a track, clip or marker is named that isn't there. One that is and can't be looked at is
            among those that `looked` has skipped.
    """
    pictures = {timeline: _pictures(clips) for timeline, clips in looked.clips.items()}
    marks = {timeline: marks_of(timeline) for timeline in pictures} if wish.markers else {}
    _check_names(wish, [span for group in pictures.values() for _, span in group], looked, marks.values())
    heard_with: dict[Path, list[Shot]] = defaultdict(list)
    for shot in looked.shots:
        if shot.picture is not None and shot.sound is not None:
            heard_with[shot.picture.address.path].append(shot)
    shots: list[Shot] = []
    passed_over: list[PassedOver] = []
    for timeline, group in pictures.items():
        under = _Under(looked, looked.clips[timeline], is_silent)
        for clip, span in group:
            if not _is_named(span, wish):
                continue
            whole = (span.record_start_s, span.record_start_s + span.duration_s)
            stretches = _marked(whole, marks.get(timeline, ()), wish, span.rate) if wish.markers else [whole]
            if not stretches:
                continue
            left, reason = under.left(clip, span, stretches) if wish.only_silent else (stretches, "")
            shots += [_shot(span, stretch, heard_with[clip.path]) for stretch in left]
            if not left:
                passed_over.append(PassedOver(Shot(span, None, "alone"), reason))
    return shots, passed_over


def heard(looked: Spans) -> Iterator[MediaSpan]:
    """Every sound that is heard on the timeline and can be read: sound clips, and pictures' own."""
    for clips in looked.clips.values():
        yield from (each.span for each in clips if each.kind == "sound" and each.plays and each.span)
    yield from (shot.sound for shot in looked.shots if shot.sound and shot.paired_by == "own sound")


def overlap_s(span: MediaSpan, start_s: float, end_s: float) -> float:
    """How much of a stretch of the timeline a span covers; below 0 where it doesn't."""
    return min(end_s, span.record_start_s + span.duration_s) - max(start_s, span.record_start_s)


def _pictures(clips: Iterable[Clip]) -> list[tuple[Clip, MediaSpan]]:
    """Moving pictures in the order of time."""
    found = [(each, each.span) for each in clips if each.kind != "sound" and each.moving and each.span]
    return sorted(found, key=lambda each: (each[1].record_start_s, each[0].path))


class _Under:
    """What is heard under the pictures of one timeline, and which picture lies over which."""

    def __init__(self, looked: Spans, clips: Sequence[Clip], is_silent: Callable[[MediaSpan], bool]) -> None:
        there = [each for each in clips if each.plays and math.isfinite(sum(each.record))]
        self.clips = sorted(there, key=lambda each: (each.record[0], each.path))
        self.starts_s = [each.record[0] for each in self.clips]
        self.longest_s = max(
            (end_s - start_s for start_s, end_s in (each.record for each in there)), default=0
        )
        self.is_silent = is_silent
        self.own = {
            shot.picture.address.path
            for shot in looked.shots
            if shot.picture is not None and shot.paired_by == "own sound"
        }

    def left(self, picture: Clip, span: MediaSpan, stretches: Sequence[Stretch]) -> tuple[list[Stretch], str]:
        """(what of these stretches is seen and has nothing to hear under it, why the rest is left out)"""
        reason = ""
        left = list(stretches)
        for other, why in self._over_and_under(picture, span):
            if not left:
                break
            remaining = _without(left, other)
            if remaining != left:
                left, reason = remaining, why
        return left, f"{reason}; --which all makes one all the same" if reason else ""

    def _over_and_under(self, picture: Clip, span: MediaSpan) -> Iterator[tuple[Stretch, str]]:
        whole = (span.record_start_s, span.record_start_s + span.duration_s)
        first = bisect_left(self.starts_s, whole[0] - self.longest_s)
        for each in self.clips[first : bisect_right(self.starts_s, whole[1])]:
            both = max(whole[0], each.record[0]), min(whole[1], each.record[1])
            if each is picture or not both[1] - both[0] > TOUCH_S:
                continue
            if each.kind == "sound":
                if each.span is None or not self.is_silent(cut(each.span, *both)):
                    yield both, f"has sound under it already: {each.name}"
            elif each.path > picture.path:
                yield both, f"isn't seen: {each.name} lies over it"
        if picture.path in self.own and not self.is_silent(replace(span, kind="sound")):
            yield whole, "has sound of its own"


def _without(stretches: Iterable[Stretch], taken: Stretch) -> list[Stretch]:
    """What is left of stretches; no crumbs of what was longer."""
    left = []
    for start_s, end_s in stretches:
        if min(end_s, taken[1]) - max(start_s, taken[0]) <= TOUCH_S:
            left.append((start_s, end_s))
            continue
        parts = ((start_s, min(end_s, taken[0])), (max(start_s, taken[1]), end_s))
        left += [part for part in parts if part[1] - part[0] >= PART_S]
    return left


def _marked(whole: Stretch, marks: Iterable[Mark], wish: Wish, rate: float) -> list[Stretch]:
    """The parts of a picture that markers of these names stand over, without overlaps."""
    found: list[Stretch] = []
    for mark in sorted(marks, key=lambda each: each.start):
        if not _is_one_of(untagged(mark.name), wish.markers):
            continue
        start_s, end_s = float(mark.start), float(mark.end)
        if (end_s - start_s) * rate <= 1 + 1e-3:
            if whole[0] - 1e-6 <= start_s < whole[1] - 1e-6:
                return [whole]
            continue
        start_s, end_s = max(start_s, whole[0]), min(end_s, whole[1])
        if end_s - start_s <= TOUCH_S:
            continue
        if found and start_s <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        else:
            found.append((start_s, end_s))
    return found


def _shot(span: MediaSpan, stretch: Stretch, shots: Iterable[Shot]) -> Shot:
    """The picture between two moments, with the sound of the first of its shots that covers all of it."""
    start_s, end_s = stretch
    picture = cut(span, start_s, end_s)
    for shot in shots:
        sound = shot.sound
        if sound is None:
            continue
        sound_end_s = sound.record_start_s + sound.duration_s
        if sound.record_start_s <= start_s + TOUCH_S and sound_end_s >= end_s - TOUCH_S:
            return Shot(picture, cut(sound, start_s, end_s), shot.paired_by)
    return Shot(picture, None, "alone", "no sound lies under all of it")


def _is_named(span: MediaSpan, wish: Wish) -> bool:
    on_track = not wish.tracks or any(_is_one_of(name, wish.tracks) for name in _track_names(span))
    return on_track and (not wish.clips or any(_is_one_of(name, wish.clips) for name in _clip_names(span)))


def _track_names(span: MediaSpan) -> tuple[str, ...]:
    return span.address.track, str(span.address.track_index)


def _clip_names(span: MediaSpan) -> tuple[str, ...]:
    return span.address.clip, span.media_name, str(span.address.clip_index)


def _is_one_of(name: str, names: Iterable[str]) -> bool:
    return name.casefold() in {each.casefold() for each in names}


def _check_names(
    wish: Wish, spans: Sequence[MediaSpan], looked: Spans, marks: Iterable[Sequence[Mark]]
) -> None:
    """Say what there is where somebody names what isn't there."""
    left_out = _left_out(looked)
    tracks = [(each.track, str(each.track_index)) for each in left_out]
    clips = [(each.clip, _file_name(each), str(each.clip_index)) for each in left_out]
    there: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = {
        "track with pictures": (wish.tracks, [*map(_track_names, spans), *tracks]),
        "clip with pictures": (wish.clips, [*map(_clip_names, spans), *clips]),
        "marker": (wish.markers, [(untagged(mark.name),) for group in marks for mark in group]),
    }
    for what, (wishes, known) in there.items():
        names = [name for each in known for name in each]
        for each in wishes:
            if not _is_one_of(each, names):
                listed = list(dict.fromkeys(names_of[0] for names_of in known))
                more = " …" if len(listed) > _LISTED else ""
                raise UsageError(
                    f"no {what} is called {each!r}; there is: {', '.join(listed[:_LISTED]) or 'none'}{more}"
                )


_LISTED = 12


def _left_out(looked: Spans) -> list[Skipped]:
    """Pictures that can't be looked at: they are there, and it is said of each why it gets nothing."""
    pictures = {
        (each.track_index, each.name)
        for clips in looked.clips.values()
        for each in clips
        if each.kind == "picture" and each.span is None
    }
    return [each for each in looked.skipped if (each.track_index, each.clip) in pictures]


def _file_name(skipped: Skipped) -> str:
    return PureWindowsPath(path_from_url(skipped.media)).name
