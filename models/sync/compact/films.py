"""Real film that the compact sync network learns from, and that it is measured on.

In: Big Buck Bunny, fetched by `models.captions.compact.material`. Out: its first half to learn from, its
second to look at on the way. It is drawn, and its sound was laid by hand, under music.
"""

from __future__ import annotations

from pathlib import Path

from models.captions.compact import material
from models.sync.compact import pool
from models.sync.compact.pool import Source

LEARNT_S = (0.0, 290.0)
HELD_OUT_S = (300.0, 596.0)
"""Seconds of the film: ten lie between, so that no shot is in both."""


def learnt(place: Path, folder: Path) -> list[Source]:
    """What is learnt from; looked at once and kept in `folder`.

    Raises:
        RuntimeError: the film can't be fetched into `place`.
        MediaError: it can't be read.
    """
    return [pool.film(material.film(place), folder).part(*LEARNT_S)]


def held_out(place: Path, folder: Path) -> list[Source]:
    """What is never learnt from; as `learnt`."""
    return [pool.film(material.film(place), folder).part(*HELD_OUT_S)]
