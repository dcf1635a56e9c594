"""(path, seconds) -> pictures and sound, true to their time stamps. Knows no timeline.

Pictures come on a regular grid of frames, sound on a regular grid of samples; both grids start at the second that was
asked for, counted from the file's first picture (its first sample where there is no picture). What the file doesn't
hold is silence, or the nearest picture. All is streamed: memory doesn't grow with the length of a stretch.

A file that ends before its header says gives all that can be decoded, then raises MediaError; what merely lies beyond
the end that the header names is filled in silence. Packets that can't be decoded leave the last picture standing, and
silence in the sound. Interlaced pictures come as they are stored.
"""

from __future__ import annotations

import glob
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, inf
from pathlib import Path

import av
import av.filter
import numpy as np
from av.stream import Disposition

from otio_avassist.errors import MediaError, MediaMissingError

SEEK_BEFORE_S = (2.0, 30.0, inf)
"""How far before the start to seek, again and again until a picture from before the start is found."""
STAMP_S = 0.002
"""Time stamps may be off by so much: Matroska's are rounded to a millisecond, and so is the file's zero."""
HOLE_S = 0.005
"""Time stamps of sound that leap by more are a hole (or an overlap); less is rounding."""
SETTLE_S = 1.0
"""Time stamps of so much sound say where it stands."""
INTERLEAVE_S = 5.0
"""Sound that comes so much later than its picture in the file is taken for silence."""
ONE_PASS_S = 1.0
"""Stretches of one file that start no further apart are read together."""
MISSING_S = 0.5
"""A file may end so much before its header says."""
TURNS = {90: "cclock", 180: "half", 270: "clock"}
"""Degrees of a display matrix, counter-clockwise, and what turns the picture upright."""
EDITORS_FPS = tuple(
    Fraction(rate * 1000, 1001) if pulled else Fraction(rate)
    for rate in (24, 25, 30, 48, 50, 60, 100, 120)
    for pulled in ((False, True) if rate % 25 else (False,))
)


@dataclass(frozen=True)
class SoundStream:
    index: int
    """Among the file's sound streams."""
    rate: int
    channels: int
    start_s: float
    """Relative to the file's zero (its first picture): a positive value means the sound sets in later."""
    duration_s: float | None


@dataclass(frozen=True)
class MediaInfo:
    """What a look at the file's header tells."""

    path: Path
    duration_s: float | None
    fps: Fraction | None
    """None where there is no moving picture."""
    width: int | None
    height: int | None
    still: bool
    """One picture, or none that moves."""
    sounds: tuple[SoundStream, ...]
    timecode: str | None
    """Start timecode as written in the file (HH:MM:SS:FF, or ;FF)."""
    timecode_s: float | None
    """The same in true seconds at the file's own rate; a broadcast WAV's time reference counts too."""

    @property
    def has_picture(self) -> bool:
        return self.fps is not None and not self.still

    @property
    def has_sound(self) -> bool:
        return bool(self.sounds)


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


def probe(path: Path, *, start_number: int | None = None, sequence_fps: float | None = None) -> MediaInfo:
    """Look at a file's header; no picture is decoded beyond what naming the streams needs.

    Args:
        path: a media file, or the printf pattern of an image sequence.
        start_number, sequence_fps: of a sequence: its first picture's number (None: the lowest on disk) and rate.

    Raises:
        MediaMissingError: no such file.
        MediaError: nothing that can be read as media, or neither picture nor sound in it.
    """
    path = Path(path)
    with _opened(path, start_number, sequence_fps) as container:
        video = _video(container)
        zero_s = _zero_s(container)
        still = video is not None and _is_still(container)
        fps = _fps(video) if video is not None else None
        timecode = _timecode(container)
        return MediaInfo(
            path=path,
            duration_s=None if still else _end_s(container, zero_s),
            fps=fps,
            width=video.codec_context.width if video is not None else None,
            height=video.codec_context.height if video is not None else None,
            still=still,
            sounds=tuple(
                SoundStream(
                    index=index,
                    rate=stream.rate,
                    channels=stream.channels,
                    start_s=_start_s(stream) - zero_s,
                    duration_s=_duration_s(stream),
                )
                for index, stream in enumerate(container.streams.audio)
            ),
            timecode=timecode,
            timecode_s=_timecode_s(container, timecode, fps),
        )


def pictures(stretch: Stretch, *, fps: float, side: int) -> Iterator[Window]:
    """Stream a stretch's pictures in chunks of about a second; `samples` is None.

    Args:
        fps: of the grid that the pictures are put on.
        side: pixels of the short side; the other keeps the shape, both are even.

    Raises:
        MediaError: no picture in the file; or, after all that could be decoded was given, the file ends before
            its header says.
    """
    yield from _blocks(stretch, None, fps=fps, side=side, rate=0)


def sounds(stretch: Stretch, *, rate: int) -> Iterator[Window]:
    """Stream a stretch's sound in chunks of about a second, mixed down to mono at `rate`; `frames` is None.

    Raises:
        MediaError: no such stream or channel; or, after all that could be decoded was given, the file ends
            before its header says.
    """
    yield from _blocks(None, stretch, fps=0, side=0, rate=rate)


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

    `Window.start_s` counts from the start of the stretches, which begin together. What is left after the last
    whole window is not given: a stretch shorter than `length_s` has none. One file is read once. Arrays may be
    views of a common buffer: don't write into them.

    Raises:
        MediaError: as `pictures` and `sounds`.
    """
    wanted = [stretch for stretch in (picture, sound) if stretch is not None]
    duration_s = min((stretch.duration_s for stretch in wanted), default=0.0)
    frames, samples = _Rolling(), _Rolling()
    scales = {"fps": fps, "side": side, "rate": rate}
    if picture is not None and sound is not None and not _one_pass(picture, sound):
        passes = [_blocks(picture, None, **scales), _blocks(None, sound, **scales)]
    else:
        passes = [_blocks(picture, sound, **scales)]

    def more(source: Iterator[Window]) -> None:
        block = next(source)
        if block.frames is not None:
            frames.put(block.frames)
        if block.samples is not None:
            samples.put(block.samples)

    def cut(rolling: _Rolling, source: Iterator[Window], per_second: float, start_s: float) -> np.ndarray:
        first, count = round(start_s * per_second), round(length_s * per_second)
        while rolling.end < first + count:
            more(source)
        return rolling.cut(first, count)

    number = 0
    while all(
        round(number * hop_s * per_second) + round(length_s * per_second) <= round(duration_s * per_second)
        for stretch, per_second in ((picture, fps), (sound, rate))
        if stretch is not None
    ):
        start_s = number * hop_s
        yield Window(
            start_s,
            frames=cut(frames, passes[0], fps, start_s) if picture is not None else None,
            samples=cut(samples, passes[-1], rate, start_s) if sound is not None else None,
        )
        number += 1


def read_sound(stretch: Stretch, *, rate: int) -> np.ndarray:
    """A short stretch's sound at once: float32 (round(duration_s * rate),) mono.

    Raises:
        MediaError: as `sounds`.
    """
    parts = [window.samples for window in sounds(stretch, rate=rate) if window.samples is not None]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def thumbnails(stretch: Stretch, *, count: int, side: int) -> list[np.ndarray]:
    """`count` pictures, uint8 (H, W, 3) RGB, from the middles of as many equal parts of a stretch."""
    part_s = stretch.duration_s / count
    found = []
    for number in range(count):
        moment = replace(stretch, start_s=stretch.start_s + (number + 0.5) * part_s, duration_s=1.0)
        found += [
            window.frames[0] for window in pictures(moment, fps=1, side=side) if window.frames is not None
        ]
    return found


def to_jpeg(frame: np.ndarray) -> bytes:
    """One picture, uint8 (H, W, 3) RGB with even sides, as a JPEG file."""
    return _encoded(frame, "mjpeg", "yuvj420p")


def to_png(frame: np.ndarray) -> bytes:
    """One picture, uint8 (H, W, 3) RGB, as a PNG file."""
    return _encoded(frame, "png", "rgb24")


def _encoded(frame: np.ndarray, codec: str, pixels: str) -> bytes:
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width = frame.shape[:2]
    encoder.pix_fmt, encoder.time_base = pixels, Fraction(1, 25)
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(
        format=pixels, dst_color_range="JPEG" if pixels.startswith("yuvj") else None
    )
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])


# What a file says of itself.


@contextmanager
def _opened(
    path: Path, start_number: int | None = None, sequence_fps: float | None = None
) -> Iterator[av.container.InputContainer]:
    """An open file with a picture or a sound in it; whatever PyAV finds wrong becomes a MediaError."""
    file, options = _source(path, start_number, sequence_fps)
    try:
        container = av.open(file, format="image2" if options else None, options=options)
    except FileNotFoundError as error:
        raise MediaMissingError(f"{path.name}: no such file ({path})") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(
            f"{path.name}: wanted a media file, but it can't be read as one ({_why(error)})"
        ) from error
    with container:
        if _video(container) is None and not container.streams.audio:
            raise MediaError(f"{path.name}: holds neither picture nor sound that can be read")
        yield container


def _source(path: Path, start_number: int | None, sequence_fps: float | None) -> tuple[str, dict[str, str]]:
    # An absolute path, so that no colon in a name is taken for a protocol.
    file = str(path.absolute())
    if path.is_file():
        if path.stat().st_size == 0:
            raise MediaError(f"{path.name}: wanted a media file, but it is empty (0 bytes)")
        return file, {}
    pattern = re.search(r"%0?\d*d", path.name)
    if pattern is None:
        if path.is_dir():
            raise MediaError(f"{path.name}: wanted a media file, but it is a folder")
        raise MediaMissingError(f"{path.name}: no such file ({path})")
    if start_number is None:
        start_number = _lowest_number(path, pattern)
    if start_number is None or not Path(file.replace(pattern[0], pattern[0] % start_number)).is_file():
        raise MediaMissingError(f"{path.name}: no picture of this sequence is there ({path})")
    rate = Fraction(sequence_fps or 25).limit_denominator(100_000)
    return file, {"start_number": str(start_number), "framerate": f"{rate.numerator}/{rate.denominator}"}


def _lowest_number(path: Path, pattern: re.Match[str]) -> int | None:
    head, tail = path.name[: pattern.start()], path.name[pattern.end() :]
    names = (other.name for other in path.parent.glob(f"{glob.escape(head)}*{glob.escape(tail)}"))
    numbers = (name[len(head) : len(name) - len(tail)] for name in names)
    return min((int(number) for number in numbers if number.isdigit()), default=None)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _video(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first picture stream; a cover picture is none, unless it is all there is."""
    covers = Disposition.attached_pic
    for stream in container.streams.video:
        if not stream.disposition & covers and stream.codec_context is not None:
            return stream
    return None


def _is_still(container: av.container.InputContainer) -> bool:
    video = _video(container)
    name = container.format.name
    alone = name.endswith("_pipe") or name == "image2" or video.frames == 1
    return alone and (video.duration is None or video.duration <= 1 or video.frames == 1)


def _zero_s(container: av.container.InputContainer) -> float:
    """Where the file's own clock stands at its first picture, or first sample where there is no picture."""
    video = _video(container)
    if video is not None:
        return _start_s(video)
    return min(_start_s(stream) for stream in container.streams.audio)


def _start_s(stream: av.stream.Stream) -> float:
    return float((stream.start_time or 0) * stream.time_base)


def _duration_s(stream: av.stream.Stream) -> float | None:
    """As the stream's header says; Matroska says it in a tag."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    tag = re.match(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) if tag else None


def _end_s(container: av.container.InputContainer, zero_s: float) -> float | None:
    if container.duration is None:
        return None
    return (container.start_time or 0) / av.time_base + container.duration / av.time_base - zero_s


def _fps(video: av.VideoStream) -> Fraction | None:
    """The stream's mean rate, or the rate that editors know where it is only a rounding away from one."""
    rate = video.average_rate or video.guessed_rate
    if not rate:
        return None
    known = min(EDITORS_FPS, key=lambda each: abs(each - rate))
    return known if abs(known - rate) < known * 2e-4 else Fraction(rate)


def _timecode(container: av.container.InputContainer) -> str | None:
    """The start timecode of the file or of its streams, the picture's own first."""
    video = _video(container)
    tagged = [*([video] if video is not None else []), container, *container.streams]
    return next((each.metadata["timecode"] for each in tagged if "timecode" in each.metadata), None)


def _timecode_s(
    container: av.container.InputContainer, timecode: str | None, fps: Fraction | None
) -> float | None:
    reference = container.metadata.get("time_reference", "")
    if fps is None and reference.isdigit() and container.streams.audio:
        # A broadcast WAV counts samples since midnight.
        return int(reference) / container.streams.audio[0].rate
    return _true_seconds(timecode, fps) if timecode and fps else None


def _true_seconds(timecode: str, fps: Fraction) -> float | None:
    """SMPTE ST 12-1: every frame has a number; drop-frame leaves out numbers, never frames."""
    parts = re.fullmatch(r"(\d+):(\d\d):(\d\d)([:;.,])(\d+)", timecode.strip())
    if parts is None:
        return None
    hours, minutes, seconds, frame = (int(parts[group]) for group in (1, 2, 3, 5))
    nominal = round(fps)
    minutes += hours * 60
    number = (minutes * 60 + seconds) * nominal + frame
    if parts[4] != ":" and nominal % 30 == 0:
        number -= nominal // 15 * (minutes - minutes // 10)
    return float(number / fps)


# Decoding.


def _one_pass(picture: Stretch, sound: Stretch) -> bool:
    return (
        picture.path == sound.path
        and picture.start_number is None
        and abs(picture.start_s - sound.start_s) <= ONE_PASS_S
    )


def _blocks(
    picture: Stretch | None, sound: Stretch | None, *, fps: float, side: int, rate: int
) -> Iterator[Window]:
    """Windows of about a second from one file, each with frames or samples; `start_s` from the stretch's start."""
    wanted = picture or sound
    assert wanted is not None
    with _opened(wanted.path, wanted.start_number, wanted.sequence_fps) as container:
        zero_s = _zero_s(container)
        shown = _Pictures(container, picture, zero_s, fps, side) if picture is not None else None
        heard = _Sounds(container, sound, zero_s, rate) if sound is not None else None
        start_s = min(stretch.start_s for stretch in (picture, sound) if stretch is not None)
        for frame in _decoded_from(container, shown, heard, zero_s, start_s):
            if isinstance(frame, av.VideoFrame):
                assert shown is not None
                yield from shown.take(frame)
                if heard is not None:
                    yield from heard.pass_over(shown.reached_s - INTERLEAVE_S)
            else:
                assert heard is not None
                yield from heard.take(frame)
            if all(each is None or each.full for each in (shown, heard)):
                return
        for each in (shown, heard):
            if each is not None:
                yield from each.finish()


def _decoded_from(
    container: av.container.InputContainer,
    shown: _Pictures | None,
    heard: _Sounds | None,
    zero_s: float,
    start_s: float,
) -> Iterator[av.VideoFrame | av.AudioFrame]:
    """All frames from (at the latest) the one shown at `start_s` on, seeking no further back than it takes."""
    streams = [each.stream for each in (shown, heard) if each is not None]
    for before_s in SEEK_BEFORE_S:
        begins = start_s <= before_s
        if not begins or before_s != SEEK_BEFORE_S[0]:
            _seek(container, streams[0], zero_s + max(0.0, start_s - before_s), begins)
        frames = _decoded(container, streams)
        first = list(_until_first(frames, streams[0].type))
        if begins or (first and _time_s(first[-1]) - zero_s <= start_s):
            break
    yield from first
    yield from frames


def _seek(
    container: av.container.InputContainer, stream: av.stream.Stream, to_s: float, begins: bool
) -> None:
    if begins:
        to_s = _start_s(stream)
    # A file that can't be sought is read from where it stands.
    with suppress(av.FFmpegError):
        container.seek(int(to_s / stream.time_base), stream=stream)


def _until_first(
    frames: Iterator[av.VideoFrame | av.AudioFrame], kind: str
) -> Iterator[av.VideoFrame | av.AudioFrame]:
    for frame in frames:
        yield frame
        if isinstance(frame, av.VideoFrame) == (kind == "video"):
            return


def _decoded(
    container: av.container.InputContainer, streams: list[av.stream.Stream]
) -> Iterator[av.VideoFrame | av.AudioFrame]:
    """What can be decoded; a packet that can't is left out, and so is all that can't be reached."""
    try:
        for packet in container.demux(streams):
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                continue
    except av.error.EOFError:
        return
    except (av.FFmpegError, OSError):
        # The end of a damaged file; whether something is missing is for the header to say.
        return


def _time_s(frame: av.VideoFrame | av.AudioFrame) -> float:
    return float(frame.pts * frame.time_base) if frame.pts is not None else -inf


def _check_whole(stretch: Stretch, stream: av.stream.Stream, zero_s: float, ends_s: float, what: str) -> None:
    """Refuse a file that stops well before its header says, where that part was wanted."""
    duration_s = _duration_s(stream)
    if duration_s is None:
        return
    promised_s = _start_s(stream) + duration_s - zero_s
    end_s = stretch.start_s + stretch.duration_s
    if min(end_s, promised_s) > ends_s + MISSING_S:
        raise MediaError(
            f"{stretch.path.name}: {what} wanted from {max(0, stretch.start_s):.2f} to {end_s:.2f} s and promised "
            f"up to {promised_s:.2f} s, but there is none after {ends_s:.2f} s: truncated or damaged"
        )


class _Pictures:
    """Decoded frames in, blocks of pictures on the grid out."""

    def __init__(
        self, container: av.container.InputContainer, stretch: Stretch, zero_s: float, fps: float, side: int
    ) -> None:
        stream = _video(container)
        if stream is None:
            raise MediaError(f"{stretch.path.name}: a picture was wanted, but the file has only sound")
        # Whole frames in parallel; slices alone keep one core busy.
        stream.thread_type = "AUTO"
        self.stream = stream
        self._stretch, self._zero_s, self._fps = stretch, zero_s, fps
        self._count = round(stretch.duration_s * fps)
        self._next = 0
        self._scaler = _Scaler(stream.sample_aspect_ratio, side)
        self._held: av.VideoFrame | None = None
        self._scaled: np.ndarray | None = None
        self._block: np.ndarray | None = None
        self._ends_s = 0.0

    @property
    def full(self) -> bool:
        return self._next >= self._count

    @property
    def reached_s(self) -> float:
        """How far the grid is filled, from the file's zero."""
        return self._stretch.start_s + self._next / self._fps

    def take(self, frame: av.VideoFrame) -> Iterator[Window]:
        at_s = _time_s(frame) - self._zero_s
        if at_s == -inf:
            at_s = self._ends_s
        self._ends_s = at_s + float((frame.duration or 0) * frame.time_base)
        # The last picture keeps standing until this one comes; the very first stands for all before it too.
        until = ceil((at_s - self._stretch.start_s - STAMP_S) * self._fps)
        if self._held is not None:
            yield from self._show(until)
        self._held, self._scaled = frame, None

    def finish(self) -> Iterator[Window]:
        if self._held is None:
            raise MediaError(f"{self._stretch.path.name}: no picture of it can be decoded")
        try:
            _check_whole(self._stretch, self.stream, self._zero_s, self._ends_s, "pictures")
        except MediaError:
            yield from self._show(ceil((self._ends_s - self._stretch.start_s - STAMP_S) * self._fps))
            yield from self._rest()
            raise
        yield from self._show(self._count)

    def _show(self, until: int) -> Iterator[Window]:
        """The held picture at every place of the grid before `until`."""
        until = min(until, self._count)
        size = max(1, round(self._fps))
        while self._next < until:
            if self._scaled is None:
                self._scaled = self._scaler(self._held)
            if self._block is None:
                self._block = np.empty((min(size, self._count - self._next), *self._scaled.shape), np.uint8)
            at = self._next % size
            self._block[at] = self._scaled
            self._next += 1
            if at + 1 == len(self._block):
                yield from self._rest()

    def _rest(self) -> Iterator[Window]:
        if self._block is not None:
            size = max(1, round(self._fps))
            first = (self._next - 1) // size * size
            block, self._block = self._block[: self._next - first], None
            yield Window(first / self._fps, frames=block, samples=None)


class _Scaler:
    """One decoded frame in, uint8 (H, W, 3) RGB out; the size is the first frame's to decide."""

    def __init__(self, pixel_aspect: Fraction | None, side: int) -> None:
        self._pixel_aspect, self._side = pixel_aspect or Fraction(1), side
        self._size: tuple[int, int] | None = None
        self._graph: av.filter.Graph | None = None
        self._made_for: tuple[object, ...] = ()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """A view of the scaled frame's memory, good until the array is let go."""
        kind = (
            frame.width,
            frame.height,
            frame.format.name,
            frame.rotation,
            frame.colorspace,
            frame.color_range,
        )
        if self._graph is None or kind != self._made_for:
            self._graph, self._made_for = self._make(frame), kind
        self._graph.vpush(frame)
        scaled = self._graph.vpull()
        plane = scaled.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(scaled.height, plane.line_size)
        return rows[:, : scaled.width * 3].reshape(scaled.height, scaled.width, 3)

    def _make(self, frame: av.VideoFrame) -> av.filter.Graph:
        turn = TURNS.get(frame.rotation % 360)
        width, height = frame.width * self._pixel_aspect, Fraction(frame.height)
        if turn in ("clock", "cclock"):
            width, height = height, width
        if self._size is None:
            shrink = self._side / min(width, height)
            self._size = tuple(max(2, 2 * round(each * shrink / 2)) for each in (width, height))
        graph = av.filter.Graph()
        chain = [
            graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
        ]
        if turn == "half":
            chain += [graph.add("hflip"), graph.add("vflip")]
        elif turn:
            chain.append(graph.add("transpose", turn))
        chain.append(graph.add("scale", f"{self._size[0]}:{self._size[1]}"))
        chain += [graph.add("format", "rgb24"), graph.add("buffersink")]
        graph.link_nodes(*chain).configure()
        return graph


class _Sounds:
    """Decoded frames in, blocks of mono samples on the grid out; a hole in the time stamps is silence."""

    def __init__(
        self, container: av.container.InputContainer, stretch: Stretch, zero_s: float, rate: int
    ) -> None:
        index, streams = stretch.stream or 0, container.streams.audio
        name = stretch.path.name
        if index >= len(streams):
            raise MediaError(f"{name}: sound stream {index + 1} was wanted, but there are {len(streams)}")
        self.stream = streams[index]
        if stretch.channel is not None and stretch.channel >= self.stream.channels:
            raise MediaError(
                f"{name}: channel {stretch.channel + 1} of sound stream {index + 1} was wanted, "
                f"but it has {self.stream.channels}"
            )
        self._stretch, self._zero_s, self._rate = stretch, zero_s, rate
        self._count = round(stretch.duration_s * rate)
        self._next = 0
        self._block = np.zeros(min(rate, self._count), np.float32)
        self._run: _Run | None = None
        self._ends_s = 0.0

    @property
    def full(self) -> bool:
        return self._next >= self._count

    def take(self, frame: av.AudioFrame) -> Iterator[Window]:
        at_s = _time_s(frame) - self._zero_s
        if self._run is None or not self._run.continues(frame, at_s):
            yield from self._end_run()
            self._run = _Run(
                frame, max(at_s, self._ends_s) if at_s == -inf else at_s, self._stretch.channel, self._rate
            )
        elif at_s != -inf:
            self._run.see(at_s, float(frame.time_base))
        self._run.push(frame)
        self._ends_s = self._run.ends_s
        if self._run.settled:
            yield from self._write_run()

    def pass_over(self, to_s: float) -> Iterator[Window]:
        """No sound has come for long before `to_s`: what lies there is silence, so that nothing piles up."""
        if self._run is None or self._run.ends_s < to_s:
            yield from self._end_run()
            yield from self._skip_to(round((to_s - self._stretch.start_s) * self._rate))

    def finish(self) -> Iterator[Window]:
        yield from self._end_run()
        try:
            _check_whole(self._stretch, self.stream, self._zero_s, self._ends_s, "sound")
        except MediaError:
            yield from self._rest()
            raise
        yield from self._skip_to(self._count)

    def _end_run(self) -> Iterator[Window]:
        if self._run is not None:
            self._run.push(None)
            yield from self._write_run()
            self._run = None

    def _write_run(self) -> Iterator[Window]:
        assert self._run is not None
        at = round((self._run.start_s - self._stretch.start_s) * self._rate) + self._run.given
        for samples in self._run.take():
            yield from self._write(at, samples)
            at += len(samples)

    def _write(self, at: int, samples: np.ndarray) -> Iterator[Window]:
        yield from self._skip_to(at)
        samples = samples[max(0, self._next - at) :]
        while len(samples) and not self.full:
            begin = self._next % self._rate
            piece = samples[: len(self._block) - begin]
            self._block[begin : begin + len(piece)] = piece
            samples = samples[len(piece) :]
            yield from self._advance(len(piece))

    def _skip_to(self, at: int) -> Iterator[Window]:
        at = min(at, self._count)
        while self._next < at:
            yield from self._advance(min(at - self._next, len(self._block) - self._next % self._rate))

    def _advance(self, count: int) -> Iterator[Window]:
        self._next += count
        if self._next % self._rate == 0 or self.full:
            yield from self._rest()

    def _rest(self) -> Iterator[Window]:
        first = (self._next - 1) // self._rate * self._rate
        if self._next > first:
            block = self._block[: self._next - first]
            self._block = np.zeros(min(self._rate, self._count - self._next), np.float32)
            yield Window(first / self._rate, frames=None, samples=block)


class _Run:
    """Sound without a hole. Its place comes from all time stamps of its first second, not from the first alone.

    Matroska rounds stamps to the millisecond, 16 samples at 16 kHz: each stamp leaves the run's start an interval
    of one tick, and where all of them overlap is far narrower than that.
    """

    def __init__(self, frame: av.AudioFrame, at_s: float, channel: int | None, rate: int) -> None:
        self._kind = (frame.sample_rate, frame.layout.name, frame.format.name)
        self._in_rate, self._out_rate = frame.sample_rate, rate
        self._in_count = 0
        tick_s = float(frame.time_base)
        self._low_s, self._high_s = at_s - tick_s / 2, at_s + tick_s / 2
        self._pending: list[np.ndarray] = []
        self._ended = False
        self.given = 0
        self._graph = _mono(frame, channel, rate)

    @property
    def start_s(self) -> float:
        return (self._low_s + self._high_s) / 2

    @property
    def ends_s(self) -> float:
        return self.start_s + self._in_count / self._in_rate

    @property
    def settled(self) -> bool:
        return self._ended or self._in_count >= SETTLE_S * self._in_rate

    def continues(self, frame: av.AudioFrame, at_s: float) -> bool:
        same = (frame.sample_rate, frame.layout.name, frame.format.name) == self._kind
        return same and (at_s == -inf or abs(at_s - self.ends_s) <= HOLE_S)

    def see(self, at_s: float, tick_s: float) -> None:
        """Narrow down where the run starts by one more stamp."""
        if self.settled:
            return
        implied_s = at_s - self._in_count / self._in_rate
        low_s, high_s = implied_s - tick_s / 2, implied_s + tick_s / 2
        if max(low_s, self._low_s) <= min(high_s, self._high_s):
            self._low_s, self._high_s = max(low_s, self._low_s), min(high_s, self._high_s)

    def push(self, frame: av.AudioFrame | None) -> None:
        """One more frame, or None at the end of the run."""
        if frame is None:
            self._ended = True
        else:
            self._in_count += frame.samples
        self._graph.push(frame)
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                self._pending.append(self._graph.pull().to_ndarray()[0])

    def take(self) -> list[np.ndarray]:
        taken, self._pending = self._pending, []
        self.given += sum(len(samples) for samples in taken)
        return taken


def _mono(frame: av.AudioFrame, channel: int | None, rate: int) -> av.filter.Graph:
    """A graph from frames like this one to one channel of floats at `rate`."""
    layout = frame.layout
    graph = av.filter.Graph()
    chain = [
        graph.add_abuffer(
            sample_rate=frame.sample_rate, format=frame.format, layout=layout, time_base=frame.time_base
        )
    ]
    if channel is not None:
        chain.append(graph.add("pan", f"mono|c0=c{channel}"))
    elif re.fullmatch(r"\d+ channels", layout.name):
        # Poly-WAV: nobody says where the microphones stood, so each counts the same.
        mix = "+".join(f"{1 / layout.nb_channels}*c{each}" for each in range(layout.nb_channels))
        chain.append(graph.add("pan", f"mono|c0={mix}"))
    chain.append(graph.add("aformat", f"sample_fmts=flt:sample_rates={rate}:channel_layouts=mono"))
    chain.append(graph.add("abuffersink"))
    graph.link_nodes(*chain).configure()
    return graph


class _Rolling:
    """A stretch of an endless array: grows at its end, is forgotten at its start."""

    def __init__(self) -> None:
        self._parts: deque[np.ndarray] = deque()
        self._first = 0
        self.end = 0

    def put(self, part: np.ndarray) -> None:
        self._parts.append(part)
        self.end += len(part)

    def cut(self, first: int, count: int) -> np.ndarray:
        """`count` rows from the absolute row `first`; all before it is let go."""
        while self._parts and self._first + len(self._parts[0]) <= first:
            self._first += len(self._parts.popleft())
        found, at = [], self._first
        for part in self._parts:
            if at < first + count:
                found.append(part[max(0, first - at) : first + count - at])
            at += len(part)
        return found[0] if len(found) == 1 else np.concatenate(found)
