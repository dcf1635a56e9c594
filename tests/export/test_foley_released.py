"""Spectrogram VQGAN's checkpoints as the authors released them -> bundles."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export import specvqgan  # noqa: E402
from export.foley import Parts, VocodeGraph  # noqa: E402
from export.specvqgan import Files, import_specvqgan  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402
from models.foley.codebook import Codebook  # noqa: E402
from models.foley.config import ClassifierConfig, CodebookConfig, MelGANConfig, SamplerConfig  # noqa: E402
from models.foley.lpaps import LPAPS  # noqa: E402
from models.foley.melception import Melception  # noqa: E402
from models.foley.melgan import Generator, fold  # noqa: E402
from models.foley.patchgan import PatchGAN  # noqa: E402
from models.foley.sampler import Sampler  # noqa: E402
from models.foley.vggishish import VGGishish  # noqa: E402
from otio_avassist import bundles, generator  # noqa: E402

ROWS, COLUMNS, CODES, HEADS = 5, 6, 32, 2
CODEBOOK = CodebookConfig(
    CODES, 32, channels=32, multipliers=(1, 1, 1, 1, 2), blocks=1, attention_at=(COLUMNS,), resolution=96
)
MELGAN = MelGANConfig(channels=2, residual=2)
STATISTICS = np.stack([np.linspace(0.3, 0.6, 80), np.linspace(0.1, 0.2, 80)], axis=1).astype(np.float32)
SOUNDS = ("dog barking", "train horning", "raining")


def sampler_config(features: int | None = 4, classes: int | None = None) -> SamplerConfig:
    return SamplerConfig(
        CODES, (features or 0) + bool(classes) + ROWS * COLUMNS, layers=2, heads=HEADS, width=16,
        feature_width=12 if features else None, features=features or 0, classes=classes,
        rows=ROWS, columns=COLUMNS,
    )  # fmt: skip


def codebook_weights() -> dict[str, Any]:
    torch.manual_seed(1)
    lpaps = LPAPS(divisor=32)
    lpaps.standardise(torch.from_numpy(STATISTICS))
    parts = {
        "": Codebook(CODEBOOK),
        "loss.perceptual_loss.": lpaps,
        "loss.discriminator.": PatchGAN(channels=4),
    }
    return {f"{name}{key}": each for name, part in parts.items() for key, each in part.state_dict().items()}


def transformer_weights(config: SamplerConfig, columns: int = COLUMNS) -> dict[str, Any]:
    """Beside the sampler: a mask in each layer, its codebook, and the order of its codes."""
    torch.manual_seed(2)
    weights = {f"transformer.{key}": each for key, each in Sampler(config).state_dict().items()}
    side = config.positions
    for number in range(config.layers):
        weights[f"transformer.blocks.{number}.attn.mask"] = torch.ones(1, 1, side, side).tril()
    own = {key: each for key, each in codebook_weights().items() if not key.startswith("loss.")}
    weights |= {f"first_stage_model.{key}": each for key, each in own.items()}
    order = torch.arange(ROWS * columns).view(ROWS, columns).T.flatten()
    weights["first_stage_permuter.forward_shuffle_idx"] = order
    weights["first_stage_permuter.backward_shuffle_idx"] = order.argsort()
    return weights


def saved(path: Path, weights: dict[str, Any]) -> Path:
    """Write a checkpoint as Lightning 1.2 does, which names classes of its own in it."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    module = types.ModuleType(name)
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})  # type: ignore[attr-defined]
    held = {
        "epoch": 3, "global_step": 100, "pytorch-lightning_version": "1.2.10", "state_dict": weights,
        "callbacks": {module.ModelCheckpoint: {"best_model_score": torch.tensor(0.5), "dirpath": "logs"}},
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-5}]}], "lr_schedulers": [],
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as there:
        there.setitem(sys.modules, name, module)
        for outer in ("pytorch_lightning", "pytorch_lightning.callbacks"):
            there.setitem(sys.modules, outer, types.ModuleType(outer))
        torch.save(held, path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    torch.manual_seed(3)
    vocoder, names = tmp_path / "best_netG.pt", tmp_path / "names.txt"
    torch.save(Generator(MELGAN).state_dict(), vocoder)
    names.write_text("\n".join(SOUNDS) + "\n")
    return {
        "transformer": saved(tmp_path / "sampler.ckpt", transformer_weights(sampler_config())),
        "codebook": saved(tmp_path / "codebook.ckpt", codebook_weights()),
        "vocoder": vocoder,
    }


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """What files become, without making graphs of it."""
    found: list[Parts] = []
    monkeypatch.setattr(specvqgan, "export_foley", lambda parts, out: found.append(parts))

    def read(files: dict[str, Path], **how: Any) -> Parts:
        import_specvqgan(Files(**files), tmp_path / "bundle", **{"heads": HEADS, **how})
        return found.pop()

    return read


def classifier(path: Path, network: Any) -> Path:
    torch.save({"model": network.state_dict(), "epoch": 1, "metrics": {"top1": np.float64(0.4)}}, path)
    return path


def test_sizes_are_read_from_shapes_and_every_weight_has_its_place(files, read) -> None:
    parts = read(files)
    assert parts.sampler.config == sampler_config()
    assert parts.codebook.config == CODEBOOK
    # How sound is judged in training stands in no file of the vocoder.
    assert parts.vocoder.config == MELGAN
    theirs = transformer_weights(sampler_config())
    for prefix, network in (("transformer.", parts.sampler), ("first_stage_model.", parts.codebook)):
        for key, each in network.state_dict().items():
            assert torch.equal(each, theirs[prefix + key])
    assert parts.features == {
        "extractor": "file", "output": "features", "step_s": 1 / 21.5, "count": 4, "width": 12,
        "pick": "resample", "made_by": "as released",
    }  # fmt: skip
    assert parts.words["training"]["files"]["codebook"].startswith("codebook.ckpt, sha256 ")


@pytest.mark.parametrize(("features", "classes"), [(1, None), (None, 3), (4, 3)])
def test_the_condition_is_read_from_shapes_too(files, read, tmp_path, features, classes) -> None:
    config = sampler_config(features, classes)
    files["transformer"] = saved(tmp_path / "other.ckpt", transformer_weights(config))
    if classes:
        with pytest.raises(CheckpointError, match="know 3 kinds of sound by number: wanted their names"):
            read(files)
        files["classes"] = tmp_path / "names.txt"
    parts = read(files)
    assert parts.sampler.config == config
    assert parts.sounds == (SOUNDS if classes else ())


def test_the_codebook_in_the_samplers_file_will_do(files, read) -> None:
    del files["codebook"]
    assert read(files).codebook.config == CODEBOOK


def test_features_that_were_noise_are_no_pictures(files, read) -> None:
    assert read(files, pictures=False).features is None


@pytest.mark.parametrize("name", ["melception", "vggishish"])
def test_a_classifier_standardises_as_the_codebooks_file_says(files, read, tmp_path, name) -> None:
    kind = {"melception": Melception, "vggishish": VGGishish}[name]
    files[name] = classifier(tmp_path / "hears.pt", kind(ClassifierConfig(3, divisor=32)))
    files["classes"] = tmp_path / "names.txt"
    ear = read(files).ear
    assert (ear.classes, ear.columns) == (SOUNDS, 96)
    np.testing.assert_allclose(ear.statistics, STATISTICS, atol=1e-6)
    table = tmp_path / "means_stds.txt"
    np.savetxt(table, STATISTICS[::-1])
    np.testing.assert_allclose(read({**files, "statistics": table}).ear.statistics, STATISTICS[::-1])
    del files["codebook"]
    with pytest.raises(CheckpointError, match="wants mean and deviation of each band"):
        read(files)
    table.write_text("0.5 0.1\n")
    with pytest.raises(CheckpointError, match=r"means_stds\.txt: wanted 80 means"):
        read({**files, "statistics": table})


def test_each_weight_that_does_not_fit_is_named(files, read, tmp_path) -> None:
    weights = transformer_weights(sampler_config())
    weights["transformer.ln_f.bias"] = torch.zeros(9)
    weights["transformer.of_another"] = torch.zeros(1)
    del weights["transformer.head.weight"]
    files["transformer"] = saved(tmp_path / "wrong.ckpt", weights)
    with pytest.raises(CheckpointError) as refused:
        read(files)
    message = str(refused.value)
    assert "ln_f.bias: the network has (16,), the file (9,)" in message
    assert "unknown of_another" in message
    assert "missing head.weight" in message

    weights = codebook_weights()
    weights["loss.of_another"] = torch.zeros(1)
    files["codebook"] = saved(tmp_path / "wrong.ckpt", weights)
    files["transformer"] = saved(tmp_path / "right.ckpt", transformer_weights(sampler_config()))
    with pytest.raises(CheckpointError, match=r"loss\.of_another"):
        read(files)


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("discriminator.main.5.weight", (4, 8, 3, 3), r"main\.5\.weight: the network has \(16, 8, 4, 4\)"),
        ("discriminator.main.6.running_var", None, r"missing main\.6\.running_var"),
        ("discriminator.of_another", (1,), r"unknown of_another"),
        ("perceptual_loss.scaling_layer.shift", (1, 1, 64, 1), r"shift: the network has \(1, 1, 80, 1\)"),
        ("perceptual_loss.lin3.model.1.weight", None, r"missing lin3\.model\.1\.weight"),
        (
            "perceptual_loss.net.slice3.12.bias",
            (9,),
            r"slice3\.12\.bias: the network has \(8,\), the file \(9,\)",
        ),
        ("perceptual_loss.net.slice1.0.weight", None, r"no net\.slice1\.0\.weight there"),
    ],
)
def test_each_weight_that_is_let_go_of_has_its_place_too(files, read, tmp_path, name, shape, said) -> None:
    """What trained the codebook: LPAPS and the judge, in its own file and in the sampler's."""
    weights = codebook_weights()
    if shape is None:
        del weights[f"loss.{name}"]
    else:
        weights[f"loss.{name}"] = torch.zeros(shape)
    with pytest.raises(CheckpointError, match=rf"wrong\.ckpt.*{said}"):
        read({**files, "codebook": saved(tmp_path / "wrong.ckpt", weights)})
    weights = transformer_weights(sampler_config()) | {
        f"first_stage_model.{key}": each for key, each in weights.items()
    }
    with pytest.raises(CheckpointError, match=rf"wrong\.ckpt.*{said}"):
        read({**files, "transformer": saved(tmp_path / "wrong.ckpt", weights)})


def test_a_judge_with_another_number_of_layers_has_its_place(files, read, tmp_path) -> None:
    weights = {key: each for key, each in codebook_weights().items() if "discriminator" not in key}
    judge = PatchGAN(channels=4, layers=2).state_dict()
    weights |= {f"loss.discriminator.{key}": each for key, each in judge.items()}
    files["codebook"] = saved(tmp_path / "two.ckpt", weights)
    assert read(files).codebook.config == CODEBOOK


def test_a_codebook_without_what_trained_it_is_one(files, read, tmp_path) -> None:
    weights = {key: each for key, each in codebook_weights().items() if not key.startswith("loss.")}
    files["codebook"] = saved(tmp_path / "alone.ckpt", weights)
    assert read(files).codebook.config == CODEBOOK


@torch.inference_mode()
@pytest.mark.parametrize("way", ["folded", "as PyTorch 2 names it"])
def test_a_vocoder_is_the_same_however_its_weights_are_kept(files, read, tmp_path, way) -> None:
    network, mel = Generator(MELGAN), torch.rand(1, 80, 12)
    # An input that nothing comes of has a weight without a length.
    network.model[3].weight_g[5] = 0
    wanted = network(mel)
    if way == "folded":
        weights = fold(network).state_dict()
        assert "model.3.weight" in weights
    else:
        new = {"weight_g": "original0", "weight_v": "original1"}
        weights = {
            f"{layer}.parametrizations.weight.{new[last]}" if last in new else f"{layer}.{last}": each
            for key, each in network.state_dict().items()
            for layer, _, last in [key.rpartition(".")]
        }
    files["vocoder"] = tmp_path / "kept.pt"
    torch.save(weights, files["vocoder"])
    vocoder = read(files).vocoder
    assert vocoder.config == MELGAN
    torch.testing.assert_close(vocoder(mel), wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(VocodeGraph(vocoder)(mel)[:, None], wanted, rtol=0, atol=1e-6)


def test_a_vocoders_weight_in_two_ways_is_refused(files, read, tmp_path) -> None:
    weights = Generator(MELGAN).state_dict()
    weights["model.1.weight"] = weights["model.1.weight_v"]
    torch.save(weights, tmp_path / "both.pt")
    with pytest.raises(CheckpointError, match=r"both\.pt: .*model\.1\.weight_[gv] is there in two ways"):
        read({**files, "vocoder": tmp_path / "both.pt"})


def test_a_codebook_that_it_was_not_trained_on_is_refused(files, read, tmp_path) -> None:
    weights = codebook_weights()
    weights["quantize.embedding.weight"] += 1
    files["codebook"] = saved(tmp_path / "other.ckpt", weights)
    with pytest.raises(CheckpointError, match=r"not the codebook that .*: quantize\.embedding\.weight$"):
        read(files)


def test_an_order_of_codes_that_we_do_not_know_is_refused(files, read, tmp_path) -> None:
    weights = transformer_weights(sampler_config())
    names = [f"first_stage_permuter.{way}_shuffle_idx" for way in ("forward", "backward")]
    weights |= dict.fromkeys(names, torch.arange(ROWS * COLUMNS))
    with pytest.raises(CheckpointError, match="aren't said column by column, in 5 rows"):
        read({**files, "transformer": saved(tmp_path / "rows.ckpt", weights)})
    del weights[names[1]]
    with pytest.raises(CheckpointError, match=r"wanted .*backward_shuffle_idx, there is .*forward"):
        read({**files, "transformer": saved(tmp_path / "rows.ckpt", weights)})


def test_a_mask_that_hides_something_else_is_refused(files, read, tmp_path) -> None:
    weights = transformer_weights(sampler_config())
    weights["transformer.blocks.1.attn.mask"][0, 0, 0, 3] = 1
    files["transformer"] = saved(tmp_path / "sees.ckpt", weights)
    with pytest.raises(CheckpointError, match=r"blocks\.1\.attn\.mask isn't the mask that hides"):
        read(files)


@pytest.mark.parametrize("name", ["transformer", "codebook", "vocoder", "melception"])
def test_a_file_of_something_else_is_refused_by_its_name(files, read, tmp_path, name) -> None:
    files["classes"] = tmp_path / "names.txt"
    for held in ({"a": torch.zeros(1)}, {"state_dict": {}}, {"model": {"a": torch.zeros(2, 2)}}, [1]):
        torch.save(held, tmp_path / "other.pt")
        with pytest.raises(CheckpointError, match=r"other\.pt"):
            read({**files, name: tmp_path / "other.pt"})


def test_settings_that_cannot_be_meant_are_refused(files, read, tmp_path) -> None:
    with pytest.raises(CheckpointError, match="16 numbers don't go into 3 heads"):
        read(files, heads=3)
    hears = classifier(tmp_path / "hears.pt", Melception(ClassifierConfig(4, divisor=32)))
    both = {**files, "melception": hears, "vggishish": hears}
    with pytest.raises(CheckpointError, match="not both"):
        read(both)
    with pytest.raises(CheckpointError, match="3 names of sounds, the checkpoints know 4"):
        read({**files, "melception": hears, "classes": tmp_path / "names.txt"})


def test_a_bundle_of_released_files_makes_sound(files, tmp_path) -> None:
    out = tmp_path / "bundle"
    card = import_specvqgan(Files(**files), out, heads=HEADS)
    assert (card.network, card.version) == ("SpecVQGAN", "released")
    made = generator.Generator(bundles.open_bundle(out, device="cpu"))
    [part] = made.parts(0.9)
    shown = generator.Rows(np.random.default_rng(0).random((40, 12), np.float32), 0.0, 1 / 21.5, 1 / 21.5)
    randoms = [np.random.default_rng(seed) for seed in (0, 1)]
    samples = np.concatenate([*made.make([part], iter([shown]), sound=None, randoms=randoms)], axis=1)
    assert samples.shape == (2, COLUMNS * 16 * 256)
    assert np.abs(samples).max() <= 1
    assert not np.array_equal(*samples)
