"""Small media whose pictures and sound carry their own time, so that any decoder can be held against the truth.

Each picture shows its time in milliseconds as 24 black or white fields; the sound is a noise that is the same in every
film, so that correlation finds the place of any piece of it. In: a path and what the file should be like. Out: the
file, written by PyAV in well under a second.

    path = film(tmp_path / "late.mp4", seconds=4, early_s=0.4)
    picture_s(frame)                # what time does this picture say it is?
    sound_s(samples, rate=16000)    # what time does this sound say it is, to a fraction of a sample?
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

COLUMNS, ROWS = 8, 3
KNOWN_S = (-10.0, 70.0)
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
FINE_CLOCK = {"movie_timescale": "720000"}
"""Edit lists count in this clock; the usual one ticks in milliseconds and would round away the truth."""


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
    options = {".wav": {"write_bext": "1"}, ".mp4": FINE_CLOCK, ".mov": FINE_CLOCK, ".m4a": FINE_CLOCK}.get(
        path.suffix, {}
    )
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(tags)
        feeds = []
        if picture and video_codec is not None:
            times_s = stamps_s if stamps_s is not None else [k / fps for k in range(round(seconds * fps))]
            feeds.append(_pictures(container, video_codec, times_s, Fraction(fps).limit_denominator(1001), size, gop,
                                   start_s, even=stamps_s is None))  # fmt: skip
        for number in range(streams if sound else 0):
            stream = container.add_stream(audio_codec, rate=rate, layout=layout)
            channels = stream.layout.nb_channels
            noise = [100 * number + (0 if alike else channel) for channel in range(channels)]
            pieces = _without(sound_from_s, seconds if sound_to_s is None else sound_to_s, hole_s)
            feeds.append(_sounds(stream, noise, pieces, early_s, start_s, 0.0 if silent else 0.25))
        for packet in _interleaved(feeds):
            container.mux(packet)
    return path


def image_sequence(folder: Path, *, count: int = 50, fps: float = 25, first: int = 0, size=(96, 64)) -> Path:
    """Write PNG pictures that say k / fps; returns their printf pattern, `folder/shot.%04d.png`."""
    from otio_avassist.windows import to_png

    folder.mkdir(parents=True, exist_ok=True)
    pattern = folder / "shot.%04d.png"
    for number in range(count):
        (folder / (pattern.name % (first + number))).write_bytes(to_png(time_picture(number / fps, size)))
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
    spectrum = np.fft.rfft(known, size) * np.conj(np.fft.rfft(samples, size))
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


def _heard(noise: int, rate: int, from_s: float, count: int) -> np.ndarray:
    first = round((from_s - KNOWN_S[0]) * rate)
    return time_noise(noise, rate)[first : first + count]


def _without(from_s: float, to_s: float, hole_s: tuple[float, float] | None) -> list[tuple[float, float]]:
    return [(from_s, hole_s[0]), (hole_s[1], to_s)] if hole_s else [(from_s, to_s)]


def _pictures(container, codec, times_s, fps, size, gop, start_s, *, even) -> Iterator[av.Packet]:
    stream = container.add_stream(codec, rate=fps)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p" if codec != "prores_ks" else "yuv422p10le"
    stream.gop_size = gop
    if codec == "libx264":
        stream.options = {"preset": "veryfast", "x264-params": "bframes=2:b-adapt=0:scenecut=0"}
    # Fine enough for pictures at any time; an even film keeps the plain clock that cameras write.
    tick = 1 / fps if even and not start_s else Fraction(1, 90000)
    stream.codec_context.time_base = tick

    def packets() -> Iterator[av.Packet]:
        for at_s in times_s:
            frame = av.VideoFrame.from_ndarray(time_picture(float(at_s), size), format="rgb24")
            frame.pts, frame.time_base = round((float(at_s) + start_s) / tick), tick
            yield from stream.encode(frame)
        yield from stream.encode(None)

    return packets()


def _sounds(stream, noise, pieces, early_s, start_s, gain) -> Iterator[av.Packet]:
    rate, tick = stream.rate, Fraction(1, stream.rate)

    def packets() -> Iterator[av.Packet]:
        for from_s, to_s in pieces:
            first, count = round(from_s * rate), round((to_s - from_s) * rate)
            channels = np.stack([_heard(each, rate, first / rate + early_s, count) for each in noise]) * gain
            size = stream.codec_context.frame_size or 1024
            for at in range(0, count, size):
                part = np.ascontiguousarray(channels[:, at : at + size], np.float32)
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=stream.layout.name)
                frame.sample_rate, frame.time_base = rate, tick
                frame.pts = first + at + round(start_s * rate)
                yield from _encoded(stream, frame)
        yield from _encoded(stream, None)

    resampler = av.AudioResampler(format=stream.format, layout=stream.layout, rate=rate)

    def _encoded(stream, frame) -> Iterator[av.Packet]:
        for fitted in resampler.resample(frame) if frame is not None else ():
            yield from stream.encode(fitted)
        if frame is None:
            yield from stream.encode(None)

    return packets()


def _interleaved(feeds: list[Iterator[av.Packet]]) -> Iterator[av.Packet]:
    """Packets of all feeds in the order of their time."""
    waiting = [(feed, next(feed, None)) for feed in feeds]
    while waiting := [(feed, packet) for feed, packet in waiting if packet is not None]:
        waiting.sort(key=lambda each: (each[1].dts or 0) * each[1].time_base)
        feed, packet = waiting[0]
        following = next(feed, None)
        yield packet
        waiting[0] = (feed, following)
