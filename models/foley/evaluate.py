"""How good generated spectrograms are, as published: `python -m models.foley.evaluate …`.

In: a folder of takes, `NAME_sample_K.npy` or with `_mel` before it (`generate`, and the released code), the
set that they were made for, and a trained Melception. Out: a table, and with `--json` the same in a file.

    FID, KID   how far takes and real sounds are apart as two clouds of what Melception sees
    ISc        how sure it is of takes, and how many kinds there are
    MKL        how far what it hears in a take is from what it hears in the sound of the same clip

Takes and clips are paired by name; for VAS by class, too, or by `cls_K`, the class's number, as released
code writes it. A take whose clip isn't there is an error; clips without takes are counted. With fewer than
1,000 of either, KID is of smaller subsets, which the table says. Figures compare only where Melception is
the same, and FID of few sounds is far above that of many: the table has real sounds, halved, beside the
takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn

from models.checkpoints import CheckpointError
from models.foley import data, metrics, options, trained
from models.foley.data import Clips, DataError, Layout, Size
from models.training import Processes

KID_SUBSET = 1000
"""Of each side, a hundred times."""
ISC_SPLITS = 10
Seen = dict[str, np.ndarray]
"""What Melception says of sounds, a row each: `2048`, `logits_unbiased` and `logits`."""


def key_of(path: Path, layout: Layout, classes: Sequence[str]) -> str:
    """The clip that a take was made for, as lists name it."""
    name = path.stem.split("_sample_")[0].removesuffix("_mel")
    if layout == "vggsound":
        return name
    folder = path.parent.name
    number = folder.removeprefix("cls_")
    if number != folder and number.isdecimal() and int(number) < len(classes):
        folder = classes[int(number)]
    return f"{folder}/{name}"


def read_takes(folder: Path, layout: Layout, classes: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Files of takes below a folder, and the clip of each.

    Raises:
        DataError: there are none.
    """
    paths = sorted(folder.rglob("*_sample_*.npy"))
    if not paths:
        raise DataError(f"{folder}: no takes (…_sample_0.npy)")
    return paths, [key_of(path, layout, classes) for path in paths]


@torch.inference_mode()
def see(
    network: nn.Module, statistics: Tensor, mels: Iterable[Tensor], device: torch.device | None = None
) -> Seen:
    """What Melception says of batches of spectrograms (B, 1, 80, T) in [0, 1]."""
    network.eval()
    parts: list[dict[str, Tensor]] = []
    for batch in mels:
        standard = trained.standardised(batch, statistics).to(device or torch.device("cpu"))
        parts.append(network.taps(standard))
    return {
        name: np.concatenate([part[name].float().cpu().numpy() for part in parts])
        for name in ("2048", "logits_unbiased", "logits")
    }


def of_clips(clips: Clips, batch: int = 8) -> Iterator[Tensor]:
    """The real spectrograms of a set."""
    return (clips.mels(range(first, min(first + batch, len(clips)))) for first in range(0, len(clips), batch))


def of_takes(paths: Sequence[Path], columns: int, batch: int = 8) -> Iterator[Tensor]:
    """Generated spectrograms of files.

    Raises:
        DataError: one isn't of so many columns.
    """
    for first in range(0, len(paths), batch):
        arrays = []
        for path in paths[first : first + batch]:
            mel = data.read_array(path)
            if mel.shape != (80, columns):
                raise DataError(f"{path}: a spectrogram of (80, {columns}) was wanted, not {mel.shape}")
            arrays.append(mel.astype(np.float32))
        yield torch.from_numpy(np.stack(arrays)[:, None])


def measure(takes: Seen, keys: Sequence[str], real: Seen, names: Sequence[str]) -> dict[str, float]:
    """All figures.

    Args:
        takes, keys: what was seen in takes, and the clip of each.
        real, names: what was seen in clips, and their names.

    Raises:
        DataError: a take of a clip that isn't there.
    """
    places = {name: place for place, name in enumerate(names)}
    lost = [key for key in keys if key not in places]
    if lost:
        raise DataError(f"takes of {lost[0]} and {len(lost) - 1} more that the set doesn't have")
    subset = min(KID_SUBSET, len(keys), len(names))
    kid, kid_spread = metrics.kernel_distance(takes["2048"], real["2048"], size=subset)
    isc, isc_spread = metrics.inception_score(takes["logits_unbiased"], splits=min(ISC_SPLITS, len(keys)))
    paired = real["logits"][[places[key] for key in keys]]
    return {
        "fid": metrics.frechet_distance(takes["2048"], real["2048"]),
        "kid": kid,
        "kid spread": kid_spread,
        "kid subset": subset,
        "isc": isc,
        "isc spread": isc_spread,
        "mkl": metrics.mean_kl(paired, takes["logits"]),
        "takes": len(keys),
        "clips": len(names),
        "clips with takes": len(set(keys)),
    }


def evaluate(
    classifier: Path, folder: Path, clips: Clips, *, device: torch.device | None = None
) -> dict[str, dict[str, float]]:
    """Figures of the takes in a folder, and, to compare, of one half of the real clips against the other.

    Raises:
        CheckpointError: not a Melception.
        DataError: there are no takes, or they don't fit.
    """
    config, network = trained.read_classifier(classifier)
    if config["network"] != "melception":
        raise CheckpointError(f"{classifier}: Melception judges takes, not {config['network']}")
    network.to(device or torch.device("cpu"))
    statistics = torch.tensor(config["statistics"])
    paths, keys = read_takes(folder, clips.layout, clips.classes)
    real = see(network, statistics, of_clips(clips), device)
    takes = see(network, statistics, of_takes(paths, clips.size.crop), device)
    names = [clip.name for clip in clips.clips]
    found = {"takes": measure(takes, keys, real, names)}
    if len(names) >= 4:
        order = np.random.default_rng(metrics.SEED).permutation(len(names))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        one, other = ({name: rows[half] for name, rows in real.items()} for half in halves)
        found["real halves"] = {
            "fid": metrics.frechet_distance(one["2048"], other["2048"]),
            "clips": len(names),
        }
    return found


def pixels(folder: Path, clips: Clips) -> float:
    """How far the takes of clips are from the real ones, on average: of what comes back through codes.

    Raises:
        DataError: as `evaluate`.
    """
    paths, keys = read_takes(folder, clips.layout, clips.classes)
    places = {clip.name: place for place, clip in enumerate(clips.clips)}
    takes = torch.cat(list(of_takes(paths, clips.size.crop)))
    return float((takes - clips.mels([places[key] for key in keys])).abs().mean())


@click.command()
@options.of_a_set
@click.option("--split", default="valid", show_default=True)
@click.option("--takes", "folder", type=click.Path(path_type=Path), required=True)
@click.option("--classifier", type=click.Path(path_type=Path), required=True, help="A trained Melception.")
@click.option("--threads", type=int, default=1, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="The figures, for machines.")
def main(
    root: Path,
    layout: Layout,
    split: str,
    folder: Path,
    classifier: Path,
    threads: int,
    json_path: Path | None,
) -> None:
    """Measure generated spectrograms."""
    with options.told():
        torch.set_num_threads(threads)
        columns = trained.read_classifier(classifier)[0]["classifier"]["columns"]
        clips = data.read_clips(root, layout, split, size=Size(crop=columns))
        found = evaluate(classifier, folder, clips, device=Processes().device)
        for what, figures in found.items():
            shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
            click.echo(f"{what}: {shown}")
        if json_path:
            json_path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
