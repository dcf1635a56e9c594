"""Windows in which nothing can tell the offset: who is above chance on them knows what they shouldn't."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FRESH_SEED = 50_000_000
"""First seed of the scenes that figures are measured on; training draws from far below."""

CONTROLS = ("blank picture", "blank sound", "noise picture", "noise sound", "sound of another scene")


@dataclass(frozen=True)
class Windows:
    """Windows with a known offset each."""

    frames: np.ndarray
    """uint8 (N, T, H, W, 3)."""
    samples: np.ndarray
    """float32 (N, samples)."""
    wanted: np.ndarray
    """int (N,): the class."""


def without_a_clue(windows: Windows, control: str, seed: int = 0) -> Windows:
    """The same windows with what could tell the offset taken away; `control` is one of `CONTROLS`."""
    rng = np.random.default_rng(seed)
    frames, samples = windows.frames, windows.samples
    if control == "blank picture":
        frames = np.zeros_like(frames)
    elif control == "noise picture":
        frames = rng.integers(0, 256, frames.shape, dtype=np.uint8)
    elif control == "blank sound":
        samples = np.zeros_like(samples)
    elif control == "noise sound":
        samples = rng.normal(0, 0.1, samples.shape).astype(np.float32)
    elif control == "sound of another scene":
        samples = np.roll(samples, 1, axis=0)
    else:
        raise ValueError(f"no control {control!r}; there are {', '.join(CONTROLS)}")
    return Windows(frames, samples, windows.wanted)


def wilson(right: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.96, right / of
    middle = share + z * z / (2 * of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - reach) / (1 + z * z / of), (middle + reach) / (1 + z * z / of)
