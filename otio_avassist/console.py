"""What a person at a terminal sees: a bar while it works, a table at the end."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from otio_avassist.progress import Progress, silent

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from otio_avassist.batch import Plan, Planned, Result, Told
    from otio_avassist.findings import CaptionFinding, FoleyFinding, SyncFinding
    from otio_avassist.pipeline import Line, Report
    from otio_avassist.spans import Skipped

ACTION_STYLE = {
    "slipped": "green",
    "detached": "green",
    "captioned": "green",
    "laid": "green",
    "marked": "yellow",
    "waiting": "yellow",
    "abstained": "dim",
}


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[Progress]:
    """A bar on a terminal, one line a clip in a pipe."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        with _bar() as progress:
            yield progress
    else:
        yield _line_a_clip()


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("listening", total=None)

        def update(done_s: float, total_s: float, what: str) -> None:
            bar.update(task, completed=done_s, total=total_s or None, description=what[:40] or "done")

        yield update


@contextlib.contextmanager
def batch_bar(planned: Plan, *, quiet: bool = False) -> Iterator[tuple[Told, Progress]]:
    """One bar for all timelines on a terminal, and a line for each that is done.

    Gives who is to be told of results, and of how far the one is that is looked at in this process.
    """
    from otio_avassist import batch

    # What is known already takes a moment, too.
    weights = [sum(each.media_s.values()) + 1.0 for each in planned.timelines]
    if quiet or not sys.stderr.isatty():

        def tell(each: Planned, result: Result) -> None:
            if not quiet or result["state"] == "failed":
                say(f"avassist: {batch.line(result)}" if quiet else batch.line(result))

        yield tell, silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("planned", total=sum(weights))
        by_source = {
            each.work.source: weight for each, weight in zip(planned.timelines, weights, strict=True)
        }
        done = count = 0.0

        def told(each: Planned, result: Result) -> None:
            nonlocal done, count
            done, count = done + by_source[each.work.source], count + 1
            console.print(batch.line(result), markup=False, highlight=False)
            of_all = f"{count:.0f} of {len(weights)} timelines"
            bar.update(task, completed=done, description=of_all)

        def progress(done_s: float, total_s: float, what: str) -> None:
            mean = sum(weights) / len(weights)
            bar.update(task, completed=done + mean * (done_s / total_s if total_s else 0.0))

        yield told, progress


def _line_a_clip() -> Progress:
    seen = ""

    def update(done_s: float, total_s: float, what: str) -> None:
        nonlocal seen
        if what and what != seen:
            seen = what
            say(f"{done_s:.0f} of {total_s:.0f} s: {what}")

    return update


def show(report: Report, *, to_stderr: bool = False) -> None:
    """A table for each kind of finding; then what was skipped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from otio_avassist.findings import CaptionFinding, FoleyFinding, SyncFinding

    # A pipe has no width of its own; a table cut to 80 columns would lose what matters.
    console = Console(stderr=to_stderr, width=None if sys.stdout.isatty() else 140)
    offsets = [(line, line.finding) for line in report.findings if isinstance(line.finding, SyncFinding)]
    captions = [(line, line.finding) for line in report.findings if isinstance(line.finding, CaptionFinding)]
    foley = [(line, line.finding) for line in report.findings if isinstance(line.finding, FoleyFinding)]
    if offsets:
        console.print(_offset_table(report, offsets))
    if captions:
        console.print(_caption_table(report, captions))
    if foley:
        console.print(_foley_table(report, foley))
    if report.skipped:
        table = Table("Not looked at", "Why")
        for reason, clips in _by_reason(report.skipped).items():
            table.add_row(Text(_names(clips)), Text(reason))
        console.print(table)
    console.print(summary(report))


def _offset_table(report: Report, lines: list[tuple[Line, SyncFinding]]) -> Table:
    """Clip, offset in frames and ms, method, confidence, what was done."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        "Clip", "Offset", "Method", "Sure", _done(report), title=_title(report), title_justify="left"
    )
    for line, finding in lines:
        table.add_row(
            Text(finding.shot.lead.address.clip), _offset(finding), finding.method,
            f"{finding.confidence:.0%}", _action(line),
        )  # fmt: skip
        for doubt in finding.doubts:
            table.add_row("", Text(f"doubt: {doubt}", "italic"), "", "", "")
    return table


def _caption_table(report: Report, lines: list[tuple[Line, CaptionFinding]]) -> Table:
    """When, the sentence, what carried it, confidence, what was done; a doubt that all share is said once."""
    from rich.table import Table
    from rich.text import Text

    from otio_avassist.timecodes import timecode

    shared = set.intersection(*(set(finding.doubts) for _, finding in lines))
    title = _title(report)
    table = Table("At", "What", "Clip", "By", "Sure", _done(report), title=title, title_justify="left")
    for line, finding in lines:
        table.add_row(
            timecode(finding.start_s, report.rate, report.start_timecode_s), Text(line.outcome.words),
            Text(finding.shot.lead.address.clip), finding.carried_by, f"{finding.confidence:.0%}",
            _action(line),
        )  # fmt: skip
        for doubt in finding.doubts:
            if doubt not in shared:
                table.add_row("", Text(f"doubt: {doubt}", "italic"), "", "", "", "")
    if shared:
        table.caption = Text("; ".join(f"doubt, of all: {doubt}" for doubt in sorted(shared)), "italic")
    return table


def _foley_table(report: Report, lines: list[tuple[Line, FoleyFinding]]) -> Table:
    """When, which sound and what was done with it, for which clip, confidence."""
    from rich.table import Table
    from rich.text import Text

    from otio_avassist.timecodes import timecode

    title = _title(report)
    table = Table("At", "Sound", "Clip", "Sure", _done(report), title=title, title_justify="left")
    for line, finding in lines:
        table.add_row(
            timecode(finding.start_s, report.rate, report.start_timecode_s), Text(line.outcome.words),
            Text(finding.shot.lead.address.clip), f"{finding.confidence:.0%}", _action(line),
        )  # fmt: skip
        for doubt in finding.doubts:
            if doubt not in line.outcome.words:
                table.add_row("", Text(f"doubt: {doubt}", "italic"), "", "", "")
    return table


def _done(report: Report) -> str:
    return "Done" if report.output else "Would be"


def _action(line: Line) -> Text:
    from rich.text import Text

    return Text(line.outcome.action, ACTION_STYLE.get(line.outcome.action, ""))


def _by_reason(skipped: Iterable[Skipped]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for clip in skipped:
        grouped.setdefault(clip.reason, []).append(f"{clip.track}: {clip.clip}")
    return grouped


def _names(clips: list[str], most: int = 4) -> str:
    more = f"\nand {len(clips) - most} more" if len(clips) > most else ""
    return "\n".join(clips[:most]) + more


def _title(report: Report) -> str:
    return f"{report.input} → {report.output}" if report.output else report.input


def _offset(finding: SyncFinding) -> str:
    if finding.audio_early_s is None:
        return "no answer"
    rate = (finding.shot.sound or finding.shot.lead).rate
    drift = f", drift {finding.drift_ppm:+.0f} ppm" if finding.drift_ppm else ""
    return f"{finding.audio_early_s * rate:+.1f} fr, {finding.audio_early_s * 1000:+.0f} ms{drift}"


def summary(report: Report) -> str:
    """One line: how many of what."""
    counts = Counter(line.outcome.action for line in report.findings)
    parts = [f"{number} {action}" for action, number in counts.items()]
    if parts and not report.output:
        parts[0] = f"would be: {parts[0]}"
    if report.skipped:
        parts.append(f"{len(report.skipped)} not looked at")
    device = f" on {report.device}" if report.device else ""
    return f"{', '.join(parts) or _nothing(report)}; {report.seconds:.1f} s{device}"


def _nothing(report: Report) -> str:
    return "nothing to say" if report.looked_at else "no clip in this timeline"


def show_rows(title: str, rows: list[tuple[str, str]]) -> None:
    """A heading and its (name, value) lines."""
    print(title)
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"  {name:{width}}  {value}")
