"""The review window, measured without a display: thousands of findings, and media that was seen before.

    python -m bench.panel [--findings N] [--clips N] [--media FILE] [--json FILE]

Opening is compared with an empty window in the same run. Sorting, filtering and each step of scrolling are
timed until all is drawn, in the list alone and in the whole window. Media is decoded once and then opened
again from the cache, in a cache of its own.

What is judged is what a person waits. Where other work runs on the machine that is longer than the window
itself takes; so the processor's time of the window's thread stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

OPEN_S, SORT_MS, STALL_MS, TIMES = 2.0, 100.0, 50.0, 10.0
"""Goals: more than an empty window; at most; at most; at least."""
FPS = 25
Rows = dict[str, dict[str, Any]]
Took = tuple[float, float]
"""Seconds: of the clock, and of the processor in this thread."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.panel",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--findings", type=int, default=10_000)
    parser.add_argument("--clips", type=int, default=2_000)
    parser.add_argument("--media", type=Path, metavar="FILE", help="a film of ten minutes or so")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    asked = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AVASSIST_CACHE"] = str(Path(folder, "cache"))
        print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        figures["list"], figures["window"] = window(asked.findings, asked.clips, Path(folder))
        if asked.media is not None:
            figures["media"] = media(asked.media)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if all(each["reached"] for part in figures.values() for each in part.values()) else 1


def say(
    rows: Rows,
    name: str,
    value: float,
    unit: str,
    goal: float,
    *,
    own: float | None = None,
    least: bool = False,
) -> None:
    """A row of the table; `own` is the processor's time."""
    reached = value >= goal if least else value <= goal
    rows[name] = {"value": round(value, 4), "unit": unit, "goal": goal, "reached": reached}
    bound, beside = "at least" if least else "at most", ""
    if own is not None:
        rows[name]["processor"] = round(own, 4)
        beside = f"  (processor: {own:.3g} {unit})"
    print(
        f"{name:44} {value:9.3g} {unit:5} {bound} {goal:g}: {'yes' if reached else 'NO'}{beside}", flush=True
    )


def slowest(rows: Rows, name: str, took: list[Took], goal_ms: float) -> None:
    """A row for the slowest of these."""
    clock_s, processor_s = (max(each) for each in zip(*took, strict=True))
    say(rows, name, 1000 * clock_s, "ms", goal_ms, own=1000 * processor_s)


def timed(do: Callable[[], Any]) -> Took:
    clock_s, processor_s = time.perf_counter(), time.thread_time()
    do()
    return time.perf_counter() - clock_s, time.thread_time() - processor_s


def window(findings: int, clips: int, folder: Path) -> tuple[Rows, Rows]:
    """Opening, sorting, filtering, scrolling: (the list alone, the whole window)."""
    from PySide6.QtCore import Qt, qInstallMessageHandler
    from PySide6.QtWidgets import QApplication

    from otio_avassist import pipeline
    from otio_avassist.panel.findings_model import COLUMNS, FindingsModel
    from otio_avassist.panel.findings_view import FindingsView
    from otio_avassist.panel.session import Session
    from otio_avassist.panel.window import Window

    qInstallMessageHandler(lambda *_: None)  # a display that isn't there has much to say
    app = QApplication.instance() or QApplication([])
    path = timeline(folder, clips)
    settings = pipeline.Settings(tasks=("sync", "captions"), base_dir=folder)
    lines = made_up(Session(str(path), settings), findings)

    def drawn(shown: Any) -> None:
        app.processEvents()
        shown.grab()
        app.processEvents()

    def session_of(number: int) -> Session:
        session = Session(str(path), settings)
        for line in lines[:number]:
            session.add(line)
        return session

    def opened(number: int | None) -> Window:
        """None: without a timeline."""
        shown = Window(settings)
        shown.resize(1280, 860)
        shown.show()
        if number is not None:
            shown.open(session_of(number), look=False)
        drawn(shown)
        return shown

    def closed(shown: Window) -> None:
        shown.session = None
        shown.close()

    def opening(number: int | None) -> Took:
        """The median of three."""
        windows: list[Window] = []
        took = [timed(lambda: windows.append(opened(number))) for _ in range(3)]
        for each in windows:
            closed(each)
        clock_s, processor_s = (statistics.median(each) for each in zip(*took, strict=True))
        return clock_s, processor_s

    def of_list(shown: FindingsView) -> Rows:
        rows: Rows = {}

        def until_drawn(do: Callable[..., Any], *args: Any) -> Took:
            def all_of_it() -> None:
                do(*args)
                app.processEvents()
                shown.table.viewport().grab()

            return timed(all_of_it)

        orders = [(column, order) for column in range(len(COLUMNS)) for order in Qt.SortOrder]
        sorts = [until_drawn(shown.table.sortByColumn, *each) for each in orders]
        slowest(rows, "sorting, the slowest of all columns", sorts, SORT_MS)
        texts = ("d", "do", "dog", "dogx", "")
        filters = [until_drawn(shown.search.setText, each) for each in texts]
        filters += [until_drawn(shown.states.setCurrentIndex, each) for each in (1, 2, 3, 0)]
        filters += [until_drawn(shown.least.setValue, each) for each in (50, 99, 0)]
        slowest(rows, "filtering, the slowest", filters, SORT_MS)
        bar = shown.table.verticalScrollBar()
        stops = range(0, bar.maximum(), max(1, bar.maximum() // 200))
        steps = [until_drawn(bar.setValue, each) for each in stops]
        slowest(rows, "scrolling, the slowest of 200 steps", steps, STALL_MS)
        keys = [until_drawn(shown.step, 1) for _ in range(100)]
        slowest(rows, "going to the next finding, the slowest of 100", keys, STALL_MS)
        return rows

    print("the list alone")
    alone = FindingsView(FindingsModel())
    alone.resize(700, 600)
    alone.show()
    alone.model.set_entries(session_of(findings).entries.values())
    drawn(alone)
    list_rows = of_list(alone)
    alone.close()

    print("the whole window")
    closed(opened(1))  # what is imported and compiled once
    empty, full = opening(None), opening(findings)
    print(f"an empty window: {empty[0]:.2f} s; {clips} clips and {findings} findings: {full[0]:.2f} s")
    rows: Rows = {}
    say(rows, "opening, more than an empty window", full[0] - empty[0], "s", OPEN_S, own=full[1] - empty[1])
    shown = opened(findings)
    rows |= of_list(shown.list)
    strip = shown.strip

    def scroll(at: int) -> None:
        strip.horizontalScrollBar().setValue(at)
        strip.viewport().grab()

    whole = [timed(lambda: scroll(0)) for _ in range(10)]
    strip.zoom(20)
    far = strip.horizontalScrollBar().maximum()
    moved = [timed(partial(scroll, round(far * k / 100))) for k in range(100)]
    slowest(rows, "drawing the strip, the slowest of 110", whole + moved, STALL_MS)
    closed(shown)
    return list_rows, rows


def timeline(folder: Path, clips: int) -> Path:
    """A cut of so many pictures, each with a sound under it; their media isn't there."""
    import opentimelineio as otio

    def frames(start: int, count: int) -> otio.opentime.TimeRange:
        return otio.opentime.TimeRange(
            otio.opentime.RationalTime(start, FPS), otio.opentime.RationalTime(count, FPS)
        )

    root = otio.schema.Timeline("many", global_start_time=otio.opentime.RationalTime(90_000, FPS))
    for kind in ("Video", "Audio"):
        track = otio.schema.Track(kind, kind=kind)
        for number in range(clips // 2):
            media_ = otio.schema.ExternalReference(f"clip{number}.mov", frames(0, 500))
            track.append(otio.schema.Clip(f"clip {number}", media_, frames(20, 50 + number % 60)))
        root.tracks.append(track)
    path = folder / "many.otio"
    root.to_json_file(str(path))
    return path


def made_up(session: Any, count: int) -> list[Any]:
    """Findings of sync and captions, spread over all clips."""
    from otio_avassist import edits, findings, pipeline, places, review, spans

    rng = random.Random(1)
    pictures = [each for each in places.walk(session.root) if each.place.kind == "picture"]
    sounds = [each for each in places.walk(session.root) if each.place.kind == "sound"]

    def span(seen: places.Seen, kind: Any) -> spans.MediaSpan:
        file = Path(f"/media/{seen.clip.name}.mov")
        return spans.MediaSpan(
            seen.address, kind, file.name, file, 0.8, seen.duration_s or 1.0, seen.place.at_s, float(FPS)
        )

    lines = []
    for number in range(count):
        at = number % len(pictures)
        shot = spans.Shot(span(pictures[at], "picture"), span(sounds[at], "sound"), "link group")
        lead, sure = shot.lead, rng.random()
        found: Any
        if number < len(pictures):
            found = findings.SyncFinding(shot, rng.uniform(-1, 1), sure, "network")
        else:
            start_s = 0.1 * (number // len(pictures))
            what = rng.choice(("A dog barks.", "A door slams.", "Someone speaks.", "Music plays."))
            found = findings.CaptionFinding(
                shot, lead.record_start_s + start_s, lead.record_start_s + start_s + 0.5,
                lead.start_s + start_s, what, what, "event", "heard", sure,
            )  # fmt: skip
        bare = pipeline.Line(found, edits.Outcome("abstained", (), ""), review.PROPOSED)
        lines.append(bare)
    return lines


def media(path: Path) -> Rows:
    """Waveform and stills of a film: decoded, and from the cache."""
    from otio_avassist.panel import preview

    rows: Rows = {}
    began = time.perf_counter()
    first = preview.overview(path)
    first_s = time.perf_counter() - began
    again_s = []
    for _ in range(5):
        began = time.perf_counter()
        second = preview.overview(path)
        again_s.append(time.perf_counter() - began)
    assert first is not None
    assert second is not None
    print(f"{path.name}: {first.duration_s:.0f} s, {len(first.stills)} stills; {first_s:.2f} s, then "
          f"{1000 * max(again_s):.1f} ms")  # fmt: skip
    say(rows, "second opening of a film, times faster", first_s / max(again_s), "", TIMES, least=True)
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
