"""Spectrogram VQGAN as released -> bundles: `python -m export import specvqgan …`.

In: checkpoints of the authors' trainings (Lightning 1.2), read by `unpickling`, and names of sounds, which
their files don't hold. Out: a bundle for the task `foley`, in which every weight of theirs has its place and
nothing is missing. Sizes are read from shapes, since their files hold no settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.foley import Ear, Parts, export_foley, known, read_resnet50, shown
from export.released import checksum
from export.unpickling import read, weights_in
from models import checkpoints
from models.checkpoints import CheckpointError
from models.foley import melgan, trained
from models.foley import sampler as samplers
from models.foley.codebook import Codebook
from models.foley.config import ClassifierConfig, CodebookConfig, MelGANConfig, SamplerConfig
from models.foley.lpaps import LPAPS
from models.foley.melgan import Generator
from models.foley.patchgan import PatchGAN
from models.foley.sampler import Sampler
from models.foley.vggishish import SLICES
from otio_avassist import signals
from otio_avassist.bundles import Card
from otio_avassist.errors import first_line

HEADS = 16
"""Of attention, as published; no shape tells how many."""
STEP_S = 1 / 21.5
"""From one row of features to the next."""
FIRST, ORDER = "first_stage_model.", "first_stage_permuter."
"""In front of the sampler's own codebook, and of the order in which codes are said."""
PERCEPTUAL, JUDGE = "loss.perceptual_loss.", "loss.discriminator."
"""In front of what a codebook was trained by, of no use afterwards."""
SCALING = f"{PERCEPTUAL}scaling_layer."
"""Holds what classifiers need to know of each band: 2 mean - 1, and 2 deviations."""
CLASSIFIERS = {
    "melception": ("Conv2d_1a_3x3.conv.weight", 32, "fc.weight"),
    "vggishish": ("features.0.weight", 64, "classifier.4.weight"),
}
"""The first weight, how many channels it has as published, and the last weight."""

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Files:
    """What is imported; None: not given."""

    transformer: Path
    codebook: Path | None = None
    """None: the one that the transformer's file has in it."""
    vocoder: Path | None = None
    """best_netG.pt; None: sound is made by Griffin-Lim."""
    melception: Path | None = None
    """Ranks takes, as `vggishish` does; only one of them."""
    vggishish: Path | None = None
    resnet50: Path | None = None
    """None: features come from files beside the media."""
    classes: Path | None = None
    """Names of sounds in the order of their numbers: a JSON list, or one a line."""
    statistics: Path | None = None
    """Mean and deviation of each band, a line each; None: as the codebook's file has them."""


def import_specvqgan(
    files: Files, out: Path, *, heads: int = HEADS, pictures: bool = True, int8: bool = True
) -> Card:
    """Make a bundle of Spectrogram VQGAN as released.

    Args:
        files: the checkpoints.
        out: the bundle's folder.
        heads: of the transformer's attention.
        pictures: whether its features tell of pictures; where they were noise it is shown none.
        int8: also write the step in 8 bits.

    Raises:
        CheckpointError: a file isn't what it should be; each weight that doesn't fit is named.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    # What the files hold has been let go of by then: graphs of a gigabyte need room.
    return export_foley(_parts(files, heads=heads, pictures=pictures, int8=int8), out)


def _parts(files: Files, *, heads: int, pictures: bool, int8: bool) -> Parts:
    if files.melception and files.vggishish:
        raise CheckpointError("one classifier ranks takes: wanted Melception or VGGish-ish, not both")
    said = _held(files.transformer, "state_dict")
    first = _taken(said, FIRST)
    own = _without_loss(first, files.transformer)
    learnt = _held(files.codebook, "state_dict") if files.codebook is not None else first
    source = files.codebook or files.transformer
    weights = _without_loss(learnt, source)
    if not (levels := _count(weights, "encoder.down.")):
        raise CheckpointError(f"{source}: no codebook in it: wanted weights of encoder, decoder and quantize")
    if own and (differ := _differing(own, weights)):
        raise CheckpointError(
            f"{source}: not the codebook that {files.transformer} was trained on: {_some(differ)}"
        )
    side = 2 ** (levels - 1)
    rows = signals.FOLEY_BANDS // side
    columns = _columns(_taken(said, ORDER), rows, files.transformer)
    with _made_of(source):
        codebook = Codebook(codebook_config(weights, columns * side))
    checkpoints.fill(codebook, weights, source=str(source))
    sampler = _sampler(said, files.transformer, rows=rows, columns=columns, heads=heads)
    config = sampler.config
    eyes = read_resnet50(files.resnet50) if files.resnet50 is not None else None
    ear = _ear(files, columns * side, learnt)
    sounds = _names(files.classes, config.classes) if config.classes else ()
    features = None
    if config.feature_width is not None and pictures:
        features = {
            "extractor": "resnet50" if eyes else "as released",
            "step_s": STEP_S,
            "count": config.features,
            "width": config.feature_width,
        }
    given = {name: path for name, path in vars(files).items() if path is not None}
    words = {
        "network": "SpecVQGAN",
        "version": "released",
        "training": {
            "weights": "released by the authors of the paper",
            "files": {name: checksum(path) for name, path in given.items()},
        },
        "figures": {},
    }
    return Parts(
        sampler,
        codebook,
        words,
        sounds,
        shown(features, eyes),
        _vocoder(files.vocoder) if files.vocoder is not None else None,
        ear,
        eyes,
        int8=int8,
        files=known({
            "sampler": files.transformer, "codebook": source, "vocoder": files.vocoder,
            "classifier": files.melception or files.vggishish, "ResNet-50": files.resnet50,
        }),
    )  # fmt: skip


def codebook_config(weights: Weights, resolution: int) -> CodebookConfig:
    """Of the shapes of a codebook's weights, learnt on spectrograms of so many columns."""
    codes, width = weights["quantize.embedding.weight"].shape
    channels = len(weights["encoder.conv_in.weight"])
    levels = range(_count(weights, "encoder.down."))
    widths = [len(weights[f"encoder.down.{level}.block.0.conv1.weight"]) for level in levels]
    looks = [level for level in levels if _count(weights, f"encoder.down.{level}.attn.")]
    return CodebookConfig(
        codes=codes,
        width=width,
        channels=channels,
        multipliers=tuple(each // channels for each in widths),
        blocks=_count(weights, "encoder.down.0.block."),
        attention_at=tuple(resolution // 2**level for level in looks),
        resolution=resolution,
    )


def sampler_config(weights: Weights, *, rows: int, columns: int, heads: int) -> SamplerConfig:
    """Of the shapes of a transformer's weights, under our names."""
    codes, width = weights["tok_emb.weight"].shape
    told = [weights[name] for name in EMBEDDERS if name in weights]
    # A convolution over one row at a time tells of pictures, a matrix of kinds of sound.
    shapes = {each.dim(): each.shape for each in told}
    if width % heads:
        raise ValueError(f"{width} numbers don't go into {heads} heads")
    held: dict[str, Any] = {
        "GPT_config": {
            "vocab_size": codes,
            "block_size": weights["pos_emb"].shape[1],
            "n_layer": _count(weights, "blocks."),
            "n_head": heads,
            "n_embd": width,
        }
    }
    if 3 in shapes:
        held["feat_embedding"] = {"params": {"in_channels": shapes[3][1]}}
    if 2 in shapes:
        held["token_embedding"] = {"params": {"num_embeddings": shapes[2][0]}}
    return SamplerConfig.from_released(held, rows=rows, columns=columns)


EMBEDDERS = ("embedder.weight", "feat_embedder.weight", "cls_embedder.weight")


def vocoder_config(weights: Weights) -> MelGANConfig:
    """Of the shapes of a vocoder's weights."""
    # Convolutions that aren't inside a block: the first, one a stage, the last.
    outer = sorted(int(name.split(".")[1]) for name in weights if name.count(".") == 2 and "_v" in name)
    stages = [weights[f"model.{at}.weight_v"] for at in outer[1:-1]]
    return MelGANConfig(
        mels=weights["model.1.weight_v"].shape[1],
        channels=weights[f"model.{outer[-1]}.weight_v"].shape[1],
        residual=outer[-1] - outer[-2] - 3,
        ratios=tuple(each.shape[2] // 2 for each in stages),
    )


def _sampler(said: Weights, path: Path, *, rows: int, columns: int, heads: int) -> Sampler:
    own = {name: weight for name, weight in said.items() if not name.startswith((FIRST, ORDER))}
    if strange := [name for name in own if not name.startswith("transformer.")]:
        raise CheckpointError(f"{path}: not of a transformer: {_some(strange)}")
    with _made_of(path):
        weights = samplers.from_released(own)
        sampler = Sampler(sampler_config(weights, rows=rows, columns=columns, heads=heads))
    checkpoints.fill(sampler, weights, source=str(path))
    return sampler


def _columns(order: Weights, rows: int, path: Path) -> int:
    """How many columns of codes a spectrogram has, of the order in which they are said.

    Raises:
        CheckpointError: it isn't the order that we know, column by column.
    """
    known = {"forward_shuffle_idx": samplers.to_columns, "backward_shuffle_idx": samplers.to_rows}
    if order.keys() != known.keys():
        wanted, there = (_some(ORDER + name for name in names) for names in (known, order))
        raise CheckpointError(f"{path}: wanted {wanted}, there is {there}")
    columns = order["forward_shuffle_idx"].numel() // rows
    numbers = torch.arange(rows * columns)
    for name, shuffled in known.items():
        if not torch.equal(order[name], shuffled(numbers, rows, columns)):
            raise CheckpointError(f"{path}: its codes aren't said column by column, in {rows} rows")
    return columns


def _vocoder(path: Path) -> Generator:
    held = weights_in(read(path), path)
    with _made_of(path):
        weights = melgan.from_released(held)
        vocoder = Generator(vocoder_config(weights))
    checkpoints.fill(vocoder, weights, source=str(path))
    return vocoder.eval()


def _ear(files: Files, columns: int, learnt: Weights) -> Ear | None:
    network = "melception" if files.melception else "vggishish"
    path = files.melception or files.vggishish
    if path is None:
        return None
    weights = _held(path, "model")
    first, channels, last = CLASSIFIERS[network]
    with _made_of(path):
        classes, divisor = len(weights[last]), channels // len(weights[first])
        ear = trained.classifier(network, ClassifierConfig(classes, columns=columns, divisor=divisor))
    checkpoints.fill(ear, weights, source=str(path))
    return Ear(ear.eval(), _statistics(files.statistics, learnt), _names(files.classes, classes), columns)


def _statistics(path: Path | None, learnt: Weights) -> Tensor:
    """Mean and deviation of each band of spectrograms in [0, 1]. Shape: (80, 2)."""
    shift, scale = (learnt.get(f"{SCALING}{name}") for name in ("shift", "scale"))
    if path is not None:
        try:
            found = torch.from_numpy(np.loadtxt(path, np.float32, ndmin=2))
        except ValueError as error:
            raise CheckpointError(f"{path}: not a table of numbers: {first_line(error)}") from error
    elif shift is not None and scale is not None:
        found = torch.stack([(shift.flatten() + 1) / 2, scale.flatten() / 2], dim=-1)
    else:
        raise CheckpointError(
            "a classifier wants mean and deviation of each band: the codebook's file hasn't got them "
            f"({SCALING}shift and scale), and no table of them is given"
        )
    if tuple(found.shape) != (signals.FOLEY_BANDS, 2) or not (found[:, 1] > 0).all():
        raise CheckpointError(
            f"{path or SCALING}: wanted {signals.FOLEY_BANDS} means and deviations above 0, "
            f"there is {tuple(found.shape)}"
        )
    return found


def _names(path: Path | None, count: int | None) -> tuple[str, ...]:
    """Names of sounds in the order of their numbers, which must be so many."""
    if path is None:
        raise CheckpointError(f"the checkpoints know {count} kinds of sound by number: wanted their names")
    text = path.read_text(encoding="utf-8")
    try:
        lines = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except ValueError as error:
        raise CheckpointError(f"{path}: not a JSON list: {first_line(error)}") from error
    names = tuple(name for name in (str(line).strip() for line in lines) if name)
    if len(names) != count:
        raise CheckpointError(f"{path}: {len(names)} names of sounds, the checkpoints know {count}")
    return names


def _held(path: Path, key: str) -> dict[str, Tensor]:
    held = read(path)
    if not isinstance(held, dict) or key not in held:
        found = ", ".join(map(str, held)) if isinstance(held, dict) else type(held).__name__
        raise CheckpointError(f"{path}: wanted a checkpoint with {key}, there is {found}")
    return weights_in(held[key], path)


def _taken(weights: Weights, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): each for name, each in weights.items() if name.startswith(prefix)}


def _without_loss(weights: Weights, path: Path) -> dict[str, Tensor]:
    """The codebook alone. What it was trained by is let go of, every weight in its place; some lack it.

    Raises:
        CheckpointError: each weight that isn't LPAPS's or the judge's is named.
    """
    for prefix, network_of in ((PERCEPTUAL, _lpaps), (JUDGE, _judge)):
        if held := _taken(weights, prefix):
            with _made_of(path):
                network = network_of(held)
            checkpoints.fill(network, held, source=f"{path}, {prefix}*")
    return {name: each for name, each in weights.items() if not name.startswith((PERCEPTUAL, JUDGE))}


def _lpaps(weights: Weights) -> LPAPS:
    return LPAPS(divisor=max(1, SLICES[0][0] // len(weights["net.slice1.0.weight"])))


def _judge(weights: Weights) -> PatchGAN:
    convolutions = [each for each in weights.values() if each.dim() == 4]
    # The first and the last aren't counted.
    return PatchGAN(channels=len(weights["main.0.weight"]), layers=len(convolutions) - 2)


def _differing(one: Weights, other: Weights) -> list[str]:
    both = one.keys() & other.keys()
    return sorted({*one, *other} - {name for name in both if torch.equal(one[name], other[name])})


def _count(weights: Iterable[str], prefix: str) -> int:
    """How many layers are numbered behind a prefix."""
    return len({name.removeprefix(prefix).split(".")[0] for name in weights if name.startswith(prefix)})


def _some(names: Iterable[str]) -> str:
    first, *more = [*names] or ["nothing"]
    listed = ", ".join([first, *more[:5]])
    return f"{listed} and {len(more) - 5} more" if len(more) > 5 else listed


@contextmanager
def _made_of(path: Path) -> Iterator[None]:
    """Weights of something else may lack any name, or have any shape."""
    try:
        yield
    except KeyError as error:
        raise CheckpointError(f"{path}: its weights make no network: no {error.args[0]} there") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise CheckpointError(f"{path}: its weights make no network: {reason}") from error
