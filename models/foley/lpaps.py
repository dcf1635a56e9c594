"""LPAPS (Iashin and Rahtu 2021, after LPIPS): how different two spectrograms look to VGGish-ish.

In: two spectrograms (B, 1, mels, T) in [-1, 1]. Out: a distance each. Names of layers are those of the
released code. Nothing here is trained: weights of the layers that count channels were never released, and
the published codebooks were trained beside a network of random weights, since theirs had not been loaded.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from models.foley.vggishish import SLICES, VGGishish, slices

EPS = 1e-10


class _Scaling(nn.Module):
    """Each band by its mean and deviation in training."""

    def __init__(self, mels: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(1, 1, mels, 1))
        self.register_buffer("scale", torch.ones(1, 1, mels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


class _Slices(nn.Module):
    """VGGish-ish's convolutions; what each slice makes of a spectrogram."""

    def __init__(self, divisor: int) -> None:
        super().__init__()
        for number, layers in enumerate(slices(divisor), 1):
            self.add_module(f"slice{number}", layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for layers in self.children():
            x = layers(x)
            found.append(x)
        return found


class _Count(nn.Module):
    """How much each channel counts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class LPAPS(nn.Module):
    """The distance.

    Args:
        mels: bands.
        divisor: published widths are divided by this.
    """

    def __init__(self, *, mels: int = 80, divisor: int = 1) -> None:
        super().__init__()
        self.scaling_layer = _Scaling(mels)
        self.net = _Slices(divisor)
        for number, widths in enumerate(SLICES):
            self.add_module(f"lin{number}", _Count(widths[-1] // divisor))
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Never in training: dropout is left from LPIPS's own. The released code falls into it."""
        return super().train(False)

    @classmethod
    def of(cls, network: VGGishish, statistics: Tensor) -> Self:
        """Through the eyes of a trained classifier, to whom all channels count alike.

        Args:
            network: the classifier; its weights are copied.
            statistics: mean and deviation (mels, 2) of the bands of its [0, 1] spectrograms.
        """
        own = cls(mels=len(statistics), divisor=network.config.divisor)
        weights = network.features.state_dict()
        for layers in own.net.children():
            layers.load_state_dict({name: weights[name] for name in layers.state_dict()})
        own.standardise(statistics)
        for number in range(len(SLICES)):
            nn.init.ones_(getattr(own, f"lin{number}").model[1].weight)
        return own

    def standardise(self, statistics: Tensor) -> None:
        """Take mean and deviation (mels, 2) of bands of [0, 1] spectrograms; here they come in [-1, 1]."""
        mean, deviation = statistics.T.float().reshape(2, 1, 1, -1, 1)
        self.scaling_layer.load_state_dict({"shift": 2 * mean - 1, "scale": 2 * deviation})

    def features(self, x: Tensor) -> list[Tensor]:
        """What each slice makes of (B, 1, mels, T), (B, C, mels / 2^k, T / 2^k)."""
        return self.net(self.scaling_layer(x))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Two times (B, 1, mels, T) -> (B, 1, 1, 1)."""
        distance = one.new_zeros(())
        for number, pair in enumerate(zip(self.features(one), self.features(other), strict=True)):
            difference = (_unit(pair[0]) - _unit(pair[1])).square()
            counted = getattr(self, f"lin{number}")(difference)
            distance = distance + counted.mean(dim=(2, 3), keepdim=True)
        return distance


def _unit(x: Tensor) -> Tensor:
    """Each place's channels, at length 1."""
    return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + EPS)
