"""Try to break the plugin, with a fixed seed and for a bounded time.

    python -m bench.torture                        all kinds, one after the other
    python -m bench.torture timelines --seed 7     some of them, by another seed
    python -m bench.torture media --case 112 --keep DIR    one case again, its files kept in DIR

Ends with 1 where anything went wrong.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from bench.torture.outcome import Asked, Outcome

KINDS = {
    "kill": "kill -9 at random moments of runs",
    "timelines": "timelines with things wrong in them",
    "media": "media files with things wrong in them",
    "places": "full disks, closed folders, files that vanish, long names, two processes on one output",
    "bundles": "hostile networks and checkpoints",
    "archives": "hostile .otioz and .otiod, XML and subtitles",
    "soak": "hundreds of timelines in one process",
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.torture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help="; ".join(f"{name}: {what}" for name, what in KINDS.items())
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is random; default: 0")
    parser.add_argument(
        "--seconds", type=float, default=1800.0, help="no kind begins a case after that; default: 1800"
    )
    parser.add_argument("--count", type=int, help="cases of each kind; default: as many as are usual")
    parser.add_argument("--case", type=int, help="only this case, by its number")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make and leave all files there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    if unknown := [name for name in options.kinds if name not in KINDS]:
        parser.error(f"no such kind: {', '.join(unknown)}; there is: {', '.join(KINDS)}")
    outcomes = []
    for name in options.kinds or KINDS:
        folder = options.keep / name if options.keep else Path(tempfile.mkdtemp(prefix=f"torture-{name}-"))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            outcomes.append(
                torture(
                    name, Asked(folder.resolve(), options.seed, options.count, options.seconds, options.case)
                )
            )
        finally:
            if not options.keep:
                shutil.rmtree(folder, ignore_errors=True)
        show(outcomes[-1])
    if options.json:
        figures = [asdict(each) | {"seed": options.seed} for each in outcomes]
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if all(each.passed for each in outcomes) else 1


def torture(name: str, asked: Asked) -> Outcome:
    """One kind."""
    began = time.monotonic()
    outcome: Outcome = importlib.import_module(f"bench.torture.{name}").run(asked)
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def show(outcome: Outcome) -> None:
    """A line with figures, and one for each case that went wrong."""
    short = f" of {outcome.wanted}, for which there was time" if outcome.tried < outcome.wanted else ""
    figures = "; ".join(f"{what}: {figure}" for what, figure in sorted(outcome.figures.items()))
    print(
        f"{outcome.name}: {outcome.tried} cases{short}, {len(outcome.failed)} wrong, {outcome.seconds:.0f} s"
        + (f"; {figures}" if figures else ""),
        flush=True,
    )
    for line in outcome.failed:
        print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
