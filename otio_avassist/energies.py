"""What moves where, and what sounds at which pitch, in numbers that are alike in a drawing and in a film.

In: pieces of a stream, pictures or samples. Out: two series with a row for each picture at `FPS`, which the
compact sync network reads in place of pixels and spectrograms. Knows no files; numpy only.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from otio_avassist.signals import LUMA

FPS = 25.0
"""Of both series."""
SIDE = 96
"""Short side in pixels at which motion is looked at: more pixels are passed over."""
ROWS, COLUMNS = 8, 12
"""Cells that the picture is cut into, whatever its shape."""
ENERGY, SPREAD, LIGHT, ACROSS, DOWN = range(5)
"""Channels of a cell: size of the change, its root mean square, its mean; flow in pixels a picture."""
CHANNELS = 5
DARK = 16.0
"""Added to luma of 0 to 255 before its logarithm: noise in the dark doesn't count as motion."""
FASTEST = 4.0
"""Flow is cut off here, in pixels of `SIDE` a picture: gradients can't tell more."""
STIFF = 3e-4
"""Mean squared gradient below which a cell has too little structure to tell where it went."""

STEPS = 4
"""Looks at the sound within a picture: 100 a second."""
BANDS = 24
LOWEST_HZ, HIGHEST_HZ = 80.0, 7600.0
WINDOW_S = 0.025
QUIET = 1e-7
"""Added to energies before their logarithm; a full-scale sine has about 1."""


class MotionGrid:
    """Motion in each cell of the picture since the one before, piece by piece of a stream.

    Call it with uint8 (T, H, W, 3) RGB; it answers float32 (T, CHANNELS, ROWS, COLUMNS). Changes are of log
    luma, less what changes in the whole picture at once (flicker, fades). The flow is that of Lucas and
    Kanade (1981), one motion a cell. The first picture has moved nowhere.
    """

    def __init__(self) -> None:
        self._last: np.ndarray | None = None

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        if not len(frames):
            return np.zeros((0, CHANNELS, ROWS, COLUMNS), np.float32)
        step = max(1, round(min(frames.shape[1:3]) / SIDE))
        log = np.log(frames[:, ::step, ::step] @ LUMA + np.float32(DARK))
        before = np.concatenate([log[:1] if self._last is None else self._last[None], log[:-1]])
        self._last = log[-1]
        change = log - before
        light = _cells(change)
        steady = np.median(light, axis=(1, 2), keepdims=True)
        change -= steady
        middle = (log + before) / 2
        gy, gx = np.gradient(middle, axis=(1, 2))
        xx, xy, yy = _cells(gx * gx) + STIFF, _cells(gx * gy), _cells(gy * gy) + STIFF
        xt, yt = _cells(gx * change), _cells(gy * change)
        scale = SIDE / min(log.shape[1:3]) / (xx * yy - xy * xy)
        across, down = (xy * yt - yy * xt) * scale, (xy * xt - xx * yt) * scale
        moved = [
            _cells(np.abs(change)),
            np.sqrt(_cells(change * change)),
            light - steady,
            np.clip(across, -FASTEST, FASTEST),
            np.clip(down, -FASTEST, FASTEST),
        ]
        return np.stack(moved, axis=1).astype(np.float32)


def _cells(pictures: np.ndarray) -> np.ndarray:
    """Means of the cells. Shape: (T, H, W) -> (T, ROWS, COLUMNS)."""
    height, width = pictures.shape[1:]
    tops, lefts = (np.arange(count) * size // count for count, size in ((ROWS, height), (COLUMNS, width)))
    sums = np.add.reduceat(np.add.reduceat(pictures, tops, axis=1), lefts, axis=2)
    return sums / np.outer(np.diff(tops, append=height), np.diff(lefts, append=width)).astype(np.float32)


class BandEnergies:
    """Log energies of mel bands, `STEPS` looks side by side for each picture, piece by piece of a stream.

    Call it with float mono samples at `rate`; it answers float32 (pictures that are complete, STEPS * BANDS).
    Look k of picture t is centred `(t + (k + 0.5) / STEPS) / FPS` seconds into the stream. The same samples
    in other pieces give the same answer.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._hop = round(rate / (FPS * STEPS))
        self._length = round(WINDOW_S * rate)
        self._window = np.hanning(self._length).astype(np.float32)
        self._bands = mel_bands(rate, self._length)
        # What comes before the stream is silence, as much as lies before the middle of the first look.
        self._samples = np.zeros((self._length - self._hop) // 2, np.float32)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        samples = np.concatenate([self._samples, np.asarray(samples, np.float32)])
        looks = max(0, (len(samples) - self._length) // self._hop + 1) // STEPS * STEPS
        self._samples = samples[looks * self._hop :]
        if not looks:
            return np.zeros((0, STEPS * BANDS), np.float32)
        columns = np.lib.stride_tricks.sliding_window_view(samples, self._length)[:: self._hop][:looks]
        spectrum = np.fft.rfft(columns * self._window)
        energies = (spectrum.real**2 + spectrum.imag**2) @ self._bands
        return np.log(energies + QUIET).astype(np.float32).reshape(-1, STEPS * BANDS)

    def end(self) -> np.ndarray:
        """The pictures that lack but the tail of a window, as if silence followed."""
        return self(np.zeros((self._length - self._hop) // 2 + 1, np.float32))


def mel_bands(rate: int, window: int) -> np.ndarray:
    """Triangles, evenly spaced in mel (2595 log10(1 + f / 700)), over a window's power spectrum.

    Shape: (bins, BANDS). A full-scale sine has an energy of about 1.
    """
    ends = 2595 * np.log10(1 + np.array([LOWEST_HZ, HIGHEST_HZ]) / 700)
    corners = 700 * (10 ** (np.linspace(ends[0], ends[1], BANDS + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(window, 1 / rate)
    rises = [(frequencies - low) / (high - low) for low, high in pairwise(corners)]
    bands = [np.clip(np.minimum(up, 1 - down), 0, None) for up, down in pairwise(rises)]
    # Bands that are narrower than a bin still get the nearest.
    for band, centre in zip(bands, corners[1:-1], strict=True):
        if not band.any():
            band[np.abs(frequencies - centre).argmin()] = 1
    return (np.stack(bands, axis=1) / (window / 4) ** 2).astype(np.float32)
