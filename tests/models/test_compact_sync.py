"""The compact sync network: what it compares, what it learns from, how it goes on, and its bundle."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from export.compact_sync import export_compact_sync  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402
from models.sync.compact import calibrate, draw, pool, train  # noqa: E402
from models.sync.compact.network import PLAIN, CompactConfig, CompactSync  # noqa: E402
from models.sync.compact.pool import Source  # noqa: E402
from models.sync.compact.train import Settings  # noqa: E402
from otio_avassist import bundles, energies  # noqa: E402
from otio_avassist.watching import LOOKED  # noqa: E402

SMALL = CompactConfig(width=16, heads=4, lag_width=8)


def source(seed: int, frames: int = 350) -> Source:
    """Something that moves in one cell each time a sound sets in, and by itself for no reason."""
    rng = np.random.default_rng(seed)
    moves = 0.01 * rng.random((1, frames, energies.CHANNELS, energies.ROWS, energies.COLUMNS))
    bands = rng.normal(-9, 0.5, (frames, energies.STEPS, energies.BANDS))
    row, column = rng.integers(energies.ROWS), rng.integers(energies.COLUMNS)
    for at in np.cumsum(rng.integers(5, 20, 60)):
        if at < frames - 3:
            moves[0, at, :2, row, column] += 0.4
            bands[at : at + 3] += np.array([5, 3, 1])[:, None, None]
    return Source(f"made {seed}", moves.astype(np.float16), bands.reshape(frames, -1).astype(np.float16))


def windows_of(rng_seed: int, count: int = 8, frames: int = 100):
    sources = [source(number) for number in range(4)]
    return draw.batch(
        sources, pool.shares(sources), np.random.default_rng(rng_seed), count=count, frames=frames, reach=50,
        changed=False,
    )  # fmt: skip


def test_lags_are_compared_as_by_hand():
    network = CompactSync(replace(SMALL, reach=6))
    seen, heard = torch.randn(2, 40, 3, 16), torch.randn(2, 40, 16)
    found = network._agreement(seen, heard, 4)
    for lag in (-6, -1, 0, 4):
        first, last = max(0, lag), 40 + min(0, lag)
        by_hand = torch.einsum(
            "btnhd,bthd->bnh",
            seen[:, first:last].unflatten(3, (4, -1)),
            heard[:, first - lag : last - lag].unflatten(2, (4, -1)),
        )
        torch.testing.assert_close(
            found[..., lag + 6], by_hand / ((40 - abs(lag)) * 4) ** 0.5, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("lag", [-30, 0, 17])
def test_a_sound_cut_later_is_early(lag):
    """What sounds at a moment of the source is heard `lag` frames before it is seen."""
    found = draw.cut(source(0), np.random.default_rng(1), 150, lag)
    assert found is not None
    moves, bands = found
    moved = moves[:, 0].max((1, 2)) > 0.2
    loud = np.diff(bands.mean(1), prepend=bands[0].mean()) > 3
    agree = [
        np.sum(moved[max(0, k) : 150 + min(0, k)] & loud[max(0, -k) : 150 - max(0, k)])
        for k in range(-50, 51)
    ]
    assert int(np.argmax(agree)) - 50 == lag


def test_what_is_too_short_for_an_offset_is_not_padded():
    assert draw.cut(source(0, frames=120), np.random.default_rng(0), 100, 30) is None


def test_training_learns_the_lag_goes_on_as_if_never_stopped_and_knows_nothing_without_sound(tmp_path):
    settings = Settings(steps=90, round=45, batch=8, windows_s=(4.0,), precision="full", config=SMALL)
    learnt = ([source(number) for number in range(30)], [source(99)])
    held_out = [source(number) for number in range(100, 106)]
    torch.set_num_threads(1)
    whole = train.train(settings, learnt, held_out, tmp_path / "whole", quiet=True)
    train.train(settings, learnt, held_out, tmp_path / "parts", until=60, quiet=True)
    parts = train.train(settings, learnt, held_out, tmp_path / "parts", quiet=True)
    assert parts.best == pytest.approx(whole.best, abs=1e-5)
    network = train.read(tmp_path / "whole" / "sync.pt")
    moves, bands, classes = windows_of(3, count=32)
    with torch.no_grad():
        right = ((network(moves, bands).argmax(1) - classes).abs() <= 5).float().mean()
        silent = (
            ((network(moves, torch.full_like(bands, -16.0)).argmax(1) - classes).abs() <= 5).float().mean()
        )
    assert right > 0.6
    assert silent < 0.35


def test_a_window_within_the_other_moves_the_answer_by_as_much():
    torch.manual_seed(0)
    network = CompactSync(SMALL).eval()
    made = source(5)
    moves = torch.from_numpy(made.moves[0].astype(np.float32))[None]
    bands = torch.from_numpy(made.bands.astype(np.float32))[None]
    with torch.no_grad():
        still = network._agreement(*map(_alike, (moves[:, 60:200], bands[:, 60:200])), 4)
        moved = network._agreement(*map(_alike, (moves[:, 60:200], bands[:, 63:203])), 4)
    assert int(moved.sum((0, 1, 2)).argmax()) - int(still.sum((0, 1, 2)).argmax()) == 3


def _alike(x):
    """Motion or sound as 16 equal channels in (B, T, N, D) or (B, T, D)."""
    if x.ndim == 5:
        return x[:, :, 0].flatten(2)[..., None].expand(-1, -1, -1, 16) - x[:, :, 0].mean()
    rise = torch.relu(torch.diff(x.mean(2), dim=1, prepend=x[:, :1].mean(2)))
    return rise[..., None].expand(-1, -1, 16) - rise.mean()


def _run(folder, **figures):
    from models import checkpoints

    folder.mkdir()
    torch.manual_seed(1)
    checkpoints.save(folder / "sync.pt", SMALL.to_dict(), CompactSync(SMALL).state_dict())
    words = {"network": "small", "version": "1", "training": {"seed": 1}, "figures": figures}
    (folder / "figures.json").write_text(json.dumps(words), encoding="utf-8")
    return folder


def test_the_bundle_takes_windows_of_any_length_and_says_what_pytorch_says(tmp_path):
    run = _run(tmp_path / "run")
    card = export_compact_sync(run, tmp_path / "bundle")
    assert card.preprocessing["inputs"] == "grids"
    assert card.classes[0] == -2.0
    assert card.classes[50] == 0.0
    model = bundles.load(tmp_path / "bundle", device="cpu")
    for frames in (80, 250):
        moves, bands, _ = windows_of(2, count=1, frames=frames)
        with torch.no_grad():
            wanted = train.read(run / "sync.pt")(moves, bands).numpy()
        given = model("logits", *LOOKED, moves=moves.numpy(), bands=bands.numpy())
        np.testing.assert_allclose(given["logits"], wanted, atol=1e-3)
        assert given["v_looked"].shape == (1, 1, 1, 1, frames // 5, 4, 6)
        assert given["a_looked"].shape == (1, 1, 1, 1, 1, frames // 5)
        assert [float(given[name].sum()) for name in LOOKED] == pytest.approx([1, 1], abs=1e-5)


def test_what_decided_is_what_each_moment_adds_to_the_likeliest_lag():
    torch.manual_seed(3)
    network = CompactSync(SMALL).eval()
    moves, bands, _ = windows_of(3, count=2, frames=123)
    with torch.no_grad():
        logits, *looked = network.looked(moves, bands)
        assert torch.equal(logits, network(moves, bands))
        found = network._compared(moves, bands)
    # The same by a backward pass through what is compared.
    inputs = [
        each.clone().requires_grad_()
        for each in (found.seen, found.heard, found.plain_seen, found.plain_heard)
    ]
    agreed = torch.cat(
        [network._agreement(*inputs[:2], SMALL.heads), network._agreement(*inputs[2:], PLAIN)], 2
    )
    before, flat = found.agreed.flatten(0, 1), agreed.flatten(0, 1)
    change = network.straight(flat) + network.along(flat) - network.straight(before) - network.along(before)
    scores = found.scores + change.unflatten(0, agreed.shape[:2])[:, :, 0]
    best = logits.argmax(1)
    slopes = torch.autograd.grad(torch.logsumexp(scores, 1).gather(1, best[:, None]).sum(), inputs)
    added = [(each * slope).sum(-1).detach() for each, slope in zip(inputs, slopes, strict=True)]
    places, listened = added[0] + added[2], added[1] + added[3]
    places = places[:, :, :-1] + places[:, :, -1:] / 24
    for given, each in zip(looked, (places.unflatten(2, (4, 6)), listened[:, :, None, None]), strict=True):
        moments = each[:, :120].unflatten(1, (24, 5)).mean(2).clamp(min=0).flatten(1)
        belief = torch.stack(
            [torch.softmax(logits[at], 0)[max(0, k - 5) : k + 6].sum() for at, k in enumerate(best.tolist())]
        )[:, None]
        wanted = belief * moments / moments.sum(1, keepdim=True) + (1 - belief) / moments.shape[1]
        torch.testing.assert_close(given.flatten(1), wanted, atol=1e-6, rtol=1e-3)


def test_a_run_that_never_trained_is_refused(tmp_path):
    run = _run(tmp_path / "run")
    (run / "sync.pt").unlink()
    with pytest.raises(CheckpointError, match=r"sync\.pt"):
        export_compact_sync(run, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


class _Oracle:
    """Says with conviction what lag it finds in a mark; every so many windows another one."""

    config = SMALL

    def __init__(self, wrong_every: int) -> None:
        self.wrong_every, self.asked = wrong_every, 0

    def __call__(self, moves, bands):
        logits = torch.zeros(len(moves), 101)
        for row, (seen, heard) in enumerate(zip(moves[:, :, 0, 0, 0], bands[:, :, 0], strict=True)):
            self.asked += 1
            wrong = self.wrong_every and self.asked % self.wrong_every == 0
            lag = round(float(heard[0] - seen[0])) if not wrong else (37 * self.asked) % 101 - 50
            logits[row, lag + 50] = 12.0
        return logits


def _marked() -> Source:
    """Each row is its own number, so a window tells how far apart it was cut."""
    numbers = np.arange(1500.0)
    moves = np.broadcast_to(
        numbers[:, None, None, None], (1500, energies.CHANNELS, energies.ROWS, energies.COLUMNS)
    )
    bands = np.broadcast_to(numbers[:, None], (1500, energies.STEPS * energies.BANDS))
    return Source("marked", moves[None], bands)


def test_a_network_that_errs_with_conviction_is_believed_less():
    right = calibrate.calibrate(_Oracle(0), [_marked()])
    wrong = calibrate.calibrate(_Oracle(3), [_marked()])
    assert right["dull"] == min(calibrate.DULL)
    assert right["temperature"] == min(calibrate.TEMPERATURES)
    assert wrong["dull"] > right["dull"] or wrong["temperature"] > right["temperature"]
