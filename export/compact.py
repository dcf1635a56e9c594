"""A run of `models.captions.compact.train` -> the compact bundle for the task `captions`.

In: the checkpoints of the captioner and of the event network, and what their training measured. Out: the
graphs `encode`, `step` and `propose`, and, last of all, the card.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from export.captions import Parts, export_captions
from export.figures import FIGURES, read_figures
from export.graphs import Extra
from models import checkpoints
from models.captions.compact import grammar, levels, lexicon
from models.captions.compact.bank import LENGTH_S, PICTURES_A_SECOND, STEP_S
from models.captions.compact.captioner import CompactCaptioner, CompactConfig
from models.captions.compact.events import EventConfig, EventNetwork
from models.checkpoints import CheckpointError
from otio_avassist.bundles import Card

NEEDS = ("yamnet", "efficientnet-lite0")
CHAPTER_S = 120.0
MAX_WORDS = 30
STREAMS = {
    "audio": {
        "extractor": "yamnet",
        "output": "logits",
        "step_s": STEP_S,
        "length_s": LENGTH_S,
        "width": lexicon.HEARD_CLASSES,
    },
    "video": {
        "extractor": "efficientnet-lite0",
        "output": "logits",
        "step_s": 1 / PICTURES_A_SECOND,
        "length_s": 1 / PICTURES_A_SECOND,
        "width": lexicon.SEEN_CLASSES,
    },
}


def export_compact(run: Path, out: Path) -> Card:
    """Write the bundle of a run's folder to the folder `out`, which it replaces only when all is checked.

    Raises:
        CheckpointError: a checkpoint or the figures aren't there, or aren't whole.
        BundleError: onnxruntime gives other numbers than PyTorch; `out` is as it was.
    """
    words = read_figures(run / FIGURES)
    if missing := {"sure", "threshold"} - set(words):
        raise CheckpointError(f"{run / FIGURES}: the card also needs {', '.join(sorted(missing))}")
    parts = Parts(
        _captioner(run / "captioner" / "captioner.pt"),
        features={name: int(str(each["width"])) for name, each in STREAMS.items()},
        vocabulary=grammar.vocabulary(),
        preprocessing={
            "max_words": MAX_WORDS,
            "chapter_s": CHAPTER_S,
            "streams": STREAMS,
            "names": list(grammar.names()),
            "nothing": [grammar.NOTHING],
            "implied": levels.implied(),
            "labels": grammar.labels(),
            "sure": words["sure"],
            "proposals": {"stream": "log-mel", "threshold": words["threshold"]},
        },
        words=words,
        extras={
            "propose": Extra(
                _events(run / "events" / "events.pt"),
                _sound(2, 1200),
                ("proposals",),
                {"log_mel": {0: "batch", 1: "rows"}},
                (_sound(1, 98), _sound(1, 2001)),
            )
        },
        needs=NEEDS,
    )
    return export_captions(parts, out)


def _captioner(path: Path) -> CompactCaptioner:
    held = checkpoints.load(path)
    network = CompactCaptioner(CompactConfig.from_dict(held.config))
    checkpoints.fill(network, held.state_dict, source=str(path))
    return network


def _events(path: Path) -> EventNetwork:
    held = checkpoints.load(path)
    network = EventNetwork(EventConfig.from_dict(held.config))
    checkpoints.fill(network, held.state_dict, source=str(path))
    return network


def _sound(batch: int, rows: int) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(rows)
    return {"log_mel": torch.randn(batch, rows, 64, generator=draw) * 1.5 - 4}
