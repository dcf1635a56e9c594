"""The timeline as a strip: tracks, clips, findings as marks, a playhead; zoom and scroll.

Only what is in sight is drawn, so that thousands of clips cost no more than a few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPalette, QPen, QPixmap, QPolygon
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QToolTip, QWidget

from otio_avassist.panel import theme
from otio_avassist.panel.entries import STATE_SIGNS, STATE_WORDS, Entry
from otio_avassist.panel.preview import PEAKS, Overview
from otio_avassist.panel.strip_model import Block, Mark, Row, StripModel
from otio_avassist.timecodes import timecode

HEAD, RULER, LANE, GAP = 104, 24, 44, 3
MARK = 10
"""Height of a mark; the lowest stand at the bottom of their lane."""
SLACK = 4
"""Pixels beside a mark that are still taken for it."""
LEAST = 3.0
"""Pixels, the narrowest that anything is drawn."""
NARROW = 6.0
"""Pixels, below which nothing is written on a clip."""
BLOCKS = {
    "picture": theme.PICTURES, "sound": theme.SOUNDS, "ours": theme.OURS, "missing": theme.MISSING,
    "off": ("#e1e3e6", "#34383e"),
}  # fmt: skip
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
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.viewport().setMouseTracking(True)
        self._model: StripModel | None = None
        self._rate, self._start_timecode_s = 25.0, 0.0
        self._shown_s = LEAST_S
        """How much fills the width."""
        self._entries: dict[str, Entry] = {}
        self._current = ""
        self._playhead_s: float | None = None
        self._scrubs = False
        """The button was pressed where it moves the playhead."""
        self._overviews: Mapping[str, tuple[Overview, float]] = {}
        self._images: dict[tuple[int, int], QImage] = {}
        self._drawn: QPixmap | None = None
        """All but the playhead, which moves while everything else stands still."""
        self.horizontalScrollBar().valueChanged.connect(self._redraw)
        self.verticalScrollBar().valueChanged.connect(self._redraw)

    # What the window says

    def set_model(self, model: StripModel, rate: float, start_timecode_s: float) -> None:
        self._model, self._rate, self._start_timecode_s = model, rate, start_timecode_s
        self._entries, self._playhead_s = {}, None
        self.fit()
        self._describe()

    def set_entries(self, entries: Iterable[Entry]) -> None:
        if self._model is not None:
            self._entries = {entry.id: entry for entry in entries}
            self._model.set_entries(self._entries)
            self._describe()
            self._redraw()

    def set_current(self, id_: str) -> None:
        self._current = id_
        self._describe()
        self._redraw()

    def set_playhead(self, at_s: float | None) -> None:
        self._playhead_s = at_s
        self.viewport().update()

    def set_overviews(self, overviews: Mapping[str, tuple[Overview, float]]) -> None:
        """What is known of media: clip's name -> a file at a glance, and where in it the clip starts."""
        self._overviews = overviews
        self._redraw()

    def show_moment(self, at_s: float) -> None:
        """Scroll so that it is in sight."""
        if not self.from_s <= at_s <= self.from_s + self._shown_s:
            self.horizontalScrollBar().setValue(round(1000 * (at_s - self._shown_s / 4)))

    def _redraw(self) -> None:
        self._drawn = None
        self.viewport().update()

    def _describe(self) -> None:
        """For those who hear the strip: what is on it, and what is picked."""
        if self._model is None:
            return
        clips = sum(len(lane.blocks) for lane in self._model.lanes)
        states = Counter(entry.state for entry in self._entries.values())
        counts = [f"{states[state]} {words}" for state, words in STATE_WORDS.items() if states[state]]
        words = [
            f"{len(self._model.lanes)} tracks, {clips} clips",
            f"{len(self._entries)} findings{': ' if counts else ''}{', '.join(counts)}",
        ]
        if self._current in self._entries:
            words.append(f"picked: {_words(self._entries[self._current])}")
        self.setAccessibleDescription("; ".join(words))

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
        self._redraw()

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
        lane = self._lane_at(point)
        if self._model is None or lane is None:
            return None
        below = self.y_of(lane) + LANE - point.y()
        slack_s = SLACK * self._shown_s / self._width
        mark = self._model.hit(lane, self.second_at(point.x()), slack_s, max(0, below) // MARK)
        if mark is None or not mark.level * MARK - SLACK <= below <= (mark.level + 1) * MARK + SLACK:
            return None
        return mark

    def block_at(self, point: QPoint) -> Block | None:
        """The clip under a point."""
        lane = self._lane_at(point)
        return (
            self._model.block(lane, self.second_at(point.x())) if self._model and lane is not None else None
        )

    def _lane_at(self, point: QPoint) -> int | None:
        if self._model is None or point.x() < HEAD or point.y() < RULER:
            return None
        lane = (point.y() - RULER + self.verticalScrollBar().value()) // (LANE + GAP)
        return lane if lane < len(self._model.lanes) else None

    @property
    def _width(self) -> int:
        return max(1, self.viewport().width() - HEAD)

    # What Qt asks

    def sizeHint(self) -> QSize:
        return QSize(900, RULER + 5 * (LANE + GAP) + 16)

    def minimumSizeHint(self) -> QSize:
        # A picture and two sounds: what most cuts have is seen without scrolling.
        return QSize(300, RULER + 3 * (LANE + GAP) + self.horizontalScrollBar().sizeHint().height())

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._arrange()

    def mousePressEvent(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._model is None:
            return
        point = event.position().toPoint()
        mark = self.mark_at(point)
        self._scrubs = mark is None and point.x() >= HEAD
        if mark is not None:
            self.picked.emit(mark.id)
        elif self._scrubs:
            self.seeked.emit(self._inside(point.x()))

    def mouseMoveEvent(self, event: Any) -> None:
        point = event.position().toPoint()
        if event.buttons() & Qt.MouseButton.LeftButton:
            if self._scrubs and self._model is not None:
                self._follow(point.x())
                self.seeked.emit(self._inside(min(max(HEAD, point.x()), HEAD + self._width)))
            return
        over = self.mark_at(point) is not None
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: Any) -> None:
        self._scrubs = False

    def wheelEvent(self, event: Any) -> None:
        """Along the time; with Ctrl nearer and farther, over the heads or with Shift from track to track."""
        turned = event.angleDelta().y() or event.angleDelta().x()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(1.25 ** (turned / 120), self.second_at(event.position().x()))
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier or event.position().x() < HEAD:
            bar = self.verticalScrollBar()
            bar.setValue(bar.value() - round(turned / 120 * (LANE + GAP)))
        else:
            bar = self.horizontalScrollBar()
            bar.setValue(bar.value() - round(turned / 120 * 100 * self._shown_s))

    def keyPressEvent(self, event: Any) -> None:
        """The keys that the window leaves: to either end, and a stretch on or back."""
        if self._model is None:
            return
        at_s = self._playhead_s if self._playhead_s is not None else self.from_s
        goes_to = {
            Qt.Key.Key_Home: 0.0,
            Qt.Key.Key_End: self._model.duration_s,
            Qt.Key.Key_PageUp: at_s - self._shown_s / 2,
            Qt.Key.Key_PageDown: at_s + self._shown_s / 2,
        }.get(event.key())
        if goes_to is None:
            event.ignore()
            return
        goes_to = min(max(0.0, goes_to), self._model.duration_s)
        self.show_moment(goes_to)
        self.seeked.emit(goes_to)

    def focusInEvent(self, event: Any) -> None:
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: Any) -> None:
        super().focusOutEvent(event)
        self.viewport().update()

    def changeEvent(self, event: Any) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._redraw()

    def viewportEvent(self, event: Any) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.words_at(event.pos()), self.viewport())
            return True
        return super().viewportEvent(event)

    def words_at(self, point: QPoint) -> str:
        """What is under a point: a finding, else a clip, else a track; empty where there is nothing."""
        if self._model is None:
            return ""
        mark = self.mark_at(point)
        if mark is not None and mark.id in self._entries:
            return _words(self._entries[mark.id])
        block = self.block_at(point)
        if block is not None:
            return block.name + (
                f": {block.missing}" if block.missing else " (disabled)" if block.off else ""
            )
        lane = self._lane_at(QPoint(HEAD, point.y())) if point.x() < HEAD else None
        return self._model.lanes[lane].name if lane is not None else ""

    def _follow(self, x: float) -> None:
        """Scroll on while the playhead is dragged beyond an end."""
        beyond = max(0.0, x - HEAD - self._width) - max(0.0, HEAD - x)
        if beyond:
            bar = self.horizontalScrollBar()
            bar.setValue(bar.value() + round(1000 * beyond * self._shown_s / self._width))

    def _inside(self, x: float) -> float:
        assert self._model is not None
        return min(max(0.0, self.second_at(x)), self._model.duration_s)

    # Paint

    def paintEvent(self, event: Any) -> None:
        with QPainter(self.viewport()) as painter:  # ended here, whatever fails and keeps this frame
            palette = self.palette()
            if self._model is None:
                painter.fillRect(self.viewport().rect(), palette.color(QPalette.ColorRole.Base))
                painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
                painter.drawText(
                    self.viewport().rect(),
                    Qt.AlignmentFlag.AlignCenter,
                    "Drop a timeline here, or press Ctrl+O",
                )
                return
            ratio = self.viewport().devicePixelRatioF()
            if self._drawn is None or self._drawn.devicePixelRatio() != ratio:
                self._drawn = QPixmap(self.viewport().size() * ratio)
                self._drawn.setDevicePixelRatio(ratio)
                with QPainter(self._drawn) as still:
                    self._paint_still(still)
            painter.drawPixmap(0, 0, self._drawn)
            if (
                self._playhead_s is not None
                and self.from_s <= self._playhead_s <= self.from_s + self._shown_s
            ):
                self._paint_playhead(painter, round(self.x_of(self._playhead_s)))
            if self.hasFocus():
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight), 2))
                painter.drawRect(self.viewport().rect().adjusted(1, 1, -1, -1))

    def _paint_still(self, painter: QPainter) -> None:
        assert self._model is not None
        painter.setFont(self.font())
        painter.fillRect(self.viewport().rect(), self.palette().color(QPalette.ColorRole.Base))
        painter.setClipRect(0, RULER, self.viewport().width(), self.viewport().height() - RULER)
        for number, lane in enumerate(self._model.lanes):
            y = self.y_of(number)
            if y > self.viewport().height() or y + LANE < 0:
                continue
            self._paint_lane(painter, number, y)
            self._paint_head(painter, lane.name, y)
        painter.setClipping(False)
        self._paint_ruler(painter, self.from_s, self.from_s + self._shown_s)

    def _paint_head(self, painter: QPainter, name: str, y: int) -> None:
        palette = self.palette()
        painter.fillRect(0, y, HEAD, LANE, palette.color(QPalette.ColorRole.Window))
        painter.setPen(palette.color(QPalette.ColorRole.WindowText))
        shown = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, HEAD - 12)
        painter.drawText(6, y, HEAD - 8, LANE, Qt.AlignmentFlag.AlignVCenter, shown)

    def _paint_playhead(self, painter: QPainter, x: int) -> None:
        colour = theme.pick(theme.PLAYHEAD, self.palette())
        painter.fillRect(x, 0, 2, self.viewport().height(), colour)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        grip = (QPoint(x - 5, RULER - 10), QPoint(x + 7, RULER - 10), QPoint(x + 1, RULER))
        painter.drawPolygon(QPolygon(grip))

    def _paint_lane(self, painter: QPainter, number: int, y: int) -> None:
        assert self._model is not None
        palette = self.palette()
        lane = self._model.lanes[number]
        painter.fillRect(HEAD, y, self._width, LANE, palette.color(QPalette.ColorRole.AlternateBase))
        painter.save()
        painter.setClipRect(HEAD, max(RULER, y), self._width, LANE)
        narrow: dict[str, list[QRectF]] = {}
        for at, is_narrow, rect in self._rects(lane.row, y, LANE):
            block = lane.blocks[at]
            if is_narrow:
                narrow.setdefault(_look(lane.kind, block), []).append(rect)
            else:
                self._paint_block(painter, lane.kind, block, rect)
        for look, rects in narrow.items():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.pick(BLOCKS[look], palette))
            painter.drawRects(rects)
        self._paint_marks(painter, number, y)
        painter.restore()

    def _paint_block(self, painter: QPainter, kind: str, block: Block, rect: QRectF) -> None:
        palette = self.palette()
        look = _look(kind, block)
        colour = theme.pick(BLOCKS[look], palette)
        faint = palette.color(QPalette.ColorRole.PlaceholderText)
        painter.fillRect(rect, colour)
        if block.missing:
            painter.fillRect(rect, QBrush(faint, Qt.BrushStyle.BDiagPattern))
        elif block.name in self._overviews and not block.off:
            seen, starts_s = self._overviews[block.name]
            if kind == "picture":
                self._paint_stills(painter, block, rect, seen, starts_s)
            else:
                self._paint_peaks(painter, block, rect, seen, starts_s)
        if block.off:
            painter.setPen(QPen(faint, 1, Qt.PenStyle.DashLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(rect.adjusted(0, 0, -1, -1))
        else:
            edge = colour.lighter(140) if theme.is_dark(palette) else colour.darker(125)
            painter.fillRect(QRectF(rect.x(), rect.y(), 1, rect.height()), edge)
        box = self._in_sight(rect).adjusted(4, 1, -4, 0)
        if box.width() > 20:
            name = f"♪ {block.name}" if block.ours else block.name
            metrics = painter.fontMetrics()
            name = metrics.elidedText(name, Qt.TextElideMode.ElideRight, int(box.width()))
            box.setHeight(metrics.height())
            if look in ("picture", "missing"):  # legible on stills and on hatching
                width = metrics.horizontalAdvance(name) + 4
                painter.fillRect(QRectF(box.x() - 2, box.y(), width, box.height()), _tinted(colour, 200))
            painter.setPen(faint if block.off else palette.color(QPalette.ColorRole.WindowText))
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, name)

    def _in_sight(self, rect: QRectF) -> QRectF:
        """So much of it as isn't scrolled away, so that words on it can be read."""
        return rect.intersected(QRectF(HEAD, rect.y(), self._width, rect.height()))

    def _paint_marks(self, painter: QPainter, number: int, y: int) -> None:
        assert self._model is not None
        marks, row = self._model.marks(number)
        alike: dict[tuple[str, str, bool], list[QRectF]] = {}
        current: QRectF | None = None
        for at, is_narrow, rect in self._rects(row, y + LANE - MARK, MARK - 1):
            mark = marks[at]
            if mark.id == self._current:
                current = rect
            alike.setdefault((mark.task, self._entries[mark.id].state, is_narrow), []).append(rect)
        for (task, state, are_narrow), rects in alike.items():
            colour = theme.pick(theme.TASKS[task], self.palette())
            self._paint_alike(painter, colour, state, rects, are_narrow=are_narrow)
        if current is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.WindowText), 2))
            painter.drawRect(current.adjusted(-1, -1, 1, 1))

    def _paint_alike(
        self, painter: QPainter, colour: QColor, state: str, rects: list[QRectF], *, are_narrow: bool
    ) -> None:
        """Marks of one task and state: accepted ones full, undecided ones hollow, rejected ones a line."""
        palette = self.palette()
        painter.setPen(Qt.PenStyle.NoPen)
        if state == "rejected":
            painter.setBrush(_tinted(palette.color(QPalette.ColorRole.Base), 150))
            painter.drawRects(rects)
            painter.setBrush(colour)
            painter.drawRects([rect.adjusted(0, MARK - 4, 0, 0) for rect in rects])
        elif state == "accepted":
            painter.setBrush(colour)
            painter.drawRects(rects)
        else:
            inner = rects
            if not are_narrow:
                painter.setBrush(colour)
                painter.drawRects(rects)
                inner = [rect.adjusted(1, 1, -1, -1) for rect in rects]
            painter.setBrush(_mixed(colour, palette.color(QPalette.ColorRole.Base)))
            painter.drawRects(inner)
        if are_narrow:
            return
        font, small = painter.font(), painter.font()
        small.setPixelSize(MARK)
        small.setBold(True)
        painter.setFont(small)
        ink = QPalette.ColorRole.Base if state == "accepted" else QPalette.ColorRole.WindowText
        painter.setPen(palette.color(ink))
        for rect in rects:
            if rect.width() > 14:
                box = self._in_sight(rect).adjusted(3, -2, 0, 2)
                painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, STATE_SIGNS[state])
        painter.setFont(font)

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

    def _rects(self, row: Row, y: float, height: float) -> list[tuple[int, bool, QRectF]]:
        """(place in the row, whether it is narrow, where it is drawn) of all that can be told apart."""
        pixel_s = self._shown_s / self._width
        there = row.seen(self.from_s, self.from_s + self._shown_s, LEAST * pixel_s)
        lefts = HEAD + (row.starts[there] - self.from_s) / pixel_s
        widths = np.maximum(LEAST, (row.ends[there] - row.starts[there]) / pixel_s - 1)
        tops = y - MARK * row.levels[there]
        columns = (there, widths < NARROW, lefts, tops, widths)
        return [
            (at, is_narrow, QRectF(left, top, width, height))
            for at, is_narrow, left, top, width in zip(*(each.tolist() for each in columns), strict=True)
        ]

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


def _look(kind: str, block: Block) -> str:
    """Which of `BLOCKS` a clip is drawn as."""
    return "missing" if block.missing else "off" if block.off else "ours" if block.ours else kind


def _tinted(colour: QColor, alpha: int) -> QColor:
    tinted = QColor(colour)
    tinted.setAlpha(alpha)
    return tinted


def _mixed(colour: QColor, ground: QColor) -> QColor:
    """Two parts of the colour, three of what is below."""
    pairs = zip(colour.getRgb()[:3], ground.getRgb()[:3], strict=True)  # type: ignore[index]
    return QColor(*((2 * above + 3 * below) // 5 for above, below in pairs))


def _words(entry: Entry) -> str:
    """A finding, said: what, of which task, where, and what was decided."""
    return f"{entry.timecode} {entry.task}: {entry.what} ({STATE_WORDS[entry.state]})"
