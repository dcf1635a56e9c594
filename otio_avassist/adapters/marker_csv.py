"""The markers of a timeline <-> CSV, one row a marker. An adapter of OpenTimelineIO.

    otioconvert -i cut.otio -o markers.csv
    otioconvert -i markers.csv -o markers.otio

For spreadsheets and scripts. Frames count from the timeline's first one and are exact; timecodes and seconds
stand beside them for people. Only `start_frame`, `frames` and `rate` must be there to be read back.
OpenTimelineIO loads this file by its path, outside of any package.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otio_avassist import files, marks, traces
from otio_avassist.errors import TimelineError, first_line
from otio_avassist.timecodes import exact_rate, frame_number, timecode

COLUMNS = (
    "timecode_in", "timecode_out", "start_frame", "frames", "rate", "name", "text", "color",
    "start_s", "end_s", "where", "task", "finding", "resolve_color",
)  # fmt: skip
NEEDED = ("start_frame", "frames", "rate")
BOM = "\ufeff"
"""Without it Excel takes the text for the local 8-bit code page."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_to_string(input_otio: Any, rate: float | None = None, drop: bool | None = None) -> str:
    """A header and a row for each marker that the timeline shows.

    Args:
        rate: count whole frames at this rate instead of the timeline's own.
        drop: label in drop frame; None: as the timeline's start suggests.
    """
    counting = marks.counting(input_otio, rate=rate, drop=drop)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for mark in marks.marks(input_otio):
        first, count = counting.frames(mark)
        writer.writerow(
            {
                "timecode_in": _label(counting, first),
                "timecode_out": _label(counting, first + count),
                "start_frame": first,
                "frames": count,
                "rate": repr(counting.rate),
                "name": _cell(mark.name),
                "text": _cell(traces.untagged(mark.comment) if mark.finding else mark.comment),
                "color": _cell(mark.color),
                "start_s": round(float(first / counting.exact), 6),
                "end_s": round(float((first + count) / counting.exact), 6),
                "where": _cell(mark.where),
                "task": _cell(mark.task),
                "finding": _cell(mark.finding),
                "resolve_color": _cell(mark.resolve_color),
            }
        )
    return BOM + text.getvalue()


def write_to_file(input_otio: Any, filepath: str, rate: float | None = None, drop: bool | None = None) -> str:
    """As `write_to_string`."""
    files.write_text(Path(filepath), write_to_string(input_otio, rate, drop))
    return filepath


def read_from_string(input_str: str, name: str = "markers") -> Any:
    """A timeline without clips that has these markers.

    Raises:
        TimelineError: the columns that are needed aren't there, or hold no numbers.
    """
    text = input_str.removeprefix(BOM)
    header = text.partition("\n")[0]
    # Spreadsheets of some countries part columns by semicolons.
    delimiter = ";" if header.count(";") > header.count(",") else ","
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise TimelineError(f"{name}: wanted CSV: {first_line(error)}") from error
    columns = header.strip().replace('"', "").split(delimiter)
    if missing := [each for each in NEEDED if each not in columns]:
        raise TimelineError(f"{name}: wanted markers as CSV, there is no column {', '.join(missing)}")
    found, counting = [], None
    for number, row in enumerate(rows, 2):
        try:
            own = _counting(row)
            counting = counting or own
            found.append(_mark(row, own))
        except (ValueError, OverflowError) as error:
            raise TimelineError(f"{name}, row {number}: {first_line(error)}") from error
    return marks.timeline_of(found, "", counting or marks.Counting(25.0))


def read_from_file(filepath: str) -> Any:
    """As `read_from_string`; the timeline is called after the file."""
    path = Path(filepath)
    timeline = read_from_string(files.read_text(path), name=str(path))
    timeline.name = timeline.tracks.name = path.stem
    return timeline


def _label(counting: marks.Counting, frame: int) -> str:
    second = (counting.start + frame) / counting.exact
    return timecode(float(second), counting.rate, drop=counting.drop)


def _counting(row: Mapping[str, str | None]) -> marks.Counting:
    rate = float(row.get("rate") or "nan")
    exact_rate(rate)
    label = row.get("timecode_in") or ""
    if label.count(":") + label.count(";") < 3:
        return marks.Counting(rate)
    drop = ";" in label
    start = frame_number(label, rate, drop=drop) - int(row.get("start_frame") or 0)
    return marks.Counting(rate, start, drop)


def _mark(row: Mapping[str, str | None], counting: marks.Counting) -> marks.Mark:
    first, count = int(row.get("start_frame") or ""), int(row.get("frames") or "")
    texts = {key: _uncell(row.get(key) or "") for key in COLUMNS}
    comment = texts["text"]
    if texts["finding"]:
        tag = traces.tag_of({"task": texts["task"], "finding": texts["finding"]})
        comment = f"{comment} {tag}"
    return marks.Mark(
        start=first / counting.exact,
        duration=max(0, count) / counting.exact,
        name=texts["name"],
        comment=comment,
        color=texts["color"],
        resolve_color=texts["resolve_color"],
        task=texts["task"],
        finding=texts["finding"],
        where=texts["where"],
    )


def _cell(value: str) -> str:
    """A spreadsheet computes cells that begin like a formula, so a text that does so gets an apostrophe."""
    value = value.encode("utf-8", "replace").decode()
    return f"'{value}" if value.startswith(_FORMULA) else value


def _uncell(value: str) -> str:
    return value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value
