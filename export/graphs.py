"""A PyTorch module -> one .onnx file, clean and compared.

In: a module whose forward is the graph's signature. Out: a file, and how far onnxruntime is from PyTorch.
Knows no task and no card.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from otio_avassist.bundles import Graph

OPSET = 20
"""Standard operators only, each with a CUDA kernel in 16 and 32 bits; LayerNormalization needs 17, Gelu 20.

https://github.com/microsoft/onnxruntime/blob/main/docs/OperatorKernels.md
"""

Inputs = Mapping[str, Tensor]


def write_graph(module: nn.Module, example: Inputs, outputs: list[str], path: Path) -> None:
    """Write `module` as a graph whose inputs are named as in `example`, with any number of items in a batch.

    Args:
        module: in eval mode; its forward takes the inputs in the order of `example`.
        example: tensors whose first axis is the batch; two items or more, or the batch is taken for fixed.
        outputs: names of what the forward gives.
        path: where the graph goes.
    """
    # The exporter speaks of missing torchvision and skipped foldings, which are no concern of ours.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "# The axis name: batch", UserWarning)
        program = torch.onnx.export(
            module,
            tuple(example.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(example),
            output_names=outputs,
            dynamic_shapes=[{0: batch} for _ in example],
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    forget_origins(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def forget_origins(model: onnx.ModelProto) -> None:
    """Take out what the exporter notes of each node: source paths and stack traces of its machine."""
    for message in _with_metadata(model):
        del message.metadata_props[:]
        message.ClearField("doc_string")


def _with_metadata(model: onnx.ModelProto) -> Iterable[Any]:
    yield model
    for graph in (model.graph, *model.functions):
        yield graph
        yield from graph.node
        yield from graph.value_info
    yield from model.graph.input
    yield from model.graph.output
    yield from model.graph.initializer


def largest_difference(module: nn.Module, path: Path, cases: Iterable[Inputs]) -> tuple[float, float]:
    """Run `module` and the graph at `path` on the CPU over `cases`; the graph may be in half precision.

    Returns:
        The largest absolute difference between the two, and the largest absolute output of the module.
    """
    import onnxruntime  # half a second: paid by who compares

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    kinds = {each.name: np.float16 if "16" in each.type else np.float32 for each in session.get_inputs()}
    difference = largest = 0.0
    for inputs in cases:
        with torch.inference_mode():
            wanted = module(*inputs.values()).numpy()
        (got,) = session.run(None, {name: x.numpy().astype(kinds[name]) for name, x in inputs.items()})
        difference = max(difference, float(np.abs(got - wanted).max()))
        largest = max(largest, float(np.abs(wanted).max()))
    return difference, largest


def describe(path: Path) -> Graph:
    """What a card says of the graph at `path`."""
    graph = onnx.load(path).graph
    return Graph(
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        inputs={each.name: _shape(each) for each in graph.input},
        outputs={each.name: _shape(each) for each in graph.output},
    )


def _shape(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim)
