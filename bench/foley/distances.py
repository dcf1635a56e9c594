"""FID, KID and MKL of takes against real scenes that training never heard, by a small Melception.

Each take is paired with a real scene of the same sound. Beside the takes: those real scenes drawn anew, and
scenes of the recordings that training was given, which is the best that could be learnt; pairs of different
sounds (only MKL can tell: the clouds are the same); and takes of untrained weights. Figures compare only
within one table: Melception and N are its own.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.foley import takes, untrained
from otio_avassist import signals

COLUMNS = ("fid", "kid", "mkl", "takes", "clips")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("distances")
    group.add_argument(
        "--melception", type=Path, default=Path("runs/foley/melception/classifier.pt"), metavar="FILE",
        help="what models.foley.compact trained to judge",
    )  # fmt: skip


def lacking(asked: argparse.Namespace) -> str:
    if importlib.util.find_spec("torch") is None:
        return "Melception is PyTorch: pip install -e '.[train]'"
    if not asked.melception.is_file():
        return f"{asked.melception}: no such file: --melception FILE"
    if takes.recordings(asked) is None:
        return takes.no_recordings(asked)
    return takes.lacking(asked)


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether takes are nearer to what is real than untrained weights and than other sounds)."""
    import torch

    from models.foley import evaluate, trained

    torch.set_num_threads(asked.threads)
    config, network = trained.read_classifier(asked.melception)
    frames = int(config["classifier"]["columns"])

    def see(sounds: Sequence[np.ndarray]) -> evaluate.Seen:
        mels = [torch.from_numpy(mel_of(samples, frames))[None, None] for samples in sounds]
        return evaluate.see(network, torch.tensor(config["statistics"]), mels)

    bundle = takes.folder(asked)
    classes = {take.sound for take in takes.of(bundle, asked)}
    real = flat(takes.scenes(asked, sorted(classes), apart=True))
    names = [name for name, _ in real]
    seen = see([samples for _, samples in real])

    def row(sounds: Sequence[tuple[str, np.ndarray]], keys: Sequence[str]) -> dict[str, float]:
        return evaluate.measure(see([samples for _, samples in sounds]), keys, seen, names)

    def of_takes(folder: Path, kind: str) -> list[tuple[str, np.ndarray]]:
        sounds = {name.partition("/")[0] for name in names}
        made = [take for take in takes.of(folder, asked, kind) if take.sound in sounds]
        return [(f"{take.sound}/{(take.seed - asked.seed) % takes.SCENES}", take.samples) for take in made]

    made = of_takes(bundle, "takes")
    copy = untrained.copy(bundle, takes.temporary() / "untrained bundle")
    nobody = of_takes(copy, "untrained")
    again = flat(takes.scenes(asked, sorted(classes), apart=True, seed=1))
    learnt = [each for each in flat(takes.scenes(asked, sorted(classes), apart=False)) if each[0] in names]
    table = {
        "takes": row(made, keys(made)),
        "takes, pairs shuffled": row(made, shuffled(keys(made))),
        "untrained weights": row(nobody, keys(nobody)),
        "real, drawn anew": row(again, keys(again)),
        "real, learnt from": row(learnt, keys(learnt)),
        "real, pairs shuffled": row(again, shuffled(keys(again))),
    }
    print(f"{'':24}" + "".join(f"{column:>9}" for column in COLUMNS))
    for name, each in table.items():
        print(f"{name:24}" + "".join(f"{each[column]:9.4g}" for column in COLUMNS))
    ours = table["takes"]
    reached = all(
        (
            ours["fid"] < table["untrained weights"]["fid"],
            ours["mkl"] < table["untrained weights"]["mkl"],
            ours["mkl"] < table["takes, pairs shuffled"]["mkl"],
        )
    )
    print(f"nearer than untrained weights and than other sounds: {'yes' if reached else 'NO'}")
    return {"melception": str(asked.melception), "rows": table}, reached


def flat(scenes: dict[str, list[np.ndarray]]) -> list[tuple[str, np.ndarray]]:
    """(SOUND/NUMBER, samples)"""
    return [(f"{sound}/{at}", each) for sound, all_ in scenes.items() for at, each in enumerate(all_)]


def keys(sounds: Sequence[tuple[str, np.ndarray]]) -> list[str]:
    return [key for key, _ in sounds]


def shuffled(pairs: Sequence[str]) -> list[str]:
    """Each take's clip is now one of the next sound."""
    sounds = list(dict.fromkeys(key.partition("/")[0] for key in pairs))
    following = dict(zip(sounds, [*sounds[1:], sounds[0]], strict=True))
    return [f"{following[key.partition('/')[0]]}/{key.partition('/')[2]}" for key in pairs]


def mel_of(samples: np.ndarray, frames: int) -> np.ndarray:
    """Peak 0.8 as the real scenes have it, and so many columns. Shape: (N,) -> (80, frames)."""
    samples = 0.8 * samples / max(float(np.abs(samples).max()), 1e-6)
    wanted = frames * signals.FOLEY_HOP
    return signals.foley_log_mel(np.resize(samples, max(wanted, len(samples))))[:, :frames]
