"""Train the event network on mixtures; `Run` goes on where it was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.captions.compact import events, keeping, material, mixtures
from models.captions.compact.events import EventConfig, EventNetwork
from models.captions.compact.pool import Pool
from otio_avassist.signals import yamnet_log_mel

VALID_SEED = 7_000_000
TEST_SEED = 8_000_000


@dataclass(frozen=True)
class EventSettings:
    """All that a run is made of."""

    seed: int = 0
    mixtures: int = 4000
    length_s: float = 20.0
    steps: int = 3000
    batch: int = 16
    crop_s: float = 10.0
    lr: float = 1.5e-3
    check_every: int = 250
    valid: int = 60
    """Mixtures at each of the levels that are looked at, of sounds held out."""
    config: EventConfig = field(default_factory=EventConfig)


Stocks = Callable[[], tuple[mixtures.Stock, mixtures.Stock]]
"""Training and held-out sounds, when they are wanted."""


def real_stocks(place: Path) -> tuple[mixtures.Stock, mixtures.Stock]:
    """All the free sounds there are; the film's first half is heard in training, its second in validation."""
    sounds = material.sounds(place)
    track = material.decoded(material.film(place))
    middle = len(track) // 2
    return (
        mixtures.stock(sounds, [track[:middle]]),
        mixtures.stock(sounds, [track[middle:]], valid=True),
    )


def _drawing(
    stocks: Stocks, which: int, seed: int, length_s: float
) -> Callable[[int], dict[str, np.ndarray]]:
    def draw(number: int) -> dict[str, np.ndarray]:
        snr_db = None if which == 0 else LEVELS_DB[number % len(LEVELS_DB)]
        mixture = mixtures.mix(
            np.random.default_rng([seed, number]), stocks()[which], length_s, snr_db=snr_db
        )
        log_mel = yamnet_log_mel(mixture.samples)
        return {"log_mel": log_mel.astype(np.float16), "events_s": mixture.events_s, "snr_db": mixture.snr_db}

    return draw


LEVELS_DB = (20.0, 10.0, 0.0)


class Run:
    """The event network on its way."""

    def __init__(self, settings: EventSettings, folder: Path, stocks: Stocks) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.folder = settings, folder
        folder.mkdir(parents=True, exist_ok=True)
        once = lru_cache(maxsize=1)(stocks)
        self.pool = Pool(
            folder / "mixtures", settings.mixtures, _drawing(once, 0, settings.seed, settings.length_s)
        )
        self.valid = Pool(
            folder / "valid", 3 * settings.valid, _drawing(once, 1, VALID_SEED, settings.length_s)
        )
        self.test = Pool(folder / "test", 3 * settings.valid, _drawing(once, 1, TEST_SEED, settings.length_s))
        self.network = EventNetwork(settings.config)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=settings.lr, weight_decay=0.01)
        self.step, self.seconds = keeping.resume(folder, self.network, self.optimizer)

    def train(self) -> None:
        """Walk the steps that are left."""
        self.pool.ensure(self._say)
        self.valid.ensure(self._say)
        settings, began = self.settings, time.monotonic() - self.seconds
        while self.step < settings.steps:
            torch.manual_seed(settings.seed * 1_000_003 + self.step)
            done = self.step / settings.steps
            lr = settings.lr * min(1.0, (self.step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * done) + 0.01)
            for group in self.optimizer.param_groups:
                group["lr"] = float(lr)
            self.network.train()
            log_mel, inside, spans = self._batch(np.random.default_rng([settings.seed, 1, self.step]))
            stretch, confidence, iou = events.loss(self.network.raw(log_mel), inside, spans)
            self.optimizer.zero_grad()
            (stretch + 4 * confidence).backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
            self.optimizer.step()
            self.step += 1
            self.seconds = time.monotonic() - began
            if self.step % 25 == 0:
                self._log(stretch=stretch.item(), confidence=confidence.item(), iou=iou.item())
            if self.step % settings.check_every == 0 or self.step == settings.steps:
                self._log(**self.look())
                self._save()
                began = time.monotonic() - self.seconds

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        settings = self.settings
        rows, all_rows = round(settings.crop_s * 100), round(settings.length_s * 100) - 2
        found = []
        for _ in range(settings.batch):
            drawn = self.pool[int(rng.integers(settings.mixtures))]
            first = int(rng.integers(max(1, all_rows - rows)))
            log_mel = drawn["log_mel"][first : first + rows].astype(np.float32)
            # Another level and another colour, as if heard through another microphone.
            colour = np.interp(np.arange(64), np.linspace(0, 63, 5), rng.normal(0, 0.4, 5))
            log_mel = np.log(np.exp(log_mel + rng.normal(0, 0.7) + colour) + 1e-3).astype(np.float32)
            inside, spans = events.targets(drawn["events_s"] - first / 100, -(-rows // events.STRIDE))
            found.append((log_mel, inside, spans))
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*found, strict=True))  # type: ignore[return-value]

    def proposals(self, pool: Pool) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(proposals, events, log-mel) of each mixture."""
        self.network.eval()
        found = []
        with torch.inference_mode():
            for number in range(pool.count):
                log_mel = pool[number]["log_mel"].astype(np.float32)
                made = self.network(torch.from_numpy(log_mel)[None])[0].numpy()
                found.append((made, pool[number]["events_s"], log_mel))
        return found

    def look(self) -> dict[str, float]:
        """Recall, precision and onset error at each level on held-out sounds, at the threshold of the best
        F1."""
        found = self.proposals(self.valid)
        sure = best_threshold(found, self.settings.length_s)
        words: dict[str, float] = {"sure": sure}
        for row, level in enumerate(LEVELS_DB):
            part = found[row :: len(LEVELS_DB)]
            words.update(
                {f"{level:g} dB {k}": v for k, v in measure(part, sure, self.settings.length_s).items()}
            )
        return words

    def figures(self) -> dict[str, dict[str, float]]:
        """For the card: on mixtures that no threshold was chosen on, beside plain energy."""
        self.valid.ensure()
        self.test.ensure()
        length_s = self.settings.length_s
        sure = best_threshold(self.proposals(self.valid), length_s)
        found = self.proposals(self.test)
        words: dict[str, dict[str, float]] = {"threshold": {"sure": sure}}
        for row, level in enumerate(LEVELS_DB):
            part = found[row :: len(LEVELS_DB)]
            words[f"{level:g} dB"] = measure(part, sure, length_s)
            words[f"{level:g} dB, plain energy"] = measure(part, None, length_s)
        return words

    def _say(self, words: str) -> None:
        print(words, flush=True)

    def _log(self, **words: float) -> None:
        keeping.log(self.folder, self.step, self.seconds, words)

    def _save(self) -> None:
        keeping.save(
            self.folder / "events.pt",
            self.settings.config.to_dict(),
            self.network,
            self.optimizer,
            self.step,
            self.seconds,
        )


Found = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


def best_threshold(found: Found, length_s: float) -> float:
    """The confidence from which on an event is best called one: highest F1 at tIoU 0.5."""
    choices = np.arange(0.1, 0.8, 0.05)
    scores = []
    for sure in choices:
        each = measure(found, float(sure), length_s)
        scores.append(2 * each["recall"] * each["precision"] / (each["recall"] + each["precision"] + 1e-9))
    return round(float(choices[int(np.argmax(scores))]), 3)


def measure(found: Found, sure: float | None, length_s: float) -> dict[str, float]:
    """Recall, precision, median onset error at tIoU 0.5; without `sure`, of plain energy."""
    right, true, said, errors = 0, 0, 0, []
    for proposals, events_s, log_mel in found:
        spans = events.by_energy(log_mel) if sure is None else events.pick(proposals, sure, length_s)
        hits, wrong_s = events.score(spans, events_s)
        right, true, said = right + hits, true + len(events_s), said + len(spans)
        errors.extend(wrong_s)
    return {
        "recall": round(right / max(1, true), 3),
        "precision": round(right / max(1, said), 3),
        "onset_ms": round(float(np.median(errors) * 1000), 1) if errors else 999.0,
    }
