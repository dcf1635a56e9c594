"""Train the sync network's ear: `python -m models.sync.train_audio --data DATA --layout vggsound`.

ResNet-18 learns to name the sounds of VGGSound from 5 s of each clip; then it goes into `train_sync --audio`,
its classifier left out. In: a set (see `data`). Out, in the run's folder: `audio.pt`, the best by the loss of
what is held out, `figures.json`, `log.jsonl`, and `state.pt` from which a run goes on. On several processes:
`torchrun …`.

As published: Adam, a rate of 3e-4, 16 clips a step, ten epochs of patience; the sound is augmented.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

import click
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models import checkpoints
from models.sync import augment, data
from models.sync.augment import Augmentation
from models.sync.config import Clip
from models.sync.data import Clips, Item
from models.sync.options import of_a_run, of_a_set, told
from models.sync.resnet import ResNet18
from models.training import Learning, Processes, Progress, drawn, read_settings, steps_an_epoch


@dataclass(frozen=True)
class Settings:
    """All that a run is made of; the defaults are the published ones."""

    seed: int = 1337
    network: Mapping[str, Any] = field(default_factory=dict)
    """Of `ResNet18`, other than published."""
    clip: Mapping[str, Any] = field(default_factory=dict)
    """Of `Clip`, other than published."""
    sound: float = 0.2
    """How often each augmentation is done."""
    lr: float = 3e-4
    batch: int = 16
    """Clips a step, over all processes."""
    epochs: int = 1000
    patience: int | None = 10
    precision: str = "auto"
    workers: int = 4
    """Clips that are read at once."""
    save_minutes: float = 5.0
    threads: int = 1


def heard(item: Item, clip: Clip, seed: str, how: Augmentation) -> Tensor:
    """A window from anywhere in a clip. Shape: (1, F, Ta)."""
    last = item.samples - round(clip.window_s * clip.sample_rate)
    samples = data.sound(item, Random(seed).randint(0, max(0, last)), clip)
    rng = np.random.default_rng(list(seed.encode()))
    return augment.spectrogram(augment.sound(samples, clip, rng, how), clip, rng, how)


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
    processes, clip = Processes(), Clip(**settings.clip)
    learnt, held_out = sets
    network = ResNet18(classes=len(learnt.classes), **settings.network)
    network = cast(ResNet18, processes.synchronised(network).to(processes.device))
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.lr)
    learning = Learning(optimizer, processes, settings.precision)
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
    plain, changed = Augmentation(), Augmentation(sound=settings.sound)
    readers = ThreadPoolExecutor(settings.workers)

    def batch(clips: Clips, items: list[int], when: str, how: Augmentation) -> tuple[Tensor, Tensor]:
        def one(number: int) -> Tensor:
            return heard(clips.items[number], clip, f"{settings.seed}-{when}-{number}", how)

        targets = torch.tensor([clips.classes.index(clips.items[number].sound) for number in items])
        return torch.stack(list(readers.map(one, items))), targets

    def make(step: int) -> tuple[Tensor, Tensor, float]:
        items, weight = processes.share(drawn(len(learnt), settings.batch, step, settings.seed))
        return *batch(learnt, items, str(step), changed), weight

    def answer(aud: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        with learning.autocast():
            logits = network.classify(network(aud.to(processes.device)))
        return logits, F.cross_entropy(logits.float(), targets.to(processes.device))

    def learn(made: tuple[Tensor, Tensor, float]) -> dict[str, float]:
        aud, targets, weight = made
        network.train()
        _, loss = answer(aud, targets)
        learning.step(loss, weight)
        return {"loss": loss.item()}

    @torch.no_grad()
    def look() -> dict[str, float]:
        network.eval()
        sums, count = {"score": 0.0, "accuracy_1": 0.0}, 0
        for items in processes.chunks(len(held_out), settings.batch):
            # The same windows each time.
            aud, targets = batch(held_out, items, "valid", plain)
            logits, loss = answer(aud, targets)
            sums["score"] += loss.item() * len(items)
            sums["accuracy_1"] += float((logits.argmax(1).cpu() == targets).sum())
            count += len(items)
        return processes.mean(sums, count)

    def keep(better: bool) -> None:
        if better:
            held = {
                "audio": dict(settings.network),
                "clip": asdict(clip),
                "classes": list(learnt.classes),
            }
            checkpoints.save(folder / "audio.pt", held, network.state_dict())

    with readers:
        progress.resume()
        progress.walk(make, learn, look, keep, until=until)
    return progress


@click.command()
@of_a_set
@of_a_run("audio")
def main(
    root: Path,
    layout: data.Layout,
    clips_in: str | None,
    out: Path,
    given: Path | None,
    seed: int | None,
    threads: int | None,
) -> None:
    """Train ResNet-18 on classes of sounds, or go on training it."""
    with told():
        settings = read_settings(Settings, given, seed=seed, threads=threads)
        sets = data.read_sets(root, layout, clip=Clip(**settings.clip), folder=clips_in)
        click.echo(data.words(sets))
        progress = train(settings, sets, out)
        progress.figures("ResNet-18", settings, clips=len(sets[0]), layout=layout)


if __name__ == "__main__":
    main()
