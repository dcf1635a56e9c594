"""Whether an offset stays, drifts or jumps, told by places that each know it to a frame or two, or err."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from otio_avassist.course import Course, Place, course, split
from otio_avassist.findings import Jump, Posterior

GRID_S = np.arange(-50, 51) * 0.04


def a_place(at_s: float, early_s: float | None, *, sure: float = 0.6) -> Place:
    """Says one offset, smeared as what is seen is; None: says nothing."""
    even = np.full(len(GRID_S), 1 / len(GRID_S))
    if early_s is not None:
        peak = np.exp(-0.5 * ((GRID_S - early_s) / 0.065) ** 2)
        even = (1 - sure) * even + sure * peak / peak.sum()
    return Place(at_s, Posterior(tuple(GRID_S.tolist()), tuple(even.tolist())))


def places(
    early_s: Callable[[float], float], count: int, over_s: float, *, strays: int = 0, seed: int = 0
) -> list[Place]:
    """Places along a recording, some of which name an offset at random; the others scatter by a frame."""
    random = np.random.default_rng(seed)
    at_s = np.linspace(10, over_s - 10, count)
    err = random.choice(count, strays, replace=False)
    return [
        a_place(
            second,
            random.uniform(-1.9, 1.9) if number in err else early_s(second) + random.normal(0, 0.03),
        )
        for number, second in enumerate(at_s)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("strays", [0, 3, 6])
def test_an_offset_that_stays_is_no_course_whoever_strays(strays: int, seed: int) -> None:
    assert course(places(lambda second: 0.4, 12, 3600.0, strays=strays, seed=seed)) is None


@pytest.mark.parametrize("seed", range(5))
def test_places_that_say_nothing_or_anything_make_no_course(seed: int) -> None:
    random = np.random.default_rng(seed)
    assert course([a_place(300.0 * each, None) for each in range(12)]) is None
    assert course([a_place(300.0 * each, random.uniform(-2, 2)) for each in range(12)]) is None


@pytest.mark.parametrize("ppm", [-400.0, -100.0, 100.0, 250.0, 480.0])
def test_a_drift_is_told_and_measured_through_strays(ppm: float) -> None:
    found = course(places(lambda second: 0.3 - ppm * 1e-6 * second, 12, 3600.0, strays=2))
    assert found is not None
    assert found.jumps == ()
    assert found.drift_ppm == pytest.approx(ppm, abs=30)
    assert found.early_s == pytest.approx(0.3, abs=0.06)
    assert found.confidence > 0.9


def test_a_drift_too_small_to_be_seen_stays_unnamed() -> None:
    assert course(places(lambda second: 0.3 - 10e-6 * second, 12, 3600.0)) is None
    assert course(places(lambda second: 0.3 - 300e-6 * second, 6, 120.0)) is None


def test_a_drift_beyond_what_clocks_do_is_not_named_as_one() -> None:
    found = course(places(lambda second: 1.5 - 1500e-6 * second, 12, 2000.0))
    assert found is None or found.drift_ppm is None


@pytest.mark.parametrize("strays", [0, 2])
def test_a_jump_is_told_with_both_its_offsets(strays: int) -> None:
    found = course(places(lambda second: 0.4 if second < 1500 else -0.6, 12, 3600.0, strays=strays))
    assert found is not None
    assert found.drift_ppm is None
    assert found.early_s == pytest.approx(0.4, abs=0.04)
    [jump] = found.jumps
    assert jump.audio_early_s == pytest.approx(-0.6, abs=0.04)
    assert abs(jump.at_s - 1500) <= jump.give_or_take_s + 1


def test_a_jump_may_be_on_either_side_of_places_that_say_nothing() -> None:
    said = places(lambda second: 0.4 if second < 1500 else -0.6, 14, 3900.0)
    found = course([a_place(each.at_s, None) if 1000 < each.at_s < 2000 else each for each in said])
    assert found is not None
    [jump] = found.jumps
    told_s = [each.at_s for each in said]
    assert jump.at_s - jump.give_or_take_s == pytest.approx(max(at_s for at_s in told_s if at_s < 1000))
    assert jump.at_s + jump.give_or_take_s == pytest.approx(min(at_s for at_s in told_s if at_s > 2000))


def test_two_jumps_are_two() -> None:
    found = course(places(lambda second: (0.4, -0.2, 1.0)[int(second // 1200)], 15, 3600.0))
    assert found is not None
    assert [round(jump.audio_early_s, 1) for jump in found.jumps] == [-0.2, 1.0]


def test_a_lone_place_at_the_end_is_no_jump() -> None:
    steady = places(lambda second: 0.4, 11, 3300.0)
    assert course([*steady, a_place(3500.0, -1.2, sure=0.95)]) is None


def test_a_course_holds_for_a_cut_from_where_it_begins() -> None:
    drifting = Course(0.4, 0.95, drift_ppm=100.0).from_second(1000.0, 60.0)
    assert drifting.early_s == pytest.approx(0.3)
    jumping = Course(0.2, 0.95, jumps=(Jump(10.0, 0.5), Jump(50.0, 0.9), Jump(90.0, 0.1)))
    cut = jumping.from_second(20.0, 40.0)
    assert cut.early_s == 0.5
    assert cut.jumps == (Jump(30.0, 0.9),)


@pytest.mark.parametrize("at_s", [8.0, 20.0, 31.0])
def test_a_jump_is_found_where_the_lag_changes(at_s: float) -> None:
    fps, random = 25.0, np.random.default_rng(1)
    things = np.convolve(random.normal(size=1200) ** 3, np.hanning(5), mode="same")
    heard = random.normal(size=1000)
    for frame in range(1000):
        heard[frame] += things[frame + 100 + (10 if frame < at_s * fps else -15)]
    # What is seen at t is heard 10 frames sooner at first, then 15 later.
    seen = things[100:1100] + random.normal(size=1000)
    second, give_or_take_s = split(seen, heard, fps, 0.4, -0.6)
    assert abs(second - at_s) <= give_or_take_s + 0.7
    assert give_or_take_s < 8
