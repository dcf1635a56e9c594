"""How much a window's word is worth: numbers that make the belief of many windows right as often as it says.

In: a trained network and film that it didn't learn from. Out: `temperature`, `dull` and `same_windows` of the
card's `vote`, the ones under which the true offset of stretches is least surprising. Nothing else is chosen
here, and no clip that figures are given for is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch

from models.sync.compact import draw, pool
from models.sync.compact.network import CompactSync
from models.sync.compact.pool import Source
from otio_avassist.energies import FPS

TEMPERATURES = (0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
DULL = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
SAME = (0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
EVERY_S = 2.0
"""Windows of a stretch start so far apart, as the plugin asks for them."""
STRETCHES_S = (6.0, 8.0, 10.0, 20.0, 40.0)
"""From a single short window to many."""
DRAWN = 60
"""Stretches of each length."""
NEAR = 2
"""Frames beside the true offset that count as it: where a blow falls within a frame, nobody knows."""


def calibrate(network: CompactSync, films: Sequence[Source], seed: int = 0) -> dict[str, float]:
    """The card's `vote`."""
    held = [each for length_s in STRETCHES_S for each in _asked(network, films, length_s, seed)]
    choices = product(TEMPERATURES, DULL, SAME)
    surprise = {choice: float(np.mean([_surprise(*each, *choice) for each in held])) for choice in choices}
    temperature, dull, same = min(surprise, key=lambda choice: surprise[choice])
    return {"temperature": temperature, "dull": dull, "same_windows": same}


def _asked(
    network: CompactSync, films: Sequence[Source], length_s: float, seed: int
) -> list[tuple[np.ndarray, int]]:
    """(logits of the windows (W, K), true class) of stretches so long."""
    rng = np.random.default_rng([seed, round(length_s)])
    frames, reach = round(length_s * FPS), network.config.reach
    window, hop = round(min(length_s, network.config.longest_s) * FPS), round(EVERY_S * FPS)
    found = []
    for _ in range(DRAWN):
        moves, bands, classes = draw.batch(
            films, pool.shares(films), rng, count=1, frames=frames, reach=reach, changed=False
        )
        starts = range(0, frames - window + 1, hop)
        with torch.no_grad():
            logits = network(
                torch.cat([moves[:, at : at + window] for at in starts]),
                torch.cat([bands[:, at : at + window] for at in starts]),
            )
        found.append((logits.double().numpy(), int(classes)))
    return found


def _surprise(logits: np.ndarray, true: int, temperature: float, dull: float, same: float) -> float:
    """Of the true offset, by the belief of all windows together."""
    logits = logits / temperature
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    # As `otio_avassist.alignment.vote` has it.
    independent = 1 + same * (len(shares) - 1)
    log = independent * np.log((1 - dull) * shares + dull / shares.shape[1]).mean(0)
    belief = np.exp(log - log.max())
    belief /= belief.sum()
    return float(-np.log(belief[max(0, true - NEAR) : true + NEAR + 1].sum() + 1e-9))
