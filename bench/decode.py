"""How fast and how big: windows of a film against the ffmpeg command line doing the same, side by side in one
run.

    python -m bench.decode [--json FILE] [--seconds 60] [--rounds 5] [--no-memory]

Both decode a generated 1080p25 H.264 film with AAC sound to RGB24 pictures of 256 pixels' height at 25 a
second and mono float sound at 16 kHz; ffmpeg hands the pictures through a pipe that is read to its end,
the sound goes nowhere. The best of several rounds counts, taken in turn, as wall time and as processor
time. Peak memory is that of a process of its own over one film and over ten of them in a row.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import imageio_ffmpeg

from otio_avassist.windows import Stretch, probe, windows

FPS, SIDE, RATE = 25, 256, 16000
LONGER = 10
"""The long film is so many short ones."""
WALL_GOAL, MEMORY_GOAL_MB = 1.05, 20.0


@dataclass(frozen=True)
class Took:
    wall_s: float
    cpu_s: float


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.peak:
        watch(options.peak)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        film = make_film(Path(folder), options.seconds)
        result = speed(film, options.rounds)
        if options.memory:
            result |= memory(film)
    result |= {"seconds": options.seconds, "load_average": os.getloadavg(), "cpus": os.cpu_count()}
    print(table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))
    missed = result["wall_ratio"] > WALL_GOAL or result.get("peak_growth_mb", 0.0) > MEMORY_GOAL_MB
    return 1 if missed else 0


def make_film(folder: Path, seconds: int) -> Path:
    """1080p25 H.264 at about 10 Mb/s with stereo AAC: something moves everywhere, under a little grain."""
    film = folder / "film.mp4"
    _ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=size=1920x1080:rate={FPS},noise=alls=12:allf=t",
        "-f", "lavfi", "-i", "anoisesrc=color=pink:sample_rate=48000,aformat=channel_layouts=stereo",
        "-t", f"{seconds}", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "10M", "-pix_fmt", "yuv420p",
        "-g", "50", "-c:a", "aac", "-movflags", "+faststart", str(film),
    )  # fmt: skip
    return film


def speed(film: Path, rounds: int) -> dict:
    """Best wall and processor seconds of both, taken in turn."""
    ways: dict[str, Callable[[Path], int]] = {"ffmpeg": _by_ffmpeg, "windows": watch}
    best: dict[str, list[Took]] = {name: [] for name in ways}
    seen = set()
    for _ in range(rounds):
        for name, way in ways.items():
            began, cpu_began = time.perf_counter(), _cpu_s()
            seen.add(way(film))
            best[name].append(Took(time.perf_counter() - began, _cpu_s() - cpu_began))
    if len(seen) != 1:
        raise SystemExit(f"the two don't do the same: {seen} bytes of pictures")
    wall = {name: min(took.wall_s for took in each) for name, each in best.items()}
    cpu = {name: min(took.cpu_s for took in each) for name, each in best.items()}
    return {
        "rounds": {name: [asdict(took) for took in each] for name, each in best.items()},
        "wall_s": wall,
        "cpu_s": cpu,
        "wall_ratio": wall["windows"] / wall["ffmpeg"],
        "cpu_ratio": cpu["windows"] / cpu["ffmpeg"],
    }


def memory(film: Path) -> dict:
    """Peak resident memory of a process that watches the film, and of one that watches ten in a row."""
    long = film.with_name("long.mp4")
    _ffmpeg("-stream_loop", f"{LONGER - 1}", "-i", str(film), "-c", "copy", str(long))
    peaks_mb = [_peak_mb(each) for each in (film, long)]
    return {"peak_mb": peaks_mb, "peak_growth_mb": peaks_mb[1] - peaks_mb[0]}


def watch(film: Path) -> int:
    """Look at and listen to all of a film in windows of a second; bytes of pictures seen."""
    duration_s = probe(film).duration_s
    assert duration_s is not None
    whole = Stretch(film, 0.0, duration_s)
    return sum(
        window.frames.nbytes
        for window in windows(whole, whole, length_s=1, hop_s=1, fps=FPS, side=SIDE, rate=RATE)
        if window.frames is not None
    )


def table(result: dict) -> str:
    lines = [f"{'':10s} {'wall s':>8s} {'cpu s':>8s}"]
    for name in result["wall_s"]:
        lines.append(f"{name:10s} {result['wall_s'][name]:8.2f} {result['cpu_s'][name]:8.2f}")
    lines.append(
        f"{'ratio':10s} {result['wall_ratio']:8.3f} {result['cpu_ratio']:8.3f}   (goal: at most {WALL_GOAL})"
    )
    if "peak_mb" in result:
        one, ten = result["peak_mb"]
        lines.append(
            f"peak memory: {one:.0f} MB over {result['seconds']} s, {ten:.0f} MB over {LONGER} times that "
            f"(goal: within {MEMORY_GOAL_MB:.0f} MB)"
        )
    loads = ", ".join(f"{load:.1f}" for load in result["load_average"])
    lines.append(f"load average {loads} on {result['cpus']} processors")
    return "\n".join(lines)


def _by_ffmpeg(film: Path) -> int:
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-i", str(film),
        "-map", "0:v", "-vf", f"fps={FPS},scale=-2:{SIDE}", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1",
        "-map", "0:a", "-ac", "1", "-ar", f"{RATE}", "-f", "f32le", os.devnull,
    ]  # fmt: skip
    seen = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        while block := running.stdout.read(1 << 20):
            seen += len(block)
    if running.returncode:
        raise SystemExit(f"ffmpeg ended with {running.returncode}")
    return seen


def _cpu_s() -> float:
    """Processor seconds of this process and of all that it has waited for."""
    each = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in each)


def _peak_mb(film: Path) -> float:
    told = subprocess.run(
        [sys.executable, "-m", "bench.decode", "--peak", str(film)],
        check=True,
        capture_output=True,
        text=True,
    )
    # Linux counts kilobytes, macOS bytes.
    return int(told.stdout) / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments], check=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.decode", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--seconds", type=int, default=60, help="length of the film (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed (default %(default)s)")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="leave out peak memory")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
