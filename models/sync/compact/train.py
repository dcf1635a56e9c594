"""Train the compact sync network: `python -m models.sync.compact.train --out runs/sync`.

In: free recordings, pictures and a film, fetched into `--material`; scenes are rendered from seeds. Out, in
the folder: `sync.pt` (`{config, state_dict}`, the best by the loss on what isn't learnt from), then
`python -m export compact-sync --run runs/sync --out …`. Everything is drawn from seeds, and goes on where it
was stopped.

The loss is the cross-entropy of the lag, spread over a frame to each side, so where nothing tells the lag the
network learns to say so: what it gives is a belief, not only a best guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models import checkpoints
from models.captions.compact.material import FILM
from models.sync.compact import draw, films, pool
from models.sync.compact.calibrate import calibrate
from models.sync.compact.material import RELEASES
from models.sync.compact.network import CompactConfig, CompactSync
from models.sync.compact.pool import Source
from models.training import Learning, Processes, Progress
from otio_avassist.energies import FPS

VERSION = "2"


@dataclass(frozen=True)
class Settings:
    """All that a run is made of."""

    seed: int = 0
    scenes: int = 2000
    """Rendered scenes that are learnt from."""
    film_share: float = 0.12
    """Of windows that are cut from films; the others are cut from scenes."""
    held_out: int = 100
    """Scenes that are looked at on the way."""
    windows_s: tuple[float, ...] = (4.0, 5.0, 6.0, 8.0, 10.0)
    """Lengths that windows are cut to, each step one of them."""
    batch: int = 16
    steps: int = 4500
    round: int = 250
    lr: float = 2e-3
    """After 100 steps of warming up; falls to a fiftieth along a cosine."""
    weight_decay: float = 0.01
    spread: float = 1.0
    """Frames that the lag is spread over, as a deviation: no frame tells where in it a blow falls."""
    precision: str = "bfloat16"
    config: CompactConfig = field(default_factory=CompactConfig)


FRESH_SEED = 50_000_000
"""First seed of scenes that figures are measured on."""
HELD_OUT_SEED = 40_000_000
"""First seed of scenes that are looked at on the way."""


def spread(classes: Tensor, count: int, frames: float) -> Tensor:
    """Shares of each class, (B,) -> (B, count): most in the true one, some in its neighbours."""
    apart = torch.arange(count)[None] - classes[:, None]
    shares = torch.exp(-0.5 * (apart / frames) ** 2)
    return shares / shares.sum(1, keepdim=True)


def train(
    settings: Settings,
    learnt: tuple[list[Source], list[Source]],
    held_out: list[Source],
    folder: Path,
    *,
    until: int | None = None,
    quiet: bool = False,
) -> Progress:
    """Train, or go on training.

    Args:
        learnt: scenes and films that are learnt from.
        held_out: what it is measured on after each round.
    """
    torch.manual_seed(settings.seed)
    processes = Processes()
    network = CompactSync(settings.config)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    learning = Learning(optimizer, processes, settings.precision, clip_norm=1.0)
    progress = Progress(
        folder,
        processes,
        {"network": network, "learning": learning},
        steps=settings.round,
        epochs=settings.steps // settings.round,
        patience=None,
        seed=settings.seed,
        quiet=quiet,
    )
    sources = [*learnt[0], *learnt[1]]
    shares = _shares(learnt, settings.film_share)
    reach = settings.config.reach

    def make(step: int) -> tuple[int, Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([settings.seed, step])
        frames = round(float(rng.choice(settings.windows_s)) * FPS)
        drawn = draw.batch(
            sources, shares, rng, count=settings.batch, frames=frames, reach=reach, changed=True
        )
        return step, *drawn

    def learn(batch: tuple[int, Tensor, Tensor, Tensor]) -> dict[str, float]:
        step, moves, bands, classes = batch
        falling = 0.5 * (1 + float(np.cos(np.pi * step / settings.steps)))
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * falling)
        network.train()
        with learning.autocast():
            logits = network(moves, bands)
        wanted = spread(classes, logits.shape[1], settings.spread)
        loss = -(wanted * F.log_softmax(logits.float(), 1)).sum(1).mean()
        learning.step(loss)
        return {"loss": loss.item()}

    @torch.no_grad()
    def look() -> dict[str, float]:
        network.eval()
        rng = np.random.default_rng(settings.seed)
        even = pool.shares(held_out)
        losses, right = [], []
        for _ in range(15):
            moves, bands, classes = draw.batch(
                held_out, even, rng, count=20, frames=round(6 * FPS), reach=reach, changed=False
            )
            logits = network(moves, bands)
            losses.append(F.cross_entropy(logits, classes).item())
            right.append(((logits.argmax(1) - classes).abs() <= 0.2 * FPS).float().mean().item())
        return {"score": float(np.mean(losses)), "within 0.2 s": float(np.mean(right))}

    def keep(better: bool) -> None:
        if better:
            checkpoints.save(folder / "sync.pt", settings.config.to_dict(), network.state_dict())

    progress.resume()
    progress.walk(make, learn, look, keep, until=until)
    return progress


def _shares(learnt: tuple[list[Source], list[Source]], film_share: float) -> np.ndarray:
    """How often each source is drawn from: films together so often, by their length."""
    rendered, filmed = learnt
    if not filmed or not rendered:
        return pool.shares([*rendered, *filmed])
    return np.concatenate([(1 - film_share) * pool.shares(rendered), film_share * pool.shares(filmed)])


def read(path: Path) -> CompactSync:
    """Of a checkpoint; not in training.

    Raises:
        CheckpointError: not such a checkpoint.
    """
    held = checkpoints.load(path)
    network = CompactSync(CompactConfig(**held.config)).eval()
    checkpoints.fill(network, held.state_dict, source=str(path))
    return network


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/sync"), help="The run's folder.")
@click.option("--material", "place", type=click.Path(path_type=Path), default=Path("runs/material"))
@click.option("--seed", type=int, default=0)
@click.option("--threads", type=int, default=2)
@click.option("--workers", type=int, default=2, help="Processes that render scenes.")
def main(out: Path, place: Path, seed: int, threads: int, workers: int) -> None:
    """Train, or go on training."""
    torch.set_num_threads(threads)
    settings = replace(Settings(), seed=seed)
    filmed, unseen = films.learnt(place, out / "films"), films.held_out(place, out / "films")
    rendered = pool.rendered(out / "scenes", place, 0, settings.scenes, workers=workers, say=click.echo)
    held_out = pool.rendered(
        out / "scenes", place, HELD_OUT_SEED, settings.held_out, workers=workers, say=click.echo
    )
    progress = train(settings, (rendered, filmed), [*held_out, *unseen], out)
    progress.figures(
        "compact sync: motion in cells against energy in bands",
        settings,
        calibrated=calibrate(read(out / "sync.pt"), unseen),
        scenes=settings.scenes,
        film=f"{FILM.licence}: {films.LEARNT_S[0]:g} to {films.LEARNT_S[1]:g} s",
        releases=[
            f"{each.package} {each.version}, sha256 {each.sha256}: {each.licence}" for each in RELEASES
        ],
        parameters=sum(each.numel() for each in read(out / "sync.pt").parameters()),
        licence="Apache-2.0, as the project; material as stated",
        command=f"python -m models.sync.compact.train --seed {seed}",
    )


if __name__ == "__main__":
    main()
