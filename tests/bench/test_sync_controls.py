"""Controls without a clue, and the interval of a share."""

from __future__ import annotations

import numpy as np
import pytest

from bench.sync.controls import CONTROLS, Windows, wilson, without_a_clue


def _windows() -> Windows:
    rng = np.random.default_rng(0)
    frames = rng.integers(1, 255, (2, 3, 8, 8, 3), dtype=np.uint8)
    return Windows(frames, rng.normal(0, 0.1, (2, 40)).astype(np.float32), np.array([0, 20]))


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_takes_one_clue_and_leaves_the_other(control: str) -> None:
    plain, changed = _windows(), without_a_clue(_windows(), control)
    seen, heard = changed.frames, changed.samples
    assert np.array_equal(seen, plain.frames) != np.array_equal(heard, plain.samples)
    assert seen.shape == plain.frames.shape
    assert heard.shape == plain.samples.shape
    assert np.array_equal(changed.wanted, plain.wanted)


def test_sound_of_another_scene_is_the_neighbours() -> None:
    plain = _windows()
    assert np.array_equal(without_a_clue(plain, "sound of another scene").samples[0], plain.samples[1])


def test_an_unknown_control_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="blank picture"):
        without_a_clue(_windows(), "none")


def test_intervals_are_those_of_the_books() -> None:
    assert wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-3)
