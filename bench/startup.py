"""What it costs that we are installed: `avassist --help`, and a read that asks us nothing.

Commands run in turns with what they are compared with, so that a busy machine slows both; most are timed as
whole processes. The last row has no goal: without plugins OpenTimelineIO also saves its own search for them,
which costs the same when we aren't there.

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
from dataclasses import asdict, dataclass, field
from pathlib import Path

IMPORT = (sys.executable, "-c", "import opentimelineio")
HELP = (str(Path(sys.executable).with_name("avassist")), "--help")
WITHOUT_PLUGINS = {"OTIO_DISABLE_ENTRYPOINTS_PLUGINS": "1"}
READ = """
import sys
from importlib import metadata
find = metadata.entry_points
metadata.entry_points = lambda **which: [each for each in find(**which) if each.name != sys.argv[2]]
import opentimelineio as otio
otio.adapters.read_from_file(sys.argv[1])
"""
"""Reads a timeline as if one of the plugins weren't installed."""
READ_AGAIN = """
import sys, time
import opentimelineio as otio
def read():
    began = time.perf_counter()
    otio.adapters.read_from_file(sys.argv[1])
    return time.perf_counter() - began
read()
print(min(read() for _ in range(20)))
"""
"""Prints what a read takes in a program that has read before."""
CLIPS = 100


@dataclass(frozen=True)
class Comparison:
    """Two commands, run in turns."""

    name: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    goal: float | None
    """How many times as long as `theirs` ours may take."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of theirs."""


@dataclass(frozen=True)
class Result:
    name: str
    ours_best_s: float
    ours_median_s: float
    theirs_best_s: float
    theirs_median_s: float
    ratio_best: float
    ratio_median: float
    goal: float | None

    @property
    def misses(self) -> bool:
        """Both ratios: on a busy machine either of them errs now and then."""
        return self.goal is not None and min(self.ratio_best, self.ratio_median) > self.goal


def comparisons(folder: Path) -> tuple[Comparison, ...]:
    """What is compared; a timeline to read is made in `folder`."""
    timeline = folder / "cut.otio"
    make_timeline(timeline)
    read, without_us = (
        (sys.executable, "-c", READ, str(timeline), hidden) for hidden in ("nobody", "otio_avassist")
    )
    again = (sys.executable, "-c", READ_AGAIN, str(timeline))
    return (
        Comparison("avassist --help / import opentimelineio", HELP, IMPORT, 1.5),
        Comparison("first read / import opentimelineio", read, IMPORT, 1.5),
        Comparison("first read / the same without us", read, without_us, 1.1),
        Comparison("later reads / the same without plugins", again, again, 1.1, WITHOUT_PLUGINS),
        Comparison("first read / the same without plugins", read, read, None, WITHOUT_PLUGINS),
    )


def make_timeline(path: Path) -> None:
    """A cut of a hundred shots, picture and sound."""
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
            seconds(comparison.ours, clean),
            seconds(comparison.theirs, {**clean, **comparison.environment}),
        )
        if number:  # the first of each fills the disk cache
            ours.append(took[0])
            theirs.append(took[1])
    best, median = (min(ours), min(theirs)), (statistics.median(ours), statistics.median(theirs))
    return Result(
        comparison.name, best[0], median[0], best[1], median[1], best[0] / best[1], median[0] / median[1],
        comparison.goal,
    )  # fmt: skip


def seconds(command: tuple[str, ...], environment: Mapping[str, str]) -> float:
    """What a command took, or what it says it took."""
    began = time.perf_counter()
    done = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True, cwd=tempfile.gettempdir()
    )
    took = time.perf_counter() - began
    return float(done.stdout) if READ_AGAIN in command else took


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.startup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=15, help="of each command; default: 15")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = [measure(each, options.runs) for each in comparisons(Path(folder))]
    print(f"{'':40} {'ours':>9} {'theirs':>9} {'best':>6} {'median':>7} {'goal':>5}")
    for each in results:
        goal = f"{each.goal:5.2f}" if each.goal else "    –"
        print(
            f"{each.name:40} {each.ours_best_s:7.4f} s {each.theirs_best_s:7.4f} s"
            f" {each.ratio_best:6.2f} {each.ratio_median:7.2f} {goal}{' missed' if each.misses else ''}"
        )
    if options.json:
        options.json.write_text(
            json.dumps([asdict(each) for each in results], indent=2) + "\n", encoding="utf-8"
        )
    return 1 if any(each.misses for each in results) else 0


if __name__ == "__main__":
    sys.exit(main())
