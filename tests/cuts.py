"""Timelines and findings that tests make themselves: small cuts whose every number is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from otio_avassist import places
from otio_avassist.findings import CaptionFinding, FoleyFinding, SyncFinding, Take
from otio_avassist.spans import MediaSpan, Shot


def time_range(start: float, duration: float, rate: float = 25) -> TimeRange:
    return TimeRange(RationalTime(start, rate), RationalTime(duration, rate))


def clip(
    name: str, start: float = 100, duration: float = 100, rate: float = 25, *, available: Any = (0, 1000)
) -> otio.schema.Clip:
    """A cut of a file of 1000 frames, or of one whose length nobody knows (`available=None`)."""
    known = None if available is None else time_range(*available, rate)
    media = otio.schema.ExternalReference(f"/media/{name}", known)
    return otio.schema.Clip(name, media, time_range(start, duration, rate))


def gap(duration: float, rate: float = 25) -> otio.schema.Gap:
    return otio.schema.Gap(source_range=time_range(0, duration, rate))


def dissolve(frames: float = 5, rate: float = 25) -> otio.schema.Transition:
    half = RationalTime(frames, rate)
    return otio.schema.Transition("dissolve", "SMPTE_Dissolve", half, half)


def track(kind: str, *children: otio.core.Composable) -> otio.schema.Track:
    return otio.schema.Track(f"{kind} 1", list(children), kind=kind)


def timeline(*tracks: otio.schema.Track, rate: float = 25) -> otio.schema.Timeline:
    cut = otio.schema.Timeline("cut", global_start_time=RationalTime(3600 * round(rate), rate))
    cut.tracks.name = "cut"
    cut.tracks.extend(tracks)
    return cut


def simple(**sound: Any) -> otio.schema.Timeline:
    """Two pictures and, under each, its recorder's file; `sound` says how the first one is cut."""
    return timeline(
        track("Video", clip("a.mov"), clip("b.mov")),
        track("Audio", clip("a.wav", **sound), clip("b.wav")),
    )


def address(root: otio.core.SerializableObject, *path: int) -> places.Address:
    return next(each.address for each in places.walk(root) if each.address.path == path)


def span(root: otio.core.SerializableObject, *path: int, **changes: Any) -> MediaSpan:
    """What reading the spans of `root` would tell of the clip at `path`, were its media there."""
    seen = next(each for each in places.walk(root) if each.address.path == path)
    source, available = seen.clip.source_range, seen.clip.media_reference.available_range
    zero_s = places.seconds(available.start_time) if available else 0.0
    facts = {
        "address": seen.address,
        "kind": seen.place.kind or "sound",
        "url": seen.clip.media_reference.target_url,
        "path": Path(seen.clip.media_reference.target_url),
        "start_s": places.seconds(source.start_time) - zero_s,
        "duration_s": places.seconds(source.duration),
        "record_start_s": seen.place.at_s,
        "rate": float(places.exact_rate(source.start_time.rate)),
        "media_end_s": places.seconds(available.duration) if available else None,
        "near_transition": seen.place.near_transition,
    }
    return MediaSpan(**{**facts, **changes})


def finding(
    root: otio.core.SerializableObject,
    early_s: float | None,
    picture: tuple[int, ...] = (0, 0),
    sound: tuple[int, ...] = (1, 0),
    **facts: Any,
) -> SyncFinding:
    """A finding about two clips of `root` that is sure unless `facts` say otherwise."""
    paired_by = "own sound" if picture == sound else "link group"
    shot = Shot(span(root, *picture), span(root, *sound), paired_by)
    return SyncFinding(shot, early_s, **{"confidence": 0.97, "method": "sound-to-sound", **facts})


def caption(
    root: otio.core.SerializableObject,
    start_s: float = 1.0,
    end_s: float = 2.0,
    text: str = "A dog barks twice.",
    picture: tuple[int, ...] = (0, 0),
    sound: tuple[int, ...] | None = None,
    **facts: Any,
) -> CaptionFinding:
    """Something that happens in a clip of `root`, between two moments of the timeline."""
    shot = Shot(
        span(root, *picture),
        span(root, *sound) if sound else None,
        "link group" if sound else "alone",
    )
    lead = shot.lead
    media_start_s = lead.start_s + start_s - lead.record_start_s
    rest = {"name": "dog barks", "level": "event", "carried_by": "heard", "confidence": 0.6, **facts}
    return CaptionFinding(shot, start_s, end_s, media_start_s, text, **rest)


def take(number: int = 1, duration_s: float = 1.0, folder: str = "/project/cut.foley", **facts: Any) -> Take:
    """One of several takes of rain."""
    path = Path(folder, f"foley_rain_{number:012x}.wav")
    rest = {"seed": number, "source": "generated", "relevance": 0.9, "loudness_lufs": -23.0, **facts}
    return Take(path, duration_s=duration_s, true_peak_dbtp=-3.0, **rest)


def foley(
    root: otio.core.SerializableObject,
    start_s: float = 1.0,
    end_s: float = 2.0,
    picture: tuple[int, ...] = (0, 0),
    takes: int = 2,
    **facts: Any,
) -> FoleyFinding:
    """Rain for a stretch of a clip of `root`, in takes as long as it is."""
    lead = span(root, *picture)
    made = tuple(take(number, end_s - start_s + 1e-9) for number in range(1, takes + 1))
    rest = {"sound": "rain", "made_by": "generated", "takes": made, "confidence": 0.8, **facts}
    media_start_s = lead.start_s + start_s - lead.record_start_s
    return FoleyFinding(Shot(lead, None, "alone"), start_s, end_s, media_start_s, **rest)


def without_markers(value: Any) -> Any:
    """A timeline's JSON as plain values, with every list of markers emptied."""
    if isinstance(value, dict):
        return {key: [] if key == "markers" else without_markers(each) for key, each in value.items()}
    return [without_markers(each) for each in value] if isinstance(value, list) else value


def record_positions(root: otio.core.SerializableObject) -> dict[str, tuple[float, float]]:
    """Where each clip that isn't on a track of ours stands: name -> (start, end) in seconds."""
    return {
        each.clip.name: (each.place.at_s, each.place.at_s + (each.duration_s or 0.0))
        for each in places.walk(root)
        if not each.address.track.startswith("avassist")
    }


def sounding_at(root: otio.core.SerializableObject, name: str, at_s: float) -> float | None:
    """Which source second of clip `name` is played at a moment of the timeline; None: it isn't there."""
    for each in places.walk(root):
        if each.clip.name != name or each.clip.source_range is None:
            continue
        into_s = at_s - each.place.at_s
        if 0 <= into_s < places.seconds(each.clip.source_range.duration):
            return places.seconds(each.clip.source_range.start_time) + into_s
    return None
