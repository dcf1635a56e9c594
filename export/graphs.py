"""A PyTorch module -> one .onnx file, clean and compared.

In: a module whose forward is the graph's signature. Out: a file, and how far onnxruntime is from PyTorch.
Knows no task and no card.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from otio_avassist.bundles import Graph
from otio_avassist.errors import BundleError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OPSET = 20
"""Standard operators only, each with a CUDA kernel in 16 and 32 bits; LayerNormalization needs 17, Gelu 20.

https://github.com/microsoft/onnxruntime/blob/main/docs/OperatorKernels.md
"""

ALLOWED = 1e-4
"""Of the largest value of an output, PyTorch against onnxruntime."""

Inputs = Mapping[str, Tensor]
Axes = Mapping[str, Mapping[int, str]]
"""By input, which of its axes take any size, and what that size is called."""


def write_graph(
    module: nn.Module, example: Inputs, outputs: Sequence[str], path: Path, *, axes: Axes | None = None
) -> None:
    """Write `module` as a graph whose inputs are named as in `example`, with axes of any size.

    Args:
        module: in eval mode; its forward takes the inputs in the order of `example`, perhaps as `*inputs`.
        example: tensors; two or more along each free axis, or the axis is taken for fixed.
        outputs: names of what the forward gives.
        path: where the graph goes.
        axes: by input, which of its axes are free and what they are called; those of one name have one size.
            An input that isn't named has none. None: the first axis of each input is the batch.
    """
    if axes is None:
        axes = {name: {0: "batch"} for name in example}
    sizes = {size: torch.export.Dim(size) for free in axes.values() for size in free.values()}
    shapes: tuple[Any, ...] = tuple(
        {axis: sizes[size] for axis, size in axes.get(name, {}).items()} for name in example
    )
    takes = [each.kind for each in inspect.signature(module.forward).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in takes:
        # What `*inputs` swallows is one argument to the exporter.
        alone = takes.index(inspect.Parameter.VAR_POSITIONAL)
        shapes = (*shapes[:alone], shapes[alone:])
    # The exporter speaks of missing torchvision and of what it didn't fold, which are no concern of ours.
    for name in ("torch.onnx", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "# The axis name: ", UserWarning)
        program = torch.onnx.export(
            module,
            tuple(example.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(example),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    forget_origins(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
    # The checker makes copies of its own: a graph of a gigabyte shouldn't be there five times.
    del program, model
    onnx.checker.check_model(path, full_check=True)


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


@dataclass(frozen=True)
class Difference:
    """How far one output of a graph is from the module's."""

    largest: float
    """The largest absolute difference."""
    reach: float
    """The largest absolute value of the module's own output."""


def differences(module: nn.Module, path: Path, cases: Iterable[Inputs]) -> dict[str, Difference]:
    """Run `module` and the graph at `path` on the CPU over `cases`; the graph may be in half precision.

    Returns:
        By output of the graph, the worst of all cases.
    """
    session = opened(path)
    halves = {each.name for each in session.get_inputs() if each.type == "tensor(float16)"}
    names = [each.name for each in session.get_outputs()]
    worst = {name: Difference(0.0, 0.0) for name in names}
    for inputs in cases:
        with torch.inference_mode():
            wanted = module(*inputs.values())
        arrays = {name: x.numpy() for name, x in inputs.items()}
        got = session.run(None, {k: x.astype(np.float16) if k in halves else x for k, x in arrays.items()})
        for name, one, other in zip(names, _each(wanted), got, strict=True):
            ours = one.numpy()
            if ours.shape != other.shape:
                raise BundleError(
                    f"{path.name}: {name}: PyTorch gives {ours.shape}, onnxruntime {other.shape}"
                )
            apart = np.abs(ours.astype(np.float64) - other).max(initial=0.0)
            reach = np.abs(ours.astype(np.float64)).max(initial=0.0)
            # np.maximum lets a NaN through, which max() may swallow.
            worst[name] = Difference(
                float(np.maximum(worst[name].largest, apart)), max(worst[name].reach, float(reach))
            )
    return worst


def opened(path: Path) -> InferenceSession:
    """The graph at `path` on the CPU."""
    import onnxruntime  # half a second: paid by who compares

    onnxruntime.set_default_logger_severity(4)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _each(outputs: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return (outputs,) if isinstance(outputs, Tensor) else outputs


def check(module: nn.Module, path: Path, cases: Iterable[Inputs], allowed: float) -> dict[str, float]:
    """The largest difference of each output over `cases`, which should be of other sizes than were traced.

    Raises:
        BundleError: one is more than `allowed` times the largest value of its output.
    """
    found = differences(module, path, cases)
    for name, each in found.items():
        if not each.largest <= allowed * each.reach:
            raise BundleError(
                f"{path.name}: onnxruntime differs from PyTorch by {each.largest:.3g} where {name} reaches "
                f"{each.reach:.3g}; wanted at most {allowed * each.reach:.3g}"
            )
    return {name: each.largest for name, each in found.items()}


@dataclass(frozen=True)
class Extra:
    """A module that is to become a graph, and how it is looked at."""

    module: nn.Module
    example: Inputs
    outputs: tuple[str, ...]
    axes: Axes
    others: tuple[Inputs, ...]
    """Inputs of other sizes than the example's, to compare by."""


def write_checked(folder: Path, name: str, extra: Extra) -> tuple[Graph, dict[str, float]]:
    """Write `name`.onnx; what a card says of it, and the largest difference from PyTorch by output.

    Raises:
        BundleError: one is too large.
    """
    path = folder / f"{name}.onnx"
    module = extra.module.eval()
    write_graph(module, extra.example, extra.outputs, path, axes=extra.axes)
    return describe(path), check(module, path, extra.others, ALLOWED)


def describe(path: Path) -> Graph:
    """What a card says of the graph at `path`."""
    graph = onnx.load(path).graph
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Graph(
        file=path.name,
        sha256=sha256,
        inputs={each.name: _shape(each) for each in graph.input},
        outputs={each.name: _shape(each) for each in graph.output},
    )


def _shape(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim)


@contextmanager
def in_place_of(out: Path) -> Iterator[Path]:
    """A new folder beside `out` that takes its place when all went well, and vanishes otherwise."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as workshop:
        made, former = Path(workshop, "made"), Path(workshop, "former")
        made.mkdir()
        yield made
        if out.exists():
            out.rename(former)
        shutil.move(made, out)
