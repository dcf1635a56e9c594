"""From a checkpoint to a bundle: the same numbers, a true card, and nothing of the machine it was made on."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from export.graphs import Difference  # noqa: E402
from export.sync import export_sync  # noqa: E402
from models import checkpoints  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402
from models.sync.config import Clip, NetworkConfig, SyncConfig  # noqa: E402
from models.sync.sparsesync import SparseSync  # noqa: E402
from otio_avassist import bundles  # noqa: E402
from otio_avassist.bundles import Card  # noqa: E402
from otio_avassist.errors import BundleError  # noqa: E402

CHECKOUT = Path(__file__).resolve().parents[2]
CLIP = Clip(window_s=0.4, side=40, crop=32, n_fft=64, hop=64)
CONFIG = SyncConfig(
    NetworkConfig.fitting(
        CLIP,
        offsets_s=(-0.2, 0.0, 0.2),
        width=16,
        heads=2,
        selectors=2,
        selector_layers=1,
        sync_layers=1,
        visual_divisor=16,
        visual_mixed=1,
        visual_time_strides=(2, 1, 1),
        audio_widths=(4, 4, 8, 8),
        audio_depths=(1, 1, 1, 1),
    ),
    CLIP,
)
FIGURES = {
    "network": "a tiny one",
    "version": "7",
    "training": {"data": "none", "licence": "CC0"},
    "figures": {"right within 0.2 s": 0.5},
}


@pytest.fixture(scope="module")
def network() -> SparseSync:
    torch.manual_seed(3)
    network = SparseSync(CONFIG.network)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, std=0.1)
    return network.eval()


@pytest.fixture(scope="module")
def run(network: SparseSync, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run's folder: a checkpoint and its figures."""
    folder = tmp_path_factory.mktemp("run")
    checkpoints.save(folder / "best.pt", CONFIG.to_dict(), network.state_dict())
    (folder / "figures.json").write_text(json.dumps(FIGURES))
    return folder


@pytest.fixture(scope="module")
def bundle(run: Path) -> Path:
    return export_sync(run / "best.pt", run / "bundle", fp16=True).folder


def _asked(network: SparseSync, count: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    draw = np.random.default_rng(count)
    vis = draw.standard_normal((count, CLIP.frames, 3, CLIP.crop, CLIP.crop), dtype=np.float32)
    aud = draw.standard_normal((count, 1, *CLIP.spectrogram), dtype=np.float32)
    with torch.inference_mode():
        return {"vis": vis, "aud": aud}, network(torch.from_numpy(vis), torch.from_numpy(aud)).numpy()


@pytest.mark.parametrize("count", [1, 3, 5])
def test_the_runtime_gives_pytorchs_logits_for_any_batch(
    bundle: Path, network: SparseSync, count: int
) -> None:
    inputs, wanted = _asked(network, count)
    logits = bundles.load(bundle, device="cpu")(**inputs)["logits"]
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_the_graph_also_tells_where_the_selectors_looked(bundle: Path, network: SparseSync) -> None:
    model = bundles.load(bundle, device="cpu")
    assert model.outputs == ("logits", "v_looked", "a_looked")
    inputs, _ = _asked(network, 3)
    told = model(**inputs)
    with torch.inference_mode():
        reading = network.read(*(torch.from_numpy(inputs[name]) for name in ("vis", "aud")))
    for name, wanted in (("v_looked", reading.v_looked), ("a_looked", reading.a_looked)):
        assert wanted is not None
        assert model.card.graphs["main"].outputs[name][1:] == tuple(wanted.shape[1:])
        np.testing.assert_allclose(told[name], wanted.numpy(), rtol=0, atol=1e-5)
        np.testing.assert_allclose(told[name].reshape(*told[name].shape[:4], -1).sum(-1), 1, atol=1e-5)
        assert model.card.parity[name] < 1e-5


def test_where_they_looked_costs_nothing_that_is_computed(bundle: Path, network: SparseSync) -> None:
    """onnxruntime runs a graph's every node, whatever is asked for: those that lead to the maps alone put
    into order what stands there anyhow, and the logits stay the same to the bit."""
    graph = onnx.load(bundle / "sync.onnx").graph

    def needed(output: str) -> dict[str, str]:
        made_by = {name: node for node in graph.node for name in node.output}
        waiting, found = [output], {}
        while waiting:
            node = made_by.get(waiting.pop())
            if node is not None and node.name not in found:
                found[node.name] = node.op_type
                waiting.extend(node.input)
        return found

    usual = needed("logits")
    more = {
        kind for name in ("v_looked", "a_looked") for node, kind in needed(name).items() if node not in usual
    }
    assert more <= {"Reshape", "Unsqueeze", "Concat", "Shape", "Gather", "Slice", "Squeeze", "Cast"}
    model = bundles.load(bundle, device="cpu")
    inputs, _ = _asked(network, 2)
    np.testing.assert_array_equal(model("logits", **inputs)["logits"], model(**inputs)["logits"])


def test_half_precision_answers_nearly_the_same(bundle: Path, network: SparseSync) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(bundle / "sync.fp16.onnx", providers=["CPUExecutionProvider"])
    inputs, wanted = _asked(network, 3)
    (logits,) = session.run(["logits"], {name: x.astype(np.float16) for name, x in inputs.items()})
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=0.03 * np.abs(wanted).max())


def test_the_card_tells_the_truth_of_its_graphs(bundle: Path) -> None:
    card = Card.read(bundle)
    graph = card.graphs["main"]
    assert graph.fp16 is not None
    for each in (graph, graph.fp16):
        assert each.sha256 == hashlib.sha256((bundle / each.file).read_bytes()).hexdigest()
    assert graph.inputs["vis"][1:] == (CLIP.frames, 3, CLIP.crop, CLIP.crop)
    assert isinstance(graph.inputs["vis"][0], str)
    assert card.classes == CONFIG.network.offsets_s
    assert card.preprocessing["window_s"] == CLIP.window_s
    assert (card.network, card.training, card.figures) == tuple(
        FIGURES[name] for name in ("network", "training", "figures")
    )
    assert 0 <= card.parity["logits"] < 1e-5


def test_a_graph_says_nothing_of_the_machine_that_made_it(bundle: Path) -> None:
    for path in bundle.glob("*.onnx"):
        content = path.read_bytes()
        for trace in (str(CHECKOUT), str(Path.home()), sys.prefix, ".py", "pkg.torch"):
            assert trace.encode() not in content, trace


def test_a_graph_keeps_to_standard_operators(bundle: Path) -> None:
    for path in bundle.glob("*.onnx"):
        model = onnx.load(path)
        assert {opset.domain for opset in model.opset_import} == {""}
        assert not model.functions


def test_a_bundle_that_fails_its_check_leaves_what_stood_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "kept").write_text("as it was")
    monkeypatch.setattr("export.sync.ALLOWED", -1.0)
    monkeypatch.setattr("export.sync.write_graph", lambda *_: None)
    monkeypatch.setattr("export.sync.describe", lambda *_: None)
    monkeypatch.setattr("export.graphs.differences", lambda *_: {"logits": Difference(0.5, 1.0)})
    with pytest.raises(BundleError, match=r"differs from PyTorch by 0\.5"):
        export_sync(run / "best.pt", out)
    assert [path.name for path in tmp_path.rglob("*")] == ["bundle", "kept"]


def test_a_checkpoint_without_figures_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes((run / "best.pt").read_bytes())
    with pytest.raises(CheckpointError, match=r"figures\.json"):
        export_sync(tmp_path / "best.pt", tmp_path / "bundle")


def test_help_does_not_wait_for_pytorch() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "export", "sync", "--help"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--checkpoint" in done.stdout
    assert " torch" not in done.stderr


def test_a_failing_command_says_why_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"not a checkpoint")
    (tmp_path / "figures.json").write_text(json.dumps(FIGURES))
    command = [sys.executable, "-m", "export", "sync", "--checkpoint", tmp_path / "best.pt"]
    done = subprocess.run(
        [*command, "--out", tmp_path / "bundle"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("export: ")
    assert "best.pt" in done.stderr
    assert "Traceback" not in done.stderr
