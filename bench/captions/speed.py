"""Proposals and sentences of the published size, in time: our way beside the authors', in one run.

BMT with seeded weights, on features of a film of two minutes. The authors' way is eager PyTorch: for every
word the whole network is asked about the whole sentence anew, and one proposal follows on the other; or all
are one batch. Ours are the exported graphs, asked as the task asks them: encoded once, a word at a time
with what is remembered, in batches. Both say the same words, or nothing is worth comparing.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from models.captions.bmt import BiModal
    from models.captions.proposals import Proposals

FILM_S = 120.0
PROPOSALS = 100
WORDS = 30
STEP_S = {"audio": 0.96, "video": 2.56}
WIDTH = {"audio": 128, "video": 1024}
LENGTHS_S = (3.0, 60.0)
SEED = 2020
GOAL = 15.0

Rows = Mapping[str, np.ndarray]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("speed")
    group.add_argument(
        "--proposals", type=int, default=PROPOSALS, metavar="N",
        help=f"describe only N of {PROPOSALS} in the authors' way, one by one, and reckon the rest",
    )  # fmt: skip
    group.add_argument("--threads", type=int, default=os.cpu_count(), metavar="N", help="for both ways")


def lacking(asked: argparse.Namespace) -> str:
    if importlib.util.find_spec("torch") is None:
        return "the authors' way is PyTorch: pip install -e '.[train]'"
    return ""


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether ours is as much faster as it should be)."""
    import torch

    torch.set_num_threads(asked.threads)
    captioner, proposals = networks()
    rng = np.random.default_rng(SEED)
    film = {
        name: rng.normal(size=(round(FILM_S / step), WIDTH[name])).astype(np.float32)
        for name, step in STEP_S.items()
    }
    spans = _spans(rng)
    print(", ".join(f"{len(rows)} rows of {name}" for name, rows in film.items()), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        ours = _ours(captioner, proposals, film, spans, Path(folder), asked.threads)
    with torch.inference_mode():
        theirs = _theirs(captioner, proposals, film, spans, asked.proposals)
    figures = {**ours, **theirs}
    said = figures.pop("words of ours"), figures.pop("words of theirs")
    same = sum(one == other for one, other in zip(*said, strict=False))
    compared = min(map(len, said))
    figures["the same sentences"] = f"{same} of {compared}"
    one_by_one = figures["authors, one by one, s"] + figures["authors, proposals, s"]
    at_once = figures["authors, one batch, s"] + figures["authors, proposals, s"]
    whole = figures["ours, s"] + figures["ours, proposals, s"]
    figures["times faster than one by one"] = round(one_by_one / whole, 1)
    figures["times faster than one batch"] = round(at_once / whole, 1)
    for name, value in figures.items():
        print(f"{name:44} {value if isinstance(value, str) else f'{value:.2f}'}")
    # Single precision may turn a word whose rival is as likely.
    return figures, one_by_one / whole >= GOAL and same >= 0.95 * compared


def networks() -> tuple[BiModal, Proposals]:
    """The published size, with seeded weights."""
    import torch

    from models.captions.bmt import BiModal
    from models.captions.config import CaptionerConfig, HeadsConfig, ProposalConfig
    from models.captions.proposals import Proposals

    torch.manual_seed(SEED)
    config = CaptionerConfig()
    captioner = BiModal(config).eval()
    anchors = {count: tuple(np.geomspace(1.0, FILM_S, count).tolist()) for count in (48, 128)}
    heads = HeadsConfig.audio(anchors[48]), HeadsConfig.video(anchors[128])
    proposals = Proposals(ProposalConfig(config, *heads))
    proposals.take_encoder(captioner)
    return captioner, proposals.eval()


def _spans(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Events of all lengths, wherever they fit; untrained heads would propose nonsense."""
    found = []
    for _ in range(PROPOSALS):
        length_s = float(np.exp(rng.uniform(*np.log(LENGTHS_S))))
        start_s = float(rng.uniform(0, FILM_S - length_s))
        found.append((start_s, start_s + length_s))
    return found


def _crops(film: Rows, spans: Sequence[tuple[float, float]]) -> list[dict[str, np.ndarray]]:
    """Rows of each event, as published: one at least."""
    return [
        {
            name: rows[
                int(start / STEP_S[name]) : max(int(start / STEP_S[name]) + 1, int(end / STEP_S[name]))
            ]
            for name, rows in film.items()
        }
        for start, end in spans
    ]


# The authors' way


def _theirs(
    captioner: BiModal, proposals: Proposals, film: Rows, spans: Sequence[tuple[float, float]], most: int
) -> dict[str, Any]:
    import torch

    padded = {
        name: torch.full((1, proposals.config.pad_to[name], WIDTH[name]), captioner.config.pad_value)
        for name in film
    }
    for name, rows in film.items():
        padded[name][0, : len(rows)] = torch.from_numpy(rows)
    began = time.perf_counter()
    found = proposals(padded)[0]
    found[found[:, 2].argsort(descending=True)[:PROPOSALS]]
    propose_s = time.perf_counter() - began
    crops = _crops(film, spans)
    most = min(most, len(crops))
    began = time.perf_counter()
    said = [_greedy(captioner, _batch(captioner, [crop]))[0] for crop in crops[:most]]
    single_s = (time.perf_counter() - began) * len(crops) / most
    if most < len(crops):
        print(f"authors, one by one: {most} proposals were timed; {len(crops)} are reckoned from them")
    began = time.perf_counter()
    at_once = _greedy(captioner, _batch(captioner, crops))
    batch_s = time.perf_counter() - began
    return {
        "authors, proposals, s": propose_s,
        "authors, one by one, s": single_s,
        "authors, one batch, s": batch_s,
        "words of theirs": at_once,
        "authors, one by one as in one batch": f"{sum(map(_equal, said, at_once))} of {most}",
    }


def _equal(one: Sequence[int], other: Sequence[int]) -> bool:
    return list(one) == list(other)


def _batch(captioner: BiModal, crops: Sequence[Rows]) -> dict[str, torch.Tensor]:
    import torch

    batch = {}
    for name in WIDTH:
        longest = max(len(crop[name]) for crop in crops)
        rows = torch.full((len(crops), longest, WIDTH[name]), captioner.config.pad_value)
        for at, crop in enumerate(crops):
            rows[at, : len(crop[name])] = torch.from_numpy(crop[name])
        batch[name] = rows
    return batch


def _greedy(captioner: BiModal, streams: Mapping[str, torch.Tensor]) -> list[list[int]]:
    """The likeliest word after each beginning; encoder and decoder see everything again for every word."""
    import torch

    config = captioner.config
    count = len(streams["audio"])
    words = torch.full((count, 1), config.start)
    ended = torch.zeros(count, dtype=torch.bool)
    while words.shape[1] <= WORDS and not ended.all():
        log_probs = captioner(streams, words)[:, -1]
        # As the task does: what is no word isn't said.
        log_probs[:, list(_unsaid(captioner))] = -torch.inf
        likeliest = log_probs.argmax(dim=-1)
        words = torch.cat([words, likeliest[:, None]], dim=1)
        ended |= likeliest == config.end
    found = []
    for row in words[:, 1:].tolist():
        found.append(row[: row.index(config.end)] if config.end in row else row)
    return found


# Ours


def _ours(
    captioner: BiModal,
    proposals: Proposals,
    film: Rows,
    spans: Sequence[tuple[float, float]],
    folder: Path,
    threads: int,
) -> dict[str, Any]:
    from otio_avassist import bundles, features
    from otio_avassist.captioner import Captioner
    from otio_avassist.tasks import captions

    _export(captioner, proposals, folder / "bundle")
    network = Captioner(bundles.open_bundle(folder / "bundle", device="cpu", threads=threads))
    rows = {name: features.Rows(values, 0.0, STEP_S[name], STEP_S[name]) for name, values in film.items()}
    chapter = features.Chapter(0.0, FILM_S, 0.0, FILM_S, rows)
    crops = [network.crop(chapter, start, end) for start, end in spans]
    # Graphs are read from disk once, as PyTorch's weights are.
    network.propose(chapter, most=1, nms=1.0)
    network.say(crops[:1])
    began = time.perf_counter()
    network.propose(chapter, most=PROPOSALS, nms=captions.Options().nms)
    propose_s = time.perf_counter() - began
    began = time.perf_counter()
    said = network._describe(crops, [_unsaid(captioner)] * len(crops))
    describe_s = time.perf_counter() - began
    return {
        "ours, proposals, s": propose_s,
        "ours, s": describe_s,
        "words of ours": [list(each.tokens) for each in said],
    }


def _unsaid(captioner: BiModal) -> tuple[int, ...]:
    """What is no word: unknown, padding and start."""
    return 0, captioner.config.pad, captioner.config.start


def _export(captioner: BiModal, proposals: Proposals, folder: Path) -> None:
    from export import captions as export

    streams = {
        "audio": {"extractor": "vggish", "step_s": 0.96, "length_s": 0.96, "width": 128},
        "video": {"extractor": "i3d", "step_s": 2.56, "length_s": 2.56, "width": 1024, "flow": "none"},
    }
    export.export_captions(
        export.Parts(
            captioner,
            WIDTH,
            [f"word{number}" for number in range(captioner.config.vocabulary)],
            export.preprocessing(streams, proposals, max_words=WORDS),
            {"network": "BMT, seeded", "version": "0", "training": {}, "figures": {}},
            {"propose": export.proposal_graph(proposals)},
        ),
        folder,
    )
