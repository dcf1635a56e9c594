"""Foley bundles: each graph gives what PyTorch gives, and parts that don't belong together are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export.foley import Ear, Parts, export_foley, shown  # noqa: E402
from models.foley import trained  # noqa: E402
from models.foley.codebook import Codebook  # noqa: E402
from models.foley.config import ClassifierConfig, CodebookConfig, MelGANConfig, SamplerConfig  # noqa: E402
from models.foley.melgan import Generator  # noqa: E402
from models.foley.resnet import ResNet50  # noqa: E402
from models.foley.sampler import Sampler  # noqa: E402
from otio_avassist import bundles  # noqa: E402

ROWS, COLUMNS, CODES = 5, 4, 16
SOUNDS = ("dog", "train", "rain")
WIDTH = 64
"""Numbers in a row of features."""
WORDS = {"network": "small", "version": "1", "training": {"seed": 0}, "figures": {}}


def codebook() -> Codebook:
    config = CodebookConfig(
        CODES, 4, channels=4, multipliers=(1, 1, 1, 1, 2), blocks=1, attention_at=(COLUMNS,), groups=2,
        resolution=16 * COLUMNS,
    )  # fmt: skip
    return Codebook(config).eval()


def a_sampler(features: int | None, classes: int | None) -> Sampler:
    config = SamplerConfig(
        CODES, (features or 0) + bool(classes) + ROWS * COLUMNS, layers=2, heads=2, width=32,
        feature_width=WIDTH if features else None, features=features or 0, classes=classes,
        rows=ROWS, columns=COLUMNS,
    )  # fmt: skip
    network = Sampler(config).eval()
    # Positions begin as zeros, and would hide that one was taken for another.
    torch.nn.init.normal_(network.pos_emb, std=0.5)
    for name, weight in network.named_parameters():
        if weight.dim() == 2 and "emb" not in name:
            torch.nn.init.normal_(weight, std=0.2)
    return network


def parts(features: int | None = 5, classes: int | None = 3, **others: Any) -> Parts:
    """Of a small bundle; `features`: how many rows it is shown, None for none at all."""
    torch.manual_seed(3)
    card = {"extractor": "resnet50", "step_s": 0.1, "count": features, "width": WIDTH}
    return Parts(
        a_sampler(features, classes),
        codebook(),
        WORDS,
        SOUNDS[: classes or 0],
        shown(card if features else None, None),
        **others,
    )


def ear(network: str = "vggishish", classes: tuple[str, ...] = SOUNDS, columns: int = 16 * COLUMNS) -> Ear:
    config = ClassifierConfig(len(classes), columns=columns, divisor=32)
    statistics = torch.rand(80, 2) + 0.5
    return Ear(trained.classifier(network, config).eval(), statistics, classes, columns)


def vocoder(**numbers: Any) -> Generator:
    return Generator(MelGANConfig(channels=2, residual=1, **numbers)).eval()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Parts, Path]:
    """A bundle with every graph that there is."""
    torch.manual_seed(4)
    eyes = ResNet50(divisor=32).eval()
    given = parts(vocoder=vocoder(), ear=ear(), eyes=eyes)
    given = replace(given, features={**given.features, "extractor": "resnet50"})
    out = tmp_path_factory.mktemp("whole") / "bundle"
    export_foley(given, out)
    return given, out


def asked(folder: Path, graph: str, output: str, **inputs: Any) -> np.ndarray:
    model = bundles.load(folder, device="cpu", graph=graph)
    return model(**{name: np.asarray(value) for name, value in inputs.items()})[output]


def near(found: np.ndarray, wanted: torch.Tensor) -> bool:
    return np.allclose(found, wanted.numpy(), rtol=0, atol=1e-5 * float(wanted.abs().max()))


@torch.inference_mode()
def test_each_graph_gives_what_its_network_gives(whole: tuple[Parts, Path]) -> None:
    given, folder = whole
    assert bundles.Card.read(folder).graphs.keys() == {
        "condition", "step", "decode", "encode", "vocode", "hear", "features"
    }  # fmt: skip
    codes, mel = torch.randint(0, CODES, (2, 9, ROWS)), torch.rand(2, 80, 16 * COLUMNS)
    heard = given.codebook.decode_codes(codes.mT)[:, 0].clamp(-1, 1) / 2 + 0.5
    assert near(asked(folder, "decode", "mel", codes=codes), heard)
    by_rows = given.codebook.encode(2 * mel[:, None] - 1)[2].unflatten(1, (ROWS, COLUMNS))
    np.testing.assert_array_equal(asked(folder, "encode", "codes", mel=mel), by_rows.mT)
    assert near(asked(folder, "vocode", "samples", mel=mel), given.vocoder(mel)[:, 0])
    mean, deviation = given.ear.statistics[:, 0, None], given.ear.statistics[:, 1, None]
    chances = given.ear.network(((mel - mean) / deviation)[:, None]).softmax(-1)
    assert near(np.exp(asked(folder, "hear", "heard", mel=mel)), chances)
    frames = torch.randn(3, 3, 224, 224)
    assert near(asked(folder, "features", "features", frames=frames), given.eyes(frames))


@pytest.mark.parametrize(("features", "classes"), [(1, None), (24, 3)], ids=["no class", "class"])
def test_a_bundle_says_the_codes_that_its_sampler_says(
    features: int, classes: int | None, tmp_path: Path
) -> None:
    given = parts(features, classes)
    card = export_foley(given, tmp_path / "bundle")
    assert card.preprocessing["capacity"] == features + bool(classes) + ROWS * COLUMNS
    said_as_in_pytorch(given, tmp_path / "bundle", features)


def test_a_class_alone_is_enough_to_begin_with(tmp_path: Path) -> None:
    given = parts(None, 3, int8=False)
    card = export_foley(given, tmp_path / "bundle")
    assert card.preprocessing["features"] is None
    assert card.graphs["condition"].inputs.keys() == {"class"}
    assert card.graphs["step"].int8 is None
    said_as_in_pytorch(given, tmp_path / "bundle", 0)


@torch.inference_mode()
def said_as_in_pytorch(given: Parts, folder: Path, features: int) -> None:
    """Two at once, as many codes as there is room for: by 32 bits the same scores, by 8 nearly so."""
    config = given.sampler.config
    told: dict[str, torch.Tensor] = {}
    if features:
        told["features"] = torch.rand(2, features, WIDTH)
    if config.classes:
        told["class"] = torch.tensor([2, 0])
    prefix = given.sampler.prefix(
        told["features"].mT if features else None, told["class"][:, None] if config.classes else None
    )
    assert near(asked(folder, "condition", "prefix", **told), prefix)
    wanted = given.sampler.sample(prefix, config.window, top_k=1)
    scores = teacher_forced(folder, prefix, wanted)
    logits = given.sampler._logits(prefix, wanted[:, :-1])[0][:, prefix.shape[1] - 1 :]
    if (folder / "step.int8.onnx").exists():
        # The CPU is asked in 8 bits.
        assert 0 < np.abs(scores - logits.numpy()).max() < 0.1 * float(logits.abs().max())
    else:
        assert near(scores, logits)


def teacher_forced(folder: Path, prefix: torch.Tensor, codes: torch.Tensor) -> np.ndarray:
    """Scores of every code, each after the true ones before it: (B, t, V)."""
    loop = bundles.load(folder, device="cpu", graph="step").loop(2, prefix.shape[1] + codes.shape[1])
    found = [loop(prefix=prefix.numpy(), codes=codes[:, :0].numpy())]
    nothing = prefix[:, :0].numpy()
    for at in range(codes.shape[1] - 1):
        found.append(loop(prefix=nothing, codes=codes[:, at : at + 1].numpy()))
    return np.stack([each.copy() for each in found], axis=1)
