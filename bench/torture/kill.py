"""kill -9 at random moments: what a run writes is always the old file or the new one, whole.

The next run ends as if nothing had been.

Half of the moments are anywhere in a run, half right after something temporary stands beside what is written.
Every third run is one of all tasks, whose sounds count, too.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bench.torture.material import a_cut, make_media
from bench.torture.outcome import Asked, Outcome
from bench.torture.tasks import SOUND, AllTasks
from bench.torture.timelines import OPTIONS
from bench.torture.watched import Watched
from otio_avassist import files

COUNT = 200
TRIES = 10
"""A moment may come after the end of its run: then there is another."""
WRITING_S = 0.004
"""What writing takes, about."""
LOOK_S = 0.0003
REPORT = "report.json"
CUT = "cut.otio"
SIDECAR = "cut.avassist.json"
SOUNDS = "cut.foley"
NO_CACHE = "--no-cache"
"""Half of the runs work everything out anew: else they would be over soon."""
EVERY = 3
"""One run of so many is of all tasks."""


@dataclass(frozen=True)
class _Command:
    """Words that are run and killed, and what they leave when nobody disturbs them."""

    words: list[str]
    old: dict[str, bytes]
    new: dict[str, bytes]
    took_s: dict[tuple[str, ...], float]
    """By what is said besides."""
    writes: tuple[tuple[str, str], ...]
    """Folders and how names begin of what is temporary in them."""


def run(asked: Asked) -> Outcome:
    """Start runs, kill them, and hold what stands there against what stood there and what should."""
    media = make_media(asked.folder / "media")
    outcome = Outcome("kill", len(asked.cases(COUNT)))
    source = asked.folder / CUT
    files.write(a_cut(media), str(source))
    work = asked.folder / "work"
    out = asked.folder / "out"
    out.mkdir(exist_ok=True)
    work.mkdir(exist_ok=True)
    tasks = AllTasks()
    sync = ["sync", str(source), "-o", str(out / CUT), "--report", str(out / REPORT), *OPTIONS]
    every = tasks.words(source, out / CUT, out / REPORT, "first.mp4")
    with Watched(work, environment=tasks.environment) as command:
        if trouble := tasks.refusal(command, source, out / CUT):
            outcome.failed.append(f"captions without their networks: {trouble}")
        _whole(command, out, sync)  # what comes first takes longer: modules are loaded
        only_sync = _command(command, out, sync, ["--propose"], (("", "."),))
        # Another seed makes another sound, under another name.
        sounds = ((SOUNDS, ".foley_."), (SOUNDS, f".foley_{SOUND}"), ("", "."))
        all_tasks = _command(command, out, every, ["--seed", "1"], sounds)
        for number in asked.in_time(asked.cases(COUNT)):
            rng = random.Random(f"{asked.seed}/kill/{number}")
            asks = only_sync if number % EVERY else all_tasks
            writes = rng.choice(asks.writes) if rng.random() < 0.5 else None
            more, took_s = rng.choice(list(asks.took_s.items()))
            for attempt in range(TRIES):
                if attempt == TRIES // 2:
                    writes = None  # on a busy machine it is over before it is seen
                _put(out, asks.old)
                wait_s = rng.uniform(0, WRITING_S if writes else took_s)
                if killed := _kill(command, out, [*asks.words, *more], writes, wait_s):
                    break
                outcome.count("runs that were over before they were killed")
            if not killed:
                continue
            what = "of all tasks" if asks is all_tasks else "of sync"
            outcome.count(f"{what}, killed while writing" if writes else f"{what}, killed anywhere")
            there = _read(out)
            trouble = _whole_files(there, asks.old, asks.new)
            outcome.count("new file after it" if there.get(CUT) == asks.new[CUT] else "old file after it")
            if not trouble:
                again = _whole(command, out, asks.words)
                trouble = _compare(again, asks.new)
            outcome.judge(f"case {number} ({what})", trouble)
    return outcome


def _command(
    command: Watched, out: Path, words: list[str], more: list[str], writes: tuple[tuple[str, str], ...]
) -> _Command:
    """What two runs leave that nobody disturbs and that differ: the old files and the new ones."""
    _put(out, {})
    anew_s, old = _timed(command, out, [*words, *more, NO_CACHE])
    new = _whole(command, out, words)
    _put(out, old)
    kept_s, _ = _timed(command, out, words)
    took_s: dict[tuple[str, ...], float] = {(): kept_s, (NO_CACHE,): anew_s}
    return _Command(words, old, new, took_s, writes)


def _timed(command: Watched, out: Path, words: list[str]) -> tuple[float, dict[str, bytes]]:
    began = time.monotonic()
    left = _whole(command, out, words)
    return time.monotonic() - began, left


def _whole(command: Watched, out: Path, words: list[str]) -> dict[str, bytes]:
    """All that stands there after a run that nobody disturbs."""
    if trouble := command.run(*words).trouble((0,)):
        raise RuntimeError(f"a run that nobody disturbs goes wrong: {trouble}")
    return _read(out)


def _kill(
    command: Watched, out: Path, words: list[str], writes: tuple[str, str] | None, wait_s: float
) -> bool:
    """Begin a run and kill it; False where it was over by then."""
    command.begin(*words)
    began = time.monotonic()
    while writes and time.monotonic() - began < command.limit_s:
        folder, beginning = writes
        if any(name.startswith(beginning) for name in _names(out / folder)) or command.answered():
            break
        time.sleep(LOOK_S)  # what is watched needs the processor more
    time.sleep(wait_s)
    if command.answered():
        command.end()
        return False
    command.stop()
    return True


def _names(folder: Path) -> list[str]:
    """What is in a folder that may not be there."""
    try:
        return [each.name for each in folder.iterdir()]
    except FileNotFoundError:
        return []


def _read(out: Path) -> dict[str, bytes]:
    """All files, also in folders."""
    return {each.relative_to(out).as_posix(): each.read_bytes() for each in out.rglob("*") if each.is_file()}


def _put(out: Path, what: dict[str, bytes]) -> None:
    shutil.rmtree(out)
    out.mkdir()
    for name, content in what.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_bytes(content)


def _timeless(report: bytes) -> bytes:
    """A report without how long it took."""
    return re.sub(rb'"seconds": [0-9.e-]+', b'"seconds": 0', report)


def _whole_files(there: dict[str, bytes], old: dict[str, bytes], new: dict[str, bytes]) -> str:
    """What is neither the old file nor the new one, or isn't there and is spoken of."""
    for name in there.keys() | {CUT, SIDECAR, REPORT}:
        if any(part.startswith(".") for part in Path(name).parts):
            continue
        content = _timeless(there.get(name, b""))
        if content not in [_timeless(each[name]) for each in (old, new) if name in each]:
            return f"{name} is neither the old file nor the new one ({len(content)} bytes)"
    json.loads(there[REPORT])
    for name in (old.keys() | new.keys()) - there.keys():
        if Path(name).name.encode() in there[CUT]:
            return f"{CUT} refers to {name}, which isn't there"
    return ""


def _compare(again: dict[str, bytes], new: dict[str, bytes]) -> str:
    """What of the next run isn't as if nothing had been."""
    if again.keys() != new.keys():
        return f"the next run leaves {sorted(again)}, wanted {sorted(new)}"
    wrong = [name for name in new if _timeless(again[name]) != _timeless(new[name])]
    return f"the next run wrote other {', '.join(wrong)}" if wrong else ""
