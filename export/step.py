"""A sampler of `models.foley` -> the graph `step`: the next code, with what is remembered in one place.

In: the network. Out: a file, in 32 bits or with its matrices in 8. Written node by node, since attention is
onnxruntime's own GroupQueryAttention: it alone adds a position to what is remembered without copying all the
rest, which costs as much as the whole network does.
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from onnx import ModelProto, TensorProto, ValueInfoProto, helper
from torch import Tensor, nn

from export.graphs import OPSET
from export.quantise import eight_bits, memory_steps
from models.foley.sampler import Block, Sampler

CONTRIB = "com.microsoft"
OWN = ("GroupQueryAttention", "DynamicQuantizeMatMul", "SkipLayerNormalization")
"""Onnxruntime's own operators, where several of the standard ones would cost more."""


class _Sheet:
    """A graph to which nodes and weights are added, one after the other.

    Weights go straight into the file: pieces of such a file that stand one after the other are one, so a
    gigabyte of them needn't be in memory again.
    """

    def __init__(self, file: BinaryIO, *, int8: bool) -> None:
        self.file, self.int8 = file, int8
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        self.model = ModelProto(ir_version=10, opset_import=opsets)
        self.graph = self.model.graph
        self.graph.name = "step"

    def value(self, name: str, *shape: int | str, kind: int = TensorProto.FLOAT) -> ValueInfoProto:
        """What an input or an output looks like."""
        return helper.make_tensor_value_info(name, kind, shape)

    def node(self, op: str, *inputs: str, outputs: tuple[str, ...] = (), **attributes: Any) -> str:
        """Add a node; the name of its first output."""
        outputs = outputs or (f"{op}_{len(self.graph.node)}",)
        domain = CONTRIB if op in OWN else ""
        self.graph.node.append(helper.make_node(op, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def weight(self, name: str, value: Tensor | np.ndarray | list[int]) -> str:
        """Add numbers; the name again."""
        array = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        piece = ModelProto()
        piece.graph.initializer.add(name=name, dims=array.shape, data_type=kind, raw_data=array.tobytes())
        self.file.write(piece.SerializeToString())
        return name

    def end(self) -> None:
        """All that isn't weights."""
        self.file.write(self.model.SerializeToString(deterministic=True))

    def linear(self, x: str, name: str, weight: Tensor, bias: Tensor | None) -> str:
        """A matrix (out, in), and what is added to it."""
        columns = weight.detach().numpy().T
        added = [] if bias is None else [self.weight(f"{name}.bias", bias)]
        if self.int8:
            steps, scales = eight_bits(columns)
            inputs = [self.weight(f"{name}.weight", steps), self.weight(f"{name}.scale", scales), "", *added]
            return self.node("DynamicQuantizeMatMul", x, *inputs)
        x = self.node("MatMul", x, self.weight(f"{name}.weight", columns))
        return self.node("Add", x, *added) if added else x

    def norm(self, x: str, added: str, name: str, layer: nn.LayerNorm) -> tuple[str, str]:
        """(the sum of two, normed; the sum)"""
        inputs = self.weight(f"{name}.weight", layer.weight), self.weight(f"{name}.bias", layer.bias)
        outputs = f"{name}.normed", "", "", f"{name}.sum"
        self.node("SkipLayerNormalization", x, added, *inputs, outputs=outputs, epsilon=layer.eps)
        return outputs[0], outputs[-1]


def write_step(sampler: Sampler, path: Path, *, int8: bool = False) -> None:
    """Write the graph of one step.

    `prefix` (B, m, d), `codes` (B, t), `past_length` (1,), for each layer i `past_key_i` and `past_value_i`
    (B, heads, capacity, d / heads) -> `scores` (B, codes): logits of what comes after the last position, and
    `present_key_i`, `present_value_i`. Where something is remembered, m + t is 1, unless B is.

    Args:
        sampler: in any mode.
        path: where the graph goes.
        int8: matrices, and what is remembered, in 8 bits: a quarter of the bytes.
    """
    with path.open("wb") as file:
        _draw(sampler, _Sheet(file, int8=int8))


def past_names(sampler: Sampler) -> list[str]:
    """What is remembered, layer by layer."""
    layers = range(sampler.config.layers)
    return [f"past_{kind}_{number}" for number in layers for kind in ("key", "value")]


def _draw(sampler: Sampler, sheet: _Sheet) -> None:
    config = sampler.config
    one, last = sheet.weight("one", [1]), sheet.weight("last", [-1])
    end = sheet.weight("end", [np.iinfo(np.int64).max])

    codes = sheet.node("Gather", sheet.weight("tok_emb.weight", sampler.tok_emb.weight), "codes")
    x = sheet.node("Concat", "prefix", codes, axis=1)
    count = sheet.node("Shape", x, start=1, end=2)
    total = sheet.node("Add", "past_length", count)
    places = sheet.weight("pos_emb", sampler.pos_emb)
    added = sheet.node(
        "Expand", sheet.node("Slice", places, "past_length", total, one), sheet.node("Shape", x)
    )

    # As GroupQueryAttention wants it: the last position of each sequence, and how many there are.
    newest = sheet.node("Sub", total, one)
    newest = sheet.node("Expand", newest, sheet.node("Shape", x, start=0, end=1))
    newest = sheet.node("Cast", newest, to=TensorProto.INT32)
    total = sheet.node("Cast", sheet.node("Squeeze", total), to=TensorProto.INT32)
    steps = memory_steps(sampler) if sheet.int8 else []
    for number, block in enumerate(sampler.blocks):
        assert isinstance(block, Block)
        x, added = _block(sheet, x, added, number, block, (newest, total), steps[number] if steps else ())

    normed, _ = sheet.norm(x, added, "ln_f", sampler.ln_f)
    newest_of_each = sheet.node("Slice", normed, last, end, one)
    scores = sheet.linear(newest_of_each, "head", sampler.head.weight, None)
    sheet.node("Squeeze", scores, one, outputs=("scores",))

    remembered = ("batch", config.heads, "capacity", config.width // config.heads)
    past = past_names(sampler)
    kind = TensorProto.INT8 if sheet.int8 else TensorProto.FLOAT
    sheet.graph.input.extend(
        [
            sheet.value("prefix", "batch", "m", config.width),
            sheet.value("codes", "batch", "t", kind=TensorProto.INT64),
            sheet.value("past_length", 1, kind=TensorProto.INT64),
            *(sheet.value(name, *remembered, kind=kind) for name in past),
        ]
    )
    sheet.graph.output.append(sheet.value("scores", "batch", config.codes))
    sheet.graph.output.extend(
        sheet.value(name.replace("past", "present"), *remembered, kind=kind) for name in past
    )
    sheet.end()


def _block(
    sheet: _Sheet,
    x: str,
    added: str,
    number: int,
    block: Block,
    lengths: tuple[str, str],
    steps: Sequence[Tensor],
) -> tuple[str, str]:
    """Takes and gives two whose sum it is, so that the next norm adds them on the way.

    `steps`: of what is remembered in 8 bits.
    """
    name, attention = f"blocks.{number}", block.attn
    own, x = sheet.norm(x, added, f"{name}.ln1", block.ln1)
    # Three matrices are read in one go.
    asked = (attention.query, attention.key, attention.value)
    own = sheet.linear(
        own,
        f"{name}.attn.all",
        torch.cat([each.weight for each in asked]),
        torch.cat([each.bias for each in asked]),
    )
    past, present = (
        tuple(f"{time}_{kind}_{number}" for kind in ("key", "value")) for time in ("past", "present")
    )
    how: dict[str, Any] = {"num_heads": attention.heads, "kv_num_heads": attention.heads}
    kept = []
    if steps:
        how |= {"kv_cache_bit_width": 8, "k_quant_type": "PER_CHANNEL", "v_quant_type": "PER_CHANNEL"}
        # Between these and the lengths stand rotations, places and biases, which there are none of.
        kept = [""] * 5 + [
            sheet.weight(f"{place}.step", each) for place, each in zip(past, steps, strict=True)
        ]
    outputs = f"{name}.gathered", *present
    gathered = sheet.node("GroupQueryAttention", own, "", "", *past, *lengths, *kept, outputs=outputs, **how)
    added = sheet.linear(gathered, f"{name}.attn.proj", attention.proj.weight, attention.proj.bias)
    own, x = sheet.norm(x, added, f"{name}.ln2", block.ln2)
    first, second = block.mlp[0], block.mlp[2]
    own = sheet.node("Gelu", sheet.linear(own, f"{name}.mlp.0", first.weight, first.bias))
    return x, sheet.linear(own, f"{name}.mlp.2", second.weight, second.bias)


class StepModule(nn.Module):
    """What the graph gives, by the sampler's own code: to compare with."""

    def __init__(self, sampler: Sampler) -> None:
        super().__init__()
        self.sampler = sampler

    def forward(
        self, prefix: Tensor, codes: Tensor, past_length: Tensor, *past: Tensor
    ) -> tuple[Tensor, ...]:
        """As `write_step` says; what isn't remembered yet is zero."""
        length = int(past_length)
        kept = [each[:, :, :length] for each in past]
        pairs = list(zip(kept[::2], kept[1::2], strict=True)) if length else None
        scores, pairs = self.sampler.step(prefix, codes, pairs)
        present = [torch.zeros_like(each) for each in past]
        for place, found in zip(present, (each for pair in pairs for each in pair), strict=True):
            place[:, :, : found.shape[2]] = found
        return (scores, *present)
