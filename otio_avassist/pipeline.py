"""The road itself: a timeline goes in, its media is watched and listened to, a copy and a report come out.

`analyse` only looks; `assist` also edits a copy. Neither touches the timeline it was given, and neither knows
the file it came from: reading and writing belong to the command and to OpenTimelineIO's adapters.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from otio_avassist import bundles, edits, review, spans, windows
from otio_avassist.errors import BundleError, UsageError
from otio_avassist.findings import PassedOver, SyncFinding
from otio_avassist.progress import Progress, silent
from otio_avassist.tasks import sync

if TYPE_CHECKING:
    import opentimelineio as otio

TASKS: Mapping[str, ModuleType] = {"sync": sync}


@dataclass(frozen=True)
class Settings:
    """What the caller asks for, wherever it was said: command, hook, environment or file."""

    tasks: tuple[str, ...] = ("sync",)
    base_dir: Path | None = None
    """Where relative media is looked for first; None: the working directory."""
    media_root: tuple[Path, ...] = ()
    """Folders to search for media that isn't where the timeline says."""
    path_map: tuple[tuple[str, str], ...] = ()
    """(old, new) prefixes of media paths."""
    bundle: Path | None = None
    """None: $OTIO_AVASSIST_BUNDLES, then what ships with the plugin."""
    device: str = "auto"
    propose: bool = False
    """Only mark; move nothing."""
    detach: bool = False
    """Sound inside the picture's own clip may get a clip of its own."""
    min_confidence: float = 0.8
    """Below it a finding is marked for a person, not applied."""
    strict: bool = False
    """Any doubt or failure counts."""
    sync: sync.Options = field(default_factory=sync.Options)

    def __post_init__(self) -> None:
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown:
            raise UsageError(f"no such task: {', '.join(unknown)}; there is: {', '.join(TASKS)}")


@dataclass(frozen=True)
class Line:
    """One finding, what a person decided about it, and what it led to."""

    finding: SyncFinding
    outcome: edits.Outcome
    state: str
    """proposed, accepted or rejected."""


@dataclass(frozen=True)
class Report:
    """All that a run has to say."""

    findings: tuple[Line, ...]
    skipped: tuple[spans.Skipped, ...]
    bundles: tuple[dict[str, str], ...]
    """Name and sha256 of each bundle that was asked."""
    device: str
    """What really ran; empty where no network did."""
    seconds: float
    rate: float
    """Frames per second of the timeline, for timecodes."""
    start_timecode_s: float
    input: str = ""
    output: str | None = None
    version: str = field(default_factory=lambda: version("otio-avassist"))

    @property
    def all_abstained(self) -> bool:
        """Something was looked at, and nothing could be said of any of it."""
        return bool(self.findings) and all(line.finding.audio_early_s is None for line in self.findings)

    @property
    def doubtful(self) -> bool:
        """Somebody should look at one of them."""
        return any(
            line.finding.doubts or line.outcome.action in ("marked", "abstained") for line in self.findings
        )


@dataclass(frozen=True)
class Assisted:
    timeline: Any
    """The edited copy, of the kind that came in."""
    report: Report
    sidecar: dict[str, Any]
    """What must outlive an editor that drops our metadata; see `review`."""


def analyse(
    root: otio.core.SerializableObject,
    settings: Settings,
    *,
    sidecar: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Report:
    """Look at every clip of `root` and say what was found; changes nothing.

    Raises:
        BundleError: the bundle that was named can't be used.
        DeviceError: the device that was asked for isn't there.
    """
    began = time.monotonic()
    # What we moved ourselves is looked at as it was before: a second run finds what the first one found.
    original = edits.strip(root, sidecar).timeline
    # A timeline names the same file hundreds of times.
    looked = spans.read_spans(original, _locator(settings), cache(windows.probe))
    model = _load("sync", settings)
    decisions = review.decisions(root, sidecar)

    lines: list[Line] = []
    skipped = list(looked.skipped)
    for found in _findings(looked.shots, model, settings, progress):
        if isinstance(found, PassedOver):
            skipped += _skipped(found)
            continue
        state = decisions.state_of(found)
        outcome = edits.edit_for(
            found,
            min_confidence=settings.min_confidence,
            propose=settings.propose,
            detach=settings.detach,
            decision=state,
            provenance=_provenance(model),
        )
        lines.append(Line(found, outcome, state))
    return Report(
        findings=tuple(lines),
        skipped=tuple(skipped),
        bundles=({"name": model.card.network, "sha256": model.sha256},) if model else (),
        device=model.device if model else "",
        seconds=time.monotonic() - began,
        rate=looked.rate,
        start_timecode_s=looked.start_timecode_s,
    )


def assist(
    root: otio.core.SerializableObject,
    settings: Settings,
    *,
    sidecar: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Assisted:
    """Analyse, and return a copy in which everything we are sure of is mended and the rest is marked."""
    report = analyse(root, settings, sidecar=sidecar, progress=progress)
    original = edits.strip(root, sidecar).timeline
    timeline = edits.apply(original, [edit for line in report.findings for edit in line.outcome.edits])
    timeline, record = review.remember(timeline, root, sidecar, report.findings)
    return Assisted(timeline, report, record)


def _findings(
    shots: tuple[spans.Shot, ...], model: bundles.Model | None, settings: Settings, progress: Progress
) -> Iterator[SyncFinding | PassedOver]:
    for task in settings.tasks:
        yield from TASKS[task].analyse(shots, model, getattr(settings, task), progress)


def _locator(settings: Settings) -> spans.Locator:
    return spans.Locator(
        base_dir=settings.base_dir, media_root=settings.media_root, path_map=settings.path_map
    )


def _load(task: str, settings: Settings) -> bundles.Model | None:
    """The task's network, or None where no bundle is installed: the cheaper evidence works without one."""
    try:
        folder = bundles.find(task, settings.bundle)
    except BundleError:
        if settings.bundle is not None:
            raise
        bundles.check_device(settings.device)
        return None
    return bundles.load(folder, device=settings.device)


def _provenance(model: bundles.Model | None) -> dict[str, str]:
    made_by = {"version": version("otio-avassist")}
    if model is not None:
        made_by |= {"bundle": model.card.network, "bundle_sha256": model.sha256}
    return made_by


def _skipped(found: PassedOver) -> list[spans.Skipped]:
    """A line for each of the shot's clips."""
    clips = {span.address: span for span in (found.shot.picture, found.shot.sound) if span is not None}
    return [
        spans.Skipped(
            where.track, where.track_index, where.clip, where.clip_index, found.reason, media=span.url
        )
        for where, span in clips.items()
    ]
