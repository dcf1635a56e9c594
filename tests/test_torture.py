"""Each kind of torture in small: the whole is `make torture`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.torture.__main__ import KINDS, torture
from bench.torture.outcome import Asked, Outcome
from bench.torture.watched import Ended

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"),
    reason="the tortures watch processes by way of /proc, as Linux has it",
)

COUNTS = {"kill": 2, "timelines": 6, "media": 3, "soak": 5, "places": 1}
"""Cases of those that take long; of `places`, of each of its kinds."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", COUNTS)
def test_a_few_cases_go_well(kind: str, tmp_path: Path) -> None:
    outcome = torture(kind, Asked(tmp_path, seed=1, count=COUNTS[kind]))
    assert outcome.failed == []
    assert outcome.tried >= COUNTS[kind]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["archives", "bundles"])
def test_all_that_is_hostile_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    outcome = torture(kind, Asked(tmp_path))
    assert outcome.failed == []
    assert outcome.tried == outcome.wanted > 10


def test_every_kind_is_a_module() -> None:
    folder = Path(sys.modules[torture.__module__].__file__ or "").parent
    assert {f"{kind}.py" for kind in KINDS} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        pytest.param(Ended("hung", seconds=60.0), "hung", id="no end"),
        pytest.param(Ended("died (SIGSEGV)"), "SIGSEGV", id="a crash"),
        pytest.param(Ended("ended", None, traceback="Traceback …"), "a traceback", id="an exception"),
        pytest.param(
            Ended("ended", 0, "Traceback (most recent call last)"), "a traceback", id="a logged one"
        ),
        pytest.param(Ended("ended", 1, "oh"), "without a reason", id="a failure that says nothing"),
        pytest.param(Ended("ended", 5, "avassist: x"), "ended with 5", id="an unknown code"),
        pytest.param(Ended("ended", 1, "avassist: can't"), "doesn't name cut.otio", id="no name in it"),
    ],
)
def test_what_is_wrong_with_an_end_is_said(ended: Ended, says: str) -> None:
    assert says in ended.trouble(naming="cut.otio")


def test_nothing_is_wrong_with_a_refusal_by_name() -> None:
    assert not Ended("ended", 1, "avassist: cut.otio: isn't one").trouble(naming="cut.otio")


def test_what_there_is_no_time_for_is_left_out_and_counted(tmp_path: Path) -> None:
    assert list(Asked(tmp_path, seconds=-1.0).in_time([1, 2, 3])) == []
    assert not Outcome("none", wanted=3).passed
