"""The plugin's own path on real clips whose sound is shifted by known amounts.

    python -m bench.clips [--clips DIR] [--cut S] [--most N] [--rungs A,B] [--json FILE]
    python -m bench.clips --clips FILM --cut 5 --most 30 --rungs network      single windows of the network

DIR holds clips and a `manifest.json` that lists them with their `audio_early_s` (default: `media` in the
folder that AVASSIST_SHARED names). From each clip the longest stretch is cut that has sound for every shift,
so that nothing is padded and all shifts are equally long; films are cut into N pieces of S seconds. What the
files say of themselves (container, timecode) is not asked. No goal: the figure is what it is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from otio_avassist import bundles, windows
from otio_avassist.errors import BundleError
from otio_avassist.findings import Method, SyncFinding
from otio_avassist.spans import Address, MediaSpan, Shot
from otio_avassist.tasks import sync

SHIFTS_S = (-1.6, -0.8, -0.4, 0.0, 0.4, 0.8, 1.6)
REACH_S = max(SHIFTS_S)
RIGHT_WITHIN_S = 0.2
APPLIED_FROM = 0.8
"""The command's default: surer findings without doubts are applied."""


@dataclass(frozen=True)
class Tally:
    """Of so many shifts of a clip."""

    clip: str
    tried: int
    best_right: int
    """The likeliest offset is right, whether it was named or not."""
    named: int
    named_right: int
    applied: int
    applied_right: int


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.clips",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shared = os.environ.get("AVASSIST_SHARED") or Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--clips", type=Path, default=Path(shared) / "media", metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument(
        "--cut", type=float, metavar="S", help="cut longer films into pieces of so many seconds"
    )
    parser.add_argument("--rungs", default="clap,sound-to-picture,network", metavar="A,B", help="ask these")
    parser.add_argument("--most", type=int, default=10, metavar="N", help="at most so many pieces of each")
    asked = parser.parse_args()
    if not (asked.clips / "manifest.json").is_file():
        print(f"{asked.clips}: no manifest.json here; nothing measured")
        return 0
    model = _model()
    tallies = []
    print(f"{'clip':28} {'best':>7} {'named':>7} {'right':>6} {'applied':>8} {'right':>6}")
    for entry in json.loads((asked.clips / "manifest.json").read_text("utf-8"))["clips"]:
        path = asked.clips / entry["file"]
        pieces = _pieces(path, asked.cut, asked.most, shortest_s=_window_s(model))
        if not pieces:
            print(f"{path.name:28} is too short for shifts of ±{REACH_S:g} s")
            continue
        tallies.append(_tally(path, pieces, entry["audio_early_s"], model, tuple(asked.rungs.split(","))))
        _show(tallies[-1])
    total = Tally("all", *(sum(column) for column in zip(*map(_numbers, tallies), strict=True)))
    _show(total)
    chance = 2 * RIGHT_WITHIN_S / (2 * sync.Options().max_offset_s)
    print(f"'best' is right by chance {chance:.0%} of the time")
    if asked.json:
        figures = [each.__dict__ for each in (*tallies, total)]
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _model() -> bundles.Model | None:
    try:
        return bundles.load(bundles.find("sync"), device="cpu")
    except BundleError as error:
        print(f"without a network: {error}")
        return None


def _pieces(path: Path, cut_s: float | None, most: int, *, shortest_s: float) -> list[tuple[float, float]]:
    """(start, length) of what is shown to the plugin, with room for every shift on both sides."""
    usable_s = (windows.probe(path).duration_s or 0) - 2 * REACH_S
    if usable_s < shortest_s:
        return []
    if cut_s is None or usable_s <= cut_s:
        return [(REACH_S, usable_s)]
    count = min(most, int(usable_s // cut_s))
    return [(REACH_S + number * usable_s / count, cut_s) for number in range(count)]


def _tally(
    path: Path,
    pieces: list[tuple[float, float]],
    early_s: float,
    model: bundles.Model | None,
    rungs: tuple[Method, ...],
) -> Tally:
    fps = float(windows.probe(path).fps or 25)
    # No handles: each shift sees the same pictures, and sound of the same length.
    options = replace(sync.Options(), rungs=rungs, enough_s=0.0)
    counts = [0] * 6
    for start_s, length_s in pieces:
        for shift_s in SHIFTS_S:
            [found] = sync.analyse([_shot(path, start_s, length_s, shift_s, fps)], model, options)
            assert isinstance(found, SyncFinding)
            flags = _flags(found, early_s + shift_s)
            counts = [count + flag for count, flag in zip(counts, flags, strict=True)]
    return Tally(path.name, *counts)


def _flags(found: SyncFinding, truth_s: float) -> tuple[bool, ...]:
    """One shift's share of each number of a `Tally`."""
    named = found.audio_early_s is not None
    applied = named and found.confidence >= APPLIED_FROM and not found.doubts
    right = _right(found.audio_early_s, truth_s)
    return True, _right(_likeliest(found), truth_s), named, right, applied, applied and right


def _right(early_s: float | None, truth_s: float) -> bool:
    return early_s is not None and abs(early_s - truth_s) <= RIGHT_WITHIN_S + 1e-6


def _window_s(model: bundles.Model | None) -> float:
    """The shortest stretch worth trying."""
    return model.card.preprocessing["window_s"] if model is not None else 5.0


def _shot(path: Path, start_s: float, length_s: float, shift_s: float, rate: float) -> Shot:
    """Sound read `shift_s` later than the picture comes early by so much."""
    where = Address((0, 0), "V", 0, path.name, 0)
    picture = MediaSpan(where, "picture", path.name, path, start_s, length_s, 0.0, rate)
    sound = replace(picture, kind="sound", start_s=start_s + shift_s, address=replace(where, path=(1, 0)))
    return Shot(picture, sound, paired_by="link group")


def _likeliest(found: SyncFinding) -> float | None:
    if found.posterior is None:
        return found.audio_early_s
    cells = zip(found.posterior.probabilities, found.posterior.offsets_s, strict=True)
    return max(cells)[1]


def _numbers(tally: Tally) -> tuple[int, ...]:
    return (
        tally.tried, tally.best_right, tally.named, tally.named_right, tally.applied, tally.applied_right,
    )  # fmt: skip


def _show(tally: Tally) -> None:
    print(
        f"{tally.clip:28} {tally.best_right:3}/{tally.tried:3} {tally.named:7} {tally.named_right:6}"
        f" {tally.applied:8} {tally.applied_right:6}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
