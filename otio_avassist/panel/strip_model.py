"""A timeline as a strip of lanes: tracks from top to bottom, clips and marks in seconds.

Knows no widget and no pixels. Pictures stand above, the topmost track first, and sounds below, as editors
draw them. A compound clip is one block on the track that it stands on, whatever it holds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import opentimelineio as otio

from otio_avassist import places, traces
from otio_avassist.panel.entries import Entry

Path = tuple[int, ...]
"""As `places.Address.path`."""
LEVELS = 3
"""So many marks have room over one another; any more share the topmost level."""


@dataclass(frozen=True)
class Block:
    """A clip, or a compound clip."""

    start_s: float
    end_s: float
    name: str
    missing: str
    """Why it can't be looked at; empty where it can."""
    ours: bool
    """A sound that was laid by an earlier run."""
    off: bool = False
    """Nobody sees or hears it: it is disabled, or what it stands in is."""


class Row:
    """Stretches of time, to be asked which of them can be told apart between two moments."""

    def __init__(self, stretches: Sequence[Block] | Sequence[Mark]) -> None:
        """In the order of their starts."""
        self.starts = np.array([each.start_s for each in stretches])
        self.ends = np.array([each.end_s for each in stretches])
        self.levels = np.array([getattr(each, "level", 0) for each in stretches], int)
        self._longest_s = float((self.ends - self.starts).max(initial=0.0))

    def between(self, from_s: float, to_s: float) -> np.ndarray:
        """Places of all that touch the stretch."""
        first = np.searchsorted(self.starts, from_s - self._longest_s)
        last = np.searchsorted(self.starts, to_s, "right")
        there = np.arange(first, last)
        return there[self.ends[there] >= from_s]

    def seen(self, from_s: float, to_s: float, step_s: float) -> np.ndarray:
        """The same, of those on one level that begin within one `step_s` only the longest."""
        there = self.between(from_s, to_s)
        if not len(there):
            return there
        cells = np.floor((self.starts[there] - from_s) / step_s) * LEVELS + self.levels[there]
        order = np.lexsort((self.starts[there] - self.ends[there], cells))
        _, firsts = np.unique(cells[order], return_index=True)
        return np.sort(there[order[firsts]])


NOTHING = Row(())


@dataclass
class Lane:
    """A track."""

    name: str
    kind: str
    blocks: list[Block] = field(default_factory=list)
    """In the order of their starts."""
    row: Row = field(default_factory=lambda: NOTHING)
    """Where they lie."""


@dataclass(frozen=True)
class Mark:
    """Where a finding stands on its lane; what was decided of it moves nothing."""

    id: str
    start_s: float
    end_s: float
    lane: int
    task: str
    level: int
    """Counted from below: marks that overlap stand over one another."""


class StripModel:
    """All lanes, and the marks on them, to be asked for what lies between two moments."""

    def __init__(self, root: otio.core.SerializableObject, missing: Mapping[tuple[int, int], str]) -> None:
        """
        Args:
            missing: (track index, clip index) -> why that clip can't be looked at. Not asked for what is
                inside a compound clip: there the same numbers count anew.
        """
        self._root = root
        self._around: dict[Path, Path] = {}
        tracks = _tracks(root)
        compounds: dict[Path, list[places.Seen]] = defaultdict(list)
        for seen in places.walk(root):
            path = seen.address.path
            around = self._track_around(path)
            tracks.setdefault(around, Lane(seen.address.track, seen.place.kind or "picture"))
            if seen.place.nests:
                compounds[path[: len(around) + 1]].append(seen)
            elif (ends := _ends(seen)) is not None:
                why = missing.get((seen.address.track_index, seen.address.clip_index), "")
                ours = traces.is_our_sound(seen.clip)
                tracks[around].blocks.append(Block(*ends, seen.address.clip, why, ours, _is_off(seen)))
        for path, inside in compounds.items():
            if (block := _compound(inside)) is not None:
                tracks[path[:-1]].blocks.append(block)
        # Pictures from the top one down, then sounds from the first one down.
        order = sorted(tracks, key=lambda path: _from_the_top(path, tracks[path].kind))
        self._number = {path: number for number, path in enumerate(order)}
        self.lanes = [tracks[path] for path in order]
        for lane in self.lanes:
            lane.blocks.sort(key=lambda block: block.start_s)
            lane.row = Row(lane.blocks)
        ends_s = [block.end_s for lane in self.lanes for block in lane.blocks]
        self.duration_s = max(ends_s, default=0.0)
        self._ids: set[str] = set()
        self._marks: dict[int, list[Mark]] = {}
        self._rows: dict[int, Row] = {}

    def _track_around(self, path: Path) -> Path:
        """The outermost track that a clip stands on; what holds the clip, where no track does."""
        holder = path[:-1]
        if holder not in self._around:
            outer = (path[:depth] for depth in range(len(path)))
            tracks = (each for each in outer if _is_track(places.resolve(self._root, each)))
            self._around[holder] = next(tracks, holder)
        return self._around[holder]

    def set_entries(self, entries: Mapping[str, Entry]) -> None:
        """Marks of all findings, by their id; those of sync stand on the sound."""
        if entries.keys() == self._ids:
            return
        self._ids = set(entries)
        by_lane: dict[int, list[Entry]] = defaultdict(list)
        for entry in entries.values():
            shot = entry.finding.shot
            span = shot.sound if entry.task == "sync" and shot.sound is not None else shot.lead
            lane = self._number.get(self._track_around(span.address.path))
            if lane is not None:
                by_lane[lane].append(entry)
        self._marks = {lane: list(_marks(lane, there)) for lane, there in by_lane.items()}
        self._rows = {lane: Row(marks) for lane, marks in self._marks.items()}

    def marks(self, lane: int) -> tuple[list[Mark], Row]:
        """All of a lane, and where they lie."""
        return self._marks.get(lane, []), self._rows.get(lane, NOTHING)

    def hit(self, lane: int, at_s: float, slack_s: float, level: int | None = None) -> Mark | None:
        """The mark at a moment, on the nearest level; the shortest where several lie over one another."""
        marks, row = self.marks(lane)
        near = [marks[k] for k in row.between(at_s - slack_s, at_s + slack_s)]

        def away(mark: Mark) -> tuple[int, float]:
            return abs(mark.level - level) if level is not None else 0, mark.end_s - mark.start_s

        return min(near, key=away, default=None)

    def block(self, lane: int, at_s: float) -> Block | None:
        """The clip at a moment."""
        there = self.lanes[lane]
        return next((there.blocks[k] for k in there.row.between(at_s, at_s)[::-1]), None)


def _is_track(item: object) -> bool:
    return isinstance(item, otio.schema.Track)


def _tracks(root: otio.core.SerializableObject) -> dict[Path, Lane]:
    """Those of a timeline, by path, whether something stands on them or not."""
    if not isinstance(root, otio.schema.Timeline):
        return {}
    found: dict[Path, Lane] = {}
    counts: dict[str, int] = defaultdict(int)
    for index, track in enumerate(root.tracks):
        if not _is_track(track) or track.kind.lower() not in ("video", "audio"):
            continue
        letter = track.kind[0].upper()
        counts[letter] += 1
        kind = "picture" if letter == "V" else "sound"
        found[(index,)] = Lane(track.name or f"{letter}{counts[letter]}", kind)
    return found


def _from_the_top(path: Path, kind: str) -> tuple[Path, bool, int]:
    """What lanes are sorted by: one timeline after the other."""
    index = path[-1] if path else 0
    return path[:-1], kind != "picture", -index if kind == "picture" else index


def _ends(seen: places.Seen) -> tuple[float, float] | None:
    """What is seen of a clip, in timeline seconds; None: nothing, or nobody can say."""
    place = seen.place
    start_s = max(place.at_s, place.visible[0])
    end_s = min(place.at_s + (seen.duration_s or 0.0), place.visible[1])
    return (start_s, end_s) if math.isfinite(place.at_s) and end_s > start_s else None


def _is_off(seen: places.Seen) -> bool:
    return not seen.place.plays or places.disabled(seen.clip)


def _compound(inside: Sequence[places.Seen]) -> Block | None:
    """All of a compound clip that is seen: as far as it was trimmed, else as far as what it holds."""
    stretches = [each for each in map(_ends, inside) if each is not None]
    if not stretches:
        return None
    shown = [seen.place.visible for seen in inside]
    starts = [each for each, _ in shown if math.isfinite(each)] or [each for each, _ in stretches]
    ends = [each for _, each in shown if math.isfinite(each)] or [each for _, each in stretches]
    name = inside[0].place.nests[0][0] or "compound clip"
    return Block(min(starts), max(ends), name, "", False, all(map(_is_off, inside)))


def _marks(lane: int, entries: Iterable[Entry]) -> Iterator[Mark]:
    """In the order of their starts, each on the lowest level that has room."""
    free_s = [-math.inf] * LEVELS
    for entry in sorted(entries, key=lambda each: (each.start_s, -each.end_s)):
        start_s, end_s = entry.start_s, entry.end_s
        level = next((k for k in range(LEVELS) if free_s[k] <= start_s + 1e-6), LEVELS - 1)
        free_s[level] = max(free_s[level], end_s)
        yield Mark(entry.id, start_s, end_s, lane, entry.task, level)
