"""S3D (Xie et al. 2018): pictures -> features over time, height and width.

In: floats (B, 3, T, H, W). Out: features (B, C, t, h, w). Doesn't know what is heard.
The names of layers are those of the released weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.sync.config import MIXED_BEFORE_POOLS

# Channels of each inception block: branch 0; branch 1 narrow, wide; branch 2 narrow, wide; branch 3.
MIXED = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)


def _norm(channels: int, momentum: float) -> nn.BatchNorm3d:
    return nn.BatchNorm3d(channels, eps=1e-3, momentum=momentum)


class BasicConv(nn.Module):
    """A 1x1x1 convolution, normalised and rectified."""

    def __init__(self, channels_in: int, channels: int, momentum: float) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels_in, channels, 1, bias=False)
        self.bn = _norm(channels, momentum)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, t, h, w) -> (B, C, t, h, w)."""
        return F.relu(self.bn(self.conv(x)))


class SepConv(nn.Module):
    """A convolution over space, then one over time."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        momentum: float,
        *,
        kernel: int = 3,
        stride: int = 1,
        time_stride: int = 1,
    ) -> None:
        super().__init__()
        k, p = kernel, kernel // 2
        self.conv_s = nn.Conv3d(channels_in, channels, (1, k, k), (1, stride, stride), (0, p, p), bias=False)
        self.bn_s = _norm(channels, momentum)
        self.conv_t = nn.Conv3d(channels, channels, (k, 1, 1), (time_stride, 1, 1), (p, 0, 0), bias=False)
        self.bn_t = _norm(channels, momentum)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, t, h, w) -> (B, C, t/time_stride, h/stride, w/stride), rounded up."""
        x = F.relu(self.bn_s(self.conv_s(x)))
        return F.relu(self.bn_t(self.conv_t(x)))


class Mixed(nn.Module):
    """An inception block: four branches side by side."""

    def __init__(self, channels_in: int, channels: tuple[int, ...], momentum: float) -> None:
        super().__init__()
        first, narrow_1, wide_1, narrow_2, wide_2, last = channels
        self.branch0 = nn.Sequential(BasicConv(channels_in, first, momentum))
        self.branch1 = nn.Sequential(
            BasicConv(channels_in, narrow_1, momentum), SepConv(narrow_1, wide_1, momentum)
        )
        self.branch2 = nn.Sequential(
            BasicConv(channels_in, narrow_2, momentum), SepConv(narrow_2, wide_2, momentum)
        )
        self.branch3 = nn.Sequential(
            nn.MaxPool3d(3, stride=1, padding=1), BasicConv(channels_in, last, momentum)
        )
        self.channels = first + wide_1 + wide_2 + last

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, t, h, w) -> (B, channels, t, h, w)."""
        return torch.cat([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)], dim=1)


class S3D(nn.Module):
    """The backbone; with `classes` also the classifier it was trained by.

    Args:
        divisor: the published channel counts are divided by this.
        time_strides: of the stem and of the two pools of time.
        mixed: inception blocks kept, from the first.
        norm_momentum: of the batch norms.
        classes: None leaves the classifier out.
    """

    def __init__(
        self,
        *,
        divisor: int = 1,
        time_strides: tuple[int, int, int] = (2, 2, 2),
        mixed: int = len(MIXED),
        norm_momentum: float = 0.001,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        stem_stride, pool_stride, last_stride = time_strides
        stem, wide = max(1, 64 // divisor), max(1, 192 // divisor)
        layers: list[nn.Module] = [
            SepConv(3, stem, norm_momentum, kernel=7, stride=2, time_stride=stem_stride),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            BasicConv(stem, stem, norm_momentum),
            SepConv(stem, wide, norm_momentum),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        ]
        channels = wide
        pools = dict(
            zip(
                MIXED_BEFORE_POOLS,
                (
                    nn.MaxPool3d(3, (pool_stride, 2, 2), 1),
                    nn.MaxPool3d((last_stride, 2, 2), (last_stride, 2, 2)),
                ),
                strict=True,
            )
        )
        for index, published in enumerate(MIXED[:mixed]):
            if index in pools:
                layers.append(pools[index])
            block = Mixed(channels, tuple(max(1, c // divisor) for c in published), norm_momentum)
            layers.append(block)
            channels = block.channels
        self.base = nn.Sequential(*layers)
        self.channels = channels
        self.fc = nn.Sequential(nn.Conv3d(channels, classes, 1)) if classes else None

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, channels, t, h, w) of pictures (B, 3, T, H, W)."""
        return self.base(x)

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, classes) of features (B, channels, t, h, w), the mean over pairs of time steps."""
        if self.fc is None:
            raise ValueError("this S3D was built without classes")
        h, w = features.shape[-2:]
        pooled = F.avg_pool3d(features, (2, h, w), stride=1)
        return self.fc(pooled).flatten(2).mean(dim=2)
