"""What EfficientNet-lite0 says of pictures that ask for a sound, drawn: no such pictures are free and paired.

In: a kind, a seeded generator. Out: rows of its 1,000 logits. What a thing that is there does to all logits
is known from the network's last layer (`models.captions.compact.bank.ties`); how high it stands, what stands
beside it and how it wavers are drawn as on real pictures: deviation 1.3 over classes, 0.2 to 0.9 from one to
the next, 5 to 12 at the highest.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from models.captions.compact.bank import ties
from models.foley.compact.kinds import Kind

Rng = np.random.Generator
WIDTH, ROWS = 1000, 5
STEP_S = 0.5
"""From one picture to the next where the bundle runs; `ROWS` of them are shown, evenly."""
BLIND = 0.3
"""Share of scenes without a picture: a sound that is asked for by name needs none."""


@lru_cache(1)
def shapes() -> np.ndarray:
    """What each class does to all: 1 for itself, 0 for what it leaves alone. Shape: (1000, 1000)."""
    pulled = ties("efficientnet-lite0")
    middle = np.median(pulled, axis=1, keepdims=True)
    own = np.diag(pulled)[:, None]
    return np.clip((pulled - middle) / (own - middle), 0, 1)


def drawn(rng: Rng, kind: Kind) -> np.ndarray:
    """A shot that asks for this kind, or nothing at all. Shape: float32 (ROWS, WIDTH)."""
    if rng.random() < BLIND or not kind.sees:
        return np.zeros((ROWS, WIDTH), np.float32)
    rows = np.repeat(rng.normal(-0.1, rng.uniform(0.9, 1.4), (1, WIDTH)), ROWS, axis=0)
    rows = rows + rng.normal(0, rng.uniform(0.1, 0.9), rows.shape)
    for _ in range(rng.poisson(0.7)):
        other = shapes()[rng.integers(WIDTH)]
        rows = np.maximum(rows, rng.normal(4.5, 1.3) * other)
    chosen = rng.choice(kind.sees, min(len(kind.sees), int(rng.integers(1, 3))), replace=False)
    shape = shapes()[chosen].max(axis=0) ** rng.uniform(0.7, 2)
    level = rng.normal(8, 1.8) + rng.normal(0, 0.7, (ROWS, 1))
    return np.maximum(rows, level * shape).astype(np.float32)
