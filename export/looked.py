"""A sync bundle whose checkpoint is gone -> the same bundle that also tells where its selectors looked.

In: a bundle made before `export.sync` named these outputs, and the shape of its network. Out: the bundle,
its graph longer by what puts attention that it computes anyhow into order. Its logits stay the same to the
bit, or nothing is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.graphs import describe, in_place_of, opened
from models.sync.config import NetworkConfig
from otio_avassist import bundles
from otio_avassist.bundles import Card
from otio_avassist.errors import BundleError
from otio_avassist.watching import LOOKED


def tell_where_it_looked(bundle: Path, out: Path, config: NetworkConfig) -> Card:
    """Write `bundle` with its selectors' attention among the outputs to `out`, which may be the same folder.

    Args:
        bundle: a sync bundle of one graph.
        out: where the longer one goes.
        config: of the network that was exported; a card doesn't say how its tokens lie.

    Raises:
        BundleError: the graph holds no such attention, has another precision beside it, or wouldn't give the
            same logits.
    """
    card = Card.read(bundle)
    main = card.graphs["main"]
    if main.fp16 or main.int8:
        raise BundleError(f"{bundle}: wanted a bundle of one graph, there are variants of it")
    bundles.load(bundle, device="cpu")  # what isn't as its card says isn't lengthened
    model = onnx.load(bundle / main.file)
    for name, block in zip(LOOKED, (config.visual_block, config.audio_block), strict=True):
        _add_output(model, name, block, config)
    with in_place_of(out) as folder:
        path = folder / main.file
        path.write_bytes(model.SerializeToString(deterministic=True))
        onnx.checker.check_model(path, full_check=True)
        _check_same(bundle / main.file, path, card)
        card = replace(card, graphs={"main": describe(path)})
        card.write(folder)
        bundles.load(folder, device="cpu")
    return card


def _add_output(model: onnx.ModelProto, name: str, block: tuple[int, ...], config: NetworkConfig) -> None:
    """`name` (batch, layers, heads, k, *block), out of the probabilities of one modality's selectors."""
    graph = model.graph
    if any(each.name == name for each in graph.output):
        raise BundleError(f"this graph tells {name} already")
    wanted = (config.heads, config.selectors, math.prod(block))
    maps = [each for each, shape in _probabilities(model) if shape == wanted]
    if len(maps) != config.selector_layers:
        raise BundleError(
            f"wanted attention of {' x '.join(map(str, wanted))} for {name} in {config.selector_layers} "
            f"layers, there is {len(maps)}"
        )
    shape = (1, config.heads, config.selectors, *block)
    # 0: as many as there are.
    graph.initializer.append(numpy_helper.from_array(np.array([0, *shape], np.int64), f"{name}_shape"))
    layers = [name] if len(maps) == 1 else [f"{name}_{number}" for number in range(len(maps))]
    for each, layer in zip(maps, layers, strict=True):
        graph.node.append(helper.make_node("Reshape", [each, f"{name}_shape"], [layer], name=f"node_{layer}"))
    if len(maps) > 1:
        graph.node.append(helper.make_node("Concat", layers, [name], name=f"node_{name}", axis=1))
    sizes = ["batch", len(maps), *shape[1:]]
    graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes))


def _probabilities(model: onnx.ModelProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each attention in the order of the graph: what it is called, and its shape but for the batch."""
    known = onnx.shape_inference.infer_shapes(model).graph.value_info
    shapes = {each.name: each.type.tensor_type.shape.dim for each in known}
    for node in model.graph.node:
        if node.op_type == "Softmax":
            name = node.output[0]
            yield name, tuple(size.dim_value for size in shapes.get(name, ())[1:])


def _check_same(one: Path, other: Path, card: Card) -> None:
    """Raises BundleError where the logits of two graphs differ in a single bit, whatever is asked for."""
    sessions = opened(one), opened(other)
    for count in (1, 3):
        draw = np.random.default_rng(count)
        inputs = {
            name: draw.standard_normal((count, *shape[1:]), dtype=np.float32)
            for name, shape in card.graphs["main"].inputs.items()
        }
        (wanted,) = sessions[0].run(["logits"], inputs)
        for outputs in (["logits"], ["logits", *LOOKED]):
            if not np.array_equal(wanted, sessions[1].run(outputs, inputs)[0]):
                raise BundleError(f"{other.name}: the longer graph gives other logits than {one}")
