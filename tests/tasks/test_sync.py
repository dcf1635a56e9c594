"""The ladder's judgement: what decides, what is doubted, and what is one piece of evidence."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from otio_avassist.bundles import Card
from otio_avassist.errors import BundleError
from otio_avassist.findings import Evidence, Jump, SyncFinding
from otio_avassist.spans import Address, MediaSpan, Shot
from otio_avassist.tasks.sync import Heard, Options, analyse, decide, from_second, pool
from otio_avassist.watching import LOOKED, check_preprocessing
from tests.material import film

OPTIONS = Options()


def a_span(kind: str, name: str, start_s: float, duration_s: float, *, record_s: float = 0.0) -> MediaSpan:
    return MediaSpan(
        Address((0, 0), kind, 0, name, 0), kind, name, Path(name), start_s, duration_s, record_s, 25.0,
        media_end_s=600.0,
    )  # fmt: skip


def a_shot(picture_s: float, sound_s: float, duration_s: float = 30.0, *, record_s: float = 0.0) -> Shot:
    return Shot(
        a_span("picture", "cam.mov", picture_s, duration_s, record_s=record_s),
        a_span("sound", "rec.wav", sound_s, duration_s, record_s=record_s),
        paired_by="overlap",
    )


def test_no_evidence_abstains() -> None:
    assert decide([], OPTIONS) == (None, 0.0, ())


def test_thin_evidence_abstains() -> None:
    best, confidence, _ = decide([Evidence("sound-to-picture", 0.4, 0.45)], OPTIONS)
    assert best is None
    assert confidence < OPTIONS.thin


def test_rungs_that_agree_make_each_other_surer() -> None:
    best, confidence, doubts = decide(
        [Evidence("timecode", 0.40, 0.6), Evidence("sound-to-picture", 0.42, 0.7)], OPTIONS
    )
    assert best is not None
    assert best.method == "sound-to-picture"
    assert confidence > 0.8
    assert doubts == ()


def test_a_rung_that_contradicts_is_a_doubt_in_words() -> None:
    best, _, doubts = decide(
        [Evidence("timecode", 0.0, 0.6, "clocks"), Evidence("sound-to-sound", 0.4, 0.95)], OPTIONS
    )
    assert best is not None
    assert best.method == "sound-to-sound"
    assert doubts == ("timecode says otherwise: clocks",)


def test_an_answer_at_the_edge_of_the_search_is_doubted() -> None:
    _, _, doubts = decide([Evidence("sound-to-picture", -2.0, 0.95)], OPTIONS)
    assert "edge" in doubts[0]


def test_a_cut_late_in_a_drifting_recording_has_the_offset_of_its_own_start() -> None:
    heard = Heard((Evidence("sound-to-sound", 0.4, 0.95), Evidence("timecode", 0.4, 0.6)), drift_ppm=100.0)
    by_sound, by_clock = from_second(heard, since_s=1000.0, duration_s=10.0).evidence
    # The sound grows later by 0.1 ms a second.
    assert by_sound.audio_early_s == pytest.approx(0.3)
    assert by_clock.audio_early_s == 0.4


def test_a_cut_knows_the_jumps_behind_it_and_those_it_holds() -> None:
    jumps = (Jump(10.0, 0.5), Jump(50.0, 0.9), Jump(90.0, 0.1))
    heard = from_second(Heard((Evidence("sound-to-sound", 0.2, 0.95),), jumps=jumps), 20.0, 40.0)
    assert heard.evidence[0].audio_early_s == 0.5
    assert heard.jumps == (Jump(30.0, 0.9),)


def test_sound_against_sound_has_no_edge() -> None:
    _, _, doubts = decide([Evidence("sound-to-sound", -2.0, 0.95)], OPTIONS)
    assert doubts == ()


NUMBERS = {"window_s": 5.0, "fps": 25, "side": 48, "crop": 40, "sample_rate": 16000, "n_fft": 512, "hop": 128}


@pytest.mark.parametrize(
    ("name", "value"),
    [("fps", "a"), ("window_s", None), ("hop", 0), ("sample_rate", 22050), ("window_s", 2.5)],
)
def test_a_card_whose_numbers_make_no_windows_is_refused(name: str, value: object) -> None:
    check_preprocessing(Card("sync", "net", "1", {}, NUMBERS))
    with pytest.raises(BundleError, match=r"net: .*want"):
        check_preprocessing(Card("sync", "net", "1", {}, NUMBERS | {name: value}))


def test_cuts_from_one_recording_are_one_piece_of_evidence() -> None:
    shots = [a_shot(10, 40), a_shot(100, 130, record_s=30), a_shot(20, 50, record_s=60)]
    [one] = pool(shots, OPTIONS)
    assert one.shots == tuple(shots)
    assert one.slip_s == pytest.approx(30)
    (one_start_s, one_end_s), (two_start_s, two_end_s) = one.stretches
    assert one_start_s <= 10
    assert 50 <= one_end_s < two_start_s <= 100
    assert two_end_s >= 130
    assert sum(end - start for start, end in one.places) == pytest.approx(one.duration_s)


def test_a_cut_that_moves_a_little_looks_at_the_same_places() -> None:
    [one], [other] = (pool([a_shot(start_s, start_s)], OPTIONS) for start_s in (102.0, 104.5))
    assert one.places == other.places
    [further] = pool([a_shot(115.0, 115.0)], OPTIONS)
    assert set(one.places) & set(further.places)
    assert set(further.places) - set(one.places)


def test_where_nobody_knows_the_end_of_media_its_cuts_are_looked_at() -> None:
    shot = a_shot(10, 40)
    assert shot.picture is not None
    assert shot.sound is not None
    endless = replace(
        shot, picture=replace(shot.picture, media_end_s=None), sound=replace(shot.sound, media_end_s=None)
    )
    [one] = pool([endless], OPTIONS)
    assert one.stretches == ((10, 40),)
    assert one.places[0][0] == 10
    assert one.places[-1][1] == 40


def test_other_sound_is_other_evidence() -> None:
    other = Shot(a_span("picture", "cam.mov", 0, 30), a_span("sound", "two.wav", 0, 30), "overlap")
    assert len(pool([a_shot(0, 0), other], OPTIONS)) == 2


def test_a_short_cut_reaches_into_its_handles_but_not_past_the_file() -> None:
    [one] = pool([a_shot(2.0, 3.0, duration_s=4.0)], OPTIONS)
    [(start_s, end_s)] = one.stretches
    assert start_s == 0.0
    assert 14.0 <= end_s < 30.0


@pytest.mark.parametrize(
    ("fps", "label", "sound_starts_s"),
    [
        (Fraction(25), "01:00:00:00", 3600.0),
        (Fraction(30000, 1001), "01:00:00;00", 3600.0),
        (Fraction(24000, 1001), "01:00:00:00", 3600.0),
        (Fraction(24000, 1001), "01:00:00:00", 3603.6),
        (Fraction(24000, 1001), "00:00:00:00", 0.0),
    ],
)
def test_clocks_that_nobody_has_set_decide_nothing(
    tmp_path: Path, fps: Fraction, label: str, sound_starts_s: float
) -> None:
    assert by_timecode(tmp_path, fps, label, sound_starts_s).confidence == pytest.approx(0.6)


def test_clocks_that_were_set_decide(tmp_path: Path) -> None:
    said = by_timecode(tmp_path, Fraction(30000, 1001), "10:20:00;00", 37200.0 - 1.0)
    # 10:20:00;00 in drop-frame is 37199.96 s after midnight.
    assert said.audio_early_s == pytest.approx(0.5 - 0.9628, abs=1e-4)
    assert said.confidence == pytest.approx(0.95)


def by_timecode(folder: Path, fps: Fraction, label: str, sound_starts_s: float) -> Evidence:
    """What the clocks say of a picture whose sound is read half a second later than it in its own file."""
    film(folder / "a.mov", seconds=2, fps=fps, sound=False, timecode=label)
    samples = str(round(sound_starts_s * 48000))
    film(folder / "a.wav", seconds=2, picture=False, metadata={"time_reference": samples})
    paired = a_shot(0.5, 1.0, 1.0)
    assert paired.picture is not None
    assert paired.sound is not None
    shot = replace(
        paired,
        picture=replace(paired.picture, path=folder / "a.mov"),
        sound=replace(paired.sound, path=folder / "a.wav"),
    )
    [found] = analyse([shot], None, Options(rungs=("timecode",)))
    assert isinstance(found, SyncFinding)
    [said] = found.evidence
    return said


class Looking:
    """Stands in for a network that looks at one place, half a second after its window begins, and listens a
    second after that."""

    batch = 1
    outputs = ("logits", *LOOKED)

    def __init__(self, *outputs: str) -> None:
        self.card = Card("sync", "looking", "1", {}, NUMBERS, (-0.2, 0.0, 0.2))
        self.outputs = outputs or self.outputs
        self.asked: set[tuple[str, ...]] = set()

    def __call__(self, *only: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        self.asked.add(only)
        seen, heard = np.zeros((1, 1, 1, 2, 25, 4, 4)), np.zeros((1, 1, 1, 2, 3, 25))
        seen[..., 2, 0, 3] = 1
        heard[..., 1, 7] = 1
        told = {"logits": np.zeros((1, 3)), "v_looked": seen, "a_looked": heard}
        return {name: told[name] for name in only}


def cuts_of(path: Path, *ranges_s: tuple[float, float]) -> list[Shot]:
    """(picture, sound) of 6 s each, in seconds of one file."""
    return [
        Shot(
            *(
                replace(a_span(kind, path.name, start_s, 6.0), path=path, media_end_s=None)
                for kind, start_s in (("picture", picture_s), ("sound", sound_s))
            ),
            paired_by="own sound",
        )
        for picture_s, sound_s in ranges_s
    ]


def test_where_the_network_looked_stands_in_the_finding_in_seconds_of_its_shot(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=14)
    # The second cut reads its sound 0.4 s later than the others: there it is heard 0.4 s earlier.
    shots = cuts_of(path, (1.0, 1.0), (7.0, 7.4), (2.0, 2.0))
    options = replace(OPTIONS, sure=1.1, enough_s=0.0, window_every_s=5.0)
    model = Looking()
    one, two, _ = analyse(shots, model, options)  # type: ignore[arg-type]
    assert isinstance(one, SyncFinding)
    assert isinstance(two, SyncFinding)
    assert one.attention is not None
    assert two.attention is not None
    # Windows begin at the seconds 1 and 6 of the file.
    at_s, row, column, weight = one.attention.seen[0]
    assert min(abs(at_s - 0.5), abs(at_s - 5.5)) < 0.01
    assert row == pytest.approx(0.5 - 0.375 * 40 / 48)
    assert 0.5 < column < 0.5 + 0.375
    assert weight == pytest.approx(25 * 16)
    seen_s, heard_s = (
        sorted(each[0] for each in peaks if each[-1] > 2)
        for peaks in (one.attention.seen, one.attention.heard)
    )
    assert (seen_s[0], heard_s[0]) == pytest.approx((0.5, 1.5))
    # In the window from second 6 on it looked before this cut begins, and listened at second 7.5 of the film.
    assert two.attention.heard[0] == pytest.approx((0.1, 25))
    assert max(each[-1] for each in two.attention.seen) < 2
    assert model.asked == {("logits", *LOOKED)}


def test_a_network_that_does_not_tell_where_it_looked_is_asked_for_its_logits_alone(tmp_path: Path) -> None:
    shots = cuts_of(film(tmp_path / "a.mp4", seconds=8), (0.0, 0.0))
    model = Looking("logits")
    [one] = analyse(shots, model, replace(OPTIONS, sure=1.1))  # type: ignore[arg-type]
    assert isinstance(one, SyncFinding)
    assert one.attention is None
    assert model.asked == {("logits",)}
