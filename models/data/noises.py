"""The sounds of rendered scenes: strikes, speech, hum, whoosh, and beds of noise.

In: a seeded generator and times in seconds. Out: float32 samples at `RATE`, mono, roughly within [-1, 1].
Nothing here knows what is seen; `scenes` puts sound and picture at the same times.
"""

from __future__ import annotations

import numpy as np

RATE = 16_000
"""Samples a second."""

Rng = np.random.Generator


def impact(rng: Rng) -> np.ndarray:
    """One strike: decaying modes of a struck body and the click of the contact itself, float32 (N,), peak 1.

    The contact is sample 0, so that a strike laid at a time starts at that time.
    """
    times_s = np.arange(int(rng.uniform(0.15, 0.6) * RATE)) / RATE
    base_hz = np.exp(rng.uniform(np.log(90), np.log(2500)))
    modes_hz = np.minimum(base_hz * np.cumprod(rng.uniform(1.0, 1.9, rng.integers(3, 7))), 7500)
    decays_s = rng.uniform(0.02, 0.25) / (1 + modes_hz / 2000 * rng.uniform(0, 2))
    gains = rng.uniform(0.2, 1.0, len(modes_hz))
    phases = rng.uniform(0, 2 * np.pi, len(modes_hz))
    ringing = np.exp(-times_s[:, None] / decays_s) * np.sin(2 * np.pi * modes_hz * times_s[:, None] + phases)
    click = rng.normal(size=len(times_s)) * np.exp(-times_s / rng.uniform(0.002, 0.03))
    sound = ringing @ gains + rng.uniform(0.3, 2.0) * click
    fade = np.minimum(1, (times_s[-1] - times_s) / 0.02)  # the cut tail must not click a second time
    return (sound * fade / np.abs(sound).max()).astype(np.float32)


def lay(sound: np.ndarray, starts_s: np.ndarray, gains: np.ndarray, count: int) -> np.ndarray:
    """The same sound at several times, float32 (count,); what lies before 0 or past the end is cut."""
    out = np.zeros(count + len(sound), np.float32)
    for start_s, gain in zip(starts_s, gains, strict=True):
        start = round(start_s * RATE)
        if 0 <= start < count:
            out[start : start + len(sound)] += np.float32(gain) * sound
    return out[:count]


def coloured(rng: Rng, count: int, *, low_hz: float, high_hz: float, tilt: float = 0.0) -> np.ndarray:
    """Noise in a band, power falling by `tilt` x 6 dB an octave; float32 (count,), standard deviation 1."""
    freqs_hz = np.fft.rfftfreq(count, 1 / RATE)
    shape = np.where((freqs_hz >= low_hz) & (freqs_hz <= high_hz), np.maximum(freqs_hz, 20.0) ** -tilt, 0)
    half = rng.normal(size=(2, len(freqs_hz))).astype(np.float32)
    noise = np.fft.irfft((half[0] + 1j * half[1]) * shape, count)
    return (noise / noise.std()).astype(np.float32)


def speech(rng: Rng, starts_s: np.ndarray, ends_s: np.ndarray, gains: np.ndarray, count: int) -> np.ndarray:
    """Syllables of one voice: a pulse train and breath through three formants, new ones each syllable."""
    out = np.zeros(count, np.float32)
    pitch_hz = rng.uniform(90, 260)
    for start_s, end_s, gain in zip(starts_s, ends_s, gains, strict=True):
        start, stop = max(0, round(start_s * RATE)), min(count, round(end_s * RATE))
        if stop - start < 64:
            continue
        length = stop - start
        phase = (
            np.cumsum(pitch_hz * rng.uniform(0.85, 1.2) * np.linspace(1, rng.uniform(0.8, 1.1), length))
            / RATE
        )
        voiced = rng.random() < 0.85
        source = np.diff(np.floor(phase), prepend=0) * 8 * voiced + rng.normal(size=length) * (
            0.1 if voiced else 1.0
        )
        freqs_hz = np.fft.rfftfreq(length, 1 / RATE)
        formants_hz = np.array([rng.uniform(250, 850), rng.uniform(850, 2300), rng.uniform(2300, 3500)])
        if not voiced:
            formants_hz = formants_hz + 2500
        tract = (np.array([1.0, 0.6, 0.3]) * np.exp(-(((freqs_hz[:, None] - formants_hz) / 180) ** 2))).sum(
            1
        ) + 0.01
        syllable = (
            np.fft.irfft(np.fft.rfft(source) * tract, length) * np.sin(np.linspace(0, np.pi, length)) ** 0.7
        )
        out[start:stop] += (gain * syllable / (np.abs(syllable).max() + 1e-9)).astype(np.float32)
    return out


def hum(rng: Rng, count: int) -> np.ndarray:
    """A steady buzz of a lamp or a machine: harmonics of a low tone, float32 (count,), peak about 1."""
    base_hz = rng.uniform(50, 400)
    times_s = np.arange(count, dtype=np.float32) / RATE
    harmonics = rng.choice(np.arange(1, 16), size=4, replace=False)
    tone = sum(np.sin(2 * np.pi * base_hz * k * times_s) * rng.uniform(0.2, 1) for k in harmonics)
    return (np.asarray(tone) / 2 + 0.2 * coloured(rng, count, low_hz=500, high_hz=7000)).astype(np.float32)


def bed(rng: Rng, count: int) -> np.ndarray:
    """What is heard all the time: air, traffic, a room; float32 (count,), deviation 1, swelling slowly."""
    noise = coloured(
        rng, count, low_hz=rng.uniform(20, 300), high_hz=rng.uniform(1500, 8000), tilt=rng.uniform(0, 1.2)
    )
    knots = np.interp(np.arange(count), np.linspace(0, count, 6), rng.uniform(0.5, 1.2, 6))
    return noise * knots.astype(np.float32)
