"""Weights of the published extractors -> graphs that go into a bundle beside its captioner.

In: files of weights, as they are passed around. Out: what `export.graphs` writes, by the names under which
`otio_avassist.features` looks for graphs. Optical flow is nobody's here: its features come from files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from export.graphs import Extra
from export.unpickling import read_weights
from models import checkpoints
from models.captions.i3d import I3D
from models.captions.vggish import VGGish
from otio_avassist.features import EXTRACTORS, GRAPHS

I3D_FPS = EXTRACTORS["i3d"].fps


def extractors(
    streams: Mapping[str, Mapping[str, Any]], *, i3d: Path | None, vggish: Path | None
) -> dict[str, Extra]:
    """The graphs of those streams whose extractor's weights are given.

    Raises:
        CheckpointError: a file isn't what it is given for; each weight that doesn't fit is named.
    """
    found = {}
    for stream in streams.values():
        if stream["extractor"] == "vggish" and vggish is not None:
            found["vggish"] = _vggish(vggish)
        if stream["extractor"] == "i3d" and i3d is not None:
            found[GRAPHS["i3d"]] = _i3d(i3d, round(I3D_FPS * stream["length_s"]))
    return found


def _vggish(path: Path) -> Extra:
    def noise(count: int) -> Tensor:
        return torch.randn(count, 1, 96, 64, generator=torch.Generator().manual_seed(count)) - 3

    return _extra(VGGish(), path, "log_mel", noise, (1, 3))


def _i3d(path: Path, stack: int) -> Extra:
    def noise(count: int) -> Tensor:
        draw = torch.Generator().manual_seed(count)
        return torch.rand(count, 3, stack, 224, 224, generator=draw) * 2 - 1

    return _extra(I3D("rgb"), path, "frames", noise, (1,))  # a stack is 100 GFLOP


def _extra(
    network: nn.Module, path: Path, name: str, noise: Callable[[int], Tensor], others: tuple[int, ...]
) -> Extra:
    checkpoints.fill(network, read_weights(path), source=str(path))
    cases = tuple({name: noise(count)} for count in others)
    return Extra(network, {name: noise(2)}, ("embedding",), {name: {0: "batch"}}, cases)
