"""LRS3 and VGGSound-Sparse as the sync network is trained on them: folders of clips with lists of splits.

`root` is the folder that the released code calls `data`:

    lrs3/FOLDER/pretrain/VIDEO/00018.mp4            talking heads: what is seen and heard is dense
    lrs3_train.txt, _valid.txt, _test.txt           a line each: pretrain/VIDEO/00018

    vggsound/FOLDER/VIDEO_STARTms_ENDms.mp4         10 s each
    vggsound.csv                                    VIDEO, start in seconds, class, train or test; no heading
    vggsound_sparse.csv                             the same of the clips with sparse sounds; or, instead,
    picked_sparse_classes.csv                       which classes are sparse: class, tab, y or n
    filtered_examples_vggsound/*.txt                clips that are left out, a name a line
    vggsound_valid.txt                              those of the training clips that are held out, too

    fixed_offsets_lrs3/, fixed_offsets_vggsound/    SPLIT_size21_crop5_min-2.00_max2.00.csv: path, offset_sec,
                                                    vstart_sec, what a validation or a test looks at

Where there is no list of LRS3, the paths of its fixed offsets are one; where VGGSound has none of what is
held out for validation, as many training videos of each class are drawn as are for the test.

In: such files. Out: stretches of picture and sound. Nothing is padded: clips that are too short are left
out. Doesn't know what is learnt from them.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np

from models.sync import crops
from models.sync.config import Clip
from models.sync.crops import Crop
from otio_avassist import media, windows
from otio_avassist.errors import AvAssistError, MediaError
from otio_avassist.windows import Stretch

Layout = Literal["lrs3", "vggsound", "vggsound-sparse"]
FOLDERS: dict[str, str] = {
    "lrs3": "h264_uncropped_25fps_256side_16000hz_aac",
    "vggsound": "h264_video_25fps_256side_16000hz_aac",
}
SHORTEST_S = 9.0
"""Shorter clips were dropped by the authors: they tell by their ends which offsets they have room for."""
SPEECH = "speech"
"""The class of all clips of LRS3."""
READERS = 8
"""Headers that are read at once: most of it is waiting for the disk."""


class DataError(AvAssistError):
    """A list or a clip of a training set can't be used."""


@dataclass(frozen=True)
class Item:
    """A clip."""

    name: str
    """As lists have it."""
    path: Path
    sound: str
    """Its class."""
    frames: int = 0
    """Of its picture and its sound, at the rates of the network; 0: nobody has looked."""
    samples: int = 0


@dataclass(frozen=True)
class Clips:
    """One of the splits of a set."""

    items: tuple[Item, ...]
    classes: tuple[str, ...]
    """Of the whole set, in the order of their numbers."""
    fixed: dict[str, tuple[float, float]]
    """Name -> offset and start of the picture in seconds; empty where they are drawn."""
    left_out: int = 0
    """Clips of the list that aren't there, are too short or can't be opened."""

    def __len__(self) -> int:
        return len(self.items)

    def crop(self, item: Item, clip: Clip, offsets_s: Sequence[float], rng: Random) -> Crop:
        """What a validation looks at: as the list says, or drawn.

        Raises:
            DataError: the list says something that isn't in the clip.
        """
        length = crops.equalised(item.frames, item.samples, clip)
        if item.name not in self.fixed:
            return crops.draw(length, clip, offsets_s, rng)
        offset_s, start_s = self.fixed[item.name]
        try:
            crop = crops.at(offset_s, start_s, clip, offsets_s)
        except ValueError as error:
            raise DataError(f"{item.name}: {error}") from error
        ends = (crop.first_frame + clip.frames, crop.first_sample + round(clip.window_s * clip.sample_rate))
        if ends[0] > length.frames or ends[1] > length.samples:
            raise DataError(
                f"{item.path}: a picture from {start_s:g} s and a sound {offset_s:g} s later were "
                f"asked for, and the clip has {length.frames / clip.fps:g} s"
            )
        return crop


def read(item: Item, crop: Crop, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Picture and sound of a crop. Shape: uint8 (T, H, W, 3) with short side `clip.side`, float32 (N,).

    Raises:
        DataError: they can't be decoded to their end.
    """
    try:
        picture = Stretch(item.path, crop.first_frame / clip.fps, clip.window_s)
        chunks = [
            chunk.frames
            for chunk in windows.pictures(picture, fps=clip.fps, side=clip.side)
            if chunk.frames is not None
        ]
        return np.concatenate(chunks), sound(item, crop.first_sample, clip)
    except MediaError as error:
        raise DataError(str(error)) from error


def sound(item: Item, first_sample: int, clip: Clip) -> np.ndarray:
    """The sound of a window alone. Shape: float32 (N,).

    Raises:
        DataError: it can't be decoded to its end.
    """
    stretch = Stretch(item.path, first_sample / clip.sample_rate, clip.window_s)
    try:
        return windows.read_sound(stretch, rate=clip.sample_rate)
    except MediaError as error:
        raise DataError(str(error)) from error


class Reader:
    """Reads crops, and keeps whole clips that are small enough to be kept.

    Args:
        clips: how many whole clips are kept; 0: each crop is read from its file.
    """

    def __init__(self, clip: Clip, clips: int = 0) -> None:
        self.clip, self.clips = clip, clips
        self._whole: dict[Path, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, item: Item, crop: Crop) -> tuple[np.ndarray, np.ndarray]:
        """As `read`."""
        if item.path not in self._whole:
            if len(self._whole) >= self.clips:
                return read(item, crop, self.clip)
            length = crops.equalised(item.frames, item.samples, self.clip)
            whole = replace(self.clip, window_s=length.frames / self.clip.fps)
            self._whole[item.path] = read(item, Crop(0, 0, 0.0, 0), whole)
        frames, samples = self._whole[item.path]
        count = round(self.clip.window_s * self.clip.sample_rate)
        return (
            frames[crop.first_frame : crop.first_frame + self.clip.frames],
            samples[crop.first_sample : crop.first_sample + count],
        )


# Lists


def read_clips(
    root: Path,
    layout: Layout,
    split: str,
    *,
    clip: Clip | None = None,
    offsets_s: Sequence[float] | None = None,
    folder: str | None = None,
    shortest_s: float = SHORTEST_S,
    seed: int = 1337,
) -> Clips:
    """One of a set's splits, without what can't be learnt from.

    Args:
        split: `train`, `valid` or `test`.
        clip: how long windows are and how they are read; as published by default.
        offsets_s: the grid; as published by default.
        folder: in which the clips lie, where it isn't as in `FOLDERS`.
        shortest_s: shorter clips are left out, and such as have no room for the furthest offset.
        seed: of what is held out, where no list says.

    Raises:
        DataError: no list, or no clip of it is left.
    """
    clip, offsets_s = clip or Clip(), offsets_s or crops.grid()
    family = "lrs3" if layout == "lrs3" else "vggsound"
    home = root / family / (folder or FOLDERS[family])
    fixed = _fixed(root, family, split, clip, offsets_s)
    if layout == "lrs3":
        named = [(name, SPEECH) for name in _lrs3(root, split, fixed)]
    else:
        named = _vggsound(root, layout, split, seed)
    listed = [Item(name, home / f"{name}.mp4", kind) for name, kind in named]
    least_s = max(shortest_s, crops.least_s(clip, offsets_s))
    with ThreadPoolExecutor(READERS) as readers:
        looked = list(readers.map(lambda item: _measured(item, clip, least_s), listed))
    items = tuple(item for item in looked if item is not None)
    if not items:
        raise DataError(f"{home}: none of the {len(listed)} clips of {split} is there and {least_s:g} s long")
    classes = tuple(sorted({kind for _, kind in named}))
    return Clips(items, classes, fixed, len(listed) - len(items))


def read_sets(root: Path, layout: Layout, **how: object) -> tuple[Clips, Clips]:
    """What is learnt from and what is held out meanwhile, with the classes of the former.

    Raises:
        DataError: as `read_clips`, or a class is held out that isn't learnt.
    """
    learnt, held_out = (read_clips(root, layout, split, **how) for split in ("train", "valid"))  # type: ignore[arg-type]
    return learnt, with_classes(held_out, learnt.classes)


def words(sets: Sequence[Clips]) -> str:
    """How many clips there are, and how many of the lists were left out."""
    learnt, held_out = sets
    return (
        f"{len(learnt)} clips to learn from, {len(held_out)} held out; "
        f"{sum(each.left_out for each in sets)} of the lists aren't there, or too short, and are left out"
    )


def with_classes(clips: Clips, classes: Sequence[str]) -> Clips:
    """The same clips, with the numbers that their classes have elsewhere.

    Raises:
        DataError: one of them has none.
    """
    strange = {item.sound for item in clips.items} - set(classes)
    if strange:
        raise DataError(f"{', '.join(sorted(strange))}: not learnt")
    return replace(clips, classes=tuple(classes))


def _measured(item: Item, clip: Clip, least_s: float) -> Item | None:
    """The clip with its length; None where it can't be used."""
    try:
        with media.opened(item.path) as container:
            picture = media.picture_stream(container)
            sound = next(iter(container.streams.audio), None)
            if picture is None or sound is None:
                return None
            zero_s = media.zero_s(container)
            ends_s = [
                (media.duration_s(stream) or 0.0) + media.start_s(stream) - zero_s
                for stream in (picture, sound)
            ]
    except MediaError:
        return None
    if min(ends_s) < least_s - 0.5 / clip.fps:
        return None
    return replace(item, frames=round(ends_s[0] * clip.fps), samples=round(ends_s[1] * clip.sample_rate))


def _fixed(
    root: Path, family: str, split: str, clip: Clip, offsets_s: Sequence[float]
) -> dict[str, tuple[float, float]]:
    size = f"size{len(offsets_s)}_crop{clip.window_s:g}_min{offsets_s[0]:.2f}_max{offsets_s[-1]:.2f}"
    path = root / f"fixed_offsets_{family}" / f"{split}_{size}.csv"
    if split == "train" or not path.exists():
        return {}
    try:
        rows = list(csv.DictReader(_text(path).splitlines()))
        return {_bare(row["path"]): (float(row["offset_sec"]), float(row["vstart_sec"])) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: lines are path,offset_sec,vstart_sec: {error}") from error


def _lrs3(root: Path, split: str, fixed: dict[str, tuple[float, float]]) -> list[str]:
    path = root / f"lrs3_{split}.txt"
    if path.exists():
        return [_bare(line) for line in _text(path).split()]
    # Offsets of training clips were never fixed, but their list holds the names.
    names = list(fixed)
    for table in [] if fixed else sorted((root / "fixed_offsets_lrs3").glob(f"{split}_size21_*.csv")):
        names = [_bare(row["path"]) for row in csv.DictReader(_text(table).splitlines())]
    if not names:
        raise DataError(f"{path}: no such list, and no fixed offsets in {root / 'fixed_offsets_lrs3'}")
    return names


def _vggsound(root: Path, layout: Layout, split: str, seed: int) -> list[tuple[str, str]]:
    """Names and classes of a split."""
    table = _table(root, layout)
    refused = {
        _bare(line)
        for path in sorted((root / "filtered_examples_vggsound").glob("*.txt"))
        for line in _text(path).split()
    }
    table = [row for row in table if row[0] not in refused]
    if split == "test":
        return [(name, kind) for name, _, kind, part in table if part == "test"]
    path = root / "vggsound_valid.txt"
    listed = {_bare(line) for line in _text(path).split()} if path.exists() else set()
    valid = listed or _fixed_names(root, "valid") or _held_out(table, seed)
    wanted = split == "valid"
    return [
        (name, kind)
        for name, video, kind, part in table
        if part != "test" and (name in valid or video in valid) == wanted
    ]


def _fixed_names(root: Path, split: str) -> set[str]:
    """Of clips that lists of fixed offsets name, whatever the window."""
    tables = sorted((root / "fixed_offsets_vggsound").glob(f"{split}_size*.csv"))
    return {_bare(row["path"]) for path in tables for row in csv.DictReader(_text(path).splitlines())}


def _held_out(table: list[tuple[str, str, str, str]], seed: int) -> set[str]:
    """Of each class as many training videos as it has in the test, and one at least."""
    tested = Counter(kind for _, _, kind, part in table if part == "test")
    chosen: set[str] = set()
    for kind in sorted({row[2] for row in table}):
        videos = sorted({video for _, video, each, part in table if each == kind and part != "test"})
        count = min(max(1, tested[kind]), len(videos) // 2)
        chosen.update(Random(f"{seed}-{kind}").sample(videos, count))
    return chosen


def _table(root: Path, layout: Layout) -> list[tuple[str, str, str, str]]:
    """Name, video, class, and train or test."""
    sparse = root / "vggsound_sparse.csv"
    path = sparse if layout == "vggsound-sparse" and sparse.exists() else root / "vggsound.csv"
    rows = [row for row in csv.reader(_text(path).splitlines()) if row]
    try:
        table = [
            (f"{video}_{int(start) * 1000}_{(int(start) + 10) * 1000}", video, kind, part)
            for video, start, kind, part in rows
        ]
    except ValueError as error:
        raise DataError(f"{path}: lines are VIDEO,start,class,train or test: {error}") from error
    if layout == "vggsound-sparse" and path != sparse:
        picked = root / "picked_sparse_classes.csv"
        # Names of classes have commas: the released table is parted by tabs.
        kinds = {
            line[:-1].strip(",\t ") for line in _text(picked).splitlines() if line.endswith(("\ty", ",y"))
        }
        table = [row for row in table if row[2] in kinds]
    if not table:
        raise DataError(f"{path}: no clips")
    return table


def _bare(name: str) -> str:
    return name.strip().removesuffix(".mp4")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error
