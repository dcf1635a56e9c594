"""SubRip and WebVTT through pysubs2: the markers of a timeline <-> cues. An adapter of OpenTimelineIO.

    otioconvert -i cut.otio -o cut.srt
    otioconvert -i cut.vtt -a rate=25 -o cut.otio

Cues count from the timeline's first frame, whatever its start timecode, as editors want subtitles. A frame is
written as its nearest millisecond, which leads back to the frame at every rate up to 240. OpenTimelineIO
loads this file by its path, outside of any package.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from otio_avassist import files, marks, traces
from otio_avassist.errors import TimelineError, first_line
from otio_avassist.timecodes import nearest

Format = Literal["srt", "vtt"]

# pysubs2 takes these for styles, line breaks and times: in a text they stand for themselves. Unicode keeps
# the signs on the right for use inside a program.
_GUARDS = {"\\": "\ufdd0", "{": "\ufdd1", "}": "\ufdd2", ":": "\ufdd3"}
_GUARD = str.maketrans(_GUARDS)
_UNGUARD = str.maketrans({guard: sign for sign, guard in _GUARDS.items()})
# None goes past the beginning of the next: a line of many that never end would take the square of its length.
_STYLES = {
    "srt": re.compile(r"</?(?:b|i|u|s|font)(?:\s[^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE),
    "vtt": re.compile(r"</?(?:b|i|u|c|v|lang|ruby|rt)(?:[.\s][^<>]*)?>|<[\d:.]+>", re.IGNORECASE),
}
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&lrm;": "", "&rlm;": "", "&amp;": "&"}


def write_to_string(
    input_otio: Any, format: Format = "srt", task: str = "", rate: float | None = None, least_s: float = 0.0
) -> str:
    """The cues of all markers that say something, our own and others'.

    A marker's comment is the cue, else its name; our tags are left out. What a linked picture and sound both
    say is said once.

    Args:
        format: `srt` or `vtt`.
        task: only what this task of ours said, `captions` for instance.
        rate: count whole frames at this rate instead of the timeline's own.
        least_s: cues stay at least so long.
    """
    _check_format(format)
    import pysubs2

    counting = marks.counting(input_otio, rate=rate)
    subtitles = pysubs2.SSAFile()
    said = set()
    for mark in marks.marks(input_otio):
        if (task and mark.task != task) or not mark.text or mark.end < 0:
            continue
        # No cue is shorter than a frame: nobody would see it.
        least = max(1 / counting.exact, Fraction(least_s))
        start = max(Fraction(0), mark.start)
        cue = _ms(start), _ms(max(mark.end, start + least)), mark.text
        if cue not in said:
            said.add(cue)
            text = _escaped(mark.text, format).translate(_GUARD).replace("\n", "\\N")
            subtitles.append(pysubs2.SSAEvent(start=cue[0], end=cue[1], text=text))
    # Styles are guarded already; what looks like one is text.
    return subtitles.to_string(format, keep_ssa_tags=True).translate(_UNGUARD)


def write_to_file(
    input_otio: Any, filepath: str, task: str = "", rate: float | None = None, least_s: float = 0.0
) -> str:
    """As `write_to_string`; the suffix says the format."""
    path = Path(filepath)
    files.write_text(path, write_to_string(input_otio, _format_of(path), task, rate, least_s))
    return filepath


def read_from_string(
    input_str: str, format: Format | None = None, rate: float | None = None, name: str = "subtitles"
) -> Any:
    """A timeline without clips whose markers are the cues.

    Args:
        format: None: WebVTT where it says so at its beginning, else SubRip.
        rate: markers in whole frames of it; None: in milliseconds, as they are.

    Raises:
        TimelineError: there are no subtitles in it.
    """
    text = input_str.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    format = format or ("vtt" if text.lstrip().startswith("WEBVTT") else "srt")
    _check_format(format)
    cues = _cues(text, format, name)
    counting = marks.Counting(float(rate)) if rate is not None else None
    return marks.timeline_of(cues, name, counting)


def read_from_file(filepath: str, rate: float | None = None) -> Any:
    """As `read_from_string`; the timeline is called after the file."""
    path = Path(filepath)
    timeline = read_from_string(files.read_text(path), _format_of(path), rate, name=str(path))
    timeline.name = timeline.tracks.name = path.stem
    return timeline


def _ms(second: Fraction) -> int:
    return nearest(second * 1000)


def _format_of(path: Path) -> Format:
    return "vtt" if path.suffix.lower() == ".vtt" else "srt"


def _check_format(format: str) -> None:
    if format not in _STYLES:
        raise TimelineError(f"wanted the format srt or vtt, there is {format!r}")


def _escaped(text: str, format: Format) -> str:
    if format == "vtt":
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # SubRip has no escape for what parts its times.
    text = text.replace("-->", "→")
    # Readers take a last line of digits for the number of the next cue.
    return re.sub(r"\n(?=\d+$)", " ", text)


def _cues(text: str, format: Format, name: str) -> list[marks.Mark]:
    import pysubs2

    if format == "vtt":
        if not text.lstrip().startswith("WEBVTT"):
            raise TimelineError(f"{name}: wanted WebVTT, which begins with WEBVTT")
        text = _cue_blocks(text)
    elif text.strip() and "-->" not in text:
        raise TimelineError(f"{name}: wanted SubRip subtitles, there is no time with --> in it")
    lines = (line if "-->" in line else _plain(line, format).translate(_GUARD) for line in text.split("\n"))
    try:
        # The number at the end is that of a next cue, which pysubs2 cuts off the last one.
        read = pysubs2.SSAFile.from_string("\n".join([*lines, "", "1", ""]), format, keep_html_tags=True)
    except (ValueError, OverflowError, pysubs2.Pysubs2Error) as error:
        raise TimelineError(f"{name}: wanted subtitles: {first_line(error)}") from error
    if text.strip() and not len(read):
        raise TimelineError(f"{name}: wanted subtitles, there is no cue with two valid times")
    return [_mark(cue.start, cue.end, cue.text.replace("\\N", "\n").translate(_UNGUARD)) for cue in read]


def _mark(start_ms: int, end_ms: int, text: str) -> marks.Mark:
    text = marks.printable(text)
    return marks.Mark(
        start=Fraction(start_ms, 1000),
        duration=Fraction(max(0, end_ms - start_ms), 1000),
        name=traces.short_name(text.partition("\n")[0]),
        comment=text,
    )


def _cue_blocks(text: str) -> str:
    """WebVTT without comments, styles, regions and the names of cues, all of which pysubs2 takes for text."""
    kept: list[str] = []
    for block in re.split(r"\n[ \t]*\n+", text):
        lines = block.strip("\n").split("\n")
        timed = next((index for index, line in enumerate(lines[:2]) if "-->" in line), None)
        if timed is not None:
            kept.append("\n".join([str(len(kept) + 1), *lines[timed:]]))
    return "\n\n".join(kept)


def _plain(line: str, format: Format) -> str:
    line = _STYLES[format].sub("", line)
    if format == "vtt":
        for entity, sign in _ENTITIES.items():
            line = line.replace(entity, sign)
    return line
