"""A checkpoint of `models.sync` -> a bundle for the task `sync`.

In: a checkpoint and what its training measured. Out: a folder with a graph and, last of all, its card.
Doesn't know how the network was trained, nor any timeline.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from export.figures import FIGURES, read_figures
from export.graphs import check, describe, in_place_of, write_graph
from models import checkpoints
from models.checkpoints import CheckpointError
from models.sync.config import Clip, SyncConfig
from models.sync.sparsesync import SparseSync
from otio_avassist import bundles
from otio_avassist.bundles import Card
from otio_avassist.watching import LOOKED

ALLOWED, ALLOWED_HALF = 1e-4, 3e-2  # of the largest value, PyTorch in 32 bits against onnxruntime


@dataclass(frozen=True)
class Exported:
    """A bundle that was written, and how true it is."""

    folder: Path
    card: Card


class SyncGraph(nn.Module):
    """The graph's signature: `vis` (B, T, 3, H, W), `aud` (B, 1, F, Ta) -> `logits` (B, K).

    Where there are selectors, also where they looked: `v_looked` (B, layers, heads, k, t, h, w) and
    `a_looked` (B, layers, heads, k, f, t), each summing to 1 over its last axes. They stand in the graph
    anyhow: nothing is computed for them.
    """

    def __init__(self, network: SparseSync) -> None:
        super().__init__()
        self.network = network
        self.outputs = ("logits", *(LOOKED if network.transformer.v_selector is not None else ()))
        """What the graph calls them."""

    def forward(self, vis: Tensor, aud: Tensor) -> Tensor | tuple[Tensor, ...]:
        """As `SparseSync.read`, of which these are the parts."""
        reading = self.network.read(vis, aud)
        if reading.v_looked is None or reading.a_looked is None:
            return reading.logits
        return reading.logits, reading.v_looked, reading.a_looked


def export_sync(
    checkpoint: Path, out: Path, *, figures: Path | None = None, fp16: bool = False, batch: int = 4
) -> Exported:
    """Write the bundle of `checkpoint` to the folder `out`, which it replaces only when all is checked.

    Args:
        checkpoint: `{config, state_dict}` as training leaves it.
        out: the bundle's folder.
        figures: JSON with `network`, `version`, `training` and `figures` for the card; None: figures.json
            beside the checkpoint.
        fp16: also write the graph in half precision, for GPUs.
        batch: how many windows a GPU should get at once.

    Raises:
        CheckpointError: the checkpoint or its figures aren't there, or aren't whole.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    words = read_figures(figures or checkpoint.with_name(FIGURES))
    held = checkpoints.load(checkpoint)
    config = _config(held.config, checkpoint)
    network = SparseSync(config.network)
    checkpoints.fill(network, held.state_dict, source=str(checkpoint))
    module = SyncGraph(network).eval()

    with in_place_of(out) as folder:
        write_graph(module, _inputs(config.clip, 2), module.outputs, folder / "sync.onnx")
        graph = describe(folder / "sync.onnx")
        others = [_inputs(config.clip, count) for count in (1, 3)]
        parity: dict[str, Any] = check(module, folder / "sync.onnx", others, ALLOWED)
        if fp16:
            halves = {name: x.half() for name, x in _inputs(config.clip, 2).items()}
            write_graph(copy.deepcopy(module).half(), halves, module.outputs, folder / "sync.fp16.onnx")
            graph = replace(graph, fp16=describe(folder / "sync.fp16.onnx"))
            parity["fp16"] = check(module, folder / "sync.fp16.onnx", others, ALLOWED_HALF)
        card = Card(
            task="sync",
            network=words["network"],
            version=words["version"],
            graphs={"main": graph},
            preprocessing=asdict(config.clip),
            classes=config.network.offsets_s,
            batch=batch,
            training=words["training"],
            figures=words["figures"],
            parity=parity,
        )
        card.write(folder)
        # What the runtime would refuse isn't put in place.
        bundles.load(folder, device="cpu")
    return Exported(out, card)


def _config(held: Mapping[str, Any], checkpoint: Path) -> SyncConfig:
    try:
        return SyncConfig.from_dict(held)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{checkpoint}: its config isn't that of a sync network: {error}") from error


def _inputs(clip: Clip, count: int) -> dict[str, Tensor]:
    """As many normalised clips of noise, always the same."""
    draw = torch.Generator().manual_seed(count)
    return {
        "vis": torch.randn(count, clip.frames, 3, clip.crop, clip.crop, generator=draw),
        "aud": torch.randn(count, 1, *clip.spectrogram, generator=draw),
    }
