"""Captions stand as markers on the very frame, whatever the rate, the start, and who wrote the cut."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentimelineio.opentime import RationalTime, TimeRange

from otio_avassist import edits, marks, pipeline, remedies
from otio_avassist.errors import TimelineError
from otio_avassist.findings import CaptionFinding
from otio_avassist.spans import Shot
from otio_avassist.tasks import captions
from tests.cuts import address, caption, clip, gap, simple, time_range, timeline, track, without_markers
from tests.test_timelines import Everywhere, entries, probe

NTSC = Fraction(1000, 1001)
RATES = {
    23.976: 24 * NTSC,
    23.98: 24 * NTSC,
    24000 / 1001: 24 * NTSC,
    24.0: Fraction(24),
    25.0: Fraction(25),
    29.97: 30 * NTSC,
    30000 / 1001: 30 * NTSC,
    30.0: Fraction(30),
    47.952: 48 * NTSC,
    50.0: Fraction(50),
    59.94: 60 * NTSC,
    60.0: Fraction(60),
}
"""As editors spell them -> what they are."""


def laid(root, *found: CaptionFinding, **options):
    """`root` with the markers of these captions, and nothing else of ours."""
    return edits.apply(root, [each for one in found for each in edits.edit_for(one, **options).edits])


def frames_of(marker) -> tuple[float, float]:
    return marker.marked_range.start_time.value, marker.marked_range.duration.value


@st.composite
def events(draw):
    """(cut, first frame of an event, its frames, caption); the clip stands some way into the cut."""
    spelt = draw(st.sampled_from(sorted(RATES)))
    rate = RATES[spelt]
    before, length = draw(st.integers(0, 100_000)), draw(st.integers(3, 5000))
    source = draw(st.sampled_from([0, 107_892, 86_400, 90_054, 2_589_408]))
    start_tc = draw(st.sampled_from([0, 3600, 36_000])) * round(spelt)
    cut = timeline(
        track("Video", gap(before, spelt), clip("a.mov", source, length, spelt, available=(source, length))),
        rate=spelt,
    )
    cut.global_start_time = RationalTime(start_tc, spelt)
    first = draw(st.integers(0, length - 1))
    count = draw(st.integers(1, length - first))
    # Networks know nothing of frames: an event starts and ends near one.
    off = [draw(st.floats(-0.45, 0.45)) for _ in range(2)]
    start_s = float((before + first + Fraction(off[0])) / rate)
    end_s = float((before + first + count + Fraction(off[1])) / rate)
    lead_s = float(before / rate), float((before + length) / rate)
    start_s, end_s = max(start_s, lead_s[0]), min(max(end_s, start_s), lead_s[1])
    return cut, before, source, first, count, caption(cut, start_s, end_s, picture=(0, 1))


@given(events())
@settings(max_examples=200, deadline=None)
def test_a_marker_of_the_timeline_stands_on_the_very_frame_of_its_event(case) -> None:
    cut, before, _, first, count, found = case
    (marker,) = laid(cut, found).tracks.markers
    assert frames_of(marker) == (before + first, count)
    assert marker.marked_range.start_time.rate == cut.global_start_time.rate


@given(events())
@settings(max_examples=200, deadline=None)
def test_a_marker_of_a_clip_stands_on_the_very_frame_of_its_source(case) -> None:
    cut, _, source, first, count, found = case
    mended = laid(cut, found, on="clip")
    (marker,) = mended.tracks[0][1].markers
    assert frames_of(marker) == (source + first, count)
    assert len(mended.tracks.markers) == 0


@given(events(), st.sampled_from(["timeline", "clip"]))
@settings(max_examples=60, deadline=None)
def test_nothing_but_markers_changes_and_strip_gives_back_every_byte(case, on: str) -> None:
    cut, *_, found = case
    mended = laid(cut, found, on=on)
    one, other = (json.loads(each.to_json_string()) for each in (cut, mended))
    assert without_markers(one) == without_markers(other)
    assert laid(mended, found, on=on).to_json_string() == mended.to_json_string()
    assert edits.strip(mended).timeline.to_json_string() == cut.to_json_string()


@pytest.mark.parametrize(("speed", "expected"), [(2.0, (1020, 40)), (0.5, (1005, 10)), (1.0, (1010, 20))])
def test_a_retimed_clips_marker_stands_where_its_source_is_seen(speed: float, expected) -> None:
    fast = clip("a.mov", 1000, 100)
    fast.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
    cut = timeline(track("Video", gap(50), fast))
    (marker,) = laid(cut, caption(cut, 2.4, 3.2, picture=(0, 1)), on="clip").tracks[0][1].markers
    assert frames_of(marker) == expected


def test_played_backwards_the_first_that_is_seen_is_the_last_of_the_source() -> None:
    back = clip("a.mov", 1000, 100)
    back.effects.append(otio.schema.LinearTimeWarp(time_scalar=-1.0))
    cut = timeline(track("Video", back))
    (marker,) = laid(cut, caption(cut, 0.0, 0.4), on="clip").tracks[0][0].markers
    assert frames_of(marker) == (1090, 10)


@pytest.mark.parametrize("speed", [1.0, 2.0, 0.5, -1.0, -2.0])
def test_who_reads_the_markers_of_clips_finds_them_where_those_of_the_timeline_are(speed: float) -> None:
    warped = clip("a.mov", 1000, 100)
    if speed != 1.0:
        warped.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
    cut = timeline(track("Video", gap(50), warped))
    found = caption(cut, 2.4, 3.2, picture=(0, 1))
    (on_clip,) = marks.marks(laid(cut, found, on="clip"))
    (on_timeline,) = marks.marks(laid(cut, found))
    assert (on_clip.start, on_clip.duration) == (on_timeline.start, on_timeline.duration)
    assert (float(on_clip.start), float(on_clip.duration)) == (2.4, 0.8)


def test_a_frozen_frame_is_marked_where_it_is_frozen() -> None:
    still = clip("a.mov", 1000, 100)
    still.effects.append(otio.schema.FreezeFrame())
    cut = timeline(track("Video", still))
    (marker,) = laid(cut, caption(cut, 2.0, 3.0), on="clip").tracks[0][0].markers
    assert frames_of(marker) == (1000, 1)


@pytest.mark.parametrize("on", ["timeline", "clip"])
@pytest.mark.parametrize(
    ("start_s", "end_s", "timeline_frames", "source_frames"),
    [
        pytest.param(1.0, 9.0, (50, 100), (100, 100), id="longer than its clip"),
        pytest.param(5.99, 6.0, (149, 1), (199, 1), id="at the very end"),
        pytest.param(1.9, 2.0, (50, 1), (100, 1), id="before its clip"),
        pytest.param(3.0, 3.0, (75, 1), (125, 1), id="without length"),
    ],
)
def test_no_marker_leaves_what_is_shown_of_its_clip(
    on: str, start_s: float, end_s: float, timeline_frames, source_frames
) -> None:
    cut = timeline(track("Video", gap(50), clip("a.mov"), clip("b.mov")))
    mended = laid(cut, caption(cut, start_s, end_s, picture=(0, 1)), on=on)
    item, expected = (
        (mended.tracks, timeline_frames) if on == "timeline" else (mended.tracks[0][1], source_frames)
    )
    assert [frames_of(marker) for marker in item.markers] == [expected]


def test_a_fractional_range_is_marked_in_whole_frames_within_it() -> None:
    cut = timeline(track("Video", clip("a.mov", 91046.625, 19.999999999999996, available=(91000, 1000))))
    (marker,) = laid(cut, caption(cut, 0.0, 0.8), on="clip").tracks[0][0].markers
    assert frames_of(marker) == (91047, 20)


def test_a_clip_of_another_rate_is_marked_at_its_own() -> None:
    cut = timeline(track("Video", clip("a.mov", 240, 240, 24, available=(0, 1000))), rate=25)
    found = caption(cut, 2.0, 4.0)
    (marker,) = laid(cut, found, on="clip").tracks[0][0].markers
    assert marker.marked_range == time_range(288, 48, 24)
    (marker,) = laid(cut, found).tracks.markers
    assert marker.marked_range == time_range(50, 50, 25)


def test_a_clip_that_says_nothing_of_its_range_counts_from_its_first_frame() -> None:
    alone = clip("a.mov", available=None)
    edit = remedies.AddMarker(address(alone), 2.0, 1.0, "x", "x", "BLUE", {"finding": "3f2a"}, on="clip")
    alone.source_range = None
    (marker,) = edits.apply(alone, [edit]).markers
    assert marker.marked_range == time_range(50, 25)


def test_a_clip_used_twice_is_marked_twice() -> None:
    cut = timeline(track("Video", clip("a.mov"), clip("a.mov")))
    one, other = caption(cut, 1.0, 2.0), caption(cut, 5.0, 6.0, picture=(0, 1))
    assert one.id == other.id
    assert [frames_of(each) for each in laid(cut, one, other).tracks.markers] == [(25, 25), (125, 25)]


# What an editor reads


def test_a_marker_has_a_short_name_its_sentence_and_the_colour_of_what_carried_it() -> None:
    cut = simple()
    (marker,) = laid(cut, caption(cut)).tracks.markers
    assert marker.name == "dog barks"
    assert marker.comment.startswith("A dog barks twice. [avassist captions ")
    assert dict(marker.metadata["Resolve_OTIO"])["Note"] == marker.comment
    assert marker.color == otio.schema.MarkerColor.GREEN
    ours = marker.metadata["otio_avassist"]
    assert (ours["task"], ours["text"], ours["level"]) == ("captions", "A dog barks twice.", "event")


def test_each_way_to_know_has_a_colour_of_its_own_that_opentimelineio_names() -> None:
    named = {
        getattr(otio.schema.MarkerColor, name) for name in dir(otio.schema.MarkerColor) if name.isupper()
    }
    assert len(set(remedies.COLORS.values())) == 4
    assert set(remedies.COLORS.values()) <= named


def test_a_long_name_is_cut_to_forty_letters() -> None:
    cut = simple()
    (marker,) = laid(cut, caption(cut, name="a dog that barks and barks and goes on barking")).tracks.markers
    assert len(marker.name) == 40
    assert marker.name.endswith("…")


# Beside the work of other tasks


SLIP = {"task": "sync", "finding": "3f2a91bc00112233", "state": "proposed"}


def in_sync(cut):
    """What a run of sync leaves: a slip with silence before it, a detached sound, and a marker."""
    cut = edits.strip(cut, tasks=("sync",)).timeline
    return edits.apply(
        cut,
        [
            edits.SlipSound(address(cut, 1, 0), 0.4, SLIP),
            edits.DetachSound(address(cut, 0, 1), 0.4, {**SLIP, "finding": "bbbb000011112222"}),
            edits.AddMarker(
                address(cut, 0, 0), 0.0, 0.04, "late", "late", "YELLOW", {**SLIP, "finding": "aa"}
            ),
        ],
        tasks=("sync",),
    )


def captioned(cut, **options):
    edit = edits.edit_for(caption(cut), **options).edits
    return edits.apply(cut, edit, tasks=("captions",))


@pytest.mark.parametrize("on", ["timeline", "clip"])
def test_the_order_of_the_tasks_makes_no_difference(on: str) -> None:
    cut = simple(start=4)
    one = captioned(in_sync(cut), on=on).to_json_string()
    other = in_sync(captioned(cut, on=on)).to_json_string()
    assert one == other
    assert captioned(in_sync(captioned(in_sync(cut), on=on)), on=on).to_json_string() == one


@pytest.mark.parametrize("on", ["timeline", "clip"])
def test_each_task_takes_back_its_own_work_alone_and_strip_takes_all(on: str) -> None:
    cut = simple(start=4)
    both = captioned(in_sync(cut), on=on)
    only_sync = edits.strip(both, tasks=("captions",)).timeline
    only_captions = edits.strip(both, tasks=("sync",)).timeline
    assert only_sync.to_json_string() == in_sync(cut).to_json_string()
    assert only_captions.to_json_string() == captioned(cut, on=on).to_json_string()
    assert edits.strip(both).timeline.to_json_string() == cut.to_json_string()


def test_tags_alone_tell_whose_work_it_is() -> None:
    cut = simple()
    both = captioned(in_sync(cut))
    for marker in both.tracks.markers:
        del marker.metadata["otio_avassist"]
    for each in both.tracks:
        each.metadata.pop("otio_avassist", None)
    names = [marker.name for marker in edits.strip(both, tasks=("captions",)).timeline.tracks.markers]
    assert [name.startswith("late") for name in names] == [True]
    without_sync = edits.strip(both, tasks=("sync",)).timeline
    assert [marker.name for marker in without_sync.tracks.markers] == ["dog barks"]
    assert len(without_sync.tracks) == 2


# The road, with a task that sees the same in every shot


def tell(shots, bundle, options, progress, store):
    for shot in shots:
        lead: Shot = shot.lead
        third_s = lead.duration_s / 3
        start_s = lead.record_start_s + third_s
        yield CaptionFinding(
            shot, start_s, start_s + third_s, lead.start_s + third_s, "Something happens.", "something",
            "event", "seen", 0.5,
        )  # fmt: skip


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch):
    """The pipeline with media everywhere and a task of captions that needs no network."""
    card = SimpleNamespace(network="teller")
    network = SimpleNamespace(card=card, sha256="0" * 64, device="cpu", needs={})
    task = SimpleNamespace(Options=captions.Options, analyse=tell)
    monkeypatch.setitem(pipeline.TASKS, "captions", task)
    monkeypatch.setitem(pipeline._OPEN, "captions", lambda settings: network)
    monkeypatch.setattr(pipeline, "_locator", lambda settings: Everywhere())
    monkeypatch.setattr(pipeline.windows, "probe", probe)
    return pipeline


@pytest.mark.parametrize("on", ["timeline", "clip"])
@pytest.mark.parametrize("entry", [entry["file"] for entry in entries()])
def test_of_a_timeline_that_an_editor_wrote_nothing_but_markers_changes(
    shared: Path, entry: str, on: str, road
) -> None:
    from otio_avassist import files

    try:
        root = files.read(str(shared / "timelines" / entry))
    except TimelineError as error:
        pytest.skip(f"OpenTimelineIO doesn't read it here: {error}")
    settings_ = pipeline.Settings(tasks=("captions",), captions=captions.Options(on=on))
    before = root.to_json_string()
    done = road.assist(root, settings_)
    assert root.to_json_string() == before
    mended = done.timeline.to_json_string()
    assert without_markers(json.loads(before)) == without_markers(json.loads(mended))
    again = road.assist(done.timeline, settings_, sidecar=done.sidecar)
    assert again.timeline.to_json_string() == mended
    assert again.sidecar == done.sidecar
    assert edits.strip(done.timeline).timeline.to_json_string() == before
    ours = list(marker_items(done.timeline))
    assert bool(ours) == bool(done.report.findings)
    for item, marker in ours:
        start, length = frames_of(marker)
        assert (start, length) == (round(start), round(length))
        assert length >= 1
        if isinstance(item, otio.schema.Clip) and item.source_range is not None:
            assert within(marker.marked_range, item.source_range)


def marker_items(root):
    from otio_avassist import traces

    for item in traces.everything(root):
        for marker in getattr(item, "markers", ()):
            if traces.task_of(marker) == "captions":
                yield item, marker


def within(inner: TimeRange, outer: TimeRange) -> bool:
    """But for the fraction of a frame by which a range may start late; an empty frame is still a frame."""
    start = inner.start_time.value - outer.start_time.value
    end = start + inner.duration.value - outer.duration.value_rescaled_to(inner.duration.rate)
    return start > -1e-3 and end < 1 + 1e-3
