"""Samples -> spectrograms and energy curves, frames -> floats and motion curves. numpy only.

In go the arrays of `windows` (uint8 pictures, float mono sound); out come what the networks eat and curves
with a number a frame. Training uses the same functions, so that what a network has learnt from and what it is
asked with can't drift apart. Knows no files, no timeline and no network.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
MEL_RATE = 16_000
MEL_WINDOW, MEL_HOP, MEL_FFT = 400, 160, 512
"""25 ms every 10 ms, in samples."""
MEL_BANDS = 64
MEL_RANGE_HZ = (125, 7500)
FOLEY_RATE = 22_050
FOLEY_FFT, FOLEY_HOP = 1024, 256
"""Samples of a window and between two, at that rate: 86 columns a second."""
FOLEY_BANDS = 80
FOLEY_RANGE_HZ = (125, 7600)
FOLEY_RANGE_DB = (-80, 20)
"""What 0 and 1 stand for in a spectrogram of which sounds are made."""
AISFX_RATE = 44_100
AISFX_FFT, AISFX_HOP, AISFX_BANDS = 2048, 1024, 96
AISFX_BLOCK = 100
"""Rows that aiSFX hears at once: 2.3 s."""
AISFX_FULL = 9.457798957824707
"""The largest value in what it learnt from, as the released code has it."""
EXAMPLE_ROWS = 96
"""What VGGish and YAMNet hear at once, in rows of a mel spectrogram: 0.96 s."""


# What the networks eat


def power_spectrogram(samples: np.ndarray, *, n_fft: int = 512, hop: int = 128) -> np.ndarray:
    """Squared magnitudes of a centred short-time Fourier transform, periodic Hann window, reflected edges.

    Shape: (N,) -> float64 (n_fft // 2 + 1, 1 + N // hop). N must be more than n_fft // 2.
    """
    if len(samples) <= n_fft // 2:
        raise ValueError(
            f"a spectrogram of {n_fft} points needs more than {n_fft // 2} samples, got {len(samples)}"
        )
    padded = np.pad(np.asarray(samples, dtype=np.float64), n_fft // 2, mode="reflect")
    columns = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]  # (1 + N // hop, n_fft)
    spectrum = np.fft.rfft(columns * _periodic_hann(n_fft))
    return (spectrum.real**2 + spectrum.imag**2).T


def log_power(power: np.ndarray, *, log_eps: float = 1e-6) -> np.ndarray:
    """Natural logarithm, kept finite in silence."""
    return np.log(power + log_eps)


def standardise_rows(spectrogram: np.ndarray, *, norm_eps: float = 1e-6) -> np.ndarray:
    """Each frequency over its own time: mean 0, deviation 1. Shape: (F, T) -> (F, T)."""
    mean = spectrogram.mean(axis=1, keepdims=True)
    # The published code divides by the unbiased deviation.
    std = spectrogram.std(axis=1, ddof=1, keepdims=True)
    return (spectrogram - mean) / (std + norm_eps)


def log_spectrogram(
    samples: np.ndarray, *, n_fft: int = 512, hop: int = 128, log_eps: float = 1e-6, norm_eps: float = 1e-6
) -> np.ndarray:
    """SparseSync's picture of a sound: log power, standardised row by row.

    Shape: (N,) -> float32 (n_fft // 2 + 1, 1 + N // hop); five seconds at 16 kHz give (257, 626).
    """
    power = power_spectrogram(samples, n_fft=n_fft, hop=hop)
    return standardise_rows(log_power(power, log_eps=log_eps), norm_eps=norm_eps).astype(np.float32)


def crop_centre(frames: np.ndarray, size: int) -> np.ndarray:
    """The square in the middle, `size` pixels a side; a view. Shape: (T, H, W, C) -> (T, size, size, C)."""
    height, width = frames.shape[1:3]
    if min(height, width) < size:
        raise ValueError(f"a square of {size} pixels doesn't fit into pictures of {width} x {height}")
    top, left = round((height - size) / 2), round((width - size) / 2)
    return frames[:, top : top + size, left : left + size]


def imagenet_floats(frames: np.ndarray) -> np.ndarray:
    """Pictures as the visual networks want them: channels first, ImageNet's mean 0 and deviation 1.

    Shape: uint8 (T, H, W, 3) RGB -> float32 (T, 3, H, W).
    """
    # One multiplication and one addition a pixel: x / 255 / std - mean / std.
    scale, shift = 1 / (255 * IMAGENET_STD), IMAGENET_MEAN / IMAGENET_STD
    channels_first = np.moveaxis(frames, -1, 1)  # (T, 3, H, W) <- (T, H, W, 3)
    floats = np.multiply(channels_first, scale[:, None, None], dtype=np.float32, order="C")
    floats -= shift[:, None, None]
    return floats


def vggish_log_mel(samples: np.ndarray) -> np.ndarray:
    """What VGGish eats: examples of 0.96 s that follow one another; a last one that isn't full is dropped.

    Shape: (N,) mono in [-1, 1] at 16 kHz -> float32 (n, 96, 64), n = 0 below 0.975 s of sound.
    """
    rows = np.log(_mel_magnitudes(samples) + 0.01)
    count = len(rows) // EXAMPLE_ROWS
    return rows[: count * EXAMPLE_ROWS].reshape(count, EXAMPLE_ROWS, MEL_BANDS).astype(np.float32)


def yamnet_log_mel(samples: np.ndarray) -> np.ndarray:
    """What YAMNet's windows are cut from: 100 rows a second, row k looks at [k / 100, k / 100 + 0.025) s.

    Shape: (N,) mono in [-1, 1] at 16 kHz -> float32 (T, 64), T = 1 + (N - 400) // 160, or 0.
    """
    return np.log(_mel_magnitudes(samples) + 0.001).astype(np.float32)


def _mel_magnitudes(samples: np.ndarray) -> np.ndarray:
    """Magnitudes (not powers) summed by mel bands. Shape: (N,) at 16 kHz -> float64 (T, 64)."""
    samples = np.asarray(samples, dtype=np.float64)
    if len(samples) < MEL_WINDOW:
        return np.zeros((0, MEL_BANDS))
    windows = np.lib.stride_tricks.sliding_window_view(samples, MEL_WINDOW)[::MEL_HOP]  # (T, 400)
    magnitudes = np.abs(np.fft.rfft(windows * _periodic_hann(MEL_WINDOW), MEL_FFT))  # (T, 257)
    return magnitudes @ _mel_bands()


@cache
def _mel_bands() -> np.ndarray:
    """Triangles that are even in HTK's mel, heights 1, without the constant part. Shape: (257, 64)."""
    bins = _htk_mel(np.linspace(0, MEL_RATE / 2, MEL_FFT // 2 + 1))[:, None]
    lowest, highest = _htk_mel(np.array(MEL_RANGE_HZ))
    edges = np.linspace(lowest, highest, MEL_BANDS + 2)
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    bands = np.maximum(0, np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)))
    bands[0] = 0
    return bands


def _htk_mel(hertz: np.ndarray) -> np.ndarray:
    return 1127 * np.log1p(hertz / 700)


def foley_log_mel(samples: np.ndarray) -> np.ndarray:
    """What foley is made of: decibels of mel bands, from 0 at -80 dB to 1 at 20 dB and clipped there.

    The same as the published code's with librosa 0.8, which reflects at the edges; later ones pad with zeros.

    Shape: (N,) mono in [-1, 1] at 22,050 Hz, N > 512 -> float32 (80, 1 + N // 256).
    """
    magnitudes = np.sqrt(power_spectrogram(samples, n_fft=FOLEY_FFT, hop=FOLEY_HOP))  # (513, T)
    decibels = 20 * np.log10(np.maximum(foley_mel_bands() @ magnitudes, 1e-5))
    low, high = FOLEY_RANGE_DB
    return np.clip((decibels - low) / (high - low), 0, 1).astype(np.float32)


@cache
def foley_mel_bands() -> np.ndarray:
    """Triangles even in Slaney's mel, each of area 1 over its hertz. Shape: (80, 513)."""
    bins = np.linspace(0, FOLEY_RATE / 2, FOLEY_FFT // 2 + 1)
    lowest, highest = _slaney_mel(np.array(FOLEY_RANGE_HZ, dtype=np.float64))
    edges = _slaney_hertz(np.linspace(lowest, highest, FOLEY_BANDS + 2))[:, None]
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    bands = np.maximum(0, np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)))
    return bands * 2 / (high - low)


def foley_samples(mel: np.ndarray, *, rounds: int = 32) -> np.ndarray:
    """A sound that has this spectrogram: the inverse of `foley_log_mel`, where no vocoder does it better.

    What bands hide is spread as evenly as can be; the phases are found by the fast Griffin-Lim algorithm
    (Perraudin, Balazs and Søndergaard, 2013), from phases that are always the same.

    Args:
        mel: (80, T) in [0, 1].
        rounds: twice as many cost twice the time, and come a twentieth of a decibel nearer.

    Returns:
        float32 (256 * T,) at 22,050 Hz, which may leave [-1, 1].
    """
    low, high = FOLEY_RANGE_DB
    bands = 10 ** ((low + (high - low) * mel.T.astype(np.float64)) / 20)  # (T, 80)
    magnitudes = np.maximum(bands @ _foley_bands_undone(), 0)  # (T, 513)
    window = _periodic_hann(FOLEY_FFT)
    weight = np.maximum(_overlapped(np.tile(window**2, (len(magnitudes), 1))), 1e-3)
    turns = np.random.default_rng(0).random(magnitudes.shape)
    wanted, before = magnitudes * np.exp(2j * np.pi * turns), np.zeros((), complex)
    for _ in range(rounds):
        samples = _overlapped(np.fft.irfft(wanted) * window) / weight
        columns = np.lib.stride_tricks.sliding_window_view(samples, FOLEY_FFT)[::FOLEY_HOP]
        spectrum = np.fft.rfft(columns * window)
        # Further on the way from the last one to this: what makes it fast.
        beyond, before = spectrum + 0.99 * (spectrum - before), spectrum
        wanted = magnitudes * beyond / np.maximum(np.abs(beyond), 1e-12)
    samples = _overlapped(np.fft.irfft(wanted) * window) / weight
    return samples[FOLEY_FFT // 2 :][: FOLEY_HOP * len(magnitudes)].astype(np.float32)


@cache
def _foley_bands_undone() -> np.ndarray:
    """(80, 513): the magnitudes of least power that fill the bands."""
    return np.linalg.pinv(foley_mel_bands()).T


def _overlapped(columns: np.ndarray) -> np.ndarray:
    """Windows laid over each other, each a hop after the last. Shape: (T, 1024) -> (256 * (T + 3),)."""
    parts = FOLEY_FFT // FOLEY_HOP
    samples = np.zeros((len(columns) + parts - 1, FOLEY_HOP))
    for part in range(parts):
        samples[part : part + len(columns)] += columns[:, part * FOLEY_HOP : (part + 1) * FOLEY_HOP]
    return samples.ravel()


# Slaney's mel: 15 steps to 1 kHz, from there 27 to 6.4 times as much.
def _slaney_mel(hertz: np.ndarray) -> np.ndarray:
    above = np.maximum(hertz, 1000) / 1000
    return np.minimum(hertz, 1000) * 3 / 200 + 27 * np.log(above) / np.log(6.4)


def _slaney_hertz(mel: np.ndarray) -> np.ndarray:
    return np.minimum(mel, 15) * 200 / 3 * np.exp(np.maximum(mel - 15, 0) * np.log(6.4) / 27)


def aisfx_log_mel(samples: np.ndarray) -> np.ndarray:
    """What aiSFX's blocks are cut from: about 43 rows a second, of a sound with its peak at 1.

    Of the two ways of the released code this is librosa's; the published one is Essentia's, which doesn't
    level a sound and doesn't pad it.

    Shape: (N,) mono at 44,100 Hz -> float32 (1 + N // 1024, 96), about 0 to 1.
    """
    samples = np.asarray(samples, np.float64)
    padded = np.pad(samples / (np.abs(samples).max(initial=0.0) or 1.0), AISFX_FFT // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, AISFX_FFT)[::AISFX_HOP]
    spectrum = np.fft.rfft(windows * _periodic_hann(AISFX_FFT))  # (T, 1025)
    power = (spectrum.real**2 + spectrum.imag**2) @ _aisfx_bands()
    return (np.log10(10_000 * power + 1) / AISFX_FULL).astype(np.float32)


def aisfx_blocks(rows: np.ndarray) -> np.ndarray:
    """Blocks of 100 rows, each beginning in the middle of the last; one at least, filled up with silence.

    Shape: (T, 96) -> (n, 100, 96).
    """
    rows = np.pad(rows, ((0, max(0, AISFX_BLOCK - len(rows))), (0, 0)))
    blocks = np.lib.stride_tricks.sliding_window_view(rows, AISFX_BLOCK, axis=0)[:: AISFX_BLOCK // 2]
    return np.moveaxis(blocks, 2, 1)


@cache
def _aisfx_bands() -> np.ndarray:
    """Triangles even in HTK's mel, over hertz, each summing to 1. Shape: (1025, 96)."""
    bins = np.linspace(0, AISFX_RATE / 2, AISFX_FFT // 2 + 1)[:, None]
    edges = 700 * np.expm1(np.linspace(0, _htk_mel(np.array(AISFX_RATE / 2)), AISFX_BANDS + 2) / 1127)
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    bands = np.maximum(0, np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)))
    return bands / bands.sum(axis=0)


def i3d_floats(frames: np.ndarray, *, size: int = 224) -> np.ndarray:
    """Pictures as I3D's eye for colour wants them: the square in the middle, in [-1, 1], channels first.

    Shape: uint8 (T, H, W, 3) RGB -> float32 (3, T, size, size).
    """
    channels_first = np.moveaxis(crop_centre(frames, size), -1, 0)  # (3, T, S, S) <- (T, S, S, 3)
    return np.multiply(channels_first, 2 / 255, dtype=np.float32, order="C") - np.float32(1)


def i3d_flow_floats(flow: np.ndarray, *, size: int = 224) -> np.ndarray:
    """Motion as I3D's eye for motion wants it: as i3d_floats, from steps of 1/256 that end at 20 pixels.

    Shape: pixels a frame (T, H, W, 2), x before y -> float32 (2, T, size, size).
    """
    channels_first = np.moveaxis(crop_centre(flow, size), -1, 0)  # (2, T, S, S) <- (T, S, S, 2)
    steps = np.round(128 + 255 / 40 * np.clip(channels_first, -20, 20))
    return (steps * (2 / 255) - 1).astype(np.float32, order="C")


# Curves with a number a frame: what moves, and what sounds

CHANGE, BRIGHTNESS = 0, 1
"""Columns of a motion curve."""
ONSET, LEVEL, POP = 0, 1, 2
"""Columns of a sound curve."""

GRID_ROWS = 24
"""Pictures are looked at in blocks, so many from top to bottom: grain and codec noise average out."""
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
ROWS_A_SECOND = 100
SOUND_WINDOW_S = 0.025
LOOK_BACK_ROWS = 8
"""An onset is the rise over these 80 ms."""
POP_LAG_S = (SOUND_WINDOW_S - 1 / ROWS_A_SECOND) / 2
SOUND_LAG_S = LOOK_BACK_ROWS / ROWS_A_SECOND / 2 + POP_LAG_S
"""Sound curves look back only, so they lag behind the sound by half of what they look back on."""
BAND_EDGES_HZ = (100, 200, 300, 450, 650, 900, 1200, 1600, 2100, 2800, 3700, 4900, 6500, 7900)
POP_HZ = (900, 1100)
"""A 2-pop is one frame of 1 kHz."""


class MotionEnergy:
    """How much changes from picture to picture, piece by piece of a stream.

    Call it with uint8 (T, H, W, 3) RGB; it answers float32 (T, 2): `CHANGE`, the mean size of the change of
    log brightness since the picture before, without what changes everywhere at once (flicker, fades);
    `BRIGHTNESS`, the mean of the picture, 0 to 1. The first picture's change is NaN.
    """

    def __init__(self) -> None:
        self._last: np.ndarray | None = None

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        if not len(frames):
            return np.zeros((0, 2), dtype=np.float32)
        blocks = luma_blocks(frames)
        # The offset keeps noise in the dark from counting as motion.
        log = np.log(blocks + 16)
        before = np.full_like(log[:1], np.nan) if self._last is None else self._last[None]
        self._last = log[-1]
        change = np.diff(np.concatenate([before, log]), axis=0)
        change -= np.median(change, axis=(1, 2), keepdims=True)
        return np.column_stack([np.abs(change).mean(axis=(1, 2)), blocks.mean(axis=(1, 2)) / 255])


def luma_blocks(frames: np.ndarray) -> np.ndarray:
    """Mean luma of square blocks. Shape: uint8 (T, H, W, 3) -> float32 (T, about GRID_ROWS, columns)."""
    # At most four pixels a block and side are looked at: more cost time and tell nothing new.
    step = max(1, frames.shape[1] // (4 * GRID_ROWS))
    luma = frames[:, ::step, ::step] @ LUMA
    size = max(1, min(luma.shape[1] // GRID_ROWS, luma.shape[2]))
    rows, columns = luma.shape[1] // size, luma.shape[2] // size
    tiles = luma[:, : rows * size, : columns * size].reshape(len(luma), rows, size, columns, size)
    return tiles.mean(axis=(2, 4))  # (T, rows, columns)


def without_cuts(change: np.ndarray, *, reach: int = 6) -> np.ndarray:
    """The curve with cuts and gaps bridged by their neighbours: a cut is a large change, but no motion.

    A cut stands far above the motion round it, for a single frame. Shape: (T,) -> (T,).
    """
    known = np.isfinite(change)
    if not known.any():
        return np.zeros_like(change)
    padded = np.pad(np.where(known, change, 0), reach, mode="edge")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)
    with np.errstate(invalid="ignore"):
        known &= ~(change > 6 * around + 0.1)
    frames = np.arange(len(change))
    return np.interp(frames, frames[known], change[known]) if known.any() else np.zeros_like(change)


class SoundEnergy:
    """What sets in and how loud it is, at the pictures' frame rate, piece by piece of a stream.

    Call it with float mono samples; it answers float32 (frames that are complete, 3): `ONSET`, the mean rise
    of the log energy of the bands over the last 80 ms; `LEVEL`, the fourth root of the energy over the same
    time (much like loudness); `POP`, the share of the energy that lies round 1 kHz, 0 to 1. Frame k covers k
    / fps to (k + 1) / fps, and lags by `SOUND_LAG_S`. The same samples in other pieces give the same answer.
    """

    def __init__(self, rate: int, fps: float) -> None:
        self._fps = fps
        self._hop = round(rate / ROWS_A_SECOND)
        self._window = np.hanning(round(SOUND_WINDOW_S * rate))
        self._bands = _bands(rate, len(self._window))
        self._samples = np.zeros(len(self._window) - self._hop)
        self._energies: np.ndarray | None = None  # (LOOK_BACK_ROWS, bands) of before
        self._sum, self._rows_seen = np.zeros(self._bands.shape[1] - 1), 0
        self._pending = np.zeros((0, 3))
        self._frames_done = 0

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        rows = self._rows(np.asarray(samples, dtype=np.float64))
        self._pending = np.concatenate([self._pending, rows])
        first_row = self._rows_seen - len(self._pending)
        frame_of = ((first_row + np.arange(len(self._pending)) + 0.5) * self._fps / ROWS_A_SECOND).astype(int)
        complete = int((self._rows_seen * self._fps + 1e-6) // ROWS_A_SECOND)
        ready = frame_of < complete
        sums = np.zeros((complete - self._frames_done, 3))
        counts = np.zeros((len(sums), 1))
        np.add.at(sums, frame_of[ready] - self._frames_done, self._pending[ready])
        np.add.at(counts, frame_of[ready] - self._frames_done, 1)
        self._pending = self._pending[~ready]
        self._frames_done = complete
        return (sums / np.maximum(counts, 1)).astype(np.float32)

    def _rows(self, samples: np.ndarray) -> np.ndarray:
        """(rows, 3) at 100 rows a second."""
        samples = np.concatenate([self._samples, samples])
        count = max(0, (len(samples) - len(self._window)) // self._hop + 1)
        self._samples = samples[count * self._hop :]
        if not count:
            return np.zeros((0, 3))
        columns = np.lib.stride_tricks.sliding_window_view(samples, len(self._window))[:: self._hop][:count]
        spectrum = np.fft.rfft(columns * self._window)
        energies = (spectrum.real**2 + spectrum.imag**2) @ self._bands  # (rows, bands + 1)
        if self._energies is None:
            # What sounds from the first instant on has not set in.
            self._energies = np.repeat(energies[:1], LOOK_BACK_ROWS, axis=0)
        energies = np.concatenate([self._energies, energies])
        self._energies = energies[-LOOK_BACK_ROWS:]
        return self._curves(energies)

    def _curves(self, energies: np.ndarray) -> np.ndarray:
        """(rows, 3) from the bands' energies, which begin LOOK_BACK_ROWS earlier."""
        bands, pop = energies[:, :-1], energies[:, -1]
        new = bands[LOOK_BACK_ROWS:]
        means = (self._sum + np.cumsum(new, axis=0)) / (self._rows_seen + np.arange(1, len(new) + 1))[:, None]
        self._sum, self._rows_seen = self._sum + new.sum(axis=0), self._rows_seen + len(new)
        # What is 40 dB below the mean so far is as good as silent: its ups and downs tell nothing.
        floor = 1e-4 * means + 1e-12
        rise = np.log((new + floor) / (bands[:-LOOK_BACK_ROWS] + floor))
        total = bands.sum(axis=1)
        smooth = np.cumsum(np.concatenate([[0.0], total]))
        recent = (smooth[LOOK_BACK_ROWS + 1 :] - smooth[1:-LOOK_BACK_ROWS]) / LOOK_BACK_ROWS
        share = pop[LOOK_BACK_ROWS:] / (total[LOOK_BACK_ROWS:] + 1e-12)
        return np.column_stack([np.maximum(rise, 0).mean(axis=1), np.maximum(recent, 0) ** 0.25, share])


def _bands(rate: int, window: int) -> np.ndarray:
    """Sums of a window's power spectrum: one column a band, and the pop's. Shape: (bins, bands + 1)."""
    frequencies_hz = np.fft.rfftfreq(window, 1 / rate)
    edges = [*pairwise(BAND_EDGES_HZ), POP_HZ]
    columns = [(frequencies_hz >= low) & (frequencies_hz < high) for low, high in edges]
    # A full-scale sine then has an energy of about 1.
    return np.stack(columns, axis=1) / (window / 4) ** 2


def _periodic_hann(length: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
