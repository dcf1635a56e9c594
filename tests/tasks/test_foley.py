"""Foley from shot to WAV file, by a bundle whose answers can be worked out and films of plain colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otio_avassist import sounds
from otio_avassist.places import Address
from otio_avassist.spans import MediaSpan, Shot
from otio_avassist.tasks.foley import Network, Options, analyse
from tests.pretend import GREEN, RED, paint, pretended_foley

BLUE = (0, 0, 200)
FPS = 25.0


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Red up to 3 s, green up to 6 s, blue up to 8 s."""
    return paint(
        tmp_path_factory.mktemp("film") / "film.mp4", [(RED, 3), (GREEN, 3), (BLUE, 2)], fps=int(FPS)
    )


def a_shot(picture: Path, duration_s: float, *, start_s: float = 0.0, record_s: float = 0.0) -> Shot:
    span = MediaSpan(
        Address((0, 0), "V1", 0, "clip", 0),
        "picture",
        picture.name,
        picture,
        start_s,
        duration_s,
        record_s,
        FPS,
    )
    return Shot(span, None, "alone")


def make(shots, folder: Path, *, network: Network | None = None, **options) -> list:
    wanted = Options(folder=folder, **options)
    return list(analyse(shots, network or Network(pretended_foley()), wanted))


def pitch_hz(path: Path) -> float:
    """Where most of a sound's power lies."""
    samples = sounds.read(path)
    return float(np.abs(np.fft.rfft(samples)).argmax() * sounds.RATE / len(samples))


def test_a_picture_gets_the_sound_that_it_asks_for(film, tmp_path):
    red, green = make([a_shot(film, 2.0), a_shot(film, 2.0, start_s=3.5, record_s=2.0)], tmp_path)
    assert (red.sound, green.sound) == ("whistle", "hum")
    assert (green.start_s, green.end_s, green.media_start_s) == (2.0, 4.0, 3.5)
    assert pitch_hz(red.takes[0].path) > 2500
    assert pitch_hz(green.takes[0].path) < 1500
