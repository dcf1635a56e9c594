"""(path, seconds) -> pictures and sound, true to their time stamps. Knows no timeline.

Pictures come on a regular grid of frames, sound on a regular grid of samples; both grids start at the
second that was asked for, counted from the file's first picture (its first sample where there is no
picture). All is streamed: memory doesn't grow with the length of a stretch. Interlaced pictures come as
they are stored.

What lies before the file's zero, or beyond the end that its header names, is silence and the nearest
picture. A file that ends before its header says gives all that can be decoded, then raises MediaError.
Packets that can't be decoded leave the last picture standing, and silence in the sound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from otio_avassist.errors import MediaError
from otio_avassist.grids import CutFinder, PictureGrid, SoundGrid, time_s
from otio_avassist.media import (
    MediaInfo,
    SoundStream,
    duration_s,
    opened,
    packets,
    picture_stream,
    probe,
    start_s,
    zero_s,
)

__all__ = [
    "CutFinder",
    "MediaInfo",
    "SoundStream",
    "Stretch",
    "Window",
    "blocks",
    "pictures",
    "probe",
    "read_sound",
    "sounds",
    "to_jpeg",
    "windows",
]

SEEK_BEFORE_S = (2.0, 30.0, inf)
"""How far before the start to seek, further and further until something from before the start is found."""
INTERLEAVE_S = 5.0
"""Sound that stands so much behind its picture in the file is taken for silence, so that nothing piles up."""
AHEAD = 6
"""Frames that are decoded ahead: enough to keep the decoder busy, few enough to cost little memory."""
ONE_PASS_S = 1.0
"""Stretches of one file that start no further apart are read together."""
DECODER_THREADS = 0
"""Of one decoder; 0: as many as it likes. Who decodes in several processes at once shares the cores out."""
MISSING_S = 0.5
"""A stream may end so much before its header says."""


@dataclass(frozen=True)
class Window:
    """Pictures and sound of one stretch."""

    start_s: float
    frames: np.ndarray | None
    """uint8 (T, H, W, 3) RGB at the asked fps; frame k is what is shown at start_s + k / fps."""
    samples: np.ndarray | None
    """float32 (N,) mono in [-1, 1]; sample n is heard at start_s + n / rate."""


@dataclass(frozen=True)
class Stretch:
    """A piece of one file to decode, in seconds from the file's zero."""

    path: Path
    start_s: float
    duration_s: float
    stream: int | None = None
    """Which sound stream, counted among sound streams; None: the first."""
    channel: int | None = None
    """Which channel of it; None: all, mixed down."""
    start_number: int | None = None
    """Of an image sequence (`path` is a printf pattern): the number of its first picture."""
    sequence_fps: float | None = None

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s


def pictures(stretch: Stretch, *, fps: float, side: int) -> Iterator[Window]:
    """Stream a stretch's pictures in chunks of about a second; `samples` is None.

    Args:
        stretch: what to look at.
        fps: of the grid that the pictures are put on.
        side: pixels of the short side; the other keeps the shape, both are even.

    Raises:
        MediaError: no picture in the file; or, after all that could be decoded was given, the file ends
            before its header says.
    """
    yield from _blocks(stretch, None, fps=fps, side=side, rate=0)


def sounds(stretch: Stretch, *, rate: int) -> Iterator[Window]:
    """Stream a stretch's sound in chunks of about a second, mixed down to mono at `rate`; `frames` is None.

    Raises:
        MediaError: no such stream or channel; or, after all that could be decoded was given, the file ends
            before its header says.
    """
    yield from _blocks(None, stretch, fps=0, side=0, rate=rate)


def blocks(
    picture: Stretch | None,
    sound: Stretch | None,
    *,
    fps: float,
    side: int,
    rate: int,
    cuts: CutFinder | None = None,
) -> Iterator[Window]:
    """Stream pictures and sound as they come: blocks of about a second, each with frames or with samples.

    `Window.start_s` counts from the start of the stretches, which begin together. What is left at the end is
    given too. One file is read once; of two files the one that is behind is read on, so that neither runs
    away. Where one of them breaks off, the other is still read to its end.

    Args:
        picture, sound: what to look at and to listen to; one of them may be None.
        fps, side: as `pictures`.
        rate: as `sounds`.
        cuts: is shown every picture of the file, not only those on the grid.

    Raises:
        MediaError: as `pictures` and `sounds`, after all that could be decoded was given.
    """
    if picture is None or sound is None or _one_pass(picture, sound):
        yield from _blocks(picture, sound, fps=fps, side=side, rate=rate, cuts=cuts)
        return
    passes = [
        _blocks(picture, None, fps=fps, side=side, rate=rate, cuts=cuts),
        _blocks(None, sound, fps=fps, side=side, rate=rate),
    ]
    reached_s = [0.0, 0.0]
    broken: list[MediaError] = []
    while min(reached_s) < inf:
        behind = reached_s.index(min(reached_s))
        try:
            block = next(passes[behind], None)
        except MediaError as error:
            block = None
            broken.append(error)
        reached_s[behind] = inf if block is None else block.start_s
        if block is not None:
            yield block
    if broken:
        raise MediaError("; ".join(map(str, broken)))


def windows(
    picture: Stretch | None,
    sound: Stretch | None,
    *,
    length_s: float,
    hop_s: float,
    fps: float,
    side: int,
    rate: int,
) -> Iterator[Window]:
    """Stream whole windows of pictures and sound side by side; the stretches may come from two files.

    `Window.start_s` counts from the start of the stretches, which begin together. What is left after the
    last whole window is not given: a stretch shorter than `length_s` has none. One file is read once. Arrays
    may be views of a common buffer: don't write into them.

    Raises:
        MediaError: as `pictures` and `sounds`.
    """
    duration = min((each.duration_s for each in (picture, sound) if each is not None), default=0.0)
    if picture is None or sound is None or _one_pass(picture, sound):
        passes = [_blocks(picture, sound, fps=fps, side=side, rate=rate)]
    else:
        passes = [
            _blocks(picture, None, fps=fps, side=side, rate=rate),
            _blocks(None, sound, fps=fps, side=side, rate=rate),
        ]
    frames = _Rolling(fps, duration if picture is not None else None)
    samples = _Rolling(rate, duration if sound is not None else None)

    def cut(rolling: _Rolling, source: Iterator[Window], start_s: float) -> np.ndarray | None:
        while rolling.lacks(start_s, length_s):
            block = next(source)
            frames.put(block.frames)
            samples.put(block.samples)
        return rolling.cut(start_s, length_s)

    number = 0
    while frames.reaches(number * hop_s, length_s) and samples.reaches(number * hop_s, length_s):
        at_s = number * hop_s
        yield Window(at_s, frames=cut(frames, passes[0], at_s), samples=cut(samples, passes[-1], at_s))
        number += 1


def read_sound(stretch: Stretch, *, rate: int) -> np.ndarray:
    """A short stretch's sound at once: float32 (round(duration_s * rate),) mono.

    Raises:
        MediaError: as `sounds`.
    """
    parts = [window.samples for window in sounds(stretch, rate=rate) if window.samples is not None]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def to_jpeg(frame: np.ndarray) -> bytes:
    """One picture, uint8 (H, W, 3) RGB, as a JPEG file."""
    picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    # Full range, as every reader of JPEG expects.
    picture = picture.reformat(format="yuvj420p", dst_color_range="JPEG")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt, encoder.time_base = picture.format.name, Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])


def _one_pass(picture: Stretch, sound: Stretch) -> bool:
    return picture.path == sound.path and abs(picture.start_s - sound.start_s) <= ONE_PASS_S


def _blocks(
    picture: Stretch | None,
    sound: Stretch | None,
    *,
    fps: float,
    side: int,
    rate: int,
    cuts: CutFinder | None = None,
) -> Iterator[Window]:
    """Windows of about a second from one file, each with frames or with samples."""
    stretch = picture or sound
    assert stretch is not None
    with opened(stretch.path, stretch.start_number, stretch.sequence_fps) as container:
        try:
            yield from _Reading(container, picture, sound, fps=fps, side=side, rate=rate, cuts=cuts)
        except av.FFmpegError as error:
            why = getattr(error, "strerror", None) or error
            raise MediaError(f"{stretch.path.name}: what is decoded of it can't be used ({why})") from error


class _Reading:
    """One way through an open file, from a stretch's start to its end."""

    def __init__(
        self,
        container: InputContainer,
        picture: Stretch | None,
        sound: Stretch | None,
        *,
        fps: float,
        side: int,
        rate: int,
        cuts: CutFinder | None,
    ) -> None:
        self._container = container
        self._zero_s = zero_s(container)
        self._picture, self._sound, self._cuts = picture, sound, cuts
        self._streams: list[VideoStream | AudioStream] = []
        if picture is not None:
            video = _picture_stream(container, picture)
            # Whole frames in parallel; slices alone keep one core busy.
            video.thread_type = "AUTO"
            video.codec_context.thread_count = DECODER_THREADS
            self._streams.append(video)
            self._shown = PictureGrid(
                self._zero_s + picture.start_s, picture.duration_s,
                fps=fps, side=side, pixel_aspect=video.sample_aspect_ratio,
            )  # fmt: skip
        if sound is not None:
            self._streams.append(_sound_stream(container, sound))
            self._heard = SoundGrid(
                self._zero_s + sound.start_s, sound.duration_s, rate=rate, channel=sound.channel
            )

    def __iter__(self) -> Iterator[Window]:
        for frame in self._frames():
            if isinstance(frame, VideoFrame):
                if self._cuts is not None and self._picture is not None:
                    self._cuts.take(frame, self._zero_s + self._picture.start_s)
                yield from _seen(self._shown.take(frame))
                if self._sound is not None:
                    yield from _heard(self._heard.pass_over(self._shown.reached_s - INTERLEAVE_S))
            else:
                yield from _heard(self._heard.take(frame))
            if self._full:
                return
        yield from self._ends()

    @property
    def _full(self) -> bool:
        return (self._picture is None or self._shown.full) and (self._sound is None or self._heard.full)

    def _ends(self) -> Iterator[Window]:
        """All packets are read and the stretch isn't full: fill it, or say what is missing."""
        missing = []
        if self._picture is not None:
            if self._shown.empty:
                raise MediaError(f"{self._picture.path.name}: no picture of it can be decoded")
            missing += self._missing(self._picture, self._streams[0], self._shown.ends_s, "pictures")
            yield from _seen(self._shown.stop() if missing else self._shown.fill())
        if self._sound is not None:
            short = self._missing(self._sound, self._streams[-1], self._heard.ends_s, "sound")
            yield from _heard(self._heard.stop() if short else self._heard.fill())
            missing += short
        if missing:
            raise MediaError("; ".join(missing))

    def _missing(self, stretch: Stretch, stream: Stream, ends_s: float, what: str) -> list[str]:
        """Why to refuse a stream that stops well before its header says, where that part was wanted."""
        promised_s = duration_s(stream)
        if promised_s is None:
            return []
        promised_s += start_s(stream) - self._zero_s
        ends_s -= self._zero_s
        if min(stretch.end_s, promised_s) <= ends_s + MISSING_S:
            return []
        return [
            f"{stretch.path.name}: {what} wanted up to {stretch.end_s:.2f} s and promised up to "
            f"{promised_s:.2f} s, but there is none after {ends_s:.2f} s: truncated or damaged"
        ]

    def _frames(self) -> Iterator[VideoFrame | AudioFrame]:
        """All frames from the one at the stretch's start on, or from a little before it."""
        begin_s = min(each.start_s for each in (self._picture, self._sound) if each is not None)
        for before_s in SEEK_BEFORE_S:
            from_start = begin_s <= before_s
            if not from_start or before_s != SEEK_BEFORE_S[0]:
                self._seek(None if from_start else self._zero_s + begin_s - before_s)
            frames = self._decoded()
            first = list(_up_to_the_first(frames, self._streams[0].type))
            first_s = time_s(first[-1]) if first else None
            if from_start or (first_s is not None and first_s <= self._zero_s + begin_s):
                break
        yield from first
        yield from _ahead(frames)

    def _seek(self, to_s: float | None) -> None:
        """Go to the last place up to `to_s` where decoding can start; None: the file's beginning."""
        stream = self._streams[0]
        if to_s is None:
            to_s = min(start_s(each) for each in self._streams)
        # A file that can't be sought is read from where it stands.
        with suppress(av.FFmpegError):
            self._container.seek(int(Fraction(to_s) / (stream.time_base or 1)), stream=stream)

    def _decoded(self) -> Iterator[VideoFrame | AudioFrame]:
        """What can be decoded; a packet that can't, and all behind a file's early end, is left out."""
        with suppress(av.FFmpegError, OSError):
            for packet in packets(self._container, self._streams):
                with suppress(av.error.InvalidDataError):
                    for frame in packet.decode():
                        if isinstance(frame, VideoFrame | AudioFrame):
                            yield frame


def _picture_stream(container: InputContainer, stretch: Stretch) -> VideoStream:
    stream = picture_stream(container)
    if stream is None:
        raise MediaError(f"{stretch.path.name}: a picture was wanted, but the file has only sound")
    return stream


def _sound_stream(container: InputContainer, stretch: Stretch) -> AudioStream:
    streams, index = container.streams.audio, stretch.stream or 0
    if index >= len(streams):
        raise MediaError(
            f"{stretch.path.name}: sound stream {index + 1} was wanted, but there are {len(streams)}"
        )
    if streams[index].codec_context is None:
        raise MediaError(f"{stretch.path.name}: nobody here can decode sound stream {index + 1}")
    if stretch.channel is not None and stretch.channel >= streams[index].channels:
        raise MediaError(
            f"{stretch.path.name}: channel {stretch.channel + 1} of sound stream {index + 1} was wanted, "
            f"but it has {streams[index].channels}"
        )
    return streams[index]


def _up_to_the_first(
    frames: Iterator[VideoFrame | AudioFrame], kind: str
) -> Iterator[VideoFrame | AudioFrame]:
    for frame in frames:
        yield frame
        if isinstance(frame, VideoFrame) == (kind == "video"):
            return


def _ahead(frames: Iterator[VideoFrame | AudioFrame]) -> Iterator[VideoFrame | AudioFrame]:
    """The same frames, the next few decoded in a thread while the last is scaled and looked at."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        coming = deque(worker.submit(next, frames, None) for _ in range(AHEAD))
        while (frame := coming.popleft().result()) is not None:
            coming.append(worker.submit(next, frames, None))
            yield frame


def _seen(blocks: Iterator[tuple[float, np.ndarray]]) -> Iterator[Window]:
    return (Window(start, frames=block, samples=None) for start, block in blocks)


def _heard(blocks: Iterator[tuple[float, np.ndarray]]) -> Iterator[Window]:
    return (Window(start, frames=None, samples=block) for start, block in blocks)


class _Rolling:
    """A part of a long array: grows at its end, is let go at its start; one without a length is none."""

    def __init__(self, per_second: float, duration_s: float | None) -> None:
        self._per_second, self._duration_s = per_second, duration_s
        self._parts: deque[np.ndarray] = deque()
        self._first = self._end = 0

    def put(self, part: np.ndarray | None) -> None:
        if part is not None:
            self._parts.append(part)
            self._end += len(part)

    def reaches(self, start_s: float, length_s: float) -> bool:
        """Whether the whole array is to be long enough for a window."""
        return self._duration_s is None or self._span(start_s, length_s)[1] <= round(
            self._duration_s * self._per_second
        )

    def lacks(self, start_s: float, length_s: float) -> bool:
        return self._duration_s is not None and self._end < self._span(start_s, length_s)[1]

    def cut(self, start_s: float, length_s: float) -> np.ndarray | None:
        """A window's rows; all before them is let go."""
        if self._duration_s is None:
            return None
        first, end = self._span(start_s, length_s)
        while self._parts and self._first + len(self._parts[0]) <= first:
            self._first += len(self._parts.popleft())
        found, at = [], self._first
        for part in self._parts:
            if at < end:
                found.append(part[max(0, first - at) : end - at])
            at += len(part)
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _span(self, start_s: float, length_s: float) -> tuple[int, int]:
        first = round(start_s * self._per_second)
        return first, first + round(length_s * self._per_second)
