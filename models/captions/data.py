"""ActivityNet Captions as the networks are trained on it: rows of features made beforehand, and sentences.

    train.csv, val_1.csv, val_2.csv   tab-separated: video_id, caption, start, end, duration, …; quotes are
                                      letters, as in the published vocabulary
    FOLDER/VIDEO_rgb.npy, _flow.npy   I3D, (n, 1024) each, added to one another
    FOLDER/VIDEO_vggish.npy           VGGish, (m, 128)
    speech.csv                        tab-separated: video_id, sub, start, end: what is said, for MDVC

In: such files, or arrays in their place (`models.captions.experiments` draws some). Out: batches. Which batch
a step gets follows from the seed and the step alone, so a run that was stopped goes on with the next.

Padded rows hold `PAD_VALUE`, from which the networks see where a stream ends; a video without a feature has
one row of zeros, or of noise, as MDVC was trained.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.captions.proposals import crop
from models.captions.text import PAD, Vocabulary, Words, clean, words
from otio_avassist.errors import AvAssistError

PAD_VALUE = 1.0
FILES = {"video": ("rgb", "flow"), "audio": ("vggish",)}
"""What a stream's rows are the sum of: ends of file names."""


class DataError(AvAssistError):
    """A table or an array of the training set can't be used."""


# Tables


@dataclass(frozen=True)
class Captioned:
    """A stretch of a video, and what a person wrote of it."""

    video: str
    caption: str
    start_s: float
    end_s: float
    duration_s: float
    """Of the whole video."""


@dataclass(frozen=True)
class Line:
    """What is said, from when to when."""

    text: str
    start_s: float
    end_s: float


def _rows(path: Path, *columns: str) -> list[dict[str, str]]:
    """A tab-separated table with these columns, lines as they are."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            lacking = [column for column in columns if column not in (table.fieldnames or ())]
            if lacking:
                raise DataError(f"{path}: no column {', '.join(lacking)}; there are {table.fieldnames}")
            return list(table)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error


def read_captions(path: Path) -> list[Captioned]:
    """A table of captions, cleaned, in its own order.

    Raises:
        DataError: no such file, a column is missing, or a time isn't a number.
    """
    found = []
    for number, row in enumerate(_rows(path, "video_id", "caption", "start", "end", "duration"), 2):
        try:
            times = [float(row[name]) for name in ("start", "end", "duration")]
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: line {number}: start, end and duration are seconds: {error}") from error
        found.append(Captioned(row["video_id"], clean(row["caption"]), *times))
    if not found:
        raise DataError(f"{path}: no captions")
    return found


def read_speech(path: Path) -> dict[str, list[Line]]:
    """What is said in each video; a line ends at the latest where the next begins.

    Recognised speech overlaps: each line stays on the screen while the next is already spoken.

    Raises:
        DataError: as `read_captions`.
    """
    said: dict[str, list[Line]] = {}
    for number, row in enumerate(_rows(path, "video_id", "sub", "start", "end"), 2):
        try:
            line = Line(clean(row["sub"]), float(row["start"]), float(row["end"]))
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: line {number}: start and end are seconds: {error}") from error
        said.setdefault(row["video_id"], []).append(line)
    return {video: end_before_next(lines) for video, lines in said.items()}


def end_before_next(lines: Sequence[Line]) -> list[Line]:
    """In order, each cut where the next begins."""
    ordered = sorted(lines, key=lambda line: line.start_s)
    cut = [
        replace(line, end_s=max(line.start_s, min(line.end_s, after.start_s)))
        for line, after in pairwise(ordered)
    ]
    return [*cut, *ordered[-1:]]


def said_within(lines: Sequence[Line], start_s: float, end_s: float) -> str:
    """The lines that are spoken, in part at least, from `start_s` to `end_s`."""
    return " ".join(line.text for line in lines if line.start_s < end_s and line.end_s > start_s)


# Rows


@dataclass(frozen=True)
class Features:
    """Rows of features by video and stream, from folders of files."""

    folders: Mapping[str, Path]
    """Stream, `video` or `audio` -> where its files lie."""
    widths: Mapping[str, int]
    """Numbers in a row of each stream."""
    missing: str = "zero"
    """What stands for a video that has no file: one row, `zero` or `random`."""
    noise: bool = False
    """Random rows in place of all: how much the features are worth."""
    seed: int = 0
    flow: bool = True
    """Whether a video's rows are pictures and flow, or pictures alone."""

    def rows(self, video: str, stream: str) -> np.ndarray:
        """float32 (n, d).

        Raises:
            DataError: a file isn't rows of this width.
        """
        width = self.widths[stream]
        found = self._read(video, stream)
        if found is None:
            return (
                self._noise(video, stream, 1)
                if self.missing == "random"
                else np.zeros((1, width), np.float32)
            )
        return self._noise(video, stream, len(found)) if self.noise else found

    def _read(self, video: str, stream: str) -> np.ndarray | None:
        ends = FILES[stream] if self.flow else FILES[stream][:1]
        parts = []
        for end in ends:
            path = self.folders[stream] / f"{video}_{end}.npy"
            if not path.exists():
                return None
            try:
                rows = np.load(path)
            except (OSError, ValueError, EOFError) as error:
                raise DataError(f"{path}: can't be read: {error}") from error
            if rows.ndim != 2 or rows.shape[1] != self.widths[stream]:
                raise DataError(
                    f"{path}: rows of {self.widths[stream]} numbers were wanted, not {rows.shape}"
                )
            parts.append(rows.astype(np.float32))
        shortest = min(map(len, parts))
        return sum(part[:shortest] for part in parts) if shortest else None

    def _noise(self, video: str, stream: str, count: int) -> np.ndarray:
        """The same noise for the same video, whenever it is asked for."""
        key = zlib.crc32(f"{video} {stream}".encode())
        return np.random.default_rng([self.seed, key]).random((count, self.widths[stream]), np.float32)


def _cropped(rows: np.ndarray, span: Sequence[float]) -> np.ndarray:
    """The rows of a stretch: start, end, and the whole's duration."""
    start_s, end_s, duration_s = span
    return rows[crop(len(rows), start_s, end_s, duration_s)]


def width_of(folder: Path, stream: str) -> int:
    """Numbers in a row of the stream's files there.

    Raises:
        DataError: there are none.
    """
    pattern = f"*_{FILES[stream][0]}.npy"
    first = next(iter(sorted(folder.glob(pattern))), None)
    if first is None:
        raise DataError(f"{folder}: no features {pattern}")
    try:
        return int(np.load(first, mmap_mode="r").shape[1])
    except (OSError, ValueError, EOFError, IndexError) as error:
        raise DataError(f"{first}: can't be read: {error}") from error


def pad_rows(several: Sequence[np.ndarray], length: int | None = None) -> Tensor:
    """Rows of several videos -> (B, T, d): filled up with `PAD_VALUE`, or cut, to `length` or the longest."""
    length = length or max(map(len, several))
    padded = np.full((len(several), length, several[0].shape[1]), PAD_VALUE, np.float32)
    for place, rows in zip(padded, several, strict=True):
        place[: min(len(rows), length)] = rows[:length]
    return torch.from_numpy(padded)


def pad_tokens(several: Sequence[Sequence[int]]) -> Tensor:
    """Sentences of numbers -> int64 (B, S), filled up with the padding's number."""
    padded = torch.full((len(several), max(map(len, several))), PAD, dtype=torch.int64)
    for place, numbers in zip(padded, several, strict=True):
        place[: len(numbers)] = torch.tensor(numbers)
    return padded


# Batches


@dataclass(frozen=True)
class CaptionBatch:
    """Segments and what is written of them."""

    streams: dict[str, Tensor]
    """`audio` (B, Ta, da), `video` (B, Tv, dv), and for MDVC `speech` (B, Ts) int64."""
    captions: Tensor
    """(B, S) int64, from the start sign to the end sign, padded."""


@dataclass(frozen=True)
class ProposalBatch:
    """Whole videos and where people saw events."""

    streams: dict[str, Tensor]
    targets: Tensor
    """(M, 3) float32: which video of the batch, centre and length in seconds."""
    durations_s: Tensor
    """(B,)."""


@dataclass(frozen=True)
class Material:
    """A table of captions with the features of its videos, and the words by which both become numbers."""

    table: Sequence[Captioned]
    features: Features
    streams: tuple[str, ...]
    """Which of `audio`, `video`, `speech` a network is given."""
    vocabulary: Vocabulary
    split: Words = words
    speech: Mapping[str, Sequence[Line]] = field(default_factory=dict)
    speech_vocabulary: Vocabulary | None = None
    aligned: bool = False
    """Whether sound and picture have a row for the same stretch and the longer is cut, as MDVC wants."""
    max_words: int | None = None

    def segments(self, chosen: Sequence[Captioned]) -> dict[str, Tensor]:
        """The streams of these stretches, as one batch."""
        return self._streams([(each.video, each.start_s, each.end_s, each.duration_s) for each in chosen])

    def _streams(self, spans: Sequence[tuple[str, float, float, float]]) -> dict[str, Tensor]:
        rows = {
            stream: [_cropped(self.features.rows(video, stream), span) for video, *span in spans]
            for stream in self.streams
            if stream != "speech"
        }
        if self.aligned and {"audio", "video"} <= rows.keys():
            shortest = [min(map(len, both)) for both in zip(rows["audio"], rows["video"], strict=True)]
            rows = {
                stream: [each[:count] for each, count in zip(several, shortest, strict=True)]
                for stream, several in rows.items()
            }
        found = {stream: pad_rows(several) for stream, several in rows.items()}
        if "speech" in self.streams:
            if self.speech_vocabulary is None:
                raise ValueError("speech needs a vocabulary of its own")
            found["speech"] = pad_tokens(
                [
                    self.speech_vocabulary.encode(
                        said_within(self.speech.get(video, ()), *span[:2]), self.split
                    )
                    for video, *span in spans
                ]
            )
        return found

    @cached_property
    def numbers(self) -> list[list[int]]:
        """The captions of the table as numbers."""
        return [
            self.vocabulary.encode(each.caption, self.split, max_words=self.max_words) for each in self.table
        ]

    def batch(self, items: Sequence[int]) -> CaptionBatch:
        """These lines of the table."""
        captions = pad_tokens([self.numbers[at] for at in items])
        return CaptionBatch(self.segments([self.table[at] for at in items]), captions)

    def predicted(self, items: Sequence[int]) -> int:
        """How many words these lines have to say, the end signs counted: what a loss is shared by."""
        return sum(len(self.numbers[at]) - 1 for at in items)

    @cached_property
    def videos(self) -> list[tuple[str, float, list[Captioned]]]:
        """Each video once: its name, its duration, and its events."""
        by_video: dict[str, list[Captioned]] = {}
        for each in self.table:
            by_video.setdefault(each.video, []).append(each)
        return [(video, events[0].duration_s, events) for video, events in by_video.items()]

    def whole(self, chosen: Sequence[int], pad_to: Mapping[str, int]) -> ProposalBatch:
        """These videos whole, each stream of `pad_to` rows."""
        held = [self.videos[at] for at in chosen]
        streams = {
            stream: pad_rows([self.features.rows(video, stream) for video, _, _ in held], pad_to[stream])
            for stream in self.streams
            if stream != "speech"
        }
        targets = [
            (at, (each.start_s + each.end_s) / 2, each.end_s - each.start_s)
            for at, (_, _, events) in enumerate(held)
            for each in events
            if each.end_s > each.start_s
        ]
        return ProposalBatch(
            streams,
            torch.tensor(targets, dtype=torch.float32).reshape(-1, 3),
            torch.tensor([duration_s for _, duration_s, _ in held]),
        )

    def lengths_s(self) -> np.ndarray:
        """How long people's events are: what anchors are found among."""
        spans = np.array([each.end_s - each.start_s for each in self.table])
        return spans[spans > 0]
