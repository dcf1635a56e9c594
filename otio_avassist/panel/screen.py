"""The picture: the frame at the playhead, and a strip of stills below it that can be clicked."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPalette
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from otio_avassist.panel import theme
from otio_avassist.panel.preview import FPS


def image_of(frame: np.ndarray) -> QImage:
    """uint8 (H, W, 3) -> an image of its own."""
    frame = np.ascontiguousarray(frame)
    height, width, _ = frame.shape
    return QImage(frame.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def lit(frame: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A frame with what wasn't looked at dimmed, and what was warmed.

    Args:
        frame: uint8 (H, W, 3).
        weights: (rows, columns) in [0, 1], from top left.
    """
    height, width, _ = frame.shape
    over = _stretched(_stretched(weights, height).T, width).T[..., None]  # (H, W, 1) <- (rows, columns)
    warm = np.array((255.0, 150.0, 40.0))
    mixed = frame * (0.4 + 0.4 * over) + warm * (0.25 * over)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _stretched(weights: np.ndarray, length: int) -> np.ndarray:
    """Along the first axis, between the middles of the cells."""
    rows = len(weights)
    at = np.clip((np.arange(length) + 0.5) * rows / length - 0.5, 0, rows - 1)
    low = at.astype(int)
    part = (at - low)[:, None]
    return weights[low] * (1 - part) + weights[np.minimum(low + 1, rows - 1)] * part


class Frame(QWidget):
    """One frame, as large as there is room; words where there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Picture")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 140)
        self._image: QImage | None = None
        self._words = ""

    def sizeHint(self) -> QSize:
        return QSize(480, 270)

    def show_frame(self, frame: np.ndarray) -> None:
        self._image = image_of(frame)
        self.update()

    def show_words(self, words: str) -> None:
        """In place of a picture that isn't there."""
        self._image, self._words = None, words
        self.setAccessibleDescription(words)
        self.update()

    def paintEvent(self, event: Any) -> None:
        with QPainter(self) as painter:  # ended here, whatever fails and keeps this frame
            painter.fillRect(self.rect(), QColor("#101214"))
            if self._image is None:
                painter.setPen(QColor("#9aa4ae"))
                flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
                painter.drawText(self.rect().adjusted(12, 12, -12, -12), flags, self._words)
                return
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            x, y = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
            painter.drawImage(QRect(x, y, size.width(), size.height()), self._image)


class Stills(QWidget):
    """Frames side by side over the whole stretch, and a line where it plays."""

    picked = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Picture strip")
        self.setFixedHeight(46)
        self._frames = np.zeros((0, 2, 2, 3), np.uint8)
        self._at_s, self._duration_s = 0.0, 1.0

    def show_frames(self, frames: np.ndarray, duration_s: float) -> None:
        self._frames, self._duration_s = frames, max(0.04, duration_s)
        self.update()

    def show_at(self, at_s: float) -> None:
        self._at_s = at_s
        self.update()

    def mousePressEvent(self, event: Any) -> None:
        self.picked.emit(self._duration_s * event.position().x() / max(1, self.width()))

    def paintEvent(self, event: Any) -> None:
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), self.palette().color(QPalette.ColorRole.Base))
            if len(self._frames):
                _, height, width, _ = self._frames.shape
                each = max(8, round(self.height() * width / height))
                for x in range(0, self.width(), each):
                    at = min(
                        len(self._frames) - 1, int((x + each / 2) / self.width() * self._duration_s * FPS)
                    )
                    painter.drawImage(QRect(x, 0, each - 1, self.height()), image_of(self._frames[at]))
            painter.setPen(theme.pick(theme.PLAYHEAD, self.palette()))
            x = round(self._at_s / self._duration_s * self.width())
            painter.fillRect(QRect(x, 0, 2, self.height()), theme.pick(theme.PLAYHEAD, self.palette()))


class Screen(QWidget):
    """Picture and strip."""

    picked = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.frame, self.stills = Frame(), Stills()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.frame, 1)
        layout.addWidget(self.stills)
        self.stills.picked.connect(self.picked)
        self._frames = np.zeros((0, 2, 2, 3), np.uint8)
        self._looked_s, self._looked = np.zeros(0), np.zeros((0, 1, 1))
        self._at_s = 0.0

    def show_frames(self, frames: np.ndarray, duration_s: float, words: str = "") -> None:
        """
        Args:
            frames: uint8 (T, H, W, 3) at `FPS`.
            words: why there are none.
        """
        self._frames = frames
        self._looked_s, self._looked = np.zeros(0), np.zeros((0, 1, 1))
        self.stills.show_frames(frames, duration_s)
        if len(frames):
            self.show_at(0.0)
        else:
            self.frame.show_words(words or "no picture")

    def show_attention(self, times_s: np.ndarray, weights: np.ndarray) -> None:
        """Where the network looked: until other frames come, each is dimmed elsewhere.

        Args:
            times_s: (n,) seconds from the first picture, ascending.
            weights: (n, rows, columns) of any scale; nowhere above 0: the frames stay as they are.
        """
        most = float(weights.max(initial=0.0))
        known = most > 0
        self._looked_s = times_s if known else np.zeros(0)
        self._looked = np.clip(weights / most, 0, 1) if known else np.zeros((0, 1, 1))
        self.show_at(self._at_s)

    def show_at(self, at_s: float) -> None:
        self._at_s = at_s
        self.stills.show_at(at_s)
        if len(self._frames):
            frame = self._frames[min(len(self._frames) - 1, max(0, int(at_s * FPS)))]
            if len(self._looked_s):
                frame = lit(frame, self._looked[np.abs(self._looked_s - at_s).argmin()])
            self.frame.show_frame(frame)
