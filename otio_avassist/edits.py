"""Edits -> changes of the timeline, and back again.

`apply` copies the timeline, makes the changes that `remedies` named, and returns the copy; `strip` takes
back everything that was ever put in. Back to RationalTime at the clip's own rate, in whole frames.

Both can be kept to some tasks: a run of captions replaces captions, and looks at the timeline with the sound
where a run of sync has put it. Markers of several tasks on one object, and tracks of several tasks at the end
of a stack, stand in the order of the tasks' names, so that the order of the runs makes no difference.

A clip that was moved keeps in its metadata what stood there before (`Moved`); the sidecar (`review`) keeps
the same for when an editor has dropped that, and where markers stand whose name is free of a tag (`Laid`).
Knows no media and weighs no evidence.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from otio_avassist import places
from otio_avassist.errors import TimelineError
from otio_avassist.places import Address, Seen, media_name
from otio_avassist.remedies import (
    AddMarker,
    DetachSound,
    Edit,
    LayClip,
    MendSound,
    Outcome,
    SlipSound,
    edit_for,
)
from otio_avassist.spans import MediaSpan
from otio_avassist.timecodes import exact_rate, whole_frames
from otio_avassist.traces import (
    NAMESPACE,
    everything,
    finding_of,
    has_tag,
    is_our_marker,
    is_our_sound,
    is_our_track,
    note_of,
    short_name,
    tag_of,
    task_of,
    track_name,
    untouched,
)

# Those who need one of these need it for what is here.
__all__ = [
    "AddMarker", "Address", "DetachSound", "Edit", "Laid", "LayClip", "MendSound", "Moved", "Outcome",
    "SlipSound", "Stripped", "apply", "edit_for", "laid", "moved", "strip",
]  # fmt: skip


@dataclass(frozen=True)
class Stripped:
    """A timeline without our work."""

    timeline: Any
    restored: tuple[str, ...]
    """What was taken back, a line each."""
    could_not: tuple[str, ...]
    """What wasn't, and why."""


# Edits -> timeline


def apply(
    root: otio.core.SerializableObject, edits: Iterable[Edit], *, tasks: Collection[str] | None = None
) -> otio.core.SerializableObject:
    """A copy of `root` in which these edits, and nothing else of ours, have been made.

    Earlier work of ours is taken back first, so that a second run replaces the first one's; addresses are
    those of the timeline without it. Decisions kept in the root's metadata stay.

    Args:
        tasks: only their work is taken back, and what other tasks did stays; None: that of all.

    Raises:
        TimelineError: an edit can't be made: no such clip, a transition beside it, no media to play there.
    """
    taken = _taken_back(root, None, tasks)
    make(taken.timeline, edits)
    return taken.timeline


def make(root: otio.core.SerializableObject, edits: Iterable[Edit]) -> None:
    """Make these edits in `root` itself, where none of the same tasks have been made; raises as `apply`."""
    seen = {each.place.path: each for each in places.walk(root)}
    targets = [(edit, _target(edit, seen)) for edit in edits]
    timelines = _Timelines(root, tuple(seen.values()))
    tracks, markers = _NewTracks(timelines), _NewMarkers(timelines)
    for edit, target in targets:
        match edit:
            case AddMarker():
                markers.lay(edit, target)
            case DetachSound():
                tracks.detach(edit, target)
            case LayClip():
                tracks.lay(edit, target)
    # Last, and from the last clip to the first, because a gap put in moves its track's later addresses.
    for edit, target in sorted(targets, key=lambda each: each[1].place.path, reverse=True):
        if isinstance(edit, SlipSound):
            _slip(edit, target)
        elif isinstance(edit, MendSound):
            _mend(edit, target)


def _target(edit: Edit, seen: Mapping[tuple[int, ...], Seen]) -> Seen:
    if edit.address.path not in seen:
        raise TimelineError(f"no clip stands where {edit.address.clip!r} stood on {edit.address.track!r}")
    return seen[edit.address.path]


@dataclass(frozen=True)
class _Slipped:
    """A range after a slip, and the silence that keeps its place, in units of the range's own rates."""

    source: TimeRange
    gap_before: RationalTime
    gap_after: RationalTime


def _slip(edit: SlipSound, target: Seen) -> None:
    clip = target.clip
    slipped = _slipped(edit, target)
    was = Moved(
        finding=str(edit.note.get("finding", "")),
        clip=target.address.clip,
        media=media_name(clip),
        record_start_s=target.place.at_s,
        before=clip.source_range,
        after=slipped.source,
        silence_before=slipped.gap_before.value,
        silence_after=slipped.gap_after.value,
        task=str(edit.note.get("task", "sync")),
    )
    clip.source_range = slipped.source
    kept = note_of(clip)  # decisions, where the clip is the root
    clip.metadata[NAMESPACE] = {**kept, **edit.note, "finding": was.finding, **was.past()}
    gaps = [(slipped.gap_before, 0), (slipped.gap_after, 1)]
    if all(length.value == 0 for length, _ in gaps):
        return
    track = clip.parent()
    if not isinstance(track, otio.schema.Track):
        raise TimelineError(f"{clip.name!r} stands on no track: its media is too short for the slip")
    for length, behind in gaps:
        if length.value:
            track.insert(_index_of(track, clip, target.place.path[-1]) + behind, _gap(length, edit.note))


def _mend(edit: MendSound, target: Seen) -> None:
    """Cut a clip, read each piece from elsewhere, and play all of them at another speed.

    The first piece that plays anything stays the clip that it was, and knows how it was before; what stands
    beside it of ours is taken away again by `strip`.
    """
    clip, track = target.clip, target.clip.parent()
    if target.place.near_transition:
        raise TimelineError(f"{target.address.clip!r}: a transition stands beside it, and needs its handles")
    source = _source_range(edit, clip)
    items = [item for piece in _mended(edit, target, source) for item in piece]
    ranges = [item for item, plays in items if plays]
    if not ranges:
        raise TimelineError(f"{target.address.clip!r}: its media has nothing to play there")
    if len(items) > 1 and not isinstance(track, otio.schema.Track):
        raise TimelineError(f"{clip.name!r} stands on no track: it can't be cut")
    own = next(index for index, (_, plays) in enumerate(items) if plays)
    was = Moved(
        finding=str(edit.note.get("finding", "")),
        clip=target.address.clip,
        media=media_name(clip),
        record_start_s=target.place.at_s,
        before=clip.source_range,
        after=ranges[0],
        task=str(edit.note.get("task", "sync")),
        speed=edit.speed,
        items=(own, len(items) - own - 1),
    )
    if edit.speed != 1:
        warp = otio.schema.LinearTimeWarp(time_scalar=edit.speed)
        warp.metadata[NAMESPACE] = _identity(edit.note)
        clip.effects.append(warp)
    made = []
    for index, (extent, plays) in enumerate(items):
        if index == own:
            continue
        piece = clip.deepcopy() if plays else _gap(extent.duration, edit.note)
        if plays:
            piece.source_range = extent
            piece.metadata[NAMESPACE] = _identity(edit.note)
            del piece.markers[:]
        made.append(piece)
    kept = note_of(clip)
    clip.source_range = ranges[0]
    clip.metadata[NAMESPACE] = {**kept, **edit.note, "finding": was.finding, **was.past()}
    if made:
        at = _index_of(track, clip, target.place.path[-1])
        for number, piece in enumerate(made):
            track.insert(at + number + (1 if number >= own else 0), piece)


def _mended(edit: MendSound, target: Seen, source: TimeRange) -> Iterator[list[tuple[TimeRange, bool]]]:
    """For each piece what follows one another: (range, whether it plays); what doesn't is silence."""
    start, rate = source.start_time, source.start_time.rate
    exact, length = float(exact_rate(rate)), source.duration.value_rescaled_to(rate)
    before_s, after_s = _handles_s(edit.span, target, source)
    low, high = start.value - before_s * exact, start.value + length + after_s * exact
    zero_s = edit.span.record_start_s - target.place.at_s
    cuts = [whole_frames(zero_s + piece.from_s, rate) for piece in edit.pieces[1:]]
    # A piece that begins beyond the clip plays nothing.
    edges = [0.0, *(min(max(0.0, cut), length) for cut in cuts), length]
    for piece, (first, last) in zip(edit.pieces, pairwise(edges), strict=True):
        if last <= first:
            continue
        wanted = start.value + first - whole_frames(piece.read_earlier_by_s, rate)
        head = min(last - first, max(0.0, math.ceil((low - wanted) / edit.speed - FLOAT_NOISE)))
        room = max(0.0, high - wanted) / edit.speed
        tail = max(
            0.0, (last - first) - (math.floor(room + FLOAT_NOISE) if math.isfinite(room) else math.inf)
        )
        plays = last - first - head - tail
        silence = [head, tail] if plays > 0 else [last - first, 0.0]
        parts = [
            (silence[0], False, start.value),
            (plays, True, wanted + (math.ceil(head * edit.speed - FLOAT_NOISE) if head else 0)),
            (silence[1], False, start.value),
        ]
        yield [
            (
                TimeRange(
                    RationalTime(at, rate), RationalTime(count, rate).rescaled_to(source.duration.rate)
                ),
                is_so,
            )
            for count, is_so, at in parts
            if count > 0
        ]


def _slipped(edit: SlipSound | DetachSound, target: Seen) -> _Slipped:
    """Where the clip is to be read, cut to what its media has."""
    if target.place.near_transition:
        raise TimelineError(
            f"{target.address.clip!r}: a transition stands beside it, and a slip would move its handles"
        )
    source = _source_range(edit, target.clip)
    start, duration = source.start_time, source.duration
    if not math.isfinite(places.seconds(start) + places.seconds(duration)):
        raise TimelineError(f"{target.address.clip!r}: its range has a rate of 0 or numbers that are none")
    frames = whole_frames(edit.read_earlier_by_s, start.rate)
    before_s, after_s = _handles_s(edit.span, target, source)
    rate = float(exact_rate(start.rate))
    missing = abs(frames) - _frames_within(before_s if frames > 0 else after_s, rate)
    trim = RationalTime(max(0, missing), start.rate).rescaled_to(duration.rate)
    if trim.value >= duration.value:
        raise TimelineError(
            f"{target.address.clip!r}: its media has nothing to play {-frames:+d} frames away"
        )
    none = RationalTime(0, duration.rate)
    early = frames > 0
    start = RationalTime(start.value - frames + (max(0, missing) if early else 0), start.rate)
    cut = RationalTime(duration.value - trim.value, duration.rate)
    return _Slipped(TimeRange(start, cut), trim if early else none, none if early else trim)


def _source_range(edit: SlipSound | DetachSound | MendSound, clip: otio.schema.Clip) -> TimeRange:
    """What the clip plays; without a range of its own that is all of its media."""
    if (source := _told_range(clip)) is not None:
        return source
    span = edit.span
    if span is None or span.media_end_s is None:
        raise TimelineError(f"{edit.address.clip!r}: nobody knows which part of its media it plays")
    frames = whole_frames(span.media_end_s, span.rate)
    return TimeRange(RationalTime(0, span.rate), RationalTime(frames, span.rate))


def _told_range(clip: otio.schema.Clip) -> TimeRange | None:
    """What the timeline says that the clip plays; None where only its media knows."""
    available = clip.media_reference.available_range if clip.media_reference else None
    return clip.source_range or available


def _handles_s(span: MediaSpan | None, target: Seen, source: TimeRange) -> tuple[float, float]:
    """How much of its media lies (before, after) what the clip plays, in seconds; may be below 0."""
    start_s, duration_s = places.seconds(source.start_time), places.seconds(source.duration)
    if span is not None:
        # The span may be a part of the clip only: that under its picture.
        first_s = span.start_s - (span.record_start_s - target.place.at_s)
        end_s = math.inf if span.media_end_s is None else span.media_end_s
        return first_s - span.media_start_s, end_s - first_s - duration_s
    available = target.clip.media_reference.available_range if target.clip.media_reference else None
    if available is None:
        return start_s, math.inf
    first_s = places.seconds(available.start_time)
    return start_s - first_s, first_s + places.seconds(available.duration) - start_s - duration_s


def _frames_within(seconds: float, rate: float) -> float:
    """Whole frames that fit; what already reads beyond its media is made no worse."""
    return math.inf if math.isinf(seconds) else max(0, math.floor(seconds * rate + FLOAT_NOISE))


FLOAT_NOISE = 1e-6
"""In frames."""


def _gap(length: RationalTime, note: Mapping[str, Any]) -> otio.schema.Gap:
    gap = otio.schema.Gap(source_range=TimeRange(RationalTime(0, length.rate), length))
    gap.metadata[NAMESPACE] = _identity(note)
    return gap


def _identity(note: Mapping[str, Any]) -> dict[str, Any]:
    return {key: note[key] for key in ("task", "finding") if key in note}


def _index_of(parent: otio.core.Composition, child: otio.core.Composable, first: int = 0) -> int:
    """By identity, from an index on that it stands at or after."""
    return next(index for index in range(first, len(parent)) if parent[index] is child)


class _Timelines:
    """What holds the clips of each timeline of the root, and how it counts; a film has thousands of clips."""

    def __init__(self, root: otio.core.SerializableObject, seen: Sequence[Seen]) -> None:
        self.root, self.seen = root, seen
        self.rates: dict[tuple[int, ...], float] = {}

    def holder(self, target: Seen) -> Any:
        """The stack of a clip's timeline; a track or a clip where that is all there is."""
        holder = places.resolve(self.root, target.place.timeline)
        return holder.tracks if isinstance(holder, otio.schema.Timeline) else holder

    def rate(self, target: Seen) -> float:
        """Frames per second of a clip's timeline, as its editor spells it."""
        timeline = target.place.timeline
        if timeline not in self.rates:
            together = [each for each in self.seen if each.place.timeline == timeline]
            self.rates[timeline] = _spelt_rate(places.resolve(self.root, timeline), together)
        return self.rates[timeline]


class _NewMarkers:
    """Markers of our own on timelines and clips."""

    def __init__(self, timelines: _Timelines) -> None:
        self.timelines = timelines
        self.laid: set[tuple[Any, ...]] = set()

    def lay(self, edit: AddMarker, target: Seen) -> None:
        """Put it on the stack that holds the clip, or on the clip, among ours in the order of tasks."""
        item = self.timelines.holder(target)
        if edit.on == "clip" or isinstance(item, otio.schema.Clip):
            item = target.clip
        rate = self.timelines.rate(target)
        if isinstance(item, otio.schema.Clip):
            marked, where = _marked_of_clip(edit, target, rate), target.address.path
        else:
            marked = _marked_of_timeline(edit, target, rate, item.source_range)
            where = target.place.timeline
        tag = tag_of(edit.note)
        text = f"{edit.comment} {tag}"
        key = (edit.on, where, text, marked.start_time.value, marked.duration.value)
        if key in self.laid:
            return  # two channels of one sound are one finding
        self.laid.add(key)
        marker = otio.schema.Marker(
            name=short_name(edit.name, tag if edit.named_by_tag else ""),
            marked_range=marked,
            color=edit.color,
            comment=text,
        )
        # Resolve shows a marker's note from here and nowhere else.
        marker.metadata["Resolve_OTIO"] = {"Keywords": [], "Note": text}
        if not edit.named_by_tag:
            # And the adapter for Final Cut's XML writes a comment from here and nowhere else.
            marker.metadata["fcp_xml"] = {"comment": text}
        marker.metadata[NAMESPACE] = dict(edit.note)
        index = len(item.markers)
        while index and task_of(item.markers[index - 1]) > task_of(marker):
            index -= 1
        item.markers.insert(index, marker)


def _marked_of_timeline(
    edit: AddMarker | LayClip, target: Seen, rate: float, cut: TimeRange | None
) -> TimeRange:
    """Counted from the timeline's first frame; in a cut stack, like what it is cut from."""
    place = target.place
    end_s = math.inf if target.duration_s is None else place.at_s + target.duration_s
    shown_s = max(place.at_s, place.visible[0]), min(end_s, place.visible[1])
    spoken_s = edit.start_s, edit.start_s + edit.duration_s
    exact = float(exact_rate(rate))
    marked = _marked(rate, *(_to_whole(each * exact) for each in (*spoken_s, *shown_s)))
    if cut is None:
        return marked
    start = RationalTime(round((cut.start_time + marked.start_time).value_rescaled_to(rate)), rate)
    return TimeRange(start, marked.duration)


def _marked_of_clip(edit: AddMarker, target: Seen, timeline_rate: float) -> TimeRange:
    """Counted in the clip's source time, at its own rate: a start timecode and a speed are in it.

    A clip that says nothing of its range counts from the first frame of its media.
    """
    source = _told_range(target.clip)
    rate = source.start_time.rate if source is not None else timeline_rate
    exact = float(exact_rate(rate))
    speed = places.speed(target.clip)
    first = source.start_time.value if source is not None else 0.0
    length = math.inf if source is None else places.seconds(source.duration) * exact
    reach = abs(speed) * length if speed else 0.0
    # Played backwards, a range is read from its end.
    zero = first + reach if speed < 0 and math.isfinite(reach) else first
    spoken_s = edit.start_s, edit.start_s + edit.duration_s
    start, end = sorted(zero + speed * exact * (each - target.place.at_s) for each in spoken_s)
    return _marked(rate, _to_whole(start), _to_whole(end), _first_whole(first), _first_whole(first + reach))


def _marked(rate: float, start: float, end: float, first: float, last: float) -> TimeRange:
    """A stretch of frames, at least one long and none outside of [first, last)."""
    start = max(first, min(start, last - 1))
    return TimeRange(RationalTime(start, rate), RationalTime(max(1, min(end, last) - start), rate))


def _to_whole(frames: float) -> float:
    """The nearest whole number; infinity stays."""
    return frames if math.isinf(frames) else math.floor(frames + 0.5)


def _first_whole(frames: float) -> float:
    """The first whole frame that doesn't begin before; float noise aside, and infinity stays."""
    return frames if math.isinf(frames) else math.ceil(frames - FLOAT_NOISE)


def _spelt_rate(holder: otio.core.SerializableObject, seen: Sequence[Seen]) -> float:
    """The timeline's rate as its editor spells it: 23.976 stays 23.976."""
    rate = places.timeline_rate(holder, seen)
    spelt = [getattr(getattr(holder, "global_start_time", None), "rate", 0.0)]
    spelt += [each.clip.source_range.duration.rate for each in seen if each.clip.source_range is not None]
    return next((each for each in spelt if each > 0 and float(exact_rate(each)) == rate), rate)


def holds_tracks(root: otio.core.SerializableObject, timeline: tuple[int, ...]) -> bool:
    """Whether what stands at a timeline's path could hold one more track."""
    return isinstance(places.resolve(root, timeline), otio.schema.Timeline | otio.schema.Stack)


class _NewTracks:
    """Sound tracks of our own at the end of a stack, filled from left to right."""

    def __init__(self, timelines: _Timelines) -> None:
        self.timelines = timelines
        self.ours: list[_Row] = []
        self.laid: Counter[str] = Counter()
        """How often each clip, by all that is in it."""

    def lay(self, edit: LayClip, target: Seen) -> None:
        """Put a new clip over a stretch of the timeline, on a track that is free from there on."""
        stack = self.timelines.holder(target)
        if not isinstance(stack, otio.schema.Stack):
            name = target.address.clip
            raise TimelineError(f"{name!r}: stands in no timeline that could hold a track for its sound")
        rate = self.timelines.rate(target)
        where = _marked_of_timeline(edit, target, rate, stack.source_range)
        exact = float(exact_rate(rate))
        lengths = [max(1, _frames_within(take.duration_s, exact)) for take in edit.takes]
        sound = otio.schema.Clip(
            name=edit.name, source_range=_frames(min(where.duration.value, *lengths), rate)
        )
        references = [
            otio.schema.ExternalReference(take.url, _frames(length, rate))
            for take, length in zip(edit.takes, lengths, strict=True)
        ]
        for take, reference in zip(edit.takes, references, strict=True):
            reference.name = take.name
        first = otio.schema.Clip.DEFAULT_MEDIA_KEY
        keys = [first, *(f"take {number}" for number in range(2, len(references) + 1))]
        sound.set_media_references(dict(zip(keys, references, strict=True)), first)
        # The only channel there is; Resolve can't tell without.
        channel = {"Source Channel ID": 0, "Source Track ID": 0}
        sound.metadata["Resolve_OTIO"] = {"Channels": [channel]}
        self._put(sound, stack, where.start_time, edit.note, "Mono")

    def detach(self, edit: DetachSound, target: Seen) -> None:
        """Put the clip's sound where the clip stands, on a track that is free from there on."""
        clip = target.clip
        stack = _stack_around(clip)
        if stack is None:
            name = target.address.clip
            raise TimelineError(f"{name!r}: its sound can't be detached, it stands in no timeline")
        slipped = _slipped(edit, target)
        start = clip.transformed_time(clip.trimmed_range().start_time, stack)
        start = RationalTime(_nearly_whole(start.value), start.rate) + slipped.gap_before
        sound = otio.schema.Clip(
            name=clip.name, media_reference=clip.media_reference.deepcopy(), source_range=slipped.source
        )
        self._put(sound, stack, start, edit.note, "Stereo")

    def _put(
        self,
        sound: otio.schema.Clip,
        stack: otio.schema.Stack,
        start: RationalTime,
        note: Mapping[str, Any],
        audio_type: str,
    ) -> None:
        sound.metadata[NAMESPACE] = dict(note)
        self._tell_apart(sound)
        free = self._free(stack, start, note, audio_type)
        silence = start - free.end
        if silence.value > 0:
            free.append(_gap(silence, note))
        free.append(sound)

    def _tell_apart(self, sound: otio.schema.Clip) -> None:
        """Of two equal clips Final Cut's XML holds the first only, twice: where the second stands is lost."""
        written = sound.to_json_string()
        if before := self.laid[written]:
            sound.metadata[NAMESPACE]["copy"] = before + 1
        self.laid[written] += 1

    def _free(
        self, stack: otio.schema.Stack, start: RationalTime, note: Mapping[str, Any], audio_type: str
    ) -> _Row:
        for row in self.ours:
            if row.stack is stack and row.end <= start:
                return row
        track = otio.schema.Track(name=track_name(note), kind=otio.schema.TrackKind.Audio)
        track.metadata["Resolve_OTIO"] = {"Audio Type": audio_type, "Locked": False, "SoloOn": False}
        track.metadata[NAMESPACE] = _identity(note)
        index = len(stack)
        while index and is_our_track(stack[index - 1]) and task_of(stack[index - 1]) > task_of(track):
            index -= 1
        stack.insert(index, track)
        self.ours.append(row := _Row(stack, track))
        return row


@dataclass
class _Row:
    """A track of our own, which is asked for its end once for each sound that may be put there."""

    stack: otio.schema.Stack
    track: otio.schema.Track
    end: RationalTime = field(default_factory=RationalTime)

    def append(self, item: otio.core.Item) -> None:
        """Put it at the end."""
        self.track.append(item)
        self.end += item.duration()


def _frames(count: float, rate: float) -> TimeRange:
    """So many frames from the first."""
    return TimeRange(RationalTime(0, rate), RationalTime(count, rate))


def _stack_around(clip: otio.schema.Clip) -> otio.schema.Stack | None:
    around = clip.parent()
    while around is not None and not isinstance(around, otio.schema.Stack):
        around = around.parent()
    return around


def _nearly_whole(frames: float) -> float:
    """Without the noise that sums of fractional durations leave."""
    return round(frames) if abs(frames - round(frames)) < 1e-3 else frames


# Timeline -> as it was


def strip(
    root: otio.core.SerializableObject,
    sidecar: Mapping[str, Any] | None = None,
    *,
    tasks: Collection[str] | None = None,
    to_look: bool = False,
) -> Stripped:
    """A copy of `root` without anything of ours, every range as it was before.

    Args:
        sidecar: what `review` kept beside the timeline; restores what an editor made nameless.
        tasks: only what these did is taken back, and decisions stay; None: all of it, and they too.
        to_look: the caller changes nothing; then it is `root` itself where nothing of ours is in it.
    """
    taken = _taken_back(root, sidecar, tasks, to_look=to_look)
    for item in taken.noted:
        if NAMESPACE in places.keys(item.metadata) and (tasks is None or task_of(item) in tasks):
            _forget(item, decisions=tasks is None)
    return Stripped(taken.timeline, tuple(taken.restored), tuple(taken.could_not))


def _forget(item: Any, *, decisions: bool) -> None:
    """Take away what we wrote into an object's metadata; decisions only where that is asked for."""
    ours = note_of(item)
    if "findings" in ours and not decisions:
        item.metadata[NAMESPACE] = {"findings": ours["findings"]}
    else:
        del item.metadata[NAMESPACE]


@dataclass(frozen=True)
class Moved:
    """One clip whose sound we read from elsewhere: in its own metadata, and in the sidecar."""

    finding: str
    clip: str
    media: str
    """File name of its media."""
    record_start_s: float
    before: TimeRange | None
    """None: the clip had no range of its own."""
    after: TimeRange
    silence_before: float = 0.0
    """Frames (of `after`'s duration) of the gap that was put in before the clip."""
    silence_after: float = 0.0
    task: str = "sync"
    speed: float = 1.0
    """What we made it play at."""
    items: tuple[int, int] = (0, 0)
    """Pieces and silences of ours that stand before and after it, since it was cut."""

    def before_range(self, clip: otio.schema.Clip) -> TimeRange:
        """What the clip played before; without a range of its own that was all of its media."""
        available = clip.media_reference.available_range if clip.media_reference else None
        start = RationalTime(0, self.after.start_time.rate)
        return self.before or available or TimeRange(start, self.after.duration)

    def past(self) -> dict[str, Any]:
        """What must be known to put the clip back; ranges as OpenTimelineIO's own objects."""
        after = {
            "source_range": self.after,
            "silence_before": self.silence_before,
            "silence_after": self.silence_after,
        }
        if self.speed != 1 or self.items != (0, 0):
            after |= {"speed": self.speed, "items": list(self.items)}
        return {"before": {"source_range": self.before}, "after": after}

    def to_json(self) -> dict[str, Any]:
        """The same and what tells which clip is meant, as plain JSON."""
        which = {
            "finding": self.finding,
            "clip": self.clip,
            "media": self.media,
            "record_start_s": self.record_start_s,
            "task": self.task,
        }
        past = self.past()
        for each, where in (("before", self.before), ("after", self.after)):
            past[each]["source_range"] = _spelt(where)
        return {**which, **past}

    @classmethod
    def from_json(cls, value: Any) -> Moved | None:
        """None where it isn't one: a sidecar is a file, and people edit files."""
        try:
            before, after = (
                otio.core.deserialize_json_from_string(json.dumps(value[key])) for key in ("before", "after")
            )
            return cls._of(value, value["clip"], value["media"], value["record_start_s"], before, after)
        except (KeyError, TypeError, ValueError, otio.exceptions.OTIOError):
            return None

    @classmethod
    def of_clip(cls, seen: Seen) -> Moved | None:
        """What the clip's metadata says; None where it isn't moved."""
        ours = note_of(seen.clip)
        if "before" not in ours:
            return None
        before, after = places.plain(ours["before"]), places.plain(ours.get("after"))
        try:
            return cls._of(ours, seen.address.clip, media_name(seen.clip), seen.place.at_s, before, after)
        except (KeyError, TypeError, ValueError):
            return None

    @classmethod
    def _of(cls, ours: Mapping, clip: str, media: str, at_s: float, before: Mapping, after: Mapping) -> Moved:
        ranges = before["source_range"], after["source_range"]
        if not isinstance(ranges[1], TimeRange) or not isinstance(ranges[0], (TimeRange, type(None))):
            raise TypeError(f"wanted ranges, there is {ranges}")
        silence = float(after["silence_before"]), float(after["silence_after"])
        task = str(ours.get("task") or "sync")
        before_it, after_it = after.get("items", (0, 0))
        return cls(
            str(ours["finding"]), str(clip), str(media), float(at_s), *ranges, *silence, task,
            float(after.get("speed", 1.0)), (int(before_it), int(after_it)),
        )  # fmt: skip


def _spelt(where: TimeRange | None) -> Any:
    """A range in plain JSON, as OpenTimelineIO spells it."""
    return json.loads(otio.core.serialize_json_to_string(where, indent=0)) if where is not None else None


def moved(root: otio.core.SerializableObject) -> tuple[Moved, ...]:
    """Every clip that stands slipped in `root`, by what its metadata says."""
    return tuple(was for seen in places.walk(root) if (was := Moved.of_clip(seen)) is not None)


@dataclass(frozen=True)
class Laid:
    """A marker whose name is free of a tag: by where it stands it is known again without any other words."""

    finding: str
    task: str
    name: str
    start_s: float
    """As the marker counts: from the timeline's first frame, or in a clip's source time."""
    frame_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, for the sidecar."""
        return {
            "finding": self.finding,
            "task": self.task,
            "name": self.name,
            "start_s": round(self.start_s, 6),
            "frame_s": round(self.frame_s, 9),
        }

    @classmethod
    def from_json(cls, value: Any) -> Laid | None:
        """None where it isn't one."""
        try:
            finding, task, name = (str(value[key]) for key in ("finding", "task", "name"))
            return cls(finding, task, name, float(value["start_s"]), float(value["frame_s"]))
        except (KeyError, TypeError, ValueError):
            return None

    def is_it(self, marker: otio.schema.Marker) -> bool:
        """Whether it is this one, but for what editors round."""
        start_s = places.seconds(marker.marked_range.start_time)
        return marker.name == self.name and abs(start_s - self.start_s) <= ROUNDED_FRAMES * self.frame_s


def laid(root: otio.core.SerializableObject) -> tuple[Laid, ...]:
    """Every marker of ours that would be nameless without its comment and its metadata."""
    return tuple(
        Laid(
            finding=finding_of(marker),
            task=task_of(marker),
            name=marker.name,
            start_s=places.seconds(marker.marked_range.start_time),
            frame_s=1 / float(exact_rate(marker.marked_range.start_time.rate)),
        )
        for item in everything(root)
        if isinstance(item, otio.core.Item)
        for marker in item.markers[:]
        if finding_of(marker) and not has_tag(marker.name)
    )


@dataclass(frozen=True)
class _Taken:
    """A copy without the work of some tasks; decisions in the root stay."""

    timeline: Any
    noted: list[Any]
    """What had metadata of ours, some of which may still have it."""
    restored: list[str] = field(default_factory=list)
    could_not: list[str] = field(default_factory=list)


def _taken_back(
    root: otio.core.SerializableObject,
    sidecar: Mapping[str, Any] | None,
    tasks: Collection[str] | None,
    *,
    to_look: bool = False,
) -> _Taken:
    past = list(_kept(sidecar, "moved", Moved, tasks))
    markers = list(_kept(sidecar, "laid", Laid, tasks))
    if not past and not markers and untouched(root):
        return _Taken(root if to_look else root.deepcopy(), [])
    copy = root.deepcopy()
    items = everything(copy)
    taken = _Taken(copy, [each for each in items if NAMESPACE in places.keys(each.metadata)])
    known = {was.finding for was in moved(copy)} if past else set()
    _remove_markers(items, tasks, markers, taken.restored)
    _remove_tracks(items, tasks, taken.restored, taken.could_not)
    if any(isinstance(each, otio.schema.Clip) for each in taken.noted):
        for seen in places.walk(copy):
            _restore(seen, tasks, taken.restored, taken.could_not)
    if forgotten := [was for was in past if was.finding not in known]:
        _restore_forgotten(copy, forgotten, taken.restored, taken.could_not)
    return taken


_Kept = TypeVar("_Kept", Moved, Laid)


def _kept(
    sidecar: Mapping[str, Any] | None, key: str, kind: type[_Kept], tasks: Collection[str] | None
) -> Iterator[_Kept]:
    """What a sidecar kept of these tasks' work; a sidecar is a file, and people edit files."""
    entries = (sidecar or {}).get(key)
    for each in entries if isinstance(entries, list) else ():
        was = kind.from_json(each)
        if was is not None and (tasks is None or was.task in tasks):
            yield was


def _remove_markers(
    items: Iterable[Any], tasks: Collection[str] | None, kept: Iterable[Laid], restored: list[str]
) -> None:
    named: dict[str, list[Laid]] = defaultdict(list)
    for each in kept:
        named[each.name].append(each)
    for item in items:
        if not isinstance(item, otio.core.Item):
            continue
        markers = item.markers
        for index in reversed(range(len(markers))):
            marker = markers[index]
            ours = is_our_marker(marker) and (tasks is None or task_of(marker) in tasks)
            if ours or any(each.is_it(marker) for each in named.get(marker.name, ())):
                restored.append(f"took away the marker {marker.name!r}")
                del markers[index]


def _remove_tracks(
    items: Iterable[Any], tasks: Collection[str] | None, restored: list[str], could_not: list[str]
) -> None:
    for stack in [each for each in items if isinstance(each, otio.schema.Stack)]:
        for index in reversed(range(len(stack))):
            track = stack[index]
            if not is_our_track(track) or (tasks is not None and task_of(track) not in tasks):
                continue
            if others := _others_on(track, stack):
                silenced = _silence_sounds(track)
                but = f" but for {len(silenced)} of our sounds" if silenced else ""
                restored.extend(f"took away the sound {name!r}" for name in silenced)
                could_not.append(
                    f"the track {track.name!r} also holds {', '.join(others)}: left{but} standing"
                )
                continue
            restored.append(f"took away the track {track.name!r}")
            del stack[index]


def _silence_sounds(track: otio.schema.Track) -> list[str]:
    """Names of the sounds of ours on a track that others use as well; a gap stands in the place of each."""
    ours = [each for each in track if isinstance(each, otio.schema.Clip) and is_our_sound(each)]
    for clip in ours:
        length = clip.duration()
        track[_index_of(track, clip)] = otio.schema.Gap(
            source_range=TimeRange(RationalTime(0, length.rate), length)
        )
    return [each.name for each in ours]


def _others_on(track: otio.schema.Track, stack: otio.schema.Stack) -> list[str]:
    """Names of clips that somebody else put on a track of ours."""
    clips = track.find_clips()
    if task_of(track) == "foley":
        return [each.name for each in clips if not is_our_sound(each)]
    if finding_of(track):
        return [each.name for each in clips if not finding_of(each)]
    # Without metadata: what we detached is of media that a picture's track plays too.
    elsewhere = {media_name(each) for other in stack if other is not track for each in other.find_clips()}
    return [each.name for each in clips if media_name(each) not in elsewhere]


def _restore(seen: Seen, tasks: Collection[str] | None, restored: list[str], could_not: list[str]) -> None:
    """Put back a clip that carries its own past."""
    was = Moved.of_clip(seen)
    if was is None or (tasks is not None and was.task not in tasks):
        return
    _forget(seen.clip, decisions=False)
    _put_back(seen, was, restored, could_not)


def _restore_forgotten(
    root: Any, forgotten: Sequence[Moved], restored: list[str], could_not: list[str]
) -> None:
    """Put back clips whose metadata an editor has dropped, by media and by where in it they are read."""
    # Picture is never moved, and stands where its sound stands.
    sounds = _BySource([each for each in places.walk(root) if each.place.kind != "picture"])
    restored_paths = set()
    for was in forgotten:
        alike = [
            each
            for each in sounds.near(was)
            if each.place.path not in restored_paths and _starts_alike(each.clip, was)
        ]
        nearest = min(alike, key=lambda each: _distance(each, was), default=None)
        if nearest is None:
            could_not.append(
                f"{was.clip!r}: no clip reads {was.media!r} where we had left it: cut, moved or gone since"
            )
            continue
        restored_paths.add(nearest.place.path)
        if _start_apart(nearest.clip, was.after) <= ROUNDED_FRAMES:
            _put_back(nearest, was, restored, could_not)


class _BySource:
    """Clips by media and by where in it they are read; a film reads each of its files hundreds of times."""

    def __init__(self, seen: Iterable[Seen]) -> None:
        self.slots: dict[tuple[str, int], list[tuple[int, Seen]]] = defaultdict(list)
        self.by_media: dict[str, list[Seen]] = defaultdict(list)
        for number, each in enumerate(seen):
            name, now = media_name(each.clip), each.clip.source_range
            self.by_media[name].append(each)
            if now is not None and math.isfinite(places.seconds(now.start_time)):
                self.slots[name, _slot(now.start_time)].append((number, each))

    def near(self, was: Moved) -> Iterable[Seen]:
        """All that may start where it was left or where it was before, and some that don't, as they stand."""
        starts = [each.start_time for each in (was.before, was.after) if each is not None]
        usual = [each for each in starts if each.rate >= 2 and math.isfinite(places.seconds(each))]
        if len(usual) < 2:
            return self.by_media.get(was.media, ())
        slots = {_slot(each) + by for each in usual for by in (-1, 0, 1)}
        found = {number: each for slot in slots for number, each in self.slots.get((was.media, slot), ())}
        return [found[number] for number in sorted(found)]


def _slot(time: RationalTime) -> int:
    """The second that it stands in, longer than `ROUNDED_FRAMES` of any usual rate."""
    return math.floor(time.value / time.rate)


def _distance(seen: Seen, was: Moved) -> tuple[float, float]:
    """Nearest on the timeline; of those that stand together, nearest to where we left it in its media."""
    apart_s = abs(seen.place.at_s - was.record_start_s)
    hundredths = round(100 * apart_s) if math.isfinite(apart_s) else math.inf
    return hundredths, _start_apart(seen.clip, was.after)


ROUNDED_FRAMES = 1.5
"""Editors move a range by a frame, and a fractional one to a whole frame as well."""


def _starts_alike(clip: otio.schema.Clip, was: Moved) -> bool:
    """It starts where we left it or where it was before, but for what editors round."""
    return min(_start_apart(clip, each) for each in (was.after, was.before_range(clip))) <= ROUNDED_FRAMES


def _start_apart(clip: otio.schema.Clip, where: TimeRange) -> float:
    now = clip.source_range
    if now is None or not math.isfinite(places.seconds(now.start_time) + places.seconds(now.duration)):
        return math.inf
    return _frames_apart(now, where)[0]


def _frames_apart(one: TimeRange, other: TimeRange) -> tuple[float, float]:
    """How far starts and how far lengths are apart."""
    pairs = (one.start_time, other.start_time), (one.duration, other.duration)
    start, length = (abs((mine - theirs).value_rescaled_to(theirs.rate)) for mine, theirs in pairs)
    return start, length


def _put_back(seen: Seen, was: Moved, restored: list[str], could_not: list[str]) -> None:
    """Read the clip from where it was read before; its place and its end on the timeline stay."""
    clip, name = seen.clip, seen.address.clip
    _play_as_before(clip, was.speed)
    if was.items != (0, 0):
        if _melt(clip, was):
            clip.source_range = was.before
            restored.append(f"{name!r} is whole again, and read from where it was read before")
        else:
            could_not.append(f"{name!r}: was cut in pieces, and they were changed since: they stay")
        return
    now, before = clip.source_range, was.before_range(clip)
    if now is None:
        could_not.append(f"{name!r}: has lost its range since")
        return
    apart = _frames_apart(now, was.after)
    apart_before = _frames_apart(now, before)
    if max(apart_before) <= ROUNDED_FRAMES and sum(apart_before) < sum(apart):
        return  # somebody has put it back already
    restored.append(f"{name!r} is read from where it was read before")
    silence = RationalTime(was.silence_before + was.silence_after, was.after.duration.rate)
    if max(apart) <= ROUNDED_FRAMES and (silence.value == 0 or _remove_silence(clip, was)):
        rounded = TimeRange(before.start_time, now.duration + silence)
        clip.source_range = was.before if max(apart) < FLOAT_NOISE else rounded
        return
    # What an editor did to the clip since is the editor's: only what we added to its start is taken off.
    trimmed = RationalTime(was.silence_before, silence.rate)
    earlier = before.start_time - was.after.start_time + trimmed
    clip.source_range = TimeRange(now.start_time + earlier, now.duration)
    if silence.value:
        could_not.append(f"{name!r}: was changed since, so the silence beside it stays")


def _play_as_before(clip: otio.schema.Clip, speed: float) -> None:
    """Take the speed away that we gave a clip."""
    for index in reversed(range(len(clip.effects))):
        effect = clip.effects[index]
        same = isinstance(effect, otio.schema.LinearTimeWarp) and math.isclose(
            effect.time_scalar, speed, rel_tol=1e-6
        )
        if speed != 1 and same:
            del clip.effects[index]


def _melt(clip: otio.schema.Clip, was: Moved) -> bool:
    """Take the pieces away that a clip was cut in; False where they don't fill what it filled before."""
    track = clip.parent()
    if not isinstance(track, otio.schema.Track):
        return False
    at = _index_of(track, clip)
    first, last = at - was.items[0], at + was.items[1]
    beside = [track[index] for index in range(first, last + 1) if 0 <= index < len(track) and index != at]
    if len(beside) != sum(was.items) or any(
        not isinstance(each, otio.schema.Gap)
        and not (isinstance(each, otio.schema.Clip) and media_name(each) == was.media)
        for each in beside
    ):
        return False
    total = sum((each.duration() for each in beside), clip.duration())
    wanted = was.before_range(clip).duration
    if abs((total - wanted).value_rescaled_to(wanted.rate)) > ROUNDED_FRAMES:
        return False
    del track[at + 1 : last + 1]
    del track[first:at]
    return True


def _remove_silence(clip: otio.schema.Clip, was: Moved) -> bool:
    """Take the gap away that kept the clip's place; False where there is none (any more)."""
    track = clip.parent()
    index = _index_of(track, clip) + (-1 if was.silence_before else 1)
    gap = track[index] if isinstance(track, otio.schema.Track) and 0 <= index < len(track) else None
    if not isinstance(gap, otio.schema.Gap):
        return False
    length = RationalTime(was.silence_before + was.silence_after, was.after.duration.rate)
    left = gap.duration() - length
    if left.value < -ROUNDED_FRAMES:
        return False
    if left.value < 0.5:
        del track[index]
    else:
        # Editors melt gaps that touch into one.
        gap.source_range = TimeRange(gap.source_range.start_time, left)
    return True
