"""Sounds laid over backgrounds at known times: what the event network learns from.

In: seeded generators and sounds of `material`. Out: `Mixture`: samples and the stretches in which something
sounds. Real sounds are sped up, coloured, put in rooms and repeated; others are made up (barks, whistles,
bursts, strikes). Backgrounds are noises, hums, rain, water, fire, wind, voices and music, from 30 dB below
what happens to 5 dB above it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.captions.compact.material import RATE, Sound, trimmed
from models.data import noises
from models.data.noises import Rng

BACKGROUNDS = (
    "env_sounds_", "fire_fire", "fire_small", "fire_large", "default_furnace", "ambi_drone", "ambi_sauna",
    "ambi_soft_buzz", "ambi_dark_woosh", "ambi_haunted", "ambi_glass_hum", "ambi_lunar", "vinyl_hiss",
    "loop_3d_printer", "Sea Shore", "Heli", "Wind", "Applause", "Halo Pad", "Soft Pad", "Synth Strings",
    "Strings ", "Church Organ", "tnt_gunpowder",
)  # fmt: skip
"""Beginnings of the names of sounds that go on and on; they serve as backgrounds, and as events too."""

HELD_OUT_BACKGROUNDS = ("env_sounds_lava", "fire_small", "vinyl_hiss", "ambi_haunted", "Sea Shore")

MERGE_S = 0.35
"""Strikes that follow one another this fast are one event."""
LONGEST_S = 8.0


@dataclass(frozen=True)
class Mixture:
    """Sound in which the times of all that happens are known."""

    samples: np.ndarray
    """float32 (N,) at `RATE`."""
    events_s: np.ndarray
    """(n, 2) start and end."""
    snr_db: np.ndarray
    """(n,) power of each event, over its own length, beside the background's."""


@dataclass(frozen=True)
class Stock:
    """Sounds to draw from."""

    sounds: tuple[Sound, ...]
    beds: tuple[Sound, ...]
    films: tuple[np.ndarray, ...] = ()
    """Sound tracks, float32 at `RATE`, in which things happen that nobody has written down."""


def held_out(sound: Sound) -> bool:
    """Whether this sound is kept for validation: a seventh of all groups, by name, and some backgrounds."""
    if sound.name.startswith(BACKGROUNDS):
        return sound.name.startswith(HELD_OUT_BACKGROUNDS)
    return zlib.crc32(sound.group.encode()) % 7 == 0


def stock(sounds: Sequence[Sound], films: Sequence[np.ndarray] = (), *, valid: bool = False) -> Stock:
    """The part of the sounds that is for training, or the part that is for validation."""
    chosen = [each for each in sounds if held_out(each) == valid]
    beds = [each for each in chosen if each.name.startswith(BACKGROUNDS) and len(each.samples) > RATE]
    return Stock(tuple(chosen), tuple(beds), tuple(films))


def mix(rng: Rng, stock: Stock, length_s: float = 20.0, *, snr_db: float | None = None) -> Mixture:
    """One mixture; all events at about `snr_db`, or at a level drawn between -5 and 30 dB."""
    count = round(length_s * RATE)
    bed, careful = background(rng, stock, count)
    base_db = rng.uniform(-5, 30) if snr_db is None else snr_db
    if careful:
        base_db = max(base_db, 6.0)
    out, spans, levels = bed, [], []
    now_s = rng.exponential(1.2)
    pause_s = np.exp(rng.uniform(np.log(0.5), np.log(5.0)))
    while now_s < length_s - 0.1:
        sound = event(rng, stock)
        start = round(now_s * RATE)
        sound = sound[: count - start]
        level_db = base_db + (rng.normal(0, 4) if snr_db is None else 0)
        power = np.sqrt((sound**2).mean()) + 1e-9
        out[start : start + len(sound)] += sound * (10 ** (level_db / 20) / power)
        end_s = now_s + len(sound) / RATE
        if len(sound) > 0.03 * RATE:
            spans.append((now_s, end_s))
            levels.append(level_db)
        overlaps = rng.random() < 0.12
        now_s = now_s + rng.uniform(0.3, 1.0) * (end_s - now_s) if overlaps else end_s + 0.15
        now_s += rng.exponential(pause_s)
    peak = np.abs(out).max() + 1e-9
    out *= 10 ** (rng.uniform(-40, 0) / 20) / peak
    if rng.random() < 0.5:
        out += rng.normal(0, 10 ** rng.uniform(-5.5, -3.5), count).astype(np.float32)
    return Mixture(out.astype(np.float32), np.array(spans).reshape(-1, 2), np.array(levels))


# Events


def event(rng: Rng, stock: Stock) -> np.ndarray:
    """Something that sounds once, float32, without silence before and after."""
    if stock.sounds and rng.random() < 0.65:
        sound = changed(rng, stock.sounds[_by_group(rng, stock.sounds)].samples)
    else:
        sound = _MADE_UP[rng.integers(len(_MADE_UP))](rng)
    if len(sound) < 0.6 * RATE and rng.random() < 0.3:
        sound = repeated(rng, sound)
    if rng.random() < 0.35:
        sound = in_a_room(rng, sound)
    return trimmed(sound, 0.03)


def _by_group(rng: Rng, sounds: Sequence[Sound]) -> int:
    """Half of the time any sound, half of the time any of a short name list: pianos must not rule."""
    first = int(rng.integers(len(sounds)))
    if sounds[first].source.startswith("fluid") and rng.random() < 0.7:
        others = [k for k, each in enumerate(sounds) if not each.source.startswith("fluid")]
        return int(rng.choice(others)) if others else first
    return first


def changed(rng: Rng, samples: np.ndarray) -> np.ndarray:
    """The same, faster or slower, cut if it is long, and through a filter that nobody knows."""
    longest = int(np.exp(rng.uniform(np.log(0.5), np.log(LONGEST_S))) * RATE)
    if len(samples) > longest:
        at = rng.integers(len(samples) - longest) if rng.random() < 0.5 else 0
        samples = faded(samples[at : at + longest])
    if rng.random() < 0.8:
        speed = np.exp(rng.normal(0, 0.3))
        samples = np.interp(np.arange(0, len(samples) - 1, speed), np.arange(len(samples)), samples)
    if rng.random() < 0.8:
        samples = filtered(rng, samples)
    return samples.astype(np.float32)


def faded(samples: np.ndarray, fade_s: float = 0.01) -> np.ndarray:
    """Without clicks where it was cut."""
    steps = np.minimum(
        1, np.minimum(np.arange(len(samples)), np.arange(len(samples))[::-1]) / (fade_s * RATE)
    )
    return samples * steps


def filtered(rng: Rng, samples: np.ndarray) -> np.ndarray:
    """Through a smooth random filter of ±10 dB, and now and then without highs or lows."""
    freqs = np.fft.rfftfreq(len(samples), 1 / RATE)
    knots_hz = np.geomspace(60, 8000, 7)
    gain_db = np.interp(np.log(freqs + 30), np.log(knots_hz), rng.normal(0, 5, 7))
    if rng.random() < 0.2:
        gain_db -= 12 * np.maximum(0, np.log2((freqs + 1) / rng.uniform(1500, 5000)))
    if rng.random() < 0.2:
        gain_db -= 12 * np.maximum(0, np.log2(rng.uniform(150, 600) / (freqs + 1)))
    return np.fft.irfft(np.fft.rfft(samples) * 10 ** (gain_db / 20), len(samples)).astype(np.float32)


def repeated(rng: Rng, sound: np.ndarray) -> np.ndarray:
    """Two to eight times in a row, close enough to be one event."""
    count = int(rng.integers(2, 9))
    pause = int(rng.uniform(0.02, MERGE_S) * RATE)
    even = rng.random() < 0.5
    starts = np.cumsum(
        [0, *(len(sound) + int(pause * (1 if even else rng.uniform(0.4, 1.0))) for _ in range(count - 1))]
    )
    out = np.zeros(starts[-1] + len(sound), np.float32)
    for start in starts:
        out[start : start + len(sound)] += sound * rng.uniform(0.5, 1.0)
    return out


def in_a_room(rng: Rng, sound: np.ndarray) -> np.ndarray:
    """With echoes that die away."""
    decay_s = rng.uniform(0.05, 0.4)
    count = int(2 * decay_s * RATE)
    tail = rng.normal(size=count) * np.exp(-3 * np.arange(count) / (decay_s * RATE))
    tail *= rng.uniform(0.1, 0.7) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = len(sound) + count - 1
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size).astype(np.float32)


def _strike(rng: Rng) -> np.ndarray:
    return noises.impact(rng)


def _call(rng: Rng) -> np.ndarray:
    """A bark, a chirp, a moo, a whistle, a squeak: harmonics of a tone that moves, through formants."""
    length = int(np.exp(rng.uniform(np.log(0.08), np.log(1.5))) * RATE)
    knots = rng.integers(2, 6)
    pitch = np.exp(rng.uniform(np.log(80), np.log(3500)) + np.cumsum(rng.normal(0, 0.25, knots)))
    along = np.interp(np.arange(length), np.linspace(0, length, knots), pitch)
    along *= 1 + rng.uniform(0, 0.04) * np.sin(2 * np.pi * rng.uniform(4, 30) * np.arange(length) / RATE)
    phase = 2 * np.pi * np.cumsum(along) / RATE
    top = max(1, int(7500 / pitch.max()))
    sound = np.zeros(length)
    for harmonic in range(1, min(top, 25) + 1):
        sound += np.sin(harmonic * phase) * rng.uniform(0.2, 1) * harmonic ** -rng.uniform(0.3, 1.5)
    sound += rng.uniform(0, 0.5) * rng.normal(size=length)
    shape = np.sin(np.pi * np.linspace(0, 1, length) ** rng.uniform(0.3, 1.5)) ** rng.uniform(0.3, 2)
    one = filtered(rng, sound * shape)
    return repeated(rng, one) if length < 0.5 * RATE and rng.random() < 0.4 else one


def _burst(rng: Rng) -> np.ndarray:
    """Noise that comes and goes: a splash, a swish, a hiss."""
    length = int(np.exp(rng.uniform(np.log(0.05), np.log(4.0))) * RATE)
    low = np.exp(rng.uniform(np.log(50), np.log(3000)))
    sound = noises.coloured(rng, length, low_hz=low, high_hz=min(8000, low * rng.uniform(1.5, 20)))
    rise, fall = np.exp(rng.uniform(np.log(0.003), np.log(0.5), 2)) * RATE
    steps = np.arange(length)
    return (sound * np.minimum(1, np.minimum(steps / rise, (length - steps) / fall))).astype(np.float32)


def _rattle(rng: Rng) -> np.ndarray:
    """Many small strikes at once: applause, gravel, a rattle, keys."""
    length_s = np.exp(rng.uniform(np.log(0.2), np.log(4.0)))
    count = max(3, int(length_s * rng.uniform(10, 60)))
    grain = noises.impact(rng)[: int(rng.uniform(0.01, 0.08) * RATE)]
    grain = faded(grain, 0.002)
    return noises.lay(
        grain, np.sort(rng.uniform(0, length_s, count)), rng.uniform(0.2, 1, count), int(length_s * RATE)
    )


def _talk(rng: Rng) -> np.ndarray:
    starts_s, now_s = [], 0.0
    for _ in range(rng.integers(1, 14)):
        starts_s.append(now_s)
        now_s += rng.uniform(0.1, 0.3)
    ends_s = [*starts_s[1:], now_s]
    return noises.speech(
        rng, np.array(starts_s), np.array(ends_s), rng.uniform(0.3, 1.0, len(starts_s)), int(now_s * RATE)
    )


def _machine(rng: Rng) -> np.ndarray:
    """A horn, a siren, an engine that starts and stops."""
    length = int(np.exp(rng.uniform(np.log(0.3), np.log(5.0))) * RATE)
    sound = noises.hum(rng, length) * (
        1 + rng.uniform(0, 0.9) * np.sin(2 * np.pi * rng.uniform(0.5, 25) * np.arange(length) / RATE)
    )
    return faded(sound, rng.uniform(0.005, 0.3)).astype(np.float32)


_MADE_UP: tuple[Callable[[Rng], np.ndarray], ...] = (_strike, _call, _call, _burst, _rattle, _talk, _machine)


# Backgrounds


def background(rng: Rng, stock: Stock, count: int) -> tuple[np.ndarray, bool]:
    """float32 (count,), power 1; and whether things may happen in it that nobody knows of."""
    kind = rng.choice(len(_BEDS), p=_SHARES)
    bed, careful = _BEDS[kind](rng, stock, count)
    if rng.random() < 0.3:
        other, also = _BEDS[rng.choice(len(_BEDS), p=_SHARES)](rng, stock, count)
        bed, careful = bed + other * rng.uniform(0.1, 0.7), careful or also
    swell = np.interp(
        np.arange(count), np.linspace(0, count, 8), np.exp(rng.normal(0, rng.uniform(0, 0.35), 8))
    )
    bed = bed * swell
    return (bed / (np.sqrt((bed**2).mean()) + 1e-9)).astype(np.float32), careful


def _unit(samples: np.ndarray) -> np.ndarray:
    return samples / (np.sqrt((samples**2).mean()) + 1e-9)


def _noise_bed(rng: Rng, _stock: Stock, count: int) -> tuple[np.ndarray, bool]:
    return _unit(noises.bed(rng, count)), False


def _hum_bed(rng: Rng, _stock: Stock, count: int) -> tuple[np.ndarray, bool]:
    return _unit(filtered(rng, noises.hum(rng, count))), False


def _real_bed(rng: Rng, stock: Stock, count: int) -> tuple[np.ndarray, bool]:
    """A real sound that goes on, looped with soft seams."""
    if not stock.beds:
        return _noise_bed(rng, stock, count)
    piece = stock.beds[rng.integers(len(stock.beds))].samples[: 12 * RATE]
    speed = np.exp(rng.normal(0, 0.2))
    piece = np.interp(np.arange(0, len(piece) - 1, speed), np.arange(len(piece)), piece)
    return _unit(filtered(rng, looped(piece, count, int(rng.integers(len(piece)))))), False


def looped(piece: np.ndarray, count: int, at: int = 0, seam_s: float = 0.25) -> np.ndarray:
    """A piece again and again, faded over into itself, (count,)."""
    seam = min(int(seam_s * RATE), len(piece) // 3)
    up = np.sqrt(np.linspace(0, 1, seam))
    body = piece[: len(piece) - seam].copy()
    body[:seam] = body[:seam] * up + piece[len(piece) - seam :] * up[::-1]
    return np.take(body, np.arange(at, at + count), mode="wrap")


def _rain_bed(rng: Rng, _stock: Stock, count: int) -> tuple[np.ndarray, bool]:
    """Drops, crackle, a crowd's hands: very many small clicks."""
    clicks = np.zeros(count)
    number = int(count / RATE * np.exp(rng.uniform(np.log(30), np.log(2000))))
    clicks[rng.integers(0, count, number)] += rng.exponential(1, number) * rng.choice([-1, 1], number)
    grain = rng.normal(size=160) * np.exp(-np.arange(160) / rng.uniform(5, 60))
    size = count + 160
    return _unit(
        filtered(rng, np.fft.irfft(np.fft.rfft(clicks, size) * np.fft.rfft(grain, size), size)[:count])
    ), False


def _wind_bed(rng: Rng, _stock: Stock, count: int) -> tuple[np.ndarray, bool]:
    """Noise that swells over seconds: wind, waves, cars in the distance."""
    noise = noises.coloured(rng, count, low_hz=20, high_hz=rng.uniform(300, 4000), tilt=rng.uniform(0.3, 1.5))
    knots = max(3, int(count / RATE * rng.uniform(0.2, 0.8)))
    swell = np.interp(np.arange(count), np.linspace(0, count, knots), rng.uniform(0.3, 1.0, knots))
    return _unit(noise * swell), False


def _voices_bed(rng: Rng, stock: Stock, count: int) -> tuple[np.ndarray, bool]:
    """Many voices at once."""
    voices = [each.samples for each in stock.sounds if each.name.startswith("speech")]
    out = np.zeros(count)
    for _ in range(int(rng.integers(6, 14))):
        piece = voices[rng.integers(len(voices))] if voices else _talk(rng)
        if len(piece) > RATE // 4:
            out += looped(piece, count, int(rng.integers(len(piece)))) * rng.uniform(0.4, 1.0)
    return _unit(filtered(rng, out)), False


def _music_bed(rng: Rng, stock: Stock, count: int) -> tuple[np.ndarray, bool]:
    """Notes in a steady beat: music that plays on under what happens."""
    notes = [each for each in stock.sounds if each.source.startswith("fluid")]
    if not notes:
        return _hum_bed(rng, stock, count)
    beat_s = rng.uniform(0.15, 0.6)
    out = np.zeros(count + 8 * RATE)
    chosen = [notes[k].samples for k in rng.integers(0, len(notes), int(rng.integers(2, 7)))]
    for at_s in np.arange(0, count / RATE, beat_s):
        for _ in range(int(rng.integers(1, 4))):
            note = chosen[rng.integers(len(chosen))]
            start = int(at_s * RATE)
            out[start : start + len(note)] += note * rng.uniform(0.3, 1.0)
    return _unit(out[:count]), False


def _film_bed(rng: Rng, stock: Stock, count: int) -> tuple[np.ndarray, bool]:
    if not stock.films:
        return _wind_bed(rng, stock, count)
    track = stock.films[rng.integers(len(stock.films))]
    at = int(rng.integers(max(1, len(track) - count)))
    return _unit(np.resize(track[at : at + count], count)), True


_BEDS = (
    _noise_bed, _hum_bed, _real_bed, _rain_bed, _wind_bed, _voices_bed, _music_bed, _film_bed,
)  # fmt: skip
_SHARES = np.array([0.2, 0.1, 0.25, 0.12, 0.13, 0.07, 0.06, 0.07])
