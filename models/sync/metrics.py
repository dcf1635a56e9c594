"""How good a sync network is: as published, in numpy.

In: logits, a row a clip, and the classes that were wanted. Out: single numbers. Knows no network and no file.
The figure of the publication's tables is `accuracy_1_tol1` where classes are 0.2 s apart, and `accuracy_1`
where they are a second apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np


def accuracy(logits: np.ndarray, wanted: np.ndarray, *, best: int = 1, tolerance: int = 0) -> float:
    """How often one of the `best` likeliest classes is at most `tolerance` classes from the wanted one.

    Shape: (N, K), (N,).
    """
    best = min(best, logits.shape[1])
    likeliest = np.argsort(-logits, axis=1, kind="stable")[:, :best]
    return float((np.abs(likeliest - wanted[:, None]) <= tolerance).any(axis=1).mean())


def measure(logits: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """All published figures: accuracies, mAP, mROCAUC and d', the means over classes.

    Classes that are always or never wanted have no curve and are left out of the last three, which are NaN
    where no class is left. Shape: (N, K), (N,).
    """
    logits, wanted = np.asarray(logits, np.float64), np.asarray(wanted)
    figures = {
        f"accuracy_{best}{'_tol1' if tolerance else ''}": accuracy(
            logits, wanted, best=best, tolerance=tolerance
        )
        for tolerance in (0, 1)
        for best in (1, 5)
    }
    # Ranked among clips: so each clip's scores have to be of one size.
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    known = [each for each in range(logits.shape[1]) if 0 < (wanted == each).sum() < len(wanted)]
    precise = [average_precision(likely[:, each], wanted == each) for each in known]
    area = float(np.mean([roc_area(likely[:, each], wanted == each) for each in known])) if known else np.nan
    figures["mAP"] = float(np.mean(precise)) if known else np.nan
    figures["mROCAUC"] = area
    # d' of a normal distribution's quantile has no end at 1.
    figures["dprime"] = 2**0.5 * NormalDist().inv_cdf(min(max(area, 1e-9), 1 - 1e-9)) if known else np.nan
    return figures


def average_precision(scores: np.ndarray, right: np.ndarray) -> float:
    """The area below precision over recall, in steps; equal scores make one step. Shape: (N,), (N,) bool."""
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    found = np.cumsum(right)[last]
    return float((np.diff(found, prepend=0) * found / (last + 1)).sum() / found[-1])


def roc_area(scores: np.ndarray, right: np.ndarray) -> float:
    """How often a right one scores more than a wrong one; a tie counts half. Shape: (N,), (N,) bool."""
    wrong = np.sort(scores[~right])
    below = np.searchsorted(wrong, scores[right], side="left")
    upto = np.searchsorted(wrong, scores[right], side="right")
    return float((below + upto).mean() / 2 / len(wrong))


def by_group(
    logits: np.ndarray, wanted: np.ndarray, groups: Sequence[str], *, tolerance: int
) -> dict[str, tuple[float, int]]:
    """Accuracy of each group, such as a sound's class or an offset, and how many clips it has."""
    names = np.asarray(groups)
    return {
        str(name): (
            accuracy(logits[names == name], wanted[names == name], tolerance=tolerance),
            int((names == name).sum()),
        )
        for name in dict.fromkeys(groups)
    }
