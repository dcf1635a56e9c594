"""Takes are ranked by what sync says and by relevance, and moved where sync is sure."""

from __future__ import annotations

from pathlib import Path

import pytest

from otio_avassist.findings import PassedOver, SyncFinding, Take
from otio_avassist.ranking import rank


def take(name, relevance=None):
    return Take(Path(f"{name}.wav"), 0, 4.0, "generated", relevance)


def says(**early):
    """A sync network that says (seconds early, confidence) of takes by name."""

    def ask(one):
        if one.path.stem not in early:
            return PassedOver(None, "no sound")
        early_s, confidence = early[one.path.stem]
        return SyncFinding(None, early_s, confidence, "network")

    return ask


def names(ranking):
    return [each.path.stem for each in ranking]


def test_without_sync_the_more_relevant_take_is_first():
    ranking = rank([take("a", 0.2), take("b", 0.9), take("c", 0.5)], None, 4.0)
    assert names(ranking) == ["b", "c", "a"]


def test_takes_of_equal_worth_keep_their_order():
    assert names(rank([take("b"), take("a"), take("c")], None, 4.0)) == ["b", "a", "c"]


def test_a_take_that_is_surely_early_is_moved_later_by_as_much():
    (moved,) = rank([take("a")], says(a=(0.3, 0.95)), 4.0)
    assert (moved.audio_early_s, moved.sync_confidence, moved.shifted_s) == (0.3, 0.95, 0.3)


def test_a_take_that_is_surely_late_is_moved_earlier():
    ranking = rank([take("a")], says(a=(-0.2, 0.9)), 4.0)
    assert ranking[0].shifted_s == -0.2


@pytest.mark.parametrize(
    ("early_s", "confidence", "duration_s"),
    [
        pytest.param(0.3, 0.6, 4.0, id="unsure"),
        pytest.param(0.02, 0.99, 4.0, id="in step already"),
        pytest.param(1.4, 0.99, 8.0, id="too far"),
        pytest.param(0.5, 0.99, 1.0, id="too far for a short shot"),
        pytest.param(None, 0.0, 4.0, id="abstained"),
    ],
)
def test_no_other_take_is_moved(early_s, confidence, duration_s):
    assert rank([take("a")], says(a=(early_s, confidence)), duration_s)[0].shifted_s == 0


def test_a_take_in_step_comes_before_one_that_nobody_can_place_and_that_before_one_out_of_step():
    asked = says(off=(1.5, 0.9), on=(0.01, 0.9), unknown=(None, 0.0))
    ranking = rank([take("off", 0.5), take("unknown", 0.5), take("on", 0.5)], asked, 4.0)
    assert names(ranking) == ["on", "unknown", "off"]


def test_a_moved_take_is_as_good_as_one_in_step():
    ranking = rank([take("a", 0.5), take("b", 0.5)], says(a=(0.2, 0.9), b=(0.0, 0.9)), 4.0)
    assert names(ranking) == ["a", "b"]


def test_much_more_relevance_outweighs_a_little_doubt_of_sync():
    ranking = rank([take("wrong", 0.1), take("right", 0.9)], says(wrong=(0.0, 0.6)), 4.0)
    assert names(ranking) == ["right", "wrong"]


def test_of_nothing_nothing_is_the_best():
    assert rank([], None, 4.0) == ()
