"""Files with known offsets -> what the plugin says of them, by its own path from a timeline to its findings.

What the files say of themselves isn't asked: their container knows nothing and they carry no timecode, but
those rungs stay off all the same. No handles: what isn't on the timeline isn't looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from otio_avassist import files, pipeline
from otio_avassist.findings import Method, SyncFinding
from otio_avassist.tasks import sync

RUNGS: tuple[Method, ...] = tuple(rung for rung in sync.RUNGS if rung not in ("container", "timecode"))
RIGHT_WITHIN_S = 0.2
APPLIED_FROM = pipeline.Settings().min_confidence
"""Surer findings without doubts are applied, as long as nobody says otherwise."""


@dataclass(frozen=True)
class Sample:
    """A file, or a stretch of it, and how early its sound is."""

    path: Path
    early_s: float
    stretch: tuple[float, float] | None = None
    """(start, length) in seconds of the file; None: all of it."""


@dataclass(frozen=True)
class Answer:
    """What is said of a sample, beside the truth."""

    true_s: float
    likeliest_s: float | None
    """What it would say if it had to; None: it has no idea."""
    named_s: float | None
    """What it stands for; None: it abstained."""
    confidence: float = 0.0
    applied: bool = False
    """It is sure enough of it to mend the cut by itself."""
    method: str = "none"

    @property
    def best_right(self) -> bool:
        return self._right(self.likeliest_s)

    @property
    def named(self) -> bool:
        return self.named_s is not None

    @property
    def named_right(self) -> bool:
        return self._right(self.named_s)

    @property
    def error_ms(self) -> float | None:
        """Of what it stands for."""
        return None if self.named_s is None else abs(self.named_s - self.true_s) * 1000

    def _right(self, said_s: float | None) -> bool:
        return said_s is not None and abs(said_s - self.true_s) <= RIGHT_WITHIN_S + 1e-6


def ask(
    samples: Sequence[Sample], rungs: tuple[Method, ...] = RUNGS, *, bundle: Path | None = None
) -> list[Answer]:
    """One answer a sample; all stand on one timeline, each file is an offset of its own.

    Args:
        samples: of different files, as cuts of one file are pooled.
        rungs: of the ladder, which are asked.
        bundle: instead of the one that avassist finds.

    Raises:
        ValueError: two samples are of one file.
    """
    if len({each.path for each in samples}) < len(samples):
        raise ValueError("samples of one file would be taken for one piece of evidence")
    settings = pipeline.Settings(
        bundle=bundle, device="cpu", sync=replace(sync.Options(), rungs=rungs, enough_s=0.0)
    )
    report = pipeline.assist(_timeline(samples), settings).report
    found = {line.finding.shot.lead.path: line.finding for line in report.findings}
    return [_answer(each, found.get(each.path)) for each in samples]


def _timeline(samples: Iterable[Sample]) -> otio.schema.Timeline:
    timeline = otio.schema.Timeline("bench")
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    for each in samples:
        clip = files.read(str(each.path)).tracks[0][0].deepcopy()
        if each.stretch is not None:
            rate = clip.source_range.start_time.rate
            clip.source_range = TimeRange(*(RationalTime.from_seconds(at_s, rate) for at_s in each.stretch))
        track.append(clip)
    timeline.tracks.append(track)
    return timeline


def _answer(sample: Sample, found: object) -> Answer:
    if not isinstance(found, SyncFinding):
        return Answer(sample.early_s, None, None)
    named = found.audio_early_s is not None
    return Answer(
        sample.early_s,
        _likeliest(found),
        found.audio_early_s,
        round(float(found.confidence), 4),
        named and found.confidence >= APPLIED_FROM and not found.doubts,
        found.method,
    )


def _likeliest(found: SyncFinding) -> float | None:
    """What it stands for, else what it believes in most, else what its surest evidence says."""
    if found.audio_early_s is not None:
        return found.audio_early_s
    if found.posterior is not None and len(set(found.posterior.probabilities)) > 1:
        cells = zip(found.posterior.probabilities, found.posterior.offsets_s, strict=True)
        return max(cells)[1]
    said = [each for each in found.evidence if each.audio_early_s is not None]
    return max(said, key=lambda each: each.confidence).audio_early_s if said else None
