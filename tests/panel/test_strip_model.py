"""A strip's lanes, clips and marks, without a widget."""

from __future__ import annotations

import opentimelineio as otio
import pytest

from otio_avassist.panel.strip_model import LEVELS, Mark, Row, StripModel
from tests import cuts
from tests.panel.marks import captions


def named(model: StripModel, lane: str) -> list[tuple[str, float, float]]:
    blocks = next(each for each in model.lanes if each.name == lane).blocks
    return [(block.name, block.start_s, block.end_s) for block in blocks]


def model_of(*tracks: otio.schema.Track, missing: dict | None = None) -> StripModel:
    return StripModel(cuts.timeline(*tracks), missing or {})


def test_pictures_stand_above_sounds_and_the_topmost_picture_first() -> None:
    lanes = model_of(
        cuts.track("Video", cuts.clip("a")),
        otio.schema.Track("titles", [cuts.clip("t")], kind="Video"),
        cuts.track("Audio", cuts.clip("a")),
        otio.schema.Track("music", [cuts.clip("m")], kind="Audio"),
    ).lanes
    assert [(lane.name, lane.kind) for lane in lanes] == [
        ("titles", "picture"), ("Video 1", "picture"), ("Audio 1", "sound"), ("music", "sound"),
    ]  # fmt: skip


def test_tracks_without_a_name_are_counted_and_empty_ones_are_there() -> None:
    model = model_of(
        otio.schema.Track(kind="Video", children=[cuts.clip("a")]),
        otio.schema.Track(kind="Video"),
        otio.schema.Track(kind="Audio"),
    )
    assert [(lane.name, len(lane.blocks)) for lane in model.lanes] == [("V2", 0), ("V1", 1), ("A1", 0)]


def test_gaps_and_transitions_leave_clips_where_they_are() -> None:
    track = cuts.track("Video", cuts.gap(50), cuts.clip("a"), cuts.dissolve(), cuts.clip("b", duration=25))
    model = model_of(track)
    assert named(model, "Video 1") == [("a", 2.0, 6.0), ("b", 6.0, 7.0)]
    assert model.duration_s == 7.0


@pytest.mark.parametrize("trim", [None, (20, 100)], ids=["whole", "trimmed"])
def test_a_compound_clip_is_one_block_on_its_own_track(trim: tuple[int, int] | None) -> None:
    inside = otio.schema.Stack("scene 4")
    upper = otio.schema.Track(kind="Video", children=[cuts.gap(40), cuts.clip("over", duration=40)])
    inside.extend([otio.schema.Track(kind="Video", children=[cuts.clip("in", duration=150)]), upper])
    inside.source_range = cuts.time_range(*trim) if trim else None
    length_s = 4.0 if trim else 6.0
    model = model_of(
        cuts.track("Video", cuts.gap(25), inside, cuts.clip("after")),
        otio.schema.Track("titles", [cuts.clip("title", duration=25)], kind="Video"),
    )
    assert named(model, "titles") == [("title", 0.0, 1.0)]
    assert named(model, "Video 1") == [
        ("scene 4", pytest.approx(1.0), pytest.approx(1.0 + length_s)),
        ("after", pytest.approx(1.0 + length_s), pytest.approx(5.0 + length_s)),
    ]


def test_a_finding_in_a_compound_clip_is_marked_on_the_track_that_is_seen() -> None:
    inside = otio.schema.Stack("scene 4")
    upper = otio.schema.Track(kind="Video", children=[cuts.clip("over")])
    inside.extend([otio.schema.Track(kind="Video", children=[cuts.clip("in")]), upper])
    root = cuts.timeline(
        cuts.track("Video", inside), otio.schema.Track("titles", [cuts.clip("title")], kind="Video")
    )
    model = StripModel(root, {})
    model.set_entries(captions(root, (1.0, 2.0), picture=(0, 0, 1, 0)))
    marked = {model.lanes[lane].name for lane in range(2) if model.marks(lane)[0]}
    assert marked == {"Video 1"}


def test_what_is_disabled_is_off_whether_itself_or_its_track() -> None:
    off, sound = cuts.clip("off"), cuts.track("Audio", cuts.clip("mute"))
    off.enabled = sound.enabled = False
    model = model_of(cuts.track("Video", cuts.clip("on"), off), sound)
    assert [(b.name, b.off) for lane in model.lanes for b in lane.blocks] == [
        ("on", False), ("off", True), ("mute", True),
    ]  # fmt: skip


def test_missing_media_and_our_own_sounds_are_known() -> None:
    ours = otio.schema.Track("avassist foley 3f2a91bc", kind="Audio")
    ours.append(cuts.clip("foley_dog_0123456789ab.wav"))
    video = cuts.track("Video", cuts.clip("a"), cuts.clip("b"))
    model = model_of(video, ours, missing={(0, 1): "isn't there"})
    blocks = [(b.name, b.missing, b.ours) for lane in model.lanes for b in lane.blocks]
    assert blocks == [
        ("a", "", False), ("b", "isn't there", False), ("foley_dog_0123456789ab.wav", "", True),
    ]  # fmt: skip


def test_a_clip_of_broken_numbers_takes_no_place() -> None:
    broken = cuts.clip("broken")
    broken.source_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, 0), otio.opentime.RationalTime(10, 0)
    )
    assert named(model_of(cuts.track("Video", cuts.clip("a"), broken)), "Video 1") == [("a", 0.0, 4.0)]


@pytest.mark.parametrize("wrap", ["track", "stack", "collection"])
def test_anything_that_holds_clips_has_lanes(wrap: str) -> None:
    track = cuts.track("Video", cuts.clip("a"))
    root = {
        "track": lambda: track,
        "stack": lambda: otio.schema.Stack("s", [track]),
        "collection": lambda: otio.schema.SerializableCollection("c", [cuts.timeline(track)]),
    }[wrap]()
    assert named(StripModel(root, {}), "Video 1") == [("a", 0.0, 4.0)]


def test_marks_that_overlap_stand_over_one_another() -> None:
    root = cuts.simple()
    model = StripModel(root, {})
    model.set_entries(captions(root, (0.0, 3.0), (1.0, 2.0), (1.5, 1.8), (1.6, 1.7), (3.0, 4.0)))
    those, _ = model.marks(0)
    assert [(mark.start_s, mark.level) for mark in those] == [
        (0.0, 0), (1.0, 1), (1.5, 2), (1.6, LEVELS - 1), (3.0, 0),
    ]  # fmt: skip


def test_a_hit_prefers_the_level_then_the_shortest() -> None:
    root = cuts.simple()
    model = StripModel(root, {})
    model.set_entries(captions(root, (0.0, 3.0), (1.0, 2.0)))
    hits = [model.hit(0, 1.5, 0.0, level) for level in (0, 1, None)]
    assert [hit.start_s for hit in hits] == [0.0, 1.0, 1.0]
    assert model.hit(0, 3.5, 0.0) is None
    assert model.hit(0, 3.05, 0.1).start_s == 0.0


def test_a_row_tells_apart_no_more_than_steps_and_keeps_the_longest() -> None:
    those = [Mark(f"{k}", k / 100, k / 100 + 0.001 * (k % 7 + 1), 0, "captions", level=0) for k in range(100)]
    row = Row(those)
    assert len(row.seen(0.0, 1.0, 0.001)) == 100
    seen = row.seen(0.0, 1.0, 0.25)
    assert len(seen) == 4
    lengths = [round(1000 * (mark.end_s - mark.start_s)) for mark in those]
    assert [lengths[k] for k in seen] == [7, 7, 7, 7]
    assert [k // 25 for k in seen] == [0, 1, 2, 3]


def test_a_row_keeps_what_begins_together_on_different_levels() -> None:
    row = Row([Mark(f"{level}", 1.0, 2.0, 0, "captions", level) for level in range(LEVELS)])
    assert len(row.seen(0.0, 3.0, 0.5)) == LEVELS


def test_a_long_stretch_is_seen_though_it_began_long_ago() -> None:
    root = cuts.simple()
    model = StripModel(root, {})
    model.set_entries(captions(root, (0.0, 3.9), (0.1, 0.2), (3.0, 3.1)))
    those, row = model.marks(0)
    assert [those[k].start_s for k in row.between(3.5, 3.6)] == [0.0]
