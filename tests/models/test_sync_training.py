"""The published recipe in small, on rendered clips: ear, dense, sparse; stopped, resumed, shared, frozen."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from models import checkpoints, training  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402
from models.data.scenes import EASY, render  # noqa: E402
from models.sync import (  # noqa: E402
    crops,
    data,
    experiments,
    measure,
    rendered,
    starting,
    train_audio,
    train_sync,
)
from models.sync.config import Clip, SyncConfig  # noqa: E402
from models.sync.data import DataError, Reader  # noqa: E402
from models.sync.sparsesync import SparseSync  # noqa: E402
from models.sync.train_sync import Settings  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
CLIP: dict[str, Any] = {"side": 32, "crop": 28, "n_fft": 256, "hop": 320}
RECIPE = replace(EASY, side=32)
AUDIO: dict[str, Any] = {"widths": (4, 8, 16, 32), "depths": (1, 1, 1, 1)}
NETWORK = {
    "width": 32,
    "heads": 2,
    "selectors": 4,
    "selector_layers": 1,
    "sync_layers": 1,
    "visual_divisor": 16,
    "visual_mixed": 2,
    "visual_time_strides": (4, 1, 1),
    "audio_widths": AUDIO["widths"],
    "audio_depths": AUDIO["depths"],
}
SMALL: dict[str, Any] = {
    "clip": CLIP,
    "network": NETWORK,
    "batch": 2,
    "epochs": 2,
    "warm_up": 3,
    "lr": 1e-3,
    "workers": 1,
    "held_in_memory": 20,
}
HOW: dict[str, Any] = {"clip": Clip(**CLIP)}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Four talking heads and two held out; four sparse clips, two held out and two to test with."""
    folder = tmp_path_factory.mktemp("data")
    rendered.dense(folder, (4, 2, 1), recipe=RECIPE)
    rendered.sparse(folder, (2, 1, 1), kinds=("bounce", "flash"), recipe=RECIPE)
    return folder


def run(root: Path, layout: data.Layout, folder: Path, **others: Any) -> training.Progress:
    """A run from nothing, or on from where it stopped."""
    how = {name: others.pop(name) for name in ("until", "go_on") if name in others}
    start = {name: others.pop(name) for name in ("audio", "visual", "checkpoint") if name in others}
    settings = Settings(**{**SMALL, **others})
    network = train_sync.start(settings, **start)
    sets = data.read_sets(root, layout, clip=settings.config().clip)
    return train_sync.train(settings, sets, folder, network, quiet=True, **how)


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# The recipe


def test_the_recipe_from_the_ear_to_the_figures_by_its_commands(root, tmp_path):
    audio, sync = tmp_path / "audio.json", tmp_path / "sync.json"
    audio.write_text(json.dumps({"clip": CLIP, "network": AUDIO, "batch": 4, "epochs": 1, "workers": 1}))
    sync.write_text(json.dumps({**SMALL, "epochs": 1}))
    (root / "vggsound.csv").write_text((root / "vggsound_sparse.csv").read_text())

    def ask(command: Any, *words: Any) -> str:
        asked = CliRunner().invoke(command, ["--data", str(root), *map(str, words)])
        assert asked.exit_code == 0, asked.output
        return asked.output

    ear, dense, sparse = (tmp_path / name for name in ("audio", "dense", "sparse"))
    ask(train_audio.main, "--layout", "vggsound", "--settings", audio, "--out", ear)
    sync_words = ["--settings", sync, "--audio", ear / "audio.pt"]
    ask(train_sync.main, "--layout", "lrs3", *sync_words, "--out", dense)
    told = ask(
        train_sync.main,
        *("--layout", "vggsound-sparse", "--settings", sync),
        *("--checkpoint", dense / "sync.pt", "--out", sparse),
    )
    assert "4 clips to learn from, 2 held out; 0 of the lists" in told

    # The usual augmentation follows from the layout; the ear came whole; the optimiser went on.
    figures = [json.loads((folder / "figures.json").read_text())["training"] for folder in (dense, sparse)]
    assert [each["settings"]["augmentation"] for each in figures] == ["dense", "sparse"]
    assert figures[1]["started_from"] == {"checkpoint": "sync.pt"}
    assert [line["lr"] for line in lines(dense) if "lr" in line] == pytest.approx([1e-5, 0.00034])
    assert [line["lr"] for line in lines(sparse) if "lr" in line] == pytest.approx([0.00067, 0.001])

    found = tmp_path / "found.json"
    ask(
        measure.main,
        *("--layout", "vggsound-sparse", "--checkpoint", sparse / "sync.pt"),
        *("--passes", 2, "--json", found),
    )
    held = json.loads(found.read_text())
    assert held["windows"] == 4
    assert sum(each["of"] for each in held["by class"].values()) == 4
    assert held["by class"].keys() == {"people sneezing", "striking bowling"}
    assert all(0 <= held[name] <= 1 for name in ("accuracy_1", "accuracy_1_tol1", *measure.PROBES))


def test_a_network_learns_a_tiny_set_by_heart(root):
    """One picture and three sounds a second apart: only the sound's place tells them apart."""
    still = {"embedding_dropout": 0.0, "residual_dropout": 0.0, "attention_dropout": 0.0}
    others = {"clip": {**CLIP, "window_s": 2.0}, "network": {**NETWORK, **still}}
    settings = Settings(**{**SMALL, **others, "classes": 3, "reach_s": 1.0})
    config, network = settings.config(), train_sync.start(settings)
    clips = data.read_clips(root, "lrs3", "train", clip=config.clip)
    reader, offsets_s = Reader(config.clip), config.network.offsets_s
    cut = [crops.at(offset_s, 1.0, config.clip, offsets_s) for offset_s in offsets_s]
    vis, aud = train_sync.stacked([train_sync.plain(clips.items[0], each, reader) for each in cut])
    adam = torch.optim.Adam(network.parameters(), lr=settings.lr)
    learning = training.Learning(adam, training.Processes(), clip_norm=settings.clip_norm)
    network.train()
    losses: list[float] = []
    while len(losses) < 400 and (not losses or losses[-1] >= 0.1):
        loss = torch.nn.functional.cross_entropy(network(vis, aud), torch.arange(3))
        learning.step(loss)
        losses.append(loss.item())
    assert losses[0] > 0.8
    assert losses[-1] < 0.1
    # A key's bias changes no answer.
    dead = [name for name, each in network.named_parameters() if each.grad is None or not each.grad.any()]
    assert [name for name in dead if not name.endswith("key.bias")] == []


def test_gradients_are_made_as_short_as_asked():
    weight = torch.nn.Parameter(torch.zeros(2))
    learning = training.Learning(torch.optim.SGD([weight], lr=1.0), training.Processes(), clip_norm=1.0)
    learning.step((weight * torch.tensor([3.0, 4.0])).sum())
    torch.testing.assert_close(weight.detach(), torch.tensor([-0.6, -0.8]))


@pytest.mark.parametrize("until", [2, 3], ids=["at an epoch's end", "in an epoch"])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(root, tmp_path, until):
    others = {"augmentation": "sparse", "save_minutes": 0}
    run(root, "vggsound-sparse", tmp_path / "unbroken", **others)
    run(root, "vggsound-sparse", tmp_path / "stopped", **others, until=until)
    assert torch.load(tmp_path / "stopped" / "state.pt", weights_only=True)["step"] == until
    run(root, "vggsound-sparse", tmp_path / "stopped", **others)
    one, other = (torch.load(tmp_path / each / "state.pt") for each in ("unbroken", "stopped"))
    assert same(one["network"], other["network"])
    assert one["warm_up"] == other["warm_up"] == {"steps": 4}
    scores = [
        [line["loss"] for line in lines(tmp_path / each) if "epoch" in line]
        for each in ("unbroken", "stopped")
    ]
    assert scores[0] == scores[1]
    assert len(scores[0]) == 2


def test_the_ear_goes_on_where_it_stopped(root, tmp_path):
    settings = train_audio.Settings(clip=CLIP, network=AUDIO, batch=2, epochs=2, workers=1, save_minutes=0)
    sets = data.read_sets(root, "vggsound-sparse", **HOW)
    train_audio.train(settings, sets, tmp_path / "unbroken", quiet=True)
    train_audio.train(settings, sets, tmp_path / "stopped", until=3, quiet=True)
    train_audio.train(settings, sets, tmp_path / "stopped", quiet=True)
    one, other = (checkpoints.load(tmp_path / each / "audio.pt") for each in ("unbroken", "stopped"))
    assert same(one.state_dict, other.state_dict)
    assert one.config["classes"] == ["people sneezing", "striking bowling"]


def test_two_processes_share_a_batch_without_dropout_to_the_same_steps(root, tmp_path):
    quiet = {"embedding_dropout": 0.0, "residual_dropout": 0.0, "attention_dropout": 0.0}
    settings = {**SMALL, "network": {**NETWORK, **quiet}, "frozen": ["visual", "audio"], "epochs": 1}
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps({**settings, "batch": 4, "lr": 2e-3}))
    two.write_text(json.dumps(settings))
    words = ["--data", str(root), "--layout", "lrs3"]
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *("-m", "models.sync.train_sync", *words, "--settings", two, "--out", tmp_path / "two"),
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    asked = CliRunner().invoke(
        train_sync.main, [*words, "--settings", str(one), "--out", str(tmp_path / "one")]
    )
    assert asked.exit_code == 0, asked.output
    held = [checkpoints.load(tmp_path / each / "sync.pt").state_dict for each in ("one", "two")]
    for name, tensor in held[0].items():
        # A key's bias changes no answer: its gradient is rounding, which Adam makes into steps of full size.
        if not name.endswith("key.bias"):
            torch.testing.assert_close(held[1][name], tensor, rtol=1e-3, atol=1e-5, msg=name)
    scores = [[line for line in lines(tmp_path / each) if "epoch" in line] for each in ("one", "two")]
    assert scores[0][0]["loss"] == pytest.approx(scores[1][0]["loss"], rel=1e-4)


# What it starts from


def test_frozen_backbones_stand_still_and_the_rest_learns(root, tmp_path):
    settings = Settings(**SMALL)
    before = {name: each.clone() for name, each in train_sync.start(settings).state_dict().items()}
    run(root, "lrs3", tmp_path, frozen=("visual", "audio"))
    after = torch.load(tmp_path / "state.pt")["network"]
    moved = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    # The bridge is not of the backbone.
    assert moved == {"v_bridge", "transformer"}


def test_the_optimiser_of_the_dense_training_goes_on(root, tmp_path):
    run(root, "lrs3", tmp_path / "dense", epochs=1)
    started = {"checkpoint": tmp_path / "dense" / "sync.pt", "go_on": tmp_path / "dense" / "sync.pt"}
    dense = torch.load(tmp_path / "dense" / "learning.pt")["optimizer"]["state"]
    run(root, "vggsound-sparse", tmp_path / "on", **started, epochs=1)
    run(root, "vggsound-sparse", tmp_path / "new", **started, epochs=1, keep_optimizer=False)
    on, new = (torch.load(tmp_path / each / "state.pt") for each in ("on", "new"))
    assert dense[0]["step"] == 2
    assert [each["learning"]["optimizer"]["state"][0]["step"] for each in (on, new)] == [4, 2]
    assert [each["warm_up"]["steps"] for each in (on, new)] == [4, 2]
    assert not same(on["network"], new["network"])
    with pytest.raises(CheckpointError, match="keep_optimizer"):
        run(root, "vggsound-sparse", tmp_path / "frozen", **started, frozen=("visual",))


class DictConfig:
    """Stands for OmegaConf's, whose module needn't be there."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held


def released(path: Path, network: SparseSync, optimizer: Any, args: Any) -> Path:
    """A file of the released layout."""
    torch.save(
        {
            "args": args,
            "loss": torch.tensor(1.0),
            "metrics": {"accuracy_1": 0.5},
            "epoch": 7,
            "optimizer": optimizer.state_dict(),
            "model": network.state_dict(),
            "scaler": {},
            "lr_scheduler": {"last_epoch": 1234, "base_lrs": [5e-6]},
            "model_type": "sync",
        },
        path,
    )
    return path


@pytest.fixture
def omegaconf(monkeypatch):
    """The module while a file is written; gone again when it is read."""
    module = types.ModuleType("omegaconf.dictconfig")
    module.DictConfig = DictConfig  # type: ignore[attr-defined]
    monkeypatch.setattr(DictConfig, "__module__", "omegaconf.dictconfig")
    monkeypatch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
    monkeypatch.setitem(sys.modules, "omegaconf.dictconfig", module)
    yield DictConfig
    assert "omegaconf" not in sys.modules


def test_a_released_checkpoint_is_taken_up_with_its_optimiser(root, tmp_path, omegaconf, monkeypatch):
    settings = Settings(**SMALL)
    network = train_sync.start(settings)
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-5)
    for each in network.parameters():
        each.grad = torch.ones_like(each)
    optimizer.step()
    path = released(tmp_path / "22-07-13.pt", network, optimizer, omegaconf({"data": {"crop": 5}}))
    monkeypatch.delitem(sys.modules, "omegaconf")
    monkeypatch.delitem(sys.modules, "omegaconf.dictconfig")

    assert starting.config_of(path) is None
    taken = train_sync.start(replace(settings, seed=5), checkpoint=path)
    assert same(taken.state_dict(), network.state_dict())
    run(root, "vggsound-sparse", tmp_path / "on", checkpoint=path, go_on=path, epochs=1)
    state = torch.load(tmp_path / "on" / "state.pt")
    assert state["warm_up"] == {"steps": 1236}
    assert state["learning"]["optimizer"]["state"][0]["step"] == 3
    # Eight cards' rate isn't one's.
    assert state["learning"]["optimizer"]["param_groups"][0]["lr"] == 1e-3


class Trap:
    def __reduce__(self) -> tuple:
        return os.system, ("echo run",)


def test_a_checkpoint_that_names_anything_else_is_refused(tmp_path):
    torch.save({"model": {}, "args": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(CheckpointError, match=r"posix\.system"):
        starting.read(tmp_path / "trap.pt")
    (tmp_path / "text.pt").write_bytes(pickle.dumps("words"))
    with pytest.raises(CheckpointError):
        starting.read(tmp_path / "text.pt")
    with pytest.raises(CheckpointError):
        starting.read(tmp_path / "none.pt")


def test_a_backbone_comes_without_its_classifier(tmp_path):
    from models.sync.resnet import ResNet18

    ear = ResNet18(classes=7, **AUDIO)
    torch.save(ear.state_dict(), tmp_path / "plain.pt")
    torch.save(
        {"model": {f"module.{name}": each for name, each in ear.state_dict().items()}}, tmp_path / "ddp.pt"
    )
    settings = Settings(**SMALL)
    for name in ("plain.pt", "ddp.pt"):
        network = train_sync.start(settings, audio=tmp_path / name)
        kept = {key: each for key, each in ear.state_dict().items() if not key.startswith("fc.")}
        assert same(network.afeat_extractor.state_dict(), kept)
    with pytest.raises(CheckpointError, match="missing"):
        train_sync.start(settings, visual=tmp_path / "plain.pt")


def test_what_is_trained_is_a_checkpoint_for_the_plugin(root, tmp_path):
    run(root, "lrs3", tmp_path, epochs=1)
    held = checkpoints.load(tmp_path / "sync.pt")
    config = SyncConfig.from_dict(held.config)
    assert config == Settings(**SMALL).config()
    checkpoints.fill(SparseSync(config.network), held.state_dict, source="sync.pt")


# Lists and clips


def test_windows_of_a_file_are_those_of_its_scene(root):
    """What is cut out of a file stands where it stood in the scene, picture and sound."""
    clips = data.read_clips(root, "vggsound-sparse", "test", **HOW)
    item = next(each for each in clips.items if each.sound == "people sneezing")
    number = int(item.name.split("_")[1])
    scene = render(rendered._seed(0, 500_000 + number), replace(RECIPE, kinds=("flash",)))
    clip = Clip(**CLIP)
    crop = crops.at(0.6, 1.24, clip, crops.grid())
    for reader in (Reader(clip), Reader(clip, 5)):
        frames, samples = reader(item, crop)
        assert frames.shape == (125, 32, 32, 3)
        assert samples.shape == (80_000,)
        seen = scene.frames.astype(float).mean((1, 2, 3))
        apart = [
            np.abs(frames.astype(float).mean((1, 2, 3)) - seen[at : at + 125]).mean() for at in range(90)
        ]
        assert int(np.argmin(apart)) == crop.first_frame == 31
        near = scene.samples[crop.first_sample - 400 :][:80_800].astype(float)
        agreement = np.correlate(near, samples.astype(float))
        assert abs(int(np.argmax(agreement)) - 400) <= 16


def test_whole_clips_in_memory_give_the_same_windows(root):
    clips = data.read_clips(root, "lrs3", "train", **HOW)
    clip, rng = Clip(**CLIP), Random(0)
    one, other = Reader(clip), Reader(clip, 10)
    for item in clips.items[:2]:
        crop = crops.draw(crops.equalised(item.frames, item.samples, clip), clip, crops.grid(), rng)
        (seen, heard), (again, once_more) = one(item, crop), other(item, crop)
        np.testing.assert_array_equal(seen, again)
        np.testing.assert_allclose(heard, once_more, atol=1e-4)


def test_short_and_missing_clips_are_left_out(root, tmp_path):
    names = (root / "lrs3_train.txt").read_text().split()
    home = tmp_path / "lrs3" / data.FOLDERS["lrs3"]
    rendered.write(home / f"{names[0]}.mp4", render(1, RECIPE))
    rendered.write(home / f"{names[1]}.mp4", render(2, replace(RECIPE, length_s=8.5)))
    (tmp_path / "lrs3_train.txt").write_text("\n".join(names[:3]))
    clips = data.read_clips(tmp_path, "lrs3", "train", **HOW)
    assert [item.name for item in clips.items] == names[:1]
    assert clips.left_out == 2
    # Asked for shorter ones, they must still have room for the furthest offset: 7 s.
    assert len(data.read_clips(tmp_path, "lrs3", "train", **HOW, shortest_s=5)) == 2
    with pytest.raises(DataError, match="none of the 3 clips"):
        data.read_clips(tmp_path, "lrs3", "train", clip=Clip(**CLIP, window_s=8))


def test_fixed_offsets_are_looked_at_as_they_stand(root, tmp_path):
    (tmp_path / "lrs3").symlink_to(root / "lrs3")
    name = (root / "lrs3_valid.txt").read_text().split()[0]
    table = tmp_path / "fixed_offsets_lrs3" / "valid_size21_crop5_min-2.00_max2.00.csv"
    table.parent.mkdir()
    table.write_text(f"path,offset_sec,vstart_sec\n{name},-1.4,3.12\n")
    # The list of offsets is the list of clips, where there is no other.
    clips = data.read_clips(tmp_path, "lrs3", "valid", **HOW)
    assert [item.name for item in clips.items] == [name]
    config = Settings(**SMALL).config()
    [(_, crop)] = train_sync.held_out_crops(clips, config, 1, 0)
    assert (crop.label, crop.first_frame) == (3, 78)
    drawn = {crop.label for _, crop in train_sync.held_out_crops(clips, config, 30, 0)}
    assert len(drawn) > 10
    table.write_text(f"path,offset_sec,vstart_sec\n{name},1.4,3.12\n")
    with pytest.raises(DataError, match=r"1\.4 s later"):
        train_sync.held_out_crops(data.read_clips(tmp_path, "lrs3", "valid", **HOW), config, 1, 0)


def test_sparse_clips_are_those_of_picked_classes_without_the_filtered(tmp_path):
    rows = [
        ("aaaaaaaaaaa", 10, "dog barking", "train"),
        ("bbbbbbbbbbb", 20, "dog barking", "train"),
        ("ccccccccccc", 30, "dog barking", "test"),
        ("ddddddddddd", 40, "raining", "train"),
        ("eeeeeeeeeee", 50, "dog barking", "train"),
    ]
    (tmp_path / "vggsound.csv").write_text("".join(f"{','.join(map(str, row))}\n" for row in rows))
    (tmp_path / "picked_sparse_classes.csv").write_text("class\tis_sparse\ndog barking\ty\nraining\tn\n")
    filtered = tmp_path / "filtered_examples_vggsound"
    filtered.mkdir()
    (filtered / "broken.txt").write_text("eeeeeeeeeee_50000_60000.mp4\n")
    named = {split: data._vggsound(tmp_path, "vggsound-sparse", split, 0) for split in rendered.SPLITS}
    assert named["test"] == [("ccccccccccc_30000_40000", "dog barking")]
    learnt, held_out = named["train"], named["valid"]
    assert len(learnt) == len(held_out) == 1
    assert {learnt[0][0], held_out[0][0]} == {"aaaaaaaaaaa_10000_20000", "bbbbbbbbbbb_20000_30000"}


def test_the_published_tables_are_read(shared, tmp_path):
    """The authors' picked classes and filter lists, as released, on a table that holds all of them."""
    splits = shared / "sync_splits"
    (tmp_path / "filtered_examples_vggsound").symlink_to(splits / "filtered_examples_vggsound")
    (tmp_path / "picked_sparse_classes.csv").symlink_to(splits / "picked_sparse_classes.csv")
    lists = (splits / "filtered_examples_vggsound").glob("*.txt")
    filtered = sorted({data._bare(line) for path in lists for line in path.read_text().split()})
    kinds = (splits / "picked_sparse_classes.csv").read_text().splitlines()[1:]
    rows = [f'new{number:08d},10,"{kind.rpartition(chr(9))[0]}",test' for number, kind in enumerate(kinds)]
    for name in filtered:
        video, start_ms, _ = name.rsplit("_", 2)
        rows.append(f"{video},{int(start_ms) // 1000},dog barking,test")
    (tmp_path / "vggsound.csv").write_text("".join(f"{row}\n" for row in rows))
    named = data._vggsound(tmp_path, "vggsound-sparse", "test", 0)
    assert len(named) == len({kind for _, kind in named}) == 12
    assert "playing tennis" in {kind for _, kind in named}


# The questions in small


def test_memory_grows_with_the_window_and_less_with_selectors():
    shape = {"width": 64, "heads": 4, "selector_layers": 1, "sync_layers": 1}
    with_, without = (
        [experiments.memory(window_s, selectors, **shape) for window_s in (2.0, 4.0)] for selectors in (16, 0)
    )
    assert [each["tokens"] for each in with_] == [each["tokens"] for each in without] == [366, 732]
    # Twice the tokens: twice as much at most with selectors; without them attention alone takes four times.
    assert with_[1]["megabytes"] <= 2 * with_[0]["megabytes"]
    assert without[1]["megabytes"] > 2 * without[0]["megabytes"]
    assert with_[0]["megabytes"] < without[0]["megabytes"]


def test_what_is_kept_is_counted_once_and_weights_are_not():
    network = torch.nn.Linear(10, 20, bias=False)
    given = torch.zeros(3, 10, requires_grad=True)
    assert experiments.kept_bytes(network, given) == 3 * 10 * 4


@pytest.mark.slow
def test_each_question_is_answered_by_its_name(tmp_path):
    found, drawn = tmp_path / "found.json", tmp_path / "found.svg"
    words = ["pretraining", "frozen", "groups", "--small", "--json", str(found), "--plot", str(drawn)]
    asked = CliRunner().invoke(experiments.main, words)
    assert asked.exit_code == 0, asked.output
    tables = json.loads(found.read_text())["tables"]
    assert {table: len(each) for table, each in tables.items()} == {
        "pretraining": 3,
        "frozen": 4,
        # Three classes and three offsets, where all were drawn.
        "groups": pytest.approx(6, abs=1),
    }
    assert tables["pretraining"]["dense, then a new optimiser"] == tables["frozen"]["all of it learns"]
    assert all(0 <= each["accuracy_1"] <= 1 for each in tables["frozen"].values())
    assert drawn.read_text().count("<rect") == 1 + sum(map(len, tables.values()))
