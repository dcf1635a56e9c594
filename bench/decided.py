"""Whether what the shipped sync network tells to have decided is what was seen and heard.

    python -m bench.decided [--scenes 147] [--material DIR] [--figures FILE] [--json FILE]

Fresh rendered scenes, from seeds that training never draws, one window of 5 s each with the sound up to 2 s
away. Of windows whose likeliest offset is right, the strongest peak, as a finding has it, is held against
what the scene knows: in which places the thing that is heard moves within about 0.3 s, and when it strikes.
Beside it stand chance (any moment, any place) and the place and moment that move most. Then what it costs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx.utils

from bench.sync.controls import FRESH_SEED, wilson
from bench.sync.road import RIGHT_WITHIN_S
from export.graphs import opened
from models.sync.compact import material, pool, scenes
from otio_avassist import bundles, energies
from otio_avassist.attention import STEP_S, Looks
from otio_avassist.watching import LOOKED

WINDOW_S = 5.0
NEAR_S = 0.3
TOO_MANY = 0.6
"""Where strikes are near so large a share of all moments, a moment near one tells nothing."""
TOLD, MOST, CHANCE = "told", "moves most", "chance"


@dataclass(frozen=True)
class Truth:
    """What is so at each moment of `STEP_S` of a window, and in each of its places."""

    moves: np.ndarray
    """bool (t, h, w): what is heard moves here, about now."""
    beside: np.ndarray
    """The same, or in a place beside it."""
    strikes: np.ndarray
    """bool (t,), of the picture."""
    heard: np.ndarray
    """bool (t,), of the sound."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.decided",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scenes", type=int, default=147, metavar="N", help="how many (147)")
    parser.add_argument("--material", type=Path, default=Path("runs/material"), metavar="DIR")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="instead of the one that avassist finds")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="at once (2)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="those of a training, for the card")
    asked = parser.parse_args()
    material.load(asked.material)  # fetches once what all processes then read
    folder = bundles.find("sync", asked.bundle)
    with ProcessPoolExecutor(asked.processes) as workers:
        ask = partial(of_scene, folder=folder, place=asked.material)
        rows = list(workers.map(ask, range(FRESH_SEED, FRESH_SEED + asked.scenes)))
    figures = summed(rows) | {"first seed": FRESH_SEED, "ms a window of 10 s": cost(folder / "sync.onnx")}
    print(json.dumps(figures, indent=2))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if asked.figures:
        words = json.loads(asked.figures.read_text("utf-8"))
        words["figures"]["bench.decided"] = figures
        asked.figures.write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")
    return 0


@lru_cache(maxsize=1)
def _tools(folder: Path, place: Path) -> tuple[bundles.Model, material.Bank]:
    return bundles.load(folder, device="cpu"), material.load(place)


def of_scene(seed: int, *, folder: Path, place: Path) -> dict[str, Any] | None:
    """What is told of a window of this scene, and whether it is so; None: its offset was told wrong, or
    nothing that is heard moves in it."""
    model, bank = _tools(folder, place)
    scene = scenes.render(seed, bank)
    moves, bands = pool.of_scene(scene)
    rng = np.random.default_rng([seed, 1])
    reach, frames = round(2 * energies.FPS), round(WINDOW_S * energies.FPS)
    lag = int(rng.integers(-reach, reach + 1))
    first = int(rng.integers(max(0, -lag), len(moves) - frames - max(0, lag) + 1))
    seen, heard = moves[first : first + frames], bands[first + lag : first + lag + frames]
    told = model("logits", *LOOKED, moves=seen[None], bands=heard[None])
    offset_s = float(model.card.classes[int(told["logits"][0].argmax())])
    own = scene.moving[first : first + frames]
    if abs(offset_s - lag / energies.FPS) > RIGHT_WITHIN_S + 1e-6 or not own.any():
        return None
    looks = Looks()
    looked, listened = (told[name][0] for name in LOOKED)
    looks.add(0.0, WINDOW_S, looked, listened, (1.0, 1.0))
    found = looks.within(0.0, WINDOW_S)
    assert found is not None
    rows, columns = looked.shape[-2:]
    truth = truth_of(own, np.array(scene.strikes_s) - first / energies.FPS, lag, (rows, columns))
    at_s, down, across, _ = found.seen[0]
    energy = _halved(seen[:, energies.ENERGY], np.mean)
    energy = energy[: len(energy) // 5 * 5].reshape(-1, 5, rows, columns).mean(1)
    most = np.unravel_index(energy.argmax(), energy.shape)
    row: dict[str, Any] = {
        name: _is_so(truth, *at)
        for name, at in ((TOLD, (int(at_s / STEP_S), int(down * rows), int(across * columns))), (MOST, most))
    }
    near = truth.strikes[:, None, None]
    row[CHANCE] = [
        float(np.mean(each))
        for each in (truth.moves, truth.beside, truth.strikes, near & truth.moves, near & truth.beside)
    ]
    row["struck"] = bool(0 < truth.strikes.mean() <= TOO_MANY)
    row["heard"] = bool(truth.heard[int(found.heard[0][0] / STEP_S)]), float(truth.heard.mean())
    row["sounded"] = bool(0 < truth.heard.mean() <= TOO_MANY)
    return row


def truth_of(own: np.ndarray, strikes_s: np.ndarray, lag: int, places: tuple[int, int]) -> Truth:
    """Of a window: in which cells what is heard moves (T, ROWS, COLUMNS), and when it strikes."""
    moments = np.arange(len(own) // 5)
    now_s = (moments + 0.5) * STEP_S
    cells = _halved(own, np.any)
    assert cells.shape[1:] == places
    reach = round(NEAR_S * energies.FPS)
    moves = np.stack([cells[max(0, 5 * at + 2 - reach) : 5 * at + 3 + reach].any(0) for at in moments])
    padded = np.pad(moves, ((0, 0), (1, 1), (1, 1)))
    rows, columns = places
    beside = np.any(
        [padded[:, down : down + rows, right : right + columns] for down in range(3) for right in range(3)], 0
    )
    inside_s = strikes_s[(strikes_s >= 0) & (strikes_s < len(own) / energies.FPS)]
    strikes, heard = (
        (np.abs(now_s[:, None] - (inside_s - early_s)) <= NEAR_S).any(1)
        for early_s in (0.0, lag / energies.FPS)
    )
    return Truth(moves, beside, strikes, heard)


def _halved(cells: np.ndarray, how: Callable[..., np.ndarray]) -> np.ndarray:
    """Cells of `energies` -> the network's places, of two by two."""
    rows, columns = cells.shape[1] // 2, cells.shape[2] // 2
    return how(cells.reshape(len(cells), rows, 2, columns, 2), axis=(2, 4))


def _is_so(truth: Truth, at: int, row: int, column: int) -> list[float]:
    here, beside, struck = truth.moves[at, row, column], truth.beside[at, row, column], truth.strikes[at]
    return [float(each) for each in (here, beside, struck, struck and here, struck and beside)]


def summed(rows: list[dict[str, Any] | None]) -> dict[str, Any]:
    """Shares of windows whose offset is right."""
    right = [row for row in rows if row is not None]
    struck, sounded = ([row for row in right if row[name]] for name in ("struck", "sounded"))
    figures: dict[str, Any] = {
        "scenes": len(rows),
        "place": {"of": len(right)},
        "place and moment": {"of": len(struck)},
    }
    for name in (TOLD, MOST, CHANCE):
        figures["place"][name] = _share(name, [row[name][0] for row in right])
        figures["place and moment"][name] = _share(name, [row[name][3] for row in struck])
        figures["place and moment"][f"{name}, or beside it"] = _share(name, [row[name][4] for row in struck])
    figures["moment of the sound"] = {
        "of": len(sounded),
        TOLD: _share(TOLD, [row["heard"][0] for row in sounded]),
        CHANCE: _share(CHANCE, [row["heard"][1] for row in sounded]),
    }
    return figures


def _share(name: str, each: list[float]) -> Mapping[str, Any] | float:
    if name == CHANCE:
        return round(float(np.mean(each)), 3)
    low, high = wilson(int(sum(each)), len(each))
    return {"share": round(float(np.mean(each)), 3), "interval_95": [round(low, 3), round(high, 3)]}


def cost(path: Path) -> dict[str, float]:
    """Milliseconds for a window of 10 s, the quickest of many, of the graph and of one that tells nothing."""
    draw = np.random.default_rng(0)
    frames = round(10 * energies.FPS)
    moves = 0.1 * draw.random((1, frames, energies.CHANNELS, energies.ROWS, energies.COLUMNS))
    bands = draw.normal(-8, 3, (1, frames, energies.STEPS * energies.BANDS))
    inputs = {"moves": moves.astype(np.float32), "bands": bands.astype(np.float32)}
    taken: dict[str, list[float]] = {"with": [], "without": []}
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder, "bare.onnx")
        onnx.utils.extract_model(path, bare, list(inputs), ["logits"])
        sessions = {"with": opened(path), "without": opened(bare)}
        # In turn, so that a busy machine slows both.
        for _ in range(50):
            for name, session in sessions.items():
                began = time.perf_counter()
                session.run(None, inputs)
                taken[name].append(time.perf_counter() - began)
    return {name: round(1000 * min(each), 1) for name, each in taken.items()}


if __name__ == "__main__":
    sys.exit(main())
