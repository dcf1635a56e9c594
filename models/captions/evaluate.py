"""Captions and proposals, measured as published: `python -m models.captions.evaluate`.

    # captions of the ground-truth segments of val_1 and of val_2, each against its own set, then averaged
    … --results VAL_1.json VAL_2.json --references VAL_1 VAL_2
    # captions of learned proposals, against both sets together
    … --learned RESULTS.json --references VAL_1 VAL_2

In: results as the benchmark has them, `{"results": {video: [{"sentence", "timestamp"}]}}`; references as its
JSON (`{video: {"timestamps", "sentences"}}`) or as a tab-separated table (`data.read_captions`). Out: a
table, and with `--json` the same in a file. What the references don't know of isn't measured, and a line says
so: MDVC's `val_*_no_missings.json` hold 1,374 of 4,483 videos, and figures on them are higher. A run of
`train` is measured by the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Protocol

import click
import numpy as np
import torch
from torch import Tensor

from models.captions import metrics
from models.captions.data import Captioned, Material, read_captions
from models.captions.metrics import Captions, Figures, Said, Tools
from models.captions.proposals import Proposals, clipped, corners, surest, without_short
from models.captions.text import END, START
from otio_avassist import sampling
from otio_avassist.errors import AvAssistError

GROUND_TRUTH_TIOU = (0.5,)
"""Captions of ground-truth segments are held against what overlaps them by half, as published."""


class Network(Protocol):
    """A captioner: `models.captions.bmt`, `mdvc` or `fusion`."""

    def encode(self, streams: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What words look at, `memory_*`."""

    def step(self, token: Tensor, position: Tensor, memory, past) -> tuple[Tensor, dict[str, Tensor]]:
        """Log-probabilities of the next word, and the past after this one."""

    def empty_past(self, batch: int) -> dict[str, Tensor]:
        """The past before the first word."""

    def eval(self) -> Any:
        """No dropout."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """All weights."""


class EvaluationError(AvAssistError):
    """A file of results or references can't be used."""


def read_results(path: Path) -> dict[str, list[Said]]:
    """The benchmark's results: what was said, and when, by video.

    Raises:
        EvaluationError: no such file, or not that.
    """
    held = _json(path)
    try:
        return {
            video: [(*map(float, each["timestamp"]), each["sentence"]) for each in said]
            for video, said in held["results"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvaluationError(f"{path}: not results of the benchmark: {error!r}") from error


def read_references(path: Path) -> dict[str, list[Said]]:
    """What people wrote, and when, by video: the benchmark's JSON, or a table as of `data.read_captions`.

    Raises:
        EvaluationError, data.DataError: no such file, or not that.
    """
    if path.suffix != ".json":
        found: dict[str, list[Said]] = {}
        for row in read_captions(path):
            found.setdefault(row.video, []).append((row.start_s, row.end_s, row.caption))
        return found
    held = _json(path)
    try:
        return {
            video: [
                (float(start), float(end), sentence)
                for (start, end), sentence in zip(each["timestamps"], each["sentences"], strict=True)
            ]
            for video, each in held.items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvaluationError(f"{path}: not references of the benchmark: {error!r}") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: can't be read: {error}") from error


def write_results(path: Path, said: Captions) -> None:
    """The benchmark's form, which `read_results` and other people's evaluations read."""
    results = {
        video: [{"sentence": sentence, "timestamp": [start, end]} for start, end, sentence in each]
        for video, each in said.items()
    }
    held = {
        "version": "VERSION 1.0",
        "external_data": {"used": True, "details": ""},
        "results": results,
    }
    path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


# A network's own captions


def stepper(network: Network, streams: Mapping[str, Tensor]) -> sampling.Step:
    """One word after another for these stretches, with what was computed before kept."""
    memory = {name: array.cpu().numpy() for name, array in network.encode(streams).items()}
    batch = len(next(iter(streams.values())))
    empty = {name: array.cpu().numpy() for name, array in network.empty_past(batch).items()}
    device = next(iter(streams.values())).device

    def step(token: np.ndarray, position: int, state: Mapping[str, np.ndarray]):
        state = state or {**memory, **empty}
        held = {name: torch.from_numpy(array).to(device) for name, array in state.items()}
        kept = {name: array for name, array in held.items() if name in memory}
        past = {name: array for name, array in held.items() if name not in memory}
        at = torch.tensor([position], device=device)
        log_probs, past = network.step(torch.from_numpy(token).to(device), at, kept, past)
        after = {name: array.cpu().numpy() for name, array in past.items()}
        return log_probs.cpu().numpy(), {**{name: state[name] for name in memory}, **after}

    return step


@torch.inference_mode()
def describe(
    network: Network,
    material: Material,
    spans: Sequence[Captioned],
    *,
    max_words: int,
    beam: int = 1,
    batch: int = 64,
) -> dict[str, list[Said]]:
    """What the network says of each stretch, by video; captions that are there already aren't looked at."""
    network.eval()
    device = next(network.parameters()).device
    found: dict[str, list[Said]] = {}
    for first in range(0, len(spans), batch):
        chosen = spans[first : first + batch]
        streams = {name: rows.to(device) for name, rows in material.segments(chosen).items()}
        sentences = sampling.decode(
            stepper(network, streams), len(chosen), start=START, end=END, max_words=max_words, beam=beam
        )
        for span, sentence in zip(chosen, sentences, strict=True):
            said = material.vocabulary.decode(sentence.tokens)
            found.setdefault(span.video, []).append((span.start_s, span.end_s, said))
    return found


@torch.inference_mode()
def propose(
    network: Proposals, material: Material, chosen: Sequence[int], most: int, *, batch: int = 16
) -> dict[str, list[Said]]:
    """When something happens in these videos, the surest first, without sentences.

    As evaluation was published: the surest `most`, then clipped to the video, then those too short dropped.
    """
    network.eval()
    device = next(network.parameters()).device
    found: dict[str, list[Said]] = {}
    for first in range(0, len(chosen), batch):
        items = chosen[first : first + batch]
        whole = material.whole(items, network.config.pad_to)
        answers = network({name: rows.to(device) for name, rows in whole.streams.items()}).cpu()
        for item, answer in zip(items, answers, strict=True):
            video, duration_s, _ = material.videos[item]
            segments = without_short(clipped(corners(surest(answer, most)), duration_s))
            found[video] = [(start_s, end_s, "") for start_s, end_s, _ in segments.tolist()]
    return found


# Figures


def ground_truth(
    said: Sequence[Captions], references: Sequence[Captions], tools: Tools
) -> tuple[Figures, list[Figures]]:
    """Captions of ground-truth segments, a validation set each, and their mean.

    Every segment counts: nothing is cut off after so many.
    """
    each = [
        metrics.captioning(one, [other], tools, tious=GROUND_TRUTH_TIOU, max_proposals=10**9)
        for one, other in zip(said, references, strict=True)
    ]
    return Figures.mean(each), each


def learned(
    said: Captions,
    references: Sequence[Captions],
    tools: Tools,
    *,
    max_proposals: int = metrics.MAX_PROPOSALS,
    seed: int = 0,
) -> tuple[metrics.Detection, Figures]:
    """Proposals and their captions against all reference sets together."""
    found = metrics.detection(said, references, max_proposals=max_proposals)
    return found, metrics.captioning(said, references, tools, max_proposals=max_proposals, seed=seed)


def printed_mean(several: Sequence[Figures]) -> Figures:
    """The mean as papers have it: of figures that were rounded to hundredths of a per cent before.

    So 10.74 and 11.05 make 10.90, though exactly it is 10.89.
    """
    hundredth = Decimal("0.0001")

    def mean(figures: Sequence[float]) -> float:
        rounded = [Decimal(figure).quantize(hundredth, ROUND_HALF_UP) for figure in figures]
        total = sum(rounded, Decimal(0)) / len(rounded)
        return float(total.quantize(hundredth, ROUND_HALF_UP))

    return Figures(
        mean([each.bleu3 for each in several]),
        mean([each.bleu4 for each in several]),
        mean([each.meteor for each in several]),
    )


def row(name: str, figures: Figures) -> str:
    """One line of the table, in hundredths as papers print them."""
    shown = (figures.bleu3, figures.bleu4, figures.meteor)
    return f"{name:<32}" + "".join(f"{100 * figure:>9.2f}" for figure in shown)


@click.command()
@click.option(
    "--results", nargs=2, type=click.Path(path_type=Path), help="Captions of ground-truth segments."
)
@click.option("--learned", "proposed", type=click.Path(path_type=Path), help="Captions of learned proposals.")
@click.option("--references", nargs=2, type=click.Path(path_type=Path), required=True)
@click.option("--max-proposals", type=int, default=metrics.MAX_PROPOSALS, show_default=True)
@click.option("--videos", type=int, default=None, help="Only the first so many of each reference set.")
@click.option("--plain", is_flag=True, help="Without pycocoevalcap and Java, even where they are.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="The figures, for machines.")
def main(
    results: tuple[Path, Path] | None,
    proposed: Path | None,
    references: tuple[Path, Path],
    max_proposals: int,
    videos: int | None,
    plain: bool,
    out: Path | None,
) -> None:
    """Measure captions, and proposals, as published."""
    if not results and not proposed:
        raise click.UsageError("nothing to measure: give --results or --learned")
    try:
        found = _measure(results, proposed, references, max_proposals, videos, plain)
    except AvAssistError as error:
        raise click.ClickException(str(error)) from error
    if out:
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _measure(results, proposed, references, max_proposals, videos, plain) -> dict[str, Any]:
    written = [dict(list(read_references(path).items())[:videos]) for path in references]
    with metrics.best_tools(plain=plain) as tools:
        found: dict[str, Any] = {"tools": tools.name, "videos": [len(each) for each in written]}
        click.echo(tools.name)
        if not tools.published and not plain:
            click.echo(f"not the published figures: {metrics.missing()}")
        click.echo(f"{'':<32}{'B@3':>9}{'B@4':>9}{'METEOR':>9}")
        if results:
            said = [read_results(path) for path in results]
            for path, one, other in zip(results, said, written, strict=True):
                _tell_unknown(path, one, other)
            mean, each = ground_truth(said, written, tools)
            for path, figures in zip(results, each, strict=True):
                click.echo(row(path.stem[:31], figures))
            click.echo(row("mean", mean))
            click.echo(row("mean of these lines, as printed", printed_mean(each)))
            found["ground truth"] = {
                "mean": asdict(mean),
                "mean as printed": asdict(printed_mean(each)),
                "each": [asdict(figures) for figures in each],
            }
        if proposed:
            dense = read_results(proposed)
            _tell_unknown(proposed, dense, {**written[0], **written[1]})
            proposals, figures = learned(dense, written, tools, max_proposals=max_proposals)
            click.echo(row("learned proposals", figures))
            click.echo("".join(f"{word:>11}" for word in ("tIoU", "precision", "recall")))
            for at, least in enumerate(proposals.tious):
                shown = (100 * proposals.precision[at], 100 * proposals.recall[at])
                click.echo(f"{least:>11}" + "".join(f"{figure:>11.2f}" for figure in shown))
            click.echo(f"F1 {100 * proposals.f1:.2f}")
            found["learned"] = {**asdict(figures), "proposals": {**asdict(proposals), "f1": proposals.f1}}
    return found


def _tell_unknown(path: Path, said: Captions, references: Captions) -> None:
    unknown = sum(video not in references for video in said)
    if unknown:
        click.echo(
            f"{path.name}: {unknown} of {len(said)} videos aren't in its references, nor in the figures"
        )


if __name__ == "__main__":
    main()
