"""Findings -> edits: what to do about what was found, and in words why. Knows no timeline.

An edit is plain data that names one change; `edits` makes it. Nothing is moved that isn't sure, unless a
person said yes; nothing at all is done about what a person rejected.

Captions have a rule of their own: they move nothing, and their task has already left out what it isn't sure
of. So each of them becomes a marker, whatever its confidence, unless a person rejected it. So has foley: each
sound that was made gets a clip on a track of its own, with the take that a person chose first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from otio_avassist.findings import CaptionFinding, CarriedBy, Finding, FoleyFinding, SyncFinding, Take
from otio_avassist.timecodes import exact_rate, whole_frames
from otio_avassist.verdicts import offset_words, verdict

if TYPE_CHECKING:
    from pathlib import Path

    from otio_avassist.places import Address
    from otio_avassist.spans import MediaSpan, Shot

Action = Literal[
    "slipped", "detached", "marked", "in step", "captioned", "laid", "abstained", "rejected", "waiting"
]

COLORS: Mapping[CarriedBy, str] = {
    "seen": "BLUE",
    "heard": "GREEN",
    "seen and heard": "PURPLE",
    "said": "CYAN",
}
"""What carried a caption -> its marker's colour, of the eleven that OpenTimelineIO names."""


@dataclass(frozen=True)
class SlipSound:
    """Read the sound clip from elsewhere in its media; its place on the timeline stays."""

    address: Address
    read_earlier_by_s: float
    note: dict[str, Any] = field(default_factory=dict)
    """What stands in `metadata["otio_avassist"]`: finding id, bundle, version, state … plain JSON."""
    span: MediaSpan | None = None
    """The sound as it was looked at: how far its media reaches. None: the clip's available range tells."""


@dataclass(frozen=True)
class AddMarker:
    """Say something at a stretch of the timeline: a marker on the stack that holds the clip, or on the clip.

    Whole frames, at least one, and none outside of what the timeline shows of the clip.
    """

    address: Address
    """The clip it speaks of: it tells which timeline of a collection is meant."""
    start_s: float
    """0-based timeline seconds."""
    duration_s: float
    name: str
    """Short: it is cut to 40 characters, those of its tag included."""
    comment: str
    color: str
    note: dict[str, Any] = field(default_factory=dict)
    on: Literal["timeline", "clip"] = "timeline"
    """A clip's marker counts in the source time of the clip and goes where the clip goes."""
    named_by_tag: bool = True
    """False: the name is there to be read, and the tag stands in the comment alone."""


@dataclass(frozen=True)
class DetachSound:
    """Give a picture clip's own sound a clip on a new audio track, read from elsewhere in its media."""

    address: Address
    read_earlier_by_s: float
    note: dict[str, Any] = field(default_factory=dict)
    span: MediaSpan | None = None
    """As in `SlipSound`."""


@dataclass(frozen=True)
class Recording:
    """A sound file that a new clip may play from its beginning on."""

    url: str
    """As it is to stand in the timeline."""
    duration_s: float
    name: str


@dataclass(frozen=True)
class LayClip:
    """A new clip on a sound track of our own, over a stretch of the timeline.

    Whole frames, no more of them than the shortest of its takes has, and none outside of what the timeline
    shows of the clip it is for.
    """

    address: Address
    """The clip it sounds to: it tells which timeline of a collection is meant."""
    start_s: float
    """0-based timeline seconds."""
    duration_s: float
    takes: tuple[Recording, ...]
    """The one that plays first, then the others that may be chosen in its place; one at least."""
    name: str
    note: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SoundPiece:
    """From here on the sound is read from elsewhere."""

    from_s: float
    """Seconds from where the sound that was looked at begins on the timeline; the first piece begins with the
    clip all the same."""
    read_earlier_by_s: float


@dataclass(frozen=True)
class MendSound:
    """Cut the sound clip, read each piece from elsewhere in its media, and play it a little faster or slower.

    All stays in its place on the timeline. One piece: it isn't cut.
    """

    address: Address
    pieces: tuple[SoundPiece, ...]
    """In order of time, one at least."""
    speed: float
    """Seconds of sound played a second: 1.0001 for a recorder's clock that runs 100 ppm fast."""
    span: MediaSpan
    """The sound as it was looked at."""
    note: dict[str, Any] = field(default_factory=dict)


Edit = SlipSound | AddMarker | DetachSound | LayClip | MendSound


@dataclass(frozen=True)
class Outcome:
    """What a finding leads to."""

    action: Action
    edits: tuple[Edit, ...]
    words: str
    """For a person: the offset, what the recommendations say of it, what is done and why."""
    slip_frames: int | None = None
    """How many frames earlier the sound is read (> 0) or later (< 0); None: it isn't moved."""
    residual_s: float | None = None
    """`audio_early_s` that is left after it; None: nobody knows."""


def edit_for(
    finding: Finding,
    *,
    min_confidence: float = 0.8,
    propose: bool = False,
    detach: bool = False,
    fix: Collection[str] = (),
    on: Literal["timeline", "clip"] = "timeline",
    decision: str | None = None,
    text: str = "",
    take: str = "",
    early_s: float | None = None,
    url_of: Callable[[Path], str] = str,
    provenance: Mapping[str, Any] | None = None,
) -> Outcome:
    """What to do about a finding.

    Args:
        min_confidence: of sync: below it, a marker for a person instead of a slip.
        propose: of sync: only mark; a person's yes counts for more.
        detach: of sync: sound inside the picture's own clip may get a clip of its own.
        fix: of sync: what may be mended besides a steady offset: `drift` by playing the sound at another
            speed, `jumps` by cutting it.
        on: of captions: where their markers stand.
        decision: what a person said of this finding: `accepted`, `rejected`; anything else is nothing yet.
        text: of captions: a person's own wording, which counts for more than the network's.
        take: of foley: the name of the take that a person chose, which counts for more than the ranking.
        early_s: of sync: how early the sound is as a person set it; counts where it is accepted.
        url_of: of foley: how the timeline spells the name of a file.
        provenance: who found it (version, bundle, options): plain JSON, kept in the metadata.
    """
    if isinstance(finding, CaptionFinding):
        return _caption(finding, on, decision, text, provenance or {})
    if isinstance(finding, FoleyFinding):
        return _foley(finding, decision, take, url_of, provenance or {})
    if early_s is not None and decision == "accepted":
        set_by_hand = replace(finding, audio_early_s=early_s, within_s=0.0)
        return _slip(
            set_by_hand, min_confidence, "accepted", provenance or {}, propose=propose, detach=detach, fix=fix
        )
    return _slip(finding, min_confidence, decision, provenance or {}, propose=propose, detach=detach, fix=fix)


def _caption(
    finding: CaptionFinding,
    on: Literal["timeline", "clip"],
    decision: str | None,
    text: str,
    provenance: Mapping[str, Any],
) -> Outcome:
    sentence = text or finding.text
    if decision == "rejected":
        return Outcome("rejected", (), f"{sentence}; no marker, as a person decided")
    # A person's wording may say something else than the network's few words.
    name = text or finding.name or finding.text
    note = {
        **provenance,
        "task": finding.task,
        "finding": finding.id,
        "text": sentence,
        "level": finding.level,
        "carried_by": finding.carried_by,
        "confidence": round(float(finding.confidence), 6),
        "doubts": list(finding.doubts),
        "state": "accepted" if decision == "accepted" else "proposed",
    }
    marker = AddMarker(
        address=finding.shot.lead.address,
        start_s=finding.start_s,
        duration_s=finding.duration_s,
        name=name,
        comment=sentence,
        color=COLORS[finding.carried_by],
        note=note,
        on=on,
        named_by_tag=False,
    )
    return Outcome("captioned", (marker,), sentence)


def _foley(
    finding: FoleyFinding,
    decision: str | None,
    chosen: str,
    url_of: Callable[[Path], str],
    provenance: Mapping[str, Any],
) -> Outcome:
    if decision == "rejected":
        return Outcome("rejected", (), f"{finding.sound}; not laid, as a person decided")
    if finding.planned:
        return Outcome("laid", (), f"{finding.sound}, {_origin(finding)}: would be made")
    if not finding.takes:
        why = "; ".join(finding.doubts) or "no sound was made"
        return Outcome("abstained", (), f"{finding.sound}: {why}" if finding.sound else why)
    # The one that plays is the first for every reader, whoever chose it.
    takes = sorted(finding.takes, key=lambda take: take.name != chosen)
    note = {
        **provenance,
        "task": finding.task,
        "finding": finding.id,
        "sound": finding.sound,
        "made_by": finding.made_by,
        "confidence": round(float(finding.confidence), 6),
        "doubts": list(finding.doubts),
        "takes": [take.to_json() for take in takes],
        "state": "accepted" if decision == "accepted" else "proposed",
    }
    laid = LayClip(
        address=finding.shot.lead.address,
        start_s=finding.start_s,
        duration_s=finding.duration_s,
        takes=tuple(Recording(url_of(take.path), take.duration_s, take.name) for take in takes),
        name=finding.sound,
        note=note,
    )
    by_a_person = ", chosen by a person" if takes[0].name == chosen else ""
    words = f"{finding.sound}, {_origin(finding)}{by_a_person}: {take_words(takes[0])}"
    return Outcome("laid", (laid,), words)


def _origin(finding: FoleyFinding) -> str:
    """Where the sound comes from, and in how many takes."""
    count = len(finding.takes)
    takes = f", {count} takes" if count > 1 else ""
    primed = f" on from {finding.primed_by}" if finding.primed_by else ""
    return f"{finding.made_by}{primed}{takes}" if finding.made_by == "generated" else f"of a library{takes}"


def take_words(take: Take) -> str:
    """What was heard of a take, and what was done with it."""
    parts = [take.source] if take.seed is None else []
    if take.shifted_s:
        side = "later" if take.shifted_s > 0 else "earlier"
        parts.append(f"moved {abs(take.shifted_s) * 1000:.0f} ms {side}, to be in step with its picture")
    elif take.audio_early_s is not None:
        side = "early" if take.audio_early_s > 0 else "late"
        parts.append(f"{abs(take.audio_early_s) * 1000:.0f} ms {side} to its picture, left there")
    if take.loudness_lufs is not None:
        parts.append(f"{take.loudness_lufs:.1f} LUFS")
    return ", ".join(parts) or f"{take.duration_s:.2f} s"


def _slip(
    finding: SyncFinding,
    min_confidence: float,
    decision: str | None,
    provenance: Mapping[str, Any],
    *,
    propose: bool,
    detach: bool,
    fix: Collection[str],
) -> Outcome:
    early_s, sound = finding.audio_early_s, finding.shot.sound
    if early_s is None or sound is None:
        return Outcome("abstained", (), _why_abstained(finding))
    rate = _frame_rate(finding.shot)
    offset = f"{offset_words(early_s, rate)}{_precision(finding)}: {verdict(early_s)}"
    if decision == "rejected":
        return Outcome("rejected", (), f"{offset}; left as it is, as a person decided", residual_s=early_s)
    accepted = decision == "accepted"
    frames = whole_frames(early_s, rate)
    changes = _changes(finding, rate)
    mended = bool(changes) and _may_mend(finding, rate, fix, accepted)
    if frames == 0 and (not changes or (accepted and not mended)):
        return Outcome("in step", (), f"in step: {offset}", residual_s=early_s)
    note = _note(finding, early_s, decision, provenance)
    if not accepted and not changes and abs(early_s) <= finding.within_s:
        return Outcome("in step", (), f"in step, as finely as can be told: {offset}", residual_s=early_s)
    against = _impossible(finding.shot, sound, early_s, detach=detach)
    if mended:
        changes = ()
        against = against or _nowhere(finding, sound, rate)
    if not accepted:
        asked = ("only marked, as asked",) if propose else ()
        against += _unsure(finding, min_confidence) + changes + asked
    if against:
        words = f"{offset}; not moved: {'; '.join(against)}"
        marker = _marker(finding.shot.lead, early_s, rate, words, note)
        return Outcome("marked", (marker,), words, residual_s=early_s)
    if mended:
        return _mend(finding, sound, early_s, rate, note, offset, accepted=accepted)
    earlier_s = frames / rate
    residual_s = early_s - earlier_s
    note["left_ms"] = round(residual_s * 1000, 3)
    words = f"{offset}; {_slip_words(frames, residual_s)}" + ("; accepted by a person" if accepted else "")
    if finding.shot.paired_by == "own sound":
        detached = DetachSound(sound.address, earlier_s, note, sound)
        return Outcome("detached", (detached,), f"{words}, on a track of its own", frames, residual_s)
    slip = SlipSound(sound.address, earlier_s, note, sound)
    return Outcome("slipped", (slip,), words, frames, residual_s)


def _may_mend(finding: SyncFinding, rate: float, fix: Collection[str], accepted: bool) -> bool:
    """Whether all that changes in the shot may be mended, and its sound has a clip of its own.

    Where a jump lies is a person's to say if nothing tells it to `CUT_WITHIN_S`.
    """
    there = {
        name for name, is_so in (("drift", _drifts(finding, rate)), ("jumps", bool(finding.jumps))) if is_so
    }
    where = accepted or all(jump.give_or_take_s <= CUT_WITHIN_S for jump in finding.jumps)
    return there <= set(fix) and where and finding.shot.paired_by != "own sound"


def _mend(
    finding: SyncFinding,
    sound: MediaSpan,
    early_s: float,
    rate: float,
    note: dict[str, Any],
    offset: str,
    *,
    accepted: bool,
) -> Outcome:
    """Each piece from elsewhere, all at the speed of the picture's clock."""
    drift = _clock_runs_off_by(finding, rate)
    pieces = _pieces(finding, sound, early_s, rate)
    done = []
    if drift:
        done.append(f"played at {(1 + drift) * 100:.4f} % of its speed, against the drift")
    if finding.jumps:
        done.append(f"cut in {len(pieces)} pieces, each read from elsewhere")
    first = whole_frames(early_s, rate)
    residual_s = early_s - first / rate
    note["left_ms"] = round(residual_s * 1000, 3)
    words = f"{offset}; {_slip_words(first, residual_s)}; {'; '.join(done)}"
    words += "; accepted by a person" if accepted else ""
    edit = MendSound(sound.address, pieces, 1 + drift, sound, note)
    return Outcome("slipped", (edit,), words, first, residual_s)


def _clock_runs_off_by(finding: SyncFinding, rate: float) -> float:
    """Seconds a second, where that comes to anything."""
    return (finding.drift_ppm or 0.0) * 1e-6 if _drifts(finding, rate) else 0.0


def _pieces(finding: SyncFinding, sound: MediaSpan, early_s: float, rate: float) -> tuple[SoundPiece, ...]:
    later_s = finding.shot.lead.record_start_s - sound.record_start_s
    offsets = [(0.0, early_s), *((jump.at_s + later_s, jump.audio_early_s) for jump in finding.jumps)]
    return tuple(SoundPiece(from_s, whole_frames(piece_s, rate) / rate) for from_s, piece_s in offsets)


def _nowhere(finding: SyncFinding, sound: MediaSpan, rate: float) -> tuple[str, ...]:
    """Why a sound can't be mended: no piece of it would play anything."""
    speed = 1 + _clock_runs_off_by(finding, rate)
    pieces = _pieces(finding, sound, finding.audio_early_s or 0.0, rate)
    ends_s = [*(piece.from_s for piece in pieces[1:]), sound.duration_s]
    end_s = math.inf if sound.media_end_s is None else sound.media_end_s
    for piece, piece_end_s in zip(pieces, ends_s, strict=True):
        read_s = sound.start_s + piece.from_s - piece.read_earlier_by_s
        read_to_s = read_s + (min(piece_end_s, sound.duration_s) - piece.from_s) * speed
        # To whole frames both ends may lose one, and so may the cut.
        if min(read_to_s, end_s) - max(read_s, sound.media_start_s) >= 3 / sound.rate:
            return ()
    return ("its media has nothing to play there",)


def _precision(finding: SyncFinding) -> str:
    """Only what is coarser than a frame needs to be said."""
    return f", give or take {finding.within_s * 1000:.0f} ms" if finding.within_s > 1 / 24 else ""


def _why_abstained(finding: SyncFinding) -> str:
    said = [*finding.doubts, *(each.note for each in finding.evidence if each.note)]
    return "no answer: " + ("; ".join(dict.fromkeys(said)) or "no evidence")


def _frame_rate(shot: Shot) -> float:
    """Frames per second of the sound's clip; of the picture's where the sound counts in samples."""
    rates = [float(exact_rate(span.rate)) for span in (shot.sound, shot.picture) if span is not None]
    return next((rate for rate in rates if 1 < rate <= 240), 25.0)


def _slip_words(frames: int, residual_s: float) -> str:
    count = f"{abs(frames)} frame{'' if abs(frames) == 1 else 's'}"
    return f"read {count} {'earlier' if frames > 0 else 'later'}, {abs(residual_s) * 1000:.0f} ms left"


def _changes(finding: SyncFinding, rate: float) -> tuple[str, ...]:
    """Why one slip can't mend all of the shot."""
    reasons = []
    drift_s = _drift_s(finding)
    if _drifts(finding, rate):
        reasons.append(
            f"it drifts by {finding.drift_ppm:+.0f} ppm, {abs(drift_s) * 1000:.0f} ms over the shot"
        )
    for jump in finding.jumps:
        about = f", give or take {jump.give_or_take_s:.1f} s," if jump.give_or_take_s >= 0.05 else ""
        reasons.append(f"it jumps at {jump.at_s:.1f} s{about} to {offset_words(jump.audio_early_s, rate)}")
    return tuple(reasons)


def _drift_s(finding: SyncFinding) -> float:
    """What a drift comes to over the shot."""
    return (finding.drift_ppm or 0.0) * 1e-6 * finding.shot.lead.duration_s


def _drifts(finding: SyncFinding, rate: float) -> bool:
    return abs(_drift_s(finding)) * rate >= 0.5


CUT_WITHIN_S = 2.0
"""Sound that jumps is cut only where one knows the moment to so much."""
LEAST_FRAMES = 2
"""So many must be left to play; of a part of a clip, rounding may take one of them."""


def _impossible(shot: Shot, sound: MediaSpan, early_s: float, *, detach: bool) -> tuple[str, ...]:
    """What not even a person's yes can get past."""
    reasons = []
    if shot.paired_by == "own sound" and not detach:
        reasons.append("the sound is in the picture's own clip (--detach gives it one of its own)")
    if shot.paired_by == "own sound" and detach and len(sound.address.path) < 2:
        reasons.append("it stands in no timeline that could hold a track for its sound")
    if sound.near_transition:
        reasons.append("a transition stands beside it and needs its handles")
    rate = float(exact_rate(sound.rate))
    end_s = math.inf if sound.media_end_s is None else sound.media_end_s
    handle_s = sound.start_s - sound.media_start_s if early_s > 0 else end_s - sound.end_s
    # In whole frames, as it would be slipped: those of a handle are cut off, those of a slip are rounded.
    slip = abs(whole_frames(early_s, _frame_rate(shot))) / _frame_rate(shot) * rate
    handle = math.inf if math.isinf(handle_s) else max(0, math.floor(handle_s * rate))
    if sound.duration_s * rate - max(0.0, slip - handle) < LEAST_FRAMES:
        reasons.append("its media has nothing to play there")
    return tuple(reasons)


def _unsure(finding: SyncFinding, min_confidence: float) -> tuple[str, ...]:
    reasons = list(finding.doubts)
    if finding.confidence < min_confidence:
        reasons.append(f"confidence {finding.confidence:.3g} is below {min_confidence:.3g}")
    return tuple(reasons)


def _note(
    finding: SyncFinding, early_s: float, decision: str | None, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        **provenance,
        "task": finding.task,
        "finding": finding.id,
        "method": finding.method,
        "audio_early_s": round(float(early_s), 6),
        "confidence": round(float(finding.confidence), 6),
        "state": "accepted" if decision == "accepted" else "proposed",
    }


def _marker(lead: MediaSpan, early_s: float, rate: float, words: str, note: dict[str, Any]) -> AddMarker:
    return AddMarker(
        address=lead.address,
        start_s=lead.record_start_s,
        duration_s=1 / rate,
        # Premiere and otiotool show the name alone.
        name=f"{'early' if early_s > 0 else 'late'} {abs(early_s) * 1000:.0f} ms",
        comment=f"{lead.address.clip}: {words}",
        color="YELLOW",
        note=note,
    )
