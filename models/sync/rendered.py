"""Sets of rendered clips in the layouts of LRS3 and VGGSound-Sparse: to try a training by.

In: a folder and counts. Out: `data`'s files: talking heads (dense) as LRS3, and bounces, hammers and lamps
(sparse) as VGGSound-Sparse, their lists and tables. The scenes are those of `models.data`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from models.data.noises import RATE
from models.data.scenes import EASY, FPS, Recipe, Scene, render
from models.sync.data import FOLDERS

SPARSE_KINDS = {"bounce": "striking bowling", "hammer": "hammering nails", "flash": "people sneezing"}
"""What is rendered -> which sparse class it stands for."""
SPLITS = ("train", "valid", "test")


def write(path: Path, scene: Scene) -> None:
    """A scene as a file: H.264 that hides nothing, and AAC at 16 kHz as the released sets have it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as container:
        picture = container.add_stream("libx264", rate=FPS, options={"crf": "10"})
        picture.height, picture.width, picture.pix_fmt = *scene.frames.shape[1:3], "yuv420p"
        picture.thread_count = 1
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        for index, frame in enumerate(scene.frames):
            image = av.VideoFrame.from_ndarray(frame, format="rgb24")
            image.pts, image.time_base = index, Fraction(1, FPS)
            container.mux(picture.encode(image))
        container.mux(picture.encode(None))
        block = av.AudioFrame.from_ndarray(scene.samples[None].astype(np.float32), "fltp", "mono")
        block.sample_rate, block.pts, block.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))


def dense(root: Path, counts: Sequence[int], *, recipe: Recipe = EASY, seed: int = 0) -> None:
    """So many talking heads to learn from, to validate and to test with, as LRS3."""
    recipe = replace(recipe, kinds=("mouth",))
    number = 0
    for split, count in zip(SPLITS, counts, strict=True):
        names = [f"pretrain/rendered{seed:03d}/{number + each:05d}" for each in range(count)]
        for name in names:
            write(root / "lrs3" / FOLDERS["lrs3"] / f"{name}.mp4", render(_seed(seed, number), recipe))
            number += 1
        (root / f"lrs3_{split}.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def sparse(
    root: Path,
    counts: Sequence[int],
    *,
    kinds: Sequence[str] = tuple(SPARSE_KINDS),
    recipe: Recipe = EASY,
    seed: int = 0,
) -> None:
    """So many clips of each kind to learn from, to validate and to test with, as VGGSound-Sparse."""
    rows, held_out = [], []
    number = 0
    for kind in kinds:
        for split, count in zip(SPLITS, counts, strict=True):
            for _ in range(count):
                # Eleven letters, as a video's name has; each clip is of a video of its own.
                video, start = f"r{seed % 100:02d}_{number:07d}", 10 * (number % 5)
                name = f"{video}_{start * 1000}_{start * 1000 + 10_000}"
                path = root / "vggsound" / FOLDERS["vggsound"] / f"{name}.mp4"
                write(path, render(_seed(seed, 500_000 + number), replace(recipe, kinds=(kind,))))
                part = "test" if split == "test" else "train"
                rows.append(f"{video},{start},{SPARSE_KINDS[kind]},{part}\n")
                if split == "valid":
                    held_out.append(name)
                number += 1
    (root / "vggsound_sparse.csv").write_text("".join(rows), encoding="utf-8")
    (root / "vggsound_valid.txt").write_text("".join(f"{name}\n" for name in held_out), encoding="utf-8")


def _seed(seed: int, number: int) -> int:
    return 70_000_000 + seed * 1_000_000 + number
