"""Foley bundles: each graph gives what PyTorch gives, and parts that don't belong together are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export.foley import (  # noqa: E402
    Ear,
    Parts,
    condition,
    export_checkpoint,
    export_foley,
    read_resnet50,
    shown,
)
from export.graphs import opened, write_checked  # noqa: E402
from models import checkpoints  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402
from models.foley import trained  # noqa: E402
from models.foley.codebook import Codebook  # noqa: E402
from models.foley.config import ClassifierConfig, CodebookConfig, MelGANConfig, SamplerConfig  # noqa: E402
from models.foley.melgan import Generator  # noqa: E402
from models.foley.resnet import ResNet50  # noqa: E402
from models.foley.sampler import Sampler  # noqa: E402
from otio_avassist import bundles, generator  # noqa: E402

ROWS, COLUMNS, CODES = 5, 4, 16
SOUNDS = ("dog", "train", "rain")
WIDTH = 64
"""Numbers in a row of features."""
WORDS = {"network": "small", "version": "1", "training": {"seed": 0}, "figures": {}}


def codebook(codes: int = CODES) -> Codebook:
    config = CodebookConfig(
        codes, 4, channels=4, multipliers=(1, 1, 1, 1, 2), blocks=1, attention_at=(COLUMNS,), groups=2,
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


# Shown no pictures


@torch.inference_mode()
@pytest.mark.parametrize("classes", [None, 3], ids=["no class", "class"])
def test_a_sampler_that_learnt_from_noise_is_shown_the_middle_of_it(
    classes: int | None, tmp_path: Path
) -> None:
    given = replace(
        parts(1, classes), features=shown({"extractor": "noise", "count": 1, "width": WIDTH}, None)
    )
    assert given.features is None
    graph, _ = write_checked(tmp_path, "condition", condition(given))
    told = {"class": torch.tensor([2, 0])} if classes else {}
    assert graph.inputs.keys() == told.keys()
    session = opened(tmp_path / graph.file)
    [found] = session.run(None, {name: each.numpy() for name, each in told.items()})
    middle = torch.full((2 if classes else 1, WIDTH, 1), 0.5)
    assert near(found, given.sampler.prefix(middle, told["class"][:, None] if classes else None))


def test_a_bundle_that_is_shown_no_pictures_makes_sound(tmp_path: Path) -> None:
    given = replace(parts(1, None, vocoder=vocoder(), int8=False), features=None)
    card = export_foley(given, tmp_path / "bundle")
    assert card.preprocessing["features"] is None
    assert card.graphs["condition"].inputs == {}
    made = generator.Generator(bundles.open_bundle(tmp_path / "bundle", device="cpu"))
    assert made.eyes is None
    parts_ = made.parts(1.2)
    assert len(parts_) > 1
    one, again = (
        np.concatenate(
            [*made.make(parts_, None, sound=None, randoms=[*map(np.random.default_rng, (0, 1))])], 1
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, again)
    assert one.shape == (2, 7 * 16 * 256)
    assert not np.array_equal(*one)


# Refused


FILES = {name: Path(f"{name}.pt") for name in ("sampler", "codebook", "vocoder", "classifier", "ResNet-50")}
REFUSED: dict[str, tuple[Callable[[], Parts], str]] = {
    "codes": (
        lambda: replace(parts(), codebook=codebook(8)),
        "codebook.pt, codebook: wanted 16 codes, as the sampler says them, there is 8",
    ),
    "rows": (
        lambda: replace(parts(), sampler=changed(parts().sampler, rows=3)),
        "sampler.pt, sampler: wanted 80 bands, 16 to a row of codes, there is 48",
    ),
    "names": (
        lambda: replace(parts(), sounds=SOUNDS[:2]),
        "sampler.pt, sampler: wanted 3 names of sounds, as its class token has kinds, there is 2",
    ),
    "names without a token": (
        lambda: replace(parts(5, None), sounds=SOUNDS),
        "sampler.pt, sampler: wanted 0 names of sounds, as its class token has kinds, there is 3",
    ),
    "positions": (
        lambda: replace(parts(), sampler=changed(parts().sampler, positions=20)),
        "sampler.pt, sampler: wanted 26 positions for its condition and its codes, there is 20",
    ),
    "features": (
        lambda: replace(parts(), features={**parts().features, "width": 2048}),
        "sampler.pt, sampler: wanted (5, 64) rows and numbers of features, there is (5, 2048)",
    ),
    "classes": (
        lambda: parts(ear=ear(classes=("cat", *SOUNDS[1:]))),
        "classifier.pt, classifier: wanted ('dog', 'train', 'rain') as classes, which are the sampler's, "
        "there is ('cat', 'train', 'rain')",
    ),
    "columns": (
        lambda: parts(ear=ear(columns=848)),
        "classifier.pt, classifier: wanted 64 columns of a spectrogram, there is 848",
    ),
    "statistics": (
        lambda: parts(ear=replace(ear(), statistics=torch.ones(64, 2))),
        "classifier.pt, classifier: wanted (80, 2) as mean and deviation of each band, there is (64, 2)",
    ),
    "bands": (
        lambda: parts(vocoder=vocoder(mels=64)),
        "vocoder.pt, vocoder: wanted 80 bands, there is 64",
    ),
    "hop": (
        lambda: parts(vocoder=vocoder(ratios=(8, 8, 2))),
        "vocoder.pt, vocoder: wanted 256 samples a column, there is 128",
    ),
    "eyes": (
        lambda: parts(eyes=ResNet50(divisor=64)),
        "ResNet-50.pt, ResNet-50: wanted 64 numbers a picture, as the sampler takes, there is 32",
    ),
    "nothing to see": (
        lambda: parts(None, 3, eyes=ResNet50(divisor=32)),
        "sampler.pt, sampler: wanted one that is shown pictures, for ResNet-50 to see them, there is one "
        "that is shown none",
    ),
}  # fmt: skip


def changed(sampler: Sampler, **numbers: int) -> Sampler:
    """With another config."""
    sampler.config = replace(sampler.config, **numbers)
    return sampler


@pytest.mark.parametrize("name", REFUSED)
def test_parts_that_do_not_belong_together_are_refused(name: str, tmp_path: Path) -> None:
    make, said = REFUSED[name]
    with pytest.raises(CheckpointError) as refused:
        export_foley(replace(make(), files=FILES), tmp_path / "bundle")
    assert str(refused.value) == f"these don't belong together: {said}"
    assert not [*tmp_path.iterdir()]


def test_all_that_does_not_fit_is_told_at_once_and_what_stood_there_stays(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "card.json").write_text("{}")
    given = replace(parts(vocoder=vocoder(mels=64)), codebook=codebook(8))
    with pytest.raises(
        CheckpointError, match=r"^these don't belong together: codebook: wanted 16.*; vocoder: "
    ):
        export_foley(given, tmp_path / "bundle")
    assert (tmp_path / "bundle" / "card.json").read_text() == "{}"


@pytest.fixture
def trainings(tmp_path: Path) -> dict[str, Path]:
    """What trainings leave behind, as `export_checkpoint` is given it."""
    given = parts()
    weights = {
        f"{name}.{key}": each
        for name, network in (("sampler", given.sampler), ("codebook", given.codebook))
        for key, each in network.state_dict().items()
    }
    features = {"extractor": "resnet50", "step_s": 0.1, "count": 5, "width": WIDTH, "rows": 24}
    config = {"sampler": given.sampler.config.to_dict(), "codebook": given.codebook.config.to_dict()}
    config |= {"classes": list(SOUNDS), "features": features}
    checkpoints.save(tmp_path / "sampler.pt", config, weights)
    (tmp_path / "figures.json").write_text(json.dumps(WORDS))
    made = vocoder(mels=64)
    checkpoints.save(tmp_path / "other_bands.pt", {"vocoder": made.config.to_dict()}, made.state_dict())
    return {"checkpoint": tmp_path / "sampler.pt", "out": tmp_path / "bundle"}


def classifier_of(path: Path, **others: Any) -> Path:
    hears = ear()
    config = {
        "network": "vggishish", "classifier": hears.network.config.to_dict(), "classes": [*SOUNDS],
        "statistics": hears.statistics.tolist(), **others,
    }  # fmt: skip
    checkpoints.save(path, config, hears.network.state_dict())
    return path


def test_a_file_that_does_not_fit_is_named(trainings: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"other_bands\.pt, vocoder: wanted 80 bands, there is 64"):
        export_checkpoint(**trainings, vocoder=tmp_path / "other_bands.pt")
    hears = classifier_of(tmp_path / "hears.pt", classes=["cat", "train", "rain"])
    with pytest.raises(CheckpointError, match=r"hears\.pt, classifier: wanted \('dog', .* there is \('cat',"):
        export_checkpoint(**trainings, classifier=hears)
    hears = classifier_of(tmp_path / "hears.pt", classes=["dog", "train"])
    with pytest.raises(CheckpointError, match=r"hears\.pt: wanted 3 names of sounds, there is 2"):
        export_checkpoint(**trainings, classifier=hears)
    with pytest.raises(CheckpointError, match=r"other_bands\.pt: not a checkpoint of a classifier"):
        export_checkpoint(**trainings, classifier=tmp_path / "other_bands.pt")
    with pytest.raises(CheckpointError, match=r"none\.json: wanted what training measured"):
        export_checkpoint(**trainings, figures=tmp_path / "none.json")


def resnet50(path: Path, change: Callable[[dict[str, Any]], Any] = lambda weights: None) -> Path:
    weights = dict(ResNet50(classes=10).state_dict())
    change(weights)
    torch.save(weights, path)
    return path


def test_resnet_50_is_read_with_and_without_a_classifier_and_counters(tmp_path: Path) -> None:
    def bare(weights: dict[str, Any]) -> None:
        for name in [*weights]:
            if name.startswith("fc.") or name.endswith("num_batches_tracked"):
                del weights[name]

    assert read_resnet50(resnet50(tmp_path / "whole.pt")).fc.out_features == 10
    found = read_resnet50(resnet50(tmp_path / "bare.pt", bare))
    assert (found.fc, found.channels, found.training) == (None, 2048, False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda held: held.pop("layer3.2.conv2.weight"), r"missing layer3\.2\.conv2\.weight"),
        (lambda held: held.update(layer5=torch.zeros(1)), "unknown layer5"),
        # Half as wide: another network of the same layers.
        (
            lambda held: held.update({"conv1.weight": torch.zeros(32, 3, 7, 7)}),
            r"conv1\.weight: the network has \(64, 3, 7, 7\), the file \(32, 3, 7, 7\)",
        ),
        (lambda held: held.update({"fc.weight": torch.zeros(())}), r"unknown fc\.bias; unknown fc\.weight"),
        (
            lambda held: held.update({"fc.bias": torch.zeros(9)}),
            r"fc\.bias: the network has \(10,\), the file",
        ),
        (lambda held: held.update(epoch=3), "not weights: epoch"),
    ],
)
def test_what_is_not_resnet_50_is_refused_by_what_is_wrong(
    change: Callable[[dict[str, Any]], Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=rf"eyes\.pt: .*{said}"):
        read_resnet50(resnet50(tmp_path / "eyes.pt", change))


def test_a_file_that_holds_no_weights_at_all_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.pt: no such file"):
        read_resnet50(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("resnet")
    with pytest.raises(CheckpointError, match=r"text\.pt: not a checkpoint"):
        read_resnet50(tmp_path / "text.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match=r"list\.pt: wanted weights by name, there is list"):
        read_resnet50(tmp_path / "list.pt")
