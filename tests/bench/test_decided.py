"""What a scene knows of a window, by which what the network tells is judged."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("cv2")
pytest.importorskip("pymunk")

from bench.decided import CHANCE, MOST, TOLD, summed, truth_of


def test_a_window_knows_what_moves_where_and_when_it_is_seen_and_heard_to_strike() -> None:
    own = np.zeros((100, 8, 12), bool)
    own[50, 3, 10] = True
    # Sound that is early by 25 frames is heard a second before the second 2.02.
    truth = truth_of(own, np.array([2.02, 9.0]), 25, (4, 6))
    times, rows, columns = np.nonzero(truth.moves)
    assert set(zip(rows, columns, strict=True)) == {(1, 5)}
    assert set(times) == {8, 9, 10, 11}
    assert truth.beside[10].sum() == 6
    assert set(np.flatnonzero(truth.strikes)) == {9, 10, 11}
    assert set(np.flatnonzero(truth.heard)) == {4, 5, 6}


def test_shares_are_of_the_windows_whose_offset_is_right() -> None:
    row = {
        TOLD: [1.0, 1.0, 1.0, 1.0, 1.0],
        MOST: [0.0, 1.0, 0.0, 0.0, 0.0],
        CHANCE: [0.2, 0.4, 0.2, 0.04, 0.1],
        "heard": (True, 0.25),
        "struck": True,
        "sounded": True,
    }
    found = summed([row, None, row | {TOLD: [0.0] * 5, "struck": False}])
    assert found["scenes"] == 3
    assert (found["place"]["of"], found["place and moment"]["of"]) == (2, 1)
    assert found["place"][TOLD]["share"] == 0.5
    assert found["place and moment"][TOLD]["share"] == 1.0
    assert found["place"][CHANCE] == 0.2
