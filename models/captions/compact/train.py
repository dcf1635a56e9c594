"""Train the compact captions bundle: `python -m models.captions.compact.train --out runs/captions`.

In: free sounds, photos and a film, fetched by `material` into `--material`, and the bundles yamnet and
efficientnet-lite0, which `python -m export fetch` brings. Out, in the folder: `captioner.pt`, `events.pt`,
and `figures.json` for the card; then `python -m export compact --run runs/captions --out …`. Everything is
drawn from seeds, and goes on where it was stopped.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch

from models.captions.compact import bank, lexicon, material, train_captioner, train_events
from models.captions.compact.films import Composer
from models.captions.compact.train_captioner import CaptionSettings
from models.captions.compact.train_events import EventSettings
from otio_avassist import bundles

VERSION = "1"


def train(
    out: Path,
    place: Path,
    *,
    parts: tuple[str, ...] = ("events", "captioner"),
    events: EventSettings | None = None,
    captions: CaptionSettings | None = None,
) -> None:
    """Train what is asked for, and write `figures.json` when both are there."""
    out.mkdir(parents=True, exist_ok=True)
    listening = train_events.Run(
        events or EventSettings(), out / "events", lambda: train_events.real_stocks(place)
    )
    if "events" in parts:
        listening.train()
    names = tuple(map(str, bundles.Card.read(bundles.find("yamnet")).classes))
    speaking = train_captioner.Run(
        captions or CaptionSettings(),
        out / "captioner",
        names,
        lambda: Composer(bank.build(place, out / "bank.npz"), names),
    )
    if "captioner" in parts:
        speaking.train()
    if "figures" in parts or {"events", "captioner"} <= set(parts):
        words = figures(listening, speaking, place)
        (out / "figures.json").write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")


def figures(listening: train_events.Run, speaking: train_captioner.Run, place: Path) -> dict[str, Any]:
    """What the card says of the training, and what was measured on material that it never saw."""
    heard = listening.figures()
    said = speaking.figures()
    return {
        "network": "compact BMT over classes of sound and picture, with an event network over log-mel",
        "version": VERSION,
        "sure": said["sure"],
        "threshold": round(heard["threshold"]["sure"], 3),
        "training": told(listening, speaking, material.sounds(place)),
        "figures": {
            "composed films, held out": said,
            "mixtures of sounds held out, events at tIoU 0.5": heard,
            "words": {
                "names_right": "share of all names said that are true of the film",
                "named_of_nameable": "share of films, of which something could be named, that were",
                "named_of_nothing": "share of films with nothing to name that were called something",
            },
        },
    }


def told(
    listening: train_events.Run, speaking: train_captioner.Run, sounds: list[material.Sound]
) -> dict[str, Any]:
    """How it was trained and on what, with licences and every sound by name."""
    heard: dict[str, dict[str, list[str]]] = {}
    for each in sounds:
        heard.setdefault(each.source, {}).setdefault(each.licence, []).append(each.name)
    return {
        "material": {
            "sounds": "single sounds, named below, changed in speed and colour and put in rooms, beside"
            " made-up ones; a seventh of them was held out for validation",
            "film": f"Big Buck Bunny, {material.FILM.licence}: sound and pictures of its first half (0 to 298"
            " s); of the second half only the sound, as a background in validation",
            "photos": f"{material.PHOTOS.package} {material.PHOTOS.version}, {material.PHOTOS.licence}:"
            f" {', '.join(material.PHOTOS_FREE)}",
            "films": "sentences were learnt from films composed in the space of features, out of the"
            " last layers of YAMNet and EfficientNet-lite0, real backgrounds, named sounds and photos;"
            " no film with a written description was used",
        },
        "heard": heard,
        "releases": [
            f"{each.package} {each.version}, sha256 {each.sha256}: {each.licence}"
            for each in (
                material.SONIC_PI, material.MINETEST, material.SOUNDFONT, material.ESPEAK, material.FILM,
                material.PHOTOS,
            )
        ],
        "licence": "Apache-2.0, as the project; material as stated",
        "command": "python -m models.captions.compact.train",
        "seed": speaking.settings.seed,
        "captioner": {
            "parameters": sum(each.numel() for each in speaking.network.parameters()),
            "films": speaking.step * speaking.settings.batch,
            "steps": speaking.step,
            "label_smoothing": speaking.settings.smoothing,
            "minutes": round(speaking.seconds / 60, 1),
        },
        "events": {
            "parameters": sum(each.numel() for each in listening.network.parameters()),
            "mixtures": listening.settings.mixtures,
            "steps": listening.step,
            "minutes": round(listening.seconds / 60, 1),
        },
        "limits": "It has never been shown a film that somebody described. It knows words for"
        f" {len(lexicon.heard_keys())} kinds of sound and {len(lexicon.seen_keys())} kinds of sight, and what"
        " classes of two other networks tell of them: it is no better than these. It doesn't know who people"
        " are, nor what they do without a sound. It counts only what is more than a second apart.",
    }  # fmt: skip


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/captions"), help="The run's folder."
)
@click.option("--material", "place", type=click.Path(path_type=Path), default=Path("runs/material"))
@click.option("--part", "parts", multiple=True, type=click.Choice(["events", "captioner", "figures"]))
@click.option("--seed", type=int, default=0)
@click.option("--threads", type=int, default=1)
def main(out: Path, place: Path, parts: tuple[str, ...], seed: int, threads: int) -> None:
    """Train, or go on training, and measure."""
    torch.set_num_threads(threads)
    train(
        out,
        place,
        parts=parts or ("events", "captioner"),
        events=replace(EventSettings(), seed=seed),
        captions=replace(CaptionSettings(), seed=seed),
    )


if __name__ == "__main__":
    main()
