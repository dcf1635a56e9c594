"""The numbers that shape the sync network, and what it is fed; the defaults are the published ones.

In: nothing. Out: frozen dataclasses that a checkpoint holds as plain dictionaries.
Doesn't know torch: a bundle's card is written from the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


def published_grid_s() -> tuple[float, ...]:
    """The 21 offsets from -2 s to 2 s; positive: the sound is early."""
    return tuple(round(0.2 * step, 1) for step in range(-10, 11))


MIXED_BEFORE_POOLS = (2, 7)
"""S3D pools in time and space after so many inception blocks, where more follow."""


@dataclass(frozen=True)
class Clip:
    """How a stretch of media becomes the network's two inputs."""

    window_s: float = 5.0
    fps: int = 25
    side: int = 256
    """The short side in pixels that media is scaled to, before cropping."""
    crop: int = 224
    sample_rate: int = 16_000
    n_fft: int = 512
    hop: int = 128
    colour: str = "imagenet"
    """`imagenet`: floats in [0, 1], less the mean of that data set and over its deviation."""

    @property
    def frames(self) -> int:
        """125 pictures as published."""
        return round(self.window_s * self.fps)

    @property
    def spectrogram(self) -> tuple[int, int]:
        """Frequencies and columns: (257, 626) as published."""
        return self.n_fft // 2 + 1, 1 + round(self.window_s * self.sample_rate) // self.hop


@dataclass(frozen=True)
class NetworkConfig:
    """The network's shape. Every default is that of the published SparseSync: 54,348,652 parameters."""

    offsets_s: tuple[float, ...] = field(default_factory=published_grid_s)
    """What each class means, in seconds, ascending; positive: the sound is early (`audio_early_s`)."""
    width: int = 512
    """Numbers in a token."""
    heads: int = 8
    selectors: int = 16
    """Learned queries a side; 0: every token goes on, as in the published network without selectors."""
    selector_layers: int = 3
    sync_layers: int = 3
    visual_block: tuple[int, int, int] = (16, 7, 7)
    """What the visual backbone leaves of a clip: time, height, width."""
    audio_block: tuple[int, int] = (9, 20)
    """What the audio backbone leaves of a spectrogram: frequency, time."""
    visual_divisor: int = 1
    """S3D's published channel counts are divided by this."""
    visual_mixed: int = 9
    """S3D's inception blocks kept; 7 end before its last pool, which small pictures can't do."""
    audio_widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    """Channels of ResNet-18's four layers."""
    audio_depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    """Residual blocks in each of them."""
    visual_time_strides: tuple[int, int, int] = (2, 2, 2)
    """S3D in time: its stem and its two pools of time. (2, 1, 1) leaves 63 steps of 125 frames, not 16."""
    audio_time_strides: tuple[int, int, int, int, int] = (2, 2, 2, 2, 2)
    """ResNet-18 in time: stem, pool, layers 2 to 4. (2, 2, 2, 1, 1): 79 steps of 626 columns, not 20."""
    visual_norm_momentum: float = 0.001
    """As published, for a backbone that comes trained; 0.1 suits one that starts from nothing."""
    token_dropout: float = 0.0
    embedding_dropout: float = 0.1
    residual_dropout: float = 0.1
    attention_dropout: float = 0.1

    @property
    def classes(self) -> int:
        """21 as published."""
        return len(self.offsets_s)

    @classmethod
    def fitting(cls, clip: Clip, **shape: Any) -> NetworkConfig:
        """A network of this shape with the blocks that `clip` leaves behind its backbones."""
        draft = cls(**shape)
        return cls(
            **{
                **shape,
                "visual_block": visual_block(
                    clip.frames, clip.crop, draft.visual_time_strides, draft.visual_mixed
                ),
                "audio_block": audio_block(clip.spectrogram, draft.audio_time_strides),
            }
        )


def visual_block(
    frames: int, side: int, time_strides: tuple[int, int, int], mixed: int
) -> tuple[int, int, int]:
    """Time, height and width that S3D, with `mixed` inception blocks, leaves of `frames` square pictures."""
    stem, pool, last = time_strides
    time, edge = math.ceil(frames / stem), _halved(side, 3)
    if mixed > MIXED_BEFORE_POOLS[0]:
        time, edge = math.ceil(time / pool), math.ceil(edge / 2)
    if mixed > MIXED_BEFORE_POOLS[1]:
        # Padded layers round up; this pool has no padding and rounds down.
        time, edge = time // last, edge // 2
    return time, edge, edge


def audio_block(spectrogram: tuple[int, int], time_strides: tuple[int, ...]) -> tuple[int, int]:
    """Frequency and time that ResNet-18 leaves of a spectrogram (frequencies, columns)."""
    rows, columns = spectrogram
    for stride in time_strides:
        columns = math.ceil(columns / stride)
    return _halved(rows, len(time_strides)), columns


def _halved(size: int, times: int) -> int:
    for _ in range(times):
        size = math.ceil(size / 2)
    return size


@dataclass(frozen=True)
class SyncConfig:
    """All that a checkpoint says of itself besides its weights."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    clip: Clip = field(default_factory=Clip)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> SyncConfig:
        """The inverse of `to_dict`; also takes lists for tuples, as JSON gives them."""
        return cls(
            NetworkConfig(**_with_tuples(held["network"])),
            Clip(**held["clip"]),
        )


def _with_tuples(held: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in held.items()}
