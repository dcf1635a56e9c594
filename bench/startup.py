"""What it costs that we are installed: `avassist --help`, and a read that asks us nothing.

Each figure is a whole process, run in turns with what it is compared with, so that a busy machine slows both.
A read under OTIO_DISABLE_ENTRYPOINTS_PLUGINS also saves OpenTimelineIO's own search for plugins, and all the
others; our share is the read with us against the same read, with the same search and the others, without us.

    python -m bench.startup [--runs 15] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

IMPORT = (sys.executable, "-c", "import opentimelineio")
HELP = (str(Path(sys.executable).with_name("avassist")), "--help")
READ = """
import sys
from importlib import metadata
find = metadata.entry_points
metadata.entry_points = lambda **which: [each for each in find(**which) if each.name != sys.argv[2]]
import opentimelineio as otio
otio.adapters.read_from_file(sys.argv[1])
"""
"""Reads a timeline as if one of the plugins weren't installed."""
CLIPS = 100


@dataclass(frozen=True)
class Comparison:
    """Two commands, run in turns."""

    name: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    target: float
    """How many times as long as `theirs` ours may take."""
    theirs_environment: Mapping[str, str]


@dataclass(frozen=True)
class Result:
    name: str
    ours_best_s: float
    ours_median_s: float
    theirs_best_s: float
    theirs_median_s: float
    ratio_best: float
    ratio_median: float
    target: float


def comparisons(folder: Path) -> tuple[Comparison, ...]:
    """What is compared; a timeline to read is made in `folder`."""
    timeline = folder / "cut.otio"
    make_timeline(timeline)
    read = (sys.executable, "-c", READ, str(timeline), "nobody")
    without_us = (sys.executable, "-c", READ, str(timeline), "otio_avassist")
    alone = {"OTIO_DISABLE_ENTRYPOINTS_PLUGINS": "1"}
    return (
        Comparison("avassist --help / import opentimelineio", HELP, IMPORT, 1.5, {}),
        Comparison("read, all plugins / import opentimelineio", read, IMPORT, 1.5, {}),
        Comparison("read, all plugins / all without us", read, without_us, 1.1, {}),
        Comparison("read, all plugins / none, and no search", read, read, 1.1, alone),
    )


def make_timeline(path: Path) -> None:
    """A cut of a hundred shots, as editors write them."""
    import opentimelineio as otio

    second = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(25, 25))
    timeline = otio.schema.Timeline("cut")
    for kind in ("Video", "Audio"):
        clips = [
            otio.schema.Clip(f"shot {number}", otio.schema.ExternalReference(f"{number}.mov", second), second)
            for number in range(CLIPS)
        ]
        timeline.tracks.append(otio.schema.Track(kind, clips, kind=kind))
    timeline.to_json_file(str(path))


def measure(comparison: Comparison, runs: int) -> Result:
    """Seconds of the best and the median run of both commands."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AVASSIST_", "OTIO_"))}
    ours, theirs = [], []
    for number in range(runs + 1):
        took = (
            seconds(comparison.theirs, {**clean, **comparison.theirs_environment}),
            seconds(comparison.ours, clean),
        )
        if number:  # the first of each fills the disk cache
            theirs.append(took[0])
            ours.append(took[1])
    best, median = (min(ours), min(theirs)), (statistics.median(ours), statistics.median(theirs))
    return Result(
        comparison.name, best[0], median[0], best[1], median[1], best[0] / best[1], median[0] / median[1],
        comparison.target,
    )  # fmt: skip


def seconds(command: tuple[str, ...], environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir())
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = [measure(each, options.runs) for each in comparisons(Path(folder))]
    print(f"{'':42} {'ours':>8} {'theirs':>8} {'ratio':>7} {'median':>7} {'target':>7}")
    for each in results:
        print(
            f"{each.name:42} {each.ours_best_s:6.3f} s {each.theirs_best_s:6.3f} s"
            f" {each.ratio_best:7.2f} {each.ratio_median:7.2f} {each.target:7.2f}"
        )
    if options.json:
        options.json.write_text(
            json.dumps([asdict(each) for each in results], indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
