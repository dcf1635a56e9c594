"""Parity: our sync networks, filled with the authors' weights, give the outputs of the authors' own code.

Every folder of the material's `parity` is built from its meta.json; no number of it is written here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
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
from tests.parity import Entry, entry_of  # noqa: E402

pytestmark = pytest.mark.parity

Outputs = dict[str, Tensor]


def released_names(network: nn.Module) -> dict[str, str]:
    """Our name of each tensor -> the authors'."""
    without = isinstance(network, SparseSync) and network.transformer.v_selector is None
    inner = r"^transformer\.global_transformer\."
    return {key: re.sub(inner, "transformer.", key) if without else key for key in network.state_dict()}


def fill(network: nn.Module, entry: Entry) -> None:
    """Put the entry's weights, stored or drawn by the recipe, into `network`."""
    weights = entry.weights(network.state_dict(), released_names(network).__getitem__)
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
    v = network.v_bridge(vfeat)
    reading = network.read(given["vis"], given["aud"])
    logits = network(given["vis"], given["aud"])
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
        "logits": reading.logits,
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
    entry.compare(ours)


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
