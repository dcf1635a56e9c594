"""A timeline -> what an editor would refuse, drop or show wrongly of it, and what helps.

The rules are those that others measured with DaVinci Resolve 18.5 to 21.1, Premiere 26 and 27 (beta) and
Kdenlive's source; they may change with the editors' versions. Nothing is opened but the timeline: whether
media is there and readable is the analysis's business.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any

import opentimelineio as otio

from otio_avassist import places, traces
from otio_avassist.errors import UsageError
from otio_avassist.places import Seen
from otio_avassist.urls import is_windows, path_from_url, remote_scheme

STILLS = {".bmp", ".dpx", ".exr", ".gif", ".jpeg", ".jpg", ".png", ".psd", ".tga", ".tif", ".tiff", ".webp"}
"""Endings of files that hold one picture."""
VOLUME_DB = (-100.0, 30.0)
"""The gain of a clip that Resolve knows."""


@dataclass(frozen=True)
class Problem:
    """Something that an editor would not take as it is meant."""

    where: str
    what: str
    remedy: str


Rule = Callable[[Any], Iterator[Problem]]


def check(root: Any, editor: str) -> tuple[Problem, ...]:
    """Everything that `editor` (resolve, premiere or kdenlive) is known to stumble over in `root`.

    Raises:
        UsageError: no rules for such an editor.
    """
    if editor not in RULES:
        raise UsageError(f"no rules for {editor!r}; there are some for {', '.join(RULES)}")
    if root is None:
        what = "holds nothing (null): whatever wrote it has lost the timeline"
        return (Problem("the file", what, "write it again; a hook must never return None"),)
    return tuple(problem for rule in RULES[editor] for problem in rule(root))


def check_text(text: str, editor: str) -> tuple[Problem, ...]:
    """What of an .otio is lost once OpenTimelineIO has read it: how its numbers and schemas are spelt.

    Text that is no JSON has no such problems; whoever reads it will say so.
    """
    if editor != "resolve":
        return ()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    times, young = 0, set()
    known = otio.versioning.fetch_map("OTIO_CORE", "0.18.1")
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        if not isinstance(each, dict):
            continue
        waiting += each.values()
        name, _, number = str(each.get("OTIO_SCHEMA", "")).rpartition(".")
        if name == "RationalTime":
            times += any(type(each.get(key)) is int for key in ("rate", "value"))
        if name in known and number.isdecimal() and int(number) > known[name]:
            young.add(f"{name}.{number}")
    return tuple(_spelt(times, sorted(young)))


def _spelt(times: int, young: list[str]) -> Iterator[Problem]:
    """Resolve wants 1.0 where others write 1, and brings an old OpenTimelineIO of its own."""
    if times:
        what = f"{times} of its times are written without a decimal point"
        yield Problem("the file", what, "let OpenTimelineIO write it again: otiocat does")
    if young:
        what = f"is written in schemas younger than those that Resolve is known to read ({', '.join(young)})"
        yield Problem("the file", what, "write it for OpenTimelineIO 0.18.1 or older")


def file_urls(root: Any) -> Iterator[Problem]:
    """Resolve 20.2 drops every clip of such a timeline, Premiere 27 refuses it."""
    for clip, url in _urls(root):
        if url.lower().startswith("file:"):
            yield Problem(clip, f"its media is written as a file: url ({url})", "write the bare path")


def encoded_urls(root: Any) -> Iterator[Problem]:
    """Resolve 21 refuses the whole import; Kdenlive doesn't decode."""
    for clip, url in _urls(root):
        if url.lower().startswith("file:") and "%" in url:
            yield Problem(
                clip, f"its media url is percent-encoded ({url})", "write the bare path, spaces and all"
            )


def relative_urls(root: Any) -> Iterator[Problem]:
    """Resolve's OTIO import doesn't search for media."""
    for clip, url in _urls(root):
        anchored = url.startswith("/") or (is_windows(url) and url[1:2] in (":", "\\"))
        if not anchored and not remote_scheme(url) and not url.lower().startswith("file:"):
            yield Problem(
                clip, f"its media is named relative to nobody knows what ({url})", "write the whole path"
            )


def ranges_before_media(root: Any) -> Iterator[Problem]:
    """Resolve 21 refuses the whole import: ranges must count from the media's start timecode."""
    for seen in _clips(root):
        source, available = seen.clip.source_range, _available(seen.clip)
        if source is None or available is None or not _finite(source) or not _finite(available):
            continue
        early_s = places.seconds(available.start_time) - places.seconds(source.start_time)
        if early_s > 0.5 / source.start_time.rate:
            what = f"is read from {early_s:.2f} s before its media's first frame"
            yield Problem(_where(seen), what, "count its source range from the media's start timecode")


def fractional_ranges(root: Any) -> Iterator[Problem]:
    """Half of such clips come back from Resolve a frame off; whole frames never do."""
    for seen in _clips(root):
        source = seen.clip.source_range
        if source is None or not _finite(source):
            continue
        numbers = source.start_time.value, source.duration.value
        if any(abs(number - round(number)) > 1e-3 for number in numbers):
            what = f"starts or ends between two frames ({numbers[0]:g}, {numbers[1]:g} long)"
            yield Problem(_where(seen), what, "round to whole frames, or look for cuts that are a frame off")


def missing_media(root: Any) -> Iterator[Problem]:
    """Kdenlive takes clips with a file only; in Resolve these come in offline or as titles."""
    for seen in _clips(root):
        reference = seen.clip.media_reference
        if not isinstance(reference, otio.schema.ExternalReference) or not reference.target_url:
            what = f"names no media file ({type(reference).__name__})"
            yield Problem(_where(seen), what, "link it to a file, or render it to one")


def titles(root: Any) -> Iterator[Problem]:
    """Premiere's import carries no titles and nothing else that an editor drew itself."""
    for seen in _clips(root):
        reference = seen.clip.media_reference
        if isinstance(reference, otio.schema.MissingReference | otio.schema.GeneratorReference):
            what = f"is a title or a drawn picture, or has lost its media ({type(reference).__name__})"
            yield Problem(_where(seen), what, "render it to a file, or set it again in Premiere")


def ramps(root: Any) -> Iterator[Problem]:
    """Premiere carries speeds that stay the same."""
    for seen in _clips(root):
        effects = (each for each in seen.clip.effects if isinstance(each, otio.schema.TimeEffect))
        if any(not isinstance(each, otio.schema.LinearTimeWarp) for each in effects):
            yield Problem(_where(seen), "has a speed that changes", "render it, or set it again in Premiere")


def levels(root: Any) -> Iterator[Problem]:
    """Premiere's import carries no levels of sound."""
    for seen in _clips(root):
        effects = [each for each in seen.clip.effects if not isinstance(each, otio.schema.TimeEffect)]
        if seen.place.kind == "sound" and effects:
            what = f"has levels or effects of sound that don't go along ({len(effects)})"
            yield Problem(_where(seen), what, "set them again in Premiere, or render the sound")


def links(root: Any) -> Iterator[Problem]:
    """Premiere's import doesn't know which picture belongs to which sound."""
    groups = {
        (seen.place.stack, group) for seen in _clips(root) if (group := _noted(seen).get("Link Group ID"))
    }
    if groups:
        what = f"picture and sound of {len(groups)} groups come in unlinked"
        yield Problem("the timeline", what, "select them in Premiere, and Clip > Link")


def volumes(root: Any) -> Iterator[Problem]:
    """Resolve's gain of a clip has bounds."""
    for seen in _clips(root):
        for effect in seen.clip.effects:
            for one in places.plain(effect.metadata.get("Resolve_OTIO")).get("Parameters") or ():
                gain_db = places.plain(one).get("Parameter Value")
                if places.plain(one).get("Parameter ID") != "volume" or not isinstance(gain_db, int | float):
                    continue
                if not VOLUME_DB[0] <= gain_db <= VOLUME_DB[1]:
                    what = f"has a gain of {gain_db:g} dB"
                    yield Problem(_where(seen), what, "keep it between -100 and 30 dB")


def channels_missing(root: Any) -> Iterator[Problem]:
    """Resolve takes no sound from the many streams of an MXF unless it is told which."""
    for seen in _clips(root):
        url = places.url_of(seen.clip.media_reference)
        if seen.place.kind == "sound" and _suffix(url) == ".mxf" and not _noted(seen).get("Channels"):
            what = "is sound of an MXF, and doesn't say of which channels"
            yield Problem(_where(seen), what, "give it metadata.Resolve_OTIO.Channels, or sound in a WAV")


def wide_clips(root: Any) -> Iterator[Problem]:
    """A stereo clip turns a mono track of Resolve to stereo."""
    for seen in _clips(root):
        track = seen.clip.parent()
        if not isinstance(track, otio.schema.Track):
            continue
        kind = places.plain(track.metadata.get("Resolve_OTIO")).get("Audio Type")
        if kind == "Mono" and len(_noted(seen).get("Channels") or ()) > 1:
            what = "has several channels on a mono track, which they will make a stereo one"
            yield Problem(_where(seen), what, "put it on a stereo track, or choose one channel")


def clip_colours(root: Any) -> Iterator[Problem]:
    """Resolve drops the colours of clips; those of markers it keeps."""
    for seen in _clips(root):
        if getattr(seen.clip, "color", None) is not None:
            yield Problem(
                _where(seen), "has a colour, which is dropped", "mark it instead, or colour it again"
            )


def foreign_metadata(root: Any) -> Iterator[Problem]:
    """Resolve discards what others noted, wherever it stands; what we need to know again is in words too."""
    known = {"Resolve_OTIO", traces.NAMESPACE}
    if keys := sorted({key for each in traces.everything(root) for key in each.metadata} - known):
        what = f"holds notes of other programs that don't come back ({', '.join(keys)})"
        yield Problem("the timeline", what, "keep this file if anything needs them later")


def blobs(root: Any) -> Iterator[Problem]:
    """Premiere 27 refuses what comes from Final Cut's XML with all that the XML said in its metadata."""
    count = sum("fcp_xml" in each.metadata for each in traces.everything(root))
    if count:
        remedy = "take it out: otiotool --remove-metadata-key fcp_xml"
        yield Problem("the timeline", f"carries metadata of an XML in {count} places", remedy)


def idle_warps(root: Any) -> Iterator[Problem]:
    """Premiere drops a clip's motion effects for a speed change that changes nothing."""
    for seen in _clips(root):
        if any(abs(scalar - 1) < 1e-9 for scalar in _speeds(seen.clip)):
            yield Problem(_where(seen), "has a speed change of 100 %", "take the effect away")


def fast_warps(root: Any) -> Iterator[Problem]:
    """Resolve 19 lands 1 to 9 frames off at the end of sped-up clips, and wrongly in reverse."""
    for seen in _clips(root):
        for scalar in _speeds(seen.clip):
            if scalar > 1 + 1e-9 or scalar < 0:
                what = f"runs at {scalar * 100:g} %, which some versions land frames off"
                yield Problem(_where(seen), what, "look at its last frame after the import")


def dropped_effects(root: Any) -> Iterator[Problem]:
    """Kdenlive's import passes effects and speed changes over."""
    for seen in _clips(root):
        if names := sorted({type(effect).__name__ for effect in seen.clip.effects}):
            what = f"has effects that are not read ({', '.join(names)})"
            yield Problem(_where(seen), what, "render it, or set them again in Kdenlive")


def short_stills(root: Any) -> Iterator[Problem]:
    """Premiere wants a still's available range to cover what is used of it; Resolve writes one frame."""
    for seen in _clips(root):
        source, available = seen.clip.source_range, _available(seen.clip)
        if source is None or available is None or not _finite(source) or not _finite(available):
            continue
        length, used = places.seconds(available.duration), places.seconds(source.duration)
        one_file = isinstance(seen.clip.media_reference, otio.schema.ExternalReference)
        picture = one_file and _suffix(places.url_of(seen.clip.media_reference)) in STILLS
        still = picture or available.duration.value <= 1
        if still and length + 1e-6 < used:
            what = f"is a still of {available.duration.value:g} frames used for {source.duration.value:g}"
            yield Problem(_where(seen), what, "give the still an available range as long as its use")


def notes_missing(root: Any) -> Iterator[Problem]:
    """Resolve takes a marker's note from its own metadata only."""
    for where, marker in _markers(root):
        note = places.plain(marker.metadata.get("Resolve_OTIO")).get("Note")
        if marker.comment and not note:
            remedy = "put it into metadata.Resolve_OTIO.Note as well"
            yield Problem(where, "its text is in the comment, where Resolve doesn't look", remedy)


def names_missing(root: Any) -> Iterator[Problem]:
    """Premiere shows the name of a sequence's marker, and no comment."""
    for where, marker in _markers(root):
        if not marker.name and _texts(marker):
            yield Problem(
                where, "its text is not in its name, all that Premiere shows", "name it in a few words"
            )


def comments_missing(root: Any) -> Iterator[Problem]:
    """Kdenlive takes a marker's text from the comment."""
    for where, marker in _markers(root):
        if not marker.comment and _texts(marker):
            yield Problem(
                where, "its text is not in its comment, all that Kdenlive reads", "put it there as well"
            )


def empty_markers(root: Any) -> Iterator[Problem]:
    """A marker of no length is no marker in Resolve."""
    for where, marker in _markers(root):
        if marker.marked_range.duration.value < 1:
            yield Problem(where, "is shorter than a frame", "make it one frame long")


def stray_markers(root: Any) -> Iterator[Problem]:
    """Timelines and clips have markers in editors, tracks and gaps don't."""
    for item, marker in _marked(root):
        if isinstance(item, otio.schema.Track | otio.schema.Gap):
            what = "stands where only timelines and clips are looked at"
            yield Problem(_marker(item, marker), what, "put it on the timeline, or on a clip")


def shifted_markers(root: Any) -> Iterator[Problem]:
    """Kdenlive counts the start of a clip twice: its markers lie that much later."""
    for item, marker in _marked(root):
        source = item.source_range if isinstance(item, otio.schema.Clip) else None
        if source is None or not _finite(source):
            continue
        late_s = places.seconds(source.start_time)
        if late_s > 0.5 / source.start_time.rate:
            what = f"stands on a clip that begins at {late_s:g} s of its media, and lands that much late"
            yield Problem(
                _marker(item, marker), what, "put it on the timeline: captions do, without --on clip"
            )


def foreign_rates(root: Any) -> Iterator[Problem]:
    """Kdenlive takes the frames of the timeline's markers as they are, whatever their rate."""
    for timeline in traces.everything(root):
        rate = _rate(timeline) if isinstance(timeline, otio.schema.Timeline) else None
        if rate is None:
            continue
        for marker in timeline.tracks.markers:
            own = marker.marked_range.start_time.rate
            if abs(own - rate) > 0.01 and marker.marked_range.start_time.value:
                what = f"counts at {own:g} frames a second on a timeline of {rate:g}"
                yield Problem(_marker(timeline.tracks, marker), what, "count it at the timeline's rate")


def foreign_colours(root: Any) -> Iterator[Problem]:
    """Resolve maps more than OpenTimelineIO's colours; the others show some default for them."""
    names = otio.schema.MarkerColor
    known = {getattr(names, each) for each in dir(names) if each.isupper()}
    for where, marker in _markers(root):
        colour = marker.color
        if isinstance(colour, str) and colour and colour not in known:
            yield Problem(
                where, f"its colour {colour!r} isn't one of OpenTimelineIO's", "take the nearest of those"
            )


def track_kinds(root: Any) -> Iterator[Problem]:
    """Kinds are compared by the letter: tracks of any other spelling are passed over."""
    for track in _tracks(root):
        if track.kind not in (otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio):
            yield Problem(_named(track), f"is a track of kind {track.kind!r}", "write 'Video' or 'Audio'")


def disabled_tracks(root: Any) -> Iterator[Problem]:
    """Premiere 27 refuses a timeline that has one."""
    for track in _tracks(root):
        if not track.enabled:
            yield Problem(_named(track), "is a disabled track", "take it out, or disable its clips instead")


def nests(root: Any) -> Iterator[Problem]:
    """Kdenlive's import takes clips, and no compound clips."""
    for track in _tracks(root):
        for child in track:
            if isinstance(child, otio.core.Composition):
                yield Problem(
                    f"{_named(track)}: {_named(child)}",
                    "is a compound clip, which is passed over",
                    "render it, or lay its clips out on tracks",
                )


def hidden_things(root: Any) -> Iterator[Problem]:
    """Kdenlive's import doesn't read whether anything is switched off."""
    for item in traces.everything(root):
        if isinstance(item, otio.core.Item) and not item.enabled:
            yield Problem(_named(item), "is switched off, and will be seen and heard", "take it out")


def other_roots(root: Any) -> Iterator[Problem]:
    """Kdenlive opens timelines, and says nothing of anything else."""
    if not isinstance(root, otio.schema.Timeline):
        what = f"holds no timeline, but {type(root).__name__}"
        yield Problem("the file", what, "put it into a timeline")


def names_like_urls(root: Any) -> Iterator[Problem]:
    """Kdenlive reads every path as a url: a name ends for it at # or ?."""
    for clip, url in _urls(root):
        if not url.lower().startswith("file:") and not remote_scheme(url) and ("#" in url or "?" in url):
            yield Problem(clip, f"its media's name has a # or a ? in it ({url})", "rename the file")


def unnamed_stacks(root: Any) -> Iterator[Problem]:
    """Premiere names a sequence after the stack of tracks, not after the timeline."""
    for timeline in traces.everything(root):
        if isinstance(timeline, otio.schema.Timeline) and timeline.name and not timeline.tracks.name:
            what = "Premiere names the sequence after the stack of tracks, which has no name"
            yield Problem(repr(timeline.name), what, "name the stack too")


def broken_numbers(root: Any) -> Iterator[Problem]:
    """NaN makes invalid JSON, a rate of 0 has no seconds; readers give up on the whole file."""
    for item in traces.everything(root):
        for time_range in _ranges(item):
            if not _finite(time_range):
                zero = 0 in (time_range.start_time.rate, time_range.duration.rate)
                what = "has a rate of 0" if zero else "has a time that is no number"
                yield Problem(_named(item), what, "give it a range again")
        if _has_nan(item.metadata):
            yield Problem(_named(item), "has a number that is none in its metadata", "take it out")


def other_takes(root: Any) -> Iterator[Problem]:
    """Of a clip's media, what plays is shown; no editor is known to show the takes beside it."""
    for seen in _clips(root):
        if (takes := len(seen.clip.media_references())) > 1:
            what = f"has {takes} takes, of which only the one that plays is known to be read"
            yield Problem(_where(seen), what, "choose before the import: the other files stand beside it")


_EVERYWHERE: tuple[Rule, ...] = (broken_numbers, track_kinds, other_takes, stray_markers)

RULES: Mapping[str, tuple[Rule, ...]] = {
    "resolve": (
        *_EVERYWHERE,
        file_urls,
        encoded_urls,
        relative_urls,
        ranges_before_media,
        fractional_ranges,
        fast_warps,
        channels_missing,
        wide_clips,
        volumes,
        clip_colours,
        foreign_metadata,
        notes_missing,
        empty_markers,
    ),
    "premiere": (
        *_EVERYWHERE,
        file_urls,
        blobs,
        titles,
        short_stills,
        idle_warps,
        ramps,
        links,
        levels,
        disabled_tracks,
        names_missing,
        unnamed_stacks,
        foreign_colours,
    ),
    "kdenlive": (
        *_EVERYWHERE,
        other_roots,
        encoded_urls,
        names_like_urls,
        missing_media,
        nests,
        hidden_things,
        dropped_effects,
        comments_missing,
        shifted_markers,
        foreign_rates,
        foreign_colours,
    ),
}


def _clips(root: Any) -> Iterator[Seen]:
    yield from places.walk(root)


def _where(seen: Seen) -> str:
    return f"{seen.address.track}: {seen.address.clip}" if seen.address.track else seen.address.clip


def _urls(root: Any) -> Iterator[tuple[str, str]]:
    for seen in _clips(root):
        if url := places.url_of(seen.clip.media_reference):
            yield _where(seen), url


def _available(clip: otio.schema.Clip) -> otio.opentime.TimeRange | None:
    return clip.media_reference.available_range if clip.media_reference else None


def _speeds(clip: otio.schema.Clip) -> list[float]:
    warps = (each for each in clip.effects if isinstance(each, otio.schema.LinearTimeWarp))
    return [warp.time_scalar for warp in warps if not isinstance(warp, otio.schema.FreezeFrame)]


def _noted(seen: Seen) -> dict[str, Any]:
    """What Resolve noted of a clip."""
    return places.plain(seen.clip.metadata.get("Resolve_OTIO"))


def _suffix(url: str) -> str:
    return PureWindowsPath(path_from_url(url)).suffix.lower() if url else ""


def _rate(timeline: otio.schema.Timeline) -> float | None:
    """Frames a second of the timeline, as its first clip or gap with a range counts."""
    for item in traces.everything(timeline.tracks):
        source = item.source_range if isinstance(item, otio.core.Item) else None
        if source is not None and _finite(source):
            return float(source.duration.rate)
    return None


def _marked(root: Any) -> Iterator[tuple[otio.core.Item, otio.schema.Marker]]:
    for item in traces.everything(root):
        if isinstance(item, otio.core.Item):
            for marker in item.markers:
                yield item, marker


def _marker(item: otio.core.Item, marker: otio.schema.Marker) -> str:
    return f"marker {marker.name!r} on {_named(item)}"


def _markers(root: Any) -> Iterator[tuple[str, otio.schema.Marker]]:
    yield from ((_marker(item, marker), marker) for item, marker in _marked(root))


def _texts(marker: otio.schema.Marker) -> bool:
    """It says anything anywhere."""
    note = places.plain(marker.metadata.get("Resolve_OTIO")).get("Note")
    return bool(marker.name or marker.comment or note)


def _tracks(root: Any) -> Iterator[otio.schema.Track]:
    return (each for each in traces.everything(root) if isinstance(each, otio.schema.Track))


def _named(item: Any) -> str:
    return repr(item.name) if item.name else f"a {type(item).__name__.lower()} without a name"


def _ranges(item: Any) -> list[otio.opentime.TimeRange]:
    found = [getattr(item, name, None) for name in ("source_range", "available_range", "marked_range")]
    return [each for each in found if isinstance(each, otio.opentime.TimeRange)]


def _finite(time_range: otio.opentime.TimeRange) -> bool:
    return math.isfinite(places.seconds(time_range.start_time) + places.seconds(time_range.duration))


def _has_nan(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if hasattr(value, "values"):
        return any(_has_nan(each) for each in value.values())
    return not isinstance(value, str) and hasattr(value, "__iter__") and any(_has_nan(each) for each in value)
