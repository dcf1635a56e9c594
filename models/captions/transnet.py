"""TransNet V2: a hundred small pictures -> how likely each is the last of its shot.

Souček and Lokoč, TransNet V2: An effective deep network architecture for fast shot transition detection.
In: pictures (B, T, 27, 48, 3), bytes. Weights are not part of this project
(`python -m export fetch transnetv2`); their names here are those of the released PyTorch file.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEIGHT, WIDTH = 27, 48
DILATIONS = (1, 2, 4, 8)
FILTERS = 16
REACH = 50
"""Each frame is compared with so many to either side."""
SIMILARITY = 128
EPS = 1e-3


class SplitConv(nn.Module):
    """A convolution in space, then one in time whose taps are `dilation` frames apart; no bias."""

    def __init__(self, given: int, width: int, dilation: int) -> None:
        super().__init__()
        space = nn.Conv3d(given, 2 * width, (1, 3, 3), padding=(0, 1, 1), bias=False)
        time = nn.Conv3d(
            2 * width, width, (3, 1, 1), padding=(dilation, 0, 0), dilation=(dilation, 1, 1), bias=False
        )
        self.layers = nn.Sequential(space, time)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, T, H, W) -> (B, width, T, H, W)."""
        return self.layers(x)


class DilatedCell(nn.Module):
    """The same stretch looked at with four dilations side by side."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        for dilation in DILATIONS:
            self.add_module(f"Conv3D_{dilation}", SplitConv(given, width, dilation))
        self.bn = nn.BatchNorm3d(len(DILATIONS) * width, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, T, H, W) -> (B, 4 width, T, H, W)."""
        return self.bn(torch.cat([getattr(self, f"Conv3D_{dilation}")(x) for dilation in DILATIONS], 1))


class Stack(nn.Module):
    """Two cells with a residual around the second, then half the picture's size."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.DDCNN = nn.ModuleList([DilatedCell(given, width), DilatedCell(len(DILATIONS) * width, width)])

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, T, H, W) -> (B, 4 width, T, H // 2, W // 2)."""
        first, second = self.DDCNN
        x = F.relu(first(x))
        return F.avg_pool3d(x + F.relu(second(x)), (1, 2, 2))


class Similarity(nn.Module):
    """How alike each frame's description is to those of the frames around it."""

    def __init__(self, described_by: int | None = None) -> None:
        super().__init__()
        if described_by is not None:
            self.projection = nn.Linear(described_by, SIMILARITY)
        self.fc = nn.Linear(2 * REACH + 1, SIMILARITY)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, d) -> (B, T, SIMILARITY)."""
        if hasattr(self, "projection"):
            x = self.projection(x)
        x = F.normalize(x, dim=2)
        # Row t holds what frame t has in common with frames t - REACH to t + REACH: a band of the square.
        alike = F.pad(x @ x.transpose(1, 2), (REACH, REACH))
        frames = torch.arange(x.shape[1], device=x.device)
        around = frames[:, None] + torch.arange(2 * REACH + 1, device=x.device)
        band = alike.gather(2, around[None].expand(x.shape[0], -1, -1))
        return F.relu(self.fc(band))


class TransNetV2(nn.Module):
    """Of the released network's two heads only the one that marks a single frame a cut is asked."""

    def __init__(self) -> None:
        super().__init__()
        widths = [FILTERS, 2 * FILTERS, 4 * FILTERS]
        outs = [len(DILATIONS) * width for width in widths]
        self.SDDCNN = nn.ModuleList(map(Stack, [3, *outs[:-1]], widths))
        self.frame_sim_layer = Similarity(sum(outs))
        self.color_hist_layer = Similarity()
        places = (HEIGHT // 8) * (WIDTH // 8)
        self.fc1 = nn.Linear(2 * SIMILARITY + outs[-1] * places, 1024)
        self.cls_layer1 = nn.Linear(1024, 1)
        self.cls_layer2 = nn.Linear(1024, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Bytes (B, T, 27, 48, 3) -> probabilities (B, T)."""
        x = frames.permute(0, 4, 1, 2, 3).float() / 255  # (B, 3, T, H, W)
        means = []
        for stack in self.SDDCNN:
            x = stack(x)
            means.append(x.mean((3, 4)))
        places = x.permute(0, 2, 3, 4, 1).flatten(2)  # (B, T, H W C)
        alike = self.frame_sim_layer(torch.cat(means, 1).transpose(1, 2))
        colours = self.color_hist_layer(histograms(frames))
        x = F.relu(self.fc1(torch.cat([colours, alike, places], 2)))
        return torch.sigmoid(self.cls_layer1(x)).squeeze(2)


def histograms(frames: Tensor) -> Tensor:
    """How often each of 512 colours occurs. Bytes (B, T, H, W, 3) -> (B, T, 512)."""
    eighths = torch.div(frames.long(), 32, rounding_mode="floor").flatten(2, 3)  # (B, T, H W, 3)
    colour = eighths[..., 0] * 64 + eighths[..., 1] * 8 + eighths[..., 2]
    counts = torch.zeros(*colour.shape[:2], 512, device=frames.device)
    return counts.scatter_add(2, colour, torch.ones_like(colour, dtype=torch.float32))
