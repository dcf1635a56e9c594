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


Level = Literal["scene", "event", "speech"]
"""What a caption speaks of: a whole scene, one event in it, or what somebody says."""
CarriedBy = Literal["seen", "heard", "seen and heard", "said"]
"""What a caption rests on."""


@dataclass(frozen=True)
class CaptionFinding:
    """Something that happens in a shot, in a sentence."""

    shot: Shot
    start_s: float
    """0-based timeline seconds, inside the shot's lead."""
    end_s: float
    media_start_s: float
    """Where it starts in the lead's media: seconds from the file's first frame."""
    text: str
    """The sentence."""
    name: str
    """The same in a few words, for where an editor shows little."""
    level: Level
    carried_by: CarriedBy
    confidence: float
    """0 to 1: the task's own estimate that the sentence is right."""
    doubts: tuple[str, ...] = ()
    """Sentences; none means trust."""
    words: tuple[tuple[str, float], ...] = ()
    """The words of the sentence with the network's probability of each, in order."""
    task: Literal["captions"] = field(default="captions", init=False)

    @property
    def duration_s(self) -> float:
        """How long it lasts on the timeline."""
        return self.end_s - self.start_s

    @property
    def id(self) -> str:
        """As `finding_id`, but for the stretch of the event and not for that of its shot."""
        media = [span.media_name for span in (self.shot.picture, self.shot.sound) if span is not None]
        where = f"{self.media_start_s:.1f}+{self.duration_s:.1f}"
        return _digest([self.task, *media, where, self.level])


Finding = SyncFinding | CaptionFinding


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
    return _digest(parts)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
