"""Train a captioner and its proposal generator as published: `python -m models.captions.train …`.

In: ActivityNet Captions with features made beforehand (see `data`). Out, in the run's folder: `captions.pt`
(`{config, state_dict}`, both networks and their words, for `python -m export captions`), `figures.json` for
its card, `results_*.json` as the benchmark reads them, `log.jsonl`, and `state.pt` from which a run goes on
where it stopped: batches and dropout follow from seed and step, so a resumed run ends as an unbroken one.

The published road is `cap-prop`: the captioner on the segments that people marked, stopped by METEOR; then
proposal heads on its frozen encoder, stopped by F1. `prop-cap` goes the other way round, and `separate`
shares nothing. Without Java METEOR is a stand-in (see `metrics`), and the log names it.

On several processes (`torchrun --nproc-per-node 2 -m models.captions.train …`) each takes its share of every
batch, and the gradients are those of the whole batch.

A checkpoint's config: `network`, `captioner` and `proposals` (their configurations' `to_dict`; the anchors
are in the latter), `vocabulary`, `speech_vocabulary`, `max_words`, `features` (each stream's extractor and
rows). Its weights are `captioner.…` and `proposals.…`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from models import checkpoints
from models.captions import bmt, evaluate, metrics
from models.captions.config import CaptionerConfig, HeadsConfig, MdvcConfig, ProposalConfig, RecurrentConfig
from models.captions.data import (
    CaptionBatch,
    Captioned,
    Features,
    Line,
    Material,
    ProposalBatch,
    read_captions,
    read_speech,
    width_of,
)
from models.captions.layers import smoothed_loss
from models.captions.proposals import Proposals, anchors_s, total_loss
from models.captions.text import PAD, Vocabulary, glove, spacy_words, words
from models.training import Processes, drawn, leave, steps_an_epoch
from otio_avassist.errors import AvAssistError

ORDERS = {
    "cap-prop": ("captions", "proposals"),
    "prop-cap": ("proposals", "captions"),
    "separate": ("captions", "proposals"),
    "captions": ("captions",),
}
"""What is trained, one after the other; the later takes the encoder of the earlier unless `separate`."""


class TrainingError(AvAssistError):
    """A run can't be as it is asked for."""


@dataclass(frozen=True)
class Settings:
    """All that a run is made of; the defaults are BMT's."""

    seed: int = 0
    network: str = "bmt"
    """`bmt`, `mdvc`, or `recurrent`, the Bi-GRU that MDVC was held against."""
    order: str = "cap-prop"
    captioner: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of the network's configuration other than published; `modality`, `fusion` and `streams` too."""
    heads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By stream, numbers of `HeadsConfig` other than published; `anchors`: how many, found among lengths."""
    smoothing: float = 0.7
    lr: float = 5e-5
    betas: tuple[float, float] = (0.9, 0.999)
    batch: int = 32
    """Segments a step."""
    proposal_batch: int = 16
    """Videos a step."""
    epochs: int = 1000
    """At most; a stage ends after `patience` epochs without a better score."""
    patience: int = 30
    max_words: int = 30
    """That are said, the end sign counted."""
    max_proposals: int = metrics.MAX_PROPOSALS
    threads: int = 1

    @classmethod
    def of(cls, network: str, **others: Any) -> Settings:
        """As published for this network, but for `others`."""
        if network == "bmt":
            return cls(**others)
        published = {"lr": 1e-5, "betas": (0.9, 0.98), "batch": 28, "epochs": 45, "patience": 50}
        return cls(**{**published, "network": network, "order": "captions", "max_words": 50, **others})


EXTRACTORS = {
    "audio": {"extractor": "vggish", "step_s": 0.96, "length_s": 0.96},
    "video": {"extractor": "i3d", "step_s": 2.56, "length_s": 2.56, "flow": "file"},
}
"""What a row of each stream is, as published for BMT."""


@dataclass(frozen=True)
class Sets:
    """What is learnt from and measured on, with the words of the former."""

    train: Material
    valid: tuple[Material, ...]
    """The validation sets: the same videos, each with its own people's segments."""
    vectors: Tensor | None = None
    """GloVe's, (V, d), which stay as they are; else word vectors are learnt."""
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: EXTRACTORS)
    """By stream, what a row of features is, for the card."""
    proposed: Mapping[str, Sequence[metrics.Said]] | None = None
    """Stretches that another network proposes for the validation videos, the surest first."""

    @property
    def references(self) -> list[dict[str, list[metrics.Said]]]:
        """What people wrote, by set and video."""
        return [by_video(material.table) for material in self.valid]


def by_video(table: Sequence[Captioned]) -> dict[str, list[metrics.Said]]:
    """A table as the benchmark's rules take it."""
    found: dict[str, list[metrics.Said]] = {}
    for each in table:
        found.setdefault(each.video, []).append((each.start_s, each.end_s, each.caption))
    return found


def configure(settings: Settings, sets: Sets) -> CaptionerConfig | MdvcConfig | RecurrentConfig:
    """The captioner's configuration: as published but for the settings, with this set's words and widths."""
    material = sets.train
    widths = {
        f"{stream}_features": material.features.widths[stream]
        for stream in material.streams
        if stream != "speech"
    }
    numbers = {**widths, "vocabulary": len(material.vocabulary), **settings.captioner}
    if settings.network == "bmt":
        modality = "audio_video" if len(material.streams) == 2 else material.streams[0]
        if sets.vectors is not None:
            numbers["word_width"] = sets.vectors.shape[1]
        return CaptionerConfig(**{"modality": modality, **numbers})
    layers = numbers.pop("layers", 1)
    if material.speech_vocabulary is not None:
        numbers["speech_vocabulary"] = len(material.speech_vocabulary)
    config = MdvcConfig(**{"streams": tuple(material.streams), **numbers})
    return config if settings.network == "mdvc" else RecurrentConfig(config, layers)


def build(network: str, config: CaptionerConfig | MdvcConfig | RecurrentConfig) -> nn.Module:
    """The captioner of a configuration."""
    if network == "bmt":
        assert isinstance(config, CaptionerConfig)
        return bmt.captioner(config)
    if network == "mdvc":
        from models.captions.mdvc import Mdvc

        return Mdvc(config)
    from models.captions.fusion import Recurrent

    return Recurrent(config)


# Steps


class CaptionLoss(nn.Module):
    """A captioner and its loss as one module, so that several processes can share it."""

    def __init__(self, network: nn.Module, smoothing: float) -> None:
        super().__init__()
        self.network, self.smoothing = network, smoothing

    def forward(self, batch: CaptionBatch) -> Tensor:
        """The label-smoothed divergence a word, the true words before it being given."""
        log_probs = self.network(batch.streams, batch.captions[:, :-1])
        return smoothed_loss(log_probs, batch.captions[:, 1:], smoothing=self.smoothing, pad=PAD)


class ProposalLoss(nn.Module):
    """A proposal generator and its loss."""

    def __init__(self, network: Proposals) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: ProposalBatch) -> Tensor:
        """As published, summed over heads and streams."""
        return total_loss(self.network.losses(batch.streams, batch.targets), self.network.config)


@dataclass(frozen=True)
class Stage:
    """A stretch of the training."""

    name: str
    learner: nn.Module
    """Batch -> loss."""
    network: nn.Module
    """What it learns, as it is saved."""
    items: int
    batch: int
    make: Callable[[list[int]], Any]
    """Numbers of items -> their batch."""
    weigh: Callable[[list[int]], float]
    """Numbers of items -> how much their loss weighs."""
    score: Callable[[], dict[str, Any]]
    """Figures on the validation sets; `score` is to grow."""

    @property
    def steps(self) -> int:
        """An epoch's."""
        return steps_an_epoch(self.items, self.batch)


class Run:
    """Networks on their way, and how far they are."""

    def __init__(
        self, settings: Settings, sets: Sets, folder: Path, tools: metrics.Tools, *, quiet: bool = False
    ) -> None:
        if settings.order not in ORDERS:
            raise TrainingError(f"order {settings.order}: there are {', '.join(ORDERS)}")
        if settings.network != "bmt" and settings.order != "captions":
            raise TrainingError(f"{settings.network} takes proposals from a file: its order is captions")
        if sets.vectors is not None and settings.network != "bmt":
            raise TrainingError(f"{settings.network} learns its word vectors: GloVe's are for bmt")
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.settings, self.sets, self.folder, self.tools = settings, sets, folder, tools
        self.quiet = quiet
        self.processes = Processes()
        self.config = configure(settings, sets)
        self.captioner = build(settings.network, self.config).to(self.processes.device)
        if sets.vectors is not None:
            self._take_vectors(sets.vectors)
        self.proposals: Proposals | None = None
        if "proposals" in ORDERS[settings.order]:
            self.proposals = Proposals(self._proposal_config()).to(self.processes.device)
        self.stage, self.step, self.trained_s = 0, 0, 0.0
        self.best, self.best_epoch = -1.0, 0
        self.optimizer_state: dict | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def _take_vectors(self, vectors: Tensor) -> None:
        table = self.captioner.words.vectors
        table.weight.data.copy_(vectors)
        table.weight.requires_grad_(False)

    def _proposal_config(self) -> ProposalConfig:
        """Heads over each stream: published ones but for the settings; anchors are lengths of events here."""
        heads: dict[str, HeadsConfig | None] = {"audio": None, "video": None}
        lengths_s = self.sets.train.lengths_s()
        for stream, count in (("audio", 48), ("video", 128)):
            if stream not in self.config.streams:
                continue
            numbers = dict(self.settings.heads.get(stream, {}))
            anchors = anchors_s(lengths_s, numbers.pop("anchors", count))
            published = HeadsConfig.audio if stream == "audio" else HeadsConfig.video
            heads[stream] = replace(published(anchors), stride_s=self.sets.rows[stream]["step_s"], **numbers)
        return ProposalConfig(self.config, heads["audio"], heads["video"], dropout=self.config.dropout)

    def resume(self) -> None:
        """Go on from `state.pt`, where there is one."""
        path = self.folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self.processes.device)
        for name, network in self._networks().items():
            checkpoints.fill(network, state[name], source=str(path))
        self.stage, self.step, self.trained_s = state["stage"], state["step"], state["seconds"]
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.optimizer_state = state["optimizer"]

    def train(self, *, until: int | None = None) -> None:
        """Walk the stages that are left; `until` stops after so many steps of a stage, as if interrupted."""
        names = ORDERS[self.settings.order]
        while self.stage < len(names):
            if self.stage and self.settings.order != "separate":
                self._share_encoder(names[self.stage], copy=self.step == 0)
            stage = self._stages()[names[self.stage]]
            if not self._walk(stage, until):
                return
            self._take_best(stage)
            self.stage, self.step, self.optimizer_state = self.stage + 1, 0, None
            self.best, self.best_epoch = -1.0, 0
            self._save(None)
        if self.processes.rank == 0:
            checkpoints.save(self.folder / "captions.pt", self.to_dict(), self._state_dict())

    def _walk(self, stage: Stage, until: int | None) -> bool:
        """Learn until no epoch was better for long enough; False if stopped before."""
        settings, processes = self.settings, self.processes
        parameters = [weight for weight in stage.network.parameters() if weight.requires_grad]
        optimizer = torch.optim.Adam(parameters, lr=settings.lr, betas=settings.betas)
        if self.optimizer_state:
            optimizer.load_state_dict(self.optimizer_state)
        learner = processes.share_learner(stage.learner)
        began = time.monotonic() - self.trained_s
        while not self._ended(stage):
            if until is not None and self.step >= until:
                return False
            stage.learner.train()
            items = drawn(stage.items, stage.batch, self.step, settings.seed)
            mine, weight = processes.share(items, stage.weigh)
            # Dropout draws from the step, so that a resumed run goes on as if never stopped.
            torch.manual_seed(
                (settings.seed * 1_000_003 + self.stage * 500_009 + self.step) * 64 + processes.rank
            )
            loss = learner(to(stage.make(mine), processes.device))
            optimizer.zero_grad()
            (loss * weight).backward()
            optimizer.step()
            self.step += 1
            self.trained_s = time.monotonic() - began
            self._log(stage=stage.name, loss=round(loss.item(), 4))
            if self.step % stage.steps == 0:
                self._look(stage, optimizer)
                began = time.monotonic() - self.trained_s
        return True

    def _ended(self, stage: Stage) -> bool:
        epoch = self.step // stage.steps
        return epoch >= self.settings.epochs or epoch - self.best_epoch >= self.settings.patience

    def _look(self, stage: Stage, optimizer: torch.optim.Optimizer) -> None:
        """An epoch's end: how good is it, and is it the best?"""
        figures = self.processes.from_first(stage.score() if self.processes.rank == 0 else None)
        self._log(stage=stage.name, epoch=self.step // stage.steps, **figures)
        if figures["score"] > self.best:
            self.best, self.best_epoch = figures["score"], self.step // stage.steps
            if self.processes.rank == 0:
                checkpoints.save(self._best_path(stage), {"stage": stage.name}, stage.network.state_dict())
        self._save(optimizer)

    def _best_path(self, stage: Stage) -> Path:
        return self.folder / f"best-{stage.name}.pt"

    def _take_best(self, stage: Stage) -> None:
        self.processes.wait()
        path = self._best_path(stage)
        checkpoints.fill(stage.network, checkpoints.load(path).state_dict, source=str(path))

    def _share_encoder(self, later: str, *, copy: bool) -> None:
        """The later network looks and listens as the earlier has learnt to, and keeps to it."""
        assert self.proposals is not None
        if later == "proposals":
            if copy:
                self.proposals.take_encoder(self.captioner)
            self.proposals.encoder.requires_grad_(False)
        else:
            if copy:
                self.captioner.encoder.load_state_dict(self.proposals.encoder.state_dict())
            self.captioner.encoder.requires_grad_(False)

    def _stages(self) -> dict[str, Stage]:
        settings, material = self.settings, self.sets.train
        rows, videos = material.table, material.videos
        found = {
            "captions": Stage(
                "captions",
                CaptionLoss(self.captioner, settings.smoothing),
                self.captioner,
                len(rows),
                settings.batch,
                material.batch,
                lambda items: float(material.predicted(items)),
                self._caption_score,
            )
        }
        if self.proposals is not None:
            pad_to = self.proposals.config.pad_to
            found["proposals"] = Stage(
                "proposals",
                ProposalLoss(self.proposals),
                self.proposals,
                len(videos),
                settings.proposal_batch,
                lambda items: material.whole(items, pad_to),
                lambda items: float(len(items)),
                self._proposal_score,
            )
        return found

    def _caption_score(self) -> dict[str, Any]:
        """METEOR on the segments of each validation set, and their mean."""
        figures, _ = evaluate.ground_truth(self._described(), self.sets.references, self.tools)
        shown = {name: round(figure, 5) for name, figure in asdict(figures).items()}
        return {"score": figures.meteor, **shown, "tools": self.tools.name}

    def _described(self) -> list[dict[str, list[metrics.Said]]]:
        return [
            evaluate.describe(self.captioner, material, material.table, max_words=self.settings.max_words)
            for material in self.sets.valid
        ]

    def _proposed(self) -> dict[str, list[metrics.Said]]:
        """The best stretches of every video that a validation set has."""
        assert self.proposals is not None
        found: dict[str, list[metrics.Said]] = {}
        for material in self.sets.valid:
            lacking = [at for at, (video, *_) in enumerate(material.videos) if video not in found]
            found |= evaluate.propose(self.proposals, material, lacking, self.settings.max_proposals)
        return found

    def _proposal_score(self) -> dict[str, Any]:
        """F1 over tIoUs, and what it is made of."""
        found = metrics.detection(
            self._proposed(), self.sets.references, max_proposals=self.settings.max_proposals
        )
        precision, recall = (sum(each) / len(each) for each in (found.precision, found.recall))
        return {"score": found.f1, "precision": round(precision, 5), "recall": round(recall, 5)}

    def finish(self) -> dict[str, Any]:
        """Measure as published, write the results and `figures.json`; the figures come back too."""
        settings = self.settings
        described = self._described()
        mean, each = evaluate.ground_truth(described, self.sets.references, self.tools)
        figures: dict[str, Any] = {
            "tools": self.tools.name,
            "ground-truth segments": {"mean": asdict(mean), "each": [asdict(one) for one in each]},
        }
        for number, said in enumerate(described, 1):
            evaluate.write_results(self.folder / f"results_val_{number}.json", said)
        if self.proposals is not None or self.sets.proposed is not None:
            dense = self._dense()
            evaluate.write_results(self.folder / "results_learned.json", dense)
            found, captioned = evaluate.learned(
                dense, self.sets.references, self.tools, max_proposals=settings.max_proposals
            )
            figures["learned proposals"] = {**asdict(captioned), **asdict(found), "f1": found.f1}
        networks = self._networks().values()
        held = {
            "network": {"bmt": "BMT", "mdvc": "MDVC", "recurrent": "Bi-GRU"}[settings.network],
            "version": "1",
            "training": {
                "command": f"python -m models.captions.train --seed {settings.seed}",
                "settings": asdict(settings),
                "segments": len(self.sets.train.table),
                "parameters": sum(weight.numel() for each in networks for weight in each.parameters()),
                "minutes": round(self.trained_s / 60, 1),
            },
            "figures": {"validation sets": figures},
        }
        text = json.dumps(held, indent=1) + "\n"
        (self.folder / "figures.json").write_text(text, encoding="utf-8")
        return figures

    def _dense(self) -> dict[str, list[metrics.Said]]:
        """Captions of proposals, its own or those that are given, in the order of their confidence."""
        proposed = self.sets.proposed if self.sets.proposed is not None else self._proposed()
        durations_s = {each.video: each.duration_s for material in self.sets.valid for each in material.table}
        spans = [
            Captioned(video, "", start_s, end_s, durations_s[video])
            for video, stretches in proposed.items()
            if video in durations_s
            for start_s, end_s, _ in stretches[: self.settings.max_proposals]
        ]
        return evaluate.describe(self.captioner, self.sets.valid[0], spans, max_words=self.settings.max_words)

    # What is kept

    def _networks(self) -> dict[str, nn.Module]:
        both = {"captioner": self.captioner, "proposals": self.proposals}
        return {name: network for name, network in both.items() if network is not None}

    def to_dict(self) -> dict[str, Any]:
        """The checkpoint's config: all that is needed to build, ask and export the networks."""
        material = self.sets.train
        words_said = material.speech_vocabulary
        return {
            "network": self.settings.network,
            "captioner": self.config.to_dict(),
            "proposals": self.proposals.config.to_dict() if self.proposals is not None else None,
            "vocabulary": list(material.vocabulary.tokens),
            "speech_vocabulary": list(words_said.tokens) if words_said is not None else None,
            "max_words": self.settings.max_words,
            "features": {
                stream: {**self.sets.rows[stream], "width": material.features.widths[stream]}
                for stream in material.streams
                if stream != "speech"
            },
        }

    def _state_dict(self) -> dict[str, Tensor]:
        return {
            f"{name}.{key}": weight
            for name, network in self._networks().items()
            for key, weight in network.state_dict().items()
        }

    def _log(self, **held: object) -> None:
        if self.processes.rank:
            return
        line = {"step": self.step, "seconds": round(self.trained_s), **held}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if "score" in held and not self.quiet:
            click.echo(json.dumps(line))

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        if self.processes.rank:
            return
        part = self.folder / "state.pt.part"
        state = {
            **{name: network.state_dict() for name, network in self._networks().items()},
            "optimizer": optimizer.state_dict() if optimizer else None,
            "stage": self.stage,
            "step": self.step,
            "seconds": self.trained_s,
            "best": self.best,
            "best_epoch": self.best_epoch,
        }
        torch.save(state, part)
        part.replace(self.folder / "state.pt")


def to(batch: Any, device: torch.device) -> Any:
    """A batch, on a device."""
    if device.type == "cpu":
        return batch
    moved = {
        name: value.to(device)
        if isinstance(value, Tensor)
        else {key: each.to(device) for key, each in value.items()}
        for name, value in vars(batch).items()
    }
    return replace(batch, **moved)


def load(path: Path) -> tuple[dict[str, Any], nn.Module, Proposals | None]:
    """A checkpoint of this training: its config, its captioner, and its proposal generator if it has one.

    Raises:
        CheckpointError: not such a checkpoint.
    """
    held = checkpoints.load(path)
    try:
        network = held.config["network"]
        kinds = {"bmt": CaptionerConfig, "mdvc": MdvcConfig, "recurrent": RecurrentConfig}
        captioner = build(network, kinds[network].from_dict(held.config["captioner"]))
        described = held.config["proposals"]
        proposals = Proposals(ProposalConfig.from_dict(described)) if described else None
    except (KeyError, TypeError) as error:
        raise checkpoints.CheckpointError(f"{path}: not a checkpoint of captions: {error!r}") from error
    for name, module in (("captioner", captioner), ("proposals", proposals)):
        if module is not None:
            weights = {
                key.removeprefix(f"{name}."): weight
                for key, weight in held.state_dict.items()
                if key.startswith(f"{name}.")
            }
            checkpoints.fill(module, weights, source=f"{path}, {name}")
    return held.config, captioner, proposals


# From files


def read_sets(
    settings: Settings,
    *,
    table: Path,
    valid: Sequence[Path],
    folders: Mapping[str, Path],
    speech: Path | None = None,
    vectors: Path | None = None,
    flow: bool = True,
    noise: bool = False,
    spacy: bool = False,
    min_count: int = 1,
    step_s: Mapping[str, float] | None = None,
    proposals: Path | None = None,
) -> Sets:
    """The sets of a run, from files.

    Args:
        settings: `network` says how missing features and unequal streams are taken.
        table, valid: of captions, as `read_captions`.
        folders: stream -> its features; widths are those of the first file there.
        speech: what is said, for MDVC.
        vectors: GloVe's file.
        flow, noise: as `Features`.
        spacy: whether spaCy splits words.
        min_count: how often a word must be written to be known.
        proposals: results of the benchmark, whose stretches are to be described in place of one's own.
        step_s: from row to row, by stream, where the features aren't as published for the network.
    """
    of_bmt = settings.network == "bmt"
    split = spacy_words() if spacy else words
    rows = read_captions(table)
    vocabulary = Vocabulary.of([row.caption for row in rows], split, min_count=min_count)
    said: Mapping[str, Sequence[Line]] = read_speech(speech) if speech else {}
    heard = [line.text for video in sorted({row.video for row in rows}) for line in said.get(video, ())]
    streams = [stream for stream in ("audio", "video") if stream in folders]
    train = Material(
        rows,
        Features(
            folders,
            {stream: width_of(folders[stream], stream) for stream in streams},
            missing="zero" if of_bmt else "random",
            noise=noise,
            seed=settings.seed,
            flow=flow,
        ),
        (*streams, *(("speech",) if speech else ())),
        vocabulary,
        split,
        said,
        Vocabulary.of(heard, split) if speech else None,
        aligned=not of_bmt and len(streams) == 2,
    )
    # MDVC's I3D looks at 24 pictures at a time, so that its rows are as long as VGGish's.
    lasts = {"audio": 0.96, "video": 2.56 if of_bmt else 0.96, **(step_s or {})}
    extractors = {
        stream: {**EXTRACTORS[stream], "step_s": lasts[stream], "length_s": lasts[stream]}
        for stream in streams
    }
    if "video" in extractors:
        extractors["video"]["flow"] = "file" if flow else "none"
    table_of_vectors = None
    if vectors:
        array, known = glove(vectors, vocabulary.tokens)
        click.echo(f"{known} of {len(vocabulary)} words have vectors in {vectors}")
        table_of_vectors = torch.from_numpy(array)
    held_out = tuple(replace(train, table=read_captions(path)) for path in valid)
    proposed = evaluate.read_results(proposals) if proposals else None
    return Sets(train, held_out, table_of_vectors, extractors, proposed)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/captions"), help="Its folder.")
@click.option("--train", "table", type=click.Path(path_type=Path), required=True, help="train.csv")
@click.option(
    "--valid",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="val_1.csv; again: val_2.csv",
)
@click.option("--audio", type=click.Path(path_type=Path), help="Folder of NAME_vggish.npy.")
@click.option("--video", type=click.Path(path_type=Path), help="Folder of NAME_rgb.npy and NAME_flow.npy.")
@click.option("--speech", type=click.Path(path_type=Path), help="What is said, for MDVC.")
@click.option("--glove", "vectors", type=click.Path(path_type=Path), help="glove.840B.300d.txt")
@click.option("--proposals", type=click.Path(path_type=Path), help="Stretches to describe, for MDVC.")
@click.option("--network", type=click.Choice(["bmt", "mdvc", "recurrent"]), default="bmt", show_default=True)
@click.option("--order", type=click.Choice(list(ORDERS)), help="Default: cap-prop for bmt, else captions.")
@click.option(
    "--settings", "given", type=click.Path(path_type=Path), help="JSON: what to change of Settings."
)
@click.option("--no-flow", is_flag=True, help="Video features are the pictures' alone.")
@click.option("--noise", is_flag=True, help="Random features: what is there to learn without any?")
@click.option("--spacy", is_flag=True, help="Split words by an installed spaCy.")
@click.option("--plain", is_flag=True, help="METEOR's stand-in even where METEOR is.")
@click.option("--seed", type=int, default=0)
@click.option("--threads", type=int, default=1)
def main(
    out: Path,
    table: Path,
    valid: tuple[Path, ...],
    audio: Path | None,
    video: Path | None,
    speech: Path | None,
    vectors: Path | None,
    proposals: Path | None,
    network: str,
    order: str | None,
    given: Path | None,
    no_flow: bool,
    noise: bool,
    spacy: bool,
    plain: bool,
    seed: int,
    threads: int,
) -> None:
    """Train, or go on training, and measure."""
    folders = {stream: folder for stream, folder in (("audio", audio), ("video", video)) if folder}
    if not folders:
        raise click.UsageError("no features: give --audio, --video or both")
    rank = int(os.environ.get("RANK", 0))
    try:
        numbers = json.loads(given.read_text(encoding="utf-8")) if given else {}
        settings = Settings.of(
            network, **{**numbers, "seed": seed, "threads": threads, **({"order": order} if order else {})}
        )
        sets = read_sets(
            settings,
            table=table,
            valid=valid,
            folders=folders,
            speech=speech,
            vectors=vectors,
            flow=not no_flow,
            noise=noise,
            spacy=spacy,
            proposals=proposals,
        )
        # Only the first process measures.
        with metrics.best_tools(plain=plain or rank > 0) as tools:
            run = Run(settings, sets, out, tools)
            run.resume()
            run.train()
            if rank == 0:
                run.finish()
    except (AvAssistError, OSError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        leave()


if __name__ == "__main__":
    main()
