"""Train the compact vocoder: a smaller MelGAN on composed scenes.

In: a pool. Out, in the run's folder: `vocoder.pt` (see `models.foley.trained`). First it learns alone, by
spectrograms of three resolutions (Yamamoto et al. 2020), which a hinge could only teach in days; then the
judges join as published. Knows no kind of sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models import checkpoints
from models.foley.compact.pool import Pool
from models.foley.config import MelGANConfig
from models.foley.melgan import Discriminator, Generator, generator_loss, judge_loss, matching_loss
from models.training import Learning, Processes, Progress
from otio_avassist.signals import FOLEY_HOP

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512))
"""Samples of a window, and from one to the next."""


@dataclass(frozen=True)
class Settings:
    """All that the run is made of."""

    seed: int = 0
    vocoder: Mapping[str, Any] = field(default_factory=lambda: {"channels": 24, "judge_channels": 8})
    segment: int = 8192
    batch: int = 16
    lr: float = 4e-4
    """Halved twice, at half of the steps and at three quarters."""
    judge_lr: float = 2e-4
    alone: int = 6000
    """Steps without judges."""
    steps: int = 14_000
    round: int = 500
    """Steps between two looks at scenes that are not learnt from."""
    precision: str = "bfloat16"
    save_minutes: float = 4.0


def spectral_loss(real: Tensor, made: Tensor) -> Tensor:
    """How far apart magnitudes are, relative to the real ones and in logarithms. Shape: (B, N) both."""
    total = real.new_zeros(())
    for size, hop in RESOLUTIONS:
        window = torch.hann_window(size)
        one, other = (
            torch.stft(each, size, hop, window=window, return_complex=True).abs().clamp_min(1e-4)
            for each in (real, made)
        )
        # Quiet segments would count most: floored.
        relative = (one - other).norm() / one.norm().clamp_min(1.0)
        total = total + relative + F.l1_loss(one.log(), other.log())
    return total / len(RESOLUTIONS)


def cut(pool: Pool, rng: np.random.Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
    """Pieces of scenes, each with its columns. Shape: (count, 80, length / hop), (count, 1, length)."""
    columns = length // FOLEY_HOP
    items = rng.integers(pool.checked, len(pool.kinds), count)
    firsts = rng.integers(0, pool.mels.shape[2] - columns, count)
    mels = np.stack([pool.mels[k, :, at : at + columns] for k, at in zip(items, firsts, strict=True)])
    sounds = np.stack(
        [pool.sounds[k, at * FOLEY_HOP :][:length] for k, at in zip(items, firsts, strict=True)]
    )
    return torch.from_numpy(mels.astype(np.float32)), torch.from_numpy(sounds.astype(np.float32))[:, None]


def train(settings: Settings, pool: Pool, folder: Path, *, until: int | None = None) -> Progress:
    """Train, or go on training."""
    torch.manual_seed(settings.seed)
    processes = Processes()
    config = MelGANConfig(**settings.vocoder)
    generator, judges = Generator(config), Discriminator(config)
    of_generator = Learning(
        torch.optim.AdamW(generator.parameters(), lr=settings.lr, betas=(0.8, 0.99)),
        processes,
        settings.precision,
    )
    of_judges = Learning(
        torch.optim.AdamW(judges.parameters(), lr=settings.judge_lr, betas=(0.5, 0.9)),
        processes,
        settings.precision,
    )
    progress = Progress(
        folder,
        processes,
        {
            "generator": generator,
            "judges": judges,
            "generator_learning": of_generator,
            "judges_learning": of_judges,
        },
        steps=settings.round,
        epochs=settings.steps // settings.round,
        patience=None,
        seed=settings.seed,
        save_minutes=settings.save_minutes,
    )

    def make(step: int) -> tuple[int, Tensor, Tensor]:
        rng = np.random.default_rng([settings.seed, step])
        return step, *cut(pool, rng, settings.batch, settings.segment)

    def learn(batch: tuple[int, Tensor, Tensor]) -> dict[str, float]:
        step, mels, sounds = batch
        share = step / settings.steps
        of_generator.optimizer.param_groups[0]["lr"] = settings.lr * 0.5 ** ((share > 0.5) + (share > 0.75))
        with of_generator.autocast():
            made = generator(mels)
        spectral = spectral_loss(sounds[:, 0], made[:, 0].float())
        if step < settings.alone:
            of_generator.step(spectral)
            return {"spectral": spectral.item()}
        with of_judges.autocast():
            real = judges(sounds)
            judged = judge_loss(real, judges(made.detach()))
        of_judges.step(judged)
        with of_judges.autocast():
            fake = judges(made)
            likeness = matching_loss(real, fake)
            fooled = generator_loss(fake)
        of_generator.step(10 * spectral + fooled + 10 * likeness)
        return {"spectral": spectral.item(), "judges": judged.item(), "matching": likeness.item()}

    @torch.no_grad()
    def look() -> dict[str, float]:
        losses = []
        for start in range(0, pool.checked, 8):
            mels = torch.from_numpy(pool.mels[start : start + 8, :, 100:356].astype(np.float32))
            sounds = torch.from_numpy(
                pool.sounds[start : start + 8, 100 * FOLEY_HOP : 356 * FOLEY_HOP].astype(np.float32)
            )
            with of_generator.autocast():
                made = generator(mels)
            losses.append(spectral_loss(sounds, made[:, 0].float()).item())
        return {"score": float(np.mean(losses))}

    def keep(_better: bool) -> None:
        checkpoints.save(folder / "vocoder.pt", {"vocoder": config.to_dict()}, generator.state_dict())

    progress.resume()
    progress.walk(make, learn, look, keep, until=until)
    return progress
