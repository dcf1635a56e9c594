"""Small media whose pictures and sound carry their own time, so that any decoder can be held against the
truth.

Each picture shows its time in milliseconds as 24 black or white fields; the sound is a noise that is the
same in every film, so that correlation finds the place of any piece of it. In: a path and what the file
should be like. Out: the file, written by PyAV in well under a second.

    path = film(tmp_path / "late.mp4", seconds=4, early_s=0.4)
    picture_s(frame)                # what time does this picture say it is?
    sound_s(samples, rate=16000)    # what time does this sound say it is, to a fraction of a sample?
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

COLUMNS, ROWS = 8, 3
KNOWN_S = (-5.0, 25.0)
"""The stretch of time that the noise covers."""
NOISE_RATE = 16000
NOISE_TOP_HZ = 4000
"""Low enough for every codec and rate that a test may use."""
CODECS = {
    ".mp4": ("libx264", "aac"),
    ".mov": ("libx264", "pcm_s16le"),
    ".mkv": ("libx264", "flac"),
    ".ts": ("libx264", "mp2"),
    ".avi": ("mpeg4", "pcm_s16le"),
    ".wav": (None, "pcm_s16le"),
    ".m4a": (None, "aac"),
    ".flac": (None, "flac"),
    ".mp3": (None, "libmp3lame"),
}


def film(
    path: Path,
    *,
    seconds: float = 4.0,
    fps: Fraction | float = 25,
    size: tuple[int, int] = (96, 64),
    early_s: float = 0.0,
    picture: bool = True,
    sound: bool = True,
    silent: bool = False,
    stamps_s: Sequence[float] | None = None,
    start_s: float = 0.0,
    sound_from_s: float = 0.0,
    sound_to_s: float | None = None,
    hole_s: tuple[float, float] | None = None,
    rate: int = 48000,
    layout: str = "stereo",
    streams: int = 1,
    alike: bool = True,
    codecs: tuple[str | None, str] | None = None,
    gop: int = 12,
    timecode: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a film and return its path; the suffix chooses the container and, unless given, the codecs.

    Args:
        fps: pictures a second, exact where a Fraction.
        size: width and height in pixels, multiples of 8 and 3 or more each, even.
        early_s: > 0: the sound comes before its picture, as `audio_early_s`; what is heard at t belongs to
            the picture of t + early_s.
        picture, sound: whether there is such a stream at all.
        silent: the sound streams are there, and digital silence.
        stamps_s: times of the pictures instead of k / fps: a variable frame rate.
        start_s: what the file's own clock says at the first picture.
        sound_from_s, sound_to_s: when the sound stream sets in and ends.
        hole_s: (from, to) that the sound stream leaves out.
        layout: of channels, as ffmpeg names them: mono, stereo, 5.1.
        streams: number of sound streams; all channels of stream n carry noise number 100 n.
        alike: otherwise channel k carries noise number 100 n + k.
        gop: pictures from one that stands alone to the next.
        timecode: start timecode, for .mov and .mp4.
        metadata: of the file.
    """
    video_codec, audio_codec = codecs or CODECS[path.suffix]
    seconds = float(seconds)
    tags = {**(metadata or {}), **({"timecode": timecode} if timecode else {})}
    options = {"write_bext": "1"} if path.suffix == ".wav" else {}
    if path.suffix in (".mp4", ".mov", ".m4a"):
        # Edit lists count in this clock; the usual one ticks in milliseconds and would round away the truth.
        options = {"movie_timescale": "720000"}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(tags)
        feeds = []
        if picture and video_codec is not None:
            stream = container.add_stream(video_codec, rate=Fraction(fps).limit_denominator(1001))
            stream.width, stream.height = size
            stream.gop_size = gop
            times_s = [k / fps for k in range(round(seconds * fps))] if stamps_s is None else stamps_s
            # Fine enough for pictures at any time; an even film keeps the plain clock that cameras write.
            tick = 1 / stream.average_rate if stamps_s is None and not start_s else Fraction(1, 90000)
            feeds.append(_pictures(stream, times_s, tick, start_s))
        for number in range(streams if sound else 0):
            stream = container.add_stream(audio_codec, rate=rate, layout=layout)
            noise = [100 * number + (0 if alike else k) for k in range(stream.layout.nb_channels)]
            ends_s = seconds if sound_to_s is None else sound_to_s
            pieces_s = [(sound_from_s, ends_s)]
            if hole_s is not None:
                pieces_s = [(sound_from_s, hole_s[0]), (hole_s[1], ends_s)]
            feeds.append(_sounds(stream, noise, pieces_s, early_s, start_s, gain=0.0 if silent else 0.2))
        for packet in _interleaved(feeds):
            container.mux(packet)
    return path


def png(picture: np.ndarray) -> bytes:
    """One picture, uint8 (H, W, 3) RGB, as a PNG file."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "rgb24"
    encoder.time_base = Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def image_sequence(folder: Path, *, count: int = 50, fps: float = 25, first: int = 0, size=(96, 64)) -> Path:
    """Write PNG pictures that say k / fps; returns their printf pattern, `folder/shot.%04d.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    pattern = folder / "shot.%04d.png"
    for number in range(count):
        (folder / (pattern.name % (first + number))).write_bytes(png(time_picture(number / fps, size)))
    return pattern


def time_picture(at_s: float, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """uint8 (H, W, 3): the picture that says `at_s`."""
    width, height = size
    bits = (round(at_s * 1000) >> np.arange(COLUMNS * ROWS)) & 1
    across, down = np.arange(width) * COLUMNS // width, np.arange(height) * ROWS // height
    fields = bits.reshape(ROWS, COLUMNS)[down][:, across]
    return np.repeat((16 + 220 * fields).astype(np.uint8)[:, :, None], 3, axis=2)


def picture_s(frame: np.ndarray) -> float:
    """The time that a picture (H, W, 3) says, in seconds, at any size."""
    height, width = frame.shape[:2]
    down = ((np.arange(ROWS) + 0.5) * height / ROWS).astype(int)
    across = ((np.arange(COLUMNS) + 0.5) * width / COLUMNS).astype(int)
    bits = frame[down][:, across].mean(-1).ravel() > 127
    return float((bits << np.arange(COLUMNS * ROWS)).sum()) / 1000


def sound_s(samples: np.ndarray, *, rate: int = NOISE_RATE, noise: int = 0) -> float:
    """The time that the first sample of a piece (N,) says, in seconds, to a fraction of a sample.

    Raises:
        ValueError: the piece isn't of this noise.
    """
    known = time_noise(noise, rate)
    size = 1 << (len(known) + len(samples)).bit_length()
    spectrum = _known_spectrum(noise, rate, size) * np.conj(np.fft.rfft(samples, size))
    found = np.fft.irfft(spectrum, size)[: len(known)]
    peak = int(found.argmax())
    fit = found[peak] / (np.linalg.norm(samples) * np.linalg.norm(known[peak : peak + len(samples)]) + 1e-9)
    if fit < 0.5:
        raise ValueError(f"this sound isn't noise number {noise}: it fits by {fit:.2f}")
    before, at, after = found[peak - 1 : peak + 2]
    return KNOWN_S[0] + (peak + 0.5 * (before - after) / (before - 2 * at + after)) / rate


@cache
def time_noise(noise: int = 0, rate: int = NOISE_RATE) -> np.ndarray:
    """float32: noise number `noise` over all of `KNOWN_S`, the same at every rate."""
    long_s = KNOWN_S[1] - KNOWN_S[0]
    rng = np.random.default_rng(noise)
    bins = round(NOISE_TOP_HZ * long_s)
    spectrum = np.zeros(round(rate * long_s) // 2 + 1, np.complex64)
    spectrum[1:bins] = np.exp(2j * np.pi * rng.random(bins - 1))
    wave = np.fft.irfft(spectrum, round(rate * long_s))
    return (wave / wave.std()).astype(np.float32)


@cache
def _known_spectrum(noise: int, rate: int, size: int) -> np.ndarray:
    return np.fft.rfft(time_noise(noise, rate), size)


def _pictures(stream, times_s: Sequence[float], tick: Fraction, start_s: float) -> Iterator[av.Packet]:
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = tick
    if stream.name == "libx264":
        stream.options = {"preset": "veryfast", "x264-params": "bframes=2:b-adapt=0:scenecut=0"}
    for at_s in times_s:
        picture = time_picture(float(at_s), (stream.width, stream.height))
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = round((float(at_s) + start_s) / tick), tick
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _sounds(
    stream,
    noise: list[int],
    pieces_s: list[tuple[float, float]],
    early_s: float,
    start_s: float,
    *,
    gain: float,
) -> Iterator[av.Packet]:
    rate = stream.rate
    fit = av.AudioResampler(format=stream.format, layout=stream.layout, rate=rate)
    size = stream.codec_context.frame_size or 1024
    for from_s, to_s in pieces_s:
        first, end = round(from_s * rate), round(to_s * rate)
        known = round((first / rate + early_s - KNOWN_S[0]) * rate)
        channels = gain * np.stack([time_noise(each, rate)[known : known + end - first] for each in noise])
        for at in range(0, end - first, size):
            part = np.ascontiguousarray(channels[:, at : at + size])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=stream.layout.name)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = first + at + round(start_s * rate)
            for fitted in fit.resample(frame):
                yield from stream.encode(fitted)
    yield from stream.encode(None)


def _interleaved(feeds: list[Iterator[av.Packet]]) -> Iterator[av.Packet]:
    """Packets of all feeds in the order of their time."""
    yield from heapq.merge(*feeds, key=lambda packet: (packet.dts or 0) * packet.time_base)
