"""The review window, measured without a display: thousands of findings, and media that was seen before.

    python -m bench.panel [--findings N] [--clips N] [--media FILE] [--json FILE]

Opening is compared with an empty window in the same run. Sorting, filtering and each step of scrolling are
timed until all is drawn. Media is decoded once and then opened again from the cache, in a cache of its own.
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
from pathlib import Path
from typing import Any

OPEN_S, SORT_MS, STALL_MS, TIMES = 2.0, 100.0, 50.0, 10.0
"""Goals: more than an empty window; at most; at most; at least."""
FPS = 25
Rows = dict[str, dict[str, Any]]


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
        figures["window"] = window(asked.findings, asked.clips, Path(folder))
        if asked.media is not None:
            figures["media"] = media(asked.media)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if all(each["reached"] for part in figures.values() for each in part.values()) else 1


def say(
    rows: dict[str, dict[str, Any]], name: str, value: float, unit: str, goal: float, *, least: bool = False
) -> None:
    """A row of the table."""
    reached = value >= goal if least else value <= goal
    rows[name] = {"value": round(value, 4), "unit": unit, "goal": goal, "reached": reached}
    bound = "at least" if least else "at most"
    print(f"{name:44} {value:9.3g} {unit:5} {bound} {goal:g}: {'yes' if reached else 'NO'}", flush=True)


def window(findings: int, clips: int, folder: Path) -> Rows:
    """Opening, sorting, filtering, scrolling."""
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QApplication

    from otio_avassist import pipeline
    from otio_avassist.panel.findings_model import COLUMNS
    from otio_avassist.panel.session import Session
    from otio_avassist.panel.window import Window

    app = QApplication.instance() or QApplication([])
    path = timeline(folder, clips)
    settings = pipeline.Settings(tasks=("sync", "captions"), base_dir=folder)
    lines = made_up(Session(str(path), settings), findings)

    def opened(number: int | None) -> float:
        """None: without a timeline."""
        began = time.perf_counter()
        shown = Window(settings)
        shown.resize(1280, 860)
        shown.show()
        if number is not None:
            session = Session(str(path), settings)
            for line in lines[:number]:
                session.add(line)
            shown.open(session, look=False)
        drawn(shown)
        took = time.perf_counter() - began
        shown.session = None
        shown.close()
        return took

    def drawn(shown: Window) -> None:
        app.processEvents()
        shown.grab()
        app.processEvents()

    rows: Rows = {}
    opened(1)  # what is imported and compiled once
    empty_s = statistics.median(opened(None) for _ in range(3))
    full_s = statistics.median(opened(findings) for _ in range(3))
    print(f"an empty window: {empty_s:.2f} s; {clips} clips and {findings} findings: {full_s:.2f} s")
    say(rows, "opening them, more than an empty window", full_s - empty_s, "s", OPEN_S)
    session = Session(str(path), settings)
    for line in lines:
        session.add(line)
    shown = Window(settings)
    shown.resize(1280, 860)
    shown.show()
    shown.open(session, look=False)
    drawn(shown)

    def timed(do: Callable[[], Any]) -> float:
        began = time.perf_counter()
        do()
        app.processEvents()
        shown.list.table.viewport().grab()
        return 1000 * (time.perf_counter() - began)

    orders = [(column, order) for column in range(len(COLUMNS)) for order in Qt.SortOrder]
    sorts = [timed(lambda c=column, o=order: shown.list.table.sortByColumn(c, o)) for column, order in orders]
    say(rows, "sorting, the slowest of all columns", max(sorts), "ms", SORT_MS)
    filters = [
        timed(lambda text=text: shown.list.search.setText(text)) for text in ("d", "do", "dog", "dogx", "")
    ]
    filters += [timed(lambda k=k: shown.list.states.setCurrentIndex(k)) for k in (1, 2, 3, 0)]
    say(rows, "filtering, the slowest", max(filters), "ms", SORT_MS)
    bar = shown.list.table.verticalScrollBar()
    steps = [
        timed(lambda at=at: bar.setValue(at)) for at in range(0, bar.maximum(), max(1, bar.maximum() // 200))
    ]
    say(rows, "scrolling the list, the slowest of 200 steps", max(steps), "ms", STALL_MS)
    strip = shown.strip

    def scrolled(at: int) -> float:
        began = time.perf_counter()
        strip.horizontalScrollBar().setValue(at)
        strip.viewport().grab()
        return 1000 * (time.perf_counter() - began)

    whole = [scrolled(0) for _ in range(10)]
    strip.zoom(20)
    far = strip.horizontalScrollBar().maximum()
    moved = [scrolled(round(far * k / 100)) for k in range(100)]
    say(rows, "drawing the strip, the slowest of 110", max(whole + moved), "ms", STALL_MS)
    keys = [timed(lambda: shown.list.step(1)) for _ in range(100)]
    say(rows, "going to the next finding, the slowest of 100", max(keys), "ms", STALL_MS)
    shown.session = None
    shown.close()
    return rows


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
