"""Faces drawn well enough for networks to take them for faces, and voices that go with their mouths."""

from __future__ import annotations

import numpy as np

RATE = 16_000
FPS = 25


def face(
    mouth: float, *, height: int = 240, width: int = 320, x: float = 160, y: float = 120, size: float = 80
) -> np.ndarray:
    """uint8 (H, W, 3): a face in the middle of (x, y), about `size` pixels half across.

    Args:
        mouth: 0 is shut, 0.3 wide open.
    """
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    u, v = (columns - x) / size, (rows - y) / size
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = (90, 110, 130)

    def put(
        colour: tuple[int, int, int], u0: float, v0: float, a: float, b: float, soft: float = 0.03
    ) -> None:
        nonlocal picture
        out = (np.hypot((u - u0) / a, (v - v0) / b) - 1) * min(a, b)
        inside = np.clip(0.5 - out / soft, 0, 1)[..., None]
        picture += inside * (np.array(colour, np.float32) - picture)

    put((60, 40, 30), 0, -0.15, 0.84, 1.07)  # hair
    put((200, 150, 120), 0, 1.5, 0.35, 1.0)  # neck
    put((222, 170, 138), 0, 0.05, 0.70, 0.96)
    for side in (-1, 1):
        put((180, 130, 105), side * 0.30, -0.16, 0.18, 0.10, 0.1)
        put((245, 245, 245), side * 0.30, -0.12, 0.15, 0.075)
        put((50, 35, 25), side * 0.30, -0.12, 0.065, 0.07)
        put((70, 45, 30), side * 0.30, -0.30, 0.19, 0.035)
        put((150, 95, 75), side * 0.09, 0.27, 0.045, 0.03)
    lower = 0.55 + mouth / 2
    put((175, 80, 80), 0, lower, 0.27, 0.075 + mouth / 2)
    put((50, 15, 18), 0, lower, 0.20, 0.012 + mouth / 2)
    return picture.clip(0, 255).astype(np.uint8)


def openings(seconds: float, seed: int, per_second: int = FPS) -> np.ndarray:
    """How far a mouth is open that speaks some four syllables a second. Shape: (T,), 0 to 0.3."""
    draw = np.random.default_rng(seed)
    times = np.arange(round(seconds * per_second)) / per_second
    opened, at = np.zeros(len(times)), 0.2
    while at < seconds:
        length, size = draw.uniform(0.14, 0.34), draw.uniform(0.08, 0.3)
        opened = np.maximum(opened, size * np.exp(-0.5 * ((times - at) / (length / 4)) ** 2))
        at += length + (draw.uniform(0.3, 0.8) if draw.random() < 0.15 else 0.0)
    return opened


def voice(seconds: float, seed: int) -> np.ndarray:
    """Noise as loud as that mouth is open. -> float32 (N,) at 16 kHz."""
    times = np.arange(round(seconds * RATE)) / RATE
    loud = np.interp(times * 100, np.arange(round(seconds * 100)), openings(seconds, seed, 100) / 0.3)
    noise = np.random.default_rng(seed + 1000).normal(size=len(loud))
    return (0.2 * loud * noise + 1e-4 * noise).astype(np.float32)
