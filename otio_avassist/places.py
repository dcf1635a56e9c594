"""Timeline -> where each of its clips stands, in seconds. Knows no media.

Goes in: anything OpenTimelineIO reads. Comes out: one `Seen` per clip, however deep it is nested, with its
place on the timeline and, where something around it rules it out, why. Broken ranges come out as NaN, never
as an exception.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import PureWindowsPath
from typing import Any, Literal, NamedTuple

import opentimelineio as otio

from otio_avassist.errors import TimelineError
from otio_avassist.timecodes import exact_rate
from otio_avassist.urls import path_from_url

Kind = Literal["picture", "sound"]


@dataclass(frozen=True)
class Address:
    """Where a clip stands in its timeline, for people and for `edits`."""

    path: tuple[int, ...]
    """Indices from the root through each level of children: `resolve(root, path)` gives the item back."""
    track: str
    """Its name, or V1, A2 … where it has none."""
    track_index: int
    clip: str
    """Its name, or its file's."""
    clip_index: int
    """Position among the track's children."""


class Place(NamedTuple):
    """Where an item stands; handed down, and made more precise, as the walk descends."""

    at_s: float = 0.0
    """Where the item begins, in timeline seconds from the timeline's first frame. NaN: nobody can say."""
    visible: tuple[float, float] = (-math.inf, math.inf)
    """What enclosing items show of the timeline."""
    kind: Kind | None = None
    """None outside of any track: the media will tell."""
    why_not: str = ""
    """Why everything in here is left out."""
    plays: bool = True
    """False where nobody sees or hears anything of what is in here."""
    near_transition: bool = False
    path: tuple[int, ...] = ()
    timeline: tuple[int, ...] = ()
    """Path of the timeline: clips of two timelines have nothing to do with each other."""
    stack: tuple[int, ...] = ()
    """Path of the nearest stack: link groups are numbered anew in each."""
    track: str = ""
    track_index: int = 0
    nests: tuple[tuple[str, Kind], ...] = ()
    """Names of the compound clips around, and the kind of track each stands on."""

    def left_out(self, why_not: str, *, plays: bool = True) -> Place:
        """The outermost reason stands; what is hidden once stays hidden."""
        return self._replace(why_not=self.why_not or why_not, plays=self.plays and (plays or not why_not))


@dataclass(frozen=True)
class Seen:
    """A clip and its place."""

    clip: otio.schema.Clip
    place: Place
    duration_s: float | None
    """As the timeline plays it, hidden parts included; None: as long as its media."""

    @cached_property
    def address(self) -> Address:
        place = self.place
        name = self.clip.name or media_name(self.clip)
        return Address(place.path, place.track, place.track_index, name, place.path[-1] if place.path else 0)


def walk(root: otio.core.SerializableObject) -> list[Seen]:
    """Every clip of `root`, in the order of its children.

    Raises:
        TimelineError: `root` is none of the things that hold clips.
    """
    return _without_echoes(list(_walk(root, Place())))


def resolve(root: otio.core.SerializableObject, path: tuple[int, ...]) -> otio.core.SerializableObject:
    """The item at `Address.path`; a timeline and its stack count as one level."""
    item = root
    for index in path:
        item = item.tracks[index] if isinstance(item, otio.schema.Timeline) else item[index]
    return item


def seconds(time: otio.opentime.RationalTime) -> float:
    """True seconds: 23.976 and its kin stand for exact rates. NaN where that is no length of time."""
    ratio = _ratio(time.rate)
    if ratio is None:
        return math.nan
    exact_s = time.value * ratio[1] / ratio[0]
    return exact_s if abs(exact_s) < _CENTURY_S else math.nan


@lru_cache(maxsize=256)
def _ratio(rate: float) -> tuple[int, int] | None:
    """So many frames in so many seconds; None where that is no rate, or so small that it rounds to none."""
    try:
        exact = exact_rate(rate)
    except ValueError:
        return None
    return exact.as_integer_ratio() if exact else None


_CENTURY_S = 3.2e9
"""Numbers beyond it are broken ones, and would overflow further on."""


def media_name(clip: otio.schema.Clip) -> str:
    """The file name of a clip's media, whatever system its path was written on."""
    return _file_name(url_of(clip.media_reference))


@lru_cache(maxsize=10_000)
def _file_name(url: str) -> str:
    return PureWindowsPath(path_from_url(url)).name


def url_of(reference: otio.core.MediaReference | None) -> str:
    """As written, empty where there is none; of an image sequence, that of its first picture."""
    if isinstance(reference, otio.schema.ExternalReference):
        return reference.target_url or ""
    if isinstance(reference, otio.schema.ImageSequenceReference):
        base = reference.target_url_base or ""
        between = "" if not base or base.endswith(("/", "\\")) else "/"
        number = f"{reference.start_frame:0{reference.frame_zero_padding}d}"
        return f"{base}{between}{reference.name_prefix}{number}{reference.name_suffix}"
    return ""


def plain(value: object) -> dict:
    """Metadata as a dictionary: some editors write null or a string where one belongs."""
    return {key: value[key] for key in keys(value)} if hasattr(value, "keys") else {}  # type: ignore[index]


def keys(metadata: Any) -> Iterator[str]:
    """As many as there are, counted: a loop that runs to the end of one of OpenTimelineIO's dictionaries ends
    with an exception in C++, as does asking for what isn't there. That takes as long as ten other questions.
    """
    return islice(metadata, len(metadata))


def noted(item: Any, key: str) -> dict:
    """What an item's metadata keeps under a key, as a dictionary; empty where there is none."""
    metadata = item.metadata
    return plain(metadata[key]) if key in keys(metadata) else {}


def disabled(item: otio.core.Item) -> bool:
    """Final Cut's XML says it in words, which its adapter leaves in the metadata."""
    return not item.enabled or noted(item, "fcp_xml").get("enabled") == "FALSE"


def retimed(item: otio.core.Item) -> str:
    """How it is retimed, in words; empty where it runs as it was recorded."""
    for effect in item.effects[:]:
        if not getattr(effect, "enabled", True):
            continue
        if isinstance(effect, otio.schema.FreezeFrame):
            return "a frozen frame"
        if isinstance(effect, otio.schema.LinearTimeWarp):
            if not math.isclose(effect.time_scalar, 1.0, rel_tol=1e-6):
                return f"retimed to {effect.time_scalar * 100:g} %: measure before retiming"
        elif isinstance(effect, otio.schema.TimeEffect):
            return "retimed by a speed ramp: measure before retiming"
    return ""


def speed(item: otio.core.Item) -> float:
    """Seconds of its source that an item plays a second; < 0 backwards, 1 where only a ramp would tell."""
    scalars = [
        float(effect.time_scalar)
        for effect in item.effects[:]
        if isinstance(effect, otio.schema.LinearTimeWarp) and getattr(effect, "enabled", True)
    ]
    return math.prod(scalars) if all(map(math.isfinite, scalars)) else 1.0


def start_timecode_s(root: otio.core.SerializableObject) -> float:
    """What the timeline's first frame is called; 0 for several that start differently."""
    starts = {seconds(each.global_start_time) if each.global_start_time else 0.0 for each in _timelines(root)}
    start_s = starts.pop() if len(starts) == 1 else 0.0
    return start_s if math.isfinite(start_s) else 0.0


def timeline_rate(root: otio.core.SerializableObject, seen: Sequence[Seen]) -> float:
    """The start timecode's rate, else that of most clips, pictures before sounds; never a sample rate."""
    rates = [each.global_start_time.rate for each in _timelines(root) if each.global_start_time]
    if not rates:
        cut = [each for each in seen if each.clip.source_range is not None]
        pictures = [each for each in cut if each.place.kind == "picture"]
        rates = [each.clip.source_range.duration.rate for each in pictures or cut]
    usable = [rate for rate in rates if 1 < rate <= 240]
    return float(exact_rate(max(set(usable), key=Counter(usable).__getitem__))) if usable else 25.0


def _timelines(root: otio.core.SerializableObject) -> Iterator[otio.schema.Timeline]:
    if isinstance(root, otio.schema.Timeline):
        yield root
    elif isinstance(root, otio.schema.SerializableCollection):
        for child in root:
            yield from _timelines(child)


def _walk(item: otio.core.SerializableObject, place: Place) -> Iterator[Seen]:
    if isinstance(item, otio.schema.Clip):
        yield Seen(item, place, _length_s(item))
    elif isinstance(item, otio.schema.Timeline):
        yield from _walk(item.tracks, place._replace(timeline=place.path))
    elif isinstance(item, otio.schema.SerializableCollection):
        for index, child in enumerate(item):
            path = (*place.path, index)
            if isinstance(child, _HOLDERS):
                yield from _walk(child, Place(path=path, timeline=path, stack=path, track=item.name))
    elif isinstance(item, otio.core.Composition):
        yield from _walk_composition(item, place)
    else:
        raise TimelineError(f"wanted a timeline, stack, track, clip or collection; got {type(item).__name__}")


_HOLDERS = (
    otio.schema.Timeline,
    otio.schema.SerializableCollection,
    otio.core.Composition,
    otio.schema.Clip,
)


def _walk_composition(item: otio.core.Composition, place: Place) -> Iterator[Seen]:
    children = list(item)
    if isinstance(item, otio.schema.Track) and not place.track:
        place = _onto_track(item, 0, [item], place)
    inner = _enter(item, place)
    at_s = inner.at_s
    on_track = isinstance(item, otio.schema.Track)
    dissolves = [isinstance(each, otio.schema.Transition) for each in children]
    for index, child in enumerate(children):
        if dissolves[index]:
            continue
        near = any(dissolves[max(0, index - 1) : index + 2]) if on_track else inner.near_transition
        here = inner._replace(at_s=at_s, path=(*place.path, index), near_transition=near)
        length_s = _length_s(child) if on_track or isinstance(child, otio.schema.Clip) else None
        if on_track:
            at_s += math.nan if length_s is None else length_s
        elif isinstance(child, otio.schema.Track):
            here = _onto_track(child, index, children, here)
        if isinstance(child, otio.schema.Clip):
            yield Seen(child, here, length_s)
        elif isinstance(child, _HOLDERS):
            yield from _walk(child, here)


def _enter(item: otio.core.Composition, place: Place) -> Place:
    """The place of the item's own zero, and how much of its inside is seen."""
    name = (place.track if isinstance(item, otio.schema.Track) else item.name) or "a compound clip"
    if disabled(item):
        place = place.left_out(f"stands in {name}, which is disabled", plays=False)
    if how := retimed(item):
        place = place.left_out(f"stands in {name}, which is {how}")
    if isinstance(item, otio.schema.Stack):
        nests = place.nests if place.kind is None else (*place.nests, (item.name, place.kind))
        place = place._replace(stack=place.path, nests=nests)
    if item.source_range is None:
        return place
    start_s, duration_s = seconds(item.source_range.start_time), seconds(item.source_range.duration)
    if not math.isfinite(start_s + duration_s):
        place = place.left_out(
            f"stands in {name}, whose range has a rate of 0 or numbers that aren't numbers"
        )
    visible = max(place.visible[0], place.at_s), min(place.visible[1], place.at_s + duration_s)
    return place._replace(at_s=place.at_s - start_s, visible=visible)


def _onto_track(track: otio.schema.Track, index: int, siblings: Sequence[object], place: Place) -> Place:
    # Some programs write kinds in lower case.
    kinds: dict[str, Kind] = {"video": "picture", "audio": "sound"}
    kind = kinds.get(track.kind.lower())
    alike = [each for each in siblings[: index + 1] if getattr(each, "kind", None) == track.kind]
    letter = "A" if kind == "sound" else "V" if kind == "picture" else track.kind
    place = place._replace(kind=kind, track=track.name or f"{letter}{len(alike)}", track_index=index)
    if kind is None:
        why_not = f"stands on a track of kind {track.kind!r}, which is neither picture nor sound"
        return place.left_out(why_not, plays=False)
    return place


def _length_s(item: otio.core.Composable) -> float | None:
    """What the item takes of its track; None where only its media knows, NaN where its range is broken."""
    if isinstance(item, otio.schema.Transition):
        return 0.0
    if item.source_range is not None:
        return seconds(item.source_range.duration)
    if isinstance(item, otio.schema.Clip):
        available = item.media_reference.available_range if item.media_reference else None
        return seconds(available.duration) if available is not None else None
    lengths = [_length_or_nan_s(child) for child in item] if isinstance(item, otio.core.Composition) else []
    return sum(lengths) if isinstance(item, otio.schema.Track) else max(lengths, default=0.0)


def _length_or_nan_s(item: otio.core.Composable) -> float:
    length_s = _length_s(item)
    return math.nan if length_s is None else length_s


def _without_echoes(seen: list[Seen]) -> list[Seen]:
    """Mark what an editor wrote twice: a compound clip stands whole on a picture and on a sound track."""
    heard = {
        (each.place.timeline, name) for each in seen for name, kind in each.place.nests if kind == "sound"
    }

    def echo(place: Place) -> str:
        for name, kind in place.nests:
            if kind == "sound" and place.kind == "picture":
                return f"stands in {name} on a sound track, where only sound is heard"
            if kind == "picture" and place.kind == "sound" and (place.timeline, name) in heard:
                return f"stands in {name} on a picture track; it is heard where {name} is on a sound track"
        return ""

    return [
        replace(each, place=each.place.left_out(echo(each.place), plays=False)) if each.place.nests else each
        for each in seen
    ]
