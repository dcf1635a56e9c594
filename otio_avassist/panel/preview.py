"""What is seen and heard of media, small enough to draw: whole files at a glance, and a finding up close.

Overviews are kept on disk by path, size and time of change, so that a film is decoded once. Files are written
whole and renamed; a folder that can't be written to costs time, and nothing else. Knows no Qt.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import math
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from otio_avassist import figures, media, signals, windows
from otio_avassist.errors import AvAssistError, MediaError
from otio_avassist.findings import FoleyFinding
from otio_avassist.panel.entries import Entry
from otio_avassist.spans import MediaSpan

VERSION = 1
PEAKS = 50
"""A second."""
RATE = 16000
THUMBNAIL_S = 2.0
"""At most one still in so many seconds: of the frame that needs no other."""
THUMBNAIL_HEIGHT = 48
MOST_BYTES = 256 << 20
"""Of all overviews; those that weren't looked at for longest go first."""
LEFT_S = 3600.0
"""A half-written file of this age was left by a process that has ended."""
FPS = figures.FPS
SIDE = 180
LONGEST_S = figures.LONGEST_S

Stopped = Callable[[], bool]
Piece = TypeVar("Piece")


@dataclass(frozen=True)
class Overview:
    """A whole file."""

    duration_s: float
    peaks: np.ndarray
    """float16 (N,): the loudest sample of each stretch of 1 / PEAKS seconds; empty without sound."""
    still_s: np.ndarray
    """float32 (M,): when each still is seen."""
    stills: tuple[bytes, ...]
    """JPEGs, `THUMBNAIL_HEIGHT` high."""
    why: str = ""
    """What can't be read of it, in words; all that can is here."""


@dataclass(frozen=True)
class Sound:
    """What can be played to the pictures."""

    label: str
    samples: np.ndarray
    """float32 (N,) mono at `RATE`, from the first picture on."""
    mel: np.ndarray
    """(80, T) in [0, 1], `signals.FOLEY_HOP` samples of `signals.FOLEY_RATE` a column."""


@dataclass(frozen=True)
class Close:
    """A few seconds of a finding: what is seen, and each way it may sound."""

    start_s: float
    """Timeline seconds."""
    frames: np.ndarray
    """uint8 (T, H, W, 3) at `FPS`; empty where there is no picture."""
    motion: np.ndarray
    """(T,)."""
    sounds: tuple[Sound, ...]
    why: str = ""
    """What is missing, in words; empty where all is there."""

    @property
    def duration_s(self) -> float:
        heard_s = max((len(each.samples) / RATE for each in self.sounds), default=0.0)
        return max(len(self.frames) / FPS, heard_s)


# Whole files


def overview(path: Path, *, stopped: Stopped = lambda: False) -> Overview | None:
    """A file at a glance, from the cache where it is there; None: stopped.

    What is damaged gives all that can be decoded, and isn't kept: the next look may find it mended.

    Raises:
        MediaError: it can't be opened.
    """
    kept = _kept(path)
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        found = _unpacked(kept.read_bytes())
        with contextlib.suppress(OSError):
            os.utime(kept)  # what is looked at stays longest
        return found
    made = _decoded(path, stopped)
    if made is not None and not made.why:
        with contextlib.suppress(OSError):
            _keep(kept, _packed(made))
    return made


def cache_folder() -> Path:
    """Where overviews are kept; `AVASSIST_CACHE` names another folder."""
    if named := os.environ.get("AVASSIST_CACHE"):
        return Path(named) / "previews"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "otio-avassist" / "previews"


def _kept(path: Path) -> Path:
    try:
        facts = path.stat()
        key = f"{VERSION}|{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}"
    except OSError as error:
        raise MediaError(f"{path}: can't be opened: {error.strerror}") from error
    return cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def _packed(made: Overview) -> bytes:
    lengths = np.array([len(each) for each in made.stills], np.int64)
    data = np.frombuffer(b"".join(made.stills), np.uint8)
    held = io.BytesIO()
    np.savez(
        held, duration_s=made.duration_s, peaks=made.peaks, still_s=made.still_s, lengths=lengths, data=data
    )
    return held.getvalue()


def _unpacked(data: bytes) -> Overview:
    """Anything else raises ValueError, KeyError, EOFError or BadZipFile."""
    with np.load(io.BytesIO(data), allow_pickle=False) as held:
        ends = np.cumsum(held["lengths"])
        stills = tuple(each.tobytes() for each in np.split(held["data"], ends[:-1])) if len(ends) else ()
        return Overview(float(held["duration_s"]), held["peaks"], held["still_s"], stills)


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    _prune(path.parent)


def _prune(folder: Path) -> None:
    """Other processes may do the same at once: what is gone already is no error."""
    facts = []
    for each in folder.iterdir():
        with contextlib.suppress(OSError):
            fact = each.stat()
            if each.suffix == ".npz":
                facts.append((fact.st_mtime, fact.st_size, each))
            elif each.suffix == ".part" and fact.st_mtime < time.time() - LEFT_S:
                each.unlink()
    total = sum(size for _, size, _ in facts)
    for _, size, each in sorted(facts):
        if total <= MOST_BYTES:
            break
        each.unlink(missing_ok=True)
        total -= size


def _decoded(path: Path, stopped: Stopped) -> Overview | None:
    info = windows.probe(path)
    duration_s = info.duration_s or 0.0
    lacking: list[str] = []
    peaks: list[np.ndarray] = []
    stills: list[tuple[float, bytes]] = []
    if info.has_sound:
        with _noting(lacking):
            for height in _until(stopped, _peaks(path, duration_s)):
                peaks.append(height)
    if info.has_picture:
        with _noting(lacking):
            for still in _until(stopped, _stills(path)):
                stills.append(still)
    if stopped():
        return None
    heights = np.concatenate(peaks).astype(np.float16) if peaks else np.zeros(0, np.float16)
    return Overview(
        duration_s or len(heights) / PEAKS,
        heights,
        np.array([at_s for at_s, _ in stills], np.float32),
        tuple(jpeg for _, jpeg in stills),
        "; ".join(dict.fromkeys(lacking)),
    )


def _until(stopped: Stopped, pieces: Iterator[Piece]) -> Iterator[Piece]:
    return itertools.takewhile(lambda _: not stopped(), pieces)


def _peaks(path: Path, duration_s: float) -> Iterator[np.ndarray]:
    each = RATE // PEAKS
    rest = np.zeros(0, np.float32)
    for window in windows.sounds(windows.Stretch(path, 0.0, duration_s), rate=RATE):
        if window.samples is not None:
            rest = np.concatenate([rest, window.samples])
            whole = len(rest) // each * each
            yield np.abs(rest[:whole].reshape(-1, each)).max(axis=1)
            rest = rest[whole:]


def _stills(path: Path) -> Iterator[tuple[float, bytes]]:
    """Frames that need no other are enough for a strip, and ten times quicker to come by."""
    with media.opened(path) as container:
        stream = media.picture_stream(container)
        assert stream is not None
        zero_s, step_s = media.zero_s(container), float(stream.time_base or 1)
        last_s = -math.inf
        for packet in container.demux(stream):
            # Where each frame needs no other, most are left out all the same.
            begins_s = math.nan if packet.pts is None else packet.pts * step_s
            if packet.size and (not packet.is_keyframe or begins_s < last_s + THUMBNAIL_S):
                continue
            last_s = last_s if math.isnan(begins_s) else begins_s
            with contextlib.suppress(av.error.InvalidDataError):
                for frame in packet.decode():
                    yield (frame.time or 0.0) - zero_s, _still(frame)


def _still(frame: av.VideoFrame) -> bytes:
    width = max(16, round(frame.width * THUMBNAIL_HEIGHT / max(1, frame.height) / 2) * 2)
    small = frame.reformat(width=width, height=THUMBNAIL_HEIGHT, format="rgb24")
    return windows.to_jpeg(small.to_ndarray())


# A finding up close


def close(entry: Entry) -> Close:
    """Some seconds of what a finding speaks of; what can't be read is said in `why` and left out."""
    finding, shot = entry.finding, entry.finding.shot
    lead = shot.lead
    if isinstance(finding, FoleyFinding):
        from_s, most_s = finding.start_s - lead.record_start_s, finding.duration_s
    elif entry.task == "sync":
        from_s, most_s = _telling_s(shot.sound or lead), lead.duration_s
    else:
        from_s = max(0.0, entry.start_s - 0.5 - lead.record_start_s)
        most_s = entry.end_s + 0.5 - lead.record_start_s - from_s
    duration_s = max(0.04, min(LONGEST_S, most_s, lead.duration_s - from_s))
    lacking: list[str] = []
    frames = np.zeros((0, 2, 2, 3), np.uint8)
    if shot.picture is not None:
        with _noting(lacking):
            frames = _frames(shot.picture, from_s, duration_s)
    motion = figures.motion_of(frames) if len(frames) > 1 else np.zeros(max(1, len(frames)))
    sounds = []
    for label, stretch in _ways(entry, from_s, duration_s):
        with _noting(lacking):
            samples = windows.read_sound(stretch, rate=RATE)
            sounds.append(Sound(label, samples, _mel(samples)))
    why = "; ".join(dict.fromkeys(lacking))
    return Close(lead.record_start_s + from_s, frames, motion, tuple(sounds), why)


def _ways(entry: Entry, from_s: float, duration_s: float) -> list[tuple[str, windows.Stretch]]:
    """Each way it may sound, and where that is read."""
    finding, sound = entry.finding, entry.finding.shot.sound
    if isinstance(finding, FoleyFinding):
        return [(take.name, windows.Stretch(take.path, 0.0, duration_s)) for take in finding.takes]
    if sound is None:
        return []
    ways = [("as it is", figures.stretch_of(sound, from_s, duration_s))]
    if entry.early_s:
        ways.append(("as proposed", figures.stretch_of(sound, from_s - entry.early_s, duration_s)))
    return ways


def _telling_s(sound: MediaSpan) -> float:
    with contextlib.suppress(AvAssistError, OSError, ValueError):
        return figures.telling_start_s(sound)
    return 0.0


def _frames(picture: MediaSpan, from_s: float, duration_s: float) -> np.ndarray:
    stretch = figures.stretch_of(picture, from_s, duration_s)
    pieces = [each.frames for each in windows.pictures(stretch, fps=FPS, side=SIDE)]
    seen = [each for each in pieces if each is not None]
    return np.concatenate(seen) if seen else np.zeros((0, 2, 2, 3), np.uint8)


def _mel(samples: np.ndarray) -> np.ndarray:
    if len(samples) < RATE // 20:
        return np.zeros((80, 1), np.float32)
    at = np.arange(int(len(samples) * signals.FOLEY_RATE / RATE)) * RATE / signals.FOLEY_RATE
    return signals.foley_log_mel(np.interp(at, np.arange(len(samples)), samples).astype(np.float32))


@contextlib.contextmanager
def _noting(lacking: list[str]):
    """One file that can't be read takes nothing else along."""
    try:
        yield
    except (AvAssistError, OSError, ValueError, av.FFmpegError) as error:
        lacking.append(str(error))
