"""A report and a file name -> the file, in the format that its suffix says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otio_avassist.errors import UsageError

if TYPE_CHECKING:
    from otio_avassist.pipeline import Report

SUFFIXES = (".json", ".csv", ".html")


def check_name(path: Path) -> None:
    """Raises UsageError where the suffix says no format."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: wanted a name ending in {', '.join(SUFFIXES)} for a report")


def write(report: Report, path: Path) -> None:
    """Write the report; raises OutputError where it can't be written."""
    from otio_avassist import files
    from otio_avassist.adapters import report_csv, report_html, report_json

    check_name(path)
    writers = {".json": report_json.to_json, ".csv": report_csv.to_csv, ".html": report_html.to_html}
    files.write_text(path, writers[path.suffix.lower()](report))
