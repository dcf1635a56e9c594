"""Which stretch of a clip is looked at and which is listened to: the published grid and arithmetic.

An offset d > 0 means that the sound is read d seconds later than the picture: it is early by d. Both
stretches lie inside the clip, nothing is padded. In: lengths and a draw. Out: frames, samples and a class.
Knows no file. Python's own `random` draws, as published, so that the same seed gives the same crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np

from models.sync.config import Clip

LONGEST_S = 10.0
"""Of a clip, what lies behind isn't used."""


@dataclass(frozen=True)
class Length:
    """A clip's, after its end has been cut so that picture and sound are as long as each other."""

    frames: int
    samples: int


@dataclass(frozen=True)
class Crop:
    """One stretch of picture and one of sound."""

    first_frame: int
    first_sample: int
    offset_s: float
    """What was drawn; positive: the sound is early."""
    label: int
    """The nearest class of the grid."""


def grid(
    size: int = 21, reach_s: float = 2.0, kind: Literal["linspace", "uniform"] = "linspace"
) -> tuple[float, ...]:
    """The offsets of the classes in seconds, ascending.

    Args:
        kind: `linspace`: from end to end, as all published networks; `uniform`: the middles of as many
            cells of one size between the ends.
    """
    if kind == "linspace":
        return tuple(np.linspace(-reach_s, reach_s, size).tolist())
    edges = np.linspace(-reach_s, reach_s, size + 1)
    return tuple(((edges[:-1] + edges[1:]) / 2).tolist())


def nearest(offset_s: float, offsets_s: Sequence[float]) -> int:
    """The class of an offset."""
    return int(np.abs(np.asarray(offsets_s) - offset_s).argmin())


def equalised(frames: int, samples: int, clip: Clip, *, longest_s: float = LONGEST_S) -> Length:
    """The length of what is used of a clip: picture and sound end together, on a whole frame."""
    length_s = min(longest_s, samples / clip.sample_rate, frames / clip.fps)
    count = int(clip.fps * length_s)
    return Length(count, clip.sample_rate // clip.fps * count)


def least_s(clip: Clip, offsets_s: Sequence[float]) -> float:
    """How long a clip must be at least for the furthest offset to be drawn without padding."""
    return clip.window_s + max(abs(offset_s) for offset_s in offsets_s)


def draw(
    length: Length, clip: Clip, offsets_s: Sequence[float], rng: Random, *, jitter_s: float = 0.0
) -> Crop:
    """Any offset of the grid, anywhere in the clip.

    Args:
        jitter_s: the sound is moved by up to so much either way, but not beyond the clip's ends.

    Raises:
        ValueError: the clip is too short for the offset that was drawn.
    """
    offset_s = rng.choice([round(each, 2) for each in offsets_s])
    last_s = (length.frames - clip.frames) / clip.fps
    low_s, high_s = max(0.0, -offset_s), min(last_s, last_s - offset_s)
    if high_s < low_s:
        raise ValueError(
            f"a clip of {length.frames / clip.fps:g} s has no room for windows of {clip.window_s:g} s "
            f"that are {offset_s:g} s apart"
        )
    crop = at(offset_s, int(rng.uniform(low_s, high_s) * clip.fps) / clip.fps, clip, offsets_s)
    if not jitter_s:
        return crop
    reach = int(jitter_s * clip.sample_rate)
    latest = length.samples - round(clip.window_s * clip.sample_rate)
    moved = min(max(0, crop.first_sample + rng.randint(-reach, reach)), latest)
    return Crop(crop.first_frame, moved, crop.offset_s, crop.label)


def at(offset_s: float, start_s: float, clip: Clip, offsets_s: Sequence[float]) -> Crop:
    """The crop whose picture starts at `start_s`, as lists of fixed offsets say.

    Raises:
        ValueError: the sound would start before the clip by a frame or more.
    """
    offset_s = round(offset_s, 2)
    # Lists have seconds with two digits: 2.32 * 25 is a little less than 58.
    first_frame = int(round(start_s * clip.fps, 6))
    first_sample = int((first_frame / clip.fps + offset_s) * clip.sample_rate)
    if first_sample <= -clip.sample_rate // clip.fps:
        raise ValueError(f"sound from {first_sample / clip.sample_rate:g} s was asked for")
    return Crop(first_frame, max(0, first_sample), offset_s, nearest(offset_s, offsets_s))
