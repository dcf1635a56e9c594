"""Timelines such as no person would cut, drawn by hypothesis, and what might be found in them.

Every item has a name of its own (a picture, a sound, a gap, a dissolve), so that it is known again after an
edit. Media isn't there: `probe` tells the length of a file from its name. Lengths and starts are in frames of
the timeline's rate, as editors spell it, and some clips count in another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import opentimelineio as otio
from hypothesis import strategies as st
from opentimelineio.opentime import RationalTime, TimeRange

from otio_avassist import edits, spans
from otio_avassist.findings import CaptionFinding, Finding, FoleyFinding, Jump, SyncFinding
from otio_avassist.media import MediaInfo, SoundStream
from otio_avassist.urls import Found
from tests.cuts import take, time_range

RATES = (12.5, 23.976, 23.98, 24000 / 1001, 24, 25, 29.97, 30000 / 1001, 30, 48, 50, 59.94, 60, 120)
"""As editors spell them."""
SPEEDS = (0.5, 2.0, -1.0, 1.001)
EARLY_S = (0.0, 0.004, 0.02, 0.04, 0.4, 0.4004, 1.0, 3.2, -0.02, -0.04, -0.36, -1.7)
BOTH = ("drift", "jumps")
TASKS = ("sync", "captions", "foley")


class Everywhere(spans.Locator):
    """Finds every file."""

    def locate(self, url: str) -> Found:
        return Found(Path(url))


def probe(path: Path, **sequence: Any) -> MediaInfo:
    """What a look at a file of `_media` would tell: NAME_FRAMES_RATE.mov has pictures, and all have sound."""
    _, frames, rate = path.stem.split("_")
    exact = spans.exact_rate(float(rate))
    fps = exact if path.suffix == ".mov" else None
    stream = SoundStream(0, 48000, 2, 0.0, None)
    return MediaInfo(path, float(int(frames) / exact), fps, 64, 36, False, (stream,), None, None)


def read_spans(root: otio.core.SerializableObject) -> spans.Spans:
    """As the road reads them, with all media in its place."""
    return spans.read_spans(root, Everywhere(), probe)


# Timelines


@dataclass
class Names:
    """Numbers given out in one drawing, so that no two items have the same name."""

    given: int = 0
    links: int = 0

    def new(self, what: str) -> str:
        self.given += 1
        return f"{what} {self.given}"


def _media(draw: st.DrawFn, name: str, suffix: str, rate: float, first: int) -> otio.schema.ExternalReference:
    """A file of 30 to 900 frames whose first frame is called `first`; some references don't say so."""
    frames = draw(st.integers(30, 900))
    path = f"/media/{name.replace(' ', '-')}_{frames}_{rate!r}{suffix}"
    known = TimeRange(RationalTime(first, rate), RationalTime(frames, rate))
    return otio.schema.ExternalReference(path, known if first or draw(st.booleans()) else None)


def _clip(
    draw: st.DrawFn, names: Names, suffix: str, rate: float, length: int, *, media: Any = None
) -> otio.schema.Clip:
    """A cut of a new file, or of one that is there, as long as asked; some run at another speed."""
    name = names.new("picture" if suffix == ".mov" else "sound")
    first = draw(st.sampled_from([0, 0, 90_000])) if media is None else 0
    media = media or _media(draw, name, suffix, rate, first)
    start = media.available_range.start_time.value if media.available_range else 0
    start += draw(st.integers(0, 60)) + draw(st.sampled_from([0, 0, 0.625, 0.1]))
    clip = otio.schema.Clip(name, media.deepcopy(), time_range(start, length, rate))
    if draw(st.integers(0, 7)) == 0:
        warp = draw(
            st.sampled_from(
                [
                    otio.schema.FreezeFrame(),
                    *(otio.schema.LinearTimeWarp(time_scalar=each) for each in SPEEDS),
                ]
            )
        )
        clip.effects.append(warp)
    clip.metadata["studio"] = {"shot": name, "weight": 0.1}
    return clip


def _gap(names: Names, rate: float, length: float) -> otio.schema.Gap:
    gap = otio.schema.Gap(source_range=time_range(0, length, rate))
    gap.name = names.new("gap")
    return gap


def _compound(draw: st.DrawFn, names: Names, rate: float, length: int, depth: int) -> otio.schema.Stack:
    """Pictures over sounds in one item, of which a part is shown."""
    inner = otio.schema.Stack(names.new("compound"))
    hidden = draw(st.integers(0, 20))
    for kind, children in zip(
        ("Video", "Audio"), _rows(draw, names, rate, [hidden + length], depth - 1), strict=True
    ):
        inner.append(otio.schema.Track(names.new("inner"), children, kind=kind))
    inner.source_range = time_range(hidden, length, rate)
    return inner


def _rows(
    draw: st.DrawFn, names: Names, rate: float, lengths: Sequence[int], depth: int
) -> tuple[list[Any], list[Any]]:
    """Pictures and the sounds below them, each of these lengths: linked, of the same file, or strangers."""
    pictures: list[Any] = []
    sounds: list[Any] = []
    for length in lengths:
        what = draw(st.sampled_from(["shot", "shot", "shot", "own sound", "gap", "compound", "audio first"]))
        if what == "compound" and depth > 0:
            pictures.append(_compound(draw, names, rate, length, depth))
            sounds.append(_gap(names, rate, length))
            continue
        if what == "gap":
            pictures.append(_gap(names, rate, length))
            sounds += _sound(draw, names, rate, length, None)
            continue
        picture = _clip(draw, names, ".mov", rate, length)
        pictures.append(picture)
        if what == "own sound":
            sounds.append(_gap(names, rate, length))
        else:
            sounds += _sound(draw, names, rate, length, picture)
    return pictures, sounds


def _sound(
    draw: st.DrawFn, names: Names, rate: float, length: int, picture: otio.schema.Clip | None
) -> list[Any]:
    """What lies under one picture: a sound as long as it, or a shorter one with silence around it."""
    head = draw(st.sampled_from([0, 0, 0, 1, 5, 0.5]))
    tail = draw(st.sampled_from([0, 0, 0, 1, 7]))
    if head + tail > length - 2:
        head = tail = 0
    same = picture is not None and draw(st.booleans())
    media = picture.media_reference if picture is not None and same else None
    sound = _clip(draw, names, ".wav", rate, length - head - tail, media=media)
    if picture is not None and not same and draw(st.booleans()):
        names.links += 1
        for each in (picture, sound):
            each.metadata["Resolve_OTIO"] = {"Link Group ID": names.links}
    row = [_gap(names, rate, head), sound, _gap(names, rate, tail)]
    return [each for each in row if isinstance(each, otio.schema.Clip) or each.duration().value > 0]


def _with_dissolves(draw: st.DrawFn, names: Names, row: list[Any], rate: float) -> list[Any]:
    """Some cuts between two clips become dissolves."""
    items = row[:1]
    for before, after in pairwise(row):
        clips = isinstance(before, otio.schema.Clip) and isinstance(after, otio.schema.Clip)
        if clips and draw(st.integers(0, 4)) == 0:
            half = RationalTime(draw(st.integers(1, 5)), rate)
            items.append(otio.schema.Transition(names.new("dissolve"), "SMPTE_Dissolve", half, half))
        items.append(after)
    return items


def _lengths() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(4, 120), min_size=1, max_size=3)


@st.composite
def timelines(draw: st.DrawFn, *, depth: int = 2, names: Names | None = None) -> otio.schema.Timeline:
    """One or two pairs of tracks, of one rate or of two, from any hour on; others' markers stand on it."""
    names = names or Names()
    rate = draw(st.sampled_from(RATES))
    cut = otio.schema.Timeline(names.new("cut"))
    cut.tracks.name = "tracks"
    starts = st.sampled_from([None, 0, 1, 3600 * round(rate), 86_399 * round(rate)])
    if (start := draw(starts)) is not None:
        cut.global_start_time = RationalTime(start, rate)
    for number in range(draw(st.integers(1, 2))):
        row_rate = draw(st.sampled_from([rate, rate, *RATES]))
        rows = _rows(draw, names, row_rate, draw(_lengths()), depth)
        for kind, row in zip(("Video", "Audio"), rows, strict=True):
            items = _with_dissolves(draw, names, row, row_rate)
            cut.tracks.append(otio.schema.Track(f"{kind} {number + 1}", items, kind=kind))
    theirs = otio.schema.Marker(names.new("marker"), time_range(3, 1, rate), comment="of somebody else")
    theirs.metadata["studio"] = {"by": "Ada"}
    cut.tracks.markers.append(theirs)
    return cut


@st.composite
def roots(draw: st.DrawFn) -> otio.core.SerializableObject:
    """A timeline, its bare stack, or a collection of two timelines."""
    names = Names()
    what = draw(st.sampled_from(["timeline", "timeline", "stack", "collection"]))
    first = draw(timelines(names=names))
    if what == "stack":
        return first.tracks.deepcopy()
    if what == "collection":
        return otio.schema.SerializableCollection("bin", [first, draw(timelines(depth=1, names=names))])
    return first


@st.composite
def plain_timelines(
    draw: st.DrawFn,
    folder: Path,
    rates: Sequence[float],
    *,
    kinds: Sequence[str],
    compounds: bool,
    dissolves: bool,
) -> otio.schema.Timeline:
    """What every format can say: one rate, whole frames, known media (empty files in `folder`), no speeds."""
    rate, names = draw(st.sampled_from(rates)), Names()
    cut = otio.schema.Timeline("cut", global_start_time=RationalTime(3600 * round(rate), rate))
    first = draw(st.sampled_from([0, 36_000]))

    def shot(kind: str) -> otio.schema.Clip:
        name = names.new(kind.lower())
        path = folder / f"{name.replace(' ', '')}.{'mov' if kind == 'Video' else 'wav'}"
        path.touch()
        media = otio.schema.ExternalReference(str(path), time_range(first, 600, rate))
        start = first + draw(st.integers(10, 300))
        return otio.schema.Clip(path.name, media, time_range(start, draw(st.integers(12, 120)), rate))

    def row(kind: str, depth: int) -> list[Any]:
        items: list[Any] = []
        for _ in range(draw(st.integers(1, 4))):
            what = draw(st.sampled_from(["clip", "clip", "gap", "compound"]))
            if what == "gap":
                items.append(_gap(names, rate, draw(st.integers(1, 50))))
            elif what == "compound" and compounds and depth:
                inner = otio.schema.Track(names.new("t"), row(kind, 0), kind=kind)
                inner.source_range = time_range(0, inner.duration().value, rate)
                items.append(
                    otio.schema.Stack(names.new("compound"), [inner], source_range=inner.source_range)
                )
            else:
                items.append(shot(kind))
        items.append(shot(kind))
        return _with_dissolves(draw, names, items, rate) if dissolves else items

    for kind in kinds:
        cut.tracks.append(otio.schema.Track(names.new(kind), row(kind, 1), kind=kind))
    return cut


# What might be found


@dataclass(frozen=True)
class Step:
    """One task of a run: the timeline it looked at, what it found and what that leads to."""

    task: str
    before: otio.core.SerializableObject = field(repr=False)
    after: otio.core.SerializableObject = field(repr=False)
    findings: tuple[Finding, ...] = field(repr=False)
    outcomes: tuple[edits.Outcome, ...] = field(repr=False)
    looked: spans.Spans = field(repr=False)

    @property
    def changes(self) -> list[edits.Edit]:
        return [edit for outcome in self.outcomes for edit in outcome.edits]


@st.composite
def runs(draw: st.DrawFn, root: otio.core.SerializableObject, tasks: Sequence[str] = TASKS) -> list[Step]:
    """Task after task on a timeline, each on what the one before has left, as the pipeline does it."""
    steps = []
    for task in tasks:
        looked = read_spans(root)
        on = draw(st.sampled_from(["timeline", "clip"]))
        findings = [draw(_FINDINGS[task](shot)) for shot in looked.shots]
        if task == "foley" and isinstance(root, otio.schema.SerializableCollection):
            assert all(edits.holds_tracks(root, path) for path in looked.clips)
        outcomes = [
            edits.edit_for(
                each,
                decision=draw(st.sampled_from([None, "accepted", "accepted", "rejected"])),
                detach=True,
                fix=draw(st.sampled_from([(), ("drift",), ("jumps",), BOTH, BOTH, BOTH])),
                on=on,
                provenance={"version": "1"},
            )
            for each in findings
        ]
        changes = [edit for outcome in outcomes for edit in outcome.edits]
        after = edits.apply(root, changes, tasks=(task,))
        steps.append(Step(task, root, after, tuple(findings), tuple(outcomes), looked))
        root = after
    return steps


@st.composite
def _sync(draw: st.DrawFn, shot: spans.Shot) -> SyncFinding:
    early_s = draw(st.sampled_from(EARLY_S) | st.floats(-1, 1, allow_nan=False))
    length_s = shot.lead.duration_s
    at = draw(st.lists(st.floats(0, 1.2), max_size=2, unique=True))
    jumps = [Jump(share * length_s, draw(st.sampled_from(EARLY_S))) for share in sorted(at)]
    return SyncFinding(
        shot,
        early_s if shot.sound is not None and shot.picture is not None else None,
        draw(st.sampled_from([0.97, 0.97, 0.3])),
        "sound-to-sound",
        drift_ppm=draw(st.sampled_from([None, None, 100.0, -2000.0, 20_000.0])),
        jumps=tuple(jumps) if draw(st.booleans()) else (),
    )


@st.composite
def _stretch(draw: st.DrawFn, shot: spans.Shot) -> tuple[float, float, float]:
    """(start, end) on the timeline within a shot, and where it starts in its media."""
    lead = shot.lead
    one, other = sorted(draw(st.tuples(st.floats(0, 0.95), st.floats(0.05, 1))))
    start_s = one * lead.duration_s
    end_s = max(other, one + 0.01) * lead.duration_s
    return lead.record_start_s + start_s, lead.record_start_s + end_s, lead.start_s + start_s


@st.composite
def _captions(draw: st.DrawFn, shot: spans.Shot) -> CaptionFinding:
    return CaptionFinding(
        shot, *draw(_stretch(shot)), "A dog barks twice.", "dog barks", "event", "heard", 0.6
    )


@st.composite
def _foley(draw: st.DrawFn, shot: spans.Shot) -> FoleyFinding:
    start_s, end_s, media_start_s = draw(_stretch(shot))
    takes = tuple(take(number, end_s - start_s) for number in range(1, draw(st.integers(1, 2)) + 1))
    return FoleyFinding(shot, start_s, end_s, media_start_s, "rain", "generated", takes, 0.8)


_FINDINGS: dict[str, Any] = {"sync": _sync, "captions": _captions, "foley": _foley}


# What stands where, counted in fractions by what the tracks hold: no code of the road is asked


@dataclass(frozen=True)
class Stands:
    """An item and where it stands on its own track: exact seconds from that track's first frame."""

    item: otio.core.Item
    start_s: Fraction
    end_s: Fraction


def exact_s(time: RationalTime) -> Fraction:
    """True seconds, but for what a float can't say: 0.1 frames are the nearest float to it."""
    return Fraction(time.value) / spans.exact_rate(time.rate)


def tracks(root: otio.core.SerializableObject) -> list[otio.schema.Track]:
    """All of them, those of compounds too."""
    if isinstance(root, otio.schema.SerializableCollection):
        return [track for each in root for track in tracks(each)]
    found = root.tracks if isinstance(root, otio.schema.Timeline) else root
    below = [track for child in found if isinstance(child, otio.core.Composition) for track in tracks(child)]
    return below + ([found] if isinstance(found, otio.schema.Track) else [])


def standing(track: otio.schema.Track) -> list[Stands]:
    """The items of a track one after the other; dissolves take nothing of it."""
    stands, at_s = [], Fraction(0)
    for item in track:
        if isinstance(item, otio.schema.Transition):
            continue
        end_s = at_s + exact_s(item.source_range.duration)
        stands.append(Stands(item, at_s, end_s))
        at_s = end_s
    return stands
