"""Where one looks, in which order, and what a network is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otio_avassist import energies, watching, windows
from otio_avassist.bundles import Card
from otio_avassist.errors import BundleError
from otio_avassist.watching import (
    SOUND_RATE,
    Watched,
    Watcher,
    check_preprocessing,
    in_order,
    joined,
    liveliness,
    places,
)  # fmt: skip
from tests.material import film

GRIDS = {"inputs": "grids", "window_s": 6.0, "shortest_s": 3.0, "fps": 25, "side": 48, "sample_rate": 16000}


def clicks(duration_s: float, every_s: float = 1.0) -> np.ndarray:
    """Ticks over faint noise."""
    samples = 0.001 * np.random.default_rng(0).normal(size=round(duration_s * SOUND_RATE))
    for start in range(0, len(samples) - 400, round(every_s * SOUND_RATE)):
        samples[start : start + 400] += np.linspace(0.5, 0, 400) * (-1) ** np.arange(400)
    return samples.astype(np.float32)


@pytest.mark.parametrize("stretches", [[(3.0, 11.5)], [(0.0, 95.0)], [(0.0, 30.0), (50.0, 53.2)]])
def test_places_cover_the_stretches_without_a_gap(stretches: list[tuple[float, float]]) -> None:
    found = places(stretches)
    assert {start for start, _ in stretches} <= {start for start, _ in found}
    assert sum(end - start for start, end in found) == pytest.approx(sum(b - a for a, b in stretches))
    assert all(end - start <= 30 for start, end in found)


def test_an_hour_costs_no_more_places_than_asked_for_and_they_are_spread() -> None:
    heard_s: list[float] = []

    def listen(start_s: float, end_s: float) -> np.ndarray:
        heard_s.append(end_s - start_s)
        return clicks(end_s - start_s)

    order = in_order(places([(0.0, 3600.0)]), listen, 12)
    assert len(order) == 12
    assert order[0][0] == 0.0
    assert order[1][0] > 3000
    assert 1200 < order[2][0] < 2400
    assert sum(heard_s) < 240


def test_one_looks_where_something_sets_in() -> None:
    loud = {4, 11, 17}

    def listen(start_s: float, end_s: float) -> np.ndarray:
        return (1.0 if int(start_s // 20) in loud else 0.0) * clicks(end_s - start_s)

    order = in_order(places([(0.0, 360.0)]), listen, 6)
    # Of three neighbours the one that sounds stands for them; where none does, it comes last.
    assert {int(start // 20) for start, _ in order[1:4]} == loud
    assert liveliness(np.zeros(SOUND_RATE)) == 0.0


def test_places_that_follow_one_another_are_one_run_and_others_are_not() -> None:
    def at(start_s: float) -> Watched:
        return Watched(start_s, 25.0, np.zeros((499, 2)), np.zeros((499, 3)), ())

    assert joined([at(0.0), at(20.0), at(60.0)])[2] == [998]


def stretch(path: Path, seconds: float) -> windows.Stretch:
    return windows.Stretch(path, 0.0, seconds)


def test_a_stretch_is_watched_in_places_between_which_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PLACE_S", 6.0)
    path = film(tmp_path / "a.mp4", seconds=20)
    reached: list[float] = []
    found = list(Watcher(None).watch(stretch(path, 20), stretch(path, 20), reached.append))
    assert len(found) == 3
    motion, sound, breaks = joined(found)
    assert breaks == []
    assert len(motion) == len(sound) == 20 * 25
    assert np.isfinite(motion[1:]).all()
    assert reached == sorted(reached)
    assert reached[-1] == 20


class Fed:
    """Stands in for a network that eats grids."""

    outputs = ("logits",)
    batch = 1

    def __init__(self, **numbers: object) -> None:
        self.card = Card("sync", "fed", "1", {}, GRIDS | numbers, (-0.04, 0.0, 0.04))
        self.got: list[dict[str, np.ndarray]] = []

    def __call__(self, *only: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        self.got.append(inputs)
        return {"logits": np.array([[0.0, 2.0, 0.0]])}


def test_a_network_may_be_fed_on_grids_of_motion_and_bands(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=11)
    model = Fed(vote={"temperature": 2.0})
    [found] = Watcher(model).watch(stretch(path, 11), stretch(path, 11), lambda _: None)  # type: ignore[arg-type]
    assert [(round(word.start_s, 6), word.length_s) for word in found.words] == [(0, 6), (2, 6), (4, 6)]
    assert {each["moves"].shape for each in model.got} == {(1, 150, 5, energies.ROWS, energies.COLUMNS)}
    assert {each["bands"].shape for each in model.got} == {(1, 150, energies.STEPS * energies.BANDS)}
    # What windows share is the same in both.
    np.testing.assert_array_equal(model.got[0]["moves"][0, 50:], model.got[1]["moves"][0, :100])
    np.testing.assert_array_equal(model.got[0]["bands"][0, 50:149], model.got[1]["bands"][0, :99])
    assert found.words[0].probabilities[1] == pytest.approx(np.e / (np.e + 2))


@pytest.mark.parametrize(("seconds", "lengths"), [(4.0, [4.0]), (2.0, [])])
def test_what_is_shorter_than_a_window_is_one_window_if_it_may_be(
    tmp_path: Path, seconds: float, lengths: list[float]
) -> None:
    path = film(tmp_path / "a.mp4", seconds=5)
    watcher = Watcher(Fed())  # type: ignore[arg-type]
    [found] = watcher.watch(stretch(path, seconds), stretch(path, seconds), lambda _: None)
    assert [word.length_s for word in found.words] == lengths


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        (9.0, []),  # two thirds are a window
        (7.2, [(0.0, 4.8), (2.4, 4.8)]),
        (4.8, [(0.0, 3.2), (1.6, 3.2)]),
        (4.0, []),  # two thirds are too short for the network
    ],
)
def test_the_network_is_asked_about_two_parts_where_no_window_fits_in_them(
    tmp_path: Path, seconds: float, parts: list[tuple[float, float]]
) -> None:
    path = film(tmp_path / "a.mp4", seconds=10)
    model = Fed()
    [found] = Watcher(model).watch(stretch(path, seconds), stretch(path, seconds), lambda _: None)  # type: ignore[arg-type]
    assert [(round(word.start_s, 6), round(word.length_s, 6)) for word in found.besides] == parts
    assert not {word.length_s for word in found.words} & {length_s for _, length_s in parts}
    told = [found.told_in(*part_s) for part_s in found.parts_s]
    if parts:
        assert told == [[word] for word in found.besides]
        # Both are of the same stream: what they share is the same.
        shared = round((parts[0][1] - parts[1][0]) * 25)
        first, last = (
            got["moves"][0] for got in model.got if got["moves"].shape[1] == round(parts[0][1] * 25)
        )
        np.testing.assert_array_equal(first[-shared:], last[:shared])


@pytest.mark.parametrize(
    "numbers",
    [
        {"inputs": "smells"}, {"shortest_s": None}, {"fps": 24}, {"vote": {"dull": 1.5}},
        {"vote": {"temperature": 0}}, {"vote": {"weight": 1}},
    ],
)  # fmt: skip
def test_a_card_that_asks_for_what_there_is_not_is_refused(numbers: dict) -> None:
    check_preprocessing(Card("sync", "net", "1", {}, GRIDS))
    with pytest.raises(BundleError, match="net: "):
        check_preprocessing(Card("sync", "net", "1", {}, GRIDS | numbers))
