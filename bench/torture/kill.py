"""kill -9 at random moments: what a run writes is always the old file or the new one, whole.

The next run ends as if nothing had been.

Half of the moments are anywhere in a run, half right after something temporary stands beside it.
"""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path

from bench.torture.material import a_cut, make_media
from bench.torture.outcome import Asked, Outcome
from bench.torture.timelines import OPTIONS
from bench.torture.watched import Watched
from otio_avassist import files

COUNT = 200
TRIES = 20
"""A moment may come after the end of its run: then there is another."""
WRITING_S = 0.004
"""What writing takes, about."""
REPORT = "report.json"
CUT = "cut.otio"
SIDECAR = "cut.avassist.json"


def run(asked: Asked) -> Outcome:
    """Start runs, kill them, and hold what stands there against what stood there and what should."""
    media = make_media(asked.folder / "media")
    outcome = Outcome("kill", len(asked.cases(COUNT)))
    source = asked.folder / CUT
    files.write(a_cut(media), str(source))
    # Two sound runs that differ: the old files and the new ones.
    work = asked.folder / "work"
    out = asked.folder / "out"
    out.mkdir(exist_ok=True)
    work.mkdir(exist_ok=True)
    with Watched(work) as command:
        old, new = (_whole(command, source, out, more) for more in (["--propose"], []))
        took_s = _took_s(command, source, out)
        for number in asked.in_time(asked.cases(COUNT)):
            rng = random.Random(f"{asked.seed}/kill/{number}")
            at_write = rng.random() < 0.5
            for _ in range(TRIES):
                _put(out, old)
                wait_s = rng.uniform(0, WRITING_S) if at_write else rng.uniform(0, took_s)
                if killed := _kill(command, source, out, at_write=at_write, wait_s=wait_s):
                    break
                outcome.count("runs that were over before they were killed")
            if not killed:
                continue
            outcome.count("killed while writing" if at_write else "killed anywhere")
            there = _read(out)
            trouble = _whole_files(there, old, new)
            outcome.count("new file after it" if there.get(CUT) == new[CUT] else "old file after it")
            if not trouble:
                again = _whole(command, source, out, [])
                trouble = _compare(again, new)
            outcome.judge(f"case {number}", trouble)
    return outcome


def _words(source: Path, out: Path) -> list[str]:
    return ["sync", str(source), "-o", str(out / CUT), "--report", str(out / REPORT), *OPTIONS]


def _whole(command: Watched, source: Path, out: Path, more: list[str]) -> dict[str, bytes]:
    """All that stands there after a run that nobody disturbs."""
    ended = command.run(*_words(source, out), *more)
    if trouble := ended.trouble((0,)):
        raise RuntimeError(f"a run that nobody disturbs goes wrong: {trouble}")
    return _read(out)


def _took_s(command: Watched, source: Path, out: Path) -> float:
    began = time.monotonic()
    command.run(*_words(source, out))
    return time.monotonic() - began


def _kill(command: Watched, source: Path, out: Path, *, at_write: bool, wait_s: float) -> bool:
    """Begin a run and kill it; False where it was over by then."""
    command.begin(*_words(source, out))
    began = time.monotonic()
    while at_write and time.monotonic() - began < command.limit_s:
        if any(each.name.startswith(".") for each in out.iterdir()) or command.answered():
            break
    time.sleep(wait_s)
    over = command.answered()
    command.stop()
    return not over


def _read(out: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in out.iterdir()}


def _put(out: Path, what: dict[str, bytes]) -> None:
    for each in out.iterdir():
        each.unlink()
    for name, content in what.items():
        (out / name).write_bytes(content)


def _timeless(report: bytes) -> bytes:
    """A report without how long it took."""
    return re.sub(rb'"seconds": [0-9.e-]+', b'"seconds": 0', report)


def _whole_files(there: dict[str, bytes], old: dict[str, bytes], new: dict[str, bytes]) -> str:
    """What is neither the old file nor the new one."""
    for name in (CUT, SIDECAR, REPORT):
        content = _timeless(there.get(name, b""))
        if content not in (_timeless(old[name]), _timeless(new[name])):
            return f"{name} is neither the old file nor the new one ({len(content)} bytes)"
    json.loads(there[REPORT])
    return ""


def _compare(again: dict[str, bytes], new: dict[str, bytes]) -> str:
    """What of the next run isn't as if nothing had been."""
    if again.keys() != new.keys():
        return f"the next run leaves {sorted(again)}, wanted {sorted(new)}"
    wrong = [name for name in new if _timeless(again[name]) != _timeless(new[name])]
    return f"the next run wrote other {', '.join(wrong)}" if wrong else ""
