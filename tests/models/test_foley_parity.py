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
from models.foley import melgan, metrics, sampler  # noqa: E402
from models.foley.codebook import Codebook, perplexity  # noqa: E402
from models.foley.config import ClassifierConfig, CodebookConfig, MelGANConfig, SamplerConfig  # noqa: E402
from models.foley.losses import CodebookLoss, Weights  # noqa: E402
from models.foley.lpaps import LPAPS  # noqa: E402
from models.foley.melception import TAPS, Melception  # noqa: E402
from models.foley.patchgan import PatchGAN  # noqa: E402
from models.foley.resnet import ResNet50  # noqa: E402
from models.foley.vggishish import VGGishish  # noqa: E402
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


# What the codebook is trained by


def patchgan_of(held: dict[str, Any]) -> PatchGAN:
    assert not held["use_actnorm"]
    return PatchGAN(channels=held["ndf"], layers=held["n_layers"])


@torch.inference_mode()
def test_parity_of_the_codebooks_judge(shared: Path) -> None:
    entry = entry_of(shared, "patchgan_discriminator")
    network = filled(patchgan_of(entry.hyperparameters), entry)
    entry.compare({"logits": network(entry.inputs()["x"]).numpy()})


@torch.inference_mode()
def test_parity_of_the_perceptual_distance(shared: Path) -> None:
    entry = entry_of(shared, "lpaps")
    given = entry.inputs()
    network = filled(LPAPS(mels=given["a"].shape[2], divisor=entry.hyperparameters["width_divisor"]), entry)
    seen = network.features(given["a"])
    ours = {
        "distance": network(given["a"], given["b"]),
        "feat0_mean": seen[0].mean(dim=(2, 3)),
        "feat4": seen[4],
    }
    entry.compare(as_numpy(ours))


def loss_entries(shared: Path) -> list[Entry]:
    folders = sorted((shared / "parity").glob("specvqgan_loss_step*"))
    return [entry_of(shared, folder.name) for folder in folders] or pytest.skip("the material has no losses")


def test_parity_of_the_losses_and_gradients_of_a_training_step(shared: Path) -> None:
    """Before and after the judge counts, with gradients balanced and not."""
    weights = entry_of(shared, "specvqgan_loss_weights").weights({})
    for entry in loss_entries(shared):
        held, x = entry.hyperparameters, entry.inputs()["x"]
        network = Codebook(CodebookConfig.from_released(held["vq"]))
        loss = CodebookLoss(
            patchgan_of(held["disc"]),
            LPAPS(mels=x.shape[2], divisor=held["vgg_width_divisor"]),
            Weights(
                pixels=held["pixelloss_weight"],
                perceptual=held["perceptual_weight"],
                codebook=held["codebook_weight"],
                judge=held["disc_weight"] * held["disc_factor"],
                judge_from=held["disc_start"],
                balance=(held["min_adapt_weight"], held["max_adapt_weight"]),
            ),
        )
        parts = {"vq.": network.eval(), "lpaps.": loss.perceptual_loss, "discriminator.": loss.discriminator}
        for prefix, part in parts.items():
            own = {
                key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)
            }
            checkpoints.fill(part, own, source=prefix)
        reconstruction, quantised = network(x)
        # Judged are the authors' very numbers: in a corner of LPAPS's (a maximum that changes places) a
        # difference of 1e-6 changes gradients by 1e-3.
        theirs = torch.from_numpy(entry.arrays("out.")["reconstruction"])
        made = reconstruction + (theirs - reconstruction).detach()
        last = network.decoder.conv_out.weight
        found = loss.generator(x, made, quantised, held["global_step"], last)
        found.total.backward()
        loss.discriminator.zero_grad()
        judged = loss.judge(x, made, held["global_step"])
        judged.total.backward()
        ours = {
            "ae_loss": found.total,
            "disc_loss": judged.total,
            "reconstruction": reconstruction,
            "quant_loss": quantised,
            "log_total_loss": found.total,
            "log_quant_loss": found.codebook,
            "log_nll_loss": found.reconstruction,
            "log_rec_loss": found.reconstruction,
            "log_p_loss": found.perceptual,
            "log_d_weight": found.judge_weight,
            "log_disc_factor": torch.tensor(found.judge_counts),
            "log_g_loss": found.judge,
            "log_disc_loss": judged.total,
            "log_logits_real": judged.real,
            "log_logits_fake": judged.fake,
            "grad_encoder.conv_in.weight": network.encoder.conv_in.weight.grad,
            "grad_decoder.conv_out.weight": last.grad,
            "grad_quantize.embedding.weight": network.quantize.embedding.weight.grad,
            "grad_disc_main.0.weight": loss.discriminator.main[0].weight.grad,
        }
        entry.compare(as_numpy(ours))


# What judges sounds, and what describes pictures


@torch.inference_mode()
def test_parity_of_vggishish(shared: Path) -> None:
    entry = entry_of(shared, "vggishish")
    held, x = entry.hyperparameters, entry.inputs()["x"].unsqueeze(1)
    network = filled(
        VGGishish(ClassifierConfig(classes=held["num_classes"], divisor=held["width_divisor"])), entry
    )
    entry.compare(as_numpy({"features": network.features(x), "logits": network(x)}))


@pytest.mark.parametrize("name", ["melception", "melception_full_recipe"])
@torch.inference_mode()
def test_parity_of_melception(shared: Path, name: str) -> None:
    entry = entry_of(shared, name)
    held, x = entry.hyperparameters, entry.inputs()["x"].unsqueeze(1)
    config = ClassifierConfig(classes=held["num_classes"], divisor=held.get("width_divisor", 1))
    found = filled(Melception(config), entry).taps(x)
    theirs = entry.arrays("out.")
    names = {tap: f"f{tap}" if tap.isdigit() else tap for tap in TAPS}
    # The authors keep two axes of size 1 after the first three.
    entry.compare(
        {
            name: found[tap].numpy().reshape(theirs[name].shape)
            for tap, name in names.items()
            if name in theirs
        }
    )


@torch.inference_mode()
def test_parity_of_resnet50(shared: Path) -> None:
    entry = entry_of(shared, "resnet50")
    classes = entry.arrays("out.")["logits"].shape[1]
    network = filled(ResNet50(classes=classes, divisor=entry.hyperparameters["width_divisor"]), entry)
    features = network(entry.inputs()["x"])
    entry.compare({"features": features.numpy(), "logits": network.classify(features).numpy()})


def test_parity_of_the_metrics(shared: Path) -> None:
    entry = entry_of(shared, "specvqgan_eval_metrics")
    held, given = entry.hyperparameters, entry.arrays("in.")
    kernel, score = held["kid"], held["isc"]
    distance = metrics.kernel_distance(
        given["feats_a"],
        given["feats_b"],
        subsets=kernel["subsets"],
        size=kernel["subset_size"],
        seed=kernel["rng_seed"],
    )
    varied = metrics.inception_score(given["logits_fake"], splits=score["splits"], seed=score["rng_seed"])
    takes = len(given["logits_fake"]) // len(given["logits_real"])
    ours = {
        "frechet_inception_distance": metrics.frechet_distance(given["feats_a"], given["feats_b"]),
        "kernel_inception_distance_mean": distance[0],
        "kernel_inception_distance_std": distance[1],
        "inception_score_mean": varied[0],
        "inception_score_std": varied[1],
        "kullback_leibler_divergence": metrics.mean_kl(
            np.repeat(given["logits_real"], takes, axis=0), given["logits_fake"]
        ),
    }
    entry.compare({name: np.array(value) for name, value in ours.items()})


# Layouts of the published size

PUBLISHED = {
    "specvqgan_codebook": lambda: Codebook(CodebookConfig()),
    "specvqgan_gpt_feats": lambda: sampler.Sampler(SamplerConfig()),
    "melgan_generator": lambda: melgan.Generator(MelGANConfig()),
    "melgan_discriminator": lambda: melgan.Discriminator(MelGANConfig()),
    "specvqgan_patchgan_discriminator": PatchGAN,
    "melception": lambda: Melception(ClassifierConfig()),
    "vggishish16": lambda: VGGishish(ClassifierConfig()),
    "resnet50": lambda: ResNet50(classes=1000),
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
