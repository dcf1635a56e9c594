"""A media file's header -> MediaInfo: how long, how fast, which sound, which timecode. Knows no timeline.

All seconds count from the file's zero: the time stamp of its first picture, or of its first sample where
there is no picture. Only headers are read, so what they say wrongly is said wrongly here: a stream may end
before its promise.
"""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from otio_avassist.errors import MediaError, MediaMissingError

EDITORS_FPS = (
    *(Fraction(rate) for rate in (24, 25, 30, 48, 50, 60, 100, 120)),
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)),
)
SEQUENCE_FPS = 25.0
"""Of an image sequence where nobody says."""
CHUNK = 1 << 16
"""Bytes of a file that tell what is in it, in each of three places."""


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
    """From the file's zero to its end; None for a still."""
    fps: Fraction | None
    """Mean rate of the pictures, exact where it is one that editors use; None where there are none."""
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


def probe(path: Path, *, start_number: int | None = None, sequence_fps: float | None = None) -> MediaInfo:
    """Look at a file's header.

    Args:
        path: a media file, or the printf pattern of an image sequence.
        start_number: of an image sequence: its first picture's number; None: the lowest on disk.
        sequence_fps: of an image sequence: pictures a second.

    Raises:
        MediaMissingError: no such file.
        MediaError: nothing that can be read as media, or neither picture nor sound in it.
    """
    path = Path(path)
    with opened(path, start_number, sequence_fps) as container:
        video = picture_stream(container)
        zero = zero_s(container)
        still = video is not None and _is_still(container, video)
        fps = _fps(video) if video is not None else None
        timecode = _timecode(container)
        return MediaInfo(
            path=path,
            duration_s=None if still else _end_s(container, zero),
            fps=fps,
            width=video.codec_context.width if video is not None else None,
            height=video.codec_context.height if video is not None else None,
            still=still,
            sounds=tuple(
                SoundStream(
                    index=index,
                    rate=stream.rate,
                    channels=stream.channels,
                    start_s=start_s(stream) - zero,
                    duration_s=duration_s(stream),
                )
                for index, stream in enumerate(container.streams.audio)
                if stream.codec_context is not None
            ),
            timecode=timecode,
            timecode_s=_timecode_s(container, timecode, fps),
        )


@contextmanager
def opened(
    path: Path, start_number: int | None = None, sequence_fps: float | None = None
) -> Iterator[InputContainer]:
    """An open file with a picture or a sound in it; whatever PyAV finds wrong becomes a MediaError."""
    file, options = _source(path, start_number, sequence_fps)
    try:
        container = av.open(file, format="image2" if options else None, options=options)
    except FileNotFoundError as error:
        raise MediaMissingError(f"{path.name}: no such file ({path})") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MediaError(f"{path.name}: wanted a media file, but it can't be read as one ({why})") from error
    with container:
        if picture_stream(container) is None and all(
            each.codec_context is None for each in container.streams.audio
        ):
            raise MediaError(f"{path.name}: holds neither picture nor sound that can be read")
        yield container


def packets(container: InputContainer, streams: Sequence[Stream]) -> Iterator[Packet]:
    """Those of these streams; what belongs to streams that come up in the middle of a file is left out."""
    while True:
        try:
            yield from container.demux(streams)
            return
        except IndexError:  # PyAV knows only the streams that there were when it opened the file
            continue


def content_key(path: Path) -> str:
    """What tells a file from others, wherever it lies: its size, and 64 kB of its beginning, middle and end.

    Of what is no file, a sequence of pictures for example, its name. Raises MediaError if it can't be read.
    """
    if not path.is_file():
        return path.name
    try:
        size, digest = path.stat().st_size, hashlib.sha256()
        digest.update(str(size).encode())
        with path.open("rb") as file:
            for at in sorted({0, size // 2, max(0, size - CHUNK)}):
                file.seek(at)
                digest.update(file.read(CHUNK))
    except OSError as error:
        raise MediaError(f"{path.name}: can't be read: {error.strerror or error}") from error
    return digest.hexdigest()[:32]


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first stream of pictures; a cover picture is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None:
            return stream
    return None


def zero_s(container: InputContainer) -> float:
    """Where the file's own clock stands at its first picture, or first sample where there is no picture."""
    video = picture_stream(container)
    return start_s(video) if video is not None else min(start_s(each) for each in container.streams.audio)


def start_s(stream: Stream) -> float:
    """Where a stream begins on the file's own clock."""
    return float((stream.start_time or 0) * (stream.time_base or 0))


def duration_s(stream: Stream) -> float | None:
    """As the stream's header says."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # Matroska says in a tag where the stream ends.
    tag = re.match(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - start_s(stream) if tag else None


def _source(path: Path, start_number: int | None, sequence_fps: float | None) -> tuple[str, dict[str, str]]:
    """What to open and with which options; only a sequence has any."""
    # An absolute path, so that no colon in a name is taken for a protocol.
    file = str(path.absolute())
    if path.is_file():
        if path.stat().st_size == 0:
            raise MediaError(f"{path.name}: wanted a media file, but it is empty (0 bytes)")
        return file, {}
    if path.is_dir():
        raise MediaError(f"{path.name}: wanted a media file, but it is a folder")
    pattern = re.fullmatch(r"((?:%%|.)*?)(%0?\d*d)(.*)", path.name)
    if pattern is None:
        raise MediaMissingError(f"{path.name}: no such file ({path})")
    number = pattern[2]
    # In a pattern, a per cent sign that stands for itself is doubled.
    folder, head, tail = (text.replace("%%", "%") for text in (str(path.parent), pattern[1], pattern[3]))
    if start_number is None:
        start_number = _lowest_number(Path(folder), head, tail)
    if start_number is None or not Path(folder, head + number % start_number + tail).is_file():
        wanted = Path(folder, head + number + tail)
        raise MediaMissingError(f"{wanted.name}: no picture of this sequence is there ({wanted})")
    rate = Fraction(sequence_fps or SEQUENCE_FPS).limit_denominator(100_000)
    head, tail = (text.replace("%", "%%") for text in (str(Path(folder).absolute() / head), tail))
    return head + number + tail, {
        "start_number": str(start_number),
        "framerate": f"{rate.numerator}/{rate.denominator}",
    }


def _lowest_number(folder: Path, head: str, tail: str) -> int | None:
    names = (other.name for other in folder.glob(f"{glob.escape(head)}*{glob.escape(tail)}"))
    numbers = (name[len(head) : len(name) - len(tail)] for name in names)
    return min((int(number) for number in numbers if number.isdigit()), default=None)


def _is_still(container: InputContainer, video: VideoStream) -> bool:
    name = container.format.name
    image = name == "image2" or name.endswith("_pipe")
    return video.frames == 1 or (image and (video.duration or 1) <= 1)


def _end_s(container: InputContainer, zero: float) -> float | None:
    if container.duration is None:
        return None
    return ((container.start_time or 0) + container.duration) / av.time_base - zero


def _fps(video: VideoStream) -> Fraction | None:
    rate = video.average_rate or video.guessed_rate
    if not rate:
        return None
    known = min(EDITORS_FPS, key=lambda each: abs(each - rate))
    return known if abs(known - rate) < known * 2e-4 else rate


def _timecode(container: InputContainer) -> str | None:
    """The start timecode of the file or of its streams, the picture's own first."""
    video = picture_stream(container)
    tags = [video.metadata] if video is not None else []
    tags += [container.metadata, *(stream.metadata for stream in container.streams)]
    return next((each["timecode"] for each in tags if "timecode" in each), None)


def _timecode_s(container: InputContainer, timecode: str | None, fps: Fraction | None) -> float | None:
    reference = container.metadata.get("time_reference", "")
    if fps is None and reference.isdigit() and container.streams.audio[0].codec_context is not None:
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
