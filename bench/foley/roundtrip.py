"""What of a sound is left when it has been codes: sounds that no training has heard, there and back.

YAMNet names the sound itself and each copy of it. A copy is good where the label that is likeliest for the
sound is among the five likeliest for the copy. Beside the whole way stand its parts, in one run: the
spectrogram alone, made a sound again by Griffin-Lim; the codes and Griffin-Lim; the vocoder without codes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.foley import ear, takes
from otio_avassist import bundles, signals, sounds
from otio_avassist.errors import AvAssistError

GOAL = 0.6
LONGEST_S = 9.8
"""A little less than one window of the codebook."""
SHORTEST_S = 0.2
SUFFIXES = {".ogg", ".wav", ".flac", ".mp3", ".m4a"}

Samples = np.ndarray


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("roundtrip")
    group.add_argument(
        "--sounds", type=Path, action="append", metavar="DIR",
        help="instead of the sounds that the bundle's training kept apart",
    )  # fmt: skip
    group.add_argument("--most", type=int, default=200, metavar="N", help="sounds; the rest is left out")


def lacking(asked: argparse.Namespace) -> str:
    if not asked.sounds and takes.recordings(asked) is None:
        return takes.no_recordings(asked) + ", or --sounds DIR"
    return takes.lacking(asked)


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether enough of the sounds keep their name)."""
    network = takes.opened(takes.folder(asked), asked)
    rate = int(network.card.preprocessing["sample_rate"])
    judge = ear.Ear(asked.threads)
    rows: dict[str, list[tuple[bool, float]]] = {}
    lines = []
    for name, samples in held_out(asked, rate):
        itself = judge.hear(samples, rate)
        line: dict[str, Any] = {"sound": name, "label": itself.labels[0]}
        for row, copy in copies(network, samples).items():
            heard = judge.hear(copy, rate)
            rank = heard.rank(itself.labels[:1])
            rows.setdefault(row, []).append((rank <= ear.TOP, ear.cosine(itself.embedding, heard.embedding)))
            line[row] = rank
        lines.append(line)
    if not (count := len(lines)):
        raise SystemExit("no sounds that could be heard")
    kept = {row: sum(good for good, _ in each) for row, each in rows.items()}
    print(f"{'':26} label kept of {count}      likeness")
    for row, each in rows.items():
        likeness = float(np.mean([close for _, close in each]))
        print(f"{row:26} {kept[row]:6} ({kept[row] / count:4.0%}) {likeness:16.2f}")
    figures = {
        "sounds": count,
        "kept": {row: round(number / count, 3) for row, number in kept.items()},
        "likeness": {
            row: round(float(np.mean([close for _, close in each])), 3) for row, each in rows.items()
        },
        "ranks": lines,
    }
    whole = list(rows)[-1]
    reached = kept[whole] >= GOAL * count
    print(f"{whole}: at least {GOAL:.0%} keep their label: {'yes' if reached else 'NO'}")
    return figures, reached


def copies(network: bundles.Bundle, samples: Samples) -> Mapping[str, Samples]:
    """The ways there and back, the whole one last."""
    numbers = network.card.preprocessing
    column = int(numbers["frames_per_column"])
    mel = signals.foley_log_mel(padded(samples, column * int(numbers["hop"])))
    mel = mel[:, : mel.shape[1] // column * column][None].astype(np.float32)
    coded = network["decode"](codes=network["encode"](mel=mel)["codes"])["mel"]
    found = {
        "Griffin-Lim": signals.foley_samples(mel[0]),
        "codes, Griffin-Lim": signals.foley_samples(coded[0]),
    }
    if "vocode" in network.card.graphs:
        found["vocoder"] = network["vocode"](mel=mel)["samples"][0]
        found["codes, vocoder"] = network["vocode"](mel=coded)["samples"][0]
    return {row: copy[: len(samples)] for row, copy in found.items()}


def padded(samples: Samples, multiple: int) -> Samples:
    """With silence up to a whole number of columns."""
    return np.pad(samples, (0, -len(samples) % multiple)).astype(np.float32)


def held_out(asked: argparse.Namespace, rate: int) -> Iterator[tuple[str, Samples]]:
    """(name, float32 (N,)), without what is silent, too short or no sound; of too many, every so manieth."""
    if asked.sounds:
        found = list(_of_folders(asked.sounds, rate))
    else:
        from models.foley.compact import pool

        found = [(each.name, each.samples) for each in pool.apart(takes.recordings(asked) or [])]
    for name, samples in found[:: max(1, -(-len(found) // asked.most))]:
        samples = samples[: round(LONGEST_S * rate)]
        if len(samples) >= SHORTEST_S * rate and np.abs(samples).max() > 1e-3:
            yield name, samples


def _of_folders(folders: Sequence[Path], rate: int) -> Iterator[tuple[str, Samples]]:
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        if path.suffix.lower() in SUFFIXES:
            try:
                yield path.stem, sounds.read(path, rate=rate)
            except AvAssistError as error:
                print(f"left out: {error}")
