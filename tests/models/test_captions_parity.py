"""Parity: our caption networks, filled with the authors' weights, give the outputs of the authors' own code.

Every folder of the material's `parity` is built from its meta.json; no number of it is written here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from models import checkpoints  # noqa: E402
from models.captions.bmt import captioner, from_released_names  # noqa: E402
from models.captions.config import CaptionerConfig  # noqa: E402
from models.captions.layers import row_mask, smoothed_loss  # noqa: E402
from tests.parity import Entry, entry_of  # noqa: E402

pytestmark = pytest.mark.parity


def filled(network: nn.Module, entry: Entry) -> Any:
    weights = entry.weights(network.state_dict())
    assert entry.meta.get("n_params") in (None, sum(p.numel() for p in network.parameters()))
    checkpoints.fill(network.eval(), from_released_names(weights), source=str(entry.folder))
    return network


def bmt_streams(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"audio": given["audio"], "video": given["rgb"] + given["flow"]}


def greedy(network: Any, streams: dict[str, Tensor], words: int) -> np.ndarray:
    """As the authors say a batch: the likeliest word each time, going on after the end."""
    memory = network.encode(streams)
    said = [torch.full((len(streams["video"]),), network.config.start)]
    past = network.empty_past(len(said[0]))
    while len(said) < words:
        log_probs, past = network.step(said[-1], torch.tensor([len(said) - 1]), memory, past)
        said.append(log_probs.argmax(-1))
    return torch.stack(said, dim=1).numpy()


def as_numpy(outputs: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in outputs.items()}


@pytest.mark.parametrize("name", ["bmt_captioner", "bmt_unimodal_audio", "bmt_unimodal_video"])
@torch.inference_mode()
def test_parity_of_bmts_captioners(shared: Path, name: str) -> None:
    entry = entry_of(shared, name)
    given, held = entry.inputs(), entry.hyperparameters
    config = CaptionerConfig.from_released(held, held["voc_size"])
    network = filled(captioner(config), entry)
    streams, said = bmt_streams(given), given["captions"][:, :-1]
    log_probs = network(streams, said)
    ours = {
        "log_probs": log_probs,
        "label_smoothing_loss": smoothed_loss(
            log_probs, given["captions"][:, 1:], smoothing=held["smoothing"], pad=config.pad
        ),
        "V_mask": row_mask(streams["video"], config.pad_value).float(),
        "A_mask": row_mask(streams["audio"], config.pad_value).float(),
        "C_mask": ((said != config.pad).unsqueeze(1) & torch.ones(2 * said.shape[1:]).bool().tril()).float(),
    }
    if config.modality == "audio_video":
        ours["enc_Av"], ours["enc_Va"] = network.attended(streams)
    tokens = {key: value for key, value in entry.arrays("out.").items() if key.startswith("greedy_tokens")}
    entry.compare(
        {
            **as_numpy(ours),
            **{key: greedy(network, streams, value.shape[1]) for key, value in tokens.items()},
        }
    )


@torch.inference_mode()
def test_parity_of_bmts_captioner_of_the_published_size(shared: Path) -> None:
    entry = entry_of(shared, "bmt_captioner_full_recipe")
    held = entry.hyperparameters
    network = filled(captioner(CaptionerConfig.from_released(held, held["voc_size"])), entry)
    given = entry.inputs()
    log_probs = network(bmt_streams(given), given["captions"]).numpy()
    entry.compare({"log_probs": log_probs, "log_probs_last": log_probs[0, -1]})
