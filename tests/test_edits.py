"""Edits change what they name and nothing else, and everything can be taken back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otio_avassist import edits, places, spans
from otio_avassist.errors import TimelineError
from tests.cuts import (
    address,
    clip,
    dissolve,
    finding,
    gap,
    record_positions,
    simple,
    sounding_at,
    span,
    time_range,
    timeline,
    track,
)

NOTE = {"task": "sync", "finding": "3f2a91bc00112233", "state": "proposed"}
RATES = (23.976, 24.0, 24000 / 1001, 25.0, 29.97, 30.0, 59.94, 48000.0)


def slip(root, *path: int, frames: int = 10, rate: float = 25, **more) -> edits.SlipSound:
    return edits.SlipSound(
        address(root, *path),
        frames / float(places.exact_rate(rate)),
        {**NOTE, **more.pop("note", {})},
        **more,
    )


def json_of(root) -> str:
    return root.to_json_string()


def read_back(root):
    return otio.adapters.read_from_string(json_of(root), "otio_json")


def decide(cut, early_s, **options):
    facts = options.pop("facts", {})
    return edits.edit_for(finding(cut, early_s, **facts), **options)


# What an edit does to the timeline


def test_the_timeline_that_was_given_is_never_touched() -> None:
    cut = simple()
    before = json_of(cut)
    edits.apply(cut, [slip(cut, 1, 0)])
    edits.strip(edits.apply(cut, [slip(cut, 1, 0)]))
    assert json_of(cut) == before


def test_a_slip_changes_one_number_and_our_own_metadata() -> None:
    cut = simple()
    mended = edits.apply(cut, [slip(cut, 1, 0)])
    one, other = json.loads(json_of(cut)), json.loads(json_of(mended))
    sound = other["tracks"]["children"][1]["children"][0]
    assert sound["metadata"].pop("otio_avassist")["finding"] == NOTE["finding"]
    assert sound["source_range"]["start_time"].pop("value") == 90
    one["tracks"]["children"][1]["children"][0]["source_range"]["start_time"].pop("value")
    assert one == other


def test_a_fractional_start_keeps_its_fraction() -> None:
    cut = simple(start=91046.625, available=(91000, 1000))
    mended = edits.apply(cut, [slip(cut, 1, 0)])
    assert mended.tracks[1][0].source_range.start_time.value == 91036.625


@pytest.mark.parametrize("early", [True, False], ids=["early", "late"])
@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("nested", [False, True], ids=["plain", "nested"])
@pytest.mark.parametrize("known_by", ["available range", "span"])
def test_too_little_handle_becomes_silence_and_nothing_else_moves(early, place, nested, known_by) -> None:
    sounds = [clip(f"{name}.wav", 4 if early else 896) for name in "abc"]
    if known_by == "span":
        for each in sounds:
            each.media_reference.available_range = None
    cut = timeline(track("Video", *(clip(f"{name}.mov") for name in "abc")), track("Audio", *sounds))
    if nested:
        inner = otio.schema.Stack("compound", list(cut.tracks.deepcopy()))
        cut = timeline(track("Video", gap(50), inner, clip("d.mov")))
    path = (0, 1, 1, place) if nested else (1, place)
    known = span(cut, *path, media_end_s=40.0) if known_by == "span" else None
    edit = slip(cut, *path, frames=10 if early else -10, span=known)
    mended = edits.apply(cut, [edit])

    name = sounds[place].name
    was, now = record_positions(cut), record_positions(mended)
    start_s, end_s = was.pop(name)
    moved = now.pop(name)
    assert now == was
    assert moved == pytest.approx((start_s + 0.24, end_s) if early else (start_s, end_s - 0.24))
    halfway_s = (start_s + end_s) / 2
    shift_s = sounding_at(mended, name, halfway_s) - sounding_at(cut, name, halfway_s)
    assert shift_s == pytest.approx(-0.4 if early else 0.4)
    assert json_of(edits.strip(mended).timeline) == json_of(cut)


def test_media_that_a_clip_already_overruns_is_made_no_worse() -> None:
    cut = simple(start=-5, available=(0, 1000))
    mended = edits.apply(cut, [slip(cut, 1, 0, frames=3)])
    assert mended.tracks[1][1].source_range == time_range(-5, 97)


def test_a_clip_without_a_range_gets_that_of_its_media_and_loses_it_again() -> None:
    cut = simple()
    cut.tracks[1][0].source_range = None
    mended = edits.apply(cut, [slip(cut, 1, 0, frames=-10)])
    assert mended.tracks[1][0].source_range == time_range(10, 990)
    assert mended.tracks[1][1].duration().value == 10
    assert json_of(edits.strip(mended).timeline) == json_of(cut)


def test_a_clip_that_knows_nothing_of_its_media_goes_by_what_was_seen_of_it() -> None:
    cut = timeline(track("Video", clip("a.mov")), track("Audio", clip("a.wav", available=None)))
    known = span(cut, 1, 0, media_end_s=8.0)
    cut.tracks[1][0].source_range = None
    mended = edits.apply(cut, [slip(cut, 1, 0, frames=-10, span=known)])
    assert mended.tracks[1][0].source_range == time_range(10, 190)
    assert json_of(edits.strip(mended).timeline) == json_of(cut)


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        pytest.param(
            timeline(track("Video", clip("a.mov")), track("Audio", clip("a.wav"), dissolve(), clip("b.wav"))),
            "transition",
            id="beside a transition",
        ),
        pytest.param(simple(start=2, duration=5), "nothing to play", id="no media there"),
        pytest.param(
            otio.schema.Stack("s", [clip("a.mov"), otio.schema.Stack("t", [clip("a.wav", 4)])]),
            "no track",
            id="silence without a track",
        ),
    ],
)
def test_what_cannot_be_slipped_is_refused_in_words(cut, words) -> None:
    with pytest.raises(TimelineError, match=words):
        edits.apply(cut, [slip(cut, 1, 0)])


def test_what_is_to_be_slipped_can_be_though_rounding_takes_a_frame_at_either_end() -> None:
    for tenths in range(70, 100):
        cut = simple(start=0.9, duration=10)
        outcome = edits.edit_for(finding(cut, tenths / 250))
        mended = edits.apply(cut, outcome.edits)
        assert record_positions(mended)["b.wav"] == pytest.approx(record_positions(cut)["b.wav"])


def test_an_address_that_leads_nowhere_is_named() -> None:
    cut = simple()
    edit = replace(slip(cut, 1, 0), address=replace(address(cut, 1, 0), path=(7, 0)))
    with pytest.raises(TimelineError, match="no clip stands where"):
        edits.apply(cut, [edit])


# Markers


def marked(root, *path: int, start_s: float = 4.0, **changes) -> edits.AddMarker:
    edit = edits.AddMarker(
        address(root, *path), start_s, 0.04, "early 384 ms", "b.mov: early", "YELLOW", NOTE
    )
    return replace(edit, **changes)


def test_a_marker_says_the_same_to_every_editor() -> None:
    cut = simple()
    mended = edits.apply(cut, [marked(cut, 0, 1)])
    (marker,) = mended.tracks.markers
    assert marker.marked_range == time_range(100, 1)
    assert marker.name == "early 384 ms [avassist sync 3f2a91bc]"
    assert len(marker.name) <= 40
    assert marker.comment == "b.mov: early [avassist sync 3f2a91bc]"
    assert dict(marker.metadata["Resolve_OTIO"])["Note"] == marker.comment
    assert list(marker.metadata["Resolve_OTIO"]["Keywords"]) == []
    assert marker.color == otio.schema.MarkerColor.YELLOW
    assert marker.metadata["otio_avassist"]["finding"] == NOTE["finding"]


def test_a_long_name_is_cut_before_its_tag() -> None:
    cut = simple()
    (marker,) = edits.apply(cut, [marked(cut, 0, 1, name="a name that goes on and on")]).tracks.markers
    assert len(marker.name) == 40
    assert marker.name.endswith("… [avassist sync 3f2a91bc]")


def test_a_marker_of_a_compound_clip_stands_on_the_timeline() -> None:
    inner = otio.schema.Stack("compound", [track("Video", clip("a.mov"))])
    cut = timeline(track("Video", gap(50), inner))
    mended = edits.apply(cut, [marked(cut, 0, 1, 0, 0, start_s=2.0)])
    assert [marker.marked_range.start_time.value for marker in mended.tracks.markers] == [50]


def test_in_a_collection_the_marker_goes_to_the_clips_own_timeline() -> None:
    both = otio.schema.SerializableCollection("both", [simple(), simple()])
    mended = edits.apply(both, [marked(both, 1, 0, 1)])
    assert [len(each.tracks.markers) for each in mended] == [0, 1]


def test_a_lone_clips_marker_counts_in_source_time_and_a_lone_tracks_from_zero() -> None:
    alone = clip("a.mov", 90054, 100, available=(90000, 1000))
    mended = edits.apply(alone, [marked(alone, start_s=0.4)])
    assert mended.markers[0].marked_range == time_range(90064, 1)
    row = track("Audio", clip("a.wav"), clip("b.wav"))
    assert edits.apply(row, [marked(row, 1)]).markers[0].marked_range == time_range(100, 1)


def test_a_marker_keeps_the_spelling_of_the_timelines_rate() -> None:
    cut = timeline(track("Video", clip("a.mov", rate=23.976)), rate=23.976)
    (marker,) = edits.apply(cut, [marked(cut, 0, 0, start_s=1.0)]).tracks.markers
    assert marker.marked_range == time_range(24, 1, 23.976)


def test_two_channels_of_one_sound_are_marked_once() -> None:
    cut = simple()
    assert len(edits.apply(cut, [marked(cut, 0, 1), marked(cut, 0, 1)]).tracks.markers) == 1


# Detached sound


def detached(root, *path: int, frames: int = 10, **note) -> edits.DetachSound:
    return edits.DetachSound(address(root, *path), frames / 25, {**NOTE, **note})


def test_detached_sound_lies_under_its_picture_on_a_last_track() -> None:
    cut = timeline(track("Video", gap(50), clip("a.mov"), clip("b.mov")))
    mended = edits.apply(cut, [detached(cut, 0, 1), detached(cut, 0, 2, finding="ffff000011112222")])
    new = mended.tracks[-1]
    assert (new.kind, new.name) == ("Audio", "avassist sync 3f2a91bc")
    assert dict(new.metadata["Resolve_OTIO"]) == {"Audio Type": "Stereo", "Locked": False, "SoloOn": False}
    assert [type(each).__name__ for each in new] == ["Gap", "Clip", "Clip"]
    assert [each.range_in_parent() for each in new.find_clips()] == [
        time_range(50, 100),
        time_range(150, 100),
    ]
    assert new[1].source_range == time_range(90, 100)
    assert new[1].media_reference.is_equivalent_to(cut.tracks[0][1].media_reference)
    assert json_of(edits.strip(mended).timeline) == json_of(cut)


def test_detached_sound_of_pictures_one_above_the_other_needs_two_tracks() -> None:
    cut = timeline(track("Video", clip("a.mov")), track("Video", gap(20), clip("b.mov")))
    mended = edits.apply(cut, [detached(cut, 0, 0), detached(cut, 1, 1)])
    assert [len(list(each.find_clips())) for each in mended.tracks] == [1, 1, 1, 1]


def test_detached_sound_with_too_little_handle_starts_later() -> None:
    cut = timeline(track("Video", clip("a.mov", 4)))
    new = edits.apply(cut, [detached(cut, 0, 0)]).tracks[-1]
    assert [each.duration().value for each in new] == [6, 94]
    assert new[1].source_range == time_range(0, 94)


def test_sound_of_a_track_within_a_track_is_detached_onto_the_stack_around_both() -> None:
    inner = track("Video", gap(10), clip("a.mov"))
    inner.source_range = time_range(5, 80)
    cut = timeline(track("Video", gap(50), inner))
    new = edits.apply(cut, [detached(cut, 0, 1, 1)]).tracks[-1]
    assert new.name.startswith("avassist")
    assert new[1].range_in_parent().start_time.value == 55


def test_a_lone_track_has_no_room_for_detached_sound() -> None:
    row = track("Video", clip("a.mov"))
    with pytest.raises(TimelineError, match="no timeline"):
        edits.apply(row, [detached(row, 0)])


# Taking back


def all_kinds(cut) -> list[edits.Edit]:
    return [
        slip(cut, 1, 0),
        marked(cut, 0, 1, note={**NOTE, "finding": "aaaa000011112222"}),
        detached(cut, 0, 1, finding="bbbb000011112222"),
    ]


@pytest.mark.parametrize("start", [100, 4, 91046.625], ids=["room", "too little handle", "fraction"])
def test_strip_gives_back_the_input_to_the_byte_even_after_a_file(start: float) -> None:
    cut = simple(start=start, available=(0, 100_000))
    mended = edits.apply(cut, all_kinds(cut))
    stripped = edits.strip(read_back(mended))
    assert json_of(stripped.timeline) == json_of(cut)
    assert len(stripped.restored) == 3
    assert stripped.could_not == ()


def test_applying_twice_is_applying_once() -> None:
    cut = simple(start=4)
    once = edits.apply(cut, all_kinds(cut))
    assert json_of(edits.apply(once, all_kinds(cut))) == json_of(once)


def test_edits_made_in_a_timeline_itself_are_those_of_its_copy() -> None:
    cut = simple(start=4)
    expected = json_of(edits.apply(cut, all_kinds(cut)))
    edits.make(cut, all_kinds(cut))
    assert json_of(cut) == expected


def test_what_was_moved_is_kept_as_opentimelineio_writes_it() -> None:
    cut = simple(start=4)
    (was,) = edits.moved(edits.apply(cut, [slip(cut, 1, 0)]))
    for each in (was, replace(was, before=None), replace(was, speed=1.5, items=(1, 0))):
        past = json.loads(otio.core.serialize_json_to_string(each.past(), indent=0))
        assert {key: each.to_json()[key] for key in ("before", "after")} == past


def test_another_answer_replaces_the_first_one() -> None:
    cut = simple(start=4)
    first = edits.apply(cut, all_kinds(cut))
    again = edits.apply(first, [slip(cut, 1, 0, frames=-3)])
    assert json_of(again) == json_of(edits.apply(cut, [slip(cut, 1, 0, frames=-3)]))


def test_what_others_made_is_left_alone() -> None:
    cut = simple()
    cut.tracks.markers.append(otio.schema.Marker("mine", time_range(3, 0), "MINT", {"x": None}, "avassist?"))
    cut.tracks[1][1].metadata["Resolve_OTIO"] = {"Link Group ID": 4, "Channels": [None]}
    cut.tracks[0].name = "avassist sync notes"
    cut.tracks[1].insert(1, gap(6))
    mended = edits.apply(cut, all_kinds(cut))
    assert json_of(edits.strip(mended).timeline) == json_of(cut)


def test_a_cut_made_since_stays_and_only_the_slip_is_taken_back() -> None:
    cut = simple()
    mended = edits.apply(cut, [slip(cut, 1, 0)])
    mended.tracks[1][0].source_range = time_range(90 + 20, 60)
    stripped = edits.strip(mended)
    assert stripped.timeline.tracks[1][0].source_range == time_range(100 + 20, 60)


def test_what_a_person_put_back_by_hand_is_not_put_back_twice() -> None:
    cut = simple()
    mended = edits.apply(cut, [slip(cut, 1, 0)])
    mended.tracks[1][0].source_range = time_range(100, 100)
    assert json_of(edits.strip(mended).timeline) == json_of(cut)


def test_a_cut_into_trimmed_sound_stays_and_its_silence_is_told() -> None:
    cut = simple(start=4)
    mended = edits.apply(cut, [slip(cut, 1, 0)])  # 6 frames of silence, then from frame 0
    mended.tracks[1][1].source_range = time_range(30, 50)
    stripped = edits.strip(mended)
    assert stripped.timeline.tracks[1][1].source_range == time_range(40, 50)
    assert any("silence" in line for line in stripped.could_not)


def test_strip_of_an_untouched_timeline_is_the_timeline() -> None:
    cut = simple()
    stripped = edits.strip(cut)
    assert (json_of(stripped.timeline), stripped.restored, stripped.could_not) == (json_of(cut), (), ())


def test_who_only_looks_gets_a_copy_only_of_what_holds_work_of_ours() -> None:
    cut = simple()
    assert edits.strip(cut, to_look=True).timeline is cut
    for edit in (slip(cut, 1, 0), detached(cut, 0, 0)):
        mended = edits.apply(cut, [edit])
        before = json_of(mended)
        assert json_of(edits.strip(mended, to_look=True).timeline) == json_of(cut)
        assert json_of(mended) == before


def test_bytes_that_are_no_text_keep_nothing_from_being_stripped() -> None:
    cut = simple()
    cut.metadata["studio"] = {"by": "Ada"}
    mended = edits.apply(cut, [slip(cut, 1, 0)])
    latin = otio.core.deserialize_json_from_string(json_of(mended).encode().replace(b"Ada", b"\xe4da"))
    with pytest.raises(UnicodeDecodeError):
        json_of(latin)
    assert edits.strip(latin).timeline.tracks[1][0].source_range == cut.tracks[1][0].source_range


def test_gaps_on_one_track_stand_beside_the_clips_they_are_for_in_whichever_order() -> None:
    sounds = [clip(f"{name}.wav", 4) for name in "abc"]
    cut = timeline(track("Video", clip("v.mov")), track("Audio", *sounds))
    wanted = [slip(cut, 1, index) for index in range(3)]
    mended = [edits.apply(cut, order) for order in (wanted, wanted[::-1])]
    assert json_of(mended[0]) == json_of(mended[1])
    names = [each.name if isinstance(each, otio.schema.Clip) else "" for each in mended[0].tracks[1]]
    assert names == ["", "a.wav", "", "b.wav", "", "c.wav"]


def test_sound_that_a_person_put_on_our_track_stays() -> None:
    cut = simple()
    mended = edits.apply(cut, [detached(cut, 0, 0)])
    mended.tracks[-1].append(clip("mine.wav"))
    stripped = edits.strip(mended)
    assert "mine.wav" in [each.name for each in stripped.timeline.find_clips()]
    assert any("mine.wav" in line for line in stripped.could_not)


def test_every_timeline_that_editors_wrote_is_stripped_to_itself(shared: Path) -> None:
    folder = shared / "timelines"
    listed = json.loads((folder / "manifest.json").read_text())
    tried = 0
    for entry in listed:
        if Path(entry["file"]).suffix != ".otio":
            continue
        try:
            root = otio.adapters.read_from_file(str(folder / entry["file"]))
        except otio.exceptions.OTIOError:
            continue  # newer than this OpenTimelineIO
        tried += 1
        assert json_of(edits.strip(root).timeline) == json_of(root)
    assert tried


def test_sounds_of_real_timelines_are_slipped_and_put_back_to_the_byte(shared: Path) -> None:
    folder = shared / "timelines"
    moved = 0
    for entry in json.loads((folder / "manifest.json").read_text()):
        if Path(entry["file"]).suffix != ".otio":
            continue
        try:
            root = otio.adapters.read_from_file(str(folder / entry["file"]))
        except otio.exceptions.OTIOError:
            continue
        positions = [(each.address.path, each.place.at_s) for each in places.walk(root)]
        for seen in places.walk(root):
            if seen.place.kind != "sound" or seen.clip.source_range is None:
                continue
            try:
                mended = edits.apply(root, [edits.SlipSound(seen.address, 0.12, NOTE)])
            except TimelineError:
                continue  # beside a transition, or with no media to play there
            moved += 1
            assert json_of(edits.strip(mended).timeline) == json_of(root)
            kept = [
                each.place.at_s
                for each in places.walk(mended)
                if each.clip.metadata.get("otio_avassist") is None
            ]
            others = [at_s for path, at_s in positions if path != seen.address.path]
            assert kept == pytest.approx(others, nan_ok=True)
            break
    assert moved


# For any numbers


@st.composite
def cuts(draw):
    """A sound track of clips with gaps between, and a slip of one of them."""
    rate = draw(st.sampled_from(RATES))
    children, starts = [], []
    for index in range(draw(st.integers(1, 4))):
        fraction = draw(st.sampled_from([0.0, 0.625, 0.1, 1e-12]))
        start = draw(st.integers(0, 200)) + fraction
        starts.append(len(children))
        duration = draw(st.integers(2, 300))
        children.append(
            clip(f"{index}.wav", start, duration, rate, available=(0, draw(st.integers(50, 600))))
        )
        if draw(st.booleans()):
            children.append(gap(draw(st.integers(1, 50)), rate))
    cut = timeline(track("Video", clip("a.mov", rate=rate)), track("Audio", *children), rate=rate)
    chosen = draw(st.sampled_from(starts))
    return cut, slip(cut, 1, chosen, frames=draw(st.integers(-250, 250)), rate=rate)


@given(cuts())
@settings(max_examples=150, deadline=None)
def test_no_other_clip_ever_moves_and_all_is_taken_back(case) -> None:
    cut, edit = case
    try:
        mended = edits.apply(cut, [edit])
    except TimelineError:
        return
    name = places.resolve(cut, edit.address.path).name
    was, now = record_positions(cut), record_positions(mended)
    start_s, end_s = was.pop(name)
    moved_start_s, moved_end_s = now.pop(name)
    assert now.keys() == was.keys()
    assert all(now[each] == pytest.approx(was[each], abs=1e-9) for each in was)
    assert start_s - 1e-9 <= moved_start_s < moved_end_s <= end_s + 1e-9
    at_s = (moved_start_s + moved_end_s) / 2
    early_s = sounding_at(cut, name, at_s) - sounding_at(mended, name, at_s)
    assert early_s == pytest.approx(edit.read_earlier_by_s, abs=1e-6)
    assert json_of(edits.strip(mended).timeline) == json_of(cut)
    # OpenTimelineIO's JSON reader is off by the last bit of some numbers, whoever wrote them.
    assert json_of(edits.strip(read_back(mended)).timeline) == json_of(read_back(cut))
    assert json_of(edits.apply(mended, [edit])) == json_of(mended)


@given(cuts())
@settings(max_examples=100, deadline=None)
def test_a_slip_never_reads_beyond_media_that_was_enough(case) -> None:
    cut, edit = case
    before = places.resolve(cut, edit.address.path)
    available = before.media_reference.available_range
    if before.source_range.end_time_exclusive() > available.end_time_exclusive():
        return
    try:
        mended = edits.apply(cut, [edit])
    except TimelineError:
        return
    source = next(each for each in mended.find_clips() if each.name == before.name).source_range
    float_noise_s = 1e-9
    over_s = (source.end_time_exclusive() - available.end_time_exclusive()).to_seconds()
    assert (available.start_time - source.start_time).to_seconds() < float_noise_s
    assert over_s < float_noise_s


# As OpenTimelineIO's own tools see it


def test_outputs_verify_and_hold_no_nan_and_no_null_root(tmp_path: Path) -> None:
    cut = simple(start=4)
    mended = edits.apply(cut, [*all_kinds(cut), slip(cut, 1, 1, frames=-10)])
    path = tmp_path / "mended.otio"
    otio.adapters.write_to_file(mended, str(path))
    document = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert document["OTIO_SCHEMA"] == "Timeline.1"
    tool = Path(sys.executable).with_name("otiotool")
    told = subprocess.run(
        [tool, "--input", path, "--verify-ranges"], capture_output=True, text=True, check=True
    ).stdout
    assert told.count("IN BOUNDS") == 5
    assert "OUT OF BOUNDS" not in told


def test_metadata_is_plain_json_and_the_ranges_in_it_are_the_originals() -> None:
    cut = simple(start=91046.625, available=(91000, 1000))
    outcome = decide(cut, 0.384, provenance={"version": "0", "bundle": "net", "bundle_sha256": "00"})
    mended = edits.apply(cut, outcome.edits)
    ours = mended.tracks[1][0].metadata["otio_avassist"]
    kept = json.loads(otio.core.serialize_json_to_string(ours), parse_constant=pytest.fail)
    assert kept["bundle"] == "net"
    assert kept["state"] == "proposed"
    assert kept["left_ms"] == -16.0
    assert kept["before"]["source_range"]["start_time"]["value"] == 91046.625
    assert ours["before"]["source_range"] == cut.tracks[1][0].source_range


def test_the_addresses_are_those_that_spans_gives() -> None:
    assert edits.Address is spans.Address
    cut = simple()
    assert spans.resolve(cut, address(cut, 1, 0).path) is cut.tracks[1][0]
