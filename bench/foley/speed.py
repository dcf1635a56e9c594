"""A take of ten seconds by the compact bundle, from pictures to a WAV file: seconds by stage, and memory.

All is done in a process of its own, once to load the networks and then a few times more, of which the median
counts. The whole command is timed too, with the start of the process and all that a timeline takes.
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
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from bench.foley import takes
from otio_avassist import bundles, files, spans, windows
from otio_avassist.errors import BundleError
from otio_avassist.findings import PassedOver
from otio_avassist.tasks import foley

TAKE_S = 10.0
GOAL = 5.0
RUNS = 5
FPS, SIZE = 25, (640, 360)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The common ones."""


def lacking(asked: argparse.Namespace) -> str:
    try:
        takes.folder(asked)
    except BundleError as error:
        return str(error)
    return ""


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether a take is as much faster than real time as it should be)."""
    with tempfile.TemporaryDirectory() as place:
        film = render(Path(place, "film.mp4"))
        words = [sys.executable, "-m", "bench.foley.speed", takes.folder(asked), film, str(asked.threads)]
        stages, peak_mb = _run(words, asked.threads)
        figures = {**json.loads(stages), "peak_mb": peak_mb, "threads": asked.threads}
        out = Path(place, "out.otio")
        command = [sys.executable, "-m", "otio_avassist", "foley", film, "-o", out, "--which", "all", "-q"]
        command += ["--sound", figures["sound"]] if figures["sound"] else []
        command += ["--bundle", asked.bundle] if asked.bundle else []
        began = time.perf_counter()
        _, figures["command_peak_mb"] = _run(command, asked.threads)
        figures["command_s"] = round(time.perf_counter() - began, 2)
    for name, seconds in figures["stages_s"].items():
        print(f"{name:24} {seconds:6.2f} s")
    print(
        f"{TAKE_S:.0f} s in {figures['take_s']:.2f} s: {figures['times real time']:.1f} times real time,"
        f" {asked.threads} threads, {peak_mb:.0f} MB at most;"
        f" the whole command {figures['command_s']:.1f} s, {figures['command_peak_mb']:.0f} MB"
    )
    return figures, figures["times real time"] >= GOAL


def _run(command: list[Any], threads: int) -> tuple[str, float]:
    """(what a process prints, its most megabytes)"""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(list(map(str, command)), stdout=said, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}: ended with {child.returncode}")
        said.seek(0)
        return said.read(), round(usage.ru_maxrss / 1024)


def render(path: Path) -> Path:
    """A silent film of a shape that moves over noise."""
    rng = np.random.default_rng(0)
    noise = rng.integers(60, 160, (SIZE[1], SIZE[0], 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(round(TAKE_S * FPS)):
            picture = noise.copy()
            picture[100:200, 2 * number : 2 * number + 80] = 230
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


# In the process of its own


def take(bundle: Path, film: Path, threads: int) -> dict[str, Any]:
    """Make a take for a film, again and again with other seeds."""
    opened = Timed(bundles.open_bundle(bundle, device="cpu", threads=threads))
    sound = str(opened.card.classes[0]) if opened.card.classes else None
    root = files.read(str(film))
    shots = spans.read_spans(root, spans.Locator(base_dir=film.parent), windows.probe).shots
    took, stages = [], []
    for seed in range(RUNS + 1):
        opened.spent.clear()
        options = foley.Options(seed=seed, sound=sound, folder=film.parent / "sounds")
        began = time.perf_counter()
        (found,) = foley.analyse(shots, foley.Network(opened), options)
        took.append(time.perf_counter() - began)
        stages.append(dict(opened.spent))
        if isinstance(found, PassedOver) or not found.takes:
            raise SystemExit(f"nothing was made: {found}")
    # The first one loads the networks.
    take_s = statistics.median(took[1:])
    (at,) = [at for at in range(1, RUNS + 1) if took[at] == take_s][:1]
    known = {name: round(seconds, 3) for name, seconds in stages[at].items()}
    rest = {"pictures, level, WAV": round(take_s - sum(known.values()), 3)}
    return {
        "sound": sound,
        "pictures": opened.looked,
        "first_s": round(took[0], 3),
        "take_s": round(take_s, 3),
        "stages_s": known | rest,
        "times real time": round(TAKE_S / take_s, 2),
    }


class Timed:
    """A bundle whose answers are timed, graph by graph."""

    def __init__(self, bundle: bundles.Bundle, spent: dict[str, float] | None = None) -> None:
        self.spent: dict[str, float] = {} if spent is None else spent
        self.card, self.sha256, self.device = bundle.card, bundle.sha256, bundle.device
        self.needs = {name: Timed(each, self.spent) for name, each in bundle.needs.items()}
        self._bundle = bundle

    @property
    def looked(self) -> bool:
        """Whether pictures were looked at."""
        return any("main" in name for name in self.spent)

    def __getitem__(self, name: str) -> _TimedModel:
        label = name if name != "main" else f"{self.card.task}, main"
        return _TimedModel(self._bundle[name], label, self.spent)


class _TimedModel:
    def __init__(self, model: Any, name: str, spent: dict[str, float]) -> None:
        self._model, self._name, self._spent = model, name, spent

    def loop(self, *sizes: int) -> _TimedModel:
        return _TimedModel(self._model.loop(*sizes), self._name, self._spent)

    def __call__(self, **inputs: np.ndarray) -> Any:
        began = time.perf_counter()
        answer = self._model(**inputs)
        self._spent[self._name] = self._spent.get(self._name, 0.0) + time.perf_counter() - began
        return answer

    @property
    def length(self) -> int:
        return self._model.length

    @length.setter
    def length(self, length: int) -> None:
        self._model.length = length


if __name__ == "__main__":
    print(json.dumps(take(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
