"""MelGAN (Kumar et al. 2019): a mel spectrogram -> sound; and what judges it in training.

In: spectrograms (B, mels, T) in [0, 1], as `signals.foley_log_mel` makes them. Out: sound (B, 1, 256 T) in
[-1, 1]. Names of layers and weights are those of the released code: every convolution holds its weight as a
direction `weight_v` and a length `weight_g`, until `fold` makes one weight of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.foley.config import MelGANConfig

SLOPE = 0.2
PARAMETRIZED = {"original0": "weight_g", "original1": "weight_v"}


class _Normed:
    """A convolution's weight as direction and length (Salimans and Kingma 2016), a length a row."""

    def split(self) -> None:
        """Begin with PyTorch's own first weight."""
        weight = self._parameters.pop("weight")
        self.weight_g = nn.Parameter(_lengths(weight.detach()))
        self.weight_v = nn.Parameter(weight.detach())

    def joined(self) -> Tensor:
        """The weight."""
        return self.weight_v * (self.weight_g / _lengths(self.weight_v))


class Conv(_Normed, nn.Conv1d):
    """(B, C, T) -> (B, C', T')."""

    def __init__(self, *shape: int, **how: int) -> None:
        super().__init__(*shape, **how)
        self.split()

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.joined(), self.bias)

    def plain(self) -> nn.Conv1d:
        """The same without the split."""
        kind = self.in_channels, self.out_channels, self.kernel_size, self.stride, self.padding
        return _with_weight(nn.Conv1d(*kind, dilation=self.dilation, groups=self.groups), self)


class ConvTransposed(_Normed, nn.ConvTranspose1d):
    """(B, C, T) -> (B, C', stride x T)."""

    def __init__(self, given: int, channels: int, ratio: int) -> None:
        odd = ratio % 2
        super().__init__(given, channels, 2 * ratio, ratio, ratio // 2 + odd, output_padding=odd)
        self.split()

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose1d(x, self.joined(), self.bias, self.stride, self.padding, self.output_padding)

    def plain(self) -> nn.ConvTranspose1d:
        """The same without the split."""
        kind = self.in_channels, self.out_channels, self.kernel_size, self.stride, self.padding
        return _with_weight(nn.ConvTranspose1d(*kind, output_padding=self.output_padding), self)


class ResidualBlock(nn.Module):
    """A dilated convolution, one that looks at one sample, and a way round them that looks at one, too."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(SLOPE),
            nn.ReflectionPad1d(dilation),
            Conv(channels, channels, 3, dilation=dilation),
            nn.LeakyReLU(SLOPE),
            Conv(channels, channels, 1),
        )
        self.shortcut = Conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> the same."""
        return self.shortcut(x) + self.block(x)


class Generator(nn.Module):
    """The vocoder."""

    def __init__(self, config: MelGANConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels * 2 ** len(config.ratios)
        layers: list[nn.Module] = [nn.ReflectionPad1d(3), Conv(config.mels, channels, 7)]
        for ratio in config.ratios:
            layers += [nn.LeakyReLU(SLOPE), ConvTransposed(channels, channels // 2, ratio)]
            channels //= 2
            layers += [ResidualBlock(channels, 3**number) for number in range(config.residual)]
        layers += [nn.LeakyReLU(SLOPE), nn.ReflectionPad1d(3), Conv(channels, 1, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, mel: Tensor) -> Tensor:
        """(B, mels, T) -> (B, 1, T x all ratios). T must be 4 at least."""
        return self.model(mel)


class Judge(nn.Module):
    """One scale of the discriminator."""

    def __init__(self, config: MelGANConfig) -> None:
        super().__init__()
        width, ratio = config.judge_channels, config.judge_ratio
        layers = [nn.Sequential(nn.ReflectionPad1d(7), Conv(1, width, 15), nn.LeakyReLU(SLOPE, inplace=True))]

        def further(given: int, channels: int, kernel: int, **how: int) -> nn.Sequential:
            layer = Conv(given, channels, kernel, padding=kernel // 2, **how)
            return nn.Sequential(layer, nn.LeakyReLU(SLOPE, inplace=True))

        for _ in range(config.judge_layers):
            given, width = width, min(width * ratio, config.widest)
            layers.append(further(given, width, 10 * ratio + 1, stride=ratio, groups=given // 4))
        # The released class doubles on, but takes the width before; it only fits where both are the widest.
        given, width = width, min(2 * width, config.widest)
        layers += [further(given, width, 5), Conv(width, 1, 3, padding=1)]
        self.model = nn.ModuleDict({f"layer_{number}": layer for number, layer in enumerate(layers)})

    def forward(self, samples: Tensor) -> list[Tensor]:
        """What each layer makes of (B, 1, N); the last, (B, 1, n), are scores, higher for real sound."""
        found = []
        for layer in self.model.values():
            samples = layer(samples)
            found.append(samples)
        return found


class Discriminator(nn.Module):
    """The same sound judged at its rate, at half of it, at a quarter."""

    def __init__(self, config: MelGANConfig) -> None:
        super().__init__()
        self.model = nn.ModuleDict({f"disc_{number}": Judge(config) for number in range(config.scales)})
        self.downsample = nn.AvgPool1d(4, stride=2, padding=1, count_include_pad=False)

    def forward(self, samples: Tensor) -> list[list[Tensor]]:
        """(B, 1, N) -> for each scale, what each layer made of it."""
        found = []
        for judge in self.model.values():
            found.append(judge(samples))
            samples = self.downsample(samples)
        return found


def fold(network: nn.Module) -> nn.Module:
    """Make one weight of every direction and length, in place; for when training is over."""
    for name, layer in list(network.named_children()):
        if isinstance(layer, Conv | ConvTransposed):
            setattr(network, name, layer.plain())
        else:
            fold(layer)
    return network


def from_released(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights under our names, whichever way a file has them.

    As `weight_g` and `weight_v`; as PyTorch 2 calls the same, `parametrizations.weight.original0` and `1`; or
    as one `weight`, of which length and direction are made again.

    Raises:
        ValueError: a weight is there in two ways.
    """
    held: dict[str, Tensor] = {}

    def put(name: str, value: Tensor) -> None:
        if name in held:
            raise ValueError(f"{name} is there in two ways")
        held[name] = value

    for name, value in weights.items():
        layer, _, last = name.rpartition(".")
        if last in PARAMETRIZED:
            put(f"{layer.removesuffix('parametrizations.weight')}{PARAMETRIZED[last]}", value)
        elif last == "weight" and value.dim() > 1:
            lengths = _lengths(value)
            put(f"{name}_g", lengths)
            # What has no length has any direction but none.
            put(f"{name}_v", torch.where(lengths == 0, torch.ones_like(value), value))
        else:
            put(name, value)
    return held


def judge_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """What the discriminator makes small: a hinge on both sides."""
    return _over_scales(
        lambda one, other: F.relu(1 - one[-1]).mean() + F.relu(1 + other[-1]).mean(), real, fake
    )


def generator_loss(fake: list[list[Tensor]]) -> Tensor:
    """What the vocoder makes small, besides `matching_loss`."""
    return -torch.stack([scale[-1].mean() for scale in fake]).sum()


def matching_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """How far apart real and made sound are in the eyes of every layer but the last.

    As published it counts ten times; a layer counts by 4 / (layers + 1), a scale by its share.
    """
    total = _over_scales(
        lambda one, other: torch.stack(
            [F.l1_loss(b, a.detach()) for a, b in zip(one[:-1], other[:-1], strict=True)]
        ).sum(),
        real,
        fake,
    )
    # The authors' 4 / (n_layers + 1), n_layers being the strided ones, of which there are three fewer.
    return total * 4 / (len(real[0]) - 2) / len(real)


def _over_scales(
    of: Callable[[list[Tensor], list[Tensor]], Tensor], real: list[list[Tensor]], fake: list[list[Tensor]]
) -> Tensor:
    return torch.stack([of(one, other) for one, other in zip(real, fake, strict=True)]).sum()


def _lengths(weight: Tensor) -> Tensor:
    return weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.dim() - 1))


def _with_weight(layer: nn.Conv1d | nn.ConvTranspose1d, split: Conv | ConvTransposed) -> nn.Module:
    layer.load_state_dict({"weight": split.joined().detach(), "bias": split.bias.detach()})
    return layer
