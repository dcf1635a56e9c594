"""The authors' own outputs, as the shared material keeps them, and how near ours must come.

In: the folder of the material. Out: an `Entry`, whose inputs go into our network, and whose `compare` takes
what came out of it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor


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

    def weights(
        self, own: Mapping[str, Tensor], names: Callable[[str], str] = lambda key: key
    ) -> dict[str, Tensor]:
        """Under the authors' names, stored or drawn by the recipe for tensors like `own`'s."""
        stored = self.folder / "state_dict.pt"
        if stored.exists():
            return torch.load(stored, weights_only=True)
        seed, scales = self.meta["seed"], self.meta.get("recipe_scales")
        return {names(key): recipe_weight(names(key), own[key], seed, scales) for key in own}

    def tolerance(self, name: str, wanted: np.ndarray) -> float:
        """As DESIGN settles it; whole numbers are exact."""
        if np.issubdtype(wanted.dtype, np.integer):
            return 0
        rounding = self.meta.get("fp32_vs_fp64_max_abs", {})
        largest = self.meta.get("output_abs_max", {})
        if name in rounding and name in largest:
            return max(20 * rounding[name], 1e-5 * largest[name])
        return 1e-4 * float(np.abs(wanted).max())

    def compare(self, ours: Mapping[str, np.ndarray], *, but: Iterable[str] = ()) -> None:
        """Hold every output of the authors', except those named, against ours."""
        theirs = {key: value for key, value in self.arrays("out.").items() if key not in set(but)}
        sampled = {key.removesuffix(".flat_index") for key in theirs if key.endswith(".flat_index")}
        whole = {key for key in theirs if key.split(".")[0] not in sampled}

        assert whole | sampled <= ours.keys()
        for output in sampled:
            wanted, index = theirs[f"{output}.flat_value"], theirs[f"{output}.flat_index"]
            assert ours[output].shape == tuple(theirs[f"{output}.shape"])
            self._near(output, ours[output].ravel()[index], wanted)
        for output in whole:
            assert ours[output].shape == theirs[output].shape
            self._near(output, ours[output], theirs[output])

    def _near(self, output: str, ours: np.ndarray, wanted: np.ndarray) -> None:
        tolerance = self.tolerance(output, wanted)
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=tolerance, err_msg=output)


def entry_of(shared: Path, name: str) -> Entry:
    folder = shared / "parity" / name
    if not (folder / "meta.json").exists():
        pytest.skip(f"the material has no parity entry {name}")
    return Entry(folder, json.loads((folder / "meta.json").read_text()))


def _drawn(kind: str, shape: list[int], *how: Any) -> np.ndarray:
    if kind == "randint":
        (low, high), seed = how
        return np.random.RandomState(seed).randint(low, high, shape)
    seed, scale = how
    draw = np.random.RandomState(seed)
    numbers = draw.standard_normal(shape) if kind == "normal" else draw.random_sample(shape)
    return numbers.astype(np.float32) * np.float32(scale)


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
    elif key.endswith("weight_g") or len(shape) <= 1:
        n = 1 + np.float32(0.1) * n
    else:
        gain = np.sqrt(2) if len(shape) >= 4 else 1.0
        n = (n * (gain / np.sqrt(np.prod(shape[1:])))).astype(np.float32)
    return torch.from_numpy(n)


def released_weights(entry: Entry, layout: str) -> dict[str, Tensor]:
    """Weights by the material's rule, for every name and shape that the released network has."""
    listed = json.loads((entry.folder.parent / "_full_size_keys" / f"{layout}.json").read_text())["keys"]
    seed, scales = entry.meta["seed"], entry.meta.get("recipe_scales")
    return {
        key: recipe_weight(key, torch.empty(shape, device="meta", dtype=getattr(torch, kind)), seed, scales)
        for key, (shape, kind) in listed.items()
    }
