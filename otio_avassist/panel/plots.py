"""Drawings of a few seconds: movement against sound, spectrograms, belief over offsets. By pyqtgraph.

Times are seconds from the first picture. Colours follow the palette. Each drawing has a line where it plays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QWidget

from otio_avassist.figures import LEAST_MOTION, LEAST_SOUND, levels_of
from otio_avassist.findings import Posterior
from otio_avassist.panel import theme
from otio_avassist.panel.preview import FPS, RATE, Sound
from otio_avassist.signals import FOLEY_HOP, FOLEY_RATE

if TYPE_CHECKING:
    from otio_avassist.panel.screen import Screen

COLUMN_S = FOLEY_HOP / FOLEY_RATE
LOW, HIGH = 60, 120
"""Pixels: what a spectrogram needs to be read, and the most that helps."""
OVER = "#00e5ff"
"""The line where it plays, over a spectrogram: magma has no such colour, neither where it is dark nor where
it is bright."""


class Plot(pg.PlotWidget):
    """A plot without menus and without a mouse of its own, in the colours of the palette."""

    picked = Signal(float)
    """A moment that was clicked, in seconds."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None)
        self.setAccessibleName(name)
        self.setMenuEnabled(False)
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hideAxis("left")
        self.playhead = pg.InfiniteLine(0.0, pen=pg.mkPen("r"))
        self.addItem(self.playhead, ignoreBounds=True)
        self.paint_in(self.palette())

    def paint_in(self, palette: QPalette) -> None:
        """Take on the colours of a palette."""
        ink = palette.color(QPalette.ColorRole.WindowText)
        self.getAxis("bottom").setPen(pg.mkPen(ink, width=1))
        self.getAxis("bottom").setTextPen(pg.mkPen(ink))
        self.playhead.setPen(pg.mkPen(theme.pick(theme.PLAYHEAD, palette), width=2))

    def show_at(self, at_s: float) -> None:
        self.playhead.setValue(at_s)

    def changeEvent(self, event: Any) -> None:
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange and hasattr(self, "playhead"):
            self.paint_in(self.palette())
            self.fill_in(self.palette())
            self.resetCachedContent()  # pyqtgraph keeps the background as it was drawn first

    def fill_in(self, palette: QPalette) -> None:
        """Give curves the colours of a palette."""

    def mousePressEvent(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            at = self.getPlotItem().vb.mapSceneToView(self.mapToScene(event.position().toPoint()))
            self.picked.emit(max(0.0, at.x()))
        super().mousePressEvent(event)


class Against(Plot):
    """Movement above a line, sound below it."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self._motion = pg.PlotDataItem()
        self._sound = pg.PlotDataItem()
        self.addItem(self._motion)
        self.addItem(self._sound)
        self.setYRange(-1.05, 1.05, padding=0)
        self.setMinimumHeight(LOW)

    def fill_in(self, palette: QPalette) -> None:
        _fill(self._motion, theme.pick(theme.MOTION, palette), width=1, alpha=110)
        _fill(self._sound, theme.pick(theme.SOUND, palette), width=1, alpha=110)

    def show_curves(self, motion: np.ndarray, samples: np.ndarray, duration_s: float) -> None:
        """
        Args:
            motion: (T,) at `FPS`.
            samples: (N,) at `RATE`.
        """
        self.fill_in(self.palette())
        up = levels_of(motion, least=LEAST_MOTION)
        each = RATE // (2 * FPS)
        loud = np.abs(samples[: len(samples) // each * each].reshape(-1, each)).max(axis=1, initial=0.0)
        down = levels_of(loud, least=LEAST_SOUND)
        for item, levels, sign, step_s in (
            (self._motion, up, 1, 1 / FPS),
            (self._sound, down, -1, each / RATE),
        ):
            item.setData((np.arange(len(levels)) + 0.5) * step_s, sign * levels)
        self.setXRange(0, max(0.1, duration_s), padding=0)


class Spectrogram(Plot):
    """What a sound is made of, low to high, and what of it decided, where that is known."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self._image = pg.ImageItem()
        self._image.setColorMap(pg.colormap.get("magma"))
        self.addItem(self._image)
        self._image.setZValue(-1)
        self._looked = pg.PlotDataItem()
        self.addItem(self._looked)
        self.setMinimumHeight(LOW)
        self.setMaximumHeight(HIGH)

    def paint_in(self, palette: QPalette) -> None:
        """The picture has the same colours in light and dark, and so has the line over it."""
        super().paint_in(palette)
        self.playhead.setPen(pg.mkPen(OVER, width=2))

    def show_sound(self, sound: Sound, duration_s: float) -> None:
        mel = sound.mel
        top = float(mel.max(initial=0.1))
        self._image.setImage(mel.T, levels=(max(0.0, top - 0.6), top), autoLevels=False)
        self._image.setRect(0, 0, mel.shape[1] * COLUMN_S, mel.shape[0])
        self.setYRange(0, mel.shape[0], padding=0)
        self.setXRange(0, max(0.1, duration_s), padding=0)
        self._looked.setData([], [])

    def show_attention(self, times_s: np.ndarray, weights: np.ndarray) -> None:
        """Where the network listened: a line over the spectrogram, as high as the weight.

        Args:
            times_s, weights: (n,), seconds from the first picture, and weights of any scale.

        Without weights above 0 there is no line.
        """
        most = float(weights.max(initial=0.0))
        if most <= 0:
            self._looked.setData([], [])
            return
        self._looked.setPen(pg.mkPen("w", width=2))
        self._looked.setShadowPen(pg.mkPen("k", width=5))  # where the picture is as bright as the line
        top = self.viewRange()[1][1]
        self._looked.setData(times_s, np.clip(weights / most, 0, 1) * 0.97 * top)

    def attention(self) -> tuple[np.ndarray, np.ndarray]:
        """The line that is drawn: seconds, and heights in bands; empty where there is none."""
        times_s, heights = self._looked.getData()
        nothing = np.zeros(0)
        return (nothing, nothing) if times_s is None else (times_s, heights)


class Belief(Plot):
    """Belief over offsets: late on the left, early on the right, a line where it stands."""

    def __init__(self, name: str = "Belief over offsets", parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self._curve = pg.PlotDataItem()
        self.addItem(self._curve)
        self.setLabel("bottom", "← sound late · seconds · sound early →")
        self.setMinimumHeight(120)

    def fill_in(self, palette: QPalette) -> None:
        _fill(self._curve, theme.pick(theme.TASKS["sync"], palette), width=2, alpha=90)

    def show_posterior(self, posterior: Posterior | None, early_s: float | None) -> None:
        """None: every rung abstained, or the one that decided had no grid."""
        self.setVisible(posterior is not None)
        if posterior is None:
            return
        self.fill_in(self.palette())
        self._curve.setData(np.array(posterior.offsets_s), np.array(posterior.probabilities))
        self.setXRange(min(posterior.offsets_s), max(posterior.offsets_s), padding=0.02)
        self.setYRange(0, 1.1 * max(*posterior.probabilities, 1e-9), padding=0)
        self.playhead.setVisible(early_s is not None)
        self.playhead.setValue(early_s or 0.0)

    def show_at(self, at_s: float) -> None:
        """Its line stands for an offset, not for a moment."""


def _fill(curve: pg.PlotDataItem, colour: QColor, *, width: int, alpha: int) -> None:
    """A line, and the room down to zero in a paler shade of it."""
    curve.setPen(pg.mkPen(colour, width=width))
    curve.setFillLevel(0)
    fill = pg.mkColor(colour)
    fill.setAlpha(alpha)
    curve.setBrush(pg.mkBrush(fill))


def show_attention(
    screen: Screen,
    spectrogram: Spectrogram,
    *,
    seen_s: np.ndarray,
    seen: np.ndarray,
    heard_s: np.ndarray,
    heard: np.ndarray,
) -> None:
    """Draw which input decided: bright places in the picture, a line over the spectrogram.

    To be called after the frames and the sound are shown, which take away what was drawn before.

    Args:
        seen_s: (n,) seconds from the first picture, ascending; empty: nothing is known of the picture.
        seen: (n, rows, columns) weights of places, of any scale.
        heard_s, heard: (m,) the same of moments of the sound.

    Raises:
        ValueError: there aren't as many weights as times.
    """
    for name, times_s, weights in (("seen", seen_s, seen), ("heard", heard_s, heard)):
        if len(times_s) != len(weights):
            raise ValueError(f"{name}: wanted a weight for each of {len(times_s)} times, got {len(weights)}")
    screen.show_attention(seen_s, seen)
    spectrogram.show_attention(heard_s, heard)
