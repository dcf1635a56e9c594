"""Parity: our foley networks, filled with the authors' weights, give the outputs of the authors' own code.

Every folder of the material's `parity` is built from its meta.json; no number of it is written here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from models import checkpoints  # noqa: E402
from models.foley import melgan, sampler  # noqa: E402
from models.foley.codebook import Codebook, perplexity  # noqa: E402
from models.foley.config import CodebookConfig, MelGANConfig, SamplerConfig  # noqa: E402
from otio_avassist import signals  # noqa: E402
from tests.parity import Entry, entry_of  # noqa: E402

pytestmark = pytest.mark.parity


def filled(network: nn.Module, entry: Entry) -> Any:
    weights = sampler.from_released(entry.weights(network.state_dict()))
    assert entry.meta.get("n_params") in (None, sum(p.numel() for p in network.parameters()))
    checkpoints.fill(network.eval(), weights, source=str(entry.folder))
    return network


def as_numpy(outputs: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in outputs.items()}


# Spectrogram <-> codes


@torch.inference_mode()
def test_parity_of_the_codebook(shared: Path) -> None:
    entry = entry_of(shared, "specvqgan_codebook")
    network = filled(Codebook(CodebookConfig.from_released(entry.hyperparameters)), entry)
    before = network.encoder(entry.inputs()["x"])
    z = network.quant_conv(before)
    entries, loss, codes = network.quantize(z)
    nearest = network.quantize.distances(z).topk(2, largest=False).values
    ours = {
        "encoder_out": before,
        "pre_quant": z,
        "quant": entries,
        "vq_loss": loss,
        "perplexity": perplexity(codes, network.config.codes),
        "indices": codes,
        "reconstruction": network(entry.inputs()["x"])[0],
        "decoded_from_codes": network.decode_codes(codes.unflatten(-1, z.shape[2:])),
        "margin": (nearest[..., 1] - nearest[..., 0]).min(),
    }
    entry.compare(as_numpy(ours))


@torch.inference_mode()
def test_parity_of_the_codebook_of_the_published_size(shared: Path) -> None:
    entry = entry_of(shared, "specvqgan_codebook_full_recipe")
    network = filled(Codebook(CodebookConfig.from_released(entry.hyperparameters)), entry)
    z = network.before_codes(entry.inputs()["x"])
    entries, loss, codes = network.quantize(z)
    ours = {"pre_quant": z, "vq_loss": loss, "indices": codes[0], "reconstruction": network.decode(entries)}
    entry.compare(as_numpy(ours))


# The sampler


def sampler_of(entry: Entry) -> tuple[sampler.Sampler, dict[str, Tensor | None]]:
    """The network of an entry, and what its codes are conditioned on."""
    held, given = entry.hyperparameters, entry.inputs()
    # Where the entry doesn't say how its codes stand, that doesn't matter for it either.
    grid = held.get("permuter", {"H": 1, "W": given["idx"].shape[1]})
    config = SamplerConfig.from_released(held, rows=grid["H"], columns=grid["W"])
    return filled(sampler.Sampler(config), entry), {
        "features": given.get("feats"),
        "classes": given.get("cls"),
    }


@torch.inference_mode()
def test_parity_of_the_sampler_with_features(shared: Path) -> None:
    entry = entry_of(shared, "specvqgan_gpt_feats")
    network, condition = sampler_of(entry)
    codes, config = entry.inputs()["idx"], network.config
    logits = network(codes[:, :-1], **condition)
    first = condition["features"].shape[-1] - 1
    prefix, count = network.prefix(**condition), codes.shape[1]
    half = codes[:, : count // 2]
    by_rows = sampler.to_rows(codes, config.rows, config.columns)
    numbers = torch.arange(count)
    ours = {
        "logits_all": logits,
        "logits_codes": logits[:, first:],
        "train_loss": network.loss(codes, **condition),
        "last_layer_attention": network.looks(codes[:, :-1], **condition),
        "greedy_codes": network.sample(prefix, count, top_k=1),
        "greedy_codes_from_half": network.sample(prefix, count, top_k=1, given=half),
        "topk7_temp0p9_probs_last": sampler.probabilities(logits[:, -1], temperature=0.9, top_k=7),
        "perm_forward": sampler.to_columns(numbers, config.rows, config.columns),
        "perm_backward": sampler.to_rows(numbers, config.rows, config.columns),
        "codes_rowmajor_from_idx": by_rows,
        "codes_colmajor_from_rowmajor": sampler.to_columns(by_rows, config.rows, config.columns),
    }
    entry.compare(as_numpy(ours))


@pytest.mark.parametrize("name", ["specvqgan_gpt_class", "specvqgan_gpt_feats_class"])
@torch.inference_mode()
def test_parity_of_the_sampler_with_a_class(shared: Path, name: str) -> None:
    entry = entry_of(shared, name)
    network, condition = sampler_of(entry)
    entry.compare({"logits_all": network(entry.inputs()["idx"][:, :-1], **condition).numpy()})


@pytest.mark.slow
@torch.inference_mode()
def test_parity_of_the_sampler_of_the_published_size(shared: Path) -> None:
    entry = entry_of(shared, "specvqgan_gpt_feats_full_recipe")
    network, condition = sampler_of(entry)
    first = condition["features"].shape[-1] - 1
    logits = network(entry.inputs()["idx"], **condition)[:, first:]
    entry.compare({"logits_last": logits[0, -1].numpy(), "logits_codes": logits.numpy()})


# Spectrogram <-> sound


@pytest.mark.parametrize("name", ["melgan_generator", "melgan_generator_full_recipe"])
@torch.inference_mode()
def test_parity_of_the_vocoder_as_trained_and_folded(shared: Path, name: str) -> None:
    entry = entry_of(shared, name)
    network = filled(melgan.Generator(MelGANConfig.from_released(entry.hyperparameters)), entry)
    for same in (network, melgan.fold(network)):
        entry.compare({"wave": same(entry.inputs()["mel"]).numpy()})


@torch.inference_mode()
def test_parity_of_the_vocoders_judge(shared: Path) -> None:
    entry = entry_of(shared, "melgan_discriminator")
    network = filled(melgan.Discriminator(MelGANConfig.from_released(entry.hyperparameters)), entry)
    found = network(entry.inputs()["wave"])
    entry.compare(
        {
            f"scale{scale}_layer{number}": layer.numpy()
            for scale, layers in enumerate(found)
            for number, layer in enumerate(layers)
        }
    )


def test_parity_of_the_spectrogram(shared: Path) -> None:
    entry = entry_of(shared, "preprocess_specvqgan_mel")
    wave, held = entry.arrays("in.")["wave_22k"], entry.hyperparameters
    assert (held["sr"], held["n_fft"], held["hop"]) == (
        signals.FOLEY_RATE,
        signals.FOLEY_FFT,
        signals.FOLEY_HOP,
    )
    longer = entry.arrays("out.")["mel_of_10s_padded"].shape[1]
    padded = np.pad(wave, (0, 10 * held["sr"] - len(wave)))
    bands = signals.foley_mel_bands()
    power = signals.power_spectrogram(wave, n_fft=held["n_fft"], hop=held["hop"])
    ours = {
        "mel": signals.foley_log_mel(wave),
        "mel_basis": bands,
        "mel_power": bands @ np.sqrt(power),
        "mel_of_10s_padded": signals.foley_log_mel(padded)[:, :longer],
    }
    entry.compare(ours, but=["mel_if_constant_pad"])


# Layouts of the published size

PUBLISHED = {
    "specvqgan_codebook": lambda: Codebook(CodebookConfig()),
    "specvqgan_gpt_feats": lambda: sampler.Sampler(SamplerConfig()),
    "melgan_generator": lambda: melgan.Generator(MelGANConfig()),
    "melgan_discriminator": lambda: melgan.Discriminator(MelGANConfig()),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parity_of_every_key_and_shape_of_the_published_size(shared: Path, name: str) -> None:
    layout = shared / "parity" / "_full_size_keys" / f"{name}.json"
    if not layout.exists():
        pytest.skip(f"the material has no layout of {name}")
    held = json.loads(layout.read_text())
    with torch.device("meta"):
        network = PUBLISHED[name]()
    ours = {key: list(value.shape) for key, value in network.state_dict().items()}
    # The sampler's masks hold no weight; `from_released` takes them off.
    theirs = {key: shape for key, (shape, _) in held["keys"].items() if not key.endswith(".attn.mask")}
    assert ours == theirs
    assert held["n_params"] == sum(p.numel() for p in network.parameters())
