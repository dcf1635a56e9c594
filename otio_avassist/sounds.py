"""Samples -> a sound that an editor takes: its length, its level, its ends, and a WAV file; and back again.

48 kHz, mono, 24 bits, no time code: a clip's frames count from the file's first sample. All is done block by
block, so that a long sound costs no more memory than its samples. Knows no timeline and no network.
"""

from __future__ import annotations

import math
import os
import struct
import wave
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.filter import Graph

from otio_avassist import windows
from otio_avassist.media import opened
from otio_avassist.whole import replacing

RATE = 48_000
"""Samples a second of every file written here."""
LOUDNESS_LUFS = -23.0
"""EBU R 128's target, where nothing is heard round a sound."""
PEAK_DBTP = -1.0
"""No file is louder than this, wherever between its samples the peak lies."""
PEAK_MARGIN_DB = 0.2
"""Meters that look more finely between samples find so much more at most."""
FADE_S = (0.01, 0.03)
"""In and out: short enough to be heard as the sound itself, long enough not to click."""
METER_S = 0.4
"""What the meter needs to hear; a shorter sound is played to it again and again."""
BLOCK = 1 << 16
"""Samples at once: a second or three."""


@dataclass(frozen=True)
class Level:
    """How loud a sound is, by FFmpeg's meter for EBU R 128."""

    loudness_lufs: float | None
    """Integrated, of a sound shorter than `METER_S` as if it went on and on; None: as good as silent."""
    true_peak_dbtp: float | None
    """Between the samples too; None: digital silence."""

    def louder_by(self, gain_db: float) -> Level:
        """Of the same sound, that much louder."""
        return Level(*(None if each is None else round(each + gain_db, 2) for each in (
            self.loudness_lufs, self.true_peak_dbtp
        )))  # fmt: skip


def write(
    path: Path,
    samples: np.ndarray,
    *,
    rate: int,
    length: int,
    lead_in: int = 0,
    loudness_lufs: float = LOUDNESS_LUFS,
    comment: Callable[[Level], str] | None = None,
) -> Level:
    """Write a sound as a WAV file, all of it or nothing.

    Args:
        path: its folder must be there.
        samples: float (N,) mono, of any level.
        rate: theirs, samples a second.
        length: of the file, in samples at `RATE`; what is missing is silence.
        lead_in: so many samples at `RATE` of silence come first; negative: so many are left out.
        loudness_lufs: what it is levelled to, as far as its peaks allow.
        comment: what the file says of itself, where any program that lists comments shows it.

    Returns:
        How loud it has become.

    Raises:
        OutputError: it can't be written; nothing of it is left.
    """
    peak = float(max(samples.max(initial=0.0), -samples.min(initial=0.0)))
    # At half of full scale, whatever it was: the meter gives few digits of what is quiet.
    scale = 0.5 / peak if peak > 0 else 0.0
    said = measure(_finished(samples, rate, length, lead_in, scale))
    gain_db = _gain_db(said, loudness_lufs)
    became = said.louder_by(gain_db)
    with replacing(path) as temporary:
        with wave.open(str(temporary), "wb") as file:
            file.setparams((1, 3, RATE, length, "NONE", ""))
            for block in _finished(samples, rate, length, lead_in, scale * 10 ** (gain_db / 20)):
                file.writeframes(_bytes_of(block))
        if comment is not None:
            _add_comment(temporary, comment(became))
    return became


def _gain_db(said: Level, loudness_lufs: float) -> float:
    if said.true_peak_dbtp is None:
        return 0.0
    room_db = PEAK_DBTP - PEAK_MARGIN_DB - said.true_peak_dbtp
    return room_db if said.loudness_lufs is None else min(room_db, loudness_lufs - said.loudness_lufs)


def _add_comment(path: Path, text: str) -> None:
    """A list of one piece of information behind the samples; readers pass over what they don't know."""
    said = text.encode() + b"\0"
    said += b"\0" * (len(said) % 2)
    listed = b"INFOICMT" + struct.pack("<I", len(said)) + said
    with path.open("r+b") as file:
        at = file.seek(0, os.SEEK_END)
        # Chunks begin at even places.
        file.write(b"\0" * (at % 2) + b"LIST" + struct.pack("<I", len(listed)) + listed)
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", size))


def comment(path: Path) -> str:
    """What a sound file says of itself; empty where it says nothing.

    Raises:
        MediaError: it can't be read as one.
    """
    with opened(path) as container:
        return str(container.metadata.get("comment", ""))


def _finished(samples: np.ndarray, rate: int, length: int, lead_in: int, gain: float) -> Iterator[np.ndarray]:
    """Blocks of a file: at `RATE`, moved, faded where it begins and ends, `length` samples in all."""
    first = min(length, max(0, lead_in))
    end = max(first, min(length, lead_in + math.ceil(len(samples) * RATE / rate)))
    fade_in, fade_out = (max(1, min(round(each * RATE), (end - first) // 2)) for each in FADE_S)
    at = min(0, lead_in)
    for block in chain([np.zeros(first, np.float32)], resampled(samples, rate), [np.zeros(length - end)]):
        inside = slice(max(0, -at), max(0, length - at))
        begins, at = at + inside.start, at + len(block)
        block = gain * block[inside]
        places = np.arange(begins, begins + len(block))
        for edge, fade in ((places - first, fade_in), (end - 1 - places, fade_out)):
            near = edge < fade
            block[near] *= np.sin(np.pi / 2 * np.maximum(edge[near], 0) / fade) ** 2
        yield block.astype(np.float32)


def resampled(samples: np.ndarray, rate: int, to: int = RATE) -> Iterator[np.ndarray]:
    """Blocks of the same sound at another rate: ceil(N * to / rate) samples in all, float32.

    Sample n of what comes out is heard when sample n * rate / to of what went in is.
    """
    if rate == to:
        yield from (samples[at : at + BLOCK] for at in range(0, len(samples), BLOCK))
        return
    converter = av.AudioResampler(format="flt", layout="mono", rate=to)
    left = math.ceil(len(samples) * to / rate)
    for frame in chain(_frames(samples, rate), [None]):
        for made in converter.resample(frame):
            block = made.to_ndarray()[0][:left]
            left -= len(block)
            yield block
    # What the filter holds back at the very end.
    yield np.zeros(left, np.float32)


def measure(blocks: Iterable[np.ndarray]) -> Level:
    """The level of a sound at `RATE` that comes block by block."""
    coming = iter(blocks)
    short: list[np.ndarray] = []
    while sum(map(len, short)) < METER_S * RATE and (block := next(coming, None)) is not None:
        short.append(block)
    heard = np.concatenate([*short, np.zeros(0, np.float32)])
    if 0 < len(heard) < METER_S * RATE:
        heard = np.tile(heard, math.ceil(METER_S * RATE / len(heard)) + 1)
    return _metered(chain([heard], coming))


def _metered(blocks: Iterable[np.ndarray]) -> Level:
    graph = Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="flt", layout="mono", time_base=Fraction(1, RATE))
    meter, sink = graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    said: dict[str, str] = {}
    at = 0
    for frame in chain(chain.from_iterable(_frames(block, RATE) for block in blocks), [None]):
        if frame is not None:
            frame.pts, at = at, at + frame.samples
        source.push(frame)
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                said.update(sink.pull().metadata)
    loudness = float(said.get("lavfi.r128.I", "-70"))
    peak = float(said.get("lavfi.r128.true_peak", "0"))
    return Level(
        # The meter says so of what never passes its gate.
        loudness if loudness > -70 else None,
        20 * math.log10(peak) if peak > 0 else None,
    )


def duration_s(path: Path) -> float:
    """Of a sound file, as its header says; raises MediaError where it has none that can be read."""
    return windows.probe(path).duration_s or 0.0


def read(path: Path, *, rate: int = RATE) -> np.ndarray:
    """All of a sound file, mixed down to mono: float32 (N,).

    Raises:
        MediaError: it has no sound that can be read.
    """
    return windows.read_sound(windows.Stretch(path, 0.0, duration_s(path)), rate=rate)


def level(path: Path) -> Level:
    """The level of a sound file.

    Raises:
        MediaError: it has no sound that can be read.
    """
    coming = windows.sounds(windows.Stretch(path, 0.0, duration_s(path)), rate=RATE)
    return measure(window.samples for window in coming if window.samples is not None)


def _bytes_of(block: np.ndarray) -> bytes:
    """24 bits, little-endian."""
    whole = np.round(np.clip(block, -1, 1) * (2**23 - 1)).astype("<i4")
    return whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _frames(samples: np.ndarray, rate: int) -> Iterator[av.AudioFrame]:
    for at in range(0, len(samples), BLOCK):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None, at : at + BLOCK], np.float32), format="flt", layout="mono"
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
        yield frame
