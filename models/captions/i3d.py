"""I3D (Carreira & Zisserman 2017): a stack of pictures, or of motion between them -> one row of features.

In: floats in [-1, 1], `signals.i3d_floats` for colour (B, 3, T, 224, 224) and `signals.i3d_flow_floats` for
motion (B, 2, T, 224, 224). Out: 1024 numbers a stack. BMT sums the rows of both, each of 64 pictures at 25 a
second; MDVC stacks 24. Names of layers are those of the released weights.

Flow itself isn't computed here: its rows are read from files. The published features' flow was PWC-Net's,
RAFT is what the authors' extractor runs today, and neither is rebuilt; what runs on colour alone says so.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.sync.s3d import MIXED

SHORTEST = 10
"""Fewer pictures leave nothing of a stack for the last average over two."""
Triple = tuple[int, int, int]


def _same(kernel: Triple, stride: Triple) -> tuple[int, ...]:
    """TensorFlow's SAME padding as F.pad wants it: the odd one at the end, whatever the input's size."""
    sides: list[int] = []
    for size, step in zip(reversed(kernel), reversed(stride), strict=True):
        wanted = max(size - step, 0)
        sides += [wanted // 2, wanted - wanted // 2]
    return tuple(sides)


class Unit(nn.Module):
    """A convolution, normalised and rectified."""

    def __init__(self, channels_in: int, channels: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels_in, channels, kernel, stride, bias=False)
        self.batch3d = nn.BatchNorm3d(channels)
        self.padding = _same((kernel,) * 3, (stride,) * 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, t, h, w) -> (B, C, t, h, w)."""
        return F.relu(self.batch3d(self.conv3d(F.pad(x, self.padding))))


class Pool(nn.Module):
    """The largest of each neighbourhood, zeros round the edge."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.pool = nn.MaxPool3d(kernel, stride, ceil_mode=True)
        self.padding = _same(kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, t, h, w) -> fewer of t, h and w."""
        return self.pool(F.pad(x, self.padding))


class Mixed(nn.Module):
    """An inception block: four ways side by side."""

    def __init__(self, channels_in: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        alone, narrow1, wide1, narrow2, wide2, pooled = widths
        self.branch_0 = Unit(channels_in, alone)
        self.branch_1 = nn.Sequential(Unit(channels_in, narrow1), Unit(narrow1, wide1, 3))
        self.branch_2 = nn.Sequential(Unit(channels_in, narrow2), Unit(narrow2, wide2, 3))
        self.branch_3 = nn.Sequential(Pool((3, 3, 3), (1, 1, 1)), Unit(channels_in, pooled))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, t, h, w) -> (B, C, t, h, w)."""
        return torch.cat([self.branch_0(x), self.branch_1(x), self.branch_2(x), self.branch_3(x)], dim=1)


class _Last(nn.Module):
    """A plain convolution under the name that it has in the released weights."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels_in, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3d(x)


BLOCKS = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")


class I3D(nn.Module):
    """The network for colour ("rgb") or motion ("flow"); 12.7 million parameters.

    Args:
        kind: what it looks at.
        classes: of its classifier, which captions don't ask.
        divisor: published channel counts are divided by this.
    """

    def __init__(self, kind: Literal["rgb", "flow"] = "rgb", *, classes: int = 400, divisor: int = 1) -> None:
        super().__init__()
        stem, second = 64 // divisor, 192 // divisor
        self.conv3d_1a_7x7 = Unit({"rgb": 3, "flow": 2}[kind], stem, 7, 2)
        self.conv3d_2b_1x1 = Unit(stem, stem)
        self.conv3d_2c_3x3 = Unit(stem, second, 3)
        self.pool_2a = Pool((1, 3, 3), (1, 2, 2))
        self.pool_3a = Pool((1, 3, 3), (1, 2, 2))
        self.pool_4a = Pool((3, 3, 3), (2, 2, 2))
        self.pool_5a = Pool((2, 2, 2), (2, 2, 2))
        channels = second
        for name, published in zip(BLOCKS, MIXED, strict=True):
            widths = tuple(width // divisor for width in published)
            self.add_module(f"mixed_{name}", Mixed(channels, widths))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.conv3d_0c_1x1 = _Last(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3 or 2, T, 224, 224) -> (B, 1024); T must be `SHORTEST` or more."""
        return self._pooled(x).mean(dim=2)[..., 0, 0]

    def classify(self, x: Tensor) -> Tensor:
        """The same input -> logits of Kinetics' classes (B, 400)."""
        return self.conv3d_0c_1x1(self._pooled(x)).mean(dim=2)[..., 0, 0]

    def _pooled(self, x: Tensor) -> Tensor:
        """(B, 3 or 2, T, 224, 224) -> (B, C, t, 1, 1)."""
        x = self.conv3d_2c_3x3(self.conv3d_2b_1x1(self.pool_2a(self.conv3d_1a_7x7(x))))
        x = self.pool_3a(x)
        for name in BLOCKS:
            if name in ("4b", "5b"):
                x = getattr(self, f"pool_{name[0]}a")(x)
            x = getattr(self, f"mixed_{name}")(x)
        return F.avg_pool3d(x, (2, 7, 7), stride=1)
