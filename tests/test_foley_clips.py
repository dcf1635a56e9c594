"""Sounds that were made stand on a track of their own, on the very frame, and touch nothing else."""

from __future__ import annotations

import json
from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentimelineio.opentime import RationalTime

from otio_avassist import edits, places, review
from otio_avassist.errors import TimelineError
from otio_avassist.findings import FoleyFinding
from otio_avassist.pipeline import Line
from tests.cuts import (
    address,
    caption,
    clip,
    foley,
    gap,
    record_positions,
    simple,
    take,
    time_range,
    timeline,
    track,
)
from tests.test_after_an_editor import through_an_editor
from tests.test_caption_markers import RATES


def laid(root, *found: FoleyFinding, **options):
    """`root` with the clips of these sounds, and nothing else of foley."""
    changes = [edit for one in found for edit in edits.edit_for(one, **options).edits]
    return edits.apply(root, changes, tasks=("foley",))


def run(root, *founds: FoleyFinding, sidecar=None):
    """The end of the road as the pipeline walks it: (timeline, sidecar, lines)."""
    decisions = review.decisions(root, sidecar)
    lines = []
    for found in founds:
        decision = decisions.of(found) or review.Decision("proposed")
        outcome = edits.edit_for(found, decision=decision.state, take=decision.take)
        lines.append(Line(found, outcome, decision.state))
    original = edits.strip(root, sidecar, tasks=("foley",)).timeline
    mended = edits.apply(original, [edit for line in lines for edit in line.outcome.edits], tasks=("foley",))
    return *review.remember(mended, root, sidecar, lines, tasks=("foley",)), lines


def sounds(root) -> list[tuple[float, float]]:
    """Where each clip of foley stands, in seconds to the microsecond."""
    return [
        (round(each.place.at_s, 6), round(each.place.at_s + each.duration_s, 6))
        for each in places.walk(root)
        if each.address.track.startswith("avassist foley")
    ]


def playing(root) -> list[str]:
    return [
        places.media_name(each.clip)
        for each in places.walk(root)
        if each.address.track.startswith("avassist foley")
    ]


def test_a_sound_is_a_clip_with_a_take_to_play_and_others_to_choose() -> None:
    cut = simple()
    row = laid(cut, foley(cut)).tracks[-1]
    assert (row.kind, row.name[:15]) == ("Audio", "avassist foley ")
    assert dict(row.metadata["Resolve_OTIO"]) == {"Audio Type": "Mono", "Locked": False, "SoloOn": False}
    silence, sound = row
    assert silence.duration() == RationalTime(25, 25)
    assert sound.source_range == time_range(0, 25)
    assert sound.name == "rain"
    references = sound.media_references()
    assert list(references) == ["DEFAULT_MEDIA", "take 2"]
    assert [each.target_url for each in references.values()] == [
        "/project/cut.foley/foley_rain_000000000001.wav",
        "/project/cut.foley/foley_rain_000000000002.wav",
    ]
    assert all(each.available_range == time_range(0, 25) for each in references.values())
    assert "Link Group ID" not in sound.metadata["Resolve_OTIO"]
    ours = sound.metadata["otio_avassist"]
    assert (ours["task"], ours["sound"], ours["state"]) == ("foley", "rain", "proposed")
    assert [each["seed"] for each in ours["takes"]] == [1, 2]


@st.composite
def stretches(draw):
    """(cut, first frame of a stretch, its frames, finding); its clip stands some way into the cut."""
    spelt = draw(st.sampled_from(sorted(RATES)))
    rate = RATES[spelt]
    before, length = draw(st.integers(0, 100_000)), draw(st.integers(3, 5000))
    cut = timeline(
        track("Video", gap(before, spelt), clip("a.mov", 90_054, length, spelt, available=(90_054, length))),
        rate=spelt,
    )
    first = draw(st.integers(0, length - 1))
    count = draw(st.integers(1, length - first))
    start_s, end_s = float((before + first) / rate), float((before + first + count) / rate)
    found = foley(cut, start_s, end_s, (0, 1), takes=draw(st.integers(1, 3)))
    return cut, before + first, count, found


@given(stretches())
@settings(max_examples=150, deadline=None)
def test_a_sound_stands_on_the_very_frames_of_its_stretch_and_nothing_else_changes(case) -> None:
    cut, first, count, found = case
    mended = laid(cut, found)
    row = mended.tracks[-1]
    before = sum(each.duration().value for each in row[:-1])
    assert (before, row[-1].duration().value) == (first, count)
    assert row[-1].source_range.duration.rate == cut.global_start_time.rate
    one, other = (json.loads(each.to_json_string()) for each in (cut, mended))
    del other["tracks"]["children"][-1]
    assert one == other
    assert laid(mended, found).to_json_string() == mended.to_json_string()
    assert edits.strip(mended).timeline.to_json_string() == cut.to_json_string()


@given(stretches(), st.floats(0.2, 1.2))
@settings(max_examples=60, deadline=None)
def test_no_clip_reads_beyond_its_file(case, share: float) -> None:
    cut, _, count, found = case
    rate = RATES[cut.global_start_time.rate]
    exact_s = max(count * share, 1) / float(rate)
    made = foley(cut, found.start_s, found.end_s, (0, 1), takes=0)
    short = laid(cut, FoleyFinding(**{**vars_of(made), "takes": (take(1, exact_s),)}))
    (sound,) = [each for each in short.tracks[-1] if isinstance(each, otio.schema.Clip)]
    assert Fraction(sound.source_range.duration.value) / rate <= exact_s + 1e-6 or count * share < 1
    assert sound.media_reference.available_range.duration >= sound.source_range.duration


def vars_of(found: FoleyFinding) -> dict:
    return {key: value for key, value in vars(found).items() if key != "task"}


def test_sounds_that_overlap_get_further_tracks_and_others_share_one() -> None:
    cut = simple()
    mended = laid(cut, foley(cut, 1.0, 3.0), foley(cut, 2.0, 3.6), foley(cut, 4.0, 5.0, (0, 1)))
    assert len(mended.tracks) == 4
    assert [len(list(row.find_clips())) for row in mended.tracks] == [2, 2, 2, 1]
    assert sorted(sounds(mended)) == [(1.0, 3.0), (2.0, 3.6), (4.0, 5.0)]


def test_a_sound_for_a_compound_clip_stands_on_the_timeline_where_it_is_heard() -> None:
    inner = otio.schema.Stack("compound", [track("Video", clip("a.mov"), clip("b.mov"))])
    inner.source_range = time_range(25, 150)
    cut = timeline(track("Video", gap(50), inner, clip("c.mov")))
    found = foley(cut, 6.0, 7.0, (0, 1, 0, 1))
    mended = laid(cut, found)
    assert len(mended.tracks) == 2
    assert sounds(mended) == [(6.0, 7.0)]
    assert record_positions(mended) == record_positions(cut)


def test_in_a_stack_that_is_cut_a_sound_stands_where_it_is_heard() -> None:
    stack = otio.schema.Stack("cut", [track("Video", clip("a.mov"), clip("b.mov"))])
    stack.source_range = time_range(50, 100)
    mended = laid(stack, foley(stack, 1.0, 2.0))
    assert sounds(mended) == [(1.0, 2.0)]
    assert mended.range_of_child_at_index(1).start_time.value == 0


def test_each_timeline_of_a_collection_gets_its_own_sounds() -> None:
    both = otio.schema.SerializableCollection("reel", [simple(), simple()])
    mended = laid(both, foley(both, picture=(1, 0, 0)))
    assert [len(each.tracks) for each in mended] == [2, 3]


@pytest.mark.parametrize("root", [track("Video", clip("a.mov")), clip("a.mov")], ids=["track", "clip"])
def test_where_no_track_can_stand_it_is_said(root) -> None:
    path = (0,) if isinstance(root, otio.schema.Track) else ()
    with pytest.raises(TimelineError, match="no timeline that could hold a track"):
        laid(root, foley(root, picture=path))


# Beside the work of other tasks


SLIP = {"task": "sync", "finding": "bbbb000011112222", "state": "proposed"}


def detached(root):
    """What a run of sync leaves: a sound on a track of its own."""
    root = edits.strip(root, tasks=("sync",)).timeline
    return edits.apply(root, [edits.DetachSound(address(root, 0, 1), 0.4, SLIP)], tasks=("sync",))


def captioned(root):
    return edits.apply(root, edits.edit_for(caption(root)).edits, tasks=("captions",))


def test_the_order_of_the_tasks_makes_no_difference() -> None:
    cut = simple()
    found = foley(cut)
    one = laid(captioned(detached(cut)), found).to_json_string()
    assert detached(captioned(laid(cut, found))).to_json_string() == one
    assert captioned(laid(detached(laid(cut, found)), found)).to_json_string() == one


def test_each_task_takes_back_its_own_work_alone() -> None:
    cut = simple()
    both = laid(detached(cut), foley(cut))
    assert edits.strip(both, tasks=("foley",)).timeline.to_json_string() == detached(cut).to_json_string()
    assert (
        edits.strip(both, tasks=("sync",)).timeline.to_json_string() == laid(cut, foley(cut)).to_json_string()
    )
    assert edits.strip(both).timeline.to_json_string() == cut.to_json_string()


# Back from an editor


def test_after_an_editor_a_second_run_replaces_its_own_sounds() -> None:
    cut = simple()
    founds = foley(cut), foley(cut, 4.5, 6.0, (0, 1))
    mended, sidecar, _ = run(cut, *founds)
    back = through_an_editor(mended)
    again, sidecar_again, _ = run(back, *founds, sidecar=sidecar)
    assert sounds(again) == sounds(mended)
    assert sidecar_again == sidecar
    assert len(edits.strip(back).timeline.tracks) == len(cut.tracks)


def test_what_others_put_on_our_track_stays_where_it_is_and_our_sounds_go() -> None:
    cut = simple()
    mended = laid(cut, foley(cut))
    mended.tracks[-1].append(clip("mine.wav", 0, 50))
    for back in (mended, through_an_editor(mended)):
        stripped = edits.strip(back, tasks=("foley",))
        row = stripped.timeline.tracks[-1]
        assert [places.media_name(each) for each in row.find_clips()] == ["mine.wav"]
        assert row.range_of_child_at_index(2).start_time.value == 50
        assert "mine.wav" in stripped.could_not[0] or "Clip" in stripped.could_not[0]
        assert sounds(laid(back, foley(cut))) == [(2.0, 4.0), (1.0, 2.0)]


def test_a_sound_that_somebody_moved_to_a_track_of_theirs_is_theirs() -> None:
    cut = simple()
    mended = laid(cut, foley(cut))
    moved = mended.tracks[-1][1].deepcopy()
    mended.tracks[1].append(moved)
    stripped = edits.strip(mended, tasks=("foley",)).timeline
    assert "rain" in [each.name for each in stripped.tracks[1]]


# What a person decided


def test_what_was_rejected_is_not_laid_again() -> None:
    cut = simple()
    found = foley(cut)
    mended, sidecar, _ = run(cut, found)
    decided = review.decide(mended, found.id, "rejected", "Ada")
    again, sidecar, lines = run(decided, found, sidecar=sidecar)
    assert lines[0].outcome.action == "rejected"
    assert len(again.tracks) == len(cut.tracks)
    back, _, lines = run(through_an_editor(again), found, sidecar=sidecar)
    assert (lines[0].state, len(back.tracks)) == ("rejected", len(cut.tracks))


def test_the_take_that_a_person_chose_plays_after_later_runs_too() -> None:
    cut = simple()
    found = foley(cut, takes=3)
    mended, sidecar, _ = run(cut, found)
    second = found.takes[1].name
    decided = review.decide(mended, found.id, "accepted", "Ada", take=second)
    again, sidecar, _ = run(decided, found, sidecar=sidecar)
    assert playing(again) == [second]
    assert list(again.tracks[-1][1].media_references()) == ["DEFAULT_MEDIA", "take 2", "take 3"]
    # Nothing but the sidecar knows of it any more.
    once_more, _, lines = run(through_an_editor(again), found, sidecar=sidecar)
    assert playing(once_more) == [second]
    assert (lines[0].state, "chosen by a person" in lines[0].outcome.words) == ("accepted", True)


@pytest.mark.parametrize("editor", ["keeps metadata", "drops metadata"])
def test_the_take_that_a_clip_plays_in_an_editor_is_a_choice(editor: str) -> None:
    cut = simple()
    found = foley(cut, takes=3)
    mended, sidecar, _ = run(cut, found)
    mended.tracks[-1][1].active_media_reference_key = "take 3"
    back = through_an_editor(mended) if editor == "drops metadata" else mended
    again, sidecar, lines = run(back, found, sidecar=sidecar)
    assert playing(again) == [found.takes[2].name]
    assert lines[0].state == "accepted"
    once_more, _, _ = run(again, found, sidecar=sidecar)
    assert once_more.to_json_string() == again.to_json_string()
    # And may be taken back in the same way.
    again.tracks[-1][1].active_media_reference_key = "take 2"
    other, _, _ = run(again, found, sidecar=sidecar)
    assert playing(other) == [places.media_name(again.tracks[-1][1])] == [found.takes[0].name]


def test_a_decision_is_found_again_though_an_editor_has_moved_the_cut_by_a_frame() -> None:
    cut = simple()
    mended, sidecar, _ = run(cut, foley(cut, 1.0, 2.0))
    decided = review.decide(mended, foley(cut).id, "rejected")
    _, sidecar, _ = run(decided, foley(cut, 1.0, 2.0), sidecar=sidecar)
    shifted = foley(cut, 1.06, 2.0)
    assert shifted.id != foley(cut).id
    _, _, lines = run(cut, shifted, sidecar=sidecar)
    assert lines[0].state == "rejected"


def test_where_nothing_was_made_it_is_said_why() -> None:
    cut = simple()
    found = foley(cut, takes=0, sound="helicopter", doubts=("not among the sounds it was trained on",))
    outcome = edits.edit_for(found)
    assert (outcome.action, outcome.edits) == ("abstained", ())
    assert outcome.words == "helicopter: not among the sounds it was trained on"
