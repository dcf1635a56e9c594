"""A timeline goes through an editor and comes back: our work is found again, and decisions hold.

The editor that is played here does what was seen of real ones: it drops metadata that it doesn't know,
gives clips new names, rounds ranges by a frame, melts gaps that touch, and keeps names of tracks and all
words of markers.
"""

from __future__ import annotations

import math

import opentimelineio as otio
import pytest

from otio_avassist import edits, places, review, traces
from otio_avassist.pipeline import Line
from tests.cuts import caption, clip, finding, gap, record_positions, time_range, timeline, track

SOUNDS = {
    "slipped": (0.4, 0.97),
    "trimmed": (0.4, 0.97),
    "unsure": (-0.2, 0.3),
    "rejected": (0.2, 0.97),
    "in step": (0.0, 0.97),
}
"""What is found of each recording: `audio_early_s`, and how sure."""


def a_cut() -> otio.schema.Timeline:
    pictures = [clip(f"{name}.mov", 200) for name in SOUNDS]
    starts = {"slipped": 100.625, "trimmed": 4}
    sounds = [clip(f"{name}.wav", starts.get(name, 100)) for name in SOUNDS]
    sounds.insert(1, gap(20))
    pictures.insert(1, gap(20))
    alone = timeline(track("Video", *pictures, clip("own.mov")), track("Audio", *sounds))
    alone.metadata["Resolve_OTIO"] = {"Resolve OTIO Meta Version": "1.0"}
    return alone


def run(root, sidecar=None, rejecting: str | None = None):
    """Look, decide, and mend, as the pipeline does it: (timeline, sidecar, lines)."""
    original = edits.strip(root, sidecar).timeline
    decisions = review.decisions(root, sidecar)
    media = {places.media_name(each): each for each in original.find_clips()}

    def path_of(name: str) -> tuple[int, ...]:
        row = media[name].parent()
        return list(original.tracks).index(row), next(i for i, each in enumerate(row) if each is media[name])

    lines = []
    for name, (early_s, confidence) in SOUNDS.items():
        paths = path_of(f"{name}.mov"), path_of(f"{name}.wav")
        found = finding(original, early_s, *paths, confidence=confidence)
        state = decisions.state_of(found)
        lines.append(Line(found, edits.edit_for(found, decision=state), state))
    own = finding(original, 0.32, path_of("own.mov"), path_of("own.mov"))
    lines.append(Line(own, edits.edit_for(own, detach=True), decisions.state_of(own)))
    mended = edits.apply(original, [edit for line in lines for edit in line.outcome.edits])
    return *review.remember(mended, root, sidecar, lines), lines


def through_an_editor(root, *, rounding: float = 0.0, melting: bool = False):
    """What an editor's export would hold of `root`."""
    back = root.deepcopy()
    for item in traces.everything(back):
        for key in [key for key in item.metadata if key != "Resolve_OTIO"]:
            del item.metadata[key]
    for number, each in enumerate(back.find_clips()):
        each.name = f"Clip {number}"
        start, duration = each.source_range.start_time, each.source_range.duration
        each.source_range = time_range(round(start.value + rounding), round(duration.value))
    if melting:
        for row in back.tracks:
            melt(row)
    return otio.adapters.read_from_string(back.to_json_string(), "otio_json")


def melt(row: otio.schema.Track) -> None:
    for index in reversed(range(1, len(row))):
        one, other = row[index - 1], row[index]
        if isinstance(one, otio.schema.Gap) and isinstance(other, otio.schema.Gap):
            one.source_range = time_range(0, one.duration().value + other.duration().value)
            del row[index]


def starts(root) -> dict[str, float]:
    return {places.media_name(each): each.source_range.start_time.value for each in root.find_clips()}


def positions(root) -> list[float]:
    """Where all clips begin and end, names aside."""
    return sorted(edge_s for edges in record_positions(root).values() for edge_s in edges)


@pytest.fixture
def first():
    """(timeline, sidecar) after a first run in which a person rejected one finding."""
    cut = a_cut()
    mended, sidecar, lines = run(cut)
    rejected = next(line.finding for line in lines if "rejected" in line.finding.shot.lead.address.clip)
    mended, sidecar, _ = run(review.decide(mended, rejected.id, "rejected", "Ada"), sidecar)
    assert starts(mended)["rejected.wav"] == 100
    return mended, sidecar


EDITORS = pytest.mark.parametrize(
    "editor",
    [
        pytest.param({}, id="drops metadata, renames"),
        pytest.param({"rounding": 1.0}, id="a frame later"),
        pytest.param({"rounding": -0.9}, id="a frame earlier"),
        pytest.param({"melting": True}, id="melts gaps"),
    ],
)


@EDITORS
def test_a_second_run_replaces_its_own_work(first, editor) -> None:
    mended, sidecar = first
    back = through_an_editor(mended, **editor)
    again, _, lines = run(back, sidecar)
    assert len(again.tracks.markers) == len(mended.tracks.markers) == 1
    assert len(again.tracks) == len(mended.tracks) == 3
    assert [line.outcome.action for line in lines] == [
        "slipped", "slipped", "marked", "rejected", "in step", "detached",
    ]  # fmt: skip
    for name, start in starts(mended).items():
        assert starts(again)[name] == pytest.approx(start, abs=1.0)


@EDITORS
def test_what_was_rejected_stays_rejected(first, editor) -> None:
    mended, sidecar = first
    again, sidecar, _ = run(through_an_editor(mended, **editor), sidecar)
    once_more, _, lines = run(through_an_editor(again, **editor), sidecar)
    assert [line.state for line in lines].count("rejected") == 1
    assert lines[3].outcome.action == "rejected"
    assert starts(once_more)["rejected.wav"] == pytest.approx(100, abs=2)


@EDITORS
def test_strip_restores_from_the_sidecar(first, editor) -> None:
    mended, sidecar = first
    back = through_an_editor(mended, **editor)
    stripped = edits.strip(back, sidecar)
    assert stripped.could_not == ()
    was = starts(a_cut())
    for name, start in starts(stripped.timeline).items():
        assert start == pytest.approx(was[name], abs=1.0)
    assert starts(stripped.timeline)["slipped.wav"] == 100.625
    assert len(stripped.timeline.tracks) == 2
    assert len(stripped.timeline.tracks.markers) == 0
    assert positions(stripped.timeline) == pytest.approx(positions(a_cut()))


def test_exactly_kept_ranges_are_restored_exactly(first) -> None:
    mended, sidecar = first
    for item in traces.everything(mended):
        if "otio_avassist" in item.metadata:
            del item.metadata["otio_avassist"]
    stripped = edits.strip(mended, sidecar)
    assert stripped.timeline.to_json_string() == a_cut().to_json_string()


def test_without_a_sidecar_markers_and_tracks_still_go_by_their_tags(first) -> None:
    back = through_an_editor(first[0])
    stripped = edits.strip(back)
    assert len(stripped.timeline.tracks.markers) == 0
    assert len(stripped.timeline.tracks) == 2


def test_marker_words_are_enough_wherever_the_editor_keeps_them(first) -> None:
    for keeping in ("name", "comment", "note"):
        back = through_an_editor(first[0])
        for marker in back.tracks.markers:
            marker.name = marker.name if keeping == "name" else "Marker 1"
            marker.comment = marker.comment if keeping == "comment" else ""
            if keeping != "note":
                del marker.metadata["Resolve_OTIO"]
        assert len(edits.strip(back).timeline.tracks.markers) == 0


def test_what_a_person_changed_since_is_told_and_left(first) -> None:
    mended, sidecar = first
    back = through_an_editor(mended)
    by_media = {places.media_name(each): each for each in back.find_clips()}
    gone = by_media["slipped.wav"]
    gone.parent().remove(gone)
    cut_into = by_media["trimmed.wav"]
    cut_into.source_range = time_range(30, 40)
    stripped = edits.strip(back, sidecar)
    assert {places.media_name(each) for each in stripped.timeline.find_clips()} >= {"trimmed.wav"}
    assert starts(stripped.timeline)["trimmed.wav"] == 30
    told = " ".join(stripped.could_not)
    assert "slipped.wav" in told
    assert "trimmed.wav" in told
    assert "cut, moved or gone since" in told


def test_the_untouched_input_beside_an_old_sidecar_is_left_as_it_is(first) -> None:
    _, sidecar = first
    stripped = edits.strip(a_cut(), sidecar)
    assert stripped.timeline.to_json_string() == a_cut().to_json_string()
    assert stripped.restored == stripped.could_not == ()


def test_the_untouched_input_is_left_even_where_all_of_the_slip_became_silence() -> None:
    cut = timeline(track("Video", clip("a.mov")), track("Audio", clip("a.wav", 0)))
    found = finding(cut, 0.4)
    line = Line(found, edits.edit_for(found), "proposed")
    mended, sidecar = review.remember(edits.apply(cut, line.outcome.edits), cut, None, [line])
    assert edits.strip(cut, sidecar).timeline.to_json_string() == cut.to_json_string()
    back = edits.strip(through_an_editor(mended), sidecar).timeline
    assert back.tracks[1][0].source_range == time_range(0, 100)


def test_sound_of_the_pictures_own_file_is_told_from_its_picture() -> None:
    cut = timeline(
        track("Video", clip("a.mov")), track("Audio", clip("a.mov")), track("Audio", clip("a.mov"))
    )
    found = finding(cut, 0.4, sound=(2, 0))
    line = Line(found, edits.edit_for(found), "proposed")
    mended, sidecar = review.remember(edits.apply(cut, line.outcome.edits), cut, None, [line])
    back = through_an_editor(mended)
    assert [row[0].source_range.start_time.value for row in back.tracks] == [100, 100, 90]
    stripped = edits.strip(back, sidecar)
    assert [row[0].source_range.start_time.value for row in stripped.timeline.tracks] == [100, 100, 100]


def test_what_others_put_on_our_nameless_track_is_kept(first) -> None:
    mended, sidecar = first
    back = through_an_editor(mended)
    back.tracks[-1].append(clip("mine.wav"))
    stripped = edits.strip(back, sidecar)
    assert "mine.wav" in starts(stripped.timeline)
    assert any("mine.wav" in line for line in stripped.could_not)


def test_another_use_of_the_same_media_is_not_taken_for_ours(first) -> None:
    mended, sidecar = first
    back = through_an_editor(mended)
    # Reads the very frames that our slip reads, far from where the slipped clip stands.
    back.tracks[1].append(clip("slipped.wav", 91))
    stripped = edits.strip(back, sidecar)
    read_from = [
        each.source_range.start_time.value
        for each in stripped.timeline.find_clips()
        if places.media_name(each) == "slipped.wav"
    ]
    assert read_from == [pytest.approx(100.625, abs=1), 91]


# Captions


@pytest.fixture(params=["timeline", "clip"])
def told(request):
    """(timeline, sidecar, found) after a run of captions over what a run of sync has mended."""
    cut = timeline(
        track("Video", clip("a.mov"), clip("b.mov")), track("Audio", clip("a.wav", 4), clip("b.wav"))
    )
    slip = finding(cut, 0.4)
    line = Line(slip, edits.edit_for(slip), "proposed")
    mended, sidecar = review.remember(
        edits.apply(cut, line.outcome.edits), cut, None, [line], tasks=("sync",)
    )
    return cut, *tell(mended, sidecar, request.param), request.param


def tell(root, sidecar, on):
    """A run of captions: (timeline, sidecar)."""
    original = edits.strip(root, sidecar, tasks=("captions",)).timeline
    founds = [caption(original, 1.0, 2.0), caption(original, 5.0, 5.5, "A door shuts.", (0, 1), name="door")]
    decisions = review.decisions(root, sidecar)
    lines = [
        Line(each, edits.edit_for(each, on=on, decision=decisions.state_of(each)), decisions.state_of(each))
        for each in founds
    ]
    changes = [edit for line in lines for edit in line.outcome.edits]
    mended = edits.apply(original, changes, tasks=("captions",))
    return review.remember(mended, root, sidecar, lines, tasks=("captions",))


def names(root) -> list[str]:
    return sorted(marker.name for each in traces.everything(root) for marker in getattr(each, "markers", ()))


@pytest.mark.parametrize("keeping", ["comment", "note", "name"])
def test_captions_are_known_again_by_whatever_words_an_editor_keeps(told, keeping: str) -> None:
    _, mended, sidecar, on = told
    back = through_an_editor(mended)
    for each in traces.everything(back):
        for marker in getattr(each, "markers", ()):
            marker.name = marker.name if keeping == "name" else "Marker 1"
            marker.comment = marker.comment if keeping == "comment" else ""
            if keeping != "note":
                del marker.metadata["Resolve_OTIO"]
    again, _ = tell(back, sidecar, on)
    assert names(again) == ["dog barks", "door"]
    assert names(edits.strip(back, sidecar).timeline) == []


def test_captions_leave_the_slip_where_it_is_though_an_editor_has_dropped_whose_it_was(told) -> None:
    cut, mended, sidecar, on = told
    again, sidecar = tell(through_an_editor(mended), sidecar, on)
    assert starts(again)["a.wav"] == starts(mended)["a.wav"] == 0
    stripped = edits.strip(again, sidecar)
    assert starts(stripped.timeline) == starts(cut)
    assert stripped.could_not == ()
    assert names(stripped.timeline) == []


def test_a_marker_of_somebody_else_is_not_taken_for_a_caption(told) -> None:
    _, mended, sidecar, on = told
    mended.tracks.markers.append(otio.schema.Marker("dog barks", time_range(80, 1)))
    again, _ = tell(through_an_editor(mended), sidecar, on)
    assert names(again) == ["dog barks", "dog barks", "door"]


def test_strip_goes_on_where_nobody_can_say_where_a_clip_stands(first) -> None:
    mended, sidecar = first
    back = through_an_editor(mended)
    for row in back.tracks:
        row.insert(0, gap(math.nan))
    stripped = edits.strip(back, sidecar)
    assert starts(stripped.timeline)["slipped.wav"] == 100.625
