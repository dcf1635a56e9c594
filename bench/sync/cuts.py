"""A film -> files whose sound is early by a known amount, each cut from inside it: no padding, one length.

A stretch of the film is written once with every picture a key frame and its sound as samples. Each shift is
then cut out by copying whole pictures and the samples that lie as much later: both streams of the new file
start at zero and are equally long, so that neither its header nor its ends tell the shift. Pictures keep
their own times, however irregular. Knows nothing of the plugin but how it reads sound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

from otio_avassist import media, windows
from otio_avassist.errors import MediaError

CRF = "10"
"""Of x264: no eye tells it from its source; tests/bench holds it to 45 dB."""
LINES = 480
"""Short side of larger pictures: the plugin looks at no more, and it halves the time of a run."""
BLOCK_S = 0.5
"""Sound is written in blocks of this length, so that it lies beside its pictures in the file."""


@dataclass(frozen=True)
class Master:
    """A stretch of a film from which shifts are cut."""

    picture: Path
    """Every picture is a key frame, at the time that it has in the film, counted from the stretch's start."""
    times_s: tuple[float, ...]
    """When each picture begins."""
    samples: np.ndarray
    """float32 (N,) mono; the first is heard when the stretch starts."""
    rate: int
    early_s: float
    """How early the film's own sound is."""

    @property
    def frame_s(self) -> float:
        """The longest that one picture stands."""
        return max(later - sooner for sooner, later in pairwise(self.times_s))

    def room_s(self, offsets_s: Sequence[float]) -> float:
        """The longest that a cut can be if each of the offsets is to be had, without padding."""
        whole_s = min(self.times_s[-1], len(self.samples) / self.rate)
        room_s = whole_s - max(abs(offset_s - self.early_s) for offset_s in offsets_s) - 2 * self.frame_s
        # Whole pictures, or one of the streams would end first.
        usual_s = float(np.median(np.diff(self.times_s)))
        return max(0.0, room_s // usual_s * usual_s)


def usable(path: Path) -> tuple[float, float]:
    """(start, end) in seconds of what a file has both pictures and sound for.

    Raises:
        MediaError: it lacks one of the two.
    """
    with media.opened(path) as container:
        video = media.picture_stream(container)
        if video is None or not container.streams.audio:
            raise MediaError(f"{path.name}: wanted pictures and sound")
        zero_s = media.zero_s(container)
        streams = (video, container.streams.audio[0])
        starts = [media.start_s(each) - zero_s for each in streams]
        whole_s = windows.probe(path).duration_s or 0.0
        lengths = [media.duration_s(each) for each in streams]
        ends = [
            whole_s if length_s is None else start_s + length_s
            for start_s, length_s in zip(starts, lengths, strict=True)
        ]
    return max(0.0, *starts), min(ends)


def master(path: Path, start_s: float, end_s: float, folder: Path, *, early_s: float = 0.0) -> Master:
    """Write a stretch of a film so that it can be cut at every picture.

    Args:
        start_s, end_s: seconds from the film's first picture; both streams have to reach so far.
        folder: where the file goes.
        early_s: `audio_early_s` of the film as it came.

    Raises:
        MediaError: the film can't be read, or has fewer than two pictures there.
    """
    target = folder / f"{path.stem}-{start_s:.3f}.mov"
    with media.opened(path) as container:
        rate = container.streams.audio[0].rate
        pictures = _pictures(container, start_s, end_s)
        times = list(_all_key_frames(pictures, target, container.streams.video[0]))
    if len(times) < 2:
        raise MediaError(f"{path.name}: fewer than two pictures from {start_s:.2f} to {end_s:.2f} s")
    # The stretch starts with its first picture; the sound is read from there.
    heard = windows.read_sound(windows.Stretch(path, times[0], end_s - times[0]), rate=rate)
    return Master(target, tuple(time_s - times[0] for time_s in times), heard, rate, early_s)


def _pictures(container: Any, start_s: float, end_s: float) -> Iterator[tuple[float, av.VideoFrame]]:
    """(seconds from the film's first picture, picture) of a stretch."""
    video = container.streams.video[0]
    video.thread_type = "AUTO"
    zero_s = media.zero_s(container)
    if start_s > 0:
        container.seek(int((start_s + zero_s) / video.time_base), stream=video)
    for frame in container.decode(video):
        at_s = frame.time - zero_s
        if at_s >= end_s:
            return
        if at_s >= start_s:
            yield at_s, frame


def _all_key_frames(
    pictures: Iterator[tuple[float, av.VideoFrame]], target: Path, like: Any
) -> Iterator[float]:
    """Write pictures as they come, from time zero on; gives when each stood in the film."""
    scale = min(1.0, LINES / min(like.height, like.width))
    width, height = (round(scale * side) // 2 * 2 for side in (like.width, like.height))
    with av.open(str(target), "w") as container:
        options = {"crf": CRF, "preset": "ultrafast", "g": "1", "bf": "0"}
        stream = container.add_stream("libx264", rate=like.average_rate or 25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = like.time_base
        if like.sample_aspect_ratio:
            stream.codec_context.sample_aspect_ratio = like.sample_aspect_ratio
        first = None
        for at_s, frame in pictures:
            stands = frame.pts or 0
            first = stands if first is None else first
            plain = frame.reformat(width, height, "yuv420p")
            plain.pts, plain.time_base = stands - first, like.time_base
            plain.pict_type = av.video.frame.PictureType.NONE
            container.mux(stream.encode(plain))
            yield at_s
        container.mux(stream.encode(None))


def cut(source: Master, offset_s: float, length_s: float, target: Path) -> float:
    """Write a file whose sound is early by about `offset_s`, and return by how much exactly, to a sample.

    It lies as much in the middle of the stretch as the offset lets it.

    Args:
        length_s: of both streams, at most `Master.room_s`.

    Raises:
        MediaError: the stretch has no room for it, or what was written isn't what was wanted.
    """
    shift_s = offset_s - source.early_s
    whole_s = min(source.times_s[-1], len(source.samples) / source.rate)
    low_s, high_s = max(0.0, -shift_s), min(whole_s - length_s, whole_s - length_s - shift_s)
    starts = [time_s for time_s in source.times_s if low_s <= time_s <= high_s]
    if not starts:
        raise MediaError(
            f"{source.picture.name}: no room for {length_s:.2f} s with an offset of {offset_s} s"
        )
    start_s = min(starts, key=lambda time_s: abs(time_s - (low_s + high_s) / 2))
    first = round((start_s + shift_s) * source.rate)
    heard = source.samples[first : first + round(length_s * source.rate)]
    _write(source, start_s, length_s, heard, target)
    _check(target, length_s, source.frame_s)
    return first / source.rate - start_s + source.early_s


def _write(source: Master, start_s: float, length_s: float, heard: np.ndarray, target: Path) -> None:
    with av.open(str(source.picture)) as film, av.open(str(target), "w") as container:
        seen = film.streams.video[0]
        tick_s = seen.time_base or Fraction(1, 1)
        video = container.add_stream_from_template(seen)
        audio = _sound_stream(container, source.rate)
        blocks = deque(_blocks(heard, source.rate))
        begin = round(start_s / tick_s)
        film.seek(begin, stream=seen)
        for packet in film.demux(seen):
            if packet.pts is None or packet.pts < begin:
                continue
            at_s = float((packet.pts - begin) * tick_s)
            if at_s >= length_s - 1e-4:
                break
            while blocks and (blocks[0].time or 0.0) <= at_s:
                container.mux(audio.encode(blocks.popleft()))
            packet.pts = packet.dts = packet.pts - begin
            packet.stream = video
            container.mux(packet)
        for block in blocks:
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))


def write_scene(frames: np.ndarray, samples: np.ndarray, *, fps: int, rate: int, target: Path) -> None:
    """Pictures and sound as they are, without any loss, in Matroska.

    Args:
        frames: uint8 (T, H, W, 3).
        samples: float32 (N,) mono.
    """
    with av.open(str(target), "w", format="matroska") as container:
        video = container.add_stream("ffv1", rate=fps)
        video.height, video.width, video.pix_fmt = frames.shape[1], frames.shape[2], "bgr0"
        audio = _sound_stream(container, rate)
        blocks = deque(_blocks(samples, rate))
        for number, frame in enumerate(frames):
            while blocks and (blocks[0].time or 0.0) <= number / fps:
                container.mux(audio.encode(blocks.popleft()))
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for block in blocks:
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))


def _sound_stream(container: Any, rate: int) -> Any:
    # Samples as they are; nothing is rounded.
    return container.add_stream("pcm_f32le", rate=rate, layout="mono")


def _blocks(samples: np.ndarray, rate: int) -> list[av.AudioFrame]:
    step = round(BLOCK_S * rate)
    blocks = []
    for first in range(0, len(samples), step):
        part = np.ascontiguousarray(samples[None, first : first + step], np.float32)
        block = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
        block.sample_rate, block.pts, block.time_base = rate, first, Fraction(1, rate)
        blocks.append(block)
    return blocks


def _check(path: Path, length_s: float, frame_s: float) -> None:
    """Hold a file's own word to what was wanted: both streams start at zero and are equally long."""
    with av.open(str(path)) as container:
        for stream in (container.streams.video[0], container.streams.audio[0]):
            starts_s, lasts_s = media.start_s(stream), media.duration_s(stream) or 0.0
            if starts_s != 0 or abs(lasts_s - length_s) > 1.5 * frame_s:
                raise MediaError(
                    f"{path.name}: {stream.type} wanted from 0 s for {length_s:.3f} s, there is"
                    f" {lasts_s:.3f} s from {starts_s:.3f} s on"
                )
