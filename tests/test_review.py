"""What a person decided is kept, found again, and acted on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from otio_avassist import edits, places, review
from otio_avassist.errors import OutputError, TimelineError, UsageError
from otio_avassist.findings import Finding
from otio_avassist.pipeline import Line
from tests.cuts import caption, clip, finding, simple, timeline, track


def run(root, *founds: Finding, sidecar=None, tasks=("sync",)):
    """The end of the road as the pipeline walks it: (timeline, sidecar)."""
    decisions = review.decisions(root, sidecar)
    lines = [decided(found, decisions.of(found)) for found in founds]
    original = edits.strip(root, sidecar, tasks=tasks).timeline
    changes = [edit for each in lines for edit in each.outcome.edits]
    mended = edits.apply(original, changes, tasks=tasks)
    return review.remember(mended, root, sidecar, lines, tasks=tasks)


def decided(found: Finding, decision: review.Decision | None) -> Line:
    decision = decision or review.Decision("proposed")
    outcome = edits.edit_for(found, decision=decision.state, text=decision.text)
    return Line(found, outcome, decision.state)


def caption_run(root, *founds: Finding, sidecar=None):
    return run(root, *founds, sidecar=sidecar, tasks=("captions",))


def test_nobody_has_decided_what_nobody_has_seen() -> None:
    cut = simple()
    assert review.decisions(cut).state_of(finding(cut, 0.4)) == "proposed"


@pytest.mark.parametrize("state", review.STATES)
def test_a_decision_stands_in_a_copy_of_the_timeline(state: str) -> None:
    cut = simple()
    before = cut.to_json_string()
    found = finding(cut, 0.4)
    decided = review.decide(cut, found.id, state, "Ada", "2026-11-23T03:00:00Z")
    assert cut.to_json_string() == before
    assert review.decisions(decided).state_of(found) == state
    assert review.decisions(decided).of(found) == review.Decision(state, "Ada", "2026-11-23T03:00:00Z")


@pytest.mark.parametrize(
    "root",
    [
        pytest.param(simple(), id="timeline"),
        pytest.param(simple().tracks.deepcopy(), id="stack"),
        pytest.param(track("Audio", clip("a.wav")), id="track"),
        pytest.param(clip("a.wav"), id="clip"),
    ],
)
def test_any_root_can_hold_decisions_and_strip_takes_them_away(root) -> None:
    decided = review.decide(root, "3f2a", "rejected")
    assert review.decisions(decided).by_id == {"3f2a": review.Decision("rejected")}
    assert edits.strip(decided).timeline.to_json_string() == root.to_json_string()


def test_a_slipped_lone_clip_keeps_its_own_past_beside_decisions() -> None:
    alone = clip("a.wav")
    address = next(iter(places.walk(alone))).address
    slipped = edits.apply(alone, [edits.SlipSound(address, 0.4, {"task": "sync", "finding": "3f2a"})])
    decided = review.decide(slipped, "3f2a", "accepted")
    assert edits.strip(decided).timeline.to_json_string() == alone.to_json_string()
    again = edits.apply(decided, [])
    assert again.source_range == alone.source_range
    assert review.decisions(again).by_id == {"3f2a": review.Decision("accepted")}


def test_a_state_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UsageError, match="proposed, accepted, rejected"):
        review.decide(simple(), "3f2a", "perhaps")


def test_what_was_rejected_stays_rejected_and_its_slip_is_taken_back() -> None:
    cut = simple()
    found = finding(cut, 0.4)
    mended, sidecar = run(cut, found)
    assert mended.tracks[1][0].source_range != cut.tracks[1][0].source_range
    rejected, sidecar = run(review.decide(mended, found.id, "rejected"), found, sidecar=sidecar)
    assert rejected.tracks[1][0].source_range == cut.tracks[1][0].source_range
    again, sidecar_again = run(rejected, found, sidecar=sidecar)
    assert again.to_json_string() == rejected.to_json_string()
    assert sidecar_again == sidecar


def test_what_was_accepted_is_slipped_even_when_it_is_unsure() -> None:
    cut = simple()
    found = finding(cut, 0.4, confidence=0.2)
    marked, sidecar = run(cut, found)
    assert len(marked.tracks.markers) == 1
    mended, _ = run(review.decide(marked, found.id, "accepted"), found, sidecar=sidecar)
    assert len(mended.tracks.markers) == 0
    assert mended.tracks[1][0].source_range.start_time.value == 90
    assert mended.tracks[1][0].metadata["otio_avassist"]["state"] == "accepted"


def test_a_state_that_a_program_wrote_into_our_marker_counts() -> None:
    cut = simple()
    found = finding(cut, 0.4, confidence=0.2)
    marked, sidecar = run(cut, found)
    marked.tracks.markers[0].metadata["otio_avassist"]["state"] = "rejected"
    rejected, _ = run(marked, found, sidecar=sidecar)
    assert len(rejected.tracks.markers) == 0
    assert review.decisions(rejected).state_of(found) == "rejected"


def test_the_sidecar_alone_is_enough() -> None:
    cut = simple()
    found = finding(cut, 0.4)
    _, sidecar = run(review.decide(cut, found.id, "rejected"), found)
    assert review.decisions(cut, sidecar).state_of(found) == "rejected"


def test_the_timelines_word_counts_before_the_sidecars_unless_that_is_later() -> None:
    cut = simple()
    found = finding(cut, 0.4)
    _, sidecar = run(review.decide(cut, found.id, "rejected", when="2026-11-23"), found)
    undated = review.decide(cut, found.id, "accepted")
    assert review.decisions(undated, sidecar).state_of(found) == "rejected"
    later = review.decide(cut, found.id, "accepted", when="2026-11-24")
    assert review.decisions(later, sidecar).state_of(found) == "accepted"
    sidecar["findings"][found.id]["decision"].pop("when")
    assert review.decisions(undated, sidecar).state_of(found) == "accepted"


def test_a_decision_can_be_taken_back() -> None:
    cut = simple()
    found = finding(cut, 0.4)
    rejected, sidecar = run(review.decide(cut, found.id, "rejected"), found)
    proposed, sidecar = run(review.decide(rejected, found.id, "proposed"), found, sidecar=sidecar)
    assert proposed.tracks[1][0].source_range.start_time.value == 90
    assert review.decisions(cut, sidecar).state_of(found) == "proposed"


@pytest.mark.parametrize(
    ("start", "duration", "name", "state"),
    [
        pytest.param(101, 100, "a.wav", "rejected", id="a frame later"),
        pytest.param(98, 102, "a.wav", "rejected", id="two frames at either end"),
        pytest.param(103, 100, "a.wav", "proposed", id="three frames: another cut"),
        pytest.param(100, 97, "a.wav", "proposed", id="three frames shorter"),
        pytest.param(100, 100, "b.wav", "proposed", id="another file"),
    ],
)
def test_a_decision_is_found_again_when_an_editor_moved_the_range(start, duration, name, state) -> None:
    cut = simple()
    found = finding(cut, 0.4)
    _, sidecar = run(review.decide(cut, found.id, "rejected"), found)
    moved = timeline(track("Video", clip("a.mov")), track("Audio", clip(name, start, duration)))
    again = finding(moved, 0.4)
    assert review.decisions(moved, sidecar).state_of(again) == state
    _, carried = run(moved, again, sidecar=sidecar)
    assert review.decisions(moved, carried).by_id.get(again.id) == (
        review.Decision("rejected") if state == "rejected" else None
    )


def test_of_two_cuts_that_are_alike_the_nearer_ones_decision_counts() -> None:
    cut = timeline(
        track("Video", clip("a.mov"), clip("a.mov", 103)), track("Audio", clip("a.wav"), clip("a.wav", 103))
    )
    one, other = finding(cut, 0.4), finding(cut, 0.4, (0, 1), (1, 1))
    decided = review.decide(review.decide(cut, one.id, "accepted"), other.id, "rejected")
    _, sidecar = run(decided, one, other)
    moved = timeline(track("Video", clip("a.mov", 102)), track("Audio", clip("a.wav", 102)))
    assert review.decisions(moved, sidecar).state_of(finding(moved, 0.4)) == "rejected"


def test_decisions_about_media_that_is_away_today_are_kept() -> None:
    cut = simple()
    found = finding(cut, 0.4)
    decided, sidecar = run(review.decide(cut, found.id, "rejected"), found)
    without, kept = run(decided, sidecar=sidecar)
    assert review.decisions(without).state_of(found) == "rejected"
    assert kept["findings"][found.id]["sound"] == sidecar["findings"][found.id]["sound"]


def test_nothing_found_and_nothing_decided_leaves_no_trace() -> None:
    cut = simple()
    same, sidecar = run(cut)
    assert (same.to_json_string(), sidecar) == (cut.to_json_string(), {})


def test_same_input_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "other"):
        cut = simple(start=4)
        mended, sidecar = run(cut, finding(cut, 0.4), finding(cut, -0.2, (0, 1), (1, 1), confidence=0.1))
        path = tmp_path / f"{name}.avassist.json"
        review.write_sidecar(path, sidecar)
        written.append((mended.to_json_string(), path.read_bytes()))
    assert written[0] == written[1]


def test_the_sidecar_is_strict_json_and_comes_back_as_it_was(tmp_path: Path) -> None:
    cut = simple(start=4)
    _, sidecar = run(cut, finding(cut, 0.4), finding(cut, None, (0, 1), (1, 1), confidence=0.0))
    path = tmp_path / "cut.avassist.json"
    review.write_sidecar(path, sidecar)
    assert json.loads(path.read_text(), parse_constant=pytest.fail)["schema"] == "avassist-sidecar.1"
    assert review.read_sidecar(path) == sidecar
    assert list(tmp_path.iterdir()) == [path]


def test_a_sidecar_that_is_absent_foreign_or_broken_is_told_apart(tmp_path: Path) -> None:
    assert review.read_sidecar(tmp_path / "absent.json") is None
    foreign = tmp_path / "foreign.json"
    foreign.write_text('{"schema": "another.1"}')
    with pytest.raises(TimelineError, match=r"another\.1"):
        review.read_sidecar(foreign)
    with pytest.raises(OutputError):
        review.write_sidecar(tmp_path / "no" / "such" / "folder.json", {})


@pytest.mark.parametrize(
    "sidecar",
    [
        {"findings": None, "moved": None},
        {"findings": {"3f2a": None, "4f2a": {"decision": {"state": "?"}, "sound": {"media": 3}}}},
        {"findings": ["3f2a"], "moved": [None, {}, {"before": 1, "after": {}}]},
        {"moved": {"3f2a": 1}},
        {
            "moved": [
                {"finding": "3", "clip": "", "media": "a.wav", "record_start_s": 0, "before": {}, "after": {}}
            ]
        },
    ],
)
def test_a_sidecar_that_a_person_broke_stops_nothing(sidecar) -> None:
    cut = simple()
    found = finding(cut, 0.4)
    assert review.decisions(cut, sidecar).state_of(found) == "proposed"
    assert edits.strip(cut, sidecar).timeline.to_json_string() == cut.to_json_string()


def test_a_finding_of_another_task_is_another_finding() -> None:
    cut = simple()
    found = finding(cut, 0.4)
    _, sidecar = run(review.decide(cut, found.id, "rejected"), found)
    sidecar["findings"][found.id]["task"] = "captions"
    near = replace(found, shot=replace(found.shot, sound=replace(found.shot.sound, start_s=4.04)))
    assert near.id != found.id or review.decisions(cut, sidecar).state_of(found) == "rejected"
    moved = timeline(track("Video", clip("a.mov", 103)), track("Audio", clip("a.wav", 102)))
    assert review.decisions(moved, sidecar).state_of(finding(moved, 0.4)) == "proposed"


# Captions


def texts(root) -> list[str]:
    return [marker.comment.partition(" [avassist")[0] for marker in root.tracks.markers]


def test_many_captions_of_one_shot_are_decided_one_by_one() -> None:
    cut = simple()
    founds = [caption(cut, at_s, at_s + 0.5, f"It happens at {at_s} s.") for at_s in (0.5, 1.5, 2.5)]
    laid, sidecar = caption_run(cut, *founds)
    assert len(set(sidecar["findings"])) == 3
    again, _ = caption_run(review.decide(laid, founds[1].id, "rejected"), *founds, sidecar=sidecar)
    assert texts(again) == [founds[0].text, founds[2].text]


def test_two_captions_of_one_stretch_at_two_levels_are_two() -> None:
    cut = simple()
    scene, event = caption(cut, level="scene"), caption(cut, level="event")
    _, sidecar = caption_run(review.decide(cut, scene.id, "rejected"), scene, event)
    decisions = review.decisions(cut, sidecar)
    near = replace(event, media_start_s=event.media_start_s + 0.06)
    assert [decisions.state_of(each) for each in (scene, event, near)] == ["rejected", "proposed", "proposed"]


@pytest.mark.parametrize(
    ("frames", "longer", "state"),
    [
        pytest.param(2, 0, "rejected", id="two frames later"),
        pytest.param(-1, 2, "rejected", id="a frame earlier, two longer"),
        pytest.param(3, 0, "proposed", id="three frames later: another event"),
        pytest.param(0, -3, "proposed", id="three frames shorter"),
    ],
)
def test_a_decision_about_a_caption_goes_by_its_event_and_not_by_its_shot(frames, longer, state) -> None:
    cut = simple()
    found = caption(cut, 1.0, 2.0)
    _, sidecar = caption_run(review.decide(cut, found.id, "rejected"), found)
    # Cut anew: the shot is another stretch, and stands elsewhere; the event is the same one of the media.
    anew = timeline(track("Video", clip("c.mov"), clip("a.mov", 90, 60)))
    start_s = 4.0 + (found.media_start_s - 90 / 25) + frames / 25
    again = caption(anew, start_s, start_s + 1.0 + longer / 25, picture=(0, 1))
    assert again.media_start_s == pytest.approx(found.media_start_s + frames / 25)
    assert review.decisions(anew, sidecar).state_of(again) == state


def test_a_persons_wording_outlives_later_runs() -> None:
    cut = simple()
    found = caption(cut)
    laid, sidecar = caption_run(cut, found)
    told = review.decide(laid, found.id, "accepted", "Ada", text="Rex barks at the postman.")
    again, sidecar = caption_run(told, found, sidecar=sidecar)
    assert texts(again) == ["Rex barks at the postman."]
    # From the sidecar alone, and for words that the network finds differently today.
    anew, _ = caption_run(cut, replace(found, text="A dog barks."), sidecar=sidecar)
    assert texts(anew) == ["Rex barks at the postman."]
    assert review.decisions(anew).of(found) == review.Decision(
        "accepted", "Ada", "", "Rex barks at the postman."
    )


@pytest.mark.parametrize("where", ["comment", "note"])
@pytest.mark.parametrize("dropping", [False, True], ids=["metadata kept", "metadata dropped"])
def test_what_a_person_types_over_in_an_editor_is_their_wording(where: str, dropping: bool) -> None:
    cut = simple()
    found = caption(cut)
    laid, sidecar = caption_run(cut, found)
    (marker,) = laid.tracks.markers
    words = marker.comment.replace("A dog barks twice.", "Rex barks at the postman.")
    if where == "comment":
        marker.comment = words
    else:
        marker.metadata["Resolve_OTIO"]["Note"] = words
    if dropping:
        del marker.metadata["otio_avassist"]
    again, sidecar = caption_run(laid, found, sidecar=sidecar)
    assert texts(again) == ["Rex barks at the postman."]
    once_more, same = caption_run(again, found, sidecar=sidecar)
    assert once_more.to_json_string() == again.to_json_string()
    assert same == sidecar
    told_since = review.decide(again, found.id, "accepted", text="A neighbour's dog.")
    assert texts(caption_run(told_since, found, sidecar=sidecar)[0]) == ["A neighbour's dog."]
    rejected = review.decide(again, found.id, "rejected")
    assert texts(caption_run(rejected, found, sidecar=sidecar)[0]) == []


def test_an_editor_that_drops_the_sentence_has_said_nothing() -> None:
    cut = simple()
    found = caption(cut)
    laid, sidecar = caption_run(cut, found)
    laid.tracks.markers[0].comment = ""
    again, _ = caption_run(laid, found, sidecar=sidecar)
    assert texts(again) == [found.text]
    assert review.decisions(again).of(found) is None


def test_the_sidecar_keeps_what_other_tasks_did() -> None:
    cut = simple(start=4)
    slipped, sidecar = run(cut, finding(cut, 0.4))
    laid, both = caption_run(slipped, caption(slipped), sidecar=sidecar)
    assert both["moved"] == sidecar["moved"]
    assert sorted(each["task"] for each in both["findings"].values()) == ["captions", "sync"]
    # An editor drops our metadata, and captions are run again: what was slipped can still be put back.
    for each in laid.find_clips():
        each.metadata.pop("otio_avassist", None)
    _, later = caption_run(laid, caption(laid), sidecar=both)
    assert later["moved"] == sidecar["moved"]
    assert edits.strip(laid, later).timeline.tracks[1][0].source_range == cut.tracks[1][0].source_range
    _, sync_again = run(laid, finding(cut, 0.4), sidecar=later)
    assert sync_again["laid"] == both["laid"]


def test_an_offset_that_a_person_set_is_kept_with_the_decision() -> None:
    cut = simple()
    found = finding(cut, 0.4)
    decided = review.decide(cut, found.id, "accepted", early_s=-0.04)
    assert review.decisions(decided).of(found) == review.Decision("accepted", early_s=-0.04)
    assert review.Decision("accepted", early_s=0.0).to_json() == {"state": "accepted", "audio_early_s": 0.0}
    unknown = {"state": "accepted", "audio_early_s": "soon"}
    assert review.Decision.from_json(unknown) == review.Decision("accepted")


def test_a_bare_yes_in_our_clip_takes_back_no_offset_that_the_sidecar_knows() -> None:
    cut = simple()
    found = finding(cut, 0.4)
    cut.tracks[1][0].metadata["otio_avassist"] = {"finding": found.id, "state": "accepted"}

    def sidecar(**said) -> dict:
        return {"schema": review.SCHEMA, "findings": {found.id: {"task": "sync", "decision": said}}}

    same = review.decisions(cut, sidecar(state="accepted", audio_early_s=0.2)).of(found)
    assert same == review.Decision("accepted", early_s=0.2)
    other = review.decisions(cut, sidecar(state="rejected", audio_early_s=0.2)).of(found)
    assert other == review.Decision("accepted")
