"""aiSFX: a block of a spectrogram -> a row of numbers that tells what a sound is like.

Ma et al., Representation Learning for the Automatic Indexing of Sound Effects Libraries, ISMIR 2022. In: what
`signals.aisfx_blocks` gives. Only its embedding is here: what its heads name, the released file doesn't say.
Weights are not part of this project: `python -m export fetch aisfx`.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)
PART = "embedding_net."
"""Of the released weights, the part that is built here."""


class Block(nn.Module):
    """Two convolutions, then the largest of each square."""

    def __init__(self, given: int, width: int, pool: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, T, F) -> (n, C', T // pool, F // pool)."""
        x = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.max_pool2d(x, self.pool) if self.pool > 1 else x


class AiSFX(nn.Sequential):
    """Names of weights are those of the released part."""

    def __init__(self) -> None:
        given = (1, *WIDTHS[:-1])
        pools = (2, 2, 2, 1)
        super().__init__(
            OrderedDict(
                (f"conv_block{number}", Block(*sizes))
                for number, sizes in enumerate(zip(given, WIDTHS, pools, strict=True), 1)
            )
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        """(n, 100, 96) -> (n, 512): the mean over frequencies, then the largest over time."""
        return super().forward(log_mel[:, None]).mean(3).amax(2)


def noise(count: int) -> Tensor:
    """Blocks that look like sound enough, always the same: (count, 100, 96)."""
    return torch.rand(count, 100, 96, generator=torch.Generator().manual_seed(count))
