"""The thesis' questions about foley in small: `make experiment-foley`.

Two sets of sounds are invented (see `invented`): a wide one of six kinds, and a narrow one of three, a
fifth higher. On them the networks are trained as the scripts train them, at a small size, once for each
configuration, and a table is printed for each question:

    losses     which terms make the codebook (table 4.3): what comes back of held-out sounds
    features   how many rows of features the sampler is shown: none, 1, 5, all (212 of published clips), and a
               class in their place (table 4.2)
    codebooks  a codebook learnt on one set and sampled for the other (table 4.1)

The figures are those of the published tables (FID and MKL, by a Melception that is trained here on the wide
set), and the sampler's loss a code, which tells small differences best. They show that each configuration
runs and what it has to learn from. They don't repeat the thesis' figures, which took 200,000 clips, days on
four cards, and networks a thousand times as large; nor can what is no recording say what helps with
recordings.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from models.foley import (
    data,
    evaluate,
    generate,
    invented,
    train_classifier,
    train_codebook,
    train_sampler,
    trained,
)
from models.foley.data import Clips
from models.foley.lpaps import LPAPS
from otio_avassist.errors import AvAssistError

MELCEPTION: dict[str, Any] = {"classifier": {"divisor": 16}, "lr": 1e-3, "batch": 16}
VGGISHISH: dict[str, Any] = {"classifier": {"divisor": 32}, "lr": 1e-3, "batch": 16}
CODEBOOK: dict[str, Any] = {
    "codebook": {
        "codes": 64,
        "width": 8,
        "channels": 8,
        "multipliers": (1, 1, 2, 2, 4),
        "blocks": 1,
        "attention_at": (6,),
        "groups": 4,
    },
    "lpaps_divisor": 32,
    "judge_channels": 8,
    "base_lr": 2.5e-4,
    "batch": 4,
}
SAMPLER: dict[str, Any] = {
    "sampler": {"layers": 2, "heads": 4, "width": 64},
    "base_lr": 2e-4,
    "batch": 8,
    "patience": None,
}
VOCODER: dict[str, Any] = {
    "vocoder": {"channels": 4, "residual": 1, "judge_channels": 4, "widest": 16, "scales": 2},
    "batch": 8,
}
"""Small networks, with rates for small networks; all else is as published."""
WIDE, NARROW = "wide", "narrow"
KINDS = {WIDE: (invented.KINDS, 1.0), NARROW: (invented.KINDS[:3], 1.5)}
TAKES = 2
"""Of each held-out clip."""


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    table: str
    name: str
    losses: tuple[tuple[str, float], ...] = ()
    """Weights of the codebook's loss other than published."""
    lpaps: bool = False
    """Whether LPAPS looks by a trained network, not by a random one as published."""
    codebook: str = WIDE
    """The set that it is learnt on."""
    sampler: str | None = None
    """The set that is sampled; None: there and back through the codebook alone."""
    features: int = 0
    """Rows that are shown; 0: one of noise."""
    class_token: bool = False


ALL = invented.SIZE.rows_crop
CASES = (
    Case("losses", "pixels", (("perceptual", 0), ("judge", 0))),
    Case("losses", "pixels, LPAPS as published", (("judge", 0),)),
    Case("losses", "pixels, LPAPS trained", (("judge", 0),), lpaps=True),
    Case("losses", "pixels, judge", (("perceptual", 0),)),
    Case("losses", "all, as published"),
    Case("features", "no features", sampler=WIDE),
    Case("features", "1", sampler=WIDE, features=1),
    Case("features", "5", sampler=WIDE, features=5),
    Case("features", f"all {ALL} (212)", sampler=WIDE, features=ALL),
    Case("features", "class", sampler=WIDE, class_token=True),
    *(
        Case("codebooks", f"{learnt} -> {said}, {name}", codebook=learnt, sampler=said, features=count)
        for learnt, said in ((WIDE, WIDE), (WIDE, NARROW), (NARROW, NARROW))
        for name, count in (("no features", 0), (f"all {ALL}", ALL))
    ),
)


class Bench:
    """Sets, and what has been trained on them so far: nothing is trained twice."""

    def __init__(self, home: Path, *, clips: int, steps: int, seed: int) -> None:
        self.home, self.clips, self.steps, self.seed = home, clips, steps, seed
        self.known: dict[tuple, Any] = {}
        self.begun = 0
        for number, (name, (kinds, pitch)) in enumerate(KINDS.items()):
            valid = max(2, clips // 4)
            how = {"train": clips, "valid": valid, "pitch": pitch, "seed": seed + number}
            invented.render(home / name, kinds=kinds, **how)

    def _once(self, key: tuple, make: Callable[[Path], Any]) -> Any:
        if key not in self.known:
            self.begun += 1
            self.known[key] = make(self.home / "runs" / f"{self.begun:02d}-{key[0]}")
        return self.known[key]

    def sets(self, name: str, extractor: str | None = None) -> tuple[Clips, Clips]:
        """What is learnt from and what is held out."""
        return data.read_sets(self.home / name, "vas", extractor=extractor, size=invented.SIZE)

    def epochs(self, name: str, batch: int, share: float = 1.0) -> int:
        """So many that the steps are those asked for, or a share of them."""
        items = len(self.sets(name)[0])
        return max(1, round(share * self.steps / -(-items // batch)))

    def melception(self) -> Path:
        """The judge of all, trained on the wide set."""
        return self._classifier("melception", MELCEPTION)

    def lpaps(self) -> LPAPS:
        """LPAPS by a trained VGGish-ish."""
        return train_codebook.read_lpaps(self._classifier("vggishish", VGGISHISH))

    def _classifier(self, network: str, numbers: dict[str, Any]) -> Path:
        def make(folder: Path) -> Path:
            epochs = self.epochs(WIDE, numbers["batch"], 0.5)
            settings = train_classifier.Settings.of(
                network, seed=self.seed, epochs=epochs, patience=None, **numbers
            )
            train_classifier.train(settings, self.sets(WIDE), folder, quiet=True)
            return folder / "classifier.pt"

        return self._once((network,), make)

    def codebook(self, case: Case) -> Path:
        """Of a case's terms, trained on its set."""

        def make(folder: Path) -> Path:
            # A sampler of a bad codebook says little: it gets twice the steps.
            epochs = self.epochs(case.codebook, CODEBOOK["batch"], 2)
            # As in the published runs, the judge comes late.
            settings = train_codebook.Settings(
                **{**CODEBOOK, "judge_from": self.steps * 4 // 3, **dict(case.losses)},
                seed=self.seed,
                epochs=epochs,
            )
            sets, lpaps = self.sets(case.codebook), self.lpaps() if case.lpaps else None
            train_codebook.train(settings, sets, folder, perceptual=lpaps, quiet=True)
            return folder / "codebook.pt"

        return self._once(("codebook", case.losses, case.lpaps, case.codebook), make)

    def sampler(self, case: Case, learnt_on: str) -> tuple[Path, float]:
        """Of a case, and its loss a code on held-out clips."""

        def make(folder: Path) -> tuple[Path, float]:
            if case.class_token:
                shown = {"extractor": None, "class_token": True}
            else:
                shown = {
                    "extractor": "resnet50" if case.features else "noise",
                    "features": case.features or 1,
                }
            epochs = self.epochs(learnt_on, SAMPLER["batch"])
            settings = train_sampler.Settings(**SAMPLER, **shown, seed=self.seed, epochs=epochs)
            _, codebook = trained.read_codebook(self.codebook(case))
            extractor = "resnet50" if case.features else None
            progress = train_sampler.train(
                settings, self.sets(learnt_on, extractor), codebook, folder, quiet=True
            )
            return folder / "sampler.pt", progress.best

        key = ("sampler", self.codebook(case), learnt_on, case.features, case.class_token)
        return self._once(key, make)

    def run(self, case: Case) -> dict[str, float]:
        """Train and measure one line."""
        judge = self.melception()
        began = time.monotonic()
        found: dict[str, float] = {}
        name = case.sampler or case.codebook
        _, clips = self.sets(name, "resnet50" if case.features else None)
        if case.sampler is None:
            path = self.codebook(case)
        else:
            path, found["loss"] = self.sampler(case, case.sampler)
        out = path.parent / "takes"
        generate.generate(path, clips, out, takes=TAKES, top_k=64, seed=self.seed)
        figures = evaluate.evaluate(judge, out, clips)["takes"]
        found |= {column: figures[column] for column in ("fid", "mkl")}
        if case.sampler is None:
            found["pixels"] = evaluate.pixels(out, clips)
        return {**found, "seconds": time.monotonic() - began}


COLUMNS = ("loss", "fid", "mkl", "pixels", "seconds")
HEADINGS = ("loss", "FID", "MKL", "pixels", "seconds")


def line(name: str, figures: dict[str, float]) -> str:
    """One line of a table; what a case has no figure for stays empty."""
    shown = (f"{figures[column]:>10.3f}" if column in figures else " " * 10 for column in COLUMNS)
    return f"{name:<32}" + "".join(shown)


@click.command()
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Choice(sorted({case.table for case in CASES})),
    help="Only this.",
)
@click.option("--steps", type=int, default=400, show_default=True, help="Of training, a sampler.")
@click.option("--clips", type=int, default=24, show_default=True, help="Of each kind, to learn from.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Keep the sets and the runs there.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="The figures, for machines.")
def main(
    tables: tuple[str, ...], steps: int, clips: int, seed: int, out: Path | None, json_path: Path | None
) -> None:
    """Train each configuration on invented sets, and print the thesis' tables in small."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    try:
        with tempfile.TemporaryDirectory() as spare:
            bench = Bench(out or Path(spare), clips=clips, steps=steps, seed=seed)
            click.echo(
                f"{clips} invented clips of each kind, {steps} steps a sampler, twice as many a codebook"
            )
            for table in tables or dict.fromkeys(case.table for case in CASES):
                click.echo(f"\n{table:<32}" + "".join(f"{heading:>10}" for heading in HEADINGS))
                for case in CASES:
                    if case.table == table:
                        found.setdefault(table, {})[case.name] = figures = bench.run(case)
                        click.echo(line(case.name, figures))
    except (AvAssistError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if json_path:
        held = {"steps": steps, "clips": clips, "seed": seed, "tables": found}
        json_path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
