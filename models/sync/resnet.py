"""ResNet-18 (He et al. 2016): a spectrogram, one channel -> features over frequency and time.

In: floats (B, 1, F, T). Out: features (B, C, f, t). Doesn't know what is seen; with three channels it may be
pictures, which only the probe for leaks asks for.
The names of layers are those of the released weights.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

Stride = tuple[int, int]
"""Of frequency and of time."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a way round them."""

    def __init__(self, channels_in: int, channels: int, stride: Stride) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = (
            None
            if stride == (1, 1) and channels_in == channels
            else nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, f, t) -> (B, C, f/stride, t/stride), rounded up."""
        way_round = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + way_round)


class ResNet18(nn.Module):
    """The backbone; with `classes` also the classifier it was trained by.

    Args:
        widths: channels of the four layers.
        depths: residual blocks in each.
        time_strides: of the stem, the pool and layers 2 to 4; frequency is always halved there.
        classes: None leaves the classifier out.
        channels_in: 1 for spectrograms, 3 for pictures.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, int, int, int] = (64, 128, 256, 512),
        depths: tuple[int, int, int, int] = (2, 2, 2, 2),
        time_strides: tuple[int, int, int, int, int] = (2, 2, 2, 2, 2),
        classes: int | None = None,
        channels_in: int = 1,
    ) -> None:
        super().__init__()
        stem, pool, *later = time_strides
        self.conv1 = nn.Conv2d(channels_in, widths[0], 7, (2, stem), 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.maxpool = nn.MaxPool2d(3, (2, pool), 1)
        self.layer1 = _layer(widths[0], widths[0], (1, 1), depths[0])
        self.layer2 = _layer(widths[0], widths[1], (2, later[0]), depths[1])
        self.layer3 = _layer(widths[1], widths[2], (2, later[1]), depths[2])
        self.layer4 = _layer(widths[2], widths[3], (2, later[2]), depths[3])
        self.channels = widths[3]
        self.fc = nn.Linear(widths[3], classes) if classes else None
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, channels, f, t) of spectrograms (B, channels_in, F, T)."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, classes) of features (B, channels, f, t)."""
        if self.fc is None:
            raise ValueError("this ResNet-18 was built without classes")
        return self.fc(features.mean(dim=(-2, -1)))


def _layer(channels_in: int, channels: int, stride: Stride, depth: int) -> nn.Sequential:
    further = (BasicBlock(channels, channels, (1, 1)) for _ in range(depth - 1))
    return nn.Sequential(BasicBlock(channels_in, channels, stride), *further)
