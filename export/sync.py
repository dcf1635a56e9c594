"""A checkpoint of `models.sync` -> a bundle for the task `sync`.

In: a checkpoint and what its training measured. Out: a folder with a graph and, last of all, its card.
Doesn't know how the network was trained, nor any timeline.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from export.figures import FIGURES, read_figures
from export.graphs import check, describe, in_place_of, opened, write_graph
from export.quantise import convolutions_in_8_bits
from models import checkpoints
from models.checkpoints import CheckpointError
from models.data.scenes import render
from models.sync.config import Clip, SyncConfig
from models.sync.sparsesync import SparseSync
from otio_avassist import bundles, signals
from otio_avassist.bundles import Card
from otio_avassist.watching import LOOKED

LEARNT, HELD_OUT = 3, 8
"""Windows by which 8 bits are set, and others by which is told what they lose."""
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
    return write_bundle(network, config, words, out, fp16=fp16, batch=batch)


def write_bundle(
    network: SparseSync,
    config: SyncConfig,
    words: Mapping[str, Any],
    out: Path,
    *,
    drawn: SparseSync | None = None,
    lean: bool = False,
    fp16: bool = False,
    in_8_bits: SparseSync | None = None,
    batch: int = 4,
    sizes: tuple[int, ...] = (1, 3),
) -> Exported:
    """Write the bundle of a trained network.

    Args:
        network: what the graph is compared with.
        config: its own.
        words: `network`, `version`, `training` and `figures` for the card.
        out, fp16, batch: as of `export_sync`.
        drawn: the same network put another way, which becomes the graph; None: `network` itself.
        lean: as of `Graph`.
        in_8_bits: the same network, put the way in which its convolutions also go into a graph of 8 bits, for
            the CPU; the card says what is lost. None: there is no such graph.
        sizes: how many windows at once the graph is compared by.

    Raises:
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    module, graphed = SyncGraph(network).eval(), SyncGraph(drawn or network).eval()
    with in_place_of(out) as folder:
        write_graph(graphed, _inputs(config.clip, 2), module.outputs, folder / "sync.onnx")
        graph = describe(folder / "sync.onnx")
        others = [_inputs(config.clip, count) for count in sizes]
        parity: dict[str, Any] = check(module, folder / "sync.onnx", others, ALLOWED)
        if fp16:
            halves = {name: x.half() for name, x in _inputs(config.clip, 2).items()}
            write_graph(copy.deepcopy(graphed).half(), halves, module.outputs, folder / "sync.fp16.onnx")
            graph = replace(graph, fp16=describe(folder / "sync.fp16.onnx"))
            parity["fp16"] = check(module, folder / "sync.fp16.onnx", others, ALLOWED_HALF)
        if in_8_bits is not None:
            whole, less = folder / "sync.whole.onnx", folder / "sync.int8.onnx"
            write_graph(SyncGraph(in_8_bits).eval(), _inputs(config.clip, 2), module.outputs, whole)
            convolutions_in_8_bits(whole, less, _usual(config.clip, 0, LEARNT))
            whole.unlink()
            graph = replace(graph, int8=replace(describe(less), lean=lean))
            parity["int8"] = _loss(module, less, _usual(config.clip, LEARNT, LEARNT + HELD_OUT))
        card = Card(
            task="sync",
            network=words["network"],
            version=words["version"],
            graphs={"main": replace(graph, lean=lean)},
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


def _usual(clip: Clip, first: int, end: int) -> Iterator[dict[str, np.ndarray]]:
    """A window of each of the rendered scenes `first` to `end`: not film, but as bright, and in motion."""
    for seed in range(first, end):
        scene = render(seed)
        frames = scene.frames[: clip.frames]
        larger = -(-clip.crop // frames.shape[1])
        frames = signals.crop_centre(frames.repeat(larger, 1).repeat(larger, 2), clip.crop)
        samples = scene.samples[: round(clip.window_s * clip.sample_rate)]
        yield {
            "vis": signals.imagenet_floats(frames)[None],
            "aud": signals.log_spectrogram(samples, n_fft=clip.n_fft, hop=clip.hop)[None, None],
        }


@torch.inference_mode()
def _loss(module: nn.Module, path: Path, cases: Iterator[dict[str, np.ndarray]]) -> dict[str, float]:
    """How far the logits of the graph at `path` are off, and how often it names the same class."""
    session, apart, reach, same, count = opened(path), 0.0, 0.0, 0, 0
    for inputs in cases:
        outputs = module(*map(torch.from_numpy, inputs.values()))
        wanted = (outputs if isinstance(outputs, Tensor) else outputs[0]).numpy()
        (logits,) = session.run(["logits"], inputs)
        apart = max(apart, float(np.abs(logits - wanted).max()))
        reach = max(reach, float(np.abs(wanted).max()))
        same += int((logits.argmax(1) == wanted.argmax(1)).sum())
        count += len(wanted)
    return {"logits": apart, "of": reach, "same class": same / count}
