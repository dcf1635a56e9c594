"""Train the compact foley bundle: `python -m models.foley.compact.train --out runs/foley`.

In: free recordings, fetched by `material` into `--material`, and the bundle efficientnet-lite0, which
`python -m export fetch` brings. Out, in the folder: `hearing/`, `codebook/`, `decoder/`, `sampler/`,
`melception/`, `vocoder/`, and `figures.json` for the card; then `python -m export compact-foley`.
Everything is drawn from seeds, and goes on where it was stopped. Parts may be trained side by side in
several processes, once the first of them has composed the scenes; the decoder wants `hearing` and
`codebook`, the sampler wants `codebook`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch

from models.foley.compact import codebook, hearing, material, patches, pool, sampler, vocoder
from models.foley.compact.kinds import KINDS
from models.foley.train_codebook import read_lpaps
from models.training import Progress

VERSION = "1"
MEASURED = "measured.json"
PARTS = ("hearing", "codebook", "decoder", "sampler", "melception", "vocoder")


def train(out: Path, place: Path, *, parts: tuple[str, ...] = PARTS, seed: int = 0) -> None:
    """Train what is asked for, and write `figures.json` of what is there."""
    scenes = pool.build(place, out / "pool", seed=seed)
    for part in parts:
        TRAIN[part](scenes, out, seed)
    words = figures(out, place)
    (out / "figures.json").write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")


def _decoder(scenes: pool.Pool, out: Path, seed: int) -> Progress:
    network = patches.read(out / "codebook" / "codebook.pt")
    looks = read_lpaps(out / "hearing" / "classifier.pt")
    settings = replace(codebook.DecoderSettings(), seed=seed)
    return codebook.train_decoder(settings, scenes, network, looks, out / "decoder")


def _sampler(scenes: pool.Pool, out: Path, seed: int) -> Progress:
    network = patches.read(out / "codebook" / "codebook.pt")
    return sampler.train(replace(sampler.Settings(), seed=seed), scenes, network, out / "sampler")


TRAIN = {
    "codebook": lambda scenes, out, seed: codebook.train(
        replace(codebook.Settings(), seed=seed), scenes, out / "codebook"
    ),
    "decoder": _decoder,
    "sampler": _sampler,
    "hearing": lambda scenes, out, seed: hearing.train(hearing.RANKS, scenes, out / "hearing", seed=seed),
    "melception": lambda scenes, out, seed: hearing.train(
        hearing.JUDGES, scenes, out / "melception", seed=seed
    ),
    "vocoder": lambda scenes, out, seed: vocoder.train(
        replace(vocoder.Settings(), seed=seed), scenes, out / "vocoder"
    ),
}


def figures(out: Path, place: Path) -> dict[str, Any]:
    """What the card says of the training."""
    recordings = material.recordings(place)
    names = [each.name for each in recordings]
    heard: dict[str, dict[str, list[str]]] = {}
    for each in recordings:
        if not pool.is_apart(each.name):
            heard.setdefault(each.source, {}).setdefault(each.licence, []).append(each.name)
    own = {
        kind.name: [names[k] for k in kind.recordings(names) if not pool.is_apart(names[k])] for kind in KINDS
    }
    return {
        "network": "compact Spectrogram VQGAN over kinds of sound and classes of picture",
        "version": VERSION,
        "training": {
            "material": "single recordings, named below, laid out as scenes of ten seconds: steps, blows,"
            " notes and what goes on, changed in speed, loudness, colour and room; no film, and no picture"
            " that belongs to a sound: what EfficientNet-lite0 says of one was drawn from its last layer",
            "heard": heard,
            "apart": [each.name for each in pool.apart(recordings)],
            "recordings of each kind": own,
            "releases": [
                f"{each.package} {each.version}, sha256 {each.sha256}: {each.licence}"
                for each in material.RELEASES
            ],
            "licence": "Apache-2.0, as the project; material as stated",
            "command": "python -m models.foley.compact.train",
            "runs": {part: steps for part in PARTS if (steps := _run(out / part))},
            "limits": f"It makes {len(KINDS)} kinds of sound and no others, in mono up to 11 kHz, out of a"
            " few recordings each: takes differ in time, loudness and mixture, not in what was recorded."
            " Kinds and the labels that are right for them were chosen by what YAMNet says of the real"
            " recordings; it had no other part."
            f" Of one recording alone: {', '.join(kind for kind, held in own.items() if len(held) == 1)}."
            " It follows no movement in the picture.",
        },
        "figures": _measured(out / MEASURED),
    }


def _measured(path: Path) -> dict[str, Any]:
    """What `python -m bench.foley --json` said of the bundle, sound by sound left out."""
    if not path.exists():
        return {}
    held = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    if "roundtrip" in held:
        found["recordings kept apart, whose likeliest label is among YAMNet's five after codes"] = {
            "recordings": held["roundtrip"]["sounds"], **held["roundtrip"]["kept"],
        }  # fmt: skip
    if "heard" in held:
        sounds = held["heard"]["sounds"].items()
        found["takes heard as their sound, by YAMNet's five likeliest labels"] = {
            "takes": held["heard"]["takes"],
            **{f"share of {row}": share for row, share in held["heard"]["heard"].items()},
            "by sound": {name: f"{each['heard']} of {each['takes']}" for name, each in sounds},
        }
    return found


def _run(folder: Path) -> dict[str, float]:
    """How long a part was trained, and its last score."""
    log = folder / "log.jsonl"
    if not log.exists():
        return {}
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    scores = [line["score"] for line in lines if "score" in line]
    return {
        "steps": lines[-1]["step"],
        "minutes": round(lines[-1]["seconds"] / 60, 1),
        **({"score": scores[-1]} if scores else {}),
    }


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/foley"), help="The run's folder.")
@click.option("--material", "place", type=click.Path(path_type=Path), default=Path("runs/foley/material"))
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS))
@click.option("--seed", type=int, default=0)
@click.option("--threads", type=int, default=1)
def main(out: Path, place: Path, parts: tuple[str, ...], seed: int, threads: int) -> None:
    """Train, or go on training, and say how."""
    torch.set_num_threads(threads)
    train(out, place, parts=parts or PARTS, seed=seed)


if __name__ == "__main__":
    main()
