"""Train what names sounds: `python -m models.foley.train_classifier --network melception …`.

Melception judges what is generated (`evaluate`); VGGish-ish lends its eyes to LPAPS (`train_codebook
--lpaps`).

In: a set (see `data`). Out, in the run's folder: `classifier.pt` (see `trained`), the best by the loss of
the validation set, `statistics.txt`, `figures.json`, `log.jsonl`, and `state.pt` from which a run goes on
where it stopped. On several processes: `torchrun --nproc-per-node 2 -m …`.

Published, on VGGSound: Top-1 44.5 %, Top-5 73.8 % (Melception); 34.7 %, 63.7 % (VGGish-ish).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import checkpoints
from models.foley import data, options, trained
from models.foley.config import ClassifierConfig
from models.foley.data import Clips, Layout, Size
from models.training import Learning, Processes, Progress, drawn, read_settings, steps_an_epoch

NAMES = {"melception": "Melception", "vggishish": "VGGish-ish"}


@dataclass(frozen=True)
class Settings:
    """All that a run is made of; the defaults are Melception's."""

    seed: int = 1337
    network: str = "melception"
    classifier: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of `ClassifierConfig` other than published."""
    lr: float = 3e-4
    weight_decay: float = 0.0
    batch: int = 8
    """Clips a step, over all processes."""
    epochs: int = 1000
    patience: int | None = 3
    size: Mapping[str, int] = field(default_factory=dict)
    """Of `data.Size`, where clips aren't 10 s."""
    precision: str = "auto"
    save_minutes: float = 5.0
    threads: int = 1

    @classmethod
    def of(cls, network: str, **others: Any) -> Settings:
        """As published for this network, but for `others`."""
        published = {"batch": 32, "weight_decay": 1e-4} if network == "vggishish" else {}
        return cls(**{"network": network, **published, **others})


def configure(settings: Settings, clips: Clips) -> ClassifierConfig:
    """As published but for the settings, with the sizes of this set."""
    held = {"classes": len(clips.classes), "columns": clips.size.crop}
    return ClassifierConfig(**{**held, **settings.classifier})


def loss_of(network: nn.Module, mels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of standardised spectrograms (B, 1, 80, T), and the logits (B, classes)."""
    logits = network(mels)
    return F.cross_entropy(logits, targets), logits


def train(
    settings: Settings,
    sets: tuple[Clips, Clips],
    folder: Path,
    *,
    until: int | None = None,
    quiet: bool = False,
) -> Progress:
    """Train, or go on training, on the first of the sets; the other one says when it is enough."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    processes = Processes()
    learnt, held_out = sets
    config = configure(settings, learnt)
    network = processes.synchronised(trained.classifier(settings.network, config)).to(processes.device)
    # Melception's auxiliary head isn't asked, and doesn't learn.
    parameters = [each for each in network.parameters() if each.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=settings.lr, weight_decay=settings.weight_decay)
    learning = Learning(optimizer, processes, settings.precision)
    statistics = torch.from_numpy(data.kept_statistics(learnt, folder, processes))
    progress = Progress(
        folder,
        processes,
        {"network": network, "learning": learning},
        steps=steps_an_epoch(len(learnt), settings.batch),
        epochs=settings.epochs,
        patience=settings.patience,
        seed=settings.seed,
        save_minutes=settings.save_minutes,
        quiet=quiet,
    )

    def batch(clips: Clips, items: list[int]) -> tuple[Tensor, Tensor]:
        return trained.standardised(clips.mels(items), statistics), clips.targets(items)

    def make(step: int) -> tuple[Tensor, Tensor, float]:
        items, weight = processes.share(drawn(len(learnt), settings.batch, step, settings.seed))
        return *batch(learnt, items), weight

    def learn(made: tuple[Tensor, Tensor, float]) -> dict[str, float]:
        mels, targets, weight = made
        network.train()
        with learning.autocast():
            loss, _ = loss_of(network, mels.to(processes.device), targets.to(processes.device))
        learning.step(loss, weight)
        return {"loss": loss.item()}

    @torch.no_grad()
    def look() -> dict[str, float]:
        network.eval()
        sums, count = {"score": 0.0, "top1": 0.0, "top5": 0.0}, 0
        for items in processes.chunks(len(held_out), settings.batch):
            mels, targets = (each.to(processes.device) for each in batch(held_out, items))
            loss, logits = loss_of(network, mels, targets)
            likeliest = logits.topk(min(5, logits.shape[1])).indices == targets[:, None]
            sums["score"] += loss.item() * len(items)
            sums["top1"] += float(likeliest[:, 0].sum())
            sums["top5"] += float(likeliest.sum())
            count += len(items)
        return processes.mean(sums, count)

    def keep(better: bool) -> None:
        if better:
            held = {
                "network": settings.network,
                "classifier": config.to_dict(),
                "classes": list(learnt.classes),
                "statistics": statistics.tolist(),
            }
            checkpoints.save(folder / "classifier.pt", held, network.state_dict())

    progress.resume()
    progress.walk(make, learn, look, keep, until=until)
    return progress


@click.command()
@options.of_a_set
@click.option("--network", type=click.Choice(list(NAMES)), default="melception", show_default=True)
@options.of_a_run("classifier")
def main(
    root: Path,
    layout: Layout,
    network: str,
    out: Path,
    given: Path | None,
    seed: int | None,
    threads: int | None,
) -> None:
    """Train a classifier of sounds, or go on training it."""
    with options.told():
        settings = read_settings(Settings.of, given, network=network, seed=seed, threads=threads)
        sets = data.read_sets(root, layout, size=Size(**settings.size))
        progress = train(settings, sets, out)
        progress.figures(NAMES[network], settings, clips=len(sets[0]), layout=layout)


if __name__ == "__main__":
    main()
