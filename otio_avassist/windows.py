"""(path, seconds) -> pictures and sound, true to their time stamps. Knows no timeline.

Pictures come on a regular grid of frames, sound on a regular grid of samples; both grids start at the second that was
asked for, counted from the file's first picture (its first sample where there is no picture). What the file doesn't
hold is silence, or the nearest picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class SoundStream:
    index: int
    """Among the file's sound streams."""
    rate: int
    channels: int
    start_s: float
    """Relative to the file's zero (its first picture): a positive value means the sound sets in later."""
    duration_s: float | None


@dataclass(frozen=True)
class MediaInfo:
    """What a look at the file's header tells."""

    path: Path
    duration_s: float | None
    fps: Fraction | None
    """None where there is no moving picture."""
    width: int | None
    height: int | None
    still: bool
    """One picture, or none that moves."""
    sounds: tuple[SoundStream, ...]
    timecode: str | None
    """Start timecode as written in the file (HH:MM:SS:FF, or ;FF)."""
    timecode_s: float | None
    """The same in true seconds at the file's own rate; a broadcast WAV's time reference counts too."""

    @property
    def has_picture(self) -> bool:
        return self.fps is not None and not self.still

    @property
    def has_sound(self) -> bool:
        return bool(self.sounds)


@dataclass(frozen=True)
class Window:
    """Pictures and sound of one stretch."""

    start_s: float
    frames: np.ndarray | None
    """uint8 (T, H, W, 3) RGB at the asked fps; frame k is what is shown at start_s + k / fps."""
    samples: np.ndarray | None
    """float32 (N,) mono in [-1, 1]; sample n is heard at start_s + n / rate."""


@dataclass(frozen=True)
class Stretch:
    """A piece of one file to decode, in seconds from the file's zero."""

    path: Path
    start_s: float
    duration_s: float
    stream: int | None = None
    """Which sound stream, counted among sound streams; None: the first."""
    channel: int | None = None
    """Which channel of it; None: all, mixed down."""
    start_number: int | None = None
    """Of an image sequence (`path` is a printf pattern): the number of its first picture."""
    sequence_fps: float | None = None
