"""A TensorFlow Lite file -> a PyTorch module that does the same, whose graph can then be written.

Reads as much of the format as networks of convolutions need: 32-bit floats, weights perhaps kept in 16 bits,
pictures in and rows or vectors out. The file is a flatbuffer whose tables are numbered by
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/schema/schema.fbs; none of TensorFlow
is needed. What it can't read, it refuses by name.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from otio_avassist.errors import BundleError

OPERATORS = {
    0: "add", 2: "concatenate", 3: "convolve", 4: "convolve_by_channel", 6: "widen", 17: "most",
    19: "relu", 22: "reshape", 23: "resize", 34: "pad", 54: "prelu",
}  # fmt: skip
"""The schema's numbers of what we know."""
NUMBERS = {0: "<f4", 1: "<f2", 2: "<i4"}
"""The schema's numbers of types."""
ACTIVATIONS = {0: "none", 1: "relu", 3: "relu6"}


class _Table:
    """One table of a flatbuffer: fields by their number in the schema, all of them optional."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - struct.unpack_from("<i", data, at)[0]
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    def _place(self, number: int) -> int | None:
        entry = 4 + 2 * number
        offset = struct.unpack_from("<H", self._data, self._fields + entry)[0] if entry < self._size else 0
        return self._at + offset if offset else None

    def _behind(self, place: int) -> int:
        return place + struct.unpack_from("<I", self._data, place)[0]

    def number(self, number: int, kind: str = "i", default: int = 0) -> int:
        place = self._place(number)
        return default if place is None else struct.unpack_from(f"<{kind}", self._data, place)[0]

    def table(self, number: int) -> _Table | None:
        place = self._place(number)
        return None if place is None else _Table(self._data, self._behind(place))

    def array(self, number: int, kind: str) -> np.ndarray:
        place = self._place(number)
        if place is None:
            return np.zeros(0, kind)
        start = self._behind(place)
        (count,) = struct.unpack_from("<I", self._data, start)
        return np.frombuffer(self._data, kind, count, start + 4)

    def tables(self, number: int) -> list[_Table]:
        place = self._place(number)
        if place is None:
            return []
        start = self._behind(place)
        (count,) = struct.unpack_from("<I", self._data, start)
        return [_Table(self._data, self._behind(start + 4 + 4 * each)) for each in range(count)]


@dataclass(frozen=True)
class _Step:
    """One operator, between tensors by their numbers."""

    does: str
    takes: tuple[int, ...]
    gives: int
    options: _Table | None


class Network(nn.Module):
    """What a file of TensorFlow Lite holds, for any batch.

    Shape: float32 (B, 3, H, W) -> of each of the file's outputs (B, …), its axes as they are in the file; an
    output of one place is flat: (B, C).

    Raises:
        BundleError: the file isn't one, or does what isn't known here.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__()
        if data[4:8] != b"TFL3":
            raise BundleError(
                f"wanted a file of TensorFlow Lite, which has TFL3 in it, there is {data[4:8]!r}"
            )
        model = _Table(data, struct.unpack_from("<I", data, 0)[0])
        graphs, buffers = model.tables(2), model.tables(4)
        if len(graphs) != 1:
            raise BundleError(f"wanted a file of one graph, there are {len(graphs)}")
        (graph,) = graphs
        tensors = graph.tables(0)
        codes = [max(each.number(0, "b"), each.number(3)) for each in model.tables(1)]
        self._shapes = [tuple(each.array(0, "<i4").tolist()) for each in tensors]
        self._steps = list(_steps(graph, codes))
        (self._taken,) = graph.array(1, "<i4").tolist()
        self._given = graph.array(2, "<i4").tolist()
        self._constants: set[int] = set()
        self._sizes: dict[int, list] = {}
        for number, each in enumerate(tensors):
            content = buffers[each.number(2, "I")].array(0, "u1")
            if len(content):
                self._hold(number, each.number(1, "b"), content)
        for step in self._steps:
            if step.does in ("convolve", "convolve_by_channel"):
                self._turn(step)

    def _hold(self, number: int, kind: int, content: np.ndarray) -> None:
        if kind not in NUMBERS:
            raise BundleError(
                f"tensor {number}: numbers of type {kind} aren't known here: {list(NUMBERS)} are"
            )
        values = np.frombuffer(content.tobytes(), NUMBERS[kind]).reshape(self._shapes[number])
        if values.dtype.kind == "i":
            self._sizes[number] = values.tolist()
            return
        self.register_buffer(f"of_{number}", torch.from_numpy(values.astype(np.float32)))
        self._constants.add(number)

    def _turn(self, step: _Step) -> None:
        """Weights as PyTorch has them: output channels, input channels, height, width."""
        source = self._held_by(step.takes[1])
        weights = self.get_buffer(f"of_{source}")
        order = (0, 3, 1, 2) if step.does == "convolve" else (3, 0, 1, 2)
        self.register_buffer(f"of_{source}", weights.permute(*order).contiguous())

    def _held_by(self, number: int) -> int:
        """The constant that a tensor is, perhaps once it is widened to 32 bits."""
        for step in self._steps:
            if step.does == "widen" and step.gives == number:
                return step.takes[0]
        return number

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        values = {number: self.get_buffer(f"of_{number}") for number in self._constants}
        values[self._taken] = pictures
        for step in self._steps:
            given = [values[each] for each in step.takes if each in values]
            values[step.gives] = self._do(step, given)
        return tuple(self._as_in_file(values[each], self._shapes[each]) for each in self._given)

    def _as_in_file(self, value: Tensor, shape: tuple[int, ...]) -> Tensor:
        if len(shape) == 4 and shape[1:3] == (1, 1):
            return value.flatten(1)
        return value.permute(0, 2, 3, 1) if len(shape) == 4 else value

    def _do(self, step: _Step, given: Sequence[Tensor]) -> Tensor:
        options, first = step.options, given[0]
        if step.does == "widen":
            return first
        if step.does == "relu":
            return functional.relu(first)
        if step.does == "prelu":
            return torch.where(first > 0, first, first * given[1].permute(2, 0, 1))
        if step.does == "pad":
            (_, batch), (top, bottom), (left, right), (front, back) = self._sizes[step.takes[1]]
            if batch:
                raise BundleError("padding along the batch isn't known here")
            return functional.pad(first, (left, right, top, bottom, front, back))
        if step.does == "reshape":
            if len(self._shapes[step.takes[0]]) == 4:
                first = first.permute(0, 2, 3, 1)
            return first.reshape(first.shape[0], *self._shapes[step.gives][1:])
        if step.does == "resize":
            height, width = self._sizes[step.takes[1]]
            return functional.interpolate(first, (height, width), mode="bilinear", **self._corners(options))
        assert options is not None
        if step.does == "add":
            return _activated(first + given[1], options.number(0, "b"))
        if step.does == "concatenate":
            axis = options.number(0)
            of_four = len(self._shapes[step.gives]) == 4
            return _activated(
                torch.cat(list(given), (0, 2, 3, 1)[axis] if of_four else axis), options.number(1, "b")
            )
        return self._slide(step, given, options)

    def _corners(self, options: _Table | None) -> dict[str, bool]:
        aligned, half = (bool(options.number(each, "b")) if options else False for each in (2, 3))
        if not aligned and not half:
            raise BundleError("resizing by whole pixels' corners isn't known here")
        return {"align_corners": aligned}

    def _slide(self, step: _Step, given: Sequence[Tensor], options: _Table) -> Tensor:
        """What slides over a picture: both kinds of convolution, and the largest of each window."""
        first = given[0]
        stride = (options.number(2), options.number(1))
        most = step.does == "most"
        size = (options.number(4), options.number(3)) if most else tuple(given[1].shape[2:])
        after = {"convolve": (3, 4), "convolve_by_channel": (4, 5), "most": (5, None)}[step.does]
        dilated = (
            (1, 1)
            if after[1] is None
            else (options.number(after[1] + 1, default=1), options.number(after[1], default=1))
        )
        if options.number(0, "b") == 0:  # "same"
            places = self._shapes[step.takes[0]][1:3]
            sides = [_same(*each) for each in zip(places, size, stride, dilated, strict=True)]
            # What is added stands for nothing: it never is the largest, and changes no sum.
            first = functional.pad(first, (*sides[1], *sides[0]), value=-torch.inf if most else 0.0)
        if most:
            found = functional.max_pool2d(first, size, stride)
        else:
            groups = first.shape[1] if step.does == "convolve_by_channel" else 1
            bias = given[2] if len(given) > 2 else None
            found = functional.conv2d(first, given[1], bias, stride, 0, dilated, groups)
        return _activated(found, options.number(after[0], "b"))


def _steps(graph: _Table, codes: Sequence[int]) -> Iterator[_Step]:
    for each in graph.tables(3):
        code = codes[each.number(0, "I")]
        if code not in OPERATORS:
            raise BundleError(f"operator {code} of TensorFlow Lite isn't known here: {OPERATORS} are")
        (gives,) = each.array(2, "<i4").tolist()
        yield _Step(OPERATORS[code], tuple(each.array(1, "<i4").tolist()), gives, each.table(4))


def _same(length: int, size: int, stride: int, dilated: int) -> tuple[int, int]:
    """How much to add before and after, so that there are ceil(length / stride) places: one more after."""
    reach = (size - 1) * dilated + 1
    missing = max((-(-length // stride) - 1) * stride + reach - length, 0)
    return missing // 2, missing - missing // 2


def _activated(value: Tensor, kind: int) -> Tensor:
    if kind not in ACTIVATIONS:
        raise BundleError(f"activation {kind} of TensorFlow Lite isn't known here: {ACTIVATIONS} are")
    return {"none": lambda x: x, "relu": functional.relu, "relu6": functional.relu6}[ACTIVATIONS[kind]](value)
