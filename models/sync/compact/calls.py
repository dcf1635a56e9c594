"""Voices that no free recording has enough of: barks, cries, laughs, grunts, drawn up from a seed.

A pitch that glides, its harmonics, breath and noise through a throat of three resonances. Out: a `Blow` each,
float32 at 16 kHz. Knows nothing of what is seen.
"""

from __future__ import annotations

import numpy as np

from models.data.noises import RATE, Rng
from models.sync.compact.material import Blow


def bark(rng: Rng) -> list[Blow]:
    """One animal's calls, short and rough."""
    throat, pitch_hz = _throat(rng, rng.uniform(0.6, 1.6)), np.exp(rng.uniform(np.log(120), np.log(900)))
    length_s, rough = rng.uniform(0.08, 0.35), rng.uniform(0.3, 1.5)
    return [
        _voiced(
            rng,
            length_s * rng.uniform(0.8, 1.25),
            pitch_hz * rng.uniform(0.9, 1.1) * np.array([1, rng.uniform(1, 1.5), rng.uniform(0.5, 0.9)]),
            throat,
            rough,
            rise_s=rng.uniform(0.005, 0.03),
        )
        for _ in range(4)
    ]


def cry(rng: Rng) -> list[Blow]:
    """One child's cries, or somebody's calls: long, and gliding."""
    throat, pitch_hz = _throat(rng, rng.uniform(1.0, 1.6)), np.exp(rng.uniform(np.log(200), np.log(600)))
    return [
        _voiced(
            rng,
            rng.uniform(0.4, 1.3),
            pitch_hz * rng.uniform(0.85, 1.2, 4),
            throat,
            rng.uniform(0.05, 0.5),
            rise_s=rng.uniform(0.03, 0.15),
        )
        for _ in range(4)
    ]


def laugh(rng: Rng) -> list[Blow]:
    """One person's ha, ho or he: short, breathy."""
    throat, pitch_hz = _throat(rng, rng.uniform(0.85, 1.25)), np.exp(rng.uniform(np.log(110), np.log(450)))
    return [
        _voiced(
            rng,
            rng.uniform(0.08, 0.16),
            pitch_hz * np.array([1.1, 1.0, 0.85]) * rng.uniform(0.9, 1.1),
            throat,
            rng.uniform(0.4, 1.0),
            rise_s=rng.uniform(0.01, 0.04),
        )
        for _ in range(4)
    ]


def _throat(rng: Rng, size: float) -> np.ndarray:
    """Resonances in Hz, (3,)."""
    return size * np.array([rng.uniform(350, 900), rng.uniform(1000, 2200), rng.uniform(2400, 3600)])


def _voiced(
    rng: Rng, length_s: float, pitch_hz: np.ndarray, throat_hz: np.ndarray, rough: float, *, rise_s: float
) -> Blow:
    count = int(length_s * RATE)
    glide = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(pitch_hz)), pitch_hz)
    glide = glide * (1 + 0.02 * np.sin(2 * np.pi * rng.uniform(4, 9) * np.arange(count) / RATE))
    phase = np.cumsum(glide) / RATE
    pulses = np.diff(np.floor(phase), prepend=0)
    source = pulses * np.sqrt(RATE / pitch_hz.mean()) + rough * rng.normal(size=count)
    frequencies = np.fft.rfftfreq(count, 1 / RATE)
    widths = throat_hz * rng.uniform(0.08, 0.25)
    tract = (np.array([1, 0.7, 0.4]) * np.exp(-(((frequencies[:, None] - throat_hz) / widths) ** 2))).sum(1)
    sound = np.fft.irfft(np.fft.rfft(source) * (tract + 0.03), count)
    rise, fall = min(count // 2, int(rise_s * RATE)), int(rng.uniform(0.2, 0.6) * count)
    sound[:rise] *= np.linspace(0, 1, rise)
    sound[count - fall :] *= np.linspace(1, 0, fall) ** 1.5
    return Blow((sound / (np.abs(sound).max() + 1e-9)).astype(np.float32), rise // 2)
