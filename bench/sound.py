"""Sound against sound: how far off, how fast and in how much memory, beside audio-offset-finder in one run.

Recordings of speech and music are made up here, with known offsets, noise, echo and drift, written as WAV
and read by the plugin's own decoder. audio-offset-finder is given the same samples at its default rate; it
knows no drift, and by its own words means an offset only where its score is above 10. Each tool works in a
process of its own: one for all short pairs, one for the long pair.

    python -m bench.sound [--minutes 30] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

RATE = 16000
HANDLES_S = 35.0
"""The recorder runs for so long before and after the shot."""
SHORT_S = 60.0
PPM = 145.0
SILENT_SCORE = 10.0
"""Below it, audio-offset-finder's own help says, its offset means little."""
GOAL_SHORT_S, GOAL_HEAD_S, GOAL_PPM, GOAL_MB = 0.001, 0.002, 2.0, 500.0


@dataclass(frozen=True)
class Pair:
    """The camera's own track and a recorder's, and what is true of them."""

    name: str
    camera: str
    recorder: str
    duration_s: float
    early_s: float | None
    """None: they have nothing to do with one another."""
    ppm: float = 0.0


@dataclass(frozen=True)
class Answer:
    early_s: float | None
    """None: abstained."""
    ppm: float | None
    sure: float
    """Our confidence, or their score."""
    seconds: float
    peak_mb: float
    """Of the process, all it has done so far included."""


@dataclass(frozen=True)
class Result:
    pair: Pair
    ours: Answer
    theirs: Answer

    @property
    def misses(self) -> bool:
        """Whether ours is outside its goal."""
        if self.pair.early_s is None:
            return self.ours.early_s is not None
        if self.ours.early_s is None:
            return True
        off_s = abs(self.ours.early_s - self.pair.early_s)
        if not self.pair.ppm:
            return off_s > GOAL_SHORT_S
        off_ppm = abs((self.ours.ppm or 0.0) - self.pair.ppm)
        return off_s > GOAL_HEAD_S or off_ppm > GOAL_PPM or self.ours.peak_mb > GOAL_MB


# Material


def speech(duration_s: float, rng: np.random.Generator) -> np.ndarray:
    """Gliding harmonics and hisses in syllables, with pauses. Shape: float32 (N,), deviation 0.1."""
    count = round(duration_s * RATE)
    at_s = np.arange(count, dtype=np.float32) / RATE
    marks_s = np.arange(0, duration_s + 1, 0.13)
    pitch_hz = np.interp(at_s, marks_s, rng.uniform(90, 220, len(marks_s)))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE
    voiced = np.zeros(count, dtype=np.float32)
    for harmonic in range(1, 13):
        strength = np.interp(at_s, marks_s, rng.uniform(0, 1, len(marks_s)) / harmonic)
        voiced += strength * np.sin(harmonic * phase)
    hiss = rng.normal(size=count).astype(np.float32) * 0.3
    loud = np.maximum(0, rng.normal(0.3, 1, (2, len(marks_s))))
    samples = voiced * np.interp(at_s, marks_s, loud[0]) + hiss * np.interp(at_s, marks_s, loud[1])
    return scaled(samples)


def music(duration_s: float, rng: np.random.Generator) -> np.ndarray:
    """Three notes a beat at 120 beats a minute, and a cymbal. Shape: float32 (N,), deviation 0.1."""
    at_s = np.arange(round(duration_s * RATE)) / RATE
    beat = (at_s * 2).astype(int)
    decay = np.exp(-8 * (at_s % 0.5))
    notes_hz = 110 * 2 ** (rng.integers(0, 36, (3, beat[-1] + 1)) / 12)
    chord = sum(np.sin(2 * np.pi * note[beat] * at_s) for note in notes_hz)
    return scaled((chord + rng.normal(size=len(at_s)) * np.exp(-40 * (at_s % 0.25))) * decay)


def scaled(samples: np.ndarray) -> np.ndarray:
    return (0.1 * samples / samples.std()).astype(np.float32)


def moved(
    samples: np.ndarray, ppm: float, early_s: float, block_s: float = 20.0, margin: int = 512
) -> np.ndarray:
    """As an early recorder with a slow clock has it: what happens at t stands at t (1 + ppm) - early_s.

    Seconds count from the start of the shot, HANDLES_S into the samples.
    """
    block = round(block_s * RATE)
    out = np.zeros_like(samples)
    for first in range(0, len(samples), block):
        out_s = np.arange(first, min(first + block, len(samples))) / RATE - HANDLES_S
        at = ((out_s + early_s) / (1 + ppm * 1e-6) + HANDLES_S) * RATE
        low = int(at[0]) - margin
        piece = _cut(samples, low, int(at[-1]) + margin - low)
        # Four times as fine by Fourier, then straight lines between: good to -60 dB where voices are.
        fine = np.fft.irfft(np.fft.rfft(piece), 4 * len(piece)) * 4
        out[first : first + block] = np.interp((at - low) * 4, np.arange(len(fine)), fine)
    return out


def _cut(samples: np.ndarray, first: int, count: int) -> np.ndarray:
    """With silence where there is nothing."""
    piece = np.zeros(count)
    low, high = max(0, first), min(len(samples), first + count)
    if high > low:
        piece[low - first : high - first] = samples[low:high]
    return piece


def noisy(samples: np.ndarray, rng: np.random.Generator, db: float = 0.0) -> np.ndarray:
    noise = rng.standard_normal(len(samples), dtype=np.float32)
    return samples + noise * np.float32(samples.std() * 10 ** (-db / 20))


def echoing(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A room: reflections that hold as much energy as the direct sound and die in 0.5 s."""
    tail = rng.normal(size=RATE) * np.exp(-6.9 * np.arange(RATE) / (0.5 * RATE))
    tail[: round(0.003 * RATE)] = 0
    tail /= np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = len(samples) + RATE
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]


def make_pairs(folder: Path, minutes: float) -> list[Pair]:
    """Write all recordings; the long pair comes last."""
    rng = np.random.default_rng(2026)
    pairs = []

    def add(name: str, event: np.ndarray, heard: np.ndarray, early_s: float | None, ppm: float = 0.0) -> None:
        shot = event[round(HANDLES_S * RATE) : len(event) - round(HANDLES_S * RATE)]
        files = [str(folder / f"{len(pairs)}-{who}.wav") for who in ("camera", "recorder")]
        write_wav(files[0], shot)
        write_wav(files[1], heard)
        pairs.append(Pair(name, files[0], files[1], len(shot) / RATE, early_s, ppm))

    whole_s = SHORT_S + 2 * HANDLES_S
    for kind in (speech, music):
        for words, spoil in (("noise at 0 dB", noisy), ("room echo", echoing)):
            early_s = float(rng.uniform(-28, 28))
            event = kind(whole_s, rng)
            add(f"{kind.__name__}, {words}", spoil(event, rng), spoil(moved(event, 0, early_s), rng), early_s)
    for kind in (speech, music):
        add(f"{kind.__name__}, unrelated", kind(whole_s, rng), kind(whole_s, rng), None)
    event = speech(whole_s, rng)
    add("speech against silence", event, np.zeros_like(event), None)
    add("silence against silence", np.zeros_like(event), np.zeros_like(event), None)

    early_s = float(rng.uniform(-28, 28))
    event = speech(minutes * 60 + 2 * HANDLES_S, rng)
    heard = noisy(moved(event, PPM, early_s), rng, db=10)
    add(f"{minutes:g} min, drift {PPM:g} ppm", noisy(event, rng, db=10), heard, early_s, PPM)
    return pairs


def write_wav(path: str, samples: np.ndarray) -> None:
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


# The two tools, each in a process of its own


def ours(pair: Pair) -> tuple[float | None, float | None, float]:
    from otio_avassist import alignment, windows

    def camera(start_s: float, duration_s: float) -> np.ndarray:
        return windows.read_sound(windows.Stretch(Path(pair.camera), start_s, duration_s), rate=RATE)

    def recorder(start_s: float, duration_s: float) -> np.ndarray:
        stretch = windows.Stretch(Path(pair.recorder), HANDLES_S + start_s, duration_s)
        return windows.read_sound(stretch, rate=RATE)

    found = alignment.match_sounds(camera, recorder, pair.duration_s, search_s=30.0, rate=RATE)
    return found.early_s, found.drift_ppm, found.confidence


def theirs(pair: Pair) -> tuple[float | None, float | None, float]:
    from audio_offset_finder.audio_offset_finder import find_offset_between_buffers

    def halved(path: str) -> np.ndarray:
        with wave.open(path, "rb") as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        return samples[: len(samples) // 2 * 2].reshape(-1, 2).mean(axis=1)

    with np.errstate(all="ignore"):
        found = find_offset_between_buffers(halved(pair.recorder), halved(pair.camera), RATE // 2)
    score = float(np.nan_to_num(found["standard_score"], nan=0.0, posinf=0.0))
    return (HANDLES_S - float(found["time_offset"]) if score >= SILENT_SCORE else None), None, score


TOOLS: dict[str, Callable[[Pair], tuple[float | None, float | None, float]]] = {
    "ours": ours,
    "theirs": theirs,
}


def answer(tool: str, pair: Pair) -> Answer:
    began = time.perf_counter()
    early_s, ppm, sure = TOOLS[tool](pair)
    took_s = time.perf_counter() - began
    return Answer(early_s, ppm, sure, took_s, peak_mb())


def peak_mb() -> float:
    """Of this process."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would count what the parent held when it started us.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on a Mac


def answers(tool: str, pairs: Sequence[Pair]) -> list[Answer]:
    """By a fresh process."""
    asked = json.dumps([asdict(pair) for pair in pairs])
    command = [sys.executable, "-m", "bench.sound", "--tool", tool]
    done = subprocess.run(command, input=asked, check=True, stdout=subprocess.PIPE, text=True)
    return [Answer(**each) for each in json.loads(done.stdout)]


def measure(pairs: Sequence[Pair]) -> list[Result]:
    by_tool = [answers(tool, pairs[:-1]) + answers(tool, pairs[-1:]) for tool in TOOLS]
    return [Result(*each) for each in zip(pairs, *by_tool, strict=True)]


# The table


def row(result: Result) -> str:
    both = (cells(result.pair, said) for said in (result.ours, result.theirs))
    return "   ".join([f"{result.pair.name:26}", *both, "missed" if result.misses else "reached"])


def cells(pair: Pair, said: Answer) -> str:
    if said.early_s is None:
        off = "abstains"
    elif pair.early_s is None:
        off = f"{said.early_s:+.1f} s?!"
    else:
        off = f"{(said.early_s - pair.early_s) * 1000:+.3f} ms"
    ppm = f"{said.ppm - pair.ppm:+.2f}" if said.ppm is not None else "–"
    return f"{off:>14} {ppm:>6} {said.sure:6.2f} {said.seconds:7.2f} s {said.peak_mb:6.0f} MB"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.sound",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="length of the long pair; default: 30")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--tool", choices=TOOLS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tool:
        given = [Pair(**each) for each in json.load(sys.stdin)]
        print(json.dumps([asdict(answer(options.tool, pair)) for pair in given]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        results = measure(make_pairs(Path(folder), options.minutes))
    columns = f"{'off by':>14} {'ppm':>6} {'sure':>6} {'took':>9} {'peak':>9}"
    print(f"{'':26}   {'avassist':^49}   {'audio-offset-finder':^49}   goal\n{'':26}   {columns}   {columns}")
    for result in results:
        print(row(result))
    if options.json:
        figures = [
            {
                **asdict(each.pair),
                "ours": asdict(each.ours),
                "theirs": asdict(each.theirs),
                "missed": each.misses,
            }
            for each in results
        ]
        for each in figures:
            del each["camera"], each["recorder"]
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 1 if any(each.misses for each in results) else 0


if __name__ == "__main__":
    sys.exit(main())
