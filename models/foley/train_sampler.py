"""Train the sampler on the codes of a trained codebook: `python -m models.foley.train_sampler …`.

In: a set (see `data`) with features of its pictures, and `codebook.pt`. Out, in the run's folder:
`sampler.pt` (see `trained`), the best by the loss of the validation set, `figures.json` for its card,
`log.jsonl`, and `state.pt` from which a run goes on where it stopped. On several processes: `torchrun
--nproc-per-node 2 -m …`; each takes its share of every batch.

The codebook may be another set's (thesis, tables 4.1 and 4.2). No features at all are a row of noise,
another at each step, as published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from models import checkpoints
from models.foley import data, options, trained
from models.foley.codebook import Codebook
from models.foley.config import SamplerConfig
from models.foley.data import Clips, Layout, Size
from models.foley.sampler import Sampler, to_columns
from models.training import Learning, Processes, Progress, drawn, read_settings, steps_an_epoch


@dataclass(frozen=True)
class Settings:
    """All that a run is made of; the defaults are VGGSound's with 212 features of ResNet-50."""

    seed: int = 23
    extractor: str | None = "resnet50"
    """`resnet50` or `bninception`, from files; `noise` for no features; None: a class alone."""
    features: int = 212
    """Rows that are shown; 1 where they are noise."""
    class_token: bool = False
    sampler: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of `SamplerConfig` other than published."""
    base_lr: float = 5e-6
    """The rate is this times `batch`; VAS: 1e-6."""
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.01
    batch: int = 2
    """Clips a step, over all processes."""
    epochs: int = 1000
    patience: int | None = 2
    """Epochs without a lower loss, after which it ends."""
    size: Mapping[str, int] = field(default_factory=dict)
    """Of `data.Size`, where clips aren't 10 s."""
    precision: str = "auto"
    save_minutes: float = 5.0
    threads: int = 1


def configure(settings: Settings, clips: Clips, codebook: Codebook) -> SamplerConfig:
    """As published but for the settings, with the sizes of this set and this codebook."""
    side = codebook.config.frames_per_column
    rows, columns = 80 // side, clips.size.crop // side
    pictures = 0 if settings.extractor is None else settings.features
    held = {
        "codes": codebook.config.codes,
        "feature_width": clips.width() if pictures else None,
        "features": pictures,
        "classes": len(clips.classes) if settings.class_token else None,
        "rows": rows,
        "columns": columns,
        "positions": rows * columns + pictures + settings.class_token,
    }
    return SamplerConfig(**{**held, **settings.sampler})


def optimizer(network: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """AdamW that shrinks the weights of linear layers alone: no bias, norm, embedding or position."""
    shrunk = [layer.weight for layer in network.modules() if isinstance(layer, nn.Linear)]
    chosen = {id(weight) for weight in shrunk}
    kept = [weight for weight in network.parameters() if id(weight) not in chosen]
    groups = [
        {"params": shrunk, "weight_decay": settings.weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.base_lr * settings.batch, betas=settings.betas)


class Codes:
    """The codes of a set's clips in the sampler's order; the codebook is asked once for each."""

    def __init__(self, codebook: Codebook, clips: Clips, device: torch.device) -> None:
        self.codebook, self.clips, self.device = codebook.eval().to(device), clips, device
        self.known: dict[int, np.ndarray] = {}

    @torch.no_grad()
    def __call__(self, items: list[int]) -> Tensor:
        """(B, N) int64."""
        lacking = [item for item in dict.fromkeys(items) if item not in self.known]
        if lacking:
            mels = 2 * self.clips.mels(lacking).to(self.device) - 1
            entries, _, codes = self.codebook.encode(mels)
            columns = to_columns(codes, *entries.shape[2:]).cpu().numpy().astype(np.int16)
            self.known |= dict(zip(lacking, columns, strict=True))
        return torch.from_numpy(np.stack([self.known[item] for item in items])).long()


def condition(
    clips: Clips, items: list[int], config: SamplerConfig, seed: tuple[int, ...]
) -> dict[str, Tensor]:
    """What the sampler is told of these clips: `features` (B, D, n), `classes` (B, 1), or both."""
    told = {}
    if config.feature_width is not None:
        told["features"] = clips.features(items, config.features, width=config.feature_width, seed=seed)
    if config.classes is not None:
        told["classes"] = clips.targets(items)[:, None]
    return told


def train(
    settings: Settings,
    sets: tuple[Clips, Clips],
    codebook: Codebook,
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
    config = configure(settings, learnt, codebook)
    network = Sampler(config).to(processes.device)
    learning = Learning(optimizer(network, settings), processes, settings.precision)
    codes = [Codes(codebook, clips, processes.device) for clips in sets]
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

    def make(step: int) -> tuple[Tensor, dict[str, Tensor], float]:
        items, weight = processes.share(drawn(len(learnt), settings.batch, step, settings.seed))
        return codes[0](items), condition(learnt, items, config, (settings.seed, step)), weight

    def loss_of(said: Tensor, told: Mapping[str, Tensor]) -> Tensor:
        moved = {name: value.to(processes.device) for name, value in told.items()}
        with learning.autocast():
            return network.loss(said.to(processes.device), **moved)

    def learn(batch: tuple[Tensor, dict[str, Tensor], float]) -> dict[str, float]:
        said, told, weight = batch
        network.train()
        loss = loss_of(said, told)
        learning.step(loss, weight)
        return {"loss": loss.item()}

    @torch.no_grad()
    def look() -> dict[str, float]:
        network.eval()
        total, count = 0.0, 0
        for items in processes.chunks(len(held_out), settings.batch):
            total += loss_of(
                codes[1](items), condition(held_out, items, config, (settings.seed,))
            ).item() * len(items)
            count += len(items)
        return processes.mean({"score": total}, count)

    def keep(better: bool) -> None:
        if better:
            weights = {
                f"{name}.{key}": weight
                for name, each in (("sampler", network), ("codebook", codebook))
                for key, weight in each.state_dict().items()
            }
            checkpoints.save(folder / "sampler.pt", described(settings, learnt, config, codebook), weights)

    progress.resume()
    progress.walk(make, learn, look, keep, until=until)
    return progress


def described(settings: Settings, clips: Clips, config: SamplerConfig, codebook: Codebook) -> dict[str, Any]:
    """The checkpoint's config."""
    features = None
    if config.feature_width is not None:
        features = {
            "extractor": settings.extractor,
            "step_s": 1 / 21.5,
            "count": config.features,
            "width": config.feature_width,
            "rows": clips.size.rows_crop,
        }
    return {
        "sampler": config.to_dict(),
        "codebook": codebook.config.to_dict(),
        "size": asdict(clips.size),
        "classes": list(clips.classes) if config.classes is not None else [],
        "features": features,
    }


def read_sets(settings: Settings, root: Path, layout: Layout) -> tuple[Clips, Clips]:
    """What is learnt from, and what is held out.

    Raises:
        DataError: see `data`.
    """
    from_files = None if settings.extractor in (None, "noise") else settings.extractor
    return data.read_sets(root, layout, extractor=from_files, size=Size(**settings.size))


@click.command()
@options.of_a_set
@click.option(
    "--codebook", "codebook_path", type=click.Path(path_type=Path), required=True, help="codebook.pt"
)
@options.of_a_run("sampler")
def main(
    root: Path,
    layout: Layout,
    codebook_path: Path,
    out: Path,
    given: Path | None,
    seed: int | None,
    threads: int | None,
) -> None:
    """Train the sampler, or go on training it."""
    with options.told():
        settings = read_settings(Settings, given, seed=seed, threads=threads)
        _, codebook = trained.read_codebook(codebook_path)
        sets = read_sets(settings, root, layout)
        progress = train(settings, sets, codebook, out)
        progress.figures("Spectrogram VQGAN", settings, clips=len(sets[0]), layout=layout)


if __name__ == "__main__":
    main()
