"""Checkpoints that the authors released -> bundles: `python -m export import bmt|mdvc …`.

In: their files, read by `unpickling`; the words, which their files don't hold. Out: a bundle for the task
`captions`, in which every weight of theirs has its place and nothing is missing. The names of their layers
are ours; what stands in front of them is taken off here, in one place.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from export.captions import (
    Extra,
    Parts,
    export_captions,
    extractor_graph,
    needed,
    preprocessing,
    proposal_graph,
)
from export.unpickling import Settings, read
from models import checkpoints
from models.captions.bmt import captioner
from models.captions.config import CaptionerConfig, MdvcConfig, ProposalConfig
from models.captions.i3d import I3D
from models.captions.mdvc import Mdvc
from models.captions.proposals import Proposals
from models.captions.text import Vocabulary
from models.captions.vggish import VGGish
from models.checkpoints import CheckpointError
from otio_avassist.bundles import Card
from otio_avassist.features import GRAPHS

WRAPPERS = ("module.",)
"""What is put in front of each name by training on several cards."""
NOT_WEIGHTS = ("pproc.",)
"""Of VGGish's file: the further reduction that captions don't take."""
BMT_STACK, MDVC_STACK = 64, 24
"""Pictures of one I3D stack, at 25 a second."""
I3D_FPS, VGGISH_S = 25.0, 0.96
LONGEST = {"bmt": 30, "mdvc": 50}
"""Words that the authors' own decoding stops at."""


class Released(NamedTuple):
    """One file of theirs."""

    settings: dict[str, Any]
    weights: dict[str, Tensor]
    held: Mapping[str, Any]


def read_released(path: Path) -> Released:
    """A checkpoint of a whole training.

    Raises:
        CheckpointError: it isn't one, or holds more than data.
    """
    held = read(path)
    if not isinstance(held, dict) or not {"config", "model_state_dict"} <= held.keys():
        found = ", ".join(map(str, held)) if isinstance(held, dict) else type(held).__name__
        raise CheckpointError(
            f"{path}: wanted a checkpoint with config and model_state_dict, there is {found}"
        )
    config = held["config"]
    settings = config.as_dict() if isinstance(config, Settings) else config
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path}: its config is {type(settings).__name__}, not settings by name")
    # What isn't set stays as published.
    said = {name: value for name, value in settings.items() if value is not None}
    return Released(said, _weights(held["model_state_dict"], path), held)


def read_weights(path: Path) -> dict[str, Tensor]:
    """A file of weights alone, as those of I3D and VGGish are."""
    held = read(path)
    inner = held.get("state_dict", held) if isinstance(held, dict) else held
    found = _weights(inner, path)
    return {name: weight for name, weight in found.items() if not name.startswith(NOT_WEIGHTS)}


def _weights(held: Any, path: Path) -> dict[str, Tensor]:
    """Under our names.

    Raises:
        CheckpointError: something in it isn't a weight.
    """
    if not isinstance(held, Mapping):
        raise CheckpointError(f"{path}: wanted weights by name, there is {type(held).__name__}")
    strange = [str(name) for name, weight in held.items() if not isinstance(weight, Tensor)]
    if strange:
        raise CheckpointError(f"{path}: not weights: {', '.join(strange[:6])}")
    found: dict[str, Tensor] = {}
    for name, weight in held.items():
        for wrapper in WRAPPERS:
            name = str(name).removeprefix(wrapper)
        if name in found:
            raise CheckpointError(
                f"{path}: {name} is there twice, with a wrapper's name in front and without"
            )
        found[name] = weight
    return found


def vocabulary(path: Path | None, captions: Path | None, count: int) -> tuple[str, ...]:
    """The words that a released captioner was trained on, in the order of their numbers.

    Args:
        path: a file of them: a JSON list, or a word a line.
        captions: instead of it, the training set's captions, a table with a column `caption`.
        count: how many the checkpoint has.

    Raises:
        CheckpointError: not so many; both numbers are in the message.
    """
    if (path is None) == (captions is None):
        raise CheckpointError("the checkpoint holds no words: wanted either a vocabulary or captions")
    if path is not None:
        text = path.read_text(encoding="utf-8")
        # A word may be a space with something round it, so only the line's end is taken off.
        words = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
        tokens, source = tuple(map(str, words)), path
    else:
        assert captions is not None
        with captions.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            tokens, source = Vocabulary.of(row["caption"] for row in rows).tokens, captions
    if len(tokens) != count:
        raise CheckpointError(
            f"{source}: makes {len(tokens)} words, the checkpoint was trained on {count}: they have to be"
            " the very same, since a word more or less shifts all after it"
        )
    return tokens


def import_bmt(
    captioner_file: Path,
    proposals_file: Path | None,
    out: Path,
    *,
    words: Path | None = None,
    captions: Path | None = None,
    i3d: Path | None = None,
    vggish: Path | None = None,
) -> Card:
    """Make a bundle of BMT as released.

    Args:
        captioner_file: best_cap_model.pt.
        proposals_file: best_prop_model.pt; None: proposals come from elsewhere.
        out: the bundle's folder.
        words, captions: see `vocabulary`.
        i3d: weights of the network that looks, on colour.
        vggish: weights of the network that hears.

    Raises:
        CheckpointError: a file isn't what it should be; each weight that doesn't fit is named.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    released = read_released(captioner_file)
    count = _word_count(released, "generator.linear.weight")
    config = CaptionerConfig.from_released(released.settings, count)
    network = captioner(config)
    checkpoints.fill(network, released.weights, source=str(captioner_file))
    proposals = _proposals(proposals_file, config) if proposals_file is not None else None
    return _export(
        network,
        out,
        name="BMT",
        files={"captioner": captioner_file, "proposals": proposals_file},
        features={stream: config.features(stream) for stream in config.streams},
        vocabulary=vocabulary(words, captions, count),
        stack=BMT_STACK,
        proposals=proposals,
        i3d=i3d,
        vggish=vggish,
        max_words=LONGEST["bmt"],
    )


def import_mdvc(
    captioner_file: Path,
    out: Path,
    *,
    words: Path | None = None,
    captions: Path | None = None,
    speech_words: Path | None = None,
    i3d: Path | None = None,
    vggish: Path | None = None,
) -> Card:
    """Make a bundle of MDVC as released; its proposals come from a file.

    Args and errors as for `import_bmt`; `speech_words` are those of what is said, numbered on their own.
    """
    released = read_released(captioner_file)
    weights = released.weights
    count = _word_count(released, *(name for name in weights if name.startswith("trg_emb_")))
    config = MdvcConfig.from_released({**_mdvc_sizes(released), **released.settings, "trg_voc_size": count})
    network = Mdvc(config)
    checkpoints.fill(network, weights, source=str(captioner_file))
    return _export(
        network,
        out,
        name="MDVC",
        files={"captioner": captioner_file},
        features={s: config.features(s) for s in config.streams if s != "speech"},
        vocabulary=vocabulary(words, captions, count),
        speech=vocabulary(speech_words, None, config.speech_vocabulary),
        stack=MDVC_STACK,
        proposals=None,
        i3d=i3d,
        vggish=vggish,
        max_words=LONGEST["mdvc"],
    )


def _word_count(released: Released, *names: str) -> int:
    """From weights that have a row a word; what the file says of it must be the same."""
    rows = {int(released.weights[name].shape[0]) for name in names if name in released.weights}
    said = released.held.get("trg_voc_size")
    if len(rows) != 1 or (said is not None and {int(said)} != rows):
        raise CheckpointError(
            f"the checkpoint says it knows {said} words, {' and '.join(names)} {sorted(rows)}"
        )
    return rows.pop()


def _mdvc_sizes(released: Released) -> dict[str, Any]:
    """Sizes that its settings call otherwise than its network does, or that stand beside them."""
    sizes = {
        theirs: released.settings[said]
        for theirs, said in (("d_feat_audio", "d_aud"), ("d_feat_video", "d_vid"))
        if said in released.settings
    }
    spoken = released.weights.get("src_emb_subs.embedder.weight")
    return sizes if spoken is None else {**sizes, "src_subs_voc_size": int(spoken.shape[0])}


def _proposals(path: Path, own: CaptionerConfig) -> Proposals:
    released = read_released(path)
    anchors = released.held.get("anchors")
    if not isinstance(anchors, Mapping):
        raise CheckpointError(f"{path}: a proposal network has anchors beside its weights, this file none")
    same = released.settings.get("modality", own.modality) == own.modality
    # It was made from the captioner's encoder, whose sizes its own settings needn't repeat.
    config = ProposalConfig.from_released(
        released.settings,
        {stream: _numbers(each) for stream, each in anchors.items()},
        own if same else None,
    )
    network = Proposals(config)
    checkpoints.fill(network, released.weights, source=str(path))
    return network


def _numbers(values: Any) -> list[float]:
    return [float(value) for value in np.asarray(values, dtype=np.float64).ravel()]


def _export(
    network: Any,
    out: Path,
    *,
    name: str,
    files: Mapping[str, Path | None],
    features: Mapping[str, int],
    vocabulary: tuple[str, ...],
    stack: int,
    proposals: Proposals | None,
    i3d: Path | None,
    vggish: Path | None,
    max_words: int,
    speech: tuple[str, ...] | None = None,
) -> Card:
    seconds = stack / I3D_FPS
    streams: dict[str, dict[str, Any]] = {}
    if "audio" in features:
        streams["audio"] = _stream("vggish", VGGISH_S, features["audio"])
    if "video" in features:
        # Trained on colour and motion summed; no network here makes motion, so the runtime says its doubt.
        streams["video"] = {**_stream("i3d", seconds, features["video"]), "flow": "none"}
    extras: dict[str, Extra] = {}
    if proposals is not None:
        extras["propose"] = proposal_graph(proposals)
    if vggish is not None and "audio" in streams:
        extras["vggish"] = _vggish_graph(vggish)
    if i3d is not None and "video" in streams:
        extras["i3d_rgb"] = _i3d_graph(i3d, stack)
    graphs = {"vggish": "vggish", **GRAPHS}
    given = [extractor for extractor, graph in graphs.items() if graph in extras]
    parts = Parts(
        speaker=network,
        features=features,
        vocabulary=vocabulary,
        preprocessing=preprocessing(
            streams, proposals, max_words=max_words, **({"speech_vocabulary": speech} if speech else {})
        ),
        words={
            "network": name,
            "version": "released",
            "training": {
                "weights": "released by the authors of the paper",
                "data": "ActivityNet Captions; colour and optical flow summed, here colour alone",
                "files": {part: checksum(path) for part, path in files.items() if path is not None},
            },
            "figures": {},
        },
        extras=extras,
        needs=needed(streams, given),
    )
    return export_captions(parts, out)


def checksum(path: Path) -> str:
    """Name and sha256 of a file, for the card."""
    with path.open("rb") as file:
        return f"{path.name}, sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}"


def _stream(extractor: str, seconds: float, width: int) -> dict[str, Any]:
    return {
        "extractor": extractor,
        "output": "embedding",
        "step_s": seconds,
        "length_s": seconds,
        "width": width,
    }


def _vggish_graph(path: Path) -> Extra:
    network = _filled(VGGish(), path)

    def noise(count: int) -> Tensor:
        return torch.randn(count, 1, 96, 64, generator=torch.Generator().manual_seed(count)) - 3

    return extractor_graph(network, "log_mel", noise)


def _i3d_graph(path: Path, stack: int) -> Extra:
    network = _filled(I3D("rgb"), path)

    def noise(count: int) -> Tensor:
        draw = torch.Generator().manual_seed(count)
        return torch.rand(count, 3, stack, 224, 224, generator=draw) * 2 - 1

    return extractor_graph(network, "frames", noise)


def _filled(network: nn.Module, path: Path) -> nn.Module:
    checkpoints.fill(network, read_weights(path), source=str(path))
    return network.eval()
