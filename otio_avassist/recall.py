"""A report <-> JSON without loss, so that what was found can be opened again without looking anew.

`adapters.report` writes what people and programs read of a report; this keeps every field of every finding.
Each object stands with the name of its type, and only the types named here are ever built. What a finding
leads to isn't kept: `pipeline.settle` finds that anew under the decisions of the day.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import opentimelineio as otio

from otio_avassist import bundles, edits, findings, pipeline, places, review, spans
from otio_avassist.errors import BundleError, TimelineError

SCHEMA = "avassist-findings.1"
TYPE = "type"
KEPT = {
    kind.__name__: kind
    for kind in (
        findings.Attention, findings.CaptionFinding, findings.Evidence, findings.FoleyFinding, findings.Jump,
        findings.Posterior, findings.SyncFinding, findings.Take, pipeline.Report, places.Address,
        spans.MediaSpan, spans.Shot, spans.Skipped,
    )
}  # fmt: skip
PATH, NUMBER = "Path", "float"
"""Types that JSON doesn't have: files, and numbers that are infinite or none."""


def to_json(report: pipeline.Report) -> dict[str, Any]:
    """Strict JSON; the lines' outcomes and states are left out."""
    lines = [
        {"finding": _plain(line.finding), "provenance": dict(line.provenance)} for line in report.findings
    ]
    return {"schema": SCHEMA, "report": _plain(replace(report, findings=())), "lines": lines}


def from_json(held: Mapping[str, Any], source: str, settings: pipeline.Settings) -> pipeline.Report:
    """What `to_json` made; each line leads to what it does while nobody has decided.

    Args:
        source: where it is from, for the errors.

    Raises:
        TimelineError: it isn't whole, or of another schema.
    """
    if held.get("schema") != SCHEMA:
        raise TimelineError(f"{source}: wanted kept findings ({SCHEMA}), there is {held.get('schema')!r}")
    nothing = review.Decision(review.PROPOSED)
    try:
        report = _built(held["report"])
        lines = tuple(
            pipeline.under(
                pipeline.Line(
                    _built(line["finding"]), edits.Outcome("abstained", (), ""), review.PROPOSED,
                    dict(line["provenance"]),
                ),
                nothing,
                settings,
            )
            for line in held["lines"]
        )  # fmt: skip
        return replace(report, findings=lines)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TimelineError(f"{source}: these kept findings aren't whole: {error!r}") from error


def fingerprint(root: otio.core.SerializableObject, settings: pipeline.Settings) -> str:
    """Tells whether kept findings still speak of this timeline: its content without our work, what was
    asked for, and the bundles that would be asked. Media that changed under its name isn't noticed.
    """
    stripped = edits.strip(root, None, tasks=settings.tasks).timeline
    stripped.metadata.pop("otio_avassist", None)
    asked = {each.name: repr(getattr(settings, each.name)) for each in fields(settings)}
    for name in (
        "propose",
        "detach",
        "fix",
        "min_confidence",
        "strict",
        "output_dir",
        "media_root",
        "path_map",
    ):
        asked.pop(name)  # of no matter to what is found
    content = otio.adapters.write_to_string(stripped, "otio_json")
    judges = ("sync",) if "foley" in settings.tasks else ()
    tasks = dict.fromkeys((*settings.tasks, *judges))
    named = [] if settings.bundle is None else [_card(task, settings.bundle) for task in tasks]
    parts = [content, json.dumps(asked, sort_keys=True), *(_card(task) for task in tasks), *named]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _card(task: str, named: Path | None = None) -> str:
    try:
        return (bundles.find(task, named) / "card.json").read_text(encoding="utf-8")
    except (BundleError, OSError):
        return ""


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        held = {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.init}
        return {TYPE: type(value).__name__, **held}
    if isinstance(value, Path):
        return {TYPE: PATH, "path": str(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    number = float(value)  # numpy's, too
    return number if math.isfinite(number) else {TYPE: NUMBER, "number": repr(number)}


def _built(value: Any) -> Any:
    """Sequences become tuples, which is what all of these types hold."""
    if isinstance(value, list):
        return tuple(map(_built, value))
    if not isinstance(value, dict):
        return value
    kind = value.get(TYPE)
    if kind is None:
        return {key: _built(each) for key, each in value.items()}
    if kind == PATH:
        return Path(value["path"])
    if kind == NUMBER:
        return float(value["number"])
    held = {key: _built(each) for key, each in value.items() if key != TYPE}
    return KEPT[kind](**held)
