"""Checkpoints: what a training run leaves behind, `{config, state_dict}`, plain data and tensors only.

In: a path. Out: plain data, or a module with every weight in its place.
Doesn't know any network: the caller builds it from the config.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from otio_avassist.errors import AvAssistError


class CheckpointError(AvAssistError):
    """A checkpoint can't be read, or its weights aren't those of the network."""


@dataclass(frozen=True)
class Checkpoint:
    """A network's description and its weights."""

    config: dict[str, Any]
    """Numbers, strings and their containers, from which the network is built."""
    state_dict: dict[str, Tensor]


def save(path: Path, config: Mapping[str, Any], state_dict: Mapping[str, Tensor]) -> None:
    """Write a checkpoint beside its place and move it there, so that a reader never meets half a file."""
    part = path.with_name(f"{path.name}.part")
    torch.save({"config": dict(config), "state_dict": dict(state_dict)}, part)
    part.replace(path)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU; objects other than tensors and plain data are refused.

    Raises:
        CheckpointError: no such file, not a checkpoint, or one that holds code.
    """
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of weights and plain data: {error}") from error
    if not isinstance(held, dict) or not {"config", "state_dict"} <= held.keys():
        found = ", ".join(map(str, held)) if isinstance(held, dict) else type(held).__name__
        raise CheckpointError(f"{path}: a checkpoint holds config and state_dict, this one {found}")
    return Checkpoint(held["config"], held["state_dict"])


def fill(module: nn.Module, state_dict: Mapping[str, Tensor], *, source: str) -> None:
    """Put `state_dict` into `module` with every key and shape accounted for; `source` names it in errors.

    Raises:
        CheckpointError: names each weight that is missing, unknown or of another shape.
            `module` is unchanged then.
    """
    wanted = module.state_dict()
    wrongs = [f"missing {key}" for key in wanted.keys() - state_dict.keys()]
    wrongs += [f"unknown {key}" for key in state_dict.keys() - wanted.keys()]
    wrongs += [
        f"{key}: the network has {tuple(wanted[key].shape)}, the file {tuple(state_dict[key].shape)}"
        for key in wanted.keys() & state_dict.keys()
        if wanted[key].shape != state_dict[key].shape
    ]
    if wrongs:
        raise CheckpointError(f"{source}: not the weights of this network: {'; '.join(sorted(wrongs))}")
    module.load_state_dict(state_dict)
