"""Findings <-> what a person decided about them: proposed, accepted, rejected.

A decision stands in two places, by finding id: in the root object's
`metadata["otio_avassist"]["findings"]`, and in the sidecar NAME.avassist.json, which outlives editors that
drop foreign metadata. The sidecar also keeps which stretch of which media each finding spoke of, so that a
decision is found again when an editor has moved a range by a frame (and with it changed the id), and what
was moved (`edits.Moved`), so that `edits.strip` can put it back.

Which one counts: a finding's own id before one that is alike; of the root's metadata, that of our markers
and clips, and the sidecar, the decision with the latest `when`, else the first of these three that says
anything. Nothing here is dated unless the person's decision was: same input, same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otio_avassist import edits, files, places, traces
from otio_avassist.errors import TimelineError, UsageError

if TYPE_CHECKING:
    import opentimelineio as otio

    from otio_avassist.findings import SyncFinding
    from otio_avassist.pipeline import Line
    from otio_avassist.spans import MediaSpan

SCHEMA = "avassist-sidecar.1"
PROPOSED, ACCEPTED, REJECTED = STATES = ("proposed", "accepted", "rejected")
ALIKE_FRAMES = 2
"""Editors move a range by a frame when they round it; its start and its end may both move."""


@dataclass(frozen=True)
class Decision:
    """What a person said of one finding; `proposed` takes an earlier decision back."""

    state: str
    who: str = ""
    when: str = ""
    """ISO 8601, as the person's program gave it; empty: undated."""

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise UsageError(f"no such state: {self.state!r}; there is: {', '.join(STATES)}")

    def to_json(self) -> dict[str, str]:
        """Plain JSON, without what nobody said."""
        said = {"state": self.state, "who": self.who, "when": self.when}
        return {key: value for key, value in said.items() if value}

    @classmethod
    def from_json(cls, value: Any) -> Decision | None:
        """None where there is none, or none that we know."""
        value = places.plain(value)
        if value.get("state") not in STATES:
            return None
        return cls(value["state"], str(value.get("who", "")), str(value.get("when", "")))


@dataclass(frozen=True)
class Stretch:
    """The part of a media file that a finding spoke of."""

    media: str
    """File name."""
    start_s: float
    duration_s: float
    frame_s: float

    @classmethod
    def of(cls, span: MediaSpan | None) -> Stretch | None:
        if span is None:
            return None
        return cls(span.media_name, span.start_s, span.duration_s, 1 / min(span.rate, 60.0))

    @classmethod
    def from_json(cls, value: Any) -> Stretch | None:
        value = places.plain(value)
        try:
            numbers = (float(value[key]) for key in ("start_s", "duration_s", "frame_s"))
            return cls(str(value["media"]), *numbers)
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, Any]:
        return {
            "media": self.media,
            "start_s": round(self.start_s, 6),
            "duration_s": round(self.duration_s, 6),
            "frame_s": round(self.frame_s, 9),
        }

    def frames_off(self, other: Stretch) -> float:
        """How far apart two stretches of one file are, in frames; infinite for two files."""
        if self.media != other.media:
            return math.inf
        apart_s = max(abs(self.start_s - other.start_s), abs(self.duration_s - other.duration_s))
        return apart_s / max(self.frame_s, other.frame_s)


@dataclass(frozen=True)
class Remembered:
    """A finding of an earlier run, as the sidecar kept it."""

    id: str
    task: str
    picture: Stretch | None
    sound: Stretch | None

    def frames_off(self, finding: SyncFinding) -> float:
        """How far its stretches are from those of a finding; infinite where they can't be the same."""
        if self.task != finding.task:
            return math.inf
        pairs = (self.picture, Stretch.of(finding.shot.picture)), (self.sound, Stretch.of(finding.shot.sound))
        apart = [0.0]
        for mine, theirs in pairs:
            if mine is None or theirs is None:
                apart.append(0.0 if mine is theirs else math.inf)
            else:
                apart.append(mine.frames_off(theirs))
        return max(apart)


@dataclass(frozen=True)
class Decisions:
    """All that was decided, by finding id, and what is known of the findings."""

    by_id: Mapping[str, Decision]
    remembered: tuple[Remembered, ...] = ()

    def of(self, finding: SyncFinding) -> Decision | None:
        """The decision about this finding, or about the one of an earlier run that it most likely is."""
        earlier = self.earlier_id(finding)
        return self.by_id[earlier] if earlier is not None else None

    def earlier_id(self, finding: SyncFinding) -> str | None:
        """The id under which it was decided."""
        if finding.id in self.by_id:
            return finding.id
        decided = [each for each in self.remembered if each.id in self.by_id]
        nearest = min(decided, key=lambda each: each.frames_off(finding), default=None)
        float_noise = 1e-3
        if nearest is None or nearest.frames_off(finding) > ALIKE_FRAMES + float_noise:
            return None
        return nearest.id

    def state_of(self, finding: SyncFinding) -> str:
        """`accepted`, `rejected`, or `proposed` where nobody has decided."""
        decision = self.of(finding)
        return decision.state if decision is not None else PROPOSED


def decisions(root: otio.core.SerializableObject, sidecar: Mapping[str, Any] | None = None) -> Decisions:
    """What was decided of the findings in `root`; see the top of this file for which word counts."""
    kept = _findings(sidecar)
    said: dict[str, Decision] = {}
    for id_, decision in (*_of_root(root), *_of_items(root), *_of_sidecar(kept)):
        if id_ not in said or decision.when > said[id_].when:
            said[id_] = decision
    remembered = tuple(
        Remembered(
            id_,
            str(each.get("task")),
            Stretch.from_json(each.get("picture")),
            Stretch.from_json(each.get("sound")),
        )
        for id_, each in kept.items()
    )
    return Decisions(said, remembered)


def decide(
    root: otio.core.SerializableObject, finding_id: str, state: str, who: str = "", when: str = ""
) -> otio.core.SerializableObject:
    """A copy of `root` that keeps a person's decision; the next run acts on it.

    Raises:
        UsageError: no such state.
    """
    decision = Decision(state, who, when)
    copy = root.deepcopy()
    _write_decisions(copy, {**dict(_of_root(copy)), finding_id: decision})
    for item in traces.everything(copy):
        if places.plain(item.metadata.get(traces.NAMESPACE)).get("finding") == finding_id:
            item.metadata[traces.NAMESPACE]["state"] = state
    return copy


def remember(
    timeline: otio.core.SerializableObject,
    before: otio.core.SerializableObject,
    sidecar: Mapping[str, Any] | None,
    lines: Sequence[Line],
) -> tuple[otio.core.SerializableObject, dict[str, Any]]:
    """Carry what was decided over to an edited timeline.

    Args:
        timeline: what the edits made of it.
        before: as it came in, with what was decided in its metadata.
        sidecar: as it was read, or None.
        lines: what was found in this run.

    Returns:
        A copy of `timeline` with the decisions in its root's metadata, and the new sidecar; {} is none.
    """
    known = decisions(before, sidecar)
    decided = dict(known.by_id)
    for line in lines:
        earlier = known.earlier_id(line.finding)
        if earlier is not None and earlier != line.finding.id:
            decided[line.finding.id] = known.by_id[earlier]
    copy = timeline.deepcopy()
    _write_decisions(copy, decided)
    entries = {id_: dict(each) for id_, each in _findings(sidecar).items() if id_ in decided}
    entries |= {line.finding.id: _entry(line) for line in lines}
    for id_, decision in decided.items():
        entries.setdefault(id_, {})["decision"] = decision.to_json()
    if not entries:
        return copy, {}
    moved = [was.to_json() for was in edits.moved(copy)]
    return copy, {"schema": SCHEMA, "findings": entries, "moved": moved}


def write_sidecar(path: Path, record: Mapping[str, Any]) -> None:
    """The record as strict JSON: the old file or the new one, never half of one.

    Raises:
        OutputError: it can't be written.
    """
    files.write_text(path, json.dumps(record, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """What `write_sidecar` wrote; None where there is no such file.

    Raises:
        TimelineError: the file is there and is no sidecar.
    """
    record = files.read_json(path)
    if record is not None and record.get("schema") != SCHEMA:
        raise TimelineError(f"{path}: wanted a sidecar ({SCHEMA}), there is {record.get('schema')!r}")
    return record


def _findings(sidecar: Mapping[str, Any] | None) -> dict[str, dict]:
    found = places.plain((sidecar or {}).get("findings"))
    return {str(id_): places.plain(each) for id_, each in found.items()}


def _of_root(root: Any) -> list[tuple[str, Decision]]:
    ours = places.plain(root.metadata.get(traces.NAMESPACE))
    said = ((id_, Decision.from_json(each)) for id_, each in places.plain(ours.get("findings")).items())
    return [(id_, decision) for id_, decision in said if decision is not None]


def _of_items(root: Any) -> Iterable[tuple[str, Decision]]:
    """States that some program wrote straight into our markers and clips."""
    for item in traces.everything(root):
        ours = places.plain(item.metadata.get(traces.NAMESPACE))
        if ours.get("finding") and ours.get("state") in (ACCEPTED, REJECTED):
            yield str(ours["finding"]), Decision(ours["state"])


def _of_sidecar(kept: Mapping[str, Mapping]) -> Iterable[tuple[str, Decision]]:
    for id_, each in kept.items():
        if (decision := Decision.from_json(each.get("decision"))) is not None:
            yield id_, decision


def _write_decisions(root: Any, decided: Mapping[str, Decision]) -> None:
    if decided:
        ours = places.plain(root.metadata.get(traces.NAMESPACE))
        said = {id_: decision.to_json() for id_, decision in decided.items()}
        root.metadata[traces.NAMESPACE] = {**ours, "findings": said}


def _entry(line: Line) -> dict[str, Any]:
    """What the sidecar keeps of a finding, beside the decision."""
    found, shot = line.finding, line.finding.shot
    picture, sound = Stretch.of(shot.picture), Stretch.of(shot.sound)
    return {
        "task": found.task,
        "track": shot.lead.address.track,
        "clip": shot.lead.address.clip,
        "picture": picture.to_json() if picture else None,
        "sound": sound.to_json() if sound else None,
        "audio_early_s": None if found.audio_early_s is None else round(float(found.audio_early_s), 6),
        "confidence": round(float(found.confidence), 6),
        "method": found.method,
        "action": line.outcome.action,
        "words": line.outcome.words,
    }
