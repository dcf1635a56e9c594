"""The timeline as a strip: tracks, clips, findings as marks, a playhead; zoom and scroll.

Only what is in sight is drawn, so that thousands of clips cost no more than a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPalette, QPen
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QWidget

from otio_avassist.panel import theme
from otio_avassist.panel.entries import STATE_SIGNS, Entry
from otio_avassist.panel.preview import PEAKS, Overview
from otio_avassist.panel.strip_model import Block, Mark, Row, StripModel
from otio_avassist.timecodes import timecode

HEAD, RULER, LANE, GAP = 64, 24, 34, 3
MARK = 9
"""Height of a mark, at the bottom of its lane."""
NARROW = 6.0
"""Pixels, below which nothing is written on a clip."""
BLOCKS = {"picture": theme.PICTURES, "sound": theme.SOUNDS, "missing": theme.MISSING}
LEAST_S = 1.0
"""The shortest stretch that fills the strip."""
STEPS_S = (0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Strip(QAbstractScrollArea):
    """What is where; a click on a mark picks it, anywhere else moves the playhead."""

    picked = Signal(str)
    seeked = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Timeline")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.viewport().setMouseTracking(True)
        self._model: StripModel | None = None
        self._rate, self._start_timecode_s = 25.0, 0.0
        self._shown_s = LEAST_S
        """How much fills the width."""
        self._current = ""
        self._playhead_s: float | None = None
        self._overviews: Mapping[str, tuple[Overview, float]] = {}
        self._images: dict[tuple[int, int], QImage] = {}
        self.horizontalScrollBar().valueChanged.connect(self.viewport().update)
        self.verticalScrollBar().valueChanged.connect(self.viewport().update)

    # What the window says

    def set_model(self, model: StripModel, rate: float, start_timecode_s: float) -> None:
        self._model, self._rate, self._start_timecode_s = model, rate, start_timecode_s
        self.fit()

    def set_entries(self, entries: Iterable[Entry]) -> None:
        if self._model is not None:
            self._model.set_entries(entries)
            self.viewport().update()

    def set_current(self, id_: str) -> None:
        self._current = id_
        self.viewport().update()

    def set_playhead(self, at_s: float | None) -> None:
        self._playhead_s = at_s
        self.viewport().update()

    def set_overviews(self, overviews: Mapping[str, tuple[Overview, float]]) -> None:
        """What is known of media: clip's name -> a file at a glance, and where in it the clip starts."""
        self._overviews = overviews
        self.viewport().update()

    def show_moment(self, at_s: float) -> None:
        """Scroll so that it is in sight."""
        if not self.from_s <= at_s <= self.from_s + self._shown_s:
            self.horizontalScrollBar().setValue(round(1000 * (at_s - self._shown_s / 4)))

    # Zoom

    @property
    def from_s(self) -> float:
        """The moment at the left end."""
        return self.horizontalScrollBar().value() / 1000

    @property
    def shown_s(self) -> float:
        return self._shown_s

    def fit(self) -> None:
        """All of it."""
        self._shown_s = max(LEAST_S, 1.02 * self._model.duration_s if self._model is not None else LEAST_S)
        self._arrange()
        self.horizontalScrollBar().setValue(0)

    def zoom(self, factor: float, around_s: float | None = None) -> None:
        """Show so many times less; what is at `around_s` stays where it is."""
        if self._model is None:
            return
        middle = self._playhead_s if self._playhead_s is not None else self.from_s + self._shown_s / 2
        around = middle if around_s is None else around_s
        share = (around - self.from_s) / self._shown_s
        longest = max(LEAST_S, 1.02 * self._model.duration_s)
        self._shown_s = min(longest, max(LEAST_S, self._shown_s / factor))
        self._arrange()
        self.horizontalScrollBar().setValue(round(1000 * (around - share * self._shown_s)))

    def _arrange(self) -> None:
        if self._model is None:
            return
        bar = self.horizontalScrollBar()
        bar.setRange(0, max(0, round(1000 * (1.02 * self._model.duration_s - self._shown_s))))
        bar.setPageStep(round(1000 * self._shown_s))
        bar.setSingleStep(max(1, round(100 * self._shown_s)))
        lanes = RULER + len(self._model.lanes) * (LANE + GAP)
        self.verticalScrollBar().setRange(0, max(0, lanes - self.viewport().height()))
        self.verticalScrollBar().setPageStep(self.viewport().height())
        self.viewport().update()

    # Places

    def x_of(self, at_s: float) -> float:
        """Pixels from the left."""
        return HEAD + (at_s - self.from_s) / self._shown_s * self._width

    def second_at(self, x: float) -> float:
        return self.from_s + (x - HEAD) / self._width * self._shown_s

    def y_of(self, lane: int) -> int:
        return RULER + lane * (LANE + GAP) - self.verticalScrollBar().value()

    def mark_at(self, point: QPoint) -> Mark | None:
        """The finding under a point."""
        if self._model is None or point.x() < HEAD:
            return None
        lane = (point.y() - RULER + self.verticalScrollBar().value()) // (LANE + GAP)
        if not 0 <= lane < len(self._model.lanes):
            return None
        slack_s = 4 * self._shown_s / self._width
        return self._model.hit(lane, self.second_at(point.x()), slack_s)

    @property
    def _width(self) -> int:
        return max(1, self.viewport().width() - HEAD)

    # What Qt asks

    def sizeHint(self) -> QSize:
        return QSize(900, RULER + 5 * (LANE + GAP) + 16)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._arrange()

    def mousePressEvent(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._model is None:
            return
        point = event.position().toPoint()
        mark = self.mark_at(point) if point.y() > RULER else None
        if mark is not None:
            self.picked.emit(mark.id)
        elif point.x() >= HEAD:
            self.seeked.emit(self._inside(point.x()))

    def mouseMoveEvent(self, event: Any) -> None:
        point = event.position().toPoint()
        if event.buttons() & Qt.MouseButton.LeftButton and point.x() >= HEAD and self._model is not None:
            self.seeked.emit(self._inside(point.x()))
            return
        over = self.mark_at(point) is not None
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def wheelEvent(self, event: Any) -> None:
        turned = event.angleDelta().y() or event.angleDelta().x()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(1.25 ** (turned / 120), self.second_at(event.position().x()))
        else:
            bar = self.horizontalScrollBar()
            bar.setValue(bar.value() - round(turned / 120 * 100 * self._shown_s))

    def _inside(self, x: float) -> float:
        assert self._model is not None
        return min(max(0.0, self.second_at(x)), self._model.duration_s)

    # Paint

    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self.viewport())
        palette = self.palette()
        painter.fillRect(self.viewport().rect(), palette.color(QPalette.ColorRole.Base))
        if self._model is None:
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(
                self.viewport().rect(), Qt.AlignmentFlag.AlignCenter, "Drop a timeline here, or press Ctrl+O"
            )
            return
        painter.setClipRect(0, RULER, self.viewport().width(), self.viewport().height() - RULER)
        for number, lane in enumerate(self._model.lanes):
            y = self.y_of(number)
            if y > self.viewport().height() or y + LANE < 0:
                continue
            self._paint_lane(painter, number, y)
            painter.fillRect(0, y, HEAD, LANE, palette.color(QPalette.ColorRole.Window))
            painter.setPen(palette.color(QPalette.ColorRole.WindowText))
            name = painter.fontMetrics().elidedText(lane.name, Qt.TextElideMode.ElideRight, HEAD - 10)
            painter.drawText(6, y, HEAD - 8, LANE, Qt.AlignmentFlag.AlignVCenter, name)
        painter.setClipping(False)
        from_s, to_s = self.from_s, self.from_s + self._shown_s
        self._paint_ruler(painter, from_s, to_s)
        if self._playhead_s is not None and from_s <= self._playhead_s <= to_s:
            x = round(self.x_of(self._playhead_s))
            painter.fillRect(x, 0, 2, self.viewport().height(), theme.pick(theme.PLAYHEAD, palette))

    def _paint_lane(self, painter: QPainter, number: int, y: int) -> None:
        assert self._model is not None
        palette = self.palette()
        lane = self._model.lanes[number]
        painter.fillRect(HEAD, y, self._width, LANE, palette.color(QPalette.ColorRole.AlternateBase))
        painter.save()
        painter.setClipRect(HEAD, max(RULER, y), self._width, LANE)
        narrow: dict[str, list[QRectF]] = {}
        for at, rect in self._rects(lane.row, y, LANE):
            block = lane.blocks[at]
            if rect.width() < NARROW:
                narrow.setdefault("missing" if block.missing else lane.kind, []).append(rect)
            else:
                self._paint_block(painter, lane.kind, block, rect)
        self._paint_narrow(painter, narrow, BLOCKS)
        marks, row = self._model.marks(number)
        narrow, current = {}, None
        for at, rect in self._rects(row, y + LANE - MARK, MARK):
            mark = marks[at]
            if mark.id == self._current:
                current = rect
            if rect.width() < NARROW and mark.state != "rejected":
                narrow.setdefault(mark.task, []).append(rect)
            else:
                self._paint_mark(painter, mark, rect)
        self._paint_narrow(painter, narrow, theme.TASKS)
        if current is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(palette.color(QPalette.ColorRole.WindowText), 2))
            painter.drawRect(current.adjusted(0, -2, 0, 0))
        painter.restore()

    def _paint_block(self, painter: QPainter, kind: str, block: Block, rect: QRectF) -> None:
        palette = self.palette()
        pair = theme.OURS if block.ours else theme.PICTURES if kind == "picture" else theme.SOUNDS
        painter.fillRect(rect, theme.pick(theme.MISSING if block.missing else pair, palette))
        if block.missing:
            painter.fillRect(
                rect, QBrush(palette.color(QPalette.ColorRole.PlaceholderText), Qt.BrushStyle.BDiagPattern)
            )
        elif block.name in self._overviews:
            seen, starts_s = self._overviews[block.name]
            if kind == "picture":
                self._paint_stills(painter, block, rect, seen, starts_s)
            else:
                self._paint_peaks(painter, block, rect, seen, starts_s)
        if rect.width() > 28:
            painter.setPen(palette.color(QPalette.ColorRole.WindowText))
            room = int(rect.width()) - 8
            name = painter.fontMetrics().elidedText(block.name, Qt.TextElideMode.ElideMiddle, room)
            box = rect.adjusted(4, 1, -4, -MARK)
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, name)

    def _paint_peaks(
        self, painter: QPainter, block: Block, rect: QRectF, seen: Overview, starts_s: float
    ) -> None:
        if not len(seen.peaks):
            return
        left, right = max(rect.left(), HEAD), min(rect.right(), self.viewport().width())
        columns = np.arange(int(left), int(right))
        if not len(columns):
            return
        at_s = self.from_s + (columns - HEAD) / self._width * self._shown_s - block.start_s + starts_s
        step = max(1, round(self._shown_s / self._width * PEAKS))
        first = np.clip((at_s * PEAKS).astype(int), 0, len(seen.peaks) - 1)
        loud = np.array([seen.peaks[k : k + step].max(initial=0) for k in first], float)
        colour = QColor(theme.pick(theme.SOUND, self.palette()))
        colour.setAlpha(150)
        painter.setPen(QPen(colour, 1))
        middle, half = rect.center().y(), rect.height() / 2 - 2
        for x, each in zip(columns, np.sqrt(np.clip(loud, 0, 1)), strict=True):
            painter.drawLine(int(x), int(middle - half * each), int(x), int(middle + half * each))

    def _paint_stills(
        self, painter: QPainter, block: Block, rect: QRectF, seen: Overview, starts_s: float
    ) -> None:
        if not len(seen.stills):
            return
        first = QImage.fromData(seen.stills[0])
        width = max(8.0, first.width() * rect.height() / max(1, first.height()))
        count = int(min(rect.width(), self._width) // width)
        begin = max(rect.left(), HEAD)
        for number in range(count):
            x = begin + number * width
            if x + width > rect.right():
                break
            at_s = self.second_at(x) - block.start_s + starts_s
            near = int(np.clip(np.searchsorted(seen.still_s, at_s, "right") - 1, 0, len(seen.stills) - 1))
            painter.drawImage(QRectF(x, rect.top(), width - 1, rect.height()), self._image(seen, near))

    def _image(self, seen: Overview, number: int) -> QImage:
        key = (id(seen), number)
        if key not in self._images:
            if len(self._images) > 2000:
                self._images.clear()
            self._images[key] = QImage.fromData(seen.stills[number])
        return self._images[key]

    def _rects(self, row: Row, y: float, height: float) -> list[tuple[int, QRectF]]:
        """(place in the row, where it is drawn) of all that can be told apart."""
        pixel_s = self._shown_s / self._width
        there = row.seen(self.from_s, self.from_s + self._shown_s, pixel_s)
        lefts = HEAD + (row.starts[there] - self.from_s) / pixel_s
        widths = np.maximum(2.0, (row.ends[there] - row.starts[there]) / pixel_s - 1)
        return [
            (at, QRectF(left, y, width, height))
            for at, left, width in zip(there.tolist(), lefts.tolist(), widths.tolist(), strict=True)
        ]

    def _paint_narrow(
        self, painter: QPainter, rects: Mapping[str, list[QRectF]], pairs: Mapping[str, tuple[str, str]]
    ) -> None:
        """What has no room for words, all of one colour at once."""
        painter.setPen(Qt.PenStyle.NoPen)
        for name, those in rects.items():
            painter.setBrush(theme.pick(pairs[name], self.palette()))
            painter.drawRects(those)

    def _paint_mark(self, painter: QPainter, mark: Mark, rect: QRectF) -> None:
        palette = self.palette()
        colour = theme.pick(theme.TASKS[mark.task], palette)
        if mark.state == "rejected":
            painter.fillRect(rect, QBrush(colour, Qt.BrushStyle.Dense6Pattern))
        else:
            painter.fillRect(rect, colour)
        if rect.width() > 14:
            painter.setPen(palette.color(QPalette.ColorRole.Base))
            font = painter.font()
            small = painter.font()
            small.setPixelSize(MARK)
            painter.setFont(small)
            painter.drawText(
                rect.adjusted(2, -1, 0, 0), Qt.AlignmentFlag.AlignVCenter, STATE_SIGNS[mark.state]
            )
            painter.setFont(font)

    def _paint_ruler(self, painter: QPainter, from_s: float, to_s: float) -> None:
        palette = self.palette()
        painter.fillRect(0, 0, self.viewport().width(), RULER, palette.color(QPalette.ColorRole.Window))
        painter.setPen(palette.color(QPalette.ColorRole.WindowText))
        room = painter.fontMetrics().horizontalAdvance("00:00:00:00") + 16
        step_s = next((each for each in STEPS_S if each / self._shown_s * self._width >= room), STEPS_S[-1])
        at = np.ceil(from_s / step_s) * step_s
        while at <= to_s:
            x = int(self.x_of(at))
            painter.drawLine(x, RULER - 6, x, RULER)
            painter.drawText(x + 3, RULER - 8, timecode(at, self._rate, self._start_timecode_s))
            at += step_s
