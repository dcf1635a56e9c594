"""The command on a whole film, its start and all decoding included: as it comes, and looking at all of it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from otio_avassist import windows

GOALS = {"as it comes": 20.0, "--thorough": 8.0}
"""Times real time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The common ones."""


def lacking(asked: argparse.Namespace) -> str:
    if asked.film is None:
        return "name a film: --film FILE"
    return "" if asked.film.is_file() else f"{asked.film}: no such file"


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether it is fast enough)."""
    film_s = windows.probe(asked.film).duration_s or 0.0
    figures: dict[str, Any] = {"film_s": round(film_s, 1), "cores": os.cpu_count()}
    reached = True
    for name, goal in GOALS.items():
        with tempfile.TemporaryDirectory() as place:
            command = [
                sys.executable,
                "-m",
                "otio_avassist",
                "sync",
                asked.film,
                "-o",
                Path(place, "out.otio"),
                "-q",
                "--no-cache",
            ]
            command += ["--bundle", asked.bundle] if asked.bundle else []
            command += [name] if name.startswith("--") else []
            seconds, peak_mb = _run(list(map(str, command)))
        figures[name] = {
            "seconds": round(seconds, 1),
            "times real time": round(film_s / seconds, 1),
            "peak_mb": round(peak_mb),
        }
        reached &= film_s / seconds >= goal
        print(
            f"{name:12} {film_s:.0f} s in {seconds:.1f} s: {film_s / seconds:.1f} times real time"
            f" (goal {goal:g}), {os.cpu_count()} cores, {peak_mb:.0f} MB at most",
            flush=True,
        )
    return figures, reached


def _run(command: list[str]) -> tuple[float, float]:
    """(seconds, most megabytes) of a process."""
    began = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(command)}: ended with {child.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024
