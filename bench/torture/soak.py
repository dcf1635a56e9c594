"""Hundreds of timelines in one process: at the end its memory and open files are as at the start."""

from __future__ import annotations

from pathlib import Path

from bench.torture.material import a_rich_cut, make_media
from bench.torture.outcome import Asked, Outcome
from bench.torture.timelines import OPTIONS, Spoiler
from bench.torture.watched import Watched
from otio_avassist import files

COUNT = 500
WARM = 40
"""After so many, everything has been loaded that ever is."""
GROWTH_MB = 32.0
"""What memory may differ by: allocators keep some, and more of it the more fragmented they are."""


def run(asked: Asked) -> Outcome:
    """Sound timelines, spoilt ones and such as aren't there, in turns."""
    media = make_media(asked.folder / "media")
    work = asked.folder / "work"
    work.mkdir(exist_ok=True)
    base = asked.folder / "base.otio"
    files.write(a_rich_cut(media), str(base))
    spoil = Spoiler(base, asked.seed)
    count = len(asked.cases(COUNT))
    warm = min(WARM, count // 2)
    outcome = Outcome("soak", count)
    seen = []
    with Watched(work) as command:
        for number in asked.in_time(asked.cases(COUNT)):
            path = _path(number, base, spoil)
            ended = command.run(
                "sync", path, "-o", work / "out.otio", "--report", work / "out.html", *OPTIONS
            )
            outcome.judge(f"case {number} ({path.name})", ended.trouble((0, 1, 3)))
            if ended.how != "ended":
                return outcome
            seen.append(ended)
    after = seen[warm:]
    # The least of some: what a run has just left lying isn't kept.
    few = max(1, len(after) // 8)
    begun, done = after[:few], after[-few:]
    rss = [min(each.rss_mb for each in part) for part in (begun, done)]
    opened = [max(each.files for each in part) for part in (begun, done)]
    threads = [max(each.threads for each in part) for part in (begun, done)]
    outcome.figures |= {
        "memory at the start, MB": round(rss[0], 1),
        "memory half way, MB": round(min(each.rss_mb for each in after[len(after) // 2 :][:few]), 1),
        "memory at the end, MB": round(rss[1], 1),
        "open files at the start": opened[0], "open files at the end": opened[1],
        "threads at the start": threads[0], "threads at the end": threads[1],
    }  # fmt: skip
    for what, (start, end), more in (
        ("memory", rss, GROWTH_MB), ("open files", opened, 0), ("threads", threads, 0)
    ):  # fmt: skip
        if end > start + more:
            outcome.failed.append(f"{what} grew from {start} to {end}")
    return outcome


def _path(number: int, base: Path, spoil: Spoiler) -> Path:
    """Two that are sound, one that is spoilt, and now and then none."""
    if number % 20 == 19:
        return base.with_name("nothing.otio")
    return spoil(number)[0] if number % 3 == 2 else base
