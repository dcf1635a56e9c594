"""Pictures -> faces, and how far each mouth is open from picture to picture.

BlazeFace finds faces, FaceMesh follows 468 points of each. Both networks are fetched (`catalogue`); nothing
else needs them. Knows no files and no timeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from otio_avassist.bundles import Model

FPS = 25.0
SIDE = 480
"""Short side in pixels of the pictures that faces are followed in: lips want more than motion does."""

LOOK_EVERY = 10
"""Faces are looked for in each so many pictures; in between they are followed."""
MOST_FACES = 3
"""So many are followed at once, the largest."""
A_FACE = 0.5
"""Probability from which a face is one."""
SAME_FACE = 0.4
"""Two whose middles are nearer than this share of their size are one."""
LOST = 5
"""Pictures in a row without the face, after which it is let go."""
EYES = (33, 263)
"""Points of FaceMesh: the outer corners of the eyes."""
LIPS = ((13, 14), (82, 87), (312, 317))
"""Points of FaceMesh, upper and lower: the inner rim of the lips, in its middle and left and right of it."""


@dataclass
class Mouth:
    """One face, as long as it could be followed."""

    first: int
    """The picture in which it was seen first."""
    opening: list[float] = field(default_factory=list)
    """How far its lips are apart, as a share of the distance between the eyes' outer corners; NaN: unseen."""
    lost: int = 0
    """Pictures in a row, up to the last, in which it wasn't seen."""

    @property
    def end(self) -> int:
        """The first picture behind it."""
        return self.first + len(self.opening)


@dataclass(frozen=True)
class _Place:
    """A turned square in a picture, in pixels."""

    x: float
    y: float
    side: float
    turned: float
    """Radians, clockwise as it is seen."""

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Shares of the square's side, from its top left corner -> pixels. Shape: (N, 2), x first."""
        right, down = ((points - 0.5) * self.side).T
        cos, sin = np.cos(self.turned), np.sin(self.turned)
        return np.stack([self.x + cos * right - sin * down, self.y + sin * right + cos * down], axis=1)

    def cut(self, frame: np.ndarray, side: int) -> np.ndarray:
        """What is in it, `side` pixels wide, black outside of the picture. -> float32 (side, side, 3)."""
        steps = (np.arange(side, dtype=np.float32) + 0.5) / side
        grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        x, y = (self.to_picture(grid) - 0.5).T.astype(np.float32)
        height, width = frame.shape[:2]
        left, top = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        across, along = (x - left)[:, None], (y - top)[:, None]
        if left.min() < 0 or top.min() < 0 or left.max() > width - 2 or top.max() > height - 2:
            # One black pixel all round, which all that lies further out shows too.
            frame, height, width = np.pad(frame, ((1, 1), (1, 1), (0, 0))), height + 2, width + 2
            left, top = (left + 1).clip(0, width - 2), (top + 1).clip(0, height - 2)
        flat, first = frame.reshape(-1, 3), top * width + left
        upper, lower = (flat[row] * (1 - across) + flat[row + 1] * across for row in (first, first + width))
        return (upper * (1 - along) + lower * along).reshape(side, side, 3)


class Faces:
    """Follows faces through a stream of pictures: call it with uint8 (T, H, W, 3) RGB, then read `mouths`."""

    def __init__(self, blazeface: Model, facemesh: Model) -> None:
        self._finder, self._mesh = blazeface, facemesh
        self._seen = 0
        self._followed: list[tuple[Mouth, _Place]] = []
        self.mouths: list[Mouth] = []
        """All faces so far, also those that were let go."""

    def __call__(self, frames: np.ndarray) -> None:
        looked = [at for at in range(len(frames)) if (self._seen + at) % LOOK_EVERY == 0]
        found = dict(zip(looked, find(self._finder, frames[looked]), strict=True))
        for at, frame in enumerate(frames):
            self._meet(found.get(at, []))
            self._follow(frame)
            self._seen += 1

    def _meet(self, places: Sequence[_Place]) -> None:
        for place in sorted(places, key=lambda each: -each.side):
            if len(self._followed) == MOST_FACES:
                return
            if not any(_alike(place, other) for _, other in self._followed):
                mouth = Mouth(self._seen)
                self.mouths.append(mouth)
                self._followed.append((mouth, place))

    def _follow(self, frame: np.ndarray) -> None:
        kept: list[tuple[Mouth, _Place]] = []
        for (mouth, place), (points, is_face) in zip(self._followed, self._points(frame), strict=True):
            if is_face < A_FACE:
                mouth.opening.append(np.nan)
                mouth.lost += 1
            else:
                mouth.opening.append(opening(points))
                mouth.lost = 0
                place = _around(place, points, self._mesh.card.preprocessing["around"])
            # Two that were met apart may turn out to follow one face.
            if mouth.lost < LOST and not any(_alike(place, other) for _, other in kept):
                kept.append((mouth, place))
        self._followed = kept

    def _points(self, frame: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """Of each face followed: (468, 3) in shares of its square, and how probably it is one."""
        if not self._followed:
            return []
        side = self._mesh.card.preprocessing["side"]
        cut = np.stack([place.cut(frame, side) for _, place in self._followed])
        told = self._mesh(pictures=_floats(cut, self._mesh))
        points = told["points"].reshape(len(cut), -1, 3) / side
        return list(zip(points, _probability(told["face"][:, 0]).tolist(), strict=True))


def find(blazeface: Model, frames: np.ndarray) -> list[list[_Place]]:
    """Squares round the faces of each picture, turned as they are. Shape: uint8 (T, H, W, 3)."""
    if not len(frames):
        return []
    numbers = blazeface.card.preprocessing
    side, grid = numbers["side"], numbers["grid"]
    height, width = frames.shape[1:3]
    whole = _Place(width / 2, height / 2, max(height, width), 0.0)
    # Means of blocks first: what is only picked out of a large picture is full of steps.
    block = max(1, max(height, width) // side)
    rows, columns = height // block, width // block
    blocks = frames[:, : rows * block, : columns * block].reshape(-1, rows, block, columns, block, 3)
    small = blocks.mean(axis=(2, 4), dtype=np.float32)
    within = _Place(width / 2 / block, height / 2 / block, whole.side / block, 0.0)
    told = blazeface(pictures=_floats(np.stack([within.cut(each, side) for each in small]), blazeface))
    middles = (np.stack(np.meshgrid(*[np.arange(grid)] * 2), axis=-1).reshape(-1, 2) + 0.5) / grid
    found = []
    for boxes, scores in zip(told["boxes"], _probability(told["scores"][..., 0]), strict=True):
        values = boxes.reshape(len(boxes), -1, 2) / side
        places: list[_Place] = []
        for at in np.argsort(-scores):
            if scores[at] < A_FACE:
                break
            middle, size, *points = values[at]
            x, y = whole.to_picture((middle + middles[at])[None])[0]
            right, left = (point + middles[at] for point in points[:2])
            place = _Place(
                x, y, 1.5 * float(size.max()) * whole.side, float(np.arctan2(*(left - right)[::-1]))
            )
            if not any(_alike(place, other) for other in places):
                places.append(place)
        found.append(places)
    return found


def opening(points: np.ndarray) -> float:
    """How far the lips are apart, as a share of the distance between the eyes. Shape: (468, 3)."""
    apart = np.mean([np.linalg.norm(points[upper] - points[lower]) for upper, lower in LIPS])
    return float(apart / max(np.linalg.norm(points[EYES[0]] - points[EYES[1]]), 1e-6))


def _around(place: _Place, points: np.ndarray, times: float) -> _Place:
    """Where to look for the face in the next picture."""
    flat = place.to_picture(points[:, :2])
    low, high = flat.min(axis=0), flat.max(axis=0)
    x, y = (low + high) / 2
    right, down = flat[EYES[1]] - flat[EYES[0]]
    return _Place(float(x), float(y), times * float((high - low).max()), float(np.arctan2(down, right)))


def _alike(one: _Place, other: _Place) -> bool:
    return np.hypot(one.x - other.x, one.y - other.y) < SAME_FACE * max(one.side, other.side)


def _floats(pictures: np.ndarray, model: Model) -> np.ndarray:
    """(N, S, S, 3) from 0 to 255 -> as the network wants them, channels first."""
    low, high = (model.card.preprocessing[each] for each in ("low", "high"))
    scaled = np.moveaxis(pictures, -1, 1) * ((high - low) / 255) + low
    return np.ascontiguousarray(scaled, dtype=np.float32)


def _probability(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
