"""Samples of takes -> files in a folder, ranked, moved and levelled; and back from files that are there.

A file says in its comment what is known of it: a run that was stopped, or comes again, takes what is there
for what it would make. Knows no timeline and no network.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from otio_avassist import sounds
from otio_avassist.errors import MediaError, OutputError
from otio_avassist.findings import Take
from otio_avassist.ranking import Ask, rank
from otio_avassist.whole import is_left_over, mark

UNNAMED = "sound"
"""What nobody has a name for."""
KNOWN = ("seed", "source", "relevance", "audio_early_s", "sync_confidence", "shifted_s")
"""What a file says of its take, beside its level."""


@dataclass(frozen=True)
class Made:
    """A take that is no file yet."""

    samples: np.ndarray
    """Float mono, of any level."""
    rate: int
    source: str
    """As `findings.Take` has it, and so are the others."""
    seed: int | None = None
    relevance: float | None = None


def name(sound: str, *made_by: Any) -> str:
    """Of a take's file, by what it is and all that made it (JSON values); editors take any of its letters."""
    words = re.sub(r"[^a-z0-9]+", "-", sound.lower()).strip("-")
    return f"foley_{words or UNNAMED}_{digest(*made_by)}.wav"


def digest(*parts: Any) -> str:
    """Twelve hexadecimal digits for JSON values."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def read(path: Path) -> Take | None:
    """A take that is there already; None: it isn't, or the file isn't one of ours."""
    try:
        said = json.loads(sounds.comment(path))
        known = {key: said[key] for key in KNOWN}
        return Take(
            path,
            duration_s=sounds.duration_s(path),
            loudness_lufs=said["loudness_lufs"],
            true_peak_dbtp=said["true_peak_dbtp"],
            **known,
        )
    except (MediaError, ValueError, KeyError, TypeError):
        return None


def write(
    made: Sequence[Made],
    paths: Sequence[Path],
    *,
    length: int,
    duration_s: float,
    loudness_lufs: float,
    ask: Ask | None = None,
) -> list[Take]:
    """Write takes of one sound, each moved to where sync says, in the order they were given.

    Args:
        made: the takes.
        paths: theirs, in one folder.
        length: of the files, in samples at `sounds.RATE`.
        duration_s: of the stretch they are for.
        loudness_lufs: what they are levelled to.
        ask: the sync network.

    Raises:
        OutputError: one can't be written; nothing of it is left.
    """
    drafts = [
        Take(path, each.seed, length / sounds.RATE, each.source, each.relevance)
        for each, path in zip(made, paths, strict=True)
    ]
    if ask is not None:
        drafts = _placed(made, drafts, ask, length, duration_s, loudness_lufs)
    return [_written(each, draft, length, loudness_lufs) for each, draft in zip(made, drafts, strict=True)]


def _placed(
    made: Sequence[Made],
    drafts: Sequence[Take],
    ask: Ask,
    length: int,
    duration_s: float,
    loudness_lufs: float,
) -> list[Take]:
    """The same, with what sync says of each, which hears a sketch of it."""
    with _sketches(drafts[0].path.parent) as place:
        sketches = [replace(draft, path=place / draft.path.name) for draft in drafts]
        for each, sketch in zip(made, sketches, strict=True):
            sounds.write(
                sketch.path, each.samples, rate=each.rate, length=length, loudness_lufs=loudness_lufs
            )
        ranked = {take.path.name: take for take in rank(sketches, ask, duration_s)}
    return [replace(ranked[draft.path.name], path=draft.path) for draft in drafts]


def _written(made: Made, take: Take, length: int, loudness_lufs: float) -> Take:
    facts = {key: getattr(take, key) for key in KNOWN}
    level = sounds.write(
        take.path,
        made.samples,
        rate=made.rate,
        length=length,
        lead_in=round(take.shifted_s * sounds.RATE),
        loudness_lufs=loudness_lufs,
        comment=lambda level: json.dumps(facts | vars(level)),
    )
    return replace(take, loudness_lufs=level.loudness_lufs, true_peak_dbtp=level.true_peak_dbtp)


@contextmanager
def _sketches(folder: Path) -> Iterator[Path]:
    """A hidden folder for a while."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".foley_.{mark()}.", dir=folder) as place:
            yield Path(place)
    except OSError as error:
        raise OutputError(f"{folder}: can't be written: {error.strerror or error}") from error


def make_folder(folder: Path) -> None:
    """Make a folder for takes, and clear away what a killed run left in it half-written.

    Raises:
        OutputError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".foley_*"):
            # Another run may have cleared it by now, or be done with it.
            with suppress(FileNotFoundError):
                if is_left_over(left):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: can't be written: {error.strerror or error}") from error


def drop_empty(folder: Path) -> None:
    """Take a folder away in which nothing came to lie."""
    with suppress(OSError):
        folder.rmdir()
