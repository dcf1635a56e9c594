"""How good generated sounds are, by what a classifier makes of them: as published, in numpy.

In: features or logits of Melception, a row a sound. Out: single numbers. Knows no network and no file.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

SEED = 2020


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """FID: between the normal distributions that fit two sets of features best; 0 is the same.

    Shape: (n, D), (m, D).
    """
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    shift = one.mean(axis=0) - other.mean(axis=0)
    covariance, others = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (one, other))
    # The trace of the root of a product, which isn't symmetric, is that of the root of one that is. It needs
    # no help where a covariance is singular.
    root = _root(covariance)
    overlap = np.sqrt(np.clip(np.linalg.eigvalsh(root @ others @ root), 0, None)).sum()
    return float(shift @ shift + np.trace(covariance) + np.trace(others) - 2 * overlap)


def kernel_distance(
    one: np.ndarray, other: np.ndarray, *, subsets: int = 100, size: int = 1000, seed: int = SEED
) -> tuple[float, float]:
    """KID: squared maximum mean discrepancy under a cubic kernel, mean and deviation over random subsets.

    Raises:
        ValueError: a set is smaller than a subset.
    """
    if min(len(one), len(other)) < size:
        raise ValueError(f"subsets of {size} can't be drawn from {len(one)} and {len(other)} sounds")
    draw = np.random.RandomState(seed)
    found = []
    for _ in range(subsets):
        x = np.asarray(one[draw.choice(len(one), size, replace=False)], np.float64)
        y = np.asarray(other[draw.choice(len(other), size, replace=False)], np.float64)
        within = sum(_kernel(each, each).sum() - np.trace(_kernel(each, each)) for each in (x, y))
        found.append(within / (size * (size - 1)) - 2 * _kernel(x, y).mean())
    return float(np.mean(found)), float(np.std(found))


def inception_score(logits: np.ndarray, *, splits: int = 10, seed: int = SEED) -> tuple[float, float]:
    """How sure the classifier is of each sound, and how varied they are: mean and deviation over splits.

    Shape: (N, classes); as published of logits without the last layer's bias.

    Raises:
        ValueError: fewer sounds than splits.
    """
    if len(logits) < splits:
        raise ValueError(f"{len(logits)} sounds can't be split into {splits}")
    shuffled = np.asarray(logits, np.float64)[np.random.RandomState(seed).permutation(len(logits))]
    edges = np.arange(splits + 1) * len(logits) // splits
    scores = []
    for start, end in pairwise(edges):
        log_chances = _log_softmax(shuffled[start:end])
        chances = np.exp(log_chances)
        scores.append(np.exp((chances * (log_chances - np.log(chances.mean(axis=0)))).sum(axis=1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


def mean_kl(real: np.ndarray, fake: np.ndarray, *, eps: float = 1e-6) -> float:
    """MKL: how much the classifier learns of a real sound that the one made for its picture didn't say.

    Shape: logits (N, classes) each, row k of both of the same film.
    """
    log_real, log_fake = (_log_softmax(np.asarray(each, np.float64)) for each in (real, fake))
    each = np.exp(log_real) * (log_real - np.log(np.exp(log_fake) + eps))
    return float(each.sum(axis=1).mean())


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
