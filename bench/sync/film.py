"""Pieces of one long film, the sound of each at shifts of the grid.

Where a network was trained on a part of the film, only the rest counts: `--from` and `--to` tell which.
"""

from __future__ import annotations

import argparse
from typing import Any

from bench.sync import shifted, tables, tally
from bench.sync.cuts import usable
from bench.sync.shifted import Job, Shifted
from models.data.offsets import OFFSETS_S

GOAL = 0.8
EVERY = 3
"""Each third shift of the grid, from -2 s on."""
WINDOWS = 2
"""Single windows of each piece."""
ROOM_S = 2.2
"""What a piece needs beyond its length, for a shift of 2 s and a few pictures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("film")
    group.add_argument("--piece", type=float, default=60.0, metavar="S", help="how long its pieces are (60)")
    group.add_argument(
        "--from", type=float, default=0.0, metavar="S", dest="from_s", help="leave out what is before"
    )
    group.add_argument("--to", type=float, metavar="S", dest="to_s", help="leave out what is after")


def lacking(asked: argparse.Namespace) -> str:
    if asked.film is None:
        return "name a film: --film FILE"
    return "" if asked.film.is_file() else f"{asked.film}: no such file"


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether the goal is reached)."""
    offsets_s = tuple(map(float, OFFSETS_S[::EVERY]))
    jobs = [
        Job(
            f"{start_s:.0f} to {start_s + asked.piece:.0f} s",
            asked.film,
            start_s,
            start_s + asked.piece + ROOM_S,
            offsets_s,
            length_s=asked.piece,
            window_s=asked.window,
            most_windows=WINDOWS,
            rungs=asked.rungs,
            bundle=asked.bundle,
        )
        for start_s in _starts(asked)
    ]
    found: dict[str, Shifted] = {}
    print(tables.HEAD)
    for _, each in shifted.in_parallel(shifted.measure, jobs, asked.processes):
        found[each.name] = each
        print(tables.line(each), flush=True)
    tables.show(f"pieces of {asked.film.name}", found, offsets_s)
    right = tally.measured(tally.best_right, [each.whole for each in found.values()])
    reached = right.value is not None and right.value >= GOAL
    print(f"\n  {'reached' if reached else 'missed '}  pieces right at least {GOAL:.0%}: {right.words()}")
    return tables.figures(found), reached


def _starts(asked: argparse.Namespace) -> list[float]:
    """Where pieces start: one after the other, and the last has room for its shifts."""
    first_s, last_s = usable(asked.film)
    first_s, last_s = max(first_s, asked.from_s), min(last_s, asked.to_s or last_s)
    count = int((last_s - first_s - ROOM_S) // asked.piece)
    return [first_s + number * asked.piece for number in range(count)]
