"""What a training of the sync network starts from: own or released weights, of all of it or of a backbone.

In: files. Out: a network with these weights in place, and how far the optimiser was. Released checkpoints
hold `model`, `optimizer`, `scaler`, `lr_scheduler` and, as an object of OmegaConf, `args`; no code of theirs
is run, and what they name besides is refused.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models import checkpoints
from models.checkpoints import CheckpointError
from models.sync.config import SyncConfig
from models.sync.sparsesync import SparseSync, from_released_names

HARMLESS = ("omegaconf.", "typing.", "builtins.dict", "builtins.list", "builtins.int", "builtins.str")
HARMLESS_ALSO = ("builtins.float", "builtins.bool", "builtins.set", "collections.defaultdict", "enum.")
"""Names of settings, which stand for nothing here."""


class Nothing(dict):
    """What an object of settings becomes: takes everything, and is never asked."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        pass


def read(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU.

    Raises:
        CheckpointError: no such file, not a checkpoint, or one that names anything but data and settings.
    """
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        strange = [name for name in named if not name.startswith((*HARMLESS, *HARMLESS_ALSO))]
        if strange:
            raise CheckpointError(f"{path}: holds {', '.join(sorted(strange))}, which isn't data: refused")
        with torch.serialization.safe_globals([(Nothing, name) for name in named]):
            held = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of weights and plain data: {error}") from error
    if not isinstance(held, Mapping):
        raise CheckpointError(f"{path}: wanted weights by name, there is {type(held).__name__}")
    return dict(held)


def weights(held: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """The tensors of what a checkpoint holds, without what is put in front by training on several cards.

    Raises:
        CheckpointError: something among them isn't a tensor.
    """
    inner = held.get("state_dict", held.get("model", held))
    strange = [str(name) for name, weight in inner.items() if not isinstance(weight, Tensor)]
    if strange:
        raise CheckpointError(f"{path}: not weights: {', '.join(strange[:6])}")
    return {str(name).removeprefix("module."): weight for name, weight in inner.items()}


def fill_backbone(backbone: nn.Module, root: str, path: Path) -> None:
    """Put a trained backbone's weights in place; its classifier is left out.

    Args:
        root: what it is called within the whole network: names may begin with it.

    Raises:
        CheckpointError: not the weights of this backbone.
    """
    found = {name.removeprefix(f"{root}."): weight for name, weight in weights(read(path), path).items()}
    kept = {name: weight for name, weight in found.items() if not name.startswith("fc.")}
    checkpoints.fill(backbone, kept, source=str(path))


def config_of(path: Path) -> SyncConfig | None:
    """What an own checkpoint says of its network; None of a released one."""
    held = read(path)
    if not isinstance(held.get("config"), Mapping) or "network" not in held["config"]:
        return None
    return SyncConfig.from_dict(held["config"])


def fill(network: SparseSync, path: Path) -> None:
    """Put the weights of a whole network in place, own or released.

    Raises:
        CheckpointError: not the weights of this network.
    """
    checkpoints.fill(network, from_released_names(weights(read(path), path)), source=str(path))


def learnt_so_far(path: Path) -> dict[str, Any] | None:
    """How far the optimiser was that made a checkpoint: `optimizer`, `scaler`, and `steps` of the warm-up.

    Of an own checkpoint they stand beside it, in `learning.pt`; None where nobody kept them.
    """
    held, beside = read(path), path.with_name("learning.pt")
    if "optimizer" in held:
        steps = (held.get("lr_scheduler") or {}).get("last_epoch", 0)
        return {"optimizer": held["optimizer"], "scaler": held.get("scaler") or {}, "steps": steps}
    return read(beside) if "config" in held and beside.exists() else None


def take_up(optimizer: torch.optim.Optimizer, state: Mapping[str, Any], path: Path) -> None:
    """Give an optimiser what another one knew of the same weights.

    Raises:
        CheckpointError: it knew others.
    """
    own = [each for group in optimizer.param_groups for each in group["params"]]
    theirs = [number for group in state["param_groups"] for number in group["params"]]
    known = [state["state"].get(number) for number in theirs]
    if len(own) != len(theirs) or any(
        each is not None and each["exp_avg"].shape != weight.shape
        for each, weight in zip(known, own, strict=False)
    ):
        raise CheckpointError(
            f"{path}: its optimiser knew {len(theirs)} weights, {len(own)} are to be learnt, or others: "
            "begin with a new one (keep_optimizer: false)"
        )
    numbers = [{name: group[name] for name in group if name != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict({"state": dict(state["state"]), "param_groups": _grouped(state, numbers)})


def _grouped(state: Mapping[str, Any], numbers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Its groups with this run's rates: what was learnt with eight cards may go on with one."""
    return [
        {**own, "params": group["params"]} for own, group in zip(numbers, state["param_groups"], strict=True)
    ]
