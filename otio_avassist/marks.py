"""Timeline -> where each of its markers stands, exactly; and markers -> a timeline that holds nothing else.

A marker on a clip counts in the clip's source time, one on a track or a stack in what lies in it: both become
moments of the timeline here, through start timecodes, retimes and compound clips. Fractions all the way, so
that a frame is a frame whatever the rate.
"""

from __future__ import annotations

import logging
import math
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from otio_avassist import places, traces
from otio_avassist.timecodes import exact_rate, nearest, starts_in_drop_frame

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mark:
    """A marker as the timeline shows it."""

    start: Fraction
    """True seconds from the timeline's first frame; its start timecode is off. Below 0 before that frame."""
    duration: Fraction
    """True seconds; may be 0."""
    name: str
    comment: str
    """What it says at length: its comment, else what editors keep elsewhere; our tag is still in it."""
    color: str = ""
    resolve_color: str = ""
    """What Resolve calls it, where that says more than `color`."""
    task: str = ""
    finding: str = ""
    """Of our own markers: the task, and the finding's id as far as it is known."""
    where: str = ""
    """The clip or the track it stands on; empty for the timeline's own."""

    @property
    def end(self) -> Fraction:
        return self.start + self.duration

    @property
    def text(self) -> str:
        """What a person reads: the comment, else the name, without our tag."""
        return printable(traces.untagged(self.comment)) or printable(traces.untagged(self.name))


@dataclass(frozen=True)
class Counting:
    """How a timeline counts its frames."""

    rate: float
    """Frames a second as the timeline spells it: 23.976 stays 23.976."""
    start: int = 0
    """The frame number of its first frame."""
    drop: bool = False
    """Whether labels are in drop frame."""

    @property
    def exact(self) -> Fraction:
        return exact_rate(self.rate)

    def frame(self, second: Fraction) -> int:
        """Nearest frame, from the timeline's first."""
        return nearest(second * self.exact)

    def frames(self, mark: Mark) -> tuple[int, int]:
        """(first frame, how many): both ends on the nearest frame, and one frame at least."""
        first = self.frame(mark.start)
        return first, max(1, self.frame(mark.end) - first)


def printable(text: str) -> str:
    """Lines without control characters, blank ones left out."""
    lines = (
        "".join(sign if unicodedata.category(sign) not in ("Cc", "Cs") else " " for sign in line).strip()
        for line in text.splitlines()
    )
    return "\n".join(line for line in lines if line)


# Timeline -> marks


def marks(root: Any) -> list[Mark]:
    """Every marker that the timeline shows, in the order of time.

    Markers of what is disabled, and those outside of what is used of their clip, are seen by nobody and left
    out; so are those without a valid time, which are logged.

    Args:
        root: Timeline, Stack, Track, Clip, or SerializableCollection (each of its timelines counts from 0).
    """
    if isinstance(root, otio.schema.SerializableCollection):
        found = [mark for child in root for mark in marks(child)]
    elif isinstance(root, otio.schema.Timeline):
        found = list(_marks(root.tracks, _Frame(), ""))
    elif isinstance(root, otio.core.Item):
        found = list(_marks(root, _Frame(), ""))
    else:
        found = []
    return sorted(found, key=lambda mark: (mark.start, mark.end))


def counting(root: Any, *, rate: float | None = None, drop: bool | None = None) -> Counting:
    """How `root` counts.

    Args:
        rate: instead of the timeline's own.
        drop: None: where the first frame has a round label in drop frame, or a start of 0 at a rate that
            editors count so.
    """
    start = _start_of(root)
    if rate is None:
        rate = _spelt_rate(root)
    exact_rate(rate)
    first = nearest(_seconds(start) * exact_rate(rate)) if start is not None else 0
    if drop is None:
        drop = starts_in_drop_frame(first, rate)
    return Counting(rate, first, drop)


@dataclass(frozen=True)
class _Frame:
    """From the time in which an item's place is told to that of the timeline: at + time / speed."""

    at: Fraction = Fraction(0)
    speed: Fraction = Fraction(1)
    shown: tuple[Fraction | None, Fraction | None] = (None, None)
    """What enclosing items show of the timeline; None: no bound."""

    def second(self, time: Fraction) -> Fraction:
        return self.at + time / self.speed

    def later(self, by: Fraction) -> _Frame:
        return _Frame(self.second(by), self.speed, self.shown)


def _marks(item: otio.core.Item, outer: _Frame, where: str) -> Iterator[Mark]:
    """Markers on an item that begins at 0 of `outer`, and on all that it holds."""
    if places.disabled(item):
        return
    speed = Fraction(places.speed(item))
    length = _length(item)
    first, bounded = _first(item)
    if speed == 0:
        # One frame of the media stands still: what is said of it is said all along.
        yield from _frozen(item, outer, where, length)
        return
    if speed < 0 and length is not None:
        # Played backwards, a range is read from its end.
        first += abs(speed) * length
    shown = outer.shown
    if bounded and length is not None:
        shown = _both(shown, tuple(sorted((outer.second(Fraction(0)), outer.second(length)))))
    inner = _Frame(outer.second(-first / speed), outer.speed * speed, shown)
    for marker in item.markers:
        if mark := _mark(marker, inner, where):
            yield mark
    if not isinstance(item, otio.core.Composition):
        return
    at: Fraction | None = Fraction(0)
    for child in item:
        if isinstance(child, otio.schema.Transition):
            continue
        if at is None:
            _log.warning("%s: nobody can say where it stands, so its markers are left out", child.name)
            continue
        name = where if isinstance(child, otio.schema.Gap) else child.name or where
        if isinstance(child, otio.core.Item):
            yield from _marks(child, inner.later(at), name)
        if isinstance(item, otio.schema.Track):
            length = _length(child)
            at = None if length is None else at + length


def _mark(marker: otio.schema.Marker, inner: _Frame, where: str) -> Mark | None:
    start, duration = _range(marker.marked_range)
    if start is None or duration is None:
        _log.warning("marker %r has no valid time and is left out", marker.name)
        return None
    ends = sorted((inner.second(start), inner.second(start + max(Fraction(0), duration))))
    first, last = inner.shown
    if (last is not None and ends[0] >= last) or (first is not None and ends[1] <= first > ends[0]):
        return None
    begin = ends[0] if first is None else max(first, ends[0])
    end = ends[1] if last is None else min(last, ends[1])
    return _told(marker, begin, end - begin, where)


def _frozen(item: otio.core.Item, outer: _Frame, where: str, length: Fraction | None) -> Iterator[Mark]:
    first, _ = _first(item)
    for marker in item.markers:
        start, duration = _range(marker.marked_range)
        if start is not None and duration is not None and start <= first <= start + duration and length:
            yield _told(marker, outer.second(Fraction(0)), length / abs(outer.speed), where)


def _told(marker: otio.schema.Marker, start: Fraction, duration: Fraction, where: str) -> Mark:
    name, *texts = traces.words_of(marker)
    ours = places.plain(marker.metadata.get(traces.NAMESPACE))
    color = marker.color
    return Mark(
        start=start,
        duration=duration,
        name=name,
        comment=next(filter(None, texts), ""),
        # OpenTimelineIO after 0.18 has objects for colours.
        color=color if isinstance(color, str) else str(getattr(color, "name", "") or ""),
        resolve_color=str(ours.get("resolve_color", "")),
        task=traces.task_of(marker),
        finding=traces.finding_of(marker),
        where=where,
    )


def _first(item: otio.core.Item) -> tuple[Fraction, bool]:
    """(the item's own time at which it begins, whether it shows no more than its length)."""
    told = item.source_range
    if told is None and isinstance(item, otio.schema.Clip) and item.media_reference is not None:
        told = item.media_reference.available_range
    if told is None:
        return Fraction(0), False
    start, _ = _range(told)
    return start or Fraction(0), True


def _length(item: otio.core.Composable) -> Fraction | None:
    """What an item takes of its track in true seconds; None: nobody knows."""
    if isinstance(item, otio.schema.Transition):
        return Fraction(0)
    if item.source_range is not None:
        return _range(item.source_range)[1]
    if isinstance(item, otio.schema.Clip):
        available = item.media_reference.available_range if item.media_reference else None
        return _range(available)[1] if available is not None else None
    lengths = [_length(child) for child in item] if isinstance(item, otio.core.Composition) else []
    known = [length for length in lengths if length is not None]
    if isinstance(item, otio.schema.Track):
        return sum(known, Fraction(0)) if len(known) == len(lengths) else None
    return max(known, default=Fraction(0))


def _both(
    outer: tuple[Fraction | None, Fraction | None], inner: tuple[Fraction, ...]
) -> tuple[Fraction | None, Fraction | None]:
    first, last = outer
    return (
        inner[0] if first is None else max(first, inner[0]),
        inner[1] if last is None else min(last, inner[1]),
    )


def _range(told: Any) -> tuple[Fraction | None, Fraction | None]:
    """(start, duration) in true seconds; None for what is no time."""
    return _or_none(told.start_time), _or_none(told.duration)


def _or_none(time: Any) -> Fraction | None:
    return _seconds(time) if math.isfinite(places.seconds(time)) else None


def _seconds(time: Any) -> Fraction:
    return _tidy(time.value) / exact_rate(time.rate)


def _tidy(value: float) -> Fraction:
    """Editors write 198771.99999999997 and mean 198772."""
    whole = round(value)
    return Fraction(whole) if abs(value - whole) < _NOISE else Fraction(value)


_NOISE = 1e-6
"""In units of a time's own rate."""


def _start_of(root: Any) -> Any:
    start = getattr(root, "global_start_time", None)
    return start if start is not None and math.isfinite(places.seconds(start)) else None


def _spelt_rate(root: Any) -> float:
    """As the timeline's editor spells it."""
    seen = places.walk(root)
    start = _start_of(root)
    ranges = [each.clip.source_range.duration for each in seen if each.clip.source_range is not None]
    spelt = [time.rate for time in ([start] if start is not None else []) + ranges]
    if not any(1 < rate <= 240 for rate in spelt):
        # Nothing is cut: its markers were counted at some rate.
        spelt = [rate for rate in _marker_rates(root) if 1 < rate <= 240]
        return spelt[0] if spelt else 25.0
    rate = places.timeline_rate(root, seen)
    return next((each for each in spelt if each > 0 and float(exact_rate(each)) == rate), rate)


def _marker_rates(root: Any) -> list[float]:
    return [
        each.marked_range.start_time.rate
        for each in traces.everything(root)
        if isinstance(each, otio.schema.Marker)
    ]


# Marks -> timeline


def timeline_of(found: Iterable[Mark], name: str, counting: Counting | None) -> otio.schema.Timeline:
    """A timeline that holds markers and nothing else.

    Args:
        counting: whole frames of it; None: milliseconds.
    """
    timeline = otio.schema.Timeline(name)
    timeline.tracks.name = name
    if counting is not None:
        timeline.global_start_time = RationalTime(counting.start, counting.rate)
    for mark in found:
        timeline.tracks.markers.append(_marker(mark, counting))
    return timeline


def _marker(mark: Mark, counting: Counting | None) -> otio.schema.Marker:
    if counting is None:
        first = nearest(mark.start * 1000)
        rate, count = 1000.0, max(1, nearest(mark.end * 1000) - first)
    else:
        rate, (first, count) = counting.rate, counting.frames(mark)
    marker = otio.schema.Marker(
        name=mark.name,
        marked_range=TimeRange(RationalTime(first, rate), RationalTime(count, rate)),
        color=mark.color or otio.schema.MarkerColor.GREEN,
        comment=mark.comment,
    )
    if mark.comment:
        # Resolve shows a marker's note from here and nowhere else.
        marker.metadata["Resolve_OTIO"] = {"Keywords": [], "Note": mark.comment}
    ours = {"task": mark.task, "finding": mark.finding, "resolve_color": mark.resolve_color}
    if any(ours.values()):
        marker.metadata[traces.NAMESPACE] = {key: value for key, value in ours.items() if value}
    return marker
