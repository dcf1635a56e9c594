"""Markers stand where OpenTimelineIO and arithmetic say, however their clip is cut, nested or retimed."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentimelineio.opentime import RationalTime

from otio_avassist import edits, marks, places
from tests.cuts import caption, clip, gap, time_range, timeline, track
from tests.test_caption_markers import RATES, laid
from tests.test_every_timeline import entries, read_or_skip


def marker(start: float, duration: float = 1, rate: float = 25, name: str = "here") -> otio.schema.Marker:
    return otio.schema.Marker(name=name, marked_range=time_range(start, duration, rate), comment=f"{name}.")


def only(root) -> marks.Mark:
    (mark,) = marks.marks(root)
    return mark


def test_a_marker_of_the_timeline_counts_from_its_first_frame():
    cut = timeline(track("Video", clip("a.mov")))
    cut.tracks.markers.append(marker(10, 5))
    mark = only(cut)
    assert (mark.start, mark.duration, mark.where) == (Fraction(10, 25), Fraction(5, 25), "")


@given(
    spelt=st.sampled_from(sorted(RATES)),
    before=st.integers(0, 200_000),
    source=st.sampled_from([0, 90_054, 107_892, 2_589_408]),
    first=st.integers(0, 499),
    count=st.integers(1, 500),
)
@settings(max_examples=150, deadline=None)
def test_a_marker_on_a_clip_stands_where_opentimelineio_puts_it(spelt, before, source, first, count):
    shot = clip("a.mov", source, 500, spelt, available=(source, 500))
    shot.markers.append(marker(source + first, count, spelt))
    cut = timeline(track("Video", gap(before, spelt), shot), rate=spelt)
    theirs = shot.transformed_time_range(shot.markers[0].marked_range, cut.tracks)
    mark = only(cut)
    assert mark.start * RATES[spelt] == theirs.start_time.value == before + first
    assert mark.duration * RATES[spelt] == min(count, 500 - first)


def test_a_marker_reaches_no_further_than_what_is_used_of_its_clip():
    shot = clip("a.mov", 100, 50)
    shot.markers.extend([marker(0, 10), marker(95, 10), marker(145, 50), marker(150, 5), marker(400)])
    found = marks.marks(timeline(track("Video", gap(25), shot)))
    assert [(mark.start * 25, mark.end * 25) for mark in found] == [(25, 30), (70, 75)]


@pytest.mark.parametrize(
    ("speed", "first", "count"),
    [(2.0, 10, 10), (0.5, 40, 40), (1.0, 20, 20), (-1.0, 60, 20), (-2.0, 80, 10)],
)
def test_a_retimed_clip_shows_its_marker_when_it_plays_that_frame(speed, first, count):
    shot = clip("a.mov", 1000, 100, available=(1000, 500))
    shot.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
    shot.markers.append(marker(1020, 20))
    mark = only(timeline(track("Video", gap(7), shot)))
    # Backwards, 100 frames at -1 play 1100 to 1000: frames 1040 to 1020 come 60 frames in.
    assert (mark.start * 25 - 7, mark.duration * 25) == (first, count)


def test_a_frozen_frame_is_spoken_of_all_along():
    shot = clip("a.mov", 100, 50)
    shot.effects.append(otio.schema.FreezeFrame())
    shot.markers.extend([marker(100), marker(120)])
    mark = only(timeline(track("Video", gap(7), shot)))
    assert (mark.start * 25, mark.duration * 25) == (7, 50)


def test_markers_inside_of_compound_clips_count_through_all_of_them():
    inner = otio.schema.Stack("nest", [track("Video", gap(10), clip("a.mov", 100, 100))])
    inner.source_range = time_range(20, 60)
    inner[0][1].markers.append(marker(130, 10))
    inner.markers.append(marker(25, 5, name="nested"))
    cut = timeline(track("Video", gap(1000), inner))
    theirs = inner[0][1].transformed_time(RationalTime(130, 25), cut.tracks)
    found = {mark.name: mark.start * 25 for mark in marks.marks(cut)}
    assert found == {"here": theirs.value, "nested": 1005} == {"here": 1020, "nested": 1005}


def test_markers_of_what_is_disabled_are_seen_by_nobody():
    off = clip("a.mov")
    off.markers.append(marker(120))
    off.enabled = False
    dark = track("Video", clip("b.mov"))
    dark[0].markers.append(marker(120))
    dark.enabled = False
    assert marks.marks(timeline(track("Video", off), dark)) == []


def test_a_broken_range_loses_the_markers_behind_it_and_no_others():
    broken = clip("broken.mov", 0, 10, 0)
    first, last = clip("a.mov"), clip("b.mov")
    first.markers.append(marker(100, name="first"))
    last.markers.append(marker(100, name="last"))
    cut = timeline(track("Video", first, broken, last))
    cut.tracks.markers.extend([marker(3, name="own"), marker(math.nan, name="nowhere")])
    assert {mark.name for mark in marks.marks(cut)} == {"first", "own"}


@pytest.mark.parametrize("root", ["clip", "track", "stack", "collection"])
def test_any_root_is_taken(root):
    shot = clip("a.mov", 100, 100)
    shot.markers.append(marker(110))
    line = track("Video", shot)
    roots = {
        "clip": lambda: shot,
        "track": lambda: line,
        "stack": lambda: otio.schema.Stack(children=[line]),
        "collection": lambda: otio.schema.SerializableCollection(children=[timeline(line)]),
    }
    assert only(roots[root]()).start == Fraction(10, 25)


@pytest.mark.parametrize("on", ["timeline", "clip"])
@pytest.mark.parametrize("speed", [1.0, 2.0, 0.5, -1.0])
def test_our_own_markers_are_found_where_they_were_put(on, speed):
    cut = timeline(track("Video", gap(50), clip("a.mov", 500, 200, available=(0, 2000))))
    cut.tracks[0][1].effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
    mark = only(laid(cut, caption(cut, 3.04, 4.24, picture=(0, 1)), on=on))
    assert (mark.start, mark.end) == (Fraction("3.04"), Fraction("4.24"))
    assert (mark.task, mark.text) == ("captions", "A dog barks twice.")


@pytest.mark.parametrize(
    ("start", "rate", "drop"),
    [
        (107_892, 29.97, True),
        (108_000, 29.97, False),
        (0, 29.97, True),
        (215_784, 59.94, True),
        (216_000, 60000 / 1001, False),
        (86_400, 24, False),
        (107_892, 30, False),
    ],
)
def test_the_start_tells_whether_frames_are_dropped(start, rate, drop):
    cut = otio.schema.Timeline(global_start_time=RationalTime(start, rate))
    assert marks.counting(cut) == marks.Counting(rate, start, drop)


@pytest.mark.parametrize("entry", entries())
def test_markers_that_editors_wrote_stand_where_opentimelineio_puts_them(shared: Path, entry: str):
    root = read_or_skip(shared / "timelines" / entry)
    mine = {(mark.name, mark.comment, float(mark.start)) for mark in marks.marks(root)}
    if not isinstance(root, otio.schema.Timeline):
        return
    for item in root.tracks.find_children():
        for each in getattr(item, "markers", ()):
            if not plain_all_the_way_up(item) or not whole(each.marked_range):
                continue
            at = item.transformed_time(each.marked_range.start_time, root.tracks)
            if shown(item, each.marked_range.start_time):
                words = [each.name, each.comment or each.metadata.get("Resolve_OTIO", {}).get("Note", "")]
                words[1] = words[1] or each.metadata.get("fcp_xml", {}).get("comment") or ""
                near = [start for *said, start in mine if said == words]
                assert any(abs(start - places.seconds(at)) < 1e-6 for start in near), (each.name, at, near)


def shown(item, time: RationalTime) -> bool:
    """Whether everything around it shows this time of the item's own."""
    around = item
    while around is not None:
        if around.source_range is not None or isinstance(around, otio.schema.Clip):
            span = around.trimmed_range()
            if not whole(span) or not span.contains(item.transformed_time(time, around)):
                return False
        around = around.parent()
    return True


def plain_all_the_way_up(item) -> bool:
    while item is not None:
        if places.disabled(item) or item.effects:
            return False
        item = item.parent()
    return True


def whole(each) -> bool:
    return each.start_time.rate > 0 and each.duration.rate > 0 and not each.start_time.is_invalid_time()


def test_strip_leaves_nothing_to_be_found():
    cut = timeline(track("Video", clip("a.mov")))
    assert marks.marks(edits.strip(laid(cut, caption(cut))).timeline) == []
