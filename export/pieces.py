"""S3D for a graph that needs little memory: its first layers, whose features are large, a piece at a time.

In: pictures (B, 3, T, H, W). Out: S3D's own features, by its own weights. All in one, the first convolution
alone leaves 400 MB of five seconds; in pieces no more than an eighth of it is there at once. Convolutions in
time are done as flat ones over (time, places), which onnxruntime is quicker at in 32 bits, and slower in 8.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.sync.s3d import S3D, Mixed, SepConv
from models.sync.sparsesync import SparseSync

PIECES = 8
"""Seen at 5 s of published size: fewer keep more, and more compute what lies between them twice too often."""
FIRST = (slice(0, 2), slice(2, 5))
"""Layers that are worked off together, piece after piece; one of them in each looks at several times."""


class InPieces(nn.Module):
    """A trained S3D in eval mode, another way round."""

    def __init__(self, whole: S3D, pieces: int = PIECES, *, flat: bool = True) -> None:
        super().__init__()
        self.base, self.channels, self.pieces, self.flat = whole.base, whole.channels, pieces, flat

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, channels, t, h, w) of pictures (B, 3, T, H, W), as S3D's."""
        layers = list(self.base)
        for part in FIRST:
            x = self._piece_by_piece(layers[part], x)
        return self._through(layers[FIRST[-1].stop :], x)

    def _through(self, layers: Sequence[nn.Module] | nn.Sequential, x: Tensor) -> Tensor:
        for layer in layers:
            if isinstance(layer, SepConv):
                x = self._in_time(layer, _in_space(layer, x), _both_sides(layer))
            elif isinstance(layer, Mixed):
                branches = (layer.branch0, layer.branch1, layer.branch2, layer.branch3)
                x = torch.cat([self._through(branch, x) for branch in branches], dim=1)
            else:
                x = layer(x)
        return x

    def _piece_by_piece(self, layers: Sequence[nn.Module], x: Tensor) -> Tensor:
        """What `layers` make of `x`, each piece of time from as much of it as it looks at."""
        at = next(number for number, layer in enumerate(layers) if isinstance(layer, SepConv))
        looks = layers[at]
        assert isinstance(looks, SepConv)
        kernel, stride, padding = looks.conv_t.kernel_size[0], looks.conv_t.stride[0], _both_sides(looks)[0]
        there = x.shape[2]
        steps = (there + 2 * padding - kernel) // stride + 1
        length = -(-steps // self.pieces)
        made = []
        for first in range(0, steps, length):
            last = min(steps, first + length) - 1
            begins, ends = stride * first - padding, stride * last - padding + kernel
            y = self._through(layers[:at], x[:, :, max(0, begins) : min(there, ends)])
            # Beyond the ends there are zeros where the convolution in time looks, not where the other does.
            y = self._in_time(looks, _in_space(looks, y), (max(0, -begins), max(0, ends - there)))
            made.append(self._through(layers[at + 1 :], y))
        return torch.cat(made, dim=2)

    def _in_time(self, layer: SepConv, x: Tensor, zeros: tuple[int, int]) -> Tensor:
        """(B, C, t, h, w) <- (B, C, T, h, w), with so many steps of zeros before and after it."""
        weight, stride, height = layer.conv_t.weight, layer.conv_t.stride[0], x.shape[3]
        before, after = zeros
        if before != after:
            x = functional.pad(x, (0, 0, 0, 0, before, after))
            before = 0
        if not self.flat:
            x = functional.conv3d(x, weight, None, (stride, 1, 1), (before, 0, 0))
            return functional.relu(layer.bn_t(x))
        # (B, C, T, h·w): places stay where they are, so that a kernel of (k, 1) does.
        x = functional.conv2d(x.flatten(3), weight.squeeze(-1), None, (stride, 1), (before, 0))
        norm = layer.bn_t
        x = functional.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )
        return functional.relu(x).unflatten(3, (height, -1))


def in_pieces(network: SparseSync, *, flat: bool = True) -> SparseSync:
    """The same network, its weights shared, whose S3D goes in pieces; `flat`: in time, too."""
    other = copy.copy(network)
    eye = InPieces(network.vfeat_extractor, flat=flat)
    other._modules = {**network._modules, "vfeat_extractor": eye}
    return other


def _both_sides(layer: SepConv) -> tuple[int, int]:
    """Steps of zeros before and after what its convolution in time looks at."""
    padding = layer.conv_t.padding[0]
    assert isinstance(padding, int)
    return padding, padding


def _in_space(layer: SepConv, x: Tensor) -> Tensor:
    return functional.relu(layer.bn_s(layer.conv_s(x)))
