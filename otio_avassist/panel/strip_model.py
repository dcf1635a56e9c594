"""A timeline as a strip of lanes: tracks from top to bottom, clips and marks in seconds.

Knows no widget and no pixels. Pictures stand above, the topmost track first, and sounds below, as editors
draw them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import opentimelineio as otio

from otio_avassist import places, traces
from otio_avassist.panel.entries import Entry


@dataclass(frozen=True)
class Block:
    """A clip."""

    start_s: float
    end_s: float
    name: str
    missing: str
    """Why it can't be looked at; empty where it can."""
    ours: bool
    """A sound that was laid by an earlier run."""


class Row:
    """Stretches of time, to be asked which of them can be told apart between two moments."""

    def __init__(self, starts: list[float], ends: list[float]) -> None:
        """In the order of their starts."""
        self.starts, self.ends = np.array(starts), np.array(ends)
        self._longest_s = float((self.ends - self.starts).max(initial=0.0))

    def between(self, from_s: float, to_s: float) -> np.ndarray:
        """Places of all that touch the stretch."""
        first = np.searchsorted(self.starts, from_s - self._longest_s)
        last = np.searchsorted(self.starts, to_s, "right")
        there = np.arange(first, last)
        return there[self.ends[there] >= from_s]

    def seen(self, from_s: float, to_s: float, step_s: float) -> np.ndarray:
        """The same, of those that begin within one `step_s` only the longest."""
        there = self.between(from_s, to_s)
        if not len(there):
            return there
        cells = np.floor((self.starts[there] - from_s) / step_s)
        order = np.lexsort((self.starts[there] - self.ends[there], cells))
        _, firsts = np.unique(cells[order], return_index=True)
        return np.sort(there[order[firsts]])


NOTHING = Row([], [])


@dataclass
class Lane:
    """A track."""

    name: str
    kind: str
    blocks: list[Block] = field(default_factory=list)
    """In the order of their starts."""
    row: Row = field(default_factory=lambda: Row([], []))
    """Where they lie."""


@dataclass(frozen=True)
class Mark:
    """A finding on its lane."""

    id: str
    start_s: float
    end_s: float
    lane: int
    task: str
    state: str


def _ends(stretches: Sequence[Block] | Sequence[Mark]) -> tuple[list[float], list[float]]:
    return [each.start_s for each in stretches], [each.end_s for each in stretches]


class StripModel:
    """All lanes, and the marks on them, to be asked for what lies between two moments."""

    def __init__(self, root: otio.core.SerializableObject, missing: Mapping[tuple[int, int], str]) -> None:
        """
        Args:
            missing: (track index, clip index) -> why that clip can't be looked at.
        """
        by_track: dict[tuple, Lane] = {}
        order: dict[tuple, tuple] = {}
        for seen in places.walk(root):
            place, where = seen.place, seen.address
            kind = place.kind or "picture"
            key = (place.timeline, where.track_index, kind)
            lane = by_track.setdefault(key, Lane(where.track, kind))
            # Pictures from the top one down, then sounds from the first one down.
            order[key] = (
                place.timeline, kind != "picture",
                -where.track_index if kind == "picture" else where.track_index,
            )  # fmt: skip
            if not math.isfinite(place.at_s):
                continue
            start_s = max(place.at_s, place.visible[0])
            end_s = min(place.at_s + (seen.duration_s or 0.0), place.visible[1])
            if end_s > start_s:
                why = missing.get((where.track_index, where.clip_index), "")
                lane.blocks.append(Block(start_s, end_s, where.clip, why, traces.is_our_sound(seen.clip)))
        self._keys = sorted(by_track, key=lambda key: order[key])
        self.lanes = [by_track[key] for key in self._keys]
        for lane in self.lanes:
            lane.blocks.sort(key=lambda block: block.start_s)
            lane.row = Row(*_ends(lane.blocks))
        ends = [block.end_s for lane in self.lanes for block in lane.blocks]
        self.duration_s = max(ends, default=0.0)
        self._lane_of = {
            (index, kind): number for number, (_, index, kind) in enumerate(self._keys)
        }  # of several timelines, the last: their findings tell them apart by name only
        self._marks: dict[int, list[Mark]] = {}
        self._rows: dict[int, Row] = {}

    def set_entries(self, entries: Iterable[Entry]) -> None:
        """Marks of all findings; those of sync stand on the sound."""
        by_lane: dict[int, list[Mark]] = defaultdict(list)
        for entry in entries:
            shot = entry.finding.shot
            span = shot.sound if entry.task == "sync" and shot.sound is not None else shot.lead
            kind = "picture" if span is shot.picture or shot.paired_by == "own sound" else "sound"
            lane = self._lane_of.get((span.address.track_index, kind))
            if lane is not None:
                by_lane[lane].append(
                    Mark(entry.id, entry.start_s, entry.end_s, lane, entry.task, entry.state)
                )
        self._marks = {lane: sorted(marks, key=lambda each: each.start_s) for lane, marks in by_lane.items()}
        self._rows = {lane: Row(*_ends(marks)) for lane, marks in self._marks.items()}

    def marks(self, lane: int) -> tuple[list[Mark], Row]:
        """All of a lane, and where they lie."""
        return self._marks.get(lane, []), self._rows.get(lane, NOTHING)

    def hit(self, lane: int, at_s: float, slack_s: float) -> Mark | None:
        """The mark at a moment, the shortest where several lie over one another."""
        marks, row = self.marks(lane)
        near = [marks[k] for k in row.between(at_s - slack_s, at_s + slack_s)]
        return min(near, key=lambda mark: mark.end_s - mark.start_s, default=None)
