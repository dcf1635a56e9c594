"""A foley bundle and what is measured of it: its takes as WAV files, made once, and real sounds kept apart.

Takes are made as the task makes them, of a sound's name alone: no picture helps. Real sounds are those that
the compact bundle's training knows and keeps apart; they must have been fetched.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

import numpy as np

from otio_avassist import bundles, sounds
from otio_avassist.errors import BundleError
from otio_avassist.generator import Generator

TAKE_S = 10.0
ODD_S = (0.04, 0.2, 3.04, 23.0)
"""Lengths other than that of a take: a frame, a few, and one of several parts."""
BATCH = 4
SCENES = 4
"""Real ones of each sound."""


@dataclass(frozen=True)
class Made:
    """One take."""

    sound: str
    seed: int
    seconds: float
    rate: int
    samples: np.ndarray
    """float32 (N,) at `rate`, as it was made: not levelled."""
    path: Path
    """The WAV file."""
    joins_s: tuple[float, ...]
    """Where one part turns into the next."""

    @property
    def length(self) -> int:
        """Samples that the file should have."""
        return ceil(self.seconds * sounds.RATE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("takes: heard, levels, distances")
    group.add_argument("--takes", type=int, default=4, metavar="N", help="of each sound")
    group.add_argument("--seed", type=int, default=0)
    group.add_argument("--keep", type=Path, metavar="DIR", help="leave the takes here, to be listened to")
    group.add_argument(
        "--material", type=Path, default=Path("runs/foley/material"), metavar="DIR",
        help="where train-foley fetched its recordings to",
    )  # fmt: skip


def lacking(asked: argparse.Namespace) -> str:
    """Why there is nothing to measure, or nobody to hear it."""
    try:
        folder(asked)
        bundles.find("yamnet")
    except BundleError as error:
        return str(error)
    return ""


def folder(asked: argparse.Namespace) -> Path:
    return bundles.find("foley", asked.bundle)


def opened(bundle: Path, asked: argparse.Namespace) -> bundles.Bundle:
    return bundles.open_bundle(bundle, device="cpu", threads=asked.threads)


def of(bundle: Path, asked: argparse.Namespace, kind: str = "takes") -> Sequence[Made]:
    """`--takes` of each sound, each of `TAKE_S`; kept below `--keep` as `kind`."""
    place = (asked.keep or temporary()) / kind
    return _all(bundle, place, asked.takes, asked.seed, asked.threads)


def odd(bundle: Path, asked: argparse.Namespace) -> Iterator[Made]:
    """A take of each of `ODD_S`, of a few sounds."""
    generator = Generator(opened(bundle, asked))
    place = (asked.keep or temporary()) / "odd"
    for number, seconds in enumerate(ODD_S):
        sound = generator.sounds[number % len(generator.sounds)] if generator.sounds else None
        yield from make(generator, sound, place, seconds=seconds, seeds=[asked.seed])


@cache
def _all(bundle: Path, place: Path, count: int, seed: int, threads: int) -> Sequence[Made]:
    generator = Generator(bundles.open_bundle(bundle, device="cpu", threads=threads))
    return [
        take
        for sound in generator.sounds or (None,)
        for first in range(0, count, BATCH)
        for take in make(
            generator,
            sound,
            place,
            seconds=TAKE_S,
            seeds=range(seed + first, seed + min(count, first + BATCH)),
        )
    ]


def make(
    generator: Generator, sound: str | None, place: Path, *, seconds: float, seeds: Sequence[int]
) -> list[Made]:
    """Takes of one sound, side by side."""
    place.mkdir(parents=True, exist_ok=True)
    parts = generator.parts(seconds)
    randoms = [np.random.default_rng(seed) for seed in seeds]
    pieces = list(generator.make(parts, None, sound=sound, randoms=randoms))
    numbers = generator.numbers
    half_s = numbers.context * numbers.column_s / 2
    found = []
    for seed, samples in zip(seeds, np.concatenate(pieces, axis=1), strict=True):
        path = place / f"{(sound or 'sound').replace(' ', '-')}_{seconds:g}s_{seed}.wav"
        made = Made(
            sound or "", seed, seconds, numbers.rate, samples, path,
            tuple(part.start_s + half_s for part in parts[1:]),
        )  # fmt: skip
        sounds.write(path, samples, rate=numbers.rate, length=made.length)
        found.append(made)
    return found


@cache
def temporary() -> Path:
    # Goes with the process.
    _held.append(tempfile.TemporaryDirectory())
    return Path(_held[-1].name)


_held: list[tempfile.TemporaryDirectory] = []


# Real sounds


def recordings(asked: argparse.Namespace) -> list | None:
    """Those of the compact bundle's training, as they lie on this disk; None: they weren't fetched."""
    from models.foley.compact import material

    return material.recordings(asked.material) if (asked.material / "recordings.npz").is_file() else None


def no_recordings(asked: argparse.Namespace) -> str:
    return f"{asked.material}: no recordings here: --material DIR, filled by make train-foley"


def scenes(
    asked: argparse.Namespace, wanted: Sequence[str], *, apart: bool, seed: int = 0
) -> dict[str, list[np.ndarray]]:
    """Real scenes of each sound that has recordings of its own, `SCENES` of each: float32 (N,).

    Args:
        apart: of recordings that training never heard; else of those it was given.
    """
    from models.foley.compact import kinds, pool
    from models.foley.compact import scenes as compact

    everything = recordings(asked) or []
    chosen = [each for each in everything if pool.is_apart(each.name) == apart]
    names = [each.name for each in chosen]
    found = {}
    for number, kind in enumerate(kinds.KINDS):
        own = [chosen[at] for at in kind.recordings(names, apart=apart)]
        if own and kind.name in wanted:
            found[kind.name] = [
                compact.scene(np.random.default_rng([seed, number, at]), kind, own) for at in range(SCENES)
            ]
    return found
