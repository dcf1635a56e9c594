"""Train the compact captioner on composed films; `Run` goes on where it was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.captions.compact import captioner, grammar, keeping, levels, lexicon
from models.captions.compact.captioner import CompactCaptioner
from models.captions.compact.films import Composer, Film
from otio_avassist import sampling
from otio_avassist.captioner import WEIGHED

VALID_SEED = 5_000_000
TEST_SEED = 6_000_000
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True)
class CaptionSettings:
    """All that a run is made of."""

    seed: int = 0
    steps: int = 3600
    batch: int = 48
    lr: float = 1e-3
    smoothing: float = 0.02
    """Of labels. The published 0.7 would make every probability mean nothing."""
    width: int = 128
    dropout: float = 0.1
    check_every: int = 600
    valid: int = 600
    """Held-out films looked at on the way; the threshold is chosen on twice as many, the figures come from
    others."""


PAD, START, END = 1, 2, 3


class Run:
    """The captioner on its way."""

    def __init__(
        self,
        settings: CaptionSettings,
        folder: Path,
        class_names: Sequence[str],
        composer: Callable[[], Composer],
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.folder = settings, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.composer = lru_cache(maxsize=1)(composer)
        self.config = captioner.config(
            list(class_names), len(grammar.vocabulary()), width=settings.width, dropout=settings.dropout
        )
        self.network = CompactCaptioner(self.config)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=settings.lr, weight_decay=0.02)
        self.step, self.seconds = keeping.resume(folder, self.network, self.optimizer)

    def train(self) -> None:
        """Walk the steps that are left."""
        settings, began = self.settings, time.monotonic() - self.seconds
        with ThreadPoolExecutor(1) as worker:
            coming = worker.submit(self._films, self.step)
            while self.step < settings.steps:
                films = coming.result()
                coming = worker.submit(self._films, self.step + 1)
                torch.manual_seed(settings.seed * 1_000_003 + self.step)
                done = self.step / settings.steps
                for group in self.optimizer.param_groups:
                    group["lr"] = float(
                        settings.lr
                        * min(1.0, (self.step + 1) / 200)
                        * (0.5 + 0.5 * np.cos(np.pi * done) + 0.01)
                    )
                self.network.train()
                value, right = self._loss(films)
                self.optimizer.zero_grad()
                value.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
                self.optimizer.step()
                self.step += 1
                self.seconds = time.monotonic() - began
                if self.step % 50 == 0:
                    self._log(loss=value.item(), words_right=right)
                if self.step % settings.check_every == 0 or self.step == settings.steps:
                    self._log(**self.look())
                    self._save()
                    began = time.monotonic() - self.seconds

    def _films(self, step: int) -> list[Film]:
        composer, settings = self.composer(), self.settings
        # A batch is as long as its longest film: most batches have none that are long.
        longest_s = float(
            np.random.default_rng([settings.seed, step]).choice([6.0, 12.0, 25.0], p=[0.6, 0.3, 0.1])
        )
        return [composer.film([settings.seed, step, number], longest_s) for number in range(settings.batch)]

    def _loss(self, films: Sequence[Film]) -> tuple[Tensor, float]:
        captions = said(films)
        log_probs = self.network(streams(films), captions[:, :-1])
        wanted = captions[:, 1:]
        there = wanted != PAD
        picked = log_probs.gather(2, wanted.unsqueeze(2)).squeeze(2)
        smooth = self.settings.smoothing
        value = -((1 - smooth) * picked + smooth * log_probs.mean(2))[there].mean()
        right = (log_probs.argmax(2) == wanted)[there].float().mean().item()
        return value, right

    def look(self) -> dict[str, float]:
        """On held-out films: the loss, and names that are right among those said at the threshold."""
        films = [self.composer().film([VALID_SEED, number]) for number in range(self.settings.valid)]
        self.network.eval()
        with torch.inference_mode():
            value, right = self._loss(films)
        sure = self.threshold(films)
        return {
            "valid_loss": value.item(),
            "valid_words_right": right,
            "sure": sure,
            **self.judge(films, sure),
        }

    def weighed(self, films: Sequence[Film]) -> list[list[sampling.Sentence]]:
        """What may well be said of each film, the likeliest first; as the plugin weighs it."""
        self.network.eval()
        found: list[list[sampling.Sentence]] = []
        with torch.inference_mode():
            for first in range(0, len(films), 64):
                part = films[first : first + 64]
                memory = self.network.encode(streams(part))
                start = {**memory, **self.network.empty_past(len(part))}

                def step(token: np.ndarray, position: int, state: dict, start: dict = start) -> tuple:
                    state = state or {name: value.numpy() for name, value in start.items()}
                    held = {name: torch.from_numpy(value) for name, value in state.items()}
                    past = {name: value for name, value in held.items() if name.startswith("past")}
                    log_probs, past = self.network.step(
                        torch.from_numpy(token), torch.tensor([position]), held, past
                    )
                    return log_probs.numpy(), {
                        **state,
                        **{name: value.numpy() for name, value in past.items()},
                    }

                found += sampling.hypotheses(
                    step,
                    len(part),
                    start=START,
                    end=END,
                    max_words=30,
                    beam=WEIGHED,
                    forbidden=[(0, PAD, START)] * len(part),
                )
        return found

    def careful(
        self,
        films: Sequence[Film],
        sure: float,
        weighed: Sequence[Sequence[sampling.Sentence]] | None = None,
    ) -> list[sampling.Sentence]:
        """As the plugin says it: with the names that many sentences together are sure of, or without."""
        number = {word: token for token, word in enumerate(grammar.vocabulary())}
        implied = {
            number[word]: frozenset(number[each] for each in less) for word, less in levels.implied().items()
        }
        found = (
            sampling.careful(each, grammar.names(), sure, implied)
            for each in (self.weighed(films) if weighed is None else weighed)
        )
        return [sampling.Sentence((), ()) if each is None else each.sentence for each in found]

    def threshold(self, films: Sequence[Film]) -> float:
        """The probability from which on names are best said: a wrong name costs as much as two right ones
        gain."""
        names = set(grammar.names())
        weighed = self.weighed(films)
        worth = []
        for sure in THRESHOLDS:
            total = 0
            for film, each in zip(films, self.careful(films, sure, weighed), strict=True):
                if any(token in names for token in each.tokens):
                    total += 1 if all(ok for _, ok in judged(film, each)) else -2
            worth.append(total)
        return THRESHOLDS[int(np.argmax(worth))]

    def judge(self, films: Sequence[Film], sure: float) -> dict[str, float]:
        """Names that are right among those said; truths that are named; sentences that name nothing."""
        found = self.careful(films, sure)
        pairs = [pair for film, each in zip(films, found, strict=True) for pair in judged(film, each)]
        names = set(grammar.names())
        named = [any(token in names for token in each.tokens) for each in found]
        wanted = [any(token in names for token in grammar.tokens(film.text)) for film in films]
        there = [bool(film.truth[0] or film.truth[1]) for film in films]
        return {
            "names_right": round(float(np.mean([ok for _, ok in pairs])) if pairs else 0.0, 4),
            "named_of_nameable": round(
                float(np.mean([n for n, w in zip(named, wanted, strict=True) if w])), 4
            ),
            "named_of_nothing": round(
                float(np.mean([n for n, w in zip(named, there, strict=True) if not w] or [0])), 4
            ),
        }

    def figures(self) -> dict[str, float]:
        """The threshold, from held-out films, and what it gives on others."""
        settings, composer = self.settings, self.composer()
        sure = self.threshold([composer.film([VALID_SEED, number]) for number in range(settings.valid)])
        films = [composer.film([TEST_SEED, number]) for number in range(2 * settings.valid)]
        self.network.eval()
        with torch.inference_mode():
            value, right = self._loss(films)
        return {
            "sure": round(sure, 3),
            "loss": round(value.item(), 4),
            "words_right": round(right, 4),
            **self.judge(films, sure),
        }

    def _log(self, **words: float) -> None:
        keeping.log(self.folder, self.step, self.seconds, words)

    def _save(self) -> None:
        keeping.save(
            self.folder / "captioner.pt",
            self.config.to_dict(),
            self.network,
            self.optimizer,
            self.step,
            self.seconds,
        )


def streams(films: Sequence[Film]) -> dict[str, Tensor]:
    """A batch of films, padded with ones."""
    return {name: _padded([getattr(film, name) for film in films]) for name in ("audio", "video")}


def _padded(rows: Sequence[np.ndarray]) -> Tensor:
    made = np.ones((len(rows), max(map(len, rows)), rows[0].shape[1]), np.float32)
    for place, each in enumerate(rows):
        made[place, : len(each)] = each
    return torch.from_numpy(made)


def said(films: Sequence[Film]) -> Tensor:
    """Start, tokens, end and padding of the films' sentences. Shape: (B, n) int64."""
    rows = [[START, *grammar.tokens(film.text), END] for film in films]
    made = np.full((len(rows), max(map(len, rows))), PAD)
    for place, row in enumerate(rows):
        made[place, : len(row)] = row
    return torch.from_numpy(made)


@lru_cache(maxsize=4096)
def _true_words(truth: tuple[tuple[str, ...], tuple[str, ...]]) -> frozenset[int]:
    """All that one may rightly say of what is there, specific or general."""
    words: set[str] = set()
    for key in truth[0]:
        for each in lexicon.ancestors(key, lexicon.heard()):
            thing = lexicon.heard()[each]
            words.update(f"{thing.clause} {thing.noun}".split())
    for key in truth[1]:
        for each in lexicon.ancestors(key, lexicon.seen()):
            looked_at = lexicon.seen()[each]
            words.update(f"{looked_at.noun} {looked_at.place}".split())
    return frozenset(grammar.tokens(" ".join(words)))


def judged(film: Film, sentence: sampling.Sentence) -> list[tuple[float, bool]]:
    """(probability, whether it is true of the film) of each name in a sentence."""
    names, true = set(grammar.names()), _true_words(film.truth)
    return [
        (float(np.exp(value)), token in true)
        for token, value in zip(sentence.tokens, sentence.log_probs, strict=True)
        if token in names
    ]
