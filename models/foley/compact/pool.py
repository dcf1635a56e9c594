"""Scenes of every kind and their spectrograms, composed once for all trainings.

In: recordings, a seed. Out: sounds and spectrograms with their kinds, in memory; kept in a folder for the
next training. No recording that is kept apart is in them. Knows no network.
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

SCENES, OTHERS = 140, 500
"""Of each kind, and of recordings that are of none."""
CHECKED = 4
"""Of each kind: other draws of the same recordings, to see whether a training still gets better."""
ANYTHING = Kind("", (), (), (), "events", (0.25, 1.5), (), (), pitch=0.12)
KINDS_FILE = "kinds.npy"


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
    if not (kept / KINDS_FILE).exists():
        kept.mkdir(parents=True, exist_ok=True)
        recordings = [each for each in material.recordings(place) if not is_apart(each.name)]
        counts = max(1, round(share * SCENES)), max(1, round(share * OTHERS))
        jobs = [(number, take) for number in range(len(KINDS)) for take in range(CHECKED)]
        jobs += [(number, CHECKED + take) for number in range(len(KINDS)) for take in range(counts[0])]
        jobs += [(-1, take) for take in range(counts[1])]
        sounds, mels = (
            np.lib.format.open_memmap(kept / f"{name}.npy", "w+", np.float16, (len(jobs), *shape))
            for name, shape in (("sounds", (scenes.LENGTH,)), ("mels", (80, scenes.COLUMNS)))
        )
        for at, (number, take) in enumerate(jobs):
            sounds[at] = _composed(recordings, number, np.random.default_rng([seed, number + 1, take]))
            mels[at] = foley_log_mel(sounds[at].astype(np.float32))[:, : scenes.COLUMNS]
        for each in (sounds, mels):
            each.flush()
        # Last: without it the others are only half of a pool.
        np.save(kept / KINDS_FILE, np.array([number for number, _ in jobs]))
    # Several trainings share what is read of them.
    return Pool(
        np.load(kept / "sounds.npy", mmap_mode="r"),
        np.load(kept / "mels.npy", mmap_mode="r"),
        np.load(kept / KINDS_FILE),
    )


def _composed(recordings: Sequence[Recording], number: int, rng: np.random.Generator) -> np.ndarray:
    """A scene of a kind, or of anything. Shape: float32 (LENGTH,)."""
    if number < 0:
        return scenes.scene(rng, ANYTHING, recordings)
    own = KINDS[number].recordings([each.name for each in recordings])
    return scenes.scene(rng, KINDS[number], [recordings[k] for k in own])
