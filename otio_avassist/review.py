"""Findings <-> what a person decided about them: proposed, accepted, rejected.

A decision stands in two places, by finding id: in the root object's
`metadata["otio_avassist"]["findings"]`, and in the sidecar NAME.avassist.json, which outlives editors that
drop foreign metadata. The sidecar also keeps which stretch of which media each finding spoke of, so that a
decision is found again when an editor has moved a range by a frame (and with it changed the id), and what
was moved and laid (`edits.Moved`, `edits.Laid`), so that `edits.strip` can take it back.

Of a caption a person may decide more than yes or no: its wording, either here or in an editor, where the
marker's words can be typed over. That is a yes, and outlives later runs. Of foley it is which of several
takes plays: said here, or by the take that the clip plays in an editor. Of sync it is how far the sound is
off, where a person has seen it better.

Which one counts: a finding's own id before one that is alike; of the root's metadata, that of our markers
and clips, and the sidecar, the decision with the latest `when`, else the first of these three that says
anything, where a bare yes or no gives way to the same with more to it. Nothing here is dated unless the
person's decision was: same input, same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otio_avassist import edits, files, places, traces
from otio_avassist.errors import TimelineError, UsageError
from otio_avassist.findings import CaptionFinding, Finding, FoleyFinding, MadeBy, SyncFinding

if TYPE_CHECKING:
    import opentimelineio as otio

    from otio_avassist.pipeline import Line
    from otio_avassist.spans import MediaSpan, Shot

SCHEMA = "avassist-sidecar.1"
PROPOSED, ACCEPTED, REJECTED = STATES = ("proposed", "accepted", "rejected")
SAID = ("state", "who", "when", "text", "take")
"""Of a decision, what is kept under its own name."""
ALIKE_FRAMES = 2
"""Editors move a range by a frame when they round it; its start and its end may both move."""


@dataclass(frozen=True)
class Decision:
    """What a person said of one finding; `proposed` takes an earlier decision back."""

    state: str
    who: str = ""
    when: str = ""
    """ISO 8601, as the person's program gave it; empty: undated."""
    text: str = ""
    """Of a caption: the person's own wording; empty: the network's is right."""
    take: str = ""
    """Of foley: the name of the file that the person chose; empty: the one that was ranked first."""
    early_s: float | None = None
    """Of sync: `audio_early_s` as the person set it; None: as it was found."""

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise UsageError(f"no such state: {self.state!r}; there is: {', '.join(STATES)}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, without what nobody said."""
        said = {key: str(getattr(self, key)) for key in SAID}
        found: dict[str, Any] = {key: value for key, value in said.items() if value}
        if self.early_s is not None:
            found["audio_early_s"] = round(float(self.early_s), 6)
        return found

    @classmethod
    def from_json(cls, value: Any) -> Decision | None:
        """None where there is none, or none that we know."""
        value = places.plain(value)
        if value.get("state") not in STATES:
            return None
        early_s = value.get("audio_early_s")
        if not isinstance(early_s, int | float) or not math.isfinite(early_s):
            early_s = None
        return cls(**{key: str(value.get(key, "")) for key in SAID}, early_s=early_s)


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
    stretches: tuple[Stretch | None, ...]
    """What it spoke of: of a caption and of foley that event, else the shot's picture and sound."""
    level: str = ""
    """Of a caption."""

    @classmethod
    def from_json(cls, id_: str, value: Mapping[str, Any]) -> Remembered:
        """As `_entry` wrote it."""
        keys = ("event",) if value.get("event") is not None else ("picture", "sound")
        stretches = tuple(Stretch.from_json(value.get(key)) for key in keys)
        return cls(id_, str(value.get("task")), stretches, str(value.get("level", "")))

    def frames_off(self, finding: Finding) -> float:
        """How far its stretches are from those of a finding; infinite where they can't be the same."""
        theirs_all = tuple(_stretches(finding).values())
        level = finding.level if isinstance(finding, CaptionFinding) else ""
        if (self.task, self.level, len(self.stretches)) != (finding.task, level, len(theirs_all)):
            return math.inf
        apart = [0.0]
        for mine, theirs in zip(self.stretches, theirs_all, strict=True):
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
    kept: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the sidecar knows of findings of earlier runs, by id."""

    def of(self, finding: Finding) -> Decision | None:
        """The decision about this finding, or about the one of an earlier run that it most likely is."""
        earlier = self.earlier_id(finding)
        return self.by_id[earlier] if earlier is not None else None

    def earlier_id(self, finding: Finding) -> str | None:
        """The id under which it was decided."""
        if finding.id in self.by_id:
            return finding.id
        alike = self._decided.get(_about(finding.task, tuple(_stretches(finding).values())), ())
        nearest = min(alike, key=lambda each: each.frames_off(finding), default=None)
        float_noise = 1e-3
        if nearest is None or nearest.frames_off(finding) > ALIKE_FRAMES + float_noise:
            return None
        return nearest.id

    @cached_property
    def _decided(self) -> Mapping[tuple, Sequence[Remembered]]:
        """What was decided of earlier findings, by what they were about: a film has thousands of them."""
        found: dict[tuple, list[Remembered]] = {}
        for each in self.remembered:
            if each.id in self.by_id:
                found.setdefault(_about(each.task, each.stretches), []).append(each)
        return found

    def state_of(self, finding: Finding) -> str:
        """`accepted`, `rejected`, or `proposed` where nobody has decided."""
        decision = self.of(finding)
        return decision.state if decision is not None else PROPOSED

    def rejected_before(self, shot: Shot) -> FoleyFinding | None:
        """What stands for a shot whose sound a person rejected, so that it isn't made again; else None."""
        lead = shot.lead
        end_s = lead.record_start_s + lead.duration_s
        finding = FoleyFinding(
            shot, lead.record_start_s, end_s, lead.start_s, "a sound", "generated", (), 0.0
        )
        if self.state_of(finding) != REJECTED:
            return None
        known = self.kept.get(self.earlier_id(finding) or "", {})
        made_by: MadeBy = "library" if known.get("made_by") == "library" else "generated"
        return replace(finding, sound=str(known.get("sound") or finding.sound), made_by=made_by)


def _about(task: str, stretches: tuple[Stretch | None, ...]) -> tuple:
    """Findings that could be one have this in common."""
    return task, *(each.media if each is not None else None for each in stretches)


def _stretches(finding: Finding) -> dict[str, Stretch | None]:
    """What a finding speaks of, by the names that the sidecar has for it."""
    if isinstance(finding, CaptionFinding | FoleyFinding):
        lead = finding.shot.lead
        frame_s = 1 / min(lead.rate, 60.0)
        return {
            "event": Stretch(lead.media_name, finding.media_start_s, finding.duration_s, frame_s),
        }
    return {"picture": Stretch.of(finding.shot.picture), "sound": Stretch.of(finding.shot.sound)}


def decisions(root: otio.core.SerializableObject, sidecar: Mapping[str, Any] | None = None) -> Decisions:
    """What was decided of the findings in `root`; see the top of this file for which word counts."""
    kept = _findings(sidecar)
    items = [] if traces.untouched(root) else traces.everything(root)
    said: dict[str, Decision] = {}
    for id_, decision in (*_of_root(root), *_of_items(items), *_of_sidecar(kept)):
        known = said.get(id_)
        # A bare yes, as our clips have it, takes nothing back of the same yes with an offset or words.
        if known is None or decision.when > known.when or known == Decision(decision.state):
            said[id_] = decision
    for id_, laid, words in _reworded(items, kept):
        known = said.get(id_, Decision(PROPOSED))
        # What was decided of a marker that stands there was decided since it was laid.
        if known.state != REJECTED and known.text in ("", laid):
            said[id_] = Decision(ACCEPTED, text=words)
    for id_, laid, take in _rechosen(items, kept):
        known = said.get(id_, Decision(PROPOSED))
        if known.state != REJECTED and known.take in ("", laid):
            said[id_] = Decision(ACCEPTED, take=take)
    return Decisions(
        said,
        tuple(Remembered.from_json(id_, each) for id_, each in kept.items()),
        kept,
    )


def decide(
    root: otio.core.SerializableObject,
    finding_id: str,
    state: str,
    who: str = "",
    when: str = "",
    *,
    text: str = "",
    take: str = "",
    early_s: float | None = None,
) -> otio.core.SerializableObject:
    """A copy of `root` that keeps a person's decision; the next run acts on it.

    Args:
        text: the person's own wording of a caption.
        take: the name of the file of foley that the person chose.
        early_s: how early the sound is, where the person set it otherwise than it was found.

    Raises:
        UsageError: no such state.
    """
    return decide_all(root, {finding_id: Decision(state, who, when, text, take, early_s)})


def decide_all(
    root: otio.core.SerializableObject, decided: Mapping[str, Decision]
) -> otio.core.SerializableObject:
    """As `decide`, for many findings at once, by their ids."""
    copy = root.deepcopy()
    _write_decisions(copy, {**dict(_of_root(copy)), **decided})
    for item in traces.everything(copy):
        finding = traces.note_of(item).get("finding")
        if finding in decided:
            item.metadata[traces.NAMESPACE]["state"] = decided[str(finding)].state
    return copy


def remember(
    timeline: otio.core.SerializableObject,
    before: otio.core.SerializableObject,
    sidecar: Mapping[str, Any] | None,
    lines: Sequence[Line],
    *,
    tasks: Collection[str] | None = None,
) -> tuple[otio.core.SerializableObject, dict[str, Any]]:
    """Carry what was decided over to an edited timeline.

    Args:
        timeline: what the edits made of it; decisions are written into it.
        before: as it came in, with what was decided in its metadata.
        sidecar: as it was read, or None.
        lines: what was found in this run.
        tasks: those of this run: what the sidecar knows of other tasks' work stays. None: all there are.

    Returns:
        `timeline` with the decisions in its root's metadata, and the new sidecar; {} is none.
    """
    known = decisions(before, sidecar)
    decided = dict(known.by_id)
    for line in lines:
        earlier = known.earlier_id(line.finding)
        if earlier is not None and earlier != line.finding.id:
            decided[line.finding.id] = known.by_id[earlier]
    _write_decisions(timeline, decided)
    entries = {
        id_: dict(each)
        for id_, each in _findings(sidecar).items()
        if id_ in decided or (tasks is not None and each.get("task") not in tasks)
    }
    entries |= {line.finding.id: _entry(line) for line in lines}
    for id_, decision in decided.items():
        entries.setdefault(id_, {})["decision"] = decision.to_json()
    if not entries:
        return timeline, {}
    record: dict[str, Any] = {"schema": SCHEMA, "findings": entries}
    for key, now in (("moved", edits.moved(timeline)), ("laid", edits.laid(timeline))):
        there = [was.to_json() for was in now]
        known_now = {was.finding for was in now}
        kept = [each for each in _of_others(sidecar, key, tasks) if each.get("finding") not in known_now]
        if there or kept or key == "moved":
            record[key] = there + kept
    return timeline, record


def _of_others(sidecar: Mapping[str, Any] | None, key: str, tasks: Collection[str] | None) -> list[dict]:
    """What the sidecar keeps of the work of tasks that aren't in this run."""
    there = (sidecar or {}).get(key)
    if tasks is None or not isinstance(there, list):
        return []
    return [each for each in map(places.plain, there) if each.get("task", "sync") not in tasks]


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
    ours = traces.note_of(root)
    said = ((id_, Decision.from_json(each)) for id_, each in places.plain(ours.get("findings")).items())
    return [(id_, decision) for id_, decision in said if decision is not None]


def _of_items(items: Iterable[Any]) -> Iterable[tuple[str, Decision]]:
    """States that some program wrote straight into our markers and clips."""
    for item in items:
        ours = traces.note_of(item)
        if ours.get("finding") and ours.get("state") in (ACCEPTED, REJECTED):
            yield str(ours["finding"]), Decision(ours["state"])


def _reworded(items: Iterable[Any], kept: Mapping[str, Mapping]) -> Iterable[tuple[str, str, str]]:
    """(finding id, our words, a person's) of each caption that somebody has typed over in an editor.

    Editors keep a marker's words, and little else; one that drops the sentence has said nothing.
    """
    by_tag: dict[str, str] = {}
    for id_, each in kept.items():
        if each.get("text"):
            by_tag.setdefault(id_[: traces.TAG_LENGTH], id_)
    for marker in items:
        if not hasattr(marker, "marked_range") or traces.task_of(marker) != "captions":
            continue
        if (laid := _laid_text(marker, kept, by_tag)) is None:
            continue
        id_, ours = laid
        _, *said = (" ".join(traces.untagged(each).split()) for each in traces.words_of(marker))
        words = next((each for each in said if each and each != " ".join(ours.split())), "")
        if words:
            yield id_, ours, words


def _laid_text(marker: Any, kept: Mapping[str, Mapping], by_tag: Mapping[str, str]) -> tuple[str, str] | None:
    """(finding id, the sentence that we had put into this marker); None where nobody knows."""
    ours = traces.note_of(marker)
    if ours.get("finding") and ours.get("text"):
        return str(ours["finding"]), str(ours["text"])
    id_ = by_tag.get(traces.finding_in_words(marker))
    return None if id_ is None else (id_, str(kept[id_]["text"]))


def _rechosen(items: Iterable[Any], kept: Mapping[str, Mapping]) -> Iterable[tuple[str, str, str]]:
    """(finding id, the take that we had laid first, a person's) of each sound that plays another take.

    Where an editor has dropped our metadata, the sidecar knows the files.
    """
    by_file = {
        name: (id_, names[0]) for id_, each in kept.items() if (names := list(_takes(each))) for name in names
    }
    for clip in items:
        if not hasattr(clip, "media_reference") or not traces.is_our_sound(clip):
            continue
        ours, plays = traces.note_of(clip), places.media_name(clip)
        id_, laid = by_file.get(plays, ("", plays))
        if ours.get("finding"):
            id_, laid = str(ours["finding"]), next(iter(_takes(ours)), laid)
        if plays and plays != laid:
            yield id_, laid, plays


def _takes(value: Mapping[str, Any]) -> dict[str, dict]:
    """Foley's takes by the names of their files, the one that was laid first."""
    takes = value.get("takes")
    there = () if takes is None or isinstance(takes, str) else map(places.plain, takes)
    return {str(each["file"]): each for each in there if each.get("file")}


def _of_sidecar(kept: Mapping[str, Mapping]) -> Iterable[tuple[str, Decision]]:
    for id_, each in kept.items():
        if (decision := Decision.from_json(each.get("decision"))) is not None:
            yield id_, decision


def _write_decisions(root: Any, decided: Mapping[str, Decision]) -> None:
    if decided:
        ours = traces.note_of(root)
        said = {id_: decision.to_json() for id_, decision in decided.items()}
        root.metadata[traces.NAMESPACE] = {**ours, "findings": said}


def _entry(line: Line) -> dict[str, Any]:
    """What the sidecar keeps of a finding, beside the decision."""
    found, address = line.finding, line.finding.shot.lead.address
    stretches = _stretches(found).items()
    return {
        "task": found.task,
        "track": address.track,
        "clip": address.clip,
        **{name: stretch.to_json() if stretch else None for name, stretch in stretches},
        **_facts(line),
        "confidence": round(float(found.confidence), 6),
        "action": line.outcome.action,
        "words": line.outcome.words,
    }


def _facts(line: Line) -> dict[str, Any]:
    """What is kept of this kind of finding."""
    match line.finding:
        case CaptionFinding() as caption:
            return _caption_facts(line, caption)
        case FoleyFinding() as foley:
            return _foley_facts(line, foley)
        case sync:
            return _sync_facts(sync)


def _caption_facts(line: Line, found: CaptionFinding) -> dict[str, Any]:
    """`text` is what stands in the marker, a person's wording where there is one."""
    laid = [edit.comment for edit in line.outcome.edits if isinstance(edit, edits.AddMarker)]
    text = laid[0] if laid else found.text
    return {"text": text, "level": found.level, "carried_by": found.carried_by}


def _foley_facts(line: Line, found: FoleyFinding) -> dict[str, Any]:
    """`takes` begins with the one that was laid, a person's choice where there is one."""
    takes = {take.name: take.to_json() for take in found.takes}
    laid = [
        each.name for edit in line.outcome.edits if isinstance(edit, edits.LayClip) for each in edit.takes
    ]
    return {"sound": found.sound, "made_by": found.made_by, "takes": [takes[name] for name in laid or takes]}


def _sync_facts(found: SyncFinding) -> dict[str, Any]:
    early_s = found.audio_early_s
    return {"audio_early_s": None if early_s is None else round(float(early_s), 6), "method": found.method}
