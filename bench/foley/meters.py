"""Samples -> loudness, true peak and clicks, by arithmetic of its own: none of it is the plugin's.

Loudness is ITU-R BS.1770-4 by its printed filters at 48 kHz; the true peak is read from the band-limited wave
between the samples, eight times as fine, through a Fourier transform.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RATE = 48_000
FINER = 8
CHUNK = 1 << 15
# BS.1770-4, tables 1 and 2: a shelf that stands for the head, and a high pass.
SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
BLOCK_S, STEP_S = 0.4, 0.1
ABSOLUTE_LUFS, RELATIVE_LU = -70.0, -10.0
NEAR_S, AROUND_S = 0.1, 0.5
BREAK_S, RINGS_S = 0.0005, 0.01
LOUDER = 4.0
"""A bend in the wave so many times as sharp as any around it is a click."""


def loudness_lufs(samples: np.ndarray) -> float | None:
    """Integrated and gated; None: shorter than 0.4 s, or silence. Shape: (N,) or (N, channels) at 48 kHz."""
    from scipy.signal import lfilter

    channels = np.atleast_2d(np.asarray(samples, np.float64).T)
    heard = lfilter(*HIGH_PASS, lfilter(*SHELF, channels))
    block, step = round(BLOCK_S * RATE), round(STEP_S * RATE)
    if heard.shape[1] < block:
        return None
    power = np.lib.stride_tricks.sliding_window_view((heard**2).sum(axis=0), block)[::step].mean(axis=1)
    power = power[_lufs(power) > ABSOLUTE_LUFS]
    if not len(power):
        return None
    power = power[_lufs(power) > _lufs(power.mean()) + RELATIVE_LU]
    return float(_lufs(power.mean()))


def _lufs(power: np.ndarray) -> np.ndarray:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-20))


def true_peak_dbtp(samples: np.ndarray) -> float:
    """The wave's highest point, between samples too, in dB of full scale. Shape: (N,) or (N, channels)."""
    highest = 0.0
    for wave in np.atleast_2d(np.asarray(samples, np.float64).T):
        # Pieces lie over one another by half, of which the middle counts: what wraps round stays outside.
        padded = np.pad(wave, (CHUNK // 4, CHUNK))
        for start in range(0, len(wave), CHUNK // 2):
            piece = padded[start : start + CHUNK] * _tapered()
            fine = np.fft.irfft(np.fft.rfft(piece), CHUNK * FINER) * FINER
            highest = max(highest, float(np.abs(fine[CHUNK * FINER // 4 : -CHUNK * FINER // 4]).max()))
    return 20 * np.log10(max(highest, 1e-10))


def _tapered() -> np.ndarray:
    """1 over the middle half and a little more, down to 0 at both ends. Shape: (CHUNK,)."""
    rise = np.sin(np.linspace(0, np.pi / 2, CHUNK // 8)) ** 2
    return np.concatenate([rise, np.ones(CHUNK - 2 * len(rise)), rise[::-1]])


def clicks_s(samples: np.ndarray, rate: int, joins_s: Sequence[float] = ()) -> list[float]:
    """Where a wave breaks: at its start or end when it isn't at rest there, and at joins that can be heard.

    A join is heard where the wave bends far more sharply than anywhere in the half second on either side, and
    than what comes at once.
    Shape: (N,).
    """
    found = []
    if abs(samples[0]) > 1e-3:
        found.append(0.0)
    bend = np.abs(np.diff(samples, 2))
    near, around = round(NEAR_S * rate), round(AROUND_S * rate)
    for join_s in joins_s:
        at = round(join_s * rate)
        if not near <= at < len(bend) - near:
            continue
        sharpest = at - near + int(bend[at - near : at + near].argmax())
        here = bend[sharpest]
        beside = max(
            bend[max(0, at - around) : at - near].max(initial=0.0),
            bend[at + near : at + around].max(initial=0.0),
            # A blow that falls on a join rings on; a break is over at once.
            bend[sharpest + round(BREAK_S * rate) : sharpest + round(RINGS_S * rate)].max(initial=0.0),
        )
        if here > LOUDER * beside + 1e-4:
            found.append(join_s)
    if abs(samples[-1]) > 1e-3:
        found.append(len(samples) / rate)
    return found
