"""Spectrogram VQGAN of the published size: files of the released layout, imported, give the authors' numbers.

Weights are drawn by the material's rule, for every name and shape that the released networks have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export.specvqgan import Files, import_specvqgan  # noqa: E402
from otio_avassist import bundles  # noqa: E402
from tests.parity import entry_of, released_weights  # noqa: E402

ROWS, COLUMNS, FEATURES = 5, 53, 212
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def published(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bundle of sampler, codebook and vocoder."""
    folder = tmp_path_factory.mktemp("published")
    files = Files(
        codebook=folder / "codebook.ckpt", transformer=folder / "last.ckpt", vocoder=folder / "best_netG.pt"
    )
    weights = released_weights(entry_of(shared, "specvqgan_codebook_full_recipe"), "specvqgan_codebook")
    torch.save({"state_dict": weights, "global_step": 1}, files.codebook)
    entry = entry_of(shared, "specvqgan_gpt_feats_full_recipe")
    weights = {
        f"transformer.{key}": torch.ones_like(each).tril() if key.endswith("attn.mask") else each
        for key, each in released_weights(entry, "specvqgan_gpt_feats").items()
    }
    order = torch.arange(ROWS * COLUMNS).view(ROWS, COLUMNS).T.flatten()
    weights |= {
        "first_stage_permuter.forward_shuffle_idx": order,
        "first_stage_permuter.backward_shuffle_idx": order.argsort(),
    }
    torch.save({"state_dict": weights, "global_step": 1}, files.transformer)
    del weights
    entry = entry_of(shared, "melgan_generator_full_recipe")
    torch.save(released_weights(entry, "melgan_generator"), files.vocoder)
    import_specvqgan(files, folder / "bundle")
    for used in (files.codebook, files.transformer, files.vocoder):
        used.unlink()
    yield folder / "bundle"
    # A gigabyte and a half.
    for graph in (folder / "bundle").iterdir():
        graph.unlink()


def test_parity_of_released_codes_and_spectrograms_in_the_runtime(shared: Path, published: Path) -> None:
    entry = entry_of(shared, "specvqgan_codebook_full_recipe")
    mel = (entry.inputs()["x"][:, 0].numpy() + 1) / 2
    bundle = bundles.open_bundle(published, device="cpu")
    codes = bundle["encode"](mel=mel)["codes"]
    theirs = entry.arrays("out.")
    # Row by row, as the authors' codebook has them.
    assert codes[0].T.ravel().tolist() == theirs["indices"].tolist()
    made = bundle["decode"](codes=codes)["mel"]
    wanted = (theirs["reconstruction.flat_value"] + 1) / 2
    tolerance = entry.tolerance("reconstruction", theirs["reconstruction.flat_value"])
    index = theirs["reconstruction.flat_index"]
    np.testing.assert_allclose(made.ravel()[index], np.clip(wanted, 0, 1), rtol=0, atol=tolerance)
    assert ((wanted > 0) & (wanted < 1)).mean() > 0.1


def test_parity_of_the_released_vocoder_in_the_runtime(shared: Path, published: Path) -> None:
    entry = entry_of(shared, "melgan_generator_full_recipe")
    samples = bundles.load(published, device="cpu", graph="vocode")(mel=entry.inputs()["mel"].numpy())
    entry.compare({"wave": samples["samples"][:, None]})


def test_parity_of_the_released_sampler_in_the_runtime_and_what_8_bits_cost(
    shared: Path, published: Path
) -> None:
    entry = entry_of(shared, "specvqgan_gpt_feats_full_recipe")
    given = entry.inputs()
    condition = bundles.load(published, device="cpu", graph="condition")
    prefix = condition(features=given["feats"].transpose(1, 2).numpy())["prefix"]
    codes = given["idx"].numpy()
    in_8_bits = scores_of(published, prefix, codes)
    card = bundles.Card.read(published)
    step = replace(card.graphs["step"], int8=None)
    replace(card, graphs={**card.graphs, "step": step}).write(published)
    scores = scores_of(published, prefix, codes)
    entry.compare({"logits_codes": scores, "logits_last": scores[0, -1]})
    # In nats, of the code that comes next.
    cost = log_likelihoods(scores, codes) - log_likelihoods(in_8_bits, codes)
    assert abs(cost.mean()) < 0.05
    assert np.abs(cost).max() > 0


def scores_of(folder: Path, prefix: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """After what stands before the codes, and after each of them. Shape: (1, 1 + codes, vocabulary)."""
    loop = bundles.load(folder, device="cpu", graph="step").loop(1, FEATURES + ROWS * COLUMNS)
    scores = [loop(prefix=prefix, codes=codes[:, :0])]
    scores += [loop(prefix=prefix[:, :0], codes=codes[:, at : at + 1]) for at in range(codes.shape[1])]
    return np.stack(scores, axis=1)


def log_likelihoods(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    likely = torch.from_numpy(scores[:, :-1]).double().log_softmax(-1)
    return likely.gather(-1, torch.from_numpy(codes)[..., None])[..., 0].numpy()
