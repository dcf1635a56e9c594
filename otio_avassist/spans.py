"""Timeline -> spans and shots: who plays what, from where to where, in seconds.

Goes in: anything OpenTimelineIO reads (Timeline, Stack, Track, Clip, SerializableCollection), and what a look
at its media told. Comes out: `MediaSpan`s, `Shot`s and `Skipped`s. With `places` the one place where
RationalTime becomes seconds; it opens no media and never changes the timeline.

Three steps: `places` finds where every clip stands, `_look` finds what it plays of which file or the reason
why not, `pairing` finds which picture and which sound belong together.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, NamedTuple

import opentimelineio as otio

from otio_avassist import pairing, places
from otio_avassist.errors import MediaError
from otio_avassist.pairing import PairedBy
from otio_avassist.places import Address, Kind, Seen, noted, plain, resolve, seconds, url_of
from otio_avassist.timecodes import clock, exact_rate, timecode, whole_frames
from otio_avassist.traces import is_our_sound
from otio_avassist.urls import Found, Locator, path_from_url

if TYPE_CHECKING:
    from otio_avassist.windows import MediaInfo

# Those who need one of these need it for what is here.
__all__ = [
    "Address", "Kind", "Locator", "MediaSpan", "Probe", "Shot", "Skipped", "Spans", "clock", "cut",
    "exact_rate", "read_spans", "resolve", "seconds", "timecode", "whole_frames",
]  # fmt: skip

Probe = Callable[..., "MediaInfo"]
"""`windows.probe`, or anything called like it: (path, start_number=…, sequence_fps=…) for image sequences."""
Locate = Callable[[str], Found]
"""As `Locator.locate`."""


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
    paired_by: PairedBy
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
    on_purpose: bool = False
    """Nothing is amiss with it: nobody wanted it looked at."""
    unread: bool = False
    """Its media isn't there or can't be read."""


@dataclass(frozen=True)
class Spans:
    """All of a timeline: each of its clips is in a shot or in `skipped`."""

    shots: tuple[Shot, ...]
    skipped: tuple[Skipped, ...]
    rate: float
    """Frames per second of the timeline."""
    start_timecode_s: float
    """The timeline's own start (01:00:00:00 and the like), already off every time here."""
    clips: Mapping[tuple[int, ...], tuple[pairing.Clip, ...]] = field(default_factory=dict)
    """All clips, whole and before they were paired, by the path of their timeline."""


def read_spans(root: otio.core.SerializableObject, locator: Locator, probe: Probe) -> Spans:
    """Every clip of `root`, in a shot or with the reason why it is left out.

    Args:
        root: Timeline, Stack, Track, Clip, or SerializableCollection (each of its timelines counts from 0).
        locator: finds the file of a url.
        probe: tells what a file holds; may raise MediaError, which becomes the reason.

    Raises:
        TimelineError: `root` is none of these.
    """
    seen = places.walk(root)
    by_timeline: dict[tuple[int, ...], list[pairing.Clip]] = defaultdict(list)
    skipped = []
    # A film plays each of its files many times.
    locate, probe = functools.cache(locator.locate), functools.cache(probe)
    for each in seen:
        clip = _look(each, locate, probe)
        by_timeline[each.place.timeline].append(clip)
        if clip.span is None:
            skipped.append(_skipped(each, clip))
    shots = [shot for clips in by_timeline.values() for shot in _shots(clips)]
    rate = places.timeline_rate(root, seen)
    clips_of = {timeline: tuple(clips) for timeline, clips in by_timeline.items()}
    return Spans(tuple(shots), tuple(skipped), rate, places.start_timecode_s(root), clips_of)


def _shots(clips: list[pairing.Clip]) -> list[Shot]:
    """The shots of one timeline, in its order."""
    shots = [_shot(pair) for pair in pairing.pair(clips)]
    return sorted(shots, key=lambda shot: (shot.lead.record_start_s, shot.lead.address.path))


def _shot(pair: pairing.Pair) -> Shot:
    picture = pair.picture.span if pair.picture else None
    sound = pair.sound.span if pair.sound else None
    if pair.paired_by == "own sound" and picture is not None:
        sound = replace(picture, kind="sound")
    elif pair.picture and pair.sound and picture is not None and sound is not None:
        both = pairing.overlap(pair.picture, pair.sound)
        picture, sound = cut(picture, *both), cut(sound, *both)
    return Shot(picture, sound, pair.paired_by, pair.why_alone)


def cut(span: MediaSpan, start_s: float, end_s: float) -> MediaSpan:
    """`span` between two moments of the timeline."""
    head_s = start_s - span.record_start_s
    return replace(span, start_s=span.start_s + head_s, duration_s=end_s - start_s, record_start_s=start_s)


def _skipped(seen: Seen, clip: pairing.Clip) -> Skipped:
    where = seen.address
    url, ours = url_of(seen.clip.media_reference), is_our_sound(seen.clip)
    return Skipped(
        where.track, where.track_index, where.clip, where.clip_index, clip.reason, url, ours, clip.unread
    )


class _LeftOutError(Exception):
    """Why a clip can't be looked at, in words; `plays` and `unread` as in `pairing.Clip`."""

    def __init__(self, reason: str, *, plays: bool = True, unread: bool = False) -> None:
        super().__init__(reason)
        self.plays, self.unread = plays, unread


def _look(seen: Seen, locate: Locate, probe: Probe) -> pairing.Clip:
    """What a clip plays, or why it can't be looked at."""
    address, place = seen.address, seen.place
    clip = functools.partial(pairing.Clip, address.path, address.clip, address.track_index, link=_link(seen))
    try:
        _check(seen)
        told = _told(seen.clip)
        _check_range(seen, told)
        path, info = _media(seen, locate, probe)
        span = _span(seen, told, path, info)
    except _LeftOutError as error:
        record = place.at_s, place.at_s + (seen.duration_s or 0.0)
        plays = place.plays and error.plays
        return clip(place.kind, record, plays, None, reason=str(error), unread=error.unread)
    record = span.record_start_s, span.record_start_s + span.duration_s
    moving, sounding = info.has_picture, info.has_sound
    return clip(span.kind, record, place.plays, span, moving=moving, sounding=sounding)


def _check(seen: Seen) -> None:
    """Leave out what the timeline itself tells us can't be looked at."""
    clip, reference = seen.clip, seen.clip.media_reference
    if seen.place.why_not:
        raise _LeftOutError(seen.place.why_not)
    if places.disabled(clip):
        raise _LeftOutError("is disabled", plays=False)
    if is_our_sound(clip):
        raise _LeftOutError("is a sound that avassist has made", plays=False)
    if reference is None or reference.is_missing_reference:
        raise _LeftOutError(
            "has no media: a title, an effect of the editor, or media gone offline", plays=False
        )
    if isinstance(reference, otio.schema.GeneratorReference):
        kind = reference.generator_kind or reference.name
        raise _LeftOutError(f"is generated by the editor ({kind})", plays=False)
    if not url_of(reference):
        raise _LeftOutError("its media reference names no file")
    if how := places.retimed(clip):
        raise _LeftOutError(f"is {how}")
    if seen.place.kind != "sound" and _is_still(reference):
        raise _LeftOutError("is a still picture", plays=False)


class _Told(NamedTuple):
    """What the timeline says of a clip's range, asked once: each question to OpenTimelineIO takes time."""

    source: tuple[float, float] | None
    """(start, duration) in seconds; None: it doesn't say."""
    available: tuple[float, float] | None
    """Likewise of the media."""
    rates: tuple[float, ...]
    """Frames per second of start and duration of each range that is there."""


def _told(clip: otio.schema.Clip) -> _Told:
    source, available = clip.source_range, clip.media_reference.available_range
    there = [each for each in (source, available) if each is not None]
    rates = tuple(time.rate for each in there for time in (each.start_time, each.duration))
    return _Told(_range_s(source), _range_s(available), rates)


def _check_range(seen: Seen, told: _Told) -> None:
    for number, each in enumerate(filter(None, (told.source, told.available))):
        if not math.isfinite(sum(each)):
            rates = told.rates[2 * number : 2 * number + 2]
            what = "a rate of 0" if 0 in rates else "no valid numbers"
            raise _LeftOutError(f"its range has {what}, so nobody can say which part of its media is meant")
    if math.isnan(seen.place.at_s):
        raise _LeftOutError("nobody can say where it stands: something before it has no valid length")
    if seen.duration_s is not None and seen.duration_s <= 0:
        raise _LeftOutError("has no length", plays=False)
    first_s, last_s = seen.place.visible
    end_s = seen.place.at_s + (math.inf if seen.duration_s is None else seen.duration_s)
    if min(end_s, last_s) - max(seen.place.at_s, first_s) <= _NOTHING_S:
        raise _LeftOutError("lies outside of what its compound clip or track shows", plays=False)


_NOTHING_S = 1e-6
"""Shorter than any sample: what float noise leaves of two ranges that only touch."""


_STILLS = frozenset(
    {".ai", ".bmp", ".dng", ".dpx", ".eps", ".exr", ".gif", ".heic", ".heif", ".jpeg", ".jpg"}
    | {".pdf", ".png", ".psb", ".psd", ".svg", ".tga", ".tif", ".tiff", ".webp"}
)


def _is_still(reference: otio.core.MediaReference) -> bool:
    if isinstance(reference, otio.schema.ImageSequenceReference):
        return False
    available = reference.available_range
    one_frame = available is not None and 0 < available.duration.value <= 1 and available.duration.rate > 1
    return one_frame or _suffix(reference.target_url) in _STILLS


@functools.lru_cache(maxsize=10_000)
def _suffix(url: str) -> str:
    return PureWindowsPath(path_from_url(url)).suffix.lower()


def _media(seen: Seen, locate: Locate, probe: Probe) -> tuple[Path, MediaInfo]:
    """The clip's file and what it holds."""
    reference = seen.clip.media_reference
    found = locate(url_of(reference))
    if found.path is None:
        raise _LeftOutError(found.words, unread=True)
    try:
        if isinstance(reference, otio.schema.ImageSequenceReference):
            path = _pattern(found.path, reference)
            info = probe(path, start_number=reference.start_frame, sequence_fps=_sequence_fps(reference))
        else:
            path, info = found.path, probe(found.path)
    except MediaError as error:
        raise _LeftOutError(str(error), unread=True) from error
    _check_holds(seen.place.kind, path, info)
    return path, info


def _check_holds(kind: Kind | None, path: Path, info: MediaInfo) -> None:
    if kind == "sound" and not info.has_sound:
        raise _LeftOutError(f"its file holds no sound: {path}")
    if info.has_picture or (kind != "picture" and info.has_sound):
        return
    if info.still:
        raise _LeftOutError("is a still picture", plays=False)
    raise _LeftOutError(f"its file holds no moving picture: {path}")


def _pattern(first: Path, reference: otio.schema.ImageSequenceReference) -> Path:
    """The printf pattern of the sequence whose first picture was found: other percent signs count double."""
    if abs(reference.frame_step) != 1:
        raise _LeftOutError(f"is an image sequence of every {abs(reference.frame_step)}th picture only")
    padding = reference.frame_zero_padding
    texts = (str(first.parent), reference.name_prefix, reference.name_suffix)
    folder, prefix, suffix = (text.replace("%", "%%") for text in texts)
    return Path(folder, f"{prefix}%{f'0{padding}' if padding else ''}d{suffix}")


def _sequence_fps(reference: otio.schema.ImageSequenceReference) -> float:
    available = reference.available_range
    rate = reference.rate or (available.duration.rate if available is not None else 0)
    if rate <= 0:
        raise _LeftOutError("is an image sequence without a rate")
    return float(exact_rate(rate))


def _span(seen: Seen, told: _Told, path: Path, info: MediaInfo) -> MediaSpan:
    clip, place = seen.clip, seen.place
    reference = clip.media_reference
    kind: Kind = place.kind or ("picture" if info.has_picture else "sound")
    source, available = told.source, told.available
    if source is None:
        source = available or (0.0, info.duration_s or 0.0)
    if available is not None and sum(source) <= available[0]:
        # Hiero counts source frames from the file's first one, whatever its available range says.
        available = None
    length_s = info.duration_s
    zero_s = _zero_s(source[0], available, _file_start_s(reference, info), length_s)
    first_s, last_s = _usable(available, zero_s, length_s)
    start_s = source[0] - zero_s
    # What compound clips around it hide and what the file doesn't have is nothing we could look at.
    heads = (place.visible[0] - place.at_s, -start_s, 0.0)
    in_file_s = math.inf if length_s is None else length_s - start_s
    ends = (source[1], place.visible[1] - place.at_s, in_file_s)
    head_s, end_s = max(heads), min(ends)
    rate = _clip_rate(told, info)
    if end_s - head_s < 0.5 / rate:
        has = "" if length_s is None else f", which is {length_s:.2f} s long"
        raise _LeftOutError(
            f"its range ({start_s:.2f} s to {start_s + source[1]:.2f} s) lies outside its media{has}"
        )
    stream, channel = _channel(clip, info) if kind == "sound" else (None, None)
    sequence = isinstance(reference, otio.schema.ImageSequenceReference)
    return MediaSpan(
        address=seen.address,
        kind=kind,
        url=url_of(reference),
        path=path,
        start_s=start_s + head_s,
        duration_s=end_s - head_s,
        record_start_s=place.at_s + head_s,
        rate=rate,
        media_start_s=first_s,
        media_end_s=last_s,
        stream=stream,
        channel=channel,
        start_number=reference.start_frame if sequence else None,
        sequence_fps=_sequence_fps(reference) if sequence else None,
        near_transition=place.near_transition,
    )


_PART_S = 0.5
"""A reference whose range is this much shorter than its file speaks of a part of it."""


def _zero_s(
    source_s: float, available: tuple[float, float] | None, file_start_s: float | None, length_s: float | None
) -> float:
    """Source time of the file's first frame.

    As a rule the available range starts with the file, at its start timecode. Where there is none, or one
    that covers only the cut, the file's own timecode tells, else the source counts from 0.
    """
    if available is None:
        counts_from_start = file_start_s is not None and _within(source_s, 0.0, file_start_s, length_s)
        return file_start_s if counts_from_start and file_start_s is not None else 0.0
    if length_s is not None and available[1] < length_s - _PART_S:
        for candidate_s in (file_start_s, 0.0):
            if candidate_s is not None and _within(*available, candidate_s, length_s):
                return candidate_s
    return available[0]


def _within(start_s: float, duration_s: float, file_start_s: float, length_s: float | None) -> bool:
    slack_s = 0.02
    end_s = math.inf if length_s is None else file_start_s + length_s
    return file_start_s - slack_s <= start_s and start_s + duration_s <= end_s + slack_s


def _usable(
    available: tuple[float, float] | None, zero_s: float, length_s: float | None
) -> tuple[float, float | None]:
    """First and last second of the file that the reference offers and the file has; None: nobody knows."""
    if available is None or available[1] <= 0:
        return 0.0, length_s
    first_s, last_s = available[0] - zero_s, sum(available) - zero_s
    return max(0.0, first_s), last_s if length_s is None else min(last_s, length_s)


def _file_start_s(reference: otio.core.MediaReference, info: MediaInfo) -> float | None:
    """The file's own start timecode; that of an image sequence often counts like its file names."""
    if info.timecode_s is None and isinstance(reference, otio.schema.ImageSequenceReference):
        return reference.start_frame / _sequence_fps(reference)
    return info.timecode_s


def _range_s(time_range: otio.opentime.TimeRange | None) -> tuple[float, float] | None:
    """(start, duration)."""
    return None if time_range is None else (seconds(time_range.start_time), seconds(time_range.duration))


def _clip_rate(told: _Told, info: MediaInfo) -> float:
    if told.rates:
        return float(exact_rate(told.rates[0]))
    return float(info.fps) if info.fps else 1000.0


def _resolve_metadata(clip: otio.schema.Clip) -> dict:
    return noted(clip, "Resolve_OTIO")


def _channel(clip: otio.schema.Clip, info: MediaInfo) -> tuple[int | None, int | None]:
    """(sound stream, channel) that the editor plays; None where it plays the first, or all mixed down."""
    picked = [
        (plain(each).get("Source Track ID"), plain(each).get("Source Channel ID"))
        for each in _resolve_metadata(clip).get("Channels") or ()
    ]
    premiere = noted(clip, "PremierePro_OTIO")
    for each in plain(premiere.get("AudioChannels")).get("SecondaryAssignments") or ():
        picked.append((premiere.get("OriginalChannelGroupIndex"), plain(each).get("SecondaryChannelIndex")))
    if not picked:
        return None, None
    stream, channel = picked[0]
    if not isinstance(stream, int) or not 0 <= stream < len(info.sounds):
        return None, None
    one = len(picked) == 1 and isinstance(channel, int) and 0 <= channel < info.sounds[stream].channels
    return stream, channel if one else None


def _link(seen: Seen) -> Hashable | None:
    """What linked clips have in common: Resolve numbers the groups, FCP 7 XML lists the members."""
    group = _resolve_metadata(seen.clip).get("Link Group ID")
    if isinstance(group, int):
        return seen.place.stack, group
    links = noted(seen.clip, "fcp_xml").get("link") or ()
    members = [plain(each).get("linkclipref") for each in ([links] if hasattr(links, "keys") else links)]
    return (seen.place.timeline, frozenset(members)) if any(members) else None
