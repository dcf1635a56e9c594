"""A sampler, its codebook and what goes with them -> a bundle for the task `foley`.

In: networks of `models.foley`, or checkpoints of their training. Out: a folder with the graphs that
`otio_avassist.generator` asks and, last of all, its card:

    condition   features of pictures, a class, or both -> what stands before the codes
    step        what stands before, codes, what is remembered -> scores of the next code (`export.step`)
    decode      codes, column by column -> a spectrogram in [0, 1]
    encode      a spectrogram -> its codes: what real sound begins with
    vocode      a spectrogram -> samples; only where there is a vocoder
    features    pictures -> their features; only where weights of ResNet-50 are given
    hear        a spectrogram -> log-probabilities of the card's classes; only where there is a classifier

Doesn't know how anything was trained.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from export.figures import FIGURES, read_figures
from export.graphs import (
    ALLOWED,
    Difference,
    Extra,
    Inputs,
    check,
    describe,
    in_place_of,
    opened,
    write_checked,
    write_graph,
)
from export.step import StepModule, past_names, write_step
from export.unpickling import read_weights
from models import checkpoints
from models.checkpoints import CheckpointError
from models.foley import trained
from models.foley.codebook import Codebook
from models.foley.melgan import Generator, fold
from models.foley.resnet import ResNet50
from models.foley.sampler import Sampler
from otio_avassist import bundles, signals
from otio_avassist.bundles import Card, Graph
from otio_avassist.errors import BundleError
from otio_avassist.features import FILE, GRAPHS

TOP_K = 100
"""As published."""
ALLOWED_8_BITS = 0.1
"""Of the largest score, 32 bits against 8."""
NOISE = "noise"


@dataclass(frozen=True)
class Ear:
    """A classifier of sounds, and how its spectrograms are standardised."""

    network: nn.Module
    statistics: Tensor
    classes: tuple[str, ...]
    columns: int


@dataclass(frozen=True)
class Parts:
    """All that goes into a bundle."""

    sampler: Sampler
    codebook: Codebook
    words: Mapping[str, Any]
    """`network`, `version`, `training` and `figures` of the card."""
    sounds: tuple[str, ...] = ()
    """What a class token asks for, in order; without one, what the classifier hears."""
    features: Mapping[str, Any] | None = None
    """As the card has it: `extractor`, `output`, `step_s`, `count`, `width` …; None: shown no pictures."""
    vocoder: Generator | None = None
    ear: Ear | None = None
    eyes: ResNet50 | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """More of the card's preprocessing: `sees`, `sure`, `words` …, or other `sampling`."""
    needs: tuple[str, ...] = ()
    int8: bool = True
    """Also the step in 8 bits, for the CPU."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Where `sampler`, `codebook`, `vocoder`, `classifier` and `ResNet-50` come from, for messages."""


class ConditionGraph(nn.Module):
    """`features` (B, n, D), `class` (B,), or both -> `prefix` (B, p, d)."""

    def __init__(self, sampler: Sampler) -> None:
        super().__init__()
        self.sampler = sampler

    def forward(self, *given: Tensor) -> Tensor:
        """As the sampler's `prefix`."""
        shown = [each.transpose(1, 2) for each in given if each.is_floating_point()]
        asked = [each[:, None] for each in given if not each.is_floating_point()]
        return self.sampler.prefix(*shown or [None], *asked)


class NothingGraph(nn.Module):
    """No pictures at all, for a sampler that was shown rows of noise: the row in their middle."""

    def __init__(self, sampler: Sampler) -> None:
        super().__init__()
        config = sampler.config
        assert config.feature_width is not None
        # Another row each time would make the same seed another sound.
        noise = torch.full((1, config.feature_width, config.features), 0.5)
        self.rows = nn.Buffer(getattr(sampler, sampler.pictures)(noise).mT.detach())
        self.sounds = getattr(sampler, sampler.sounds) if config.classes is not None else None

    def forward(self, sound: Tensor | None = None) -> Tensor:
        """`class` (B,), where there are classes -> (B, p, d); else (1, p, d)."""
        if self.sounds is None or sound is None:
            return self.rows.clone()
        return torch.cat([self.rows.expand(sound.shape[0], -1, -1), self.sounds(sound[:, None])], dim=1)


class DecodeGraph(nn.Module):
    """`codes` (B, T, F) -> `mel` (B, 80, 16 T) in [0, 1]."""

    def __init__(self, codebook: Codebook) -> None:
        super().__init__()
        self.codebook = codebook

    def forward(self, codes: Tensor) -> Tensor:
        """As the codebook's `decode_codes`, which may leave [-1, 1]."""
        mel = self.codebook.decode_codes(codes.transpose(1, 2))
        return ((mel[:, 0] + 1) / 2).clamp(0, 1)


class EncodeGraph(nn.Module):
    """`mel` (B, 80, 16 T) -> `codes` (B, T, F)."""

    def __init__(self, codebook: Codebook) -> None:
        super().__init__()
        self.codebook = codebook

    def distances(self, mel: Tensor) -> Tensor:
        """From every place, column by column, to every entry. Shape: (B, T, F, codes)."""
        said = self.codebook.before_codes(2 * mel[:, None] - 1).transpose(2, 3)
        return self.codebook.quantize.distances(said).unflatten(1, said.shape[2:])

    def forward(self, mel: Tensor) -> Tensor:
        """The nearest entry of the codebook."""
        return self.distances(mel).argmin(-1)


class VocodeGraph(nn.Module):
    """`mel` (B, 80, W) -> `samples` (B, 256 W)."""

    def __init__(self, vocoder: Generator) -> None:
        super().__init__()
        self.vocoder = fold(copy.deepcopy(vocoder))

    def forward(self, mel: Tensor) -> Tensor:
        """As the vocoder."""
        return self.vocoder(mel)[:, 0]


class HearGraph(nn.Module):
    """`mel` (B, 80, W) -> `heard` (B, classes)."""

    def __init__(self, ear: Ear) -> None:
        super().__init__()
        self.network = ear.network
        self.statistics = nn.Buffer(ear.statistics)

    def forward(self, mel: Tensor) -> Tensor:
        """Log-probabilities."""
        return self.network(trained.standardised(mel[:, None], self.statistics)).log_softmax(-1)


def export_foley(parts: Parts, out: Path) -> Card:
    """Write a bundle to the folder `out`, which it replaces only when all is checked.

    Raises:
        CheckpointError: the parts don't belong together; the message says which and why.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    _check(parts)
    sampler, codebook = parts.sampler.eval(), parts.codebook.eval()
    graphs: dict[str, Graph] = {}
    parity: dict[str, Any] = {}
    with in_place_of(out) as folder, torch.no_grad():
        for name, extra in _graphs(parts).items():
            graphs[name], parity[name] = write_checked(folder, name, extra)
        graphs["encode"], parity["encode"] = _write_encode(codebook, parts, folder)
        graphs["step"], parity["step"] = _write_step(sampler, folder, int8=parts.int8)
        card = Card(
            task="foley",
            network=parts.words["network"],
            version=parts.words["version"],
            graphs=graphs,
            preprocessing=_preprocessing(parts),
            classes=parts.sounds or (parts.ear.classes if parts.ear else ()),
            training=parts.words["training"],
            figures=parts.words["figures"],
            parity=parity,
            needs=parts.needs,
        )
        card.write(folder)
        # What the runtime would refuse isn't put in place.
        for name in graphs:
            bundles.load(folder, device="cpu", graph=name)
    return card


def _check(parts: Parts) -> None:
    """Raises CheckpointError: for all that doesn't fit, whose it is, what was wanted and what there is."""
    config, codebook, ear, vocoder = parts.sampler.config, parts.codebook.config, parts.ear, parts.vocoder
    side = codebook.frames_per_column
    wrong: list[str] = []

    def held(part: str, wanted: object, there: object, what: str = "") -> None:
        if wanted != there:
            source = f"{parts.files[part]}, {part}" if part in parts.files else part
            wrong.append(f"{source}: wanted {wanted}{what and f' {what}'}, there is {there}")

    held("codebook", config.codes, codebook.codes, "codes, as the sampler says them")
    held("sampler", signals.FOLEY_BANDS, config.rows * side, f"bands, {side} to a row of codes")
    held("sampler", config.classes or 0, len(parts.sounds), "names of sounds, as its class token has kinds")
    if (room := config.condition + config.window) > config.positions:
        held("sampler", room, config.positions, "positions for its condition and its codes")
    if parts.features is not None:
        features = parts.features["count"], parts.features["width"]
        held("sampler", (config.features, config.feature_width), features, "rows and numbers of features")
    if ear is not None:
        held("classifier", parts.sounds or ear.classes, ear.classes, "as classes, which are the sampler's")
        held("classifier", config.columns * side, ear.columns, "columns of a spectrogram")
        shape = tuple(ear.statistics.shape)
        held("classifier", (signals.FOLEY_BANDS, 2), shape, "as mean and deviation of each band")
    if vocoder is not None:
        held("vocoder", signals.FOLEY_BANDS, vocoder.config.mels, "bands")
        held("vocoder", signals.FOLEY_HOP, math.prod(vocoder.config.ratios), "samples a column")
    if parts.eyes is not None and parts.features is None:
        held("sampler", "one that is shown pictures, for ResNet-50 to see them", "one that is shown none")
    elif parts.eyes is not None:
        held(
            "ResNet-50", config.feature_width, parts.eyes.channels, "numbers a picture, as the sampler takes"
        )
    if wrong:
        raise CheckpointError(f"these don't belong together: {'; '.join(wrong)}")


def _preprocessing(parts: Parts) -> dict[str, Any]:
    config, side = parts.sampler.config, parts.codebook.config.frames_per_column
    return {
        "sample_rate": signals.FOLEY_RATE,
        "hop": signals.FOLEY_HOP,
        "mels": signals.FOLEY_BANDS,
        "rows": config.rows,
        "columns": config.columns,
        "codes": config.codes,
        "frames_per_column": side,
        "mel_frames": config.columns * side,
        "capacity": config.positions,
        "features": dict(parts.features) if parts.features else None,
        "sampling": {"temperature": 1.0, "top_k": min(TOP_K, config.codes)},
        "class_token": config.classes is not None,
        **parts.numbers,
    }


def _graphs(parts: Parts) -> dict[str, Extra]:
    """Those that are nothing but a module."""
    config = parts.sampler.config
    found = {"condition": condition(parts)}

    def codes(batch: int, columns: int) -> dict[str, Tensor]:
        shape = batch, columns, config.rows
        return {"codes": torch.randint(0, config.codes, shape, generator=_draw(batch))}

    found["decode"] = Extra(
        DecodeGraph(parts.codebook),
        codes(2, 4),
        ("mel",),
        {"codes": {0: "batch", 1: "columns"}},
        (codes(1, config.columns), codes(3, 7)),
    )
    if parts.vocoder is not None:
        found["vocode"] = _of_mel(VocodeGraph(parts.vocoder), "samples", (2, 32), (1, 50), (3, 17))
    if parts.ear is not None:
        length = parts.ear.columns
        found["hear"] = _of_mel(HearGraph(parts.ear), "heard", (2, length), (1, length), free=False)
    if parts.eyes is not None:
        cases = [{"frames": torch.randn(count, 3, 224, 224, generator=_draw(count))} for count in (2, 1)]
        found[GRAPHS["resnet50"]] = Extra(
            parts.eyes, cases[0], ("features",), {"frames": {0: "batch"}}, (cases[1],)
        )
    return found


def condition(parts: Parts) -> Extra:
    """The graph of what stands before the codes."""
    config = parts.sampler.config
    blind = config.feature_width is not None and parts.features is None

    def told(batch: int) -> dict[str, Tensor]:
        given = {}
        if config.feature_width is not None and not blind:
            shape = batch, config.features, config.feature_width
            given["features"] = torch.rand(shape, generator=_draw(batch))
        if config.classes is not None:
            given["class"] = torch.randint(0, config.classes, (batch,), generator=_draw(batch))
        return given

    module = NothingGraph(parts.sampler) if blind else ConditionGraph(parts.sampler)
    axes = {name: {0: "batch"} for name in told(2)}
    return Extra(module, told(2), ("prefix",), axes, (told(1), told(3)))


def _of_mel(module: nn.Module, output: str, *shapes: tuple[int, int], free: bool = True) -> Extra:
    """A graph of spectrograms; `shapes`: batch and columns of the example, then of the others."""
    example, *others = [_mel(*shape) for shape in shapes]
    axes = {0: "batch", 2: "frames"} if free else {0: "batch"}
    return Extra(module, example, (output,), {"mel": axes}, tuple(others))


def _mel(batch: int, columns: int) -> dict[str, Tensor]:
    return {"mel": torch.rand(batch, signals.FOLEY_BANDS, columns, generator=_draw(batch))}


def _draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _write_encode(codebook: Codebook, parts: Parts, folder: Path) -> tuple[Graph, dict[str, float]]:
    """How far apart: how much farther off the entries are that onnxruntime takes for the nearest."""
    path, module = folder / "encode.onnx", EncodeGraph(codebook).eval()
    side = codebook.config.frames_per_column
    # Divisible by `side`, which the exporter can't be told: it takes whatever it's given.
    write_graph(module, _mel(2, 4 * side), ["codes"], path, axes={"mel": {0: "batch", 2: "frames"}})
    graph = describe(path)
    session = opened(path)
    farther, reach = 0.0, 0.0
    for case in (_mel(1, parts.sampler.config.columns * side), _mel(3, 7 * side)):
        distances = module.distances(case["mel"])
        taken = torch.from_numpy(session.run(None, {"mel": case["mel"].numpy()})[0])
        off = distances.gather(-1, taken[..., None]) - distances.min(-1, keepdim=True).values
        farther, reach = max(farther, off.max().item()), max(reach, distances.max().item())
    if not farther <= ALLOWED * reach:
        raise BundleError(f"{path.name}: onnxruntime takes entries that are {farther:.3g} farther off")
    return graph, {"codes": farther}


def _write_step(sampler: Sampler, folder: Path, *, int8: bool) -> tuple[Graph, dict[str, Any]]:
    module, path = StepModule(sampler), folder / "step.onnx"
    write_step(sampler, path)
    graph, parity = describe(path), _of_scores(check(module, path, _steps(sampler), ALLOWED))
    if not int8:
        return graph, parity
    path = folder / "step.int8.onnx"
    write_step(sampler, path, int8=True)
    found = _in_8_bits(sampler, path)
    if not found.largest <= ALLOWED_8_BITS * found.reach:
        raise BundleError(
            f"{path.name}: in 8 bits scores are {found.largest:.3g} off where they reach {found.reach:.3g}"
        )
    return replace(graph, int8=describe(path)), {**parity, "int8": {"scores": found.largest}}


def _in_8_bits(sampler: Sampler, path: Path) -> Difference:
    """How far scores are from those in 32 bits; both go on from what they remember themselves."""
    session, largest, reach = opened(path), 0.0, 0.0
    past: dict[str, Any] = {}
    for case in _steps(sampler):
        wanted, *_ = StepModule(sampler)(*case.values())
        given = {name: value.numpy() for name, value in case.items()}
        if not case["past_length"]:
            past = {name: np.zeros_like(given[name], np.int8) for name in past_names(sampler)}
        scores, *present = session.run(None, {**given, **past})
        past = dict(zip(past_names(sampler), present, strict=True))
        largest = max(largest, float(np.abs(scores - wanted.numpy()).max()))
        reach = max(reach, float(wanted.abs().max()))
    return Difference(largest, reach)


def _of_scores(parity: Mapping[str, float]) -> dict[str, Any]:
    """What is remembered isn't told layer by layer."""
    return {"scores": parity["scores"], "present": max(parity.values())}


def _steps(sampler: Sampler) -> Iterator[Inputs]:
    """The beginning, with some codes; then two codes, each after what came before."""
    config = sampler.config
    rows = min(config.condition, 8)
    for batch in (1, 2):
        draw = _draw(batch)
        prefix = torch.randn(batch, rows, config.width, generator=draw)
        codes = torch.randint(0, config.codes, (batch, 4), generator=draw)
        capacity = rows + 4
        shape = batch, config.heads, capacity, config.width // config.heads
        past: Sequence[Tensor] = [torch.zeros(shape) for _ in range(2 * config.layers)]
        length = 0
        for given in (codes[:, :2], codes[:, 2:3], codes[:, 3:]):
            yield {
                "prefix": prefix,
                "codes": given,
                "past_length": torch.tensor([length]),
                **dict(zip(past_names(sampler), past, strict=True)),
            }
            _, *past = StepModule(sampler)(prefix, given, torch.tensor([length]), *past)
            length += prefix.shape[1] + given.shape[1]
            prefix = prefix[:, :0]


def export_checkpoint(
    checkpoint: Path,
    out: Path,
    *,
    vocoder: Path | None = None,
    classifier: Path | None = None,
    resnet50: Path | None = None,
    figures: Path | None = None,
    int8: bool = True,
) -> Card:
    """Write the bundle of a training of `models.foley`.

    Args:
        checkpoint: sampler.pt, which holds its codebook.
        out: the bundle's folder.
        vocoder: vocoder.pt; None: sound is made by Griffin-Lim.
        classifier: classifier.pt, which ranks takes by what it hears.
        resnet50: weights of ResNet-50; None: features come from files beside the media.
        figures: as for `export_sync`; None: figures.json beside the checkpoint.
        int8: also write the step in 8 bits.

    Raises:
        CheckpointError: a checkpoint or the figures aren't there, aren't whole, or don't belong together.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    words = read_figures(figures or checkpoint.with_name(FIGURES))
    held, sampler, codebook = trained.read_sampler(checkpoint)
    eyes = read_resnet50(resnet50) if resnet50 else None
    parts = Parts(
        sampler,
        codebook,
        words,
        tuple(held["classes"]),
        shown(held["features"], eyes),
        trained.read_vocoder(vocoder)[1] if vocoder else None,
        read_ear(classifier) if classifier else None,
        eyes,
        int8=int8,
        files=known({
            "sampler": checkpoint, "codebook": checkpoint, "vocoder": vocoder, "classifier": classifier,
            "ResNet-50": resnet50,
        }),
    )  # fmt: skip
    return export_foley(parts, out)


def known(files: Mapping[str, Path | None]) -> dict[str, Path]:
    """Those that are given."""
    return {name: path for name, path in files.items() if path is not None}


def shown(features: Mapping[str, Any] | None, eyes: ResNet50 | None) -> dict[str, Any] | None:
    """What the card says of the pictures that a sampler was shown.

    Args:
        features: as `trained` has them; noise is no picture.
        eyes: what makes them; None: files.
    """
    if features is None or features["extractor"] == NOISE:
        return None
    return {
        "extractor": "resnet50" if eyes else FILE,
        "output": "features",
        "step_s": features["step_s"],
        "count": features["count"],
        "width": features["width"],
        "pick": "resample",
        "made_by": features["extractor"],
    }


def read_resnet50(path: Path) -> ResNet50:
    """Weights as torchvision names them, with or without a classifier.

    Raises:
        CheckpointError: they aren't ResNet-50's; each weight that doesn't fit is named.
    """
    weights = read_weights(path)
    head = weights.get("fc.weight")
    eyes = ResNet50(classes=len(head) if head is not None and head.dim() else None)
    # Files that predate PyTorch's counter of batches lack it, and nothing here counts them.
    counters = {
        name: each for name, each in eyes.state_dict().items() if name.endswith("num_batches_tracked")
    }
    checkpoints.fill(eyes, {**counters, **weights}, source=str(path))
    return eyes.eval()


def read_ear(path: Path) -> Ear:
    """A classifier of our own training."""
    held, network = trained.read_classifier(path)
    with trained.reading(path, "a classifier"):
        statistics, columns = torch.tensor(held["statistics"]), int(held["classifier"]["columns"])
        classes = tuple(held["classes"])
    if len(classes) != network.config.classes:
        raise CheckpointError(
            f"{path}: wanted {network.config.classes} names of sounds, there is {len(classes)}"
        )
    return Ear(network, statistics, classes, columns)
