"""VGGish (Hershey et al. 2017): 0.96 s of sound -> one row of 128 numbers.

In: examples of `signals.vggish_log_mel`. Out: what BMT and MDVC were trained on, rectified and not reduced
further; `reduced` is the further step that AudioSet's own features took. Names of layers are those of the
released weights.
"""

from __future__ import annotations

from math import gcd

import numpy as np
import torch
from torch import Tensor, nn

WIDTHS = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool")
HIDDEN = 4096
REACH = 2.0
"""Reduced numbers are clipped to this on both sides and spread over 0 to 255."""


class VGGish(nn.Module):
    """The network; 72.1 million parameters, most of them in its first linear layer.

    Args:
        divisor: published widths, but for the embedding's, are divided by this.
        embedding: numbers in a row.
    """

    def __init__(self, *, divisor: int = 1, embedding: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width in WIDTHS:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(channels, width // divisor, 3, padding=1), nn.ReLU()]
                channels = width // divisor
        self.features = nn.Sequential(*layers)
        hidden = HIDDEN // divisor
        # Four pools leave 6 x 4 of an example's 96 rows and 64 bands.
        self.embeddings = nn.Sequential(
            nn.Linear(6 * 4 * channels, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, embedding),
            nn.ReLU(),
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        """(n, 1, 96, 64) -> (n, 128)."""
        # Channels last: the order in which TensorFlow counted them.
        return self.embeddings(self.features(log_mel).permute(0, 2, 3, 1).flatten(1))


def reduced(embedding: Tensor, vectors: Tensor, means: Tensor) -> Tensor:
    """PCA and eight bits, as whole numbers from 0 to 255 in floats; rounded, where TensorFlow cuts off.

    Shape: (n, 128), the PCA's (128, 128) and (128, 1) -> (n, 128).
    """
    turned = (vectors @ (embedding.T - means)).T
    return torch.round((turned.clamp(-REACH, REACH) + REACH) * (255 / (2 * REACH)))


# The authors bring sound to 16 kHz by resampy's "kaiser_best".
ZEROS = 50
ROLLOFF = 0.9173473712608761
BETA = 12.984585247040012
TABLE = 8192
"""Its kernel is a table of so many values a zero crossing, gone through in whole steps."""


def resampled(samples: np.ndarray, rate: int, to: int = 16_000) -> np.ndarray:
    """Sound at another rate, by a sinc under a Kaiser window, beyond both ends silence.

    Shape: (N,) -> float64 (N x to / rate,), rounded down.
    """
    samples = np.asarray(samples, dtype=np.float64)
    shared = gcd(rate, to)
    up, down = to // shared, rate // shared
    count = len(samples) * up // down
    scale = min(1.0, up / down)
    step = int(scale * TABLE) / TABLE
    half = int(np.ceil(ZEROS / step))
    # In samples that come in, the one just before the place that is asked for is at index `half`.
    padded = np.concatenate([np.zeros(half), samples, np.zeros(half + down + 1)])
    wing = np.arange(half + 1) * step
    out = np.empty(count)
    for phase in range(min(up, count)):
        whole, part = divmod(phase * down, up)
        near = part / up * scale
        distance = np.concatenate([near + wing[::-1], scale - near + wing[:-1]])
        inside = np.sqrt(np.clip(1 - (distance / ZEROS) ** 2, 0, None))
        window = np.where(distance <= ZEROS, np.i0(BETA * inside) / np.i0(BETA), 0)
        kernel = scale * ROLLOFF * np.sinc(ROLLOFF * distance) * window
        rows = len(range(phase, count, up))
        pieces = np.lib.stride_tricks.sliding_window_view(padded[whole:], len(kernel))[::down][:rows]
        out[phase::up] = pieces @ kernel
    return out
