"""The bundle that ships, asked as the plugin asks it."""

from __future__ import annotations

import numpy as np
import pytest

from otio_avassist import bundles, energies
from otio_avassist.attention import Looks
from otio_avassist.bundles import SHIPPED
from otio_avassist.watching import LOOKED, check_preprocessing

pytest.importorskip("onnxruntime")


def test_the_plugin_can_make_what_it_eats_and_its_card_gives_figures() -> None:
    card = bundles.load(SHIPPED / "sync", device="cpu").card
    check_preprocessing(card)
    assert card.figures
    assert card.training["command"]


def test_it_finds_sound_that_is_late_in_scenes_it_never_saw_and_nothing_where_there_is_none() -> None:
    """Scenes with nothing beside what happens, whose sounds are none of those that it learnt from."""
    pytest.importorskip("torch")
    pytest.importorskip("cv2")
    pytest.importorskip("pymunk")
    from models.sync.compact import material, pool, scenes

    model = bundles.load(SHIPPED / "sync", device="cpu")
    offsets_s = np.array(model.card.classes)
    bank = material.invented()
    frames, right, silent = round(8 * energies.FPS), [], []
    for number, early_s in enumerate(np.linspace(-1.8, 1.8, 10)):
        kind = ("strike", "bark", "steps", "kick", "pluck")[number % 5]
        recipe = scenes.replace(scenes.EASY, kinds=(kind,))
        moves, bands = pool.of_scene(scenes.render(90_000_000 + number, bank, recipe))
        lag = round(early_s * energies.FPS)
        seen, heard = moves[50 : 50 + frames], bands[50 + lag : 50 + lag + frames]
        logits = model("logits", moves=seen[None], bands=heard[None])["logits"][0]
        right.append(abs(offsets_s[logits.argmax()] - early_s) <= 0.2)
        logits = model("logits", moves=seen[None], bands=np.full_like(heard, -16)[None])["logits"][0]
        silent.append(np.exp(logits - np.logaddexp.reduce(logits)).max())
    assert sum(right) >= 8
    assert max(silent) < 0.3


def test_it_tells_where_and_when_something_moved_with_the_sound() -> None:
    """One cell moves each time a sound sets in, 0.48 s after it; another moves more, when it likes."""
    rng = np.random.default_rng(4)
    frames, lag = 150, 12
    moves = 0.01 * rng.random((frames, energies.CHANNELS, energies.ROWS, energies.COLUMNS))
    bands = rng.normal(-9, 0.5, (frames, energies.STEPS, energies.BANDS))
    struck, others = np.array([30, 47, 83, 95, 131]), np.array([22, 38, 61, 70, 108, 119, 140])
    for at in struck:
        moves[at, :2, 2, 8] += 0.4
        bands[at - lag : at - lag + 3] += np.array([5, 3, 1])[:, None, None]
    for at in others:
        moves[at, :2, 6, 3] += 0.6
    model = bundles.load(SHIPPED / "sync", device="cpu")
    inputs = {"moves": moves[None], "bands": bands.reshape(1, frames, -1)}
    told = model("logits", *LOOKED, **{name: each.astype(np.float32) for name, each in inputs.items()})
    assert model.card.classes[told["logits"][0].argmax()] == pytest.approx(lag / energies.FPS)
    looks = Looks()
    looked, listened = (told[name][0] for name in LOOKED)
    looks.add(20.0, frames / energies.FPS, looked, listened, (1.0, 1.0))
    found = looks.within(20.0, 26.0)
    assert found is not None
    assert not found.is_even
    for at_s, row, column, _ in found.seen[:3]:
        assert np.abs(struck / energies.FPS - at_s).min() <= 0.2
        assert (row, column) == pytest.approx((1.5 / 4, 4.5 / 6))
    for at_s, _ in found.heard[:3]:
        assert np.abs((struck - lag) / energies.FPS - at_s).min() <= 0.2
