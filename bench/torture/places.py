"""Where things stand goes wrong: a full disk, folders that are closed, files that vanish while they are read,
names of 300 characters, two processes that write one output.

What can't be written is refused by name and leaves the old file as it was; what can be is whole.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.torture.material import HEALTHY, a_cut, findings, make_media
from bench.torture.outcome import Asked, Outcome
from bench.torture.timelines import OPTIONS
from bench.torture.watched import CHECKOUT, Ended, Watched
from otio_avassist import files

COUNT = 20
"""Of what goes by chance: files that vanish, two processes on one output."""
PLAIN = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Runs a command of the superuser for whom closed folders are closed, too."""
FULL = """
import sys, subprocess
folder, size, command = sys.argv[1], sys.argv[2], sys.argv[3:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", folder], check=True)
sys.exit(subprocess.run(command).returncode)
"""
"""Runs a command that sees a small disk at a folder; in a namespace of its own."""
LONG = (
    "x" * 240,
    "é" * 120,
    "字" * 80,
    "🎬" * 60,
    "a b'c\"d$(e)`f`&;|*?",
    "-o",
    "%d%s",
    "\u202etxt",
    "e\u0301",
    "x" * 300,
)
"""Stems of names; 255 bytes are the most that a folder takes, so the last can't be."""


def run(asked: Asked) -> Outcome:
    """All of these, one after the other."""
    media = make_media(asked.folder / "media")
    cut = asked.folder / "cut.otio"
    files.write(a_cut(media), str(cut))
    kinds = (_names, _full, _closed, _vanishing, _together)
    outcome = Outcome("places", 0)
    (home := asked.folder / "home").mkdir()
    with Watched(home) as command:
        for kind in asked.in_time(kinds):
            work = asked.folder / kind.__name__.strip("_")
            work.mkdir()
            kind(asked, work, cut, outcome, command)
    outcome.wanted = outcome.tried
    return outcome


def _words(cut: Path, out: Path) -> tuple[str, ...]:
    return ("sync", str(cut), "-o", str(out), "--report", str(out.with_suffix(".json")), *OPTIONS)


def _names(asked: Asked, work: Path, cut: Path, outcome: Outcome, command: Watched) -> None:
    """Timelines, media and outputs by all kinds of names; those that no folder takes are refused by name."""
    for number, stem in enumerate((LONG[-1], *LONG[:-1])[: asked.count and asked.count + 1]):
        folder = work / f"names{number}"
        folder.mkdir()
        out = folder / f"{stem}.otio"
        fits = len(os.fsencode(f"{stem}.avassist.json")) <= 255
        source, media = cut, folder / f"{stem}.mp4"
        if fits:
            shutil.copyfile(cut.parent / "media" / "first.mp4", media)
            shutil.copyfile(cut.parent / "media" / "first.wav", media.with_suffix(".wav"))
            source = folder / f"{stem}.in.otio"
            files.write(a_cut(folder, (stem,)), str(source))
        ended = command.run(*_words(source, out))
        trouble = ended.trouble((0,) if fits else (1,), "" if fits else stem[:20])
        if not trouble and fits and not findings(out.with_suffix(".json")):
            trouble = "its media wasn't looked at"
        outcome.judge(f"a name that begins with {stem[:4]!r}, {len(os.fsencode(stem))} bytes", trouble)


def _full(asked: Asked, work: Path, cut: Path, outcome: Outcome, _: Watched) -> None:
    """A disk on which there is room for none of what is written, or for some of it."""
    disk = work / "disk"
    disk.mkdir()
    for size in ("4k", "8k", "12k", "16k", "24k")[: asked.count]:
        words = _words(cut, disk / "out.otio")
        done = subprocess.run(
            ["unshare", "-rm", sys.executable, "-c", FULL, str(disk), size,
             sys.executable, "-m", "otio_avassist", *words],
            capture_output=True, text=True, check=False, cwd=CHECKOUT, timeout=600,
            env={**os.environ, "OTIO_AVASSIST_CACHE": str(disk / "cache"), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        if "unshare:" in done.stderr or "mount" in done.stderr:
            outcome.count("full disks that this machine doesn't let us make")
            return
        ended = Ended("ended", done.returncode, done.stderr)
        named = str(disk) if done.returncode else ""
        outcome.judge(f"a disk of {size}", ended.trouble((0, 1), named))
    ended = Ended("ended", *_said(cut, "-o", "-", stdout=Path("/dev/full")))
    outcome.judge("standard output on a full disk", ended.trouble((1,)))


def _said(cut: Path, *words: str, stdout: Path) -> tuple[int, str]:
    with stdout.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-m", "otio_avassist", "sync", str(cut), *words, *OPTIONS],
            stdout=file, stderr=subprocess.PIPE, text=True, check=False, cwd=CHECKOUT, timeout=600,
        )  # fmt: skip
    return done.returncode, done.stderr


def _closed(asked: Asked, work: Path, cut: Path, outcome: Outcome, _: Watched) -> None:
    """Folders and files that may not be read, or not be written."""
    (closed := work / "closed").mkdir()
    (inner := work / "inner").mkdir()
    shutil.copyfile(cut, closed / "out.otio")
    shutil.copyfile(cut, work / "secret.otio")
    shutil.copytree(cut.parent / "media", inner / "media")
    files.write(a_cut(inner / "media"), str(inner / "cut.otio"))
    (open_ := work / "open").mkdir()
    (work / "secret.otio").chmod(0)
    (inner / "media" / "victim.wav").chmod(0)
    closed.chmod(0o555)
    prefix = PLAIN if os.geteuid() == 0 else ()
    before = (closed / "out.otio").read_bytes()
    with Watched(work, prefix=prefix) as command:
        ended = command.run(*_words(cut, closed / "out.otio"))
        trouble = ended.trouble((1,), str(closed))
        if not trouble and (closed / "out.otio").read_bytes() != before:
            trouble = "the old file is another now"
        outcome.judge("a folder that is closed", trouble)
        ended = command.run(*_words(work / "secret.otio", open_ / "out.otio"))
        outcome.judge("a timeline that may not be read", ended.trouble((1,), "secret.otio"))
        ended = command.run(*_words(inner / "cut.otio", open_ / "out.otio"))
        trouble = ended.trouble((0,)) or _missing(open_ / "out.json")
        outcome.judge("media that may not be read", trouble)
    closed.chmod(0o755)


def _missing(report: Path) -> str:
    """Which of the healthy shots a report has nothing of."""
    found = findings(report)
    missing = [name for name in HEALTHY if name not in found]
    return f"healthy shots weren't looked at: {', '.join(missing)}" if missing else ""


def _vanishing(asked: Asked, work: Path, cut: Path, outcome: Outcome, command: Watched) -> None:
    """Media that is taken away, emptied, cut or replaced by something else while it is read."""
    ways: tuple[Callable[[Path], object], ...] = (
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: os.truncate(path, 5000),
        lambda path: path.write_bytes(b"\xff" * 50_000),
    )
    media = make_media(work / "media")
    kept = {name: (media / name).read_bytes() for name in ("victim.mp4", "victim.wav")}
    source = work / "cut.otio"
    files.write(a_cut(media), str(source))
    took_s = command.run(*_words(source, work / "out.otio")).seconds
    for number in range(COUNT if asked.count is None else asked.count):
        rng = random.Random(f"{asked.seed}/vanishing/{number}")
        name, way = rng.choice(list(kept)), rng.choice(ways)
        command.begin(*_words(source, work / "out.otio"))
        time.sleep(rng.uniform(0, took_s))
        way(media / name)
        ended = command.end()
        trouble = ended.trouble((0,)) or _missing(work / "out.json")
        outcome.judge(f"{name} that changes while it is read, {number}", trouble)
        (media / name).unlink(missing_ok=True)
        (media / name).write_bytes(kept[name])


def _together(asked: Asked, work: Path, cut: Path, outcome: Outcome, one: Watched) -> None:
    """Two processes that write the same output: both end well, and what stands there is whole."""
    out = work / "out"
    out.mkdir()
    (work / "other").mkdir()
    shared = {"OTIO_AVASSIST_CACHE": str(one.folder / "cache")}
    with Watched(work / "other", environment=shared) as other:
        one.run(*_words(cut, out / "out.otio"))
        other.run(*_words(cut, out / "out.otio"))
        whole = {each.name: len(each.read_bytes()) for each in out.iterdir() if each.suffix != ".json"}
        names = {each.name for each in out.iterdir()}
        for number in range(COUNT if asked.count is None else asked.count):
            ended = _at_once(one, other, _words(cut, out / "out.otio"))
            trouble = next(filter(None, (each.trouble((0,)) for each in ended)), "")
            if not trouble:
                findings(out / "out.json")
                there = {each.name for each in out.iterdir()}
                sizes = {name: len((out / name).read_bytes()) for name in whole}
                trouble = (
                    f"there is {sorted(there)}" if there != names else "" if sizes == whole else "not whole"
                )
            outcome.judge(f"two at once, {number}", trouble)


def _at_once(one: Watched, other: Watched, words: tuple[str, ...]) -> list[Ended]:
    """How two of the same command end that were begun together."""
    with ThreadPoolExecutor(2) as both:
        return list(both.map(lambda command: command.run(*words), (one, other)))
