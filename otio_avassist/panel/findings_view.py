"""The list of findings, and what narrows it down."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QSpinBox,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from otio_avassist.panel import theme
from otio_avassist.panel.entries import STATE_WORDS, Entry
from otio_avassist.panel.findings_model import (
    COL_STATE,
    COL_TASK,
    COL_TIME,
    Filter,
    FindingRole,
    FindingsModel,
)

WIDTHS = {0: 92, 1: 96, 2: 72, 3: 130, 4: 260, 5: 52}


class Tinted(QStyledItemDelegate):
    """State and task in their colours; the words are there, too."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Any) -> None:
        super().initStyleOption(option, index)
        pairs = theme.STATES if index.column() == COL_STATE else theme.TASKS
        if (entry := index.data(FindingRole)) is not None:
            name = entry.state if index.column() == COL_STATE else entry.task
            colour = theme.pick(pairs[name], option.palette)
            option.palette.setColor(QPalette.ColorRole.Text, colour)


class FindingsView(QWidget):
    """Filters above, a table below; rows are of one height, so that thousands cost no more than a few."""

    current_changed = Signal(str)
    """The id of the finding under the cursor; empty where there is none. Another order or another filter that
    leaves it where it is isn't told: what plays goes on."""

    def __init__(self, model: FindingsModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.table = QTableView()
        self.table.setAccessibleName("Findings")
        self.table.setModel(model)
        # The other columns are left to Qt's own: the less Python has a hand in, the smoother it scrolls.
        for column in (COL_STATE, COL_TASK):
            self.table.setItemDelegateForColumn(column, Tinted(self.table))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setAlternatingRowColors(True)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.table.horizontalHeader().setStretchLastSection(True)
        for column, width in WIDTHS.items():
            self.table.setColumnWidth(column, width)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(COL_TIME, Qt.SortOrder.AscendingOrder)
        self.tasks, self.states = QComboBox(), QComboBox()
        self.tasks.addItems(["all tasks", *theme.TASKS])
        self.states.addItems(["all states", *STATE_WORDS.values()])
        self.least = QSpinBox()
        self.least.setRange(0, 100)
        self.least.setSuffix(" %")
        self.least.setPrefix("≥ ")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search ( / )")
        self.search.setClearButtonEnabled(True)
        self.count = QLabel()
        for widget, name in (
            (self.tasks, "Show findings of task"), (self.states, "Show findings of state"),
            (self.least, "Show findings at least so sure"), (self.search, "Search findings"),
        ):  # fmt: skip
            widget.setAccessibleName(name)
            widget.setToolTip(name)
        bar = QHBoxLayout()
        for each in (self.tasks, self.states, self.least, self.search, self.count):
            bar.addWidget(each, 1 if each is self.search else 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(bar)
        layout.addWidget(self.table, 1)
        self.tasks.currentIndexChanged.connect(self._filter)
        self.states.currentIndexChanged.connect(self._filter)
        self.least.valueChanged.connect(self._filter)
        self.search.textChanged.connect(self._filter)
        self.table.selectionModel().currentRowChanged.connect(self._current)
        model.modelReset.connect(self._again)
        model.rowsInserted.connect(self._counted)
        model.dataChanged.connect(self._renewed)
        self._entry: Entry | None = None
        self._counted()

    @property
    def current(self) -> str:
        """Id of the finding under the cursor."""
        return self._entry.id if self._entry is not None else ""

    def select(self, id_: str) -> bool:
        """Go to a finding; False: the filters hide it."""
        row = self.model.row_of(id_)
        if row is None:
            return False
        self.table.selectRow(row)
        self.table.scrollTo(self.model.index(row, COL_STATE))
        return True

    def step(self, step: int, *, undecided: bool = False) -> bool:
        """Go to the next (1) or the one before (-1); False: there is none."""
        row = self.model.row_of(self.current)
        start = (-1 if step > 0 else self.model.rowCount()) if row is None else row
        to = self.model.next_row(start, step) if undecided else start + step
        if to is None or not 0 <= to < self.model.rowCount():
            return False
        return self.select(self.model.entry(to).id)

    def _filter(self) -> None:
        task = self.tasks.currentText() if self.tasks.currentIndex() else ""
        state = list(STATE_WORDS)[self.states.currentIndex() - 1] if self.states.currentIndex() else ""
        self.model.set_filter(
            Filter(
                frozenset({task} if task else ()), frozenset({state} if state else ()),
                self.least.value() / 100, self.search.text(),
            )
        )  # fmt: skip

    def _current(self, now: QModelIndex, _before: QModelIndex) -> None:
        self._go(self.model.entry(now.row()) if now.isValid() else None)

    def _go(self, entry: Entry | None) -> None:
        if entry is not self._entry:
            self._entry = entry
            self.current_changed.emit(self.current)

    def _renewed(self) -> None:
        """Something else is known of a row: of the one under the cursor, too, perhaps."""
        row = self.model.row_of(self.current)
        if row is not None:
            self._entry = self.model.entry(row)

    def _again(self) -> None:
        """After another order or another filter, on what was current before, if it is still shown."""
        kept = self.current
        if not (kept and self.select(kept)) and self.model.rowCount():
            self.table.selectRow(0)
        elif not self.model.rowCount():
            self._go(None)
        self._counted()

    def _counted(self) -> None:
        shown, there = self.model.rowCount(), self.model.count()
        open_ = self.model.count(("proposed",))
        of = f"{shown} of {there}" if shown != there else f"{there}"
        self.count.setText(f"{of}, {open_} to decide")

    def refresh_count(self) -> None:
        """Somebody has decided."""
        self._counted()
