"""How good a trained sync network is on a set: `python -m models.sync.measure --checkpoint SYNC …`.

As published: LRS3 at the fixed offsets of its list; VGGSound-Sparse, which is small, 25 times with offsets
and starts of chance. In: a checkpoint, own or released, and a set. Out: the published figures, in all, by
class and by offset; and what is left of them where picture or sound is noise or another clip's: chance.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from models.sync import data, metrics, starting
from models.sync.config import SyncConfig
from models.sync.crops import Crop
from models.sync.data import Clips, Item, Reader
from models.sync.options import of_a_set, told
from models.sync.sparsesync import SparseSync
from models.sync.train_sync import Settings, held_out_crops, plain, stacked
from models.training import read_settings

Windows = tuple[Tensor, Tensor]
PASSES = {"lrs3": 1, "vggsound": 1, "vggsound-sparse": 25}


def noise_picture(vis: Tensor, aud: Tensor) -> Windows:
    """Nothing is seen that could tell."""
    return torch.randn(vis.shape, generator=torch.Generator().manual_seed(0)), aud


def noise_sound(vis: Tensor, aud: Tensor) -> Windows:
    """Nothing is heard that could tell."""
    return vis, torch.randn(aud.shape, generator=torch.Generator().manual_seed(0))


def another_sound(vis: Tensor, aud: Tensor) -> Windows:
    """What the clip before sounds like; a batch of one stays as it is."""
    return vis, aud.roll(1, dims=0)


PROBES: dict[str, Callable[[Tensor, Tensor], Windows]] = {
    "noise picture": noise_picture,
    "noise sound": noise_sound,
    "another clip's sound": another_sound,
}


@torch.no_grad()
def logits_of(
    network: nn.Module,
    pairs: list[tuple[Item, Crop]],
    reader: Reader,
    *,
    batch: int = 10,
    probe: Callable[[Tensor, Tensor], Windows] | None = None,
) -> np.ndarray:
    """Of so many windows. Shape: (N, classes)."""
    network.eval()
    found = []
    for first in range(0, len(pairs), batch):
        vis, aud = stacked([plain(*pair, reader) for pair in pairs[first : first + batch]])
        found.append(network(*(probe(vis, aud) if probe else (vis, aud))).float().numpy())
    return np.concatenate(found)


def measure(
    network: nn.Module,
    clips: Clips,
    config: SyncConfig,
    *,
    passes: int = 1,
    seed: int = 1337,
    batch: int = 10,
    probes: bool = True,
    held_in_memory: int = 0,
) -> dict[str, Any]:
    """The published figures on a split, by class and by offset; and of each probe the accuracies.

    Raises:
        DataError: a clip can't be read.
    """
    pairs = held_out_crops(clips, config, passes, seed)
    wanted = np.array([crop.label for _, crop in pairs])
    # A second is too much to be let pass where classes are a second apart.
    tolerance = 1 if config.network.classes > 3 else 0
    reader = Reader(config.clip, held_in_memory)
    logits = logits_of(network, pairs, reader, batch=batch)

    def grouped(names: list[str]) -> dict[str, dict[str, float]]:
        by_group = metrics.by_group(logits, wanted, names, tolerance=tolerance)
        return {name: {"accuracy": by_group[name][0], "of": by_group[name][1]} for name in sorted(by_group)}

    figures: dict[str, Any] = {
        "windows": len(pairs),
        "tolerance": tolerance,
        **metrics.measure(logits, wanted),
        "by class": grouped([item.sound for item, _ in pairs]),
        "by offset": grouped([f"{crop.offset_s:+.2f}" for _, crop in pairs]),
    }
    for name, probe in PROBES.items() if probes else ():
        probed = logits_of(network, pairs, reader, batch=batch, probe=probe)
        figures[name] = metrics.accuracy(probed, wanted, tolerance=tolerance)
    return figures


@click.command()
@of_a_set
@click.option("--checkpoint", type=click.Path(path_type=Path), required=True, help="Own or released.")
@click.option(
    "--settings", "given", type=click.Path(path_type=Path), help="JSON: of a released one, see train_sync."
)
@click.option("--split", type=click.Choice(["valid", "test"]), default="test", show_default=True)
@click.option("--passes", type=int, help="How often; published: once, and VGGSound-Sparse 25 times.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="The figures, for machines.")
def main(
    root: Path,
    layout: data.Layout,
    clips_in: str | None,
    checkpoint: Path,
    given: Path | None,
    split: str,
    passes: int | None,
    json_path: Path | None,
) -> None:
    """Measure a sync network on a split of a set."""
    with told():
        config = starting.config_of(checkpoint) or read_settings(Settings, given).config()
        network = SparseSync(config.network)
        starting.fill(network, checkpoint)
        clips = data.read_clips(
            root, layout, split, clip=config.clip, offsets_s=config.network.offsets_s, folder=clips_in
        )
        figures = measure(network, clips, config, passes=passes or PASSES[layout])
        text = json.dumps(figures, indent=1)
        click.echo(text)
        if json_path:
            json_path.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
