"""The codebook (Iashin and Rahtu 2021, after VQGAN): a mel spectrogram <-> a grid of codes.

In: spectrograms (B, 1, mels, T) in [-1, 1], sides multiples of `frames_per_column`. Out: codes, each the
number of an entry of the codebook, and spectrograms again, which nothing keeps inside [-1, 1]. Names of
layers are those of the released code. Doesn't know in which order codes are said.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.foley.config import CodebookConfig
from models.foley.layers import Downsample, Level, Middle, Upsample, norm


class Encoder(nn.Module):
    """(B, 1, F, T) -> (B, width, F / 16, T / 16)."""

    def __init__(self, config: CodebookConfig) -> None:
        super().__init__()
        parts = {"groups": config.groups, "dropout": config.dropout}
        self.conv_in = nn.Conv2d(1, config.channels, 3, padding=1)
        self.down = nn.ModuleList()
        given, columns = config.channels, config.resolution
        for number, multiplier in enumerate(config.multipliers):
            channels = multiplier * config.channels
            level = Level(given, channels, config.blocks, attention=columns in config.attention_at, **parts)
            if number + 1 < len(config.multipliers):
                level.downsample = Downsample(channels)
                columns //= 2
            self.down.append(level)
            given = channels
        self.mid = Middle(given, **parts)
        self.norm_out = norm(given, config.groups)
        self.conv_out = nn.Conv2d(given, config.width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """(B, width, F / 16, T / 16) -> (B, 1, F, T)."""

    def __init__(self, config: CodebookConfig) -> None:
        super().__init__()
        parts = {"groups": config.groups, "dropout": config.dropout}
        given = config.multipliers[-1] * config.channels
        self.conv_in = nn.Conv2d(config.width, given, 3, padding=1)
        self.mid = Middle(given, **parts)
        levels = []
        columns = config.resolution // config.frames_per_column
        for number, multiplier in reversed(list(enumerate(config.multipliers))):
            channels = multiplier * config.channels
            attention = columns in config.attention_at
            level = Level(given, channels, config.blocks + 1, attention=attention, **parts)
            if number:
                level.upsample = Upsample(channels)
                columns *= 2
            levels.append(level)
            given = channels
        # Released names count levels from the outermost one, which comes last.
        self.up = nn.ModuleList(reversed(levels))
        self.norm_out = norm(given, config.groups)
        self.conv_out = nn.Conv2d(given, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(x))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Quantiser(nn.Module):
    """The codebook proper: the nearest entry instead of what the encoder said."""

    def __init__(self, codes: int, width: int, commitment: float) -> None:
        super().__init__()
        self.commitment = commitment
        self.embedding = nn.Embedding(codes, width)
        nn.init.uniform_(self.embedding.weight, -1 / codes, 1 / codes)

    def distances(self, z: Tensor) -> Tensor:
        """Squared, from every place to every entry. Shape: (B, width, H, W) -> (B, H W, codes)."""
        places, entries = z.flatten(2).transpose(1, 2), self.embedding.weight
        return places.square().sum(-1, keepdim=True) + entries.square().sum(-1) - 2 * places @ entries.T

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, width, H, W) -> the entries there, a loss, and codes (B, H W), row by row.

        The gradient of the entries goes straight through to `z`; the entries themselves learn by the loss.
        """
        codes = self.distances(z).argmin(-1)
        entries = self.entries(codes.unflatten(-1, z.shape[2:]))
        # The thesis puts 0.25 on the encoder's term; the released code has it on the codebook's.
        loss = (entries.detach() - z).square().mean() + self.commitment * (
            entries - z.detach()
        ).square().mean()
        return z + (entries - z).detach(), loss, codes

    def entries(self, codes: Tensor) -> Tensor:
        """(B, H, W) -> (B, width, H, W)."""
        return self.embedding(codes).permute(0, 3, 1, 2)


class Codebook(nn.Module):
    """Encoder, quantiser and decoder."""

    def __init__(self, config: CodebookConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantize = Quantiser(config.codes, config.width, config.commitment)
        self.quant_conv = nn.Conv2d(config.width, config.width, 1)
        self.post_quant_conv = nn.Conv2d(config.width, config.width, 1)

    def before_codes(self, x: Tensor) -> Tensor:
        """What the encoder says of a spectrogram. Shape: (B, 1, F, T) -> (B, width, rows, columns)."""
        return self.quant_conv(self.encoder(x))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 1, F, T) -> entries (B, width, rows, columns), a loss, codes (B, rows x columns) by rows."""
        return self.quantize(self.before_codes(x))

    def decode(self, entries: Tensor) -> Tensor:
        """(B, width, rows, columns) -> (B, 1, F, T)."""
        return self.decoder(self.post_quant_conv(entries))

    def decode_codes(self, codes: Tensor) -> Tensor:
        """(B, rows, columns) -> (B, 1, F, T)."""
        return self.decode(self.quantize.entries(codes))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A spectrogram (B, 1, F, T) after it went through codes, and the codebook's loss."""
        entries, loss, _ = self.encode(x)
        return self.decode(entries), loss


def perplexity(codes: Tensor, count: int) -> Tensor:
    """How many of `count` codes are in use, by the entropy of their shares."""
    shares = torch.bincount(codes.flatten(), minlength=count) / codes.numel()
    return torch.exp(-(shares * torch.log(shares + 1e-10)).sum())
