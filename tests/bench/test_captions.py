"""The benches judge as they say they do."""

from __future__ import annotations

import numpy as np
import pytest

from bench.captions import clips, events
from otio_avassist import signals
from otio_avassist.bundles import Card
from tests.material import film

EVERY = {
    "dog.mp4": ["dog", "bark"],
    "talk.mp4": ["man", "speech"],
    "bass.mp4": ["bass", "music"],
    "car.mp4": ["car", "vehicle"],
}


def judge(clip: str, *texts: str) -> clips.Judged:
    return clips._judge([clips.Marker(0.0, text) for text in texts], EVERY[clip], EVERY)


def test_any_of_its_words_names_a_clip():
    assert judge("dog.mp4", "Something moves.", "Barking of a hound.").named
    assert not judge("dog.mp4", "A hound howls.").named


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("A man and a dog.", ("man",)),
        ("A woman pets a dog in a bassinet.", ()),
        ("Men sit in cars.", ("car",)),
        ("Cardboard. Music!", ("music",)),
    ],
)
def test_words_of_other_clips_are_false_alarms_and_their_likes_are_not(text, wrong):
    found = judge("dog.mp4", "A dog.", text)
    assert found.wrong == wrong
    assert found.wrong_markers == bool(wrong)


def test_a_word_that_both_clips_know_is_no_false_alarm():
    every = {**EVERY, "walk.mp4": ["dog", "street", "speech"]}
    found = clips._judge([clips.Marker(0.0, "A dog, and speech.")], every["walk.mp4"], every)
    assert (found.named, found.wrong) == (True, ())


def test_each_event_is_matched_once_by_the_stretch_that_overlaps_it_most():
    true = np.array([[1.0, 2.0], [5.0, 6.0], [8.0, 9.0]])
    found = np.array([[1.02, 2.0], [1.1, 2.0], [5.0, 7.5], [8.4, 9.0]])
    errors = events.matched(found, true)
    assert sorted(np.round(errors, 3)) == [0.02, 0.4]


def test_energy_finds_bursts_where_they_are_in_noise():
    rng = np.random.default_rng(0)
    samples = 0.003 * rng.normal(size=10 * events.RATE)
    times = [(1.0, 1.5), (3.0, 3.2), (6.0, 8.0)]
    for start, end in times:
        samples[round(start * events.RATE) : round(end * events.RATE)] *= 30
    (found,) = events._by_energy(signals.yamnet_log_mel(samples.astype(np.float32)), [2.0])
    assert found == pytest.approx(np.array(times), abs=0.03)


def test_mixtures_have_the_level_that_is_asked_for():
    rng = np.random.default_rng(0)
    background = rng.normal(size=round(events.LENGTH_S * events.RATE)).astype(np.float32)
    sounds = [0.3 * rng.normal(size=events.RATE * (k + 1) // 4).astype(np.float32) for k in range(9)]
    for level_db in (20.0, 0.0):
        mixture = events._mixture(np.random.default_rng(1), sounds, [background], level_db)
        inside = np.zeros(len(mixture.samples), bool)
        for start, end in mixture.events:
            inside[round(start * events.RATE) : round(end * events.RATE)] = True
        power = [(mixture.samples[each] ** 2).mean() for each in (inside, ~inside)]
        assert 10 * np.log10(power[0] / power[1] - 1) == pytest.approx(level_db, abs=0.3)
        assert (mixture.events[1:, 0] >= mixture.events[:-1, 1]).all()


def test_what_the_card_says_training_has_heard_takes_no_part(tmp_path):
    training = {"sounds": ["bell1"], "sources": {"minetest-data": "glass.ogg and others (CC0): door, knock."}}
    heard = events.heard_in_training(Card("captions", "x", "1", {}, {}, training=training))
    assert {"bell1", "minetest-data", "door"} <= heard
    (tmp_path / "minetest-data").mkdir()
    for name in ("bell1.wav", "bell2.wav", "minetest-data/x.wav"):
        film(tmp_path / name, seconds=1, picture=False)
    assert set(events._usable([tmp_path], heard)) == {"bell2"}
