"""Findings as a Qt table: sorted and filtered here, so that thousands of them stay fluid.

A proxy model asks Python twice for every comparison; one pass over a list takes milliseconds. Needs QtCore
alone: no window, no display.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from otio_avassist.panel.entries import STATE_SIGNS, STATE_WORDS, Entry

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()
COL_STATE, COL_TIME, COL_TASK, COL_CLIP, COL_WHAT, COL_CONFIDENCE, COL_DOUBTS = range(7)
FindingRole = Qt.ItemDataRole.UserRole
"""The `Entry` of a row."""


@dataclass(frozen=True)
class Column:
    title: str
    text: Callable[[Entry], str]
    key: Callable[[Entry], Any]
    """What it is sorted by."""


COLUMNS = (
    Column("State", lambda each: f"{STATE_SIGNS[each.state]} {STATE_WORDS[each.state]}",
           lambda each: tuple(STATE_WORDS).index(each.state)),
    Column("Time", lambda each: each.timecode, lambda each: each.start_s),
    Column("Task", lambda each: each.task, lambda each: each.task),
    Column("Clip", lambda each: each.address.clip, lambda each: each.address.clip.lower()),
    Column("What", lambda each: each.what, lambda each: each.what.lower()),
    Column("Sure", lambda each: f"{each.finding.confidence:.0%}", lambda each: each.finding.confidence),
    Column("Doubts", lambda each: each.doubts, lambda each: each.doubts),
)  # fmt: skip


@dataclass(frozen=True)
class Filter:
    """Which findings are shown."""

    tasks: frozenset[str] = frozenset()
    """Empty: all."""
    states: frozenset[str] = frozenset()
    """Empty: all."""
    least: float = 0.0
    """Confidence, 0 to 1."""
    text: str = ""
    """Part of the clip's name, of what it is, or of a doubt."""

    def shows(self, entry: Entry) -> bool:
        if (self.tasks and entry.task not in self.tasks) or (self.states and entry.state not in self.states):
            return False
        if entry.finding.confidence < self.least:
            return False
        return not self.text or self.text.lower() in entry.searched


class FindingsModel(QAbstractTableModel):
    """What is shown of the entries, in the order that was asked for."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._all: dict[str, Entry] = {}
        self._shown: list[Entry] = []
        self._numbered: dict[str, int] | None = None
        self._filter = Filter()
        self._column, self._reverse = COL_TIME, False
        self._order = COL_TIME, Qt.SortOrder.AscendingOrder

    # What the window asks

    def set_entries(self, entries: Iterable[Entry]) -> None:
        """All there is, in place of what there was."""
        self._all = {entry.id: entry for entry in entries}
        self._show()

    def add_entry(self, entry: Entry) -> None:
        """One more, at its place in the order."""
        if entry.id in self._all:
            self.update_entry(entry)
            return
        self._all[entry.id] = entry
        if not self._filter.shows(entry):
            return
        at = self._place(entry)
        self.beginInsertRows(ROOT, at, at)
        self._shown.insert(at, entry)
        self._numbered = None
        self.endInsertRows()

    def update_entry(self, entry: Entry) -> None:
        """What is known of a finding has changed. It stays where it is: no row runs away from a person."""
        self._all[entry.id] = entry
        row = self._rows.get(entry.id)
        if row is not None:
            self._shown[row] = entry
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(COLUMNS) - 1))

    def set_filter(self, wanted: Filter) -> None:
        self._filter = wanted
        self._show()

    def entry(self, row: int) -> Entry:
        return self._shown[row]

    def row_of(self, id_: str) -> int | None:
        """None: it isn't shown."""
        return self._rows.get(id_)

    def count(self, states: Collection[str] = ()) -> int:
        """How many there are in all, shown or not, of these states or of any."""
        if not states:
            return len(self._all)
        return sum(entry.state in states for entry in self._all.values())

    def next_row(self, row: int, step: int) -> int | None:
        """The nearest row in that direction that nobody has decided yet, else the nearest at all."""
        rows = range(row + step, len(self._shown) if step > 0 else -1, step)
        undecided = (each for each in rows if self._shown[each].state == "proposed")
        return next(undecided, rows[0] if len(rows) else None)

    # What Qt asks

    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._shown):
            return None
        entry, column = self._shown[index.row()], COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return column.text(entry)
            case Qt.ItemDataRole.UserRole:  # FindingRole: a name alone would match anything
                return entry
            case Qt.ItemDataRole.ToolTipRole:
                return entry.line.outcome.words
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{column.title}: {column.text(entry)}"
            case Qt.ItemDataRole.TextAlignmentRole if index.column() == COL_CONFIDENCE:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section].title if 0 <= section < len(COLUMNS) else None
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        # Qt asks twice for one click.
        if 0 <= column < len(COLUMNS) and (column, order) != self._order:
            self._order = column, order
            self._column, self._reverse = column, order == Qt.SortOrder.DescendingOrder
            self._show()

    # Inside

    def _key(self, entry: Entry) -> tuple:
        return COLUMNS[self._column].key(entry), entry.start_s

    def _place(self, entry: Entry) -> int:
        # Behind those that are equal to it either way, as where all are sorted at once.
        if self._reverse:
            ascending = self._shown[::-1]
            return len(ascending) - bisect_left(ascending, self._key(entry), key=self._key)
        return bisect_right(self._shown, self._key(entry), key=self._key)

    def _show(self) -> None:
        self.beginResetModel()
        shown = list(self._all.values())
        if self._filter != Filter():
            shown = [entry for entry in shown if self._filter.shows(entry)]
        self._shown = sorted(shown, key=self._key, reverse=self._reverse)
        self._numbered = None
        self.endResetModel()

    @property
    def _rows(self) -> dict[str, int]:
        """Id -> row, made when it is first asked for."""
        if self._numbered is None:
            self._numbered = {entry.id: row for row, entry in enumerate(self._shown)}
        return self._numbered
