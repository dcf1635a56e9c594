"""Lips against speech, from curves alone."""

from __future__ import annotations

import numpy as np
import pytest

from otio_avassist import lips
from otio_avassist.faces import FPS, Mouth
from tests.drawn import RATE, openings, voice

SECONDS = 10.0


def curves(early_s=0.0, seed=1, voice_seed=None):
    """A mouth, and the energy of the voice that comes so much before it."""
    start = round((early_s + 2.0) * RATE)
    heard = voice(SECONDS + 4, seed if voice_seed is None else voice_seed)[start:][: round(SECONDS * RATE)]
    seen = openings(SECONDS + 4, seed)[round(2 * FPS) :][: round(SECONDS * FPS)]
    return Mouth(0, seen.tolist()), lips.speech_energy(heard, rate=RATE)


def matched(*mouths, speech, **more):
    return lips.conclude([lips.listen(mouths, speech, **more)], **more)


@pytest.mark.parametrize("early_s", [-1.6, -0.4, 0.0, 0.52, 1.8])
def test_the_offset_of_a_voice_is_found_with_its_sign(early_s):
    mouth, speech = curves(early_s)
    found = matched(mouth, speech=speech)
    # The drawn mouth doesn't lead its voice, as real ones do.
    assert found.early_s == pytest.approx(early_s + lips.LEAD_S, abs=0.03)
    assert found.confidence > 0.9
    assert ("early" if found.early_s > 0 else "late") in found.note


def test_a_voice_of_somebody_else_names_no_offset():
    sure = []
    for seed in range(30):
        mouth, speech = curves(seed=seed, voice_seed=500 + seed)
        sure.append(matched(mouth, speech=speech).confidence)
    assert np.mean(np.array(sure) > 0.9) <= 0.1


def test_of_two_faces_the_one_that_speaks_decides():
    mouth, speech = curves(0.4)
    other, _ = curves(seed=77)
    assert matched(other, mouth, speech=speech).early_s == pytest.approx(0.4 + lips.LEAD_S, abs=0.03)


def test_faces_of_different_times_are_evidence_apart():
    mouth, speech = curves(0.4)
    half = len(mouth.opening) // 2
    first, second = Mouth(0, mouth.opening[:half]), Mouth(half, mouth.opening[half:])
    alone, both = matched(first, speech=speech), matched(first, second, speech=speech)
    assert both.early_s == pytest.approx(0.4 + lips.LEAD_S, abs=0.03)
    assert both.confidence > alone.confidence


def test_gaps_in_what_is_seen_of_a_face_cost_little():
    mouth, speech = curves(0.4)
    gone = np.random.default_rng(0).random(len(mouth.opening)) < 0.2
    holes = Mouth(0, np.where(gone, np.nan, mouth.opening).tolist())
    assert matched(holes, speech=speech).early_s == pytest.approx(0.4 + lips.LEAD_S, abs=0.03)


def test_places_add_up_to_one_belief():
    said = [lips.listen([mouth], speech) for mouth, speech in (curves(0.4, seed) for seed in (1, 2, 3))]
    alone, together = lips.conclude(said[:1]), lips.conclude(said)
    assert together.early_s == pytest.approx(0.4 + lips.LEAD_S, abs=0.03)
    assert together.confidence >= alone.confidence


def test_it_abstains_in_words():
    mouth, speech = curves()
    still = Mouth(0, [0.05] * len(mouth.opening))
    short = Mouth(0, mouth.opening[:20])
    silence = lips.speech_energy(np.zeros(round(SECONDS * RATE)), rate=RATE)
    for mouths, heard, word in (
        ([], speech, "no face"),
        ([short], speech, "long enough"),
        ([still], speech, "hardly move"),
        ([mouth], silence, "no sound"),
    ):
        found = matched(*mouths, speech=heard)
        assert found.early_s is None
        assert found.confidence == 0
        assert word in found.note
        assert sum(found.posterior.probabilities) == pytest.approx(1)


def test_the_energy_of_speech_stands_where_it_is_heard():
    samples = np.zeros(2 * RATE)
    samples[RATE] = 1.0
    energy = lips.speech_energy(samples, rate=RATE)
    assert len(energy) == 50
    assert energy.argmax() == 25


def test_what_voices_have_not_counts_for_nothing():
    times = np.arange(RATE) / RATE
    low, voiced = (lips.speech_energy(np.sin(2 * np.pi * hertz * times), rate=RATE) for hertz in (60, 600))
    assert low[5:20].max() < 0.3 * voiced[5:20].min()
