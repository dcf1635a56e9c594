"""Report -> strict JSON, for programs.

Times are 0-based timeline seconds; a number nobody knows is null, never NaN.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from otio_avassist.findings import CaptionFinding, FoleyFinding, SyncFinding

if TYPE_CHECKING:
    from otio_avassist.findings import Attention
    from otio_avassist.pipeline import Line, Report
    from otio_avassist.spans import MediaSpan, Skipped

SCHEMA = "avassist-report.1"
CHANGES = ("slipped", "detached")
"""The actions that read a sound from elsewhere; all others leave it where it was."""
APPLIED = (*CHANGES, "captioned", "laid")
"""The actions after which the timeline holds what was found."""


def to_json(report: Report) -> str:
    """The report as indented JSON with a closing newline."""
    return json.dumps(to_dict(report), indent=2, allow_nan=False) + "\n"


def to_dict(report: Report) -> dict[str, Any]:
    """The same as plain dicts, lists, strings and finite numbers."""
    return {
        "schema": SCHEMA,
        "version": report.version,
        "input": report.input,
        "output": report.output,
        "rate": _number(report.rate),
        "start_timecode_s": _number(report.start_timecode_s),
        "device": report.device,
        "seconds": _number(report.seconds),
        "bundles": [dict(bundle) for bundle in report.bundles],
        "findings": [finding_facts(report, line) for line in report.findings],
        "skipped": [_skipped(each) for each in report.skipped],
    }


def is_applied(report: Report, line: Line) -> bool:
    """Whether the timeline that was written is another one for this finding; a dry run applies nothing."""
    return report.output is not None and line.outcome.action in APPLIED


def finding_facts(report: Report, line: Line) -> dict[str, Any]:
    """One finding, what was decided and what was done, with the keys of the schema."""
    match line.finding:
        case CaptionFinding() as caption:
            return _caption_facts(report, line, caption)
        case FoleyFinding() as foley:
            return _foley_facts(report, line, foley)
        case sync:
            return _sync_facts(report, line, sync)


def _caption_facts(report: Report, line: Line, found: CaptionFinding) -> dict[str, Any]:
    shot, outcome = found.shot, line.outcome
    return {
        **_identity(line),
        "start_s": _number(found.start_s),
        "end_s": _number(found.end_s),
        "media_start_s": _number(found.media_start_s),
        "text": found.text,
        "name": found.name,
        "level": found.level,
        "carried_by": found.carried_by,
        "confidence": _number(found.confidence),
        "doubts": list(found.doubts),
        "action": outcome.action,
        "applied": is_applied(report, line),
        "state": line.state,
        "words": outcome.words,
        "word_probabilities": [
            {"word": word, "probability": _number(probability)} for word, probability in found.words
        ],
        "sound": _place(shot.sound) if shot.sound is not None else None,
    }


def _foley_facts(report: Report, line: Line, found: FoleyFinding) -> dict[str, Any]:
    return {
        **_identity(line),
        "start_s": _number(found.start_s),
        "end_s": _number(found.end_s),
        "media_start_s": _number(found.media_start_s),
        "name": found.sound,
        "made_by": found.made_by,
        "primed_by": found.primed_by,
        "planned": found.planned,
        "loudness_target_lufs": _number(found.loudness_target_lufs),
        "takes": [{**take.to_json(), "path": str(take.path)} for take in found.takes],
        "confidence": _number(found.confidence),
        "doubts": list(found.doubts),
        "action": line.outcome.action,
        "applied": is_applied(report, line),
        "state": line.state,
        "words": line.outcome.words,
        "sound": _place(found.shot.sound) if found.shot.sound is not None else None,
    }


def _identity(line: Line) -> dict[str, Any]:
    """What a finding is called, and the clip that it is about."""
    found = line.finding
    lead = found.shot.lead
    return {
        "task": found.task,
        "id": found.id,
        "track": lead.address.track,
        "track_index": lead.address.track_index,
        "clip": lead.address.clip,
        "clip_index": lead.address.clip_index,
        "media": lead.url,
    }


def _sync_facts(report: Report, line: Line, found: SyncFinding) -> dict[str, Any]:
    outcome, shot = line.outcome, found.shot
    lead = shot.lead
    return {
        **_identity(line),
        "sound": _place(shot.sound) if shot.sound is not None else None,
        "paired_by": shot.paired_by,
        "start_s": _number(lead.record_start_s),
        "end_s": _number(lead.record_start_s + lead.duration_s),
        "audio_early_s": _number(found.audio_early_s),
        "confidence": _number(found.confidence),
        "within_s": _number(found.within_s),
        "method": found.method,
        "doubts": list(found.doubts),
        "action": outcome.action,
        "applied": is_applied(report, line),
        "slip_frames": outcome.slip_frames,
        "left_s": _number(outcome.residual_s),
        "state": line.state,
        "words": outcome.words,
        "drift_ppm": _number(found.drift_ppm),
        "jumps": [
            {
                "at_s": _number(jump.at_s),
                "audio_early_s": _number(jump.audio_early_s),
                "give_or_take_s": _number(jump.give_or_take_s),
            }
            for jump in found.jumps
        ],
        "residual_s": _number(found.residual_s),
        "pooled_with": list(found.pooled_with),
        "evidence": [
            {
                "method": each.method,
                "audio_early_s": _number(each.audio_early_s),
                "confidence": _number(each.confidence),
                "note": each.note,
            }
            for each in found.evidence
        ],
        "posterior": None
        if found.posterior is None
        else {
            "offsets_s": [_number(offset_s) for offset_s in found.posterior.offsets_s],
            "probabilities": [_number(each) for each in found.posterior.probabilities],
        },
        "attention": None if found.attention is None else _attention(found.attention),
    }


def _attention(attention: Attention) -> dict[str, Any]:
    return {
        "is_even": attention.is_even,
        **{
            name: [dict(zip(keys, map(_number, each), strict=True)) for each in getattr(attention, name)]
            for name, keys in (
                ("seen", ("at_s", "row", "column", "weight")),
                ("heard", ("at_s", "weight")),
                ("seen_curve", ("at_s", "weight")),
                ("heard_curve", ("at_s", "weight")),
            )
        },
    }


def _place(span: MediaSpan) -> dict[str, Any]:
    where = span.address
    return {
        "track": where.track,
        "track_index": where.track_index,
        "clip": where.clip,
        "clip_index": where.clip_index,
        "media": span.url,
    }


def _skipped(each: Skipped) -> dict[str, Any]:
    return {
        "track": each.track,
        "track_index": each.track_index,
        "clip": each.clip,
        "clip_index": each.clip_index,
        "reason": each.reason,
        "media": each.media,
    }


def _number(value: float | None) -> float | None:
    """A plain float, rounded to the microsecond: numpy's don't go into JSON, and NaN isn't JSON."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), 6)
