"""The bundle that ships, asked as the plugin asks it."""

from __future__ import annotations

import numpy as np
import pytest

from otio_avassist import bundles, energies
from otio_avassist.bundles import SHIPPED
from otio_avassist.watching import check_preprocessing

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
