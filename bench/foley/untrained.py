"""A bundle -> one of the same graphs with weights that nobody has trained: what a take owes to training."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from otio_avassist.bundles import Card


def copy(bundle: Path, out: Path, seed: int = 0) -> Path:
    """Write the bundle anew into `out`, every weight drawn with the spread that the trained one has.

    Scales and shifts (tensors of one axis) stay, so that what flows through keeps its size; 8 bits and half
    precision are left out.
    """
    import onnx
    from onnx import numpy_helper

    rng = np.random.default_rng(seed)
    card = Card.read(bundle)
    out.mkdir(parents=True, exist_ok=True)
    graphs = {}
    for name, graph in card.graphs.items():
        model = onnx.load(bundle / graph.file)
        for weight in model.graph.initializer:
            values = numpy_helper.to_array(weight)
            # Masks and tables of two values aren't weights.
            if values.dtype.kind == "f" and values.ndim > 1 and len(np.unique(values[:1])) > 2:
                drawn = rng.normal(values.mean(), values.std(), values.shape).astype(values.dtype)
                weight.CopyFrom(numpy_helper.from_array(drawn, weight.name))
        onnx.save(model, out / graph.file)
        graphs[name] = replace(graph, sha256=sha256(out / graph.file), int8=None, fp16=None)
    replace(card, graphs=graphs, network=f"{card.network}, untrained").write(out)
    return out


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
