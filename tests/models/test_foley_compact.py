"""The compact foley bundle: kinds of sound, scenes of them, and one path from recordings to a bundle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from export.compact_foley import export_compact_foley  # noqa: E402
from models.captions.compact import lexicon  # noqa: E402
from models.foley.compact import (  # noqa: E402
    codebook,
    gate,
    hearing,
    material,
    patches,
    pictures,
    pool,
    sampler,
    scenes,
    train,
    vocoder,
)
from models.foley.compact.kinds import KINDS, NAMES  # noqa: E402
from models.foley.compact.material import Recording  # noqa: E402
from models.foley.config import PatchesConfig  # noqa: E402
from models.foley.train_codebook import read_lpaps  # noqa: E402
from otio_avassist import bundles, generator  # noqa: E402

RATE = scenes.RATE


def tone(name: str, hertz: float, seconds: float = 0.4) -> Recording:
    times_s = np.arange(int(seconds * RATE)) / RATE
    samples = np.sin(2 * np.pi * hertz * times_s) * np.exp(-6 * times_s / seconds)
    return Recording(name, "made here", "none", samples.astype(np.float32))


def named(pattern: str) -> str:
    """A name that the pattern fits."""
    return pattern.replace("*", ".1").replace("?", "2")


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    """One at least of each kind, low; those that are kept apart are high."""
    low = {named(each) for kind in KINDS for each in kind.learnt} - {""}
    high = {named(each) for kind in KINDS for each in kind.apart}
    return [tone(name, 400) for name in sorted(low - high)] + [tone(name, 6000) for name in sorted(high)]


@pytest.fixture(scope="module")
def small_pool(recordings: list[Recording], tmp_path_factory: pytest.TempPathFactory) -> pool.Pool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(material, "recordings", lambda place: recordings)
        patch.setattr(pool, "CHECKED", 1)
        folder = tmp_path_factory.mktemp("pool")
        return pool.build(folder, folder / "pool.npz", share=0.015)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CHECKED", 1)
    pulled = np.full((pictures.WIDTH, pictures.WIDTH), -1.0, np.float32)
    np.fill_diagonal(pulled, 9)
    monkeypatch.setattr(pictures, "ties", lambda name: pulled)
    pictures.shapes.cache_clear()


def test_a_picture_asks_for_one_kind_at_most() -> None:
    asked = [number for kind in KINDS for number in kind.sees]
    assert len(asked) == len(set(asked))
    assert set(asked) <= set(range(1000))
    assert len(set(NAMES)) == len(NAMES)
    assert all(kind.sees and kind.words for kind in KINDS)


def test_right_labels_are_labels_of_audioset() -> None:
    known = {name for each in lexicon.heard().values() for name in each.classes} | set(lexicon.silent())
    assert {label for kind in KINDS for label in kind.heard} <= known


def test_what_is_kept_apart_is_in_no_scene(small_pool: pool.Pool, recordings: list[Recording]) -> None:
    assert any(pool.is_apart(each.name) for each in recordings)
    spectra = np.abs(np.fft.rfft(small_pool.sounds.astype(np.float32), axis=1)) ** 2
    hertz = np.fft.rfftfreq(scenes.LENGTH, 1 / RATE)
    high = spectra[:, (hertz > 5000) & (hertz < 7000)].sum(1) / spectra.sum(1)
    assert high.max() < 0.01


def test_each_kind_is_learnt_from_and_has_scenes_of_its_own(small_pool: pool.Pool) -> None:
    assert set(small_pool.kinds[: small_pool.checked]) == set(range(len(KINDS)))
    assert set(small_pool.kinds[small_pool.checked :]) == {-1, *range(len(KINDS))}
    assert (np.abs(small_pool.sounds).max(1) > 0.25).all()
    assert np.abs(small_pool.sounds).max() < 1


def test_the_same_seed_is_the_same_scene(recordings: list[Recording]) -> None:
    one, same, other = (scenes.scene(np.random.default_rng(seed), KINDS[0], recordings) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert one.shape == (scenes.LENGTH,)
    assert np.abs(one - other).max() > 0.1


def test_steps_are_as_far_apart_as_a_walk(recordings: list[Recording]) -> None:
    steps = next(kind for kind in KINDS if kind.name == "footsteps")
    click = Recording("click", "", "", np.ones(20, np.float32))
    made = scenes.WAYS["steps"](np.random.default_rng(1), steps, [click])
    starts = np.flatnonzero((made > 0.3) & (np.roll(made, 1) < 0.3))
    gaps_s = np.diff(starts) / RATE
    assert 16 < len(starts) < 32
    assert gaps_s.min() > 0.25
    assert gaps_s.max() < 0.7


def test_a_drawn_picture_shows_what_asks_for_the_sound() -> None:
    rng = np.random.default_rng(0)
    blind, right = 0, 0
    for number in range(200):
        kind = KINDS[number % len(KINDS)]
        rows = pictures.drawn(rng, kind)
        assert rows.shape == (pictures.ROWS, pictures.WIDTH)
        blind += not rows.any()
        right += bool(rows.any()) and int(rows.mean(0).argmax()) in kind.sees
    assert 40 < blind < 80
    assert right > 0.85 * (200 - blind)


def test_entries_begin_where_answers_are() -> None:
    middles = torch.tensor([[0.0, 0], [5, 5], [-5, 5]])
    points = (middles[:, None] + 0.1 * torch.randn(3, 50, 2)).flatten(0, 1)
    found = codebook.centres(points, 3, seed=1)
    assert torch.cdist(middles, found).min(1).values.max() < 0.2


def test_resources_of_qt_are_taken_apart() -> None:
    # One file of five bytes, "a", in the root, as rcc writes version 1.
    names = b"".join(len(text).to_bytes(2, "big") + bytes(4) + text.encode("utf-16-be") for text in ("", "a"))
    tree = bytes(4) + (2).to_bytes(2, "big") + (1).to_bytes(4, "big") * 2
    tree += (6).to_bytes(4, "big") + bytes(2) + bytes(4) + bytes(4)
    head = b"qres" + b"".join(each.to_bytes(4, "big") for each in (1, 20, 48, 57))
    data = head + tree + (5).to_bytes(4, "big") + b"sound" + names
    assert dict(material.resources(data)) == {"//a": b"sound"}


SMALL = {"codes": 16, "width": 8, "channels": 8, "blocks": 1}


def test_a_sound_is_the_same_codes_wherever_it_stands() -> None:
    torch.manual_seed(0)
    network = patches.Patches(PatchesConfig(**SMALL))
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)  # new blocks add nothing yet
    sound = torch.rand(1, 1, 80, 48)
    here, there = torch.full((2, 1, 1, 80, 160), -1.0)
    here[..., 24:72], there[..., 64:112] = sound, sound
    with torch.no_grad():
        one, other = network.before_codes(here), network.before_codes(there)
    torch.testing.assert_close(one[..., 2:10], other[..., 7:15])
    assert not torch.equal(one[..., 2:10], one[..., 7:15])


def test_what_is_too_soft_for_a_code_is_silence_and_the_rest_comes_back() -> None:
    mels = torch.linspace(0, 1, 101)
    again = gate.released(gate.squeezed(mels))
    loud = mels > gate.FLOOR + gate.KNEE
    torch.testing.assert_close(again[loud], mels[loud])
    assert again[mels <= gate.FLOOR].max() < 1e-6
    assert (again.diff() >= 0).all()


def test_a_stopped_codebook_goes_on_as_if_it_had_not(small_pool: pool.Pool, tmp_path: Path) -> None:
    settings = codebook.Settings(patches=SMALL, columns=64, batch=2, steps=6, round=3, without_codes=2)
    codebook.train(settings, small_pool, tmp_path / "whole")
    for until in (3, None):
        codebook.train(settings, small_pool, tmp_path / "parts", until=until)
    one, other = (patches.read(tmp_path / name / "codebook.pt") for name in ("whole", "parts"))
    for name, weight in one.state_dict().items():
        torch.testing.assert_close(weight, other.state_dict()[name], msg=name)


def test_from_recordings_to_takes(
    small_pool: pool.Pool, recordings: list[Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(material, "recordings", lambda place: recordings)
    hearing.train(hearing.RANKS, small_pool, tmp_path / "hearing", batch=8, epochs=1)
    codebook.train(
        codebook.Settings(patches=SMALL, columns=64, batch=2, steps=3, round=3, without_codes=1),
        small_pool, tmp_path / "codebook",
    )  # fmt: skip
    coder = patches.read(tmp_path / "codebook" / "codebook.pt")
    before = {name: weight.clone() for name, weight in coder.state_dict().items()}
    codebook.train_decoder(
        codebook.DecoderSettings(columns=64, batch=2, steps=2, round=2),
        small_pool, coder, read_lpaps(tmp_path / "hearing" / "classifier.pt"), tmp_path / "decoder",
    )  # fmt: skip
    moved = {name for name, weight in coder.state_dict().items() if not torch.equal(weight, before[name])}
    assert moved
    assert {name.partition(".")[0] for name in moved} <= {"decoder"}
    tiny = {"layers": 1, "heads": 2, "width": 32}
    sampler.train(
        sampler.Settings(sampler=tiny, batch=2, steps=2, round=2), small_pool, coder, tmp_path / "sampler"
    )
    vocoder.train(
        vocoder.Settings(vocoder={"channels": 4, "judge_channels": 4}, batch=2, alone=1, steps=2, round=2),
        small_pool, tmp_path / "vocoder",
    )  # fmt: skip
    words = train.figures(tmp_path, tmp_path)
    (tmp_path / "figures.json").write_text(json.dumps(words), encoding="utf-8")
    card = export_compact_foley(tmp_path, tmp_path / "bundle", vocoder=True)

    assert card.classes == NAMES
    assert card.needs == ("efficientnet-lite0",)
    assert all(not pool.is_apart(name) for held in card.training["heard"].values() for each in held.values()
               for name in each)  # fmt: skip
    made = generator.Generator(
        bundles.open_bundle(tmp_path / "bundle", device="cpu", threads=1, lacking=True)
    )
    parts = made.parts(3.0)
    pieces = made.make(parts, None, sound="dog", randoms=[np.random.default_rng(0)])
    samples = np.concatenate(list(pieces), axis=1)
    assert samples.shape[1] >= 3 * RATE
    assert np.isfinite(samples).all()
    assert made.relevance(samples[0], "dog") is not None
