"""Scenes rendered once and kept on disk, so that training is never starved.

In: a folder, how hard the scenes are, a first seed and a count. Out: `Pool`, which hands scenes by their
number and waits for those that another process is still rendering (`ensure` starts one). Each scene has its
own seed: the same numbers give the same scenes in whatever order they were rendered.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import click
import numpy as np

from models.data.scenes import FULL, Scene, easier, render

CHUNK = 50
"""Scenes a file."""


@dataclass(frozen=True)
class Pool:
    """`count` scenes from `first_seed` on, `share` of the way from easy to full."""

    folder: Path
    share: float
    first_seed: int
    count: int

    @property
    def home(self) -> Path:
        """Where its chunks lie; named by the recipe, so that another recipe never meets old scenes."""
        digest = hashlib.sha256(repr(easier(FULL, self.share)).encode()).hexdigest()[:8]
        return self.folder / f"share-{self.share:g}-{digest}-from-{self.first_seed}"

    def ensure(self) -> None:
        """Start rendering what is missing, in a process of its own and at low priority."""
        if all(self._path(chunk).exists() for chunk in range(self._chunks)):
            return
        words = [
            "--folder",
            self.folder,
            "--share",
            self.share,
            "--first",
            self.first_seed,
            "--count",
            self.count,
        ]
        subprocess.Popen([sys.executable, "-m", "models.data.pool", *map(str, words)])

    def scene(self, number: int) -> Scene:
        """Scene `number`; waits until its chunk is rendered."""
        path = self._path(number // CHUNK)
        while not path.exists():
            time.sleep(0.5)
        frames, samples = _chunk(path)
        place = number % CHUNK
        return Scene(frames[place], samples[place].astype(np.float32) / 32767, ())

    def render(self) -> None:
        """Render the chunks that are not there."""
        recipe = easier(FULL, self.share)
        self.home.mkdir(parents=True, exist_ok=True)
        for chunk in range(self._chunks):
            path = self._path(chunk)
            if path.exists():
                continue
            first = self.first_seed + chunk * CHUNK
            scenes = [render(seed, recipe) for seed in range(first, first + self._scenes(chunk))]
            part = path.with_suffix(f".{os.getpid()}.part")
            with part.open("wb") as file:
                np.save(file, np.stack([scene.frames for scene in scenes]))
                np.save(
                    file, np.stack([np.round(scene.samples * 32767).astype(np.int16) for scene in scenes])
                )
            part.replace(path)

    @property
    def _chunks(self) -> int:
        return -(-self.count // CHUNK)

    def _scenes(self, chunk: int) -> int:
        return min(CHUNK, self.count - chunk * CHUNK)

    def _path(self, chunk: int) -> Path:
        count = self._scenes(chunk)
        # A last chunk that isn't full has a name of its own, for a larger pool wants more of it.
        return self.home / (f"{chunk:05d}.npy2" if count == CHUNK else f"{chunk:05d}-{count}.npy2")


@lru_cache(maxsize=200)
def _chunk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 (50, T, S, S, 3) and samples int16 (50, N), mapped from disk."""
    frames = np.memmap(path, np.uint8, "r")
    arrays, start = [], 0
    with path.open("rb") as file:
        for _ in range(2):
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
            arrays.append(
                frames[start : start + int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)
            )
            file.seek(start + int(np.prod(shape)) * dtype.itemsize)
    return arrays[0], arrays[1]


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True)
@click.option("--share", type=float, default=1.0, help="0: easy scenes, 1: full ones.")
@click.option("--first", type=int, default=0, help="Seed of the first scene.")
@click.option("--count", type=int, default=1000)
def main(folder: Path, share: float, first: int, count: int) -> None:
    """Render a pool of scenes to disk."""
    os.nice(15)  # training goes first
    Pool(folder, share, first, count).render()


if __name__ == "__main__":
    main()
