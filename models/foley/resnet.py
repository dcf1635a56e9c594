"""ResNet-50 (He et al. 2016): a picture -> a row of numbers that describes it, which the sampler is shown.

In: pictures (n, 3, 224, 224), as `signals.imagenet_floats` makes them. Out: features (n, 2048), and logits of
ImageNet's classes where it was built with them. Names of layers are torchvision's; weights aren't part of
this project.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS, DEPTHS = (64, 128, 256, 512), (3, 4, 6, 3)
EXPANSION = 4


class Bottleneck(nn.Module):
    """Narrow, look around, widen; and a way round."""

    def __init__(self, given: int, inner: int, stride: int) -> None:
        super().__init__()
        channels = EXPANSION * inner
        self.conv1 = nn.Conv2d(given, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        # The stride is here and not in conv1, as in the paper: "v1.5".
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample = (
            None
            if stride == 1 and given == channels
            else nn.Sequential(nn.Conv2d(given, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, given, H, W) -> (n, 4 x inner, H / stride, W / stride)."""
        way_round = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + way_round)


class ResNet50(nn.Module):
    """The network; 23.5 million parameters without the classifier.

    Args:
        classes: None leaves the classifier out.
        divisor: published widths are divided by this.
    """

    def __init__(self, *, classes: int | None = None, divisor: int = 1) -> None:
        super().__init__()
        channels = WIDTHS[0] // divisor
        self.conv1 = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for number, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True), 1):
            inner = width // divisor
            blocks = [Bottleneck(channels, inner, 1 if number == 1 else 2)]
            channels = EXPANSION * inner
            blocks += [Bottleneck(channels, inner, 1) for _ in range(depth - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.channels = channels
        self.fc = nn.Linear(channels, classes) if classes else None

    def forward(self, pictures: Tensor) -> Tensor:
        """(n, 3, H, W) -> features (n, channels)."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(pictures))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(-2, -1))

    def classify(self, features: Tensor) -> Tensor:
        """Logits (n, classes) of features (n, channels)."""
        if self.fc is None:
            raise ValueError("this ResNet-50 was built without classes")
        return self.fc(features)
