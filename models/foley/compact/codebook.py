"""Train the compact codebook on spectrograms of composed scenes.

In: a pool. Out, in the run's folder: `codebook.pt` (see `models.foley.trained`). It begins as an autoencoder
without codes; then the entries are put where its answers are (k-means), and those that nobody uses are
moved again and again, since a small set leaves most of a codebook unused otherwise. The judge joins last.
Knows no kind of sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import checkpoints
from models.foley.codebook import Codebook, perplexity
from models.foley.compact.pool import Pool
from models.foley.compact.scenes import COLUMNS
from models.foley.config import CodebookConfig
from models.foley.losses import CodebookLoss, Weights
from models.foley.patchgan import PatchGAN
from models.foley.train_codebook import through
from models.training import Learning, Processes, Progress


@dataclass(frozen=True)
class Settings:
    """All that the run is made of."""

    seed: int = 0
    codebook: Mapping[str, Any] = field(
        default_factory=lambda: {
            "codes": 512, "width": 64, "channels": 16, "multipliers": (1, 2, 4, 6, 8), "blocks": 1,
            "attention_at": (), "groups": 8,
        }
    )  # fmt: skip
    columns: int = 320
    """Of a piece of a scene."""
    batch: int = 4
    lr: float = 8e-4
    """Of all but the judge; falls to a tenth along a cosine."""
    without_codes: int = 400
    judge: float = 0.3
    judge_from: int = 1700
    steps: int = 2600
    round: int = 200
    revive: int = 50
    """Steps between two looks at which entries aren't used."""
    precision: str = "bfloat16"
    save_minutes: float = 4.0


def cut(pool: Pool, rng: np.random.Generator, count: int, columns: int) -> Tensor:
    """Pieces of scenes, a little louder or softer. Shape: (count, 1, 80, columns) in [-1, 1]."""
    items = rng.integers(pool.checked, len(pool.kinds), count)
    firsts = rng.integers(0, COLUMNS - columns + 1, count)
    mels = np.stack([pool.mels[k, :, at : at + columns] for k, at in zip(items, firsts, strict=True)])
    louder = rng.uniform(-0.06, 0.06, (count, 1, 1))  # 100 dB are 1
    return torch.from_numpy(2 * np.clip(mels + louder * (mels > 0), 0, 1).astype(np.float32) - 1)[:, None]


def centres(points: Tensor, count: int, seed: int, rounds: int = 12) -> Tensor:
    """k-means. Shape: (n, d) -> (count, d)."""
    generator = torch.Generator().manual_seed(seed)
    found = points[torch.randperm(len(points), generator=generator)[:count]].clone()
    for _ in range(rounds):
        nearest = torch.cdist(points, found).argmin(1)
        counts = torch.bincount(nearest, minlength=count)
        sums = torch.zeros_like(found).index_add_(0, nearest, points)
        alone = counts == 0
        found = torch.where(alone[:, None], found, sums / counts.clamp_min(1)[:, None])
        found[alone] = points[torch.randint(len(points), (int(alone.sum()),), generator=generator)]
    return found


def train(settings: Settings, pool: Pool, folder: Path, *, until: int | None = None) -> Progress:
    """Train, or go on training."""
    torch.manual_seed(settings.seed)
    processes = Processes()
    config = CodebookConfig(**{"resolution": COLUMNS, **settings.codebook})
    codebook = Codebook(config)
    losses = CodebookLoss(
        PatchGAN(channels=24),
        None,
        Weights(perceptual=0, judge=settings.judge, judge_from=settings.judge_from, balance=(0.0, 1.0)),
    )
    of_codebook = Learning(
        torch.optim.AdamW(codebook.parameters(), lr=settings.lr, betas=(0.8, 0.99), weight_decay=0),
        processes,
        settings.precision,
    )
    of_judge = Learning(
        torch.optim.Adam(losses.discriminator.parameters(), lr=3e-4, betas=(0.5, 0.9)),
        processes,
        settings.precision,
    )
    used = torch.nn.ParameterDict(
        {"used": torch.nn.Parameter(torch.zeros(config.codes), requires_grad=False)}
    )
    progress = Progress(
        folder,
        processes,
        {
            "codebook": codebook,
            "losses": losses,
            "codebook_learning": of_codebook,
            "judge_learning": of_judge,
            "used": used,
        },
        steps=settings.round,
        epochs=settings.steps // settings.round,
        patience=None,
        seed=settings.seed,
        save_minutes=settings.save_minutes,
    )

    def make(step: int) -> tuple[int, Tensor]:
        rng = np.random.default_rng([settings.seed, step])
        return step, cut(pool, rng, settings.batch, settings.columns)

    @torch.no_grad()
    def begin_with_codes() -> None:
        rng = np.random.default_rng([settings.seed, 0, 1])
        with of_codebook.autocast():
            said = [codebook.before_codes(cut(pool, rng, 16, settings.columns)).float() for _ in range(12)]
        points = torch.cat(said).permute(0, 2, 3, 1).flatten(0, 2)
        codebook.quantize.embedding.weight.copy_(centres(points, config.codes, settings.seed))

    @torch.no_grad()
    def revive(said: Tensor) -> None:
        """Entries that hardly any place has asked for since move to where places are."""
        idle = used["used"] < 1
        points = said.permute(0, 2, 3, 1).flatten(0, 2)
        chosen = torch.randint(len(points), (int(idle.sum()),))
        codebook.quantize.embedding.weight[idle] = points[chosen]
        used["used"].zero_()

    def learn(batch: tuple[int, Tensor]) -> dict[str, float]:
        step, x = batch
        share = step / settings.steps
        of_codebook.optimizer.param_groups[0]["lr"] = settings.lr * (
            0.1 + 0.9 * 0.5 * (1 + float(np.cos(np.pi * share)))
        )
        codebook.train()
        if step < settings.without_codes:
            with of_codebook.autocast():
                said = codebook.before_codes(x)
                made = codebook.decode(said)
            # Held near 0, so that entries have a scale to live on.
            loss = _apart(x, made.float()) + 1e-3 * said.float().square().mean()
            of_codebook.step(loss)
            return {"loss": loss.item()}
        if step == settings.without_codes:
            begin_with_codes()
        made, entries_loss, codes = through(codebook, x, of_codebook.autocast)
        used["used"] += torch.bincount(codes.flatten(), minlength=config.codes)
        figures = {"entries": entries_loss.item(), "in use": perplexity(codes, config.codes).item()}
        if step < settings.judge_from:
            loss = _apart(x, made) + entries_loss
            of_codebook.step(loss)
            figures["loss"] = loss.item()
        else:
            losses.train()
            found = losses.generator(x, made, entries_loss, step, codebook.decoder.conv_out.weight)
            of_codebook.step(found.total)
            judged = losses.judge(x, made.detach(), step)
            of_judge.step(judged.total)
            figures |= {"loss": found.total.item(), "judge": judged.total.item()}
        if step % settings.revive == 0 and step < 0.7 * settings.steps:
            with torch.no_grad(), of_codebook.autocast():
                said = codebook.before_codes(x)
            revive(said.float())
        return figures

    @torch.no_grad()
    def look() -> dict[str, float]:
        codebook.eval()
        apart = []
        for start in range(0, pool.checked, 16):
            x = torch.from_numpy(2 * pool.mels[start : start + 16, :, 80:400].astype(np.float32) - 1)[:, None]
            if progress.step <= settings.without_codes:
                with of_codebook.autocast():
                    made = codebook.decode(codebook.before_codes(x)).float()
            else:
                made, _, _ = through(codebook, x, of_codebook.autocast)
            apart.append((x - made).abs().mean().item())
        # Of the last codebook, not of the one before it had codes.
        return {"score": float(np.mean(apart))}

    def keep(_better: bool) -> None:
        checkpoints.save(folder / "codebook.pt", {"codebook": config.to_dict()}, codebook.state_dict())

    progress.resume()
    progress.walk(make, learn, look, keep, until=until)
    return progress


def _apart(x: Tensor, made: Tensor) -> Tensor:
    """L1, and L1 of what changes from column to column: onsets are worth as much as what lasts."""
    return (x - made).abs().mean() + 0.5 * (x.diff(dim=-1) - made.diff(dim=-1)).abs().mean()
