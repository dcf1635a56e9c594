"""What is sure is mended, what is unsure is marked, and the words say why."""

from __future__ import annotations

import pytest

from otio_avassist import edits, remedies
from otio_avassist.findings import Evidence, Jump
from tests.cuts import caption, clip, dissolve, finding, simple, time_range, timeline, track


def decide(cut, early_s, **options):
    facts = options.pop("facts", {})
    return remedies.edit_for(finding(cut, early_s, **facts), **options)


def test_early_sound_is_read_from_earlier_media() -> None:
    cut = simple()
    outcome = decide(cut, 0.4)
    assert (outcome.action, outcome.slip_frames) == ("slipped", 10)
    mended = edits.apply(cut, outcome.edits)
    assert mended.tracks[1][0].source_range == time_range(90, 100)


def test_late_sound_is_read_from_later_media() -> None:
    cut = simple()
    mended = edits.apply(cut, decide(cut, -0.4).edits)
    assert mended.tracks[1][0].source_range == time_range(110, 100)


def test_what_is_less_than_a_frame_is_told_as_left() -> None:
    outcome = decide(simple(), 0.384)
    assert outcome.slip_frames == 10
    assert outcome.residual_s == pytest.approx(0.384 - 0.4)
    assert outcome.words.startswith("sound early by 9.6 frames (384 ms): beyond acceptability")
    assert "read 10 frames earlier, 16 ms left" in outcome.words


def test_less_than_half_a_frame_is_in_step_and_keeps_its_offset() -> None:
    outcome = decide(simple(), 0.012)
    assert (outcome.action, outcome.edits, outcome.residual_s) == ("in step", (), 0.012)


def test_no_answer_changes_nothing_and_says_what_the_rungs_said() -> None:
    facts = {"evidence": (Evidence("clap", None, 0.0, "nothing strikes"),), "method": "none"}
    outcome = decide(simple(), None, facts=facts)
    assert (outcome.action, outcome.edits) == ("abstained", ())
    assert "nothing strikes" in outcome.words


@pytest.mark.parametrize(
    ("early_s", "facts", "why"),
    [
        pytest.param(0.4, {"confidence": 0.6}, "0.6 is below 0.8", id="low confidence"),
        pytest.param(0.4, {"doubts": ("two rungs disagree",)}, "two rungs disagree", id="a doubt"),
        pytest.param(0.4, {"drift_ppm": 8000.0}, "drifts by +8000 ppm", id="drift"),
        pytest.param(0.0, {"drift_ppm": 8000.0}, "drifts by +8000 ppm", id="in step at first, then drifting"),
        pytest.param(0.4, {"jumps": (Jump(2.0, -0.2),)}, "jumps at 2.0 s", id="a jump"),
    ],
)
def test_what_is_unsure_is_marked_and_not_moved(early_s, facts, why) -> None:
    cut = simple()
    outcome = decide(cut, early_s, facts=facts)
    assert outcome.action == "marked"
    assert [type(edit) for edit in outcome.edits] == [remedies.AddMarker]
    assert why in outcome.words
    assert edits.apply(cut, outcome.edits).tracks[1][0].source_range == cut.tracks[1][0].source_range


def test_a_drift_too_small_to_hear_does_not_stop_a_slip() -> None:
    assert decide(simple(), 2.0, facts={"drift_ppm": 145.0}).action == "slipped"


def test_with_propose_all_is_only_marked() -> None:
    outcome = decide(simple(), 0.4, propose=True)
    assert outcome.action == "marked"
    assert "as asked" in outcome.words


def test_a_persons_yes_slips_what_is_unsure_and_their_no_leaves_what_is_sure() -> None:
    cut = simple()
    unsure = {"confidence": 0.3, "doubts": ("thin",)}
    accepted = decide(cut, 0.4, facts=unsure, decision="accepted", propose=True)
    assert accepted.action == "slipped"
    assert accepted.edits[0].note["state"] == "accepted"
    rejected = decide(cut, 0.4, decision="rejected")
    assert (rejected.action, rejected.edits) == ("rejected", ())


def test_not_even_a_yes_moves_sound_beside_a_transition() -> None:
    cut = timeline(track("Video", clip("a.mov")), track("Audio", clip("a.wav"), dissolve(), clip("b.wav")))
    outcome = decide(cut, 0.4, decision="accepted")
    assert outcome.action == "marked"
    assert "transition" in outcome.words


def test_media_too_short_for_any_of_the_slip_is_marked() -> None:
    outcome = decide(simple(start=0), 4.0)
    assert outcome.action == "marked"
    assert "nothing to play" in outcome.words


def test_sound_in_the_pictures_own_clip_is_marked_and_with_detach_gets_its_own() -> None:
    cut = simple()
    own = {"sound": (0, 0)}
    marked = decide(cut, 0.4, facts=own)
    assert marked.action == "marked"
    assert "--detach" in marked.words
    detached = decide(cut, 0.4, facts=own, detach=True)
    assert (detached.action, detached.slip_frames) == ("detached", 10)
    assert isinstance(detached.edits[0], remedies.DetachSound)


def test_a_lone_tracks_sound_is_marked_since_nothing_could_hold_it_detached() -> None:
    row = track("Video", clip("a.mov"))
    outcome = remedies.edit_for(finding(row, 0.4, (0,), (0,)), detach=True)
    assert outcome.action == "marked"
    assert "no timeline" in outcome.words


def test_a_sound_that_counts_in_samples_is_slipped_in_frames_of_its_picture() -> None:
    cut = timeline(
        track("Video", clip("a.mov")),
        track("Audio", clip("a.wav", 96000, 192000, 48000, available=(0, 960000))),
    )
    outcome = decide(cut, 0.384)
    assert outcome.slip_frames == 10
    mended = edits.apply(cut, outcome.edits)
    assert mended.tracks[1][0].source_range == time_range(96000 - 19200, 192000, 48000)


@pytest.mark.parametrize("confidence", [0.0, 0.3, 0.95])
def test_a_caption_is_laid_however_sure_it_is_since_its_task_has_left_out_what_it_is_not(confidence) -> None:
    outcome = remedies.edit_for(caption(simple(), confidence=confidence), min_confidence=0.8, propose=True)
    assert (outcome.action, outcome.words) == ("captioned", "A dog barks twice.")
    (marker,) = outcome.edits
    assert (marker.start_s, marker.duration_s) == (1.0, 1.0)
    assert marker.note["confidence"] == confidence


def test_a_caption_that_a_person_rejected_is_not_laid() -> None:
    outcome = remedies.edit_for(caption(simple()), decision="rejected")
    assert (outcome.action, outcome.edits) == ("rejected", ())


def test_a_persons_wording_is_laid_instead_of_the_networks() -> None:
    outcome = remedies.edit_for(caption(simple()), decision="accepted", text="Rex barks at the postman.")
    (marker,) = outcome.edits
    assert marker.comment == marker.note["text"] == outcome.words == "Rex barks at the postman."
    assert marker.name.startswith("Rex barks")
    assert marker.note["state"] == "accepted"


UNKNOWN = {"evidence": (Evidence("clap", None, 0.0, "nothing strikes"),), "method": "none", "confidence": 0.0}


def test_a_yes_to_no_answer_moves_nothing() -> None:
    outcome = decide(simple(), None, decision="accepted", facts=UNKNOWN)
    assert (outcome.action, outcome.edits) == ("abstained", ())


def test_an_offset_that_a_person_set_is_mended_however_little_was_known() -> None:
    cut = simple()
    outcome = remedies.edit_for(finding(cut, None, **UNKNOWN), decision="accepted", early_s=0.2)
    assert (outcome.action, outcome.slip_frames) == ("slipped", 5)
    assert edits.apply(cut, outcome.edits).tracks[1][0].source_range == time_range(95, 100)


@pytest.mark.parametrize("decision", ["proposed", "rejected"])
def test_an_offset_that_a_person_set_and_took_back_moves_nothing(decision: str) -> None:
    outcome = remedies.edit_for(finding(simple(), None, **UNKNOWN), decision=decision, early_s=0.2)
    assert outcome.edits == ()


def test_a_person_may_set_that_sound_is_in_step() -> None:
    outcome = remedies.edit_for(finding(simple(), 0.4), decision="accepted", early_s=0.0)
    assert (outcome.action, outcome.edits) == ("in step", ())
