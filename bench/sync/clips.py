"""The clips of a folder with a manifest, the sound of each at every shift of the published grid.

The manifest lists clips with their `audio_early_s`, whether they are `synchronizable_by_eye` and whether they
show a `talking_face`. All of them count, also those in which there is nothing to see.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench.sync import shifted, tables, tally
from bench.sync.cuts import usable
from bench.sync.shifted import Job, Shifted
from models.data.offsets import OFFSETS_S

WINDOWS = 3
"""Single windows of each cut, at most."""
GOALS = {"whole": 0.7, "precision": 0.95, "coverage": 0.4, "error_ms": 40.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("clips")
    group.add_argument("--only", metavar="A,B", help="these files of the folder")


def lacking(asked: argparse.Namespace) -> str:
    if not (asked.clips / "manifest.json").is_file():
        return f"{asked.clips}: no manifest.json here: --clips DIR"
    return ""


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether the goals are reached)."""
    entries = {entry["file"]: entry for entry in _entries(asked)}
    jobs = [_job(asked, entry) for entry in entries.values()]
    # The longest first, or one process would be left alone with it.
    jobs.sort(key=lambda job: job.start_s - job.end_s)
    found: dict[str, Shifted] = {}
    print(tables.HEAD)
    for _, each in shifted.in_parallel(shifted.measure, jobs, asked.processes):
        found[each.name] = each
        print(tables.line(each), flush=True)
    by_eye = {name: each for name, each in found.items() if entries[name].get("synchronizable_by_eye")}
    tables.show("all clips", found, OFFSETS_S)
    tables.show("clips that can be synchronised by eye", by_eye, OFFSETS_S)
    reached = _goals(found)
    print()
    for what, (words, good) in reached.items():
        print(f"  {'reached' if good else 'missed ':7}  {what}: {words}")
    figures = tables.figures(found) | {"by eye": tables.figures(by_eye)}
    return figures, all(good for _, good in reached.values())


def _entries(asked: argparse.Namespace) -> list[dict[str, Any]]:
    entries = json.loads((asked.clips / "manifest.json").read_text("utf-8"))["clips"]
    only = asked.only.split(",") if asked.only else None
    return [
        entry
        for entry in entries
        if (asked.clips / entry["file"]).is_file() and (only is None or entry["file"] in only)
    ]


def _job(asked: argparse.Namespace, entry: dict[str, Any]) -> Job:
    path: Path = asked.clips / entry["file"]
    return Job(
        entry["file"],
        path,
        *usable(path),
        offsets_s=tuple(map(float, OFFSETS_S)),
        early_s=entry.get("audio_early_s", 0.0),
        window_s=asked.window,
        most_windows=WINDOWS,
        every_long=bool(entry.get("talking_face")),
        rungs=asked.rungs,
        bundle=asked.bundle,
    )


def _goals(found: dict[str, Shifted]) -> dict[str, tuple[str, bool]]:
    """Goal -> (figure in words, whether it is reached)."""
    whole = [each.whole for each in found.values()]
    right, stood, true, error = (
        tally.measured(figure, whole)
        for figure in (tally.best_right, tally.coverage, tally.precision, tally.error_ms)
    )
    wrong = tally.often_wrong({name: each.whole for name, each in found.items()})
    long = [answer for each in found.values() for answer in each.long]
    hits = sum(answer.best_right for answer in long)
    return {
        f"whole clips right at least {GOALS['whole']:.0%}": (right.words(), _at_least(right, "whole")),
        f"what it stands for right at least {GOALS['precision']:.0%}": (
            true.words(),
            _at_least(true, "precision"),
        ),
        f"coverage at least {GOALS['coverage']:.0%}": (stood.words(), _at_least(stood, "coverage")),
        "no clip wrong in more than one shift": (", ".join(wrong) or "none", not wrong),
        f"median error at most {GOALS['error_ms']:.0f} ms": (
            error.words(".0f"),
            error.value is not None and error.value <= GOALS["error_ms"],
        ),
        "talking faces right in every 8 s window": (f"{hits} of {len(long)}", hits == len(long)),
    }


def _at_least(found: tally.Measured, goal: str) -> bool:
    return found.value is not None and found.value >= GOALS[goal]
