"""The recipe in small: it learns, goes on where it stopped, and measures what it claims to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models import checkpoints  # noqa: E402 - torch decides whether these can be imported
from models.data.offsets import OFFSETS_S  # noqa: E402
from models.data.pool import Pool  # noqa: E402
from models.data.scenes import EASY  # noqa: E402
from models.sync import evaluate, train  # noqa: E402
from models.sync.config import Clip, SyncConfig  # noqa: E402
from models.sync.lag import LagHead  # noqa: E402
from models.sync.sparsesync import SparseSync  # noqa: E402
from models.sync.train import Run, Settings, Stage, WindowBatches, answer, rate  # noqa: E402

SMALL = Settings(
    stages=(
        Stage("first", "lag", 0.0, 3, 2),
        Stage("second", "all", 0.0, 3, 3),
    ),
    batch=2,
    check_every=1,
    held_out=2,
    final_scenes=4,
    threads=1,
    clip=Clip(side=48, crop=24),
    visual_divisor=16,
    audio_widths=(2, 4, 4, 8),
    width=16,
    heads=2,
    selectors=2,
    selector_layers=1,
    sync_layers=1,
    lag_dim=8,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose pool is rendered already."""
    folder = tmp_path_factory.mktemp("runs")
    Pool(folder / "pool", 0.0, 0, 3).render()
    return folder


@pytest.fixture(scope="module")
def trained(runs: Path) -> Path:
    """The folder of a whole small run."""
    run = Run(SMALL, runs / "whole")
    run.train()
    run.finish()
    return runs / "whole"


def test_a_run_leaves_a_checkpoint_figures_and_a_log(trained: Path) -> None:
    held = checkpoints.load(trained / "sync.pt")
    config = SyncConfig.from_dict(held.config)
    checkpoints.fill(SparseSync(config.network), held.state_dict, source="sync.pt")
    words = json.loads((trained / "figures.json").read_text())
    assert {"network", "version", "training", "figures"} <= words.keys()
    assert set(words["figures"]["fresh rendered scenes"]["controls within 0.2 s"]) == set(evaluate.CONTROLS)
    steps = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in steps if "loss" in line] == ["first"] * 2 + ["second"] * 3


def test_a_run_that_was_stopped_goes_on_as_if_it_never_was(
    trained: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = checkpoints.load(trained / "sync.pt").state_dict
    for stop_after in (1, 3):
        folder = runs / f"stopped-{stop_after}"
        left = iter(range(stop_after))

        def stop(*arguments, left=left) -> torch.Tensor:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return answer(*arguments)

        monkeypatch.setattr(train, "answer", stop)
        with pytest.raises(KeyboardInterrupt):
            Run(SMALL, folder).train()
        monkeypatch.setattr(train, "answer", answer)
        second = Run(replace(SMALL), folder)
        second.resume()
        second.train()
        got = checkpoints.load(folder / "sync.pt").state_dict
        assert all(torch.equal(got[key], wanted[key]) for key in wanted)


def test_it_learns_a_few_windows_by_heart(runs: Path) -> None:
    settings = replace(SMALL, batch=4)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = SparseSync(settings.config().network)
    vis, aud, labels = WindowBatches(Pool(runs / "pool", 0.0, 0, 3), settings)(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    fallen = []
    for _ in range(15):
        loss = torch.nn.functional.cross_entropy(answer(network, "lag", vis, aud), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        fallen.append(loss.item())
    assert fallen[-1] < fallen[0] / 2


def test_the_same_step_gives_the_same_batch_and_every_class_comes_equally_often(runs: Path) -> None:
    batches = WindowBatches(Pool(runs / "pool", 0.0, 0, 3), SMALL)
    assert all(torch.equal(one, other) for one, other in zip(batches(5), batches(5), strict=True))
    windows = evaluate.fresh_windows(21, SMALL.clip, EASY, first_seed=0)
    assert np.array_equal(np.sort(windows.wanted), np.arange(21))


def test_the_learning_rate_rises_stays_and_falls() -> None:
    stage = Stage("one", "lag", 0.0, 1, 1000)
    rates = np.array([rate(SMALL, stage, step) for step in range(1000)])
    assert rates[0] == pytest.approx(stage.lr / 100)
    assert rates[500] == stage.lr
    assert rates[-1] == pytest.approx(stage.lr / 10)
    assert (np.diff(rates[:60]) >= 0).all()
    assert (np.diff(rates[500:]) <= 0).all()


def test_the_lag_head_finds_the_shift_of_features_by_construction() -> None:
    torch.manual_seed(0)
    head = LagHead(16, 32, OFFSETS_S.tolist())
    head.audio.load_state_dict(head.visual.state_dict())
    track = torch.randn(1, 16, 90)
    for label, offset_s in enumerate(OFFSETS_S):
        start = 20 + round(float(offset_s) / 0.1)
        seen, heard = track[..., 20:70], track[..., start : start + 50]
        logits = head(seen[..., None, None], heard[:, :, None])
        assert logits.argmax() == label


def test_controls_take_the_clue_and_leave_the_rest() -> None:
    windows = evaluate.fresh_windows(2, SMALL.clip, first_seed=0)
    blank = evaluate.without_a_clue(windows, "blank picture")
    assert not blank.frames.any()
    assert np.array_equal(blank.samples, windows.samples)
    swapped = evaluate.without_a_clue(
        evaluate.Windows(windows.frames, np.arange(8.0).reshape(2, 4), windows.wanted),
        "sound of another scene",
    )
    assert not np.array_equal(swapped.samples[0], np.arange(4.0))
    with pytest.raises(ValueError, match="no control"):
        evaluate.without_a_clue(windows, "none")


def test_chance_and_intervals_are_those_of_the_books() -> None:
    drawn = np.random.default_rng(0).integers(0, 21, (2, 200_000))
    assert (np.abs(drawn[0] - drawn[1]) <= 1).mean() == pytest.approx(evaluate.chance(21), abs=0.003)
    assert evaluate.wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-3)
