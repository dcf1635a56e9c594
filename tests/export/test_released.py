"""Checkpoints as the authors released them -> bundles, of small and of the published size."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export.released import import_bmt, import_mdvc, vocabulary  # noqa: E402
from models.captions.bmt import captioner  # noqa: E402
from models.captions.config import CaptionerConfig, MdvcConfig, ProposalConfig  # noqa: E402
from models.captions.mdvc import Mdvc  # noqa: E402
from models.captions.proposals import Proposals  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402
from otio_avassist import bundles, sampling  # noqa: E402
from tests.parity import entry_of, released_weights  # noqa: E402

SIZES = {
    "modality": "audio_video", "d_vid": 12, "d_aud": 10, "d_model_video": None, "d_model_audio": None,
    "d_model": 16, "d_model_caps": 8, "d_ff_video": 20, "d_ff_audio": 20, "d_ff_caps": 16, "H": 2, "N": 2,
    "dout_p": 0.1, "use_linear_embedder": False, "pad_idx": 1, "start_idx": 2, "end_idx": 3,
    "word_emb_caps": "glove.840B.300d", "device_ids": [0, 1],
}  # fmt: skip
WORDS = (" UNK ", "<blank>", "<s>", "</s>", *(f"word{number}" for number in range(26)))
HEADS = {
    "pad_feats_up_to": {"audio": 40, "video": 20},
    "kernel_sizes": {"audio": [1, 5], "video": [3]},
    "strides": {"audio": 0.96, "video": 2.56},
    "conv_layers_audio": [8],
    "conv_layers_video": [8],
}
ANCHORS = {"audio": np.array([1.0, 4.0], np.float32), "video": [2.0, 9.0, 30.0]}
MDVC_SIZES = {
    "d_aud": 10, "d_vid": 12, "d_model_audio": 10, "d_model_video": 12, "d_model_subs": 16, "d_ff_audio": 8,
    "d_ff_video": 8, "d_ff_subs": 8, "N_audio": 1, "N_video": 1, "N_subs": 1, "H": 2,
    "use_linear_embedder": False,
}  # fmt: skip


def save(path: Path, settings: Mapping[str, Any], weights: Mapping[str, Any], **beside: Any) -> Path:
    """Write a checkpoint as the authors' training does: a pickled object of settings beside the weights."""
    module = types.ModuleType("utilities.config_constructor")
    module.Config = type("Config", (), {"__module__": module.__name__})  # type: ignore[attr-defined]
    config = module.Config()
    vars(config).update(settings)
    with pytest.MonkeyPatch.context() as there:
        there.setitem(sys.modules, "utilities", types.ModuleType("utilities"))
        there.setitem(sys.modules, module.__name__, module)
        torch.save({"config": config, "epoch": 12, "model_state_dict": dict(weights), **beside}, path)
    return path


def small_weights() -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a captioner, as two cards call them, and of a proposal network."""
    torch.manual_seed(5)
    given = {key: value for key, value in SIZES.items() if value is not None}
    config = CaptionerConfig.from_released(given, len(WORDS))
    proposals = Proposals(ProposalConfig.from_released({**given, **HEADS}, ANCHORS))
    speaker = captioner(config).state_dict()
    return {f"module.{key}": value for key, value in speaker.items()}, proposals.state_dict()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    speaker, proposals = small_weights()
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return {
        "captioner": save(tmp_path / "cap.pt", SIZES, speaker, trg_voc_size=len(WORDS), optimizer={}),
        "proposals": save(
            tmp_path / "prop.pt", {"modality": "audio_video", **HEADS}, proposals, anchors=ANCHORS
        ),
        "words": tmp_path / "words.txt",
    }


def test_bmt_as_released_says_in_the_runtime_what_its_weights_say_in_pytorch(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    card = import_bmt(files["captioner"], files["proposals"], out, words=files["words"])
    assert card.classes == WORDS
    assert card.needs == ("vggish", "i3d")
    assert card.preprocessing["streams"]["video"]["flow"] == "none"

    speaker, proposals = small_weights()
    given = {key: value for key, value in SIZES.items() if value is not None}
    network = captioner(CaptionerConfig.from_released(given, len(WORDS))).eval()
    network.load_state_dict({key.removeprefix("module."): value for key, value in speaker.items()})
    streams = {"audio": torch.randn(3, 7, 10), "video": torch.randn(3, 5, 12)}
    streams["audio"][1, 4:], streams["video"][2, 2:] = 1.0, 1.0
    said = [sentence.tokens for sentence in spoken(out, streams, max_words=12)]
    assert said == greedy(network, streams, 12)

    events = Proposals(ProposalConfig.from_released({**given, **HEADS}, ANCHORS)).eval()
    events.load_state_dict(proposals)
    padded = {"audio": torch.randn(1, 40, 10), "video": torch.randn(1, 20, 12)}
    with torch.inference_mode():
        wanted = events(padded).numpy()
    asked = {name: rows.numpy() for name, rows in padded.items()}
    found = bundles.load(out, device="cpu", graph="propose")(**asked)["proposals"]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def spoken(folder: Path, streams: Mapping[str, Any], **options: Any) -> list[sampling.Sentence]:
    """Sentences by the bundle's graphs, word by word."""
    step, first = stepper(folder, streams)

    def asked(token: np.ndarray, position: int, state: Mapping[str, np.ndarray]) -> Any:
        return step(token, position, state or first)

    count = len(next(iter(streams.values())))
    return sampling.decode(asked, count, start=2, end=3, **options)


def stepper(folder: Path, streams: Mapping[str, Any]) -> tuple[sampling.Step, sampling.State]:
    """A bundle's step, and what it remembers before the first word."""
    encode, step = (bundles.load(folder, device="cpu", graph=graph) for graph in ("encode", "step"))
    memory = encode(**{name: rows.numpy() for name, rows in streams.items()})
    count = len(next(iter(memory.values())))
    pasts = {
        name: shape for name, shape in encode.card.graphs["step"].inputs.items() if name.startswith("past_")
    }
    empty = {
        name: np.zeros((count, *(0 if isinstance(size, str) else size for size in shape[1:])), np.float32)
        for name, shape in pasts.items()
    }

    def asked(token: np.ndarray, position: int, state: Mapping[str, np.ndarray]) -> Any:
        out = step(token=token, position=np.array([position]), **state)
        present = {name: out[name.replace("past", "present", 1)] for name in pasts}
        return out["logits"], {**state, **present}

    return asked, {**memory, **empty}


def greedy(network: Any, streams: Mapping[str, Any], max_words: int) -> list[tuple[int, ...]]:
    """Word by word and each time from the beginning, as the authors do, until each has ended."""
    count = len(next(iter(streams.values())))
    said = torch.full((count, 1), 2)
    with torch.inference_mode():
        for _ in range(max_words):
            said = torch.cat([said, network(streams, said)[:, -1:].argmax(-1)], dim=1)
    rows = said[:, 1:].tolist()
    return [tuple(row[: row.index(3)] if 3 in row else row) for row in rows]


def test_mdvc_as_released_says_in_the_runtime_what_its_weights_say_in_pytorch(
    tmp_path: Path,
) -> None:
    torch.manual_seed(6)
    config = MdvcConfig.from_released(
        {**MDVC_SIZES, "d_feat_audio": 10, "d_feat_video": 12, "trg_voc_size": 30, "src_subs_voc_size": 20}
    )
    network = Mdvc(config).eval()
    weights = {f"module.{key}": value for key, value in network.state_dict().items()}
    path = save(tmp_path / "best.pt", MDVC_SIZES, weights, trg_voc_size=30)
    (tmp_path / "words.json").write_text(json.dumps(WORDS))
    (tmp_path / "speech.json").write_text(json.dumps([f"said{number}" for number in range(20)]))
    card = import_mdvc(
        path, tmp_path / "bundle", words=tmp_path / "words.json", speech_words=tmp_path / "speech.json"
    )
    assert card.network == "MDVC"
    streams = {
        "audio": torch.randn(3, 6, 10),
        "video": torch.randn(3, 6, 12),
        "speech": torch.randint(4, 20, (3, 5)),
    }
    said = [sentence.tokens for sentence in spoken(tmp_path / "bundle", streams, max_words=8)]
    assert said == greedy(network, streams, 8)


def test_a_weight_of_another_shape_is_named_with_both_and_nothing_is_written(
    files: dict[str, Path], tmp_path: Path
) -> None:
    weights, _ = small_weights()
    weights["module.emb_C.embedder.weight"] = torch.zeros(30, 9)
    weights["module.of_another_network"] = torch.zeros(1)
    del weights["module.generator.linear.bias"]
    path = save(tmp_path / "cap.pt", SIZES, weights, trg_voc_size=30)
    with pytest.raises(CheckpointError) as refused:
        import_bmt(path, files["proposals"], tmp_path / "bundle", words=files["words"])
    message = str(refused.value)
    assert "emb_C.embedder.weight: the network has (30, 8), the file (30, 9)" in message
    assert "unknown of_another_network" in message
    assert "missing generator.linear.bias" in message
    assert not (tmp_path / "bundle").exists()


def test_a_vocabulary_of_another_size_is_refused_with_both_sizes(
    files: dict[str, Path], tmp_path: Path
) -> None:
    files["words"].write_text("\n".join(WORDS[:-1]))
    with pytest.raises(CheckpointError, match=r"makes 29 words, the checkpoint was trained on 30"):
        import_bmt(files["captioner"], None, tmp_path / "bundle", words=files["words"])


def test_words_come_from_the_training_sets_captions_too(tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    table.write_text("video_id\tcaption\nv\tA dog barks.\nv\tA dog runs.\n")
    words = (" UNK ", "<blank>", "<s>", "</s>", ".", "a", "dog", "barks", "runs")
    assert vocabulary(None, table, 9) == words


def test_proposals_without_anchors_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    path = save(tmp_path / "prop.pt", HEADS, small_weights()[1])
    with pytest.raises(CheckpointError, match="anchors"):
        import_bmt(files["captioner"], path, tmp_path / "bundle", words=files["words"])


@pytest.mark.parametrize(
    "wrong", [{"H": "four"}, {"H": 0}, {"modality": "smell"}, {"N": None, "H": 3}], ids=str
)
def test_settings_of_no_network_are_refused_with_the_files_name(
    files: dict[str, Path], tmp_path: Path, wrong: dict[str, Any]
) -> None:
    path = save(tmp_path / "cap.pt", {**SIZES, **wrong}, small_weights()[0], trg_voc_size=30)
    with pytest.raises(CheckpointError, match=r"cap\.pt: its settings make no network"):
        import_bmt(path, None, tmp_path / "bundle", words=files["words"])


@pytest.mark.parametrize("said", [31, "x", [30]], ids=str)
def test_a_count_of_words_that_the_weights_do_not_have_is_refused(
    files: dict[str, Path], tmp_path: Path, said: Any
) -> None:
    path = save(tmp_path / "cap.pt", SIZES, small_weights()[0], trg_voc_size=said)
    with pytest.raises(CheckpointError, match=r"says it knows .* words, .*\[30\]"):
        import_bmt(path, None, tmp_path / "bundle", words=files["words"])


@pytest.mark.parametrize("anchors", [{"audio": [1.0, 4.0]}, {"audio": ["a"], "video": [2.0, 9.0, 30.0]}])
def test_anchors_that_are_none_are_refused(
    files: dict[str, Path], tmp_path: Path, anchors: dict[str, Any]
) -> None:
    path = save(tmp_path / "prop.pt", HEADS, small_weights()[1], anchors=anchors)
    with pytest.raises(CheckpointError, match=r"prop\.pt: its settings make no network"):
        import_bmt(files["captioner"], path, tmp_path / "bundle", words=files["words"])


@pytest.fixture(scope="module")
def published(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of both networks of the published size, out of checkpoints of the released layout."""
    folder = tmp_path_factory.mktemp("published")
    entry = entry_of(shared, "bmt_captioner_full_recipe")
    weights = released_weights(entry, "bmt_captioner")
    count = len(weights["generator.linear.weight"])
    speaker = save(
        folder / "best_cap_model.pt",
        entry.hyperparameters,
        {f"module.{key}": weight for key, weight in weights.items()},
        trg_voc_size=count,
    )
    (folder / "words.json").write_text(json.dumps([f"word{number}" for number in range(count)]))
    entry = entry_of(shared, "bmt_proposals_full_recipe")
    held = dict(entry.hyperparameters)
    layers, held["pad_feats_up_to"] = held.pop("conv_layers"), held.pop("pad_to")
    held |= {"conv_layers_audio": layers, "conv_layers_video": layers}
    anchors = {"audio": np.linspace(1, 200, 48), "video": np.linspace(1, 200, 128)}
    events = save(
        folder / "best_prop_model.pt", held, released_weights(entry, "bmt_proposals"), anchors=anchors
    )
    import_bmt(speaker, events, folder / "bundle", words=folder / "words.json")
    for used in (speaker, events):
        used.unlink()
    return folder / "bundle"


@pytest.mark.slow
def test_parity_of_a_released_captioner_of_the_published_size_in_the_runtime(
    shared: Path, published: Path
) -> None:
    entry = entry_of(shared, "bmt_captioner_full_recipe")
    given = entry.inputs()
    streams = {"audio": given["audio"], "video": given["rgb"] + given["flow"]}
    step, state = stepper(published, streams)
    log_probs = []
    for position, token in enumerate(given["captions"].numpy().T):
        logits, state = step(token, position, state)
        log_probs.append(logits)
    ours = np.stack(log_probs, axis=1)
    entry.compare({"log_probs": ours, "log_probs_last": ours[0, -1]})


@pytest.mark.slow
def test_parity_of_released_proposals_of_the_published_size_in_the_runtime(
    shared: Path, published: Path
) -> None:
    entry = entry_of(shared, "bmt_proposals_full_recipe")
    given = entry.inputs()
    propose = bundles.load(published, device="cpu", graph="propose")
    streams = {"audio": given["audio"], "video": given["rgb"] + given["flow"]}
    pad_to = propose.card.preprocessing["proposals"]["pad_to"]
    padded = {
        name: np.pad(rows, ((0, 0), (0, pad_to[name] - rows.shape[1]), (0, 0)), constant_values=1)
        for name, rows in streams.items()
    }
    entry.compare({"predictions": propose(**padded)["proposals"]})
