"""Parts of pictures that move: sprites with soft edges and some texture, laid over frames by affine maps.

The world is as high as the picture: y from -0.5 (top) to 0.5, x to both sides of 0. A `Part` is one sprite
and where it is in each frame; a `Camera` maps the world to pixels. Knows neither sounds nor what parts
stand for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.data.noises import Rng

# Scenes are small and drawn by many processes at once.
cv2.setNumThreads(1)

SPRITE = 64
"""Pixels of a sprite's longer side, when made."""
MOVES, APPEARS = 0.002, 0.02
"""What changes less from frame to frame, in heights of the picture and in how much is seen, stands still."""

Curve = np.ndarray | float
"""A number for each frame, (T,), or one for all."""


@dataclass(frozen=True)
class Part:
    """A sprite over time. Places and sizes in heights of the picture."""

    sprite: np.ndarray
    """uint8 (h, w, 4); the colours are multiplied by the last, how much it covers."""
    x: Curve
    y: Curve
    wide: Curve
    tall: Curve
    angle: Curve = 0.0
    """Radians, clockwise as seen."""
    seen: Curve = 1.0
    """0 not at all, 1 as it is."""
    glows: bool = False
    """Adds light instead of covering."""

    def moved(self, scale: float, x: Curve, y: Curve, *, mirrored: bool = False, turned: float = 0.0) -> Part:
        """The same in another place: scaled about 0, mirrored, turned, then shifted."""
        side = -1.0 if mirrored else 1.0
        cos, sin = np.cos(turned), np.sin(turned)
        own_x, own_y = scale * side * self.x, scale * self.y
        return replace(
            self,
            sprite=self.sprite[:, ::-1] if mirrored else self.sprite,
            x=cos * own_x - sin * own_y + x,
            y=sin * own_x + cos * own_y + y,
            wide=scale * self.wide,
            tall=scale * self.tall,
            angle=side * self.angle + turned,
        )


@dataclass(frozen=True)
class Camera:
    """What of the world is in the picture: all (T,)."""

    x: np.ndarray
    y: np.ndarray
    zoom: np.ndarray
    roll: np.ndarray

    def maps(self, height: int, width: int) -> np.ndarray:
        """World to pixels. Shape: (T, 2, 3)."""
        cos, sin = height * self.zoom * np.cos(self.roll), height * self.zoom * np.sin(self.roll)
        out = np.empty((len(self.x), 2, 3))
        out[:, 0, 0], out[:, 0, 1], out[:, 1, 0], out[:, 1, 1] = cos, -sin, sin, cos
        out[:, 0, 2] = width / 2 - 0.5 - cos * self.x + sin * self.y
        out[:, 1, 2] = height / 2 - 0.5 - sin * self.x - cos * self.y
        return out


class Laid:
    """A part as a camera sees it, ready to be drawn frame by frame."""

    def __init__(self, part: Part, maps: np.ndarray, height: int, width: int) -> None:
        count = len(maps)
        wide, tall = (np.broadcast_to(np.maximum(size, 1e-4), count) for size in (part.wide, part.tall))
        scale = np.hypot(maps[:, 0, 0], maps[:, 1, 0])
        self._sprite = _fitted(part.sprite, float((tall * scale).max()), float((wide * scale).max()))
        rows, columns = self._sprite.shape[:2]
        angle = np.broadcast_to(part.angle, count)
        own = np.empty((count, 3, 3))
        own[:, 2] = 0, 0, 1
        across, down = wide / columns, tall / rows
        cos, sin = np.cos(angle), np.sin(angle)
        own[:, 0, 0], own[:, 0, 1] = cos * across, -sin * down
        own[:, 1, 0], own[:, 1, 1] = sin * across, cos * down
        middle_x, middle_y = (columns - 1) / 2, (rows - 1) / 2
        own[:, 0, 2] = part.x - own[:, 0, 0] * middle_x - own[:, 0, 1] * middle_y
        own[:, 1, 2] = part.y - own[:, 1, 0] * middle_x - own[:, 1, 1] * middle_y
        self._map = maps @ own  # (T, 2, 3)
        corners = np.array([[-1, -1, 1], [columns, -1, 1], [-1, rows, 1], [columns, rows, 1]], float)
        reach = self._map @ corners.T  # (T, 2, 4)
        limit = np.array([width, height])
        self._low = np.clip(np.floor(reach.min(2)), 0, limit).astype(int)
        self._high = np.clip(np.ceil(reach.max(2)) + 1, 0, limit).astype(int)
        self._map[:, :, 2] -= self._low
        self._seen = np.broadcast_to(np.clip(part.seen, 0, 1), count)
        self._glows = part.glows
        self._limit = limit
        world = (own @ corners.T)[:, :2]
        moved = np.abs(np.diff(world, axis=0)).max((1, 2), initial=0.0) > MOVES
        self._moves = np.concatenate([[False], moved | (np.abs(np.diff(self._seen)) > APPEARS)])

    def moves_in(self, rows: int, columns: int) -> np.ndarray:
        """In which cells of the picture it moves by itself: no camera counts. Shape: (T, rows, columns)."""
        found = np.zeros((len(self._moves), rows, columns), bool)
        cells = np.array([columns, rows]) / self._limit
        low, high = np.floor(self._low * cells).astype(int), np.ceil(self._high * cells).astype(int)
        for index in np.flatnonzero(self._moves & (self._seen > APPEARS)):
            (left, top), (right, bottom) = low[index], high[index]
            if (self._low[index] < self._high[index]).all():
                found[index, top:bottom, left:right] = True
        return found

    def draw(self, canvas: np.ndarray, index: int) -> None:
        """Lay frame `index` over a canvas, uint8 (H, W, 3)."""
        (left, top), (right, bottom) = self._low[index], self._high[index]
        seen = self._seen[index]
        if left >= right or top >= bottom or seen <= 0.004:
            return
        size = (int(right - left), int(bottom - top))
        laid = cv2.warpAffine(self._sprite, self._map[index], size, flags=cv2.INTER_LINEAR)
        if seen < 0.996:
            laid = cv2.convertScaleAbs(laid, alpha=float(seen))
        under = canvas[top:bottom, left:right]
        if self._glows:
            under[:] = cv2.add(under, laid[..., :3])
            return
        through = (255 - laid[..., 3:]).astype(np.uint16)
        under[:] = laid[..., :3] + ((under * through + 127) >> 8).astype(np.uint8)


def _fitted(sprite: np.ndarray, tall: float, wide: float) -> np.ndarray:
    """About as many pixels as it takes up, so that it doesn't flicker when it is small."""
    rows, columns = sprite.shape[:2]
    new = min(columns, max(2, int(np.ceil(wide)))), min(rows, max(2, int(np.ceil(tall))))
    return sprite if new == (columns, rows) else cv2.resize(sprite, new, interpolation=cv2.INTER_AREA)


# Sprites


def sprite(
    rng: Rng, shape: str, colour: np.ndarray, *, still: np.ndarray | None = None, aspect: float = 1.0
) -> np.ndarray:
    """One sprite.

    Args:
        shape: `ellipse`, `box`, `bar` (round ends), `blob`, `ring`, `glow` (soft) or `wedge`.
        colour: (3,).
        still: a picture to take its texture from; without one it is shaded and speckled.
        aspect: width over height, as it will be used: only for the corners of `bar`.
    """
    cover = _cover(rng, shape, aspect)
    rows, columns = cover.shape
    if still is not None and rng.random() < 0.5:
        top, left = rng.integers(still.shape[0] - SPRITE), rng.integers(still.shape[1] - SPRITE)
        piece = cv2.resize(still[top : top + SPRITE, left : left + SPRITE], (columns, rows)).astype(
            np.float32
        )
        # Only in part the colour asked for.
        picture = piece + rng.uniform(0.2, 1.0) * (colour - piece.mean((0, 1)))
    else:
        picture = np.tile(colour.astype(np.float32), (rows, columns, 1))
    light = rng.uniform(0, 2 * np.pi)
    down, across = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    picture *= (1 + rng.uniform(0, 0.45) * (across * np.cos(light) + down * np.sin(light)))[..., None]
    cells = int(rng.integers(2, 20))
    speckle = rng.normal(0, rng.uniform(0, 28), (cells, cells)).astype(np.float32)
    picture += cv2.resize(speckle, (columns, rows), interpolation=cv2.INTER_LINEAR)[..., None]
    out = np.empty((rows, columns, 4), np.uint8)
    out[..., :3] = np.clip(picture, 0, 255) * cover[..., None]
    out[..., 3] = 255 * cover
    return out


def _cover(rng: Rng, shape: str, aspect: float) -> np.ndarray:
    """How much is covered, float32 (h, w) with soft edges."""
    wide, tall = (
        (SPRITE, max(8, int(SPRITE / aspect))) if aspect >= 1 else (max(8, int(SPRITE * aspect)), SPRITE)
    )
    fine: np.ndarray = np.zeros((4 * tall, 4 * wide), np.uint8)
    full = (255,)
    middle, half = (2 * wide, 2 * tall), (2 * wide - 2, 2 * tall - 2)
    if shape == "ellipse":
        cv2.ellipse(fine, middle, half, 0, 0, 360, full, -1)
    elif shape == "ring":
        cv2.ellipse(
            fine, middle, (int(1.7 * wide), int(1.7 * tall)), 0, 0, 360, full, int(0.35 * min(wide, tall))
        )
    elif shape == "bar":
        radius = min(half)
        cv2.rectangle(fine, (radius, 2), (4 * wide - radius, 4 * tall - 2), full, -1)
        cv2.rectangle(fine, (2, radius), (4 * wide - 2, 4 * tall - radius), full, -1)
        for x in (radius, 4 * wide - radius):
            for y in (radius, 4 * tall - radius):
                cv2.circle(fine, (x, y), radius, full, -1)
    elif shape in ("blob", "wedge"):
        count = 3 if shape == "wedge" else int(rng.integers(5, 12))
        turn = np.arange(count) / count * 2 * np.pi + rng.uniform(0, 1)
        reach = rng.uniform(0.65, 1.0, count)
        points = np.stack([np.cos(turn) * reach * half[0], np.sin(turn) * reach * half[1]], 1) + middle
        cv2.fillPoly(fine, [points.astype(np.int32)], full)
        if shape == "blob":
            fine = cv2.GaussianBlur(fine, (0, 0), 0.25 * min(wide, tall))
            fine = np.clip((fine.astype(np.float32) - 96) * 4, 0, 255).astype(np.uint8)
    elif shape == "glow":
        down, across = np.mgrid[-1 : 1 : tall * 1j, -1 : 1 : wide * 1j]
        return np.clip(1 - np.hypot(down, across), 0, 1).astype(np.float32) ** 1.5
    else:
        cv2.rectangle(fine, (3, 3), (4 * wide - 4, 4 * tall - 4), full, -1)
    return cv2.resize(fine, (wide, tall), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
