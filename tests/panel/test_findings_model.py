"""The list's model, without a window and without a display."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester

from otio_avassist.panel.entries import Entry
from otio_avassist.panel.findings_model import (
    COL_CONFIDENCE,
    COL_STATE,
    COL_TASK,
    COL_TIME,
    COL_WHAT,
    COLUMNS,
    Filter,
    FindingRole,
    FindingsModel,
)
from otio_avassist.review import Decision
from tests import cuts
from tests.panel.scene import SETTINGS, line


def entry(finding, state: str = "proposed", **said) -> Entry:
    return Entry(line(finding), Decision(state, **said), 25.0, 3600.0, SETTINGS)


@pytest.fixture
def entries() -> list[Entry]:
    root = cuts.simple()
    return [
        entry(cuts.caption(root, 2.0, 3.0, "A dog barks.", confidence=0.9)),
        entry(cuts.finding(root, 0.4, doubts=("grainy",))),
        entry(cuts.foley(root, 0.5, 1.5), "accepted"),
        entry(cuts.caption(root, 1.0, 2.0, "A bell rings.", confidence=0.3), "rejected"),
    ]


@pytest.fixture
def model(entries) -> FindingsModel:
    made = FindingsModel()
    tester = QAbstractItemModelTester(made, QAbstractItemModelTester.FailureReportingMode.Fatal)
    tester.setParent(made)
    made.set_entries(entries)
    return made


def column(model: FindingsModel, number: int) -> list[str]:
    return [model.index(row, number).data() for row in range(model.rowCount())]


def test_rows_say_what_was_found_when_and_how_sure(model: FindingsModel) -> None:
    assert column(model, COL_TIME) == ["01:00:00:00", "01:00:00:13", "01:00:01:00", "01:00:02:00"]
    assert column(model, COL_WHAT) == [
        "sound early by 10.0 frames (400 ms)", "rain, 2 takes", "A bell rings.", "A dog barks.",
    ]  # fmt: skip
    assert column(model, COL_STATE) == ["? to decide", "✓ accepted", "✗ rejected", "? to decide"]
    assert model.index(0, 0).data(FindingRole).task == "sync"
    assert model.index(0, COL_WHAT).data(Qt.ItemDataRole.AccessibleTextRole).startswith("What: sound early")


def test_every_column_sorts_both_ways(model: FindingsModel) -> None:
    for number in range(len(COLUMNS)):
        model.sort(number, Qt.SortOrder.AscendingOrder)
        up = [COLUMNS[number].key(model.entry(row)) for row in range(4)]
        model.sort(number, Qt.SortOrder.DescendingOrder)
        down = [COLUMNS[number].key(model.entry(row)) for row in range(4)]
        assert up == sorted(up)
        assert down == sorted(down, reverse=True)


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (Filter(tasks=frozenset({"captions"})), ["A bell rings.", "A dog barks."]),
        (Filter(states=frozenset({"accepted", "rejected"})), ["rain, 2 takes", "A bell rings."]),
        (Filter(least=0.85), ["sound early by 10.0 frames (400 ms)", "A dog barks."]),
        (Filter(text="DOG"), ["A dog barks."]),
        (Filter(text="grainy"), ["sound early by 10.0 frames (400 ms)"]),
        (Filter(tasks=frozenset({"sync"}), text="dog"), []),
    ],
)
def test_filters_leave_what_was_asked_for(model: FindingsModel, wanted: Filter, left: list[str]) -> None:
    model.set_filter(wanted)
    assert column(model, COL_WHAT) == left
    assert model.count() == 4


@pytest.mark.parametrize("number", [COL_CONFIDENCE, COL_TASK])
@pytest.mark.parametrize("order", Qt.SortOrder)
def test_what_is_found_later_takes_its_place_in_the_order(entries: list[Entry], order, number) -> None:
    model, all_at_once = FindingsModel(), FindingsModel()
    for each in (model, all_at_once):
        each.sort(number, order)
    root = cuts.simple()
    # Nothing tells these two from each other but their ids.
    entries += [entry(cuts.caption(root, 1.0, end, "A bell rings.", confidence=0.3)) for end in (1.5, 1.8)]
    for found in entries:
        model.add_entry(found)
    all_at_once.set_entries(entries)
    assert model.rowCount() == 6
    assert [model.entry(row).id for row in range(6)] == [all_at_once.entry(row).id for row in range(6)]


def test_a_row_that_was_decided_stays_where_it_is_until_the_list_is_asked_anew(model: FindingsModel) -> None:
    undecided = Filter(states=frozenset({"proposed"}))
    model.set_filter(undecided)
    first = model.entry(0)
    changed: list = []
    model.dataChanged.connect(lambda top, bottom, _roles: changed.append((top.row(), bottom.row())))
    model.update_entry(replace(first, decision=Decision("accepted")))
    assert changed == [(0, 0)]
    assert column(model, COL_STATE) == ["✓ accepted", "? to decide"]
    model.set_filter(undecided)
    assert column(model, COL_STATE) == ["? to decide"]


def test_the_next_to_decide_is_found_over_those_that_are_decided(model: FindingsModel) -> None:
    assert model.next_row(0, 1) == 3
    assert model.next_row(3, -1) == 0
    assert model.next_row(3, 1) is None
