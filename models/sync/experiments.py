"""The thesis' questions about sync in small: `make experiment-sync`, or one of them by its name.

Two sets of clips are rendered (see `rendered`): talking heads, whose sound says at each moment what is seen
(dense), and things that strike and flash now and then (sparse). On them the network is trained as the scripts
train it, at a small size, once for each configuration, and a table is printed for each question:

    selectors     with and without them: every token goes on into the sync transformer
    pretraining   sparse from nothing, after dense, and after dense with a new optimiser
    frozen        the backbones learn with the rest, or stay as they came, one or both (table 5.4)
    length        windows of 2 to 7 s
    memory        what a step keeps for its way back, by the length of the window, at published size: counted
    groups        accuracy by class and by offset, after dense and sparse

The backbones of all but the first line of `pretraining` come from a dense training. The tables show that each
configuration runs and what it has to learn from. They don't repeat the thesis' figures, which took LRS3 and
VGGSound, days on eight cards, and networks a thousand times as large.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import nn

from models.data.scenes import EASY
from models.sync import data, rendered, train_sync
from models.sync.config import Clip, NetworkConfig
from models.sync.data import Clips
from models.sync.measure import measure
from models.sync.sparsesync import SparseSync
from models.sync.train_sync import Settings
from otio_avassist.errors import AvAssistError

CLIP: dict[str, Any] = {"side": 32, "crop": 28, "n_fft": 256, "hop": 160}
NETWORK: dict[str, Any] = {
    "width": 64,
    "heads": 4,
    "selectors": 8,
    "selector_layers": 1,
    "sync_layers": 1,
    "visual_divisor": 8,
    "visual_mixed": 2,
    "visual_time_strides": (2, 1, 1),
    "visual_norm_momentum": 0.1,
    "audio_widths": (8, 16, 32, 64),
    "audio_depths": (1, 1, 1, 1),
    "audio_time_strides": (2, 2, 2, 1, 1),
}
SMALL: dict[str, Any] = {
    "network": NETWORK,
    "classes": 3,
    "reach_s": 1.0,
    "lr": 1e-3,
    "batch": 16,
    "warm_up": 50,
    "patience": None,
    "workers": 1,
    "held_in_memory": 10_000,
}
"""A small network, three classes a second apart, and a rate for small networks; all else is as published."""
PASSES = 4
"""How often held-out clips are measured, with crops of chance."""
LENGTHS_S = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
COLUMNS = ("accuracy_1", "mAP", "loss", "seconds")
HEADINGS = ("right", "mAP", "loss", "seconds")


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    table: str
    name: str
    selectors: int = NETWORK["selectors"]
    window_s: float = 5.0
    dense_first: bool = True
    keep_optimizer: bool = True
    frozen: tuple[str, ...] = ()


CASES = (
    Case("selectors", "with selectors"),
    Case("selectors", "without", selectors=0),
    Case("pretraining", "sparse alone", dense_first=False),
    Case("pretraining", "dense, then sparse, as published"),
    Case("pretraining", "dense, then a new optimiser", keep_optimizer=False),
    # The optimiser of a dense training knows the backbones too: where they stand still, a new one begins.
    Case("frozen", "all of it learns", keep_optimizer=False),
    Case("frozen", "eye frozen", keep_optimizer=False, frozen=("visual",)),
    Case("frozen", "ear frozen", keep_optimizer=False, frozen=("audio",)),
    Case("frozen", "both frozen", keep_optimizer=False, frozen=("visual", "audio")),
    *(Case("length", f"{window_s:g} s", window_s=window_s) for window_s in LENGTHS_S),
)
TABLES = (*dict.fromkeys(case.table for case in CASES), "memory", "groups")


@dataclass(frozen=True)
class Size:
    """How much is rendered and learnt."""

    clips: int = 96
    """Of each kind, to learn from."""
    steps: int = 400
    """Of training, a stage."""

    @property
    def held_out(self) -> int:
        """A quarter as many."""
        return max(1, self.clips // 4)


TINY = Size(clips=2, steps=2)


class Bench:
    """Sets, and what has been trained on them so far: nothing is trained twice."""

    def __init__(self, home: Path, size: Size, *, seed: int) -> None:
        self.home, self.size, self.seed = home, size, seed
        self.known: dict[tuple, Any] = {}
        counts = (size.clips, size.held_out, size.held_out)
        recipe = replace(EASY, side=CLIP["side"])
        if not (home / "set" / "vggsound_valid.txt").exists():
            rendered.dense(home / "set", counts, recipe=recipe, seed=seed)
            rendered.sparse(home / "set", counts, recipe=recipe, seed=seed)

    def settings(self, case: Case, clips: Clips, **others: Any) -> Settings:
        """Of a case, with so many epochs that the steps are those asked for."""
        epochs = max(1, round(self.size.steps / -(-len(clips) // SMALL["batch"])))
        network = {**NETWORK, "selectors": case.selectors}
        clip = {**CLIP, "window_s": case.window_s}
        return Settings(
            **{**SMALL, "network": network, "clip": clip, "epochs": epochs, **others}, seed=self.seed
        )

    def clips(self, layout: data.Layout, split: str, case: Case) -> Clips:
        """One of the sets' splits, for windows of this length."""
        key = ("clips", layout, split, case.window_s)
        if key not in self.known:
            self.known[key] = data.read_clips(
                self.home / "set", layout, split, clip=Clip(**{**CLIP, "window_s": case.window_s}),
                offsets_s=(-1.0, 0.0, 1.0),
            )  # fmt: skip
        return self.known[key]

    def sets(self, layout: data.Layout, case: Case) -> tuple[Clips, Clips]:
        """What is learnt from and what is held out."""
        return self.clips(layout, "train", case), self.clips(layout, "valid", case)

    def dense(self, case: Case) -> Path:
        """Trained on talking heads."""

        def make(folder: Path) -> Path:
            sets = self.sets("lrs3", case)
            settings = self.settings(case, sets[0])
            train_sync.train(settings, sets, folder, train_sync.start(settings), quiet=True)
            return folder / "sync.pt"

        return self._once(("dense", case.selectors, case.window_s), make)

    def sparse(self, case: Case) -> tuple[Path, Settings]:
        """Trained on what strikes and flashes, after talking heads or from nothing."""

        def make(folder: Path) -> tuple[Path, Settings]:
            sets = self.sets("vggsound-sparse", case)
            dense = self.dense(case) if case.dense_first else None
            settings = self.settings(
                case, sets[0], augmentation="sparse", frozen=case.frozen, keep_optimizer=case.keep_optimizer
            )
            network = train_sync.start(settings, checkpoint=dense)
            train_sync.train(settings, sets, folder, network, go_on=dense, quiet=True)
            return folder / "sync.pt", settings

        return self._once(("sparse", replace(case, table="", name="")), make)

    def figures(self, case: Case) -> dict[str, Any]:
        """What a case's network makes of the sparse test clips."""

        def make(_: Path) -> dict[str, Any]:
            began = time.monotonic()
            path, settings = self.sparse(case)
            network = train_sync.start(settings, checkpoint=path)
            test = self.clips("vggsound-sparse", "test", case)
            found = measure(
                network, test, settings.config(), passes=PASSES, held_in_memory=len(test), probes=False
            )
            log = (path.parent / "log.jsonl").read_text(encoding="utf-8").splitlines()
            looks = [line for line in map(json.loads, log) if "epoch" in line]
            best = min(looks, key=lambda line: line["score"])
            return {**found, "loss": best["loss"], "seconds": time.monotonic() - began}

        return self._once(("figures", replace(case, table="", name="")), make)

    def _once(self, key: tuple, make: Callable[[Path], Any]) -> Any:
        if key not in self.known:
            folder = self.home / "runs" / f"{len(self.known):02d}-{key[0]}"
            self.known[key] = make(folder)
        return self.known[key]


# Memory


def kept_bytes(network: nn.Module, *inputs: torch.Tensor) -> int:
    """What a pass keeps for its way back, weights not counted: the same on every machine."""
    weights = {each.untyped_storage().data_ptr() for each in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            # Held, so that no other tensor gets its place while we count.
            held.append(tensor)
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    held: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(*inputs)
    return sum(kept.values())


def memory(window_s: float, selectors: int, **shape: Any) -> dict[str, float]:
    """Megabytes that all behind the backbones keeps of one window while it learns, and how many tokens.

    Args:
        shape: numbers of `NetworkConfig` other than published.
    """
    config = NetworkConfig.fitting(Clip(window_s=window_s), selectors=selectors, **shape)
    network = SparseSync(config).transformer.train()
    time_, rows, columns = config.visual_block
    v = torch.zeros(1, config.width, time_, rows, columns)
    a = torch.zeros(1, config.width, *config.audio_block)
    tokens = time_ * rows * columns + config.audio_block[0] * config.audio_block[1]
    return {"tokens": tokens, "megabytes": kept_bytes(network, v, a) / 1e6}


def memory_table(lengths_s: Sequence[float] = LENGTHS_S, **shape: Any) -> dict[str, dict[str, float]]:
    """Line -> figures, at each length with and without selectors."""
    return {
        f"{window_s:g} s, {name}": memory(window_s, selectors, **shape)
        for window_s in lengths_s
        for name, selectors in (("with selectors", NetworkConfig().selectors), ("without", 0))
    }


# Tables


def line(name: str, figures: dict[str, float], columns: Sequence[str] = COLUMNS) -> str:
    """One line of a table."""
    return f"{name:<36}" + "".join(f"{figures[column]:>10.3f}" for column in columns)


def tell(table: str, headings: Sequence[str]) -> None:
    """A table's first line."""
    click.echo(f"\n{table:<36}" + "".join(f"{heading:>10}" for heading in headings))


def trained_table(bench: Bench, table: str) -> dict[str, dict[str, float]]:
    """A table of trained networks, a line as soon as it is there."""
    tell(table, HEADINGS)
    found = {}
    for case in CASES:
        if case.table == table:
            figures = bench.figures(case)
            found[case.name] = {column: figures[column] for column in COLUMNS}
            click.echo(line(case.name, found[case.name]))
    return found


def counted_table() -> dict[str, dict[str, float]]:
    """The table of memory."""
    columns = ("tokens", "megabytes")
    tell("memory", columns)
    found = memory_table()
    for name, figures in found.items():
        click.echo(line(name, figures, columns))
    return found


def grouped_table(bench: Bench) -> dict[str, dict[str, float]]:
    """The table by class and by offset."""
    tell("groups", ("right", "of"))
    figures = bench.figures(Case("groups", "dense, then sparse"))
    found = {
        f"{by} {name}": {"accuracy": group["accuracy"], "of": group["of"]}
        for by in ("class", "offset")
        for name, group in figures[f"by {by}"].items()
    }
    for name, group in found.items():
        click.echo(line(name, group, ("accuracy", "of")))
    return found


def plot(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """All figures of all tables as bars, each as long as it is of its table's largest, as SVG."""
    shown = {"memory": "megabytes", "groups": "accuracy"}
    left, row, wide = 270, 20, 420
    parts, top = [], 10
    for table, lines in found.items():
        column = shown.get(table, "accuracy_1")
        largest = max(1.0, *(figures[column] for figures in lines.values()))
        unit = "MB" if table == "memory" else "of 1"
        parts.append(f'<text x="10" y="{top + 15}" font-weight="bold">{table}</text>')
        if column != "megabytes":
            x = left + wide / 3
            end = top + row * (len(lines) + 1)
            parts.append(f'<line x1="{x:.1f}" y1="{top + row}" x2="{x:.1f}" y2="{end}" stroke="#c0392b"/>')
        for number, (name, figures) in enumerate(lines.items(), 1):
            y = top + row * number
            length = wide * figures[column] / largest
            parts += [
                f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{name}</text>',
                f'<rect x="{left}" y="{y + 3}" width="{length:.1f}" height="14" fill="#1f6f8b"/>',
                f'<text x="{left + length + 6:.1f}" y="{y + 14}">{figures[column]:.3g} {unit}</text>',
            ]
        top += row * (len(lines) + 2)
    parts.append(f'<text x="10" y="{top + 4}">red: chance, one of three classes</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + wide + 110}" height="{top + 20}" '
        'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


@click.command()
@click.argument("tables", nargs=-1, type=click.Choice(TABLES))
@click.option("--steps", type=int, default=Size.steps, show_default=True, help="Of training, a stage.")
@click.option("--clips", type=int, default=Size.clips, show_default=True, help="Of each kind, to learn from.")
@click.option("--small", is_flag=True, help="Two steps on two clips of each kind: does it run?")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Keep the sets and the runs there.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="The figures, for machines.")
@click.option("--plot", "plot_path", type=click.Path(path_type=Path), help="The figures, as SVG.")
def main(
    tables: tuple[str, ...],
    steps: int,
    clips: int,
    small: bool,
    seed: int,
    out: Path | None,
    json_path: Path | None,
    plot_path: Path | None,
) -> None:
    """Train each configuration on rendered sets, and print TABLES: all of them, or those named."""
    size = TINY if small else Size(clips, steps)
    asked = tables or TABLES
    found: dict[str, dict[str, dict[str, float]]] = {}
    try:
        with tempfile.TemporaryDirectory() as spare:
            makers: dict[str, Callable[[], dict[str, dict[str, float]]]] = {"memory": counted_table}
            if set(asked) - {"memory"}:
                click.echo(
                    f"{size.clips} rendered clips of each kind, {size.steps} steps a stage; chance 0.333"
                )
                bench = Bench(out or Path(spare), size, seed=seed)
                makers["groups"] = partial(grouped_table, bench)
            for table in asked:
                make = makers.get(table) or partial(trained_table, bench, table)
                found[table] = make()
    except (AvAssistError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if json_path:
        held = {"steps": size.steps, "clips": size.clips, "seed": seed, "tables": found}
        json_path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    if plot_path:
        plot_path.write_text(plot(found), encoding="utf-8")


if __name__ == "__main__":
    main()
