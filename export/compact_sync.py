"""A run of `models.sync.compact.train` -> the compact bundle for the task `sync`.

In: the checkpoint, and what its training measured. Out: the graph `sync`, which also tells what decided,
and, last of all, the card.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from export.figures import FIGURES, read_figures
from export.graphs import check, describe, in_place_of, write_graph
from models.sync.compact.network import CompactSync
from models.sync.compact.train import read
from otio_avassist import bundles, energies
from otio_avassist.bundles import Card
from otio_avassist.watching import LOOKED

ALLOWED = 1e-3
"""Of the largest logit."""
SOUND_RATE = 16_000
AXES = {"moves": {0: "batch", 1: "frames"}, "bands": {0: "batch", 1: "frames"}}


class _Graph(nn.Module):
    """The graph's signature: `moves`, `bands` -> `logits`, and what decided, as `CompactSync.looked` has it.

    Where only logits are asked for, the runtime computes what decided all the same.
    """

    def __init__(self, network: CompactSync) -> None:
        super().__init__()
        self.network = network

    def forward(self, moves: Tensor, bands: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.network.looked(moves, bands)


def export_compact_sync(run: Path, out: Path) -> Card:
    """Write the bundle of a run's folder to the folder `out`, which it replaces only when all is checked.

    Raises:
        CheckpointError: the checkpoint or the figures aren't there, or aren't whole.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    words = read_figures(run / FIGURES)
    network = read(run / "sync.pt")
    graph = _Graph(network).eval()
    with in_place_of(out) as folder:
        path = folder / "sync.onnx"
        write_graph(graph, _inputs(network, 2, 6.0), ("logits", *LOOKED), path, axes=AXES)
        config = network.config
        cases = [_inputs(network, 1, config.shortest_s), _inputs(network, 3, config.longest_s)]
        card = Card(
            task="sync",
            network=words["network"],
            version=words["version"],
            graphs={"main": describe(path)},
            preprocessing={
                "inputs": "grids",
                "window_s": config.longest_s,
                "shortest_s": config.shortest_s,
                "fps": energies.FPS,
                "side": energies.SIDE,
                "sample_rate": SOUND_RATE,
                "vote": words["training"].get("calibrated", {}),
            },
            classes=config.offsets_s,
            batch=1,
            training=words["training"],
            figures=words["figures"],
            parity=check(graph, path, cases, ALLOWED),
        )
        card.write(folder)
        # What the runtime would refuse isn't put in place.
        bundles.load(folder, device="cpu")
    return card


def _inputs(network: CompactSync, count: int, length_s: float) -> dict[str, Tensor]:
    """As many windows of noise, always the same."""
    draw = torch.Generator().manual_seed(count)
    frames = round(length_s * energies.FPS)
    shape = count, frames, energies.CHANNELS, energies.ROWS, energies.COLUMNS
    return {
        "moves": 0.1 * torch.rand(shape, generator=draw),
        "bands": 3 * torch.randn(count, frames, energies.STEPS * energies.BANDS, generator=draw) - 8,
    }
