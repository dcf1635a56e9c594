"""Numbers of 32 bits -> of 8, a quarter of the bytes to read for every code that is said.

In: matrices, or a sampler whose memory is to be kept so. Out: whole numbers, and how large a step is.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.foley.sampler import Sampler

ROOM = 2.0
"""Real pictures and codes may make more of what is remembered than noise does; beyond that it is cut off."""
SEQUENCES = 2


def eight_bits(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (in, out) -> steps of -127 to 127 in the same shape, and how large a step is in each column.

    Each column has a scale of its own, so that a large one doesn't make a small one coarse.
    """
    scales = np.abs(matrix).max(axis=0).astype(np.float32) / np.float32(127)
    # A column of zeros stays one, whatever its step.
    scales = np.where(scales > 0, scales, np.float32(1))
    return np.rint(matrix / scales).astype(np.int8), scales


@torch.no_grad()
def memory_steps(sampler: Sampler) -> list[tuple[Tensor, Tensor]]:
    """How large a step is of each number that a layer remembers of a position, for keys and for values.

    By what the sampler remembers of noise: codes, features and classes of all kinds, a whole window of them.

    Shape: (1, heads, 1, width / heads) each.
    """
    config, draw = sampler.config, torch.Generator().manual_seed(0)
    told = {}
    if config.feature_width is not None:
        shape = SEQUENCES, config.feature_width, config.features
        told["features"] = torch.rand(shape, generator=draw)
    if config.classes is not None:
        told["classes"] = torch.randint(0, config.classes, (SEQUENCES, 1), generator=draw)
    codes = torch.randint(0, config.codes, (SEQUENCES, config.window), generator=draw)
    _, remembered = sampler.step(sampler.prefix(**told), codes)
    return [(_steps(keys), _steps(values)) for keys, values in remembered]


def _steps(numbers: Tensor) -> Tensor:
    largest = numbers.abs().amax(dim=(0, 2), keepdim=True)
    return (largest * ROOM / 127).clamp_min(1e-9)
