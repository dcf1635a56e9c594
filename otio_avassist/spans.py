"""Timeline -> spans and shots: who plays what, from where to where, in seconds.

Goes in: anything OpenTimelineIO reads (Timeline, Stack, Track, Clip, SerializableCollection), and what a look at
its media told. Comes out: `MediaSpan`s, `Shot`s and `Skipped`s. The one place where RationalTime becomes seconds; it
opens no media and never changes the timeline.

Three steps: `_walk` finds every clip and its place on the timeline, `_look` finds its place in its media or the
reason why not, `_pair` finds which picture and which sound belong together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Literal, TypeVar

import opentimelineio as otio

from otio_avassist.errors import MediaError, TimelineError
from otio_avassist.timecodes import clock as clock
from otio_avassist.timecodes import exact_rate as exact_rate
from otio_avassist.timecodes import timecode as timecode
from otio_avassist.timecodes import whole_frames as whole_frames
from otio_avassist.urls import Found, path_from_url
from otio_avassist.urls import Locator as Locator

if TYPE_CHECKING:
    from otio_avassist.windows import MediaInfo

T = TypeVar("T")
Kind = Literal["picture", "sound"]
Probe = Callable[..., "MediaInfo"]
"""`windows.probe`, or anything called like it: (path, start_number=…, sequence_fps=…) for image sequences."""


@dataclass(frozen=True)
class Address:
    """Where a clip stands in its timeline, for people and for `edits`."""

    path: tuple[int, ...]
    """Indices from the root through each level of children: `resolve(root, path)` gives the item back."""
    track: str
    track_index: int
    clip: str
    clip_index: int
    """Position among the track's children."""


@dataclass(frozen=True)
class MediaSpan:
    """A stretch of one media file as one clip plays it."""

    address: Address
    kind: Kind
    url: str
    """As the timeline spells it."""
    path: Path
    """Where the file was found on this machine."""
    start_s: float
    """From the file's first frame; the start timecode is already off. May be fractional."""
    duration_s: float
    record_start_s: float
    """0-based timeline seconds, without the timeline's start timecode."""
    rate: float
    """Frames per second of the clip's own source range: edits are whole frames of it."""
    media_start_s: float = 0.0
    """The first second of the file that may be used (0 unless the reference says otherwise)."""
    media_end_s: float | None = None
    """The last; None where nobody knows."""
    stream: int | None = None
    """Which sound stream of the file, counted among sound streams; None: the first."""
    channel: int | None = None
    """Which channel of it, 0-based; None: all, mixed down."""
    link_group: int | None = None
    start_number: int | None = None
    """Of an image sequence: the number of its first picture; `path` is then a printf pattern (x.%04d.tif)."""
    sequence_fps: float | None = None
    """Of an image sequence: pictures per second."""
    near_transition: bool = False
    """A transition stands right before or after: its handles must not be moved."""

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s

    @property
    def media_name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Shot:
    """Picture and sound that are seen and heard together, cut to the stretch that both cover."""

    picture: MediaSpan | None
    sound: MediaSpan | None
    paired_by: Literal["link group", "same media", "overlap", "own sound", "alone"]
    """`own sound`: the picture's file carries the sound and no sound clip lies under it; both spans then have
    the picture clip's address. A sound clip is in one shot only, so that it can be moved in one way only."""
    why_alone: str = ""
    """For a person: why no picture or no sound belongs to it; empty unless `paired_by` is `alone`."""

    @property
    def lead(self) -> MediaSpan:
        """The clip the shot is named after: its picture where there is one."""
        span = self.picture or self.sound
        assert span is not None
        return span

    @property
    def slip_s(self) -> float:
        """How much later in its media the sound is read than the picture in its own, at one moment."""
        if self.picture is None or self.sound is None:
            return 0.0
        return (self.sound.start_s - self.sound.record_start_s) - (
            self.picture.start_s - self.picture.record_start_s
        )

    @property
    def same_media(self) -> bool:
        return self.picture is not None and self.sound is not None and self.picture.path == self.sound.path


@dataclass(frozen=True)
class Skipped:
    """A clip that can't be looked at, and why, in words for a person."""

    track: str
    track_index: int
    clip: str
    clip_index: int
    reason: str
    media: str = ""
    """The url as written, where there is one."""


@dataclass(frozen=True)
class Spans:
    """All of a timeline: each of its clips is in a shot or in `skipped`."""

    shots: tuple[Shot, ...]
    skipped: tuple[Skipped, ...]
    rate: float
    """Frames per second of the timeline."""
    start_timecode_s: float
    """The timeline's own start (01:00:00:00 and the like), already off every time here."""


def read_spans(root: otio.core.SerializableObject, locator: Locator, probe: Probe) -> Spans:
    """Every clip of `root`, in a shot or with the reason why it is left out.

    Args:
        root: Timeline, Stack, Track, Clip, or SerializableCollection (each of its timelines counts from 0).
        locator: finds the file of a url.
        probe: tells what a file holds; may raise MediaError, which becomes the reason.

    Raises:
        TimelineError: `root` holds no clips by its nature.
    """
    clips = [_look(each, locator, probe) for each in _without_echoes(list(_walk(root, _Place())))]
    shots: list[Shot] = []
    for _, together in _grouped(clips, lambda each: each.seen.timeline):
        shots += _pair(together)
    left_out = tuple(_skipped(each) for each in clips if each.span is None)
    timelines = list(_timelines(root))
    return Spans(tuple(shots), left_out, _timeline_rate(root, timelines), _start_timecode_s(timelines))


def resolve(root: otio.core.SerializableObject, path: tuple[int, ...]) -> otio.core.SerializableObject:
    """The item at `Address.path`; a timeline and its stack count as one level."""
    item = root
    for index in path:
        item = _children(item)[index]
    return item


def media_urls(root: otio.core.SerializableObject) -> tuple[str, ...]:
    """Every media url of `root` as written, once, in the order of the clips."""
    urls = (_url(each.clip.media_reference) for each in _walk(root, _Place()))
    return tuple(dict.fromkeys(url for url in urls if url))


def seconds(time: otio.opentime.RationalTime) -> float:
    """True seconds: 23.976 and its kin stand for exact rates. NaN where the rate is 0 or no number."""
    try:
        rate = exact_rate(time.rate)
    except ValueError:
        return math.nan
    return time.value * rate.denominator / rate.numerator


# Walking: where every clip stands


@dataclass(frozen=True)
class _Place:
    """Where an item of the timeline stands, handed down as the walk descends."""

    at_s: float = 0.0
    """Where the item begins, in timeline seconds."""
    visible: tuple[float, float] = (-math.inf, math.inf)
    """What enclosing items show of the timeline."""
    kind: Kind | None = None
    """None outside of any track: the media will tell."""
    why_not: str = ""
    """Why everything in here is left out."""
    near_transition: bool = False
    path: tuple[int, ...] = ()
    timeline: tuple[int, ...] = ()
    """Path of the timeline: clips of two timelines have nothing to do with each other."""
    stack: tuple[int, ...] = ()
    """Path of the nearest stack: link groups are numbered anew in each."""
    track: str = ""
    track_index: int = 0
    nests: tuple[tuple[str, Kind | None], ...] = ()
    """Names of the compound clips around, and the kind of track each stands on."""


@dataclass(frozen=True)
class _Seen:
    """A clip and its place."""

    clip: otio.schema.Clip
    place: _Place
    duration_s: float | None
    """As the timeline plays it, hidden parts included; None: as long as its media."""

    @property
    def timeline(self) -> tuple[int, ...]:
        return self.place.timeline

    @property
    def address(self) -> Address:
        place = self.place
        name = self.clip.name or PureWindowsPath(path_from_url(_url(self.clip.media_reference))).name
        return Address(place.path, place.track, place.track_index, name, place.path[-1] if place.path else 0)


def _walk(item: otio.core.SerializableObject, place: _Place) -> Iterator[_Seen]:
    if isinstance(item, otio.schema.Clip):
        yield _Seen(item, place, _length_s(item))
    elif isinstance(item, otio.schema.Timeline):
        yield from _walk(item.tracks, replace(place, timeline=place.path))
    elif isinstance(item, otio.schema.SerializableCollection):
        for index, child in enumerate(item):
            path = (*place.path, index)
            if isinstance(child, (*_HOLDERS, otio.schema.Clip)):
                yield from _walk(child, _Place(path=path, timeline=path, stack=path, track=item.name))
    elif isinstance(item, otio.core.Composition):
        yield from _walk_composition(item, place)
    else:
        raise TimelineError(f"wanted a timeline, stack, track, clip or collection; got {type(item).__name__}")


_HOLDERS = (otio.schema.Timeline, otio.schema.SerializableCollection, otio.core.Composition)


def _walk_composition(item: otio.core.Composition, place: _Place) -> Iterator[_Seen]:
    inner = _enter(item, place)
    children = list(item)
    at_s = inner.at_s
    for index, child in enumerate(children):
        if isinstance(child, otio.schema.Transition):
            continue
        child_place = replace(inner, at_s=at_s, path=(*place.path, index))
        if isinstance(item, otio.schema.Track):
            beside = children[max(0, index - 1) : index + 2]
            child_place = replace(
                child_place, near_transition=any(isinstance(each, otio.schema.Transition) for each in beside)
            )
            at_s += _length_or_nan_s(child)
        elif isinstance(child, otio.schema.Track):
            child_place = _onto_track(child, index, children, child_place)
        if isinstance(child, (otio.schema.Clip, otio.core.Composition)):
            yield from _walk(child, child_place)


def _enter(item: otio.core.Composition, place: _Place) -> _Place:
    """The place of `item`'s own zero, and how much of its inside is seen."""
    why_not = place.why_not or _disabled(item) or _retimed(item, f"stands in {item.name!r}, which is ")
    nests = place.nests
    if isinstance(item, otio.schema.Stack):
        if place.kind is not None:
            nests = (*nests, (item.name, place.kind))
        place = replace(place, stack=place.path)
    elif not place.track:
        # A track that is the root has no stack to be numbered in.
        place = _onto_track(item, 0, [item], place)
        why_not = why_not or place.why_not
    at_s, visible = place.at_s, place.visible
    if item.source_range is not None:
        at_s -= seconds(item.source_range.start_time)
        end_s = place.at_s + seconds(item.source_range.duration)
        visible = (max(visible[0], place.at_s), min(visible[1], end_s))
        if math.isnan(at_s + end_s):
            why_not = why_not or f"stands in {item.name!r}, whose range has a rate of 0 or isn't a number"
    return replace(place, at_s=at_s, visible=visible, why_not=why_not, nests=nests)


def _onto_track(track: otio.schema.Track, index: int, siblings: Sequence[object], place: _Place) -> _Place:
    kind, why_not = _kind(track)
    alike = [
        each
        for each in siblings[: index + 1]
        if isinstance(each, otio.schema.Track) and each.kind == track.kind
    ]
    name = track.name or f"{'A' if kind == 'sound' else 'V' if kind else track.kind}{len(alike)}"
    return replace(place, kind=kind, why_not=place.why_not or why_not, track=name, track_index=index)


def _kind(track: otio.schema.Track) -> tuple[Kind | None, str]:
    """Some programs write kinds in lower case."""
    match track.kind.lower():
        case "video":
            return "picture", ""
        case "audio":
            return "sound", ""
    return None, f"stands on a track of kind {track.kind!r}, which is neither picture nor sound"


def _length_s(item: otio.core.Composable) -> float | None:
    """What `item` takes of its track; None where only its media knows, NaN where its range is broken."""
    if isinstance(item, otio.schema.Transition):
        return 0.0
    if item.source_range is not None:
        return seconds(item.source_range.duration)
    if isinstance(item, otio.schema.Clip):
        available = item.media_reference.available_range if item.media_reference else None
        return seconds(available.duration) if available is not None else None
    lengths = (
        [_length_or_nan_s(child) for child in item] if isinstance(item, otio.core.Composition) else [0.0]
    )
    return sum(lengths) if isinstance(item, otio.schema.Track) else max(lengths, default=0.0)


def _length_or_nan_s(item: otio.core.Composable) -> float:
    length_s = _length_s(item)
    return math.nan if length_s is None else length_s


def _without_echoes(seen: list[_Seen]) -> list[_Seen]:
    """Mark what an editor wrote twice: a compound clip stands whole on a picture and on a sound track."""
    names = {kind: {(each.timeline, name) for each in seen for name, on in each.place.nests if on == kind}
             for kind in ("picture", "sound")}  # fmt: skip

    def echo(each: _Seen) -> str:
        for name, on in each.place.nests:
            if on == "sound" and each.place.kind == "picture":
                return f"stands in {name!r} on a sound track, where only sound is heard"
            if on == "picture" and each.place.kind == "sound" and (each.timeline, name) in names["sound"]:
                return f"stands in {name!r} on a picture track; it is heard from {name!r} on a sound track"
        return ""

    return [
        replace(each, place=replace(each.place, why_not=each.place.why_not or echo(each))) for each in seen
    ]


# Looking: what each clip plays, or why it can't be looked at


@dataclass(frozen=True)
class _Clip:
    """A clip after its media was looked at: a span, or the reason for none."""

    seen: _Seen
    span: MediaSpan | None
    reason: str = ""
    moving: bool = False
    """Its file holds moving pictures."""
    sounding: bool = False
    """Its file holds sound."""
    plays: bool = True
    """False where nobody would see or hear anything of its own: disabled, a title, a still."""

    @property
    def link(self) -> Hashable | None:
        return _link(self.seen)

    @property
    def is_sound(self) -> bool:
        return (self.span.kind if self.span else self.seen.place.kind) == "sound"

    @property
    def record(self) -> tuple[float, float]:
        """(start, end) on the timeline."""
        if self.span is not None:
            return self.span.record_start_s, self.span.record_start_s + self.span.duration_s
        start_s = self.seen.place.at_s
        return start_s, start_s + (self.seen.duration_s or 0.0)

    @property
    def name(self) -> str:
        return self.seen.address.clip


class _LeftOutError(Exception):
    """A reason for a person; `plays` as in `_Clip`."""

    def __init__(self, reason: str, *, plays: bool = True) -> None:
        super().__init__(reason)
        self.plays = plays


def _look(seen: _Seen, locator: Locator, probe: Probe) -> _Clip:
    try:
        _check(seen)
        path, info = _media(seen, locator, probe)
        span = _span(seen, path, info)
    except _LeftOutError as reason:
        return _Clip(seen, None, str(reason), plays=reason.plays)
    return _Clip(seen, span, moving=info.has_picture, sounding=info.has_sound)


def _check(seen: _Seen) -> None:
    """Leave out what the timeline itself tells us can't be looked at."""
    clip, reference = seen.clip, seen.clip.media_reference
    if why_not := seen.place.why_not:
        raise _LeftOutError(why_not, plays="disabled" not in why_not)
    if disabled := _disabled(clip):
        raise _LeftOutError(disabled, plays=False)
    if reference is None or reference.is_missing_reference:
        raise _LeftOutError(
            "has no media: a title, an effect of the editor, or media that went offline", plays=False
        )
    if isinstance(reference, otio.schema.GeneratorReference):
        raise _LeftOutError(
            f"is generated by the editor ({reference.generator_kind or reference.name})", plays=False
        )
    if not _url(reference):
        raise _LeftOutError("its media reference names no file")
    if retimed := _retimed(clip):
        raise _LeftOutError(retimed)
    if seen.place.kind != "sound" and _is_still(reference):
        raise _LeftOutError("is a still picture", plays=False)
    _check_range(seen)


def _check_range(seen: _Seen) -> None:
    for time_range in (seen.clip.source_range, seen.clip.media_reference.available_range):
        if time_range is not None and not math.isfinite(
            seconds(time_range.start_time) + seconds(time_range.duration)
        ):
            rates = {time_range.start_time.rate, time_range.duration.rate}
            what = "a rate of 0" if 0 in rates else "numbers that aren't numbers"
            raise _LeftOutError(f"its range has {what}, so nobody can say which part of its media is meant")
    if math.isnan(seen.place.at_s):
        raise _LeftOutError(
            "nobody can say where it stands: something before it on its track has no valid length"
        )
    if seen.duration_s is not None and seen.duration_s <= 0:
        raise _LeftOutError("has no length", plays=False)
    first_s, last_s = seen.place.visible
    end_s = seen.place.at_s + (seen.duration_s if seen.duration_s is not None else math.inf)
    if min(end_s, last_s) - max(seen.place.at_s, first_s) <= _NOTHING_S:
        raise _LeftOutError("lies outside the part of its compound clip or track that is shown", plays=False)


_NOTHING_S = 1e-6
"""Shorter than any sample: what float noise leaves of two ranges that only touch."""


def _disabled(item: otio.core.Item) -> str:
    if item.enabled:
        return ""
    what = "" if isinstance(item, otio.schema.Clip) else f": {item.name!r}, which it stands in"
    return f"is disabled{what}"


def _retimed(item: otio.core.Item, where: str = "is ") -> str:
    for effect in item.effects:
        if not getattr(effect, "enabled", True):
            continue
        if isinstance(effect, otio.schema.FreezeFrame):
            return f"{where}a frozen frame"
        if isinstance(effect, otio.schema.LinearTimeWarp):
            if not math.isclose(effect.time_scalar, 1.0, rel_tol=1e-6):
                return f"{where}retimed to {effect.time_scalar * 100:g} %: measure before retiming"
        elif isinstance(effect, otio.schema.TimeEffect):
            return f"{where}retimed by a speed ramp: measure before retiming"
    return ""


_STILLS = frozenset(
    [".ai", ".bmp", ".dng", ".dpx", ".eps", ".exr", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".pdf", ".png"]
    + [".psb", ".psd", ".svg", ".tga", ".tif", ".tiff", ".webp"]
)


def _is_still(reference: otio.core.MediaReference) -> bool:
    if isinstance(reference, otio.schema.ImageSequenceReference):
        return False
    available = reference.available_range
    one_frame = available is not None and 0 < available.duration.value <= 1 and available.duration.rate > 1
    return one_frame or PureWindowsPath(path_from_url(reference.target_url)).suffix.lower() in _STILLS


def _url(reference: otio.core.MediaReference | None) -> str:
    """As written; of an image sequence, that of its first picture."""
    if isinstance(reference, otio.schema.ExternalReference):
        return reference.target_url or ""
    if isinstance(reference, otio.schema.ImageSequenceReference):
        base = reference.target_url_base or ""
        between = "" if not base or base.endswith(("/", "\\")) else "/"
        number = f"{reference.start_frame:0{reference.frame_zero_padding}d}"
        return f"{base}{between}{reference.name_prefix}{number}{reference.name_suffix}"
    return ""


def _media(seen: _Seen, locator: Locator, probe: Probe) -> tuple[Path, MediaInfo]:
    """The clip's file and what it holds."""
    reference = seen.clip.media_reference
    found: Found = locator.locate(_url(reference))
    if found.path is None:
        raise _LeftOutError(found.words)
    try:
        if isinstance(reference, otio.schema.ImageSequenceReference):
            path = _pattern(found.path, reference)
            info = probe(path, start_number=reference.start_frame, sequence_fps=_sequence_fps(reference))
        else:
            path, info = found.path, probe(found.path)
    except MediaError as error:
        raise _LeftOutError(str(error)) from error
    if seen.place.kind == "sound" and not info.has_sound:
        raise _LeftOutError(f"its file holds no sound: {path}")
    if seen.place.kind == "picture" and not info.has_picture:
        raise _LeftOutError(
            "is a still picture" if info.still else f"its file holds no moving picture: {path}"
        )
    if not info.has_picture and not info.has_sound:
        raise _LeftOutError(
            "is a still picture" if info.still else f"its file holds neither picture nor sound: {path}"
        )
    return path, info


def _pattern(first: Path, reference: otio.schema.ImageSequenceReference) -> Path:
    if abs(reference.frame_step) != 1:
        raise _LeftOutError(f"is an image sequence of every {reference.frame_step}th picture only")
    prefix, suffix = (text.replace("%", "%%") for text in (reference.name_prefix, reference.name_suffix))
    return first.with_name(f"{prefix}%0{reference.frame_zero_padding}d{suffix}")


def _sequence_fps(reference: otio.schema.ImageSequenceReference) -> float:
    available = reference.available_range
    rate = reference.rate or (available.duration.rate if available is not None else 0)
    if rate <= 0:
        raise _LeftOutError("is an image sequence without a rate")
    return float(exact_rate(rate))


def _span(seen: _Seen, path: Path, info: MediaInfo) -> MediaSpan:
    clip, place = seen.clip, seen.place
    reference = clip.media_reference
    kind: Kind = place.kind or ("picture" if info.has_picture else "sound")
    source, available = _range_s(clip.source_range), _range_s(reference.available_range)
    if source is None:
        source = available or (0.0, info.duration_s or 0.0)
    zero_s, first_s, last_s = _file_zero_s(source, available, info, _sequence_start_s(reference))
    start_s = source[0] - zero_s
    # What compound clips around it hide and what the file doesn't have is nothing we could look at.
    heads = (place.visible[0] - place.at_s, -start_s, 0.0)
    ends = (
        source[1],
        place.visible[1] - place.at_s,
        math.inf if info.duration_s is None else info.duration_s - start_s,
    )
    head_s, end_s = max(heads), min(ends)
    rate = _clip_rate(clip, info)
    if end_s - head_s < 0.5 / rate:
        has = "" if info.duration_s is None else f", which is {info.duration_s:.2f} s long"
        raise _LeftOutError(
            f"its range ({start_s:.2f} s to {start_s + source[1]:.2f} s) lies outside its media{has}"
        )
    stream, channel = _channel(clip, info) if kind == "sound" else (None, None)
    sequence = isinstance(reference, otio.schema.ImageSequenceReference)
    return MediaSpan(
        address=seen.address,
        kind=kind,
        url=_url(reference),
        path=path,
        start_s=start_s + head_s,
        duration_s=end_s - head_s,
        record_start_s=place.at_s + head_s,
        rate=rate,
        media_start_s=first_s,
        media_end_s=last_s,
        stream=stream,
        channel=channel,
        link_group=_resolve_metadata(clip).get("Link Group ID"),
        start_number=reference.start_frame if sequence else None,
        sequence_fps=_sequence_fps(reference) if sequence else None,
        near_transition=place.near_transition,
    )


_PART_S = 0.5
"""A reference whose range is this much shorter than its file speaks of a part of it."""


def _file_zero_s(
    source: tuple[float, float],
    available: tuple[float, float] | None,
    info: MediaInfo,
    sequence_start_s: float | None,
) -> tuple[float, float, float | None]:
    """(source time of the file's first frame, first and last second of the file that may be used).

    As a rule the available range starts with the file, at its start timecode. Where there is none, or one that
    covers only the cut, the file's own timecode tells, else the source counts from 0.
    """
    length_s = info.duration_s
    file_tc_s = info.timecode_s if info.timecode_s is not None else sequence_start_s
    if available is None:
        if file_tc_s is not None and _within(source[0], source[0], file_tc_s, length_s):
            return file_tc_s, 0.0, length_s
        return 0.0, 0.0, length_s
    start_s, available_s = available
    if source[0] + source[1] <= start_s:
        # Hiero counts source frames from the file's first one, whatever its available range says.
        return 0.0, 0.0, length_s
    zero_s = start_s
    if length_s is not None and available_s < length_s - _PART_S:
        if file_tc_s is not None and _within(start_s, start_s + available_s, file_tc_s, length_s):
            zero_s = file_tc_s
        elif _within(start_s, start_s + available_s, 0.0, length_s):
            zero_s = 0.0
    if available_s <= 0:
        return zero_s, 0.0, length_s
    last_s = start_s + available_s - zero_s
    return zero_s, start_s - zero_s, last_s if length_s is None else min(last_s, length_s)


def _within(start_s: float, end_s: float, file_start_s: float, length_s: float | None) -> bool:
    slack_s = 0.02
    return file_start_s - slack_s <= start_s and (
        length_s is None or end_s <= file_start_s + length_s + slack_s
    )


def _sequence_start_s(reference: otio.core.MediaReference) -> float | None:
    """Source time of an image sequence often counts like its file names."""
    if isinstance(reference, otio.schema.ImageSequenceReference):
        return reference.start_frame / _sequence_fps(reference)
    return None


def _range_s(time_range: otio.opentime.TimeRange | None) -> tuple[float, float] | None:
    """(start, duration)."""
    return None if time_range is None else (seconds(time_range.start_time), seconds(time_range.duration))


def _clip_rate(clip: otio.schema.Clip, info: MediaInfo) -> float:
    for time_range in (clip.source_range, clip.media_reference.available_range):
        if time_range is not None:
            return float(exact_rate(time_range.start_time.rate))
    return float(info.fps) if info.fps else 1000.0


def _resolve_metadata(clip: otio.schema.Clip) -> dict:
    return _dict(clip.metadata.get("Resolve_OTIO"))


def _dict(value: object) -> dict:
    """Editors write null, strings or nothing where a dictionary belongs."""
    return dict(value) if hasattr(value, "keys") else {}  # type: ignore[call-overload]


def _channel(clip: otio.schema.Clip, info: MediaInfo) -> tuple[int | None, int | None]:
    """(sound stream, channel) that the editor plays; None where it plays the first, or all mixed down."""
    picked = [
        (_dict(each).get("Source Track ID"), _dict(each).get("Source Channel ID"))
        for each in _resolve_metadata(clip).get("Channels") or ()
    ]
    premiere = _dict(clip.metadata.get("PremierePro_OTIO"))
    for each in _dict(premiere.get("AudioChannels")).get("SecondaryAssignments") or ():
        picked.append((premiere.get("OriginalChannelGroupIndex"), _dict(each).get("SecondaryChannelIndex")))
    if not picked:
        return None, None
    stream, channel = picked[0]
    if not isinstance(stream, int) or not 0 <= stream < len(info.sounds):
        return None, None
    several = (
        len(picked) > 1 or not isinstance(channel, int) or not 0 <= channel < info.sounds[stream].channels
    )
    return stream, None if several else channel


def _link(seen: _Seen) -> Hashable | None:
    """What linked clips have in common: Resolve numbers the groups, FCP 7 XML lists the members."""
    group = _resolve_metadata(seen.clip).get("Link Group ID")
    if group is not None:
        return seen.place.stack, group
    links = _dict(seen.clip.metadata.get("fcp_xml")).get("link") or ()
    members = [_dict(each).get("linkclipref") for each in ([links] if hasattr(links, "keys") else links)]
    return (seen.timeline, frozenset(members)) if any(members) else None


# Pairing: which picture and which sound belong together


@dataclass
class _Pairing:
    """Shots so far, by sound and by picture."""

    shots: list[Shot] = field(default_factory=list)
    paired: set[tuple[int, ...]] = field(default_factory=set)
    """Paths of the clips that are in a shot."""
    why: dict[tuple[int, ...], str] = field(default_factory=dict)
    """Why a sound has no picture."""

    def add(
        self, picture: _Clip, sound: _Clip, paired_by: Literal["link group", "same media", "overlap"]
    ) -> None:
        assert picture.span is not None
        assert sound.span is not None
        start_s, end_s = _overlap(picture, sound)
        self.shots.append(
            Shot(_cut(picture.span, start_s, end_s), _cut(sound.span, start_s, end_s), paired_by)
        )
        self.paired |= {picture.span.address.path, sound.span.address.path}


def _pair(clips: Sequence[_Clip]) -> list[Shot]:
    """The shots of one timeline, in its order."""
    pairing = _Pairing()
    sounds = [each for each in clips if each.is_sound]
    pictures = [each for each in clips if not each.is_sound]
    by_overlap: list[tuple[_Clip, _Clip]] = []
    for sound in sounds:
        if sound.span is None:
            continue
        if found := _linked(sound, pictures):
            pairing.add(found, sound, "link group")
        elif left_out := _linked_left_out(sound, pictures):
            pairing.why[sound.span.address.path] = left_out
        elif found := _of_same_media(sound, pictures):
            pairing.add(found, sound, "same media")
        else:
            under, why = _picture_above(sound, pictures)
            if under is not None:
                by_overlap.append((under, sound))
            pairing.why[sound.span.address.path] = why
    _pair_by_overlap(by_overlap, pairing)
    shots = pairing.shots + [
        _alone_or_own(each, pairing, sounds, clips)
        for each in clips
        if each.span is not None and each.span.address.path not in pairing.paired
    ]
    return sorted(shots, key=lambda shot: (shot.lead.record_start_s, shot.lead.address.path))


def _linked(sound: _Clip, pictures: Sequence[_Clip]) -> _Clip | None:
    if sound.link is None:
        return None
    return _nearest(sound, [each for each in pictures if each.span is not None and each.link == sound.link])


def _linked_left_out(clip: _Clip, others: Sequence[_Clip]) -> str:
    """Its partner can't be looked at: anything else that it lies under is a stranger."""
    for other in others:
        if (
            clip.link is not None
            and other.link == clip.link
            and other.span is None
            and _overlap_s(other, clip) > 0
        ):
            return f"is linked to {other.name!r}, which is left out because it {other.reason}"
    return ""


def _of_same_media(sound: _Clip, pictures: Sequence[_Clip]) -> _Clip | None:
    assert sound.span is not None
    path = sound.span.path
    return _nearest(sound, [each for each in pictures if each.span is not None and each.span.path == path])


def _nearest(sound: _Clip, pictures: Sequence[_Clip]) -> _Clip | None:
    """The picture over `sound` that is read from the same place of its media, else the longest over it."""

    def rank(picture: _Clip) -> tuple[bool, float]:
        return abs(_slip_s(picture, sound)) < _half_frame_s(picture), _overlap_s(picture, sound)

    over = [each for each in pictures if _overlap_s(each, sound) > _half_frame_s(each)]
    return max(over, key=rank, default=None)


def _picture_above(sound: _Clip, pictures: Sequence[_Clip]) -> tuple[_Clip | None, str]:
    """The one picture that a recorder's file may belong to, or why there is none."""
    over = [each for each in pictures if each.plays and _lies_under(sound, each)]
    if not over:
        return None, "no picture stands over it"
    if sound.moving:
        # The sound of one camera under the picture of another, as in any interview with cutaways.
        return None, "is the sound of a film whose own picture isn't over it"
    names = {each.span.path.name if each.span else each.name for each in over}
    if len(names) > 1:
        listed = ", ".join(sorted(names)[:3]) + (" …" if len(names) > 3 else "")
        return None, (
            f"lies under pictures of {len(names)} different media ({listed}) and is linked to none:"
            " slipping it for one would move it for the others"
        )
    usable = [each for each in over if each.span is not None]
    if not usable:
        return None, f"the picture over it, {over[0].name!r}, is left out because it {over[0].reason}"
    slips = [_slip_s(each, sound) for each in usable]
    if max(slips) - min(slips) > 2 * _half_frame_s(usable[0]):
        return None, (
            f"lies under {len(usable)} cuts of {names.pop()} that are read from different places:"
            " slipping it for one would move it for the others"
        )
    return max(usable, key=lambda each: _overlap_s(each, sound)), ""


def _pair_by_overlap(candidates: Sequence[tuple[_Clip, _Clip]], pairing: _Pairing) -> None:
    """Give each picture the sound longest and nearest under it, and those that stand exactly alike."""
    for _, group in _grouped(candidates, lambda pair: pair[0].seen.place.path):
        picture = group[0][0]
        sounds = [sound for _, sound in group]
        best = max(
            sounds,
            key=lambda each: (
                round(_overlap_s(picture, each), 3),
                -abs(each.seen.place.track_index - picture.seen.place.track_index),
            ),
        )
        for sound in sounds:
            if all(
                abs(one - other) < _half_frame_s(picture)
                for one, other in zip(sound.record, best.record, strict=True)
            ):
                pairing.add(picture, sound, "overlap")
            else:
                pairing.why[sound.seen.place.path] = (
                    f"another sound, {best.name!r}, fits the picture over it, {picture.name!r}, better"
                )


def _alone_or_own(clip: _Clip, pairing: _Pairing, sounds: Sequence[_Clip], clips: Sequence[_Clip]) -> Shot:
    assert clip.span is not None
    if clip.is_sound:
        return Shot(None, clip.span, "alone", pairing.why[clip.span.address.path])
    why = _linked_left_out(clip, sounds)
    under = [each for each in sounds if each.plays and _lies_under(each, clip)]
    if not why and under:
        nearest = max(under, key=lambda each: _overlap_s(clip, each))
        if nearest.span is None:
            why = f"the sound under it, {nearest.name!r}, is left out because it {nearest.reason}"
        elif nearest.span.address.path in pairing.paired:
            why = f"the sound under it, {nearest.name!r}, belongs to another picture"
        else:
            why = f"the sound under it, {nearest.name!r}, can't be told to belong to it"
    if not why and clip.sounding:
        return Shot(clip.span, replace(clip.span, kind="sound"), "own sound")
    return Shot(
        clip.span,
        None,
        "alone",
        why or "no sound anywhere: its file has none and no sound clip lies under it",
    )


def _overlap(one: _Clip, other: _Clip) -> tuple[float, float]:
    return max(one.record[0], other.record[0]), min(one.record[1], other.record[1])


def _overlap_s(one: _Clip, other: _Clip) -> float:
    start_s, end_s = _overlap(one, other)
    return end_s - start_s


_OVERLAP_S = 0.5
"""Less than this is a sound that rings out under the next picture."""


def _lies_under(sound: _Clip, picture: _Clip) -> bool:
    """They overlap by more than a sound ringing out, or by half of the shorter one."""
    shorter_s = min(end - start for start, end in (sound.record, picture.record))
    return shorter_s > 0 and _overlap_s(sound, picture) >= min(_OVERLAP_S, shorter_s / 2)


def _slip_s(picture: _Clip, sound: _Clip) -> float:
    return Shot(picture.span, sound.span, "overlap").slip_s


def _half_frame_s(picture: _Clip) -> float:
    return 0.5 / picture.span.rate if picture.span is not None else 0.0


def _cut(span: MediaSpan, start_s: float, end_s: float) -> MediaSpan:
    """`span` between two moments of the timeline."""
    head_s = start_s - span.record_start_s
    return replace(span, start_s=span.start_s + head_s, duration_s=end_s - start_s, record_start_s=start_s)


# Small things


def _skipped(clip: _Clip) -> Skipped:
    where = clip.seen.address
    url = _url(clip.seen.clip.media_reference)
    return Skipped(where.track, where.track_index, where.clip, where.clip_index, clip.reason, media=url)


def _children(item: otio.core.SerializableObject) -> list:
    return list(item.tracks if isinstance(item, otio.schema.Timeline) else item)


def _grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> list[tuple[Hashable, list[T]]]:
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return list(groups.items())


def _timelines(root: otio.core.SerializableObject) -> Iterator[otio.schema.Timeline]:
    if isinstance(root, otio.schema.Timeline):
        yield root
    elif isinstance(root, otio.schema.SerializableCollection):
        for child in root:
            yield from _timelines(child)


def _start_timecode_s(timelines: Sequence[otio.schema.Timeline]) -> float:
    """Of several timelines that start differently: 0, since one number can't speak for them."""
    starts = {seconds(each.global_start_time) if each.global_start_time else 0.0 for each in timelines}
    start_s = starts.pop() if len(starts) == 1 else 0.0
    return start_s if math.isfinite(start_s) else 0.0


def _timeline_rate(root: otio.core.SerializableObject, timelines: Sequence[otio.schema.Timeline]) -> float:
    """The start timecode's rate, else that of most clips, pictures before sounds; never a sample rate."""
    rates = [each.global_start_time.rate for each in timelines if each.global_start_time]
    if not rates:
        seen = [each for each in _walk(root, _Place()) if each.clip.source_range is not None]
        pictures = [each for each in seen if each.place.kind == "picture"]
        rates = [each.clip.source_range.duration.rate for each in pictures or seen]
    usable = [rate for rate in rates if 1 < rate <= 240]
    return float(exact_rate(max(set(usable), key=usable.count))) if usable else 25.0
