"""A whole film: a page with pictures and sentences on the time line, the speed of the road and its memory.

The command runs as a person would run it, in a process of its own; starting it and drawing the page are in
the time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from otio_avassist import windows

GOAL_TIMES = 4.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("film")
    group.add_argument("--film", type=Path, metavar="FILE", help="Big Buck Bunny, for instance")
    group.add_argument("--page", type=Path, metavar="FILE", help="where the page goes (FILM.captions.html)")


def lacking(asked: argparse.Namespace) -> str:
    if asked.film is None:
        return "name a film: --film FILE"
    return "" if asked.film.is_file() else f"{asked.film}: no such file"


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether the road is fast enough)."""
    page = asked.page or asked.film.with_suffix(".captions.html")
    film_s = windows.probe(asked.film).duration_s or 0.0
    with tempfile.TemporaryDirectory() as folder:
        out, report = Path(folder, "out.otio"), Path(folder, "report.json")
        bundle = ["--bundle", str(asked.bundle)] if asked.bundle else []
        command = [
            sys.executable,
            "-m",
            "otio_avassist",
            "captions",
            str(asked.film),
            "-o",
            str(out),
            *bundle,
        ]
        seconds, peak_mb, code = _run([*command, "--report", str(report), "--report", str(page)])
        if code not in (0, 3):
            raise SystemExit(f"avassist captions ended with {code}")
        told = json.loads(report.read_text("utf-8"))
    figures = {
        "film_s": round(film_s, 1),
        "seconds": round(seconds, 1),
        "times real time": round(film_s / seconds, 2),
        "peak_mb": round(peak_mb),
        "cores": os.cpu_count(),
        "markers": len(told["findings"]),
        "sentences": [[each["start_s"], each["end_s"], each.get("text", "")] for each in told["findings"]],
    }
    for start_s, end_s, text in figures["sentences"]:
        print(f"  {start_s:7.1f} - {end_s:7.1f} s  {text}")
    print(
        f"{film_s:.0f} s in {seconds:.0f} s: {film_s / seconds:.1f} times real time,"
        f" {os.cpu_count()} cores, {peak_mb:.0f} MB at most; {len(told['findings'])} markers; {page}"
    )
    return figures, film_s / seconds >= GOAL_TIMES


def _run(command: list[str]) -> tuple[float, float, int]:
    """(seconds, most megabytes, exit code) of a process."""
    began = time.perf_counter()
    child = os.spawnv(os.P_NOWAIT, command[0], command)
    _, status, usage = os.wait4(child, 0)
    return time.perf_counter() - began, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)
