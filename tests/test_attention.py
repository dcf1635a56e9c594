"""What stands out of where a network looked: when, where in the frame, and how much."""

from __future__ import annotations

import numpy as np
import pytest

from otio_avassist.attention import COLUMNS, MOST_HEARD, MOST_POINTS, MOST_SEEN, ROWS, Looks, lit
from otio_avassist.findings import Attention

WHOLE = (1.0, 1.0)
SHAPE, HEARD_SHAPE = (2, 3, 4, 10, 5, 5), (2, 3, 4, 3, 20)


def even(shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, 1 / np.prod(shape[3:]), np.float32)


def at(shape: tuple[int, ...], *where: int | slice) -> np.ndarray:
    """All of it in one place."""
    looked = np.zeros(shape, np.float32)
    place = looked[(..., *where)]
    looked[(..., *where)] = 1 / (place.size / np.prod(shape[:3]))
    return looked


def test_a_place_is_found_where_and_when_it_is_in_the_shot() -> None:
    looks = Looks()
    # A window of 5 s from second 10 on: half a second a step of the picture, a quarter one of the sound.
    looks.add(10.0, 5.0, at(SHAPE, 4, 0, 3), at(HEARD_SHAPE, slice(None), 8), WHOLE)
    found = looks.within(10.0, 15.0)
    assert found is not None
    when_s, row, column, weight = found.seen[0]
    assert 2.0 <= when_s < 2.5
    assert (row, column) == pytest.approx((0.1, 0.7))
    assert weight == pytest.approx(10 * 25)
    assert 2.0 <= found.heard[0][0] < 2.25
    assert found.heard[0][1] == pytest.approx(20)
    assert not found.is_even
    later = looks.within(9.0, 15.0, sound_later_s=0.5)
    assert later is not None
    assert later.seen[0][0] == pytest.approx(when_s + 1)
    assert later.heard[0][0] == pytest.approx(found.heard[0][0] + 1.5)


def test_a_crop_is_put_back_into_its_frame() -> None:
    looks = Looks()
    looks.add(0.0, 5.0, at(SHAPE, 4, 0, 4), even(HEARD_SHAPE), (0.8, 0.5))
    found = looks.within(0.0, 5.0)
    assert found is not None
    assert found.seen[0][1:3] == pytest.approx((0.1 + 0.1 * 0.8, 0.25 + 0.9 * 0.5))


def test_windows_that_overlap_are_averaged_and_all_of_them_alike_is_even() -> None:
    looks = Looks()
    for start_s in (0.0, 2.0, 4.0):
        looks.add(start_s, 5.0, even(SHAPE), even(HEARD_SHAPE), WHOLE)
    found = looks.within(0.0, 60.0)
    assert found is not None
    assert found.is_even
    for curve in (found.seen_curve, found.heard_curve):
        assert [weight for _, weight in curve] == pytest.approx([1.0] * len(curve))
        assert curve[-1][0] == pytest.approx(8.9)


def test_a_long_shot_is_told_in_few_numbers_and_one_peak_is_told_once() -> None:
    looks = Looks()
    draw = np.random.default_rng(0)
    for start_s in range(0, 600, 5):
        seen = draw.random(SHAPE) ** 8
        looks.add(start_s, 5.0, seen / seen.sum((3, 4, 5), keepdims=True), even(HEARD_SHAPE), WHOLE)
    found = looks.within(0.0, 600.0)
    assert found is not None
    assert len(found.seen) == MOST_SEEN
    assert len(found.heard) == MOST_HEARD
    assert len(found.seen_curve) == len(found.heard_curve) == MOST_POINTS
    assert [each[3] for each in found.seen] == sorted((each[3] for each in found.seen), reverse=True)
    # A step of the picture lasts longer than what moments are told apart by.
    assert len({(round(each[0]), each[1], each[2]) for each in found.seen}) == MOST_SEEN
    numbers = [number for each in (*found.seen, *found.heard, *found.seen_curve) for number in each]
    assert {type(number) for number in numbers} == {float}


def test_a_shot_that_no_window_reached_tells_nothing() -> None:
    looks = Looks()
    assert looks.within(0.0, 5.0) is None
    looks.add(0.0, 5.0, even(SHAPE), even(HEARD_SHAPE), WHOLE)
    assert looks.within(7.0, 9.0) is None
    gone = looks.within(0.0, 2.0, sound_later_s=30.0)
    assert gone is not None
    assert gone.heard == gone.heard_curve == ()


def test_what_is_drawn_stands_at_its_second_and_its_place() -> None:
    attention = Attention(
        seen=((12.0, 0.25, 0.8, 9.0), (11.0, 0.5, 0.5, 4.0), (11.5, 0.5, 0.5, 1.2), (30.0, 0.5, 0.5, 3.0)),
        heard=((12.5, 4.0),),
        heard_curve=((9.0, 1.0), (12.5, 4.0), (25.0, 0.5)),
    )
    drawn = lit(attention, 10.0, 10.0, sound_later_s=0.4)
    assert drawn.seen_s.tolist() == [1.0, 2.0]
    row, column = divmod(int(drawn.seen[1].argmax()), COLUMNS)
    assert (row, column) == (int(0.25 * ROWS), int(0.8 * COLUMNS))
    assert drawn.heard_s == pytest.approx([2.9])
    assert drawn.heard.tolist() == [4.0]


def test_nothing_is_drawn_where_nothing_stands_out() -> None:
    drawn = lit(Attention(((1.0, 0.5, 0.5, 1.5),), ((1.0, 1.5),), ((1.0, 1.0),), ((1.0, 1.0),)), 0.0, 10.0)
    assert len(drawn.seen_s) == len(drawn.seen) == len(drawn.heard_s) == len(drawn.heard) == 0
    assert drawn.seen.shape[1:] == (ROWS, COLUMNS)


def test_what_is_kept_of_looks_makes_the_same_again_and_adds_up() -> None:
    one, other, both = Looks(), Looks(), Looks()
    peaks = at(SHAPE, 4, 0, 3), at(HEARD_SHAPE, slice(None), 8)
    one.add(0.0, 5.0, *peaks, (0.8, 0.5))
    other.add(4.0, 5.0, even(SHAPE), even(HEARD_SHAPE), (0.8, 0.5))
    both.add(0.0, 5.0, *peaks, (0.8, 0.5))
    both.add(4.0, 5.0, even(SHAPE), even(HEARD_SHAPE), (0.8, 0.5))
    again = Looks.of(one.held())
    assert again.within(0.0, 9.0) == one.within(0.0, 9.0)
    again.include(Looks.of(other.held()))
    assert again.within(0.0, 9.0) == both.within(0.0, 9.0)
    assert Looks.of(Looks().held()).within(0.0, 9.0) is None
