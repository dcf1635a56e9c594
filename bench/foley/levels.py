"""Loudness, true peak, length, ends and joins of all takes, by meters that aren't the plugin's own."""

from __future__ import annotations

import argparse
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.foley import meters, takes
from otio_avassist import sounds

PEAK_DBTP = -1.0
OFF_LU = 0.5
"""How far from the target a take may be that isn't held back by its peaks."""
HELD_BACK_DB = 0.5
"""A peak so near to the highest that is allowed holds a take back."""
SHORT_S = 0.4
"""Of less, loudness isn't defined."""


@dataclass(frozen=True)
class Level:
    name: str
    loudness_lufs: float | None
    true_peak_dbtp: float
    faults: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of `heard`."""


def lacking(asked: argparse.Namespace) -> str:
    return takes.lacking(asked)


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether all is as it should be with all takes)."""
    bundle = takes.folder(asked)
    levels = [level(take) for take in (*takes.of(bundle, asked), *takes.odd(bundle, asked))]
    faulty = [each for each in levels if each.faults]
    for each in faulty:
        print(f"{each.name}: {'; '.join(each.faults)}")
    loud = [each.loudness_lufs for each in levels if each.loudness_lufs is not None]
    figures = {
        "takes": len(levels),
        "faulty": [[each.name, *each.faults] for each in faulty],
        "loudness_lufs": _spread(loud),
        "true_peak_dbtp": _spread([each.true_peak_dbtp for each in levels]),
    }
    for name in ("loudness_lufs", "true_peak_dbtp"):
        lowest, middle, highest = figures[name]
        print(f"{name:16} {lowest:7.2f} to {highest:6.2f}, in the middle {middle:.2f}")
    print(f"{len(levels) - len(faulty)} of {len(levels)} takes without a fault")
    return figures, not faulty


def _spread(values: Sequence[float]) -> list[float]:
    return [round(float(each), 2) for each in (min(values), np.median(values), max(values))] if values else []


def level(take: takes.Made) -> Level:
    """What the file is like, and what is wrong with it."""
    rate, width, samples = read(take.path)
    loudness, peak = meters.loudness_lufs(samples), meters.true_peak_dbtp(samples)
    faults = []
    if rate != sounds.RATE or width not in (2, 3):
        faults.append(f"{rate} Hz, {8 * width} bits")
    if len(samples) != take.length:
        faults.append(f"{len(samples)} samples, not {take.length}")
    if peak > PEAK_DBTP:
        faults.append(f"peaks at {peak:.2f} dBTP")
    if take.seconds >= SHORT_S:
        target = sounds.LOUDNESS_LUFS
        if loudness is None:
            faults.append("silent")
        elif loudness > target + OFF_LU or (loudness < target - OFF_LU and peak < PEAK_DBTP - HELD_BACK_DB):
            faults.append(f"{loudness:.1f} LUFS, not {target:g}")
    clicks = meters.clicks_s(samples, rate, take.joins_s)
    faults += [f"clicks at {at_s:.2f} s" for at_s in clicks]
    return Level(take.path.stem, loudness, peak, tuple(faults))


def read(path: Path) -> tuple[int, int, np.ndarray]:
    """(samples a second, bytes of one, float64 (N,)) of a mono WAV file, by the standard library's reader."""
    with wave.open(str(path)) as file:
        width, count = file.getsampwidth(), file.getnframes()
        data = np.frombuffer(file.readframes(count), np.uint8).reshape(count, width)
        rate = file.getframerate()
    whole = np.zeros((count, 4), np.uint8)
    whole[:, 4 - width :] = data
    return rate, width, whole.view("<i4")[:, 0] / 2**31
