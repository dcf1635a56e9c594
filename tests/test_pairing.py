"""Which clips may belong together is found without asking each of all others."""

from __future__ import annotations

import math
import random

from otio_avassist import pairing


def clip(number: int, start_s: float, end_s: float) -> pairing.Clip:
    """A picture that nothing is known of but its place."""
    return pairing.Clip((0, number), f"clip {number}", 0, "picture", (start_s, end_s), True, None)


def test_all_that_overlap_are_near_wherever_they_stand():
    draw = random.Random(0)
    starts = [draw.uniform(-100, 1000) for _ in range(200)]
    row = [clip(number, at_s, at_s + draw.choice([0.01, 1, 30, 2000])) for number, at_s in enumerate(starts)]
    # Of broken timelines: nowhere, backwards, and as long as a century.
    row += [clip(200, math.nan, math.nan), clip(201, 50.0, 40.0), clip(202, 0.0, 3e9), clip(203, 5.0, 5.0)]
    clips = pairing._Clips(row)
    for each in row:
        near = list(clips.near(each))
        touching = [other for other in row if pairing._overlap_s(each, other) > 0]
        assert [other for other in near if other in touching] == touching
        assert near == sorted(near, key=lambda other: other.path)


def test_of_a_long_row_only_the_neighbours_are_near():
    row = [clip(number, 2.0 * number, 2.0 * number + 2.0) for number in range(5000)]
    over_all = clip(5000, 0.0, 10_000.0)
    clips = pairing._Clips([*row, over_all])
    assert all(len(clips.near(each)) <= 8 for each in row)
    assert len(clips.near(over_all)) == 5001


def test_a_clip_as_long_as_a_century_is_near_to_all_at_once():
    clips = pairing._Clips([clip(number, number, number + 0.5) for number in range(3)])
    assert len(clips.near(clip(9, 0.0, 3e9))) == 3
