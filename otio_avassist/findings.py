"""What was found, how sure we are, and why one might doubt it.

A finding is plain data: it knows the shot it speaks of, never how it will be mended (`edits`) nor what a
person decided about it (`review`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from otio_avassist.spans import Shot

Method = Literal["container", "timecode", "clap", "sound-to-sound", "sound-to-picture", "network", "none"]
"""The rung of the ladder that decided; `none` where every rung abstained."""
WATCHING: tuple[Method, ...] = ("sound-to-picture", "network")
"""Rungs that watch the whole picture and weigh offsets on a grid: only what they say has an edge."""


@dataclass(frozen=True)
class Evidence:
    """What one rung of the ladder said."""

    method: Method
    audio_early_s: float | None
    """None where the rung abstained."""
    confidence: float
    """0 to 1: the rung's own estimate of being right."""
    note: str = ""
    """A sentence for a person: what was seen, or why the rung abstained."""


@dataclass(frozen=True)
class Posterior:
    """Belief over offsets, for the report's small plot."""

    offsets_s: tuple[float, ...]
    """`audio_early_s` of each cell, ascending."""
    probabilities: tuple[float, ...]
    """Sums to 1."""


@dataclass(frozen=True)
class Jump:
    """From this time of the shot on, the offset is another one."""

    at_s: float
    """Seconds from the start of the shot."""
    audio_early_s: float
    """The offset from here on."""


@dataclass(frozen=True)
class SyncFinding:
    """Sound and picture of one shot, and how far they are apart."""

    shot: Shot
    audio_early_s: float | None
    """> 0: the sound comes before its picture. At the start of the shot where it drifts. None: abstained."""
    confidence: float
    """The belief that the answer is right within `within_s`."""
    method: Method
    within_s: float = 0.0
    """How finely the deciding rung can tell."""
    doubts: tuple[str, ...] = ()
    """Sentences; none means trust."""
    evidence: tuple[Evidence, ...] = ()
    posterior: Posterior | None = None
    drift_ppm: float | None = None
    """> 0: the sound grows later against the picture."""
    jumps: tuple[Jump, ...] = ()
    residual_s: float | None = None
    """Root mean square of what offset and drift leave unexplained."""
    pooled_with: tuple[str, ...] = ()
    """Names of the other clips that were one piece of evidence with this one."""
    task: Literal["sync"] = field(default="sync", init=False)

    @property
    def id(self) -> str:
        return finding_id(self.task, self.shot)


@dataclass(frozen=True)
class PassedOver:
    """A shot that a task could not look at, and why; the others go on."""

    shot: Shot
    reason: str


def finding_id(task: str, shot: Shot) -> str:
    """A name that outlives renames and moves in the timeline: task, media, and the stretch of media used.

    Times are rounded to a tenth of a second, because editors move ranges by a frame.
    """
    parts = [task]
    for span in (shot.picture, shot.sound):
        if span is not None:
            parts.append(f"{span.media_name}@{span.start_s:.1f}+{span.duration_s:.1f}")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
