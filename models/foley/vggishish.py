"""VGGish-ish (Iashin and Rahtu 2021): a VGG-16 that names the sound of a spectrogram.

In: spectrograms (B, 1, mels, T) in [0, 1], each band by its mean and deviation in training. Out: logits.
Names of layers are those of the released code.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.foley.config import ClassifierConfig

SLICES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Widths of convolutions. Between two slices the picture is halved, but not after the last."""
POOLED = (5, 10)
HIDDEN = 4096


def slices(divisor: int = 1) -> list[nn.Sequential]:
    """The convolutions, slice by slice, their layers numbered throughout as in the released weights."""
    found, given, number = [], 1, 0
    for widths in SLICES:
        layers = nn.Sequential()
        if found:
            layers.add_module(str(number), nn.MaxPool2d(2, 2))
            number += 1
        for width in widths:
            layers.add_module(str(number), nn.Conv2d(given, width // divisor, 3, padding=1))
            layers.add_module(str(number + 1), nn.ReLU())
            given = width // divisor
            number += 2
        found.append(layers)
    return found


class VGGishish(nn.Module):
    """The network; 137,622,517 parameters, most of them in its first linear layer."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.features = nn.Sequential(*(layer for each in slices(config.divisor) for layer in each))
        self.avgpool = nn.AdaptiveAvgPool2d(POOLED)
        channels, hidden = SLICES[-1][-1] // config.divisor, HIDDEN // config.divisor
        self.classifier = nn.Sequential(
            nn.Linear(channels * POOLED[0] * POOLED[1], hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, config.classes),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, mels, T) -> logits (B, classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
