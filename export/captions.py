"""A captioner, its proposal network and its extractors -> a bundle for the task `captions`.

In: networks of `models.captions`, or a checkpoint of their training. Out: a folder with the graphs that
`otio_avassist.captioner` asks and, last of all, its card:

    encode    rows of each stream -> `memory_*`, all that the words look at
    step      a word, what is remembered -> log-probabilities of the next word, and what is remembered then
    propose   rows of each stream -> where events may be; only where there is a proposal network
    and extractors of features, under the names that `otio_avassist.features` gives them

Doesn't know how anything was trained.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from export.extractors import extractors
from export.figures import FIGURES, read_figures
from export.graphs import Extra, in_place_of, write_checked
from models import checkpoints
from models.captions.bmt import Arrays, Streams, captioner
from models.captions.config import CaptionerConfig, MdvcConfig, ProposalConfig
from models.captions.mdvc import Mdvc
from models.captions.proposals import Proposals
from models.checkpoints import CheckpointError
from otio_avassist import bundles
from otio_avassist.bundles import Card, Graph
from otio_avassist.features import EXTRACTORS, GRAPHS

CHAPTER_S = 300 * 2.56
"""What the published proposal network sees at once."""
SPEECH = "speech"


class Speaker(Protocol):
    """A captioner as `models.captions` has them."""

    config: Any

    def encode(self, streams: Streams) -> Arrays: ...
    def step(
        self, token: Tensor, position: Tensor, memory: Mapping[str, Tensor], past: Mapping[str, Tensor]
    ) -> tuple[Tensor, Arrays]: ...
    def empty_past(self, batch: int) -> Arrays: ...


@dataclass(frozen=True)
class Parts:
    """All that goes into a bundle."""

    speaker: Speaker
    """A module, too; in any mode."""
    features: Mapping[str, int]
    """Numbers in a row of each stream that it takes; those of speech aren't asked."""
    vocabulary: Sequence[str]
    preprocessing: Mapping[str, Any]
    """As the card has it, without what the captioner's own numbers say: `start`, `end`, `pad` …"""
    words: Mapping[str, Any]
    """`network`, `version`, `training` and `figures` of the card."""
    extras: Mapping[str, Extra] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


class EncodeGraph(nn.Module):
    """Streams in the captioner's own order -> its memory in the order of `names`."""

    def __init__(self, speaker: Speaker, streams: Sequence[str], names: Sequence[str]) -> None:
        super().__init__()
        self.speaker, self.streams, self.names = speaker, tuple(streams), tuple(names)

    def forward(self, *rows: Tensor) -> tuple[Tensor, ...]:
        """As the speaker's `encode`."""
        memory = self.speaker.encode(dict(zip(self.streams, rows, strict=True)))
        return tuple(memory[name] for name in self.names)


class StepGraph(nn.Module):
    """`token`, `position`, memory, past -> `logits`, present."""

    def __init__(self, speaker: Speaker, memory: Sequence[str], past: Sequence[str]) -> None:
        super().__init__()
        self.speaker, self.memory, self.past = speaker, tuple(memory), tuple(past)

    def forward(self, token: Tensor, position: Tensor, *arrays: Tensor) -> tuple[Tensor, ...]:
        """As the speaker's `step`."""
        memory = dict(zip(self.memory, arrays[: len(self.memory)], strict=True))
        past = dict(zip(self.past, arrays[len(self.memory) :], strict=True))
        log_probs, present = self.speaker.step(token, position, memory, past)
        return (log_probs, *(present[name] for name in self.past))


def export_captions(parts: Parts, out: Path) -> Card:
    """Write a bundle to the folder `out`, which it replaces only when all is checked.

    Raises:
        CheckpointError: the vocabulary isn't as long as the captioner's.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    config = parts.speaker.config
    if len(parts.vocabulary) != config.vocabulary:
        raise CheckpointError(
            f"the captioner knows {config.vocabulary} words, the vocabulary has {len(parts.vocabulary)}"
        )
    assert isinstance(parts.speaker, nn.Module)
    parts.speaker.eval()
    with in_place_of(out) as folder:
        graphs, parity = _write_speaker(parts, folder)
        for name, extra in parts.extras.items():
            graphs[name], parity[name] = write_checked(folder, name, extra)
        card = Card(
            task="captions",
            network=parts.words["network"],
            version=parts.words["version"],
            graphs=graphs,
            preprocessing={**_own_numbers(config), **parts.preprocessing},
            classes=tuple(parts.vocabulary),
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


def _own_numbers(config: Any) -> dict[str, Any]:
    return {
        "unknown": 0,
        "pad": config.pad,
        "start": config.start,
        "end": config.end,
        "pad_value": config.pad_value,
    }


def _write_speaker(parts: Parts, folder: Path) -> tuple[dict[str, Graph], dict[str, Any]]:
    speaker = parts.speaker
    streams = tuple(speaker.config.streams)
    with torch.inference_mode():
        memory = tuple(speaker.encode(_streams(parts, 2, 3)))
    past = tuple(speaker.empty_past(1))
    axes = {stream: {0: "batch", 1: _rows(speaker, stream)} for stream in streams}
    encode = Extra(
        EncodeGraph(speaker, streams, memory),
        _streams(parts, 2, 4),
        memory,
        axes,
        tuple(_streams(parts, batch, rows) for batch, rows in ((1, 1), (3, 9))),
    )
    step_axes: dict[str, dict[int, str]] = {"token": {0: "batch"}}
    for name in memory:
        stream = name.removeprefix("memory_").split("_")[0]
        step_axes[name] = {0: "batch", 2: _rows(speaker, stream)}
    step_axes |= {name: {0: "batch", 2: "words"} for name in past}
    step = Extra(
        StepGraph(speaker, memory, past),
        _state(parts, 2, rows=4, words=3),
        ("logits", *(name.replace("past", "present", 1) for name in past)),
        step_axes,
        # The first word of all has no past.
        tuple(_state(parts, batch, rows=rows, words=words) for batch, rows, words in ((1, 1, 0), (3, 9, 7))),
    )
    written = {"encode": write_checked(folder, "encode", encode), "step": write_checked(folder, "step", step)}
    return {name: graph for name, (graph, _) in written.items()}, {
        name: apart for name, (_, apart) in written.items()
    }


def _rows(speaker: Speaker, stream: str) -> str:
    """What the size of a stream is called. MDVC's sound and picture share one, as they share a mask."""
    if isinstance(speaker, Mdvc) and stream != SPEECH:
        return "rows"
    return f"{stream}_words" if stream == SPEECH else f"{stream}_rows"


def _streams(parts: Parts, batch: int, rows: int) -> dict[str, Tensor]:
    """Rows of noise, always the same; the last of the batch ends in padding, where there is room."""
    draw = torch.Generator().manual_seed(batch * 100 + rows)
    config = parts.speaker.config
    found = {}
    for number, stream in enumerate(config.streams):
        # Streams differ in length, unless their sizes are one.
        count = rows if isinstance(parts.speaker, Mdvc) else rows + number
        if stream == SPEECH:
            found[stream] = torch.randint(4, config.speech_vocabulary, (batch, count + 1), generator=draw)
            continue
        found[stream] = torch.randn(batch, count, parts.features[stream], generator=draw)
        if rows > 1:
            found[stream][-1, -1] = config.pad_value
    return found


def _state(parts: Parts, batch: int, *, rows: int, words: int) -> dict[str, Tensor]:
    """Inputs of `step` after so many words."""
    speaker, draw = parts.speaker, torch.Generator().manual_seed(words)
    with torch.inference_mode():
        memory = speaker.encode(_streams(parts, batch, rows))
        past = speaker.empty_past(batch)
        tokens = torch.randint(4, speaker.config.vocabulary, (words + 1, batch), generator=draw)
        for position in range(words):
            _, past = speaker.step(tokens[position], torch.tensor([position]), memory, past)
    # Tensors of inference mode can't be traced.
    state = {"token": tokens[words], "position": torch.tensor([words]), **memory, **past}
    return {name: array.clone() for name, array in state.items()}


def proposal_graph(network: Proposals) -> Extra:
    """`propose` of the published proposal network, for streams that are padded to its own lengths."""

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *rows: Tensor) -> Tensor:
            return self.network(dict(zip(network.config.streams, rows, strict=True)))

    def noise(batch: int) -> dict[str, Tensor]:
        draw = torch.Generator().manual_seed(batch)
        found = {}
        for stream, length in network.config.pad_to.items():
            width = network.config.encoder.features(stream)
            found[stream] = torch.randn(batch, length, width, generator=draw)
            found[stream][:, length // 2 :] = network.config.encoder.pad_value
        return found

    axes = {stream: {0: "batch"} for stream in network.config.streams}
    return Extra(Graph(), noise(2), ("proposals",), axes, (noise(1),))


def export_checkpoint(
    checkpoint: Path,
    out: Path,
    *,
    figures: Path | None = None,
    i3d: Path | None = None,
    vggish: Path | None = None,
) -> Card:
    """Write the bundle of a training of `models.captions.train`.

    Its features were made by extractors whose weights are other people's (`i3d`, `vggish`). Without them the
    bundle looks for others that have their graphs.

    Raises:
        CheckpointError: the checkpoint or its figures aren't there, or aren't whole.
        BundleError: onnxruntime gives other numbers than PyTorch.
    """
    held = checkpoints.load(checkpoint)
    words = read_figures(figures or checkpoint.with_name(FIGURES))
    try:
        speaker = _speaker(held.config)
        proposals = (
            Proposals(ProposalConfig.from_dict(held.config["proposals"]))
            if held.config.get("proposals")
            else None
        )
        features = held.config["features"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{checkpoint}: its config isn't that of a captioner: {error}") from error
    fill_parts({"captioner": speaker, "proposals": proposals}, held.state_dict, str(checkpoint))
    speech = held.config.get("speech_vocabulary")
    extras = extractors(features, i3d=i3d, vggish=vggish)
    if proposals is not None:
        extras["propose"] = proposal_graph(proposals)
    parts = Parts(
        speaker=speaker,
        features={stream: int(each["width"]) for stream, each in features.items()},
        vocabulary=held.config["vocabulary"],
        preprocessing=preprocessing(
            features, proposals, max_words=int(held.config["max_words"]), speech_vocabulary=speech
        ),
        words=words,
        extras=extras,
        needs=needed(features, extras),
    )
    return export_captions(parts, out)


def needed(features: Mapping[str, Mapping[str, Any]], own: Collection[str] = ()) -> tuple[str, ...]:
    """Bundles that a captioner needs: of extractors that ask a graph which isn't among its `own`."""
    names = dict.fromkeys(each["extractor"] for each in features.values())
    return tuple(name for name in names if EXTRACTORS[name].input and GRAPHS.get(name, name) not in own)


def _speaker(config: Mapping[str, Any]) -> Any:
    kind = config["network"]
    if kind == "bmt":
        return captioner(CaptionerConfig.from_dict(config["captioner"]))
    if kind == "mdvc":
        return Mdvc(MdvcConfig.from_dict(config["captioner"]))
    raise CheckpointError(f"wanted a network of kind bmt or mdvc, there is {kind}: it has no graphs")


def fill_parts(parts: Mapping[str, nn.Module | None], state_dict: Mapping[str, Tensor], source: str) -> None:
    """Fill networks from one state dict in which each has its name in front.

    Raises:
        CheckpointError: a weight is missing, of another shape, or nobody's.
    """
    there = {name: module for name, module in parts.items() if module is not None}
    strange = [key for key in state_dict if key.split(".")[0] not in there]
    if strange:
        raise CheckpointError(f"{source}: weights that belong to none of {', '.join(there)}: {strange[:4]}")
    for name, module in there.items():
        own = {
            key.removeprefix(f"{name}."): weight
            for key, weight in state_dict.items()
            if key.startswith(f"{name}.")
        }
        checkpoints.fill(module, own, source=f"{source}: {name}")


def preprocessing(
    features: Mapping[str, Mapping[str, Any]],
    proposals: Proposals | None,
    *,
    max_words: int,
    speech_vocabulary: Sequence[str] | None = None,
) -> dict[str, Any]:
    """What a card says of a published network's inputs; see `otio_avassist.captioner.Numbers`."""
    numbers: dict[str, Any] = {
        "max_words": max_words,
        "chapter_s": CHAPTER_S,
        "streams": {stream: dict(each) for stream, each in features.items()},
    }
    if proposals is not None:
        numbers["chapter_s"] = min(
            heads.rows * heads.stride_s for heads in map(proposals.config.heads, proposals.config.streams)
        )
        numbers["proposals"] = {"stream": "streams", "pad_to": proposals.config.pad_to}
    if speech_vocabulary is not None:
        numbers["speech_vocabulary"] = list(speech_vocabulary)
    return numbers
