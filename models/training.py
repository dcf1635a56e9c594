"""What trainings share: which items a step learns from, several processes, and going on where a run stopped.

Every step draws from the seed and its own number, so that a run that was stopped ends as an unbroken one.
Knows no network and no data.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from otio_avassist.errors import AvAssistError

Batch = TypeVar("Batch")
Settings = TypeVar("Settings")


class SettingsError(AvAssistError):
    """A run can't be as it is asked for."""


# Which items


def steps_an_epoch(count: int, batch: int) -> int:
    """How many batches hold `count` items; the last may be smaller."""
    return -(-count // batch)


def drawn(count: int, batch: int, step: int, seed: int) -> list[int]:
    """Which items make the batch of a step: an epoch's order follows from the seed and its number."""
    epoch, at = divmod(step, steps_an_epoch(count, batch))
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return order[at * batch : (at + 1) * batch].tolist()


def ahead(make: Callable[[int], Batch], first: int, last: int) -> Iterator[Batch]:
    """The batches of steps [first, last), each made while the one before is being learned from."""
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(make, first) if first < last else None
        for step in range(first, last):
            assert coming is not None
            ready = coming.result()
            if step + 1 < last:
                coming = worker.submit(make, step + 1)
            yield ready


# Processes


class Processes:
    """This process and its siblings; alone unless torchrun started it."""

    def __init__(self) -> None:
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device("cpu")
        if torch.cuda.is_available():
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(self.device)
        if self.world > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    def share(self, items: list[int], weigh: Callable[[list[int]], float] = len) -> tuple[list[int], float]:
        """This process's items of a batch, and how much their loss weighs.

        The mean over the processes, so weighed, is the whole batch's loss. Where there are too few items for
        all, a process takes one that doesn't count, to keep step.
        """
        mine = items[self.rank :: self.world]
        if not mine:
            return items[:1], 0.0
        return mine, weigh(mine) / weigh(items) * self.world

    def from_first(self, value: Any) -> Any:
        """What the first process says."""
        held = [value]
        if self.world > 1:
            distributed.broadcast_object_list(held)
        return held[0]

    def share_learner(self, learner: nn.Module) -> nn.Module:
        """The same module, its gradients averaged over the processes."""
        if self.world == 1:
            return learner
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(learner, device_ids=devices)

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give the gradients of these the mean over the processes."""
        if self.world == 1:
            return
        gradients = [each.grad for each in parameters if each.grad is not None]
        flat = torch.cat([each.flatten() for each in gradients])
        distributed.all_reduce(flat)
        means = (flat / self.world).split([each.numel() for each in gradients])
        for each, mean in zip(gradients, means, strict=True):
            each.copy_(mean.view_as(each))

    def chunks(self, count: int, batch: int) -> Iterator[list[int]]:
        """This process's items of so many, a batch at a time: to measure, not to learn."""
        mine = range(self.rank, count, self.world)
        return (list(mine[first : first + batch]) for first in range(0, len(mine), batch))

    def mean(self, sums: Mapping[str, float], count: int) -> dict[str, float]:
        """Sums over each process's items, and how many those are -> means over all items."""
        held = torch.tensor([*sums.values(), count], dtype=torch.float64, device=self.device)
        if self.world > 1:
            distributed.all_reduce(held)
        return dict(zip(sums, (held[:-1] / held[-1]).tolist(), strict=True))

    def synchronised(self, network: nn.Module) -> nn.Module:
        """With batch norms over all processes, where the device can."""
        if self.world > 1 and self.device.type == "cuda":
            return nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return network

    def wait(self) -> None:
        """For the others."""
        if self.world > 1:
            distributed.barrier()


def read_settings(kind: Callable[..., Settings], path: Path | None, **others: Any) -> Settings:
    """Settings as they are but for what a JSON file changes, and `others`, but for those that are None.

    Raises:
        SettingsError: not JSON, or names that there are not.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8")) if path else {}
        return kind(**{**held, **{name: value for name, value in others.items() if value is not None}})
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{path}: not settings of this training: {error}") from error


def leave() -> None:
    """Take leave of the other processes."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


# Steps


def half(precision: str, device: torch.device) -> torch.dtype | None:
    """Which numbers a forward pass may use in place of full ones.

    Args:
        precision: `auto`: 16 bits where the device is made for them; `full`; or a type's name.
    """
    if precision == "full" or (precision == "auto" and device.type != "cuda"):
        return None
    if precision == "auto":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return {"bfloat16": torch.bfloat16, "float16": torch.float16}[precision]


class Learning:
    """An optimiser's steps: gradients of all processes, in mixed precision where asked.

    Args:
        clip_norm: longer gradients, all together, are made so short.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        processes: Processes,
        precision: str = "auto",
        *,
        clip_norm: float | None = None,
    ) -> None:
        self.optimizer, self.processes, self.clip_norm = optimizer, processes, clip_norm
        self.half = half(precision, processes.device)
        # 16 bits of IEEE end at 65,504 and lose small gradients: losses are scaled for them.
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=self.half == torch.float16)

    def autocast(self) -> torch.autocast:
        """Within it forward passes are in mixed precision."""
        return torch.autocast(self.processes.device.type, self.half, enabled=self.half is not None)

    def step(self, loss: Tensor, weight: float = 1.0) -> None:
        """Learn from a loss that weighs so much among those of all processes."""
        self.optimizer.zero_grad()
        self.scaler.scale(loss * weight).backward()
        parameters = [each for group in self.optimizer.param_groups for each in group["params"]]
        self.processes.average(parameters)
        if self.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Of optimiser and scaler."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse."""
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])


class Part(Protocol):
    """Whatever a run has to keep to go on."""

    def state_dict(self) -> Any:
        """What is kept."""

    def load_state_dict(self, state: Any, /) -> Any:
        """The inverse."""


class Progress:
    """How far a training is: what goes on (`state.pt`), what was seen on the way (`log.jsonl`), its end."""

    def __init__(
        self,
        folder: Path,
        processes: Processes,
        parts: Mapping[str, Part],
        *,
        steps: int,
        epochs: int,
        patience: int | None,
        seed: int,
        save_minutes: float = 5.0,
        quiet: bool = False,
    ) -> None:
        """
        Args:
            steps: an epoch's.
            epochs: at most.
            patience: so many epochs without a better score are the end; None: only `epochs` are.
            save_minutes: how often what goes on is kept within an epoch; at its end it always is.
        """
        self.folder, self.processes, self.parts = folder, processes, parts
        self.steps, self.epochs, self.patience, self.seed = steps, epochs, patience, seed
        self.save_s, self.quiet = save_minutes * 60, quiet
        self.step, self.seconds, self.best, self.best_epoch = 0, 0.0, float("inf"), 0
        self._saved = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        epoch = self.step // self.steps
        tired = self.patience is not None and epoch - self.best_epoch >= self.patience
        return tired or epoch >= self.epochs

    def resume(self) -> None:
        """Go on from `state.pt`, where there is one.

        Raises:
            SettingsError: it is another training's.
        """
        path = self.folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self.processes.device)
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise SettingsError(f"{path}: of a training of another kind or size: {error}") from error
        self.step, self.seconds = state["step"], state["seconds"]
        self.best, self.best_epoch = state["best"], state["best_epoch"]

    def walk(
        self,
        make: Callable[[int], Batch],
        learn: Callable[[Batch], Mapping[str, float]],
        look: Callable[[], Mapping[str, float]],
        keep: Callable[[bool], None],
        *,
        until: int | None = None,
    ) -> None:
        """Learn to the end.

        Args:
            make: a step's number -> its batch.
            learn: a batch -> figures, learnt from.
            look: how good it is: figures on the validation set, of which `score` is to fall.
            keep: writes what has been learnt; is told whether it is the best so far.
            until: stop after so many steps, as if interrupted.
        """
        while not self.ended and (until is None or self.step < until):
            end = (self.step // self.steps + 1) * self.steps
            began = time.monotonic() - self.seconds
            for batch in ahead(make, self.step, end if until is None else min(end, until)):
                # What a step draws follows from its number: a resumed run goes on as if never stopped.
                torch.manual_seed((self.seed * 1_000_003 + self.step) * 64 + self.processes.rank)
                figures = learn(batch)
                self.step += 1
                self.seconds = time.monotonic() - began
                self._log(**figures)
                if self.step < end and time.monotonic() - self._saved > self.save_s:
                    self._save()
            if self.step == end:
                self._look(look, keep)

    def _look(self, look: Callable[[], Mapping[str, float]], keep: Callable[[bool], None]) -> None:
        """An epoch's end: how good is it, and is it the best?"""
        figures = self.processes.from_first(look())
        better = figures["score"] < self.best
        if better:
            self.best, self.best_epoch = figures["score"], self.step // self.steps
        self._log(epoch=self.step // self.steps, **figures)
        if not self.processes.rank:
            keep(better)
        self._save()

    def figures(self, network: str, settings: Any, **held: Any) -> None:
        """Write `figures.json` for the card of what has been trained.

        Args:
            network: its name.
            settings: the dataclass.
            held: what else there is to say of the training.
        """
        if self.processes.rank:
            return
        training = {
            **held,
            "settings": asdict(settings),
            "steps": self.step,
            "best epoch": self.best_epoch,
            "minutes": round(self.seconds / 60, 1),
        }
        figures = {"validation": {"score": self.best}}
        text = json.dumps(
            {"network": network, "version": "1", "training": training, "figures": figures}, indent=1
        )
        (self.folder / "figures.json").write_text(f"{text}\n", encoding="utf-8")

    def _log(self, **held: float) -> None:
        if self.processes.rank:
            return
        shown = {name: round(value, 5) for name, value in held.items()}
        line = {"step": self.step, "seconds": round(self.seconds), **shown}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if "score" in held and not self.quiet:
            click.echo(json.dumps(line))

    def _save(self) -> None:
        self._saved = time.monotonic()
        if self.processes.rank:
            return
        state = {
            **{name: part.state_dict() for name, part in self.parts.items()},
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "best_epoch": self.best_epoch,
        }
        part = self.folder / "state.pt.part"
        torch.save(state, part)
        part.replace(self.folder / "state.pt")
