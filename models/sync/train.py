"""Train the reduced SparseSync on rendered scenes: `python -m models.sync.train --out runs/sync`.

In: scenes of `models.data`, rendered on the way. Out, in the folder: `sync.pt` (`{config, state_dict}`, for
`python -m export sync`), `figures.json` for its card, `log.jsonl`, and `state.pt` from which a run goes on
where it stopped: every step draws from its own seed, so a resumed run ends as an unbroken one.

Cross-entropy over the 21 classes is the published loss. From nothing, selectors and sync transformer stay at
ln 21 under it (over 5,000 windows even on frozen features that hold the answer). So the published road is
taken, extractors that learnt on something else first: here with the lag head, which learns from nothing, and
only in the last stage with selectors and sync transformer.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import checkpoints
from models.data.offsets import OFFSETS_S
from models.data.pool import Pool
from models.data.scenes import Scene
from models.sync import evaluate
from models.sync.config import Clip, NetworkConfig, SyncConfig
from models.sync.sparsesync import SparseSync
from models.training import ahead


@dataclass(frozen=True)
class Stage:
    """A stretch of the training."""

    name: str
    trains: str
    """`lag`: extractors and lag head; `all`: selectors and sync transformer too."""
    share: float
    """How hard the scenes are: 0 easy, 1 full."""
    scenes: int
    """Different scenes; each is cut into as many windows as the steps ask for."""
    steps: int
    lr: float = 1e-3
    """Adam's; the published 4e-5 suits trained extractors and days of training."""


@dataclass(frozen=True)
class Settings:
    """All that a run is made of."""

    seed: int = 0
    stages: tuple[Stage, ...] = (
        Stage("easy", "lag", 0.0, 400, 150),
        Stage("half", "lag", 0.5, 600, 150),
        Stage("full", "lag", 1.0, 2000, 1300),
        Stage("all", "all", 1.0, 2000, 150, lr=3e-4),
    )
    batch: int = 16
    """Windows a step."""
    warm_up: int = 50
    """Steps from a hundredth of a stage's `lr` to all of it."""
    fade: float = 0.3
    """Share of a stage's steps over which its `lr` falls to a tenth."""
    clip_norm: float = 1.0
    check_every: int = 50
    """Steps between two looks at the held-out windows, each with a checkpoint."""
    held_out: int = 105
    """Windows for these looks; the final figures come from others."""
    final_scenes: int = 630
    threads: int = 1

    clip: Clip = field(default_factory=lambda: Clip(side=48, crop=40))
    visual_divisor: int = 8
    visual_mixed: int = 2
    visual_time_strides: tuple[int, int, int] = (2, 1, 1)
    audio_widths: tuple[int, int, int, int] = (8, 16, 32, 64)
    audio_depths: tuple[int, int, int, int] = (1, 1, 1, 1)
    audio_time_strides: tuple[int, int, int, int, int] = (2, 2, 2, 1, 1)
    width: int = 64
    heads: int = 4
    selectors: int = 16
    selector_layers: int = 1
    sync_layers: int = 1
    lag_dim: int = 48

    def config(self) -> SyncConfig:
        """The network's shape."""
        network = NetworkConfig.fitting(
            self.clip,
            width=self.width,
            heads=self.heads,
            selectors=self.selectors,
            selector_layers=self.selector_layers,
            sync_layers=self.sync_layers,
            visual_divisor=self.visual_divisor,
            visual_mixed=self.visual_mixed,
            visual_time_strides=self.visual_time_strides,
            visual_norm_momentum=0.1,
            audio_widths=self.audio_widths,
            audio_depths=self.audio_depths,
            audio_time_strides=self.audio_time_strides,
            lag_dim=self.lag_dim,
        )
        return SyncConfig(network, self.clip)


VALID_SEED = 40_000_000
"""First seed of the scenes that are looked at on the way."""


# Windows


def window(scene: Scene, label: int, rng: np.random.Generator, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """One augmented window with the offset of class `label`: frames uint8 and samples, in its sizes."""
    frames, samples = evaluate.draw_window(scene, label, rng, clip)
    top, left = rng.integers(0, frames.shape[1] - clip.crop + 1, 2)
    frames = frames[:, top : top + clip.crop, left : left + clip.crop]
    if rng.random() < 0.5:
        frames = frames[:, :, ::-1]
    # A gain and an offset for each colour, by table: the cheapest jitter there is.
    levels = np.arange(256)[:, None] * rng.uniform(0.7, 1.3) * rng.uniform(0.85, 1.15, 3) + rng.uniform(
        -30, 30
    )
    table = np.clip(levels, 0, 255).astype(np.uint8)
    frames = np.stack([table[:, colour][frames[..., colour]] for colour in range(3)], -1)
    if rng.random() < 0.2:
        frames = np.repeat(frames.mean(-1, keepdims=True).astype(np.uint8), 3, -1)
    samples = samples * 10 ** (rng.uniform(-12, 6) / 20)
    if rng.random() < 0.3:
        samples = samples + rng.normal(0, 10 ** rng.uniform(-4, -2), len(samples)).astype(np.float32)
    return frames, samples.astype(np.float32)


class WindowBatches:
    """Batches of augmented windows of a pool's scenes; the same step gives the same batch."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self.pool, self.settings = pool, settings

    def __call__(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """`vis` (B, T, 3, H, W), `aud` (B, 1, F, Ta), class (B,)."""
        rng = np.random.default_rng([self.settings.seed, step])
        labels = rng.integers(0, len(OFFSETS_S), self.settings.batch)
        clip = self.settings.clip
        pairs = []
        for label in labels:
            frames, samples = window(self.pool.scene(int(rng.integers(self.pool.count))), label, rng, clip)
            pairs.append(evaluate.inputs(frames, samples, clip))
        vis, aud = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
        return vis, aud, torch.from_numpy(labels)


# Steps


def lag_head(network: SparseSync) -> nn.Module:
    """The network's lag head, without which nothing here learns."""
    if network.lag is None:
        raise ValueError("this training wants a network with a lag head: lag_dim > 0")
    return network.lag


def answer(network: SparseSync, trains: str, vis: Tensor, aud: Tensor) -> Tensor:
    """Logits (B, K) of what a stage trains: the lag head by itself, or all that ships."""
    v, a = network.features(vis, aud)
    return lag_head(network)(v, a) if trains == "lag" else network.compare(v, a)


def rate(settings: Settings, stage: Stage, step: int) -> float:
    """The learning rate at this step of a stage: up, level, and down to a tenth."""
    up = min(1.0, 0.01 + step / settings.warm_up)
    left = (stage.steps - step) / (settings.fade * stage.steps)
    return stage.lr * up * min(1.0, max(0.1, left))


def learning(network: SparseSync, trains: str) -> list[nn.Parameter]:
    """What a stage trains; all else stands still, batch norms too."""
    extractors = [network.vfeat_extractor, network.afeat_extractor, network.v_bridge, network.a_bridge]
    choices: dict[str, list[nn.Module]] = {
        "lag": [*extractors, lag_head(network)],
        "all": [network],
    }
    parts = choices[trains]
    network.eval()
    for part in parts:
        part.train()
    return [parameter for part in parts for parameter in part.parameters()]


class Run:
    """A network on its way, and how far it is."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.settings, self.folder = settings, folder
        self.network = SparseSync(settings.config().network)
        self.stage, self.step, self.trained_s = 0, 0, 0.0
        self.optimizer_state: dict | None = None
        self.held_out: evaluate.Windows | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        """Go on from `state.pt`, where there is one."""
        path = self.folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.stage, self.step, self.trained_s = state["stage"], state["step"], state["seconds"]
        self.optimizer_state = state["optimizer"]

    def train(self) -> None:
        """Walk the stages that are left."""
        while self.stage < len(self.settings.stages):
            self._walk(self.settings.stages[self.stage])
            self.stage, self.step, self.optimizer_state = self.stage + 1, 0, None
            self._save(None)

    def _walk(self, stage: Stage) -> None:
        settings = self.settings
        pool = Pool(self.folder.parent / "pool", stage.share, int(200_000 * stage.share), stage.scenes)
        pool.ensure()
        parameters = learning(self.network, stage.trains)
        optimizer = torch.optim.Adam(parameters, lr=stage.lr)
        if self.optimizer_state:
            optimizer.load_state_dict(self.optimizer_state)
        batches = WindowBatches(pool, settings)
        began = time.monotonic() - self.trained_s
        for vis, aud, labels in ahead(batches, self._draw(self.step), self._draw(stage.steps)):
            # Dropout draws from the step too, so that a resumed run goes on as if never stopped.
            torch.manual_seed(settings.seed * 1_000_003 + self.stage * 100_003 + self.step)
            for group in optimizer.param_groups:
                group["lr"] = rate(settings, stage, self.step)
            logits = answer(self.network, stage.trains, vis, aud)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            optimizer.step()
            self.step += 1
            self.trained_s = time.monotonic() - began
            within = float(((logits.argmax(1) - labels).abs() <= 1).float().mean())
            self._log(stage=stage.name, loss=round(loss.item(), 4), within=round(within, 3))
            if self.step % settings.check_every == 0 or self.step == stage.steps:
                self._log(stage=stage.name, **self._look())
                learning(self.network, stage.trains)
                self._save(optimizer)
                began = time.monotonic() - self.trained_s

    def _draw(self, step: int) -> int:
        """The number a step's batch is drawn from: stages on the same scenes see other windows of them."""
        return self.stage * 1_000_000 + step

    def finish(self) -> None:
        """Measure the trained network on fresh scenes and write `figures.json` for its card."""
        settings = self.settings
        windows = settings.batch * sum(stage.steps for stage in settings.stages)
        fresh = evaluate.fresh_windows(settings.final_scenes, settings.clip)
        found = evaluate.measure(scorer(self.network), settings.clip, fresh)
        for head, words in (("lag", "lag head alone"), ("alone", "sync transformer alone")):
            share = evaluate.accuracy(scorer(self.network, head), settings.clip, fresh)
            found[f"within 0.2 s, {words}"] = share.to_dict()
        figures = {
            "network": "SparseSync, reduced, with a lag head beside its sync transformer",
            "version": "1",
            "training": {
                "material": "scenes rendered by models.data from seeds: no recording, photograph or film",
                "licence": "Apache-2.0, as the project",
                "command": f"python -m models.sync.train --seed {settings.seed}",
                "seed": settings.seed,
                "stages": [asdict(stage) for stage in settings.stages],
                "windows": windows,
                "parameters": sum(parameter.numel() for parameter in self.network.parameters()),
                "minutes": round(self.trained_s / 60, 1),
                "threads": settings.threads,
            },
            "figures": {"fresh rendered scenes": found},
        }
        text = json.dumps(figures, indent=1) + "\n"
        (self.folder / "figures.json").write_text(text, encoding="utf-8")

    def _look(self) -> dict[str, float]:
        """How often each head is within a class on held-out full scenes."""
        settings = self.settings
        if self.held_out is None:
            self.held_out = evaluate.fresh_windows(settings.held_out, settings.clip, first_seed=VALID_SEED)
        shares = {
            head: evaluate.accuracy(scorer(self.network, head), settings.clip, self.held_out)
            for head in ("both", "lag", "alone")
        }
        return {f"valid_{head}": round(share.right / share.of, 3) for head, share in shares.items()}

    def _log(self, **words: object) -> None:
        line = {"step": self.step, "seconds": round(self.trained_s), **words}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if "valid_both" in words or self.step % 10 == 0:
            click.echo(json.dumps(line))

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        checkpoints.save(self.folder / "sync.pt", self.settings.config().to_dict(), self.network.state_dict())
        part = self.folder / "state.pt.part"
        state = {
            "network": self.network.state_dict(),
            "optimizer": optimizer.state_dict() if optimizer else None,
            "stage": self.stage,
            "step": self.step,
            "seconds": self.trained_s,
        }
        torch.save(state, part)
        part.replace(self.folder / "state.pt")


def scorer(network: SparseSync, head: str = "both") -> evaluate.Scorer:
    """The network as `evaluate` asks it: `both` heads as it ships, `lag` or the transformer `alone`."""

    @torch.inference_mode()
    def score(vis: np.ndarray, aud: np.ndarray) -> np.ndarray:
        network.eval()
        v, a = network.features(torch.from_numpy(vis), torch.from_numpy(aud))
        if head == "lag":
            return lag_head(network)(v, a).numpy()
        logits = network.transformer(v, a).logits if head == "alone" else network.compare(v, a)
        return logits.numpy()

    return score


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/sync"), help="The run's folder.")
@click.option("--seed", type=int, default=0)
@click.option("--threads", type=int, default=1)
def main(out: Path, seed: int, threads: int) -> None:
    """Train, or go on training, and measure."""
    run = Run(replace(Settings(), seed=seed, threads=threads), out)
    run.resume()
    run.train()
    run.finish()


if __name__ == "__main__":
    main()
