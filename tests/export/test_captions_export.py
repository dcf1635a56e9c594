"""From a captioner's checkpoint to a bundle: one path, and the same sentences at both ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export.captions import export_checkpoint  # noqa: E402
from models import checkpoints  # noqa: E402
from models.captions.bmt import captioner  # noqa: E402
from models.captions.config import CaptionerConfig, HeadsConfig, ProposalConfig  # noqa: E402
from models.captions.proposals import Proposals  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402
from otio_avassist import bundles  # noqa: E402
from otio_avassist.captioner import Captioner  # noqa: E402

WORDS = (" UNK ", "<blank>", "<s>", "</s>", *(f"word{number}" for number in range(16)))
CONFIG = CaptionerConfig(
    vocabulary=len(WORDS), audio_features=1, video_features=1, audio_width=8, video_width=8, caption_width=8,
    word_width=8, inner_width=8, audio_hidden=8, video_hidden=8, caption_hidden=8, heads=2, longest=64,
    linear_embedder=True,
)  # fmt: skip
HEADS = ProposalConfig(
    CONFIG,
    HeadsConfig((1.0, 5.0), (1, 3), stride_s=0.5, rows=12, convolutions=(8,)),
    HeadsConfig((2.0,), (3,), stride_s=1.0, rows=6, convolutions=(8,)),
)
# Extractors that ask no network of others.
FEATURES = {
    "audio": {"extractor": "loudness", "step_s": 0.5, "length_s": 0.5, "width": 1},
    "video": {"extractor": "brightness", "step_s": 1.0, "length_s": 1.0, "width": 1},
}
FIGURES = {"network": "a small one", "version": "1", "training": {"licence": "CC0"}, "figures": {}}


def networks():
    torch.manual_seed(4)
    return captioner(CONFIG).eval(), Proposals(HEADS).eval()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What training leaves behind."""
    folder = tmp_path_factory.mktemp("run")
    config = {
        "network": "bmt", "captioner": CONFIG.to_dict(), "proposals": HEADS.to_dict(),
        "vocabulary": list(WORDS), "speech_vocabulary": None, "max_words": 9, "features": FEATURES,
    }  # fmt: skip
    state = {
        f"{part}.{key}": weight
        for part, network in zip(("captioner", "proposals"), networks(), strict=True)
        for key, weight in network.state_dict().items()
    }
    checkpoints.save(folder / "captions.pt", config, state)
    (folder / "figures.json").write_text(json.dumps(FIGURES))
    return folder


@pytest.fixture(scope="module")
def bundle(run: Path) -> Path:
    export_checkpoint(run / "captions.pt", run / "bundle")
    return run / "bundle"


def test_the_bundle_says_word_by_word_what_pytorch_says_whole(bundle: Path) -> None:
    opened = bundles.open_bundle(bundle, device="cpu")
    network, _ = networks()
    draw = torch.Generator().manual_seed(1)
    streams = {name: torch.randn(3, count, 1, generator=draw) for name, count in (("audio", 7), ("video", 4))}
    streams["audio"][1, 3:] = 1.0
    memory = opened["encode"](**{name: rows.numpy() for name, rows in streams.items()})
    shapes = opened.card.graphs["step"].inputs
    past = {
        name: np.zeros((3, *(size if isinstance(size, int) else 0 for size in shape[1:])))
        for name, shape in shapes.items()
        if name.startswith("past_")
    }
    said = torch.full((3, 1), CONFIG.start)
    for position in range(9):
        out = opened["step"](token=said[:, -1].numpy(), position=np.array([position]), **memory, **past)
        past = {name: out[name.replace("past", "present", 1)] for name in past}
        with torch.inference_mode():
            wanted = network(streams, said)[:, -1]
        np.testing.assert_allclose(out["logits"], wanted.numpy(), rtol=0, atol=1e-4)
        said = torch.cat([said, torch.from_numpy(out["logits"].argmax(-1))[:, None]], dim=1)


def test_the_bundle_proposes_what_pytorch_proposes(bundle: Path) -> None:
    _, network = networks()
    padded = {"audio": torch.randn(2, 12, 1), "video": torch.randn(2, 6, 1)}
    padded["audio"][1, 5:] = 1.0
    with torch.inference_mode():
        wanted = network(padded).numpy()
    propose = bundles.open_bundle(bundle, device="cpu")["propose"]
    found = propose(**{name: rows.numpy() for name, rows in padded.items()})["proposals"]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_the_card_says_what_the_task_asks_of_it(bundle: Path) -> None:
    card = bundles.Card.read(bundle)
    assert card.classes == WORDS
    assert card.needs == ()
    assert set(card.graphs) == {"encode", "step", "propose"}
    assert card.preprocessing["proposals"]["pad_to"] == {"audio": 12, "video": 6}
    assert max(each for outputs in card.parity.values() for each in outputs.values()) < 1e-3
    assert Captioner(bundles.open_bundle(bundle, device="cpu")).numbers.max_words == 9


def test_a_graph_says_nothing_of_the_machine_that_made_it(bundle: Path) -> None:
    for path in bundle.glob("*.onnx"):
        content = path.read_bytes()
        for trace in (str(Path(__file__).resolve().parents[2]), str(Path.home()), ".py", "pkg.torch"):
            assert trace.encode() not in content, (path.name, trace)


def test_a_weight_that_is_nobodys_is_named(run: Path, tmp_path: Path) -> None:
    held = checkpoints.load(run / "captions.pt")
    state = {**held.state_dict, "critic.weight": torch.zeros(1)}
    checkpoints.save(tmp_path / "captions.pt", held.config, state)
    (tmp_path / "figures.json").write_text(json.dumps(FIGURES))
    with pytest.raises(CheckpointError, match=r"critic\.weight"):
        export_checkpoint(tmp_path / "captions.pt", tmp_path / "bundle")
