"""EfficientNet-lite0: one picture -> what it may show, and a row of numbers that describes it.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019; the lite variant
has no squeeze-and-excitation and clips at 6 instead of swishing. In: pictures (n, 3, 224, 224), RGB,
(x - 127) / 128. Weights are not part of this project: `python -m export fetch efficientnet-lite0`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 224
EPS = 1e-3
"""Of every batch normalisation: TensorFlow's own, with which the weights were trained."""


@dataclass(frozen=True)
class Stage:
    """Blocks of one width, of which the first may halve the picture."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


STEM, HEAD, CLASSES = 32, 1280, 1000
STAGES = (
    Stage(blocks=1, kernel=3, stride=1, expansion=1, width=16),
    Stage(blocks=2, kernel=3, stride=2, expansion=6, width=24),
    Stage(blocks=2, kernel=5, stride=2, expansion=6, width=40),
    Stage(blocks=3, kernel=3, stride=2, expansion=6, width=80),
    Stage(blocks=3, kernel=5, stride=1, expansion=6, width=112),
    Stage(blocks=4, kernel=5, stride=2, expansion=6, width=192),
    Stage(blocks=1, kernel=3, stride=1, expansion=6, width=320),
)


class SameConv(nn.Conv2d):
    """A convolution that gives ceil(size / stride), with the odd row of padding below and to the right."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, H, W) -> (n, C', ceil(H / stride), ceil(W / stride))."""
        (down, across), (step, _) = self.kernel_size, self.stride
        high = max((-(-x.shape[2] // step) - 1) * step + down - x.shape[2], 0)
        wide = max((-(-x.shape[3] // step) - 1) * step + across - x.shape[3], 0)
        x = F.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return super().forward(x)


class Block(nn.Module):
    """Widen each pixel, look around in each channel alone, narrow again; add what came in, where it fits."""

    def __init__(self, given: int, width: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = given * expansion
        self.keeps = stride == 1 and given == width
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv(given, inner, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(inner, eps=EPS)
        self._depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = nn.BatchNorm2d(inner, eps=EPS)
        self._project_conv = SameConv(inner, width, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(width, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(n, given, H, W) -> (n, width, H', W')."""
        inner = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        inner = F.relu6(self._bn1(self._depthwise_conv(inner)))
        inner = self._bn2(self._project_conv(inner))
        return x + inner if self.keeps else inner


class EfficientNetLite0(nn.Module):
    """The names of its weights are those of the released PyTorch file."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(STEM, eps=EPS)
        blocks, given = [], STEM
        for stage in STAGES:
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(Block(given, stage.width, stage.kernel, stride, stage.expansion))
                given = stage.width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(given, HEAD, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(HEAD, eps=EPS)
        self._fc = nn.Linear(HEAD, CLASSES)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, 224, 224) -> logits (n, 1000) and the picture's description (n, 1280)."""
        x = F.relu6(self._bn0(self._conv_stem(frames)))
        for block in self._blocks:
            x = block(x)
        embedding = F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))
        return self._fc(embedding), embedding


def noise(count: int) -> Tensor:
    """Pictures of smooth noise, always the same, to compare two makings of the network on."""
    draw = torch.Generator().manual_seed(count)
    coarse = torch.randn(count, 3, 14, 14, generator=draw)
    return F.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear").clamp(-1, 1)
