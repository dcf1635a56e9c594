"""Frames to WAV with networks of the published size, 0, 1, 5 and 212 features: ours beside the authors' way.

Seeded weights, nine seconds and a half of sound. The authors' way is our PyTorch modules asked as the
released code asks its own: features of 212 pictures, the whole sequence anew for every code, codebook,
vocoder; of pictures and codes a few are timed and the rest is reckoned. Ours is a bundle, asked as the task
asks it. Whatever is shown to the sampler, features are made of all pictures, in both ways.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import wave
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.foley import sampler
from bench.foley.speed import Timed
from otio_avassist import bundles, signals
from otio_avassist.features import Rows
from otio_avassist.generator import Generator

if TYPE_CHECKING:
    from export.foley import Parts

SHOWN = (0, 1, 5, sampler.FEATURES)
STEP_S = 1 / 21.5
BATCH = 8
"""Pictures at once, in both ways."""
TIMED = 16
"""Pictures whose features are timed in the authors' way."""
GOAL = 5.0
"""How many times faster at least, whatever is shown; most of what is left then is ResNet-50."""

add_arguments, lacking = sampler.add_arguments, sampler.lacking


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether ours is as much faster as it should be)."""
    import torch

    torch.set_num_threads(asked.threads)
    frames = np.random.default_rng(sampler.SEED).normal(size=(sampler.FEATURES, 3, 224, 224))
    frames = frames.astype(np.float32)
    parts = published()
    figures: dict[str, Any] = {"threads": asked.threads}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        export(parts, folder)
        rows = None
        for count in SHOWN:
            with torch.inference_mode():
                theirs = authors(parts, frames, count, folder)
            bundle = Timed(bundles.open_bundle(folder / str(count), device="cpu", threads=asked.threads))
            if count and rows is None:
                rows = looked_at(bundle, frames)
                features_s = bundle.spent["features"]
            ours = take(bundle, rows if count else None, folder)
            ours["features"] = features_s if count else 0.0
            figures[f"{count} features"] = told = {
                "authors_s": theirs,
                "ours_s": {stage: ours.get(stage, 0.0) for stage in theirs},
                "times faster": sum(theirs.values()) / sum(ours.values()),
            }
            print(f"{count} features: {told['times faster']:.1f} times faster")
            for stage, seconds in theirs.items():
                print(f"  {stage:12} {seconds:7.2f} s, ours {ours.get(stage, 0.0):6.2f} s", flush=True)
    return figures, all(figures[f"{count} features"]["times faster"] >= GOAL for count in SHOWN)


def published() -> Parts:
    """All networks, with seeded weights."""
    from export.foley import Parts
    from models.foley.codebook import Codebook
    from models.foley.config import CodebookConfig, MelGANConfig
    from models.foley.melgan import Generator as Vocoder
    from models.foley.resnet import ResNet50

    network = sampler.seeded()
    return Parts(
        network,
        Codebook(CodebookConfig()).eval(),
        {"network": "Spectrogram VQGAN, seeded", "version": "0", "training": {}, "figures": {}},
        features=_shown(sampler.FEATURES),
        vocoder=Vocoder(MelGANConfig()).eval(),
        eyes=ResNet50().eval(),
    )


def _shown(count: int) -> Mapping[str, Any] | None:
    if not count:
        return None
    return {"extractor": "resnet50", "output": "features", "step_s": STEP_S, "count": count, "width": 2048}


def export(parts: Parts, folder: Path) -> None:
    """A bundle for each number of features; all but the condition is the same in them."""
    from export.foley import condition, export_foley
    from export.graphs import write_checked

    whole = folder / str(sampler.FEATURES)
    card = export_foley(parts, whole)
    for count in SHOWN[:-1]:
        # No pictures at all are a row of noise, as published.
        parts.sampler.config = replace(parts.sampler.config, features=max(1, count))
        fewer = folder / str(count)
        fewer.mkdir()
        for graph in whole.glob("*.onnx"):
            if graph.stem != "condition":
                os.link(graph, fewer / graph.name)
        graph, _ = write_checked(fewer, "condition", condition(replace(parts, features=_shown(count))))
        replace(
            card,
            graphs={**card.graphs, "condition": graph},
            preprocessing={**card.preprocessing, "features": _shown(count)},
        ).write(fewer)


def authors(parts: Parts, frames: np.ndarray, count: int, folder: Path) -> dict[str, float]:
    """Seconds of each stage."""
    import torch

    assert parts.eyes is not None
    assert parts.vocoder is not None
    pictures = torch.from_numpy(frames[:TIMED]).split(BATCH)
    rows = torch.zeros(1, max(1, count), 2048)
    config = parts.sampler.config
    codes = torch.zeros(1, config.rows, config.columns, dtype=torch.long)
    mel = (parts.codebook.decode_codes(codes)[:, 0] + 1) / 2
    samples = parts.vocoder(mel)[0, 0].numpy()
    eyes, vocoder = parts.eyes, parts.vocoder
    look_s = sampler.quickest(lambda: [eyes(each) for each in pictures]) if count else 0.0
    return {
        "features": look_s * len(frames) / TIMED,
        "step": sampler.reckoned(parts.sampler, rows),
        "decode": sampler.quickest(lambda: (parts.codebook.decode_codes(codes)[:, 0] + 1) / 2),
        "vocode": sampler.quickest(lambda: vocoder(mel)),
        "WAV": sampler.quickest(lambda: save(folder / "theirs.wav", samples)),
    }


def looked_at(bundle: Timed, frames: np.ndarray) -> Rows:
    """Features of all pictures."""
    bundle["features"](frames=frames[:BATCH])
    bundle.spent.clear()
    found = [bundle["features"](frames=frames[at : at + BATCH]) for at in range(0, len(frames), BATCH)]
    return Rows(np.concatenate([each["features"] for each in found]), 0.0, STEP_S, STEP_S)


def take(bundle: Timed, rows: Rows | None, folder: Path) -> dict[str, float]:
    """Seconds of each stage."""
    generator = Generator(bundle)
    numbers = generator.numbers
    parts = generator.parts(numbers.columns * numbers.column_s)

    def made() -> np.ndarray:
        randoms = [np.random.default_rng(sampler.SEED)]
        pictures = iter([rows]) if rows is not None else None
        return np.concatenate(list(generator.make(parts, pictures, sound=None, randoms=randoms)), axis=1)[0]

    made()  # Graphs are read from disk once, as PyTorch's weights are.
    bundle.spent.clear()
    began = time.perf_counter()
    samples = made()
    whole_s = time.perf_counter() - began
    spent = dict(bundle.spent)
    # What isn't a graph is drawing codes by their scores.
    spent["step"] += whole_s - sum(spent.values())
    spent["WAV"] = sampler.quickest(lambda: save(folder / "ours.wav", samples))
    return spent


def save(path: Path, samples: np.ndarray) -> None:
    """16 bits, as they come."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(signals.FOLEY_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
