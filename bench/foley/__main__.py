"""Foley, measured.

    python -m bench.foley [roundtrip] [heard] [levels] [distances] [speed] … [--json FILE]

roundtrip  what is left of a sound that has been codes: by YAMNet's ear, beside Griffin-Lim without codes
heard      is a take heard as what it is to be? beside untrained weights and beside another class
levels     loudness, true peak, length and clicks of all takes, by meters that aren't the plugin's own
distances  FID, KID and MKL of takes against real sounds, beside real against real and shuffled pairs
speed      frames to WAV with the compact bundle: seconds a take, stage by stage, and memory
sampler    codes of the published size: beside the authors' way of drawing them and beside memory's own pace
ends       frames to WAV with the published sizes and 0, 1, 5 and 212 features: beside the authors' way

Without names, all that have what they need.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
NAMES = ("roundtrip", "heard", "levels", "distances", "speed", "sampler", "ends", "library")


def main() -> int:
    # Each measures something else and stands for itself.
    parts: dict[str, ModuleType] = {
        name: import_module(f"bench.foley.{name}") for name in NAMES if (HERE / f"{name}.py").is_file()
    }
    parser = argparse.ArgumentParser(
        prog="python -m bench.foley",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which: {', '.join(parts)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="instead of the one that avassist finds")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), metavar="N", help="of the CPU")
    for part in parts.values():
        part.add_arguments(parser)
    asked = parser.parse_args()
    if unknown := [name for name in asked.parts if name not in parts]:
        parser.error(f"no such part: {', '.join(unknown)}; there is: {', '.join(parts)}")
    figures, missed = {}, 0
    for name in asked.parts or parts:
        print(f"\n-- {name} --", flush=True)
        if why := parts[name].lacking(asked):
            print(f"not measured: {why}")
            missed += bool(asked.parts)
            continue
        figures[name], reached = parts[name].measure(asked)
        missed += not reached
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
