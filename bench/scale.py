"""Whole productions: a thousand timelines over shared media, run and run again; and one very long timeline.

    python -m bench.scale [batch] [long] [--timelines 1000] [--clips 40] [--media 60] [--seconds 120]
                          [--long 20000] [--jobs 1] [--json FILE]

`batch` makes films and timelines that cut them, runs sync over all, moves one cut in each timeline, and runs
again: how long both took, how much they looked at, and the peak memory of a process of its own for each.
`long` reads, spans, edits and writes a timeline of many clips without any network, against `otiocat` reading
and writing it; each the best of three processes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import opentimelineio as otio

FPS = 25
DIFFERENT = 6
"""Films that are rendered; the others are copies of these, under another content."""
FASTER, SLOWER = 50.0, 2.0
"""Goals: the second run against the first, and the long timeline against otiocat."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.one:
        return _one(options.one, options.folder, options.jobs)
    wanted = options.what or ["batch", "long"]
    measured: dict = {"cpus": os.cpu_count(), "load_average": os.getloadavg()}
    missed = False
    with tempfile.TemporaryDirectory(prefix="avassist-scale-") as name:
        folder = Path(name)
        if "batch" in wanted:
            measured["batch"] = batch(folder, options)
            print(json.dumps(measured["batch"], indent=1), flush=True)
            missed |= measured["batch"]["faster"] < FASTER
        if "long" in wanted:
            measured["long"] = long(folder, options.long)
            print(json.dumps(measured["long"], indent=1), flush=True)
            missed |= measured["long"]["ratio"] > SLOWER
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1))
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="*", type=_part, metavar="{batch,long}", help="both, if not said")
    parser.add_argument("--timelines", type=int, default=1000)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--media", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=120.0, help="of each film")
    parser.add_argument("--long", type=int, default=20_000, help="clips of the long timeline")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def _part(name: str) -> str:
    """`choices` would want the empty list among them, and show it."""
    if name not in ("batch", "long"):
        raise argparse.ArgumentTypeError(f"no such part: {name!r}; there is: batch, long")
    return name


# A thousand timelines


def batch(folder: Path, options: argparse.Namespace) -> dict:
    """Both runs, each in a process of its own; nothing but the cache goes from one to the other."""
    make_media(folder / "media", options.media, options.seconds)
    make_timelines(folder, options)
    first = _apart("run", folder, options.jobs)
    move_one_cut_in_each(folder / "in", options.seconds)
    second = _apart("run", folder, options.jobs)
    return {
        "timelines": options.timelines, "clips": options.clips, "media": options.media,
        "seconds_each": options.seconds, "jobs": options.jobs,
        "first": first, "second": second, "faster": round(first["took_s"] / second["took_s"], 1),
    }  # fmt: skip


def make_media(folder: Path, count: int, seconds: float) -> None:
    """Films of flashes and bursts of noise, 640 × 360 as proxies are, out of step by six amounts."""
    import imageio_ffmpeg

    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:03d}.mp4"
        if number < DIFFERENT:
            early_s = 0.08 * number - 0.2
            beat = "lt(mod({t}*1.37+0.3*sin({t}*0.7),1),0.08)"
            flash = f"drawbox=x=200:y=100:w=240:h=160:color=white:t=fill:enable='{beat.format(t='t')}'"
            noise = f"aevalsrc=exprs='{beat.format(t=f'(t+{early_s:.2f})')}*(random(0)-0.5)':s=48000"
            command = [
                imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error",
                "-f", "lavfi", "-i", f"testsrc2=s=640x360:r={FPS},{flash}", "-f", "lavfi", "-i", noise,
                "-t", str(seconds), "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
                "-c:a", "aac", str(path),
            ]  # fmt: skip
            subprocess.run(command, check=True)
        else:
            # Rendering takes longer than looking; a free box at the end makes another file of it.
            shutil.copyfile(folder / f"{number % DIFFERENT:03d}.mp4", path)
            with path.open("ab") as file:
                file.write((16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))


def make_timelines(folder: Path, options: argparse.Namespace) -> None:
    draw = random.Random(0)
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    for number in range(options.timelines):
        used = draw.sample(range(options.media), min(options.clips, options.media))
        used += draw.choices(range(options.media), k=options.clips - len(used))
        track = otio.schema.Track("V1", kind="Video")
        for index in used:
            length = draw.randint(3 * FPS, 12 * FPS)
            start = draw.randint(0, round(options.seconds * FPS) - length)
            track.append(_clip(folder / "media" / f"{index:03d}.mp4", start, length, options.seconds))
        timeline = otio.schema.Timeline(f"{number:04d}")
        timeline.tracks.append(track)
        timeline.to_json_file(str(folder / "in" / f"{number:04d}.otio"))


def _clip(path: Path, start: int, length: int, seconds: float) -> otio.schema.Clip:
    media = otio.schema.ExternalReference(str(path), _range(0, round(seconds * FPS)))
    return otio.schema.Clip(path.name, media, _range(start, length))


def _range(start: int, length: int) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, FPS), otio.opentime.RationalTime(length, FPS)
    )


def move_one_cut_in_each(folder: Path, seconds: float) -> None:
    """The cut between two clips, by up to a second, as somebody does who trims."""
    draw = random.Random(1)
    for path in sorted(folder.glob("*.otio")):
        timeline = otio.adapters.read_from_file(str(path))
        [track] = timeline.tracks
        at = draw.randrange(1, len(track))
        by = draw.choice([-1, 1]) * draw.randint(1, FPS)
        before, after = (track[each].source_range for each in (at - 1, at))
        end = before.end_time_exclusive().value + by
        if after.start_time.value + by < 0 or end > seconds * FPS:
            by = -by
        track[at - 1].source_range = _range(int(before.start_time.value), int(before.duration.value) + by)
        track[at].source_range = _range(int(after.start_time.value) + by, int(after.duration.value) - by)
        timeline.to_json_file(str(path))


def _apart(what: str, folder: Path, jobs: int) -> dict:
    """In a process of its own, whose peak memory is its own, too."""
    command = [
        sys.executable,
        "-m",
        "bench.scale",
        "--one",
        what,
        "--folder",
        str(folder),
        "--jobs",
        str(jobs),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _one(what: str, folder: Path, jobs: int) -> int:
    measured = _run(folder, jobs) if what == "run" else _road(folder / "long.otio", folder / "mended.otio")
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps(measured | {"peak_mb": round(peak / 1024)}))
    return 0


def _run(folder: Path, jobs: int) -> dict:
    """As `avassist run IN -o OUT` does it, planning included."""
    from otio_avassist import batch, cache, pipeline

    store = cache.Store(folder / "cache")
    began, cpu_s = time.monotonic(), time.process_time()
    shared = pipeline.Shared(store)
    works = [
        batch.Work(str(path), str(folder / "out" / path.name), pipeline.Settings(base_dir=folder))
        for path in sorted((folder / "in").glob("*.otio"))
    ]
    planned = batch.plan(works, shared, at_once=jobs)
    planned_s = time.monotonic() - began
    executor = batch.Processes(store, jobs) if jobs > 1 else batch.Here(shared)
    results = batch.run(planned, executor, store=store)
    executor.close()
    states = [each.state for each in planned.timelines]
    return {
        "took_s": round(time.monotonic() - began, 2),
        "planned_s": round(planned_s, 2),
        "cpu_s": round(time.process_time() - cpu_s, 2),
        "new": states.count("new"),
        "media_s": round(planned.media_s),
        "made": store.misses,
        "kept": dict(store.stats().kinds),
        "kept_mb": round(store.stats().bytes / 1e6, 1),
        "failed": sum(each["state"] == "failed" for each in results),
        "actions": batch.summary(results)["actions"],
    }


# One long timeline


def long(folder: Path, clips: int) -> dict:
    """Our road without networks, as a process, against otiocat as one."""
    path = folder / "long.otio"
    make_long(folder, path, clips)
    otiocat = Path(sys.executable).parent / "otiocat"
    theirs = min(_seconds([str(otiocat), str(path)], folder, folder / "copied.otio") for _ in range(3))
    ours = min(
        _seconds([sys.executable, "-m", "bench.scale", "--one", "road", "--folder", str(folder)], folder)
        for _ in range(3)
    )
    return {
        "clips": clips,
        "mb": round(path.stat().st_size / 1e6, 1),
        "otiocat_s": round(theirs, 2),
        "ours_s": round(ours, 2),
        "ratio": round(ours / theirs, 2),
        "of_it": _apart("road", folder, 1),
    }


def make_long(folder: Path, path: Path, clips: int) -> None:
    """Pictures with a recorder's sound under each, over a few files that are there."""
    from tests.material import film

    media = folder / "long"
    media.mkdir()
    for number in range(10):
        film(media / f"{number}.mp4", seconds=20, early_s=0.0)
        film(media / f"{number}.wav", seconds=20, picture=False)
    draw = random.Random(2)
    tracks = [otio.schema.Track(kind, kind=kind) for kind in ("Video", "Audio")]
    for number in range(clips // 2):
        length, start = draw.randint(10, 100), draw.randint(25, 300)
        for track, suffix in zip(tracks, ("mp4", "wav"), strict=True):
            clip = _clip(media / f"{number % 10}.{suffix}", start, length, 20)
            clip.metadata["Resolve_OTIO"] = {"Link Group ID": number}
            track.append(clip)
    timeline = otio.schema.Timeline("long")
    timeline.tracks.extend(tracks)
    timeline.to_json_file(str(path))


def _seconds(command: list[str], folder: Path, to: Path | None = None) -> float:
    """How long a command takes; what it prints goes to a file.

    Modules are compiled once, in the folder, as those of an installed package are.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    began = time.monotonic()
    with Path(to or os.devnull).open("w") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, env=env, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return time.monotonic() - began


def _road(path: Path, target: Path) -> dict:
    """Read, span, find all early by two frames without looking, edit, write; how long each took."""
    from otio_avassist import edits, files, pipeline, review
    from otio_avassist.findings import SyncFinding

    steps: dict[str, float] = {}
    clock = time.monotonic()

    def step(name: str) -> None:
        nonlocal clock
        steps[name], clock = round(time.monotonic() - clock, 2), time.monotonic()

    step("import")
    root = files.read(str(path))
    step("read")
    settings = pipeline.Settings(base_dir=path.parent)
    looked = pipeline.clips(root, settings, pipeline.Shared())
    step("spans")
    found = [
        SyncFinding(shot, 0.08, 0.99, "sound-to-sound")
        for shot in looked.shots
        if shot.picture is not None and shot.sound is not None
    ]
    nothing = edits.Outcome("abstained", (), "")
    lines = [pipeline.under(pipeline.Line(each, nothing, review.PROPOSED), None, settings) for each in found]
    step("outcomes")
    mended = edits.apply(root, [edit for line in lines for edit in line.outcome.edits], tasks=("sync",))
    step("edits")
    mended, record = review.remember(mended, root, None, lines, tasks=("sync",))
    step("remembered")
    files.write(mended, str(target))
    step("write")
    review.write_sidecar(target.with_suffix(".avassist.json"), record)
    step("sidecar")
    return {"shots": len(found), "steps": steps}


if __name__ == "__main__":
    sys.exit(main())
