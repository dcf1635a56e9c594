"""Samples -> spectrograms and energy curves, frames -> floats and motion curves. numpy only.

In go the arrays of `windows` (uint8 pictures, float mono sound); out come what the networks eat and curves
with a number a frame. Training uses the same functions, so that what a network has learnt from and what it is
asked with can't drift apart. Knows no files, no timeline and no network.
"""

from __future__ import annotations

import numpy as np

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)


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


def _periodic_hann(length: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
