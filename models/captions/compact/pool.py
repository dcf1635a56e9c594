"""Things drawn once, kept in a folder and read back by memory map: `Pool` makes what isn't there yet.

In: a folder and a function from a number to arrays. Out: the same arrays, by number. A pool that was stopped
goes on where it was; what is drawn depends on the number alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

PART = 100


class Pool:
    """`count` drawings; `draw(number)` gives arrays by name, of any shapes and types."""

    def __init__(self, folder: Path, count: int, draw: Callable[[int], dict[str, np.ndarray]]) -> None:
        self.folder, self.count, self._draw = folder, count, draw
        self._parts: dict[int, list[dict[str, np.ndarray]]] = {}

    def ensure(self, say: Callable[[str], None] = lambda words: None) -> None:
        """Draw what isn't there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(0, self.count, PART):
            if not self._path(number // PART).exists():
                self._make(number // PART)
                say(f"{self.folder.name}: {min(number + PART, self.count)} of {self.count}")

    def __getitem__(self, number: int) -> dict[str, np.ndarray]:
        part, place = divmod(number, PART)
        if part not in self._parts:
            with np.load(self._path(part)) as held:
                arrays = {name: held[name] for name in held.files}
            size = 1 + max(int(name.split(".")[0]) for name in arrays)
            rows: list[dict[str, np.ndarray]] = [{} for _ in range(size)]
            for name, array in arrays.items():
                row, _, key = name.partition(".")
                rows[int(row)][key] = array
            self._parts[part] = rows
        return self._parts[part][place]

    def _path(self, part: int) -> Path:
        return self.folder / f"{part:04d}.npz"

    def _make(self, part: int) -> None:
        numbers = range(part * PART, min((part + 1) * PART, self.count))
        arrays = {
            f"{row}.{name}": array
            for row, number in enumerate(numbers)
            for name, array in self._draw(number).items()
        }
        unfinished = self.folder / f"{part:04d}.part.npz"
        np.savez(unfinished, **arrays)  # type: ignore[arg-type]
        unfinished.replace(self._path(part))
