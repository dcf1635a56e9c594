"""What the compact sync network learns from: films and scenes, looked at and listened to once.

In: films as files, scenes of `models.sync.compact.scenes` by their seeds. Out: `Source`s: motion in cells and
energy in bands of a stretch whose picture and sound are in step, on disk as half floats. A film is looked at
several times, whole and through windows that each show a part of it, as if filmed from elsewhere.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np

from models.data import codecs, noises
from models.sync.compact import acts, calls, drawing, material, motions, moving, scenes, struck, voiced
from otio_avassist import energies, windows
from otio_avassist.energies import BandEnergies, MotionGrid

RATE = 16_000
CHUNK = 25
"""Scenes a file."""
FILM_SIDE = 128
"""Short side that films are read at: what a window leaves of it is still about `energies.SIDE`."""
WINDOWS = 3
"""Parts of a film that are also looked at by themselves."""


@dataclass(frozen=True)
class Source:
    """A stretch in step."""

    name: str
    moves: np.ndarray
    """float16 (views, T, C, R, W) of `energies.MotionGrid`."""
    bands: np.ndarray
    """float16 (T, F) of `energies.BandEnergies`."""

    @property
    def frames(self) -> int:
        return len(self.bands)

    def part(self, first_s: float, last_s: float) -> Source:
        """From one second to another."""
        inside = slice(round(first_s * energies.FPS), round(last_s * energies.FPS))
        return Source(self.name, self.moves[:, inside], self.bands[inside])


def of_scene(scene: scenes.Scene) -> tuple[np.ndarray, np.ndarray]:
    """(moves (T, C, R, W), bands (T, F)) of a rendered scene."""
    ear = BandEnergies(RATE)
    bands = np.concatenate([ear(scene.samples), ear.end()])
    moves = MotionGrid()(scene.frames)
    count = min(len(moves), len(bands))
    return moves[:count], bands[:count]


def film(path: Path, folder: Path) -> Source:
    """A film's source; kept in `folder` for the next time.

    Raises:
        MediaError: it can't be read.
    """
    kept = folder / f"{path.stem}-{_digest(path.name, FILM_SIDE, WINDOWS)}.npz"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        moves, bands = _look(path)
        part = kept.with_suffix(f".{os.getpid()}.part.npz")
        np.savez(part, moves=moves, bands=bands)
        part.replace(kept)
    with np.load(kept) as held:
        return Source(path.stem, held["moves"], held["bands"])


def _look(path: Path) -> tuple[np.ndarray, np.ndarray]:
    stretch = windows.Stretch(path, 0.0, windows.probe(path).duration_s or 0.0)
    views = [(0.0, 1.0, 0.0, 1.0), *_windows(path.name)]
    grids, ear = [MotionGrid() for _ in views], BandEnergies(RATE)
    moves: list[list[np.ndarray]] = [[] for _ in views]
    bands = []
    for block in windows.blocks(stretch, stretch, fps=energies.FPS, side=FILM_SIDE, rate=RATE):
        if block.frames is not None:
            height, width = block.frames.shape[1:3]
            for grid, seen, (top, bottom, left, right) in zip(grids, moves, views, strict=True):
                shown = block.frames[
                    :, int(top * height) : int(bottom * height), int(left * width) : int(right * width)
                ]
                seen.append(grid(shown).astype(np.float16))
        if block.samples is not None:
            bands.append(ear(block.samples).astype(np.float16))
    bands.append(ear.end().astype(np.float16))
    heard = np.concatenate(bands)
    looked = [np.concatenate(seen) for seen in moves]
    count = min(len(heard), *(len(seen) for seen in looked))
    return np.stack([seen[:count] for seen in looked]), heard[:count]


def _windows(name: str) -> list[tuple[float, float, float, float]]:
    """(top, bottom, left, right) as shares of the picture; the same for a name each time."""
    rng = np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))
    found = []
    for _ in range(WINDOWS):
        size = rng.uniform(0.5, 0.9)
        top, left = rng.uniform(0, 1 - size, 2)
        found.append((top, top + size, left, left + size))
    return found


def rendered(
    folder: Path, bank: Path, first_seed: int, count: int, *, workers: int = 1, say: Callable[[str], None]
) -> list[Source]:
    """`count` scenes from `first_seed` on; those that aren't in `folder` are rendered.

    Args:
        bank: where the material of `scenes` is, or is fetched to.
        workers: processes that render.
        say: told how far it is.
    """
    chunks = [(first_seed + start, min(CHUNK, count - start)) for start in range(0, count, CHUNK)]
    missing = [each for each in chunks if not _path(folder, *each).exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if missing:
        with ProcessPoolExecutor(workers) as pool:
            for done, _ in enumerate(pool.map(partial(_render, folder, bank), missing), start=1):
                say(f"scenes from seed {first_seed}: {done} of {len(missing)} files rendered")
    return [source for each in chunks for source in _read(_path(folder, *each), each[0])]


@lru_cache(maxsize=1)
def _bank(place: Path) -> material.Bank:
    return material.load(place)


def _render(folder: Path, bank: Path, chunk: tuple[int, int]) -> None:
    first, count = chunk
    held = _bank(bank)
    looked = [of_scene(scenes.render(seed, held)) for seed in range(first, first + count)]
    path = _path(folder, first, count)
    part = path.with_suffix(f".{os.getpid()}.part.npz")
    np.savez(
        part,
        moves=np.stack([moves for moves, _ in looked]).astype(np.float16),
        bands=np.stack([bands for _, bands in looked]).astype(np.float16),
    )
    part.replace(path)


def _read(path: Path, first: int) -> list[Source]:
    with np.load(path) as held:
        return [
            Source(f"scene {first + place}", moves[None], bands)
            for place, (moves, bands) in enumerate(zip(held["moves"], held["bands"], strict=True))
        ]


def _path(folder: Path, first: int, count: int) -> Path:
    return folder / f"{first}-{count}-{_made_by()}.npz"


@cache
def _made_by() -> str:
    """Of the code that draws scenes and looks at them: after a change of it they are rendered anew."""
    drawn = (acts, calls, codecs, drawing, material, motions, moving, noises, scenes, struck, voiced)
    return _digest(*(inspect.getsource(each) for each in (*drawn, energies)))


def _digest(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()[:8]


def shares(sources: Sequence[Source]) -> np.ndarray:
    """How often each is drawn: by its length. Shape: (sources,)."""
    frames = np.array([source.frames for source in sources], float)
    return frames / frames.sum()
