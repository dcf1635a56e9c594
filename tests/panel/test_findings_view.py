"""The list as a person handles it: filters are chosen, headers clicked, rows walked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from otio_avassist.findings import Finding
from otio_avassist.panel import theme
from otio_avassist.panel.entries import Entry
from otio_avassist.panel.findings_model import COL_STATE, COL_WHAT, FindingsModel
from otio_avassist.panel.findings_view import FindingsView
from otio_avassist.review import Decision
from tests import cuts
from tests.panel.scene import SETTINGS, line


@pytest.fixture
def entries() -> list[Entry]:
    root = cuts.simple()
    found: tuple[Finding, ...] = (
        cuts.finding(root, 0.4),
        cuts.caption(root, 1.0, 2.0, "A bell rings.", confidence=0.3),
        cuts.caption(root, 2.0, 3.0, "A dog barks.", confidence=0.9),
    )
    said = (Decision("proposed"), Decision("accepted"), Decision("proposed"))
    return [
        Entry(line(each), decision, 25.0, 3600.0, SETTINGS)
        for each, decision in zip(found, said, strict=True)
    ]


@pytest.fixture
def view(qtbot, entries) -> FindingsView:
    model = FindingsModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    tester.setParent(model)
    made = FindingsView(model)
    qtbot.addWidget(made)
    made.resize(800, 300)
    made.show()
    model.set_entries(entries)
    return made


def whats(view: FindingsView) -> list[str]:
    return [view.model.index(row, COL_WHAT).data() for row in range(view.model.rowCount())]


def click_header(qtbot, view: FindingsView, column: int) -> None:
    header = view.table.horizontalHeader()
    at = header.viewport().rect().center()
    at.setX(header.sectionViewportPosition(column) + 10)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_filters_narrow_the_list_down_and_say_how_far(qtbot, view: FindingsView) -> None:
    assert view.count.text() == "3, 2 to decide"
    qtbot.keyClicks(view.search, "DOG")
    assert whats(view) == ["A dog barks."]
    assert view.count.text() == "1 of 3, 2 to decide"
    view.search.clear()
    view.tasks.setCurrentText("captions")
    assert whats(view) == ["A bell rings.", "A dog barks."]
    view.least.setValue(50)
    assert whats(view) == ["A dog barks."]
    view.states.setCurrentText("accepted")
    assert whats(view) == []


def test_a_click_on_a_header_sorts_and_the_next_one_turns_it_round(qtbot, view: FindingsView) -> None:
    click_header(qtbot, view, COL_WHAT)
    assert whats(view)[:2] == ["A bell rings.", "A dog barks."]
    click_header(qtbot, view, COL_WHAT)
    assert whats(view)[1:] == ["A dog barks.", "A bell rings."]


def test_another_order_leaves_the_person_where_they_are_and_tells_nobody(
    qtbot, view: FindingsView, entries: list[Entry]
) -> None:
    view.select(entries[2].id)
    told: list[str] = []
    view.current_changed.connect(told.append)
    click_header(qtbot, view, COL_WHAT)
    qtbot.keyClicks(view.search, "bark")
    assert view.current == entries[2].id
    assert view.table.currentIndex().row() == view.model.row_of(entries[2].id)
    assert told == []


def test_a_decision_is_no_other_finding_either(view: FindingsView, entries: list[Entry]) -> None:
    view.select(entries[0].id)
    told: list[str] = []
    view.current_changed.connect(told.append)
    view.model.update_entry(replace(entries[0], decision=Decision("rejected")))
    view.search.setText("sound")
    assert told == []
    assert view.current == entries[0].id


def test_where_the_filter_hides_what_was_current_the_first_that_is_left_is(
    view: FindingsView, entries: list[Entry]
) -> None:
    view.select(entries[2].id)
    told: list[str] = []
    view.current_changed.connect(told.append)
    view.search.setText("bell")
    assert told == [entries[1].id]
    view.search.setText("nothing of the kind")
    assert told == [entries[1].id, ""]
    assert view.current == ""
    view.search.clear()
    assert view.current == entries[0].id


def test_findings_that_are_known_anew_are_told_though_the_row_is_the_same(
    view: FindingsView, entries: list[Entry]
) -> None:
    view.select(entries[1].id)
    told: list[str] = []
    view.current_changed.connect(told.append)
    view.model.set_entries([replace(each, decision=Decision("rejected")) for each in entries])
    assert told == [entries[1].id]


def test_stepping_ends_at_both_ends_and_passes_over_what_is_decided(
    view: FindingsView, entries: list[Entry]
) -> None:
    view.select(entries[0].id)
    assert not view.step(-1)
    assert view.step(1)
    assert view.current == entries[1].id
    view.select(entries[0].id)
    assert view.step(1, undecided=True)
    assert view.current == entries[2].id
    assert not view.step(1)


@pytest.mark.parametrize("palette", [theme.light_palette(), theme.dark_palette()], ids=["light", "dark"])
def test_states_have_colours_that_stand_out_from_the_ground(view: FindingsView, palette: QPalette) -> None:
    option = QStyleOptionViewItem()
    option.palette = palette
    index = view.model.index(1, COL_STATE)
    delegate = view.table.itemDelegateForIndex(index)
    assert isinstance(delegate, QStyledItemDelegate)
    delegate.initStyleOption(option, index)
    drawn = option.palette.color(QPalette.ColorRole.Text)
    assert drawn == theme.pick(theme.STATES["accepted"], palette)
    assert abs(drawn.lightnessF() - palette.color(QPalette.ColorRole.Base).lightnessF()) > 0.3
