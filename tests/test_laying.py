"""Hits fall on moments to the sample, and ambiences last as long as their shot without a seam."""

from __future__ import annotations

import numpy as np
import pytest

from otio_avassist.laying import RATE, hits, kind_of, lay

TICK = round(0.02 * RATE)


def knocks(*at_s, length_s=3.0, level=0.8):
    """Short bursts that ring off, at known seconds of a silent file."""
    out = np.zeros(round(length_s * RATE))
    ring = np.sin(np.arange(round(0.3 * RATE)) * 0.3) * np.exp(-np.arange(round(0.3 * RATE)) / (0.04 * RATE))
    for number, each in enumerate(at_s):
        first = round(each * RATE)
        out[first : first + len(ring)] += level * (1 - 0.1 * number) * ring[: len(out) - first]
    return out.astype(np.float32)


def rain(length_s, seed=1):
    return np.random.default_rng(seed).normal(0, 0.1, round(length_s * RATE)).astype(np.float32)


def onsets_s(samples):
    """Seconds at which silence ends, by a plain threshold."""
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    return loud[np.concatenate([[True], np.diff(loud) > 0.1 * RATE])] / RATE


def test_knocks_are_hits_and_rain_is_an_ambience():
    assert kind_of(knocks(0.2, 1.1, 2.0)) == "hits"
    assert kind_of(rain(6.0)) == "ambience"
    assert kind_of(rain(0.4)) == "hits"


def test_a_file_is_cut_where_it_is_silent():
    found = hits(knocks(0.2, 1.1, 2.0))
    assert len(found) == 3
    assert all(abs(hit.samples[0]) < 1e-3 and abs(hit.samples[-1]) < 1e-3 for hit in found)


def test_silence_holds_no_hits():
    assert hits(np.zeros(RATE, np.float32)) == []
    assert not lay(np.zeros(RATE, np.float32), [(0.5, 1.0)], 2.0, 0).any()


def test_each_moment_gets_a_hit_that_is_struck_then():
    laid = lay(knocks(0.2, 1.1, 2.0), [(0.5, 1.0), (1.4, 1.0), (2.2, 1.0), (2.9, 1.0)], 3.5, seed=3)
    assert len(laid) == 3.5 * RATE
    assert onsets_s(laid) == pytest.approx([0.5, 1.4, 2.2, 2.9], abs=0.002)


def test_a_weaker_moment_gets_a_softer_hit():
    laid = lay(knocks(0.2), [(0.5, 1.0), (1.5, 0.2)], 2.5, seed=3)
    assert np.abs(laid[RATE : 2 * RATE]).max() < 0.7 * np.abs(laid[:RATE]).max()


def test_hits_beyond_either_end_are_left_out():
    laid = lay(knocks(0.2), [(0.0, 1.0), (1.99, 1.0)], 2.0, seed=3)
    assert len(laid) == 2 * RATE
    assert np.abs(laid[: RATE // 10]).max() > 0.3


def test_without_a_moment_hits_follow_each_other_with_pauses():
    assert len(onsets_s(lay(knocks(0.2, 1.1), [], 8.0, seed=3))) >= 3


@pytest.mark.parametrize("duration_s", [0.2, 1.0, 3.0, 9.7])
def test_an_ambience_is_as_long_as_its_shot_and_equally_loud_throughout(duration_s):
    laid = lay(rain(3.0), [(0.1, 1.0)], duration_s, seed=5)
    assert len(laid) == round(duration_s * RATE)
    tenths = laid[: len(laid) // 4800 * 4800].reshape(-1, 4800).std(axis=1)
    assert tenths.min() > 0.085
    assert tenths.max() < 0.115


def test_a_loop_has_no_click_at_its_seam():
    t = np.arange(3 * RATE) / RATE
    laid = lay((0.5 * np.sin(2 * np.pi * 110.3 * t)).astype(np.float32), [], 10.0, seed=2)
    # No two samples are further apart than those of the tone itself, at up to 1.42 times its size.
    assert np.abs(np.diff(laid)).max() < 1.5 * 0.5 * 2 * np.pi * 110.3 / RATE


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_ones():
    for sound, moments in ((knocks(0.2, 1.1, 2.0), [(0.5, 1.0), (1.4, 0.5), (2.0, 1.0)]), (rain(4.0), [])):
        first, again, other = (lay(sound, moments, 3.0, seed) for seed in (1, 1, 2))
        assert first.tobytes() == again.tobytes()
        assert first.tobytes() != other.tobytes()
