"""The step of foley's sampler: 32 bits as PyTorch, 8 bits nearly so, in a quarter of the bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from bench.foley import sampler as bench  # noqa: E402
from export.graphs import describe  # noqa: E402
from export.quantise import eight_bits  # noqa: E402
from export.step import write_step  # noqa: E402
from models.foley.config import SamplerConfig  # noqa: E402
from models.foley.sampler import Sampler  # noqa: E402
from otio_avassist import bundles  # noqa: E402

BATCH, SHOWN, COUNT = 2, 3, 20


@pytest.fixture(scope="module")
def network() -> Sampler:
    torch.manual_seed(0)
    config = SamplerConfig(
        64, SHOWN + COUNT, layers=3, heads=4, width=256, feature_width=8, features=SHOWN, rows=5, columns=4
    )
    network = Sampler(config).eval()
    for weight in network.parameters():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
    torch.nn.init.normal_(network.pos_emb, std=0.3)
    return network


def test_each_number_is_off_by_half_a_step_of_its_own_column_at_most() -> None:
    matrix = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32) * [1e-3, 1, 10, 1e3, 1, 0]
    steps, scales = eight_bits(matrix)
    assert steps.dtype == np.int8
    assert np.abs(steps).max(axis=0).tolist() == [127, 127, 127, 127, 127, 0]
    assert (np.abs(steps * scales - matrix) <= scales * 0.501).all()


@pytest.mark.parametrize(("int8", "allowed"), [(False, 1e-5), (True, 0.04)], ids=["32 bits", "8 bits"])
def test_a_code_after_the_other_scores_as_the_whole_sequence_does(network, tmp_path, int8, allowed) -> None:
    model = stepping(network, tmp_path, int8=int8)
    draw = torch.Generator().manual_seed(1)
    features = torch.randn(BATCH, 8, SHOWN, generator=draw)
    codes = torch.randint(0, 64, (BATCH, COUNT), generator=draw)
    with torch.no_grad():
        wanted = network(codes, features)[:, SHOWN - 1 : -1].numpy()
        prefix = network.prefix(features).numpy()
    loop = model.loop(BATCH, SHOWN + COUNT)
    scores = [loop(prefix=prefix, codes=codes[:, :4].numpy())]
    scores += [loop(prefix=prefix[:, :0], codes=codes[:, at : at + 1].numpy()) for at in range(4, COUNT - 1)]
    assert np.abs(np.stack(scores, axis=1) - wanted[:, 4:]).max() <= allowed * np.abs(wanted).max()


def test_8_bits_are_a_quarter_of_the_bytes(network, tmp_path) -> None:
    whole, small = (tmp_path / name for name in ("whole", "small"))
    for folder, int8 in ((whole, False), (small, True)):
        folder.mkdir()
        write_step(network, folder / "step.onnx", int8=int8)
    matrices = sum(weight.numel() for name, weight in network.named_parameters() if is_matrix(name, weight))
    saved = bench.weights(network, whole) - bench.weights(network, small)
    # A step for each column, and more nodes' names: no more than a hundredth.
    assert 3 * matrices * 0.97 <= saved <= 3 * matrices


def is_matrix(name: str, weight: torch.Tensor) -> bool:
    return weight.dim() == 2 and not name.startswith(("tok_emb", "embedder"))


def stepping(network: Sampler, folder: Path, *, int8: bool) -> bundles.Model:
    write_step(network, folder / "step.onnx", int8=int8)
    bundles.Card("foley", "a sampler", "1", {"step": describe(folder / "step.onnx")}, {}).write(folder)
    return bundles.load(folder, device="cpu", graph="step")


def test_the_bench_counts_likelihoods_as_pytorch_does() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(bench.CODES, 1, 7)) * 9
    codes = rng.integers(0, 7, (1, bench.CODES))
    wanted = torch.nn.functional.cross_entropy(
        torch.from_numpy(scores[:, 0]), torch.from_numpy(codes[0]), reduction="none"
    )
    np.testing.assert_allclose(bench.log_likelihoods(list(scores), codes), -wanted.numpy())


def test_codes_that_were_not_timed_are_reckoned_from_their_neighbours(monkeypatch) -> None:
    """A way that takes 2 s and a hundredth for each code before it takes 265 * 2 + 264 * 265 / 200 s."""
    monkeypatch.setattr(bench, "quickest", lambda ask: float(ask()[0, 0]))

    def network(codes: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        return torch.full((1, 1, 1), 2 + codes.shape[1] / 100)

    took = bench.reckoned(network, torch.zeros(1, 3, 8))
    assert took == pytest.approx(265 * 2 + 264 * 265 / 200)
