"""The compact codebook: squares of a spectrogram <-> codes, by networks that work on squares alone.

In and out as `models.foley.codebook.Codebook`, whose quantiser it has. That network looks at everything
before it says a code: by attention and by norms over the whole picture. Of a few recordings that come again
and again, each had other codes every time, which no small sampler can learn. Here a code depends on its own
square and those beside it, so that the same sound is the same codes wherever it stands; and channels are
many where places are few, which is what a CPU is quick at.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import checkpoints
from models.foley import trained
from models.foley.codebook import Quantiser
from models.foley.config import PatchesConfig


class Block(nn.Module):
    """(B, channels, H, W) -> the same, with what a square and, where `kernel` is 3, those beside it add."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.inner = nn.Conv2d(channels, 2 * channels, kernel, padding=kernel // 2)
        self.outer = nn.Conv2d(2 * channels, channels, 1)
        nn.init.zeros_(self.outer.weight)

    def forward(self, x: Tensor) -> Tensor:
        # Over the channels of a place: what stands elsewhere has no say.
        normed = self.norm(x.movedim(1, -1)).movedim(-1, 1)
        return x + self.outer(F.gelu(self.inner(normed)))


class Smooth(nn.Module):
    """(B, 1, F, T) -> the same without seams between squares."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.inner = nn.Conv2d(1, channels, 5, padding=2)
        self.outer = nn.Conv2d(channels, 1, 5, padding=2)
        nn.init.zeros_(self.outer.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.outer(F.gelu(self.inner(x)))


class Decoder(nn.Module):
    """(B, width, rows, columns) -> (B, 1, F, T)."""

    def __init__(self, config: PatchesConfig) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(config.width, config.channels, 1)
        # The same square is another sound in the bass than in the treble.
        self.bands = nn.Parameter(torch.zeros(config.channels, config.mels // config.side, 1))
        self.blocks = nn.Sequential(*(Block(config.channels, 3) for _ in range(config.blocks)))
        self.conv_out = nn.Conv2d(config.channels, config.side**2, 1)
        self.unfold = nn.PixelShuffle(config.side)
        self.smooth = Smooth()

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.conv_in(x) + self.bands)
        return self.smooth(self.unfold(self.conv_out(x)))


class Patches(nn.Module):
    """Encoder, quantiser and decoder."""

    def __init__(self, config: PatchesConfig) -> None:
        super().__init__()
        self.config = config
        channels, side = config.channels, config.side
        self.encoder = nn.Sequential(
            nn.Conv2d(1, channels, side, stride=side),
            Block(channels, 1),
            *(Block(channels, 3) for _ in range(config.near)),
            nn.Conv2d(channels, config.width, 1),
        )
        self.quantize = Quantiser(config.codes, config.width, commitment=0.25)
        self.decoder = Decoder(config)

    @property
    def last(self) -> Tensor:
        """The weight through which all of the decoder's gradients go: a judge is weighed by it."""
        return self.decoder.smooth.outer.weight

    def before_codes(self, x: Tensor) -> Tensor:
        """What the encoder says of a spectrogram. Shape: (B, 1, F, T) -> (B, width, rows, columns).

        All answers are as long: entries of one codebook are then all within reach (Yu et al. 2022).
        """
        said = self.encoder(x).movedim(1, -1)
        return F.layer_norm(said, said.shape[-1:]).movedim(-1, 1)

    def decode(self, entries: Tensor) -> Tensor:
        """(B, width, rows, columns) -> (B, 1, F, T)."""
        return self.decoder(entries)

    def decode_codes(self, codes: Tensor) -> Tensor:
        """(B, rows, columns) -> (B, 1, F, T)."""
        return self.decode(self.quantize.entries(codes))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A spectrogram (B, 1, F, T) after it went through codes, and the codebook's loss."""
        entries, loss, _ = self.quantize(self.before_codes(x))
        return self.decode(entries), loss


def save(path: Path, network: Patches) -> None:
    """A checkpoint; config: `patches` (`PatchesConfig`)."""
    checkpoints.save(path, {"patches": network.config.to_dict()}, network.state_dict())


def read(path: Path) -> Patches:
    """Of a checkpoint; not in training.

    Raises:
        CheckpointError: not such a checkpoint.
    """
    held = checkpoints.load(path)
    with trained.reading(path, "a compact codebook"):
        network = Patches(PatchesConfig.from_dict(held.config["patches"]))
    return trained.filled(network, held.state_dict, str(path))
