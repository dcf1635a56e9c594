"""Files of TensorFlow Lite are read right: held against sums written out, over files that are made here."""

from __future__ import annotations

import flatbuffers
import numpy as np
import pytest
import torch

from export.tflite import Network
from otio_avassist.errors import BundleError

ADD, CONVOLVE, BY_CHANNEL, WIDEN, MOST, RESHAPE, PAD, PRELU = 0, 3, 4, 6, 17, 22, 34, 54
SAME, VALID = 0, 1


class Written:
    """A file of one graph, tensor by tensor and step by step."""

    def __init__(self, *shape: int) -> None:
        self.tensors: list[tuple[tuple[int, ...], np.ndarray | None]] = [(shape, None)]
        self.steps: list[tuple[int, list[int], int, list[tuple[int, str, int]]]] = []

    def constant(self, values: np.ndarray) -> int:
        self.tensors.append((values.shape, values))
        return len(self.tensors) - 1

    def step(
        self, code: int, takes: list[int], shape: tuple[int, ...], *options: tuple[int, str, int]
    ) -> int:
        self.tensors.append((shape, None))
        self.steps.append((code, takes, len(self.tensors) - 1, list(options)))
        return len(self.tensors) - 1

    def bytes(self) -> bytes:
        build = flatbuffers.Builder(1024)

        def table(*fields: tuple[int, str, int]) -> int:
            build.StartObject(12)
            for number, kind, value in fields:
                add = {
                    "b": build.PrependInt8Slot,
                    "i": build.PrependInt32Slot,
                    "u": build.PrependUint32Slot,
                    "o": build.PrependUOffsetTRelativeSlot,
                }[kind]
                # What equals the schema's default isn't written, as others don't either.
                add(number, value, 0)
            return build.EndObject()

        def ints(values) -> int:
            return build.CreateNumpyVector(np.array(values, np.int32))

        def tables(offsets: list[int]) -> int:
            build.StartVector(4, len(offsets), 4)
            for each in reversed(offsets):
                build.PrependUOffsetTRelative(each)
            return build.EndVector()

        codes = sorted({code for code, *_ in self.steps})
        kinds = {"f4": 0, "f2": 1, "i4": 2}
        buffers, tensors, steps = [table()], [], []
        for shape, values in self.tensors:
            kind, buffer = 0, 0
            if values is not None:
                kind, buffer = kinds[values.dtype.str[1:]], len(buffers)
                data = build.CreateNumpyVector(np.frombuffer(values.tobytes(), np.uint8))
                buffers.append(table((0, "o", data)))
            tensors.append(table((0, "o", ints(shape)), (1, "b", kind), (2, "u", buffer)))
        for code, takes, gives, options in self.steps:
            of_step = (0, "u", codes.index(code)), (1, "o", ints(takes)), (2, "o", ints([gives]))
            steps.append(table(*of_step, (4, "o", table(*options))))
        fields = (
            (0, tables(tensors)),
            (1, ints([0])),
            (2, ints([len(self.tensors) - 1])),
            (3, tables(steps)),
        )
        graph = table(*((number, "o", value) for number, value in fields))
        operators = tables([table((0, "b", code), (3, "i", code)) for code in codes])
        model = table((0, "u", 3), (1, "o", operators), (2, "o", tables([graph])), (4, "o", tables(buffers)))
        build.Finish(model, file_identifier=b"TFL3")
        return bytes(build.Output())


def asked(written: Written, picture: np.ndarray) -> np.ndarray:
    """What the network gives for one picture of (H, W, C), as the file has its axes."""
    network = Network(written.bytes()).eval()
    with torch.inference_mode():
        (given,) = network(torch.from_numpy(picture).permute(2, 0, 1)[None])
    return given[0].numpy()


@pytest.fixture
def draw():
    return np.random.default_rng(0)


def slid(picture, weights, stride, padded):
    """A convolution by loops: weights are (out, height, width, in); padded is ((before, after), …)."""
    picture = np.pad(picture, (*padded, (0, 0)))
    out, height, width, _ = weights.shape
    rows, columns = (
        (size - each) // stride + 1 for size, each in zip(picture.shape, (height, width), strict=False)
    )
    found = np.zeros((rows, columns, out))
    for row, column in np.ndindex(rows, columns):
        part = picture[row * stride : row * stride + height, column * stride : column * stride + width]
        found[row, column] = (weights * part).sum(axis=(1, 2, 3))
    return found


def test_a_convolution_of_stride_two_adds_more_behind_than_before(draw):
    picture = draw.normal(size=(6, 6, 3)).astype(np.float32)
    weights, bias = draw.normal(size=(4, 3, 3, 3)).astype(np.float32), np.arange(4, dtype=np.float32)
    written = Written(1, 6, 6, 3)
    takes = [0, written.constant(weights), written.constant(bias)]
    written.step(CONVOLVE, takes, (1, 3, 3, 4), (0, "b", SAME), (1, "i", 2), (2, "i", 2), (3, "b", 1))
    wanted = np.maximum(slid(picture, weights, 2, ((0, 1), (0, 1))) + bias, 0)
    np.testing.assert_allclose(asked(written, picture), wanted, atol=1e-5)


def test_weights_of_sixteen_bits_are_widened_and_slide_channel_by_channel(draw):
    picture = draw.normal(size=(5, 4, 2)).astype(np.float32)
    weights = draw.normal(size=(1, 3, 3, 2)).astype(np.float16)
    written = Written(1, 5, 4, 2)
    wide = written.step(WIDEN, [written.constant(weights)], weights.shape)
    written.step(
        BY_CHANNEL, [0, wide], (1, 5, 4, 2),
        (0, "b", SAME), (1, "i", 1), (2, "i", 1), (3, "i", 1), (5, "i", 1), (6, "i", 1),
    )  # fmt: skip
    each = [
        slid(picture[..., [channel]], weights.astype(np.float32)[..., [channel]], 1, ((1, 1), (1, 1)))
        for channel in range(2)
    ]
    np.testing.assert_allclose(asked(written, picture), np.concatenate(each, axis=-1), atol=1e-5)


def test_pads_prelu_sums_maxima_and_rows_come_in_the_order_of_the_file(draw):
    picture = draw.normal(size=(4, 4, 2)).astype(np.float32)
    slopes = np.array([[[0.1, 0.5, 2.0]]], np.float32)
    written = Written(1, 4, 4, 2)
    padded = written.step(
        PAD, [0, written.constant(np.array([[0, 0], [0, 0], [0, 0], [0, 1]], np.int32))], (1, 4, 4, 3)
    )
    bent = written.step(PRELU, [padded, written.constant(slopes)], (1, 4, 4, 3))
    twice = written.step(ADD, [bent, bent], (1, 4, 4, 3))
    halved = written.step(
        MOST, [twice], (1, 2, 2, 3),
        (0, "b", VALID), (1, "i", 2), (2, "i", 2), (3, "i", 2), (4, "i", 2),
    )  # fmt: skip
    written.step(RESHAPE, [halved, written.constant(np.array([1, 4, 3], np.int32))], (1, 4, 3))
    three = np.pad(picture, ((0, 0), (0, 0), (0, 1)))
    doubled = 2 * np.where(three > 0, three, three * slopes)
    wanted = doubled.reshape(2, 2, 2, 2, 3).max(axis=(1, 3)).reshape(4, 3)
    np.testing.assert_allclose(asked(written, picture), wanted, atol=1e-6)


def test_what_is_not_known_is_refused_by_name():
    with pytest.raises(BundleError, match="TFL3"):
        Network(b"\x00" * 16)
    written = Written(1, 4, 4, 2)
    written.step(99, [0], (1, 4, 4, 2))
    with pytest.raises(BundleError, match="operator 99"):
        Network(written.bytes())
    written = Written(1, 4, 4, 2)
    written.step(ADD, [0, 0], (1, 4, 4, 2), (0, "b", 4))
    with pytest.raises(BundleError, match="activation 4"):
        Network(written.bytes())(torch.zeros(1, 2, 4, 4))
