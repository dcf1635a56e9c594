"""A run of `models.foley.compact.train` -> the compact bundle for the task `foley`.

In: the checkpoints of the sampler, of what ranks its takes and, where it is wanted, of the vocoder, and what
their training says. Out: the bundle, its weights kept in 16 bits and counted with in 32.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from export.figures import FIGURES, read_figures
from export.foley import Parts, export_foley, read_ear
from export.graphs import describe, in_place_of
from models.foley import trained
from models.foley.compact import patches, pictures, sampler
from models.foley.compact.gate import Gated
from models.foley.compact.kinds import KINDS
from otio_avassist.bundles import Card

NEEDS = ("efficientnet-lite0",)
SURE = 0.5
SAMPLING = {"temperature": 1.0, "top_k": 100}
"""At which the classifier of the same run was surest of what it hears."""
LARGE = 512
"""Numbers in a tensor from which half its size is worth a word."""

Network = TypeVar("Network", bound=nn.Module)


def export_compact_foley(run: Path, out: Path, *, vocoder: bool = False) -> Card:
    """Write the bundle of a run's folder to the folder `out`, which it replaces only when all is checked.

    Args:
        vocoder: also its vocoder; without one sound is made by Griffin-Lim.

    Raises:
        CheckpointError: a checkpoint or the figures aren't there, or aren't whole.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    words = read_figures(run / FIGURES)
    said = sampler.read(run / "sampler" / "sampler.pt")
    # Of the same codes as the sampler's, with the decoder that went on learning.
    codebook = patches.read(run / "decoder" / "codebook.pt")
    columns = said.config.columns * codebook.config.frames_per_column
    ear = replace(read_ear(run / "hearing" / "classifier.pt"), columns=columns)
    parts = Parts(
        rounded(said),
        Gated(rounded(codebook)),
        words,
        tuple(kind.name for kind in KINDS),
        {
            "extractor": "efficientnet-lite0", "output": "logits", "step_s": pictures.STEP_S,
            "count": pictures.ROWS, "width": pictures.WIDTH, "pick": "resample",
        },
        rounded(trained.read_vocoder(run / "vocoder" / "vocoder.pt")[1]) if vocoder else None,
        replace(ear, network=rounded(ear.network)),
        numbers={
            "sees": {kind.name: list(kind.sees) for kind in KINDS},
            "words": {kind.name: list(kind.words) for kind in KINDS},
            "sure": SURE,
            "sampling": SAMPLING,
        },
        needs=NEEDS,
        int8=False,
    )  # fmt: skip
    with in_place_of(out) as folder:
        card = slim(export_foley(parts, folder), folder)
    return card


def rounded(network: Network) -> Network:
    """With weights that 16 bits can hold, so that nothing is lost where they are kept so."""
    return network.half().float()


def slim(card: Card, folder: Path) -> Card:
    """The same bundle, its large weights kept in 16 bits; the card is written anew."""
    graphs = {}
    for name, graph in card.graphs.items():
        path = folder / graph.file
        model = onnx.load(path)
        _halve(model.graph)
        onnx.save(model, path)
        graphs[name] = describe(path)
    card = replace(card, graphs=graphs)
    card.write(folder)
    return card


def _halve(graph: Any) -> None:
    """Each large tensor of 32 bits that 16 can hold becomes one of 16, and a cast behind it."""
    for at, held in enumerate(graph.initializer):
        values = numpy_helper.to_array(held)
        half = values.astype(np.float16) if held.data_type == TensorProto.FLOAT else values
        if (
            values.size < LARGE
            or held.data_type != TensorProto.FLOAT
            or (half.astype(np.float32) != values).any()
        ):
            continue
        name = held.name
        graph.initializer[at].CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        graph.node.insert(0, helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
