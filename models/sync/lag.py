"""The lag head: what the eye and the ear make of each moment, compared at every offset of the grid.

In: bridged features of both modalities. Out: logits over the classes. Not part of the published network: a
shift in time moves its scores by construction, so it learns from scratch what the sync transformer learns
only from backbones that were trained already. It knows neither positions nor selectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LagHead(nn.Module):
    """Features of both modalities -> how well they agree at each offset.

    Args:
        width: channels of the features.
        lag_dim: channels that are compared.
        offsets_s: the grid in seconds, evenly spaced; positive: the sound is early.
        window_s: the length of the window that the features cover.
        steps_s: seconds between two compared moments; the grid's spacing must be a multiple.
    """

    def __init__(
        self,
        width: int,
        lag_dim: int,
        offsets_s: Sequence[float],
        *,
        window_s: float = 5.0,
        steps_s: float = 0.1,
    ) -> None:
        super().__init__()
        self.lags = [round(offset_s / steps_s) for offset_s in offsets_s]
        if any(
            abs(lag * steps_s - offset_s) > 1e-6 for lag, offset_s in zip(self.lags, offsets_s, strict=True)
        ):
            raise ValueError(f"the offsets {tuple(offsets_s)} s are no multiples of {steps_s} s")
        self.moments = round(window_s / steps_s)
        self.visual = nn.Sequential(
            nn.Conv1d(2 * width, lag_dim, 3, padding=1), nn.GELU(), nn.Conv1d(lag_dim, lag_dim, 1)
        )
        self.audio = nn.Sequential(
            nn.Conv1d(2 * width, lag_dim, 3, padding=1), nn.GELU(), nn.Conv1d(lag_dim, lag_dim, 1)
        )
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(len(self.lags)))

    def forward(self, v: Tensor, a: Tensor) -> Tensor:
        """Logits (B, K) <- (B, d, t, h, w), (B, d, f, t')."""
        seen = self._moments(self.visual, v.flatten(3))
        heard = self._moments(self.audio, a.transpose(2, 3))
        scores = [self._agreement(seen, heard, lag) for lag in self.lags]
        return torch.stack(scores, dim=1) * self.log_scale.exp() + self.bias

    def _moments(self, embed: nn.Module, features: Tensor) -> Tensor:
        """(B, lag_dim, moments) <- (B, d, t, places): what each moment holds beyond the window's mean."""
        pooled = torch.cat([features.mean(3), features.amax(3)], dim=1)
        embedded = F.interpolate(embed(pooled), size=self.moments, mode="linear", align_corners=False)
        embedded = embedded - embedded.mean(2, keepdim=True)
        return embedded * torch.rsqrt(embedded.square().mean((1, 2), keepdim=True) + 1e-6)

    def _agreement(self, seen: Tensor, heard: Tensor, lag: int) -> Tensor:
        """(B,): where the sound is early by `lag` moments, what is seen at t was heard at t - lag."""
        count = self.moments - abs(lag)
        overlap = seen[:, :, max(0, lag) :][:, :, :count] * heard[:, :, max(0, -lag) :][:, :, :count]
        # Over the root of their number, so that chance agreement is as large at long lags as at short ones.
        return overlap.sum((1, 2)) / (count * seen.shape[1]) ** 0.5
