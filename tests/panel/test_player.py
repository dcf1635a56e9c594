"""The player without a device: it moves all the same, as J, K and L ask, and says why nothing is heard."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from otio_avassist.panel import player as players
from otio_avassist.panel.player import Player

RATE = 16000


@pytest.fixture
def player(qtbot, monkeypatch):
    monkeypatch.setattr(players, "_sink", lambda _parent, _rate: (None, "no sound: there is no audio device"))
    made = Player()
    made.load(np.zeros(RATE, np.float32), RATE, 1.0)
    yield made
    made.stop()


def test_moves_at_its_own_speed(player, qtbot):
    clock = players.QElapsedTimer()
    clock.start()
    player.play()
    qtbot.waitUntil(lambda: player.at_s > 0.3)
    assert player.at_s == pytest.approx(clock.elapsed() / 1000, abs=0.1)


def test_begins_again_at_the_end_of_the_loop(player, qtbot):
    seen = []
    player.moved.connect(seen.append)
    player.seek(0.9)
    player.play()
    qtbot.waitUntil(lambda: player.at_s < 0.5)
    assert player.plays
    assert max(seen) <= 1.0
    assert 0.0 in seen


def test_stops_at_the_end_where_it_does_not_loop_and_begins_anew(player, qtbot):
    player.loops = False
    player.seek(0.95)
    player.play()
    qtbot.waitUntil(lambda: not player.plays)
    assert player.at_s == 1.0
    player.play()
    assert player.at_s == 0.0


def test_each_press_is_faster_and_the_other_way_turns(player):
    speeds = []
    for press in (player.forward,) * 4 + (player.backward,) * 4 + (player.forward, player.stop):
        press()
        speeds.append(player.speed)
    assert speeds == [1, 2, 4, 4, -1, -2, -4, -4, 1, 0]


def test_backwards_goes_round_to_the_end(player, qtbot):
    player.seek(0.05)
    player.backward()
    qtbot.waitUntil(lambda: player.at_s > 0.5)
    assert player.speed == -1


def test_seeking_stays_inside_and_does_not_start(player):
    for wanted, stands in ((0.4, 0.4), (-1.0, 0.0), (7.0, 1.0)):
        player.seek(wanted)
        assert player.at_s == stands
        assert not player.plays


def test_goes_on_where_it_was_when_the_sound_is_exchanged(player):
    player.seek(0.4)
    player.play()
    player.load(np.ones(RATE, np.float32), RATE, 1.0)
    assert player.plays
    assert player.at_s == pytest.approx(0.4, abs=0.1)


def test_nothing_to_play_stays_still(player):
    player.load(np.zeros(0, np.float32), RATE, 0.0)
    player.play()
    assert not player.plays


def test_refuses_a_sound_at_another_rate(player):
    with pytest.raises(ValueError, match="48000"):
        player.load(np.zeros(10, np.float32), 48000, 1.0)


def test_says_that_multimedia_cannot_be_loaded(qtbot, monkeypatch):
    monkeypatch.setitem(sys.modules, "PySide6.QtMultimedia", None)
    player = Player()
    assert "multimedia can't be loaded" in player.silent_because
    player.load(np.zeros(RATE, np.float32), RATE, 1.0)
    player.play()
    assert player.plays
    player.stop()


def test_a_device_gets_the_sound_from_where_it_stands_at_its_own_speed_only(qtbot, monkeypatch):
    class Sink:
        heard: bytes | None = None

        def start(self, device):
            self.heard = bytes(device.readAll().data())

        def stop(self):
            self.heard = None

    sink = Sink()
    monkeypatch.setattr(players, "_sink", lambda _parent, _rate: (sink, ""))
    player = Player()
    samples = np.linspace(-2, 1, RATE, dtype=np.float32)
    player.load(samples, RATE, 1.0)
    player.seek(0.5)
    player.play()
    wanted = (np.clip(samples, -1, 1) * 32767).astype("<i2")[RATE // 2 :]
    assert sink.heard == wanted.tobytes()
    player.forward()
    assert player.speed == 2
    assert sink.heard is None
    player.stop()
