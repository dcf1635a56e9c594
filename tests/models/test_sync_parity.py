"""Parity: our sync networks, filled with the authors' weights, give the outputs of the authors' own code.

Every folder of the material's `parity` is built from its meta.json; no number of it is written here.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from models import checkpoints  # noqa: E402
from models.sync.config import NetworkConfig  # noqa: E402
from models.sync.resnet import ResNet18  # noqa: E402
from models.sync.s3d import S3D  # noqa: E402
from models.sync.sparsesync import SparseSync, from_released_names  # noqa: E402

pytestmark = pytest.mark.parity

Outputs = dict[str, Tensor]


@dataclass(frozen=True)
class Entry:
    """One folder of the parity material."""

    folder: Path
    meta: dict[str, Any]

    @property
    def hyperparameters(self) -> dict[str, Any]:
        return self.meta["hyperparameters"]

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        with np.load(self.folder / "io.npz") as held:
            return {key.removeprefix(prefix): held[key] for key in held.files if key.startswith(prefix)}

    def inputs(self) -> dict[str, Tensor]:
        made = {name: _drawn(*how) for name, how in self.meta.get("input_recipe", {}).items()}
        return {name: torch.from_numpy(array) for name, array in {**made, **self.arrays("in.")}.items()}

    def tolerance(self, name: str, wanted: np.ndarray) -> float:
        """As DESIGN settles it."""
        rounding = self.meta.get("fp32_vs_fp64_max_abs", {})
        largest = self.meta.get("output_abs_max", {})
        if name in rounding and name in largest:
            return max(20 * rounding[name], 1e-5 * largest[name])
        return 1e-4 * float(np.abs(wanted).max())


def _drawn(kind: str, shape: list[int], seed: int, scale: float) -> np.ndarray:
    assert kind == "normal", f"the sync networks take no {kind} inputs"
    return np.random.RandomState(seed).standard_normal(shape).astype(np.float32) * np.float32(scale)


def recipe_weight(key: str, tensor: Tensor, seed: int, scales: dict[str, float] | None) -> Tensor:
    """One tensor of a network filled by the rule of the material's RECIPE.md."""
    if not tensor.is_floating_point():
        return tensor
    shape = tuple(tensor.shape)
    draw = np.random.RandomState((zlib.crc32(key.encode()) ^ seed) & 0xFFFFFFFF)
    n = draw.standard_normal(int(np.prod(shape))).astype(np.float32).reshape(shape)
    for suffix, scale in (scales or {}).items():
        if key.endswith(suffix):
            return torch.from_numpy(n * np.float32(scale))
    if key.endswith("running_var"):
        n = 1 + np.float32(0.25) * np.abs(n)
    elif key.endswith("running_mean"):
        n = np.float32(0.1) * n
    elif key.endswith("bias"):
        n = np.float32(0.05) * n
    elif len(shape) <= 1:
        n = 1 + np.float32(0.1) * n
    else:
        gain = np.sqrt(2) if len(shape) >= 4 else 1.0
        n = (n * (gain / np.sqrt(np.prod(shape[1:])))).astype(np.float32)
    return torch.from_numpy(n)


def released_names(network: nn.Module) -> dict[str, str]:
    """Our name of each tensor -> the authors'."""
    without = isinstance(network, SparseSync) and network.transformer.v_selector is None
    inner = r"^transformer\.global_transformer\."
    return {key: re.sub(inner, "transformer.", key) if without else key for key in network.state_dict()}


def fill(network: nn.Module, entry: Entry) -> None:
    """Put the entry's weights, stored or drawn by the recipe, into `network`."""
    stored = entry.folder / "state_dict.pt"
    if stored.exists():
        weights = torch.load(stored, weights_only=True)
    else:
        own, seed, scales = network.state_dict(), entry.meta["seed"], entry.meta.get("recipe_scales")
        weights = {
            name: recipe_weight(name, own[key], seed, scales) for key, name in released_names(network).items()
        }
        assert entry.meta.get("n_params") in (None, sum(p.numel() for p in network.parameters()))
    checkpoints.fill(network.eval(), from_released_names(weights), source=str(entry.folder))


def sync_config(hyperparameters: dict[str, Any]) -> NetworkConfig:
    """The authors' constructor arguments as ours; without any, the published network."""
    if "resolved_cfg" not in hyperparameters:
        return NetworkConfig()
    transformer = hyperparameters["resolved_cfg"]["params"]["transformer"]["params"]
    selector = transformer.get("v_selector_cfg", {}).get("params", {})
    joint = transformer.get("global_transformer_cfg", {}).get("params", transformer)
    return NetworkConfig(
        offsets_s=tuple(np.linspace(-2, 2, transformer["num_offset_cls"])),
        width=transformer["n_embd"],
        heads=joint["n_head"],
        selectors=selector.get("num_selectors", 0),
        selector_layers=selector.get("n_layer", 0),
        sync_layers=joint["n_layer"],
        visual_block=tuple(transformer["visual_block_shape"]),
        audio_block=tuple(transformer["audio_block_shape"]),
        visual_divisor=hyperparameters["s3d_width_divisor"],
        audio_widths=divided_widths(hyperparameters["resnet18_width_divisor"]),
    )


def divided_widths(divisor: int) -> tuple[int, ...]:
    return tuple(max(1, width // divisor) for width in NetworkConfig().audio_widths)


def sync_outputs(entry: Entry) -> Outputs:
    network = SparseSync(sync_config(entry.hyperparameters))
    fill(network, entry)
    given = entry.inputs()
    vfeat = network.vfeat_extractor(given["vis"].transpose(1, 2))
    afeat = network.afeat_extractor(given["aud"])
    v, a = network.v_bridge(vfeat), network.a_bridge(afeat)
    reading = network.transformer(v, a)
    logits = network.compare(v, a)
    outputs = {
        # The authors keep time before the channels.
        "vfeat": vfeat.transpose(1, 2),
        "afeat": afeat,
        "v_bridged": v.transpose(1, 2),
        "v_tokens_in": reading.v_tokens,
        "a_tokens_in": reading.a_tokens,
        "v_selected": reading.v_selected,
        "a_selected": reading.a_selected,
        "global_out": reading.joint,
        "logits": logits,
        "xattn_v_selector": reading.v_looked,
        "xattn_a_selector": reading.a_looked,
    }
    if "offset_target" in given:
        outputs["loss"] = nn.functional.cross_entropy(logits, given["offset_target"])
    return outputs


def backbone_outputs(network: S3D | ResNet18, entry: Entry) -> Outputs:
    fill(network, entry)
    features = network(entry.inputs()["x"])
    return {"features": features, "logits": network.classify(features)}


def s3d_outputs(entry: Entry) -> Outputs:
    given = entry.hyperparameters
    return backbone_outputs(S3D(divisor=given["width_divisor"], classes=given["num_class"]), entry)


def resnet18_outputs(entry: Entry) -> Outputs:
    given = entry.hyperparameters
    return backbone_outputs(
        ResNet18(widths=divided_widths(given["width_divisor"]), classes=given["num_classes"]), entry
    )


NETWORKS: dict[str, Callable[[Entry], Outputs]] = {
    "sparsesync": sync_outputs,
    "sparsesync_no_selectors": sync_outputs,
    "s3d": s3d_outputs,
    "resnet18_audio": resnet18_outputs,
}


def entry_of(shared: Path, name: str) -> Entry:
    folder = shared / "parity" / name
    if not (folder / "meta.json").exists():
        pytest.skip(f"the material has no parity entry {name}")
    return Entry(folder, json.loads((folder / "meta.json").read_text()))


@pytest.mark.parametrize(
    "name",
    [
        *NETWORKS,
        "s3d_fullwidth_recipe",
        "resnet18_audio_fullwidth_recipe",
        pytest.param("sparsesync_full_recipe", marks=pytest.mark.slow),
    ],
)
def test_parity_with_the_authors_network(shared: Path, name: str) -> None:
    """Every output that the authors' code gave comes out of ours, within the settled tolerance."""
    entry = entry_of(shared, name)
    network = re.sub(r"_full(width)?_recipe$", "", entry.meta["model"])
    with torch.inference_mode():
        ours = {key: value.numpy() for key, value in NETWORKS[network](entry).items() if value is not None}
    theirs = entry.arrays("out.")
    sampled = {key.removesuffix(".flat_index") for key in theirs if key.endswith(".flat_index")}
    whole = {key for key in theirs if key.split(".")[0] not in sampled}

    assert whole | sampled <= ours.keys()
    for output in sampled:
        wanted, index = theirs[f"{output}.flat_value"], theirs[f"{output}.flat_index"]
        assert ours[output].shape == tuple(theirs[f"{output}.shape"])
        np.testing.assert_allclose(
            ours[output].ravel()[index], wanted, rtol=0, atol=entry.tolerance(output, wanted), err_msg=output
        )
    for output in whole:
        wanted = theirs[output]
        assert ours[output].shape == wanted.shape
        np.testing.assert_allclose(
            ours[output], wanted, rtol=0, atol=entry.tolerance(output, wanted), err_msg=output
        )


def test_parity_of_every_published_key_and_shape(shared: Path) -> None:
    """The published networks have exactly the tensors that the authors' have, by name and shape."""
    listed = shared / "parity" / "_full_size_keys"
    networks = {
        "sparsesync": lambda: SparseSync(NetworkConfig()),
        "sparsesync_no_selectors": lambda: SparseSync(NetworkConfig(selectors=0)),
    }
    present = [name for name in networks if (listed / f"{name}.json").exists()]
    if not present:
        pytest.skip("the material lists no keys of published size")
    for name in present:
        with torch.device("meta"):
            network = networks[name]()
        names = released_names(network)
        ours = {names[key]: list(tensor.shape) for key, tensor in network.state_dict().items()}
        theirs = json.loads((listed / f"{name}.json").read_text())["keys"]
        assert ours == {key: shape for key, (shape, _) in theirs.items()}, name
