"""Fresh rendered scenes by the network alone, and controls in which nothing can tell the offset.

Each scene is cut with a known offset, written without loss, and goes the plugin's own path. Then the same
with the picture or the sound blanked, replaced by noise, or with the sound of another scene: a network that
is above chance on those knows what it shouldn't.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.sync import cuts, road, shifted
from bench.sync.controls import CONTROLS, FRESH_SEED, Windows, wilson, without_a_clue
from bench.sync.road import RIGHT_WITHIN_S, Answer, Sample
from bench.sync.tally import chance
from models.data.offsets import OFFSETS_S, cut, draw_start_s
from otio_avassist import bundles
from otio_avassist.errors import BundleError

FPS, RATE = 25, 16_000
"""Of every scene."""
AS_IT_IS = "as rendered"
GOAL = 0.95


def _with_drawn_sounds(place: Path) -> Callable[[int], Any]:
    from models.data.scenes import render

    return render


def _with_real_sounds(recipe: str, place: Path) -> Callable[[int], Any]:
    from models.sync.compact import material, scenes

    return partial(scenes.render, bank=material.load(place), recipe=getattr(scenes, recipe))


RENDERERS: Mapping[str, Callable[[Path], Callable[[int], Any]]] = {
    "clips": _with_drawn_sounds,
    "grids": partial(_with_real_sounds, "FULL"),
    "easy": partial(_with_real_sounds, "EASY"),
}
"""What a network eats, by its card -> the scenes that it learnt from, seed by seed; and those with one thing
that is seen and heard, and nothing beside it."""


@dataclass(frozen=True)
class Batch:
    """Some scenes, the classes in turn so that each comes equally often."""

    first: int
    count: int
    rendered_for: str
    """One of RENDERERS."""
    material: Path
    window_s: float
    bundle: Path | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("scenes")
    group.add_argument("--scenes", type=int, default=147, metavar="N", help="how many (147)")
    group.add_argument("--rendered-for", choices=RENDERERS, help="another network than the one that is asked")
    group.add_argument(
        "--material", type=Path, default=Path("runs/material"), metavar="DIR", help="fetched sounds of scenes"
    )


def lacking(asked: argparse.Namespace) -> str:
    try:
        bundles.find("sync", asked.bundle)
    except BundleError as error:
        return str(error)
    return ""


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether the goal is reached and the controls are at chance)."""
    card = bundles.Card.read(bundles.find("sync", asked.bundle))
    kind = asked.rendered_for or card.preprocessing.get("inputs", "clips")
    RENDERERS[kind](asked.material)  # fetches once what all processes then read
    step = len(OFFSETS_S)
    batches = [
        Batch(first, min(step, asked.scenes - first), kind, asked.material, asked.window, asked.bundle)
        for first in range(0, asked.scenes, step)
    ]
    answers: dict[str, list[Answer]] = {name: [] for name in (AS_IT_IS, *CONTROLS)}
    for _, told in shifted.in_parallel(ask, batches, asked.processes):
        for name, each in told.items():
            answers[name] += each
        print(f"  {len(answers[AS_IT_IS])} of {asked.scenes} scenes", flush=True)
    guessing = chance(OFFSETS_S, RIGHT_WITHIN_S)
    rows = {name: _share(each) for name, each in answers.items()}
    print(f"rendered for {kind}, one window of {asked.window:g} s each (guessing: {guessing:.0%})")
    for name, row in rows.items():
        low, high = row["interval_95"]
        print(f"  {name:24} {row['share']:.1%} ({low:.1%} to {high:.1%})")
    told_apart = [name for name in CONTROLS if rows[name]["interval_95"][0] > guessing]
    reached = rows[AS_IT_IS]["share"] >= GOAL
    print(f"  {'reached' if reached else 'missed '}  scenes right at least {GOAL:.0%}")
    print(f"  {'missed ' if told_apart else 'reached'}  controls at chance {', '.join(told_apart)}")
    figures = {"rendered for": kind, "first seed": FRESH_SEED, "guessing": round(guessing, 3), "rows": rows}
    figures["answers"] = {name: [asdict(each) for each in told] for name, told in answers.items()}
    return figures, reached and not told_apart


def _share(answers: Sequence[Answer]) -> dict[str, Any]:
    """Scenes are independent of each other, so Wilson's interval holds."""
    right = sum(each.best_right for each in answers)
    low, high = wilson(right, len(answers))
    return {
        "share": round(right / len(answers), 4),
        "interval_95": [round(low, 4), round(high, 4)],
        "of": len(answers),
    }


def ask(batch: Batch) -> dict[str, list[Answer]]:
    """What the network says of some scenes, and of each control made of them."""
    plain = windows_of(batch)
    return {
        name: _asked(plain if name == AS_IT_IS else without_a_clue(plain, name, batch.first), batch)
        for name in (AS_IT_IS, *CONTROLS)
    }


def windows_of(batch: Batch) -> Windows:
    """One window of each scene, with the offset of its class."""
    render = RENDERERS[batch.rendered_for](batch.material)
    frames, samples, wanted = [], [], []
    for number in range(batch.first, batch.first + batch.count):
        label = number % len(OFFSETS_S)
        rng = np.random.default_rng([FRESH_SEED, number])
        scene = render(FRESH_SEED + number)
        offset_s, scene_s = float(OFFSETS_S[label]), len(scene.frames) / FPS
        start_s = draw_start_s(rng, offset_s, scene_s=scene_s, window_s=batch.window_s)
        seen, heard = cut(
            scene.frames,
            scene.samples,
            start_s=start_s,
            offset_s=offset_s,
            window_s=batch.window_s,
            fps=FPS,
            rate=RATE,
        )
        frames.append(seen)
        samples.append(heard)
        wanted.append(label)
    return Windows(np.stack(frames), np.stack(samples), np.array(wanted))


def _asked(made: Windows, batch: Batch) -> list[Answer]:
    with tempfile.TemporaryDirectory() as place:
        samples = []
        for number, label in enumerate(made.wanted):
            path = Path(place, f"{number:02}.mkv")
            cuts.write_scene(made.frames[number], made.samples[number], fps=FPS, rate=RATE, target=path)
            samples.append(Sample(path, float(OFFSETS_S[label])))
        return road.ask(samples, ("network",), bundle=batch.bundle)
