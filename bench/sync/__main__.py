"""The sync task, measured on what it was not made from.

    python -m bench.sync [clips] [film] [scenes] [speed] [--film FILE] [--json FILE]

clips    real clips of a folder with a manifest, the sound of each at all 21 shifts: single windows, whole
         clips, what it stood for, and plain motion energy beside it
film     pieces of a minute of a film, at seven shifts
scenes   fresh rendered scenes by the network alone, and controls without a clue
speed    the command on a whole film, with early stopping and looking at all of it

Without names, all that have what they need; film and speed ask for --film. What files say of themselves,
container and timecode, is not asked. Intervals are of 95 %, by clip: shifts of one clip are no independent
samples.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.sync import clips, film, road, scenes, speed
from otio_avassist.tasks import sync

PARTS = {"clips": clips, "film": film, "scenes": scenes, "speed": speed}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.sync",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shared = Path(os.environ.get("AVASSIST_SHARED") or Path(__file__).resolve().parents[3] / "shared")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which: {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and every answer")
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", help="put the figures into those of a training, for the card"
    )
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="instead of the one that avassist finds")
    parser.add_argument("--clips", type=Path, default=shared / "media", metavar="DIR")
    parser.add_argument("--film", type=Path, metavar="FILE", help="Big Buck Bunny, for instance")
    parser.add_argument("--rungs", type=_rungs, default=road.RUNGS, metavar="A,B", help="ask only these")
    parser.add_argument("--window", type=float, default=5.0, metavar="S", help="length of single windows (5)")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="at once (2)")
    for part in PARTS.values():
        part.add_arguments(parser)
    asked = parser.parse_args()
    if unknown := [name for name in asked.parts if name not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}; there is: {', '.join(PARTS)}")
    figures, missed = {}, 0
    for name in asked.parts or PARTS:
        print(f"\n-- {name} --", flush=True)
        if why := PARTS[name].lacking(asked):
            print(f"not measured: {why}")
            missed += bool(asked.parts)
            continue
        began = time.monotonic()
        figures[name], reached = PARTS[name].measure(asked)
        missed += not reached
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if asked.figures:
        words = json.loads(asked.figures.read_text("utf-8"))
        words["figures"] |= {f"bench.sync {name}": _for_a_card(each) for name, each in figures.items()}
        asked.figures.write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")
    return 1 if missed else 0


def _for_a_card(figures: Any) -> Any:
    """Without single answers and names, and no finer than the figures are."""
    if isinstance(figures, dict):
        left_out = {"answers", "wrong in more than one shift"}
        return {name: _for_a_card(each) for name, each in figures.items() if name not in left_out}
    if isinstance(figures, list | tuple):
        return [_for_a_card(each) for each in figures]
    return round(figures, 3) if isinstance(figures, float) else figures


def _rungs(text: str) -> tuple[str, ...]:
    rungs = tuple(text.split(","))
    if unknown := set(rungs) - set(sync.RUNGS):
        raise argparse.ArgumentTypeError(
            f"no such rung: {', '.join(unknown)}; there is: {', '.join(sync.RUNGS)}"
        )
    return rungs


if __name__ == "__main__":
    sys.exit(main())
