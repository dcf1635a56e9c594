"""What a run keeps in its folder: a log, the network's checkpoint, and `state.pt`, from which it goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models import checkpoints

STATE, LOG = "state.pt", "log.jsonl"


def resume(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Steps and seconds that lie behind; network and optimizer are as they were then. A new run: none."""
    path = folder / STATE
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["seconds"]


def save(
    checkpoint: Path,
    config: Mapping[str, Any],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    seconds: float,
) -> None:
    """Write the checkpoint, and beside it what `resume` reads: the old files or the new ones, whole."""
    checkpoints.save(checkpoint, config, network.state_dict())
    part = checkpoint.with_name(f"{STATE}.part")
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "seconds": seconds,
    }
    torch.save(state, part)
    part.replace(checkpoint.with_name(STATE))


def log(folder: Path, step: int, seconds: float, words: Mapping[str, float]) -> None:
    """One more line in the log, and on the terminal."""
    rounded = {name: round(value, 4) for name, value in words.items()}
    line = json.dumps({"step": step, "seconds": round(seconds), **rounded})
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line, flush=True)
