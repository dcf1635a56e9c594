"""How much of a long recording is looked at, by what its places say: nothing is decoded here."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from otio_avassist import alignment
from otio_avassist.bundles import Model
from otio_avassist.findings import Evidence
from otio_avassist.tasks import sync
from otio_avassist.tasks.sync import Heard, Options, Pool
from otio_avassist.watching import Watched, Word, places

LONG_S = 1800.0
CLASSES_S = np.arange(-50, 51) * 0.04
MODEL = cast(Model, SimpleNamespace(card=SimpleNamespace(classes=tuple(CLASSES_S), preprocessing={})))


class Told(sync._Look):
    """Places whose windows say what they are told to."""

    def __init__(
        self, early_s: Callable[[float], float | None], length_s: float = LONG_S, **options: Any
    ) -> None:
        each = SimpleNamespace(
            duration_s=length_s, places=tuple(places([(0.0, length_s)])), stretches=((0.0, length_s),)
        )
        only = Options(rungs=("network",), **options)
        super().__init__(cast(Pool, each), MODEL, only, lambda done_s: None, Heard(()), None)
        self._early_s = early_s

    def _listen(self, start_s: float, end_s: float) -> np.ndarray:
        return np.zeros(16_000)

    def _watch(self, start_s: float, end_s: float) -> sync._Seen:
        rows = round((end_s - start_s) * 25)
        words = []
        for at_s in np.arange(start_s, end_s - 5, 2.0):
            said = self._early_s(at_s)
            share = np.full(len(CLASSES_S), 1 / len(CLASSES_S))
            if said is not None:
                bump = np.exp(-0.5 * ((CLASSES_S - said) / 0.05) ** 2)
                share = 0.3 * share + 0.7 * bump / bump.sum()
            words.append(Word(at_s, 5.0, share))
        still = np.zeros((rows, 2), np.float32), np.zeros((rows, 3), np.float32)
        return sync._Seen((Watched(start_s, 25.0, *still, tuple(words)),), None)

    @property
    def seen_s(self) -> float:
        return sum(each.end_s - each.start_s for each in self._watched)


def test_what_is_clear_everywhere_is_soon_settled():
    look = Told(lambda at_s: 0.4)
    weighed = look.far_enough()
    assert weighed.course is None
    assert weighed.belief[0] == pytest.approx(0.4, abs=0.05)
    assert look.seen_s < 120


def test_thorough_looks_at_all():
    look = Told(lambda at_s: 0.4, thorough=True)
    look.far_enough()
    assert look.seen_s == pytest.approx(LONG_S)


def test_where_a_part_says_nothing_it_looks_as_far_as_allowed():
    look = Told(lambda at_s: 0.4 if at_s < LONG_S / 2 else None)
    assert look.far_enough().belief[0] == pytest.approx(0.4, abs=0.05)
    assert look.seen_s == pytest.approx(Options().most_s, abs=20)


@pytest.mark.parametrize("at_s", [700.0, 1000.0])
def test_a_jump_is_found_though_hardly_half_of_it_tells_anything(at_s):
    def said(second: float) -> float | None:
        told = int(second // 20) % 3 < 2
        return (0.0 if second < at_s else -0.6) if told else None

    course = Told(said).far_enough().course
    assert course is not None
    [jump] = course.jumps
    assert jump.audio_early_s == pytest.approx(-0.6, abs=0.05)
    assert abs(jump.at_s - at_s) <= jump.give_or_take_s + 1


def test_a_drift_is_found():
    course = Told(lambda at_s: -200e-6 * at_s).far_enough().course
    assert course is not None
    assert course.drift_ppm == pytest.approx(200, abs=40)


def short(early_s: Callable[[float], float | None], length_s: float = 20.0) -> Told:
    """A short recording, before a network whose windows count for what they say."""
    look = Told(early_s, length_s)
    card = SimpleNamespace(classes=tuple(CLASSES_S), preprocessing={"vote": {"dull": 0.02}})
    look._model = cast(Model, SimpleNamespace(card=card))
    return look


def named(weighed: sync.Weighed) -> float | None:
    assert weighed.together is not None
    return weighed.together.audio_early_s


def at_the_end(at_s: float) -> float | None:
    """One moment tells it, near the end: a thing that is seen may go with another that is heard by chance."""
    return 0.4 if at_s > 8.5 else None


def test_of_a_short_recording_both_parts_must_bear_an_answer_out():
    assert named(short(lambda at_s: 0.4).far_enough()) == pytest.approx(0.4, abs=0.05)
    weighed = short(at_the_end).far_enough()
    assert weighed.posterior is not None
    early_s, confidence = alignment.believe(weighed.posterior)
    assert early_s == pytest.approx(0.4, abs=0.05)
    assert confidence > Options().thin
    assert named(weighed) is None
    assert "may be chance" in weighed.evidence[-1].note


@pytest.mark.parametrize(("lips_s", "borne_out"), [(0.4, True), (-0.8, False)])
def test_lips_bear_an_answer_out_by_themselves(lips_s: float, borne_out: bool):
    look = short(at_the_end)
    look._heard = Heard((Evidence("lips", lips_s, 0.7),))
    assert (named(look.far_enough()) is not None) is borne_out


def test_several_places_are_parts_of_one_recording():
    assert named(short(lambda at_s: 0.4, 60.0).far_enough()) == pytest.approx(0.4, abs=0.05)
    assert named(short(lambda at_s: 0.4 if at_s > 42 else None, 60.0).far_enough()) is None
