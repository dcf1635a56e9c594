"""Plays a few seconds of pictures and sound, over and over, as J, K, L and the arrows ask.

Pictures are in memory and the clock is the computer's; the sound starts with it at each turn of the loop, so
that a few seconds can't drift apart. Sound is heard at its own speed only. `silent_because` says why nothing
is heard where there is no device.
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QBuffer, QByteArray, QElapsedTimer, QIODevice, QObject, QTimer, Signal

SPEEDS = (1.0, 2.0, 4.0)
TICK_MS = 15


class Player(QObject):
    """Where it is, in seconds from the first picture, and whether it moves."""

    moved = Signal(float)
    changed = Signal()
    """It plays, or has stopped, or plays at another speed."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.at_s, self.speed, self.loops = 0.0, 0.0, True
        self._length_s = 0.0
        self._bytes = QByteArray()
        self._buffer = QBuffer(self)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._clock = QElapsedTimer()
        self._from_s = 0.0
        self._rate = 16000
        self._sink, self.silent_because = _sink(self, self._rate)

    @property
    def plays(self) -> bool:
        return self.speed != 0

    def load(self, samples: np.ndarray, rate: int, length_s: float) -> None:
        """What is to be played; it goes on from where it was.

        Args:
            samples: float32 (N,) mono in [-1, 1].
        """
        if rate != self._rate:
            raise ValueError(f"this player was opened for {self._rate} samples a second, not {rate}")
        self._bytes = QByteArray((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        self._length_s = length_s
        self.at_s = min(self.at_s, max(0.0, length_s))
        if self.plays:
            self._begin(self.speed)

    def toggle(self) -> None:
        """Play, or stop."""
        self.stop() if self.plays else self.play()

    def play(self) -> None:
        self._begin(1.0)

    def forward(self) -> None:
        """L: play, and faster at each further press."""
        self._begin(_faster(self.speed) if self.speed > 0 else 1.0)

    def backward(self) -> None:
        """J: the same, backwards."""
        self._begin(-_faster(-self.speed) if self.speed < 0 else -1.0)

    def stop(self) -> None:
        self._timer.stop()
        if self._sink is not None:
            self._sink.stop()
        self.speed = 0.0
        self.changed.emit()

    def seek(self, at_s: float) -> None:
        self.at_s = min(max(0.0, at_s), self._length_s)
        if self.plays:
            self._begin(self.speed)
        self.moved.emit(self.at_s)

    def _begin(self, speed: float) -> None:
        if self._length_s <= 0:
            return
        if self._sink is not None:
            self._sink.stop()
        if self.at_s >= self._length_s - 1e-3 and speed > 0:
            self.at_s = 0.0
        self.speed, self._from_s = speed, self.at_s
        self._clock.restart()
        if self._sink is not None and speed == 1.0:
            self._buffer.close()
            self._buffer.setData(self._bytes)
            self._buffer.open(QIODevice.OpenModeFlag.ReadOnly)
            self._buffer.seek(round(self.at_s * self._rate) * 2)
            self._sink.start(self._buffer)
        self._timer.start()
        self.changed.emit()

    def _tick(self) -> None:
        self.at_s = self._from_s + self.speed * self._clock.elapsed() / 1000
        if 0 <= self.at_s <= self._length_s:
            self.moved.emit(self.at_s)
        elif self.loops:
            self.at_s = 0.0 if self.speed > 0 else self._length_s
            self.moved.emit(self.at_s)
            self._begin(self.speed)
        else:
            self.at_s = min(max(0.0, self.at_s), self._length_s)
            self.moved.emit(self.at_s)
            self.stop()


def _faster(speed: float) -> float:
    return next((each for each in SPEEDS if each > speed), SPEEDS[-1])


def _sink(parent: QObject, rate: int):
    """(what plays 16 bits, mono; why there is none)"""
    try:
        from PySide6.QtMultimedia import QAudioFormat, QAudioSink, QMediaDevices
    except ImportError as error:
        return None, f"no sound: Qt's multimedia can't be loaded ({error})"
    device = QMediaDevices.defaultAudioOutput()
    if device.isNull():
        return None, "no sound: there is no audio device"
    wanted = QAudioFormat()
    wanted.setSampleRate(rate)
    wanted.setChannelCount(1)
    wanted.setSampleFormat(QAudioFormat.SampleFormat.Int16)
    if not device.isFormatSupported(wanted):
        return None, f"no sound: {device.description()} doesn't take {rate} samples a second"
    return QAudioSink(device, wanted, parent), ""
