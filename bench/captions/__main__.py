"""Captions, measured.

    python -m bench.captions [clips] [events] [speed] [film] [--json FILE]

clips    does a marker name what is there, and does one name what isn't: beside each stream alone and beside a
         template of plain labels, on the clips of a folder with a manifest
events   are things found when they happen: beside plain energy, on mixtures of real sounds with known times
speed    proposals and sentences of the published size: beside the authors' way of making them
film     a page to be judged by a person, the speed of the whole road and its memory
fetch    bring sounds that no training has used (a Debian package, some 160 MB) into the folder of --sounds

Without names, all that have what they need; film asks for --film, events for --sounds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from bench.captions import clips, events, film, speed

PARTS = {"events": events, "clips": clips, "speed": speed, "film": film}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.captions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shared = Path(os.environ.get("AVASSIST_SHARED") or Path(__file__).resolve().parents[3] / "shared")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which: {', '.join(PARTS)}, fetch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="instead of the one that avassist finds")
    parser.add_argument("--clips", type=Path, default=shared / "media", metavar="DIR")
    for part in PARTS.values():
        part.add_arguments(parser)
    asked = parser.parse_args()
    unknown = [name for name in asked.parts if name not in (*PARTS, "fetch")]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there is: {', '.join(PARTS)}, fetch")
    if "fetch" in asked.parts:
        events.fetch(asked)
        asked.parts.remove("fetch")
        if not asked.parts:
            return 0
    figures, missed = {}, 0
    for name in asked.parts or PARTS:
        print(f"\n-- {name} --", flush=True)
        if why := PARTS[name].lacking(asked):
            print(f"not measured: {why}")
            missed += bool(asked.parts)
            continue
        figures[name], reached = PARTS[name].measure(asked)
        missed += not reached
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
