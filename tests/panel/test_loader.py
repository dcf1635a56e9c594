"""Work beside the window: the latest wish counts, what fails is told, and closing waits for all."""

from __future__ import annotations

import threading
import time

import pytest

from otio_avassist.panel.loader import Loader


@pytest.fixture
def loader(qtbot):
    made = Loader(threads=1)
    yield made
    made.close()


@pytest.fixture
def told(loader) -> list[tuple[str, object]]:
    answers: list[tuple[str, object]] = []
    loader.loaded.connect(lambda name, answer: answers.append((name, answer)))
    return answers


def test_answers_from_another_thread(loader, qtbot):
    with qtbot.waitSignal(loader.loaded) as caught:
        loader.ask("who", lambda _stale: threading.get_ident())
    name, ident = caught.args
    assert name == "who"
    assert ident != threading.get_ident()


def test_what_fails_is_told_and_the_next_goes_on(loader, told, qtbot):
    loader.ask("bad", lambda _stale: 1 / 0)
    qtbot.waitUntil(lambda: len(told) == 1)
    loader.ask("good", lambda _stale: 2)
    qtbot.waitUntil(lambda: len(told) == 2)
    assert isinstance(told[0][1], ZeroDivisionError)
    assert told[1] == ("good", 2)


def test_only_the_latest_wish_of_a_name_is_answered(loader, told, qtbot):
    began, ended = threading.Event(), threading.Event()

    def slow(stale):
        began.set()
        while not stale():
            time.sleep(0.001)
        ended.set()
        return "old"

    loader.ask("a", slow)
    assert began.wait(5)
    for number in range(3):
        loader.ask("a", lambda _stale, number=number: number)
    qtbot.waitUntil(lambda: bool(told))
    qtbot.wait(50)
    assert ended.is_set()
    assert told == [("a", 2)]


def test_what_is_out_of_sight_is_not_begun(loader, told, qtbot):
    gate, begun = threading.Event(), []
    loader.ask("first", lambda _stale: gate.wait(5))
    loader.ask("gone", lambda _stale: begun.append("gone"))
    loader.ask("wanted", lambda _stale: begun.append("wanted"))
    loader.drop("gone")
    gate.set()
    qtbot.waitUntil(lambda: len(told) == 2)
    assert begun == ["wanted"]


def test_closing_ends_what_is_under_way_and_tells_nothing_more(loader, told, qtbot):
    began = threading.Event()

    def slow(stale):
        began.set()
        while not stale():
            time.sleep(0.001)

    loader.ask("a", slow)
    loader.ask("b", lambda _stale: 1)
    assert began.wait(5)
    loader.close()
    qtbot.wait(30)
    assert told == []


def test_what_takes_long_in_the_background_keeps_nothing_waiting(loader, told, qtbot):
    gate = threading.Event()
    for name in "abc":
        loader.ask(name, lambda _stale: gate.wait(5), in_the_background=True)
    loader.ask("now", lambda _stale: 1)
    qtbot.waitUntil(lambda: told == [("now", 1)], timeout=2000)
    gate.set()
    qtbot.waitUntil(lambda: len(told) == 4)
