"""Melception (Iashin and Rahtu 2021): an Inception-v3 that names the sound of a spectrogram.

In: spectrograms (B, 1, mels, T) in [0, 1], each band by its mean and deviation in training. Out: logits, and
on the way features, by which generated sound is judged. Against Inception-v3 (Szegedy et al. 2016): one
channel in, and no max-pooling before the first mixed block. Names of layers are those of the released code,
which are torchvision's.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.foley.config import ClassifierConfig

TAPS = ("64", "192", "768", "2048", "logits_unbiased", "logits")
"""Places on the way, the first four named by their channels."""


class Conv(nn.Module):
    """A convolution, a norm and a rectifier."""

    def __init__(
        self, given: int, channels: int, kernel: int | tuple[int, int], *, stride: int = 1, same: bool = True
    ) -> None:
        """`same`: padded, so that only the stride makes the picture smaller."""
        super().__init__()
        high, wide = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        padding = (high // 2, wide // 2) if same else 0
        self.conv = nn.Conv2d(given, channels, (high, wide), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Mixed(nn.Module):
    """Branches side by side, each a chain of convolutions."""

    channels: int
    """That come out of all branches together."""

    def _chain(self, x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = getattr(self, name)(x)
        return x


class MixedA(_Mixed):
    """Of small neighbourhoods."""

    def __init__(self, given: int, pooled: int, divisor: int) -> None:
        super().__init__()
        c48, c64, c96, pooled = (width // divisor for width in (48, 64, 96, pooled))
        self.branch1x1 = Conv(given, c64, 1)
        self.branch5x5_1 = Conv(given, c48, 1)
        self.branch5x5_2 = Conv(c48, c64, 5)
        self.branch3x3dbl_1 = Conv(given, c64, 1)
        self.branch3x3dbl_2 = Conv(c64, c96, 3)
        self.branch3x3dbl_3 = Conv(c96, c96, 3)
        self.branch_pool = Conv(given, pooled, 1)
        self.channels = 2 * c64 + c96 + pooled

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [
                self.branch1x1(x),
                self._chain(x, "branch5x5_1", "branch5x5_2"),
                self._chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
                self.branch_pool(_blurred(x)),
            ],
            dim=1,
        )


class MixedB(_Mixed):
    """From small neighbourhoods to half the size."""

    def __init__(self, given: int, divisor: int) -> None:
        super().__init__()
        c64, c96, c384 = (width // divisor for width in (64, 96, 384))
        self.branch3x3 = Conv(given, c384, 3, stride=2, same=False)
        self.branch3x3dbl_1 = Conv(given, c64, 1)
        self.branch3x3dbl_2 = Conv(c64, c96, 3)
        self.branch3x3dbl_3 = Conv(c96, c96, 3, stride=2, same=False)
        self.channels = c384 + c96 + given

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [
                self.branch3x3(x),
                self._chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
                F.max_pool2d(x, 3, 2),
            ],
            dim=1,
        )


class MixedC(_Mixed):
    """Along frequency and along time, apart."""

    def __init__(self, given: int, inner: int, divisor: int) -> None:
        super().__init__()
        inner, c192 = inner // divisor, 192 // divisor
        self.branch1x1 = Conv(given, c192, 1)
        self.branch7x7_1 = Conv(given, inner, 1)
        self.branch7x7_2 = Conv(inner, inner, (1, 7))
        self.branch7x7_3 = Conv(inner, c192, (7, 1))
        self.branch7x7dbl_1 = Conv(given, inner, 1)
        self.branch7x7dbl_2 = Conv(inner, inner, (7, 1))
        self.branch7x7dbl_3 = Conv(inner, inner, (1, 7))
        self.branch7x7dbl_4 = Conv(inner, inner, (7, 1))
        self.branch7x7dbl_5 = Conv(inner, c192, (1, 7))
        self.branch_pool = Conv(given, c192, 1)
        self.channels = 4 * c192

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [
                self.branch1x1(x),
                self._chain(x, *(f"branch7x7_{number}" for number in range(1, 4))),
                self._chain(x, *(f"branch7x7dbl_{number}" for number in range(1, 6))),
                self.branch_pool(_blurred(x)),
            ],
            dim=1,
        )


class MixedD(_Mixed):
    """Along both, to half the size."""

    def __init__(self, given: int, divisor: int) -> None:
        super().__init__()
        c192, c320 = 192 // divisor, 320 // divisor
        self.branch3x3_1 = Conv(given, c192, 1)
        self.branch3x3_2 = Conv(c192, c320, 3, stride=2, same=False)
        self.branch7x7x3_1 = Conv(given, c192, 1)
        self.branch7x7x3_2 = Conv(c192, c192, (1, 7))
        self.branch7x7x3_3 = Conv(c192, c192, (7, 1))
        self.branch7x7x3_4 = Conv(c192, c192, 3, stride=2, same=False)
        self.channels = c320 + c192 + given

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [
                self._chain(x, "branch3x3_1", "branch3x3_2"),
                self._chain(x, *(f"branch7x7x3_{number}" for number in range(1, 5))),
                F.max_pool2d(x, 3, 2),
            ],
            dim=1,
        )


class MixedE(_Mixed):
    """Along both, apart at the end."""

    def __init__(self, given: int, divisor: int) -> None:
        super().__init__()
        c192, c320, c384, c448 = (width // divisor for width in (192, 320, 384, 448))
        self.branch1x1 = Conv(given, c320, 1)
        self.branch3x3_1 = Conv(given, c384, 1)
        self.branch3x3_2a = Conv(c384, c384, (1, 3))
        self.branch3x3_2b = Conv(c384, c384, (3, 1))
        self.branch3x3dbl_1 = Conv(given, c448, 1)
        self.branch3x3dbl_2 = Conv(c448, c384, 3)
        self.branch3x3dbl_3a = Conv(c384, c384, (1, 3))
        self.branch3x3dbl_3b = Conv(c384, c384, (3, 1))
        self.branch_pool = Conv(given, c192, 1)
        self.channels = c320 + 4 * c384 + c192

    def forward(self, x: Tensor) -> Tensor:
        once = self.branch3x3_1(x)
        twice = self._chain(x, "branch3x3dbl_1", "branch3x3dbl_2")
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch3x3_2a(once),
                self.branch3x3_2b(once),
                self.branch3x3dbl_3a(twice),
                self.branch3x3dbl_3b(twice),
                self.branch_pool(_blurred(x)),
            ],
            dim=1,
        )


class _Auxiliary(nn.Module):
    """A second head half way, of which the released code has the weights and which it never asks."""

    def __init__(self, given: int, config: ClassifierConfig) -> None:
        super().__init__()
        self.conv0 = Conv(given, 128 // config.divisor, 1)
        self.conv1 = Conv(128 // config.divisor, 768 // config.divisor, 5, same=False)
        self.fc = nn.Linear(768 // config.divisor, config.classes)
        self.requires_grad_(False)


class Melception(nn.Module):
    """The network; 25,213,450 parameters."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        divisor = config.divisor
        c32, c64, c80, c192 = (width // divisor for width in (32, 64, 80, 192))
        self.Conv2d_1a_3x3 = Conv(1, c32, 3, stride=2, same=False)
        self.Conv2d_2a_3x3 = Conv(c32, c32, 3, same=False)
        self.Conv2d_2b_3x3 = Conv(c32, c64, 3)
        self.Conv2d_3b_1x1 = Conv(c64, c80, 1)
        self.Conv2d_4a_3x3 = Conv(c80, c192, 3, same=False)
        self.Mixed_5b = MixedA(c192, 32, divisor)
        self.Mixed_5c = MixedA(self.Mixed_5b.channels, 64, divisor)
        self.Mixed_5d = MixedA(self.Mixed_5c.channels, 64, divisor)
        self.Mixed_6a = MixedB(self.Mixed_5d.channels, divisor)
        self.Mixed_6b = MixedC(self.Mixed_6a.channels, 128, divisor)
        self.Mixed_6c = MixedC(self.Mixed_6b.channels, 160, divisor)
        self.Mixed_6d = MixedC(self.Mixed_6c.channels, 160, divisor)
        self.Mixed_6e = MixedC(self.Mixed_6d.channels, 192, divisor)
        self.AuxLogits = _Auxiliary(self.Mixed_6e.channels, config)
        self.Mixed_7a = MixedD(self.Mixed_6e.channels, divisor)
        self.Mixed_7b = MixedE(self.Mixed_7a.channels, divisor)
        self.Mixed_7c = MixedE(self.Mixed_7b.channels, divisor)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(self.Mixed_7c.channels, config.classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, mels, T) -> logits (B, classes)."""
        return self.taps(x)["logits"]

    def taps(self, x: Tensor) -> Mapping[str, Tensor]:
        """What is found at each of `TAPS`, averaged over frequency and time: (B, channels)."""
        found = {}
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        found["64"] = x.mean(dim=(-2, -1))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        found["192"] = x.mean(dim=(-2, -1))
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        found["768"] = x.mean(dim=(-2, -1))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        found["2048"] = self.dropout(x.mean(dim=(-2, -1)))
        found["logits_unbiased"] = F.linear(found["2048"], self.fc.weight)
        found["logits"] = found["logits_unbiased"] + self.fc.bias
        return found


def _blurred(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1)
