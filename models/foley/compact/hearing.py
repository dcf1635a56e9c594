"""Train what names the kind of a sound: a small VGGish-ish, which ranks takes, and a small Melception.

In: a pool. Out, in the run's folder: `classifier.pt` (see `models.foley.trained`). The recipe is
`models.foley.train_classifier`'s; only the scenes come from memory, some of them short ones over and over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from models.foley import train_classifier
from models.foley.compact.kinds import NAMES
from models.foley.compact.pool import Pool
from models.foley.compact.scenes import COLUMNS
from models.foley.data import Clips, Size
from models.training import Progress

SIZE = Size(frames=COLUMNS, crop=COLUMNS)
SHORTEST = 40
"""Columns: half a second."""
RANKS = "vggishish"
JUDGES = "melception"
DIVISORS, EPOCHS = {RANKS: 16, JUDGES: 8}, {RANKS: 8, JUDGES: 3}


@dataclass(frozen=True)
class Scenes:
    """A pool as classifiers are trained on `models.foley.data.Clips`."""

    pool: Pool
    items: np.ndarray
    """Scenes of it, all of some kind."""
    changed: bool
    """In loudness and length, another way each time they are asked for."""
    classes: tuple[str, ...] = NAMES
    size: Size = SIZE

    def __len__(self) -> int:
        return len(self.items)

    def mels(self, items: Sequence[int]) -> Tensor:
        """Spectrograms in [0, 1]. Shape: (B, 1, 80, COLUMNS)."""
        rows = self.pool.mels[self.items[list(items)]].astype(np.float32)
        if self.changed:
            for number, row in enumerate(rows):
                # The trainings seed torch with each step's number.
                louder, start, end = torch.rand(3).tolist()
                count = COLUMNS if end < 0.5 else SHORTEST + round((COLUMNS - SHORTEST) * (2 * end - 1))
                first = round(start * (COLUMNS - count))
                piece = np.take(row, range(first, first + count), axis=1)
                rows[number] = np.resize(piece.T, (COLUMNS, len(row))).T + 0.1 * (louder - 0.5)
        return torch.from_numpy(np.clip(rows, 0, 1))[:, None]

    def targets(self, items: Sequence[int]) -> Tensor:
        """Numbers of the kinds. Shape: (B,)."""
        return torch.from_numpy(self.pool.kinds[self.items[list(items)]])


def sets(pool: Pool) -> tuple[Scenes, Scenes]:
    """What is learnt from, and what says when it is enough."""
    numbers = np.arange(len(pool.kinds))
    learnt = numbers[(numbers >= pool.checked) & (pool.kinds >= 0)]
    return Scenes(pool, learnt, True), Scenes(pool, numbers[: pool.checked], False)


def train(
    network: str, pool: Pool, folder: Path, *, seed: int = 0, until: int | None = None, **others: Any
) -> Progress:
    """Train `RANKS` or `JUDGES`, or go on training it; `others`: of `train_classifier.Settings`."""
    folder.mkdir(parents=True, exist_ok=True)
    learnt, checked = sets(pool)
    if not (folder / "statistics.txt").exists():
        mels = pool.mels[learnt.items[::4]].astype(np.float32)
        table = np.stack([mels.mean((0, 2)), mels.std(2).mean(0)], axis=1)
        np.savetxt(folder / "statistics.txt", table, fmt="%.8f")
    settings = train_classifier.Settings.of(
        network,
        **{
            "seed": seed, "classifier": {"divisor": DIVISORS[network]}, "lr": 1e-3, "batch": 16,
            "epochs": EPOCHS[network], "patience": None, "precision": "bfloat16", **others,
        },
    )  # fmt: skip
    return train_classifier.train(settings, cast(tuple[Clips, Clips], (learnt, checked)), folder, until=until)
