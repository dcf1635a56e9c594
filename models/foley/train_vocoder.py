"""Train the vocoder, MelGAN: `python -m models.foley.train_vocoder …`.

In: a set (see `data`) with its sounds, or a folder of sound files, of which every twentieth is held out.
Out, in the run's folder: `vocoder.pt` (see `trained`), the best by how near its spectrograms of held-out
sounds are, `figures.json`, `log.jsonl`, and `state.pt` from which a run goes on. On several processes:
`torchrun …`.

As published: sounds as loud as 0.95, segments of 8,192 samples at a gain of 0.3 to 1; the judges learn
first, then the generator, from hinges and from what the judges' layers make of real and made sound.
Published numbers took VGGSound and 64 segments a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from models import checkpoints
from models.foley import data, options
from models.foley.config import MelGANConfig
from models.foley.data import Layout
from models.foley.melgan import Discriminator, Generator, generator_loss, judge_loss, matching_loss
from models.training import Learning, Processes, Progress, drawn, read_settings, steps_an_epoch
from otio_avassist import signals, windows
from otio_avassist.windows import Stretch

HELD_OUT = 20
"""Every so many files, of a folder without lists."""
AROUND = 4
"""Columns of sound beside a segment, so that its spectrogram has no edges."""
SOUNDS_IN_MEMORY = 512


@dataclass(frozen=True)
class Settings:
    """All that a run is made of; the defaults are the published ones."""

    seed: int = 0
    vocoder: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of `MelGANConfig` other than published."""
    segment: int = 8192
    """Samples; a whole number of columns."""
    lr: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.9)
    matching: float = 10.0
    """What the judges' layers count for."""
    batch: int = 64
    """Segments a step, over all processes."""
    epochs: int = 3000
    patience: int | None = None
    """Published training went on to its last epoch; the best was kept."""
    heard: int = 64
    """Held-out sounds that are measured at an epoch's end."""
    precision: str = "auto"
    save_minutes: float = 5.0
    threads: int = 1


@lru_cache(SOUNDS_IN_MEMORY)
def read(path: Path) -> np.ndarray:
    """A sound at 22,050 Hz, as loud as 0.95. Shape: float32 (N,).

    Raises:
        MediaError: no sound that can be decoded.
    """
    duration_s = windows.probe(path).duration_s or 0.0
    samples = windows.read_sound(Stretch(path, 0.0, duration_s), rate=signals.FOLEY_RATE)
    return 0.95 * samples / max(float(np.abs(samples).max(initial=0)), 1e-5)


def cut(samples: np.ndarray, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """So many samples from a column on, with silence beyond the ends, and the spectrogram of just these.

    Shape: (N,) -> float32 (80, count / 256), (count,).
    """
    beside = AROUND * signals.FOLEY_HOP
    padded = np.pad(samples, (beside, beside + max(0, first + count - len(samples))))
    around = padded[first : first + count + 2 * beside]
    # Column k looks at what is around its first sample.
    mel = signals.foley_log_mel(around)[:, AROUND : AROUND + count // signals.FOLEY_HOP]
    return mel, around[beside : beside + count].astype(np.float32)


def segments(paths: Sequence[Path], rng: np.random.Generator, length: int) -> tuple[Tensor, Tensor]:
    """One of each sound, anywhere in it, at some gain. Shape: (B, 80, T), (B, 1, length)."""
    found = []
    for path in paths:
        samples = read(path)
        last = max(0, len(samples) - length) // signals.FOLEY_HOP
        first = int(rng.integers(last + 1)) * signals.FOLEY_HOP
        found.append(cut(samples * np.float32(rng.uniform(0.3, 1)), first, length))
    mels, sounds = (torch.from_numpy(np.stack(each)) for each in zip(*found, strict=True))
    return mels, sounds[:, None]


def learn(
    generator: Generator,
    judges: Discriminator,
    steps: tuple[Learning, Learning],
    mels: Tensor,
    sounds: Tensor,
    *,
    matching: float = 10.0,
    weight: float = 1.0,
) -> dict[str, float]:
    """A step of both: judges first.

    Args:
        steps: of the generator and of the judges.
        mels, sounds: (B, 80, T), (B, 1, 256 T).
        weight: of this share of a batch.
    """
    of_generator, of_judges = steps
    with of_generator.autocast():
        made = generator(mels)
        real = judges(sounds)
        judged = judge_loss(real, judges(made.detach()))
    of_judges.step(judged, weight)
    with of_generator.autocast():
        fake = judges(made)
        # What was made of real sound before the judges learnt serves again, as published.
        likeness = matching_loss(real, fake)
        loss = generator_loss(fake) + matching * likeness
    of_generator.step(loss, weight)
    return {"judges": judged.item(), "generator": loss.item(), "matching": likeness.item()}


@torch.no_grad()
def distance(generator: nn.Module, samples: np.ndarray, device: torch.device) -> float:
    """How far the spectrogram of what is made of a sound's spectrogram is from it, on average."""
    columns = max(AROUND, len(samples) // signals.FOLEY_HOP)
    mel, _ = cut(samples, 0, columns * signals.FOLEY_HOP)
    made = generator(torch.from_numpy(mel)[None].to(device))[0, 0].float().cpu().numpy()
    again, _ = cut(made, 0, columns * signals.FOLEY_HOP)
    return float(np.abs(again - mel).mean())


def train(
    settings: Settings,
    sounds: tuple[Sequence[Path], Sequence[Path]],
    folder: Path,
    *,
    until: int | None = None,
    quiet: bool = False,
) -> Progress:
    """Train, or go on training, on the first of the lists of files; the other one says how good it is."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    processes = Processes()
    learnt, held_out = sounds[0], sounds[1][: settings.heard]
    config = MelGANConfig(**settings.vocoder)
    generator = Generator(config).to(processes.device)
    judges = Discriminator(config).to(processes.device)
    of_generator, of_judges = (
        Learning(
            torch.optim.Adam(each.parameters(), lr=settings.lr, betas=settings.betas),
            processes,
            settings.precision,
        )
        for each in (generator, judges)
    )
    progress = Progress(
        folder,
        processes,
        {
            "generator": generator,
            "judges": judges,
            "generator_learning": of_generator,
            "judges_learning": of_judges,
        },
        steps=steps_an_epoch(len(learnt), settings.batch),
        epochs=settings.epochs,
        patience=settings.patience,
        seed=settings.seed,
        save_minutes=settings.save_minutes,
        quiet=quiet,
    )

    def make(step: int) -> tuple[Tensor, Tensor, float]:
        items, weight = processes.share(drawn(len(learnt), settings.batch, step, settings.seed))
        rng = np.random.default_rng([settings.seed, step, processes.rank])
        return *segments([learnt[item] for item in items], rng, settings.segment), weight

    def step(batch: tuple[Tensor, Tensor, float]) -> dict[str, float]:
        mels, real, weight = batch
        generator.train()
        return learn(
            generator,
            judges,
            (of_generator, of_judges),
            mels.to(processes.device),
            real.to(processes.device),
            matching=settings.matching,
            weight=weight,
        )

    def look() -> dict[str, float]:
        generator.eval()
        mine = [item for chunk in processes.chunks(len(held_out), 1) for item in chunk]
        total = sum(distance(generator, read(held_out[item]), processes.device) for item in mine)
        return processes.mean({"score": total}, len(mine))

    def keep(better: bool) -> None:
        if better:
            checkpoints.save(folder / "vocoder.pt", {"vocoder": config.to_dict()}, generator.state_dict())

    progress.resume()
    progress.walk(make, step, look, keep, until=until)
    return progress


def read_sounds(root: Path | None, layout: Layout, folder: Path | None) -> tuple[list[Path], list[Path]]:
    """Files to learn from, and held-out ones, of a set or of a folder.

    Raises:
        DataError: there are none.
    """
    if root is not None:
        learnt, held_out = (
            [clips.path(clip, data.SOUNDS, ".wav") for clip in clips.clips]
            for clips in data.read_sets(root, layout)
        )
        return learnt, held_out
    assert folder is not None
    found = data.sound_files(folder)
    if len(found) < 2:
        raise data.DataError(f"{folder}: one sound can't be learnt from and held out")
    held_out = found[::HELD_OUT]
    return [path for number, path in enumerate(found) if number % HELD_OUT], held_out


@click.command()
@click.option("--data", "root", type=click.Path(path_type=Path), help="A set; see models.foley.data.")
@click.option("--layout", type=click.Choice(["vas", "vggsound"]), default="vggsound", show_default=True)
@click.option("--sounds", type=click.Path(path_type=Path), help="In its place, a folder of sound files.")
@options.of_a_run("vocoder")
def main(
    root: Path | None,
    layout: Layout,
    sounds: Path | None,
    out: Path,
    given: Path | None,
    seed: int | None,
    threads: int | None,
) -> None:
    """Train the vocoder, or go on training it."""
    if (root is None) == (sounds is None):
        raise click.UsageError("give --data or --sounds")
    with options.told():
        settings = read_settings(Settings, given, seed=seed, threads=threads)
        files = read_sounds(root, layout, sounds)
        progress = train(settings, files, out)
        progress.figures("MelGAN", settings, sounds=len(files[0]))


if __name__ == "__main__":
    main()
