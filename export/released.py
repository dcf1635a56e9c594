"""Checkpoints that the authors released -> bundles: `python -m export import bmt|mdvc …`.

In: their files, read by `unpickling`; the words, which their files don't hold. Out: a bundle for the task
`captions`, in which every weight of theirs has its place and nothing is missing. The names of their layers
are ours; what stands in front of them is taken off here, in one place.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from export.captions import (
    Parts,
    export_captions,
    needed,
    preprocessing,
    proposal_graph,
)
from export.extractors import I3D_FPS, extractors
from export.unpickling import Settings, read, weights_in
from models import checkpoints
from models.captions.bmt import captioner
from models.captions.config import CaptionerConfig, MdvcConfig, ProposalConfig
from models.captions.mdvc import Mdvc
from models.captions.proposals import Proposals
from models.captions.text import Vocabulary
from models.checkpoints import CheckpointError
from otio_avassist.bundles import Card
from otio_avassist.errors import first_line

BMT_STACK, MDVC_STACK = 64, 24
"""Pictures of one I3D stack, at 25 a second."""
VGGISH_S = 0.96
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
    settings = vars(config) if isinstance(config, Settings) else config
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path}: its config is {type(settings).__name__}, not settings by name")
    # What isn't set stays as published.
    said = {name: value for name, value in settings.items() if value is not None}
    return Released(said, weights_in(held["model_state_dict"], path), held)


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
    flow: str = "none",
) -> Card:
    """Make a bundle of BMT as released.

    Args:
        captioner_file: best_cap_model.pt.
        proposals_file: best_prop_model.pt; None: proposals come from elsewhere.
        out: the bundle's folder.
        words, captions: see `vocabulary`.
        i3d: weights of the network that looks, on colour.
        vggish: weights of the network that hears.
        flow: "file" where features of optical flow lie beside the media, else "none".

    Raises:
        CheckpointError: a file isn't what it should be; each weight that doesn't fit is named.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    released = read_released(captioner_file)
    count = _word_count(released, "generator.linear.weight")
    with _made_of(captioner_file):
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
        flow=flow,
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
    flow: str = "none",
) -> Card:
    """Make a bundle of MDVC as released; its proposals come from a file.

    Args and errors as for `import_bmt`; `speech_words` are those of what is said, numbered on their own.
    """
    released = read_released(captioner_file)
    weights = released.weights
    count = _word_count(released, *(name for name in weights if name.startswith("trg_emb_")))
    with _made_of(captioner_file):
        config = MdvcConfig.from_released(
            {**_mdvc_sizes(released), **released.settings, "trg_voc_size": count}
        )
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
        flow=flow,
        max_words=LONGEST["mdvc"],
    )


@contextmanager
def _made_of(path: Path) -> Iterator[None]:
    """Settings of a file may be of any kind, so that making a network of them may fail in any way."""
    try:
        yield
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise CheckpointError(f"{path}: its settings make no network: {reason}") from error


def _word_count(released: Released, *names: str) -> int:
    """From weights that have a row a word; what the file says of it must be the same."""
    rows = {int(released.weights[name].shape[0]) for name in names if name in released.weights}
    said = released.held.get("trg_voc_size")
    if len(rows) != 1 or (said is not None and [said] != list(rows)):
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
    with _made_of(path):
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
    flow: str,
    max_words: int,
    speech: tuple[str, ...] | None = None,
) -> Card:
    seconds = stack / I3D_FPS
    streams: dict[str, dict[str, Any]] = {}
    if "audio" in features:
        streams["audio"] = _stream("vggish", VGGISH_S, features["audio"])
    if "video" in features:
        # Trained on colour and motion summed. No network here makes motion: without files of it the runtime
        # says its doubt.
        streams["video"] = {**_stream("i3d", seconds, features["video"]), "flow": flow}
    extras = extractors(streams, i3d=i3d, vggish=vggish)
    if proposals is not None:
        extras["propose"] = proposal_graph(proposals)
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
                "data": "ActivityNet Captions; features of colour and optical flow summed",
                "files": {part: checksum(path) for part, path in files.items() if path is not None},
            },
            "figures": {},
        },
        extras=extras,
        needs=needed(streams, extras),
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
