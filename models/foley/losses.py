"""What the codebook makes small in training, and its judge.

In: spectrograms (B, 1, F, T) in [-1, 1], before and after the codebook. Out: losses and their
parts. The names of the two networks in here are those of the released code, where they stand behind `loss.`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.foley.lpaps import LPAPS
from models.foley.patchgan import PatchGAN


@dataclass(frozen=True)
class Weights:
    """How much each part counts; the defaults are those of VGGSound's codebook."""

    pixels: float = 1.0
    perceptual: float = 1.0
    """Published; the author advises 0 since (see `lpaps`)."""
    codebook: float = 1.0
    judge: float = 0.8
    judge_from: int = 30_001
    """The first step at which the judge counts and learns. VAS: 2,001."""
    balance: tuple[float, float] = (1.0, 1.0)
    """Bounds of what brings the judge's gradient to the size of the others'; twice the same: that, always."""


@dataclass(frozen=True)
class GeneratorLosses:
    """Of the codebook. `total` is to be made small; the others are for the log."""

    total: Tensor
    codebook: Tensor
    reconstruction: Tensor
    """Pixels and LPAPS together, as they count."""
    perceptual: Tensor
    judge: Tensor
    """Without its weight."""
    judge_weight: Tensor
    judge_counts: float
    """0 before `judge_from`, then 1."""


@dataclass(frozen=True)
class JudgeLosses:
    """Of the judge."""

    total: Tensor
    real: Tensor
    """Mean score."""
    fake: Tensor


class CodebookLoss(nn.Module):
    """The losses, with the networks that they need."""

    def __init__(self, discriminator: PatchGAN, perceptual: LPAPS | None, weights: Weights) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.perceptual_loss = perceptual
        self.weights = weights

    def generator(
        self, x: Tensor, made: Tensor, codebook: Tensor, step: int, last_weight: nn.Parameter
    ) -> GeneratorLosses:
        """For the codebook.

        Args:
            x, made: before and after.
            codebook: its own loss.
            step: from 0.
            last_weight: of the decoder's last layer, at which gradients are balanced.
        """
        pixels = self.weights.pixels * (x - made).abs().mean()
        perceptual = x.new_zeros(())
        if self.perceptual_loss is not None and self.weights.perceptual:
            perceptual = self.perceptual_loss(x, made).mean()
        reconstruction = pixels + self.weights.perceptual * perceptual
        # A judge of weight 0 isn't asked; one that doesn't count yet is, as published, for the log.
        judged = weight = x.new_zeros(())
        if self.weights.judge:
            judged = -self.discriminator(made).mean()
            weight = self.weights.judge * self._balance(reconstruction, judged, last_weight)
        counts = self._counts(step)
        total = reconstruction + counts * weight * judged + self.weights.codebook * codebook
        return GeneratorLosses(
            total,
            codebook.detach(),
            reconstruction.detach(),
            perceptual.detach(),
            judged.detach(),
            weight,
            counts,
        )

    def judge(self, x: Tensor, made: Tensor, step: int) -> JudgeLosses:
        """For the judge: a hinge on both sides."""
        real, fake = self.discriminator(x.detach()), self.discriminator(made.detach())
        hinges = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        return JudgeLosses(self._counts(step) * hinges / 2, real.detach().mean(), fake.detach().mean())

    def _counts(self, step: int) -> float:
        return float(step >= self.weights.judge_from)

    def _balance(self, reconstruction: Tensor, judged: Tensor, last_weight: nn.Parameter) -> Tensor:
        least, most = self.weights.balance
        if least == most:
            return reconstruction.new_tensor(least)
        sizes = [
            torch.autograd.grad(loss, last_weight, retain_graph=True)[0].norm()
            for loss in (reconstruction, judged)
        ]
        return (sizes[0] / (sizes[1] + 1e-4)).clamp(least, most).detach()
