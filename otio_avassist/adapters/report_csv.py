"""Report -> CSV, for a spreadsheet: one row a finding, one row a clip that was skipped."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from otio_avassist.adapters.report_json import finding_facts
from otio_avassist.findings import CaptionFinding, FoleyFinding
from otio_avassist.timecodes import timecode

if TYPE_CHECKING:
    from otio_avassist.pipeline import Line, Report
    from otio_avassist.spans import Skipped

COLUMNS = (
    "clip", "track", "timecode_in", "timecode_out", "offset_frames", "offset_ms", "confidence", "method",
    "action", "state", "words", "doubts", "media", "sound_clip", "sound_track", "sound_media",
    "start_s", "end_s", "drift_ppm", "id",
)  # fmt: skip

CAPTION_COLUMNS = ("task", "text", "level", "carried_by")
"""More columns, of a report that has captions in it."""
FOLEY_COLUMNS = ("task", "text", "made_by", "takes", "loudness_lufs", "take_early_ms", "take_moved_ms")
"""Likewise of foley: what it sounds like, its files, and of the first of them what was measured and done."""

BOM = "\ufeff"
"""Without it Excel takes the text for the local 8-bit code page."""


def to_csv(report: Report) -> str:
    """A header and the rows; UTF-8 once written, with a byte order mark."""
    text = io.StringIO(newline="")
    # Writing the file turns these into the lines that the machine is used to.
    kinds = {type(line.finding) for line in report.findings}
    captions = CAPTION_COLUMNS if CaptionFinding in kinds else ()
    foley = FOLEY_COLUMNS if FoleyFinding in kinds else ()
    columns = tuple(dict.fromkeys((*COLUMNS, *captions, *foley)))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for line in report.findings:
        writer.writerow(_finding_row(report, line))
    for each in report.skipped:
        writer.writerow(_skipped_row(each))
    return BOM + text.getvalue()


def _finding_row(report: Report, line: Line) -> dict[str, object]:
    facts = finding_facts(report, line)
    sound = facts["sound"] or {}
    early_s = facts.get("audio_early_s")
    clock = (report.rate, report.start_timecode_s)
    return {
        "clip": _text(facts["clip"]),
        "track": _text(facts["track"]),
        "timecode_in": timecode(facts["start_s"], *clock),
        "timecode_out": timecode(facts["end_s"], *clock),
        "offset_frames": "" if early_s is None else round(early_s * report.rate, 2),
        "offset_ms": "" if early_s is None else round(early_s * 1000, 1),
        "confidence": facts["confidence"],
        "method": facts.get("method", ""),
        "action": facts["action"],
        "state": facts["state"],
        "words": _text(facts["words"]),
        "doubts": _text("; ".join(facts["doubts"])),
        "media": _text(facts["media"]),
        "sound_clip": _text(sound.get("clip", "")),
        "sound_track": _text(sound.get("track", "")),
        "sound_media": _text(sound.get("media", "")),
        "start_s": facts["start_s"],
        "end_s": facts["end_s"],
        "drift_ppm": facts.get("drift_ppm", ""),
        "id": facts["id"],
        "task": facts["task"],
        "text": _text(facts.get("text", "")),
        "level": facts.get("level", ""),
        "carried_by": facts.get("carried_by", ""),
        **(_foley_cells(line.finding) if isinstance(line.finding, FoleyFinding) else {}),
    }


def _foley_cells(found: FoleyFinding) -> dict[str, object]:
    cells: dict[str, object] = {
        "text": _text(found.sound),
        "made_by": found.made_by,
        "takes": _text("; ".join(take.name for take in found.takes)),
    }
    if found.takes:
        first = found.takes[0]
        early_s, loudness = first.audio_early_s, first.loudness_lufs
        cells["loudness_lufs"] = "" if loudness is None else round(loudness, 1)
        cells["take_early_ms"] = "" if early_s is None else round(early_s * 1000, 1)
        cells["take_moved_ms"] = round(first.shifted_s * 1000, 1)
    return cells


def _skipped_row(each: Skipped) -> dict[str, object]:
    return {
        "clip": _text(each.clip),
        "track": _text(each.track),
        "action": "skipped",
        "words": _text(each.reason),
        "media": _text(each.media),
    }


def _text(value: str) -> str:
    """A spreadsheet computes cells that begin like a formula, so a name that does so gets an apostrophe."""
    value = value.encode("utf-8", "replace").decode()
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
