"""YAMNet, which has no part in making or ranking a sound, says what it hears: samples -> likeliest labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, gcd

import numpy as np
from scipy.special import expit

from otio_avassist import bundles, features, signals

RATE = features.SOUND_RATE
HOP = 48 * 160
"""Samples from patch to patch: half a patch."""
TOP = 5


@dataclass(frozen=True)
class Heard:
    labels: tuple[str, ...]
    """All of YAMNet's, likeliest first."""
    embedding: np.ndarray
    """float32 (1024,): mean over time."""

    def rank(self, wanted: Sequence[str]) -> int:
        """Of the likeliest of `wanted`, 1 and up."""
        return min(self.labels.index(label) for label in wanted) + 1


class Ear:
    """YAMNet as it was fetched, on the CPU."""

    def __init__(self, threads: int | None = None) -> None:
        """Raises BundleError where it isn't fetched."""
        self._bundle = bundles.open_bundle(bundles.find("yamnet"), device="cpu", threads=threads)
        self.names = tuple(map(str, self._bundle.card.classes))

    def hear(self, samples: np.ndarray, rate: int) -> Heard:
        """Labels by their mean probability over patches of 0.96 s; what is shorter is filled up with silence.

        Shape: float (N,), mono.
        """
        samples = resampled(samples, rate, RATE)
        # How loud a sound is recorded is no part of what it is.
        samples = 0.5 * samples / max(float(np.abs(samples).max(initial=0.0)), 1e-6)
        count = max(1, ceil((len(samples) - features.PATCH) / HOP) + 1)
        samples = np.pad(samples, (0, max(0, (count - 1) * HOP + features.PATCH - len(samples))))
        rows = signals.yamnet_log_mel(samples.astype(np.float32))
        patches = np.lib.stride_tricks.sliding_window_view(rows, 96, axis=0)[:: HOP // 160]
        out = self._bundle["main"](
            log_mel=np.moveaxis(patches, 2, 1)[:, None]
        )  # (n, 1, 96, 64) <- (n, 64, 96)
        sure = expit(out["logits"].astype(np.float64)).mean(axis=0)
        order = np.argsort(-sure, kind="stable")
        return Heard(tuple(self.names[at] for at in order), out["embedding"].mean(axis=0))


def resampled(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    from scipy.signal import resample_poly

    common = gcd(rate, to)
    return samples if rate == to else resample_poly(samples, to // common, rate // common)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / max(1e-9, float(np.linalg.norm(one) * np.linalg.norm(other))))
