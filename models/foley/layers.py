"""The parts of which the codebook's encoder and decoder are made.

In: pictures (B, C, H, W). Out: pictures. Names of layers are those of the released code. Knows no
spectrogram and no code.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def norm(channels: int, groups: int) -> nn.GroupNorm:
    """As everywhere in these networks."""
    return nn.GroupNorm(groups, channels, eps=1e-6)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each behind a norm and a swish, and a way round them."""

    def __init__(self, given: int, channels: int, *, groups: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = norm(given, groups)
        self.conv1 = nn.Conv2d(given, channels, 3, padding=1)
        self.norm2 = norm(channels, groups)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(given, channels, 1) if given != channels else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, H, W) -> (B, channels, H, W)."""
        way_round = x if self.nin_shortcut is None else self.nin_shortcut(x)
        x = self.conv1(F.silu(self.norm1(x)))
        return way_round + self.conv2(self.dropout(F.silu(self.norm2(x))))


class AttentionBlock(nn.Module):
    """Every place looks at every other, with one head, and adds what it gathered."""

    def __init__(self, channels: int, *, groups: int) -> None:
        super().__init__()
        self.norm = norm(channels, groups)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        own = self.norm(x)
        # (B, 1, H W, C) <- (B, C, H, W)
        q, k, v = (part(own).flatten(2).transpose(1, 2)[:, None] for part in (self.q, self.k, self.v))
        gathered = F.scaled_dot_product_attention(q, k, v)[:, 0]
        return x + self.proj_out(gathered.transpose(1, 2).reshape(x.shape))


class Downsample(nn.Module):
    """Half as high and half as wide, by a convolution that is padded only below and to the right."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H // 2, W // 2)."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice as high and twice as wide: each place four times over, and a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2 H, 2 W)."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Residual blocks at one size, each with attention behind it or none; then, maybe, another size."""

    def __init__(
        self, given: int, channels: int, blocks: int, *, attention: bool, groups: int, dropout: float
    ) -> None:
        super().__init__()
        widths = [given] + [channels] * (blocks - 1)
        self.block = nn.ModuleList(
            ResidualBlock(width, channels, groups=groups, dropout=dropout) for width in widths
        )
        count = blocks if attention else 0
        self.attn = nn.ModuleList(AttentionBlock(channels, groups=groups) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, H, W) -> (B, channels, H, W), halved or doubled where there is a next level."""
        for number, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[number](x)
        for name in ("downsample", "upsample"):
            if hasattr(self, name):
                x = getattr(self, name)(x)
        return x


class Middle(nn.Module):
    """Where the picture is smallest: a block, attention, a block."""

    def __init__(self, channels: int, *, groups: int, dropout: float) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(channels, channels, groups=groups, dropout=dropout)
        self.attn_1 = AttentionBlock(channels, groups=groups)
        self.block_2 = ResidualBlock(channels, channels, groups=groups, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        return self.block_2(self.attn_1(self.block_1(x)))
