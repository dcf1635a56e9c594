"""The whole recipe in small: from a drawn set to a checkpoint, stopped and resumed, alone and by two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from models import checkpoints  # noqa: E402
from models.captions import evaluate, experiments, metrics, train  # noqa: E402
from models.captions.config import CaptionerConfig  # noqa: E402
from models.captions.experiments import STEP_S, Case  # noqa: E402
from models.captions.train import Run, Sets, Settings, TrainingError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BOTH = ("audio", "video")
ALL = (*BOTH, "speech")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    experiments.render(folder, videos=12, valid=4)
    return folder


def settings(network="bmt", streams=BOTH, *, epochs=2, dropout=0.1, **others) -> Settings:
    case = Case("", "", network, streams, others.pop("order", "captions"))
    held = experiments.settings_of(case, steps=1, seed=others.pop("seed", 0))
    return replace(held, epochs=epochs, captioner={**held.captioner, "dropout": dropout}, batch=8, **others)


def sets(drawn: Path, held: Settings, streams=BOTH, **others) -> Sets:
    return train.read_sets(
        held,
        table=drawn / "train.csv",
        valid=[drawn / "val_1.csv", drawn / "val_2.csv"],
        folders={stream: drawn / "features" for stream in streams if stream != "speech"},
        speech=drawn / "speech.csv" if "speech" in streams else None,
        step_s=STEP_S,
        **others,
    )


def run(drawn: Path, folder: Path, held: Settings, streams=BOTH, **others) -> Run:
    return Run(held, sets(drawn, held, streams, **others), folder, metrics.plain_tools(), quiet=True)


def weights(network) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_cap_then_prop_leaves_a_checkpoint_that_says_the_same(drawn, tmp_path):
    held = settings(order="cap-prop")
    running = run(drawn, tmp_path, held)
    before = weights(running.proposals)
    running.train()
    figures = running.finish()

    config, captioner, proposals = train.load(tmp_path / "captions.pt")
    assert config["vocabulary"] == list(running.sets.train.vocabulary.tokens)
    assert config["proposals"]["video"]["anchors_s"] == running.proposals.config.video.anchors_s
    assert config["features"]["audio"] == {
        "extractor": "vggish",
        "step_s": 0.96,
        "length_s": 0.96,
        "width": experiments.AUDIO_WIDTH,
    }
    # The heads have learnt on an encoder that stayed as the captioner's.
    assert same(weights(proposals.encoder), weights(captioner.encoder))
    moved = {name for name, weight in proposals.state_dict().items() if not torch.equal(weight, before[name])}
    assert any(name.startswith("detection_layers") for name in moved)
    assert same(weights(running.captioner), weights(captioner))

    said = json.loads((tmp_path / "results_val_1.json").read_text())["results"]
    material = running.sets.valid[0]
    again = evaluate.describe(captioner, material, material.table, max_words=config["max_words"])
    assert {video: [each["sentence"] for each in spoken] for video, spoken in said.items()} == {
        video: [sentence for *_, sentence in spoken] for video, spoken in again.items()
    }
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["figures"]["validation sets"]["tools"] == metrics.PLAIN
    assert len(figures["learned proposals"]["recall"]) == len(metrics.TIOUS)
    assert json.loads((tmp_path / "results_learned.json").read_text())["results"]


def test_prop_then_cap_keeps_the_encoder_of_the_proposals(drawn, tmp_path):
    running = run(drawn, tmp_path, settings(order="prop-cap"))
    running.train()
    assert same(weights(running.captioner.encoder), weights(running.proposals.encoder))


def test_separate_shares_nothing(drawn, tmp_path):
    running = run(drawn, tmp_path, settings(order="separate", epochs=1))
    running.train()
    assert not same(weights(running.captioner.encoder), weights(running.proposals.encoder))
    assert all(weight.requires_grad for weight in running.proposals.parameters())


@pytest.mark.parametrize("until", [2, 4])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(drawn, tmp_path, until):
    held = settings(order="cap-prop", epochs=2)
    unbroken = run(drawn, tmp_path / "unbroken", held)
    unbroken.train()
    # Stopped within the first epoch, or in the second of whatever stage it got to, and twice.
    for _ in range(2):
        stopped = run(drawn, tmp_path / "stopped", held)
        stopped.resume()
        stopped.train(until=until)
    resumed = run(drawn, tmp_path / "stopped", held)
    resumed.resume()
    resumed.train()
    files = [checkpoints.load(tmp_path / name / "captions.pt") for name in ("unbroken", "stopped")]
    assert same(*(each.state_dict for each in files))
    assert files[0].config == files[1].config


def test_two_processes_learn_what_one_does(drawn, tmp_path):
    held = settings(order="cap-prop", dropout=0.0, epochs=1)
    numbers = {
        name: value for name, value in asdict(held).items() if name not in ("seed", "threads", "network")
    }
    numbers["captioner"] = dict(numbers["captioner"])
    (tmp_path / "settings.json").write_text(json.dumps(numbers))
    files = {name: drawn / name for name in ("train.csv", "val_1.csv", "val_2.csv", "features")}
    asked = ["--train", files["train.csv"], "--valid", files["val_1.csv"], "--valid", files["val_2.csv"]]
    asked += ["--audio", files["features"], "--video", files["features"], "--plain"]
    asked += ["--settings", tmp_path / "settings.json"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ran = subprocess.run(
        [*torchrun, "-m", "models.captions.train", "--out", tmp_path / "two", *asked],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    alone = CliRunner().invoke(train.main, ["--out", str(tmp_path / "one"), *map(str, asked)])
    assert alone.exit_code == 0, alone.output
    one, two = (checkpoints.load(tmp_path / name / "captions.pt").state_dict for name in ("one", "two"))
    # A key's bias changes no answer: its gradient is rounding, which Adam makes into steps of full size.
    felt = [name for name in one if name.startswith("captioner.") and not name.endswith("linear_K2d.bias")]
    for name in felt:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-4)
    # Proposal losses are means of each process's own videos: near, not the same.
    assert one.keys() == two.keys()
    assert (
        json.loads((tmp_path / "two" / "figures.json").read_text())["training"]["settings"]["order"]
        == "cap-prop"
    )


@pytest.mark.parametrize("items", [[0, 3, 5, 9, 11, 2, 7], [4]])
def test_the_shares_of_two_processes_make_the_whole_loss(drawn, tmp_path, items):
    running = run(drawn, tmp_path, settings())
    stage = running._stages()["captions"]
    stage.learner.eval()
    total = 0.0
    for rank in (0, 1):
        processes = train.Processes()
        processes.rank, processes.world = rank, 2
        mine, weight = processes.share(items, stage.weigh)
        total += stage.learner(stage.make(mine)).item() * weight / 2
    assert total == pytest.approx(stage.learner(stage.make(items)).item(), rel=1e-5)


def test_mdvc_describes_stretches_that_another_network_proposes(drawn, tmp_path):
    said = evaluate.read_references(drawn / "val_1.csv")
    path = tmp_path / "proposals.json"
    evaluate.write_results(path, {**said, "v_elsewhere": [(0.0, 3.0, "")]})
    running = run(drawn, tmp_path / "run", settings("mdvc", epochs=1), proposals=path)
    running.train()
    found = running.finish()["learned proposals"]
    # They are the people's own: all of the first set's are found.
    assert min(found["recall"]) == pytest.approx(1)
    results = evaluate.read_results(tmp_path / "run" / "results_learned.json")
    assert {video: [span[:2] for span in spans] for video, spans in results.items()} == {
        video: [span[:2] for span in spans] for video, spans in said.items()
    }


@pytest.mark.parametrize(("network", "streams"), [("mdvc", ALL), ("mdvc", BOTH), ("recurrent", ALL)])
def test_mdvc_and_its_rival_are_trained_the_same_way(drawn, tmp_path, network, streams):
    held = settings(network, streams)
    running = run(drawn, tmp_path, held, streams)
    running.train()
    running.finish()
    config, captioner, proposals = train.load(tmp_path / "captions.pt")
    assert (config["network"], proposals) == (network, None)
    assert (config["speech_vocabulary"] is not None) == ("speech" in streams)
    assert same(weights(captioner), weights(running.captioner))


@pytest.mark.parametrize("stream", BOTH)
def test_one_stream_is_enough(drawn, tmp_path, stream):
    running = run(drawn, tmp_path, settings(streams=(stream,), order="cap-prop", epochs=1), (stream,))
    running.train()
    assert running.finish()["learned proposals"]["f1"] >= 0
    assert train.load(tmp_path / "captions.pt")[0]["captioner"]["modality"] == stream


def test_it_learns_to_say_what_is_seen_and_heard(drawn, tmp_path):
    held = settings(epochs=40, dropout=0.0, patience=40)
    learning = sets(drawn, held)
    # On what it has seen: can it learn at all?
    learning = replace(learning, valid=(learning.train,))
    running = Run(held, learning, tmp_path, metrics.plain_tools(), quiet=True)
    untrained = running._caption_score()["score"]
    running.train()
    trained = running._caption_score()["score"]
    assert untrained < 0.2
    assert trained > 0.8


def test_training_stops_when_nothing_gets_better(drawn, tmp_path):
    held = settings(epochs=50, patience=2, lr=0.0)
    running = run(drawn, tmp_path, held)
    running.train()
    looks = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [look["epoch"] for look in looks if "epoch" in look] == [1, 2, 3]


def test_glove_vectors_are_taken_and_stay(drawn, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "glove.txt"
    path.write_text("".join(f"{word} {' '.join(map(str, rng.random(32)))}\n" for word in ("dog", "band")))
    held = settings(epochs=1)
    running = run(drawn, tmp_path / "run", held, vectors=path)
    running.train()
    table, vocabulary = running.captioner.words.vectors.weight, running.sets.train.vocabulary
    assert table[vocabulary.numbers["dog"]].std() > 0
    assert table[vocabulary.numbers["man"]].eq(0).all()
    assert torch.equal(table, running.sets.vectors)
    with pytest.raises(TrainingError, match="mdvc learns its word vectors"):
        run(drawn, tmp_path / "other", settings("mdvc"), vectors=path)


def test_defaults_are_the_published_ones(drawn):
    held = Settings()
    learning = sets(drawn, held)
    words = len(learning.train.vocabulary)
    published = train.configure(held, learning)
    widths = {"audio_features": experiments.AUDIO_WIDTH, "video_features": experiments.VIDEO_WIDTH}
    assert published == CaptionerConfig(vocabulary=words, **widths)
    assert (held.lr, held.betas, held.batch, held.smoothing, held.max_words) == (
        5e-5,
        (0.9, 0.999),
        32,
        0.7,
        30,
    )
    mdvc = Settings.of("mdvc")
    assert (mdvc.lr, mdvc.betas, mdvc.batch, mdvc.max_words, mdvc.epochs) == (1e-5, (0.9, 0.98), 28, 50, 45)


def test_orders_that_make_no_sense_are_refused(drawn, tmp_path):
    with pytest.raises(TrainingError, match="cap-prop"):
        run(drawn, tmp_path, settings(order="sideways"))
    with pytest.raises(TrainingError, match="takes proposals from a file"):
        run(drawn, tmp_path, settings("mdvc", order="cap-prop"))


def test_a_checkpoint_of_something_else_is_named(tmp_path):
    path = tmp_path / "other.pt"
    checkpoints.save(path, {"width": 3}, {})
    with pytest.raises(checkpoints.CheckpointError, match=r"other\.pt"):
        train.load(path)


def test_the_experiments_print_a_table_and_write_it(tmp_path):
    asked = ["--table", "noise", "--steps", "3", "--videos", "10", "--json", str(tmp_path / "tables.json")]
    ran = CliRunner().invoke(experiments.main, asked)
    assert ran.exit_code == 0, ran.output
    found = json.loads((tmp_path / "tables.json").read_text())
    assert set(found["tables"]["noise"]) == {"features", "random features"}
    assert "random features" in ran.output
    assert found["tools"] == metrics.PLAIN
