"""Run the benches one after the other, each in a process of its own, so that none measures another's memory.

    python -m bench                       all of them
    python -m bench decode --json DIR     some, and their figures as DIR/NAME.json

Ends with 1 where a bench fails or misses its goal; the others run all the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
APART = {"torture"}
"""No bench: it takes an hour, and has a command of its own."""


def main() -> int:
    names = sorted(
        [
            *(path.stem for path in HERE.glob("[a-z]*.py")),
            *(path.parent.name for path in HERE.glob("[a-z]*/__main__.py")),
        ]
    )
    names = [name for name in names if name not in APART]
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(names)}")
    parser.add_argument(
        "--json", type=Path, metavar="DIR", help="write each bench's figures to DIR/NAME.json"
    )
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in names]
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}; there is: {', '.join(names)}")
    if asked.json:
        asked.json.mkdir(parents=True, exist_ok=True)
    return max([_run(name, asked.json) for name in asked.names or names], default=0)


def _run(name: str, folder: Path | None) -> int:
    print(f"\n== {name} ==", flush=True)
    options = ["--json", str((folder / f"{name}.json").resolve())] if folder else []
    done = subprocess.run([sys.executable, "-m", f"bench.{name}", *options], check=False, cwd=HERE.parent)
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
