"""Scenes of every kind and their spectrograms, composed once for all trainings.

In: recordings, a seed. Out: sounds and spectrograms with their kinds, in memory; kept in a file for the next
training. No recording that is kept apart is in them. Knows no network.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.foley.compact import material, scenes
from models.foley.compact.kinds import KINDS, Kind
from models.foley.compact.material import Recording
from otio_avassist.signals import foley_log_mel

SCENES, OTHERS = 56, 200
"""Of each kind, and of recordings that are of none."""
CHECKED = 8
"""Of each kind: other draws of the same recordings, to see whether a training still gets better."""
ANYTHING = Kind("", (), (), (), "events", (0.25, 1.5), (), (), pitch=0.12)


@dataclass(frozen=True)
class Pool:
    """Scenes, `CHECKED` of each kind first, then those to learn from, then those of no kind."""

    sounds: np.ndarray
    """float16 (n, LENGTH)."""
    mels: np.ndarray
    """float16 (n, 80, 848) in [0, 1]."""
    kinds: np.ndarray
    """int64 (n,): places in `KINDS`; -1 for none."""

    @property
    def checked(self) -> int:
        """How many are not to be learnt from."""
        return CHECKED * len(KINDS)


def is_apart(name: str) -> bool:
    """Whether a recording is kept for judging; of those of no kind, every eighth."""
    names = [name]
    if any(kind.recordings(names, apart=True) for kind in KINDS):
        return True
    return not any(kind.recordings(names) for kind in KINDS) and zlib.crc32(name.encode()) % 8 == 0


def apart(recordings: Sequence[Recording]) -> list[Recording]:
    """Those that are kept for judging."""
    return [each for each in recordings if is_apart(each.name)]


def build(place: Path, kept: Path, *, seed: int = 0, share: float = 1.0) -> Pool:
    """The pool, from `kept` if it is there.

    Args:
        place: where recordings are fetched to.
        share: of the usual number of scenes.
    """
    if not kept.exists():
        recordings = [each for each in material.recordings(place) if not is_apart(each.name)]
        names = [each.name for each in recordings]
        counts = max(1, round(share * SCENES)), max(1, round(share * OTHERS))
        jobs = [(number, take) for number in range(len(KINDS)) for take in range(CHECKED)]
        jobs += [(number, CHECKED + take) for number in range(len(KINDS)) for take in range(counts[0])]
        jobs += [(-1, take) for take in range(counts[1])]
        sounds = np.empty((len(jobs), scenes.LENGTH), np.float16)
        mels = np.empty((len(jobs), 80, scenes.COLUMNS), np.float16)
        for at, (number, take) in enumerate(jobs):
            rng = np.random.default_rng([seed, number + 1, take])
            kind = KINDS[number] if number >= 0 else ANYTHING
            own = [recordings[k] for k in kind.recordings(names)] if number >= 0 else recordings
            sounds[at] = scenes.scene(rng, kind, own)
            mels[at] = foley_log_mel(sounds[at].astype(np.float32))[:, : scenes.COLUMNS]
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part.npz")
        np.savez(part, sounds=sounds, mels=mels, kinds=np.array([number for number, _ in jobs]))
        part.replace(kept)
    with np.load(kept) as held:
        return Pool(held["sounds"], held["mels"], held["kinds"])
