"""What an act of a scene is, and what all kinds of acts are made with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.data.noises import RATE, Rng
from models.sync.compact.drawing import Part, sprite
from models.sync.compact.material import Bank, Blow
from models.sync.compact.motions import Clock


@dataclass(frozen=True)
class Act:
    """One thing that is seen and heard."""

    parts: list[Part]
    """About as high as the picture, round 0; the scene puts them in a place."""
    samples: np.ndarray
    """float32 (N,): what it sounds like, at about 1."""
    strikes_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """When something sharp is seen and heard at once."""
    shake: np.ndarray | None = None
    """(T, 2): how it shakes the camera, in heights of the picture."""
    light: np.ndarray | None = None
    """(T,): what it does to the light of all, as a factor."""


@dataclass(frozen=True)
class Stage:
    """What an act is made on."""

    clock: Clock
    bank: Bank

    def still(self, rng: Rng) -> np.ndarray:
        """A picture to take textures from."""
        return self.bank.stills[rng.integers(len(self.bank.stills))]

    def part(
        self, rng: Rng, shape: str, x, y, wide, tall, angle=0.0, *, colour=None, seen=1.0, glows=False
    ) -> Part:
        """A part of some colour and texture."""
        colour = any_colour(rng) if colour is None else colour
        aspect = float(np.mean(wide) / max(1e-4, np.mean(tall)))
        made = sprite(rng, shape, colour, still=None if glows else self.still(rng), aspect=aspect)
        return Part(made, x, y, wide, tall, angle, seen, glows)


def any_colour(rng: Rng) -> np.ndarray:
    """Any, but greyer ones more often, as in film."""
    colour = rng.uniform(0, 255, 3)
    return colour.mean() + (colour - colour.mean()) * rng.uniform(0, 1)


def skin(rng: Rng) -> np.ndarray:
    """A colour of skin."""
    tone = rng.uniform(0.25, 1.0)
    return np.array([235, 185, 155]) * tone + rng.normal(0, 6, 3)


def played(rng: Rng, blow: Blow, *, pitch: float | None = None, longest_s: float = 3.0) -> Blow:
    """A recording at another speed."""
    pitch = np.exp(rng.uniform(-0.3, 0.3)) if pitch is None else pitch
    samples = blow.samples[: int(longest_s * RATE * pitch)]
    count = max(2, int(len(samples) / pitch))
    sound = np.interp(np.arange(count) * pitch, np.arange(len(samples)), samples).astype(np.float32)
    fade = min(count, RATE // 100)
    sound[count - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return Blow(sound, int(blow.onset / pitch))


def lay(out: np.ndarray, blow: Blow, at_s: float, gain: float) -> None:
    """Add a sound so that its blow falls at a time; what lies outside is cut."""
    start = round(at_s * RATE) - blow.onset
    first, last = max(0, start), min(len(out), start + len(blow.samples))
    if first < last:
        out[first:last] += np.float32(gain) * blow.samples[first - start : last - start]


def laid(rng: Rng, clock: Clock, blows: list[Blow], times_s: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """One of these at each time. Shape: float32 (N,)."""
    out = np.zeros(clock.sample_count, np.float32)
    for time_s, gain in zip(times_s, gains, strict=True):
        lay(out, blows[rng.integers(len(blows))], time_s, gain)
    return out


def takes(rng: Rng, bank: Bank, *roles: str) -> list[Blow]:
    """One thing's sounds: a recording at a few speeds that hardly differ."""
    chosen = bank.blow(rng, *roles)
    pitch = np.exp(rng.uniform(-0.4, 0.4))
    spread = rng.uniform(0, 0.06)
    return [played(rng, chosen, pitch=pitch * np.exp(rng.normal(0, spread))) for _ in range(3)]


def lasting(rng: Rng, bank: Bank, count: int, *roles: str) -> np.ndarray:
    """A recording as long as asked, started anywhere and joined to itself softly. Shape: float32 (count,)."""
    sound = played(rng, bank.blow(rng, *roles), longest_s=12.0).samples
    join = min(len(sound) // 3, RATE // 4)
    out = np.zeros(count + 2 * len(sound), np.float32)
    at = 0
    ramp = np.ones(len(sound), np.float32)
    ramp[:join], ramp[len(sound) - join :] = np.linspace(0, 1, join), np.linspace(1, 0, join)
    while at < count + len(sound):
        out[at : at + len(sound)] += ramp * sound
        at += len(sound) - join
    start = rng.integers(len(sound))
    return out[start : start + count]


def at_samples(clock: Clock, curve: np.ndarray) -> np.ndarray:
    """A curve over frames at each sample. Shape: (T,) -> (N,)."""
    return np.interp(np.arange(clock.sample_count) / RATE, clock.frame_s, curve)
