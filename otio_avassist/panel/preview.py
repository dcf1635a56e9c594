"""What is seen and heard of media, small enough to draw: whole files at a glance, and a finding up close.

Overviews are kept on disk by path, size and time of change, so that a film is decoded once. Files are written
whole and renamed; a folder that can't be written to costs time, and nothing else. Knows no Qt.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
"""Of all overviews; the oldest go first."""
FPS = figures.FPS
SIDE = 180
LONGEST_S = figures.LONGEST_S

Stopped = Callable[[], bool]


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

    Raises:
        MediaError: it can't be opened or decoded.
    """
    kept = _kept(path)
    with contextlib.suppress(OSError, ValueError, KeyError):
        return _unpacked(kept.read_bytes())
    made = _decoded(path, stopped)
    if made is not None:
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
    """Raises ValueError or KeyError for anything else."""
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
    facts = sorted(((each.stat(), each) for each in folder.glob("*.npz")), key=lambda each: each[0].st_mtime)
    total = sum(fact.st_size for fact, _ in facts)
    for fact, each in facts:
        if total <= MOST_BYTES:
            break
        each.unlink(missing_ok=True)
        total -= fact.st_size


def _decoded(path: Path, stopped: Stopped) -> Overview | None:
    info = windows.probe(path)
    duration_s = info.duration_s or 0.0
    peaks = _peaks(path, duration_s, stopped) if info.has_sound else np.zeros(0, np.float16)
    still_s, stills = _stills(path, stopped) if info.has_picture else ([], [])
    if stopped():
        return None
    return Overview(duration_s or len(peaks) / PEAKS, peaks, np.array(still_s, np.float32), tuple(stills))


def _peaks(path: Path, duration_s: float, stopped: Stopped) -> np.ndarray:
    each = RATE // PEAKS
    found, rest = [], np.zeros(0, np.float32)
    for window in windows.sounds(windows.Stretch(path, 0.0, duration_s), rate=RATE):
        if stopped():
            break
        if window.samples is not None:
            rest = np.concatenate([rest, window.samples])
            whole = len(rest) // each * each
            found.append(np.abs(rest[:whole].reshape(-1, each)).max(axis=1))
            rest = rest[whole:]
    return np.concatenate(found).astype(np.float16) if found else np.zeros(0, np.float16)


def _stills(path: Path, stopped: Stopped) -> tuple[list[float], list[bytes]]:
    """Frames that need no other are enough for a strip, and ten times quicker to come by."""
    times: list[float] = []
    stills: list[bytes] = []
    with media.opened(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        zero_s = media.start_s(stream)
        for frame in container.decode(stream):
            if stopped():
                break
            at_s = (frame.time or 0.0) - zero_s
            if not times or at_s - times[-1] >= THUMBNAIL_S:
                width = max(16, round(frame.width * THUMBNAIL_HEIGHT / max(1, frame.height) / 2) * 2)
                small = frame.reformat(width=width, height=THUMBNAIL_HEIGHT, format="rgb24")
                times.append(at_s)
                stills.append(windows.to_jpeg(small.to_ndarray()))
    return times, stills


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
