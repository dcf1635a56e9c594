"""Material that was never compressed, and what real encoders make of it: what the leak probe learns from.

In: seeds, or files. Out: `Material`, sources of sound or of pictures that all begin alike. Noise and pictures
are drawn here from seeds, for a recording that was compressed once keeps the traces of it whatever it is
saved as (thesis, section 5.5). Knows no network.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np

from otio_avassist.errors import AvAssistError, MediaError
from otio_avassist.media import opened, picture_stream
from otio_avassist.probe import files
from otio_avassist.signals import LUMA

Kind = Literal["sound", "picture"]

SOURCE_S = 10.0
"""Of which 5 s are cut from anywhere (thesis, section 5.3)."""
PICTURE_FPS = 10
"""A class of 0.1 s is one picture then, as published."""
HEIGHT, WIDTH = 96, 128
"""Of the pictures that are drawn, and at most of what is kept of others: their middle, as it is, for scaling
would smooth traces away."""

AAC_BIT_RATE = 32_000
"""Mono. At the default of 69,000 noise at 22.05 and 16 kHz gets 3.1 and 4.3 bits a sample, and tells less."""

PICTURE_LEAD, PICTURE_TAIL = 24, 6
SOUND_LEAD_S = 1.0
"""What is encoded begins before the source does and ends after it: how a file begins is no trace of time."""

SOUND_CODECS = ("lossless", "aac")
PICTURE_CODECS = ("prores", "h264", "mpeg4")


@dataclass(frozen=True)
class Material:
    """Sources of one kind that all begin where their encoding does, or at the same distance from it."""

    kind: Kind
    rate: float
    """Samples or pictures a second."""
    sources: tuple[np.ndarray, ...]
    """Sound: float32 (N,), mono, in [-1, 1]. Pictures: uint8 (T, H, W), brightness."""
    groups: tuple[int, ...] = ()
    """Which sources belong together, for example to one file: they never stand on both sides of a split.
    Empty: each stands for itself."""


# Drawn from seeds


def noise(seed: int, rate: int) -> np.ndarray:
    """Gaussian noise as 16-bit samples hold it, float32 (N,): a source with what is before and behind it."""
    count = round((SOURCE_S + 2 * SOUND_LEAD_S) * rate)
    samples = np.random.default_rng([seed, rate]).normal(0, 0.2, count).clip(-1, 1)
    return (np.round(samples * 32767) / 32768).astype(np.float32)


def moving(seed: int, *, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Pictures of textures that move, uint8 (T, H, W, 3): a source with what is before and behind it.

    A camera that rests or drifts over a ground, things that wander before it, grain. What happens has no
    period, so that an encoder that follows it has none either. One shot without jolts, as the thesis' clips
    are: at a cut MPEG-4 sets a key frame and counts to the next from there.
    """
    rng = np.random.default_rng([seed, 1])
    count = PICTURE_LEAD + round(SOURCE_S * PICTURE_FPS) + PICTURE_TAIL
    ground = _texture(rng, height + _Walk.REACH, width + _Walk.REACH)
    camera = _Walk(rng, 0.5, rests=0.8)
    things = [(_texture(rng, *rng.integers(16, 48, 2)), _Walk(rng, 1.5, rests=0.3)) for _ in range(4)]
    out = np.empty((count, height, width, 3), np.uint8)
    for index in range(count):
        y, x = camera.step()
        picture = ground[y : y + height, x : x + width].copy()
        for texture, walk in things:
            top, left = walk.step()
            part = picture[top : top + len(texture), left : left + texture.shape[1]]
            part[:] = texture[: len(part), : part.shape[1]]
        picture += rng.integers(-2, 3, picture.shape, dtype=np.int8)
        out[index] = picture.clip(0, 255)
    return out


class _Walk:
    """Whole pixels of a way that now and then takes another direction, or rests; it turns at its ends."""

    REACH = 64

    def __init__(self, rng: np.random.Generator, speed: float, *, rests: float) -> None:
        self._rng, self._speed, self._rests = rng, speed, rests
        self._place = rng.uniform(0, self.REACH, 2)
        self._velocity = self._another()

    def _another(self) -> np.ndarray:
        return self._rng.normal(0, self._speed, 2) * (self._rng.random() > self._rests)

    def step(self) -> tuple[int, int]:
        """From 0 to `REACH`, down and to the right."""
        if self._rng.random() < 0.15:
            self._velocity = self._another()
        place = self._place + self._velocity
        self._velocity = np.where((place < 0) | (place > self.REACH), -self._velocity, self._velocity)
        self._place = place.clip(0, self.REACH)
        down, right = np.round(self._place).astype(int)
        return int(down), int(right)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Patches of all sizes in colours of one palette, float32 (height, width, 3), 0 to 255."""
    out = np.zeros((height, width, 3), np.float32)
    for size in (32, 16, 8, 4, 2):
        cells = -(-height // size), -(-width // size)
        patches = rng.normal(0, 1, (*cells, 1)) * rng.uniform(3, 18) + rng.normal(0, 3, (*cells, 3))
        out += np.repeat(np.repeat(patches, size, 0), size, 1)[:height, :width]
    return (out + rng.uniform(70, 180, 3)).astype(np.float32).clip(0, 255)


# Encoded


def sounds(codec: str, rate: int, seeds: Iterable[int], bit_rate: int = AAC_BIT_RATE) -> Material:
    """Noise, lossless or as AAC leaves it."""
    lead, count = round(SOUND_LEAD_S * rate), round(SOURCE_S * rate)
    sources = []
    for seed in seeds:
        samples = noise(seed, rate)
        if codec == "aac":
            samples = through_aac(samples, rate, bit_rate)
        sources.append(samples[lead : lead + count].copy())
    return Material("sound", rate, tuple(sources))


def through_aac(samples: np.ndarray, rate: int, bit_rate: int) -> np.ndarray:
    """The same samples after an encoder and a decoder, in their places. Shape: float32 (N,) -> (N,)."""
    # Matroska's clock of milliseconds would lay frames of 1,024 samples down in wrong places.
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        stream.bit_rate = bit_rate
        block = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    memory.seek(0)
    out = np.zeros_like(samples)
    with av.open(memory, "r") as encoded:
        for frame in encoded.decode(audio=0):
            # What is decoded before zero is the encoder's priming.
            first = round((frame.time or 0) * rate)
            part = frame.to_ndarray()[0][max(0, -first) :]
            place = out[max(0, first) : max(0, first) + len(part)]
            place[:] = part[: len(place)]
    return out


ENCODERS: dict[str, tuple[str, str, int | None]] = {
    "prores": ("prores_ks", "yuv422p10le", None),
    "h264": ("libx264", "yuv420p", None),
    "mpeg4": ("mpeg4", "yuv420p", 25_000),
}
"""Encoder, pixels and bit rate: as ffmpeg has them where nobody says more, key frames too. MPEG-4 part 2 sets
one every 12 frames then, H.264 after a cut or 250 frames, ProRes has nothing else. MPEG-4's 200 kb/s would be
luxury for pictures so small: here each pixel gets as many bits as in one of 362 x 272."""


def films(codecs: Sequence[str], seeds: Sequence[int]) -> dict[str, Material]:
    """Pictures as encoders leave them."""
    sources: dict[str, list[np.ndarray]] = {codec: [] for codec in codecs}
    last = PICTURE_LEAD + round(SOURCE_S * PICTURE_FPS)
    for seed in seeds:
        drawn = moving(seed)
        for codec in codecs:
            frames = through_picture_codec(drawn, codec, PICTURE_FPS)
            sources[codec].append(brightness(frames[PICTURE_LEAD:last]))
    return {codec: Material("picture", PICTURE_FPS, tuple(held)) for codec, held in sources.items()}


def through_picture_codec(frames: np.ndarray, codec: str, fps: int) -> np.ndarray:
    """The same frames after an encoder and a decoder. Shape: uint8 (T, H, W, 3) -> (T, H, W, 3)."""
    encoder, pixels, bit_rate = ENCODERS[codec]
    memory = io.BytesIO()
    with av.open(memory, "w", format="mov") as container:
        stream = cast(av.VideoStream, container.add_stream(encoder, rate=fps))
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pixels
        stream.thread_count = 1
        if bit_rate:
            stream.bit_rate = bit_rate
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    memory.seek(0)
    out = np.empty_like(frames)
    with av.open(memory, "r") as encoded:
        for frame in encoded.decode(video=0):
            out[round((frame.time or 0) * fps)] = frame.to_ndarray(format="rgb24")
    return out


# From files


def read(paths: Iterable[Path]) -> dict[Kind, Material]:
    """Sources of what stands in files, or in the files of folders: pictures and sound apart.

    Media are cut where their encoding begins anew: pictures at key frames, sound between packets. Arrays
    (`.npz`) hold `frames` uint8 (T, H, W, 3) and `fps`, or `samples` (N,) and `rate`, or both: a source each.
    What differs from the first file in rate is left out, and so is what is too short.

    Raises:
        MediaError: a file can't be read.
        SourcesError: nothing in them is long enough.
    """
    found: dict[Kind, list[tuple[float, np.ndarray, int]]] = {"picture": [], "sound": []}
    for group, file in enumerate(_files(paths)):
        pieces = _arrays(file) if file.suffix == ".npz" else _media(file)
        for kind, rate, source in pieces:
            found[kind].append((rate, source, group))
    return {kind: _alike(kind, held) for kind, held in found.items() if held}


LEAST_PICTURES = 60
LEAST_SOUND_S = 6.0
PIECE_PICTURES = 100
MOST_PIECES = 60
"""Of one file."""


class SourcesError(AvAssistError):
    """Files don't hold what a probe could learn from."""


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted({*files([path]), *path.rglob("*.npz")})
        else:
            yield path


def _alike(kind: Kind, held: Sequence[tuple[float, np.ndarray, int]]) -> Material:
    rate = held[0][0]
    same = [each for each in held if each[0] == rate]
    groups = {group for _, _, group in same}
    # One file's pieces stand for themselves: there is nothing else to split.
    numbers = tuple(each[2] for each in same) if len(groups) > 1 else tuple(range(len(same)))
    return Material(kind, rate, tuple(each[1] for each in same), numbers)


def _arrays(file: Path) -> Iterator[tuple[Kind, float, np.ndarray]]:
    try:
        with np.load(file) as held:
            if "frames" in held:
                yield "picture", float(held["fps"]), _middle(brightness(held["frames"]))
            if "samples" in held:
                yield "sound", float(held["rate"]), np.asarray(held["samples"], np.float32)
    except (OSError, ValueError, KeyError) as error:
        raise MediaError(f"{file.name}: wanted frames and fps, or samples and rate: {error}") from error


def _media(file: Path) -> Iterator[tuple[Kind, float, np.ndarray]]:
    with opened(file) as container:
        has_picture, has_sound = picture_stream(container) is not None, bool(container.streams.audio)
    if has_picture:
        yield from _pictures(file)
    if has_sound:
        yield from _sound(file)


def _pictures(file: Path) -> Iterator[tuple[Kind, float, np.ndarray]]:
    """Pieces that begin at a key frame, of as many pictures as a probe wants at most."""
    with opened(file) as container:
        stream = picture_stream(container)
        assert stream is not None
        rate = float(stream.average_rate or stream.guessed_rate or PICTURE_FPS)
        piece: list[np.ndarray] = []
        count = 0
        for frame in container.decode(stream):
            if not piece and not frame.key_frame:
                continue
            piece.append(_middle(frame.to_ndarray(format="gray")))
            if len(piece) == PIECE_PICTURES:
                yield "picture", rate, np.stack(piece)
                piece, count = [], count + 1
                if count == MOST_PIECES:
                    return
        if len(piece) >= LEAST_PICTURES:
            yield "picture", rate, np.stack(piece)


def _sound(file: Path) -> Iterator[tuple[Kind, float, np.ndarray]]:
    """Pieces of 10 s, each so many whole packets after the one before, from the first whole one on."""
    with opened(file) as container:
        stream = container.streams.audio[0]
        rate, count = stream.rate, round(SOURCE_S * stream.rate)
        waiting, held, size, pieces = [np.zeros(0, np.float32)], 0, 0, 0
        resampler = av.AudioResampler(format="fltp", layout="mono")
        for frame in container.decode(stream):
            if frame.samples > size and not pieces:
                # What came before was cut by its priming: it began within a packet.
                waiting, held, size = [np.zeros(0, np.float32)], 0, frame.samples
            for mono in resampler.resample(frame):
                waiting.append(mono.to_ndarray()[0])
                held += mono.samples
            if held >= count + size:
                samples = np.concatenate(waiting)
                yield "sound", rate, samples[:count]
                waiting = [samples[-(-count // size) * size :]]
                held, pieces = len(waiting[0]), pieces + 1
                if pieces == MOST_PIECES:
                    return
        samples = np.concatenate(waiting)
        if len(samples) >= LEAST_SOUND_S * rate:
            yield "sound", rate, samples[:count]


def brightness(frames: np.ndarray) -> np.ndarray:
    """Shape: uint8 (T, H, W, 3) -> (T, H, W)."""
    return np.stack([np.round(frame @ LUMA).astype(np.uint8) for frame in frames])


def _middle(frames: np.ndarray) -> np.ndarray:
    """The middle `HEIGHT` x `WIDTH` pixels of (…, H, W), or all of what is smaller."""
    height, width = frames.shape[-2:]
    top, left = max(0, (height - HEIGHT) // 2), max(0, (width - WIDTH) // 2)
    return np.ascontiguousarray(frames[..., top : top + HEIGHT, left : left + WIDTH])
