"""Train the compact codebook on spectrograms of composed scenes.

In: a pool. Out, in the run's folder: `codebook.pt` (see `patches`). It begins as an autoencoder
without codes; then the entries are put where its answers are (k-means) and follow them (van den Oord et al.
2017, appendix), and those that nobody uses are moved again and again, since a small set leaves most of a
codebook unused otherwise.

`train_decoder` goes on from there with the decoder alone, in another folder: what pixels make smooth, a
judge and LPAPS make rough again, and codes stay what they are, so that the sampler may be trained
meanwhile. Knows no kind of sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.foley.codebook import perplexity
from models.foley.compact import patches
from models.foley.compact.gate import squeezed
from models.foley.compact.patches import Patches
from models.foley.compact.pool import Pool
from models.foley.compact.scenes import COLUMNS
from models.foley.config import PatchesConfig
from models.foley.losses import CodebookLoss, Weights
from models.foley.lpaps import LPAPS
from models.foley.patchgan import PatchGAN
from models.training import Learning, Processes, Progress

MOST_BANDS = 3
"""By which a piece is moved up or down: a quarter of an octave or so."""


@dataclass(frozen=True)
class Settings:
    """All that the run is made of."""

    seed: int = 0
    patches: Mapping[str, Any] = field(default_factory=dict)
    """Of `PatchesConfig`."""
    columns: int = 320
    """Of a piece of a scene."""
    batch: int = 12
    lr: float = 1e-3
    """Half of it from the first codes on; falls along a cosine to a hundredth."""
    without_codes: int = 600
    blur: float = 0.3
    """Until there are codes: a deviation beside answers whose own is 1."""
    steps: int = 3600
    round: int = 200
    """Steps between two looks at scenes that are not learnt from."""
    commitment: float = 0.25
    decay: float = 0.98
    """Of what entries remember, a step."""
    idle: float = 0.05
    """Places a step, below which an entry moves elsewhere."""
    precision: str = "bfloat16"
    save_minutes: float = 4.0


@dataclass(frozen=True)
class DecoderSettings:
    """All that the decoder's run is made of."""

    seed: int = 0
    columns: int = 320
    batch: int = 8
    lr: float = 4e-4
    judge_lr: float = 3e-4
    judge: float = 0.8
    perceptual: float = 1.0
    steps: int = 2600
    round: int = 200
    precision: str = "bfloat16"
    save_minutes: float = 4.0


def cut(pool: Pool, rng: np.random.Generator, count: int, columns: int) -> Tensor:
    """Pieces of scenes, a little louder or softer. Shape: (count, 1, 80, columns) in [-1, 1]."""
    items = rng.integers(pool.checked, len(pool.kinds), count)
    firsts = rng.integers(0, COLUMNS - columns + 1, count)
    # Two of three begin with a column of codes, as scenes do; the others anywhere, as other sounds do, and
    # these are louder or softer, higher or lower.
    others = np.arange(count) % 3 == 0
    firsts[~others] -= firsts[~others] % 8
    mels = np.stack([pool.mels[k, :, at : at + columns] for k, at in zip(items, firsts, strict=True)])
    mels = mels.astype(np.float32)
    mels[others] += rng.uniform(-0.1, 0.1, (others.sum(), 1, 1))  # 100 dB are 1
    for number in np.flatnonzero(others):
        up = int(rng.integers(-MOST_BANDS, MOST_BANDS + 1))
        mels[number] = np.pad(mels[number], ((MOST_BANDS, MOST_BANDS), (0, 0)), "edge")[
            MOST_BANDS - up : MOST_BANDS - up + len(mels[number])
        ]
    return squeezed(torch.from_numpy(mels))[:, None]


def centres(points: Tensor, count: int, seed: int, rounds: int = 12) -> Tensor:
    """k-means. Shape: (n, d) -> (count, d)."""
    generator = torch.Generator().manual_seed(seed)
    found = points[torch.randperm(len(points), generator=generator)[:count]].clone()
    for _ in range(rounds):
        nearest = torch.cdist(points, found).argmin(1)
        counts = torch.bincount(nearest, minlength=count)
        sums = torch.zeros_like(found).index_add_(0, nearest, points)
        alone = counts == 0
        found = torch.where(alone[:, None], found, sums / counts.clamp_min(1)[:, None])
        found[alone] = points[torch.randint(len(points), (int(alone.sum()),), generator=generator)]
    return found


def train(settings: Settings, pool: Pool, folder: Path, *, until: int | None = None) -> Progress:
    """Train, or go on training."""
    torch.manual_seed(settings.seed)
    processes = Processes()
    config = PatchesConfig(**settings.patches)
    codebook = Patches(config)
    learning = Learning(
        torch.optim.AdamW(codebook.parameters(), lr=settings.lr, betas=(0.8, 0.99), weight_decay=0),
        processes,
        settings.precision,
    )
    # Entries are where the places are that asked for them lately, on average.
    lately = nn.Module()
    lately.register_buffer("places", torch.zeros(config.codes))
    lately.register_buffer("sums", torch.zeros(config.codes, config.width))
    entries = codebook.quantize.embedding.weight.requires_grad_(False)
    progress = _progress(settings, folder, {"codebook": codebook, "learning": learning, "lately": lately})

    @torch.no_grad()
    def answers(x: Tensor) -> Tensor:
        """What the encoder says, place by place. Shape: (n, width)."""
        with learning.autocast():
            said = codebook.before_codes(x)
        return said.float().permute(0, 2, 3, 1).flatten(0, 2)

    def begin_with_codes() -> None:
        rng = np.random.default_rng([settings.seed, 0, 1])
        points = torch.cat([answers(cut(pool, rng, 16, settings.columns)) for _ in range(12)])
        entries.copy_(centres(points, config.codes, settings.seed))
        lately.places.fill_(1.0)
        lately.sums.copy_(entries)

    @torch.no_grad()
    def follow(said: Tensor, codes: Tensor) -> None:
        """Entries go where the places are; those that none asks for any more go to where some are."""
        points, codes = said.permute(0, 2, 3, 1).flatten(0, 2), codes.flatten()
        counts = torch.bincount(codes, minlength=config.codes)
        sums = torch.zeros_like(lately.sums).index_add_(0, codes, points)
        lately.places.lerp_(counts.float(), 1 - settings.decay)
        lately.sums.lerp_(sums, 1 - settings.decay)
        idle = lately.places < settings.idle
        chosen = points[torch.randint(len(points), (int(idle.sum()),))]
        lately.places[idle] = 1.0
        lately.sums[idle] = chosen
        entries.copy_(lately.sums / lately.places[:, None])

    def learn(batch: tuple[int, Tensor]) -> dict[str, float]:
        step, x = batch
        rate = settings.lr * (0.01 + 0.495 * (1 + float(np.cos(np.pi * step / settings.steps))))
        learning.optimizer.param_groups[0]["lr"] = rate if step < settings.without_codes else rate / 2
        if step < settings.without_codes:
            with learning.autocast():
                said = codebook.before_codes(x)
                # What stands near must sound alike, or the nearest entry is of no use.
                made = codebook.decode(said + settings.blur * torch.randn_like(said))
            loss = _apart(x, made.float())
            learning.step(loss)
            return {"loss": loss.item()}
        if step == settings.without_codes:
            begin_with_codes()
        with learning.autocast():
            said = codebook.before_codes(x)
        said = said.float()
        found, _, codes = codebook.quantize(said)
        with learning.autocast():
            made = codebook.decode(found)
        astray = (found.detach() - said).square().mean()
        loss = _apart(x, made.float()) + settings.commitment * astray
        learning.step(loss)
        follow(said.detach(), codes)
        return {
            "loss": loss.item(), "astray": astray.item(), "in use": perplexity(codes, config.codes).item(),
        }  # fmt: skip

    def look() -> dict[str, float]:
        return {"score": distance(pool, codebook, codes=progress.step > settings.without_codes)}

    def keep(_better: bool) -> None:
        patches.save(folder / "codebook.pt", codebook)

    progress.resume()
    progress.walk(lambda step: (step, piece(pool, settings, step)), learn, look, keep, until=until)
    return progress


def train_decoder(
    settings: DecoderSettings,
    pool: Pool,
    codebook: Patches,
    perceptual: LPAPS | None,
    folder: Path,
    *,
    until: int | None = None,
) -> Progress:
    """Train, or go on training, a codebook's decoder."""
    torch.manual_seed(settings.seed)
    processes = Processes()
    losses = CodebookLoss(
        PatchGAN(channels=24),
        perceptual,
        Weights(perceptual=settings.perceptual, judge=settings.judge, judge_from=0, balance=(0.0, 1.0)),
    ).train()
    decoding = codebook.decoder
    codebook.requires_grad_(False)
    decoding.requires_grad_(True)
    of_decoder, of_judge = (
        Learning(
            torch.optim.Adam(each.parameters(), lr=rate, betas=(0.5, 0.9)), processes, settings.precision
        )
        for each, rate in ((decoding, settings.lr), (losses.discriminator, settings.judge_lr))
    )
    progress = _progress(
        settings,
        folder,
        {
            "codebook": codebook,
            "judge": losses.discriminator,
            "decoder_learning": of_decoder,
            "judge_learning": of_judge,
        },
    )

    def learn(batch: tuple[int, Tensor]) -> dict[str, float]:
        step, x = batch
        of_decoder.optimizer.param_groups[0]["lr"] = settings.lr * (
            1 if step < 0.7 * settings.steps else 0.25
        )
        with torch.no_grad(), of_decoder.autocast():
            said = codebook.before_codes(x)
        entries = codebook.quantize.entries(codebook.quantize.distances(said.float()).argmin(-1).unflatten(
            -1, said.shape[2:]))  # fmt: skip
        with of_decoder.autocast():
            made = codebook.decode(entries)
        made = made.float()
        found = losses.generator(x, made, x.new_zeros(()), step, codebook.last)
        of_decoder.step(found.total)
        judged = losses.judge(x, made, step)
        of_judge.step(judged.total)
        return {
            "loss": found.reconstruction.item(), "looks": found.perceptual.item(),
            "judge weight": found.judge_weight.item(), "judge": judged.total.item(),
        }  # fmt: skip

    def keep(_better: bool) -> None:
        patches.save(folder / "codebook.pt", codebook)

    progress.resume()
    progress.walk(
        lambda step: (step, piece(pool, settings, step)), learn,
        lambda: {"score": distance(pool, codebook)}, keep, until=until,
    )  # fmt: skip
    return progress


def piece(pool: Pool, settings: Settings | DecoderSettings, step: int) -> Tensor:
    """What a step learns from."""
    return cut(pool, np.random.default_rng([settings.seed, step]), settings.batch, settings.columns)


@torch.no_grad()
def distance(pool: Pool, codebook: Patches, *, codes: bool = True) -> float:
    """How far the middles of scenes that are not learnt from are from themselves, after codes or without."""
    apart = []
    for start in range(0, pool.checked, 16):
        x = squeezed(torch.from_numpy(pool.mels[start : start + 16, :, 80:400].astype(np.float32)))[:, None]
        with torch.autocast("cpu", torch.bfloat16):
            said = codebook.before_codes(x)
            if codes:
                said, _, _ = codebook.quantize(said.float())
            made = codebook.decode(said)
        apart.append((x - made.float()).abs().mean().item())
    return float(np.mean(apart))


def _progress(settings: Settings | DecoderSettings, folder: Path, parts: Mapping[str, Any]) -> Progress:
    return Progress(
        folder,
        Processes(),
        parts,
        steps=settings.round,
        epochs=settings.steps // settings.round,
        patience=None,
        seed=settings.seed,
        save_minutes=settings.save_minutes,
    )


def _apart(x: Tensor, made: Tensor) -> Tensor:
    """L1, and L1 of what changes from column to column: onsets are worth as much as what lasts."""
    return (x - made).abs().mean() + 0.5 * (x.diff(dim=-1) - made.diff(dim=-1)).abs().mean()
