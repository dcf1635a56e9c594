"""Matrices of 32 bits -> of 8, a quarter of the bytes to read for every code that is said."""

from __future__ import annotations

import numpy as np


def eight_bits(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (in, out) -> steps of -127 to 127 in the same shape, and how large a step is in each column.

    Each column has a scale of its own, so that a large one doesn't make a small one coarse.
    """
    scales = np.abs(matrix).max(axis=0).astype(np.float32) / np.float32(127)
    # A column of zeros stays one, whatever its step.
    scales = np.where(scales > 0, scales, np.float32(1))
    return np.rint(matrix / scales).astype(np.int8), scales
