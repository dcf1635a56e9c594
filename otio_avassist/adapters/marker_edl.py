"""The marker EDL of DaVinci Resolve <-> the markers of a timeline. An adapter of OpenTimelineIO.

    otioconvert -i cut.otio -o markers.edl -O avassist_marker_edl
    otioconvert -i markers.edl -I avassist_marker_edl -a rate=25 -o markers.otio

Asked for by its name, because files that end in `.edl` belong to cuts. Each marker is an event of one frame
with timecodes of the record side, start timecode included, and below it the note and `|C:… |M:… |D:…`.
Such a file says neither its rate nor where its timeline starts: ours say both in their title, and for others
they can be given. OpenTimelineIO loads this file by its path, outside of any package.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from otio_avassist import files, marks
from otio_avassist.errors import TimelineError
from otio_avassist.timecodes import exact_rate, frame_number, timecode

TO_RESOLVE = {
    "PINK": "Pink", "RED": "Red", "ORANGE": "Sand", "YELLOW": "Yellow", "GREEN": "Green", "CYAN": "Cyan",
    "BLUE": "Blue", "PURPLE": "Purple", "MAGENTA": "Fuchsia", "BLACK": "Cocoa", "WHITE": "Cream",
}  # fmt: skip
"""OpenTimelineIO's colours, no two on one of Resolve's."""
FROM_RESOLVE = {
    **{resolve: color for color, resolve in TO_RESOLVE.items()},
    "Rose": "PINK", "Lavender": "PURPLE", "Sky": "BLUE", "Mint": "GREEN", "Lemon": "YELLOW",
}  # fmt: skip
"""Resolve's sixteen colours; those without a twin go to the nearest, and keep their name in the metadata."""

_TIME = r"(\d{1,3}:\d\d:\d\d[:;.]\d{2,3})"
_EVENT = re.compile(rf"^\s*\d+\s+\S+\s+\S+\s+C\s+{_TIME}\s+{_TIME}\s+{_TIME}\s+{_TIME}\s*$")
_FIELD = re.compile(r"\|([A-Z]):([^|]*)")
_COUNTING = re.compile(r" \((?P<rate>[\d.]+(?:/\d+)?) fps from (?P<start>[\d:;]+)\)$")
_RATES = (24.0, 25.0, 30.0, 50.0, 60.0, 120.0)
"""Of files that don't tell theirs: the first one that has all of their frames is taken."""


def write_to_string(input_otio: Any, rate: float | None = None, drop: bool | None = None) -> str:
    """The EDL of all markers that the timeline shows.

    Args:
        rate: count whole frames at this rate instead of the timeline's own.
        drop: label in drop frame; None: as the timeline's start suggests.

    Raises:
        TimelineError: the rate has no timecode.
    """
    counting = marks.counting(input_otio, rate=rate, drop=drop)
    if not 1 <= counting.rate <= 240:
        raise TimelineError(f"no timecode has {counting.rate:g} frames per second: give a rate")
    title = _line(getattr(input_otio, "name", ""))[:40].strip()
    at = _label(counting, 0)
    lines = [
        f"TITLE: {title or '( no title )'} ({_spelt(counting.rate)} fps from {at})",
        f"FCM: {'' if counting.drop else 'NON-'}DROP FRAME",
    ]
    for number, mark in enumerate(_labelled(counting, marks.marks(input_otio)), 1):
        first, count = counting.frames(mark)
        once = f"{_label(counting, first)} {_label(counting, first + 1)}"
        fields = f"|C:ResolveColor{_color(mark)} |M:{_line(mark.name)} |D:{count}"
        note = _guarded(marks.printable(mark.comment.replace("|", "")))
        lines += ["", f"{number:03d}  001      V     C        {once} {once}  ", f"{note} {fields}"]
    return "\n".join(lines) + "\n\n"


def write_to_file(input_otio: Any, filepath: str, rate: float | None = None, drop: bool | None = None) -> str:
    """As `write_to_string`."""
    files.write_text(Path(filepath), write_to_string(input_otio, rate, drop))
    return filepath


def read_from_string(
    input_str: str, rate: float | None = None, start: str | None = None, name: str = "marker EDL"
) -> Any:
    """A timeline without clips that has these markers.

    Args:
        rate: frames per second; None: what the title says, else 29.97 in drop frame, else the lowest of the
            usual whole ones that has all frames of this file.
        start: timecode of the timeline's first frame; None: what the title says, else the whole hour before
            the earliest marker.

    Raises:
        TimelineError: it holds no markers but something else.
    """
    text = input_str.removeprefix("\ufeff")
    lines = text.splitlines()
    events = _events(lines)
    title = _head(lines, "TITLE:")
    if not events and title is None and _head(lines, "FCM:") is None and text.strip():
        raise TimelineError(f"{name}: wanted a marker EDL of Resolve, there is no event with timecodes in it")
    if events and not any(_FIELD.search(" ".join(below)) for _, below in events):
        raise TimelineError(
            f"{name}: wanted a marker EDL of Resolve (|C:… |M:… |D:…), there are cuts: read it as a cut"
        )
    told = _COUNTING.search(title or "")
    title = (title or "")[: told.start()] if told else title or ""
    try:
        counting = _counting(lines, [label for label, _ in events], rate, start, told)
        found = [_mark(counting, *event) for event in events]
    except ValueError as error:
        raise TimelineError(f"{name}: {error}") from error
    return marks.timeline_of(found, "" if title == "( no title )" else title, counting)


def read_from_file(filepath: str, rate: float | None = None, start: str | None = None) -> Any:
    """As `read_from_string`."""
    path = Path(filepath)
    return read_from_string(files.read_text(path), rate, start, name=str(path))


def _labelled(counting: marks.Counting, found: list[marks.Mark]) -> list[marks.Mark]:
    """Those that stand at or after timecode 0."""
    return [mark for mark in found if counting.start + counting.frame(mark.start) >= 0]


def _label(counting: marks.Counting, frame: int) -> str:
    second = (counting.start + frame) / counting.exact
    return timecode(float(second), counting.rate, drop=counting.drop)


def _spelt(rate: float) -> str:
    """29.97 stays 29.97, and 29.97002997002997 becomes 30000/1001: either way the same number comes back."""
    exact = exact_rate(rate)
    if exact.denominator == 1001 and float(exact) == rate:
        return f"{exact.numerator}/{exact.denominator}"
    return f"{rate:g}" if float(f"{rate:g}") == rate else repr(rate)


def _color(mark: marks.Mark) -> str:
    kept = mark.resolve_color
    if kept in FROM_RESOLVE and FROM_RESOLVE[kept] == mark.color:
        return kept
    # Resolve itself writes its own names into timelines, in capitals.
    own = mark.color.capitalize()
    return TO_RESOLVE.get(mark.color.upper()) or (own if own in FROM_RESOLVE else "Blue")


def _line(text: str) -> str:
    """One line without what parts fields."""
    return marks.printable(text.replace("|", "")).replace("\n", " ")


def _guarded(note: str) -> str:
    """Resolve takes a note that begins with a digit for an event, and one with an asterisk for a comment."""
    return "\n".join(f"- {line}" if re.match(r"[\d*]", line) else line for line in note.split("\n"))


def _unguarded(note: str) -> str:
    return "\n".join(re.sub(r"^- (?=[\d*])", "", line) for line in note.split("\n"))


def _head(lines: list[str], key: str) -> str | None:
    for line in lines:
        if line.strip().upper().startswith(key):
            return line.strip()[len(key) :].strip()
    return None


def _events(lines: list[str]) -> list[tuple[str, list[str]]]:
    """(label of the record side, lines below) of each event."""
    events: list[tuple[str, list[str]]] = []
    for line in lines:
        if found := _EVENT.match(line):
            events.append((found[3], []))
        elif events and line.strip():
            events[-1][1].append(line.strip())
    return events


def _counting(
    lines: list[str], labels: list[str], rate: float | None, start: str | None, told: re.Match[str] | None
) -> marks.Counting:
    mode = (_head(lines, "FCM:") or "").upper()
    drop = (mode.startswith("DROP") or any(";" in label for label in labels)) and "NON" not in mode
    if rate is None:
        rate = float(Fraction(told["rate"])) if told and "/" in told["rate"] else None
        if rate is None:
            rate = float(told["rate"]) if told else _likely_rate(labels, drop=drop)
    exact_rate(rate)
    start = start or (told["start"] if told else None)
    if start is None:
        start = f"{min((int(label.partition(':')[0]) for label in labels), default=1):02d}:00:00:00"
    return marks.Counting(rate, frame_number(start, rate, drop=drop), drop)


def _likely_rate(labels: list[str], *, drop: bool) -> float:
    most = max((int(re.split(r"[:;.]", label)[-1]) for label in labels), default=0)
    if drop:
        return 29.97 if most < 30 else 59.94
    return next((rate for rate in _RATES if most < rate), _RATES[-1])


def _mark(counting: marks.Counting, label: str, below: list[str]) -> marks.Mark:
    text = "\n".join(below)
    fields = {key: value.strip() for key, value in _FIELD.findall(text)}
    color = fields.get("C", "").removeprefix("ResolveColor")
    plain = FROM_RESOLVE.get(color, "BLUE")
    count = int(fields["D"]) if fields.get("D", "").isdecimal() else 1
    first = frame_number(label, counting.rate, drop=counting.drop) - counting.start
    return marks.Mark(
        start=first / counting.exact,
        duration=max(1, count) / counting.exact,
        name=fields.get("M", "").replace("\n", " "),
        comment=_unguarded(text.partition("|")[0].strip()),
        color=plain,
        resolve_color="" if TO_RESOLVE[plain] == color else color,
    )
