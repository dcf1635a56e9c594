"""Sound that drifts or jumps is mended only where that is asked for, and all of it can be taken back."""

from __future__ import annotations

import opentimelineio as otio
import pytest

from otio_avassist import edits, remedies
from otio_avassist.findings import Jump
from tests.cuts import clip, finding, simple, time_range, timeline, track

BOTH = ("drift", "jumps")
JUMPS = {"jumps": (Jump(2.0, -0.2, 0.1), Jump(3.0, 0.6))}


def mended(cut, early_s, *, fix=BOTH, **facts):
    outcome = remedies.edit_for(finding(cut, early_s, **facts), fix=fix)
    return outcome, edits.apply(cut, outcome.edits)


def pieces(done):
    """What stands where the sound stood, before the sound of the next clip."""
    return list(done.tracks[1])[:-1]


def test_drift_is_taken_out_by_the_speed_of_the_sound() -> None:
    cut = simple()
    outcome, done = mended(cut, 0.4, drift_ppm=8000.0)
    assert (outcome.action, outcome.slip_frames) == ("slipped", 10)
    assert "played at 100.8000 % of its speed" in outcome.words
    sound = done.tracks[1][0]
    [warp] = sound.effects
    assert isinstance(warp, otio.schema.LinearTimeWarp)
    # A sound that grows later is found ever later in its file: it must be played faster.
    assert warp.time_scalar == pytest.approx(1.008)
    assert sound.source_range == time_range(90, 100)


def test_jumps_are_cut_and_each_piece_is_read_from_elsewhere() -> None:
    cut = simple()
    outcome, done = mended(cut, 0.4, **JUMPS)
    assert "cut in 3 pieces" in outcome.words
    assert [each.source_range for each in pieces(done)] == [
        time_range(90, 50), time_range(155, 25), time_range(160, 25),
    ]  # fmt: skip
    assert done.tracks[1].duration() == cut.tracks[1].duration()
    assert not any(len(each.effects) for each in pieces(done))


def test_pieces_of_what_drifts_and_jumps_all_play_at_its_speed() -> None:
    _, done = mended(simple(), 0.4, drift_ppm=8000.0, **JUMPS)
    assert [each.effects[0].time_scalar for each in pieces(done)] == pytest.approx([1.008] * 3)


@pytest.mark.parametrize("fix", [(), ("drift",), ("jumps",)])
def test_what_may_not_all_be_mended_is_marked_and_left(fix) -> None:
    cut = simple()
    outcome, done = mended(cut, 0.4, fix=fix, drift_ppm=8000.0, **JUMPS)
    assert outcome.action == "marked"
    assert [each.source_range for each in done.tracks[1]] == [each.source_range for each in cut.tracks[1]]


def test_what_is_unsure_is_marked_whatever_may_be_mended() -> None:
    outcome, _ = mended(simple(), 0.4, drift_ppm=8000.0, confidence=0.5)
    assert outcome.action == "marked"


def test_a_jump_that_may_be_anywhere_is_cut_by_a_persons_yes_alone() -> None:
    cut = simple()
    outcome, _ = mended(cut, 0.4, jumps=(Jump(2.0, -0.2, 20.0),))
    assert outcome.action == "marked"
    assert "jumps at 2.0 s, give or take 20.0 s" in outcome.words
    said = remedies.edit_for(finding(cut, 0.4, jumps=(Jump(2.0, -0.2, 20.0),)), decision="accepted", fix=BOTH)
    assert "cut in 2 pieces" in said.words


def test_sound_that_begins_in_step_and_then_drifts_is_mended_too() -> None:
    outcome, done = mended(simple(), 0.0, drift_ppm=-8000.0)
    assert outcome.action == "slipped"
    assert done.tracks[1][0].effects[0].time_scalar == pytest.approx(0.992)


def test_where_a_piece_has_no_media_there_is_silence_and_nothing_moves() -> None:
    cut = timeline(
        track("Video", clip("a.mov"), clip("b.mov")), track("Audio", clip("a.wav", 4), clip("b.wav"))
    )
    _, done = mended(cut, 0.4, jumps=(Jump(2.0, 0.0),))
    silence, one, two, other = done.tracks[1]
    assert silence.duration().value == 6
    assert [each.source_range for each in (one, two)] == [time_range(0, 44), time_range(54, 50)]
    assert other.range_in_parent() == cut.tracks[1][1].range_in_parent()
    assert edits.strip(done).timeline.to_json_string() == cut.to_json_string()


@pytest.mark.parametrize("facts", [{"drift_ppm": 8000.0}, JUMPS, {"drift_ppm": -300.0 * 100, **JUMPS}])
def test_all_that_was_mended_is_taken_back(facts) -> None:
    cut = simple()
    _, done = mended(cut, 0.4, **facts)
    stripped = edits.strip(otio.adapters.read_from_string(done.to_json_string(), "otio_json"))
    assert stripped.timeline.to_json_string() == cut.to_json_string()
    assert stripped.could_not == ()
    # And a second run finds the same.
    assert mended(stripped.timeline, 0.4, **facts)[1].to_json_string() == done.to_json_string()


@pytest.mark.parametrize("facts", [{"drift_ppm": 8000.0}, JUMPS])
def test_an_editor_that_drops_metadata_loses_nothing_of_it(facts) -> None:
    cut = simple()
    _, done = mended(cut, 0.4, **facts)
    sidecar = {"moved": [was.to_json() for was in edits.moved(done)]}
    for each in done.tracks[1]:
        each.metadata.clear()
        for effect in each.effects:
            effect.metadata.clear()
    stripped = edits.strip(done, sidecar)
    assert stripped.timeline.to_json_string() == cut.to_json_string()


def test_pieces_that_somebody_changed_since_stay_and_that_is_said() -> None:
    _, done = mended(simple(), 0.4, **JUMPS)
    done.tracks[1][1].source_range = time_range(155, 10)
    stripped = edits.strip(done)
    assert len(pieces(stripped.timeline)) == 3
    assert any("cut in pieces" in line for line in stripped.could_not)


def test_where_no_piece_has_any_media_it_is_said_and_nothing_is_cut() -> None:
    cut = simple(start=10, duration=100, available=(0, 110))
    outcome, done = mended(cut, 3.9, jumps=(Jump(1.0, -4.8),))
    assert outcome.action == "marked"
    assert "its media has nothing to play there" in outcome.words
    assert [each.source_range for each in done.tracks[1]] == [each.source_range for each in cut.tracks[1]]


@pytest.mark.parametrize("ppm", [50_000.0, -50_000.0])
def test_after_silence_sped_sound_sets_in_where_its_media_begins(ppm: float) -> None:
    _, done = mended(simple(start=20), 3.2, drift_ppm=ppm)
    silence, sound, *_ = done.tracks[1]
    # Read 80 frames earlier it would begin 60 frames before its media; sped up it gets there sooner.
    assert silence.duration().value == {50_000.0: 58, -50_000.0: 64}[ppm]
    assert 0 <= sound.source_range.start_time.value <= 1
