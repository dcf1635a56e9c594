"""Train SparseSync as published: `python -m models.sync.train_sync --data DATA --layout lrs3 …`.

The published road, each step a command (on several GPUs: `torchrun --nproc-per-node 8 -m …`):

    models.sync.train_audio --layout vggsound                                  the ear, on classes of sounds
    models.sync.train_sync --layout lrs3 --audio AUDIO --visual S3D            dense: talking heads
    models.sync.train_sync --layout vggsound-sparse --checkpoint DENSE         sparse, with augmentations

In: a set (see `data`), and what to start from: backbones or a whole network, own or released (`starting`).
Out, in the run's folder: `sync.pt`, the best by the accuracy of what is held out (a checkpoint for
`python -m export sync` and for the next step), `learning.pt` (its optimiser, which the next step goes on
with, as released code does), `figures.json`, `log.jsonl`, and `state.pt` from which a run goes on.

Cross-entropy over the classes, with no tolerance; the tables count what is at most a class beside as right.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, cast

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import checkpoints
from models.sync import augment, crops, data, starting
from models.sync.augment import DENSE, SPARSE, Augmentation
from models.sync.config import Clip, NetworkConfig, SyncConfig
from models.sync.crops import Crop
from models.sync.data import Clips, Item, Reader
from models.sync.options import of_a_run, of_a_set, told
from models.sync.sparsesync import SparseSync
from models.training import Learning, Processes, Progress, SettingsError, drawn, read_settings, steps_an_epoch
from otio_avassist import signals

AUGMENTATIONS = {"none": Augmentation(flip=0, jitter_s=0), "dense": DENSE, "sparse": SPARSE}
BACKBONES = {"visual": "vfeat_extractor", "audio": "afeat_extractor"}


@dataclass(frozen=True)
class Settings:
    """All that a run is made of; the defaults are the published ones."""

    seed: int = 1337
    network: Mapping[str, Any] = field(default_factory=dict)
    """Of `NetworkConfig`, other than published; what the backbones leave of a clip is worked out."""
    clip: Mapping[str, Any] = field(default_factory=dict)
    """Of `Clip`, other than published: `window_s` is the length of the input."""
    classes: int = 21
    reach_s: float = 2.0
    """The grid goes from so much to so much: 21 and 2, or 3 and 1, as published."""
    augmentation: str = "dense"
    """One of `AUGMENTATIONS`."""
    frozen: Sequence[str] = ()
    """Of `BACKBONES`, those that stay as they came (table 5.4)."""
    keep_optimizer: bool = True
    """Go on with the optimiser that made the checkpoint, as published, where it is known."""
    lr: float = 5e-6
    """A process's: that of a run is so much times the number of its processes."""
    batch: int = 10
    """Clips a step, of each process."""
    warm_up: int = 1000
    """Steps from a hundredth of the rate to all of it."""
    clip_norm: float | None = 1.0
    epochs: int = 10_000
    patience: int | None = 140
    passes: int = 1
    """How often the held-out clips are gone through, with other crops, at an epoch's end."""
    precision: str = "auto"
    workers: int = 4
    """Clips that are read at once."""
    held_in_memory: int = 0
    """Whole clips, decoded: 60 MB each of published size, so for small ones alone."""
    save_minutes: float = 5.0
    threads: int = 1

    def config(self) -> SyncConfig:
        """The network's shape.

        Raises:
            SettingsError: there are no such numbers.
        """
        try:
            clip = Clip(**self.clip)
            shape = {"offsets_s": crops.grid(self.classes, self.reach_s), **self.network}
            return SyncConfig(NetworkConfig.fitting(clip, **shape), clip)
        except TypeError as error:
            raise SettingsError(f"not the numbers of a network or a clip: {error}") from error


class WarmUp:
    """The rate of each step: from a hundredth, linearly, to all of it, and there it stays."""

    def __init__(self, optimizer: torch.optim.Optimizer, rate: float, steps: int) -> None:
        self.optimizer, self.rate, self.steps, self.done = optimizer, rate, steps, 0

    def set(self) -> float:
        """Give the optimiser the rate of the next step."""
        share = min(1.0, 0.01 + 0.99 * self.done / self.steps) if self.steps else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * share
        self.done += 1
        return self.rate * share

    def state_dict(self) -> dict[str, int]:
        """How many steps were taken."""
        return {"steps": self.done}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """The inverse."""
        self.done = int(state["steps"])


# Windows


def changed(
    item: Item, crop: Crop, reader: Reader, rng: np.random.Generator, how: Augmentation
) -> tuple[Tensor, ...]:
    """A window to learn from: `vis` (T, 3, S, S), `aud` (1, F, Ta)."""
    frames, samples = reader(item, crop)
    clip = reader.clip
    vis = augment.pictures(frames, clip, rng, how)
    return vis, augment.spectrogram(augment.sound(samples, clip, rng, how), clip, rng, how)


def plain(item: Item, crop: Crop, reader: Reader) -> tuple[Tensor, ...]:
    """A window to measure with, as the plugin looks at one: shapes as of `changed`."""
    frames, samples = reader(item, crop)
    clip = reader.clip
    vis = signals.imagenet_floats(signals.crop_centre(frames, clip.crop))
    aud = signals.log_spectrogram(samples, n_fft=clip.n_fft, hop=clip.hop)[None]
    return torch.from_numpy(vis), torch.from_numpy(aud)


def stacked(windows: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, Tensor]:
    """`vis` (B, T, 3, S, S), `aud` (B, 1, F, Ta)."""
    vis, aud = (torch.stack(list(each)) for each in zip(*windows, strict=True))
    return vis, aud


def held_out_crops(clips: Clips, config: SyncConfig, passes: int, seed: int) -> list[tuple[Item, Crop]]:
    """What a validation or a test looks at: the same each time, other crops at each pass.

    More passes than one are drawn, whatever a list of fixed offsets says.

    Raises:
        DataError: a list of fixed offsets asks for what isn't in its clip.
    """
    if passes > 1:
        clips = replace(clips, fixed={})
    offsets_s = config.network.offsets_s
    return [
        (item, clips.crop(item, config.clip, offsets_s, Random(f"{seed}-{number}-{item.name}")))
        for number in range(passes)
        for item in clips.items
    ]


# The run


def start(
    settings: Settings,
    *,
    audio: Path | None = None,
    visual: Path | None = None,
    checkpoint: Path | None = None,
) -> SparseSync:
    """A network, with the weights of backbones or of a whole one where they are given.

    Raises:
        CheckpointError: they aren't those of this network.
    """
    torch.manual_seed(settings.seed)
    network = SparseSync(settings.config().network)
    if checkpoint is not None:
        starting.fill(network, checkpoint)
    for path, root in ((audio, BACKBONES["audio"]), (visual, BACKBONES["visual"])):
        if path is not None:
            starting.fill_backbone(network.get_submodule(root), root, path)
    return network


def learning_mode(network: nn.Module, frozen: Sequence[str]) -> list[nn.Parameter]:
    """All but the frozen backbones, batch norms too, learn; what does."""
    network.train()
    for name in frozen:
        backbone = network.get_submodule(BACKBONES[name])
        backbone.eval().requires_grad_(False)
    return [each for each in network.parameters() if each.requires_grad]


def train(
    settings: Settings,
    sets: tuple[Clips, Clips],
    folder: Path,
    network: SparseSync,
    *,
    go_on: Path | None = None,
    until: int | None = None,
    quiet: bool = False,
) -> Progress:
    """Train, or go on training, on the first of the sets; the other one says when it is enough.

    Args:
        network: that `start` gave.
        go_on: the checkpoint whose optimiser is taken up, where the run is new.

    Raises:
        SettingsError: a backbone or an augmentation of no such name.
    """
    strange = set(settings.frozen) - BACKBONES.keys()
    if strange or settings.augmentation not in AUGMENTATIONS:
        raise SettingsError(
            f"backbones are {', '.join(BACKBONES)}, augmentations {', '.join(AUGMENTATIONS)}: "
            f"not {', '.join([*strange, settings.augmentation])}"
        )
    torch.set_num_threads(settings.threads)
    processes, config = Processes(), settings.config()
    learnt, held_out = sets
    how, offsets_s = AUGMENTATIONS[settings.augmentation], config.network.offsets_s
    network = cast(SparseSync, processes.synchronised(network).to(processes.device))
    parameters = learning_mode(network, settings.frozen)
    optimizer = torch.optim.Adam(parameters, lr=settings.lr)
    learning = Learning(optimizer, processes, settings.precision, clip_norm=settings.clip_norm)
    if learning.half == torch.float16:
        # Below what these numbers can tell from nothing, 1e-8 is.
        optimizer.param_groups[0]["eps"] = 1e-7
    warm_up = WarmUp(optimizer, settings.lr * processes.world, settings.warm_up)
    if go_on is not None and settings.keep_optimizer and not (folder / "state.pt").exists():
        so_far = starting.learnt_so_far(go_on)
        if so_far is not None:
            starting.take_up(optimizer, so_far["optimizer"], go_on)
            warm_up.done = so_far["steps"]
            if so_far["scaler"] and learning.scaler.is_enabled():
                learning.scaler.load_state_dict(so_far["scaler"])
    batch = settings.batch * processes.world
    progress = Progress(
        folder,
        processes,
        {"network": network, "learning": learning, "warm_up": warm_up},
        steps=steps_an_epoch(len(learnt), batch),
        epochs=settings.epochs,
        patience=settings.patience,
        seed=settings.seed,
        save_minutes=settings.save_minutes,
        quiet=quiet,
    )
    reader = Reader(config.clip, settings.held_in_memory)
    looked_at = held_out_crops(held_out, config, settings.passes, settings.seed)
    readers = ThreadPoolExecutor(settings.workers)

    def make(step: int) -> tuple[Tensor, Tensor, Tensor, float]:
        items, weight = processes.share(drawn(len(learnt), batch, step, settings.seed))

        def one(number: int) -> tuple[Tensor, ...]:
            item = learnt.items[number]
            length = crops.equalised(item.frames, item.samples, config.clip)
            draws = Random(f"{settings.seed}-{step}-{number}")
            crop = crops.draw(length, config.clip, offsets_s, draws, jitter_s=how.jitter_s)
            rng = np.random.default_rng([settings.seed, step, number])
            return *changed(item, crop, reader, rng, how), torch.tensor(crop.label)

        *windows, labels = zip(*readers.map(one, items), strict=True)
        vis, aud = (torch.stack(list(each)) for each in windows)
        return vis, aud, torch.stack(list(labels)), weight

    def learn(made: tuple[Tensor, Tensor, Tensor, float]) -> dict[str, float]:
        vis, aud, labels, weight = made
        learning_mode(network, settings.frozen)
        rate = warm_up.set()
        device = processes.device
        with learning.autocast():
            logits = network(vis.to(device), aud.to(device))
        loss = F.cross_entropy(logits.float(), labels.to(device))
        learning.step(loss, weight)
        within = ((logits.argmax(1).cpu() - labels).abs() <= 1).float().mean()
        return {"loss": loss.item(), "accuracy_1_tol1": within.item(), "lr": rate}

    def look() -> dict[str, float]:
        sums = {"loss": 0.0, "accuracy_1": 0.0, "accuracy_1_tol1": 0.0}
        count = 0
        for chosen in processes.chunks(len(looked_at), settings.batch):
            pairs = [looked_at[number] for number in chosen]
            logits = answers(network, pairs, reader, learning, readers)
            labels = torch.tensor([crop.label for _, crop in pairs])
            away = (logits.argmax(1) - labels).abs()
            sums["loss"] += F.cross_entropy(logits, labels, reduction="sum").item()
            sums["accuracy_1"] += float((away == 0).sum())
            sums["accuracy_1_tol1"] += float((away <= 1).sum())
            count += len(pairs)
        figures = processes.mean(sums, count)
        return {**figures, "score": 1 - figures["accuracy_1"]}

    def keep(better: bool) -> None:
        if better:
            checkpoints.save(folder / "sync.pt", config.to_dict(), network.state_dict())
            part = folder / "learning.pt.part"
            torch.save({**learning.state_dict(), **warm_up.state_dict()}, part)
            part.replace(folder / "learning.pt")

    with readers:
        progress.resume()
        progress.walk(make, learn, look, keep, until=until)
    return progress


@torch.no_grad()
def answers(
    network: nn.Module,
    pairs: Sequence[tuple[Item, Crop]],
    reader: Reader,
    learning: Learning | None = None,
    readers: Executor | None = None,
) -> Tensor:
    """Logits of so many windows, on the CPU. Shape: (B, classes).

    Args:
        learning: whose precision is used; None: full.
    """
    network.eval()
    device = next(network.parameters()).device
    take = readers.map if readers is not None else map

    def seen(pair: tuple[Item, Crop]) -> tuple[Tensor, ...]:
        return plain(*pair, reader)

    vis, aud = (each.to(device) for each in stacked(list(take(seen, pairs))))
    if learning is None:
        return network(vis, aud).float().cpu()
    with learning.autocast():
        return network(vis, aud).float().cpu()


@click.command()
@of_a_set
@of_a_run("sync")
@click.option("--audio", type=click.Path(path_type=Path), help="Start from this ear, own or released.")
@click.option("--visual", type=click.Path(path_type=Path), help="Start from this eye: an S3D.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Start from this, own or released.")
def main(
    root: Path,
    layout: data.Layout,
    clips_in: str | None,
    out: Path,
    given: Path | None,
    seed: int | None,
    threads: int | None,
    audio: Path | None,
    visual: Path | None,
    checkpoint: Path | None,
) -> None:
    """Train SparseSync, or go on training it."""
    usual = {"augmentation": "dense" if layout == "lrs3" else "sparse"}
    with told():
        # Settings may say otherwise.
        settings = read_settings(
            lambda **held: Settings(**{**usual, **held}), given, seed=seed, threads=threads
        )
        config = settings.config()
        sets = data.read_sets(
            root, layout, clip=config.clip, offsets_s=config.network.offsets_s, folder=clips_in
        )
        if not int(os.environ.get("RANK", 0)):
            click.echo(data.words(sets))
        network = start(settings, audio=audio, visual=visual, checkpoint=checkpoint)
        progress = train(settings, sets, out, network, go_on=checkpoint)
        progress.figures(
            "SparseSync",
            settings,
            clips=len(sets[0]),
            layout=layout,
            started_from={
                name: path.name
                for name, path in (("audio", audio), ("visual", visual), ("checkpoint", checkpoint))
                if path is not None
            },
        )


if __name__ == "__main__":
    main()
