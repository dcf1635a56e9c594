"""Train the codebook, a VQGAN of spectrograms: `python -m models.foley.train_codebook …`.

In: a set (see `data`). Out, in the run's folder: `codebook.pt` (see `trained`), of the last epoch,
`figures.json` for its card, `log.jsonl`, and `state.pt` from which a run goes on where it stopped. On
several processes: `torchrun --nproc-per-node 2 -m …`.

As published, the last is kept and nothing but `epochs` ends it: once the judge sets in, what is decoded
gets more like sounds and no nearer to its own. Four terms make the loss: how far spectrograms are apart,
how far apart they look to LPAPS, whether the judge takes them for real, and how far the encoder is from the
codebook; each has a weight (thesis, table 4.3).

A doubt about LPAPS: the published runs meant to judge by a trained VGGish-ish, but its weights were
silently not loaded, so that what looked was a network of random weights (issue 13 of the released code,
whose author suggests to leave it out). Without `--lpaps` ours does what theirs did, from the seed; with
`--lpaps classifier.pt` it looks by a trained VGGish-ish; `perceptual: 0` among the settings leaves it out.
Its dropout, which the released training leaves on, is off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from models import checkpoints
from models.foley import data, options, trained
from models.foley.codebook import Codebook, perplexity
from models.foley.config import CodebookConfig
from models.foley.data import Clips, Layout, Size
from models.foley.losses import CodebookLoss, Weights
from models.foley.lpaps import LPAPS
from models.foley.patchgan import PatchGAN
from models.foley.vggishish import VGGishish
from models.training import Learning, Processes, Progress, drawn, read_settings, steps_an_epoch


@dataclass(frozen=True)
class Settings:
    """All that a run is made of; the defaults are VGGSound's."""

    seed: int = 23
    codebook: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of `CodebookConfig` other than published; VAS: 128 `codes`."""
    pixels: float = 1.0
    perceptual: float = 1.0
    judge: float = 0.8
    judge_from: int = 30_001
    """VAS: 2,001. A judge of weight 0 is none."""
    entries: float = 1.0
    """What the codebook's own loss counts for."""
    balance: tuple[float, float] = (1.0, 1.0)
    """See `losses.Weights`."""
    lpaps_divisor: int = 1
    """Of the widths of LPAPS's network, where it is one of random weights."""
    judge_channels: int = 64
    base_lr: float = 4.5e-6
    """The rate is this times `batch`; VAS: 1e-6."""
    betas: tuple[float, float] = (0.5, 0.9)
    batch: int = 3
    """Clips a step, over all processes."""
    epochs: int = 1000
    patience: int | None = None
    size: Mapping[str, int] = field(default_factory=dict)
    """Of `data.Size`, where clips aren't 10 s."""
    precision: str = "auto"
    save_minutes: float = 5.0
    threads: int = 1


def configure(settings: Settings, clips: Clips) -> CodebookConfig:
    """As published but for the settings, with the length of this set's clips."""
    return CodebookConfig(**{"resolution": clips.size.crop, **settings.codebook})


def losses_of(settings: Settings, perceptual: LPAPS | None) -> CodebookLoss:
    """The terms of the loss, weighed, with a new judge."""
    weights = Weights(
        pixels=settings.pixels,
        perceptual=settings.perceptual,
        codebook=settings.entries,
        judge=settings.judge,
        judge_from=settings.judge_from,
        balance=tuple(settings.balance),
    )
    return CodebookLoss(PatchGAN(channels=settings.judge_channels), perceptual, weights)


def random_lpaps(statistics: Tensor, divisor: int = 1) -> LPAPS:
    """What the published runs looked by: a network that has learnt nothing, on standardised bands."""
    network = LPAPS(mels=len(statistics), divisor=divisor)
    mean, deviation = statistics.T.float().reshape(2, 1, 1, -1, 1)
    # Spectrograms come in [-1, 1] here.
    network.scaling_layer.load_state_dict({"shift": 2 * mean - 1, "scale": 2 * deviation})
    return network.eval()


def through(codebook: Codebook, x: Tensor, autocast: Callable[[], Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Spectrograms after they went through codes, the codebook's loss, and the codes.

    Shape: (B, 1, F, T) -> the same, (), (B, rows x columns).
    """
    with autocast():
        said = codebook.before_codes(x)
    # The nearest entry is found in full precision.
    entries, loss, codes = codebook.quantize(said.float())
    with autocast():
        made = codebook.decode(entries)
    return made.float(), loss, codes


def learn(
    codebook: Codebook,
    losses: CodebookLoss,
    steps: tuple[Learning, Learning],
    x: Tensor,
    step: int,
    weight: float = 1.0,
) -> dict[str, float]:
    """A step of both: the codebook first, then the judge, on what the codebook makes since.

    Args:
        steps: of the codebook and of the judge.
        x: (B, 1, F, T) in [-1, 1].
        step: its number.
        weight: of this share of a batch.
    """
    of_codebook, of_judge = steps
    made, loss, codes = through(codebook, x, of_codebook.autocast)
    found = losses.generator(x, made, loss, step, codebook.decoder.conv_out.weight)
    of_codebook.step(found.total, weight)
    figures = {
        "loss": found.total.item(),
        "reconstruction": found.reconstruction.item(),
        "entries": found.codebook.item(),
        "codes in use": perplexity(codes, codebook.config.codes).item(),
    }
    # Before it sets in, a factor of 0 would teach the judge nothing.
    if losses.weights.judge and found.judge_counts:
        with torch.no_grad():
            made, _, _ = through(codebook, x, of_codebook.autocast)
        judged = losses.judge(x, made, step)
        of_judge.step(judged.total, weight)
        figures |= {"judge": judged.total.item(), "real": judged.real.item(), "fake": judged.fake.item()}
    return figures


def train(
    settings: Settings,
    sets: tuple[Clips, Clips],
    folder: Path,
    *,
    perceptual: LPAPS | None = None,
    until: int | None = None,
    quiet: bool = False,
) -> Progress:
    """Train, or go on training, on the first of the sets; the other one says how near spectrograms come.

    Args:
        perceptual: by which it is judged how spectrograms look; None: by random weights, as published.
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    processes = Processes()
    learnt, held_out = sets
    codebook = Codebook(configure(settings, learnt)).to(processes.device)
    if perceptual is None and settings.perceptual:
        statistics = data.kept_statistics(learnt, folder, processes)
        perceptual = random_lpaps(torch.from_numpy(statistics), settings.lpaps_divisor)
    losses = losses_of(settings, perceptual).to(processes.device)
    losses.discriminator = processes.synchronised(losses.discriminator)
    of_codebook, of_judge = (
        Learning(
            torch.optim.Adam(
                each.parameters(), lr=settings.base_lr * settings.batch, betas=tuple(settings.betas)
            ),
            processes,
            settings.precision,
        )
        for each in (codebook, losses.discriminator)
    )
    progress = Progress(
        folder,
        processes,
        {
            "codebook": codebook,
            # With the random network that looks, if it is one.
            "losses": losses,
            "codebook_learning": of_codebook,
            "judge_learning": of_judge,
        },
        steps=steps_an_epoch(len(learnt), settings.batch),
        epochs=settings.epochs,
        patience=settings.patience,
        seed=settings.seed,
        save_minutes=settings.save_minutes,
        quiet=quiet,
    )

    def make(step: int) -> tuple[Tensor, int, float]:
        items, weight = processes.share(drawn(len(learnt), settings.batch, step, settings.seed))
        return 2 * learnt.mels(items) - 1, step, weight

    def step(batch: tuple[Tensor, int, float]) -> dict[str, float]:
        mels, number, weight = batch
        codebook.train()
        losses.discriminator.train()
        return learn(codebook, losses, (of_codebook, of_judge), mels.to(processes.device), number, weight)

    @torch.no_grad()
    def look() -> dict[str, float]:
        codebook.eval()
        sums, count = {"score": 0.0, "pixels": 0.0}, 0
        for items in processes.chunks(len(held_out), settings.batch):
            x = 2 * held_out.mels(items).to(processes.device) - 1
            made, _ = codebook(x)
            pixels = (x - made).abs().mean().item()
            looks = 0.0
            if losses.perceptual_loss is not None:
                looks = settings.perceptual * losses.perceptual_loss(x, made).mean().item()
            sums["pixels"] += pixels * len(items)
            sums["score"] += (settings.pixels * pixels + looks) * len(items)
            count += len(items)
        return processes.mean(sums, count)

    def keep(better: bool) -> None:
        held = {"codebook": codebook.config.to_dict(), "size": asdict(learnt.size)}
        checkpoints.save(folder / "codebook.pt", held, codebook.state_dict())

    progress.resume()
    progress.walk(make, step, look, keep, until=until)
    return progress


def read_lpaps(path: Path) -> LPAPS:
    """LPAPS by a trained VGGish-ish.

    Raises:
        CheckpointError: not one.
    """
    config, network = trained.read_classifier(path)
    if not isinstance(network, VGGishish):
        raise checkpoints.CheckpointError(f"{path}: LPAPS looks by a VGGish-ish, not by {config['network']}")
    return LPAPS.of(network, torch.tensor(config["statistics"]))


@click.command()
@options.of_a_set
@click.option("--lpaps", type=click.Path(path_type=Path), help="classifier.pt of a trained VGGish-ish.")
@options.of_a_run("codebook")
def main(
    root: Path,
    layout: Layout,
    lpaps: Path | None,
    out: Path,
    given: Path | None,
    seed: int | None,
    threads: int | None,
) -> None:
    """Train the codebook, or go on training it."""
    with options.told():
        settings = read_settings(Settings, given, seed=seed, threads=threads)
        sets = data.read_sets(root, layout, size=Size(**settings.size))
        progress = train(settings, sets, out, perceptual=read_lpaps(lpaps) if lpaps else None)
        progress.figures("Spectrogram VQGAN codebook", settings, clips=len(sets[0]), layout=layout)


if __name__ == "__main__":
    main()
