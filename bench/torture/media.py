"""Media with things wrong in it: cut short, bits flipped, another file's suffix, nothing in it, pictures that
change their size, headers that lie.

The shot whose file is spoilt is answered for, found or skipped with a reason, and the shots beside it are
mended as ever. One case of so many goes through all tasks.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.torture.material import EARLY_S, FPS, HEALTHY, a_cut, findings, make_media
from bench.torture.outcome import Asked, Outcome
from bench.torture.tasks import AllTasks
from bench.torture.timelines import OPTIONS
from bench.torture.watched import Ended, Watched
from otio_avassist import files, takes
from tests.material import film

COUNT = 500
OUT, REPORT, SOUNDS = "out.otio", "out.json", "out.foley"
EVERY = 8
"""One case of so many is of all tasks."""
SPOILT = ("victim.mp4", "victim.wav")
CONTAINERS = {
    "victim.mp4": (".mp4", ".mov", ".mkv", ".ts", ".avi"),
    "victim.wav": (".wav", ".flac", ".mp3", ".m4a"),
}
"""Kinds of files that are spoilt, whatever they are called in the cut."""


def run(asked: Asked) -> Outcome:
    """Spoil media files one after the other, and see what the command makes of a cut that has them."""
    media = make_media(asked.folder / "media")
    cut = asked.folder / "cut.otio"
    files.write(a_cut(media), str(cut))
    sound = {name: _every_container(asked.folder / "sound", name) for name in SPOILT}
    work = asked.folder / "work"
    work.mkdir(exist_ok=True)
    outcome = Outcome("media", len(asked.cases(COUNT)))
    tasks = AllTasks()
    sync = ["sync", str(cut), "-o", str(work / OUT), "--report", str(work / REPORT), *OPTIONS]
    every = tasks.words(cut, work / OUT, work / REPORT, "first.mp4", "victim.mp4")
    with Watched(work, environment=tasks.environment) as command:
        if trouble := tasks.refusal(command, cut, work / OUT):
            outcome.failed.append(f"captions without their networks: {trouble}")
        healthy: dict[bool, dict[str, Any]] = {}
        for number in asked.in_time(asked.cases(COUNT)):
            all_tasks = number % EVERY == 0
            words = every if all_tasks else sync
            if all_tasks not in healthy:
                healthy[all_tasks] = _found(_ask(command, words, work), work)
            rng = random.Random(f"{asked.seed}/media/{number}")
            name = rng.choice(SPOILT)
            source = rng.choice(sound[name])
            how = rng.choice(list(WAYS))
            (media / name).unlink()
            which = WAYS[how](source, media / name, rng)
            trouble = _trouble(_ask(command, words, work), work, healthy[all_tasks], outcome)
            trouble = trouble or command.run("probe", media / name).trouble((0, 1))
            tried = "all tasks" if all_tasks else "sync"
            outcome.judge(f"case {number} ({tried}, {name}: {source.suffix} {how}{which})", trouble)
            (media / name).unlink(missing_ok=True)
            shutil.copyfile(
                next(each for each in sound[name] if each.suffix == Path(name).suffix), media / name
            )
    return outcome


def _every_container(folder: Path, name: str) -> list[Path]:
    """The spoilt shot's file in each kind of container."""
    folder.mkdir(exist_ok=True)
    kind, early_s = Path(name).suffix, EARLY_S["victim"] if name.endswith(".wav") else 0.0
    return [
        film(
            folder / f"{kind[1:]}{suffix}", seconds=4, fps=FPS, early_s=early_s, picture=kind == ".mp4",
            layout="mono", rate=16000,
        )
        for suffix in CONTAINERS[name]
    ]  # fmt: skip


def _ask(command: Watched, words: list[str], work: Path) -> Ended:
    for each in (OUT, REPORT, "out.avassist.json"):
        (work / each).unlink(missing_ok=True)
    shutil.rmtree(work / SOUNDS, ignore_errors=True)
    return command.run(*words)


def _found(ended: Ended, work: Path) -> dict[str, Any]:
    """What is said of the healthy shots, and the sounds that are made for them."""
    if trouble := ended.trouble((0,)):
        raise RuntimeError(f"the cut that nothing was done to isn't mended: {trouble}")
    return _of_healthy(work)


def _of_healthy(work: Path) -> dict[str, Any]:
    found = {name: each for name, each in findings(work / REPORT).items() if name in HEALTHY}
    for each in json.loads((work / REPORT).read_text(encoding="utf-8"))["findings"]:
        if each["task"] == "foley" and Path(each["media"]).stem in HEALTHY:
            paths = [Path(take["path"]) for take in each["takes"]]
            found[f"sounds of {each['clip']}"] = [(path.name, path.read_bytes()) for path in paths]
    return found


def _half(work: Path) -> list[str]:
    """Sounds that aren't whole: each says in its end what it is."""
    return [each.name for each in (work / SOUNDS).rglob("*") if takes.read(each) is None]


def _trouble(ended: Ended, work: Path, healthy: dict[str, Any], outcome: Outcome) -> str:
    """What is wrong with the answer; empty where nothing is."""
    if trouble := ended.trouble((0,)):
        return trouble
    files.read(str(work / OUT))
    found = _of_healthy(work)
    missing = [name for name, each in healthy.items() if found.get(name) != each]
    if missing:
        return f"healthy shots weren't mended as ever: {', '.join(missing)}: {findings(work / REPORT)}"
    if half := _half(work):
        return f"sounds aren't whole: {', '.join(half)}"
    held = json.loads((work / REPORT).read_text(encoding="utf-8"))
    skipped = {Path(each["media"]).name: each["reason"] for each in held["skipped"]}
    spoken_of = [each for each in held["findings"] if each["clip"].startswith("victim")]
    if not spoken_of and not any(skipped.get(name) for name in SPOILT):
        return "nothing is said of the spoilt shot"
    outcome.count(
        "skipped with a reason" if any(skipped.get(name) for name in SPOILT) else "looked at all the same"
    )
    return ""


def _cut_short(source: Path, path: Path, rng: random.Random) -> str:
    data = source.read_bytes()
    at = rng.choice((rng.randrange(64), rng.randrange(len(data)), len(data) - 1 - rng.randrange(64)))
    path.write_bytes(data[:at])
    return f" after {at} of {len(data)} bytes"


def _flipped(source: Path, path: Path, rng: random.Random) -> str:
    data = bytearray(source.read_bytes())
    bits, within = rng.choice((1, 10, 100, 2000)), rng.choice((64, 1024, len(data)))
    for _ in range(bits):
        data[rng.randrange(min(within, len(data)))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f", {bits} of the first {within} bytes"


def _numbers(source: Path, path: Path, rng: random.Random) -> str:
    """Four bytes in the head or the tail, where containers keep their tables, become the largest number."""
    data = bytearray(source.read_bytes())
    for _ in range(rng.randint(1, 6)):
        at = rng.choice((rng.randrange(200), rng.randrange(max(1, len(data) - 4000), len(data))))
        data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0"))
    path.write_bytes(data)
    return ""


def _empty(source: Path, path: Path, rng: random.Random) -> str:
    path.write_bytes(b"")
    return ""


def _noise(source: Path, path: Path, rng: random.Random) -> str:
    path.write_bytes(rng.choice((rng.randbytes(50_000), b"\0" * 50_000, b"RIFF" + rng.randbytes(9000))))
    return ""


def _another(source: Path, path: Path, rng: random.Random) -> str:
    """A file of another kind under this name."""
    text = {
        "a subtitle": b"1\n00:00:01,000 --> 00:00:02,000\nhello\n",
        "a playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n"
        b"#EXTINF:9,\n/etc/passwd\n",
        "a list": b"ffconcat version 1.0\nfile /etc/passwd\nfile http://127.0.0.1:9/a.mp4\n",
        "a session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\n"
        b"c=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "a page": b"<!doctype html><html></html>",
        "a program": b"\x7fELF" + bytes(2000),
        "an archive": b"PK\x03\x04" + bytes(500),
    }
    what = rng.choice(list(text))
    path.write_bytes(text[what])
    return f": {what}"


def _renamed(source: Path, path: Path, rng: random.Random) -> str:
    shutil.copyfile(source, path)
    return ""


def _changing_size(source: Path, path: Path, rng: random.Random) -> str:
    """Two streams of different sizes, rates and codecs after one another, as a broadcast may have them."""
    parts = []
    for number in range(rng.randint(2, 4)):
        size = rng.choice(((96, 64), (64, 96), (320, 240), (16, 16), (98, 66)))
        part = path.with_name(f"part{number}.ts")
        film(
            part, seconds=1.5, fps=rng.choice((24, 25, 50)), size=size, rate=rng.choice((16000, 48000)),
            layout=rng.choice(("mono", "stereo")), picture=rng.random() < 0.9,
        )  # fmt: skip
        parts.append(part.read_bytes())
        part.unlink()
    path.write_bytes(b"".join(parts))
    return f", {len(parts)} times"


def _shuffled(source: Path, path: Path, rng: random.Random) -> str:
    """Blocks of the file in another order, some of them twice."""
    data, size = source.read_bytes(), rng.choice((188, 1000, 5000))
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    head = rng.choice((0, 1, 3))
    path.write_bytes(b"".join([*blocks[:head], *rng.choices(blocks[head:] or blocks, k=len(blocks))]))
    return f", blocks of {size}"


WAYS: dict[str, Callable[[Path, Path, random.Random], str]] = {
    "cut short": _cut_short,
    "bits flipped": _flipped,
    "numbers spoilt": _numbers,
    "nothing in it": _empty,
    "noise": _noise,
    "something else": _another,
    "wrong extension": _renamed,
    "changing size": _changing_size,
    "shuffled": _shuffled,
}
