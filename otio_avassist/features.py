"""Pictures and sound as they stream by -> rows of numbers on a regular grid, which captioning networks eat.

Each stream of a network is made by an extractor: windows of pictures or sound become the inputs of a graph,
which is asked about many of them at once; some need no graph. Whatever pieces the media comes in, the rows
are the same. A long film is given chapter by chapter, and what no later chapter needs is let go: memory
doesn't grow with length. Training makes its features by the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from pathlib import Path
from typing import Any, Literal

import numpy as np

from otio_avassist import signals, windows
from otio_avassist.errors import BundleError, MediaError, first_line

SOUND_RATE = 16_000
"""Samples a second of all sound here."""
LOUDNESS, BRIGHTNESS, LOG_MEL, SAMPLES = "loudness", "brightness", "log-mel", "samples"
"""Streams that need no network."""
FILE = "file"
"""A stream that stands in a file beside the media, whoever made it."""


@dataclass(frozen=True)
class Rows:
    """Features of a stretch, float32 (n, d): row k covers `length_s` from `start_s` + k * `step_s` on."""

    values: np.ndarray
    start_s: float
    """In media seconds."""
    step_s: float
    length_s: float

    @property
    def end_s(self) -> float:
        """Where the first row that isn't here would begin."""
        return self.start_s + len(self.values) * self.step_s

    def crop(self, from_s: float, to_s: float) -> np.ndarray:
        """The rows of a stretch, at least one; where there are none at all, one of zeros.

        Counted as the published networks count them: from the row in which the stretch begins up to, and
        without, the one in which it ends. Shape: (m, d).
        """
        count = len(self.values)
        if not count:
            return np.zeros((1, self.values.shape[1]), np.float32)
        first = min(max(0, self._row(from_s)), count - 1)
        end = min(max(first + 1, self._row(to_s)), count)
        return self.values[first:end]

    def between(self, from_s: float, to_s: float) -> Rows:
        """The rows that begin in a stretch; there may be none."""
        first, end = (
            min(max(0, ceil((at_s - self.start_s) / self.step_s - 1e-6)), len(self.values))
            for at_s in (from_s, to_s)
        )
        return replace(self, values=self.values[first:end], start_s=self.start_s + first * self.step_s)

    def _row(self, at_s: float) -> int:
        return floor((at_s - self.start_s) / self.step_s + 1e-6)


@dataclass(frozen=True)
class Extractor:
    """How windows of sound or pictures become the inputs of a graph, or rows where there is no graph."""

    kind: Literal["sound", "picture"]
    inputs: Callable[[np.ndarray, int, int], np.ndarray]
    """(units, hop, count) -> what the graph eats about `count` windows, axis 0 counts them."""
    input: str = ""
    """The graph's name for it; empty where no graph is asked."""
    fps: float | None = None
    """Pictures a second; None: one a row."""
    side: int = 224
    """Pixels of the pictures' short side."""
    span: int | None = None
    """Samples or pictures of one window; None: as long as a row."""
    batch: int = 64
    """How many windows are asked about at once."""
    end: Literal["drop", "pad", "cycle"] = "drop"
    """What becomes of the last window where it isn't whole: it is left out, filled up with silence, or played
    again and again. One that is the only one is never left out."""
    end_part: float = 0.25
    """Less than this of a window isn't filled up."""


def _yamnet(samples: np.ndarray, hop: int, count: int) -> np.ndarray:
    """(n, 1, 96, 64): patches of 96 rows of 10 ms."""
    rows = signals.yamnet_log_mel(samples)
    patches = np.lib.stride_tricks.sliding_window_view(rows, 96, axis=0)[:: hop // 160][:count]
    return np.moveaxis(patches, 2, 1)[:, None]  # (n, 1, 96, 64) <- (n, 64, 96)


def _vggish(samples: np.ndarray, hop: int, count: int) -> np.ndarray:
    """(n, 1, 96, 64)."""
    if hop == 96 * 160:
        return signals.vggish_log_mel(samples)[:count, None]
    each = [signals.vggish_log_mel(samples[at * hop : at * hop + PATCH])[:1] for at in range(count)]
    return np.concatenate(each)[:, None]


def efficientnet_floats(frames: np.ndarray) -> np.ndarray:
    """Pictures as EfficientNet-lite wants them: the square in the middle, channels first, about -1 to 1.

    Shape: uint8 (n, H, W, 3) RGB, 224 or more a side -> float32 (n, 3, 224, 224).
    """
    square = np.moveaxis(signals.crop_centre(frames, 224), -1, 1)
    floats = np.subtract(square, 127.0, dtype=np.float32, order="C")
    floats /= 128
    return floats


def _resnet(frames: np.ndarray, hop: int, count: int) -> np.ndarray:
    """(n, 3, 224, 224)."""
    return signals.imagenet_floats(signals.crop_centre(frames, 224))


def _i3d(frames: np.ndarray, hop: int, count: int) -> np.ndarray:
    """(n, 3, T, 224, 224), -1 to 1: stacks of pictures."""
    span = len(frames) - (count - 1) * hop
    return np.stack([signals.i3d_floats(frames[at * hop : at * hop + span]) for at in range(count)])


def _loudness(samples: np.ndarray, hop: int, count: int) -> np.ndarray:
    """(n, 1): root mean square."""
    tiles = samples[: count * hop].reshape(count, hop)
    return np.sqrt((tiles**2).mean(axis=1, keepdims=True))


def _brightness(frames: np.ndarray, hop: int, count: int) -> np.ndarray:
    """(n, 1): luma that all but the brightest hundredth of a picture stay below, 0 to 1."""
    luma = frames[:, ::4, ::4] @ signals.LUMA
    return np.quantile(luma.reshape(len(luma), -1), 0.99, axis=1, keepdims=False)[:, None] / 255


PATCH = 95 * 160 + 400
"""Samples that 96 rows of a log-mel spectrogram see."""

EXTRACTORS: Mapping[str, Extractor] = {
    "yamnet": Extractor("sound", _yamnet, "log_mel", span=PATCH, end="pad"),
    "vggish": Extractor("sound", _vggish, "log_mel", span=PATCH, batch=16),
    "efficientnet-lite0": Extractor(
        "picture", lambda frames, hop, count: efficientnet_floats(frames), "frames", span=1, batch=8
    ),
    "resnet50": Extractor("picture", _resnet, "frames", side=256, span=1, batch=8),
    # The pictures are made by a 25 fps grid, a stack after the other; the last one may be a fifth only.
    "i3d": Extractor("picture", _i3d, "frames", fps=25.0, side=256, batch=1, end="cycle", end_part=0.2),
    LOG_MEL: Extractor(
        "sound", lambda samples, hop, count: signals.yamnet_log_mel(samples)[:count], span=400, batch=1000
    ),
    LOUDNESS: Extractor("sound", _loudness, end="pad"),
    BRIGHTNESS: Extractor("picture", _brightness, side=64, span=1, batch=8),
    SAMPLES: Extractor("sound", lambda samples, hop, count: samples[: count * hop].reshape(count, hop)),
}
"""By the name that a card's streams give them."""

GRAPHS = {"i3d": "i3d_rgb", "resnet50": "features"}
"""Extractors whose graph has another name than they themselves."""


@dataclass(frozen=True)
class Stream:
    """One stream of features that is wanted."""

    extractor: str
    step_s: float
    length_s: float
    width: int
    output: str = ""
    """Of the graph; several joined by + stand side by side in a row."""
    flow: str = ""
    """Of optical flow, which published networks add to what pictures give: "file", "none", or not wanted."""

    @classmethod
    def from_card(cls, data: Any, where: str, also: Collection[str] = ()) -> Stream:
        """Raises BundleError naming `where` and what is wrong; `also`: extractors that the caller has."""
        try:
            found = cls(
                str(data["extractor"]), float(data["step_s"]), float(data["length_s"]), int(data["width"]),
                output=str(data.get("output", "")), flow=str(data.get("flow", "")),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{where}: wanted extractor, step_s, length_s, width, there is {data!r}: {first_line(error)}"
            ) from None
        if found.extractor not in (known := (*EXTRACTORS, *also)):
            raise BundleError(f"{where}: no such extractor: {found.extractor}; there is: {', '.join(known)}")
        if not min(found.step_s, found.length_s, found.width) > 0:
            raise BundleError(f"{where}: step_s, length_s and width must be more than 0")
        return found

    @property
    def how(self) -> Extractor:
        return EXTRACTORS[self.extractor]

    @property
    def per_second(self) -> float:
        """Units of media: samples, or pictures on the grid."""
        if self.how.kind == "sound":
            return SOUND_RATE
        return self.how.fps or 1 / self.step_s


PLAIN: Mapping[str, Stream] = {
    LOG_MEL: Stream(LOG_MEL, 0.01, 0.025, 64),
    LOUDNESS: Stream(LOUDNESS, 0.1, 0.1, 1),
    BRIGHTNESS: Stream(BRIGHTNESS, 0.5, 0.5, 1),
    SAMPLES: Stream(SAMPLES, 0.1, 0.1, 1600),
}
"""Streams that need no network, at the steps that are usual here."""

Ask = Callable[..., Mapping[str, np.ndarray]]
"""A graph: inputs by name -> outputs by name. `bundles.Model` is one."""


class Extraction:
    """One stream being made: units of media go in piece by piece, rows come out.

    Args:
        stream: what is wanted.
        ask: the extractor's graph; None where it has none.
        start_s: media seconds of the first unit.
    """

    def __init__(self, stream: Stream, ask: Ask | None, start_s: float = 0.0) -> None:
        self._stream, self._ask = stream, ask
        how, per_second = stream.how, stream.per_second
        self._hop = max(1, round(stream.step_s * per_second))
        self._span = how.span or max(1, round(stream.length_s * per_second))
        self._waiting: list[np.ndarray] = []
        self._units = 0
        self._empty = True
        self._ended = False
        self._parts: list[np.ndarray] = []
        self._start_s = start_s

    @property
    def reached_s(self) -> float:
        """All rows that begin before are there."""
        return np.inf if self._ended else self.rows.end_s

    @property
    def rows(self) -> Rows:
        """All rows so far, without those that were let go."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        values = self._parts[0] if self._parts else np.zeros((0, self._stream.width), np.float32)
        return Rows(values, self._start_s, self._stream.step_s, self._stream.length_s)

    def see(self, units: np.ndarray) -> None:
        """More samples (N,) or pictures (T, H, W, 3), which follow on those before."""
        self._waiting.append(units)
        self._units += len(units)
        while self._whole >= self._stream.how.batch:
            self._take(self._stream.how.batch)

    def end(self) -> None:
        """Nothing more comes."""
        if self._whole:
            self._take(self._whole)
        how, left = self._stream.how, self._units
        # A window that overlaps those before has something of its own only behind them.
        own = left if self._empty else left - max(0, self._span - self._hop)
        enough = own >= how.end_part * min(self._hop, self._span) and how.end != "drop"
        if own > 0 and (self._empty or enough):
            units = self._gathered()
            if how.end == "cycle" or how.kind == "picture":
                units = np.resize(units, (self._span, *units.shape[1:]))
            else:
                units = np.concatenate([units, np.zeros(self._span - len(units), units.dtype)])
            self._waiting, self._units = [units], self._span
            self._take(1)
        self._waiting, self._units, self._ended = [], 0, True

    def forget(self, before_s: float) -> None:
        """Let go of rows that begin before."""
        kept = self.rows.between(before_s, self.rows.end_s)
        # A copy, so that the rest of the array is really let go.
        self._parts, self._start_s = [kept.values.copy()], kept.start_s

    @property
    def _whole(self) -> int:
        return max(0, (self._units - self._span) // self._hop + 1)

    def _gathered(self) -> np.ndarray:
        if len(self._waiting) > 1:
            self._waiting = [np.concatenate(self._waiting)]
        return self._waiting[0]

    def _take(self, count: int) -> None:
        """Make rows of the first windows that wait."""
        units, used = self._gathered(), count * self._hop
        given = self._stream.how.inputs(units[: (count - 1) * self._hop + self._span], self._hop, count)
        self._parts.append(np.asarray(self._asked(given), np.float32))
        # A copy: a view would keep all that is used up.
        self._waiting, self._units = [units[used:].copy()], max(0, self._units - used)
        self._empty = False

    def _asked(self, given: np.ndarray) -> np.ndarray:
        if self._ask is None:
            return given
        outputs = self._ask(**{self._stream.how.input: given})
        names = [name for name in self._stream.output.split("+") if name] or list(outputs)[:1]
        missing = [name for name in names if name not in outputs]
        if missing:
            raise BundleError(
                f"{self._stream.extractor}: wanted {', '.join(missing)} of it, it gives {', '.join(outputs)}"
            )
        rows = np.concatenate([outputs[name].reshape(len(given), -1) for name in names], axis=1)
        if rows.shape[1] != self._stream.width:
            raise BundleError(
                f"{self._stream.extractor}: wanted rows of {self._stream.width}, it gives {rows.shape[1]}"
            )
        return rows


@dataclass(frozen=True)
class Chapter:
    """A part of a stretch, with all its rows."""

    start_s: float
    """In media seconds, as all here."""
    end_s: float
    answers_from_s: float
    answers_to_s: float
    """Chapters overlap, so that no seam cuts anything in two; each answers for what has its middle here."""
    rows: Mapping[str, Rows]
    cuts_s: tuple[float, ...] = ()
    problem: str = ""
    """Why the media ends before it should."""


def chapter_ends(
    start_s: float, end_s: float, chapter_s: float, overlap_s: float
) -> list[tuple[float, float]]:
    """(start, end) of the chapters of a stretch: of at most `chapter_s`, each begins `overlap_s` before the
    last one ends; the last is as long as the others, where there is so much."""
    found = [(start_s, min(end_s, start_s + chapter_s))]
    while found[-1][1] < end_s - 1e-6:
        next_s = found[-1][1] - overlap_s
        found.append((next_s, min(end_s, next_s + chapter_s)))
    if len(found) > 1:
        found[-1] = (max(start_s, end_s - chapter_s), end_s)
    return found


def chapters(
    coming: Iterator[windows.Window],
    streams: Mapping[str, Stream],
    asks: Mapping[str, Ask],
    ends_s: Sequence[tuple[float, float]],
    *,
    cuts: windows.CutFinder | None = None,
    tick: Callable[[float], None] = lambda seconds: None,
) -> Iterator[Chapter]:
    """The chapters of one stretch, as soon as all rows of one are there.

    Args:
        coming: pictures and sound as `windows.blocks` gives them; its error is the last chapter's problem.
        streams: what is wanted, by name. Streams of pictures share one grid: see `picture_grid`.
        asks: graphs by the name of a stream.
        ends_s: of the chapters, as `chapter_ends` gives them.
        cuts: is being shown the pictures of `coming`.
        tick: told how many seconds of media have been looked at.
    """
    first_s = ends_s[0][0]
    fps = picture_grid(streams)[0]
    every = {
        name: max(1, round(fps / stream.per_second))
        for name, stream in streams.items()
        if stream.how.kind == "picture"
    }
    running = {name: Extraction(stream, asks.get(name), first_s) for name, stream in streams.items()}
    waiting = list(ends_s)
    number, pictures_seen, problem = 0, 0, ""

    def ready() -> Iterator[Chapter]:
        nonlocal number
        while waiting and all(each.reached_s >= waiting[0][1] for each in running.values()):
            start_s, end_s = waiting.pop(0)
            yield _chapter(
                running, number, start_s, end_s, ends_s, first_s, cuts, problem if not waiting else ""
            )
            number += 1
            if waiting:
                for each in running.values():
                    each.forget(waiting[0][0])

    try:
        for block in coming:
            for name, stream in streams.items():
                if stream.how.kind == "sound" and block.samples is not None:
                    running[name].see(block.samples)
                elif stream.how.kind == "picture" and block.frames is not None:
                    running[name].see(block.frames[-pictures_seen % every[name] :: every[name]])
            pictures_seen += len(block.frames) if block.frames is not None else 0
            tick(block.start_s)
            yield from ready()
    except MediaError as error:
        problem = str(error)
    for each in running.values():
        each.end()
    yield from ready()


def _chapter(
    running: Mapping[str, Extraction],
    number: int,
    start_s: float,
    end_s: float,
    ends_s: Sequence[tuple[float, float]],
    first_s: float,
    cuts: windows.CutFinder | None,
    problem: str,
) -> Chapter:
    cuts_s = [first_s + at_s for at_s in cuts.cuts_s] if cuts is not None else []
    return Chapter(
        start_s,
        end_s,
        start_s if number == 0 else (start_s + ends_s[number - 1][1]) / 2,
        end_s if number + 1 == len(ends_s) else (end_s + ends_s[number + 1][0]) / 2,
        {name: each.rows.between(start_s, end_s) for name, each in running.items()},
        tuple(at_s for at_s in cuts_s if start_s < at_s < end_s),
        problem,
    )


def picture_grid(streams: Mapping[str, Stream]) -> tuple[float, int]:
    """(pictures a second, pixels of the short side) that serve all streams of pictures.

    Raises:
        BundleError: two streams want rates of which one isn't a multiple of the other.
    """
    pictures = [stream for stream in streams.values() if stream.how.kind == "picture"]
    fps = max((stream.per_second for stream in pictures), default=2.0)
    for stream in pictures:
        times = fps / stream.per_second
        if abs(times - round(times)) > 1e-6:
            raise BundleError(
                f"streams of {fps:g} and of {stream.per_second:g} pictures a second don't share a grid"
            )
    return fps, max((stream.how.side for stream in pictures), default=64)


def flow_file(media: Path) -> Path:
    """Where optical flow features of a media file are looked for: `film_flow.npy` beside `film.mp4`."""
    return media.with_name(f"{media.stem}_flow.npy")


def rows_file(media: Path) -> Path:
    """Where rows of the extractor `FILE` are looked for: `film_features.npy` beside `film.mp4`."""
    return media.with_name(f"{media.stem}_features.npy")


def add_flow(rows: Rows, flow: np.ndarray) -> Rows:
    """Rows of pictures with those of optical flow summed; `flow` (n, d) counts from the file's zero.

    Rows that the flow has nothing for stay as they are, as if their flow were zero.
    """
    at = np.round((rows.start_s + rows.step_s * np.arange(len(rows.values))) / rows.step_s).astype(int)
    known = at < len(flow)
    values = rows.values.copy()
    values[known] += flow[at[known]]
    return replace(rows, values=values)


def read_rows(path: Path, width: int, what: str = "features") -> np.ndarray:
    """Float32 (n, width), counted from the file's zero.

    Raises:
        MediaError: no such array there.
    """
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise MediaError(f"{path.name}: not an array of {what}: {first_line(error)}") from error
    if rows.ndim != 2 or rows.shape[1] != width:
        raise MediaError(f"{path.name}: wanted {what} (rows, {width}), there is {rows.shape}")
    return rows.astype(np.float32)
