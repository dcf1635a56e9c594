"""Are things found when they happen? Our proposals beside plain energy, on mixtures of real sounds.

Sounds lie over backgrounds at known times and levels. Both methods have one threshold, chosen on mixtures of
other sounds; those that training has heard take no part in any.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from otio_avassist import bundles, features, signals, windows
from otio_avassist.captioner import Captioner
from otio_avassist.errors import BundleError, MediaError
from otio_avassist.tasks import captions

RATE = 16_000
LENGTH_S = 30.0
LEVELS_DB = (20.0, 10.0, 0.0)
"""Power of each event over its own length beside the background's."""
PLAYS_S = (0.08, 6.0)
"""Sounds of another length take no part."""
AUDIBLE = 0.03
"""An event reaches from its first to its last 10 ms that are so loud beside its loudest (-30 dB)."""
AT_LEAST = 0.5
SUFFIXES = {".ogg", ".wav", ".flac", ".mp3", ".m4a", ".mp4", ".mkv", ".mov"}
SPOKEN = "_desc"
"""In names of Tux Paint's spoken words, which are no sounds of things."""
PACKAGE = "tuxpaint-stamps-default"

Spans = np.ndarray
"""(n, 2) start and end in seconds."""


@dataclass(frozen=True)
class Mixture:
    samples: np.ndarray
    events: Spans


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("events")
    group.add_argument("--sounds", type=Path, action="append", metavar="DIR", help="of single sounds")
    group.add_argument(
        "--backgrounds", type=Path, action="append", metavar="DIR",
        help="of sounds that go on; noise and hum are made up without",
    )  # fmt: skip
    group.add_argument("--mixtures", type=int, default=40, metavar="N", help="at each level")


def fetch(asked: argparse.Namespace) -> None:
    """Bring the package by its own client and unpack its sounds into the folder of --sounds."""
    folder = (asked.sounds or [Path("sounds")])[0]
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True)
    (archive,) = folder.glob(f"{PACKAGE}_*.deb")
    subprocess.run(["dpkg-deb", "-x", archive.name, "."], cwd=folder, check=True)
    archive.unlink()
    print(f"{PACKAGE}: GPL-2, for measuring only; unpacked into {folder}")


def lacking(asked: argparse.Namespace) -> str:
    if not asked.sounds:
        return "name a folder of sounds: --sounds DIR (fetch brings one)"
    return ""


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether ours finds more and is right more often than energy at the lowest level)."""
    propose, card = _ours(asked.bundle)
    sounds = _usable(asked.sounds, heard_in_training(card))
    backgrounds = [*_real_backgrounds(asked.backgrounds or ()), *_made_backgrounds()]
    others = [each for name, each in sounds.items() if _third(name) == 0]
    chosen = [each for name, each in sounds.items() if _third(name) != 0]
    if len(others) < 5 or len(chosen) < 5:
        raise SystemExit(f"{len(sounds)} sounds of {PLAYS_S[0]:g} to {PLAYS_S[1]:g} s are too few to measure")
    print(
        f"{len(chosen)} sounds over {len(backgrounds)} backgrounds; thresholds chosen on {len(others)} others"
    )
    methods = {**({"ours": propose} if propose is not None else {}), **ENERGY}
    learning = {level: _mixtures(1, asked.mixtures, others, backgrounds, level) for level in LEVELS_DB}
    everything = [mixture for mixtures in learning.values() for mixture in mixtures]
    for_all = {name: _best_threshold(method, everything) for name, method in methods.items()}
    figures: dict[str, Any] = {"sounds": len(chosen), "backgrounds": len(backgrounds), "levels": {}}
    print(f"{'':12} {'level':>5} {'threshold':>10} {'recall':>7} {'precision':>9} {'onset':>8}")
    for level in LEVELS_DB:
        mixtures = _mixtures(0, asked.mixtures, chosen, backgrounds, level)
        rows = figures["levels"][f"{level:g} dB"] = {}
        for name, method in methods.items():
            for which, threshold in {
                "of all levels": for_all[name],
                "of this level": _best_threshold(method, learning[level]),
            }.items():
                row = _figures(method, mixtures, threshold)
                rows[f"{name}, threshold {which}"] = row
                print(
                    f"{name:12} {level:2.0f} dB {threshold:10.2f} {row['recall']:7.2f}"
                    f" {row['precision']:9.2f} {row['onset_ms']:5.0f} ms  threshold {which}",
                    flush=True,
                )
    return figures, propose is None or _beats_energy(figures["levels"][f"{LEVELS_DB[-1]:g} dB"])


def _beats_energy(rows: dict[str, dict[str, float]]) -> bool:
    """Both more found and more of it right, with the thresholds that would really be used."""
    ours, energy = (rows[f"{name}, threshold of all levels"] for name in ("ours", "energy"))
    reached = all(ours[each] > energy[each] for each in ("recall", "precision"))
    print(f"more found, and more of it right, at {LEVELS_DB[-1]:g} dB: {'yes' if reached else 'NO'}")
    return reached


# The two methods


Method = Callable[[np.ndarray, Sequence[float]], list[Spans]]
"""(log-mel (T, 64), thresholds) -> what is found at each threshold."""


def _ours(folder: Path | None) -> tuple[Method | None, bundles.Card | None]:
    """The proposals of the bundle as the task makes them, and its card."""
    try:
        bundle = bundles.open_bundle(bundles.find("captions", folder), device="cpu")
    except BundleError as error:
        print(f"without a network: {error}")
        return None, None
    network, options = Captioner(bundle), captions.Options()
    if not network.hears_events:
        print(f"{network.name} finds no events by sound alone")
        return None, bundle.card
    # Its own threshold is set aside: this bench chooses one for each method in the same way.
    numbers = network.numbers
    network.numbers = replace(numbers, proposals={**numbers.proposals, "threshold": 0.0})

    def propose(log_mel: np.ndarray, thresholds: Sequence[float]) -> list[Spans]:
        rows = {features.LOG_MEL: features.Rows(log_mel, 0.0, 0.01, 0.025)}
        chapter = features.Chapter(0.0, LENGTH_S, 0.0, LENGTH_S, rows)
        boxes = network.propose(chapter, most=options.max_proposals, nms=options.nms)
        return [boxes[boxes[:, 2] >= sure, :2] for sure in thresholds]

    return propose, bundle.card


def _by_energy(log_mel: np.ndarray, thresholds: Sequence[float]) -> list[Spans]:
    """Where the twelve strongest of the bands stand, on average, so far above their quiet fifth (in nats)."""
    level = _level(log_mel)
    return [_runs(level > threshold, close_s=0.06) for threshold in thresholds]


def _by_calm_energy(log_mel: np.ndarray, thresholds: Sequence[float]) -> list[Spans]:
    """The same over 50 ms, with holes of up to 0.3 s closed: as good as energy gets with some care."""
    level = np.convolve(_level(log_mel), np.full(5, 0.2), "same")
    return [_runs(level > threshold, close_s=0.3) for threshold in thresholds]


def _level(log_mel: np.ndarray) -> np.ndarray:
    above = log_mel - np.percentile(log_mel, 20, axis=0)
    return np.sort(above, axis=1)[:, -12:].mean(axis=1)


def _runs(loud: np.ndarray, *, close_s: float, least_s: float = 0.04) -> Spans:
    """Stretches of rows that are true; short holes are closed, then short stretches dropped."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(int))) / 100
    found: list[list[float]] = []
    for start, end in edges.reshape(-1, 2):
        if found and start - found[-1][1] < close_s:
            found[-1][1] = end
        else:
            found.append([start, end])
    return np.array([span for span in found if span[1] - span[0] >= least_s]).reshape(-1, 2)


NATS = tuple(np.round(np.arange(0.4, 4.01, 0.1), 2))
BELIEFS = tuple(np.round(np.arange(0.05, 0.96, 0.025), 3))
ENERGY = {"energy": _by_energy, "calm energy": _by_calm_energy}


def _best_threshold(method: Method, mixtures: Sequence[Mixture]) -> float:
    """The one of highest F1."""
    choices = NATS if method in ENERGY.values() else BELIEFS
    right, found = np.zeros(len(choices)), np.zeros(len(choices))
    for mixture in mixtures:
        for at, spans in enumerate(method(signals.yamnet_log_mel(mixture.samples), choices)):
            right[at] += len(matched(spans, mixture.events))
            found[at] += len(spans)
    true = sum(len(mixture.events) for mixture in mixtures)
    return float(choices[int(np.argmax(2 * right / np.maximum(1, found + true)))])


def _figures(method: Method, mixtures: Sequence[Mixture], threshold: float) -> dict[str, float]:
    true = found = 0
    errors_s: list[float] = []
    for mixture in mixtures:
        (spans,) = method(signals.yamnet_log_mel(mixture.samples), [threshold])
        errors_s += matched(spans, mixture.events)
        true, found = true + len(mixture.events), found + len(spans)
    return {
        "events": true,
        "recall": round(len(errors_s) / true, 3),
        "precision": round(len(errors_s) / max(1, found), 3),
        "onset_ms": round(float(np.median(errors_s)) * 1000, 1) if errors_s else float("inf"),
    }


def matched(found: Spans, true: Spans) -> list[float]:
    """How far off the onset is, in seconds, of each event that is found: one to one, best overlaps first."""
    if not len(found) or not len(true):
        return []
    both = np.minimum(found[:, None, 1], true[None, :, 1]) - np.maximum(found[:, None, 0], true[None, :, 0])
    union = np.maximum(found[:, None, 1], true[None, :, 1]) - np.minimum(found[:, None, 0], true[None, :, 0])
    overlap = np.maximum(both, 0) / union
    errors = []
    while overlap.max() >= AT_LEAST:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        errors.append(abs(float(found[row, 0] - true[column, 0])))
        overlap[row], overlap[:, column] = 0, 0
    return errors


# Sounds


def heard_in_training(card: bundles.Card | None) -> frozenset[str]:
    """Every word in what the card tells of its training: names of sounds and of packages are among them."""

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
            for each in value.values():
                yield from texts(each)
        elif isinstance(value, list | tuple):
            for each in value:
                yield from texts(each)

    told = texts(dict(card.training)) if card is not None else ()
    return frozenset(word.strip(".,:;()\"'") for text in told for word in text.split())


def _usable(folders: Sequence[Path], heard: frozenset[str]) -> dict[str, np.ndarray]:
    """Sounds that training hasn't heard, by name: peak 1, without silence around them."""
    found: dict[str, np.ndarray] = {}
    known = 0
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in SUFFIXES or SPOKEN in path.stem or "symbols" in path.parts:
                continue
            if path.stem in heard or heard & {*path.relative_to(folder).parts, folder.name}:
                known += 1
                continue
            samples = audible(_decoded(path))
            if PLAYS_S[0] <= len(samples) / RATE <= PLAYS_S[1]:
                found[path.stem] = samples
    if known:
        print(f"{known} sounds are left out: training has heard them")
    return found


def _decoded(path: Path) -> np.ndarray:
    try:
        duration_s = windows.probe(path).duration_s or 0.0
        return windows.read_sound(windows.Stretch(path, 0.0, min(duration_s, 20.0)), rate=RATE)
    except MediaError:
        return np.zeros(0, np.float32)


def audible(samples: np.ndarray) -> np.ndarray:
    """From the first to the last 10 ms that are audible, peak 1."""
    hop = RATE // 100
    tiles = samples[: len(samples) // hop * hop].reshape(-1, hop)
    level = np.sqrt((tiles**2).mean(axis=1)) if len(tiles) else np.zeros(0)
    if not level.any():
        return np.zeros(0, np.float32)
    loud = np.flatnonzero(level >= AUDIBLE * level.max())
    part = samples[loud[0] * hop : (loud[-1] + 1) * hop]
    return (part / np.abs(part).max()).astype(np.float32)


def _third(name: str) -> int:
    """0, 1 or 2: takes of one thing (bell1, bell2) fall together."""
    return hashlib.sha256(name.rstrip("0123456789_-.").encode()).digest()[0] % 3


def _real_backgrounds(folders: Sequence[Path]) -> list[np.ndarray]:
    found = []
    for folder in folders:
        paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
        for path in paths:
            samples = _decoded(path) if path.suffix.lower() in SUFFIXES else np.zeros(0, np.float32)
            if len(samples) >= 2 * RATE and samples.any():
                found.append(_looped(samples))
    return found


def _looped(samples: np.ndarray) -> np.ndarray:
    """A piece over and over, its end faded into its beginning: (LENGTH_S * RATE,)."""
    seam = RATE // 4
    rise = np.sqrt(np.linspace(0, 1, seam))
    body = samples[: len(samples) - seam].copy()
    body[:seam] = body[:seam] * rise + samples[len(samples) - seam :] * rise[::-1]
    return _even(np.resize(body, round(LENGTH_S * RATE)))


def _made_backgrounds() -> list[np.ndarray]:
    """Hiss, two duller noises, and a drone that swells."""
    rng = np.random.default_rng(7)
    count = round(LENGTH_S * RATE)
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum = np.exp(2j * np.pi * rng.random(len(hertz)))
    made = [
        np.fft.irfft(spectrum / np.maximum(hertz, 40) ** slope, count).astype(np.float32)
        for slope in (0.0, 0.5, 1.0)
    ]
    at = np.arange(count) / RATE
    drone = sum(np.sin(2 * np.pi * 70 * k * at * (1 + 0.0003 * k)) / k for k in range(1, 12))
    made.append((drone * (1 + 0.3 * np.sin(2 * np.pi * 0.1 * at)) + 0.02 * made[0]).astype(np.float32))
    return [_even(each) for each in made]


def _even(samples: np.ndarray) -> np.ndarray:
    return samples / (np.sqrt((samples**2).mean()) + 1e-9)


def _mixtures(
    seed: int, count: int, sounds: Sequence[np.ndarray], backgrounds: Sequence[np.ndarray], level_db: float
) -> list[Mixture]:
    return [
        _mixture(np.random.default_rng([seed, number]), sounds, backgrounds, level_db)
        for number in range(count)
    ]


def _mixture(
    rng: np.random.Generator, sounds: Sequence[np.ndarray], backgrounds: Sequence[np.ndarray], level_db: float
) -> Mixture:
    """Five to nine sounds one after the other; the same seed lays the same ones at every level."""
    background = backgrounds[rng.integers(len(backgrounds))]
    out = np.roll(background, int(rng.integers(len(background)))).copy()
    chosen = [sounds[at] for at in rng.permutation(len(sounds))[: rng.integers(5, 10)]]
    while sum(map(len, chosen)) > 0.7 * len(out):
        longest = max(range(len(chosen)), key=lambda at: len(chosen[at]))
        del chosen[longest]
    free = len(out) - sum(map(len, chosen))
    gaps = np.floor(rng.dirichlet(np.full(len(chosen) + 1, 2.0)) * free).astype(int)
    at, events = 0, []
    for gap, sound in zip(gaps, chosen, strict=False):
        at += int(gap)
        gain = 10 ** (level_db / 20) / np.sqrt((sound**2).mean())
        out[at : at + len(sound)] += gain * sound
        events.append((at / RATE, (at + len(sound)) / RATE))
        at += len(sound)
    return Mixture((0.5 * out / np.abs(out).max()).astype(np.float32), np.array(events))
