"""Does an encoding tell where a crop was cut from? A start-time classifier (thesis, section 5.3, table 5.1).

    make experiment-leakage                          table 5.1 here: noise and pictures through real encoders
    python -m models.sync.leakage --on FOLDER        the same question of files: media, or arrays in .npz

In: `Material`, sources that all begin where their encoding does. Out: `Accuracy`, how often the start of a
crop is found among 50, on sources that were not learnt from. Above chance, a network that learns to
synchronise from such material can learn the traces of its encoding instead of what is seen and heard.

The classifier is ResNet-18, as published. The thesis says no more; chosen here: sound comes as a spectrogram
of windows as long as AAC's own, whose spectrum tells quantised frames where it hits them; pictures come one
by one as brightness and its change, each is told in a few numbers, and what they tell together is classified.
All 50 starts of a film are learnt from at once: what a picture tells is the same in every crop that has it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.sync import leakage_data
from models.sync.leakage_data import Kind, Material
from models.sync.resnet import ResNet18
from models.training import SettingsError, ahead
from otio_avassist.errors import AvAssistError

CLASSES = 50
STEP_S = 0.1
"""Between two starts of sound; of pictures it is one picture."""
CROP_S = 5.0
CROP_PICTURES = 50
LEAST_S = 1.0
"""Crops are shorter where sources are, but not shorter than this."""
LEAST_SOURCES = 8

WINDOW, HOP = 2048, 256
"""Samples. AAC's frames are windows of 2,048, 1,024 apart: four columns a frame at any rate, so that all that
the network folds by its strides lies at the same place of a frame."""
ROWS = 128
"""Of the spectrum's 1,024, evenly. Not means of them: quantisation shows in single bins that are empty.
To learn, any of the eight such sets is taken: what sounds is another in each, its frames are the same."""
SIDE = 48
"""Pixels of the part of each picture that is looked at; to learn, anywhere, turned and mirrored at random."""
TOLD = 16
"""Numbers that tell a picture."""
QUIET = 8.0
"""Steps of brightness. A change well above it is something that moved, however far; traces are as small."""


@dataclass(frozen=True)
class Settings:
    """All that a probe is made of."""

    seed: int = 0
    steps: int = 400
    batch: int = 16
    """Crops of sound a step, each of another source while there are so many."""
    films: int = 4
    """Of pictures: so many sources a step, each with all of its starts."""
    lr: float = 1e-3
    """Adam's; a tenth of the steps leads up to it, a cosine down from it."""
    weight_decay: float = 1e-4
    test_share: float = 0.25
    """Of the sources; the others are learnt from."""
    test_starts: int = 10
    """Crops of each source that is tested."""
    precision: str = "auto"
    """`bfloat16`, `full`; `auto`: 16 bits where the processor is made for them."""
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)


@dataclass(frozen=True)
class Share:
    """A share of right answers, and its 95 % interval, bootstrapped by source."""

    share: float
    low: float
    high: float
    chance: float

    @property
    def above(self) -> bool:
        """Whether it is no accident."""
        return self.low > self.chance

    def __str__(self) -> str:
        return f"{100 * self.share:5.1f} ({100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclass(frozen=True)
class Accuracy:
    """What a probe found."""

    at_1: Share
    at_5: Share
    sources: int
    """Tested; the intervals are of these."""
    crops: int
    seconds: float

    @property
    def leaks(self) -> bool:
        """Whether the material tells where it was cut."""
        return self.at_1.above or self.at_5.above

    def to_dict(self) -> dict[str, Any]:
        """Plain figures."""
        return {**asdict(self), "leaks": self.leaks}

    @classmethod
    def from_dict(cls, held: dict[str, Any]) -> Accuracy:
        """The inverse."""
        at_1, at_5 = Share(**held["at_1"]), Share(**held["at_5"])
        return cls(at_1, at_5, held["sources"], held["crops"], held["seconds"])


class StartTime(nn.Module):
    """ResNet-18 over a spectrogram, or over each picture.

    Shape: sound (B, 1, F, T) -> logits (B, classes); pictures (B, T, 2, H, W) -> (B·starts, classes), of all
    starts that leave as many pictures as a crop has: of a crop that is one.
    """

    def __init__(self, kind: Kind, settings: Settings | None = None, pictures: int = CROP_PICTURES) -> None:
        super().__init__()
        settings = settings or Settings()
        self.kind = kind
        if kind == "sound":
            self.net = ResNet18(widths=settings.widths, depths=settings.depths, classes=CLASSES)
        else:
            self.net = ResNet18(widths=settings.widths, depths=settings.depths, channels_in=2)
            self.tell = nn.Linear(self.net.channels, TOLD)
            self.changes = pictures - 1
            self.head = nn.Linear(TOLD * self.changes, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the starts."""
        if self.kind == "sound":
            return self.net.classify(self.net(x))
        features = self.net(x.flatten(0, 1)).mean(dim=(-2, -1))  # (B·T, C) <- (B·T, C, h, w)
        told = self.tell(features).unflatten(0, x.shape[:2])
        # A crop doesn't know how its first picture changed.
        crops = told[:, 1:].unfold(1, self.changes, 1)  # (B, starts, TOLD, changes)
        return self.head(crops.flatten(2)).flatten(0, 1)


def sound_floats(samples: np.ndarray, rng: np.random.Generator | None = None) -> Tensor:
    """Log-spectrograms, each row of mean 0 and deviation 1. Shape: (B, N) -> (B, 1, ROWS, T).

    By row, as SparseSync's own input is: above what AAC cuts off there is nothing, and next to that contrast
    all that the rows below it tell would be small.

    Args:
        rng: which rows are taken; None: the last of each eight.
    """
    spectrum = torch.stft(
        torch.from_numpy(np.ascontiguousarray(samples, np.float32)),
        WINDOW,
        HOP,
        window=torch.hann_window(WINDOW),
        center=False,
        return_complex=True,
    )
    every = WINDOW // 2 // ROWS
    first = every - 1 if rng is None else int(rng.integers(every))
    log = torch.log(spectrum[:, first:-1:every].abs() + 1e-3)[:, None]
    deviation, mean = torch.std_mean(log, dim=3, keepdim=True)
    # Rows of nothing stay nothing.
    return (log - mean) / (deviation + 0.1)


def picture_floats(
    frames: Sequence[np.ndarray], side: int = SIDE, rng: np.random.Generator | None = None
) -> Tensor:
    """Brightness and its change since the picture before. Shape: uint8 B x (T, H, W) -> (B, T, 2, S, S).

    Args:
        side: of the part that is taken.
        rng: which part of the pictures is taken, how it is turned and whether it is a negative; None: the
            middle, as it is.
    """
    parts = []
    for each in frames:
        spare = np.array(each.shape[1:]) - side
        top, left = spare // 2 if rng is None else rng.integers(spare + 1)
        part = each[:, top : top + side, left : left + side]
        if rng is not None:
            part = np.rot90(part, rng.integers(4), (1, 2))
            part = part[:, ::-1] if rng.random() < 0.5 else part
            part = 255 - part if rng.random() < 0.5 else part
        parts.append(part.astype(np.float32))
    luma = torch.from_numpy(np.stack(parts))
    change = torch.diff(luma, dim=1, prepend=luma[:, :1])
    return torch.stack([luma / 64 - 2, 2 * torch.tanh(change / QUIET)], dim=2)


class Crops:
    """Crops of a material by source and class, or of a source all."""

    def __init__(self, material: Material) -> None:
        self.material = material
        shortest = min(len(each) for each in material.sources)
        if material.kind == "picture":
            self.starts = list(range(CLASSES))
            self.length = min(CROP_PICTURES, shortest - CLASSES + 1)
            self.side = min(SIDE, *(size for each in material.sources for size in each.shape[1:]))
            least: float = CROP_PICTURES / 5
        else:
            self.starts = [round(k * STEP_S * material.rate) for k in range(CLASSES)]
            self.length = min(round(CROP_S * material.rate), shortest - self.starts[-1])
            least = LEAST_S * material.rate
        if self.length < least:
            wanted, there = (self.starts[-1] + least) / material.rate, shortest / material.rate
            raise SettingsError(
                f"a probe of {material.kind} wants sources of {wanted:.1f} s at least; the shortest of these "
                f"has {there:.1f} s"
            )

    def __call__(
        self, pairs: Sequence[tuple[int, int]], rng: np.random.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Inputs and classes of (source, class) pairs; with `rng` in one of many looks, to learn from."""
        cut = [
            self.material.sources[source][self.starts[label] : self.starts[label] + self.length]
            for source, label in pairs
        ]
        sound = self.material.kind == "sound"
        x = sound_floats(np.stack(cut), rng) if sound else picture_floats(cut, self.side, rng)
        return x, torch.tensor([label for _, label in pairs])

    def every(self, sources: Sequence[int], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Pictures from the first start to the end of the last crop, and the class of each start in turn."""
        end = self.starts[-1] + self.length
        x = picture_floats([self.material.sources[source][:end] for source in sources], self.side, rng)
        return x, torch.arange(CLASSES).repeat(len(sources))


def split(material: Material, settings: Settings) -> tuple[list[int], list[int]]:
    """Numbers of the sources to learn from and of those to test on; what belongs together stays together."""
    groups = material.groups or tuple(range(len(material.sources)))
    names = sorted(set(groups))
    order = np.random.default_rng([settings.seed, 5]).permutation(len(names))
    tested = {names[at] for at in order[: max(1, round(len(names) * settings.test_share))]}
    if len(names) < 2 or len(material.sources) < LEAST_SOURCES:
        raise SettingsError(
            f"a probe wants {LEAST_SOURCES} sources at least, of which some are learnt from and others "
            f"tested; here are {len(material.sources)}, of {len(names)} origins"
        )
    numbers = range(len(groups))
    return [n for n in numbers if groups[n] not in tested], [n for n in numbers if groups[n] in tested]


def probe(
    material: Material,
    settings: Settings | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Accuracy:
    """Train the classifier on a part of the sources and test it on the others.

    Nothing is chosen by what is tested: so many steps, and the weights that stand at their end.

    Raises:
        SettingsError: too few sources, or too short ones.
    """
    settings = settings or Settings()
    began = time.monotonic()
    crops = Crops(material)
    learnt_from, tested = split(material, settings)
    network = train(crops, learnt_from, settings, say)
    ranks = _ranks(network, crops, tested, settings)  # (sources, starts)
    groups = material.groups or tuple(range(len(material.sources)))
    origins = np.array([groups[number] for number in tested])
    return Accuracy(
        at_1=share(ranks < 1, origins, 1 / CLASSES, settings.seed),
        at_5=share(ranks < 5, origins, 5 / CLASSES, settings.seed),
        sources=len(tested),
        crops=ranks.size,
        seconds=round(time.monotonic() - began, 1),
    )


def train(
    crops: Crops, sources: Sequence[int], settings: Settings, say: Callable[[str], None] = lambda line: None
) -> StartTime:
    """A classifier that has learnt from these sources of a material."""
    torch.manual_seed(settings.seed)
    network = StartTime(crops.material.kind, settings, crops.length)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), settings.lr, weight_decay=settings.weight_decay)

    def make(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([settings.seed, step])
        sound = crops.material.kind == "sound"
        drawn = np.resize(rng.permutation(sources), settings.batch if sound else settings.films)
        if not sound:
            return crops.every(drawn.tolist(), rng)
        return crops([(int(source), int(rng.integers(CLASSES))) for source in drawn], rng)

    network.train()
    recent: list[float] = []
    for step, (x, labels) in enumerate(ahead(make, 0, settings.steps)):
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * _schedule(step, settings.steps)
        with _half(settings):
            logits = network(x)
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        recent.append(loss.item())
        if (step + 1) % 50 == 0:
            guessing = math.log(CLASSES)
            say(f"  step {step + 1} of {settings.steps}: loss {np.mean(recent):.3f}, guessing {guessing:.3f}")
            recent.clear()
    return network


@torch.inference_mode()
def _ranks(network: StartTime, crops: Crops, sources: Sequence[int], settings: Settings) -> np.ndarray:
    """How many starts are thought likelier than the true one, for each source and each start tested."""
    network.eval()
    rng = np.random.default_rng([settings.seed, 6])
    count = min(settings.test_starts, CLASSES)
    ranks = []
    for source in sources:
        # One start of each stretch of the grid: all of it is tested alike.
        labels = (np.arange(count) + rng.random(count)) * CLASSES / count
        x, wanted = crops([(source, int(label)) for label in labels])
        with _half(settings):
            logits = network(x).float()
        own = logits.gather(1, wanted[:, None])
        # Ties count half: a network that says nothing then stands at chance.
        above, same = (logits > own).sum(1), (logits == own).sum(1) - 1
        ranks.append((above + same / 2).numpy())
    return np.array(ranks)


def share(right: np.ndarray, origins: np.ndarray, chance: float, seed: int) -> Share:
    """The mean of right answers (sources, starts), with its interval bootstrapped by origin."""
    names = np.unique(origins)
    sums = np.array([right[origins == name].sum() for name in names])
    counts = np.array([right[origins == name].size for name in names])
    drawn = np.random.default_rng([seed, 7]).integers(0, len(names), (4000, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Share(float(sums.sum() / counts.sum()), float(low), float(high), chance)


def _schedule(step: int, steps: int) -> float:
    """Up over a tenth of the steps, then a cosine to nothing."""
    up = max(1, steps // 10)
    if step < up:
        return (step + 1) / up
    return 0.5 * (1 + math.cos(math.pi * (step - up) / (steps - up)))


def _half(settings: Settings) -> torch.autocast:
    wanted = settings.precision == "bfloat16"
    if settings.precision == "auto":
        # Elsewhere 16 bits are slower than full numbers.
        wanted = bool(torch.cpu.get_capabilities().get("amx_bf16"))
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted)


# Table 5.1


@dataclass(frozen=True)
class Case:
    """A line of the table."""

    kind: Kind
    codec: str
    rate: int
    published: tuple[float, float]
    """Accuracy at 1 and at 5 in per cent, of the thesis."""

    @property
    def name(self) -> str:
        """As the table calls it."""
        unit = f"{self.rate / 1000:g} kHz" if self.kind == "sound" else f"{self.rate} fps"
        return f"{self.codec} {unit}"


CASES = (
    Case("sound", "aac", 44_100, (86.7, 100.0)),
    Case("sound", "aac", 22_050, (23.0, 74.3)),
    Case("sound", "aac", 16_000, (6.3, 19.3)),
    Case("sound", "lossless", 22_050, (2.9, 14.6)),
    Case("picture", "mpeg4", 10, (27.2, 77.1)),
    Case("picture", "h264", 10, (2.5, 11.9)),
    Case("picture", "prores", 10, (2.7, 13.4)),
)


@dataclass(frozen=True)
class Size:
    """How much a line of the table is made of; sound and pictures learn unlike. Of files only the steps."""

    sound_sources: int = 480
    picture_sources: int = 480
    sound_steps: int = 500
    picture_steps: int = 200
    aac_bit_rate: int = leakage_data.AAC_BIT_RATE

    def sources(self, kind: Kind) -> int:
        """Of a case."""
        return self.sound_sources if kind == "sound" else self.picture_sources

    def steps(self, kind: Kind) -> int:
        """Of a case."""
        return self.sound_steps if kind == "sound" else self.picture_steps


def measure(
    case: Case, size: Size, settings: Settings, say: Callable[[str], None] = lambda line: None
) -> Accuracy:
    """A line of the table."""
    seeds = range(size.sources(case.kind))
    if case.kind == "sound":
        material = leakage_data.sounds(case.codec, case.rate, seeds, size.aac_bit_rate)
    else:
        material = leakage_data.films([case.codec], seeds)[case.codec]
    return probe(material, replace(settings, steps=size.steps(case.kind)), say)


HEADING = f"{'':<18}{'at 1, %':>22}{'at 5, %':>24}{'thesis':>16}{'sources':>9}{'seconds':>9}"


def line(name: str, found: Accuracy, published: tuple[float, float] | None = None) -> str:
    """One line: shares with their 95 % intervals."""
    theirs = f"{published[0]:g}, {published[1]:g}" if published else ""
    return (
        f"{name:<18}{found.at_1!s:>22}{found.at_5!s:>24}{theirs:>16}{found.sources:>9}{found.seconds:>9.0f}"
    )


def plot(found: dict[str, Accuracy]) -> str:
    """Both shares of each line, their intervals and chance, as SVG."""
    left, row, wide = 150, 44, 520
    size = f'width="{left + wide + 70}" height="{row * len(found) + 70}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        # In numbers: not every viewer knows per cent.
        f'<rect {size} fill="white"/>',
    ]
    bottom = row * len(found) + 16
    for tick in range(0, 101, 20):
        x = left + wide * tick / 100
        parts += [
            f'<line x1="{x}" y1="10" x2="{x}" y2="{bottom}" stroke="#ddd"/>',
            f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{tick} %</text>',
        ]
    for number, (name, accuracy) in enumerate(found.items()):
        top = 14 + row * number
        parts.append(f'<text x="{left - 10}" y="{top + 20}" text-anchor="end">{name}</text>')
        for at, (each, colour) in enumerate(((accuracy.at_1, "#1f6f8b"), (accuracy.at_5, "#99c1de"))):
            y = top + 15 * at
            low, high, chance = (left + wide * value for value in (each.low, each.high, each.chance))
            parts += [
                f'<rect x="{left}" y="{y}" width="{wide * each.share:.1f}" height="13" fill="{colour}"/>',
                f'<line x1="{low:.1f}" y1="{y + 6.5}" x2="{high:.1f}" y2="{y + 6.5}" stroke="black"/>',
                f'<rect x="{chance - 1}" y="{y}" width="2" height="13" fill="#c0392b"/>',
            ]
    words = "dark: at 1 · light: at 5 · line: 95 % interval by source · red: chance"
    parts += [f'<text x="{left}" y="{bottom + 40}">{words}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


# The command


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--on",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Probe these files, or the files of this folder, in place of the table; repeatable.",
)
@click.option("--case", "names", multiple=True, help=f"Only this line: {', '.join(c.name for c in CASES)}.")
@click.option("--sources", type=int, help="Of each line of the table.")
@click.option("--steps", type=int, help="Of training.")
@click.option("--aac-bit-rate", type=int, help="Of the table's AAC, in bits a second.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--precision", type=click.Choice(["auto", "bfloat16", "full"]), default="auto", show_default=True
)
@click.option("--threads", type=int, default=1, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="The figures, for machines.")
@click.option("--plot", "plot_path", type=click.Path(path_type=Path), help="The figures, as SVG.")
def main(
    files: tuple[Path, ...],
    on: tuple[Path, ...],
    names: tuple[str, ...],
    sources: int | None,
    steps: int | None,
    aac_bit_rate: int | None,
    seed: int,
    precision: str,
    threads: int,
    json_path: Path | None,
    plot_path: Path | None,
) -> None:
    """Does an encoding tell where a crop was cut from? Table 5.1 of the thesis, or of FILES."""
    torch.set_num_threads(threads)
    settings = Settings(seed=seed, precision=precision)
    size = Size()
    if steps:
        size = replace(size, sound_steps=steps, picture_steps=steps)

    def say(text: str) -> None:
        click.echo(text, err=True)

    held: dict[str, Any] = {"seed": seed, "precision": precision}
    found: dict[str, Accuracy] = {}

    def keep(name: str, accuracy: Accuracy, published: tuple[float, float] | None = None) -> None:
        found[name] = accuracy
        click.echo(line(name, accuracy, published))
        if json_path:
            lines = {name: each.to_dict() for name, each in found.items()}
            text = json.dumps({**held, "lines": lines}, indent=1) + "\n"
            json_path.write_text(text, encoding="utf-8")
        if plot_path:
            plot_path.write_text(plot(found), encoding="utf-8")

    try:
        if files or on:
            materials = leakage_data.read([*files, *on])
            click.echo(HEADING)
            for kind, material in materials.items():
                say(f"{kind}: {len(material.sources)} sources at {material.rate:g} a second")
                keep(kind, probe(material, replace(settings, steps=size.steps(kind)), say))
            return
        if sources:
            size = replace(size, sound_sources=sources, picture_sources=sources)
        if aac_bit_rate:
            size = replace(size, aac_bit_rate=aac_bit_rate)
        held["size"] = asdict(size)
        done = _done(json_path, held)
        click.echo(HEADING)
        for case in CASES:
            if not names or case.name in names:
                say(case.name)
                accuracy = done.get(case.name) or measure(case, size, settings, say)
                keep(case.name, accuracy, case.published)
        click.echo(f"chance: {100 / CLASSES:g} and {500 / CLASSES:g} %")
    except (AvAssistError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _done(path: Path | None, held: dict[str, Any]) -> dict[str, Accuracy]:
    """Lines that an earlier run with the same settings has left."""
    if path is None or not path.exists():
        return {}
    before = json.loads(path.read_text(encoding="utf-8"))
    lines = before.pop("lines", {})
    return {name: Accuracy.from_dict(each) for name, each in lines.items()} if before == held else {}


if __name__ == "__main__":
    main()
