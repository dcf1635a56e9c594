"""VAS and VGGSound as the foley networks are trained on them: spectrograms and rows of features from files.

`root` is the folder that the released code calls `data`:

    vas_train.txt, vas_valid.txt                             a line each: CLASS/NAME
    vas/features/CLASS/melspec_10s_22050hz/NAME_mel.npy      (80, 860) in [0, 1]
    vas/features/CLASS/audio_10s_22050hz/NAME.wav            for the vocoder
    vas/features/CLASS/FEATURES/NAME.pkl, or .npy            (215, d), 21.5 rows a second

    vggsound_train.txt, _valid.txt, _test.txt                a line each: VIDEO_STARTms_ENDms
    vggsound.csv                                             VIDEO, start, class, train or test; no heading
    vggsound/melspec_10s_22050hz/NAME_mel.npy, and so on as above

FEATURES is `feature_resnet50_dim2048_21.5fps`, or for BN-Inception two folders whose rows are put side by
side, `feature_rgb_bninception_dim1024_21.5fps` and `feature_flow_…`. `models.foley.prepare` fills them.

In: such files. Out: tensors of the clips that are asked for. Doesn't know what is learnt from them.
"""

from __future__ import annotations

import csv
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models import pickled
from models.training import Processes
from otio_avassist.errors import AvAssistError
from otio_avassist.whole import replacing

MELS = "melspec_10s_22050hz"
SOUNDS = "audio_10s_22050hz"
FEATURES = {
    "resnet50": ("feature_resnet50_dim2048_21.5fps",),
    "bninception": ("feature_rgb_bninception_dim1024_21.5fps", "feature_flow_bninception_dim1024_21.5fps"),
}
"""Folders whose rows, side by side, are what an extractor says of a picture."""
Layout = Literal["vas", "vggsound"]
VALID_PER_CLASS = {"dog": 128, "fireworks": 128, "baby": 128, "drum": 128}
"""Of VAS, clips that are held out; 64 of every other class."""
VIDEO_LETTERS = 11
"""Of a clip's name in VGGSound; the rest says which stretch of the video it is."""


class DataError(AvAssistError):
    """A list or an array of the training set can't be used."""


@dataclass(frozen=True)
class Size:
    """How long a clip is, 10 s as published; other sizes are for small sets."""

    frames: int = 860
    """Columns of a spectrogram."""
    crop: int = 848
    """Of which these in the middle are learnt from."""
    rows: int = 215
    """Of features."""
    rows_crop: int = 212


@dataclass(frozen=True)
class Clip:
    """A sound, its pictures, and what is heard."""

    name: str
    """As lists have it: CLASS/NAME for VAS."""
    sound: str
    """Its class."""


@dataclass(frozen=True)
class Clips:
    """One of the lists of a set: what is trained on, or what it is measured on."""

    root: Path
    layout: Layout
    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    """Of the whole set, in the order of their numbers."""
    extractor: str | None = None
    """One of `FEATURES`; None: rows of noise, which stand for no features at all."""
    size: Size = Size()

    def __len__(self) -> int:
        return len(self.clips)

    def path(self, clip: Clip, folder: str, ending: str) -> Path:
        """Where a file of this clip lies."""
        if self.layout == "vas":
            kind, _, name = clip.name.partition("/")
            return self.root / "vas" / "features" / kind / folder / f"{name}{ending}"
        return self.root / "vggsound" / folder / f"{clip.name}{ending}"

    def mels(self, items: Sequence[int]) -> Tensor:
        """Spectrograms in [0, 1], their middle. Shape: (B, 1, 80, crop)."""
        arrays = [self._mel(self.clips[item]) for item in items]
        return torch.from_numpy(np.stack(arrays)[:, None])

    def _mel(self, clip: Clip) -> np.ndarray:
        path = self.path(clip, MELS, "_mel.npy")
        mel = read_array(path)
        if mel.ndim != 2 or mel.shape[1] < self.size.crop:
            raise DataError(f"{path}: a spectrogram of {self.size.crop} columns was wanted, not {mel.shape}")
        # As published: the middle of the first 860.
        return middle(mel[:, : self.size.frames].T, self.size.crop).T.astype(np.float32)

    def targets(self, items: Sequence[int]) -> Tensor:
        """Numbers of the classes. Shape: (B,)."""
        return torch.tensor([self.classes.index(self.clips[item].sound) for item in items])

    def width(self, noise: int = 2048) -> int:
        """Numbers in a row of features; `noise` where those are noise.

        Raises:
            DataError: the first clip has none.
        """
        if self.extractor is None:
            return noise
        return self._rows(self.clips[0]).shape[1]

    def features(self, items: Sequence[int], count: int, *, width: int, seed: Sequence[int] = (0,)) -> Tensor:
        """Rows of the pictures, `count` of each clip, evenly. Shape: (B, width, count).

        Args:
            width: numbers in a row, all of them those of the files.
            seed: noise that stands for no features is another for each; published noise was, at every step.
        """
        arrays = []
        for item in items:
            clip = self.clips[item]
            if self.extractor is None:
                rng = np.random.default_rng([*seed, zlib.crc32(clip.name.encode())])
                arrays.append(rng.random((count, width), np.float32))
                continue
            rows = self._rows(clip)
            if rows.shape[1] != width:
                raise DataError(f"{clip.name}: rows of {width} numbers were wanted, not of {rows.shape[1]}")
            arrays.append(rows[evenly(len(rows), count)])
        return torch.from_numpy(np.stack(arrays)).transpose(1, 2).contiguous()  # (B, D, n) <- (B, n, D)

    def _rows(self, clip: Clip) -> np.ndarray:
        """float32 (rows_crop, d); what a short clip lacks is zeros, as published."""
        assert self.extractor is not None
        parts = [self._features_of(clip, folder) for folder in FEATURES[self.extractor]]
        if len({len(part) for part in parts}) > 1:
            raise DataError(
                f"{clip.name}: pictures and flow differ in length: {[len(part) for part in parts]}"
            )
        rows = np.concatenate(parts, axis=1)[: self.size.rows]
        filled = np.zeros((self.size.rows, rows.shape[1]), np.float32)
        filled[: len(rows)] = rows
        return middle(filled, self.size.rows_crop)

    def _features_of(self, clip: Clip, folder: str) -> np.ndarray:
        path = self.path(clip, folder, ".npy")
        rows = read_array(path) if path.exists() else pickled.read_array(path.with_name(f"{path.stem}.pkl"))
        if rows.ndim != 2:
            raise DataError(f"{path.with_suffix('')}: rows of features were wanted, not {rows.shape}")
        return rows


def read_array(path: Path) -> np.ndarray:
    """What a file of numpy holds.

    Raises:
        DataError: nothing, or objects.
    """
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error


def middle(rows: np.ndarray, count: int) -> np.ndarray:
    """`count` rows in the middle; of an odd number left over, the greater half is behind."""
    first = (len(rows) - count) // 2
    return rows[first : first + count]


def evenly(of: int, count: int) -> np.ndarray:
    """Which of so many rows are shown, each from the middle of its share: published are 1, 5, 53 and 212.

    Raises:
        DataError: more than there are.
    """
    if not 0 < count <= of:
        raise DataError(f"{count} of {of} rows of features can't be chosen")
    return np.linspace(0, of, count, endpoint=False).astype(np.int64) + of // (count + 1)


# Lists


def read_clips(
    root: Path, layout: Layout, split: str, *, extractor: str | None = None, size: Size = Size()
) -> Clips:
    """One of a set's lists.

    Raises:
        DataError: no such list, nothing in it, or a clip whose class isn't known.
    """
    path = root / f"{layout}_{split}.txt"
    names = [line.strip() for line in _text(path).splitlines() if line.strip()]
    if not names:
        raise DataError(f"{path}: no clips")
    if extractor is not None and extractor not in FEATURES:
        raise DataError(f"features by {extractor}: there are {', '.join(FEATURES)}")
    if layout == "vas":
        strange = [name for name in names if name.count("/") != 1]
        if strange:
            raise DataError(f"{path}: lines are CLASS/NAME, not {strange[0]}")
        clips = tuple(Clip(name, name.partition("/")[0]) for name in names)
        # As published: those of the list itself.
        return Clips(root, layout, clips, tuple(sorted({each.sound for each in clips})), extractor, size)
    sounds = {video: sound for video, sound, _ in _vggsound(root)}
    unknown = [name for name in names if name[:VIDEO_LETTERS] not in sounds]
    if unknown:
        raise DataError(f"{path}: {unknown[0]} and {len(unknown) - 1} more aren't in vggsound.csv")
    clips = tuple(Clip(name, sounds[name[:VIDEO_LETTERS]]) for name in names)
    return Clips(root, layout, clips, tuple(sorted(set(sounds.values()))), extractor, size)


def read_sets(
    root: Path, layout: Layout, *, extractor: str | None = None, size: Size = Size()
) -> tuple[Clips, Clips]:
    """What is learnt from, and what is held out meanwhile, with the classes of the former.

    Raises:
        DataError: as `read_clips`, or a class is held out that isn't learnt.
    """
    learnt, held_out = (
        read_clips(root, layout, split, extractor=extractor, size=size) for split in ("train", "valid")
    )
    return learnt, with_classes(held_out, learnt.classes)


def with_classes(clips: Clips, classes: Sequence[str]) -> Clips:
    """The same clips, with the numbers that their classes have elsewhere.

    Raises:
        DataError: one of them has none.
    """
    strange = {clip.sound for clip in clips.clips} - set(classes)
    if strange:
        raise DataError(f"{clips.root}: {', '.join(sorted(strange))}: not learnt")
    return replace(clips, classes=tuple(classes))


@cache
def _vggsound(root: Path) -> list[tuple[str, str, str]]:
    """Video, class, and whether it is for training or for the test."""
    path = root / "vggsound.csv"
    try:
        return [(row[0], row[2], row[3]) for row in csv.reader(_text(path).splitlines()) if row]
    except IndexError as error:
        raise DataError(f"{path}: lines are VIDEO,start,class,train or test") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error


def write_lists(root: Path, layout: Layout, *, seed: int = 1337) -> list[Path]:
    """Lists of the spectrograms that are there, where there are none yet; says which it wrote.

    VAS: the last clips of each class are held out, `VALID_PER_CLASS` as published. VGGSound: of each class as
    many training videos as there are test videos, drawn from the seed (published ones were drawn from an
    unordered set and can't be drawn again).

    Raises:
        DataError: no spectrograms, or of a video that isn't in the table.
    """
    lists: dict[str, list[str]] = {"train": [], "valid": []}
    if layout == "vas":
        by_class: dict[str, list[str]] = {}
        for path in sorted((root / "vas" / "features").glob(f"*/{MELS}/*_mel.npy")):
            by_class.setdefault(path.parent.parent.name, []).append(path.name.removesuffix("_mel.npy"))
        for kind, names in by_class.items():
            last = VALID_PER_CLASS.get(kind, 64)
            lists["train"] += [f"{kind}/{name}" for name in names[:-last]]
            lists["valid"] += [f"{kind}/{name}" for name in names[-last:]]
    else:
        lists["test"] = []
        held_out = _held_out(root, seed)
        for path in sorted((root / "vggsound" / MELS).glob("*_mel.npy")):
            name = path.name.removesuffix("_mel.npy")
            part = held_out.get(name[:VIDEO_LETTERS])
            if part is None:
                raise DataError(f"{path}: its video isn't in vggsound.csv")
            lists[part].append(name)
    if not any(lists.values()):
        raise DataError(f"{root}: no spectrograms of {layout} ({MELS}/…_mel.npy)")
    written = []
    for part, names in lists.items():
        path = root / f"{layout}_{part}.txt"
        if not path.exists():
            path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
            written.append(path)
    return written


def _held_out(root: Path, seed: int) -> dict[str, str]:
    """Which list each video of VGGSound belongs to."""
    table = _vggsound(root)
    wanted = Counter(sound for _, sound, part in table if part == "test")
    rng = np.random.default_rng(seed)
    found = {video: part for video, _, part in table}
    for sound in sorted({sound for _, sound, _ in table}):
        videos = sorted({video for video, of, part in table if of == sound and part == "train"})
        for video in rng.permutation(videos)[: wanted[sound]]:
            found[str(video)] = "valid"
    return found


# What networks are told of a set


def statistics(clips: Clips) -> np.ndarray:
    """Mean and deviation of each band of [0, 1] spectrograms, by which classifiers are fed. Shape: (80, 2).

    As published: both are taken of each clip's whole spectrogram, then averaged over clips.
    """
    total = np.zeros(0)
    for clip in clips.clips:
        mel = np.asarray(read_array(clips.path(clip, MELS, "_mel.npy")), np.float64)
        each = np.stack([mel.mean(1), mel.std(1)], 1)
        total = each if not len(total) else total + each
    return total / len(clips)


def kept_statistics(clips: Clips, folder: Path, processes: Processes) -> np.ndarray:
    """The same, from `statistics.txt` of a run's folder: they take a look at every file, but once.

    Raises:
        DataError: a file can't be read.
    """
    path = folder / "statistics.txt"
    if processes.rank == 0 and not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            np.savetxt(part, statistics(clips), fmt="%.8f")
    processes.wait()
    return read_statistics(path)


def read_statistics(path: Path) -> np.ndarray:
    """The same from a text of two columns, as they are published.

    Raises:
        DataError: not that.
    """
    try:
        table = np.loadtxt(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error
    if table.ndim != 2 or table.shape[1] != 2:
        raise DataError(f"{path}: a mean and a deviation a line were wanted, not {table.shape}")
    return table


def sound_files(folder: Path) -> list[Path]:
    """All sound files below a folder, in order.

    Raises:
        DataError: none.
    """
    endings = {".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aif", ".aiff", ".opus"}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in endings)
    if not found:
        raise DataError(f"{folder}: no sounds")
    return found
