"""SparseSync as released -> a bundle: `python -m export import sparsesync …`.

In: a checkpoint of the authors' training, read by `unpickling`: `model`, and in `args` the settings of the
training, an object of OmegaConf. Out: a bundle for the task `sync`, in which every weight of theirs has its
place and nothing is missing. Shapes tell what the network is like; settings that say it too must agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from export.pieces import in_pieces
from export.released import checksum
from export.sync import Exported, write_bundle
from export.unpickling import plain, read, weights_in
from models import checkpoints
from models.checkpoints import CheckpointError
from models.sync.config import Clip, NetworkConfig, SyncConfig
from models.sync.sparsesync import SparseSync, from_released_names
from otio_avassist.errors import first_line

HEADS = 8
"""Of attention, as published; settings may say otherwise, and no shape does."""
REACHES_S = {21: 2.0, 3: 1.0}
"""Of the published grids, by how many classes they have."""
LONGEST_S = 20


class Variant(NamedTuple):
    """One of the released trainings."""

    run: str
    """When it was begun, which is what its file is called."""
    classes: int
    data: str


VARIANTS = {
    "lrs3": Variant("22-07-13T22-25-49", 21, "LRS3, whole frames"),
    "lrs3-3": Variant("22-07-18T08-00-00", 3, "LRS3, whole frames"),
    "vggsound-sparse": Variant("22-07-28T15-49-45", 21, "LRS3, then VGGSound-Sparse"),
    "vggsound-sparse-3": Variant("22-08-13T21-55-03", 3, "LRS3, then VGGSound-Sparse"),
    "vggsound": Variant("22-09-21T21-00-52", 21, "LRS3, then VGGSound"),
    "audioset": Variant("23-02-26T22-31-22", 21, "LRS3, then AudioSet"),
}
AUTO = "auto"


def import_sparsesync(path: Path, out: Path, *, variant: str = AUTO, int8: bool = False) -> Exported:
    """Make a bundle of SparseSync as released.

    Args:
        path: the checkpoint.
        out: the bundle's folder.
        variant: which training it is of, one of `VARIANTS`; `auto`: as its name or its settings say, and
            where they don't, the card leaves it open.
        int8: also write the graph with its convolutions in 8 bits, which the CPU is asked then.

    Raises:
        CheckpointError: the file isn't what it should be; each weight that doesn't fit is named.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    network, config, known = read_sparsesync(path, variant)
    words = {
        "network": "SparseSync" if config.network.selectors else "SparseSync without selectors",
        "version": known or "released",
        "training": {
            "weights": "released by the authors of the paper",
            "data": VARIANTS[known].data if known else "not told by the file",
            "files": {"checkpoint": checksum(path)},
        },
        "figures": {},
    }
    # Comparing two windows at once would take memory that the bundle itself doesn't.
    return write_bundle(
        network,
        config,
        words,
        out,
        drawn=in_pieces(network),
        lean=True,
        in_8_bits=in_pieces(network, flat=False) if int8 else None,
        batch=1,
        sizes=(1,),
    )


def read_sparsesync(path: Path, variant: str = AUTO) -> tuple[SparseSync, SyncConfig, str | None]:
    """The network of a released checkpoint in eval mode, its config, and which variant it is, if known.

    Raises:
        CheckpointError: as of `import_sparsesync`.
    """
    held = read(path)
    if not isinstance(held, dict) or "model" not in held:
        found = ", ".join(map(str, held)) if isinstance(held, dict) else type(held).__name__
        raise CheckpointError(f"{path}: wanted a checkpoint with args and model, there is {found}")
    weights = from_released_names(weights_in(held["model"], path))
    if "transformer.off_head.weight" not in weights:
        raise CheckpointError(
            f"{path}: no transformer.off_head.weight in it: backbones by themselves are where training starts"
        )
    settings = plain(held.get("args") or {})
    try:
        config = sync_config(weights, settings)
        network = SparseSync(config.network)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:  # weights of any shape, settings of any kind
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise CheckpointError(f"{path}: its weights make no network: {reason}") from error
    checkpoints.fill(network, weights, source=str(path))
    return network.eval(), config, _which(path, settings, variant, config.network.classes)


def sync_config(weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> SyncConfig:
    """Of the shapes of its weights, under our names, and what the settings add to them.

    Raises:
        CheckpointError: settings contradict the weights or one another, or a grid isn't told.
    """
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    classes, width = shapes["transformer.off_head.weight"]
    rows, columns = (
        shapes[f"transformer.vis_pos_emb.{name}_embed.weight"][0] for name in ("height", "width")
    )
    steps = shapes["transformer.vis_pos_emb.time_embed.weight"][0]
    bands, moments = (shapes[f"transformer.aud_pos_emb.{name}_embed.weight"][0] for name in ("freq", "time"))
    selectors = shapes.get("transformer.v_selector.selectors", (0,))[0]
    one, two, three, four = (
        shapes[f"afeat_extractor.layer{number}.0.conv1.weight"][0] for number in (1, 2, 3, 4)
    )
    network = NetworkConfig(
        offsets_s=_grid(classes, settings),
        width=width,
        heads=_said(settings, "n_head") or HEADS,
        selectors=selectors,
        selector_layers=_count(weights, "transformer.v_selector.blocks."),
        sync_layers=_count(weights, "transformer.global_transformer.blocks."),
        visual_block=(steps, rows, columns),
        audio_block=(bands, moments),
        visual_divisor=max(1, 64 // shapes["vfeat_extractor.base.0.conv_s.weight"][0]),
        audio_widths=(one, two, three, four),
    )
    for name, told in (("num_offset_cls", classes), ("n_embd", width), ("num_selectors", selectors)):
        said = _said(settings, name)
        if said is not None and said != told and (told or name != "num_selectors"):
            raise CheckpointError(f"its settings say {name} {said}, its weights {told}")
    return SyncConfig(network, _clip(network, settings))


def _grid(classes: int, settings: Mapping[str, Any]) -> tuple[float, ...]:
    """The offsets in seconds, evenly from one end to the other, which settings tell or the paper."""
    kind = _said(settings, "offset_type", "off_type")
    if kind not in (None, "grid"):
        raise CheckpointError(f"its offsets are {kind!r}: wanted those of a grid, which its classes name")
    reach_s = _said(settings, "max_off_sec") or REACHES_S.get(classes)
    if reach_s is None or classes < 2:
        raise CheckpointError(f"it has {classes} classes, and nothing says how many seconds they span")
    return tuple(round(float(offset_s), 2) for offset_s in np.linspace(-reach_s, reach_s, classes))


def _clip(network: NetworkConfig, settings: Mapping[str, Any]) -> Clip:
    """What it is shown: as its settings say, else whole seconds of such pictures that leave its blocks."""
    said_s, side = _said(settings, "crop_len_sec"), _said(settings, "input_size")
    before = _said(settings, "size_before_crop")
    sizes = {**({"crop": side} if side else {}), **({"side": before} if before else {})}
    blocks = network.visual_block, network.audio_block
    lengths_s = (said_s,) if said_s else range(1, LONGEST_S + 1)
    for length_s in lengths_s:
        clip = Clip(window_s=float(length_s), **sizes)
        fitting = NetworkConfig.fitting(clip)
        if (fitting.visual_block, fitting.audio_block) == blocks:
            return clip
    shown = f"{said_s} s" if said_s else f"1 to {LONGEST_S} s"
    raise CheckpointError(
        f"its places are for blocks {blocks[0]} of pictures and {blocks[1]} of sound, which {shown} at "
        f"{Clip(**sizes).crop} pixels don't leave"
    )


def _which(path: Path, settings: Mapping[str, Any], variant: str, classes: int) -> str | None:
    if variant != AUTO:
        if VARIANTS[variant].classes != classes:
            raise CheckpointError(
                f"{path}: {variant} has {VARIANTS[variant].classes} classes, this file {classes}"
            )
        return variant
    runs = {run for text in (path.name, *_texts(settings)) for run in re.findall(RUN, text)}
    # Settings may also name the training that this one went on from; the file's own name comes first.
    for named in (set(re.findall(RUN, path.name)), runs):
        found = [name for name, each in VARIANTS.items() if each.run in named and each.classes == classes]
        if len(found) == 1:
            return found[0]
    return None


RUN = r"\d\d-\d\d-\d\dT\d\d-\d\d-\d\d"


def _texts(held: Any) -> Iterator[str]:
    if isinstance(held, str):
        yield held
    elif isinstance(held, Mapping):
        for each in held.values():
            yield from _texts(each)
    elif isinstance(held, list):
        for each in held:
            yield from _texts(each)


def _said(settings: Mapping[str, Any], *names: str) -> Any:
    """What settings say under one of these names, wherever it stands; None: nothing, or only a reference.

    Raises:
        CheckpointError: two places say different things.
    """
    found = {value for value in _under(settings, names) if not str(value).startswith("${")}
    if len(found) > 1:
        raise CheckpointError(f"its settings say {names[0]} {' and '.join(sorted(map(str, found)))}")
    return next(iter(found), None)


def _under(held: Any, names: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(held, Mapping):
        for name, value in held.items():
            if name in names and isinstance(value, int | float | str):
                yield value
            yield from _under(value, names)
    elif isinstance(held, list):
        for each in held:
            yield from _under(each, names)


def _count(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many layers have weights under that name."""
    return len({name.removeprefix(prefix).split(".")[0] for name in weights if name.startswith(prefix)})
