"""Train the compact sampler: a kind of sound and what a picture shows -> codes of the compact codebook.

In: a pool and a trained codebook. Out, in the run's folder: `sampler.pt` (see `read`), the best by the loss
on scenes that are not learnt from. Each step sees half of a scene, from anywhere: a sound may begin at any
place in its run, and scenes are worth more so.
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
from models.foley import train_sampler, trained
from models.foley.compact import pictures
from models.foley.compact.gate import squeezed
from models.foley.compact.kinds import KINDS, NAMES
from models.foley.compact.patches import Patches
from models.foley.compact.pool import Pool
from models.foley.config import SamplerConfig
from models.foley.sampler import Sampler, to_columns
from models.training import Learning, Processes, Progress

SEEN = 53
"""Columns of codes that it sees at once: half a scene, 4.9 s."""


@dataclass(frozen=True)
class Settings:
    """All that the run is made of."""

    seed: int = 0
    sampler: Mapping[str, Any] = field(default_factory=lambda: {"layers": 4, "heads": 4, "width": 256})
    wrong: float = 0.08
    """Share of codes that are shown as others: what was drawn a little wrong must not throw it off."""
    batch: int = 12
    lr: float = 1.5e-3
    """After 100 steps of warming up; falls to a twentieth along a cosine."""
    steps: int = 3600
    round: int = 100
    weight_decay: float = 0.05
    precision: str = "bfloat16"
    save_minutes: float = 4.0


@torch.no_grad()
def coded(pool: Pool, codebook: Patches, kept: Path) -> np.ndarray:
    """Codes of all scenes of a kind, from `kept` if they are there. Shape: int16 (n, columns, rows)."""
    if not kept.exists():
        found = []
        for mel in pool.mels[pool.kinds >= 0]:
            x = squeezed(torch.from_numpy(mel.astype(np.float32)))[None, None]
            with torch.autocast("cpu", torch.bfloat16):
                said = codebook.before_codes(x)
            _, _, codes = codebook.quantize(said.float())
            rows, columns = said.shape[2:]
            found.append(to_columns(codes, rows, columns).unflatten(1, (columns, rows)).numpy())
        part = kept.with_suffix(".part.npy")
        np.save(part, np.concatenate(found).astype(np.int16))
        part.replace(kept)
    return np.load(kept)


def configure(settings: Settings, codebook: Patches) -> SamplerConfig:
    """With a token for the kind behind the rows of pictures."""
    rows = 80 // codebook.config.frames_per_column
    return SamplerConfig(
        codes=codebook.config.codes, feature_width=pictures.WIDTH, features=pictures.ROWS, classes=len(KINDS),
        rows=rows, columns=SEEN, positions=rows * SEEN + pictures.ROWS + 1, **settings.sampler,
    )  # fmt: skip


def train(
    settings: Settings, pool: Pool, codebook: Patches, folder: Path, *, until: int | None = None
) -> Progress:
    """Train, or go on training."""
    torch.manual_seed(settings.seed)
    folder.mkdir(parents=True, exist_ok=True)
    processes = Processes()
    codes = coded(pool, codebook, folder / "codes.npy")
    numbers = np.arange(len(pool.kinds))
    learnt = numbers[(numbers >= pool.checked) & (pool.kinds >= 0)]
    config = configure(settings, codebook)
    network = Sampler(config)
    as_published = train_sampler.Settings(
        base_lr=settings.lr / settings.batch, batch=settings.batch, weight_decay=settings.weight_decay
    )
    learning = Learning(train_sampler.optimizer(network, as_published), processes, settings.precision)
    progress = Progress(
        folder,
        processes,
        {"network": network, "learning": learning},
        steps=settings.round,
        epochs=settings.steps // settings.round,
        patience=None,
        seed=settings.seed,
        save_minutes=settings.save_minutes,
    )

    def told(rng: np.random.Generator, items: np.ndarray) -> dict[str, Tensor]:
        kinds = pool.kinds[items]
        rows = np.stack([pictures.drawn(rng, KINDS[kind]) for kind in kinds])
        return {
            "features": torch.from_numpy(rows).transpose(1, 2).contiguous(),
            "classes": torch.from_numpy(kinds)[:, None],
        }

    def make(step: int) -> tuple[int, Tensor, dict[str, Tensor]]:
        rng = np.random.default_rng([settings.seed, step])
        items = rng.choice(learnt, settings.batch, replace=False)
        firsts = rng.integers(codes.shape[1] - SEEN + 1, size=settings.batch)
        said = np.stack([codes[k, at : at + SEEN].ravel() for k, at in zip(items, firsts, strict=True)])
        return step, torch.from_numpy(said.astype(np.int64)), told(rng, items)

    def learn(batch: tuple[int, Tensor, dict[str, Tensor]]) -> dict[str, float]:
        step, said, condition = batch
        share = step / settings.steps
        for group in learning.optimizer.param_groups:
            group["lr"] = settings.lr * min(
                1.0, (step + 1) / 100, 0.05 + 0.475 * (1 + float(np.cos(np.pi * share)))
            )
        network.train()
        shown = torch.where(torch.rand(said.shape) < settings.wrong, said.roll(1, 0), said)
        with learning.autocast():
            scores = network(shown[:, :-1], **condition)[:, -said.shape[1] :]
        loss = F.cross_entropy(scores.float().flatten(0, 1), said.flatten())
        learning.step(loss)
        return {"loss": loss.item()}

    @torch.no_grad()
    def look() -> dict[str, float]:
        network.eval()
        losses = []
        for start in range(0, pool.checked, 16):
            items = numbers[start : min(start + 16, pool.checked)]
            said = torch.from_numpy(codes[items, :SEEN].reshape(len(items), -1).astype(np.int64))
            with learning.autocast():
                losses.append(network.loss(said, **told(np.random.default_rng(start), items)).item())
        return {"score": float(np.mean(losses))}

    def keep(better: bool) -> None:
        if better:
            held = {
                "sampler": config.to_dict(),
                "classes": list(NAMES),
                "features": {
                    "extractor": "efficientnet-lite0", "output": "logits", "step_s": pictures.STEP_S,
                    "count": pictures.ROWS, "width": pictures.WIDTH,
                },
            }  # fmt: skip
            checkpoints.save(folder / "sampler.pt", held, network.state_dict())

    progress.resume()
    progress.walk(make, learn, look, keep, until=until)
    return progress


def read(path: Path) -> Sampler:
    """Of a checkpoint; not in training.

    Raises:
        CheckpointError: not such a checkpoint.
    """
    held = checkpoints.load(path)
    with trained.reading(path, "a compact sampler"):
        network = Sampler(SamplerConfig.from_dict(held.config["sampler"]))
    return trained.filled(network, held.state_dict, str(path))
