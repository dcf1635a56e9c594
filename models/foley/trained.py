"""Checkpoints of the foley networks: what each training leaves behind, and the networks of it.

All are `{config, state_dict}` (`models.checkpoints`):

    classifier.pt   config: `network` (`melception` or `vggishish`), `classifier` (`ClassifierConfig`),
                    `classes` (names by number), `statistics` (80 pairs: mean and deviation of the bands of
                    [0, 1] spectrograms). Weights: the network's.
    codebook.pt     config: `codebook` (`CodebookConfig`), `size` (`data.Size`). Weights: the network's.
    sampler.pt      config: `sampler` (`SamplerConfig`), `codebook` and `size` as above, `classes` (names by
                    the class token's number; empty without one), `features` (None without, else `extractor`,
                    one of `data.FEATURES` or `noise`; `step_s`, `count`, `width`, `rows`: `count` of so many
                    rows are shown, evenly). Weights: `sampler.…` and `codebook.…`, of no use alone.
    vocoder.pt      config: `vocoder` (`MelGANConfig`). Weights: the generator's.

In: paths. Out: networks on the CPU, not in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models import checkpoints
from models.checkpoints import Checkpoint, CheckpointError
from models.foley.codebook import Codebook
from models.foley.config import ClassifierConfig, CodebookConfig, MelGANConfig, SamplerConfig
from models.foley.melgan import Generator
from models.foley.sampler import Sampler


def classifier(network: str, config: ClassifierConfig) -> nn.Module:
    """Melception or VGGish-ish, new."""
    if network == "melception":
        from models.foley.melception import Melception

        return Melception(config)
    from models.foley.vggishish import VGGishish

    return VGGishish(config)


def standardised(mels: Tensor, statistics: Tensor) -> Tensor:
    """Spectrograms in [0, 1] as classifiers want them: each band by its mean and deviation in training.

    Args:
        mels: (B, 1, 80, T).
        statistics: (80, 2).
    """
    mean, deviation = statistics.to(mels).T[..., None]
    return (mels - mean) / deviation


def read_classifier(path: Path) -> tuple[dict[str, Any], nn.Module]:
    """Its config and itself.

    Raises:
        CheckpointError: not such a checkpoint. So do the others.
    """
    held = checkpoints.load(path)
    with reading(path, "a classifier"):
        network = classifier(held.config["network"], ClassifierConfig.from_dict(held.config["classifier"]))
        torch.tensor(held.config["statistics"])
    return held.config, filled(network, held.state_dict, str(path))


def read_codebook(path: Path) -> tuple[dict[str, Any], Codebook]:
    """Its config and itself."""
    held = checkpoints.load(path)
    with reading(path, "a codebook"):
        network = Codebook(CodebookConfig.from_dict(held.config["codebook"]))
    return held.config, filled(network, held.state_dict, str(path))


def read_sampler(path: Path) -> tuple[dict[str, Any], Sampler, Codebook]:
    """Its config, itself, and the codebook whose codes it says."""
    held = checkpoints.load(path)
    with reading(path, "a sampler"):
        sampler = Sampler(SamplerConfig.from_dict(held.config["sampler"]))
        codebook = Codebook(CodebookConfig.from_dict(held.config["codebook"]))
    return (
        held.config,
        filled(sampler, _within(held, "sampler."), f"{path}, sampler"),
        filled(codebook, _within(held, "codebook."), f"{path}, codebook"),
    )


def read_vocoder(path: Path) -> tuple[dict[str, Any], Generator]:
    """Its config and itself."""
    held = checkpoints.load(path)
    with reading(path, "a vocoder"):
        network = Generator(MelGANConfig.from_dict(held.config["vocoder"]))
    return held.config, filled(network, held.state_dict, str(path))


def _within(held: Checkpoint, prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): weight
        for name, weight in held.state_dict.items()
        if name.startswith(prefix)
    }


def filled(network: Any, weights: Mapping[str, Tensor], source: str) -> Any:
    """The network with these weights, not in training."""
    checkpoints.fill(network, weights, source=source)
    return network.eval()


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """What a config lacks is the file's fault."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of {what}: {error!r}") from error
