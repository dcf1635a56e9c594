"""Report -> a file, in the format that its name ends in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otio_avassist.errors import UsageError
from otio_avassist.findings import CaptionFinding, FoleyFinding, SyncFinding

if TYPE_CHECKING:
    from otio_avassist.pipeline import Report

SUFFIXES = (".json", ".csv", ".html")


def check_name(path: Path) -> None:
    """Refuse a name now rather than after an hour of work.

    Raises:
        UsageError: the name ends in nothing that a report is written as.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"report {path}: wanted a name ending in {', '.join(SUFFIXES)}")


def write(report: Report, path: Path) -> None:
    """Write the report; a page gets its pictures, for which the media is looked at once more.

    Raises:
        UsageError: see `check_name`.
        OutputError: the file can't be written; what stood there still stands.
    """
    from otio_avassist import files

    check_name(path)
    files.write_text(path, _text(report, path))


def _text(report: Report, path: Path) -> str:
    from otio_avassist.adapters import report_csv, report_html, report_json

    suffix = path.suffix.lower()
    if suffix == ".json":
        return report_json.to_json(report)
    if suffix == ".csv":
        return report_csv.to_csv(report)
    from otio_avassist import figures  # decodes media: paid by who wants pictures

    found = [line.finding for line in report.findings]
    captions = [each for each in found if isinstance(each, CaptionFinding)]
    return report_html.to_html(
        report,
        figures.gather(each for each in found if isinstance(each, SyncFinding)),
        figures.stills(captions),
        figures.takes(each for each in found if isinstance(each, FoleyFinding)),
        folder=path.absolute().parent,
    )
