"""PatchGAN (Isola et al. 2017): is this patch of a spectrogram real, or did it come out of the codebook?

In: spectrograms (B, 1, F, T) in [-1, 1]. Out: a score for each patch, higher for real ones. Names of layers
are those of the released code.
"""

from __future__ import annotations

from torch import Tensor, nn


class PatchGAN(nn.Module):
    """The judge in the codebook's training; 2,763,585 parameters.

    Args:
        channels: of the first layer.
        layers: after the first, each twice as wide, up to eight times; all but the last halve the picture.
    """

    def __init__(self, *, channels: int = 64, layers: int = 3) -> None:
        super().__init__()
        main: list[nn.Module] = [nn.Conv2d(1, channels, 4, 2, 1), nn.LeakyReLU(0.2)]
        given = channels
        for number in range(1, layers + 1):
            width = channels * min(2**number, 8)
            stride = 2 if number < layers else 1
            main += [
                nn.Conv2d(given, width, 4, stride, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.2),
            ]
            given = width
        self.main = nn.Sequential(*main, nn.Conv2d(given, 1, 4, 1, 1))
        for layer in self.main:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.02)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight, mean=1.0, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, F, T) -> (B, 1, about F / 8, about T / 8)."""
        return self.main(x)
