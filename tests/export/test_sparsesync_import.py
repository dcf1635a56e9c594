"""SparseSync's checkpoints as the authors released them -> bundles, small and of the published size."""

from __future__ import annotations

import json
import sys
import types
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export.__main__ import cli  # noqa: E402
from export.pieces import InPieces, in_pieces  # noqa: E402
from export.sparsesync import VARIANTS, import_sparsesync, read_sparsesync  # noqa: E402
from export.unpickling import plain, read  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402
from models.sync.config import Clip, NetworkConfig, SyncConfig  # noqa: E402
from models.sync.s3d import S3D  # noqa: E402
from models.sync.sparsesync import SparseSync  # noqa: E402
from otio_avassist import bundles, files, pipeline  # noqa: E402
from otio_avassist.bundles import Card  # noqa: E402
from otio_avassist.tasks import sync  # noqa: E402

CLIP = Clip(window_s=2.0, side=72, crop=64)
SMALL = NetworkConfig.fitting(
    CLIP, width=24, heads=4, selectors=3, selector_layers=2, sync_layers=1, visual_divisor=16,
    audio_widths=(4, 6, 8, 24), offsets_s=tuple(np.linspace(-2, 2, 21).round(2)),
)  # fmt: skip
SETTINGS = {
    "data": {"crop_len_sec": 2, "max_off_sec": 2, "size_before_crop": 72, "input_size": 64},
    "model": {
        "target": "model.sync_model.AVSyncModel",
        "params": {
            "transformer": {
                "params": {
                    "num_offset_cls": 21,
                    "n_embd": 24,
                    "visual_block_shape": [6, 2, 2],
                    "v_selector_cfg": {"params": {"num_selectors": 3, "n_head": 4}},
                    "global_transformer_cfg": {"params": {"n_head": 4}},
                }
            }
        },
    },
    "logging": {"exp": "22-07-28T15-49-45", "cmd": "${data.crop_len_sec}"},
}


def seeded(config: NetworkConfig, seed: int = 1) -> SparseSync:
    """A network whose norms and places count too."""
    torch.manual_seed(seed)
    network = SparseSync(config)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.normal_(module.bias, std=0.1)
    return network.eval()


def saved(
    path: Path, weights: dict[str, Any], settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Write a checkpoint as the authors' training does, whose settings are objects of OmegaConf."""
    with monkeypatch.context() as there:
        args = _Boxes(there).box(settings)
        held = {
            "args": args, "loss": 2.1, "metrics": {"accuracy_1": np.float64(0.4)}, "epoch": 7,
            "optimizer": {"state": {}, "param_groups": [{"lr": 4e-5}]}, "model": weights,
            "scaler": {"scale": 65536.0}, "lr_scheduler": {"last_epoch": 3}, "model_type": "AVSyncModel",
        }  # fmt: skip
        torch.save(held, path)
    assert "omegaconf" not in sys.modules
    return path


class _Boxes:
    """OmegaConf's way to keep settings: each value in an object beside its kind and what it is part of."""

    def __init__(self, there: pytest.MonkeyPatch) -> None:
        self._kinds = {}
        for module, names in {
            "omegaconf": (),
            "omegaconf.base": ("ContainerMetadata", "Metadata"),
            "omegaconf.dictconfig": ("DictConfig",),
            "omegaconf.listconfig": ("ListConfig",),
            "omegaconf.nodes": ("AnyNode",),
        }.items():
            made = types.ModuleType(module)
            for name in names:
                self._kinds[name] = type(name, (), {"__module__": module})
                setattr(made, name, self._kinds[name])
            there.setitem(sys.modules, module, made)

    def box(self, value: Any, parent: Any = None, key: Any = None) -> Any:
        kind = {dict: "DictConfig", list: "ListConfig"}.get(type(value), "AnyNode")
        box, about = (
            self._kinds[each]() for each in (kind, "Metadata" if kind == "AnyNode" else "ContainerMetadata")
        )
        about.ref_type, about.object_type, about.key = Any, type(value), key
        about.resolver_cache = defaultdict(dict)
        box._metadata, box._parent = about, parent
        if isinstance(value, dict):
            box._content = {name: self.box(each, box, name) for name, each in value.items()}
        elif isinstance(value, list):
            box._content = [self.box(each, box, number) for number, each in enumerate(value)]
        else:
            box._val = value
        return box


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a checkpoint of the small network, with such settings and changes."""

    def write(
        config: NetworkConfig = SMALL,
        settings: dict[str, Any] | None = None,
        name: str = "checkpoint.pt",
        **weights: Any,
    ) -> Path:
        held = _theirs(seeded(config).state_dict(), config)
        held.update(weights)
        held = {key: each for key, each in held.items() if each is not None}
        return saved(tmp_path / name, held, SETTINGS if settings is None else settings, monkeypatch)

    return write


def _theirs(weights: dict[str, Any], config: NetworkConfig) -> dict[str, Any]:
    """Without selectors the authors' sync transformer stands a level higher."""
    inner = "" if config.selectors == 0 else "global_transformer."
    return {key.replace("global_transformer.", inner): each for key, each in weights.items()}


def test_settings_come_out_of_their_boxes_without_omegaconf(released) -> None:
    assert plain(read(released())["args"]) == SETTINGS


def test_every_weight_has_its_place_and_shapes_and_settings_tell_the_config(released) -> None:
    network, config, variant = read_sparsesync(released())
    assert config == SyncConfig(SMALL, CLIP)
    assert variant == "vggsound-sparse"
    for name, weight in seeded(SMALL).state_dict().items():
        assert torch.equal(network.state_dict()[name], weight), name


def test_without_selectors_it_comes_in_too(released) -> None:
    bare = replace(SMALL, selectors=0, selector_layers=0)
    network, config, _ = read_sparsesync(released(bare))
    assert config.network == bare
    for name, weight in seeded(bare).state_dict().items():
        assert torch.equal(network.state_dict()[name], weight), name


def test_where_settings_say_nothing_shapes_and_the_paper_do(released) -> None:
    """Blocks of published pictures: the length of a window is read from them."""
    blocks = NetworkConfig.fitting(Clip())
    config = replace(
        SMALL,
        heads=8,
        visual_block=blocks.visual_block,
        audio_block=blocks.audio_block,
    )
    _, found, variant = read_sparsesync(released(config, settings={}))
    assert found == SyncConfig(config, Clip())
    assert variant is None
    three = replace(config, offsets_s=(-1.0, 0.0, 1.0))
    _, found, variant = read_sparsesync(released(three, settings={}, name="22-08-13T21-55-03.pt"))
    assert found.network.offsets_s == (-1.0, 0.0, 1.0)
    assert variant == "vggsound-sparse-3"


def test_the_file_s_own_name_says_more_than_the_training_it_went_on_from(released) -> None:
    settings = {**SETTINGS, "training": {"finetune": "logs/22-07-13T22-25-49/22-07-13T22-25-49.pt"}}
    assert read_sparsesync(released(settings=settings, name="23-02-26T22-31-22.pt"))[2] == "audioset"
    assert read_sparsesync(released(settings=settings))[2] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transformer.off_head.bias": torch.zeros(21)}, r"unknown transformer\.off_head\.bias"),
        ({"v_bridge.bridge.0.bias": None}, r"missing v_bridge\.bridge\.0\.bias"),
        (
            {"transformer.MOD_tok": torch.zeros(3)},
            r"unknown transformer\.global_transformer\.MOD_tok|MOD_tok",
        ),
        ({"transformer.vis_pos_emb.time_embed.weight": None}, r"vis_pos_emb\.time_embed\.weight"),
        ({"afeat_extractor.bn1.bias": torch.zeros(5)}, r"bn1\.bias: the network has \(4,\), the file \(5,\)"),
        ({"transformer.off_head.weight": None}, "backbones by themselves"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(released, change: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_sparsesync(released(**change))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"n_head": 8}, "n_head 4 and 8"),
        ({"num_offset_cls": 3, "crop_len_sec": 2}, "num_offset_cls 21 and 3|num_offset_cls 3 and 21"),
        ({"crop_len_sec": 5}, r"\(6, 2, 2\).*which 5 s at 224 pixels don't leave"),
        ({"off_type": "uniform"}, "uniform"),
    ],
)
def test_settings_that_contradict_are_refused(released, data: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_sparsesync(released(settings={**SETTINGS, "data": data}))


def test_settings_of_another_network_are_refused(released) -> None:
    with pytest.raises(CheckpointError, match="num_offset_cls 3, its weights 21"):
        read_sparsesync(released(settings={"num_offset_cls": 3}))


def test_a_grid_that_nothing_tells_is_refused(released) -> None:
    five = replace(SMALL, offsets_s=(-1.0, -0.5, 0.0, 0.5, 1.0))
    with pytest.raises(CheckpointError, match="5 classes"):
        read_sparsesync(released(five, settings={"crop_len_sec": 2, "input_size": 64}))


def test_a_variant_of_other_classes_is_refused(released) -> None:
    with pytest.raises(CheckpointError, match="lrs3-3 has 3 classes, this file 21"):
        read_sparsesync(released(), "lrs3-3")


def test_what_is_no_checkpoint_of_theirs_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="wanted a checkpoint with args and model"):
        read_sparsesync(tmp_path / "other.pt")


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("strides", [(2, 2, 2), (2, 1, 1)])
@pytest.mark.parametrize("pieces", [1, 3, 8, 50])
def test_in_pieces_the_eye_sees_the_same(pieces: int, strides: tuple[int, int, int], flat: bool) -> None:
    torch.manual_seed(0)
    whole = S3D(divisor=16, time_strides=strides).eval()
    for module in whole.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            # What is beyond the ends is zero only where it should be.
            torch.nn.init.normal_(module.bias)
            torch.nn.init.normal_(module.running_mean)
    pictures = torch.randn(2, 3, 37, 64, 64)
    with torch.inference_mode():
        wanted = whole(pictures)
        torch.testing.assert_close(InPieces(whole, pieces, flat=flat)(pictures), wanted, rtol=0, atol=1e-5)
        network = seeded(SMALL)
        clip = torch.randn(1, CLIP.frames, 3, CLIP.crop, CLIP.crop), torch.randn(1, 1, *CLIP.spectrogram)
        torch.testing.assert_close(in_pieces(network, flat=flat)(*clip), network(*clip), rtol=0, atol=1e-5)
        assert isinstance(network.vfeat_extractor, S3D)


def test_the_command_makes_a_bundle_whose_8_bits_the_cpu_is_asked(released, tmp_path: Path) -> None:
    command = ["import", "sparsesync", "--checkpoint", str(released()), "--int8"]
    done = CliRunner().invoke(cli, [*command, "--out", str(tmp_path / "bundle")], catch_exceptions=False)
    assert done.exit_code == 0
    assert "SparseSync vggsound-sparse, 21 offsets from -2 to +2 s, windows of 2 s" in done.output
    card = Card.read(tmp_path / "bundle")
    graph = card.graphs["main"]
    assert graph.lean
    assert graph.int8 is not None
    assert graph.int8.lean
    assert set(graph.outputs) == {"logits", "v_looked", "a_looked"}
    assert card.preprocessing["window_s"] == 2.0
    assert card.training["data"] == "LRS3, then VGGSound-Sparse"
    assert card.training["files"]["checkpoint"].startswith("checkpoint.pt, sha256 ")
    # What is lost is said, and it isn't nothing.
    lost = card.parity["int8"]
    assert 0 < lost["logits"] < 0.2 * lost["of"]
    assert 0 <= lost["same class"] <= 1
    model = bundles.load(tmp_path / "bundle", device="cpu")
    assert model.sha256 == graph.int8.sha256
    draw = np.random.default_rng(0)
    vis = draw.standard_normal((1, CLIP.frames, 3, CLIP.crop, CLIP.crop), np.float32)
    aud = draw.standard_normal((1, 1, *CLIP.spectrogram), np.float32)
    assert np.isfinite(model("logits", vis=vis, aud=aud)["logits"]).all()
    assert (tmp_path / "bundle" / graph.int8.file).stat().st_size < 2e6


def test_the_command_knows_all_variants() -> None:
    (option,) = (
        each for each in cli.commands["import"].commands["sparsesync"].params if each.name == "variant"
    )
    assert list(option.type.choices) == ["auto", *VARIANTS]


@pytest.mark.slow
def test_parity_of_the_published_size_from_file_to_finding(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """54 million seeded weights under the released names: exported, compared with PyTorch,
    and asked about a real clip by the plugin's own road."""
    network = seeded(NetworkConfig())
    weights = network.state_dict()
    listed = json.loads((shared / "parity" / "_full_size_keys" / "sparsesync.json").read_text())["keys"]
    assert {name: list(weight.shape) for name, weight in weights.items()} == {
        name: shape for name, (shape, _) in listed.items()
    }
    path = saved(tmp_path / "22-07-28T15-49-45.pt", weights, {}, monkeypatch)
    card = import_sparsesync(path, tmp_path / "bundle").card
    assert card.parity["logits"] <= 1e-3
    assert max(card.parity["v_looked"], card.parity["a_looked"]) <= 1e-3
    assert card.preprocessing["window_s"] == 5.0
    assert (card.version, len(card.classes)) == ("vggsound-sparse", 21)

    film = next(
        shared / "media" / each["file"]
        for each in json.loads((shared / "media" / "manifest.json").read_text())["clips"]
        if each["synchronizable_by_eye"]
    )
    asked = sync.Options(rungs=("network",), window_every_s=60.0)
    settings = pipeline.Settings(tasks=("sync",), bundle=tmp_path / "bundle", device="cpu", sync=asked)
    (line,) = pipeline.assist(files.read(str(film)), settings).report.findings
    (said,) = [each for each in line.finding.evidence if each.method == "network"]
    assert "of 1 window of the network" in said.note
    assert line.finding.posterior is not None
    assert line.finding.attention is not None
