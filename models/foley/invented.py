"""Small sets laid out as VAS, invented from seeds: sounds of a few kinds, and rows that tell of them.

In: a folder. Out: what `data` reads, with clips of 1.2 s: sounds, their spectrograms, and rows of features in
which a kind shows as a direction and its moments as lengths. None is a recording of anything: they are
there for experiments in small and for tests.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from models.foley import data
from models.foley.data import Size
from otio_avassist import signals

KINDS = ("hum", "knock", "chirp", "hiss", "ring", "rattle")
SIZE = Size(frames=104, crop=96, rows=26, rows_crop=24)
"""1.2 s: six columns of codes, 24 rows of features."""
WIDTH = 24
"""Numbers in a row of features."""
RATE = signals.FOLEY_RATE
ROWS_A_SECOND = 21.5


def settings() -> dict[str, int]:
    """`SIZE` as settings of the trainings have it."""
    return asdict(SIZE)


def moments_s(rng: np.random.Generator) -> np.ndarray:
    """When something happens in a clip."""
    return np.cumsum(rng.uniform(0.2, 0.5, 6)) - rng.uniform(0, 0.2)


def sound(kind: str, times_s: np.ndarray, rng: np.random.Generator, *, pitch: float = 1.0) -> np.ndarray:
    """What a kind sounds like when it happens at these times. Shape: float32 (N,)."""
    count = SIZE.frames * signals.FOLEY_HOP
    clock = np.arange(count) / RATE
    heard = rng.normal(0, 1e-4, count)
    hertz = pitch * {"hum": 180, "knock": 700, "chirp": 900, "hiss": 0, "ring": 1500, "rattle": 2500}[kind]
    for at_s in times_s:
        since = clock - at_s
        on = since > 0
        since = np.where(on, since, 0)
        fades = {"hum": 0.15, "knock": 0.02, "chirp": 0.08, "hiss": 0.1, "ring": 0.3, "rattle": 0.05}[kind]
        length = np.where(on, np.exp(-since / fades), 0)
        match kind:
            case "hiss":
                event = rng.normal(0, 1, count)
            case "chirp":
                event = np.sin(2 * np.pi * hertz * (since + 4 * since**2))
            case "rattle":
                event = np.sin(2 * np.pi * hertz * since) * (np.sin(2 * np.pi * 30 * since) > 0)
            case "hum":
                event = sum(np.sin(2 * np.pi * hertz * k * since) / k for k in range(1, 6))
            case _:
                event = np.sin(2 * np.pi * hertz * since) + 0.5 * np.sin(2 * np.pi * 2.7 * hertz * since)
        heard += rng.uniform(0.15, 0.3) * length * event
    return np.clip(heard, -1, 1).astype(np.float32)


def directions() -> np.ndarray:
    """What each kind looks like, and at last what motion does. Shape: (kinds + 1, WIDTH)."""
    return np.random.default_rng(7).normal(0, 1, (len(KINDS) + 1, WIDTH))


def looks(number: int, times_s: np.ndarray, rng: np.random.Generator, *, rows: int) -> np.ndarray:
    """Rows of features of kind `number` when it happens at these times. Shape: float32 (rows, WIDTH)."""
    clock = np.arange(rows) / ROWS_A_SECOND
    since = clock[:, None] - times_s
    moving = np.where(since >= 0, np.exp(-np.maximum(since, 0) / 0.06), 0).max(1)
    shown = directions()[number] + 2 * moving[:, None] * directions()[-1]
    return (shown + rng.normal(0, 0.3, (rows, WIDTH))).astype(np.float32)


def render(
    root: Path,
    *,
    kinds: Sequence[str] = KINDS,
    train: int = 16,
    valid: int = 4,
    pitch: float = 1.0,
    seed: int = 0,
) -> None:
    """Write a set of so many clips of each kind; a set of another pitch is another set of the same kinds."""
    lists: dict[str, list[str]] = {"train": [], "valid": []}
    for kind in kinds:
        for number in range(train + valid):
            rng = np.random.default_rng([seed, KINDS.index(kind), number])
            times_s = moments_s(rng)
            heard = sound(kind, times_s, rng, pitch=pitch * rng.uniform(0.95, 1.05))
            place, name = root / "vas" / "features" / kind, f"video_{number:05d}"
            for folder in (data.MELS, data.SOUNDS, *data.FEATURES["resnet50"]):
                (place / folder).mkdir(parents=True, exist_ok=True)
            mel = signals.foley_log_mel(heard)[:, : SIZE.frames]
            np.save(place / data.MELS / f"{name}_mel.npy", mel)
            rows = looks(KINDS.index(kind), times_s, rng, rows=SIZE.rows)
            np.save(place / data.FEATURES["resnet50"][0] / f"{name}.npy", rows)
            _write(place / data.SOUNDS / f"{name}.wav", heard)
            lists["train" if number < train else "valid"].append(f"{kind}/{name}")
    for part, names in lists.items():
        (root / f"vas_{part}.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _write(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
