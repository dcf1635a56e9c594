"""The bundle that ships, asked as the plugin asks it."""

from __future__ import annotations

import pytest

from otio_avassist import bundles
from otio_avassist.bundles import SHIPPED
from otio_avassist.watching import check_preprocessing

pytest.importorskip("onnxruntime")


def test_the_plugin_can_make_what_it_eats_and_its_card_gives_figures() -> None:
    card = bundles.load(SHIPPED / "sync", device="cpu").card
    check_preprocessing(card)
    assert card.figures
    assert card.training["command"]
