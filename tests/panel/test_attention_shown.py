"""Which input decided, in the window: over what is seen, over what is heard, and in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from otio_avassist.findings import Attention, SyncFinding
from otio_avassist.panel import preview
from otio_avassist.panel.window import Window
from tests.panel import scene

TOLD = Attention(
    seen=((1.0, 0.25, 0.8, 9.0),), heard=((0.6, 4.0),), heard_curve=((0.2, 1.0), (0.6, 4.0), (1.4, 1.0))
)
EVEN = Attention(seen=((1.0, 0.25, 0.8, 1.01),), heard=((0.6, 1.0),), heard_curve=((0.6, 1.0),))


@pytest.fixture
def window(qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Window:
    monkeypatch.setenv("AVASSIST_CACHE", str(tmp_path / "cache"))
    made = Window(scene.SETTINGS)
    qtbot.addWidget(made, before_close_func=lambda window: setattr(window, "session", None))
    made.open(scene.filled(scene.write_cut(tmp_path)), look=False)
    return made


def show(window: Window, attention: Attention | None, playing: int) -> None:
    """As if its media had been fetched."""
    assert window.session is not None
    id_ = next(entry.id for entry in window.session.entries.values() if entry.task == "sync")
    entry = window.session.entries[id_]
    assert isinstance(entry.finding, SyncFinding)
    told = replace(entry, told=replace(entry.told, finding=replace(entry.finding, attention=attention)))
    window.viewer.show_entry(told)
    sounds = tuple(
        preview.Sound(label, np.zeros(2 * preview.RATE, np.float32), np.zeros((80, 170), np.float32))
        for label in ("as it is", "as proposed")
    )
    frames = np.full((50, 90, 160, 3), 100, np.uint8)
    close = preview.Close(entry.finding.shot.lead.record_start_s, frames, np.zeros(50), sounds)
    window.viewer.show_close(told, close, playing)
    window._show_attention(told, close, playing)


def shown(window: Window) -> np.ndarray:
    return window.viewer.screen_._looked


def test_places_are_lit_and_the_line_goes_with_the_sound_that_plays(window: Window) -> None:
    tops = []
    for playing in (0, 1):
        show(window, TOLD, playing)
        assert shown(window).max() == pytest.approx(1.0)
        times_s, heights = window.viewer.sync.spectrogram.attention()
        tops.append(times_s[heights.argmax()])
    # As proposed, the sound is heard later by what it was early.
    assert tops == pytest.approx([0.6, 1.0])
    assert "looked most at 1.0 s, at the top on the right" in window.viewer.sync.evidence.text()


def test_what_tells_nothing_is_said_and_not_drawn(window: Window) -> None:
    show(window, TOLD, 0)
    show(window, EVEN, 0)
    assert len(shown(window)) == 0
    assert len(window.viewer.sync.spectrogram.attention()[0]) == 0
    assert "looked everywhere alike" in window.viewer.sync.evidence.text()
    show(window, None, 0)
    assert "looked" not in window.viewer.sync.evidence.text()
