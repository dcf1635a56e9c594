"""Numbers of 32 bits -> of 8: a quarter of the bytes to read.

In: matrices, or a sampler whose memory is to be kept so: out come whole numbers, and how large a step is. Or
a graph, and what it is usually shown: out comes one whose convolutions are in 8 bits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor

from export.graphs import forget_origins
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


def convolutions_in_8_bits(path: Path, out: Path, shown: Iterable[Mapping[str, np.ndarray]]) -> None:
    """Write the graph at `path` to `out` with the convolutions in 8 bits.

    Args:
        path: a graph of 32 bits.
        out: another file.
        shown: inputs by which is found how large the numbers between layers get; larger ones are cut off.
    """
    # Half a second, and it meets onnxruntime: paid by who wants 8 bits.
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Shown(CalibrationDataReader):
        def __init__(self) -> None:
            self._left: Iterator[Mapping[str, np.ndarray]] = iter(shown)

        def get_next(self) -> Mapping[str, np.ndarray] | None:
            return next(self._left, None)

    # It advises to fold what our graphs have folded already.
    logging.getLogger().addFilter(_is_no_advice)
    try:
        quantize_static(
            path,
            out,
            Shown(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.getLogger().removeFilter(_is_no_advice)
    model = onnx.load(out)
    forget_origins(model)
    out.write_bytes(model.SerializeToString(deterministic=True))


def _is_no_advice(record: logging.LogRecord) -> bool:
    return "pre-processing before quantization" not in record.getMessage()
