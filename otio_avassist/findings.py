"""What was found, how sure we are, and why one might doubt it.

A finding is plain data: it knows the shot it speaks of, never how it will be mended (`edits`) nor what a
person decided about it (`review`).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from otio_avassist.spans import Shot

Method = Literal[
    "container", "timecode", "clap", "sound-to-sound", "lips", "sound-to-picture", "network", "none"
]
"""The rung of the ladder that decided; `none` where every rung abstained."""
WATCHING: tuple[Method, ...] = ("lips", "sound-to-picture", "network")
"""Rungs that watch the picture and weigh offsets on a grid: only what they say has an edge."""


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
    give_or_take_s: float = 0.0
    """How much sooner or later it may be; 0: to the sample, as sound against sound tells it."""


STANDS_OUT = 2.0
"""A place that is looked at less than so many times as long as if all were looked at alike, doesn't."""


@dataclass(frozen=True)
class Attention:
    """Where the sync network looked in a shot, and when it listened: by its selectors, or by what its answer
    rests on.

    A weight tells how many times as much a place or a moment got as if all had got the same.
    """

    seen: tuple[tuple[float, float, float, float], ...] = ()
    """The few places of the picture most looked at, highest first: seconds from the start of the shot, row
    and column as shares of the frame (0: its top, its left), weight."""
    heard: tuple[tuple[float, float], ...] = ()
    """The few moments of the sound most listened to, highest first: seconds as the shot plays it, weight."""
    seen_curve: tuple[tuple[float, float], ...] = ()
    """How much the picture was looked at, coarsely: seconds, ascending, and weight."""
    heard_curve: tuple[tuple[float, float], ...] = ()
    """How much the sound was listened to, coarsely."""

    @property
    def is_even(self) -> bool:
        """Whether nothing stands out: then it doesn't tell what decided."""
        return max((each[-1] for each in (*self.seen, *self.heard)), default=1.0) < STANDS_OUT


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
    attention: Attention | None = None
    """Of the network's windows; None: it was not asked, or can't tell."""
    task: Literal["sync"] = field(default="sync", init=False)

    @cached_property
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

    @cached_property
    def id(self) -> str:
        """As `finding_id`, but for the stretch of the event and not for that of its shot."""
        media = [span.media_name for span in (self.shot.picture, self.shot.sound) if span is not None]
        where = f"{self.media_start_s:.1f}+{self.duration_s:.1f}"
        return _digest([self.task, *media, where, self.level])


@dataclass(frozen=True)
class Take:
    """One sound for a stretch of a shot, made or found in a library: a WAV file and its measures."""

    path: Path
    seed: int | None
    """What its codes were drawn with; None: it is from a library."""
    duration_s: float
    """How long the file lasts: never less than the stretch it is for."""
    source: str
    """`generated`, or the name of the library's file."""
    relevance: float | None = None
    """0 to 1: how well it is what was wanted; None: nobody was asked."""
    audio_early_s: float | None = None
    """What the sync network said of it before it was shifted; None: it abstained or was not asked."""
    sync_confidence: float = 0.0
    """0 to 1: how sure the sync network was."""
    shifted_s: float = 0.0
    """> 0: it was moved this much later inside its clip."""
    loudness_lufs: float | None = None
    """Integrated, EBU R128; None: too short or too quiet to tell."""
    true_peak_dbtp: float | None = None

    @property
    def name(self) -> str:
        """By which a person's choice is remembered."""
        return self.path.name

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, by the name of its file: the timeline and the report say where that stands."""
        facts = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "path"}
        return {"file": self.name, **{key: _plain(value) for key, value in facts.items()}}


MadeBy = Literal["generated", "library"]


@dataclass(frozen=True)
class FoleyFinding:
    """A sound for a stretch of a shot, in one or more takes."""

    shot: Shot
    start_s: float
    """0-based timeline seconds, inside the shot's lead."""
    end_s: float
    media_start_s: float
    """Where the stretch starts in the lead's media: seconds from the file's first frame."""
    sound: str
    """What it is, in words: `rain`."""
    made_by: MadeBy
    takes: tuple[Take, ...]
    """Best first; empty where nothing was made, and then the doubts say why."""
    confidence: float
    """0 to 1: the task's own estimate that the picture asks for this sound."""
    doubts: tuple[str, ...] = ()
    """Sentences; none means trust."""
    loudness_target_lufs: float | None = None
    """What the takes were levelled to; None: nothing was made."""
    primed_by: str = ""
    """The real sound they go on from, in words; empty where they start from nothing."""
    planned: bool = False
    """A dry run: it would be made, and wasn't."""
    task: Literal["foley"] = field(default="foley", init=False)

    @property
    def duration_s(self) -> float:
        """How long it lasts on the timeline."""
        return self.end_s - self.start_s

    @cached_property
    def id(self) -> str:
        """As a caption's: by the stretch of media it is for, whatever it sounds like."""
        where = f"{self.media_start_s:.1f}+{self.duration_s:.1f}"
        return _digest([self.task, self.shot.lead.media_name, where])


Finding = SyncFinding | CaptionFinding | FoleyFinding


@dataclass(frozen=True)
class PassedOver:
    """A shot that a task could not look at, and why; the others go on."""

    shot: Shot
    reason: str
    unread: bool = False
    """Its media isn't there or can't be read."""


def finding_id(task: str, shot: Shot) -> str:
    """A name that outlives renames and moves in the timeline: task, media, and the stretch of media used.

    Times are rounded to a tenth of a second, because editors move ranges by a frame.
    """
    parts = [task]
    for span in (shot.picture, shot.sound):
        if span is not None:
            parts.append(f"{span.media_name}@{span.start_s:.1f}+{span.duration_s:.1f}")
    return _digest(parts)


def _plain(value: Any) -> Any:
    """Numbers to the microsecond, and none that JSON doesn't have."""
    if not isinstance(value, float):
        return value
    return round(float(value), 6) if math.isfinite(value) else None


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
