"""The bundle that ships, asked as the plugin asks it: right on scenes it never met, guessing with no clue."""

from __future__ import annotations

import numpy as np
import pytest

from models.sync import evaluate
from otio_avassist.bundles import SHIPPED

pytest.importorskip("onnxruntime")


def test_the_shipped_network_is_right_on_fresh_scenes_and_guesses_without_a_clue() -> None:
    scorer, clip = evaluate.bundle_scorer(SHIPPED / "sync")
    windows = evaluate.fresh_windows(42, clip, first_seed=60_000_000)
    right = evaluate.accuracy(scorer, clip, windows)
    assert right.right / right.of > 0.75
    for control in ("blank picture", "sound of another scene"):
        guessed = evaluate.accuracy(scorer, clip, evaluate.without_a_clue(windows, control))
        assert evaluate.wilson(guessed.right, guessed.of)[0] < evaluate.chance(21)


def test_its_figures_in_the_card_stand_beside_chance() -> None:
    from otio_avassist import bundles

    figures = bundles.load(SHIPPED / "sync", device="cpu").card.figures
    fresh = figures["fresh rendered scenes"]
    assert fresh["within 0.2 s"]["share"] > fresh["chance within 0.2 s"]
    assert np.sum(fresh["confusion"]) == fresh["scenes"]
    assert "real clips, single windows" in figures
