"""Spectrograms for the clips of a set, as `evaluate` reads them: `python -m models.foley.generate …`.

In: a set (see `data`) and `sampler.pt`, or `codebook.pt`, by which clips are only there and back again.
Out: `OUT/NAME_sample_K.npy`, (80, T) in [0, 1] but for what isn't clipped, as published; for VAS
`OUT/CLASS/NAME_…`. What is there already isn't made again. Each chunk of clips draws from the seed, the
take and its first clip.

Published figures took the 512 likeliest codes of VGGSound's codebook, 64 of VAS's, and 10 takes a clip;
`--half` gives the first 26 of 53 columns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from models import checkpoints
from models.foley import data, options, trained
from models.foley.codebook import Codebook
from models.foley.data import Clips, Layout, Size
from models.foley.sampler import Sampler, to_rows
from models.foley.train_sampler import Codes, condition
from models.training import Processes
from otio_avassist.whole import replacing


@torch.no_grad()
def there_and_back(codebook: Codebook, mels: Tensor) -> Tensor:
    """Spectrograms through codes. Shape: (B, 1, 80, T) in [0, 1] -> the same, not clipped."""
    made, _ = codebook(2 * mels - 1)
    return (made + 1) / 2


@torch.no_grad()
def decoded(codebook: Codebook, codes: Tensor, rows: int, columns: int) -> Tensor:
    """Codes in the sampler's order (B, N) -> spectrograms (B, 1, 80, T) in [0, 1], not clipped."""
    made = codebook.decode_codes(to_rows(codes, rows, columns).unflatten(1, (rows, columns)))
    return (made + 1) / 2


def take(
    sampler: Sampler,
    codebook: Codebook,
    clips: Clips,
    items: list[int],
    *,
    seed: int = 0,
    top_k: int | None = 100,
    temperature: float = 1.0,
    half: bool = False,
    device: torch.device | None = None,
) -> Tensor:
    """A take of each of these clips. Shape: (B, 1, 80, T) in [0, 1], not clipped."""
    device = device or torch.device("cpu")
    config = sampler.config
    told = condition(clips, items, config, (seed,))
    with torch.no_grad():
        prefix = sampler.prefix(**{name: value.to(device) for name, value in told.items()})
    given = None
    if half:
        first = config.columns // 2 * config.rows
        given = Codes(codebook, clips, device)(items)[:, :first].to(device)
    codes = sampler.sample(
        prefix,
        config.window,
        given=given,
        top_k=top_k,
        temperature=temperature,
        generator=torch.Generator(device).manual_seed(seed),
    )
    return decoded(codebook, codes, config.rows, config.columns)


def path_of(folder: Path, clips: Clips, item: int, take: int) -> Path:
    """Where a take lies."""
    return folder / f"{clips.clips[item].name}_sample_{take}.npy"


def write(path: Path, mel: Tensor) -> None:
    """One spectrogram, (1, 80, T)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        np.save(part, mel[0].float().cpu().numpy())


def read_networks(path: Path) -> tuple[dict[str, Any], Sampler | None, Codebook]:
    """Of a checkpoint of either kind: its config, a sampler if there is one, and a codebook.

    Raises:
        CheckpointError: neither.
    """
    if "sampler" in checkpoints.load(path).config:
        return trained.read_sampler(path)
    config, codebook = trained.read_codebook(path)
    return config, None, codebook


def generate(
    checkpoint: Path,
    clips: Clips,
    out: Path,
    *,
    takes: int = 1,
    top_k: int | None = 100,
    temperature: float = 1.0,
    half: bool = False,
    batch: int = 8,
    seed: int = 0,
) -> None:
    """Write takes of all these clips, or, of a codebook alone, what comes back of each.

    Raises:
        CheckpointError: not a sampler's or a codebook's.
        DataError: clips aren't as the networks have learnt them.
    """
    processes = Processes()
    config, sampler, codebook = read_networks(checkpoint)
    codebook.to(processes.device)
    if sampler is not None:
        sampler.to(processes.device)
        if sampler.config.classes is not None:
            clips = data.with_classes(clips, config["classes"])
    for items in processes.chunks(len(clips), batch):
        for number in range(takes if sampler is not None else 1):
            paths = [path_of(out, clips, item, number) for item in items]
            if all(path.exists() for path in paths):
                continue
            if sampler is None:
                mels = there_and_back(codebook, clips.mels(items).to(processes.device))
            else:
                mels = take(
                    sampler,
                    codebook,
                    clips,
                    items,
                    # Another for each take, and for each first clip.
                    seed=(seed * 1_009 + number) * 1_000_003 + items[0],
                    top_k=top_k,
                    temperature=temperature,
                    half=half,
                    device=processes.device,
                )
            for path, mel in zip(paths, mels, strict=True):
                write(path, mel)


@click.command()
@options.of_a_set
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), required=True, help="sampler.pt or codebook.pt"
)
@click.option("--split", default="valid", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--takes", type=int, default=1, show_default=True, help="Of each clip.")
@click.option("--top-k", type=int, default=100, show_default=True)
@click.option("--temperature", type=float, default=1.0, show_default=True)
@click.option("--half", is_flag=True, help="Give the first half of the true codes.")
@click.option("--batch", type=int, default=8, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--threads", type=int, default=1, show_default=True)
def main(root: Path, layout: Layout, checkpoint: Path, split: str, threads: int, **how: Any) -> None:
    """Make spectrograms for the clips of a set."""
    with options.told():
        torch.set_num_threads(threads)
        config = read_networks(checkpoint)[0]
        extractor = (config.get("features") or {}).get("extractor")
        clips = data.read_clips(
            root,
            layout,
            split,
            extractor=None if extractor == "noise" else extractor,
            size=Size(**config["size"]),
        )
        generate(checkpoint, clips, **how)


if __name__ == "__main__":
    main()
