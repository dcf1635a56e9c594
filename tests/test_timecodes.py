"""timecodes: every moment has the label that an editor would give it."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otio_avassist.timecodes import clock, exact_rate, timecode, whole_frames


@pytest.mark.parametrize(
    ("spelt", "meant"),
    [
        (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (23.976024627685547, Fraction(24000, 1001)),
        (24, Fraction(24)),
        (29.97, Fraction(30000, 1001)),
        (29.97002997, Fraction(30000, 1001)),
        (47.952, Fraction(48000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (119.88, Fraction(120000, 1001)),
        (12.5, Fraction(25, 2)),
        (25, Fraction(25)),
        (48000, Fraction(48000)),
    ],
)
def test_a_rounded_rate_means_an_exact_one(spelt: float, meant: Fraction) -> None:
    assert exact_rate(spelt) == meant


@pytest.mark.parametrize("rate", [0.0, -25.0, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="frames per second"):
        exact_rate(rate)


@pytest.mark.parametrize(
    ("seconds", "rate", "start_s", "label"),
    [
        (0.0, 25, 3600.0, "01:00:00:00"),
        (1.0, 25, 0.0, "00:00:01:00"),
        (0.999999999, 25, 0.0, "00:00:01:00"),
        (-1.0, 25, 0.0, "-00:00:01:00"),
        (0.0, 23.976, 86400 * 1001 / 24000, "01:00:00:00"),
        (1001 / 24000, 23.976, 86400 * 1001 / 24000, "01:00:00:01"),
        (1800 * 1001 / 30000, 29.97, 0.0, "00:01:00;02"),
        (17982 * 1001 / 30000, 29.97, 0.0, "00:10:00;00"),
        (108000 * 1001 / 30000, 29.97, 0.0, "01:00:03;18"),
        (3600 * 1001 / 60000, 59.94, 0.0, "00:01:00;04"),
        (1.5, 48000, 0.0, "00:00:01.500"),
        (1.5, 0, 0.0, "00:00:01.500"),
    ],
)
def test_a_moment_has_its_label(seconds: float, rate: float, start_s: float, label: str) -> None:
    assert timecode(seconds, rate, start_s) == label


def test_drop_frame_is_counted_only_where_it_can_be() -> None:
    assert timecode(60.06, 29.97, drop=False) == "00:01:00:00"
    assert timecode(60.0, 30, drop=True) == "00:01:00:00"


@given(frame=st.integers(0, 2_589_407))
def test_drop_frame_agrees_with_opentimelineio_all_day_long(frame: int) -> None:
    for rate, number in ((30000 / 1001, frame), (60000 / 1001, 2 * frame)):
        theirs = otio.opentime.to_timecode(otio.opentime.RationalTime(number, rate), rate, True)
        assert timecode(number / rate, rate) == theirs


@given(frames=st.integers(-200_000, 200_000), rate=st.sampled_from([23.976, 24, 25, 29.97, 50, 59.94]))
def test_whole_frames_come_back_from_their_seconds(frames: int, rate: float) -> None:
    assert whole_frames(frames / float(exact_rate(rate)), rate) == frames


def test_half_a_frame_is_rounded_away_from_zero_on_either_side() -> None:
    assert (whole_frames(0.02, 25), whole_frames(-0.02, 25)) == (1, -1)


def test_a_clock_counts_thousandths() -> None:
    assert clock(3661.0015) == "01:01:01.002"
    assert (clock(-0.5), clock(-0.0001)) == ("-00:00:00.500", "00:00:00.000")
