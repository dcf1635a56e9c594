"""The papers' questions in small: `make experiment-captions`, or `python -m models.captions.experiments`.

A set like ActivityNet Captions is drawn from seeds: videos of a few events, each of a kind; rows of features
whose mean tells the kind, one half of it in the sound, the other in the picture; sentences of a small grammar
that say both; speech that says a third thing. On it the networks are trained as `train` trains them, at a
small size, once for each configuration, and a table is printed for each question:

    modalities   sound, picture, both (thesis, table 3.3); MDVC with and without speech
    order        proposals and captions learnt apart, the one from the other, the other from the one
    fusion       how MDVC's streams come to one word, and the Bi-GRU in its place
    noise        random features

The tables show that each configuration runs and what it has to learn from; they don't repeat the papers'
figures, which took ActivityNet, days, and networks a thousand times as large.
"""

from __future__ import annotations

import csv
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from models.captions import metrics, train
from models.captions.train import Run, Settings
from otio_avassist.errors import AvAssistError

SUBJECTS = ("man", "woman", "boy", "girl", "dog", "band")
DEEDS = ("is playing the guitar", "jumps into the water", "runs down the street", "talks to the camera")
SOUNDS = ("while people cheer", "while music plays", "in the rain", "without a sound", "as an engine roars")
PLACES = ("on a stage", "in a garden", "at the beach", "in a gym")
AUDIO_WIDTH, VIDEO_WIDTH = 16, 32
STEP_S = {"audio": 0.96, "video": 0.96}
"""As MDVC's rows; the same set serves all networks."""


def render(folder: Path, *, videos: int = 192, valid: int = 48, seed: int = 0) -> None:
    """Write the set: `train.csv`, `val_1.csv`, `val_2.csv`, `speech.csv` and `features/`."""
    rng = np.random.default_rng([seed, 7])
    (folder / "features").mkdir(parents=True, exist_ok=True)
    # What each kind looks and sounds like, the same in all the set.
    seen = rng.normal(0, 1, (len(SUBJECTS), len(DEEDS), VIDEO_WIDTH))
    heard = rng.normal(0, 1, (len(SOUNDS), AUDIO_WIDTH))
    said: list[tuple] = []
    for name, count in (("train", videos), ("val_1", valid)):
        rows: list[tuple] = []
        again: list[tuple] = []
        for number in range(count):
            video = f"v_{name}{number:04d}"
            duration_s = round(float(rng.uniform(20, 40)), 2)
            steps = int(duration_s / STEP_S["video"])
            rgb = rng.normal(0, 0.5, (steps, VIDEO_WIDTH))
            vggish = np.abs(rng.normal(0, 0.5, (steps, AUDIO_WIDTH)))
            edges = np.sort(rng.uniform(0, duration_s, 4))
            for start_s, end_s in ((edges[0], edges[1]), (edges[2], edges[3])):
                if end_s - start_s < 2:
                    end_s = min(duration_s, start_s + 2)
                    start_s = end_s - 2
                kind = [int(rng.integers(len(words))) for words in (SUBJECTS, DEEDS, SOUNDS, PLACES)]
                first, last = int(start_s / STEP_S["video"]), int(np.ceil(end_s / STEP_S["video"]))
                rgb[first:last] += seen[kind[0], kind[1]]
                vggish[first:last] += heard[kind[2]]
                place = PLACES[kind[3]]
                said.append((video, f"here we are {place}", f"{start_s:.2f}", f"{end_s + 1:.2f}"))
                sentence = f"A {SUBJECTS[kind[0]]} {DEEDS[kind[1]]} {place} {SOUNDS[kind[2]]}"
                rows.append((video, sentence, f"{start_s:.2f}", f"{end_s:.2f}", duration_s, name, len(rows)))
                # The other people see it half a second later, and leave out where it is.
                other = f"A {SUBJECTS[kind[0]]} {DEEDS[kind[1]]} {SOUNDS[kind[2]]}"
                late_s = min(duration_s, end_s + 0.5)
                again.append(
                    (video, other, f"{start_s:.2f}", f"{late_s:.2f}", duration_s, "val_2", len(again))
                )
            half = rng.uniform(0.3, 0.7)
            for end, values in (("rgb", half * rgb), ("flow", (1 - half) * rgb), ("vggish", vggish)):
                np.save(folder / "features" / f"{video}_{end}.npy", values.astype(np.float32))
        _write(folder / f"{name}.csv", CAPTIONS, rows)
        if name == "val_1":
            _write(folder / "val_2.csv", CAPTIONS, again)
    _write(folder / "speech.csv", ("video_id", "sub", "start", "end"), said)


CAPTIONS = ("video_id", "caption", "start", "end", "duration", "phase", "idx")


def _write(path: Path, columns: tuple[str, ...], rows: list[tuple]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
        table.writerows([columns, *rows])


SMALL: dict[str, Any] = {
    "audio_width": 32,
    "video_width": 32,
    "caption_width": 32,
    "word_width": 32,
    "inner_width": 32,
    "audio_hidden": 64,
    "video_hidden": 64,
    "caption_hidden": 64,
    "heads": 2,
    "layers": 1,
    "linear_embedder": True,
}
SMALL_MDVC: dict[str, Any] = {
    "audio_width": 32,
    "video_width": 32,
    "speech_width": 32,
    "audio_hidden": 64,
    "video_hidden": 64,
    "speech_hidden": 64,
    "heads": 2,
    "linear_embedder": True,
}
HEADS: dict[str, dict[str, Any]] = {
    "audio": {"kernels": (3, 9), "convolutions": (32, 32), "anchors": 6, "rows": 48},
    "video": {"kernels": (3, 9), "convolutions": (32, 32), "anchors": 8, "rows": 48},
}


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    table: str
    name: str
    network: str = "bmt"
    streams: tuple[str, ...] = ("audio", "video")
    order: str = "captions"
    numbers: tuple[tuple[str, Any], ...] = ()
    """Of the captioner's configuration."""
    noise: bool = False


CASES = (
    Case("modalities", "BMT, sound", streams=("audio",), order="cap-prop"),
    Case("modalities", "BMT, picture", streams=("video",), order="cap-prop"),
    Case("modalities", "BMT, sound and picture", order="cap-prop"),
    Case("modalities", "MDVC, sound and picture", "mdvc"),
    Case("modalities", "MDVC, with speech", "mdvc", ("audio", "video", "speech")),
    Case("order", "Separate", order="separate"),
    Case("order", "Prop → Cap", order="prop-cap"),
    Case("order", "Cap → Prop", order="cap-prop"),
    Case("fusion", "side by side", "mdvc", ("audio", "video", "speech")),
    Case("fusion", "average", "mdvc", ("audio", "video", "speech"), numbers=(("fusion", "average"),)),
    Case("fusion", "weighted", "mdvc", ("audio", "video", "speech"), numbers=(("fusion", "weighted"),)),
    Case("fusion", "Bi-GRU", "recurrent", ("audio", "video", "speech")),
    Case("noise", "features", order="captions"),
    Case("noise", "random features", order="captions", noise=True),
)


def settings_of(case: Case, *, steps: int, seed: int, items: int = 192) -> Settings:
    """The run of a case: as published but small, with a rate for a small network, `steps` steps a stage."""
    sizes = SMALL if case.network == "bmt" else SMALL_MDVC
    batch = 16
    return Settings.of(
        case.network,
        seed=seed,
        order=case.order,
        captioner={**sizes, "dropout": 0.1, "longest": 256, **dict(case.numbers)},
        heads={stream: HEADS[stream] for stream in case.streams if stream in HEADS},
        lr=2e-3,
        betas=(0.9, 0.98),
        # What smoothing leaves of a small vocabulary is still spread over the others.
        smoothing=0.1,
        batch=batch,
        proposal_batch=16,
        epochs=max(1, round(steps / -(-items // batch))),
        max_words=20,
        max_proposals=20,
    )


def run_case(case: Case, folder: Path, out: Path, *, steps: int, seed: int, tools: metrics.Tools) -> dict:
    """Train and measure one line: its figures, in per cent."""
    settings = settings_of(case, steps=steps, seed=seed, items=_lines(folder / "train.csv"))
    sets = train.read_sets(
        settings,
        table=folder / "train.csv",
        valid=[folder / "val_1.csv", folder / "val_2.csv"],
        folders={stream: folder / "features" for stream in case.streams if stream != "speech"},
        speech=folder / "speech.csv" if "speech" in case.streams else None,
        noise=case.noise,
        step_s=STEP_S,
    )
    began = time.monotonic()
    run = Run(settings, sets, out, tools, quiet=True)
    run.train()
    figures = run.finish()
    mean = figures["ground-truth segments"]["mean"]
    found = {name: 100 * mean[name] for name in ("bleu3", "bleu4", "meteor")}
    if "learned proposals" in figures:
        learned = figures["learned proposals"]
        found |= {
            "precision": 100 * float(np.mean(learned["precision"])),
            "recall": 100 * float(np.mean(learned["recall"])),
            "f1": 100 * learned["f1"],
            "meteor, learned": 100 * learned["meteor"],
        }
    return {**found, "seconds": time.monotonic() - began}


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) - 1


COLUMNS = ("bleu3", "bleu4", "meteor", "precision", "recall", "f1", "meteor, learned", "seconds")
HEADINGS = ("B@3", "B@4", "METEOR", "precision", "recall", "F1", "M learned", "seconds")


def line(name: str, figures: dict[str, float]) -> str:
    """One line of a table; what a case has no figure for stays empty."""
    shown = (f"{figures[column]:>11.2f}" if column in figures else " " * 11 for column in COLUMNS)
    return f"{name:<26}" + "".join(shown)


@click.command()
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Choice(sorted({case.table for case in CASES})),
    help="Only this.",
)
@click.option("--steps", type=int, default=300, show_default=True, help="Of training, a stage.")
@click.option("--videos", type=int, default=192, show_default=True, help="To learn from.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--java", is_flag=True, help="METEOR itself, where it is; else its stand-in.")
@click.option("--out", type=click.Path(path_type=Path), help="Keep the set and the runs there.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="The figures, for machines.")
def main(
    tables: tuple[str, ...],
    steps: int,
    videos: int,
    seed: int,
    java: bool,
    out: Path | None,
    json_path: Path | None,
) -> None:
    """Train each configuration on a drawn set, and print the papers' tables in small."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    done: dict[Case, dict[str, float]] = {}
    try:
        with tempfile.TemporaryDirectory() as spare, metrics.best_tools(plain=not java) as tools:
            home = out or Path(spare)
            render(home / "set", videos=videos, valid=max(8, videos // 4), seed=seed)
            click.echo(f"{videos} drawn videos, {steps} steps a stage, {tools.name}; figures in per cent")
            for table in tables or dict.fromkeys(case.table for case in CASES):
                click.echo(f"\n{table:<26}" + "".join(f"{heading:>11}" for heading in HEADINGS))
                for number, case in enumerate(each for each in CASES if each.table == table):
                    # Where two tables hold the same training, it is done once.
                    what = replace(case, table="", name="")
                    if what not in done:
                        run = home / "runs" / f"{table}-{number}"
                        done[what] = run_case(case, home / "set", run, steps=steps, seed=seed, tools=tools)
                    figures = done[what]
                    found.setdefault(table, {})[case.name] = figures
                    click.echo(line(case.name, figures))
            held = {"steps": steps, "videos": videos, "seed": seed, "tools": tools.name, "tables": found}
    except (AvAssistError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if json_path:
        json_path.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
