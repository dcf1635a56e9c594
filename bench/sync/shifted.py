"""One film, every shift of the grid, all that is asked of it: the work of one process.

Comes in: where the film lies and what to ask. Comes out: answers for the whole cut, for single windows of it,
by motion energy alone and, where asked for, for every long window.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.sync import cuts, road
from bench.sync.road import Answer, Sample
from otio_avassist.findings import Method

BASELINE: tuple[Method, ...] = ("sound-to-picture",)
"""Plain motion energy against sound energy."""
LONG_S = 8.0
LONG_EVERY_S = 1.0
"""Of a talking face, every window of eight seconds is asked for, one a second."""


@dataclass(frozen=True)
class Job:
    """A stretch of a film to be shifted."""

    name: str
    path: Path
    start_s: float
    end_s: float
    offsets_s: tuple[float, ...]
    early_s: float = 0.0
    length_s: float | None = None
    """Of each cut; None: as long as every shift leaves room for."""
    window_s: float = 5.0
    most_windows: int | None = None
    """Of single windows in each cut; None: as many as cover it."""
    every_long: bool = False
    """Ask for every window of LONG_S, too."""
    rungs: tuple[Method, ...] = road.RUNGS
    bundle: Path | None = None


@dataclass(frozen=True)
class Shifted:
    """What is said of one film's shifts."""

    name: str
    length_s: float
    whole: list[Answer] = field(default_factory=list)
    single: list[Answer] = field(default_factory=list)
    baseline: list[Answer] = field(default_factory=list)
    long: list[Answer] = field(default_factory=list)


def measure(job: Job) -> Shifted:
    """Cut a film at every shift and ask the plugin about each; nothing of it is kept on disk.

    Raises:
        MediaError: the film is too short for its shifts, or can't be read.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        master = cuts.master(job.path, job.start_s, job.end_s, folder, early_s=job.early_s)
        length_s = min(master.room_s(job.offsets_s), job.length_s or float("inf"))
        samples = []
        for number, offset_s in enumerate(job.offsets_s):
            path = folder / f"{number:02}.mov"
            samples.append(Sample(path, cuts.cut(master, offset_s, length_s, path)))
        single = list(starts(length_s, job.window_s, job.most_windows))
        window_s = min(job.window_s, length_s)
        return Shifted(
            job.name,
            length_s,
            whole=road.ask(samples, job.rungs, bundle=job.bundle),
            single=_windows(samples, single, window_s, job),
            baseline=road.ask(samples, BASELINE, bundle=job.bundle),
            long=_windows(samples, every(length_s, LONG_S, LONG_EVERY_S), LONG_S, job)
            if job.every_long
            else [],
        )


def _windows(samples: list[Sample], starts_s: Iterable[float], window_s: float, job: Job) -> list[Answer]:
    return [
        answer
        for start_s in starts_s
        for answer in road.ask(
            [Sample(each.path, each.early_s, (start_s, window_s)) for each in samples],
            job.rungs,
            bundle=job.bundle,
        )
    ]


def starts(length_s: float, window_s: float, most: int | None) -> Iterator[float]:
    """Where single windows start: as few as cover the whole length, evenly spread; at most `most`."""
    room_s = max(0.0, length_s - window_s)
    count = 1 + math.ceil(room_s / window_s)
    count = min(count, most or count)
    if count == 1:
        yield room_s / 2
    else:
        yield from (room_s * number / (count - 1) for number in range(count))


def every(length_s: float, window_s: float, hop_s: float) -> Iterator[float]:
    """Where all windows of a length start, one each `hop_s`, and one that ends with the whole."""
    room_s = length_s - window_s
    if room_s < 0:
        return
    number = 0
    while number * hop_s < room_s:
        yield number * hop_s
        number += 1
    yield room_s


def in_parallel(work: Callable[[Any], Any], jobs: Iterable[Any], processes: int) -> Iterator[tuple[Any, Any]]:
    """(job, result) as they come, from processes of their own; what one raises is raised here."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(1, usable // processes))
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_threads, initargs=(threads,)) as pool:
        started = {pool.submit(work, job): job for job in jobs}
        for done in as_completed(started):
            yield started[done], done.result()


def _threads(count: str) -> None:
    os.environ["OMP_NUM_THREADS"] = count
